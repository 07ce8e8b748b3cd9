"""The package as its users install it from the checkout, and a publication from their terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from dev import act
from dev.engine import Engine
from ecr_publish import __version__
from ecr_publish.errors import ExitCode
from tests.e2e.support import Stage, one_store, stage

UV = act.CHECKOUT / ".cache" / "bin" / "uv"


def run(
    *words: str | Path, cwd: Path, environ: Mapping[str, str], code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words}\n{done.stdout}{done.stderr}"
    return done


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ecr-publish` of a wheel, in an environment with the locked packages and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder), **act.UV}
    build = (sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    run(*build, cwd=act.CHECKOUT, environ={**os.environ})
    (wheel,) = folder.glob("*.whl")
    run(UV, "venv", "--python", sys.executable, folder / "venv", cwd=folder, environ=plain)
    python = folder / "venv" / "bin" / "python"
    install = (UV, "pip", "install", "--python", python, "--no-deps")
    lock = act.CHECKOUT / "requirements" / "runtime.txt"
    run(*install, "--require-hashes", "--requirement", lock, cwd=folder, environ=plain)
    run(*install, wheel, cwd=folder, environ=plain)
    return folder / "venv" / "bin" / "ecr-publish"


def test_version__is_that_of_the_package(command: Path, tmp_path: Path) -> None:
    done = run(command, "--version", cwd=tmp_path, environ={})
    assert done.stdout == f"ecr-publish {__version__}\n"


@pytest.mark.parametrize("name", ["publish", "gate", "merge"])
def test_help__is_installed_too(command: Path, tmp_path: Path, name: str) -> None:
    done = run(command, name, "--help", cwd=tmp_path, environ={"COLUMNS": "200"})
    assert "Name of the ECR repository, without the registry's host." in done.stdout


def test_check_policy__reads_the_policy_of_the_folder(command: Path, tmp_path: Path) -> None:
    (tmp_path / ".ecr-publish.yml").write_text("severity-threshold: low\n")
    done = run(command, "check-policy", cwd=tmp_path, environ={})
    assert "  severity-threshold: low (.ecr-publish.yml, line 1)" in done.stdout.splitlines()


def test_local__needs_its_extra(command: Path, tmp_path: Path) -> None:
    done = run(command, "local", cwd=tmp_path, environ={}, code=ExitCode.INPUT)
    assert "pipx install --force '.[local]'" in done.stderr


def shell(here: Stage) -> dict[str, str]:
    """The environment of somebody with credentials of their own."""
    known = here.ecr.environment()
    return {
        **{name: text for name, text in known.items() if not name.startswith("ACTIONS_")},
        **here.engine.environment(),
        "PATH": os.environ["PATH"],
        "HOME": str(here.home),
    }


@one_store
def test_publish__from_a_checkout(engine: Engine, command: Path) -> None:
    with stage(engine, scenario={"rules": [{"tag": "bad*", "script": "vulnerable"}]}) as here:
        here.create("terminal")
        here.home.mkdir()
        # What a clone knows of its origin.
        head = ("refs/remotes/origin/HEAD", "refs/remotes/origin/main")
        act.git(here.consumer, "symbolic-ref", *head)
        publish = (command, "publish", "--repository", "terminal", "--output", "../out.json")
        done = run(*publish, "--debug", cwd=here.consumer, environ=shell(here))
        tags = here.tags("terminal")
        again = run(*publish, cwd=here.consumer, environ=shell(here))
        found = json.loads((here.directory / "out.json").read_text())

    assert done.stderr == again.stderr == ""
    # By the commit, and by the branch that origin calls its own: as in a workflow.
    assert {*tags} == {here.commit[:7], "latest"}
    assert len({*tags.values()}) == 1
    assert found["digest"] == tags["latest"]
    assert "\n  verdict: passed\n" in done.stdout
    assert "docker.push" in done.stdout
    # Nothing is built again, as the commit has its image.
    assert "\nBuild\n" in done.stdout
    assert "\nBuild\n" not in again.stdout
