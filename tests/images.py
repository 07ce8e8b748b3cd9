"""Small images pushed through `/v2/`, for tests that need one in ECR but no engine."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone

import requests

from ecr_publish.edges.ports import Registry
from ecr_publish.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from ecr_publish.plan import RepositoryState
from ecr_publish.reference import Digest
from local_ecr.server import LocalEcr

ATTESTED = "unknown/unknown"
_Login = tuple[str, str]


def looked(registry: Registry) -> RepositoryState:
    """The repository, which is there."""
    state = registry.look()
    assert isinstance(state, RepositoryState)
    return state


def push_image(
    ecr: LocalEcr,
    repository: str,
    tag: str = "",
    content: bytes = b"layer",
    platform: str = "linux/amd64",
    *,
    labels: Mapping[str, str] | None = None,
    created: int | None = None,
    login: _Login | None = None,
) -> Manifest:
    """Push an image of one layer, without a tag by its digest; gives its manifest.

    `created` is the time that it states as its own, in seconds since 1970.
    """
    system, _, architecture = platform.partition("/")
    config = {"architecture": architecture, "os": system, "note": content.hex()}
    stated = {"config": {"Labels": dict(labels)}} if labels else {}
    made = {} if created is None else {"created": _time(created)}
    blobs = (json.dumps({**config, **stated, **made}).encode(), content)
    with _logged_in(ecr, login) as session:
        descriptors = [_push_blob(ecr, repository, session, blob) for blob in blobs]
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
    created: int | None = None,
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
            created=created,
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
    with _logged_in(ecr, login) as session:
        answer = session.put(
            f"{ecr.url}/v2/{repository}/manifests/{tag or digest}",
            data=text,
            headers={"Content-Type": media_type},
            timeout=10,
        )
    answer.raise_for_status()
    return Manifest(digest=Digest(digest), media_type=media_type, text=text)


def _push_blob(
    ecr: LocalEcr, repository: str, session: requests.Session, blob: bytes
) -> dict[str, str | int]:
    digest = _digest(blob)
    answer = session.post(
        f"{ecr.url}/v2/{repository}/blobs/uploads/?digest={digest}", data=blob, timeout=10
    )
    answer.raise_for_status()
    return {"digest": digest, "size": len(blob)}


@contextmanager
def _logged_in(ecr: LocalEcr, login: _Login | None) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.auth = login or _login(ecr)
        yield session


def _login(ecr: LocalEcr) -> _Login:
    """A password without a call, which would cost more time than the push."""
    with ecr.registry.lock:
        token, _ = ecr.registry.tokens.issue(ecr.registry.clock())
    user, _, password = base64.b64decode(token).decode().partition(":")
    return user, password


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
