"""The three ways to set up an account make the same, and it is what the README says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dev.act import CHECKOUT
from tests import setup_files
from tests.setup_files import MODULE, SCRIPT, SETUP, TEMPLATE

GUIDE = SETUP / "README.md"
ARN = "arn:aws:ecr:eu-west-1:123456789012:repository/visit-counter-app"


def _of_cloudformation() -> dict[str, Any]:
    role = setup_files.template()["Resources"]["Publisher"]["Properties"]
    (policy,) = role["Policies"]
    text = json.dumps(policy["PolicyDocument"])
    decoded: dict[str, Any] = json.loads(
        text.replace(json.dumps({"Fn::GetAtt": "Repository.Arn"}), json.dumps(ARN))
    )
    return decoded


def _of_terraform() -> dict[str, Any]:
    block = setup_files.blocks("resource")["aws_iam_role_policy.publisher"]
    text = setup_files.expression(block, "policy").replace(
        "aws_ecr_repository.images.arn", json.dumps(ARN)
    )
    return setup_files.object_of(text)


def _of_the_script() -> dict[str, Any]:
    text = setup_files.here_document("permissions").replace("$repository_arn", ARN)
    decoded: dict[str, Any] = json.loads(text)
    return decoded


@pytest.mark.parametrize("way", [_of_cloudformation, _of_terraform, _of_the_script])
def test_permissions__are_those_that_the_command_prints(way: Any) -> None:
    assert way() == setup_files.expected_permissions(ARN)


def test_permissions__of_terraform_differ_where_its_text_does() -> None:
    block = setup_files.blocks("resource")["aws_iam_role_policy.publisher"]
    text = setup_files.expression(block, "policy")
    assert setup_files.object_of(text) != setup_files.object_of(
        text.replace("ecr:PutImage", "ecr:*")
    )
    assert (
        setup_files.object_of(text)["Statement"][1]["Resource"] == "aws_ecr_repository.images.arn"
    )


@pytest.mark.parametrize("path", [TEMPLATE, MODULE, SCRIPT], ids=lambda path: path.name)
def test_trust__is_exact_and_needs_no_thumbprint(path: Any) -> None:
    text = path.read_text("utf-8")
    assert "StringLike" not in text
    assert text.count("StringEquals") == 1
    assert not re.search(r"thumbprint[-_]?list", text, re.IGNORECASE)


def test_cloudformation__cfn_lint_finds_nothing() -> None:
    """In every partition where GitHub's tokens can be used."""
    program = Path(sys.executable).with_name("cfn-lint")
    if not program.exists():
        pytest.skip("cfn-lint is not installed")
    regions = ["eu-west-1", "cn-north-1", "us-gov-west-1", "eusc-de-east-1"]
    done = subprocess.run(
        [str(program), "--regions", *regions, "--", str(TEMPLATE)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_cloudformation__what_others_use_outlives_the_stack() -> None:
    kept = {
        name
        for name, resource in setup_files.template()["Resources"].items()
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate"
        and resource["UpdateReplacePolicy"] == "Retain"
    }
    assert kept == {"GitHub", "Repository"}


def test_cloudformation__knows_the_audience_of_each_partition() -> None:
    partitions = setup_files.template()["Mappings"]["Partitions"]
    assert {name: facts["Audience"] for name, facts in partitions.items()} == {
        "aws": "sts.amazonaws.com",
        "aws-us-gov": "sts.amazonaws.com",
        "aws-eusc": "sts.amazonaws.com",
        "aws-cn": "sts.amazonaws.com.cn",
    }


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (
            "GitHubRepository",
            ["org/app", "org@123456/app@456789", "an-org/a.b_c"],
            ["org", "org/*", "org@1/app", "org/app@1", "org/app:ref", "org@x/app@1"],
        ),
        ("RepositoryName", ["app", "team/app", "a.b_c-d"], ["App", "*", "team//app", "-a"]),
        ("Branch", ["main", "release/1.x"], ["", "*", "a b", "release/*"]),
        ("Environment", ["", "production"], ["*", "a:b"]),
        ("MovableTag", ["", "latest", "buildcache*"], ["a,b", "a b"]),
        ("ReleaseTagPattern", ["", "v*", "git-*", "latest-*"], ["latest", 'v*"', "v*,w*"]),
    ],
)
def test_cloudformation__takes_only_what_is_safe_in_a_policy(
    parameter: str, good: list[str], bad: list[str]
) -> None:
    pattern = setup_files.template()["Parameters"][parameter]["AllowedPattern"]
    assert [value for value in good if not re.search(pattern, value)] == []
    assert [value for value in bad if re.search(pattern, value)] == []


def test_guide__names_what_can_be_filled_in() -> None:
    table = setup_files.rows(GUIDE, "## What can be filled in")
    named = [[re.findall(r"`([\w-]+)`", cell)[:1] for cell in row[:3]] for row in table]
    cloudformation, terraform, script = (
        [name for (name,) in filter(None, column)] for column in zip(*named, strict=True)
    )
    assert cloudformation == list(setup_files.template()["Parameters"])
    assert terraform == list(setup_files.blocks("variable"))
    usage = SCRIPT.read_text("utf-8").partition("cat <<'END'\n")[2].partition("\nEND\n")[0]
    assert script == re.findall(r"^  (--[\w-]+)", usage, re.MULTILINE)


def _in_words(default: Any) -> str:
    """A default as the guide says it."""
    value = default[0] if isinstance(default, list) and default else default
    words = {"true": "yes", "false": "no", '""': "none", "[]": "none"}
    text = json.dumps(value).replace('"true"', "true").replace('"false"', "false")
    return words.get(text, text.strip('"'))


def test_guide__defaults_are_those_of_the_files() -> None:
    parameters = setup_files.template()["Parameters"]
    variables = setup_files.blocks("variable")
    for row in setup_files.rows(GUIDE, "## What can be filled in"):
        name, variable = (re.findall(r"`(\w+)`", cell)[0] for cell in row[:2])
        said = row[3].strip("`").replace("<repository>-publisher", "none")
        stated = re.search(r"default += (.*)", variables[variable])
        assert bool(said) == ("Default" in parameters[name]) == bool(stated), name
        if stated:
            assert _in_words(parameters[name]["Default"]) == said, name
            assert _in_words(json.loads(stated[1])) == said, variable


def test_guide__shows_a_workflow_of_inputs_that_exist() -> None:
    shown = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    action = yaml.safe_load((CHECKOUT / "action.yml").read_text("utf-8"))
    (workflow,) = map(yaml.safe_load, shown)
    job = workflow["jobs"]["publish"]
    assert job["permissions"] == {"id-token": "write", "contents": "read"}
    assert set(job["steps"][-1]["with"]) <= set(action["inputs"])


def test_guide__links_to_what_is_there() -> None:
    found = setup_files.links(GUIDE)
    assert len(found) >= 3
    assert [link for link in found if not (SETUP / link).exists()] == []
