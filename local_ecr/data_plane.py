"""The registry as docker sees it: the OCI distribution spec with ECR's rules and texts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs

from werkzeug.wrappers import Request, Response

from local_ecr import errors, manifest
from local_ecr.errors import ERROR_HEADER, ConnectionDropped, EcrError
from local_ecr.images import DIGEST, Put
from local_ecr.registry import Registry

_NAME = r"(?P<name>[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)"
_CODES = {
    "RepositoryNotFoundException": (404, "NAME_UNKNOWN"),
    "ImageTagAlreadyExistsException": (400, "TAG_INVALID"),
    "ReferencedImagesNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "LayersNotFoundException": (404, "MANIFEST_BLOB_UNKNOWN"),
    "ImageNotFoundException": (404, "MANIFEST_UNKNOWN"),
    "InvalidParameterException": (400, "MANIFEST_INVALID"),
    "ImageDigestDoesNotMatchException": (400, "DIGEST_INVALID"),
    "AccessDeniedException": (403, "DENIED"),
    "ThrottlingException": (429, "TOOMANYREQUESTS"),
}
_ACTIONS = {
    "v2.GetManifest": "ecr:BatchGetImage",
    "v2.HeadManifest": "ecr:BatchGetImage",
    "v2.HeadBlob": "ecr:BatchCheckLayerAvailability",
    "v2.GetBlob": "ecr:GetDownloadUrlForLayer",
    "v2.PutManifest": "ecr:PutImage",
    "v2.UploadChunk": "ecr:UploadLayerPart",
    "v2.FinishUpload": "ecr:CompleteLayerUpload",
}


@dataclass(frozen=True, kw_only=True)
class Route:
    """A request of the data plane, understood.

    Attributes:
        operation: Name for the log and for faults, such as `v2.PutManifest`.
        name: The repository, empty for `/v2/` itself.
        reference: Tag, digest or upload id.
        query: The query's parameters, the first value of each.
    """

    operation: str
    name: str = ""
    reference: str = ""
    query: Mapping[str, str]


_ROUTES = (
    ("GET", r"", "v2.Ping"),
    ("GET", _NAME + r"/tags/list", "v2.ListTags"),
    ("GET", _NAME + r"/manifests/(?P<reference>[^/]+)", "v2.GetManifest"),
    ("HEAD", _NAME + r"/manifests/(?P<reference>[^/]+)", "v2.HeadManifest"),
    ("PUT", _NAME + r"/manifests/(?P<reference>[^/]+)", "v2.PutManifest"),
    ("GET", _NAME + r"/blobs/(?P<reference>sha256:[0-9a-f]{64})", "v2.GetBlob"),
    ("HEAD", _NAME + r"/blobs/(?P<reference>sha256:[0-9a-f]{64})", "v2.HeadBlob"),
    ("POST", _NAME + r"/blobs/uploads/?", "v2.StartUpload"),
    ("GET", _NAME + r"/blobs/uploads/(?P<reference>[^/]+)", "v2.UploadStatus"),
    ("PATCH", _NAME + r"/blobs/uploads/(?P<reference>[^/]+)", "v2.UploadChunk"),
    ("PUT", _NAME + r"/blobs/uploads/(?P<reference>[^/]+)", "v2.FinishUpload"),
    ("DELETE", _NAME + r"/blobs/uploads/(?P<reference>[^/]+)", "v2.CancelUpload"),
)
_PATTERNS = tuple((method, re.compile(text), name) for method, text, name in _ROUTES)


def route(method: str, path: str, query_text: str) -> Route:
    """Which operation a request is; `v2.Unknown` if none."""
    query = {key: values[0] for key, values in parse_qs(query_text).items()}
    rest = path.removeprefix("/v2").removeprefix("/")
    for wanted, pattern, operation in _PATTERNS:
        match = pattern.fullmatch(rest)
        if match and method == wanted:
            return Route(operation=operation, query=query, **match.groupdict())
    return Route(operation="v2.Unknown", query=query)


def answer(registry: Registry, request: Request, found: Route) -> Response:
    """Answer one request of the data plane, which its sender may make.

    Raises:
        ConnectionDropped: Old ECR's answer to a push into nothing.
    """
    refusal = _authenticate(registry, request)
    if refusal:
        return refusal
    try:
        if found.name:
            _check_repository(registry, found)
        return _HANDLERS.get(found.operation, _unknown)(registry, request, found)
    except EcrError as error:
        return error_response(error)


def without_mount(found: Route) -> Route:
    """The same upload, with nothing to mount: its sender has to send the blob."""
    query = {name: value for name, value in found.query.items() if name not in ("mount", "from")}
    return replace(found, query=query)


def error_response(error: EcrError) -> Response:
    """A refusal in the distribution format."""
    status, code = _CODES.get(error.code, (error.status, error.code))
    return _error(status, code, error.message)


def denied(registry: Registry, found: Route) -> EcrError:
    """IAM's refusal of what this request needs."""
    action = _ACTIONS.get(found.operation, "ecr:InitiateLayerUpload")
    place = registry.place
    error = errors.not_authorized(place.caller, action, place.arn(found.name))
    reason = f" because no identity-based policy allows the {action} action"
    return EcrError(error.code, error.message + reason)


