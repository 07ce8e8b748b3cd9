from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
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


MADE_AT = {
    "0": "1970-01-01T00:00:00Z",
    "5": "1970-01-01T00:00:05Z",
    "6": "1970-01-01T00:00:06Z",
    "7": "1970-01-01T00:00:07Z",
    "951782400": "2000-02-29T00:00:00Z",
    "1763900000": "2025-11-23T12:13:20Z",
    "253402300799": "9999-12-31T23:59:59Z",
}
"""What BuildKit states as an image's time where SOURCE_DATE_EPOCH is so."""


def config(**stated: Any) -> str:
    """An image's configuration with these labels: `recipe`, `committed`, `revision`.

    `created` is the time of its commit, unless it is given.
    """
    created = stated.pop("created", MADE_AT.get(str(stated.get("committed"))))
    names = {"recipe": RECIPE, "committed": COMMITTED, "revision": REVISION}
    named = {names[key]: item for key, item in stated.items()}
    return json.dumps({"created": created, "config": {"Labels": named}})


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


def test_labels__empty_recipe_is_written_too() -> None:
    """Without it the image would inherit the one of its base."""
    assert "ecr-publish.recipe=" in labels(COMMIT, "", ["a=1"])


def of_this_build(recipe: str = "word") -> str:
    """The configuration of an image that was built with these labels at the time of the commit."""
    named = dict(item.split("=", 1) for item in labels(COMMIT, recipe, ("a=1",)))
    return json.dumps({"created": "2025-11-23T12:13:20Z", "config": {"Labels": named}})


@pytest.mark.parametrize("word", ["word", ""])
def test_read__what_labels_wrote(word: str) -> None:
    assert read([of_this_build(word)]) == Origin(
        recipes=frozenset({word}), revision=SHA, committed=COMMIT.time
    )


def test_s5_read__image_built_from_one_of_ours_says_nothing() -> None:
    """It inherits all labels, also those that say they are of another build, but not the time."""
    derived = json.loads(of_this_build()) | {"created": "2025-11-23T12:13:21Z"}
    assert read([json.dumps(derived)]) == STRANGER


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


def built(
    commit: Commit = COMMIT, *, architecture: str = "X64", sha: str = SHA, **inputs: Any
) -> Build:
    """A plan's build."""
    context = make_context(architecture=architecture, sha=sha)
    source = make(make_inputs(**inputs), context, commit, rules=Rules(), nonce="0badcafe").source
    assert isinstance(source, Build)
    return source


def signed(commit: Commit = COMMIT, **asked: Any) -> str:
    """The recipe of a plan's build that has one."""
    build = built(commit, **asked)
    assert build.recipe
    return build.recipe


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
        {"labels": ("org.opencontainers.image.created=2026-11-23T12:00:00Z",)},
    ],
    ids="".join,
)
def test_recipe__what_makes_no_other_image_does_not_count(inputs: dict[str, Any]) -> None:
    assert signed(**inputs) == signed()


def test_recipe__commit_counts() -> None:
    assert signed(OTHER) != signed()


def test_recipe__commit_of_the_run_counts() -> None:
    """The Dockerfile may come from the run's commit, and the context from another checkout."""
    assert signed(sha="e" * 40) != signed()


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        pytest.param(("created=1", "a=1"), ("created=2", "a=1"), True, id="another time"),
        pytest.param(("a=1",), ("created=2", "a=1"), True, id="a time"),
        pytest.param(("created=1", "a=1"), ("created=1", "a=2"), False, id="another label"),
        pytest.param(("revision=1",), ("revision=2",), False, id="revision"),
        pytest.param(("createdby=1",), ("createdby=2",), False, id="longer name"),
        pytest.param(("version=created=1",), ("version=created=2",), False, id="a value"),
    ],
)
def test_recipe__time_in_a_label_does_not_count(
    one: Sequence[str],
    two: Sequence[str],
    equal: bool,  # noqa: FBT001
) -> None:
    words = [
        signed(labels=tuple(f"org.opencontainers.image.{item}" for item in given))
        for given in (one, two)
    ]
    assert (words[0] == words[1]) is equal


