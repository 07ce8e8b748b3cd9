"""dev/release.sh, with a repository on disk in GitHub's place."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev import act

BUNDLE = ("dist/six.py", "ecr_publish/__pycache__/__init__.cpython-312.pyc")


@dataclass(frozen=True, kw_only=True)
class Project:
    """A clone of the project, with what `make dist` leaves there."""

    clone: Path
    origin: Path

    def state(self, version: str) -> None:
        """Commit the version to main, as its maintainers do."""
        self.git("checkout", "--quiet", "main")
        (self.clone / "ecr_publish" / "__init__.py").write_text(f'__version__ = "{version}"\n')
        act.commit(self.clone, f"Version {version}")
        self.git("push", "--quiet", "origin", "main")
        for name in BUNDLE:
            (self.clone / name).parent.mkdir(parents=True, exist_ok=True)
            (self.clone / name).write_text(version)

    def run(self, what: str, version: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.clone / "dev" / "release.sh", what, version],
            cwd=self.clone,
            env={
                "PATH": "/usr/bin:/bin",
                "GIT_CONFIG_GLOBAL": str(self.clone / ".git" / "identity"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def released(self, version: str) -> None:
        self.state(version)
        done = self.run("tag", version)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def git(self, *arguments: str) -> str:
        return act.git(self.clone, *arguments)

    @property
    def tags(self) -> dict[str, str]:
        """The tags at the origin, each with the version that its commit states."""
        names = act.git(self.origin, "tag").split()
        return {
            name: act.git(self.origin, "show", f"{name}:ecr_publish/__init__.py").split('"')[1]
            for name in names
        }

    def files(self, commit: str) -> list[str]:
        """What a commit at the origin holds."""
        return act.git(self.origin, "ls-tree", "-r", "--name-only", commit).splitlines()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(clone=tmp_path / "clone", origin=tmp_path / "origin")
    for name in ("dev", "ecr_publish"):
        (made.clone / name).mkdir(parents=True)
    shutil.copy2(act.CHECKOUT / "dev" / "release.sh", made.clone / "dev")
    shutil.copy2(act.CHECKOUT / ".gitignore", made.clone)
    made.origin.mkdir()
    act.git(made.origin, "init", "--quiet", "--bare")
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("remote", "add", "origin", str(made.origin))
    act.commit(made.clone, "Before any release")
    identity = "[user]\n\tname = Release\n\temail = release@example.com\n"
    (made.clone / ".git" / "identity").write_text(identity)
    return made


def test_release__has_the_bundle_and_main_has_not(project: Project) -> None:
    project.released("1.4.2")

    main = [".gitignore", "dev/release.sh", "ecr_publish/__init__.py"]
    assert project.files("main") == main
    assert project.files("v1.4.2") == sorted([*main, *BUNDLE])
    parent, main_commit = act.git(project.origin, "rev-parse", "v1.4.2^", "main").split()
    assert parent == main_commit


def test_release__moves_the_major_tag_and_no_other(project: Project) -> None:
    project.released("1.9.0")
    project.released("1.10.0")
    project.released("2.0.0")

    assert project.tags == {
        "v1": "1.10.0",
        "v1.9.0": "1.9.0",
        "v1.10.0": "1.10.0",
        "v2": "2.0.0",
        "v2.0.0": "2.0.0",
    }


def test_release__of_an_older_version_leaves_the_major_tag(project: Project) -> None:
    project.released("1.10.0")
    project.released("1.9.1")

    assert project.tags == {"v1": "1.10.0", "v1.10.0": "1.10.0", "v1.9.1": "1.9.1"}


@pytest.mark.parametrize("what", ["check", "tag"])
def test_release__of_a_version_that_exists_is_refused(project: Project, what: str) -> None:
    project.released("1.4.2")
    before = project.tags
    project.state("1.4.2")
    done = project.run(what, "1.4.2")

    assert done.returncode == 2
    assert done.stdout == "::error title=Release::v1.4.2 exists, and a release never changes\n"
    assert project.tags == before


@pytest.mark.parametrize("version", ["", "1.4", "v1.4.2", "1.4.2-rc1", "01.4.2", "1.4.2; true"])
def test_release__of_what_is_no_version_is_refused(project: Project, version: str) -> None:
    project.state(version)
    done = project.run("tag", version)

    assert done.returncode == 2
    assert "a version is three numbers, such as 1.4.2" in done.stdout
    assert project.tags == {}


def test_release__of_another_version_than_the_packages_is_refused(project: Project) -> None:
    project.state("1.4.1")
    done = project.run("tag", "1.4.2")

    assert done.returncode == 2
    assert "ecr_publish/__init__.py names another version than 1.4.2" in done.stdout


def test_release__check_changes_nothing(project: Project) -> None:
    project.state("1.4.2")
    done = project.run("check", "1.4.2")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (project.tags, project.git("tag")) == ({}, "")
    assert project.git("branch", "--show-current") == "main\n"
