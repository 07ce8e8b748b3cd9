"""A JSON report, or what the AWS CLI printed: judged again as the action has judged it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish import exploits
from ecr_publish.findings import Finding, Layer, Severity, Threshold, parse_page
from ecr_publish.gate import Decision, Ground, Verdict, judge
from ecr_publish.inputs import FailOn, OnUnjudged
from ecr_publish.outcome import Outcome
from ecr_publish.policy import BaseImageFindings, Rules
from ecr_publish.reference import ImageName
from ecr_publish.replay import NoReport, read
from ecr_publish.report.document import document as pieces
from ecr_publish.scan import Evidence, Gap, Result, Unjudged
from ecr_publish.scanning import ScanType
from tests.factories import (
    COMPLETED_AT,
    DAY,
    make_digest,
    make_finding,
    make_ignore,
    make_judgement,
    make_outcome,
    make_package,
    make_result,
    make_target,
    make_unjudged,
    make_verdict,
)
from tests.unit.strategies import GAPS, NEW, OF_BASE, OWN, RESULTS, RULES, policy_of

LATEST = ImageName.parse("latest")
HIGH = Severity.HIGH


def document(outcome: Outcome) -> str:
    """The whole report."""
    return "".join(pieces(outcome))


def judged(evidence: Evidence, rules: Rules) -> Verdict:
    return judge(evidence, policy_of(rules), DAY)


def report(evidence: Evidence, rules: Rules) -> str:
    """What a run over this evidence writes."""
    return document(make_outcome(evidence=evidence, verdict=judged(evidence, rules)))


def again(evidence: Evidence, rules: Rules, others: Rules | None = None) -> Verdict:
    """The report of a run, judged by the same rules or by others."""
    found = others or rules
    return judged(read(report(evidence, rules), found), found)


def only(*findings: Finding, gaps: Sequence[Gap] = (), **over: Any) -> Evidence:
    return Evidence(results=(make_result(*findings, **over),), gaps=tuple(gaps))


# The report of a run --------------------------------------------------------------------------


def informed(results: Sequence[Result], gaps: Sequence[Gap], rules: Rules) -> Evidence:
    """The evidence as a run makes it: what a rule needs is known of every finding, or it is a gap.

    A run states each kind of gap once, and none that no rule asks for.
    """
    findings = [finding for result in results for finding in result.findings]
    stated = {gap.kind: gap for gap in gaps}
    found = []
    if exploits.needed(rules):
        found.append(stated.get(Unjudged.EXPLOIT) or exploits.gap(findings, "it was not told"))
    if rules.baseline and Unjudged.BASELINE in stated:
        found.append(stated[Unjudged.BASELINE])
    elif rules.baseline:
        results = [
            replace(
                result,
                findings=tuple(
                    replace(finding, known=bool(finding.known)) for finding in result.findings
                ),
            )
            for result in results
        ]
    return Evidence(results=tuple(results), gaps=tuple(gap for gap in found if gap))


@given(
    st.lists(RESULTS, max_size=3),
    GAPS,
    RULES,
    st.dictionaries(st.sampled_from(["HIGH", "LOW", "UNTRIAGED"]), st.integers(0, 9)),
    st.none() | st.floats(0, 1e9),
)
def test_s1_report__gives_the_same_evidence_and_verdict(
    results: list[Result],
    gaps: list[Gap],
    rules: Rules,
    counted: dict[str, int],
    age: float | None,
) -> None:
    results = [replace(result, counted=counted, age=age) for result in results]
    evidence = informed(results, gaps, rules)
    assert read(report(evidence, rules), rules) == evidence
    assert again(evidence, rules) == judged(evidence, rules)


STRICTNESS = [Decision.PASSED, Decision.UNKNOWN, Decision.REFUSED]


def laxer(verdict: Verdict, than: Verdict) -> bool:
    """Whether an image may have more by one verdict than by another."""
    worse = STRICTNESS.index(verdict.decision) < STRICTNESS.index(than.decision)
    return worse or (verdict.may_promote and not than.may_promote)


@given(st.lists(RESULTS, max_size=3), GAPS, RULES, RULES)
def test_s1_report__of_other_rules_is_never_judged_laxer_than_the_evidence_allows(
    results: list[Result], gaps: list[Gap], rules: Rules, others: Rules
) -> None:
    """What the run did not ask is a gap, and what it compared is not taken for another baseline."""
    evidence = informed(results, gaps, rules)
    replayed = read(report(evidence, rules), others)
    assert replayed.results == evidence.results
    findings = [finding for result in results for finding in result.findings]
    kinds = [gap.kind for gap in replayed.gaps]
    stated = {gap.kind for gap in evidence.gaps}
    counted = [finding for finding in findings if not finding.suppressed]
    untold = any(finding.in_kev is None for finding in counted) or Unjudged.EXPLOIT in stated
    assert (Unjudged.EXPLOIT in kinds) is (exploits.needed(others) and untold)
    if others.baseline is None:
        assert Unjudged.BASELINE not in kinds
    elif others.baseline == rules.baseline:
        assert (Unjudged.BASELINE in kinds) is (Unjudged.BASELINE in stated)
    else:
        assert (Unjudged.BASELINE in kinds) is bool(findings)
    assert len(kinds) == len(set(kinds))
    assert not laxer(judged(replayed, others), judged(replace(evidence, gaps=()), others))


def test_report__keeps_every_fact() -> None:
    finding = make_finding(
        "CVE-\ud800 'odd' \u202e",
        "UNTRIAGED",
        packages=(
            make_package(path="a/b.jar", fixed_in="2", layer_hash="sha256:1"),
            make_package(layer=OWN),
            make_package(layer=OF_BASE),
            make_package(layer=Layer(number=3)),
        ),
        suppressed=True,
        platforms=("linux/amd64",),
        aliases=("GHSA-a", "GHSA-b"),
        fixable=False,
        exploited=True,
        known_since=datetime(2026, 7, 25, 1, 2, 3, 456_000, tzinfo=timezone(timedelta(hours=9))),
        arn="arn:aws:inspector2:eu-west-1:1:finding/a",
        epss=0.12345678901234567,
        in_kev=True,
        known=False,
    )
    late = make_unjudged(
        Unjudged.ERROR,
        "a page is missing",
        engine=ScanType.UNKNOWN,
        age=12.5,
        counted={"HIGH": 3, "SOMETHING": 1},
        target=make_target("arm", "linux/arm64/v8"),
    )
    evidence = Evidence(results=(make_result(finding, make_finding()), late))
    assert read(report(evidence, Rules()), Rules()) == evidence


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_report__in_the_encoding_of_any_shell(encoding: str) -> None:
    """PowerShell 5 writes UTF-16, with a mark."""
    evidence = only(make_finding("CVE-ä"))
    text = report(evidence, Rules()).encode(encoding)
    assert read(text, Rules()) == evidence


def test_report__is_the_same_for_the_same_outcome_and_ends_with_a_line() -> None:
    outcome = make_outcome(verdict=judged(only(make_finding()), Rules()))
    assert document(outcome) == document(deepcopy(outcome))
    assert document(outcome).endswith("\n}\n")


def test_report__comes_finding_by_finding() -> None:
    results = (make_result(make_finding("a"), make_finding("b")),)
    outcome = make_outcome(results=results, verdict=make_verdict(*results[0].findings))
    found = [piece.count('"name": "a"') + piece.count('"name": "b"') for piece in pieces(outcome)]
    assert (max(found), sum(found)) == (1, 4)


def test_report__says_what_the_verdict_was_and_why() -> None:
    ignore = make_ignore(reason="why", owner="who", until=DAY)
    outcome = make_outcome(
        results=(make_result(make_finding()),),
        verdict=make_verdict(
            judgements=(
                make_judgement(
                    make_finding(platforms=("linux/amd64",)),
                    ground=Ground.IGNORED,
                    place="p, line 3",
                    ignores=(ignore,),
                ),
                make_judgement(make_finding("CVE-2"), ground=Ground.IN_GRACE, until=DAY),
            ),
            rules=Rules(only_fixable=True, baseline=LATEST, places={"only_fixable": "p, line 1"}),
            waived_by=("report-only: true",),
        ),
    )
    said = json.loads(document(outcome))
    assert {name: said[name] for name in ("version", "verdict", "reason", "waived_by")} == {
        "version": 1,
        "verdict": "passed",
        "reason": "no findings",
        "waived_by": ["report-only: true"],
    }
    assert (said["image"], said["digest"]) == (outcome.image, str(outcome.digest))
    assert said["tags"] == ["0123456", "latest"]
    assert said["baseline"] == "latest"
    assert said["policy"] == [{"rule": "only-fixable", "value": "true", "place": "p, line 1"}]
    first, second = said["judgements"]
    assert first == {
        "name": "CVE-2024-0001",
        "severity": "HIGH",
        "packages": ["openssl"],
        "platforms": ["linux/amd64"],
        "refuses": False,
        "ground": "ignore",
        "place": "p, line 3",
        "until": None,
        "ignored_by": [
            {
                "id": "CVE-2024-0001",
                "reason": "why",
                "owner": "who",
                "until": "2026-08-01",
                "until_fixed": False,
                "place": ".ecr-publish.yml, line 3",
            }
        ],
    }
    assert (second["ground"], second["until"], second["ignored_by"]) == ("grace", "2026-08-01", [])
    assert second["refuses"] is False


def test_report__says_which_ignores_no_longer_count_and_which_met_nothing() -> None:
    ended = make_ignore("CVE-1", until=DAY, reason="why", owner="who")
    fixed = make_ignore("CVE-2", until_fixed=True)
    unmet = make_ignore("CVE-3", place="base.yml, line 9")
    said = json.loads(
        document(make_outcome(verdict=make_verdict(expired=(ended, fixed), stale=(unmet,))))
    )
    assert said["expired"][0] == {
        "id": "CVE-1",
        "reason": "why",
        "owner": "who",
        "until": "2026-08-01",
        "until_fixed": False,
        "place": ".ecr-publish.yml, line 3",
    }
    assert [(item["id"], item["until_fixed"]) for item in said["expired"]] == [
        ("CVE-1", False),
        ("CVE-2", True),
    ]
    assert [(item["id"], item["place"]) for item in said["stale"]] == [
        ("CVE-3", "base.yml, line 9")
    ]


def test_report__of_a_run_that_reached_no_verdict_passes_nothing() -> None:
    nothing = document(Outcome())
    assert [json.loads(nothing)[name] for name in ("expired", "stale")] == [[], []]
    assert judged(read(nothing, Rules()), Rules()).reason == "there was no image to scan"
    said = json.loads(nothing)
    assert (said["verdict"], said["baseline"], said["judgements"]) == ("unknown", None, [])
    # The gate was not reached: nothing was compared yet, whatever the rules say.
    scanned = document(Outcome(evidence=only(make_finding())))
    rules = Rules(baseline=LATEST, fail_on=FailOn.NEW)
    verdict = judged(read(scanned, rules), rules)
    assert verdict.decision is Decision.REFUSED
    assert verdict.reason.endswith("; the report was made without a baseline")


KNOWN = make_finding(known=True)
OTHER = Rules(baseline=ImageName.parse("1.0"), fail_on=FailOn.NEW)
COMPARED = Rules(baseline=LATEST, fail_on=FailOn.NEW)


def test_s1_baseline__of_the_report_is_no_other() -> None:
    assert again(only(KNOWN), COMPARED).decision is Decision.PASSED
    verdict = again(only(KNOWN), COMPARED, OTHER)
    assert verdict.decision is Decision.UNKNOWN
    assert verdict.reason == "the report was made with another baseline, latest"
    named = replace(COMPARED, baseline=ImageName.parse("team/app:latest"))
    assert again(only(KNOWN), COMPARED, named).decision is Decision.UNKNOWN


def test_s1_baseline__there_was_none() -> None:
    verdict = again(only(make_finding(severity="LOW")), Rules(), COMPARED)
    assert (verdict.decision, verdict.reason) == (
        Decision.UNKNOWN,
        "the report was made without a baseline",
    )
    # Where nothing was found there is nothing to compare.
    assert again(only(), Rules(), COMPARED).decision is Decision.PASSED


def test_s2_baseline__that_could_not_be_used_is_a_gap_also_where_nothing_was_found() -> None:
    gap = Gap(kind=Unjudged.BASELINE, reason="the baseline latest: the scan failed")
    verdict = again(only(gaps=[gap]), COMPARED)
    assert (verdict.decision, verdict.reason) == (Decision.UNKNOWN, gap.reason)
    assert again(only(gaps=[gap]), COMPARED, Rules()).decision is Decision.PASSED


def test_s2_baseline__finding_that_was_not_compared_is_a_gap() -> None:
    said = json.loads(report(only(KNOWN), COMPARED))
    text = json.dumps(changed(said, ("scans", 0, "findings", 0, "known"), None))
    verdict = judged(read(text, COMPARED), COMPARED)
    assert verdict.decision is Decision.REFUSED
    assert verdict.reason.endswith("; the report does not tell of every finding whether it is new")


def test_s2_exploits__that_nobody_asked_for_are_a_gap() -> None:
    rules = Rules(known_exploited=True)
    verdict = again(only(make_finding(severity="LOW")), Rules(), rules)
    assert (verdict.decision, verdict.reason) == (
        Decision.UNKNOWN,
        "EPSS and CISA's list are not known for 1 finding: the report does not tell",
    )
    told = only(make_finding(severity="LOW", in_kev=False))
    assert again(told, Rules(), rules).decision is Decision.PASSED
    listed = only(make_finding(severity="LOW", in_kev=True))
    assert again(listed, Rules(), rules).decision is Decision.REFUSED


def test_report__of_another_version_is_not_read() -> None:
    said = json.loads(report(only(), Rules()))
    with pytest.raises(NoReport, match="its version is 2, and this action reads 1"):
        read(json.dumps(said | {"version": 2}), Rules())


# What is no report ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "null", "1", "[]", "{}", '"imageScanStatus"', '["imageScanStatus"]', "{", "\0"),
        '{"version": 1}',
        '{"version": 1, "scans": {}, "gaps": [], "baseline": null}',
        '{"version": 1, "scans": "", "gaps": [], "baseline": null}',
        '{"version": 1, "scans": [], "gaps": {}, "baseline": null}',
        '{"version": 1, "scans": [], "gaps": []}',
        '{"version": 1, "scans": [1], "gaps": [], "baseline": null}',
        '{"imageScanStatus": {"status": "COMPLETE"}}',
        '{"imageScanStatus": null}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "9" * 10_000,
        "\ufeff\ufeff{}",
    ],
    ids=lambda text: repr(text[:40]),
)
def test_read__what_is_no_report_is_said(text: str) -> None:
    with pytest.raises(NoReport, match="this is no report of a scan: "):
        read(text, Rules())


@given(st.binary())
def test_read__bytes_are_no_report_and_never_more_than_that(content: bytes) -> None:
    with pytest.raises(NoReport):
        read(content, Rules())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda values: (
        st.lists(values, max_size=4)
        | st.dictionaries(
            st.sampled_from(["version", "scans", "findings", "imageScanStatus", "status", "name"])
            | st.text(max_size=5),
            values,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_read__any_json_is_no_report_or_no_pass(value: object) -> None:
    try:
        evidence = read(json.dumps(value), Rules())
    except NoReport:
        return
    assert judged(evidence, Rules()).decision is not Decision.PASSED


Path = tuple[str | int, ...]


def paths(value: Any, so_far: Path = ()) -> Iterator[Path]:
    """The ways to every value in a JSON document."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    if isinstance(value, list):
        items = list(enumerate(value))
    for key, item in items:
        yield (*so_far, key)
        yield from paths(item, (*so_far, key))


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def changed(value: Any, path: Path, new: object) -> Any:
    found = deepcopy(value)
    at(found, path[:-1])[path[-1]] = new
    return found


