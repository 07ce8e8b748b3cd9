from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from ecr_publish.errors import (
    CallFailed,
    ExitCode,
    NoCredentials,
    PromotionFailed,
    PublishError,
    TagTaken,
)
from ecr_publish.manifest import Manifest
from ecr_publish.origin import Origin
from ecr_publish.outcome import Promotion
from ecr_publish.promote import leave, look, promote, promoted
from ecr_publish.reference import Tag
from ecr_publish.run import Obtained, Site
from ecr_publish.standing import Holder
from tests.factories import CANDIDATE, NAME, make_manifest, make_outcome, make_plan, make_state
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeRegistry,
    FakeWorkflow,
    denied,
    edges,
)

ONE, TWO, THREE = Tag("1.4.2"), Tag("0123456"), Tag("latest")
MANIFEST = make_manifest()
OTHER = make_manifest({"schemaVersion": 2, "other": True})
THIRD = make_manifest({"schemaVersion": 2, "third": True})


def registry(refused: dict[str, BaseException] | None = None, **tags: str) -> FakeRegistry:
    return FakeRegistry(
        state=make_state(),
        pushed=MANIFEST,
        tags=dict(tags),
        refused=refused or {},
        known={str(item.digest): item for item in (MANIFEST, OTHER, THIRD)},
    )


def put_all(ecr: FakeRegistry, tags: Sequence[Tag]) -> list[Promotion]:
    return list(promoted(ecr, FakeClock(), MANIFEST, tags))


# promoted ---------------------------------------------------------------------------------------


def test_promoted__every_tag_names_the_manifest() -> None:
    ecr = registry()

    assert put_all(ecr, [ONE, TWO]) == [Promotion(tags=(ONE,)), Promotion(tags=(ONE, TWO))]
    assert ecr.tags == {"1.4.2": str(MANIFEST.digest), "0123456": str(MANIFEST.digest)}


def test_s5_promoted__tags_that_are_in_place_stay_as_they_are() -> None:
    four = Tag("stable")
    ecr = registry(latest=str(MANIFEST.digest), stable=str(MANIFEST.digest))
    *_, last = put_all(ecr, [ONE, THREE, TWO, four])

    assert last == Promotion(tags=(ONE, THREE, TWO, four), unchanged=(THREE, four))


def test_s4_promoted__no_other_tag_is_touched() -> None:
    ecr = registry(keep=str(OTHER.digest), latest=str(OTHER.digest))
    put_all(ecr, [THREE])

    assert ecr.tags == {"keep": str(OTHER.digest), "latest": str(MANIFEST.digest)}


def test_promoted__no_tag_is_nothing_done() -> None:
    ecr = registry()

    assert put_all(ecr, []) == []
    assert ecr.tags == {}


def test_s6_promoted__what_is_done_is_known_before_the_next_tag() -> None:
    ecr = registry()
    steps = promoted(ecr, FakeClock(), MANIFEST, [ONE, TWO])

    assert next(steps) == Promotion(tags=(ONE,))
    assert set(ecr.tags) == {"1.4.2"}


FAILURES = (
    CallFailed("PutImage", "ServerException", "try later", transient=True),
    denied("PutImage"),
    TagTaken("0123456", str(OTHER.digest), NAME, "Meanwhile."),
    NoCredentials(),
)


@pytest.mark.parametrize("cause", FAILURES, ids=lambda cause: type(cause).__name__)
@pytest.mark.parametrize(
    ("tags", "applied", "why"),
    [
        ([TWO, ONE], [], "Applied: none. Not applied: 0123456, 1.4.2."),
        ([ONE, TWO, THREE], [ONE], "Applied: 1.4.2. Not applied: 0123456, latest."),
        ([ONE, THREE, TWO], [ONE, THREE], "Applied: 1.4.2, latest. Not applied: 0123456."),
    ],
)
def test_s6_promoted__failure_names_what_was_applied_and_what_was_not(
    tags: Sequence[Tag], applied: Sequence[Tag], why: str, cause: PublishError
) -> None:
    ecr = registry({"put 0123456": cause})
    steps: list[Promotion] = []
    with pytest.raises(PromotionFailed) as caught:
        steps.extend(promoted(ecr, FakeClock(), MANIFEST, tags))

    assert len(steps) == len(applied)
    assert caught.value.what == f"the release tag 0123456 could not be applied: {cause.what}"
    assert caught.value.why == why
    assert caught.value.exit_code is ExitCode.PROMOTE
    assert caught.value.__cause__ is cause
    assert set(ecr.tags) == {str(tag) for tag in applied}


