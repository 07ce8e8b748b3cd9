"""Outcome -> the step summary, GitHub-flavoured Markdown, far below the 1 MiB that GitHub takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ecr_publish.errors import PublishError
from ecr_publish.findings import Finding
from ecr_publish.gate import Decision, Verdict
from ecr_publish.outcome import Outcome
from ecr_publish.report.escape import block, cell, code, link
from ecr_publish.report.wording import (
    NAMELESS,
    advice,
    durations,
    fixes,
    headline,
    installed,
    notes,
    scan,
    untagged,
    waiver,
)

MOST_ROWS = 100
"""Rows of one table; 200 rows of at most 4,600 bytes, which only hostile ones reach, are 0.9 MB."""

_LONGEST_SENTENCE = 1000
"""AWS's refusals are long, and their end says what is missing."""

_MARKS = {Decision.PASSED: "✅", Decision.REFUSED: "❌", Decision.UNKNOWN: "⚠️"}


def summary(outcome: Outcome) -> str:
    """The whole summary: the verdict first, then what decided it, then what to do."""
    return "\n\n".join(_parts(outcome)) + "\n"


def _parts(outcome: Outcome) -> Iterator[str]:
    mark = "❌" if outcome.error else _MARKS[outcome.decision]
    yield f"## {mark} {cell(headline(outcome), _LONGEST_SENTENCE)}"
    if waiver(outcome):
        yield f"> [!WARNING]\n> **{cell(waiver(outcome), _LONGEST_SENTENCE)}**"
    yield from (f"> [!WARNING]\n> {cell(text, _LONGEST_SENTENCE)}" for text in outcome.warnings)
    if outcome.error:
        yield from _failure(outcome.error)
    if outcome.state:
        yield _facts(outcome)
    if outcome.verdict:
        yield from _judged(outcome.verdict)
    if not outcome.error and advice(outcome):
        yield f"### What to do next\n\n{advice(outcome)}"
    yield from (f"> [!NOTE]\n> {cell(note, _LONGEST_SENTENCE)}" for note in notes(outcome))
    if durations(outcome):
        yield f"<sub>{cell(durations(outcome))}</sub>"


def _failure(error: PublishError) -> Iterator[str]:
    if error.why:
        yield block(error.why)
    if error.fix:
        yield f"### What to do\n\n{block(error.fix)}"
    if error.link:
        yield f"More: {error.link}"


def _facts(outcome: Outcome) -> str:
    tags = ", ".join(code(str(tag)) for tag in outcome.promotion.tags)
    rows = {
        "Image": code(outcome.image) or "not pushed",
        "Release tags": tags or cell(untagged(outcome)),
        "Scan": cell(scan(outcome)) or "none",
    }
    if outcome.candidate:
        rows["Candidate"] = code(str(outcome.candidate))
    lines = (f"| {name} | {value} |" for name, value in rows.items())
    return "| | |\n|---|---|\n" + "\n".join(lines)


def _judged(verdict: Verdict) -> Iterator[str]:
    if not verdict.complete:
        yield "What ECR has named so far, which is not known to be all:"
    counts = {severity.value.capitalize(): number for severity, number in verdict.counts.items()}
    yield (
        f"| {' | '.join(counts)} | Total |\n|{'---:|' * (len(counts) + 1)}\n"
        f"| {' | '.join(map(str, counts.values()))} | {len(verdict.findings)} |"
    )
    if verdict.deciding:
        yield (
            f"### At or above the threshold {code(verdict.threshold.value)}\n\n"
            + _table(verdict.deciding)
        )
    decided = set(map(id, verdict.deciding))
    others = [finding for finding in verdict.findings if id(finding) not in decided]
    if others:
        number = "1 finding" if len(others) == 1 else f"{len(others)} findings"
        yield (
            f"<details><summary>{number} below the threshold</summary>\n\n"
            f"{_table(others)}\n\n</details>"
        )
    if verdict.suppressed:
        yield (
            f"<details><summary>{len(verdict.suppressed)} suppressed in Inspector, not counted"
            f"</summary>\n\n{_table(verdict.suppressed)}\n\n</details>"
        )


def _table(findings: Sequence[Finding]) -> str:
    several = any(finding.platforms for finding in findings)
    head = ["Severity", "Finding", "Package", "Fixed in", *(["Platforms"] if several else [])]
    rows = [_row(finding, several=several) for finding in findings[:MOST_ROWS]]
    table = "\n".join(
        f"| {' | '.join(columns)} |" for columns in (head, ["---"] * len(head), *rows)
    )
    if len(findings) > MOST_ROWS:
        table += f"\n\nShowing {MOST_ROWS} of {len(findings)}."
    return table


def _row(finding: Finding, *, several: bool) -> list[str]:
    name = link(finding.name or NAMELESS, finding.uri)
    columns = [cell(finding.stated_severity), name, cell(installed(finding)), cell(fixes(finding))]
    return [*columns, cell(", ".join(finding.platforms))] if several else columns
