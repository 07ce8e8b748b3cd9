"""The whole corridor on a scripted ECR, in no time.

All is real but the engine, whose image comes through `/v2/`, and the time: the corridor and the
local ECR share a clock that jumps, so that a wait of 15 minutes takes none.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests

from ecr_publish.ahead import THREAD
from ecr_publish.bake import Bake, Trial
from ecr_publish.build import Builder, Built, Remark
from ecr_publish.edges.credentials import Aws
from ecr_publish.edges.ports import Delivery, Edges, Login
from ecr_publish.main import run
from ecr_publish.manifest import Manifest
from ecr_publish.origin import Commit
from ecr_publish.plan import Build, RepositoryState
from ecr_publish.push import failure
from ecr_publish.reference import Digest, Tag
from local_ecr.faults import Fault, FaultPlan
from local_ecr.server import LocalEcr
from tests.factories import NAME, SHA
from tests.fakes import FakeCheckout, FakeGitHub, FakeWorkflow
from tests.images import push_image, push_index

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecr.type_defs import ImageDetailTypeDef

HEAD = Commit(sha=SHA, time=2_000)
PULL_REQUEST = {"GITHUB_HEAD_REF": "feature"}
START = datetime(2026, 11, 23, 12, tzinfo=timezone.utc).timestamp() + 0.75
"""Between two seconds, which is all that ECR's times tell apart."""


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
    """An engine that has its image already: one, or an index of several platforms.

    The image wears the labels of the build, as BuildKit would have written them. `content` tells
    it from others.
    """

    ecr: LocalEcr
    platforms: tuple[str, ...] = ()
    content: bytes = b"layer"
    platform: str = "linux/amd64"
    built: list[Build] = field(default_factory=list)
    made_by: Builder = Builder(driver="docker", containerd=True)  # noqa: RUF009 - it is frozen

    def builder(self, name: str | None) -> Builder:
        return self.made_by

    def build(
        self,
        build: Build,
        state: RepositoryState,
        tag: Tag,
        *,
        by: Delivery,
        workspace: str,
        write: Callable[[bytes], None],
    ) -> Built:
        self.built.append(build)
        return Built()

    def build_only(
        self, build: Build, *, workspace: str, write: Callable[[bytes], None]
    ) -> tuple[Remark, ...]:
        raise AssertionError(build)

    def bake_only(self, asked: Trial, *, workspace: str, write: Callable[[bytes], None]) -> None:
        raise AssertionError(asked)

    def definition(self, files: Sequence[str], targets: Sequence[str], workspace: str) -> str:
        raise AssertionError(files)

    def bake(
        self,
        bake: Bake,
        *,
        workspace: str,
        login: Login | None,
        write: Callable[[bytes], None],
    ) -> dict[str, Digest]:
        raise AssertionError(bake)

    def tag(self, image: str, state: RepositoryState, tag: Tag) -> None:
        raise AssertionError(image)

    def push(
        self, state: RepositoryState, tag: Tag, login: Login, say: Callable[[str], None]
    ) -> Digest:
        labels = dict(item.split("=", 1) for item in self.built[-1].labels)
        how: Any = {"content": self.content, "labels": labels, "created": self.built[-1].epoch}
        how["login"] = (login.username, login.password)
        try:
            if self.platforms:
                return push_index(self.ecr, state.name, str(tag), self.platforms, **how).digest
            return push_image(self.ecr, state.name, str(tag), platform=self.platform, **how).digest
        except requests.RequestException as error:
            raise failure(str(error), state.arn) from error

    def forget(self, reference: str) -> None:
        return


