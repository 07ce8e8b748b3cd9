"""Managed signing: ECR signs what is pushed, in the name of who pushes, and says how that went.

A push whose sender may not sign is taken all the same; only its status says that it failed. That is
inferred from ImageSigningStatus of the ECR API reference.
"""

from __future__ import annotations

from typing import Any

PUSHES = frozenset({"PutImage", "v2.PutManifest"})


class Signatures:
    """Who was signed for, by repository and digest."""

    def __init__(self) -> None:
        self._signed: dict[tuple[str, str], bool] = {}

    def note(self, repository: str, digest: str, *, allowed: bool) -> None:
        """Sign an image, or fail to; a signature stays."""
        signed = self._signed.get((repository, digest), False)
        self._signed[repository, digest] = signed or allowed

    def statuses(self, repository: str, digest: str, profile: str) -> list[dict[str, Any]]:
        """The status as DescribeImageSigningStatus lists it."""
        signed = self._signed.get((repository, digest))
        if signed is None:
            return []
        if signed:
            return [{"signingProfileArn": profile, "status": "COMPLETE"}]
        return [
            {
                "signingProfileArn": profile,
                "status": "FAILED",
                "failureCode": "AccessDenied",
                "failureReason": "The image's sender may not use the signing profile.",
            }
        ]
