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
from sys import intern
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


MOST_SCORE = 10.0
"""The highest score of CVSS."""

_NOT_COUNTED = ("SUPPRESSED", "CLOSED")
"""Statuses of Inspector's findings that do not count; any other word does."""


NO_PLATFORM = "(no platform)"
"""For an image of an index that states none; no ignore can name it."""


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
class Layer:
    """A layer of an image.

    Args:
        number: Its place among the image's layers, from 1.
        created_by: What the image's history says of it; empty where that is not known.
        line: Of the Dockerfile, where it is one of its own instructions.
        from_base: Whether the base image brought it; None where that is not known.
    """

    number: int
    created_by: str = ""
    line: int | None = None
    from_base: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that a finding is in; `fixed_in` is empty where no fixed version is known.

    `path` is its file in the image, and `layer_hash` the layer that brought it, where the engine
    names them. `layer` is None where that hash is of no layer that is known.
    """

    name: str = ""
    version: str = ""
    fixed_in: str = ""
    path: str = ""
    layer_hash: str = ""
    layer: Layer | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One vulnerability, in one package or several, as ECR told it.

    `stated_severity` is ECR's own word, which matters where `severity` is UNDEFINED. `suppressed`
    means that Inspector does not count it: a rule of the registry's owner suppresses it, or it is
    closed. `platforms` are those of the index in which it is; empty for a single image. `fixable`
    is None where the engine says nothing of fixes, as the basic one does. `known_since` is when
    Inspector first saw it in this image, or else when its vendor published it. `arn` is Inspector's
    name of it in this very image. `score` is the CVSS score (0 to 10) as the engine states it, for
    reports alone: no rule looks at it. It is None where the engine states none.

    Of what ECR's answer does not say, `epss` is the probability (0 to 1) that it is exploited
    within 30 days, `in_kev` whether CISA lists it as known exploited, and `known` whether the
    baseline has it too; each is None where that is not known, or nobody wanted to know it.
    """

    name: str
    severity: Severity
    stated_severity: str
    packages: tuple[Package, ...] = ()
    uri: str = ""
    description: str = ""
    suppressed: bool = False
    platforms: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    fixable: bool | None = None
    exploited: bool = False
    known_since: datetime | None = None
    arn: str = ""
    epss: float | None = None
    in_kev: bool | None = None
    known: bool | None = None
    score: float | None = None

    @property
    def from_base(self) -> bool:
        """Whether it is certain of all its packages that the base image brought them."""
        layers = [package.layer for package in self.packages]
        return bool(layers) and all(layer and layer.from_base for layer in layers)


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

    Findings are equal by all that a rule may look at, so that merging never makes one look better;
    of several times since when it is known the earliest counts, and none if one is missing. Of
    several scores the highest is shown.

    Args:
        found: Each finding with the platform that it was found on, empty for a single image.
    """
    groups: dict[Finding, list[tuple[str, Finding]]] = {}
    for platform, finding in found:
        groups.setdefault(_key(finding), []).append((platform, finding))
    merged = (
        replace(
            group[0][1],
            platforms=_platforms(platform for platform, _ in group),
            known_since=_earliest(finding.known_since for _, finding in group),
            score=_highest(finding.score for _, finding in group),
        )
        for group in groups.values()
    )
    order = list(Severity)
    return tuple(sorted(merged, key=lambda item: (order.index(item.severity), item.name)))


def _platforms(found: Iterable[str]) -> tuple[str, ...]:
    """None for a single image; in an index also the image that no platform is stated for."""
    names = tuple(dict.fromkeys(found))
    return tuple(name or NO_PLATFORM for name in names) if any(names) else ()


def _key(finding: Finding) -> Finding:
    packages = tuple(map(_without_place, finding.packages))
    return replace(
        finding,
        packages=packages,
        uri="",
        description="",
        known_since=None,
        arn="",
        score=None,
    )


def _without_place(package: Package) -> Package:
    """Of its layer only what a rule looks at: each platform has a base image of its own."""
    layer = Layer(number=0, from_base=True) if package.layer and package.layer.from_base else None
    return replace(package, layer_hash="", layer=layer)


def _first(*times: datetime | None) -> datetime | None:
    """Inspector sees everything in a new image for the first time, however old it is."""
    return min(filter(None, times), default=None)


def _earliest(times: Iterable[datetime | None]) -> datetime | None:
    known = list(times)
    return None if None in known else min(time for time in known if time)


def _highest(scores: Iterable[float | None]) -> float | None:
    return max((score for score in scores if score is not None), default=None)


def _basic(item: Mapping[str, Any]) -> Finding:
    attributes = {pair.get("key"): pair.get("value", "") for pair in item.get("attributes") or []}
    package = Package(
        name=attributes.get("package_name", ""), version=attributes.get("package_version", "")
    )
    stated = _text(item, "severity")
    return Finding(
        name=_text(item, "name"),
        severity=Severity.parse(stated),
        stated_severity=stated,
        packages=(package,),
        uri=_text(item, "uri"),
        description=_text(item, "description"),
        score=_score(attributes.get("CVSS3_SCORE") or attributes.get("CVSS2_SCORE")),
    )


def _enhanced(item: Mapping[str, Any]) -> Finding:
    details = item.get("packageVulnerabilityDetails") or {}
    stated = _text(item, "severity")
    return Finding(
        name=_text(details, "vulnerabilityId") or _text(item, "title"),
        severity=Severity.parse(stated),
        stated_severity=stated,
        packages=tuple(map(_package, details.get("vulnerablePackages") or [])),
        uri=_text(details, "sourceUrl"),
        description=_text(item, "description"),
        suppressed=item.get("status") in _NOT_COUNTED,
        aliases=tuple(details.get("relatedVulnerabilities") or ()),
        # PARTIAL: for some of its packages, so there is something to do.
        fixable={"YES": True, "PARTIAL": True, "NO": False}.get(item.get("fixAvailable", "")),
        exploited=item.get("exploitAvailable") == "YES",
        known_since=_first(item.get("firstObservedAt"), details.get("vendorCreatedAt")),
        arn=_text(item, "findingArn"),
        score=_score(item.get("score")),
    )


def _text(item: Mapping[str, Any], member: str) -> str:
    """A text of the answer, kept once: all pages of many findings are read twice, to compare."""
    return intern(item.get(member) or "")


def _score(stated: str | float | None) -> float | None:
    """A CVSS score; None for what is not one, as nothing is decided by it."""
    try:
        score = float("nan" if stated is None else stated)
    except (TypeError, ValueError, OverflowError):
        return None
    return score if 0 <= score <= MOST_SCORE else None


def _package(item: Mapping[str, Any]) -> Package:
    fixed_in = _text(item, "fixedInVersion")
    return Package(
        name=_text(item, "name"),
        version=_text(item, "version"),
        fixed_in="" if fixed_in == "NotAvailable" else fixed_in,
        path=_text(item, "filePath"),
        layer_hash=_text(item, "sourceLayerHash"),
    )
