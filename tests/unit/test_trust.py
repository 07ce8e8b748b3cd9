import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ecr_publish.trust import ISSUER, Cause, claims, policy, provider_arn
from tests.factories import ROLE, make_refused

USUAL = make_refused().claims
PROVIDER = f"arn:aws:iam::123456789012:oidc-provider/{ISSUER}"
NO_PROVIDER = f"No OpenIDConnect provider found in your account for https://{ISSUER}"
NO_KEYS = (
    "Couldn't retrieve verification key from your identity provider,  please reference "
    "AssumeRoleWithWebIdentity documentation for requirements"
)
TOO_LONG = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
OTHER_VALUE = "1 validation error detected: Value at 'roleSessionName' failed to satisfy"

CAUSES = [
    ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", Cause.NOT_TRUSTED),
    ("InvalidIdentityToken", NO_PROVIDER, Cause.NO_PROVIDER),
    ("InvalidIdentityToken", "Incorrect token audience", Cause.AUDIENCE),
    ("InvalidIdentityToken", NO_KEYS, Cause.KEYS),
    ("InvalidIdentityToken", "Missing a required claim: sub", Cause.OTHER),
    ("IDPCommunicationError", "(varies)", Cause.UNREACHABLE),
    ("ExpiredTokenException", "Token expired: current date/time 2 must be before 1", Cause.EXPIRED),
    ("ValidationError", TOO_LONG, Cause.DURATION),
    ("ValidationError", OTHER_VALUE, Cause.MALFORMED),
    ("RegionDisabledException", "STS is not activated in this region", Cause.REGION),
    ("SomethingNew", "Incorrect token audience", Cause.OTHER),
]


def token(payload: bytes) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload).rstrip(b'=').decode()}.c2ln"


def pasted_policy(fix: str) -> Any:
    return json.loads(fix[fix.index("{") :])


def commands(text: str) -> list[str]:
    lines = text.replace("\\\n", "").splitlines()
    return [" ".join(line.split()) for line in lines if line.startswith("    aws ")]


def why(**over: Any) -> str:
    """Why a token like the usual one, but for these claims, is not trusted."""
    return make_refused(claims={**USUAL, **over}).why


# What the token says ----------------------------------------------------------------------------


def test_claims__are_read_without_being_verified() -> None:
    assert claims(token(b'{"sub": "\xc3\xa9", "n": [1]}')) == {"sub": "é", "n": [1]}


@pytest.mark.parametrize(
    "text", ["", "a.b", "no token", "a.b.c", "a.é.c", token(b"[]"), token(b"\xff"), token(b"{")]
)
def test_claims__of_what_is_no_token(text: str) -> None:
    assert claims(text) == {}


# What STS says ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "message", "cause"), CAUSES)
def test_cause__by_code_and_text(code: str, message: str, cause: Cause) -> None:
    assert make_refused(code=code, message=message).cause is cause


def test_causes__each_is_met() -> None:
    assert {cause for _, _, cause in CAUSES} == set(Cause)


@pytest.mark.parametrize(
    ("code", "message", "begins", "does"),
    [
        ("AccessDenied", "no", "The role does not exist, or its trust policy", "See whom the role"),
        (
            "InvalidIdentityToken",
            NO_PROVIDER,
            "The account of the role does not know GitHub yet",
            "Create the identity provider in the account of the role, once:",
        ),
        (
            "InvalidIdentityToken",
            "Incorrect token audience",
            "The account's identity provider for GitHub does not have the token's `aud`",
            "Remove `audience` from the step's `with:`, if it is set.",
        ),
        ("InvalidIdentityToken", NO_KEYS, "AWS could not fetch the keys", "Run the job again."),
        ("IDPCommunicationError", "", "AWS could not reach GitHub", "Run the job again."),
        ("ExpiredTokenException", "", "The token was older than five", "Run the job again."),
        ("ValidationError", TOO_LONG, "role-duration-seconds asks for 5400 s (1.5 hours)", "Every"),
        (
            "ValidationError",
            OTHER_VALUE,
            "STS cannot read role-to-assume",
            "Compare role-to-assume",
        ),
        (
            "RegionDisabledException",
            "",
            "STS is not active in eu-west-1 for this account.",
            "Activate it",
        ),
        ("SomethingNew", "", "STS answered as shown.", "See whom the role trusts now:"),
    ],
)
def test_refusal__says_why_and_what_to_do(code: str, message: str, begins: str, does: str) -> None:
    refusal = make_refused(code=code, message=message, seconds=5400)
    assert refusal.why.startswith(begins)
    assert refusal.fix.startswith(does)


# The claims beside the role ---------------------------------------------------------------------


def test_why__shows_the_role_and_those_claims_that_the_token_has() -> None:
    shown = why(environment="production", job_workflow_ref="org/a/.github/w.yml@main", jti="unique")

    assert shown.partition("This run asked for\n")[2].partition("\nWhat most")[0] == (
        f"    role: {ROLE}\n"
        "and its token says\n"
        "    sub: repo:org/visit-counter-app:ref:refs/heads/main\n"
        "    aud: sts.amazonaws.com\n"
        "    repository: org/visit-counter-app\n"
        "    ref: refs/heads/main\n"
        "    environment: production\n"
        "    job_workflow_ref: org/a/.github/w.yml@main"
    )
    assert "unique" not in shown


