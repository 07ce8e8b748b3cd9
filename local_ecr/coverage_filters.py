"""Which covered resources the filterCriteria of Inspector's ListCoverage let through. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from local_ecr.errors import EcrError

Resource = Mapping[str, Any]
_COMPARISONS = ("EQUALS", "NOT_EQUALS")
_MOST_FILTERS = 10

# What a filter compares; an image of ECR has nothing that the filters of other resources ask for.
_TEXTS: Mapping[str, Callable[[Resource], Sequence[str]]] = {
    "accountId": lambda found: [found["accountId"]],
    "ecrImageTags": lambda found: found["resourceMetadata"].get("ecrImage", {}).get("tags", []),
    "ecrRepositoryName": lambda found: [found["resourceMetadata"]["ecrRepository"]["name"]],
    "resourceId": lambda found: [found["resourceId"]],
    "resourceType": lambda found: [found["resourceType"]],
    "scanStatusCode": lambda found: [found["scanStatus"]["statusCode"]],
    "scanStatusReason": lambda found: [found["scanStatus"]["reason"]],
    "scanType": lambda found: [found["scanType"]],
}
_RANGES: Mapping[str, tuple[str, str, Callable[[Resource], float | None]]] = {
    "lastScannedAt": ("startInclusive", "endInclusive", lambda found: found.get("lastScannedAt")),
    "ecrImageInUseCount": (
        "lowerInclusive",
        "upperInclusive",
        lambda found: found["resourceMetadata"].get("ecrImage", {}).get("inUseCount"),
    ),
}


def matches(resource: Resource, criteria: Mapping[str, Any]) -> bool:
    """Whether the resource is let through by all filters.

    Raises:
        EcrError: ValidationException, for a filter that Inspector would refuse.
    """
    for name, filters in criteria.items():
        _check(name, filters)
    return all(_passes(resource, name, filters) for name, filters in criteria.items())


def _passes(resource: Resource, name: str, filters: Sequence[Mapping[str, Any]]) -> bool:
    if name in _RANGES:
        low, high, value_of = _RANGES[name]
        value = value_of(resource)
        return value is not None and any(
            entry.get(low, value) <= value <= entry.get(high, value) for entry in filters
        )
    values = _TEXTS[name](resource) if name in _TEXTS else ()
    wanted = [entry["value"] for entry in filters if entry["comparison"] == "EQUALS"]
    unwanted = [entry["value"] for entry in filters if entry["comparison"] == "NOT_EQUALS"]
    any_wanted = not wanted or any(value in wanted for value in values)
    return any_wanted and not any(value in unwanted for value in values)


def _check(name: str, filters: Sequence[Mapping[str, Any]]) -> None:
    if not 1 <= len(filters) <= _MOST_FILTERS:
        raise invalid(name, f"Member must have length between 1 and {_MOST_FILTERS}")
    if name in _RANGES:
        return
    for entry in filters:
        if entry.get("comparison") not in _COMPARISONS or not entry.get("value"):
            raise invalid(name, "Member must have a value, and EQUALS or NOT_EQUALS as comparison")


def invalid(name: str, text: str) -> EcrError:
    """A parameter that Inspector cannot use."""
    return EcrError("ValidationException", f"1 validation error detected: '{name}': {text}")
