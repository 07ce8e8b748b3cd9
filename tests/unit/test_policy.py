"""Rules of several layers, and who may loosen which."""

from __future__ import annotations

from dataclasses import fields
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest

from ecr_publish.findings import Severity, Threshold
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import FailOn, OnUnjudged
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
from ecr_publish.reference import ImageName
from tests.factories import DAY, make_ignore
from tests.unit.strategies import RULE_NAMES as RULES

CRITICAL, HIGH, MEDIUM, LOW = Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW
LATEST = ImageName.parse("latest")


def layer(place: str, allow: frozenset[str] | None = None, **rules: Any) -> Layer:
    """A layer that states these rules."""
    places = {name: f"{place}, line {line}" for line, name in enumerate(rules, 1)}
    return Layer(rules=Rules(**rules, places=places), allow=allow)


def allowed(base: dict[str, Any], own: dict[str, Any], *names: str) -> bool:
    """Whether rules may be stated above a base that allows these to be loosened."""
    try:
        combined(layer("base", frozenset(names), **base), layer("own", **own))
    except Loosened:
        return False
    return True


STRICTEST_FIRST: dict[str, list[Any]] = {
    "severity_threshold": [
        *(Threshold.INFORMATIONAL, Threshold.LOW, Threshold.MEDIUM, Threshold.HIGH),
        *(Threshold.CRITICAL, Threshold.NONE),
    ],
    "unknown_severity": [
        *(Severity.UNDEFINED, CRITICAL, HIGH, MEDIUM, LOW),
        Severity.INFORMATIONAL,
    ],
    "limits": [{MEDIUM: 0, LOW: 0}, {MEDIUM: 3, LOW: 1}, {MEDIUM: 4, LOW: 1}, {MEDIUM: 4}, {}],
    "only_fixable": [False, True],
    "grace": [{}, {HIGH: 3}, {HIGH: 14}, {HIGH: 14, CRITICAL: 1}],
    "exploited": [True, False],
    "known_exploited": [True, False],
    "epss_threshold": [0.0, 0.1, 0.5, 1.0, None],
    "on_exploit_error": [OnUnjudged.FAIL, OnUnjudged.WARN],
    # By itself it refuses nothing and excuses nothing; see "The baseline" below.
    "baseline": [None],
    "fail_on": [FailOn.ALL, FailOn.NEW],
    "on_baseline_error": [OnUnjudged.FAIL, OnUnjudged.WARN],
    "base_image_findings": [BaseImageFindings.FAIL, BaseImageFindings.REPORT],
    "stale_ignores": [StaleIgnores.FAIL, StaleIgnores.WARN, StaleIgnores.OFF],
    "require": [
        Require(reason=True, until=True, owner=True, max_days=30),
        Require(reason=True, until=True, owner=True, max_days=90),
        Require(reason=True, until=True, max_days=90),
        Require(reason=True, until=True),
        Require(reason=True),
        Require(),
    ],
    "ignore": [(), (make_ignore(),)],
}


def test_table__is_whole() -> None:
    assert set(STRICTEST_FIRST) == set(RULES)
    # All else that the rules carry is no rule: nobody states it, and nobody may loosen it.
    assert {item.name for item in fields(Rules)} - {*RULES} == {"files", "skipped", "places"}


PAIRS = [
    (name, base, own)
    for name, values in STRICTEST_FIRST.items()
    for base, own in product(range(len(values)), repeat=2)
    if name != "ignore" or base == 0
]


@pytest.mark.parametrize(("name", "base", "own"), PAIRS)
def test_s1_combined__a_rule_may_only_become_stricter(name: str, base: int, own: int) -> None:
    values = STRICTEST_FIRST[name]
    theirs, mine = {name: values[base]}, {name: values[own]}
    assert allowed(theirs, mine) is (own <= base)
    assert allowed(theirs, mine, name)
    assert not allowed(theirs, mine, *(other for other in RULES if other != name)) or own <= base


@pytest.mark.parametrize("name", RULES)
def test_s1_combined__default_of_the_base_may_not_be_loosened(name: str) -> None:
    default = getattr(Rules(), name)
    loosest = STRICTEST_FIRST[name][-1]
    assert allowed({}, {name: loosest}) is (loosest == default)
    assert allowed({}, {name: default})


def test_combined__says_who_loosens_what_and_where_it_is_said() -> None:
    base = layer("base.yml", only_fixable=False, severity_threshold=Threshold.LOW)
    with pytest.raises(Loosened) as caught:
        combined(base, layer("own.yml", severity_threshold=Threshold.HIGH))
    assert str(caught.value) == (
        "own.yml, line 1: severity-threshold: is looser than the base's, base.yml, line 2"
    )
    with pytest.raises(Loosened) as caught:
        combined(base, layer("own.yml", grace={HIGH: 1}))
    assert str(caught.value) == (
        "own.yml, line 1: grace: is looser than the base's, which leaves it at its default"
    )


