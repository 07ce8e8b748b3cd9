"""Rules that look beyond the image's own scan: whole runs on a local ECR."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.factories import NAME, SHA
from tests.images import push_image
from tests.publication import Prepare, Publication, started

pytestmark = pytest.mark.usefixtures("no_waiting", "one_session")

OLD, NEW = b"the released image", b"the new one"


def settled(**counts: int) -> list[dict[str, Any]]:
    """A scan that has these findings; fewer of a severity are the first ones of more."""
    return [{"status": "SETTLED", "counts": counts}]


def released(prepare: Prepare, old: Any, new: Any, **more: Any) -> Publication:
    """A repository whose `latest` has one scan, and a checkout that becomes an image of another."""
    one = started(prepare, "clean", **more)
    digest = str(push_image(one.ecr, NAME, "latest", OLD).digest)
    one.ecr.set_scenario({"rules": [{"digest": digest, "script": old}], "default": new})
    one.content = NEW
    return one


# --- the baseline -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code", "reason"),
    [
        ({"HIGH": 2}, {"HIGH": 2}, 0, "2 findings, none that refuses the image: 2 known in the"),
        ({"HIGH": 2}, {"HIGH": 1, "LOW": 1}, 0, "2 findings, none that refuses"),
        ({"HIGH": 1}, {"HIGH": 2}, 9, "1 HIGH: at or above the threshold high"),
        ({"LOW": 2}, {"HIGH": 1}, 9, "1 HIGH: at or above"),
        ({}, {"CRITICAL": 1}, 9, "1 CRITICAL: at or above"),
    ],
)
@pytest.mark.parametrize("mode", ["basic", "enhanced"])
def test_s1_baseline__only_what_is_new_refuses(
    prepare: Prepare,
    old: dict[str, int],
    new: dict[str, int],
    code: int,
    reason: str,
    mode: Any,
) -> None:
    one = released(prepare, settled(**old), settled(**new), mode=mode)

    assert one.publish(tags="1.0", baseline="latest", fail_on="new") == code

    assert one.reason.startswith(reason)
    assert ("1.0" in one.releases) is (code == 0)
    added = {name: number - old.get(name, 0) for name, number in new.items()}
    assert one.workflow.outputs["new"] == str(sum(max(0, number) for number in added.values()))


def test_baseline__alone_counts_and_refuses_all_the_same(prepare: Prepare) -> None:
    one = released(prepare, settled(HIGH=1), settled(HIGH=2))
    assert one.publish(tags="1.0", baseline="latest") == 9
    assert one.reason.startswith("2 HIGH: at or above")
    assert one.workflow.outputs["new"] == "1"


@pytest.mark.parametrize("name", ["nothing", "other/repository:latest", f"sha256:{'0' * 64}"])
def test_s2_baseline__that_is_missing_shows_before_the_build(prepare: Prepare, name: str) -> None:
    one = released(prepare, settled(), settled())

    assert one.publish(tags="1.0", baseline=name, fail_on="new") == 4

    assert one.reason.startswith(f"the baseline {name} cannot be used: ")
    assert one.built == []
    assert "on-baseline-error: warn" in one.workflow.markdown


def test_baseline__that_is_missing_makes_all_new_where_the_user_says_so(prepare: Prepare) -> None:
    one = released(prepare, settled(), settled(HIGH=1))
    given = {"tags": "1.0", "baseline": "nothing", "fail_on": "new", "on_baseline_error": "warn"}

    assert one.publish(**given) == 9
    assert one.reason == "1 HIGH: at or above the threshold high"
    assert "The baseline nothing: the repository" in one.workflow.markdown
    assert one.workflow.outputs["new"] == ""

    assert one.publish(**given, severity_threshold="critical") == 0


@pytest.mark.parametrize("waive", ["fail", "warn"])
def test_s2_baseline__without_a_verdict_of_its_own(prepare: Prepare, waive: str) -> None:
    failed = [{"status": "FAILED", "description": "no reason"}]
    one = released(prepare, failed, settled(LOW=1))

    code = one.publish(tags="1.0", baseline="latest", fail_on="new", on_baseline_error=waive)

    assert (code, one.verdict) == ((7, "unknown") if waive == "fail" else (0, "passed"))
    assert "baseline latest: the scan failed: no reason" in one.workflow.markdown
    assert ("1.0" in one.releases) is (waive == "warn")


def test_baseline__of_another_repository(prepare: Prepare) -> None:
    one = started(prepare, "clean")
    one.api.create_repository(
        repositoryName="team/base", imageScanningConfiguration={"scanOnPush": True}
    )
    digest = str(push_image(one.ecr, "team/base", "1.4", OLD).digest)
    old = {"digest": digest, "script": settled(HIGH=1)}
    one.ecr.set_scenario({"rules": [old], "default": settled(HIGH=1)})

    assert one.publish(tags="1.0", baseline="team/base:1.4", fail_on="new") == 0
    assert one.publish(tags="2.0", baseline=f"team/base@{digest}", fail_on="new") == 0


def test_s5_baseline__commit_again_is_its_own_baseline(prepare: Prepare) -> None:
    one = released(prepare, settled(HIGH=1), settled(HIGH=1))
    given = {"tags": "latest", "baseline": "latest", "fail_on": "new"}
    assert one.publish(**given) == 0

    assert one.publish(**given) == 0

    assert one.built == []
    assert "is this very image" in one.workflow.markdown


def test_baseline__old_scan_of_it_is_as_good_as_a_new_one(prepare: Prepare) -> None:
    one = released(prepare, settled(HIGH=1), settled(HIGH=1))
    assert one.publish(tags="first", baseline="latest", fail_on="new") == 0
    one.clock.time += 90 * 86_400
    one.content, one.head = b"another", None

    assert one.publish(tags="1.0", baseline="latest", fail_on="new", max_scan_age="7d") == 0


# --- exploits ---------------------------------------------------------------------------------

KEV = b"severity-threshold: critical\nknown-exploited: fail\n"
EPSS = b"severity-threshold: critical\nepss-threshold: 0.9\n"


def under(prepare: Prepare, policy: bytes, scenario: Any = "known-exploited") -> Publication:
    one = started(prepare, "known-exploited")
    one.ecr.set_scenario(scenario)
    one.files[".ecr-publish.yml"] = policy
    return one


@pytest.mark.parametrize(
    ("policy", "code", "reason"),
    [
        (KEV, 9, "1 LOW: listed by CISA as known exploited"),
        (EPSS, 9, "1 LOW: with an EPSS score of 0.9 or more"),
        (EPSS.replace(b"0.9", b"0.94"), 9, "1 LOW: with an EPSS score of 0.94 or more"),
        (EPSS.replace(b"0.9", b"0.95"), 0, "3 findings, none at or above the threshold critical"),
        (EPSS.replace(b"0.9", b"0.01"), 9, "1 HIGH, 1 LOW: with an EPSS score of 0.01 or more"),
    ],
)
def test_s1_exploits__refuse_at_any_severity(
    prepare: Prepare, policy: bytes, code: int, reason: str
) -> None:
    one = under(prepare, policy)
    assert (one.publish(tags="1.0"), one.reason) == (code, reason)
    assert ("1.0" in one.releases) is (code == 0)


@pytest.mark.parametrize("policy", [KEV, EPSS])
def test_s2_exploits__that_may_not_be_asked_for(prepare: Prepare, policy: bytes) -> None:
    denied = {"default": "known-exploited", "switches": {"finding_details_denied": True}}
    one = under(prepare, policy, denied)

    assert (one.publish(tags="1.0"), one.verdict) == (7, "unknown")
    assert one.reason.startswith("EPSS and CISA's list are not known for 3 findings: ")
    assert "inspector2:BatchGetFindingDetails" in one.workflow.markdown
    assert one.releases == {}

    one.files[".ecr-publish.yml"] = policy + b"on-exploit-error: warn\n"
    assert (one.publish(tags="1.0"), one.verdict) == (0, "passed")
    assert "list are not known for 3 findings" in one.workflow.markdown


def test_s2_exploits__of_one_finding_are_missing(prepare: Prepare) -> None:
    partly = [
        {"severity": "LOW", "epss": 0.1},
        {"severity": "LOW", "details_error": "INTERNAL_ERROR", "package": "zlib"},
    ]
    script = [{"status": "SETTLED", "vulnerabilities": partly}]
    one = under(prepare, KEV, {"default": script})
    assert (one.publish(tags="1.0"), one.verdict) == (7, "unknown")
    assert one.reason.startswith("EPSS and CISA's list are not known for 1 finding: Inspector has")


def test_s2_exploits__basic_scanning_knows_none(prepare: Prepare) -> None:
    one = started(prepare, {"default": settled(LOW=1)})
    one.files[".ecr-publish.yml"] = KEV
    assert one.publish(tags="1.0") == 7
    assert "only enhanced scanning" in one.reason


def test_exploits__throttled_are_asked_for_again(prepare: Prepare) -> None:
    one = under(prepare, KEV)
    one.ecr.fail_next("BatchGetFindingDetails", "ThrottlingException", times=2)
    assert one.publish(tags="1.0") == 9
    assert one.reason == "1 LOW: listed by CISA as known exploited"


def test_exploits__are_asked_for_ten_at_a_time_and_not_without_a_rule(prepare: Prepare) -> None:
    many: list[dict[str, Any]] = [
        {"severity": "LOW", "id": f"CVE-2026-{number}"} for number in range(23)
    ]
    many[22] |= {"kev": True}
    script = [{"status": "SETTLED", "vulnerabilities": many}]
    one = under(prepare, KEV, {"default": script})
    one.ecr.reset()
    assert one.publish(tags="1.0") == 9
    assert one.calls.count("BatchGetFindingDetails") == 3

    one.ecr.reset()
    one.files.clear()
    assert one.publish(tags="1.0") == 0
    assert "BatchGetFindingDetails" not in one.calls


# --- the report -------------------------------------------------------------------------------


def test_report__tells_the_verdict_and_what_it_used(prepare: Prepare) -> None:
    one = under(prepare, KEV)
    assert one.publish(tags="1.0", report_file="reports/scan.json") == 9

    report = json.loads(one.workflow.written["reports/scan.json"])
    assert one.workflow.outputs["report-file"] == "reports/scan.json"
    assert (report["version"], report["verdict"]) == (1, "refused")
    grounds = [(item["severity"], item["ground"]) for item in report["judgements"]]
    assert grounds == [
        ("HIGH", "below severity-threshold"),
        ("MEDIUM", "below severity-threshold"),
        ("LOW", "known-exploited"),
    ]
    assert report["judgements"][2]["place"] == ".ecr-publish.yml, line 2"
    assert len(report["scans"][0]["findings"]) == 3


def test_s6_report__is_there_after_a_failure(prepare: Prepare) -> None:
    one = started(prepare, "clean")
    one.ecr.fail_next("v2.PutManifest", "DENIED", times=99)
    assert one.publish(tags=SHA, report_file="scan.json") == 6
    assert json.loads(one.workflow.written["scan.json"])["verdict"] == "unknown"
