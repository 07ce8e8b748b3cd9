"""A terminal in the place of a job's log: headings, lines that fit, a bar, and hidden secrets.

Also for a pipe or a file: then nothing is drawn, and no line is broken.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TextIO

from ecr_publish.context import Context, by_hand
from ecr_publish.edges.files import write_whole
from ecr_publish.edges.ports import Checkout, Clock
from ecr_publish.report.annotations import DOCKERFILE, TITLE, Annotation
from ecr_publish.report.escape import printable
from ecr_publish.report.screen import bar, masked, output_line, outputs, wrapped

_DRAW_SECONDS = 0.1
_USUAL_COLUMNS = 80
"""Of a terminal that does not know, or that is gone."""
_CLEAR = "\r\x1b[K"
"""Back to the line's begin, and erase to its end (ECMA-48: EL)."""


class Console:
    """Writes what a run says; no thread writes while another does.

    Where nobody reads any more, as after `| head`, the run goes on to its end all the same.
    """

    def __init__(
        self, stream: TextIO, clock: Clock, git: Checkout, columns: Callable[[], int] | None
    ) -> None:
        """A console that writes to a stream.

        Args:
            stream: Standard output.
            clock: Paces what is drawn, and names the run.
            git: Knows what is published.
            columns: How wide the terminal is now; None where the stream is none.
        """
        self._stream = stream
        self._clock = clock
        self._git = git
        self._columns = columns
        self._lock = RLock()
        self._secrets: set[str] = set()
        self._said: list[str] = []
        self._outputs: dict[str, str] = {}
        self._indent = ""
        self._apart = False
        self._drawing = False
        self._drawn = float("-inf")

    def context(self, environ: Mapping[str, str]) -> Context:  # noqa: ARG002 - as the Protocol has it
        """The run, by what git knows of the folder that the command was started in."""
        folder = str(Path.cwd())
        return by_hand(
            self._git.commit(folder, "."),
            self._git.branches(folder),
            folder=folder,
            machine=platform.machine(),
            now=self._clock.today().timestamp(),
        )

    def say(self, line: str) -> None:
        """Write a line, in several where it is too long."""
        with self._lock:
            text = masked(printable(line), self._secrets)
            self._said.append(text)
            if self._apart and not self._indent:
                self._write([""])
            width = self._columns and self._columns() - len(self._indent)
            self._write(part for each in text.splitlines() or [""] for part in wrapped(each, width))

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """A heading, with what is said inside set off from what is not."""
        with self._lock:
            heading = masked(printable(title), self._secrets)
            self._write(["", heading] if self._said else [heading])
            self._said.append(title)
            self._indent = "  "
        try:
            yield
        finally:
            with self._lock:
                self._indent, self._apart = "", True
                self._erase()

    @contextmanager
    def untrusted(self) -> Iterator[Callable[[bytes], None]]:
        """Gives a function for a program's output, of which whole lines are shown.

        A secret that comes in two pieces would not be known in either.
        """
        rest = b""

        def write(data: bytes) -> None:
            nonlocal rest
            *lines, rest = (rest + data).split(b"\n")
            self._copy(lines)

        try:
            yield write
        finally:
            self._copy([rest] if rest else [])

    def mask(self, secret: str) -> None:
        """Hide a secret from now on, each line of it."""
        with self._lock:
            self._secrets |= {printable(line) for line in secret.splitlines() if line}

    def annotate(self, annotation: Annotation) -> None:
        """Say what it says, unless the log has: a terminal has no place above that."""
        whole = annotation.title in (TITLE, DOCKERFILE)
        told = printable(annotation.message if whole else annotation.title)
        if any(told in line for line in self._said):
            return
        named = "" if annotation.title == TITLE else f"{annotation.title}: "
        place = f"{annotation.file}:{annotation.line}: " if annotation.file else named
        self.say(f"{'ERROR' if annotation.error else 'WARNING'}: {place}{annotation.message}")

    def output(self, name: str, value: str) -> None:
        """Keep an output for the end."""
        self._outputs[name] = printable(value)

    def summary(self, markdown: str) -> None:
        """Nothing: the log's last lines say the same, and nobody reads Markdown here."""

    def write_file(self, path: str, pieces: Iterable[str]) -> None:
        """Write a file that the user named."""
        write_whole(Path(path), pieces)

    def progress(self, part: float, text: str) -> bool:
        """Draw a bar below what was said, until something else is; at most ten times a second."""
        if self._columns is None:
            return False
        with self._lock:
            now = self._clock.now()
            if now - self._drawn >= _DRAW_SECONDS:
                self._drawing, self._drawn = True, now
                drawn = bar(part, masked(printable(text), self._secrets), self._columns())
                self._print(f"{_CLEAR}{drawn}")
        return True

    def end(self, path: str | None) -> None:
        """Show the outputs, and write them to a file (JSON) where one is named.

        What cannot be written is told, and does not change how the run has ended (S6).
        """
        with self.group("Outputs"):
            # To be copied, so they are not broken.
            self._write(masked(line, self._secrets) for line in outputs(self._outputs))
        if path:
            told = {name: masked(value, self._secrets) for name, value in self._outputs.items()}
            try:
                self.write_file(path, [json.dumps(told, indent=2), "\n"])
            except OSError as error:
                self.annotate(Annotation(message=f"The outputs could not be written: {error}"))

    def _copy(self, lines: Iterable[bytes]) -> None:
        with self._lock:
            self._write(masked(output_line(line), self._secrets) for line in lines)

    def _write(self, lines: Iterable[str]) -> None:
        text = "".join(f"{self._indent if line else ''}{line}\n" for line in lines)
        if text:
            self._apart = False
            self._erase()
            self._print(text)

    def _erase(self) -> None:
        if self._drawing:
            self._drawing = False
            self._print(_CLEAR)

    def _print(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        with suppress(OSError):
            self._stream.write(text.encode(encoding, "replace").decode(encoding))
            self._stream.flush()


def columns_of(stream: TextIO) -> Callable[[], int] | None:
    """Tells how wide the terminal is, also after it was resized; None where it is no terminal."""

    def columns() -> int:
        # It may have been closed since.
        with suppress(OSError):
            return os.get_terminal_size(stream.fileno()).columns or _USUAL_COLUMNS
        return _USUAL_COLUMNS

    return columns if stream.isatty() else None
