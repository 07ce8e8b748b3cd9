"""All that the gate decides by: the scans, and what the rules want to know beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from posixpath import join

from ecr_publish import baseline, exploits
from ecr_publish.dockerfile import Instruction, own_instructions
from ecr_publish.edges.ports import Registry
from ecr_publish.errors import (
    BaselineMissing,
    CallFailed,
    ImageNotThere,
    UnexpectedManifest,
)
from ecr_publish.findings import Finding, Layer
from ecr_publish.inputs import OnUnjudged
from ecr_publish.layers import attributed, read
from ecr_publish.manifest import Manifest, Target, targets
from ecr_publish.plan import Build, Plan
from ecr_publish.run import Baseline, Site
from ecr_publish.scan import Evidence, Gap, Result
from ecr_publish.wait import Watch, for_scans

_UNREADABLE = (CallFailed, UnexpectedManifest)


@dataclass(frozen=True, kw_only=True)
class Scans:
    """The ends of the waits, for the image and for the baseline."""

    own: tuple[Result, ...]
    baseline: tuple[Result, ...]


def look_for_baseline(registry: Registry, plan: Plan) -> Baseline | Gap | None:
    """The plan's baseline, if there is one; raises BaselineMissing unless the user does without."""
    rules = plan.policy.rules
    if rules.baseline is None:
        return None
    other = rules.baseline.repository
    there = registry.elsewhere(other) if other else registry
    try:
        found = targets(there.find(rules.baseline.reference), there.manifest)
    except (ImageNotThere, *_UNREADABLE) as error:
        if rules.on_baseline_error is OnUnjudged.FAIL:
            raise BaselineMissing(str(rules.baseline), error.what) from error
        return baseline.missing(f"the baseline {rules.baseline}: {error.what}")
    return Baseline(name=str(rules.baseline), registry=there, targets=found)


def scanned(site: Site, watch: Watch, images: Sequence[Target]) -> Scans:
    """Wait for the scans of the image and of the baseline at the same time."""
    found = for_scans(watch, (), watched(site, watch, images))
    return Scans(own=found[: len(images)], baseline=found[len(images) :])


def watched(site: Site, watch: Watch, images: Sequence[Target]) -> tuple[tuple[Watch, Target], ...]:
    """What is waited for, and how: the images first, then those of the baseline."""
    before = site.baseline
    also: list[tuple[Watch, Target]] = []
    if isinstance(before, Baseline):
        # Nobody expects of an earlier image that its scan is a recent one, or is still to come.
        theirs = replace(watch, scans=before.registry, max_age=None, asks=False)
        also = [(theirs, target) for target in before.targets]
    return (*((watch, target) for target in images), *also)


def gathered(site: Site, manifest: Manifest, scans: Scans) -> Evidence:
    """What else is known of the findings, as far as there is a rule for it, or a report."""
    instructions = _instructions(site)
    found = tuple(_attributed(site, manifest, item, instructions) for item in scans.own)
    found, unknown = _informed(site, found)
    found, uncompared = _compared(site, found, scans.baseline)
    return Evidence(results=found, gaps=tuple(gap for gap in (unknown, uncompared) if gap))


def _instructions(site: Site) -> tuple[Instruction, ...] | None:
    """What the Dockerfile says; None where it is not at hand."""
    source = site.plan.source
    if not isinstance(source, Build):
        return None
    path = source.file or join(source.context, "Dockerfile")
    try:
        content = site.edges.checkout.read(site.workspace, path)
    except OSError:
        return None
    return own_instructions(content, source.target, source.build_args) if content else None


def _attributed(
    site: Site, manifest: Manifest, result: Result, instructions: tuple[Instruction, ...] | None
) -> Result:
    named = any(item.layer_hash for finding in result.findings for item in finding.packages)
    layers = _layers(site, manifest, result, instructions) if named else {}
    return replace(result, findings=attributed(result.findings, layers))


def _layers(
    site: Site, manifest: Manifest, result: Result, instructions: tuple[Instruction, ...] | None
) -> Mapping[str, Layer]:
    try:
        itself = result.target.digest == manifest.digest
        image = manifest if itself else site.registry.manifest(result.target.digest)
        return read(image.text, site.registry.config(image), instructions)
    except _UNREADABLE as error:
        note = f"Which layer brought each package is not known: {error.what}."
        site.outcome.notes[:] = dict.fromkeys((*site.outcome.notes, note))
        return {}


def _informed(site: Site, results: tuple[Result, ...]) -> tuple[tuple[Result, ...], Gap | None]:
    if not exploits.needed(site.plan.policy.rules):
        return results, None
    known, why = _known_of(site, exploits.arns(_all(results)))
    found = tuple(
        replace(item, findings=exploits.informed(item.findings, known)) for item in results
    )
    return found, exploits.gap(_all(found), why)


def _known_of(site: Site, arns: Sequence[str]) -> tuple[Mapping[str, exploits.Exploit], str]:
    """What Inspector tells of these findings, and why it tells no more."""
    known: dict[str, exploits.Exploit] = {}
    if arns:
        site.say(f"Asking Inspector about exploits; findings: {len(arns)}")
    try:
        for first in range(0, len(arns), exploits.MOST_ARNS):
            known |= site.registry.exploits(arns[first : first + exploits.MOST_ARNS])
    except CallFailed as error:
        return known, error.what
    return known, ""


def _compared(
    site: Site, results: tuple[Result, ...], earlier: Sequence[Result]
) -> tuple[tuple[Result, ...], Gap | None]:
    before = site.baseline
    if not isinstance(before, Baseline):
        return results, before
    gap = baseline.gap(before.name, earlier)
    if gap:
        return results, gap
    if {item.target.digest for item in results} <= {item.target.digest for item in earlier}:
        site.outcome.notes.append(
            f"The baseline {before.name} is this very image, so none of its findings is new."
        )
    there = _all(earlier)
    return tuple(
        replace(item, findings=baseline.compared(item.findings, there)) for item in results
    ), None


def _all(results: Sequence[Result]) -> list[Finding]:
    return [finding for result in results for finding in result.findings]
