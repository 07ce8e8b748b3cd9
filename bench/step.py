"""Our step against `docker buildx build && docker push` of the same context on the same engine.

Both make and push new content each time. What the step does more takes the scan's own time, which
is scripted, and our own time, which is what is left. The scans take from 1.6 to 2.4 s, since one
length alone would always end at the same point between two questions to ECR.
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Table, in_turn, median
from bench.stage import SCANS, STORES, Ran, Stage, action, bundled, stage
from dev.engine import Store


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
        "raw build and push that ran just before, less the scripted scan. "
        f"Medians of {len(SCANS)} scans of {SCANS[0]} to {SCANS[-1]} s."
    )
    yield Table(title="Our step against raw build and push", heads=heads, rows=rows, note=note)


def row(store: Store, start: Path) -> tuple[str | float, ...]:
    """The medians on one store."""
    with stage(store) as here:
        home, lengths = here.folder / "temp", itertools.cycle(SCANS)
        pair(here, start, home, next(lengths))
        found = in_turn(
            {store: lambda: pair(here, start, home, next(lengths))}, len(SCANS), about="step"
        )[store]
    return (
        store,
        median([raw for raw, _, _ in found]),
        median([scan for _, scan, _ in found]),
        median([ours.wall for _, _, ours in found]),
        median([ours.engine for _, _, ours in found]),
        median([ours.wall - raw - scan for raw, scan, ours in found]),
        median([ours.wall / (raw + scan) for raw, scan, ours in found]),
    )


def pair(here: Stage, start: Path, home: Path, scan: float) -> tuple[float, float, Ran]:
    """Both ways, one right after the other, and the scan's seconds."""
    here.scans_take(scan)
    return raw(here), scan, here.step(start, home)


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
