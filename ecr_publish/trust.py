"""GitHub's OIDC token and a role's trust in it: what the token says, why STS refused, what fits.

The token's claims are read, never verified, and only to explain a refusal. They are untrusted: the
name of an environment may hold anything. GitHub: "OpenID Connect reference"; IAM: "Create a role
for OpenID Connect federation"; STS's texts: reference/samples/errors.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from ecr_publish.hosts import partition
from ecr_publish.report.escape import printable

ISSUER = "token.actions.githubusercontent.com"
"""GitHub's; an organization of GitHub Enterprise may have one of its own."""
SHOWN = ("sub", "aud", "repository", "ref", "environment", "job_workflow_ref")
_LONGEST_SHOWN = 200
_LONGEST_SUBJECT = 1000
"""IAM takes trust policies of 2,048 characters."""
_HOUR = 3600

_ISSUER = re.compile(r"https://([\w.-]+(?:/[\w.-]+)*)", re.ASCII)
_WITH_IDS = re.compile(r"repo:[^/:]+@[0-9]+/[^/:]+@[0-9]+:")
_USUAL = re.compile(r"repo:[^/:]+/[^/:]+:(ref:|environment:|pull_request$)")


class Cause(Enum):
    """Why STS did not let a run assume a role."""

    NOT_TRUSTED = "not trusted"
    NO_PROVIDER = "no provider"
    AUDIENCE = "audience"
    KEYS = "keys"
    UNREACHABLE = "unreachable"
    EXPIRED = "expired"
    DURATION = "duration"
    REGION = "region"
    MALFORMED = "malformed"
    OTHER = "other"


_BY_CODE = {
    "AccessDenied": Cause.NOT_TRUSTED,
    "ExpiredTokenException": Cause.EXPIRED,
    "IDPCommunicationError": Cause.UNREACHABLE,
    "RegionDisabledException": Cause.REGION,
    "ValidationError": Cause.MALFORMED,
}
_BY_MESSAGE = {
    ("InvalidIdentityToken", "No OpenIDConnect provider"): Cause.NO_PROVIDER,
    ("InvalidIdentityToken", "Incorrect token audience"): Cause.AUDIENCE,
    ("InvalidIdentityToken", "Couldn't retrieve verification key"): Cause.KEYS,
    ("ValidationError", "MaxSessionDuration"): Cause.DURATION,
}


def claims(token: str) -> Mapping[str, Any]:
    """What a token says of itself, unverified; nothing where it cannot be read."""
    payload = token.split(".")[1] if token.count(".") > 1 else ""
    try:
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def provider_arn(role: str, issuer: str = ISSUER) -> str:
    """The ARN of an identity provider in the account of a role; the issuer without `https://`."""
    _, aws, _, _, account, _ = role.split(":")
    return f"arn:{aws}:iam::{account}:oidc-provider/{issuer}"


def policy(
    provider: str, issuer: str, audience: str, subject: str, *, pattern: bool = False
) -> dict[str, Any]:
    """The trust policy that lets in the runs of one subject, and no others.

    Args:
        provider: ARN of the identity provider.
        issuer: Its host and path, without `https://`.
        audience: The token's `aud`.
        subject: The token's `sub`.
        pattern: Whether `*` in the subject stands for any characters.
    """
    equal = {f"{issuer}:aud": _literal(audience)}
    of_runs = {f"{issuer}:sub": _literal(subject)}
    conditions = {"StringEquals": equal if pattern else equal | of_runs}
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {**conditions, **({"StringLike": of_runs} if pattern else {})},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """STS's answer to a run that asked for a role.

    `code` and `message` are STS's own; `seconds` is the session's duration that was asked for.
    """

    role: str
    region: str
    seconds: int
    code: str
    message: str
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def cause(self) -> Cause:
        """Why, as far as STS says it."""
        said = (
            cause
            for (code, words), cause in _BY_MESSAGE.items()
            if code == self.code and words in self.message
        )
        return next(said, _BY_CODE.get(self.code, Cause.OTHER))

    @property
    def why(self) -> str:
        """The cause in words, the token's claims beside the role, and what most often differs."""
        lines = [_WHY[self.cause].format(region=self.region, hours=_hours(self.seconds))]
        lines += ["This run asked for", f"    role: {self.role}"]
        shown = [f"    {name}: {_shown(self.claims[name])}" for name in SHOWN if self._has(name)]
        lines += ["and its token says", *shown] if shown else ["and its token could not be read."]
        if self.cause is Cause.NOT_TRUSTED and shown:
            lines += ["What most often differs:", *(f"- {text}" for text in _differences(self))]
        return "\n".join(lines)

    @property
    def fix(self) -> str:
        """What to do, with what is to be pasted."""
        return _FIXES[self.cause](self)

    @property
    def issuer(self) -> str:
        """The token's, without `https://`."""
        match = _ISSUER.fullmatch(self.text("iss"))
        return match[1] if match else ISSUER

    @property
    def role_name(self) -> str:
        """The role's name, without its path."""
        return self.role.rpartition("/")[2]

    def text(self, name: str) -> str:
        """A claim as text; empty where the token has none."""
        return str(self.claims[name]) if self._has(name) else ""

    def _has(self, name: str) -> bool:
        return self.claims.get(name) not in (None, "")


