"""The end of every run: each report is written by itself, and none of them changes the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain

from ecr_publish.edges.ports import Edges
from ecr_publish.outcome import Batch, Outcome
from ecr_publish.plan import Reports
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
from ecr_publish.signals import ignore_signals

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
    for write in chain(_reports(outcome), [_write_times]):
        try:
            write(edges, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others still count
            said = f"A report could not be written: {error}"
            edges.workflow.annotate(Annotation(message=said))


def _reports(outcome: Outcome) -> Iterator[Report]:
    # A batch that ended before its images were known has nothing but its error to tell.
    if isinstance(outcome, Batch) and outcome.images:
        yield from _of_batch(outcome)
        return
    yield from _files(outcome)
    yield from _in_the_job(
        partial(outputs, outcome),
        partial(lines, outcome),
        partial(summary, outcome),
        partial(annotated, outcome),
    )
    yield from _check(outcome)
    if outcome.plan:
        plan, render = outcome.plan, partial(comment, outcome)
        yield from _comment(plan.reports, plan.repository, render)


def _of_batch(batch: Batch) -> Iterator[Report]:
    from ecr_publish.report import batch as told  # noqa: PLC0415 - few runs need it

    images = batch.images.values()
    yield from (_about(image, write) for image in images for write in _files(image))
    yield from _in_the_job(
        partial(told.outputs, batch),
        partial(told.lines, batch),
        partial(told.summary, batch),
        partial(told.annotated, batch),
    )
    yield from (_about(image, write) for image in images for write in _check(image))
    plans = [image.plan for image in images if image.plan]
    for plan in plans[:1]:
        render = partial(told.comment, batch)
        yield from _comment(plan.reports, batch.template or plan.repository, render)


def _about(image: Outcome, write: Report) -> Report:
    """The report of one image, whatever the run as a whole is."""
    return lambda edges, _: write(edges, image)


def _files(outcome: Outcome) -> Iterator[Report]:
    plan = outcome.plan
    if plan:
        yield from (partial(_write_file, path=path) for path in plan.reports.files)
        if plan.reports.sarif:
            yield partial(_write_sarif, path=plan.reports.sarif)


def _page(outcome: Outcome) -> Iterable[str]:
    from ecr_publish.report.page import page  # noqa: PLC0415 - reads files, and few runs need it

    return page(outcome)


_FORMATS: dict[str, Callable[[Outcome], Iterable[str]]] = {
    ".json": document,
    ".csv": table,
    ".html": _page,
}


def _write_file(edges: Edges, outcome: Outcome, *, path: str) -> None:
    # Not the suffix, which a file `.json` has none of.
    write = _FORMATS[path[path.rindex(".") :]]
    edges.workflow.write_file(path, write(outcome))
    outcome.report_files.append(path)


def _write_sarif(edges: Edges, outcome: Outcome, *, path: str) -> None:
    from ecr_publish.report.sarif import sarif  # noqa: PLC0415 - few runs need it

    edges.workflow.write_file(path, sarif(outcome))
    outcome.sarif_file = path


def _in_the_job(
    found: Callable[[], dict[str, str]],
    log: Callable[[], Iterator[str]],
    markdown: Callable[[], str],
    annotations: Callable[[], tuple[Annotation, ...]],
) -> Iterator[Report]:
    """The outputs, the log, the summary and the annotations."""

    def set_outputs(edges: Edges, _: Outcome) -> None:
        for output, value in found().items():
            edges.workflow.output(output, value)

    def write_log(edges: Edges, _: Outcome) -> None:
        for text in log():
            edges.workflow.say(text)

    def annotate(edges: Edges, _: Outcome) -> None:
        # What failed comes first there, and last in the log.
        for annotation in reversed(annotations()):
            edges.workflow.annotate(annotation)

    yield from (set_outputs, write_log)
    yield lambda edges, _: edges.workflow.summary(markdown())
    yield annotate


def _check(outcome: Outcome) -> Iterator[Report]:
    if outcome.plan and outcome.check is not None:
        reports, number = outcome.plan.reports, outcome.check
        yield lambda edges, _: edges.github(reports.token).complete_check(number, check(outcome))


def _comment(
    reports: Reports, repository: Repository, render: Callable[..., str]
) -> Iterator[Report]:
    issue = reports.comment_on
    if issue is not None:
        body = partial(render, repository=repository, run_url=reports.run_url)
        yield lambda edges, _: edges.github(reports.token).upsert_comment(issue, body())


def _write_times(edges: Edges, _: Outcome) -> None:
    times = edges.times()
    if times:
        with edges.workflow.group("Time line: since the step began, and how long it took"):
            for text in times:
                edges.workflow.say(text)