def test_s1_combined__says_all_that_is_loosened() -> None:
    base = layer("base.yml", exploited=True, only_fixable=False)
    own = layer("own.yml", only_fixable=True, severity_threshold=Threshold.LOW, exploited=False)
    with pytest.raises(Loosened) as caught:
        combined(base, own)
    assert caught.value.problems == (
        "own.yml, line 1: only-fixable: is looser than the base's, base.yml, line 2",
        "own.yml, line 3: exploited: is looser than the base's, base.yml, line 1",
    )
    assert str(caught.value) == "; ".join(caught.value.problems)


def test_combined__what_a_layer_does_not_say_stays() -> None:
    base = layer("base", only_fixable=True, limits={MEDIUM: 3}, exploited=True)
    both = combined(base, layer("own", limits={MEDIUM: 2})).rules
    assert both == Rules(only_fixable=True, limits={MEDIUM: 2}, exploited=True)
    assert both.places == {
        "only_fixable": "base, line 1",
        "limits": "own, line 1",
        "exploited": "base, line 3",
    }


def test_combined__ignores_are_added() -> None:
    base = layer("base", frozenset({"ignore"}), ignore=(make_ignore("CVE-1"),))
    both = combined(base, layer("own", ignore=(make_ignore("CVE-2"),))).rules
    assert [ignore.id for ignore in both.ignore] == ["CVE-1", "CVE-2"]


def test_s1_combined__empty_list_of_ignores_loosens_nothing_and_takes_none_away() -> None:
    base = layer("base", ignore=(make_ignore("CVE-1"),))
    assert combined(base, layer("own", ignore=())).rules.ignore == base.rules.ignore


@pytest.mark.parametrize(
    ("base", "own", "both"),
    [
        (None, None, set()),
        (None, {"grace"}, set()),
        ({"grace", "limits"}, None, {"grace", "limits"}),
        ({"grace", "limits"}, {"grace", "warn"}, {"grace"}),
        ({"grace"}, set(), set()),
    ],
)
def test_s1_combined__nobody_allows_what_the_base_does_not(
    base: set[str] | None, own: set[str] | None, both: set[str]
) -> None:
    below, above = (None if names is None else frozenset(names) for names in (base, own))
    assert combined(layer("base", below), layer("own", above)).allow == frozenset(both)


def test_combined__what_is_not_taken_over_of_ignore_files_is_no_rule_and_stays() -> None:
    base = Layer(rules=Rules(skipped=("a, line 1: odd",)))
    own = Layer(rules=Rules(skipped=("b, line 2: odd",)))
    both = combined(base, own)
    assert both.rules.skipped == ("a, line 1: odd", "b, line 2: odd")
    assert both.rules.places == {}
    assert "skipped" not in ALLOWABLE


def test_combined__files_are_no_rule_and_stay_in_their_order() -> None:
    base, own = (Layer(rules=Rules(files=(name,))) for name in ("base.yml", "own.yml"))
    both = combined(base, own)
    assert both.rules.files == ("base.yml", "own.yml")
    assert both.rules == Rules()


# The baseline ---------------------------------------------------------------------------------


@pytest.mark.parametrize("mine", [None, "latest", "1.0", "team/base:latest"])
@pytest.mark.parametrize("theirs", [None, "latest", "team/base:latest"])
@pytest.mark.parametrize("fail_on", FailOn)
def test_s1_baseline__may_not_be_exchanged_nor_set_where_only_new_findings_refuse(
    fail_on: FailOn, theirs: str | None, mine: str | None
) -> None:
    before, after = (name and ImageName.parse(name) for name in (theirs, mine))
    base = {"fail_on": fail_on, "baseline": before}
    same = mine == theirs or (fail_on is FailOn.ALL and theirs is None)
    assert allowed(base, {"baseline": after}) is same
    assert allowed(base, {"baseline": after}, "baseline")
    assert allowed(base, {"baseline": after}, "fail_on") is same


def test_s1_baseline__stated_with_fail_on_new_takes_fail_on_alone() -> None:
    own = {"baseline": LATEST, "fail_on": FailOn.NEW}
    assert not allowed({}, own)
    assert not allowed({}, own, "baseline")
    assert allowed({}, own, "fail_on")


def test_s1_baseline__of_a_middle_layer_is_kept_from_the_one_above_it() -> None:
    base = layer("base", frozenset({"fail_on"}))
    middle = combined(base, layer("middle", fail_on=FailOn.NEW, baseline=LATEST))
    other = layer("own", baseline=ImageName.parse("mine"))
    with pytest.raises(Loosened) as caught:
        combined(middle, other)
    assert str(caught.value) == ("own, line 1: baseline: is looser than the base's, middle, line 2")
    # Whoever no longer lets them pass may compare with whatever he likes.
    strict = combined(middle, layer("own", fail_on=FailOn.ALL)).rules
    assert (strict.fail_on, strict.baseline) == (FailOn.ALL, LATEST)


@pytest.mark.parametrize("name", ["known_exploited", "epss_threshold"])
def test_s1_exploits__warning_is_looser_whatever_else_is_stricter(name: str) -> None:
    strictest = {name: STRICTEST_FIRST[name][0], "on_exploit_error": OnUnjudged.WARN}
    assert not allowed({}, strictest)
    assert allowed({}, strictest, "on_exploit_error")


