"""GitHub's OIDC token -> STS -> a session in memory; or the ambient credentials.

GitHub's documentation: "OpenID Connect reference"; AWS: AssumeRoleWithWebIdentity in the STS API
reference. actions-toolkit's get_id_token has neither timeout nor retry, so it is not used here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import boto3
import requests
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from urllib3.util import Retry

from ecr_publish.edges.registry import TRANSIENT, Clients, EcrRegistry
from ecr_publish.edges.web import retrying
from ecr_publish.errors import (
    NoCredentials,
    OidcFailed,
    OidcUnavailable,
    RoleRefused,
    SessionPolicyRefused,
    StsFailed,
)
from ecr_publish.inputs import OIDC
from ecr_publish.plan import Plan, Role

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 20, 5
"""Pinned, so that a new SDK's defaults change nothing here."""

_CONFIG = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
)
_SESSION_POLICY_CODES = ("PackedPolicyTooLarge", "MalformedPolicyDocument")
_RETRY = Retry(total=ATTEMPTS, backoff_factor=0.2, status_forcelist=(429, 500, 502, 503, 504))


class Aws:
    """AWS as seen before there are credentials."""

    def __init__(
        self,
        environ: Mapping[str, str],
        mask: Callable[[str], None],
        watch: Callable[[boto3.Session], None] | None = None,
    ) -> None:
        """AWS by this environment.

        Args:
            environ: Holds the runner's OIDC endpoint.
            mask: Hides a secret in the log.
            watch: Gets every session before it is used.
        """
        self._environ = environ
        self._mask = mask
        self._watch = watch or (lambda _: None)

    def connect(self, plan: Plan, *, from_fork: bool) -> EcrRegistry:
        """The registry, opened with the plan's role or with the ambient credentials.

        Raises OidcUnavailable, OidcFailed, RoleRefused, SessionPolicyRefused, StsFailed or
        NoCredentials.
        """
        if plan.role:
            token = self._oidc_token(plan.role.audience, from_fork=from_fork)
            session = self._assume(plan.role, plan.region, token)
        else:
            session = _ambient(plan.region)
        self._watch(session)
        return EcrRegistry(Clients(session, _CONFIG), plan, self._mask)

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

    def _assume(self, role: Role, region: str, token: str) -> boto3.Session:
        unsigned = _CONFIG.merge(Config(signature_version=UNSIGNED))
        session = _ambient(region)
        self._watch(session)
        sts = session.client("sts", config=unsigned)
        # Absent is not the same as empty, which STS refuses.
        narrowed: dict[str, Any] = {"Policy": role.session_policy} if role.session_policy else {}
        try:
            credentials = sts.assume_role_with_web_identity(
                RoleArn=role.arn,
                RoleSessionName=role.session_name,
                WebIdentityToken=token,
                DurationSeconds=role.seconds,
                **narrowed,
            )["Credentials"]
        except ClientError as error:
            said = error.response["Error"]
            if said.get("Code", "") in _SESSION_POLICY_CODES:
                raise SessionPolicyRefused(role.arn, said.get("Message", "")) from error
            if said.get("Code", "") in TRANSIENT:
                raise StsFailed(role.arn, said.get("Message", "")) from error
            raise RoleRefused(
                role.arn, said.get("Code", ""), said.get("Message", ""), _claims(token)
            ) from error
        except BotoCoreError as error:
            raise StsFailed(role.arn, str(error)) from error
        for secret in ("AccessKeyId", "SecretAccessKey", "SessionToken"):
            self._mask(credentials[secret])
        return boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            region_name=region,
        )


def _ambient(region: str) -> boto3.Session:
    try:
        return boto3.Session(region_name=region)
    except ProfileNotFound as error:
        raise NoCredentials(profile=error.kwargs["profile"]) from error


def _claims(token: str) -> Mapping[str, Any]:
    """What the token says of itself, unverified, for the error message only."""
    payload = token.split(".")[1] if token.count(".") > 1 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}


def _brief(error: Exception) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"it answered {response.status_code} {response.reason}"
    return type(error).__name__
