from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecr_publish.origin import COMMITTED, RECIPE, REVISION, Commit, Origin, labels, read, recipe
from ecr_publish.plan import Build, make
from ecr_publish.policy import Rules
from tests.factories import SHA, make_context, make_inputs

COMMIT = Commit(sha=SHA, time=1_763_900_000)
OTHER = Commit(sha="f" * 40, time=1_763_900_000)


def config(**stated: Any) -> str:
    """An image's configuration with these labels: `recipe`, `committed`, `revision`."""
    names = {"recipe": RECIPE, "committed": COMMITTED, "revision": REVISION}
    return json.dumps({"config": {"Labels": {names[key]: item for key, item in stated.items()}}})


# What is written --------------------------------------------------------------------------------


def test_labels__order() -> None:
    assert labels(COMMIT, "word", ["a=1", "b=2"]) == (
        f"org.opencontainers.image.revision={SHA}",
        "a=1",
        "b=2",
        "ecr-publish.recipe=word",
        "ecr-publish.committed=1763900000",
    )


def worn(*own: str) -> dict[str, str]:
    """The labels that the image gets: of two with one name the last."""
    return dict(item.split("=", 1) for item in labels(COMMIT, "word", own))


def test_labels__user_may_set_the_revision() -> None:
    assert worn(f"{REVISION}=v1")[REVISION] == "v1"


@pytest.mark.parametrize("name", [RECIPE, COMMITTED])
def test_s5_labels__user_cannot_claim_to_be_another_build(name: str) -> None:
    assert worn(f"{name}=1") == worn()


def test_read__what_labels_wrote() -> None:
    text = json.dumps({"config": {"Labels": worn("a=1")}})
    assert read([text]) == Origin(recipes=frozenset({"word"}), revision=SHA, committed=COMMIT.time)


def test_recipe__is_a_hash_that_shows_nothing() -> None:
    word = recipe(COMMIT, ("TOKEN=hunter2",))
    assert len(word) == 64
    assert set(word) <= set("0123456789abcdef")


def test_recipe__equal_for_equal_things_only() -> None:
    words = [
        recipe(COMMIT, "a", "b"),
        recipe(OTHER, "a", "b"),
        recipe(COMMIT, "b", "a"),
        recipe(COMMIT, "ab", None),
        recipe(COMMIT, None, "ab"),
        recipe(COMMIT, ("a", "b")),
        recipe(COMMIT, ("a",), "b"),
        recipe(COMMIT, "a\x00b"),
        recipe(COMMIT),
    ]
    assert len(set(words)) == len(words)
    assert recipe(COMMIT, "a", "b") == recipe(Commit(sha=SHA, time=1), "a", "b")


def signed(commit: Commit = COMMIT, architecture: str = "X64", **inputs: Any) -> str:
    """The recipe of a plan's build."""
    context = make_context(architecture=architecture)
    asked = make_inputs(**inputs)
    source = make(asked, context, commit, rules=Rules(), nonce="0badcafe").source
    assert isinstance(source, Build)
    assert source.recipe
    return source.recipe


