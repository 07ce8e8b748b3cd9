"""Package URLs -> a package's name and version as ECR writes them (package-url/purl-spec)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from ecr_publish.ignore_files.rules import Incomparable, sound

_PURL = re.compile(
    r"pkg:/*(?P<kind>[a-z][a-z0-9.+-]*)/(?P<path>[^?#\s]+?)(@(?P<version>[^/@?#\s]*))?"
    r"(\?(?P<qualifiers>[^#\s]*))?(#(?P<subpath>\S*))?",
    re.IGNORECASE,
)
_DISTRIBUTED = ("apk", "deb", "rpm")
"""Their namespace is the distribution; ECR names the package alone."""
_JOINED = {"composer": "/", "golang": "/", "maven": ":", "npm": "/"}
_ALONE = ("cargo", "gem", "nuget", "pypi")


@dataclass(frozen=True, kw_only=True)
class Purl:
    """A package URL, decoded; two are equal that mean the same."""

    kind: str
    namespace: str
    name: str
    version: str
    qualifiers: Mapping[str, str]
    subpath: str
    text: str = field(compare=False)

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Purl:
    """Parse a package URL; raises ValueError."""
    found = _PURL.fullmatch(sound(text))
    if not found:
        raise ValueError(f"{text[:60]!r} is not a package URL (pkg:npm/lodash@4.17.20)")
    *folders, name = _parts(found["path"])
    return Purl(
        kind=found["kind"].lower(),
        namespace="/".join(folders),
        name=name,
        version=_decoded(found["version"] or ""),
        qualifiers=_qualifiers(found["qualifiers"] or ""),
        subpath=found["subpath"] or "",
        text=text,
    )


def package_of(purl: Purl) -> tuple[str, str]:
    """Name and version (empty for any) of a package as ECR writes them; raises Incomparable."""
    narrowed = [*(f"the qualifier {key}" for key in purl.qualifiers), "the subpath"]
    if purl.qualifiers or purl.subpath:
        raise Incomparable(f"{narrowed[0]} of {purl} cannot be compared")
    return _name(purl), purl.version


def of_image(purl: Purl, repository: str) -> None:
    """Raise Incomparable unless a product is the image of a repository, whichever version."""
    if purl.kind != "oci":
        raise Incomparable(f"{purl} is not an image (pkg:oci/…)")
    url = purl.qualifiers.get("repository_url")
    names = not purl.namespace and purl.name == repository.rpartition("/")[2]
    if not names or (url is not None and not _leads_to(url, repository)):
        raise Incomparable(f"{purl} is not the image of the repository {repository}")
    if purl.version or purl.subpath or set(purl.qualifiers) - {"repository_url"}:
        raise Incomparable(f"which image of {repository} is meant by {purl} is not known here")


def _leads_to(url: str, repository: str) -> bool:
    """Whether a URL without tag is a registry's host and this very repository, or that alone."""
    host, _, path = re.sub(r"^https?://", "", url).partition("/")
    return url == repository or (path == repository and bool(re.search(r"[.:]|^localhost$", host)))


def _parts(path: str) -> list[str]:
    """Namespace and name, decoded; an @ that is not written %40 may only begin a namespace."""
    parts = [_decoded(part) for part in path.split("/") if part]
    if not parts or path.rpartition("/")[2].startswith("@") or re.search("[^/]@", path):
        raise ValueError(f"{path[:60]!r} is not the path of a package URL (@ is written %40)")
    if any("/" in part for part in parts):
        raise ValueError(f"{path[:60]!r} has a / (%2F) within a name")
    return parts


def _name(purl: Purl) -> str:
    if purl.kind in _DISTRIBUTED:
        return purl.name
    if purl.kind in _JOINED:
        return _JOINED[purl.kind].join(filter(None, (purl.namespace, purl.name)))
    if purl.kind not in _ALONE or purl.namespace:
        raise Incomparable(f"how ECR would name {purl} is not known")
    return purl.name.lower().replace("_", "-") if purl.kind == "pypi" else purl.name


def _qualifiers(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in filter(None, text.split("&")):
        key, _, value = pair.partition("=")
        if not key or key.lower() in found:
            raise ValueError(f"{pair[:60]!r} is no qualifier, or there twice")
        found[key.lower()] = _decoded(value)
    return {key: value for key, value in found.items() if value}


def _decoded(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", text):
        raise ValueError(f"{text[:60]!r} has a % without two hexadecimal digits")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError(f"{text[:60]!r} is not UTF-8 once its % are decoded") from None
