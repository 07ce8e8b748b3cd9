"""Scripts with a name; those after samples of real answers are in sample_presets.py. Pure."""

from __future__ import annotations

from dataclasses import replace

from local_ecr.sample_presets import SAMPLE_PRESETS
from local_ecr.scan_preset import (
    CLEAN,
    EMPTY,
    FOUND,
    MISSING,
    NOTHING_YET,
    PENDING,
    PREMATURE,
    RUN,
    Entry,
    Preset,
    completed,
)
from local_ecr.scan_script import SETTLED, UNSUPPORTED, Answer, Covered, Script
from local_ecr.vulnerabilities import KEV, Vulnerability, in_layer, made_up

DEFAULT_SECONDS = 2.0
_INTERNAL = "The scan failed due to an internal error."
DAY = 24 * 3600.0

_USUAL: dict[str, Preset] = {
    "clean": Preset("no finding", (RUN, (1, CLEAN))),
    "vulnerable": Preset("51 findings, 2 of them critical", (RUN, (1, FOUND))),
    "clean-enhanced": Preset("no finding", (MISSING, PENDING, (1, CLEAN)), enhanced=True),
    "vulnerable-enhanced": Preset(
        "51 findings, 2 of them critical", (MISSING, PENDING, (1, FOUND)), enhanced=True
    ),
    "slow": Preset("clean after 15 times as long", (RUN, (15, CLEAN))),
    "not-found-then-complete": Preset(
        "no scan for a while, then clean", (MISSING, (0.5, RUN[1]), (1, CLEAN))
    ),
    "pending-then-active": Preset(
        "PENDING, ACTIVE but not finished, clean",
        (MISSING, PENDING, (0.6, EMPTY), (1, CLEAN)),
        enhanced=True,
    ),
    "failed-unsupported": Preset(
        "an operating system that is not supported", (RUN, (1, Answer(status=UNSUPPORTED)))
    ),
    "never-finishes": Preset("runs for ever", (RUN,)),
    "never-found": Preset("no scan, for ever", (MISSING,)),
    "active-empty": Preset(
        "ACTIVE but not finished, for ever", ((0, PENDING[1]), (0.5, EMPTY)), enhanced=True
    ),
    "premature-complete": Preset(
        "COMPLETE and empty, then 51 findings",
        ((0, PENDING[1]), (0.5, PREMATURE), (1, FOUND)),
        enhanced=True,
    ),
    "untriaged": Preset(
        "a finding without a severity, and a medium one",
        (RUN, (1, completed({"MEDIUM": 1, "UNTRIAGED": 1}))),
        enhanced=True,
    ),
    "eligibility-expired": Preset(
        "SCAN_ELIGIBILITY_EXPIRED at once",
        ((0, Answer(status="SCAN_ELIGIBILITY_EXPIRED")),),
        enhanced=True,
    ),
    "findings-unavailable": Preset(
        "FINDINGS_UNAVAILABLE", (RUN, (1, Answer(status="FINDINGS_UNAVAILABLE")))
    ),
    "limit-exceeded": Preset("LIMIT_EXCEEDED at once", ((0, Answer(status="LIMIT_EXCEEDED")),)),
    "image-archived": Preset("IMAGE_ARCHIVED at once", ((0, Answer(status="IMAGE_ARCHIVED")),)),
    "size-exceeded": Preset(
        "IMAGE_SIZE_EXCEEDED at once", ((0, Answer(status="IMAGE_SIZE_EXCEEDED")),)
    ),
    "failed": Preset(
        "FAILED, and not for want of support",
        (
            RUN,
            (1, Answer(status="FAILED", description=_INTERNAL)),
        ),
    ),
}

# --- findings that arrive late: ECR says COMPLETE or ACTIVE with imageScanCompletedAt all along ---

_WAVES = (
    completed({"LOW": 2}),
    completed({"MEDIUM": 10, "LOW": 15}),
    completed({"CRITICAL": 1, "HIGH": 2, "MEDIUM": 11, "LOW": 20}),
)
_STILL_SCANS = Covered(reason="SCAN_IN_PROGRESS", scanned_after=None)
_SAYS_DONE = Covered(reason="SUCCESSFUL", status_code="ACTIVE")


