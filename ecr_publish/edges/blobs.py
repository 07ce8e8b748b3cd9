"""A layer or configuration of an image, by the address that ECR gives for it."""

from __future__ import annotations

import requests
from urllib3.util import Retry

from ecr_publish.edges.web import retrying
from ecr_publish.reference import Digest

_TIMEOUT = (5, 10)
_RETRY = Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
"""S3 asks for it: "Error responses", SlowDown and InternalError."""
_MOST_BYTES, _PART_BYTES = 8 << 20, 1 << 16


class BlobUnreadable(Exception):
    """The bytes did not come, or are not those of the digest."""


def download(address: str, digest: Digest) -> str:
    """The text of a small blob; raises BlobUnreadable. The address is a secret for some minutes."""
    try:
        with (
            retrying(_RETRY) as http,
            http.get(address, timeout=_TIMEOUT, stream=True) as answer,
        ):
            answer.raise_for_status()
            content = b""
            for part in answer.iter_content(_PART_BYTES):
                content += part
                if len(content) > _MOST_BYTES:
                    raise BlobUnreadable("it is too large")
    except requests.RequestException as error:
        # Its own text would show the address.
        raise BlobUnreadable(type(error).__name__) from None
    if Digest.of(content) != digest:
        raise BlobUnreadable("its bytes have another digest")
    return content.decode(errors="replace")
