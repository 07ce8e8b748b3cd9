"""A run that is cancelled, at any time and by any signal: it ends soon, and truthfully (S6).

GitHub's runner sends SIGINT to the step's process, 7.5 s later SIGTERM, 2.5 s later it kills.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dev.engine import Engine
from local_ecr.holds import When
from tests.e2e.conftest import pull_request
from tests.e2e.support import (
    ACTION,
    Stage,
    Step,
    Told,
    command_lines,
    obeyed,
    one_store,
    stage,
)

SOON = 7.5
POLITE = pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
SLOW_BUILD = {"repository": "builds", "file": "slow.Dockerfile", "network": "none"}


@pytest.fixture(scope="module")
def here(engine: Engine) -> Iterator[Stage]:
    with stage(engine, scenario="never-finishes") as made:
        made.create("starts", "builds", "pushes", "scans", "killed", "cancelled")
        yield made


@one_store
@POLITE
def test_cancelled_start__does_not_go_on(here: Stage, by: signal.Signals) -> None:
    with here.start(repository="starts") as step:
        time.sleep(0.1)
        seconds = step.end(by)

        # Python dies of the signal where it has not come as far as to its own handler.
        assert step.process.returncode in (130, -by)
        assert seconds < SOON
        assert here.tags("starts") == {}


@one_store
@POLITE
def test_cancelled_imports__wait_until_there_is_something_to_report(
    here: Stage, by: signal.Signals
) -> None:
    with here.start(repository="starts") as step:
        process = Path(f"/proc/{step.process.pid}")
        _wait_until(lambda: _holds_back(process, by), "Python")
        seconds = step.end(by)

        _assert_cancelled(here, step, seconds)
        assert here.tags("starts") == {}


@POLITE
def test_cancelled_build__ends_soon_and_takes_buildx_along(here: Stage, by: signal.Signals) -> None:
    with here.start(**SLOW_BUILD) as step:
        step.wait_for("the slow step begins\n")
        assert step.children(), "buildx does not run"
        seconds = step.end(by)

        _assert_cancelled(here, step, seconds)
        assert here.tags("builds") == {}
        # The build's output was bracketed, and the brackets were closed.
        assert obeyed(step.log)[-1] == "error"


def test_cancelled_push__ends_soon_without_a_release_tag(here: Stage) -> None:
    here.ecr.delay("v2.PutManifest", 20)
    with here.start(repository="pushes") as step:
        _wait_until(lambda: "v2.FinishUpload" in here.operations("pushes"), "an upload")
        seconds = step.end(signal.SIGINT)
        here.ecr.delay("v2.PutManifest", 0)

        _assert_cancelled(here, step, seconds)
        assert list(here.tags("pushes")) == here.candidates("pushes")


@one_store
@POLITE
@pytest.mark.parametrize("arrives", [True, False])
def test_s6_cancelled_push__says_that_the_candidate_may_be_there(
    here: Stage,
    by: signal.Signals,
    arrives: bool,  # noqa: FBT001
) -> None:
    name = f"may-be-there-{by.name}-{arrives}".lower()
    here.create(name)
    when: When = "after" if arrives else "before"
    with here.ecr.hold("v2.PutManifest", when=when) as held, here.start(repository=name) as step:
        held.wait()
        seconds = step.end(by)
        held.drop()

        _assert_cancelled(here, step, seconds)
        assert here.candidates(name) == list(here.tags(name)) == [step.candidate][:arrives]
        said = f"The push was under way; ECR may have taken the candidate {step.candidate}."
        assert said in step.summary
        assert said in step.log.decode()


@one_store
@POLITE
def test_s6_cancelled_build_of_a_fork__ends_soon_and_takes_buildx_along(
    here: Stage, by: signal.Signals
) -> None:
    no_token = {name: "" for name in here.github if name.startswith("ACTIONS_ID_TOKEN_")}
    payload = pull_request("stranger/visit-counter-app")
    before = here.images()
    environment = {**no_token, "GITHUB_EVENT_NAME": "pull_request"}
    told = Told(environment=environment, payload=payload)
    with here.start(told, on_fork="build-only", **SLOW_BUILD) as step:
        step.wait_for("the slow step begins\n")
        assert _named("type=cacheonly", "slow.Dockerfile"), "buildx does not run"
        seconds = step.end(by)

        _assert_cancelled(here, step, seconds)
        assert _named("type=cacheonly", "slow.Dockerfile") == []
        assert here.images() == before


@one_store
def test_s6_cancelled_build__says_nothing_of_a_candidate(here: Stage) -> None:
    with here.start(**SLOW_BUILD) as step:
        step.wait_for("the slow step begins\n")
        step.end(signal.SIGINT)

        assert "may have taken" not in step.summary


@one_store
@POLITE
def test_cancelled_scan__ends_soon_without_a_release_tag(here: Stage, by: signal.Signals) -> None:
    with here.start(repository="scans") as step:
        step.wait_for("the scan is running\n")
        seconds = step.end(by)

        _assert_cancelled(here, step, seconds)
        assert list(here.tags("scans")) == here.candidates("scans")
        # What was pushed is named, so that somebody may look at it.
        digest = here.tags("scans")[step.candidate]
        assert step.outputs["image"] == f"{here.ecr.host}/scans@{digest}"
        assert step.outputs["candidate"] == f"{here.ecr.host}/scans:{step.candidate}"


@one_store
@pytest.mark.parametrize(
    ("inputs", "sign"),
    [({"repository": "scans"}, "the scan is running\n"), (SLOW_BUILD, "the slow step begins\n")],
    ids=["scan", "build"],
)
def test_cancelled_again_and_again__the_end_is_still_whole(
    here: Stage, inputs: dict[str, str], sign: str
) -> None:
    """The runner's second signal comes while the first one is being obeyed."""
    with here.start(**inputs) as step:
        step.wait_for(sign)
        began = time.monotonic()
        while step.process.poll() is None:
            step.process.send_signal(signal.SIGINT)
            time.sleep(0.0005)

        _assert_cancelled(here, step, time.monotonic() - began)


