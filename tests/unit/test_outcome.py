from __future__ import annotations

from dataclasses import replace

import pytest

from ecr_publish.errors import (
    BuildFailed,
    Cancelled,
    ExitCode,
    NoCredentials,
    PromotionFailed,
    PublishError,
)
from ecr_publish.gate import Decision, Verdict
from ecr_publish.inputs import OnFork
from ecr_publish.outcome import BUILT_ONLY, Batch, Outcome
from ecr_publish.scanning import ScanType
from tests.factories import (
    URI,
    make_build,
    make_findings,
    make_manifest,
    make_outcome,
    make_plan,
    make_refusal,
    make_result,
    make_state,
    make_unjudged,
    make_verdict,
)

UNKNOWN = make_verdict(decision=Decision.UNKNOWN, reason="no verdict within scan-timeout")
REFUSED = make_refusal(*make_findings(high=1))


def test_s2_outcome__of_a_run_that_did_nothing() -> None:
    outcome = Outcome()

    assert outcome.decision is Decision.UNKNOWN
    assert outcome.exit_code is ExitCode.BUG
    assert outcome.reason == "the run ended early"
    assert (outcome.image, outcome.scan_status, outcome.scan_type) == ("", "", "")
    assert (outcome.candidate, outcome.reused, outcome.promotion.tags) == (None, False, ())
    assert (outcome.warnings, outcome.notes) == ([], [])
    assert outcome.own_seconds == 0
    assert (outcome.check, outcome.report_files, outcome.sarif_file) == (None, [], "")


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (make_verdict(), ExitCode.PASSED),
        (REFUSED, ExitCode.REFUSED),
        (UNKNOWN, ExitCode.SCAN),
        (make_refusal(*make_findings(high=1), waived_by=("report-only: true",)), ExitCode.PASSED),
        (
            make_verdict(decision=Decision.UNKNOWN, waived_by=("on-timeout: warn",)),
            ExitCode.PASSED,
        ),
    ],
)
def test_s2_exit_code__follows_the_verdict(verdict: Verdict, code: ExitCode) -> None:
    outcome = make_outcome(verdict=verdict)

    assert outcome.exit_code is code
    assert outcome.decision is verdict.decision
    assert outcome.reason == verdict.reason


FORK = make_plan(on_fork=OnFork.BUILD_ONLY, source=make_build())


def test_s2_built_only__a_fork_s_build_is_the_one_end_without_a_verdict() -> None:
    outcome = Outcome(plan=FORK, tried=True)
    assert outcome.built_only
    assert (outcome.exit_code, outcome.decision) == (ExitCode.PASSED, Decision.UNKNOWN)
    assert outcome.reason == BUILT_ONLY


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome(tried=True), ExitCode.BUG),
        (Outcome(plan=FORK), ExitCode.BUG),
        (Outcome(plan=make_plan(), tried=True), ExitCode.BUG),
        (Outcome(plan=replace(FORK, on_fork=OnFork.FAIL), tried=True), ExitCode.BUG),
        (Outcome(plan=FORK, tried=True, error=BuildFailed(1)), ExitCode.BUILD),
        (Outcome(plan=FORK, tried=True, error=Cancelled()), ExitCode.CANCELLED),
        (Outcome(plan=make_plan(), tried=True, verdict=UNKNOWN), ExitCode.SCAN),
        (Outcome(plan=FORK, tried=True, verdict=UNKNOWN), ExitCode.SCAN),
        (Outcome(plan=FORK, tried=True, verdict=REFUSED), ExitCode.REFUSED),
    ],
)
def test_s2_built_only__is_no_other_end(outcome: Outcome, code: ExitCode) -> None:
    assert not outcome.built_only
    assert outcome.exit_code is code
    assert outcome.reason != BUILT_ONLY


TRIED = Outcome(plan=FORK, tried=True)


@pytest.mark.parametrize(
    ("images", "error", "expected"),
    [
        ([TRIED, TRIED], None, True),
        ([TRIED, Outcome(plan=FORK)], None, False),
        ([TRIED], BuildFailed(1), False),
        ([], None, False),
    ],
)
def test_s2_built_only__of_many_all_or_none(
    images: list[Outcome],
    error: PublishError | None,
    expected: bool,  # noqa: FBT001
) -> None:
    batch = Batch(images={str(number): item for number, item in enumerate(images)}, error=error)
    assert batch.built_only is expected
    assert (batch.exit_code is ExitCode.PASSED) is expected
    assert (batch.reason == BUILT_ONLY) is expected
    assert batch.decision is Decision.UNKNOWN


@pytest.mark.parametrize("verdict", [None, make_verdict(), REFUSED, UNKNOWN])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NoCredentials(), ExitCode.CREDENTIALS),
        (BuildFailed(1), ExitCode.BUILD),
        (
            PromotionFailed(NoCredentials(), applied=["1.4.2"], missing=["latest"]),
            ExitCode.PROMOTE,
        ),
        (Cancelled(), ExitCode.CANCELLED),
    ],
)
def test_s2_exit_code__of_an_error_whatever_the_verdict_was(
    error: PublishError, code: ExitCode, verdict: Verdict | None
) -> None:
    outcome = make_outcome(error=error, verdict=verdict)

    assert outcome.exit_code is code
    assert outcome.exit_code != 0
    assert outcome.reason == error.what


def test_s2_exit_code__no_error_has_the_code_of_success() -> None:
    def below(kind: type[PublishError]) -> set[type[PublishError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    assert len(below(PublishError)) > 10
    assert all(kind.exit_code != ExitCode.PASSED for kind in below(PublishError))


def test_image__is_named_by_digest() -> None:
    manifest = make_manifest()

    assert make_outcome(digest=manifest.digest).image == f"{URI}@{manifest.digest}"


@pytest.mark.parametrize("missing", ["state", "digest"])
def test_image__is_empty_before_the_push(missing: str) -> None:
    assert make_outcome(**{missing: None}).image == ""


def test_scan_status__each_status_once() -> None:
    outcome = make_outcome(
        state=make_state(),
        results=(
            make_result(status="ACTIVE"),
            make_result(),
            make_result(status="ACTIVE"),
            make_unjudged(status=""),
        ),
    )

    assert outcome.scan_status == "ACTIVE, COMPLETE"


@pytest.mark.parametrize(
    ("engines", "named"),
    [
        ([], ""),
        ([ScanType.UNKNOWN], ""),
        ([ScanType.BASIC, ScanType.BASIC], "basic"),
        ([ScanType.ENHANCED, ScanType.UNKNOWN], "enhanced"),
        ([ScanType.ENHANCED, ScanType.BASIC], "basic, enhanced"),
    ],
)
def test_scan_type__only_what_is_known(engines: list[ScanType], named: str) -> None:
    results = tuple(make_result(engine=engine) for engine in engines)

    assert make_outcome(results=results).scan_type == named


@pytest.mark.parametrize(
    ("ages", "oldest"),
    [
        ([], None),
        ([None], None),
        ([0.0], 0.0),
        ([5.0, 90.0, 7.0], 90.0),
        ([None, 5.0], 5.0),
    ],
)
def test_scan_age__is_that_of_the_oldest(ages: list[float | None], oldest: float | None) -> None:
    results = tuple(make_result(age=age) for age in ages)

    assert make_outcome(results=results).scan_age == oldest


def test_own_seconds__without_those_of_the_engine_and_of_ecr() -> None:
    seconds = {"start": 1.0, "plan": 2.0, "build": 100.0, "push": 100.0, "scan": 100.0, "gate": 0.5}

    assert make_outcome(seconds=seconds).own_seconds == 3.5
