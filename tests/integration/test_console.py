"""A terminal's edge: what it writes, byte by byte, and what it never does."""

from __future__ import annotations

import os
import pty
import threading
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest

from ecr_publish.context import Head
from ecr_publish.edges.console import Console, columns_of
from ecr_publish.edges.ports import Workflow
from ecr_publish.origin import Commit
from ecr_publish.report.annotations import Annotation
from tests.factories import SHA
from tests.fakes import TODAY, FakeCheckout, FakeClock

CLEAR = "\r\x1b[K"
EMPTY = f"[{' ' * 24}]"


class Shown:
    """A console, and what it has written."""

    def __init__(self, columns: Callable[[], int] | None = None, **checkout: object) -> None:
        self.stream, self.clock = StringIO(), FakeClock()
        self.checkout = FakeCheckout(**checkout)  # type: ignore[arg-type]
        self.console = Console(self.stream, self.clock, self.checkout, columns)
        self.workflow: Workflow = self.console

    @property
    def text(self) -> str:
        return self.stream.getvalue()


def test_context__is_that_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    head = Head(branch="feature", default_branch="main")
    shown = Shown(head=Commit(sha=SHA, time=5), head_names=head)

    found = shown.console.context({"GITHUB_SHA": "other", "GITHUB_RUN_ID": "42"})

    assert (found.sha, found.branch, found.default_branch) == (SHA, "feature", "main")
    assert (found.workspace, found.architecture) == (str(tmp_path), "ARM64")
    assert found.run_id == f"terminal-{TODAY.timestamp():.0f}"


def test_group__is_a_heading_with_what_is_said_inside_set_off() -> None:
    shown = Shown()
    with shown.console.group("Plan"):
        shown.console.say("one\ntwo")
    with shown.console.group("Gate"):
        shown.console.say("three")
    shown.console.say("Passed")
    shown.console.say("")
    shown.console.say("  table")

    assert shown.text == "Plan\n  one\n  two\n\nGate\n  three\n\nPassed\n\n  table\n"


def test_group__is_over_also_after_an_error() -> None:
    shown = Shown()
    with pytest.raises(ValueError, match="inside"), shown.console.group("Build"):
        raise ValueError("inside")
    shown.console.say("after")

    assert shown.text == "Build\n\nafter\n"


def test_say__obeys_nobody() -> None:
    shown = Shown()
    shown.console.say("::error::\x1b[2J\u202e\ud800")

    assert shown.text == "::error::\ufffd[2J\ufffd\ufffd\n"


def test_say__fits_into_the_terminal_as_wide_as_it_is_now() -> None:
    columns = 30
    shown = Shown(lambda: columns)
    text = "one two three four five six seven"
    shown.console.say(text)
    columns = 24
    with shown.console.group("Plan"):
        shown.console.say(text)

    assert shown.text == (
        "one two three four five six\nseven\n\nPlan\n  one two three four\n  five six seven\n"
    )


def test_untrusted__shows_whole_lines_as_they_come() -> None:
    shown = Shown()
    with shown.console.untrusted() as write:
        write(b"#1 buil")
        assert shown.text == ""
        write(b"ding\n#2 \x1b[31mred\x1b[0m\n\n#3 ha")
        assert shown.text == "#1 building\n#2 red\n\n"
    assert shown.text == "#1 building\n#2 red\n\n#3 ha\n"


def test_untrusted__shows_the_rest_also_after_a_cancel() -> None:
    shown = Shown()
    with suppress(KeyboardInterrupt), shown.console.untrusted() as write:
        write(b"half a li")
        raise KeyboardInterrupt
    assert shown.text == "half a li\n"


def test_s3__no_secret_is_shown_wherever_it_comes() -> None:
    shown = Shown(lambda: 80)
    shown.console.mask("hunter2\n\nline\x07two")
    with shown.console.group("group hunter2"), shown.console.untrusted() as write:
        write(b"cut hun")
        write(b"ter2 cut\nline\x07two\n")
        shown.console.progress(0.5, "bar hunter2")
        shown.console.say("say hunter2")
    shown.console.annotate(Annotation(message="annotated hunter2"))
    shown.console.output("reason", "because of hunter2")
    shown.console.end(None)

    assert "hunter2" not in shown.text
    assert "two" not in shown.text
    assert shown.text.count("***") == 7


def test_s3__of_two_secrets_the_longer_is_hidden_whole() -> None:
    shown = Shown()
    shown.console.mask("hunter")
    shown.console.mask("hunter2")
    shown.console.say("it is hunter2, not hunter")
    assert shown.text == "it is ***, not ***\n"


def test_progress__is_drawn_in_place_at_most_ten_times_a_second() -> None:
    shown = Shown(lambda: 60)
    assert shown.workflow.progress(0.0, "0 of 2 MB")
    shown.clock.time = 0.09
    assert shown.workflow.progress(0.2, "too early")
    shown.clock.time = 0.1
    assert shown.workflow.progress(0.5, "1 of 2 MB")

    half = f"[{'#' * 12}{' ' * 12}]"
    assert shown.text == f"{CLEAR}{EMPTY} 0 of 2 MB{CLEAR}{half} 1 of 2 MB"


