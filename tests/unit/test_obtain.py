from __future__ import annotations

import json
from typing import Any

import pytest

from ecr_publish.build import Builder
from ecr_publish.errors import BuildFailed, PlatformsMissing, PublishError, StoreLacks, TagTaken
from ecr_publish.manifest import OCI_INDEX
from ecr_publish.obtain import images, obtained
from ecr_publish.origin import Origin
from ecr_publish.outcome import Outcome
from ecr_publish.plan import Existing, LocalImage, Merge, Source
from ecr_publish.reference import Tag
from ecr_publish.run import Obtained, Site
from ecr_publish.standing import Holder, Standing
from tests.factories import (
    CANDIDATE,
    URI,
    make_build,
    make_child,
    make_index,
    make_manifest,
    make_plan,
    make_state,
    make_target,
)
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeRegistry,
    FakeWorkflow,
    edges,
)

PUSHED = make_manifest()
OTHER = make_manifest({"schemaVersion": 2, "other": True})
AMD, ARM = (make_manifest({"schemaVersion": 2, "platform": name}) for name in ("amd64", "arm64"))
FIXED, MOVABLE = Tag("1.4.2"), Tag("latest")
NAME = f"{URI}:{CANDIDATE}"
MINE = Origin(recipes=frozenset({"mine"}), committed=5)
BUILD = make_build(recipe="mine", epoch=5)


class World:
    """A run that is about to get its image, and the fakes around it."""

    def __init__(self, source: Source, standing: Standing | None = None, **plan: Any) -> None:
        self.engine = FakeEngine(PUSHED.digest)
        self.registry = FakeRegistry(
            state=make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("latest",)),
            pushed=PUSHED,
            tags={str(tag): str(item.digest) for tag, item in (standing or {}).items()},
            known={str(item.digest): item for item in (PUSHED, OTHER, AMD, ARM)},
            configs={
                str(item.digest): json.dumps({"os": "linux", "architecture": name})
                for name, item in (("amd64", AMD), ("arm64", ARM))
            },
            origins={str(PUSHED.digest): MINE},
        )
        self.outcome = Outcome()
        self.workflow = FakeWorkflow()
        world = edges(
            FakeCloud(self.registry), self.engine, self.workflow, FakeClock(), FakeCheckout()
        )
        self.site = Site(
            edges=world,
            outcome=self.outcome,
            plan=make_plan(source=source, **plan),
            registry=self.registry,
            state=self.registry.state,
            tags=(FIXED, MOVABLE),
            standing=standing or {},
            workspace="/workspace",
        )

    def image(self) -> Obtained:
        return obtained(self.site)

    def found(self) -> tuple[object, ...]:
        """What the outcome knows of the image."""
        return self.outcome.digest, self.outcome.candidate, self.outcome.reused


def held(manifest: Any = OTHER, origin: Origin | None = None) -> Holder:
    return Holder(digest=manifest.digest, origin=origin)


# Built ------------------------------------------------------------------------------------------


def test_obtained__built_and_pushed_by_the_engine() -> None:
    world = World(BUILD)

    assert world.image() == Obtained(manifest=PUSHED, origin=Origin(committed=5))
    assert world.found() == (PUSHED.digest, CANDIDATE, False)
    assert world.engine.calls == [
        "builder the current one",
        f"build . {NAME} /workspace",
        f"push {NAME} AWS",
        f"forget {NAME}",
    ]
    assert [*world.outcome.seconds] == ["build", "push"]
    assert world.workflow.raw == b"#1 building\n"


def test_obtained__built_and_pushed_by_buildkit() -> None:
    world = World(make_build(builder="native"))
    world.engine.made_by = Builder(driver="docker-container")

    assert world.image() == Obtained(manifest=PUSHED, origin=Origin(committed=None))
    assert world.found() == (PUSHED.digest, CANDIDATE, False)
    assert world.engine.calls == [
        "builder native",
        f"build . {NAME} /workspace and push",
        f"forget {NAME}",
    ]
    assert [*world.outcome.seconds] == ["build"]


@pytest.mark.parametrize("fails", ["build", "push"])
def test_s6_obtained__failed_build_or_push_leaves_no_name_in_the_engine(fails: str) -> None:
    world = World(BUILD)
    world.engine.failure, world.engine.fails = BuildFailed(1), fails

    with pytest.raises(BuildFailed):
        world.image()
    assert world.engine.calls[-1] == f"forget {NAME}"
    assert world.found() == (None, None, False)


def test_obtained__what_cannot_be_built_here_is_said_before() -> None:
    world = World(make_build(platforms=("linux/amd64", "linux/arm64")))
    world.engine.made_by = Builder(driver="docker")

    with pytest.raises(StoreLacks):
        world.image()
    assert not any(call.startswith("build ") for call in world.engine.calls)


@pytest.mark.parametrize("tag", [FIXED, MOVABLE])
def test_s5_obtained__published_before_is_not_built_again(tag: Tag) -> None:
    world = World(BUILD, {tag: held(PUSHED, MINE)})

    assert world.image() == Obtained(manifest=PUSHED, origin=Origin(committed=5))
    assert world.found() == (PUSHED.digest, None, True)
    assert world.engine.calls == []
    assert [*world.outcome.seconds] == ["find"]


