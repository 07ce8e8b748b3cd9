"""The eight recurring defects of comparable tools, each in the situation that shows it.

reference/peers.md section 2 names them and who has them; at least six tools can pass a vulnerable
image through one of them.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.publication import Prepare

pytestmark = pytest.mark.usefixtures("no_waiting")

RANKS = ("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL")


def found(**counts: int) -> dict[str, Any]:
    """A scan that finds so many of each severity."""
    return {"default": [{"after": 1, "status": "SETTLED", "counts": counts}]}


@pytest.mark.parametrize(("counts", "code"), [({}, 0), ({"CRITICAL": 1}, 9)])
def test_defect_1__active_is_an_end_of_a_continuous_scan(
    prepare: Prepare, counts: dict[str, int], code: int
) -> None:
    """Tools that wait for COMPLETE wait for ever: ACTIVE never turns into it."""
    one = prepare(found(**counts), "enhanced")

    assert one.publish() == code

    assert one.workflow.outputs["scan-status"] == "ACTIVE"
    assert one.waited < 20


@pytest.mark.parametrize(
    "preset",
    ["late-waves", "late-two-waves", "late-from-empty", "late-waves-coverage-early"],
)
def test_defect_2__findings_that_arrive_after_the_end_count(prepare: Prepare, preset: str) -> None:
    """Tools that take the first final answer see 2 findings of 34, or none at all."""
    one = prepare(preset)

    assert one.publish() == 9

    assert one.workflow.outputs["total"] == "34"


@pytest.mark.parametrize(
    "preset", ["never-finishes", "never-found", "active-empty", "counts-disagree-forever"]
)
def test_defect_3__every_wait_has_an_end(prepare: Prepare, preset: str) -> None:
    """Tools without a timeout, or with one that a state does not reach, block the runner."""
    one = prepare(preset)

    assert one.publish(scan_timeout="2m") == 7

    assert one.waited <= 121


@pytest.mark.parametrize("counts", ["per-scan", "per-page"])
def test_defect_4__the_only_critical_is_on_the_last_page(prepare: Prepare, counts: str) -> None:
    """Tools that read the first page, or its counts, pass this image."""
    one = prepare({"default": "worst-last", "switches": {"counts": counts}})

    assert one.publish(severity_threshold="critical") == 9


@pytest.mark.parametrize("preset", ["multiarch", "multiarch-arm64-vulnerable"])
def test_defect_5__an_index_is_judged_by_the_images_in_it(prepare: Prepare, preset: str) -> None:
    """ECR never scans an index: tools that ask about its tag get ScanNotFound, or nothing."""
    one = prepare(preset, platforms=("linux/amd64", "linux/arm64"))

    assert one.publish() == 9

    assert one.workflow.outputs["high"] == "1"


def test_defect_5__attestations_of_an_index_are_no_images(prepare: Prepare) -> None:
    """Tools that expand the index and wait for its attestation never end, or fail."""
    one = prepare("clean", platforms=("linux/amd64",))

    assert one.publish() == 0


def test_defect_6__a_scan_on_push_is_not_asked_for_again(prepare: Prepare) -> None:
    """Tools that always call StartImageScan run into its 24-hour quota."""
    one = prepare("not-found-then-complete")

    assert one.publish() == 0

    assert one.ecr.calls("StartImageScan") == []


def test_defect_6__the_quota_is_no_end_and_no_storm(prepare: Prepare) -> None:
    """The SDK takes LimitExceededException for throttling and calls again and again."""
    late = [{"after": 0, "status": "NOT_FOUND"}, {"after": 40, "status": "SETTLED"}]
    one = prepare({"default": late})

    assert one.publish() == 0

    assert [call.error for call in one.ecr.calls("StartImageScan")] == ["LimitExceededException"]


def test_defect_6__an_enhanced_scan_is_never_asked_for(prepare: Prepare) -> None:
    """«This feature is disabled», say tools that call StartImageScan under enhanced scanning."""
    one = prepare("enhanced-pending")

    assert one.publish(scan_timeout="1m") == 7

    assert one.ecr.calls("StartImageScan") == []


def test_defect_6__disabled_is_understood_where_the_engine_is_unknown(prepare: Prepare) -> None:
    late = [{"after": 0, "status": "NOT_FOUND"}, {"after": 40, "status": "SETTLED"}]
    one = prepare({"default": late}, "enhanced")
    one.ecr.fail_next("*Configuration", "AccessDeniedException", times=999)

    assert one.publish() == 0

    assert len(one.ecr.calls("StartImageScan")) == 1


@pytest.mark.parametrize("threshold", RANKS)
@pytest.mark.parametrize("severity", RANKS)
def test_defect_7__a_threshold_refuses_its_severity_and_all_above(
    prepare: Prepare, threshold: str, severity: str
) -> None:
    """Tools that compare for equality, or in alphabetical order, pass what is worse."""
    one = prepare(found(**{severity: 1}))

    code = one.publish(severity_threshold=threshold.lower())

    assert code == (9 if RANKS.index(severity) >= RANKS.index(threshold) else 0)


def test_defect_8__what_does_not_count_is_matched_exactly(prepare: Prepare) -> None:
    """Tools that ignore CVE-2023-123 as a part of a name hide CVE-2023-1234 too.

    Ignores of our own come with the policy; what Inspector suppresses is the one thing today that
    does not count.
    """
    findings = [enhanced("CVE-2023-123", "SUPPRESSED"), enhanced("CVE-2023-1234", "ACTIVE")]
    script = [{"after": 1, "status": "SETTLED", "enhancedFindings": findings}]
    one = prepare({"default": script}, "enhanced")

    assert one.publish() == 9

    assert one.workflow.outputs["critical"] == "1"


def enhanced(name: str, status: str) -> dict[str, Any]:
    """A finding of Inspector's, as it stands on the wire."""
    package = {"name": "openssl", "version": "3.0.1"}
    details = {"vulnerabilityId": name, "vulnerablePackages": [package]}
    return {"severity": "CRITICAL", "status": status, "packageVulnerabilityDetails": details}
