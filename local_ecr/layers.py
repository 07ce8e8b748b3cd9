"""Which layer of an image brought a package, as findings name it in sourceLayerHash. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Choice = int | str
"""The layer by its number from 1, the base image's first, or one of `WORDS`."""

SPREAD = "spread"
ABSENT = "absent"
WORDS = (SPREAD, "first", "last", "unknown", ABSENT)
"""In turn, by the finding's place in the list; of no layer of the image; without the member."""

SAMPLE = "sha256:deb7d8874f38d4ec281d990aac2c7badbfcd5b97d602a388056e3f918a3f8cc7"
"""That of AWS's sample answers: what a finding shows if no layer of the image is meant."""


def checked(choice: object) -> Choice:
    """A choice that a script made.

    Raises:
        ValueError: It is none.
    """
    is_number = isinstance(choice, int) and not isinstance(choice, bool) and choice >= 1
    if not is_number and choice not in WORDS:
        words = ", ".join(WORDS)
        raise ValueError(f"layer is {choice!r}; known: {words}, and a number from 1")
    return choice if isinstance(choice, int) else str(choice)


def source_hash(choice: Choice, layers: Sequence[str], place: int) -> str | None:
    """The sourceLayerHash of a package; None leaves it out.

    Args:
        choice: Which layer.
        layers: The hashes of the image's layers, the lowest first; empty if they are not known.
        place: That of the finding in the list, from 0.
    """
    if choice == ABSENT:
        return None
    number = _number(choice, len(layers), place)
    return layers[number - 1] if 1 <= number <= len(layers) else SAMPLE


def _number(choice: Choice, count: int, place: int) -> int:
    if isinstance(choice, int):
        return choice
    spread = place % count + 1 if count else 0
    return {SPREAD: spread, "first": 1, "last": count}.get(choice, 0)


def diff_ids(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The hashes of the unpacked layers, as an image's config has them; empty if it has none."""
    root = config.get("rootfs")
    listed = root.get("diff_ids") if isinstance(root, dict) else None
    return tuple(map(str, listed)) if isinstance(listed, list) else ()
