"""Build + what the builder can do -> the argument list of buildx, so that no shell is involved."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from ecr_publish.cache import INLINE, exported, quoted
from ecr_publish.errors import (
    CacheNotExported,
    CandidateCannotMove,
    PublishError,
    StoreLacks,
)
from ecr_publish.manifest import comparable
from ecr_publish.plan import Build, RepositoryState
from ecr_publish.reference import Digest, ImageReference, Tag

IN_THE_ENGINE = "docker"
"""The driver of buildx whose builder is the engine itself (Docker: "Build drivers")."""


@dataclass(frozen=True, kw_only=True)
class Builder:
    """A builder of buildx.

    `containerd`: it is an engine with the containerd image store. `platforms`: what it can run, by
    itself or emulated, as far as it says so.
    """

    driver: str
    containerd: bool = False
    platforms: tuple[str, ...] = ()


class Way(Enum):
    """How an image gets from the builder to ECR."""

    ENGINE = "loaded into the engine, which pushes it"
    BUILDER = "pushed by BuildKit itself"


@dataclass(frozen=True, kw_only=True)
class Remark:
    """What BuildKit has to say about a line of the Dockerfile (Docker: "Build checks").

    `file` is the Dockerfile's name, without its folder; `line` counts from 1.
    """

    text: str
    file: str = ""
    line: int = 1


@dataclass(frozen=True, kw_only=True)
class Built:
    """What came of a build; `digest` where BuildKit has pushed the image itself."""

    digest: Digest | None = None
    remarks: tuple[Remark, ...] = ()


def way(build: Build, builder: Builder, state: RepositoryState, candidate: Tag) -> Way:
    """How this build is pushed; raises PublishError where it can be neither built nor pushed.

    Engines push every image of an index under the index's tag, one after the other, and an
    immutable tag takes the first one only (seen with Engine 26; docker/buildx#2955 is the same).
    """
    for problem in (*lacking(build, builder), *stuck(build, builder, state, candidate)):
        raise problem
    return Way.ENGINE if builder.driver == IN_THE_ENGINE else Way.BUILDER


def lacking(build: Build, builder: Builder) -> Iterator[PublishError]:
    """What this builder can do in no repository."""
    if builder.driver != IN_THE_ENGINE or builder.containerd:
        return
    wanted = [*_makes_an_index(build)]
    # It would leave them out without a word.
    wanted += ["an image with annotations"] if build.annotations else []
    if wanted:
        yield StoreLacks(", ".join(wanted))
    kinds = [cache.type for cache in build.cache_to if cache.type != INLINE]
    if kinds:
        yield CacheNotExported(kinds[0])


def stuck(
    build: Build, builder: Builder, state: RepositoryState, candidate: Tag
) -> Iterator[PublishError]:
    """Why this builder could not push what it makes."""
    index = ", ".join(_makes_an_index(build))
    if builder.driver == IN_THE_ENGINE and index and not state.can_move(candidate):
        yield CandidateCannotMove(
            index, state.name, mode=state.mutability, excluded=state.exclusions
        )


def unemulated(build: Build, builder: Builder) -> tuple[str, ...]:
    """The platforms that were asked for and that the builder does not name among its own."""
    if not builder.platforms:
        return ()
    known = {comparable(name) for name in builder.platforms}
    return tuple(name for name in build.platforms if comparable(name) not in known)


def refuse_unbuildable(build: Build, builder: Builder) -> None:
    """Raise PublishError where the builder cannot make what is asked for, wherever it goes then."""
    for problem in lacking(build, builder):
        raise problem


def command(build: Build, reference: str, way: Way, metadata: str) -> list[str]:
    """The `docker buildx build` that makes an image, and pushes it where the way is so.

    Args:
        build: What the user asked for.
        reference: The name that the image gets.
        way: How it gets to ECR.
        metadata: The path of the file where buildx states the digest.

    Docker's reference: "docker buildx build".
    """
    host = ImageReference.parse(reference).host
    return [
        *_options(build, host, metadata),
        *(("--load",) if way is Way.ENGINE else ("--push",)),
        *("--tag", reference, "--", build.context),
    ]


def trial(build: Build, metadata: str) -> list[str]:
    """The `docker buildx build` that makes the same image, and keeps and pushes nothing (S1, S4).

    It writes no cache either, which a later run would build with, and deploy. What stays is the
    builder's own cache, and the file where buildx states its remarks.
    """
    silent = replace(build, cache_to=())
    return [*_options(silent, "", metadata), "--output", "type=cacheonly", "--", build.context]


def environment(build: Build) -> dict[str, str]:
    """What buildx is to find in its environment for this build, and no other process.

    The time lets the image state its commit's as its own; a buildx that knows the remarks of
    BuildKit's checks (from 0.16 on) then writes them to its metadata.
    """
    times = {} if build.epoch is None else {"SOURCE_DATE_EPOCH": str(build.epoch)}
    secrets = {secret.variable: secret.value for secret in build.secrets}
    return {"BUILDX_METADATA_WARNINGS": "1", **times, **secrets}


def stated_driver(inspection: str) -> str:
    """The driver that `docker buildx inspect` names; empty where it names none."""
    return _stated(inspection, "Driver")


def stated_platforms(inspection: str) -> tuple[str, ...]:
    """The platforms that `docker buildx inspect` names, of all nodes; those set by hand have a *.

    An architecture of several levels is named with each of them.
    """
    lines = (line.partition(":") for line in inspection.splitlines())
    named = [value for name, _, value in lines if name == "Platforms"]
    platforms = (item.strip().rstrip("*") for value in named for item in value.split(","))
    return tuple(dict.fromkeys(filter(None, platforms)))


def stated_problem(inspection: str) -> str:
    """Why `docker buildx inspect`, which succeeds all the same, could not look at the builder."""
    return _stated(inspection, "Error")


def pushed_digest(metadata: str) -> Digest:
    """The digest that BuildKit has pushed, of buildx's metadata file (JSON)."""
    return Digest.parse(json.loads(metadata)["containerimage.digest"])


def remarks(metadata: str) -> tuple[Remark, ...]:
    """What buildx's metadata (JSON) says of the Dockerfile; never fails, as nothing hangs on it."""
    try:
        return tuple(map(_remark, json.loads(metadata).get("buildx.build.warnings") or ()))
    except (ValueError, TypeError, LookupError, AttributeError):
        return ()


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


def _remark(warning: Mapping[str, Any]) -> Remark:
    places = warning.get("range") or [{"start": {"line": 1}}]
    text = b64decode(warning["short"]).decode(errors="replace")
    return Remark(
        text=f"{text} ({warning['url']})" if warning.get("url") else text,
        file=str((warning.get("sourceInfo") or {}).get("filename", "")),
        line=int(places[0]["start"]["line"]),
    )


def _options(build: Build, own_host: str, metadata: str) -> Iterator[str]:
    """All but what becomes of the image."""
    attestations = [f"--provenance={build.provenance}"]
    attestations += [f"--sbom={build.sbom}"] if build.sbom != "false" else []
    yield from ("docker", "buildx", "build", "--progress", "plain")
    yield from (*attestations, "--metadata-file", metadata)
    yield from (word for pair in _single(build).items() for word in pair)
    yield from (name for name, asked in _switches(build).items() if asked)
    yield from (word for pair in _repeated(build, own_host) for word in pair)


def _single(build: Build) -> dict[str, str]:
    given = {
        "--builder": build.builder,
        "--file": build.file,
        "--target": build.target,
        "--network": build.network,
        "--platform": ",".join(build.platforms),
        "--shm-size": build.shm_size,
        "--cgroup-parent": build.cgroup_parent,
    }
    return {name: value for name, value in given.items() if value}


def _switches(build: Build) -> dict[str, bool]:
    return {"--no-cache": build.no_cache, "--pull": build.pull}


def _repeated(build: Build, own_host: str) -> Iterator[tuple[str, str]]:
    given: dict[str, tuple[str, ...]] = {
        "--build-context": build.build_contexts,
        "--build-arg": build.build_args,
        "--secret": tuple(_secrets(build)),
        "--ssh": build.ssh,
        "--label": build.labels,
        "--annotation": build.annotations,
        "--cache-from": tuple(map(str, build.cache_from)),
        "--cache-to": tuple(str(exported(cache, own_host)) for cache in build.cache_to),
        "--no-cache-filter": build.no_cache_filters,
        "--add-host": build.add_hosts,
        "--ulimit": build.ulimit,
        "--allow": build.allow,
    }
    for name, values in given.items():
        yield from ((name, value) for value in values)


def _secrets(build: Build) -> Iterator[str]:
    """What buildx is told of each: where to find its value, never the value (S3)."""
    yield from (f"id={secret.id},env={secret.variable}" for secret in build.secrets)
    yield from (f"id={file.id},{quoted(f'src={file.path}')}" for file in build.secret_files)


def _makes_an_index(build: Build) -> Iterator[str]:
    if len(build.platforms) > 1:
        yield f"an image for {len(build.platforms)} platforms"
    for name, asked in (("provenance", build.provenance), ("sbom", build.sbom)):
        if asked != "false":
            yield f"an image with {name}: {asked}"
