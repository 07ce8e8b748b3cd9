from typing import Any

import pytest

from ecr_publish.build import command, stated_error
from tests.factories import make_build

PLAIN = ["docker", "buildx", "build", "--load", "--progress", "plain", "--tag", "r/app:candidate"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, []),
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
        ({"provenance": False}, ["--provenance=false"]),
    ],
)
def test_command__one_option(asked: dict[str, Any], words: list[str]) -> None:
    assert command(make_build(**asked), "r/app:candidate") == [*PLAIN, *words, "--", "."]


def test_command__everything() -> None:
    build = make_build(
        context="app",
        file="F",
        target="T",
        network="N",
        platforms=("linux/amd64", "linux/arm64"),
        build_args=("A=1",),
        labels=("b=2",),
    )
    assert command(build, "r/app:candidate") == [
        *PLAIN,
        *("--file", "F", "--target", "T", "--network", "N"),
        *("--platform", "linux/amd64,linux/arm64"),
        *("--build-arg", "A=1", "--label", "b=2", "--", "app"),
    ]


def test_command__context_is_never_an_option() -> None:
    assert command(make_build(context="--push"), "r")[-2:] == ["--", "--push"]


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
