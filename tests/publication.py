"""The whole corridor on a scripted ECR, in no time.

All is real but the engine, whose image comes through `/v2/`, and the time: the corridor and the
local ECR share a clock that jumps, so that a wait of 15 minutes takes none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone

import boto3

from ecr_publish.build import Builder
from ecr_publish.edges.credentials import Aws
from ecr_publish.edges.ports import Edges, Login
from ecr_publish.main import run
from ecr_publish.plan import Build, RepositoryState
from ecr_publish.reference import Digest, Tag
from local_ecr.server import LocalEcr
from tests.factories import NAME, SHA
from tests.fakes import FakeCheckout, FakeWorkflow
from tests.images import push_image, push_index

START = datetime(2026, 11, 23, 12, tzinfo=timezone.utc).timestamp()


class JumpingClock:
    """Epoch seconds that move by sleeping alone."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    def today(self) -> datetime:
        return datetime.fromtimestamp(self.time, timezone.utc)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def chance(self) -> float:
        return 0.5


@dataclass
class Pusher:
    """An engine that has its image already: one, or an index of several platforms."""

    ecr: LocalEcr
    platforms: tuple[str, ...] = ()

    def builder(self, name: str | None) -> Builder:
        return Builder(driver="docker", containerd=True)

    def build(
        self,
        build: Build,
        state: RepositoryState,
        tag: Tag,
        *,
        workspace: str,
        login: Login | None,
        write: Callable[[bytes], None],
    ) -> Digest | None:
        return None

    def tag(self, image: str, state: RepositoryState, tag: Tag) -> None:
        raise AssertionError(image)

    def push(
        self, state: RepositoryState, tag: Tag, login: Login, say: Callable[[str], None]
    ) -> Digest:
        if self.platforms:
            return push_index(self.ecr, state.name, str(tag), self.platforms).digest
        return push_image(self.ecr, state.name, str(tag)).digest

    def forget(self, reference: str) -> None:
        return


@dataclass
class Publication:
    """One run of the action, and what came of it."""

    ecr: LocalEcr
    clock: JumpingClock
    platforms: tuple[str, ...] = ()
    workflow: FakeWorkflow = field(default_factory=FakeWorkflow)

    def publish(self, **inputs: str) -> int:
        self.workflow = FakeWorkflow()
        environ = {
            "GITHUB_SHA": SHA,
            "GITHUB_RUN_ID": "42",
            "GITHUB_WORKSPACE": "/workspace",
            "ECR_PUBLISH_AWS_REGION": "eu-west-1",
            "ECR_PUBLISH_REPOSITORY": NAME,
            **{f"ECR_PUBLISH_{name.upper()}": value for name, value in inputs.items()},
        }
        return run(
            environ,
            Edges(
                clock=self.clock,
                workflow=self.workflow,
                checkout=FakeCheckout(),
                engine=Pusher(self.ecr, self.platforms),
                cloud=Aws({}, self.workflow.mask),
            ),
        )

    @property
    def verdict(self) -> str:
        return self.workflow.outputs["verdict"]

    @property
    def reason(self) -> str:
        return self.workflow.outputs["reason"]

    @property
    def released(self) -> bool:
        images = boto3.client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
        return any(SHA[:7] in image.get("imageTags", []) for image in images)

    @property
    def waited(self) -> float:
        """Seconds from the start to the end of the run."""
        return self.clock.time - START


Prepare = Callable[..., Publication]
