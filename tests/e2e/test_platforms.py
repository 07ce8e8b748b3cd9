"""An image for several platforms, on real engines: what each image store makes of it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from dev.builder import Builder
from dev.engine import Engine
from ecr_publish.manifest import DOCKER_LIST, OCI_INDEX
from tests.e2e.support import Stage, containerd_store, stage

TWO = "linux/amd64,linux/arm64"


@pytest.fixture(scope="module")
def here(engine: Engine) -> Iterator[Stage]:
    scenario = {
        "default": "clean",
        "rules": [{"repository": "bad", "platform": "linux/arm64", "script": "vulnerable"}],
    }
    with stage(engine, scenario=scenario) as made:
        made.create("several", "bad", "one")
        yield made


def test_platforms__several_are_published_as_one_index(here: Stage) -> None:
    with here.start(repository="several", platforms=TWO) as step:
        code = step.wait()

        if here.engine.store == "classic":
            # The docker driver of buildx cannot load an index into the classic store.
            assert code == 5
            assert "containerd image store" in step.summary
            assert b"building with" not in step.log
            return
        assert code == 0
        digest = here.tags("several")[here.commit[:7]]
        assert step.outputs["digest"] == digest == here.skopeo_digest("several", here.commit[:7])
    stored = here.api.batch_get_image(
        repositoryName="several",
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=[OCI_INDEX, DOCKER_LIST],
    )
    children = json.loads(stored["images"][0]["imageManifest"])["manifests"]
    platforms = [child["platform"]["architecture"] for child in children]
    assert sorted(platforms) == ["amd64", "arm64"]


def test_s1_platforms__one_that_is_vulnerable_refuses_all(here: Stage) -> None:
    if here.engine.store == "classic":
        with here.start(repository="bad", platforms="linux/arm64") as step:
            assert step.wait() == 9
    else:
        with here.start(repository="bad", platforms=TWO) as step:
            assert step.wait() == 9
            assert "linux/arm64" in step.summary

    assert list(here.tags("bad")) == here.candidates("bad")


def test_platforms__one_other_than_the_engines_own(here: Stage) -> None:
    with here.start(repository="one", platforms="linux/arm64") as step:
        assert step.wait() == 0

    assert here.commit[:7] in here.tags("one")


@containerd_store
def test_platforms__immutable_candidate_is_said_before_the_build(here: Stage) -> None:
    here.create("fixed", immutable=True)
    with here.start(repository="fixed", platforms=TWO) as step:
        assert step.wait() == 5
        assert "candidate-*" in step.summary
        assert b"building with" not in step.log


@containerd_store
@pytest.mark.parametrize("immutable", [False, True])
def test_builder__outside_of_the_engine_pushes_by_itself(
    engine: Engine, here: Stage, *, immutable: bool
) -> None:
    """Also an index with attestations to immutable tags, which no engine can push."""
    name = "outside-immutable" if immutable else "outside"
    here.create(name, immutable=immutable)
    with Builder(engine) as builder:
        builder.create(name, {**os.environ, "HOME": str(here.home)})
        inputs = {"repository": name, "platforms": TWO, "builder": name}
        with here.start(**inputs, provenance="mode=min") as step:
            assert step.wait() == 0, step.log.decode()
            assert step.outputs["digest"] == here.skopeo_digest(name, here.commit[:7])
            assert b"::group::Push" not in step.log
        assert list(here.directory.joinpath("temp").glob("docker-*")) == []