@dataclass
class Publication:
    """Runs of the action, and what came of the last one.

    `head` is the commit that is checked out, `content` what is built from it, for `platform` or as
    an index for `platforms`, `event` what GitHub says of the run, `files` what is in the checkout.
    `others` are edges in place of the usual ones, by their names.
    """

    ecr: LocalEcr
    clock: JumpingClock
    platforms: tuple[str, ...] = ()
    head: Commit | None = None
    content: bytes = b"layer"
    platform: str = "linux/amd64"
    event: dict[str, str] = field(default_factory=dict)
    workflow: FakeWorkflow = field(default_factory=FakeWorkflow)
    built: list[Build] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    github: FakeGitHub = field(default_factory=FakeGitHub)
    others: dict[str, Any] = field(default_factory=dict)

    def create(self, *, on_push: bool = True) -> None:
        """Create the repository, as its owner does."""
        self.api.create_repository(
            repositoryName=NAME, imageScanningConfiguration={"scanOnPush": on_push}
        )

    def set_mutability(self, mode: Any, *exclusions: str) -> None:
        """Set which tags can move; the exclusions are those of the mode."""
        filters = [{"filterType": "WILDCARD", "filter": item} for item in exclusions]
        given: dict[str, Any] = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
        self.api.put_image_tag_mutability(repositoryName=NAME, imageTagMutability=mode, **given)

    def empty(self) -> None:
        """Let the repository be as new; a server anew would take longer than a run."""
        self.api.delete_repository(repositoryName=NAME, force=True)
        self.create()
        self.ecr.reset()

    def publish(self, **inputs: str) -> int:
        self.workflow = FakeWorkflow()
        engine = Pusher(self.ecr, self.platforms, self.content, self.platform)
        self.built = engine.built
        environ = {
            "GITHUB_SHA": SHA,
            "GITHUB_RUN_ID": "42",
            "GITHUB_WORKSPACE": "/workspace",
            "ECR_PUBLISH_AWS_REGION": "eu-west-1",
            "ECR_PUBLISH_REPOSITORY": NAME,
            **self.event,
            **{f"ECR_PUBLISH_{name.upper()}": value for name, value in inputs.items()},
        }
        edges = Edges(
            clock=self.clock,
            workflow=self.workflow,
            checkout=FakeCheckout(self.head, self.files),
            engine=engine,
            cloud=Aws(self.ecr.environment(), self.clock, self.workflow.mask),
            github=self.github,
        )
        code = run(environ, replace(edges, **self.others))
        # As the end of the process does; the next run's calls are counted from here.
        for thread in threading.enumerate():
            if thread.name == THREAD:
                thread.join()
        return code

    def held(self, digest: str) -> Manifest:
        """A manifest of the repository, with its bytes as they are."""
        (image,) = self.api.batch_get_image(
            repositoryName=NAME, imageIds=[{"imageDigest": digest}]
        )["images"]
        return Manifest(
            digest=Digest.parse(image["imageId"]["imageDigest"]),
            media_type=image["imageManifestMediaType"],
            text=image["imageManifest"],
        )

    def take_tags_away(self) -> None:
        """Let all images stand without a tag, as moved tags leave them; ECR has no call for it."""
        with self.ecr.registry.lock:
            self.ecr.registry.images.shelf(NAME).tags.clear()

    def gate(self, reference: object, **inputs: str) -> int:
        return self.publish(job="gate", reference=str(reference), **inputs)

    def merge(self, *images: Manifest, **inputs: str) -> int:
        digests = "\n".join(str(image.digest) for image in images)
        return self.publish(job="merge", digests=digests, **inputs)

    @cached_property
    def api(self) -> ECRClient:
        """The ECR API, by a client of the test's own."""
        return boto3.client("ecr")

    @property
    def verdict(self) -> str:
        return self.workflow.outputs["verdict"]

    @property
    def reason(self) -> str:
        return self.workflow.outputs["reason"]

    @property
    def images(self) -> list[ImageDetailTypeDef]:
        """All that the repository holds, as ECR describes it."""
        return self.api.describe_images(repositoryName=NAME)["imageDetails"]

    @property
    def tags(self) -> dict[str, str]:
        """The digest behind each tag of the repository."""
        return {
            tag: image["imageDigest"] for image in self.images for tag in image.get("imageTags", [])
        }

    @property
    def candidates(self) -> dict[str, str]:
        """The candidate tags among them."""
        return {tag: it for tag, it in self.tags.items() if tag.startswith("candidate-")}

    @property
    def releases(self) -> dict[str, str]:
        """All other tags."""
        return {tag: it for tag, it in self.tags.items() if not tag.startswith("candidate-")}

    @property
    def calls(self) -> list[str]:
        """The operations of AWS that were called since the log was emptied, docker's not."""
        outside = ("v2.", "GetObject")
        return [
            call.operation for call in self.ecr.calls() if not call.operation.startswith(outside)
        ]

    @property
    def released(self) -> bool:
        return SHA[:7] in self.tags

    @property
    def waited(self) -> float:
        """Seconds from the start to the end of the run."""
        return self.clock.time - START


Prepare = Callable[..., Publication]


def started(prepare: Prepare, scenario: Any = "clean", **more: Any) -> Publication:
    """A repository that is scanned on push, and a checkout with a commit."""
    one = prepare(scenario, **more)
    one.head = HEAD
    return one


@contextmanager
def failing(operation: str, code: str, first: int, last: int) -> Iterator[None]:
    """Let the calls of an operation fail from the first of these to the last, counted from 1."""
    seen: Counter[str] = Counter()
    fault = Fault(operation=operation, code=code)

    def take(_: FaultPlan, called: str) -> Fault | None:
        seen[called] += 1
        return fault if called == operation and first <= seen[called] <= last else None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FaultPlan, "take", take)
        yield
