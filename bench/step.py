"""Our step against `docker buildx build && docker push` of the same context on the same engine.

Both make and push new content each time. What the step does more takes the scan's own time, which
is scripted, and our own time, which is what is left.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Table, in_turn, median
from bench.stage import STORES, Ran, Stage, action, bundled, stage
from dev.engine import Store

SCAN = 2.0


def tables() -> Iterator[Table]:
    """One row for each image store."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        start = action(Path(scratch), bundle=bundled())
        rows = [row(store, start) for store in STORES]
    heads = (
        *("store", "raw build + push, s", "scan, s", "our step, s", "its build + push, s"),
        *("own overhead, s", "step / (raw + scan)"),
    )
    note = (
        f"From {'the bundle' if bundled() else 'source'}, warm. Own overhead: our step less the "
        "raw build and push that ran just before, less the scripted scan."
    )
    yield Table(title="Our step against raw build and push", heads=heads, rows=rows, note=note)


def row(store: Store, start: Path) -> tuple[str | float, ...]:
    """The medians on one store."""
    with stage(store, scan_seconds=SCAN) as here:
        home = here.folder / "temp"
        pair(here, start, home)
        found = in_turn({store: lambda: pair(here, start, home)}, about="step")[store]
    return (
        store,
        median([raw for raw, _ in found]),
        SCAN,
        median([ours.wall for _, ours in found]),
        median([ours.engine for _, ours in found]),
        median([ours.wall - raw - SCAN for raw, ours in found]),
        median([ours.wall / (raw + SCAN) for raw, ours in found]),
    )


def pair(here: Stage, start: Path, home: Path) -> tuple[float, Ran]:
    """Both ways, one right after the other."""
    return raw(here), here.step(start, home)


def raw(here: Stage) -> float:
    """The seconds of a build and a push by docker's own commands."""
    here.new_content()
    image = f"{here.uri}:raw"
    # Without the default attestation, as our step, which makes an index only if it is asked to.
    build = ("docker", "buildx", "build", "--load", "--provenance=false", "--tag", image, ".")
    began = time.monotonic()
    for words in (build, ("docker", "push", image)):
        subprocess.run(words, cwd=here.workspace, env=here.docker, check=True, capture_output=True)
    return time.monotonic() - began