def _authenticate(registry: Registry, request: Request) -> Response | None:
    with registry.lock:
        state = registry.tokens.check(request.headers.get("Authorization"), registry.clock())
    if state == "valid":
        return None
    if state == "expired":
        return _error(
            403, "DENIED", "Your authorization token has expired. Reauthenticate and try again."
        )
    response = _error(401, "UNAUTHORIZED", "no basic auth credentials")
    realm = f"http://{registry.repositories.host}/"
    response.headers["Www-Authenticate"] = f'Basic realm="{realm}",service="ecr.amazonaws.com"'
    return response


def _check_repository(registry: Registry, found: Route) -> None:
    with registry.lock:
        exists = found.name in registry.repositories.repositories
    if exists:
        return
    old = registry.scenario.switches.missing_repository == "connection-closed"
    if old and found.operation == "v2.StartUpload":
        raise ConnectionDropped
    raise errors.repository_not_found(found.name, registry.place.account)


def _ping(_registry: Registry, _request: Request, _found: Route) -> Response:
    return _response(200, b"", {"Content-Type": "application/json"})


def _unknown(_registry: Registry, request: Request, _found: Route) -> Response:
    status = 404 if request.method in ("GET", "HEAD") else 405
    return _error(status, "UNSUPPORTED", f"{request.method} {request.path} is not supported")


def _list_tags(registry: Registry, _request: Request, found: Route) -> Response:
    with registry.lock:
        tags = sorted(registry.images.shelf(found.name).tags)
    return _json(200, {"name": found.name, "tags": tags})


def _get_manifest(registry: Registry, _request: Request, found: Route) -> Response:
    is_digest = bool(DIGEST.fullmatch(found.reference))
    digest = found.reference if is_digest else None
    tag = None if is_digest else found.reference
    with registry.lock:
        image = registry.images.find(found.name, digest, tag)
    headers = {
        "Content-Type": image.manifest.media_type,
        "Docker-Content-Digest": image.digest,
    }
    return _response(200, image.manifest.raw, headers)


def _put_manifest(registry: Registry, request: Request, found: Route) -> Response:
    parsed = manifest.parse(request.get_data(), request.mimetype or None)
    is_digest = bool(DIGEST.fullmatch(found.reference))
    if is_digest and found.reference != parsed.digest:
        raise errors.digest_does_not_match(found.reference, parsed.digest)
    with registry.lock:
        put = registry.put_request(found.name, parsed, None if is_digest else found.reference)
        _check_tag_state(registry, put)
        registry.store(put)
    headers = {
        "Location": f"/v2/{found.name}/manifests/{parsed.digest}",
        "Docker-Content-Digest": parsed.digest,
    }
    return _response(201, b"", headers)


def _check_tag_state(registry: Registry, put: Put) -> None:
    state = registry.images.tag_state(put)
    refuses = registry.scenario.switches.repush_docker == "refuse"
    again = state == "same" and put.tag and put.mutability.is_immutable(put.tag)
    if put.tag and (state == "fixed" or (again and refuses)):
        raise errors.tag_is_immutable(put.tag, put.repository)