def test_s6_promoted__cancel_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        put_all(registry({"put 0123456": KeyboardInterrupt()}), [TWO])


@dataclass
class SlowRegistry(FakeRegistry):
    """Notes when each put began, and takes its time for them, one after the other."""

    clock: FakeClock = field(default_factory=FakeClock)
    takes: Sequence[float] = ()
    began: list[float] = field(default_factory=list)

    def put(self, manifest: Manifest, tag: Tag) -> bool:
        self.began.append(self.clock.time)
        self.clock.time += self.takes[len(self.began) - 1]
        return super().put(manifest, tag)


@pytest.mark.parametrize(
    "takes",
    [
        pytest.param([0.0] * 35, id="no time"),
        pytest.param([0.03] * 35, id="some time"),
        pytest.param([5.0] + [0.0] * 34, id="a slow first one"),
        pytest.param(([0.0] * 6 + [1.5]) * 5, id="a slow one now and then"),
        pytest.param([0.0, 0.19] * 17 + [0.0], id="every other one"),
    ],
)
def test_promoted__never_more_than_ten_begin_in_any_second(takes: Sequence[float]) -> None:
    clock = FakeClock()
    ecr = SlowRegistry(state=make_state(), pushed=MANIFEST, clock=clock, takes=takes)
    list(promoted(ecr, clock, MANIFEST, [Tag(f"v{number}") for number in range(35)]))

    assert len(ecr.tags) == 35
    for number, first in enumerate(ecr.began):
        later = [began for began in ecr.began[number:] if began < first + 1 - 1e-9]
        assert len(later) <= 10


def test_promoted__waits_no_longer_than_it_has_to() -> None:
    clock = FakeClock()
    list(promoted(registry(), clock, MANIFEST, [Tag(f"v{number}") for number in range(11)]))

    assert clock.time == pytest.approx(1.0)
    assert max(clock.sleeps) <= 0.1 + 1e-9


def test_promoted__one_tag_waits_for_nothing() -> None:
    clock = FakeClock()
    list(promoted(registry(), clock, MANIFEST, [ONE]))

    assert clock.time == 0


def test_promoted__where_puts_are_slow_nothing_waits() -> None:
    clock = FakeClock()
    ecr = SlowRegistry(state=make_state(), pushed=MANIFEST, clock=clock, takes=[0.1, 0.5, 0.2, 0.1])
    list(promoted(ecr, clock, MANIFEST, [ONE, TWO, THREE, Tag("v1")]))

    assert not any(clock.sleeps)
    assert clock.time == pytest.approx(0.9)


# look -------------------------------------------------------------------------------------------

NEWER = Origin(recipes=frozenset({"a"}), revision="fedcba9", committed=9)


@dataclass
class CountingRegistry(FakeRegistry):
    """Notes whose origin was read."""

    read: list[str] = field(default_factory=list)

    def origin(self, manifest: Manifest) -> Origin | None:
        self.read.append(str(manifest.digest))
        return super().origin(manifest)


def counting(**tags: Manifest) -> CountingRegistry:
    return CountingRegistry(
        state=make_state(),
        pushed=MANIFEST,
        tags={tag: str(item.digest) for tag, item in tags.items()},
        known={str(item.digest): item for item in tags.values()},
        origins={str(OTHER.digest): NEWER},
    )


def test_look__tags_that_exist_with_what_their_images_say() -> None:
    ecr = counting(latest=OTHER, stable=MANIFEST)

    assert look(ecr, [ONE, THREE, Tag("stable")]) == {
        THREE: Holder(digest=OTHER.digest, origin=NEWER),
        Tag("stable"): Holder(digest=MANIFEST.digest, origin=None),
    }
    assert ecr.looked == [("1.4.2", "latest", "stable")]


