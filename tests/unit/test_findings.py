from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.findings import (
    NO_PLATFORM,
    Finding,
    Layer,
    Package,
    Page,
    Severity,
    Threshold,
    count,
    merge,
    parse_page,
    rank,
)
from tests.factories import make_finding, make_findings, make_package, make_page

AT = datetime(2026, 8, 8, 9, 30, tzinfo=timezone.utc)
EARLIER = datetime(2026, 7, 1, tzinfo=timezone.utc)
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


@pytest.mark.parametrize("word", ["UNDEFINED", "UNTRIAGED"])
@pytest.mark.parametrize("unknown", Severity)
def test_rank__what_nobody_has_rated_counts_as_the_one_given(word: str, unknown: Severity) -> None:
    assert rank(word, unknown) is unknown


@pytest.mark.parametrize("word", ["SEVERE", "", "critical", "undefined"])
def test_s2_rank__a_word_that_nobody_has_stays_without_one(word: str) -> None:
    assert rank(word, Severity.INFORMATIONAL) is Severity.UNDEFINED


@pytest.mark.parametrize("word", RANKED)
@pytest.mark.parametrize("unknown", Severity)
def test_s1_rank__a_severity_keeps_its_own(word: str, unknown: Severity) -> None:
    assert rank(word, unknown) is Severity(word)


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
                score=7.8,
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


def test_parse_page__texts_that_come_again_are_kept_once() -> None:
    first, second = (
        parse_page(answer(enhancedFindings=[enhanced(description=" ".join(["a", "flaw"]))]))
        for _ in range(2)
    )
    assert first.findings[0].description is second.findings[0].description


def test_parse_page__enhanced_untriaged_keeps_the_word_of_ecr() -> None:
    (finding,) = parse_page(answer(enhancedFindings=[enhanced(severity="UNTRIAGED")])).findings

    assert (finding.severity, finding.stated_severity) == (Severity.UNDEFINED, "UNTRIAGED")


def inspector(details: dict[str, Any] | None = None, **over: Any) -> Finding:
    """What is made of Inspector's finding with these members, and these of its vulnerability."""
    plain = enhanced(**over)
    plain["packageVulnerabilityDetails"] |= details or {}
    (finding,) = parse_page(answer(enhancedFindings=[plain])).findings
    return finding


def test_parse_page__enhanced_with_all_that_a_policy_looks_at() -> None:
    finding = inspector(
        {
            "relatedVulnerabilities": ["GHSA-aaaa", "ALAS-2026-1"],
            "vendorCreatedAt": EARLIER,
            "vulnerablePackages": [{"name": "parse", "filePath": "app/lib/parse.jar"}],
        },
        fixAvailable="YES",
        exploitAvailable="YES",
        firstObservedAt=AT,
    )
    assert finding.aliases == ("GHSA-aaaa", "ALAS-2026-1")
    assert finding.packages == (Package(name="parse", path="app/lib/parse.jar"),)
    assert (finding.fixable, finding.exploited, finding.known_since) == (True, True, EARLIER)


@pytest.mark.parametrize(
    ("word", "fixable"),
    [("YES", True), ("PARTIAL", True), ("NO", False), ("", None), ("no", None), ("NEVER", None)],
)
def test_s2_fixable__only_no_denies_a_fix(word: str, fixable: bool | None) -> None:  # noqa: FBT001
    assert inspector(fixAvailable=word).fixable is fixable


def test_s2_fixable__nothing_is_said_of_it() -> None:
    assert inspector().fixable is None
    (finding,) = parse_page(answer(findings=[basic(fixAvailable="NO")])).findings
    assert finding.fixable is None


@pytest.mark.parametrize(
    ("word", "exploited"), [("YES", True), ("NO", False), ("", False), ("yes", False)]
)
def test_exploited__where_inspector_says_so(word: str, *, exploited: bool) -> None:
    assert inspector(exploitAvailable=word).exploited is exploited


def test_exploited__nothing_is_said_of_it() -> None:
    assert not inspector().exploited


@pytest.mark.parametrize(
    ("observed", "created", "since"),
    [
        # In a new image Inspector sees everything for the first time, however old it is.
        (AT, EARLIER, EARLIER),
        (EARLIER, AT, EARLIER),
        (None, EARLIER, EARLIER),
        (AT, None, AT),
        (AT, AT, AT),
    ],
)
def test_s1_known_since__published_or_first_seen_in_the_image_whichever_is_earlier(
    observed: datetime | None, created: datetime | None, since: datetime
) -> None:
    given = {} if observed is None else {"firstObservedAt": observed}
    details = {} if created is None else {"vendorCreatedAt": created}
    assert inspector(details, **given).known_since == since


def test_s2_known_since__is_never_guessed() -> None:
    assert inspector({"vendorUpdatedAt": AT}, lastObservedAt=AT, updatedAt=AT).known_since is None


