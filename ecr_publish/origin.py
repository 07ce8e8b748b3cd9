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
from datetime import datetime, timezone

RECIPE = "ecr-publish.recipe"
COMMITTED = "ecr-publish.committed"
REVISION = "org.opencontainers.image.revision"
_SECONDS = re.compile(r"[0-9]{1,12}")
"""Up to the year 9999; of a longer number some systems make an error that is no ValueError."""
_REVISION = re.compile(r"[\w.+/-]{1,64}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The commit that is checked out; `time` is its committer date in seconds since 1970.

    `clean` is False where a file that git knows has been changed since.
    """

    sha: str
    time: int
    clean: bool = True


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What the labels of an image say; those of all its platforms, where it is an index.

    `recipes` is only an empty word, and `committed` None, for an image that another tool has made.
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
    """All labels of a build, of two with one name the last counts: the user may set `revision`.

    An empty recipe stands there too, or the base's would be inherited.
    """
    return (
        f"{REVISION}={commit.sha}",
        *own,
        f"{RECIPE}={recipe}",
        f"{COMMITTED}={commit.time}",
    )


def read(configs: Sequence[str]) -> Origin:
    """What the configurations (JSON) of an image's platforms say; never fails.

    The latest commit of the platforms counts as the image's. A platform that says nothing has the
    empty recipe, so that its index is never taken for what one build has made.
    """
    found = [_labels(config) for config in configs]
    revisions = [item[REVISION] for item in found if _REVISION.fullmatch(item.get(REVISION, ""))]
    return Origin(
        recipes=frozenset(item.get(RECIPE, "") for item in found),
        revision=next(iter(revisions), ""),
        committed=max((int(item[COMMITTED]) for item in found if item), default=None),
    )


def _labels(config: str) -> dict[str, str]:
    """The labels that speak of this image; empty where they speak of its base.

    Whatever is built FROM an image inherits its labels, but not the time that it states as its
    own: an image of ours was made at the time of its commit.
    """
    try:
        image = json.loads(config)
        stated = image["config"]["Labels"]
        seconds = stated[COMMITTED]
        own = _SECONDS.fullmatch(seconds) and image["created"] == _time(seconds)
        named = {name: value for name, value in stated.items() if isinstance(value, str)}
    except (ValueError, TypeError, LookupError, RecursionError):
        return {}
    return named if own else {}


def _time(seconds: str) -> str:
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
