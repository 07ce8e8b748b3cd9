"""Which verdict every state of a scan gets: all presets of the local ECR, and what turns them."""

from __future__ import annotations

from typing import Any

import pytest

from ecr_publish.scan import UNLISTED_SECONDS
from local_ecr.presets import PRESETS
from tests.publication import Prepare

pytestmark = pytest.mark.usefixtures("no_waiting")

PASSED, REFUSED, UNKNOWN = ("passed", 0), ("refused", 9), ("unknown", 7)
VULNERABLE = "2 CRITICAL, 5 HIGH"
UNRANKED = "a severity without a rank counts as refused"
EXPECTED = {
    "clean": (PASSED, "no findings"),
    "vulnerable": (REFUSED, VULNERABLE),
    "clean-enhanced": (PASSED, "no findings"),
    "vulnerable-enhanced": (REFUSED, VULNERABLE),
    "slow": (PASSED, "no findings"),
    "not-found-then-complete": (PASSED, "no findings"),
    "pending-then-active": (PASSED, "no findings"),
    "failed-unsupported": (UNKNOWN, "UnsupportedImageError"),
    "never-finishes": (UNKNOWN, "the scan is running"),
    "never-found": (UNKNOWN, "no scan of this image yet; a new scan was asked for"),
    "active-empty": (UNKNOWN, "ACTIVE, but no result is stated yet"),
    "premature-complete": (REFUSED, VULNERABLE),
    "untriaged": (REFUSED, UNRANKED),
    "eligibility-expired": (UNKNOWN, "SCAN_ELIGIBILITY_EXPIRED"),
    "findings-unavailable": (UNKNOWN, "cannot be retrieved"),
    "limit-exceeded": (UNKNOWN, "LIMIT_EXCEEDED"),
    "image-archived": (UNKNOWN, "IMAGE_ARCHIVED"),
    "size-exceeded": (UNKNOWN, "IMAGE_SIZE_EXCEEDED"),
    "failed": (UNKNOWN, "internal error"),
    "late-waves": (REFUSED, "1 CRITICAL, 2 HIGH"),
    "late-two-waves": (REFUSED, "1 CRITICAL, 2 HIGH"),
    "late-from-empty": (REFUSED, "1 CRITICAL, 2 HIGH"),
    "late-waves-coverage-early": (REFUSED, "1 CRITICAL, 2 HIGH"),
    "coverage-lags": (REFUSED, VULNERABLE),
    "worst-last": (REFUSED, "1 CRITICAL"),
    "many-findings": (REFUSED, "1 CRITICAL, 99 HIGH"),
    "pages-drift": (REFUSED, "1 CRITICAL"),
    "pages-never-agree": (REFUSED, "1 CRITICAL"),
    "counts-disagree": (REFUSED, "2 CRITICAL"),
    "counts-disagree-once": (REFUSED, "2 CRITICAL"),
    "counts-disagree-forever": (UNKNOWN, "ECR counts 7 findings, but listed 5"),
    "no-counts": (REFUSED, VULNERABLE),
    "suppressed": (PASSED, "none at or above"),
    "unknown-severity": (REFUSED, UNRANKED),
    "unknown-status": (UNKNOWN, "SCAN_REPLAYED"),
    "bare-findings": (REFUSED, "1 HIGH"),
    "empty-finding": (REFUSED, UNRANKED),
    "empty-finding-enhanced": (REFUSED, UNRANKED),
    "throttled": (PASSED, "no findings"),
    "old-scan": (PASSED, "no findings"),
    "old-scan-now-vulnerable": (PASSED, "no findings"),
    "old-scan-vulnerable": (REFUSED, VULNERABLE),
    "old-scan-today": (PASSED, "no findings"),
    "basic-complete-clean": (PASSED, "no findings"),
    "basic-complete": (PASSED, "none at or above"),
    "basic-complete-pages": (REFUSED, UNRANKED),
    "basic-in-progress": (UNKNOWN, "the scan is running"),
    "basic-start-image-scan": (PASSED, "no findings"),
    "basic-failed-unsupported": (UNKNOWN, "UnsupportedImageError"),
    "known-exploited": (REFUSED, "1 HIGH"),
    "base-vulnerable": (REFUSED, "1 CRITICAL, 1 HIGH"),
    "own-vulnerable": (REFUSED, "1 CRITICAL, 1 HIGH"),
    "enhanced-pending": (UNKNOWN, "has not started"),
    "enhanced-active": (REFUSED, "1 HIGH"),
    "enhanced-active-clean": (PASSED, "no findings"),
    "enhanced-active-empty-ambiguous": (REFUSED, "1 HIGH"),
    "enhanced-complete-premature-ambiguous": (REFUSED, "1 CRITICAL"),
    "enhanced-complete-scan-on-push": (REFUSED, "1 CRITICAL"),
    "enhanced-eligibility-expired": (UNKNOWN, "SCAN_ELIGIBILITY_EXPIRED"),
    "enhanced-unsupported": (UNKNOWN, "UNSUPPORTED_IMAGE"),
    "enhanced-untriaged": (REFUSED, UNRANKED),
    "multiarch-child-amd64-scan": (REFUSED, "1 HIGH"),
    "multiarch-child-arm64-scan": (PASSED, "no findings"),
    "multiarch-child-attestation-basic-failed": (UNKNOWN, "UnsupportedImageError"),
    "multiarch": (REFUSED, "1 HIGH"),
    "multiarch-arm64-vulnerable": (PASSED, "no findings"),
    "multiarch-one-missing": (PASSED, "no findings"),
    "multiarch-child-never-found": (UNKNOWN, "ECR has no scan of this image yet"),
}
"""Verdict, exit code and a part of the reason, for an image of the one platform linux/amd64."""