def without(value: Any, path: Path) -> Any:
    found = deepcopy(value)
    del at(found, path[:-1])[path[-1]]
    return found


def kind_of(value: object) -> str:
    return (
        "number"
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else (type(value).__name__)
    )


ODD: list[Any] = [
    *(None, True, False, 0, 1, -1, 0.5, 1e9, float("nan"), float("inf"), 10**400),
    *("", "no", "false", "HIGH", "2026-07-30T00:00:00", "0001-01-01T00:00:00+14:00", "1"),
    *([], [[]], [None], [1], [{}], ["a"], {}, {"a": 1}, {"from_base": True}),
]
"""What may stand where something else belongs."""

WORST = make_finding(
    "CVE-1",
    "CRITICAL",
    packages=(make_package(layer=OWN, path="a.jar"), make_package(name="zlib", layer=OF_BASE)),
    aliases=("GHSA-1",),
    fixable=True,
    exploited=True,
    known_since=NEW - timedelta(days=300),
    arn="arn:1",
    epss=0.9,
    in_kev=True,
    known=False,
)
LENIENT = Rules(
    exploited=True,
    known_exploited=True,
    epss_threshold=0.5,
    baseline=LATEST,
    fail_on=FailOn.NEW,
    base_image_findings=BaseImageFindings.REPORT,
    only_fixable=True,
    limits={Severity.LOW: 0},
    grace={HIGH: 30, Severity.CRITICAL: 30},
)
OFF: dict[str, Any] = {"exploited": False, "known_exploited": False, "epss_threshold": None}
EACH_ALONE = [
    LENIENT,
    *(
        replace(replace(LENIENT, **OFF), **rule)
        for rule in (
            {},
            {"exploited": True},
            {"known_exploited": True},
            {"epss_threshold": 0.5},
            {"baseline": None, "fail_on": FailOn.ALL},
            {"ignore": (make_ignore("CVE-1", package="openssl"), make_ignore("GHSA-2"))},
        )
    ),
    replace(Rules(), severity_threshold=Threshold.NONE, exploited=True),
    replace(Rules(), severity_threshold=Threshold.NONE, known_exploited=True),
    replace(Rules(), severity_threshold=Threshold.NONE, epss_threshold=0.5),
]
REPORTED = Evidence(
    results=(
        make_result(WORST, make_finding("CVE-2", "LOW", in_kev=False, known=False), age=5.0),
        make_unjudged(counted={"HIGH": 2}, age=5.0, target=make_target("arm", "linux/arm64/v8")),
    ),
)
REPORT = json.loads(report(REPORTED, LENIENT))
MUST = ("version", "scans", "gaps", "baseline")
"""What is read of the report; the rest is for people."""

