"""Which repositories are scanned and when, from registry rules and repository settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from local_ecr.errors import EcrError

_FREQUENCIES = {
    "BASIC": ("SCAN_ON_PUSH",),
    "ENHANCED": ("SCAN_ON_PUSH", "CONTINUOUS_SCAN"),
}
_MOST_RULES = 2
_STRENGTH = {"MANUAL": 0, "SCAN_ON_PUSH": 1, "CONTINUOUS_SCAN": 2}


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What holds for one repository in the end."""

    enhanced: bool
    frequency: str
    filters: tuple[Mapping[str, str], ...] = ()

    @property
    def on_push(self) -> bool:
        """Whether a new image is scanned without being asked for."""
        return self.frequency != "MANUAL"


def filter_matches(pattern: str, repository: str) -> bool:
    """Without `*` a filter is looked for anywhere in the name; with it, it is the whole name."""
    if "*" in pattern:
        return fnmatchcase(repository, pattern)
    return pattern in repository


def coverage(config: Mapping[str, Any], repository: str, *, scan_on_push: bool) -> Coverage:
    """The scan frequency of a repository.

    Args:
        config: As GetRegistryScanningConfiguration's scanningConfiguration.
        repository: Its name.
        scan_on_push: Its own, older setting, which counts in basic scanning only.
    """
    enhanced = config["scanType"] == "ENHANCED"
    matching = [
        (rule["scanFrequency"], entry)
        for rule in config["rules"]
        for entry in rule["repositoryFilters"]
        if filter_matches(entry["filter"], repository)
    ]
    own = "SCAN_ON_PUSH" if scan_on_push and not enhanced else "MANUAL"
    frequency = strongest([own, *(found for found, _ in matching)])
    filters = tuple(entry for found, entry in matching if found == frequency)
    return Coverage(enhanced=enhanced, frequency=frequency, filters=filters)


def strongest(frequencies: Sequence[str]) -> str:
    """Continuous wins over on push, on push over manual."""
    return max(frequencies, key=lambda name: _STRENGTH.get(name, 0))


def check(kind: str, rules: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rules that the registry cannot have.

    Raises:
        EcrError: ValidationException.
    """
    frequencies = [rule["scanFrequency"] for rule in rules]
    allowed = _FREQUENCIES.get(kind, ())
    wrong = [name for name in frequencies if name not in allowed]
    if wrong or len(frequencies) > _MOST_RULES:
        text = f"Scan type {kind} takes {_MOST_RULES} rules at most, of {', '.join(allowed)}"
        raise EcrError("ValidationException", text)
