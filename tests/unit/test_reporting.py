"""Each report by itself, in which order, and what becomes of the others where one fails."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from ecr_publish import reporting
from ecr_publish.edges.ports import Edges
from ecr_publish.errors import Bug, BuildFailed, Cancelled, GitHubFailed, PublishError
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.pace import Pace
from ecr_publish.plan import Reports
from ecr_publish.report import sarif as sarif_module
from ecr_publish.report.annotations import MOST, Annotation
from ecr_publish.report.check import Check, Conclusion
from ecr_publish.report.outputs import outputs
from ecr_publish.report.wording import headline
from ecr_publish.reporting import begin, report
from ecr_publish.run import Run
from ecr_publish.values import REPORTS
from tests.factories import (
    NAME,
    RUN_URL,
    SHA,
    make_finding,
    make_findings,
    make_manifest,
    make_outcome,
    make_plan,
    make_refusal,
    make_state,
)
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeGitHub,
    FakeRegistry,
    FakeWorkflow,
    edges,
)

TOKEN = "ghs_hunter2"
FILES = ("out/scan.json", "out/scan.csv", "out/scan.html")
EVERYWHERE = Reports(
    files=FILES, sarif="out/scan.sarif", check_on=SHA, comment_on=7, run_url=RUN_URL, token=TOKEN
)


@pytest.fixture(autouse=True)
def _keep_signals() -> Iterator[None]:
    kept = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in kept.items():
        signal.signal(name, handler)


class Journal(FakeWorkflow):
    """Keeps in `order` to which place was written, one after the other."""

    def __init__(self, order: list[str]) -> None:
        super().__init__()
        self.order = order

    def _wrote(self, place: str) -> None:
        if self.order[-1:] != [place]:
            self.order.append(place)

    def say(self, line: str) -> None:
        self._wrote("log")
        super().say(line)

    def annotate(self, annotation: Annotation) -> None:
        self._wrote("annotations")
        super().annotate(annotation)

    def output(self, name: str, value: str) -> None:
        self._wrote("outputs")
        super().output(name, value)

    def summary(self, markdown: str) -> None:
        self._wrote("summary")
        super().summary(markdown)

    def write_file(self, path: str, pieces: Iterable[str]) -> None:
        self._wrote(path)
        super().write_file(path, pieces)


class Noted(FakeGitHub):
    """Keeps in `order` what was reported to it."""

    order: list[str]

    def complete_check(self, number: int, check: Check) -> None:
        self.order.append("check")
        super().complete_check(number, check)

    def upsert_comment(self, issue: int, body: str) -> None:
        self.order.append("comment")
        super().upsert_comment(issue, body)


class World:
    """The places that a report goes to."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self.workflow = Journal(self.order)
        self.github = Noted()
        self.github.order = self.order
        registry = FakeRegistry(state=make_state(), pushed=make_manifest())
        engine = FakeEngine(make_manifest().digest)
        cloud = FakeCloud(registry)
        self.edges: Edges = edges(
            cloud, engine, self.workflow, FakeClock(), FakeCheckout(), self.github
        )

    def report(self, outcome: Outcome) -> Outcome:
        report(self.edges, outcome)
        return outcome

    def begin(self, outcome: Outcome) -> Outcome:
        begin(Run(edges=self.edges, outcome=outcome, pace=Pace(self.edges.clock)))
        return outcome

    @property
    def warnings(self) -> list[str]:
        return [
            text
            for kind, _, text in self.workflow.annotations
            if kind == "warning" and text.startswith("A report could not be written: ")
        ]


def refused(reports: Reports = EVERYWHERE, **over: Any) -> Outcome:
    plain: dict[str, Any] = {
        "plan": make_plan(reports=reports),
        "verdict": make_refusal(*make_findings(high=2)),
        "promotion": Promotion(),
        "check": 3,
    }
    return make_outcome(**(plain | over))


# Where, and in which order ------------------------------------------------------------------------


def test_report__files_first_and_github_last() -> None:
    world = World()
    world.report(refused())
    assert world.order == [
        *FILES,
        *("out/scan.sarif", "outputs", "log", "summary", "annotations", "check", "comment"),
    ]
    assert world.warnings == []


def test_report__only_where_it_is_wanted() -> None:
    world = World()
    world.report(refused(Reports(run_url=RUN_URL, token=TOKEN), check=None))
    assert world.order == ["outputs", "log", "summary", "annotations"]
    assert world.github.token is None


@pytest.mark.parametrize("outcome", [Outcome(), Outcome(error=PublishError("it broke"))])
def test_s6_report__before_there_is_a_plan(outcome: Outcome) -> None:
    world = World()
    world.report(outcome)
    assert world.order == ["outputs", "log", "summary", "annotations"]
    assert world.workflow.outputs["verdict"] == "unknown"