NULLABLE = (
    *("age", "unjudged", "baseline", "fixable", "known_since", "epss", "in_kev", "known"),
    *("layer", "line", "from_base"),
)
"""Where null is a value like any other, which nobody can tell from what was there."""

READ_PATHS = [path for path in paths(REPORT) if path[0] in MUST]


def is_of_its_kind(path: Path, old: object, new: object) -> bool:
    """Whether a value could stand there in a report that this action has written."""
    return kind_of(new) == kind_of(old) or (new is None and path[-1] in NULLABLE)


@pytest.mark.parametrize("path", READ_PATHS, ids=str)
def test_s1_report__value_of_another_kind_is_no_report_or_not_laxer(path: Path) -> None:
    for new in ODD:
        if is_of_its_kind(path, at(REPORT, path), new):
            continue
        text = json.dumps(changed(REPORT, path, new))
        for rules in EACH_ALONE:
            try:
                evidence = read(text, rules)
            except NoReport:
                continue
            original = read(json.dumps(REPORT), rules)
            assert not laxer(judged(evidence, rules), judged(original, rules)), new


@pytest.mark.parametrize("path", READ_PATHS, ids=str)
def test_s1_report__with_a_part_left_out_is_no_report(path: Path) -> None:
    # A list may be shorter, and counts may be fewer; nobody can tell.
    if isinstance(path[-1], int) or path[-2:-1] == ("counted",):
        return
    with pytest.raises(NoReport):
        read(json.dumps(without(REPORT, path)), LENIENT)


