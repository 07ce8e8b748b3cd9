import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import jsonschema  # check-jsonschema brings it
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecr_publish import __version__
from ecr_publish.errors import PublishError
from ecr_publish.findings import Finding, Layer, Package, Severity, Threshold
from ecr_publish.gate import Decision, Ground
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import FailOn
from ecr_publish.outcome import Outcome
from ecr_publish.plan import Existing
from ecr_publish.policy import BaseImageFindings, Rules
from ecr_publish.reference import ImageName, Tag
from ecr_publish.report import sarif as module
from ecr_publish.report.sarif import sarif as pieces
from ecr_publish.scan import Gap, Result, Unjudged
from tests.factories import (
    NAME,
    URI,
    make_build,
    make_digest,
    make_finding,
    make_findings,
    make_ignore,
    make_judgement,
    make_outcome,
    make_package,
    make_plan,
    make_policy,
    make_refusal,
    make_result,
    make_target,
    make_unjudged,
    make_verdict,
    verdict_over,
)
from tests.golden import GOLDEN
from tests.unit.report.test_comment import fork


def sarif(outcome: Outcome) -> str:
    """The whole file."""
    return "".join(pieces(outcome))


TEXT = {"type": "string", "minLength": 1, "maxLength": 1024}
MESSAGE = {
    "type": "object",
    "required": ["text"],
    "properties": {"text": TEXT},
    "additionalProperties": False,
}
LEVEL = {"enum": ["note", "warning", "error"]}
LINE = {"type": "integer", "minimum": 1}


def closed(needed: Mapping[str, Any], **optional: Any) -> dict[str, Any]:
    """An object with these members and no others; what stands before the optional ones must be."""
    return {
        "type": "object",
        "required": [*needed],
        "properties": {**needed, **optional},
        "additionalProperties": False,
    }


def listed(item: Mapping[str, Any], most: int = 25_000, least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": item, "maxItems": most, "minItems": least}


RULE = closed(
    {
        "id": {**TEXT, "maxLength": 255},
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": closed(
            {"text": {"type": "string", "minLength": 1}, "markdown": {"type": "string"}}
        ),
        "defaultConfiguration": closed({"level": LEVEL}),
        "properties": closed(
            {
                "security-severity": {"type": "string", "pattern": r"^(10\.0|[1-9]\.\d|0\.[1-9])$"},
                "precision": {"enum": ["very-high", "high", "medium", "low"]},
                "tags": {**listed(TEXT, most=10), "uniqueItems": True},
            }
        ),
    },
    helpUri={"type": "string", "pattern": "^https?://[!-~]+$", "maxLength": 500},
)
LOCATION = closed(
    {
        "physicalLocation": closed(
            {
                "artifactLocation": closed(
                    {"uri": {"type": "string", "pattern": r"^(file:///)?([\w.~/-]|%[0-9A-F]{2})+$"}}
                ),
                "region": closed(
                    {"startLine": LINE, "startColumn": LINE, "endLine": LINE, "endColumn": LINE}
                ),
            }
        )
    },
    logicalLocations=listed(
        closed({"name": TEXT, "fullyQualifiedName": TEXT, "kind": {"const": "package"}}), most=1
    ),
)
RESULT = closed(
    {
        "ruleId": TEXT,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": {**MESSAGE, "properties": {"text": {**TEXT, "maxLength": 2000}}},
        "locations": listed(LOCATION, most=1, least=1),
        "partialFingerprints": closed(
            {"primaryLocationLineHash": {"type": "string", "pattern": "^[0-9a-f]{32}$"}}
        ),
        "suppressions": {
            **listed(
                closed(
                    {
                        "kind": {"const": "external"},
                        "status": {"const": "accepted"},
                        "justification": TEXT,
                    }
                ),
                most=10,
            ),
            "uniqueItems": True,
        },
        "properties": {"type": "object"},
    },
    baselineState={"enum": ["new", "unchanged"]},
)
DRIVER = closed(
    {
        "name": {"const": "ecr-publish"},
        "version": TEXT,
        "semanticVersion": TEXT,
        "rules": listed(RULE),
    }
)
INVOCATION = closed(
    {
        "executionSuccessful": {"type": "boolean"},
        "toolExecutionNotifications": listed(closed({"level": LEVEL, "message": MESSAGE})),
    }
)
SCHEMA = closed(
    {
        "$schema": {"const": module._SCHEMA},
        "version": {"const": "2.1.0"},
        "runs": listed(
            closed(
                {
                    "tool": closed({"driver": DRIVER}),
                    "automationDetails": closed({"id": {"type": "string", "pattern": "^ecr-.*/$"}}),
                    "invocations": listed(INVOCATION, most=1, least=1),
                    "columnKind": {"const": "utf16CodeUnits"},
                    "results": listed(RESULT),
                    "properties": {"type": "object"},
                }
            ),
            most=1,
            least=1,
        ),
    }
)
"""What SARIF 2.1.0 and GitHub ask for of the members that are written, and no other members."""

VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