def test_s4_obtained__tag_that_is_taken_stops_before_the_build() -> None:
    world = World(BUILD, {FIXED: held()})

    with pytest.raises(TagTaken):
        world.image()
    assert world.engine.calls == []


# From the engine --------------------------------------------------------------------------------


def test_obtained__image_of_the_engine() -> None:
    world = World(LocalImage(name="app:test"))

    assert world.image() == Obtained(manifest=PUSHED, origin=None)
    assert world.found() == (PUSHED.digest, CANDIDATE, False)
    assert world.engine.calls == [
        f"tag app:test {NAME}",
        f"push {NAME} AWS",
        f"forget {NAME}",
    ]


def test_s4_obtained__image_of_the_engine_for_a_tag_that_is_taken() -> None:
    world = World(LocalImage(name="app:test"), {FIXED: held()})

    with pytest.raises(TagTaken):
        world.image()
    assert world.found() == (PUSHED.digest, CANDIDATE, False)


def test_s5_obtained__image_of_the_engine_that_has_its_tag() -> None:
    world = World(LocalImage(name="app:test"), {FIXED: held(PUSHED)})

    assert world.image().manifest == PUSHED


# In the repository ------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [OTHER.digest, Tag("candidate-1-1-a")])
def test_obtained__there_already(reference: Any) -> None:
    world = World(Existing(reference=reference))
    world.registry.tags["candidate-1-1-a"] = str(OTHER.digest)

    assert world.image() == Obtained(manifest=OTHER, origin=None)
    assert world.found() == (OTHER.digest, None, False)
    assert world.engine.calls == []
    assert world.workflow.log == ["[Find]", f"{URI}@{OTHER.digest}"]


def test_s4_obtained__gate_may_not_promote_to_a_tag_of_another_image() -> None:
    with pytest.raises(TagTaken):
        World(Existing(reference=PUSHED.digest), {FIXED: held()}).image()


@pytest.mark.parametrize(
    ("origin", "read"),
    [
        (None, None),
        (Origin(), None),
        (Origin(committed=None, revision="abc"), None),
        (Origin(committed=4), MINE),
        (Origin(committed=6), MINE),
    ],
)
def test_obtained__origin_is_read_where_there_is_one_to_compare(
    origin: Origin | None, read: Origin | None
) -> None:
    standing = {MOVABLE: held(OTHER, origin), FIXED: held(PUSHED, None)}
    world = World(Existing(reference=PUSHED.digest), standing)

    assert world.image().origin == read


# Merged -----------------------------------------------------------------------------------------

BOTH = Merge(digests=(AMD.digest, ARM.digest))


def test_obtained__merged_index_is_the_candidate() -> None:
    world = World(BOTH)
    index = world.image().manifest

    listed = [child["digest"] for child in json.loads(index.text)["manifests"]]
    assert (index.media_type, listed) == (OCI_INDEX, [str(AMD.digest), str(ARM.digest)])
    assert world.registry.tags == {str(CANDIDATE): str(index.digest)}
    assert world.found() == (index.digest, CANDIDATE, False)
    assert world.engine.calls == []
    assert [*world.outcome.seconds] == ["merge"]


def test_obtained__index_among_the_parts_needs_no_configuration() -> None:
    inner = make_index([make_child("s390x", "linux/s390x")])
    world = World(Merge(digests=(AMD.digest, inner.digest)))
    world.registry.known[str(inner.digest)] = inner

    assert len(json.loads(world.image().manifest.text)["manifests"]) == 2


def test_s4_obtained__merge_for_a_tag_that_is_taken_puts_nothing() -> None:
    world = World(BOTH, {FIXED: held()})

    with pytest.raises(TagTaken):
        world.image()
    assert world.registry.tags == {"1.4.2": str(OTHER.digest)}
    assert world.outcome.candidate is None


def test_s6_obtained__merge_that_cannot_be_put_has_no_candidate() -> None:
    world = World(BOTH)
    world.registry.refused = {f"put {CANDIDATE}": PublishError("no")}

    with pytest.raises(PublishError):
        world.image()
    assert world.outcome.candidate is None


# What is to be scanned --------------------------------------------------------------------------

INDEX = make_index([make_child("amd"), make_child("arm", "linux/arm64")])
TARGETS = (make_target("amd", "linux/amd64"), make_target("arm", "linux/arm64"))


def test_images__behind_the_index() -> None:
    assert images(World(BUILD).site, INDEX) == TARGETS


def test_s1_images__platform_that_lacks() -> None:
    build = make_build(platforms=("linux/amd64", "linux/s390x"))
    with pytest.raises(PlatformsMissing, match="lacks linux/s390x"):
        images(World(build).site, INDEX)


def test_images__nothing_lacks_where_nothing_is_built() -> None:
    assert images(World(Existing(reference=INDEX.digest)).site, INDEX) == TARGETS