def _waves(*waves: Answer, early: Covered | None) -> tuple[Entry, ...]:
    # imageScanCompletedAt stays that of the first wave: it tells nothing about the later ones.
    timed = [replace(wave, completed_after=1) for wave in waves]
    first = [replace(wave, covered=early) for wave in timed[:-1]]
    entries = tuple((1.0 + number, wave) for number, wave in enumerate([*first, timed[-1]]))
    return (MISSING, PENDING, *entries)


_LATE: dict[str, Preset] = {
    "late-waves": Preset(
        "2 findings, then 25, then 34 with a critical one; coverage tells the truth",
        _waves(*_WAVES, early=_STILL_SCANS),
        enhanced=True,
    ),
    "late-two-waves": Preset(
        "25 findings, then 34 with a critical one",
        _waves(*_WAVES[1:], early=_STILL_SCANS),
        enhanced=True,
    ),
    "late-from-empty": Preset(
        "finished and empty, then 34 findings",
        _waves(CLEAN, _WAVES[2], early=_STILL_SCANS),
        enhanced=True,
    ),
    "late-waves-coverage-early": Preset(
        "late-waves, but coverage says SUCCESSFUL from the first one on",
        _waves(*_WAVES, early=_SAYS_DONE),
        enhanced=True,
    ),
    "coverage-lags": Preset(
        "vulnerable, coverage says PENDING_INITIAL_SCAN twice as long",
        (
            MISSING,
            PENDING,
            (
                1,
                replace(
                    FOUND,
                    completed_after=1,
                    covered=Covered(reason="PENDING_INITIAL_SCAN", scanned_after=None),
                ),
            ),
            (3, replace(FOUND, completed_after=1)),
        ),
        enhanced=True,
    ),
}

# --- pages ----------------------------------------------------------------------------------------

_OLDER = replace(completed({"LOW": 150}), page_size=100)
_NEWER = replace(completed({"CRITICAL": 1, "LOW": 150}), page_size=100)
_TORN = replace(_OLDER, later_pages=_NEWER)
_DISAGREE = replace(completed({"LOW": 5}), severity_counts={"CRITICAL": 2, "LOW": 5})
_WORST_LAST = replace(
    completed({}), vulnerabilities=made_up({"CRITICAL": 1, "LOW": 250})[::-1], page_size=100
)

_PAGES: dict[str, Preset] = {
    "worst-last": Preset("250 low ones, and the critical one on page 3", (RUN, (1, _WORST_LAST))),
    "many-findings": Preset(
        "10,000 findings on 100 pages",
        (
            RUN,
            (
                1,
                replace(
                    completed({"CRITICAL": 1, "HIGH": 99, "MEDIUM": 2_900, "LOW": 7_000}),
                    page_size=100,
                ),
            ),
        ),
    ),
    "pages-drift": Preset(
        "first read: page 2 is of a newer result, whose critical one is on its page 1",
        (RUN, (1, replace(_NEWER, reads=(_TORN,)))),
    ),
    "pages-never-agree": Preset(
        "every read: page 2 is of another result than page 1",
        (
            RUN,
            (
                1,
                replace(
                    _NEWER,
                    reads=(_TORN, replace(_NEWER, later_pages=_OLDER)),
                    cycle=True,
                ),
            ),
        ),
    ),
    "counts-disagree": Preset(
        "counts name 2 critical ones that are listed a while later",
        (RUN, (1, _DISAGREE), (2, completed({"CRITICAL": 2, "LOW": 5}))),
    ),
    "counts-disagree-once": Preset(
        "the same, for the first read only",
        (RUN, (1, replace(completed({"CRITICAL": 2, "LOW": 5}), reads=(_DISAGREE,)))),
    ),
    "counts-disagree-forever": Preset(
        "counts name 2 critical ones that are never listed", (RUN, (1, _DISAGREE))
    ),
    "no-counts": Preset(
        "51 findings without findingSeverityCounts",
        (RUN, (1, replace(FOUND, severity_counts=None))),
    ),
}

# --- words of findings and statuses ---------------------------------------------------------------

_SUPPRESSED = (
    *made_up({"CRITICAL": 1, "HIGH": 2}, state="SUPPRESSED"),
    *made_up({"HIGH": 1}, state="CLOSED"),
)
_BARE = Answer(
    status=SETTLED, vulnerabilities=made_up({"HIGH": 1, "LOW": 2}, bare=True), severity_counts=None
)

