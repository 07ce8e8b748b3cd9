from __future__ import annotations

import string
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.dockerfile import (
    Instruction,
    exec_form,
    own_instructions,
    quoted_words,
)
from ecr_publish.shape import LARGEST


def own(
    content: str | bytes, target: str | None = None, build_args: Sequence[str] = ()
) -> list[tuple[int, str]] | None:
    """Line and text of every own instruction."""
    content = content.encode() if isinstance(content, str) else content
    found = own_instructions(content, target, build_args)
    return None if found is None else [(item.line, item.text) for item in found]


def texts(content: str, target: str | None = None, *build_args: str) -> list[str] | None:
    found = own(content, target, build_args)
    return None if found is None else [text for _, text in found]


# Lines ------------------------------------------------------------------------------------------


def test_instruction__keyword_line_and_text() -> None:
    assert own_instructions(b"FROM a\n\n  run  echo 1 \n", None) == (
        Instruction(keyword="RUN", line=3, text="run  echo 1"),
    )


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ("RUN a \\\n  b", "RUN a   b"),
        ("RUN a\\\nb", "RUN ab"),
        ("RUN a \\  \t\n b", "RUN a  b"),
        ("RUN a \\\n# comment\n   # another \\\n\n  \t\n b", "RUN a  b"),
        ("RUN a \\\nb # none", "RUN a b # none"),
        ("RUN a \\\n", "RUN a"),
        ("RUN a \\", "RUN a"),
        ("RUN a \\ b", "RUN a \\ b"),
        ("\\\nRUN a", "RUN a"),
        ("RUN \\\n a", "RUN  a"),
        ("\N{NO-BREAK SPACE} RUN a", "RUN a"),
    ],
)
def test_lines__that_continue(lines: str, text: str) -> None:
    assert own(f"FROM x\n{lines}") == [(2, text)]
    assert own(f"FROM x\r\n{lines}".replace("\n", "\r\n").replace("\r\r", "\r")) == [(2, text)]


def test_lines__next_instruction_has_its_own_line() -> None:
    assert own("FROM a\nRUN a \\\n b \\\n\n c\n# d\n\nRUN e\n") == [
        (2, "RUN a  b  c"),
        (8, "RUN e"),
    ]


def test_lines__byte_order_mark_in_front_only() -> None:
    assert own("\ufeffFROM a\nRUN a\n") == [(2, "RUN a")]
    assert own("FROM a\n\ufeffRUN a\n") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n# nothing\n",
        b"FROM a\nRUN \xff\n",
        b"FROM a\nRUN a\0\n",
        b"FROM a\nRUN a\rRUN b\n",
        b"FROM a\nRUN a\r",
        b"FROM a\nRUN\x0ba\n",
        b"FROM a\nRUN a\x1c\n",
        b"FROM a\nRUN a\\\\\nRUN b\n",
        b"FROM a\nRUN a\\\\  \n",
        b"FROM a\nRUN\n",
        b"FROM a\nRUN \\\n",
        b"FROM a\nRUNaway b\n",
        b"FROM a\nINCLUDE b\n",
        b"FROM a\n-RUN b\n",
        "FROM a\nRUN\N{NO-BREAK SPACE}b\n".encode(),
        b"// syntax=x\nFROM a\n",
        b"RUN a\nFROM a\n",
        b"FROM a\n" + b"#" * LARGEST,
    ],
    ids=range(19),
)
def test_s1_lines__that_may_be_read_in_another_way(content: bytes) -> None:
    assert own(content) is None


def test_lines__of_the_largest_file() -> None:
    content = b"FROM a\n"
    assert own(content + b"#" * (LARGEST - len(content))) == []


# Parser directives ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("docker/dockerfile", "docker/dockerfile:1", "docker.io/docker/dockerfile:1"),
        *("docker/dockerfile:1.5", "docker/dockerfile:1.10.3", "docker/dockerfile:1.7-labs"),
        *("docker/dockerfile:labs", "docker/dockerfile:latest", "docker/dockerfile:1-labs"),
        f"docker/dockerfile:1.12@sha256:{'0' * 64}",
    ],
)
@pytest.mark.parametrize("line", ["# syntax={}", "#Syntax = {} ", "# a comment\n\n#syntax={}\r"])
def test_syntax__of_docker(line: str, name: str) -> None:
    assert own(f"{line.format(name)}\nFROM a\n") == []


