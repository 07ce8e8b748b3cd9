"""Code of a fork, and no credentials: the run builds it, if the user lets it, and does no more.

No registry is known here, so nothing can get into one. It is the one end without a verdict that
does not fail the step (S2).
"""

from __future__ import annotations

from collections.abc import Callable

from ecr_publish.bake import Trial
from ecr_publish.baked import Order
from ecr_publish.build import Builder, refuse_unbuildable
from ecr_publish.errors import OidcUnavailable
from ecr_publish.inputs import OnFork
from ecr_publish.outcome import Batch
from ecr_publish.plan import Build, Plan
from ecr_publish.run import Run


def try_one(run: Run, plan: Plan, builder: Callable[[], Builder], *, workspace: str) -> None:
    """Build the plan's image and keep it nowhere; raises OidcUnavailable where that is not to be.

    An image that another step has built is there already.
    """
    _refuse(run, plan)
    with run.room("build"):
        if isinstance(plan.source, Build):
            refuse_unbuildable(plan.source, builder())
            with run.edges.workflow.untrusted() as write:
                run.outcome.remarks = run.edges.engine.build_only(
                    plan.source, workspace=workspace, write=write
                )
        else:
            run.say("The image is built already, and goes nowhere")
    run.outcome.tried = True


def try_all(
    run: Run, batch: Batch, order: Order, builder: Callable[[], Builder], *, workspace: str
) -> None:
    """Build the images of a bake file likewise."""
    plan = next(image.plan for image in batch.images.values() if image.plan)
    _refuse(run, plan)
    asked = Trial(
        files=order.files,
        builder=order.builder,
        definition=order.definition,
        builds=order.builds,
        tag=plan.candidate,
    )
    with run.room("build"):
        for build in order.builds.values():
            refuse_unbuildable(build, builder())
        with run.edges.workflow.untrusted() as write:
            run.edges.engine.bake_only(asked, workspace=workspace, write=write)
    for image in batch.images.values():
        image.tried = True


def _refuse(run: Run, plan: Plan) -> None:
    with run.room("credentials"):
        if plan.on_fork is not OnFork.BUILD_ONLY:
            raise OidcUnavailable(from_fork=True)
        run.say("None: this is a pull request from a fork, so the image is built and goes nowhere")
