"""Outcome -> the step summary, GitHub-flavoured Markdown, far below the 1 MiB that GitHub takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from ecr_publish.errors import PublishError
from ecr_publish.findings import Finding
from ecr_publish.gate import Ground, Judgement, Verdict
from ecr_publish.ignores import Ignore
from ecr_publish.outcome import Outcome
from ecr_publish.policy import Rules
from ecr_publish.report.escape import block, cell, code, link
from ecr_publish.report.remedies import remedies
from ecr_publish.report.wording import (
    NAMELESS,
    advice,
    brought_by,
    durations,
    end,
    epss,
    fixes,
    headline,
    installed,
    mark,
    missing,
    notes,
    scan,
    stated,
    title,
    untagged,
    unused,
    waiver,
)

MOST_ROWS, MOST_BYTES = 100, 50_000
"""Of the rows of one table; there is one for each ground. Only hostile rows are that long."""

_LONGEST_SENTENCE = 1000
"""AWS's refusals are long, and their end says what is missing."""

_MORE: Mapping[Ground, tuple[str, ...]] = {
    Ground.IGNORED: ("Reason", "Owner", "Until", "Rule"),
    Ground.IN_GRACE: ("Refuses from",),
}
Column = tuple[Callable[[Finding], str], Callable[[Finding], bool]]


def summary(outcome: Outcome, name: str = "") -> str:
    """The whole summary: the verdict first, then what decided it, then what to do.

    `name` is the image's, where the run has several.
    """
    return "\n\n".join(_parts(outcome, name)) + "\n"


def _parts(outcome: Outcome, name: str) -> Iterator[str]:
    named = f"{code(name)}: " if name else ""
    yield f"## {mark(outcome)} {named}{cell(headline(outcome), _LONGEST_SENTENCE)}"
    if waiver(outcome):
        yield f"> [!WARNING]\n> **{cell(waiver(outcome), _LONGEST_SENTENCE)}**"
    yield from (f"> [!WARNING]\n> {cell(text, _LONGEST_SENTENCE)}" for text in outcome.warnings)
    if outcome.error:
        yield from _failure(outcome.error)
    if outcome.state:
        yield _facts(outcome)
    if outcome.verdict:
        yield from _judged(outcome.verdict)
        yield from (
            f"> [!WARNING]\n> {cell(text, _LONGEST_SENTENCE)}"
            for text in (*missing(outcome), *unused(outcome))
        )
        yield from filter(None, [_policy(outcome.verdict.rules)])
    if not outcome.error and advice(outcome):
        yield "\n\n".join(("### What to do next", *_steps(outcome), advice(outcome)))
    yield from (part for note in notes(outcome) for part in _note(note))
    if durations(outcome):
        yield time_line(outcome)


def _note(text: str) -> Iterator[str]:
    """A note: its first line, and the others as they are, as there may be something to paste."""
    first, _, others = text.partition("\n")
    yield f"> [!NOTE]\n> {cell(first, _LONGEST_SENTENCE)}"
    if others:
        yield block(others)


def _steps(outcome: Outcome) -> Iterator[str]:
    deciding = outcome.verdict.deciding if outcome.verdict else ()
    steps = [f"- {cell(text, _LONGEST_SENTENCE)}" for text in remedies(deciding)]
    if steps:
        yield "\n".join(steps)


def time_line(outcome: Outcome) -> str:
    """What happened when, as a chart (GitHub: "Creating diagrams", Mermaid)."""
    spent = outcome.seconds.items()
    ends = accumulate(seconds for _, seconds in spent)
    # Mermaid counts in milliseconds, and draws nothing that takes none.
    bars = [
        f"  {room} ({seconds:.1f} s) : {round((end - seconds) * 1000)}, {max(1, round(end * 1000))}"
        for (room, seconds), end in zip(spent, ends, strict=True)
    ]
    head = ("gantt", "  dateFormat x", "  axisFormat %s s")
    chart = "\n".join(("```mermaid", *head, *bars, "```"))
    return f"<details><summary>{cell(durations(outcome))}</summary>\n\n{chart}\n\n</details>"


