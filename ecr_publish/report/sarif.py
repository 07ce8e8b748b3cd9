"""Outcome -> SARIF 2.1.0 for GitHub's code scanning. Pure.

What GitHub reads and its limits: its page "SARIF support for code scanning", and
reference/ecr-behaviour.md section 5.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from itertools import chain, islice
from posixpath import join, normpath
from typing import Any
from urllib.parse import quote

from ecr_publish import __version__
from ecr_publish.findings import MOST_SCORE, Finding, Package, Severity, merge, rank
from ecr_publish.gate import Decision, Ground, Judgement
from ecr_publish.ignores import Ignore
from ecr_publish.outcome import Outcome
from ecr_publish.plan import Build
from ecr_publish.policy import Rules
from ecr_publish.report.escape import cell, printable
from ecr_publish.report.place import line_of
from ecr_publish.report.wording import NAMELESS, brought_by, end, fixes, installed, missing, title

MOST_RESULTS = 25_000
"""GitHub refuses a file with more; of the rules too, of which there are never more than results."""

MOST_BYTES = 9_500_000
"""GitHub refuses more than 10 MB after gzip; what packs it there need not pack as well."""

MOST_PACKAGES, MOST_IGNORES, MOST_TAGS = 10, 10, 10
"""Of a rule's packages in its help, of a result's suppressions, of the tags that GitHub shows."""

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LONGEST_ID, _LONGEST_TEXT, _LONGEST_PART = 255, 1000, 200
_DOCKERFILE = "Dockerfile"
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/")
_WEB = re.compile(
    r"https?://[a-z0-9.-]+(?::\d{1,5})?(?:[/?](?:[^%#]|%[0-9a-f]{2})*)?(?:#(?:[^%#]|%[0-9a-f]{2})*)?",
    re.ASCII | re.IGNORECASE,
)
_LONGEST_ADDRESS = 500
_HASH_LENGTH = 32
# A message of SARIF has placeholders, and links to other places (SARIF 2.1.0, section 3.11).
_PLACEHOLDER = re.compile(r"\{(?=\d+\})")

_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

_LEVELS = ("error", "warning", "note")
_LET_THROUGH = (Ground.KNOWN, Ground.OF_BASE_IMAGE, Ground.NOT_FIXABLE, Ground.IN_GRACE)
_ACCEPTED = (Ground.IGNORED, Ground.SUPPRESSED)
_SCORES = {
    Severity.CRITICAL: (9.1, 9.5),
    Severity.HIGH: (7.0, 8.0),
    Severity.MEDIUM: (4.0, 5.5),
    Severity.LOW: (0.1, 2.0),
    Severity.INFORMATIONAL: (0.1, 0.1),
    Severity.UNDEFINED: (9.1, 9.5),
}
"""For each severity the least score that GitHub shows as that severity, and the usual one.

0.0 would make it no security alert at all. What has no rank is refused by every threshold, the one
for CRITICAL too, so it is shown as that: `unknown-severity` says what else it is to count as.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """A finding in one of its packages; `ground` is None where nobody judged it."""

    finding: Finding
    package: Package
    score: float
    level: str
    ground: Ground | None
    judgement: Judgement | None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Alert:
    """One vulnerability in one package and file, in all its versions and on all platforms.

    `finding` is about this package only, `parts` has the worst of it first. GitHub takes results
    with one fingerprint for one alert; so they are one here too, and the worst decides.
    """

    rule: str
    level: str
    score: float
    finding: Finding
    parts: tuple[_Part, ...]


@dataclass(frozen=True, kw_only=True)
class _View:
    """What all results share: the Dockerfile's address, the rules' places, the grounds in words."""

    uri: str
    places: Mapping[str, int]
    titles: Mapping[Ground | None, str]


def sarif(outcome: Outcome) -> Iterator[str]:
    """The outcome as SARIF on one line, the same for the same outcome, never beyond the limits.

    How large it is shows only at its end, so until then it is kept packed.
    """
    alerts = _alerts(outcome)
    kept = min(len(alerts), MOST_RESULTS)
    packed = _packed(_pieces(outcome, alerts, kept))
    while kept and (size := sum(map(len, packed))) > MOST_BYTES:
        kept = int(0.95 * kept * MOST_BYTES / size)
        packed = _packed(_pieces(outcome, alerts, kept))
    unpacker = zlib.decompressobj()
    yield from (unpacker.decompress(part).decode() for part in packed)


