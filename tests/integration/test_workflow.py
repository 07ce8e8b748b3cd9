"""The runner's commands and files, as bytes on standard output and in the files."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.edges.workflow import GitHubWorkflow
from ecr_publish.outcome import Outcome
from ecr_publish.report.annotations import Annotation, annotated
from ecr_publish.report.escape import printable
from ecr_publish.report.log import lines
from tests.e2e.support import obeyed
from tests.unit.report.test_escape import TEXT
from tests.unit.report.test_page import broken, everywhere


@pytest.fixture
def workflow(tmp_path: Path) -> GitHubWorkflow:
    return GitHubWorkflow({"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")})


def test_say__commands_in_the_text_are_harmless(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str]
) -> None:
    workflow.say("plain\n ::error::no\rend ##[warning]no")

    out = capfd.readouterr().out
    assert out.startswith("plain\n")
    assert not re.search(r"(?m)^\s*::", out)
    assert "##[" not in out
    assert "\r" not in out


def test_group__is_closed_also_after_an_error(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match="inside"), workflow.group("Build"):
        raise ValueError("inside")

    assert capfd.readouterr().out == "::group::Build\n::endgroup::\n"


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (b"", ""),
        (b"whole line\n", "whole line\n"),
        (b"no newline at the end", "no newline at the end\n"),
    ],
)
def test_untrusted__end_marker_stands_on_a_line_of_its_own(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str], output: bytes, shown: str
) -> None:
    with workflow.untrusted() as write:
        write(output)

    out = capfd.readouterr().out
    match = re.fullmatch(r"::stop-commands::([0-9a-f]{64})\n(.*)::\1::\n", out, re.DOTALL)
    assert match
    assert match[2] == shown


def test_untrusted__is_closed_also_after_an_error(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str]
) -> None:
    with suppress(KeyboardInterrupt), workflow.untrusted() as write:
        write(b"half a li")
        raise KeyboardInterrupt

    assert re.search(r"half a li\n::[0-9a-f]{64}::\n$", capfd.readouterr().out)


def test_untrusted__no_two_brackets_share_a_token(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        with workflow.untrusted():
            pass

    tokens = re.findall(r"::stop-commands::(\w+)", capfd.readouterr().out)
    assert len(set(tokens)) == 2


def test_s3__every_line_of_a_secret_is_masked(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str]
) -> None:
    workflow.mask("one\n\ntwo%")

    assert capfd.readouterr().out == "::add-mask::one\n::add-mask::two%25\n"


class Slow(StringIO):
    """Takes a text in two parts, as a full pipe does, and lets another thread on in between."""

    def write(self, text: str) -> int:
        super().write(text[:5])
        time.sleep(0.001)
        super().write(text[5:])
        return len(text)


def test_s3__a_secret_is_masked_on_a_line_of_its_own_whatever_another_thread_says() -> None:
    workflow, out = GitHubWorkflow({}), Slow()

    def talk() -> None:
        for _ in range(50):
            workflow.say("text")

    with redirect_stdout(out):
        other = threading.Thread(target=talk)
        other.start()
        for _ in range(50):
            workflow.mask("hunter2")
        other.join()

    assert Counter(out.getvalue().splitlines()) == {"::add-mask::hunter2": 50, "text": 50}


def test_annotations__are_escaped(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str]
) -> None:
    workflow.annotate(Annotation(title="a,b:c", message="50%\nnext", error=True))
    workflow.annotate(Annotation(title="w", message="x"))

    assert capfd.readouterr().out == (
        "::error title=a%2Cb%3Ac::50%25%0Anext\n::warning title=w::x\n"
    )


def test_annotations__have_a_place_only_where_a_file_is_named(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str]
) -> None:
    workflow.annotate(Annotation(message="x", file="", line=9))
    workflow.annotate(Annotation(message="x", file="app/Dockerfile"))
    workflow.annotate(Annotation(message="x", file="50%,a:b\r\n::error::x", line=7))

    assert capfd.readouterr().out.splitlines() == [
        "::warning title=ecr-publish::x",
        "::warning title=ecr-publish,file=app/Dockerfile,line=1::x",
        "::warning title=ecr-publish,file=50%25%2Ca%3Ab%0D%0A%3A%3Aerror%3A%3Ax,line=7::x",
    ]


@given(TEXT, TEXT, TEXT)
def test_annotations__any_text_is_one_command_and_says_what_it_is(
    title: str, message: str, file: str
) -> None:
    given = Annotation(title=title, message=message, file=f"x{file}", line=7, error=True)
    out = StringIO()
    with redirect_stdout(out):
        GitHubWorkflow({}).annotate(given)

    raw = out.getvalue().encode()
    assert obeyed(raw) == ["error"]
    assert len(re.split("[\r\n]", raw.decode())) == 2
    properties, said = raw.decode()[:-1].removeprefix("::error ").split("::", 1)
    assert unescaped(said) == printable(message)
    assert [item.split("=", 1) for item in properties.split(",")] == [
        ["title", escaped(title)],
        ["file", escaped(f"x{file}")],
        ["line", "7"],
    ]


@given(st.sampled_from([everywhere, broken]), TEXT)
def test_log__any_text_of_others_is_obeyed_by_no_runner(
    make: Callable[[str], Outcome], text: str
) -> None:
    outcome, out = make(text), StringIO()
    workflow = GitHubWorkflow({})
    with redirect_stdout(out):
        for line in lines(outcome):
            workflow.say(line)
        said = out.tell()
        for item in annotated(outcome):
            workflow.annotate(item)

    raw = out.getvalue()
    assert obeyed(raw[:said].encode()) == []
    kinds = ["error" if item.error else "warning" for item in annotated(outcome)]
    assert obeyed(raw[said:].encode()) == kinds


def unescaped(text: str) -> str:
    """What the runner makes of a command's data (actions/runner: ActionCommand.cs)."""
    for mark, character in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(mark, character)
    return text


