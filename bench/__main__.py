"""`python -m bench [PART …] [--json FILE]`: measure, print tables, write JSON."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from bench import decision, findings, images, push, reports, rooms, step, verdict
from bench.measure import CHECKOUT, Table, facts, write

PARTS: dict[str, Callable[[], Iterable[Table]]] = {
    "step": step.tables,
    "rooms": rooms.tables,
    "verdict": verdict.tables,
    "findings": findings.tables,
    "decision": decision.tables,
    "reports": reports.tables,
    "images": images.tables,
    "push": push.tables,
}


def main() -> None:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--json", type=Path, default=CHECKOUT / ".cache" / "bench.json")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    print(", ".join(f"{name} {value}" for name, value in facts().items()), "\n")  # noqa: T201
    measured: dict[str, list[Table]] = {}
    for name in chosen.parts or PARTS:
        measured[name] = []
        for table in PARTS[name]():
            print(table, flush=True)  # noqa: T201
            measured[name].append(table)
        # After each part, so that an interruption loses one of them only.
        write(chosen.json, measured)


if __name__ == "__main__":
    main()
