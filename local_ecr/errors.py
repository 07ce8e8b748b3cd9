"""What ECR refuses and how it says so: codes of the control plane, texts of the real service."""

from __future__ import annotations

from collections.abc import Iterable

ERROR_HEADER = "X-Local-Error"
"""Carries a refusal's code from where it is worded to the log; taken off before the wire."""


class EcrError(Exception):
    """A refusal as ECR words it; the two planes put it on the wire each in their own way."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class ConnectionDropped(Exception):
    """The server is to close the connection without an answer."""


def repository_not_found(name: str, account: str) -> EcrError:
    """The repository is not in this registry."""
    return EcrError(
        "RepositoryNotFoundException",
        f"The repository with name '{name}' does not exist in the registry with id '{account}'",
    )


def repository_not_empty(name: str, account: str) -> EcrError:
    """DeleteRepository without force on a repository with images."""
    return EcrError(
        "RepositoryNotEmptyException",
        f"The repository with name '{name}' in registry with id '{account}' "
        "cannot be deleted because it still contains images",
    )


def image_not_found(digest: str | None, tag: str | None, name: str, account: str) -> EcrError:
    """The tag or the digest is not in the repository."""
    return EcrError(
        "ImageNotFoundException",
        f"The image with imageId {image_id_text(digest, tag)} does not exist within the "
        f"repository with name '{name}' in the registry with id '{account}'",
    )


def scan_not_found(digest: str | None, tag: str | None, name: str, account: str) -> EcrError:
    """There is no scan of this image, or not yet."""
    return EcrError(
        "ScanNotFoundException",
        f"Image scan does not exist for the image with '{image_id_text(digest, tag)}' "
        f"in the repository with name '{name}' in the registry with id '{account}'",
    )


def image_id_text(digest: str | None, tag: str | None) -> str:
    """An image id as ECR prints it in its messages."""
    return f"{{imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'}}"


def image_already_exists(digest: str, tag: str | None, name: str, account: str) -> EcrError:
    """PutImage of what already is there, under the tag that it already has."""
    return EcrError(
        "ImageAlreadyExistsException",
        f"Image with digest '{digest}' and tag '{tag or 'null'}' already exists in the "
        f"repository with name '{name}' in registry with id '{account}'",
    )


def tag_is_immutable(tag: str, name: str) -> EcrError:
    """The tag is taken and cannot be moved."""
    return EcrError(
        "ImageTagAlreadyExistsException",
        f"The image tag '{tag}' already exists in the '{name}' repository and cannot be "
        "overwritten because the tag is immutable.",
    )


def children_not_found(digests: Iterable[str], name: str, account: str) -> EcrError:
    """An index names manifests that are not in the repository."""
    return EcrError(
        "ReferencedImagesNotFoundException",
        f"Images with digests '[{', '.join(digests)}]' required for pushing image into "
        f"repository with name '{name}' in the registry with id '{account}' do not exist",
    )


def layers_not_found(digests: Iterable[str], name: str, account: str) -> EcrError:
    """A manifest names blobs that are not in the repository."""
    return EcrError(
        "LayersNotFoundException",
        f"Layers with digests '[{', '.join(digests)}]' required for pushing image into "
        f"repository with name '{name}' in the registry with id '{account}' do not exist",
    )


def layer_not_found(digest: str, name: str, account: str) -> EcrError:
    """GetDownloadUrlForLayer of a blob that is not in the repository."""
    return EcrError(
        "LayersNotFoundException",
        f"The layer with digest '{digest}' does not exist within the repository with name "
        f"'{name}' in the registry with id '{account}'",
    )


def layer_inaccessible(digest: str, name: str, account: str) -> EcrError:
    """GetDownloadUrlForLayer of a blob that was uploaded, but that no image needs."""
    return EcrError(
        "LayerInaccessibleException",
        f"The layer with digest '{digest}' in the repository with name '{name}' in the registry "
        f"with id '{account}' is not available because it is not associated with an image",
    )


def digest_does_not_match(given: str, computed: str) -> EcrError:
    """PutImage's guard: the manifest's bytes are not those that the caller meant."""
    return EcrError(
        "ImageDigestDoesNotMatchException",
        f"The image digest '{given}' does not match the digest '{computed}' "
        "of the image manifest that was sent",
    )


def invalid_parameter(member: str, constraint: str) -> EcrError:
    """A parameter that ECR cannot use."""
    return EcrError(
        "InvalidParameterException",
        f"Invalid parameter at '{member}' failed to satisfy constraint: '{constraint}'",
    )


def scan_quota_exceeded() -> EcrError:
    """One basic scan per image in 24 hours, the one on push included."""
    return EcrError(
        "LimitExceededException", "The scan quota per image has been exceeded. Wait and try again."
    )


def manual_scan_disabled() -> EcrError:
    """StartImageScan where enhanced scanning is on."""
    return EcrError("ValidationException", "This feature is disabled")


def cannot_be_scanned(media_type: str) -> EcrError:
    """StartImageScan on an index."""
    return EcrError(
        "UnsupportedImageTypeException",
        f"An artifact with media type '{media_type}' cannot be scanned. "
        "For more information, see the Amazon ECR documentation.",
    )


def not_authorized(caller: str, action: str, resource: str) -> EcrError:
    """IAM's refusal of one action on one resource."""
    return EcrError(
        "AccessDeniedException",
        f"User: {caller} is not authorized to perform: {action} on resource: {resource}",
    )
