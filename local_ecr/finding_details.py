"""Amazon Inspector's BatchGetFindingDetails: EPSS and CISA's catalogue, for findings by ARN."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from local_ecr.coverage_filters import invalid
from local_ecr.finding_index import Listed
from local_ecr.registry import Registry
from local_ecr.vulnerabilities import Kev, Vulnerability, reference_urls

MOST_ARNS = 10
NOT_FOUND = "FINDING_DETAILS_NOT_FOUND"
ACCESS_DENIED = "ACCESS_DENIED"
_ARN = re.compile(
    r"arn:(aws[a-zA-Z-]*)?:inspector2:[a-z]{2}(-gov)?-[a-z]+-\d:(?P<account>\d{12})"
    r":finding/[a-f0-9]{32}"
)
_TEXTS = {
    NOT_FOUND: "Finding details could not be found for the given finding ARN.",
    ACCESS_DENIED: "You do not have access to the given finding ARN.",
}


def batch_get_finding_details(registry: Registry, body: Mapping[str, Any]) -> dict[str, Any]:
    """Details of the findings that scans of this registry list now; an error for each other ARN.

    Raises:
        EcrError: AccessDeniedException or ValidationException.
    """
    if registry.scenario.switches.finding_details_denied:
        raise registry.place.inspector_denied("BatchGetFindingDetails")
    details: list[dict[str, Any]] = []
    errors: list[dict[str, str]] = []
    for arn in _checked(body.get("findingArns")):
        found = _find(registry, arn)
        code = _error_code(registry, arn, found)
        if found is None or code:
            errors.append(_error(arn, code or NOT_FOUND))
        else:
            details.append(_detail(arn, found))
    return {"findingDetails": details, "errors": errors}


def _checked(arns: Any) -> list[str]:  # noqa: ANN401 - as the client sent it
    if not isinstance(arns, list) or not 1 <= len(arns) <= MOST_ARNS:
        raise invalid("findingArns", f"Member must have length between 1 and {MOST_ARNS}")
    if not all(isinstance(arn, str) and _ARN.fullmatch(arn) for arn in arns):
        raise invalid("findingArns", "Member must satisfy regular expression pattern of an ARN")
    return arns


def _find(registry: Registry, arn: str) -> Listed | None:
    for name in registry.repositories.repositories:
        if not registry.coverage(name).enhanced:
            return None
        for image in registry.images.shelf(name).images.values():
            now = registry.scan_now(name, image)
            known = registry.findings.of(now.step.answer, now.frame.scanned) if now else {}
            if arn in known:
                return known[arn]
    return None


def _error_code(registry: Registry, arn: str, found: Listed | None) -> str | None:
    match = _ARN.fullmatch(arn)
    if match and match["account"] != registry.place.account:
        return ACCESS_DENIED
    return found.details_error if isinstance(found, Vulnerability) else None


def _error(arn: str, code: str) -> dict[str, str]:
    return {"findingArn": arn, "errorCode": code, "errorMessage": _TEXTS.get(code, code)}


def _detail(arn: str, found: Listed) -> dict[str, Any]:
    shown: dict[str, Any] = {"findingArn": arn}
    shown |= {"cwes": [], "evidences": [], "referenceUrls": [], "tools": [], "ttps": []}
    if not isinstance(found, Vulnerability):
        return shown
    shown["referenceUrls"] = reference_urls(found)
    cisa = None if found.kev is None else _cisa(found.kev)
    known = {"epssScore": found.epss, "cisaData": cisa}
    return shown | {name: value for name, value in known.items() if value is not None}


def _cisa(kev: Kev) -> dict[str, Any]:
    members = {"dateAdded": kev.added, "dateDue": kev.due, "action": kev.action}
    return {name: value for name, value in members.items() if value is not None}
