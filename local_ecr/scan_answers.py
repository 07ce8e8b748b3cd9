"""A step of a scan script as DescribeImageScanFindings puts it on the wire. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from local_ecr import scans
from local_ecr.scans import Answer
from local_ecr.vulnerabilities import Scanned, basic_finding, enhanced_finding

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


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What the answer depends on besides the script."""

    enhanced: bool
    continuous: bool
    scanned: Scanned


def wire_status(answer: Answer, frame: Frame) -> str:
    """The status with the pseudo ones translated."""
    settled = "ACTIVE" if frame.enhanced and frame.continuous else "COMPLETE"
    translated = {
        scans.SETTLED: settled,
        scans.UNSUPPORTED: "UNSUPPORTED_IMAGE" if frame.enhanced else "FAILED",
        scans.RUNNING: "PENDING" if frame.enhanced else "IN_PROGRESS",
    }
    return translated.get(answer.status, answer.status)


def scan_status(answer: Answer, frame: Frame) -> dict[str, str]:
    """The member imageScanStatus."""
    status = wire_status(answer, frame)
    description = answer.description or _DESCRIPTIONS.get(status)
    return {"status": status} | ({"description": description} if description else {})


def scan_findings(answer: Answer, frame: Frame) -> dict[str, Any]:
    """The member imageScanFindings as a part of the body, with all findings.

    Returns:
        Nothing while a basic scan runs, null if it failed: so does the real service.
    """
    status = wire_status(answer, frame)
    if answer.has_result:
        return {"imageScanFindings": _result(answer, frame)}
    if status == "FAILED":
        return {"imageScanFindings": None}
    if status == "PENDING":
        return {"imageScanFindings": {"findings": [], "enhancedFindings": []}}
    return {} if status == "IN_PROGRESS" else {"imageScanFindings": {"findings": []}}


def _result(answer: Answer, frame: Frame) -> dict[str, Any]:
    name, findings = _findings(answer, frame)
    return {
        name: findings,
        "imageScanCompletedAt": frame.scanned.completed_at,
        "vulnerabilitySourceUpdatedAt": frame.scanned.completed_at
        - (0 if frame.enhanced else _FEED_AGE_SECONDS),
        "findingSeverityCounts": dict(Counter(f.get("severity", "UNDEFINED") for f in findings)),
    }


def _findings(answer: Answer, frame: Frame) -> tuple[str, list[Any]]:
    enhanced = [enhanced_finding(v, frame.scanned) for v in answer.vulnerabilities]
    basic = [basic_finding(v) for v in answer.vulnerabilities]
    listed = [*answer.enhanced_findings, *(enhanced if frame.enhanced else ())]
    if listed:
        return "enhancedFindings", listed
    # A clean enhanced image has an empty `findings` and no `enhancedFindings` at all.
    return "findings", [*answer.findings, *(() if frame.enhanced else basic)]
