"""What the rooms of one run share: the edges, what is known so far, and the log's groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from ecr_publish.ahead import Ahead
from ecr_publish.edges.ports import Edges, Registry
from ecr_publish.manifest import Manifest, Target
from ecr_publish.origin import Origin
from ecr_publish.outcome import Outcome
from ecr_publish.pace import Pace
from ecr_publish.plan import Plan, RepositoryState
from ecr_publish.reference import Tag
from ecr_publish.scan import Gap
from ecr_publish.standing import Standing


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run before there is a plan: it can be logged and timed.

    `name` tells it from others that share its log, and stands before each of its lines; they share
    `pace` too.
    """

    edges: Edges
    outcome: Outcome
    pace: Pace
    name: str = ""

    def say(self, line: str) -> None:
        """Write a line to the log."""
        self.edges.workflow.say(f"{self.name}: {line}" if self.name else line)

    @contextmanager
    def room(self, name: str) -> Iterator[None]:
        """Fold what is logged inside, and note how long it took."""
        began = self.edges.clock.now()
        try:
            with self.edges.workflow.group(name.capitalize()):
                yield
        finally:
            self.outcome.seconds[name] = self.edges.clock.now() - began


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The image whose findings count as known: its name, its repository, what is to be scanned."""

    name: str
    registry: Registry
    targets: tuple[Target, ...]


@dataclass(frozen=True, kw_only=True)
class Site(Run):
    """The run once it is known what is to be published, where, and what is there already."""

    plan: Plan
    registry: Registry
    ahead: Ahead
    state: RepositoryState
    tags: tuple[Tag, ...]
    standing: Standing
    baseline: Baseline | Gap | None
    workspace: str
    began: datetime


@dataclass(frozen=True, kw_only=True)
class Obtained:
    """The image that the run is about; `origin` is None where there is nothing to compare it to."""

    manifest: Manifest
    origin: Origin | None
