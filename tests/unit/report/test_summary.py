import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.errors import (
    CallFailed,
    InvalidInputs,
    PromotionFailed,
    PublishError,
    TagTaken,
)
from ecr_publish.findings import Finding, Layer, Package, Severity, Threshold
from ecr_publish.gate import Ground, Verdict
from ecr_publish.inputs import FailOn, OnUnjudged
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.plan import make
from ecr_publish.policy import Rules, StaleIgnores
from ecr_publish.policy_file import DEFAULT_PATH, effective
from ecr_publish.reference import ImageName, Tag
from ecr_publish.report.summary import summary
from ecr_publish.scan import Gap, Result, Unjudged
from ecr_publish.scanning import ScanType
from tests.factories import (
    ARN,
    CANDIDATE,
    COMPLETED_AT,
    DAY,
    NAME,
    SHA,
    make_context,
    make_digest,
    make_finding,
    make_findings,
    make_ignore,
    make_inputs,
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
from tests.unit.report.test_comment import fork, fork_of_an_image
from tests.unit.strategies import RULE_NAMES, policy_of

FIXABLE = make_finding(
    "CVE-2024-0727",
    "CRITICAL",
    packages=(
        make_package(fixed_in="3.0.13-r0"),
        make_package(name="libcrypto3", fixed_in="3.0.13-r0"),
    ),
)
SUMMARY_LIMIT = 1_000_000  # GitHub uploads nothing of a summary above 1 MiB


def judged(*results: Result, promoted: bool = False, **policy: Any) -> Outcome:
    """The end of a run over these results, its verdict from the gate itself."""
    return make_outcome(
        results=results,
        verdict=verdict_over(results, make_policy(**policy)),
        **({} if promoted else {"promotion": Promotion(), "candidate": CANDIDATE}),
    )


def passed() -> Outcome:
    return judged(make_result(*make_findings(medium=1, low=2)), promoted=True)


def refused() -> Outcome:
    amd = make_result(FIXABLE, *make_findings(high=1, low=1), target=make_target("amd"))
    arm = make_result(*make_findings(untriaged=1), target=make_target("arm"))
    return judged(amd, arm)


def timeout() -> Outcome:
    why = "no verdict within scan-timeout: the scan has not started yet"
    return judged(make_unjudged(Unjudged.TIMEOUT, why, engine=ScanType.ENHANCED))


def waived_by_report_only() -> Outcome:
    return judged(make_result(FIXABLE), promoted=True, report_only=True)


def waived_by_on_timeout() -> Outcome:
    why = "no verdict within scan-timeout: the scan is running"
    found = make_findings(low=1)
    return judged(
        replace(make_unjudged(Unjudged.TIMEOUT, why), findings=found),
        promoted=True,
        timeout=OnUnjudged.WARN,
    )


def error_with_fix() -> Outcome:
    error = CallFailed(
        "DescribeImageScanFindings",
        "AccessDeniedException",
        "User: arn:aws:sts::123456789012:assumed-role/visit-counter-publisher/ecr-publish-42-1 is "
        "not authorized to perform: ecr:DescribeImageScanFindings on resource: "
        f"{ARN} because no identity-based policy allows the ecr:DescribeImageScanFindings action",
        resource=ARN,
        transient=False,
    )
    seconds = {"plan": 0.1, "build": 61.25, "push": 9.0, "scan": 0.2}
    return Outcome(
        plan=make_outcome().plan,
        state=make_outcome().state,
        digest=make_outcome().digest,
        candidate=CANDIDATE,
        seconds=seconds,
        error=error,
    )


def bad_inputs() -> Outcome:
    return Outcome(
        error=InvalidInputs(
            [
                "repository: is not set, and the action cannot do without it",
                "scan-timeout: '5' is not a duration from 10s to 6h (90s, 15m, 1h, or seconds)",
            ]
        ),
        seconds={"plan": 0.0},
    )


def many() -> Outcome:
    return judged(make_result(*make_findings(critical=1, high=149, low=150)))


def several_platforms() -> Outcome:
    hushed = make_finding("CVE-2024-9999", "CRITICAL", suppressed=True)
    low = make_findings(low=1)
    amd = make_result(FIXABLE, hushed, *low, target=make_target("amd", "linux/amd64"), age=90.0)
    arm = make_result(FIXABLE, hushed, target=make_target("arm", "linux/arm64/v8"), age=200_000.0)
    late = make_unjudged(target=make_target("s390x", "linux/s390x"))
    return judged(amd, arm, late)


def suppressed() -> Outcome:
    hushed = make_finding("CVE-2024-9999", "CRITICAL", suppressed=True)
    return judged(make_result(hushed, engine=ScanType.ENHANCED, age=12.0), promoted=True)


def reused_and_refused() -> Outcome:
    outcome = judged(make_result(FIXABLE, age=200_000.0))
    outcome.reused, outcome.candidate = True, None
    outcome.worn = (Tag("1.4.2"), Tag("latest"))
    outcome.promotion = Promotion()
    outcome.seconds = {"plan": 0.1, "find": 0.2, "scan": 1.0}
    return outcome


def withheld_on_a_pull_request() -> Outcome:
    run = make_context(from_pull_request=True)
    plan = make(make_inputs(), run, None, rules=Rules(), nonce="0badcafe")
    outcome = judged(make_result(*make_findings(low=1)))
    outcome.plan, outcome.candidate = plan, None
    return outcome


def warnings_of_a_backwards_move() -> Outcome:
    outcome = judged(make_result(), promoted=True)
    newer = f"{make_digest('newer')}, an image of the newer commit {SHA[::-1]}"
    outcome.warnings = [
        f"The tag latest was on {newer}; it is moved.",
        f"The tag stable stays on {newer} (promote-only-forward).",
    ]
    return outcome


def promotion_failed_in_part() -> Outcome:
    taken = TagTaken("latest", str(make_digest("other")), NAME, "Another run has put it there.")
    outcome = judged(make_result())
    outcome.promotion = Promotion(tags=(Tag("1.4.2"), Tag("1.4")), unchanged=(Tag("1.4"),))
    outcome.error = PromotionFailed(taken, applied=["1.4.2", "1.4"], missing=["latest", "stable"])
    return outcome


def policy_file(text: str) -> Rules:
    """The rules of a policy file."""
    return effective(make_inputs(), {DEFAULT_PATH: text.encode()}.get, DAY)


EVERY_RULE = """\
severity-threshold: high
unknown-severity: fail
limits: {medium: 1, low: 1}
only-fixable: true
grace: {high: 14d}
exploited: fail
known-exploited: fail
epss-threshold: 0.5
on-exploit-error: warn
baseline: team/app:1.4
fail-on: new
on-baseline-error: warn
base-image-findings: report
stale-ignores: warn
require: {reason: true, until: true, max-days: 400}
ignore:
  - id: CVE-2024-IGNORED
    package: openssl
    reason: not reachable, the parser is disabled
    owner: team-web
    until: 2027-01-31
  - {id: CVE-2024-IGNORED, package: zlib, reason: no fix yet, until: until-fixed}
  - {id: CVE-2024-EXPIRED, reason: for the release of July, until: 2026-07-31}
  - {id: CVE-2024-GONE, reason: nobody remembers, until: 2026-12-31}
  - {id: CVE-2024-FIXED, reason: no fix yet, until: until-fixed}
"""


def every_ground() -> Outcome:
    zlib = make_package(name="zlib", version="1.2.13")
    fixed = make_package(fixed_in="3.0.13-r0")
    debian = Layer(number=1, created_by="debian.sh --arch 'amd64' out/", from_base=True)
    of_base = make_package(layer=debian)
    of_own = make_package(layer=Layer(number=2, created_by="COPY . .", line=7, from_base=False))
    of_any = make_package(name="zlib", layer=Layer(number=3))
    named = partial(make_finding, known_since=COMPLETED_AT - timedelta(days=10))
    found = (
        named("CVE-2024-THRESHOLD", "CRITICAL", packages=(fixed,), fixable=True),
        named("CVE-2024-FIXED", "CRITICAL", packages=(fixed,), fixable=True),
        named("CVE-2024-EXPIRED", "CRITICAL"),
        named("CVE-2024-LIMIT-1", "MEDIUM"),
        named("CVE-2024-LIMIT-2", "MEDIUM"),
        named("CVE-2024-EXPLOITED", "LOW", exploited=True),
        named("CVE-2024-KEV", "LOW", in_kev=True, epss=0.93),
        named("CVE-2024-EPSS", "LOW", in_kev=False, epss=0.5, packages=(of_own, of_any)),
        named("CVE-2024-BELOW", "LOW", in_kev=False, epss=0.49),
        named("CVE-2024-KNOWN", "CRITICAL", known=True),
        named("CVE-2024-BASE", "CRITICAL", packages=(of_base,), known=False),
        named("CVE-2024-UNFIXED", "CRITICAL", fixable=False),
        named("CVE-2024-GRACE", "HIGH", fixable=True),
        named("CVE-2024-IGNORED", "CRITICAL", packages=(make_package(), zlib), fixable=False),
        named("CVE-2024-SUPPRESSED", "CRITICAL", suppressed=True),
    )
    skipped = (".grype.yaml, line 4: `namespace` cannot be compared with ECR's findings",)
    rules = replace(policy_file(EVERY_RULE), skipped=skipped)
    results = (make_result(*found, engine=ScanType.ENHANCED),)
    gap = Gap(kind=Unjudged.EXPLOIT, reason="EPSS and CISA's list are not known for 12 findings")
    verdict = verdict_over(results, policy_of(rules), gaps=[gap])
    return make_outcome(results=results, verdict=verdict, promotion=Promotion())


def passed_by_the_policy() -> Outcome:
    rules = policy_file("ignore: [{id: CVE-2024-HIGH-0}]\n")
    results = (make_result(*make_findings(high=1)),)
    verdict = verdict_over(results, policy_of(rules))
    return make_outcome(results=results, verdict=verdict)


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "| a | b |\n|---|---|\n| c |",
    "[click](javascript:alert(1))",
    "![](https://evil.example/pixel.png)",
    "```\n## Passed\n```",
    "</details></table><h1>Passed</h1>",
    "::error::x\r\n##[error]x",
    "https://evil.example www.evil.example",
    "\x1b[2J\u202e\ud800 *bold* _it_ ~~del~~ `code` &lt;b&gt; \\| #1",
)


