from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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
from ecr_publish.pace import Pace
from ecr_publish.promote import leave, look, promote, promoted
from ecr_publish.reference import Tag
from ecr_publish.run import Obtained, Site
from ecr_publish.standing import Holder, Standing
from tests.factories import CANDIDATE, NAME, make_manifest, make_outcome, make_plan, make_state
from tests.fakes import (
    TODAY,
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

ONE, TWO, THREE = Tag("1.4.2"), Tag("0123456"), Tag("latest")
MANIFEST = make_manifest()
OTHER = make_manifest({"schemaVersion": 2, "other": True})
THIRD = make_manifest({"schemaVersion": 2, "third": True})
FOURTH = make_manifest({"schemaVersion": 2, "fourth": True})


def registry(refused: dict[str, BaseException] | None = None, **tags: str) -> FakeRegistry:
    return FakeRegistry(
        state=make_state(),
        pushed=MANIFEST,
        tags=dict(tags),
        refused=refused or {},
        known={str(item.digest): item for item in (MANIFEST, OTHER, THIRD, FOURTH)},
    )


def put_all(ecr: FakeRegistry, tags: Sequence[Tag]) -> list[Promotion]:
    return list(promoted(ecr, Pace(FakeClock()), MANIFEST, tags))


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


def test_s5_promoted__tags_that_are_known_to_be_there_cost_no_call() -> None:
    ecr = registry({"put latest": AssertionError(), "put stable": AssertionError()})
    clock, stable = FakeClock(), Tag("stable")
    steps = list(promoted(ecr, Pace(clock), MANIFEST, [THREE, ONE, stable], there=[stable, THREE]))

    assert steps == [
        Promotion(tags=(THREE,), unchanged=(THREE,)),
        Promotion(tags=(THREE, ONE), unchanged=(THREE,)),
        Promotion(tags=(THREE, ONE, stable), unchanged=(THREE, stable)),
    ]
    assert ecr.tags == {"1.4.2": str(MANIFEST.digest)}
    assert clock.time == 0


def test_promoted__a_tag_that_is_there_takes_no_turn() -> None:
    clock = FakeClock()
    ecr = SlowRegistry(state=make_state(), pushed=MANIFEST, clock=clock, takes=[0.0] * 11)
    tags = [Tag(f"v{number}") for number in range(10)]
    list(promoted(ecr, Pace(clock), MANIFEST, [THREE, *tags], there=[THREE]))

    assert ecr.began == [0.0] * 10


def test_s6_promoted__tag_that_was_there_counts_as_applied() -> None:
    with pytest.raises(PromotionFailed) as caught:
        list(
            promoted(
                registry({"put 1.4.2": NoCredentials()}),
                Pace(FakeClock()),
                MANIFEST,
                [THREE, ONE, TWO],
                there=[THREE, TWO],
            )
        )
    assert caught.value.why == "Applied: latest. Not applied: 1.4.2, 0123456."


def test_promoted__no_tag_is_nothing_done() -> None:
    ecr = registry()

    assert put_all(ecr, []) == []
    assert ecr.tags == {}


def test_s6_promoted__what_is_done_is_known_before_the_next_tag() -> None:
    ecr = registry()
    steps = promoted(ecr, Pace(FakeClock()), MANIFEST, [ONE, TWO])

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
        steps.extend(promoted(ecr, Pace(FakeClock()), MANIFEST, tags))

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
    list(promoted(ecr, Pace(clock), MANIFEST, [Tag(f"v{number}") for number in range(35)]))

    assert len(ecr.tags) == 35
    for number, first in enumerate(ecr.began):
        later = [began for began in ecr.began[number:] if began < first + 1 - 1e-9]
        assert len(later) <= 10


def test_promoted__waits_no_longer_than_it_has_to() -> None:
    clock = FakeClock()
    list(promoted(registry(), Pace(clock), MANIFEST, [Tag(f"v{number}") for number in range(11)]))

    assert clock.sleeps == pytest.approx([1.0])


def test_promoted__one_tag_waits_for_nothing() -> None:
    clock = FakeClock()
    list(promoted(registry(), Pace(clock), MANIFEST, [ONE]))

    assert clock.time == 0


def test_promoted__where_puts_are_slow_nothing_waits() -> None:
    clock = FakeClock()
    ecr = SlowRegistry(state=make_state(), pushed=MANIFEST, clock=clock, takes=[0.1, 0.5, 0.2, 0.1])
    list(promoted(ecr, Pace(clock), MANIFEST, [ONE, TWO, THREE, Tag("v1")]))

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


def test_look__nothing_that_is_known_is_read_again() -> None:
    ecr = counting(latest=OTHER, stable=MANIFEST)
    known = {ONE: Holder(digest=OTHER.digest, origin=Origin(committed=1))}

    assert look(ecr, [THREE, Tag("stable")], known) == {
        THREE: Holder(digest=OTHER.digest, origin=Origin(committed=1)),
        Tag("stable"): Holder(digest=MANIFEST.digest, origin=None),
    }
    assert ecr.read == [str(MANIFEST.digest)]


def test_s4_look__what_could_not_be_read_is_tried_again_once() -> None:
    ecr = counting(latest=OTHER, stable=OTHER)
    known = {THREE: Holder(digest=OTHER.digest, origin=None)}
    standing = look(ecr, [THREE, Tag("stable")], known)

    assert [holder.origin for holder in standing.values()] == [NEWER, NEWER]
    assert ecr.read == [str(OTHER.digest)]


@pytest.mark.parametrize("first", [None, NEWER])
def test_look__one_image_known_and_unknown_at_once(first: Origin | None) -> None:
    ecr = counting(latest=OTHER)
    holders = [Holder(digest=OTHER.digest, origin=first), Holder(digest=OTHER.digest, origin=None)]
    for one, two in (holders, holders[::-1]):
        assert look(ecr, [THREE], {ONE: one, TWO: two})[THREE].origin == NEWER
    assert ecr.read == ([] if first else [str(OTHER.digest)] * 2)


def test_look__no_tag_asks_nothing() -> None:
    ecr = counting(latest=OTHER)

    assert look(ecr, []) == {}
    assert ecr.looked == []


# promote ----------------------------------------------------------------------------------------


def site(
    ecr: FakeRegistry,
    *tags: Tag,
    state: Any = None,
    standing: Standing | None = None,
    **over: Any,
) -> Site:
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
        pace=Pace(world.clock),
        ahead=ahead(world, ecr),
        state=state or ecr.state,
        tags=tags,
        standing=standing or {},
        baseline=None,
        workspace="/workspace",
        began=TODAY,
    )