def test_why__leaves_out_what_the_token_has_not() -> None:
    assert "    environment:" not in why()
    assert "    ref:" not in why(ref="")


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidIdentityToken"])
def test_why__token_that_cannot_be_read(code: str) -> None:
    refusal = make_refused(code=code, claims={})
    assert refusal.why.endswith(f"    role: {ROLE}\nand its token could not be read.")


def test_s3_why__shows_a_hostile_environment_on_one_short_line() -> None:
    hostile = "prod\n::add-mask::x\r\x1b[2J\u202e" + "y" * 500
    shown = why(environment=hostile)

    (line,) = [line for line in shown.splitlines() if "prod" in line]
    assert line.startswith("    environment: prod ::add-mask::x")
    assert line.isprintable()
    assert line.endswith("y…")
    assert len(line) == len("    environment: ") + 200 + 1
    assert not any(line.startswith("::") for line in shown.splitlines())


# What most often differs ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({}, "this run is of refs/heads/main, and its job has no `environment`"),
        (
            {"sub": "repo:org/app:ref:refs/tags/v1", "ref": "refs/tags/v1"},
            "this run is of refs/tags/v1, and its job has no `environment`",
        ),
        ({"sub": "repo:org/app:environment:prod"}, "`sub` names that instead of the branch"),
        ({"sub": "repo:org/app:pull_request"}, "accepts every pull request of the repository"),
        (
            {"sub": "repo:org@65/visit-counter-app@74:ref:refs/heads/main"},
            "a policy that says repo:org/visit-counter-app:… does not accept it",
        ),
        ({"sub": "repository_id:74"}, "`sub` has not the usual form"),
        (
            {"sub": "repo:org/app:job_workflow_ref:org/a/w.yml"},
            "`sub` has not the usual form",
        ),
        (
            {"workflow_ref": "org/a/w.yml@main", "job_workflow_ref": "org/b/w.yml@main"},
            "The job is one of a reusable workflow",
        ),
    ],
)
def test_why__names_what_the_claims_show(over: Mapping[str, str], said: str) -> None:
    assert sum(said in text for text in why(**over).splitlines()) == 1


@pytest.mark.parametrize(
    ("over", "unsaid"),
    [
        ({}, "`sub` has not the usual form"),
        ({}, "holds the ids"),
        ({}, "instead of the branch"),
        ({}, "every pull request"),
        ({}, "reusable workflow"),
        ({"sub": "repo:org/app:pull_request"}, "has not the usual form"),
        ({"sub": "repo:org/app:environment:prod"}, "has not the usual form"),
        ({"sub": "repo:org/app:environment:prod"}, "has no `environment`"),
        ({"sub": "repo:org/app:pull_request"}, "has no `environment`"),
        ({"sub": "repo:o@65/a@74:ref:refs/heads/main"}, "has not the usual form"),
        ({"sub": "repository_id:74"}, "has no `environment`"),
        ({"workflow_ref": "a/w.yml@m", "job_workflow_ref": "a/w.yml@m"}, "reusable workflow"),
        ({"job_workflow_ref": "a/w.yml@m"}, "reusable workflow"),
        ({"workflow_ref": "a/w.yml@m"}, "reusable workflow"),
    ],
)
def test_why__does_not_name_what_they_do_not_show(over: Mapping[str, str], unsaid: str) -> None:
    assert unsaid not in why(**over)


def test_why__says_always_that_the_name_has_to_match_to_the_letter() -> None:
    assert why().endswith("`sub` has to match to the letter.")


def test_why__differences_are_for_a_policy_that_does_not_accept() -> None:
    assert "What most often differs" not in make_refused(code="RegionDisabledException").why


# What to paste ----------------------------------------------------------------------------------


def test_policy__lets_in_one_subject() -> None:
    assert policy(PROVIDER, ISSUER, "sts.amazonaws.com", "repo:org/app:pull_request") == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": PROVIDER},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {
                    "StringEquals": {
                        f"{ISSUER}:aud": "sts.amazonaws.com",
                        f"{ISSUER}:sub": "repo:org/app:pull_request",
                    }
                },
            }
        ],
    }


