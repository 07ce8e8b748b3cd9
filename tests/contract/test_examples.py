"""What the example workflows have to have, for the policy file to count in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

FILES = sorted((Path(__file__).parents[2] / "examples/workflows").glob("*.yml"))


GATES = ("org/ecr-publish/gate", "org/ecr-publish/merge")


def _action(step: dict[str, Any]) -> str:
    return str(step.get("uses", "")).partition("@")[0]


def gates() -> list[tuple[str, dict[str, Any]]]:
    """The jobs that gate an image without building one, by file and name."""
    jobs = {path.name: yaml.safe_load(path.read_text("utf-8"))["jobs"] for path in FILES}
    return [
        (f"{path}: {name}", job)
        for path, named in jobs.items()
        for name, job in named.items()
        if any(_action(step) in GATES for step in job["steps"])
    ]


def test_gates__there_are_some() -> None:
    assert len(gates()) >= 4


@pytest.mark.parametrize(("name", "job"), gates(), ids=[name for name, _ in gates()])
def test_s1_gates__have_a_checkout_before_them_in_which_the_policy_lies(
    name: str, job: dict[str, Any]
) -> None:
    used = [_action(step) for step in job["steps"]]
    (gate,) = set(used) & set(GATES)
    assert used.index("actions/checkout") < used.index(gate), name
    assert job["permissions"] == {"id-token": "write", "contents": "read"}
    (given,) = (step["with"] for step in job["steps"] if "checkout" in step.get("uses", ""))
    assert given == {"persist-credentials": False}
