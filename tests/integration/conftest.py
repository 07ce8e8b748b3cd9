"""Runs of the corridor in this process: what they need, and what they must leave as it was."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local_ecr.server import LocalEcr, Mode
from tests.factories import NAME
from tests.publication import JumpingClock, Prepare, Publication


@pytest.fixture(autouse=True)
def _keep_signals() -> Iterator[None]:
    kept = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in kept.items():
        signal.signal(name, handler)


@pytest.fixture
def prepare(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Prepare]:
    """Starts a local ECR with a scenario and a repository that is scanned on push."""
    servers: list[LocalEcr] = []

    def start(
        scenario: str | dict[str, Any],
        mode: Mode | None = None,
        *,
        on_push: bool = True,
        platforms: tuple[str, ...] = (),
    ) -> Publication:
        clock = JumpingClock()
        server = LocalEcr(scenario=scenario, mode=mode, scan_seconds=4, clock=clock.now)
        server.start()
        servers.append(server)
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        boto3.client("ecr").create_repository(
            repositoryName=NAME, imageScanningConfiguration={"scanOnPush": on_push}
        )
        return Publication(ecr=server, clock=clock, platforms=platforms)

    yield start
    for server in servers:
        server.stop()
