"""1, 5 and 20 images of a bake file: the step against buildx and `docker push` on the same engine.

Raw is what there is without the step: one `docker buildx bake --load`, then `docker push` of all
images, several at a time. Each run has files of its own, so that nothing comes from a cache.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench.measure import Cell, Table, in_turn, median
from bench.stage import MEGABYTE, Stage, action, bundled, committed, stage, timed
from ecr_publish.together import MOST_AT_ONCE


class Load(NamedTuple):
    """So many images, and the megabytes of each."""

    number: int
    size: int


LOADS = (Load(1, 3), Load(5, 3), Load(20, 3), Load(20, 15))
SCANS = (5.6, 5.8, 6.0, 6.2, 6.4)
"""Seconds that scans take, in turn."""
INPUTS = {
    "ECR_PUBLISH_BAKE_FILE": "bake.json",
    "ECR_PUBLISH_REPOSITORY": "many/{target}",
    "ECR_PUBLISH_CREATE_REPOSITORY": "true",
    "ECR_PUBLISH_TAGS": "latest",
}


def tables() -> Iterator[Table]:
    """One row for each number of images."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as scratch,
        stage("classic") as here,
    ):
        start = action(Path(scratch), bundle=bundled())
        (here.workspace / "Dockerfile").unlink()
        pair(here, start, LOADS[0], SCANS[0])
        rows = [row(here, start, load) for load in LOADS]
    heads = ("images", "MB each", "raw bake + push, s", "scan, s", "our step, s")
    yield Table(
        title="Many images",
        heads=(*heads, "step / (raw + scan)", "step / (1.5 raw + scan)"),
        rows=rows,
        note=(
            "On the classic store, every image in a repository of its own; every scan takes "
            f"{SCANS[0]} to {SCANS[-1]} s from the push of its image. The aim is that the last "
            "column is at most 1 for 20 images."
        ),
    )


def row(here: Stage, start: Path, load: Load) -> tuple[Cell, ...]:
    """The medians of one number of images of one size."""
    lengths = itertools.cycle(SCANS)
    found = in_turn(
        {load: lambda: pair(here, start, load, next(lengths))},
        about=f"images, {load.number} of {load.size} MB",
    )[load]
    return (
        *load,
        median([raw for raw, _, _ in found]),
        median([scan for _, scan, _ in found]),
        median([ours for _, _, ours in found]),
        median([ours / (raw + scan) for raw, scan, ours in found]),
        median([ours / (1.5 * raw + scan) for raw, scan, ours in found]),
    )


def pair(here: Stage, start: Path, load: Load, scan: float) -> tuple[float, float, float]:
    """The seconds of both ways, one right after the other, and between them those of a scan."""
    here.scans_take(scan)
    return raw(here, load), scan, ours(here, start, load)


def raw(here: Stage, load: Load) -> float:
    """The seconds of a bake and the pushes by docker's own commands."""
    tags = {name: f"{here.uri}:{name}" for name in fill(here, load)}
    sets = [word for name, tag in tags.items() for word in ("--set", f"{name}.tags={tag}")]
    began = time.monotonic()
    run(here, "docker", "buildx", "bake", "--provenance=false", "--load", "-f", "bake.json", *sets)
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        list(pool.map(partial(run, here, "docker", "push", "--quiet"), tags.values()))
    return time.monotonic() - began


def ours(here: Stage, start: Path, load: Load) -> float:
    """The seconds of the step, scans included."""
    fill(here, load)
    environ = {**here.environment(here.folder / "temp", {}), **INPUTS}
    wall, _, _ = timed(start, environ, 0)
    return wall


def fill(here: Stage, load: Load) -> list[str]:
    """Write so many targets, each with MB that were never there; gives their names."""
    names = [f"image-{each}" for each in range(load.number)]
    for name in names:
        folder = here.workspace / name
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY payload /\n")
        (folder / "payload").write_bytes(os.urandom(load.size * MEGABYTE))
    bake = {
        "group": {"default": {"targets": names}},
        "target": {name: {"context": name} for name in names},
    }
    (here.workspace / "bake.json").write_text(json.dumps(bake))
    committed(here.workspace)
    return names


def run(here: Stage, *words: str) -> None:
    """Run a command of docker's, which succeeds."""
    subprocess.run(words, cwd=here.workspace, env=here.docker, check=True, capture_output=True)