def test_s1_report__with_a_key_that_nobody_knows_is_no_report() -> None:
    for path in READ_PATHS:
        value = at(REPORT, path)
        if isinstance(value, dict) and path[-1] != "counted":
            with pytest.raises(NoReport, match="are too many or missing"):
                read(json.dumps(changed(REPORT, path, value | {"more": 1})), LENIENT)


@given(st.sampled_from(READ_PATHS), JSON | st.sampled_from(ODD), st.sampled_from(EACH_ALONE))
def test_read__mutated_report_never_raises_anything_else(
    path: Path, new: object, rules: Rules
) -> None:
    text = json.dumps(changed(REPORT, path, new))
    try:
        evidence = read(text, rules)
    except NoReport:
        return
    # Whatever was read can be judged and reported.
    policy = policy_of(rules, on_timeout=OnUnjudged.WARN, on_scan_error=OnUnjudged.WARN)
    verdict = judge(evidence, policy, DAY)
    assert document(make_outcome(evidence=evidence, verdict=verdict))


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("scans", 0, "findings", 0, "stated_severity"), "LOW"),
        (("scans", 0, "findings", 0, "severity"), "LOW"),
        (("scans", 0, "findings", 0, "epss"), float("nan")),
        (("scans", 0, "findings", 0, "epss"), -0.5),
        (("scans", 0, "findings", 0, "known_since"), "2026-07-25T00:00:00"),
        (("scans", 0, "findings", 0, "known_since"), "0001-01-01T00:00:00+14:00"),
        (("scans", 0, "age"), float("inf")),
        (("scans", 1, "counted", "HIGH"), -2),
        (("scans", 1, "unjudged"), "on-tuesdays"),
        (("scans", 1, "digest"), "sha256:abc"),
        (("scans", 0, "engine"), "BASIC"),
    ],
)
def test_report__value_that_says_nothing_is_no_report(path: Path, new: object) -> None:
    with pytest.raises(NoReport):
        read(json.dumps(changed(REPORT, path, new)), Rules())