@pytest.mark.parametrize(
    "inputs",
    [
        {"context": "app"},
        {"file": "Dockerfile"},
        {"target": "final"},
        {"platforms": ("linux/amd64",)},
        {"build_args": ("A=1",)},
        {"labels": ("a=1",)},
        {"network": "none"},
        {"provenance": "true"},
    ],
    ids="".join,
)
def test_recipe__each_part_of_a_build_counts(inputs: dict[str, Any]) -> None:
    assert signed(**inputs) != signed()


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"file": "x"}, {"target": "x"}),
        ({"build_args": ("a=1",)}, {"labels": ("a=1",)}),
        ({"build_args": ("A=1", "A=2")}, {"build_args": ("A=2", "A=1")}),
        ({"target": "x"}, {"network": "x"}),
        ({"context": "x"}, {"file": "x"}),
    ],
)
def test_recipe__one_part_is_not_taken_for_another(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    assert signed(**one) != signed(**two)


@pytest.mark.parametrize(
    "inputs",
    [
        {"builder": "native"},
        {"rebuild": True},
        {"context": "."},
        {"tags": ("1",)},
        {"severity_threshold": "x"},
    ],
    ids="".join,
)
def test_recipe__what_makes_no_other_image_does_not_count(inputs: dict[str, Any]) -> None:
    assert signed(**inputs) == signed()


def test_recipe__commit_counts() -> None:
    assert signed(OTHER) != signed()


def test_recipe__runner_counts_where_no_platform_is_asked_for() -> None:
    named = ("linux/arm64",)
    assert signed(architecture="ARM64") != signed()
    assert signed(architecture="ARM64", platforms=named) == signed(platforms=named)


def test_recipe__another_run_of_the_commit_gives_the_same() -> None:
    context = make_context(run_id="43", run_attempt="2", branch="other", from_pull_request=True)
    source = make(make_inputs(), context, COMMIT, rules=Rules(), nonce="another").source
    assert isinstance(source, Build)
    assert source.recipe == signed()


# What is read -----------------------------------------------------------------------------------

NOTHING = Origin(recipes=frozenset(), revision="", committed=None)


def test_read__several_platforms() -> None:
    assert read(
        [
            config(recipe="a", revision="first", committed="5"),
            config(recipe="b", revision="second", committed="7"),
            config(recipe="a", committed="6"),
        ]
    ) == Origin(recipes=frozenset({"a", "b"}), revision="first", committed=7)


def test_read__platform_that_says_nothing_is_passed_over() -> None:
    said = config(recipe="a", revision="r", committed="5")
    assert read(["{}", said, "{}"]) == read([said])


def test_read__no_platform() -> None:
    assert read([]) == NOTHING


@pytest.mark.parametrize(
    ("text", "committed"),
    [
        ("0", 0),
        ("1763900000", 1_763_900_000),
        ("9" * 18, int("9" * 18)),
        ("9" * 19, None),
        ("9" * 5000, None),
        ("", None),
        ("-1", None),
        ("+1", None),
        ("1.0", None),
        ("1_0", None),
        (" 1", None),
        ("1\n", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("\N{ARABIC-INDIC DIGIT NINE}", None),
        (1, None),
        (None, None),
    ],
)
def test_read__committed_is_a_plain_number(text: Any, committed: int | None) -> None:
    assert read([config(recipe="a", committed=text)]).committed == committed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "1",
        '"text"',
        "[]",
        "{}",
        '{"config": null}',
        '{"config": []}',
        '{"config": {}}',
        '{"config": {"Labels": null}}',
        '{"config": {"Labels": ["a=1"]}}',
        '{"config": {"Labels": "a=1"}}',
        '{"labels": {"ecr-publish.recipe": "a"}}',
        config(recipe="", revision="", committed=""),
        config(recipe=["a"], revision={}, committed=5),
        "[" * 100_000,
    ],
    ids=range(17),
)
def test_read__what_is_not_there_or_not_text(text: str) -> None:
    assert read([text]) == NOTHING


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
LABELS = st.dictionaries(st.sampled_from([RECIPE, COMMITTED, REVISION, "a"]), JSON | st.text("019"))
CONFIGS = st.one_of(
    st.text(),
    JSON.map(json.dumps),
    st.builds(lambda inner: json.dumps({"config": inner}), JSON),
    st.builds(lambda inner: json.dumps({"config": {"Labels": inner}}), LABELS | JSON),
)


@given(st.lists(CONFIGS, max_size=4))
@example([config(committed="9" * 5000)])
@example(["[" * 100_000])
def test_read__never_fails(configs: list[str]) -> None:
    origin = read(configs)
    assert "" not in origin.recipes
    assert all(isinstance(item, str) for item in {*origin.recipes, origin.revision})
    assert origin.committed is None or origin.committed >= 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), max_size=4))
def test_read__order_of_the_platforms_matters_to_the_revision_alone(
    stated: list[tuple[str, int]],
) -> None:
    configs = [config(recipe=word, committed=str(time)) for word, time in stated]
    assert replace(read(configs), revision="") == replace(read(configs[::-1]), revision="")
