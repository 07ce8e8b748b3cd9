"""The private DOCKER_CONFIG: the user's own, one login more, and nothing left of it afterwards."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from ecr_publish.edges.docker_config import private_config, with_login
from ecr_publish.edges.ports import Login
from tests.factories import HOST

LOGIN = Login(username="AWS", password="pass:word")
AUTH = base64.b64encode(b"AWS:pass:word").decode()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The user's own configuration, with a builder and a dotfile."""
    directory = tmp_path / "home" / ".docker"
    (directory / "buildx" / "instances").mkdir(parents=True)
    (directory / "buildx" / "instances" / "big").write_text("{}")
    (directory / ".token_seed").write_text("seed")
    return directory


@pytest.fixture
def environ(tmp_path: Path, own: Path) -> dict[str, str]:
    (tmp_path / "temp").mkdir()
    return {"HOME": str(tmp_path / "home"), "RUNNER_TEMP": str(tmp_path / "temp"), "OTHER": "kept"}


def content(environ: dict[str, str]) -> dict[str, Any]:
    """The configuration that docker reads in this environment."""
    read: dict[str, Any] = json.loads(Path(environ["DOCKER_CONFIG"], "config.json").read_text())
    return read


def test_environment__is_the_users_but_for_the_directory(environ: dict[str, str]) -> None:
    with private_config(environ, HOST, LOGIN) as private:
        directory = private.pop("DOCKER_CONFIG")
        assert private == environ
        assert Path(directory).parent == Path(environ["RUNNER_TEMP"])


@pytest.mark.parametrize("stated", [True, False])
def test_own__is_the_stated_one_or_the_one_at_home(
    environ: dict[str, str],
    own: Path,
    tmp_path: Path,
    stated: bool,  # noqa: FBT001
) -> None:
    if stated:
        own = own.rename(tmp_path / "elsewhere")
        environ["DOCKER_CONFIG"] = str(own)
    (own / "config.json").write_text('{"proxies": {}}')

    with private_config(environ, HOST, LOGIN) as private:
        assert content(private)["proxies"] == {}


def test_entries__are_links_that_can_be_written_through(environ: dict[str, str], own: Path) -> None:
    with private_config(environ, HOST, LOGIN) as private:
        directory = Path(private["DOCKER_CONFIG"])
        assert sorted(entry.name for entry in directory.iterdir()) == [
            *(".token_seed", "buildx", "config.json")
        ]
        (directory / "buildx" / "current").write_text("big")

    assert (own / "buildx" / "current").read_text() == "big"
    assert (own / "buildx" / "instances" / "big").read_text() == "{}"
    assert not (own / "config.json").exists()


def test_entries__of_a_relative_directory(
    environ: dict[str, str], own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own.parent)
    environ["DOCKER_CONFIG"] = own.name

    with private_config(environ, HOST, LOGIN) as private:
        assert Path(private["DOCKER_CONFIG"], ".token_seed").read_text() == "seed"


def test_s3__nobody_else_can_read_the_login(environ: dict[str, str]) -> None:
    with private_config(environ, HOST, LOGIN) as private:
        assert stat.S_IMODE(Path(private["DOCKER_CONFIG"]).stat().st_mode) == 0o700


@pytest.mark.parametrize("end", [None, ValueError("inside"), KeyboardInterrupt()])
def test_s3__nothing_is_left(environ: dict[str, str], end: BaseException | None) -> None:
    def use() -> None:
        with private_config(environ, HOST, LOGIN) as private:
            # What docker itself may leave beside it.
            Path(private["DOCKER_CONFIG"], "contexts").mkdir()
            if end:
                raise end

    if end:
        with pytest.raises(type(end)):
            use()
    else:
        use()

    assert list(Path(environ["RUNNER_TEMP"]).iterdir()) == []


def test_config__of_a_user_who_has_none(environ: dict[str, str]) -> None:
    with private_config(environ, HOST, LOGIN) as private:
        assert content(private) == {"auths": {HOST: {"auth": AUTH}}, "credHelpers": {HOST: ""}}


@pytest.mark.parametrize("home", [{}, {"HOME": "/nonexistent"}])
def test_config__of_a_user_without_a_home(tmp_path: Path, home: dict[str, str]) -> None:
    with private_config({**home, "RUNNER_TEMP": str(tmp_path)}, HOST, LOGIN) as private:
        assert set(content(private)["auths"]) == {HOST}


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_config__that_cannot_be_read_counts_as_empty(
    environ: dict[str, str], own: Path, text: bytes
) -> None:
    (own / "config.json").write_bytes(text)

    with private_config(environ, HOST, LOGIN) as private:
        assert set(content(private)) == {"auths", "credHelpers"}

    assert (own / "config.json").read_bytes() == text


def test_login__is_added_and_all_else_stays() -> None:
    own = {
        "auths": {"ghcr.io": {"auth": "eA=="}, HOST: {"auth": "old"}},
        "credHelpers": {"public.ecr.aws": "ecr-login", HOST: "ecr-login"},
        "credsStore": "desktop",
        "proxies": {"default": {"httpProxy": "http://proxy:3128"}},
    }
    before = json.dumps(own)

    assert with_login(own, HOST, LOGIN) == {
        "auths": {"ghcr.io": {"auth": "eA=="}, HOST: {"auth": AUTH}},
        "credHelpers": {"public.ecr.aws": "ecr-login", HOST: ""},
        "credsStore": "desktop",
        "proxies": {"default": {"httpProxy": "http://proxy:3128"}},
    }
    assert json.dumps(own) == before


@pytest.mark.parametrize("name", ["auths", "credHelpers"])
@pytest.mark.parametrize("value", [None, [], "text"])
def test_login__where_the_users_entry_is_none(name: str, value: object) -> None:
    config = with_login({name: value}, HOST, LOGIN)

    assert config["auths"] == {HOST: {"auth": AUTH}}
    assert config["credHelpers"] == {HOST: ""}