def _packed(pieces: Iterable[str]) -> list[bytes]:
    """The same text packed as gzip packs it, in pieces; ASCII alone, as all JSON here is."""
    packer = zlib.compressobj(1)
    return [*(packer.compress(piece.encode("ascii")) for piece in pieces), packer.flush()]


def _pieces(outcome: Outcome, alerts: Sequence[_Alert], kept: int) -> Iterator[str]:
    run = _run(outcome, alerts[:kept], alerts[kept:])
    log = {"$schema": _value(_SCHEMA), "version": _value("2.1.0"), "runs": chain("[", run, "]")}
    return chain(_object(log), "\n")


def _run(outcome: Outcome, kept: Sequence[_Alert], dropped: Sequence[_Alert]) -> Iterator[str]:
    grouped: dict[str, list[_Alert]] = {}
    for alert in kept:
        grouped.setdefault(alert.rule, []).append(alert)
    rules = _rules(outcome)
    view = _View(
        uri=_address(outcome),
        places={rule: place for place, rule in enumerate(grouped)},
        titles={ground: _plain(title(ground, rules)) for ground in Ground},
    )
    run = {
        "tool": _object({"driver": _driver(grouped)}),
        "automationDetails": _value({"id": "/".join(("ecr-publish", *_repository(outcome), ""))}),
        "invocations": _value([_invocation(outcome, kept, dropped)]),
        "columnKind": _value("utf16CodeUnits"),
        "results": _array(_json(_result(alert, view)) for alert in kept),
        "properties": _value(_facts(outcome, len(dropped))),
    }
    return _object(run)


def _driver(grouped: Mapping[str, Sequence[_Alert]]) -> Iterator[str]:
    stated = {"name": "ecr-publish", "version": __version__, "semanticVersion": __version__}
    rules = _array(_json(_rule(*item)) for item in grouped.items())
    return _object({**{name: _value(text) for name, text in stated.items()}, "rules": rules})


