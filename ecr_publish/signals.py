"""How a runner cancels a step, and how to end in good order all the same."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What a runner sends; entrypoint.py holds them back until there is something to report."""


def ignore_signals() -> None:
    """Let nothing interrupt what ends the run in good order."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_back() -> Iterator[None]:
    """Let a cancel wait; a thread that begins inside never gets one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
