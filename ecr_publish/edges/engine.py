"""The Docker Engine: buildx as a subprocess for the build, docker-py for the rest.

docker-py's own build is the classic builder, without secrets, cache mounts and COPY --link
(docker/docker-py#2230), so BuildKit is reached through buildx.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, StreamParseError
from urllib3.exceptions import HTTPError

from ecr_publish import bake as baking
from ecr_publish.bake import Bake
from ecr_publish.build import (
    IN_THE_ENGINE,
    Builder,
    Built,
    Way,
    command,
    environment,
    push_error,
    pushed_digest,
    remarks,
    stated_driver,
    stated_error,
    stated_problem,
)
from ecr_publish.edges.docker_config import private_config
from ecr_publish.edges.ports import Clock, Delivery, Login
from ecr_publish.errors import (
    BakeInvalid,
    BuilderMissing,
    BuildFailed,
    EngineMissing,
    ImageMissing,
    InvalidInputs,
)
from ecr_publish.plan import Build, RepositoryState
from ecr_publish.push import Progress, failure, follow
from ecr_publish.reference import Digest, Tag

_SAY_EVERY = 3.0
_STREAM_TIMEOUT = 900
"""Seconds without any event of a push before it counts as dead."""
_END_SECONDS = 5
"""How long a cancelled build may take to end; GitHub's runner kills 10 s after it cancelled."""
_CHUNK = 65536
_NO_DOCKER = "there is no docker command on PATH"
_NO_ATTESTATION = {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
"""Bake adds none that the file does not ask for, as `--provenance=false` is for one image."""
_CONTAINERD = "io.containerd.snapshotter.v1"
_TAIL = 4096
_BROKEN_OFF = (requests.RequestException, HTTPError, StreamParseError)
"""What docker-py lets through when an engine refuses a push or dies in the middle of one."""


class DockerEngine:
    """The engine that DOCKER_HOST names, or the local one."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        """Args: environ: The environment of docker's processes. clock: Paces the log."""
        self._environ = dict(environ)
        self._clock = clock
        self._given: set[str] = set()

    def builder(self, name: str | None) -> Builder:
        """The builder of this name, or the current one; raises BuilderMissing or EngineMissing."""
        driver = stated_driver(self._inspect(name))
        if driver != IN_THE_ENGINE:
            return Builder(driver=driver)
        with self._connected() as api:
            status = api.info().get("DriverStatus") or []
        return Builder(driver=driver, containerd=["driver-type", _CONTAINERD] in status)

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
        configured = (
            private_config(self._environ, state.host, by.login)
            if by.login
            else nullcontext(self._environ)
        )
        with configured as environ, TemporaryDirectory() as private:
            metadata = Path(private, "metadata.json")
            words = command(build, f"{state.uri}:{tag}", by.way, str(metadata))
            status, tail = _run(words, {**environment(build), **environ}, workspace, write)
            if not status:
                return _built(metadata.read_text("utf-8"), by.way)
        said = stated_error(tail)
        if by.way is Way.BUILDER and push_error(said):
            raise failure(said, state.arn)
        raise BuildFailed(status, said=said)

    def definition(self, files: Sequence[str], targets: Sequence[str], workspace: str) -> str:
        """What buildx makes of bake files (JSON); raises BakeInvalid with what buildx says."""
        try:
            answer = subprocess.run(
                baking.printing(files, targets),
                cwd=workspace,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError:
            raise EngineMissing(_NO_DOCKER) from None
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
        host = bake.images[0].state.host
        configured = (
            private_config(self._environ, host, login) if login else nullcontext(self._environ)
        )
        with configured as environ, TemporaryDirectory() as private:
            metadata = Path(private, "metadata.json")
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
            raise failure(said, baking.blamed(bake, said).state.arn)
        raise BuildFailed(status, said=said)

    def tag(self, image: str, state: RepositoryState, tag: Tag) -> None:
        """Give a local image a name in the repository; raises ImageMissing or InvalidInputs."""
        with self._connected() as api:
            try:
                if api.inspect_image(image).get("RepoTags"):  # type: ignore[no-untyped-call]
                    self._given.add(f"{state.uri}:{tag}")
                api.tag(image, state.uri, str(tag))
            except ImageNotFound:
                raise ImageMissing(image) from None
            except APIError as error:
                if error.status_code != HTTPStatus.BAD_REQUEST:
                    raise
                problem = f"image: {image!r} is neither an image's name nor its id"
                raise InvalidInputs([problem]) from error

    def push(
        self, state: RepositoryState, tag: Tag, login: Login, say: Callable[[str], None]
    ) -> Digest:
        """Push and give the digest that the registry took; raises PushFailed."""
        auth = {"username": login.username, "password": login.password}
        with self._connected() as api:
            try:
                events = api.push(
                    state.uri, tag=str(tag), stream=True, decode=True, auth_config=auth
                )
                progress = self._follow(events, say)
            except _BROKEN_OFF as error:
                raise failure(str(error), state.arn) from error
        if progress.error or progress.digest is None:
            raise failure(progress.error or "the engine stated no digest", state.arn)
        say(str(progress))
        return progress.digest

    def forget(self, reference: str) -> None:
        """Remove a local name again, but no image that the user brought; never fails."""
        # A builder outside gives no name here. And with its only name, an image that came without
        # one would be removed.
        if reference not in self._given:
            return
        self._given.remove(reference)
        with suppress(EngineMissing), self._connected() as api:
            api.remove_image(reference, noprune=True)

    @contextmanager
    def _connected(self) -> Iterator[docker.APIClient]:
        try:
            client = docker.from_env(environment=self._environ, timeout=_STREAM_TIMEOUT)
            with closing(client.api) as api:
                yield api
        except (DockerException, requests.RequestException) as error:
            raise EngineMissing(str(error)) from error

    def _follow(self, events: Iterator[dict[str, object]], say: Callable[[str], None]) -> Progress:
        progress, said = Progress(), self._clock.now()
        for event in events:
            progress = follow(progress, event)
            if self._clock.now() - said >= _SAY_EVERY:
                said = self._clock.now()
                say(str(progress))
        return progress

    def _inspect(self, name: str | None) -> str:
        try:
            answer = subprocess.run(
                ["docker", "buildx", "inspect", *([name] if name else [])],
                env=self._environ,
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise EngineMissing(_NO_DOCKER) from None
        # buildx is content without an engine: it then succeeds, names no driver and an error.
        if answer.returncode or not stated_driver(answer.stdout):
            said = answer.stderr.strip() or stated_problem(answer.stdout)
            said = said or "docker buildx does not answer"
            raise BuilderMissing(name, said) if name else EngineMissing(said)
        return answer.stdout


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