def test_progress__makes_way_for_what_is_said() -> None:
    shown = Shown(lambda: 60)
    with shown.console.group("Push"):
        shown.console.progress(0.0, "x")
        shown.console.say("said")
        shown.console.say("again")
        shown.clock.time = 1
        shown.console.progress(0.0, "y")

    assert shown.text == f"Push\n{CLEAR}{EMPTY} x{CLEAR}  said\n  again\n{CLEAR}{EMPTY} y{CLEAR}"


def test_progress__is_not_drawn_into_a_file() -> None:
    shown = Shown()
    assert not shown.workflow.progress(0.5, "half")
    assert shown.text == ""


@pytest.mark.parametrize(
    ("annotation", "shown"),
    [
        (Annotation(message="It is odd"), "WARNING: It is odd\n"),
        (Annotation(message="It failed", error=True), "ERROR: It failed\n"),
        (Annotation(message="use tabs", title="Dockerfile"), "WARNING: Dockerfile: use tabs\n"),
        (
            Annotation(message="use tabs", title="Dockerfile", file="app/Dockerfile", line=7),
            "WARNING: app/Dockerfile:7: use tabs\n",
        ),
        (Annotation(message="HIGH CVE-3", title="CVE-3"), "WARNING: CVE-3: HIGH CVE-3\n"),
        # All that has been told.
        (Annotation(message="Refused: 1 HIGH", error=True), ""),
        (Annotation(message="HIGH CVE-1 in zlib: it refuses", title="CVE-1"), ""),
        (Annotation(message="a\x1bb"), ""),
    ],
)
def test_annotate__says_what_the_log_has_not(annotation: Annotation, shown: str) -> None:
    given = Shown()
    for line in ("Refused: 1 HIGH", "  HIGH  CVE-1 in zlib 1", "Dockerfile and CVE-2", "a\x1bb"):
        given.console.say(line)
    before = len(given.text)
    given.console.annotate(annotation)
    assert given.text[before:] == shown


def test_output__are_shown_at_the_end_and_written_where_one_asks(tmp_path: Path) -> None:
    shown, path = Shown(), tmp_path / "new" / "out.json"
    shown.console.output("image", "app@sha256:1")
    shown.console.output("tags", "app:1\napp:2")
    shown.console.output("new", "")
    assert shown.text == ""
    shown.console.end(str(path))

    assert shown.text == "Outputs\n  image: app@sha256:1\n  tags: app:1\n        app:2\n"
    assert path.read_text() == (
        '{\n  "image": "app@sha256:1",\n  "tags": "app:1\\napp:2",\n  "new": ""\n}\n'
    )


def test_s3_output__is_masked_in_the_file_too(tmp_path: Path) -> None:
    shown, path = Shown(), tmp_path / "out.json"
    shown.console.mask("hunter2")
    shown.console.output("reason", "the push failed: hunter2 is wrong")
    shown.console.end(str(path))
    assert "hunter2" not in path.read_text() + shown.text


def test_summary__is_not_shown() -> None:
    shown = Shown()
    shown.workflow.summary("# Markdown")
    assert shown.text == ""


def test_write_file__is_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Shown().workflow.write_file("out/scan.json", ["{", "}"])
    assert (tmp_path / "out" / "scan.json").read_text() == "{}"


def test_write__letters_that_the_terminal_does_not_know() -> None:
    raw = BytesIO()
    stream = TextIOWrapper(raw, encoding="ascii")
    Console(stream, FakeClock(), FakeCheckout(), None).say("café … ok")
    assert raw.getvalue() == b"caf? ? ok\n"


def test_s6_write__goes_on_where_nobody_reads_any_more() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with suppress(BrokenPipeError), os.fdopen(writer, "w") as stream:
        console = Console(stream, FakeClock(), FakeCheckout(), None)
        with console.group("Plan"):
            console.say("one")
            console.say("two")


def test_s6_columns__of_a_terminal_that_is_gone() -> None:
    ours, theirs = pty.openpty()
    with suppress(OSError), os.fdopen(theirs, "w") as stream:
        columns = columns_of(stream)
        console = Console(stream, FakeClock(), FakeCheckout(), columns)
        os.close(ours)
        console.say("one")
        assert console.progress(0.5, "half")
        console.end(None)
        assert columns
        assert columns() == 80


def test_write__of_many_threads_are_whole_lines() -> None:
    shown = Shown(lambda: 80)

    def talk(word: str) -> None:
        for _ in range(200):
            shown.console.say(word * 20)

    threads = [threading.Thread(target=talk, args=(word,)) for word in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {*shown.text.splitlines()} == {word * 20 for word in "abc"}


@pytest.mark.parametrize(("rows", "columns", "expected"), [(24, 132, 132), (0, 0, 80)])
def test_columns__of_a_terminal(rows: int, columns: int, expected: int) -> None:
    import fcntl  # noqa: PLC0415
    import struct  # noqa: PLC0415
    import termios  # noqa: PLC0415

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with os.fdopen(theirs, "w") as stream:
        width = columns_of(stream)
        assert width
        assert width() == expected
    os.close(ours)


def test_columns__of_what_is_no_terminal(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream:
        assert columns_of(stream) is None