def run_of(outcome: Outcome) -> dict[str, Any]:
    """The one run, after a look at whether GitHub would take it."""
    log = json.loads(sarif(outcome))
    VALIDATOR.validate(log)
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    prints = Counter(result["partialFingerprints"].popitem()[1] for result in run["results"])
    assert set(prints.values()) <= {1}
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    assert {rule["id"] for rule in rules} == {result["ruleId"] for result in run["results"]}
    return dict(run)


def results_of(outcome: Outcome) -> list[dict[str, Any]]:
    return list(run_of(outcome)["results"])


def rules_of(*findings: Finding, **over: Any) -> list[dict[str, Any]]:
    outcome = make_outcome(verdict=make_verdict(*findings, **over))
    return list(run_of(outcome)["tool"]["driver"]["rules"])


def one(finding: Finding, **over: Any) -> dict[str, Any]:
    """The result of one finding, which is judged as this says."""
    judgement = make_judgement(finding, **over)
    (result,) = results_of(make_outcome(verdict=make_verdict(judgements=(judgement,))))
    return result


def fingerprints(outcome: Outcome) -> list[str]:
    (run,) = json.loads(sarif(outcome))["runs"]
    return [item["partialFingerprints"]["primaryLocationLineHash"] for item in run["results"]]


# Golden ---------------------------------------------------------------------------------------

LAYER = Layer(number=3, created_by="RUN apk add openssl", line=4, from_base=False)
IN_BASE = Layer(number=1, from_base=True)
EVERY_RULE = Rules(
    fail_on=FailOn.NEW,
    only_fixable=True,
    exploited=True,
    base_image_findings=BaseImageFindings.REPORT,
    baseline=ImageName.parse("latest"),
    grace={Severity.HIGH: 30},
    ignore=(
        make_ignore(
            "CVE-2024-IGNORED", reason="not reachable", owner="team-a", until=date(2026, 12, 1)
        ),
    ),
    places={"exploited": ".ecr-publish.yml, line 7"},
)


def passed() -> Outcome:
    return make_outcome()


def refused() -> Outcome:
    libssl = make_package(name="libssl3", path="usr/lib/libssl.so.3", fixed_in="3.0.13-r0")
    worst = make_finding(
        "CVE-2024-0727",
        "CRITICAL",
        score=9.8,
        packages=(make_package(fixed_in="3.0.13-r0", layer=LAYER), libssl),
        aliases=("GHSA-aaaa",),
        exploited=True,
        in_kev=True,
        epss=0.97,
    )
    low = make_finding("CVE-2024-LOW", "LOW", score=3.1)
    on_arm = make_finding(packages=(make_package(version="3.0.2-r0"),), score=5.0)
    amd = make_result(worst, low, make_finding(), target=make_target("amd", "linux/amd64"))
    arm = make_result(worst, on_arm, target=make_target("arm", "linux/arm64"))
    return make_outcome(results=(amd, arm), verdict=verdict_over((amd, arm), make_policy()))


def every_ground() -> Outcome:
    known = make_finding("CVE-2024-KNOWN", known=True)
    found = (
        replace(known, name="CVE-2024-NEW", known=False),
        known,
        make_finding("CVE-2024-EXPLOITED", "LOW", exploited=True, known=True),
        make_finding("CVE-2024-BASE", packages=(make_package(layer=IN_BASE),), known=False),
        make_finding("CVE-2024-NOFIX", fixable=False, known=False),
        make_finding("CVE-2024-IGNORED", "CRITICAL", known=False),
        make_finding("CVE-2024-SUPPRESSED", "CRITICAL", suppressed=True, known=False),
    )
    results = (make_result(*found),)
    policy = replace(make_policy(), rules=EVERY_RULE)
    return make_outcome(results=results, verdict=verdict_over(results, policy))


def incomplete() -> Outcome:
    amd = make_result(*make_findings(high=1), target=make_target("amd", "linux/amd64"))
    arm = make_unjudged(target=make_target("arm", "linux/arm64"))
    return make_outcome(results=(amd, arm), verdict=verdict_over((amd, arm), make_policy()))


def without_verdict() -> Outcome:
    hushed = make_finding("CVE-2024-HUSHED", suppressed=True)
    results = (make_result(make_finding(), hushed),)
    return make_outcome(results=results, verdict=None, error=PublishError("ECR did not\nanswer"))


HOSTILE = (
    "[click](javascript:alert(1)) {0} <img src=x onerror=alert(1)>",
    "| a |\n|---|\n| b | `c` {{1}}",
    "\x1b[2J\u202e\ud800 *bold* ::error::x\r\n##[error]x",
)


