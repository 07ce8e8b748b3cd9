"""Which findings an earlier image has already. Decisions only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ecr_publish.findings import Finding, Package
from ecr_publish.scan import Gap, Result, Unjudged

Identity = tuple[str, str, str]
"""Vulnerability, package and the package's file: not its version, nor what is said of it."""


def compared(findings: Sequence[Finding], baseline: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, each marked as known if the baseline has it in all of its packages too.

    What does not count in the baseline, because Inspector suppresses it there, excuses nothing.
    """
    counted = [finding for finding in baseline if not finding.suppressed]
    there = {identity for finding in counted for identity in _identities(finding)}
    return tuple(
        replace(finding, known=bool(finding.name) and there.issuperset(_identities(finding)))
        for finding in findings
    )


def gap(name: str, results: Sequence[Result]) -> Gap | None:
    """Why a baseline cannot be used: a part of it has no complete scan; None if it can.

    Args:
        name: The baseline, as the user calls it.
        results: The scans of all its images.
    """
    reasons = dict.fromkeys(result.reason for result in results if result.unjudged)
    return missing(f"the baseline {name}: {'; '.join(reasons)}") if reasons else None


def missing(reason: str) -> Gap:
    """The baseline cannot be used."""
    return Gap(kind=Unjudged.BASELINE, reason=reason)


def _identities(finding: Finding) -> Iterator[Identity]:
    for package in finding.packages or (Package(),):
        yield finding.name, package.name, package.path
