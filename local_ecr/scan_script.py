"""Scripts: what the scan of one image answers, at which time after it began. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from local_ecr.vulnerabilities import Vulnerability

NOT_FOUND = "NOT_FOUND"
"""Pseudo-status: ECR knows of no scan, which is an error on the wire (ScanNotFoundException)."""
SETTLED = "SETTLED"
"""Pseudo-status: findings are there. COMPLETE, or ACTIVE where enhanced scans are continuous."""
UNSUPPORTED = "UNSUPPORTED"
"""Pseudo-status: FAILED with a reason if basic, UNSUPPORTED_IMAGE if enhanced."""
RUNNING = "RUNNING"
"""Pseudo-status: IN_PROGRESS if basic, PENDING if enhanced."""
TRUTH: Final = "truth"
"""Instead of a value that a script may give: the one that follows from the rest of the answer."""

OPEN_STATUSES = frozenset({NOT_FOUND, RUNNING, "IN_PROGRESS", "PENDING"})
_WITH_FINDINGS = frozenset({SETTLED, "COMPLETE", "ACTIVE"})


@dataclass(frozen=True, kw_only=True)
class Covered:
    """What Inspector's ListCoverage says of an image, where that is not what the scan says.

    Attributes:
        reason: One of Inspector's, also one that is a lie; None: that of the scan.
        status_code: ACTIVE or INACTIVE; None: that of the reason.
        scanned_after: lastScannedAt in seconds after the begin of the scan; None leaves it out.
        listed: False leaves the image out.
    """

    reason: str | None = None
    status_code: str | None = None
    scanned_after: float | Literal["truth"] | None = TRUTH
    listed: bool = True


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What DescribeImageScanFindings says.

    Attributes:
        status: One of ECR's, or a pseudo-status of this module.
        description: Instead of the usual one of the status.
        vulnerabilities: Findings, worded for the engine that is on.
        findings: Basic findings exactly as they shall be on the wire.
        enhanced_findings: The same for enhanced ones.
        completed: False leaves imageScanCompletedAt and the counts out: looks clean but is not.
            True shows them with a status, too, that usually has none.
        completed_after: imageScanCompletedAt in seconds after the begin of the scan, below zero
            for a result that is older than the push; None: when the answer begins to hold.
        severity_counts: findingSeverityCounts as they shall be on the wire; None leaves them out.
        page_size: At most so many findings on a page, whatever the client asks for.
        error: A code to refuse the call with, such as ThrottlingException.
        covered: What ListCoverage says, if not the same.
        reads: Answers of the first reads; a read is over when its last page was fetched.
        cycle: Begin again with the first of the reads after the last of them, for ever.
        later_pages: The answer that all pages but the first are cut out of.
    """

    status: str
    description: str | None = None
    vulnerabilities: tuple[Vulnerability, ...] = ()
    findings: tuple[Mapping[str, Any], ...] = ()
    enhanced_findings: tuple[Mapping[str, Any], ...] = ()
    completed: bool | None = None
    completed_after: float | None = None
    severity_counts: Mapping[str, int] | Literal["truth"] | None = TRUTH
    page_size: int | None = None
    error: str | None = None
    covered: Covered | None = None
    reads: tuple[Answer, ...] = ()
    cycle: bool = False
    later_pages: Answer | None = None

    @property
    def has_result(self) -> bool:
        """Whether findings, also none, are the result of a finished scan."""
        usual = self.status in _WITH_FINDINGS and self.completed is not False
        return usual or self.completed is True

    @property
    def is_final(self) -> bool:
        """Whether a client that waits has something to wait for no longer."""
        if self.error or self.status in OPEN_STATUSES:
            return False
        return self.has_result or self.status not in _WITH_FINDINGS

    @property
    def is_old(self) -> bool:
        """Whether the result was there before the push."""
        return self.completed_after is not None and self.completed_after < 0

    def of_read(self, number: int) -> Answer:
        """The answer of the read with this number, the first one is 0."""
        if self.reads and self.cycle:
            return self.reads[number % len(self.reads)]
        return self.reads[number] if number < len(self.reads) else self

    def of_page(self, start: int) -> Answer:
        """The answer that the page which begins with this finding is cut out of."""
        return self.later_pages if start and self.later_pages else self

    def says_the_same(self, other: Answer) -> bool:
        """Whether a client would come to the same end with the other one."""
        return _verdict(self) == _verdict(other)


def _verdict(answer: Answer) -> tuple[object, ...]:
    listed = (answer.vulnerabilities, answer.findings, answer.enhanced_findings)
    return (answer.status, answer.description, listed, answer.severity_counts)


@dataclass(frozen=True, kw_only=True)
class Step:
    """An answer, from so many seconds after the begin of the scan on."""

    after: float
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Script:
    """The steps of one scan, in the order of their time.

    Attributes:
        steps: What the scan answers.
        by_hand: What a scan begun by StartImageScan answers; None: the same.
        platforms: Scripts for single platforms, by pattern; the first that matches.
    """

    steps: tuple[Step, ...]
    by_hand: Script | None = None
    platforms: tuple[tuple[str, Script], ...] = ()

    def at(self, elapsed: float) -> Step:
        """The step that holds so many seconds after the begin."""
        passed = [step for step in self.steps if step.after <= elapsed]
        return passed[-1] if passed else Step(after=0, answer=Answer(status=NOT_FOUND))

    def on(self, platform: str | None) -> Script:
        """The script of a platform."""
        found = [script for name, script in self.platforms if fnmatchcase(platform or "", name)]
        if not found:
            return self
        return replace(found[0], by_hand=self.by_hand or found[0].by_hand)

    @property
    def never_begins(self) -> bool:
        """Whether ECR never gets to know of such a scan."""
        return all(step.answer.status == NOT_FOUND for step in self.steps)

    @property
    def final(self) -> Step | None:
        """The step from which on all say the same final thing; None if there is none."""
        found: Step | None = None
        for step in reversed(self.steps):
            last = found or step
            if not step.answer.is_final or not step.answer.says_the_same(last.answer):
                break
            found = step
        return found
