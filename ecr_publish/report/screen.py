"""What a terminal shows that GitHub's log does not: lines that fit, a bar, the outputs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping

from ecr_publish.report.escape import printable

HIDDEN = "***"
NARROWEST, _BAR = 20, 24
"""Columns: less than this nobody reads, and what the bar itself takes."""
_NOT_SHOWN = ("images",)
"""Outputs for programs; all of them stand in the file of `--output`."""
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without any of the secrets, one of which may be a part of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def wrapped(line: str, columns: int | None) -> list[str]:
    """The line, in as many as fit into the columns; None for any length.

    What begins with a blank is a table, or is there to be pasted, and its breaks mean something.
    Nor does a line get better that has a longer word, such as the name of an image.
    """
    if columns is None or len(line) <= columns or line[:1].isspace():
        return [line]
    wide = max(columns, NARROWEST)
    if any(len(word) > wide for word in line.split()):
        return [line]
    return textwrap.wrap(line, wide, break_on_hyphens=False)


def output_line(data: bytes) -> str:
    """A line that a program wrote, as a terminal would have shown it in the end, without colours.

    A program that draws something again and again begins the line anew each time.
    """
    text = data.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
    return printable(_COLOUR.sub("", text))


def bar(part: float, text: str, columns: int) -> str:
    """How far something is, on one line: `[######            ] 12.3 of 45.6 MB sent`."""
    full = round(_BAR * min(max(part, 0.0), 1.0))
    # In the last column some terminals begin a new line.
    return f"[{'#' * full}{' ' * (_BAR - full)}] {text}"[: max(columns, NARROWEST) - 1]


def outputs(found: Mapping[str, str]) -> Iterator[str]:
    """The outputs that have a value, a line each, or several where the value has several."""
    for name, value in found.items():
        if value and name not in _NOT_SHOWN:
            first, *others = value.splitlines()
            yield f"{name}: {first}"
            yield from (f"{' ' * len(name)}  {line}" for line in others)