def _failure(error: PublishError) -> Iterator[str]:
    if error.why:
        yield block(error.why)
    if error.fix:
        yield f"### What to do\n\n{block(error.fix)}"
    yield error.more


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
    for ground in Ground:
        judged = verdict.with_ground(ground)
        if judged:
            yield _section(ground, judged, verdict.rules)


def _section(ground: Ground, judged: Sequence[Judgement], rules: Rules) -> str:
    table = _table(judged, ground)
    text = cell(title(ground, rules))
    if ground.refuses:
        return f"### {text[0].upper()}{text[1:]}\n\n{table}"
    number = "1 finding" if len(judged) == 1 else f"{len(judged)} findings"
    return f"<details><summary>{number} {text}</summary>\n\n{table}\n\n</details>"


def _table(judged: Sequence[Judgement], ground: Ground) -> str:
    findings = [item.finding for item in judged[:MOST_ROWS]]
    columns = _columns(findings)
    head = [*columns, *_MORE.get(ground, ())]
    rows = [
        _row([*(write(item.finding) for write in columns.values()), *_more(item)])
        for item in judged[:MOST_ROWS]
    ]
    sizes = accumulate(len(row.encode()) for row in rows)
    shown = [row for row, size in zip(rows, sizes, strict=True) if size <= MOST_BYTES]
    table = "\n".join((_row(head), _row(["---"] * len(head)), *shown))
    cut = f"\n\nShowing {len(shown)} of {len(judged)}."
    return table + cut if len(shown) < len(judged) else table


def _columns(findings: Sequence[Finding]) -> dict[str, Callable[[Finding], str]]:
    there = {name: write for name, (write, has) in _WHERE_KNOWN.items() if any(map(has, findings))}
    return {**_COLUMNS, **there}


def _has_layer(finding: Finding) -> bool:
    return any(package.layer for package in finding.packages)


def _row(columns: Sequence[str]) -> str:
    return f"| {' | '.join(columns)} |"


_COLUMNS: Mapping[str, Callable[[Finding], str]] = {
    "Severity": lambda finding: cell(finding.stated_severity),
    "Finding": lambda finding: link(finding.name or NAMELESS, finding.uri),
    "Package": lambda finding: cell(installed(finding)),
    "Fixed in": lambda finding: cell(fixes(finding)),
}
_WHERE_KNOWN: Mapping[str, Column] = {
    "Platforms": (
        lambda finding: cell(", ".join(finding.platforms)),
        lambda finding: bool(finding.platforms),
    ),
    "Brought by": (lambda finding: cell(brought_by(finding)), _has_layer),
    "EPSS": (lambda finding: cell(epss(finding)), lambda finding: finding.in_kev is not None),
}
"""Columns for what some findings have, each with the question whether one has it."""


def _more(item: Judgement) -> list[str]:
    """What is to be said of a finding beyond itself, in the columns of `_MORE`."""
    if item.ground is Ground.IN_GRACE:
        return [str(item.until)]
    return _accepted(item.ignores) if item.ground is Ground.IGNORED else []


def _accepted(by: Sequence[Ignore]) -> list[str]:
    columns = ([ignore.reason for ignore in by], [ignore.owner for ignore in by], map(end, by))
    places = [ignore.place for ignore in by]
    joined = ["; ".join(dict.fromkeys(filter(None, texts))) for texts in (*columns, places)]
    return [cell(text) for text in joined]


def _policy(rules: Rules) -> str:
    """The rules that counted, folded; nothing where nobody has stated any."""
    lines = [
        f"| {cell(name)} | {cell(value)} | {cell(place)} |" for name, value, place in stated(rules)
    ]
    if not lines:
        return ""
    head = "| Rule | Value | Stated in |\n|---|---|---|"
    return "\n".join(("<details><summary>The policy</summary>\n", head, *lines, "\n</details>"))
