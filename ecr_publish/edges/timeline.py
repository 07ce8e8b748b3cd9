"""What the run asked of the world and how long each answer took, for whoever debugs a slow step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ecr_publish.edges.ports import Clock

if TYPE_CHECKING:
    import boto3

T = TypeVar("T")

_GIVES = {"connect": "registry", "elsewhere": "registry"}
"""Methods whose answer is an edge too, and its name."""
_BEGAN = "ecr-publish-began"


class Timeline:
    """The calls, each with its begin and its duration in seconds."""

    def __init__(self, clock: Clock, zero: float) -> None:
        """Args: clock: Measures. zero: The clock's time when the step began."""
        self._clock = clock
        self._zero = zero
        self._calls: list[tuple[float, float, str]] = []

    def lines(self) -> list[str]:
        """A line for each call, in the order in which they began."""
        return [
            f"{began:9.3f} s {spent:+9.3f} s  {name}" for began, spent, name in sorted(self._calls)
        ]

    def of(self, edge: T, name: str) -> T:
        """The edge, with every call of its methods noted."""
        return cast("T", _Noted(edge, name, self._during))

    def watch(self, session: boto3.Session) -> None:
        """Note every call of a session's clients, retries included (botocore: "Events")."""
        session.events.register_first("before-call", self._begin)
        session.events.register_last("after-call", self._end)
        session.events.register_last("after-call-error", self._end)

    @contextmanager
    def _during(self, name: str) -> Iterator[None]:
        began = self._clock.now()
        try:
            yield
        finally:
            self._note(began, name)

    def _begin(self, *, context: dict[str, Any], **_: object) -> None:
        context[_BEGAN] = self._clock.now()

    def _end(self, *, event_name: str, context: dict[str, Any], **_: object) -> None:
        service, operation = event_name.split(".")[1:]
        self._note(context[_BEGAN], f"  {service}:{operation}")

    def _note(self, began: float, name: str) -> None:
        self._calls.append((began - self._zero, self._clock.now() - began, name))


class _Noted:
    def __init__(self, edge: object, name: str, during: Callable[[str], Any]) -> None:
        self._edge = edge
        self._name = name
        self._during = during

    def __getattr__(self, name: str) -> Callable[..., Any]:
        found = getattr(self._edge, name)

        def noted(*given: Any, **named: Any) -> Any:  # noqa: ANN401 - whatever the edge takes
            with self._during(f"{self._name}.{name}"):
                answer = found(*given, **named)
            return _Noted(answer, _GIVES[name], self._during) if name in _GIVES else answer

        return noted
