"""A policy file in the consumer's checkout, through the step as its users run it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.engine import Engine
from tests.e2e.support import Stage, one_store, stage

ACCEPTING = """\
severity-threshold: critical
limits: {high: 5}
ignore:
  - id: CVE-2021-20000
    package: openssl
    reason: not reachable
    owner: team-web
    until: 2099-12-31
  - id: CVE-2022-20037
    reason: accepted
"""


@pytest.fixture(scope="module")
def here(engine: Engine) -> Iterator[Stage]:
    with stage(engine, scenario="vulnerable") as made:
        made.create("policy")
        yield made


def publish(here: Stage, policy: str) -> tuple[int, dict[str, str], str]:
    """Publish with this policy file in its usual place; gives exit code, outputs and summary."""
    (here.consumer / ".ecr-publish.yml").write_text(policy, encoding="utf-8")
    with here.start(repository="policy", tags="{sha}") as step:
        return step.wait(), step.outputs, step.summary


@one_store
def test_policy__one_ignore_is_not_enough_for_two(here: Stage) -> None:
    code, outputs, summary = publish(here, ACCEPTING.partition("  - id: CVE-2022")[0])

    assert (code, outputs["verdict"], outputs["ignored"]) == (9, "refused", "1")
    assert outputs["reason"] == "1 CRITICAL: at or above the threshold critical"
    assert "not reachable" in summary
    assert ".ecr-publish.yml, line 4" in summary


@one_store
def test_policy__accepts_what_it_says_and_nothing_else(here: Stage) -> None:
    code, outputs, _ = publish(here, ACCEPTING)
    assert (code, outputs["total"], outputs["ignored"]) == (0, "51", "2")

    code, outputs, _ = publish(here, ACCEPTING.replace("high: 5", "high: 4"))
    assert (code, outputs["reason"]) == (9, "5 HIGH: more than the limit of 4 HIGH")


@one_store
def test_policy__mistake_is_named_with_its_line_before_anything_is_built(here: Stage) -> None:
    here.ecr.reset()
    code, outputs, _ = publish(here, "limits:\n  medum: 3\n")

    assert code == 2
    assert outputs["reason"].startswith(
        "the policy has 1 problem: .ecr-publish.yml: line 2: limits.medum: is not a key here"
    )
    assert here.operations() == []