# The answer of the API ------------------------------------------------------------------------


DONE = COMPLETED_AT.isoformat()


def answer(
    findings: Sequence[dict[str, Any]] = (),
    status: str = "COMPLETE",
    *,
    enhanced: bool = False,
    done: Any = DONE,
    **over: Any,
) -> dict[str, Any]:
    """What `aws ecr describe-image-scan-findings` prints of a scan that is over."""
    words = [item.get("severity", "") for item in findings]
    return {
        "registryId": "123456789012",
        "repositoryName": "app",
        "imageId": {"imageDigest": str(make_digest()), "imageTag": "1.0"},
        "imageScanStatus": {"status": status, "description": "The scan is over."},
        "imageScanFindings": {
            "imageScanCompletedAt": done,
            "vulnerabilitySourceUpdatedAt": "2026-08-01T00:00:00+00:00",
            "findingSeverityCounts": {word: words.count(word) for word in words},
            "enhancedFindings" if enhanced else "findings": list(findings),
        },
    } | over


def basic(name: str = "CVE-1", severity: str = "HIGH") -> dict[str, Any]:
    return {
        "name": name,
        "description": "Something.",
        "uri": f"https://tracker.example/{name}",
        "severity": severity,
        "attributes": [
            {"key": "package_name", "value": "openssl"},
            {"key": "package_version", "value": "3.0.1-r0"},
            {"key": "CVSS3_SCORE", "value": "7.5"},
        ],
    }


