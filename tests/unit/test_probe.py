"""What is asked of the edges, on the fakes: what is needed, and nothing that changes anything."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ecr_publish.ahead import Ahead
from ecr_publish.errors import BuilderMissing, NoCredentials
from ecr_publish.inputs import Mutability, OnUnjudged
from ecr_publish.origin import Origin
from ecr_publish.plan import Absent, Existing, LocalImage
from ecr_publish.preflight import Facts, Permission
from ecr_publish.probe import answered, connected, probed, shut, the
from ecr_publish.reference import FullTag, ImageName, Tag
from ecr_publish.run import Baseline
from ecr_publish.scan import Gap
from tests.factories import (
    make_build,
    make_manifest,
    make_plan,
    make_policy,
    make_scanning,
    make_state,
)
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeRegistry,
    FakeWorkflow,
    ahead,
    denied,
    edges,
)

IMAGE = make_manifest()
BUILD = make_build(recipe="same")
GONE = BuilderMissing("native", "gone")


class World:
    def __init__(self) -> None:
        self.registry = FakeRegistry(
            state=make_state(), pushed=IMAGE, known={str(IMAGE.digest): IMAGE}
        )
        self.cloud, self.engine = FakeCloud(self.registry), FakeEngine(IMAGE.digest)
        self.edges = edges(self.cloud, self.engine, FakeWorkflow(), FakeClock(), FakeCheckout())
        self.plan = make_plan(source=BUILD)

    @property
    def ahead(self) -> Ahead:
        return ahead(self.edges, self.registry, self.plan.source)

    def facts(self, *, at_once: bool = True) -> Facts:
        return probed(self.registry, self.plan, self.ahead, at_once=at_once).facts


@pytest.mark.parametrize("at_once", [True, False])
def test_probed__all_that_is_needed(at_once: bool) -> None:  # noqa: FBT001
    world = World()
    found = world.facts(at_once=at_once)

    assert found.repository == make_state()
    assert (found.standing, found.baseline, found.login) == ({}, None, True)
    assert found.builder == world.engine.made_by
    assert {*found.permissions} == {*world.registry.probed} == {Permission.SCANS, Permission.LAYERS}
    assert world.registry.looked == [("0123456", "latest")]


def test_probed__answers_are_asked_for_at_the_same_time() -> None:
    world = World()
    met = threading.Barrier(3, timeout=10)

    def wait() -> None:
        met.wait()

    world.registry.meanwhile = {
        "ask DescribeImageScanFindings": wait,
        "ask BatchCheckLayerAvailability": wait,
        "holders": wait,
    }
    assert world.facts().standing == {}


def test_s4_probed__creates_nothing() -> None:
    world = World()
    world.plan = replace(world.plan, create=Mutability.MUTABLE)
    world.registry.absent = Absent(scanning=make_scanning())
    found = world.facts()

    assert isinstance(found.repository, Absent)
    assert (found.standing, world.registry.created, world.registry.looked) == (None, 0, [])
    assert found.builder is not None


def test_probed__repository_that_may_not_be_described_leaves_the_rest_to_ask() -> None:
    world = World()
    error = world.registry.refused["look"] = denied("DescribeRepositories")
    found = world.facts()

    assert found.repository is error
    assert found.standing is None
    assert Permission.SCANS in found.permissions
    assert (found.builder, found.login) == (world.engine.made_by, True)


def test_probed__errors_are_facts() -> None:
    world = World()
    refused = {
        "holders": denied("BatchGetImage"),
        "ask DescribeImageScanFindings": denied("DescribeImageScanFindings"),
        "login": denied("GetAuthorizationToken"),
    }
    world.registry.refused |= refused
    world.engine.fails, world.engine.failure = "builder", GONE
    found = world.facts()

    assert found.standing is refused["holders"]
    assert found.permissions[Permission.SCANS] is refused["ask DescribeImageScanFindings"]
    assert (found.login, found.builder) == (refused["login"], GONE)


def test_probed__tag_of_another_registry_is_not_looked_for() -> None:
    world = World()
    foreign = FullTag(Tag("v1"), "999999999999.dkr.ecr.eu-west-1.amazonaws.com")
    world.plan = replace(world.plan, release_tags=(foreign,))
    assert (world.facts().standing, world.registry.looked) == (None, [])


def test_s5_probed__image_that_is_there_needs_neither_builder_nor_login() -> None:
    world = World()
    digest = str(IMAGE.digest)
    world.registry.tags["0123456"] = digest
    world.registry.origins[digest] = Origin(recipes=frozenset({"same"}))
    world.engine.fails, world.engine.failure = "builder", GONE
    found = world.facts()

    assert (found.builder, found.login, world.engine.asked) == (None, None, [])


def test_probed__local_image_needs_no_builder_and_a_gate_no_login() -> None:
    world = World()
    world.plan = replace(world.plan, source=LocalImage(name="a"))
    assert (world.facts().builder, world.facts().login) == (None, True)
    world.plan = replace(world.plan, source=Existing(reference=Tag("v1")))
    assert (world.facts().builder, world.facts().login) == (None, None)


def test_probed__baseline() -> None:
    world = World()
    world.plan = replace(world.plan, policy=make_policy(baseline=ImageName(Tag("latest"))))
    assert world.facts().baseline.what.startswith("the baseline latest cannot be used")  # type: ignore[union-attr]
    assert probed(world.registry, world.plan, world.ahead).baseline is None

    world.registry.tags["latest"] = str(IMAGE.digest)
    assert world.facts().baseline is True
    assert isinstance(probed(world.registry, world.plan, world.ahead).baseline, Baseline)


def test_probed__baseline_that_the_user_does_without() -> None:
    world = World()
    policy = make_policy(baseline=ImageName(Tag("latest")), on_baseline_error=OnUnjudged.WARN)
    world.plan = replace(world.plan, policy=policy)
    found = probed(world.registry, world.plan, world.ahead)
    assert isinstance(found.facts.baseline, Gap)
    assert found.baseline is found.facts.baseline


def test_connected__registry_or_the_error() -> None:
    world = World()
    notes: list[str] = []
    assert connected(world.edges, world.plan, notes.append, from_fork=True) is world.registry
    assert world.cloud.from_fork is True
    world.cloud.failure = NoCredentials()
    found = connected(world.edges, world.plan, notes.append, from_fork=False)
    assert found is world.cloud.failure
    assert not notes


def test_shut__asks_for_the_builder_where_one_is_needed() -> None:
    world = World()

    def builder() -> object:
        raise GONE

    found = shut([world.plan, world.plan], NoCredentials(), builder)  # type: ignore[arg-type]
    assert [check.error for check in found].count(GONE) == 1
    local = replace(world.plan, source=LocalImage(name="a"))
    assert GONE not in [check.error for check in shut([local], NoCredentials(), builder)]  # type: ignore[arg-type]


def test_the__answer_or_its_error() -> None:
    assert the(answered(lambda: 1)) == 1

    def broken() -> int:
        raise GONE

    with pytest.raises(BuilderMissing):
        the(answered(broken))
