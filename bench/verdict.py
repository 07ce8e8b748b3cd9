"""How soon after a scan is final its verdict comes, and how many calls that costs.

The real wait (ecr_publish.wait) runs on a clock that jumps, against scripted basic scans of 2 s to
15 min, 200 times each with another length and another chance. Only the way to ECR is left out.
"""

from __future__ import annotations

import random
import statistics
from datetime import datetime, timezone

from ecr_publish.findings import Page
from ecr_publish.manifest import Target
from ecr_publish.reference import Digest
from ecr_publish.scan import Answer, ScanType
from ecr_publish.wait import Watch, for_scans

RUNS = 200
LENGTHS = (2, 5, 10, 30, 60, 300, 900)
TARGET = Target(digest=Digest(f"sha256:{'0' * 64}"))


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

    def chance(self) -> float:
        """A number from 0 to 1."""
        return self._dice.random()


def one(length: float, dice: random.Random) -> tuple[float, float]:
    """Give a run's delay in seconds after the scan was final, and its calls per second."""
    clock, calls = JumpingClock(dice), 0

    def ask(_: Digest, __: str | None) -> Answer:
        nonlocal calls
        calls += 1
        if clock.time < length:
            return Page(status="IN_PROGRESS")
        return Page(status="COMPLETE", completed_at=datetime.now(timezone.utc), counts={})

    for_scans(
        Watch(
            ask=ask,
            clock=clock,
            engine=ScanType.BASIC,
            deadline=length + 60,
            say=lambda _: None,
        ),
        [TARGET],
    )
    return clock.time - length, calls / clock.time


def main() -> None:
    """Print one row per length."""
    dice = random.Random(20261123)  # noqa: S311 - repeatable, guards nothing
    print("scan      verdict after it: median   95 %     max     calls per second")  # noqa: T201
    for length in LENGTHS:
        runs = [one(length * dice.uniform(0.8, 1.2), dice) for _ in range(RUNS)]
        delays = sorted(delay for delay, _ in runs)
        calls = statistics.mean(rate for _, rate in runs)
        print(  # noqa: T201
            f"{length:4} s  {statistics.median(delays):22.2f} s {delays[int(RUNS * 0.95)]:6.2f} s"
            f" {delays[-1]:6.2f} s {calls:12.2f}"
        )


if __name__ == "__main__":
    main()