@pytest.mark.parametrize(
    ("attributes", "score"),
    [
        ({"CVSS3_SCORE": "7.8"}, 7.8),
        ({"CVSS2_SCORE": "4.6"}, 4.6),
        ({"CVSS2_SCORE": "4.6", "CVSS3_SCORE": "7.8"}, 7.8),
        ({"CVSS3_SCORE": "", "CVSS2_SCORE": "4.6"}, 4.6),
        ({"CVSS3_SCORE": "0.0"}, 0.0),
        ({"CVSS3_SCORE": "10"}, 10.0),
        ({"CVSS3_VECTOR": "AV:N"}, None),
        ({}, None),
        ({"CVSS3_SCORE": "high"}, None),
        ({"CVSS3_SCORE": "10.1"}, None),
        ({"CVSS3_SCORE": "-1"}, None),
        ({"CVSS3_SCORE": "nan"}, None),
        ({"CVSS3_SCORE": "inf"}, None),
    ],
)
def test_score__basic(attributes: dict[str, str], score: float | None) -> None:
    pairs = [{"key": key, "value": value} for key, value in attributes.items()]
    (finding,) = parse_page(answer(findings=[basic(attributes=pairs)])).findings
    assert finding.score == score


@pytest.mark.parametrize(
    ("stated", "score"),
    [(8.1, 8.1), (0.0, 0.0), (10, 10.0), (None, None), (10**400, None), ([], None), (-0.1, None)],
)
def test_score__enhanced(stated: object, score: float | None) -> None:
    assert inspector(score=stated).score == score
    assert inspector().score is None


@pytest.mark.parametrize("status", ["SUPPRESSED", "CLOSED"])
def test_parse_page__what_inspector_does_not_count(status: str) -> None:
    (finding,) = parse_page(answer(enhancedFindings=[enhanced(status=status)])).findings

    assert finding.suppressed
    assert finding.severity is Severity.CRITICAL


@pytest.mark.parametrize("status", ["ACTIVE", "", "suppressed", "SUPPRESSED ", "NEW", None])
def test_s1_parse_page__every_other_status_counts(status: str | None) -> None:
    (finding,) = parse_page(answer(enhancedFindings=[enhanced(status=status)])).findings

    assert not finding.suppressed


def test_s1_parse_page__findings_without_a_status_count() -> None:
    unsaid = enhanced()
    del unsaid["status"]
    # The basic engine knows no status: whatever stands there hides nothing.
    page = parse_page(answer(findings=[basic(status="CLOSED")], enhancedFindings=[unsaid]))

    assert [finding.suppressed for finding in page.findings] == [False, False]


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


# Merging --------------------------------------------------------------------------------------


def test_merge__one_finding_on_several_platforms() -> None:
    one, other = make_finding("CVE-1"), make_finding("CVE-2")
    merged = merge([("linux/amd64", one), ("linux/amd64", other), ("linux/arm64", one)])

    assert merged == (
        replace(one, platforms=("linux/amd64", "linux/arm64")),
        replace(other, platforms=("linux/amd64",)),
    )


def test_merge__single_image_names_no_platform() -> None:
    finding = make_finding()

    assert merge([("", finding), ("", finding)]) == (finding,)


def test_merge__platform_is_named_once() -> None:
    (finding,) = merge([("linux/amd64", make_finding())] * 2)

    assert finding.platforms == ("linux/amd64",)


def test_merge__texts_may_differ_and_the_first_is_shown() -> None:
    one = make_finding()
    other = replace(one, uri="https://other.example", description="Something else.")

    assert merge([("a", one), ("b", other)]) == (replace(one, platforms=("a", "b")),)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "CVE-2024-0002"},
        {"severity": Severity.CRITICAL, "stated_severity": "CRITICAL"},
        {"stated_severity": "High"},
        {"suppressed": True},
        {"packages": ()},
        {"packages": (make_package(version="3.0.2-r0"),)},
        {"packages": (make_package(name="libssl"),)},
        {"packages": (make_package(), make_package(name="libssl"))},
        {"packages": (make_package(path="usr/lib"),)},
        {"packages": (make_package(fixed_in="3.0.2-r0"),)},
        {"aliases": ("GHSA-aaaa",)},
        {"fixable": True},
        {"fixable": False},
        {"exploited": True},
        {"epss": 0.5},
        {"in_kev": True},
        {"in_kev": False},
        {"known": True},
        {"known": False},
        {"packages": (make_package(layer=Layer(number=1, from_base=True)),)},
    ],
)
def test_s1_merge__whatever_else_differs_stays_apart(change: dict[str, Any]) -> None:
    one = make_finding()
    merged = merge([("a", one), ("b", replace(one, **change))])

    assert len(merged) == 2
    assert {finding.platforms for finding in merged} == {("a",), ("b",)}


