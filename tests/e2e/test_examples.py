"""The example workflows of examples/workflows/, each run by act as it stands there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dev import act
from dev.engine import Engine
from tests.e2e.support import PAYLOAD, Job, Stage, one_store, stage

NAME = "visit-counter-app"
EXAMPLES = act.CHECKOUT / "examples" / "workflows"


@pytest.fixture
def here(engine: Engine) -> Iterator[Stage]:
    with stage(engine, scan_seconds=0) as made:
        made.create(NAME)
        yield made


def play(here: Stage, name: str, **over: Any) -> Mapping[str, Job]:
    """Run an example, and give its jobs by name."""
    shutil.copy(EXAMPLES / name, here.consumer / ".github" / "workflows" / name)
    here.ecr.reset()
    result = here.act(name, **over)
    assert not result.complaints, result.complaints
    return {job: Job(name=job, result=result) for job in result.job_results}


def publish(here: Stage, **inputs: str) -> str:
    """Publish an image from the step alone; gives its digest."""
    with here.start(repository=NAME, **inputs) as step:
        assert step.wait() == 0, step.log.decode(errors="replace")
        return step.outputs["digest"]


def releases(here: Stage) -> dict[str, str]:
    """The release tags of the repository and the digest behind each."""
    return {tag: it for tag, it in here.tags(NAME).items() if not tag.startswith("candidate-")}


def test_native_platforms__become_one_index_that_is_gated_and_promoted(here: Stage) -> None:
    jobs = play(here, "native-platforms.yml")

    assert {name: job.ended for name, job in jobs.items()} == dict.fromkeys(
        ("amd64", "arm64", "merge"), "success"
    )
    digest = jobs["merge"].outputs("merge")["digest"]
    tags = here.tags(NAME)
    assert {tag: tags[tag] for tag in (here.commit, "latest")} == dict.fromkeys(
        (here.commit, "latest"), digest
    )
    assert here.skopeo_digest(NAME, "latest") == digest
    index = json.loads(
        here.skopeo("inspect", "--raw", "--tls-verify=false", _docker_url(here, "latest"))
    )
    assert [
        (child["platform"]["architecture"], child["digest"]) for child in index["manifests"]
    ] == [(name, jobs[name].outputs()["digest"]) for name in ("amd64", "arm64")]


@one_store
def test_native_platforms__same_commit_again_has_the_same_index(here: Stage) -> None:
    first = play(here, "native-platforms.yml")["merge"].outputs("merge")["digest"]
    jobs = play(here, "native-platforms.yml")

    assert jobs["merge"].ended == "success"
    assert jobs["merge"].outputs("merge")["digest"] == first
    assert "v2.StartUpload" not in here.operations(NAME)


@one_store
def test_s5_native_platforms__built_anew_the_index_of_an_immutable_repository_stays(
    engine: Engine,
) -> None:
    """Each run has runners that have just been born, whose checkouts date the files anew."""
    with stage(engine) as here:
        here.create(NAME, immutable=True)
        first = play(here, "native-platforms.yml")
        index, before = first["merge"].outputs("merge")["digest"], releases(here)
        assert before == dict.fromkeys((here.commit, "latest"), index)
        here.forget_builds()
        for file in here.consumer.glob("*.*"):
            file.touch()
        jobs = play(here, "native-platforms.yml")

        assert jobs["merge"].ended == "success"
        for name in ("amd64", "arm64"):
            assert jobs[name].outputs()["digest"] != first[name].outputs()["digest"]
        assert jobs["merge"].outputs("merge")["digest"] == index
        assert releases(here) == before
        assert not {"PutImage", "BatchDeleteImage"} & set(here.operations(NAME))
        assert "Nothing was built" in jobs["merge"].summaries[0]


@one_store
def test_s1_native_platforms__a_vulnerable_one_refuses_the_index(engine: Engine) -> None:
    rule = {"repository": NAME, "platform": "linux/arm64", "script": "vulnerable"}
    with stage(engine, scenario={"default": "clean", "rules": [rule]}) as here:
        here.create(NAME)
        jobs = play(here, "native-platforms.yml")

        assert jobs["arm64"].ended == "failure"
        assert all(tag.startswith("candidate-") for tag in here.tags(NAME))


@one_store
def test_nightly_gate__judges_and_changes_nothing(here: Stage) -> None:
    digest = publish(here, tags="production")
    before = here.tags(NAME)
    jobs = play(here, "nightly-gate.yml", event="schedule")

    assert jobs["gate"].ended == "success"
    assert here.tags(NAME) == before == {"production": digest}
    assert not {"PutImage", "BatchDeleteImage", "v2.PutManifest"} & set(here.operations(NAME))
    assert "Release tags | none (promote-to names none)" in jobs["gate"].summaries[0]


@one_store
def test_nightly_gate__fails_once_the_image_is_known_to_be_vulnerable(engine: Engine) -> None:
    with stage(engine, scenario="vulnerable") as here:
        here.create(NAME)
        publish(here, tags="production", report_only="true")
        before = here.tags(NAME)
        jobs = play(here, "nightly-gate.yml", event="schedule")

        assert jobs["gate"].ended == "failure"
        assert here.tags(NAME) == before


@one_store
def test_gate_before_deploy__hands_the_judged_digest_on(here: Stage) -> None:
    digest = publish(here, tags="1.4.2")
    payload = {**PAYLOAD, "inputs": {"tag": "1.4.2"}}
    jobs = play(here, "gate-before-deploy.yml", event="workflow_dispatch", payload=payload)

    assert jobs["deploy"].ended == "success"
    assert f"deploying {here.ecr.host}/{NAME}@{digest}" in jobs["deploy"].log.splitlines()


@one_store
def test_gate_before_deploy__a_tag_that_is_not_there_deploys_nothing(here: Stage) -> None:
    payload = {**PAYLOAD, "inputs": {"tag": "1.4.3"}}
    jobs = play(here, "gate-before-deploy.yml", event="workflow_dispatch", payload=payload)

    assert jobs["deploy"].ended == "failure"
    assert "deploying" not in jobs["deploy"].log
    (said,) = jobs["deploy"].alerts
    assert said.message == f"Not published: the repository {NAME} has no image 1.4.3"


@one_store
def test_staging_to_production__moves_the_tag_and_no_bytes(here: Stage) -> None:
    digest = publish(here, tags="staging")
    jobs = play(here, "staging-to-production.yml", event="workflow_dispatch")

    assert jobs["promote"].ended == "success"
    assert here.tags(NAME) == {"staging": digest, "production": digest}
    assert not [name for name in here.operations(NAME) if name.startswith("v2.")]


@one_store
def test_staging_to_production__never_goes_back(here: Stage) -> None:
    publish(here, tags="staging")
    (here.consumer / "index.html").write_text("<p>Visits: 2</p>\n", encoding="utf-8")
    act.commit(here.consumer, "A newer version", date="2040-01-01T00:00:00Z")
    newer = publish(here, tags="production")
    jobs = play(here, "staging-to-production.yml", event="workflow_dispatch")

    assert jobs["promote"].ended == "success"
    assert here.tags(NAME)["production"] == newer
    assert jobs["promote"].alerts[0].kind == "warning"
    assert "The tag production stays on" in jobs["promote"].alerts[0].message


def _docker_url(here: Stage, tag: str) -> str:
    return f"docker://{here.ecr.host}/{NAME}:{tag}"


@one_store
def test_code_scanning__gets_the_file_after_a_refusal_too(here: Stage) -> None:
    here.ecr.set_scenario("vulnerable")
    job = play(here, "code-scanning.yml")["publish"]

    assert job.ended == "failure"
    assert job.exit_codes == (9,)
    sarif = json.loads((here.kept / "uploaded.sarif").read_text("utf-8"))
    assert len(sarif["runs"][0]["results"]) == int(job.outputs()["total"])
