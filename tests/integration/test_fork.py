"""A pull request from a fork, on typed fakes: what is done for it, and what never is (S1, S2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ecr_publish.build import Builder, Remark
from ecr_publish.errors import BuildFailed, GitHubFailed
from ecr_publish.inputs import OIDC
from ecr_publish.main import run
from ecr_publish.origin import Commit
from ecr_publish.report.check import Conclusion
from tests.factories import COMPLETED_AT, make_manifest, make_page, make_state
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeGitHub,
    FakeRegistry,
    FakeWorkflow,
    edges,
)

SHA = "0123456789abcdef0123456789abcdef01234567"
ROLE = "arn:aws:iam::123456789012:role/visit-counter-publisher"
CLASSIC = Builder(driver="docker", containerd=False)
BUILDERS = [CLASSIC, Builder(driver="docker", containerd=True), Builder(driver="docker-container")]
FORK = {"full_name": "stranger/app"}
OFFERED = dict.fromkeys(OIDC, "offered")
TARGETS: Mapping[str, Any] = {
    "web": {"context": "web", "contexts": {"lib": "target:lib"}},
    "api": {"context": "api"},
    "lib": {"context": "lib"},
}
PRINTED = json.dumps({"group": {"default": {"targets": ["web", "api"]}}, "target": TARGETS})
MANY = {"bake_file": "docker-bake.hcl", "repository": "team/{target}"}
REPORTS = {"check_run": "true", "comment": "true", "github_token": "ghs_hunter2"}
WITHOUT_ROLE = {"role_to_assume": ""}
REASON = (
    "nothing was pushed, scanned or judged, because this pull request comes from a fork and GitHub "
    "offers its run no OIDC token (on-fork: build-only)"
)

REFUSED = "this pull request comes from a fork, so the run gets no credentials"
DIGESTS = "\n".join(str(make_manifest({"is": name}).digest) for name in ("amd", "arm"))
JOBS: Mapping[str, dict[str, str]] = {
    "gate": {"job": "gate", "reference": "1.4.2", "promote_to": "stable"},
    "merge": {"job": "merge", "digests": DIGESTS, "promote": "always"},
}
"""The jobs that bring no code, with all that they could do."""


@dataclass
class Run:
    """One run for a pull request, by default a fork's, and the fakes around it."""

    head: Any = field(default_factory=lambda: FORK)
    event: str = "pull_request"
    token: Mapping[str, str] = field(default_factory=dict)
    registry: FakeRegistry = field(
        default_factory=lambda: FakeRegistry(
            state=make_state(),
            pushed=make_manifest(),
            answers=[make_page(completed_at=COMPLETED_AT)],
        )
    )
    engine: FakeEngine = field(
        default_factory=lambda: FakeEngine(make_manifest().digest, printed=PRINTED)
    )
    workflow: FakeWorkflow = field(init=False)
    cloud: FakeCloud = field(init=False)
    github: FakeGitHub = field(default_factory=FakeGitHub)

    def __post_init__(self) -> None:
        base = {"full_name": "org/app", "default_branch": "main"}
        request = {"number": 7, "head": {"repo": self.head, "sha": SHA}, "base": {"repo": base}}
        event = json.dumps({"repository": base, "pull_request": request})
        self.workflow = FakeWorkflow({"/event.json": event})
        self.registry.others = {"team/web": self.registry, "team/api": self.registry}
        self.cloud = FakeCloud(self.registry)

    def walk(self, **inputs: str) -> int:
        environ = {
            "GITHUB_SHA": SHA,
            "GITHUB_RUN_ID": "42",
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_HEAD_REF": "feature",
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_WORKSPACE": "/workspace",
            "GITHUB_EVENT_PATH": "/event.json",
            "ECR_PUBLISH_ROLE_TO_ASSUME": ROLE,
            "ECR_PUBLISH_AWS_REGION": "eu-west-1",
            "ECR_PUBLISH_REPOSITORY": "team/app",
            **self.token,
        }
        environ |= {f"ECR_PUBLISH_{name.upper()}": value for name, value in inputs.items()}
        checkout, clock = FakeCheckout(Commit(sha=SHA, time=5)), FakeClock()
        world = (self.cloud, self.engine, self.workflow, clock, checkout, self.github)
        return run(environ, edges(*world))

    @property
    def outputs(self) -> dict[str, str]:
        return self.workflow.outputs

    @property
    def calls(self) -> list[str]:
        return [call.partition(" ")[0] for call in self.engine.calls]


# build-only -------------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", [{}, WITHOUT_ROLE], ids=["role", "ambient"])
@pytest.mark.parametrize("builder", BUILDERS, ids=["classic", "containerd", "outside"])
@pytest.mark.parametrize("promote", ["auto", "always", "never"])
@pytest.mark.parametrize("asked", ["", "build-only"])
def test_s1_fork__builds_and_asks_neither_aws_nor_the_engine_for_more(
    credentials: dict[str, str], builder: Builder, promote: str, asked: str
) -> None:
    one = Run()
    one.engine.made_by = builder

    assert one.walk(context="app", on_fork=asked, promote=promote, **credentials) == 0

    assert one.engine.calls == ["build_only app /workspace"]
    assert one.cloud.from_fork is None
    assert (one.registry.tags, one.registry.asked, one.registry.looked) == ({}, [], [])


