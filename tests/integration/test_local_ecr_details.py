"""BatchGetFindingDetails, findings' ARNs, and the layers that brought them, as boto3 sees them."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

import botocore.session
import pytest
import requests
from botocore.validate import ParamValidator

from local_ecr import layers
from tests.integration.test_local_ecr_boto3 import Lab, local, opened, refused, unknown_members
from tests.integration.test_local_ecr_verdicts import findings_of, inspector

FINDING = "arn:aws:inspector2:eu-west-1:{}:finding/{}"
NOBODY_S = FINDING.format("123456789012", "0" * 32)
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=K/d/r/inspector2/aws4_request"}
DIFF_IDS = ["sha256:" + digit * 64 for digit in "abc"]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with opened(mode="enhanced", scan_seconds=10) as lab:
        yield lab


def scanned(lab: Lab, scenario: Any, tag: str = "v1", **over: Any) -> str:
    """The digest of an image whose scan has finished."""
    lab.ecr.set_scenario(scenario)
    digest = lab.push("app", tag, **over)
    lab.clock.now += 10
    return digest


def found(lab: Lab, digest: str) -> list[dict[str, Any]]:
    return findings_of(lab.findings(digest))


def arns(lab: Lab, digest: str) -> list[str]:
    return [str(one["findingArn"]) for one in found(lab, digest)]


def details(lab: Lab, *wanted: str) -> dict[str, Any]:
    with contextlib.closing(inspector(lab)) as client:
        answer: dict[str, Any] = client.batch_get_finding_details(findingArns=list(wanted))
    return answer


def exploits(lab: Lab, digest: str) -> dict[str, tuple[Any, Any]]:
    """By severity: the EPSS score and CISA's data."""
    words = {str(one["findingArn"]): str(one["severity"]) for one in found(lab, digest)}
    answer = details(lab, *words)
    assert answer["errors"] == []
    return {
        words[one["findingArn"]]: (one.get("epssScore"), one.get("cisaData"))
        for one in answer["findingDetails"]
    }


def step(*vulnerabilities: Mapping[str, object], **keys: object) -> dict[str, Any]:
    return {"status": "SETTLED", "vulnerabilities": vulnerabilities} | keys


def june(day: int) -> datetime:
    return datetime(2026, 6, day, tzinfo=timezone.utc)


# --- BatchGetFindingDetails -----------------------------------------------------------------------


def test_details__of_the_preset(lab: Lab) -> None:
    digest = scanned(lab, "known-exploited")
    known = exploits(lab, digest)
    score, cisa = known.pop("LOW")
    assert known == {"HIGH": (0.01, None), "MEDIUM": (None, None)}
    assert score == 0.94
    assert (cisa["dateAdded"], cisa["dateDue"]) == (june(1), june(22))
    assert "vendor instructions" in cisa["action"]
    assert [one["exploitAvailable"] for one in found(lab, digest)] == ["NO", "NO", "YES"]


def test_details__only_the_members_that_the_script_gives(lab: Lab) -> None:
    script = step(
        {"severity": "LOW", "kev": {"dateAdded": "2026-06-05"}},
        {"severity": "HIGH", "epss": 0},
        {"severity": "MEDIUM", "kev": {}},
    )
    known = exploits(lab, scanned(lab, {"default": [script]}))
    assert known == {
        "LOW": (None, {"dateAdded": june(5)}),
        "HIGH": (0.0, None),
        "MEDIUM": (None, {}),
    }


def test_details__of_a_usual_finding(lab: Lab) -> None:
    (arn, *_) = arns(lab, scanned(lab, "vulnerable-enhanced"))
    (one,) = details(lab, arn)["findingDetails"]
    (url,) = one.pop("referenceUrls")
    assert url.startswith("https://security-tracker.debian.org/tracker/CVE-")
    assert one == {"findingArn": arn, "cwes": [], "evidences": [], "tools": [], "ttps": []}


def test_details__in_the_order_of_the_request_with_an_error_for_each_unknown_one(lab: Lab) -> None:
    known = arns(lab, scanned(lab, "known-exploited"))
    stranger = FINDING.format("210987654321", "1" * 32)
    answer = details(lab, stranger, *known[::-1], NOBODY_S)
    assert [one["findingArn"] for one in answer["findingDetails"]] == known[::-1]
    told = [(one["findingArn"], one["errorCode"]) for one in answer["errors"]]
    assert told == [(stranger, "ACCESS_DENIED"), (NOBODY_S, "FINDING_DETAILS_NOT_FOUND")]
    assert all(one["errorMessage"] for one in answer["errors"])


