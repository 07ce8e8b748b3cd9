"""The corridor: connect the edges, run the line, one except, always report."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Mapping

from ecr_publish.context import read
from ecr_publish.edges.ports import Edges, GitHub
from ecr_publish.errors import Bug, Cancelled, PublishError
from ecr_publish.evidence import scanned
from ecr_publish.inputs import parse, variable
from ecr_publish.obtain import images, obtained
from ecr_publish.outcome import Batch, Outcome
from ecr_publish.promote import SIGNALS
from ecr_publish.reporting import begin, ignore_signals, report
from ecr_publish.run import Run
from ecr_publish.scan import Evidence
from ecr_publish.steps import judged, planned, released, ruled, sited, watch

STARTED = "ECR_PUBLISH_STARTED"
"""When the step began, seconds since the epoch; start.sh sets it, for the durations alone."""


def main(environ: Mapping[str, str]) -> int:
    """Run the action with the real edges; gives the exit code."""
    for number in SIGNALS:
        signal.signal(number, _cancel)
    return run(environ, connect(environ))


def connect(environ: Mapping[str, str]) -> Edges:
    """Build every real client of the world; the only place that does."""
    from ecr_publish.edges.clock import SystemClock  # noqa: PLC0415 - keeps boto3 out of `run`
    from ecr_publish.edges.credentials import OIDC, Aws  # noqa: PLC0415
    from ecr_publish.edges.engine import DockerEngine  # noqa: PLC0415
    from ecr_publish.edges.git import GitCheckout  # noqa: PLC0415
    from ecr_publish.edges.workflow import GitHubWorkflow  # noqa: PLC0415

    clock, workflow = SystemClock(), GitHubWorkflow(environ)
    # No other process needs to know them, and a bake file may read the environment of buildx.
    own = (variable("github-token"), *OIDC)
    inherited = {name: value for name, value in environ.items() if name not in own}

    def github(token: str) -> GitHub:
        from ecr_publish.edges.github import GitHubApi  # noqa: PLC0415 - few runs need it

        return GitHubApi(environ, clock, token)

    return Edges(
        clock=clock,
        workflow=workflow,
        checkout=GitCheckout(inherited),
        engine=DockerEngine(inherited, clock),
        cloud=Aws(environ, workflow.mask),
        github=github,
    )


def run(environ: Mapping[str, str], edges: Edges) -> int:
    """Walk the line and report its end, whatever that is (S6)."""
    outcome = Batch() if environ.get(variable("bake-file"), "").strip() else Outcome()
    if environ.get(STARTED):
        outcome.seconds["start"] = max(0.0, time.time() - float(environ[STARTED]))
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        _walk(environ, Run(edges=edges, outcome=outcome))
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
        context = read(environ, run.edges.workflow.read_text)
        inputs = parse(environ)
        commit = run.edges.checkout.commit(context.workspace, inputs.context or ".")
        rules = ruled(run, inputs, context)
        plan = outcome.plan = planned(run, inputs, context, commit, rules=rules)
        begin(run)
    with run.room("credentials"):
        registry = run.edges.cloud.connect(plan, from_fork=context.from_fork)
        run.say(plan.role.arn if plan.role else "The job's own AWS credentials")
    with run.room("repository"):
        site = sited(run, plan, registry, context.workspace)
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
