"""The end of every run: each report is written by itself, and none of them changes the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from ecr_publish.edges.ports import Edges
from ecr_publish.outcome import Outcome
from ecr_publish.plan import Plan, Reports
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
    for write in _reports(outcome):
        try:
            write(edges, outcome)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others still count
            said = f"A report could not be written: {error}"
            edges.workflow.annotate(Annotation(message=said))


def _reports(outcome: Outcome) -> Iterator[Report]:
    plan = outcome.plan
    if plan:
        yield from (partial(_write_file, path=path) for path in plan.reports.files)
        if plan.reports.sarif:
            yield partial(_write_sarif, path=plan.reports.sarif)
    yield from (_set_outputs, _write_log, _write_summary, _annotate)
    if plan and outcome.check is not None:
        yield partial(_complete_check, number=outcome.check, reports=plan.reports)
    if plan and plan.reports.comment_on is not None:
        yield partial(_write_comment, issue=plan.reports.comment_on, plan=plan)
    yield _write_times


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


def _set_outputs(edges: Edges, outcome: Outcome) -> None:
    for output, value in outputs(outcome).items():
        edges.workflow.output(output, value)


def _write_log(edges: Edges, outcome: Outcome) -> None:
    for text in lines(outcome):
        edges.workflow.say(text)


def _write_times(edges: Edges, _: Outcome) -> None:
    times = edges.times()
    if times:
        with edges.workflow.group("Time line: since the step began, and how long it took"):
            for text in times:
                edges.workflow.say(text)


def _write_summary(edges: Edges, outcome: Outcome) -> None:
    edges.workflow.summary(summary(outcome))


def _annotate(edges: Edges, outcome: Outcome) -> None:
    # What failed comes first there, and last in the log.
    for annotation in reversed(annotated(outcome)):
        edges.workflow.annotate(annotation)


def _complete_check(edges: Edges, outcome: Outcome, *, number: int, reports: Reports) -> None:
    edges.github(reports.token).complete_check(number, check(outcome))


def _write_comment(edges: Edges, outcome: Outcome, *, issue: int, plan: Plan) -> None:
    body = comment(outcome, repository=plan.repository, run_url=plan.reports.run_url)
    edges.github(plan.reports.token).upsert_comment(issue, body)