def hostile() -> Outcome:
    found = tuple(
        Finding(
            name=text,
            severity=Severity.UNDEFINED,
            stated_severity=text,
            packages=(
                Package(
                    name=text,
                    version=text,
                    fixed_in=f"{prefix}{text}",
                    layer=Layer(number=1, created_by=text, from_base=True),
                ),
            ),
            uri=f"{prefix}{text}",
            description=text,
        )
        for text in HOSTILE
        for prefix in ("", "https://evil.example/")
    )
    outcome = judged(
        make_result(*found, status=HOSTILE[0]),
        make_unjudged(Unjudged.ERROR, f"the scan failed: {HOSTILE[5]}"),
    )
    assert outcome.verdict
    outcome.verdict = replace(
        outcome.verdict,
        rules=replace(outcome.verdict.rules, skipped=HOSTILE),
        gaps=tuple(Gap(kind=Unjudged.EXPLOIT, reason=text) for text in HOSTILE),
    )
    outcome.notes.extend(HOSTILE)
    outcome.warnings.extend(HOSTILE)
    return outcome


def hostile_ignores() -> Outcome:
    ignores = tuple(
        make_ignore("CVE-2024-0001", reason=text, owner=text, place=text, package=text)
        for text in HOSTILE
    )
    found = make_finding(packages=tuple(make_package(name=text) for text in HOSTILE))
    ended = tuple(
        make_ignore(text, until=date(2026, 7, 31), reason=text, place=text) for text in HOSTILE
    )
    stale = tuple(make_ignore(text, reason=text, owner=text, place=text) for text in HOSTILE)
    places = {"ignore": HOSTILE[1]}
    rules = {"ignore": (*ignores, *ended, *stale), "places": places}
    return judged(make_result(found), promoted=True, **rules)