def hostile() -> Outcome:
    ignores = tuple(make_ignore(text, reason=text, owner=text, place=text) for text in HOSTILE)
    layer = Layer(number=1, created_by=HOSTILE[2], line=2)
    found = [
        Finding(
            name=text,
            severity=Severity.UNDEFINED,
            stated_severity=text,
            packages=(Package(name=text, version=text, fixed_in=text, path=text, layer=layer),),
            uri=f"{prefix}{text}",
            description=text,
            aliases=(text,),
        )
        for text, prefix in zip(HOSTILE, ("", "https://e.example/", "javascript:"), strict=True)
    ]
    target = make_target("a", HOSTILE[0])
    results = (make_result(*found, target=target), make_unjudged(reason=HOSTILE[1]))
    policy = make_policy(ignore=ignores[:1], places={"severity_threshold": HOSTILE[1]})
    return make_outcome(
        plan=make_plan(source=make_build(context="a b/ü%", file="x y/\ud800#?:.Dockerfile")),
        results=results,
        verdict=verdict_over(results, policy),
    )


CASES: dict[str, Callable[[], Outcome]] = {
    "sarif-passed.json": passed,
    "sarif-refused.json": refused,
    "sarif-every-ground.json": every_ground,
    "sarif-incomplete.json": incomplete,
    "sarif-without-verdict.json": without_verdict,
    "sarif-hostile.json": hostile,
    "sarif-fork.json": fork,
}


@pytest.mark.parametrize("name", CASES)
def test_sarif__golden(name: str, golden: Callable[[str, str], None]) -> None:
    outcome = CASES[name]()
    run_of(outcome)
    golden(name, json.dumps(json.loads(sarif(outcome)), indent=2, ensure_ascii=False) + "\n")


def test_golden__no_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.glob("sarif-*")} == set(CASES)


def test_sarif__is_one_line_of_ascii_and_always_the_same() -> None:
    text = sarif(hostile())
    assert text == sarif(hostile())
    assert text.isascii()
    assert text.count("\n") == 1
    assert text.endswith("}\n")


# The run --------------------------------------------------------------------------------------


def test_sarif__nothing_happened() -> None:
    run = run_of(Outcome())
    assert run["tool"]["driver"]["version"] == __version__
    assert run["automationDetails"] == {"id": "ecr-publish/"}
    assert run["results"] == []
    assert run["invocations"][0] == {
        "executionSuccessful": False,
        "toolExecutionNotifications": [
            {"level": "error", "message": {"text": "the run ended early"}}
        ],
    }


def test_sarif__several_images_of_one_workflow_have_a_category_each() -> None:
    assert run_of(make_outcome())["automationDetails"] == {"id": f"ecr-publish/{NAME}/"}
    assert run_of(make_outcome(state=None))["automationDetails"] == {"id": f"ecr-publish/{NAME}/"}


def test_sarif__names_the_image_and_the_verdict() -> None:
    verdict = make_refusal(make_finding(), waived_by=("report-only: true",))
    assert run_of(make_outcome(verdict=verdict))["properties"] == {
        "image": make_outcome().image,
        "verdict": "refused",
        "reason": "1 HIGH: at or above the threshold high",
        "waived-by": ["report-only: true"],
        "results-left-out": 0,
    }
    assert make_outcome().image.startswith(URI)


def invocation(outcome: Outcome) -> tuple[bool, list[tuple[str, str]]]:
    (stated,) = run_of(outcome)["invocations"]
    said = stated["toolExecutionNotifications"]
    return stated["executionSuccessful"], [(it["level"], it["message"]["text"]) for it in said]


def test_invocation__a_refusal_is_a_success_of_the_tool() -> None:
    assert invocation(make_outcome(verdict=make_refusal(make_finding()))) == (True, [])


def test_s2_invocation__an_incomplete_scan_is_none_even_where_it_is_refused_or_waived() -> None:
    assert invocation(incomplete()) == (False, [("error", incomplete().reason)])
    assert incomplete().decision is Decision.REFUSED
    waived = make_verdict(complete=False, waived_by=("on-timeout: warn",))
    assert invocation(make_outcome(verdict=waived)) == (False, [("error", "no findings")])


def test_invocation__a_failure_after_the_scan_leaves_its_findings_complete() -> None:
    outcome = make_outcome(error=PublishError("no tag"))
    assert invocation(outcome) == (True, [("error", "no tag")])


def test_invocation__gaps_that_fail_and_gaps_that_do_not() -> None:
    unknown = make_verdict(decision=Decision.UNKNOWN, reason="no baseline")
    assert invocation(make_outcome(verdict=unknown)) == (True, [("error", "no baseline")])
    gap = Gap(kind=Unjudged.BASELINE, reason="the baseline is gone")
    assert invocation(make_outcome(verdict=make_verdict(gaps=(gap,)))) == (
        True,
        [("warning", "The baseline is gone (on-baseline-error: warn)")],
    )


def test_sarif__without_a_verdict_all_that_is_known_is_listed_and_nothing_judged() -> None:
    results = results_of(without_verdict())
    levels = {item["ruleId"]: (item["level"], bool(item["suppressions"])) for item in results}
    assert levels == {"CVE-2024-0001": ("warning", False), "CVE-2024-HUSHED": ("note", True)}
    (judged, hushed) = (item["message"]["text"] for item in results)
    assert judged.endswith(". Not judged.")
    assert hushed.endswith("Does not refuse the image: suppressed in Inspector, not counted.")


