"""The engine's edge on real engines with both image stores, and on stand-ins for what they hide."""

from __future__ import annotations

import base64
import contextlib
import gc
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import docker
import pytest
import requests
from botocore.config import Config

from dev.builder import Builder as OutsideBuilder
from dev.engine import Engine
from ecr_publish.build import Remark, Way
from ecr_publish.cache import Cache
from ecr_publish.edges.docker_api import DockerApi
from ecr_publish.edges.engine import DockerEngine
from ecr_publish.edges.ports import Delivery, Login
from ecr_publish.edges.registry import Clients, EcrRegistry
from ecr_publish.errors import (
    BuilderMissing,
    BuildFailed,
    EngineMissing,
    ImageMissing,
    InvalidInputs,
    PushFailed,
)
from ecr_publish.manifest import targets
from ecr_publish.plan import Build, RepositoryState
from ecr_publish.reference import Digest, Tag
from local_ecr.server import LocalEcr
from tests.factories import CANDIDATE, NAME, make_build, make_plan, make_state
from tests.fakes import FakeClock
from tests.images import looked

pytestmark = pytest.mark.usefixtures("ambient")


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")
    (tmp_path / "hello").write_text("hello\n")
    return tmp_path


@pytest.fixture
def registry(ecr: LocalEcr) -> EcrRegistry:
    boto3.client("ecr").create_repository(repositoryName=NAME)
    return EcrRegistry(Clients(boto3.Session(), Config()), make_plan(), lambda _: None)


@pytest.fixture
def docker_engine(engine: Engine) -> DockerEngine:
    return DockerEngine({"PATH": os.environ["PATH"], **engine.environment()}, FakeClock(step=2.0))


def built(
    docker_engine: DockerEngine,
    workspace: Path,
    build: Build | None = None,
    *,
    state: RepositoryState | None = None,
    login: Login | None = None,
    write: Callable[[bytes], None] = lambda _: None,
) -> Digest | None:
    """Build the workspace, by default for a repository that is nowhere; with a login, push it."""
    return docker_engine.build(
        build or make_build(),
        state or make_state(),
        CANDIDATE,
        by=Delivery(way=Way.BUILDER if login else Way.ENGINE, login=login),
        workspace=str(workspace),
        write=write,
    ).digest


def published(
    docker_engine: DockerEngine, state: RepositoryState, workspace: Path, login: Login
) -> tuple[str, bytes, list[str]]:
    """Build and push; gives the digest, the build's output and what the push said."""
    output, said = bytearray(), list[str]()
    built(docker_engine, workspace, state=state, write=output.extend)
    digest = docker_engine.push(state, CANDIDATE, login, said.append)
    return str(digest), bytes(output), said