def test_details__an_error_by_script(lab: Lab) -> None:
    script = step({"severity": "LOW", "details_error": "INTERNAL_ERROR"}, {"severity": "HIGH"})
    bad, good = arns(lab, scanned(lab, {"default": [script]}))
    answer = details(lab, bad, good)
    assert [one["findingArn"] for one in answer["findingDetails"]] == [good]
    assert [(e["findingArn"], e["errorCode"]) for e in answer["errors"]] == [
        (bad, "INTERNAL_ERROR")
    ]


def test_details__of_findings_as_they_are_on_the_wire(lab: Lab) -> None:
    raw = {"findingArn": FINDING.format("123456789012", "2" * 32), "severity": "LOW"}
    scanned(lab, {"default": [{"status": "SETTLED", "enhancedFindings": [raw]}]})
    (one,) = details(lab, raw["findingArn"])["findingDetails"]
    assert (one["findingArn"], one["referenceUrls"]) == (raw["findingArn"], [])
    assert not {"epssScore", "cisaData"} & set(one)


def test_details__are_there_as_soon_and_as_long_as_the_finding_is(lab: Lab) -> None:
    lab.ecr.set_scenario("known-exploited")
    digest = lab.push("app", "v1")
    lab.clock.now += 10
    (arn, *_) = arns(lab, digest)
    assert details(lab, arn)["errors"] == []
    lab.clock.now -= 1
    assert details(lab, arn)["findingDetails"] == []
    lab.clock.now += 1
    lab.client.batch_delete_image(repositoryName="app", imageIds=[{"imageDigest": digest}])
    assert [one["errorCode"] for one in details(lab, arn)["errors"]] == [
        "FINDING_DETAILS_NOT_FOUND"
    ]


def test_details__follow_the_scenario(lab: Lab) -> None:
    script = step({"severity": "LOW", "epss": 0.1})
    digest = scanned(lab, {"default": [script]})
    assert exploits(lab, digest) == {"LOW": (0.1, None)}
    lab.ecr.set_scenario({"default": [step({"severity": "LOW", "epss": 0.2})]})
    assert exploits(lab, digest) == {"LOW": (0.2, None)}


def test_details__none_where_inspector_is_not_on(lab: Lab) -> None:
    (arn, *_) = arns(lab, scanned(lab, "known-exploited"))
    lab.ecr.set_rules("BASIC")
    assert details(lab, arn)["findingDetails"] == []


def test_details__of_the_images_of_all_repositories_and_platforms(lab: Lab) -> None:
    lab.client.create_repository(repositoryName="other")
    lab.ecr.set_scenario("known-exploited")
    _, children = lab.push_index("app", "v1", "amd64", "arm64")
    elsewhere = lab.push("other", "v1")
    lab.clock.now += 10
    assert elsewhere == children[0]
    body = lab.client.describe_image_scan_findings(
        repositoryName="other", imageId={"imageDigest": elsewhere}
    )
    wanted = [str(one["findingArn"]) for one in findings_of(body)]
    wanted += [arn for child in children for arn in arns(lab, child)]
    assert len(set(wanted)) == 9
    assert details(lab, *wanted)["errors"] == []


@pytest.mark.parametrize("count", [0, 11])
def test_details__of_one_to_ten_findings(lab: Lab, count: int) -> None:
    url = f"{lab.ecr.url}/findings/details/batch/get"
    body = {"findingArns": [NOBODY_S] * count}
    answer = requests.post(url, json=body, headers=SIGNED, timeout=10)
    assert (answer.status_code, answer.headers["x-amzn-ErrorType"]) == (400, "ValidationException")
    assert answer.json()["reason"] == "FIELD_VALIDATION_FAILED"
    assert "'findingArns'" in answer.json()["message"]


def test_details__refuse_what_inspector_refuses(lab: Lab) -> None:
    with refused("ValidationException", "'findingArns'.*between 1 and 10"):
        details(lab, *[NOBODY_S] * 11)
    for nonsense in ("nonsense", NOBODY_S + "0", NOBODY_S.replace("inspector2", "ecr")):
        with refused("ValidationException", "'findingArns'"):
            details(lab, nonsense)
    url = f"{lab.ecr.url}/findings/details/batch/get"
    for body in ({}, {"findingArns": NOBODY_S}, {"findingArns": [1]}):
        assert requests.post(url, json=body, headers=SIGNED, timeout=10).status_code == 400


