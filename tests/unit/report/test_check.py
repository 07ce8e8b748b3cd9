import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import date
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.errors import Bug, Cancelled, PublishError
from ecr_publish.findings import Layer, Package
from ecr_publish.gate import Decision, Ground
from ecr_publish.outcome import Outcome
from ecr_publish.plan import Existing, LocalImage, Merge, Source
from ecr_publish.reference import Repository, Tag
from ecr_publish.report.check import (
    MOST_BYTES,
    MOST_REMARKS,
    Conclusion,
    Level,
    Remark,
    check,
    conclusion,
    name,
)
from tests.factories import (
    make_build,
    make_digest,
    make_finding,
    make_findings,
    make_judgement,
    make_outcome,
    make_package,
    make_plan,
    make_refusal,
    make_verdict,
)
from tests.golden import GOLDEN
from tests.unit.report.test_comment import (
    OF_THE_LAYER,
    OUTCOMES,
    TEXT,
    WORST,
    assert_is_harmless,
    cancelled,
    error_with_fix,
    many,
    outcomes,
    passed,
    refused,
    timeout,
    unfenced,
    waived_by_report_only,
    waived_on_timeout,
    worst,
)

CHECK_LIMIT = 65_535  # characters of summary and of text
MESSAGE_LIMIT = 64 << 10


def written(outcome: Outcome) -> str:
    """The check as a file to review: the plain parts as JSON, Markdown as it is."""
    done = check(outcome)
    plain = {
        "conclusion": done.conclusion,
        "title": done.title,
        "annotations": [asdict(remark) for remark in done.remarks],
    }

    def value(item: object) -> object:
        return item.value if isinstance(item, Enum) else str(item)

    shown = json.dumps(plain, indent=1, default=value, ensure_ascii=False)
    return f"{shown}\n\n{done.summary}\n--- text ---\n\n{done.text}\n"


@pytest.mark.parametrize("case", OUTCOMES)
def test_check__golden(case: str, golden: Callable[[str, str], None]) -> None:
    golden(f"check-{case}.md", written(OUTCOMES[case]()))


def test_golden__no_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.glob("check-*")} == {
        f"check-{case}.md" for case in OUTCOMES
    }


def test_name__has_the_repository() -> None:
    assert name(Repository("team/app")) == "ECR scan / team/app"


# --- the conclusion


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (passed, Conclusion.SUCCESS),
        (refused, Conclusion.FAILURE),
        (timeout, Conclusion.FAILURE),
        (waived_by_report_only, Conclusion.NEUTRAL),
        (waived_on_timeout, Conclusion.NEUTRAL),
        (cancelled, Conclusion.CANCELLED),
        (error_with_fix, Conclusion.FAILURE),
        (lambda: Outcome(error=Bug(ValueError("x"))), Conclusion.FAILURE),
        (Outcome, Conclusion.FAILURE),
    ],
)
def test_s6__every_end_has_its_conclusion(
    make: Callable[[], Outcome], expected: Conclusion
) -> None:
    assert check(make()).conclusion is expected


@pytest.mark.parametrize("make", [passed, waived_by_report_only, refused, timeout])
@pytest.mark.parametrize("error", [PublishError("it broke"), Bug(ValueError())])
def test_s2__what_broke_after_its_verdict_is_a_failure(
    make: Callable[[], Outcome], error: PublishError
) -> None:
    outcome = make()
    outcome.error = error
    assert check(outcome).conclusion is Conclusion.FAILURE


@pytest.mark.parametrize("make", [passed, waived_by_report_only, refused, timeout])
def test_s6__what_was_cancelled_after_its_verdict_is_cancelled(
    make: Callable[[], Outcome],
) -> None:
    outcome = make()
    outcome.error = Cancelled()
    done = check(outcome)
    assert done.conclusion is Conclusion.CANCELLED
    assert done.title.endswith(": the run was cancelled")


@pytest.mark.parametrize("make", OUTCOMES.values())
def test_s2__success_is_a_pass_and_nothing_else(make: Callable[[], Outcome]) -> None:
    outcome = make()
    clean = outcome.decision is Decision.PASSED and outcome.exit_code == 0
    assert (conclusion(outcome) is Conclusion.SUCCESS) is clean
    merges = conclusion(outcome) in (Conclusion.SUCCESS, Conclusion.NEUTRAL)
    assert merges is (outcome.exit_code == 0)


# --- what it says


def test_s1__a_waiver_is_said_first_in_the_title_and_loudly_in_the_summary() -> None:
    done = check(waived_by_report_only())
    assert done.title.startswith("Waived by report-only: true: Refused: 1 CRITICAL")
    assert "> [!WARNING]\n> **The release tags were applied although" in done.summary


