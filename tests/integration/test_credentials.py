"""OIDC -> STS -> session, against a local STS that verifies GitHub's token for real."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug import Request, Response
from werkzeug.serving import make_server

from ecr_publish.edges.credentials import Aws
from ecr_publish.errors import (
    AccountNotAllowed,
    AccountUnknown,
    CallFailed,
    InvalidInputs,
    NoCredentials,
    OidcFailed,
    OidcUnavailable,
    RoleRefused,
    SessionPolicyRefused,
    StsFailed,
)
from ecr_publish.iam import session_policy
from ecr_publish.plan import Plan
from ecr_publish.reference import RegistryId
from ecr_publish.trust import Cause
from local_ecr import policies
from local_ecr.server import LocalEcr
from tests.factories import ACCOUNT, NAME, ROLE, make_plan, make_role
from tests.fakes import FakeClock
from tests.images import push_image

NO_KEYS = (
    "Couldn't retrieve verification key from your identity provider,  please reference "
    "AssumeRoleWithWebIdentity documentation for requirements"
)

pytestmark = pytest.mark.usefixtures("ambient", "no_waiting")


def without_role() -> Plan:
    return make_plan(role=None)


def connected(ecr: LocalEcr, plan: Plan, masked: list[str]) -> None:
    """Connect and use the credentials once."""
    Aws(ecr.environment(), FakeClock(), masked.append).connect(plan, from_fork=False).login()


def refusal_of(ecr: LocalEcr, plan: Plan) -> Cause:
    """Why STS does not let a run in."""
    with pytest.raises(RoleRefused) as caught:
        connected(ecr, plan, [])
    return caught.value.cause


def test_role__is_assumed_and_used_instead_of_the_ambient_credentials(
    ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    connected(ecr, make_plan(), [])

    assert [call.operation for call in ecr.calls()] == [
        "GetIdToken",
        "AssumeRoleWithWebIdentity",
        "GetAuthorizationToken",
    ]


def test_s3__every_secret_is_masked(ecr: LocalEcr) -> None:
    masked: list[str] = []

    connected(ecr, make_plan(), masked)

    jwt, key_id, _key, _session, token, password = masked
    assert jwt.count(".") == 2
    assert key_id.startswith("ASIA")
    assert len({*masked}) == 6
    assert len(token) > len(password) > 100


def test_oidc__not_offered_to_the_job(ecr: LocalEcr) -> None:
    for absent in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        environ = {name: value for name, value in ecr.environment().items() if name != absent}
        with pytest.raises(OidcUnavailable) as caught:
            Aws(environ, FakeClock(), print).connect(make_plan(), from_fork=False)
        assert "id-token: write" in caught.value.fix


def test_oidc__not_offered_to_a_fork() -> None:
    with pytest.raises(OidcUnavailable) as caught:
        Aws({}, FakeClock(), print).connect(make_plan(), from_fork=True)

    assert "fork" in caught.value.why


def test_oidc__a_passing_fault_is_retried(ecr: LocalEcr) -> None:
    ecr.fail_next("GetIdToken", "InternalFailure", times=3, status=503)

    connected(ecr, make_plan(), [])

    assert len(ecr.calls("GetIdToken")) == 4


def test_oidc__a_lasting_fault_ends_the_run(ecr: LocalEcr) -> None:
    ecr.fail_next("GetIdToken", "InternalFailure", times=99, status=503)

    with pytest.raises(OidcFailed):
        connected(ecr, make_plan(), [])

    assert len(ecr.calls("GetIdToken")) == 6


def test_oidc__netrc_does_not_take_the_place_of_the_job_s_token(
    ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    connected(ecr, make_plan(), [])


def test_oidc__a_refusal_is_not_retried(ecr: LocalEcr) -> None:
    environ = {**ecr.environment(), "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "wrong"}

    with pytest.raises(OidcFailed, match="answered 401"):
        Aws(environ, FakeClock(), print).connect(make_plan(), from_fork=False)

    assert len(ecr.calls("GetIdToken")) == 1


@pytest.fixture
def odd_endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    """An OIDC endpoint that answers 200 with what the test says."""

    @Request.application
    def answer(_: Request) -> Response:
        return Response(request.param)

    server = make_server("127.0.0.1", 0, answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/?api-version=2.0"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("odd_endpoint", ["no json", "{}", "[]"], indirect=True)
def test_oidc__an_odd_answer_ends_the_run(odd_endpoint: str) -> None:
    environ = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": odd_endpoint,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "token",
    }

    with pytest.raises(OidcFailed):
        Aws(environ, FakeClock(), print).connect(make_plan(), from_fork=False)


@pytest.mark.parametrize(
    "odd_endpoint",
    ['{"value": "a.b.c"}', '{"value": "no jwt"}', '{"value": "a.W10.c"}'],
    indirect=True,
)
def test_role__a_token_that_cannot_be_read_is_refused_without_claims(
    odd_endpoint: str, ecr: LocalEcr
) -> None:
    environ = {**ecr.environment(), "ACTIONS_ID_TOKEN_REQUEST_URL": odd_endpoint}

    with pytest.raises(RoleRefused, match="InvalidIdentityToken") as caught:
        Aws(environ, FakeClock(), print).connect(make_plan(), from_fork=False)

    assert caught.value.why.endswith("and its token could not be read.")


def test_role__refusal_shows_the_claims_and_never_the_token(ecr: LocalEcr) -> None:
    trust = {
        "denied_roles": [ROLE.rpartition("/")[2]],
        "claims": {"sub": "repo:org/repo:environment:a b", "environment": "a b"},
    }
    ecr.set_scenario({"trust": trust})
    masked: list[str] = []

    with pytest.raises(RoleRefused, match="Not authorized to perform") as caught:
        connected(ecr, make_plan(), masked)

    shown = f"{caught.value.what}{caught.value.why}{caught.value.fix}"
    assert f"    role: {ROLE}\n" in shown
    assert "    sub: repo:org/repo:environment:a b\n" in shown
    assert "    aud: sts.amazonaws.com\n" in shown
    assert "    repository: org/repo\n    ref: refs/heads/main\n    environment: a b\n" in shown
    assert '"token.actions.githubusercontent.com:sub": "repo:org/repo:environment:a b"' in shown
    assert not any(part in shown for secret in masked for part in secret.split("."))
    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 1


@pytest.mark.parametrize("odd_endpoint", ['{"value": "to.ke.n"}'], indirect=True)
def test_s3_role__token_that_sts_quotes_is_not_shown(odd_endpoint: str, ecr: LocalEcr) -> None:
    said = "1 validation error detected: Value 'to.ke.n' at 'webIdentityToken' failed"
    ecr.fail_next("AssumeRoleWithWebIdentity", "ValidationError", message=said, status=400)
    environ = {**ecr.environment(), "ACTIONS_ID_TOKEN_REQUEST_URL": odd_endpoint}

    with pytest.raises(RoleRefused, match=r"Value '\*\*\*' at 'webIdentityToken'") as caught:
        Aws(environ, FakeClock(), print).connect(make_plan(), from_fork=False)

    assert "to.ke.n" not in f"{caught.value.what}{caught.value.why}{caught.value.fix}"


def test_role__account_without_a_provider(ecr: LocalEcr) -> None:
    ecr.set_scenario({"switches": {"oidc_provider": False}})

    assert refusal_of(ecr, make_plan()) is Cause.NO_PROVIDER
    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 1


def test_role__wrong_audience(ecr: LocalEcr) -> None:
    plan = make_plan(role=make_role(audience="somebody-else"))

    assert refusal_of(ecr, plan) is Cause.AUDIENCE
    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 1


def test_role__session_longer_than_the_role_allows(ecr: LocalEcr) -> None:
    ecr.set_scenario({"trust": {"max_session_seconds": 3600}})

    assert refusal_of(ecr, make_plan(role=make_role(seconds=7200))) is Cause.DURATION


@pytest.mark.parametrize(
    ("code", "message", "cause"),
    [
        (
            "RegionDisabledException",
            "STS is not activated in this region for account:123456789012.",
            Cause.REGION,
        ),
        ("ValidationError", "Request ARN is invalid", Cause.MALFORMED),
        ("IDPRejectedClaim", "The identity provider rejected the claim.", Cause.OTHER),
    ],
)
def test_role__refused_at_once(ecr: LocalEcr, code: str, message: str, cause: Cause) -> None:
    ecr.fail_next("AssumeRoleWithWebIdentity", code, times=99, message=message, status=403)

    assert refusal_of(ecr, make_plan()) is cause
    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 1


def test_role__in_china(ecr: LocalEcr) -> None:
    role = make_role(arn=ROLE.replace("arn:aws:", "arn:aws-cn:"), audience="sts.amazonaws.com.cn")

    connected(ecr, make_plan(role=role, region="cn-north-1"), [])


def test_role__keys_that_aws_cannot_fetch_pass(ecr: LocalEcr) -> None:
    clock = FakeClock()
    ecr.fail_next(
        "AssumeRoleWithWebIdentity", "InvalidIdentityToken", times=3, message=NO_KEYS, status=400
    )

    Aws(ecr.environment(), clock, print).connect(make_plan(), from_fork=False).login()

    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 4
    assert len(ecr.calls("GetIdToken")) == 1
    assert clock.sleeps == [0.5, 1.0, 2.0]


def test_role__keys_that_aws_never_fetches(ecr: LocalEcr) -> None:
    ecr.fail_next(
        "AssumeRoleWithWebIdentity", "InvalidIdentityToken", times=99, message=NO_KEYS, status=400
    )

    assert refusal_of(ecr, make_plan()) is Cause.KEYS
    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 4


def test_role__provider_out_of_reach_is_asked_again_by_the_sdk_alone(ecr: LocalEcr) -> None:
    ecr.fail_next("AssumeRoleWithWebIdentity", "IDPCommunicationError", times=99, status=400)

    assert refusal_of(ecr, make_plan()) is Cause.UNREACHABLE
    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 5


def test_role__expired_token_is_replaced(ecr: LocalEcr) -> None:
    ecr.fail_next("AssumeRoleWithWebIdentity", "ExpiredTokenException", status=400)
    masked: list[str] = []

    connected(ecr, make_plan(), masked)

    assert len(ecr.calls("GetIdToken")) == 2
    assert [secret.count(".") for secret in masked[:2]] == [2, 2]
    assert masked[0] != masked[1]


def test_role__expired_token_is_replaced_once(ecr: LocalEcr) -> None:
    ecr.set_scenario({"trust": {"token_seconds": 0}})

    assert refusal_of(ecr, make_plan()) is Cause.EXPIRED
    assert len(ecr.calls("GetIdToken")) == 2
    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 2


@pytest.mark.parametrize(
    ("code", "status"), [("Throttling", 400), ("InternalFailure", 500), ("SomethingNew", 503)]
)
def test_role__sts_that_is_out_of_order_is_no_refusal(
    ecr: LocalEcr, code: str, status: int
) -> None:
    ecr.fail_next("AssumeRoleWithWebIdentity", code, times=99, status=status)

    with pytest.raises(StsFailed, match=rf"\({code}\)") as caught:
        connected(ecr, make_plan(), [])

    assert caught.value.why.startswith("STS was reached")
    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 5


def test_role__sts_out_of_reach(ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")

    with pytest.raises(StsFailed, match=r"127\.0\.0\.1:1") as caught:
        connected(ecr, make_plan(), [])

    assert caught.value.why == "The runner could not reach the regional STS endpoint."


# Whose credentials ------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [make_plan(), without_role()], ids=["role", "ambient"])
def test_accounts__that_are_allowed(ecr: LocalEcr, plan: Plan) -> None:
    connected(ecr, replace(plan, allowed_accounts=("210987654321", ACCOUNT)), [])

    assert ecr.calls()[-1].operation == "GetAuthorizationToken"


@pytest.mark.parametrize(
    ("plan", "asked"),
    [
        (make_plan(), ["GetIdToken", "AssumeRoleWithWebIdentity"]),
        (without_role(), ["GetCallerIdentity"]),
    ],
    ids=["role", "ambient"],
)
def test_s2_accounts__another_one_ends_the_run_before_ecr_is_asked(
    ecr: LocalEcr, plan: Plan, asked: list[str]
) -> None:
    with pytest.raises(AccountNotAllowed, match=f"account {ACCOUNT}, which is none of"):
        connected(ecr, replace(plan, allowed_accounts=("210987654321",)), [])

    assert [call.operation for call in ecr.calls()] == asked


def test_s3_accounts__credentials_that_are_not_allowed_are_masked_all_the_same(
    ecr: LocalEcr,
) -> None:
    masked: list[str] = []

    with pytest.raises(AccountNotAllowed):
        connected(ecr, make_plan(allowed_accounts=("210987654321",)), masked)

    assert len(masked) == 4


def test_s2_accounts__whose_is_not_known(ecr: LocalEcr) -> None:
    ecr.fail_next("GetCallerIdentity", "ExpiredToken", message="It has expired", status=403)

    with pytest.raises(AccountUnknown, match=r"It has expired \(ExpiredToken\)"):
        connected(ecr, make_plan(role=None, allowed_accounts=(ACCOUNT,)), [])

    assert len(ecr.calls()) == 1


def test_s2_accounts__sts_out_of_reach(monkeypatch: pytest.MonkeyPatch, ecr: LocalEcr) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")

    with pytest.raises(AccountUnknown, match=r"127\.0\.0\.1:1"):
        connected(ecr, make_plan(role=None, allowed_accounts=(ACCOUNT,)), [])

    assert not ecr.calls()


def test_accounts__no_credentials_at_all(ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(NoCredentials):
        connected(ecr, make_plan(role=None, allowed_accounts=(ACCOUNT,)), [])


# Which endpoints --------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [make_plan(), without_role()], ids=["role", "ambient"])
def test_endpoints__fips_where_there_is_none_is_refused_before_anything_is_asked(
    ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch, plan: Plan
) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")

    with pytest.raises(InvalidInputs, match="AWS_USE_FIPS_ENDPOINT: is true"):
        connected(ecr, plan, [])

    assert not ecr.calls()


def test_endpoints__fips_of_the_aws_profile_counts_too(
    ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nuse_fips_endpoint = true\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))

    with pytest.raises(InvalidInputs, match="none in eu-west-1"):
        connected(ecr, without_role(), [])


def test_endpoints__plain_registry_where_fips_is_asked_for(
    ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    registry = RegistryId.parse(f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com")

    with pytest.raises(InvalidInputs, match="is no FIPS endpoint"):
        connected(ecr, make_plan(role=None, registry=registry, region="us-east-1"), [])


@pytest.mark.parametrize("named", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECR"])
def test_endpoints__addresses_of_the_job_go_before_those_of_the_registry_s_kind(
    ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    # As a VPC endpoint has, by a name of its own.
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv(named, ecr.url)
    registry = RegistryId.parse(f"{ACCOUNT}.dkr-ecr-fips.us-east-1.on.aws")

    connected(ecr, make_plan(role=None, registry=registry, region="us-east-1"), [])

    assert [call.operation for call in ecr.calls()] == ["GetAuthorizationToken"]


def test_ambient__credentials_are_used(ecr: LocalEcr) -> None:
    connected(ecr, without_role(), [])

    assert [call.operation for call in ecr.calls()] == ["GetAuthorizationToken"]


def test_ambient__none(ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    with pytest.raises(NoCredentials):
        connected(ecr, without_role(), [])


@pytest.mark.parametrize("plan", [make_plan(), without_role()], ids=["role", "ambient"])
def test_profile__that_does_not_exist(
    ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch, plan: Plan
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")

    with pytest.raises(NoCredentials, match="no AWS profile 'nobody'"):
        connected(ecr, plan, [])


SIGN_IN = "sso_region = eu-west-1\nsso_start_url = https://org.example/start\n"
BY_A_TOKEN = f"[profile me]\nsso_session = it\n{{}}[sso-session it]\n{SIGN_IN}"
ROLE_OF_IT = f"sso_account_id = {ACCOUNT}\nsso_role_name = dev\n"


@pytest.mark.parametrize(
    "plan", [without_role(), make_plan(role=None, allowed_accounts=(ACCOUNT,))]
)
@pytest.mark.parametrize(
    "profile", [BY_A_TOKEN.format(ROLE_OF_IT), f"[profile me]\n{SIGN_IN}{ROLE_OF_IT}"]
)
@pytest.mark.parametrize(
    "cached", [None, {"accessToken": "old", "expiresAt": "2020-01-01T00:00:00Z"}]
)
def test_profile__without_a_sign_in_that_is_good(
    ecr: LocalEcr,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    plan: Plan,
    profile: str,
    cached: object,
) -> None:
    (tmp_path / "config").write_text(profile)
    folder = tmp_path / "cache"
    folder.mkdir()
    for provider in ("credentials.SSOProvider", "tokens.SSOTokenProvider"):
        monkeypatch.setattr(f"botocore.{provider}._SSO_TOKEN_CACHE_DIR", str(folder))
    if cached:
        # As botocore names them: by the session, or by where one signs in.
        for place in (b"it", b"https://org.example/start"):
            file = folder / f"{hashlib.sha1(place, usedforsecurity=False).hexdigest()}.json"
            file.write_text(json.dumps(cached))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name, value in {"AWS_PROFILE": "me", "AWS_CONFIG_FILE": "config"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NoCredentials) as caught:
        connected(ecr, plan, [])

    assert "aws sso login" in caught.value.fix
    assert not ecr.calls()


def test_s2__throttling_is_retried_five_times_and_no_more(ecr: LocalEcr) -> None:
    registry = Aws(ecr.environment(), FakeClock(), print).connect(without_role(), from_fork=False)
    ecr.fail_next("GetAuthorizationToken", "ThrottlingException", times=99)

    with pytest.raises(CallFailed) as caught:
        registry.login()

    assert caught.value.transient
    assert len(ecr.calls("GetAuthorizationToken")) == 5


def test_region__of_the_plan_is_the_one_that_is_asked(ecr: LocalEcr) -> None:
    registry = Aws(ecr.environment(), FakeClock(), print).connect(
        make_plan(role=None, region="eu-central-1"), from_fork=False
    )

    assert registry._ecr.meta.region_name == "eu-central-1"


def test_images__helper_pushes_what_it_says(ecr: LocalEcr) -> None:
    plan = without_role()
    registry = Aws(ecr.environment(), FakeClock(), print).connect(plan, from_fork=False)
    registry._ecr.create_repository(repositoryName=NAME)

    pushed = push_image(ecr, NAME, "one")

    assert registry.manifest(pushed.digest) == pushed


def narrow(policy: str) -> Plan:
    return make_plan(role=make_role(session_policy=policy))


POLICY = session_policy([make_plan()]).policy


def test_session_policy__is_that_of_the_session(ecr: LocalEcr) -> None:
    connected(ecr, narrow(POLICY), [])

    (session,) = ecr.sessions()
    assert session.policy == policies.session_policy(json.loads(POLICY))


def test_session_policy__none_is_not_sent(ecr: LocalEcr) -> None:
    connected(ecr, make_plan(), [])

    (session,) = ecr.sessions()
    assert session.policy is None


def test_session_policy__packed_too_large_is_no_refusal_of_the_role(ecr: LocalEcr) -> None:
    said = "Packed size of session policy consumes 112% of allotted space."
    ecr.fail_next("AssumeRoleWithWebIdentity", "PackedPolicyTooLarge", message=said)

    with pytest.raises(SessionPolicyRefused, match="consumes 112%"):
        connected(ecr, narrow(POLICY), [])

    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 1


def test_session_policy__that_sts_cannot_read_is_no_refusal_of_the_role(ecr: LocalEcr) -> None:
    with pytest.raises(SessionPolicyRefused, match="Syntax errors in policy"):
        connected(ecr, narrow('{"Version":"2012-10-17","Statement":[{}]}'), [])


def test_session_policy__refuses_what_it_does_not_hold_and_says_so(ecr: LocalEcr) -> None:
    nothing = {"Effect": "Allow", "Action": "ecr:DescribeImages", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [nothing]})

    with pytest.raises(CallFailed, match="no session policy allows") as caught:
        connected(ecr, narrow(policy), [])

    assert "session-policy: none" in caught.value.fix
