"""What IAM is asked about each request, on both planes: Service Authorization Reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local_ecr.data_plane import Route
from local_ecr.policies import Access
from local_ecr.registry import Registry

_V2: Mapping[str, tuple[str, ...]] = {
    "v2.ListTags": ("ListImages",),
    "v2.GetManifest": ("BatchGetImage",),
    "v2.HeadManifest": ("BatchGetImage",),
    "v2.PutManifest": ("PutImage",),
    "v2.HeadBlob": ("BatchCheckLayerAvailability",),
    "v2.GetBlob": ("GetDownloadUrlForLayer",),
    "v2.StartUpload": ("InitiateLayerUpload",),
    "v2.UploadStatus": ("UploadLayerPart",),
    "v2.UploadChunk": ("UploadLayerPart",),
    "v2.FinishUpload": ("CompleteLayerUpload",),
    "v2.CancelUpload": ("UploadLayerPart",),
}
_AT_ONCE = ("InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload")
"""A blob whose upload is begun and ended by one request."""
_WITH_CONTENT = ("UploadLayerPart", "CompleteLayerUpload")
"""An upload that is ended by the request that brings its content, as BuildKit does it. That ECR
asks for both is inferred: its API has no other call that takes content."""
_OF_THE_REGISTRY = frozenset(
    {
        "GetAuthorizationToken",
        "GetRegistryScanningConfiguration",
        "PutRegistryScanningConfiguration",
        "GetAccountSetting",
        "DescribeRegistry",
    }
)
"""Calls that know no resource."""


def of_ecr(registry: Registry, operation: str, body: Mapping[str, Any]) -> Iterator[Access]:
    """What a call of the ECR API needs; of an enhanced registry's findings, Inspector's too."""
    for resource in _resources(registry, operation, body):
        yield Access(action=f"ecr:{operation}", resource=resource)
    if operation == "DescribeImageScanFindings" and _is_enhanced(registry, body):
        yield from of_inspector(registry, "ListCoverage")
        yield from of_inspector(registry, "ListFindings")


def of_inspector(registry: Registry, operation: str) -> Iterator[Access]:
    """What a call of Inspector needs, which knows no resource but names one in its messages."""
    yield Access(action=f"inspector2:{operation}", resource=registry.place.inspector_arn(operation))


def of_docker(registry: Registry, found: Route, *, content: bool) -> Iterator[Access]:
    """What a request of the data plane needs; the ping only needs a login.

    `content` says whether the request brings any.
    """
    names = _V2.get(found.operation, ())
    if found.operation == "v2.StartUpload" and "digest" in found.query:
        names = _AT_ONCE
    if found.operation == "v2.FinishUpload" and content:
        names = _WITH_CONTENT
    for name in names:
        yield Access(action=f"ecr:{name}", resource=registry.place.arn(found.name))


def of_a_mount(registry: Registry, found: Route) -> Access | None:
    """What the other repository has to allow for a blob to be mounted from it; None for none."""
    source = found.query.get("from", "")
    if found.operation != "v2.StartUpload" or not source:
        return None
    return Access(action="ecr:GetDownloadUrlForLayer", resource=registry.place.arn(source))


def _resources(registry: Registry, operation: str, body: Mapping[str, Any]) -> list[str]:
    if operation in _OF_THE_REGISTRY:
        return ["*"]
    names = body.get("repositoryNames") or [body.get("repositoryName") or "*"]
    return [registry.place.arn(str(name)) for name in names]


def _is_enhanced(registry: Registry, body: Mapping[str, Any]) -> bool:
    name = str(body.get("repositoryName"))
    known = name in registry.repositories.repositories
    return known and registry.coverage(name).enhanced
