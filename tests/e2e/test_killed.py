"""A run that dies around its PutImage calls: no tag is wrong (S1), the next run ends it (S5)."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pytest

from dev.engine import Engine
from tests.e2e.support import Stage, Step, stage

TAGS = ("v1", "latest")
EXCLUSIONS: Mapping[str, tuple[str, ...]] = {
    "MUTABLE": (),
    "IMMUTABLE": (),
    "MUTABLE_WITH_EXCLUSION": ("v*",),
    "IMMUTABLE_WITH_EXCLUSION": ("latest",),
}
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
# Which call of the two is held, where, and how many tags are on when the service has done its part.
MOMENTS: Mapping[str, tuple[int, Literal["before", "after"], int]] = {
    "right before": (0, "before", 0),
    "between": (0, "after", 1),
    "right after": (1, "after", 2),
}
# Every signal with every mode, and every moment with both: not all 36, which would take minutes.
CASES = [
    (mode, by, list(MOMENTS)[(row + column) % len(MOMENTS)])
    for (row, mode), (column, by) in itertools.product(enumerate(EXCLUSIONS), enumerate(SIGNALS))
]


@pytest.fixture(scope="module")
def here(engine: Engine) -> Iterator[Stage]:
    # What is waited for is shown elsewhere.
    with stage(engine, scan_seconds=0) as made:
        yield made


def create(here: Stage, name: str, mode: str) -> None:
    filters: Any = [{"filterType": "WILDCARD", "filter": item} for item in EXCLUSIONS[mode]]
    here.api.create_repository(
        repositoryName=name,
        imageScanningConfiguration={"scanOnPush": True},
        imageTagMutability=mode,  # type: ignore[arg-type]
        **({"imageTagMutabilityExclusionFilters": filters} if filters else {}),
    )


@pytest.mark.parametrize(("mode", "by", "moment"), CASES)
def test_s1_s5__killed_promotion_puts_nothing_wrong_and_is_completed(
    here: Stage, mode: str, by: signal.Signals, moment: str
) -> None:
    name = f"{mode}-{by.name}-{moment}".lower().replace(" ", "-").replace("_", "-")
    create(here, name, mode)
    put, when, done = MOMENTS[moment]
    inputs = {"repository": name, "tags": "\n".join(TAGS)}
    # A polite end lets the call that is on its way come to its own end first.
    polite = by is not signal.SIGKILL
    expected = TAGS[: max(done, 1) if polite else done]
    with here.ecr.hold("PutImage", when=when, skip=put) as held, here.start(**inputs) as step:
        held.wait()
        step.process.send_signal(by)
        if polite:
            held.release()
        step.wait()
        held.drop()

        digest = here.tags(name)[step.candidate]
        assert here.tags(name) == {step.candidate: digest, **dict.fromkeys(expected, digest)}
        if polite:
            _assert_true_report(here, step, name, expected)

    here.ecr.reset()
    with here.start(**inputs) as again:
        assert again.wait() == 0, again.log.decode(errors="replace")
        assert again.outputs["digest"] == digest
    assert {tag: here.tags(name)[tag] for tag in TAGS} == dict.fromkeys(TAGS, digest)
    assert "v2.StartUpload" not in here.operations(name)


def _assert_true_report(here: Stage, step: Step, name: str, tags: tuple[str, ...]) -> None:
    assert step.process.returncode == 130
    assert step.outputs["verdict"] == "passed"
    assert step.outputs["tags"].splitlines() == [f"{here.ecr.host}/{name}:{tag}" for tag in tags]
    assert step.outputs["candidate"] == f"{here.ecr.host}/{name}:{step.candidate}"
    assert step.summary.startswith("## ❌ Published in part: the run was cancelled\n")
