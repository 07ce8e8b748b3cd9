"""Small images pushed through `/v2/`, for tests that need one in ECR but no engine."""

from __future__ import annotations

import base64
import hashlib
import json

import boto3
import requests

from ecr_publish.manifest import OCI_MANIFEST, Manifest
from ecr_publish.reference import Digest
from local_ecr.server import LocalEcr


def push_image(ecr: LocalEcr, repository: str, tag: str, content: bytes = b"layer") -> Manifest:
    """Push an image of one layer; gives its manifest."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "note": content.hex()}).encode()
    descriptors = [_push_blob(ecr, repository, blob) for blob in (config, content)]
    text = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                **descriptors[0],
            },
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **descriptors[1]}],
        }
    )
    answer = requests.put(
        f"{ecr.url}/v2/{repository}/manifests/{tag}",
        data=text,
        headers={"Content-Type": OCI_MANIFEST},
        auth=_login(),
        timeout=10,
    )
    answer.raise_for_status()
    return Manifest(digest=Digest(_digest(text.encode())), media_type=OCI_MANIFEST, text=text)


def _push_blob(ecr: LocalEcr, repository: str, blob: bytes) -> dict[str, str | int]:
    digest = _digest(blob)
    answer = requests.post(
        f"{ecr.url}/v2/{repository}/blobs/uploads/?digest={digest}",
        data=blob,
        auth=_login(),
        timeout=10,
    )
    answer.raise_for_status()
    return {"digest": digest, "size": len(blob)}


def _login() -> tuple[str, str]:
    token = boto3.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(token["authorizationToken"]).decode().partition(":")
    return user, password


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
