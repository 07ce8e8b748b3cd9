"""`.ecr-publish.yml` -> the rules that it states, strictly; and its JSON Schema."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import reduce
from typing import Any

from ecr_publish.findings import Severity, Threshold
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import UnknownSeverity
from ecr_publish.policy import ALLOWABLE, Layer, Require, Rules, StaleIgnores, combined
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

DEFAULT_PATH = ".ecr-publish.yml"
_LONGEST_CHAIN = 4
_RANKED = [severity for severity in Severity if severity is not Severity.UNDEFINED]


@dataclass(frozen=True, kw_only=True)
class PolicyFile:
    """One file: its rules, and the path of the base that it extends, as it is written there."""

    layer: Layer
    extends: str = ""


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


def chain(path: str, fetch: Callable[[str], bytes]) -> Layer:
    """The rules of a policy file and of all that it extends; raises Malformed or Loosened.

    Args:
        path: The file's path.
        fetch: Gives the bytes of a path; raises Malformed where there is no such file.
    """
    files = [read(fetch(path), path)]
    while files[-1].extends:
        if len(files) == _LONGEST_CHAIN:
            raise Malformed([f"{path}: extends a chain of more than {_LONGEST_CHAIN} files"])
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), files[-1].extends))
        files.append(read(fetch(path), path))
    *above, base = (file.layer for file in files)
    return reduce(combined, reversed(above), base)


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, for completion in editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The policy file of ecr-publish",
        **_SHAPE.schema(),
    }


def _named(ignore: Ignore, name: str) -> Ignore:
    return replace(ignore, place=f"{name}, line {ignore.place}")


def _ignore(*, lines: Mapping[str, int], until: date | str | None = None, **given: str) -> Ignore:
    fixed = until == "until-fixed"
    end = until if isinstance(until, date) else None
    return Ignore(until=end, until_fixed=fixed, place=str(lines[""]), **given)


def _require(*, lines: Mapping[str, int], **given: Any) -> Require:  # noqa: ANN401
    return Require(**given)


def _by_severity(*, lines: Mapping[str, int], **given: int | None) -> dict[Severity, int]:
    return {Severity(name.upper()): most for name, most in given.items() if most is not None}


def _file(
    *,
    lines: Mapping[str, int],
    extends: str = "",
    allow: tuple[str, ...] = (),
    **given: Any,  # noqa: ANN401
) -> PolicyFile:
    places = {key.replace("-", "_"): str(line) for key, line in lines.items() if key}
    stated = {key: place for key, place in places.items() if key in given}
    return PolicyFile(
        layer=Layer(rules=Rules(**given, places=stated), allow=frozenset(allow)), extends=extends
    )


def _severities(kind: Kind) -> Record:
    return Record({severity.value.lower(): kind for severity in _RANKED}, _by_severity)


_DAYS = Text(lambda text: int(text[:-1]), r"[0-9]{1,4}d", "a number of days (14d)")
_LIMIT = Either((Number(0, 100_000), Choice({"none": None})), "a number, or none")
_UNTIL = Either(
    (DATE, Choice({"until-fixed": "until-fixed"})), "a date (2027-01-31), or until-fixed"
)
_IGNORE = Record(
    {
        "id": Text(str, r"\S+", "the name of a vulnerability (CVE-2024-12345)"),
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
        "stale-ignores": Choice({item.value: item for item in StaleIgnores}),
        "require": Record(
            {"reason": BOOLEAN, "until": BOOLEAN, "owner": BOOLEAN, "max-days": Number(1, 3650)},
            _require,
        ),
        "ignore": Listing(_IGNORE),
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
        "stale-ignores": "What an ignore means that nothing was found for.",
        "require": "What every ignore has to carry.",
        "ignore": "Vulnerabilities that are accepted.",
    },
)
