from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import local_ecr
from local_ecr import scan_answers, scans
from local_ecr.scan_answers import Frame
from local_ecr.scans import (
    PRESETS,
    Answer,
    Covered,
    Scenario,
    Script,
    Switches,
    Target,
    load,
    preset,
)
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


def read_step(**keys: object) -> Answer:
    return scans.scenario_from({"default": [{"status": "SETTLED"} | keys]}).default.at(9).answer


def page_of(answer: Answer, start: int = 0, size: int = 2, **switches: Any) -> dict[str, Any]:
    frame = replace(make_frame(enhanced=True), switches=Switches(**switches))
    page = scan_answers.findings_page(answer, frame, start, size)
    return dict(page.body["imageScanFindings"])


def test_step__age_is_counted_back_from_its_own_time() -> None:
    answer = read_step(after=5, age_seconds=60)
    assert (answer.completed_after, answer.is_old) == (-55, True)


def test_step__findings_that_inspector_does_not_count() -> None:
    answer = read_step(counts={"LOW": 1}, suppressed={"HIGH": 2}, closed={"LOW": 1})
    states = [found.state for found in answer.vulnerabilities]
    assert states == ["ACTIVE", "SUPPRESSED", "SUPPRESSED", "CLOSED"]
    assert len({found.id for found in answer.vulnerabilities}) == 4


def test_step__a_word_that_is_no_severity_is_kept() -> None:
    answer = read_step(counts={"SEVERE": 1, "TERRIBLE": 1, "LOW": 1})
    found = [(v.severity, v.id) for v in answer.vulnerabilities]
    assert [word for word, _ in found] == ["LOW", "SEVERE", "TERRIBLE"]
    assert len({name for _, name in found}) == 3


def test_step__bare_findings_have_no_optional_member() -> None:
    answer = read_step(counts={"HIGH": 1}, bare=True)
    basic = scan_answers.scan_findings(answer, make_frame())["imageScanFindings"]["findings"]
    assert [set(finding) for finding in basic] == [{"name", "severity"}]
    (enhanced,) = page_of(answer)["enhancedFindings"]
    assert set(enhanced) == {"severity", "packageVulnerabilityDetails"}


def test_step__reads_and_later_pages_are_like_the_step_but_for_what_they_say() -> None:
    answer = read_step(
        counts={"HIGH": 1},
        page_size=7,
        reads=[{"counts": {"LOW": 1}, "later_pages": {"status": "PENDING"}}, {}],
    )
    first, second = answer.reads
    assert (first.vulnerabilities, first.page_size) == (made_up({"LOW": 1}), 7)
    assert first.later_pages is not None
    assert (first.later_pages.status, first.later_pages.page_size) == ("PENDING", 7)
    assert second.vulnerabilities == answer.vulnerabilities
    assert [answer.of_read(n) for n in range(3)] == [first, second, answer]
    assert (first.of_page(0), first.of_page(2)) == (first, first.later_pages)


def test_step__reads_that_begin_again() -> None:
    answer = read_step(reads=[{"counts": {"LOW": n}} for n in (1, 2)], cycle=True)
    assert [len(answer.of_read(n).vulnerabilities) for n in range(5)] == [1, 2, 1, 2, 1]


def test_step__coverage_by_a_word_or_in_full() -> None:
    assert read_step(coverage="UNSUPPORTED_OS").covered == Covered(reason="UNSUPPORTED_OS")
    told = {"statusCode": "INACTIVE", "lastScannedAfter": -5, "listed": False}
    assert read_step(coverage=told).covered == Covered(
        status_code="INACTIVE", scanned_after=-5, listed=False
    )
    assert read_step(coverage={"lastScannedAfter": None}).covered == Covered(scanned_after=None)
    with pytest.raises(ValueError, match="coverage: unknown key lastScannedAt"):
        read_step(coverage={"lastScannedAt": 0})


def test_step__needs_a_status_or_an_error() -> None:
    with pytest.raises(ValueError, match=r"step: no status: \{'after': 1\}"):
        scans.scenario_from({"default": [{"after": 1}]})
    refusing = scans.scenario_from({"default": [{"error": "ThrottlingException"}]}).default
    assert (refusing.at(0).answer.error, refusing.final) == ("ThrottlingException", None)


