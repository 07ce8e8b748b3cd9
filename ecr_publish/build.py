"""Build + what the builder can do -> the argument list of buildx, so that no shell is involved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from ecr_publish.errors import CandidateCannotMove, StoreLacks
from ecr_publish.plan import Build, RepositoryState
from ecr_publish.reference import Digest, Tag

IN_THE_ENGINE = "docker"
"""The driver of buildx whose builder is the engine itself (Docker: "Build drivers")."""


@dataclass(frozen=True, kw_only=True)
class Builder:
    """A builder of buildx. `containerd`: it is an engine with the containerd image store."""

    driver: str
    containerd: bool = False


class Way(Enum):
    """How an image gets from the builder to ECR."""

    ENGINE = "loaded into the engine, which pushes it"
    BUILDER = "pushed by BuildKit itself"


def way(build: Build, builder: Builder, state: RepositoryState, candidate: Tag) -> Way:
    """How this build is pushed; raises StoreLacks or CandidateCannotMove where it cannot be.

    Engines push every image of an index under the index's tag, one after the other, and an
    immutable tag takes the first one only (seen with Engine 26; docker/buildx#2955 is the same).
    """
    if builder.driver != IN_THE_ENGINE:
        return Way.BUILDER
    index = ", ".join(_makes_an_index(build))
    if index and not builder.containerd:
        raise StoreLacks(index)
    if index and not state.can_move(candidate):
        raise CandidateCannotMove(
            index, state.name, mode=state.mutability, excluded=state.exclusions
        )
    return Way.ENGINE


def command(build: Build, reference: str, way: Way, metadata: str) -> list[str]:
    """The `docker buildx build` that makes an image, and pushes it where the way is so.

    Args:
        build: What the user asked for.
        reference: The name that the image gets.
        way: How it gets to ECR.
        metadata: The path of the file where buildx states the digest.

    Docker's reference: "docker buildx build".
    """
    options = {
        "--builder": build.builder,
        "--file": build.file,
        "--target": build.target,
        "--network": build.network,
        "--platform": ",".join(build.platforms),
    }
    return [
        *("docker", "buildx", "build", "--progress", "plain"),
        *(f"--provenance={build.provenance}", "--metadata-file", metadata),
        *(word for name, value in options.items() if value for word in (name, value)),
        *(word for item in build.build_args for word in ("--build-arg", item)),
        *(word for item in build.labels for word in ("--label", item)),
        *(("--load",) if way is Way.ENGINE else ("--push",)),
        *("--tag", reference, "--", build.context),
    ]


def stated_driver(inspection: str) -> str:
    """The driver that `docker buildx inspect` names; empty where it names none."""
    return _stated(inspection, "Driver")


def stated_problem(inspection: str) -> str:
    """Why `docker buildx inspect`, which succeeds all the same, could not look at the builder."""
    return _stated(inspection, "Error")


def pushed_digest(metadata: str) -> Digest:
    """The digest that BuildKit has pushed, of buildx's metadata file (JSON)."""
    return Digest.parse(json.loads(metadata)["containerimage.digest"])


def stated_error(output: bytes) -> str:
    """What buildx says in the end of why it failed; empty where it says nothing."""
    lines = output.decode(errors="replace").splitlines()
    stated = [line for line in lines if line.startswith("ERROR: ")]
    return stated[-1].removeprefix("ERROR: ") if stated else ""


def push_error(said: str) -> bool:
    """Whether BuildKit failed while it pushed, and not while it built."""
    # BuildKit asks for a token to pull a base image too, and then names the image as a source.
    pulling = "failed to resolve source metadata" in said
    return "failed to push" in said or ("failed to authorize" in said and not pulling)


def _stated(inspection: str, field: str) -> str:
    for line in inspection.splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return value.strip()
    return ""


def _makes_an_index(build: Build) -> Iterator[str]:
    if len(build.platforms) > 1:
        yield f"an image for {len(build.platforms)} platforms"
    if build.attested:
        yield f"an image with provenance: {build.provenance}"
