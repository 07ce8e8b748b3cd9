from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish import findings, gate
from ecr_publish.findings import Finding, Severity, Threshold, rank
from ecr_publish.gate import Decision, Ground, Verdict
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import FailOn, OnUnjudged
from ecr_publish.policy import (
    BaseImageFindings,
    Layer,
    Loosened,
    Policy,
    Rules,
    StaleIgnores,
    combined,
)
from ecr_publish.reference import ImageName
from ecr_publish.scan import Gap, Result, Unjudged
from tests.factories import (
    DAY,
    make_finding,
    make_findings,
    make_ignore,
    make_package,
    make_policy,
    make_result,
    make_target,
    make_unjudged,
    verdict_over,
)
from tests.unit.strategies import (
    ANSWERS,
    EACH_RULE,
    FINDINGS,
    GAPS,
    IGNORES,
    NEW,
    OF_BASE,
    OWN,
    RESULTS,
    RULES,
    UNTOLD,
    policy_of,
)

FAIL, WARN = OnUnjudged.FAIL, OnUnjudged.WARN
judge = verdict_over


def deciding(verdict: Verdict) -> tuple[Finding, ...]:
    return tuple(item.finding for item in verdict.deciding)


def suppressed(verdict: Verdict) -> tuple[Finding, ...]:
    return tuple(item.finding for item in verdict.with_ground(Ground.SUPPRESSED))


def test_judge__no_findings_pass() -> None:
    verdict = judge([make_result()], make_policy())

    assert verdict == Verdict(
        decision=Decision.PASSED,
        reason="no findings",
        rules=Rules(),
    )
    assert verdict.counts == dict.fromkeys(Severity, 0)
    assert verdict.may_promote


def test_judge__findings_below_the_threshold_pass() -> None:
    verdict = judge([make_result(*make_findings(low=2, medium=1))], make_policy())

    assert verdict.decision is Decision.PASSED
    assert verdict.reason == "3 findings, none at or above the threshold high"
    assert [finding.severity.value for finding in verdict.findings] == ["MEDIUM", "LOW", "LOW"]
    assert verdict.counts[Severity.LOW] == 2
    assert (verdict.deciding, verdict.waived_by) == ((), ())


@pytest.mark.parametrize(
    ("threshold", "severity"),
    [(threshold, severity) for threshold in Threshold for severity in Severity],
)
def test_s1_judge__one_finding_at_every_threshold(threshold: Threshold, severity: Severity) -> None:
    finding = make_finding(severity=severity.value)
    verdict = judge([make_result(finding)], make_policy(threshold=threshold))

    refused = threshold.refuses(severity)
    assert verdict.decision is (Decision.REFUSED if refused else Decision.PASSED)
    assert verdict.may_promote is not refused
    assert deciding(verdict) == ((finding,) if refused else ())


def test_judge__refusal_counts_and_lists_the_worst_first() -> None:
    findings = make_findings(low=3, high=2, critical=1)
    verdict = judge([make_result(*findings)], make_policy())

    assert verdict.decision is Decision.REFUSED
    assert verdict.reason == "1 CRITICAL, 2 HIGH: at or above the threshold high"
    assert [finding.name for finding in deciding(verdict)] == [
        "CVE-2024-CRITICAL-0",
        "CVE-2024-HIGH-0",
        "CVE-2024-HIGH-1",
    ]
    assert len(verdict.findings) == 6
    assert not verdict.may_promote


def test_s2_judge__severity_without_a_rank_is_refused_and_explained() -> None:
    untriaged = make_finding(severity="UNTRIAGED")
    verdict = judge([make_result(untriaged)], make_policy(threshold=Threshold.CRITICAL))

    assert verdict.decision is Decision.REFUSED
    assert verdict.reason == (
        "1 UNDEFINED: at or above the threshold critical "
        "(a severity without a rank counts as refused)"
    )


def test_judge__threshold_none_says_that_it_refuses_nothing() -> None:
    verdict = judge(
        [make_result(*make_findings(critical=1))], make_policy(threshold=Threshold.NONE)
    )

    assert verdict.decision is Decision.PASSED
    assert verdict.reason == "1 finding, and severity-threshold: none refuses nothing"


def test_s1_judge__one_bad_platform_refuses_the_index() -> None:
    clean, bad = make_result(), make_result(*make_findings(critical=1))

    for results in itertools.permutations([clean, clean, bad]):
        assert judge(results, make_policy()).decision is Decision.REFUSED


@pytest.mark.parametrize("unknown", Severity)
@pytest.mark.parametrize("threshold", Threshold)
def test_s1_judge__severity_without_a_rank_counts_as_the_user_says(
    threshold: Threshold, unknown: Severity
) -> None:
    policy = make_policy(threshold=threshold, unknown_severity=unknown)
    verdict = judge([make_result(make_finding(severity="UNTRIAGED"))], policy)

    refused = threshold.refuses(unknown)
    assert verdict.decision is (Decision.REFUSED if refused else Decision.PASSED)
    # It is shown as what it is, whatever it counts as.
    assert verdict.counts[Severity.UNDEFINED] == 1


# Several platforms ----------------------------------------------------------------------------


def on(platform: str, *findings: Finding, **over: Any) -> Result:
    return replace(make_result(*findings), target=make_target(platform, platform), **over)


def test_s1_judge__ignore_for_a_platform_hides_nothing_of_an_image_that_states_none() -> None:
    finding, ignore = make_finding(), make_ignore("CVE-2024-0001", platform="linux/amd64")
    policy = make_policy(ignore=(ignore,))
    assert judge([on("linux/amd64", finding)], policy).decision is Decision.PASSED
    for order in itertools.permutations([on("linux/amd64", finding), on("", finding)]):
        verdict = judge(order, policy)
        assert verdict.decision is Decision.REFUSED
        (refusing,) = deciding(verdict)
        assert set(refusing.platforms) == {"linux/amd64", findings.NO_PLATFORM}


def test_judge__finding_of_two_platforms_counts_once_and_names_both() -> None:
    finding = make_finding()
    verdict = judge([on("linux/amd64", finding), on("linux/arm64", finding)], make_policy())

    assert verdict.reason == "1 HIGH: at or above the threshold high"
    assert verdict.counts[Severity.HIGH] == 1
    assert verdict.findings == deciding(verdict)
    assert deciding(verdict) == (replace(finding, platforms=("linux/amd64", "linux/arm64")),)


def test_judge__reason_names_the_platforms_that_were_not_judged() -> None:
    results = [
        on("linux/amd64", unjudged=Unjudged.TIMEOUT, reason="late"),
        on("linux/arm64"),
        on("linux/s390x", unjudged=Unjudged.UNSUPPORTED, reason="odd"),
        on("linux/arm/v7", unjudged=Unjudged.TIMEOUT, reason="late"),
        on("", unjudged=Unjudged.ERROR, reason="nameless"),
        on("", unjudged=Unjudged.TIMEOUT, reason="late"),
    ]

    assert judge(results, make_policy()).reason == (
        "linux/amd64, linux/arm/v7: late; linux/s390x: odd; nameless"
    )


# Suppressed findings --------------------------------------------------------------------------

HUSHED = make_finding("CVE-2024-9999", "CRITICAL", suppressed=True)


def test_suppressed__do_not_count_and_are_shown_apart() -> None:
    verdict = judge([make_result(HUSHED, *make_findings(low=1))], make_policy())

    assert verdict.decision is Decision.PASSED
    assert suppressed(verdict) == (HUSHED,)
    assert verdict.reason == "1 finding, none at or above the threshold high"
    assert verdict.findings == make_findings(low=1)
    assert verdict.counts[Severity.CRITICAL] == 0


def test_suppressed__alone_are_no_findings() -> None:
    verdict = judge([make_result(HUSHED)], make_policy())

    assert (verdict.reason, verdict.findings) == ("no findings", ())


