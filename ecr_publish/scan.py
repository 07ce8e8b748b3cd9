"""What an answer about a scan means, and when to ask again. Decisions only; wait.py does the rest.

The rule of "done" is reference/ecr-behaviour.md sections 1.1 and 1.2: a final status alone is
never enough, and whatever is not known is never read as clean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from ecr_publish.findings import Finding, Page, Severity
from ecr_publish.manifest import Target
from ecr_publish.scanning import Frequency, Scanning, ScanType

SETTLE_SECONDS = 10.0
"""How long an enhanced scan's answer must stay the same before it counts.

Inspector reports a scan as complete while findings still arrive (reference/peers.md, EP: 2, then
250, then 340). A basic scan's answer is complete when it is final, so it does not wait.
"""

_JITTER = 0.1
_SECONDS_A_CALL = 0.6
_PACES = ((4.0, 0.6), (60.0, 0.95))
_SELDOM = 2.9
"""Seconds from one question to the next: for so long at this pace, and seldom ever after."""

UNSUPPORTED_PREFIX = "UnsupportedImageError"


class Unjudged(Enum):
    """Why ECR gave no verdict, or a rule has nothing to go by.

    Each has a setting of its name that says whether this fails.
    """

    TIMEOUT = "on-timeout"
    UNSUPPORTED = "on-unsupported"
    ERROR = "on-scan-error"
    BASELINE = "on-baseline-error"
    EXPLOIT = "on-exploit-error"


@dataclass(frozen=True, kw_only=True)
class Gap:
    """What a rule needs and could not learn: of the baseline, or of exploits."""

    kind: Unjudged
    reason: str


@dataclass(frozen=True, kw_only=True)
class NoScan:
    """ECR has no scan of this image (yet): ScanNotFoundException, ImageNotFoundException."""


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
    """The scan was over at `completed_at`; `page` is the first of its findings."""

    page: Page
    completed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Refused:
    """ECR will not give a verdict, however long one waits."""

    kind: Unjudged
    reason: str


NO_SCAN = "ECR has no scan of this image yet"
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
        return Waiting(why=NO_SCAN)
    if isinstance(answer, Unreachable):
        return Waiting(why=f"ECR did not answer ({answer.message})", kind=Unjudged.ERROR)
    if answer.status in ("COMPLETE", "ACTIVE"):
        if answer.completed_at is None:
            return Waiting(why=f"{answer.status}, but no result is stated yet")
        return Final(page=answer, completed_at=answer.completed_at)
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
class Coverage:
    """What Inspector says of an image, apart from its findings (inspector2:ListCoverage).

    `reason` is Inspector's word, empty for an image that it does not list; `scanned` whether it
    says when it scanned the image last.
    """

    reason: str = ""
    scanned: bool = False


UNLISTED_SECONDS = 60.0
"""How long an empty answer has to stay the same for an image that Inspector does not list.

Whether it always lists an image by the time that ECR has a result is not established.
"""

_NEVER = ", and not that it has scanned this image"
COVERAGE_AGREES = ("SUCCESSFUL", "SCAN_FREQUENCY_SCAN_ON_PUSH")
COVERAGE_WAITING = {
    "PENDING_INITIAL_SCAN": "Inspector has not scanned this image yet",
    "PENDING_REVIVAL_SCAN": "Inspector is about to scan this image again",
    "SCAN_IN_PROGRESS": "Inspector is scanning this image",
}
COVERAGE_UNSUPPORTED = {
    "UNSUPPORTED_OS": "Inspector does not support the image's operating system",
    "UNSUPPORTED_MEDIA_TYPE": "Inspector does not support the image's media type",
    "IMAGE_SIZE_EXCEEDED": "the image is too large for Inspector",
}


def explain(coverage: Coverage | None) -> Waiting | Refused | None:
    """What Inspector's coverage says of a scan that is not over; None where it says nothing."""
    reason = coverage.reason if coverage else ""
    if reason in COVERAGE_WAITING:
        return Waiting(why=f"{COVERAGE_WAITING[reason]} ({reason})")
    if reason in COVERAGE_UNSUPPORTED:
        return Refused(
            kind=Unjudged.UNSUPPORTED, reason=f"{COVERAGE_UNSUPPORTED[reason]} ({reason})"
        )
    return None


def confirm(coverage: Coverage | None, page: Page, quiet: float) -> Waiting | Refused | None:
    """Whether Inspector's coverage contradicts a final answer; None where it does not.

    Only a coverage that may not be asked for leaves the verdict to the settling alone; a reason
    that is not known to agree does not.

    Args:
        coverage: None where the role may not ask for it.
        page: The first page of the answer.
        quiet: Seconds for which the answer has been the same.
    """
    if coverage is None or (coverage.reason in COVERAGE_AGREES and coverage.scanned):
        return None
    if not coverage.reason:
        listed = page.findings or quiet >= UNLISTED_SECONDS
        return None if listed else Waiting(why="Inspector does not list this image yet")
    return explain(coverage) or Waiting(
        why=f"Inspector's coverage says {coverage.reason}{'' if coverage.scanned else _NEVER}",
        kind=Unjudged.ERROR,
    )


class Start(Enum):
    """What ECR answers when it is asked for a scan."""

    STARTED = "a new scan was asked for"
    QUOTA = "ECR scans an image only once in 24 hours, and has done so"
    DISABLED = "an enhanced scan cannot be asked for"
    REFUSED = "the role may not ask for one (ecr:StartImageScan)"
    UNSUPPORTED = "ECR does not scan this kind of image"
    FAILED = "asking for a scan failed"