# A severity without a rank --------------------------------------------------------------------


@pytest.mark.parametrize("severity", Severity)
def test_s1_unknown_severity__fail_is_the_strictest_whatever_else_counts(
    severity: Severity,
) -> None:
    base: dict[str, Any] = {"unknown_severity": severity, "limits": {MEDIUM: 0}}
    fail = {"unknown_severity": Severity.UNDEFINED}
    assert allowed(base | {"grace": {CRITICAL: 30}}, fail)
    # Where nothing is at the threshold, what has no rank is still over every limit.
    assert allowed(base | {"severity_threshold": Threshold.NONE}, fail)


@pytest.mark.parametrize(
    ("base", "asked", "expected"),
    [
        # A longer grace makes a higher severity the looser one.
        ({"unknown_severity": HIGH, "grace": {CRITICAL: 30}}, CRITICAL, False),
        ({"unknown_severity": HIGH, "grace": {CRITICAL: 30, HIGH: 30}}, CRITICAL, True),
        ({"unknown_severity": HIGH, "grace": {HIGH: 30}}, CRITICAL, True),
        # Where the base's severity refuses nobody, no grace can be longer.
        ({"unknown_severity": MEDIUM, "grace": {CRITICAL: 30}}, CRITICAL, True),
        # So does another limit, which would leave room in the one that it counted towards.
        ({"unknown_severity": LOW, "limits": {LOW: 3, MEDIUM: 3}}, MEDIUM, False),
        ({"unknown_severity": LOW, "limits": {LOW: 3}}, MEDIUM, False),
        ({"unknown_severity": LOW, "limits": {MEDIUM: 3}}, MEDIUM, True),
        ({"unknown_severity": LOW, "limits": {LOW: 3}}, HIGH, True),
        ({"unknown_severity": LOW, "limits": {LOW: 3}, "grace": {HIGH: 1}}, HIGH, False),
        ({"unknown_severity": LOW, "limits": {LOW: 3}}, LOW, True),
    ],
)
def test_s1_unknown_severity__higher_one_is_not_always_stricter(
    base: dict[str, Any], asked: Severity, *, expected: bool
) -> None:
    assert allowed(base, {"unknown_severity": asked}) is expected


def test_limit__is_that_of_the_severity() -> None:
    rules = Rules(limits={MEDIUM: 20, LOW: 0})
    assert [rules.limit(severity) for severity in (MEDIUM, LOW, HIGH)] == [20, 0, None]


def test_s2_limit__none_is_wide_enough_for_what_has_no_rank() -> None:
    assert Rules(limits={MEDIUM: 20}).limit(Severity.UNDEFINED) == 0
    assert Rules().limit(Severity.UNDEFINED) is None


# What every ignore has to carry ---------------------------------------------------------------

FULL = make_ignore("CVE-1", reason="r", owner="o", until=DAY + timedelta(days=30))
EVERYTHING = Require(reason=True, until=True, owner=True, max_days=30)


def lacks(require: Require, *ignores: Ignore) -> list[str]:
    return list(broken_requirements(Rules(require=require, ignore=ignores), DAY))


def test_require__nothing_by_default() -> None:
    assert lacks(Require(), make_ignore()) == []


def test_require__satisfied() -> None:
    assert lacks(EVERYTHING, FULL) == []
    assert lacks(EVERYTHING) == []


@pytest.mark.parametrize(
    ("require", "over", "said"),
    [
        (Require(reason=True), {"reason": ""}, "has no reason"),
        (Require(owner=True), {"owner": ""}, "has no owner"),
        (Require(until=True), {"until": None}, "has no end"),
        (Require(max_days=30), {"until": None}, "has no end"),
        (
            Require(max_days=30),
            {"until": DAY + timedelta(days=31)},
            "ends in 31 days, which is more than 30",
        ),
        (Require(max_days=30), {"until": DAY + timedelta(days=30)}, None),
        (Require(max_days=30), {"until": date(2020, 1, 1)}, None),
        (Require(until=True, max_days=30), {"until": None, "until_fixed": True}, None),
        (Require(until=True), {"until": date.max}, None),
        (Require(), {"reason": "", "owner": "", "until": None}, None),
    ],
)
def test_require__each(require: Require, over: dict[str, Any], said: str | None) -> None:
    place = ".ecr-publish.yml, line 3"
    expected = [f"{place}: the ignore of CVE-1 {said} (`require`)"] if said else []
    given = {"reason": "r", "owner": "o", "until": DAY} | over
    assert lacks(require, make_ignore("CVE-1", **given)) == expected


def test_require__all_that_every_ignore_lacks() -> None:
    said = lacks(EVERYTHING, make_ignore("CVE-1"), FULL, make_ignore("CVE-2", reason="r"))
    assert [text.partition("of ")[2] for text in said] == [
        "CVE-1 has no reason (`require`)",
        "CVE-1 has no owner (`require`)",
        "CVE-1 has no end (`require`)",
        "CVE-2 has no owner (`require`)",
        "CVE-2 has no end (`require`)",
    ]
