"""`.ecr-publish.yml` -> the rules that it states, strictly; and its JSON Schema."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from typing import Any

from ecr_publish import ignore_files
from ecr_publish.errors import InvalidPolicy
from ecr_publish.findings import Severity, Threshold
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import FailOn, Inputs, OnUnjudged, UnknownSeverity
from ecr_publish.policy import (
    ALLOWABLE,
    BaseImageFindings,
    Layer,
    Loosened,
    Require,
    Rules,
    StaleIgnores,
    broken_requirements,
    combined,
)
from ecr_publish.reference import ImageName, Repository
from ecr_publish.shape import (
    BOOLEAN,
    DATE,
    TEXT,
    Choice,
    Either,
    Kind,
    Listing,
    Malformed,
    Number,
    Record,
    Text,
    read_as,
)

DEFAULT_PATH, MISNAMED_PATH = ".ecr-publish.yml", ".ecr-publish.yaml"
UNTIL_FIXED = "until-fixed"
_LONGEST_CHAIN = 4
_MOST_IGNORES = 10_000
_MOST_PROBLEMS, _LONGEST_PROBLEM = 20, 500
_RANKED = [severity for severity in Severity if severity is not Severity.UNDEFINED]


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """One file: its rules, and the paths of the files that it names, as they are written there."""

    layer: Layer
    extends: str = ""
    ignore_files: tuple[str, ...] = ()


def read(content: bytes, name: str) -> PolicyFile:
    """Read a policy file; raises Malformed whose problems name file, line and key.

    Args:
        content: The file's bytes.
        name: Its path, for the places.
    """
    try:
        file: PolicyFile = read_as(_SHAPE, content)
    except Malformed as error:
        raise Malformed([f"{name}: {problem}" for problem in error.problems]) from None
    rules = file.layer.rules
    return replace(
        file,
        layer=replace(
            file.layer,
            rules=replace(
                rules,
                ignore=tuple(_named(ignore, name) for ignore in rules.ignore),
                places={key: f"{name}, line {line}" for key, line in rules.places.items()},
            ),
        ),
    )


def effective(inputs: Inputs, fetch: Callable[[str], bytes | None], today: date) -> Rules:
    """The rules that count: of the policy file, of all that it extends, and of the inputs.

    Args:
        inputs: What the step says; it wins as far as the base allows it.
        fetch: Gives the bytes of a path, None where there is no such file.
        today: In UTC, for what an ignore may carry.

    Raises InvalidPolicy, which names file, line and key of all problems.
    """
    try:
        base = _chain(inputs.policy_file or DEFAULT_PATH, inputs, fetch)
        rules = combined(base, _of_inputs(inputs)).rules
        problems = [
            *_settings_that_loosen(inputs, base),
            *broken_requirements(rules, today),
            *_without_effect(rules),
        ]
    except Malformed as error:
        problems = error.problems
    except Loosened as error:
        problems = [*error.problems]
    if problems:
        raise InvalidPolicy([*_few(problems)])
    return rules


def _few(problems: Sequence[str]) -> Iterator[str]:
    """The first of many problems, each of a length that can be read."""
    for problem in problems[:_MOST_PROBLEMS]:
        cut = len(problem) > _LONGEST_PROBLEM
        yield f"{problem[:_LONGEST_PROBLEM]}…" if cut else problem
    if len(problems) > _MOST_PROBLEMS:
        yield f"and {len(problems) - _MOST_PROBLEMS} more problems"


def _chain(path: str, inputs: Inputs, fetch: Callable[[str], bytes | None]) -> Layer:
    """The policy file combined with all that it extends; without any file, whatever is allowed."""
    if inputs.policy_file is None and _found(path, fetch) is None:
        if _found(MISNAMED_PATH, fetch) is not None:
            raise Malformed([f"{MISNAMED_PATH}: is not read; rename it to {DEFAULT_PATH}"])
        return Layer(rules=Rules(), allow=frozenset(ALLOWABLE))
    layers: list[Layer] = []
    following = path
    while following:
        file = read(_fetched(following, fetch), following)
        layer = _with_ignore_files(file, following, inputs.repository, fetch)
        layers.append(replace(layer, rules=replace(layer.rules, files=(following,))))
        if file.extends and len(layers) == _LONGEST_CHAIN:
            raise Malformed([f"{following}: more than {_LONGEST_CHAIN} files extend each other"])
        following = file.extends and _beside(following, file.extends)
    *above, base = layers
    # Where nothing extends it, a file that does not speak of it leaves the inputs free.
    unsaid = frozenset() if above else frozenset(ALLOWABLE)
    root = replace(base, allow=unsaid if base.allow is None else base.allow)
    return reduce(combined, reversed(above), root)


def _with_ignore_files(
    file: PolicyFile, path: str, repository: Repository, fetch: Callable[[str], bytes | None]
) -> Layer:
    """The file's layer, with what the ignore files of other tools that it names accept."""
    names = dict.fromkeys(_beside(path, name) for name in file.ignore_files)
    found = [ignore_files.read(_fetched(name, fetch), name, repository.name) for name in names]
    rules = file.layer.rules
    ignore = (*rules.ignore, *(ignore for item in found for ignore in item.ignores))
    if len(ignore) > _MOST_IGNORES:
        raise Malformed([f"{path}: has more than {_MOST_IGNORES} ignores, with its ignore-files"])
    skipped = tuple(rule for item in found for rule in item.skipped)
    return replace(file.layer, rules=replace(rules, ignore=ignore, skipped=skipped))