_WHY = {
    Cause.NOT_TRUSTED: (
        "The role does not exist, or its trust policy does not accept this run. STS does not tell "
        "which."
    ),
    Cause.NO_PROVIDER: (
        "The account of the role does not know GitHub yet: it has no identity provider for the "
        "token's issuer."
    ),
    Cause.AUDIENCE: (
        "The account's identity provider for GitHub does not have the token's `aud` among its "
        "audiences."
    ),
    Cause.KEYS: (
        "AWS could not fetch the keys that the token is signed with, several times. Most often a "
        "passing fault; with GitHub Enterprise Server, one that AWS cannot reach."
    ),
    Cause.UNREACHABLE: (
        "AWS could not reach GitHub to check the token, several times. Most often a passing fault; "
        "with GitHub Enterprise Server, one that AWS cannot reach."
    ),
    Cause.EXPIRED: (
        "The token was older than five minutes when STS saw it, and so was a second one: the "
        "clocks of GitHub's server and AWS differ, or something on the way keeps answers."
    ),
    Cause.DURATION: "role-duration-seconds asks for {hours}, which is more than the role allows.",
    Cause.REGION: "STS is not active in {region} for this account.",
    Cause.MALFORMED: "STS cannot read role-to-assume, role-session-name or role-duration-seconds.",
    Cause.OTHER: "STS answered as shown.",
}


def _differences(refusal: Refusal) -> Iterator[str]:
    """What the claims themselves show of why a trust policy may not fit."""
    subject, repository = refusal.text("sub"), _shown(refusal.text("repository"))
    if _WITH_IDS.match(subject):
        yield (
            "`sub` holds the ids of owner and repository (GitHub's immutable subject claims, in "
            "use for repositories that were created, renamed or moved since July 2026): a policy "
            f"that says repo:{repository}:… does not accept it."
        )
    elif not _USUAL.match(subject):
        yield (
            "`sub` has not the usual form repo:owner/name:…, because the repository or its owner "
            "has chosen another (GitHub: customized subject claims)."
        )
    yield from _of_the_job(refusal)
    yield (
        "The repository was renamed or moved, or the policy writes it with other capital letters: "
        "`sub` has to match to the letter."
    )


def _of_the_job(refusal: Refusal) -> Iterator[str]:
    """What the run's event and the job's own keys make of the claims."""
    subject = refusal.text("sub")
    if ":environment:" in subject:
        yield (
            "The job has an `environment`, so `sub` names that instead of the branch: a policy "
            "that says ref:refs/heads/… does not accept it."
        )
    elif subject.endswith(":pull_request"):
        yield (
            "This is a run of a pull request, and `sub` says no more than that. A policy that "
            "accepts it accepts every pull request of the repository; give them a role that may "
            "write to a repository for tests only."
        )
    elif ":ref:" in subject:
        yield (
            "The policy is for another branch, for tags, for pull requests or for an environment: "
            f"this run is of {_shown(refusal.text('ref'))}, and its job has no `environment`."
        )
    called, caller = refusal.text("job_workflow_ref"), refusal.text("workflow_ref")
    if called and caller and called != caller:
        yield (
            "The job is one of a reusable workflow: `sub` and `repository` are those of the "
            "workflow that calls it; only job_workflow_ref names the called one."
        )


