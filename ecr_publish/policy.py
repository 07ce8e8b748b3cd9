"""What refuses an image: the rules of the policy file and of the inputs, as one value.

Which rule may be loosened by whom is decided here too: a base (`extends`) may only be made
stricter, by the file and by the inputs, unless it allows a rule to be loosened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from enum import Enum
from typing import Any

from ecr_publish.findings import Severity, Threshold
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import FailOn, OnUnjudged
from ecr_publish.reference import ImageName
from ecr_publish.scan import Unjudged


class StaleIgnores(Enum):
    """What an ignore that nothing was found for means."""

    OFF = "off"
    WARN = "warn"
    FAIL = "fail"


class BaseImageFindings(Enum):
    """What a finding means that the base image brought."""

    FAIL = "fail"
    REPORT = "report"


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
        known_exploited: A finding that CISA lists as known exploited refuses at any severity.
        epss_threshold: The lowest EPSS score (0 to 1) that refuses at any severity; None for none.
        on_exploit_error: What it means that Inspector does not tell what these two rules need.
        baseline: The image whose findings are known already; None for none.
        fail_on: Which findings may refuse.
        on_baseline_error: What it means that the baseline cannot be used.
        base_image_findings: Whether a finding that the base image brought refuses like any other.
        stale_ignores: What an ignore that nothing was found for means.
        require: What every ignore has to carry.
        ignore: What somebody has decided to accept.
        files: The policy files, the one that extends the others last.
        skipped: What other tools' ignore files say that is not taken over, each with its place.
        places: Where each rule that somebody stated stands.
    """

    severity_threshold: Threshold = Threshold.HIGH
    unknown_severity: Severity = Severity.UNDEFINED
    limits: Mapping[Severity, int] = field(default_factory=dict)
    only_fixable: bool = False
    grace: Mapping[Severity, int] = field(default_factory=dict)
    exploited: bool = False
    known_exploited: bool = False
    epss_threshold: float | None = None
    on_exploit_error: OnUnjudged = OnUnjudged.FAIL
    baseline: ImageName | None = None
    fail_on: FailOn = FailOn.ALL
    on_baseline_error: OnUnjudged = OnUnjudged.FAIL
    base_image_findings: BaseImageFindings = BaseImageFindings.FAIL
    stale_ignores: StaleIgnores = StaleIgnores.WARN
    require: Require = field(default_factory=Require)
    ignore: tuple[Ignore, ...] = ()
    files: tuple[str, ...] = field(default=(), compare=False)
    skipped: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict, compare=False)

    def limit(self, severity: Severity) -> int | None:
        """The most findings of a severity, None for any number.

        What has no rank cannot be shown to be within a limit, so with limits none of it is.
        """
        if severity is Severity.UNDEFINED and self.limits:
            return 0
        return self.limits.get(severity)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The rules, and what is done where ECR gives no verdict."""

    rules: Rules
    on_unjudged: Mapping[Unjudged, OnUnjudged]
    report_only: bool


_NO_RULES = ("files", "skipped", "places")
RULES = tuple(item.name for item in fields(Rules) if item.name not in _NO_RULES)
ALLOWABLE = (*RULES, "report_only", "warn")
"""What a base may allow to be loosened, `-` written as `_`; `warn` are the on-… inputs."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The rules of one file or of the inputs: of `rules` only those count that have a place.

    `allow` names what a layer above may loosen; None where the layer does not speak of it.
    """

    rules: Rules
    allow: frozenset[str] | None = None


class Loosened(ValueError):
    """Rules are looser than the base, which does not allow that; `problems` name each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def combined(base: Layer, own: Layer) -> Layer:
    """The base with the rules that the layer above it states; raises Loosened.

    Ignores are added to those of the base; whatever the base does not allow, the layer above may
    not allow either.
    """
    changes: dict[str, Any] = {}
    allowed = base.allow or frozenset()
    problems = [
        f"{place}: {_key(name)}: is looser than {_stated(base.rules, name)}"
        for name, place in own.rules.places.items()
        if name not in allowed and _LOOSER[name](own.rules, base.rules)
    ]
    if problems:
        raise Loosened(problems)
    for name in own.rules.places:
        mine = getattr(own.rules, name)
        changes[name] = (*base.rules.ignore, *mine) if name == "ignore" else mine
    places = {**base.rules.places, **own.rules.places}
    skipped = (*base.rules.skipped, *own.rules.skipped)
    files = (*base.rules.files, *own.rules.files)
    rules = replace(base.rules, **changes, files=files, skipped=skipped, places=places)
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