def images(engine: Engine) -> str:
    return subprocess.run(
        ["docker", "images", "--all", "--format", "{{.Repository}}:{{.Tag}}"],
        env={"PATH": os.environ["PATH"], **engine.environment()},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_publish__digest_is_the_one_that_ecr_took(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path
) -> None:
    state = looked(registry)

    digest, output, said = published(docker_engine, state, workspace, registry.login())

    described = boto3.client("ecr").describe_images(
        repositoryName=NAME, imageIds=[{"imageTag": str(CANDIDATE)}]
    )
    assert described["imageDetails"][0]["imageDigest"] == digest
    assert b"exporting" in output
    # The clock moves on by two seconds whenever it is read, so there is progress before the end.
    assert len(said) > 1
    assert re.match(r"(\d+) of \1 layers", said[-1])


def test_s5__second_push_of_the_same_image_uploads_nothing(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path, ecr: LocalEcr
) -> None:
    state, login = looked(registry), registry.login()
    first, _, _ = published(docker_engine, state, workspace, login)
    uploads = len(ecr.calls("v2.StartUpload"))

    second = docker_engine.push(state, CANDIDATE, login, lambda _: None)

    assert str(second) == first
    assert len(ecr.calls("v2.StartUpload")) == uploads


def test_forget__removes_the_name_and_never_fails(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path, engine: Engine
) -> None:
    state = looked(registry)
    reference = f"{state.uri}:{CANDIDATE}"
    built(docker_engine, workspace, state=state)
    assert reference in images(engine)

    docker_engine.forget(reference)
    docker_engine.forget(reference)

    assert reference not in images(engine)


def test_tag__keeps_the_users_own_name(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path, engine: Engine
) -> None:
    own = make_state(host="users.example", name="own")
    built(docker_engine, workspace, state=own)
    state = looked(registry)

    docker_engine.tag(f"{own.uri}:{CANDIDATE}", state, CANDIDATE)
    digest = docker_engine.push(state, CANDIDATE, registry.login(), lambda _: None)
    docker_engine.forget(f"{state.uri}:{CANDIDATE}")

    assert registry.manifest(digest).digest == digest
    assert f"{own.uri}:{CANDIDATE}" in images(engine)


def test_tag__image_that_is_not_there(docker_engine: DockerEngine) -> None:
    with pytest.raises(ImageMissing, match="nobody:1"):
        docker_engine.tag("nobody:1", make_state(), CANDIDATE)


@pytest.mark.parametrize("name", ["Foo Bar", "UPPER", "x:y:z"])
def test_tag__name_that_is_none(docker_engine: DockerEngine, name: str) -> None:
    with pytest.raises(InvalidInputs, match=f"image: '{name}' is neither"):
        docker_engine.tag(name, make_state(), CANDIDATE)


def test_tag__engine_that_refuses_for_another_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise docker.errors.APIError("500 Server Error", response=answer(500))

    monkeypatch.setattr("docker.api.client.APIClient.inspect_image", refuse)
    monkeypatch.setattr("docker.api.client.APIClient._retrieve_server_version", lambda _: "1.44")

    with pytest.raises(EngineMissing, match="500 Server Error"):
        DockerEngine({}, FakeClock()).tag("x:1", make_state(), CANDIDATE)


def answer(status: int) -> requests.Response:
    """An engine's answer with nothing but a status."""
    response = requests.Response()
    response.status_code = status
    return response


def test_forget__image_that_had_no_name_stays(
    docker_engine: DockerEngine, workspace: Path, engine: Engine
) -> None:
    with contextlib.closing(docker.DockerClient(base_url=engine.host)) as client:
        image = client.api.import_image_from_data(b"\0" * 10240).split('"')[-2]
        state = make_state()

        docker_engine.tag(image, state, CANDIDATE)
        docker_engine.forget(f"{state.uri}:{CANDIDATE}")

        assert client.images.get(image).tags == [f"{state.uri}:{CANDIDATE}"]
        client.images.remove(image, force=True)


def test_build__error_in_the_dockerfile(docker_engine: DockerEngine, workspace: Path) -> None:
    (workspace / "Dockerfile").write_text("FROM scratch\nCOPY missing /\n")
    output = bytearray()

    with pytest.raises(BuildFailed) as caught:
        built(docker_engine, workspace, write=output.extend)

    assert "missing" in caught.value.why
    assert b"missing" in output


def test_build__dockerfile_target_arguments_and_labels(
    docker_engine: DockerEngine, workspace: Path, engine: Engine
) -> None:
    (workspace / "other.Dockerfile").write_text(
        "FROM scratch AS first\nARG NAME\nLABEL name=$NAME\nCOPY hello /\nFROM scratch AS last\n"
    )
    build = make_build(
        file="other.Dockerfile",
        target="first",
        build_args=("NAME=with space;$(touch pwned)",),
        labels=("team=web",),
        network="none",
    )

    state = make_state()
    built(docker_engine, workspace, build, state=state)

    client = docker.DockerClient(base_url=engine.host)
    labels = client.images.get(f"{state.uri}:{CANDIDATE}").labels
    client.close()
    assert labels["name"] == "with space;$(touch pwned)"
    assert labels["team"] == "web"
    assert sorted(path.name for path in workspace.iterdir()) == [
        *("Dockerfile", "hello", "other.Dockerfile")
    ]


def test_s1_build_only__keeps_nothing(
    docker_engine: DockerEngine, workspace: Path, engine: Engine
) -> None:
    before = sorted(images(engine).split())
    output = bytearray()
    cache = (Cache.parse("type=local,dest=kept"),)
    found = docker_engine.build_only(
        make_build(cache_to=cache), workspace=str(workspace), write=output.extend
    )
    assert b"COPY hello /" in output
    assert found == ()
    assert sorted(images(engine).split()) == before
    assert not (workspace / "kept").exists()


def test_build_only__gives_the_remarks(workspace: Path) -> None:
    said = {"short": base64.b64encode(b"Shout").decode()}
    metadata = json.dumps({"buildx.build.warnings": [said]})
    script = f"""
        while [ "$1" != --metadata-file ]; do shift; done
        [ "$BUILDX_METADATA_WARNINGS" = 1 ] && echo '{metadata}' > "$2"
    """
    found = DockerEngine(stand_in(workspace, script), FakeClock()).build_only(
        make_build(), workspace=str(workspace), write=lambda _: None
    )
    assert found == (Remark(text="Shout"),)


def test_s2_build_only__error_in_the_dockerfile(
    docker_engine: DockerEngine, workspace: Path
) -> None:
    (workspace / "hello").unlink()
    with pytest.raises(BuildFailed, match="exited with 1") as caught:
        docker_engine.build_only(make_build(), workspace=str(workspace), write=lambda _: None)
    assert "/hello" in caught.value.why


def test_push__wrong_password(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path
) -> None:
    with pytest.raises(PushFailed):
        published(
            docker_engine,
            looked(registry),
            workspace,
            Login(username="AWS", password="wrong"),
        )


def test_push__repository_removed_meanwhile(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path
) -> None:
    state = looked(registry)
    boto3.client("ecr").delete_repository(repositoryName=NAME, force=True)

    with pytest.raises(PushFailed) as caught:
        published(docker_engine, state, workspace, registry.login())

    assert "create-repository" in caught.value.fix


def test_push__no_such_local_image(docker_engine: DockerEngine) -> None:
    with pytest.raises(PushFailed):
        docker_engine.push(
            make_state(host="127.0.0.1:1"),
            Tag("nobody"),
            Login(username="AWS", password="x"),
            lambda _: None,
        )


def test_push__stream_that_ends_without_a_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docker.api.client.APIClient.push", lambda *_, **__: iter([]))
    monkeypatch.setattr("docker.api.client.APIClient._retrieve_server_version", lambda _: "1.44")

    with pytest.raises(PushFailed, match="stated no digest"):
        DockerEngine({}, FakeClock()).push(
            make_state(), CANDIDATE, Login(username="AWS", password="x"), lambda _: None
        )


def test_push__engine_that_refuses_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise docker.errors.APIError("500 Server Error")

    monkeypatch.setattr("docker.api.client.APIClient.push", refuse)
    monkeypatch.setattr("docker.api.client.APIClient._retrieve_server_version", lambda _: "1.44")

    with pytest.raises(PushFailed, match="500 Server Error"):
        DockerEngine({}, FakeClock()).push(
            make_state(), CANDIDATE, Login(username="AWS", password="x"), lambda _: None
        )


@pytest.fixture
def dying_engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """An engine that states its version, answers the push with the test's bytes, and is gone."""
    version = b'{"ApiVersion": "1.44"}'
    answers = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(version) + version]
    answers.append(request.param)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            for data in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    # Unlike close, this wakes a thread that nobody has called.
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)
    listener.close()