def test_s1_suppressed__on_one_platform_count_on_the_other() -> None:
    active = replace(HUSHED, suppressed=False)
    verdict = judge([on("linux/amd64", HUSHED), on("linux/arm64", active)], make_policy())

    assert verdict.decision is Decision.REFUSED
    assert [item.platforms for item in deciding(verdict)] == [("linux/arm64",)]
    assert [item.platforms for item in suppressed(verdict)] == [("linux/amd64",)]


def test_s2_suppressed__make_no_verdict_out_of_none() -> None:
    partial = replace(make_unjudged(), findings=(HUSHED,))

    assert judge([partial], make_policy()).decision is Decision.UNKNOWN


# What was not judged --------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", Threshold)
@pytest.mark.parametrize("kind", Unjudged)
def test_s2_judge__what_is_not_judged_never_passes(kind: Unjudged, threshold: Threshold) -> None:
    verdict = judge([make_unjudged(kind, "because")], make_policy(threshold=threshold))

    assert verdict.decision is Decision.UNKNOWN
    assert verdict.reason == "because"
    assert not verdict.may_promote


@pytest.mark.parametrize("kind", Unjudged)
def test_s2_judge__one_platform_that_is_not_judged_is_enough(kind: Unjudged) -> None:
    for results in itertools.permutations([make_result(), make_unjudged(kind)]):
        verdict = judge(results, make_policy())
        assert verdict.decision is Decision.UNKNOWN
        assert not verdict.may_promote


@pytest.mark.parametrize("threshold", [Threshold.HIGH, Threshold.NONE])
def test_s2_judge__no_image_at_all_never_passes(threshold: Threshold) -> None:
    policy = make_policy(threshold=threshold, timeout=WARN, unsupported=WARN, error=WARN)
    verdict = judge([], policy)

    assert verdict.decision is Decision.UNKNOWN
    assert verdict.reason == "there was no image to scan"
    assert not verdict.may_promote


def test_judge__each_reason_is_named_once() -> None:
    results = [
        make_unjudged(reason="first"),
        make_unjudged(reason="second"),
        make_unjudged(reason="first"),
    ]

    assert judge(results, make_policy()).reason == "first; second"


@pytest.mark.parametrize("warned", Unjudged)
@pytest.mark.parametrize("kind", Unjudged)
def test_s1_warn__waives_its_own_case_alone(kind: Unjudged, warned: Unjudged) -> None:
    policy = replace(make_policy(), on_unjudged=dict.fromkeys(Unjudged, FAIL) | {warned: WARN})
    verdict = judge([make_unjudged(kind)], policy)

    assert verdict.decision is Decision.UNKNOWN
    assert verdict.may_promote is (kind is warned)
    assert verdict.waived_by == ((f"{kind.value}: warn",) if kind is warned else ())


def test_s1_warn__every_case_has_to_be_waived() -> None:
    results = [make_unjudged(Unjudged.UNSUPPORTED), make_unjudged(Unjudged.TIMEOUT)]

    assert not judge(results, make_policy(timeout=WARN)).may_promote
    assert not judge(results, make_policy(unsupported=WARN)).may_promote
    assert judge(results, make_policy(timeout=WARN, unsupported=WARN)).waived_by == (
        "on-timeout: warn",
        "on-unsupported: warn",
    )


@pytest.mark.parametrize("kind", Unjudged)
def test_s1_warn__partial_findings_refuse(kind: Unjudged) -> None:
    partial = replace(make_unjudged(kind), findings=make_findings(high=1))
    policy = make_policy(timeout=WARN, unsupported=WARN, error=WARN)

    for results in ([partial], [make_result(), partial], [partial, make_unjudged(kind)]):
        verdict = judge(results, policy)
        assert verdict.decision is Decision.REFUSED
        assert verdict.waived_by == ()
        assert not verdict.may_promote


@pytest.mark.parametrize("kind", Unjudged)
def test_s1_warn__findings_of_another_platform_refuse(kind: Unjudged) -> None:
    policy = make_policy(timeout=WARN, unsupported=WARN, error=WARN)
    verdict = judge([make_unjudged(kind), make_result(*make_findings(critical=1))], policy)

    assert verdict.decision is Decision.REFUSED
    assert not verdict.may_promote


@pytest.mark.parametrize("kind", Unjudged)
def test_s2_warn__partial_findings_below_the_threshold_stay_unknown(kind: Unjudged) -> None:
    partial = replace(make_unjudged(kind), findings=make_findings(low=1))

    assert judge([partial], make_policy()).decision is Decision.UNKNOWN


def test_warn__changes_nothing_for_what_was_judged() -> None:
    policy = make_policy(timeout=WARN, unsupported=WARN, error=WARN)

    assert judge([make_result()], policy).waived_by == ()
    assert not judge([make_result(*make_findings(high=1))], policy).may_promote


@pytest.mark.parametrize(
    ("results", "decision"),
    [
        ([make_result(*make_findings(high=1))], Decision.REFUSED),
        ([make_unjudged(Unjudged.ERROR)], Decision.UNKNOWN),
    ],
)
def test_s1_report_only__is_said_and_never_called_passed(
    results: Sequence[Result], decision: Decision
) -> None:
    verdict = judge(results, make_policy(report_only=True))

    assert verdict.decision is decision
    assert verdict.waived_by == ("report-only: true",)
    assert verdict.may_promote


def test_report_only__has_nothing_to_waive_where_the_image_passed() -> None:
    assert judge([make_result()], make_policy(report_only=True)).waived_by == ()


# The policy -----------------------------------------------------------------------------------

CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW


def grounds(*findings: Finding, **rules: Any) -> list[Ground]:
    """The grounds of findings, in the order in which they are given."""
    verdict = judge([make_result(*findings)], make_policy(**rules))
    by_finding = {item.finding: item.ground for item in verdict.judgements}
    assert len(by_finding) == len(verdict.judgements) == len(findings)
    return [by_finding[finding] for finding in findings]


def ground(finding: Finding, **rules: Any) -> Ground:
    (only,) = grounds(finding, **rules)
    return only


@pytest.mark.parametrize(
    ("number", "most", "expected"),
    [
        (3, 3, Ground.BELOW_THRESHOLD),
        (4, 3, Ground.OVER_LIMIT),
        (1, 0, Ground.OVER_LIMIT),
        (1, 1, Ground.BELOW_THRESHOLD),
    ],
)
def test_s1_limits__one_more_and_all_of_the_severity_refuse(
    number: int, most: int, expected: Ground
) -> None:
    found = make_findings(medium=number, low=9)
    verdict = judge([make_result(*found)], make_policy(limits={MEDIUM: most}))
    assert len(verdict.with_ground(expected)) == number + (9 if number <= most else 0)
    assert (verdict.decision is Decision.REFUSED) is (number > most)


def test_limits__reason_names_each_that_is_exceeded() -> None:
    found = make_findings(medium=3, low=2, informational=1)
    limits = {MEDIUM: 2, LOW: 0, Severity.INFORMATIONAL: 1}
    assert judge([make_result(*found)], make_policy(limits=limits)).reason == (
        "3 MEDIUM, 2 LOW: more than the limit of 2 MEDIUM, 0 LOW"
    )


def test_limits__at_the_threshold_there_is_none() -> None:
    assert ground(*make_findings(high=1), limits={HIGH: 5}) is Ground.AT_THRESHOLD


def test_limits__what_does_not_count_is_not_counted() -> None:
    found = (
        make_finding("CVE-1", "MEDIUM"),
        make_finding("CVE-2", "MEDIUM", suppressed=True),
        make_finding("CVE-3", "MEDIUM"),
        make_finding("CVE-4", "MEDIUM", fixable=False),
        make_finding("CVE-5", "MEDIUM", known_since=NEW),
        make_finding("CVE-6", "MEDIUM", exploited=True),
    )
    assert grounds(
        *found,
        limits={MEDIUM: 1},
        ignore=(make_ignore("CVE-3"),),
        only_fixable=True,
        grace={MEDIUM: 14},
        exploited=True,
    ) == [
        Ground.BELOW_THRESHOLD,
        Ground.SUPPRESSED,
        Ground.IGNORED,
        Ground.NOT_FIXABLE,
        Ground.IN_GRACE,
        Ground.EXPLOITED,
    ]


