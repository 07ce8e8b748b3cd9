"""1, 5 and 20 images of a bake file: the step against buildx and `docker push` on the same engine.

Raw is what there is without the step: one `docker buildx bake --load`, then `docker push` of all
images, several at a time. Each run has files of its own, so that nothing comes from a cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bench.measure import Cell, Table, in_turn, median
from bench.stage import MEGABYTE, Stage, action, bundled, committed, stage, timed
from ecr_publish.together import MOST_AT_ONCE

NUMBERS = (1, 5, 20)
SCAN = 6.0
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
        stage("classic", scan_seconds=SCAN) as here,
    ):
        start = action(Path(scratch), bundle=bundled())
        (here.workspace / "Dockerfile").unlink()
        pair(here, start, 1)
        rows = [row(here, start, number) for number in NUMBERS]
    heads = ("images", "raw bake + push, s", "scan, s", "our step, s", "step / (raw + scan)")
    aim = "step / (1.5 raw + scan)"
    yield Table(
        title="Many images",
        heads=(*heads, aim),
        rows=rows,
        note=(
            f"{3 * MEGABYTE} bytes each, on the classic store, every image in a repository of its "
            f"own; every scan takes {SCAN:.0f} s from the push of its image. The aim is that the "
            "last column is at most 1 for 20 images."
        ),
    )


def row(here: Stage, start: Path, number: int) -> tuple[Cell, ...]:
    """The medians of one number of images."""
    about = f"images, {number}"
    found = in_turn({number: partial(pair, here, start, number)}, about=about)[number]
    return (
        number,
        median([raw for raw, _ in found]),
        SCAN,
        median([ours for _, ours in found]),
        median([ours / (raw + SCAN) for raw, ours in found]),
        median([ours / (1.5 * raw + SCAN) for raw, ours in found]),
    )


def pair(here: Stage, start: Path, number: int) -> tuple[float, float]:
    """The seconds of both ways, one right after the other."""
    return raw(here, number), ours(here, start, number)


def raw(here: Stage, number: int) -> float:
    """The seconds of a bake and the pushes by docker's own commands."""
    tags = {name: f"{here.uri}:{name}" for name in fill(here, number)}
    sets = [word for name, tag in tags.items() for word in ("--set", f"{name}.tags={tag}")]
    began = time.monotonic()
    run(here, "docker", "buildx", "bake", "--provenance=false", "--load", "-f", "bake.json", *sets)
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        list(pool.map(partial(run, here, "docker", "push", "--quiet"), tags.values()))
    return time.monotonic() - began


def ours(here: Stage, start: Path, number: int) -> float:
    """The seconds of the step, scans included."""
    fill(here, number)
    environ = {**here.environment(here.folder / "temp", {}), **INPUTS}
    wall, _, _ = timed(start, environ, 0)
    return wall


def fill(here: Stage, number: int) -> list[str]:
    """Write so many targets, each with content that was never there; gives their names."""
    names = [f"image-{each}" for each in range(number)]
    for name in names:
        folder = here.workspace / name
        folder.mkdir(exist_ok=True)
        (folder / "Dockerfile").write_text("FROM scratch\nCOPY payload /\n")
        (folder / "payload").write_bytes(os.urandom(3 * MEGABYTE))
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
