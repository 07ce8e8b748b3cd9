from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from ecr_publish.build import Builder, Remark
from ecr_publish.cache import Cache
from ecr_publish.errors import BuildFailed, PlatformsMissing, PublishError, StoreLacks, TagTaken
from ecr_publish.manifest import OCI_INDEX, Manifest
from ecr_publish.obtain import images, obtained
from ecr_publish.origin import Origin
from ecr_publish.outcome import Outcome
from ecr_publish.pace import Pace
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
    TODAY,
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeRegistry,
    FakeWorkflow,
    ahead,
    edges,
)

PUSHED = make_manifest()
OTHER = make_manifest({"schemaVersion": 2, "other": True})
AMD, ARM = (make_manifest({"schemaVersion": 2, "platform": name}) for name in ("amd64", "arm64"))
FIXED, MOVABLE = Tag("1.4.2"), Tag("latest")
NAME = f"{URI}:{CANDIDATE}"
MINE = Origin(recipes=frozenset({"mine"}), committed=5)
BUILD = make_build(recipe="mine", epoch=5)
BOTH = Merge(digests=(AMD.digest, ARM.digest))


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
            pace=Pace(world.clock),
            ahead=ahead(world, self.registry, source),
            state=self.registry.state,
            tags=(FIXED, MOVABLE),
            standing=standing or {},
            baseline=None,
            workspace="/workspace",
            began=TODAY,
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
        f"build . {NAME} /workspace and push",
        f"forget {NAME}",
    ]
    assert [*world.outcome.seconds] == ["build"]


@pytest.mark.parametrize(
    ("cache", "logged_in"), [(f"{URI}:buildcache", True), ("ghcr.io/org/app:cache", False)]
)
def test_obtained__cache_in_the_registry_needs_its_login_while_the_engine_builds(
    cache: str,
    logged_in: bool,  # noqa: FBT001
) -> None:
    world = World(replace(BUILD, cache_from=(Cache.parse(cache),)))

    world.image()
    assert bool(world.engine.login) is logged_in
    assert f"build . {NAME} /workspace" in world.engine.calls
    assert f"push {NAME} AWS" in world.engine.calls


@pytest.mark.parametrize("driver", ["docker", "docker-container"])
def test_obtained__remarks_on_the_dockerfile_are_kept(driver: str) -> None:
    world = World(BUILD)
    world.engine.made_by = Builder(driver=driver)
    world.engine.remarks = (Remark(text="Mixed case", file="Dockerfile", line=3),)

    world.image()
    assert world.outcome.remarks == world.engine.remarks


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


UNDER_WAY = f"The push was under way; ECR may have taken the candidate {CANDIDATE}."


@pytest.mark.parametrize(
    ("fails", "driver", "notes"),
    [
        ("builder", "docker", []),
        ("build", "docker", []),
        ("build", "docker-container", [UNDER_WAY]),
        ("push", "docker", [UNDER_WAY]),
    ],
)
def test_s6_obtained__cancel_says_whether_the_candidate_may_be_there(
    fails: str, driver: str, notes: list[str]
) -> None:
    world = World(BUILD)
    world.engine.made_by = Builder(driver=driver, containerd=True)
    world.engine.failure, world.engine.fails = KeyboardInterrupt(), fails

    with pytest.raises(KeyboardInterrupt):
        world.image()
    assert world.outcome.notes == notes
    assert world.found() == (None, None, False)
    assert world.engine.calls[-1] == f"forget {NAME}"


@pytest.mark.parametrize(
    ("fails", "driver"), [("build", "docker-container"), ("push", "docker")], ids=["build", "push"]
)
def test_obtained__push_that_ended_by_itself_leaves_no_note(fails: str, driver: str) -> None:
    world = World(BUILD)
    world.engine.made_by = Builder(driver=driver, containerd=True)
    world.engine.failure, world.engine.fails = BuildFailed(1), fails

    with pytest.raises(BuildFailed):
        world.image()
    assert world.outcome.notes == []


def test_obtained__push_that_went_well_leaves_no_note() -> None:
    for source in (BUILD, make_build(builder="native"), LocalImage(name="app:test"), BOTH):
        world = World(source)
        world.image()
        assert world.outcome.notes == []


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


def test_s6_obtained__cancel_while_an_image_of_the_engine_is_pushed() -> None:
    world = World(LocalImage(name="app:test"))
    world.engine.failure, world.engine.fails = KeyboardInterrupt(), "push"

    with pytest.raises(KeyboardInterrupt):
        world.image()
    assert world.outcome.notes == [UNDER_WAY]