def test_s1_limits__severity_without_a_rank_counts_as_the_user_says() -> None:
    found = (*make_findings(medium=1), make_finding(severity="UNTRIAGED"))
    rules: dict[str, Any] = {"unknown_severity": MEDIUM, "limits": {MEDIUM: 1}}
    assert grounds(*found, **rules) == [Ground.OVER_LIMIT, Ground.OVER_LIMIT]


@pytest.mark.parametrize("word", ["UNTRIAGED", "SOMETHING"])
def test_s2_limits__what_has_no_rank_is_within_none(word: str) -> None:
    verdict = judge(
        [make_result(make_finding(severity=word))],
        make_policy(threshold=Threshold.NONE, limits={MEDIUM: 1}),
    )
    assert verdict.reason == "1 UNDEFINED: more than the limit of 0 UNDEFINED"
    assert ground(make_finding(severity=word), threshold=Threshold.NONE) is Ground.BELOW_THRESHOLD


@pytest.mark.parametrize(
    ("fixable", "expected"),
    [
        (False, Ground.NOT_FIXABLE),
        (True, Ground.AT_THRESHOLD),
        # Basic scanning says nothing of fixes.
        (None, Ground.AT_THRESHOLD),
    ],
)
def test_s1_only_fixable__ecr_has_to_deny_a_fix(
    fixable: bool | None,  # noqa: FBT001
    expected: Ground,
) -> None:
    finding = make_finding(fixable=fixable)
    assert ground(finding, only_fixable=True) is expected
    assert ground(finding) is Ground.AT_THRESHOLD


@pytest.mark.parametrize(
    ("days", "expected"),
    [(0, False), (1, False), (7, False), (8, True), (14, True), (9999, True)],
)
def test_s1_grace__ends_after_so_many_days(days: int, *, expected: bool) -> None:
    verdict = judge([make_result(make_finding(known_since=NEW))], make_policy(grace={HIGH: days}))
    (only,) = verdict.judgements
    assert (only.ground is Ground.IN_GRACE) is expected
    assert only.until == (NEW.date() + timedelta(days=days) if expected else None)


def test_s1_grace__is_that_of_the_severity() -> None:
    finding = make_finding(known_since=NEW)
    assert ground(finding, grace={CRITICAL: 99}) is Ground.AT_THRESHOLD
    untriaged = make_finding(severity="UNTRIAGED", known_since=NEW)
    assert ground(untriaged, grace={HIGH: 99}) is Ground.AT_THRESHOLD
    assert ground(untriaged, grace={HIGH: 99}, unknown_severity=HIGH) is Ground.IN_GRACE


@pytest.mark.parametrize(
    "known",
    [
        None,
        datetime(2026, 8, 2, tzinfo=timezone.utc),
        datetime(9999, 12, 30, tzinfo=timezone.utc),
    ],
)
def test_s2_grace__there_is_none_where_it_is_not_known_since_when(known: datetime | None) -> None:
    assert ground(make_finding(known_since=known), grace={HIGH: 9999}) is Ground.AT_THRESHOLD
    assert ground(make_finding(known_since=known)) is Ground.AT_THRESHOLD


@pytest.mark.parametrize(
    ("known", "until"),
    [
        ("2026-07-31T23:59:59+00:00", date(2026, 8, 2)),
        ("2026-08-01T00:00:00+00:00", date(2026, 8, 3)),
        # The same instants, as clocks elsewhere show them.
        ("2026-08-01T08:59:59+09:00", date(2026, 8, 2)),
        ("2026-07-31T17:00:00-07:00", date(2026, 8, 3)),
    ],
)
def test_grace__counts_days_of_utc(known: str, until: date) -> None:
    finding = make_finding(known_since=datetime.fromisoformat(known))
    verdict = judge([make_result(finding)], make_policy(grace={HIGH: 2}))
    assert [item.until for item in verdict.judgements] == [until]


def test_s1_grace__counts_from_the_first_of_several_platforms() -> None:
    old, new = make_finding(known_since=NEW - timedelta(days=9)), make_finding(known_since=NEW)
    policy = make_policy(grace={HIGH: 14})
    assert judge([on("linux/amd64", new)], policy).decision is Decision.PASSED
    for order in itertools.permutations([on("linux/amd64", new), on("linux/arm64", old)]):
        assert judge(order, policy).decision is Decision.REFUSED


@pytest.mark.parametrize("threshold", Threshold)
@pytest.mark.parametrize("severity", Severity)
def test_s1_exploited__refuses_at_any_severity(threshold: Threshold, severity: Severity) -> None:
    finding = make_finding(severity=severity.value, exploited=True, fixable=False, known_since=NEW)
    rules = {"threshold": threshold, "only_fixable": True, "grace": dict.fromkeys(Severity, 99)}
    assert ground(finding, exploited=True, **rules) is Ground.EXPLOITED
    assert ground(finding, **rules) is not Ground.EXPLOITED
    assert (
        ground(replace(finding, exploited=False), exploited=True, **rules) is not Ground.EXPLOITED
    )


def test_exploited__reason_counts_them() -> None:
    found = make_finding("CVE-1", "LOW", exploited=True), make_finding("CVE-2", "HIGH")
    assert judge([make_result(*found)], make_policy(exploited=True)).reason == (
        "1 HIGH: at or above the threshold high; 1 LOW: with a known exploit"
    )


LATEST = ImageName.parse("latest")
SINCE_BASE = (make_package(layer=OF_BASE),)
EVERYTHING = make_finding(
    severity="LOW",
    suppressed=True,
    exploited=True,
    in_kev=True,
    epss=0.9,
    known=True,
    packages=SINCE_BASE,
    fixable=False,
    known_since=NEW,
)
EVERY_RULE: dict[str, Any] = {
    "ignore": (make_ignore(),),
    "exploited": True,
    "known_exploited": True,
    "epss_threshold": 0.5,
    "baseline": LATEST,
    "fail_on": FailOn.NEW,
    "base_image_findings": BaseImageFindings.REPORT,
    "only_fixable": True,
    "grace": {LOW: 14},
    "limits": {LOW: 0},
}
IN_ORDER: list[tuple[Ground, dict[str, Any]]] = [
    (Ground.SUPPRESSED, {"suppressed": False}),
    (Ground.IGNORED, {"name": "CVE-OTHER"}),
    (Ground.EXPLOITED, {"exploited": False}),
    (Ground.KNOWN_EXPLOITED, {"in_kev": False}),
    (Ground.LIKELY_EXPLOITED, {"epss": 0.1}),
    (Ground.KNOWN, {"known": False}),
    (Ground.OF_BASE_IMAGE, {"packages": (make_package(layer=OWN),)}),
    (Ground.NOT_FIXABLE, {"fixable": True}),
    (Ground.IN_GRACE, {"known_since": None}),
    (Ground.OVER_LIMIT, {}),
]
"""Every ground in the order of the README, each with what takes it from the finding."""


def test_grounds__the_first_that_holds_in_the_order_that_the_readme_gives() -> None:
    finding = EVERYTHING
    for expected, without in IN_ORDER:
        assert ground(finding, **EVERY_RULE) is expected
        finding = replace(finding, **without)
    assert ground(finding, **EVERY_RULE, threshold=Threshold.LOW) is Ground.AT_THRESHOLD
    named = {expected for expected, _ in IN_ORDER}
    assert {*Ground} == named | {Ground.AT_THRESHOLD, Ground.BELOW_THRESHOLD}


def test_grounds__what_refuses_at_no_severity_needs_no_excuse() -> None:
    harmless = replace(EVERYTHING, suppressed=False, name="CVE-OTHER")
    off: dict[str, Any] = {
        "exploited": False,
        "known_exploited": False,
        "epss_threshold": None,
        "limits": {},
    }
    assert ground(harmless, **(EVERY_RULE | off)) is Ground.BELOW_THRESHOLD


