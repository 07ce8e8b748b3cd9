from dataclasses import replace
from datetime import date

import pytest

from ecr_publish.errors import BuildFailed, Cancelled
from ecr_publish.findings import Layer, Severity, Threshold
from ecr_publish.gate import Decision, Ground
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import FailOn, OnUnjudged
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.policy import BaseImageFindings, Require, Rules, StaleIgnores
from ecr_publish.reference import ImageName, Tag
from ecr_publish.report.wording import (
    MOST_IGNORES,
    advice,
    brought_by,
    durations,
    end,
    epss,
    fixes,
    headline,
    installed,
    missing,
    notes,
    scan,
    stated,
    title,
    untagged,
    unused,
    waiver,
)
from ecr_publish.scan import Evidence, Gap, Result, Unjudged
from ecr_publish.scanning import ScanType
from tests.factories import (
    make_finding,
    make_ignore,
    make_outcome,
    make_package,
    make_plan,
    make_refusal,
    make_result,
    make_unjudged,
    make_verdict,
)
from tests.unit.strategies import RULE_NAMES

FIX = "Update the base image and the packages named here, then run the job again."
ACCEPT = (
    "To accept one of them, `ignore` it in the policy file, with a reason and an end. To accept "
    "more, raise `severity-threshold`; `report-only: true` releases the image whatever is found, "
    "and says so."
)


@pytest.mark.parametrize(
    ("decision", "line"),
    [
        (Decision.PASSED, "Passed: because"),
        (Decision.REFUSED, "Refused: because"),
        (Decision.UNKNOWN, "Not judged: because"),
    ],
)
def test_headline__verdict(decision: Decision, line: str) -> None:
    assert headline(make_outcome(verdict=make_verdict(decision=decision, reason="because"))) == line


def test_headline__error_goes_before_the_verdict() -> None:
    failed = make_outcome(error=BuildFailed(1), promotion=Promotion())
    assert headline(failed) == "Not published: docker buildx build exited with 1"


def test_s6_headline__release_tags_that_are_on_are_not_denied() -> None:
    cancelled = make_outcome(error=Cancelled(), promotion=Promotion(tags=(Tag("1.0"),)))
    assert headline(cancelled) == "Published in part: the run was cancelled"


def test_headline__neither() -> None:
    assert headline(Outcome()) == "Not judged: the run ended early"


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ((), ""),
        ((make_result(),), "basic, COMPLETE"),
        ((make_result(age=0.0),), "basic, COMPLETE, less than a minute old"),
        ((make_result(age=90.0), make_result(age=3600.0)), "basic, COMPLETE, 1 hour old"),
        ((make_unjudged(status=""),), "basic"),
        ((make_result(engine=ScanType.UNKNOWN),), "COMPLETE"),
    ],
)
def test_scan__engine_status_and_age(results: tuple[Result, ...], said: str) -> None:
    assert scan(make_outcome(results=results)) == said


def test_waiver__none() -> None:
    assert waiver(make_outcome()) == ""
    assert waiver(Outcome()) == ""


def test_waiver__applied() -> None:
    verdict = make_refusal(waived_by=("report-only: true",))
    assert waiver(make_outcome(verdict=verdict)) == (
        "The release tags were applied although the image did not pass, "
        "because of report-only: true."
    )


def test_waiver__not_applied_yet() -> None:
    verdict = make_refusal(waived_by=("on-scan-error: warn", "on-timeout: warn"))
    assert waiver(make_outcome(verdict=verdict, promotion=Promotion())) == (
        "The image may be tagged although the image did not pass, "
        "because of on-scan-error: warn and on-timeout: warn."
    )


def test_advice__passed() -> None:
    assert advice(make_outcome()) == ""


@pytest.mark.parametrize("waived_by", [(), ("on-timeout: warn",)])
def test_advice__unknown(waived_by: tuple[str, ...]) -> None:
    verdict = make_verdict(decision=Decision.UNKNOWN, complete=False, waived_by=waived_by)
    text = advice(make_outcome(verdict=verdict))
    assert text.startswith("ECR gave no complete verdict, so the image does not count as passed.")
    for name in ("scan-timeout", "on-timeout", "on-unsupported", "on-scan-error"):
        assert name in text
    assert "on-baseline-error" not in text
    assert "on-exploit-error" not in text


@pytest.mark.parametrize("waived_by", [(), ("report-only: true",)])
def test_advice__unknown_for_a_gap_alone_names_what_gets_by_without(
    waived_by: tuple[str, ...],
) -> None:
    """The scan is complete, so waiting for longer would change nothing."""
    verdict = make_verdict(decision=Decision.UNKNOWN, waived_by=waived_by)
    text = advice(make_outcome(verdict=verdict))
    assert text.startswith("A rule of the policy has nothing to go by")
    assert "`on-baseline-error: warn`" in text
    assert "`on-exploit-error: warn`" in text
    for name in ("scan-timeout", "on-timeout", "on-unsupported", "on-scan-error"):
        assert name not in text


