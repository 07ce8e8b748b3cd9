"""Findings that a script spells out, their layers and their ARNs."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from typing import Any

import pytest

import local_ecr
from local_ecr import layers, presets, scan_answers, scans
from local_ecr.finding_index import FindingIndex
from local_ecr.scan_answers import Frame
from local_ecr.scans import Answer, preset_script
from local_ecr.vulnerabilities import (
    KEV,
    Kev,
    Package,
    Scanned,
    Vulnerability,
    finding_arn,
    in_layer,
    made_up,
)

THREE = ("sha256:base", "sha256:middle", "sha256:own")
ARN = re.compile(r"arn:aws:inspector2:eu-west-1:123456789012:finding/[a-f0-9]{32}")


def make_scanned(**over: Any) -> Scanned:
    usual: dict[str, Any] = {
        "account": "123456789012",
        "region": "eu-west-1",
        "repository": "app",
        "digest": "sha256:" + "0" * 64,
        "tags": (),
        "pushed_at": 1000.0,
        "completed_at": 1002.0,
        "layers": THREE,
    }
    return Scanned(**(usual | over))


def make_step(**keys: object) -> Answer:
    return scans.scenario_from({"default": [{"status": "SETTLED"} | keys]}).default.at(9).answer


def spelled(*bodies: dict[str, object], **keys: object) -> tuple[Vulnerability, ...]:
    return make_step(vulnerabilities=list(bodies), **keys).vulnerabilities


def listed(answer: Answer, start: int = 0, size: int = 100, **over: Any) -> list[dict[str, Any]]:
    frame = Frame(enhanced=True, continuous=True, scanned=make_scanned(**over))
    page = scan_answers.findings_page(answer, frame, start, size)
    return list(page.body["imageScanFindings"]["enhancedFindings"])


def packages(answer: Answer, *page: int, **over: Any) -> list[list[dict[str, Any]]]:
    found = listed(answer, *page, **over)
    return [one["packageVulnerabilityDetails"]["vulnerablePackages"] for one in found]


def hashes(answer: Answer, *page: int, **over: Any) -> list[str | None]:
    return [p.get("sourceLayerHash") for one in packages(answer, *page, **over) for p in one]


def arns(answer: Answer, **over: Any) -> list[str]:
    return [one["findingArn"] for one in listed(answer, **over)]


# --- what is said, and what is made up ------------------------------------------------------------


def test_spelled__what_is_not_said_is_made_up() -> None:
    assert spelled({"severity": "LOW"}, {"severity": "HIGH"}) == (
        *made_up({"LOW": 1}),
        *made_up({"HIGH": 1}),
    )


def test_spelled__are_none_of_those_that_are_counted() -> None:
    found = spelled({"severity": "LOW"}, {"severity": "SEVERE"}, counts={"LOW": 2, "ODD": 1})
    assert found[:3] == made_up({"LOW": 2, "ODD": 1})
    assert found[3] == made_up({"LOW": 3})[2]
    assert len({one.id for one in found}) == 5


def test_spelled__what_is_said_is_so() -> None:
    (found,) = spelled(
        {
            "id": "CVE-1",
            "severity": "HIGH",
            "text": "bad",
            "state": "SUPPRESSED",
            "exploited": True,
            "epss": 0.5,
            "details_error": "INTERNAL_ERROR",
            "package": "log4j",
            "version": "2.0",
            "fixed_in": None,
            "manager": "JAR",
            "path": "app/log4j.jar",
            "layer": 2,
        }
    )
    package = Package(name="log4j", version="2.0", manager="JAR", path="app/log4j.jar", layer=2)
    assert found == Vulnerability(
        id="CVE-1",
        severity="HIGH",
        package=package,
        text="bad",
        state="SUPPRESSED",
        exploited=True,
        epss=0.5,
        details_error="INTERNAL_ERROR",
    )


@pytest.mark.parametrize(
    ("kev", "expected"),
    [
        (True, KEV),
        (False, None),
        (None, None),
        ({}, Kev()),
        ({"dateAdded": "2026-06-01", "dateDue": "2026-06-22"}, replace(KEV, action=None)),
        ({"dateAdded": 7, "action": "patch"}, Kev(added=7, action="patch")),
    ],
)
def test_spelled__kev(kev: object, expected: Kev | None) -> None:
    (found,) = spelled({"severity": "LOW", "kev": kev})
    assert found.kev == expected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"id": "CVE-1"}, "vulnerability: no severity: {'id': 'CVE-1'}"),
        ({"severity": "LOW", "cve": "x"}, "vulnerability: unknown key cve"),
        ({"severity": "LOW", "kev": {"added": 1}}, "kev: unknown key added"),
        ({"severity": "LOW", "packages": [{"title": "x"}]}, "package: unknown key title"),
        ({"severity": "LOW", "packages": []}, "packages is a list of one or more"),
        ({"severity": "LOW", "package": "a", "packages": [{}]}, "and package is not"),
        ({"severity": "LOW", "layer": "top"}, "layer is 'top'; known: spread, first, last"),
    ],
)
def test_spelled__says_what_is_wrong(body: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        spelled(body)


def test_spelled__several_packages_in_layers_of_their_own() -> None:
    two = [{"name": "a", "fixed_in": "2"}, {"name": "b", "fixed_in": None, "layer": 3}]
    answer = make_step(vulnerabilities=[{"severity": "LOW", "layer": "first", "packages": two}])
    ((first, second),) = packages(answer)
    assert (first["name"], first["sourceLayerHash"]) == ("a", "sha256:base")
    assert (second["name"], second["sourceLayerHash"]) == ("b", "sha256:own")
    assert listed(answer)[0]["fixAvailable"] == "PARTIAL"


def test_spelled__the_example_of_the_documentation() -> None:
    documented = str(local_ecr.__doc__)
    begin = documented.index('    {"after": 2, "status": "SETTLED", "layer"')
    step = json.loads(documented[begin : documented.index("The same script finds")])
    answer = make_step(**step)
    known, other = answer.vulnerabilities
    assert (known.kev, known.epss, other.kev, other.epss) == (KEV, 0.94, None, 0.01)
    assert hashes(answer) == ["sha256:base", "sha256:base", "sha256:own"]


def test_kev__usual_entry_is_of_june_wherever_the_laptop_is(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(time.tzset)
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        june = {"dateAdded": "2026-06-01", "dateDue": "2026-06-22", "action": KEV.action}
        (found,) = spelled({"severity": "LOW", "kev": june})
    assert found.kev == KEV


# --- layers ---------------------------------------------------------------------------------------


def test_layers__in_turn_over_all_pages() -> None:
    answer = make_step(counts={"HIGH": 2, "LOW": 3})
    expected = [THREE[number % 3] for number in range(5)]
    assert hashes(answer) == expected
    assert [*hashes(answer, 0, 2), *hashes(answer, 2, 2), *hashes(answer, 4, 2)] == expected


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ("first", "sha256:base"),
        ("last", "sha256:own"),
        (1, "sha256:base"),
        (2, "sha256:middle"),
        (3, "sha256:own"),
        (4, layers.SAMPLE),
        ("unknown", layers.SAMPLE),
        ("absent", None),
    ],
)
def test_layers__of_a_whole_step(layer: int | str, expected: str | None) -> None:
    assert hashes(make_step(counts={"HIGH": 2}, layer=layer)) == [expected, expected]


@pytest.mark.parametrize("layer", ["top", 0, -1, True, None, 1.0])
def test_layers__that_are_none(layer: object) -> None:
    with pytest.raises(ValueError, match=f"layer is {layer!r}; known: spread, first, last"):
        make_step(layer=layer)


def test_layers__of_one_finding_before_that_of_the_step() -> None:
    bodies = [{"severity": "LOW", "layer": "first"}, {"severity": "LOW"}]
    assert hashes(make_step(vulnerabilities=bodies, layer="last")) == ["sha256:base", "sha256:own"]


@pytest.mark.parametrize("layer", ["spread", "first", "last", 2, "unknown"])
def test_layers__not_known_are_the_sample_s(layer: int | str) -> None:
    answer = replace(make_step(), vulnerabilities=in_layer(made_up({"LOW": 4}), layer))
    assert set(hashes(answer, layers=())) == {layers.SAMPLE}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"rootfs": {"type": "layers", "diff_ids": ["sha256:a", "sha256:b"]}}, ("a", "b")),
        ({"rootfs": {"diff_ids": "sha256:a"}}, ()),
        ({"rootfs": []}, ()),
        ({}, ()),
    ],
)
def test_diff_ids__of_a_config(config: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert layers.diff_ids(config) == tuple(f"sha256:{name}" for name in expected)


# --- ARNs -----------------------------------------------------------------------------------------


def test_arn__one_for_each_finding_and_the_same_each_time() -> None:
    answer = preset_script("many-findings").at(99).answer
    found = arns(replace(answer, page_size=None))
    everything = [finding_arn(one, make_scanned()) for one in answer.vulnerabilities]
    assert found == everything[:100]
    assert len(set(everything)) == 10_000
    assert all(ARN.fullmatch(arn) for arn in everything)


def test_arn__tells_images_vulnerabilities_and_packages_apart() -> None:
    usual: dict[str, object] = {"id": "CVE-1", "severity": "LOW", "package": "a", "version": "1"}
    others: list[dict[str, object]] = [
        {"id": "CVE-2"},
        {"package": "b"},
        {"version": "2"},
        {"path": "x"},
        {"manager": "NPM"},
    ]
    answer = make_step(vulnerabilities=[usual, *(usual | other for other in others)])
    found = arns(answer)
    elsewhere = [arns(answer, digest="sha256:" + "1" * 64), arns(answer, repository="team/app")]
    assert len({*found, *elsewhere[0], *elsewhere[1]}) == 18


def test_arn__does_not_depend_on_what_else_changes() -> None:
    usual: dict[str, object] = {"id": "CVE-1", "severity": "LOW"}
    later = usual | {"epss": 0.9, "kev": True, "layer": "last", "state": "SUPPRESSED"}
    scanned = {"tags": ("v1",), "completed_at": 9999.0, "layers": ()}
    before = arns(make_step(vulnerabilities=[usual]))
    assert arns(make_step(counts={"HIGH": 1}, vulnerabilities=[later]), **scanned)[1:] == before


def test_index__has_what_any_read_or_page_lists() -> None:
    answer = make_step(
        counts={"HIGH": 1},
        enhancedFindings=[{"findingArn": "arn:raw"}, {}],
        reads=[{"counts": {"LOW": 1}, "later_pages": {"counts": {"MEDIUM": 1}}}],
    )
    known = FindingIndex().of(answer, make_scanned())
    words = [found.severity for found in known.values() if isinstance(found, Vulnerability)]
    assert sorted(words) == ["HIGH", "LOW", "MEDIUM"]
    assert known["arn:raw"] == {"findingArn": "arn:raw"}


def test_index__of_a_scan_that_lists_nothing_and_of_one_that_goes_on() -> None:
    index, scanned = FindingIndex(), make_scanned()
    assert index.of(make_step(status="PENDING", counts={"LOW": 1}), scanned) == {}
    assert len(index.of(make_step(counts={"LOW": 1}), scanned)) == 1
    assert len(index.of(make_step(counts={"LOW": 1}, completed=False), scanned)) == 1
    assert len(index.of(make_step(counts={"LOW": 3}), scanned)) == 3
    assert index.of(make_step(counts={"LOW": 3}, bare=True), scanned) == {}
    assert len(index.of(make_step(counts={"LOW": 1}), make_scanned(digest="sha256:1"))) == 1


# --- presets --------------------------------------------------------------------------------------


def test_known_exploited__a_low_one_and_no_other() -> None:
    answer = preset_script("known-exploited").at(99).answer
    told = {one.severity: (one.kev, one.epss) for one in answer.vulnerabilities}
    assert told == {"LOW": (KEV, 0.94), "HIGH": (None, 0.01), "MEDIUM": (None, None)}


@pytest.mark.parametrize(
    ("name", "expected"), [("base-vulnerable", "sha256:base"), ("own-vulnerable", "sha256:own")]
)
def test_layer_presets__a_critical_and_a_high_one_in_one_layer(name: str, expected: str) -> None:
    answer = preset_script(name).at(99).answer
    assert [one["severity"] for one in listed(answer)] == ["CRITICAL", "HIGH"]
    assert hashes(answer) == [expected, expected]


def test_policy_presets__are_enhanced() -> None:
    names = {"known-exploited", "base-vulnerable", "own-vulnerable"}
    assert names <= presets.ENHANCED_PRESETS


def test_presets__none_but_one_knows_of_exploits() -> None:
    for name in set(presets.PRESETS) - {"known-exploited"}:
        for step in preset_script(name).steps:
            assert {(one.epss, one.kev) for one in step.answer.vulnerabilities} <= {(None, None)}