@pytest.mark.parametrize("number", range(len(IN_ORDER)))
def test_grounds__each_rule_that_is_off_leaves_the_next(number: int) -> None:
    """The same order, by switching off the rules instead of changing the finding."""
    off: dict[Ground, dict[str, Any]] = {
        Ground.IGNORED: {"ignore": ()},
        Ground.EXPLOITED: {"exploited": False},
        Ground.KNOWN_EXPLOITED: {"known_exploited": False},
        Ground.LIKELY_EXPLOITED: {"epss_threshold": None},
        Ground.KNOWN: {"fail_on": FailOn.ALL},
        Ground.OF_BASE_IMAGE: {"base_image_findings": BaseImageFindings.FAIL},
        Ground.NOT_FIXABLE: {"only_fixable": False},
        Ground.IN_GRACE: {"grace": {}},
    }
    rules = dict(EVERY_RULE)
    for passed, _ in IN_ORDER[:number]:
        rules |= off.get(passed, {})
    finding = replace(EVERYTHING, suppressed=number == 0)
    assert ground(finding, **rules) is IN_ORDER[number][0]


# What is known of exploits --------------------------------------------------------------------


@pytest.mark.parametrize("threshold", Threshold)
@pytest.mark.parametrize("severity", Severity)
def test_s1_known_exploited__refuses_at_any_severity(
    threshold: Threshold, severity: Severity
) -> None:
    finding = replace(
        EVERYTHING,
        severity=severity,
        stated_severity=severity.value,
        suppressed=False,
        exploited=False,
    )
    rules = EVERY_RULE | {"ignore": (), "threshold": threshold}
    assert ground(finding, **rules) is Ground.KNOWN_EXPLOITED
    off = rules | {"known_exploited": False}
    assert ground(finding, **off) is Ground.LIKELY_EXPLOITED


@pytest.mark.parametrize(
    ("in_kev", "expected"),
    [
        (True, Ground.KNOWN_EXPLOITED),
        (False, Ground.BELOW_THRESHOLD),
        # What is not known is a gap, which is told of all findings together.
        (None, Ground.BELOW_THRESHOLD),
    ],
)
def test_known_exploited__is_what_cisa_lists(
    in_kev: bool | None,  # noqa: FBT001
    expected: Ground,
) -> None:
    assert ground(make_finding(severity="LOW", in_kev=in_kev), known_exploited=True) is expected


@pytest.mark.parametrize(
    ("score", "least", "expected"),
    [
        (0.5, 0.5, Ground.LIKELY_EXPLOITED),
        (0.51, 0.5, Ground.LIKELY_EXPLOITED),
        (1.0, 1.0, Ground.LIKELY_EXPLOITED),
        (0.0, 0.0, Ground.LIKELY_EXPLOITED),
        (0.49, 0.5, Ground.BELOW_THRESHOLD),
        (0.0, 0.01, Ground.BELOW_THRESHOLD),
        (None, 0.5, Ground.BELOW_THRESHOLD),
        (None, 0.0, Ground.BELOW_THRESHOLD),
        (1.0, None, Ground.BELOW_THRESHOLD),
    ],
)
def test_s1_epss__at_the_threshold_and_above(
    score: float | None, least: float | None, expected: Ground
) -> None:
    finding = make_finding(severity="LOW", epss=score, in_kev=False)
    assert ground(finding, epss_threshold=least) is expected
    # Without a score it is judged by its severity.
    high = make_finding(severity="HIGH", epss=score, in_kev=False)
    at = expected if expected.refuses else Ground.AT_THRESHOLD
    assert ground(high, epss_threshold=least) is at


def test_exploits__reason_counts_each_kind() -> None:
    found = (
        make_finding("CVE-1", "LOW", in_kev=True),
        make_finding("CVE-2", "MEDIUM", in_kev=True, epss=0.9),
        make_finding("CVE-3", "LOW", in_kev=False, epss=0.5),
        make_finding("CVE-4", "LOW", exploited=True, in_kev=True, epss=1.0),
    )
    policy = make_policy(exploited=True, known_exploited=True, epss_threshold=0.5)
    assert judge([make_result(*found)], policy).reason == (
        "1 LOW: with a known exploit; 1 MEDIUM, 1 LOW: listed by CISA as known exploited; "
        "1 LOW: with an EPSS score of 0.5 or more"
    )


# The baseline ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "fail_on", "expected"),
    [
        (True, FailOn.NEW, Ground.KNOWN),
        (False, FailOn.NEW, Ground.AT_THRESHOLD),
        # Nobody has compared it.
        (None, FailOn.NEW, Ground.AT_THRESHOLD),
        (True, FailOn.ALL, Ground.AT_THRESHOLD),
    ],
)
def test_s1_fail_on__new_lets_pass_only_what_is_surely_known(
    known: bool | None,  # noqa: FBT001
    fail_on: FailOn,
    expected: Ground,
) -> None:
    assert ground(make_finding(known=known), baseline=LATEST, fail_on=fail_on) is expected


def test_fail_on__known_findings_count_towards_no_limit() -> None:
    known = [make_finding(f"CVE-{number}", "MEDIUM", known=True) for number in range(5)]
    new = [make_finding(f"CVE-NEW-{number}", "MEDIUM", known=False) for number in range(3)]
    rules: dict[str, Any] = {"baseline": LATEST, "fail_on": FailOn.NEW}
    at = grounds(*known, *new, limits={MEDIUM: 3}, **rules)
    assert at == [Ground.KNOWN] * 5 + [Ground.BELOW_THRESHOLD] * 3
    over = grounds(*known, *new, limits={MEDIUM: 2}, **rules)
    assert over == [Ground.KNOWN] * 5 + [Ground.OVER_LIMIT] * 3
    all_count = grounds(*known, *new, limits={MEDIUM: 3}, baseline=LATEST)
    assert all_count == [Ground.OVER_LIMIT] * 8


@pytest.mark.parametrize("changes", [{"exploited": True}, {"in_kev": True}, {"epss": 0.9}], ids=str)
def test_s1_fail_on__known_ones_that_are_exploited_refuse(changes: dict[str, Any]) -> None:
    finding = make_finding(known=True, packages=SINCE_BASE, **changes)
    assert ground(finding, **(EVERY_RULE | {"ignore": ()})).refuses


# The base image -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([OF_BASE], Ground.OF_BASE_IMAGE),
        ([OF_BASE, OF_BASE], Ground.OF_BASE_IMAGE),
        ([], Ground.AT_THRESHOLD),
        ([None], Ground.AT_THRESHOLD),
        ([UNTOLD], Ground.AT_THRESHOLD),
        ([OWN], Ground.AT_THRESHOLD),
        ([OF_BASE, OWN], Ground.AT_THRESHOLD),
        ([OF_BASE, UNTOLD], Ground.AT_THRESHOLD),
        ([OF_BASE, None], Ground.AT_THRESHOLD),
    ],
)
def test_s1_base_image__has_to_have_brought_every_package_for_certain(
    layers: list[findings.Layer | None], expected: Ground
) -> None:
    finding = make_finding(packages=tuple(make_package(layer=layer) for layer in layers))
    assert ground(finding, base_image_findings=BaseImageFindings.REPORT) is expected
    assert ground(finding) is Ground.AT_THRESHOLD


def test_base_image__its_findings_count_towards_no_limit() -> None:
    found = [
        make_finding(f"CVE-{number}", "MEDIUM", packages=(make_package(layer=layer),))
        for number, layer in enumerate([OF_BASE, OF_BASE, OWN])
    ]
    report = {"base_image_findings": BaseImageFindings.REPORT}
    assert grounds(*found, limits={MEDIUM: 1}, **report) == [
        *(Ground.OF_BASE_IMAGE, Ground.OF_BASE_IMAGE),
        Ground.BELOW_THRESHOLD,
    ]
    assert grounds(*found, limits={MEDIUM: 0}, **report)[2] is Ground.OVER_LIMIT


