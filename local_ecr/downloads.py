"""S3's part of a pull: URLs that carry their own permission, and the blobs behind them."""

from __future__ import annotations

import secrets
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from local_ecr.blobs import BlobFiles
from local_ecr.errors import ERROR_HEADER, EcrError

PREFIX = "/_layers/"
LIFETIME_SECONDS = 3600
_TOKEN_BYTES = 48
_TWO_PERMISSIONS = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
    "string parameter or the Authorization header should be specified"
)
_OTHER_REQUEST = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your key and signing method."
)


class Downloads:
    """The URLs handed out by GetDownloadUrlForLayer: each is good for one blob and an hour."""

    def __init__(self) -> None:
        self._issued: dict[str, tuple[str, float]] = {}

    def path(self, repository: str, digest: str, now: float) -> str:
        """Path and query of a new URL of this blob."""
        token, path = secrets.token_urlsafe(_TOKEN_BYTES), f"{PREFIX}{repository}/{digest}"
        self._issued[token] = (path, now + LIFETIME_SECONDS)
        return f"{path}?token={token}"

    def check(self, request: Request, now: float) -> None:
        """Let a request pass that is made exactly as its URL was handed out.

        Raises:
            EcrError: In S3's words.
        """
        path, expires = self._issued.get(request.args.get("token", ""), ("", 0.0))
        if request.headers.get("Authorization"):
            raise EcrError("InvalidArgument", _TWO_PERMISSIONS)
        if request.method != "GET" or request.path != path:
            raise EcrError("SignatureDoesNotMatch", _OTHER_REQUEST, 403)
        if now >= expires:
            raise EcrError("AccessDenied", "Request has expired", 403)

    def secrets(self) -> list[str]:
        """All tokens so far."""
        return list(self._issued)


def repository_of(path: str) -> str:
    """The repository that a URL's path names."""
    return path.removeprefix(PREFIX).rpartition("/")[0]


def blob_response(blobs: BlobFiles, path: str) -> Response:
    """The blob that a checked path names."""
    digest = path.rpartition("/")[2]
    response = Response(blobs.read(digest), content_type="application/octet-stream")
    response.content_length = blobs.path(digest).stat().st_size
    return response


def error_response(error: EcrError) -> Response:
    """A refusal in S3's format."""
    code, message = escape(error.code), escape(error.message)
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    response = Response(text, status=error.status, content_type="application/xml")
    response.headers[ERROR_HEADER] = error.code
    return response