STREAM = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "dying_engine",
    [
        pytest.param(b"", id="before its answer"),
        pytest.param(STREAM + b'10\r\n{"status"', id="in a chunk"),
        pytest.param(STREAM + b'b\r\n{"id": "a"}\r\n', id="between two chunks"),
        pytest.param(STREAM + b'9\r\n{"status"\r\n0\r\n\r\n', id="in an event"),
    ],
    indirect=True,
)
def test_s2_push__engine_that_dies(dying_engine: str) -> None:
    with pytest.raises(PushFailed, match="the push failed: "):
        DockerEngine({"DOCKER_HOST": dying_engine}, FakeClock()).push(
            make_state(), CANDIDATE, Login(username="AWS", password="x"), lambda _: None
        )


def stand_in(folder: Path, script: str) -> dict[str, str]:
    """A `docker` command that does what the script says; gives the environment for it."""
    command = folder / "docker"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin"}


@pytest.mark.parametrize("name", [None, "big"])
def test_builder__no_docker_command(workspace: Path, name: str | None) -> None:
    # Popen and run look the program up on the PATH that they are given.
    with pytest.raises(EngineMissing, match="no docker command"):
        DockerEngine({"PATH": str(workspace)}, FakeClock()).builder(name)


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1", "is not a docker"),
        ("exit 1", "docker buildx does not answer"),
        ("exit 0", "docker buildx does not answer"),
        ("echo 'Driver: '; echo 'Error:  no daemon'", "no daemon"),
    ],
)
def test_builder__no_buildx(workspace: Path, script: str, shown: str) -> None:
    with pytest.raises(EngineMissing, match=shown):
        DockerEngine(stand_in(workspace, script), FakeClock()).builder(None)


