"""Bake files as buildx takes them: what they resolve to, and that none of them says what is pushed.

The hostile file names tags, outputs and exporters that push, for what is asked for and for what is
only built upon (S1, S4).
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from dev.builder import Builder
from dev.engine import Engine
from ecr_publish.bake import Bake, Image, Trial, definition
from ecr_publish.edges.engine import DockerEngine
from ecr_publish.edges.ports import Login
from ecr_publish.errors import BakeInvalid, BuildFailed, EngineMissing, PushFailed
from ecr_publish.origin import Commit, labels
from ecr_publish.plan import RepositoryState
from ecr_publish.reference import Digest, Tag
from local_ecr import LocalEcr
from tests.factories import SHA, make_build, make_state
from tests.fakes import FakeClock

pytestmark = pytest.mark.usefixtures("ambient")
containerd_store = pytest.mark.parametrize("engine", ["containerd"], indirect=True)
TARGETS = ("web", "api", "job")
OUTSIDE = "outside"
RECIPE = labels(Commit(sha=SHA, time=5), "made-of-this", ())

HOSTILE = """
variable "REGISTRY" {{ default = "{host}" }}
group "default" {{ targets = ["web", "others"] }}
group "others" {{ targets = ["api", "job"] }}
target "_common" {{
  tags = ["${{REGISTRY}}/team/web:latest"]
  labels = {{ "ecr-publish.recipe" = "forged", mine = "kept" }}
}}
target "web" {{
  inherits = ["_common"]
  dockerfile-inline = "FROM scratch\\nCOPY hello /web\\n"
  tags = ["${{REGISTRY}}/evil:latest", "${{REGISTRY}}/team/web:latest"]
  output = ["type=registry", "type=image,push=true"]
}}
target "lib" {{
  inherits = ["_common"]
  dockerfile-inline = "FROM scratch\\nCOPY hello /lib\\n"
  tags = ["${{REGISTRY}}/evil:lib"]
  output = ["type=registry"]
}}
target "api" {{
  inherits = ["lib"]
  dockerfile-inline = "FROM scratch\\nCOPY hello /api\\n"
  output = ["type=image,name=${{REGISTRY}}/evil:named,push=true", "type=local,dest=stolen"]
}}
target "job" {{
  inherits = ["_common"]
  dockerfile-inline = "FROM scratch\\nCOPY --from=lib /lib /job\\n"
  contexts = {{ lib = "target:lib" }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A workspace with a hostile bake file, an engine, and the repositories that it aims at."""

    workspace: Path
    engine: DockerEngine
    environ: dict[str, str]
    ecr: LocalEcr

    def call(self, builder: str | None = None) -> Bake:
        printed = self.engine.definition(("hostile.hcl",), (), str(self.workspace))
        found = definition(printed)
        images = tuple(
            Image(
                target=name,
                build=make_build(labels=RECIPE, epoch=5),
                state=self.state(name),
                candidate=Tag(f"candidate-{name}"),
            )
            for name in found.asked
        )
        files = ("hostile.hcl",)
        return Bake(files=files, builder=builder, images=images, definition=found)

    def state(self, name: str) -> RepositoryState:
        return make_state(host=self.ecr.host, name=f"team/{name}", arn=f"arn:team/{name}")

    def bake(self, call: Bake, login: Login | None = None) -> dict[str, Digest]:
        output = bytearray()
        try:
            return self.engine.bake(
                call, workspace=str(self.workspace), login=login, write=output.extend
            )
        except BuildFailed:
            print(output.decode())  # noqa: T201 - pytest shows it where the test fails
            raise

    def docker(self, *words: str) -> str:
        return subprocess.run(
            ["docker", *words], env=self.environ, capture_output=True, text=True, check=True
        ).stdout

    @property
    def names(self) -> set[str]:
        return set(self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())

    @property
    def held(self) -> dict[str, list[str]]:
        """The tags of each repository."""
        api = boto3.client("ecr")
        found = api.describe_repositories()["repositories"]
        return {
            one["repositoryName"]: [
                tag
                for image in api.describe_images(repositoryName=one["repositoryName"])[
                    "imageDetails"
                ]
                for tag in image.get("imageTags", [])
            ]
            for one in found
        }


@pytest.fixture
def place(engine: Engine, ecr: LocalEcr, tmp_path: Path) -> Place:
    (tmp_path / "hostile.hcl").write_text(HOSTILE.format(host=ecr.host))
    (tmp_path / "hello").write_text("hello\n")
    for name in ("evil", *(f"team/{name}" for name in TARGETS)):
        boto3.client("ecr").create_repository(repositoryName=name)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **engine.environment()}
    return Place(
        workspace=tmp_path, engine=DockerEngine(environ, FakeClock()), environ=environ, ecr=ecr
    )


def login(ecr: LocalEcr) -> Login:
    api = boto3.client("ecr")
    token = api.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    name, _, password = base64.b64decode(token).decode().partition(":")
    return Login(username=name, password=password)


# definition -------------------------------------------------------------------------------------


@containerd_store
def test_definition__groups_inheritance_and_variables_are_resolved(place: Place) -> None:
    found = place.call().definition
    assert found.asked == TARGETS
    assert found.links("job") == ("lib",)
    assert found.targets["web"]["tags"][0] == f"{place.ecr.host}/evil:latest"


@containerd_store
def test_definition__of_named_targets_and_of_a_compose_file(place: Place) -> None:
    compose = "services:\n  front: {build: ./web}\n  db: {image: postgres}\n"
    (place.workspace / "compose.yml").write_text(compose)
    printed = place.engine.definition(("compose.yml",), (), str(place.workspace))
    assert definition(printed).asked == ("front",)
    printed = place.engine.definition(("hostile.hcl",), ("job", "web"), str(place.workspace))
    assert set(definition(printed).asked) == {"job", "web"}


@containerd_store
@pytest.mark.parametrize(
    ("file", "targets", "said"),
    [
        ("missing.hcl", (), "missing.hcl: no such file"),
        ("hostile.hcl", ("nobody",), "nobody"),
        ("hello", (), "hello"),
    ],
)
def test_definition__what_buildx_says_of_what_is_wrong(
    place: Place, file: str, targets: tuple[str, ...], said: str
) -> None:
    with pytest.raises(BakeInvalid, match=said):
        place.engine.definition((file,), targets, str(place.workspace))


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'unknown command: bake' >&2; exit 1", "unknown command: bake"),
        ("exit 1", "buildx does not say why"),
    ],
)
@containerd_store
def test_definition__buildx_that_states_no_error(place: Place, script: str, said: str) -> None:
    docker = place.workspace / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)
    engine = DockerEngine({"PATH": f"{place.workspace}:/usr/bin:/bin"}, FakeClock())
    with pytest.raises(BakeInvalid, match=said):
        engine.definition(("hostile.hcl",), (), str(place.workspace))


@containerd_store
def test_definition__no_docker_command(place: Place) -> None:
    with pytest.raises(EngineMissing, match="no docker command"):
        DockerEngine({"PATH": str(place.workspace)}, FakeClock()).definition(
            ("a",), (), str(place.workspace)
        )


# bake -------------------------------------------------------------------------------------------


def test_s1_s4_bake__into_the_engine_under_our_names_alone(place: Place) -> None:
    before, call = place.names, place.call()
    assert place.bake(call) == {}
    assert place.names - before == {image.reference for image in call.images}
    assert place.held == {"evil": [], **{f"team/{name}": [] for name in TARGETS}}
    assert not (place.workspace / "stolen").exists()
    for image in call.images:
        (inspected,) = json.loads(place.docker("image", "inspect", image.reference))
        assert inspected["Config"]["Labels"]["ecr-publish.recipe"] == "made-of-this"
        assert inspected["Config"]["Labels"]["mine"] == "kept"
        assert inspected["Created"] == "1970-01-01T00:00:05Z"
        place.engine.forget(image.reference)
    assert place.names <= before


@containerd_store
def test_s1_s4_bake__pushed_by_buildkit_to_our_candidates_alone(
    place: Place, engine: Engine
) -> None:
    with Builder(engine) as builder:
        builder.create(OUTSIDE, place.environ)
        found = place.bake(place.call(OUTSIDE), login(place.ecr))
    assert place.held == {"evil": [], **{f"team/{name}": [f"candidate-{name}"] for name in TARGETS}}
    assert set(found) == set(TARGETS)
    api = boto3.client("ecr")
    for name, digest in found.items():
        (image,) = api.describe_images(repositoryName=f"team/{name}")["imageDetails"]
        assert image["imageDigest"] == str(digest)
        # An attestation, which nobody has asked for, would have made an index of it.
        assert image["imageManifestMediaType"].endswith("manifest.v2+json")
    assert not (place.workspace / "stolen").exists()


@containerd_store
def test_bake__failed_build_says_why_and_leaves_no_name_of_what_is_built_upon(
    place: Place,
) -> None:
    (place.workspace / "hello").unlink()
    with pytest.raises(BuildFailed, match="exited with 1") as caught:
        place.bake(place.call())
    assert "/hello" in caught.value.why
    assert not [name for name in place.names if "linked" in name]


CACHED = """
target "web" {{ cache-to = ["type=registry,ref={host}/team/web:latest"] }}
target "lib" {{ cache-to = ["type=local,dest=stolen", "{host}/evil:latest"] }}
"""


def tried(place: Place, builder: str | None = None) -> None:
    with (place.workspace / "hostile.hcl").open("a") as file:
        file.write(CACHED.format(host=place.ecr.host))
    call = place.call(builder)
    assert "cache-to" in call.definition.targets["lib"]
    asked = Trial(
        files=call.files,
        builder=builder,
        definition=call.definition,
        builds={image.target: image.build for image in call.images},
        tag=Tag("candidate-1"),
    )
    place.engine.bake_only(asked, workspace=str(place.workspace), write=lambda _: None)


def assert_nothing_is_kept(place: Place, before: set[str]) -> None:
    assert place.names == before
    assert place.held == {"evil": [], **{f"team/{name}": [] for name in TARGETS}}
    assert not (place.workspace / "stolen").exists()
    assert not [call for call in place.ecr.calls() if call.operation.startswith("v2.")]


def test_s1_s4_bake_only__keeps_and_pushes_nothing(place: Place) -> None:
    before = place.names
    tried(place)
    assert_nothing_is_kept(place, before)


@containerd_store
def test_s1_s4_bake_only__in_a_builder_outside(place: Place, engine: Engine) -> None:
    before = place.names
    with Builder(engine) as builder:
        builder.create(OUTSIDE, place.environ)
        tried(place, OUTSIDE)
    assert_nothing_is_kept(place, before)


def test_bake_only__failed_build_says_why_and_leaves_no_name(place: Place) -> None:
    before = place.names
    (place.workspace / "hello").unlink()
    with pytest.raises(BuildFailed, match="exited with 1") as caught:
        tried(place)
    assert "/hello" in caught.value.why
    assert_nothing_is_kept(place, before)


@containerd_store
def test_bake__failed_push_names_the_repository(place: Place, engine: Engine) -> None:
    boto3.client("ecr").delete_repository(repositoryName="team/api")
    with Builder(engine) as builder:
        builder.create(OUTSIDE, place.environ)
        with pytest.raises(PushFailed) as caught:
            place.bake(place.call(OUTSIDE), login(place.ecr))
    assert "team/api" in caught.value.what