_WORDS: dict[str, Preset] = {
    "suppressed": Preset(
        "1 critical and 3 high ones, all SUPPRESSED or CLOSED, and 2 low ones",
        (
            RUN,
            (1, replace(CLEAN, vulnerabilities=(*made_up({"LOW": 2}), *_SUPPRESSED))),
        ),
        enhanced=True,
    ),
    "unknown-severity": Preset(
        "a finding that is SEVERE, and a low one",
        (RUN, (1, completed({"LOW": 1, "SEVERE": 1}))),
        enhanced=True,
    ),
    "unknown-status": Preset(
        "SCAN_REPLAYED, clean by all other signs",
        (RUN, (1, Answer(status="SCAN_REPLAYED", completed=True))),
    ),
    "bare-findings": Preset(
        "1 high and 2 low ones with nothing but id and severity; no counts", (RUN, (1, _BARE))
    ),
    "empty-finding": Preset(
        "one finding that is {}",
        (RUN, (1, replace(CLEAN, findings=({},), severity_counts=None))),
    ),
    "empty-finding-enhanced": Preset(
        "one enhanced finding that is {}",
        (RUN, (1, replace(CLEAN, enhanced_findings=({},), severity_counts=None))),
        enhanced=True,
    ),
    "throttled": Preset(
        "ThrottlingException, then clean",
        ((0, replace(NOTHING_YET, error="ThrottlingException")), (1, CLEAN)),
    ),
}

# --- exploits and layers --------------------------------------------------------------------------

_HIGH, _MEDIUM, _LOW = made_up({"HIGH": 1, "MEDIUM": 1, "LOW": 1})
_KNOWN = (
    replace(_HIGH, epss=0.01),
    _MEDIUM,
    replace(_LOW, epss=0.94, kev=KEV, exploited=True),
)
_BAD = made_up({"CRITICAL": 1, "HIGH": 1})


def _inspected(about: str, *found: Vulnerability) -> Preset:
    return Preset(
        about, (MISSING, PENDING, (1, replace(CLEAN, vulnerabilities=found))), enhanced=True
    )


_POLICY: dict[str, Preset] = {
    "known-exploited": _inspected(
        "a low one in CISA's KEV with EPSS 0.94, a high one with 0.01, a medium one without",
        *_KNOWN,
    ),
    "base-vulnerable": _inspected(
        "a critical and a high one, both in the image's first layer", *in_layer(_BAD, "first")
    ),
    "own-vulnerable": _inspected(
        "the same two, both in the image's last layer", *in_layer(_BAD, "last")
    ),
}

# --- results that are older than the push ---------------------------------------------------------


def _old(answer: Answer, age: float, by_hand: tuple[Entry, ...], about: str) -> Preset:
    return Preset(about, ((0, replace(answer, completed_after=-age)),), by_hand=by_hand)


_OLD: dict[str, Preset] = {
    "old-scan": _old(CLEAN, 40 * DAY, (RUN, (1, CLEAN)), "clean 40 days ago and still"),
    "old-scan-now-vulnerable": _old(
        CLEAN, 40 * DAY, (RUN, (1, FOUND)), "clean 40 days ago, vulnerable if scanned again"
    ),
    "old-scan-vulnerable": _old(
        FOUND, 40 * DAY, (RUN, (1, CLEAN)), "vulnerable 40 days ago, clean if scanned again"
    ),
    "old-scan-today": _old(
        CLEAN, 7200.0, (RUN, (1, CLEAN)), "clean 2 hours ago: no new scan within 24 hours"
    ),
}

_PRESETS = {**_USUAL, **_LATE, **_PAGES, **_WORDS, **_POLICY, **_OLD, **SAMPLE_PRESETS}
PRESETS = tuple(_PRESETS)
ENHANCED_PRESETS = frozenset(name for name, preset in _PRESETS.items() if preset.enhanced)


def preset_script(name: str, scan_seconds: float = DEFAULT_SECONDS) -> Script:
    """The script of a preset.

    Args:
        name: One of `PRESETS`.
        scan_seconds: How long a usual scan takes from the push to its result.
    """
    if name not in _PRESETS:
        raise ValueError(f"no preset '{name}'; there are: {', '.join(PRESETS)}")
    return _PRESETS[name].script(scan_seconds, _PRESETS)


def described() -> str:
    """All presets with a line on each; [enhanced]: the registry is so if nothing else is said."""
    width = max(map(len, PRESETS))
    lines = (
        f"  {name:{width}}  {preset.about}{' [enhanced]' if preset.enhanced else ''}"
        for name, preset in _PRESETS.items()
    )
    return "\n".join(lines)