def test_s2_fork__is_unknown_and_neutral_wherever_it_is_shown() -> None:
    one = Run()
    one.engine.remarks = (Remark(text="JSON arguments recommended", file="Dockerfile", line=3),)

    assert one.walk(**REPORTS) == 0

    shown = f"Built only: {REASON}"
    assert (one.outputs["verdict"], one.outputs["reason"]) == ("unknown", REASON)
    for name in ("image", "digest", "tags", "candidate", "registry", "total", "scan-status"):
        assert one.outputs[name] == ""
    (remark, loud) = one.workflow.annotations
    assert loud[:2] == ("warning", "Built only")
    assert loud[2].startswith(shown)
    assert remark[2] == "JSON arguments recommended"
    assert one.workflow.markdown.startswith(f"## ⚪ {shown}\n")
    assert shown in one.workflow.log
    ((_, check),) = one.github.checks
    assert (check.conclusion, check.title) == (Conclusion.NEUTRAL, shown)
    ((number, comment),) = one.github.comments
    assert number == 7
    assert f"### ⚪ <code>team/app</code>: {shown}" in comment
    assert "[Credentials]" in one.workflow.log
    assert not any("✅" in text for text in (one.workflow.markdown, comment))


@pytest.mark.parametrize(
    "settings",
    [{"report_only": "true"}, {"on_timeout": "warn", "on_unsupported": "warn"}],
)
def test_s1_fork__no_setting_makes_a_verdict_of_it(settings: dict[str, str]) -> None:
    one = Run()
    assert one.walk(promote="always", tags="{branch}", **settings) == 0
    assert (one.outputs["verdict"], one.outputs["tags"]) == ("unknown", "")


def test_fork__reports_of_files() -> None:
    one = Run()
    assert one.walk(report_file="a.json\na.html\na.csv", sarif_file="a.sarif") == 0
    report = json.loads(one.workflow.written["a.json"])
    assert (report["verdict"], report["reason"], report["scans"]) == ("unknown", REASON, [])
    assert 'class="verdict neutral"' in one.workflow.written["a.html"]
    (found,) = json.loads(one.workflow.written["a.sarif"])["runs"]
    (invocation,) = found["invocations"]
    # Otherwise GitHub would close the alerts that are open.
    assert invocation["executionSuccessful"] is False
    (told,) = invocation["toolExecutionNotifications"]
    assert (told["level"], told["message"]["text"]) == ("note", REASON)


def test_fork__image_that_is_built_already() -> None:
    one = Run()
    assert one.walk(image="app:built") == 0
    assert one.engine.calls == []
    assert one.workflow.markdown.startswith(f"## ⚪ Not published: {REASON}\n")
    assert "The image is built already, and goes nowhere" in one.workflow.log


def test_s2_fork__failed_build_fails_the_step() -> None:
    one = Run()
    one.engine.fails, one.engine.failure = "build_only", BuildFailed(1, said="no such file")
    assert one.walk(**REPORTS) == 5
    assert one.outputs["reason"] == "docker buildx build exited with 1"
    ((_, check),) = one.github.checks
    assert check.conclusion is Conclusion.FAILURE
    assert one.workflow.markdown.startswith("## ❌ Not published: docker buildx build exited")


def test_s6_fork__cancelled_build() -> None:
    one = Run()
    one.engine.fails, one.engine.failure = "build_only", KeyboardInterrupt()
    assert one.walk(**REPORTS) == 130
    assert (one.outputs["verdict"], one.outputs["reason"]) == ("unknown", "the run was cancelled")
    ((_, check),) = one.github.checks
    assert check.conclusion is Conclusion.CANCELLED


def test_fork__what_the_engine_cannot_build_is_said_before() -> None:
    one = Run()
    one.engine.made_by = CLASSIC
    assert one.walk(platforms="linux/amd64,linux/arm64") == 5
    assert one.engine.calls == []
    assert "cannot be built in this Docker Engine" in one.outputs["reason"]


@pytest.mark.parametrize("fails", ["start_check", "upsert_comment"])
def test_fork__token_that_only_reads_fails_softly(fails: str) -> None:
    one = Run()
    one.github.fails, one.github.failure = fails, GitHubFailed("no", why="It can only read.")
    assert one.walk(**REPORTS) == 0
    told = [*one.workflow.log, *(text for _, _, text in one.workflow.annotations)]
    assert any("It can only read." in text for text in told)