@pytest.mark.parametrize(
    ("layers", "number"),
    [
        # The base image of each platform has words and layers of its own.
        ((Layer(number=1, created_by="ADD amd64", from_base=True), "ADD arm64", True), 1),
        ((Layer(number=1, created_by="RUN a", line=3, from_base=False), "RUN b", False), 1),
        ((None, "RUN b", None), 1),
        ((Layer(number=1, created_by="ADD amd64", from_base=True), "ADD arm64", None), 2),
        ((None, "ADD arm64", True), 2),
    ],
)
def test_s1_merge__of_the_layers_only_counts_whether_the_base_brought_them(
    layers: tuple[Layer | None, str, bool | None], number: int
) -> None:
    first, words, from_base = layers
    other = Layer(number=2, created_by=words, from_base=from_base)
    one, two = (make_finding(packages=(make_package(layer=layer),)) for layer in (first, other))
    for found in ([("a", one), ("b", two)], [("b", two), ("a", one)]):
        merged = merge(found)
        assert len(merged) == number
        assert merged[0].packages[0].layer == found[0][1].packages[0].layer
        assert {item.from_base for item in merged} == {one.from_base, two.from_base}


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((), False),
        ((None,), False),
        (("unknown layer",), False),
        ((True,), True),
        ((True, True), True),
        ((True, None), False),
        ((True, False), False),
        ((False,), False),
        ((True, "unknown layer"), False),
    ],
)
def test_s1_from_base__only_where_it_is_certain_of_every_package(
    layers: tuple[bool | str | None, ...], *, expected: bool
) -> None:
    packages = tuple(
        make_package(layer=None if isinstance(known, str) else Layer(number=1, from_base=known))
        for known in layers
    )
    assert make_finding(packages=packages).from_base is expected


@pytest.mark.parametrize(
    ("times", "since"),
    [
        ((AT, EARLIER), EARLIER),
        ((EARLIER, AT, AT), EARLIER),
        ((AT, AT), AT),
        ((AT,), AT),
        ((None,), None),
        ((AT, None), None),
        ((None, EARLIER, AT), None),
    ],
)
def test_s1_merge__known_since_the_earliest_and_unknown_if_one_is(
    times: tuple[datetime | None, ...], since: datetime | None
) -> None:
    found = [(f"p{place}", make_finding(known_since=time)) for place, time in enumerate(times)]
    for order in permutations(found):
        (merged,) = merge(order)
        assert merged.known_since == since
        assert set(merged.platforms) == {platform for platform, _ in found}


@pytest.mark.parametrize(
    ("scores", "highest"),
    [
        ((5.0, 9.8), 9.8),
        ((9.8, None, 5.0), 9.8),
        ((0.0, None), 0.0),
        ((None, None), None),
    ],
)
def test_merge__the_highest_score_is_shown(
    scores: tuple[float | None, ...], highest: float | None
) -> None:
    found = [(f"p{place}", make_finding(score=score)) for place, score in enumerate(scores)]
    for order in permutations(found):
        (merged,) = merge(order)
        assert merged.score == highest


@pytest.mark.parametrize(
    ("platforms", "named"),
    [
        ([""], ()),
        (["", ""], ()),
        (["linux/amd64"], ("linux/amd64",)),
        (["linux/amd64", ""], ("linux/amd64", NO_PLATFORM)),
        (["", "linux/amd64", ""], (NO_PLATFORM, "linux/amd64")),
    ],
)
def test_s1_merge__image_of_an_index_without_a_platform_is_kept_apart(
    platforms: list[str], named: tuple[str, ...]
) -> None:
    (merged,) = merge((platform, make_finding()) for platform in platforms)
    assert merged.platforms == named


def test_merge__worst_first_and_then_by_name() -> None:
    names = [("CVE-2", "LOW"), ("CVE-9", "HIGH"), ("CVE-1", "LOW"), ("CVE-5", "CRITICAL")]
    merged = merge(("", make_finding(*each)) for each in names)

    assert [finding.name for finding in merged] == ["CVE-5", "CVE-9", "CVE-1", "CVE-2"]


SOME = st.builds(
    make_finding,
    st.sampled_from(["CVE-1", "CVE-2"]),
    st.sampled_from(["CRITICAL", "LOW", "UNTRIAGED", "UNDEFINED"]),
    suppressed=st.booleans(),
    packages=st.sampled_from([(), (make_package(),)]),
)
FOUND = st.lists(st.tuples(st.sampled_from(["", "linux/amd64", "linux/arm64"]), SOME), max_size=8)


@given(FOUND)
def test_s1_merge__loses_nothing_and_adds_nothing(found: list[tuple[str, Finding]]) -> None:
    merged = merge(found)

    assert {replace(finding, platforms=()) for finding in merged} == {item for _, item in found}
    assert {
        ("" if platform == NO_PLATFORM else platform, replace(finding, platforms=()))
        for finding in merged
        for platform in finding.platforms or ("",)
    } == {*found}
    assert len({replace(finding, platforms=()) for finding in merged}) == len(merged)


@given(FOUND, st.data())
def test_merge__order_changes_no_finding(
    found: list[tuple[str, Finding]], data: st.DataObject
) -> None:
    def plain(merged: tuple[Finding, ...]) -> set[Finding]:
        return {replace(item, platforms=tuple(sorted(item.platforms))) for item in merged}

    assert plain(merge(found)) == plain(merge(data.draw(st.permutations(found))))
