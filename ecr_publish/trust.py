"""Who may assume a role: its trust policy, for the runs of one repository on GitHub."""

from __future__ import annotations

from typing import Any


def policy(provider: str, issuer: str, audience: str, subject: str) -> dict[str, Any]:
    """The trust policy of a role for runs of this subject.

    Args:
        provider: ARN of the account's OIDC provider.
        issuer: Of the tokens, without `https://`.
        audience: The tokens' `aud`.
        subject: The tokens' `sub`; `*` stands for any characters.
    """
    word = "StringLike" if "*" in subject else "StringEquals"
    conditions = {"StringEquals": {f"{issuer}:aud": audience}}
    conditions.setdefault(word, {})[f"{issuer}:sub"] = subject
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": conditions,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