def hostile_error() -> Outcome:
    everything = "\n".join(HOSTILE)
    return Outcome(error=PublishError(everything, why=everything, fix=everything))


def gaps_that_fail() -> Outcome:
    """Two rules that could not learn what they need, so that nothing is passed."""
    rules = Rules(
        known_exploited=True,
        baseline=ImageName.parse("latest"),
        fail_on=FailOn.NEW,
        places={"known_exploited": "p.yml, line 1", "fail_on": "p.yml, line 2"},
    )
    results = (make_result(*make_findings(low=1), engine=ScanType.ENHANCED),)
    gaps = (
        Gap(kind=Unjudged.EXPLOIT, reason="Inspector has no details of 1 finding"),
        Gap(kind=Unjudged.BASELINE, reason="the baseline latest: the scan failed"),
    )
    verdict = verdict_over(results, policy_of(rules), gaps=gaps)
    return make_outcome(results=results, verdict=verdict, promotion=Promotion())


CASES: dict[str, Callable[[], Outcome]] = {
    "summary-fork.md": fork,
    "summary-fork-of-an-image.md": fork_of_an_image,
    "summary-passed.md": passed,
    "summary-refused.md": refused,
    "summary-unknown-timeout.md": timeout,
    "summary-waived-report-only.md": waived_by_report_only,
    "summary-waived-on-timeout.md": waived_by_on_timeout,
    "summary-error-with-fix.md": error_with_fix,
    "summary-bad-inputs.md": bad_inputs,
    "summary-300-findings.md": many,
    "summary-several-platforms.md": several_platforms,
    "summary-suppressed.md": suppressed,
    "summary-reused-refused.md": reused_and_refused,
    "summary-withheld.md": withheld_on_a_pull_request,
    "summary-backwards.md": warnings_of_a_backwards_move,
    "summary-promotion-in-part.md": promotion_failed_in_part,
    "summary-every-ground.md": every_ground,
    "summary-passed-by-the-policy.md": passed_by_the_policy,
    "summary-gaps.md": gaps_that_fail,
    "summary-hostile.md": hostile,
    "summary-hostile-ignores.md": hostile_ignores,
    "summary-hostile-error.md": hostile_error,
}


