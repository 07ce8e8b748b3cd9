"""The three ways to set up an account are taken, and what they made is looked at.

CloudFormation and the script are run against moto, by the API and by the real AWS CLI. moto's
CloudFormation lacks two things that the template has: the OIDC provider, and a repository's
lifecycle policy (and it takes ScanOnPush for a member of its own answer). Here moto's IAM and ECR
make them, from the very properties that moto has resolved from the template. Nor does it know
RetainExceptOnCreate, which is Retain but for a stack that fails; it is told Retain.

Terraform's AWS provider cannot be had here. The module's own expressions are worked out by
Terraform, where there is one; what only AWS or the provider could answer (account, partition, ARNs)
is filled in. Whether the provider takes them is shown by `terraform validate` alone, where
TF_PLUGIN_CACHE_DIR holds the provider.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.ecr.models import Repository, ecr_backends
from moto.iam.models import iam_backends
from moto.server import ThreadedMotoServer

from dev.act import CHECKOUT
from tests import setup_files
from tests.setup_files import ACCOUNT, MODULE, PROVIDER, REGION, SCRIPT, TEMPLATE

CANDIDATES = "candidate-*"
BRANCH = "repo:org@1/visit@2:ref:refs/heads/main"
PRODUCTION = "repo:org@1/visit@2:environment:production"
PULL_REQUESTS = "repo:org@1/visit@2:pull_request"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody fills in, by its meaning."""

    environment: str = ""
    pull_requests: bool = False
    create_provider: bool = True
    immutable: bool = True
    movable: str = "latest"
    releases: str = ""
    repository: str = "team/visit"
    role: str = ""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What is in the account then."""

    trust: dict[str, Any]
    permissions: dict[str, Any]
    mutability: str
    exclusions: list[str]
    rules: list[dict[str, Any]]
    """Of the lifecycle policy; empty where there is none."""


class Account:
    """An AWS account on 127.0.0.1."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.environment = {
            "PATH": f"{CHECKOUT / '.venv' / 'bin'}:{os.environ.get('PATH', os.defpath)}",
            "HOME": os.devnull,
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }

    def client(self, service: Any) -> Any:
        """A client of one of its services."""
        return boto3.client(
            service,
            endpoint_url=self._url,
            region_name=REGION,
            aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
            aws_secret_access_key="secret",
        )

    def providers(self) -> dict[str, list[str]]:
        """The OIDC providers and their audiences."""
        iam = self.client("iam")
        arns = [
            provider["Arn"]
            for provider in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        ]
        return {
            arn: iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"]
            for arn in arns
        }

    def roles(self) -> list[str]:
        """The names of its roles."""
        return [role["RoleName"] for role in self.client("iam").list_roles()["Roles"]]

    def made(self, repository: str, role: str) -> Made:
        """What was made."""
        iam = self.client("iam")
        assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["ecr-publish"]
        (found,) = self.repositories(repository)
        assert found["imageScanningConfiguration"] == {"scanOnPush": True}
        filters = found.get("imageTagMutabilityExclusionFilters", [])
        assert {entry["filterType"] for entry in filters} <= {"WILDCARD"}
        return Made(
            trust=iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"],
            permissions=_decoded(
                iam.get_role_policy(RoleName=role, PolicyName="ecr-publish")["PolicyDocument"]
            ),
            mutability=found["imageTagMutability"],
            exclusions=[entry["filter"] for entry in filters],
            rules=self._rules(repository),
        )

    def repositories(self, *names: str) -> list[Any]:
        """Its ECR repositories."""
        ecr = self.client("ecr")
        found: list[Any] = ecr.describe_repositories(repositoryNames=names)["repositories"]
        return found

    def _rules(self, repository: str) -> list[dict[str, Any]]:
        ecr = self.client("ecr")
        try:
            text = ecr.get_lifecycle_policy(repositoryName=repository)["lifecyclePolicyText"]
        except ecr.exceptions.LifecyclePolicyNotFoundException:
            return []
        rules: list[dict[str, Any]] = json.loads(text)["rules"]
        return rules


