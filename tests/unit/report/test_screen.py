"""What a terminal shows: every line fits or is whole, and no secret is in any."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ecr_publish import terminal
from ecr_publish.build import Remark
from ecr_publish.edges.ports import Edges, Workflow
from ecr_publish.errors import ExitCode
from ecr_publish.origin import Commit
from ecr_publish.report.screen import bar, masked, output_line, outputs, wrapped
from ecr_publish.scan import Answer, NoScan
from tests.factories import (
    COMPLETED_AT,
    SHA,
    make_finding,
    make_manifest,
    make_page,
    make_state,
)
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeRegistry,
    FakeWorkflow,
    edges,
)

LONG = "The role may not push, so add this to its policy"
ARN = "arn:aws:ecr:eu-west-1:123456789012:repository/visit-counter-app"


@pytest.mark.parametrize(
    ("line", "columns", "expected"),
    [
        (LONG, None, [LONG]),
        (LONG, len(LONG), [LONG]),
        (LONG, len(LONG) - 1, ["The role may not push, so add this to its", "policy"]),
        (LONG, 30, ["The role may not push, so add", "this to its policy"]),
        # A terminal of no width is still one that somebody reads.
        (LONG, 1, ["The role may not", "push, so add this to", "its policy"]),
        (f"See this: {ARN}", 30, [f"See this: {ARN}"]),
        (f"See this: {ARN}", len(ARN), ["See this:", ARN]),
        ("a-b-c-d " * 4, 20, ["a-b-c-d a-b-c-d", "a-b-c-d a-b-c-d"]),
        (f"  {LONG}", 30, [f"  {LONG}"]),
        (f"\t{LONG}", 30, [f"\t{LONG}"]),
        ("", 30, [""]),
    ],
)
def test_wrapped__breaks_prose_and_nothing_else(
    line: str, columns: int | None, expected: list[str]
) -> None:
    assert wrapped(line, columns) == expected


@pytest.mark.parametrize(
    ("part", "full"), [(-1, 0), (0, 0), (0.5, 12), (0.999, 24), (1, 24), (7, 24)]
)
def test_bar__is_as_full_as_the_part(part: float, full: int) -> None:
    assert bar(part, "x", 80) == f"[{'#' * full}{' ' * (24 - full)}] x"


def test_bar__stays_off_the_last_column() -> None:
    assert len(bar(0.5, "x" * 99, 80)) == 79
    assert len(bar(0.5, "x" * 99, 1)) == 19


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"#1 building", "#1 building"),
        (b"#1 building\r", "#1 building"),
        (b"10 %\r50 %\r100 %\r", "100 %"),
        (b"\x1b[1;31mred\x1b[0m", "red"),
        (b"\x1b[2J\x1b[Hcleared\x1b[?25l", "cleared"),
        (b"\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        (b"\xff\xfe caf\xc3\xa9", "\ufffd\ufffd café"),
    ],
)
def test_output_line__is_what_stays_and_obeys_nobody(data: bytes, shown: str) -> None:
    assert output_line(data) == shown


def test_s3_masked__every_secret_and_the_longest_first() -> None:
    assert masked("hunter2 and hunter", ["hunter", "hunter2"]) == "*** and ***"
    assert masked("nothing", []) == "nothing"


def test_outputs__those_with_a_value_and_each_line_of_it() -> None:
    found = {"image": "app@sha256:1", "tags": "app:1\napp:2", "new": "", "images": "[{}]"}
    assert list(outputs(found)) == ["image: app@sha256:1", "tags: app:1", "      app:2"]


# Whole runs -----------------------------------------------------------------------------------

REFUSED = make_page(
    make_finding("CVE-2026-1", "CRITICAL"),
    make_finding("CVE-2026-2", "LOW"),
    completed_at=COMPLETED_AT,
)
PASSED = make_page(make_finding("CVE-2026-2", "LOW"), completed_at=COMPLETED_AT)
REMARK = Remark(text="MAINTAINER is deprecated", file="Dockerfile", line=2)


class World:
    """A terminal 80 columns wide, or none, and a commit that was changed since."""

    def __init__(self, *answers: Answer, columns: int | None) -> None:
        pushed = make_manifest()
        registry = FakeRegistry(state=make_state(), pushed=pushed, answers=answers)
        engine = FakeEngine(pushed.digest, remarks=(REMARK,))
        self.checkout = FakeCheckout(Commit(sha=SHA, time=5, clean=False))
        self.clock, self._cloud, self._engine = FakeClock(), FakeCloud(registry), engine
        self.columns = None if columns is None else lambda: columns

    def connect(self, environ: object, workflow: Workflow) -> Edges:
        with_log = edges(self._cloud, self._engine, FakeWorkflow(), self.clock, self.checkout)
        return replace(with_log, workflow=workflow)


@pytest.fixture
def _keep_signals() -> Iterator[None]:
    kept = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in kept.items():
        signal.signal(name, handler)


@pytest.mark.usefixtures("_keep_signals")
@pytest.mark.parametrize(
    ("name", "answers", "columns", "options", "code"),
    [
        ("passed", [PASSED], None, ["--tags=1.4.2", "--tags=latest"], ExitCode.PASSED),
        ("refused", [NoScan(), NoScan(), REFUSED], 60, [], ExitCode.REFUSED),
        ("report-only", [REFUSED], None, ["--report-only"], ExitCode.PASSED),
        ("bad-inputs", [PASSED], 60, ["--severity-threshold=x", "--tags=a b"], ExitCode.INPUT),
    ],
)
def test_golden__run_in_a_terminal(
    golden: Callable[[str, str], None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    answers: Sequence[Answer],
    columns: int | None,
    options: Sequence[str],
    code: ExitCode,
) -> None:
    world = World(*answers, columns=columns)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("secrets.token_hex", lambda _: "0badcafe")
    monkeypatch.setattr("ecr_publish.main.connect", world.connect)
    monkeypatch.setattr(terminal, "SystemClock", lambda: world.clock)
    monkeypatch.setattr(terminal, "GitCheckout", lambda _: world.checkout)
    monkeypatch.setattr(terminal, "columns_of", lambda _: world.columns)

    arguments = ["publish", "--repository=visit-counter-app", *options]
    assert terminal.main(arguments, {"AWS_REGION": "eu-west-1"}) == code

    shown = capsys.readouterr().out.replace("\r\x1b[K", "<redrawn>")
    golden(f"terminal-{name}.txt", shown)