def log(site: Site) -> list[str]:
    assert isinstance(site.edges.workflow, FakeWorkflow)
    return site.edges.workflow.log


def image(committed: int | None = 5) -> Obtained:
    return Obtained(manifest=MANIFEST, origin=Origin(committed=committed))


def test_promote__every_tag() -> None:
    ecr = registry({"put latest": AssertionError()}, latest=str(MANIFEST.digest))
    run = site(ecr, ONE, THREE)
    promote(run, image())

    assert run.outcome.promotion == Promotion(tags=(ONE, THREE), unchanged=(THREE,))
    assert log(run) == [f"1.4.2 is on {MANIFEST.digest}", f"latest is on {MANIFEST.digest} already"]
    assert run.outcome.warnings == []
    assert ecr.looked == [("1.4.2", "latest")]


def test_s5_promote__tag_that_cannot_move_and_is_there_costs_no_call() -> None:
    ecr = registry({"put 1.4.2": AssertionError()}, **{"1.4.2": str(MANIFEST.digest)})
    run = site(ecr, ONE, state=make_state(mutability="IMMUTABLE"))
    promote(run, image())

    assert run.outcome.promotion == Promotion(tags=(ONE,), unchanged=(ONE,))


def test_promote__no_tag_asks_nothing() -> None:
    ecr = registry()
    run = site(ecr)
    promote(run, image())

    assert run.outcome.promotion == Promotion()
    assert (ecr.looked, log(run)) == ([], [])


STABLE, EDGE = Tag("stable"), Tag("edge")
NO_COMMIT = Origin(recipes=frozenset({""}))


