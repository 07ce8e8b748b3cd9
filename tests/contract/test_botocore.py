"""What the code knows of ECR is what botocore's own service model says: an SDK bump must ask us."""

from __future__ import annotations

import botocore.session
import pytest
from botocore.model import ServiceModel, StringShape, StructureShape

from ecr_publish import errors
from ecr_publish.edges.registry import PAGE_SIZE
from ecr_publish.findings import Page, Severity
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
    assert set(errors._ROOMS) <= set(model("ecr").operation_names)


def test_limits__are_those_of_the_model() -> None:
    results = model("ecr").shape_for("MaxResults").metadata
    duration = model("sts").shape_for("roleDurationSecondsType").metadata
    assert results["max"] == PAGE_SIZE
    assert (duration["min"], duration["max"]) == (SHORTEST_SESSION, LONGEST_SESSION)
