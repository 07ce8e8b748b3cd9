"""Runs of the corridor in this process: what they need, and what they must leave as it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from local_ecr.server import LocalEcr, Mode
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
        scan_seconds: float = 4,
    ) -> Publication:
        clock = JumpingClock()
        server = LocalEcr(scenario=scenario, mode=mode, scan_seconds=scan_seconds, clock=clock.now)
        server.start()
        servers.append(server)
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        one = Publication(ecr=server, clock=clock, platforms=platforms)
        one.create(on_push=on_push)
        return one

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    return boto3.Session(region_name="eu-west-1")


@pytest.fixture
def one_session(session: boto3.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of runs need not each make the SDK's clients, which takes as long as ten calls."""
    create, made = session.client, dict[str, Any]()

    def client(service: Any, config: Any) -> Any:
        key = f"{os.environ['AWS_ENDPOINT_URL']} {service} {config.retries}"
        if key not in made:
            made[key] = create(service, config=config)
        return made[key]

    monkeypatch.setattr(session, "client", client)
    monkeypatch.setattr("ecr_publish.edges.credentials._ambient", lambda _: session)