def test_look__each_image_is_read_once() -> None:
    ecr = counting(latest=OTHER, stable=OTHER, v1=MANIFEST, v2=MANIFEST)
    standing = look(ecr, [Tag(name) for name in ecr.tags])

    assert sorted(ecr.read) == sorted([str(OTHER.digest), str(MANIFEST.digest)])
    assert [holder.origin for holder in standing.values()] == [NEWER, NEWER, None, None]


@pytest.mark.parametrize("origin", [NEWER, None])
def test_look__nothing_that_is_known_is_read_again(origin: Origin | None) -> None:
    ecr = counting(latest=OTHER, stable=MANIFEST)
    known = {ONE: Holder(digest=OTHER.digest, origin=origin)}

    assert look(ecr, [THREE, Tag("stable")], known) == {
        THREE: Holder(digest=OTHER.digest, origin=origin),
        Tag("stable"): Holder(digest=MANIFEST.digest, origin=None),
    }
    assert ecr.read == [str(MANIFEST.digest)]


def test_look__no_tag_asks_nothing() -> None:
    ecr = counting(latest=OTHER)

    assert look(ecr, []) == {}
    assert ecr.looked == []


# promote ----------------------------------------------------------------------------------------


def site(ecr: FakeRegistry, *tags: Tag, state: Any = None, **over: Any) -> Site:
    """A run that is about to promote; `over` is of the plan."""
    plan = make_plan(**over)
    outcome = make_outcome(plan=plan, digest=MANIFEST.digest, promotion=Promotion())
    world = edges(
        FakeCloud(ecr), FakeEngine(MANIFEST.digest), FakeWorkflow(), FakeClock(), FakeCheckout()
    )
    return Site(
        edges=world,
        outcome=outcome,
        plan=plan,
        registry=ecr,
        state=state or ecr.state,
        tags=tags,
        standing={},
        workspace="/workspace",
    )


def log(site: Site) -> list[str]:
    assert isinstance(site.edges.workflow, FakeWorkflow)
    return site.edges.workflow.log


def image(committed: int | None = 5) -> Obtained:
    return Obtained(manifest=MANIFEST, origin=Origin(committed=committed))


def test_promote__every_tag() -> None:
    run = site(registry(latest=str(MANIFEST.digest)), ONE, THREE)
    promote(run, image())

    assert run.outcome.promotion == Promotion(tags=(ONE, THREE), unchanged=(THREE,))
    assert log(run) == [f"1.4.2 is on {MANIFEST.digest}", f"latest is on {MANIFEST.digest}"]
    assert run.outcome.warnings == []


def test_promote__no_tag_asks_nothing() -> None:
    ecr = registry()
    run = site(ecr)
    promote(run, image())

    assert run.outcome.promotion == Promotion()
    assert (ecr.looked, log(run)) == ([], [])


def behind(*, only_forward: bool) -> Site:
    """A run of an older commit than the one whose image is `latest`."""
    ecr = registry(latest=str(OTHER.digest), stable=str(THIRD.digest))
    ecr.origins = {str(OTHER.digest): NEWER, str(THIRD.digest): Origin(committed=4)}
    return site(ecr, ONE, THREE, Tag("stable"), only_forward=only_forward)


def test_s4_promote__backwards_is_loud() -> None:
    run = behind(only_forward=False)
    promote(run, image())

    assert run.outcome.promotion.tags == (ONE, THREE, Tag("stable"))
    (warning,) = run.outcome.warnings
    assert warning == (
        f"The tag latest was on {OTHER.digest}, an image of the newer commit fedcba9, and is moved "
        "back to an older one."
    )


def test_s4_promote__only_forward_leaves_the_tag_and_gives_the_others() -> None:
    run = behind(only_forward=True)
    promote(run, image())

    assert run.outcome.promotion.tags == (ONE, Tag("stable"))
    assert isinstance(run.registry, FakeRegistry)
    assert run.registry.tags == {
        "1.4.2": str(MANIFEST.digest),
        "latest": str(OTHER.digest),
        "stable": str(MANIFEST.digest),
    }
    (warning,) = run.outcome.warnings
    assert warning == (
        f"The tag latest stays on {OTHER.digest}, an image of the newer commit fedcba9, because of "
        "promote-only-forward."
    )


