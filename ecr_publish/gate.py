"""Findings of all images + Policy -> Verdict with its reasons, finding by finding. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta, timezone
from enum import Enum

from ecr_publish.findings import Finding, Severity, Threshold, count, merge, rank
from ecr_publish.ignores import Ignore, Ignores
from ecr_publish.inputs import FailOn, OnUnjudged
from ecr_publish.policy import BaseImageFindings, Policy, Rules, StaleIgnores
from ecr_publish.scan import Evidence, Gap, Result, Unjudged

_MOST_NAMED = 10
"""Of the ignores that nothing was found for, in the reason."""


class Decision(Enum):
    """The answer of the gate. UNKNOWN: the image was not, or not completely, judged by ECR."""

    PASSED = "passed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Ground(Enum):
    """Why a finding refuses the image, or does not; each has exactly one.

    The value names the rule that decided.
    """

    AT_THRESHOLD = "severity-threshold"
    OVER_LIMIT = "limits"
    EXPLOITED = "exploited"
    KNOWN_EXPLOITED = "known-exploited"
    LIKELY_EXPLOITED = "epss-threshold"
    BELOW_THRESHOLD = "below severity-threshold"
    KNOWN = "fail-on"
    OF_BASE_IMAGE = "base-image-findings"
    NOT_FIXABLE = "only-fixable"
    IN_GRACE = "grace"
    IGNORED = "ignore"
    SUPPRESSED = "suppressed in Inspector"

    @property
    def refuses(self) -> bool:
        """Whether a finding with this ground refuses the image."""
        return self in (
            *(Ground.AT_THRESHOLD, Ground.OVER_LIMIT),
            *(Ground.EXPLOITED, Ground.KNOWN_EXPLOITED, Ground.LIKELY_EXPLOITED),
        )


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What the policy makes of one finding.

    `place` is where the rule stands, `ignores` are those that accept the finding, `until` is the
    day on which its grace ends.
    """

    finding: Finding
    ground: Ground
    place: str = ""
    ignores: tuple[Ignore, ...] = ()
    until: date | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate decided and why.

    `judgements` has every finding once, the worst first. `complete` means that these are all: no
    image was left without a verdict. `expired` are ignores that no longer count, because they have
    ended or there is a fix now; `stale` are those that nothing was found for. `gaps` are what rules
    could not learn and the user does without. `waived_by` are the settings of the user, such as
    `report-only`, that let an image have its release tags although it did not pass; it is empty
    where the image passed and where it may not have them.
    """

    decision: Decision
    reason: str
    rules: Rules
    judgements: tuple[Judgement, ...] = ()
    expired: tuple[Ignore, ...] = ()
    stale: tuple[Ignore, ...] = ()
    gaps: tuple[Gap, ...] = ()
    complete: bool = True
    waived_by: tuple[str, ...] = ()

    @property
    def may_promote(self) -> bool:
        """Whether release tags may be applied (S1)."""
        return self.decision is Decision.PASSED or bool(self.waived_by)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that ECR counts."""
        return tuple(item.finding for item in self.judgements if not item.finding.suppressed)

    @property
    def deciding(self) -> tuple[Judgement, ...]:
        """Those that refuse the image."""
        return tuple(item for item in self.judgements if item.ground.refuses)

    @property
    def counts(self) -> dict[Severity, int]:
        """How many findings of each severity ECR counts."""
        return count(self.findings)

    def with_ground(self, ground: Ground) -> tuple[Judgement, ...]:
        """The judgements that have this ground."""
        return tuple(item for item in self.judgements if item.ground is ground)


def judge(evidence: Evidence, policy: Policy, today: date) -> Verdict:
    """Decide over the scans of all images; no scan at all is never a pass.

    Args:
        evidence: What is known.
        policy: The rules.
        today: In UTC.
    """
    rules, results = policy.rules, evidence.results
    findings = merge(
        (result.target.platform, finding) for result in results for finding in result.findings
    )
    ignores = Ignores(rules.ignore, today)
    unjudged = [result for result in results if result.unjudged is not None]
    complete = bool(results) and not unjudged
    judgements = _judged(findings, rules, ignores, today)
    gaps = [gap for gap in evidence.gaps if _matters(gap, judgements, complete=complete)]
    verdict = Verdict(
        decision=Decision.PASSED,
        reason="",
        rules=rules,
        judgements=judgements,
        expired=(*ignores.expired, *ignores.fixed(findings)),
        stale=ignores.stale(findings) if complete else (),
        gaps=tuple(gap for gap in gaps if policy.on_unjudged[gap.kind] is OnUnjudged.WARN),
        complete=complete,
    )
    failing = [gap for gap in gaps if gap not in verdict.gaps]
    decision, reason = _decided(verdict, unjudged, failing)
    waived_by = _waivers(decision, unjudged, failing, policy)
    return replace(verdict, decision=decision, reason=reason, waived_by=waived_by)