def test_details__are_signed_for_inspector(lab: Lab) -> None:
    url = f"{lab.ecr.url}/findings/details/batch/get"
    ecr_s = {"Authorization": SIGNED["Authorization"].replace("inspector2", "ecr")}
    for headers in ({}, ecr_s):
        answer = requests.post(url, json={"findingArns": [NOBODY_S]}, headers=headers, timeout=10)
        assert answer.status_code == 403
        assert answer.headers["x-amzn-ErrorType"] == "InvalidSignatureException"
    assert requests.get(url, headers=SIGNED, timeout=10).status_code == 403


def test_details__may_be_denied_alone(lab: Lab) -> None:
    switches = {"finding_details_denied": True}
    digest = scanned(lab, {"default": "known-exploited", "switches": switches})
    (arn, *_) = arns(lab, digest)
    text = (
        r"not authorized to perform: inspector2:BatchGetFindingDetails on resource: "
        r"arn:aws:inspector2:eu-west-1:123456789012:/findings/details/batch/get"
    )
    with refused("AccessDeniedException", text):
        details(lab, arn)
    with contextlib.closing(inspector(lab)) as client:
        assert client.list_coverage()["coveredResources"]
    lab.ecr.set_scenario({"default": "known-exploited", "switches": {"coverage_denied": True}})
    assert details(lab, arn)["errors"] == []


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        ("AccessDeniedException", 403, "not authorized to perform: inspector2:BatchGetFinding"),
        ("ThrottlingException", 429, "Rate exceeded"),
        ("InternalServerException", 500, "An internal error occurred"),
    ],
)
def test_details__faults(lab: Lab, code: str, status: int, text: str) -> None:
    local(lab, "POST", "fail", {"operation": "BatchGetFindingDetails", "code": code})
    with refused(code, text):
        details(lab, NOBODY_S)
    assert details(lab, NOBODY_S)["findingDetails"] == []
    told = [(c.repository, c.status, c.error) for c in lab.ecr.calls("BatchGetFindingDetails")]
    assert told == [(None, status, code), (None, 200, None)]


def test_details__can_be_held(lab: Lab) -> None:
    answers: list[dict[str, Any]] = []
    with lab.ecr.hold("BatchGetFindingDetails", when="after") as held:
        asking = threading.Thread(target=lambda: answers.append(details(lab, NOBODY_S)))
        asking.start()
        held.wait()
        assert (answers, len(lab.ecr.calls("BatchGetFindingDetails"))) == ([], 1)
        held.release()
        asking.join(10)
    assert len(answers[0]["errors"]) == 1


def test_details__wire_bodies_are_of_the_service_models(lab: Lab) -> None:
    session = botocore.session.get_session()
    operation = session.get_service_model("inspector2").operation_model("BatchGetFindingDetails")
    shape = operation.output_shape
    assert shape is not None
    assert (operation.http["method"], operation.http["requestUri"]) == (
        "POST",
        "/findings/details/batch/get",
    )
    wanted = [*arns(lab, scanned(lab, "known-exploited")), NOBODY_S]
    url = f"{lab.ecr.url}/findings/details/batch/get"
    body = requests.post(url, json={"findingArns": wanted}, headers=SIGNED, timeout=10).json()
    assert list(unknown_members(shape, body, "")) == []
    assert not ParamValidator().validate(body, shape).has_errors()
    assert len(body["findingDetails"]) == 3
    # Inspector gives epoch seconds: a text would be read as a date, too, and hide the mistake.
    (cisa,) = [one["cisaData"] for one in body["findingDetails"] if "cisaData" in one]
    assert {type(cisa[name]) for name in ("dateAdded", "dateDue")} == {float}
    codes = shape.members["errors"].member.members["errorCode"].enum  # type: ignore[attr-defined]
    assert {one["errorCode"] for one in body["errors"]} <= set(codes)


# --- ARNs -----------------------------------------------------------------------------------------


def test_arn__of_every_finding_on_every_page_and_each_time_the_same(lab: Lab) -> None:
    digest = scanned(lab, {"default": "vulnerable-enhanced"})
    first = arns(lab, digest)
    assert (len(first), len(set(first))) == (51, 51)
    lab.clock.now += 3600
    paginator = lab.client.get_paginator("describe_image_scan_findings")
    pages = paginator.paginate(
        repositoryName="app",
        imageId={"imageDigest": digest},
        PaginationConfig={"PageSize": 7},
    )
    again = [str(one["findingArn"]) for page in pages for one in findings_of(page)]
    assert again == first