def test_s1_base_image__of_one_platform_does_not_speak_for_the_other() -> None:
    base = make_finding(packages=SINCE_BASE)
    own = make_finding(packages=(make_package(layer=OWN),))
    policy = make_policy(base_image_findings=BaseImageFindings.REPORT)
    for order in itertools.permutations([on("linux/amd64", base), on("linux/arm64", own)]):
        verdict = judge(order, policy)
        assert verdict.decision is Decision.REFUSED
        assert [item.platforms for item in deciding(verdict)] == [("linux/arm64",)]


# Gaps -----------------------------------------------------------------------------------------

GAP_KINDS = [Unjudged.BASELINE, Unjudged.EXPLOIT]


UNASKED = make_finding("CVE-UNASKED", "LOW", fixable=False)
"""Nobody knows whether it is exploited; with `only-fixable` no threshold refuses it."""
UNREFUSED = "1 finding, none that refuses the image: 1 without a fix"


def make_gap(kind: Unjudged, reason: str = "it could not be asked") -> Gap:
    return Gap(kind=kind, reason=reason)


def with_gaps(*kinds: Unjudged, policy: Policy | None = None) -> Verdict:
    """A verdict over one finding that refuses nothing, unless it is exploited."""
    gaps = [make_gap(kind) for kind in kinds]
    return judge([make_result(UNASKED)], policy or make_policy(only_fixable=True), gaps=gaps)


@pytest.mark.parametrize("threshold", Threshold)
@pytest.mark.parametrize("kind", GAP_KINDS)
def test_s2_gap__is_no_pass(kind: Unjudged, threshold: Threshold) -> None:
    assert with_gaps().decision is Decision.PASSED
    policy = make_policy(threshold=threshold, only_fixable=True)
    verdict = with_gaps(kind, policy=policy)
    assert (verdict.decision, verdict.reason) == (Decision.UNKNOWN, "it could not be asked")
    assert (verdict.may_promote, verdict.waived_by, verdict.gaps) == (False, (), ())
    # All findings are there all the same.
    assert verdict.complete


@pytest.mark.parametrize("kind", GAP_KINDS)
def test_s2_gap__refusal_stays_one_and_names_both_reasons(kind: Unjudged) -> None:
    found = make_result(*make_findings(high=1), UNASKED)
    verdict = judge([found], make_policy(), gaps=[make_gap(kind)])
    assert verdict.decision is Decision.REFUSED
    assert verdict.reason == ("1 HIGH: at or above the threshold high; it could not be asked")


def test_s2_gap__each_reason_is_named_after_what_was_not_judged() -> None:
    gaps = [make_gap(Unjudged.EXPLOIT, "first"), make_gap(Unjudged.BASELINE, "second")]
    verdict = judge([make_unjudged(reason="late")], make_policy(), gaps=gaps)
    assert verdict.reason == "late; first; second"


@pytest.mark.parametrize("kind", GAP_KINDS)
@pytest.mark.parametrize(
    "results", [[make_result(UNASKED)], [make_unjudged()]], ids=["judged", "not"]
)
def test_s1_gap__that_fails_is_waived_by_no_other_answer(
    results: list[Result], kind: Unjudged
) -> None:
    policy = make_policy(timeout=WARN, unsupported=WARN, error=WARN)
    others = {other: WARN for other in GAP_KINDS if other is not kind}
    policy = replace(policy, on_unjudged={**policy.on_unjudged, **others})
    verdict = judge(results, policy, gaps=[make_gap(kind)])
    assert verdict.decision is Decision.UNKNOWN
    assert (verdict.waived_by, verdict.may_promote) == ((), False)


@pytest.mark.parametrize("kind", GAP_KINDS)
def test_s1_gap__is_waived_by_report_only_and_that_is_said(kind: Unjudged) -> None:
    verdict = with_gaps(kind, policy=make_policy(report_only=True))
    assert verdict.decision is Decision.UNKNOWN
    assert verdict.waived_by == ("report-only: true",)


@pytest.mark.parametrize("kind", GAP_KINDS)
def test_gap__that_the_user_does_without_is_kept_and_judged_without(kind: Unjudged) -> None:
    gap, policy = make_gap(kind), make_policy(on_gap=WARN)
    clean = judge([make_result(UNASKED)], policy, gaps=[gap])
    assert clean.decision is Decision.PASSED
    assert clean.reason == "1 finding, none at or above the threshold high"
    assert (clean.gaps, clean.waived_by) == ((gap,), ())
    bad = judge([make_result(make_finding(), UNASKED)], policy, gaps=[gap])
    assert (bad.decision, bad.gaps) == (Decision.REFUSED, (gap,))
    assert bad.reason == "1 HIGH: at or above the threshold high"


def test_s1_gap__warn_is_for_its_own_kind_alone() -> None:
    for kind, other in (GAP_KINDS, GAP_KINDS[::-1]):
        policy = make_policy()
        policy = replace(policy, on_unjudged={**policy.on_unjudged, kind: WARN})
        gaps = [make_gap(kind, "a"), make_gap(other, "b")]
        verdict = judge([make_result(UNASKED)], policy, gaps=gaps)
        assert (verdict.decision, verdict.reason) == (Decision.UNKNOWN, "b")
        assert verdict.gaps == (make_gap(kind, "a"),)


def test_s1_gap__that_warns_leaves_the_waiver_of_what_was_not_judged() -> None:
    policy = make_policy(on_gap=WARN, timeout=WARN)
    verdict = judge([make_unjudged()], policy, gaps=[make_gap(Unjudged.EXPLOIT)])
    assert verdict.decision is Decision.UNKNOWN
    assert verdict.waived_by == ("on-timeout: warn",)


@pytest.mark.parametrize("kind", GAP_KINDS)
def test_s1_gap__ends_no_stale_ignore_and_hides_none(kind: Unjudged) -> None:
    unmet = make_ignore("CVE-1")
    policy = make_policy(ignore=(unmet,), stale_ignores=StaleIgnores.FAIL)
    verdict = judge([make_result()], policy, gaps=[make_gap(kind)])
    assert (verdict.decision, verdict.stale) == (Decision.REFUSED, (unmet,))


SETTLED = [
    make_finding("CVE-HIGH"),
    make_finding("CVE-MEDIUM", "MEDIUM"),
    make_finding("CVE-IGNORED", "LOW"),
    make_finding("CVE-HUSHED", "LOW", suppressed=True),
    make_finding("CVE-EXPLOITED", "LOW", exploited=True),
    make_finding("CVE-TOLD", "LOW", in_kev=False),
]
SETTLING = make_policy(limits={MEDIUM: 0}, exploited=True, ignore=(make_ignore("CVE-IGNORED"),))


@pytest.mark.parametrize("finding", SETTLED, ids=[finding.name for finding in SETTLED])
@pytest.mark.parametrize("on_gap", OnUnjudged)
def test_gap__of_exploits_does_not_count_where_knowing_them_would_change_nothing(
    on_gap: OnUnjudged, finding: Finding
) -> None:
    policy = replace(SETTLING, on_unjudged=make_policy(on_gap=on_gap).on_unjudged)
    found, gap = [make_result(finding)], make_gap(Unjudged.EXPLOIT)
    assert judge(found, policy, gaps=[gap]) == judge(found, policy)


@pytest.mark.parametrize("finding", SETTLED, ids=[finding.name for finding in SETTLED])
def test_s1_gap__of_exploits_counts_where_one_finding_is_open(finding: Finding) -> None:
    gap = make_gap(Unjudged.EXPLOIT)
    verdict = judge([make_result(finding, UNASKED)], SETTLING, gaps=[gap])
    assert verdict.decision is not Decision.PASSED
    assert verdict.reason.endswith(gap.reason)


