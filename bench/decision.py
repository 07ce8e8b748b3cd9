"""What a policy of many ignores costs: to read it, and to decide over many findings with it.

CPU seconds of this process; nothing here touches the world.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import TypeVar

from bench.measure import Cell, Table, in_turn, median
from ecr_publish.findings import Finding, Package, Severity, Threshold
from ecr_publish.gate import Ground, judge
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import OnUnjudged
from ecr_publish.manifest import Target
from ecr_publish.policy import Policy, Rules
from ecr_publish.policy_file import read
from ecr_publish.reference import Digest
from ecr_publish.scan import Evidence, Result, Unjudged
from ecr_publish.scanning import ScanType

T = TypeVar("T")
IGNORES = 500
TODAY = date(2026, 11, 23)
TARGET = Target(digest=Digest(f"sha256:{0:064x}"))
PATH = "app/lib/web/node_modules/package-{}/package.json"
FAIL = dict.fromkeys(Unjudged, OnUnjudged.FAIL)
BY_PATH = ("**/package-{}/package.json", "app/**/package-{}/**", "**/package-{}/**")
CASES = (
    *((10_000, 10_000, "package-{}"), (10_000, 1, "package-{}")),
    *((10_000, 100, pattern) for pattern in BY_PATH),
    *((1_000, 1, pattern) for pattern in BY_PATH),
)
"""Findings, vulnerabilities, what an ignore names; of the package where it has no `/`."""


def tables() -> Iterator[Table]:
    """The policy file, then a row for each kind of ignores."""
    text = policy()
    times = in_turn({"": partial(cpu, partial(read, text, ".ecr-publish.yml"))}, about="policy")
    yield Table(
        title="To read a policy file",
        heads=("ignores", "kB", "CPU, s"),
        rows=[(IGNORES, len(text) / 1000, median([spent for spent, _ in times[""]]))],
    )
    yield Table(
        title="To decide",
        heads=("findings", "vulnerabilities", f"{IGNORES} ignores by", "ignored", "CPU, s"),
        rows=[row(*case) for case in CASES],
    )


def row(number: int, ids: int, pattern: str) -> tuple[Cell, ...]:
    """The median CPU of a decision over so many findings of so many vulnerabilities."""
    result = Result(
        target=TARGET, status="ACTIVE", findings=findings(number, ids), engine=ScanType.ENHANCED
    )
    rules = Rules(severity_threshold=Threshold.MEDIUM, ignore=ignores(ids, pattern))
    given = Policy(rules=rules, on_unjudged=FAIL, report_only=False)
    decide = partial(cpu, partial(judge, Evidence(results=(result,)), given, TODAY))
    runs = in_turn({pattern: decide}, about=f"decision, {number} of {ids} by {pattern}")[pattern]
    ignored = len(runs[0][1].with_ground(Ground.IGNORED))
    return (number, ids, f"`{pattern.format(7)}`", ignored, median([spent for spent, _ in runs]))


def cpu(work: Callable[[], T]) -> tuple[float, T]:
    """The CPU seconds of some work, and what came of it."""
    began = time.process_time()
    result = work()
    return time.process_time() - began, result


def policy() -> bytes:
    """A policy file with many ignores of the usual size."""
    entries = (
        f"  - id: CVE-2026-{number:05d}\n"
        f"    package: package-{number}\n"
        "    reason: not reachable, the parser is disabled\n"
        "    owner: team-web\n"
        "    until: 2027-01-31\n"
        for number in range(IGNORES)
    )
    return f"severity-threshold: medium\nignore:\n{''.join(entries)}".encode()


def findings(number: int, ids: int) -> tuple[Finding, ...]:
    """Findings of so many vulnerabilities, each in a package of its own."""
    return tuple(
        Finding(
            name=f"CVE-2026-{place % ids:05d}",
            severity=Severity.MEDIUM,
            stated_severity="MEDIUM",
            packages=(Package(name=f"package-{place}", path=PATH.format(place)),),
        )
        for place in range(number)
    )


def ignores(ids: int, pattern: str) -> tuple[Ignore, ...]:
    """An ignore for each of the first findings, by the path or the name of its package."""
    names = (f"CVE-2026-{place % ids:05d}" for place in range(IGNORES))
    if "/" in pattern:
        return tuple(Ignore(id=name, path=pattern.format(at)) for at, name in enumerate(names))
    return tuple(Ignore(id=name, package=pattern.format(at)) for at, name in enumerate(names))