def enhanced(name: str = "CVE-1", severity: str = "HIGH", **over: Any) -> dict[str, Any]:
    return {
        "awsAccountId": "123456789012",
        "description": "A use-after-free.",
        "findingArn": f"arn:aws:inspector2:eu-west-1:123456789012:finding/{name}",
        "firstObservedAt": "2026-05-27T13:54:07.765000-04:00",
        "packageVulnerabilityDetails": {
            "vulnerabilityId": name,
            "relatedVulnerabilities": ["GHSA-a"],
            "sourceUrl": "https://security-tracker.debian.org/tracker/CVE",
            "vendorCreatedAt": "2025-01-26T06:15:21+00:00",
            "vulnerablePackages": [
                {
                    "name": "libxml2",
                    "version": "2.9.14",
                    "epoch": 0,
                    "fixedInVersion": "NotAvailable",
                    "filePath": "usr/lib/a.jar",
                    "sourceLayerHash": f"sha256:{'d' * 64}",
                }
            ],
        },
        "score": 8.1,
        "scoreDetails": {"cvss": {"score": 8.1}},
        "severity": severity,
        "status": "ACTIVE",
        "title": f"{name} - libxml2",
        "type": "PACKAGE_VULNERABILITY",
        "fixAvailable": "NO",
        "exploitAvailable": "YES",
    } | over


def verdict_of(printed: object, **rules: Any) -> Verdict:
    found = Rules(**rules)
    return judged(read(json.dumps(printed), found), found)


NOTHING: dict[str, Any] = {"findings": []}
CASES: list[tuple[str, dict[str, Any], Decision, str]] = [
    (
        "clean",
        answer(imageScanFindings={**answer()["imageScanFindings"], "findingSeverityCounts": {}}),
        Decision.PASSED,
        "no findings",
    ),
    ("medium", answer([basic(severity="MEDIUM")]), Decision.PASSED, "1 finding, none at or above"),
    ("high", answer([basic()]), Decision.REFUSED, "1 HIGH: at or above the threshold high"),
    (
        "undefined",
        answer([basic(severity="UNDEFINED")]),
        Decision.REFUSED,
        "1 UNDEFINED: at or above",
    ),
    (
        "continuous",
        answer([enhanced()], "ACTIVE", enhanced=True),
        Decision.REFUSED,
        "1 HIGH: at or above",
    ),
    (
        "on-push",
        answer([enhanced(severity="LOW")], enhanced=True),
        Decision.PASSED,
        "1 finding, none at or above",
    ),
    (
        "untriaged",
        answer([enhanced(severity="UNTRIAGED")], "ACTIVE", enhanced=True),
        Decision.REFUSED,
        "1 UNDEFINED: at or above",
    ),
    (
        "suppressed",
        answer([enhanced(status="SUPPRESSED")], "ACTIVE", enhanced=True),
        Decision.PASSED,
        "no findings",
    ),
    ("clean-continuous", answer([], "ACTIVE"), Decision.PASSED, "no findings"),
    (
        "active-empty",
        answer(status="ACTIVE", imageScanFindings=NOTHING),
        Decision.UNKNOWN,
        "ACTIVE, but no result is stated yet",
    ),
    (
        "premature",
        answer(imageScanFindings=NOTHING),
        Decision.UNKNOWN,
        "COMPLETE, but no result is stated yet",
    ),
    (
        "in-progress",
        {name: value for name, value in answer(status="IN_PROGRESS").items() if "Find" not in name},
        Decision.UNKNOWN,
        "the scan is running",
    ),
    (
        "pending",
        answer(status="PENDING", imageScanFindings={"findings": [], "enhancedFindings": []}),
        Decision.UNKNOWN,
        "the scan has not started yet",
    ),
    (
        "failed",
        answer(
            imageScanFindings=None,
            imageScanStatus={"status": "FAILED", "description": "UnsupportedImageError: The OS."},
        ),
        Decision.UNKNOWN,
        "the scan failed: UnsupportedImageError: The OS.",
    ),
    (
        "unsupported",
        answer(status="UNSUPPORTED_IMAGE", imageScanFindings=NOTHING),
        Decision.UNKNOWN,
        "ECR cannot scan this image",
    ),
    (
        "eligibility",
        answer(status="SCAN_ELIGIBILITY_EXPIRED", imageScanFindings=NOTHING),
        Decision.UNKNOWN,
        "Inspector no longer scans this image",
    ),
    (
        "new-word",
        answer(status="DREAMING"),
        Decision.UNKNOWN,
        "ECR answered with the unknown status 'DREAMING'",
    ),
    (
        "page-1",
        answer([basic(severity="LOW")], nextToken="more"),
        Decision.UNKNOWN,
        "these are not all pages",
    ),
    (
        "max-items",
        answer([basic(severity="LOW")], NextToken="more"),
        Decision.UNKNOWN,
        "these are not all pages",
    ),
    (
        "page-2",
        changed(
            answer([basic(severity="LOW")]),
            ("imageScanFindings", "findingSeverityCounts"),
            {"LOW": 1, "HIGH": 2},
        ),
        Decision.UNKNOWN,
        "ECR counts 3 findings, but listed 1",
    ),
    (
        "page-1-bad",
        answer([basic()], nextToken="more"),
        Decision.REFUSED,
        "1 HIGH: at or above the threshold high; these are not all pages",
    ),
]


