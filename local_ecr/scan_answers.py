"""A step of a scan script as DescribeImageScanFindings puts it on the wire. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local_ecr import scan_script
from local_ecr.scan_script import Answer
from local_ecr.scans import Switches
from local_ecr.vulnerabilities import (
    Scanned,
    Vulnerability,
    basic_finding,
    basic_severity,
    enhanced_finding,
    enhanced_severity,
)

_DESCRIPTIONS = {
    "COMPLETE": "The scan was completed successfully.",
    "ACTIVE": "Continuous scan is selected for image.",
    "PENDING": "Pending start of the image scan.",
    "FAILED": "UnsupportedImageError: The operating system and/or package manager "
    "are not supported.",
    "UNSUPPORTED_IMAGE": "The operating system or media type of the image is not supported.",
    "SCAN_ELIGIBILITY_EXPIRED": "The scan eligibility of the image has expired.",
}
_FEED_AGE_SECONDS = 10_000.0

_Item = Vulnerability | Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What the answer depends on besides the script."""

    enhanced: bool
    continuous: bool
    scanned: Scanned
    switches: Switches = field(default_factory=Switches)


@dataclass(frozen=True, kw_only=True)
class FindingsPage:
    """The member imageScanFindings as a part of the body; `next` is the finding after the page."""

    body: dict[str, Any]
    next: int | None = None


def wire_status(answer: Answer, frame: Frame) -> str:
    """The status with the pseudo ones translated."""
    settled = "ACTIVE" if frame.enhanced and frame.continuous else "COMPLETE"
    translated = {
        scan_script.SETTLED: settled,
        scan_script.UNSUPPORTED: "UNSUPPORTED_IMAGE" if frame.enhanced else "FAILED",
        scan_script.RUNNING: "PENDING" if frame.enhanced else "IN_PROGRESS",
    }
    return translated.get(answer.status, answer.status)


def scan_status(answer: Answer, frame: Frame) -> dict[str, str]:
    """The member imageScanStatus."""
    status = wire_status(answer, frame)
    description = answer.description or _DESCRIPTIONS.get(status)
    return {"status": status} | ({"description": description} if description else {})


def scan_findings(answer: Answer, frame: Frame) -> dict[str, Any]:
    """The member imageScanFindings with all findings."""
    return findings_page(answer, frame).body


def findings_page(
    answer: Answer, frame: Frame, start: int = 0, size: int | None = None
) -> FindingsPage:
    """The member imageScanFindings with one page of the findings.

    Returns:
        Nothing while a basic scan runs, null if it failed: so does the real service.
    """
    name, items = _listing(answer, frame)
    if answer.has_result or (items and answer.completed is False):
        return _result(answer, frame, (name, items), slice(start, size and start + size))
    status = wire_status(answer, frame)
    if status == "FAILED":
        return FindingsPage(body={"imageScanFindings": None})
    if status == "PENDING":
        return FindingsPage(body={"imageScanFindings": {"findings": [], "enhancedFindings": []}})
    empty: dict[str, Any] = {"imageScanFindings": {"findings": []}}
    return FindingsPage(body={} if status == "IN_PROGRESS" else empty)


def _listing(answer: Answer, frame: Frame) -> tuple[str, list[_Item]]:
    shown = _shown(answer, frame)
    listed: list[_Item] = [*answer.enhanced_findings, *(shown if frame.enhanced else ())]
    if listed:
        return "enhancedFindings", listed
    # A clean enhanced image has an empty `findings` and no `enhancedFindings` at all.
    return "findings", [*answer.findings, *(() if frame.enhanced else shown)]


def _shown(answer: Answer, frame: Frame) -> Sequence[Vulnerability]:
    if frame.enhanced and frame.switches.suppressed_listed:
        return answer.vulnerabilities
    return [found for found in answer.vulnerabilities if found.state == "ACTIVE"]


def _result(
    answer: Answer, frame: Frame, listing: tuple[str, list[_Item]], part: slice
) -> FindingsPage:
    name, items = listing
    page, places = items[part], range(len(items))[part]
    worded = [_worded(item, frame, place) for item, place in zip(page, places, strict=True)]
    found: dict[str, Any] = {name: worded}
    if answer.completed is not False:
        counted = page if frame.switches.counts == "per-page" else items
        found |= _times(frame, is_first=part.start == 0) | _counts(answer, frame, counted)
    more = part.stop is not None and part.stop < len(items)
    return FindingsPage(body={"imageScanFindings": found}, next=part.stop if more else None)


def _times(frame: Frame, *, is_first: bool) -> dict[str, float]:
    at = frame.scanned.completed_at
    feed = {"vulnerabilitySourceUpdatedAt": at - (0 if frame.enhanced else _FEED_AGE_SECONDS)}
    shown = is_first or frame.switches.completed_on_later_pages
    return ({"imageScanCompletedAt": at} if shown else {}) | feed


def _counts(answer: Answer, frame: Frame, counted: list[_Item]) -> dict[str, Any]:
    told = answer.severity_counts
    if told is None:
        return {}
    if told != scan_script.TRUTH:
        return {"findingSeverityCounts": told}
    counts = Counter(
        _severity(item, frame)
        for item in counted
        if frame.switches.suppressed_counted or _state(item) == "ACTIVE"
    )
    return {"findingSeverityCounts": dict(counts)}


def _worded(item: _Item, frame: Frame, place: int) -> Mapping[str, Any]:
    if not isinstance(item, Vulnerability):
        return item
    return enhanced_finding(item, frame.scanned, place) if frame.enhanced else basic_finding(item)


def _severity(item: _Item, frame: Frame) -> str:
    if not isinstance(item, Vulnerability):
        return str(item.get("severity", "UNDEFINED"))
    return enhanced_severity(item) if frame.enhanced else basic_severity(item)


def _state(item: _Item) -> str:
    return item.state if isinstance(item, Vulnerability) else str(item.get("status", "ACTIVE"))
