"""What BuildKit writes into an image's history, and what it tells of the image's layers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import boto3
import pytest
from botocore.config import Config

from dev.base_image import TINY, provide
from dev.builder import Builder as OutsideBuilder
from dev.engine import Engine
from ecr_publish.build import Way
from ecr_publish.dockerfile import own_instructions
from ecr_publish.edges.engine import DockerEngine
from ecr_publish.edges.ports import Delivery
from ecr_publish.edges.registry import Clients, EcrRegistry
from ecr_publish.findings import Layer
from ecr_publish.layers import read
from ecr_publish.origin import Commit, labels
from ecr_publish.plan import RepositoryState
from local_ecr.server import LocalEcr
from tests.factories import CANDIDATE, NAME, SHA, make_build, make_plan
from tests.fakes import FakeClock
from tests.images import looked

pytestmark = pytest.mark.usefixtures("ambient")

COMMIT = Commit(sha=SHA, time=1_700_000_000)
BASE = """\
FROM tiny-base:local
ENV BASE=1
RUN echo base > /base
WORKDIR /base-work
RUN true
"""
BASE_LAYERS = 4


@dataclass(frozen=True)
class Pushed:
    """An image that was pushed."""

    manifest: str
    config: str

    def layers(self, dockerfile: str, target: str | None = None) -> list[Layer]:
        """Its layers, as the Dockerfile explains them; those that are there twice are left out."""
        known = read(self.manifest, self.config, own_instructions(dockerfile.encode(), target))
        of_blobs = {known[name] for name in self.blobs if name in known}
        of_diffs = {known[name] for name in self.diff_ids if name in known}
        assert of_blobs == of_diffs
        return sorted(of_blobs, key=lambda layer: layer.number)

    @property
    def blobs(self) -> list[str]:
        return [layer["digest"] for layer in json.loads(self.manifest)["layers"]]

    @property
    def diff_ids(self) -> list[str]:
        return list(json.loads(self.config)["rootfs"]["diff_ids"])


@dataclass(frozen=True)
class Workshop:
    """Builds Dockerfiles as the action does, pushes, and gives what the registry then has."""

    engine: Engine
    environment: Mapping[str, str]
    registry: EcrRegistry
    workspace: Path
    state: RepositoryState

    def base(self, name: str, dockerfile: str) -> None:
        """Build a base image, with no time stated."""
        subprocess.run(
            ["docker", "buildx", "build", "--network=none", "--tag", f"{name}:1", "--file=-", "."],
            cwd=self.workspace,
            env=dict(self.environment),
            input=dockerfile.encode(),
            capture_output=True,
            check=True,
        )

    def build(
        self,
        dockerfile: str,
        *,
        commit: Commit | None = COMMIT,
        target: str | None = None,
        build_args: tuple[str, ...] = (),
        pushes: bool = False,
    ) -> Pushed:
        (self.workspace / "Dockerfile").write_bytes(dockerfile.encode())
        build = make_build(
            epoch=commit.time if commit else None,
            labels=labels(commit, "word", ["team=web"]) if commit else (),
            network="none",
            target=target,
            build_args=build_args,
            provenance="false",
        )
        docker = DockerEngine(self.environment, FakeClock())
        login = self.registry.login()
        by = Delivery(way=Way.BUILDER, login=login) if pushes else Delivery(way=Way.ENGINE)
        built = docker.build(
            build,
            self.state,
            CANDIDATE,
            by=by,
            workspace=str(self.workspace),
            write=lambda _: None,
        )
        digest = built.digest or docker.push(self.state, CANDIDATE, login, lambda _: None)
        manifest = self.registry.manifest(digest)
        return Pushed(manifest.text, self.registry.config(manifest))


@pytest.fixture
def workshop(engine: Engine, ecr: LocalEcr, tmp_path: Path) -> Workshop:
    boto3.client("ecr").create_repository(repositoryName=NAME)
    (tmp_path / "hello").write_text("hello\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("file\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **engine.environment()}
    provide(TINY, environment)
    registry = EcrRegistry(Clients(boto3.Session(), Config()), make_plan(), lambda _: None)
    shop = Workshop(engine, environment, registry, tmp_path, looked(registry))
    shop.base("plain", BASE)
    return shop


def sources(layers: list[Layer]) -> list[tuple[bool | None, int | None]]:
    return [(layer.from_base, layer.line) for layer in layers]


EVERYTHING = r"""# A comment
ARG BASE=plain:1
FROM scratch AS files
COPY hello /from/hello