TWO = ("linux/amd64", "linux/arm64")


def test_presets__each_has_an_expected_verdict() -> None:
    assert set(EXPECTED) == set(PRESETS)


@pytest.mark.parametrize("preset", EXPECTED)
def test_s1_s2__verdict_of_every_preset(prepare: Prepare, preset: str) -> None:
    (verdict, code), reason = EXPECTED[preset]
    one = prepare(preset)

    assert (one.publish(scan_timeout="5m"), one.verdict) == (code, verdict)

    assert reason in one.reason
    assert one.released is (verdict == "passed")
    assert one.waited <= 301


@pytest.mark.parametrize("preset", [name for name, (end, _) in EXPECTED.items() if end != PASSED])
def test_s1__without_a_permission_to_ask_how_it_is_scanned(prepare: Prepare, preset: str) -> None:
    """Every state that is no pass stays none where engine, rules and coverage are unknown."""
    one = prepare(preset)
    one.ecr.fail_next("*Configuration", "AccessDeniedException", times=999)
    one.ecr.fail_next("ListCoverage", "AccessDeniedException", times=999)
    one.ecr.fail_next("StartImageScan", "AccessDeniedException", times=999)

    assert one.publish(scan_timeout="5m") == EXPECTED[preset][0][1]

    assert not one.released


def test_max_scan_age__newer_results_pass(prepare: Prepare) -> None:
    one = prepare("old-scan")

    assert one.publish(max_scan_age="41d") == 0

    assert "40 days old" in one.workflow.markdown


def test_s1_max_scan_age__basic_gets_a_new_scan_and_that_one_counts(prepare: Prepare) -> None:
    one = prepare("old-scan-now-vulnerable")

    assert one.publish(max_scan_age="7d") == 9

    assert len(one.ecr.calls("StartImageScan")) == 1


def test_s2_max_scan_age__within_the_daily_quota_there_is_no_new_scan(prepare: Prepare) -> None:
    one = prepare("old-scan-today")

    assert one.publish(max_scan_age="1h") == 7

    assert "once in 24 hours" in one.reason
    assert len(one.ecr.calls("StartImageScan")) == 1


def test_s2_max_scan_age__enhanced_cannot_be_scanned_anew(prepare: Prepare) -> None:
    old = [{"after": 0, "status": "SETTLED", "age_seconds": 40 * 86_400}]
    one = prepare({"default": old}, "enhanced")

    assert one.publish(max_scan_age="7d") == 7

    assert "40 days old" in one.reason
    assert one.ecr.calls("StartImageScan") == []


def test_manual__every_image_is_scanned_on_request(prepare: Prepare) -> None:
    one = prepare({"default": "never-found", "by_hand": "clean"}, on_push=False, platforms=TWO)

    assert one.publish() == 0

    assert len(one.ecr.calls("StartImageScan")) == 2


