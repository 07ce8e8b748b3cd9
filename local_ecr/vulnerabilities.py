"""Made-up but realistic vulnerabilities, and how basic and enhanced scans word them. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from local_ecr import layers

SEVERITIES = (
    "CRITICAL",
    "HIGH",
    "MEDIUM",
    "LOW",
    "INFORMATIONAL",
    "UNDEFINED",
    "UNTRIAGED",
)
_SCORES = {"CRITICAL": 9.8, "HIGH": 8.1, "MEDIUM": 5.5, "LOW": 3.3, "INFORMATIONAL": 0.0}
_IMPACT = {"CRITICAL": "C:H/I:H/A:H", "HIGH": "C:H/I:H/A:N", "MEDIUM": "C:L/I:L/A:N"}
_FIRST_NUMBERS = {"SUPPRESSED": 100_000, "CLOSED": 200_000}
_TRACKER = "https://security-tracker.debian.org/tracker/"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of the image and the version that repairs it, if there is one.

    Attributes:
        partly_fixed: fixAvailable is PARTIAL: not all packages of the finding can be repaired.
        layer: Which layer of the image brought it; see local_ecr.layers.
    """

    name: str
    version: str
    fixed_in: str | None = None
    manager: str = "OS"
    path: str | None = None
    partly_fixed: bool = False
    layer: layers.Choice = layers.SPREAD

    @property
    def fix(self) -> str:
        """Inspector's fixAvailable."""
        return "PARTIAL" if self.partly_fixed else "YES" if self.fixed_in else "NO"


@dataclass(frozen=True, kw_only=True)
class Kev:
    """An entry of CISA's catalogue of vulnerabilities that are known to be exploited.

    Attributes:
        added: When it was added; epoch seconds.
        due: When federal agencies must have repaired it; epoch seconds.
        action: What CISA wants to be done.
    """

    added: float | None = None
    due: float | None = None
    action: str | None = None


_CISA = "Apply mitigations per vendor instructions or discontinue use of the product."
KEV = Kev(added=1_780_272_000.0, due=1_782_086_400.0, action=_CISA)
"""The usual entry: of 2026-06-01, due on 2026-06-22."""


@dataclass(frozen=True, kw_only=True)
class Vulnerability:
    """One finding, in no engine's words yet.

    Attributes:
        others: Packages that it is in, too; enhanced findings list them all.
        epss: The chance that it is exploited, by EPSS; None: Inspector has none.
        kev: What CISA's catalogue says of it; None: it is not in there.
        details_error: Code of BatchGetFindingDetails' error instead of these two.
        state: Inspector's status: ACTIVE, SUPPRESSED or CLOSED. Basic scans know ACTIVE only.
        bare: Nothing but id and severity: all members of a finding are optional on the wire.
    """

    id: str
    severity: str
    package: Package
    text: str | None = None
    exploited: bool = False
    state: str = "ACTIVE"
    bare: bool = False
    others: tuple[Package, ...] = ()
    epss: float | None = None
    kev: Kev | None = None
    details_error: str | None = None

    @property
    def packages(self) -> tuple[Package, ...]:
        """All packages that it is in."""
        return (self.package, *self.others)

    @property
    def fix(self) -> str:
        """Inspector's fixAvailable, for all packages together."""
        fixes = {package.fix for package in self.packages}
        return fixes.pop() if len(fixes) == 1 else "PARTIAL"

    @property
    def score(self) -> float | None:
        """The CVSS score; None where nobody has looked yet."""
        return _SCORES.get(self.severity)

    @property
    def vector(self) -> str:
        """A CVSS 3.1 vector that fits the severity."""
        return f"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/{_IMPACT.get(self.severity, 'C:L/I:N/A:N')}"


@dataclass(frozen=True, kw_only=True)
class Scanned:
    """What a finding says about the image that it was found in; times in epoch seconds.

    Attributes:
        layers: The hashes that findings name its layers by; empty: they are not known.
    """

    account: str
    region: str
    repository: str
    digest: str
    tags: tuple[str, ...]
    pushed_at: float
    completed_at: float
    architecture: str = "amd64"
    layers: tuple[str, ...] = ()