def test_advice__no_verdict() -> None:
    assert advice(Outcome()).startswith("ECR gave no complete verdict")


def test_advice__refused_without_known_fixes() -> None:
    assert advice(make_outcome(verdict=make_refusal(make_finding()))) == f"{FIX} {ACCEPT}"


def test_advice__refused_with_known_fixes() -> None:
    fixable = make_finding(packages=(make_package(fixed_in="3.0.2"),))
    verdict = make_refusal(fixable, make_finding("b"), fixable)
    assert advice(make_outcome(verdict=verdict)) == (
        f"{FIX} A fixed version is known for 2 of 3. {ACCEPT}"
    )


def test_advice__waived_refusal_is_not_told_how_to_waive() -> None:
    verdict = make_refusal(make_finding(), waived_by=("report-only: true",))
    assert advice(make_outcome(verdict=verdict)) == FIX


def test_advice__refused_for_stale_ignores_alone_is_not_told_to_update_the_image() -> None:
    verdict = make_refusal(stale=(make_ignore(),))
    assert advice(make_outcome(verdict=verdict)) == (
        "Remove the ignores that nothing was found for from the policy, or let it say "
        "`stale-ignores: warn`."
    )


AGAIN = (
    " This image was built by an earlier run: `rebuild: true` builds it anew where its tags can "
    "move; otherwise it takes a new commit."
)


def test_advice__refused_image_of_an_earlier_run() -> None:
    fixable = make_finding(packages=(make_package(fixed_in="3.0.2"),))
    assert advice(make_outcome(verdict=make_refusal(fixable), reused=True)) == (
        f"{FIX} A fixed version is known for 1 of 1.{AGAIN} {ACCEPT}"
    )


def test_advice__waived_refusal_of_an_image_of_an_earlier_run() -> None:
    verdict = make_refusal(make_finding(), waived_by=("report-only: true",))
    assert advice(make_outcome(verdict=verdict, reused=True)) == f"{FIX}{AGAIN}"


@pytest.mark.parametrize("decision", [Decision.PASSED, Decision.UNKNOWN])
def test_advice__only_a_refusal_asks_for_another_build(decision: Decision) -> None:
    verdict = make_verdict(decision=decision)
    assert advice(make_outcome(verdict=verdict, reused=True)) == advice(
        make_outcome(verdict=verdict)
    )


NOTHING_BUILT = (
    "Nothing was built: a release tag is already on the image that was made of this very commit "
    "and these inputs. It was judged again."
)


@pytest.mark.parametrize(
    ("reused", "own", "expected"),
    [
        (False, [], ()),
        (False, ["a", "b"], ("a", "b")),
        (True, [], (NOTHING_BUILT,)),
        (True, ["a", "b"], (NOTHING_BUILT, "a", "b")),
    ],
)
def test_notes__reuse_comes_first(reused: bool, own: list[str], expected: tuple[str, ...]) -> None:  # noqa: FBT001
    assert notes(make_outcome(reused=reused, notes=own)) == expected


SKIPPED = ".grype.yaml, line 2: `namespace` is nothing that ECR's findings have"


def test_notes__say_what_is_not_taken_over_of_ignore_files() -> None:
    verdict = make_verdict(rules=Rules(skipped=(SKIPPED,)))
    assert notes(make_outcome(verdict=verdict, notes=["a"])) == ("a", f"Not taken over: {SKIPPED}")
    assert notes(Outcome()) == ()


@pytest.mark.parametrize("more", [0, 1, 9_000])
def test_notes__not_more_than_anybody_reads(more: int) -> None:
    verdict = make_verdict(rules=Rules(skipped=(SKIPPED,) * (MOST_IGNORES + more)))
    said = notes(make_outcome(verdict=verdict))
    assert said[:MOST_IGNORES] == (f"Not taken over: {SKIPPED}",) * MOST_IGNORES
    assert said[MOST_IGNORES:] == (
        (f"There are {more} more rules of ignore files that are not taken over.",) if more else ()
    )


def test_missing__says_what_the_rules_do_without() -> None:
    gaps = (
        Gap(kind=Unjudged.EXPLOIT, reason="EPSS is not known for 2 findings"),
        Gap(kind=Unjudged.BASELINE, reason="the baseline latest: there is no image"),
    )
    assert missing(make_outcome(verdict=make_verdict(gaps=gaps))) == (
        "EPSS is not known for 2 findings (on-exploit-error: warn)",
        "The baseline latest: there is no image (on-baseline-error: warn)",
    )
    assert missing(make_outcome()) == missing(Outcome()) == ()


