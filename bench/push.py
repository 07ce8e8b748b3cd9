"""The ways to push: docker-py, `docker push`, `docker buildx build --push`, BuildKit by itself.

Each run builds and pushes an image of new random data, which no compression makes smaller, into a
new registry. Build and push count together, because a builder that pushes leaves work out that a
build into the engine does. BuildKit by itself is a builder outside of the engine, as
docker/setup-buildx-action makes one; here it is the BuildKit of the same engine, reached by the
driver `remote`, which needs the containerd store.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.measure import Cell, Table, in_turn, median
from bench.stage import MEGABYTE, REPOSITORY, STORES, clients, logged_in, repository
from dev.builder import Builder
from dev.engine import Engine, Store
from ecr_publish.edges.clock import SystemClock
from ecr_publish.edges.engine import DockerEngine
from ecr_publish.edges.ports import Login
from ecr_publish.plan import RepositoryState
from ecr_publish.reference import Tag
from ecr_publish.scanning import Scanning
from local_ecr import LocalEcr

SIZES = (3, 300, 1000)
"""Megabytes."""
LAYERS = 4
OUTSIDE = "outside"
OURS = "docker-py"
TAG = "bench"
BUILD = ("docker", "buildx", "build", "--provenance=false", "--progress=plain")


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """One run; seconds. Where a builder pushes, the build's are those of both."""

    build: float
    push: float = 0.0

    @property
    def both(self) -> float:
        """The seconds of build and push."""
        return self.build + self.push


@dataclass(frozen=True, kw_only=True)
class Yard:
    """Where images are built: an engine's environment for docker, and the context."""

    docker: Mapping[str, str]
    context: Path

    def new_content(self) -> None:
        """Make every layer another one."""
        for part in self.context.glob("part-*"):
            with part.open("r+b") as file:
                file.write(os.urandom(64))

    def run(self, *words: str) -> float:
        """Run a command; gives its seconds."""
        began = time.monotonic()
        subprocess.run(words, cwd=self.context, env=self.docker, check=True, capture_output=True)
        return time.monotonic() - began


Way = Callable[[Yard, LocalEcr, Login], Pushed]


def tables() -> Iterator[Table]:
    """One row for each store, size and way; then what the local ECR takes by itself."""
    found = [row for store in STORES for size in SIZES for row in rows(store, size)]
    yield Table(
        title="Push ways",
        heads=("store", "image, MB", "way", "build, s", "push, s", "both, s", "docker-py / this"),
        rows=found,
        note=(
            f"{LAYERS} layers of random data. The ratio is the median of those of each round: "
            "above 1.00 the way is faster than docker-py."
        ),
    )
    yield Table(
        title="The local ECR by itself",
        heads=("upload, MB", "s"),
        rows=[(size, median(in_turn({size: partial(alone, size)}, about="alone")[size]))
              for size in SIZES],
        note="One upload over HTTP with no engine, to show that it does not set the pace above.",
    )  # fmt: skip


def rows(store: Store, size: int) -> Iterator[tuple[Cell, ...]]:
    """The medians of all ways on one store."""
    with ExitStack() as stack:
        engine = stack.enter_context(Engine(store=store))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        docker = {**clients(folder), **engine.environment(), "DOCKER_CONFIG": f"{folder}/docker"}
        yard = Yard(docker=docker, context=context(folder / "context", size))
        ways = {OURS: by_docker_py, "docker push": by_docker, "buildx --push": by_buildx}
        if store == "containerd":
            stack.enter_context(Builder(engine)).create(OUTSIDE, docker)
            ways["BuildKit by itself"] = partial(by_buildx, builder=OUTSIDE)
        measured = {name: partial(fresh, way, yard) for name, way in ways.items()}
        measured[OURS]()  # an engine's first build takes longer than those after it
        found = in_turn(measured, about=f"push, {store} store, {size} MB")
    for name, runs in found.items():
        ratios = [ours.both / run.both for ours, run in zip(found[OURS], runs, strict=True)]
        times = [median([getattr(run, part) for run in runs]) for part in ("build", "push", "both")]
        yield (store, size, name, *times, median(ratios))


