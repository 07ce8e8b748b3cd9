"""The registry's passwords: made per process, valid for 12 hours or until they are expired."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from typing import Literal

LIFETIME_SECONDS = 12 * 3600
_PASSWORD_BYTES = 1125  # 1,500 characters, about as long as ECR's


class Tokens:
    """Passwords handed out by GetAuthorizationToken."""

    def __init__(self) -> None:
        self._expires: dict[str, float] = {}
        self._owners: dict[str, str] = {}

    def issue(self, now: float, owner: str = "") -> tuple[str, float]:
        """A new authorization token (base64 of `AWS:<password>`) and when it expires.

        `owner` is the access key of who has asked for it.
        """
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        self._owners[password] = owner
        self._expires[password] = now + LIFETIME_SECONDS
        return b64encode(f"AWS:{password}".encode()).decode(), now + LIFETIME_SECONDS

    def secrets(self) -> list[str]:
        """All passwords so far, and the authorization tokens that carry them."""
        encoded = (b64encode(f"AWS:{password}".encode()).decode() for password in self._expires)
        return [*self._expires, *encoded]

    def expire_all(self) -> None:
        """Let every token so far be one of yesterday."""
        self._expires = dict.fromkeys(self._expires, 0.0)

    def check(self, header: str | None, now: float) -> Literal["valid", "expired", "missing"]:
        """Judge an Authorization header of the data plane."""
        password = _password(header)
        if password not in self._expires:
            return "missing"
        return "valid" if now < self._expires[password] else "expired"

    def owner(self, header: str | None) -> str:
        """The access key that an Authorization header's password was given to; empty for none."""
        return self._owners.get(_password(header), "")


def _password(header: str | None) -> str:
    scheme, _, encoded = (header or "").partition(" ")
    user, _, password = _decoded(encoded).partition(":")
    return password if scheme.lower() == "basic" and user == "AWS" else ""


def _decoded(encoded: str) -> str:
    try:
        return b64decode(encoded, validate=True).decode()
    except ValueError:
        return ""
