"""This project's own workflows, run by act from a clean copy of the checkout."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dev import act
from dev.engine import Engine


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone as actions/checkout would make it."""
    act.consumer_repository(act.action_copy(tmp_path / "copy"), tmp_path / "checkout")
    return tmp_path / "checkout"


def test_selftest__every_job_ends_as_it_must(engine: Engine, checkout: Path) -> None:
    result = act.run(
        act.Run(
            consumer=checkout,
            workflow=".github/workflows/selftest.yml",
            environment=engine.environment(),
        )
    )

    assert result.exit_code == 0, result.log
    assert result.job_results == dict.fromkeys(
        ("passes", "refuses", "bad-input", "done"), "success"
    )
    assert result.complaints == ()
    assert {line.job for line in result.annotations("error")} == {"bad-input", "refuses"}


@pytest.mark.parametrize(("exit_code", "end"), [(0, "success"), (1, "failure")])
def test_ci__calls_make_and_nothing_passes_without_it(
    checkout: Path, tmp_path: Path, exit_code: int, end: str
) -> None:
    # `make test` runs this test, so here a stand-in for make notes what it is asked for. In a
    # file: of a program that ends at once, act sometimes loses what it printed.
    make, asked = tmp_path / "bin" / "make", tmp_path / "asked"
    make.parent.mkdir()
    make.write_text(f'#!/bin/sh\necho "$*" >>{asked}\n[ "$1" = demo ] || exit {exit_code}\n')
    make.chmod(0o755)

    result = act.run(
        act.Run(
            consumer=checkout,
            workflow=".github/workflows/ci.yml",
            environment={"PATH": f"{make.parent}:{os.environ['PATH']}"},
        )
    )

    assert sorted(asked.read_text().splitlines()) == ["demo", "test"]
    assert result.job_results == {"test": end, "demo": "success", "done": end}