# Rules ----------------------------------------------------------------------------------------


def severity_of(finding: Finding, **rules: Any) -> str:
    (rule,) = rules_of(finding, rules=Rules(**rules))
    return str(rule["properties"]["security-severity"])


@pytest.mark.parametrize(
    ("word", "score", "shown"),
    [
        ("CRITICAL", None, "9.5"),
        ("HIGH", None, "8.0"),
        ("MEDIUM", None, "5.5"),
        ("LOW", None, "2.0"),
        ("INFORMATIONAL", None, "0.1"),
        ("UNDEFINED", None, "9.5"),
        ("UNTRIAGED", None, "9.5"),
        ("SEVERE", None, "9.5"),
        ("MEDIUM", 6.1, "6.1"),
        ("MEDIUM", 9.8, "9.8"),
        ("CRITICAL", 10.0, "10.0"),
        # Never lower than what the gate takes it for.
        ("CRITICAL", 5.0, "9.1"),
        ("CRITICAL", 9.0, "9.1"),
        ("HIGH", 5.0, "7.0"),
        ("MEDIUM", 0.0, "4.0"),
        ("LOW", 0.0, "0.1"),
        ("INFORMATIONAL", 0.0, "0.1"),
        ("UNTRIAGED", 5.3, "9.1"),
        ("LOW", float("nan"), "0.1"),
        ("LOW", float("inf"), "10.0"),
        ("LOW", -1.0, "0.1"),
    ],
)
def test_s1_security_severity(word: str, score: float | None, shown: str) -> None:
    assert severity_of(make_finding(severity=word, score=score)) == shown


def test_security_severity__of_what_has_no_rank_is_what_the_policy_says() -> None:
    untriaged = make_finding(severity="UNTRIAGED")
    assert severity_of(untriaged, unknown_severity=Severity.MEDIUM) == "5.5"
    assert severity_of(make_finding(severity="SEVERE"), unknown_severity=Severity.LOW) == "9.5"


def test_rule__is_as_bad_as_the_worst_of_its_findings() -> None:
    libssl = (make_package(name="libssl"),)
    judged = (
        make_judgement(make_finding(severity="LOW")),
        make_judgement(make_finding(packages=libssl), ground=Ground.AT_THRESHOLD),
    )
    (rule,) = rules_of(judgements=judged)
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["properties"]["security-severity"] == "8.0"
    assert "high" in rule["properties"]["tags"]
    assert "low" in rule["properties"]["tags"]


def test_rule__texts() -> None:
    description = "A use  after free.\nIn 2.0. " + "long " * 400
    (rule,) = rules_of(make_finding("CVE-1", description=description, uri="https://e.example/a b"))
    assert rule["shortDescription"] == {"text": "CVE-1: A use after free"}
    assert rule["fullDescription"]["text"].startswith("A use after free. In 2.0. long")
    assert len(rule["fullDescription"]["text"]) == 1000
    assert rule["fullDescription"]["text"].endswith("…")
    assert rule["helpUri"] == "https://e.example/a%20b"
    assert rule["help"] == {
        "text": ("CVE-1\nopenssl 3.0.1-r0: no fixed version is known\nhttps://e.example/a%20b"),
        "markdown": (
            "| Package | Installed | Fixed in | File |\n|---|---|---|---|\n"
            "| openssl | 3.0.1-r0 |  |  |\n\nMore: [CVE-1](https://e.example/a%20b)"
        ),
    }


def test_rule__of_a_finding_that_says_nothing() -> None:
    bare = make_finding("", "", uri="", description=" ", packages=())
    (rule,) = rules_of(bare)
    assert (rule["id"], "helpUri" in rule) == ("(no name)", False)
    assert rule["shortDescription"] == rule["fullDescription"] == {"text": "(no name)"}
    assert rule["help"]["text"] == "(no name)\n(no package): no fixed version is known"
    assert rule["properties"]["tags"] == ["security", "vulnerability", "undefined"]
    result = one(bare)
    assert result["message"]["text"].startswith("(no name) (no severity). Does not")
    assert "logicalLocations" not in result["locations"][0]


def test_rule__takes_description_and_link_from_whichever_finding_has_them() -> None:
    bare = make_finding(description="", uri="ftp://e.example")
    full = make_finding(packages=(make_package(name="zlib"),))
    (rule,) = rules_of(bare, full)
    assert rule["fullDescription"]["text"] == full.description
    assert rule["helpUri"] == full.uri


@pytest.mark.parametrize(("number", "rest"), [(10, ""), (11, "and 1 more"), (40, "and 30 more")])
def test_rule__most_packages_in_the_help(number: int, rest: str) -> None:
    packages = tuple(make_package(name=f"lib{place:02}", layer_hash="x") for place in range(number))
    (rule,) = rules_of(make_finding(packages=packages))
    assert len(re.findall(r"^lib\d\d", rule["help"]["text"], re.M)) == 10
    assert rule["help"]["markdown"].count("| lib") == 10
    assert (rest or "more") in rule["help"]["text"] or not rest
    assert ("and" in rule["help"]["markdown"]) is bool(rest)
    assert ("and" in rule["help"]["text"]) is bool(rest)


