"""Parsed names of OCI and ECR: repository, tag, digest, registry. Never raw strings.

Patterns: OCI distribution spec (tags, digests) and the ECR service model (repository names), see
reference/ecr-behaviour.md section 2, row "limits". Hosts of registries: hosts.py.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from ecr_publish import hosts

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PART = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PART}(?:/{_PART})*")
_ACCOUNT = re.compile(r"[0-9]{12}")
_LIKE_AN_ECR_HOST = re.compile(r"[0-9]{12}\.dkr[.-]ecr")


@dataclass(frozen=True)
class Digest:
    """The sha256 of a manifest's exact bytes: `sha256:` and 64 hexadecimal digits."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read a digest; raises ValueError for anything but `sha256:<64 hex>`."""
        if not _DIGEST.fullmatch(text):
            raise ValueError(f"{text!r} is not a digest (sha256: and 64 hexadecimal digits)")
        return cls(text)

    @classmethod
    def of(cls, content: bytes) -> Digest:
        """The digest of these bytes."""
        return cls(f"sha256:{hashlib.sha256(content).hexdigest()}")

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Tag:
    """A tag by the OCI rule: up to 128 of `A-Z a-z 0-9 _ . -`, not starting with `.` or `-`."""

    value: str

    @classmethod
    def parse(cls, text: str) -> Tag:
        """Read a tag; raises ValueError with the rule that it breaks."""
        if not _TAG.fullmatch(text):
            raise ValueError(
                f"{text!r} is not a tag (1 to 128 of A-Z a-z 0-9 _ . -, not starting with . or -)"
            )
        return cls(text)

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Repository:
    """The name of an ECR repository, without the registry's host: `team/app`."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Read a repository name; raises ValueError, with a hint where a host or tag was given."""
        if text.startswith("public.ecr.aws"):
            raise ValueError(
                f"{text!r} is on ECR Public, which cannot scan images, so nothing could be gated; "
                "give the name of a private repository"
            )
        if _LIKE_AN_ECR_HOST.match(text) or ":" in text:
            raise ValueError(
                f"{text!r} holds more than the repository's name; give only the name, for example "
                f"{_bare_name(text)!r} (the registry's host comes from aws-region and registry)"
            )
        if not cls.is_name(text):
            raise ValueError(
                f"{text!r} is not a repository name (2 to 256 lower-case letters and digits, "
                "parts joined by single . _ - or /)"
            )
        return cls(text)

    @staticmethod
    def is_name(text: str) -> bool:
        """Whether a repository of ECR can have this name."""
        return 2 <= len(text) <= 256 and _REPOSITORY.fullmatch(text) is not None  # noqa: PLR2004

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class ImageName:
    """An image in the registry; `repository` is None for the run's own."""

    reference: Tag | Digest
    repository: Repository | None = None

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Read `tag`, `sha256:…`, `repository:tag` or `repository@sha256:…`; raises ValueError."""
        name, at, digest = text.partition("@")
        if at:
            return cls(Digest.parse(digest), Repository.parse(name))
        if text.startswith("sha256:"):
            return cls(Digest.parse(text))
        name, colon, tag = text.rpartition(":")
        return cls(Tag.parse(tag), Repository.parse(name) if colon else None)

    def __str__(self) -> str:
        if self.repository is None:
            return str(self.reference)
        between = "@" if isinstance(self.reference, Digest) else ":"
        return f"{self.repository}{between}{self.reference}"


@dataclass(frozen=True)
class RegistryId:
    """Which registry to use when it is not the caller's own: an account, or a host of one.

    A host (FIPS, dual-stack) is used for pushing just as it was written; the API reports only
    the plain one (reference/ecr-behaviour.md section 2, row "proxyEndpoint").
    """

    account: str
    host: str | None = None
    region: str | None = None

    @classmethod
    def parse(cls, text: str) -> RegistryId:
        """Read a 12-digit account id or an ECR registry host; raises ValueError otherwise."""
        if _ACCOUNT.fullmatch(text):
            return cls(text)
        host = hosts.read(text)
        if host is None:
            raise ValueError(
                f"{text!r} is neither a 12-digit account id nor a private ECR registry's host "
                "(123456789012.dkr.ecr.eu-west-1.amazonaws.com)"
            )
        return cls(host.account, text, host.region)

    @staticmethod
    def is_host(text: str) -> bool:
        """Whether this is the host of a private ECR registry, also one that is not known yet."""
        return hosts.taken_apart(text) is not None

    @property
    def kind(self) -> hosts.Kind:
        """Which of ECR's endpoints the host is one of; an account alone says nothing of it."""
        host = hosts.read(self.host) if self.host else None
        return host.kind if host else hosts.PLAIN


@dataclass(frozen=True)
class ImageReference:
    """An image anywhere, as docker names it; `host` is empty for Docker Hub's own."""

    host: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> ImageReference:
        """Read `host/repository:tag`, by docker's rules `latest` without a tag; never fails.

        A host is the same in capitals, with the port of HTTPS, and with the root's dot.
        """
        name = text.partition("@")[0]
        first, slash, rest = name.partition("/")
        host, path = (first, rest) if slash and _is_host(first) else ("", name)
        host = host.lower().removesuffix(":443").removesuffix(".")
        repository, _, tag = path.partition(":")
        return cls(host, repository, tag or "latest")


@dataclass(frozen=True)
class FullTag:
    """A tag, with the registry's host and repository where it was written as a full reference."""

    tag: Tag
    host: str | None = None
    repository: str | None = None

    @classmethod
    def parse(cls, text: str) -> FullTag:
        """Read `1.4.2` or `host/repository:1.4.2`; raises ValueError for anything else."""
        if "/" not in text:
            return cls(Tag.parse(text))
        host, _, rest = text.partition("/")
        if not _is_host(host):
            raise ValueError(
                f"{text!r} is neither a tag nor a full reference (host/repository:tag); "
                "give only the tag"
            )
        name, separator, tag = rest.rpartition(":")
        if not separator:
            raise ValueError(f"{text!r} is a reference without a tag (host/repository:tag)")
        return cls(Tag.parse(tag), host, name)


def _is_host(part: str) -> bool:
    """Docker's rule for what stands before a reference's first slash."""
    return "." in part or ":" in part or part == "localhost"


def matches(wildcard: str, text: str) -> bool:
    """Whether ECR's wildcard covers a text: `*` stands for any number of characters."""
    parts = (re.escape(part) for part in wildcard.split("*"))
    return re.fullmatch(".*".join(parts), text) is not None


def _bare_name(text: str) -> str:
    path = text.partition("://")[2] or text
    first, slash, rest = path.partition("/")
    name = (rest if slash and _is_host(first) else path).partition("@")[0].partition(":")[0]
    return "my-app" if not name or _LIKE_AN_ECR_HOST.match(name) else name