@pytest.mark.parametrize("name", CASES)
def test_summary__golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(name, summary(CASES[name]()))


def test_golden__no_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.glob("summary-*")} == set(CASES)


def test_summary__nothing_happened() -> None:
    assert summary(Outcome()) == (
        "## ⚠️ Not judged: the run ended early\n\n"
        "### What to do next\n\n"
        "ECR gave no complete verdict, so the image does not count as passed. Look at the image "
        "in the ECR console. If the scan only needs longer, raise `scan-timeout`; see "
        "`on-timeout`, `on-unsupported` and `on-scan-error` for letting such images through.\n"
    )


@pytest.mark.parametrize("make", [passed, refused, timeout, waived_by_report_only])
def test_summary__an_error_is_never_marked_as_passed(make: Callable[[], Outcome]) -> None:
    outcome = make()
    outcome.error = PublishError("it broke")
    text = summary(outcome)
    assert re.match("## ❌ (Not published|Published in part): it broke\n", text)
    assert "✅" not in text
    assert "What to do next" not in text


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if "CVE-2024-" in line]


def refusal(number: int) -> Verdict:
    return make_refusal(*make_findings(high=number))


@pytest.mark.parametrize(
    ("number", "shown"), [(1, 1), (99, 99), (100, 100), (101, 100), (1000, 100)]
)
def test_summary__most_rows(number: int, shown: int) -> None:
    text = summary(make_outcome(verdict=refusal(number)))
    assert len(rows(text)) == shown
    assert (f"Showing 100 of {number}." in text) is (number > shown)
    assert ("Showing" in text) is (number > shown)


def test_summary__below_the_threshold_is_every_other_finding() -> None:
    twins = make_finding("CVE-2024-A"), make_finding("CVE-2024-A")
    grounds = (Ground.AT_THRESHOLD, Ground.BELOW_THRESHOLD)
    judgements = tuple(map(make_judgement, twins))
    verdict = make_verdict(
        judgements=tuple(
            replace(item, ground=ground) for item, ground in zip(judgements, grounds, strict=True)
        )
    )
    text = summary(make_outcome(verdict=verdict))
    assert "<summary>1 finding below the threshold high</summary>" in text
    assert len(rows(text)) == 2


def test_summary__all_refuse() -> None:
    assert "<details>" not in summary(make_outcome(verdict=refusal(2), seconds={}))


def test_summary__none_refuses() -> None:
    text = summary(make_outcome(verdict=make_verdict(*make_findings(high=2))))
    assert "At or above" not in text
    assert "<summary>2 findings below the threshold high</summary>" in text


