"""What the end-to-end tests are played on, and what they look at.

A `Stage` is a consumer's repository, a local ECR and a Docker Engine. On it run workflow files by
act (`Stage.act`), the step alone as action.yml starts it (`Stage.start`: its raw bytes, its
process), and the programs that people use by hand (`Stage.docker`, `aws`, `skopeo`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml

from dev import act
from dev.base_image import TINY, provide
from dev.engine import Engine
from local_ecr import LocalEcr

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

STAND_INS = Path(__file__).parent / "actions"
CODEQL = "github/codeql-action@5d4e8d1aca955e8d8589aabd499c5cae939e33c7"
ARTIFACT = "actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f"
CONSUMER = Path(__file__).parent / "consumer"
ACTION: Mapping[str, Any] = yaml.safe_load((act.CHECKOUT / "action.yml").read_text("utf-8"))
PAYLOAD: Mapping[str, object] = {
    "ref": "refs/heads/main",
    "repository": {"full_name": "org/visit-counter-app", "default_branch": "main"},
}
ROLE = "arn:aws:iam::123456789012:role/visit-counter-publisher"
SCAN_SECONDS = 0.5
# The first parameter of the fixture, so that pytest starts no engine twice.
one_store = pytest.mark.parametrize("engine", ["classic"], indirect=True)
# What the classic store cannot do, and the stand-in for a builder outside of the engine.
containerd_store = pytest.mark.parametrize("engine", ["containerd"], indirect=True)
_OIDC = "ACTIONS_ID_TOKEN_REQUEST_"
_COMMANDS = ("error", "warning", "notice")
_OF_THE_STEP = ("ecr-publish", "ECR scan did not pass", "Built only")
_SAMPLE_SECONDS = 0.01


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """What a run shows beside the code and above its log."""

    kind: str
    message: str
    title: str = "ecr-publish"
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a run by act, as its users see it."""

    name: str
    result: act.Result

    @property
    def lines(self) -> tuple[act.Line, ...]:
        """The job's part of act's log."""
        return tuple(line for line in self.result.lines if line.job == self.name)

    @property
    def log(self) -> str:
        """What the page of the run shows of it."""
        return "\n".join(line.shown for line in self.lines if line.shown is not None)

    @property
    def ended(self) -> str:
        """How it ended: success or failure."""
        return self.result.job_results[self.name]

    @property
    def exit_codes(self) -> tuple[int, ...]:
        """The exit code of each use of the action that failed."""
        said = (line for line in self.lines if line.step_id[1:] == ("publish",))
        found = (re.fullmatch(r"exit status (\d+)", line.text) for line in said)
        return tuple(int(match[1]) for match in found if match)

    def outputs(self, step: str = "publish") -> dict[str, str]:
        """The outputs that the step with this id has set."""
        return self.result.outputs[self.name, step]

    @property
    def uses(self) -> tuple[str, ...]:
        """The ids of its steps that use the action."""
        return tuple(
            dict.fromkeys(
                line.step_id[0] for line in self.lines if line.step_id[1:] == ("publish",)
            )
        )

    @property
    def seen(self) -> dict[str, str]:
        """The outputs as a later step saw them, by their names there."""
        said = next(line for line in self.log.splitlines() if line.startswith("seen:"))
        values: dict[str, str] = json.loads(said.removeprefix("seen:"))
        return values

    @property
    def summaries(self) -> tuple[str, ...]:
        """The summaries of its steps."""
        return act.Result(exit_code=0, lines=self.lines, stderr="").summaries

    @property
    def annotations(self) -> tuple[Annotation, ...]:
        """All of them, so that a test which compares them sees every one."""
        return tuple(_annotation(line.text) for line in self.lines if line.command in _COMMANDS)

    @property
    def alerts(self) -> tuple[Annotation, ...]:
        """Those of the step as a whole, without those of single findings."""
        return tuple(item for item in self.annotations if item.title in _OF_THE_STEP)


