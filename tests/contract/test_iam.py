"""The table of permissions, the README, the calls of the code and AWS's own model say the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from ecr_publish.errors import PUSHES
from ecr_publish.iam import TABLE, On, Row, Task, need, policy
from tests.factories import make_plan
from tests.permissions import json_of, printed

CHECKOUT = Path(__file__).parents[2]
README = (CHECKOUT / "README.md").read_text()
SECTION = README.partition("<summary>The role's permissions</summary>")[2].partition("</details>")[
    0
]
ACTIONS = {action for row in TABLE for action in row.actions}
ONLY_DOCKER = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
}
ONLY_ECR = {"inspector2:ListFindings", "signer:SignPayload"}
"""What ECR itself asks for in the name of its caller."""


def rendered(row: Row) -> str:
    """A row of the table as the README has it."""
    actions = ", ".join(f"`{action}`" for action in row.actions)
    when = "" if row.task is Task.ANY else f", {row.task.value}"
    return f"| {actions} | {row.on.value}{when} | {row.needed_for} | {row.without or 'no'} |"


def called() -> Iterator[str]:
    """The actions of the calls that the edge makes, by the operations that it translates."""
    source = (CHECKOUT / "ecr_publish" / "edges" / "registry.py").read_text()
    operations = {*re.findall(r'_translated\("(\w+)"', source)}
    for service in ("ecr", "inspector2"):
        model = botocore.session.get_session().get_service_model(service)
        yield from (f"{service}:{name}" for name in model.operation_names if name in operations)


def test_readme__has_the_table_of_the_code() -> None:
    found = [line for line in SECTION.splitlines() if line.startswith("| `")]
    assert found == [rendered(row) for row in TABLE]


def test_readme__has_the_policy_that_the_command_prints() -> None:
    shown: dict[str, Any] = json.loads(SECTION.partition("```json\n")[2].partition("```")[0])
    assert shown == printed() == policy(need(make_plan()))


def test_table__has_every_call_of_the_code_and_nothing_else() -> None:
    assert {*called()} == ACTIONS - ONLY_DOCKER - ONLY_ECR


@pytest.mark.parametrize("action", sorted(ACTIONS - {"signer:SignPayload"}))
def test_table__every_action_is_one_of_aws(action: str) -> None:
    service, _, name = action.partition(":")
    model = botocore.session.get_session().get_service_model(service)
    assert name in model.operation_names


def test_push__names_what_docker_needs_in_the_table() -> None:
    assert {*PUSHES} == ONLY_DOCKER | {"ecr:BatchGetImage", "ecr:PutImage"}


def test_policies__statements_are_named_after_what_they_are_on() -> None:
    assert [it["Sid"] for it in printed()["Statement"]] == [
        place.sid for place in (On.REGISTRY, On.REPOSITORY, On.ENHANCED_SCANNING)
    ]


def test_json_of__finds_nothing_where_there_is_none() -> None:
    with pytest.raises(json.JSONDecodeError):
        json_of(["echo"], "permissions.json")