def _trusted(refusal: Refusal) -> str:
    audience, subject = refusal.text("aud"), refusal.text("sub")
    see = (
        "See whom the role trusts now:\n"
        f"    aws iam get-role --role-name {refusal.role_name} "
        "--query Role.AssumeRolePolicyDocument"
    )
    if not (audience and subject) or len(subject) > _LONGEST_SUBJECT:
        return f"{see}\nIts conditions have to match the `aud` and the `sub` of this run's token."
    issuer = refusal.issuer
    fitting = policy(provider_arn(refusal.role, issuer), issuer, audience, subject)
    return (
        f"{see}\n"
        "If this run may publish, let the role trust it: add this statement to those that are "
        "there, or put the whole into trust.json, which then replaces them:\n"
        f"    aws iam update-assume-role-policy --role-name {refusal.role_name} "
        "--policy-document file://trust.json\n"
        f"{json.dumps(fitting, indent=2)}"
    )


def _created(refusal: Refusal) -> str:
    return (
        "Create the identity provider in the account of the role, once:\n"
        "    aws iam create-open-id-connect-provider \\\n"
        f"      --url https://{refusal.issuer} --client-id-list {_audience_of(refusal)}\n"
        "If the account has it, role-to-assume names a role of another account."
    )


def _audience(refusal: Refusal) -> str:
    return (
        "Remove `audience` from the step's `with:`, if it is set. Or let the provider know it:\n"
        "    aws iam add-client-id-to-open-id-connect-provider \\\n"
        "      --open-id-connect-provider-arn "
        f"{provider_arn(refusal.role, refusal.issuer)} \\\n"
        f"      --client-id {_audience_of(refusal)}\n"
        f"The role's trust policy has to accept the same in {refusal.issuer}:aud."
    )


def _audience_of(refusal: Refusal) -> str:
    """The token's, as one word of a shell; the partition's own where it cannot be read."""
    return shlex.quote(_shown(refusal.text("aud") or partition(refusal.region).audience))


def _shorter(refusal: Refusal) -> str:
    return (
        f"Every role allows an hour:\n    role-duration-seconds: {_HOUR}\n"
        "or let this role allow as much as is asked for:\n"
        f"    aws iam update-role --role-name {refusal.role_name} "
        f"--max-session-duration {refusal.seconds}"
    )


def _activated(refusal: Refusal) -> str:
    return (
        "Activate it, if it is one that has to be (IAM's console: «Account settings», «Security "
        "Token Service»):\n"
        f"    aws account enable-region --region-name {refusal.region}\n"
        "or set aws-region to one that is active."
    )


def _corrected(refusal: Refusal) -> str:
    return (
        "Compare role-to-assume with what IAM says:\n"
        f"    aws iam get-role --role-name {refusal.role_name} --query Role.Arn"
    )


_FIXES = {
    Cause.NOT_TRUSTED: _trusted,
    Cause.NO_PROVIDER: _created,
    Cause.AUDIENCE: _audience,
    Cause.KEYS: lambda _: "Run the job again.",
    Cause.UNREACHABLE: lambda _: "Run the job again.",
    Cause.EXPIRED: lambda _: "Run the job again.",
    Cause.DURATION: _shorter,
    Cause.REGION: _activated,
    Cause.MALFORMED: _corrected,
    Cause.OTHER: _trusted,
}


def _literal(text: str) -> str:
    """The text where IAM would read a policy variable (IAM: "Variables and tags")."""
    return text.replace("${", "${$}{")


def _shown(claim: object) -> str:
    """A claim on one line, of bounded length, without what a terminal obeys."""
    text = printable(" ".join(str(claim).split()))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _hours(seconds: int) -> str:
    return f"{seconds} s ({seconds / _HOUR:g} hours)"