def behind(*, only_forward: bool) -> Site:
    """A run of an older commit than the image of `latest`; of `edge` none knows which that has."""
    ecr = registry(latest=str(OTHER.digest), stable=str(THIRD.digest), edge=str(FOURTH.digest))
    ecr.origins = {str(OTHER.digest): NEWER, str(THIRD.digest): Origin(committed=4)}
    return site(ecr, ONE, THREE, STABLE, EDGE, only_forward=only_forward)


def where(run: Site) -> dict[str, str]:
    assert isinstance(run.registry, FakeRegistry)
    return run.registry.tags


def test_s4_promote__backwards_is_loud() -> None:
    run = behind(only_forward=False)
    promote(run, image())

    assert run.outcome.promotion == Promotion(tags=(ONE, THREE, STABLE, EDGE))
    assert set(where(run).values()) == {str(MANIFEST.digest)}
    newer, unknown = run.outcome.warnings
    assert newer == (
        f"The tag latest was on {OTHER.digest}, an image of the newer commit fedcba9; it is moved."
    )
    assert unknown == (
        f"The tag edge was on {FOURTH.digest}, and it could not be told whether that is of a newer "
        "commit; it is moved."
    )


def test_s4_promote__only_forward_leaves_what_may_be_newer_and_gives_the_others() -> None:
    run = behind(only_forward=True)
    promote(run, image())

    assert run.outcome.promotion == Promotion(tags=(ONE, STABLE))
    assert where(run) == {
        "1.4.2": str(MANIFEST.digest),
        "latest": str(OTHER.digest),
        "stable": str(MANIFEST.digest),
        "edge": str(FOURTH.digest),
    }
    newer, unknown = run.outcome.warnings
    assert newer == (
        f"The tag latest stays on {OTHER.digest}, an image of the newer commit fedcba9 "
        "(promote-only-forward)."
    )
    assert unknown == (
        f"The tag edge stays on {FOURTH.digest}, and it could not be told whether that is of a "
        "newer commit (promote-only-forward)."
    )


@pytest.mark.parametrize(
    ("only_forward", "end"), [(False, "; it is moved."), (True, " (promote-only-forward).")]
)
def test_promote__newer_image_that_names_no_revision(only_forward: bool, end: str) -> None:  # noqa: FBT001
    ecr = registry(latest=str(OTHER.digest))
    ecr.origins = {str(OTHER.digest): Origin(committed=9)}
    run = site(ecr, THREE, only_forward=only_forward)
    promote(run, image())

    (warning,) = run.outcome.warnings
    assert warning.endswith(f"{OTHER.digest}, an image of the newer commit{end}")


@pytest.mark.parametrize("only_forward", [False, True])
@pytest.mark.parametrize(
    ("theirs", "mine", "silent"),
    [
        (Origin(committed=9), Origin(committed=9), True),
        (Origin(committed=9), Origin(committed=10), True),
        (Origin(committed=9), Origin(committed=8), False),
        (Origin(committed=9), NO_COMMIT, False),
        (Origin(committed=9), None, False),
        (NO_COMMIT, Origin(committed=9), True),
        (NO_COMMIT, NO_COMMIT, True),
        (NO_COMMIT, None, True),
        (None, Origin(committed=9), False),
        (None, NO_COMMIT, False),
        (None, None, False),
    ],
)
def test_s4_promote__silent_only_where_it_is_certain(
    theirs: Origin | None,
    mine: Origin | None,
    silent: bool,  # noqa: FBT001
    only_forward: bool,  # noqa: FBT001
) -> None:
    ecr = registry(latest=str(OTHER.digest))
    ecr.origins = {str(OTHER.digest): theirs}
    run = site(ecr, THREE, only_forward=only_forward)
    promote(run, Obtained(manifest=MANIFEST, origin=mine))

    moves = silent or not only_forward
    assert len(run.outcome.warnings) == (not silent)
    assert run.outcome.promotion.tags == ((THREE,) if moves else ())
    assert where(run)["latest"] == str((MANIFEST if moves else OTHER).digest)


@pytest.mark.parametrize("only_forward", [False, True])
def test_promote__own_image_is_never_a_step_back(only_forward: bool) -> None:  # noqa: FBT001
    run = site(registry(latest=str(MANIFEST.digest)), THREE, only_forward=only_forward)
    promote(run, Obtained(manifest=MANIFEST, origin=None))

    assert run.outcome.promotion == Promotion(tags=(THREE,), unchanged=(THREE,))
    assert run.outcome.warnings == []


