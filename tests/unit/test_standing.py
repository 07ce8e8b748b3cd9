from __future__ import annotations

from collections.abc import Sequence

import pytest

from ecr_publish.errors import TagTaken
from ecr_publish.origin import Origin
from ecr_publish.plan import Merge, Plan, RepositoryState, Source
from ecr_publish.reference import Digest, Tag
from ecr_publish.standing import Holder, Order, Standing, order, published_before, refuse_taken
from tests.factories import NAME, make_build, make_digest, make_plan, make_state

FIXED, MOVABLE = Tag("1.4.2"), Tag("latest")
OLD, NEW = make_digest("old"), make_digest("new")
SAME = Origin(recipes=frozenset({"mine"}), revision="abc", committed=5)
OTHER = Origin(recipes=frozenset({"other"}), revision="def", committed=5)
MIXED = Origin(recipes=frozenset({"mine", "other"}), revision="abc", committed=5)
PARTLY = Origin(recipes=frozenset({"mine", ""}), revision="abc", committed=5)
STRANGER = Origin(recipes=frozenset({""}))
ORIGINS = {
    "same": SAME,
    "other": OTHER,
    "mixed": MIXED,
    "partly": PARTLY,
    "stranger": STRANGER,
    "unreadable": None,
}


def plan(*, rebuild: bool = False, source: Source | None = None) -> Plan:
    return make_plan(source=source or make_build(), rebuild=rebuild)


def state() -> RepositoryState:
    """A repository in which `latest` can move and no other tag."""
    return make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("latest",))


def held(digest: Digest = OLD, origin: Origin | None = SAME) -> Holder:
    return Holder(digest=digest, origin=origin)


def found(plan: Plan, standing: Standing, *recipes: str) -> Digest | str | None:
    """What these builds have published before, or the tag that is taken."""
    try:
        return published_before(plan, state(), standing, frozenset(recipes))
    except TagTaken as error:
        return error.what.removeprefix("the tag ").partition(" ")[0]


# published_before -------------------------------------------------------------------------------


@pytest.mark.parametrize("rebuild", [False, True])
def test_published_before__nothing_there(rebuild: bool) -> None:  # noqa: FBT001
    assert found(plan(rebuild=rebuild), {}, "mine") is None


