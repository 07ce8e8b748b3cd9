"""The corridor: connect the edges, run the line, one except, always report."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Mapping
from dataclasses import replace

from ecr_publish.ahead import Ahead, look_for_builder, look_for_login
from ecr_publish.edges.ports import Clock, Edges, GitHub, Workflow
from ecr_publish.errors import Bug, Cancelled, PublishError
from ecr_publish.evidence import scanned
from ecr_publish.fork import try_one
from ecr_publish.inputs import inherited, variable
from ecr_publish.obtain import images, obtained
from ecr_publish.outcome import Batch, Outcome
from ecr_publish.pace import Pace
from ecr_publish.reporting import begin, report
from ecr_publish.run import Run
from ecr_publish.scan import Evidence
from ecr_publish.signals import SIGNALS, ignore_signals
from ecr_publish.steps import decided, judged, looked, opened, released, sited, watch

STARTED = "ECR_PUBLISH_STARTED"
"""When the step began, seconds since the epoch; start.sh sets it, for the durations alone."""
DEBUG = "RUNNER_DEBUG"
"""GitHub sets it to 1 where debug logging is on ("Variables reference"); calls are timed then."""


def main(environ: Mapping[str, str], workflow: Workflow | None = None) -> int:
    """Run the action with the real edges; gives the exit code.

    Args:
        environ: Of the process, and the inputs in it.
        workflow: Where the run is shown; GitHub's by default.
    """
    for number in SIGNALS:
        signal.signal(number, _cancel)
    return run(environ, connect(environ, workflow))


def connect(environ: Mapping[str, str], workflow: Workflow | None = None) -> Edges:
    """Build every real client of the world; the only place that does, but for a terminal's."""
    from ecr_publish.edges.clock import SystemClock  # noqa: PLC0415 - keeps boto3 out of `run`
    from ecr_publish.edges.credentials import Aws  # noqa: PLC0415
    from ecr_publish.edges.engine import DockerEngine  # noqa: PLC0415
    from ecr_publish.edges.git import GitCheckout  # noqa: PLC0415
    from ecr_publish.edges.workflow import GitHubWorkflow  # noqa: PLC0415

    clock, workflow = SystemClock(), workflow or GitHubWorkflow(environ)
    known = inherited(environ)

    def github(token: str) -> GitHub:
        from ecr_publish.edges.github import GitHubApi  # noqa: PLC0415 - few runs need it

        return GitHubApi(environ, clock, token)

    edges = Edges(
        clock=clock,
        workflow=workflow,
        checkout=GitCheckout(known),
        engine=DockerEngine(known, clock, workflow.progress),
        cloud=Aws(environ, clock, workflow.mask),
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
        cloud=timeline.of(Aws(environ, clock, edges.workflow.mask, timeline.watch), "aws"),
        github=lambda token: timeline.of(edges.github(token), "github"),
        times=timeline.lines,
    )


def _started_since(environ: Mapping[str, str], clock: Clock) -> float:
    """Seconds since the step began, where start.sh has said when that was."""
    began = environ.get(STARTED)
    return max(0.0, clock.today().timestamp() - float(began)) if began else 0.0


def run(environ: Mapping[str, str], edges: Edges) -> int:
    """Walk the line and report its end, whatever that is (S6)."""
    outcome = Batch() if environ.get(variable("bake-file"), "").strip() else Outcome()
    if environ.get(STARTED):
        outcome.seconds["start"] = _started_since(environ, edges.clock)
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        _walk(environ, Run(edges=edges, outcome=outcome, pace=Pace(edges.clock)))
    except PublishError as error:
        outcome.stop(error)
    except KeyboardInterrupt:
        outcome.stop(Cancelled())
    except Exception as error:  # noqa: BLE001 - the one place; whatever it is, it is reported
        outcome.stop(Bug(error))
        with edges.workflow.untrusted() as write:
            write(traceback.format_exc().encode())
    report(edges, outcome)
    return int(outcome.exit_code)


def _walk(environ: Mapping[str, str], run: Run) -> None:
    if isinstance(run.outcome, Batch):
        from ecr_publish import many  # noqa: PLC0415 - few runs need it

        many.line(environ, run, run.outcome)
    else:
        line(environ, run)


def line(environ: Mapping[str, str], run: Run) -> None:
    """The line itself: room after room, each fills in what it produced."""
    outcome = run.outcome
    with run.room("plan"):
        context, plan = decided(environ, run)
        outcome.plan = plan
        builder = look_for_builder(run.edges.engine, plan.source)
        begin(run)
    if plan.on_fork is not None:
        try_one(run, plan, builder, workspace=context.workspace)
        return
    with run.room("preflight"):
        registry = opened(run, [plan], builder, from_fork=context.from_fork)
        ahead = Ahead(builder=builder, login=look_for_login(registry, plan.source))
        found = looked(run, plan, registry, ahead)
        site = sited(run, plan, registry, ahead, found=found, workspace=context.workspace)
    image = obtained(site)
    with run.room("scan"):
        scans = scanned(site, watch(site), images(site, image.manifest))
        outcome.evidence = Evidence(results=scans.own)
    with run.room("gate"):
        judged(site, image, scans)
    with run.room("promote"):
        released(site, image)


def _cancel(*_: object) -> None:
    """Cancel at the first signal; a second one must not tear what then ends in good order."""
    ignore_signals()
    raise KeyboardInterrupt
