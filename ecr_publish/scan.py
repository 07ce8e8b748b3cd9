"""What an answer about a scan means, and when to ask again. Decisions only; wait.py does the rest.

The rule of "done" is reference/ecr-behaviour.md sections 1.1 and 1.2: a final status alone is
never enough, and whatever is not known is never read as clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ecr_publish.findings import Finding, Page
from ecr_publish.manifest import Target

SETTLE_SECONDS = 10.0
"""How long an enhanced scan's answer must stay the same before it counts.

Inspector reports a scan as complete while findings still arrive (reference/peers.md, EP: 2, then
250, then 340). A basic scan's answer is complete when it is final, so it does not wait.
"""

_SOONEST, _LATEST, _SLOWDOWN, _JITTER = 1.5, 1.8, 60.0, 0.1

UNSUPPORTED_PREFIX = "UnsupportedImageError"


class ScanType(Enum):
    """The registry's scanning engine; UNKNOWN where the role may not ask for it."""

    BASIC = "basic"
    ENHANCED = "enhanced"
    UNKNOWN = "unknown"


class Unjudged(Enum):
    """Why ECR gave no verdict; each has an input that says whether this fails."""

    TIMEOUT = "on-timeout"
    UNSUPPORTED = "on-unsupported"
    ERROR = "on-scan-error"


@dataclass(frozen=True, kw_only=True)
class NoScan:
    """ECR has no scan of this image (yet): ScanNotFoundException, ImageNotFoundException."""

    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Unreachable:
    """ECR could not be asked this time; asking again may help."""

    message: str


Answer = Page | NoScan | Unreachable


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Not final: ask again.

    `why` is one short phrase for the log; should the deadline come, it is the reason too, and
    `kind` says which case that is: a timeout is only what ECR itself left open.
    """

    why: str
    kind: Unjudged = Unjudged.TIMEOUT


@dataclass(frozen=True, kw_only=True)
class Final:
    """The scan is over and its findings can be read; `page` is the first of them."""

    page: Page


@dataclass(frozen=True, kw_only=True)
class Refused:
    """ECR will not give a verdict, however long one waits."""

    kind: Unjudged
    reason: str


_WAITING = {
    "PENDING": "the scan has not started yet",
    "IN_PROGRESS": "the scan is running",
    "FINDINGS_UNAVAILABLE": "the findings cannot be retrieved right now",
}
_REFUSED = {
    "UNSUPPORTED_IMAGE": (
        Unjudged.UNSUPPORTED,
        "ECR cannot scan this image (its operating system or media type is not supported)",
    ),
    "IMAGE_SIZE_EXCEEDED": (Unjudged.UNSUPPORTED, "the image is too large for ECR to scan"),
    "SCAN_ELIGIBILITY_EXPIRED": (
        Unjudged.ERROR,
        "Inspector no longer scans this image; push a new digest or extend the re-scan duration",
    ),
    "LIMIT_EXCEEDED": (
        Unjudged.ERROR,
        "a scanning quota is used up (most likely 100,000 basic scans in 24 hours per region)",
    ),
    "IMAGE_ARCHIVED": (
        Unjudged.ERROR,
        "the image is in the archive storage class; restore it first",
    ),
}


def interpret(answer: Answer) -> Waiting | Final | Refused:
    """What one answer means. Total: an unknown status is refused and printed, never passed."""
    if isinstance(answer, NoScan):
        return Waiting(why="ECR has no scan of this image yet")
    if isinstance(answer, Unreachable):
        return Waiting(why=f"ECR did not answer ({answer.message})", kind=Unjudged.ERROR)
    if answer.status in ("COMPLETE", "ACTIVE"):
        if answer.completed_at is None:
            return Waiting(why=f"{answer.status}, but no result is stated yet")
        return Final(page=answer)
    if answer.status in _WAITING:
        return Waiting(why=_WAITING[answer.status])
    return _refusal(answer)


def _refusal(page: Page) -> Refused:
    said = f": {page.description}" if page.description else ""
    if page.status == "FAILED":
        unsupported = page.description.startswith(UNSUPPORTED_PREFIX)
        return Refused(
            kind=Unjudged.UNSUPPORTED if unsupported else Unjudged.ERROR,
            reason=f"the scan failed{said}",
        )
    if page.status in _REFUSED:
        kind, reason = _REFUSED[page.status]
        return Refused(kind=kind, reason=f"{reason} ({page.status})")
    return Refused(
        kind=Unjudged.ERROR, reason=f"ECR answered with the unknown status {page.status!r}{said}"
    )


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """Since when (seconds, the clock's) the same final answer has been given."""

    page: Page
    since: float

    def after(self, page: Page, now: float) -> Quiet:
        """The same while nothing changed, else a new quiet time that begins now."""
        return self if page == self.page else Quiet(page=page, since=now)


def settle_seconds(engine: ScanType, page: Page) -> float:
    """How long this final answer must stay the same: not at all only where it is surely basic."""
    basic = engine is ScanType.BASIC and not page.enhanced and page.status == "COMPLETE"
    return 0.0 if basic else SETTLE_SECONDS


def disagreement(pages: Sequence[Page]) -> str:
    """How ECR's own counts differ from the findings collected over all pages; empty if not.

    Whether the counts of one page speak for that page or for the scan is not established
    (reference/peers.md, end of section 2), so either reading may agree; but if they speak for the
    scan, then those of every page have to, because findings may arrive between two pages.
    """
    collected = Counter(item.stated_severity for page in pages for item in page.findings)
    stated = [Counter(page.counts) for page in pages if page.counts is not None]
    summed = sum(stated, Counter[str]())
    if all(counts == collected for counts in stated) or summed == collected:
        return ""
    most = max(counts.total() for counts in stated)
    return f"ECR counts {most} findings, but listed {collected.total()}"


def same_scan(first: Page, further: Page) -> bool:
    """Whether a further page belongs to the scan of the first: one may end while pages are read."""
    return (first.status, first.completed_at) == (further.status, further.completed_at)


def poll_delay(waited: float, remaining: float, chance: float) -> float:
    """Seconds until the next question: 1.5 s at first, 1.8 s after a minute, never past the end.

    Args:
        waited: Seconds since the first question.
        remaining: Seconds until the deadline.
        chance: A random number from 0 to 1; it spreads many runs by 10 % either way.
    """
    plain = min(_SOONEST + (_LATEST - _SOONEST) * waited / _SLOWDOWN, _LATEST)
    return max(0.0, min(plain * (1 + _JITTER * (2 * chance - 1)), remaining))


@dataclass(frozen=True, kw_only=True)
class Result:
    """The end of the wait for one image.

    `unjudged` is None where the scan is settled; otherwise `findings` are all that ECR named during
    the wait, on whichever page, which can refuse the image but never pass it.
    """

    target: Target
    status: str
    findings: tuple[Finding, ...] = ()
    unjudged: Unjudged | None = None
    reason: str = ""
    engine: ScanType = ScanType.UNKNOWN
