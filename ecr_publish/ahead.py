"""What build and push are going to need, asked for while others are asked for something else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

from ecr_publish.build import Builder
from ecr_publish.edges.ports import Engine, Login, Registry
from ecr_publish.plan import Build, LocalImage, Source
from ecr_publish.signals import held_back

T = TypeVar("T")

THREAD = "ecr-publish-ahead"


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """Each gives its answer as soon as it is there, and raises what went wrong.

    ECR's token is valid for 12 hours (reference/ecr-behaviour.md section 2), longer than any job.
    """

    builder: Callable[[], Builder]
    login: Callable[[], Login]


def look_for_builder(engine: Engine, source: Source) -> Callable[[], Builder]:
    """Ask the engine for its builder, where the source needs one."""
    name = source.builder if isinstance(source, Build) else None
    return beside(lambda: engine.builder(name), now=isinstance(source, Build))


def look_for_login(registry: Registry, source: Source) -> Callable[[], Login]:
    """Ask ECR for a token, where the source is going to be pushed."""
    return beside(registry.login, now=isinstance(source, (Build, LocalImage)))


def beside(work: Callable[[], T], *, now: bool = True) -> Callable[[], T]:
    """Begin work on a thread of its own; gives what waits for its answer, or raises its error.

    Where it is not to begin now, it begins when its answer is asked for.
    """
    if not now:
        return work
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            future.set_exception(error)

    # A signal that reached the thread would not wake the corridor: a cancel would wait as well.
    with held_back():
        Thread(target=run, name=THREAD).start()
    return future.result