def test_title__of_two_waivers() -> None:
    verdict = make_refusal(waived_by=("on-timeout: warn", "on-unsupported: warn"))
    done = check(make_outcome(verdict=verdict))
    assert done.title.startswith("Waived by on-timeout: warn and on-unsupported: warn: Refused: ")


def test_title__of_a_waiver_where_promoting_failed_is_the_failure() -> None:
    outcome = waived_by_report_only()
    outcome.error = PublishError("it broke")
    assert check(outcome).title == "Published in part: it broke"


@pytest.mark.parametrize(("length", "cut"), [(240, False), (300, True)])
def test_title__is_one_line_of_bounded_length(length: int, *, cut: bool) -> None:
    error = PublishError("x" * length)
    done = check(Outcome(error=error))
    assert len(done.title) == min(255, length + len("Not published: "))
    assert done.title.endswith("…") is cut


def test_text__is_the_table_of_what_refuses() -> None:
    assert check(passed()).text == ""
    assert check(refused()).text.startswith("| Severity | Finding |")
    assert check(many()).text.endswith("\n\nShowing 100 of 150.")


def test_summary__says_how_many_findings_are_not_annotated() -> None:
    exact = make_outcome(verdict=make_refusal(*make_findings(high=100)))
    more = make_outcome(verdict=make_refusal(*make_findings(high=101)))
    assert "Annotated are" not in check(exact).summary
    assert check(more).summary.endswith("Annotated are the first 100 of 101 findings.\n")


# --- annotations


def remark(outcome: Outcome) -> Remark:
    [only] = check(outcome).remarks
    return only


def test_remark__says_what_refuses_where_it_comes_from_and_what_helps() -> None:
    found = make_finding(
        packages=(
            make_package(fixed_in="3.0.13", layer=Layer(number=2, created_by="RUN a", line=7)),
        ),
        platforms=("linux/amd64", "linux/arm64"),
    )
    verdict = make_refusal(found)
    [judged] = verdict.judgements
    verdict = replace(verdict, judgements=(replace(judged, place=".ecr-publish.yml, line 2"),))
    assert remark(make_outcome(verdict=verdict)) == Remark(
        path="Dockerfile",
        line=7,
        level=Level.FAILURE,
        title="HIGH: CVE-2024-0001 in openssl 3.0.1-r0",
        message="At or above the threshold high (.ecr-publish.yml, line 2).\n"
        "Fixed in 3.0.13.\n"
        "Brought by line 7: RUN a.\n"
        "Found on linux/amd64, linux/arm64.\n"
        "CVE-2024-0001 lets something happen.\n"
        "https://security.example/CVE-2024-0001",
    )


def test_remark__of_a_finding_without_anything() -> None:
    bare = make_finding("", "", uri="", description="", packages=())
    found = remark(make_outcome(verdict=make_refusal(bare)))
    assert found.title == ": (no name)"
    assert found.line == 1
    assert found.message == ("At or above the threshold high.\nECR names no version that fixes it.")


def test_remark__of_layers_of_which_some_are_known() -> None:
    packages = (make_package(), make_package(layer=Layer(number=2, created_by="RUN a")))
    found = remark(make_outcome(verdict=make_refusal(make_finding(packages=packages))))
    assert "\nBrought by unknown layer, layer 2: RUN a.\n" in found.message
    bare = remark(make_outcome(verdict=make_refusal(make_finding())))
    assert "Brought by" not in bare.message


def test_remark__of_what_will_refuse_says_when() -> None:
    item = make_judgement(make_finding(), ground=Ground.IN_GRACE, until=date(2026, 8, 15))
    found = remark(make_outcome(verdict=make_verdict(judgements=(item,))))
    assert found.level is Level.WARNING
    assert "\nIt refuses the image from 2026-08-15 on.\n" in found.message


LEVELS = {
    **{ground: Level.FAILURE for ground in Ground if ground.refuses},
    Ground.IN_GRACE: Level.WARNING,
    Ground.KNOWN: Level.NOTICE,
    Ground.OF_BASE_IMAGE: Level.NOTICE,
    Ground.NOT_FIXABLE: Level.NOTICE,
}


@pytest.mark.parametrize("ground", Ground)
def test_remark__has_the_level_of_its_ground(ground: Ground) -> None:
    verdict = make_verdict(judgements=(make_judgement(make_finding(), ground=ground),))
    levels = [item.level for item in check(make_outcome(verdict=verdict)).remarks]
    assert levels == ([LEVELS[ground]] if ground in LEVELS else [])


def test_remark__of_what_was_waived_is_a_warning() -> None:
    assert remark(waived_by_report_only()).level is Level.WARNING


