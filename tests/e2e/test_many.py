"""Many images in one step: examples/monorepo, also again, cancelled, and pushed by BuildKit."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator

import pytest

from dev import act
from dev.builder import Builder
from dev.engine import Engine
from tests.e2e.support import Job, Stage, Told, containerd_store, obeyed, one_store, stage

TARGETS = ("web", "api", "worker")
REPOSITORIES = tuple(f"team/{name}" for name in TARGETS)
EXAMPLES = act.CHECKOUT / "examples"
SOON = 7.5
VULNERABLE = {"default": "clean", "rules": [{"repository": "team/api", "script": "vulnerable"}]}
GIVEN = {"repository": "team/{target}", "bake_file": "docker-bake.hcl"}


@pytest.fixture
def here(engine: Engine) -> Iterator[Stage]:
    with stage(engine, scenario=VULNERABLE) as made:
        made.create(*REPOSITORIES)
        shutil.copytree(EXAMPLES / "monorepo", made.consumer, dirs_exist_ok=True)
        workflow = made.consumer / ".github" / "workflows" / "monorepo.yml"
        shutil.copy(EXAMPLES / "workflows" / "monorepo.yml", workflow)
        act.commit(made.consumer, "A monorepo")
        yield made


def play(here: Stage) -> Job:
    here.ecr.reset()
    result = here.act("monorepo.yml")
    assert not result.complaints, result.complaints
    return Job(name="publish", result=result)


def tags(here: Stage) -> dict[str, set[str]]:
    """The release tags of each repository."""
    return {
        name: {tag for tag in here.tags(f"team/{name}") if not tag.startswith("candidate-")}
        for name in TARGETS
    }


def test_s1_monorepo__one_is_refused_and_the_others_are_published(here: Stage) -> None:
    before = here.images()
    job = play(here)

    sha = act.git(here.consumer, "rev-parse", "HEAD").strip()
    assert (job.ended, job.exit_codes) == ("failure", (9,))
    assert tags(here) == {"web": {sha, "latest"}, "api": set(), "worker": {sha, "latest"}}
    assert len(here.candidates("team/api")) == 1
    found = {item["target"]: item for item in json.loads(job.outputs()["images"])}
    assert {name: item["verdict"] for name, item in found.items()} == {
        "web": "passed",
        "api": "refused",
        "worker": "passed",
    }
    for name in ("web", "worker"):
        assert here.skopeo_digest(f"team/{name}", "latest") == found[name]["digest"]
    assert here.images() == before
    (summary,) = job.summaries
    assert summary.startswith("## ❌ Refused: 1 of 3 images did not pass: api: ")
    assert job.alerts[-1].message.startswith("Refused: 1 of 3 images did not pass: api: ")
    assert job.outputs()["report-file"].splitlines() == [f"reports/{it}.json" for it in TARGETS]


@one_store
def test_s5_monorepo__again_uploads_nothing_and_builds_only_what_was_refused(here: Stage) -> None:
    first = json.loads(play(here).outputs()["images"])
    before = tags(here)
    job = play(here)

    again = json.loads(job.outputs()["images"])
    assert [item["digest"] for item in again] == [item["digest"] for item in first]
    assert tags(here) == before
    assert not {"v2.StartUpload", "PutImage"} & set(here.operations())
    for name in ("team/web", "team/worker"):
        assert not [it for it in here.operations(name) if it.startswith("v2.Put")]
    assert "web: Note: Nothing was built" in job.log
    assert "api: Note: Nothing was built" not in job.log


@containerd_store
def test_monorepo__pushed_by_buildkit_itself(here: Stage, engine: Engine) -> None:
    here.home.mkdir(exist_ok=True)
    with Builder(engine) as builder:
        builder.create("outside", {"PATH": os.environ["PATH"], "HOME": str(here.home)})
        with here.start(**GIVEN, builder="outside") as step:
            assert step.wait() == 9, step.log.decode(errors="replace")
            assert "pushed by BuildKit itself" in step.log.decode()

    assert {name: bool(found) for name, found in tags(here).items()} == {
        "web": True,
        "api": False,
        "worker": True,
    }


@one_store
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_s6_monorepo__cancelled_in_the_pushes_says_of_each_what_may_be_there(
    here: Stage, by: signal.Signals
) -> None:
    hold = here.ecr.hold("v2.PutManifest", when="after")
    with hold as held, here.start(Told(), **GIVEN) as step:
        held.wait()
        seconds = step.end(by)
        held.drop()

        assert step.process.returncode == 130
        assert seconds < SOON
        assert step.outputs["reason"] == "the run was cancelled"
        images = json.loads(step.outputs["images"])
        assert {item["reason"] for item in images} == {"the run was cancelled"}
        assert obeyed(step.log)[-1] == "error"
        told = step.log.decode()
        for name in TARGETS:
            there = here.candidates(f"team/{name}")
            assert (
                not there
                or f"{name}: Note: The push was under way" in told
                or any(item["candidate"].endswith(there[0]) for item in images)
            )
        assert not any(tags(here).values())


@one_store
def test_s6_monorepo__cancelled_in_the_wait_names_every_candidate(here: Stage) -> None:
    here.ecr.set_scenario("never-finishes")
    with here.start(**GIVEN) as step:
        step.wait_for("web: 0 s: the scan is running\n")
        seconds = step.end(signal.SIGINT)

        assert (step.process.returncode, seconds < SOON) == (130, True)
        assert not any(tags(here).values())
        for item in json.loads(step.outputs["images"]):
            assert item["reason"] == "the run was cancelled"
            name = item["candidate"].rpartition(":")[2]
            assert here.candidates(f"team/{item['target']}") == [name]