def escaped(text: str) -> str:
    marks = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}
    return "".join(marks.get(character, character) for character in printable(text))


SURROGATE = "one \ud800\udfff two \udcff \x1b[31m"


def test_annotations__take_what_no_file_takes(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str]
) -> None:
    workflow.annotate(Annotation(message=SURROGATE, error=True))
    workflow.annotate(Annotation(message=SURROGATE))
    workflow.say(SURROGATE)

    error, warning, said = capfd.readouterr().out.splitlines()
    assert error.startswith("::error title=ecr-publish::one \ufffd")
    assert warning.startswith("::warning title=ecr-publish::one \ufffd")
    assert said.startswith("one \ufffd")
    assert "\x1b" not in error + warning + said


def test_output__takes_what_no_file_takes(
    workflow: GitHubWorkflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "output"
    file.touch()
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))

    workflow.output("reason", SURROGATE)

    assert file.read_text("utf-8").splitlines()[1].startswith("one \ufffd")


def test_output__several_lines(
    workflow: GitHubWorkflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "output"
    file.touch()
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))

    workflow.output("tags", "a:1\na:2")

    name, delimiter = file.read_text().splitlines()[0].split("<<")
    assert name == "tags"
    assert file.read_text() == f"tags<<{delimiter}\na:1\na:2\n{delimiter}\n"


def test_summary__is_appended(workflow: GitHubWorkflow, tmp_path: Path) -> None:
    workflow.summary("one\n")
    workflow.summary("two ✅\n")

    assert (tmp_path / "summary.md").read_text(encoding="utf-8") == "one\ntwo ✅\n"


def test_summary__without_a_file_is_left_away() -> None:
    GitHubWorkflow({}).summary("nowhere")