@pytest.mark.parametrize(
    ("printed", "decision", "reason"), [item[1:] for item in CASES], ids=[i[0] for i in CASES]
)
def test_s2_answer__is_judged_as_the_action_does(
    printed: dict[str, Any], decision: Decision, reason: str
) -> None:
    verdict = verdict_of(printed)
    assert verdict.reason.startswith(reason)
    assert verdict.decision is decision


def test_answer__is_what_the_action_reads_of_it() -> None:
    """Except for the times, which boto3 has made times of already."""
    printed = answer([enhanced()], "ACTIVE", enhanced=True)
    (result,) = read(json.dumps(printed), Rules()).results
    item = enhanced()
    details = item["packageVulnerabilityDetails"]
    item["firstObservedAt"] = datetime.fromisoformat(item["firstObservedAt"])
    details["vendorCreatedAt"] = datetime.fromisoformat(details["vendorCreatedAt"])
    page = parse_page({"imageScanFindings": {"enhancedFindings": [item]}})
    assert result.findings == page.findings
    assert (result.engine, result.status) == (ScanType.ENHANCED, "ACTIVE")
    assert (result.target.digest, result.counted) == (make_digest(), {"HIGH": 1})
    (finding,) = result.findings
    assert (finding.exploited, finding.fixable, finding.aliases) == (True, False, ("GHSA-a",))


@pytest.mark.parametrize(
    "done",
    [
        "2026-08-01T12:00:00+00:00",
        "2026-08-01T12:00:00Z",
        "2026-08-01T14:00:00.000000+02:00",
        # timestamp_format = none, as AWS CLI v1 has it.
        1785585600,
        1785585600.0,
    ],
)
@pytest.mark.parametrize("earlier", ["observed", "published"])
def test_s1_answer__times_as_the_cli_prints_them_and_the_earlier_counts(
    done: str | float, earlier: str
) -> None:
    later = "2026-08-02T00:00:00+00:00"
    item = enhanced(firstObservedAt=done if earlier == "observed" else later)
    published = done if earlier == "published" else later
    item["packageVulnerabilityDetails"]["vendorCreatedAt"] = published
    printed = answer([item], enhanced=True, done=done)
    (result,) = read(json.dumps(printed), Rules()).results
    assert result.unjudged is None
    assert result.findings[0].known_since == COMPLETED_AT


@pytest.mark.parametrize(
    "done", ["", "yesterday", "2026-08-01T12:00:00", True, -1, 1e300, [], {}, "0001-01-01T00:00+14"]
)
def test_answer__times_that_are_none(done: object) -> None:
    with pytest.raises(NoReport):
        read(json.dumps(answer(done=done)), Rules())
    with pytest.raises(NoReport):
        read(json.dumps(answer([enhanced(firstObservedAt=done)], enhanced=True)), Rules())
    item = enhanced()
    item["packageVulnerabilityDetails"]["vendorCreatedAt"] = done
    with pytest.raises(NoReport):
        read(json.dumps(answer([item], enhanced=True)), Rules())


def test_answer__null_is_what_ecr_does_not_say() -> None:
    bare = {"imageScanStatus": {"status": "COMPLETE"}, "imageId": answer()["imageId"]}
    assert verdict_of({**bare, "imageScanFindings": None}).decision is Decision.UNKNOWN
    assert verdict_of({**bare, "nextToken": None}).decision is Decision.UNKNOWN
    assert verdict_of(answer(done=None)).decision is Decision.UNKNOWN


def test_s2_answer__tells_nothing_of_baselines_and_exploits() -> None:
    low = answer([enhanced(severity="LOW")], enhanced=True)
    assert verdict_of(low, baseline=LATEST, fail_on=FailOn.NEW).reason == (
        "the report was made without a baseline"
    )
    verdict = verdict_of(low, epss_threshold=0.5)
    assert verdict.reason.startswith("EPSS and CISA's list are not known for 1 finding")
    warned = verdict_of(low, epss_threshold=0.5, on_exploit_error=OnUnjudged.WARN)
    assert (warned.decision, len(warned.gaps)) == (Decision.PASSED, 1)
    clean = answer()
    assert verdict_of(clean, baseline=LATEST, epss_threshold=0.5).decision is Decision.PASSED


ENHANCED = answer([enhanced(), enhanced("CVE-2", "LOW")], "ACTIVE", enhanced=True)
BASIC = answer([basic(), basic("CVE-2", "LOW")])
EXPLOITED = answer([enhanced(severity="LOW")], "ACTIVE", enhanced=True)
LEFT_ALONE = ("registryId", "repositoryName", "imageTag", "vulnerabilitySourceUpdatedAt")
ANSWER_PATHS = [
    (number, path)
    for number, printed in enumerate((ENHANCED, BASIC, EXPLOITED))
    for path in paths(printed)
]
PRINTED = (ENHANCED, BASIC, EXPLOITED)
ANSWER_RULES = [
    Rules(),
    Rules(exploited=True, severity_threshold=Threshold.NONE),
    Rules(only_fixable=True, grace={HIGH: 90}, limits={Severity.LOW: 0}),
    Rules(ignore=(make_ignore("CVE-2"), make_ignore("CVE-1", package="zlib"))),
]


