"""An image for several platforms, on real engines: what each image store makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dev.engine import Engine
from tests.e2e.support import Stage, stage

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
            return
        assert code == 0
        digest = here.tags("several")[here.commit[:7]]
        assert step.outputs["digest"] == digest == here.skopeo_digest("several", here.commit[:7])
    stored = here.api.batch_get_image(
        repositoryName="several",
        imageIds=[{"imageDigest": digest}],
        acceptedMediaTypes=["application/vnd.oci.image.index.v1+json"],
    )
    children = json.loads(stored["images"][0]["imageManifest"])["manifests"]
    platforms = [child["platform"]["architecture"] for child in children]
    assert sorted(platforms) == ["amd64", "arm64", "unknown", "unknown"]


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
