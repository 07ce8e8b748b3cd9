from __future__ import annotations

from collections.abc import Sequence

import pytest

from ecr_publish.errors import (
    CallFailed,
    ExitCode,
    NoCredentials,
    PromotionFailed,
    PublishError,
    TagTaken,
)
from ecr_publish.outcome import Promotion
from ecr_publish.promote import promoted
from ecr_publish.reference import Tag
from tests.factories import make_manifest, make_state
from tests.fakes import FakeRegistry, denied

ONE, TWO, THREE = Tag("1.4.2"), Tag("0123456"), Tag("latest")
MANIFEST = make_manifest()
OTHER = make_manifest({"schemaVersion": 2, "other": True})


def registry(refused: dict[str, BaseException] | None = None, **tags: str) -> FakeRegistry:
    return FakeRegistry(state=make_state(), pushed=MANIFEST, tags=dict(tags), refused=refused or {})


def test_promoted__every_tag_names_the_manifest() -> None:
    ecr = registry()
    steps = list(promoted(ecr, MANIFEST, [ONE, TWO]))

    assert steps == [Promotion(applied=(ONE,)), Promotion(applied=(ONE, TWO))]
    assert ecr.tags == {"1.4.2": str(MANIFEST.digest), "0123456": str(MANIFEST.digest)}


def test_s5_promoted__tags_that_are_in_place_stay_as_they_are() -> None:
    four = Tag("stable")
    ecr = registry(latest=str(MANIFEST.digest), stable=str(MANIFEST.digest))
    *_, last = promoted(ecr, MANIFEST, [ONE, THREE, TWO, four])

    assert last == Promotion(applied=(ONE, TWO), unchanged=(THREE, four))
    assert set(last.tags) == {ONE, TWO, THREE, four}


def test_s4_promoted__no_other_tag_is_touched() -> None:
    ecr = registry(keep=str(OTHER.digest), latest=str(OTHER.digest))
    list(promoted(ecr, MANIFEST, [THREE]))

    assert ecr.tags == {"keep": str(OTHER.digest), "latest": str(MANIFEST.digest)}


def test_promoted__no_tag_is_nothing_done() -> None:
    ecr = registry()

    assert list(promoted(ecr, MANIFEST, [])) == []
    assert ecr.tags == {}


def test_s6_promoted__each_tag_is_told_before_the_next_one_moves() -> None:
    ecr = registry()
    steps = promoted(ecr, MANIFEST, [ONE, TWO])

    assert next(steps) == Promotion(applied=(ONE,))
    assert set(ecr.tags) == {"1.4.2"}


FAILURES = (
    CallFailed("PutImage", "ServerException", "try later", transient=True),
    denied("PutImage"),
    TagTaken("0123456", str(OTHER.digest)),
    NoCredentials(),
)


@pytest.mark.parametrize("cause", FAILURES, ids=lambda cause: type(cause).__name__)
@pytest.mark.parametrize(
    ("tags", "moved", "why"),
    [
        ([TWO, ONE], [], "No release tag was moved."),
        ([ONE, TWO, THREE], [ONE], "Applied before that: 1.4.2."),
        ([ONE, THREE, TWO], [ONE, THREE], "Applied before that: 1.4.2, latest."),
    ],
)
def test_s6_promoted__failure_names_what_moved(
    tags: Sequence[Tag], moved: Sequence[Tag], why: str, cause: PublishError
) -> None:
    ecr = registry({"put 0123456": cause})
    steps: list[Promotion] = []
    with pytest.raises(PromotionFailed) as caught:
        steps.extend(promoted(ecr, MANIFEST, tags))

    assert len(steps) == len(moved)
    assert caught.value.what == f"the release tag 0123456 could not be applied: {cause.what}"
    assert caught.value.why == why
    assert caught.value.exit_code is ExitCode.PROMOTE
    assert caught.value.__cause__ is cause
    assert set(ecr.tags) == {str(tag) for tag in moved}


def test_promoted__failure_keeps_the_advice_of_its_cause() -> None:
    taken = TagTaken("0123456", str(OTHER.digest))
    with pytest.raises(PromotionFailed) as caught:
        list(promoted(registry({"put 0123456": taken}), MANIFEST, [TWO]))

    assert caught.value.fix == taken.fix


def test_promoted__failure_without_advice_says_that_a_rerun_is_safe() -> None:
    cause = PublishError("something happened")
    with pytest.raises(PromotionFailed, match="something happened") as caught:
        list(promoted(registry({"put 0123456": cause}), MANIFEST, [TWO]))

    assert "again is safe" in caught.value.fix


def test_s6_promoted__cancel_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        list(promoted(registry({"put 0123456": KeyboardInterrupt()}), MANIFEST, [TWO]))
