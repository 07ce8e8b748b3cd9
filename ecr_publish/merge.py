"""Images of one platform each -> the index that holds them all (OCI image index specification)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecr_publish.errors import CannotMerge
from ecr_publish.manifest import IMAGES, OCI_INDEX, Manifest, comparable, descriptors
from ecr_publish.reference import Digest

_OF_A_PLATFORM = ("architecture", "os", "os.version", "os.features", "variant")


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one native runner has pushed: an image with its configuration (JSON), or an index."""

    manifest: Manifest
    config: str = ""


def merged(parts: Sequence[Part]) -> Manifest:
    """The index of all images of the parts; equal parts in any order give equal bytes.

    A part that is an index itself, as buildx makes it for an attestation, is flattened: its
    attestations stay beside the images that they speak of.

    Raises CannotMerge where two images are for one platform, or one states none.
    """
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for item in sorted((item for part in parts for item in _descriptors(part)), key=_order):
        found.setdefault((item["digest"], comparable(_name(item))), item)
    children = [*found.values()]
    _check_platforms(children)
    content = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
    text = json.dumps(content, indent=2, sort_keys=True)
    return Manifest(digest=Digest.of(text.encode()), media_type=OCI_INDEX, text=text)


def _descriptors(part: Part) -> list[Mapping[str, Any]]:
    if part.manifest.media_type not in IMAGES:
        return descriptors(part.manifest)
    return [
        {
            "mediaType": part.manifest.media_type,
            "digest": str(part.manifest.digest),
            "size": len(part.manifest.text.encode()),
            "platform": _stated_platform(part),
        }
    ]


def _stated_platform(part: Part) -> Mapping[str, Any]:
    try:
        config = json.loads(part.config)
        stated = {name: config[name] for name in _OF_A_PLATFORM if config.get(name)}
    except (ValueError, AttributeError, RecursionError):
        stated = {}
    names = [stated.get(name, "") for name in ("os", "architecture", "variant")]
    # Unknown is what an attestation says of itself, which is then not scanned.
    if not all(isinstance(name, str) for name in names) or "unknown" in names:
        raise CannotMerge(f"{part.manifest.digest} does not say which platform it is for")
    return stated


def _check_platforms(children: Sequence[Mapping[str, Any]]) -> None:
    images: dict[str, str] = {}
    for child in children:
        platform = child.get("platform") or {}
        if not (platform.get("os") and platform.get("architecture")):
            raise CannotMerge(f"{child['digest']} does not say which platform it is for")
        name = comparable(_name(child))
        if name == "unknown/unknown":
            continue
        if name in images:
            raise CannotMerge(f"{images[name]} and {child['digest']} are both for {name}")
        images[name] = child["digest"]


def _order(descriptor: Mapping[str, Any]) -> tuple[str, str, str]:
    # An index may describe an image in other words than its configuration does.
    return _name(descriptor), descriptor["digest"], json.dumps(descriptor, sort_keys=True)


def _name(descriptor: Mapping[str, Any]) -> str:
    platform = descriptor.get("platform") or {}
    parts = (platform.get("os"), platform.get("architecture"), platform.get("variant"))
    return "/".join(part for part in parts if part)
