"""The preflight alone, on the fakes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ecr_publish import doctor
from ecr_publish.build import Builder
from ecr_publish.errors import ExitCode, NoCredentials
from ecr_publish.plan import Absent
from tests.factories import HOST, SHA, make_manifest, make_scanning, make_state
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeGitHub,
    FakeRegistry,
    FakeWorkflow,
    denied,
    edges,
)

IMAGE = make_manifest()
ENVIRON = {
    "GITHUB_SHA": SHA,
    "GITHUB_RUN_ID": "42",
    "GITHUB_WORKSPACE": "/workspace",
    "ECR_PUBLISH_AWS_REGION": "eu-west-1",
    "ECR_PUBLISH_REPOSITORY": "visit-counter-app",
}
NAMES = ("web", "api")
TARGETS: dict[str, Any] = {
    "group": {"default": {"targets": [*NAMES]}},
    "target": {name: {"context": name} for name in NAMES},
}
BAKE = {"bake_file": "docker-bake.hcl", "repository": "team/{target}"}


class World:
    def __init__(self) -> None:
        self.registry = FakeRegistry(state=make_state(), pushed=IMAGE)
        self.registry.others = {
            f"team/{name}": FakeRegistry(state=make_state(name=f"team/{name}"), pushed=IMAGE)
            for name in NAMES
        }
        self.cloud = FakeCloud(self.registry)
        self.engine = FakeEngine(IMAGE.digest, printed=json.dumps(TARGETS))
        self.workflow, self.github = FakeWorkflow(), FakeGitHub()
        self.lines: list[str] = []

    def run(self, **inputs: str) -> int:
        given = {f"ECR_PUBLISH_{name.upper()}": value for name, value in inputs.items()}
        fakes = (self.cloud, self.engine, self.workflow, FakeClock(), FakeCheckout(), self.github)
        self.lines.clear()
        return doctor.run(ENVIRON | given, edges(*fakes), self.lines.append)


def test_doctor__healthy() -> None:
    world = World()
    assert world.run() == ExitCode.PASSED
    assert world.lines[0].startswith("ok           credentials")
    assert world.lines[-1] == "Nothing is in the way. Nothing was changed."


FORK = {
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_EVENT_PATH": "/event.json",
    "ECR_PUBLISH_ROLE_TO_ASSUME": "arn:aws:iam::123456789012:role/publisher",
}
EVENT = {"pull_request": {"head": {"repo": None}, "base": {"repo": {"full_name": "org/app"}}}}


@pytest.mark.parametrize(
    ("on_fork", "code", "said"),
    [
        ("build-only", ExitCode.PASSED, "the image is built and goes nowhere"),
        ("fail", ExitCode.CREDENTIALS, "this pull request comes from a fork"),
    ],
)
def test_doctor__of_a_fork_asks_for_nothing(
    on_fork: str, code: ExitCode, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = of_a_fork(monkeypatch)
    assert world.run(on_fork=on_fork) == code
    assert any(said in line for line in world.lines)
    assert world.cloud.plans == []


def test_doctor__of_a_fork_s_gate_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = of_a_fork(monkeypatch)
    assert world.run(job="gate", reference="1.4.2", role_to_assume="") == ExitCode.CREDENTIALS
    assert any("this pull request comes from a fork" in line for line in world.lines)
    assert world.cloud.plans == []


def of_a_fork(monkeypatch: pytest.MonkeyPatch) -> World:
    for name, value in FORK.items():
        monkeypatch.setitem(ENVIRON, name, value)
    world = World()
    world.workflow = FakeWorkflow({"/event.json": json.dumps(EVENT)})
    return world


@pytest.mark.parametrize("more", [{}, BAKE], ids=["one", "many"])
def test_doctor__session_that_sts_does_not_take_so_narrow(more: dict[str, str]) -> None:
    world = World()
    world.cloud.narrows = False
    assert world.run(role_to_assume=FORK["ECR_PUBLISH_ROLE_TO_ASSUME"], **more) == ExitCode.PASSED
    below = world.lines[world.lines.index("") :]
    assert below[1].startswith("Note: STS does not take the policy that narrows the session of ")
    assert below[2].startswith("So the session is not narrowed to this run, ")
    assert below[3].startswith("More: ")
    assert below[4:] == ["", "Nothing is in the way. Nothing was changed."]
    # In a terminal the log is the same place.
    assert not any("narrow" in line for line in world.workflow.log)


def test_doctor__session_policy_that_has_no_effect() -> None:
    world = World()
    assert world.run(session_policy="repository") == ExitCode.PASSED
    (note,) = (line for line in world.lines if line.startswith("Note: "))
    assert "has no effect without role-to-assume" in note


def test_s4_doctor__touches_nothing_and_reports_nowhere() -> None:
    world = World()
    world.registry.absent = Absent(scanning=make_scanning())
    code = world.run(create_repository="true", check_run="true", github_token="t")
    assert code == ExitCode.PASSED
    assert world.registry.created == 0
    assert world.engine.calls == []
    assert (world.workflow.outputs, world.workflow.markdown) == ({}, "")
    assert (world.github.started, world.github.checks) == ([], [])


def test_doctor__all_problems_in_full_and_the_code_of_the_first() -> None:
    world = World()
    world.registry.refused["look"] = denied("DescribeRepositories")
    world.engine.made_by = Builder(driver="docker")
    assert world.run(platforms="linux/amd64,linux/arm64") == ExitCode.REPOSITORY
    text = "\n".join(world.lines)
    assert "2 problems. Nothing was changed." in text
    assert '"ecr:DescribeRepositories"' in text
    assert "docker/setup-buildx-action" in text


def test_doctor__credentials_that_are_missing() -> None:
    world = World()
    world.cloud.failure = NoCredentials()
    assert world.run() == ExitCode.CREDENTIALS
    assert any(line.startswith("not checked  repository") for line in world.lines)


def test_doctor__inputs_that_cannot_be_used() -> None:
    world = World()
    assert world.run(severity_threshold="severe") == ExitCode.INPUT
    assert world.lines[0].startswith("1 input cannot be used: severity-threshold")
    assert world.cloud.from_fork is None


def test_doctor__many_images_each_with_its_name_and_what_is_common_once() -> None:
    world = World()
    assert world.run(**BAKE) == ExitCode.PASSED
    text = "\n".join(world.lines)
    assert text.count("credentials") == 1
    for name in NAMES:
        assert f"{name}: repository" in text
        assert f"{HOST}/team/{name} exists" in text
    assert [call.partition(" ")[0] for call in world.engine.calls] == ["definition"]


def test_doctor__cache_of_a_bake_file_where_an_image_goes() -> None:
    world = World()
    target = {"context": "api", "cache-to": [f"type=registry,ref={HOST}/team/web:v1"]}
    printed = {**TARGETS, "target": {**TARGETS["target"], "api": target}}
    world.engine.printed = json.dumps(printed)
    assert world.run(**BAKE) == ExitCode.INPUT
    assert "problem      caches" in "\n".join(world.lines)