@pytest.mark.parametrize(
    "rules",
    [
        {"only_fixable": True},
        {"grace": {HIGH: 14}},
        {"fail_on": FailOn.NEW},
        {"base_image_findings": BaseImageFindings.REPORT},
        {"threshold": Threshold.CRITICAL},
        {"threshold": Threshold.CRITICAL, "limits": {HIGH: 1}},
    ],
    ids=str,
)
def test_s1_gap__of_exploits_counts_whatever_else_lets_a_finding_through(
    rules: dict[str, Any],
) -> None:
    """Known exploitation refuses it all the same, so nobody may pass without it."""
    finding = make_finding(fixable=False, known_since=NEW, known=True, packages=SINCE_BASE)
    policy = make_policy(**rules)
    assert judge([make_result(finding)], policy).decision is Decision.PASSED
    verdict = judge([make_result(finding)], policy, gaps=[make_gap(Unjudged.EXPLOIT)])
    assert verdict.decision is Decision.UNKNOWN
    listed = make_result(replace(finding, in_kev=True))
    refusing = make_policy(**rules, known_exploited=True)
    assert judge([listed], refusing).decision is Decision.REFUSED


@pytest.mark.parametrize("results", [[], [make_unjudged()], [make_result(), make_unjudged()]])
def test_s2_gap__of_exploits_counts_where_not_all_findings_are_there(
    results: list[Result],
) -> None:
    verdict = judge(results, make_policy(), gaps=[make_gap(Unjudged.EXPLOIT)])
    assert verdict.decision is Decision.UNKNOWN
    assert verdict.reason.endswith("; it could not be asked")


def test_s2_gap__of_the_baseline_always_counts() -> None:
    verdict = judge([make_result()], make_policy(), gaps=[make_gap(Unjudged.BASELINE)])
    assert (verdict.decision, verdict.reason) == (Decision.UNKNOWN, "it could not be asked")


@given(st.lists(RESULTS, min_size=1, max_size=3), RULES, st.data())
def test_s1_gap__that_does_not_count_would_have_changed_nothing(
    results: list[Result], rules: Rules, data: st.DataObject
) -> None:
    """Whatever Inspector would have said of the findings of which it said nothing."""
    policy = policy_of(replace(rules, on_exploit_error=FAIL))
    verdict = judge(results, policy, gaps=[make_gap(Unjudged.EXPLOIT, "(not told)")])

    def told(finding: Finding) -> Finding:
        if finding.in_kev is not None:
            return finding
        unknown = st.sampled_from([None, 0.1, 1.0])
        epss = data.draw(unknown) if finding.epss is None else finding.epss
        return replace(finding, in_kev=data.draw(st.booleans()), epss=epss)

    if "(not told)" not in verdict.reason:
        known = [replace(item, findings=tuple(map(told, item.findings))) for item in results]
        assert judge(known, policy).decision is verdict.decision


PLACES = {
    "severity_threshold": "t",
    "limits": "l",
    "only_fixable": "f",
    "grace": "g",
    "exploited": "e",
    "known_exploited": "k",
    "epss_threshold": "s",
    "baseline": "not this one",
    "fail_on": "n",
    "base_image_findings": "b",
}


@pytest.mark.parametrize(
    ("finding", "place"),
    [
        (make_finding(), "t"),
        (make_finding(severity="LOW"), "t"),
        (make_finding(severity="MEDIUM"), "l"),
        (make_finding(fixable=False), "f"),
        (make_finding(known_since=NEW), "g"),
        (make_finding(severity="LOW", exploited=True), "e"),
        (make_finding(severity="LOW", in_kev=True), "k"),
        (make_finding(severity="LOW", epss=0.5), "s"),
        (make_finding(known=True), "n"),
        (make_finding(packages=SINCE_BASE), "b"),
        (make_finding("CVE-IGNORED"), "i"),
        (make_finding(suppressed=True), ""),
    ],
)
def test_place__is_that_of_the_rule_that_decided(finding: Finding, place: str) -> None:
    policy = make_policy(
        limits={MEDIUM: 0},
        only_fixable=True,
        grace={HIGH: 14},
        exploited=True,
        known_exploited=True,
        epss_threshold=0.5,
        baseline=LATEST,
        fail_on=FailOn.NEW,
        base_image_findings=BaseImageFindings.REPORT,
        ignore=(make_ignore("CVE-IGNORED", place="i"),),
        places=PLACES,
    )
    (only,) = judge([make_result(finding)], policy).judgements
    assert only.place == place


def test_place__is_empty_where_nobody_has_stated_the_rule() -> None:
    (only,) = judge([make_result(make_finding())], make_policy()).judgements
    assert only.place == ""


@pytest.mark.parametrize(
    ("found", "rules", "reason"),
    [
        (
            [make_finding(), make_finding("CVE-2", "LOW")],
            {"ignore": (make_ignore(),)},
            "2 findings, none that refuses the image: 1 ignored",
        ),
        (
            [
                make_finding("CVE-1", fixable=False),
                make_finding("CVE-2", known_since=NEW),
                make_finding("CVE-3", known_since=NEW),
                make_finding(),
            ],
            {"ignore": (make_ignore(),), "only_fixable": True, "grace": {HIGH: 14}},
            "4 findings, none that refuses the image: 1 ignored, 1 without a fix, 2 in grace",
        ),
        (
            [
                make_finding("CVE-1", known=True),
                make_finding("CVE-2", known=True),
                make_finding("CVE-3", packages=SINCE_BASE),
                make_finding("CVE-4", "LOW", known=False),
            ],
            {
                "baseline": LATEST,
                "fail_on": FailOn.NEW,
                "base_image_findings": BaseImageFindings.REPORT,
            },
            "4 findings, none that refuses the image: 2 known in the baseline, 1 of the base image",
        ),
        (
            [make_finding()],
            {"threshold": Threshold.NONE, "ignore": (make_ignore(),)},
            "1 finding, none that refuses the image: 1 ignored",
        ),
        (
            [],
            {"threshold": Threshold.NONE},
            "0 findings, and severity-threshold: none refuses nothing",
        ),
    ],
)
def test_reason__of_a_pass_names_what_was_let_through(
    found: list[Finding], rules: dict[str, Any], reason: str
) -> None:
    verdict = judge([make_result(*found)], make_policy(**rules))
    assert (verdict.decision, verdict.reason) == (Decision.PASSED, reason)


# Ignores --------------------------------------------------------------------------------------


def test_s1_ignore__for_one_never_hides_another() -> None:
    policy = make_policy(ignore=(make_ignore("CVE-1"),))
    verdict = judge([make_result(make_finding("CVE-1"), make_finding("CVE-2"))], policy)
    assert [item.name for item in deciding(verdict)] == ["CVE-2"]


def test_s1_ignore__of_one_platform_never_hides_the_other() -> None:
    finding = make_finding("CVE-1")
    policy = make_policy(ignore=(make_ignore("CVE-1", platform="linux/amd64"),))
    assert judge([on("linux/amd64", finding)], policy).decision is Decision.PASSED
    both = [on("linux/amd64", finding), on("linux/arm64", finding)]
    assert judge(both, policy).decision is Decision.REFUSED


def test_ignore__says_which() -> None:
    ignore = make_ignore("CVE-1")
    (only,) = judge([make_result(make_finding("CVE-1"))], make_policy(ignore=(ignore,))).judgements
    assert (only.ground, only.ignores, only.place) == (Ground.IGNORED, (ignore,), ignore.place)


def test_peers__ignores_take_nothing_from_the_counts_of_any_page() -> None:
    # A peer counts the findings of page one and subtracts the ignored ones of all pages.
    pages = [make_findings(high=100), (make_finding("CVE-LAST", "CRITICAL"),)]
    found = [finding for page in pages for finding in page]
    ignores = tuple(make_ignore(finding.name) for finding in pages[0])
    verdict = judge([make_result(*found)], make_policy(ignore=ignores))
    assert verdict.counts[HIGH] == 100
    assert [item.name for item in deciding(verdict)] == ["CVE-LAST"]
    assert len(verdict.with_ground(Ground.IGNORED)) == 100