def test_remarks__those_that_refuse_come_first_and_are_never_left_out_for_others() -> None:
    let_through = [make_judgement(item, ground=Ground.KNOWN) for item in make_findings(high=150)]
    soon = [make_judgement(make_finding("CVE-SOON"), ground=Ground.IN_GRACE)]
    refusing = [
        make_judgement(item, ground=Ground.AT_THRESHOLD) for item in make_findings(medium=98)
    ]
    verdict = make_refusal(judgements=(*let_through, *soon, *refusing))
    done = check(make_outcome(verdict=verdict))
    levels = [item.level for item in done.remarks]
    assert levels == [Level.FAILURE] * 98 + [Level.WARNING] + [Level.NOTICE]
    assert len(levels) == MOST_REMARKS
    assert "the first 100 of 249 findings" in done.summary


@pytest.mark.parametrize(
    ("source", "path", "line"),
    [
        (make_build(), "Dockerfile", 7),
        (make_build(context="app"), "app/Dockerfile", 7),
        (make_build(context="./app/"), "app/Dockerfile", 7),
        (make_build(context="app", file="docker/prod.Dockerfile"), "docker/prod.Dockerfile", 7),
        (make_build(context="app", file="./a/../Dockerfile"), "Dockerfile", 7),
        (make_build(context="..", file="Dockerfile"), "Dockerfile", 7),
        (make_build(context=".."), "Dockerfile", 1),
        (make_build(context="app", file="../Dockerfile"), "Dockerfile", 1),
        (make_build(context="/tmp/app"), "Dockerfile", 1),
        (make_build(file="/tmp/Dockerfile"), "Dockerfile", 1),
        (make_build(context="https://github.com/o/r.git#main"), "Dockerfile", 1),
        (make_build(context="git@github.com:o/r.git"), "Dockerfile", 1),
        (make_build(file="-"), "Dockerfile", 1),
        (LocalImage(name="app"), "Dockerfile", 1),
        (Existing(reference=Tag("1.4")), "Dockerfile", 1),
        (Merge(digests=(make_digest(),)), "Dockerfile", 1),
    ],
)
def test_remark__is_on_the_dockerfile(source: Source, path: str, line: int) -> None:
    plan = make_plan(source=source)
    found = remark(make_outcome(plan=plan, verdict=make_refusal(OF_THE_LAYER)))
    assert (found.path, found.line) == (path, line)


def test_remark__without_a_plan() -> None:
    found = remark(make_outcome(plan=None, verdict=make_refusal(OF_THE_LAYER)))
    assert (found.path, found.line) == ("Dockerfile", 1)


def test_remark__is_on_the_first_line_that_is_known() -> None:
    layers = (None, Layer(number=1), *(Layer(number=2, line=n) for n in (5, 9, 2)))
    packages = tuple(Package(name="a", layer=layer) for layer in layers)
    found = remark(make_outcome(verdict=make_refusal(make_finding(packages=packages))))
    assert found.line == 5


def test_remark__long_texts_are_cut() -> None:
    long = make_finding("C" * 300, description="d" * 1001, uri="u" * 1000)
    found = remark(make_outcome(verdict=make_refusal(long)))
    assert found.title == f"HIGH: {'C' * 248}…"
    assert f"\n{'d' * 999}…\n{'u' * 1000}" in found.message


# --- limits and hostile texts


@pytest.mark.parametrize("text", WORST)
@pytest.mark.parametrize("number", [0, 1, 10_000])
@pytest.mark.parametrize("failed", [True, False])
def test_check__the_most_hostile_one_stays_below_the_limits(
    text: str, number: int, *, failed: bool
) -> None:
    outcome = worst(text, number)
    outcome.error = outcome.error if failed else None
    done = check(outcome)
    assert len(done.title) <= 255
    assert 0 < len(done.summary.encode()) <= MOST_BYTES < CHECK_LIMIT
    assert len(done.text.encode()) <= MOST_BYTES
    assert len(done.remarks) == min(number, MOST_REMARKS)
    for item in done.remarks:
        assert len(item.title) <= 255
        assert 0 < len(item.message.encode()) < MESSAGE_LIMIT


@given(outcomes(), TEXT, st.one_of(st.none(), TEXT))
def test_check__any_text_is_harmless(outcome: Outcome, context: str, file: str | None) -> None:
    outcome.plan = make_plan(source=make_build(context=context, file=file))
    done = check(outcome)
    for markdown in (done.summary, done.text):
        assert_is_harmless(markdown)
        assert "<!--" not in unfenced(markdown)
    for plain in (done.title, *(item.title for item in done.remarks)):
        assert len(plain.splitlines()) == 1
        assert len(plain) <= 255
    for item in done.remarks:
        assert item.path
        assert not item.path.startswith(("/", "../", "./"))
        assert item.line >= 1
        assert item.message
        f"{item.path}{item.title}{item.message}".encode()
