"""OIDC -> STS -> session, against a local STS that verifies GitHub's token for real."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug import Request, Response
from werkzeug.serving import make_server

from ecr_publish.edges.credentials import Aws
from ecr_publish.errors import (
    CallFailed,
    NoCredentials,
    OidcFailed,
    OidcUnavailable,
    RoleRefused,
    SessionPolicyRefused,
    StsFailed,
)
from ecr_publish.iam import session_policy
from ecr_publish.plan import Plan
from local_ecr import policies
from local_ecr.server import LocalEcr
from tests.factories import NAME, ROLE, make_plan, make_role
from tests.images import push_image

pytestmark = pytest.mark.usefixtures("ambient", "no_waiting")


def without_role() -> Plan:
    return make_plan(role=None)


def connected(ecr: LocalEcr, plan: Plan, masked: list[str]) -> None:
    """Connect and use the credentials once."""
    Aws(ecr.environment(), masked.append).connect(plan, from_fork=False).login()


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
            Aws(environ, print).connect(make_plan(), from_fork=False)
        assert "id-token: write" in caught.value.fix


def test_oidc__not_offered_to_a_fork() -> None:
    with pytest.raises(OidcUnavailable) as caught:
        Aws({}, print).connect(make_plan(), from_fork=True)

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
        Aws(environ, print).connect(make_plan(), from_fork=False)

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
        Aws(environ, print).connect(make_plan(), from_fork=False)


@pytest.mark.parametrize(
    "odd_endpoint", ['{"value": "a.b.c"}', '{"value": "no jwt"}'], indirect=True
)
def test_role__a_token_that_cannot_be_read_is_refused_without_claims(
    odd_endpoint: str, ecr: LocalEcr
) -> None:
    environ = {**ecr.environment(), "ACTIONS_ID_TOKEN_REQUEST_URL": odd_endpoint}

    with pytest.raises(RoleRefused, match="InvalidIdentityToken") as caught:
        Aws(environ, print).connect(make_plan(), from_fork=False)

    assert "sub: ?" in caught.value.why


@pytest.mark.parametrize("odd_endpoint", ['{"value": "a.W10.c"}'], indirect=True)
def test_role__claims_that_are_no_object_are_not_shown(odd_endpoint: str, ecr: LocalEcr) -> None:
    environ = {**ecr.environment(), "ACTIONS_ID_TOKEN_REQUEST_URL": odd_endpoint}

    with pytest.raises(RoleRefused) as caught:
        Aws(environ, print).connect(make_plan(), from_fork=False)

    assert "sub: ?" in caught.value.why


def test_role__refusal_shows_the_claims_and_never_the_token(ecr: LocalEcr) -> None:
    ecr.set_scenario({"trust": {"denied_roles": [ROLE.rpartition("/")[2]]}})
    masked: list[str] = []

    with pytest.raises(RoleRefused, match="Not authorized to perform") as caught:
        connected(ecr, make_plan(), masked)

    shown = f"{caught.value.what}{caught.value.why}{caught.value.fix}"
    assert ROLE in shown
    assert "sub: repo:org/repo:ref:refs/heads/main" in shown
    assert "aud: sts.amazonaws.com" in shown
    assert masked[0] not in shown
    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 1


def test_role__wrong_audience(ecr: LocalEcr) -> None:
    with pytest.raises(RoleRefused, match="Incorrect token audience"):
        connected(ecr, make_plan(role=make_role(audience="somebody-else")), [])


def test_role__session_longer_than_the_role_allows(ecr: LocalEcr) -> None:
    ecr.set_scenario({"trust": {"max_session_seconds": 3600}})

    with pytest.raises(RoleRefused) as caught:
        connected(ecr, make_plan(role=make_role(seconds=7200)), [])

    assert "role-duration-seconds" in caught.value.why


def test_role__throttled_sts_is_no_refusal(ecr: LocalEcr) -> None:
    ecr.fail_next("AssumeRoleWithWebIdentity", "Throttling", times=99, status=400)

    with pytest.raises(StsFailed):
        connected(ecr, make_plan(), [])

    assert len(ecr.calls("AssumeRoleWithWebIdentity")) == 5


def test_role__sts_out_of_reach(ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")

    with pytest.raises(StsFailed, match=r"127\.0\.0\.1:1"):
        connected(ecr, make_plan(), [])


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


def test_s2__throttling_is_retried_five_times_and_no_more(ecr: LocalEcr) -> None:
    registry = Aws(ecr.environment(), print).connect(without_role(), from_fork=False)
    ecr.fail_next("GetAuthorizationToken", "ThrottlingException", times=99)

    with pytest.raises(CallFailed) as caught:
        registry.login()

    assert caught.value.transient
    assert len(ecr.calls("GetAuthorizationToken")) == 5


def test_region__of_the_plan_is_the_one_that_is_asked(ecr: LocalEcr) -> None:
    registry = Aws(ecr.environment(), print).connect(
        make_plan(role=None, region="eu-central-1"), from_fork=False
    )

    assert registry._ecr.meta.region_name == "eu-central-1"


def test_images__helper_pushes_what_it_says(ecr: LocalEcr) -> None:
    plan = without_role()
    registry = Aws(ecr.environment(), print).connect(plan, from_fork=False)
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