def test_ignore__expired_one_no_longer_counts_and_is_named() -> None:
    over = make_ignore("CVE-1", until=DAY - timedelta(days=1))
    verdict = judge([make_result(make_finding("CVE-1"))], make_policy(ignore=(over,)))
    assert verdict.decision is Decision.REFUSED
    assert (verdict.expired, verdict.stale) == ((over,), ())
    # Also where nothing was found for it: somebody has to look at it again.
    assert judge([make_result()], make_policy(ignore=(over,))).expired == (over,)


def test_ignore__until_there_is_a_fix_is_named_once_there_is_one() -> None:
    ignore = make_ignore("CVE-1", until_fixed=True)
    fixed = judge([make_result(make_finding("CVE-1", fixable=True))], make_policy(ignore=(ignore,)))
    assert (fixed.decision, fixed.expired) == (Decision.REFUSED, (ignore,))
    none = judge([make_result(make_finding("CVE-1", fixable=False))], make_policy(ignore=(ignore,)))
    assert (none.decision, none.expired) == (Decision.PASSED, ())


@pytest.mark.parametrize("stale", StaleIgnores)
def test_stale__refuses_where_it_is_to_fail(stale: StaleIgnores) -> None:
    unmet = make_ignore("CVE-1")
    verdict = judge([make_result()], make_policy(ignore=(unmet,), stale_ignores=stale))
    assert verdict.stale == (unmet,)
    fails = stale is StaleIgnores.FAIL
    assert verdict.decision is (Decision.REFUSED if fails else Decision.PASSED)
    said = "ignores that nothing was found for: CVE-1 (.ecr-publish.yml, line 3)"
    assert verdict.reason == (said if fails else "no findings")


@pytest.mark.parametrize("more", [0, 1, 500])
def test_stale__reason_names_the_first_ten(more: int) -> None:
    many = tuple(make_ignore(f"CVE-{number}", place="p") for number in range(10 + more))
    policy = make_policy(ignore=many, stale_ignores=StaleIgnores.FAIL)
    named = [f"CVE-{number} (p)" for number in range(10)] + ([f"{more} more"] if more else [])
    assert judge([make_result()], policy).reason == (
        f"ignores that nothing was found for: {', '.join(named)}"
    )


@pytest.mark.parametrize("results", [[], [make_unjudged()], [make_result(), make_unjudged()]])
def test_s2_stale__of_an_incomplete_scan_nothing_is_said(results: list[Result]) -> None:
    policy = make_policy(ignore=(make_ignore("CVE-1"),), stale_ignores=StaleIgnores.FAIL)
    verdict = judge(results, policy)
    assert (verdict.decision, verdict.stale) == (Decision.UNKNOWN, ())


@pytest.mark.parametrize(
    ("counted", "rules", "expected"),
    [
        ({"HIGH": 1}, {}, False),
        ({"HIGH": 0}, {}, True),
        ({"MEDIUM": 21}, {}, True),
        ({"MEDIUM": 20}, {"limits": {MEDIUM: 20}}, True),
        ({"MEDIUM": 21}, {"limits": {MEDIUM: 20}}, False),
        ({"MEDIUM": 0, "LOW": 5}, {"limits": {MEDIUM: 0}}, True),
        ({"UNTRIAGED": 1}, {"threshold": Threshold.NONE, "limits": {MEDIUM: 1}}, False),
        ({"UNTRIAGED": 2}, {"unknown_severity": LOW, "limits": {LOW: 1}}, False),
        ({"UNTRIAGED": 1}, {"unknown_severity": LOW, "limits": {LOW: 1}}, True),
    ],
)
def test_s1_warn__image_that_ecr_counts_too_bad_is_not_waived(
    counted: dict[str, int], rules: dict[str, Any], *, expected: bool
) -> None:
    verdict = judge([make_unjudged(counted=counted)], make_policy(timeout=WARN, **rules))
    assert verdict.decision is Decision.UNKNOWN
    assert verdict.may_promote is expected


# Properties -----------------------------------------------------------------------------------


def plain(finding: Finding) -> Finding:
    """A finding without what merging changes."""
    packages = tuple(
        replace(item, layer=OF_BASE if item.layer and item.layer.from_base else None)
        for item in finding.packages
    )
    return replace(finding, platforms=(), known_since=None, packages=packages)


POLICIES = st.builds(
    make_policy,
    threshold=st.sampled_from(Threshold),
    unknown_severity=st.sampled_from(Severity),
    timeout=ANSWERS,
    unsupported=ANSWERS,
    error=ANSWERS,
    report_only=st.booleans(),
)


@given(st.lists(RESULTS, min_size=1, max_size=4), FINDINGS, st.data())
def test_s1_judge__one_more_finding_never_makes_it_better(
    results: list[Result], finding: Finding, data: st.DataObject
) -> None:
    policy = data.draw(POLICIES)
    place = data.draw(st.integers(min_value=0, max_value=len(results) - 1))
    more = list(results)
    more[place] = replace(more[place], findings=(*more[place].findings, finding))
    before, after = judge(results, policy), judge(more, policy)

    if before.decision is Decision.REFUSED:
        assert after.decision is Decision.REFUSED
    if before.decision is Decision.UNKNOWN:
        assert after.decision is not Decision.PASSED
    if not before.may_promote:
        assert not after.may_promote


@given(st.lists(RESULTS, max_size=4), st.data())
def test_judge__order_decides_nothing(results: list[Result], data: st.DataObject) -> None:
    policy = data.draw(POLICIES)
    shuffled = [
        replace(result, findings=tuple(data.draw(st.permutations(result.findings))))
        for result in data.draw(st.permutations(results))
    ]
    one, other = judge(results, policy), judge(shuffled, policy)

    assert (one.decision, one.may_promote) == (other.decision, other.may_promote)
    assert (one.counts, one.waived_by) == (other.counts, other.waived_by)
    assert [item.severity for item in one.findings] == [item.severity for item in other.findings]
    assert len(suppressed(one)) == len(suppressed(other))


def judged_by(results: Sequence[Result], rules: Rules, gaps: Sequence[Gap] = ()) -> Verdict:
    return judge(results, policy_of(rules), gaps=gaps)


@given(st.lists(RESULTS, max_size=4), RULES, GAPS, st.data())
def test_policy__order_decides_nothing(
    results: list[Result], rules: Rules, gaps: list[Gap], data: st.DataObject
) -> None:
    shuffled = [
        replace(result, findings=tuple(data.draw(st.permutations(result.findings))))
        for result in data.draw(st.permutations(results))
    ]
    other_rules = replace(rules, ignore=tuple(data.draw(st.permutations(rules.ignore))))
    other_gaps = data.draw(st.permutations(gaps))
    one, other = judged_by(results, rules, gaps), judged_by(shuffled, other_rules, other_gaps)

    def told(verdict: Verdict) -> Counter[tuple[str, Ground, date | None]]:
        return Counter((item.finding.name, item.ground, item.until) for item in verdict.judgements)

    assert one.decision is other.decision
    assert told(one) == told(other)
    assert set(one.stale) == set(other.stale)
    assert set(one.expired) == set(other.expired)
    assert set(one.gaps) == set(other.gaps)


@given(st.lists(RESULTS, max_size=4), RULES, GAPS)
def test_policy__counts_add_up(results: list[Result], rules: Rules, gaps: list[Gap]) -> None:
    verdict = judged_by(results, rules, gaps)
    numbers = {ground: len(verdict.with_ground(ground)) for ground in Ground}
    assert sum(numbers.values()) == len(verdict.judgements)
    assert sum(verdict.counts.values()) == len(verdict.findings)
    assert len(verdict.findings) + numbers[Ground.SUPPRESSED] == len(verdict.judgements)
    assert len(verdict.deciding) == sum(numbers[ground] for ground in Ground if ground.refuses)
    named = {(item.name, item.severity) for result in results for item in result.findings}
    assert named == {(item.finding.name, item.finding.severity) for item in verdict.judgements}
    stale = verdict.stale and rules.stale_ignores is StaleIgnores.FAIL
    assert (verdict.decision is Decision.REFUSED) is bool(verdict.deciding or stale)


