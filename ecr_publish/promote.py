"""A gated manifest -> its release tags, by PutImage with unchanged bytes: the digest stays."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ecr_publish.edges.ports import Registry
from ecr_publish.errors import PromotionFailed, PublishError
from ecr_publish.manifest import Manifest
from ecr_publish.origin import Origin
from ecr_publish.outcome import Promotion
from ecr_publish.pace import Pace
from ecr_publish.reference import Digest, Tag
from ecr_publish.run import Obtained, Site
from ecr_publish.signals import held_back
from ecr_publish.standing import Holder, Order, Standing, order


def look(registry: Registry, tags: Sequence[Tag], known: Standing | None = None) -> Standing:
    """Which images the tags name now. Of those that are known already nothing is read again."""
    origins: dict[Digest, Origin | None] = {
        holder.digest: holder.origin for holder in (known or {}).values() if holder.origin
    }
    standing = {}
    for tag, manifest in (registry.holders(tags) if tags else {}).items():
        if manifest.digest not in origins:
            origins[manifest.digest] = registry.origin(manifest)
        standing[tag] = Holder(digest=manifest.digest, origin=origins[manifest.digest])
    return standing


def promote(site: Site, image: Obtained) -> None:
    """Give the image its release tags; a tag is never moved to an older commit in silence."""
    digest = image.manifest.digest
    standing = look(site.registry, site.tags, site.standing)
    moved = {tag: item for tag, item in standing.items() if item.digest != digest}
    # One that cannot move goes nowhere: it was taken meanwhile, and putting it says so.
    orders = {
        tag: order(item, image.origin) for tag, item in moved.items() if site.state.can_move(tag)
    }
    backwards = [tag for tag, found in orders.items() if found is not Order.NOT_NEWER]
    left = backwards if site.plan.only_forward else []
    for tag in backwards:
        said = _backwards(tag, moved[tag], orders[tag], left=tag in left)
        site.outcome.warnings.append(said)
    tags = [tag for tag in site.tags if tag not in left]
    there = [tag for tag in standing if tag not in moved]
    _take(site, promoted(site.registry, site.pace, image.manifest, tags, there=there))


def leave(site: Site, *, passed: bool) -> None:
    """Remove the candidate tag, or say that it stays."""
    outcome, plan = site.outcome, site.plan
    if outcome.candidate is None:
        return
    if plan.keeps_passed if passed else plan.keeps_refused:
        site.say(f"Candidate {plan.candidate} stays")
        return
    try:
        why = _stays(site, passed=passed)
        if not why:
            site.registry.untag(plan.candidate)
            outcome.candidate = None
            site.say(f"Candidate {plan.candidate} was removed")
    except PublishError as error:
        why = f"{error.what}. {error.fix}".strip()
    if why:
        outcome.notes.append(f"The candidate tag {plan.candidate} stays: {why}")


def promoted(
    registry: Registry,
    pace: Pace,
    manifest: Manifest,
    tags: Sequence[Tag],
    *,
    there: Collection[Tag] = (),
) -> Iterator[Promotion]:
    """Put one tag after the other and give what is done after each.

    So a run that ends between two tags still knows the first. Tags that are `there` already cost no
    call. Raises PromotionFailed, which names the tags that were applied and those that were not.
    """
    done = Promotion()
    for number, tag in enumerate(tags):
        changed = False
        if tag not in there:
            pace.wait()
            try:
                changed = registry.put(manifest, tag)
            except PublishError as error:
                applied, missing = map(str, done.tags), map(str, tags[number:])
                raise PromotionFailed(error, applied=[*applied], missing=[*missing]) from error
        unchanged = done.unchanged if changed else (*done.unchanged, tag)
        done = Promotion(tags=(*done.tags, tag), unchanged=unchanged)
        yield done


def _stays(site: Site, *, passed: bool) -> str:
    """Why the candidate tag stays although it was to go; empty where it goes.

    ECR deletes an image with its last tag. So the tag stays where it is the only one of an image
    that passed and was to have others, and of one that was there before this run.
    """
    outcome = site.outcome
    if outcome.promotion.tags or outcome.digest is None:
        return ""
    if passed and site.tags:
        return "the image has got no release tag, and would be deleted with its last tag."
    if site.registry.pushed_at(outcome.digest) < site.began:
        return "the image was there before this run, and would be deleted with its last tag."
    return ""


def _take(site: Site, steps: Iterator[Promotion]) -> None:
    """Take one step after the other; a cancel waits until the step is known to have been done."""
    while True:
        with held_back():
            step = next(steps, None)
            site.outcome.promotion = step or site.outcome.promotion
        if step is None:
            return
        before = " already" if step.tags[-1] in step.unchanged else ""
        site.say(f"{step.tags[-1]} is on {site.outcome.digest}{before}")


def _backwards(tag: Tag, holder: Holder, order: Order, *, left: bool) -> str:
    revision = holder.origin.revision if holder.origin else ""
    newer = f"{holder.digest}, an image of the newer commit {revision}".strip()
    if order is Order.UNKNOWN:
        newer = f"{holder.digest}, and it could not be told whether that is of a newer commit"
    if left:
        return f"The tag {tag} stays on {newer} (promote-only-forward)."
    return f"The tag {tag} was on {newer}; it is moved."
