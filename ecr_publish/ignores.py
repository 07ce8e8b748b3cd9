"""Which findings somebody has decided to accept, until when, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from ecr_publish.findings import Finding, Package


@dataclass(frozen=True, kw_only=True)
class Ignore:
    """One decision to accept a vulnerability.

    Args:
        id: The vulnerability's exact name, or one of its aliases.
        package: The package's exact name; empty for any.
        version: The installed version, exactly; empty for any.
        path: Where the package's file lies: `*` is anything but `/`, `**` anything. Empty for any.
        platform: As docker writes it (`linux/arm64`); empty for any.
        until: The last day (UTC) on which it counts; None for no end.
        until_fixed: It counts only while ECR says that there is no fix.
        reason: Why it is accepted.
        owner: Who answers for it.
        place: File and line.
    """

    id: str
    package: str = ""
    version: str = ""
    path: str = ""
    platform: str = ""
    until: date | None = None
    until_fixed: bool = False
    reason: str = ""
    owner: str = ""
    place: str = ""

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.until is not None and today > self.until

    def names(self, package: Package, platform: str) -> bool:
        """Whether a package on a platform is within its scope."""
        return (
            self.package in ("", package.name)
            and self.version in ("", package.version)
            and self.platform in ("", platform)
            and (not self.path or _glob(self.path).fullmatch(package.path) is not None)
        )


class Ignores:
    """All ignores of a policy, found by the vulnerability's name."""

    def __init__(self, ignores: Iterable[Ignore], today: date) -> None:
        """Args: ignores: In the order of the file. today: In UTC."""
        self._by_id: dict[str, list[Ignore]] = {}
        for ignore in ignores:
            if not ignore.expired(today):
                self._by_id.setdefault(ignore.id, []).append(ignore)

    def of(self, finding: Finding) -> tuple[Ignore, ...]:
        """The ignores that accept a finding, empty where any part of it is left over.

        A finding may be in several packages and on several platforms: each of them needs an ignore,
        so that an ignore for one never hides another.
        """
        named = dict.fromkeys(
            ignore
            for name in (finding.name, *finding.aliases)
            for ignore in self._by_id.get(name, ())
            if not ignore.until_fixed or finding.fixable is False
        )
        if not named:
            return ()
        parts = [
            (package, platform)
            for package in finding.packages or (Package(),)
            for platform in finding.platforms or ("",)
        ]
        chosen: dict[Ignore, None] = {}
        for part in parts:
            fitting = next((ignore for ignore in named if ignore.names(*part)), None)
            if fitting is None:
                return ()
            chosen[fitting] = None
        return tuple(chosen)


def stale(ignores: Sequence[Ignore], used: Mapping[str, object], today: date) -> tuple[Ignore, ...]:
    """The ignores that still count and that nothing was found for; `used` holds their places."""
    return tuple(
        ignore for ignore in ignores if ignore.place not in used and not ignore.expired(today)
    )


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/?|\*|\?)", pattern)
    known = {"**": ".*", "**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts))
