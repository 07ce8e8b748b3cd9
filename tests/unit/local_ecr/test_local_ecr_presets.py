from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from local_ecr import presets, scan_answers, scan_script
from local_ecr.scan_answers import Frame
from local_ecr.scan_script import Answer, Script
from local_ecr.scans import Scenario, Target, preset
from local_ecr.vulnerabilities import Scanned

SAMPLES: dict[str, tuple[str, str, dict[str, str]]] = {
    "basic-complete-clean.json": ("basic-complete-clean", "COMPLETE", {}),
    "basic-complete.json": ("basic-complete", "COMPLETE", {"CVE-2019-5188": "MEDIUM"}),
    "basic-complete.page1.json": (
        "basic-complete-pages",
        "COMPLETE",
        {"CVE-2019-5188": "MEDIUM", "CVE-2020-22916": "MEDIUM"},
    ),
    "basic-complete.page2.json": (
        "basic-complete-pages",
        "COMPLETE",
        {"CVE-2020-28928": "LOW", "CVE-2023-0000": "UNDEFINED"},
    ),
    "basic-failed-unsupported.json": ("basic-failed-unsupported", "FAILED", {}),
    "basic-in-progress.json": ("basic-in-progress", "IN_PROGRESS", {}),
    "basic-start-image-scan.json": ("basic-start-image-scan", "NOT_FOUND", {}),
    "enhanced-active-clean.json": ("enhanced-active-clean", "ACTIVE", {}),
    "enhanced-active-empty-AMBIGUOUS.json": (
        "enhanced-active-empty-ambiguous",
        "ACTIVE",
        {"CVE-2022-49043": "HIGH"},
    ),
    "enhanced-active.json": ("enhanced-active", "ACTIVE", {"CVE-2022-49043": "HIGH"}),
    "enhanced-complete-premature-AMBIGUOUS.json": (
        "enhanced-complete-premature-ambiguous",
        "COMPLETE",
        {"CVE-2022-49043": "HIGH", "CVE-2026-0001": "CRITICAL"},
    ),
    "enhanced-complete-scan-on-push.json": (
        "enhanced-complete-scan-on-push",
        "COMPLETE",
        {"CVE-2022-49043": "HIGH", "CVE-2026-0001": "CRITICAL"},
    ),
    "enhanced-eligibility-expired.json": (
        "enhanced-eligibility-expired",
        "SCAN_ELIGIBILITY_EXPIRED",
        {},
    ),
    "enhanced-pending.json": ("enhanced-pending", "PENDING", {}),
    "enhanced-unsupported.json": ("enhanced-unsupported", "UNSUPPORTED_IMAGE", {}),
    "enhanced-untriaged.json": (
        "enhanced-untriaged",
        "ACTIVE",
        {"CVE-2026-11111": "UNTRIAGED", "CVE-2026-22222": "MEDIUM"},
    ),
    "multiarch-child-amd64-scan.json": (
        "multiarch-child-amd64-scan",
        "ACTIVE",
        {"CVE-2022-49043": "HIGH"},
    ),
    "multiarch-child-arm64-scan.json": ("multiarch-child-arm64-scan", "ACTIVE", {}),
    "multiarch-child-attestation-basic-failed.json": (
        "multiarch-child-attestation-basic-failed",
        "FAILED",
        {},
    ),
}
"""Every sample that is the answer of a scan: its preset, and what that says in the end."""


def make_frame(*, enhanced: bool) -> Frame:
    scanned = Scanned(
        account="123456789012",
        region="eu-west-1",
        repository="app",
        digest="sha256:" + "0" * 64,
        tags=(),
        pushed_at=1000.0,
        completed_at=1002.0,
    )
    return Frame(enhanced=enhanced, continuous=enhanced, scanned=scanned)


def script_of(name: str, platform: str | None = None, scan_seconds: float = 10) -> Script:
    target = Target(repository="app", digest="sha256:" + "0" * 64, platform=platform)
    scenario: Scenario = preset(name, scan_seconds)
    return scenario.script_for(target)


def at(name: str, elapsed: float, platform: str | None = None) -> Answer:
    return script_of(name, platform).at(elapsed).answer


def severities(answer: Answer) -> dict[str, int]:
    found = scan_answers.scan_findings(answer, make_frame(enhanced=True))["imageScanFindings"]
    return dict(found["findingSeverityCounts"])


def identity(finding: dict[str, Any]) -> str:
    details = finding.get("packageVulnerabilityDetails", {})
    return str(details.get("vulnerabilityId") or finding["name"])


@pytest.mark.parametrize("sample", SAMPLES)
def test_sample__its_preset_ends_as_it_does(sample: str) -> None:
    name, status, expected = SAMPLES[sample]
    enhanced = name in presets.ENHANCED_PRESETS
    frame = make_frame(enhanced=enhanced)
    answer = at(name, 900)
    start = 2 if sample.endswith("page2.json") else 0
    page = scan_answers.findings_page(answer, frame, start, answer.page_size)
    found = page.body.get("imageScanFindings") or {}
    listed = found.get("enhancedFindings") or found.get("findings") or []
    assert scan_answers.wire_status(answer, frame) == status
    assert {identity(finding): finding["severity"] for finding in listed} == expected
    assert page.next == (2 if sample.endswith("page1.json") else None)


