"""Which images the release tags name before the run, and what follows from that."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from ecr_publish.errors import TagTaken
from ecr_publish.origin import Origin
from ecr_publish.plan import Build, Plan, RepositoryState
from ecr_publish.reference import Digest, Tag


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The image that a tag names; `origin` is None where its labels could not be read."""

    digest: Digest
    origin: Origin | None


Standing = Mapping[Tag, Holder]
"""The release tags that exist already. A tag that is free is not in it."""


class Order(Enum):
    """Whether the image that a tag names is of a newer commit than the one that is to get it."""

    NOT_NEWER = "not newer"
    NEWER = "newer"
    UNKNOWN = "unknown"


def published_before(
    plan: Plan, state: RepositoryState, standing: Standing, recipes: frozenset[str]
) -> Digest | None:
    """The image that these very builds have made before and that wears a release tag of this run.

    Such an image is gated again instead of building another one: nothing else could have a tag that
    cannot move, and where it can, the same commit would only be uploaded twice.

    Args:
        plan: The run.
        state: The repository.
        standing: Where the release tags are.
        recipes: Of the builds whose image is to be published; a build that is not known has the
            empty one.

    Raises TagTaken where a tag that cannot move is on any other image. Not for a merge of unknown
    builds: equal parts give equal bytes, so its index may be the one that has the tag.
    """
    digest = known(state, standing, recipes)
    if digest or isinstance(plan.source, Build):
        refuse_taken(state, standing, digest)
    fixed = any(item.digest == digest and not state.can_move(tag) for tag, item in standing.items())
    return digest if fixed or not plan.rebuild else None


def known(state: RepositoryState, standing: Standing, recipes: frozenset[str]) -> Digest | None:
    """The image of these very builds; one whose tag cannot move rather than another."""
    same = {tag: item for tag, item in standing.items() if _made_by(item, recipes)}
    fixed = [item for tag, item in same.items() if not state.can_move(tag)]
    chosen = next(iter(fixed or same.values()), None)
    return chosen.digest if chosen else None


def refuse_taken(state: RepositoryState, standing: Standing, digest: Digest | None) -> None:
    """Raise TagTaken where a tag that cannot move is on another image than this one.

    `digest` is None where any image that the run makes will be another one.
    """
    for error in taken(state, standing, digest):
        raise error


def taken(state: RepositoryState, standing: Standing, digest: Digest | None) -> Iterator[TagTaken]:
    """An error for each tag that cannot move and is on another image than this one."""
    for tag, holder in standing.items():
        if holder.digest != digest and not state.can_move(tag):
            yield TagTaken(str(tag), str(holder.digest), state.name, _another(holder.origin))


def order(holder: Holder, origin: Origin | None) -> Order:
    """Whether a tag would go back in time by moving to an image of this origin.

    Newer is a later committer date. Of an image that says no commit, as another tool has made it,
    any image may take the tag.
    """
    if holder.origin is None:
        return Order.UNKNOWN
    if holder.origin.committed is None:
        return Order.NOT_NEWER
    if origin is None or origin.committed is None:
        return Order.UNKNOWN
    return Order.NEWER if holder.origin.committed > origin.committed else Order.NOT_NEWER


def _another(origin: Origin | None) -> str:
    """Why the image that has the tag is not taken for the one that this run would publish."""
    if origin is None:
        return (
            "What that image is made of could not be read, so a re-run cannot be recognized: by a "
            "passing fault (run it again), or because the role lacks "
            "ecr:GetDownloadUrlForLayer."
        )
    if not origin.revision:
        return "That image does not say which commit it is made of."
    return f"That image is made of the commit {origin.revision}, or of other inputs."


def _made_by(holder: Holder, recipes: frozenset[str]) -> bool:
    known = bool(recipes) and "" not in recipes
    return known and holder.origin is not None and holder.origin.recipes == recipes