def without_scan(scanning: Scanning, start: Start | None) -> Waiting | Refused:
    """What it means that ECR has no scan of an image, after one was asked for or not."""
    if start is None:
        return Waiting(why=NO_SCAN)
    if start is Start.UNSUPPORTED:
        return Refused(kind=Unjudged.UNSUPPORTED, reason=start.value)
    if scanning.frequency is Frequency.MANUAL and start in (Start.DISABLED, Start.REFUSED):
        never = "the repository is not scanned by itself"
        return Refused(kind=Unjudged.ERROR, reason=f"{never}, and {start.value}")
    return Waiting(why=f"{NO_SCAN}; {start.value}")


def outdated(age: float, start: Start) -> Waiting | Refused:
    """What it means that a result is older than the user accepts, after a new one was asked for."""
    old = f"ECR's result is {in_words(age)} old, which is more than max-scan-age"
    if start in (Start.STARTED, Start.FAILED):
        return Waiting(why=f"{old}; {start.value}", kind=Unjudged.ERROR)
    return Refused(kind=Unjudged.ERROR, reason=f"{old}, and {start.value}")


def in_words(seconds: float) -> str:
    """A duration in its largest whole unit: `40 days`."""
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        number = int(seconds // length)
        if number:
            return f"{number} {unit}{'s' if number > 1 else ''}"
    return "less than a minute"


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
    stated = [_by_severity(page.counts) for page in pages if page.counts is not None]
    for listed in _readings(pages):
        if all(counts == listed for counts in stated) or _sum(stated) == listed:
            return ""
    most = max(sum(counts.values()) for counts in stated)
    return f"ECR counts {most} findings, but listed {sum(len(page.findings) for page in pages)}"


def speak_for_the_scan(pages: Sequence[Page]) -> bool:
    """Whether the first page's counts are surely those of all pages, so that it tells a change.

    They are not where they could be that page's own as well: of further pages that list nothing
    yet, they would tell nothing.
    """
    stated = [_by_severity(page.counts) for page in pages if page.counts is not None]
    if pages[0].counts is None or stated[0] in _readings(pages[:1]):
        return False
    return any(all(counts == listed for counts in stated) for listed in _readings(pages))


def _readings(pages: Sequence[Page]) -> tuple[Counter[Severity], Counter[Severity]]:
    """What the pages list, with and without what is suppressed: which ECR counts is not known."""
    return _listed(pages, suppressed=True), _listed(pages, suppressed=False)


def _listed(pages: Sequence[Page], *, suppressed: bool) -> Counter[Severity]:
    return Counter(
        item.severity
        for page in pages
        for item in page.findings
        if suppressed or not item.suppressed
    )


def _by_severity(counts: Mapping[str, int]) -> Counter[Severity]:
    """ECR's counts; it may count as UNDEFINED what it lists as UNTRIAGED."""
    return _sum([Counter({Severity.parse(word): number}) for word, number in counts.items()])


def _sum(counters: Sequence[Counter[Severity]]) -> Counter[Severity]:
    return sum(counters, Counter[Severity]())


def same_scan(first: Page, further: Page) -> bool:
    """Whether a further page belongs to the scan of the first: one may end while pages are read."""
    return (first.status, first.completed_at) == (further.status, further.completed_at)


def poll_delay(
    waited: float,
    remaining: float,
    chance: float,
    *,
    calls: int = 1,
    images: int = 1,
    spare: bool = False,
) -> float:
    """Seconds until ECR is asked again, about this image or the next, never past the end.

    Each image is asked about every 0.6 s for four seconds, every 0.95 s in the rest of the first
    minute, when most scans end, and every 2.9 s afterwards. Many share 1.7 calls a second; how many
    ECR takes is not published (reference/ecr-behaviour.md section 1.5).

    Args:
        waited: Seconds since the first question.
        remaining: Seconds until the deadline.
        chance: A random number from 0 to 1; it spreads many runs by 10 % either way.
        calls: How many it took to ask about the last image.
        images: How many are waited for.
        spare: Whether ECR could not answer; then it is spared, however many wait.
    """
    pace = next((pace for end, pace in _PACES if waited < end), _SELDOM)
    plain = _SELDOM if spare else pace
    share = plain if spare else plain / images
    spread = max(share, calls * _SECONDS_A_CALL) * (1 + _JITTER * (2 * chance - 1))
    return max(0.0, min(spread, remaining))


@dataclass(frozen=True, kw_only=True)
class Result:
    """The end of the wait for one image.

    `unjudged` is None where the scan is settled; otherwise `findings` are all that ECR named during
    the wait, on whichever page, which can refuse the image but never pass it. `age` is how many
    seconds ago ECR's scan was over, where it says so. `counted` are the highest counts that ECR
    named for each severity, whether it listed the findings or not. `settling` are the seconds for
    which a final answer was watched before it counted.
    """

    target: Target
    status: str
    findings: tuple[Finding, ...] = ()
    unjudged: Unjudged | None = None
    reason: str = ""
    engine: ScanType = ScanType.UNKNOWN
    age: float | None = None
    counted: Mapping[str, int] = field(default_factory=dict)
    settling: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the gate decides by, beside the policy.

    Args:
        results: The scans of all images, each finding with all that is known of it.
        gaps: What is not known, although a rule needs it.
    """

    results: tuple[Result, ...] = ()
    gaps: tuple[Gap, ...] = ()
