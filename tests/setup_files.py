"""What docs/setup has to make, and how its three files are read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dev.act import CHECKOUT
from tests.permissions import printed

SETUP = CHECKOUT / "docs" / "setup"
TEMPLATE = SETUP / "cloudformation.yaml"
MODULE = SETUP / "terraform" / "main.tf"
SCRIPT = SETUP / "aws-cli.sh"

ACCOUNT = "123456789012"
REGION = "eu-west-1"
ISSUER = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"


def expected_permissions(repository: str) -> dict[str, Any]:
    """The policy that the role has to have, for the repository with this ARN."""
    policy = printed()
    for statement in policy["Statement"]:
        if statement["Resource"] != "*":
            statement["Resource"] = repository
    return policy


def expected_trust(*subjects: str) -> dict[str, Any]:
    """The trust policy that lets runs with these subjects have the role."""
    policy = _stated("README.md", "Principal")
    condition = policy["Statement"][0]["Condition"]["StringEquals"]
    condition[f"{ISSUER}:sub"] = subjects[0] if len(subjects) == 1 else list(subjects)
    return policy


def expected_rules(*patterns: str) -> set[str]:
    """The lifecycle rules that keep what has a tag like these; an order has to be added."""
    keep, *_, candidates = _stated("docs/how-it-works.md", "rulePriority")["rules"]
    rules = {rule_without_order(candidates)}
    for pattern in patterns:
        keep["selection"]["tagPatternList"] = [pattern]
        rules.add(rule_without_order(keep))
    return rules


def rule_without_order(rule: dict[str, Any]) -> str:
    """What a lifecycle rule does, whatever its place and however it is described."""
    return json.dumps({name: rule[name] for name in ("action", "selection")}, sort_keys=True)


def _stated(page: str, member: str) -> dict[str, Any]:
    """A page's JSON document whose statements or rules have this member."""
    blocks = re.findall(r"```json\n(.*?)```", (CHECKOUT / page).read_text("utf-8"), re.DOTALL)
    (found,) = (block for block in blocks if f'"{member}"' in block)
    document: dict[str, Any] = json.loads(found)
    return document


class _Template(yaml.SafeLoader):
    """YAML with CloudFormation's short forms."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: object = loader.construct_scalar(node)
    else:
        assert isinstance(node, yaml.SequenceNode), node
        value = loader.construct_sequence(node, deep=True)
    return {name: value}


_Template.add_multi_constructor("!", _short_form)


def template() -> dict[str, Any]:
    """The CloudFormation template, short forms spelled out."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text("utf-8"), _Template)  # noqa: S506
    return loaded


def blocks(kind: str) -> dict[str, str]:
    """The blocks of the Terraform module of one kind, by their last label: the text inside."""
    found = re.findall(
        rf'^{kind}((?: "\w+")*) {{(.*?)^}}$', MODULE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return {labels.replace('"', "").strip().replace(" ", "."): text for labels, text in found}


def expression(block: str, attribute: str) -> str:
    """What an attribute of a block is set to, as Terraform would read it."""
    start = re.search(rf"^ +{attribute} += ", block, re.MULTILINE)
    assert start, attribute
    depth = 0
    for at, character in enumerate(block[start.end() :], start.end()):
        depth += (character in "([{") - (character in ")]}")
        if character == "\n" and not depth:
            return block[start.end() : at]
    raise AssertionError(attribute)


def object_of(expression: str) -> dict[str, Any]:
    """An object that Terraform would encode as JSON; what is not a literal stays as text."""
    assert expression.startswith("jsonencode(")
    text = "\n".join(_json_lines(expression[len("jsonencode(") : -1]))
    decoded: dict[str, Any] = json.loads(re.sub(r",(?=\s*[\]}]|\s*$)", "", text))
    return decoded


def _json_lines(text: str) -> Iterator[str]:
    for line in (line.strip() for line in text.splitlines()):
        name, equals, value = line.partition(" = ")
        key = json.dumps(name.strip(' "'))
        entry = f"{key}: {_literal(value)}" if equals else line
        if not line.startswith("#"):
            yield entry if entry.endswith(("{", "[", ",")) else f"{entry},"


def _literal(value: str) -> str:
    return value if value[0] in '"[{' else json.dumps(value)


def here_document(function: str) -> str:
    """What a function of the script prints, before the shell fills in its variables."""
    found = re.search(
        rf"^{function}\(\) {{\n  cat <<END\n(.*?)^END$", SCRIPT.read_text("utf-8"), re.DOTALL | re.M
    )
    assert found, function
    return found[1]


def links(document: Path) -> list[str]:
    """The files that a document links to."""
    return re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text("utf-8"))


def rows(document: Path, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its head."""
    after = document.read_text("utf-8").partition(f"\n{heading}\n")[2]
    table = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert table, heading
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in table[0].splitlines()[2:]
    ]
