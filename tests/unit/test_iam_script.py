"""What the `iam` command prints."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from ecr_publish.errors import InvalidInputs
from ecr_publish.iam import UNKNOWN_ACCOUNT
from ecr_publish.iam_script import ISSUER, asked, document, subject
from ecr_publish.inputs import Job
from ecr_publish.policy import Rules
from ecr_publish.scanning import ScanType
from tests.factories import ACCOUNT, ARN, NAME, ROLE
from tests.permissions import json_of

MAIN = "repo:org/app:ref:refs/heads/main"
PLAIN = {"aws-region": "eu-west-1", "repository": NAME}
WITH_ROLE = {**PLAIN, "role-to-assume": ROLE}


def script(*, subjects: tuple[str, ...] = (MAIN,), rules: Rules | None = None, **more: Any) -> str:
    given = more.pop("given", WITH_ROLE)
    return "\n".join(document(asked(given), rules or Rules(), subjects=subjects, **more))


def permissions(text: str) -> dict[str, Any]:
    """The statements of the script's policy by their names."""
    found = json_of(text.splitlines(), "permissions.json")["Statement"]
    return {statement["Sid"]: statement for statement in found}


def trusted(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json_of(text.splitlines(), "trust-policy.json")["Statement"]
    return found


def commands(text: str) -> list[list[str]]:
    """The commands of aws, as a shell splits them."""
    joined = text.replace("\\\n", "")
    return [shlex.split(line) for line in joined.splitlines() if line.startswith("aws ")]


# asked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("job", list(Job))
def test_asked__no_job_has_to_name_its_image(job: Job) -> None:
    assert asked({**PLAIN, "job": job.value}).job is job


def test_asked__what_is_named_counts() -> None:
    given = {**PLAIN, "job": "gate", "reference": "1.4.2", "promote-to": "stable"}
    assert str(asked(given).reference) == "1.4.2"


def test_asked__needs_nothing_that_only_a_job_has() -> None:
    given = {
        "cache-from": "type=gha",
        "secrets": "not a secret",
        "secret-envs": "npm=NPM_TOKEN",
        "secret-files": "?",
        "ssh": "default",
        "github-token": "x",
    }
    found = asked({**PLAIN, **given})
    assert (found.secret_envs, found.ssh, found.github_token) == ((), (), None)


def test_asked__says_all_that_is_wrong() -> None:
    with pytest.raises(InvalidInputs) as caught:
        asked({"repository": "UPPER"})
    assert len(caught.value.problems) == 2


# subject ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"branch": "main"}, "repo:org/app:ref:refs/heads/main"),
        ({"tag": "v*"}, "repo:org/app:ref:refs/tags/v*"),
        ({"environment": "production"}, "repo:org/app:environment:production"),
        ({"environment": "eu: live"}, "repo:org/app:environment:eu%3A live"),
        ({"pull_request": True}, "repo:org/app:pull_request"),
    ],
)
def test_subject__as_github_writes_it(given: dict[str, Any], expected: str) -> None:
    assert subject("org/app", **given) == expected


@pytest.mark.parametrize(
    ("repository", "given"),
    [
        ("app", {"branch": "main"}),
        ("org/app/x", {"branch": "main"}),
        ("org/app\n", {"branch": "main"}),
        ("org/app", {}),
        ("org/app", {"branch": "main", "tag": "v1"}),
        ("org/app", {"branch": "main\nrm -rf /"}),
    ],
)
def test_subject__refused(repository: str, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputs):
        subject(repository, **given)


# document -----------------------------------------------------------------------------------------


def test_document__makes_the_provider_the_role_and_its_policy() -> None:
    assert commands(script()) == [
        ["aws", "iam", *line.split()]
        for line in (
            f"create-open-id-connect-provider --url https://{ISSUER} "
            "--client-id-list sts.amazonaws.com\n"
            "create-role --role-name visit-counter-publisher "
            "--assume-role-policy-document file://trust-policy.json\n"
            "put-role-policy --role-name visit-counter-publisher --policy-name ecr-publish "
            "--policy-document file://permissions.json"
        ).splitlines()
    ]


def test_document__ends_with_the_role_for_the_step() -> None:
    assert f"#     role-to-assume: {ROLE}\n" in script()
    assert UNKNOWN_ACCOUNT not in script()


def test_document__everything_else_is_a_comment() -> None:
    text, inside = script(given={**WITH_ROLE, "bake-file": "x.hcl"}), False
    for line in text.replace("\\\n", "").splitlines():
        starts = line.startswith("cat > ")
        assert inside or starts or not line or line.startswith(("#", "aws iam "))
        inside = (inside or starts) and line != "JSON"


