"""Checks -> aligned plain text, for the log and for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ecr_publish.errors import in_full
from ecr_publish.preflight import Check, State

_STATE = max(len(state.value) for state in State)


def table(checks: Sequence[Check]) -> Iterator[str]:
    """A line for each: how it ended, its name, what was seen."""
    width = max((len(check.name) for check in checks), default=0)
    for check in checks:
        yield f"{check.state.value:<{_STATE}}  {check.name:<{width}}  {check.said}"


def notes(said: Sequence[str]) -> Iterator[str]:
    """What is worth knowing beside the checks, each set off from what follows."""
    for note in said:
        yield from f"Note: {note}".splitlines()
        yield ""


def problems(checks: Sequence[Check]) -> Iterator[str]:
    """Each problem in full, numbered, after a line that counts them."""
    errors = [check.error for check in checks if check.error]
    if not errors:
        yield "Nothing is in the way. Nothing was changed."
        return
    yield f"{'1 problem' if len(errors) == 1 else f'{len(errors)} problems'}. Nothing was changed."
    for number, error in enumerate(errors, start=1):
        yield ""
        yield from f"({number}) {in_full(error)}".splitlines()
