"""STS, as far as a publisher needs it: who am I, and a role for a web identity.

Written here and not left to moto, which verifies nothing and shares its state between servers.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from typing import Any
from xml.sax.saxutils import escape

from local_ecr.errors import EcrError
from local_ecr.oidc import ISSUER, BadToken, Issuer
from local_ecr.policies import Policy, session_policy
from local_ecr.scans import Switches, Trust

AUDIENCE = "sts.amazonaws.com"
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_MAX_POLICY = 2_048
_MIN_SECONDS, _MAX_SECONDS = 900, 43_200


@dataclass(frozen=True, kw_only=True)
class Session:
    """Credentials of an assumed role. `policy` narrows them further; None for no such one."""

    arn: str
    role_id: str
    access_key: str
    secret_key: str
    token: str
    expires_at: float
    policy: Policy | None = None


class Sts:
    """Sessions of one account."""

    def __init__(self, account: str, issuer: Issuer) -> None:
        self._account = account
        self._issuer = issuer
        self._sessions: dict[str, Session] = {}

    def caller(self, access_key: str | None) -> dict[str, Any]:
        """GetCallerIdentity: the role that the key belongs to, else a user."""
        session = self._sessions.get(access_key or "")
        user_arn = f"arn:aws:iam::{self._account}:user/local-ecr"
        return {
            "UserId": session.role_id if session else "AIDALOCALECR",
            "Account": self._account,
            "Arn": session.arn if session else user_arn,
        }

    def session(self, access_key: str) -> Session | None:
        """The session of a role that the key belongs to; None for any other key."""
        return self._sessions.get(access_key)

    def all(self) -> tuple[Session, ...]:
        """All sessions so far, the first one first."""
        return tuple(self._sessions.values())

    def secrets(self) -> list[str]:
        """What was handed out of all sessions so far."""
        return [
            secret
            for session in self._sessions.values()
            for secret in (session.access_key, session.secret_key, session.token)
        ]

    def assume_role(self, form: Mapping[str, str], now: float) -> dict[str, Any]:
        """AssumeRole: anybody may."""
        _check_form(form)
        session = self._session(form, now)
        return {"Credentials": _credentials(session), "AssumedRoleUser": _user(session)}

    def assume_with_web_identity(
        self, form: Mapping[str, str], now: float, trust: Trust, switches: Switches
    ) -> dict[str, Any]:
        """AssumeRoleWithWebIdentity: the token is verified, then the role's trust.

        Raises:
            EcrError: With the codes and the texts of STS.
        """
        _check_form(form)
        claims = _verified(self._issuer, form.get("WebIdentityToken", ""), now, switches)
        _check_trust(form, claims, trust)
        session = self._session(form, now)
        return {
            "Credentials": _credentials(session),
            "SubjectFromWebIdentityToken": claims["sub"],
            "AssumedRoleUser": _user(session),
            "Provider": f"arn:aws:iam::{self._account}:oidc-provider/{ISSUER[8:]}",
            "Audience": claims["aud"],
        }

    def _session(self, form: Mapping[str, str], now: float) -> Session:
        role, name = form.get("RoleArn", ""), form.get("RoleSessionName", "")
        account = role.split(":")[4] if role.count(":") >= 5 else self._account  # noqa: PLR2004
        session = Session(
            arn=f"arn:aws:sts::{account}:assumed-role/{role_name(role)}/{name}",
            role_id=f"AROA{secrets.token_hex(8).upper()}:{name}",
            access_key=f"ASIA{secrets.token_hex(8).upper()}",
            secret_key=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(300),
            expires_at=now + _duration(form),
            policy=_session_policy(form.get("Policy")),
        )
        self._sessions[session.access_key] = session
        return session


def role_name(arn: str) -> str:
    """The name at the end of a role's ARN."""
    return arn.rpartition("/")[2]


def not_authorized(action: str) -> EcrError:
    """STS's refusal, which does not tell a role that is missing from one that does not trust."""
    return EcrError("AccessDenied", f"Not authorized to perform sts:{action}", 403)


