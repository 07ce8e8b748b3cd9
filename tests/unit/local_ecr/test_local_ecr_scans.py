from __future__ import annotations

import json
from pathlib import Path

import pytest

import local_ecr
from local_ecr import scan_answers, scans
from local_ecr.scan_answers import Frame
from local_ecr.scans import PRESETS, Answer, Scenario, Script, Target, load, preset
from local_ecr.vulnerabilities import Scanned, made_up


def make_frame(*, enhanced: bool = False, continuous: bool = False) -> Frame:
    scanned = Scanned(
        account="123456789012",
        region="eu-west-1",
        repository="app",
        digest="sha256:" + "0" * 64,
        tags=(),
        pushed_at=1000.0,
        completed_at=1002.0,
    )
    return Frame(enhanced=enhanced, continuous=continuous, scanned=scanned)


def make_target(**over: object) -> Target:
    return Target(**({"repository": "app", "digest": "sha256:" + "0" * 64} | over))  # type: ignore[arg-type]


def statuses(script: Script, *times: float) -> list[str]:
    return [script.at(time).answer.status for time in times]


def test_script__steps_over_time() -> None:
    script = preset("not-found-then-complete", scan_seconds=4).default
    assert statuses(script, 0, 1.9, 2, 3.9, 4, 900) == [
        scans.NOT_FOUND,
        scans.NOT_FOUND,
        scans.RUNNING,
        scans.RUNNING,
        scans.SETTLED,
        scans.SETTLED,
    ]


def test_script__before_its_first_step_there_is_no_scan() -> None:
    script = load('{"default": [{"after": 5, "status": "COMPLETE"}]}').default
    assert statuses(script, 0, 5) == [scans.NOT_FOUND, "COMPLETE"]


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("clean", 2.0),
        ("vulnerable-enhanced", 2.0),
        ("pending-then-active", 2.0),
        ("failed-unsupported", 2.0),
        ("eligibility-expired", 0.0),
        ("slow", 30.0),
        ("never-finishes", None),
        ("never-found", None),
        ("active-empty", None),
    ],
)
def test_final__when_waiting_ends(name: str, after: float | None) -> None:
    final = preset(name, scan_seconds=2).default.final
    assert (final.after if final else None) == after


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("enhanced", [False, True])
def test_presets__every_answer_can_be_worded(*, name: str, enhanced: bool) -> None:
    frame = make_frame(enhanced=enhanced)
    for step in preset(name).default.steps:
        json.dumps(scan_answers.scan_findings(step.answer, frame))
        assert scan_answers.scan_status(step.answer, frame)["status"]


def test_preset__unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no preset 'x'; there are: clean"):
        preset("x")


def test_rules__first_match_wins_else_the_default() -> None:
    text = """{"default": "clean", "rules": [
        {"tag": "bad-*", "script": "vulnerable"},
        {"repository": "team/*", "platform": "linux/arm64", "script": "never-finishes"}]}"""
    scenario = load(text)
    default = scenario.default
    assert scenario.script_for(make_target()) is default
    assert scenario.script_for(make_target(tags=("ok", "bad-1"))) is scenario.rules[0].script
    arm = make_target(repository="team/x", platform="linux/arm64")
    assert scenario.script_for(arm) is scenario.rules[1].script
    assert scenario.script_for(make_target(repository="team/x")) is default


def test_load__the_example_of_the_documentation() -> None:
    documented = str(local_ecr.__doc__)
    start, end = documented.index('    {"default"'), documented.index("`after` are seconds")
    scenario = load(documented[start:end])
    assert scenario.trust.denied_roles == ("stranger",)
    assert scenario.rules[0].script.at(3).answer.vulnerabilities == made_up({"HIGH": 2, "LOW": 7})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"defaults": "clean"}', "scenario: unknown key defaults; known: by_hand"),
        ('{"rules": [{"repo": "x"}]}', "rule: unknown key repo"),
        ('{"default": [{"status": "COMPLETE", "count": {}}]}', "step: unknown key count"),
        ('{"switches": {"x": 1}}', "switches: unknown key x"),
        ('{"trust": {"x": 1}}', "trust: unknown key x"),
    ],
)
def test_load__says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(text)


def test_scenario_from__a_name_is_a_preset() -> None:
    assert scans.scenario_from("slow") == preset("slow")
    assert isinstance(load('"slow"'), Scenario)


@pytest.mark.parametrize(
    ("enhanced", "continuous", "expected"),
    [(False, False, "COMPLETE"), (True, True, "ACTIVE"), (True, False, "COMPLETE")],
)
def test_wire_status__settled(*, enhanced: bool, continuous: bool, expected: str) -> None:
    frame = make_frame(enhanced=enhanced, continuous=continuous)
    assert scan_answers.wire_status(Answer(status=scans.SETTLED), frame) == expected


def test_findings__basic_failure_is_null() -> None:
    answer = Answer(status=scans.UNSUPPORTED)
    assert scan_answers.scan_findings(answer, make_frame()) == {"imageScanFindings": None}
    status = scan_answers.scan_status(answer, make_frame())
    assert status["description"].startswith("UnsupportedImageError: ")


def test_findings__clean_enhanced_has_no_enhanced_key() -> None:
    frame = make_frame(enhanced=True, continuous=True)
    found = scan_answers.scan_findings(Answer(status=scans.SETTLED), frame)["imageScanFindings"]
    assert found == {
        "findings": [],
        "imageScanCompletedAt": 1002.0,
        "vulnerabilitySourceUpdatedAt": 1002.0,
        "findingSeverityCounts": {},
    }


def test_findings__active_but_not_completed() -> None:
    answer = Answer(status="ACTIVE", completed=False)
    found = scan_answers.scan_findings(answer, make_frame(enhanced=True))
    assert found == {"imageScanFindings": {"findings": []}}


def test_findings__vulnerable_as_documented() -> None:
    answer = preset("vulnerable", 2).default.at(2).answer
    basic = scan_answers.scan_findings(answer, make_frame())["imageScanFindings"]
    assert basic["findingSeverityCounts"] == scans.VULNERABLE
    assert len({finding["name"] for finding in basic["findings"]}) == 51
    assert any("description" not in finding for finding in basic["findings"])
    enhanced = scan_answers.scan_findings(answer, make_frame(enhanced=True))["imageScanFindings"]
    assert enhanced["findingSeverityCounts"] == scans.VULNERABLE
    assert {f["fixAvailable"] for f in enhanced["enhancedFindings"]} == {"YES", "NO"}


def test_findings__exact_ones_from_the_scenario(tmp_path: Path) -> None:
    step = {"after": 0, "status": "COMPLETE", "findings": [{"name": "X-1", "severity": "LOW"}]}
    answer = load(json.dumps({"default": [step]})).default.at(0).answer
    found = scan_answers.scan_findings(answer, make_frame())["imageScanFindings"]
    assert found["findings"] == [{"name": "X-1", "severity": "LOW"}]
