"""Amazon Inspector's ListCoverage: which images are scanned, and why not. One truth with the scans.

Images of ECR have no scanMode, which is of EC2 instances and VMs only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local_ecr import scan_script
from local_ecr.coverage_filters import invalid, matches
from local_ecr.images import Image
from local_ecr.paging import page_of
from local_ecr.registry import Registry, ScanNow
from local_ecr.scan_answers import wire_status
from local_ecr.scan_script import Answer, Covered

SUCCESSFUL = "SUCCESSFUL"
ON_PUSH = "SCAN_FREQUENCY_SCAN_ON_PUSH"
MANUAL = "SCAN_FREQUENCY_MANUAL"
MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
# Statuses without a finished scan; those of the future and the rest are INTERNAL_ERROR.
_REASONS = {
    "PENDING": "PENDING_INITIAL_SCAN",
    "IN_PROGRESS": "SCAN_IN_PROGRESS",
    "ACTIVE": "SCAN_IN_PROGRESS",
    "COMPLETE": "SCAN_IN_PROGRESS",
    "UNSUPPORTED_IMAGE": "UNSUPPORTED_OS",
    "SCAN_ELIGIBILITY_EXPIRED": "SCAN_ELIGIBILITY_EXPIRED",
    "IMAGE_SIZE_EXCEEDED": "IMAGE_SIZE_EXCEEDED",
    "IMAGE_ARCHIVED": "IMAGE_ARCHIVED",
}
_MONITORED = frozenset({SUCCESSFUL, "PENDING_INITIAL_SCAN", "SCAN_IN_PROGRESS"})
_LARGEST_PAGE = 200


def list_coverage(registry: Registry, body: Mapping[str, Any]) -> dict[str, Any]:
    """Repositories and images of an enhanced registry; nothing where Inspector is not on.

    Raises:
        EcrError: AccessDeniedException or ValidationException.
    """
    if registry.scenario.switches.coverage_denied:
        raise registry.place.inspector_denied("ListCoverage")
    if not 1 <= int(body.get("maxResults") or _LARGEST_PAGE) <= _LARGEST_PAGE:
        raise invalid("maxResults", f"Member must be between 1 and {_LARGEST_PAGE}")
    criteria = body.get("filterCriteria") or {}
    found = [entry for entry in _resources(registry) if matches(entry, criteria)]
    return page_of(found, body, "coveredResources", _LARGEST_PAGE)


def _resources(registry: Registry) -> Iterator[dict[str, Any]]:
    for name in registry.repositories.repositories:
        if not registry.coverage(name).enhanced:
            return
        yield _repository(registry, name)
        for image in registry.images.shelf(name).images.values():
            yield from _image(registry, name, image)


def _repository(registry: Registry, name: str) -> dict[str, Any]:
    is_on = registry.coverage(name).on_push
    return _resource(registry, name) | {
        "resourceType": "AWS_ECR_REPOSITORY",
        "resourceId": registry.place.arn(name),
        "scanStatus": _status(SUCCESSFUL if is_on else MANUAL),
    }


def _resource(registry: Registry, name: str) -> dict[str, Any]:
    frequency = registry.coverage(name).frequency
    return {
        "accountId": registry.place.account,
        "scanType": "PACKAGE",
        "resourceMetadata": {"ecrRepository": {"name": name, "scanFrequency": frequency}},
    }


def _image(registry: Registry, name: str, image: Image) -> Iterator[dict[str, Any]]:
    known = _known(registry, name, image)
    if known is None:
        return
    resource = _resource(registry, name)
    tags = registry.images.shelf(name).tags_of(image.digest)
    resource["resourceMetadata"]["ecrImage"] = {"tags": tags, "inUseCount": 0}
    yield resource | {
        "resourceType": "AWS_ECR_CONTAINER_IMAGE",
        "resourceId": f"{registry.place.arn(name)}/{image.digest}",
        **known,
    }


def _known(registry: Registry, name: str, image: Image) -> dict[str, Any] | None:
    """The members scanStatus and lastScannedAt; None while Inspector does not know the image."""
    is_on = registry.coverage(name).on_push
    if image.manifest.is_index or registry.images.shelf(name).is_attestation(image.digest):
        return {"scanStatus": _status(MEDIA_TYPE if is_on else MANUAL)}
    now = registry.scan_now(name, image)
    if now is None:
        return None if is_on else {"scanStatus": _status(MANUAL)}
    told = now.answer.covered or Covered()
    unknown = now.answer.status == scan_script.NOT_FOUND and told.reason is None
    return None if unknown or not told.listed else _told(now, told)


def _told(now: ScanNow, told: Covered) -> dict[str, Any]:
    reason = told.reason or _reason(now)
    at = now.frame.scanned.completed_at if now.answer.has_result else None
    if told.scanned_after != scan_script.TRUTH:
        after = told.scanned_after
        at = None if after is None else now.record.started_at + float(after)
    status = _status(reason, told.status_code)
    return {"scanStatus": status} | ({} if at is None else {"lastScannedAt": at})


def _reason(now: ScanNow) -> str:
    answer = now.answer
    status = wire_status(answer, now.frame)
    if _is_done(answer, status):
        return SUCCESSFUL if now.frame.continuous else now.frame.switches.coverage_on_push
    return _REASONS.get(status, "INTERNAL_ERROR")


def _is_done(answer: Answer, status: str) -> bool:
    return answer.has_result and status in ("ACTIVE", "COMPLETE")


def _status(reason: str, code: str | None = None) -> dict[str, str]:
    return {
        "statusCode": code or ("ACTIVE" if reason in _MONITORED else "INACTIVE"),
        "reason": reason,
    }
