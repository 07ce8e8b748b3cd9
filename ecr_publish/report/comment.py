"""Outcome -> the pull request's comment: the verdict, what decided it, what to do, where to look.

GitHub takes 65,536 characters (reference/ecr-behaviour.md section 5); counted here are the bytes of
UTF-8, of which there are never fewer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from ecr_publish.errors import PublishError
from ecr_publish.findings import Finding
from ecr_publish.gate import Decision, Judgement
from ecr_publish.outcome import Outcome
from ecr_publish.reference import Repository
from ecr_publish.report.escape import block, cell, code, link, printable
from ecr_publish.report.wording import (
    NAMELESS,
    advice,
    brought_by,
    fixes,
    headline,
    installed,
    mark,
    missing,
    untagged,
    waiver,
)

MOST_BYTES = 65_000
"""Of the whole comment."""
MOST_ROWS = 20
"""Of the table; the run's summary has more."""

_MOST_TAGS, _MOST_WARNINGS = 20, 3
_LONGEST_SENTENCE, _LONGEST_WARNING, _LONGEST_NAME = 1000, 500, 200
_LONGEST_WHY, _LONGEST_FIX = 3000, 4000


def marker(repository: Repository) -> str:
    """The hidden first line of the comment, by which a later run finds it.

    The name is parsed again, because `>` in it would end the marker; none that ECR takes has one.
    Of many images it holds `{target}`.
    """
    Repository.parse(repository.name.replace("{target}", "target"))
    return f"<!-- ecr-publish: {repository} -->"


def comment(outcome: Outcome, *, repository: Repository, run_url: str) -> str:
    """The whole comment.

    Args:
        outcome: The end of the run.
        repository: Several of them may comment on one pull request, each in a comment of its own.
        run_url: Of the run, whose summary has the rest.
    """
    clean = outcome.decision is Decision.PASSED and not outcome.error
    said = sentence(headline(outcome), _LONGEST_SENTENCE)
    before = [
        marker(repository),
        f"{'' if clean else '### '}{mark(outcome)} {code(repository.name)}: {said}",
        *statement(outcome),
    ]
    report = link("The whole report", run_url)
    if clean:
        before[-1] += f". {report}"
    after = [*to_do(outcome), *([] if clean else [report])]
    room = MOST_BYTES - len("\n\n".join((*before, *after)).encode())
    return "\n\n".join((*before, *table(outcome, rows=MOST_ROWS, room=room), *after)) + "\n"


def statement(outcome: Outcome) -> Iterator[str]:
    """What is to be said whatever was found: waivers and warnings, the failure, the image."""
    if waiver(outcome):
        yield f"> [!WARNING]\n> **{sentence(waiver(outcome), _LONGEST_SENTENCE)}**"
    for text in (*missing(outcome)[:_MOST_WARNINGS], *outcome.warnings[:_MOST_WARNINGS]):
        yield f"> [!WARNING]\n> {sentence(text, _LONGEST_WARNING)}"
    if outcome.error:
        yield from _failure(outcome.error)
    if outcome.image:
        yield f"Image: {code(outcome.image)}, release tags: {_tags(outcome)}"


def to_do(outcome: Outcome) -> Iterator[str]:
    """What to do next after a run that reached a verdict; a failure says it by itself."""
    if advice(outcome) and not outcome.error:
        yield f"**What to do:** {advice(outcome)}"


def table(outcome: Outcome, *, rows: int, room: int) -> Iterator[str]:
    """The findings that refuse the image, whole rows only, and how many there are more.

    Args:
        outcome: The end of the run.
        rows: As many at most.
        room: Bytes that the rows may take.
    """
    deciding = outcome.verdict.deciding if outcome.verdict else ()
    if not deciding:
        return
    head, *lines = _lines(deciding[:rows])
    sizes = accumulate(len(line.encode()) + 1 for line in lines)
    # The head and the sentence below take some hundred bytes.
    shown = [line for line, size in zip(lines, sizes, strict=True) if size <= room - 500]
    if shown:
        yield "\n".join((head, *shown))
    if len(shown) < len(deciding):
        yield f"Showing {len(shown)} of {len(deciding)}."


def sentence(text: str, longest: int) -> str:
    """Text as a sentence in Markdown that notifies nobody: GitHub takes `@name` for a mention."""
    return cell(text, longest).replace("@", "@\u200b")


def _failure(error: PublishError) -> Iterator[str]:
    if error.why:
        yield block(shortened(printable(error.why), _LONGEST_WHY))
    if error.fix:
        yield f"**What to do:**\n\n{block(shortened(printable(error.fix), _LONGEST_FIX))}"
    yield error.more


def _tags(outcome: Outcome) -> str:
    tags = outcome.promotion.tags
    named = [code(str(tag)) for tag in tags[:_MOST_TAGS]]
    more = len(tags) - len(named)
    named += [f"{more} more"] if more else []
    return ", ".join(named) or sentence(untagged(outcome), _LONGEST_SENTENCE)


def _lines(judged: Sequence[Judgement]) -> Iterator[str]:
    findings = [item.finding for item in judged]
    columns = dict(_COLUMNS)
    if any(package.layer for finding in findings for package in finding.packages):
        columns["Brought by"] = lambda finding: _name(brought_by(finding))
    yield f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"
    for finding in findings:
        yield f"| {' | '.join(write(finding) for write in columns.values())} |"


def _linked(finding: Finding) -> str:
    linked = link(finding.name or NAMELESS, finding.uri)
    # Text that only looks like a link begins with an escaped bracket.
    return linked if linked.startswith("[") else _name(finding.name) or NAMELESS


def _name(text: str) -> str:
    """Text as code, in which GitHub sees neither mentions (`@scope/package`) nor issues."""
    return code(shortened(text, _LONGEST_NAME))


_COLUMNS: Mapping[str, Callable[[Finding], str]] = {
    "Severity": lambda finding: sentence(finding.stated_severity, _LONGEST_NAME),
    "Finding": _linked,
    "Package": lambda finding: _name(installed(finding)),
    "Fixed in": lambda finding: _name(fixes(finding)),
}


def shortened(text: str, longest: int) -> str:
    """Text of at most so many characters; a cut shows."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
