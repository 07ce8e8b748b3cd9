"""A unit test computes: it opens no socket and starts no process, and this sees to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

_WORLD = (
    "socket.__new__",
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
)
"""The events by which CPython announces sockets and processes (its "Audit events table")."""

_SERVERS = Path(__file__).parent / "local_ecr"
"""The local ECR is a server: its tests may open sockets on this machine."""

_guarded = False

# A machine under load is not a failure, and a failure has to be repeatable from the log alone.
# What CI says of a commit is the same every time; `HYPOTHESIS=search` looks for new examples.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, print_blob=True, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS", "same"))


def _watch(event: str, _arguments: tuple[object, ...]) -> None:
    # pytest.fail raises no Exception, so no `except Exception` of the tested code can hide it.
    if _guarded and event in _WORLD:
        pytest.fail(f"a unit test touched the world: {event}; pass in a value or a fake instead")


# An audit hook also sees what a replaced name does not: `from socket import socket`, C code.
sys.addaudithook(_watch)


@pytest.fixture(autouse=True)
def no_world(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make sockets and child processes impossible while a unit test runs."""
    global _guarded  # noqa: PLW0603 - an audit hook cannot be taken away again, only switched off
    _guarded = _SERVERS not in request.path.parents
    try:
        yield
    finally:
        _guarded = False
