"""The commands as processes of their own, in a pipe and in a terminal, against the local ECR."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from dev.act import CHECKOUT
from ecr_publish.errors import ExitCode
from local_ecr.scans import scenario_from
from local_ecr.server import LocalEcr
from tests.factories import NAME
from tests.images import push_image

pytestmark = pytest.mark.usefixtures("ambient")

COLUMNS = 72
CLEAR = "\r\x1b[K"
READY = "opened"
OPENED = f'exec <"$0" >"$0" 2>&1; echo {READY}; exec "$@"'


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder that is no checkout, and the environment of a shell there."""

    folder: Path
    environ: Mapping[str, str]

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "ecr_publish", *words, "--repository", NAME]

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env={**self.environ, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    def unread(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The command into a pipe that nobody reads any more."""
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as pipe:
            return subprocess.run(
                self.command(*words),
                cwd=self.folder,
                env=self.environ,
                stdout=pipe,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )

    @contextmanager
    def terminal(self, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
        """The command in a terminal of its own; gives its process, and our end of the terminal."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        # A session takes for its terminal what its first process opens; Ctrl-C reaches it there.
        with subprocess.Popen(
            ["sh", "-c", OPENED, os.ttyname(theirs), *self.command(*words)],
            cwd=self.folder,
            env=self.environ,
            start_new_session=True,
        ) as process:
            # Until it is open somewhere else, a terminal without a reader would be over.
            read(ours, until=READY)
            os.close(theirs)
            try:
                yield process, ours
            finally:
                process.kill()
                os.close(ours)


def read(terminal: int, until: str = "") -> str:
    """What is shown until these words, or until the end."""
    found = b""
    while not until or until.encode() not in found:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        found += data
    return found.decode().replace("\r\n", "\n")


@pytest.fixture
def place(ecr: LocalEcr, tmp_path: Path) -> Place:
    """A repository with an image that is scanned for a while."""
    boto3.client("ecr").create_repository(
        repositoryName=NAME, imageScanningConfiguration={"scanOnPush": True}
    )
    found = {name: text for name, text in ecr.environment().items() if "ACTIONS" not in name}
    environ = {
        **found,
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(CHECKOUT),
    }
    return Place(folder=tmp_path, environ=environ)


def pushed(ecr: LocalEcr, seconds: float, preset: str = "clean") -> str:
    """An image whose scan takes so long, by its digest."""
    ecr.set_scenario(scenario_from(preset, seconds))
    return str(push_image(ecr, NAME, "1.4.2").digest)


def test_gate__from_a_pipe(ecr: LocalEcr, place: Place) -> None:
    digest = pushed(ecr, 0.1)
    words = ("--reference", "1.4.2", "--promote-to", "stable", "--promote-to", "prod")
    done = place.run("gate", *words, "--report-file", "scan.json", "--output", "out.json")

    assert (done.returncode, done.stderr) == (ExitCode.PASSED, "")
    assert "\x1b" not in done.stdout
    assert "::" not in done.stdout
    assert re.search(r"^Gate\n  no findings\n", done.stdout, re.MULTILINE)
    found = json.loads((place.folder / "out.json").read_text())
    assert (found["digest"], found["verdict"]) == (digest, "passed")
    assert [it.partition(":")[2].rpartition(":")[2] for it in found["tags"].split()] == [
        *("stable", "prod")
    ]
    assert json.loads((place.folder / "scan.json").read_text())["verdict"] == "passed"


def test_gate__that_refuses(ecr: LocalEcr, place: Place) -> None:
    pushed(ecr, 0.1, "vulnerable")
    done = place.run("gate", "--reference", "1.4.2", "--debug")
    assert done.returncode == ExitCode.REFUSED
    assert "\nRefused: 2 CRITICAL, 5 HIGH: at or above the threshold high\n" in done.stdout
    assert "\nTime line: since the step began, and how long it took\n" in done.stdout
    assert "ecr:DescribeImageScanFindings" in done.stdout


@pytest.mark.parametrize(
    ("preset", "code"), [("clean", ExitCode.PASSED), ("vulnerable", ExitCode.REFUSED)]
)
def test_s6_gate__into_a_pipe_that_nobody_reads(
    ecr: LocalEcr, place: Place, preset: str, code: ExitCode
) -> None:
    pushed(ecr, 0.1, preset)
    done = place.unread("gate", "--reference", "1.4.2", "--output", "out.json")
    assert (done.returncode, done.stderr) == (code, "")
    found = json.loads((place.folder / "out.json").read_text())
    assert found["verdict"] == ("refused" if code else "passed")


def test_s6_gate__in_a_terminal_that_is_gone(ecr: LocalEcr, place: Place) -> None:
    pushed(ecr, 1, "vulnerable")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        place.command("gate", "--reference", "1.4.2", "--output", "out.json"),
        cwd=place.folder,
        env=place.environ,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(theirs)
        read(ours, until="s of at most")
        os.close(ours)
        assert process.stderr
        said = process.stderr.read()
    assert (process.returncode, said) == (ExitCode.REFUSED, "")
    found = json.loads((place.folder / "out.json").read_text())
    assert found["verdict"] == "refused"


def test_publish__without_a_checkout_says_how_to_name_the_image(place: Place) -> None:
    done = place.run("publish")
    assert done.returncode == ExitCode.INPUT
    assert "tags: '{short-sha}' needs a commit, and there is none here" in done.stdout


def test_gate__in_a_workflow_obeys_the_runner(ecr: LocalEcr, place: Place) -> None:
    pushed(ecr, 0.1)
    output = place.folder / "output"
    output.touch()
    runner = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SHA": "0" * 40,
        "GITHUB_RUN_ID": "42",
        "GITHUB_WORKSPACE": str(place.folder),
        "GITHUB_OUTPUT": str(output),
    }
    done = place.run("gate", "--reference", "1.4.2", **runner)
    assert (done.returncode, done.stderr) == (ExitCode.PASSED, "")
    assert "::group::Gate\n" in done.stdout
    assert "verdict<<" in output.read_text()


def test_gate__in_a_terminal_draws_how_long_it_waits(ecr: LocalEcr, place: Place) -> None:
    pushed(ecr, 4)
    with place.terminal("gate", "--reference", "1.4.2", "--scan-timeout", "20s") as (process, end):
        shown = read(end)
        assert process.wait() == ExitCode.PASSED

    drawn = re.findall(r"\r\x1b\[K\[([# ]{24})\] (\d+) s of at most 20 s", shown)
    assert len(drawn) >= 2
    assert drawn[0] == (" " * 24, "0")
    assert drawn[-1][0].startswith("#")
    # Nothing of it stays: the line is erased before the next one is written.
    last = shown.rindex(" s of at most 20 s")
    assert shown[last:].removeprefix(" s of at most 20 s").startswith(CLEAR)
    assert "\x1b" not in shown[shown.rindex(CLEAR) + len(CLEAR) :]
    prose = [line for line in shown.splitlines() if not line.startswith((" ", "\r", "Image:"))]
    assert max(map(len, prose)) <= COLUMNS


def test_cancel__by_ctrl_c_ends_as_in_a_workflow(ecr: LocalEcr, place: Place) -> None:
    pushed(ecr, 600)
    words = ("gate", "--reference", "1.4.2", "--output", "out.json")
    with place.terminal(*words) as (process, end):
        before = read(end, until="s of at most")
        os.write(end, b"\x03")
        after = read(end)
        assert process.wait(30) == ExitCode.CANCELLED

    assert "Passed" not in before + after
    assert "\nNot published: the run was cancelled\n" in after
    found = json.loads((place.folder / "out.json").read_text())
    assert (found["verdict"], found["reason"]) == ("unknown", "the run was cancelled")


def test_local__is_started_with_its_own_options(tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    with subprocess.Popen(
        [sys.executable, "-m", "ecr_publish", "local", "--quiet", "--env-file", str(ready)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 0
    assert re.fullmatch(r"local ECR at http://127\.0\.0\.1:\d+\n", first)
    assert "export AWS_ENDPOINT_URL=" in rest
