"""Ten in any second, and no slower."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.pace import PUTS_A_SECOND, Pace
from tests.fakes import FakeClock


def test_wait__ten_at_once_and_the_next_when_the_first_is_a_second_ago() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    times = []
    for _ in range(25):
        pace.wait()
        times.append(clock.now())

    assert times == pytest.approx([0.0] * 10 + [1.0] * 10 + [2.0] * 5)


@given(st.lists(st.floats(min_value=0, max_value=2), min_size=1, max_size=60))
def test_wait__never_more_than_ten_in_any_second(takes: list[float]) -> None:
    clock = FakeClock()
    pace = Pace(clock)
    times = []
    for seconds in takes:
        pace.wait()
        times.append(clock.now())
        clock.time += seconds

    for place, first in enumerate(times[:-PUTS_A_SECOND]):
        assert times[place + PUTS_A_SECOND] - first >= 1 - 1e-9
