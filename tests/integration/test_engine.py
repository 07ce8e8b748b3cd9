"""The engine's edge on real engines with both image stores, and on stand-ins for what they hide."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import docker
import pytest
import requests
from botocore.config import Config

from dev.engine import Engine
from ecr_publish.edges.engine import DockerEngine
from ecr_publish.edges.ports import Login
from ecr_publish.edges.registry import Clients, EcrRegistry
from ecr_publish.errors import BuildFailed, EngineMissing, ImageMissing, InvalidInputs, PushFailed
from ecr_publish.plan import RepositoryState
from ecr_publish.reference import Tag
from local_ecr.server import LocalEcr
from tests.factories import CANDIDATE, NAME, make_build, make_plan, make_state
from tests.fakes import FakeClock

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


def published(
    docker_engine: DockerEngine, state: RepositoryState, workspace: Path, login: Login
) -> tuple[str, bytes, list[str]]:
    """Build and push; gives the digest, the build's output and what the push said."""
    output, said = bytearray(), list[str]()
    reference = f"{state.uri}:{CANDIDATE}"
    docker_engine.build(make_build(), reference, str(workspace), output.extend)
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
    state = registry.repository()

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
    state, login = registry.repository(), registry.login()
    first, _, _ = published(docker_engine, state, workspace, login)
    uploads = len(ecr.calls("v2.StartUpload"))

    second = docker_engine.push(state, CANDIDATE, login, lambda _: None)

    assert str(second) == first
    assert len(ecr.calls("v2.StartUpload")) == uploads


def test_forget__removes_the_name_and_never_fails(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path, engine: Engine
) -> None:
    state = registry.repository()
    reference = f"{state.uri}:{CANDIDATE}"
    docker_engine.build(make_build(), reference, str(workspace), lambda _: None)
    assert reference in images(engine)

    docker_engine.forget(reference)
    docker_engine.forget(reference)

    assert reference not in images(engine)


def test_tag__keeps_the_users_own_name(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path, engine: Engine
) -> None:
    docker_engine.build(make_build(), "users-own:1", str(workspace), lambda _: None)
    state = registry.repository()

    docker_engine.tag("users-own:1", state, CANDIDATE)
    digest = docker_engine.push(state, CANDIDATE, registry.login(), lambda _: None)
    docker_engine.forget(f"{state.uri}:{CANDIDATE}")

    assert registry.manifest(digest).digest == digest
    assert "users-own:1" in images(engine)


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
        docker_engine.build(make_build(), "x:1", str(workspace), output.extend)

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

    docker_engine.build(build, "labelled:1", str(workspace), lambda _: None)

    client = docker.DockerClient(base_url=engine.host)
    labels = client.images.get("labelled:1").labels
    client.close()
    assert labels["name"] == "with space;$(touch pwned)"
    assert labels["team"] == "web"
    assert sorted(path.name for path in workspace.iterdir()) == [
        *("Dockerfile", "hello", "other.Dockerfile")
    ]


def test_push__wrong_password(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path
) -> None:
    with pytest.raises(PushFailed):
        published(
            docker_engine,
            registry.repository(),
            workspace,
            Login(username="AWS", password="wrong"),
        )


def test_push__repository_removed_meanwhile(
    docker_engine: DockerEngine, registry: EcrRegistry, workspace: Path
) -> None:
    state = registry.repository()
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
        for data in answers:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(data)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
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


def test_build__no_docker_command(workspace: Path) -> None:
    # Popen and run look the program up on the PATH that they are given.
    with pytest.raises(EngineMissing, match="no docker command"):
        DockerEngine({"PATH": str(workspace)}, FakeClock()).build(
            make_build(), "x:1", str(workspace), lambda _: None
        )


@pytest.mark.parametrize(
    ("script", "shown"),
    [
        ("echo \"docker: 'buildx' is not a docker command.\" >&2; exit 1", "is not a docker"),
        ("exit 1", "docker buildx does not answer"),
    ],
)
def test_build__no_buildx(workspace: Path, script: str, shown: str) -> None:
    with pytest.raises(EngineMissing, match=shown):
        DockerEngine(stand_in(workspace, script), FakeClock()).build(
            make_build(), "x:1", str(workspace), lambda _: None
        )


def test_s6__interrupted_build_takes_its_process_along(workspace: Path, engine: Engine) -> None:
    environ = engine.environment() | stand_in(
        workspace,
        f'[ "$2" = build ] || exit 0\necho $$ > {workspace}/pid\necho started\nexec sleep 60',
    )

    def interrupt(_: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DockerEngine(environ, FakeClock()).build(make_build(), "x:1", str(workspace), interrupt)

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
        DockerEngine(environ, FakeClock()).build(make_build(), "x:1", str(workspace), interrupt)

    pid = int((workspace / "pid").read_text())
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:Exception ignored in")
def test_engine__that_does_not_run(workspace: Path) -> None:
    nobody = {"DOCKER_HOST": f"unix://{workspace}/nobody.sock", "PATH": os.environ["PATH"]}
    engine = DockerEngine(nobody, FakeClock())

    with pytest.raises(EngineMissing):
        engine.build(make_build(), "x:1", str(workspace), lambda _: None)
    with pytest.raises(EngineMissing):
        engine.tag("x:1", make_state(), CANDIDATE)
    with pytest.raises(EngineMissing):
        engine.push(make_state(), CANDIDATE, Login(username="", password=""), lambda _: None)
    engine.forget("x:1")

    # docker-py leaves its socket open where nobody answers; that is to be seen here, not later.
    gc.collect()
