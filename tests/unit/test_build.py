import json
from typing import Any

import pytest

from ecr_publish.build import (
    Builder,
    Way,
    command,
    push_error,
    pushed_digest,
    stated_driver,
    stated_error,
    stated_problem,
    way,
)
from ecr_publish.errors import CandidateCannotMove, ExitCode, StoreLacks
from tests.factories import CANDIDATE, NAME, make_build, make_digest, make_state

BEFORE = ["docker", "buildx", "build", "--progress", "plain"]
AFTER = ["--load", "--tag", "r/app:candidate", "--", "."]
PLAIN = [*BEFORE, "--provenance=false", "--metadata-file", "/tmp/m"]


def words(way: Way = Way.ENGINE, **asked: Any) -> list[str]:
    return command(make_build(**asked), "r/app:candidate", way, "/tmp/m")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, []),
        ({"builder": "native"}, ["--builder", "native"]),
        ({"file": "app/Dockerfile"}, ["--file", "app/Dockerfile"]),
        ({"target": "final"}, ["--target", "final"]),
        ({"network": "none"}, ["--network", "none"]),
        ({"platforms": ("linux/arm64",)}, ["--platform", "linux/arm64"]),
        ({"platforms": ("linux/amd64", "linux/arm64")}, ["--platform", "linux/amd64,linux/arm64"]),
        (
            {"build_args": ("A=1", "B=x y; $(z)")},
            ["--build-arg", "A=1", "--build-arg", "B=x y; $(z)"],
        ),
        ({"labels": ("a=1", "b=2")}, ["--label", "a=1", "--label", "b=2"]),
        ({"recipe": "word", "epoch": 5}, []),
    ],
)
def test_command__one_option(asked: dict[str, Any], expected: list[str]) -> None:
    assert words(**asked) == [*PLAIN, *expected, *AFTER]


@pytest.mark.parametrize("provenance", ["false", "true", "mode=max"])
def test_command__provenance_is_always_said(provenance: str) -> None:
    said = [word for word in words(provenance=provenance) if "provenance" in word]
    assert said == [f"--provenance={provenance}"]


@pytest.mark.parametrize(
    ("way", "said", "not_said"),
    [(Way.ENGINE, "--load", "--push"), (Way.BUILDER, "--push", "--load")],
)
def test_command__where_the_image_goes(way: Way, said: str, not_said: str) -> None:
    found = words(way)
    assert said in found
    assert not_said not in found


def test_command__everything() -> None:
    build = make_build(
        context="app",
        file="F",
        target="T",
        network="N",
        platforms=("linux/amd64", "linux/arm64"),
        build_args=("A=1",),
        labels=("b=2",),
        provenance="mode=min",
        builder="B",
    )
    assert command(build, "r/app:candidate", Way.BUILDER, "/tmp/x") == [
        *BEFORE,
        *("--provenance=mode=min", "--metadata-file", "/tmp/x", "--builder", "B"),
        *("--file", "F", "--target", "T", "--network", "N"),
        *("--platform", "linux/amd64,linux/arm64"),
        *("--build-arg", "A=1", "--label", "b=2", "--push"),
        *("--tag", "r/app:candidate", "--", "app"),
    ]


def test_command__context_is_never_an_option() -> None:
    assert words(context="--push")[-2:] == ["--", "--push"]


# way --------------------------------------------------------------------------------------------

CLASSIC = Builder(driver="docker")
CONTAINERD = Builder(driver="docker", containerd=True)
OUTSIDE = [
    Builder(driver=driver, containerd=containerd)
    for driver in ("docker-container", "kubernetes", "remote", "cloud", "")
    for containerd in (False, True)
]
TWO = ("linux/amd64", "linux/arm64")
INDEXES = [{"platforms": TWO}, {"provenance": "true"}, {"platforms": TWO, "provenance": "mode=min"}]
IMAGES: list[dict[str, Any]] = [{}, {"platforms": ("linux/arm64",)}, {"provenance": "false"}]
IMMUTABLE = make_state(mutability="IMMUTABLE")


@pytest.mark.parametrize("builder", OUTSIDE)
@pytest.mark.parametrize("asked", [*IMAGES, *INDEXES])
def test_way__builder_outside_of_the_engine_pushes_everything(
    builder: Builder, asked: dict[str, Any]
) -> None:
    for state in (make_state(), IMMUTABLE):
        assert way(make_build(**asked), builder, state, CANDIDATE) is Way.BUILDER


@pytest.mark.parametrize("builder", [CLASSIC, CONTAINERD])
@pytest.mark.parametrize("asked", IMAGES)
def test_way__engine_pushes_an_image_anywhere(builder: Builder, asked: dict[str, Any]) -> None:
    for state in (make_state(), IMMUTABLE):
        assert way(make_build(**asked), builder, state, CANDIDATE) is Way.ENGINE


@pytest.mark.parametrize("asked", INDEXES)
def test_way__containerd_store_holds_an_index(asked: dict[str, Any]) -> None:
    candidates_move = make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("candidate-*",))
    for state in (make_state(), candidates_move):
        assert way(make_build(**asked), CONTAINERD, state, CANDIDATE) is Way.ENGINE