def test_summary__counts() -> None:
    found = make_findings(critical=1, high=2, medium=3, low=4, informational=5, undefined=6)
    text = summary(make_outcome(verdict=make_verdict(*found)))
    assert "| Critical | High | Medium | Low | Informational | Undefined | Total |\n" in text
    assert "\n| 1 | 2 | 3 | 4 | 5 | 6 | 21 |\n" in text


def test_summary__threshold() -> None:
    verdict = make_refusal(make_finding(), rules=Rules(severity_threshold=Threshold.LOW))
    assert "### At or above the threshold low\n" in summary(make_outcome(verdict=verdict))


def test_summary__finding_without_anything() -> None:
    bare = make_finding("", "", uri="", packages=())
    assert "\n|  | (no name) |  |  |\n" in summary(make_outcome(verdict=make_refusal(bare)))


def test_summary__nameless_finding_keeps_its_link() -> None:
    finding = make_finding("", uri="https://e.example/1")
    text = summary(make_outcome(verdict=make_refusal(finding)))
    assert "| [(no name)](https://e.example/1) |" in text


def facts(**over: Any) -> dict[str, str]:
    table = summary(make_outcome(**over)).split("| | |\n|---|---|\n")[1].split("\n\n")[0]
    return dict(line.strip("| ").split(" | ") for line in table.splitlines())


def test_facts__passed() -> None:
    outcome = make_outcome()
    assert facts() == {
        "Image": f"<code>{outcome.image}</code>",
        "Release tags": "<code>0123456</code>, <code>latest</code>",
        "Scan": "basic, COMPLETE",
    }


def test_facts__candidate_that_stays() -> None:
    assert facts(candidate=CANDIDATE)["Candidate"] == "<code>candidate-42-1-0badcafe</code>"


def test_facts__not_pushed() -> None:
    assert facts(digest=None, promotion=Promotion(), results=()) == {
        "Image": "not pushed",
        "Release tags": "none",
        "Scan": "none",
    }


def test_facts__why_there_are_no_tags() -> None:
    plan = make_plan(withheld="promote-to names none")
    assert facts(plan=plan, promotion=Promotion())["Release tags"] == "none (promote-to names none)"
    assert facts(plan=plan)["Release tags"] == "<code>0123456</code>, <code>latest</code>"


def test_summary__error_leaves_out_what_it_does_not_know() -> None:
    error = PublishError("it broke")
    assert summary(Outcome(error=error)) == (
        f"## ❌ Not published: it broke\n\nMore: {error.docs}\n"
    )


def test_summary__note_with_something_to_paste() -> None:
    text = summary(make_outcome(notes=["It *failed*.\nAdd\n    checks: write", "Another."]))
    assert (
        "> [!NOTE]\n> It \\*failed\\*.\n\n"
        "```text\nAdd\n    checks: write\n```\n\n"
        "> [!NOTE]\n> Another.\n"
    ) in text


def test_summary__long_refusal_of_aws_is_whole() -> None:
    outcome = Outcome(error=PublishError("w" * 900), notes=["n" * 900])
    text = summary(outcome)
    assert "w" * 900 in text
    assert "n" * 900 in text


WORST = "&" * 5000
MOST_HOSTILE = make_finding(
    WORST,
    WORST,
    uri=f"https://e.example/{'a' * 460}",
    packages=(
        Package(
            name=WORST,
            version=WORST,
            fixed_in=WORST,
            layer=Layer(number=1, created_by=WORST, line=10**9),
        ),
    ),
    platforms=(WORST,),
    epss=0.5,
    in_kev=True,
)


@pytest.mark.parametrize("number", [100, 10_000])
def test_summary__the_most_hostile_findings_stay_below_the_limit(number: int) -> None:
    ignore = make_ignore(WORST, reason=WORST, owner=WORST, place=WORST, until=date.max)
    verdict = make_verdict(
        judgements=tuple(
            make_judgement(MOST_HOSTILE, ground=ground, ignores=(ignore,), until=date.max)
            for ground in Ground
            for _ in range(number)
        ),
        expired=(ignore,) * number,
        stale=(ignore,) * number,
        rules=Rules(
            skipped=(WORST,) * number,
            places=dict.fromkeys(RULE_NAMES, WORST),
        ),
        gaps=(Gap(kind=Unjudged.EXPLOIT, reason=WORST), Gap(kind=Unjudged.BASELINE, reason=WORST)),
    )
    text = summary(make_outcome(verdict=verdict))
    assert text.count(f" of {number}.") == len(Ground)
    assert 500_000 < len(text.encode()) < SUMMARY_LIMIT


