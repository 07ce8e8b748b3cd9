import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.errors import BuildFailed, PublishError
from ecr_publish.gate import Ground, Verdict
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.policy import Rules
from ecr_publish.report.log import lines
from ecr_publish.report.wording import advice, unused
from ecr_publish.scan import Evidence, Gap, Unjudged
from tests.factories import (
    DAY,
    URI,
    make_finding,
    make_findings,
    make_ignore,
    make_judgement,
    make_outcome,
    make_package,
    make_plan,
    make_refusal,
    make_result,
    make_unjudged,
    make_verdict,
)


def test_lines__passed() -> None:
    outcome = make_outcome(notes=["The candidate stays.", "Another."], seconds={"plan": 0.1})
    assert outcome.digest
    assert list(lines(outcome)) == [
        "Passed: no findings",
        f"Image: {URI}@{outcome.digest}",
        "Release tags: 0123456, latest",
        "Scan: basic, COMPLETE",
        "Note: The candidate stays.",
        "Note: Another.",
        "Time: plan 0.1 s; own time 0.1 s (all but build, push and scan)",
    ]


def test_lines__refused() -> None:
    fixable = make_finding(
        "CVE-1", "CRITICAL", packages=(make_package(name="zlib", version="1", fixed_in="2"),)
    )
    informational = make_finding("CVE-2", "INFORMATIONAL", packages=())
    nameless = make_finding("", "", packages=(make_package(name="", version=""),))
    outcome = make_outcome(
        verdict=make_refusal(fixable, informational, nameless),
        promotion=Promotion(),
        seconds={},
    )
    assert outcome.digest
    assert list(lines(outcome)) == [
        "Refused: 1 HIGH: at or above the threshold high",
        "  CRITICAL      CVE-1 in zlib 1, fixed in 2",
        "  INFORMATIONAL CVE-2",
        "                (no name)",
        f"Image: {URI}@{outcome.digest}",
        "Release tags: none",
        "Scan: basic, COMPLETE",
        advice(outcome),
    ]


def test_lines__finding_names_its_platforms() -> None:
    finding = make_finding("CVE-1", platforms=("linux/amd64", "linux/arm64"))
    said = list(lines(make_outcome(verdict=make_refusal(finding))))
    assert said[1] == "  HIGH          CVE-1 in openssl 3.0.1-r0 (linux/amd64, linux/arm64)"


SOME = make_findings(critical=2)


@pytest.mark.parametrize("make", [make_verdict, make_refusal])
def test_lines__suppressed_findings_are_counted(make: Callable[..., Verdict]) -> None:
    hushed = (make_judgement(finding, ground=Ground.SUPPRESSED) for finding in SOME)
    said = list(lines(make_outcome(verdict=make(judgements=tuple(hushed)))))
    assert said[1] == "  2 suppressed in Inspector, not counted"
    assert not [line for line in said if "CVE-" in line]


@pytest.mark.parametrize(
    ("ground", "said"),
    [
        (Ground.KNOWN, ["  2 known in the baseline None (fail-on: new)"]),
        (Ground.OF_BASE_IMAGE, ["  2 of the base image (base-image-findings: report)"]),
        (Ground.NOT_FIXABLE, ["  2 without a fix (only-fixable)"]),
        (Ground.IN_GRACE, ["  2 in grace, not known for long yet"]),
        (Ground.SUPPRESSED, ["  2 suppressed in Inspector, not counted"]),
        (Ground.BELOW_THRESHOLD, ["  2 below the threshold high"]),
        *(
            (ground, [f"  CRITICAL      {item.name} in openssl 3.0.1-r0" for item in SOME])
            for ground in Ground
            if ground.refuses
        ),
    ],
)
def test_lines__of_each_ground(ground: Ground, said: list[str]) -> None:
    judgements = tuple(make_judgement(finding, ground=ground) for finding in SOME)
    verdict = make_verdict(judgements=judgements)
    told = list(lines(make_outcome(verdict=verdict)))
    assert told[1 : told.index(f"Image: {make_outcome().image}")] == said


