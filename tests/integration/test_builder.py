"""A builder outside of the user's engine: what BuildKit pushes by itself, and what it says then."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from dev.builder import Builder, BuilderError
from dev.engine import Engine
from ecr_publish.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX
from local_ecr import LocalEcr

pytestmark = [
    pytest.mark.usefixtures("ambient"),
    pytest.mark.parametrize("engine", ["containerd"], indirect=True),
]
NAME = "outside"
# How every client of HTTP/2 begins (RFC 9113, 3.4); the server answers with settings of its own.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
NO_ATTESTATION = "--provenance=false"


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A user whose buildx has a builder outside of the engine, and who is logged in to ECR."""

    folder: Path
    host: str

    @property
    def context(self) -> Path:
        return self.folder / "context"

    @property
    def environment(self) -> dict[str, str]:
        nobody = f"unix://{self.folder}/no-engine.sock"
        own = {"HOME": str(self.folder), "DOCKER_CONFIG": str(self.folder / "config")}
        return {"PATH": os.environ["PATH"], "DOCKER_HOST": nobody, **own}

    def login(self, password: str | None = None) -> None:
        data = boto3.client("ecr").get_authorization_token()["authorizationData"][0]
        token = data["authorizationToken"]
        if password is not None:
            token = base64.b64encode(f"AWS:{password}".encode()).decode()
        config = json.dumps({"auths": {self.host: {"auth": token}}})
        (self.folder / "config" / "config.json").write_text(config)

    def buildx(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "buildx", *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def write(self, content: str, modified: int = 1_000_000_000) -> None:
        self.context.mkdir(exist_ok=True)
        (self.context / "Dockerfile").write_text("FROM scratch\nCOPY hello /\n")
        (self.context / "hello").write_text(content)
        os.utime(self.context / "hello", (modified, modified))

    def build(
        self, name: str, *options: str, output: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self.buildx(
            *("build", f"--builder={NAME}", "--progress=plain"),
            *(f"--output=type=image,name={self.host}/{name},push=true{output}", *options),
            *(f"--metadata-file={self.folder}/metadata.json", str(self.context)),
            **environment,
        )

    def push(self, name: str, *options: str, **more: str) -> str:
        """Build, which succeeds; gives the digest that BuildKit has noted."""
        done = self.build(name, *options, **more)
        assert not done.returncode, done.stderr
        return self.noted()

    def noted(self) -> str:
        return str(json.loads((self.folder / "metadata.json").read_text())["containerimage.digest"])


@pytest.fixture
def builder(engine: Engine) -> Iterator[Builder]:
    with Builder(engine) as running:
        yield running


@pytest.fixture
def outside(builder: Builder, ecr: LocalEcr, tmp_path: Path) -> Outside:
    (tmp_path / "config").mkdir()
    user = Outside(folder=tmp_path, host=ecr.host)
    user.login()
    user.write("hello")
    builder.create(NAME, user.environment)
    boto3.client("ecr").create_repository(repositoryName="app")
    boto3.client("ecr").create_repository(repositoryName="fixed", imageTagMutability="IMMUTABLE")
    return user


def in_ecr(tag: str) -> tuple[str, dict[str, Any]]:
    """The digest and the manifest behind a tag of `app`."""
    answer = boto3.client("ecr").batch_get_image(
        repositoryName="app",
        imageIds=[{"imageTag": tag}],
        acceptedMediaTypes=[DOCKER_MANIFEST, DOCKER_LIST, OCI_INDEX],
    )
    (image,) = answer["images"]
    return image["imageId"]["imageDigest"], json.loads(image["imageManifest"])


def test_inspect__driver_and_status(outside: Outside) -> None:
    shown = outside.buildx("inspect", "--builder", NAME).stdout

    assert re.search(r"^Driver: +remote$", shown, re.MULTILINE)
    assert re.search(r"^Status: +running$", shown, re.MULTILINE)


@pytest.mark.parametrize("chosen_by", ["buildx use", "BUILDX_BUILDER"])
def test_inspect__without_a_name_shows_the_builder_that_a_build_takes(
    outside: Outside, chosen_by: str
) -> None:
    if chosen_by == "buildx use":
        outside.buildx("use", NAME)
        shown = outside.buildx("inspect")
    else:
        shown = outside.buildx("inspect", BUILDX_BUILDER=NAME)

    assert re.match(rf"Name: +{NAME}\nDriver: +remote\n", shown.stdout)


def test_push__digest_of_the_metadata_is_the_one_that_ecr_has(outside: Outside) -> None:
    noted = outside.push("app:1", NO_ATTESTATION)

    digest, manifest = in_ecr("1")
    assert digest == noted
    assert len(manifest["layers"]) == 1


def test_push__index_of_two_platforms(outside: Outside) -> None:
    noted = outside.push("app:1", NO_ATTESTATION, "--platform=linux/amd64,linux/arm64")

    digest, index = in_ecr("1")
    assert digest == noted
    platforms = [child["platform"]["architecture"] for child in index["manifests"]]
    assert platforms == ["amd64", "arm64"]
    stored = boto3.client("ecr").list_images(repositoryName="app")["imageIds"]
    children = {child["digest"] for child in index["manifests"]}
    assert {image["imageDigest"] for image in stored} == {digest, *children}


def test_push__provenance_makes_an_index_with_an_attestation(outside: Outside) -> None:
    noted = outside.push("app:1", "--provenance=mode=min")

    digest, index = in_ecr("1")
    assert digest == noted
    image, attestation = index["manifests"]
    assert image["platform"] == {"architecture": "amd64", "os": "linux"}
    assert attestation["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert attestation["annotations"] == {
        "vnd.docker.reference.digest": image["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }


def test_push__second_time_builds_and_uploads_nothing(outside: Outside, ecr: LocalEcr) -> None:
    first = outside.push("app:1", NO_ATTESTATION, SOURCE_DATE_EPOCH="0")
    ecr.reset()

    again = outside.build("app:1", NO_ATTESTATION, SOURCE_DATE_EPOCH="0")

    assert "[1/1] COPY hello /\n" in again.stderr
    assert re.search(r"^#\d+ CACHED$", again.stderr, re.MULTILINE)
    assert outside.noted() == first == in_ecr("1")[0]
    assert not [call for call in ecr.calls("v2.*") if call.status in {201, 202}]


@pytest.mark.parametrize(("output", "images"), [("", 2), (",rewrite-timestamp=true", 1)])
def test_push__rewritten_timestamps_make_builds_alike(
    outside: Outside, output: str, images: int
) -> None:
    digests = set()
    for modified in (1_000_000_000, 1_100_000_000):
        outside.write("hello", modified)
        options = (NO_ATTESTATION, "--no-cache")
        digests.add(outside.push("app:1", *options, output=output, SOURCE_DATE_EPOCH="0"))

    assert len(digests) == images


BLOB = r"http://HOST/v2/\w+/blobs/"


@pytest.mark.parametrize(
    ("name", "password", "said"),
    [
        pytest.param(
            "app:1",
            "wrong",
            f"unexpected status from HEAD request to {BLOB}sha256:[0-9a-f]+: 401 UNAUTHORIZED",
            id="wrong password",
        ),
        pytest.param(
            "nope:1",
            None,
            rf"unexpected status from POST request to {BLOB}uploads/\S*: 404 NOT FOUND",
            id="no repository",
        ),
        pytest.param(
            "fixed:1",
            None,
            'failed commit on ref "manifest-sha256:[0-9a-f]+": unexpected status from PUT request '
            r"to http://HOST/v2/fixed/manifests/1: 400 BAD REQUEST",
            id="immutable tag",
        ),
    ],
)
def test_push__refusal_without_the_registrys_reason(
    outside: Outside, name: str, password: str | None, said: str
) -> None:
    outside.push("fixed:1", NO_ATTESTATION)
    outside.write("something else")
    outside.login(password)

    done = outside.build(name, NO_ATTESTATION)

    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
    pattern = f"ERROR: failed to solve: failed to push HOST/{name}: {said}"
    assert re.fullmatch(pattern.replace("HOST", re.escape(outside.host)), error), error


def test_push__connection_that_breaks_once_is_tried_again(outside: Outside, ecr: LocalEcr) -> None:
    ecr.fail_next("v2.PutManifest", "ConnectionReset")

    noted = outside.push("app:1", NO_ATTESTATION)

    assert in_ecr("1")[0] == noted
    assert [call.status for call in ecr.calls("v2.PutManifest")] == [0, 201]


def talk(builder: Builder) -> socket.socket:
    """A connection on which BuildKit has begun to speak HTTP/2."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(builder.address.removeprefix("unix://"))
    connection.sendall(PREFACE)
    assert connection.recv(9)[3] == 4, "not the settings"
    return connection


def drained(connection: socket.socket) -> bool:
    """Whether the other side ends the connection, after whatever it has to say."""
    while connection.recv(65536):
        pass
    return True


def test_bridge__ends_with_connections_that_are_open(engine: Engine) -> None:
    before = set(threading.enumerate())
    with Builder(engine) as builder:
        path = Path(builder.address.removeprefix("unix://"))
        connection = talk(builder)
        assert len(threading.enumerate()) > len(before)

    with connection:
        assert drained(connection)
    assert set(threading.enumerate()) <= before
    assert not path.exists()


def test_bridge__client_that_has_no_more_to_say(builder: Builder) -> None:
    with talk(builder) as connection:
        connection.shutdown(socket.SHUT_WR)

        assert drained(connection)


def test_bridge__two_of_one_engine(engine: Engine, builder: Builder) -> None:
    with Builder(engine) as other, talk(other), talk(builder):
        assert other.address != builder.address


def test_bridge__engine_that_refuses(engine: Engine, tmp_path: Path) -> None:
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    before = set(threading.enumerate())
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "docker.sock"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        stand_in = Builder(Engine(store="containerd", directory=tmp_path))
        with pytest.raises(BuilderError, match="404 Not Found"), stand_in:
            pytest.fail("this engine has no BuildKit")
        thread.join()
    assert set(threading.enumerate()) <= before


def test_bridge__classic_store(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(BuilderError, match="the classic store"):
        Builder(Engine(store="classic", directory=tmp_path))


def test_create__refusal_of_buildx(outside: Outside, builder: Builder) -> None:
    with pytest.raises(BuilderError, match="ERROR: "):
        builder.create("a/b", outside.environment)