@pytest.mark.parametrize(
    "source", [LocalImage(name="app:test"), Existing(reference=PUSHED.digest)], ids=["local", "it"]
)
def test_obtained__image_that_is_not_made_here_was_not_published_before(source: Source) -> None:
    world = World(source, {MOVABLE: held(PUSHED, MINE), FIXED: held(PUSHED, None)})
    world.image()

    assert not world.outcome.reused


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


def test_obtained__merged_index_is_the_candidate() -> None:
    world = World(BOTH)
    index = world.image().manifest

    listed = [child["digest"] for child in json.loads(index.text)["manifests"]]
    assert (index.media_type, listed) == (OCI_INDEX, [str(AMD.digest), str(ARM.digest)])
    assert world.registry.tags == {str(CANDIDATE): str(index.digest)}
    assert world.found() == (index.digest, CANDIDATE, False)
    assert world.engine.calls == []
    assert [*world.outcome.seconds] == ["merge"]


def merging(standing: Standing | None = None, /, **plan: Any) -> World:
    """A merge of two images, of one build each."""
    world = World(BOTH, standing, **plan)
    world.registry.origins |= {
        str(AMD.digest): Origin(recipes=frozenset({"amd"}), committed=5),
        str(ARM.digest): Origin(recipes=frozenset({"arm"}), committed=5),
        str(OTHER.digest): Origin(recipes=frozenset({"amd", "arm"}), committed=5),
    }
    return world


OF_BOTH = Origin(recipes=frozenset({"amd", "arm"}), committed=5)


@pytest.mark.parametrize("tag", [FIXED, MOVABLE])
def test_s5_obtained__merge_of_the_same_builds_is_not_made_again(tag: Tag) -> None:
    world = merging({tag: held(OTHER, OF_BOTH)})

    assert world.image() == Obtained(manifest=OTHER, origin=OF_BOTH)
    assert world.found() == (OTHER.digest, None, True)
    assert world.outcome.worn == (tag,)
    assert world.registry.tags == {str(tag): str(OTHER.digest)}


@pytest.mark.parametrize(
    "part",
    [
        None,
        Origin(recipes=frozenset({""})),
        Origin(recipes=frozenset({"arm", ""})),
        Origin(recipes=frozenset({"else"})),
    ],
)
@pytest.mark.parametrize(
    "there",
    [
        OF_BOTH,
        Origin(recipes=frozenset({"amd"})),
        Origin(recipes=frozenset({"amd", ""})),
        Origin(recipes=frozenset({"amd", "arm", ""})),
    ],
)
def test_s5_obtained__merge_of_an_unknown_part_is_made(part: Origin | None, there: Origin) -> None:
    world = merging({MOVABLE: held(OTHER, there)})
    world.registry.origins[str(ARM.digest)] = part

    assert world.image().manifest != OTHER
    assert world.outcome.candidate == CANDIDATE


def test_s5_obtained__merge_of_unknown_parts_finds_its_own_index() -> None:
    index = World(BOTH).image().manifest
    world = World(BOTH, {FIXED: held(index, Origin(recipes=frozenset({""})))})

    assert world.image().manifest == index
    assert world.found() == (index.digest, CANDIDATE, False)


@dataclass
class UnaskedRegistry(FakeRegistry):
    """No origin may be read."""

    def origin(self, manifest: Manifest) -> Origin | None:
        raise AssertionError(manifest)


def test_obtained__parts_are_not_asked_where_every_tag_is_free() -> None:
    world = merging()
    known = {item.name: getattr(world.registry, item.name) for item in fields(FakeRegistry)}
    world.site = replace(world.site, registry=UnaskedRegistry(**known))

    assert world.image().origin is None


def test_s6_obtained__cancelled_merge_may_have_its_candidate() -> None:
    world = World(BOTH)
    world.registry.refused = {f"put {CANDIDATE}": KeyboardInterrupt()}

    with pytest.raises(KeyboardInterrupt):
        world.image()
    assert world.outcome.notes == [UNDER_WAY]


@pytest.mark.parametrize("room", ["find", "config"])
def test_obtained__merge_that_is_cancelled_before_has_none(room: str) -> None:
    world = World(BOTH)
    world.registry.refused = {room: KeyboardInterrupt()}

    with pytest.raises(KeyboardInterrupt):
        world.image()
    assert world.outcome.notes == []


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
