"""start.sh chooses the packages and starts Python; stand-ins write down how they were called."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from dev.act import CHECKOUT

LOCK = "six==1.17.0 \\\n    --hash=sha256:00\n"
ISOLATED = "-I -S -u"
PROGRAMS = ("cat", "cp", "cut", "mkdir", "rm", "sha256sum")
"""What the locked install needs beside Python."""
SAYS = '#!/bin/bash\necho "${0##*/} $*" >> "$CALLS"\n'
PYTHON = SAYS + '[[ " $* " != *" venv "* ]] || { mkdir -p "${@: -1}/bin"; cp "$0" "$_/python"; }\n'
TARGET = 'until [[ $1 == --target ]]; do shift; done; mkdir "$2"\n'


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A runner with programs of the test, and the action."""

    folder: Path

    @property
    def action(self) -> Path:
        return self.folder / "action"

    @property
    def home(self) -> Path:
        return self.folder / "temp" / "ecr-publish"

    @property
    def calls(self) -> list[str]:
        """How the stand-ins were called."""
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    @property
    def started(self) -> str:
        """How the action was started in the end."""
        return self.calls[-1]

    def add(self, name: str, script: str) -> None:
        program = self.folder / "bin" / name
        program.write_text(script)
        program.chmod(0o755)

    def bundle(self, lock: str) -> None:
        (self.action / "dist").mkdir()
        (self.action / "dist" / "runtime.txt").write_text(lock)

    def start(self, **over: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", self.action / "start.sh"],
            env={
                "PATH": str(self.folder / "bin"),
                "RUNNER_TEMP": str(self.folder / "temp"),
                "CALLS": str(self.folder / "calls"),
                **over,
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a Python and nothing else, and the action without a bundle."""
    made = Machine(folder=tmp_path)
    (made.action / "requirements").mkdir(parents=True)
    (made.action / "requirements" / "runtime.txt").write_text(LOCK)
    shutil.copy2(CHECKOUT / "start.sh", made.action)
    (tmp_path / "bin").mkdir()
    made.add("python3", PYTHON)
    return made


@pytest.fixture
def installing(machine: Machine) -> Machine:
    """The same, with what the locked install needs."""
    for name in PROGRAMS:
        (machine.folder / "bin" / name).symlink_to(str(shutil.which(name)))
    return machine


def test_bundle__is_started_with_no_other_process(machine: Machine) -> None:
    machine.bundle(LOCK)
    done = machine.start()

    assert (done.returncode, done.stderr) == (0, "")
    action = machine.action
    assert machine.calls == [f"python3 {ISOLATED} {action}/entrypoint.py {action} {action}/dist"]
    assert not machine.home.exists()


@pytest.mark.parametrize("lock", ["six==1.16.0\n", LOCK + "#", ""])
def test_bundle__of_another_lock_is_not_used(installing: Machine, lock: str) -> None:
    installing.bundle(lock)
    installing.add("uv", SAYS + TARGET)

    assert installing.start().returncode == 0
    assert not installing.started.endswith("/dist")
    assert installing.calls[-2].startswith("uv pip install ")


def test_no_bundle__uv_installs_the_lock_for_this_job(installing: Machine) -> None:
    installing.add("uv", SAYS + TARGET)

    assert installing.start().returncode == 0
    action, home = installing.action, installing.home
    (packages,) = home.iterdir()
    assert (packages / "runtime.txt").read_text() == LOCK
    asked, known, installed, started = installing.calls
    assert asked == f"python3 {ISOLATED} {action}/entrypoint.py"
    assert known == "python3 -V"
    for option in ("--no-deps", "--require-hashes", "--only-binary :all:", f"--target {packages}"):
        assert option in installed
    assert installed.endswith(f"--requirement {action}/requirements/runtime.txt")
    cache = f"-X pycache_prefix={home}/bytecode"
    assert started == f"python3 {ISOLATED} {cache} {action}/entrypoint.py {action} {packages}"


def test_no_bundle__the_second_use_in_a_job_finds_the_packages(installing: Machine) -> None:
    installing.add("uv", SAYS + TARGET)
    installing.start()
    first = installing.started
    installing.start()

    assert installing.started == first
    assert sum(call.startswith("uv ") for call in installing.calls) == 1


def test_no_bundle__another_python_gets_packages_of_its_own(installing: Machine) -> None:
    installing.add("uv", SAYS + TARGET)
    installing.start()
    installing.add("python3", PYTHON + '[[ "$1" != -V ]] || echo "Python 3.14.0"\n')
    installing.start()

    assert sum(call.startswith("uv ") for call in installing.calls) == 2
    assert len(list(installing.home.iterdir())) == 2


@pytest.mark.parametrize("uv", ["", SAYS + TARGET + "exit 2\n"], ids=["missing", "fails half way"])
def test_no_bundle__pip_installs_where_uv_does_not(installing: Machine, uv: str) -> None:
    if uv:
        installing.add("uv", uv)
    installing.add("python3", PYTHON + f'[[ "${{0##*/}}" == python3 ]] || {{ {TARGET} }}\n')

    assert installing.start().returncode == 0
    (installed,) = (call for call in installing.calls if call.startswith("python "))
    for option in ("-m pip ", "--no-deps", "--require-hashes", "--only-binary :all:"):
        assert option in installed
    packages = installing.started.split()[-1]
    assert f"--target {packages} " in installed
    assert (Path(packages) / "runtime.txt").read_text() == LOCK


def test_no_bundle__what_could_not_be_installed_is_not_started(installing: Machine) -> None:
    installing.add("python3", PYTHON + '[[ "${0##*/}" == python3 ]] || exit 1\n')
    done = installing.start()

    assert done.returncode == 2
    assert done.stdout == (
        "::error title=ecr-publish::ecr-publish could not install its locked dependencies "
        "(requirements/runtime.txt)\n"
    )
    assert "entrypoint.py " not in installing.started


def test_no_bundle__an_old_python_is_refused_before_anything_is_installed(
    installing: Machine,
) -> None:
    installing.add("uv", SAYS + TARGET)
    installing.add("python3", SAYS + "exit 2\n")

    assert installing.start().returncode == 2
    assert installing.calls == [f"python3 {ISOLATED} {installing.action}/entrypoint.py"]


@pytest.mark.parametrize("system", ["darwin23", "msys"])
def test_start__refuses_other_systems(machine: Machine, system: str) -> None:
    machine.bundle(LOCK)
    done = machine.start(OSTYPE=system)

    assert done.returncode == 2
    assert "needs a Linux runner with Docker; write runs-on: ubuntu-latest" in done.stdout
    assert machine.calls == []


def test_start__refuses_a_machine_without_python(machine: Machine) -> None:
    (machine.folder / "bin" / "python3").unlink()
    done = machine.start()

    assert done.returncode == 2
    assert "needs python3 on PATH" in done.stdout


@pytest.mark.parametrize(("version", "code"), [((3, 9, 25), 2), ((3, 10, 0), 0)])
def test_door__opens_to_a_python_that_is_new_enough(
    version: tuple[int, int, int], code: int
) -> None:
    door = f"import runpy; runpy.run_path({str(CHECKOUT / 'entrypoint.py')!r}, {{}}, '__main__')"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.version_info = {version}; {door}"],
        capture_output=True,
        text=True,
        check=False,
    )

    said = "::error title=ecr-publish::It needs Python 3.10 or newer, not "
    assert done.returncode == code, done.stderr
    assert (done.stdout.startswith(said), done.stdout == "") == (code == 2, code == 0)
