"""The `iam` command: what makes a role for one workflow, as a script to read and then to paste.

Nothing of it is run here. Commands: the AWS CLI's reference, "aws iam".
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ecr_publish import hosts, trust
from ecr_publish.bake import TARGET, for_target
from ecr_publish.cache import ADDRESSES, TOKEN
from ecr_publish.context import Context
from ecr_publish.errors import InvalidInputs
from ecr_publish.iam import UNKNOWN_ACCOUNT, Home, Need, On, need, policy
from ecr_publish.inputs import Inputs, Job, parse, variable
from ecr_publish.plan import Plan, make
from ecr_publish.policy import Rules
from ecr_publish.scanning import ScanType
from ecr_publish.trust import ISSUER

_USUAL_SECONDS = 3600
_LONGEST_NAME = 64
_OF_THE_JOB = ("secrets", "secret-envs", "secret-files", "ssh", "github-token")
"""Inputs that only a job has values for; no permission depends on them."""
_IMAGES = {
    Job.GATE.value: {"reference": "latest"},
    Job.MERGE.value: {"digests": "\n".join(f"sha256:{digit * 64}" for digit in "01")},
}
"""What a job cannot do without, but no permission depends on."""
_ANYWHERE = Context(
    sha="0" * 40,
    branch="main",
    default_branch="main",
    run_id="1",
    run_attempt="1",
    workspace=".",
    architecture="X64",
    scheduled=False,
    from_pull_request=False,
    from_fork=False,
    restricted=False,
    head_sha="0" * 40,
    pull_request=None,
    run_url="",
)
_GITHUB_REPOSITORY = re.compile(r"[\w.-]+(@\d+)?/[\w.-]+(@\d+)?", re.ASCII)


def asked(given: Mapping[str, str]) -> Inputs:
    """The action's inputs, given by their own names; raises InvalidInputs.

    What is to be gated or merged need not be said.
    """
    words = {**_IMAGES.get(given.get("job", ""), {}), **given}
    known = {TOKEN: "-", ADDRESSES[0]: "-"}
    return parse(
        known | {variable(name): text for name, text in words.items() if name not in _OF_THE_JOB}
    )


def subject(
    repository: str,
    *,
    branch: str = "",
    environment: str = "",
    tag: str = "",
    pull_request: bool = False,
) -> str:
    """The `sub` of GitHub's tokens for one kind of run; raises InvalidInputs.

    GitHub's documentation: "OpenID Connect reference". A job with an environment says that alone,
    whatever its branch is.

    Args:
        repository: `owner/name` on GitHub; of one that GitHub has created or renamed since July
            2026 with the ids that its tokens have: `owner@123456/name@456789`.
        branch: The branch that is pushed to; `*` stands for any characters.
        environment: The environment of the job; GitHub writes its colons as `%3A`.
        tag: The tag that is pushed; `*` likewise.
        pull_request: A pull request, of this repository and not of a fork.
    """
    if not _GITHUB_REPOSITORY.fullmatch(repository):
        raise InvalidInputs([f"github-repository: {repository!r} is not owner/name, as on GitHub"])
    kinds = {
        f"ref:refs/heads/{branch}": bool(branch),
        f"environment:{environment.replace(':', '%3A')}": bool(environment),
        f"ref:refs/tags/{tag}": bool(tag),
        "pull_request": pull_request,
    }
    wanted = [kind for kind, is_wanted in kinds.items() if is_wanted]
    if len(wanted) != 1:
        raise InvalidInputs(["one of a branch, an environment, a tag or pull requests is needed"])
    if not wanted[0].isprintable():
        # In the script a line break would begin a command.
        raise InvalidInputs([f"{wanted[0]!r} is no name of a branch, an environment or a tag"])
    return f"repo:{repository}:{wanted[0]}"


def document(
    inputs: Inputs,
    rules: Rules,
    *,
    subjects: Sequence[str],
    scanning: ScanType = ScanType.UNKNOWN,
    signing_profile: str = "",
) -> Iterator[str]:
    """The script that makes a role for these inputs, line by line; raises InvalidInputs.

    Args:
        inputs: Of the step that is to assume the role.
        rules: What refuses an image there.
        subjects: The runs that may assume it, as `subject` gives them; at least one.
        scanning: The registry's engine; UNKNOWN allows for both.
        signing_profile: Name of the profile of a registry with managed signing; empty for none.
    """
    plan = make(for_target(inputs, "target"), _ANYWHERE, None, rules=rules, nonce="0")
    home = Home.of(plan)
    wanted = _of_all_targets(need(plan, scanning), inputs, home)
    if signing_profile:
        wanted = wanted.at(On.SIGNING, [home.signing_profile(signing_profile)])
    yield from _head(inputs, home)
    yield from _provider(_audience(inputs, plan))
    yield from _role(inputs, plan, subjects)
    yield from _permissions(inputs, wanted)
    yield from _notes(inputs, plan, wanted)


def _of_all_targets(one: Need, inputs: Inputs, home: Home) -> Need:
    pattern = inputs.repository.name.replace(TARGET, "*")
    return one.at(On.REPOSITORY, [home.arn(pattern)])


def _head(inputs: Inputs, home: Home) -> Iterator[str]:
    yield f"# A role for ecr-publish ({inputs.job.value}): {inputs.repository} in {home.region}."
    yield "# Nothing has been done yet. Read this, then run it as an administrator of the account."
    if UNKNOWN_ACCOUNT in (home.account, _account(inputs)):
        yield f"# Put your account's id in place of {UNKNOWN_ACCOUNT} everywhere:"
        yield "#     aws sts get-caller-identity --query Account --output text"


def _provider(audience: str) -> Iterator[str]:
    yield from ("", "# 1. GitHub as an identity provider; once in an account, so it may be there.")
    yield "aws iam create-open-id-connect-provider \\"
    yield f"  --url https://{ISSUER} --client-id-list {shlex.quote(audience)}"


def _role(inputs: Inputs, plan: Plan, subjects: Sequence[str]) -> Iterator[str]:
    yield from ("", f"# 2. The role, for {', '.join(subjects)}.")
    yield from _file("trust-policy.json", _trust_policy(inputs, plan, subjects))
    path, _, name = _role_path(inputs).rpartition("/")
    yield f"aws iam create-role --role-name {name} \\"
    if path:
        yield f"  --path /{path}/ \\"
    if inputs.role_duration_seconds > _USUAL_SECONDS:
        yield f"  --max-session-duration {inputs.role_duration_seconds} \\"
    yield "  --assume-role-policy-document file://trust-policy.json"


def _permissions(inputs: Inputs, wanted: Need) -> Iterator[str]:
    name = _role_path(inputs).rpartition("/")[2]
    yield from ("", "# 3. What the role may do, and no more.")
    yield from _file("permissions.json", policy(wanted))
    yield f"aws iam put-role-policy --role-name {name} --policy-name ecr-publish \\"
    yield "  --policy-document file://permissions.json"


def _notes(inputs: Inputs, plan: Plan, wanted: Need) -> Iterator[str]:
    yield from (
        "",
        "# 4. In the step's `with:`",
        f"#     role-to-assume: {_role_arn(inputs, plan)}",
    )
    dispensable = [row for row in wanted.rows if row.without]
    yield from ("", "# These may be left out, and then:") if dispensable else ()
    yield from (f"# - {', '.join(row.actions)}: {row.without}." for row in dispensable)
    if plan.registry and plan.registry.account != _account(inputs):
        yield from ("", f"# The registry is of the account {plan.registry.account}: its")
        yield "# repositories' own policies have to allow this role the same."
    if inputs.bake_file:
        yield from ("", "# For a cache that the bake file exports to ECR, allow on its repository")
        yield "# what step 3 allows for pushing."


def _trust_policy(inputs: Inputs, plan: Plan, subjects: Sequence[str]) -> dict[str, Any]:
    partition, account = Home.of(plan).partition, _account(inputs)
    provider = f"arn:{partition}:iam::{account}:oidc-provider/{ISSUER}"
    audience = _audience(inputs, plan)
    first, *others = (
        trust.policy(provider, ISSUER, audience, it, pattern="*" in it) for it in subjects
    )
    more = [statement for other in others for statement in other["Statement"]]
    return {**first, "Statement": [*first["Statement"], *more]}


def _audience(inputs: Inputs, plan: Plan) -> str:
    return inputs.audience or hosts.partition(plan.region).audience


def _account(inputs: Inputs) -> str:
    """The role's account; that of the registry where no role is named."""
    if inputs.role_to_assume:
        return inputs.role_to_assume.split(":")[4]
    return inputs.registry.account if inputs.registry else UNKNOWN_ACCOUNT


def _role_path(inputs: Inputs) -> str:
    if inputs.role_to_assume:
        return inputs.role_to_assume.partition(":role/")[2]
    words = re.sub(r"[^\w.-]+", "-", inputs.repository.name.replace(TARGET, "images"))
    return f"{words[: _LONGEST_NAME - len('-publisher')]}-publisher"


def _role_arn(inputs: Inputs, plan: Plan) -> str:
    return f"arn:{Home.of(plan).partition}:iam::{_account(inputs)}:role/{_role_path(inputs)}"


def _file(name: str, content: Mapping[str, Any]) -> Iterator[str]:
    yield f"cat > {name} <<'JSON'"
    yield from json.dumps(content, indent=2).splitlines()
    yield "JSON"
