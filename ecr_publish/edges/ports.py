"""What the corridor needs of the world, as Protocols; the tests' fakes implement them too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ecr_publish.bake import Bake, Trial
from ecr_publish.build import Builder, Built, Remark, Way
from ecr_publish.context import Context, Head
from ecr_publish.exploits import Exploit
from ecr_publish.manifest import Manifest
from ecr_publish.origin import Commit, Origin
from ecr_publish.plan import Absent, Build, Plan, RepositoryState
from ecr_publish.preflight import Permission
from ecr_publish.reference import Digest, Repository, Tag
from ecr_publish.report.annotations import Annotation
from ecr_publish.report.check import Check
from ecr_publish.scan import Answer, Coverage, Start

Show = Callable[[float, str], bool]
"""Shows how far something is, and says whether it could: Workflow.progress."""


@dataclass(frozen=True, kw_only=True)
class Login:
    """A user name and password for a registry's `/v2/`; the password never shows in a repr."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How an image gets to ECR, and the login of BuildKit, to push it or to use caches there."""

    way: Way
    login: Login | None = None


class Clock(Protocol):
    """Time and chance."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def today(self) -> datetime:
        """The date and time, with its time zone."""
        ...

    def chance(self) -> float:
        """A random number from 0 to 1."""
        ...


class Workflow(Protocol):
    """The job's log and its files: GitHub's workflow commands, or what a terminal has of them."""

    def context(self, environ: Mapping[str, str]) -> Context:
        """The run that this is; raises NoWorkflowRun where that cannot be known."""
        ...

    def say(self, line: str) -> None:
        """Write a line to the log; what looks like a command in it is made harmless."""
        ...

    def group(self, title: str) -> AbstractContextManager[None]:
        """Fold what is said inside."""
        ...

    def untrusted(self) -> AbstractContextManager[Callable[[bytes], None]]:
        """Gives a function that writes output which can never reach the runner's commands."""
        ...

    def mask(self, secret: str) -> None:
        """Hide a secret in the log, at once."""
        ...

    def annotate(self, annotation: Annotation) -> None:
        """Show an annotation above the log, and beside the code where it names a file."""
        ...

    def output(self, name: str, value: str) -> None:
        """Set an output of the step."""
        ...

    def summary(self, markdown: str) -> None:
        """Append to the step's summary."""
        ...

    def write_file(self, path: str, pieces: Iterable[str]) -> None:
        """Write a file that the user named, from the workspace where the path is relative.

        Where a piece cannot be made or written, what stood there before stays.
        """
        ...

    def progress(self, part: float, text: str) -> bool:
        """Show how far is what takes long, where it can be drawn again and again.

        Args:
            part: From 0 to 1.
            text: The same in words.

        Returns:
            Whether it is shown; a log has lines instead.
        """
        ...


class Checkout(Protocol):
    """The git checkout that is built."""

    def commit(self, workspace: str, context: str) -> Commit | None:
        """The commit that is checked out in a build's context; None where there is none."""
        ...

    def branches(self, workspace: str) -> Head:
        """The branches of the checkout, as far as git knows them."""
        ...

    def read(self, workspace: str, path: str) -> bytes | None:
        """The bytes of a file, None where there is none; raises OSError if it cannot be read."""
        ...


class Engine(Protocol):
    """The Docker Engine and its buildx."""

    def builder(self, name: str | None) -> Builder:
        """The builder of this name, or the current one; raises BuilderMissing or EngineMissing."""
        ...

    def build(
        self,
        build: Build,
        state: RepositoryState,
        tag: Tag,
        *,
        by: Delivery,
        workspace: str,
        write: Callable[[bytes], None],
    ) -> Built:
        """Build, the output given to `write` as it comes, under a tag of the repository.

        Where BuildKit pushes the image itself, its digest is given; otherwise the image is loaded
        into the engine.

        Raises BuildFailed, PushFailed.
        """
        ...

    def build_only(
        self, build: Build, *, workspace: str, write: Callable[[bytes], None]
    ) -> tuple[Remark, ...]:
        """Build, and keep nothing of it, neither in the engine nor in a registry.

        Gives BuildKit's remarks. Raises BuildFailed.
        """
        ...

    def definition(self, files: Sequence[str], targets: Sequence[str], workspace: str) -> str:
        """What buildx makes of bake files (JSON); builds nothing; raises BakeInvalid."""
        ...

    def bake(
        self,
        bake: Bake,
        *,
        workspace: str,
        login: Login | None,
        write: Callable[[bytes], None],
    ) -> Mapping[str, Digest]:
        """Build many images with one call, each under its candidate tag.

        With a login BuildKit pushes them itself, and their digests are given by target; without
        one they are loaded into the engine, and no digest is given.

        Raises BuildFailed, PushFailed.
        """
        ...

    def bake_only(self, asked: Trial, *, workspace: str, write: Callable[[bytes], None]) -> None:
        """Build many images with one call, and keep nothing of them; raises BuildFailed."""
        ...

    def tag(self, image: str, state: RepositoryState, tag: Tag) -> None:
        """Give a local image a name in the repository; raises ImageMissing or InvalidInputs."""
        ...

    def push(
        self, state: RepositoryState, tag: Tag, login: Login, say: Callable[[str], None]
    ) -> Digest:
        """Push and give the digest that the registry took; raises PushFailed."""
        ...

    def forget(self, reference: str) -> None:
        """Remove a local name again, but no image that the user brought."""
        ...