WORDS = [
    ({"platforms": TWO}, "an image for 2 platforms"),
    ({"provenance": "mode=max"}, "an image with provenance: mode=max"),
    (
        {"platforms": TWO, "provenance": "true"},
        "an image for 2 platforms, an image with provenance: true",
    ),
]


@pytest.mark.parametrize(("asked", "named"), WORDS)
def test_way__classic_store_holds_no_index(asked: dict[str, Any], named: str) -> None:
    for state in (make_state(), IMMUTABLE):
        with pytest.raises(StoreLacks) as caught:
            way(make_build(**asked), CLASSIC, state, CANDIDATE)
        assert caught.value.what == f"{named} cannot be built in this Docker Engine"
        assert caught.value.exit_code is ExitCode.BUILD


@pytest.mark.parametrize(("asked", "named"), WORDS)
@pytest.mark.parametrize(
    "state",
    [
        IMMUTABLE,
        make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("latest",)),
        make_state(mutability="MUTABLE_WITH_EXCLUSION", exclusions=("candidate-*",)),
    ],
)
def test_way__candidate_that_cannot_move_takes_no_index(
    asked: dict[str, Any], named: str, state: Any
) -> None:
    with pytest.raises(CandidateCannotMove) as caught:
        way(make_build(**asked), CONTAINERD, state, CANDIDATE)
    assert caught.value.what.startswith(f"{named} cannot be pushed by this Docker Engine to {NAME}")


def test_way__advice_knows_the_repository_s_mode_and_exclusions() -> None:
    attested = make_build(provenance="true")
    fixed = make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("latest", "v*"))
    with pytest.raises(CandidateCannotMove) as caught:
        way(attested, CONTAINERD, fixed, CANDIDATE)
    assert "filter='latest' filterType=WILDCARD,filter='v*' filterType" in caught.value.fix

    excluded = make_state(mutability="MUTABLE_WITH_EXCLUSION", exclusions=("c*",))
    with pytest.raises(CandidateCannotMove) as caught:
        way(attested, CONTAINERD, excluded, CANDIDATE)
    assert "exclusions (c*), change the one" in caught.value.fix


# What buildx says -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inspection", "driver"),
    [
        ("Name:          default\nDriver:        docker\n\nNodes:\nName: default\n", "docker"),
        ("Name: b\r\nDriver:        docker-container\r\n", "docker-container"),
        ("Name: b\nDriver: remote\nDriver: docker\n", "remote"),
        ("Name: b\nDriver Options: image=docker\n", ""),
        ("Nodes:\n  Driver: docker\n", ""),
        ("Driver:\n", ""),
        ("", ""),
    ],
)
def test_stated_driver__of_the_builder(inspection: str, driver: str) -> None:
    assert stated_driver(inspection) == driver


@pytest.mark.parametrize(
    ("inspection", "problem"),
    [
        ("Name: b\nDriver: docker\nError: no daemon: it is off\n", "no daemon: it is off"),
        ("Name: b\nDriver: docker\n\nNodes:\nStatus: Error\n", ""),
        ("Name: Error\nError Count: 1\n", ""),
        ("", ""),
    ],
)
def test_stated_problem__of_the_builder(inspection: str, problem: str) -> None:
    assert stated_problem(inspection) == problem


def test_pushed_digest__is_that_of_the_image_and_not_of_its_configuration() -> None:
    metadata = {
        "buildx.build.ref": "x",
        "containerimage.config.digest": str(make_digest("config")),
        "containerimage.digest": str(make_digest("pushed")),
    }
    assert pushed_digest(json.dumps(metadata)) == make_digest("pushed")


@pytest.mark.parametrize("metadata", ["", "{}", '{"containerimage.digest": "sha256:1"}'])
def test_s2_pushed_digest__is_never_guessed(metadata: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        pushed_digest(metadata)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (b"", ""),
        (b"#5 DONE 0.1s\n", ""),
        (
            b"#5 ERROR: not this\nERROR: failed to solve: no such file\n",
            "failed to solve: no such file",
        ),
        (b"ERROR: first\nERROR: last\xff", "last\ufffd"),
    ],
)
def test_stated_error__last_line_of_buildx(output: bytes, said: str) -> None:
    assert stated_error(output) == said


SOURCE = "r.io/base:1: failed to resolve source metadata for r.io/base:1"


@pytest.mark.parametrize(
    ("said", "pushing"),
    [
        ("failed to solve: failed to push r/app:x: unexpected status: 403 Forbidden", True),
        ("failed to solve: failed to authorize: failed to fetch oauth token", True),
        (f"failed to solve: {SOURCE}: failed to authorize: failed to fetch oauth token", False),
        ('failed to solve: process "/bin/sh -c false" did not complete: exit code: 1', False),
        ("failed to solve: failed to read dockerfile: open Dockerfile: no such file", False),
        ("", False),
    ],
)
def test_push_error__build_or_push(said: str, pushing: bool) -> None:  # noqa: FBT001
    assert push_error(said) is pushing