def test_summary__hostile_findings_of_one_ground_take_no_rows_from_another() -> None:
    refused = [make_judgement(MOST_HOSTILE, ground=Ground.AT_THRESHOLD)] * 1000
    ignored = [make_judgement(make_finding(), ground=Ground.IGNORED)] * 100
    text = summary(make_outcome(verdict=make_verdict(judgements=(*refused, *ignored))))
    assert len(rows(text)) == 100


def test_summary__all_rows_of_the_usual_size_are_shown() -> None:
    text = summary(make_outcome(verdict=refusal(100)))
    assert "Showing" not in text


def test_ignored__says_who_and_why_and_until_when() -> None:
    first = make_ignore(reason="parser disabled", owner="team-web", until=date(2027, 1, 31))
    other = replace(first, reason="no fix", until=None, until_fixed=True, place="base.yml, line 9")
    item = make_judgement(make_finding(), ground=Ground.IGNORED, ignores=(first, other))
    text = summary(make_outcome(verdict=make_verdict(judgements=(item,))))
    assert "| Fixed in | Reason | Owner | Until | Rule |\n" in text
    assert rows(text)[0].endswith(
        "|  | parser disabled; no fix | team-web | 2027-01-31; there is a fix "
        "| .ecr-publish.yml, line 3; base.yml, line 9 |"
    )


HEAD = "| Severity | Finding | Package | Fixed in |"


@pytest.mark.parametrize(
    ("changes", "more", "shown"),
    [
        ({}, "", ""),
        ({"in_kev": False}, " EPSS |", "  |"),
        ({"in_kev": False, "epss": 0.25}, " EPSS |", " 0.25 |"),
        ({"in_kev": True, "epss": 0.25}, " EPSS |", " 0.25, known exploited |"),
        ({"packages": (make_package(layer=Layer(number=2)),)}, " Brought by |", " layer 2 |"),
        (
            {
                "packages": (make_package(layer=Layer(number=2)),),
                "platforms": ("linux/amd64",),
                "in_kev": True,
            },
            " Platforms | Brought by | EPSS |",
            " linux/amd64 | layer 2 | known exploited |",
        ),
    ],
)
def test_table__has_a_column_only_for_what_is_known(
    changes: dict[str, Any], more: str, shown: str
) -> None:
    text = summary(make_outcome(verdict=make_refusal(make_finding(**changes))))
    assert f"\n{HEAD}{more}\n" in text
    assert rows(text)[0].endswith(f"| openssl 3.0.1-r0 |  |{shown}")


def test_table__one_finding_is_enough_for_a_column() -> None:
    found = make_finding("CVE-2024-A", in_kev=True), make_finding("CVE-2024-B")
    text = summary(make_outcome(verdict=make_refusal(*found)))
    assert f"\n{HEAD} EPSS |\n" in text
    told, untold = rows(text)
    assert told.endswith("| openssl 3.0.1-r0 |  | known exploited |")
    assert untold.endswith("| openssl 3.0.1-r0 |  |  |")


def test_table__columns_are_those_of_its_own_rows() -> None:
    refused = make_judgement(make_finding(in_kev=True), ground=Ground.AT_THRESHOLD)
    below = make_judgement(make_finding("CVE-2024-B"))
    text = summary(make_outcome(verdict=make_verdict(judgements=(refused, below))))
    assert f"\n{HEAD} EPSS |\n" in text
    assert f"\n{HEAD}\n" in text


def test_summary__gaps_come_before_ignores_that_have_ended_and_both_are_warnings() -> None:
    gap = Gap(kind=Unjudged.BASELINE, reason="it is not there")
    verdict = make_verdict(gaps=(gap,), expired=(make_ignore(until=DAY),))
    text = summary(make_outcome(verdict=verdict))
    first, second = re.findall(r"> \[!WARNING\]\n> (.*)", text)
    assert first == "It is not there (on-baseline-error: warn)"
    assert second.startswith("The ignore of ")


def test_summary__rules_that_are_not_taken_over_are_notes() -> None:
    verdict = make_verdict(rules=Rules(skipped=("a.yml, line 2: odd",)))
    text = summary(make_outcome(verdict=verdict))
    assert "> [!NOTE]\n> Not taken over: a.yml, line 2: odd\n" in text