def _annotation(text: str) -> Annotation:
    """Cut the command at the first `::` as the runner does; act's own cut is at the last one."""
    match = re.search(r"::(\w+)(?: ([^:]*))?::(.*)", text, re.DOTALL)
    assert match, text
    message = match[3].replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
    stated = dict(item.partition("=")[::2] for item in (match[2] or "").split(","))
    return Annotation(
        kind=match[1], message=message, title=stated.get("title", ""), file=stated.get("file", "")
    )


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the runner tells a step beside what it always does."""

    environment: Mapping[str, str] = field(default_factory=dict)
    payload: Mapping[str, object] = field(default_factory=lambda: PAYLOAD)


PUSHED = Told()


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a test plays."""

    ecr: LocalEcr
    engine: Engine
    directory: Path
    """Holds the consumer's repository, HOME and what a test wants to keep."""
    commit: str

    @property
    def consumer(self) -> Path:
        """The consumer's repository."""
        return self.directory / "consumer"

    @property
    def home(self) -> Path:
        """HOME of all that runs here."""
        return self.directory / "home"

    @property
    def kept(self) -> Path:
        """Where a step of the consumer copies what is left after the action."""
        return self.directory / "kept"

    @property
    def github(self) -> dict[str, str]:
        """What a step of a job with `id-token: write` sees: no credentials, but the way to them."""
        return {
            name: value
            for name, value in self.ecr.environment().items()
            if name == "AWS_ENDPOINT_URL" or name.startswith(_OIDC)
        }

    @cached_property
    def api(self) -> ECRClient:
        """The ECR API, with credentials of its own."""
        own = self.ecr.environment()
        return boto3.client(
            "ecr",
            endpoint_url=self.ecr.url,
            region_name=own["AWS_REGION"],
            aws_access_key_id=own["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=own["AWS_SECRET_ACCESS_KEY"],
        )

    def create(self, *repositories: str, immutable: bool = False) -> None:
        """Create repositories as their owners do, with scan on push."""
        for name in repositories:
            self.api.create_repository(
                repositoryName=name,
                imageScanningConfiguration={"scanOnPush": True},
                imageTagMutability="IMMUTABLE" if immutable else "MUTABLE",
            )

    def tags(self, repository: str) -> dict[str, str]:
        """The repository's tags and the digest behind each."""
        pages = self.api.get_paginator("describe_images").paginate(repositoryName=repository)
        return {
            tag: image["imageDigest"]
            for page in pages
            for image in page["imageDetails"]
            for tag in image.get("imageTags", ())
        }

    def candidates(self, repository: str) -> list[str]:
        """The candidate tags among them."""
        return [tag for tag in self.tags(repository) if tag.startswith("candidate-")]

    def operations(self, repository: str | None = None) -> list[str]:
        """What the local ECR was asked, in order; of one repository, or everything."""
        return [
            call.operation for call in self.ecr.calls() if repository in (None, call.repository)
        ]

    def forget_builds(self) -> None:
        """Empty the cache of builds, as on a runner that has just been born."""
        self.docker("builder", "prune", "--all", "--force")

    def images(self) -> list[str]:
        """The names of all images in the engine, in an order of our own."""
        listed = self.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
        return sorted(listed.splitlines())

    def act(
        self,
        workflow: str,
        *,
        event: str = "push",
        payload: Mapping[str, object] = PAYLOAD,
        token: bool = True,
        job: str | None = None,
        action: Path | None = None,
        more: Mapping[str, str] = MappingProxyType({}),
        secrets: Mapping[str, str] = MappingProxyType({}),
    ) -> act.Result:
        """Run a workflow file of the consumer.

        Args:
            workflow: The file's name.
            event: What starts it.
            payload: The webhook's payload.
            token: Whether GitHub offers the run an OIDC token.
            job: The one job to run, instead of all.
            action: What the workflow uses; this checkout without a bundle by default.
            more: Variables that every step sees, beside what it always does.
            secrets: Those of the consumer's repository.
        """
        self.kept.mkdir(exist_ok=True)
        own = self.ecr.environment()
        environment = {
            name: value
            for name, value in self.github.items()
            if token or not name.startswith(_OIDC)
        }
        return act.run(
            act.Run(
                consumer=self.consumer,
                workflow=f".github/workflows/{workflow}",
                event=event,
                payload=payload,
                environment={
                    **environment,
                    **self.engine.environment(),
                    "KEEP": str(self.kept),
                    **more,
                },
                job=job,
                action=action,
                variables={"REGISTRY": self.ecr.host, **_only(own, "AWS_ACCESS_KEY_ID")},
                secrets={**_only(own, "AWS_SECRET_ACCESS_KEY"), **secrets},
                actions={
                    CODEQL: STAND_INS / "codeql-action",
                    ARTIFACT: STAND_INS / "upload-artifact",
                },
                home=self.home,
            )
        )

    def docker(self, *arguments: str, stdin: str | None = None) -> str:
        """Run docker against the engine, with a configuration of this stage's own."""
        return self._run("docker", *arguments, stdin=stdin)

    def aws(self, *arguments: str) -> str:
        """Run the real CLI against the local ECR."""
        return self._run(str(act.CHECKOUT / ".venv" / "bin" / "aws"), *arguments)

    def skopeo(self, *arguments: str) -> str:
        """Run a registry client that shares no code with docker's."""
        return self._run("skopeo", *arguments)

    def login(self) -> None:
        """Log docker in, as the user's guide of ECR says."""
        password = self.aws("ecr", "get-login-password")
        self.docker("login", "--username", "AWS", "--password-stdin", self.ecr.host, stdin=password)

    def skopeo_digest(self, repository: str, tag: str) -> str:
        """The digest of a tag as skopeo sees it; it takes docker's login."""
        reference = f"docker://{self.ecr.host}/{repository}:{tag}"
        self.login()
        return self.skopeo(
            "inspect", "--tls-verify=false", "--format", "{{.Digest}}", reference
        ).strip()

    def _run(self, *command: str, stdin: str | None = None) -> str:
        done = subprocess.run(
            command,
            # A HOME apart from that of the runs, so that these logins are not seen there.
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.directory / "by-hand"),
                "AWS_PAGER": "",
                **self.ecr.environment(),
                **self.engine.environment(),
            },
            cwd=self.consumer,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.returncode, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextlib.contextmanager
    def start(self, told: Told = PUSHED, /, **inputs: str) -> Iterator[Step]:
        """Start the step as action.yml does, without act; it is killed at the end if it lives."""
        with tempfile.TemporaryDirectory(dir=self.directory, prefix="step-") as name:
            files = Path(name)
            (files / "event.json").write_text(json.dumps(dict(told.payload)), encoding="utf-8")
            given = {**self.step_environment(files, inputs), **told.environment}
            with (files / "log").open("wb") as log:
                process = subprocess.Popen(
                    [str(act.CHECKOUT / "start.sh")],
                    env=given,
                    cwd=self.consumer,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            step = Step(process=process, files=files)
            try:
                yield step
            finally:
                process.kill()
                process.wait()
                for child in step.children():
                    os.kill(child, signal.SIGKILL)

    def step_environment(self, files: Path, inputs: Mapping[str, str]) -> dict[str, str]:
        """What action.yml's step sees; its outputs and its summary go to files of this folder."""
        for name in ("output", "summary"):
            (files / name).touch()
        # Kept from step to step, because making the step's environment anew takes a second.
        (self.directory / "temp").mkdir(exist_ok=True)
        self.home.mkdir(exist_ok=True)
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.home),
            **act.UV,
            **self.github,
            **self.engine.environment(),
            "GITHUB_SHA": self.commit,
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_RUN_ID": "42",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_WORKSPACE": str(self.consumer),
            "GITHUB_EVENT_PATH": str(files / "event.json"),
            "GITHUB_OUTPUT": str(files / "output"),
            "GITHUB_STEP_SUMMARY": str(files / "summary"),
            "RUNNER_TEMP": str(self.directory / "temp"),
            **_variables({"aws-region": "eu-west-1", "role-to-assume": ROLE, **given}),
        }


