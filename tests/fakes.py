"""Typed fakes of the edges: they implement the Protocols, so mypy keeps them honest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from ecr_publish.ahead import Ahead
from ecr_publish.bake import Bake, Trial
from ecr_publish.build import Builder, Built, Remark, Way
from ecr_publish.context import Context, Head, read
from ecr_publish.edges.ports import Delivery, Edges, Login, Registry
from ecr_publish.errors import CallFailed, ImageNotThere, SessionPolicyRefused
from ecr_publish.exploits import MOST_ARNS, Exploit
from ecr_publish.manifest import Manifest
from ecr_publish.origin import Commit, Origin
from ecr_publish.plan import Absent, Build, Plan, RepositoryState, Source
from ecr_publish.preflight import Permission
from ecr_publish.reference import Digest, Repository, Tag
from ecr_publish.report.annotations import Annotation
from ecr_publish.report.check import Check
from ecr_publish.scan import Answer, Coverage, Start

TODAY = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)


class FakeClock:
    """A clock that moves only when somebody sleeps, or by `step` whenever it is read."""

    def __init__(self, step: float = 0.0, chance: float = 0.5) -> None:
        self.time = 0.0
        self.sleeps: list[float] = []
        self._step = step
        self._chance = chance

    def now(self) -> float:
        self.time += self._step
        return self.time

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds

    def today(self) -> datetime:
        return TODAY + timedelta(seconds=self.time)

    def chance(self) -> float:
        return self._chance


class FakeWorkflow:
    """Keeps what was written, in order."""

    def __init__(self, files: dict[str, str] | None = None) -> None:
        self.log: list[str] = []
        self.annotations: list[tuple[str, str, str]] = []
        self.placed: list[tuple[str, int]] = []
        self.outputs: dict[str, str] = {}
        self.markdown = ""
        self.masked: list[str] = []
        self.raw = b""
        self.written: dict[str, str] = {}
        self.drawn: list[tuple[float, str]] = []
        self.draws = False
        self._files = files or {}

    def say(self, line: str) -> None:
        self.log.append(line)

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        self.log.append(f"[{title}]")
        yield

    @contextmanager
    def untrusted(self) -> Iterator[Callable[[bytes], None]]:
        def write(data: bytes) -> None:
            self.raw += data

        yield write

    def mask(self, secret: str) -> None:
        self.masked.append(secret)

    def annotate(self, annotation: Annotation) -> None:
        kind = "error" if annotation.error else "warning"
        self.annotations.append((kind, annotation.title, annotation.message))
        self.placed.append((annotation.file, annotation.line))

    def output(self, name: str, value: str) -> None:
        self.outputs[name] = value

    def summary(self, markdown: str) -> None:
        self.markdown += markdown

    def write_file(self, path: str, pieces: Iterable[str]) -> None:
        self.written[path] = "".join(pieces)

    def context(self, environ: Mapping[str, str]) -> Context:
        return read(environ, self._files.__getitem__)

    def progress(self, part: float, text: str) -> bool:
        self.drawn.append((part, text))
        return self.draws


@dataclass
class FakeCheckout:
    """A checkout of this commit, but for what is `elsewhere`; what is `unreadable` raises."""

    head: Commit | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    unreadable: dict[str, OSError] = field(default_factory=dict)
    elsewhere: dict[str, Commit | None] = field(default_factory=dict)
    head_names: Head = Head(branch="main", default_branch="main")  # noqa: RUF009 - it is frozen

    def commit(self, workspace: str, context: str) -> Commit | None:
        return self.elsewhere.get(context, self.head)

    def branches(self, workspace: str) -> Head:
        return self.head_names

    def read(self, workspace: str, path: str) -> bytes | None:
        if path in self.unreadable:
            raise self.unreadable[path]
        return self.files.get(path)


@dataclass
class FakeEngine:
    """Builds nothing, pushes `digest`; `failure` is raised by the method that `fails` names."""

    digest: Digest
    made_by: Builder = Builder(driver="docker", containerd=True)  # noqa: RUF009 - it is frozen
    fails: str = ""
    failure: BaseException | None = None
    calls: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    built: Build | None = None
    login: Login | None = None
    remarks: tuple[Remark, ...] = ()
    printed: str = ""
    baked: Bake | None = None
    tried: Trial | None = None
    digests: dict[str, Digest] = field(default_factory=dict)

    def builder(self, name: str | None) -> Builder:
        # Not one of the calls: it changes nothing, and comes whenever its thread does.
        self.asked.append(name or "the current one")
        if self.failure and self.fails == "builder":
            raise self.failure
        return self.made_by

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
        self.built = build
        self.login = by.login
        pushes = ("and push",) if by.way is Way.BUILDER else ()
        self._called("build", build.context, f"{state.uri}:{tag}", workspace, *pushes)
        write(b"#1 building\n")
        digest = self.digest if by.way is Way.BUILDER else None
        return Built(digest=digest, remarks=self.remarks)

    def build_only(
        self, build: Build, *, workspace: str, write: Callable[[bytes], None]
    ) -> tuple[Remark, ...]:
        self.built = build
        self._called("build_only", build.context, workspace)
        write(b"#1 building\n")
        return self.remarks

    def definition(self, files: Sequence[str], targets: Sequence[str], workspace: str) -> str:
        self._called("definition", *files, *targets, workspace)
        return self.printed

    def bake(
        self,
        bake: Bake,
        *,
        workspace: str,
        login: Login | None,
        write: Callable[[bytes], None],
    ) -> Mapping[str, Digest]:
        self.baked = bake
        names = [image.target for image in bake.images]
        self._called("bake", *names, workspace, *(("and push",) if login else ()))
        write(b"#1 baking\n")
        return {name: self.digests[name] for name in names} if login else {}

    def bake_only(self, asked: Trial, *, workspace: str, write: Callable[[bytes], None]) -> None:
        self.tried = asked
        self._called("bake_only", *asked.builds, workspace)
        write(b"#1 baking\n")

    def tag(self, image: str, state: RepositoryState, tag: Tag) -> None:
        self._called("tag", image, f"{state.uri}:{tag}")

    def push(
        self, state: RepositoryState, tag: Tag, login: Login, say: Callable[[str], None]
    ) -> Digest:
        self._called("push", f"{state.uri}:{tag}", login.username)
        return self.digests.get(state.name, self.digest)

    def forget(self, reference: str) -> None:
        self._called("forget", reference)

    def _called(self, name: str, *words: str) -> None:
        self.calls.append(" ".join((name, *words)))
        if self.failure and self.fails == name:
            raise self.failure


@dataclass
class FakeRegistry:
    """ECR as a dictionary of tags. `answers` are given one after the other, the last for ever.

    `refused` is raised by the call of this name, `meanwhile` is what others do just before it;
    `exploits 2` is the second batch of findings that Inspector is asked about, `ask …` a probe.
    The repository is not there yet while `absent` says so; `probed` is what was probed.
    """

    state: RepositoryState
    pushed: Manifest
    answers: Sequence[Answer | BaseException] = ()
    tags: dict[str, str] = field(default_factory=dict)
    known: dict[str, Manifest] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Origin | None] = field(default_factory=dict)
    looked: list[tuple[str, ...]] = field(default_factory=list)
    refused: dict[str, BaseException] = field(default_factory=dict)
    meanwhile: dict[str, Callable[[], None]] = field(default_factory=dict)
    pushed_before: dict[str, datetime] = field(default_factory=dict)
    untagged: list[str] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    start: Start = Start.STARTED
    started: list[str] = field(default_factory=list)
    covered: Coverage | None = None
    details: dict[str, Exploit] = field(default_factory=dict)
    batches: list[tuple[str, ...]] = field(default_factory=list)
    others: dict[str, FakeRegistry] = field(default_factory=dict)
    absent: Absent | None = None
    created: int = 0
    probed: list[Permission] = field(default_factory=list)

    def elsewhere(self, repository: Repository) -> FakeRegistry:
        return self.others[repository.name]

    def exploits(self, arns: Sequence[str]) -> Mapping[str, Exploit]:
        assert 0 < len(arns) <= MOST_ARNS
        self.batches.append(tuple(arns))
        self._refuse("exploits")
        self._refuse(f"exploits {len(self.batches)}")
        return {arn: self.details[arn] for arn in arns if arn in self.details}

    def look(self) -> RepositoryState | Absent:
        self._refuse("look")
        return self.absent or self.state

    def create(self) -> RepositoryState:
        self._refuse("create")
        self.created += 1
        self.absent = None
        return replace(self.state, created=True)

    def ask(self, permission: Permission) -> None:
        self.probed.append(permission)
        self._refuse(f"ask {permission.value}")
        raise CallFailed(permission.value, "ImageNotFoundException", "no such", transient=False)

    def login(self) -> Login:
        self._refuse("login")
        return Login(username="AWS", password="secret")

    def manifest(self, digest: Digest) -> Manifest:
        self._refuse("manifest")
        return self.known.get(str(digest), self.pushed)

    def find(self, reference: Tag | Digest) -> Manifest:
        self._refuse("find")
        digest = self.tags.get(str(reference), str(reference))
        if digest not in self.known:
            raise ImageNotThere(str(reference), self.state.name)
        return self.known[digest]

    def holders(self, tags: Sequence[Tag]) -> dict[Tag, Manifest]:
        self.looked.append(tuple(map(str, tags)))
        self._refuse("holders")
        return {tag: self.known[self.tags[str(tag)]] for tag in tags if str(tag) in self.tags}

    def config(self, image: Manifest) -> str:
        self._refuse("config")
        return self.configs[str(image.digest)]

    def origin(self, manifest: Manifest) -> Origin | None:
        return self.origins.get(str(manifest.digest))

    def scan(self, digest: Digest, token: str | None) -> Answer:
        self._refuse("scan")
        self.asked.append((str(digest), token))
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def start_scan(self, digest: Digest) -> Start:
        self.started.append(str(digest))
        return self.start

    def coverage(self, digest: Digest) -> Coverage | None:
        return self.covered

    def pushed_at(self, digest: Digest) -> datetime:
        self._refuse("pushed_at")
        return self.pushed_before.get(str(digest), TODAY + timedelta(seconds=1))

    def put(self, manifest: Manifest, tag: Tag) -> bool:
        self._refuse(f"put {tag}")
        moved = self.tags.get(str(tag)) != str(manifest.digest)
        self.known[str(manifest.digest)] = manifest
        self.tags[str(tag)] = str(manifest.digest)
        return moved

    def untag(self, tag: Tag) -> None:
        self._refuse("untag")
        self.untagged.append(str(tag))
        self.tags.pop(str(tag), None)

    def _refuse(self, what: str) -> None:
        if what in self.meanwhile:
            self.meanwhile.pop(what)()
        if what in self.refused:
            raise self.refused[what]


@dataclass
class FakeCloud:
    """Opens the one registry; `failure` is raised instead.

    `narrows` says whether STS takes policies that narrow a session.
    """

    registry: FakeRegistry
    failure: BaseException | None = None
    from_fork: bool | None = None
    narrows: bool = True
    plans: list[Plan] = field(default_factory=list)

    def connect(self, plan: Plan, *, from_fork: bool) -> FakeRegistry:
        self.from_fork = from_fork
        self.plans.append(plan)
        if plan.role and plan.role.session_policy and not self.narrows:
            raise SessionPolicyRefused(plan.role.arn, "Packed policy consumes 112%")
        if self.failure:
            raise self.failure
        return self.registry


@dataclass
class FakeGitHub:
    """Keeps what it was told; `failure` is raised by the method that `fails` names."""

    fails: str = ""
    failure: BaseException | None = None
    token: str | None = None
    started: list[tuple[str, str, str]] = field(default_factory=list)
    checks: list[tuple[int, Check]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)

    def __call__(self, token: str) -> FakeGitHub:
        self.token = token
        return self

    def start_check(self, name: str, sha: str, details_url: str) -> int:
        self._called("start_check")
        self.started.append((name, sha, details_url))
        return len(self.started)

    def complete_check(self, number: int, check: Check) -> None:
        self._called("complete_check")
        self.checks.append((number, check))

    def upsert_comment(self, issue: int, body: str) -> None:
        self._called("upsert_comment")
        self.comments.append((issue, body))

    def _called(self, name: str) -> None:
        if self.failure and self.fails == name:
            raise self.failure


def edges(
    cloud: FakeCloud,
    engine: FakeEngine,
    workflow: FakeWorkflow,
    clock: FakeClock,
    checkout: FakeCheckout,
    github: FakeGitHub | None = None,
) -> Edges:
    """The fakes as the corridor takes them; mypy checks them against the Protocols here."""
    return Edges(
        clock=clock,
        workflow=workflow,
        checkout=checkout,
        engine=engine,
        cloud=cloud,
        github=github or FakeGitHub(),
    )


def denied(operation: str) -> CallFailed:
    """AWS's refusal of one operation."""
    return CallFailed(operation, "AccessDeniedException", "no", transient=False)


def ahead(world: Edges, registry: Registry, source: Source | None = None) -> Ahead:
    """Asks for everything when it is needed, so that the calls have an order."""
    name = source.builder if isinstance(source, Build) else None
    return Ahead(builder=lambda: world.engine.builder(name), login=registry.login)
