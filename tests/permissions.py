"""The policy that the `iam` command prints, and the same with one permission less."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ecr_publish.iam import On
from ecr_publish.iam_script import asked, document
from ecr_publish.policy_file import effective
from tests.factories import DAY, NAME, ROLE

EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}
Document = dict[str, Any]


def printed(
    inputs: Mapping[str, str] = MappingProxyType({}),
    files: Mapping[str, bytes] = MappingProxyType({}),
    *,
    signing_profile: str = "",
) -> Document:
    """What the command prints as permissions.json for a step with these inputs, `_` for `-`."""
    given = {"aws_region": "eu-west-1", "repository": NAME, "role_to_assume": ROLE, **inputs}
    known = asked({name.replace("_", "-"): text for name, text in given.items()})
    rules = effective(known, files.get, DAY)
    who = ["repo:org/repo:ref:refs/heads/main"]
    script = document(known, rules, subjects=who, signing_profile=signing_profile)
    return json_of(script, "permissions.json")


def json_of(script: Iterable[str], name: str) -> Document:
    """A file of the script."""
    text = "\n".join(script).partition(f"cat > {name} <<'JSON'\n")[2].partition("\nJSON\n")[0]
    found: Document = json.loads(text)
    return found


def less(whole: Document, on: On, action: str) -> Document:
    """The policy without one action, which it has to hold."""
    statements = []
    for statement in whole["Statement"]:
        actions = statement["Action"]
        if statement["Sid"] == on.sid:
            assert action in actions, f"{action} is not allowed on {on.sid}"
            actions = [it for it in actions if it != action]
        statements += [{**statement, "Action": actions}] if actions else []
    return {**whole, "Statement": statements}


def more(whole: Document, on: On, *actions: str, resource: str) -> Document:
    """The policy with a statement of a place that no host of a local ECR could name."""
    added = {"Sid": on.sid, "Effect": "Allow", "Action": [*actions], "Resource": resource}
    return {**whole, "Statement": [*whole["Statement"], added]}