def _head_blob(registry: Registry, _request: Request, found: Route) -> Response:
    with registry.lock:
        is_there = found.reference in registry.images.shelf(found.name).blobs
    if not is_there:
        return _error(404, "BLOB_UNKNOWN", "blob unknown to registry")
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(registry.blobs.path(found.reference).stat().st_size),
        "Docker-Content-Digest": found.reference,
    }
    return Response(status=200, headers=headers)


def _get_blob(registry: Registry, request: Request, found: Route) -> Response:
    response = _head_blob(registry, request, found)
    if response.status_code == 200:  # noqa: PLR2004
        response.response = registry.blobs.read(found.reference)
    return response


def _start_upload(registry: Registry, request: Request, found: Route) -> Response:
    mounted = _mount(registry, found)
    if mounted:
        return mounted
    with registry.lock:
        upload_id = registry.blobs.start()
    if "digest" in found.query:
        return _finish(registry, request, found, upload_id)
    return _upload_state(202, found.name, upload_id, 0)


def _mount(registry: Registry, found: Route) -> Response | None:
    digest, source = found.query.get("mount"), found.query.get("from")
    if not digest or not source or not registry.scenario.switches.blob_mounting:
        return None
    with registry.lock:
        known = source in registry.repositories.repositories
        if not known or digest not in registry.images.shelf(source).blobs:
            return None
        registry.images.shelf(found.name).blobs.add(digest)
    return _blob_created(found.name, digest)


def _upload_status(registry: Registry, _request: Request, found: Route) -> Response:
    upload = registry.blobs.upload(found.reference)
    if upload is None:
        return _no_upload()
    return _upload_state(204, found.name, found.reference, upload.size)


def _upload_chunk(registry: Registry, request: Request, found: Route) -> Response:
    upload = registry.blobs.upload(found.reference)
    if upload is None:
        return _no_upload()
    upload.append(request.stream)
    return _upload_state(202, found.name, found.reference, upload.size)


def _finish_upload(registry: Registry, request: Request, found: Route) -> Response:
    if registry.blobs.upload(found.reference) is None:
        return _no_upload()
    return _finish(registry, request, found, found.reference)


def _finish(registry: Registry, request: Request, found: Route, upload_id: str) -> Response:
    upload = registry.blobs.upload(upload_id)
    if upload is None:
        return _no_upload()
    upload.append(request.stream)
    wanted = found.query.get("digest")
    if upload.digest != wanted:
        registry.blobs.cancel(upload_id)
        return _error(
            400, "DIGEST_INVALID", f"provided digest {wanted} did not match uploaded content"
        )
    with registry.lock:
        digest = registry.blobs.finish(upload_id)
        registry.images.shelf(found.name).blobs.add(digest)
    return _blob_created(found.name, digest)


def _cancel_upload(registry: Registry, _request: Request, found: Route) -> Response:
    registry.blobs.cancel(found.reference)
    return Response(status=204)


def _blob_created(name: str, digest: str) -> Response:
    headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}
    return _response(201, b"", headers)


def _upload_state(status: int, name: str, upload_id: str, size: int) -> Response:
    headers = {
        "Location": f"/v2/{name}/blobs/uploads/{upload_id}",
        "Docker-Upload-UUID": upload_id,
        "Range": f"0-{max(0, size - 1)}",
    }
    return _response(status, b"", headers)


def _no_upload() -> Response:
    return _error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")


def _error(status: int, code: str, message: str) -> Response:
    response = _json(status, {"errors": [{"code": code, "message": message}]})
    response.headers[ERROR_HEADER] = code
    return response


def _json(status: int, body: Mapping[str, Any]) -> Response:
    return _response(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _response(status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    response = Response(body, status=status, headers=dict(headers))
    response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
    return response


_HANDLERS: Mapping[str, Callable[[Registry, Request, Route], Response]] = {
    "v2.Ping": _ping,
    "v2.ListTags": _list_tags,
    "v2.GetManifest": _get_manifest,
    "v2.HeadManifest": _get_manifest,
    "v2.PutManifest": _put_manifest,
    "v2.GetBlob": _get_blob,
    "v2.HeadBlob": _head_blob,
    "v2.StartUpload": _start_upload,
    "v2.UploadStatus": _upload_status,
    "v2.UploadChunk": _upload_chunk,
    "v2.FinishUpload": _finish_upload,
    "v2.CancelUpload": _cancel_upload,
}
