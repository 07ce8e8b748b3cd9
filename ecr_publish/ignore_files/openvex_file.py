"""A file of OpenVEX, v0.0.1 to v0.2.0 -> Document (openvex/spec, OPENVEX-SPEC.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from ecr_publish.ignore_files.purl import Purl, parse
from ecr_publish.ignore_files.rules import (
    ID,
    REMARK,
    TIME,
    WORDS,
    Incomparable,
    Loose,
    unknown,
)
from ecr_publish.shape import Choice, Kind, Listing, Malformed, Node, Text, decoded

NOT_AFFECTED, FIXED = "not_affected", "fixed"
ACCEPTED = (NOT_AFFECTED, FIXED)
STATUSES = (*ACCEPTED, "affected", "under_investigation")

_NO_LINE = "line 0: "
"""How a problem begins in a file of which no lines are known."""

Moment: TypeAlias = tuple[datetime, str]
Order: TypeAlias = tuple[Moment, int]


@dataclass(frozen=True, kw_only=True)
class Vulnerability:
    """What a statement is about."""

    name: str
    id: str = ""
    aliases: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def names(self) -> frozenset[str]:
        """All names that another statement may mean the same vulnerability by."""
        return frozenset((self.name, *self.aliases, self.id)) - {""}

    def at_ecr(self) -> str:
        """What ECR calls it: its only CVE, or else its own name.

        An alias of another kind, such as a distribution's advisory, may be about more than this.
        """
        cves = [name for name in dict.fromkeys(self.aliases) if name.startswith("CVE-")]
        return cves[0] if len(cves) == 1 and not self.name.startswith("CVE-") else self.name


@dataclass(frozen=True, kw_only=True)
class Component:
    """A product or a part of one, by the package URLs that stand in it."""

    purls: tuple[Purl, ...] = ()
    others: tuple[str, ...] = ()
    parts: tuple[Component, ...] = ()

    def purl(self) -> Purl:
        """The only one that it has; raises Incomparable."""
        if self.others:
            raise unknown(self.others)
        if not self.purls:
            raise Incomparable("a product or subcomponent has no package URL")
        if any(purl != self.purls[0] for purl in self.purls):
            raise Incomparable(f"{self.purls[0]} and {self.purls[1]} are not the same")
        return self.purls[0]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement; `others` are its keys that nothing here can be compared with."""

    vulnerability: Vulnerability
    status: str
    products: tuple[Component, ...] = ()
    parts: tuple[Component, ...] = ()
    timestamp: Moment | None = None
    reason: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Document:
    """A whole file."""

    timestamp: Moment
    author: str = ""
    statements: tuple[Statement, ...]

    def order(self, number: int) -> Order:
        """Where a statement stands in time; of equal ones the last in the file is the latest."""
        return self.statements[number].timestamp or self.timestamp, number


def read(content: bytes) -> Document:
    """Read a file; raises Malformed."""
    text = decoded(content)
    try:
        root = _node(json.loads(text, object_pairs_hook=_object, parse_int=float), "")
    except json.JSONDecodeError as error:
        raise Malformed([f"line {error.lineno}: {error.msg} (JSON)"]) from None
    except RecursionError:
        raise Malformed(["is nested too deeply"]) from None
    try:
        return _DOCUMENT.read(root)
    except Malformed as error:
        raise Malformed([problem.removeprefix(_NO_LINE) for problem in error.problems]) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise Malformed([f"the key {key[:60]!r} stands twice in one object"])
        found[key] = value
    return found


def _node(value: Any, key: str) -> Node:  # noqa: ANN401 - whatever JSON may hold
    """A value as the reader of YAML has it; a number is none that a rule here has."""
    plain = value is not None
    if isinstance(value, dict):
        value = {
            name: _node(item, f"{key}.{name}" if key else name) for name, item in value.items()
        }
    elif isinstance(value, list):
        value = [_node(item, f"{key}[{number}]") for number, item in enumerate(value)]
    return Node(value=value if plain else "", line=0, key=key, plain=plain)


def _iri(text: str) -> Purl | None:
    return parse(text) if text.lower().startswith("pkg:") else None


def _vulnerability(given: dict[str, Any], _: dict[str, int]) -> Vulnerability:
    return Vulnerability(id=given.pop("@id", ""), **given)


def _identifiers(given: dict[str, Any], _: dict[str, int]) -> Component:
    others = tuple(f"identifiers.{key}" for key in given["others"])
    return Component(purls=tuple(filter(None, [given.get("purl")])), others=others)


def _component(given: dict[str, Any], _: dict[str, int]) -> Component:
    named: Component = given.get("identifiers", Component())
    return Component(
        purls=tuple(filter(None, (given.get("@id"), *named.purls))),
        others=(*given["others"], *named.others),
        parts=given.get("subcomponents", ()),
    )


def _statement(given: dict[str, Any], _: dict[str, int]) -> Statement:
    said = [given.pop(key, "") for key in ("justification", "impact_statement")]
    notes = given.pop("status_notes", "")
    reason = ["fixed", notes] if given["status"] == FIXED else said
    parts = given.pop("subcomponents", ())
    return Statement(reason=": ".join(filter(None, reason)), parts=parts, **given)


def _document(given: dict[str, Any], _: dict[str, int]) -> Document:
    return Document(
        timestamp=given["timestamp"],
        author=given.get("author", ""),
        statements=given["statements"],
    )


_CONTEXT = Text(
    str, r"https://openvex\.dev/ns(/[!-~]*)?", "that of OpenVEX (https://openvex.dev/ns/v0.2.0)"
)
_VULNERABILITY = Loose(
    {"name": ID, "@id": WORDS, "aliases": Listing(WORDS)},
    _vulnerability,
    required=("name",),
    passed=("description",),
    word="name",
)
_IDENTIFIED: Mapping[str, Kind[Any]] = {
    "@id": Text(_iri),
    "identifiers": Loose({"purl": Text(parse)}, _identifiers),
}
_PARTS = Listing(Loose(_IDENTIFIED, _component, word="@id"))
_PRODUCTS = Listing(Loose({**_IDENTIFIED, "subcomponents": _PARTS}, _component, word="@id"))
_STATEMENT = Loose(
    {
        "vulnerability": _VULNERABILITY,
        "status": Choice({status: status for status in STATUSES}),
        "products": _PRODUCTS,
        "subcomponents": _PARTS,
        "timestamp": TIME,
        "justification": REMARK,
        "impact_statement": REMARK,
        "status_notes": REMARK,
    },
    _statement,
    required=("vulnerability", "status"),
    passed=(
        "@id",
        "version",
        "vuln_description",
        "last_updated",
        "supplier",
        "action_statement",
        "action_statement_timestamp",
    ),
)
_DOCUMENT = Loose(
    {
        "@context": _CONTEXT,
        "timestamp": TIME,
        "author": REMARK,
        "statements": Listing(_STATEMENT),
    },
    _document,
    required=("@context", "timestamp", "statements"),
)