def test_rule__the_same_package_on_two_platforms_is_one_row() -> None:
    layered = make_package(layer_hash="sha256:1", layer=LAYER)
    (rule,) = rules_of(make_finding(packages=(make_package(), layered)))
    assert rule["help"]["markdown"].count("| openssl") == 1


def test_rule__tags() -> None:
    finding = make_finding(exploited=True, in_kev=True, aliases=("GHSA-a", "GHSA-a", "", "low"))
    tags = ["security", "vulnerability", "high", "known-exploited", "exploit-available"]
    assert rules_of(finding)[0]["properties"]["tags"] == [*tags, "GHSA-a", "low"]
    many = replace(finding, aliases=tuple(f"GHSA-{number}" for number in range(30)))
    assert rules_of(many)[0]["properties"]["tags"] == [*tags, *(f"GHSA-{n}" for n in range(5))]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://e.example/CVE?a=b#c", "https://e.example/CVE?a=b#c"),
        ("http://e.example:8080/%41", "http://e.example:8080/%41"),
        ("https://e.example/ü](x)", "https://e.example/%C3%BC%5D%28x%29"),
        ("https://e.example/%zz", None),
        ("https://e.example/#a#b", None),
        ("https://user@e.example/", None),
        ("https://", None),
        ("javascript:alert(1)//https://e.example", None),
        ("//e.example", None),
        ("", None),
        ("https://e.example/\ud800", "https://e.example/?"),
        (f"https://e.example/{'a' * 482}", f"https://e.example/{'a' * 482}"),
        (f"https://e.example/{'a' * 483}", None),
        (f"https://e.example/{'ü' * 100}", None),
    ],
)
def test_rule__links_plain_web_addresses_only(uri: str, shown: str | None) -> None:
    (rule,) = rules_of(make_finding(uri=uri))
    assert rule.get("helpUri") == shown
    assert ("More: " in rule["help"]["markdown"]) is (shown is not None)


# Results --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ground", "level"),
    [
        (Ground.AT_THRESHOLD, "error"),
        (Ground.OVER_LIMIT, "error"),
        (Ground.EXPLOITED, "error"),
        (Ground.KNOWN_EXPLOITED, "error"),
        (Ground.LIKELY_EXPLOITED, "error"),
        (Ground.KNOWN, "warning"),
        (Ground.OF_BASE_IMAGE, "warning"),
        (Ground.NOT_FIXABLE, "warning"),
        (Ground.IN_GRACE, "warning"),
        (Ground.BELOW_THRESHOLD, "note"),
        (Ground.IGNORED, "note"),
        (Ground.SUPPRESSED, "note"),
    ],
)
def test_s1_result__level_and_whether_it_refuses(ground: Ground, level: str) -> None:
    result = one(make_finding(), ground=ground)
    assert result["level"] == level
    assert result["properties"]["refuses"] is (level == "error")
    assert result["properties"]["ground"] == ground.value
    assert bool(result["suppressions"]) is (ground in (Ground.IGNORED, Ground.SUPPRESSED))
    refuses = "Refuses the image: " in result["message"]["text"]
    assert refuses is (level == "error")


def test_result__the_first_sentence_is_a_title() -> None:
    finding = make_finding(
        packages=(make_package(fixed_in="3.0.2", layer=LAYER),), platforms=("linux/amd64",)
    )
    result = one(finding, ground=Ground.AT_THRESHOLD, place="p.yml, line 3")
    assert result["message"]["text"] == (
        "CVE-2024-0001 (HIGH) in openssl 3.0.1-r0, fixed in 3.0.2. "
        "Refuses the image: at or above the threshold high (p.yml, line 3). "
        "Platforms: linux/amd64. Brought by line 4: RUN apk add openssl."
    )


def test_result__properties() -> None:
    package = make_package(fixed_in="3.0.2", path="usr/lib/x.so", layer=LAYER)
    finding = make_finding(
        packages=(package,), platforms=("linux/amd64",), epss=0.0, in_kev=False, score=8.1
    )
    day = date(2026, 9, 1)
    result = one(finding, ground=Ground.IN_GRACE, place="p.yml, line 3", until=day)
    assert result["properties"] == {
        "package": "openssl",
        "path": "usr/lib/x.so",
        "installed": ["3.0.1-r0"],
        "fixed-in": ["3.0.2"],
        "platforms": ["linux/amd64"],
        "severity": "HIGH",
        "cvss": 8.1,
        "refuses": False,
        "ground": "grace",
        "place": "p.yml, line 3",
        "until": "2026-09-01",
        "epss": 0.0,
        "known-exploited": False,
        "layer": "line 4: RUN apk add openssl",
    }
    (logical,) = result["locations"][0]["logicalLocations"]
    assert logical["fullyQualifiedName"] == "usr/lib/x.so/openssl"


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -0.5, 11.0])
def test_result__a_number_that_is_none_is_left_out(number: float) -> None:
    properties = one(make_finding(epss=number, score=number))["properties"]
    assert not {"epss", "cvss"} & set(properties)


