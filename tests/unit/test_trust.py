"""Who may assume a role."""

from __future__ import annotations

import pytest

from ecr_publish import trust

PROVIDER = "arn:aws:iam::123456789012:oidc-provider/issuer.example"


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (
            "repo:org/app:ref:refs/heads/main",
            {
                "StringEquals": {
                    "issuer.example:aud": "sts",
                    "issuer.example:sub": "repo:org/app:ref:refs/heads/main",
                }
            },
        ),
        (
            "repo:org/app:ref:refs/tags/v*",
            {
                "StringEquals": {"issuer.example:aud": "sts"},
                "StringLike": {"issuer.example:sub": "repo:org/app:ref:refs/tags/v*"},
            },
        ),
    ],
)
def test_policy__accepts_one_audience_and_one_subject(
    subject: str, expected: dict[str, dict[str, str]]
) -> None:
    assert trust.policy(PROVIDER, "issuer.example", "sts", subject) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Federated": PROVIDER},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": expected,
            }
        ],
    }
