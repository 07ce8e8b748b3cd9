"""The Docker Engine: buildx as a subprocess for the build, docker-py for the rest.

docker-py's own build is the classic builder, without secrets, cache mounts and COPY --link
(docker/docker-py#2230), so BuildKit is reached through buildx.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from ecr_publish import bake as baking
from ecr_publish.bake import Bake, Trial
from ecr_publish.build import (
    IN_THE_ENGINE,
    Builder,
    Built,
    Remark,
    Way,
    command,
    environment,
    push_error,
    pushed_digest,
    remarks,
    stated_driver,
    stated_error,
    stated_platforms,
    stated_problem,
    trial,
)
from ecr_publish.edges.docker_config import private_config
from ecr_publish.edges.ports import Clock, Delivery, Login, Show
from ecr_publish.errors import (
    BakeInvalid,
    BuilderMissing,
    BuildFailed,
    EngineMissing,
)
from ecr_publish.plan import Build, RepositoryState
from ecr_publish.push import behind_proxy, failure
from ecr_publish.reference import Digest, Tag

if TYPE_CHECKING:
    from ecr_publish.edges.docker_api import DockerApi

_END_SECONDS = 5
"""How long a cancelled build may take to end; GitHub's runner kills 10 s after it cancelled."""
_CHUNK = 65536
_NO_DOCKER = "there is no docker command on PATH"
_NO_ATTESTATION = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
"""Bake adds none that the file does not ask for, as `--provenance=false` is for one image."""
_TAIL = 4096