def test_untagged__says_why_none_were_to_be_applied() -> None:
    plan = make_plan(withheld="promote: never")
    assert untagged(make_outcome(plan=plan)) == "none (promote: never)"


def test_untagged__otherwise_the_verdict_says_it() -> None:
    assert untagged(make_outcome()) == "none"
    assert untagged(Outcome()) == "none"


PACKAGES = (
    make_package(name="a", version="1", fixed_in="2"),
    make_package(name="b", version="", fixed_in=""),
    make_package(name="a", version="1", fixed_in="2"),
    make_package(name="", version="", fixed_in=""),
    make_package(name="c", version="3", fixed_in="4"),
)


def test_fixes__each_version_once() -> None:
    assert fixes(make_finding(packages=PACKAGES)) == "2, 4"
    assert fixes(make_finding(packages=())) == ""


def test_installed__each_package_once() -> None:
    assert installed(make_finding(packages=PACKAGES)) == "a 1, b, c 3"
    assert installed(make_finding(packages=())) == ""


@pytest.mark.parametrize(
    ("score", "in_kev", "said"),
    [
        (None, None, ""),
        (None, False, ""),
        (None, True, "known exploited"),
        (0.0, False, "0.00"),
        (0.12345, False, "0.12"),
        (1.0, True, "1.00, known exploited"),
    ],
)
def test_epss__score_and_list(score: float | None, in_kev: bool | None, said: str) -> None:  # noqa: FBT001
    assert epss(make_finding(epss=score, in_kev=in_kev)) == said


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([], ""),
        ([None], "unknown layer"),
        ([Layer(number=4)], "layer 4"),
        ([Layer(number=4, created_by="COPY . .")], "layer 4: COPY . ."),
        ([Layer(number=4, created_by="COPY . .", from_base=False)], "layer 4: COPY . ."),
        ([Layer(number=4, created_by="COPY . .", line=7, from_base=False)], "line 7: COPY . ."),
        ([Layer(number=1, created_by="ADD x", from_base=True)], "base image: ADD x"),
        ([Layer(number=1, from_base=True)], "base image"),
        ([Layer(number=1, from_base=True)] * 2, "base image"),
        ([None, Layer(number=2), None], "unknown layer, layer 2"),
    ],
)
def test_brought_by__each_layer_once(layers: list[Layer | None], said: str) -> None:
    packages = tuple(make_package(layer=layer) for layer in layers)
    assert brought_by(make_finding(packages=packages)) == said


def test_durations__rooms_and_own_time() -> None:
    seconds = {"plan": 0.04, "build": 61.25, "push": 2.0, "scan": 3.0, "promote": 0.4}
    assert durations(make_outcome(seconds=seconds)) == (
        "plan 0.0 s, build 61.2 s, push 2.0 s, scan 3.0 s, promote 0.4 s; "
        "own time 0.4 s (all but build, push and scan)"
    )


def test_durations__of_the_settling_apart() -> None:
    results = (make_result(settling=10.04), make_result(settling=11.5))
    outcome = make_outcome(seconds={"scan": 30.0, "gate": 0.1}, evidence=Evidence(results=results))

    assert durations(outcome).startswith("scan 30.0 s (settling 11.5 s), gate 0.1 s; own")


def test_durations__none() -> None:
    assert durations(Outcome()) == ""


# The policy -----------------------------------------------------------------------------------


def test_title__each_ground_has_its_own() -> None:
    rules = Rules(severity_threshold=Threshold.MEDIUM)
    titles = {ground: title(ground, rules) for ground in Ground}
    assert len(set(titles.values())) == len(Ground)
    assert titles[Ground.AT_THRESHOLD] == "at or above the threshold medium"
    assert titles[Ground.BELOW_THRESHOLD] == "below the threshold medium"
    assert titles[Ground.KNOWN_EXPLOITED] == "listed by CISA as known exploited"
    assert titles[Ground.OF_BASE_IMAGE] == "of the base image (base-image-findings: report)"
    new = Rules(baseline=ImageName.parse("team/base:1.4"), epss_threshold=0.36)
    assert title(Ground.KNOWN, new) == "known in the baseline team/base:1.4 (fail-on: new)"
    assert title(Ground.LIKELY_EXPLOITED, new) == "with an EPSS score of 0.36 or more"


def test_unused__no_verdict() -> None:
    assert unused(Outcome()) == ()
    assert unused(make_outcome()) == ()


ENDED = make_ignore("CVE-1", until=date(2026, 7, 31))
FIXED = make_ignore("CVE-2", until_fixed=True)