_PACKAGES = (
    Package(name="openssl", version="3.0.11-1~deb12u2", fixed_in="3.0.15-1~deb12u1"),
    Package(name="glibc", version="2.36-9+deb12u4", fixed_in="2.36-9+deb12u9"),
    Package(name="zlib", version="1:1.2.13.dfsg-1"),
    Package(name="expat", version="2.5.0-1", fixed_in="2.5.0-1+deb12u1"),
    Package(name="libxml2", version="2.9.14+dfsg-1.3~deb12u1"),
    Package(name="curl", version="7.88.1-10+deb12u5", fixed_in="7.88.1-10+deb12u8"),
    Package(name="systemd", version="252.22-1~deb12u1", fixed_in="252.31-1~deb12u1"),
    Package(name="util-linux", version="2.38.1-5+b1", fixed_in="2.38.1-5+deb12u1"),
    Package(name="perl", version="5.36.0-7+deb12u1"),
    Package(name="ncurses", version="6.4-4"),
    Package(name="tar", version="1.34+dfsg-1.2"),
    Package(name="shadow", version="1:4.13+dfsg1-1"),
)
_LIBRARY = Package(
    name="requests",
    version="2.28.1",
    fixed_in="2.32.0",
    manager="PYTHONPKG",
    path="usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA",
)
_TEXTS = {
    "CRITICAL": "A heap-based buffer overflow in {package} lets a remote attacker run code "
    "by sending a crafted message. No authentication is needed.",
    "HIGH": "A use-after-free in {package} can be triggered by crafted input, which leads to "
    "disclosure of memory or to a crash.",
    "MEDIUM": "{package} does not check the length of a field before copying it | a local user "
    "can make it read out of bounds.",
    "LOW": "Under rare settings {package} writes a predictable temporary file.",
}


def made_up(
    counts: Mapping[str, int], *, state: str = "ACTIVE", bare: bool = False
) -> tuple[Vulnerability, ...]:
    """So many vulnerabilities per severity, always the same ones for the same counts.

    Fewer of a severity are the first ones of more. Words that are no severity of today are taken
    as they are and come last; suppressed and closed ones are others than the active ones.
    """
    words = (*SEVERITIES, *(word for word in counts if word not in SEVERITIES))
    first = _FIRST_NUMBERS.get(state, 0)
    found = (
        _vulnerability(severity, rank, number + first)
        for rank, severity in enumerate(words)
        for number in range(counts.get(severity, 0))
    )
    if state == "ACTIVE" and not bare:
        return tuple(found)
    return tuple(replace(one, state=state, bare=bare) for one in found)


def _vulnerability(severity: str, rank: int, number: int) -> Vulnerability:
    package = _PACKAGES[(number * 5 + rank) % len(_PACKAGES)]
    # Each fourth low one has no text: all members of a finding are optional on the wire.
    bare = severity not in _TEXTS or (severity == "LOW" and number % 4 == 0)
    return Vulnerability(
        id=f"CVE-{2021 + (number + rank) % 5}-{20000 + rank * 5000 + number * 37}",
        severity=severity,
        package=_LIBRARY if severity == "HIGH" and number == 1 else package,
        text=None if bare else _TEXTS[severity].format(package=package.name),
        exploited=severity == "CRITICAL" and number == 0,
    )


def in_layer(found: tuple[Vulnerability, ...], layer: layers.Choice) -> tuple[Vulnerability, ...]:
    """The same in one layer, but for packages that are in a layer of their own already."""
    return tuple(
        replace(
            one,
            package=_moved(one.package, layer),
            others=tuple(_moved(other, layer) for other in one.others),
        )
        for one in found
    )


def _moved(package: Package, layer: layers.Choice) -> Package:
    return replace(package, layer=layer) if package.layer == layers.SPREAD else package


def basic_severity(found: Vulnerability) -> str:
    """What basic scans call the severity."""
    return "UNDEFINED" if found.severity == "UNTRIAGED" else found.severity


def enhanced_severity(found: Vulnerability) -> str:
    """What Inspector calls the severity."""
    return "UNTRIAGED" if found.severity == "UNDEFINED" else found.severity


def basic_finding(found: Vulnerability) -> dict[str, Any]:
    """As DescribeImageScanFindings lists it under `findings`."""
    if found.bare:
        return {"name": found.id, "severity": basic_severity(found)}
    values = {"package_version": found.package.version, "package_name": found.package.name}
    if found.score:
        values |= {"CVSS3_VECTOR": found.vector, "CVSS3_SCORE": str(found.score)}
    finding: dict[str, Any] = {
        "name": found.id,
        "severity": basic_severity(found),
        "attributes": [{"key": key, "value": value} for key, value in values.items()],
    }
    if found.text:
        finding |= {"description": found.text, "uri": _TRACKER + found.id}
    return finding