def _decoded(policy: Any) -> dict[str, Any]:
    """A role's policy; moto's CloudFormation keeps it as Python writes it, and not as JSON."""
    decoded: dict[str, Any] = ast.literal_eval(policy) if isinstance(policy, str) else policy
    return decoded


class _OidcProvider(CloudFormationModel):
    """AWS::IAM::OIDCProvider, made by moto's IAM."""

    def __init__(self, arn: str) -> None:
        self.physical_resource_id = arn

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::IAM::OIDCProvider"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003 - it has none
        cloudformation_json: Any,
        account_id: str,
        *_: Any,
        **__: Any,
    ) -> _OidcProvider:
        properties = cloudformation_json["Properties"]
        made = iam_backends[account_id]["aws"].create_open_id_connect_provider(
            url=properties["Url"],
            thumbprint_list=properties.get("ThumbprintList", []),
            client_id_list=properties["ClientIdList"],
            tags=[],
        )
        return cls(made.arn)

    def get_cfn_attribute(self, attribute: str) -> str:
        assert attribute == "Arn"
        return self.physical_resource_id


def _create_repository(  # the rest of a repository that moto's CloudFormation leaves out
    resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
) -> Repository:
    properties = cloudformation_json["Properties"]
    made = _repository_of_moto(resource_name, cloudformation_json, account_id, region_name)
    scanning = properties["ImageScanningConfiguration"]
    made.image_scanning_configuration = {"scanOnPush": scanning["ScanOnPush"]}
    if "LifecyclePolicy" in properties:
        ecr_backends[account_id][region_name].put_lifecycle_policy(
            account_id, made.name, properties["LifecyclePolicy"]["LifecyclePolicyText"]
        )
    return made


_repository_of_moto = Repository.create_from_cloudformation_json


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An empty account."""
    monkeypatch.setattr(Repository, "create_from_cloudformation_json", _create_repository)
    for cached in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        cached.cache_clear()
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    iam_backends.reset()
    ecr_backends.reset()
    yield Account(f"http://{host}:{port}")
    server.stop()


def by_cloudformation(account: Account, wish: Wish) -> dict[str, str]:
    """Create the stack; its outputs."""
    given = {
        "GitHubRepository": "org@1/visit@2",
        "RepositoryName": wish.repository,
        "RoleName": wish.role,
        "Environment": wish.environment,
        "PullRequests": str(wish.pull_requests).lower(),
        "CreateOidcProvider": str(wish.create_provider).lower(),
        "ImmutableTags": str(wish.immutable).lower(),
        "MovableTag": wish.movable,
        "ReleaseTagPattern": wish.releases,
    }
    cloudformation = account.client("cloudformation")
    cloudformation.create_stack(
        StackName="visit",
        TemplateBody=TEMPLATE.read_text("utf-8").replace("RetainExceptOnCreate", "Retain"),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in given.items()
        ],
    )
    (stack,) = cloudformation.describe_stacks(StackName="visit")["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def script(account: Account, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script with the real AWS CLI."""
    return subprocess.run(
        [str(SCRIPT), *arguments],
        env=account.environment,
        capture_output=True,
        text=True,
        check=False,
    )


def by_the_script(account: Account, wish: Wish) -> dict[str, str]:
    """Run it; what it says is to be put into the workflow."""
    done = script(
        account,
        *("--github-repository", "org@1/visit@2", "--repository-name", wish.repository),
        *(("--role-name", wish.role) if wish.role else ()),
        *(("--environment", wish.environment) if wish.environment else ()),
        *(("--pull-requests",) if wish.pull_requests else ()),
        *(() if wish.immutable else ("--mutable-tags",)),
        *("--movable-tags", wish.movable),
        *(("--release-tags", wish.releases) if wish.releases else ()),
    )
    assert (done.returncode, done.stderr) == (0, "")
    said = dict(
        line.strip().split(": ") for line in done.stdout.splitlines() if line.startswith(" " * 10)
    )
    return {
        "RoleArn": said["role-to-assume"],
        "Region": said["aws-region"],
        "RepositoryName": said["repository"],
    }


