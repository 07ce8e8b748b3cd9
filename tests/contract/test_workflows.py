"""The rules of this project's workflows that no linter checks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
FILES = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))


def workflow(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(path.read_text())
    return read


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_workflow__grants_nothing_at_the_top(path: Path) -> None:
    assert workflow(path)["permissions"] == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_workflow__last_job_waits_for_every_other(path: Path) -> None:
    *others, last = workflow(path)["jobs"]
    done = workflow(path)["jobs"][last]
    assert done["needs"] == others
    assert done["if"] == "always()"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_workflow__every_job_has_a_timeout(path: Path) -> None:
    jobs = workflow(path)["jobs"]
    assert [name for name, job in jobs.items() if "timeout-minutes" not in job] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_workflow__other_actions_are_pinned_with_their_version(path: Path) -> None:
    for used in re.findall(r"uses: (.+)", path.read_text()):
        assert used == "./" or re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used)


def test_workflows__there_are_some() -> None:
    assert {path.name for path in FILES} >= {"ci.yml", "release.yml", "selftest.yml"}