def _matters(gap: Gap, judgements: Sequence[Judgement], *, complete: bool) -> bool:
    """Whether knowing it could change a finding's ground; of exploits it may be settled anyway."""
    if gap.kind is not Unjudged.EXPLOIT or not complete:
        return True
    settled = (Ground.IGNORED, Ground.SUPPRESSED)
    return any(
        item.finding.in_kev is None and not item.ground.refuses and item.ground not in settled
        for item in judgements
    )


def _judged(
    findings: Sequence[Finding], rules: Rules, ignores: Ignores, today: date
) -> tuple[Judgement, ...]:
    first = [_judgement(finding, rules, ignores, today) for finding in findings]
    counted = Counter(
        _severity(item.finding, rules) for item in first if item.ground is Ground.OVER_LIMIT
    )
    return tuple(_within_limit(item, rules, counted) for item in first)


def _judgement(finding: Finding, rules: Rules, ignores: Ignores, today: date) -> Judgement:
    accepted = ignores.of(finding)
    until = _end_of_grace(finding, rules, today)
    ground = _ground(finding, rules, ignored=bool(accepted), in_grace=until is not None)
    if ground is Ground.IGNORED:
        place = accepted[0].place
        return Judgement(finding=finding, ground=ground, place=place, ignores=accepted)
    judged = _by_rule(finding, ground, rules)
    return replace(judged, until=until) if ground is Ground.IN_GRACE else judged


def _ground(finding: Finding, rules: Rules, *, ignored: bool, in_grace: bool) -> Ground:
    """The first ground that holds; OVER_LIMIT stands for "counts towards its limit" here."""
    severity = _severity(finding, rules)
    refuses = rules.severity_threshold.refuses(severity)
    grounds = (
        (finding.suppressed, Ground.SUPPRESSED),
        (ignored, Ground.IGNORED),
        (rules.exploited and finding.exploited, Ground.EXPLOITED),
        (rules.known_exploited and finding.in_kev, Ground.KNOWN_EXPLOITED),
        (_is_likely(finding, rules), Ground.LIKELY_EXPLOITED),
        (not refuses and rules.limit(severity) is None, Ground.BELOW_THRESHOLD),
        (rules.fail_on is FailOn.NEW and finding.known, Ground.KNOWN),
        (_is_left_to_the_base(finding, rules), Ground.OF_BASE_IMAGE),
        (rules.only_fixable and finding.fixable is False, Ground.NOT_FIXABLE),
        (in_grace, Ground.IN_GRACE),
        (refuses, Ground.AT_THRESHOLD),
        (True, Ground.OVER_LIMIT),
    )
    return next(ground for holds, ground in grounds if holds)


def _is_likely(finding: Finding, rules: Rules) -> bool:
    least = rules.epss_threshold
    return least is not None and finding.epss is not None and finding.epss >= least


def _is_left_to_the_base(finding: Finding, rules: Rules) -> bool:
    return rules.base_image_findings is BaseImageFindings.REPORT and finding.from_base


def _within_limit(item: Judgement, rules: Rules, counted: Counter[Severity]) -> Judgement:
    severity = _severity(item.finding, rules)
    if item.ground is Ground.OVER_LIMIT and not _too_many(counted[severity], severity, rules):
        return _by_rule(item.finding, Ground.BELOW_THRESHOLD, rules)
    return item


def _too_many(number: int, severity: Severity, rules: Rules) -> bool:
    most = rules.limit(severity)
    return most is not None and number > most


def _by_rule(finding: Finding, ground: Ground, rules: Rules) -> Judgement:
    rule = ground.value.removeprefix("below ").replace("-", "_")
    return Judgement(finding=finding, ground=ground, place=rules.places.get(rule, ""))


def _severity(finding: Finding, rules: Rules) -> Severity:
    return rank(finding.stated_severity, rules.unknown_severity)


def _end_of_grace(finding: Finding, rules: Rules, today: date) -> date | None:
    """The first day (UTC) on which the finding refuses; None where it has no grace today."""
    if finding.known_since is None:
        return None
    since = finding.known_since.astimezone(timezone.utc).date()
    # Of a day that is still to come nothing follows, least of all a grace that lasts for years.
    if since > today:
        return None
    end = since + timedelta(days=rules.grace.get(_severity(finding, rules), 0))
    return end if today < end else None