def test_result__one_for_each_package() -> None:
    packages = (make_package(), make_package(name="libssl"), make_package(path="opt/x"))
    results = results_of(make_outcome(verdict=make_verdict(make_finding(packages=packages))))
    assert [item["properties"]["package"] for item in results] == ["libssl", "openssl", "openssl"]
    assert {item["ruleIndex"] for item in results} == {0}


def test_s1_result__versions_and_platforms_of_one_package_are_one_and_the_worst_decides() -> None:
    low = make_finding(severity="LOW", platforms=("linux/arm64",), score=9.9)
    high = make_finding(
        platforms=("linux/amd64",),
        packages=(make_package(version="2.0", fixed_in="2.1"), make_package(name="zlib")),
    )
    judged = (
        make_judgement(low, ground=Ground.IGNORED, ignores=(make_ignore(),)),
        make_judgement(high, ground=Ground.AT_THRESHOLD),
    )
    for order in (judged, judged[::-1]):
        results = results_of(make_outcome(verdict=make_verdict(judgements=order)))
        openssl = next(item for item in results if item["properties"]["package"] == "openssl")
        assert len(results) == 2
        assert (openssl["level"], openssl["suppressions"]) == ("error", [])
        assert openssl["properties"]["severity"] == "HIGH"
        assert openssl["properties"]["installed"] == ["2.0", "3.0.1-r0"]
        assert openssl["properties"]["platforms"] == ["linux/amd64", "linux/arm64"]


def test_s1_result__of_two_at_one_level_the_more_severe_is_shown() -> None:
    ranked = [
        make_finding(severity=word, packages=(make_package(version=word.lower()),))
        for word in ("LOW", "CRITICAL", "HIGH")
    ]
    run = run_of(make_outcome(verdict=make_verdict(*ranked)))
    (result,) = run["results"]
    assert result["properties"]["severity"] == "CRITICAL"
    assert result["properties"]["installed"] == ["critical", "high", "low"]


def test_s1_result__an_accepted_part_that_is_worse_still_counts_for_the_severity() -> None:
    judged = (
        make_judgement(make_finding(severity="CRITICAL"), ground=Ground.IGNORED),
        make_judgement(make_finding(severity="LOW"), ground=Ground.EXPLOITED),
    )
    (rule,) = rules_of(judgements=judged)
    assert rule["properties"]["security-severity"] == "9.5"


def test_rule__blanks_are_one() -> None:
    (rule,) = rules_of(make_finding(description="  A use  after free. "))
    assert rule["fullDescription"] == {"text": "A use after free."}


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ((None,), None),
        ((True,), "unchanged"),
        ((False,), "new"),
        ((True, True), "unchanged"),
        ((True, False), "new"),
        ((True, None), None),
        ((None, False), None),
    ],
)
def test_s2_result__baseline_state_only_where_one_was_compared(
    known: Sequence[bool | None], state: str | None
) -> None:
    findings = [
        make_finding(known=there, packages=(make_package(version=str(number)),))
        for number, there in enumerate(known)
    ]
    (result,) = results_of(make_outcome(verdict=make_verdict(*findings)))
    assert result.get("baselineState") == state


def justifications(*ignores: Ignore) -> list[str]:
    result = one(make_finding(), ground=Ground.IGNORED, ignores=ignores)
    return [item["justification"] for item in result["suppressions"]]


def test_suppressions__say_why_who_and_until_when() -> None:
    ended = make_ignore(reason="not reachable", owner="team-a", until=date(2026, 12, 1))
    assert justifications(ended, ended, make_ignore(until_fixed=True)) == [
        "not reachable; owner: team-a; until: 2026-12-01; stated in: .ecr-publish.yml, line 3",
        "no reason given; until: there is a fix; stated in: .ecr-publish.yml, line 3",
    ]
    assert justifications() == ["ignored by the policy"]
    assert len(justifications(*(make_ignore(reason=str(n)) for n in range(30)))) == 10


def test_suppressions__of_inspector() -> None:
    result = one(make_finding(suppressed=True), ground=Ground.SUPPRESSED)
    assert result["suppressions"] == [
        {
            "kind": "external",
            "status": "accepted",
            "justification": "suppressed in Inspector, not counted",
        }
    ]


# Where it is ----------------------------------------------------------------------------------