@pytest.mark.parametrize(("number", "path"), ANSWER_PATHS, ids=str)
def test_s1_answer__value_of_another_kind_is_no_report_or_not_laxer(
    number: int, path: Path
) -> None:
    printed = PRINTED[number]
    for new in ODD:
        # ECR leaves out what it does not say, and a time may be a number.
        time = isinstance(path[-1], str) and path[-1].endswith("At") and kind_of(new) == "number"
        if new is None or time or kind_of(new) == kind_of(at(printed, path)):
            continue
        text = json.dumps(changed(printed, path, new))
        for rules in ANSWER_RULES:
            try:
                evidence = read(text, rules)
            except NoReport:
                continue
            original = read(json.dumps(printed), rules)
            assert not laxer(judged(evidence, rules), judged(original, rules)), new


@given(st.sampled_from(ANSWER_PATHS), JSON | st.sampled_from(ODD), RULES)
def test_read__mutated_answer_never_raises_anything_else(
    where: tuple[int, Path], new: object, rules: Rules
) -> None:
    number, path = where
    try:
        evidence = read(json.dumps(changed(PRINTED[number], path, new)), rules)
    except NoReport:
        return
    policy = policy_of(rules, on_timeout=OnUnjudged.WARN, on_scan_error=OnUnjudged.WARN)
    verdict = judge(evidence, policy, DAY)
    assert document(make_outcome(evidence=evidence, verdict=verdict))


# Pages, as the AWS CLI puts them together -----------------------------------------------------


def printed_by_the_cli(pages: Sequence[dict[str, Any]], **asked: Any) -> str:
    """What the CLI's own paginator, which is botocore's, makes of these pages of the API."""
    client: Any = boto3.client(
        "ecr",
        region_name="eu-west-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    with Stubber(client) as stubber:
        for page in pages:
            found = page["imageScanFindings"]
            done = datetime.fromisoformat(found["imageScanCompletedAt"])
            times = {"imageScanCompletedAt": done, "vulnerabilitySourceUpdatedAt": done}
            answered = page | {"imageScanFindings": found | times}
            stubber.add_response("describe_image_scan_findings", answered)
        paginated = client.get_paginator("describe_image_scan_findings").paginate(
            repositoryName="app", imageId={"imageTag": "1.0"}, **asked
        )
        return json.dumps(paginated.build_full_result(), default=datetime.isoformat)


def pages_of(number: int, counts: dict[str, int], *, basic_ones: bool) -> list[dict[str, Any]]:
    """So many pages, the worst finding on the last, each with the counts of the scan."""
    severities = ["LOW"] * (number - 1) + ["CRITICAL"]
    names = [f"CVE-{place}" for place in range(number)]
    pages = []
    for place, (name, severity) in enumerate(zip(names, severities, strict=True), start=1):
        item = basic(name, severity) if basic_ones else small(name, severity)
        page = answer([item], enhanced=not basic_ones)
        page["imageScanFindings"]["findingSeverityCounts"] = counts
        pages.append(page | ({"nextToken": f"page {place + 1}"} if place < number else {}))
    return pages


def small(name: str, severity: str) -> dict[str, Any]:
    return {"severity": severity, "packageVulnerabilityDetails": {"vulnerabilityId": name}}


@pytest.mark.parametrize("basic_ones", [True, False])
def test_s1_cli__puts_all_pages_together(*, basic_ones: bool) -> None:
    pages = pages_of(3, {"CRITICAL": 1, "LOW": 2}, basic_ones=basic_ones)
    evidence = read(printed_by_the_cli(pages), Rules())
    (result,) = evidence.results
    assert [finding.name for finding in result.findings] == ["CVE-0", "CVE-1", "CVE-2"]
    assert judged(evidence, Rules()).reason == "1 CRITICAL: at or above the threshold high"


@pytest.mark.parametrize("counts", [{"CRITICAL": 1, "LOW": 2}, {"LOW": 1}, {}])
def test_s2_cli__that_was_asked_for_the_first_findings_alone_shows_not_all(
    counts: dict[str, int],
) -> None:
    """With `--max-items` the token has another name than the API's; also counts may be missing."""
    pages = pages_of(3, counts, basic_ones=True)
    if not counts:
        for page in pages:
            del page["imageScanFindings"]["findingSeverityCounts"]
    text = printed_by_the_cli(pages[:1], PaginationConfig={"MaxItems": 1})
    assert "NextToken" in json.loads(text)
    verdict = judged(read(text, Rules()), Rules())
    assert (verdict.decision, verdict.reason) == (Decision.UNKNOWN, "these are not all pages")