def test_by_hand__another_script_for_the_default_or_a_rule() -> None:
    body = {
        "default": "old-scan",
        "by_hand": "vulnerable",
        "rules": [{"platform": "linux/arm64", "script": "never-found", "by_hand": "clean"}],
    }
    scenario = scans.scenario_from(body, 2)
    assert scenario.default.by_hand == preset("vulnerable", 2).default
    assert scenario.rules[0].script.by_hand == preset("clean", 2).default
    assert (
        scans.scenario_from({"default": "multiarch", "by_hand": "slow"})
        .script_for(make_target(platform="linux/amd64"))
        .by_hand
        == preset("slow").default
    )


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("counts", "per_page"),
        ("coverage_on_push", "DONE"),
        ("last_tag_of_child", "keep"),
        ("layer_hash", "diff-id"),
    ],
)
def test_switches__a_value_that_is_none_of_them(switch: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"switches: {switch} is '{value}'; known: "):
        scans.scenario_from({"switches": {switch: value}})


def test_final__begins_when_nothing_changes_any_more() -> None:
    counts = [{"LOW": 1}, {"LOW": 2}, {"LOW": 2}]
    steps = [{"after": n, "status": "SETTLED", "counts": c} for n, c in enumerate(counts)]
    final = scans.scenario_from({"default": steps}).default.final
    assert final is not None
    assert final.after == 1


def test_counts__of_the_scan_or_of_the_page() -> None:
    answer = read_step(counts={"HIGH": 1, "LOW": 3})
    assert page_of(answer)["findingSeverityCounts"] == {"HIGH": 1, "LOW": 3}
    assert page_of(answer, counts="per-page")["findingSeverityCounts"] == {"HIGH": 1, "LOW": 1}
    assert page_of(answer, 2, counts="per-page")["findingSeverityCounts"] == {"LOW": 2}


def test_counts__as_told_or_left_out() -> None:
    told = read_step(counts={"LOW": 1}, findingSeverityCounts={"CRITICAL": 2})
    assert page_of(told)["findingSeverityCounts"] == {"CRITICAL": 2}
    silent = read_step(counts={"LOW": 1}, findingSeverityCounts=None)
    assert "findingSeverityCounts" not in page_of(silent)
    assert "imageScanCompletedAt" in page_of(silent)


@pytest.mark.parametrize(
    ("switches", "listed", "counts"),
    [
        ({}, 4, {"LOW": 2, "HIGH": 2}),
        ({"suppressed_counted": False}, 4, {"LOW": 1}),
        ({"suppressed_listed": False}, 1, {"LOW": 1}),
    ],
)
def test_suppressed__listed_and_counted_are_switches(
    switches: dict[str, bool], listed: int, counts: dict[str, int]
) -> None:
    answer = read_step(counts={"LOW": 1}, suppressed={"HIGH": 2}, closed={"LOW": 1})
    found = page_of(answer, size=10, **switches)
    assert len(found["enhancedFindings"]) == listed
    assert found["findingSeverityCounts"] == counts


def test_suppressed__exact_findings_have_a_status_of_their_own() -> None:
    answer = read_step(enhancedFindings=[{"severity": "HIGH", "status": "CLOSED"}, {}])
    found = page_of(answer, suppressed_counted=False)
    assert found["findingSeverityCounts"] == {"UNDEFINED": 1}


def test_suppressed__basic_scans_know_none() -> None:
    answer = read_step(counts={"LOW": 1}, suppressed={"HIGH": 2})
    found = scan_answers.scan_findings(answer, make_frame())["imageScanFindings"]
    assert found["findingSeverityCounts"] == {"LOW": 1}


def test_completed_at__may_be_missing_on_later_pages() -> None:
    answer = read_step(counts={"LOW": 3})
    assert "imageScanCompletedAt" in page_of(answer, 2)
    assert "imageScanCompletedAt" in page_of(answer, completed_on_later_pages=False)
    assert "imageScanCompletedAt" not in page_of(answer, 2, completed_on_later_pages=False)


def test_completed__says_so_whatever_the_status() -> None:
    unknown = read_step(status="SCAN_REPLAYED", completed=True)
    assert page_of(unknown)["findingSeverityCounts"] == {}
    assert unknown.is_final
    assert not read_step(status="IN_PROGRESS", completed=True).is_final


def test_completed__findings_without_it() -> None:
    answer = read_step(status="ACTIVE", completed=False, counts={"LOW": 1})
    assert set(page_of(answer)) == {"enhancedFindings"}
    assert not answer.is_final