# Of thousands of results the text alone is kept, in pieces that are joined only once.
def _object(members: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """A JSON object whose values are pieces of JSON."""
    for place, (name, pieces) in enumerate(members.items()):
        yield f"{',' if place else '{'}{_json(name)}:"
        yield from pieces
    yield "}"


def _array(items: Iterable[str]) -> Iterator[str]:
    """A JSON array of what is JSON already."""
    yield "["
    for place, item in enumerate(items):
        yield f",{item}" if place else item
    yield "]"


def _value(value: Any) -> tuple[str]:  # noqa: ANN401 - JSON
    """A value as one piece."""
    return (_json(value),)


def _rules(outcome: Outcome) -> Rules:
    return outcome.verdict.rules if outcome.verdict else Rules()


def _repository(outcome: Outcome) -> tuple[str, ...]:
    """The repository's name, where the run got far enough to have one."""
    if outcome.state:
        return (_plain(outcome.state.name),)
    return (str(outcome.plan.repository),) if outcome.plan else ()


def _facts(outcome: Outcome, dropped: int) -> dict[str, Any]:
    return {
        "image": _plain(outcome.image, _LONGEST_TEXT),
        "verdict": outcome.decision.value,
        "reason": _plain(outcome.reason, _LONGEST_TEXT),
        "waived-by": list(outcome.verdict.waived_by) if outcome.verdict else [],
        "results-left-out": dropped,
    }


# What the run says of itself ------------------------------------------------------------------


def _invocation(
    outcome: Outcome, kept: Sequence[_Alert], dropped: Sequence[_Alert]
) -> dict[str, Any]:
    """GitHub closes the alerts that a file lacks, unless the run says that it did not succeed.

    So success is to know all findings, whatever they mean and whatever happened to the image.
    """
    complete = outcome.verdict is not None and outcome.verdict.complete
    return {
        "executionSuccessful": complete,
        "toolExecutionNotifications": [
            {"level": level, "message": {"text": _plain(text, _LONGEST_TEXT)}}
            for level, text in _notifications(outcome, kept, dropped, complete=complete)
        ],
    }


def _notifications(
    outcome: Outcome, kept: Sequence[_Alert], dropped: Sequence[_Alert], *, complete: bool
) -> Iterator[tuple[str, str]]:
    if outcome.error or outcome.decision is Decision.UNKNOWN or not complete:
        yield "note" if outcome.built_only else "error", outcome.reason
    yield from (("warning", text) for text in missing(outcome))
    if dropped:
        refusing = sum(alert.level == "error" for alert in dropped)
        said = (
            f"{len(dropped)} of {len(kept) + len(dropped)} results are left out, the least severe"
        )
        which = f"{refusing or 'none'} of them would refuse the image"
        yield "warning", f"{said}, as GitHub takes no more; {which}."


# Findings -> alerts ---------------------------------------------------------------------------


def _alerts(outcome: Outcome) -> list[_Alert]:
    """All alerts, what refuses the image first and then the worst."""
    groups: dict[tuple[str, str, str], list[_Part]] = {}
    for part in _parts(outcome):
        groups.setdefault(_identity(part), []).append(part)
    alerts = [_alert(parts) for _, parts in sorted(groups.items())]
    return sorted(alerts, key=lambda alert: (alert.level != "error", -alert.score))


def _parts(outcome: Outcome) -> Iterator[_Part]:
    unknown = _rules(outcome).unknown_severity
    for finding, judgement in _judged(outcome):
        unjudged = Ground.SUPPRESSED if finding.suppressed else None
        ground = judgement.ground if judgement else unjudged
        for package in finding.packages or (Package(),):
            yield _Part(
                finding=finding,
                package=package,
                score=_score(finding, unknown),
                level=_level(ground),
                ground=ground,
                judgement=judgement,
            )


def _judged(outcome: Outcome) -> Iterator[tuple[Finding, Judgement | None]]:
    """All findings; without a verdict those that are known so far."""
    if outcome.verdict:
        yield from ((item.finding, item) for item in outcome.verdict.judgements)
        return
    found = (
        (result.target.platform, finding)
        for result in outcome.evidence.results
        for finding in result.findings
    )
    yield from ((finding, None) for finding in merge(found))


def _identity(part: _Part) -> tuple[str, str, str]:
    return part.finding.name, part.package.name, part.package.path


def _alert(parts: Sequence[_Part]) -> _Alert:
    ordered = sorted(parts, key=lambda part: (_LEVELS.index(part.level), -part.score))
    finding = _united(ordered)
    return _Alert(
        rule=_plain(finding.name, _LONGEST_ID) or NAMELESS,
        level=ordered[0].level,
        score=max(part.score for part in parts),
        finding=finding,
        parts=tuple(ordered),
    )


def _united(parts: Sequence[_Part]) -> Finding:
    """The worst finding, with the packages and platforms of all."""
    worst = parts[0].finding
    if len(parts) == len(worst.packages) == 1:
        return worst
    known = [part.finding.known for part in parts]
    return replace(
        worst,
        packages=tuple(dict.fromkeys(part.package for part in parts)),
        platforms=tuple(dict.fromkeys(name for part in parts for name in part.finding.platforms)),
        known=None if None in known else all(known),
    )


def _level(ground: Ground | None) -> str:
    """An error refuses; a warning would, if no rule let it through, or may yet; a note does not."""
    if ground is None or ground in _LET_THROUGH:
        return "warning"
    return "error" if ground.refuses else "note"


def _score(finding: Finding, unknown: Severity) -> float:
    """The CVSS score, of which GitHub makes a severity, but never below that of the gate."""
    least, usual = _SCORES[rank(finding.stated_severity, unknown)]
    return min(max(least, usual if finding.score is None else finding.score), MOST_SCORE)


# Rules ----------------------------------------------------------------------------------------


def _rule(name: str, alerts: Sequence[_Alert]) -> dict[str, Any]:
    """One vulnerability, with all packages that it is in."""
    findings = [alert.finding for alert in alerts]
    description = next((item.description for item in findings if item.description.strip()), "")
    text = _plain(description, _LONGEST_TEXT)
    sentence = _plain(text.partition(". ")[0])
    uri = next(filter(None, (_web(item.uri) for item in findings)), "")
    level = min((alert.level for alert in alerts), key=_LEVELS.index)
    return {
        "id": name,
        "shortDescription": {"text": f"{name}: {sentence}" if sentence else name},
        "fullDescription": {"text": text or name},
        "help": _help(name, findings, uri),
        **({"helpUri": uri} if uri else {}),
        "defaultConfiguration": {"level": level},
        "properties": {
            "security-severity": f"{max(alert.score for alert in alerts):.1f}",
            "precision": "high",
            "tags": _tags(findings),
        },
    }


def _help(name: str, findings: Sequence[Finding], uri: str) -> dict[str, str]:
    packages = [package for finding in findings for package in finding.packages]
    shown = list(
        dict.fromkeys((item.name, item.version, item.fixed_in, item.path) for item in packages)
    )
    more = len(shown) - MOST_PACKAGES
    rest = [f"and {more} more"] if more > 0 else []
    shown = shown[:MOST_PACKAGES]
    lines = [name, *map(_line, shown), *rest, *filter(None, [uri])]
    table = ["| Package | Installed | Fixed in | File |\n|---|---|---|---|", *map(_row, shown)]
    blocks = ["\n".join(table), *rest, *([f"More: [{_cell(name)}]({uri})"] if uri else [])]
    return {"text": "\n".join(lines), "markdown": "\n\n".join(blocks)}


def _line(texts: Sequence[str]) -> str:
    name, version, fixed_in, _ = map(_plain, texts)
    fixed = f"fixed in {fixed_in}" if fixed_in else "no fixed version is known"
    return f"{' '.join(filter(None, (name, version))) or '(no package)'}: {fixed}"


def _row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(_cell(_plain(text)) for text in texts)} |"


