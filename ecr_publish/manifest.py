"""The manifest that was pushed -> what ECR has to scan.

Neither engine of ECR scans an index, only the images in it, and an attestation in it is no image
(reference/ecr-behaviour.md section 1.4).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecr_publish.errors import UnexpectedManifest
from ecr_publish.reference import Digest

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_LIST)
MEDIA_TYPES = (*IMAGES, *INDEXES)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest's exact bytes, as text, with the media type and the digest that ECR gave."""

    digest: Digest
    media_type: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """One image that has to be scanned, and its platform where an index names it."""

    digest: Digest
    platform: str = ""


def targets(manifest: Manifest) -> tuple[Target, ...]:
    """The images to scan behind a manifest; raises UnexpectedManifest where it cannot be sure."""
    _check_digest(manifest)
    if manifest.media_type in IMAGES:
        return (Target(digest=manifest.digest),)
    if manifest.media_type not in INDEXES:
        raise UnexpectedManifest(
            str(manifest.digest), f"its media type {manifest.media_type!r} is not one of an image"
        )
    children = json.loads(manifest.text).get("manifests") or []
    found = tuple(_target(manifest, child) for child in children if not _is_attestation(child))
    if not found:
        raise UnexpectedManifest(str(manifest.digest), "its index holds no image to scan")
    return found


def _check_digest(manifest: Manifest) -> None:
    actual = f"sha256:{hashlib.sha256(manifest.text.encode()).hexdigest()}"
    if actual != str(manifest.digest):
        raise UnexpectedManifest(str(manifest.digest), f"its bytes have the digest {actual}")


def _target(index: Manifest, child: Mapping[str, Any]) -> Target:
    if child.get("mediaType") not in IMAGES:
        raise UnexpectedManifest(
            str(index.digest), f"its index holds a child of media type {child.get('mediaType')!r}"
        )
    platform = child.get("platform") or {}
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    return Target(
        digest=Digest.parse(child["digest"]), platform="/".join(part for part in parts if part)
    )


def _is_attestation(child: Mapping[str, Any]) -> bool:
    """Whether a child is BuildKit's attestation.

    A child with a real platform is what `docker pull` would choose, whatever its annotations say,
    so it is never skipped.
    """
    platform = child.get("platform") or {}
    annotations = child.get("annotations") or {}
    marked = annotations.get("vnd.docker.reference.type") == "attestation-manifest"
    unknown = (platform.get("os"), platform.get("architecture")) == ("unknown", "unknown")
    return unknown or (marked and not platform)