def _check_form(form: Mapping[str, str]) -> None:
    if not _SESSION_NAME.fullmatch(form.get("RoleSessionName", "")):
        raise _invalid_value("roleSessionName", _SESSION_NAME.pattern)
    if len(form.get("Policy", "")) > _MAX_POLICY:
        raise _invalid_value(
            "policy", f"Member must have length less than or equal to {_MAX_POLICY}"
        )
    _session_policy(form.get("Policy"))


def _session_policy(text: str | None) -> Policy | None:
    try:
        return None if text is None else session_policy(json.loads(text))
    except ValueError as exc:
        raise EcrError("MalformedPolicyDocument", f"Syntax errors in policy. ({exc})") from exc


def _invalid_value(member: str, constraint: str) -> EcrError:
    message = f"1 validation error detected: Value at '{member}' failed to satisfy constraint: "
    return EcrError("ValidationError", message + constraint)


def _verified(issuer: Issuer, token: str, now: float, switches: Switches) -> dict[str, Any]:
    try:
        claims = issuer.verify(token)
    except BadToken as exc:
        raise _invalid(
            "Couldn't retrieve verification key from your identity provider,  "
            "please reference AssumeRoleWithWebIdentity documentation for requirements"
        ) from exc
    if claims.get("iss") != ISSUER or not switches.oidc_provider:
        raise _invalid(f"No OpenIDConnect provider found in your account for {claims.get('iss')}")
    if claims.get("aud") != AUDIENCE:
        raise _invalid("Incorrect token audience")
    if now >= claims["exp"]:
        raise EcrError(
            "ExpiredTokenException",
            f"Token expired: current date/time {int(now)} must be before "
            f"the expiration date/time {claims['exp']}",
        )
    return claims


def _invalid(message: str) -> EcrError:
    return EcrError("InvalidIdentityToken", message)


def _check_trust(form: Mapping[str, str], claims: Mapping[str, Any], trust: Trust) -> None:
    name = role_name(form.get("RoleArn", ""))
    unknown = bool(trust.allowed_roles) and name not in trust.allowed_roles
    stranger = bool(trust.subjects) and not any(
        fnmatchcase(claims["sub"], pattern) for pattern in trust.subjects
    )
    if unknown or stranger or name in trust.denied_roles:
        raise not_authorized("AssumeRoleWithWebIdentity")
    if _duration(form) > trust.max_session_seconds:
        raise EcrError(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        )


def _duration(form: Mapping[str, str]) -> int:
    seconds = int(form.get("DurationSeconds", "3600"))
    if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
        raise EcrError(
            "ValidationError",
            f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to "
            f"satisfy constraint: Member must have value between {_MIN_SECONDS} and {_MAX_SECONDS}",
        )
    return seconds


def _credentials(session: Session) -> dict[str, str]:
    expires = datetime.fromtimestamp(session.expires_at, timezone.utc)
    return {
        "AccessKeyId": session.access_key,
        "SecretAccessKey": session.secret_key,
        "SessionToken": session.token,
        "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _user(session: Session) -> dict[str, str]:
    return {"AssumedRoleId": session.role_id, "Arn": session.arn}


def result_xml(action: str, result: Mapping[str, Any]) -> str:
    """A result as the query protocol wraps it."""
    inner = _members(result)
    return (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{inner}</{action}Result>'
        f"{_metadata()}</{action}Response>"
    )


def error_xml(error: EcrError) -> str:
    """A refusal as the query protocol wraps it."""
    kind = "Sender" if error.status < 500 else "Receiver"  # noqa: PLR2004
    fields = {"Type": kind, "Code": error.code, "Message": error.message}
    return (
        f'<ErrorResponse xmlns="{_NAMESPACE}"><Error>{_members(fields)}</Error>'
        "<RequestId>00000000-0000-4000-8000-000000000000</RequestId></ErrorResponse>"
    )


def _metadata() -> str:
    request_id = "<RequestId>00000000-0000-4000-8000-000000000000</RequestId>"
    return f"<ResponseMetadata>{request_id}</ResponseMetadata>"


def _members(fields: Mapping[str, Any]) -> str:
    return "".join(f"<{name}>{_value(value)}</{name}>" for name, value in fields.items())


def _value(value: Any) -> str:  # noqa: ANN401 - text or a nested structure
    return _members(value) if isinstance(value, Mapping) else escape(str(value))
