"""A gated manifest -> its release tags, by PutImage with unchanged bytes: the digest stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ecr_publish.edges.ports import Registry
from ecr_publish.errors import PromotionFailed, PublishError
from ecr_publish.manifest import Manifest
from ecr_publish.outcome import Promotion
from ecr_publish.reference import Tag


def promoted(registry: Registry, manifest: Manifest, tags: Sequence[Tag]) -> Iterator[Promotion]:
    """Put one tag after the other and give what is done after each.

    So a run that ends between two tags still knows the first. Raises PromotionFailed, which names
    the tags that moved before.
    """
    done = Promotion()
    for tag in tags:
        try:
            changed = registry.put(manifest, tag)
        except PublishError as error:
            moved = [str(moved) for moved in done.tags]
            raise PromotionFailed(str(tag), error.what, moved=moved, fix=error.fix) from error
        done = (
            Promotion(applied=(*done.applied, tag), unchanged=done.unchanged)
            if changed
            else Promotion(applied=done.applied, unchanged=(*done.unchanged, tag))
        )
        yield done