def test_s6__interrupted_build_takes_its_process_along(workspace: Path, engine: Engine) -> None:
    environ = engine.environment() | stand_in(
        workspace,
        f'[ "$2" = build ] || exit 0\necho $$ > {workspace}/pid\necho started\nexec sleep 60',
    )

    def interrupt(_: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(DockerEngine(environ, FakeClock()), workspace, write=interrupt)

    pid = int((workspace / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


def test_s6__interrupted_build_that_does_not_end_is_killed(
    workspace: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecr_publish.edges.engine._END_SECONDS", 0.1)
    environ = engine.environment() | stand_in(
        workspace,
        '[ "$2" = build ] || exit 0\ntrap "" TERM\n'
        f"echo $$ > {workspace}/pid\necho started\nexec sleep 60",
    )

    def interrupt(_: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(DockerEngine(environ, FakeClock()), workspace, write=interrupt)

    pid = int((workspace / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:Exception ignored in")
def test_engine__that_does_not_run(workspace: Path) -> None:
    nobody = {"DOCKER_HOST": f"unix://{workspace}/nobody.sock", "PATH": os.environ["PATH"]}
    engine = DockerEngine(nobody, FakeClock())

    with pytest.raises(EngineMissing, match="Cannot connect"):
        engine.builder(None)
    with pytest.raises(BuilderMissing, match="default cannot be used: Cannot connect"):
        engine.builder("default")
    with pytest.raises(EngineMissing):
        engine.tag("x:1", make_state(), CANDIDATE)
    with pytest.raises(EngineMissing):
        engine.push(make_state(), CANDIDATE, Login(username="", password=""), lambda _: None)
    engine.forget("x:1")

    # docker-py leaves its socket open where nobody answers; that is to be seen here, not later.
    gc.collect()


@pytest.mark.parametrize("name", [None, "default"])
def test_builder__that_is_the_engine(
    docker_engine: DockerEngine, engine: Engine, name: str | None
) -> None:
    found = docker_engine.builder(name)
    assert (found.driver, found.containerd) == ("docker", engine.store == "containerd")
    assert "linux/amd64" in found.platforms


def test_builder__that_nobody_has_made(docker_engine: DockerEngine) -> None:
    with pytest.raises(BuilderMissing, match="nobody"):
        docker_engine.builder("nobody")


ONLY_CONTAINERD = pytest.mark.parametrize("engine", ["containerd"], indirect=True)
OUTSIDE = "outside"
TWO = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A machine without an engine, whose buildx knows a builder elsewhere."""

    home: Path
    environ: dict[str, str]
    workspace: Path

    @property
    def docker(self) -> DockerEngine:
        return DockerEngine(self.environ, FakeClock())

    def push(self, registry: EcrRegistry, **more: Any) -> Digest | None:
        state = more.pop("state", None) or looked(registry)
        login = more.pop("login", None) or registry.login()
        build = make_build(builder=OUTSIDE)
        return built(self.docker, self.workspace, build, state=state, login=login, **more)

    def files_with(self, *secrets: str) -> list[Path]:
        """All files of the machine's user that hold one of these."""
        wanted = [secret.encode() for secret in secrets]
        return [
            path
            for path in self.home.rglob("*")
            if path.is_file() and any(secret in path.read_bytes() for secret in wanted)
        ]


@pytest.fixture
def runner(
    engine: Engine, tmp_path: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Runner]:
    home = tmp_path / "home"
    (home / "temp").mkdir(parents=True)
    (home / ".docker").mkdir()
    (home / ".docker" / "config.json").write_text('{"auths": {}}')
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "RUNNER_TEMP": str(home / "temp"),
        "DOCKER_HOST": f"unix://{home}/no-engine.sock",
    }
    # Whatever else is written for a while is seen as well.
    monkeypatch.setattr("tempfile.tempdir", str(home / "temp"))
    with OutsideBuilder(engine) as builder:
        builder.create(OUTSIDE, environ)
        yield Runner(home=home, environ=environ, workspace=workspace)


def secrets_of(login: Login) -> tuple[str, str]:
    """The password, and the form in which docker's configuration holds it."""
    auth = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    return login.password, auth


@ONLY_CONTAINERD
@pytest.mark.parametrize("chosen_by", ["name", "BUILDX_BUILDER"])
def test_builder__outside_needs_no_engine(runner: Runner, chosen_by: str) -> None:
    environ = runner.environ | ({"BUILDX_BUILDER": OUTSIDE} if chosen_by != "name" else {})
    name = OUTSIDE if chosen_by == "name" else None

    assert DockerEngine(environ, FakeClock()).builder(name).driver == "remote"


@ONLY_CONTAINERD
def test_s1_build_only__in_a_builder_outside(runner: Runner) -> None:
    build = make_build(builder=OUTSIDE, provenance="mode=max", platforms=TWO)
    output = bytearray()
    where = str(runner.workspace)
    assert runner.docker.build_only(build, workspace=where, write=output.extend) == ()
    assert b"COPY hello /" in output
    assert b"exporting" not in output


@ONLY_CONTAINERD
@pytest.mark.parametrize("provenance", ["false", "mode=max"])
def test_push__by_the_builder_states_the_digest_that_ecr_took(
    runner: Runner, registry: EcrRegistry, provenance: str
) -> None:
    output = bytearray()
    build = make_build(builder=OUTSIDE, provenance=provenance)
    state, login = looked(registry), registry.login()

    digest = built(
        runner.docker, runner.workspace, build, state=state, login=login, write=output.extend
    )

    assert digest
    assert registry.find(CANDIDATE).digest == digest
    assert len(targets(registry.manifest(digest), registry.manifest)) == 1
    assert b"pushing manifest" in output


@ONLY_CONTAINERD
def test_s5__builder_that_pushes_again_uploads_nothing(
    runner: Runner, registry: EcrRegistry, ecr: LocalEcr
) -> None:
    build = make_build(builder=OUTSIDE, epoch=1_700_000_000)
    state = looked(registry)

    def again() -> Digest | None:
        login = registry.login()
        return built(runner.docker, runner.workspace, build, state=state, login=login)

    first = again()
    ecr.reset()

    assert again() == first
    assert ecr.calls("v2.StartUpload") == []


@ONLY_CONTAINERD
@pytest.mark.parametrize(
    ("operation", "code", "cause"),
    [
        ("v2.PutManifest", "DENIED", "permission"),
        ("v2.*", "DENIED", "token has expired"),
        ("v2.*", "UNAUTHORIZED", "does not belong to this registry"),
        ("v2.PutManifest", "TOOMANYREQUESTS", "throttled"),
    ],
)
def test_push__by_the_builder_names_the_cause(
    runner: Runner,
    registry: EcrRegistry,
    ecr: LocalEcr,
    operation: str,
    code: str,
    cause: str,
) -> None:
    state, login = looked(registry), registry.login()
    ecr.fail_next(operation, code, times=99)

    with pytest.raises(PushFailed) as caught:
        runner.push(registry, state=state, login=login)

    assert cause in caught.value.why
    assert "failed to push" in caught.value.what


@ONLY_CONTAINERD
def test_push__by_the_builder_with_a_wrong_password(runner: Runner, registry: EcrRegistry) -> None:
    with pytest.raises(PushFailed, match="401") as caught:
        runner.push(registry, login=Login(username="AWS", password="wrong"))

    assert "does not belong to this registry" in caught.value.why


@ONLY_CONTAINERD
def test_push__by_the_builder_to_a_repository_that_was_removed(
    runner: Runner, registry: EcrRegistry
) -> None:
    state, login = looked(registry), registry.login()
    boto3.client("ecr").delete_repository(repositoryName=NAME, force=True)

    with pytest.raises(PushFailed) as caught:
        runner.push(registry, state=state, login=login)

    assert "create-repository" in caught.value.fix


@ONLY_CONTAINERD
def test_push__by_the_builder_to_nobody(runner: Runner, registry: EcrRegistry) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(PushFailed) as caught:
        runner.push(registry, state=make_state(host=host))

    assert "could not reach the registry" in caught.value.why


@ONLY_CONTAINERD
@pytest.mark.parametrize(
    "dockerfile",
    ["FROM scratch\nCOPY missing /\n", "FROM {host}/nobody:1\n", "FROM scratch\nNONSENSE\n"],
    ids=["missing file", "missing base image", "syntax"],
)
def test_build__that_fails_is_not_taken_for_a_failed_push(
    runner: Runner, registry: EcrRegistry, ecr: LocalEcr, dockerfile: str
) -> None:
    (runner.workspace / "Dockerfile").write_text(dockerfile.format(host=ecr.host))

    with pytest.raises(BuildFailed) as caught:
        runner.push(registry)

    assert "failed to solve" in caught.value.why
    assert list((runner.home / "temp").iterdir()) == []


@ONLY_CONTAINERD
@pytest.mark.parametrize("end", ["good", "refused", "failed", "cancelled"])
def test_s3__login_of_a_builder_is_in_no_argument_and_in_no_file_afterwards(
    runner: Runner, registry: EcrRegistry, ecr: LocalEcr, end: str
) -> None:
    state, login = looked(registry), registry.login()
    secrets, shown = secrets_of(login), bytearray()
    if end == "refused":
        ecr.fail_next("v2.PutManifest", "DENIED", times=99)
    if end == "failed":
        (runner.workspace / "Dockerfile").write_text("FROM scratch\nCOPY missing /\n")

    def write(data: bytes) -> None:
        shown.extend(data)
        assert runner.files_with(*secrets), "docker has no login"
        if end == "cancelled":
            raise KeyboardInterrupt

    kinds = {"refused": PushFailed, "failed": BuildFailed, "cancelled": KeyboardInterrupt}
    fails = pytest.raises(kinds[end]) if end in kinds else contextlib.nullcontext()
    with all_arguments() as arguments, fails:
        runner.push(registry, state=state, login=login, write=write)

    assert runner.files_with(*secrets) == []
    assert list((runner.home / "temp").iterdir()) == []
    assert (runner.home / ".docker" / "config.json").read_text() == '{"auths": {}}'
    assert "buildx" in "".join(arguments)
    assert not [secret for secret in secrets if secret in "".join(arguments)]
    assert not [secret for secret in secrets if secret.encode() in shown]


@contextlib.contextmanager
def all_arguments() -> Iterator[set[str]]:
    """The command lines of all processes that live meanwhile."""
    found, over = set[str](), threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    found.add(path.read_text(errors="replace"))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


EPOCH = 1_700_000_000


def created(registry: EcrRegistry, digest: Digest) -> str:
    """When an image says that it was made."""
    return str(json.loads(registry.config(registry.manifest(digest)))["created"])


def test_s5__same_commit_gives_the_same_digest(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path
) -> None:
    state, digests = looked(registry), set()
    for modified in (1_000_000_000, 1_100_000_000):
        os.utime(workspace / "hello", (modified, modified))
        built(docker_engine, workspace, make_build(epoch=EPOCH), state=state)
        digests.add(docker_engine.push(state, CANDIDATE, registry.login(), lambda _: None))

    (digest,) = digests
    assert created(registry, digest) == "2023-11-14T22:13:20Z"


def test_epoch__of_the_user_wins(engine: Engine, registry: EcrRegistry, workspace: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "SOURCE_DATE_EPOCH": "0", **engine.environment()}
    docker_engine, state = DockerEngine(environ, FakeClock()), looked(registry)

    built(docker_engine, workspace, make_build(epoch=EPOCH), state=state)

    digest = docker_engine.push(state, CANDIDATE, registry.login(), lambda _: None)
    assert created(registry, digest) == "1970-01-01T00:00:00Z"


def test_epoch__that_is_not_known_is_the_time_of_the_build(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path
) -> None:
    (workspace / "hello").write_text("never built before")
    digest, _, _ = published(docker_engine, looked(registry), workspace, registry.login())

    assert created(registry, Digest(digest))[:4] >= "2024"


# What is drawn --------------------------------------------------------------------------------


@pytest.mark.parametrize("draws", [True, False])
def test_push__is_drawn_or_else_said_every_three_seconds(draws: bool) -> None:  # noqa: FBT001
    events: list[dict[str, object]] = [
        {"id": "a", "status": "Pushing", "progressDetail": {"current": part, "total": 100}}
        for part in range(1, 11)
    ]
    drawn, said = list[tuple[float, str]](), list[str]()

    def show(part: float, text: str) -> bool:
        drawn.append((part, text))
        return draws

    api = DockerApi({}, FakeClock(step=1.0), show)
    api._follow(iter(events), said.append)

    assert [part for part, _ in drawn] == [part / 100 for part in range(1, 11)]
    assert drawn[0][1] == "0 of 1 layers, 0.0 of 0.0 MB sent"
    assert len(said) == (0 if draws else 3)
