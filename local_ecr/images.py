"""The images of one registry and ECR's rules about them: the one truth of both planes.

No I/O and no clock here; the caller holds the lock and says what time it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

from local_ecr import errors
from local_ecr.manifest import OCI_MANIFEST, Manifest

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,299}")
MAX_TAGS = 1000


@dataclass(frozen=True, kw_only=True)
class Mutability:
    """Which tags of a repository can move; the filters are the exceptions to the mode."""

    mode: str = "MUTABLE"
    filters: tuple[str, ...] = ()

    def is_immutable(self, tag: str) -> bool:
        """Whether this tag, once set, stays where it is."""
        excluded = any(fnmatchcase(tag, pattern) for pattern in self.filters)
        return self.mode.startswith("IMMUTABLE") != excluded


@dataclass(frozen=True, kw_only=True)
class Image:
    """One manifest in one repository."""

    manifest: Manifest
    size: int
    pushed_at: float
    platform: str | None = None

    @property
    def digest(self) -> str:
        """The digest of the manifest."""
        return self.manifest.digest


@dataclass(frozen=True, kw_only=True)
class Removed:
    """One line of a BatchDeleteImage answer: removed, or why not."""

    digest: str | None
    tag: str | None
    failure: str | None = None
    reason: str | None = None


@dataclass(kw_only=True)
class Shelf:
    """The images, tags and blobs of one repository."""

    images: dict[str, Image] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blobs: set[str] = field(default_factory=set)

    def tags_of(self, digest: str) -> list[str]:
        """Tags that point to this digest, in the order in which they were set."""
        return [tag for tag, target in self.tags.items() if target == digest]

    def parents_of(self, digest: str) -> list[Image]:
        """The indexes that list this digest."""
        return [
            image
            for image in self.images.values()
            if any(child.digest == digest for child in image.manifest.children)
        ]

    def known_tags(self, digest: str) -> list[str]:
        """The digest's own tags and those of the indexes around it, at any depth."""
        tags = self.tags_of(digest)
        for parent in self.parents_of(digest):
            tags += self.known_tags(parent.digest)
        return tags

    def needs(self, blob: str) -> bool:
        """Whether an image is made of this blob."""
        return any(blob in image.manifest.needed_blobs for image in self.images.values())

    def is_attestation(self, digest: str) -> bool:
        """Whether the manifest itself or an index around it says that it is no image to run."""
        marked = (
            child.attestation
            for parent in self.parents_of(digest)
            for child in parent.manifest.children
            if child.digest == digest
        )
        return self.images[digest].manifest.is_attestation or any(marked)


@dataclass(frozen=True, kw_only=True)
class Put:
    """A manifest that wants to enter a repository, under a tag or under none."""

    repository: str
    manifest: Manifest
    tag: str | None
    mutability: Mutability
    platform: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Removal:
    """One id of a BatchDeleteImage call, and what it may do to a child of an index."""

    digest: str | None
    tag: str | None
    untag_children: bool


