"""The corridor: connect the edges, run the line, one except, always report."""

from __future__ import annotations

import secrets
import signal
import traceback
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timezone
from functools import partial

from ecr_publish.ahead import look_ahead
from ecr_publish.context import read
from ecr_publish.edges.ports import Clock, Edges, GitHub, Registry
from ecr_publish.errors import Bug, Cancelled, PublishError
from ecr_publish.evidence import gathered, look_for_baseline, scanned
from ecr_publish.gate import judge
from ecr_publish.inputs import Inputs, hidden, inherited, parse
from ecr_publish.obtain import images, obtained
from ecr_publish.origin import Commit
from ecr_publish.outcome import Outcome
from ecr_publish.plan import (
    Plan,
    local_contexts,
    make,
    refuse_caches,
    refuse_unscanned,
    release_tags,
)
from ecr_publish.policy_file import effective
from ecr_publish.promote import leave, look, promote
from ecr_publish.reporting import begin, report
from ecr_publish.run import Run, Site
from ecr_publish.scan import Evidence
from ecr_publish.signals import SIGNALS, ignore_signals
from ecr_publish.wait import Watch

STARTED = "ECR_PUBLISH_STARTED"
"""When the step began, seconds since the epoch; start.sh sets it, for the durations alone."""
DEBUG = "RUNNER_DEBUG"
"""GitHub sets it to 1 where debug logging is on ("Variables reference"); calls are timed then."""


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
    from ecr_publish.edges.git import GitCheckout  # noqa: PLC0415
    from ecr_publish.edges.workflow import GitHubWorkflow  # noqa: PLC0415

    clock, workflow = SystemClock(), GitHubWorkflow(environ)
    known = inherited(environ)

    def github(token: str) -> GitHub:
        from ecr_publish.edges.github import GitHubApi  # noqa: PLC0415 - few runs need it

        return GitHubApi(environ, clock, token)

    edges = Edges(
        clock=clock,
        workflow=workflow,
        checkout=GitCheckout(known),
        engine=DockerEngine(known, clock),
        cloud=Aws(environ, workflow.mask),
        github=github,
    )
    return _timed(edges, environ) if environ.get(DEBUG) == "1" else edges


def _timed(edges: Edges, environ: Mapping[str, str]) -> Edges:
    """The same edges, with every call noted for the time line."""
    from ecr_publish.edges.credentials import Aws  # noqa: PLC0415
    from ecr_publish.edges.timeline import Timeline  # noqa: PLC0415 - few runs need it

    clock = edges.clock
    timeline = Timeline(clock, clock.now() - _started_since(environ, clock))
    return replace(
        edges,
        checkout=timeline.of(edges.checkout, "git"),
        engine=timeline.of(edges.engine, "docker"),
        cloud=timeline.of(Aws(environ, edges.workflow.mask, timeline.watch), "aws"),
        github=lambda token: timeline.of(edges.github(token), "github"),
        times=timeline.lines,
    )


def _started_since(environ: Mapping[str, str], clock: Clock) -> float:
    """Seconds since the step began, where start.sh has said when that was."""
    began = environ.get(STARTED)
    return max(0.0, clock.today().timestamp() - float(began)) if began else 0.0


def run(environ: Mapping[str, str], edges: Edges) -> int:
    """Walk the line and report its end, whatever that is (S6)."""
    outcome = Outcome()
    if environ.get(STARTED):
        outcome.seconds["start"] = _started_since(environ, edges.clock)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        line(environ, Run(edges=edges, outcome=outcome))
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


def line(environ: Mapping[str, str], run: Run) -> None:
    """The line itself: room after room, each fills in what it produced."""
    outcome = run.outcome
    with run.room("plan"):
        context = read(environ, run.edges.workflow.read_text)
        inputs = _asked(environ, run)
        commit = _commit(run, context.workspace, inputs)
        fetch = partial(run.edges.checkout.read, context.workspace)
        rules = effective(inputs, fetch, _today(run.edges))
        run.say(f"The policy: {', '.join(rules.files) or 'no file, so the inputs alone'}")
        plan = outcome.plan = make(inputs, context, commit, rules=rules, nonce=secrets.token_hex(4))
        run.say(f"{plan.repository} in {plan.region}, candidate tag {plan.candidate}")
        run.edges.workflow.mask(plan.reports.token)
        begin(run)
    with run.room("credentials"):
        registry = run.edges.cloud.connect(plan, from_fork=context.from_fork)
        run.say(plan.role.arn if plan.role else "The job's own AWS credentials")
    with run.room("repository"):
        site = _site(run, plan, registry, context.workspace)
    image = obtained(site)
    with run.room("scan"):
        scans = scanned(site, _watch(site), images(site, image.manifest))
        outcome.evidence = Evidence(results=scans.own)
    with run.room("gate"):
        evidence = outcome.evidence = gathered(site, image.manifest, scans)
        verdict = outcome.verdict = judge(evidence, plan.policy, _today(run.edges))
        run.say(verdict.reason)
    with run.room("promote"):
        if verdict.may_promote:
            promote(site, image)
        leave(site, passed=verdict.may_promote)


def _asked(environ: Mapping[str, str], run: Run) -> Inputs:
    """The inputs, once nothing that they hide can be shown any more."""
    inputs = parse(environ)
    for secret in hidden(inputs, environ):
        run.edges.workflow.mask(secret)
    return inputs


def _commit(run: Run, workspace: str, inputs: Inputs) -> Commit | None:
    """What is checked out in the build's context; unclean where another context is of another."""
    contexts = (inputs.context or ".", *local_contexts(inputs.build_contexts))
    first, *others = (run.edges.checkout.commit(workspace, path) for path in contexts)
    if first and any(other != first for other in others):
        return replace(first, clean=False)
    return first


def _cancel(*_: object) -> None:
    """Cancel at the first signal; a second one must not tear what then ends in good order."""
    ignore_signals()
    raise KeyboardInterrupt


def _today(edges: Edges) -> date:
    return edges.clock.today().astimezone(timezone.utc).date()


def _site(run: Run, plan: Plan, registry: Registry, workspace: str) -> Site:
    ahead = look_ahead(run.edges.engine, registry, plan.source)
    state = run.outcome.state = registry.repository()
    tags = release_tags(plan, state)
    refuse_caches(plan, state)
    refuse_unscanned(plan, state)
    run.say(f"{state.uri} {'was created' if state.created else 'exists'}")
    return Site(
        edges=run.edges,
        outcome=run.outcome,
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


def _watch(site: Site) -> Watch:
    clock = site.edges.clock
    return Watch(
        scans=site.registry,
        clock=clock,
        scanning=site.state.scanning,
        deadline=clock.now() + site.plan.scan_timeout,
        max_age=site.plan.max_scan_age,
        say=site.say,
    )
