"""What would help: which update fixes how many of the findings that refuse the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ecr_publish.findings import Finding
from ecr_publish.gate import Judgement
from ecr_publish.report.wording import NAMELESS, installed

MOST_UPDATES, _MOST_VERSIONS = 5, 3

_Update = tuple[str, int]
"""What to do, and how many findings it fixes."""


def remedies(deciding: Sequence[Judgement]) -> list[str]:
    """The updates that fix most, the best first."""
    findings = [item.finding for item in deciding]
    fixed = [finding for finding in findings if _is_fixed(finding)]
    best = sorted(_updates(fixed), key=lambda update: -update[1])[:MOST_UPDATES]
    return [f"{what}: fixes {number} of {len(findings)}" for what, number in best]


def _updates(findings: Sequence[Finding]) -> Iterator[_Update]:
    of_base = [finding for finding in findings if finding.from_base]
    if of_base:
        yield "Update the base image", len(of_base)
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        if not finding.from_base:
            groups.setdefault(installed(finding), []).append(finding)
    for packages, group in groups.items():
        yield f"Update {packages or NAMELESS} (fixed in {_versions(group)})", len(group)


def _is_fixed(finding: Finding) -> bool:
    return bool(finding.packages) and all(package.fixed_in for package in finding.packages)


def _versions(findings: Sequence[Finding]) -> str:
    """Which of several versions is the last only the package's own tools can tell."""
    found = [package.fixed_in for finding in findings for package in finding.packages]
    different = [*dict.fromkeys(found)]
    more = ", …" if len(different) > _MOST_VERSIONS else ""
    return ", ".join(different[:_MOST_VERSIONS]) + more
