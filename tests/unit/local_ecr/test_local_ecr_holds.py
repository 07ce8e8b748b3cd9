from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from local_ecr.errors import ConnectionDropped
from local_ecr.holds import Hold, HoldPlan


class Calls:
    """Makes calls in threads of their own, and notes how far each got."""

    def __init__(self, plan: HoldPlan) -> None:
        self.plan = plan
        self.steps: list[str] = []
        self.threads: list[threading.Thread] = []

    def make(self, name: str, operation: str = "PutImage") -> None:
        with self.plan.of(operation) as held, contextlib.suppress(ConnectionDropped):
            with held["before"].passing() if "before" in held else contextlib.nullcontext():
                self.steps.append(f"{name} done")
            with held["after"].passing() if "after" in held else contextlib.nullcontext():
                self.steps.append(f"{name} answered")

    def begin(self, name: str, hold: Hold) -> None:
        """Make a call that the hold stops."""
        self.threads.append(threading.Thread(target=self.make, args=(name,), daemon=True))
        self.threads[-1].start()
        hold.wait(10)

    def join(self) -> None:
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def calls() -> Iterator[Calls]:
    made = Calls(HoldPlan())
    yield made
    made.plan.end()
    made.join()


def test_hold__before_the_effect(calls: Calls) -> None:
    hold = calls.plan.add("PutImage", "before", 0)
    calls.begin("a", hold)
    assert calls.steps == []
    hold.release()
    assert calls.steps[0] == "a done"
    calls.join()
    assert calls.steps == ["a done", "a answered"]


def test_hold__after_the_effect(calls: Calls) -> None:
    with calls.plan.add("PutImage", "after", 0) as hold:
        calls.begin("a", hold)
        assert calls.steps == ["a done"]
    assert calls.steps == ["a done", "a answered"]


@pytest.mark.parametrize(("when", "steps"), [("before", []), ("after", ["a done"])])
def test_hold__dropped_is_not_released_by_the_end_of_the_block(
    calls: Calls, when: str, steps: list[str]
) -> None:
    with calls.plan.add("PutImage", when, 0) as hold:  # type: ignore[arg-type]
        calls.begin("a", hold)
        hold.drop()
        assert calls.steps == steps
    assert calls.steps == steps


def test_hold__both_sides_of_one_call(calls: Calls) -> None:
    before = calls.plan.add("PutImage", "before", 0)
    after = calls.plan.add("PutImage", "after", 0)
    calls.begin("a", before)
    before.release()
    after.wait(10)
    assert calls.steps == ["a done"]
    after.release()
    assert calls.steps == ["a done", "a answered"]


def test_hold__only_the_one_call_that_is_asked_for(calls: Calls) -> None:
    hold = calls.plan.add("Put*", "before", 2)
    calls.make("other", "ListImages")
    for name in ("first", "second"):
        calls.make(name)
    calls.begin("third", hold)
    calls.make("fourth")
    assert [step for step in calls.steps if step.endswith("done")] == [
        "other done",
        "first done",
        "second done",
        "fourth done",
    ]


def test_hold__each_counts_all_calls(calls: Calls) -> None:
    holds = [calls.plan.add("PutImage", "before", skip) for skip in (0, 1, 1)]
    for name, hold in zip("abc", holds, strict=True):
        calls.begin(name, hold)
    assert calls.steps == []


def test_hold__released_before_anything_came(calls: Calls) -> None:
    with calls.plan.add("PutImage", "before", 0):
        pass
    calls.make("a")
    assert calls.steps == ["a done", "a answered"]


def test_hold__nothing_comes(calls: Calls) -> None:
    hold = calls.plan.add("PutImage", "before", 0)
    calls.make("a", "ListImages")
    with pytest.raises(TimeoutError, match=r"no PutImage to hold within 0\.01 s"):
        hold.wait(0.01)


def test_hold__call_that_ends_before_it_gets_there_lets_nobody_wait(calls: Calls) -> None:
    hold = calls.plan.add("PutImage", "after", 0)
    with contextlib.suppress(ConnectionDropped), calls.plan.of("PutImage"):
        raise ConnectionDropped
    hold.release()
    calls.make("a")
    assert calls.steps == ["a done", "a answered"]
