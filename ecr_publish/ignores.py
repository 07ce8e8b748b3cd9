"""Which findings somebody has decided to accept, until when, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import chain

from ecr_publish.findings import Finding, Package

_WILD = ("*", "**", "**/")
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
            and (not self.path or bool(package.path and _lies_at(package.path, self.path)))
        )


class Ignores:
    """All ignores of a policy, found by the vulnerability's name."""

    def __init__(self, ignores: Iterable[Ignore], today: date) -> None:
        """Args: ignores: In the order of the file. today: In UTC."""
        given = tuple(ignores)
        self.expired = tuple(ignore for ignore in given if ignore.expired(today))
        self._current = tuple(ignore for ignore in given if not ignore.expired(today))
        self._index: dict[str, dict[str, list[Ignore]]] = {}
        for ignore in self._current:
            self._index.setdefault(ignore.id, {}).setdefault(ignore.package, []).append(ignore)
        self._known: dict[Finding, list[list[Ignore]]] = {}

    def of(self, finding: Finding) -> tuple[Ignore, ...]:
        """The ignores that accept a finding, empty where any part of it is left over.

        A finding may be in several packages and on several platforms: each of them needs an ignore,
        so that an ignore for one never hides another.
        """
        unfixed = finding.fixable is False
        chosen: dict[Ignore, None] = {}
        for fitting in self._fitting(finding):
            current = (item for item in fitting if unfixed or not item.until_fixed)
            first = next(current, None)
            if first is None:
                return ()
            chosen[first] = None
        return tuple(chosen)

    def stale(self, findings: Iterable[Finding]) -> tuple[Ignore, ...]:
        """The ignores that nothing was found for, whether they were needed for it or not."""
        used = {ignore for finding in findings for ignore in self._meeting(finding)}
        return tuple(ignore for ignore in self._current if ignore not in used)

    def fixed(self, findings: Iterable[Finding]) -> tuple[Ignore, ...]:
        """The ignores until there is a fix that meet a finding of which ECR denies no fix."""
        return tuple(
            dict.fromkeys(
                ignore
                for finding in findings
                if finding.fixable is not False
                for ignore in self._meeting(finding)
                if ignore.until_fixed
            )
        )

    def _meeting(self, finding: Finding) -> Iterator[Ignore]:
        """Those that have any part of a finding within their scope."""
        return chain.from_iterable(self._fitting(finding))

    def _fitting(self, finding: Finding) -> list[list[Ignore]]:
        """For each part of a finding those that have it within their scope."""
        if finding not in self._known:
            names = [name for name in _names(finding) if name in self._index]
            self._known[finding] = [
                [ignore for ignore in self._for(names, package) if ignore.names(package, platform)]
                for package, platform in _parts(finding)
            ]
        return self._known[finding]

    def _for(self, names: Sequence[str], package: Package) -> Iterator[Ignore]:
        """Those of these vulnerabilities, first in this package, then in any."""
        for name in names:
            for scope in dict.fromkeys((package.name, "")):
                yield from self._index[name].get(scope, ())


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
    parts = _split(pattern)
    # Of many patterns most end here.
    starts = parts[0] in _WILD or path.startswith(parts[0])
    if not starts or not (parts[-1] in _WILD or path.endswith(parts[-1])):
        return False
    if any(part not in _WILD and part not in path for part in parts):
        return False
    ends = [True, *(False for _ in path)]
    for part in parts:
        ends = _after(part, ends, path)
    return ends[-1]


@cache
def _split(pattern: str) -> tuple[str, ...]:
    """Its wildcards and the texts between them."""
    return tuple(filter(None, _WILDCARDS.split(pattern)))


def _after(part: str, starts: Sequence[bool], path: str) -> list[bool]:
    """Where in the path one part of the pattern may end, if it may start at `starts`."""
    if part not in _WILD:
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
