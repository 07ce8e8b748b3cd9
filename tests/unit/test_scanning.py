from __future__ import annotations

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.scanning import (
    START_GRACE_SECONDS,
    Frequency,
    Rule,
    Scanning,
    ScanType,
    effective,
    should_start,
)
from tests.factories import make_scanning

BASIC, ENHANCED, UNKNOWN = ScanType.BASIC, ScanType.ENHANCED, ScanType.UNKNOWN
ON_PUSH, CONTINUOUS = Frequency.SCAN_ON_PUSH, Frequency.CONTINUOUS_SCAN
MANUAL, NOT_KNOWN = Frequency.MANUAL, Frequency.UNKNOWN


def test_frequency__every_one_of_ecr_is_known() -> None:
    model = botocore.session.get_session().get_service_model("ecr")
    words = set(model.shape_for("ScanFrequency").enum)  # type: ignore[attr-defined]

    assert words == {item.value for item in Frequency} - {"UNKNOWN"}


def test_scan_type__every_one_of_ecr_is_known() -> None:
    model = botocore.session.get_session().get_service_model("ecr")
    words = set(model.shape_for("ScanType").enum)  # type: ignore[attr-defined]

    assert words == {item.name for item in ScanType} - {"UNKNOWN"}


@pytest.mark.parametrize("frequency", Frequency)
def test_frequency__is_read(frequency: Frequency) -> None:
    assert Frequency.parse(frequency.value) is frequency


@pytest.mark.parametrize("text", ["", "Off", "manual", "SCAN_ON_PULL"])
def test_s2_frequency__another_word_is_not_known(text: str) -> None:
    assert Frequency.parse(text) is NOT_KNOWN


@pytest.mark.parametrize("engine", ScanType)
@pytest.mark.parametrize("frequency", Frequency)
def test_scanning__is_off_only_where_nothing_can_ever_start(
    engine: ScanType, frequency: Frequency
) -> None:
    off = make_scanning(engine=engine, frequency=frequency).is_off

    assert off is ((engine, frequency) == (ENHANCED, MANUAL))


def test_scanning__nothing_is_known_by_default() -> None:
    assert Scanning() == Scanning(engine=UNKNOWN, frequency=NOT_KNOWN)


@pytest.mark.parametrize(
    ("pattern", "repository", "named"),
    [
        ("app", "app", True),
        ("app", "team/app-api", True),
        ("app", "team/ap", False),
        ("", "anything", True),
        ("*", "team/app", True),
        ("*", "", True),
        ("team/*", "team/app", True),
        ("team/*", "team/", True),
        ("team/*", "my-team/app", False),
        ("*/app", "team/app", True),
        ("*/app", "team/app-api", False),
        ("te*/*pp", "team/app", True),
        ("te*/*pp", "team/application", False),
        ("*app*", "team/app-api", True),
        ("a.p", "app", False),
        ("a.*", "app", False),
        ("a.*", "a.pp", True),
        ("[a-z]*", "app", False),
        ("app", "APP", False),
    ],
)
def test_rule__filter_without_a_star_is_a_part_and_one_with_it_is_the_whole(
    pattern: str, repository: str, *, named: bool
) -> None:
    assert Rule(frequency=ON_PUSH, filters=(pattern,)).covers(repository) is named


def test_rule__one_filter_of_several_is_enough() -> None:
    rule = Rule(frequency=ON_PUSH, filters=("x", "team/*"))

    assert rule.covers("team/app")
    assert not rule.covers("other/app")
    assert not Rule(frequency=ON_PUSH, filters=()).covers("app")


@given(st.text("ab/*.", max_size=6), st.text("ab/.", max_size=6))
def test_rule__star_stands_for_any_text(pattern: str, repository: str) -> None:
    def fits(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "*":
            return fits(pattern[1:], text) or (bool(text) and fits(pattern, text[1:]))
        return text[:1] == pattern[0] and fits(pattern[1:], text[1:])

    expected = fits(pattern, repository) if "*" in pattern else pattern in repository
    assert Rule(frequency=ON_PUSH, filters=(pattern,)).covers(repository) is expected


def rule(frequency: Frequency, pattern: str = "*") -> Rule:
    return Rule(frequency=frequency, filters=(pattern,))


@pytest.mark.parametrize(
    ("engine", "rules", "own", "expected"),
    [
        (BASIC, [], False, MANUAL),
        (BASIC, [], True, ON_PUSH),
        (BASIC, [rule(ON_PUSH)], False, ON_PUSH),
        (BASIC, [rule(ON_PUSH, "other")], False, MANUAL),
        (BASIC, [rule(ON_PUSH, "other")], True, ON_PUSH),
        (BASIC, [rule(MANUAL)], False, MANUAL),
        (ENHANCED, [], False, MANUAL),
        (ENHANCED, [], True, MANUAL),
        (ENHANCED, [rule(ON_PUSH)], False, ON_PUSH),
        (ENHANCED, [rule(CONTINUOUS)], False, CONTINUOUS),
        (ENHANCED, [rule(CONTINUOUS, "other")], True, MANUAL),
        (ENHANCED, [rule(ON_PUSH), rule(CONTINUOUS, "app")], False, CONTINUOUS),
        (ENHANCED, [rule(CONTINUOUS), rule(ON_PUSH)], False, CONTINUOUS),
        (ENHANCED, [rule(CONTINUOUS, "other"), rule(ON_PUSH)], False, ON_PUSH),
        (ENHANCED, [rule(NOT_KNOWN)], False, NOT_KNOWN),
        (ENHANCED, [rule(NOT_KNOWN), rule(ON_PUSH)], False, ON_PUSH),
        (UNKNOWN, [], False, NOT_KNOWN),
        (UNKNOWN, [], True, NOT_KNOWN),
        (UNKNOWN, [rule(ON_PUSH)], False, ON_PUSH),
    ],
)
def test_effective__continuous_before_on_push_before_never(
    engine: ScanType,
    rules: list[Rule],
    own: bool,  # noqa: FBT001
    expected: Frequency,
) -> None:
    assert effective(engine, rules, "team/app", scan_on_push=own) is expected


@pytest.mark.parametrize("seconds", [0, START_GRACE_SECONDS - 0.1, START_GRACE_SECONDS, 1000])
@pytest.mark.parametrize("frequency", Frequency)
@pytest.mark.parametrize("engine", ScanType)
def test_should_start__basic_scans_that_do_not_start_by_themselves(
    engine: ScanType, frequency: Frequency, seconds: float
) -> None:
    scanning = Scanning(engine=engine, frequency=frequency)
    expected = engine is not ENHANCED and (frequency is MANUAL or seconds >= START_GRACE_SECONDS)

    assert should_start(scanning, seconds) is expected


def test_should_start__grace_is_longer_than_ecr_needs_to_register_a_scan() -> None:
    assert 15 <= START_GRACE_SECONDS <= 60
