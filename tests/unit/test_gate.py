from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish import gate
from ecr_publish.findings import Finding, Severity, Threshold, rank
from ecr_publish.gate import Decision, Ground, Verdict
from ecr_publish.inputs import OnUnjudged
from ecr_publish.policy import Policy, Rules
from ecr_publish.scan import Result, Unjudged
from tests.factories import (
    DAY,
    make_finding,
    make_findings,
    make_policy,
    make_result,
    make_target,
    make_unjudged,
)

FAIL, WARN = OnUnjudged.FAIL, OnUnjudged.WARN
judge = partial(gate.judge, today=DAY)


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


# Properties -----------------------------------------------------------------------------------

FINDINGS = st.builds(
    make_finding,
    st.sampled_from(["CVE-1", "CVE-2", "CVE-3"]),
    st.sampled_from([*(severity.value for severity in Severity), "UNTRIAGED", "SOMETHING"]),
    suppressed=st.sampled_from([False, False, True]),
)
RESULTS = st.builds(
    lambda findings, kind, platform: replace(
        make_result(*findings),
        unjudged=kind,
        reason=str(kind),
        target=make_target(platform, platform),
    ),
    st.lists(FINDINGS, max_size=4),
    st.none() | st.sampled_from(Unjudged),
    st.sampled_from(["", "linux/amd64", "linux/arm64"]),
)
ANSWERS = st.sampled_from(OnUnjudged)
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


@given(st.lists(RESULTS, min_size=1, max_size=3), POLICIES)
def test_s1_judge__suppressing_is_the_only_way_to_hide_a_finding(
    results: list[Result], policy: Policy
) -> None:
    verdict = judge(results, policy)
    named = {item for result in results for item in result.findings}
    shown = {replace(item, platforms=()) for item in (*verdict.findings, *suppressed(verdict))}

    assert shown == named
    assert {replace(item, platforms=()) for item in suppressed(verdict)} == {
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
    assert {replace(item, platforms=()) for item in deciding(verdict)} == set(reached)
    if reached:
        assert verdict.may_promote is policy.report_only
