"""The steps of the corridor that one image and many images take alike."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timezone
from functools import partial

from ecr_publish.ahead import Ahead
from ecr_publish.context import Context
from ecr_publish.edges.ports import Edges, Registry
from ecr_publish.errors import SessionPolicyRefused
from ecr_publish.evidence import Scans, gathered, look_for_baseline
from ecr_publish.gate import judge
from ecr_publish.iam import Narrowing, session_policy
from ecr_publish.inputs import Inputs, SessionPolicy, hidden, parse
from ecr_publish.origin import Commit
from ecr_publish.plan import (
    SHORT_SHA_LENGTH,
    Build,
    Plan,
    local_contexts,
    make,
    refuse_caches,
    refuse_unscanned,
    release_tags,
)
from ecr_publish.policy import Rules
from ecr_publish.policy_file import effective
from ecr_publish.promote import leave, look, promote
from ecr_publish.reference import ImageReference
from ecr_publish.run import Obtained, Run, Site
from ecr_publish.wait import Watch

_UNCOMMITTED = (
    "Files have been changed since commit {}, and the image has them as they are now; a tag with "
    "the commit's name says otherwise"
)
_AMBIENT = (
    "session-policy: repository has no effect without role-to-assume: the job's own AWS "
    "credentials are what they are, and cannot be narrowed here."
)
_NOT_NARROWED = (
    "So the session is not narrowed to this run, and the role's own policies count alone, as with "
    "`session-policy: none`."
)


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


def narrowing(
    inputs: Inputs, plans: Sequence[Plan], caches: Sequence[ImageReference] = ()
) -> Narrowing:
    """What the session is to be narrowed to, where a role is assumed for these images.

    `caches` are written, beside those that the plans name.
    """
    if inputs.session_policy is SessionPolicy.NONE:
        return Narrowing(policy="")
    if inputs.role_to_assume:
        return session_policy(plans, caches, inputs.repository.name if inputs.bake_file else "")
    return Narrowing(policy="", note=_AMBIENT if inputs.session_policy else "")


def connected(run: Run, plan: Plan, narrow: Narrowing, *, from_fork: bool) -> Registry:
    """ECR, opened with credentials that are narrowed as far as STS takes it, never in silence."""
    connect, note = partial(run.edges.cloud.connect, from_fork=from_fork), narrow.note
    narrowed = plan.role and replace(plan.role, session_policy=narrow.policy)
    try:
        registry = connect(replace(plan, role=narrowed))
    except SessionPolicyRefused as error:
        registry, note = connect(plan), f"{error.what}. {_NOT_NARROWED}"
    run.say(plan.role.arn if plan.role else "The job's own AWS credentials")
    if note:
        run.say(note)
        run.outcome.note(note)
    return registry


def sited(run: Run, plan: Plan, registry: Registry, *, workspace: str, ahead: Ahead) -> Site:
    """The repository, what is there already, and what that forbids."""
    state = run.outcome.state = registry.repository()
    tags = release_tags(plan, state)
    refuse_caches(plan, state)
    refuse_unscanned(plan, state)
    run.say(f"{state.uri} {'was created' if state.created else 'exists'}")
    return Site(
        edges=run.edges,
        outcome=run.outcome,
        pace=run.pace,
        name=run.name,
        plan=plan,
        registry=registry,
        ahead=ahead,
        state=state,
        tags=tags,
        standing=look(registry, tags),
        baseline=look_for_baseline(registry, plan),
        workspace=workspace,
        # ECR tells times in whole seconds.
        began=run.edges.clock.today().replace(microsecond=0),
    )


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
