"""What the code knows of ECR is what botocore's own service model says: an SDK bump must ask us."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
import pytest
from botocore.model import ServiceModel, StringShape, StructureShape

from ecr_publish import errors, hosts
from ecr_publish.edges.registry import PAGE_SIZE, endpoints, kind_of
from ecr_publish.findings import Page, Severity
from ecr_publish.hosts import PLAIN, Kind
from ecr_publish.inputs import Mutability
from ecr_publish.scan import Refused, interpret
from ecr_publish.values import LONGEST_SESSION, SHORTEST_SESSION


def model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)


def values(service: str, shape: str) -> set[str]:
    found = model(service).shape_for(shape)
    assert isinstance(found, StringShape)
    return set(found.enum)


@pytest.mark.parametrize("status", sorted(values("ecr", "ScanStatus")))
def test_scan_status__of_the_model_is_known(status: str) -> None:
    state = interpret(Page(status=status))

    assert not (isinstance(state, Refused) and "unknown status" in state.reason)


def test_severity__of_basic_scans_is_known() -> None:
    assert values("ecr", "FindingSeverity") == {severity.value for severity in Severity}


def test_severity__of_inspector_differs_by_untriaged_alone() -> None:
    ranked = {severity.value for severity in Severity} - {"UNDEFINED"}
    assert values("inspector2", "Severity") == ranked | {"UNTRIAGED"}


def test_scan_type__is_known() -> None:
    assert values("ecr", "ScanType") == {"BASIC", "ENHANCED"}


def test_mutability__of_the_model_is_known() -> None:
    plain = {member.value for member in Mutability}
    with_exclusion = {f"{value}_WITH_EXCLUSION" for value in plain}
    assert values("ecr", "ImageTagMutability") == plain | with_exclusion


@pytest.mark.parametrize(
    ("operation", "codes"),
    [
        ("DescribeRepositories", ["RepositoryNotFoundException"]),
        ("CreateRepository", ["RepositoryAlreadyExistsException"]),
        ("PutImage", ["ImageAlreadyExistsException", "ImageTagAlreadyExistsException"]),
        ("DescribeImageScanFindings", ["ScanNotFoundException", "ImageNotFoundException"]),
    ],
)
def test_error__that_the_code_looks_for_exists(operation: str, codes: list[str]) -> None:
    shapes = {shape.name for shape in model("ecr").operation_model(operation).error_shapes}
    assert set(codes) <= shapes


def test_failure__of_an_image_that_is_not_there_is_the_one_the_code_passes_over() -> None:
    assert "ImageNotFound" in values("ecr", "ImageFailureCode")


def test_image__says_when_it_was_pushed() -> None:
    detail = model("ecr").shape_for("ImageDetail")
    assert isinstance(detail, StructureShape)
    assert detail.members["imagePushedAt"].type_name == "timestamp"


def test_operations__with_an_exit_code_exist() -> None:
    known = {*model("ecr").operation_names, *model("inspector2").operation_names}
    assert set(errors._ROOMS) <= known


def test_limits__are_those_of_the_model() -> None:
    results = model("ecr").shape_for("MaxResults").metadata
    duration = model("sts").shape_for("roleDurationSecondsType").metadata
    assert results["max"] == PAGE_SIZE
    assert (duration["min"], duration["max"]) == (SHORTEST_SESSION, LONGEST_SESSION)


# Where it asks ----------------------------------------------------------------------------------

SDK = botocore.session.get_session()
PARTITIONS: dict[str, Any] = {
    entry["partition"]: entry for entry in SDK.get_data("endpoints")["partitions"]
}
OURS = {"aws": "eu-west-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
OURS |= {"aws-eusc": "eusc-de-east-1"}


@pytest.mark.parametrize(
    ("name", "region"),
    [(name, region) for name, entry in PARTITIONS.items() for region in entry["regions"]],
)
def test_partition__of_every_region_of_the_sdk(name: str, region: str) -> None:
    if name in OURS:
        assert hosts.partition(region).name == name
    else:
        with pytest.raises(ValueError, match="none of the partitions"):
            hosts.partition(region)


@pytest.mark.parametrize("service", ["api.ecr", "sts", "inspector2"])
@pytest.mark.parametrize("name", OURS)
def test_fips__is_where_the_sdk_lists_it(service: str, name: str) -> None:
    listed = PARTITIONS[name]["services"].get(service, {}).get("endpoints", {})
    # Names such as fips-us-east-1 are regions of old SDKs, and marked so.
    found = {
        region
        for region, entry in listed.items()
        if region in PARTITIONS[name]["regions"]
        and any(variant["tags"] == ["fips"] for variant in entry.get("variants", []))
    }
    assert set(hosts.partition(OURS[name]).fips_regions) == found


class _Asked(Exception):
    """What would have been asked, which this test only wants to know."""


def asked(service: str, region: str, kind: Kind) -> str:
    """The host that the SDK would ask, by the configuration of our clients."""
    session: Any = boto3.Session("id", "key", region_name=region)
    client = session.client(service, config=endpoints(kind))

    def stop(request: Any, **_: Any) -> None:
        raise _Asked(urlsplit(request.url).hostname)

    client.meta.events.register("before-send", stop)
    assert kind_of(client) == kind
    with pytest.raises(_Asked) as caught:
        client.get_caller_identity() if service == "sts" else client.get_authorization_token()
    return str(caught.value)


FIPS, DUAL, BOTH = Kind(fips=True), Kind(dual_stack=True), Kind(fips=True, dual_stack=True)


@pytest.mark.parametrize(
    ("service", "region", "kind", "host"),
    [
        ("ecr", "eu-west-1", PLAIN, "api.ecr.eu-west-1.amazonaws.com"),
        ("ecr", "eu-west-1", DUAL, "ecr.eu-west-1.api.aws"),
        ("ecr", "us-east-1", FIPS, "api.ecr-fips.us-east-1.amazonaws.com"),
        ("ecr", "us-east-1", BOTH, "ecr-fips.us-east-1.api.aws"),
        ("ecr", "us-gov-west-1", PLAIN, "api.ecr.us-gov-west-1.amazonaws.com"),
        ("ecr", "us-gov-west-1", FIPS, "api.ecr-fips.us-gov-west-1.amazonaws.com"),
        ("ecr", "cn-north-1", PLAIN, "api.ecr.cn-north-1.amazonaws.com.cn"),
        ("ecr", "cn-north-1", DUAL, "ecr.cn-north-1.api.amazonwebservices.com.cn"),
        ("ecr", "eusc-de-east-1", PLAIN, "api.ecr.eusc-de-east-1.amazonaws.eu"),
        ("sts", "eu-west-1", PLAIN, "sts.eu-west-1.amazonaws.com"),
        ("sts", "eu-west-1", DUAL, "sts.eu-west-1.api.aws"),
        ("sts", "us-east-1", FIPS, "sts-fips.us-east-1.amazonaws.com"),
        # In GovCloud every endpoint of STS is FIPS.
        ("sts", "us-gov-west-1", FIPS, "sts.us-gov-west-1.amazonaws.com"),
        ("sts", "cn-north-1", PLAIN, "sts.cn-north-1.amazonaws.com.cn"),
        ("sts", "eusc-de-east-1", PLAIN, "sts.eusc-de-east-1.amazonaws.eu"),
    ],
)
def test_endpoints__that_our_clients_ask(
    service: str, region: str, kind: Kind, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    assert asked(service, region, kind) == host