def test_document__of_a_role_with_a_path_and_longer_sessions() -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/ci/deep/publisher"
    given = {**PLAIN, "role-to-assume": role, "role-duration-seconds": "7200"}
    create = commands(script(given=given))[1]
    assert create[create.index("--role-name") + 1] == "publisher"
    assert create[create.index("--path") + 1] == "/ci/deep/"
    assert create[create.index("--max-session-duration") + 1] == "7200"
    assert f"role-to-assume: {role}" in script(given=given)


def test_document__without_an_account_says_what_to_put_where() -> None:
    text = script(given=PLAIN)
    assert f"# Put your account's id in place of {UNKNOWN_ACCOUNT} everywhere:" in text
    assert trusted(text)[0]["Principal"]["Federated"].startswith(
        f"arn:aws:iam::{UNKNOWN_ACCOUNT}:oidc-provider/"
    )
    assert permissions(text)["Repository"]["Resource"] == ARN.replace(ACCOUNT, UNKNOWN_ACCOUNT)
    assert f"role/{NAME}-publisher" in text


def test_document__takes_the_account_of_the_registry() -> None:
    text = script(given={**PLAIN, "registry": ACCOUNT})
    assert UNKNOWN_ACCOUNT not in text
    assert permissions(text)["Repository"]["Resource"] == ARN
    assert "own policies have to allow" not in text


def test_document__of_another_account_s_registry_says_what_is_to_be_done_there() -> None:
    text = script(given={**WITH_ROLE, "registry": "210987654321"})
    assert "# The registry is of the account 210987654321" in text
    assert trusted(text)[0]["Principal"]["Federated"].startswith(f"arn:aws:iam::{ACCOUNT}:")
    assert permissions(text)["Repository"]["Resource"] == ARN.replace(ACCOUNT, "210987654321")


def test_document__of_china() -> None:
    text = script(given={**PLAIN, "aws-region": "cn-north-1"})
    (statement,) = trusted(text)
    condition = statement["Condition"]["StringEquals"]
    assert statement["Principal"]["Federated"].startswith("arn:aws-cn:iam::")
    assert condition["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com.cn"
    assert "--client-id-list sts.amazonaws.com.cn" in text


def test_document__an_audience_of_one_s_own_is_one_word_of_the_shell() -> None:
    text = script(given={**WITH_ROLE, "audience": "mine; rm -rf /"})
    assert commands(text)[0][-1] == "mine; rm -rf /"
    assert "mine; rm -rf /" in str(trusted(text)[0]["Condition"])


def test_document__trusts_each_subject() -> None:
    subjects = (MAIN, "repo:org/app:environment:live")
    text = script(subjects=subjects)
    said = [
        it["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
        for it in trusted(text)
    ]
    assert (*said,) == subjects
    assert f"# 2. The role, for {', '.join(subjects)}." in text


def test_document__of_a_bake_file_names_its_repositories_by_a_pattern() -> None:
    given = {**WITH_ROLE, "bake-file": "x.hcl", "repository": "team/{target}", "tags": "{target}-1"}
    text = script(given=given)
    assert permissions(text)["Repository"]["Resource"] == ARN.replace(NAME, "team/*")
    assert "# For a cache that the bake file exports" in text
    assert "role/team-images-publisher" in script(given=given | {"role-to-assume": ""})


def test_document__name_of_the_role_is_never_too_long() -> None:
    text = script(given={**PLAIN, "repository": "team/" + "x" * 200})
    create = commands(text)[1]
    assert len(create[create.index("--role-name") + 1]) == 64
    assert create[create.index("--role-name") + 1].endswith("-publisher")


@pytest.mark.parametrize(
    ("engine", "asks", "starts"),
    [
        (ScanType.UNKNOWN, True, True),
        (ScanType.BASIC, False, True),
        (ScanType.ENHANCED, True, False),
    ],
)
def test_document__allows_what_the_engine_needs(
    engine: ScanType,
    asks: bool,  # noqa: FBT001
    starts: bool,  # noqa: FBT001
) -> None:
    found = permissions(script(scanning=engine))
    assert ("EnhancedScanning" in found) is asks
    assert ("ecr:StartImageScan" in found["Repository"]["Action"]) is starts


def test_document__allows_signing_by_the_profile() -> None:
    profile = f"arn:aws:signer:eu-west-1:{ACCOUNT}:/signing-profiles/releases"
    assert permissions(script(signing_profile="releases"))["Signing"]["Resource"] == profile
    assert "Signing" not in permissions(script())


def test_document__allows_what_the_rules_need() -> None:
    found = permissions(script(rules=Rules(known_exploited=True)))
    assert "inspector2:BatchGetFindingDetails" in found["EnhancedScanning"]["Action"]


def test_document__says_what_is_lost_without_what_may_be_left_out() -> None:
    text = script()
    assert "# - ecr:BatchDeleteImage: candidate tags stay." in text
    assert "# - ecr:PutImage" not in text
    gate = script(given={**WITH_ROLE, "job": "gate"})
    assert "# - ecr:BatchDeleteImage" not in gate
    assert "(gate)" in gate.splitlines()[0]
