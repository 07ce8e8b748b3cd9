"""The time line of a run that is debugged, with real clients against the local ECR."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from ecr_publish.edges.timeline import Timeline
from ecr_publish.errors import CallFailed
from ecr_publish.main import connect
from ecr_publish.plan import Absent
from ecr_publish.reference import Repository
from local_ecr.server import LocalEcr
from tests.factories import make_digest, make_plan
from tests.fakes import FakeClock

pytestmark = pytest.mark.usefixtures("ambient", "no_waiting")


def names(lines: Sequence[str]) -> list[str]:
    return [line.split()[-1] for line in lines]


@pytest.mark.parametrize("fails", [False, True])
def test_of__notes_begin_and_duration_also_where_a_call_fails(*, fails: bool) -> None:
    clock = FakeClock()
    timeline = Timeline(clock, clock.now() - 1.5)

    class Slow:
        def work(self, seconds: float) -> float:
            clock.sleep(seconds)
            if fails:
                raise ValueError("broken")
            return seconds

    slow = timeline.of(Slow(), "edge")
    clock.sleep(3)
    with pytest.raises(ValueError, match="broken") if fails else nullcontext():
        slow.work(2)

    assert timeline.lines() == ["    4.500 s    +2.000 s  edge.work"]


def test_lines__are_in_the_order_of_their_begin() -> None:
    clock = FakeClock()
    timeline = Timeline(clock, clock.now())

    class Outer:
        def work(self) -> None:
            clock.sleep(1)
            inner.work()

    class Inner:
        def work(self) -> None:
            clock.sleep(1)

    inner = timeline.of(Inner(), "inner")
    timeline.of(Outer(), "outer").work()

    assert [line.split()[-1] for line in timeline.lines()] == ["outer.work", "inner.work"]


def test_connect__debugged_notes_every_call_and_every_request_to_aws(ecr: LocalEcr) -> None:
    edges = connect({**ecr.environment(), "RUNNER_DEBUG": "1"})
    registry = edges.cloud.connect(make_plan(), from_fork=False)
    assert isinstance(registry.look(), Absent)
    with pytest.raises(CallFailed):
        registry.elsewhere(Repository("other")).manifest(make_digest())

    assert names(edges.times()) == [
        "aws.connect",
        "sts:AssumeRoleWithWebIdentity",
        "registry.look",
        "ecr:DescribeRepositories",
        "ecr:GetRegistryScanningConfiguration",
        "registry.elsewhere",
        "registry.manifest",
        "ecr:BatchGetImage",
    ]


def test_connect__debugged_notes_a_request_that_nobody_answers(
    ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", "http://127.0.0.1:1")
    edges = connect({**ecr.environment(), "RUNNER_DEBUG": "1"})
    with pytest.raises(CallFailed):
        edges.cloud.connect(make_plan(), from_fork=False).look()

    assert names(edges.times())[-1] == "ecr:DescribeRepositories"


@pytest.mark.parametrize("debug", [{}, {"RUNNER_DEBUG": ""}, {"RUNNER_DEBUG": "0"}])
def test_connect__otherwise_notes_nothing(ecr: LocalEcr, debug: dict[str, str]) -> None:
    edges = connect({**ecr.environment(), **debug})
    edges.cloud.connect(make_plan(), from_fork=False)

    assert not edges.times()


def test_connect__debugged_counts_from_the_begin_of_the_step(ecr: LocalEcr) -> None:
    began = {"ECR_PUBLISH_STARTED": "0", "RUNNER_DEBUG": "1"}
    edges = connect({**ecr.environment(), **began})
    edges.cloud.connect(make_plan(), from_fork=False)

    # Since 1970: half a century at the least.
    assert float(edges.times()[0].split()[0]) > 50 * 365 * 86400
