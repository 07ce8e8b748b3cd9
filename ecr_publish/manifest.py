"""The manifest that was pushed -> what ECR has to scan.

Neither engine of ECR scans an index, only the images in it, and an attestation in it is no image
(reference/ecr-behaviour.md section 1.4).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
_READ_KEYS = (
    *("manifests", "mediaType", "digest", "platform"),
    *("os", "architecture", "variant"),
)
_SPELLING = {key.casefold(): key for key in _READ_KEYS}
_DEEPEST = 4
"""How many indexes may stand in each other; nobody needs more, and a loop needs an end."""


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


def targets(manifest: Manifest, fetch: Callable[[Digest], Manifest]) -> tuple[Target, ...]:
    """The images to scan behind a manifest, each once, also through an index in an index.

    Args:
        manifest: What was pushed.
        fetch: Gives the manifest of a digest; used for an index in an index only.

    Raises UnexpectedManifest where it cannot be sure to have found them all.
    """
    found = tuple(dict.fromkeys(_expand(manifest, fetch, _DEEPEST)))
    if not found:
        raise UnexpectedManifest(str(manifest.digest), "its index holds no image to scan")
    return found


def descriptors(index: Manifest) -> list[Mapping[str, Any]]:
    """All that an index lists, attestations too; raises UnexpectedManifest for anything else."""
    _check_digest(index)
    children = _children(index)
    for child in children:
        _digest_of(index, child)
        _platform(index, child)
    return children


def config_digest(image: Manifest) -> Digest:
    """The digest of an image's configuration, whose labels say how the image was made."""
    _check_digest(image)
    try:
        content = json.loads(image.text, object_pairs_hook=_unambiguous)
        return Digest.parse(content["config"]["digest"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnexpectedManifest(str(image.digest), "it names no configuration") from None


def missing_platforms(wanted: Sequence[str], found: Sequence[Target]) -> tuple[str, ...]:
    """The platforms that were asked for and that no image of the index has.

    A single image states no platform, so it stands for a single platform that was asked for.
    """
    if len(wanted) == len(found) == 1 and not found[0].platform:
        return ()
    there = {comparable(target.platform) for target in found}
    return tuple(platform for platform in wanted if comparable(platform) not in there)


_ALIASES = {
    "linux/aarch64": "linux/arm64",
    "linux/arm64/v8": "linux/arm64",
    "linux/aarch64/v8": "linux/arm64",
    "linux/arm": "linux/arm/v7",
    "linux/armhf": "linux/arm/v7",
    "linux/x86_64": "linux/amd64",
    "linux/amd64/v1": "linux/amd64",
    "linux/x86_64/v1": "linux/amd64",
}
"""BuildKit takes other names too, and leaves the variant away that an architecture has anyway."""


def comparable(platform: str) -> str:
    """One of the names of a platform that has several."""
    return _ALIASES.get(platform, platform)


def _expand(
    manifest: Manifest, fetch: Callable[[Digest], Manifest], deeper: int
) -> Iterator[Target]:
    _check_digest(manifest)
    if manifest.media_type in IMAGES:
        yield Target(digest=manifest.digest)
        return
    if manifest.media_type not in INDEXES:
        raise UnexpectedManifest(
            str(manifest.digest), f"its media type {manifest.media_type!r} is not one of an image"
        )
    if not deeper:
        raise UnexpectedManifest(str(manifest.digest), f"it is an index inside {_DEEPEST} others")
    for child in _children(manifest):
        digest = _digest_of(manifest, child)
        if child.get("mediaType") in INDEXES:
            # Checked against the digest that the index names, whatever was fetched.
            yield from _expand(replace(fetch(digest), digest=digest), fetch, deeper - 1)
        elif not _is_attestation(child):
            yield Target(digest=digest, platform=_platform(manifest, child))


def _children(index: Manifest) -> list[Mapping[str, Any]]:
    try:
        children = json.loads(index.text, object_pairs_hook=_unambiguous).get("manifests")
    except (ValueError, AttributeError, RecursionError):
        children = None
    if not isinstance(children, list) or not all(isinstance(item, dict) for item in children):
        raise UnexpectedManifest(str(index.digest), "its index cannot be read")
    return children


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # The engines read JSON with Go, for which `Platform` is `platform` and the last one counts. An
    # index could show another image there than here.
    seen = set()
    for key, _ in pairs:
        folded = key.casefold()
        if folded in seen or _SPELLING.get(folded, key) != key:
            raise ValueError(f"the key {key!r} can be read in two ways")
        seen.add(folded)
    return dict(pairs)


def _digest_of(index: Manifest, child: Mapping[str, Any]) -> Digest:
    try:
        return Digest.parse(str(child.get("digest")))
    except ValueError as error:
        raise UnexpectedManifest(str(index.digest), f"its index holds a child: {error}") from None


def _check_digest(manifest: Manifest) -> None:
    actual = Digest.of(manifest.text.encode())
    if actual != manifest.digest:
        raise UnexpectedManifest(str(manifest.digest), f"its bytes have the digest {actual}")


def _platform(index: Manifest, child: Mapping[str, Any]) -> str:
    if child.get("mediaType") not in IMAGES:
        raise UnexpectedManifest(
            str(index.digest), f"its index holds a child of media type {child.get('mediaType')!r}"
        )
    platform = child.get("platform") or {}
    names = ("os", "architecture", "variant")
    parts = [platform.get(name) or "" for name in names] if isinstance(platform, dict) else [None]
    if not all(isinstance(part, str) for part in parts):
        raise UnexpectedManifest(str(index.digest), "a platform in it cannot be read")
    return "/".join(filter(None, parts))


def _is_attestation(child: Mapping[str, Any]) -> bool:
    """Whether a child is BuildKit's attestation: its platform is unknown, so nothing can run it.

    Annotations prove nothing: whatever else `docker pull` could choose has to be scanned.
    """
    platform = child.get("platform")
    return isinstance(platform, dict) and (
        (platform.get("os"), platform.get("architecture")) == ("unknown", "unknown")
    )
