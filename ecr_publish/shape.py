"""What a YAML file may hold: kinds that read a node strictly, and describe themselves.

One definition gives both the reader and the JSON Schema that editors use for completion
(JSON Schema, draft 2020-12), so that the two cannot differ.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

LARGEST = 256 * 1024
"""Bytes of a file; a policy of 500 ignores has about 100,000."""

_MAP, _LIST, _TEXT, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "null"))
_PLAIN = tuple(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp")
)

_LONGEST_SHOWN = 60

T = TypeVar("T")


class Malformed(ValueError):
    """A file that breaks its rules; `problems` name place, key and rule, one by one."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Node:
    """A value in the file, with the line (from 1) of its key and the way of keys to it."""

    value: Any
    line: int
    key: str
    plain: bool = True


class Kind(ABC, Generic[T]):
    """One kind of value."""

    @abstractmethod
    def read(self, node: Node) -> T:
        """The value, typed; raises ValueError that says what is accepted."""

    @abstractmethod
    def schema(self) -> dict[str, Any]:
        """The same rule as JSON Schema."""


@dataclass(frozen=True)
class Choice(Kind[T]):
    """One of some words; `values` gives what each stands for."""

    values: Mapping[str, T]

    def read(self, node: Node) -> T:
        """The value; raises ValueError."""
        text = _scalar(node)
        if text not in self.values:
            raise ValueError(f"{_shown(text)} is not one of: {', '.join(self.values)}")
        return self.values[text]

    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema."""
        if set(self.values) == {"true", "false"}:
            return {"type": "boolean"}
        return {"enum": list(self.values)}


BOOLEAN = Choice({"true": True, "false": False})


@dataclass(frozen=True)
class Number(Kind[float]):
    """A number within bounds; whole unless `fraction`."""

    least: int
    most: int
    fraction: bool = False

    def read(self, node: Node) -> float:
        """The value; raises ValueError."""
        text = _scalar(node)
        shape = r"[0-9]{1,9}(\.[0-9]{1,9})?" if self.fraction else r"[0-9]{1,9}"
        number = float(text) if re.fullmatch(shape, text) else -1.0
        if not self.least <= number <= self.most:
            raise ValueError(f"{_shown(text)} is not a number from {self.least} to {self.most}")
        return number if self.fraction else int(number)

    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema."""
        kind = "number" if self.fraction else "integer"
        return {"type": kind, "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Text(Kind[T]):
    """A text that follows a pattern; `hint` says it in words."""

    convert: Callable[[str], T]
    pattern: str = r"\s*\S[\s\S]*"
    hint: str = "a text"

    def read(self, node: Node) -> T:
        """The value; raises ValueError."""
        text = _scalar(node)
        if not re.fullmatch(self.pattern, text):
            raise ValueError(f"{_shown(text)} is not {self.hint}")
        return self.convert(text)

    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema."""
        return {"type": "string", "pattern": f"^({self.pattern})$"}


TEXT = Text(str.strip)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None


DATE = Text(_day, r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "a date (2027-01-31)")


@dataclass(frozen=True)
class Either(Kind[T]):
    """One kind or another; `hint` names both."""

    kinds: tuple[Kind[T], ...]
    hint: str

    def read(self, node: Node) -> T:
        """The value; raises ValueError."""
        for kind in self.kinds:
            try:
                return kind.read(node)
            except ValueError:
                continue
        raise ValueError(f"{_shown(_scalar(node))} is not {self.hint}")

    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema."""
        return {"anyOf": [kind.schema() for kind in self.kinds]}


@dataclass(frozen=True)
class Listing(Kind[tuple[T, ...]]):
    """A list of one kind."""

    item: Kind[T]

    def read(self, node: Node) -> tuple[T, ...]:
        """The value; raises ValueError."""
        if not isinstance(node.value, list):
            raise Malformed(_placed(node, ValueError("is not a list")))
        values, problems = [], []
        for item in node.value:
            try:
                values.append(self.item.read(item))
            except ValueError as error:
                problems += _placed(item, error)
        if problems:
            raise Malformed(problems)
        return tuple(values)

    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema."""
        return {"type": "array", "items": self.item.schema()}


@dataclass(frozen=True)
class Record(Kind[T]):
    """A mapping with these keys and no other.

    `make` gets the values that are there, each under its key with `-` written as `_`, and the line
    of each key; under the empty key stands the record's own.
    """

    keys: Mapping[str, Kind[Any]]
    make: Callable[[dict[str, Any], dict[str, int]], T]
    required: tuple[str, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)

    def read(self, node: Node) -> T:
        """The value; raises ValueError."""
        if not isinstance(node.value, dict):
            known = ", ".join(self.keys)
            raise Malformed(_placed(node, ValueError(f"is not a mapping with the keys {known}")))
        values: dict[str, Any] = {}
        problems = []
        for key, item in node.value.items():
            try:
                values[key.replace("-", "_")] = self._kind(key).read(item)
            except ValueError as error:
                problems += _placed(item, error)
        problems += [
            _located(node.line, _joined(node.key, name), "is missing")
            for name in self.required
            if name not in node.value
        ]
        if problems:
            raise Malformed(problems)
        lines = {key.replace("-", "_"): item.line for key, item in node.value.items()}
        return self.make(values, {"": node.line, **lines})

    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema."""
        properties = {
            key: ({"description": self.notes[key]} if key in self.notes else {}) | kind.schema()
            for key, kind in self.keys.items()
        }
        required = {"required": list(self.required)} if self.required else {}
        closed = {"additionalProperties": False}
        return {"type": "object", "properties": properties, **required, **closed}

    def _kind(self, key: str) -> Kind[Any]:
        if key not in self.keys:
            raise ValueError(f"is not a key here; known: {', '.join(self.keys)}")
        return self.keys[key]


def read_as(shape: Record[T], content: bytes) -> T:
    """A whole file, typed; raises Malformed."""
    node = load(content)
    try:
        return shape.read(node)
    except ValueError as error:
        raise Malformed(_placed(node, error)) from None


def decoded(content: bytes) -> str:
    """A file's text; raises Malformed."""
    if len(content) > LARGEST:
        raise Malformed([f"is larger than {LARGEST // 1024} KiB"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Malformed([_located(line, "", "is not UTF-8")]) from None


def load(content: bytes) -> Node:
    """The file as nodes; raises Malformed for anything but one plain YAML document.

    No anchors and aliases, which can make much out of little, no tags but YAML's own for words, no
    key twice.
    """
    root = _composed(decoded(content))
    return Node(value={}, line=1, key="") if root is None else _converted(root, "")


def _composed(text: str) -> Any:  # noqa: ANN401 - a node of the YAML library
    from ruamel.yaml import YAML  # noqa: PLC0415 - a fifth of a second, only where there is a file
    from ruamel.yaml.error import MarkedYAMLError  # noqa: PLC0415
    from ruamel.yaml.reader import ReaderError  # noqa: PLC0415

    try:
        return YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"{error.problem or error.context} (YAML)"
        raise Malformed([_located(mark.line + 1, "", said)]) from None
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        said = f"the character U+{error.character:04X} is not accepted"
        raise Malformed([_located(line, "", said)]) from None
    except RecursionError:
        raise Malformed(["is nested too deeply"]) from None
    except Exception as error:  # noqa: BLE001 - the library also asserts, and lets int and chr fail
        raise Malformed([f"cannot be read as YAML: {error}"]) from None


def _converted(node: Any, key: str, name: Any = None) -> Node:  # noqa: ANN401
    """A node and all below it; `name` is the node of its key, where it has one."""
    line = (name or node).start_mark.line + 1
    if node.anchor or (name and name.anchor):
        said = "anchors and aliases (&, *) are not accepted"
        raise Malformed([_located(line, key, said)])
    if node.tag == _MAP:
        return Node(value=_mapping(node, key), line=line, key=key)
    if node.tag == _LIST:
        items = [_converted(item, f"{key}[{number}]") for number, item in enumerate(node.value)]
        return Node(value=items, line=line, key=key)
    if node.tag not in _PLAIN:
        raise Malformed([_located(line, key, f"the tag {_shown(node.tag)} is not accepted")])
    return Node(value=str(node.value), line=line, key=key, plain=node.tag != _NULL)


def _mapping(node: Any, key: str) -> dict[str, Node]:  # noqa: ANN401
    values: dict[str, Node] = {}
    for name, item in node.value:
        line = name.start_mark.line + 1
        if name.tag not in _PLAIN:
            raise Malformed([_located(line, key, "a key has to be a word")])
        way = _joined(key, name.value)
        if name.value in values:
            raise Malformed([_located(line, way, "stands there twice")])
        values[name.value] = _converted(item, way, name)
    return values


def _joined(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _scalar(node: Node) -> str:
    if not isinstance(node.value, str) or not node.plain:
        raise ValueError("needs a value" if isinstance(node.value, str) else "is not one value")
    return node.value


def _placed(node: Node, error: ValueError) -> list[str]:
    if isinstance(error, Malformed):
        return error.problems
    return [_located(node.line, node.key, str(error))]


def _located(line: int, key: str, said: str) -> str:
    return ": ".join(filter(None, (f"line {line}", key, said)))


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")
