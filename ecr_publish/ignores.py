"""Which findings somebody has decided to accept, until when, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from ecr_publish.findings import Finding, Package

_WILDCARDS = re.compile(r"((?:^|(?<=/))\*\*/|\*\*|\*)")


@dataclass(frozen=True, kw_only=True)
class Ignore:
    """One decision to accept a vulnerability.

    Args:
        id: The vulnerability's exact name, or one of its aliases.
        package: The package's exact name; empty for any.
        version: The installed version, exactly; empty for any.
        path: Where the package's file lies: `*` is anything but `/`, `**` anything, and `**/` any
            folders or none. Empty for any.
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
            and (not self.path or _lies_at(package.path, self.path))
        )


class Ignores:
    """All ignores of a policy, found by the vulnerability's name."""

    def __init__(self, ignores: Iterable[Ignore], today: date) -> None:
        """Args: ignores: In the order of the file. today: In UTC."""
        given = tuple(ignores)
        self.expired = tuple(ignore for ignore in given if ignore.expired(today))
        self._current = tuple(ignore for ignore in given if not ignore.expired(today))
        self._by_id: dict[str, list[Ignore]] = {}
        for ignore in self._current:
            self._by_id.setdefault(ignore.id, []).append(ignore)

    def of(self, finding: Finding) -> tuple[Ignore, ...]:
        """The ignores that accept a finding, empty where any part of it is left over.

        A finding may be in several packages and on several platforms: each of them needs an ignore,
        so that an ignore for one never hides another.
        """
        unfixed = finding.fixable is False
        named = [item for item in self._naming(finding) if unfixed or not item.until_fixed]
        chosen: dict[Ignore, None] = {}
        for part in _parts(finding) if named else ():
            fitting = next((ignore for ignore in named if ignore.names(*part)), None)
            if fitting is None:
                return ()
            chosen[fitting] = None
        return tuple(chosen)

    def stale(self, findings: Iterable[Finding]) -> tuple[Ignore, ...]:
        """The ignores that nothing was found for, whether they were needed for it or not."""
        used = {ignore for finding in findings for ignore in self._fitting(finding)}
        return tuple(ignore for ignore in self._current if ignore not in used)

    def fixed(self, findings: Iterable[Finding]) -> tuple[Ignore, ...]:
        """The ignores until there is a fix that meet a finding of which ECR denies no fix."""
        return tuple(
            dict.fromkeys(
                ignore
                for finding in findings
                if finding.fixable is not False
                for ignore in self._fitting(finding)
                if ignore.until_fixed
            )
        )

    def _fitting(self, finding: Finding) -> Iterator[Ignore]:
        """Those that have any part of a finding within their scope."""
        for ignore in self._naming(finding):
            if any(ignore.names(*part) for part in _parts(finding)):
                yield ignore

    def _naming(self, finding: Finding) -> Iterator[Ignore]:
        for name in _names(finding):
            yield from self._by_id.get(name, ())


def _parts(finding: Finding) -> Iterator[tuple[Package, str]]:
    for package in finding.packages or (Package(),):
        for platform in finding.platforms or ("",):
            yield package, platform


def _names(finding: Finding) -> Iterator[str]:
    """The finding's own name, and each alias that is the only name of its kind (CVE, GHSA, …).

    Several names of one kind are several vulnerabilities: of an advisory for two CVEs, an ignore
    for the one says nothing of the other.
    """
    names = dict.fromkeys((finding.name, *finding.aliases))
    kinds = Counter(_kind(name) for name in names)
    for name in names:
        if name == finding.name or kinds[_kind(name)] == 1:
            yield name


def _kind(name: str) -> str:
    return name.partition("-")[0]


def _lies_at(path: str, pattern: str) -> bool:
    """Whether a path follows a pattern, in a time that grows with both lengths and no faster."""
    ends = [True, *(False for _ in path)]
    for part in filter(None, _WILDCARDS.split(pattern)):
        ends = _after(part, ends, path)
    return ends[-1]


def _after(part: str, starts: Sequence[bool], path: str) -> list[bool]:
    """Where in the path one part of the pattern may end, if it may start at `starts`."""
    if part not in ("*", "**", "**/"):
        shifted = [*(False for _ in part), *starts][: len(starts)]
        return [
            start and path.startswith(part, end - len(part)) for end, start in enumerate(shifted)
        ]
    ends: list[bool] = []
    reached = False
    for end, start in enumerate(starts):
        slash = path[end - 1 : end] == "/"
        ends.append(start or (reached and {"*": not slash, "**": True, "**/": slash}[part]))
        reached = ends[-1] if part == "*" else reached or start
    return ends