def test_context__is_that_of_the_runner_and_its_event(
    workflow: GitHubWorkflow, tmp_path: Path
) -> None:
    event = tmp_path / "event.json"
    event.write_text('{"repository": {"default_branch": "größer"}}', encoding="utf-8")
    environ = {"GITHUB_SHA": "a", "GITHUB_RUN_ID": "42", "GITHUB_WORKSPACE": "/w"}

    found = workflow.context(environ | {"GITHUB_EVENT_PATH": str(event)})

    assert (found.run_id, found.default_branch) == ("42", "größer")


def test_progress__is_not_drawn_in_a_log(
    workflow: GitHubWorkflow, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not workflow.progress(0.5, "half")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("path", ["scan.json", "out/of/the way/scan.json", "./out/../scan.json"])
def test_write_file__is_in_the_workspace_with_its_folders(tmp_path: Path, path: str) -> None:
    GitHubWorkflow({"GITHUB_WORKSPACE": str(tmp_path / "w")}).write_file(path, "é✅\n")

    assert (tmp_path / "w" / path).read_bytes() == "é✅\n".encode()


def test_write_file__of_an_absolute_path_is_there_and_what_was_there_is_gone(
    workflow: GitHubWorkflow, tmp_path: Path
) -> None:
    path = tmp_path / "scan.json"
    path.write_text("something longer")

    workflow.write_file(str(path), "new")

    assert path.read_text() == "new"


def test_write_file__without_a_workspace_is_in_the_folder(
    workflow: GitHubWorkflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    workflow.write_file("scan.json", "{}")

    assert (tmp_path / "scan.json").read_text() == "{}"


def test_s6_write_file__text_that_is_no_unicode_is_written_all_the_same(
    workflow: GitHubWorkflow, tmp_path: Path
) -> None:
    workflow.write_file(str(tmp_path / "scan.json"), "a\ud800b")

    assert (tmp_path / "scan.json").read_text() == "a?b"


def test_write_file__has_its_name_once_all_of_it_is_written(
    workflow: GitHubWorkflow, tmp_path: Path
) -> None:
    path = tmp_path / "scan.csv"
    path.write_bytes(b"before")

    def pieces() -> Iterator[str]:
        for line in ("head\r\n", "row\r\n"):
            assert path.read_bytes() == b"before"
            yield line

    workflow.write_file(str(path), pieces())

    assert path.read_bytes() == b"head\r\nrow\r\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [ValueError("no text"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [None, b"before"])
def test_s6_write_file__that_fails_midway_leaves_what_was_there(
    workflow: GitHubWorkflow, tmp_path: Path, before: bytes | None, failure: BaseException
) -> None:
    path = tmp_path / "scan.json"
    if before:
        path.write_bytes(before)

    def pieces() -> Iterator[str]:
        yield "{" * 100_000
        raise failure

    with pytest.raises(type(failure)):
        workflow.write_file(str(path), pieces())

    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([before] if before else [])


def test_write_file__of_a_link_is_what_it_leads_to(
    workflow: GitHubWorkflow, tmp_path: Path
) -> None:
    path, link = tmp_path / "a" / "scan.json", tmp_path / "scan.json"
    path.parent.mkdir()
    link.symlink_to(path)

    workflow.write_file(str(link), ["{", "}"])

    assert link.is_symlink()
    assert path.read_text() == "{}"


def test_write_file__may_be_read_by_whom_the_umask_lets(
    workflow: GitHubWorkflow, tmp_path: Path
) -> None:
    path, other = tmp_path / "scan.json", tmp_path / "other"
    other.touch()

    workflow.write_file(str(path), "{}")

    assert path.stat().st_mode == other.stat().st_mode


def test_write_file__of_the_longest_name(workflow: GitHubWorkflow, tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 250}.json"

    workflow.write_file(str(path), "{}")

    assert path.read_text() == "{}"


def test_write_file__where_none_can_be_is_an_error(
    workflow: GitHubWorkflow, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "scan.json", tmp_path / "folder"):
        with pytest.raises(OSError, match=r"exists|directory"):
            workflow.write_file(str(path), "{}")
    assert {file.name for file in tmp_path.iterdir()} == {"file", "folder"}