def _decided(
    verdict: Verdict, unjudged: Sequence[Result], failing: Sequence[Gap]
) -> tuple[Decision, str]:
    refusal = "; ".join(_refusals(verdict))
    unknown = [] if verdict.complete else [_ignorance(unjudged)]
    ignorance = "; ".join((*unknown, *(gap.reason for gap in failing)))
    if refusal:
        return Decision.REFUSED, "; ".join(filter(None, (refusal, ignorance)))
    if ignorance:
        return Decision.UNKNOWN, ignorance
    return Decision.PASSED, _pass(verdict)


def _refusals(verdict: Verdict) -> Iterator[str]:
    rules = verdict.rules
    at = [item.finding for item in verdict.with_ground(Ground.AT_THRESHOLD)]
    over = [item.finding for item in verdict.with_ground(Ground.OVER_LIMIT)]
    if at:
        unranked = (
            " (a severity without a rank counts as refused)"
            if any(item.severity is Severity.UNDEFINED for item in at)
            else ""
        )
        threshold = rules.severity_threshold.value
        yield f"{_counted(at)}: at or above the threshold {threshold}{unranked}"
    for ground, why in _EXPLOITS.items():
        found = [item.finding for item in verdict.with_ground(ground)]
        if found:
            yield f"{_counted(found)}: {why.format(rules.epss_threshold)}"
    if over:
        severities = dict.fromkeys(_severity(item, rules) for item in over)
        limits = ", ".join(f"{rules.limit(severity)} {severity.value}" for severity in severities)
        yield f"{_counted(over)}: more than the limit of {limits}"
    if verdict.stale and rules.stale_ignores is StaleIgnores.FAIL:
        named = [f"{ignore.id} ({ignore.place})" for ignore in verdict.stale[:_MOST_NAMED]]
        more = len(verdict.stale) - len(named)
        named += [f"{more} more"] if more else []
        yield f"ignores that nothing was found for: {', '.join(named)}"


_EXPLOITS = {
    Ground.EXPLOITED: "with a known exploit",
    Ground.KNOWN_EXPLOITED: "listed by CISA as known exploited",
    Ground.LIKELY_EXPLOITED: "with an EPSS score of {} or more",
}


def _counted(findings: Sequence[Finding]) -> str:
    counts = {severity: number for severity, number in count(findings).items() if number}
    return ", ".join(f"{number} {severity.value}" for severity, number in counts.items())


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


def _pass(verdict: Verdict) -> str:
    number = _number(verdict.findings)
    threshold = verdict.rules.severity_threshold
    allowed = [_ALLOWED[ground].format(n) for ground, n in _grounds(verdict).items()]
    if allowed:
        return f"{number}, none that refuses the image: {', '.join(allowed)}"
    if threshold is Threshold.NONE:
        return f"{number}, and severity-threshold: none refuses nothing"
    if not verdict.findings:
        return "no findings"
    return f"{number}, none at or above the threshold {threshold.value}"


_ALLOWED = {
    Ground.IGNORED: "{} ignored",
    Ground.KNOWN: "{} known in the baseline",
    Ground.OF_BASE_IMAGE: "{} of the base image",
    Ground.NOT_FIXABLE: "{} without a fix",
    Ground.IN_GRACE: "{} in grace",
}


def _grounds(verdict: Verdict) -> dict[Ground, int]:
    """How many findings each of the user's rules lets through."""
    numbers = {ground: len(verdict.with_ground(ground)) for ground in _ALLOWED}
    return {ground: number for ground, number in numbers.items() if number}


def _number(findings: Sequence[Finding]) -> str:
    return "1 finding" if len(findings) == 1 else f"{len(findings)} findings"


def _waivers(
    decision: Decision, unjudged: Sequence[Result], failing: Sequence[Gap], policy: Policy
) -> tuple[str, ...]:
    if decision is Decision.PASSED:
        return ()
    if policy.report_only:
        return ("report-only: true",)
    kinds = {result.unjudged for result in unjudged if result.unjudged}
    warned = (
        kinds and not failing and all(policy.on_unjudged[kind] is OnUnjudged.WARN for kind in kinds)
    )
    if decision is Decision.UNKNOWN and warned and not _counted_too_bad(unjudged, policy):
        return tuple(sorted(f"{kind.value}: warn" for kind in kinds))
    return ()


def _counted_too_bad(unjudged: Sequence[Result], policy: Policy) -> bool:
    """Whether ECR counts, of an unjudged image, what would refuse it if it were listed.

    No setting waives that: it lets an image pass of which nothing is known, not a bad one.
    """
    rules = policy.rules
    counted = [
        (rank(word, rules.unknown_severity), number)
        for result in unjudged
        for word, number in result.counted.items()
    ]
    return any(
        number
        and (rules.severity_threshold.refuses(severity) or _too_many(number, severity, rules))
        for severity, number in counted
    )