@pytest.mark.parametrize(
    "name",
    [
        *("docker/dockerfile:1.4", "docker/dockerfile:1.0-labs", "docker/dockerfile:0.9"),
        *("docker/dockerfile:2", "docker/dockerfile:master", "docker/dockerfile-upstream:1"),
        *("other/dockerfile:1", "evil.example/docker/dockerfile:1", "docker/dockerfile:1.5x"),
        *(f"docker/dockerfile@sha256:{'0' * 64}", "docker/dockerfile:1 x"),
    ],
)
@pytest.mark.parametrize("line", ["# syntax={}", "#SYNTAX = {} ", "# a comment\n\n#syntax={}\r"])
def test_s1_syntax__of_another(line: str, name: str) -> None:
    assert own(f"{line.format(name)}\nFROM a\n") is None


@pytest.mark.parametrize(
    ("line", "known"),
    [
        ("# escape=\\", True),
        ("# escape=`", False),
        ("#\tEscape =\t` ", False),
        ("# check=skip=all\n# escape=`", False),
        ("# check=error=true", True),
        ("# escape with `", True),
        ("# the escape=`", True),
    ],
)
def test_s1_escape(line: str, known: bool) -> None:  # noqa: FBT001
    assert own(f"{line}\nFROM a\nRUN a\n") == ([(line.count("\n") + 3, "RUN a")] if known else None)


def test_directive__behind_an_instruction_is_a_comment() -> None:
    assert own("FROM a\n# escape=`\n# syntax=other\nRUN a\n") == [(4, "RUN a")]


# Heredocs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "heredoc",
    [
        "RUN <<EOF\nFROM x\n# no comment\n\nCOPY \\\nEOF",
        "RUN <<'EOF'\n$a\nEOF",
        'RUN --mount=type=cache,target=/c 3<<"a.b_c" cat\n EOF\na.b_c',
        "COPY <<A <<B /to/\n1\nB\nA\nA\nB",
        "ADD <<A /to/\nA",
        "RUN cat <<A \\\n  <<B\n1\nA\n2\nB",
        "RUN FOO=${BAR} cat <<A $x\nA",
        "RUN echo \"it's\" it\\'s 'a\"b' <<A\nA",
    ],
)
def test_heredoc__is_part_of_its_instruction(heredoc: str) -> None:
    text = heredoc.replace("\\\n  <<B", "  <<B")
    assert own(f"FROM a\n{heredoc}\nRUN b\n") == [
        (2, text),
        (heredoc.count("\n") + 3, "RUN b"),
    ]


def test_heredoc__with_tabs() -> None:
    assert texts("FROM a\nRUN <<-A\n\t\tx\n\t\tA\nRUN b\n") == ["RUN <<-A\n\t\tx\nA", "RUN b"]
    assert texts("FROM a\nRUN <<A\nx\n\tA\nA\n") == ["RUN <<A\nx\n\tA\nA"]


def test_heredoc__with_windows_line_ends() -> None:
    assert texts("FROM a\r\nRUN <<A\r\nx\r\nA\r\nRUN b\r\n") == ["RUN <<A\nx\r\nA", "RUN b"]


@pytest.mark.parametrize(
    "line",
    [
        "RUN echo $(( 1 << 2 ))",
        "RUN echo $((1<<2))",
        "RUN echo '<<A' \"<<A\" \\<<A",
        "RUN cat <<<word",
        "RUN cat <<< word",
        'RUN ["cat", "<<A"]',
        'RUN --network=none ["cat", "<<A"]',
        'COPY ["<<A", "/"]',
        "ENV A=<<A",
        "CMD cat <<A",
        "ONBUILD RUN a",
    ],
)
def test_heredoc__that_is_none(line: str) -> None:
    assert texts(f"FROM a\n{line}\nRUN b\n") == [line, "RUN b"]


@pytest.mark.parametrize(
    "lines",
    [
        "RUN <<A\nnever ends\n",
        "RUN <<A <<B\nB\nA\n",
        "RUN <<A\na\n A\n",
        "RUN it's <<A\nA\n",
        'RUN "a <<A\nA\n',
        "RUN <<A'B'\nAB\n",
        "RUN <<\\A\nA\n",
        "RUN <<$A\n$A\n",
        "RUN <<1\n1\n",
        "RUN <<- A\nA\n",
        "RUN ${X:-3}<<A\nA\n",
        "RUN ${a/b/c} cat <<A\nA\n",
        "ONBUILD RUN <<A\nA\n",
        "ONBUILD RUN echo 1 << 2\n",
    ],
)
def test_s1_heredoc__that_may_be_read_in_another_way(lines: str) -> None:
    assert own(f"FROM a\n{lines}") is None


# Stages -----------------------------------------------------------------------------------------

