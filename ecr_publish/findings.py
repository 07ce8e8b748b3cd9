"""ECR's answers about a scan, basic and enhanced -> Finding with an ordered Severity.

Shapes: DescribeImageScanFindings of the ECR API reference; every member of a finding is optional
there (reference/ecr-behaviour.md section 1.5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any


class Severity(Enum):
    """ECR's severities. UNDEFINED stands for every one without a rank, UNTRIAGED among them."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFORMATIONAL = "INFORMATIONAL"
    UNDEFINED = "UNDEFINED"

    @classmethod
    def parse(cls, text: str) -> Severity:
        """Read a severity; one that is not known has no rank, so it is UNDEFINED."""
        try:
            return cls(text)
        except ValueError:
            return cls.UNDEFINED


_RANKED = (
    Severity.INFORMATIONAL,
    Severity.LOW,
    Severity.MEDIUM,
    Severity.HIGH,
    Severity.CRITICAL,
)


_NOT_COUNTED = ("SUPPRESSED", "CLOSED")
"""Statuses of Inspector's findings that do not count; any other word does."""


class Threshold(Enum):
    """The lowest severity that refuses an image; NONE refuses for no severity at all."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFORMATIONAL = "informational"
    NONE = "none"

    def refuses(self, severity: Severity) -> bool:
        """Whether a finding of this severity refuses the image.

        What has no rank cannot be shown to be below a threshold, so every threshold refuses it.
        """
        if self is Threshold.NONE:
            return False
        if severity is Severity.UNDEFINED:
            return True
        return _RANKED.index(severity) >= _RANKED.index(Severity(self.value.upper()))


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that a finding is in; `fixed_in` is empty where no fixed version is known."""

    name: str = ""
    version: str = ""
    fixed_in: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One vulnerability, in one package or several, as ECR told it.

    `stated_severity` is ECR's own word, which matters where `severity` is UNDEFINED. `suppressed`
    means that Inspector does not count it: a rule of the registry's owner suppresses it, or it is
    closed. `platforms` are those of the index in which it is; empty for a single image.
    """

    name: str
    severity: Severity
    stated_severity: str
    packages: tuple[Package, ...] = ()
    uri: str = ""
    description: str = ""
    suppressed: bool = False
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of an answer of DescribeImageScanFindings.

    `counts` is None where ECR gave no counts at all; severities that are absent from it are zero.
    """

    status: str
    description: str = ""
    completed_at: datetime | None = None
    counts: Mapping[str, int] | None = None
    findings: tuple[Finding, ...] = ()
    enhanced: bool = False
    next_token: str | None = field(default=None, compare=False)


def parse_page(answer: Mapping[str, Any]) -> Page:
    """Read one answer of DescribeImageScanFindings; what is missing stays empty, never guessed."""
    status = answer.get("imageScanStatus") or {}
    body = answer.get("imageScanFindings") or {}
    return Page(
        status=status.get("status", ""),
        description=status.get("description", ""),
        completed_at=body.get("imageScanCompletedAt"),
        counts=body.get("findingSeverityCounts"),
        findings=(
            *map(_basic, body.get("findings") or []),
            *map(_enhanced, body.get("enhancedFindings") or []),
        ),
        enhanced="enhancedFindings" in body,
        next_token=answer.get("nextToken"),
    )


def rank(stated: str, unknown: Severity) -> Severity:
    """The severity that one of ECR's words counts as.

    Args:
        stated: The word.
        unknown: What UNDEFINED and UNTRIAGED count as, which say that nobody has rated it yet. A
            word that neither ECR nor Inspector has today stays without a rank.
    """
    return unknown if stated in ("UNDEFINED", "UNTRIAGED") else Severity.parse(stated)


def count(findings: Iterable[Finding]) -> dict[Severity, int]:
    """How many findings each severity has, every severity named, the worst first."""
    counted = Counter(finding.severity for finding in findings)
    return {severity: counted[severity] for severity in Severity}


def merge(found: Iterable[tuple[str, Finding]]) -> tuple[Finding, ...]:
    """The findings of several platforms as one list, equal ones once and the worst first.

    Findings are equal by name, packages, severity and whether they count, so that merging never
    lowers a severity.

    Args:
        found: Each finding with the platform that it was found on, empty for a single image.
    """
    platforms: dict[Finding, dict[str, None]] = {}
    shown: dict[Finding, Finding] = {}
    for platform, finding in found:
        key = replace(finding, uri="", description="")
        shown.setdefault(key, finding)
        platforms.setdefault(key, {}).update({platform: None} if platform else {})
    merged = (replace(shown[key], platforms=tuple(names)) for key, names in platforms.items())
    order = list(Severity)
    return tuple(sorted(merged, key=lambda item: (order.index(item.severity), item.name)))


def _basic(item: Mapping[str, Any]) -> Finding:
    attributes = {pair.get("key"): pair.get("value", "") for pair in item.get("attributes") or []}
    package = Package(
        name=attributes.get("package_name", ""), version=attributes.get("package_version", "")
    )
    stated = item.get("severity", "")
    return Finding(
        name=item.get("name", ""),
        severity=Severity.parse(stated),
        stated_severity=stated,
        packages=(package,),
        uri=item.get("uri", ""),
        description=item.get("description", ""),
    )


def _enhanced(item: Mapping[str, Any]) -> Finding:
    details = item.get("packageVulnerabilityDetails") or {}
    stated = item.get("severity", "")
    return Finding(
        name=details.get("vulnerabilityId") or item.get("title", ""),
        severity=Severity.parse(stated),
        stated_severity=stated,
        packages=tuple(map(_package, details.get("vulnerablePackages") or [])),
        uri=details.get("sourceUrl", ""),
        description=item.get("description", ""),
        suppressed=item.get("status") in _NOT_COUNTED,
    )


def _package(item: Mapping[str, Any]) -> Package:
    fixed_in = item.get("fixedInVersion", "")
    return Package(
        name=item.get("name", ""),
        version=item.get("version", ""),
        fixed_in="" if fixed_in == "NotAvailable" else fixed_in,
    )
