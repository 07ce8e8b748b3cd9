"""Where the step runs as a runner starts it: the action's files, an engine, a local ECR.

Durations are taken from outside, by the clock of this process: the log's own line of durations is
rounded to tenths of a second.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from bench.measure import CHECKOUT
from dev.engine import Engine, Store
from ecr_publish.edges.docker_config import with_login
from ecr_publish.edges.ports import Login
from local_ecr import LocalEcr
from local_ecr.scans import scenario_from

STORES: tuple[Store, ...] = ("classic", "containerd")
REPOSITORY = "bench"
ROLE = "arn:aws:iam::123456789012:role/bench"
MEGABYTE = 1_000_000
KIBIBYTE = 1024
SCANS = tuple(tenths / 10 for tenths in range(16, 25))
"""Seconds that scans take in turn: a length for every point between two questions to ECR."""
NOT_AWS = ("v2.", "GetIdToken", "GetObject")
GROUP, END = "::group::", "::endgroup::"
LAUNCHER = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
print(used.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Starts the step and tells its peak memory. Linux hands a process's peak down to what it starts,
and that of this one, with a whole ECR inside, is high."""


class StepError(Exception):
    """A run of the step ended otherwise than the measurement expects."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One run of the step; seconds since its process was started.

    Attributes:
        wall: When the process was over.
        rooms: When each room of the log was entered and left.
        call: When AWS was called first.
        final: When the scan was final.
        peak: The most memory of the process, or of a larger child of it; MB.
    """

    wall: float
    rooms: Mapping[str, tuple[float, float]]
    call: float
    final: float
    peak: float

    def spent(self, room: str) -> float:
        """The seconds in a room; none where it was not entered."""
        entered, left = self.rooms.get(room, (0.0, 0.0))
        return left - entered

    @property
    def engine(self) -> float:
        """What the step waited for the engine."""
        return self.spent("build") + self.spent("push")

    @property
    def scan(self) -> float:
        """What the step waited for a scan that was not final yet."""
        return max(0.0, self.final - self.rooms["scan"][0])


@dataclass(frozen=True, kw_only=True)
class Stage:
    """An engine, a registry with one repository, and a workspace to build from.

    Attributes:
        ecr: The registry, with AWS's APIs.
        folder: For whatever a run writes.
        docker: The environment of docker's own clients, logged in to the registry.
    """

    ecr: LocalEcr
    folder: Path
    docker: Mapping[str, str]

    @property
    def uri(self) -> str:
        """The repository as docker names it."""
        return f"{self.ecr.host}/{REPOSITORY}"

    @property
    def workspace(self) -> Path:
        """The checkout of the user."""
        return self.folder / "workspace"

    def new_content(self) -> str:
        """Change what the image is made of, in a commit of its own; gives the commit."""
        (self.workspace / "payload").write_bytes(os.urandom(3 * MEGABYTE))
        return committed(self.workspace)

    def scans_take(self, seconds: float) -> None:
        """Let scans of images that are pushed from now on find nothing, after so many seconds."""
        self.ecr.set_scenario(scenario_from("clean", seconds))

    def environment(self, home: Path, inputs: Mapping[str, str]) -> dict[str, str]:
        """What a runner would set for a step with these inputs, after new content."""
        given = {"repository": REPOSITORY, "role-to-assume": ROLE, **inputs}
        return {
            **{name: value for name, value in self.docker.items() if name != "DOCKER_CONFIG"},
            **self.ecr.environment(),
            "RUNNER_TEMP": str(home),
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_SHA": self.new_content(),
            "GITHUB_RUN_ID": "1",
            **{f"ECR_PUBLISH_{name.upper().replace('-', '_')}": given[name] for name in given},
        }

    def step(self, start: Path, home: Path, expected: int = 0, **inputs: str) -> Ran:
        """Run the step once, on new content.

        Args:
            start: The action's start.sh.
            home: RUNNER_TEMP, where the step finds what an earlier one has prepared.
            expected: The exit code.
            inputs: Of the action, with `_` for `-`.

        Raises:
            StepError: With the log, where the exit code is another one.
        """
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        environ = self.environment(home, given)
        known = len(self.ecr.scans())
        self.ecr.reset()
        epoch = time.time()
        wall, lines, peak = timed(start, environ, expected)
        aws = [call.time for call in self.ecr.calls() if not call.operation.startswith(NOT_AWS)]
        (scan,) = self.ecr.scans()[known:]
        return Ran(
            wall=wall,
            rooms=rooms(lines),
            call=min(aws) - epoch,
            final=scan["finalAt"] - epoch,
            peak=peak,
        )