class Scans(Protocol):
    """What ECR and Inspector know of the images that were pushed."""

    def scan(self, digest: Digest, token: str | None) -> Answer:
        """One page of an image's scan."""
        ...

    def start_scan(self, digest: Digest) -> Start:
        """Ask for a scan, once; a refusal is an answer, not an error."""
        ...

    def coverage(self, digest: Digest) -> Coverage | None:
        """What Inspector says of an image; None where it says nothing or may not be asked."""
        ...


class Registry(Scans, Protocol):
    """Amazon ECR, with the run's credentials."""

    def elsewhere(self, repository: Repository) -> Registry:
        """Another repository of the same registry, by the same plan."""
        ...

    def exploits(self, arns: Sequence[str]) -> Mapping[str, Exploit]:
        """What Inspector knows of these findings, at most `exploits.MOST_ARNS`; raises CallFailed.

        Those of which it knows nothing are not in the answer.
        """
        ...

    def look(self) -> RepositoryState | Absent:
        """The plan's repository as it is; nothing is created."""
        ...

    def create(self) -> RepositoryState:
        """The repository, created now; raises RepositoryMissing where the plan creates none."""
        ...

    def ask(self, permission: Permission) -> None:
        """Ask for what cannot exist, which tells whether asking is allowed; raises CallFailed.

        Once, and nothing is changed. «Not found» is a CallFailed as well.
        """
        ...

    def login(self) -> Login:
        """A token for pushing."""
        ...

    def manifest(self, digest: Digest) -> Manifest:
        """A manifest's exact bytes."""
        ...

    def find(self, reference: Tag | Digest) -> Manifest:
        """The manifest that a tag or a digest names; raises ImageNotThere."""
        ...

    def holders(self, tags: Sequence[Tag]) -> dict[Tag, Manifest]:
        """The manifests that these tags name, of those that exist."""
        ...

    def config(self, image: Manifest) -> str:
        """An image's configuration (JSON)."""
        ...

    def origin(self, manifest: Manifest) -> Origin | None:
        """What the images behind a manifest say of how they were made; None if unreadable."""
        ...

    def pushed_at(self, digest: Digest) -> datetime:
        """When an image came to the repository; raises CallFailed."""
        ...

    def put(self, manifest: Manifest, tag: Tag) -> bool:
        """Put a tag on a manifest; False where it was there already.

        Raises TagTaken where the tag is on another image and may not be moved.
        """
        ...

    def untag(self, tag: Tag) -> None:
        """Remove a tag, never by digest; raises CallFailed."""
        ...


class GitHub(Protocol):
    """Reports on GitHub, outside the job's own log; every method raises GitHubFailed."""

    def start_check(self, name: str, sha: str, details_url: str) -> int:
        """Open a check run on a commit, and no second one, and give its number."""
        ...

    def complete_check(self, number: int, check: Check) -> None:
        """End a check run, then add its annotations."""
        ...

    def upsert_comment(self, issue: int, body: str) -> None:
        """Write a comment on a pull request, in place of our own that begins with the same line."""
        ...


class Cloud(Protocol):
    """AWS as seen before there are credentials."""

    def connect(self, plan: Plan, *, from_fork: bool) -> Registry:
        """Credentials by OIDC, or the ambient ones, and the registry that they open."""
        ...


@dataclass(frozen=True, kw_only=True)
class Edges:
    """All that the corridor can touch; built in one place."""

    clock: Clock
    workflow: Workflow
    checkout: Checkout
    engine: Engine
    cloud: Cloud
    github: Callable[[str], GitHub]
    """Gives it for a token."""
    times: Callable[[], Sequence[str]] = tuple
    """The calls so far and how long each took, a line each; none unless that was asked for."""
