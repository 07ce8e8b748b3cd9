"""A Dockerfile -> the instructions that made an image's own layers, for the rule on base images.

Read as BuildKit reads it (its packages `parser` and `shell`, from the frontend's version 1.5 on,
and tried with 0.12 of BuildKit). Where this reader might see another file than BuildKit does, it
says nothing: whatever it leaves out would be taken for the base image's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from ecr_publish.shape import LARGEST

_LONGEST_NAME = 1000

_KEYWORDS = frozenset(
    {
        *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK"),
        *("LABEL", "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME"),
        "WORKDIR",
    }
)
_WITH_HEREDOCS = ("RUN", "COPY", "ADD", "ONBUILD")

_ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
"""What Go and Python may not agree on whether it is white space, or ends a line."""
_DIRECTIVE = re.compile(r"#\s*([a-z][a-z0-9]*)\s*=\s*(.+?)\s*", re.IGNORECASE)
_SYNTAX = re.compile(
    r"(?:docker\.io/)?docker/dockerfile"
    r"(?::(?:latest|labs|1|1-labs|1\.(?:[5-9]|[1-9][0-9]+)(?:\.[0-9]+)?(?:-labs)?)"
    r"(?:@sha256:[0-9a-f]{64})?)?"
)
"""Frontends before 1.5 parse otherwise, and do not date the history by SOURCE_DATE_EPOCH."""
_INSTRUCTION = re.compile(r"([A-Za-z]+)[ \t]+(.+)", re.DOTALL)
_CONTINUED = re.compile(r"\\[ \t]*\Z")
_FLAGS = re.compile(r"(?:--[^\s'\"\\]*[ \t]+)*")
_FROM = re.compile(
    r"((?!-)[^\s'\"\\]+)(?:[ \t]+AS[ \t]+([a-z][a-z0-9_.-]*))?", re.IGNORECASE | re.ASCII
)
_WORD = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+""", re.DOTALL)
_MAYBE_HEREDOC = re.compile(r"[0-9]*<<-?[^<]+")
HEREDOC = re.compile(r"""[0-9]*<<(-?)(["']?)([A-Za-z_][A-Za-z0-9_.]*)\2""")
"""As a word of its own; in groups 1 and 3 whether leading tabs are dropped, and the name."""
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_ANY_VARIABLE = re.compile(r"\$(?:\w+|\{[^{}]*\})", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """An instruction of a Dockerfile.

    Args:
        keyword: In upper case.
        line: Where it begins, from 1.
        text: The whole of it: continued lines joined, comments dropped, then its heredocs, each in
            lines of its own that end with its name.
    """

    keyword: str
    line: int
    text: str

    @property
    def flags(self) -> str:
        """Its flags as they stand, such as `--link `; one in quotes is not seen as a flag."""
        found = _FLAGS.match(self._arguments)
        return found[0] if found else ""

    @property
    def arguments(self) -> str:
        """All behind its keyword and its flags."""
        return self._arguments[len(self.flags) :]

    @property
    def _arguments(self) -> str:
        found = _INSTRUCTION.fullmatch(self.text)
        return found[2] if found else ""


class _Unsure(Exception):
    """BuildKit may read the file in another way."""


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """A stage; `known` is False where it may be FROM another stage than `parent`, or from none."""

    name: str
    parent: _Stage | None = None
    known: bool = True
    instructions: list[Instruction] = field(default_factory=list)


def own_instructions(
    content: bytes, target: str | None, build_args: Sequence[str] = ()
) -> tuple[Instruction, ...] | None:
    """The instructions of a stage after those of the stages that it is FROM, without FROM itself.

    They are in the order in which they stand in the image's history, which leaves ONBUILD out.

    Args:
        content: The Dockerfile.
        target: The stage's name; the last stage where it is empty. BuildKit takes no number.
        build_args: What was given to the build, as `NAME=value`, or `NAME` for a value that is
            not known; they may decide which stage a stage is FROM.

    Returns:
        None where it is not sure what BuildKit makes of the file.
    """
    try:
        lines = _text(content).split("\n")
        _check_directives(lines)
        return _own(_stages([*_instructions(enumerate(lines, start=1))], build_args), target)
    except _Unsure:
        return None


def exec_form(text: str) -> tuple[str, ...] | None:
    """The words of the JSON form, such as `["a", "b"]`; None for anything else."""
    try:
        words = json.loads(text) if text.startswith("[") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return tuple(words)


def quoted_words(text: str) -> list[str] | None:
    """Its words with their quotes, in which white space is none; None where a quote stays open."""
    return None if _WORD.sub("", text).strip() else _WORD.findall(text)


def _text(content: bytes) -> str:
    if len(content) > LARGEST:
        raise _Unsure
    try:
        text = content.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        raise _Unsure from None
    if _ODD.search(text):
        raise _Unsure
    return text


def _check_directives(lines: Sequence[str]) -> None:
    for line in lines:
        if not _is_nothing(line):
            return
        found = _DIRECTIVE.fullmatch(line.strip())
        name, value = (found[1].lower(), found[2]) if found else ("", "")
        # One more than BuildKit looks at is no harm: a directive behind another comment is none.
        if (name == "escape" and value != "\\") or (
            name == "syntax" and not _SYNTAX.fullmatch(value)
        ):
            raise _Unsure


def _is_nothing(line: str) -> bool:
    """Whether it is blank or a comment, also between continued lines."""
    return line.strip()[:1] in ("", "#")


def _instructions(lines: Iterator[tuple[int, str]]) -> Iterator[Instruction]:
    for number, line in lines:
        if not _is_nothing(line):
            yield _instruction(number, _joined(line, lines), lines)


def _joined(first: str, lines: Iterator[tuple[int, str]]) -> str:
    parts = []
    for line in chain([first], (line for _, line in lines)):
        if _is_nothing(line):
            continue
        part, continued = _CONTINUED.subn("", line.rstrip("\r"))
        # Whether two backslashes continue a line depends on BuildKit's version.
        if continued and part.endswith("\\"):
            raise _Unsure
        parts.append(part)
        if not continued:
            break
    return "".join(parts).strip()


def _instruction(number: int, text: str, lines: Iterator[tuple[int, str]]) -> Instruction:
    found = _INSTRUCTION.fullmatch(text)
    if not found or found[1].upper() not in _KEYWORDS:
        raise _Unsure
    plain = Instruction(keyword=found[1].upper(), line=number, text=text)
    bodies = (_body(*heredoc, lines) for heredoc in _heredocs(plain))
    return Instruction(keyword=plain.keyword, line=number, text="".join((text, *bodies)))


def _heredocs(instruction: Instruction) -> list[tuple[bool, str]]:
    """Of each heredoc whether its leading tabs are dropped, and its name."""
    text = instruction.text
    if instruction.keyword not in _WITH_HEREDOCS or "<<" not in text:
        return []
    if exec_form(instruction.arguments) is not None:
        return []
    words = quoted_words(text)
    if words is None or instruction.keyword == "ONBUILD":
        raise _Unsure
    found = [heredoc for heredoc in map(_heredoc, words) if heredoc]
    # BuildKit sees no heredoc at all in a line with a substitution that it does not know.
    if found and "${" in _VARIABLE.sub("", text):
        raise _Unsure
    return found


def _heredoc(word: str) -> tuple[bool, str] | None:
    found = HEREDOC.fullmatch(word)
    if found:
        return bool(found[1]), found[3]
    if "<<" in word and (_MAYBE_HEREDOC.fullmatch(word) or "${" in word):
        raise _Unsure
    return None


def _body(tabs_dropped: bool, name: str, lines: Iterator[tuple[int, str]]) -> str:  # noqa: FBT001
    body: list[str] = []
    for _, line in lines:
        end = line.rstrip("\r")
        if name == (end.lstrip("\t") if tabs_dropped else end):
            return "\n" + "\n".join([*body, name])
        body.append(line)
    raise _Unsure


def _stages(instructions: Sequence[Instruction], build_args: Sequence[str]) -> list[_Stage]:
    stages: list[_Stage] = []
    named: dict[str, _Stage] = {}
    values: dict[str, str | None] = {}
    given = _given(build_args)
    for instruction in instructions:
        if instruction.keyword == "FROM":
            stages.append(_stage(instruction, named, values))
            named |= {stages[-1].name: stages[-1]} if stages[-1].name else {}
        elif stages:
            stages[-1].instructions.append(instruction)
        elif instruction.keyword == "ARG":
            _declare(instruction, values, given)
        else:
            raise _Unsure
    return stages


def _stage(
    instruction: Instruction, named: Mapping[str, _Stage], values: Mapping[str, str | None]
) -> _Stage:
    found = _FROM.fullmatch(instruction.arguments)
    if not found:
        raise _Unsure
    base, name = _expanded(found[1], values), (found[2] or "").lower()
    if base is not None:
        return _Stage(name=name, parent=None if base == "scratch" else named.get(base))
    return _Stage(name=name, known=not named or _names_no_stage(found[1]))


def _names_no_stage(word: str) -> bool:
    """Whether it has a character that no stage's name has, whatever its variables stand for."""
    rest = _ANY_VARIABLE.sub("", word)
    return bool(re.search("[:/@]", rest)) and not re.search("[${}]", rest)


def _given(build_args: Sequence[str]) -> dict[str, str | None]:
    pairs = (item.partition("=") for item in build_args)
    return {name: value if equals else None for name, equals, value in pairs}


def _declare(
    instruction: Instruction, values: dict[str, str | None], given: Mapping[str, str | None]
) -> None:
    """Note what arguments before the first FROM stand for in it; None where it is not known."""
    words = quoted_words(instruction.arguments)
    if words is None:
        raise _Unsure
    for word in words:
        name, equals, default = word.partition("=")
        values[name] = _unquoted(default, values) if equals else None
        values |= {name: given[name]} if name in given else {}


def _unquoted(word: str, values: Mapping[str, str | None]) -> str | None:
    inner = word[1:-1] if word[:1] == word[-1:] == '"' else word
    return None if re.search(r"""['"\\]""", inner) else _expanded(inner, values)


def _expanded(word: str, values: Mapping[str, str | None]) -> str | None:
    rest, found = _VARIABLE.sub("", word), _VARIABLE.findall(word)
    if "$" in rest or any(values.get(plain or braced) is None for plain, braced in found):
        return None
    text = _VARIABLE.sub(lambda match: values[match[1] or match[2]] or "", word)
    # Values of values can grow without bounds.
    return text if len(text) <= _LONGEST_NAME else None


def _own(stages: Sequence[_Stage], target: str | None) -> tuple[Instruction, ...]:
    if target:
        stages = [stage for stage in stages if stage.name == target.lower()]
    family = [*_family(stages[-1] if stages else None)]
    inherited = chain.from_iterable(stage.instructions for stage in family[1:])
    # Triggers of a stage run in the stage that is FROM it.
    if not all(stage.known for stage in family) or not family:
        raise _Unsure
    if any(instruction.keyword == "ONBUILD" for instruction in inherited):
        raise _Unsure
    return tuple(chain.from_iterable(stage.instructions for stage in reversed(family)))


def _family(stage: _Stage | None) -> Iterator[_Stage]:
    while stage:
        yield stage
        stage = stage.parent