@contextmanager
def stage(store: Store, scenario: str | dict[str, Any] = "clean", **ecr: Any) -> Iterator[Stage]:  # noqa: ANN401 - LocalEcr's own
    """Set everything up, and take it down again."""
    with (
        Engine(store=store) as engine,
        LocalEcr(scenario=scenario, **ecr) as registry,
        tempfile.TemporaryDirectory(prefix="bench-") as scratch,
    ):
        folder = Path(scratch)
        (folder / "output").touch()
        (folder / "workspace").mkdir()
        (folder / "workspace" / "Dockerfile").write_text("FROM scratch\nCOPY payload /\n")
        subprocess.run(["git", "init", "--quiet"], cwd=folder / "workspace", check=True)
        docker = {**clients(folder), **engine.environment()}
        yield Stage(
            ecr=registry, folder=folder, docker=logged_in(docker, registry, repository(registry))
        )


def clients(folder: Path) -> dict[str, str]:
    """An environment with this Python, docker and git, without uv and without the user's settings.

    A development machine's `python3` may be a script that looks for one of many.
    """
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").symlink_to(Path(sys.executable).resolve())
    found = [shutil.which(name) or name for name in ("docker", "git", "sha256sum")]
    words = [str(folder / "bin"), *dict.fromkeys(str(Path(path).parent) for path in found)]
    return {"PATH": ":".join([*words, "/usr/bin", "/bin"]), "HOME": str(folder)}


def repository(ecr: LocalEcr) -> Login:
    """Make the repository; gives a login that may push to it."""
    said = ecr.environment()
    client = boto3.client(
        "ecr",
        endpoint_url=ecr.url,
        region_name=said["AWS_REGION"],
        aws_access_key_id=said["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=said["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_repository(
        repositoryName=REPOSITORY, imageScanningConfiguration={"scanOnPush": True}
    )
    (data,) = client.get_authorization_token()["authorizationData"]
    name, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    return Login(username=name, password=password)


def logged_in(docker: Mapping[str, str], ecr: LocalEcr, login: Login) -> dict[str, str]:
    """Let docker's own clients push to the registry too."""
    folder = Path(docker["HOME"], "docker")
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(with_login({}, ecr.host, login)), "utf-8")
    return {**docker, "DOCKER_CONFIG": str(folder)}


def committed(workspace: Path) -> str:
    """Commit all that is in the workspace; gives the commit."""
    who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    for words in (("add", "."), (*who, "commit", "--quiet", "--message", "new content")):
        subprocess.run(["git", *words], cwd=workspace, check=True)
    said = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=workspace, check=True, capture_output=True, text=True
    )
    return said.stdout.strip()


def action(folder: Path, *, bundle: bool) -> Path:
    """Lay the action out as a runner downloads it, if wanted with the bundle; gives start.sh."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, folder / name)
    if bundle:
        shutil.copytree(CHECKOUT / "dist", folder / "dist")
        # What `make dist` adds besides: bytecode, which a checkout keeps out of Git.
        for made in (CHECKOUT / "ecr_publish").rglob("*.pyc"):
            copy = folder / made.relative_to(CHECKOUT)
            copy.parent.mkdir(exist_ok=True)
            shutil.copy2(made, copy)
    return folder / "start.sh"


def bundled() -> bool:
    """Whether `make dist` has made a bundle in this checkout."""
    return (CHECKOUT / "dist").is_dir()


def timed(
    start: Path, environ: Mapping[str, str], expected: int
) -> tuple[float, list[tuple[float, str]], float]:
    """Start the step; gives its wall seconds, its lines with when they came, and its peak in MB."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", LAUNCHER, str(start)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:
            lines = [(time.monotonic() - began, line) for line in process.stdout or ()]
        wall = time.monotonic() - began
        errors.seek(0)
        said = errors.read()
    if process.returncode != expected:
        log = "".join(line for _, line in lines)
        raise StepError(f"exit code {process.returncode}, not {expected}\n{log}{said}")
    return wall, lines, int(said.split()[-1]) * KIBIBYTE / MEGABYTE


def rooms(lines: list[tuple[float, str]]) -> dict[str, tuple[float, float]]:
    """When each of the log's groups began and ended."""
    found: dict[str, tuple[float, float]] = {}
    name, began = "", 0.0
    for at, line in lines:
        if title := re.match(rf"{GROUP}(.*)", line):
            name, began = title[1].lower(), at
        elif line.startswith(END):
            found[name] = (began, at)
    return found
