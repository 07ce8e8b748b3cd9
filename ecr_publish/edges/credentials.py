"""GitHub's OIDC token -> STS -> a session in memory; or the ambient credentials.

GitHub's documentation: "OpenID Connect reference"; AWS: AssumeRoleWithWebIdentity in the STS API
reference. actions-toolkit's get_id_token has neither timeout nor retry, so it is not used here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import boto3
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from urllib3.util import Retry

from ecr_publish.edges.ports import Clock
from ecr_publish.edges.registry import (
    NO_CREDENTIALS,
    TRANSIENT,
    Clients,
    EcrRegistry,
    endpoints,
    kind_of,
)
from ecr_publish.edges.web import retrying
from ecr_publish.errors import (
    AccountNotAllowed,
    AccountUnknown,
    InvalidInputs,
    NoCredentials,
    OidcFailed,
    OidcUnavailable,
    RoleRefused,
    SessionPolicyRefused,
    StsFailed,
)
from ecr_publish.hosts import PLAIN, Kind, conflict
from ecr_publish.inputs import OIDC
from ecr_publish.plan import Plan, Role
from ecr_publish.trust import Cause, Refusal, claims

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient
    from mypy_boto3_sts.type_defs import AssumeRoleWithWebIdentityResponseTypeDef

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 20, 5
"""Pinned, so that a new SDK's defaults change nothing here."""

_CONFIG = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
)
_PAUSES = (0.5, 1.0, 2.0)
"""Seconds before STS is asked again where it could not fetch GitHub's keys, which passes and which
the SDK does not repeat (reference/samples/errors); throttling, 5xx and IDPCommunicationError it
does."""
_SERVER_ERROR = 500
_SESSION_POLICY_CODES = ("PackedPolicyTooLarge", "MalformedPolicyDocument")
_RETRY = Retry(total=ATTEMPTS, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504))


class Aws:
    """AWS as seen before there are credentials."""

    def __init__(
        self,
        environ: Mapping[str, str],
        clock: Clock,
        mask: Callable[[str], None],
        watch: Callable[[boto3.Session], None] | None = None,
    ) -> None:
        """AWS by this environment.

        Args:
            environ: Holds the runner's OIDC endpoint.
            clock: Paces the attempts.
            mask: Hides a secret in the log.
            watch: Gets every session before it is used.
        """
        self._environ = environ
        self._clock = clock
        self._mask = mask
        self._watch = watch or (lambda _: None)

    def connect(self, plan: Plan, *, from_fork: bool) -> EcrRegistry:
        """The registry, opened with the plan's role or with the ambient credentials.

        Raises OidcUnavailable, OidcFailed, RoleRefused, SessionPolicyRefused, StsFailed,
        NoCredentials, AccountNotAllowed, AccountUnknown, or InvalidInputs for endpoints that ECR
        has not.
        """
        session = self._session_of(plan, from_fork=from_fork)
        clients = Clients(session, _CONFIG, _kind(plan))
        _check_endpoints(plan, kind_of(clients.ecr))
        return EcrRegistry(clients, plan, self._mask)

    def _session_of(self, plan: Plan, *, from_fork: bool) -> boto3.Session:
        session = _ambient(plan.region)
        self._watch(session)
        if plan.role:
            session = self._assumed(plan, plan.role, session, from_fork=from_fork)
            self._watch(session)
        elif plan.allowed_accounts:
            _check_account(plan, _account_of(_sts(session, plan)))
        return session

    def _oidc_token(self, audience: str, *, from_fork: bool) -> str:
        url, bearer = (self._environ.get(name) for name in OIDC)
        if not url or not bearer:
            raise OidcUnavailable(from_fork=from_fork)
        try:
            with retrying(_RETRY) as http:
                answer = http.get(
                    url,
                    params={"audience": audience},
                    headers={"Authorization": f"bearer {bearer}"},
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                )
                answer.raise_for_status()
                token = str(answer.json()["value"])
        except (requests.RequestException, KeyError, TypeError) as error:
            # The exception's own text may hold the request's URL, which is no secret but long.
            raise OidcFailed(_brief(error)) from error
        self._mask(token)
        return token

    def _assumed(
        self, plan: Plan, role: Role, ambient: boto3.Session, *, from_fork: bool
    ) -> boto3.Session:
        sts = _sts(ambient, plan, Config(signature_version=UNSIGNED))
        answer = self._trusted(sts, role, plan.region, from_fork=from_fork)
        credentials = answer["Credentials"]
        for secret in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
            self._mask(credentials[secret])
        _check_account(plan, answer["AssumedRoleUser"]["Arn"].split(":")[4])
        return boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            region_name=plan.region,
        )

    def _trusted(
        self, sts: STSClient, role: Role, region: str, *, from_fork: bool
    ) -> AssumeRoleWithWebIdentityResponseTypeDef:
        """STS's answer to GitHub's token, of which an expired one is replaced, once."""
        token = self._oidc_token(role.audience, from_fork=from_fork)
        pauses, renewed = iter(_PAUSES), False
        while True:
            try:
                return _ask(sts, role, region, token)
            except RoleRefused as error:
                pause = next(pauses, None) if error.cause is Cause.KEYS else None
                expired = error.cause is Cause.EXPIRED and not renewed
                if pause is None and not expired:
                    raise
            self._clock.sleep(pause or 0)
            if expired:
                token, renewed = self._oidc_token(role.audience, from_fork=from_fork), True