def test_formats__are_those_that_the_input_takes() -> None:
    assert tuple(reporting._FORMATS) == REPORTS


@pytest.mark.parametrize(
    ("path", "begins"),
    [
        ("scan.json", "{\n"),
        (".json", "{\n"),
        ("a.html/b.json", "{\n"),
        ("a/b.c.csv", "severity,"),
        ("/tmp/.html", "<!DOCTYPE html>"),
    ],
)
def test_files__ending_says_the_format(path: str, begins: str) -> None:
    world = World()
    outcome = world.report(refused(Reports(files=(path,))))
    assert world.workflow.written[path].startswith(begins)
    assert outcome.report_files == [path]


def test_sarif__whatever_its_name_is() -> None:
    world = World()
    outcome = world.report(refused(Reports(sarif="scan.html"), check=None))
    assert json.loads(world.workflow.written["scan.html"])["version"] == "2.1.0"
    assert (outcome.sarif_file, outcome.report_files) == ("scan.html", [])


def test_github__gets_check_and_comment_by_the_token() -> None:
    world = World()
    world.report(refused())
    ((number, check),) = world.github.checks
    ((issue, body),) = world.github.comments
    assert (number, check.conclusion) == (3, Conclusion.FAILURE)
    assert (issue, RUN_URL in body) == (7, True)
    assert body.startswith(f"<!-- ecr-publish: {NAME} -->\n")
    assert world.github.token == TOKEN


def test_check__is_completed_only_where_it_was_begun() -> None:
    world = World()
    world.report(refused(check=None))
    assert world.github.checks == []
    assert len(world.github.comments) == 1


# The refusal is the last line ---------------------------------------------------------------------


def test_annotations__refusal_is_the_last_line_of_the_log() -> None:
    world = World()
    outcome = world.report(refused(warnings=["The tag latest stays."]))
    assert [text for *_, text in world.workflow.annotations][-2:] == [
        "The tag latest stays.",
        headline(outcome),
    ]
    assert world.workflow.annotations[-1][0] == "error"


def test_annotations__there_are_ten_of_ten_thousand() -> None:
    world = World()
    world.report(refused(verdict=make_refusal(*make_findings(high=10_000))))
    said = [text for *_, text in world.workflow.annotations]
    assert len(said) == len(set(said)) == MOST
    assert said[-1].startswith("Refused: ")


# One fails ----------------------------------------------------------------------------------------


PLACES = {
    **{name: name for name in ("outputs", "summary", "check", "comment")},
    "lines": "log",
    "annotated": "annotations",
    "sarif": "out/scan.sarif",
    **dict(zip(REPORTS, FILES, strict=True)),
}
"""The place that each renderer writes for."""


def broken(*_: object, **__: object) -> Any:
    raise ZeroDivisionError("boom")


