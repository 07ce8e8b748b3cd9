"""What the tiers share: golden files; private engines, local ECRs, an honest environment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dev import act, dist
from dev.engine import Engine, Store
from local_ecr.server import LocalEcr
from tests.golden import GOLDEN

RENEW = "RENEW_GOLDEN"


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """What a shell starts in the background ignores SIGINT, and so would all that tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", params=["classic", "containerd"])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A Docker Engine of its own, once with each image store."""
    store: Store = request.param
    with Engine(store=store) as private:
        yield private


@pytest.fixture
def ecr() -> Iterator[LocalEcr]:
    """A local ECR with basic scans that are over after a tenth of a second."""
    with LocalEcr(scan_seconds=0.1) as server:
        yield server


@pytest.fixture
def ambient(ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process talks to the local ECR with its credentials, and knows of no others."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "ACTIONS_"))]:
        monkeypatch.delenv(name)
    for name, value in ecr.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs' back-off between attempts takes no time."""
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the action as a release tag carries it, with the bundle that `make dist` makes."""
    copy = act.action_copy(tmp_path_factory.mktemp("release"))
    dist.build(copy)
    return copy


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares a text with a golden file, or writes that file where RENEW_GOLDEN=1 asks for it."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get(RENEW) == "1":
            path.write_bytes(text.encode())
            pytest.skip(f"{path.name} was renewed; read its difference before you commit it")
        assert text == path.read_bytes().decode(), f"if this is wanted: {RENEW}=1"

    return check
