"""The end of the corridor: the report file beside the other places, on the fakes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from ecr_publish import reporting
from ecr_publish.context import Context
from ecr_publish.errors import BuildFailed, Cancelled, ExitCode
from ecr_publish.inputs import OIDC
from ecr_publish.main import STARTED, connect, main, run
from ecr_publish.origin import Commit
from ecr_publish.outcome import Outcome
from ecr_publish.plan import Reports
from ecr_publish.policy import Rules
from ecr_publish.replay import read
from ecr_publish.reporting import report
from ecr_publish.scan import NO_SCAN, Answer, Evidence, Gap, NoScan, Unjudged
from tests.factories import (
    COMPLETED_AT,
    SHA,
    URI,
    make_context,
    make_digest,
    make_finding,
    make_manifest,
    make_outcome,
    make_page,
    make_plan,
    make_result,
    make_state,
    make_verdict,
)
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeRegistry,
    FakeWorkflow,
    denied,
    edges,
)

PUSHED = make_manifest()
EARLIER = make_manifest({"schemaVersion": 2, "earlier": True})
FILES = {"/event.json": json.dumps({"repository": {"default_branch": "main"}})}
FINDING = make_finding("CVE-1")
ENVIRON = {
    "GITHUB_SHA": SHA,
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_WORKSPACE": "/workspace",
    "GITHUB_EVENT_PATH": "/event.json",
    "ECR_PUBLISH_AWS_REGION": "eu-west-1",
    "ECR_PUBLISH_REPOSITORY": "visit-counter-app",
    "ECR_PUBLISH_SCAN_TIMEOUT": "60s",
}
"""Of a step that names no report file."""


@pytest.fixture(autouse=True)
def _keep_signals() -> Iterator[None]:
    kept = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in kept.items():
        signal.signal(name, handler)


class Unwritable(FakeWorkflow):
    """A workspace in which nothing can be written."""

    def write_file(self, path: str, pieces: Iterable[str]) -> None:
        raise PermissionError(13, "Permission denied", path)


class World:
    """One run, and the fakes around it; `answers` are those of the scan."""

    def __init__(
        self, *answers: Answer | BaseException, workflow: FakeWorkflow | None = None
    ) -> None:
        self.registry = FakeRegistry(
            state=make_state(),
            pushed=PUSHED,
            answers=answers or (make_page(FINDING, completed_at=COMPLETED_AT),),
            known={str(EARLIER.digest): EARLIER},
        )
        self.engine = FakeEngine(PUSHED.digest)
        self.workflow = workflow or FakeWorkflow(FILES)
        self.checkout = FakeCheckout()
        self.cloud = FakeCloud(self.registry)
        self.edges = edges(self.cloud, self.engine, self.workflow, FakeClock(), self.checkout)

    def run(self, **inputs: str) -> int:
        environ = ENVIRON | {"ECR_PUBLISH_REPORT_FILE": "out/scan.json"}
        environ |= {f"ECR_PUBLISH_{name.upper()}": value for name, value in inputs.items()}
        return run(environ, self.edges)

    @property
    def said(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.workflow.written["out/scan.json"])
        return found


# The report file ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "verdict"),
    [
        (make_page(completed_at=COMPLETED_AT), ExitCode.PASSED, "passed"),
        (make_page(FINDING, completed_at=COMPLETED_AT), ExitCode.REFUSED, "refused"),
        (NoScan(), ExitCode.SCAN, "unknown"),
    ],
)
def test_s6_report_file__is_written_whatever_the_verdict(
    answer: Answer, code: ExitCode, verdict: str
) -> None:
    world = World(answer)
    assert world.run() == code
    assert (world.said["verdict"], world.said["digest"]) == (verdict, str(PUSHED.digest))
    assert world.workflow.outputs["report-file"] == "out/scan.json"
    assert world.workflow.outputs["verdict"] == verdict
    assert [*world.workflow.written] == ["out/scan.json"]
    evidence = read(world.workflow.written["out/scan.json"], Rules())
    assert [result.target.digest for result in evidence.results] == [PUSHED.digest]


def test_report_file__only_where_the_user_named_one() -> None:
    world = World()
    assert world.run(report_file="") == ExitCode.REFUSED
    assert world.workflow.written == {}
    assert world.workflow.outputs["report-file"] == ""


def test_s6_report_file__is_written_also_when_the_run_fails() -> None:
    world = World()
    world.engine.fails, world.engine.failure = "build", BuildFailed(1)
    assert world.run() == ExitCode.BUILD
    assert (world.said["verdict"], world.said["scans"]) == ("unknown", [])
    assert world.said["reason"] == "docker buildx build exited with 1"
    assert world.workflow.outputs["report-file"] == "out/scan.json"


def test_s6_report_file__of_a_run_that_is_cancelled_in_the_wait() -> None:
    world = World(KeyboardInterrupt())
    assert world.run() == Cancelled().exit_code
    assert (world.said["verdict"], world.said["reason"]) == ("unknown", "the run was cancelled")


def test_s6_report_file__what_was_scanned_is_there_where_the_gate_was_not_reached() -> None:
    world = World(make_page(make_finding("CVE-1", arn="arn:1"), completed_at=COMPLETED_AT))
    world.checkout.files[".ecr-publish.yml"] = b"known-exploited: fail\n"
    world.registry.refused["exploits"] = KeyError("bug")
    assert world.run() == ExitCode.BUG
    (scan,) = world.said["scans"]
    assert [finding["name"] for finding in scan["findings"]] == ["CVE-1"]
    assert (world.said["verdict"], world.said["judgements"]) == ("unknown", [])


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (make_page(completed_at=COMPLETED_AT), ExitCode.PASSED),
        (make_page(FINDING, completed_at=COMPLETED_AT), ExitCode.REFUSED),
        (NoScan(), ExitCode.SCAN),
    ],
)
def test_s6_report_file__that_cannot_be_written_is_a_warning_and_changes_no_exit_code(
    answer: Answer, code: ExitCode
) -> None:
    world = World(answer, workflow=Unwritable(FILES))
    assert world.run() == code
    first = world.workflow.annotations[0]
    assert first[:2] == ("warning", "ecr-publish")
    assert first[2].startswith("A report could not be written: ")
    assert "out/scan.json" in first[2]
    # Nobody is told of a file that is not there, and all other places are written.
    assert world.workflow.outputs["report-file"] == ""
    assert world.workflow.outputs["verdict"]
    assert world.workflow.markdown


def test_report_file__is_not_written_before_there_is_a_plan() -> None:
    world = World()
    assert world.run(severity_threshold="severe") == ExitCode.INPUT
    assert world.workflow.written == {}
    assert world.workflow.outputs["report-file"] == ""


def test_report__document_that_cannot_be_made_keeps_no_other_place_from_being_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(_: Outcome) -> str:
        raise TypeError("bug")

    monkeypatch.setitem(reporting._FORMATS, ".json", broken)
    world = World(make_page(completed_at=COMPLETED_AT))
    assert world.run() == ExitCode.PASSED
    assert ("warning", "ecr-publish", "A report could not be written: bug") in (
        world.workflow.annotations
    )
    assert world.workflow.outputs["verdict"] == "passed"


def test_report__waived_verdict_is_told_in_the_file_too() -> None:
    world = World()
    assert world.run(report_only="true") == ExitCode.PASSED
    assert (world.said["verdict"], world.said["waived_by"]) == ("refused", ["report-only: true"])


# The baseline in the corridor -----------------------------------------------------------------


def test_s2_baseline__that_is_missing_ends_the_run_before_anything_is_built() -> None:
    world = World()
    assert world.run(baseline="latest", fail_on="new") == ExitCode.REPOSITORY
    assert world.engine.calls == []
    assert world.registry.tags == {}
    assert world.said["reason"].startswith("the baseline latest cannot be used: ")


def test_s2_baseline__that_is_missing_lets_every_finding_be_new_where_the_user_says_so() -> None:
    world = World()
    code = world.run(baseline="latest", fail_on="new", on_baseline_error="warn")
    assert code == ExitCode.REFUSED
    assert [gap["kind"] for gap in world.said["gaps"]] == ["on-baseline-error"]
    assert world.workflow.outputs["new"] == ""
    assert "(on-baseline-error: warn)" in world.workflow.markdown


def test_baseline__known_finding_passes_and_the_new_one_refuses() -> None:
    old = make_page(FINDING, completed_at=COMPLETED_AT)
    world = World(old)
    world.registry.tags["latest"] = str(EARLIER.digest)
    assert world.run(baseline="latest", fail_on="new") == ExitCode.PASSED
    assert (world.workflow.outputs["new"], world.said["baseline"]) == ("0", "latest")
    new = make_page(FINDING, make_finding("CVE-2"), completed_at=COMPLETED_AT)
    world = World(new, old)
    world.registry.tags["latest"] = str(EARLIER.digest)
    assert world.run(baseline="latest", fail_on="new") == ExitCode.REFUSED
    assert world.workflow.outputs["new"] == "1"
    assert world.said["reason"] == "1 HIGH: at or above the threshold high"


def test_s1_baseline__without_a_complete_scan_passes_nothing() -> None:
    clean = make_page(completed_at=COMPLETED_AT)
    world = World(clean, NoScan())
    world.registry.tags["latest"] = str(EARLIER.digest)
    assert world.run(baseline="latest", fail_on="new") == ExitCode.SCAN
    assert world.said["reason"] == f"the baseline latest: {NO_SCAN}"
    assert world.registry.tags.keys() == {"latest"}


def test_exploits__that_may_not_be_asked_for_pass_nothing() -> None:
    low = make_finding(severity="LOW", arn="arn:1")
    world = World(make_page(low, completed_at=COMPLETED_AT))
    world.checkout.files[".ecr-publish.yml"] = b"epss-threshold: 0.5\n"
    world.registry.refused["exploits"] = denied("BatchGetFindingDetails")
    assert world.run() == ExitCode.SCAN
    assert "BatchGetFindingDetails" in world.said["reason"]
    assert world.registry.tags == {}


# The policy in the corridor -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no file, so the inputs alone"),
        ({".ecr-publish.yml": b""}, ".ecr-publish.yml"),
        (
            {".ecr-publish.yml": b"extends: org/base.yml", "org/base.yml": b"extends: ../all.yml"}
            | {"all.yml": b"exploited: fail"},
            "all.yml, org/base.yml, .ecr-publish.yml",
        ),
    ],
)
def test_policy__log_says_which_files_were_read(files: dict[str, bytes], said: str) -> None:
    world = World()
    world.checkout.files |= files
    assert world.run() == ExitCode.REFUSED
    (told,) = (line for line in world.workflow.log if line.startswith("The policy: "))
    assert told == f"The policy: {said}"


@pytest.mark.parametrize("name", ["", "policy.yml"])
def test_s2_policy__that_cannot_be_read_is_no_missing_one(name: str) -> None:
    world = World()
    path = name or ".ecr-publish.yml"
    world.checkout.unreadable[path] = PermissionError(13, "Permission denied")
    assert world.run(policy_file=name) == ExitCode.INPUT
    assert world.engine.calls == []
    assert f"{path}: cannot be read: Permission denied" in world.workflow.markdown


# Signals and the real edges -------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_s6_main__first_signal_cancels_and_a_second_one_tears_nothing(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World()
    monkeypatch.setattr("ecr_publish.main.connect", lambda *_: world.edges)

    def interrupted() -> None:
        signal.raise_signal(number)

    world.registry.meanwhile["look"] = interrupted
    assert main({"ECR_PUBLISH_REPORT_FILE": "out/scan.json"} | ENVIRON) == Cancelled().exit_code
    assert world.said["reason"] == "the run was cancelled"
    assert signal.getsignal(number) is signal.SIG_IGN


def test_connect__builds_every_real_edge_and_asks_the_world_nothing() -> None:
    """The guard of the unit tests sees to the second part."""
    real = connect({})
    assert not real.times()
    edges = {name: edge for name, edge in vars(real).items() if name not in ("github", "times")}
    edges["github"] = real.github("hunter2")
    modules = {type(edge).__module__ for edge in edges.values()}
    assert modules == {
        f"ecr_publish.edges.{name}"
        for name in ("clock", "credentials", "engine", "git", "github", "workflow")
    }


def test_s3_connect__no_other_process_gets_the_job_s_tokens() -> None:
    tokens = {"ECR_PUBLISH_GITHUB_TOKEN": "a", **dict.fromkeys(OIDC, "b")}
    real = connect({**tokens, "HOME": "/root"})
    for edge in (real.engine, real.checkout):
        assert vars(edge)["_environ"] == {"HOME": "/root"}
    assert set(OIDC) <= set(vars(real.cloud)["_environ"])


@pytest.mark.parametrize("ago", [0.0, 5.0, -5.0])
def test_run__counts_its_time_from_the_start_of_the_step(ago: float) -> None:
    world = World()
    began = world.edges.clock.today().timestamp() - ago
    assert run(ENVIRON | {STARTED: str(began)}, world.edges) == ExitCode.REFUSED
    (line,) = (line for line in world.workflow.log if line.startswith("Time: "))
    seconds = float(line.removeprefix("Time: start ").partition(" s,")[0])
    assert seconds == max(0.0, ago)


def test_run__without_debugging_says_nothing_of_calls() -> None:
    world = World()
    run(ENVIRON, world.edges)

    assert "Time line" not in "\n".join(world.workflow.log)


def test_report__tells_the_calls_last_in_a_group_of_their_own() -> None:
    world = World()
    run(ENVIRON, replace(world.edges, times=lambda: ["one", "two"]))

    assert world.workflow.log[-3:] == [
        "[Time line: since the step began, and how long it took]",
        "one",
        "two",
    ]


# Gaps in every place --------------------------------------------------------------------------


def test_report__gap_that_the_user_does_without_is_told_in_log_summary_and_file() -> None:
    gap = Gap(kind=Unjudged.EXPLOIT, reason="it was not told")
    outcome = make_outcome(
        plan=make_plan(reports=Reports(files=("a.json",))),
        evidence=Evidence(results=(make_result(),), gaps=(gap,)),
        verdict=make_verdict(gaps=(gap,)),
    )
    world = World()
    report(world.edges, outcome)
    said = "It was not told (on-exploit-error: warn)"
    assert f"WARNING: {said}" in world.workflow.log
    assert said in world.workflow.markdown
    assert json.loads(world.workflow.written["a.json"])["gaps"] == [
        {"kind": "on-exploit-error", "reason": "it was not told"}
    ]


# What a build may read -------------------------------------------------------------------------


def test_s3_secrets__are_masked_before_anything_is_said() -> None:
    world = World()
    asked = world.checkout.commit

    def commit(workspace: str, context: str) -> Commit | None:
        assert world.workflow.masked == ["hunter2"]
        return asked(workspace, context)

    world.checkout.commit = commit  # type: ignore[method-assign]
    assert world.run(secrets="npm=hunter2") == ExitCode.REFUSED
    assert "hunter2" not in repr(vars(world.workflow) | {"masked": ""})
    assert world.engine.built
    assert world.engine.built.secrets[0].value == "hunter2"


def test_s4_cache__under_a_release_tag_ends_the_run_before_the_build() -> None:
    world = World()
    assert world.run(cache_to=f"{URI}:latest") == ExitCode.INPUT
    assert "cache-to: visit-counter-app:latest is a tag of images" in world.said["reason"]
    assert world.engine.calls == []


HERE = Commit(sha=SHA, time=5)


@pytest.mark.parametrize(
    ("there", "known"),
    [
        (HERE, True),
        (Commit(sha="f" * 40, time=5), False),
        (Commit(sha=SHA, time=5, clean=False), False),
        (None, False),
    ],
)
def test_s5_commit__of_a_further_context_is_the_same_or_nothing_is_known(
    there: Commit | None,
    known: bool,  # noqa: FBT001
) -> None:
    world = World()
    world.checkout.head, world.checkout.elsewhere = HERE, {"../lib": there}
    world.run(build_contexts="lib=../lib\nbase=docker-image://r.io/base@" + str(make_digest()))
    assert world.engine.built
    assert bool(world.engine.built.recipe) is known
    assert world.engine.built.epoch == 5


def test_commit__without_a_checkout_nothing_is_known_of_a_further_context() -> None:
    world = World()
    world.run(build_contexts="lib=../lib")
    assert world.engine.built
    assert (world.engine.built.recipe, world.engine.built.epoch) == ("", None)


# session-policy -----------------------------------------------------------------------------------

PUBLISHER = {"role_to_assume": "arn:aws:iam::123456789012:role/publisher"}


def policies(world: World) -> list[str]:
    """The policy of each session that was asked for."""
    return [plan.role.session_policy for plan in world.cloud.plans if plan.role]


@pytest.mark.parametrize("given", [{}, {"session_policy": "repository"}])
def test_session_policy__narrows_the_session_to_the_repository(given: dict[str, str]) -> None:
    world = World(make_page(completed_at=COMPLETED_AT))
    assert world.run(**PUBLISHER, **given) == ExitCode.PASSED
    (policy,) = policies(world)
    assert "repository/visit-counter-app" in policy
    assert not any("session" in line for line in world.workflow.log)


def test_session_policy__none_narrows_nothing() -> None:
    world = World(make_page(completed_at=COMPLETED_AT))
    assert world.run(**PUBLISHER, session_policy="none") == ExitCode.PASSED
    assert policies(world) == [""]
    assert not any("session" in line for line in world.workflow.log)


def test_session_policy__that_sts_does_not_take_is_given_up_and_said() -> None:
    world = World(make_page(completed_at=COMPLETED_AT))
    world.cloud.narrows = False
    assert world.run(**PUBLISHER) == ExitCode.PASSED
    assert [bool(policy) for policy in policies(world)] == [True, False]
    assert any("consumes 112%" in line for line in world.workflow.log)
    assert "session is not narrowed" in world.workflow.markdown


@pytest.mark.parametrize(
    ("given", "said"),
    [({}, False), ({"session_policy": "none"}, False), ({"session_policy": "repository"}, True)],
)
def test_session_policy__of_ambient_credentials_is_said_to_have_no_effect_where_it_was_set(
    given: dict[str, str],
    said: bool,  # noqa: FBT001
) -> None:
    world = World(make_page(completed_at=COMPLETED_AT))
    assert world.run(**given) == ExitCode.PASSED
    assert [plan.role for plan in world.cloud.plans] == [None]
    assert any("has no effect without role-to-assume" in it for it in world.workflow.log) is said
    assert ("has no effect without role-to-assume" in world.workflow.markdown) is said


# In a terminal --------------------------------------------------------------------------------

CHANGED = Commit(sha="c0ffee0" * 5 + "c0ffe", time=5, clean=False)
TOLD = (
    "Files have been changed since commit c0ffee0, and the image has them as they are now; a tag "
    "with the commit's name says otherwise"
)


class ByHand(FakeWorkflow):
    """A terminal, in a folder with a checkout."""

    def context(self, environ: Mapping[str, str]) -> Context:
        return make_context(run_url="")


@pytest.mark.parametrize(
    ("workflow", "commit", "inputs", "told"),
    [
        (ByHand(FILES), CHANGED, {}, True),
        (ByHand(FILES), HERE, {}, False),
        (ByHand(FILES), None, {}, False),
        (ByHand(FILES), CHANGED, {"image": "app:built"}, False),
        # There a build makes files before this one.
        (FakeWorkflow(FILES), CHANGED, {}, False),
    ],
)
def test_uncommitted__files_are_a_warning_in_a_terminal(
    workflow: FakeWorkflow,
    commit: Commit | None,
    inputs: dict[str, str],
    told: bool,  # noqa: FBT001
) -> None:
    world = World(make_page(completed_at=COMPLETED_AT), workflow=workflow)
    world.checkout.head = commit
    assert world.run(**inputs) == ExitCode.PASSED
    assert (f"WARNING: {TOLD}" in workflow.log) is told


def test_connect__shows_the_run_where_it_is_told_to() -> None:
    workflow = FakeWorkflow()
    real = connect({}, workflow)
    assert real.workflow is workflow
    vars(real.engine)["_show"](0.5, "half")
    vars(real.cloud)["_mask"]("hunter2")
    assert (workflow.drawn, workflow.masked) == ([(0.5, "half")], ["hunter2"])


def test_scan__is_drawn_where_the_run_is_shown() -> None:
    world = World(NoScan())
    assert world.run() == ExitCode.SCAN
    assert world.workflow.drawn[0] == (0.0, "0 s of at most 60 s")