def _tags(findings: Sequence[Finding]) -> list[str]:
    words = [item.severity.value.lower() for item in findings]
    exploits = [
        *(["known-exploited"] if any(item.in_kev for item in findings) else []),
        *(["exploit-available"] if any(item.exploited for item in findings) else []),
    ]
    aliases = (_plain(alias) for item in findings for alias in item.aliases)
    tags = dict.fromkeys(filter(None, ("security", "vulnerability", *words, *exploits, *aliases)))
    return list(islice(tags, MOST_TAGS))


# Results --------------------------------------------------------------------------------------


def _result(alert: _Alert, view: _View) -> dict[str, Any]:
    finding = alert.finding
    known = {True: "unchanged", False: "new"}
    return {
        "ruleId": alert.rule,
        "ruleIndex": view.places[alert.rule],
        "level": alert.level,
        "message": {"text": _message(alert, view)},
        "locations": [_location(finding, view.uri)],
        "partialFingerprints": _fingerprints(alert),
        **({} if finding.known is None else {"baselineState": known[finding.known]}),
        "suppressions": _suppressions(alert, view),
        "properties": _properties(alert),
    }


def _message(alert: _Alert, view: _View) -> str:
    """GitHub makes the first sentence a title, so it says what there is to know of the finding."""
    finding = alert.finding
    where, fixed = _plain(installed(finding)), _plain(fixes(finding))
    severity = _plain(finding.stated_severity) or "no severity"
    parts = [
        f"{alert.rule} ({severity}){where and f' in {where}'}{fixed and f', fixed in {fixed}'}.",
        f"{_judged_as(alert, view)}.",
    ]
    if finding.platforms:
        parts.append(f"Platforms: {_plain(', '.join(finding.platforms))}.")
    if _layer(finding):
        parts.append(f"Brought by {_layer(finding)}.")
    return " ".join(parts)


def _judged_as(alert: _Alert, view: _View) -> str:
    worst = alert.parts[0]
    if worst.ground is None:
        return "Not judged"
    place = worst.judgement.place if worst.judgement else ""
    does = "Refuses" if worst.ground.refuses else "Does not refuse"
    stated = f" ({_plain(place)})" if place else ""
    return f"{does} the image: {view.titles[worst.ground]}{stated}"


def _layer(finding: Finding) -> str:
    there = [package for package in finding.packages if package.layer]
    return _plain(brought_by(replace(finding, packages=tuple(there)))) if there else ""


def _location(finding: Finding, uri: str) -> dict[str, Any]:
    line = line_of(finding)
    region = {"startLine": line, "startColumn": 1, "endLine": line, "endColumn": 1}
    package = finding.packages[0]
    name, path = _plain(package.name), _plain(package.path)
    place = {"artifactLocation": {"uri": uri}, "region": region}
    full = f"{path}/{name}" if path else name
    logical = {"name": name, "fullyQualifiedName": full, "kind": "package"}
    return {"physicalLocation": place, **({"logicalLocations": [logical]} if name else {})}


