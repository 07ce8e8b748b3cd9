"""The page counts, and stays on its feet when Redis is gone."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import redis
from flask.testing import FlaskClient


class Counter:
    """As much of Redis as the page uses."""

    def __init__(self, *, away: bool = False) -> None:
        self.visits = 0
        self.away = away

    def incr(self, name: str) -> int:
        """Count one visit."""
        assert name == "visits"
        if self.away:
            raise redis.ConnectionError("nobody listens")
        self.visits += 1
        return self.visits


def load_app() -> ModuleType:
    """Load app.py by its path: it is a program, and no package of this project."""
    spec = importlib.util.spec_from_file_location("app", Path(__file__).parents[1] / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def client(request: pytest.FixtureRequest) -> FlaskClient:
    app = load_app().create_app(Counter(away=getattr(request, "param", False)))
    test_client: FlaskClient = app.test_client()
    return test_client


def test_visit__counts_up(client: FlaskClient) -> None:
    assert client.get("/").text == "You are visitor number 1.\n"
    assert client.get("/").text == "You are visitor number 2.\n"


@pytest.mark.parametrize("client", [True], indirect=True)
def test_visit__redis_is_away(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.text) == (503, "The counter is away for a moment.\n")


@pytest.mark.parametrize("client", [True], indirect=True)
def test_healthz__needs_no_redis(client: FlaskClient) -> None:
    assert client.get("/healthz").text == "ok\n"


def test_connect__reads_redis_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    assert load_app().connect().test_client().get("/").status_code == 503