WAYS = pytest.mark.parametrize("way", [by_cloudformation, by_the_script])


def _arn(repository: str) -> str:
    return f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{repository}"


def _check_rules(rules: list[dict[str, Any]], *patterns: str) -> None:
    """What must never expire is named before what may."""
    assert {setup_files.rule_without_order(rule) for rule in rules} == setup_files.expected_rules(
        *patterns
    )
    assert len(rules) == len(patterns) + 1
    last = max(rules, key=lambda rule: int(rule["rulePriority"]))
    assert last["selection"]["tagPatternList"] == [CANDIDATES]
    assert len({rule["rulePriority"] for rule in rules}) == len(rules)


@WAYS
def test_account__has_what_the_readme_says(way: Any, account: Account) -> None:
    outputs = way(account, Wish())

    assert account.providers() == {PROVIDER: ["sts.amazonaws.com"]}
    assert account.made("team/visit", "team-visit-publisher") == Made(
        trust=setup_files.expected_trust(BRANCH),
        permissions=setup_files.expected_permissions(_arn("team/visit")),
        mutability="IMMUTABLE_WITH_EXCLUSION",
        exclusions=[CANDIDATES, "latest"],
        rules=[],
    )
    assert outputs == {
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/team-visit-publisher",
        "Region": REGION,
        "RepositoryName": "team/visit",
    }


@WAYS
def test_account__with_everything_else_filled_in(way: Any, account: Account) -> None:
    account.client("iam").create_open_id_connect_provider(
        Url=f"https://{setup_files.ISSUER}", ClientIDList=["other", "sts.amazonaws.com"]
    )
    wish = Wish(
        environment="production",
        pull_requests=True,
        create_provider=False,
        immutable=False,
        releases="v*",
        role="another",
    )

    outputs = way(account, wish)

    assert account.providers() == {PROVIDER: ["other", "sts.amazonaws.com"]}
    made = account.made("team/visit", "another")
    assert made.trust == setup_files.expected_trust(PRODUCTION, PULL_REQUESTS)
    assert (made.mutability, made.exclusions) == ("MUTABLE", [])
    _check_rules(made.rules, "v*", "latest")
    assert outputs["RoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/another"


@pytest.mark.parametrize(
    ("way", "over", "subjects"),
    [
        (by_cloudformation, {"pull_requests": True}, [BRANCH, PULL_REQUESTS]),
        (by_cloudformation, {"environment": "production"}, [PRODUCTION]),
        (by_the_script, {"pull_requests": True}, [BRANCH, PULL_REQUESTS]),
    ],
)
def test_account__with_one_more_subject_or_another(
    way: Any, over: dict[str, Any], subjects: list[str], account: Account
) -> None:
    way(account, replace(Wish(movable=""), **over))

    made = account.made("team/visit", "team-visit-publisher")
    assert made.trust == setup_files.expected_trust(*subjects)
    assert made.exclusions == [CANDIDATES]


def test_cloudformation__what_others_use_outlives_the_stack(account: Account) -> None:
    by_cloudformation(account, Wish())

    account.client("cloudformation").delete_stack(StackName="visit")

    assert account.roles() == []
    assert account.providers() == {PROVIDER: ["sts.amazonaws.com"]}
    assert len(account.repositories("team/visit")) == 1


def test_script__takes_several_tags_and_patterns(account: Account) -> None:
    by_the_script(account, Wish(movable="latest,buildcache*", releases="v*,latest,git-*"))

    made = account.made("team/visit", "team-visit-publisher")
    assert made.exclusions == [CANDIDATES, "latest", "buildcache*"]
    _check_rules(made.rules, "v*", "latest", "git-*")


def test_script__leaves_a_repository_that_is_there_as_it_is(account: Account) -> None:
    account.client("ecr").create_repository(repositoryName="team/visit")

    by_the_script(account, Wish(releases="v*"))

    (found,) = account.repositories("team/visit")
    assert found["imageTagMutability"] == "MUTABLE"
    assert found["imageScanningConfiguration"] == {"scanOnPush": False}
    assert account.roles() == ["team-visit-publisher"]


def test_script__leaves_a_role_that_is_there_as_it_is(account: Account) -> None:
    by_the_script(account, Wish())
    before = account.made("team/visit", "team-visit-publisher")

    done = script(account, "--github-repository", "org/other", "--repository-name", "team/visit")

    assert done.returncode == 1
    assert "team-visit-publisher is there already, and stays as it is" in done.stderr
    assert "repo:org/other:ref:refs/heads/main" in done.stderr
    assert account.made("team/visit", "team-visit-publisher") == before


def test_script__says_how_the_provider_gets_the_audience(account: Account) -> None:
    account.client("iam").create_open_id_connect_provider(
        Url=f"https://{setup_files.ISSUER}",
        ClientIDList=["xsts.amazonaws.com", "sts.amazonaws.comx"],
    )

    done = script(account, "--github-repository", "org/app", "--repository-name", "app")

    assert done.returncode == 1
    assert "aws iam add-client-id-to-open-id-connect-provider" in done.stderr
    assert account.roles() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--github-repository is org/app"),
        (["--github-repository", "org/*"], "--github-repository is org/app"),
        (["--github-repository", "org@1/app"], "--github-repository is org/app"),
        (["--github-repository", "org/app"], "--repository-name is a name"),
        (["--github-repository", "org/app", "--repository-name", 'a"b'], "--repository-name is"),
        (["--branch"], "--branch needs a value"),
        (["--thumbprint", "x"], "--thumbprint is no option"),
        (["app"], "app is no option"),
    ],
)
def test_script__says_what_is_wrong_before_it_asks_aws(
    arguments: list[str], said: str, account: Account
) -> None:
    done = script(account, *arguments)

    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert (done.stdout, account.providers(), account.roles()) == ("", {}, [])