def test_s2_manual__a_scan_that_may_not_be_asked_for_ends_the_wait(prepare: Prepare) -> None:
    one = prepare("never-found", on_push=False)
    one.ecr.fail_next("StartImageScan", "AccessDeniedException", times=99)

    assert one.publish() == 7

    assert "ecr:StartImageScan" in one.reason
    assert one.waited < 5


def test_children__that_never_start_are_scanned_on_request(prepare: Prepare) -> None:
    one = prepare({"default": "clean", "switches": {"untagged_scanned": False}}, platforms=TWO)

    assert one.publish() == 0

    assert len(one.ecr.calls("StartImageScan")) == 2


def test_s2_off__is_said_before_the_build(prepare: Prepare) -> None:
    one = prepare("clean-enhanced")
    one.ecr.set_rules("ENHANCED", {"SCAN_ON_PUSH": ["somebody-else"]})

    assert one.publish() == 4

    assert "never scanned" in one.reason
    assert one.ecr.calls("v2.PutManifest") == []


def test_off__may_be_waived(prepare: Prepare) -> None:
    one = prepare("clean-enhanced")
    one.ecr.set_rules("ENHANCED")

    assert one.publish(report_only="true", scan_timeout="30s") == 0

    assert one.verdict == "unknown"


def test_inspector__denied_is_named_at_once(prepare: Prepare) -> None:
    one = prepare({"default": "clean-enhanced", "switches": {"inspector_denied": True}})

    assert one.publish() == 7

    assert "inspector2:ListFindings" in one.workflow.markdown
    # The preflight's question for an image that cannot exist, and then the only one for this one.
    errors = [call.error for call in one.ecr.calls("DescribeImageScanFindings")]
    assert errors == ["ImageNotFoundException", "AccessDeniedException"]


@pytest.mark.parametrize("reading", ["SUCCESSFUL", "SCAN_FREQUENCY_SCAN_ON_PUSH"])
def test_coverage__of_an_on_push_repository_never_keeps_a_clean_image(
    prepare: Prepare, reading: str
) -> None:
    one = prepare({"default": "clean-enhanced", "switches": {"coverage_on_push": reading}})
    one.ecr.set_rules("ENHANCED", {"SCAN_ON_PUSH": ["*"]})

    assert one.publish() == 0


def test_coverage__explains_an_image_that_ecr_has_no_scan_of(prepare: Prepare) -> None:
    missing = [{"after": 0, "status": "NOT_FOUND", "coverage": "UNSUPPORTED_OS"}]
    one = prepare({"default": missing}, "enhanced")

    assert one.publish() == 7

    assert "UNSUPPORTED_OS" in one.reason
    assert one.waited < 30


@pytest.mark.parametrize(
    "switches", [{}, {"suppressed_counted": False}, {"suppressed_listed": False}]
)
def test_suppressed__never_decide(prepare: Prepare, switches: dict[str, bool]) -> None:
    one = prepare({"default": "suppressed", "switches": switches}, "enhanced")

    assert one.publish() == 0

    assert ("suppressed in Inspector" in one.workflow.markdown) is (
        "suppressed_listed" not in switches
    )


LATE = [
    {"after": 0, "status": "ACTIVE", "counts": {}, "completed": True},
    {"after": 40, "status": "ACTIVE", "counts": {"CRITICAL": 2}, "completed": True},
]
"""Inspector reports an end at once and has its findings after 40 seconds only."""


def late(coverage: object) -> dict[str, Any]:
    """Findings that are late, and what Inspector's coverage says until they come."""
    first, second = LATE
    return {"default": [{**first, "coverage": coverage}, {**second, "coverage": "SUCCESSFUL"}]}


@pytest.mark.parametrize(
    "reason",
    ["PENDING_INITIAL_SCAN", "SCAN_IN_PROGRESS", "INTERNAL_ERROR", "ACCESS_DENIED", "A_NEW_WORD"],
)
def test_s1_coverage__that_does_not_agree_keeps_an_image_from_passing(
    prepare: Prepare, reason: str
) -> None:
    one = prepare(late(reason), "enhanced")

    assert one.publish() == 9

    assert one.workflow.outputs["critical"] == "2"


