"""Lists in pages, with a token that says where the next one begins. Pure."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from local_ecr import errors


def page_of(
    items: Sequence[Any], body: Mapping[str, Any], name: str, default: int
) -> dict[str, Any]:
    """The page that a request asks for, as members of an answer."""
    start = offset(body.get("nextToken"))
    end = start + int(body.get("maxResults") or default)
    page: dict[str, Any] = {name: list(items[start:end])}
    return page | ({"nextToken": token(end)} if end < len(items) else {})


def token(start: int) -> str:
    """The token of the page that begins with this item."""
    return b64encode(json.dumps({"offset": start}).encode()).decode()


def offset(given: str | None) -> int:
    """The item that a token's page begins with; without a token the first.

    Raises:
        EcrError: InvalidParameterException.
    """
    if not given:
        return 0
    try:
        return int(json.loads(b64decode(given))["offset"])
    except (ValueError, KeyError, TypeError) as exc:
        raise errors.invalid_parameter("nextToken", "Invalid token") from exc