def test_promote__newer_image_that_names_no_revision() -> None:
    ecr = registry(latest=str(OTHER.digest))
    ecr.origins = {str(OTHER.digest): Origin(committed=9)}
    run = site(ecr, THREE)
    promote(run, image())

    (warning,) = run.outcome.warnings
    assert f"{OTHER.digest}, an image of the newer commit, and is moved back" in warning


@pytest.mark.parametrize("only_forward", [False, True])
@pytest.mark.parametrize("committed", [9, 10, None])
def test_promote__forward_or_unknown_is_silent(committed: int | None, only_forward: bool) -> None:  # noqa: FBT001
    run = behind(only_forward=only_forward)
    promote(run, image(committed))

    assert run.outcome.warnings == []
    assert THREE in run.outcome.promotion.tags


def test_promote__looks_again_but_only_at_tags_that_can_move() -> None:
    ecr = registry(latest=str(OTHER.digest))
    state = make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("latest",))
    promote(site(ecr, ONE, TWO, THREE, state=state), image())

    assert ecr.looked == [("latest",)]


def test_s6_promote__failure_keeps_what_was_done() -> None:
    run = site(registry({"put 0123456": denied("PutImage")}), ONE, TWO, THREE)
    with pytest.raises(PromotionFailed):
        promote(run, image())

    assert run.outcome.promotion == Promotion(tags=(ONE,))


# leave ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keeps_passed", "keeps_refused", "passed", "stays"),
    [
        (False, False, True, False),
        (False, False, False, False),
        (False, True, True, False),
        (False, True, False, True),
        (True, False, True, True),
        (True, False, False, False),
        (True, True, True, True),
        (True, True, False, True),
    ],
)
def test_leave__keep_or_delete(
    keeps_passed: bool,  # noqa: FBT001
    keeps_refused: bool,  # noqa: FBT001
    passed: bool,  # noqa: FBT001
    stays: bool,  # noqa: FBT001
) -> None:
    ecr = registry()
    ecr.tags = {str(CANDIDATE): str(MANIFEST.digest), "latest": str(MANIFEST.digest)}
    run = site(ecr, keeps_passed=keeps_passed, keeps_refused=keeps_refused)
    run.outcome.candidate = CANDIDATE
    leave(run, passed=passed)

    assert (str(CANDIDATE) in ecr.tags) is stays
    assert "latest" in ecr.tags
    assert run.outcome.candidate == (CANDIDATE if stays else None)
    assert run.outcome.notes == []
    assert log(run) == [f"Candidate {CANDIDATE} {'stays' if stays else 'was removed'}"]


@pytest.mark.parametrize("passed", [True, False])
def test_leave__no_candidate_touches_nothing(passed: bool) -> None:  # noqa: FBT001
    ecr = registry({"untag": AssertionError()})
    run = site(ecr, keeps_passed=False, keeps_refused=False)
    leave(run, passed=passed)

    assert (run.outcome.candidate, log(run), run.outcome.notes) == (None, [], [])


def test_leave__denied_untag_is_a_note_with_the_statement() -> None:
    run = site(registry({"untag": denied("BatchDeleteImage")}))
    run.outcome.candidate = CANDIDATE
    leave(run, passed=True)

    assert run.outcome.candidate == CANDIDATE
    assert run.outcome.error is None
    (note,) = run.outcome.notes
    assert note.startswith(f"The candidate tag {CANDIDATE} stays: ecr:BatchDeleteImage failed: no ")
    assert "Add this statement to the role's policy:" in note
    assert '"ecr:BatchDeleteImage"' in note
    assert log(run) == []


def test_leave__note_without_advice_ends_with_its_sentence() -> None:
    cause = CallFailed("BatchDeleteImage", "SomethingNew", "no", transient=False)
    run = site(registry({"untag": cause}))
    run.outcome.candidate = CANDIDATE
    leave(run, passed=True)

    assert run.outcome.notes == [f"The candidate tag {CANDIDATE} stays: {cause.what}."]
