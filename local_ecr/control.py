"""The ECR API's operations on images and scans. One function per operation: registry, body -> body.

What is not here is moto's; see repositories.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_ecr import errors, manifest, scan_answers, scan_config, scan_script
from local_ecr.faults import Fault
from local_ecr.images import Image, Put, Removed, artifact_media_type, type_is_accepted
from local_ecr.paging import offset, page_of, token
from local_ecr.registry import Registry, ScanNow

Body = Mapping[str, Any]
Operation = Callable[[Registry, Body], "dict[str, Any]"]
_DEFAULT_PAGE = 100
_LARGEST_PAGE = 1000
_LAYER_DIGEST = re.compile(r"[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+")


def get_authorization_token(registry: Registry, body: Body, owner: str = "") -> dict[str, Any]:
    """A password of this process, and the registry's address; `owner`: the caller's access key."""
    token, expires = registry.tokens.issue(registry.clock(), owner)
    data = {
        "authorizationToken": token,
        "expiresAt": expires,
        "proxyEndpoint": f"http://{registry.repositories.host}",
    }
    return {"authorizationData": [data] * max(1, len(body.get("registryIds") or ()))}


def put_image(registry: Registry, body: Body) -> dict[str, Any]:
    """A manifest under a tag: the promotion of a publisher."""
    repository = _repository(registry, body)
    parsed = manifest.parse(body["imageManifest"].encode(), body.get("imageManifestMediaType"))
    wanted = body.get("imageDigest")
    if wanted and wanted != parsed.digest:
        raise errors.digest_does_not_match(wanted, parsed.digest)
    put = registry.put_request(repository, parsed, body.get("imageTag"))
    _check_tag_state(registry, put)
    image = registry.store(put)
    return {"image": _image(registry, repository, image, put.tag)}


def _check_tag_state(registry: Registry, put: Put) -> None:
    state = registry.images.tag_state(put)
    account = registry.place.account
    tag = put.tag or ""
    fixed = put.mutability.is_immutable(tag)
    says_tag = registry.scenario.switches.repush_api == "ImageTagAlreadyExistsException"
    if state == "fixed" or (state == "same" and put.tag and fixed and says_tag):
        raise errors.tag_is_immutable(tag, put.repository)
    if state == "same":
        raise errors.image_already_exists(put.manifest.digest, put.tag, put.repository, account)


def batch_get_image(registry: Registry, body: Body) -> dict[str, Any]:
    """Manifests, byte for byte; what is not there is a failure inside a good answer."""
    repository = _repository(registry, body)
    images, failures = [], []
    for image_id in body["imageIds"]:
        image = _accepted_image(registry, repository, image_id, body.get("acceptedMediaTypes"))
        scripted = registry.scenario.switches.image_failure
        if image is None:
            failures.append(_get_failure(image_id, "ImageNotFound", "Requested image not found"))
        elif scripted:
            failures.append(_get_failure(image_id, scripted, f"The image is there: {scripted}"))
        else:
            images.append(_image(registry, repository, image, image_id.get("imageTag")))
    return {"images": images, "failures": failures}


def _accepted_image(
    registry: Registry, repository: str, image_id: Body, accepted: Sequence[str] | None
) -> Image | None:
    try:
        image = _find(registry, repository, image_id)
    except errors.EcrError:
        return None
    # A digest names exact bytes and is never converted; a tag hands out accepted types only.
    if "imageDigest" in image_id or registry.scenario.switches.type_not_accepted == "return":
        return image
    return image if type_is_accepted(image.manifest.media_type, accepted) else None


def _get_failure(image_id: Body, code: str, reason: str) -> dict[str, Any]:
    return {"imageId": dict(image_id), "failureCode": code, "failureReason": reason}


def batch_delete_image(registry: Registry, body: Body) -> dict[str, Any]:
    """Remove tags or images; see ImageStore.remove."""
    repository = _repository(registry, body)
    ids = [(entry.get("imageDigest"), entry.get("imageTag")) for entry in body["imageIds"]]
    untag = registry.scenario.switches.last_tag_of_child == "untag"
    removed = registry.images.remove(repository, ids, untag_children=untag)
    _forget_scans(registry, repository, removed)
    return {
        "imageIds": [_id(line.digest, line.tag) for line in removed if not line.failure],
        "failures": [_failure(line) for line in removed if line.failure],
    }


def _forget_scans(registry: Registry, repository: str, removed: Sequence[Removed]) -> None:
    kept = registry.images.shelf(repository).images
    for line in removed:
        if line.digest and line.digest not in kept:
            registry.scans.forget(repository, line.digest)


def _failure(line: Removed) -> dict[str, Any]:
    return {
        "imageId": _id(line.digest, line.tag),
        "failureCode": line.failure,
        "failureReason": line.reason,
    }


def describe_images(registry: Registry, body: Body) -> dict[str, Any]:
    """Image records, newest last. Scan fields are gone since the AWS_NATIVE engine."""
    repository = _repository(registry, body)
    if body.get("imageIds"):
        found = [_find(registry, repository, image_id) for image_id in body["imageIds"]]
        return {"imageDetails": [_detail(registry, repository, image) for image in found]}
    status = (body.get("filter") or {}).get("tagStatus", "ANY")
    shelf = registry.images.shelf(repository)
    listed = [
        _detail(registry, repository, image)
        for image in shelf.images.values()
        if status in ("ANY", "TAGGED" if shelf.tags_of(image.digest) else "UNTAGGED")
    ]
    return _page(listed, body, "imageDetails")


def _detail(registry: Registry, repository: str, image: Image) -> dict[str, Any]:
    tags = registry.images.shelf(repository).tags_of(image.digest)
    artifact = artifact_media_type(image.manifest)
    detail = {
        "registryId": registry.place.account,
        "repositoryName": repository,
        "imageDigest": image.digest,
        "imageTags": tags or None,
        "imageSizeInBytes": image.size,
        # Whole seconds, as ECR gives them.
        "imagePushedAt": int(image.pushed_at),
        "imageManifestMediaType": image.manifest.media_type,
        "artifactMediaType": artifact,
        "imageStatus": "ACTIVE",
    }
    return {name: value for name, value in detail.items() if value is not None}


def list_images(registry: Registry, body: Body) -> dict[str, Any]:
    """Image ids: one per tag, and one per image without a tag."""
    repository = _repository(registry, body)
    shelf = registry.images.shelf(repository)
    status = (body.get("filter") or {}).get("tagStatus", "ANY")
    listed = [
        _id(digest, tag)
        for digest in shelf.images
        for tag in (*shelf.tags_of(digest),) or (None,)
        if status in ("ANY", "TAGGED" if tag else "UNTAGGED")
    ]
    return _page(listed, body, "imageIds")


def describe_image_scan_findings(registry: Registry, body: Body) -> dict[str, Any]:
    """Status and one page of findings as the scenario has them at this moment."""
    repository = _repository(registry, body)
    image_id = body["imageId"]
    image = _find(registry, repository, image_id)
    _check_inspector_permission(registry, repository)
    start = offset(body.get("nextToken"))
    now = registry.scan_now(repository, image, start)
    if now is None or now.answer.status == scan_script.NOT_FOUND:
        tag = image_id.get("imageTag") if now else None
        raise errors.scan_not_found(image.digest, tag, repository, registry.place.account)
    _check_scripted_error(now)
    page = scan_answers.findings_page(now.answer, now.frame, start, _page_size(now, body))
    if page.next is None:
        registry.scans.note_read(now.record, now.step.after)
    answer = {
        "registryId": registry.place.account,
        "repositoryName": repository,
        "imageId": _id(image.digest, image_id.get("imageTag")),
        "imageScanStatus": scan_answers.scan_status(now.answer, now.frame),
    }
    return answer | page.body | ({} if page.next is None else {"nextToken": token(page.next)})


def _check_inspector_permission(registry: Registry, repository: str) -> None:
    denied = registry.scenario.switches.inspector_denied
    if denied and registry.coverage(repository).enhanced:
        raise registry.place.inspector_denied("ListCoverage" if denied is True else denied)


def _check_scripted_error(now: ScanNow) -> None:
    if now.answer.error:
        fault = Fault(operation="DescribeImageScanFindings", code=now.answer.error)
        raise errors.EcrError(fault.code, fault.text or fault.code, fault.http_status)


def _page_size(now: ScanNow, body: Body) -> int:
    wanted = int(body.get("maxResults") or _DEFAULT_PAGE)
    if not 1 <= wanted <= _LARGEST_PAGE:
        raise errors.invalid_parameter("maxResults", f"must be between 1 and {_LARGEST_PAGE}")
    return min(wanted, now.answer.page_size or wanted)


def describe_image_signing_status(registry: Registry, body: Body) -> dict[str, Any]:
    """Whether ECR could sign the image when it was pushed, where the registry signs."""
    repository = _repository(registry, body)
    image = _find(registry, repository, body["imageId"])
    profile = registry.scenario.switches.signing_profile
    return {
        "registryId": registry.place.account,
        "repositoryName": repository,
        "imageId": _id(image.digest, body["imageId"].get("imageTag")),
        "signingStatuses": registry.signatures.statuses(repository, image.digest, profile),
    }


def start_image_scan(registry: Registry, body: Body) -> dict[str, Any]:
    """A basic scan by hand, once in 24 hours."""
    repository = _repository(registry, body)
    image = _find(registry, repository, body["imageId"])
    registry.start_scan(repository, image)
    return {
        "registryId": registry.place.account,
        "repositoryName": repository,
        "imageId": _id(image.digest, body["imageId"].get("imageTag")),
        "imageScanStatus": {"status": "IN_PROGRESS"},
    }


def batch_get_repository_scanning_configuration(registry: Registry, body: Body) -> dict[str, Any]:
    """What really holds for each repository, which its own record does not tell."""
    known = registry.repositories.repositories
    names = body["repositoryNames"]
    return {
        "scanningConfigurations": [_coverage(registry, name) for name in names if name in known],
        "failures": [
            {
                "repositoryName": name,
                "failureCode": "REPOSITORY_NOT_FOUND",
                "failureReason": "REPOSITORY_NOT_FOUND",
            }
            for name in names
            if name not in known
        ],
    }


def _coverage(registry: Registry, name: str) -> dict[str, Any]:
    covered: scan_config.Coverage = registry.coverage(name)
    return {
        "repositoryArn": registry.place.arn(name),
        "repositoryName": name,
        "scanOnPush": covered.on_push,
        "scanFrequency": covered.frequency,
        "appliedScanFilters": list(covered.filters),
    }


def batch_check_layer_availability(registry: Registry, body: Body) -> dict[str, Any]:
    """Which of these blobs the repository has."""
    repository = _repository(registry, body)
    blobs = registry.images.shelf(repository).blobs
    layers = [
        {
            "layerDigest": digest,
            "layerAvailability": "AVAILABLE" if digest in blobs else "UNAVAILABLE",
        }
        for digest in body["layerDigests"]
    ]
    return {"layers": layers, "failures": []}


def get_download_url_for_layer(registry: Registry, body: Body) -> dict[str, Any]:
    """Where to get a layer or a config; the URL needs no credentials, as those of S3 do not."""
    repository, digest = _repository(registry, body), str(body["layerDigest"])
    shelf, account = registry.images.shelf(repository), registry.place.account
    if not _LAYER_DIGEST.fullmatch(digest):
        raise errors.invalid_parameter("layerDigest", f"must satisfy '{_LAYER_DIGEST.pattern}'")
    if digest not in shelf.blobs:
        raise errors.layer_not_found(digest, repository, account)
    if not shelf.needs(digest):
        raise errors.layer_inaccessible(digest, repository, account)
    path = registry.downloads.path(repository, digest, registry.clock())
    return {"downloadUrl": f"http://{registry.repositories.host}{path}", "layerDigest": digest}


def get_account_setting(registry: Registry, body: Body) -> dict[str, Any]:
    """The settings of the account that touch a publisher."""
    mounting = "ENABLED" if registry.scenario.switches.blob_mounting else "DISABLED"
    values = {"BASIC_SCAN_TYPE_VERSION": "AWS_NATIVE", "BLOB_MOUNTING": mounting}
    name = body["name"]
    if name not in values:
        raise errors.invalid_parameter("name", f"must be one of {', '.join(values)}")
    return {"name": name, "value": values[name]}


OPERATIONS: Mapping[str, Operation] = {
    "BatchCheckLayerAvailability": batch_check_layer_availability,
    "BatchDeleteImage": batch_delete_image,
    "BatchGetImage": batch_get_image,
    "BatchGetRepositoryScanningConfiguration": batch_get_repository_scanning_configuration,
    "DescribeImageScanFindings": describe_image_scan_findings,
    "DescribeImageSigningStatus": describe_image_signing_status,
    "DescribeImages": describe_images,
    "GetAccountSetting": get_account_setting,
    "GetAuthorizationToken": get_authorization_token,
    "GetDownloadUrlForLayer": get_download_url_for_layer,
    "ListImages": list_images,
    "PutImage": put_image,
    "StartImageScan": start_image_scan,
}
NOT_OFFERED = frozenset({"InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"})
"""Layer uploads, which only docker makes, through /v2/; moto's would be a second truth."""


def _repository(registry: Registry, body: Body) -> str:
    name = str(body["repositoryName"])
    registry.repositories.get(name, body.get("registryId"))
    return name


def _find(registry: Registry, repository: str, image_id: Body) -> Image:
    return registry.images.find(repository, image_id.get("imageDigest"), image_id.get("imageTag"))


def _id(digest: str | None, tag: str | None) -> dict[str, str]:
    pairs = {"imageDigest": digest, "imageTag": tag}
    return {name: value for name, value in pairs.items() if value is not None}


def _image(registry: Registry, repository: str, image: Image, tag: str | None) -> dict[str, Any]:
    return {
        "registryId": registry.place.account,
        "repositoryName": repository,
        "imageId": _id(image.digest, tag),
        "imageManifest": image.manifest.raw.decode(),
        "imageManifestMediaType": image.manifest.media_type,
    }


def _page(items: Sequence[Any], body: Body, name: str) -> dict[str, Any]:
    return page_of(items, body, name, _DEFAULT_PAGE)
