"""Which commit is checked out, as git itself tells."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ecr_publish.context import Head
from ecr_publish.edges.git import GitCheckout
from ecr_publish.origin import Commit
from ecr_publish.shape import LARGEST

TIME = 1_700_000_000
SOMEBODY = 12345


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "home").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "GIT_CONFIG_SYSTEM": os.devnull,
        **{f"GIT_{who}_NAME": "somebody" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "somebody@example.com" for who in ("AUTHOR", "COMMITTER")},
    }


def git(directory: Path, environ: dict[str, str], *words: str, given: str = "") -> str:
    return subprocess.run(
        ["git", *words],
        cwd=directory,
        env=environ,
        input=given,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture
def workspace(tmp_path: Path, environ: dict[str, str]) -> Path:
    """A checkout of one commit, with a directory in it."""
    directory = tmp_path / "workspace"
    (directory / "app").mkdir(parents=True)
    git(directory, environ, "init", "--quiet", "--initial-branch=main")
    (directory / "app" / "Dockerfile").write_text("FROM scratch\n")
    git(directory, environ, "add", ".")
    # The author's date may be of another day, as after a rebase.
    commit(directory, {**environ, "GIT_AUTHOR_DATE": f"{TIME - 999} +0000"})
    return directory


def commit(directory: Path, environ: dict[str, str]) -> None:
    dated = {**environ, "GIT_COMMITTER_DATE": f"{TIME} +0200"}
    git(directory, dated, "commit", "--quiet", "--allow-empty", "--message", "one")


@pytest.mark.parametrize("context", [".", "app", "./app/", "app/..", "{workspace}/app"])
def test_commit__of_a_checkout(workspace: Path, environ: dict[str, str], context: str) -> None:
    head = git(workspace, environ, "rev-parse", "HEAD")

    found = GitCheckout(environ).commit(str(workspace), context.format(workspace=workspace))

    assert found == Commit(sha=head, time=TIME)


def test_commit__of_another_repository_in_the_workspace(
    workspace: Path, environ: dict[str, str]
) -> None:
    other = workspace / "other"
    other.mkdir()
    git(other, environ, "init", "--quiet")
    commit(other, environ)

    found = GitCheckout(environ).commit(str(workspace), "other")

    assert found
    assert found.sha == git(other, environ, "rev-parse", "HEAD")


def test_commit__of_a_detached_shallow_clone(
    workspace: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    commit(workspace, environ)
    git(tmp_path, environ, "clone", "--quiet", "--depth=1", f"file://{workspace}", "clone")
    git(tmp_path / "clone", environ, "checkout", "--quiet", "--detach")

    found = GitCheckout(environ).commit(str(tmp_path / "clone"), ".")

    assert found == Commit(sha=git(workspace, environ, "rev-parse", "HEAD"), time=TIME)


@pytest.mark.parametrize(
    "context",
    [
        "https://github.com/org/app.git#main:app",
        "git@github.com:org/app.git",
        "-",
        "missing",
        "app/Dockerfile",
    ],
)
def test_commit__of_what_is_no_directory(
    workspace: Path, environ: dict[str, str], context: str
) -> None:
    assert GitCheckout(environ).commit(str(workspace), context) is None


def test_commit__without_a_repository(tmp_path: Path, environ: dict[str, str]) -> None:
    assert GitCheckout(environ).commit(str(tmp_path), ".") is None


def test_commit__of_a_repository_without_one(tmp_path: Path, environ: dict[str, str]) -> None:
    git(tmp_path, environ, "init", "--quiet")

    assert GitCheckout(environ).commit(str(tmp_path), ".") is None


def test_commit__without_git(workspace: Path, environ: dict[str, str], tmp_path: Path) -> None:
    environ["PATH"] = str(tmp_path)

    assert GitCheckout(environ).commit(str(workspace), ".") is None


def test_commit__of_a_git_that_never_ends(
    workspace: Path, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecr_publish.edges.git._TIMEOUT", 0.1)
    (tmp_path / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "git").chmod(0o755)
    environ["PATH"] = f"{tmp_path}:{environ['PATH']}"

    assert GitCheckout(environ).commit(str(workspace), ".") is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_commit__of_a_checkout_of_another_user(workspace: Path, environ: dict[str, str]) -> None:
    head = git(workspace, environ, "rev-parse", "HEAD")
    for path in (workspace, *workspace.rglob("*")):
        os.chown(path, SOMEBODY, SOMEBODY)
    with pytest.raises(subprocess.CalledProcessError):
        git(workspace, environ, "rev-parse", "HEAD")

    found = GitCheckout(environ).commit(str(workspace), ".")

    assert found == Commit(sha=head, time=TIME)


@pytest.mark.parametrize("setting", ["log.showSignature", "color.ui=always", "log.decorate=full"])
def test_commit__whatever_the_user_has_configured(
    workspace: Path, environ: dict[str, str], setting: str
) -> None:
    """GitHub signs the commits that are made on its pages, and such a signature may be shown."""
    text = git(workspace, environ, "cat-file", "commit", "HEAD")
    head, _, message = text.partition("\n\n")
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----"
    signed = git(
        *(workspace, environ, "hash-object", "-t", "commit", "-w", "--stdin"),
        given=f"{head}\n{signature}\n\n{message}\n",
    )
    git(workspace, environ, "reset", "--quiet", signed)
    name, _, value = setting.partition("=")
    git(workspace, environ, "config", "--global", name, value or "true")

    assert GitCheckout(environ).commit(str(workspace), ".") == Commit(sha=signed, time=TIME)


# Files ----------------------------------------------------------------------------------------


def test_read__file_from_the_workspace(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "base.yml").write_bytes(b"base")
    (tmp_path / "work" / "own.yml").write_bytes(b"own \xff")
    checkout = GitCheckout(environ)
    assert checkout.read(str(tmp_path / "work"), "own.yml") == b"own \xff"
    assert checkout.read(str(tmp_path / "work"), "../base.yml") == b"base"
    assert checkout.read(str(tmp_path / "work"), str(tmp_path / "base.yml")) == b"base"


def test_read__no_more_than_shows_that_it_is_too_large(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    (tmp_path / "large.yml").write_bytes(b"#" * 10_000_000)
    content = GitCheckout(environ).read(str(tmp_path), "large.yml")
    assert content == b"#" * (LARGEST + 1)


def test_read__nothing_is_there(tmp_path: Path, environ: dict[str, str]) -> None:
    names = ("missing", "no/folder/missing", "", "a\0b", "n" * 5000)
    (tmp_path / "file").touch()
    found = {name: GitCheckout(environ).read(str(tmp_path / "w"), name) for name in names}
    assert found == dict.fromkeys(names)
    assert GitCheckout(environ).read(str(tmp_path), "file/below") is None


def test_s1_read__what_is_there_and_is_no_file_is_an_error(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    """Whoever named a policy that is no file does not want to be judged without one."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "broken").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    for name in ("pipe", "endless", "circle", "broken", "folder", "link", "."):
        with pytest.raises(OSError, match="it is no file"):
            GitCheckout(environ).read(str(tmp_path), name)