@pytest.mark.parametrize(
    ("tag", "word", "rebuild", "expected"),
    [
        (MOVABLE, "same", False, OLD),
        (MOVABLE, "same", True, None),
        (MOVABLE, "other", False, None),
        (MOVABLE, "other", True, None),
        (MOVABLE, "mixed", False, None),
        (MOVABLE, "partly", False, None),
        (MOVABLE, "stranger", False, None),
        (MOVABLE, "unreadable", False, None),
        (FIXED, "same", False, OLD),
        (FIXED, "same", True, OLD),
        (FIXED, "other", False, "1.4.2"),
        (FIXED, "other", True, "1.4.2"),
        (FIXED, "mixed", False, "1.4.2"),
        (FIXED, "partly", False, "1.4.2"),
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
    standing = {tag: held(origin=ORIGINS[word])}
    assert found(plan(rebuild=rebuild), standing, "mine") == expected


UNKNOWN = [(), ("",), ("", "mine"), ("", "mine", "other")]
EVERYTHING = [
    *(Origin(recipes=frozenset(recipes), committed=5) for recipes in UNKNOWN),
    *(SAME, MIXED, STRANGER, None),
]
MERGE = Merge(digests=(NEW, make_digest("newer")))


@pytest.mark.parametrize("recipes", UNKNOWN)
@pytest.mark.parametrize("source", [make_build(), MERGE], ids=["build", "merge"])
def test_s5_published_before__no_image_is_known_again_without_every_recipe(
    source: Source, recipes: Sequence[str]
) -> None:
    for origin in EVERYTHING:
        assert found(plan(source=source), {MOVABLE: held(origin=origin)}, *recipes) is None


@pytest.mark.parametrize("recipes", UNKNOWN)
def test_s4_published_before__build_that_is_not_known_again_makes_another_image(
    recipes: Sequence[str],
) -> None:
    for origin in EVERYTHING:
        assert found(plan(), {FIXED: held(origin=origin)}, *recipes) == "1.4.2"


@pytest.mark.parametrize("recipes", [*UNKNOWN, ("else",)])
def test_published_before__merge_may_make_the_very_image_that_has_the_tag(
    recipes: Sequence[str],
) -> None:
    for origin in EVERYTHING:
        assert found(plan(source=MERGE), {FIXED: held(origin=origin)}, *recipes) is None


@pytest.mark.parametrize(
    ("recipes", "expected"),
    [
        (("mine", "other"), OLD),
        (("other", "mine"), OLD),
        (("mine",), None),
        (("other",), None),
        (("mine", "other", "third"), None),
    ],
)
@pytest.mark.parametrize("tag", [FIXED, MOVABLE])
def test_s5_published_before__merge_of_all_its_builds(
    recipes: Sequence[str], expected: Digest | None, tag: Tag
) -> None:
    assert found(plan(source=MERGE), {tag: held(origin=MIXED)}, *recipes) == expected


def test_s4_published_before__merge_that_is_known_finds_another_tag_taken() -> None:
    standing = {MOVABLE: held(origin=MIXED), FIXED: held(NEW, OTHER)}
    assert found(plan(source=MERGE), standing, "mine", "other") == "1.4.2"


def test_published_before__merge_is_made_again_where_that_is_asked_for() -> None:
    rebuilt = plan(source=MERGE, rebuild=True)
    assert found(rebuilt, {MOVABLE: held(origin=MIXED)}, "mine", "other") is None
    assert found(rebuilt, {FIXED: held(origin=MIXED)}, "mine", "other") == OLD


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
    assert found(plan(rebuild=rebuild), standing, "mine") == expected


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
    [
        (None, "ecr:GetDownloadUrlForLayer"),
        (None, "a passing fault (run it again)"),
        (STRANGER, "does not say which commit"),
    ],
)
def test_refuse_taken__image_that_does_not_say_its_commit(origin: Origin | None, why: str) -> None:
    with pytest.raises(TagTaken) as caught:
        refuse_taken(state(), {FIXED: held(origin=origin)}, NEW)
    assert why in caught.value.why


def test_refuse_taken__no_tag() -> None:
    refuse_taken(state(), {}, None)


# order ------------------------------------------------------------------------------------------

UNREADABLE, NO_COMMIT = None, STRANGER
NOT_NEWER, NEWER, NOT_KNOWN = Order.NOT_NEWER, Order.NEWER, Order.UNKNOWN


def at(committed: int) -> Origin:
    return Origin(committed=committed)


@pytest.mark.parametrize(
    ("theirs", "mine", "expected"),
    [
        pytest.param(UNREADABLE, None, NOT_KNOWN, id="unreadable, none"),
        pytest.param(UNREADABLE, NO_COMMIT, NOT_KNOWN, id="unreadable, no commit"),
        pytest.param(UNREADABLE, at(5), NOT_KNOWN, id="unreadable, a commit"),
        pytest.param(NO_COMMIT, None, NOT_NEWER, id="no commit, none"),
        pytest.param(NO_COMMIT, NO_COMMIT, NOT_NEWER, id="no commit, no commit"),
        pytest.param(NO_COMMIT, at(5), NOT_NEWER, id="no commit, a commit"),
        pytest.param(NO_COMMIT, at(0), NOT_NEWER, id="no commit, the first second"),
        pytest.param(at(4), None, NOT_KNOWN, id="a commit, none"),
        pytest.param(at(4), NO_COMMIT, NOT_KNOWN, id="a commit, no commit"),
        pytest.param(at(0), None, NOT_KNOWN, id="the first second, none"),
        pytest.param(at(0), NO_COMMIT, NOT_KNOWN, id="the first second, no commit"),
        pytest.param(at(4), at(5), NOT_NEWER, id="older"),
        pytest.param(at(5), at(5), NOT_NEWER, id="same"),
        pytest.param(at(6), at(5), NEWER, id="newer"),
        pytest.param(at(0), at(0), NOT_NEWER, id="both the first second"),
        pytest.param(at(1), at(0), NEWER, id="newer than the first second"),
    ],
)
def test_s4_order__by_committer_date(
    theirs: Origin | None, mine: Origin | None, expected: Order
) -> None:
    assert order(held(origin=theirs), mine) is expected
