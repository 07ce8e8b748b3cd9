"""What is begun beside the corridor, on the fakes."""

import signal
import threading

import pytest

from ecr_publish.ahead import beside, look_for_builder, look_for_login
from ecr_publish.edges.ports import Login
from ecr_publish.plan import Existing, LocalImage, Merge, Source
from ecr_publish.reference import Tag
from ecr_publish.signals import SIGNALS
from tests.factories import make_build, make_digest, make_manifest, make_state
from tests.fakes import FakeEngine, FakeRegistry


def test_beside__goes_on_while_the_corridor_does_something_else() -> None:
    met = threading.Barrier(2, timeout=10)
    answer = beside(lambda: (met.wait(), "answer")[1])
    met.wait()

    assert (answer(), answer()) == ("answer", "answer")


def test_beside__raises_where_the_answer_is_needed_and_only_there() -> None:
    def broken() -> None:
        raise ZeroDivisionError("boom")

    answer = beside(broken)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="boom"):
            answer()


def test_s6_beside__a_cancel_never_reaches_the_thread() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    blocked = beside(lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ()))()

    assert blocked >= set(SIGNALS)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_beside__that_is_not_to_begin_now_begins_when_it_is_asked() -> None:
    begun: list[int] = []
    answer = beside(lambda: begun.append(1), now=False)

    assert begun == []
    answer()
    assert begun == [1]


class Counting(FakeRegistry):
    """Counts how often it is asked for a token."""

    logins = 0

    def login(self) -> Login:
        self.logins += 1
        return super().login()


@pytest.mark.parametrize(
    ("source", "builders", "logins"),
    [
        (make_build(), ["the current one"], 1),
        (make_build(builder="native"), ["native"], 1),
        (LocalImage(name="app"), [], 1),
        (Existing(reference=Tag("1")), [], 0),
        (Merge(digests=(make_digest(),)), [], 0),
    ],
)
def test_look_for__asks_for_what_the_source_needs_and_nothing_else(
    source: Source, builders: list[str], logins: int
) -> None:
    engine = FakeEngine(make_digest())
    registry = Counting(state=make_state(), pushed=make_manifest())
    begun = set(threading.enumerate())
    builder, login = look_for_builder(engine, source), look_for_login(registry, source)
    for thread in set(threading.enumerate()) - begun:
        thread.join()

    assert (engine.asked, registry.logins) == (builders, logins)
    assert login().username == "AWS"
    assert builder() == engine.made_by
