"""The corridor for the images of a bake file: each room for all of them, before the next one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice

from ecr_publish import bake
from ecr_publish.ahead import Ahead, look_for_builder, look_for_login
from ecr_publish.baked import Order, Sites, baked
from ecr_publish.context import Context
from ecr_publish.edges.ports import Scans as Asked
from ecr_publish.errors import InvalidInputs, PublishError
from ecr_publish.evidence import Scans, watched
from ecr_publish.findings import Page
from ecr_publish.fork import try_all
from ecr_publish.inputs import Inputs
from ecr_publish.manifest import Target
from ecr_publish.obtain import arrived, images, made_before
from ecr_publish.outcome import Batch, Outcome
from ecr_publish.plan import Build, Plan
from ecr_publish.preflight import access, refuse_caches_of
from ecr_publish.probe import Probed
from ecr_publish.reference import Digest
from ecr_publish.reporting import begin
from ecr_publish.run import Obtained, Run, Site
from ecr_publish.scan import Answer, Coverage, Evidence, Start
from ecr_publish.steps import (
    asked,
    judged,
    looked,
    narrowed,
    opened,
    planned,
    released,
    ruled,
    sited,
    tell,
    watch,
)
from ecr_publish.together import at_once, each
from ecr_publish.wait import Watch, for_scans


def line(environ: Mapping[str, str], run: Run, batch: Batch) -> None:
    """The line itself, as main.py has it for one image."""
    with run.room("plan"):
        context, inputs, definition, plans = decided(environ, run)
        batch.template = inputs.repository
        batch.images = {name: Outcome(plan=plan) for name, plan in plans.items()}
        runs = {name: replace(run, name=name, outcome=it) for name, it in batch.images.items()}
        first = next(iter(plans.values()))
        builder = look_for_builder(run.edges.engine, first.source)
        at_once(batch, runs, lambda name: begin(runs[name]))
    if first.on_fork is not None:
        try_all(
            *(run, batch, _order(inputs, definition, plans), builder), workspace=context.workspace
        )
        return
    with run.room("preflight"):
        narrow = narrowed(run, inputs, [*plans.values()], bake.caches(definition))
        own = opened(run, narrow, builder, from_fork=context.from_fork)
        tell(run, access(first))
        ahead = Ahead(builder=builder, login=look_for_login(own, first.source))
        registries = {name: own.elsewhere(plan.repository) for name, plan in plans.items()}

        def look(name: str) -> Probed:
            return looked(runs[name], plans[name], registries[name], ahead)

        def site(name: str, found: Probed) -> Site:
            here = (runs[name], plans[name], registries[name], ahead)
            return sited(*here, found=found, workspace=context.workspace)

        sites = _sites(batch, definition, plans, look=look, site=site)
    made = _obtained(run, batch, sites, _order(inputs, definition, plans))
    with run.room("scan"):
        scans = _scanned(batch, sites, made)
    with run.room("gate"):
        gated = each(batch, scans, lambda name: judged(sites[name], made[name], scans[name]))
    with run.room("promote"):
        _promoted(batch, sites, {name: made[name] for name in gated})


def decided(
    environ: Mapping[str, str], run: Run
) -> tuple[Context, Inputs, bake.Definition, dict[str, Plan]]:
    """The run, and what it is to do with each image."""
    context, inputs = run.edges.workflow.context(environ), asked(environ, run)
    definition = _defined(run, inputs, context)
    return context, inputs, definition, _plans(run, inputs, context, definition)


def _defined(run: Run, inputs: Inputs, context: Context) -> bake.Definition:
    """The targets; raises InvalidInputs where the other inputs do not fit them."""
    printed = run.edges.engine.definition(inputs.bake_file, inputs.targets, context.workspace)
    definition = bake.definition(printed)
    run.say(f"The targets: {', '.join(definition.asked)}")
    wrong = [*bake.problems(inputs, definition.asked)]
    if wrong:
        raise InvalidInputs(wrong)
    return definition


def _plans(
    run: Run, inputs: Inputs, context: Context, definition: bake.Definition
) -> dict[str, Plan]:
    """The plan of each image; raises InvalidInputs."""
    places = {it for name in definition.asked for it in bake.places(definition, name)}
    look = partial(run.edges.checkout.commit, context.workspace)
    commits = {place: look(place) for place in places}
    rules = ruled(run, inputs, context)
    plans = {}
    for name in definition.asked:
        own = bake.for_target(inputs, name)
        plan = planned(replace(run, name=name), own, context, None, rules=rules)
        source = bake.source(definition, name, commits, context)
        plans[name] = replace(
            plan,
            source=replace(source, builder=inputs.builder),
            rebuild=plan.rebuild or (inputs.rebuild is None and bake.afresh(definition, name)),
        )
    return plans


def _order(inputs: Inputs, definition: bake.Definition, plans: Mapping[str, Plan]) -> Order:
    return Order(
        files=inputs.bake_file,
        builder=inputs.builder,
        definition=definition,
        builds={
            name: plan.source for name, plan in plans.items() if isinstance(plan.source, Build)
        },
    )


def _sites(
    batch: Batch,
    definition: bake.Definition,
    plans: Mapping[str, Plan],
    *,
    look: Callable[[str], Probed],
    site: Callable[[str, Probed], Site],
) -> dict[str, Site]:
    """Where the images are to go, of those that nothing is in the way of."""
    found = at_once(batch, batch.images, look)
    there = [it.facts.repository for it in found.values()]
    refuse_caches_of(definition, [plans[name] for name in found], there)
    sites = at_once(batch, found, lambda name: site(name, found[name]))
    # Only now is it known by which host those are reached that had to be created.
    bake.refuse_caches(definition, [it.state for it in sites.values()])
    return sites


def _obtained(run: Run, batch: Batch, sites: Sites, order: Order) -> dict[str, Obtained]:
    """The images; they are in their repositories then."""
    before = each(batch, sites, lambda name: made_before(sites[name]))
    fresh = {name: sites[name] for name in before if before[name] is None}
    digests = baked(run, batch, order, fresh) if fresh else {}
    digests |= {name: known for name, known in before.items() if known}
    with run.room("find"):
        names = [name for name in sites if name in digests]
        found = at_once(batch, names, lambda name: sites[name].registry.manifest(digests[name]))
        made = each(batch, found, lambda name: arrived(sites[name], found[name]))
        for name in made:
            sites[name].say(f"{sites[name].state.uri}@{found[name].digest}")
    return made


def _scanned(batch: Batch, sites: Sites, made: Mapping[str, Obtained]) -> dict[str, Scans]:
    """Wait for the scans of all images, and of their baselines, at the same time."""
    behind = at_once(batch, made, lambda name: images(sites[name], made[name].manifest))
    errors: dict[str, list[PublishError]] = {name: [] for name in behind}
    waits: dict[str, list[tuple[Watch, Target]]] = {}
    for name, targets in behind.items():
        found = watched(sites[name], watch(sites[name]), targets)
        waits[name] = [
            (replace(how, scans=_Guarded(how.scans, errors[name])), target) for how, target in found
        ]
    pairs = [pair for wait in waits.values() for pair in wait]
    results = iter(for_scans(pairs[0][0], (), pairs) if pairs else ())
    ended = {name: tuple(islice(results, len(wait))) for name, wait in waits.items()}

    def scans(name: str) -> Scans:
        for error in errors[name]:
            raise error
        number = len(behind[name])
        found = Scans(own=ended[name][:number], baseline=ended[name][number:])
        sites[name].outcome.evidence = Evidence(results=found.own)
        return found

    return each(batch, ended, scans)


class _Guarded:
    """Asks about one image's scans; where that cannot be done, the wait for it is over."""

    def __init__(self, scans: Asked, errors: list[PublishError]) -> None:
        self._scans = scans
        self._errors = errors

    def scan(self, digest: Digest, token: str | None) -> Answer:
        try:
            return self._scans.scan(digest, token)
        except PublishError as error:
            self._errors.append(error)
            return Page(status="FAILED", description=error.what)

    def start_scan(self, digest: Digest) -> Start:
        return self._scans.start_scan(digest)

    def coverage(self, digest: Digest) -> Coverage | None:
        return self._scans.coverage(digest)


def _promoted(batch: Batch, sites: Sites, made: Mapping[str, Obtained]) -> None:
    """One image after the other, as a cancel may not come between a tag and its note."""

    def promote(name: str) -> None:
        released(sites[name], made[name])
        batch.over.add(name)

    each(batch, made, promote)