def test_policy__a_name_is_no_variable_of_iam() -> None:
    made = policy(PROVIDER, ISSUER, "a", "repo:o/a:environment:${aws:x}-$1{")
    expected = "repo:o/a:environment:${$}{aws:x}-$1{"
    assert made["Statement"][0]["Condition"]["StringEquals"][f"{ISSUER}:sub"] == expected


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov", "aws-eusc"])
@pytest.mark.parametrize("code", ["AccessDenied", "SomethingNew"])
def test_fix__trust_policy_for_this_very_run(partition: str, code: str) -> None:
    role = f"arn:{partition}:iam::210987654321:role/ci/publisher"
    fix = make_refused(role=role, code=code).fix
    provider = f"arn:{partition}:iam::210987654321:oidc-provider/{ISSUER}"

    assert provider_arn(role) == provider
    assert pasted_policy(fix) == policy(
        provider, ISSUER, "sts.amazonaws.com", "repo:org/visit-counter-app:ref:refs/heads/main"
    )
    assert commands(fix) == [
        "aws iam get-role --role-name publisher --query Role.AssumeRolePolicyDocument",
        (
            "aws iam update-assume-role-policy --role-name publisher "
            "--policy-document file://trust.json"
        ),
    ]


def test_s3_fix__subject_that_breaks_out_of_json_does_not() -> None:
    subject = 'repo:o/a:environment:"}], "x\n\x1b[2J\u202e'
    fix = make_refused(claims={**USUAL, "sub": subject}).fix
    condition = pasted_policy(fix)["Statement"][0]["Condition"]["StringEquals"]

    assert condition[f"{ISSUER}:sub"] == subject
    assert "\x1b" not in fix
    assert "\u202e" not in fix


@pytest.mark.parametrize(
    "over", [{"sub": ""}, {"aud": None}, {"sub": "repo:o/a:environment:" + "x" * 1000}]
)
def test_fix__no_policy_where_none_could_be_right(over: Mapping[str, Any]) -> None:
    fix = make_refused(claims={**USUAL, **over}).fix
    assert "{" not in fix
    assert commands(fix)
    assert fix.endswith("have to match the `aud` and the `sub` of this run's token.")


def test_fix__longest_subject_that_still_fits() -> None:
    assert "{" in make_refused(claims={**USUAL, "sub": "x" * 1000}).fix


def test_fix__identity_provider_to_create() -> None:
    audience = {**USUAL, "aud": "sts.amazonaws.com.cn"}
    fix = make_refused(code="InvalidIdentityToken", message=NO_PROVIDER, claims=audience).fix
    assert commands(fix) == [
        (
            f"aws iam create-open-id-connect-provider --url https://{ISSUER} "
            "--client-id-list sts.amazonaws.com.cn"
        )
    ]


def test_fix__identity_provider_for_a_token_that_cannot_be_read() -> None:
    refusal = make_refused(code="InvalidIdentityToken", message=NO_PROVIDER, claims={})
    assert f"--url https://{ISSUER} --client-id-list sts.amazonaws.com\n" in refusal.fix
    assert "--client-id-list sts.amazonaws.com.cn\n" in replace(refusal, region="cn-north-1").fix


def test_s3_fix__audience_is_no_second_command() -> None:
    over = {**USUAL, "aud": "a; rm -rf ~\nb"}
    fix = make_refused(
        code="InvalidIdentityToken", message="Incorrect token audience", claims=over
    ).fix
    assert commands(fix) == [
        (
            "aws iam add-client-id-to-open-id-connect-provider "
            f"--open-id-connect-provider-arn {PROVIDER} --client-id 'a; rm -rf ~ b'"
        )
    ]
    assert (
        "rm -rf ~\nb"
        not in make_refused(code="InvalidIdentityToken", message=NO_PROVIDER, claims=over).fix
    )


@pytest.mark.parametrize(
    "issuer", [f"{ISSUER}/octocat-inc", "ghe.example.com/_services/token", "ghe-1.example.com"]
)
def test_fix__issuer_of_an_enterprise(issuer: str) -> None:
    refusal = make_refused(claims={**USUAL, "iss": f"https://{issuer}"})
    (statement,) = pasted_policy(refusal.fix)["Statement"]

    assert statement["Principal"] == {
        "Federated": f"arn:aws:iam::123456789012:oidc-provider/{issuer}"
    }
    assert set(statement["Condition"]["StringEquals"]) == {f"{issuer}:aud", f"{issuer}:sub"}


@pytest.mark.parametrize(
    "issuer", ["", "http://ghe.example.com", "https://a b", "https://a;b", "https://a\n", 1]
)
def test_s3_fix__issuer_that_is_none_is_github_s(issuer: object) -> None:
    assert make_refused(claims={**USUAL, "iss": issuer}).issuer == ISSUER


def test_fix__duration_to_paste() -> None:
    fix = make_refused(code="ValidationError", message=TOO_LONG, seconds=7200).fix
    assert "    role-duration-seconds: 3600\n" in fix
    assert commands(fix) == [
        "aws iam update-role --role-name visit-counter-publisher --max-session-duration 7200"
    ]


def test_fix__region_to_activate() -> None:
    fix = make_refused(code="RegionDisabledException", region="af-south-1").fix
    assert commands(fix) == ["aws account enable-region --region-name af-south-1"]


def test_fix__role_to_compare() -> None:
    fix = make_refused(code="ValidationError", message=OTHER_VALUE).fix
    assert commands(fix) == [
        "aws iam get-role --role-name visit-counter-publisher --query Role.Arn"
    ]