@pytest.mark.parametrize(
    "option",
    ["--role-name", "--branch", "--environment", "--movable-tags", "--release-tags"],
)
def test_script__takes_nothing_that_json_or_iam_would_read(option: str, account: Account) -> None:
    named = ("--github-repository", "org/app", "--repository-name", "app")

    done = script(account, *named, option, 'x", "*')

    assert done.returncode == 1
    assert option in done.stderr
    assert account.roles() == []


def test_script__has_help(account: Account) -> None:
    done = script(account, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: aws-cli.sh")


@pytest.fixture(scope="module")
def terraform() -> str:
    """The program, by whichever name."""
    found = shutil.which("terraform") or shutil.which("tofu")
    if not found:
        pytest.skip("neither terraform nor tofu is on the PATH")
    return found


def _run(program: str, *arguments: str, at: Path, **more: str) -> str:
    done = subprocess.run(
        [program, f"-chdir={at}", *arguments],
        env={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(at),
            "CHECKPOINT_DISABLE": "1",
            "TF_CLI_CONFIG_FILE": os.devnull,
            **more,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


def test_terraform__is_formatted(terraform: str, tmp_path: Path) -> None:
    shutil.copy(MODULE, tmp_path)
    assert _run(terraform, "fmt", "-check", "-diff", at=tmp_path) == ""


def test_terraform__is_valid(terraform: str, tmp_path: Path) -> None:
    """Only with the provider at hand: a test fetches nothing."""
    mirror = os.environ.get("TF_PLUGIN_CACHE_DIR")
    if not mirror:
        pytest.skip("TF_PLUGIN_CACHE_DIR names no folder with the provider hashicorp/aws")
    shutil.copy(MODULE, tmp_path)
    _run(terraform, "init", "-backend=false", f"-plugin-dir={mirror}", at=tmp_path)
    assert "Success" in _run(terraform, "validate", "-no-color", at=tmp_path)


def _worked_out(terraform: str, at: Path, **variables: object) -> dict[str, Any]:
    """What the module's resources would be given."""
    resources = setup_files.blocks("resource")
    wanted = {
        "trust": ("aws_iam_role.publisher", "assume_role_policy"),
        "role": ("aws_iam_role.publisher", "name"),
        "permissions": ("aws_iam_role_policy.publisher", "policy"),
        "mutability": ("aws_ecr_repository.images", "image_tag_mutability"),
        "exclusions": ("aws_ecr_repository.images", "for_each"),
        "lifecycle": ("aws_ecr_lifecycle_policy.candidates", "policy"),
        "lifecycles": ("aws_ecr_lifecycle_policy.candidates", "count"),
        "audiences": ("aws_iam_openid_connect_provider.github", "client_id_list"),
        "providers": ("aws_iam_openid_connect_provider.github", "count"),
    }
    lines = [
        f'variable "{name}" {{{text}}}' for name, text in setup_files.blocks("variable").items()
    ]
    lines += [f"locals {{{text}}}" for text in setup_files.blocks("locals").values()]
    lines += [
        f'output "{name}" {{\n  value = {setup_files.expression(resources[block], attribute)}\n}}'
        for name, (block, attribute) in wanted.items()
    ]
    text = "\n".join(lines)
    partition = variables.pop("partition", "aws")
    for reference, value in {
        "data.aws_partition.current.partition": str(partition),
        "data.aws_caller_identity.current.account_id": ACCOUNT,
        "aws_iam_openid_connect_provider.github[0].arn": PROVIDER,
        "aws_ecr_repository.images.arn": _arn("team/visit"),
    }.items():
        assert reference in text
        text = text.replace(reference, json.dumps(value))
    (at / "main.tf").write_text(text, encoding="utf-8")
    given = {"github_repository": "org@1/visit@2", "repository_name": "team/visit", **variables}
    (at / "terraform.tfvars.json").write_text(json.dumps(given), encoding="utf-8")
    _run(terraform, "init", "-input=false", at=at)
    _run(terraform, "apply", "-auto-approve", "-input=false", at=at)
    outputs = json.loads(_run(terraform, "output", "-json", at=at))
    return {name: output["value"] for name, output in outputs.items()}


def test_terraform__gives_what_the_readme_says(terraform: str, tmp_path: Path) -> None:
    made = _worked_out(terraform, tmp_path)

    trust = json.loads(made["trust"])
    equals = trust["Statement"][0]["Condition"]["StringEquals"]
    # To IAM a list of one is that one.
    (equals[f"{setup_files.ISSUER}:sub"],) = equals[f"{setup_files.ISSUER}:sub"]
    assert trust == setup_files.expected_trust(BRANCH)
    assert json.loads(made["permissions"]) == setup_files.expected_permissions(_arn("team/visit"))
    assert made["role"] == "team-visit-publisher"
    assert (made["providers"], made["audiences"]) == (1, ["sts.amazonaws.com"])
    assert made["mutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert made["exclusions"] == [CANDIDATES, "latest"]
    assert made["lifecycles"] == 0


def test_terraform__with_everything_else_filled_in(terraform: str, tmp_path: Path) -> None:
    made = _worked_out(
        terraform,
        tmp_path,
        environment="production",
        pull_requests=True,
        create_oidc_provider=False,
        immutable_tags=False,
        release_tag_patterns=["v*", "latest", "git-*"],
        role_name="another",
        partition="aws-cn",
    )

    trust = json.loads(made["trust"])
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"Federated": PROVIDER.replace("arn:aws:", "arn:aws-cn:")}
    assert statement["Condition"]["StringEquals"] == {
        f"{setup_files.ISSUER}:aud": "sts.amazonaws.com.cn",
        f"{setup_files.ISSUER}:sub": [PRODUCTION, PULL_REQUESTS],
    }
    assert made["role"] == "another"
    assert (made["providers"], made["mutability"], made["exclusions"]) == (0, "MUTABLE", [])
    assert made["lifecycles"] == 1
    _check_rules(json.loads(made["lifecycle"])["rules"], "v*", "latest", "git-*")


def test_terraform__refuses_a_subject_with_a_wildcard(terraform: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="with both ids"):
        _worked_out(terraform, tmp_path, github_repository="org/*")