@pytest.mark.parametrize("renderer", PLACES)
def test_report__that_cannot_be_made_keeps_no_other_from_being_written(
    renderer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = World()
    whole.report(refused())
    world = World()
    if renderer in REPORTS:
        monkeypatch.setitem(reporting._FORMATS, renderer, broken)
    else:
        # The SARIF's is imported where it is written, as few runs ask for one.
        home = sarif_module if renderer == "sarif" else reporting
        monkeypatch.setattr(home, renderer, broken)
    outcome = refused()
    before = outcome.exit_code
    world.report(outcome)
    assert outcome.exit_code is before
    (warning,) = world.warnings
    assert warning == "A report could not be written: boom"
    assert {*world.order} - {"annotations"} == {*whole.order} - {PLACES[renderer], "annotations"}


@pytest.mark.parametrize("number", range(len(FILES)))
def test_files__those_that_could_not_be_written_are_no_outputs(number: int) -> None:
    world = World()
    write = world.workflow.write_file

    def full(path: str, pieces: Iterable[str]) -> None:
        if path in (FILES[number], "out/scan.sarif"):
            raise OSError(28, "No space left on device", path)
        write(path, pieces)

    world.workflow.write_file = full  # type: ignore[method-assign]
    world.report(refused())
    others = [path for path in FILES if path != FILES[number]]
    assert world.workflow.outputs["report-file"] == "\n".join(others)
    assert world.workflow.outputs["sarif-file"] == ""
    assert [FILES[number] in world.warnings[0], "out/scan.sarif" in world.warnings[1]] == [True] * 2


@pytest.mark.parametrize(
    ("name", "other"), [("complete_check", "comment"), ("upsert_comment", "check")]
)
def test_github__that_fails_says_what_to_do_and_changes_no_exit_code(name: str, other: str) -> None:
    world = World()
    world.github.fails = name
    world.github.failure = GitHubFailed("it was not taken", why="A permission.", fix="Add it.")
    outcome = refused()
    before = outcome.exit_code
    world.report(outcome)
    assert outcome.exit_code is before
    (warning,) = world.warnings
    told = "A report could not be written: it was not taken\nA permission.\nAdd it.\nMore: https://"
    assert warning.startswith(told)
    assert bool(world.github.checks) is (other == "check")
    assert bool(world.github.comments) is (other == "comment")


def test_github__that_cannot_even_be_opened_fails_softly() -> None:
    world = World()

    def unopened(_: str) -> FakeGitHub:
        raise ImportError("no module named urllib3")

    world.edges = Edges(**(vars(world.edges) | {"github": unopened}))
    world.report(refused())
    assert len(world.warnings) == 2
    assert world.workflow.outputs


# The check run: begun after the plan, over at every end -------------------------------------------


def test_begin__opens_the_check_on_its_commit() -> None:
    world = World()
    outcome = world.begin(Outcome(plan=make_plan(reports=EVERYWHERE)))
    assert world.github.started == [(f"ECR scan / {NAME}", SHA, RUN_URL)]
    assert world.github.token == TOKEN
    assert (outcome.check, outcome.notes) == (1, [])


@pytest.mark.parametrize("plan", [None, make_plan()])
def test_begin__only_where_one_is_wanted(plan: Any) -> None:
    world = World()
    outcome = world.begin(Outcome(plan=plan))
    assert world.github.started == []
    assert world.github.token is None
    assert (outcome.check, outcome.notes) == (None, [])


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (GitHubFailed("no", why="A fork.", fix="Add `checks: write`."), "no\nA fork.\nAdd `checks"),
        (ValueError("odd"), "odd"),
    ],
)
def test_begin__token_that_only_reads_is_a_note(failure: Exception, said: str) -> None:
    world = World()
    world.github.fails, world.github.failure = "start_check", failure
    outcome = world.begin(refused(check=None))
    assert outcome.check is None
    (note,) = outcome.notes
    assert note.startswith(said)
    world.report(outcome)
    assert world.github.checks == []
    assert world.warnings == []
    assert "[!NOTE]" in world.workflow.markdown


def test_begin__cancel_is_not_swallowed() -> None:
    world = World()
    world.github.fails, world.github.failure = "start_check", KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        world.begin(Outcome(plan=make_plan(reports=EVERYWHERE)))


WAIVED = make_refusal(make_finding(), waived_by=("report-only: true",))


@pytest.mark.parametrize(
    ("changes", "conclusion"),
    [
        ({}, Conclusion.FAILURE),
        ({"verdict": make_outcome().verdict}, Conclusion.SUCCESS),
        ({"verdict": WAIVED}, Conclusion.NEUTRAL),
        ({"verdict": None}, Conclusion.FAILURE),
        ({"verdict": None, "error": BuildFailed(1)}, Conclusion.FAILURE),
        ({"verdict": None, "error": Cancelled()}, Conclusion.CANCELLED),
        ({"error": Bug(KeyError("x"))}, Conclusion.FAILURE),
        ({"verdict": WAIVED, "error": PublishError("it broke")}, Conclusion.FAILURE),
    ],
)
def test_s6_check__is_over_at_every_end(changes: dict[str, Any], conclusion: Conclusion) -> None:
    world = World()
    world.report(refused(**changes))
    ((number, check),) = world.github.checks
    assert (number, check.conclusion) == (3, conclusion)


# Nothing interrupts, and nothing is told twice or to nobody ---------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_s6_report__second_signal_tears_nothing(number: signal.Signals) -> None:
    world = World()
    summary = world.workflow.summary

    def interrupted(markdown: str) -> None:
        signal.raise_signal(number)
        summary(markdown)

    world.workflow.summary = interrupted  # type: ignore[method-assign]
    world.report(refused())
    assert world.order[-1] == "comment"


def test_s3_token__is_in_no_report() -> None:
    world = World()
    outcome = world.report(refused())
    texts = (
        *world.workflow.written.values(),
        *world.workflow.log,
        repr(world.workflow.annotations),
        repr(world.workflow.outputs),
        world.workflow.markdown,
        repr(world.github.checks),
        repr(world.github.comments),
        repr(outcome),
    )
    assert not [text for text in texts if TOKEN in text]


def test_outputs__are_all_there_and_small() -> None:
    world = World()
    hostile = make_finding("x" * 10_000, packages=())
    world.report(refused(verdict=make_refusal(*[hostile] * 100)))
    assert world.workflow.outputs.keys() == outputs(Outcome()).keys()
    assert sum(map(len, world.workflow.outputs.values())) < 10_000