def test_in_grace__says_until_when() -> None:
    item = make_judgement(make_finding(), ground=Ground.IN_GRACE, until=date(2026, 8, 15))
    text = summary(make_outcome(verdict=make_verdict(judgements=(item,))))
    assert "| Fixed in | Refuses from |\n" in text
    assert rows(text)[0].endswith("|  | 2026-08-15 |")


@pytest.mark.parametrize("ground", Ground)
def test_summary__each_ground_has_its_own_table(ground: Ground) -> None:
    item = make_judgement(make_finding(), ground=ground, until=DAY, ignores=(make_ignore(),))
    text = summary(make_outcome(verdict=make_verdict(judgements=(item,))))
    assert len(rows(text)) == 1
    assert ("<details><summary>1 finding " in text) is not ground.refuses
    assert ("\n### " in text) is ground.refuses


def test_policy__is_not_shown_where_nobody_has_stated_one() -> None:
    assert "The policy" not in summary(make_outcome())


def test_policy__states_each_rule_once_and_where() -> None:
    rules = Rules(
        stale_ignores=StaleIgnores.FAIL,
        places={"stale_ignores": "base.yml, line 2", "only_fixable": "the input only-fixable"},
    )
    text = summary(make_outcome(verdict=make_verdict(rules=rules)))
    assert (
        "<details><summary>The policy</summary>\n\n"
        "| Rule | Value | Stated in |\n|---|---|---|\n"
        "| stale-ignores | fail | base.yml, line 2 |\n"
        "| only-fixable | false | the input only-fixable |\n\n</details>"
    ) in text


# --- next steps


def test_steps__say_which_update_fixes_how_many_before_the_advice() -> None:
    text = summary(refused())
    steps = text.partition("### What to do next\n\n")[2]
    assert steps.startswith(
        "- Update openssl 3.0.1-r0, libcrypto3 3.0.1-r0 (fixed in 3.0.13-r0): fixes 1 of 3\n\n"
        "Update the base image and the packages named here"
    )


def test_steps__where_nothing_is_fixed_there_is_the_advice_alone() -> None:
    text = summary(make_outcome(verdict=make_refusal(make_finding())))
    assert "### What to do next\n\nUpdate the base image" in text


@pytest.mark.parametrize("make", [passed, error_with_fix, bad_inputs, promotion_failed_in_part])
def test_steps__none_where_there_is_nothing_to_fix(make: Callable[[], Outcome]) -> None:
    assert "What to do next" not in summary(make())


# --- the time line


BARS = re.compile(r"  ([a-z]+) \(([0-9]+\.[0-9]) s\) : ([0-9]+), ([0-9]+)")


def chart(**seconds: float) -> list[tuple[str, str, int, int]]:
    """The bars: room, duration, begin and end in milliseconds."""
    text = summary(make_outcome(seconds=seconds))
    assert text.count("```mermaid\n") == 1
    content = text.partition("```mermaid\n")[2].partition("\n```\n")[0].split("\n")
    assert content[:3] == ["gantt", "  dateFormat x", "  axisFormat %s s"]
    bars = [BARS.fullmatch(line) for line in content[3:]]
    return [(bar[1], bar[2], int(bar[3]), int(bar[4])) for bar in bars if bar]


def test_time_line__one_bar_for_each_room_after_the_other() -> None:
    assert chart(plan=0.1, build=61.25, scan=12.04) == [
        ("plan", "0.1", 0, 100),
        ("build", "61.2", 100, 61_350),
        ("scan", "12.0", 61_350, 73_390),
    ]


def test_time_line__of_no_time_at_all() -> None:
    assert chart(plan=0.0) == [("plan", "0.0", 0, 1)]


@given(st.lists(st.floats(0, 100_000), min_size=1, max_size=12))
def test_time_line__no_bar_ends_before_it_begins(spent: list[float]) -> None:
    rooms = [chr(ord("a") + number) for number in range(len(spent))]
    bars = chart(**dict(zip(rooms, spent, strict=True)))
    assert [room for room, *_ in bars] == rooms
    assert all(begin <= end for *_, begin, end in bars)
    assert abs(bars[-1][3] - round(sum(spent) * 1000)) <= 1


def test_time_line__none_where_no_time_is_known() -> None:
    assert "mermaid" not in summary(make_outcome(seconds={}))
