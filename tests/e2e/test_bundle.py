"""The action as a release tag carries it, on a machine that reaches no package index."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from dev import act
from dev.engine import Engine
from tests.e2e.support import Job, Stage, one_store, stage

NOBODY = "http://127.0.0.1:9"
"""Port 9 discards, and nothing listens there."""


def no_index(empty: Path) -> dict[str, str]:
    """Variables with which neither uv nor pip finds a package: not outside, not in a cache."""
    return {
        **{f"{name}_PROXY": NOBODY for name in ("HTTP", "HTTPS", "ALL")},
        "NO_PROXY": "127.0.0.1,localhost",
        "UV_INDEX_URL": NOBODY,
        "UV_CACHE_DIR": str(empty),
        "UV_OFFLINE": "1",
        "PIP_INDEX_URL": NOBODY,
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
    }


@pytest.fixture(scope="module")
def ran(engine: Engine, release: Path) -> Iterator[Mapping[str, tuple[Stage, Job]]]:
    """The jobs that pass and are refused, of publish.yml."""
    rules = [{"repository": "refused", "script": "vulnerable"}]
    with stage(engine, scenario={"rules": rules}) as here:
        here.create("passes", "refused")
        more = no_index(here.directory / "empty")
        yield {
            name: (
                here,
                Job(
                    name=name,
                    result=here.act("publish.yml", job=name, action=release, more=more),
                ),
            )
            for name in ("passes", "refused")
        }


@one_store
def test_bundle__passes_without_a_package_index(ran: Mapping[str, tuple[Stage, Job]]) -> None:
    here, job = ran["passes"]

    assert (job.ended, job.alerts) == ("success", ())
    digest = job.outputs()["digest"]
    assert here.tags("passes") == {here.commit[:7]: digest, "latest": digest}


@one_store
def test_bundle__refuses_without_a_package_index(ran: Mapping[str, tuple[Stage, Job]]) -> None:
    here, job = ran["refused"]

    assert (job.ended, job.exit_codes) == ("failure", (9,))
    assert job.outputs()["verdict"] == "refused"
    assert list(here.tags("refused")) == here.candidates("refused")


@one_store
@pytest.mark.parametrize("name", ["passes", "refused"])
def test_bundle__nothing_was_installed(ran: Mapping[str, tuple[Stage, Job]], name: str) -> None:
    here, _ = ran[name]

    assert (here.kept / f"{name}.temp").is_dir()
    assert not list((here.kept / f"{name}.temp").rglob("ecr-publish"))


def test_no_bundle__without_a_package_index_it_says_what_is_missing(tmp_path: Path) -> None:
    copy = act.action_copy(tmp_path / "action")
    done = subprocess.run(
        [copy / "start.sh"],
        env={"PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(tmp_path), **no_index(tmp_path / "none")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "could not install its locked dependencies" in done.stdout