class DockerEngine:
    """The engine that DOCKER_HOST names, or the local one."""

    def __init__(
        self, environ: Mapping[str, str], clock: Clock, show: Show = lambda *_: False
    ) -> None:
        """The engine of this environment.

        Args:
            environ: The environment of docker's processes.
            clock: Paces the log.
            show: Draws the progress of a push, where that can be drawn.
        """
        self._environ = dict(environ)
        self._clock = clock
        self._show = show
        self._given: set[str] = set()

    def builder(self, name: str | None) -> Builder:
        """The builder of this name, or the current one; raises BuilderMissing or EngineMissing."""
        said = self._inspect(name)
        driver = stated_driver(said)
        return Builder(
            driver=driver,
            containerd=driver == IN_THE_ENGINE and self._api.has_containerd(),
            platforms=stated_platforms(said),
        )

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
        """Build into the engine, or have BuildKit push; raises BuildFailed or PushFailed."""
        self._given |= {f"{state.uri}:{tag}"} if by.way is Way.ENGINE else set()
        with self._prepared(state.host, by.login) as (environ, metadata):
            words = command(build, f"{state.uri}:{tag}", by.way, str(metadata))
            status, tail = _run(words, {**environment(build), **environ}, workspace, write)
            if not status:
                return _built(metadata.read_text("utf-8"), by.way)
        said = stated_error(tail)
        if by.way is Way.BUILDER and push_error(said):
            raise failure(said, state.arn, proxied=behind_proxy(self._environ))
        raise BuildFailed(status, said=said)

    def build_only(
        self, build: Build, *, workspace: str, write: Callable[[bytes], None]
    ) -> tuple[Remark, ...]:
        """Build, and keep nothing of it; gives BuildKit's remarks; raises BuildFailed."""
        with self._prepared() as (environ, metadata):
            words = trial(build, str(metadata))
            status, tail = _run(words, {**environment(build), **environ}, workspace, write)
            if not status:
                return remarks(metadata.read_text("utf-8"))
        raise BuildFailed(status, said=stated_error(tail))

    def definition(self, files: Sequence[str], targets: Sequence[str], workspace: str) -> str:
        """What buildx makes of bake files (JSON); raises BakeInvalid with what buildx says."""
        answer = self._answer(baking.printing(files, targets), workspace)
        if answer.returncode:
            said = stated_error(answer.stderr) or answer.stderr.decode(errors="replace").strip()
            raise BakeInvalid(said or "buildx does not say why")
        return answer.stdout.decode(errors="replace")

    def bake(
        self,
        bake: Bake,
        *,
        workspace: str,
        login: Login | None,
        write: Callable[[bytes], None],
    ) -> dict[str, Digest]:
        """Build many images into the engine, or have BuildKit push them where there is a login.

        Raises BuildFailed or PushFailed.
        """
        way, targets = Way.BUILDER if login else Way.ENGINE, [it.target for it in bake.images]
        names = {*bake.scaffold.values(), *(it.reference for it in bake.images)}
        self._given |= set() if login else names
        with self._prepared(bake.images[0].state.host, login) as (environ, metadata):
            words = baking.command(bake, way, str(metadata))
            try:
                status, tail = _run(words, {**environ, **_NO_ATTESTATION}, workspace, write)
            finally:
                for name in bake.scaffold.values():
                    self.forget(name)
            if not status:
                return baking.digests(metadata.read_text("utf-8"), targets) if login else {}
        said = stated_error(tail)
        if login and push_error(said):
            blamed = baking.blamed(bake, said).state.arn
            raise failure(said, blamed, proxied=behind_proxy(self._environ))
        raise BuildFailed(status, said=said)

    def bake_only(self, asked: Trial, *, workspace: str, write: Callable[[bytes], None]) -> None:
        """Build many images, and keep nothing of them; raises BuildFailed."""
        names = set(asked.scaffold.values())
        self._given |= names
        try:
            words = baking.trial(asked)
            status, tail = _run(words, {**self._environ, **_NO_ATTESTATION}, workspace, write)
        finally:
            for name in names:
                self.forget(name)
        if status:
            raise BuildFailed(status, said=stated_error(tail))

    def tag(self, image: str, state: RepositoryState, tag: Tag) -> None:
        """Give a local image a name in the repository; raises ImageMissing or InvalidInputs."""
        if self._api.has_name(image):
            self._given.add(f"{state.uri}:{tag}")
        self._api.tag(image, state, tag)

    def push(
        self, state: RepositoryState, tag: Tag, login: Login, say: Callable[[str], None]
    ) -> Digest:
        """Push and give the digest that the registry took; raises PushFailed."""
        return self._api.push(state, tag, login, say)

    def forget(self, reference: str) -> None:
        """Remove a local name again, but no image that the user brought; never fails."""
        # A builder outside gives no name here. And with its only name, an image that came without
        # one would be removed.
        if reference not in self._given:
            return
        self._given.remove(reference)
        with suppress(EngineMissing):
            self._api.remove(reference)

    @cached_property
    def _api(self) -> DockerApi:
        from ecr_publish.edges.docker_api import DockerApi  # noqa: PLC0415 - a gate needs none

        return DockerApi(self._environ, self._clock, self._show)

    def _inspect(self, name: str | None) -> str:
        answer = self._answer(["docker", "buildx", "inspect", *([name] if name else [])])
        found, complaint = (
            text.decode(errors="replace") for text in (answer.stdout, answer.stderr)
        )
        # buildx is content without an engine: it then succeeds, names no driver and an error.
        if answer.returncode or not stated_driver(found):
            stated = stated_error(answer.stderr) or complaint.strip() or stated_problem(found)
            said = stated or "docker buildx does not answer"
            raise BuilderMissing(name, said) if name else EngineMissing(said)
        return found

    def _answer(
        self, words: Sequence[str], workspace: str | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """What a short command says, all at once."""
        try:
            return subprocess.run(
                words,
                cwd=workspace,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise EngineMissing(_NO_DOCKER) from None

    @contextmanager
    def _prepared(
        self, host: str = "", login: Login | None = None
    ) -> Iterator[tuple[Mapping[str, str], Path]]:
        """The environment of a build, logged in if there is a login, and where its metadata go."""
        configured = (
            private_config(self._environ, host, login) if login else nullcontext(self._environ)
        )
        with configured as environ, TemporaryDirectory() as private:
            yield environ, Path(private, "metadata.json")


def _built(metadata: str, way: Way) -> Built:
    digest = pushed_digest(metadata) if way is Way.BUILDER else None
    return Built(digest=digest, remarks=remarks(metadata))


def _run(
    words: Sequence[str], environ: Mapping[str, str], workspace: str, write: Callable[[bytes], None]
) -> tuple[int, bytes]:
    """Run a program and hand its output on; gives its exit code and the output's end."""
    with subprocess.Popen(
        words,
        cwd=workspace,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
    ) as process:
        try:
            tail = _copy(process, write)
        except BaseException:
            _end(process)
            raise
    return process.returncode, tail


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def _copy(process: subprocess.Popen[bytes], write: Callable[[bytes], None]) -> bytes:
    """Hand the output on as it comes; gives its end."""
    tail = b""
    while process.stdout and (data := process.stdout.read(_CHUNK)):
        write(data)
        tail = (tail + data)[-_TAIL:]
    return tail
