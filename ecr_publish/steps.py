"""The steps of the corridor that one image and many images take alike."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timezone
from functools import partial

from ecr_publish.ahead import Ahead
from ecr_publish.build import Builder
from ecr_publish.context import Context
from ecr_publish.edges.ports import Edges, Registry
from ecr_publish.errors import PublishError
from ecr_publish.evidence import Scans, gathered
from ecr_publish.gate import judge
from ecr_publish.iam import Narrowing, session_policy
from ecr_publish.inputs import Inputs, SessionPolicy, hidden, parse
from ecr_publish.origin import Commit
from ecr_publish.plan import (
    SHORT_SHA_LENGTH,
    Build,
    Plan,
    RepositoryState,
    local_contexts,
    make,
    release_tags,
)
from ecr_publish.policy import Rules
from ecr_publish.policy_file import effective
from ecr_publish.preflight import Check, checks, drift, failure, own, refuse
from ecr_publish.probe import Probed, connected, inside, probed, shut, the
from ecr_publish.promote import leave, promote
from ecr_publish.reference import ImageReference
from ecr_publish.report.doctor import table
from ecr_publish.run import Obtained, Run, Site
from ecr_publish.wait import Watch

_AMBIENT = (
    "session-policy: repository has no effect without role-to-assume: AWS credentials that are "
    "there already are what they are, and cannot be narrowed here."
)
_UNCOMMITTED = (
    "Files have been changed since commit {}, and the image has them as they are now; a tag with "
    "the commit's name says otherwise"
)


def decided(environ: Mapping[str, str], run: Run) -> tuple[Context, Plan]:
    """The run, and what it is to do."""
    context = run.edges.workflow.context(environ)
    inputs = asked(environ, run)
    commit = commit_of(run, context.workspace, inputs)
    rules = ruled(run, inputs, context)
    (plan,) = narrowed(run, inputs, [planned(run, inputs, context, commit, rules=rules)])
    return context, plan


def asked(environ: Mapping[str, str], run: Run) -> Inputs:
    """The inputs, once nothing that they hide can be shown any more."""
    inputs = parse(environ)
    for secret in hidden(inputs, environ):
        run.edges.workflow.mask(secret)
    return inputs


def commit_of(run: Run, workspace: str, inputs: Inputs) -> Commit | None:
    """What is checked out in the build's context; unclean where another context is of another."""
    contexts = (inputs.context or ".", *local_contexts(inputs.build_contexts))
    first, *others = (run.edges.checkout.commit(workspace, path) for path in contexts)
    if first and any(other != first for other in others):
        return replace(first, clean=False)
    return first


def ruled(run: Run, inputs: Inputs, context: Context) -> Rules:
    """What refuses an image: the policy's files, and the inputs."""
    fetch = partial(run.edges.checkout.read, context.workspace)
    rules = effective(inputs, fetch, today(run.edges))
    run.say(f"The policy: {', '.join(rules.files) or 'no file, so the inputs alone'}")
    return rules


def planned(
    run: Run, inputs: Inputs, context: Context, commit: Commit | None, *, rules: Rules
) -> Plan:
    """The plan; raises InvalidInputs."""
    plan = make(inputs, context, commit, rules=rules, nonce=secrets.token_hex(4))
    run.say(f"{plan.repository} in {plan.region}, candidate tag {plan.candidate}")
    if context.by_hand and commit and not commit.clean and isinstance(plan.source, Build):
        run.outcome.warnings.append(_UNCOMMITTED.format(commit.sha[:SHORT_SHA_LENGTH]))
    run.edges.workflow.mask(plan.reports.token)
    return plan


def narrowed(
    run: Run, inputs: Inputs, plans: Sequence[Plan], caches: Sequence[ImageReference] = ()
) -> tuple[Plan, ...]:
    """The plans, their session narrowed to what all of them need, where a role is assumed.

    `caches` are written, beside those that the plans name.
    """
    how = _narrowing(inputs, plans, caches)
    if how.note:
        run.outcome.note(how.note)
    return tuple(
        replace(plan, role=plan.role and replace(plan.role, session_policy=how.policy))
        for plan in plans
    )


