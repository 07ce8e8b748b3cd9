"""check-policy: what it prints and how it exits, on files of a folder of its own."""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ecr_publish import inputs
from ecr_publish.errors import ExitCode
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
        code = main(["check-policy", *arguments], {})
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
    known = {name.replace("_", "-") for name in inputs.Inputs.__dataclass_fields__}
    assert options - {"findings", "today"} <= known
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


def test_module__is_no_command_where_it_is_imported() -> None:
    assert runpy.run_module("ecr_publish.__main__", run_name="other")["door"]