def test_s4_promote__what_could_not_be_read_before_is_read_now() -> None:
    ecr = registry(latest=str(OTHER.digest))
    ecr.origins = {str(OTHER.digest): NEWER}
    standing = {THREE: Holder(digest=OTHER.digest, origin=None)}
    run = site(ecr, THREE, standing=standing, only_forward=True)
    promote(run, image())

    (warning,) = run.outcome.warnings
    assert "an image of the newer commit fedcba9" in warning


def test_promote__what_was_read_before_is_not_read_again() -> None:
    ecr = registry(latest=str(OTHER.digest))
    standing = {THREE: Holder(digest=OTHER.digest, origin=Origin(committed=4))}
    run = site(ecr, THREE, standing=standing, only_forward=True)
    promote(run, image())

    assert run.outcome.promotion.tags == (THREE,)


def test_s4_promote__tag_that_others_moved_meanwhile_is_left_to_them() -> None:
    ecr = registry(latest=str(OTHER.digest))
    ecr.origins = {str(OTHER.digest): NEWER}
    run = site(ecr, THREE, standing={}, only_forward=True)
    promote(run, image())

    assert where(run) == {"latest": str(OTHER.digest)}


@pytest.mark.parametrize("only_forward", [False, True])
def test_s4_promote__tag_that_cannot_move_and_was_taken_meanwhile_fails(only_forward: bool) -> None:  # noqa: FBT001
    taken = TagTaken("1.4.2", str(OTHER.digest), NAME, "Meanwhile.")
    ecr = registry({"put 1.4.2": taken}, **{"1.4.2": str(OTHER.digest)})
    ecr.origins = {str(OTHER.digest): NEWER}
    state = make_state(mutability="IMMUTABLE")
    run = site(ecr, ONE, state=state, only_forward=only_forward)
    with pytest.raises(PromotionFailed):
        promote(run, image())

    assert run.outcome.warnings == []


def test_s6_promote__failure_keeps_what_was_done() -> None:
    run = site(registry({"put 0123456": denied("PutImage")}), ONE, TWO, THREE)
    with pytest.raises(PromotionFailed):
        promote(run, image())

    assert run.outcome.promotion == Promotion(tags=(ONE,))


# leave ------------------------------------------------------------------------------------------


BEFORE, DURING = TODAY - timedelta(microseconds=1), TODAY
KEPT = "as asked"
NO_TAG = "the image has got no release tag, and would be deleted with its last tag."
WAS_THERE = "the image was there before this run, and would be deleted with its last tag."
DONE, NOTHING = Promotion(tags=(ONE,)), Promotion()


def with_candidate(
    *tags: Tag, promotion: Promotion = NOTHING, pushed: datetime = DURING, **over: Any
) -> Site:
    """A run whose image has the candidate tag, and was pushed then; `over` is of the plan."""
    ecr = registry()
    ecr.tags = {str(CANDIDATE): str(MANIFEST.digest), "keep": str(OTHER.digest)}
    ecr.pushed_before = {str(MANIFEST.digest): pushed}
    run = site(ecr, *tags, **({"keeps_passed": False, "keeps_refused": False} | over))
    run.outcome.candidate, run.outcome.promotion = CANDIDATE, promotion
    return run


def left(run: Site, *, passed: bool) -> str:
    """Why the candidate stays; empty where it was removed."""
    leave(run, passed=passed)
    if log(run) == [f"Candidate {CANDIDATE} stays"]:
        assert where(run) == {str(CANDIDATE): str(MANIFEST.digest), "keep": str(OTHER.digest)}
        assert (run.outcome.candidate, run.outcome.notes) == (CANDIDATE, [])
        return KEPT
    if run.outcome.notes:
        assert where(run) == {str(CANDIDATE): str(MANIFEST.digest), "keep": str(OTHER.digest)}
        assert run.outcome.candidate == CANDIDATE
        assert log(run) == []
        (note,) = run.outcome.notes
        return note.removeprefix(f"The candidate tag {CANDIDATE} stays: ")
    assert where(run) == {"keep": str(OTHER.digest)}
    assert run.outcome.candidate is None
    assert log(run) == [f"Candidate {CANDIDATE} was removed"]
    return ""


