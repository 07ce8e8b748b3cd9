"""Files that the user named."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from pathlib import Path


def write_whole(named: Path, pieces: Iterable[str]) -> None:
    """Write a file, and the folders above it.

    It has its name only once all of it is written, so nobody finds a part of it.
    """
    named.parent.mkdir(parents=True, exist_ok=True)
    # A link stays one, and what it leads to is written.
    file = named.resolve()
    unfinished = file.with_name(f".ecr-publish-{secrets.token_hex(8)}")
    try:
        with unfinished.open("x", encoding="utf-8", errors="replace") as opened:
            opened.writelines(pieces)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
