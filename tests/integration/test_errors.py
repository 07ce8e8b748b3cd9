"""The text of every failure as its user reads it, each brought about and held to a golden file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.failures import HEADLINE, SCENARIOS, Scenario, World, address_of, steady, told
from tests.publication import Prepare, Publication

pytestmark = pytest.mark.usefixtures("ambient", "no_waiting")


@pytest.fixture
def world(prepare: Prepare, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as ends:
        yield World(prepare=prepare, patch=monkeypatch, folder=tmp_path, ends=ends)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_error__text_golden(
    scenario: Scenario, world: World, golden: Callable[[str, str], None], tmp_path: Path
) -> None:
    said = scenario.run(world)

    text = steady(told(scenario, said), tmp_path)
    assert address_of(scenario) in text.splitlines()[-1]
    if isinstance(said, Publication) and HEADLINE.match(text):
        kind, _, annotation = said.workflow.annotations[-1]
        assert (kind, steady(annotation, tmp_path)) == ("error", text.partition("\n")[0])
    golden(f"errors/{scenario.name}.txt", text)
