"""What many findings cost the whole step: time after the scan is final, and peak memory.

The real step against the local ECR. Every second finding is at the threshold, so that the image is
refused and every report has something to say.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from bench.measure import Cell, Table, in_turn, median
from bench.stage import Ran, Stage, action, bundled, stage
from ecr_publish.errors import ExitCode
from ecr_publish.scan import SETTLE_SECONDS

NUMBERS = (10, 1_000, 10_000, 25_000)
TEXT = "A flaw in how a length is checked lets an attacker who sends a crafted file do harm. " * 5
FILES = {"report_file": "scan.json\nscan.csv\nscan.html", "sarif_file": "scan.sarif"}


def tables() -> Iterator[Table]:
    """Two rows for each number of findings: the least that a run does, and the most."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, stage("classic") as here:
        start = action(Path(scratch), bundle=bundled())
        run = partial(here.step, start, here.folder / "temp")
        run()
        rows = [row for number in NUMBERS for row in measured(here, run, number)]
    yield Table(
        title="Many findings",
        heads=("findings", "scan", "reports", "after the scan, s", "peak, MB"),
        rows=rows,
        note=(
            "After the scan: from its end to that of the step, with the answers of the local ECR, "
            f"100 findings each; {SETTLE_SECONDS:.0f} s for which an enhanced scan settles come on "
            "top. Peak: of the step's process, or of a larger one that it starts."
        ),
    )


def measured(here: Stage, run: Callable[..., Ran], number: int) -> Iterator[tuple[Cell, ...]]:
    """A basic scan with the reports that every run writes, an enhanced one with all files."""
    here.ecr.set_scenario(scenario(number))
    expected = int(ExitCode.REFUSED)
    here.ecr.set_rules("BASIC", {"SCAN_ON_PUSH": ["*"]})
    basic = in_turn({0: partial(run, expected)}, about=f"findings, {number} basic")[0]
    yield (number, "basic", "the usual", *medians(basic, 0.0))
    here.ecr.set_rules("ENHANCED", {"CONTINUOUS_SCAN": ["*"]})
    ways = {"the usual": partial(run, expected), "and all files": partial(run, expected, **FILES)}
    for name, runs in in_turn(ways, about=f"findings, {number} enhanced").items():
        yield (number, "enhanced", name, *medians(runs, SETTLE_SECONDS))


def medians(runs: list[Ran], settling: float) -> tuple[float, float]:
    """The seconds after the scan, and the megabytes."""
    after = median([run.wall - run.final - settling for run in runs])
    return after, median([run.peak for run in runs])


def scenario(number: int) -> dict[str, Any]:
    """A scan of a second that finds so many vulnerabilities, each in a package of its own."""
    found = [
        {
            "id": f"CVE-2026-{place:05d}",
            "severity": "HIGH" if place % 2 else "LOW",
            "text": TEXT,
            "package": f"package-{place}",
            "path": f"app/node_modules/package-{place}/package.json",
        }
        for place in range(number)
    ]
    steps = [{"after": 0, "status": "RUNNING"}, {"after": 1, "status": "SETTLED"}]
    return {"default": [steps[0], {**steps[1], "vulnerabilities": found}]}
