"""A JSON report, or what ECR's API answered about a scan -> the evidence to judge again. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from ecr_publish import baseline, exploits
from ecr_publish.findings import Finding, Layer, Package, Severity, parse_page
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

_TIMES = ("imageScanCompletedAt", "firstObservedAt", "vendorCreatedAt", "known_since")


class NoReport(ValueError):
    """A text that is neither; says why."""


def read(text: str, rules: Rules) -> Evidence:
    """The evidence, with the gaps that these rules leave in it; raises NoReport.

    Args:
        text: A JSON report of this action, or the answer of DescribeImageScanFindings as
            `aws ecr describe-image-scan-findings` prints it.
        rules: Those that are to judge it.
    """
    try:
        content = json.loads(text, object_hook=_with_times)
        results = _results(content)
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise NoReport(f"this is no report of a scan: {error!r}") from None
    return Evidence(results=results, gaps=_gaps(results, rules))


def _results(content: Mapping[str, Any]) -> tuple[Result, ...]:
    if "imageScanStatus" in content:
        return (_of_ecr(content),)
    if content["version"] != VERSION:
        raise ValueError(f"its version is {content['version']!r}, and this action reads {VERSION}")
    return tuple(_result(scan) for scan in content["scans"])


def _result(scan: Mapping[str, Any]) -> Result:
    return Result(
        target=Target(digest=Digest.parse(scan["digest"]), platform=scan["platform"]),
        status=scan["status"],
        findings=tuple(_finding(item) for item in scan["findings"]),
        unjudged=None if scan["unjudged"] is None else Unjudged(scan["unjudged"]),
        reason=scan["reason"],
        engine=ScanType(scan["engine"]),
        age=scan["age"],
        counted=scan["counted"],
    )


def _finding(item: Mapping[str, Any]) -> Finding:
    given = {
        **item,
        "severity": Severity(item["severity"]),
        "packages": tuple(_package(package) for package in item["packages"]),
        "platforms": tuple(item["platforms"]),
        "aliases": tuple(item["aliases"]),
    }
    return Finding(**given)


def _package(item: Mapping[str, Any]) -> Package:
    layer = item["layer"]
    return Package(**{**item, "layer": None if layer is None else Layer(**layer)})


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
    problem = "these are not all pages" if page.next_token else disagreement([page])
    return replace(result, unjudged=Unjudged.ERROR, reason=problem) if problem else result


def _gaps(results: Sequence[Result], rules: Rules) -> tuple[Gap, ...]:
    findings = [finding for result in results for finding in result.findings]
    compared = all(finding.known is not None for finding in findings)
    gaps = [
        None
        if rules.baseline is None or compared
        else baseline.missing("the report was made without a baseline"),
        exploits.gap(findings, "the report does not tell") if exploits.needed(rules) else None,
    ]
    return tuple(gap for gap in gaps if gap)


def _with_times(item: dict[str, Any]) -> dict[str, Any]:
    return item | {key: _time(item[key]) for key in _TIMES if item.get(key) is not None}


def _time(stated: str | float) -> datetime:
    """As the AWS CLI prints it, which is a text or seconds since 1970 as one sets it up."""
    if isinstance(stated, str):
        return datetime.fromisoformat(stated.replace("Z", "+00:00"))
    return datetime.fromtimestamp(stated, timezone.utc)