def uri_of(**build: Any) -> str:
    outcome = make_outcome(
        plan=make_plan(source=make_build(**build)), verdict=make_verdict(make_finding())
    )
    (result,) = results_of(outcome)
    return str(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


@pytest.mark.parametrize(
    ("context", "file", "uri"),
    [
        (".", None, "Dockerfile"),
        ("./app/", None, "app/Dockerfile"),
        ("app", "./docker/web.Dockerfile", "docker/web.Dockerfile"),
        ("app", "app/../Dockerfile", "Dockerfile"),
        ("..", None, "Dockerfile"),
        (".", "../../etc/passwd", "Dockerfile"),
        (".", "..x/Dockerfile", "..x/Dockerfile"),
        ("a b", None, "a%20b/Dockerfile"),
        ("ü", "ü/%#?:.Dockerfile", "%C3%BC/%25%23%3F%3A.Dockerfile"),
        (".", "a\ud800", "a%3F"),
        ("/home/runner/work/app/app", None, "file:///home/runner/work/app/app/Dockerfile"),
        (".", "//x/Dockerfile", "file:///x/Dockerfile"),
        ("https://github.com/o/r.git#main:sub", None, "Dockerfile"),
        ("https://github.com/o/r.git", "web.Dockerfile", "Dockerfile"),
        ("git@github.com:o/r.git", None, "Dockerfile"),
        ("github.com/o/r", None, "Dockerfile"),
    ],
)
def test_location__is_the_dockerfile(context: str, file: str | None, uri: str) -> None:
    assert uri_of(context=context, file=file) == uri


@pytest.mark.parametrize("plan", [None, make_plan(source=Existing(reference=Tag("latest")))])
def test_location__without_a_build_is_any_dockerfile(plan: Any) -> None:
    (result,) = results_of(make_outcome(plan=plan, verdict=make_verdict(make_finding())))
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "Dockerfile"}


@pytest.mark.parametrize(
    ("layers", "line"),
    [
        ([None], 1),
        ([IN_BASE], 1),
        ([LAYER], 4),
        ([None, LAYER], 4),
        ([IN_BASE, LAYER], 4),
        ([replace(LAYER, line=0)], 1),
        ([replace(LAYER, line=-1), LAYER], 4),
    ],
)
def test_location__is_the_line_that_brought_the_package(
    layers: Sequence[Layer | None], line: int
) -> None:
    packages = tuple(make_package(version=str(n), layer=it) for n, it in enumerate(layers))
    region = one(make_finding(packages=packages))["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": line, "startColumn": 1, "endLine": line, "endColumn": 1}


# Fingerprints ---------------------------------------------------------------------------------


def rebuilt(finding: Finding) -> Finding:
    """The same finding in a later build, with all that may be different there."""
    packages = tuple(
        replace(item, version="9", fixed_in="10", layer_hash="sha256:2", layer=LAYER)
        for item in finding.packages
    )
    return replace(
        finding,
        packages=packages,
        uri="https://new.example",
        description="Other words.",
        arn="arn:new",
        score=1.0,
        platforms=("linux/riscv64",),
        severity=Severity.HIGH,
        stated_severity="HIGH",
    )


def test_fingerprint__is_the_same_for_every_release_of_this_action() -> None:
    assert fingerprints(make_outcome(verdict=make_verdict(make_finding()))) == [
        "7d5bbeb90993f47f6d759a1cf0779c7c"
    ]


ANY = st.text(st.characters(), max_size=6) | st.sampled_from(HOSTILE)
"""Any text, lone surrogates and control characters too."""

PACKAGES = st.builds(
    Package,
    name=ANY,
    version=ANY,
    fixed_in=ANY,
    path=ANY,
    layer=st.none()
    | st.builds(Layer, number=st.integers(1, 9), created_by=ANY, line=st.none() | st.integers()),
)
FLOATS = st.none() | st.floats()
FINDINGS = st.builds(
    Finding,
    name=ANY,
    severity=st.sampled_from(Severity),
    stated_severity=ANY | st.sampled_from([item.value for item in Severity]),
    packages=st.lists(PACKAGES, max_size=2).map(tuple),
    uri=ANY | ANY.map("https://e.example/{}".format),
    description=ANY,
    suppressed=st.booleans(),
    aliases=st.lists(ANY, max_size=1).map(tuple),
    fixable=st.none() | st.booleans(),
    exploited=st.booleans(),
    epss=FLOATS,
    in_kev=st.none() | st.booleans(),
    known=st.none() | st.booleans(),
    score=FLOATS,
)
IGNORES = st.builds(Ignore, id=ANY, reason=ANY, owner=ANY, place=ANY, until_fixed=st.booleans())
RESULTS = st.lists(
    st.builds(lambda found: make_result(*found), st.lists(FINDINGS, max_size=3)), max_size=2
)


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