def test_lines__ignored_findings_say_why_who_until_when_and_where() -> None:
    first = make_ignore(reason="parser disabled", owner="team-web", until=date(2027, 1, 31))
    other = replace(first, reason="no fix", until=None, until_fixed=True, place="base.yml, line 9")
    bare = make_ignore(place="p, line 2")
    judgements = tuple(
        make_judgement(make_finding(), ground=Ground.IGNORED, ignores=ignores)
        for ignores in ((first, other), (bare,))
    )
    said = list(lines(make_outcome(verdict=make_verdict(judgements=judgements))))
    assert said[1:4] == [
        "  2 ignored by the policy",
        (
            "    HIGH          CVE-2024-0001 in openssl 3.0.1-r0: parser disabled, team-web, until "
            "2027-01-31, .ecr-publish.yml, line 3; no fix, team-web, until there is a fix, "
            "base.yml, line 9"
        ),
        "    HIGH          CVE-2024-0001 in openssl 3.0.1-r0: p, line 2",
    ]


@pytest.mark.parametrize(("number", "shown"), [(19, 19), (20, 20), (21, 20), (300, 20)])
def test_lines__most_ignored_findings(number: int, shown: int) -> None:
    judgements = tuple(
        make_judgement(finding, ground=Ground.IGNORED, ignores=(make_ignore(finding.name),))
        for finding in make_findings(high=number)
    )
    said = list(lines(make_outcome(verdict=make_verdict(judgements=judgements))))
    assert f"  {number} ignored by the policy" in said
    assert len([line for line in said if line.startswith("    HIGH")]) == shown


@given(st.lists(st.sampled_from(Ground), max_size=60))
def test_lines__all_counts_add_up(grounds: list[Ground]) -> None:
    """Of each finding the log either says itself that it refuses, or counts it once."""
    found = make_findings(high=len(grounds))
    judgements = tuple(
        make_judgement(finding, ground=ground)
        for finding, ground in zip(found, grounds, strict=True)
    )
    said = list(lines(make_outcome(verdict=make_verdict(judgements=judgements))))
    refusing = [line for line in said if line.startswith("  HIGH")]
    hidden = [int(more[1]) for line in said if (more := re.match(r"  … and (\d+) more", line))]
    counted = [int(most[1]) for line in said if (most := re.match(r"  (\d+) ", line))]
    assert len(refusing) + sum(hidden) == sum(ground.refuses for ground in grounds)
    assert sum(counted) == sum(not ground.refuses for ground in grounds)


def test_lines__ignores_that_no_longer_count_are_loud() -> None:
    ended, unmet = make_ignore("CVE-1", until=DAY), make_ignore("CVE-2")
    outcome = make_outcome(verdict=make_verdict(expired=(ended,), stale=(unmet,)))
    said = [f"WARNING: {text}" for text in unused(outcome)]
    assert len(said) == 2
    assert list(lines(outcome))[1:3] == said


def test_lines__what_the_rules_do_without_is_loud() -> None:
    gap = Gap(kind=Unjudged.EXPLOIT, reason="it was not told")
    ended = make_ignore("CVE-1", until=DAY)
    said = list(lines(make_outcome(verdict=make_verdict(gaps=(gap,), expired=(ended,)))))
    assert said[1] == "WARNING: It was not told (on-exploit-error: warn)"
    assert said[2].startswith("WARNING: The ignore of CVE-1 ended")


def test_lines__rules_that_are_not_taken_over_are_notes() -> None:
    verdict = make_verdict(rules=Rules(skipped=(".grype.yaml, line 2: odd",)))
    said = list(lines(make_outcome(verdict=verdict, seconds={})))
    assert said[-1] == "Note: Not taken over: .grype.yaml, line 2: odd"


def test_lines__every_ground_is_told() -> None:
    for ground in Ground:
        judgements = (make_judgement(make_finding(), ground=ground),)
        told = list(lines(make_outcome(verdict=make_verdict(judgements=judgements))))
        assert told[1].startswith("  ")


