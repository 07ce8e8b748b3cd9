"""Small images pushed through `/v2/`, for tests that need one in ECR but no engine."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import partial

import boto3
import requests

from ecr_publish.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from ecr_publish.reference import Digest
from local_ecr.server import LocalEcr

ATTESTED = "unknown/unknown"
_Login = tuple[str, str]


def push_image(
    ecr: LocalEcr,
    repository: str,
    tag: str = "",
    content: bytes = b"layer",
    platform: str = "linux/amd64",
    *,
    labels: Mapping[str, str] | None = None,
    login: _Login | None = None,
) -> Manifest:
    """Push an image of one layer, without a tag by its digest; gives its manifest."""
    system, _, architecture = platform.partition("/")
    stated = {"config": {"Labels": dict(labels)}} if labels else {}
    config = {"architecture": architecture, "os": system, "note": content.hex(), **stated}
    push = partial(_push_blob, ecr, repository, login or _login())
    descriptors = [push(blob) for blob in (json.dumps(config).encode(), content)]
    types = ("config.v1+json", "layer.v1.tar")
    of_config, of_layer = (
        {"mediaType": f"application/vnd.oci.image.{name}", **descriptor}
        for name, descriptor in zip(types, descriptors, strict=True)
    )
    image: dict[str, object] = {"config": of_config, "layers": [of_layer]}
    return push_manifest(ecr, repository, tag, {"mediaType": OCI_MANIFEST, **image}, login)


def push_index(
    ecr: LocalEcr,
    repository: str,
    tag: str,
    platforms: Sequence[str],
    *,
    content: bytes = b"",
    labels: Mapping[str, str] | None = None,
    login: _Login | None = None,
) -> Manifest:
    """Push an image per platform by digest, BuildKit's attestation, and the index of them all."""
    children = []
    for name in (*platforms, ATTESTED):
        image = push_image(
            ecr,
            repository,
            content=name.encode() + content,
            platform=name,
            labels=None if name == ATTESTED else labels,
            login=login,
        )
        children.append(child(image, name))
    return push_manifest(
        ecr, repository, tag, {"mediaType": OCI_INDEX, "manifests": children}, login
    )


def child(image: Manifest, platform: str) -> dict[str, object]:
    """What an index says of an image."""
    system, _, architecture = platform.partition("/")
    plain = {"mediaType": OCI_MANIFEST, "digest": str(image.digest), "size": len(image.text)}
    return {**plain, "platform": {"os": system, "architecture": architecture}}


def push_manifest(
    ecr: LocalEcr,
    repository: str,
    tag: str,
    content: Mapping[str, object],
    login: _Login | None = None,
) -> Manifest:
    """Push a manifest, without a tag by its digest."""
    text, media_type = json.dumps({"schemaVersion": 2, **content}), str(content["mediaType"])
    digest = _digest(text.encode())
    answer = requests.put(
        f"{ecr.url}/v2/{repository}/manifests/{tag or digest}",
        data=text,
        headers={"Content-Type": media_type},
        auth=login or _login(),
        timeout=10,
    )
    answer.raise_for_status()
    return Manifest(digest=Digest(digest), media_type=media_type, text=text)


def _push_blob(ecr: LocalEcr, repository: str, login: _Login, blob: bytes) -> dict[str, str | int]:
    digest = _digest(blob)
    answer = requests.post(
        f"{ecr.url}/v2/{repository}/blobs/uploads/?digest={digest}",
        data=blob,
        auth=login,
        timeout=10,
    )
    answer.raise_for_status()
    return {"digest": digest, "size": len(blob)}


def _login() -> _Login:
    token = boto3.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(token["authorizationToken"]).decode().partition(":")
    return user, password


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