@given(st.lists(RESULTS, min_size=1, max_size=3), RULES, GAPS, st.data())
def test_s1_policy__layer_above_a_base_never_makes_the_verdict_better(
    results: list[Result], rules: Rules, gaps: list[Gap], data: st.DataObject
) -> None:
    names = data.draw(st.lists(st.sampled_from([*EACH_RULE]), min_size=1, max_size=3, unique=True))
    stated = {name: data.draw(EACH_RULE[name]) for name in names}
    own = Rules(**stated, places=dict.fromkeys(names, "own"))
    try:
        stricter = combined(Layer(rules=rules), Layer(rules=own)).rules
    except Loosened:
        return
    before, after = judged_by(results, rules, gaps), judged_by(results, stricter, gaps)
    if before.decision is Decision.REFUSED:
        assert after.decision is Decision.REFUSED
    if before.decision is Decision.UNKNOWN:
        assert after.decision is not Decision.PASSED
    if not {"unknown_severity", "limits"} & {*names}:
        refused = {item.finding for item in before.deciding}
        assert refused <= {item.finding for item in after.deciding}


@pytest.mark.parametrize("name", [*EACH_RULE])
@given(results=st.lists(RESULTS, min_size=1, max_size=3), rules=RULES, gaps=GAPS, data=st.data())
def test_s1_policy__loosening_one_rule_never_refuses_more(
    name: str, results: list[Result], rules: Rules, gaps: list[Gap], data: st.DataObject
) -> None:
    looser = replace(rules, **{name: data.draw(EACH_RULE[name])})
    if name == "ignore":
        looser = replace(rules, ignore=(*rules.ignore, *looser.ignore))
        rules, looser = (replace(item, stale_ignores=StaleIgnores.WARN) for item in (rules, looser))
    else:
        back = Layer(rules=replace(rules, ignore=(), places={name: "back"}))
        try:
            combined(Layer(rules=looser), back)
        except Loosened:
            return
    strict, loose = judged_by(results, rules, gaps), judged_by(results, looser, gaps)
    if loose.decision is Decision.REFUSED:
        assert strict.decision is Decision.REFUSED
    if strict.decision is Decision.PASSED:
        assert loose.decision is Decision.PASSED


@given(st.lists(RESULTS, min_size=1, max_size=3), RULES, IGNORES)
def test_s1_policy__ignore_hides_nothing_that_it_does_not_name(
    results: list[Result], rules: Rules, more: tuple[Ignore, ...]
) -> None:
    ignored = {ignore.id for ignore in more}
    before = judged_by(results, rules)
    after = judged_by(results, replace(rules, ignore=(*rules.ignore, *more)))
    hidden = {item.finding for item in after.with_ground(Ground.IGNORED)} - {
        item.finding for item in before.with_ground(Ground.IGNORED)
    }
    assert {finding.name for finding in hidden} <= ignored
    kept = {item.finding: item.ground for item in after.judgements if item.finding not in hidden}
    for item in before.judgements:
        if item.finding in kept and item.ground is not Ground.OVER_LIMIT:
            assert kept[item.finding] is item.ground


def asked(findings: int, ignores: int) -> int:
    """How often the gate asks for the rank of a finding."""
    found = [make_finding(f"CVE-{number}", "MEDIUM") for number in range(findings)]
    accepted = tuple(make_ignore(f"CVE-{2 * number}") for number in range(ignores))
    policy = make_policy(limits={MEDIUM: 5}, grace={MEDIUM: 1}, ignore=accepted)
    with patch.object(gate, "rank", wraps=rank) as asks:
        judge([make_result(*found)], policy)
    return asks.call_count


def test_judge__work_grows_with_the_findings_alone() -> None:
    assert asked(2000, 100) == 2 * asked(1000, 50) <= 5 * 2000
    assert asked(2000, 0) <= asked(2000, 500) + 5 * 500


@given(st.lists(RESULTS, min_size=1, max_size=3), POLICIES)
def test_s1_judge__suppressing_is_the_only_way_to_hide_a_finding(
    results: list[Result], policy: Policy
) -> None:
    verdict = judge(results, policy)
    named = {plain(item) for result in results for item in result.findings}
    shown = {plain(item) for item in (*verdict.findings, *suppressed(verdict))}

    assert shown == named
    assert {plain(item) for item in suppressed(verdict)} == {
        item for item in named if item.suppressed
    }


@given(st.lists(RESULTS, max_size=4), st.data())
def test_s2_judge__passed_means_judged_and_below_the_threshold(
    results: list[Result], data: st.DataObject
) -> None:
    policy = data.draw(POLICIES)
    rules = policy.rules
    verdict = judge(results, policy)
    reached = [
        item
        for result in results
        for item in result.findings
        if not item.suppressed
        and rules.severity_threshold.refuses(rank(item.stated_severity, rules.unknown_severity))
    ]

    judged = bool(results) and all(result.unjudged is None for result in results)
    assert (verdict.decision is Decision.PASSED) == (judged and not reached)
    assert (verdict.decision is Decision.REFUSED) == bool(reached)
    assert {plain(item) for item in deciding(verdict)} == {plain(item) for item in reached}
    if reached:
        assert verdict.may_promote is policy.report_only


@given(st.lists(RESULTS, min_size=1, max_size=3), RULES, GAPS, st.data())
def test_s1_gap__one_more_never_makes_it_better(
    results: list[Result], rules: Rules, gaps: list[Gap], data: st.DataObject
) -> None:
    policy = policy_of(
        rules,
        on_timeout=data.draw(ANSWERS),
        on_unsupported=data.draw(ANSWERS),
        on_scan_error=data.draw(ANSWERS),
    )
    before, after = judge(results, policy), judge(results, policy, gaps=gaps)
    settled = (Ground.IGNORED, Ground.SUPPRESSED)
    is_open = not before.complete or any(
        item.finding.in_kev is None and not item.ground.refuses and item.ground not in settled
        for item in before.judgements
    )
    gaps = [gap for gap in gaps if gap.kind is not Unjudged.EXPLOIT or is_open]
    failing = [gap for gap in gaps if policy.on_unjudged[gap.kind] is FAIL]
    if before.decision is Decision.REFUSED:
        assert after.decision is Decision.REFUSED
    if failing:
        assert after.decision is not Decision.PASSED
        assert after.waived_by == ()
    else:
        assert (after.decision, after.waived_by) == (before.decision, before.waived_by)
    assert after.judgements == before.judgements
    assert {*after.gaps, *failing} == {*gaps}
    assert all(gap.reason in after.reason for gap in failing)


@given(st.lists(RESULTS, min_size=1, max_size=3), RULES)
def test_s1_policy__what_is_not_known_excuses_nothing(results: list[Result], rules: Rules) -> None:
    """Without what was learnt beside ECR's answer, at most the exploits refuse less."""
    bare = [
        replace(
            result,
            findings=tuple(
                replace(
                    finding,
                    known=None,
                    packages=tuple(replace(item, layer=None) for item in finding.packages),
                )
                for finding in result.findings
            ),
        )
        for result in results
    ]
    informed, ignorant = judged_by(results, rules), judged_by(bare, rules)
    if informed.decision is Decision.REFUSED:
        assert ignorant.decision is Decision.REFUSED
    if ignorant.decision is Decision.PASSED:
        assert informed.decision is Decision.PASSED
    excused = {Ground.KNOWN, Ground.OF_BASE_IMAGE}
    assert not excused & {item.ground for item in ignorant.judgements}


@given(st.lists(RESULTS, min_size=1, max_size=3), RULES)
def test_s1_policy__nothing_that_is_exploited_is_excused(
    results: list[Result], rules: Rules
) -> None:
    accepted = {Ground.SUPPRESSED, Ground.IGNORED}
    for item in judged_by(results, rules).judgements:
        finding = item.finding
        exploited = (
            (rules.exploited and finding.exploited)
            or (rules.known_exploited and finding.in_kev)
            or (
                rules.epss_threshold is not None
                and finding.epss is not None
                and finding.epss >= rules.epss_threshold
            )
        )
        assert item.ground.refuses or item.ground in accepted or not exploited