FROM ${BASE} AS first
ARG V=1
ENV A=$V  C="two  words" D=x
RUN echo "$V"   'a  b' > /one \
    # a comment between

    && echo two > /two
FROM first
ARG V=2 X
ARG W
ARG TARGETPLATFORM
LABEL team=web  "other"=$V
MAINTAINER me <a@b.example>
RUN ["/bin/busybox", "touch", "/exec"]
RUN --network=none --mount=type=cache,target=/c echo mounted > /m
RUN <<EOF
echo heredoc > /h1
# no comment
EOF
RUN cat <<-"EOF" > /h2 && cat <<B > /h3
	tabs
FROM nowhere
	EOF
b
B
RUN <<-END
	echo chomp > /h4
	END
RUN <<EOF
#!/bin/busybox ash
echo shebang > /h5
EOF
COPY hello folder /c1/
COPY --link hello /c2
COPY --link --from=files /from/hello /c3
COPY --chown=1:$V --chmod=644 hello /c-$V
COPY <<EOF /c4
inline $V
EOF
COPY <<A <<"B" /c5/
aaa
A
bbb
B
COPY ["hello", "/c 6"]
ADD hel* ./folder /a1/
WORKDIR /new/../work//dir/
WORKDIR relative$V
USER 1
USER "0:0"
EXPOSE 80 443/udp 90-92
VOLUME /v1 /v$V
VOLUME ["/v3"]
STOPSIGNAL SIGINT
HEALTHCHECK --interval=5s CMD true  && x
HEALTHCHECK NONE
run   echo   lower   case > /lower
SHELL ["/bin/busybox", "ash", "-e", "-c"]
RUN echo shell > /shell
ONBUILD RUN echo child
ENTRYPOINT ["/bin/sh", "a \"quote\" <é>"]
CMD echo "shell"   form
ENV OLD style value
ENV E=$A F=${A:-x}
RUN echo last > /last"""


def made_by(dockerfile: str) -> list[int]:
    """The lines of the instructions that make layers, all but those of the stage `files`."""
    own = own_instructions(dockerfile.encode(), None)
    assert own is not None
    return [item.line for item in own if item.keyword in ("RUN", "COPY", "ADD", "WORKDIR")]


def test_s1_every_instruction__and_the_base(workshop: Workshop) -> None:
    image = workshop.build(EVERYTHING, build_args=("W=w  w", "V=9", "HTTP_PROXY=http://x"))

    layers = image.layers(EVERYTHING)

    assert sources(layers) == [
        *[(True, None)] * BASE_LAYERS,
        *[(False, line) for line in made_by(EVERYTHING)],
    ]
    assert [layer.created_by for layer in layers[:3]] == [
        "",
        "RUN /bin/sh -c echo base > /base",
        "WORKDIR /base-work",
    ]
    assert layers[4].created_by == "RUN echo \"$V\" 'a b' > /one && echo two > /two"
    assert layers[-1].created_by == "RUN echo last > /last"


def test_build_that_is_cached__is_dated_as_this_build(workshop: Workshop) -> None:
    dockerfile = "FROM plain:1\nRUN echo cached > /cached\nENV A=1\n"
    workshop.build(dockerfile, commit=None)

    image = workshop.build(dockerfile, commit=Commit(sha=SHA, time=COMMIT.time + 1))

    assert sources(image.layers(dockerfile)) == [*[(True, None)] * BASE_LAYERS, (False, 2)]


def test_s1_build_of_another_tool__has_no_proof_of_the_base(workshop: Workshop) -> None:
    dockerfile = "FROM plain:1\nRUN echo other > /other\n"

    image = workshop.build(dockerfile, commit=None)

    assert sources(image.layers(dockerfile)) == [*[(None, None)] * BASE_LAYERS, (False, 2)]


@pytest.mark.parametrize("commit", [COMMIT, None])
def test_s1_onbuild__layers_of_triggers_are_not_the_base_s(
    workshop: Workshop, commit: Commit | None
) -> None:
    workshop.base("onbuild", f"{BASE}ONBUILD RUN echo trigger > /t\nONBUILD COPY hello /t2\n")
    dockerfile = "FROM onbuild:1\nRUN echo own > /own\n"

    image = workshop.build(dockerfile, commit=commit)

    assert sources(image.layers(dockerfile)) == [
        *[(True if commit else None, None)] * BASE_LAYERS,
        *[(None, None)] * 2,
        (False, 2),
    ]


def test_s1_onbuild__without_an_own_instruction(workshop: Workshop) -> None:
    workshop.base("onbuild", f"{BASE}ONBUILD COPY hello /t3\n")
    for name in ("onbuild", "plain"):
        image = workshop.build(f"FROM {name}:1\n")
        assert {layer.from_base for layer in image.layers(f"FROM {name}:1\n")} == {None}


OTHERS = (
    "FROM plain:1\nRUN echo other > /1\nRUN echo 2 > /2\n",
    "FROM plain:1\nRUN echo 1 > /1\nRUN echo 2 > /2\nENV A=1\n",
    "FROM plain:1\nRUN echo 1 > /1\nRUN echo 2 > /2 \\\n&& true",
    "FROM plain:1\nRUN echo 1 > /1\nCOPY hello /2\n",
    "FROM plain:1\nRUN 1 > /1\nRUN 2 > /2\n",
    "FROM plain:1\nCOPY hello /x\n",
    "FROM plain:1\nRUN echo 1 > /1\n",
    "nonsense",
)


def test_s1_another_dockerfile__says_nothing(workshop: Workshop) -> None:
    image = workshop.build("FROM plain:1\nRUN echo 1 > /1\nRUN echo 2 > /2\n")

    for dockerfile in OTHERS:
        layers = image.layers(dockerfile)

        assert [layer.number for layer in layers] == [*range(1, BASE_LAYERS + 3)]
        assert set(sources(layers)) == {(None, None)}


def test_s1_another_dockerfile__what_it_lacks_is_not_the_base_s(workshop: Workshop) -> None:
    image = workshop.build("FROM plain:1\nRUN echo 1 > /1\nRUN echo 2 > /2\n")

    assert sources(image.layers("FROM plain:1\nRUN echo 2 > /2\n")) == [
        *[(True, None)] * BASE_LAYERS,
        (None, None),
        (False, 2),
    ]


def test_target__and_windows_line_ends(workshop: Workshop) -> None:
    dockerfile = (
        "\ufeffFROM plain:1 AS One\r\nRUN echo 1 \\\r\n > /1\r\nFROM one as two\r\n"
        "RUN <<E\r\necho 2 > /2\r\nE\r\nFROM scratch\r\nCOPY hello /\r\n"
    )

    image = workshop.build(dockerfile, target="Two")

    assert sources(image.layers(dockerfile, "Two")) == [
        *[(True, None)] * BASE_LAYERS,
        (False, 2),
        (False, 5),
    ]
    assert {layer.from_base for layer in image.layers(dockerfile)} == {None}


def test_scratch__has_own_layers_only(workshop: Workshop) -> None:
    dockerfile = "FROM scratch\nCOPY hello /\nCOPY folder /\n"

    assert sources(workshop.build(dockerfile).layers(dockerfile)) == [(False, 2), (False, 3)]


def test_layers_that_are_there_twice__are_left_out(workshop: Workshop) -> None:
    dockerfile = "FROM plain:1\nRUN true\nRUN echo 1 > /1\n"

    image = workshop.build(dockerfile)

    # The base has such a layer too.
    assert len(image.diff_ids) == BASE_LAYERS + 2
    assert len(set(image.diff_ids)) == len(set(image.blobs)) == BASE_LAYERS + 1
    assert sources(image.layers(dockerfile)) == [
        *[(True, None)] * (BASE_LAYERS - 1),
        (False, 3),
    ]


def test_pushed_configuration__is_the_store_s(workshop: Workshop) -> None:
    image = workshop.build("FROM plain:1\nRUN echo 1 > /1\n")

    inspected = subprocess.run(
        ["docker", "image", "inspect", f"{workshop.state.uri}:{CANDIDATE}"],
        env=dict(workshop.environment),
        capture_output=True,
        check=True,
    )
    assert json.loads(inspected.stdout)[0]["RootFS"]["Layers"] == image.diff_ids


@pytest.mark.parametrize("engine", ["containerd"], indirect=True)
def test_builder_outside_of_the_engine__with_a_base_from_the_registry(workshop: Workshop) -> None:
    base = workshop.build(BASE, commit=None)
    dockerfile = f"FROM {workshop.state.uri}:{CANDIDATE}\nENV A=1\nCOPY hello /\nRUN echo 1 > /1\n"

    with OutsideBuilder(workshop.engine) as builder:
        builder.create("outside", workshop.environment)
        environment = {**workshop.environment, "BUILDX_BUILDER": "outside"}
        image = replace(workshop, environment=environment).build(dockerfile, pushes=True)

    assert image.blobs[:BASE_LAYERS] == base.blobs
    assert sources(image.layers(dockerfile)) == [
        *[(True, None)] * BASE_LAYERS,
        (False, 3),
        (False, 4),
    ]
