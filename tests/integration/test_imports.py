"""A run imports what it needs and nothing else: each import is waited for on every run."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LOADED = """
import sys
from ecr_publish.main import connect
edges = connect({})
THEN
print(*sys.modules)
"""
SELDOM = (
    *("ecr_publish.report.page", "ecr_publish.report.sarif", "ecr_publish.report.batch"),
    *("ecr_publish.edges.github", "ecr_publish.edges.timeline", "ecr_publish.many"),
    *("asyncio", "unittest", "moto", "pytest"),
)


def loaded(then: str = "") -> set[str]:
    """The modules of a run whose edges are made, after this."""
    code = LOADED.replace("THEN", then)
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(said.stdout.split())


@pytest.fixture(scope="module")
def at_first() -> set[str]:
    return loaded()


@pytest.mark.parametrize("name", [*SELDOM, "docker"])
def test_connect__imports_nothing_that_few_runs_need(at_first: set[str], name: str) -> None:
    assert name not in at_first


def test_connect__imports_what_every_run_needs(at_first: set[str]) -> None:
    assert {"boto3", "ecr_publish.report.summary"} <= at_first


def test_engine__is_imported_when_it_is_asked_for() -> None:
    asked = "edges.engine.forget('a'); edges.engine._api"
    assert "docker" not in loaded("edges.engine.forget('a')")
    assert "docker" in loaded(asked)