@settings(max_examples=60)
@given(results=RESULTS, ignores=st.lists(IGNORES, max_size=2), text=ANY, judged=st.booleans())
def test_s1_sarif__any_text_in_any_field(
    results: list[Result], ignores: list[Ignore], text: str, *, judged: bool
) -> None:
    found = [replace(item, target=make_target(str(n), text)) for n, item in enumerate(results)]
    policy = make_policy(ignore=tuple(ignores), places={"severity_threshold": text})
    verdict = verdict_over(found, policy) if judged else None
    plan = make_plan(source=make_build(context=text, file=text or None))
    error = None if judged else PublishError(text or "x")
    run = run_of(make_outcome(results=found, verdict=verdict, plan=plan, error=error))

    packages = {
        (finding.name, package.name, package.path)
        for item in found
        for finding in item.findings
        for package in finding.packages or (Package(),)
    }
    assert len(run["results"]) == len(packages)
    for rule in run["tool"]["driver"]["rules"]:
        rule["help"] = {name: said.replace("\n", "") for name, said in rule["help"].items()}
    for said in texts(run):
        assert not UNSAFE.search(said)
        assert not re.search(r"\{\d+\}", said)
    for item in run["results"]:
        assert "](" not in item["message"]["text"]
    deciding = {item.finding.name for item in verdict.deciding} if verdict else set()
    errors = sum(item["level"] == "error" for item in run["results"])
    assert bool(deciding) is bool(errors)


@settings(max_examples=60)
@given(st.lists(FINDINGS, max_size=3))
def test_fingerprints__of_a_rebuilt_image_are_the_same(findings: list[Finding]) -> None:
    before = make_outcome(verdict=make_verdict(*findings))
    after = make_outcome(
        digest=make_digest("rebuilt"), verdict=make_refusal(*map(rebuilt, reversed(findings)))
    )
    assert sorted(fingerprints(before)) == sorted(fingerprints(after))


# Limits ---------------------------------------------------------------------------------------


def mixed(number: int) -> Outcome:
    """Low findings that refuse, critical ones that do not, and low ones that do not."""
    judged = [
        make_judgement(make_finding(f"CVE-{word}-{place:03}", severity), ground=ground)
        for severity, ground, word in (
            ("LOW", Ground.BELOW_THRESHOLD, "C"),
            ("CRITICAL", Ground.IGNORED, "B"),
            ("LOW", Ground.EXPLOITED, "A"),
        )
        for place in range(number)
    ]
    return make_outcome(verdict=make_verdict(judgements=tuple(judged)))


@pytest.mark.parametrize(("most", "kept"), [(9, 9), (10, 9), (8, 8), (4, 4), (2, 2), (0, 0)])
def test_s1_limits__the_least_severe_that_does_not_refuse_goes_first(
    monkeypatch: pytest.MonkeyPatch, most: int, kept: int
) -> None:
    monkeypatch.setattr(module, "MOST_RESULTS", most)
    run = run_of(mixed(3))
    everything = [f"CVE-{word}-{place:03}" for word in "ABC" for place in range(3)]
    assert [item["ruleId"] for item in run["results"]] == everything[:kept]
    assert run["properties"]["results-left-out"] == 9 - kept


@pytest.mark.parametrize(("most", "which"), [(8, "none"), (3, "none"), (1, "2")])
def test_limits__what_is_left_out_is_said(
    monkeypatch: pytest.MonkeyPatch, most: int, which: str
) -> None:
    monkeypatch.setattr(module, "MOST_RESULTS", most)
    said = f"{9 - most} of 9 results are left out, the least severe, as GitHub takes no more; "
    assert invocation(mixed(3)) == (
        True,
        [("warning", f"{said}{which} of them would refuse the image.")],
    )


@pytest.mark.parametrize("most", [9000, 3000, 10])
def test_limits__the_file_is_small_enough_after_gzip(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    everything = run_of(mixed(100))["results"]
    monkeypatch.setattr(module, "MOST_BYTES", most)
    run = run_of(mixed(100))
    left_out = run["properties"]["results-left-out"]
    assert 0 < left_out <= 300
    assert run["results"] == everything[: 300 - left_out]
    packed = len(gzip.compress(sarif(mixed(100)).encode()))
    assert packed <= most or left_out == 300
    # As much as fits, or nearly so.
    assert most < 3000 or packed > most * 0.6


def test_limits__what_packs_well_may_be_large(monkeypatch: pytest.MonkeyPatch) -> None:
    text = sarif(mixed(100))
    monkeypatch.setattr(module, "MOST_BYTES", len(gzip.compress(text.encode(), 1)) + 50)
    assert len(text) > 2 * module.MOST_BYTES
    assert sarif(mixed(100)) == text


def test_limits__are_those_of_github() -> None:
    assert module.MOST_RESULTS == 25_000
    assert 9_000_000 < module.MOST_BYTES < 10_000_000
    assert module.MOST_TAGS <= 10


def test_limits__one_hostile_finding_is_bounded() -> None:
    long = "<" * 100_000
    packages = tuple(Package(name=f"{n}{long}", version=long, path=long) for n in range(20))
    found = make_finding(long, packages=packages, description=long, uri=long, aliases=(long,))
    ignores = tuple(make_ignore(reason=long, owner=long, place=long) for _ in range(2))
    judged = make_judgement(found, ground=Ground.IGNORED, ignores=ignores, place=long)
    verdict = make_verdict(
        judgements=(judged,), reason=long, rules=Rules(severity_threshold=Threshold.NONE)
    )
    outcome = make_outcome(verdict=verdict)
    run_of(outcome)
    assert len(sarif(outcome)) < 20 * 8000 + 100_000
