"""The door: real edges in one process, against the local ECR and a real engine."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import boto3
import pytest

from dev.engine import Engine
from ecr_publish.edges.clock import SystemClock
from ecr_publish.main import main
from local_ecr.server import LocalEcr
from tests.factories import NAME, ROLE, SHA

pytestmark = pytest.mark.usefixtures("ambient")


@pytest.fixture
def environ(tmp_path: Path, ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    (tmp_path / "output").touch()
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    return {
        "PATH": os.environ["PATH"],
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_SHA": SHA,
        "GITHUB_RUN_ID": "42",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_WORKSPACE": str(workspace),
        "ECR_PUBLISH_AWS_REGION": "eu-west-1",
        "ECR_PUBLISH_REPOSITORY": NAME,
        "ECR_PUBLISH_CREATE_REPOSITORY": "true",
        "ECR_PUBLISH_ROLE_TO_ASSUME": ROLE,
        **ecr.environment(),
    }


def test_main__publishes(environ: dict[str, str], engine: Engine, tmp_path: Path) -> None:
    assert main({**environ, **engine.environment()}) == 0

    (image,) = (
        item
        for item in boto3.client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
        if item.get("imageTags")
    )
    assert image["imageTags"] == [SHA[:7]]
    assert f"@{image['imageDigest']}\n" in (tmp_path / "output").read_text()
    assert "Passed" in (tmp_path / "summary.md").read_text()


def test_s1__main_refuses(environ: dict[str, str], engine: Engine, ecr: LocalEcr) -> None:
    ecr.set_scenario("vulnerable")

    assert main({**environ, **engine.environment()}) == 9

    tags = [
        tag
        for item in boto3.client("ecr").describe_images(repositoryName=NAME)["imageDetails"]
        for tag in item.get("imageTags", [])
    ]
    assert len(tags) == 1
    assert tags[0].startswith("candidate-42-1-")


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM])
def test_s6__main_is_cancelled_by_the_first_signal_alone(
    environ: dict[str, str], name: signal.Signals
) -> None:
    def cancelled(*_: object) -> int:
        try:
            os.kill(os.getpid(), name)
        finally:
            # What tidies up is not torn by the runner's next signals.
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecr_publish.main.parse", cancelled)
        assert main(environ) == 130


def test_clock__goes_on_by_itself_and_sleeps() -> None:
    clock = SystemClock()
    before = clock.now()

    clock.sleep(0.01)

    assert clock.now() - before >= 0.01
    assert 0 <= clock.chance() <= 1