@pytest.mark.parametrize("name", ["created=1", "image.created=1"])
def test_recipe__only_the_whole_name_is_that_label(name: str) -> None:
    assert signed(labels=(name,)) != signed()


@pytest.mark.parametrize("build_args", [("TOKEN",), ("A=1", "TOKEN"), ("TOKEN", "A=1")])
def test_s5_recipe__none_where_an_argument_s_value_comes_from_elsewhere(
    build_args: tuple[str, ...],
) -> None:
    assert built(build_args=build_args).recipe == ""


@pytest.mark.parametrize("build_args", [("A=",), ("A=1", "B=2=3"), ()])
def test_recipe__argument_with_a_value_is_known(build_args: tuple[str, ...]) -> None:
    assert len(built(build_args=build_args).recipe) == 64


def test_s5_recipe__none_where_the_checkout_was_changed() -> None:
    build = built(replace(COMMIT, clean=False))
    assert build.recipe == ""
    assert build.epoch == COMMIT.time
    assert build.labels == (
        f"{REVISION}={SHA}",
        "ecr-publish.recipe=",
        "ecr-publish.committed=1763900000",
    )


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

STRANGER = Origin(recipes=frozenset({""}), revision="", committed=None)
"""What an image says that another tool has made."""


def test_read__several_platforms() -> None:
    assert read(
        [
            config(recipe="a", revision="first", committed="5"),
            config(recipe="b", revision="second", committed="7"),
            config(recipe="a", committed="6"),
        ]
    ) == Origin(recipes=frozenset({"a", "b"}), revision="first", committed=7)


OURS = config(recipe="a", revision="r", committed="5")
INHERITED = config(recipe="a", revision="base", committed="7", created="2026-11-23T12:00:00Z")


@pytest.mark.parametrize("other", ["{}", INHERITED], ids=["no labels", "labels of its base"])
def test_s5_read__index_with_a_platform_of_another_tool_is_of_no_one_build(other: str) -> None:
    for configs in ([other, OURS], [OURS, other], [other, OURS, other]):
        assert read(configs) == Origin(recipes=frozenset({"a", ""}), revision="r", committed=5)


def test_read__platforms_of_one_build() -> None:
    assert read([OURS, OURS]) == read([OURS])
    assert read([OURS]).recipes == {"a"}


def test_read__image_of_an_unknown_build_still_says_its_commit() -> None:
    for text in (config(recipe="", committed="5"), config(committed="5")):
        assert read([text]) == Origin(recipes=frozenset({""}), committed=5)


def test_read__no_platform() -> None:
    assert read([]) == Origin()


@pytest.mark.parametrize(("committed", "created"), MADE_AT.items())
def test_read__made_at_the_time_of_its_commit(committed: str, created: str) -> None:
    found = read([config(recipe="a", committed=committed, created=created)])
    assert found == Origin(recipes=frozenset({"a"}), committed=int(committed))


@pytest.fixture
def _in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "JST-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_tokyo")
def test_read__time_zone_of_the_runner_does_not_count() -> None:
    assert read([of_this_build()]).committed == COMMIT.time


@pytest.mark.parametrize(
    "created",
    [
        "2025-11-23T12:13:21Z",
        "2025-11-23T12:13:19Z",
        "2025-11-23T12:13:20.000000001Z",
        "2025-11-23T13:13:20+01:00",
        "2025-11-23T12:13:20",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "",
        None,
        1_763_900_000,
        "1763900000",
        ["2025-11-23T12:13:20Z"],
    ],
)
def test_s5_read__label_of_an_image_that_was_made_at_another_time(created: Any) -> None:
    text = config(recipe="a", revision="r", committed="1763900000", created=created)
    assert read([text]) == STRANGER


def test_s5_read__image_that_states_no_time() -> None:
    text = json.loads(config(recipe="a", committed="5"))
    del text["created"]
    assert read([json.dumps(text)]) == STRANGER


