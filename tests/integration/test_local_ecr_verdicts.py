"""What scans and Inspector say of an image: late, torn, old, refused, suppressed, by hand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
import requests

import local_ecr
from local_ecr.manifest import OCI_INDEX
from tests.integration.test_local_ecr_boto3 import (
    DAY,
    Lab,
    call_raw,
    local,
    opened,
    refused,
    settings,
    unknown_members,
)

if TYPE_CHECKING:
    from mypy_boto3_ecr.type_defs import ImageIdentifierTypeDef

ARN = "arn:aws:ecr:eu-west-1:123456789012:repository/app"
NO_SCAN = "Image scan does not exist"
QUOTA = "The scan quota per image has been exceeded. Wait and try again."


def inspector(lab: Lab, **over: Any) -> Any:
    return boto3.client("inspector2", **(settings(lab.ecr) | over))


def coverage(lab: Lab, **criteria: str) -> list[dict[str, Any]]:
    filters = {name: [{"comparison": "EQUALS", "value": value}] for name, value in criteria.items()}
    with contextlib.closing(inspector(lab)) as client:
        found: list[dict[str, Any]] = client.list_coverage(filterCriteria=filters)[
            "coveredResources"
        ]
    return found


def covered(lab: Lab, digest: str) -> tuple[str, str, float | None] | None:
    """Code, reason and lastScannedAt in seconds before now; None: Inspector knows no such image."""
    found = coverage(lab, resourceId=f"{ARN}/{digest}")
    if not found:
        return None
    (entry,) = found
    at = entry.get("lastScannedAt")
    ago = None if at is None else lab.clock.now - at.timestamp()
    return entry["scanStatus"]["statusCode"], entry["scanStatus"]["reason"], ago


def findings_of(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = body["imageScanFindings"]
    return [*found.get("findings", ()), *found.get("enhancedFindings", ())]


def read(lab: Lab, digest: str, **options: int) -> list[Mapping[str, Any]]:
    """All pages of the findings, each as the body of an answer."""
    pages: list[Mapping[str, Any]] = []
    token: dict[str, str] = {}
    while not pages or token:
        body = lab.client.describe_image_scan_findings(
            repositoryName="app",
            imageId={"imageDigest": digest},
            **options,  # type: ignore[arg-type]
            **token,  # type: ignore[arg-type]
        )
        pages.append(body)
        token = {"nextToken": body["nextToken"]} if "nextToken" in body else {}
    return pages


def severities(pages: list[Mapping[str, Any]]) -> dict[str, int]:
    words = [finding["severity"] for page in pages for finding in findings_of(page)]
    return {word: words.count(word) for word in words}


def counts(page: Mapping[str, Any]) -> dict[str, int]:
    told: dict[str, int] = page["imageScanFindings"]["findingSeverityCounts"]
    return told


def start(lab: Lab, digest: str, repository: str = "app") -> None:
    image: ImageIdentifierTypeDef = {"imageDigest": digest}
    lab.client.start_image_scan(repositoryName=repository, imageId=image)


@pytest.fixture
def enhanced() -> Iterator[Lab]:
    with opened(mode="enhanced", scan_seconds=10) as lab:
        yield lab


@pytest.fixture
def basic() -> Iterator[Lab]:
    with opened(mode="basic", scan_seconds=10) as lab:
        yield lab


# --- ListCoverage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "elapsed", "expected"),
    [
        ("clean-enhanced", 0, None),
        ("clean-enhanced", 2, ("ACTIVE", "PENDING_INITIAL_SCAN", None)),
        ("clean-enhanced", 15, ("ACTIVE", "SUCCESSFUL", 5)),
        ("never-found", 900, None),
        ("pending-then-active", 6, ("ACTIVE", "SCAN_IN_PROGRESS", None)),
        ("premature-complete", 5, ("ACTIVE", "SCAN_IN_PROGRESS", None)),
        ("enhanced-unsupported", 10, ("INACTIVE", "UNSUPPORTED_OS", None)),
        ("eligibility-expired", 0, ("INACTIVE", "SCAN_ELIGIBILITY_EXPIRED", None)),
        ("size-exceeded", 0, ("INACTIVE", "IMAGE_SIZE_EXCEEDED", None)),
        ("image-archived", 0, ("INACTIVE", "IMAGE_ARCHIVED", None)),
        ("failed", 10, ("INACTIVE", "INTERNAL_ERROR", None)),
        ("unknown-status", 10, ("INACTIVE", "INTERNAL_ERROR", 0)),
        ("old-scan", 0, ("ACTIVE", "SUCCESSFUL", 40 * DAY)),
        ("late-waves", 10, ("ACTIVE", "SCAN_IN_PROGRESS", None)),
        ("late-waves", 31, ("ACTIVE", "SUCCESSFUL", 21)),
        ("late-waves-coverage-early", 10, ("ACTIVE", "SUCCESSFUL", 0)),
        ("coverage-lags", 29, ("ACTIVE", "PENDING_INITIAL_SCAN", None)),
        ("coverage-lags", 30, ("ACTIVE", "SUCCESSFUL", 20)),
    ],
)
def test_coverage__follows_the_scan(
    enhanced: Lab, scenario: str, elapsed: float, expected: tuple[str, str, float | None] | None
) -> None:
    enhanced.ecr.set_scenario(scenario)
    digest = enhanced.push("app", "v1")
    enhanced.clock.now += elapsed
    assert covered(enhanced, digest) == expected


def test_coverage__says_what_the_script_lets_it_say(enhanced: Lab) -> None:
    told = {"reason": "STALE_INVENTORY", "statusCode": "ACTIVE", "lastScannedAfter": -60}
    steps = [
        {"status": "PENDING", "coverage": told},
        {"after": 1, "status": "NOT_FOUND", "coverage": "ACCESS_DENIED"},
        {"after": 2, "status": "SETTLED", "coverage": {"listed": False}},
    ]
    enhanced.ecr.set_scenario({"default": steps})
    digest = enhanced.push("app", "v1")
    assert covered(enhanced, digest) == ("ACTIVE", "STALE_INVENTORY", 60)
    enhanced.clock.now += 1
    assert covered(enhanced, digest) == ("INACTIVE", "ACCESS_DENIED", None)
    enhanced.clock.now += 1
    assert covered(enhanced, digest) is None


def test_coverage__describes_images_and_repositories(enhanced: Lab) -> None:
    digest = enhanced.push("app", "v1")
    enhanced.clock.now += 10
    repository, image = coverage(enhanced, ecrRepositoryName="app")
    assert (repository["resourceType"], repository["resourceId"]) == ("AWS_ECR_REPOSITORY", ARN)
    assert "scanMode" not in image
    assert image.pop("lastScannedAt").timestamp() == enhanced.clock.now
    assert image == {
        "accountId": "123456789012",
        "resourceId": f"{ARN}/{digest}",
        "resourceMetadata": {
            "ecrImage": {"tags": ["v1"], "inUseCount": 0},
            "ecrRepository": {"name": "app", "scanFrequency": "CONTINUOUS_SCAN"},
        },
        "resourceType": "AWS_ECR_CONTAINER_IMAGE",
        "scanStatus": {"reason": "SUCCESSFUL", "statusCode": "ACTIVE"},
        "scanType": "PACKAGE",
    }


def test_coverage__of_an_index_its_children_and_an_attestation(enhanced: Lab) -> None:
    index, (child,) = enhanced.push_index("app", "v1", "amd64")
    layer = enhanced.blob("app", b"sbom") | {"mediaType": "application/vnd.in-toto+json"}
    attestation = enhanced.push("app", "a1", layers=[layer])
    enhanced.clock.now += 10
    unsupported = ("INACTIVE", "UNSUPPORTED_MEDIA_TYPE", None)
    assert covered(enhanced, index) == covered(enhanced, attestation) == unsupported
    assert covered(enhanced, child) == ("ACTIVE", "SUCCESSFUL", 0)
    (tagged,) = coverage(enhanced, ecrImageTags="v1")
    assert tagged["resourceId"] == f"{ARN}/{index}"


def test_coverage__of_a_repository_that_is_scanned_on_push_only_is_a_switch(enhanced: Lab) -> None:
    enhanced.ecr.set_rules("ENHANCED", {"SCAN_ON_PUSH": ["*"]})
    digest = enhanced.push("app", "v1")
    enhanced.clock.now += 10
    assert covered(enhanced, digest) == ("INACTIVE", "SCAN_FREQUENCY_SCAN_ON_PUSH", 0)
    enhanced.ecr.set_scenario({"switches": {"coverage_on_push": "SUCCESSFUL"}})
    assert covered(enhanced, digest) == ("ACTIVE", "SUCCESSFUL", 0)


def test_coverage__of_a_repository_that_is_off(enhanced: Lab) -> None:
    enhanced.ecr.set_rules("ENHANCED", {"CONTINUOUS_SCAN": ["prod"]})
    digest = enhanced.push("app", "v1")
    enhanced.clock.now += DAY
    off = {"statusCode": "INACTIVE", "reason": "SCAN_FREQUENCY_MANUAL"}
    assert [entry["scanStatus"] for entry in coverage(enhanced)] == [off, off]
    with refused("ScanNotFoundException", NO_SCAN):
        enhanced.findings(digest)


def test_coverage__is_empty_where_inspector_is_not_on(basic: Lab) -> None:
    basic.push("app", "v1")
    assert coverage(basic) == []


def test_coverage__of_an_image_from_before_inspector(basic: Lab) -> None:
    digest = basic.push("app", "v1")
    basic.ecr.set_rules("ENHANCED", {"CONTINUOUS_SCAN": ["*"]})
    assert covered(basic, digest) is None


def test_coverage__may_be_denied_without_the_findings_and_the_other_way_round(
    enhanced: Lab,
) -> None:
    digest = enhanced.push("app", "v1")
    denied = r"not authorized to perform: inspector2:{} on resource: arn:aws:inspector2:.*:/{}/list"
    enhanced.ecr.set_scenario({"default": "old-scan", "switches": {"coverage_denied": True}})
    assert enhanced.findings(digest)["imageScanStatus"]["status"] == "ACTIVE"
    with refused("AccessDeniedException", denied.format("ListCoverage", "coverage")):
        coverage(enhanced)
    enhanced.ecr.set_scenario({"switches": {"inspector_denied": "ListFindings"}})
    assert coverage(enhanced)
    with refused("AccessDeniedException", denied.format("ListFindings", "findings")):
        enhanced.findings(digest)


def test_coverage__in_pages(enhanced: Lab) -> None:
    for tag, architecture in (("v1", "amd64"), ("v2", "arm64")):
        enhanced.push("app", tag, architecture=architecture)
    enhanced.clock.now += 10
    with contextlib.closing(inspector(enhanced)) as client:
        pages = list(client.get_paginator("list_coverage").paginate(maxResults=2))
    assert [len(page["coveredResources"]) for page in pages] == [2, 1]


def test_coverage__refuses_what_inspector_refuses(enhanced: Lab) -> None:
    with contextlib.closing(inspector(enhanced)) as client:
        with refused("ValidationException", "'maxResults'"):
            client.list_coverage(maxResults=201)
        bad = {"resourceId": [{"comparison": "PREFIX", "value": "arn"}]}
        with refused("ValidationException", "'resourceId'"):
            client.list_coverage(filterCriteria=bad)


def test_coverage__is_signed_for_inspector(enhanced: Lab) -> None:
    answer = requests.post(f"{enhanced.ecr.url}/coverage/list", json={}, timeout=10)
    assert answer.status_code == 403
    assert answer.headers["x-amzn-ErrorType"] == "InvalidSignatureException"
    assert answer.json() == {
        "message": "Credential should be scoped to correct service: 'inspector2'."
    }


def test_coverage__is_at_the_endpoint_of_all(
    enhanced: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in enhanced.ecr.environment().items():
        monkeypatch.setenv(name, value)
    with contextlib.closing(boto3.Session().client("inspector2")) as client:
        assert client.list_coverage()["coveredResources"]
    (call,) = enhanced.ecr.calls("ListCoverage")
    assert (call.repository, call.status) == (None, 200)


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        ("AccessDeniedException", 403, "not authorized to perform: inspector2:ListCoverage"),
        ("ThrottlingException", 429, "Rate exceeded"),
        ("InternalServerException", 500, "An internal error occurred"),
    ],
)
def test_coverage__faults(enhanced: Lab, code: str, status: int, text: str) -> None:
    enhanced.ecr.fail_next("ListCoverage", code)
    with refused(code, text):
        coverage(enhanced, ecrRepositoryName="app")
    (call,) = enhanced.ecr.calls("ListCoverage")
    assert (call.repository, call.status, call.error) == ("app", status, code)


def test_coverage__wire_body_is_of_the_service_model(enhanced: Lab) -> None:
    enhanced.push("app", "v1")
    enhanced.clock.now += 10
    headers = {"Authorization": "AWS4-HMAC-SHA256 Credential=K/d/r/inspector2/aws4_request"}
    url = f"{enhanced.ecr.url}/coverage/list"
    body = requests.post(url, json={}, headers=headers, timeout=10).json()
    model = botocore.session.get_session().get_service_model("inspector2")
    shape = model.operation_model("ListCoverage").output_shape
    assert shape is not None
    assert list(unknown_members(shape, body, "")) == []
    assert isinstance(body["coveredResources"][1]["lastScannedAt"], float)


# --- results that change -------------------------------------------------------------------------


def test_late_waves__over_time(enhanced: Lab) -> None:
    enhanced.ecr.set_scenario("late-waves")
    digest = enhanced.push("app", "v1")
    totals, times = [], set()
    for _ in range(4):
        enhanced.clock.now += 10
        body = enhanced.findings(digest)
        totals.append(len(findings_of(body)))
        times.add(body["imageScanFindings"]["imageScanCompletedAt"].timestamp())
        assert body["imageScanStatus"]["status"] == "ACTIVE"
    assert totals == [2, 25, 34, 34]
    assert len(times) == 1
    assert enhanced.ecr.scans()[0]["finalAt"] == enhanced.clock.now - 10


def test_pages__torn_in_the_first_read_only(basic: Lab) -> None:
    basic.ecr.set_scenario("pages-drift")
    digest = basic.push("app", "v1")
    basic.clock.now += 10
    torn = read(basic, digest)
    assert severities(torn) == {"LOW": 151}
    assert [counts(page) for page in torn] == [{"LOW": 150}, {"CRITICAL": 1, "LOW": 150}]
    whole = read(basic, digest)
    assert severities(whole) == {"CRITICAL": 1, "LOW": 150} == counts(whole[0])


def test_pages__a_poll_of_the_first_page_is_no_read(basic: Lab) -> None:
    basic.ecr.set_scenario("pages-drift")
    digest = basic.push("app", "v1")
    basic.clock.now += 10
    for _ in range(3):
        assert counts(basic.findings(digest)) == {"LOW": 150}
    assert severities(read(basic, digest)) == {"LOW": 151}


def test_pages__never_agree(basic: Lab) -> None:
    basic.ecr.set_scenario("pages-never-agree")
    digest = basic.push("app", "v1")
    basic.clock.now += 10
    seen = [severities(read(basic, digest)) for _ in range(4)]
    assert seen == [{"LOW": 151}, {"CRITICAL": 1, "LOW": 149}] * 2


def test_counts__disagree_for_a_while_for_a_read_or_for_ever(basic: Lab) -> None:
    digest = basic.push("app", "v1")
    told, listed = {"CRITICAL": 2, "LOW": 5}, {"LOW": 5}

    def seen(scenario: str, *elapsed: float) -> list[dict[str, int]]:
        basic.ecr.set_scenario(scenario)
        found = []
        for seconds in elapsed:
            basic.clock.now += seconds
            (page,) = read(basic, digest)
            assert counts(page) == told
            found.append(severities([page]))
        return found

    assert seen("counts-disagree", 10, 9, 1) == [listed, listed, told]
    assert seen("counts-disagree-once", 0, 0) == [listed, told]
    assert seen("counts-disagree-forever", 0, DAY) == [listed, listed]


def test_reads__begin_anew_with_a_new_scenario(basic: Lab) -> None:
    digest = basic.push("app", "v1")
    basic.clock.now += 10
    for _ in range(2):
        local(basic, "POST", "scenario", "counts-disagree-once")
        assert severities(read(basic, digest)) == {"LOW": 5}


def test_counts__per_page(basic: Lab) -> None:
    basic.ecr.set_scenario({"default": "worst-last", "switches": {"counts": "per-page"}})
    digest = basic.push("app", "v1")
    basic.clock.now += 10
    pages = read(basic, digest, maxResults=1000)
    told = [counts(page) for page in pages]
    assert told == [{"LOW": 100}, {"LOW": 100}, {"LOW": 50, "CRITICAL": 1}]


def test_pages__size_is_between_one_and_a_thousand(basic: Lab) -> None:
    digest = basic.push("app", "v1")
    basic.clock.now += 10
    with refused("InvalidParameterException", "'maxResults'"):
        read(basic, digest, maxResults=1001)


def test_many_findings__are_listed_once_each(enhanced: Lab) -> None:
    enhanced.ecr.set_scenario("many-findings")
    digest = enhanced.push("app", "v1")
    enhanced.clock.now += 10
    pages = read(enhanced, digest, maxResults=1000)
    names = {
        finding["packageVulnerabilityDetails"]["vulnerabilityId"]
        for page in pages
        for finding in findings_of(page)
    }
    assert (len(pages), len(names)) == (100, 10_000)
    assert sum(counts(pages[99]).values()) == 10_000


def test_empty_finding__is_an_object_without_members() -> None:
    for scenario, name in (
        ("empty-finding", "findings"),
        ("empty-finding-enhanced", "enhancedFindings"),
    ):
        with opened(scenario=scenario, scan_seconds=0) as lab:
            digest = lab.push("app", "v1")
            body = call_raw(lab, "DescribeImageScanFindings", {"imageId": {"imageDigest": digest}})
            assert body["imageScanFindings"][name] == [{}]
            assert "findingSeverityCounts" not in body["imageScanFindings"]


def test_throttled__one_image_by_script_or_all_by_fault(basic: Lab) -> None:
    basic.ecr.set_scenario({"default": "clean", "rules": [{"tag": "bad", "script": "throttled"}]})
    good = basic.push("app", "good")
    bad = basic.push("app", "bad", architecture="arm64")
    with refused("ThrottlingException", "Rate exceeded"):
        basic.findings(bad)
    assert basic.findings(good)["imageScanStatus"]["status"] == "IN_PROGRESS"
    basic.clock.now += 10
    assert basic.findings(bad)["imageScanStatus"]["status"] == "COMPLETE"
    basic.ecr.fail_next("DescribeImageScanFindings", "ThrottlingException", times=2)
    for _ in range(2):
        with refused("ThrottlingException", "Rate exceeded"):
            basic.findings(good)
    basic.findings(good)


def test_calls__rate_of_an_operation(basic: Lab) -> None:
    digest = basic.push("app", "v1")
    for _ in range(5):
        basic.findings(digest)
        basic.clock.now += 2
    assert len(basic.ecr.calls("Describe*Findings")) == 5
    assert basic.ecr.calls_per_second("DescribeImageScanFindings") == 5 / 8
    assert basic.ecr.most_calls_within(2.5, "DescribeImageScanFindings") == 2
    assert basic.ecr.calls_per_second("ListImages") == 0


# --- which engine, how often, and by hand --------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "rules", "expected"),
    [
        ("BASIC", {}, {"app": "SCAN_ON_PUSH", "prod/api": "MANUAL", "dev": "MANUAL"}),
        (
            "BASIC",
            {"SCAN_ON_PUSH": ["prod"]},
            {"app": "SCAN_ON_PUSH", "prod/api": "SCAN_ON_PUSH", "dev": "MANUAL"},
        ),
        (
            "BASIC",
            {"SCAN_ON_PUSH": ["*"]},
            {"app": "SCAN_ON_PUSH", "prod/api": "SCAN_ON_PUSH", "dev": "SCAN_ON_PUSH"},
        ),
        ("ENHANCED", {}, {"app": "MANUAL", "prod/api": "MANUAL", "dev": "MANUAL"}),
        (
            "ENHANCED",
            {"CONTINUOUS_SCAN": ["prod"], "SCAN_ON_PUSH": ["*e*"]},
            {"app": "MANUAL", "prod/api": "CONTINUOUS_SCAN", "dev": "SCAN_ON_PUSH"},
        ),
        (
            "ENHANCED",
            {"CONTINUOUS_SCAN": ["prod"], "SCAN_ON_PUSH": ["*"]},
            {"app": "SCAN_ON_PUSH", "prod/api": "CONTINUOUS_SCAN", "dev": "SCAN_ON_PUSH"},
        ),
    ],
)
def test_configuration__frequency_of_each_repository(
    basic: Lab, kind: Any, rules: dict[str, list[str]], expected: dict[str, str]
) -> None:
    for name in ("prod/api", "dev"):
        basic.client.create_repository(repositoryName=name)
    basic.ecr.set_rules(kind, rules)
    listed = basic.client.batch_get_repository_scanning_configuration(repositoryNames=[*expected])
    found = {c["repositoryName"]: c for c in listed["scanningConfigurations"]}
    assert {name: entry["scanFrequency"] for name, entry in found.items()} == expected
    on_push = {name for name, entry in found.items() if entry["scanOnPush"]}
    assert on_push == {name for name, frequency in expected.items() if frequency != "MANUAL"}
    registry = basic.client.get_registry_scanning_configuration()["scanningConfiguration"]
    assert registry["scanType"] == kind
    told = {
        rule["scanFrequency"]: [entry["filter"] for entry in rule["repositoryFilters"]]
        for rule in registry["rules"]
    }
    assert told == rules


def test_configuration__basic_is_on_push_only(basic: Lab) -> None:
    rule: Any = {
        "scanFrequency": "CONTINUOUS_SCAN",
        "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
    }
    with refused("ValidationException", "Scan type BASIC takes 2 rules at most, of SCAN_ON_PUSH"):
        basic.client.put_registry_scanning_configuration(scanType="BASIC", rules=[rule])
    basic.client.put_registry_scanning_configuration(scanType="ENHANCED")
    registry = basic.client.get_registry_scanning_configuration()["scanningConfiguration"]
    assert registry == {"scanType": "ENHANCED", "rules": []}


def test_start__quota_includes_the_scan_on_push(basic: Lab) -> None:
    digest = basic.push("app", "v1")
    basic.clock.now += DAY - 1
    with refused("LimitExceededException", QUOTA):
        start(basic, digest)
    basic.clock.now += 1
    start(basic, digest)
    assert basic.findings(digest)["imageScanStatus"]["status"] == "IN_PROGRESS"
    assert basic.ecr.scans()[0]["byHand"] is True


def test_start__manual_repository_then_once_a_day(basic: Lab) -> None:
    basic.client.create_repository(repositoryName="manual")
    digest = basic.push("manual", "v1")
    assert basic.ecr.scans() == []
    start(basic, digest, "manual")
    with refused("LimitExceededException", QUOTA):
        start(basic, digest, "manual")


def test_start__not_under_enhanced_wherever_the_repository_is(enhanced: Lab) -> None:
    digest = enhanced.push("app", "v1")
    for rules in ({"CONTINUOUS_SCAN": ["*"]}, {"SCAN_ON_PUSH": ["*"]}, {}):
        enhanced.ecr.set_rules("ENHANCED", rules)
        with refused("ValidationException", "This feature is disabled"):
            start(enhanced, digest)


def test_start__a_scan_of_the_other_engine_does_not_count(enhanced: Lab) -> None:
    digest = enhanced.push("app", "v1")
    enhanced.ecr.set_rules("BASIC")
    start(enhanced, digest)
    enhanced.clock.now += 10
    assert enhanced.findings(digest)["imageScanStatus"]["status"] == "COMPLETE"


def test_start__children_by_digest_and_never_the_index(basic: Lab) -> None:
    basic.ecr.set_scenario({"default": "vulnerable", "switches": {"untagged_scanned": False}})
    index, children = basic.push_index("app", "v1", "amd64", "arm64")
    basic.clock.now += DAY
    for child in children:
        with refused("ScanNotFoundException", NO_SCAN):
            basic.findings(child)
    text = f"An artifact with media type '{OCI_INDEX}' cannot be scanned."
    with refused("UnsupportedImageTypeException", text.replace("+", r"\+")):
        start(basic, index)
    start(basic, children[1])
    basic.clock.now += 10
    assert len(findings_of(basic.findings(children[1]))) == 51
    with refused("ScanNotFoundException", NO_SCAN):
        basic.findings(children[0])


def test_start__what_never_began_by_itself_is_not_in_the_quota(basic: Lab) -> None:
    basic.ecr.set_scenario({"default": "never-found", "by_hand": "vulnerable"})
    digest = basic.push("app", "v1")
    with refused("ScanNotFoundException", NO_SCAN):
        basic.findings(digest)
    start(basic, digest)
    basic.clock.now += 10
    assert len(findings_of(basic.findings(digest))) == 51
    with refused("LimitExceededException", QUOTA):
        start(basic, digest)


def test_old_scan__is_there_at_once_and_after_another_push(basic: Lab) -> None:
    basic.ecr.set_scenario("old-scan")
    manifest = basic.manifest("app")
    for tag in ("v1", "v2"):
        basic.put("app", tag, manifest)
        (page,) = read(basic, basic.ecr.scans()[0]["digest"])
        completed = page["imageScanFindings"]["imageScanCompletedAt"].timestamp()
        assert basic.clock.now - completed == 40 * DAY
        assert page["imageScanStatus"]["status"] == "COMPLETE"


def test_old_scan__scanned_again_by_hand_is_new_and_may_be_vulnerable(basic: Lab) -> None:
    basic.ecr.set_scenario("old-scan-now-vulnerable")
    digest = basic.push("app", "v1")
    assert findings_of(basic.findings(digest)) == []
    start(basic, digest)
    assert basic.findings(digest)["imageScanStatus"]["status"] == "IN_PROGRESS"
    basic.clock.now += 10
    (page,) = read(basic, digest)
    assert severities([page])["CRITICAL"] == 2
    assert page["imageScanFindings"]["imageScanCompletedAt"].timestamp() == basic.clock.now
    with refused("LimitExceededException", QUOTA):
        start(basic, digest)


def test_old_scan__of_today_is_in_the_quota(basic: Lab) -> None:
    basic.ecr.set_scenario("old-scan-today")
    digest = basic.push("app", "v1")
    basic.clock.now += DAY - 7201
    with refused("LimitExceededException", QUOTA):
        start(basic, digest)
    basic.clock.now += 1
    start(basic, digest)


def test_old_scan__needs_no_scan_on_push(basic: Lab) -> None:
    basic.client.create_repository(repositoryName="manual")
    basic.ecr.set_scenario("old-scan-vulnerable")
    digest = basic.push("manual", "v1")
    body = basic.client.describe_image_scan_findings(
        repositoryName="manual", imageId={"imageDigest": digest}
    )
    assert len(findings_of(body)) == 51
    start(basic, digest, "manual")


def test_old_scan__without_a_script_by_hand_is_new_all_the_same(basic: Lab) -> None:
    step = {"status": "SETTLED", "age_seconds": 2 * DAY}
    basic.ecr.set_scenario({"default": [step]})
    digest = basic.push("app", "v1")
    start(basic, digest)
    found = basic.findings(digest)["imageScanFindings"]
    assert found["imageScanCompletedAt"].timestamp() == basic.clock.now


def test_scenario__all_of_this_is_json(basic: Lab) -> None:
    documented = str(local_ecr.__doc__)
    begin = documented.index('    {"after": 2, "status": "SETTLED"')
    step = json.loads(documented[begin : documented.index("Beside `script`")])
    assert local(basic, "POST", "scenario", {"default": [step]}) == {"status": "ok"}
    digest = basic.push("app", "v1")
    basic.clock.now += 2
    assert severities(read(basic, digest)) == {"LOW": 151}
    assert severities(read(basic, digest)) == {"CRITICAL": 1, "LOW": 150}
