"""The commands: what they hand over, print and exit with, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from ecr_publish import __version__, terminal_policy
from ecr_publish.edges.console import Console
from ecr_publish.edges.ports import Edges, Workflow
from ecr_publish.edges.workflow import GitHubWorkflow
from ecr_publish.errors import ExitCode
from ecr_publish.inputs import Inputs, Job
from ecr_publish.policy import Rules
from ecr_publish.report.document import document
from ecr_publish.scan import Evidence
from ecr_publish.terminal import main
from tests.factories import (
    make_digest,
    make_finding,
    make_outcome,
    make_package,
    make_result,
    make_unjudged,
    make_verdict,
)

POLICY = "severity-threshold: medium\n"
FIELDS = Inputs.__dataclass_fields__
ROLE = "arn:aws:iam::123456789012:role/publisher"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Ran:
    """One run of a command."""

    def __init__(self, code: int, printed: Any) -> None:
        self.code, self.said, self.errors = code, printed.out, printed.err
        self.lines = self.said.splitlines()


class Terminal:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def write(self, name: str, content: str | bytes) -> str:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        text = content.encode() if isinstance(content, str) else content
        (self.folder / name).write_bytes(text)
        return name

    def report(self, *findings: Any, name: str = "report.json", **over: Any) -> str:
        evidence = Evidence(results=(make_result(*findings, **over),))
        verdict = make_verdict(rules=Rules())
        outcome = make_outcome(evidence=evidence, verdict=verdict)
        return self.write(name, "".join(document(outcome)))

    def check(self, *arguments: str) -> Ran:
        return self.run("check-policy", *arguments)

    def run(self, *arguments: str, **environ: str) -> Ran:
        code = main(arguments, environ)
        return Ran(code, self._capsys.readouterr())

    def refused(self, *arguments: str) -> Ran:
        """Of the arguments themselves."""
        with pytest.raises(SystemExit) as caught:
            main(arguments, {})
        assert isinstance(caught.value.code, int)
        return Ran(caught.value.code, self._capsys.readouterr())


@pytest.fixture
def terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(folder, capsys)


# The policy alone -----------------------------------------------------------------------------


def test_policy__without_any() -> None:
    assert main(["check-policy"], {}) == ExitCode.PASSED


def test_policy__without_any_says_what_counts(terminal: Terminal) -> None:
    ran = terminal.check()
    assert (ran.code, ran.errors) == (0, "")
    assert ran.lines == [
        "No rule is stated, so only the threshold counts:",
        "  severity-threshold: high",
        "",
    ]


def test_policy__in_its_usual_place_is_printed_with_places(terminal: Terminal) -> None:
    terminal.write(".ecr-publish.yml", f"{POLICY}epss-threshold: 0.5\n")
    assert terminal.check("--only-fixable", "true").lines == [
        "The policy:",
        "  severity-threshold: medium (.ecr-publish.yml, line 1)",
        "  epss-threshold: 0.5 (.ecr-publish.yml, line 2)",
        "  only-fixable: true (the input only-fixable)",
        "",
    ]


def test_policy__and_all_that_it_extends(terminal: Terminal) -> None:
    terminal.write("policy/own.yml", "extends: base.yml\nignore-files: [.trivyignore]\n")
    terminal.write("policy/base.yml", f"{POLICY}allow: [ignore]\n")
    terminal.write("policy/.trivyignore", "CVE-1\n")
    ran = terminal.check("--policy-file", "policy/own.yml")
    assert "  severity-threshold: medium (policy/base.yml, line 1)" in ran.lines
    assert "  ignore: 1 entry (policy/own.yml, line 2)" in ran.lines


def test_policy__rules_of_ignore_files_that_are_not_taken_over_are_told(
    terminal: Terminal,
) -> None:
    terminal.write(".ecr-publish.yml", "ignore-files: [.grype.yaml]\n")
    terminal.write(".grype.yaml", "ignore:\n- vulnerability: CVE-2\n  namespace: x\n")
    for more in ([], ["--findings", terminal.report(LOW)]):
        ran = terminal.check(*more)
        assert ran.code == ExitCode.PASSED
        assert ran.lines[2].startswith("  not taken over: .grype.yaml, line 2: ")
        assert ran.lines[3] == ""


@pytest.mark.parametrize(
    ("option", "value", "shown"),
    [
        ("severity-threshold", "low", "low"),
        ("unknown-severity", "medium", "medium"),
        ("only-fixable", "true", "true"),
        ("only-fixable", "false", "false"),
        ("baseline", "team/base:1.4", "team/base:1.4"),
        ("on-baseline-error", "warn", "warn"),
    ],
)
def test_policy__each_input_counts(terminal: Terminal, option: str, value: str, shown: str) -> None:
    ran = terminal.check(f"--{option}", value)
    assert ran.lines == ["The policy:", f"  {option}: {shown} (the input {option})", ""]


def test_policy__fail_on_with_its_baseline(terminal: Terminal) -> None:
    ran = terminal.check("--fail-on=new", "--baseline=latest")
    assert "  fail-on: new (the input fail-on)" in ran.lines


def test_policy__repository_is_that_of_openvex_products(terminal: Terminal) -> None:
    vex = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://openvex.dev/docs/public/vex-1",
        "author": "Security",
        "timestamp": "2026-01-08T18:02:03Z",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": "CVE-HIGH"},
                "products": [{"@id": "pkg:oci/app"}],
                "status": "not_affected",
                "justification": "component_not_present",
            }
        ],
    }
    terminal.write("app.vex.json", json.dumps(vex))
    terminal.write(".ecr-publish.yml", "ignore-files: [app.vex.json]\n")
    report = terminal.report(HIGH)
    codes = {
        name: terminal.check("--findings", report, "--repository", name).code
        for name in ("team/app", "team/other")
    }
    assert codes == {"team/app": ExitCode.PASSED, "team/other": ExitCode.REFUSED}


# What is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--severity-threshold", "severe"], "severity-threshold: 'severe' is not one of"),
        (["--unknown-severity", "odd"], "unknown-severity: 'odd' is not one of"),
        (["--only-fixable", "yes"], "only-fixable: 'yes' is not a boolean"),
        (["--baseline", "a b"], "baseline: 'a b' is not a tag"),
        (["--fail-on", "known"], "fail-on: 'known' is not one of: all, new"),
        (["--on-baseline-error", "off"], "on-baseline-error: 'off' is not one of: fail, warn"),
        (["--repository", "A:b"], "repository: 'A:b' holds more than the repository's name"),
        (["--fail-on", "new"], "the input fail-on: fail-on: new needs a baseline"),
        (["--policy-file", "none.yml"], "none.yml: there is no such file"),
        (["--findings", "none.json"], "No such file or directory: 'none.json'"),
        (["--findings", "."], "Is a directory"),
    ],
)
def test_s2_wrong__is_told_and_is_no_pass(
    terminal: Terminal, arguments: list[str], said: str
) -> None:
    ran = terminal.check(*arguments)
    assert ran.code == ExitCode.INPUT
    assert said in ran.errors
    assert "Passed" not in ran.said


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (".ecr-publish.yml", ".ecr-publish.yml: cannot be read: it is no file"),
        ("org.yml", "org.yml: cannot be read: it is no file"),
        (".trivyignore", ".trivyignore: cannot be read: it is no file"),
    ],
)
@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_s2_wrong__what_is_there_and_is_no_file_is_no_missing_one(
    terminal: Terminal, kind: str, broken: str, said: str
) -> None:
    terminal.write(".ecr-publish.yml", "extends: org.yml\nignore-files: [.trivyignore]\n")
    terminal.write("org.yml", "allow: [ignore]\n")
    terminal.write(".trivyignore", "")
    assert terminal.check().code == ExitCode.PASSED
    path = terminal.folder / broken
    path.unlink()
    make: dict[str, Callable[[], None]] = {
        "folder": path.mkdir,
        "link": lambda: path.symlink_to("nowhere"),
        "pipe": lambda: os.mkfifo(path),
    }
    make[kind]()
    ran = terminal.check()
    assert (ran.code, ran.said) == (ExitCode.INPUT, "")
    assert said in ran.errors


def test_s2_wrong__policy_file_of_another_ending_is_not_left_unread(terminal: Terminal) -> None:
    terminal.write(".ecr-publish.yaml", POLICY)
    ran = terminal.check()
    assert (ran.code, ran.said) == (ExitCode.INPUT, "")
    assert ".ecr-publish.yaml: is not read; rename it to .ecr-publish.yml" in ran.errors


def test_s2_wrong__policy_file(terminal: Terminal) -> None:
    terminal.write(".ecr-publish.yml", "severity_threshold: high\nexploited: yes\n")
    ran = terminal.check()
    assert (ran.code, ran.said) == (ExitCode.INPUT, "")
    assert "line 1: severity_threshold: is not a key here" in ran.errors
    assert "line 2: exploited: 'yes' is not one of" in ran.errors


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b"\xff" * 9, b"{}", b"\x00" * 9, b"[" * 99_999]
)
def test_s2_wrong__report(terminal: Terminal, content: bytes) -> None:
    ran = terminal.check("--findings", terminal.write("report.json", content))
    assert ran.code == ExitCode.INPUT
    assert ran.errors.startswith("this is no report of a scan: ")
    assert len(ran.errors.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["check"], ["check-policy", "x"], ["check-policy", "--report-only", "true"]),
        *(["check-policy", "--today", day] for day in ("tomorrow", "2026-02-30", "")),
    ],
)
def test_s2_wrong__arguments(terminal: Terminal, arguments: list[str]) -> None:
    assert terminal.refused(*arguments).code == ExitCode.INPUT


def test_help__names_every_option_and_exit_code(terminal: Terminal) -> None:
    ran = terminal.refused("check-policy", "--help")
    assert ran.code == 0
    options = {*re.findall(r"^  --([a-z-]+)", ran.said, re.MULTILINE)}
    assert options == {
        *("findings", "policy-file", "severity-threshold", "unknown-severity", "only-fixable"),
        *("baseline", "fail-on", "on-baseline-error", "repository", "today"),
    }
    # Each is an input of the action, of the same name.
    assert options - {"findings", "today"} == {*terminal_policy.INPUTS}
    assert {*terminal_policy.INPUTS} <= {name.replace("_", "-") for name in FIELDS}
    assert "0 passed, 9 refused, 7 not judged" in " ".join(ran.said.split())


def test_today__is_the_day_of_the_policy_too(terminal: Terminal) -> None:
    terminal.write(
        ".ecr-publish.yml", "require: {max-days: 9}\nignore: [{id: CVE-1, until: 2026-01-10}]\n"
    )
    assert terminal.check("--today", "2026-01-01").code == ExitCode.PASSED
    early = terminal.check("--today", "2025-12-31")
    assert early.code == ExitCode.INPUT
    assert "ends in 10 days, which is more than 9" in early.errors


def test_today__is_today_where_nobody_says_so(terminal: Terminal) -> None:
    today = datetime.now(timezone.utc).date()
    ignore = f"ignore: [{{id: CVE-HIGH, until: {today}}}, {{id: CVE-2, until: 2020-01-01}}]\n"
    terminal.write(".ecr-publish.yml", ignore)
    ran = terminal.check("--findings", terminal.report(HIGH))
    assert ran.code == ExitCode.PASSED
    assert any("The ignore of CVE-2 ended on 2020-01-01" in line for line in ran.lines)


# Findings -------------------------------------------------------------------------------------

LOW = make_finding("CVE-LOW", "LOW")
HIGH = make_finding("CVE-HIGH", "HIGH")


def test_findings__passed(terminal: Terminal) -> None:
    ran = terminal.check("--findings", terminal.report(LOW))
    assert (ran.code, ran.errors) == (ExitCode.PASSED, "")
    assert ran.lines[3:] == [
        "allowed  LOW           CVE-LOW openssl 3.0.1-r0: below the threshold high",
        "Passed: 1 finding, none at or above the threshold high",
        "  1 below the threshold high",
    ]


def test_findings__refused_by_the_rule_and_its_place(terminal: Terminal) -> None:
    terminal.write(".ecr-publish.yml", POLICY)
    ran = terminal.check("--findings", terminal.report(HIGH, LOW))
    assert ran.code == ExitCode.REFUSED
    assert ran.lines[3:7] == [
        (
            "refused  HIGH          CVE-HIGH openssl 3.0.1-r0: at or above the threshold medium "
            "(.ecr-publish.yml, line 1)"
        ),
        (
            "allowed  LOW           CVE-LOW openssl 3.0.1-r0: below the threshold medium "
            "(.ecr-publish.yml, line 1)"
        ),
        "Refused: 1 HIGH: at or above the threshold medium",
        "  HIGH          CVE-HIGH in openssl 3.0.1-r0",
    ]


def test_findings__not_judged(terminal: Terminal) -> None:
    report = terminal.report(LOW, unjudged=make_unjudged().unjudged, reason="the scan is running")
    ran = terminal.check("--findings", report)
    assert ran.code == ExitCode.SCAN
    assert "Not judged: the scan is running" in ran.lines


def test_s2_findings__what_the_report_does_not_tell_is_not_passed(terminal: Terminal) -> None:
    report = terminal.report(LOW)
    ran = terminal.check("--findings", report, "--baseline", "latest")
    assert ran.code == ExitCode.SCAN
    assert "Not judged: the report was made without a baseline" in ran.lines
    warned = terminal.check(
        "--findings", report, "--baseline", "latest", "--on-baseline-error", "warn"
    )
    assert warned.code == ExitCode.PASSED
    assert "WARNING: The report was made without a baseline (on-baseline-error: warn)" in (
        warned.lines
    )


def test_findings__of_the_api(terminal: Terminal) -> None:
    printed = {
        "imageId": {"imageDigest": str(make_digest())},
        "imageScanStatus": {"status": "COMPLETE"},
        "imageScanFindings": {
            "imageScanCompletedAt": "2026-08-01T00:00:00+00:00",
            "findingSeverityCounts": {"CRITICAL": 1},
            "findings": [{"name": "CVE-1", "severity": "CRITICAL"}],
        },
    }
    text = json.dumps(printed)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        ran = terminal.check("--findings", terminal.write("aws.json", text.encode(encoding)))
        assert ran.code == ExitCode.REFUSED
        assert "refused  CRITICAL      CVE-1: at or above the threshold high" in ran.lines


def test_findings__ends_of_grace_and_ignores_are_told(terminal: Terminal) -> None:
    terminal.write(
        ".ecr-publish.yml",
        "grace: {high: 30d}\nignore: [{id: CVE-IGNORED}, {id: CVE-GONE}]\n",
    )
    recent = make_finding("CVE-NEW", known_since=datetime(2026, 1, 1, tzinfo=timezone.utc))
    report = terminal.report(recent, make_finding("CVE-IGNORED"))
    ran = terminal.check("--findings", report, "--today", "2026-01-30")
    assert ran.code == ExitCode.PASSED
    ignored = (
        "allowed  HIGH          CVE-IGNORED openssl 3.0.1-r0: ignored by the policy "
        "(.ecr-publish.yml, line 2)"
    )
    grace = (
        "allowed  HIGH          CVE-NEW openssl 3.0.1-r0: in grace, not known for long yet, "
        "refuses from 2026-01-31 (.ecr-publish.yml, line 1)"
    )
    assert {ignored, grace} <= {*ran.lines}
    later = terminal.check("--findings", report, "--today", "2026-01-31")
    assert later.code == ExitCode.REFUSED
    assert (
        "refused  HIGH          CVE-NEW openssl 3.0.1-r0: at or above the threshold high"
        in later.lines
    )
    assert any(line.startswith("WARNING: Nothing was found for the ignore") for line in ran.lines)


def test_findings__nameless_one_without_packages(terminal: Terminal) -> None:
    ran = terminal.check("--findings", terminal.report(make_finding("", "UNTRIAGED", packages=())))
    assert "refused  UNTRIAGED     (no name): at or above the threshold high" in ran.lines


HOSTILE = "::error::x\r\n##[error]y \x1b[2J\u202e\ud800"


def test_findings__hostile_texts_obey_nobody(terminal: Terminal) -> None:
    hostile = make_finding(HOSTILE, packages=(make_package(name=HOSTILE, version=HOSTILE),))
    ran = terminal.check("--findings", terminal.report(hostile, reason=HOSTILE))
    assert ran.code == ExitCode.REFUSED
    assert "\x1b" not in ran.said
    assert "\u202e" not in ran.said
    assert not [line for line in ran.lines if line.lstrip().startswith("::")]
    assert "##[" not in ran.said


def test_s2_hostile__message_is_one_that_a_terminal_prints(terminal: Terminal) -> None:
    content = json.dumps({"version": HOSTILE})
    ran = terminal.check("--findings", terminal.write("report.json", content))
    assert ran.code == ExitCode.INPUT
    assert "\x1b" not in ran.errors


def test_report_of_a_run__is_judged_as_in_the_run(terminal: Terminal) -> None:
    terminal.write(".ecr-publish.yml", POLICY)
    evidence = Evidence(results=(make_result(HIGH, LOW),))
    verdict = make_verdict()
    outcome = make_outcome(evidence=evidence, verdict=verdict)
    terminal.write("report.json", "".join(document(outcome)))
    assert terminal.check("--findings", "report.json").code == ExitCode.REFUSED
    loose = terminal.check("--findings", "report.json", "--severity-threshold", "critical")
    assert loose.code == ExitCode.PASSED


def test_module__is_the_command(monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    monkeypatch.setattr(sys, "argv", ["ecr_publish", "check-policy", "--fail-on", "x"])
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("ecr_publish", run_name="__main__")
    assert caught.value.code == ExitCode.INPUT


class Gone(StringIO):
    """A terminal that is closed, or the pipe to a program that has ended."""

    def write(self, _: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_s6_policy__exit_code_counts_where_nobody_reads(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = terminal.report(HIGH)
    monkeypatch.setattr(sys, "stdout", Gone())
    assert terminal.check("--findings", report).code == ExitCode.REFUSED


def test_s6_error__exit_code_counts_where_nobody_reads(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = terminal.write("policy.yml", "extends: 1\n")
    monkeypatch.setattr(sys, "stderr", Gone())
    assert terminal.check("--policy-file", report).code == ExitCode.INPUT


def test_s6_module__exit_code_counts_where_nobody_reads(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = terminal.report(HIGH)
    monkeypatch.setattr(sys, "argv", ["ecr_publish", "check-policy", "--findings", report])
    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("ecr_publish", run_name="__main__")
    assert caught.value.code == ExitCode.REFUSED


def test_module__is_no_command_where_it_is_imported() -> None:
    assert runpy.run_module("ecr_publish.__main__", run_name="other")["door"]


# The three actions ----------------------------------------------------------------------------


class Corridor:
    """What it was called with; `code` is what it gives."""

    def __init__(self) -> None:
        self.code: int = ExitCode.PASSED
        self.environ: dict[str, str] = {}
        self.workflow: Workflow | None = None
        self.raises: BaseException | None = None

    def __call__(self, environ: Mapping[str, str], workflow: Workflow | None = None) -> int:
        self.environ, self.workflow = dict(environ), workflow
        if self.raises:
            raise self.raises
        if workflow:
            workflow.output("verdict", "passed")
        return self.code


@pytest.fixture
def corridor(monkeypatch: pytest.MonkeyPatch) -> Corridor:
    made = Corridor()
    monkeypatch.setattr("ecr_publish.terminal.corridor", made)
    return made


@pytest.mark.parametrize("job", [job.value for job in Job])
def test_run__hands_the_inputs_over_beside_the_environment(
    terminal: Terminal, corridor: Corridor, job: str
) -> None:
    ran = terminal.run(job, "--repository", "app", "--severity-threshold=low", HOME="/home/me")
    assert (ran.code, ran.errors) == (ExitCode.PASSED, "")
    assert corridor.environ == {
        "HOME": "/home/me",
        "ECR_PUBLISH_JOB": job,
        "ECR_PUBLISH_REPOSITORY": "app",
        "ECR_PUBLISH_SEVERITY_THRESHOLD": "low",
    }


def test_run__shows_the_outputs_at_the_end(terminal: Terminal, corridor: Corridor) -> None:
    corridor.code = ExitCode.REFUSED
    ran = terminal.run("publish")
    assert ran.code == ExitCode.REFUSED
    assert isinstance(corridor.workflow, Console)
    assert ran.lines == ["Outputs", "  verdict: passed"]


def test_run__lists_and_switches(terminal: Terminal, corridor: Corridor) -> None:
    terminal.run("publish", "--tags=a", "--pull", "--tags", "b", "--no-cache", "false")
    assert corridor.environ == {
        "ECR_PUBLISH_JOB": "publish",
        "ECR_PUBLISH_TAGS": "a\nb",
        "ECR_PUBLISH_PULL": "true",
        "ECR_PUBLISH_NO_CACHE": "false",
    }


def test_run__option_wins_over_the_variable(terminal: Terminal, corridor: Corridor) -> None:
    given = {"ECR_PUBLISH_FILE": "one", "ECR_PUBLISH_TARGET": "two", "ECR_PUBLISH_JOB": "gate"}
    terminal.run("publish", "--file", "three", **given)
    assert corridor.environ == given | {
        "ECR_PUBLISH_FILE": "three",
        "ECR_PUBLISH_JOB": "publish",
    }


@pytest.mark.parametrize(("options", "debug"), [(["--debug"], "1"), ([], None)])
def test_run__debug_is_what_debug_logging_is_in_a_workflow(
    terminal: Terminal, corridor: Corridor, options: list[str], debug: str | None
) -> None:
    terminal.run("gate", *options)
    assert corridor.environ.get("RUNNER_DEBUG") == debug


def test_run__output_is_written_to_a_file(terminal: Terminal, corridor: Corridor) -> None:
    terminal.run("publish", "--output", "new/out.json")
    assert json.loads((terminal.folder / "new/out.json").read_text()) == {"verdict": "passed"}


def test_s6_run__output_of_an_earlier_run_does_not_stay(
    terminal: Terminal, corridor: Corridor
) -> None:
    terminal.write("out.json", '{"verdict": "passed"}')
    corridor.raises = KeyboardInterrupt()
    assert terminal.run("publish", "--output=out.json").code == ExitCode.CANCELLED
    assert (terminal.folder / "out.json").read_text() == "{}\n"


def test_s6_run__output_that_cannot_be_written_at_the_end_changes_no_exit_code(
    terminal: Terminal, corridor: Corridor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Console, path: str, pieces: Iterable[str]) -> None:
        if "verdict" in "".join(pieces):
            raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(Console, "write_file", full)
    corridor.code = ExitCode.REFUSED
    ran = terminal.run("publish", "--output", "out.json")
    assert (ran.code, ran.errors) == (ExitCode.REFUSED, "")
    assert ran.lines == [
        "Outputs",
        "  verdict: passed",
        "",
        "WARNING: The outputs could not be written: [Errno 28] No space left on device: 'out.json'",
    ]


def test_run__output_that_cannot_be_written_ends_it_before_it_begins(
    terminal: Terminal, corridor: Corridor
) -> None:
    ran = terminal.run("publish", "--output", ".")
    assert ran.code == ExitCode.INPUT
    assert "directory" in ran.errors
    assert corridor.environ == {}


def test_run__in_a_workflow_is_what_the_action_does(terminal: Terminal, corridor: Corridor) -> None:
    options = ["--check-run", "--role-to-assume", ROLE]
    ran = terminal.run("publish", *options, GITHUB_ACTIONS="true")
    assert (ran.code, ran.said, corridor.workflow) == (ExitCode.PASSED, "", None)
    assert corridor.environ["ECR_PUBLISH_CHECK_RUN"] == "true"


def test_run__in_a_workflow_the_outputs_are_the_step_s(
    terminal: Terminal, corridor: Corridor
) -> None:
    ran = terminal.run("publish", "--output=out.json", GITHUB_ACTIONS="true")
    assert ran.code == ExitCode.INPUT
    assert "- output: in a workflow the outputs are those of the step" in ran.errors
    assert corridor.environ == {}


def test_run__what_there_is_only_on_github_is_refused_all_at_once(
    terminal: Terminal, corridor: Corridor
) -> None:
    ran = terminal.run("gate", "--comment", "--role-to-assume", ROLE)
    assert (ran.code, ran.said, corridor.environ) == (ExitCode.INPUT, "", {})
    first, comment, role = ran.errors.splitlines()
    assert first == "2 inputs cannot be used:"
    assert comment.startswith("- comment: is shown on GitHub")
    assert role.startswith("- role-to-assume: ")


def test_s3_run__secret_in_the_command_line_is_refused(
    terminal: Terminal, corridor: Corridor
) -> None:
    ran = terminal.run("publish", "--secrets", "npm=hunter2")
    assert (ran.code, ran.said, corridor.environ) == (ExitCode.INPUT, "", {})
    assert "set the variable ECR_PUBLISH_SECRETS" in ran.errors
    assert "hunter2" not in ran.errors


def test_s3_run__git_gets_no_token(
    terminal: Terminal, corridor: Corridor, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Mapping[str, str]] = []
    monkeypatch.setattr("ecr_publish.terminal.GitCheckout", given.append)
    terminal.run("publish", ECR_PUBLISH_SECRETS="a=hunter2", PATH="/bin")
    assert given == [{"PATH": "/bin"}]


@pytest.mark.parametrize(
    "arguments",
    [
        ["publish", "--reference", "1"],
        ["publish", "--repo", "app"],
        ["gate", "--platforms", "linux/amd64"],
        ["merge", "--tag", "1"],
        ["publish", "app"],
        ["publish", "--repository"],
    ],
)
def test_run__takes_no_other_words(
    terminal: Terminal, corridor: Corridor, arguments: list[str]
) -> None:
    ran = terminal.refused(*arguments)
    assert (ran.code, corridor.environ) == (ExitCode.INPUT, {})
    assert re.search(r"error: (unrecognized arguments: |.*: expected one argument)", ran.errors)
    assert len(ran.errors.splitlines()) == 2


@pytest.mark.parametrize("job", [job.value for job in Job])
def test_help__describes_every_input(terminal: Terminal, job: str) -> None:
    ran = terminal.refused(job, "--help")
    assert ran.code == 0
    named = {*re.findall(r"^  --([a-z-]+)", ran.said, re.MULTILINE)} - {"output", "debug"}
    assert named <= {name.replace("_", "-") for name in FIELDS}
    assert {"repository", "severity-threshold", "report-file"} <= named
    assert ("reference" in named, "digests" in named) == (job == "gate", job == "merge")
    said = " ".join(ran.said.split())
    assert "Name of the ECR repository, without the registry's host." in said
    assert "`.csv`, `.html`. Default: none. May be given several times." in said
    assert "--report-only [VALUE]" in said


# doctor ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "shown_by"), [({}, Console), ({"GITHUB_ACTIONS": "true"}, GitHubWorkflow)]
)
def test_doctor__looks_with_the_inputs_and_says_what_it_sees(
    terminal: Terminal,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    shown_by: type,
) -> None:
    called: list[tuple[Mapping[str, str], Edges]] = []

    def run(known: Mapping[str, str], edges: Edges, write: Callable[[str], None]) -> int:
        called.append((known, edges))
        write("a table")
        return ExitCode.REPOSITORY

    monkeypatch.setattr("ecr_publish.doctor.run", run)
    ran = terminal.run("doctor", "--job=gate", "--reference=1", "--tags", "a", **environ)
    assert (ran.code, ran.said) == (ExitCode.REPOSITORY, "a table\n")
    ((known, edges),) = called
    assert known == environ | {
        "ECR_PUBLISH_JOB": "gate",
        "ECR_PUBLISH_REFERENCE": "1",
        "ECR_PUBLISH_TAGS": "a",
    }
    assert isinstance(edges.workflow, shown_by)


def test_doctor__is_for_the_main_action_where_nobody_says_which(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "ecr_publish.doctor.run", lambda known, *_: int(known["ECR_PUBLISH_JOB"] != "publish")
    )
    assert terminal.run("doctor").code == ExitCode.PASSED


def test_doctor__refuses_what_there_is_only_on_github(terminal: Terminal) -> None:
    ran = terminal.run("doctor", "--role-to-assume", ROLE)
    assert ran.code == ExitCode.INPUT
    assert "- role-to-assume: " in ran.errors


# The rest -------------------------------------------------------------------------------------


def test_version(terminal: Terminal) -> None:
    ran = terminal.refused("--version")
    assert (ran.code, ran.said) == (0, f"ecr-publish {__version__}\n")


def test_help__names_every_command(terminal: Terminal) -> None:
    ran = terminal.refused("--help")
    assert re.findall(r"^    ([a-z-]+)", ran.said, re.MULTILINE) == [
        *("publish", "gate", "merge", "doctor", "iam", "check-policy", "local")
    ]


def test_local__becomes_the_local_ecr_with_its_own_options(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []

    def execv(*arguments: Any) -> None:
        called.append(arguments)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", execv)
    assert terminal.refused("local", "--port", "5000", "--help").code == 0
    words = [sys.executable, "-m", "local_ecr", "--port", "5000", "--help"]
    assert called == [(sys.executable, words)]


@pytest.mark.parametrize("missing", ["local_ecr", "moto"])
def test_local__says_how_to_install_it(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr(
        "ecr_publish.terminal.find_spec", lambda name: None if name == missing else object()
    )
    ran = terminal.run("local", "--port", "5000")
    assert (ran.code, ran.said) == (ExitCode.INPUT, "")
    lines = ran.errors.splitlines()
    assert lines[0] == "the local ECR is not installed"
    assert "    pipx install --force '.[local]'" in lines


def test_cancel__of_any_command(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    def cancelled(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal_policy, "effective", cancelled)
    assert terminal.check().code == ExitCode.CANCELLED
