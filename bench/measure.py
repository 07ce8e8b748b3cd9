"""What all parts share: runs in turn, medians, tables, and the facts of the machine."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TypeVar

CHECKOUT = Path(__file__).resolve().parent.parent
RUNS = 5
"""How often each way is measured, unless a module says otherwise."""

Cell = str | float | int
T = TypeVar("T")
Way = TypeVar("Way")


@dataclass(frozen=True, kw_only=True)
class Table:
    """The answer to one question; the unit of a column stands in its head."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    note: str = ""

    def __str__(self) -> str:
        lines = [self.heads, tuple("---" for _ in self.heads), *self.rows]
        drawn = "\n".join(f"| {' | '.join(map(shown, line))} |" for line in lines)
        return f"## {self.title}\n\n{drawn}\n" + (f"\n{self.note}\n" if self.note else "")

    def as_json(self) -> dict[str, object]:
        """The same, with all digits."""
        rows = [dict(zip(self.heads, row, strict=True)) for row in self.rows]
        return {"title": self.title, "rows": rows, "note": self.note}


def shown(cell: Cell) -> str:
    """A cell as it is printed."""
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def in_turn(
    ways: Mapping[Way, Callable[[], T]], runs: int = RUNS, *, about: str
) -> dict[Way, list[T]]:
    """Measure each way once, then each again, so that what else goes on hits all of them alike.

    Each round begins with the next way, so that none is always the one after another.

    Args:
        ways: What to measure, by name.
        runs: How often.
        about: What the progress on stderr calls it.
    """
    found: dict[Way, list[T]] = {name: [] for name in ways}
    for number in range(runs):
        say(f"{about}: {number + 1} of {runs}")
        first = number % len(ways)
        names = list(ways)
        for name in names[first:] + names[:first]:
            found[name].append(ways[name]())
    return found


def median(values: Sequence[float]) -> float:
    """The middle value; None of them is dropped."""
    return float(statistics.median(values))


def percentile(values: Sequence[float], part: float) -> float:
    """The value that so great a part of all is not above."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def say(line: str) -> None:
    """Tell on stderr how far it is."""
    sys.stderr.write(f"{line}\n")


def facts() -> dict[str, Cell]:
    """What a reader needs to compare figures; nothing that names the machine."""
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "engine": _said("dockerd", "--version").split()[2].rstrip(","),
        "buildx": " ".join(_said("docker", "buildx", "version").split()[1:2]),
    }


def write(path: Path, tables: Mapping[str, Sequence[Table]]) -> None:
    """Write all figures as JSON."""
    parts = {name: [table.as_json() for table in part] for name, part in tables.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"facts": facts(), "parts": parts}, indent=1) + "\n", "utf-8")


def _said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