def _beside(path: str, name: str) -> str:
    """A path that is written in a file, from where the file's own path starts."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))


def _fetched(path: str, fetch: Callable[[str], bytes | None]) -> bytes:
    content = _found(path, fetch)
    if content is None:
        raise Malformed([f"{path}: there is no such file; does the job have a checkout?"])
    return content


def _found(path: str, fetch: Callable[[str], bytes | None]) -> bytes | None:
    try:
        return fetch(path)
    except OSError as error:
        raise Malformed([f"{path}: cannot be read: {error.strerror}"]) from None


def _of_inputs(inputs: Inputs) -> Layer:
    given: dict[str, Any] = {
        "severity_threshold": inputs.severity_threshold,
        "unknown_severity": inputs.unknown_severity,
        "only_fixable": inputs.only_fixable,
        "baseline": inputs.baseline,
        "fail_on": inputs.fail_on,
        "on_baseline_error": inputs.on_baseline_error,
    }
    stated = {name: value for name, value in given.items() if value is not None}
    places = {name: f"the input {name.replace('_', '-')}" for name in stated}
    return Layer(rules=Rules(**stated, places=places))


def _settings_that_loosen(inputs: Inputs, base: Layer) -> Iterator[str]:
    """The inputs outside of the rules that let an image through, where the base forbids them."""
    allowed = base.allow or frozenset()
    if inputs.report_only and "report_only" not in allowed:
        yield "the input report-only: the base does not allow it (`allow: [report-only]`)"
    waived = (inputs.on_timeout, inputs.on_unsupported, inputs.on_scan_error)
    if OnUnjudged.WARN in waived and "warn" not in allowed:
        yield "an input on-…: warn: the base does not allow it (`allow: [warn]`)"


def _without_effect(rules: Rules) -> Iterator[str]:
    if rules.fail_on is FailOn.NEW and rules.baseline is None:
        yield (
            f"{rules.places['fail_on']}: fail-on: new needs a baseline, an image of which the "
            "findings are known already (`baseline: latest`)"
        )


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, for completion in editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The policy file of ecr-publish",
        **_SHAPE.schema(),
    }


def _named(ignore: Ignore, name: str) -> Ignore:
    return replace(ignore, place=f"{name}, line {ignore.place}")


def _ignore(given: dict[str, Any], lines: dict[str, int]) -> Ignore:
    until = given.pop("until", None)
    return Ignore(
        until=until if isinstance(until, date) else None,
        until_fixed=until == UNTIL_FIXED,
        place=str(lines[""]),
        **given,
    )


def _require(given: dict[str, Any], _: dict[str, int]) -> Require:
    return Require(**given)


def _by_severity(given: dict[str, Any], _: dict[str, int]) -> dict[Severity, int]:
    return {Severity(name.upper()): most for name, most in given.items() if most is not None}


def _file(given: dict[str, Any], lines: dict[str, int]) -> PolicyFile:
    extends, allow = given.pop("extends", ""), given.pop("allow", None)
    named = given.pop("ignore_files", ())
    places = {key: str(line) for key, line in lines.items() if key in given}
    if named:
        places.setdefault("ignore", str(lines["ignore_files"]))
    allowed = None if allow is None else frozenset(allow)
    return PolicyFile(
        layer=Layer(rules=Rules(**given, places=places), allow=allowed),
        extends=extends,
        ignore_files=named,
    )


def _severities(kind: Kind[Any]) -> Record[dict[Severity, int]]:
    return Record({severity.value.lower(): kind for severity in _RANKED}, _by_severity)


_DAYS = Text(lambda text: int(text[:-1]), r"[0-9]{1,4}d", "a number of days (14d)")
_LIMIT: Kind[Any] = Either(
    (Number(0, 100_000), Choice({"none": None})), "a number from 0 to 100000, or none"
)
_BASELINE = Text(
    ImageName.parse,
    r"([a-z0-9][a-z0-9._/-]+[:@])?[A-Za-z0-9_][A-Za-z0-9_.-]*(:[0-9a-f]{64})?",
    "a tag or digest (latest, sha256:…), or repository:tag",
)
_UNTIL: Kind[Any] = Either(
    (DATE, Choice({UNTIL_FIXED: UNTIL_FIXED})), "a date (2027-01-31), or until-fixed"
)
_IGNORE = Record(
    {
        "id": Text(str, r"[!-~]+", "the name of a vulnerability (CVE-2024-12345)"),
        "package": TEXT,
        "version": TEXT,
        "path": TEXT,
        "platform": Text(str, r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?", "a platform (linux/arm64)"),
        "reason": TEXT,
        "owner": TEXT,
        "until": _UNTIL,
    },
    _ignore,
    required=("id",),
    notes={
        "id": "The vulnerability's exact name, or one of its aliases.",
        "package": "The package's exact name. Default: any.",
        "version": "The installed version, exactly. Default: any.",
        "path": "Where the package's file lies; * is anything but /, ** anything. Default: any.",
        "platform": "As docker writes it. Default: any.",
        "reason": "Why the vulnerability is accepted.",
        "owner": "Who answers for it.",
        "until": "The last day (UTC) on which this counts, or until-fixed: until there is a fix.",
    },
)
_SHAPE = Record(
    {
        "extends": TEXT,
        "allow": Listing(Choice({name.replace("_", "-"): name for name in ALLOWABLE})),
        "severity-threshold": Choice({item.value: item for item in Threshold}),
        "unknown-severity": Choice({item.value: item.severity for item in UnknownSeverity}),
        "limits": _severities(_LIMIT),
        "only-fixable": BOOLEAN,
        "grace": _severities(_DAYS),
        "exploited": Choice({"fail": True, "off": False}),
        "known-exploited": Choice({"fail": True, "off": False}),
        "epss-threshold": Number(0, 1, fraction=True),
        "on-exploit-error": Choice({item.value: item for item in OnUnjudged}),
        "baseline": _BASELINE,
        "fail-on": Choice({item.value: item for item in FailOn}),
        "on-baseline-error": Choice({item.value: item for item in OnUnjudged}),
        "base-image-findings": Choice({item.value: item for item in BaseImageFindings}),
        "stale-ignores": Choice({item.value: item for item in StaleIgnores}),
        "require": Record(
            {"reason": BOOLEAN, "until": BOOLEAN, "owner": BOOLEAN, "max-days": Number(1, 3650)},
            _require,
        ),
        "ignore": Listing(_IGNORE),
        "ignore-files": Listing(TEXT),
    },
    _file,
    notes={
        "extends": "Path of a base policy, from this file. It may only be made stricter.",
        "allow": "What a policy that extends this one, and the inputs, may loosen.",
        "severity-threshold": "The lowest severity that refuses the image.",
        "unknown-severity": "What a severity without a rank counts as.",
        "limits": "The most findings below the threshold, by severity; more refuse the image.",
        "only-fixable": "A finding that ECR knows no fix for does not refuse the image.",
        "grace": "For how long a finding may be known before it refuses the image, by severity.",
        "exploited": "fail: a finding with a known exploit refuses the image at any severity.",
        "known-exploited": "fail: a finding in CISA's list of exploited ones refuses the image.",
        "epss-threshold": "The lowest EPSS score, 0 to 1, that refuses at any severity.",
        "on-exploit-error": "What it means that Inspector tells neither list nor score.",
        "baseline": "A tag or digest, or repository:tag: its findings are known already.",
        "fail-on": "new: what the baseline has too does not refuse the image.",
        "on-baseline-error": "warn: without a baseline every finding is new.",
        "base-image-findings": "report: what only the base image brought does not refuse.",
        "stale-ignores": "What an ignore means that nothing was found for.",
        "require": "What every ignore has to carry.",
        "ignore": "Vulnerabilities that are accepted.",
        "ignore-files": "Ignore files of Trivy and Grype, and OpenVEX documents, from this file.",
    },
)
