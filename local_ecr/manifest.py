"""What a manifest's bytes say: its type, the blobs and the manifests that it needs. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from local_ecr import errors

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
ATTESTATION_LAYER = "application/vnd.in-toto+json"
ATTESTATION_MARK = "attestation-manifest"
MAX_MANIFEST_BYTES = 4_194_304


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """One entry of a manifest: a blob or another manifest."""

    digest: str
    media_type: str
    size: int
    attestation: bool = False


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest, parsed; `raw` are the exact bytes that its digest is made of."""

    raw: bytes
    digest: str
    media_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    children: tuple[Descriptor, ...]

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests and not layers."""
        return self.media_type in INDEX_TYPES

    @property
    def is_attestation(self) -> bool:
        """Whether it carries provenance or an SBOM and no file system."""
        return any(layer.media_type == ATTESTATION_LAYER for layer in self.layers)

    @property
    def needed_blobs(self) -> tuple[str, ...]:
        """Digests that must be in the repository; foreign layers live elsewhere."""
        config = (self.config,) if self.config else ()
        blobs = (*config, *self.layers)
        return tuple(b.digest for b in blobs if not _is_foreign(b.media_type))


def digest_of(content: bytes) -> str:
    """The sha256 digest of these bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def parse(raw: bytes, declared_type: str | None) -> Manifest:
    """Read a manifest.

    Args:
        raw: The exact bytes.
        declared_type: The type from the request, needed only if the manifest does not name its own.

    Raises:
        EcrError: It is no manifest, or nobody says of which type.
    """
    body = _load(raw)
    layers = _descriptors(body.get("layers"))
    children = _descriptors(body.get("manifests"))
    config = _descriptors([body["config"]])[0] if body.get("config") else None
    return Manifest(
        raw=raw,
        digest=digest_of(raw),
        media_type=_media_type(body, declared_type),
        config=config,
        layers=layers,
        children=children,
    )


def _load(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_MANIFEST_BYTES:
        raise errors.invalid_parameter("ImageManifest", "Member must have length less than 4194304")
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise errors.invalid_parameter("ImageManifest", "Invalid JSON syntax") from exc
    if not isinstance(body, dict):
        raise errors.invalid_parameter("ImageManifest", "Invalid JSON syntax")
    return body


def _media_type(body: dict[str, Any], declared: str | None) -> str:
    own = body.get("mediaType")
    if own and declared and own != declared:
        raise errors.invalid_parameter(
            "ImageManifestMediaType", f"Media type in the manifest is {own}, not {declared}"
        )
    found = own or declared
    if not found:
        raise errors.invalid_parameter(
            "ImageManifestMediaType", "Required when the manifest has no mediaType"
        )
    return str(found)


def _descriptors(entries: list[dict[str, Any]] | None) -> tuple[Descriptor, ...]:
    try:
        return tuple(_descriptor(entry) for entry in entries or ())
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise errors.invalid_parameter("ImageManifest", "Invalid image manifest") from exc


def _descriptor(entry: dict[str, Any]) -> Descriptor:
    marks = entry.get("annotations") or {}
    return Descriptor(
        digest=str(entry["digest"]),
        media_type=str(entry.get("mediaType", "")),
        size=int(entry.get("size", 0)),
        attestation=marks.get("vnd.docker.reference.type") == ATTESTATION_MARK,
    )


def _is_foreign(media_type: str) -> bool:
    return ".foreign." in media_type or "nondistributable" in media_type