class ImageStore:
    """All shelves of one registry."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._shelves: dict[str, Shelf] = {}

    def shelf(self, repository: str) -> Shelf:
        """The shelf of a repository that exists; empty if nothing was pushed."""
        return self._shelves.setdefault(repository, Shelf())

    def drop(self, repository: str) -> None:
        """Forget all of a repository."""
        self._shelves.pop(repository, None)

    def find(self, repository: str, digest: str | None, tag: str | None) -> Image:
        """The image with this digest, this tag, or both.

        Raises:
            EcrError: ImageNotFoundException.
        """
        shelf = self.shelf(repository)
        target = digest or shelf.tags.get(tag or "", "")
        wrong_tag = tag is not None and shelf.tags.get(tag) != target
        if target not in shelf.images or wrong_tag:
            raise errors.image_not_found(digest, tag, repository, self._account)
        return shelf.images[target]

    def check_parts(self, put: Put) -> None:
        """Refuse a manifest whose children or layers are not in the repository."""
        shelf = self.shelf(put.repository)
        children = [c.digest for c in put.manifest.children if c.digest not in shelf.images]
        if children:
            raise errors.children_not_found(children, put.repository, self._account)
        layers = [digest for digest in put.manifest.needed_blobs if digest not in shelf.blobs]
        if layers:
            raise errors.layers_not_found(layers, put.repository, self._account)

    def tag_state(self, put: Put) -> Literal["free", "same", "movable", "fixed"]:
        """What stands in the way of the wanted tag."""
        shelf = self.shelf(put.repository)
        if put.tag is None:
            return "same" if put.manifest.digest in shelf.images else "free"
        current = shelf.tags.get(put.tag)
        if current is None:
            return "free"
        if current == put.manifest.digest:
            return "same"
        return "fixed" if put.mutability.is_immutable(put.tag) else "movable"

    def store(self, put: Put, now: float, *, renew: bool = False) -> tuple[Image, bool]:
        """Keep the manifest and set its tag, without any check.

        Args:
            put: The manifest.
            now: Epoch seconds.
            renew: An image that is there already counts as pushed now.

        Returns:
            The image, and whether its digest is new in this repository.
        """
        shelf = self.shelf(put.repository)
        digest = put.manifest.digest
        is_new = digest not in shelf.images
        if is_new:
            shelf.images[digest] = Image(
                manifest=put.manifest,
                size=_size(put.manifest, shelf),
                pushed_at=now,
                platform=put.platform,
            )
        elif renew:
            shelf.images[digest] = replace(shelf.images[digest], pushed_at=now)
        if put.tag is not None:
            shelf.tags.pop(put.tag, None)
            shelf.tags[put.tag] = digest
        return shelf.images[digest], is_new

    def remove(
        self,
        repository: str,
        ids: Iterable[tuple[str | None, str | None]],
        *,
        untag_children: bool = False,
    ) -> list[Removed]:
        """BatchDeleteImage: (digest, tag) pairs; references count as they were before the call.

        Args:
            repository: One that exists.
            ids: What to remove: an image, with all its tags, or one tag.
            untag_children: What an index lists may lose its last tag, and stays without one.
        """
        shelf = self.shelf(repository)
        referenced = {c.digest for image in shelf.images.values() for c in image.manifest.children}
        answers: list[Removed] = []
        for digest, tag in ids:
            removal = _Removal(digest=digest, tag=tag, untag_children=untag_children)
            answers += _remove_one(shelf, removal, referenced)
        return answers


def check_tag(tag: str) -> None:
    """Refuse what is no tag."""
    if not TAG.fullmatch(tag):
        raise errors.invalid_parameter(
            "imageTag", f"must satisfy regular expression '{TAG.pattern}'"
        )


def artifact_media_type(manifest: Manifest) -> str | None:
    """The type that DescribeImages shows for one-platform manifests: that of their config."""
    return manifest.config.media_type if manifest.config else None


def _size(manifest: Manifest, shelf: Shelf) -> int:
    if manifest.is_index:
        return max((shelf.images[c.digest].size for c in manifest.children), default=0)
    config = manifest.config.size if manifest.config else 0
    return config + sum(layer.size for layer in manifest.layers)


def _remove_one(shelf: Shelf, removal: _Removal, referenced: set[str]) -> list[Removed]:
    refusal = _removal_refusal(shelf, removal, referenced)
    if refusal:
        return [replace(refusal, digest=removal.digest, tag=removal.tag)]
    if removal.tag is not None:
        return [_remove_tag(shelf, removal.tag, referenced)]
    return _remove_digest(shelf, removal.digest or "")


def _removal_refusal(shelf: Shelf, removal: _Removal, referenced: set[str]) -> Removed | None:
    digest, tag = removal.digest, removal.tag
    if digest is None and tag is None:
        return _failure(
            "MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null"
        )
    if digest is not None and not DIGEST.fullmatch(digest):
        return _failure(
            "InvalidImageDigest",
            "Invalid request parameters: image digest should satisfy the regex "
            "'[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        )
    target = shelf.tags.get(tag) if tag is not None else digest
    if target not in shelf.images or (digest is not None and digest not in shelf.images):
        return _failure("ImageNotFound", "Requested image not found")
    if digest is not None and digest != target:
        return _failure("ImageTagDoesNotMatchDigest", "Requested tag does not match the digest")
    if target in referenced and _takes_image(shelf, removal, target):
        return _failure(
            "ImageReferencedByManifestList", "Requested image referenced by manifest list"
        )
    return None


def _takes_image(shelf: Shelf, removal: _Removal, target: str) -> bool:
    if removal.tag is None:
        return True
    return not removal.untag_children and len(shelf.tags_of(target)) == 1


def _failure(code: str, reason: str) -> Removed:
    return Removed(digest=None, tag=None, failure=code, reason=reason)


def _remove_tag(shelf: Shelf, tag: str, referenced: set[str]) -> Removed:
    digest = shelf.tags.pop(tag)
    if not shelf.tags_of(digest) and digest not in referenced:
        del shelf.images[digest]
    return Removed(digest=digest, tag=tag)


def _remove_digest(shelf: Shelf, digest: str) -> list[Removed]:
    tags = shelf.tags_of(digest)
    for tag in tags:
        del shelf.tags[tag]
    del shelf.images[digest]
    return [Removed(digest=digest, tag=tag) for tag in tags or (None,)]


def type_is_accepted(media_type: str, accepted: Iterable[str] | None) -> bool:
    """Whether BatchGetImage by tag hands out this type; without a list, OCI images are not."""
    if accepted:
        return media_type in set(accepted)
    return media_type != OCI_MANIFEST and not media_type.startswith("application/vnd.oci.")