def _looser_unknown(mine: Rules, theirs: Rules) -> bool:
    """Whether what has no rank may do better; `fail` is the strictest, whatever the other rules.

    A higher severity is not always stricter: it may have a longer grace, or, below the threshold,
    a limit that leaves more room.
    """
    asked, base = mine.unknown_severity, theirs.unknown_severity
    if asked in (base, Severity.UNDEFINED):
        return False
    refuses = theirs.severity_threshold.refuses
    room = not refuses(asked) or theirs.grace.get(asked, 0) > theirs.grace.get(base, 0)
    judged = refuses(base) or theirs.limit(base) is not None
    return _SEVERITIES.index(asked) > _SEVERITIES.index(base) or (judged and room)


def _looser_limits(mine: Rules, theirs: Rules) -> bool:
    return any(
        mine.limits.get(severity, most + 1) > most for severity, most in theirs.limits.items()
    )


def _looser_grace(mine: Rules, theirs: Rules) -> bool:
    return any(days > theirs.grace.get(severity, 0) for severity, days in mine.grace.items())


def _looser_require(mine: Rules, theirs: Rules) -> bool:
    asked, base = mine.require, theirs.require
    dropped = any(
        getattr(base, name) and not getattr(asked, name) for name in ("reason", "until", "owner")
    )
    longer = base.max_days is not None and (
        asked.max_days is None or asked.max_days > base.max_days
    )
    return dropped or longer


def _looser_epss(mine: Rules, theirs: Rules) -> bool:
    """No threshold refuses nothing; the lower one refuses more."""
    asked, base = mine.epss_threshold, theirs.epss_threshold
    return base is not None and (asked is None or asked > base)


def _another_baseline(mine: Rules, theirs: Rules) -> bool:
    """Whether the base has settled what is known: a baseline that it names, or only new ones."""
    settled = theirs.baseline is not None or theirs.fail_on is FailOn.NEW
    return settled and mine.baseline != theirs.baseline


def _waives(mine: OnUnjudged, theirs: OnUnjudged) -> bool:
    return mine is OnUnjudged.WARN and theirs is OnUnjudged.FAIL


def _threshold(rules: Rules) -> int:
    return _THRESHOLDS.index(rules.severity_threshold)


def _staleness(rules: Rules) -> int:
    return [*StaleIgnores].index(rules.stale_ignores)


_LOOSER: Mapping[str, Callable[[Rules, Rules], bool]] = {
    "severity_threshold": lambda mine, theirs: _threshold(mine) > _threshold(theirs),
    "unknown_severity": _looser_unknown,
    "limits": _looser_limits,
    "only_fixable": lambda mine, theirs: mine.only_fixable and not theirs.only_fixable,
    "grace": _looser_grace,
    "exploited": lambda mine, theirs: theirs.exploited and not mine.exploited,
    "known_exploited": lambda mine, theirs: theirs.known_exploited and not mine.known_exploited,
    "epss_threshold": _looser_epss,
    "on_exploit_error": lambda mine, theirs: _waives(
        mine.on_exploit_error, theirs.on_exploit_error
    ),
    "baseline": _another_baseline,
    "fail_on": lambda mine, theirs: mine.fail_on is FailOn.NEW and theirs.fail_on is FailOn.ALL,
    "on_baseline_error": lambda mine, theirs: _waives(
        mine.on_baseline_error, theirs.on_baseline_error
    ),
    "base_image_findings": lambda mine, theirs: (
        mine.base_image_findings is BaseImageFindings.REPORT
        and theirs.base_image_findings is BaseImageFindings.FAIL
    ),
    "stale_ignores": lambda mine, theirs: _staleness(mine) < _staleness(theirs),
    "require": _looser_require,
    "ignore": lambda mine, _: bool(mine.ignore),
}
"""Whether a layer's rule is looser than that of the base."""
