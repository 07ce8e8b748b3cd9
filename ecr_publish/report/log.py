"""Outcome -> the last lines of the log, for whoever reads no summary."""

from __future__ import annotations

from collections.abc import Iterator

from ecr_publish.errors import PublishError
from ecr_publish.findings import Finding
from ecr_publish.gate import Ground, Judgement, Verdict
from ecr_publish.outcome import Outcome
from ecr_publish.report.wording import (
    NAMELESS,
    advice,
    durations,
    end,
    fixes,
    headline,
    installed,
    missing,
    notes,
    scan,
    title,
    untagged,
    unused,
    waiver,
)

MOST_LINES = 20
_LET_THROUGH = (
    *(Ground.IGNORED, Ground.KNOWN, Ground.OF_BASE_IMAGE, Ground.NOT_FIXABLE, Ground.IN_GRACE),
    *(Ground.BELOW_THRESHOLD, Ground.SUPPRESSED),
)


def lines(outcome: Outcome) -> Iterator[str]:
    """The verdict, the findings that decided, the image, what to do, the durations."""
    yield headline(outcome)
    if waiver(outcome):
        yield f"WARNING: {waiver(outcome)}"
    yield from (f"WARNING: {text}" for text in outcome.warnings)
    if outcome.error:
        yield from _failure(outcome.error)
    if outcome.verdict:
        yield from _judged(outcome.verdict)
        yield from (f"WARNING: {text}" for text in (*missing(outcome), *unused(outcome)))
    yield from _image(outcome)
    if outcome.verdict and not outcome.error and advice(outcome):
        yield advice(outcome)
    yield from (f"Note: {note}" for note in notes(outcome))
    if durations(outcome):
        yield f"Time: {durations(outcome)}"


def _image(outcome: Outcome) -> Iterator[str]:
    if outcome.image:
        tags = ", ".join(map(str, outcome.promotion.tags)) or untagged(outcome)
        yield f"Image: {outcome.image}"
        yield f"Release tags: {tags}"
        yield f"Scan: {scan(outcome) or 'none'}"


def _failure(error: PublishError) -> Iterator[str]:
    yield from filter(None, (error.why, error.fix, error.more))


def _judged(verdict: Verdict) -> Iterator[str]:
    yield from (_finding(item.finding) for item in verdict.deciding[:MOST_LINES])
    hidden = len(verdict.deciding) - MOST_LINES
    if hidden > 0:
        yield f"  … and {hidden} more, see the step summary"
    for ground in _LET_THROUGH:
        judged = verdict.with_ground(ground)
        if judged:
            yield f"  {len(judged)} {title(ground, verdict.rules)}"
        if ground is Ground.IGNORED:
            yield from (f"  {_accepted(item)}" for item in judged[:MOST_LINES])


def _accepted(item: Judgement) -> str:
    """An ignored finding with why, who answers for it, and until when."""
    reasons = (
        ", ".join(filter(None, (by.reason, by.owner, end(by) and f"until {end(by)}", by.place)))
        for by in item.ignores
    )
    return f"{_finding(item.finding)}: {'; '.join(reasons)}"


def _finding(finding: Finding) -> str:
    package = f" in {installed(finding)}" if installed(finding) else ""
    where = f" ({', '.join(finding.platforms)})" if finding.platforms else ""
    fixed = f", fixed in {fixes(finding)}" if fixes(finding) else ""
    return f"  {finding.stated_severity:<13} {finding.name or NAMELESS}{package}{where}{fixed}"