@pytest.mark.parametrize("pushed", [BEFORE, DURING])
@pytest.mark.parametrize("tags", [(), (ONE, THREE)])
@pytest.mark.parametrize("promotion", [NOTHING, DONE])
@pytest.mark.parametrize(
    ("keeps_passed", "keeps_refused", "passed"),
    [(False, True, False), (True, False, True), (True, True, True), (True, True, False)],
)
def test_leave__what_is_to_be_kept_stays(
    keeps_passed: bool,  # noqa: FBT001
    keeps_refused: bool,  # noqa: FBT001
    passed: bool,  # noqa: FBT001
    promotion: Promotion,
    tags: tuple[Tag, ...],
    pushed: datetime,
) -> None:
    run = with_candidate(
        *tags,
        promotion=promotion,
        pushed=pushed,
        keeps_passed=keeps_passed,
        keeps_refused=keeps_refused,
    )
    assert left(run, passed=passed) == KEPT


@pytest.mark.parametrize(
    ("passed", "tags", "promotion", "pushed", "why"),
    [
        pytest.param(True, (ONE,), DONE, DURING, "", id="published"),
        pytest.param(True, (ONE,), DONE, BEFORE, "", id="published, known before"),
        pytest.param(True, (ONE, THREE), DONE, DURING, "", id="one of two tags"),
        pytest.param(True, (ONE,), NOTHING, DURING, NO_TAG, id="all tags were left"),
        pytest.param(True, (ONE,), NOTHING, BEFORE, NO_TAG, id="all left, known before"),
        pytest.param(True, (), NOTHING, DURING, "", id="withheld"),
        pytest.param(True, (), NOTHING, BEFORE, WAS_THERE, id="withheld, known before"),
        pytest.param(False, (ONE,), NOTHING, DURING, "", id="refused"),
        pytest.param(False, (ONE,), NOTHING, BEFORE, WAS_THERE, id="refused, known before"),
        pytest.param(False, (), NOTHING, DURING, "", id="refused, withheld"),
        pytest.param(False, (), NOTHING, BEFORE, WAS_THERE, id="refused, withheld, known before"),
    ],
)
@pytest.mark.parametrize("kept_otherwise", [False, True])
def test_s4_leave__no_image_is_deleted_with_its_last_tag(
    passed: bool,  # noqa: FBT001
    tags: tuple[Tag, ...],
    promotion: Promotion,
    pushed: datetime,
    why: str,
    kept_otherwise: bool,  # noqa: FBT001
) -> None:
    run = with_candidate(
        *tags,
        promotion=promotion,
        pushed=pushed,
        keeps_passed=kept_otherwise and not passed,
        keeps_refused=kept_otherwise and passed,
    )
    assert left(run, passed=passed) == why


def test_leave__image_with_release_tags_is_not_asked_after() -> None:
    run = with_candidate(ONE, promotion=DONE)
    assert isinstance(run.registry, FakeRegistry)
    run.registry.refused = {"pushed_at": AssertionError()}

    assert left(run, passed=True) == ""


def test_s4_leave__image_whose_time_is_not_known_stays() -> None:
    run = with_candidate(ONE)
    assert isinstance(run.registry, FakeRegistry)
    run.registry.refused = {"pushed_at": denied("DescribeImages")}

    assert "ecr:DescribeImages" in left(run, passed=False)


def test_leave__digest_that_is_not_known_is_not_asked_after() -> None:
    run = with_candidate(pushed=BEFORE)
    run.outcome.digest = None

    assert left(run, passed=True) == ""


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
    assert "Add this to the list `Statement` of the role's permissions policy:" in note
    assert '"ecr:BatchDeleteImage"' in note
    assert log(run) == []


def test_leave__note_without_advice_ends_with_its_sentence() -> None:
    cause = PublishError("it broke")
    run = site(registry({"untag": cause}))
    run.outcome.candidate = CANDIDATE
    leave(run, passed=True)

    assert run.outcome.notes == [f"The candidate tag {CANDIDATE} stays: {cause.what}."]
