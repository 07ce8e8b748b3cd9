"""The corridor: connect the edges, run the line, one except, always report."""

from __future__ import annotations

import secrets
import signal
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ecr_publish.context import read
from ecr_publish.edges.ports import Edges, Registry, Workflow
from ecr_publish.errors import Bug, Cancelled, PlatformsMissing, PublishError
from ecr_publish.gate import judge
from ecr_publish.inputs import parse
from ecr_publish.manifest import Manifest, Target, missing_platforms, targets
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.plan import (
    Build,
    LocalImage,
    Plan,
    RepositoryState,
    attested,
    make,
    refuse_unscanned,
    release_tags,
)
from ecr_publish.promote import promoted
from ecr_publish.reference import Digest
from ecr_publish.report.log import lines
from ecr_publish.report.outputs import outputs
from ecr_publish.report.summary import summary
from ecr_publish.report.wording import headline, waiver
from ecr_publish.wait import Watch, for_scans

STARTED = "ECR_PUBLISH_STARTED"
"""When the step began, seconds since the epoch; start.sh sets it, for the durations alone."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""How a runner cancels a step; entrypoint.py holds them back until there is something to report."""


def main(environ: Mapping[str, str]) -> int:
    """Run the action with the real edges; gives the exit code."""
    for number in SIGNALS:
        signal.signal(number, _cancel)
    return run(environ, connect(environ))


def connect(environ: Mapping[str, str]) -> Edges:
    """Build every real client of the world; the only place that does."""
    from ecr_publish.edges.clock import SystemClock  # noqa: PLC0415 - keeps boto3 out of `run`
    from ecr_publish.edges.credentials import Aws  # noqa: PLC0415
    from ecr_publish.edges.engine import DockerEngine  # noqa: PLC0415
    from ecr_publish.edges.workflow import GitHubWorkflow  # noqa: PLC0415

    clock, workflow = SystemClock(), GitHubWorkflow(environ)
    return Edges(
        clock=clock,
        workflow=workflow,
        engine=DockerEngine(environ, clock),
        cloud=Aws(environ, workflow.mask),
    )


def run(environ: Mapping[str, str], edges: Edges) -> int:
    """Walk the line and report its end, whatever that is (S6)."""
    outcome = Outcome()
    if environ.get(STARTED):
        outcome.seconds["start"] = max(0.0, time.time() - float(environ[STARTED]))
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        line(environ, edges, outcome)
    except PublishError as error:
        outcome.error = error
    except KeyboardInterrupt:
        outcome.error = Cancelled()
    except Exception as error:  # noqa: BLE001 - the one place; whatever it is, it is reported
        outcome.error = Bug(error)
        with edges.workflow.untrusted() as write:
            write(traceback.format_exc().encode())
    report(edges, outcome)
    return int(outcome.exit_code)


def line(environ: Mapping[str, str], edges: Edges, outcome: Outcome) -> None:
    """The line itself: room after room, each fills in what it produced."""
    with _room("plan", edges, outcome):
        context = read(environ, edges.workflow.read_text)
        plan = outcome.plan = make(parse(environ), context, secrets.token_hex(4))
        edges.workflow.say(f"{plan.repository} in {plan.region}, candidate tag {plan.candidate}")
    with _room("credentials", edges, outcome):
        registry = edges.cloud.connect(plan, from_fork=context.from_fork)
        edges.workflow.say(plan.role.arn if plan.role else "The job's own AWS credentials")
    with _room("repository", edges, outcome):
        state = outcome.state = registry.repository()
        tags = release_tags(plan, state)
        refuse_unscanned(plan, state)
        edges.workflow.say(f"{state.uri} {'was created' if state.created else 'exists'}")
    with _local_candidate(edges, plan, state):
        with _room("build", edges, outcome):
            _build(edges, plan, state, context.workspace)
        with _room("push", edges, outcome):
            digest = outcome.digest = _push(edges, registry, plan, state)
            pushed = registry.manifest(digest)
    with _room("scan", edges, outcome):
        watch = _watch(edges, registry, plan, state)
        outcome.results = for_scans(watch, _images(registry, plan, pushed))
    with _room("gate", edges, outcome):
        verdict = outcome.verdict = judge(outcome.results, plan.policy)
        edges.workflow.say(verdict.reason)
    with _room("promote", edges, outcome):
        if verdict.may_promote:
            _promote(edges, outcome, promoted(registry, pushed, tags))
            _remove_candidate(registry, plan, outcome)
        edges.workflow.say(f"Candidate {plan.candidate} {_left(outcome)}")