def test_lines__age_of_the_scan() -> None:
    said = list(lines(make_outcome(results=(make_result(age=200_000.0),))))
    assert "Scan: basic, COMPLETE, 2 days old" in said


def test_lines__no_scan() -> None:
    assert "Scan: none" in list(lines(make_outcome(results=())))


def test_lines__waiver_comes_second() -> None:
    verdict = make_refusal(make_finding(), waived_by=("report-only: true",))
    assert list(lines(make_outcome(verdict=verdict)))[1] == (
        "WARNING: The release tags were applied although the image did not pass, "
        "because of report-only: true."
    )


def test_lines__warnings_come_before_what_failed() -> None:
    verdict = make_refusal(make_finding(), waived_by=("report-only: true",))
    error = PublishError("it broke", why="Because.")
    said = list(lines(make_outcome(verdict=verdict, warnings=["Back.", "Left."], error=error)))
    assert said[1].startswith("WARNING: The release tags were applied although")
    assert said[2:5] == ["WARNING: Back.", "WARNING: Left.", "Because."]


def test_lines__why_there_are_no_tags() -> None:
    plan = make_plan(withheld="promote: never")
    assert "Release tags: none (promote: never)" in list(
        lines(make_outcome(plan=plan, promotion=Promotion()))
    )
    assert "Release tags: 0123456, latest" in list(lines(make_outcome(plan=plan)))


def test_lines__image_of_an_earlier_run() -> None:
    said = list(lines(make_outcome(reused=True, notes=["Another."])))
    (built, other) = (line for line in said if line.startswith("Note: "))
    assert built.startswith("Note: Nothing was built: ")
    assert other == "Note: Another."


@pytest.mark.parametrize(
    ("number", "shown", "more"),
    [
        (19, 19, None),
        (20, 20, None),
        (21, 20, "  … and 1 more, see the step summary"),
        (300, 20, "  … and 280 more, see the step summary"),
    ],
)
def test_lines__most_findings(number: int, shown: int, more: str | None) -> None:
    said = list(lines(make_outcome(verdict=make_refusal(*make_findings(high=number)))))
    assert [line for line in said if line.startswith("  HIGH")] == said[1 : shown + 1]
    assert (said[shown + 1] == more) is bool(more)
    assert ("more, see" in "".join(said)) is bool(more)


def test_lines__findings_below_the_threshold_stay_in_the_summary() -> None:
    said = list(lines(make_outcome(verdict=make_verdict(*make_findings(low=3)))))
    assert not [line for line in said if "LOW" in line]
    assert said[1] == "  3 below the threshold high"


def test_lines__error_before_anything_was_pushed() -> None:
    error = PublishError("it broke", why="Because.", fix="Do this.", link="https://e.example")
    assert list(lines(Outcome(error=error, seconds={"plan": 1.0}))) == [
        "Not published: it broke",
        "Because.",
        "Do this.",
        f"More: {error.docs} and https://e.example",
        "Time: plan 1.0 s; own time 1.0 s (all but build, push and scan)",
    ]


def test_lines__error_leaves_out_what_it_does_not_know() -> None:
    headline, more = lines(Outcome(error=PublishError("it broke")))
    assert headline == "Not published: it broke"
    assert more.endswith("docs/troubleshooting.md#publish-error")


def test_lines__error_after_the_verdict_gives_its_own_advice_only() -> None:
    verdict = make_refusal(make_finding(), waived_by=("report-only: true",))
    said = list(lines(make_outcome(verdict=verdict, error=BuildFailed(1))))
    assert said[0] == "Published in part: docker buildx build exited with 1"
    assert not any(line.startswith("Update the base image") for line in said)


def test_lines__no_verdict_no_advice() -> None:
    assert list(lines(Outcome())) == ["Not judged: the run ended early"]


def test_lines__untouched_by_results_alone() -> None:
    assert list(lines(Outcome(evidence=Evidence(results=(make_unjudged(),))))) == [
        "Not judged: the run ended early"
    ]