def test_unused__names_what_has_ended_and_why() -> None:
    assert unused(make_outcome(verdict=make_verdict(expired=(ENDED, FIXED)))) == (
        "The ignore of CVE-1 ended on 2026-07-31 and no longer counts (.ecr-publish.yml, line 3).",
        (
            "The ignore of CVE-2 counts only until there is a fix, and ECR does not say that there "
            "is none (.ecr-publish.yml, line 3)."
        ),
    )


STALE = "Nothing was found for the ignore of CVE-3; remove it (.ecr-publish.yml, line 3)."


@pytest.mark.parametrize(
    ("stale", "said"),
    [(StaleIgnores.WARN, (STALE,)), (StaleIgnores.FAIL, (STALE,)), (StaleIgnores.OFF, ())],
)
def test_unused__stale_ones_unless_they_are_off(stale: StaleIgnores, said: tuple[str, ...]) -> None:
    verdict = make_verdict(stale=(make_ignore("CVE-3"),), rules=Rules(stale_ignores=stale))
    assert unused(make_outcome(verdict=verdict)) == said


def test_unused__what_has_ended_is_named_even_where_stale_ones_are_not() -> None:
    verdict = make_verdict(expired=(ENDED,), rules=Rules(stale_ignores=StaleIgnores.OFF))
    assert len(unused(make_outcome(verdict=verdict))) == 1


@pytest.mark.parametrize("more", [0, 1, 5000])
def test_unused__not_more_than_anybody_reads(more: int) -> None:
    many = (ENDED,) * (MOST_IGNORES + more)
    said = unused(make_outcome(verdict=make_verdict(expired=many, stale=many)))
    assert len(said) == 2 * MOST_IGNORES + (2 if more else 0)
    assert (f"There are {more} more ignores that have ended." in said) is bool(more)
    assert (f"There are {more} more ignores that nothing was found for." in said) is bool(more)


@pytest.mark.parametrize(
    ("ignore", "said"),
    [(make_ignore(), ""), (FIXED, "there is a fix"), (ENDED, "2026-07-31")],
)
def test_end__of_an_ignore(ignore: Ignore, said: str) -> None:
    assert end(ignore) == said


EVERY = Rules(
    severity_threshold=Threshold.LOW,
    unknown_severity=Severity.MEDIUM,
    limits={Severity.MEDIUM: 20, Severity.LOW: 0},
    only_fixable=True,
    grace={Severity.HIGH: 14},
    exploited=True,
    known_exploited=True,
    epss_threshold=0.36,
    on_exploit_error=OnUnjudged.WARN,
    baseline=ImageName.parse("team/base:1.4"),
    fail_on=FailOn.NEW,
    on_baseline_error=OnUnjudged.WARN,
    base_image_findings=BaseImageFindings.REPORT,
    stale_ignores=StaleIgnores.FAIL,
    require=Require(reason=True, until=True, owner=True, max_days=90),
    ignore=(ENDED, FIXED),
)


@pytest.mark.parametrize(
    ("name", "default", "value"),
    [
        ("severity_threshold", "high", "low"),
        ("unknown_severity", "fail", "medium"),
        ("limits", "none", "medium: 20, low: 0"),
        ("only_fixable", "false", "true"),
        ("grace", "none", "high: 14d"),
        ("exploited", "off", "fail"),
        ("known_exploited", "off", "fail"),
        # Nobody can state that there is none of these two.
        ("epss_threshold", "None", "0.36"),
        ("on_exploit_error", "fail", "warn"),
        ("baseline", "None", "team/base:1.4"),
        ("fail_on", "all", "new"),
        ("on_baseline_error", "fail", "warn"),
        ("base_image_findings", "fail", "report"),
        ("stale_ignores", "warn", "fail"),
        ("require", "nothing", "reason, until, owner, max-days: 90"),
        ("ignore", "0 entries", "2 entries"),
    ],
)
def test_stated__each_rule(name: str, default: str, value: str) -> None:
    shown = name.replace("_", "-")
    assert stated(Rules(places={name: "here"})) == [(shown, default, "here")]
    assert stated(replace(EVERY, places={name: "here"})) == [(shown, value, "here")]


def test_stated__every_rule_has_a_value_to_show() -> None:
    rows = stated(replace(EVERY, places=dict.fromkeys(RULE_NAMES, "here")))
    assert [row[0] for row in rows] == [name.replace("_", "-") for name in RULE_NAMES]
    assert all(value for _, value, _ in rows)


def test_stated__one_ignore_is_one_entry() -> None:
    assert stated(Rules(ignore=(ENDED,), places={"ignore": "x"})) == [("ignore", "1 entry", "x")]


def test_stated__nothing() -> None:
    assert stated(EVERY) == []