# --- layers ---------------------------------------------------------------------------------------


def layered(lab: Lab, *, diff_ids: object = DIFF_IDS) -> dict[str, Any]:
    """What a manifest has of an image with three layers."""
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diff_ids}}
    return {
        "config": lab.blob("app", json.dumps(config).encode()),
        "layers": [lab.blob("app", content) for content in (b"base", b"middle", b"own")],
    }


def source_layers(lab: Lab, digest: str) -> list[str | None]:
    return [
        package.get("sourceLayerHash")
        for one in found(lab, digest)
        for package in one["packageVulnerabilityDetails"]["vulnerablePackages"]
    ]


@pytest.mark.parametrize("kind", ["blob", "diff_id"])
@pytest.mark.parametrize(
    ("scenario", "places"),
    [
        ("known-exploited", [0, 1, 2]),
        ("base-vulnerable", [0, 0]),
        ("own-vulnerable", [2, 2]),
        ("enhanced-complete-scan-on-push", [0, 1]),
    ],
)
def test_layers__are_the_image_s_own(lab: Lab, kind: str, scenario: str, places: list[int]) -> None:
    parts = layered(lab)
    switches = {"layer_hash": kind}
    digest = scanned(lab, {"default": scenario, "switches": switches}, **parts)
    blobs = [layer["digest"] for layer in parts["layers"]]
    known = blobs if kind == "blob" else DIFF_IDS
    assert source_layers(lab, digest) == [known[place] for place in places]


def test_layers__by_script(lab: Lab) -> None:
    parts = layered(lab)
    blobs = [layer["digest"] for layer in parts["layers"]]
    chosen = ["last", 2, "unknown", "absent", "first"]
    script = step(*({"severity": "LOW", "layer": layer} for layer in chosen))
    digest = scanned(lab, {"default": [script]}, **parts)
    assert source_layers(lab, digest) == [blobs[2], blobs[1], layers.SAMPLE, None, blobs[0]]


@pytest.mark.parametrize("diff_ids", [None, "sha256:a", []])
def test_layers__that_the_config_does_not_tell_are_the_sample_s(lab: Lab, diff_ids: object) -> None:
    scenario = {"default": "known-exploited", "switches": {"layer_hash": "diff_id"}}
    digest = scanned(lab, scenario, **layered(lab, diff_ids=diff_ids))
    assert set(source_layers(lab, digest)) == {layers.SAMPLE}


# --- one image beside another ---------------------------------------------------------------------


def identity(one: dict[str, Any]) -> tuple[object, ...]:
    told = one["packageVulnerabilityDetails"]
    package = told["vulnerablePackages"][0]
    words = ("name", "version", "release", "packageManager", "filePath")
    return (told["vulnerabilityId"], one["severity"], *(package.get(word) for word in words))


def test_two_images__of_one_script_have_the_same_findings_with_arns_of_their_own(
    lab: Lab,
) -> None:
    old = scanned(lab, "vulnerable-enhanced", "v1")
    new = scanned(lab, "vulnerable-enhanced", "v2", architecture="arm64")
    assert [identity(one) for one in found(lab, old)] == [identity(one) for one in found(lab, new)]
    assert not set(arns(lab, old)) & set(arns(lab, new))


def test_two_images__of_two_scripts_by_digest_keep_them_whatever_tags_do(lab: Lab) -> None:
    old = scanned(lab, {"default": [step(counts={"HIGH": 1, "LOW": 2})]}, "latest")
    rule = {"digest": old, "script": [step(counts={"HIGH": 1, "LOW": 2})]}
    scenario = {"rules": [rule], "default": [step(counts={"HIGH": 2, "LOW": 1})]}
    new = scanned(lab, scenario, "latest", architecture="arm64")
    before, after = ({identity(one) for one in found(lab, image)} for image in (old, new))
    assert [word[1] for word in after - before] == ["HIGH"]
    assert [word[1] for word in before - after] == ["LOW"]


def test_two_images__of_two_scripts_by_tag(lab: Lab) -> None:
    scenario = {
        "rules": [{"tag": "base", "script": "base-vulnerable"}],
        "default": "clean-enhanced",
    }
    old = scanned(lab, scenario, "base")
    new = scanned(lab, scenario, "v1", architecture="arm64")
    assert [len(found(lab, image)) for image in (old, new)] == [2, 0]
