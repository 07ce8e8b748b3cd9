"""A JSON report, or what ECR's API answered about a scan -> the evidence to judge again. Pure.

Both are files that anybody may have changed, so every value has to be of its own kind: a text where
a truth value belongs would count as true, and a mapping where a list belongs as an empty one.
"""

from __future__ import annotations

import json
from collections import abc
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from datetime import datetime, timezone
from enum import Enum
from functools import cache
from math import isfinite
from typing import Any, get_args, get_origin, get_type_hints

from ecr_publish import baseline, exploits
from ecr_publish.findings import Finding, Severity, parse_page
from ecr_publish.manifest import Target
from ecr_publish.policy import Rules
from ecr_publish.reference import Digest
from ecr_publish.scan import (
    Evidence,
    Final,
    Gap,
    Refused,
    Result,
    Unjudged,
    disagreement,
    interpret,
)
from ecr_publish.scanning import ScanType

VERSION = 1
"""Of the report; it changes where a reader of the old one would go wrong."""

_ANSWER: Mapping[str, Any] = {
    "imageId": {"imageDigest": str},
    "imageScanStatus": {"status": str, "description": str},
    "imageScanFindings": {
        "imageScanCompletedAt": datetime,
        "findingSeverityCounts": Mapping[str, int],
        "findings": [
            {
                **dict.fromkeys(("name", "description", "uri", "severity"), str),
                "attributes": [{"key": str, "value": str}],
            }
        ],
        "enhancedFindings": [
            {
                **dict.fromkeys(("title", "description", "severity", "status"), str),
                **dict.fromkeys(("fixAvailable", "exploitAvailable", "findingArn"), str),
                "firstObservedAt": datetime,
                "packageVulnerabilityDetails": {
                    **dict.fromkeys(("vulnerabilityId", "sourceUrl"), str),
                    "vendorCreatedAt": datetime,
                    "relatedVulnerabilities": [str],
                    "vulnerablePackages": [
                        dict.fromkeys(
                            ("name", "version", "fixedInVersion", "filePath", "sourceLayerHash"),
                            str,
                        )
                    ],
                },
            }
        ],
    },
    **dict.fromkeys(("nextToken", "NextToken"), str),
}
"""What is read of ECR's answer; a part that is missing, or null, is what ECR does not say."""


class NoReport(ValueError):
    """A text that is neither; says why."""


def read(content: bytes | str, rules: Rules) -> Evidence:
    """The evidence, with the gaps that these rules leave in it; raises NoReport.

    Args:
        content: A JSON report of this action, or the answer of DescribeImageScanFindings as
            `aws ecr describe-image-scan-findings` prints it; in UTF-8, UTF-16 or UTF-32.
        rules: Those that are to judge it.
    """
    try:
        given = json.loads(content)
        return _answer(given, rules) if "imageScanStatus" in given else _report(given, rules)
    except (ValueError, TypeError, LookupError, ArithmeticError, OSError, RecursionError) as error:
        raise NoReport(f"this is no report of a scan: {error!r}") from None


def _report(given: Mapping[str, Any], rules: Rules) -> Evidence:
    if given["version"] != VERSION:
        raise ValueError(f"its version is {given['version']!r}, and this action reads {VERSION}")
    results = tuple(_result(scan) for scan in _of_kind(list, given["scans"]))
    stated = _of_kind(tuple[Gap, ...], given["gaps"])
    compared_with = _of_kind(str | None, given["baseline"])
    return Evidence(results=results, gaps=_gaps(results, rules, compared_with, stated))


def _result(scan: Mapping[str, Any]) -> Result:
    """One scan, of which the target stands among the rest."""
    target = {name: scan[name] for name in ("digest", "platform")}
    rest = {name: value for name, value in scan.items() if name not in target}
    result: Result = _of_kind(Result, {**rest, "target": target})
    for finding in result.findings:
        if finding.severity is not Severity.parse(finding.stated_severity):
            raise ValueError(f"{finding.stated_severity!r} is not {finding.severity.value}")
    return result


def _answer(given: Mapping[str, Any], rules: Rules) -> Evidence:
    results = (_of_ecr(_shaped(_ANSWER, given)),)
    return Evidence(results=results, gaps=_gaps(results, rules, None, ()))