@one_store
def test_cancelled__of_a_whole_run_leaves_no_release_tag(here: Stage) -> None:
    """act kills all at once, where GitHub's runner asks first (dev/act.py)."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        run = pool.submit(here.act, "cancelled.yml")
        candidate = f"{here.ecr.host}/cancelled:candidate-"
        _wait_until(lambda: bool(_named(candidate)), "a build")
        began = time.monotonic()
        for pid in _named("/act\0", str(here.consumer)):
            os.kill(pid, signal.SIGINT)
        result = run.result(timeout=60)
        seconds = time.monotonic() - began
        left = _named(candidate)
        for pid in left:
            os.kill(pid, signal.SIGKILL)

    assert result.job_results.get("cancelled") != "success"
    assert here.tags("cancelled") == {}
    assert (seconds < SOON, left) == (True, [])


@one_store
def test_s1__killed_build_leaves_no_tag(here: Stage) -> None:
    with here.start(**SLOW_BUILD) as step:
        step.wait_for("the slow step begins\n")
        step.end(signal.SIGKILL)

        assert here.tags("builds") == {}


@one_store
def test_s1__killed_scan_leaves_no_release_tag(here: Stage) -> None:
    with here.start(repository="killed") as step:
        step.wait_for("the scan is running\n")
        step.end(signal.SIGKILL)

        assert list(here.tags("killed")) == [step.candidate]


def _assert_cancelled(here: Stage, step: Step, seconds: float) -> None:
    assert step.process.returncode == 130, step.log.decode(errors="replace")
    assert seconds < SOON
    assert step.children() == []
    assert step.log.splitlines()[-1] == (
        b"::error title=ecr-publish::Not published: the run was cancelled"
    )
    assert set(step.outputs) == set(ACTION["outputs"])
    assert step.outputs["verdict"] == "unknown"
    assert step.outputs["reason"] == "the run was cancelled"
    assert step.outputs["tags"] == ""
    assert step.summary.startswith("## ❌ Not published: the run was cancelled\n")
    assert step.summary.count("\n## ") == 0
    assert [name for name in here.images() if "candidate" in name] == []


def _named(*words: str) -> list[int]:
    """The processes whose command lines hold these words."""
    return [
        pid for pid, line in command_lines().items() if all(word.encode() in line for word in words)
    ]


def _wait_until(happened: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline, f"there was never {what}"
        time.sleep(0.02)


def _holds_back(process: Path, number: signal.Signals) -> bool:
    """Whether it is Python already and blocks a signal; see proc(5).

    bash was there before, and does so at times; a version manager's python3 is bash once more.
    """
    status = (process / "status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    blocked = bool(int(mask, 16) >> (number - 1) & 1)
    return blocked and (process / "exe").readlink().name.startswith("python")