def enhanced_finding(found: Vulnerability, scanned: Scanned, place: int = 0) -> dict[str, Any]:
    """As DescribeImageScanFindings lists it under `enhancedFindings`, at this place from 0."""
    if found.bare:
        only_id = {"packageVulnerabilityDetails": {"vulnerabilityId": found.id}}
        return {"severity": enhanced_severity(found), **only_id}
    finding: dict[str, Any] = {
        "awsAccountId": scanned.account,
        "description": found.text or "(description)",
        "findingArn": finding_arn(found, scanned),
        "firstObservedAt": scanned.completed_at,
        "lastObservedAt": scanned.completed_at,
        "updatedAt": scanned.completed_at,
        "packageVulnerabilityDetails": _details(found, scanned, place),
        "remediation": {"recommendation": {"text": "None Provided"}},
        "resources": [_resource(scanned)],
        "severity": enhanced_severity(found),
        "status": found.state,
        "title": f"{found.id} - {found.package.name}",
        "type": "PACKAGE_VULNERABILITY",
        "fixAvailable": found.fix,
        "exploitAvailable": "YES" if found.exploited else "NO",
    }
    if found.score is not None:
        finding |= {"score": found.score, "scoreDetails": {"cvss": _score_details(found)}}
    return finding


def finding_arn(found: Vulnerability, scanned: Scanned) -> str:
    """The same for the same vulnerability of the same packages in the same image, and for no else.

    An image is a digest in a repository: Inspector's resource.
    """
    parts = [scanned.repository, scanned.digest, found.id]
    for one in found.packages:
        parts += [one.manager, one.name, one.version, one.path or ""]
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    return f"arn:aws:inspector2:{scanned.region}:{scanned.account}:finding/{name}"


def reference_urls(found: Vulnerability) -> list[str]:
    """Where to read about it."""
    return [_TRACKER + found.id]


def _score_details(found: Vulnerability) -> dict[str, Any]:
    return {
        "adjustments": [],
        "score": found.score,
        "scoreSource": "NVD",
        "scoringVector": found.vector,
        "version": "3.1",
    }


def _details(found: Vulnerability, scanned: Scanned, place: int) -> dict[str, Any]:
    cvss = {
        "baseScore": found.score,
        "scoringVector": found.vector,
        "source": "NVD",
        "version": "3.1",
    }
    listed = [(one, layers.source_hash(one.layer, scanned.layers, place)) for one in found.packages]
    return {
        "cvss": [] if found.score is None else [cvss],
        "referenceUrls": reference_urls(found),
        "relatedVulnerabilities": [],
        "source": "DEBIAN_CVE" if found.package.manager == "OS" else "NVD",
        "sourceUrl": _TRACKER + found.id,
        "vendorSeverity": found.severity.lower() if found.score else "not yet assigned",
        "vulnerabilityId": found.id,
        "vulnerablePackages": [_vulnerable_package(one, layer) for one, layer in listed],
    }


def _vulnerable_package(package: Package, layer: str | None) -> dict[str, Any]:
    epoch, _, rest = package.version.rpartition(":")
    version, _, release = rest.partition("-")
    shown: dict[str, Any] = {
        "arch": "AMD64",
        "epoch": int(epoch or 0),
        "name": package.name,
        "packageManager": package.manager,
        "version": version,
        "fixedInVersion": package.fixed_in or "NotAvailable",
    }
    more = {"sourceLayerHash": layer, "release": release, "filePath": package.path}
    return shown | {name: value for name, value in more.items() if value}


def _resource(scanned: Scanned) -> dict[str, Any]:
    arn = f"arn:aws:ecr:{scanned.region}:{scanned.account}:repository/{scanned.repository}"
    image = {
        "architecture": scanned.architecture,
        "imageHash": scanned.digest,
        "imageTags": list(scanned.tags),
        "inUseCount": 0,
        "platform": "DEBIAN_12",
        "pushedAt": scanned.pushed_at,
        "registry": scanned.account,
        "repositoryName": scanned.repository,
    }
    return {
        "details": {"awsEcrContainerImage": image},
        "id": f"{arn}/{scanned.digest}",
        "tags": {},
        "type": "AWS_ECR_CONTAINER_IMAGE",
    }
