"""Calls that a test stops on their way, to see what is left when their caller dies just there."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Literal

from local_ecr.errors import ConnectionDropped

When = Literal["before", "after"]
PATIENCE_SECONDS = 30.0


class Hold:
    """Stops one call until it is let go; leaving the `with` block releases it.

    Args:
        operation: Name or pattern, as of a fault.
        when: `before`: the whole request has arrived and nothing has come of it. `after`: it has
            taken effect and stands in the log, and nothing is answered yet.
        skip: How many calls of the operation pass before the one that stops.
        lock: Guards all holds of a server.
    """

    def __init__(self, operation: str, when: When, skip: int, lock: threading.Lock) -> None:
        self.operation = operation
        self.when = when
        self._left = skip
        self._lock = lock
        self._taken = self._dropped = False
        self._arrived, self._let_go, self._through = (threading.Event() for _ in range(3))

    def __enter__(self) -> Hold:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()

    def wait(self, timeout: float = PATIENCE_SECONDS) -> None:
        """Return when the call stands here.

        Raises:
            TimeoutError: None came in time.
        """
        if not self._arrived.wait(timeout):
            raise TimeoutError(f"no {self.operation} to hold within {timeout:g} s")

    def release(self) -> None:
        """Let the call go on, whether its caller lives or not.

        When this returns, a call that was held before its effect has taken it. If none has
        arrived, none will be held any more.
        """
        self._end(dropped=False)

    def drop(self) -> None:
        """Hang up: what was held before its effect never arrived, else only the answer is lost."""
        self._end(dropped=True)

    def _end(self, *, dropped: bool) -> None:
        with self._lock:
            self._dropped = dropped
            self._let_go.set()
            taken = self._taken
        if taken and not self._through.wait(PATIENCE_SECONDS):
            raise TimeoutError(f"{self.operation} was let go, and does not get through")

    def is_due(self, operation: str) -> bool:
        """Count a call, and say whether it is the one to hold; the caller has the lock."""
        if self._taken or self._let_go.is_set() or not fnmatchcase(operation, self.operation):
            return False
        self._left -= 1
        return self._left < 0

    def take(self) -> None:
        """Make a call that is due this hold's own; the caller has the lock."""
        self._taken = True

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Stop before the block, and tell who released the call when the block is over.

        Raises:
            ConnectionDropped: The call is not to go on.
        """
        self._arrived.set()
        self._let_go.wait()
        try:
            if self._dropped:
                raise ConnectionDropped
            yield
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Let nobody wait for the call any longer: it is through, or never got as far as here."""
        self._through.set()


class HoldPlan:
    """The holds of one server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds: list[Hold] = []

    def add(self, operation: str, when: When, skip: int) -> Hold:
        """Hold a call that is to come."""
        hold = Hold(operation, when, skip, self._lock)
        with self._lock:
            self._holds.append(hold)
        return hold

    @contextmanager
    def of(self, operation: str) -> Iterator[Mapping[When, Hold]]:
        """Where this call has to stop; every hold counts it, one at each point takes it."""
        taken = self._take(operation)
        try:
            yield taken
        finally:
            for hold in taken.values():
                hold.give_up()

    def _take(self, operation: str) -> dict[When, Hold]:
        taken: dict[When, Hold] = {}
        with self._lock:
            for hold in self._holds:
                if hold.is_due(operation) and hold.when not in taken:
                    hold.take()
                    taken[hold.when] = hold
        return taken

    def end(self) -> None:
        """Hang up on all that is held."""
        with self._lock:
            holds = list(self._holds)
        for hold in holds:
            hold.drop()
