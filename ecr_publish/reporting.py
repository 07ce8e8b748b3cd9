"""The end of every run: each report is written by itself, and none of them changes the verdict."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from functools import partial

from ecr_publish.edges.ports import Edges
from ecr_publish.outcome import Batch, Outcome
from ecr_publish.plan import Plan, Reports
from ecr_publish.promote import SIGNALS
from ecr_publish.reference import Repository
from ecr_publish.report.annotations import Annotation, annotated
from ecr_publish.report.check import check, name
from ecr_publish.report.comment import comment
from ecr_publish.report.document import document
from ecr_publish.report.log import lines
from ecr_publish.report.outputs import outputs
from ecr_publish.report.summary import summary
from ecr_publish.report.table import table
from ecr_publish.run import Run

Report = Callable[[Edges, Outcome], None]


def begin(run: Run) -> None:
    """Open the check run, if one is wanted; a token that may not do that is a note."""
    plan = run.outcome.plan
    if plan is None or not plan.reports.check_on:
        return
    try:
        github = run.edges.github(plan.reports.token)
        about = (name(plan.repository), plan.reports.check_on, plan.reports.run_url)
        run.outcome.check = github.start_check(*about)
    except Exception as error:  # noqa: BLE001 - no report keeps an image from being published
        run.outcome.notes.append(str(error))


def report(edges: Edges, outcome: Outcome) -> None:
    """Say how it ended in every place; from here on nothing interrupts.

    One place that cannot be written keeps none of the others from being written, and never changes
    the exit code. What GitHub may keep waiting comes last.
    """
    ignore_signals()
    for write in _reports(outcome):
        try:
            write(edges, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others still count
            said = f"A report could not be written: {error}"
            edges.workflow.annotate(Annotation(message=said))


def ignore_signals() -> None:
    """Let nothing interrupt what ends the run in good order."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _reports(outcome: Outcome) -> Iterator[Report]:
    # A batch that ended before its images were known has nothing but its error to tell.
    if isinstance(outcome, Batch) and outcome.images:
        yield from _of_batch(outcome)
        return
    plan = outcome.plan
    yield from _files(outcome)
    yield from (_set_outputs, _write_log, _write_summary, _annotate)
    if plan and outcome.check is not None:
        yield partial(_complete_check, number=outcome.check, reports=plan.reports)
    if plan:
        yield from _comment(plan, plan.repository, partial(comment, outcome))


def _of_batch(batch: Batch) -> Iterator[Report]:
    images = batch.images.values()
    yield from (_about(image, write) for image in images for write in _files(image))
    from ecr_publish.report import batch as told  # noqa: PLC0415 - few runs need it

    yield partial(_set_outputs, render=lambda _: told.outputs(batch))
    yield partial(_write_log, render=lambda _: told.lines(batch))
    yield partial(_write_summary, render=lambda _: told.summary(batch))
    yield partial(_annotate, render=lambda _: told.annotated(batch))
    for image in images:
        if image.plan and image.check is not None:
            write = partial(_complete_check, number=image.check, reports=image.plan.reports)
            yield _about(image, write)
    plan = next(iter(images)).plan
    if plan and batch.template:
        yield from _comment(plan, batch.template, partial(told.comment, batch))


def _about(image: Outcome, write: Report) -> Report:
    """The report of one image, whatever the run as a whole is."""
    return lambda edges, _: write(edges, image)


def _files(outcome: Outcome) -> Iterator[Report]:
    plan = outcome.plan
    if plan:
        yield from (partial(_write_file, path=path) for path in plan.reports.files)
        if plan.reports.sarif:
            yield partial(_write_sarif, path=plan.reports.sarif)


def _page(outcome: Outcome) -> str:
    from ecr_publish.report.page import page  # noqa: PLC0415 - reads files, and few runs need it

    return page(outcome)


_FORMATS: dict[str, Callable[[Outcome], str]] = {".json": document, ".csv": table, ".html": _page}


def _write_file(edges: Edges, outcome: Outcome, *, path: str) -> None:
    # Not the suffix, which a file `.json` has none of.
    write = _FORMATS[path[path.rindex(".") :]]
    edges.workflow.write_file(path, write(outcome))
    outcome.report_files.append(path)


def _write_sarif(edges: Edges, outcome: Outcome, *, path: str) -> None:
    from ecr_publish.report.sarif import sarif  # noqa: PLC0415 - few runs need it

    edges.workflow.write_file(path, sarif(outcome))
    outcome.sarif_file = path


def _set_outputs(
    edges: Edges, outcome: Outcome, *, render: Callable[[Outcome], dict[str, str]] = outputs
) -> None:
    for output, value in render(outcome).items():
        edges.workflow.output(output, value)


def _write_log(
    edges: Edges, outcome: Outcome, *, render: Callable[[Outcome], Iterator[str]] = lines
) -> None:
    for text in render(outcome):
        edges.workflow.say(text)


def _write_summary(
    edges: Edges, outcome: Outcome, *, render: Callable[[Outcome], str] = summary
) -> None:
    edges.workflow.summary(render(outcome))


def _annotate(
    edges: Edges,
    outcome: Outcome,
    *,
    render: Callable[[Outcome], tuple[Annotation, ...]] = annotated,
) -> None:
    # What failed comes first there, and last in the log.
    for annotation in reversed(render(outcome)):
        edges.workflow.annotate(annotation)


def _complete_check(edges: Edges, outcome: Outcome, *, number: int, reports: Reports) -> None:
    edges.github(reports.token).complete_check(number, check(outcome))


def _comment(plan: Plan, repository: Repository, render: Callable[..., str]) -> Iterator[Report]:
    issue, reports = plan.reports.comment_on, plan.reports
    if issue is not None:
        body = partial(render, repository=repository, run_url=reports.run_url)
        yield lambda edges, _: edges.github(reports.token).upsert_comment(issue, body())