def _ask(
    sts: STSClient, role: Role, region: str, token: str
) -> AssumeRoleWithWebIdentityResponseTypeDef:
    """Ask STS for the role; raises RoleRefused, SessionPolicyRefused or StsFailed."""
    # Absent is not the same as empty, which STS refuses.
    narrowed: dict[str, Any] = {"Policy": role.session_policy} if role.session_policy else {}
    try:
        return sts.assume_role_with_web_identity(
            RoleArn=role.arn,
            RoleSessionName=role.session_name,
            WebIdentityToken=token,
            DurationSeconds=role.seconds,
            **narrowed,
        )
    except ClientError as error:
        said, status = error.response["Error"], error.response["ResponseMetadata"]
        # A validation error may quote what was sent.
        code, message = said.get("Code", ""), said.get("Message", "").replace(token, "***")
        if code in _SESSION_POLICY_CODES:
            raise SessionPolicyRefused(role.arn, message) from error
        if code in TRANSIENT or status["HTTPStatusCode"] >= _SERVER_ERROR:
            raise StsFailed(role.arn, f"{message} ({code})", reached=True) from error
        raise RoleRefused(
            Refusal(
                role=role.arn,
                region=region,
                seconds=role.seconds,
                code=code,
                message=message,
                claims=claims(token),
            )
        ) from error
    except BotoCoreError as error:
        raise StsFailed(role.arn, str(error), reached=False) from error


def _sts(session: boto3.Session, plan: Plan, config: Config | None = None) -> STSClient:
    """STS by the same kind of endpoint as ECR; raises InvalidInputs where ECR has none such."""
    asked = _CONFIG.merge(endpoints(_kind(plan))).merge(config or Config())
    sts = session.client("sts", config=asked)
    _check_endpoints(plan, kind_of(sts))
    return sts


def _kind(plan: Plan) -> Kind:
    """A registry's host that is FIPS or dual-stack wants the same of what is asked beside it."""
    return plan.registry.kind if plan.registry else PLAIN


def _check_endpoints(plan: Plan, kind: Kind) -> None:
    host = plan.registry.host if plan.registry else None
    if problem := conflict(plan.region, kind, host):
        raise InvalidInputs([problem])


def _account_of(sts: STSClient) -> str:
    """The account of the ambient credentials; raises NoCredentials or AccountUnknown."""
    try:
        return sts.get_caller_identity()["Account"]
    except NO_CREDENTIALS as error:
        raise NoCredentials from error
    except ClientError as error:
        said = error.response["Error"]
        detail = f"{said.get('Message', '')} ({said.get('Code', '')})"
        raise AccountUnknown(detail) from error
    except BotoCoreError as error:
        raise AccountUnknown(str(error)) from error


def _check_account(plan: Plan, account: str) -> None:
    if plan.allowed_accounts and account not in plan.allowed_accounts:
        raise AccountNotAllowed(account, plan.allowed_accounts)


def _ambient(region: str) -> boto3.Session:
    try:
        return boto3.Session(region_name=region)
    except ProfileNotFound as error:
        raise NoCredentials(profile=error.kwargs["profile"]) from error


def _brief(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"it answered {response.status_code} {response.reason}"
    return type(error).__name__
