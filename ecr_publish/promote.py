"""A gated manifest -> its release tags, by PutImage with unchanged bytes: the digest stays."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence

from ecr_publish.edges.ports import Clock, Registry
from ecr_publish.errors import PromotionFailed, PublishError
from ecr_publish.manifest import Manifest
from ecr_publish.origin import Origin
from ecr_publish.outcome import Promotion
from ecr_publish.reference import Digest, Tag
from ecr_publish.run import Obtained, Site
from ecr_publish.standing import Holder, Standing, ahead

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""How a runner cancels a step; entrypoint.py holds them back until there is something to report."""

SECONDS_A_PUT = 0.1
"""ECR takes 10 PutImage calls per second (ECR user guide, "Service quotas")."""


def look(registry: Registry, tags: Sequence[Tag], known: Standing | None = None) -> Standing:
    """Which images the tags name now. Of those that are known already nothing is read again."""
    origins: dict[Digest, Origin | None] = {
        holder.digest: holder.origin for holder in (known or {}).values()
    }
    standing = {}
    for tag, manifest in (registry.holders(tags) if tags else {}).items():
        if manifest.digest not in origins:
            origins[manifest.digest] = registry.origin(manifest)
        standing[tag] = Holder(digest=manifest.digest, origin=origins[manifest.digest])
    return standing


def promote(site: Site, image: Obtained) -> None:
    """Give the image its release tags; a tag is never moved to an older commit in silence."""
    movable = [tag for tag in site.tags if site.state.can_move(tag)]
    newer = ahead(look(site.registry, movable, site.standing), image.origin)
    left = tuple(newer) if site.plan.only_forward else ()
    for tag, holder in newer.items():
        site.outcome.warnings.append(_backwards(tag, holder, left=tag in left))
    tags = [tag for tag in site.tags if tag not in left]
    _take(site, promoted(site.registry, site.edges.clock, image.manifest, tags))


def leave(site: Site, *, passed: bool) -> None:
    """Remove the candidate tag, or say that it stays."""
    outcome, plan = site.outcome, site.plan
    if outcome.candidate is None:
        return
    if plan.keeps_passed if passed else plan.keeps_refused:
        site.say(f"Candidate {plan.candidate} stays")
        return
    try:
        site.registry.untag(plan.candidate)
        outcome.candidate = None
        site.say(f"Candidate {plan.candidate} was removed")
    except PublishError as error:
        note = f"The candidate tag {plan.candidate} stays: {error.what}. {error.fix}"
        outcome.notes.append(note.strip())


def promoted(
    registry: Registry, clock: Clock, manifest: Manifest, tags: Sequence[Tag]
) -> Iterator[Promotion]:
    """Put one tag after the other and give what is done after each.

    So a run that ends between two tags still knows the first. Raises PromotionFailed, which names
    the tags that were applied and those that were not.
    """
    done, due = Promotion(), clock.now()
    for number, tag in enumerate(tags):
        clock.sleep(max(0.0, due - clock.now()))
        due = clock.now() + SECONDS_A_PUT
        try:
            changed = registry.put(manifest, tag)
        except PublishError as error:
            applied, missing = map(str, done.tags), map(str, tags[number:])
            raise PromotionFailed(error, applied=[*applied], missing=[*missing]) from error
        unchanged = done.unchanged if changed else (*done.unchanged, tag)
        done = Promotion(tags=(*done.tags, tag), unchanged=unchanged)
        yield done


def _take(site: Site, steps: Iterator[Promotion]) -> None:
    """Take one step after the other; a cancel waits until the step is known to have been done."""
    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            step = next(steps, None)
            site.outcome.promotion = step or site.outcome.promotion
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if step is None:
            return
        site.say(f"{step.tags[-1]} is on {site.outcome.digest}")


def _backwards(tag: Tag, holder: Holder, *, left: bool) -> str:
    revision = holder.origin.revision if holder.origin else ""
    newer = f"{holder.digest}, an image of the newer commit {revision}".strip()
    if left:
        return f"The tag {tag} stays on {newer}, because of promote-only-forward."
    return f"The tag {tag} was on {newer}, and is moved back to an older one."