@pytest.mark.parametrize(
    "text",
    [
        *("253402300800", "9" * 12, "9" * 13, "9" * 17, "9" * 18, "9" * 19, "9" * 5000),
        *("", "-1", "+5", "5.0", "5_0", " 5", "5\n", "\N{SUPERSCRIPT TWO}"),
        *("\N{ARABIC-INDIC DIGIT NINE}", 5, None, True, ["5"], {"5": "5"}),
    ],
)
def test_read__commit_s_time_that_is_no_plain_number(text: Any) -> None:
    for created in ("1970-01-01T00:00:05Z", "+33658-09-27T01:46:40Z"):
        assert read([config(recipe="a", committed=text, created=created)]) == STRANGER


@pytest.mark.parametrize(
    "text", ["r", SHA, "v1.4.2", "refs/heads/main", "1.4.2+build-7", "a_b", "r" * 64]
)
def test_read__revision_that_is_a_short_plain_word(text: str) -> None:
    assert read([config(revision=text, committed="5")]).revision == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "r" * 65, "a b", "a\nb", "a\n", "a`b", "[a](b)", "<b>", "::error::", "a\x1b[1m"),
        *("\N{LATIN SMALL LETTER E WITH ACUTE}", "\N{ARABIC-INDIC DIGIT NINE}"),
        *(None, 1, ["a"], {"a": "b"}),
    ],
)
def test_s3_read__other_revision_is_passed_over(text: Any) -> None:
    bad = config(recipe="a", revision=text, committed="5")
    assert read([bad]) == Origin(recipes=frozenset({"a"}), committed=5)
    assert read([bad, OURS]).revision == "r"


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
        '{"created": "1970-01-01T00:00:05Z", "config": "ecr-publish.committed"}',
        config(recipe="a", revision="r"),
        config(recipe="a", revision="r", created=MADE_AT["5"]),
        config(recipe="", revision="", committed=""),
        config(recipe=["a"], revision={}, committed=5),
        "[" * 100_000,
        '{"config": {"Labels": {"a": ' + "[" * 100_000,
        '{"config": {"Labels": {"a": ' + "9" * 5000 + "}}}",
    ],
    ids=range(22),
)
def test_read__what_is_not_there_or_not_text(text: str) -> None:
    assert read([text]) == STRANGER


def test_read__labels_that_are_no_text_are_passed_over() -> None:
    text = config(recipe=["a"], revision={"r": "r"}, committed="5")
    assert read([text]) == Origin(recipes=frozenset({""}), committed=5)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NUMBERS = st.sampled_from([*MADE_AT, "9" * 12, "9" * 17, "9" * 18]) | st.text("019")
LABELS = st.dictionaries(st.sampled_from([RECIPE, COMMITTED, REVISION, "a"]), JSON | NUMBERS)
TIMES = st.sampled_from([*MADE_AT.values()]) | JSON
OF_US = st.builds(
    lambda seconds, named: json.dumps(
        {"created": MADE_AT[seconds], "config": {"Labels": named | {COMMITTED: seconds}}}
    ),
    st.sampled_from([*MADE_AT]),
    LABELS,
)
CONFIGS = st.one_of(
    st.text(),
    JSON.map(json.dumps),
    st.builds(lambda at, inner: json.dumps({"created": at, "config": inner}), TIMES, JSON),
    st.builds(
        lambda at, inner: json.dumps({"created": at, "config": {"Labels": inner}}),
        TIMES,
        LABELS | JSON,
    ),
    OF_US,
)


@given(st.lists(CONFIGS, max_size=4))
@example([config(committed="9" * 18, created="x")])
@example([config(committed="9" * 5000, created="x")])
@example(["[" * 100_000])
def test_read__never_fails(configs: list[str]) -> None:
    origin = read(configs)
    assert bool(origin.recipes) is bool(configs)
    assert all(isinstance(item, str) for item in origin.recipes)
    assert len(origin.revision) <= 64
    assert origin.revision.isascii()
    assert origin.committed is None or str(origin.committed) in MADE_AT


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("0567")), max_size=4))
def test_read__order_of_the_platforms_matters_to_the_revision_alone(
    stated: list[tuple[str, str]],
) -> None:
    configs = [config(recipe=word, committed=at, revision=word) for word, at in stated]
    forth, back = read(configs), read(configs[::-1])
    assert replace(forth, revision="") == replace(back, revision="")
    assert forth.recipes == {word for word, _ in stated}
    assert forth.committed == max((int(at) for _, at in stated), default=None)
