"""Vulnerabilities that a script spells out; the format is in the docstring of the package. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from local_ecr import layers
from local_ecr.script_keys import check_keys
from local_ecr.vulnerabilities import KEV, Kev, Package, Vulnerability, made_up

Body = Mapping[str, Any]
_AS_THEY_ARE = frozenset({"id", "severity", "text", "exploited", "state", "epss", "details_error"})
_OF_PACKAGE = frozenset({"version", "fixed_in", "manager", "path", "layer"})
_KEYS = _AS_THEY_ARE | _OF_PACKAGE | {"kev", "package", "packages"}


def spelled(bodies: Sequence[Body], counts: Mapping[str, int]) -> tuple[Vulnerability, ...]:
    """The vulnerabilities, in this order; what is not said of one is made up.

    Args:
        bodies: What is said of each.
        counts: Those that are made up beside them, which they are none of.

    Raises:
        ValueError: One has a key that none has, or no severity.
    """
    words = [_severity(body) for body in bodies]
    wanted = Counter(counts) + Counter(words)
    found = made_up({word: wanted[word] for word in (*counts, *words)})
    spare = {
        word: iter([one for one in found if one.severity == word][counts.get(word, 0) :])
        for word in words
    }
    return tuple(_told(next(spare[word]), body) for word, body in zip(words, bodies, strict=True))


def _severity(body: Body) -> str:
    check_keys(body, _KEYS, "vulnerability")
    if "severity" not in body:
        raise ValueError(f"vulnerability: no severity: {dict(body)}")
    return str(body["severity"])


def _told(found: Vulnerability, body: Body) -> Vulnerability:
    own = {key: value for key, value in body.items() if key in _AS_THEY_ARE}
    package, *others = _packages(found.package, body)
    kev = _kev(body.get("kev"))
    return replace(found, **own, package=package, others=tuple(others), kev=kev)


def _packages(made: Package, body: Body) -> list[Package]:
    flat = {key: body[key] for key in _OF_PACKAGE if key in body}
    if "packages" not in body:
        return [_package(made, flat | ({"name": body["package"]} if "package" in body else {}))]
    if not body["packages"] or "package" in body:
        raise ValueError("vulnerability: packages is a list of one or more, and package is not")
    return [_package(made, flat | entry) for entry in body["packages"]]


def _package(made: Package, body: Body) -> Package:
    check_keys(body, _OF_PACKAGE | {"name"}, "package")
    layer = layers.checked(body.get("layer", made.layer))
    return replace(made, **{**body, "layer": layer})


def _kev(body: Body | bool | None) -> Kev | None:  # noqa: FBT001 - as JSON has it
    if not isinstance(body, Mapping):
        return KEV if body else None
    check_keys(body, {"dateAdded", "dateDue", "action"}, "kev")
    dates = (_epoch(body.get(name)) for name in ("dateAdded", "dateDue"))
    added, due = dates
    return Kev(added=added, due=due, action=body.get("action"))


def _epoch(date: str | float | None) -> float | None:
    if not isinstance(date, str):
        return date
    return datetime.fromisoformat(date).replace(tzinfo=timezone.utc).timestamp()
