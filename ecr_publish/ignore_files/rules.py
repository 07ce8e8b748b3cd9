"""What the readers of all formats share: what a rule becomes, and the criteria in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, timezone
from typing import Any, TypeAlias, TypeVar

from ecr_publish.ignores import Ignore
from ecr_publish.shape import Kind, Malformed, Node, Record, Text

T = TypeVar("T")

Rule: TypeAlias = Ignore | str
"""A rule taken over, or the sentence that says why it is not; both without the file's name."""

_UTC = "+00:00"
_SURROGATES = re.compile("[\ud800-\udfff]")


class Incomparable(Exception):
    """A criterion that ECR's findings cannot be compared with; its text says which and why."""


def skipped(place: str, vulnerability: str, why: object) -> str:
    """The sentence for a rule that is not taken over."""
    return f"{place}: {vulnerability} is not taken over: {why}"


def unknown(keys: Sequence[str]) -> Incomparable:
    """Why a rule with these keys is not taken over."""
    return Incomparable(f"{', '.join(map(repr, keys))} cannot be compared with ECR's findings")


def listed(root: Node, key: str) -> Node:
    """The list under a key of a YAML file, empty where nothing stands there; raises Malformed."""
    if not isinstance(root.value, dict):
        raise Malformed([f"line {root.line}: is not a mapping with the key {key}"])
    found: Node | None = root.value.get(key)
    if found is None or not found.plain:
        return Node(value=[], line=root.line, key=key)
    return found


def path_of(glob: str) -> str:
    r"""The path of an Ignore for a glob of another tool; raises Incomparable.

    Their globs (github.com/bmatcuk/doublestar) also have `?`, `[…]`, `{…}` and `\`, and `**` is
    more than `*` only where it is a whole name.
    """
    if any(letter in r"?[]{}\\" for letter in glob):
        raise Incomparable(f"its path {glob!r} has more than * and **")
    if any("**" in name and name != "**" for name in glob.split("/")):
        raise Incomparable(f"in its path {glob!r}, ** is not a whole name")
    return glob


def moment(text: str) -> tuple[datetime, str]:
    """A time of RFC 3339 in a form that sorts; raises ValueError.

    The digits of a second's fraction stand apart, as there may be more than datetime keeps.
    """
    rest = text[19:]
    zone = rest.lstrip(".0123456789")
    fraction = rest.removesuffix(zone).lstrip(".").rstrip("0")
    offset = zone.strip().upper()
    try:
        local = datetime.fromisoformat(text[:19] + (offset if offset not in ("", "Z") else _UTC))
        return local.astimezone(timezone.utc), fraction
    except OverflowError:
        raise ValueError(f"{text!r} is too far away") from None
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from None


def last_day(text: str) -> date:
    """The last day (UTC) that is over when a rule ends at a day's first moment, or at a time.

    Raises ValueError.
    """
    end, _ = moment(text if len(text) > len("2027-01-31") else f"{text}T00:00:00")
    try:
        return end.date() - timedelta(days=1)
    except OverflowError:
        raise ValueError(f"{text!r} is too far away") from None


def sound(text: str) -> str:
    """A text that can be written out again; raises ValueError for half a character of UTF-16."""
    if _SURROGATES.search(text):
        raise ValueError("has half a character (a lone surrogate)")
    return text


_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
_ZONE = r"([Zz]|[+-][0-9]{2}:[0-9]{2})"

WORDS = Text(sound)
REMARK = Text(lambda text: sound(text).strip(), r"[\s\S]*")
ID = Text(str, r"[!-~]+", "the name of a vulnerability (CVE-2024-12345)")
TIME = Text(moment, rf"{_DAY}[Tt]{_TIME}{_ZONE}", "a time (2027-01-31T12:00:00Z)")
DAY = Text(last_day, _DAY, "a date (2027-01-31)")
DAY_OR_TIME = Text(last_day, rf"{_DAY}([Tt ]{_TIME} ?{_ZONE}?)?", "a date (2027-01-31) or a time")


@dataclass(frozen=True)
class Loose(Kind[T]):
    """A mapping that may have more keys; their names go to `make` under `others`.

    Args:
        keys: What is read of it.
        make: As that of a Record.
        required: The keys that have to be there.
        passed: Keys that say nothing of what a rule covers; they are passed over.
        word: The key that a plain text in the mapping's place stands for; empty for none.
        blank: Whether a key without a value counts as one that is not there.
    """

    keys: Mapping[str, Kind[Any]]
    make: Callable[[dict[str, Any], dict[str, int]], T]
    required: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    word: str = ""
    blank: bool = False

    def read(self, node: Node) -> T:
        """The value; raises ValueError."""
        if self.word and isinstance(node.value, str) and node.plain:
            node = replace(node, value={self.word: node})
        given = node.value if isinstance(node.value, dict) else {}
        there = {key: item for key, item in given.items() if not self._passes(key, item)}
        known = {key: item for key, item in there.items() if key in self.keys}
        others = tuple(key for key in there if key not in known)
        record = Record(
            self.keys,
            lambda read, lines: self.make(read | {"others": others}, lines),
            self.required,
        )
        return record.read(replace(node, value=known) if node.value is given else node)

    def schema(self) -> dict[str, Any]:
        """The rule as JSON Schema."""
        record = Record(self.keys, self.make, self.required)
        return record.schema() | {"additionalProperties": True}

    def _passes(self, key: str, item: Node) -> bool:
        return key in self.passed or (self.blank and (item.value == "" or not item.plain))
