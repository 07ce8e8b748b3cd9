"""Findings + Policy -> Verdict with reasons. A pure function; whatever is unknown never passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ecr_publish.findings import Finding, Severity, Threshold, count, merge, rank
from ecr_publish.inputs import OnUnjudged
from ecr_publish.plan import Policy
from ecr_publish.scan import Result


class Decision(Enum):
    """The answer of the gate. UNKNOWN: the image was not, or not completely, judged by ECR."""

    PASSED = "passed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate decided and why.

    `findings` are all that count, `deciding` those of them that refuse the image, the worst first;
    `suppressed` are those that Inspector lists and does not count. `complete` means that these are
    all: no image was left without a verdict. `waived_by` are the
    settings of the user, such as `report-only`, that let an image have its release tags although
    it did not pass; it is empty where the image passed and where it may not have them.
    """

    decision: Decision
    reason: str
    threshold: Threshold
    counts: dict[Severity, int]
    findings: tuple[Finding, ...]
    deciding: tuple[Finding, ...]
    suppressed: tuple[Finding, ...] = ()
    complete: bool = True
    waived_by: tuple[str, ...] = ()

    @property
    def may_promote(self) -> bool:
        """Whether release tags may be applied (S1)."""
        return self.decision is Decision.PASSED or bool(self.waived_by)


def judge(results: Sequence[Result], policy: Policy) -> Verdict:
    """Decide over the scans of all images; no scan at all is never a pass."""
    merged = merge(
        (result.target.platform, finding) for result in results for finding in result.findings
    )
    findings = tuple(item for item in merged if not item.suppressed)
    deciding = tuple(
        item
        for item in findings
        if policy.threshold.refuses(rank(item.stated_severity, policy.unknown_severity))
    )
    unjudged = [result for result in results if result.unjudged is not None]
    if deciding:
        decision, reason = Decision.REFUSED, _refusal(deciding, policy.threshold)
        reason = f"{reason}; {_ignorance(unjudged)}" if unjudged else reason
    elif unjudged or not results:
        decision, reason = Decision.UNKNOWN, _ignorance(unjudged)
    else:
        decision, reason = Decision.PASSED, _pass(findings, policy.threshold)
    return Verdict(
        decision=decision,
        reason=reason,
        threshold=policy.threshold,
        counts=count(findings),
        findings=findings,
        deciding=deciding,
        suppressed=tuple(item for item in merged if item.suppressed),
        complete=bool(results) and not unjudged,
        waived_by=_waivers(decision, unjudged, policy),
    )


def _waivers(decision: Decision, unjudged: Sequence[Result], policy: Policy) -> tuple[str, ...]:
    if decision is Decision.PASSED:
        return ()
    if policy.report_only:
        return ("report-only: true",)
    kinds = {result.unjudged for result in unjudged if result.unjudged}
    warned = kinds and all(policy.on_unjudged[kind] is OnUnjudged.WARN for kind in kinds)
    if decision is Decision.UNKNOWN and warned and not _counted_too_bad(unjudged, policy):
        return tuple(sorted(f"{kind.value}: warn" for kind in kinds))
    return ()


def _counted_too_bad(unjudged: Sequence[Result], policy: Policy) -> bool:
    """Whether ECR counts, of an unjudged image, what would refuse it if it were listed.

    No setting waives that: it lets an image pass of which nothing is known, not a bad one.
    """
    return any(
        number and policy.threshold.refuses(rank(word, policy.unknown_severity))
        for result in unjudged
        for word, number in result.counted.items()
    )


def _refusal(deciding: Sequence[Finding], threshold: Threshold) -> str:
    counts = {severity: number for severity, number in count(deciding).items() if number}
    listed = ", ".join(f"{number} {severity.value}" for severity, number in counts.items())
    unranked = (
        " (a severity without a rank counts as refused)" if Severity.UNDEFINED in counts else ""
    )
    return f"{listed}: at or above the threshold {threshold.value}{unranked}"


def _ignorance(unjudged: Sequence[Result]) -> str:
    if not unjudged:
        return "there was no image to scan"
    reasons: dict[str, list[str]] = {}
    for result in unjudged:
        reasons.setdefault(result.reason, []).append(result.target.platform)
    return "; ".join(
        f"{', '.join(filter(None, platforms))}: {reason}" if any(platforms) else reason
        for reason, platforms in reasons.items()
    )


def _pass(findings: Sequence[Finding], threshold: Threshold) -> str:
    if threshold is Threshold.NONE:
        return f"{_number(findings)}, and severity-threshold: none refuses nothing"
    if not findings:
        return "no findings"
    return f"{_number(findings)}, none at or above the threshold {threshold.value}"


def _number(findings: Sequence[Finding]) -> str:
    return "1 finding" if len(findings) == 1 else f"{len(findings)} findings"
