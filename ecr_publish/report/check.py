"""Outcome -> the check run on the commit: a conclusion, the verdict, annotations on the Dockerfile.

Limits: GitHub's "REST API endpoints for check runs" (65,535 characters of summary and of text,
64 KB of an annotation's message, 255 characters of its title). Characters are counted as bytes of
UTF-8 where many add up, of which there are never fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ecr_publish.errors import Cancelled
from ecr_publish.findings import Finding
from ecr_publish.gate import Decision, Ground, Judgement, Verdict
from ecr_publish.outcome import Outcome
from ecr_publish.policy import Rules
from ecr_publish.reference import Repository
from ecr_publish.report.comment import sentence, shortened, statement, table, to_do
from ecr_publish.report.escape import printable
from ecr_publish.report.place import dockerfile, line_of
from ecr_publish.report.wording import (
    NAMELESS,
    brought_by,
    fixes,
    headline,
    installed,
    title,
    waiver,
)

MOST_REMARKS = 100
"""Of one check run: two requests."""
MOST_ROWS, MOST_BYTES = 100, 65_000
"""Of the table of findings that refuse."""

_LONGEST_TITLE, _LONGEST_LINE, _LONGEST_SENTENCE = 255, 1000, 1000


class Conclusion(Enum):
    """GitHub's words for how a check ended; NEUTRAL lets a pull request be merged like SUCCESS."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
    CANCELLED = "cancelled"


class Level(Enum):
    """GitHub's words for how bad an annotation is."""

    FAILURE = "failure"
    WARNING = "warning"
    NOTICE = "notice"


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What GitHub calls an annotation: plain text on one line of a file of the repository."""

    path: str
    line: int
    level: Level
    title: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check run that is over. `title` is plain text, `summary` and `text` are Markdown."""

    conclusion: Conclusion
    title: str
    summary: str
    text: str
    remarks: tuple[Remark, ...]


_LEVELS = {
    Ground.IN_GRACE: Level.WARNING,
    Ground.KNOWN: Level.NOTICE,
    Ground.OF_BASE_IMAGE: Level.NOTICE,
    Ground.NOT_FIXABLE: Level.NOTICE,
}
"""Of what would refuse the image but for a rule. Not of what somebody has accepted by an ignore."""


def name(repository: Repository) -> str:
    """The check's name, by which a ruleset of the repository can require it."""
    return f"ECR scan / {repository}"


def check(outcome: Outcome) -> Check:
    """The check run for the end of a run, whatever that is (S6)."""
    concluded = conclusion(outcome)
    said = headline(outcome)
    if concluded is Conclusion.NEUTRAL and outcome.verdict:
        said = f"Waived by {' and '.join(outcome.verdict.waived_by)}: {said}"
    return Check(
        conclusion=concluded,
        title=_line(said, _LONGEST_TITLE),
        summary="\n\n".join(_summary(outcome)) + "\n",
        text="\n\n".join(table(outcome, rows=MOST_ROWS, room=MOST_BYTES)),
        remarks=tuple(_remarks(outcome)),
    )


def conclusion(outcome: Outcome) -> Conclusion:
    """How the check ended: never better than the step, and success for a pass alone (S2)."""
    if isinstance(outcome.error, Cancelled):
        return Conclusion.CANCELLED
    if outcome.exit_code:
        return Conclusion.FAILURE
    passed = outcome.decision is Decision.PASSED
    return Conclusion.SUCCESS if passed else Conclusion.NEUTRAL


def _summary(outcome: Outcome) -> Iterator[str]:
    yield f"**{sentence(headline(outcome), _LONGEST_SENTENCE)}**"
    yield from statement(outcome)
    yield from to_do(outcome)
    number = len(_remarkable(outcome.verdict))
    if number > MOST_REMARKS:
        yield f"Annotated are the first {MOST_REMARKS} of {number} findings."


def _remarkable(verdict: Verdict | None) -> list[Judgement]:
    """What refuses the image, and then what would but for a rule; the worst first in each."""
    if verdict is None:
        return []
    let_through = [item for ground in _LEVELS for item in verdict.with_ground(ground)]
    return [*verdict.deciding, *let_through]


def _remarks(outcome: Outcome) -> Iterator[Remark]:
    path, known = dockerfile(outcome)
    # What was waived has refused nothing.
    refusing = Level.WARNING if waiver(outcome) else Level.FAILURE
    rules = outcome.verdict.rules if outcome.verdict else Rules()
    for item in _remarkable(outcome.verdict)[:MOST_REMARKS]:
        yield Remark(
            path=path,
            line=line_of(item.finding) if known else 1,
            level=_LEVELS.get(item.ground, refusing),
            title=_line(_title(item.finding), _LONGEST_TITLE),
            message="\n".join(_line(text, _LONGEST_LINE) for text in _message(item, rules)),
        )


def _title(finding: Finding) -> str:
    package = f" in {installed(finding)}" if installed(finding) else ""
    return f"{finding.stated_severity}: {finding.name or NAMELESS}{package}"


def _message(item: Judgement, rules: Rules) -> Iterator[str]:
    finding, fixed, why = item.finding, fixes(item.finding), title(item.ground, rules)
    yield f"{why[0].upper()}{why[1:]}{f' ({item.place})' if item.place else ''}."
    if item.until:
        yield f"It refuses the image from {item.until} on."
    yield f"Fixed in {fixed}." if fixed else "ECR names no version that fixes it."
    if any(package.layer for package in finding.packages):
        yield f"Brought by {brought_by(finding)}."
    if finding.platforms:
        yield f"Found on {', '.join(finding.platforms)}."
    yield from filter(None, (finding.description, finding.uri))


def _line(text: str, longest: int) -> str:
    return shortened(printable(" ".join(text.split())), longest)
