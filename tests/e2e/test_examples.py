"""The example workflows of examples/workflows/, each run by act as it stands there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
import yaml

from dev import act
from dev.base_image import TINY
from dev.engine import Engine
from dev.github import GitHub
from tests.e2e.support import (
    PAYLOAD,
    ROLE,
    Job,
    Stage,
    containerd_store,
    one_store,
    stage,
)

NAME = "visit-counter-app"
EXAMPLES = act.CHECKOUT / "examples" / "workflows"
README = (act.CHECKOUT / "README.md").read_text("utf-8")
FIVE_LINES = 5
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
"""As the examples name it; a local ECR has a host of its own."""
_HERE = {"full_name": "org/visit-counter-app", "default_branch": "main"}
PULL_REQUEST: Mapping[str, object] = {
    **PAYLOAD,
    "action": "opened",
    "number": 7,
    "pull_request": {
        "number": 7,
        "head": {"ref": "more-visits", "repo": _HERE},
        "base": {"ref": "main", "repo": _HERE},
    },
}
NOTHING: Mapping[str, str] = MappingProxyType({})


@pytest.fixture
def here(engine: Engine) -> Iterator[Stage]:
    with stage(engine, scan_seconds=0) as made:
        made.create(NAME)
        yield made


def play(
    here: Stage, name: str, *, changes: Mapping[str, str] = NOTHING, **over: Any
) -> Mapping[str, Job]:
    """Run an example, with nothing but these words changed, and give its jobs by name."""
    return play_text(here, name, (EXAMPLES / name).read_text("utf-8"), changes, **over)


def play_text(
    here: Stage, name: str, text: str, changes: Mapping[str, str], **over: Any
) -> Mapping[str, Job]:
    """Run a workflow that is not a file yet."""
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (here.consumer / ".github" / "workflows" / name).write_text(text, encoding="utf-8")
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


def of_the_readme(words: str) -> str:
    """The one YAML block of the README that has these words."""
    blocks: list[str] = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (block,) = (text for text in blocks if words in text)
    return block


def five_lines() -> list[str]:
    """The step that the README begins with."""
    return README.partition("```yaml\n")[2].partition("```")[0].splitlines()


def test_readme__the_five_lines_are_the_step_of_its_workflow() -> None:
    (step,) = yaml.safe_load("\n".join(five_lines()))
    *_, last = yaml.safe_load(of_the_readme("name: Publish\n"))["jobs"]["publish"]["steps"]

    assert len(five_lines()) == FIVE_LINES
    assert step == last


def test_readme__its_five_line_workflow_with_only_the_role_changed(here: Stage) -> None:
    """What a newcomer does: copy it, name a role, push."""
    other = "arn:aws:iam::123456789012:role/my-own-role"
    text = of_the_readme("name: Publish\n")
    job = play_text(here, "publish.yml", text, {ROLE: other})["publish"]

    assert (job.ended, job.alerts) == ("success", ())
    assert set(here.tags(NAME)) == {here.commit[:7], "latest"}
    digest = here.skopeo_digest(NAME, "latest")
    assert here.tags(NAME) == dict.fromkeys((here.commit[:7], "latest"), digest)
    assert job.summaries[0].startswith("## ✅ Passed: no findings\n")
    assert other in job.log


@one_store
def test_s1_readme__its_five_line_workflow_refuses_what_is_vulnerable(here: Stage) -> None:
    here.ecr.set_scenario("vulnerable")
    job = play(here, "one-image.yml")["publish"]

    assert job.ended == "failure"
    assert releases(here) == {}
    assert job.alerts[0].message.startswith("Refused: 2 CRITICAL, 5 HIGH")


@one_store
def test_s5_immutable_tags__a_repository_is_created_and_run_again_nothing_moves(
    engine: Engine,
) -> None:
    with stage(engine) as here:
        first = play(here, "immutable-tags.yml")["publish"]
        before = here.tags(NAME)
        again = play(here, "immutable-tags.yml")["publish"]

        assert (first.ended, again.ended) == ("success", "success")
        assert before == here.tags(NAME) == {here.commit: first.outputs()["digest"]}
        (repository,) = here.api.describe_repositories()["repositories"]
        assert repository["imageTagMutability"] == "IMMUTABLE"
        assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
        assert not {"PutImage", "v2.StartUpload"} & set(here.operations(NAME))
        assert "Nothing was built" in again.summaries[0]


def in_the_build(*inputs: str) -> Mapping[str, str]:
    """The change that gives these further inputs, for the base images that are here."""
    return {f"repository: {NAME}\n": "\n          ".join((f"repository: {NAME}", *inputs)) + "\n"}


def pull_request(here: Stage, github: GitHub) -> Job:
    """Run the gate of pull requests for one of the repository itself."""
    github.token = act.TOKEN
    more = github.environment()
    return play(
        here, "pull-request-gate.yml", event="pull_request", payload=PULL_REQUEST, more=more
    )["gate"]


@one_store
def test_pull_request_gate__passes_and_nothing_stays(here: Stage) -> None:
    with GitHub() as github:
        job = pull_request(here, github)

    assert job.ended == "success"
    assert job.outputs()["verdict"] == "passed"
    assert here.tags(NAME) == {}
    assert "v2.PutManifest" in here.operations(NAME)
    (comment,) = github.comments
    assert comment["body"].startswith(f"<!-- ecr-publish: {NAME} -->\n")


@one_store
def test_s1_pull_request_gate__refuses_what_it_adds_and_nothing_stays(here: Stage) -> None:
    released = publish(here, tags="latest")
    rule = {"digest": released, "script": "clean"}
    here.ecr.set_scenario({"default": "vulnerable", "rules": [rule]})
    change(here)
    with GitHub() as github:
        job = pull_request(here, github)

    assert (job.ended, job.exit_codes) == ("failure", (9,))
    assert here.tags(NAME) == {"latest": released}
    (comment,) = github.comments
    assert job.outputs()["reason"] in comment["body"]


@one_store
def test_pull_request_gate__takes_what_the_released_image_has_too(engine: Engine) -> None:
    with stage(engine, scenario="vulnerable", scan_seconds=0) as here, GitHub() as github:
        here.create(NAME)
        released = publish(here, tags="latest", report_only="true")
        change(here)
        job = pull_request(here, github)

        assert job.ended == "success"
        assert (job.outputs()["new"], job.outputs()["high"]) == ("0", "5")
        assert here.tags(NAME) == {"latest": released}


def change(here: Stage) -> None:
    """Commit another version."""
    (here.consumer / "index.html").write_text("<p>Visits: 2</p>\n", encoding="utf-8")
    act.commit(here.consumer, "Another version")


@one_store
@pytest.mark.parametrize(("scenario", "ended"), [("clean", "success"), ("vulnerable", "failure")])
def test_s1_deploy__gets_the_digest_that_was_judged_or_nothing(
    here: Stage, tmp_path: Path, scenario: str, ended: str
) -> None:
    here.ecr.set_scenario(scenario)
    noted = stand_in(tmp_path, "kubectl")
    job = play(here, "deploy.yml", more={"PATH": f"{tmp_path}:{os.environ['PATH']}"})["deploy"]

    assert job.ended == ended
    asked = noted.read_text("utf-8") if noted.exists() else ""
    image = f"{here.ecr.host}/{NAME}@{job.outputs()['digest']}"
    assert asked == (f"set image deployment/web web={image}\n" if ended == "success" else "")


def stand_in(folder: Path, program: str) -> Path:
    """A program that notes its arguments in the file that is given."""
    noted = folder / "noted"
    (folder / program).write_text(f'#!/bin/sh\necho "$*" >>"{noted}"\n', encoding="utf-8")
    (folder / program).chmod(0o755)
    return noted


@one_store
def test_s3_build_secrets__reach_the_build_and_no_log(here: Stage) -> None:
    given = {"NPM_TOKEN": "npm-token-of-a-test", "SSH_KEY": "first line\nsecond line"}
    given["PIP_TOKEN"] = "pip-token-of-a-test"
    reads = "".join(
        f"RUN --mount=type=secret,id={name} test -s /run/secrets/{name}\n"
        for name in ("npm", "key", "pip")
    )
    (here.consumer / "Dockerfile").write_text(f"FROM {TINY.tag}\n{reads}", encoding="utf-8")
    changes = in_the_build("network: none")
    job = play(here, "build-secrets.yml", changes=changes, secrets=given)["publish"]

    assert job.ended == "success"
    assert not [line for line in job.log.splitlines() if "of-a-test" in line]


@containerd_store
def test_registry_cache__is_written_and_used_by_the_next_build(here: Stage) -> None:
    changes = {REGISTRY: here.ecr.host, **in_the_build("file: cached.Dockerfile", "network: none")}
    first = play(here, "registry-cache.yml", changes=changes)["publish"]
    assert first.ended == "success"
    assert set(here.tags(NAME)) == {here.commit[:7], "latest", "buildcache"}
    here.forget_builds()
    change(here)
    again = play(here, "registry-cache.yml", changes=changes)["publish"]

    assert again.ended == "success"
    ran = [job.log.count(" work that takes long\n") for job in (first, again)]
    assert ran[0] > ran[1] == 0, "only the first build did the work"
    assert "importing cache manifest" in again.log


@one_store
def test_same_digest__on_a_runner_that_has_just_been_born(here: Stage) -> None:
    here.forget_builds()
    first = play(here, "same-digest.yml")["publish"].outputs()["digest"]
    for file in here.consumer.glob("*.*"):
        file.touch()
    here.forget_builds()
    rebuild = {'"{sha}"\n': '"{sha}"\n          rebuild: true\n'}
    job = play(here, "same-digest.yml", changes=rebuild)["publish"]

    assert job.ended == "success"
    assert job.outputs()["digest"] == first
    assert "v2.PutManifest" in here.operations(NAME)


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


@one_store
def test_keep_reports__keeps_that_of_a_refusal_too(here: Stage) -> None:
    here.ecr.set_scenario("vulnerable")
    job = play(here, "keep-reports.yml")["publish"]

    assert (job.ended, job.exit_codes) == ("failure", (9,))
    (kept,) = here.kept.glob(f"scan-{here.commit}-*")
    report = json.loads(kept.read_text("utf-8"))
    assert report["verdict"] == "refused"
    assert report["digest"] == job.outputs()["digest"]
