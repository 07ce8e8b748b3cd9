from __future__ import annotations

from typing import Any

import pytest

from ecr_publish.errors import TagTaken
from ecr_publish.origin import Origin
from ecr_publish.plan import Existing, LocalImage, Merge, Plan, RepositoryState, Source
from ecr_publish.reference import Digest, Tag
from ecr_publish.standing import Holder, Standing, ahead, published_before, refuse_taken
from tests.factories import NAME, make_build, make_digest, make_plan, make_state

FIXED, MOVABLE = Tag("1.4.2"), Tag("latest")
OLD, NEW = make_digest("old"), make_digest("new")
SAME = Origin(recipes=frozenset({"mine"}), revision="abc", committed=5)
OTHER = Origin(recipes=frozenset({"other"}), revision="def", committed=5)
MIXED = Origin(recipes=frozenset({"mine", "other"}), revision="abc", committed=5)
STRANGER = Origin()
ORIGINS = {"same": SAME, "other": OTHER, "mixed": MIXED, "stranger": STRANGER, "unreadable": None}


def plan(recipe: str = "mine", **over: Any) -> Plan:
    return make_plan(**({"source": make_build(recipe=recipe)} | over))


def state() -> RepositoryState:
    """A repository in which `latest` can move and no other tag."""
    return make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("latest",))


def held(digest: Digest = OLD, origin: Origin | None = SAME) -> Holder:
    return Holder(digest=digest, origin=origin)


def found(plan: Plan, standing: Standing) -> Digest | str | None:
    """What was published before, or the tag that is taken."""
    try:
        return published_before(plan, state(), standing)
    except TagTaken as error:
        return error.what.removeprefix("the tag ").partition(" ")[0]


# published_before -------------------------------------------------------------------------------


@pytest.mark.parametrize("rebuild", [False, True])
def test_published_before__nothing_there(rebuild: bool) -> None:  # noqa: FBT001
    assert found(plan(rebuild=rebuild), {}) is None


@pytest.mark.parametrize(
    ("tag", "word", "rebuild", "expected"),
    [
        (MOVABLE, "same", False, OLD),
        (MOVABLE, "same", True, None),
        (MOVABLE, "other", False, None),
        (MOVABLE, "other", True, None),
        (MOVABLE, "mixed", False, None),
        (MOVABLE, "stranger", False, None),
        (MOVABLE, "unreadable", False, None),
        (FIXED, "same", False, OLD),
        (FIXED, "same", True, OLD),
        (FIXED, "other", False, "1.4.2"),
        (FIXED, "other", True, "1.4.2"),
        (FIXED, "mixed", False, "1.4.2"),
        (FIXED, "stranger", False, "1.4.2"),
        (FIXED, "stranger", True, "1.4.2"),
        (FIXED, "unreadable", False, "1.4.2"),
        (FIXED, "unreadable", True, "1.4.2"),
    ],
)
def test_s4_published_before__one_tag(
    tag: Tag,
    word: str,
    rebuild: bool,  # noqa: FBT001
    expected: Digest | str | None,
) -> None:
    assert found(plan(rebuild=rebuild), {tag: held(origin=ORIGINS[word])}) == expected


@pytest.mark.parametrize(
    "source",
    [
        LocalImage(name="app:test"),
        Existing(reference=FIXED),
        Merge(digests=(OLD,)),
        make_build(recipe=""),
    ],
    ids=lambda source: type(source).__name__,
)
def test_published_before__no_image_is_known_again_without_a_recipe(source: Source) -> None:
    nameless = Origin(recipes=frozenset(), revision="abc", committed=5)
    for origin in (SAME, nameless, Origin(recipes=frozenset({""})), None):
        assert found(plan(source=source), {MOVABLE: held(origin=origin)}) is None


@pytest.mark.parametrize(
    "source",
    [LocalImage(name="app:test"), Existing(reference=FIXED), Merge(digests=(OLD,))],
    ids=lambda source: type(source).__name__,
)
def test_published_before__what_is_not_built_may_be_the_tag_s_own_image(source: Source) -> None:
    assert found(plan(source=source), {FIXED: held()}) is None


