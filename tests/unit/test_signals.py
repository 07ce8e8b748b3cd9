"""The signals of a cancel: held back for a moment, and ignored in the end."""

import signal
from collections.abc import Iterator

import pytest

from ecr_publish.signals import SIGNALS, held_back, ignore_signals


@pytest.fixture(autouse=True)
def _keep_signals() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_s6_held_back__a_cancel_comes_at_the_end() -> None:
    def cancelled() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append("the step")

    done: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        cancelled()
    assert done == ["the step"]


def test_s6_held_back__what_was_held_back_before_still_is() -> None:
    with held_back():
        with held_back():
            pass
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= set(SIGNALS)


def test_ignore_signals__of_a_cancel() -> None:
    ignore_signals()

    assert [signal.getsignal(number) for number in SIGNALS] == [signal.SIG_IGN] * 2