# fail -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", [{}, WITHOUT_ROLE], ids=["role", "ambient"])
@pytest.mark.parametrize("source", [{}, {"image": "app:built"}, MANY])
def test_s1_fork__fails_where_it_is_told_to(
    credentials: dict[str, str], source: dict[str, str]
) -> None:
    one = Run()
    assert one.walk(on_fork="fail", **credentials, **source) == 3
    assert one.calls in ([], ["definition"])
    assert one.cloud.from_fork is None
    assert one.outputs["reason"] == REFUSED
    assert one.workflow.markdown.startswith(f"## ❌ Not published: {REFUSED}\n")
    assert "on-fork: build-only" in one.workflow.markdown


@pytest.mark.parametrize("on_fork", ["", "build-only", "fail"])
@pytest.mark.parametrize("credentials", [{}, WITHOUT_ROLE], ids=["role", "ambient"])
@pytest.mark.parametrize("job", [*JOBS])
def test_s1_fork__gate_and_merge_fail_and_ask_aws_for_nothing(
    job: str, credentials: dict[str, str], on_fork: str
) -> None:
    one = Run()
    assert one.walk(on_fork=on_fork, **JOBS[job], **credentials, **REPORTS) == 3
    assert (one.cloud.plans, one.registry.tags, one.registry.asked) == ([], {}, [])
    assert one.calls == []
    assert (one.outputs["verdict"], one.outputs["reason"]) == ("unknown", REFUSED)
    assert "credentials of a runner of your own are not used" in one.workflow.markdown
    ((_, check),) = one.github.checks
    assert check.conclusion is Conclusion.FAILURE


# Every other run --------------------------------------------------------------------------------


@pytest.mark.parametrize("on_fork", ["", "build-only", "fail"])
@pytest.mark.parametrize("credentials", [{}, WITHOUT_ROLE], ids=["role", "ambient"])
@pytest.mark.parametrize(
    "told",
    [
        {"head": {"full_name": "org/app"}},
        {"head": {"full_name": "org/app"}, "token": OFFERED},
        {"token": OFFERED},
        *({"token": {name: "offered"}} for name in OIDC),
        {"event": "pull_request_target"},
        {"event": "pull_request_target", "token": OFFERED},
    ],
)
def test_s2_fork__no_other_run_ends_well_without_a_verdict(
    told: dict[str, Any], credentials: dict[str, str], on_fork: str
) -> None:
    one = Run(**told)
    assert one.walk(on_fork=on_fork, **credentials) == 0
    assert one.cloud.from_fork is (one.head == FORK)
    assert one.calls == ["build", "push", "forget"]
    assert one.outputs["verdict"] == "passed"


@pytest.mark.parametrize("job", [*JOBS])
def test_fork__that_is_offered_a_token_gates_and_merges_with_it(job: str) -> None:
    one = Run(token=OFFERED)
    one.walk(**JOBS[job])
    assert one.cloud.from_fork is True


# Many -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", [{}, WITHOUT_ROLE], ids=["role", "ambient"])
@pytest.mark.parametrize("builder", BUILDERS, ids=["classic", "containerd", "outside"])
def test_s1_fork__many_are_built_with_one_call_and_go_nowhere(
    credentials: dict[str, str], builder: Builder
) -> None:
    one = Run()
    one.engine.made_by = builder

    assert one.walk(**MANY, **REPORTS, **credentials) == 0

    assert one.engine.calls[1:] == ["bake_only web api /workspace"]
    assert one.cloud.from_fork is None
    assert one.engine.tried is not None
    assert [*one.engine.tried.everything] == ["web", "api", "lib"]
    assert one.registry.tags == {}


def test_s2_fork__many_are_unknown_and_neutral() -> None:
    one = Run()
    assert one.walk(**MANY, **REPORTS) == 0

    assert (one.outputs["verdict"], one.outputs["reason"]) == ("unknown", REASON)
    images = json.loads(one.outputs["images"])
    assert [(item["verdict"], item["reason"]) for item in images] == [("unknown", REASON)] * 2
    assert [check.conclusion for _, check in one.github.checks] == [Conclusion.NEUTRAL] * 2
    assert one.workflow.markdown.startswith(f"## ⚪ Built only: {REASON}\n")
    ((_, comment),) = one.github.comments
    assert f"### ⚪ <code>team/{{target}}</code>: Built only: {REASON}" in comment
    assert {kind for kind, _, _ in one.workflow.annotations} == {"warning"}


def test_s2_fork__many_fail_with_their_build() -> None:
    one = Run()
    one.engine.fails, one.engine.failure = "bake_only", BuildFailed(1)
    assert one.walk(**MANY) == 5
    assert one.outputs["verdict"] == "unknown"
    assert {item["reason"] for item in json.loads(one.outputs["images"])} == {
        "docker buildx build exited with 1"
    }


def test_fork__one_of_many_that_the_engine_cannot_build() -> None:
    targets = {**TARGETS, "api": {"context": "api", "attest": ["type=provenance"]}}
    one = Run()
    one.engine.made_by = CLASSIC
    one.engine.printed = json.dumps(
        {"group": {"default": {"targets": ["web", "api"]}}, "target": targets}
    )
    assert one.walk(**MANY) == 5
    assert one.calls == ["definition"]