def _only(environment: Mapping[str, str], name: str) -> dict[str, str]:
    return {name: environment[name]}


def _variables(given: Mapping[str, str]) -> dict[str, str]:
    """The variables that action.yml makes of a step's `with:`."""
    unknown = set(given) - set(ACTION["inputs"])
    assert not unknown, f"action.yml has no input {unknown}"
    (step,) = ACTION["runs"]["steps"]
    assert step["run"] == 'exec "$GITHUB_ACTION_PATH/start.sh"'
    values: dict[str, str] = {}
    for variable, expression in step["env"].items():
        match = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", expression)
        assert match, expression
        values[variable] = given.get(match[1], "")
    return values


@dataclass(frozen=True, kw_only=True)
class Step:
    """The step, running or ended."""

    process: subprocess.Popen[bytes]
    files: Path

    @property
    def log(self) -> bytes:
        """What it has written so far, byte by byte as the runner would read it."""
        return (self.files / "log").read_bytes()

    @property
    def summary(self) -> str:
        """What it has written to GITHUB_STEP_SUMMARY."""
        return (self.files / "summary").read_text("utf-8")

    @property
    def outputs(self) -> dict[str, str]:
        """What it has written to GITHUB_OUTPUT, read as the runner does."""
        text = (self.files / "output").read_text("utf-8")
        found = re.finditer(r"^([^=\n<]+)<<(\S+)\n(.*?)\n?^\2$", text, re.DOTALL | re.MULTILINE)
        return {match[1]: match[3] for match in found}

    @property
    def candidate(self) -> str:
        """The candidate tag that it said it takes."""
        match = re.search(rb"candidate tag (candidate-\S+)", self.log)
        return match[1].decode() if match else "no candidate yet"

    def children(self) -> list[int]:
        """The processes that work on its candidate, such as buildx."""
        name = self.candidate.encode()
        return [pid for pid, line in command_lines().items() if name in line]

    def wait_for(self, text: str, *, seconds: float = 60.0) -> None:
        """Wait until the step has written this."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.log:
            ended = self.process.poll()
            assert ended is None, f"it ended with {ended}:\n{self.log.decode(errors='replace')}"
            assert time.monotonic() < deadline, f"no {text!r} in {seconds:g} s:\n{self.log!r}"
            time.sleep(0.02)

    def wait(self, *, seconds: float = 60.0) -> int:
        """Wait for its end; give the exit code."""
        return self.process.wait(timeout=seconds)

    def end(self, by: signal.Signals) -> float:
        """Send a signal to it alone, as the runner does, and give the seconds until its end."""
        began = time.monotonic()
        self.process.send_signal(by)
        self.process.wait(timeout=30)
        return time.monotonic() - began


def command_lines() -> dict[int, bytes]:
    """The command line of every process of this machine, by pid."""
    found: dict[int, bytes] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = (entry / "cmdline").read_bytes()
    return found


@dataclass(kw_only=True)
class Onlooker:
    """Somebody else on the machine, who looks at the command lines of all processes."""

    seen: set[bytes] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Onlooker:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            self.seen.update(command_lines().values())


@contextlib.contextmanager
def stage(
    engine: Engine, *, scenario: str | dict[str, Any] = "clean", scan_seconds: float = SCAN_SECONDS
) -> Iterator[Stage]:
    """Set a stage up, with the base image for builds that need a shell."""
    provide(TINY, {**os.environ, **engine.environment()})
    with (
        tempfile.TemporaryDirectory(prefix="e2e-") as name,
        LocalEcr(scenario=scenario, scan_seconds=scan_seconds) as ecr,
    ):
        directory = Path(name)
        commit = act.consumer_repository(CONSUMER, directory / "consumer")
        yield Stage(ecr=ecr, engine=engine, directory=directory, commit=commit)


def obeyed(raw: bytes) -> list[str]:
    """The commands that GitHub's runner obeys in a step's output, which is more than act does.

    `::name::` at the start of a line, also after blanks, and `##[name]` anywhere in a line; between
    `::stop-commands::token` and `::token::` nothing (actions/runner: ActionCommand.cs and
    ActionCommandManager.cs). Here every name is a command, also one that the runner has not.
    """
    found: list[str] = []
    token = ""
    for line in re.split(r"\r\n|\r|\n", raw.decode("utf-8", errors="replace")):
        for name, data in _commands(line):
            if not token:
                found.append(name)
                token = data.lower() if name == "stop-commands" else ""
            elif name == token:
                token = ""
    assert not token, "commands were never allowed again"
    return found


def _commands(line: str) -> Iterator[tuple[str, str]]:
    text = line.lstrip()
    if text.startswith("::") and "::" in text[2:]:
        name, _, data = text[2:].partition("::")
        yield name.partition(" ")[0].lower(), data
        return
    for name in re.findall(r"##\[([^\] ]+)[^\]]*\]", line):
        yield name.lower(), ""
