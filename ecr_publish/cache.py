"""The caches of a build: what cache-from and cache-to name, and what ECR needs of them.

Docker: "Cache storage backends". BuildKit's own kind of cache manifest is an index of layers, which
ECR refuses; as an image it is taken.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace

from ecr_publish.reference import ImageReference, RegistryId, Tag

REGISTRY, GITHUB, INLINE = "registry", "gha", "inline"
TOKEN = "ACTIONS_RUNTIME_TOKEN"  # noqa: S105 - the name of a variable
ADDRESSES = ("ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL")
"""Where GitHub's cache is; buildx takes the first if ACTIONS_CACHE_SERVICE_V2 is true, as GitHub's
runner sets it, and it leaves the cache out without a word where it finds none (buildx 0.29,
build/opt.go, addGithubToken)."""
_FOR_ECR = (("image-manifest", "true"), ("oci-mediatypes", "true"))
_CREDENTIALS = ("secret_access_key", "session_token", "token", "ghtoken")


@dataclass(frozen=True, kw_only=True)
class Cache:
    """One cache; `attributes` are those of buildx, in the order in which they were given."""

    type: str
    attributes: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, line: str) -> Cache:
        """Read `type=…,name=value,…` or the reference of an image; raises ValueError.

        What is read is never shown, because it may hold credentials; and of those that would stand
        in buildx's command line, none is taken.
        """
        fields = _fields(line)
        if len(fields) == 1 and "=" not in fields[0]:
            return _tagged(cls(type=REGISTRY, attributes=(("ref", fields[0]),)))
        pairs = [(name.lower(), value) for name, _, value in (f.partition("=") for f in fields)]
        kind = dict(pairs).get("type")
        if not kind or any("=" not in item for item in fields):
            raise ValueError("a line is neither type=…,name=value,… nor the reference of an image")
        named = [name for name, _ in pairs if name in _CREDENTIALS]
        if named:
            raise ValueError(
                f"holds {named[0]}, which every process of the runner could read; hand it over in "
                "the variable of the environment that buildx takes it from"
            )
        attributes = tuple(pair for pair in pairs if pair[0] != "type")
        return _tagged(cls(type=kind, attributes=attributes))

    @property
    def image(self) -> ImageReference | None:
        """The image that holds the cache; None where no image does."""
        ref = dict(self.attributes).get("ref", "")
        return ImageReference.parse(ref) if self.type == REGISTRY and ref else None

    def __str__(self) -> str:
        pairs = (("type", self.type), *self.attributes)
        return ",".join(quoted(f"{name}={value}") for name, value in pairs)


def exported(cache: Cache, own_host: str) -> Cache:
    """The cache as it is to be written, of a kind that ECR takes, unless the user says which.

    Args:
        cache: What the user asked for.
        own_host: The registry that the run publishes to.
    """
    image = cache.image
    if image is None or not (image.host == own_host or RegistryId.is_host(image.host)):
        return cache
    given = dict(cache.attributes)
    added = tuple(pair for pair in _FOR_ECR if pair[0] not in given)
    return replace(cache, attributes=cache.attributes + added)


def quoted(text: str) -> str:
    """A field as buildx reads it, which is CSV."""
    if '"' in text or "," in text or "\n" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def _tagged(cache: Cache) -> Cache:
    if cache.image:
        try:
            Tag.parse(cache.image.tag)
        except ValueError:
            raise ValueError("the reference's tag is none (host/repository:tag)") from None
    return cache


def _fields(line: str) -> list[str]:
    try:
        return next(csv.reader([line], strict=True))
    except csv.Error:
        raise ValueError("a line is not CSV (type=…,name=value,…)") from None