@pytest.mark.parametrize("sample", [name for name in SAMPLES if "AMBIGUOUS" in name])
def test_sample__ambiguous_looks_clean_before_the_truth(sample: str) -> None:
    name, status, _ = SAMPLES[sample]
    early = at(name, 5)
    body = scan_answers.scan_findings(early, make_frame(enhanced=True))
    assert (early.status, early.is_final) == (status, False)
    assert body == {"imageScanFindings": {"findings": []}}


def test_presets__engine_follows_the_sample() -> None:
    for sample, (name, _, _) in SAMPLES.items():
        basic = "basic" in sample
        assert (name in presets.ENHANCED_PRESETS) is not basic, name


def test_presets__are_described_one_by_one() -> None:
    lines = presets.described().splitlines()
    assert [line.split()[0] for line in lines] == list(presets.PRESETS)
    assert "[enhanced]" in next(line for line in lines if "late-waves " in line)


@pytest.mark.parametrize(
    ("name", "vulnerable", "clean"),
    [
        ("multiarch", "linux/amd64", "linux/arm64/v8"),
        ("multiarch-arm64-vulnerable", "linux/arm64/v8", "linux/amd64"),
    ],
)
def test_multiarch__one_platform_is_vulnerable(name: str, vulnerable: str, clean: str) -> None:
    assert severities(at(name, 10, vulnerable)) == {"HIGH": 1}
    assert severities(at(name, 10, clean)) == {}


def test_multiarch__one_platform_is_never_scanned() -> None:
    script = script_of("multiarch-one-missing", "linux/arm64")
    assert script.never_begins
    assert script.by_hand is not None
    assert not script_of("multiarch-one-missing", "linux/amd64").never_begins


def test_late_waves__more_each_time_and_complete_all_along() -> None:
    waves = [at("late-waves", elapsed) for elapsed in (10, 20, 30)]
    assert [sum(severities(wave).values()) for wave in waves] == [2, 25, 34]
    assert [wave.status for wave in waves] == [scan_script.SETTLED] * 3
    assert {wave.completed_after for wave in waves} == {10}
    for fewer, more in pairwise(waves):
        assert set(fewer.vulnerabilities) < set(more.vulnerabilities)
    assert severities(waves[2])["CRITICAL"] == 1


def test_late_waves__only_the_last_one_is_final() -> None:
    final = script_of("late-waves").final
    assert final is not None
    assert final.after == 30


def test_late_waves__coverage_tells_the_truth_or_is_early_or_late() -> None:
    def reasons(name: str) -> list[str | None]:
        told = [at(name, elapsed).covered for elapsed in (10, 20, 30)]
        return [covered.reason if covered else None for covered in told]

    assert reasons("late-waves") == ["SCAN_IN_PROGRESS", "SCAN_IN_PROGRESS", None]
    assert reasons("late-waves-coverage-early") == ["SUCCESSFUL", "SUCCESSFUL", None]
    assert reasons("coverage-lags") == ["PENDING_INITIAL_SCAN", "PENDING_INITIAL_SCAN", None]


@pytest.mark.parametrize(("name", "first"), [("late-two-waves", 25), ("late-from-empty", 0)])
def test_late_waves__of_two(name: str, first: int) -> None:
    totals = [sum(severities(at(name, elapsed)).values()) for elapsed in (10, 20)]
    assert totals == [first, 34]


def test_old_scans__are_older_than_the_push_and_another_by_hand() -> None:
    old = script_of("old-scan-now-vulnerable")
    assert old.at(0).answer.completed_after == -40 * 24 * 3600
    assert severities(old.at(0).answer) == {}
    assert old.by_hand is not None
    assert sum(severities(old.by_hand.at(10).answer).values()) == 51


def test_script__without_one_for_the_platform_is_for_all() -> None:
    script = preset("clean").default
    assert script.on("linux/amd64") is script
    assert script.on(None) is script


def test_many_findings__are_a_hundred_pages() -> None:
    answer = at("many-findings", 10)
    assert (len(answer.vulnerabilities), answer.page_size) == (10_000, 100)
    assert len({found.id for found in answer.vulnerabilities}) == 10_000


def test_worst_last__is_not_on_the_first_page() -> None:
    frame = make_frame(enhanced=False)
    answer = at("worst-last", 10)
    pages = [scan_answers.findings_page(answer, frame, start, 100) for start in (0, 100, 200)]
    words = [
        {finding["severity"] for finding in page.body["imageScanFindings"]["findings"]}
        for page in pages
    ]
    assert words == [{"LOW"}, {"LOW"}, {"LOW", "CRITICAL"}]