def report(edges: Edges, outcome: Outcome) -> None:
    """Say how it ended in every place; from here on nothing interrupts.

    One place that cannot be written keeps none of the others from being written, and never changes
    the exit code.
    """
    _ignore_signals()
    for write in (_set_outputs, _write_log, _write_summary, _annotate):
        try:
            write(edges.workflow, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others still count
            edges.workflow.warning("ecr-publish", f"A report could not be written: {error}")


def _cancel(*_: object) -> None:
    """Cancel at the first signal; a second one must not tear what then ends in good order."""
    _ignore_signals()
    raise KeyboardInterrupt


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _set_outputs(workflow: Workflow, outcome: Outcome) -> None:
    for name, value in outputs(outcome).items():
        workflow.output(name, value)


def _write_log(workflow: Workflow, outcome: Outcome) -> None:
    for text in lines(outcome):
        workflow.say(text)


def _write_summary(workflow: Workflow, outcome: Outcome) -> None:
    workflow.summary(summary(outcome))


def _annotate(workflow: Workflow, outcome: Outcome) -> None:
    if waiver(outcome):
        workflow.warning("ECR scan did not pass", f"{headline(outcome)}. {waiver(outcome)}")
    if outcome.exit_code:
        workflow.error("ecr-publish", headline(outcome))


@contextmanager
def _room(name: str, edges: Edges, outcome: Outcome) -> Iterator[None]:
    began = edges.clock.now()
    try:
        with edges.workflow.group(name.capitalize()):
            yield
    finally:
        outcome.seconds[name] = edges.clock.now() - began


@contextmanager
def _local_candidate(edges: Edges, plan: Plan, state: RepositoryState) -> Iterator[None]:
    """The image wears the candidate's name in the engine for no longer than the push needs it."""
    try:
        yield
    finally:
        edges.engine.forget(f"{state.uri}:{plan.candidate}")


def _build(edges: Edges, plan: Plan, state: RepositoryState, workspace: str) -> None:
    if isinstance(plan.source, LocalImage):
        edges.engine.tag(plan.source.name, state, plan.candidate)
        edges.workflow.say(f"Taking {plan.source.name}, which is built already")
        return
    build = attested(plan.source, state, plan.candidate)
    if not build.provenance:
        edges.workflow.say("Without provenance, because the repository's tags are immutable")
    with edges.workflow.untrusted() as write:
        edges.engine.build(build, f"{state.uri}:{plan.candidate}", workspace, write)


def _push(edges: Edges, registry: Registry, plan: Plan, state: RepositoryState) -> Digest:
    # The token is fetched after the build, however long that took, so that it is fresh.
    login = registry.login()
    digest = edges.engine.push(state, plan.candidate, login, edges.workflow.say)
    edges.workflow.say(f"{state.uri}:{plan.candidate} is {digest}")
    return digest


def _images(registry: Registry, plan: Plan, pushed: Manifest) -> tuple[Target, ...]:
    found = targets(pushed, registry.manifest)
    wanted = plan.source.platforms if isinstance(plan.source, Build) else ()
    missing = missing_platforms(wanted, found)
    if missing:
        raise PlatformsMissing(missing)
    return found


def _watch(edges: Edges, registry: Registry, plan: Plan, state: RepositoryState) -> Watch:
    return Watch(
        scans=registry,
        clock=edges.clock,
        scanning=state.scanning,
        deadline=edges.clock.now() + plan.scan_timeout,
        max_age=plan.max_scan_age,
        say=edges.workflow.say,
    )


def _promote(edges: Edges, outcome: Outcome, steps: Iterator[Promotion]) -> None:
    """Take one step after the other; a cancel waits until the step is known to have been done."""
    while True:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            step = next(steps, None)
            outcome.promotion = step or outcome.promotion
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if step is None:
            return
        edges.workflow.say(f"{step.tags[-1]} is on {outcome.digest}")


def _left(outcome: Outcome) -> str:
    return "stays" if outcome.candidate_kept else "was removed"


def _remove_candidate(registry: Registry, plan: Plan, outcome: Outcome) -> None:
    try:
        registry.untag(plan.candidate)
        outcome.candidate_kept = False
    except PublishError as error:
        outcome.notes.append(f"The candidate tag {plan.candidate} stays: {error.what}")
