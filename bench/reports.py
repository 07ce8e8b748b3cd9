"""What the reports cost: CPU, peak memory and size of each, over few and many findings."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

from bench.measure import RUNS, Table, median
from ecr_publish.outcome import Outcome
from ecr_publish.reference import Repository
from ecr_publish.report.check import check
from ecr_publish.report.comment import comment
from ecr_publish.report.document import document
from ecr_publish.report.log import lines
from ecr_publish.report.page import page
from ecr_publish.report.sarif import sarif
from ecr_publish.report.summary import summary
from ecr_publish.report.table import table
from tests.factories import (
    NAME,
    RUN_URL,
    make_finding,
    make_outcome,
    make_policy,
    make_result,
    verdict_over,
)

NUMBERS = (0, 300, 10_000)
REPORTS: dict[str, Callable[[Outcome], Iterable[str]]] = {
    "log": lines,
    "summary": lambda outcome: [summary(outcome)],
    "check run": lambda outcome: [check(outcome).summary],
    "comment": lambda outcome: [comment(outcome, repository=Repository(NAME), run_url=RUN_URL)],
    "JSON": document,
    "CSV": table,
    "HTML": page,
    "SARIF": sarif,
}
"""Each gives its text in pieces, which are written one by one."""


def tables() -> Iterator[Table]:
    """One row for each report and number of findings."""
    yield Table(
        title="Reports",
        heads=("report", "findings", "CPU, s", "memory, MB", "size, kB"),
        rows=[
            (name, number, *measured(write, outcome))
            for number, outcome in ((number, ended(number)) for number in NUMBERS)
            for name, write in REPORTS.items()
        ],
        note="Memory: the peak while it is written, as Python counts what it allocates.",
    )


def ended(number: int) -> Outcome:
    """The end of a run over so many different findings, of which every second one refuses."""
    findings = [
        make_finding(f"CVE-2026-{place:05d}", "HIGH" if place % 2 else "LOW", score=7.5)
        for place in range(number)
    ]
    results = (make_result(*findings),)
    return make_outcome(results=results, verdict=verdict_over(results, make_policy()))


def measured(
    write: Callable[[Outcome], Iterable[str]], outcome: Outcome
) -> tuple[float, float, float]:
    """CPU without the measuring of memory, which slows it down; then memory and size."""
    spent = []
    for _ in range(RUNS):
        began = time.process_time()
        size = written(write(outcome))
        spent.append(time.process_time() - began)
    tracemalloc.start()
    written(write(outcome))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return median(spent), peak / 1e6, size / 1e3


def written(pieces: Iterable[str]) -> int:
    """Take every piece as a file would, keeping none; gives the bytes."""
    return sum(len(piece.encode()) for piece in pieces)