def _fingerprints(alert: _Alert) -> dict[str, str]:
    """What stays the same in every build: no version, no digest, no line.

    GitHub looks at `primaryLocationLineHash` only, and its upload action would fill it with a hash
    of the Dockerfile's line, which all findings of that line share.
    """
    text = json.dumps(_identity(alert.parts[0]))
    return {"primaryLocationLineHash": sha256(text.encode()).hexdigest()[:_HASH_LENGTH]}


def _suppressions(alert: _Alert, view: _View) -> list[dict[str, str]]:
    """Why it does not count; empty where any part of it does."""
    if any(part.ground not in _ACCEPTED for part in alert.parts):
        return []
    reasons = dict.fromkeys(reason for part in alert.parts for reason in _reasons(part, view))
    return [
        {"kind": "external", "status": "accepted", "justification": reason}
        for reason in islice(reasons, MOST_IGNORES)
    ]


def _reasons(part: _Part, view: _View) -> Iterator[str]:
    ignores = part.judgement.ignores if part.judgement else ()
    if ignores:
        yield from map(_justification, ignores)
    else:
        yield view.titles[part.ground]


def _justification(ignore: Ignore) -> str:
    said = {"owner": ignore.owner, "until": end(ignore), "stated in": ignore.place}
    named = (f"{name}: {text}" for name, text in said.items() if text)
    return _plain("; ".join((ignore.reason or "no reason given", *named)), _LONGEST_TEXT)


def _properties(alert: _Alert) -> dict[str, Any]:
    finding, worst = alert.finding, alert.parts[0]
    until = worst.judgement.until if worst.judgement else None
    epss = finding.epss
    stated = {
        "package": _plain(finding.packages[0].name),
        "path": _plain(finding.packages[0].path),
        "installed": _versions(package.version for package in finding.packages),
        "fixed-in": _versions(package.fixed_in for package in finding.packages),
        "platforms": [_plain(name) for name in finding.platforms],
        "severity": _plain(finding.stated_severity),
        "cvss": _within(finding.score, MOST_SCORE),
        "refuses": alert.level == "error",
        "ground": worst.ground.value if worst.ground else "not judged",
        "place": _plain(worst.judgement.place) if worst.judgement else "",
        "until": str(until) if until else "",
        "epss": _within(epss, 1.0),
        "known-exploited": finding.in_kev,
        "layer": _layer(finding),
    }
    return {name: value for name, value in stated.items() if value not in (None, "", [])}


def _versions(versions: Iterator[str]) -> list[str]:
    return [_plain(text) for text in islice(dict.fromkeys(filter(None, versions)), MOST_PACKAGES)]


def _within(number: float | None, most: float) -> float | None:
    """A number that JSON can hold: neither infinite nor none at all."""
    return number if number is not None and 0 <= number <= most else None


# Text and addresses ---------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _plain(text: str, longest: int = _LONGEST_PART) -> str:
    """Text on one line without what SARIF gives a meaning, of bounded length."""
    flat = text[: 4 * longest].strip()
    # Almost every text is fine as it is, and there are hundreds of thousands.
    if "  " in flat or not flat.isprintable():
        flat = printable(" ".join(flat.split()))
    tame = _PLACEHOLDER.sub("{ ", flat).replace("](", "] (")
    return tame if len(tame) <= longest else tame[: longest - 1] + "…"


_cell = lru_cache(maxsize=1024)(cell)


def _web(uri: str) -> str:
    """A plain and short web address, percent-encoded; empty for anything else."""
    address = quote(uri[: _LONGEST_ADDRESS + 1], safe=":/?#@!$&+,;=%~-._", errors="replace")
    short = len(address) <= _LONGEST_ADDRESS
    return address if short and _WEB.fullmatch(address) else ""


def _address(outcome: Outcome) -> str:
    """The Dockerfile's address, relative to the repository's root, or that of any Dockerfile."""
    source = outcome.plan.source if outcome.plan else None
    if not isinstance(source, Build) or _REMOTE.match(source.context):
        return _DOCKERFILE
    path = normpath(source.file or join(source.context, _DOCKERFILE))
    if path.split("/")[0] == "..":
        return _DOCKERFILE
    # GitHub makes an absolute address relative to the checkout itself.
    root = "file:///" if path.startswith("/") else ""
    return root + quote(path.lstrip("/"), errors="replace")
