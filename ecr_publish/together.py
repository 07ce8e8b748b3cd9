"""The same for many images, one after the other or several at the same time.

An image that fails has its error and takes no further part; the others go on. What is no
PublishError ends all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from ecr_publish.errors import PublishError
from ecr_publish.outcome import Batch
from ecr_publish.signals import held_back

MOST_AT_ONCE = 4
"""Pushes, and calls of AWS and GitHub, that may be under way at the same time."""

T = TypeVar("T")


def each(batch: Batch, names: Iterable[str], do: Callable[[str], T]) -> dict[str, T]:
    """What it gives for each image, one after the other; those that fail are left out."""
    found = {}
    for name in names:
        try:
            found[name] = do(name)
        except PublishError as error:
            batch.images[name].stop(error)
    return found


def at_once(batch: Batch, names: Iterable[str], do: Callable[[str], T]) -> dict[str, T]:
    """The same, several at the same time."""
    results = together({name: partial(do, name) for name in names}, MOST_AT_ONCE)

    def result(name: str) -> T:
        found = results[name]
        if isinstance(found, BaseException):
            raise found
        return found

    return each(batch, results, result)


def together(tasks: Mapping[str, Callable[[], T]], most: int) -> dict[str, T | BaseException]:
    """Do all tasks, and give what each gives, or the exception that it raises, in their order.

    A cancel ends the wait at once. What has begun then ends by itself, or with the process; nothing
    else is begun.

    Args:
        tasks: By their names.
        most: How many may be under way at the same time.
    """
    waiting: SimpleQueue[str] = SimpleQueue()
    for name in tasks:
        waiting.put(name)
    ended: SimpleQueue[tuple[str, T | BaseException]] = SimpleQueue()
    try:
        _start(lambda: _work(tasks, waiting, ended), min(most, len(tasks)))
        found = dict(ended.get() for _ in tasks)
    except BaseException:
        _empty(waiting)
        raise
    return {name: found[name] for name in tasks}


def _start(work: Callable[[], None], number: int) -> None:
    # A signal that reaches another thread would be obeyed in the midst of what the main thread
    # guards against it.
    with held_back():
        for _ in range(number):
            # A push that hangs must not keep a cancelled step from ending.
            Thread(target=work, daemon=True).start()


def _work(
    tasks: Mapping[str, Callable[[], T]],
    waiting: SimpleQueue[str],
    ended: SimpleQueue[tuple[str, T | BaseException]],
) -> None:
    while True:
        try:
            name = waiting.get_nowait()
        except Empty:
            return
        try:
            ended.put((name, tasks[name]()))
        except BaseException as error:  # noqa: BLE001 - whoever waits for it decides
            ended.put((name, error))


def _empty(waiting: SimpleQueue[str]) -> None:
    while not waiting.empty():
        waiting.get_nowait()
