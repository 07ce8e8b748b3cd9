"""What an image says of how it was made: labels that this action writes, and reads again later.

They answer two questions about the image that a release tag names: is it what this run would
build, and is its commit newer than this one? (OCI image specification: "Annotations", labels.)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

RECIPE = "ecr-publish.recipe"
COMMITTED = "ecr-publish.committed"
REVISION = "org.opencontainers.image.revision"
_SECONDS = re.compile(r"[0-9]{1,18}")
"""Python converts no number of thousands of digits; this many are enough for any time."""


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The commit that is checked out; `time` is its committer date in seconds since 1970."""

    sha: str
    time: int


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What the labels of an image say; those of all its platforms, where it is an index.

    `recipes` is empty and `committed` None for an image that another tool has made.
    """

    recipes: frozenset[str] = frozenset()
    revision: str = ""
    committed: int | None = None


def recipe(commit: Commit, *parts: object) -> str:
    """One word for a commit and all that decides what is built from it, so that equal ones show.

    A hash, because a build argument's value must not stand in a label.
    """
    text = json.dumps([commit.sha, *parts])
    return hashlib.sha256(text.encode()).hexdigest()


def labels(commit: Commit, recipe: str, own: Sequence[str]) -> tuple[str, ...]:
    """All labels of a build, of two with one name the last counts: the user may set `revision`."""
    return (
        f"{REVISION}={commit.sha}",
        *own,
        f"{RECIPE}={recipe}",
        f"{COMMITTED}={commit.time}",
    )


def read(configs: Sequence[str]) -> Origin:
    """What the configurations (JSON) of an image's platforms say; never fails.

    The latest commit of the platforms counts as the image's.
    """
    found = [_labels(config) for config in configs]
    times = [int(item[COMMITTED]) for item in found if _SECONDS.fullmatch(item.get(COMMITTED, ""))]
    return Origin(
        recipes=frozenset(item.get(RECIPE, "") for item in found) - {""},
        revision=next((item[REVISION] for item in found if item.get(REVISION)), ""),
        committed=max(times, default=None),
    )


def _labels(config: str) -> dict[str, str]:
    try:
        stated = json.loads(config).get("config", {}).get("Labels")
    except (ValueError, AttributeError, RecursionError):
        return {}
    if not isinstance(stated, dict):
        return {}
    return {name: value for name, value in stated.items() if isinstance(value, str)}
