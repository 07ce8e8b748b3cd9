"""Where our own time goes: room by room, cold and warm, from source and from the bundle.

Cold is a new RUNNER_TEMP, as in every job of a hosted runner; warm is the second use in a job.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.measure import Cell, Table, in_turn, median
from bench.stage import SCANS, Ran, Stage, action, bundled, stage

COLUMNS: dict[str, Callable[[Ran], float]] = {
    "wall": lambda run: run.wall,
    "first call to AWS": lambda run: run.call,
    "start": lambda run: run.rooms["plan"][0],
    "plan": lambda run: run.spent("plan"),
    "preflight": lambda run: run.spent("preflight"),
    "build": lambda run: run.spent("build"),
    "push": lambda run: run.spent("push"),
    "scan": lambda run: run.scan,
    "after the scan": lambda run: run.spent("scan") - run.scan,
    "gate": lambda run: run.spent("gate"),
    "promote": lambda run: run.spent("promote"),
    "other": lambda run: run.wall - run.rooms["plan"][0] - sum(map(run.spent, run.rooms)),
    "own": lambda run: run.wall - run.engine - run.scan,
}
NOTE = (
    "Seconds, on the classic store. Scan: the wait until the scan is final; after the scan: from "
    "then to the end of the room. Other: between the rooms, and what follows the last one. Own: "
    "the wall less build, push and scan. From source, cold is an installation by pip, so it "
    "depends on the package index."
)


def tables() -> Iterator[Table]:
    """One row for each way to start."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as scratch,
        stage("classic") as here,
    ):
        found = in_turn(ways(here, Path(scratch)), len(SCANS), about="rooms")
    yield Table(
        title="Own overhead by room",
        heads=("action from", *COLUMNS),
        rows=[row(name, runs) for name, runs in found.items()],
        note=NOTE if bundled() else f"{NOTE} No dist/: run `make dist` for the rows of the bundle.",
    )


def ways(here: Stage, folder: Path) -> dict[str, Callable[[], Ran]]:
    """Each start, with what it needs prepared."""
    homes = (folder / f"temp-{number}" for number in itertools.count())
    found: dict[str, Callable[[], Ran]] = {}
    for name in ("source", "bundle") if bundled() else ("source",):
        start, prepared = action(folder / name, bundle=name == "bundle"), next(homes)
        here.step(start, prepared)
        found[f"{name}, cold"] = partial(timed, here, start, homes, itertools.cycle(SCANS))
        warm = itertools.repeat(prepared)
        found[f"{name}, warm"] = partial(timed, here, start, warm, itertools.cycle(SCANS))
    return found


def timed(here: Stage, start: Path, homes: Iterator[Path], scans: Iterator[float]) -> Ran:
    """The next run of a way, with its RUNNER_TEMP and the length of its scan."""
    here.scans_take(next(scans))
    return here.step(start, next(homes))


def row(name: str, runs: list[Ran]) -> tuple[Cell, ...]:
    """The medians of one start, each column by itself, so that they need not add up."""
    return (name, *(median([of(run) for run in runs]) for of in COLUMNS.values()))
