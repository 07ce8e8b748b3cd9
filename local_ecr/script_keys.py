"""The keys that a part of a script may have. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check_keys(body: Mapping[str, Any], allowed: set[str] | frozenset[str], what: str) -> None:
    """Refuse keys that are not known.

    Raises:
        ValueError: With all that are not, and all that are.
    """
    unknown = sorted(set(body) - allowed)
    if unknown:
        known = ", ".join(sorted(allowed))
        raise ValueError(f"{what}: unknown key {', '.join(unknown)}; known: {known}")
