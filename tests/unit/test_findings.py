from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from ecr_publish.findings import (
    Finding,
    Package,
    Page,
    Severity,
    Threshold,
    count,
    parse_page,
)
from tests.factories import make_findings, make_page

AT = datetime(2026, 8, 8, 9, 30, tzinfo=timezone.utc)
RANKED = ("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL")


def basic(**over: Any) -> dict[str, Any]:
    return {
        "name": "CVE-2026-1001",
        "description": "A heap overflow in the tar reader.",
        "uri": "https://tracker.example/CVE-2026-1001",
        "severity": "HIGH",
        "attributes": [
            {"key": "package_version", "value": "1.35-r2"},
            {"key": "package_name", "value": "tar"},
            {"key": "CVSS3_SCORE", "value": "7.8"},
        ],
    } | over


def enhanced(**over: Any) -> dict[str, Any]:
    return {
        "awsAccountId": "123456789012",
        "description": "A use-after-free in the parser.",
        "severity": "CRITICAL",
        "status": "ACTIVE",
        "title": "CVE-2026-2002 - libparse, python-parse",
        "type": "PACKAGE_VULNERABILITY",
        "packageVulnerabilityDetails": {
            "source": "DEBIAN_CVE",
            "sourceUrl": "https://tracker.example/CVE-2026-2002",
            "vulnerabilityId": "CVE-2026-2002",
            "vulnerablePackages": [
                {"name": "libparse", "version": "2.9.14", "fixedInVersion": "2.9.14-r3"},
                {"name": "parse", "version": "1.0", "fixedInVersion": "NotAvailable"},
                {"name": "parse-extra"},
            ],
        },
    } | over


def answer(status: str = "COMPLETE", **body: Any) -> dict[str, Any]:
    """DescribeImageScanFindings as botocore gives it."""
    return {
        "registryId": "123456789012",
        "repositoryName": "app",
        "imageId": {"imageDigest": f"sha256:{'0' * 64}"},
        "imageScanStatus": {"status": status, "description": "The scan was completed."},
        "imageScanFindings": body,
    }


@pytest.mark.parametrize("severity", [*RANKED, "UNDEFINED"])
def test_severity__reads_the_words_of_ecr(severity: str) -> None:
    assert Severity.parse(severity).value == severity


@pytest.mark.parametrize("text", ["UNTRIAGED", "", "critical", "High", "SEVERE", "NEGLIGIBLE"])
def test_s2_severity__that_is_not_known_has_no_rank(text: str) -> None:
    assert Severity.parse(text) is Severity.UNDEFINED


# One row per threshold, in the order of the columns: CRITICAL HIGH MEDIUM LOW INFO UNDEFINED.
REFUSES = {
    Threshold.CRITICAL: "yes no  no  no  no  yes",
    Threshold.HIGH: "yes yes no  no  no  yes",
    Threshold.MEDIUM: "yes yes yes no  no  yes",
    Threshold.LOW: "yes yes yes yes no  yes",
    Threshold.INFORMATIONAL: "yes yes yes yes yes yes",
    Threshold.NONE: "no  no  no  no  no  no",
}


@pytest.mark.parametrize(
    ("threshold", "severity", "expected"),
    [
        (threshold, severity, word == "yes")
        for threshold, row in REFUSES.items()
        for severity, word in zip(
            ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNDEFINED"),
            row.split(),
            strict=True,
        )
    ],
)
def test_s1_threshold__refuses(threshold: Threshold, severity: str, *, expected: bool) -> None:
    assert threshold.refuses(Severity(severity)) is expected


def test_threshold__table_is_whole() -> None:
    assert set(REFUSES) == set(Threshold)
    assert {*RANKED, "UNDEFINED"} == {severity.value for severity in Severity}


def test_parse_page__basic() -> None:
    page = parse_page(
        answer(
            findings=[basic()],
            imageScanCompletedAt=AT,
            vulnerabilitySourceUpdatedAt=AT,
            findingSeverityCounts={"HIGH": 1},
        )
    )

    assert page == Page(
        status="COMPLETE",
        description="The scan was completed.",
        completed_at=AT,
        counts={"HIGH": 1},
        findings=(
            Finding(
                name="CVE-2026-1001",
                severity=Severity.HIGH,
                stated_severity="HIGH",
                packages=(Package(name="tar", version="1.35-r2"),),
                uri="https://tracker.example/CVE-2026-1001",
                description="A heap overflow in the tar reader.",
            ),
        ),
        enhanced=False,
    )
    assert page.next_token is None


