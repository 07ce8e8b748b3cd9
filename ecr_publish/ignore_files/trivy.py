"""Trivy's ignore files, plain and YAML (trivy.dev, Filtering; aquasecurity/trivy result/ignore.go).

A rule of Trivy's ends with the first moment (UTC) of the day that it names, so the day before is
the last that counts here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product
from typing import Any

from ecr_publish.ignore_files.purl import Purl, package_of, parse
from ecr_publish.ignore_files.rules import (
    DAY,
    DAY_OR_TIME,
    ID,
    REMARK,
    WORDS,
    Incomparable,
    Loose,
    Rule,
    listed,
    path_of,
    skipped,
    unknown,
)
from ecr_publish.ignores import Ignore
from ecr_publish.shape import Listing, Malformed, Node, Text, decoded, load

_KEY = "vulnerabilities"
_OTHER_SCANNERS = ("misconfigurations", "secrets", "licenses")
_EXPIRY = "exp:"


def plain(content: bytes) -> Iterator[Rule]:
    """The rules of `.trivyignore`; raises Malformed."""
    problems = []
    for number, line in enumerate(decoded(content).split("\n"), start=1):
        words = line.split()
        if words and not words[0].startswith("#"):
            try:
                yield _of_line(words, number)
            except ValueError as error:
                problems.append(f"line {number}: {error}")
    if problems:
        raise Malformed(problems)


def _of_line(words: list[str], number: int) -> Ignore:
    end = next((at for at, word in enumerate(words) if word.startswith("#")), len(words))
    name, *given = words[:end]
    # Trivy sees an expiry in a comment at the end of the line, too; only the first one counts.
    expiries = [word for word in words[1:] if word.startswith(_EXPIRY)]
    for extra in given[1:] if given[:1] == expiries[:1] else given:
        raise ValueError(f"{extra[:60]!r} is neither a comment (#) nor an expiry (exp:2027-01-31)")
    ends = [Node(value=word.removeprefix(_EXPIRY), line=number, key="") for word in expiries]
    return Ignore(
        id=name,
        until=next(map(DAY.read, ends), None),
        reason=" ".join(words[end:]).lstrip("# "),
        place=f"line {number}",
    )


@dataclass(frozen=True, kw_only=True)
class _Finding:
    """One entry under `vulnerabilities`; no path or purl at all means any."""

    line: int
    id: str
    paths: tuple[str, ...] = ()
    purls: tuple[Purl, ...] = ()
    statement: str = ""
    expired_at: date | None = None
    others: tuple[str, ...] = ()


def structured(content: bytes) -> Iterator[Rule]:
    """The rules of `.trivyignore.yaml`; raises Malformed."""
    root = load(content)
    findings = _FINDINGS.read(listed(root, _KEY))
    for key, node in root.value.items():
        if key not in (_KEY, *_OTHER_SCANNERS):
            yield skipped(f"line {node.line}", repr(key), f"only {_KEY} are read")
    for finding in findings:
        if finding.others:
            yield skipped(f"line {finding.line}", finding.id, unknown(finding.others))
        else:
            yield from _of_finding(finding)


def _of_finding(finding: _Finding) -> Iterator[Rule]:
    """Each path with each package: Trivy takes any of the ones with any of the others."""
    place = f"line {finding.line}"
    for glob, purl in product(finding.paths or ("",), finding.purls or (None,)):
        try:
            package, version = package_of(purl) if purl else ("", "")
            yield Ignore(
                id=finding.id,
                package=package,
                version=version,
                path=path_of(glob),
                until=finding.expired_at,
                reason=finding.statement,
                place=place,
            )
        except Incomparable as why:
            yield skipped(place, finding.id, why)


def _finding(given: dict[str, Any], lines: dict[str, int]) -> _Finding:
    return _Finding(line=lines[""], **given)


_FINDINGS = Listing(
    Loose(
        {
            "id": ID,
            "paths": Listing(WORDS),
            "purls": Listing(Text(parse)),
            "statement": REMARK,
            "expired_at": DAY_OR_TIME,
        },
        _finding,
        required=("id",),
    )
)
