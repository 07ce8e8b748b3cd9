import pytest

from ecr_publish.outcome import Outcome
from ecr_publish.pace import Pace
from ecr_publish.run import Run
from tests.factories import make_digest, make_manifest, make_state
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeRegistry,
    FakeWorkflow,
    edges,
)


def made(clock: FakeClock, workflow: FakeWorkflow) -> Run:
    cloud = FakeCloud(FakeRegistry(state=make_state(), pushed=make_manifest()))
    world = edges(cloud, FakeEngine(make_digest()), workflow, clock, FakeCheckout())
    return Run(edges=world, outcome=Outcome(), pace=Pace(clock))


def test_room__is_a_group_of_the_log_with_its_duration() -> None:
    clock, workflow = FakeClock(), FakeWorkflow()
    run = made(clock, workflow)
    clock.sleep(5)
    with run.room("plan"):
        run.say("inside")
        clock.sleep(2)

    assert workflow.log == ["[Plan]", "inside"]
    assert run.outcome.seconds == {"plan": 2}


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt()])
def test_room__that_fails_has_a_duration_too(error: BaseException) -> None:
    clock = FakeClock()
    run = made(clock, FakeWorkflow())

    def build() -> None:
        with run.room("build"):
            clock.sleep(3)
            raise error

    with pytest.raises(type(error)):
        build()
    assert run.outcome.seconds == {"build": 3}
