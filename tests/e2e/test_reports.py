"""Check run, comment, SARIF and files of the step as its users run it."""

from __future__ import annotations

import csv
import io
import json
import signal
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dev.engine import Engine
from dev.github import TOKEN, GitHub
from tests.e2e.support import PAYLOAD, Stage, Told, one_store, stage

HEAD = "c0ffee" * 6 + "c0ff"
PULL_REQUEST: Mapping[str, object] = {
    **PAYLOAD,
    "pull_request": {
        "number": 7,
        "head": {"sha": HEAD, "repo": {"full_name": "org/visit-counter-app"}},
        "base": {"repo": {"full_name": "org/visit-counter-app"}},
    },
}
EVERYTHING = {
    "repository": "reports",
    "tags": "{sha}",
    "github_token": TOKEN,
    "check_run": "true",
    "comment": "true",
    "sarif_file": "out/scan.sarif",
    "report_file": "out/scan.json\nout/scan.csv\nout/scan.html",
}


@pytest.fixture(scope="module")
def here(engine: Engine) -> Iterator[Stage]:
    with stage(engine, scenario="vulnerable", scan_seconds=0) as made:
        made.create("reports")
        yield made


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as made:
        yield made


def reported(here: Stage, github: GitHub, payload: Mapping[str, object], **inputs: str) -> Any:
    """Run the step with everything asked for; gives exit code, outputs and log."""
    given = {**EVERYTHING, **inputs}
    with here.start(Told(environment=github.environment(), payload=payload), **given) as step:
        return step.wait(), step.outputs, step.log.decode()


@one_store
def test_reports__of_a_refusal_are_all_there(here: Stage, github: GitHub) -> None:
    code, outputs, log = reported(here, github, PULL_REQUEST, promote="always")

    assert code == 9
    assert github.violations == []
    (check,) = github.checks.values()
    assert (check["name"], check["head_sha"]) == ("ECR scan / reports", HEAD)
    assert (check["status"], check["conclusion"]) == ("completed", "failure")
    assert outputs["reason"] in check["output"]["title"]
    (comment,) = github.comments
    assert comment["body"].startswith("<!-- ecr-publish: reports -->\n")
    assert outputs["reason"] in comment["body"]
    assert outputs["report-file"].splitlines() == EVERYTHING["report_file"].splitlines()
    total = int(outputs["total"])
    files = {name: (here.consumer / "out" / f"scan.{name}") for name in ("json", "csv", "html")}
    assert len(json.loads(files["json"].read_text("utf-8"))["judgements"]) == total
    rows = list(csv.reader(io.StringIO(files["csv"].read_text("utf-8"))))
    assert len(rows) == total + 1
    assert outputs["reason"] in files["html"].read_text("utf-8")
    sarif = json.loads((here.consumer / outputs["sarif-file"]).read_text("utf-8"))
    assert len(sarif["runs"][0]["results"]) == total
    assert TOKEN not in log.replace(f"::add-mask::{TOKEN}", "")
    assert log.rstrip().splitlines()[-1].startswith("::error title=ecr-publish::Refused: ")


@one_store
def test_reports__comment_is_kept_up_to_date(here: Stage, github: GitHub) -> None:
    reported(here, github, PULL_REQUEST)
    code, _, _ = reported(here, github, PULL_REQUEST, severity_threshold="none")

    assert code == 0
    (comment,) = github.comments
    assert "✅" in comment["body"]
    assert [check["conclusion"] for check in github.checks.values()] == ["failure", "success"]


@one_store
def test_reports__no_comment_without_a_pull_request(here: Stage, github: GitHub) -> None:
    reported(here, github, PAYLOAD)
    assert github.comments == []
    (check,) = github.checks.values()
    assert check["head_sha"] == here.commit


@one_store
def test_reports__token_of_a_fork_is_a_note_and_no_failure(here: Stage) -> None:
    with GitHub(permissions=()) as github:
        code, outputs, log = reported(here, github, PULL_REQUEST, severity_threshold="none")
    assert (code, outputs["verdict"]) == (0, "passed")
    assert "checks: write" in log
    assert "pull-requests: write" in log


@one_store
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_s6_reports__cancelled_run_completes_its_check(
    here: Stage, github: GitHub, number: signal.Signals
) -> None:
    with _running(here, github, file="slow.Dockerfile", network="none") as step:
        step.wait_for("the slow step begins\n")
        step.end(number)
        log = step.log.decode()
    (check,) = github.checks.values()
    said = (check["status"], check["conclusion"])
    assert said == ("completed", "cancelled"), log
    assert json.loads((here.consumer / "out/scan.json").read_text("utf-8"))["verdict"] == "unknown"


def _running(here: Stage, github: GitHub, **inputs: str) -> Any:
    given = {**EVERYTHING, **inputs}
    return here.start(Told(environment=github.environment(), payload=PULL_REQUEST), **given)


@one_store
def test_s6_reports__failed_build_completes_its_check(here: Stage, github: GitHub) -> None:
    code, outputs, _ = reported(here, github, PULL_REQUEST, file="broken.Dockerfile")
    assert code == 5
    (check,) = github.checks.values()
    assert (check["status"], check["conclusion"]) == ("completed", "failure")
    assert outputs["reason"] in check["output"]["title"]


@one_store
def test_s6_reports__one_that_cannot_be_written_keeps_none_from_the_others(
    here: Stage, github: GitHub
) -> None:
    (here.consumer / "taken.json").mkdir(exist_ok=True)
    files = {"report_file": "taken.json\nout/other.html"}
    code, outputs, log = reported(here, github, PULL_REQUEST, severity_threshold="none", **files)

    assert (code, outputs["report-file"]) == (0, "out/other.html")
    assert "::warning title=ecr-publish::A report could not be written: " in log
    assert len(github.comments) == 1