def test_s4_published_before__build_that_is_not_known_again_makes_another_image() -> None:
    assert found(plan(recipe=""), {FIXED: held(origin=STRANGER)}) == "1.4.2"


OTHER_FIXED = Tag("v1")


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        pytest.param({FIXED: held(), OTHER_FIXED: held()}, OLD, id="both on it"),
        pytest.param({FIXED: held(), OTHER_FIXED: held(NEW)}, "v1", id="two of this build"),
        pytest.param({FIXED: held(), OTHER_FIXED: held(NEW, OTHER)}, "v1", id="second of another"),
        pytest.param({FIXED: held(NEW, OTHER), OTHER_FIXED: held()}, "1.4.2", id="first one is"),
        pytest.param({FIXED: held(), MOVABLE: held(NEW, OTHER)}, OLD, id="one of them can move"),
        pytest.param({MOVABLE: held(NEW), FIXED: held()}, OLD, id="the fixed one decides"),
        pytest.param({MOVABLE: held(), FIXED: held(NEW, OTHER)}, "1.4.2", id="movable cannot help"),
    ],
)
def test_s4_published_before__two_tags(
    standing: Standing,
    expected: Digest | str,
    rebuild: bool,  # noqa: FBT001
) -> None:
    assert found(plan(rebuild=rebuild), standing) == expected


# refuse_taken -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "digest", "taken"),
    [
        (FIXED, OLD, False),
        (FIXED, NEW, True),
        (FIXED, None, True),
        (MOVABLE, OLD, False),
        (MOVABLE, NEW, False),
        (MOVABLE, None, False),
    ],
)
def test_s4_refuse_taken__one_tag(tag: Tag, digest: Digest | None, taken: bool) -> None:  # noqa: FBT001
    if not taken:
        refuse_taken(state(), {tag: held()}, digest)
        return
    with pytest.raises(TagTaken) as caught:
        refuse_taken(state(), {tag: held()}, digest)
    assert caught.value.what == (
        f"the tag 1.4.2 is on {OLD} already, and {NAME} does not let it move"
    )
    assert "of the commit abc," in caught.value.why


def test_s4_refuse_taken__each_tag_is_looked_at() -> None:
    with pytest.raises(TagTaken, match=f"v1 is on {NEW}"):
        refuse_taken(state(), {MOVABLE: held(NEW), FIXED: held(), OTHER_FIXED: held(NEW)}, OLD)


@pytest.mark.parametrize(
    ("origin", "why"),
    [(None, "ecr:GetDownloadUrlForLayer"), (STRANGER, "does not say which commit")],
)
def test_refuse_taken__image_that_does_not_say_its_commit(origin: Origin | None, why: str) -> None:
    with pytest.raises(TagTaken) as caught:
        refuse_taken(state(), {FIXED: held(origin=origin)}, NEW)
    assert why in caught.value.why


def test_refuse_taken__no_tag() -> None:
    refuse_taken(state(), {}, None)


# ahead ------------------------------------------------------------------------------------------


def at(committed: int | None) -> Origin:
    return Origin(committed=committed)


@pytest.mark.parametrize(
    ("theirs", "mine", "newer"),
    [
        (at(6), at(5), True),
        (at(5), at(5), False),
        (at(4), at(5), False),
        (at(1), at(0), True),
        (at(0), at(0), False),
        (at(None), at(5), False),
        (at(None), at(0), False),
        (None, at(5), False),
        (at(6), at(None), False),
        (at(6), None, False),
        (at(None), at(None), False),
        (None, None, False),
    ],
)
def test_ahead__later_committer_date(
    theirs: Origin | None,
    mine: Origin | None,
    newer: bool,  # noqa: FBT001
) -> None:
    standing = {MOVABLE: held(origin=theirs)}
    assert ahead(standing, mine) == (standing if newer else {})


def test_ahead__only_those_tags() -> None:
    newer, older = held(NEW, at(6)), held(OLD, at(4))
    assert ahead({FIXED: older, MOVABLE: newer, OTHER_FIXED: newer}, at(5)) == {
        MOVABLE: newer,
        OTHER_FIXED: newer,
    }
