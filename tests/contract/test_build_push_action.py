"""Every input of docker/build-push-action (v6) has its place here, or a reason to have none."""

from __future__ import annotations

import re

import pytest

from ecr_publish.inputs import Job
from tests.contract.test_action import ACTIONS, CHECKOUT

BUILDING = (CHECKOUT / "docs/building.md").read_text("utf-8")
SAME = "the same"
LEFT_OUT = "left out"
PLACES = {
    "add-hosts": SAME,
    "allow": SAME,
    "annotations": SAME,
    "attests": f"{LEFT_OUT}: `provenance` and `sbom` say it",
    "build-args": SAME,
    "build-contexts": SAME,
    "builder": SAME,
    "cache-from": SAME,
    "cache-to": SAME,
    "call": f"{LEFT_OUT}: this action publishes; what the checks of the Dockerfile remark is shown",
    "cgroup-parent": SAME,
    "context": "the same, but the checkout by default, not a fetch of its own",
    "file": SAME,
    "github-token": "for reports on GitHub; for a private Git context, `secrets: GIT_AUTH_TOKEN=…`",
    "labels": SAME,
    "load": f"{LEFT_OUT}: an image that is in the engine is named by `image`",
    "network": SAME,
    "no-cache": "the same, and it implies `rebuild`",
    "no-cache-filters": "the same, and it implies `rebuild`",
    "outputs": f"{LEFT_OUT}: the image goes to ECR",
    "platforms": SAME,
    "provenance": "`false` by default, and with no attribute but `mode`",
    "pull": "the same, and it implies `rebuild`",
    "push": f"{LEFT_OUT}: it always does",
    "sbom": SAME,
    "secret-envs": "the same, but a variable that is not set ends the step",
    "secret-files": SAME,
    "secrets": "the same, but an empty one ends the step",
    "shm-size": SAME,
    "ssh": SAME,
    "tags": "the release tags, put on after the gate; the repository is named by `repository`",
    "target": SAME,
    "ulimit": SAME,
}


def section() -> str:
    return BUILDING.partition("\n## Coming from docker/build-push-action\n")[2].partition("\n## ")[
        0
    ]


@pytest.mark.parametrize("name", PLACES)
def test_build_push_action__input_is_here_or_left_out(name: str) -> None:
    left_out = PLACES[name].startswith(LEFT_OUT)
    assert (name in ACTIONS[Job.PUBLISH]["inputs"]) is not left_out


def test_build_push_action__docs_name_what_is_the_same() -> None:
    said = section().partition(":")[2].partition(". ")[0]
    assert re.findall(r"`([a-z-]+)`", said) == [name for name in PLACES if PLACES[name] == SAME]


def test_build_push_action__docs_say_what_becomes_of_the_rest() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| (.+) \|$", section(), re.MULTILINE))
    assert rows == {name: place for name, place in PLACES.items() if place != SAME}
