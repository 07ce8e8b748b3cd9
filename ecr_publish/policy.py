"""What refuses an image: the rules of the policy file and of the inputs, as one value.

Which rule may be loosened by whom is decided here too: a base (`extends`) may only be made
stricter, by the file and by the inputs, unless it allows a rule to be loosened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date
from enum import Enum
from typing import Any

from ecr_publish.findings import Severity, Threshold
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import OnUnjudged
from ecr_publish.scan import Unjudged


class StaleIgnores(Enum):
    """What an ignore that nothing was found for means."""

    OFF = "off"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, kw_only=True)
class Require:
    """What every ignore has to carry. `max_days`: how far its end may be away; None for any."""

    reason: bool = False
    until: bool = False
    owner: bool = False
    max_days: int | None = None


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rules. Each default is what counts where nobody says anything.

    Args:
        severity_threshold: The lowest severity that refuses.
        unknown_severity: What a severity without a rank counts as; UNDEFINED refuses.
        limits: The most findings below the threshold, for each severity that has a limit.
        only_fixable: A finding without a fix does not refuse.
        grace: Days for which a finding of a severity may be known before it refuses.
        exploited: A finding with a known exploit refuses at any severity.
        stale_ignores: What an ignore that nothing was found for means.
        require: What every ignore has to carry.
        places: Where each rule that somebody stated stands.
    """

    severity_threshold: Threshold = Threshold.HIGH
    unknown_severity: Severity = Severity.UNDEFINED
    limits: Mapping[Severity, int] = field(default_factory=dict)
    only_fixable: bool = False
    grace: Mapping[Severity, int] = field(default_factory=dict)
    exploited: bool = False
    stale_ignores: StaleIgnores = StaleIgnores.WARN
    require: Require = field(default_factory=Require)
    ignore: tuple[Ignore, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The rules, and what is done where ECR gives no verdict."""

    rules: Rules
    on_unjudged: Mapping[Unjudged, OnUnjudged]
    report_only: bool


ALLOWABLE = (*(item.name for item in fields(Rules) if item.name != "places"), "report_only", "warn")
"""What a base may allow to be loosened, `-` written as `_`; `warn` are the on-… inputs."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The rules of one file or of the inputs: of `rules` only those count that have a place.

    `allow` names what a layer above may loosen; None where the layer does not speak of it.
    """

    rules: Rules
    allow: frozenset[str] | None = None


class Loosened(ValueError):
    """A rule is looser than the base, which does not allow that."""


def combined(base: Layer, own: Layer) -> Layer:
    """The base with the rules that the layer above it states; raises Loosened.

    Ignores are added to those of the base; whatever the base does not allow, the layer above may
    not allow either.
    """
    changes: dict[str, Any] = {}
    allowed = base.allow or frozenset()
    for name, place in own.rules.places.items():
        mine, theirs = getattr(own.rules, name), getattr(base.rules, name)
        if name not in allowed and _LOOSER[name](mine, theirs):
            raise Loosened(f"{place}: {_key(name)}: is looser than {_stated(base.rules, name)}")
        changes[name] = (*theirs, *mine) if name == "ignore" else mine
    places = {**base.rules.places, **own.rules.places}
    rules = replace(base.rules, **changes, places=places)
    return Layer(rules=rules, allow=allowed if own.allow is None else allowed & own.allow)


def broken_requirements(rules: Rules, today: date) -> Iterator[str]:
    """What the ignores lack that the policy requires of each."""
    for ignore in rules.ignore:
        for lack in _lacks(ignore, rules.require, today):
            yield f"{ignore.place}: the ignore of {ignore.id} {lack} (`require`)"


def _lacks(ignore: Ignore, need: Require, today: date) -> Iterator[str]:
    if need.reason and not ignore.reason:
        yield "has no reason"
    if need.owner and not ignore.owner:
        yield "has no owner"
    if (need.until or need.max_days is not None) and not (ignore.until or ignore.until_fixed):
        yield "has no end"
    if need.max_days is not None and ignore.until:
        days = (ignore.until - today).days
        if days > need.max_days:
            yield f"ends in {days} days, which is more than {need.max_days}"


def _key(name: str) -> str:
    return name.replace("_", "-")


def _stated(rules: Rules, name: str) -> str:
    place = rules.places.get(name)
    return f"the base's, {place}" if place else "the base's, which leaves it at its default"


_THRESHOLDS = (
    *(Threshold.INFORMATIONAL, Threshold.LOW, Threshold.MEDIUM, Threshold.HIGH),
    *(Threshold.CRITICAL, Threshold.NONE),
)
_SEVERITIES = (
    *(Severity.UNDEFINED, Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW),
    Severity.INFORMATIONAL,
)


def _looser_limits(mine: Mapping[Severity, int], theirs: Mapping[Severity, int]) -> bool:
    return any(mine.get(severity, most + 1) > most for severity, most in theirs.items())


def _looser_grace(mine: Mapping[Severity, int], theirs: Mapping[Severity, int]) -> bool:
    return any(days > theirs.get(severity, 0) for severity, days in mine.items())


def _looser_require(mine: Require, theirs: Require) -> bool:
    dropped = any(
        getattr(theirs, name) and not getattr(mine, name) for name in ("reason", "until", "owner")
    )
    longer = theirs.max_days is not None and (
        mine.max_days is None or mine.max_days > theirs.max_days
    )
    return dropped or longer


_LOOSER: Mapping[str, Any] = {
    "severity_threshold": lambda a, b: _THRESHOLDS.index(a) > _THRESHOLDS.index(b),
    "unknown_severity": lambda a, b: _SEVERITIES.index(a) > _SEVERITIES.index(b),
    "limits": _looser_limits,
    "only_fixable": lambda a, b: a and not b,
    "grace": _looser_grace,
    "exploited": lambda a, b: b and not a,
    "stale_ignores": lambda a, b: [*StaleIgnores].index(a) < [*StaleIgnores].index(b),
    "require": _looser_require,
    "ignore": lambda a, _: bool(a),
}