def _of_ecr(answer: Mapping[str, Any]) -> Result:
    """One answer with all its pages, which the AWS CLI puts together."""
    page = parse_page(answer)
    state = interpret(page)
    enhanced = page.enhanced or page.status == "ACTIVE"
    result = Result(
        target=Target(digest=Digest.parse(answer["imageId"]["imageDigest"])),
        status=page.status,
        findings=page.findings,
        engine=ScanType.ENHANCED if enhanced else ScanType.BASIC,
        counted=page.counts or {},
    )
    if not isinstance(state, Final):
        reason = state.reason if isinstance(state, Refused) else state.why
        return replace(result, unjudged=state.kind, reason=reason)
    # The CLI writes the token with a capital letter where it was asked for some findings only.
    more = page.next_token or answer.get("NextToken")
    problem = "these are not all pages" if more else disagreement([page])
    return replace(result, unjudged=Unjudged.ERROR, reason=problem) if problem else result


def _gaps(
    results: Sequence[Result], rules: Rules, compared_with: str | None, stated: Sequence[Gap]
) -> tuple[Gap, ...]:
    """Those that the report states itself, as far as these rules ask, and those that they add."""
    findings = [finding for result in results for finding in result.findings]
    there = {gap.kind: gap for gap in stated}
    gaps: list[Gap | None] = []
    if exploits.needed(rules):
        unknown = exploits.gap(findings, "the report does not tell")
        gaps.append(there.get(Unjudged.EXPLOIT, unknown))
    if rules.baseline:
        compared = compared_with == str(rules.baseline)
        gaps.append(
            there.get(Unjudged.BASELINE) or _unmarked(findings)
            if compared
            else _uncompared(findings, compared_with)
        )
    return tuple(gap for gap in gaps if gap)


def _unmarked(findings: Sequence[Finding]) -> Gap | None:
    if any(finding.known is None for finding in findings):
        return baseline.missing("the report does not tell of every finding whether it is new")
    return None


def _uncompared(findings: Sequence[Finding], other: str | None) -> Gap | None:
    """What it means that the findings were not compared, or with another baseline."""
    if not findings:
        return None
    made = f"with another baseline, {other}" if other else "without a baseline"
    return baseline.missing(f"the report was made {made}")


def _shaped(shape: Any, value: Any) -> Any:  # noqa: ANN401 - JSON
    """A part of ECR's answer with what is read of it checked, and its times as times."""
    if isinstance(shape, list):
        return [_shaped(shape[0], item) for item in _of_kind(list, value)]
    if isinstance(shape, dict):
        given = _of_kind(dict, value)
        stated = {name: item for name, item in given.items() if item is not None}
        return stated | {
            name: _shaped(shape[name], stated[name]) for name in shape if name in stated
        }
    if shape is datetime and not isinstance(value, str):
        # As one sets it up, the AWS CLI prints seconds since 1970.
        return datetime.fromtimestamp(_of_kind(float, value), timezone.utc)
    return _of_kind(shape, value)


def _of_kind(kind: Any, value: Any) -> Any:  # noqa: ANN401 - JSON
    """A value of the report as the type that it has in the code; raises for any other."""
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        return tuple(_of_kind(arguments[0], item) for item in _of_kind(list, value))
    if get_origin(kind) is abc.Mapping:
        return {key: _of_kind(arguments[1], item) for key, item in _of_kind(dict, value).items()}
    if arguments:
        return None if value is None else _of_kind(arguments[0], value)
    if kind is Digest or not is_dataclass(kind):
        return _plain(kind, value)
    return _record(kind, _of_kind(dict, value))


def _record(kind: Any, given: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any dataclass
    """With all of its fields, as what is left out would be the best that it can be."""
    kinds = _kinds(kind)
    if set(given) != set(kinds):
        raise ValueError(f"{sorted(set(given) ^ set(kinds))} are too many or missing")
    return kind(**{name: _of_kind(kinds[name], item) for name, item in given.items()})


@cache
def _kinds(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _plain(kind: Any, value: Any) -> Any:  # noqa: ANN401 - JSON
    if kind is Digest:
        return Digest.parse(_plain(str, value))
    if kind is datetime:
        return _time(_plain(str, value))
    if issubclass(kind, Enum):
        return kind(_plain(str, value))
    # For Python a truth value is a number, and a whole number none with a fraction.
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{value!r:.60} is not of the kind {kind.__name__}")
    if isinstance(value, (int, float)) and not (isfinite(value) and value >= 0):
        raise ValueError(f"{value!r:.60} is not a number from 0 on")
    return value


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if time.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    return time.astimezone(timezone.utc)