def test_read__link_to_a_file_is_one(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "link").symlink_to("file")
    assert GitCheckout(environ).read(str(tmp_path), "link") == b"text"


@pytest.mark.parametrize("error", [PermissionError(13, "denied"), OSError(5, "Input/output error")])
def test_s1_read__file_that_cannot_be_opened_is_an_error(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    (tmp_path / "file").touch()

    def refused(*_: object) -> None:
        raise error

    # Root, which these tests may run as, could open any file.
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(OSError, match=str(error.strerror)):
        GitCheckout(environ).read(str(tmp_path), "file")


def test_s1_read__file_that_vanishes_while_it_is_read_is_an_error(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os.path, "lexists", lambda _: True)
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    with pytest.raises(FileNotFoundError):
        GitCheckout(environ).read(str(tmp_path), "missing")


def test_commit__of_many_contexts_in_one_checkout_git_is_asked_once(
    workspace: Path, environ: dict[str, str]
) -> None:
    checkout = GitCheckout(environ)
    found = checkout.commit(str(workspace), "app")
    assert found
    (workspace / "app" / "Dockerfile").write_text("FROM scratch\nCOPY a /\n")
    assert checkout.commit(str(workspace), ".") == found
    assert GitCheckout(environ).commit(str(workspace), ".") != found


def test_commit__checkout_inside_of_another_is_one_of_its_own(
    workspace: Path, environ: dict[str, str]
) -> None:
    inner = workspace / "inner"
    inner.mkdir()
    git(inner, environ, "init", "--quiet", "--initial-branch=main")
    commit(inner, {**environ, "GIT_AUTHOR_DATE": f"{TIME} +0000"})
    assert git(inner, environ, "rev-parse", "HEAD") != git(workspace, environ, "rev-parse", "HEAD")
    checkout = GitCheckout(environ)
    outer = checkout.commit(str(workspace), ".")
    assert outer
    inside = checkout.commit(str(workspace), "inner")
    assert inside
    assert inside.sha != outer.sha


def test_commit__url_is_in_no_checkout(workspace: Path, environ: dict[str, str]) -> None:
    assert GitCheckout(environ).commit(str(workspace), "https://example.org/app.git") is None


def test_branches__of_a_clone_are_its_own_and_the_remote_s_default(
    workspace: Path, environ: dict[str, str], tmp_path: Path
) -> None:
    git(tmp_path, environ, "clone", "--quiet", str(workspace), "clone")
    git(tmp_path / "clone", environ, "switch", "--quiet", "--create", "feature/x")

    found = GitCheckout(environ).branches(str(tmp_path / "clone"))

    assert found == Head(branch="feature/x", default_branch="main")


def test_branches__of_what_was_never_cloned(workspace: Path, environ: dict[str, str]) -> None:
    assert GitCheckout(environ).branches(str(workspace)) == Head(branch="main")


def test_branches__of_a_bare_commit(workspace: Path, environ: dict[str, str]) -> None:
    git(workspace, environ, "switch", "--quiet", "--detach")

    assert GitCheckout(environ).branches(str(workspace)) == Head()


def test_branches__without_a_repository_or_git(tmp_path: Path, environ: dict[str, str]) -> None:
    for known in (environ, {**environ, "PATH": str(tmp_path)}):
        assert GitCheckout(known).branches(str(tmp_path)) == Head()
