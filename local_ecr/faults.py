"""Faults by script and the log of calls."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

CONNECTION_RESET = "ConnectionReset"
_MESSAGES = {
    "ThrottlingException": "Rate exceeded",
    "Throttling": "Rate exceeded",
    "TOOMANYREQUESTS": "Rate exceeded",
    "ServerException": "An internal error occurred.",
    "InternalFailure": "An internal error occurred.",
    "InternalServerException": "An internal error occurred.",
    "ServiceUnavailable": "Service is unable to handle request.",
    "SlowDown": "Please reduce your request rate.",
    "InternalError": "We encountered an internal error. Please try again.",
    "IDPCommunicationError": "The identity provider could not be reached.",
}
_STATUS = {
    "TOOMANYREQUESTS": 429,
    "DENIED": 403,
    "UNAUTHORIZED": 401,
    "ServerException": 500,
    "InternalFailure": 500,
    "InternalServerException": 500,
    "UNKNOWN": 500,
    "ServiceUnavailable": 503,
    "AccessDenied": 403,
    "SlowDown": 503,
    "InternalError": 500,
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An answer instead of the real one.

    Attributes:
        operation: Name or pattern, such as `PutImage`, `v2.PutManifest`, `*`.
        code: The code on the wire, or `ConnectionReset`.
        message: The text; None takes ECR's.
        status: The HTTP status; None takes the usual one of the code.
    """

    operation: str
    code: str
    message: str | None = None
    status: int | None = None

    @property
    def text(self) -> str | None:
        """The message, if one is known."""
        return self.message or _MESSAGES.get(self.code)

    @property
    def http_status(self) -> int:
        """The HTTP status to answer with."""
        return self.status or _STATUS.get(self.code, 400)


class FaultPlan:
    """The faults that are to come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._latencies: list[tuple[str, float]] = []

    def add(self, fault: Fault, times: int = 1) -> None:
        """Let the next calls of the operation fail."""
        with self._lock:
            self._faults += [fault] * times

    def delay(self, operation: str, seconds: float) -> None:
        """Let all calls of the operation wait first; 0 takes it back."""
        with self._lock:
            kept = [entry for entry in self._latencies if entry[0] != operation]
            self._latencies = [(operation, seconds), *kept]

    def take(self, operation: str) -> Fault | None:
        """The fault for this call, which is used up by that."""
        with self._lock:
            for position, fault in enumerate(self._faults):
                if fnmatchcase(operation, fault.operation):
                    return self._faults.pop(position)
        return None

    def latency(self, operation: str) -> float:
        """Seconds that this call has to wait."""
        with self._lock:
            found = (s for name, s in self._latencies if fnmatchcase(operation, name))
            return next(found, 0.0)

    def clear(self) -> None:
        """Forget all faults and latencies."""
        with self._lock:
            self._faults.clear()
            self._latencies.clear()


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request that was answered."""

    operation: str
    repository: str | None
    time: float
    status: int
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The call as `/_local/calls` lists it."""
        return dict(vars(self))


def per_second(calls: Sequence[Call]) -> float:
    """The average rate from the first of these calls to the last, over one second at least."""
    if not calls:
        return 0.0
    times = [call.time for call in calls]
    return len(calls) / max(1.0, max(times) - min(times))


def most_within(calls: Sequence[Call], seconds: float) -> int:
    """How many of these calls fell at most into any stretch of so many seconds."""
    times = sorted(call.time for call in calls)
    return max(
        (bisect_left(times, time + seconds) - first for first, time in enumerate(times)), default=0
    )


class CallLog:
    """All calls since the start or the last reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []

    def add(self, call: Call) -> None:
        """Note a call."""
        with self._lock:
            self._calls.append(call)

    def all(self) -> list[Call]:
        """All calls in the order in which they were answered."""
        with self._lock:
            return list(self._calls)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._calls.clear()
