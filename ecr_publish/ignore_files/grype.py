"""The rules under `ignore` in Grype's settings (anchore/grype match/ignore.go)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ecr_publish.ignore_files.rules import (
    ID,
    REMARK,
    WORDS,
    Incomparable,
    Loose,
    Rule,
    listed,
    path_of,
    skipped,
    unknown,
)
from ecr_publish.ignores import Ignore
from ecr_publish.shape import BOOLEAN, Listing, load

_LITERAL = re.compile(r"([^\\^$*+?()\[\]{}|]|\\[^\w\s])+")


@dataclass(frozen=True, kw_only=True)
class _Package:
    name: str = ""
    version: str = ""
    location: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Rule:
    """One entry under `ignore`; what it does not name may be any."""

    line: int
    vulnerability: str = ""
    reason: str = ""
    package: _Package = _Package()
    others: tuple[str, ...] = ()


def rules(content: bytes) -> Iterator[Rule]:
    """The rules of `.grype.yaml`; raises Malformed."""
    for rule in _RULES.read(listed(load(content), "ignore")):
        place = f"line {rule.line}"
        try:
            yield _of_rule(rule, place)
        except Incomparable as why:
            yield skipped(place, rule.vulnerability or "a rule", why)


def _of_rule(rule: _Rule, place: str) -> Ignore:
    others = [*rule.others, *(f"package.{key}" for key in rule.package.others)]
    if others:
        raise unknown(others)
    if not rule.vulnerability:
        raise Incomparable("it names no vulnerability, and would accept all that are to come")
    return Ignore(
        id=rule.vulnerability,
        package=_literal(rule.package.name),
        version=rule.package.version,
        path=_path(rule.package.location),
        reason=rule.reason,
        place=place,
    )


def _literal(name: str) -> str:
    r"""The one name that a regular expression stands for; raises Incomparable.

    Grype reads every name as one. A `.` in it may be another letter there, and is only itself here.
    """
    if name and not _LITERAL.fullmatch(name):
        raise Incomparable(rf"its package {name!r} is a regular expression (a plain + is \+ there)")
    return re.sub(r"\\(.)", r"\1", name)


def _path(location: str) -> str:
    """Grype's paths begin with a slash, and ECR's do not."""
    if location and not location.startswith(("/", "**/")) and location != "**":
        raise Incomparable(f"its location {location!r} begins with neither / nor **")
    if location.endswith("/"):
        raise Incomparable(f"its location {location!r} is a folder")
    return path_of(location.removeprefix("/"))


def _package(given: dict[str, Any], _: dict[str, int]) -> _Package:
    return _Package(**given)


def _rule(given: dict[str, Any], lines: dict[str, int]) -> _Rule:
    given.pop("include_aliases", None)  # an Ignore knows a finding's other names anyway
    return _Rule(line=lines[""], **given)


_PACKAGE = Loose({"name": WORDS, "version": WORDS, "location": WORDS}, _package, blank=True)
_RULES = Listing(
    Loose(
        {"vulnerability": ID, "include-aliases": BOOLEAN, "reason": REMARK, "package": _PACKAGE},
        _rule,
        blank=True,
    )
)
