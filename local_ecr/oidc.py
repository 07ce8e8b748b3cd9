"""GitHub's OIDC endpoint: tokens signed with a key of our own, and their verification."""

from __future__ import annotations

import json
import secrets
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

ISSUER = "https://token.actions.githubusercontent.com"
_KEY_ID = "local-ecr-1"


class BadToken(ValueError):
    """It is no token that this issuer has signed."""


class Issuer:
    """Signs and verifies tokens; the key is made anew in each process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: rsa.RSAPrivateKey | None = None
        self.request_token = secrets.token_urlsafe(48)
        self.signed: list[str] = []

    @property
    def _key(self) -> rsa.RSAPrivateKey:
        # Made when needed: it takes a tenth of a second, and most servers of tests never sign.
        with self._lock:
            if self._made is None:
                self._made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            return self._made

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT (RS256) of these claims."""
        header = {"typ": "JWT", "alg": "RS256", "kid": _KEY_ID}
        signed = f"{_encoded_json(header)}.{_encoded_json(claims)}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
        self.signed.append(f"{signed}.{_encoded(signature)}")
        return self.signed[-1]

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token with our signature; times and audience are not looked at.

        Raises:
            BadToken: It is not a JWT, or not ours.
        """
        try:
            signed, _, signature = token.rpartition(".")
            self._key.public_key().verify(
                _decoded(signature), signed.encode(), padding.PKCS1v15(), SHA256()
            )
            claims = json.loads(_decoded(signed.partition(".")[2]))
        except (InvalidSignature, ValueError) as exc:
            raise BadToken("the signature is not that of the issuer") from exc
        return dict(claims)

    def key_set(self) -> dict[str, Any]:
        """The public key as a JWK set."""
        numbers = self._key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": _KEY_ID,
            "n": _encoded(numbers.n.to_bytes(256, "big")),
            "e": _encoded(numbers.e.to_bytes(3, "big")),
        }
        return {"keys": [key]}


def claims(audience: str, now: float, seconds: int, over: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a push to the default branch.

    Args:
        audience: Who the token is for.
        now: The time, epoch seconds.
        seconds: How long it lives.
        over: Claims that differ.
    """
    issued = int(now)
    usual = {
        "jti": secrets.token_hex(16),
        "sub": "repo:org/repo:ref:refs/heads/main",
        "aud": audience,
        "iss": ISSUER,
        "iat": issued,
        "nbf": issued - 300,
        "exp": issued + seconds,
        **_WORKFLOW_CLAIMS,
    }
    return usual | dict(over)


_WORKFLOW_CLAIMS = {
    "ref": "refs/heads/main",
    "ref_type": "branch",
    "ref_protected": "true",
    "sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e",
    "repository": "org/repo",
    "repository_id": "74",
    "repository_owner": "org",
    "repository_owner_id": "65",
    "repository_visibility": "private",
    "run_id": "1234567890",
    "run_number": "10",
    "run_attempt": "1",
    "runner_environment": "github-hosted",
    "actor": "octocat",
    "actor_id": "12",
    "event_name": "push",
    "head_ref": "",
    "base_ref": "",
    "workflow": "publish",
    "workflow_ref": "org/repo/.github/workflows/publish.yml@refs/heads/main",
    "workflow_sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e",
    "job_workflow_ref": "org/repo/.github/workflows/publish.yml@refs/heads/main",
    "job_workflow_sha": "6dcb09b5b57875f334f61aebed695e2e4193db5e",
}


def _encoded(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _encoded_json(content: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(content, separators=(",", ":")).encode())


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
