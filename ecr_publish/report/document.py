"""Outcome -> the JSON report: everything that the verdict used, so that replay.py can read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import Enum
from typing import Any

from ecr_publish.findings import Finding, Layer, Package
from ecr_publish.gate import Judgement, Verdict
from ecr_publish.ignores import Ignore
from ecr_publish.outcome import Outcome
from ecr_publish.replay import VERSION
from ecr_publish.report.wording import stated
from ecr_publish.scan import Gap, Result


def document(outcome: Outcome) -> Iterator[str]:
    """The report as JSON, a line for each part of it, and the same for the same outcome.

    It comes in pieces, a finding each, as there may be many.
    """
    separator = "{\n"
    for name, pieces in _document(outcome).items():
        yield f"{separator}  {_text(name)}: "
        yield from pieces
        separator = ",\n"
    yield "\n}\n"


def _document(outcome: Outcome) -> dict[str, Iterable[str]]:
    verdict = outcome.verdict
    return {
        "version": _value(VERSION),
        "image": _value(outcome.image),
        "digest": _value(outcome.digest),
        "tags": _value(outcome.promotion.tags),
        "verdict": _value(outcome.decision),
        "reason": _value(outcome.reason),
        "waived_by": _value(verdict.waived_by if verdict else ()),
        "policy": _lines(map(_value, _policy(verdict) if verdict else ())),
        "judgements": _lines(map(_judgement, verdict.judgements if verdict else ())),
        "expired": _lines(map(_value, map(_ignore, verdict.expired if verdict else ()))),
        "stale": _lines(map(_value, map(_ignore, verdict.stale if verdict else ()))),
        "baseline": _value(verdict.rules.baseline if verdict else None),
        "gaps": _value(outcome.evidence.gaps),
        "scans": _lines(map(_scan, outcome.evidence.results)),
    }


def _value(value: Any) -> tuple[str]:  # noqa: ANN401 - JSON
    """A value as one piece."""
    return (_text(value),)


def _lines(items: Iterable[Iterable[str]]) -> Iterator[str]:
    """A list with a line for each item; indenting all would take Python's own slow encoder."""
    return _list(items, "[\n    ", ",\n    ", "\n  ]")


def _list(items: Iterable[Iterable[str]], start: str, between: str, end: str) -> Iterator[str]:
    separator = start
    for pieces in items:
        yield separator
        yield from pieces
        separator = between
    yield end if separator is between else "[]"


def _policy(verdict: Verdict) -> list[dict[str, str]]:
    return [
        {"rule": rule, "value": value, "place": place}
        for rule, value, place in stated(verdict.rules)
    ]


def _judgement(item: Judgement) -> tuple[str]:
    stated = {
        "name": item.finding.name,
        "severity": item.finding.stated_severity,
        "packages": [package.name for package in item.finding.packages],
        "platforms": item.finding.platforms,
        "refuses": item.ground.refuses,
        "ground": item.ground,
        "place": item.place,
        "until": item.until,
        "ignored_by": [_ignore(ignore) for ignore in item.ignores],
    }
    return _value(stated)


def _ignore(ignore: Ignore) -> dict[str, Any]:
    return {
        "id": ignore.id,
        "reason": ignore.reason,
        "owner": ignore.owner,
        "until": ignore.until,
        "until_fixed": ignore.until_fixed,
        "place": ignore.place,
    }


def _scan(result: Result) -> Iterator[str]:
    stated = {
        "digest": result.target.digest,
        "platform": result.target.platform,
        "engine": result.engine,
        "status": result.status,
        "age": result.age,
        "settling": result.settling,
        "unjudged": result.unjudged,
        "reason": result.reason,
        "counted": dict(result.counted),
    }
    yield f'{_text(stated).removesuffix("}")}, "findings": '
    yield from _list(map(_value, result.findings), "[", ", ", "]")
    yield "}"


def _plain(value: object) -> Any:  # noqa: ANN401 - what json.dumps asks for
    """What JSON has no word for: findings and gaps, our enums, tags and digests, and times."""
    if isinstance(value, (Finding, Package, Layer, Gap)):
        # Not asdict, which copies all that is in them: there may be many.
        return vars(value)
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else str(value)


_text = json.JSONEncoder(default=_plain).encode
