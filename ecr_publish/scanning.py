"""The registry's scanning configuration -> how this repository is scanned. Decisions only.

The truth is at the registry; the repository's own scanOnPush is an older way that basic scanning
still obeys (reference/ecr-behaviour.md section 1.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ecr_publish.reference import matches

START_GRACE_SECONDS = 20.0
"""How long a scan that should start by itself may be missing before one is asked for.

ECR registers a scan within seconds of the push; for an untagged image in an index reports are in
conflict whether basic scanning starts at all (reference/ecr-behaviour.md section 1.4).
"""


class ScanType(Enum):
    """The registry's scanning engine; UNKNOWN where the role may not ask for it."""

    BASIC = "basic"
    ENHANCED = "enhanced"
    UNKNOWN = "unknown"


class Frequency(Enum):
    """When ECR scans the repository's images (ECR's own words). MANUAL: never by itself."""

    SCAN_ON_PUSH = "SCAN_ON_PUSH"
    CONTINUOUS_SCAN = "CONTINUOUS_SCAN"
    MANUAL = "MANUAL"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def parse(cls, text: str) -> Frequency:
        """Read a frequency; one that is not known is UNKNOWN."""
        try:
            return cls(text)
        except ValueError:
            return cls.UNKNOWN


@dataclass(frozen=True, kw_only=True)
class Scanning:
    """How a repository is scanned, as far as the role may know it."""

    engine: ScanType = ScanType.UNKNOWN
    frequency: Frequency = Frequency.UNKNOWN

    @property
    def is_off(self) -> bool:
        """Whether it is certain that no image is ever scanned, not even when asked for."""
        return self.engine is ScanType.ENHANCED and self.frequency is Frequency.MANUAL


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule of the registry: a frequency for the repositories that a filter names."""

    frequency: Frequency
    filters: tuple[str, ...]

    def covers(self, repository: str) -> bool:
        """Whether a filter names the repository.

        `*` stands for any text; a filter without one only has to be a part of the name.
        """
        return any(_names(pattern, repository) for pattern in self.filters)


def effective(
    engine: ScanType, rules: Sequence[Rule], repository: str, *, scan_on_push: bool
) -> Frequency:
    """How often a repository is scanned by these rules; continuous wins over on-push.

    Args:
        engine: The registry's engine.
        rules: The registry's rules.
        repository: Name of the repository.
        scan_on_push: The repository's own setting, which enhanced scanning ignores.
    """
    named = {rule.frequency for rule in rules if rule.covers(repository)}
    if engine is ScanType.BASIC and scan_on_push:
        named.add(Frequency.SCAN_ON_PUSH)
    for frequency in (Frequency.CONTINUOUS_SCAN, Frequency.SCAN_ON_PUSH, Frequency.UNKNOWN):
        if frequency in named:
            return frequency
    return Frequency.UNKNOWN if engine is ScanType.UNKNOWN else Frequency.MANUAL


def should_start(scanning: Scanning, missing_for: float) -> bool:
    """Whether to ask for a scan of an image that has none.

    Args:
        scanning: How the repository is scanned. Enhanced scans cannot be started.
        missing_for: Seconds since the first question about this image.
    """
    if scanning.engine is ScanType.ENHANCED:
        return False
    return scanning.frequency is Frequency.MANUAL or missing_for >= START_GRACE_SECONDS


def _names(pattern: str, repository: str) -> bool:
    return matches(pattern, repository) if "*" in pattern else pattern in repository
