"""Outcome -> the annotations of the step, at most the ten that matter; the verdict's come first.

GitHub shows ten errors and ten warnings of a step, and all steps of a composite action share them
(reference/ecr-behaviour.md section 5, row "annotations").
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from ecr_publish.build import Remark
from ecr_publish.gate import Judgement
from ecr_publish.outcome import Outcome
from ecr_publish.report.place import dockerfile, line_of
from ecr_publish.report.wording import (
    NAMELESS,
    fixes,
    headline,
    installed,
    missing,
    title,
    unused,
    waiver,
)

MOST, _LONGEST, _LONGEST_TITLE = 10, 4000, 255
TITLE, DOCKERFILE = "ecr-publish", "Dockerfile"


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One annotation; `file` is empty for the step as a whole, `line` counts from 1."""

    message: str
    title: str = TITLE
    error: bool = False
    file: str = ""
    line: int = 1


def annotated(outcome: Outcome) -> tuple[Annotation, ...]:
    """What failed first, then what lets the image through, then the findings that refuse it."""
    return most(remarkable(outcome))


def most(found: Iterable[Annotation]) -> tuple[Annotation, ...]:
    """The first of them, as long as GitHub shows them."""
    return tuple(
        replace(item, message=item.message[:_LONGEST], title=item.title[:_LONGEST_TITLE])
        for item in islice(found, MOST)
    )


def remarkable(outcome: Outcome) -> Iterator[Annotation]:
    """All that is worth one, the most important first."""
    if outcome.exit_code:
        yield Annotation(message=headline(outcome), error=True)
    if waiver(outcome):
        said = f"{headline(outcome)}. {waiver(outcome)}"
        title = "Built only" if outcome.built_only else "ECR scan did not pass"
        yield Annotation(message=said, title=title)
    yield from (Annotation(message=text) for text in outcome.warnings)
    yield from (Annotation(message=text) for text in (*missing(outcome), *unused(outcome)))
    deciding = outcome.verdict.deciding if outcome.verdict else ()
    yield from (_of_finding(outcome, item) for item in deciding)
    yield from (_of_remark(outcome, item) for item in outcome.remarks)


def _of_finding(outcome: Outcome, item: Judgement) -> Annotation:
    finding = item.finding
    path, known = dockerfile(outcome)
    package = f" in {installed(finding)}" if installed(finding) else ""
    fixed = f", fixed in {fixes(finding)}" if fixes(finding) else ""
    why = title(item.ground, outcome.verdict.rules) if outcome.verdict else ""
    return Annotation(
        message=f"{finding.stated_severity} {finding.name or NAMELESS}{package}{fixed}: {why}",
        title=finding.name or NAMELESS,
        error=bool(outcome.exit_code),
        file=path if known else "",
        line=line_of(finding),
    )


def _of_remark(outcome: Outcome, remark: Remark) -> Annotation:
    path, known = dockerfile(outcome)
    here = known and posixpath.basename(path) == remark.file
    return Annotation(
        message=remark.text,
        title=DOCKERFILE,
        file=path if here else "",
        line=remark.line if here else 1,
    )
