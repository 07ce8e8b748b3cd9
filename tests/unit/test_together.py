"""Tasks at the same time: the limit, the order, what ends them, and the signals' mask."""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import Barrier, Event, Lock, current_thread, main_thread
from typing import cast

import pytest

from ecr_publish.errors import BuildFailed, Cancelled
from ecr_publish.outcome import Batch, Outcome
from ecr_publish.signals import SIGNALS
from ecr_publish.together import MOST_AT_ONCE, at_once, each, together

WAIT = 30
"""Seconds after which a test that hangs fails."""


def batch(*names: str) -> Batch:
    return Batch(images={name: Outcome() for name in names})


def test_together__results_in_the_order_of_the_tasks() -> None:
    second = Event()

    def first() -> int:
        assert second.wait(WAIT)
        return 1

    def other() -> int:
        second.set()
        return 2

    found = together({"a": first, "b": other}, 2)
    assert list(found.items()) == [("a", 1), ("b", 2)]


def test_together__nothing_to_do() -> None:
    assert together({}, 4) == {}


@pytest.mark.parametrize("most", [1, 3])
def test_together__no_more_than_the_limit_at_the_same_time(most: int) -> None:
    barrier, lock = Barrier(most), Lock()
    now, highest = 0, 0

    def task() -> None:
        nonlocal now, highest
        with lock:
            now += 1
            highest = max(highest, now)
        barrier.wait(WAIT)
        with lock:
            now -= 1

    together({str(number): task for number in range(3 * most)}, most)
    assert highest == most


def test_together__exception_is_a_result() -> None:
    def broken() -> int:
        raise KeyError("bug")

    found = together({"a": broken, "b": lambda: 2}, 1)
    assert isinstance(found["a"], KeyError)
    assert found["b"] == 2


def test_s6_together__no_signal_reaches_the_threads_and_the_own_mask_stays() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    blocked = together({"a": lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ())}, 1)["a"]
    assert not isinstance(blocked, BaseException)
    assert set(SIGNALS) <= blocked
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_s6_together__cancel_ends_the_wait_and_begins_nothing_else() -> None:
    let_go, done = Event(), Event()
    begun: list[str] = []

    def task(name: str) -> Callable[[], None]:
        def do() -> None:
            begun.append(name)
            if name == "a":
                signal.pthread_kill(cast("int", main_thread().ident), signal.SIGUSR1)
                assert let_go.wait(WAIT)
            done.set()

        return do

    def cancel(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, cancel)
    try:
        with pytest.raises(KeyboardInterrupt):
            together({name: task(name) for name in "abc"}, 1)
        let_go.set()
        assert done.wait(WAIT)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert begun == ["a"]


# each, at_once ----------------------------------------------------------------------------------

WAYS = pytest.mark.parametrize("way", [each, at_once])


@WAYS
def test_each__one_that_fails_has_its_error_and_is_left_out(way: Callable[..., object]) -> None:
    images, error = batch("a", "b", "c"), BuildFailed(1)

    def do(name: str) -> str:
        if name == "b":
            raise error
        return name.upper()

    assert way(images, images.images, do) == {"a": "A", "c": "C"}
    assert {name: it.error for name, it in images.images.items()} == {
        "a": None,
        "b": error,
        "c": None,
    }


@WAYS
def test_each__bug_ends_all(way: Callable[..., object]) -> None:
    images = batch("a", "b")

    def do(name: str) -> str:
        raise KeyError(name)

    with pytest.raises(KeyError, match="a"):
        way(images, images.images, do)
    assert [it.error for it in images.images.values()] == [None, None]


def test_each__stays_in_the_main_thread_and_at_once_leaves_it() -> None:
    images = batch("a")
    assert each(images, ["a"], lambda _: current_thread()) == {"a": main_thread()}
    assert at_once(images, ["a"], lambda _: current_thread()) != {"a": main_thread()}
    assert MOST_AT_ONCE > 1


# Batch ------------------------------------------------------------------------------------------


def test_s6_stop__ends_what_is_under_way_and_nothing_that_is_over() -> None:
    images, failed = batch("over", "failed", "under way"), BuildFailed(1)
    images.over.add("over")
    images.images["failed"].stop(failed)
    cancelled = Cancelled()
    images.stop(cancelled)
    assert images.error is cancelled
    assert [it.error for it in images.images.values()] == [None, failed, cancelled]
