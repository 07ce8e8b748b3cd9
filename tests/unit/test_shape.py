"""The reader of strict YAML files: what it takes, and the clear error for all that it does not."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.shape import (
    BOOLEAN,
    DATE,
    LARGEST,
    TEXT,
    Choice,
    Either,
    Kind,
    Listing,
    Malformed,
    Node,
    Number,
    Record,
    Text,
    load,
    read_as,
)


def pair(values: dict[str, Any], lines: dict[str, int]) -> tuple[dict[str, Any], dict[str, int]]:
    return values, lines


NAMED = Record({"name": TEXT, "max-days": Number(0, 9)}, pair, required=("name",))
ANY: dict[str, Kind[Any]] = {
    "word": Choice({"a": 1, "b": 2}),
    "yes-or-no": BOOLEAN,
    "number": Number(1, 20),
    "share": Number(0, 2, fraction=True),
    "text": TEXT,
    "day": DATE,
    "either": Either((Number(0, 5), Choice({"none": None})), "a number from 0 to 5, or none"),
    "list": Listing(Choice({"x": "X", "y": "Y"})),
    "named": NAMED,
    "all-named": Listing(NAMED),
}
SHAPE = Record(ANY, pair, notes={"word": "Which word."})


def refused(content: str | bytes) -> list[str]:
    """The problems of a file, none where it is read; no other error is let through."""
    try:
        read(content)
    except Malformed as error:
        return error.problems
    return []


def read(text: str | bytes) -> dict[str, Any]:
    content = text if isinstance(text, bytes) else text.encode()
    values, _ = read_as(SHAPE, content)
    return values


def lines(text: str) -> dict[str, int]:
    _, found = read_as(SHAPE, text.encode())
    return found


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(Malformed) as caught:
        read(text)
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


def problem(text: str | bytes) -> str:
    (only,) = problems(text)
    return only


# What is taken --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# only a comment\n", {}),
        ("{}", {}),
        ("word: b", {"word": 2}),
        ("word: 'b'", {"word": 2}),
        ("yes-or-no: true", {"yes_or_no": True}),
        ("yes-or-no: false", {"yes_or_no": False}),
        ("number: 1", {"number": 1}),
        ("number: 20", {"number": 20}),
        ("share: 0.5", {"share": 0.5}),
        ("share: 2", {"share": 2.0}),
        ("text: a b", {"text": "a b"}),
        ("text: 1.10", {"text": "1.10"}),
        ("text: true", {"text": "true"}),
        ("text: 'null'", {"text": "null"}),
        ("text: |\n  a\n  b\n", {"text": "a\nb"}),
        ("text: ' a '", {"text": "a"}),
        ("day: 2028-02-29", {"day": date(2028, 2, 29)}),
        ("day: '2027-01-31'", {"day": date(2027, 1, 31)}),
        ("either: 5", {"either": 5}),
        ("either: none", {"either": None}),
        ("list: []", {"list": ()}),
        ("list: [y, x, y]", {"list": ("Y", "X", "Y")}),
        ("list:\n- x\n", {"list": ("X",)}),
        ("\ufeffword: a\r\nnumber: 2\r\n", {"word": 1, "number": 2}),
        ("%YAML 1.2\n---\nword: a\n...\n", {"word": 1}),
    ],
)
def test_read__takes(text: str, values: dict[str, Any]) -> None:
    assert read(text) == values


def test_read__whole_number_stays_one() -> None:
    assert isinstance(read("number: 3")["number"], int)
    assert isinstance(read("share: 1")["share"], float)


def test_read__records_get_the_lines_of_their_keys() -> None:
    text = (
        "# first\nword: a\nlist:\n  - x\nall-named:\n\n  - name: n\n    max-days: 3\n  - name: m\n"
    )
    assert lines(text) == {"": 2, "word": 2, "list": 3, "all_named": 5}
    (first, first_lines), (_, other_lines) = read(text)["all_named"]
    assert first == {"name": "n", "max_days": 3}
    assert first_lines == {"": 7, "name": 7, "max_days": 8}
    assert other_lines == {"": 9, "name": 9}


# What is not ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("word: c", "line 1: word: 'c' is not one of: a, b"),
        ("word: A", "line 1: word: 'A' is not one of: a, b"),
        ("yes-or-no: yes", "line 1: yes-or-no: 'yes' is not one of: true, false"),
        ("yes-or-no: True", "line 1: yes-or-no: 'True' is not one of: true, false"),
        ("number: 0", "line 1: number: '0' is not a number from 1 to 20"),
        ("number: 21", "line 1: number: '21' is not a number from 1 to 20"),
        ("number: 1.5", "line 1: number: '1.5' is not a number from 1 to 20"),
        ("number: -1", "line 1: number: '-1' is not a number from 1 to 20"),
        ("number: +1", "line 1: number: '+1' is not a number from 1 to 20"),
        ("number: 0x10", "line 1: number: '0x10' is not a number from 1 to 20"),
        ("number: 1e1", "line 1: number: '1e1' is not a number from 1 to 20"),
        ("number: 1_0", "line 1: number: '1_0' is not a number from 1 to 20"),
        ("number: .inf", "line 1: number: '.inf' is not a number from 1 to 20"),
        ("number: \u0661", "line 1: number: '\u0661' is not a number from 1 to 20"),
        ("share: 2.1", "line 1: share: '2.1' is not a number from 0 to 2"),
        ("share: .nan", "line 1: share: '.nan' is not a number from 0 to 2"),
        ("text: '  '", "line 1: text: '  ' is not a text"),
        ("text: ''", "line 1: text: '' is not a text"),
        ("day: 2027-1-31", "line 1: day: '2027-1-31' is not a date (2027-01-31)"),
        ("day: 2027-02-29", "line 1: day: '2027-02-29': day "),
        ("day: 2027-01-31 ", None),
        ("day: 20270131", "line 1: day: '20270131' is not a date (2027-01-31)"),
        ("day: 2027-01-31T00:00:00", "line 1: day: '2027-01-31T00:00:00' is not a date"),
        ("either: 6", "line 1: either: '6' is not a number from 0 to 5, or none"),
        ("either: None", "line 1: either: 'None' is not a number from 0 to 5, or none"),
        ("either: [1]", "line 1: either: is not one value"),
        ("list: x", "line 1: list: is not a list"),
        ("list: {x: 1}", "line 1: list: is not a list"),
        ("list: [x, [y]]", "line 1: list[1]: is not one value"),
        ("word:", "line 1: word: needs a value"),
        ("word: ~", "line 1: word: needs a value"),
        ("list:", "line 1: list: is not a list"),
        ("number: {a: 1}", "line 1: number: is not one value"),
        ("named: x", "line 1: named: is not a mapping with the keys name, max-days"),
        ("named: {}", "line 1: named.name: is missing"),
        (
            "named: {name: a, max_days: 1}",
            "line 1: named.max_days: is not a key here; known: name,",
        ),
        ("all-named: [{name: a}, {max-days: 1}]", "line 1: all-named[1].name: is missing"),
        ("a: 1", "line 1: a: is not a key here; known: word, yes-or-no, number,"),
        ("Word: a", "line 1: Word: is not a key here"),
        ("'': 1", "line 1: is not a key here"),
        ("- word: a", "line 1: is not a mapping with the keys word,"),
        ("word", "line 1: is not a mapping with the keys word,"),
    ],
)
def test_read__names_line_key_and_rule(text: str, said: str | None) -> None:
    if said is None:
        assert read(text)
    else:
        assert problem(text).startswith(said)


def test_read__says_the_line_of_the_key_wherever_its_value_is() -> None:
    assert problem("number: 2\nlist:\n\n  x: 1\n") == "line 2: list: is not a list"
    assert problem("# a\nword:\n\n\nnumber: 2\n") == "line 2: word: needs a value"


def test_read__all_problems_at_once() -> None:
    text = "word: c\nx: 1\nlist: [z, x, w]\nnamed:\n  max-days: 10\nall-named: [{}, 1]\n"
    assert [said.partition(": ")[0] + said.split(":")[1] for said in problems(text)] == [
        "line 1 word",
        "line 2 x",
        "line 3 list[0]",
        "line 3 list[2]",
        "line 5 named.max-days",
        "line 4 named.name",
        "line 6 all-named[0].name",
        "line 6 all-named[1]",
    ]


def test_read__long_values_are_cut_so_that_the_rule_can_be_read() -> None:
    said = problem(f"word: {'x' * 5000}")
    assert said == f"line 1: word: '{'x' * 60}…' is not one of: a, b"
    assert problem(f"word: {'x' * 60}") == f"line 1: word: '{'x' * 60}' is not one of: a, b"


# What no file may hold ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            b"number: &n 1\nshare: *n\n",
            "line 1: number: anchors and aliases (&, *) are not accepted",
            id="alias",
        ),
        pytest.param(
            b"list: &a [*a]\n",
            "line 1: list: anchors and aliases (&, *) are not accepted",
            id="recursion",
        ),
        pytest.param(
            b"word: a\n&k number: 1\n",
            "line 2: number: anchors and aliases (&, *) are not accepted",
            id="anchored key",
        ),
        pytest.param(b"word: *n\n", "line 1: found undefined alias 'n' (YAML)", id="no anchor"),
        pytest.param(b"<<: {word: a}\n", "line 1: a key has to be a word", id="merge"),
        pytest.param(b"word: !x a\n", "line 1: word: the tag '!x' is not accepted", id="tag"),
        pytest.param(
            b"text: !!binary aGk=\n",
            "line 1: text: the tag 'tag:yaml.org,2002:binary' is not accepted",
            id="binary",
        ),
        pytest.param(
            b"text: !!python/object/apply:os.system [id]\n",
            "line 1: text: the tag 'tag:yaml.org,2002:python/object/apply:os.system' is not",
            id="python",
        ),
        pytest.param(
            b"!!set {word}\n",
            "line 1: the tag 'tag:yaml.org,2002:set' is not accepted",
            id="set",
        ),
        pytest.param(b"word: a\nword: a\n", "line 2: word: stands there twice", id="twice"),
        pytest.param(
            b"word: a\n'word': b\n", "line 2: word: stands there twice", id="twice, quoted"
        ),
        pytest.param(
            b"named:\n  name: a\n  name: b\n", "line 3: named.name: stands there twice", id="deep"
        ),
        pytest.param(b"[word]: a\n", "line 1: a key has to be a word", id="list as key"),
        pytest.param(b"? {word: a}\n: 1\n", "line 1: a key has to be a word", id="mapping as key"),
        pytest.param(b"named: {[a]: 1}\n", "line 1: named: a key has to be a word", id="deep key"),
        pytest.param(
            b"named:\n\tname: a\n",
            "line 2: found character '\\t' that cannot start any token (YAML)",
            id="tab",
        ),
        pytest.param(
            b"word: a\n---\nword: b\n",
            "line 2: but found another document (YAML)",
            id="documents",
        ),
        pytest.param(
            b"word: a\ntext: \x00b\n", "line 2: the character U+0000 is not accepted", id="NUL"
        ),
        pytest.param(
            b"word: a\n\n\x1b[2J", "line 3: the character U+001B is not accepted", id="escape"
        ),
        pytest.param(b"word: a\ntext: \xff\n", "line 2: is not UTF-8", id="not UTF-8"),
        pytest.param("word: a".encode("utf-16"), "line 1: is not UTF-8", id="UTF-16"),
        pytest.param(b"word: 'a\n", "line 2: found unexpected end of stream (YAML)", id="open"),
        pytest.param(b"word: a: b\n", "line 1: mapping values are not allowed here (YAML)", id=":"),
        pytest.param(
            b'text: "\\UFFFFFFFF"\n',
            "cannot be read as YAML: Python int too large to convert to C int",
            id="not a character",
        ),
        pytest.param(
            b"%YAML 1.99\n---\nword: a\n",
            "cannot be read as YAML: version minor part can only be 2 or 1, got (1, 99)",
            id="version",
        ),
    ],
)
def test_load__refuses(content: bytes, said: str) -> None:
    assert problem(content).startswith(said)


BILLION = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9))
    for name in range(ord("b"), ord("j"))
)


def test_load__billion_laughs_are_refused_and_never_told() -> None:
    said = problem(BILLION)
    assert said == "line 1: a: anchors and aliases (&, *) are not accepted"


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"{a: " * 50_000,
        b"a: " + b"[" * 5000 + b"]" * 5000,
        b"- " * 50_000,
        b"\n".join(b" " * depth + b"a:" for depth in range(650)),
    ],
    ids=["[", "{", "[]", "-", "a:"],
)
def test_load__nested_too_deeply(content: bytes) -> None:
    assert problem(content) == "is nested too deeply"


def test_load__large_files_are_not_even_read() -> None:
    assert problem(b"#" * (LARGEST + 1)) == "is larger than 256 KiB"
    assert problem(b"\xff" * 10_000_000) == "is larger than 256 KiB"
    assert read(b"#" * LARGEST) == {}


@given(st.binary(max_size=60))
def test_load__any_bytes_are_read_or_refused(content: bytes) -> None:
    assert all(refused(content))


WORDS = (
    *("word", "list", "named", "name", "a", "x", "1", "~", "<<", " ", "  ", "\n", "\r", "\t", ": "),
    *(":", "- ", "? ", ", ", "[", "]", "{", "}", "&a", "*a", "!", "!!", "!<", "|", ">", "'", '"'),
    *("\\U", "#", "%", "%YAML 1.", "%TAG ! x", "---", "...", "@", "`", "\x85", "\u2028", "\ufeff"),
)


@given(st.lists(st.sampled_from(WORDS), max_size=15).map("".join))
def test_load__anything_like_yaml_is_read_or_refused(text: str) -> None:
    assert all(refused(text))


@given(st.lists(st.sampled_from(["word: a", "number: 2", "text: b", "x: 1"]), max_size=5))
def test_load__a_key_never_stands_there_twice(keys: list[str]) -> None:
    text = "\n".join(keys)
    fine = len(set(keys)) == len(keys) and "x: 1" not in keys
    assert bool(refused(text)) is not fine


def test_load__gives_the_way_of_keys() -> None:
    root = load(b"a:\n  b: [x, {c: y}]\n")
    (a,) = root.value.values()
    (b,) = a.value.values()
    x, c = b.value[0], b.value[1].value["c"]
    assert (root.key, a.key, b.key, x.key, c.key) == ("", "a", "a.b", "a.b[0]", "a.b[1].c")
    assert (x, c) == (
        Node(value="x", line=2, key="a.b[0]"),
        Node(value="y", line=2, key="a.b[1].c"),
    )


# Schemas --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (BOOLEAN, {"type": "boolean"}),
        (Choice({"a": 1, "b": 2}), {"enum": ["a", "b"]}),
        (Number(1, 5), {"type": "integer", "minimum": 1, "maximum": 5}),
        (Number(1, 5, fraction=True), {"type": "number", "minimum": 1, "maximum": 5}),
        (Text(str, "[a-z]+|x", "words"), {"type": "string", "pattern": "^([a-z]+|x)$"}),
        (Listing(BOOLEAN), {"type": "array", "items": {"type": "boolean"}}),
        (
            Either[Any]((Number(0, 1), Choice({"none": None})), "x"),
            {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 1}, {"enum": ["none"]}]},
        ),
        (
            Record({"a-b": BOOLEAN}, pair),
            {
                "type": "object",
                "properties": {"a-b": {"type": "boolean"}},
                "additionalProperties": False,
            },
        ),
        (
            Record({"a": BOOLEAN}, pair, required=("a",), notes={"a": "A."}),
            {
                "type": "object",
                "properties": {"a": {"description": "A.", "type": "boolean"}},
                "required": ["a"],
                "additionalProperties": False,
            },
        ),
    ],
)
def test_schema__of_each_kind(kind: Kind[Any], schema: dict[str, Any]) -> None:
    assert kind.schema() == schema


@given(st.text(max_size=20))
def test_text__reader_and_schema_agree(text: str) -> None:
    node = Node(value=text, line=1, key="a")
    try:
        taken = bool(TEXT.read(node))
    except ValueError:
        taken = False
    assert taken is (re.search(TEXT.schema()["pattern"], text) is not None)
