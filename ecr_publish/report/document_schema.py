"""The JSON Schema (draft 2020-12) of the JSON report, from the types that it is made of."""

from __future__ import annotations

from collections import abc
from dataclasses import is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from ecr_publish.gate import Decision, Ground
from ecr_publish.reference import Digest
from ecr_publish.replay import VERSION
from ecr_publish.scan import Gap, Result

_TEXT = {"type": "string"}
_DIGEST = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_DAY = {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]}
_PLAIN: dict[Any, dict[str, Any]] = {
    str: _TEXT,
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
    Digest: _DIGEST,
}


def schema() -> dict[str, Any]:
    """What `report.schema.json` holds."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The JSON report of ecr-publish",
        **_record(
            version={"const": VERSION},
            image=_TEXT,
            digest=_or_null(_DIGEST),
            tags=_list(_TEXT),
            verdict=_of(Decision),
            reason=_TEXT,
            waived_by=_list(_TEXT),
            policy=_list(_record(rule=_TEXT, value=_TEXT, place=_TEXT)),
            judgements=_list(_judgement()),
            expired=_list(_ignore()),
            stale=_list(_ignore()),
            baseline=_or_null(_TEXT),
            gaps=_list(_of(Gap)),
            scans=_list(_scan()),
        ),
    }


def _judgement() -> dict[str, Any]:
    return _record(
        name=_TEXT,
        severity=_TEXT,
        packages=_list(_TEXT),
        platforms=_list(_TEXT),
        refuses=_of(bool),
        ground=_of(Ground),
        place=_TEXT,
        until=_DAY,
        ignored_by=_list(_ignore()),
    )


def _ignore() -> dict[str, Any]:
    return _record(
        id=_TEXT, reason=_TEXT, owner=_TEXT, until=_DAY, until_fixed=_of(bool), place=_TEXT
    )


def _scan() -> dict[str, Any]:
    """A result, with its target's parts beside the others."""
    kinds = {name: _of(kind) for name, kind in get_type_hints(Result).items() if name != "target"}
    return _record(digest=_DIGEST, platform=_TEXT, **kinds)


def _of(kind: Any) -> dict[str, Any]:  # noqa: ANN401 - any type of the code
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        return _list(_of(arguments[0]))
    if get_origin(kind) is abc.Mapping:
        return {"type": "object", "additionalProperties": _of(arguments[1])}
    if arguments:
        return _or_null(_of(arguments[0]))
    if kind in _PLAIN:
        return _PLAIN[kind]
    if is_dataclass(kind):
        return _record(**{name: _of(item) for name, item in get_type_hints(kind).items()})
    return _choice(kind)


def _choice(kind: type[Enum]) -> dict[str, Any]:
    return {"enum": [member.value for member in kind]}


def _list(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


def _or_null(kind: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [kind, {"type": "null"}]}


def _record(**members: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": members,
        "required": list(members),
        "additionalProperties": False,
    }
