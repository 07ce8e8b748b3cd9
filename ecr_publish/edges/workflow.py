"""The job's log and files: GitHub's workflow commands, by actions-toolkit, flushed at once.

GitHub's documentation: "Workflow commands for GitHub Actions". What the runner parses:
reference/ecr-behaviour.md section 5, row "command injection".
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from actions_toolkit import core
from actions_toolkit.command import issue_command

from ecr_publish.context import Context, read
from ecr_publish.edges.files import write_whole
from ecr_publish.report.annotations import Annotation
from ecr_publish.report.escape import log_line, printable


class GitHubWorkflow:
    """Writes to the runner through standard output and the files that it names.

    A mask must be out before a child process can print the secret, so every write is flushed. And
    it must stand on a line of its own, so no thread writes while another does.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Args: environ: The environment of the step, for the paths of the runner's files."""
        self._environ = environ
        self._lock = Lock()

    def context(self, environ: Mapping[str, str]) -> Context:
        """The run, as the runner describes it; raises NoWorkflowRun."""
        return read(environ, lambda path: Path(path).read_text(encoding="utf-8"))

    def say(self, line: str) -> None:
        """Write a line to the log; what looks like a command in it is made harmless."""
        with self._flushed():
            core.info(log_line(line))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Fold what is said inside."""
        with self._flushed():
            core.start_group(title)
        try:
            yield
        finally:
            with self._flushed():
                core.end_group()

    @contextmanager
    def untrusted(self) -> Iterator[Callable[[bytes], None]]:
        """Gives a function whose output the runner takes for text, whatever it holds.

        The end marker must stand at the start of a line, so a missing newline is added.
        """
        token = secrets.token_hex(32)
        self._command("stop-commands", {}, token)
        last = b"\n"

        def write(data: bytes) -> None:
            nonlocal last
            with self._flushed():
                sys.stdout.buffer.write(data)
            last = data[-1:] or last

        try:
            yield write
        finally:
            write(b"" if last == b"\n" else b"\n")
            self._command(token, {}, "")

    def mask(self, secret: str) -> None:
        """Hide a secret in the log from now on; each line of it, as the runner masks by line."""
        for line in filter(None, secret.splitlines()):
            with self._flushed():
                core.set_secret(line)

    def annotate(self, annotation: Annotation) -> None:
        """Show an annotation above the log, and beside the code where it names a file."""
        place = {"file": annotation.file, "line": str(annotation.line)} if annotation.file else {}
        properties = {"title": annotation.title, **place}
        self._command(
            "error" if annotation.error else "warning",
            {name: printable(value) for name, value in properties.items()},
            printable(annotation.message),
        )

    def output(self, name: str, value: str) -> None:
        """Set an output of the step."""
        with self._flushed():
            core.set_output(name, printable(value))

    def summary(self, markdown: str) -> None:
        """Append to the step's summary, where the runner offers one."""
        path = self._environ.get("GITHUB_STEP_SUMMARY")
        if path:
            with Path(path).open("a", encoding="utf-8") as file:
                file.write(markdown)

    def write_file(self, path: str, pieces: Iterable[str]) -> None:
        """Write a file that the user named, from the workspace where the path is relative."""
        write_whole(Path(self._environ.get("GITHUB_WORKSPACE", "."), path), pieces)

    def progress(self, part: float, text: str) -> bool:  # noqa: ARG002 - as the Protocol has it
        """A log draws nothing again."""
        return False

    def _command(self, name: str, properties: dict[str, str], message: str) -> None:
        with self._flushed():
            issue_command(name, properties, message)

    @contextmanager
    def _flushed(self) -> Iterator[None]:
        with self._lock:
            yield
            sys.stdout.flush()