def test_parse_page__enhanced() -> None:
    page = parse_page(
        answer(
            "ACTIVE",
            enhancedFindings=[enhanced()],
            imageScanCompletedAt=AT,
            findingSeverityCounts={"CRITICAL": 1},
        )
    )

    assert page.status == "ACTIVE"
    assert page.enhanced
    assert page.counts == {"CRITICAL": 1}
    assert page.findings == (
        Finding(
            name="CVE-2026-2002",
            severity=Severity.CRITICAL,
            stated_severity="CRITICAL",
            packages=(
                Package(name="libparse", version="2.9.14", fixed_in="2.9.14-r3"),
                Package(name="parse", version="1.0"),
                Package(name="parse-extra"),
            ),
            uri="https://tracker.example/CVE-2026-2002",
            description="A use-after-free in the parser.",
        ),
    )


def test_parse_page__enhanced_untriaged_keeps_the_word_of_ecr() -> None:
    (finding,) = parse_page(answer(enhancedFindings=[enhanced(severity="UNTRIAGED")])).findings

    assert (finding.severity, finding.stated_severity) == (Severity.UNDEFINED, "UNTRIAGED")


def test_parse_page__enhanced_without_details_is_named_by_its_title() -> None:
    plain = {"severity": "LOW", "title": "Something is open"}

    assert parse_page(answer(enhancedFindings=[plain])).findings == (
        Finding(name="Something is open", severity=Severity.LOW, stated_severity="LOW"),
    )


def test_s2_parse_page__finding_of_which_nothing_is_stated_has_no_rank() -> None:
    nameless = Finding(name="", severity=Severity.UNDEFINED, stated_severity="")

    found = parse_page(answer(findings=[{}], enhancedFindings=[{}])).findings
    assert found == (
        Finding(name="", severity=Severity.UNDEFINED, stated_severity="", packages=(Package(),)),
        nameless,
    )


def test_parse_page__attribute_without_value() -> None:
    attributes = [{"key": "package_name"}, {"key": "package_version", "value": "2"}]

    (finding,) = parse_page(answer(findings=[basic(attributes=attributes)])).findings
    assert finding.packages == (Package(name="", version="2"),)


def test_s1_parse_page__both_kinds_of_findings_count() -> None:
    page = parse_page(answer(findings=[basic()], enhancedFindings=[enhanced()]))

    assert [finding.name for finding in page.findings] == ["CVE-2026-1001", "CVE-2026-2002"]
    assert page.enhanced


def test_parse_page__clean_enhanced_image_does_not_name_its_engine() -> None:
    page = parse_page(
        answer("ACTIVE", findings=[], imageScanCompletedAt=AT, findingSeverityCounts={})
    )

    assert (page.findings, page.counts, page.enhanced) == ((), {}, False)


def test_parse_page__empty_enhanced_list_names_the_engine() -> None:
    assert parse_page(answer("PENDING", findings=[], enhancedFindings=[])).enhanced


def test_s2_parse_page__completion_is_never_guessed() -> None:
    page = parse_page(answer("ACTIVE", findings=[]))

    assert (page.completed_at, page.counts) == (None, None)


@pytest.mark.parametrize(
    "raw",
    [
        # botocore drops a null on the wire; both ways stay readable.
        pytest.param({"imageScanStatus": {"status": "FAILED", "description": "no"}}, id="dropped"),
        pytest.param(
            {
                "imageScanStatus": {"status": "FAILED", "description": "no"},
                "imageScanFindings": None,
            },
            id="null",
        ),
    ],
)
def test_parse_page__failed_without_findings(raw: dict[str, Any]) -> None:
    assert parse_page(raw) == Page(status="FAILED", description="no")


def test_s2_parse_page__empty_answer_has_no_status() -> None:
    assert parse_page({}) == Page(status="")
    assert parse_page({"imageScanStatus": None}) == Page(status="")


def test_parse_page__token_of_the_next_page() -> None:
    assert parse_page({**answer(), "nextToken": "more"}).next_token == "more"


def test_page__tokens_differ_while_the_content_is_the_same() -> None:
    assert make_page(next_token="a") == make_page(next_token="b")
    assert make_page(counts={"HIGH": 1}) != make_page(counts={"HIGH": 2})
    assert make_page(counts=None) != make_page(*make_findings(low=1), counts=None)


def test_count__names_every_severity_the_worst_first() -> None:
    counted = count(make_findings(low=2, critical=1, undefined=3))

    assert list(counted.items()) == [
        (Severity.CRITICAL, 1),
        (Severity.HIGH, 0),
        (Severity.MEDIUM, 0),
        (Severity.LOW, 2),
        (Severity.INFORMATIONAL, 0),
        (Severity.UNDEFINED, 3),
    ]
