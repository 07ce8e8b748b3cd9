"""How soon after a scan is final its verdict comes, and how many calls that costs.

The real wait (ecr_publish.wait) runs on a clock that jumps, against scripted basic scans of 2 s to
15 min, 200 times each with another length and another chance. Only the way to ECR is left out.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timezone

from bench.measure import Cell, Table, median, percentile
from ecr_publish.findings import Page
from ecr_publish.manifest import Target
from ecr_publish.reference import Digest
from ecr_publish.scan import SETTLE_SECONDS, Answer, Coverage, Start
from ecr_publish.scanning import Frequency, Scanning, ScanType
from ecr_publish.wait import Watch, for_scans

RUNS = 200
LENGTHS = (2, 5, 10, 30, 60, 300, 900)


class JumpingClock:
    """A clock that moves only by sleeping."""

    def __init__(self, dice: random.Random) -> None:
        """Args: dice: Gives the chance."""
        self.time = 0.0
        self._dice = dice

    def now(self) -> float:
        """Seconds since the start."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Jump."""
        self.time += seconds

    def today(self) -> datetime:
        """The date and time."""
        return datetime.now(timezone.utc)

    def chance(self) -> float:
        """A number from 0 to 1."""
        return self._dice.random()


class ScriptedScans:
    """Basic scans that all end at the same time; counts the calls."""

    def __init__(self, clock: JumpingClock, length: float) -> None:
        """Args: clock: Tells how far the scans are. length: Their seconds."""
        self.calls = 0
        self._clock = clock
        self._length = length
        self._completed = clock.today()

    def scan(self, digest: Digest, token: str | None) -> Answer:  # noqa: ARG002
        """Running until the end, then clean."""
        self.calls += 1
        if self._clock.time < self._length:
            return Page(status="IN_PROGRESS")
        return Page(status="COMPLETE", completed_at=self._completed, counts={})

    def start_scan(self, digest: Digest) -> Start:
        """Never needed here."""
        raise AssertionError(digest)

    def coverage(self, digest: Digest) -> Coverage | None:  # noqa: ARG002
        """Inspector agrees."""
        self.calls += 1
        return Coverage(reason="SUCCESSFUL", scanned=True)


def one(
    length: float, dice: random.Random, images: int, engine: ScanType
) -> tuple[float, float, int]:
    """A run's delay in seconds, without the settling, its whole time, and its calls."""
    clock = JumpingClock(dice)
    scans = ScriptedScans(clock, length)
    for_scans(
        Watch(
            scans=scans,
            clock=clock,
            scanning=Scanning(engine=engine, frequency=Frequency.SCAN_ON_PUSH),
            deadline=length + 60,
            max_age=None,
            say=lambda _: None,
        ),
        [Target(digest=Digest(f"sha256:{number:064x}")) for number in range(images)],
    )
    settling = SETTLE_SECONDS if engine is ScanType.ENHANCED else 0.0
    return clock.time - length - settling, clock.time, scans.calls


def several(
    length: int, images: int, dice: random.Random, engine: ScanType = ScanType.BASIC
) -> list[tuple[float, float, int]]:
    """Runs of at most one length."""
    return [one(length * dice.uniform(0.8, 1.0), dice, images, engine) for _ in range(RUNS)]


def row(name: str, images: int, runs: list[tuple[float, float, int]]) -> tuple[Cell, ...]:
    """The figures of some runs; their calls per second are those of all of them together."""
    delays = [delay for delay, _, _ in runs]
    calls = sum(calls for _, _, calls in runs) / sum(time for _, time, _ in runs)
    return (name, images, median(delays), percentile(delays, 0.95), max(delays), calls)


def tables() -> Iterator[Table]:
    """One row per length, one for all lengths together, one for many images at once."""
    dice = random.Random(20261123)  # noqa: S311 - repeatable, guards nothing
    lengths = {f"{length} s": several(length, 1, dice) for length in LENGTHS}
    rows = [row(name, 1, runs) for name, runs in lengths.items()]
    rows.append(row("mix", 1, [run for runs in lengths.values() for run in runs]))
    rows.append(row("60 s", 20, several(60, 20, dice)))
    enhanced = several(60, 1, dice, ScanType.ENHANCED)
    rows.append(row("60 s, enhanced", 1, enhanced))
    yield Table(
        title="Verdict latency",
        heads=("scan", "images", "median, s", "95 %, s", "max, s", "calls per second"),
        rows=rows,
        note=(
            f"{RUNS} scripted scans for each length, which is up to a fifth shorter. Mix: all of "
            f"them. Of the enhanced scan the {SETTLE_SECONDS:.0f} s for which it settles are left "
            "out of the delays."
        ),
    )
