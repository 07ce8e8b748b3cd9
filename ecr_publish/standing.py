"""Which images the release tags name before the run, and what follows from that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


def published_before(plan: Plan, state: RepositoryState, standing: Standing) -> Digest | None:
    """The image that this very build has made before and that wears a release tag of this run.

    Such an image is gated again instead of building another one: nothing else could have a tag that
    cannot move, and where it can, the same commit would only be uploaded twice.

    Raises TagTaken where a tag that cannot move is on any other image.
    """
    if not isinstance(plan.source, Build):
        return None
    same = {tag: item for tag, item in standing.items() if _made_by(item, plan.source.recipe)}
    fixed = {tag: item for tag, item in same.items() if not state.can_move(tag)}
    chosen = next(iter((fixed or same).values()), None)
    refuse_taken(state, standing, chosen.digest if chosen else None)
    if chosen and (fixed or not plan.rebuild):
        return chosen.digest
    return None


def refuse_taken(state: RepositoryState, standing: Standing, digest: Digest | None) -> None:
    """Raise TagTaken where a tag that cannot move is on another image than this one.

    `digest` is None where any image that the run makes will be another one.
    """
    for tag, holder in standing.items():
        if holder.digest != digest and not state.can_move(tag):
            raise TagTaken(str(tag), str(holder.digest), state.name, _another(holder.origin))


def ahead(standing: Standing, origin: Origin | None) -> dict[Tag, Holder]:
    """The tags that are on an image of a newer commit than this origin's.

    Newer is a later committer date. Where either image does not say its commit, nothing is known.
    """
    mine = origin.committed if origin else None
    return {
        tag: holder
        for tag, holder in standing.items()
        if mine is not None and holder.origin and (holder.origin.committed or 0) > mine
    }


def _another(origin: Origin | None) -> str:
    """Why the image that has the tag is not taken for the one that this run would publish."""
    if origin is None:
        return (
            "What that image is made of could not be read, so a re-run cannot be recognized; for "
            "that the role needs ecr:GetDownloadUrlForLayer."
        )
    if not origin.revision:
        return "That image does not say which commit it is made of."
    return f"That image is made of the commit {origin.revision}, or of other inputs."


def _made_by(holder: Holder, recipe: str) -> bool:
    return bool(recipe) and holder.origin is not None and holder.origin.recipes == {recipe}
