"""`.ecr-publish.yml`: what it may say, and what files and inputs amount to together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import pytest

from ecr_publish.errors import InvalidPolicy
from ecr_publish.findings import Severity, Threshold
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import FailOn, OnUnjudged
from ecr_publish.policy import ALLOWABLE, BaseImageFindings, Require, Rules, StaleIgnores
from ecr_publish.policy_file import (
    DEFAULT_PATH,
    MISNAMED_PATH,
    PolicyFile,
    effective,
    read,
    schema,
)
from ecr_publish.reference import Digest, ImageName, Repository, Tag
from ecr_publish.shape import Malformed
from tests.factories import DAY, make_inputs
from tests.fakes import FakeCheckout

LATEST = ImageName.parse("latest")
EXAMPLE = """\
severity-threshold: high
limits: {medium: 20, low: none}
only-fixable: true
grace: {critical: 0d, high: 14d}
exploited: fail
unknown-severity: fail
stale-ignores: fail
known-exploited: fail
epss-threshold: 0.5
on-exploit-error: warn
baseline: team/base:1.4
fail-on: new
on-baseline-error: warn
base-image-findings: report
ignore:
  - id: CVE-2024-12345
    package: libxml2
    version: 2.9.14
    path: usr/lib/**
    platform: linux/arm64/v8
    reason: not reachable, parser disabled
    owner: team-web
    until: 2026-10-01
  - {id: GHSA-aaaa, reason: no fix, until: until-fixed}
require: {reason: true, until: true, owner: false, max-days: 90}
"""


def rules(text: str, today: date = DAY, **inputs: Any) -> Rules:
    """What a policy file in its usual place amounts to."""
    return of({DEFAULT_PATH: text}, today, **inputs)


def of(files: dict[str, str], today: date = DAY, **inputs: Any) -> Rules:
    contents = {path: text.encode() for path, text in files.items()}
    return effective(make_inputs(**inputs), contents.get, today)


def problems(files: dict[str, str] | str, today: date = DAY, **inputs: Any) -> list[str]:
    given = {DEFAULT_PATH: files} if isinstance(files, str) else files
    with pytest.raises(InvalidPolicy) as caught:
        of(given, today, **inputs)
    return list(caught.value.problems)


def problem(files: dict[str, str] | str, today: date = DAY, **inputs: Any) -> str:
    (only,) = problems(files, today, **inputs)
    return only


# One file -------------------------------------------------------------------------------------


def test_read__everything() -> None:
    file = read(EXAMPLE.encode(), "policy.yml")
    assert file.layer.rules == Rules(
        severity_threshold=Threshold.HIGH,
        limits={Severity.MEDIUM: 20},
        only_fixable=True,
        grace={Severity.CRITICAL: 0, Severity.HIGH: 14},
        exploited=True,
        known_exploited=True,
        epss_threshold=0.5,
        on_exploit_error=OnUnjudged.WARN,
        baseline=ImageName(Tag("1.4"), Repository("team/base")),
        fail_on=FailOn.NEW,
        on_baseline_error=OnUnjudged.WARN,
        base_image_findings=BaseImageFindings.REPORT,
        stale_ignores=StaleIgnores.FAIL,
        require=Require(reason=True, until=True, max_days=90),
        ignore=(
            Ignore(
                id="CVE-2024-12345",
                package="libxml2",
                version="2.9.14",
                path="usr/lib/**",
                platform="linux/arm64/v8",
                reason="not reachable, parser disabled",
                owner="team-web",
                until=date(2026, 10, 1),
                place="policy.yml, line 16",
            ),
            Ignore(id="GHSA-aaaa", reason="no fix", until_fixed=True, place="policy.yml, line 24"),
        ),
    )
    assert (file.extends, file.layer.allow, file.ignore_files) == ("", None, ())
    assert file.layer.rules.places == {
        "severity_threshold": "policy.yml, line 1",
        "limits": "policy.yml, line 2",
        "only_fixable": "policy.yml, line 3",
        "grace": "policy.yml, line 4",
        "exploited": "policy.yml, line 5",
        "unknown_severity": "policy.yml, line 6",
        "stale_ignores": "policy.yml, line 7",
        "known_exploited": "policy.yml, line 8",
        "epss_threshold": "policy.yml, line 9",
        "on_exploit_error": "policy.yml, line 10",
        "baseline": "policy.yml, line 11",
        "fail_on": "policy.yml, line 12",
        "on_baseline_error": "policy.yml, line 13",
        "base_image_findings": "policy.yml, line 14",
        "ignore": "policy.yml, line 15",
        "require": "policy.yml, line 25",
    }


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_read__nothing_states_nothing(text: str) -> None:
    file = read(text.encode(), "policy.yml")
    assert (file.layer.rules, dict(file.layer.rules.places)) == (Rules(), {})


def test_read__base_and_what_it_allows() -> None:
    file = read(b"extends: ../org.yml\nallow: [ignore, only-fixable, report-only, warn]\n", "p")
    assert file == PolicyFile(layer=file.layer, extends="../org.yml")
    assert file.layer.allow == frozenset({"ignore", "only_fixable", "report_only", "warn"})
    assert file.layer.rules.places == {}


def test_read__empty_list_allows_nothing() -> None:
    assert read(b"allow: []", "p").layer.allow == frozenset()


@pytest.mark.parametrize("name", ALLOWABLE)
def test_read__everything_may_be_allowed(name: str) -> None:
    assert read(f"allow: [{name.replace('_', '-')}]".encode(), "p").layer.allow == frozenset({name})


@pytest.mark.parametrize("threshold", Threshold)
def test_read__severity_threshold(threshold: Threshold) -> None:
    assert rules(f"severity-threshold: {threshold.value}").severity_threshold is threshold


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("fail", Severity.UNDEFINED),
        *((severity.value.lower(), severity) for severity in [*Severity][:-1]),
    ],
)
def test_read__unknown_severity(word: str, severity: Severity) -> None:
    assert rules(f"unknown-severity: {word}").unknown_severity is severity


@pytest.mark.parametrize(("word", "expected"), [("fail", True), ("off", False)])
def test_read__exploited(word: str, *, expected: bool) -> None:
    assert rules(f"exploited: {word}").exploited is expected


@pytest.mark.parametrize(("word", "expected"), [("fail", True), ("off", False)])
def test_read__known_exploited(word: str, *, expected: bool) -> None:
    assert rules(f"known-exploited: {word}").known_exploited is expected


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("0", 0.0),
        ("1", 1.0),
        ("0.5", 0.5),
        ("0.05", 0.05),
        ("1.0", 1.0),
        ("0.123456789", 0.123456789),
    ],
)
def test_read__epss_threshold(text: str, score: float) -> None:
    assert rules(f"epss-threshold: {text}").epss_threshold == score


@pytest.mark.parametrize("answer", OnUnjudged)
def test_read__what_a_gap_means(answer: OnUnjudged) -> None:
    assert rules(f"on-exploit-error: {answer.value}").on_exploit_error is answer
    assert rules(f"on-baseline-error: {answer.value}").on_baseline_error is answer


DIGEST = f"sha256:{'ab' * 32}"


@pytest.mark.parametrize(
    ("text", "reference", "repository"),
    [
        ("latest", Tag("latest"), None),
        ("1.4.2", Tag("1.4.2"), None),
        ("1.4", Tag("1.4"), None),
        (DIGEST, Digest(DIGEST), None),
        ("team/base:v1", Tag("v1"), Repository("team/base")),
        ("base:latest", Tag("latest"), Repository("base")),
        (f"team/base@{DIGEST}", Digest(DIGEST), Repository("team/base")),
    ],
)
def test_read__baseline(text: str, reference: Tag | Digest, repository: Repository | None) -> None:
    found = rules(f"baseline: {text}").baseline
    assert found == ImageName(reference, repository)
    assert str(found) == text


@pytest.mark.parametrize("fail_on", FailOn)
def test_read__fail_on(fail_on: FailOn) -> None:
    assert rules(f"baseline: latest\nfail-on: {fail_on.value}").fail_on is fail_on


@pytest.mark.parametrize("what", BaseImageFindings)
def test_read__base_image_findings(what: BaseImageFindings) -> None:
    assert rules(f"base-image-findings: {what.value}").base_image_findings is what


@pytest.mark.parametrize("stale", StaleIgnores)
def test_read__stale_ignores(stale: StaleIgnores) -> None:
    assert rules(f"stale-ignores: {stale.value}").stale_ignores is stale


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "severity-threshold: severe",
            "severity-threshold: 'severe' is not one of: critical, high",
        ),
        ("severity-threshold: HIGH", "severity-threshold: 'HIGH' is not one of: critical, high"),
        (
            "severity_threshold: high",
            "severity_threshold: is not a key here; known: extends",
        ),
        ("limits: 3", "limits: is not a mapping with the keys critical, high, medium, low, info"),
        ("limits: {undefined: 3}", "limits.undefined: is not a key here; known: critical, high,"),
        ("limits: {medium: any}", "limits.medium: 'any' is not a number from 0 to 100000, or none"),
        ("limits: {low: 100001}", "limits.low: '100001' is not a number from 0 to 100000, or none"),
        ("grace: {high: 14}", "grace.high: '14' is not a number of days (14d)"),
        ("grace: {high: 2w}", "grace.high: '2w' is not a number of days (14d)"),
        ("grace: {high: 10000d}", "grace.high: '10000d' is not a number of days (14d)"),
        ("grace: {high: -1d}", "grace.high: '-1d' is not a number of days (14d)"),
        ("exploited: true", "exploited: 'true' is not one of: fail, off"),
        ("known-exploited: true", "known-exploited: 'true' is not one of: fail, off"),
        ("epss-threshold: 1.1", "epss-threshold: '1.1' is not a number from 0 to 1"),
        ("epss-threshold: -0.1", "epss-threshold: '-0.1' is not a number from 0 to 1"),
        ("epss-threshold: 50%", "epss-threshold: '50%' is not a number from 0 to 1"),
        ("epss-threshold: .nan", "epss-threshold: '.nan' is not a number from 0 to 1"),
        ("epss-threshold: 1e-1", "epss-threshold: '1e-1' is not a number from 0 to 1"),
        ("epss-threshold: none", "epss-threshold: 'none' is not a number from 0 to 1"),
        ("on-exploit-error: off", "on-exploit-error: 'off' is not one of: fail, warn"),
        ("on-baseline-error: pass", "on-baseline-error: 'pass' is not one of: fail, warn"),
        ("baseline: ''", "baseline: '' is not a tag or digest (latest, sha256:"),
        ("baseline: a b", "baseline: 'a b' is not a tag or digest (latest, sha256:"),
        ("baseline: -x", "baseline: '-x' is not a tag or digest"),
        ("baseline: sha256:abc", "baseline: 'sha256:abc' is not a digest"),
        ("baseline: base@latest", "baseline: 'latest' is not a digest"),
        ("baseline: Team/base:1", "baseline: 'Team/base:1' is not a tag or digest"),
        (
            "baseline: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:1",
            "baseline: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/app' holds more than the",
        ),
        ("fail-on: known", "fail-on: 'known' is not one of: all, new"),
        ("base-image-findings: warn", "base-image-findings: 'warn' is not one of: fail, report"),
        ("ignore-files: .trivyignore", "ignore-files: is not a list"),
        ("ignore-files: ['']", "ignore-files[0]: '' is not a text"),
        ("allow: [skipped]", "allow[0]: 'skipped' is not one of: severity-threshold,"),
        ("allow: [ignore-files]", "allow[0]: 'ignore-files' is not one of: severity-threshold,"),
        ("require: {max-days: 0}", "require.max-days: '0' is not a number from 1 to 3650"),
        (
            "require: [reason]",
            "require: is not a mapping with the keys reason, until, owner",
        ),
        ("allow: [everything]", "allow[0]: 'everything' is not one of: severity-threshold,"),
        ("allow: ignore", "allow: is not a list"),
        ("ignore: [CVE-1]", "ignore[0]: is not a mapping with the keys id, package, version, path"),
        ("ignore: [{package: a}]", "ignore[0].id: is missing"),
        ("ignore: [{id: CVE-1, until: never}]", "ignore[0].until: 'never' is not a date (2027-01-"),
        ("ignore: [{id: CVE-1, until: 2027-02-29}]", "ignore[0].until: '2027-02-29' is not a date"),
        ("ignore: [{id: CVE-1, platform: arm64}]", "ignore[0].platform: 'arm64' is not a platform"),
        ("ignore: [{id: CVE-1, place: x}]", "ignore[0].place: is not a key here; known: id, packa"),
        ("ignore: [{id: CVE-1, until-fixed: true}]", "ignore[0].until-fixed: is not a key here"),
        ("ignore: [{id: ''}]", "ignore[0].id: '' is not the name of a vulnerability (CVE-2024-1"),
        # Lists on one line, by commas or blanks, are nothing that could be half understood.
        ("ignore: CVE-1, CVE-2", "ignore: is not a list"),
    ],
)
def test_read__names_file_line_and_key(text: str, said: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(f"# a comment\n{text}\n".encode(), "dir/policy.yml")
    (only,) = caught.value.problems
    assert only.startswith(f"dir/policy.yml: line 2: {said}")


@pytest.mark.parametrize(
    "lines",
    ["CVE-1\n  CVE-2", "'CVE-1\n  CVE-2'", "CVE-1 CVE-2", "CVE-1,\n  CVE-2", '"CVE-1\\nCVE-2"'],
)
def test_peers__a_list_of_several_lines_is_never_one_id(lines: str) -> None:
    with pytest.raises(Malformed):
        read(f"ignore:\n- id: {lines}\n".encode(), "p")


def test_peers__each_line_of_a_list_is_an_ignore_of_its_own() -> None:
    given = rules("ignore:\n- id: CVE-1\n\n- id: CVE-2\n# no more\n- {id: CVE-3}\n").ignore
    assert [(ignore.id, ignore.place) for ignore in given] == [
        ("CVE-1", ".ecr-publish.yml, line 2"),
        ("CVE-2", ".ecr-publish.yml, line 4"),
        ("CVE-3", ".ecr-publish.yml, line 6"),
    ]


# File and inputs ------------------------------------------------------------------------------


def unread(files: dict[str, str], path: str, error: OSError | None = None, **inputs: Any) -> str:
    """The problem where one path is there and cannot be read."""
    failure = error or PermissionError(13, "Permission denied")
    contents = {name: text.encode() for name, text in files.items()}
    checkout = FakeCheckout(files=contents, unreadable={path: failure})
    with pytest.raises(InvalidPolicy) as caught:
        effective(make_inputs(**inputs), partial(checkout.read, "."), DAY)
    (only,) = caught.value.problems
    return only


def test_s1_effective__file_that_is_there_and_cannot_be_read_is_no_missing_one() -> None:
    assert unread({}, DEFAULT_PATH) == ".ecr-publish.yml: cannot be read: Permission denied"
    assert unread({}, "p.yml", policy_file="p.yml") == "p.yml: cannot be read: Permission denied"
    base = {DEFAULT_PATH: "extends: org/base.yml"}
    assert unread(base, "org/base.yml") == "org/base.yml: cannot be read: Permission denied"
    other = {DEFAULT_PATH: "ignore-files: [.trivyignore]"}
    assert unread(other, ".trivyignore", OSError(40, "Too many levels")) == (
        ".trivyignore: cannot be read: Too many levels"
    )


def test_s1_effective__file_with_another_ending_is_not_left_unread() -> None:
    said = ".ecr-publish.yaml: is not read; rename it to .ecr-publish.yml"
    assert problem({MISNAMED_PATH: "severity-threshold: low"}) == said
    assert problem({MISNAMED_PATH: ""}) == said
    assert unread({}, MISNAMED_PATH) == ".ecr-publish.yaml: cannot be read: Permission denied"


def test_effective__file_with_another_ending_beside_the_policy_or_named_is_no_mistake() -> None:
    both = {MISNAMED_PATH: "severity-threshold: low", DEFAULT_PATH: "exploited: fail"}
    assert of(both) == Rules(exploited=True)
    named = of({MISNAMED_PATH: "exploited: fail"}, policy_file=MISNAMED_PATH)
    assert named == Rules(exploited=True)
    assert of(both | {"p.yml": ""}, policy_file="p.yml") == Rules()


def test_effective__says_which_files_were_read() -> None:
    assert of({}).files == ()
    assert rules("").files == (DEFAULT_PATH,)
    files = {DEFAULT_PATH: "extends: org/a.yml\nignore-files: [.trivyignore]", ".trivyignore": ""}
    files |= {"org/a.yml": "extends: b.yml", "org/b.yml": "allow: [ignore]"}
    assert of(files).files == ("org/b.yml", "org/a.yml", DEFAULT_PATH)


def test_effective__neither() -> None:
    assert of({}) == Rules()
    assert of({}).places == {}


def test_effective__file_in_its_usual_place_is_found() -> None:
    assert rules("exploited: fail") == Rules(exploited=True)


def test_effective__file_of_another_path() -> None:
    files = {DEFAULT_PATH: "exploited: fail", "policy/a.yml": "only-fixable: true"}
    assert of(files, policy_file="policy/a.yml") == Rules(only_fixable=True)


def test_s2_effective__file_that_is_named_and_missing_is_no_policy() -> None:
    assert problem({DEFAULT_PATH: ""}, policy_file="other.yml") == (
        "other.yml: there is no such file; does the job have a checkout?"
    )
    assert problem({}, policy_file=DEFAULT_PATH).startswith(f"{DEFAULT_PATH}: there is no such")


@pytest.mark.parametrize("files", [{}, {DEFAULT_PATH: "severity-threshold: low\nexploited: fail"}])
def test_effective__inputs_win_where_there_is_no_base(files: dict[str, str]) -> None:
    both = of(
        files,
        severity_threshold=Threshold.NONE,
        unknown_severity=Severity.LOW,
        only_fixable=True,
        baseline=LATEST,
        fail_on=FailOn.NEW,
        on_baseline_error=OnUnjudged.WARN,
        report_only=True,
        on_timeout=OnUnjudged.WARN,
    )
    assert both == Rules(
        severity_threshold=Threshold.NONE,
        unknown_severity=Severity.LOW,
        only_fixable=True,
        baseline=LATEST,
        fail_on=FailOn.NEW,
        on_baseline_error=OnUnjudged.WARN,
        exploited=bool(files),
    )
    assert both.places["severity_threshold"] == "the input severity-threshold"
    assert both.places["unknown_severity"] == "the input unknown-severity"
    assert both.places["only_fixable"] == "the input only-fixable"
    assert both.places["baseline"] == "the input baseline"
    assert both.places["fail_on"] == "the input fail-on"
    assert both.places["on_baseline_error"] == "the input on-baseline-error"


def test_effective__input_that_says_false_is_said() -> None:
    assert not rules("only-fixable: true", only_fixable=False).only_fixable


LOOSE: dict[str, Any] = {
    "severity_threshold": Threshold.CRITICAL,
    "unknown_severity": Severity.LOW,
    "only_fixable": True,
    "on_baseline_error": OnUnjudged.WARN,
}
WAIVERS: list[tuple[str, dict[str, Any], str]] = [
    ("report-only", {"report_only": True}, "the input report-only: the base does not allow it"),
    *(
        ("warn", {name: OnUnjudged.WARN}, "an input on-…: warn: the base does not allow it")
        for name in ("on_timeout", "on_unsupported", "on_scan_error")
    ),
]


@pytest.mark.parametrize("name", LOOSE)
def test_s1_effective__file_may_keep_the_inputs_from_loosening_it(name: str) -> None:
    asked = {name: LOOSE[name]}
    shown = name.replace("_", "-")
    said = problem("allow: []", **asked)
    assert said.startswith(f"the input {shown}: {shown}: is looser than the base's")
    assert getattr(rules(f"allow: [{shown}]", **asked), name) is LOOSE[name]


def test_s1_effective__known_findings_pass_only_where_the_file_allows_it() -> None:
    asked: dict[str, Any] = {"fail_on": FailOn.NEW, "baseline": LATEST}
    said = problem("allow: [baseline]", **asked)
    assert said.startswith("the input fail-on: fail-on: is looser than the base's")
    assert rules("allow: [fail-on]", **asked).fail_on is FailOn.NEW


def test_s1_effective__baseline_of_the_file_may_not_be_exchanged_by_the_inputs() -> None:
    text = "baseline: latest\nfail-on: new\n"
    other = ImageName.parse("mine")
    assert problem(f"{text}allow: []", baseline=other) == (
        "the input baseline: baseline: is looser than the base's, .ecr-publish.yml, line 1"
    )
    assert rules(f"{text}allow: [baseline]", baseline=other).baseline == other
    assert rules(f"{text}allow: []", baseline=LATEST).baseline == LATEST
    assert "is looser" in problem("baseline: latest\nallow: []", baseline=other)
    assert rules("baseline: latest", baseline=other).baseline == other
    assert rules("allow: []", baseline=other).baseline == other


def test_s1_effective__baseline_is_not_given_to_a_base_that_lets_known_ones_pass() -> None:
    """Whoever names the baseline says what is known."""
    files = {"base.yml": "fail-on: new", DEFAULT_PATH: "extends: base.yml\nbaseline: mine"}
    said = ".ecr-publish.yml, line 2: baseline: is looser than the base's, which leaves it at its"
    assert problem(files).startswith(said)
    files[DEFAULT_PATH] = "extends: base.yml"
    assert "the input baseline: baseline: is looser" in problem(files, baseline=LATEST)
    files["base.yml"] += "\nallow: [baseline]"
    assert of(files, baseline=LATEST).baseline == LATEST


def test_effective__all_that_is_loosened_is_told() -> None:
    text = "allow: []\nseverity-threshold: low\nonly-fixable: false"
    said = problems(text, severity_threshold=Threshold.HIGH, only_fixable=True)
    assert said == [
        (
            "the input severity-threshold: severity-threshold: is looser than the base's, "
            ".ecr-publish.yml, line 2"
        ),
        "the input only-fixable: only-fixable: is looser than the base's, .ecr-publish.yml, line 3",
    ]


def test_effective__inputs_may_always_be_stricter() -> None:
    both = rules(
        "allow: []\nseverity-threshold: high\nonly-fixable: true",
        severity_threshold=Threshold.LOW,
        only_fixable=False,
    )
    assert both == Rules(severity_threshold=Threshold.LOW)


@pytest.mark.parametrize(("name", "asked", "said"), WAIVERS)
def test_s1_effective__waivers_of_the_inputs_have_to_be_allowed(
    name: str, asked: dict[str, Any], said: str
) -> None:
    assert problem("allow: []", **asked) == f"{said} (`allow: [{name}]`)"
    assert problem("allow: [ignore]", **asked) == f"{said} (`allow: [{name}]`)"
    assert rules(f"allow: [{name}]", **asked) == Rules()
    assert rules("", **asked) == Rules()


# A base ---------------------------------------------------------------------------------------

BASE = "severity-threshold: medium\nlimits: {low: 3}\n"


def test_base__its_rules_count() -> None:
    assert of({DEFAULT_PATH: "extends: base.yml", "base.yml": BASE}) == Rules(
        severity_threshold=Threshold.MEDIUM, limits={Severity.LOW: 3}
    )


def test_s1_base__may_only_be_made_stricter() -> None:
    files = {"base.yml": BASE, DEFAULT_PATH: "extends: base.yml\nseverity-threshold: high"}
    assert problem(files) == (
        ".ecr-publish.yml, line 2: severity-threshold: is looser than the base's, base.yml, line 1"
    )
    files[DEFAULT_PATH] = "extends: base.yml\nseverity-threshold: low"
    assert of(files).severity_threshold is Threshold.LOW


@pytest.mark.parametrize(
    "text",
    [
        "ignore: [{id: CVE-1}]",
        "only-fixable: true",
        "grace: {high: 1d}",
        "limits: {low: none}",
        "stale-ignores: off",
        "on-exploit-error: warn",
        "on-baseline-error: warn",
        "base-image-findings: report",
    ],
)
def test_s1_base__that_allows_nothing_is_one_that_does_not_speak_of_it(text: str) -> None:
    files = {"base.yml": BASE, DEFAULT_PATH: f"extends: base.yml\n{text}"}
    assert "is looser than the base's" in problem(files)
    key = text.partition(":")[0]
    assert of(files | {"base.yml": f"{BASE}allow: [{key}]"}) != of({DEFAULT_PATH: BASE})


@pytest.mark.parametrize("over", [{"report_only": True}, {"on_timeout": OnUnjudged.WARN}])
def test_s1_base__binds_the_inputs_too(over: dict[str, Any]) -> None:
    files = {"base.yml": BASE, DEFAULT_PATH: "extends: base.yml\nallow: [report-only, warn]"}
    assert "the base does not allow it" in problem(files, **over)
    files["base.yml"] = f"{BASE}allow: [report-only, warn]"
    assert of(files, **over) == of({DEFAULT_PATH: BASE})


def test_base__path_is_from_the_file_that_names_it() -> None:
    files = {
        "a/b/own.yml": "extends: ../base.yml",
        "a/base.yml": "extends: ../../org/all.yml",
        "../org/all.yml": "exploited: fail",
    }
    assert of(files, policy_file="a/b/own.yml") == Rules(exploited=True)


def test_s2_base__missing_one_is_named() -> None:
    assert problem({DEFAULT_PATH: "extends: org/base.yml"}).startswith(
        "org/base.yml: there is no such file"
    )


def test_base__mistake_in_it_is_named_by_its_own_file_and_line() -> None:
    files = {DEFAULT_PATH: "extends: base.yml", "base.yml": "\nexploited: yes"}
    assert problem(files) == "base.yml: line 2: exploited: 'yes' is not one of: fail, off"


def test_base__four_files_may_extend_each_other() -> None:
    files = {f"{number}.yml": f"extends: {number + 1}.yml" for number in range(1, 4)}
    files["4.yml"] = "exploited: fail"
    assert of(files, policy_file="1.yml") == Rules(exploited=True)
    files["4.yml"] = "extends: 5.yml"
    assert problem(files | {"5.yml": ""}, policy_file="1.yml") == (
        "4.yml: more than 4 files extend each other"
    )


def test_base__each_file_is_stricter_than_the_one_below_it() -> None:
    files = {
        DEFAULT_PATH: "extends: middle.yml\nseverity-threshold: low",
        "middle.yml": "extends: base.yml\nseverity-threshold: medium\nexploited: fail",
        "base.yml": "severity-threshold: high",
    }
    assert of(files) == Rules(severity_threshold=Threshold.LOW, exploited=True)
    files[DEFAULT_PATH] = "extends: middle.yml\nseverity-threshold: high"
    assert problem(files).endswith("is looser than the base's, middle.yml, line 2")


def test_base__that_extends_itself_ends() -> None:
    assert "more than 4 files" in problem({DEFAULT_PATH: "extends: .ecr-publish.yml"})


def test_s1_base__middle_one_may_not_allow_what_the_lowest_does_not() -> None:
    files = {
        DEFAULT_PATH: "extends: middle.yml\nonly-fixable: true",
        "middle.yml": "extends: low.yml\nallow: [only-fixable]",
        "low.yml": "allow: [ignore]",
    }
    assert "only-fixable: is looser" in problem(files)
    assert of(files | {"low.yml": "allow: [only-fixable]"}).only_fixable


def test_base__ignores_of_all_files_count() -> None:
    files = {
        DEFAULT_PATH: "extends: base.yml\nignore: [{id: CVE-2}]",
        "base.yml": "allow: [ignore]\nignore:\n- id: CVE-1\n",
    }
    assert [(ignore.id, ignore.place) for ignore in of(files).ignore] == [
        ("CVE-1", "base.yml, line 3"),
        ("CVE-2", ".ecr-publish.yml, line 2"),
    ]


def test_s1_base__requires_of_the_ignores_above_it() -> None:
    files = {
        DEFAULT_PATH: "extends: base.yml\nignore: [{id: CVE-2}]",
        "base.yml": "allow: [ignore]\nrequire: {reason: true}\n",
    }
    assert problem(files) == (
        ".ecr-publish.yml, line 2: the ignore of CVE-2 has no reason (`require`)"
    )


# The baseline ---------------------------------------------------------------------------------

NEEDS = "fail-on: new needs a baseline, an image of which the findings are known already"


def test_s2_baseline__is_needed_where_only_new_findings_refuse() -> None:
    assert problem("fail-on: new") == (f".ecr-publish.yml, line 1: {NEEDS} (`baseline: latest`)")
    assert problem("", fail_on=FailOn.NEW).startswith(f"the input fail-on: {NEEDS}")
    assert rules("fail-on: all") == Rules()
    assert rules("baseline: latest") == Rules(baseline=LATEST)


def test_baseline__may_come_from_another_layer() -> None:
    assert rules("fail-on: new", baseline=LATEST).baseline == LATEST
    assert rules("baseline: latest", fail_on=FailOn.NEW).fail_on is FailOn.NEW
    files = {DEFAULT_PATH: "extends: base.yml\nfail-on: new", "base.yml": "baseline: latest"}
    assert problem(files).startswith(".ecr-publish.yml, line 2: fail-on: is looser")
    files["base.yml"] += "\nallow: [fail-on]"
    assert of(files) == Rules(fail_on=FailOn.NEW, baseline=LATEST)


def test_s2_baseline__of_a_base_has_to_be_there_too() -> None:
    files = {DEFAULT_PATH: "extends: base.yml", "base.yml": "fail-on: new"}
    assert problem(files).startswith(f"base.yml, line 1: {NEEDS}")


def test_baseline__is_told_together_with_other_problems() -> None:
    said = problems("fail-on: new\nallow: []\nrequire: {owner: true}\nignore: [{id: CVE-1}]")
    assert len(said) == 2
    assert NEEDS in said[1]


# Ignore files of other tools ------------------------------------------------------------------


def test_ignore_files__their_ignores_count_behind_those_of_the_file() -> None:
    files = {
        DEFAULT_PATH: "only-fixable: false\nignore-files: [.trivyignore]\nignore: [{id: CVE-1}]",
        ".trivyignore": "# accepted\nCVE-2\n",
    }
    found = of(files)
    assert [(ignore.id, ignore.place) for ignore in found.ignore] == [
        ("CVE-1", ".ecr-publish.yml, line 3"),
        ("CVE-2", ".trivyignore, line 2"),
    ]
    assert found.places["ignore"] == ".ecr-publish.yml, line 3"
    assert found.skipped == ()


@pytest.mark.parametrize("names", [".trivyignore, .trivyignore", ".trivyignore, ./.trivyignore"])
def test_ignore_files__one_that_is_named_twice_is_read_once(names: str) -> None:
    files = {DEFAULT_PATH: f"ignore-files: [{names}]", ".trivyignore": "CVE-2\n"}
    assert [ignore.id for ignore in of(files).ignore] == ["CVE-2"]


def test_ignore_files__most_ignores() -> None:
    text = "ignore-files: [one.trivyignore, two.trivyignore]\nignore: [{id: CVE-1}]"
    files = {DEFAULT_PATH: text, "one.trivyignore": "CVE-2\n" * 5000}
    files["two.trivyignore"] = "CVE-3\n" * 4999
    assert len(of(files).ignore) == 10_000
    files["two.trivyignore"] += "CVE-4\n"
    assert problem(files) == (
        ".ecr-publish.yml: has more than 10000 ignores, with its ignore-files"
    )
    # Each file by itself, so that no base leaves less to those above it.
    files["two.trivyignore"] = ""
    above = {"own.yml": "extends: .ecr-publish.yml\nignore-files: [own.trivyignore]"}
    above["own.trivyignore"] = "CVE-5\n" * 9000
    files[DEFAULT_PATH] += "\nallow: [ignore]"
    assert len(of(files | above, policy_file="own.yml").ignore) == 14_001


def test_ignore_files__alone_state_the_rule() -> None:
    files = {DEFAULT_PATH: "ignore-files: [.trivyignore]", ".trivyignore": "CVE-2\n"}
    assert of(files).places["ignore"] == ".ecr-publish.yml, line 1"


def test_ignore_files__what_is_not_taken_over_is_told_of_all_files() -> None:
    rule = "ignore:\n- vulnerability: CVE-2\n  namespace: x\n"
    files = {
        DEFAULT_PATH: "extends: base.yml\nignore-files: [.grype.yaml]",
        ".grype.yaml": rule,
        "base.yml": "ignore-files: [base/.grype.yaml]\nallow: []",
        "base/.grype.yaml": rule,
    }
    found = of(files)
    assert found.ignore == ()
    first, second = found.skipped
    assert first.startswith("base/.grype.yaml, line 2")
    assert second.startswith(".grype.yaml, line 2")


def test_s1_ignore_files__are_ignores_that_the_base_has_to_allow() -> None:
    files = {
        DEFAULT_PATH: "extends: base.yml\nignore-files: [.trivyignore]",
        "base.yml": "severity-threshold: high",
        ".trivyignore": "CVE-2\n",
    }
    assert problem(files).startswith(".ecr-publish.yml, line 2: ignore: is looser than the base's")
    files["base.yml"] += "\nallow: [ignore]"
    assert [ignore.id for ignore in of(files).ignore] == ["CVE-2"]


def test_s1_ignore_files__carry_what_the_policy_requires() -> None:
    text = "ignore-files: [.trivyignore]\nrequire: {until: true}"
    files = {DEFAULT_PATH: text, ".trivyignore": "CVE-2\nCVE-3 exp:2027-01-31\n"}
    assert problem(files) == (".trivyignore, line 1: the ignore of CVE-2 has no end (`require`)")


def test_s2_ignore_files__missing_or_malformed_ones_are_named() -> None:
    text = "ignore-files: [ignored/.trivyignore]"
    assert problem({"a/p.yml": text}, policy_file="a/p.yml") == (
        "a/ignored/.trivyignore: there is no such file; does the job have a checkout?"
    )
    files = {DEFAULT_PATH: text, "ignored/.trivyignore": "\nCVE-1 CVE-2"}
    assert problem(files).startswith("ignored/.trivyignore: line 2: 'CVE-2' is neither")
    assert problem({DEFAULT_PATH: "ignore-files: [x.txt]", "x.txt": ""}).startswith(
        "x.txt: the name of an ignore file ends with"
    )


# What is wrong --------------------------------------------------------------------------------


def test_effective__example_of_the_issue() -> None:
    assert rules(EXAMPLE).limits == {Severity.MEDIUM: 20}


def test_effective__end_is_counted_from_today() -> None:
    said = problem(EXAMPLE, today=date(2026, 7, 1))
    assert said == (
        ".ecr-publish.yml, line 16: the ignore of CVE-2024-12345 ends in 92 days, which is more "
        "than 90 (`require`)"
    )


def test_effective__all_problems_of_a_file_and_of_the_inputs() -> None:
    text = "allow: []\nrequire: {reason: true}\nignore: [{id: CVE-1}, {id: CVE-2}]"
    assert [said.partition(":")[0] for said in problems(text, report_only=True)] == [
        "the input report-only",
        ".ecr-publish.yml, line 3",
        ".ecr-publish.yml, line 3",
    ]
    assert len(problems("a: 1\nb: 2\n")) == 2


def many(number: int) -> list[str]:
    return problems("\n".join(f"k{place}: 1" for place in range(number)))


def test_effective__many_problems_are_counted() -> None:
    assert len(many(20)) == 20
    assert many(21)[20:] == ["and 1 more problems"]
    assert many(3000)[20:] == ["and 2980 more problems"]


def test_effective__long_problems_are_cut() -> None:
    said = problem(f"{'k' * 900}: 1")
    assert said == f".ecr-publish.yml: line 1: {'k' * 900}"[:500] + "…"


@pytest.mark.parametrize("change", [str.upper, lambda text: text + "\nx: 1", lambda text: text[1:]])
def test_s2_effective__file_that_cannot_be_read_is_never_taken_for_none(
    change: Callable[[str], str],
) -> None:
    assert problems(change(EXAMPLE))


# Schema ---------------------------------------------------------------------------------------


def test_schema__knows_every_key_and_says_what_it_means() -> None:
    properties = schema()["properties"]
    stated = {*ALLOWABLE} - {"report_only", "warn"}
    assert {name.replace("-", "_") for name in properties} == stated | {
        *("extends", "allow", "ignore_files")
    }
    assert all(item["description"] for item in properties.values())
    ignore = properties["ignore"]["items"]
    assert ignore["required"] == ["id"]
    assert all(item["description"] for item in ignore["properties"].values())


def test_schema__says_what_the_reader_takes_of_the_new_rules() -> None:
    properties = schema()["properties"]

    def said(name: str) -> dict[str, Any]:
        return {key: value for key, value in properties[name].items() if key != "description"}

    for name in ("exploited", "known-exploited"):
        assert said(name) == {"enum": ["fail", "off"]}
    for name in ("on-exploit-error", "on-baseline-error"):
        assert said(name) == {"enum": ["fail", "warn"]}
    assert said("fail-on") == {"enum": ["all", "new"]}
    assert said("base-image-findings") == {"enum": ["fail", "report"]}
    assert said("epss-threshold") == {"type": "number", "minimum": 0, "maximum": 1}
    assert said("ignore-files")["type"] == "array"
    assert said("baseline")["type"] == "string"
    assert "skipped" not in properties


def test_effective__fetches_each_file_that_is_named_once() -> None:
    asked: list[str] = []

    def fetch(path: str) -> bytes | None:
        asked.append(path)
        return {"p.yml": b"ignore-files: [.trivyignore]", ".trivyignore": b"CVE-1"}.get(path)

    assert effective(make_inputs(policy_file="p.yml"), fetch, DAY).ignore
    assert asked == ["p.yml", ".trivyignore"]
