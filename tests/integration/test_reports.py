"""The reports of whole runs on a scripted ECR: all of them, and all of one mind."""

from __future__ import annotations

import csv
import json
from io import StringIO

import pytest

from ecr_publish.report.check import Conclusion
from tests.factories import SHA
from tests.integration.test_verdicts import EXPECTED
from tests.publication import Prepare, Publication, failing, started

FILES = ("a.json", "a.csv", "a.html")
WANTED = {
    "check_run": "true",
    "comment": "true",
    "github_token": "ghs_hunter2",
    "sarif_file": "a.sarif",
    "report_file": "\n".join(FILES),
}
CONCLUSIONS = {
    "passed": Conclusion.SUCCESS,
    "refused": Conclusion.FAILURE,
    "unknown": Conclusion.FAILURE,
}


def conclusion(one: Publication) -> Conclusion:
    """That of the only check, which is over."""
    ((number, check),) = one.github.checks
    assert number == len(one.github.started) == 1
    return check.conclusion


def sarif_of(one: Publication) -> dict[str, object]:
    (run,) = json.loads(one.workflow.written["a.sarif"])["runs"]
    assert isinstance(run, dict)
    return run


@pytest.mark.parametrize("preset", EXPECTED)
def test_reports__of_every_preset_say_the_same(prepare: Prepare, preset: str) -> None:
    (verdict, code), reason = EXPECTED[preset]
    one = prepare(preset)

    assert one.publish(scan_timeout="5m", **WANTED) == code

    assert conclusion(one) is CONCLUSIONS[verdict]
    document = json.loads(one.workflow.written["a.json"])
    assert (document["verdict"], document["reason"]) == (verdict, one.reason)
    assert reason in one.github.checks[0][1].title
    rows = [*csv.DictReader(StringIO(one.workflow.written["a.csv"], newline=""))]
    # CSV has a row for each package.
    assert {row["id"] for row in rows} == {item["name"] for item in document["judgements"]}
    assert {row["refuses"] for row in rows} <= {"true", "false"}
    assert verdict != "passed" or "true" not in {row["refuses"] for row in rows}
    assert f'class="verdict {verdict}"' in one.workflow.written["a.html"]
    assert sarif_of(one)
    assert one.workflow.outputs["report-file"] == "\n".join(FILES)
    assert one.workflow.outputs["sarif-file"] == "a.sarif"
    # No pull request, so no comment.
    assert one.github.comments == []


@pytest.mark.parametrize(("first", "tags", "title"), [(1, [], "Not"), (2, ["1.0"], "in part")])
def test_s6_reports__promotion_that_fails(
    prepare: Prepare, first: int, tags: list[str], title: str
) -> None:
    one = started(prepare)

    with failing("PutImage", "AccessDeniedException", first, 99):
        assert one.publish(tags=f"1.0\n{SHA[:7]}", **WANTED) == 8

    assert conclusion(one) is Conclusion.FAILURE
    assert title in one.github.checks[0][1].title.partition(":")[0]
    assert json.loads(one.workflow.written["a.json"])["tags"] == tags == [*one.releases]


def test_s6_reports__scan_that_may_not_be_read(prepare: Prepare) -> None:
    one = started(prepare)

    with failing("DescribeImageScanFindings", "AccessDeniedException", 1, 99):
        assert one.publish(**WANTED) == 7

    assert conclusion(one) is Conclusion.FAILURE
    assert one.workflow.written.keys() == {*FILES, "a.sarif"}
    assert sarif_of(one)["results"] == []


def test_s5_reports__same_commit_again_says_the_same_of_its_findings(prepare: Prepare) -> None:
    one = started(prepare, "vulnerable")
    assert one.publish(tags="1.0", **WANTED) == 9
    first = sarif_of(one)["results"]
    one.github.started.clear()
    one.github.checks.clear()

    assert one.publish(tags="1.0", **WANTED) == 9

    # Code scanning takes them for the alerts that it has already.
    assert first == sarif_of(one)["results"] != []
    assert conclusion(one) is Conclusion.FAILURE


def test_gate__has_the_reports_too(prepare: Prepare) -> None:
    one = started(prepare, "vulnerable")
    one.publish(tags="1.0")

    (digest,) = one.candidates.values()
    assert one.gate(digest, **WANTED) == 9

    assert conclusion(one) is Conclusion.FAILURE
    assert one.workflow.written.keys() == {*FILES, "a.sarif"}
    # Nothing was built, so no line of a Dockerfile is to blame.
    assert {path for path, _ in one.workflow.placed} == {""}
