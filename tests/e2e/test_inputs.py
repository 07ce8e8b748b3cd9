"""inputs.yml, run by act: builds with secrets, further contexts, annotations and caches."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from dev.builder import Builder
from dev.engine import Engine
from ecr_publish.manifest import IMAGES
from tests.e2e.conftest import Played
from tests.e2e.support import PUSHED, Stage, Told, containerd_store, one_store

TOKENS = ("npm-token-that-nobody-may-see", "pip-token-that-nobody-may-see")


def files_with(folder: Path, texts: tuple[str, ...]) -> list[Path]:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if any(text.encode() in path.read_bytes() for text in texts)]


def manifest(here: Stage, repository: str, tag: str) -> dict[str, object]:
    (held,) = here.api.batch_get_image(
        repositoryName=repository, imageIds=[{"imageTag": tag}], acceptedMediaTypes=[*IMAGES]
    )["images"]
    found: dict[str, object] = json.loads(held["imageManifest"])
    return found


@containerd_store
def test_given__is_published_with_its_annotation(given: Played) -> None:
    here, job = given.stage, given.job("given")

    assert (job.ended, job.alerts) == ("success", ()), job.log
    annotations = manifest(here, "given", here.commit[:7])["annotations"]
    assert annotations == {"org.example.team": "web, ops"}


@containerd_store
def test_s3_given__secrets_are_read_in_the_build_and_masked_in_the_log(given: Played) -> None:
    job = given.job("given")

    assert "of two lines" not in job.log.replace("::add-mask::", "")
    assert [token for token in TOKENS if token in job.log] == []
    masked = [line.argument for line in job.lines if line.command == "add-mask"]
    assert masked[:3] == [TOKENS[0], "of two lines", TOKENS[1]]
    assert "***" in job.log


@containerd_store
def test_s3_given__secrets_are_in_no_command_line_summary_output_or_file(given: Played) -> None:
    job = given.job("given")
    lines = [line for line in given.command_lines if b"id=npm,env=" in line]

    assert lines, "nobody looked while it ran"
    assert not [line for line in given.command_lines if any(t.encode() in line for t in TOKENS)]
    assert not [text for text in job.summaries if any(token in text for token in TOKENS)]
    assert not [text for text in job.outputs().values() if any(token in text for token in TOKENS)]
    assert files_with(given.stage.kept, TOKENS) == []


@containerd_store
def test_cached__second_build_takes_the_cache_of_the_registry(given: Played) -> None:
    here, job = given.stage, given.job("cached")

    assert (job.ended, job.alerts) == ("success", ()), job.log
    ran = re.findall(r"^#\d+ \d+\.\d+ work that takes long$", job.log, re.MULTILINE)
    assert len(ran) == 1, "only the first build did the work"
    assert "importing cache manifest from" in job.log
    assert job.outputs("first")["digest"] == job.outputs("second")["digest"]
    held = manifest(here, "cached", "buildcache")
    assert "buildkit.cacheconfig" in json.dumps(held["config"])


@containerd_store
def test_s3_cached__login_is_gone_with_the_build(given: Played) -> None:
    here = given.stage

    assert list((here.kept / "cached.temp").glob("docker-*")) == []
    assert [path for path in here.home.rglob("config.json") if path.is_file()] == []


@containerd_store
def test_builder__outside_of_the_engine_writes_and_uses_a_cache(
    engine: Engine, given: Played
) -> None:
    here = given.stage
    here.create("outside")
    cache = f"{here.ecr.host}/outside:buildcache"
    inputs = {"repository": "outside", "builder": "outside", "file": "inputs.Dockerfile"}
    inputs |= {"network": "none", "build_contexts": "site=.", "secret_envs": "npm=A,pip=B"}
    told = Told(environment={"A": TOKENS[0], "B": TOKENS[1]}, payload=PUSHED.payload)
    with Builder(engine) as builder:
        builder.create("outside", {**os.environ, "HOME": str(here.home)})
        with here.start(told, **inputs, cache_to=cache) as step:
            assert step.wait() == 0, step.log.decode()
            first = step.outputs["digest"]
        here.forget_builds()
        with here.start(told, **inputs, cache_from=cache, rebuild="true") as step:
            assert step.wait() == 0, step.log.decode()
            assert b"importing cache manifest from" in step.log
            assert step.outputs["digest"] == first
    assert here.tags("outside").keys() == {here.commit[:7], "latest", "buildcache"}


@one_store
def test_s4_cache__release_tag_is_none(given: Played) -> None:
    here = given.stage
    cache = f"{here.ecr.host}/given:{here.commit[:7]}"
    with here.start(repository="given", cache_to=cache) as step:
        assert step.wait() == 2
        assert b"is a tag of images" in step.log
        assert b"building with" not in step.log


@one_store
def test_cache__of_the_classic_store_is_said_before_the_build(given: Played) -> None:
    job = given.job("cached")

    assert job.exit_codes == (5,)
    (alert,) = job.alerts
    assert alert.message.startswith("Not published: cache-to says type=registry, which this Docker")
    assert "docker/setup-buildx-action" in job.summaries[0]


@one_store
def test_github_cache__that_is_closed_says_what_to_add(given: Played) -> None:
    with given.stage.start(repository="given", cache_from="type=gha") as step:
        assert step.wait() == 2
        assert b"core.exportVariable" in step.log