def test_s1_coverage__an_unlisted_image_with_nothing_in_it_settles_longer(
    prepare: Prepare,
) -> None:
    one = prepare(late({"reason": "SUCCESSFUL", "listed": False}), "enhanced")

    assert one.publish() == 9


def test_coverage__an_unlisted_image_with_nothing_in_it_is_judged_in_the_end(
    prepare: Prepare,
) -> None:
    unlisted = {"after": 1, "status": "SETTLED", "coverage": {"listed": False}}
    one = prepare({"default": [unlisted]}, "enhanced")

    assert one.publish() == 0

    assert UNLISTED_SECONDS <= one.waited < 2 * UNLISTED_SECONDS


def test_s1_coverage__a_passing_fault_is_not_taken_for_agreement(prepare: Prepare) -> None:
    one = prepare(late("PENDING_INITIAL_SCAN"), "enhanced")
    one.ecr.fail_next("ListCoverage", "ThrottlingException", times=3)

    assert one.publish() == 9


def test_s1_warn__never_waives_what_ecr_counts_without_listing_it(prepare: Prepare) -> None:
    one = prepare("counts-disagree-forever")

    assert one.publish(on_scan_error="warn", on_timeout="warn", on_unsupported="warn") == 7

    assert not one.released


def test_warn__waives_counts_below_the_threshold(prepare: Prepare) -> None:
    one = prepare("counts-disagree-forever")

    assert one.publish(on_scan_error="warn", severity_threshold="none") == 0


@pytest.mark.parametrize("rank", ["informational", "low"])
def test_s2_unknown_severity__no_rank_for_a_word_that_nobody_has(
    prepare: Prepare, rank: str
) -> None:
    one = prepare("unknown-severity")

    assert one.publish(unknown_severity=rank) == 9


@pytest.mark.parametrize("per", ["per-scan", "per-page"])
@pytest.mark.parametrize("preset", ["worst-last", "many-findings", "vulnerable"])
def test_s1_counts__may_speak_for_the_page_or_for_the_scan(
    prepare: Prepare, preset: str, per: str
) -> None:
    one = prepare({"default": preset, "switches": {"counts": per}})

    assert one.publish() == 9

    assert int(one.workflow.outputs["total"]) in (51, 251, 10_000)


@pytest.mark.parametrize(
    ("rank", "code"), [("fail", 9), ("critical", 9), ("medium", 0), ("informational", 0)]
)
def test_unknown_severity__counts_as_what_the_user_says(
    prepare: Prepare, rank: str, code: int
) -> None:
    one = prepare("untriaged")

    assert one.publish(unknown_severity=rank) == code


@pytest.mark.parametrize(
    ("preset", "code", "word"),
    [
        ("multiarch", 9, "linux/amd64"),
        ("multiarch-arm64-vulnerable", 9, "linux/arm64"),
        ("multiarch-one-missing", 7, "linux/arm64: no verdict within scan-timeout"),
        ("clean-enhanced", 0, "Passed"),
        ("vulnerable-enhanced", 9, "linux/amd64, linux/arm64"),
    ],
)
def test_s1_platforms__every_one_counts(
    prepare: Prepare, preset: str, code: int, word: str
) -> None:
    one = prepare(preset, platforms=TWO)

    assert one.publish(scan_timeout="2m") == code

    assert word in one.workflow.markdown
    assert one.released is (code == 0)


def test_platforms__that_were_asked_for_and_are_not_there(prepare: Prepare) -> None:
    one = prepare("clean", platforms=TWO)

    assert one.publish(platforms="linux/amd64,linux/arm64,linux/arm/v7") == 6

    assert "linux/arm/v7" in one.reason
    assert not one.released


def test_platforms__twenty_at_once_are_polled_gently(prepare: Prepare) -> None:
    one = prepare("slow", platforms=tuple(f"linux/arch{number}" for number in range(20)))

    assert one.publish() == 0

    assert one.ecr.calls_per_second("DescribeImageScanFindings") <= 2.3


def test_pages__are_read_in_full_once(prepare: Prepare) -> None:
    one = prepare("many-findings")

    one.publish()

    # Ten thousand findings are ten pages of a thousand, and local_ecr caps them at a hundred.
    polls = len(one.ecr.calls("DescribeImageScanFindings")) - 99
    assert polls <= 20