STAGES = """\
FROM one AS first
RUN 1
FROM --platform=$BUILDPLATFORM first as Second
RUN 2
from scratch
COPY --from=first / /
FROM second AS last
RUN 3
"""


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (None, [(2, "RUN 1"), (4, "RUN 2"), (8, "RUN 3")]),
        ("", [(2, "RUN 1"), (4, "RUN 2"), (8, "RUN 3")]),
        ("last", [(2, "RUN 1"), (4, "RUN 2"), (8, "RUN 3")]),
        ("first", [(2, "RUN 1")]),
        ("SECOND", [(2, "RUN 1"), (4, "RUN 2")]),
        ("2", None),
        ("third", None),
        ("stage-2", None),
    ],
)
def test_target(target: str | None, expected: list[tuple[int, str]] | None) -> None:
    assert own(STAGES, target) == expected


def test_stage__last_of_a_name_counts() -> None:
    content = "FROM x AS a\nRUN 1\nFROM y AS a\nRUN 2\nFROM a\nRUN 3\n"
    assert texts(content) == ["RUN 2", "RUN 3"]
    assert texts(content, "a") == ["RUN 2"]


def test_stage__from_an_image_of_its_own_name_or_of_a_later_stage() -> None:
    assert texts("FROM a AS a\nRUN 1\n") == ["RUN 1"]
    assert texts("FROM b AS a\nRUN 1\nFROM x AS b\nRUN 2\n", "a") == ["RUN 1"]


def test_stage__number_is_no_name() -> None:
    assert texts("FROM x AS a\nRUN 1\nFROM 0\nRUN 2\n") == ["RUN 2"]


def test_stage__scratch_is_never_a_stage() -> None:
    assert texts("FROM x AS scratch\nRUN 1\nFROM scratch\nRUN 2\n") == ["RUN 2"]


def test_stage__without_an_instruction() -> None:
    assert own("FROM a") == []


@pytest.mark.parametrize(
    "line",
    [
        *("FROM a AS", "FROM a b", "FROM a AS b c", "FROM a AS 1b", "FROM a IS b", "FROM --a=b"),
        *('FROM "a"', "FROM a\\b", "FROM --platform='x' a", "FROM a AS b/c"),
    ],
)
def test_s1_stage__that_may_be_read_in_another_way(line: str) -> None:
    assert own(f"{line}\nRUN 1\n") is None


def test_onbuild__is_an_instruction_of_the_last_stage() -> None:
    assert texts("FROM a\nONBUILD RUN 1\nRUN 2\n") == ["ONBUILD RUN 1", "RUN 2"]


def test_s1_onbuild__of_a_stage_runs_in_the_next() -> None:
    content = "FROM x AS a\nONBUILD RUN 1\nFROM a AS b\nRUN 2\nFROM b\nRUN 3\nFROM x AS other\n"
    assert [own(content, target) is None for target in ("a", "b", "other")] == [False, True, False]
    assert own(content.removesuffix("FROM x AS other\n")) is None


# Variables in FROM ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "base", "parent"),
    [
        ("ARG B=a", "$B", True),
        ("ARG B=a", "${B}", True),
        ('ARG B="a"', "$B", True),
        ("ARG B=debian", "$B", False),
        ("ARG A=a\nARG B=$A", "$B", True),
        ("ARG A=x B=a", "$B", True),
        ("ARG B=x\nARG B=a", "$B", True),
        ("ARG B=", "${B}a", True),
        ("ARG B=scratch", "$B", False),
        ("ARG B", "$B", None),
        ("ARG B='a'", "$B", None),
        ("ARG B=$A\nARG A=a", "$B", None),
        ("ARG B=a", "${B:-x}", None),
        ("ARG B=a", "${C}", None),
        ("ARG B=a", "$B$", None),
        ("ARG B=a", "build-$TARGETARCH", None),
        (f"ARG B={'b' * 1000}", "$B", False),
        (f"ARG B={'b' * 1001}", "$B", None),
        ("ARG A=aaaaaaaaaa\n" + "ARG A=$A$A$A$A\n" * 40, "$A", None),
        ("ARG B", "python:$B", False),
        ("ARG B", "${B:-x}:1", False),
        ("ARG B", "host/$B", False),
        ("ARG B", "$B@sha256:0", False),
        ("ARG B", "${B:-${C:-x}:}", None),
        ("ARG B", "${B:-x:1}", None),
    ],
)
def test_from__with_variables(
    arguments: str,
    base: str,
    parent: bool | None,  # noqa: FBT001
) -> None:
    content = f"{arguments}\nFROM x AS a\nRUN 1\nARG B=x\nFROM {base}\nRUN 2\n"
    known = {True: ["RUN 1", "ARG B=x", "RUN 2"], False: ["RUN 2"], None: None}
    assert texts(content) == known[parent]


