"""Outcome -> the JSON report: everything that the verdict used, so that replay.py can read it."""

from __future__ import annotations

import json
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


def document(outcome: Outcome) -> str:
    """The report as JSON, a line for each part of it, and the same for the same outcome."""
    members = (f"  {_text(name)}: {_lines(value)}" for name, value in _document(outcome).items())
    return "{\n" + ",\n".join(members) + "\n}\n"


def _lines(value: Any) -> str:  # noqa: ANN401 - JSON
    """A list with a line for each item; indenting all would take Python's own slow encoder."""
    if isinstance(value, list) and value:
        return "[\n    " + ",\n    ".join(map(_text, value)) + "\n  ]"
    return _text(value)


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, default=_plain)


def _document(outcome: Outcome) -> dict[str, Any]:
    verdict = outcome.verdict
    return {
        "version": VERSION,
        "image": outcome.image,
        "digest": outcome.digest,
        "tags": outcome.promotion.tags,
        "verdict": outcome.decision,
        "reason": outcome.reason,
        "waived_by": verdict.waived_by if verdict else (),
        "policy": _policy(verdict) if verdict else [],
        "judgements": [_judgement(item) for item in verdict.judgements] if verdict else [],
        "expired": [_ignore(item) for item in verdict.expired] if verdict else [],
        "stale": [_ignore(item) for item in verdict.stale] if verdict else [],
        "baseline": verdict.rules.baseline if verdict else None,
        "gaps": outcome.evidence.gaps,
        "scans": [_scan(result) for result in outcome.evidence.results],
    }


def _policy(verdict: Verdict) -> list[dict[str, str]]:
    return [
        {"rule": rule, "value": value, "place": place}
        for rule, value, place in stated(verdict.rules)
    ]


def _judgement(item: Judgement) -> dict[str, Any]:
    return {
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


def _ignore(ignore: Ignore) -> dict[str, Any]:
    return {
        "id": ignore.id,
        "reason": ignore.reason,
        "owner": ignore.owner,
        "until": ignore.until,
        "until_fixed": ignore.until_fixed,
        "place": ignore.place,
    }


def _scan(result: Result) -> dict[str, Any]:
    return {
        "digest": result.target.digest,
        "platform": result.target.platform,
        "engine": result.engine,
        "status": result.status,
        "age": result.age,
        "settling": result.settling,
        "unjudged": result.unjudged,
        "reason": result.reason,
        "counted": dict(result.counted),
        "findings": result.findings,
    }


def _plain(value: object) -> Any:  # noqa: ANN401 - what json.dumps asks for
    """What JSON has no word for: findings and gaps, our enums, tags and digests, and times."""
    if isinstance(value, (Finding, Package, Layer, Gap)):
        # Not asdict, which copies all that is in them: there may be many.
        return vars(value)
    if isinstance(value, Enum):
        return value.value
    return value.isoformat() if isinstance(value, datetime) else str(value)