def context(folder: Path, size: int) -> Path:
    """A build context of so many megabytes that no compression makes smaller."""
    folder.mkdir()
    names = [f"part-{number}" for number in range(LAYERS)]
    for name in names:
        with (folder / name).open("wb") as file:
            for _ in range(size):
                file.write(os.urandom(MEGABYTE // LAYERS))
    lines = ["FROM scratch", *(f"COPY {name} /" for name in names)]
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    return folder


def fresh(way: Way, yard: Yard) -> Pushed:
    """One run with nothing left of another, neither in the registry nor in the engine."""
    yard.new_content()
    with LocalEcr() as ecr:
        login = repository(ecr)
        logged_in(yard.docker, ecr, login)
        try:
            return way(yard, ecr, login)
        finally:
            yard.run("docker", "image", "prune", "--all", "--force")
            yard.run("docker", "buildx", "prune", "--all", "--force")


def by_docker_py(yard: Yard, ecr: LocalEcr, login: Login) -> Pushed:
    """Our own way: built into the engine, which is told to push over its API."""
    image = f"{ecr.host}/{REPOSITORY}"
    build = yard.run(*BUILD, "--load", "--tag", f"{image}:{TAG}", ".")
    state = RepositoryState(
        host=ecr.host,
        name=REPOSITORY,
        arn="",
        registry_id="",
        mutability="MUTABLE",
        exclusions=(),
        created=False,
        scanning=Scanning(),
    )
    engine = DockerEngine(yard.docker, SystemClock())
    began = time.monotonic()
    engine.push(state, Tag(TAG), login, lambda _: None)
    return Pushed(build=build, push=time.monotonic() - began)


def by_docker(yard: Yard, ecr: LocalEcr, _: Login) -> Pushed:
    """Built into the engine, and pushed by docker's own command."""
    image = f"{ecr.host}/{REPOSITORY}:{TAG}"
    build = yard.run(*BUILD, "--load", "--tag", image, ".")
    return Pushed(build=build, push=yard.run("docker", "push", image))


def by_buildx(yard: Yard, ecr: LocalEcr, _: Login, *, builder: str = "default") -> Pushed:
    """Built and pushed by one command of buildx."""
    image = f"{ecr.host}/{REPOSITORY}:{TAG}"
    return Pushed(build=yard.run(*BUILD, "--builder", builder, "--push", "--tag", image, "."))


def alone(size: int) -> float:
    """The seconds of one upload of so many megabytes to the local ECR, hashing of ours left out."""
    data = os.urandom(size * MEGABYTE)
    digest = hashlib.sha256(data).hexdigest()
    with LocalEcr() as ecr:
        login = repository(ecr)
        basic = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}
        connection = http.client.HTTPConnection(ecr.host)
        began = time.monotonic()
        connection.request("POST", f"/v2/{REPOSITORY}/blobs/uploads/", headers=headers)
        place = answered(connection)
        connection.request("PATCH", place, body=data, headers=headers)
        place = answered(connection)
        ask = "&" if "?" in place else "?"
        connection.request("PUT", f"{place}{ask}digest=sha256:{digest}", headers=headers)
        answered(connection)
        spent = time.monotonic() - began
        connection.close()
    return spent


def answered(connection: http.client.HTTPConnection) -> str:
    """Read an answer to its end; gives where the upload goes on."""
    answer = connection.getresponse()
    answer.read()
    if answer.status >= http.client.BAD_REQUEST:
        raise ConnectionError(f"the local ECR answers {answer.status}")
    return (answer.getheader("Location") or "").removeprefix(
        f"http://{connection.host}:{connection.port}"
    )