@pytest.mark.parametrize(
    ("build_args", "expected"),
    [
        (("B=a",), ["RUN 1", "RUN 2"]),
        (("B=x", "B=a"), ["RUN 1", "RUN 2"]),
        (("B=x",), ["RUN 2"]),
        (("B",), None),
        (("C=a",), ["RUN 2"]),
        ((), ["RUN 2"]),
    ],
)
def test_from__with_given_arguments(build_args: tuple[str, ...], expected: list[str]) -> None:
    content = "ARG B=debian\nFROM x AS a\nRUN 1\nFROM $B\nRUN 2\n"
    assert texts(content, None, *build_args) == expected


def test_from__unknown_where_no_stage_has_a_name() -> None:
    assert texts("ARG B\nFROM x\nRUN 1\nFROM $B\nRUN 2\n") == ["RUN 2"]


def test_from__unknown_of_a_stage_that_is_not_built() -> None:
    content = "FROM x AS a\nRUN 1\nFROM $B AS b\nRUN 2\nFROM a AS c\nRUN 3\nFROM b AS d\n"
    assert texts(content, "c") == ["RUN 1", "RUN 3"]
    assert texts(content, "b") is None
    assert texts(content, "d") is None


def test_from__argument_with_an_open_quote() -> None:
    assert own("ARG B='a\nFROM x\n") is None


# Words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "flags", "arguments"),
    [
        ("RUN a --b", "", "a --b"),
        ("RUN --a --b=c,d=/e  f", "--a --b=c,d=/e  ", "f"),
        ('RUN --a="b c" d', "", '--a="b c" d'),
        ("RUN --a", "", "--a"),
        ("RUN", "", ""),
    ],
)
def test_flags_and_arguments(text: str, flags: str, arguments: str) -> None:
    instruction = Instruction(keyword="RUN", line=1, text=text)
    assert (instruction.flags, instruction.arguments) == (flags, arguments)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('["a", "b c"]', ("a", "b c")),
        ("[]", ()),
        ('["a"', None),
        ("[1]", None),
        ('["a"] b', None),
        ('"a"', None),
        ("[ -f a ] && b", None),
        ("[" * 100_000, None),
        ("[" + "9" * 5000 + "]", None),
    ],
    ids=range(9),
)
def test_exec_form(text: str, words: tuple[str, ...] | None) -> None:
    assert exec_form(text) == words


def test_quoted_words() -> None:
    assert quoted_words("a='b c' \"d 'e\" f\\ g") == ["a='b c'", '"d \'e"', "f\\ g"]
    assert quoted_words("it's") is None


# Any file ---------------------------------------------------------------------------------------

WORDS = st.text(string.ascii_letters + string.digits + "$-./=", min_size=1).filter(
    lambda word: not word.startswith("-")
)
ARGUMENTS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
BETWEEN = st.lists(st.sampled_from(["", "  ", "# c", "  # c \\"]), max_size=3)
PLAIN = st.tuples(
    st.sampled_from(["RUN", "COPY", "ADD", "ENV", "LABEL", "USER", "CMD"]), ARGUMENTS, BETWEEN
)


def written(keyword: str, arguments: str, between: list[str]) -> list[str]:
    """The lines of an instruction, each word in a line of its own and others between them."""
    first, *more = [keyword, *arguments.split(" ")]
    lines = [first]
    for word in more:
        lines[-1] += " \\"
        lines += [*between, word]
    return lines


@given(st.lists(st.lists(PLAIN, max_size=5), min_size=1, max_size=4), st.booleans())
def test_file__gives_what_it_was_made_of(
    stages: list[list[tuple[str, str, list[str]]]],
    chained: bool,  # noqa: FBT001
) -> None:
    lines: list[str] = []
    expected: list[tuple[int, str]] = []
    for number, stage in enumerate(stages):
        lines.append(f"FROM {f's{number - 1}' if chained and number else 'x'} AS s{number}")
        expected = expected if chained else []
        for keyword, arguments, between in stage:
            expected.append((len(lines) + 1, f"{keyword} {arguments}"))
            lines += [*written(keyword, arguments, between), *between]

    assert own("\n".join(lines)) == expected


@given(st.binary() | st.text().map(str.encode))
def test_file__of_anything_never_fails(content: bytes) -> None:
    for start in (b"", b"FROM a AS b\n", b"FROM a\nRUN "):
        own(start + content)
        own(start + content, "b")


@given(st.text("RUN <<EOF-'\"\\\n\t \r#${}A", max_size=60))
def test_s1_file__no_line_is_lost(text: str) -> None:
    """What is left out would be the base's."""
    found = own(f"FROM a\nRUN {text}")
    if found is not None:
        kept = "".join(item for _, item in found)
        for line in text.split("\n"):
            if line.strip() and not line.strip().startswith("#"):
                assert line.strip().rstrip("\\").strip() in kept