def _narrowing(
    inputs: Inputs, plans: Sequence[Plan], caches: Sequence[ImageReference]
) -> Narrowing:
    if inputs.session_policy is SessionPolicy.NONE:
        return Narrowing(policy="")
    if inputs.role_to_assume:
        return session_policy(plans, caches, inputs.repository.name if inputs.bake_file else "")
    return Narrowing(policy="", note=_AMBIENT if inputs.session_policy else "")


def opened(
    run: Run, plans: Sequence[Plan], builder: Callable[[], Builder], *, from_fork: bool
) -> Registry:
    """The registry; where it does not open, raises that and what the builder cannot do."""
    registry = connected(run.edges, plans[0], run.outcome.note, from_fork=from_fork)
    if isinstance(registry, PublishError):
        found = shut(plans, registry, builder)
        tell(run, found)
        raise failure(found) or registry
    return registry


def looked(run: Run, plan: Plan, registry: Registry, ahead: Ahead) -> Probed:
    """What is there; raises the one error for all that is in the way. Nothing is changed."""
    found = probed(registry, plan, ahead, at_once=not run.name)
    _settle(run, plan, found, ())
    return found


def sited(
    run: Run, plan: Plan, registry: Registry, ahead: Ahead, *, found: Probed, workspace: str
) -> Site:
    """Where the image is to go, the repository created if it has to be."""
    there = the(found.facts.repository)
    if not isinstance(there, RepositoryState):
        before = _seen(run, plan, found)
        there = registry.create()
        found = inside(registry, plan, ahead, there, at_once=not run.name)
        _settle(run, plan, found, before)
    return Site(
        edges=run.edges,
        outcome=run.outcome,
        pace=run.pace,
        name=run.name,
        plan=plan,
        registry=registry,
        ahead=ahead,
        state=there,
        tags=release_tags(plan, there),
        standing=the(found.facts.standing or {}),
        baseline=found.baseline,
        workspace=workspace,
        # ECR tells times in whole seconds.
        began=run.edges.clock.today().replace(microsecond=0),
    )


def tell(run: Run, found: Sequence[Check]) -> None:
    """Let the log say what was looked at."""
    for line in table(found):
        run.say(line)


def _settle(run: Run, plan: Plan, found: Probed, before: Sequence[Check]) -> None:
    """Say what is known now and was not before, and end the run where that is in the way."""
    state = found.facts.repository
    if isinstance(state, RepositoryState):
        run.outcome.state = state
        run.outcome.notes.extend(drift(plan, state))
    seen = _seen(run, plan, found)
    tell(run, [check for check in seen if check not in before])
    refuse(seen)


def _seen(run: Run, plan: Plan, found: Probed) -> tuple[Check, ...]:
    """What was checked; of one image among many without what they share."""
    return own(plan, found.facts) if run.name else checks(plan, found.facts)


def watch(site: Site) -> Watch:
    """How the scan is waited for, from now on."""
    clock = site.edges.clock
    return Watch(
        scans=site.registry,
        clock=clock,
        scanning=site.state.scanning,
        deadline=clock.now() + site.plan.scan_timeout,
        max_age=site.plan.max_scan_age,
        say=site.say,
        show=site.edges.workflow.progress,
    )


def judged(site: Site, image: Obtained, scans: Scans) -> None:
    """The verdict."""
    evidence = site.outcome.evidence = gathered(site, image.manifest, scans)
    verdict = site.outcome.verdict = judge(evidence, site.plan.policy, today(site.edges))
    site.say(verdict.reason)


def released(site: Site, image: Obtained) -> None:
    """The release tags, if the image may have them, and what becomes of the candidate's."""
    passed = site.outcome.verdict is not None and site.outcome.verdict.may_promote
    if passed:
        promote(site, image)
    leave(site, passed=passed)


def today(edges: Edges) -> date:
    """The day, as the policy counts days."""
    return edges.clock.today().astimezone(timezone.utc).date()
