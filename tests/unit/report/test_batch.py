"""Many images in every place: what all of them come to, and what there is no room for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ecr_publish.errors import BuildFailed, Cancelled, ExitCode
from ecr_publish.gate import Decision
from ecr_publish.outcome import Batch, Outcome
from ecr_publish.reference import Repository
from ecr_publish.report import batch as module
from ecr_publish.report.annotations import MOST
from ecr_publish.report.batch import annotated, comment, lines, outputs, summary
from ecr_publish.report.outputs import of_image
from ecr_publish.report.outputs import outputs as of_one
from tests.factories import (
    CANDIDATE,
    HOST,
    RUN_URL,
    make_digest,
    make_finding,
    make_findings,
    make_outcome,
    make_refusal,
    make_state,
    make_verdict,
)

TEMPLATE = Repository("team/{target}")
THRESHOLD = "1 HIGH: at or above the threshold high"
TAGS = "<code>0123456</code>, <code>latest</code>"
NOBODY = "<!-- ecr-publish: team/{target} -->"


def passed(name: str, **over: Any) -> Outcome:
    return make_outcome(state=make_state(name=f"team/{name}"), seconds={}, **over)


def refused(name: str, *findings: Any) -> Outcome:
    found = findings or make_findings(high=1)
    outcome = passed(name, verdict=make_refusal(*found), candidate=CANDIDATE)
    outcome.promotion = Outcome().promotion
    return outcome


def failed(name: str) -> Outcome:
    return Outcome(state=make_state(name=f"team/{name}"), error=BuildFailed(1))


def batch(**images: Outcome) -> Batch:
    return Batch(template=TEMPLATE, images=images, seconds={"plan": 0.5, "build": 2.0})


MIXED = {"web": passed("web"), "api": refused("api"), "job": failed("job")}


# The batch itself -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "decision", "code"),
    [
        ([passed("a")], Decision.PASSED, ExitCode.PASSED),
        ([passed("a"), passed("b")], Decision.PASSED, ExitCode.PASSED),
        ([passed("a"), refused("b")], Decision.REFUSED, ExitCode.REFUSED),
        ([failed("a"), refused("b")], Decision.REFUSED, ExitCode.REFUSED),
        ([passed("a"), failed("b")], Decision.PASSED, ExitCode.BUILD),
        ([Outcome(error=Cancelled()), failed("b")], Decision.UNKNOWN, ExitCode.CANCELLED),
        ([], Decision.UNKNOWN, ExitCode.BUG),
    ],
)
def test_s2_batch__verdict_and_exit_code(
    images: list[Outcome], decision: Decision, code: ExitCode
) -> None:
    if code is ExitCode.BUILD:
        decision = Decision.UNKNOWN
    found = batch(**{f"t{number}": item for number, item in enumerate(images)})
    assert (found.decision, found.exit_code) == (decision, code)


def test_s2_batch__what_ended_the_run_comes_before_what_ended_an_image() -> None:
    found = batch(**MIXED)
    found.error = Cancelled()
    assert found.exit_code is ExitCode.CANCELLED
    assert found.reason == "the run was cancelled"


def test_batch__reason_names_those_that_did_not_pass() -> None:
    assert batch(**MIXED).reason == (
        "2 of 3 images did not pass: api: 1 HIGH: at or above the threshold high; "
        "job: docker buildx build exited with 1"
    )
    assert batch(web=passed("web")).reason == "all 1 images passed"


def test_batch__passed_verdict_without_its_tags_did_not_pass() -> None:
    late = passed("web", error=BuildFailed(1))
    assert batch(web=late).reason.startswith("1 of 1 images did not pass: web: ")


# outputs ----------------------------------------------------------------------------------------


def test_outputs__are_those_of_one_image() -> None:
    assert list(outputs(batch(**MIXED))) == list(of_one(make_outcome()))
    assert set(outputs(batch(**MIXED))) == {*module._LINES, *module._FIRST, *module._ONCE} | {
        *module._SUMS,
        *("verdict", "reason", "images"),
    }


def test_outputs__of_all() -> None:
    found = outputs(batch(web=passed("web"), api=refused("api")))
    digest = make_outcome().digest
    assert found["image"] == f"{HOST}/team/web@{digest}\n{HOST}/team/api@{digest}"
    assert found["digest"] == f"{digest}\n{digest}"
    assert found["tags"] == f"{HOST}/team/web:0123456\n{HOST}/team/web:latest"
    assert found["candidate"] == f"{HOST}/team/api:{CANDIDATE}"
    assert (found["registry"], found["scan-type"], found["scan-status"]) == (
        HOST,
        "basic",
        "COMPLETE",
    )
    assert (found["verdict"], found["high"], found["critical"]) == ("refused", "1", "0")
    assert found["reason"].startswith("1 of 2 images did not pass: api: ")


def test_outputs__counts_are_summed_only_where_all_are_known() -> None:
    two = make_verdict(*make_findings(low=2))
    found = outputs(batch(web=passed("web", verdict=two), api=refused("api")))
    assert (found["low"], found["high"], found["total"], found["ignored"]) == ("2", "1", "3", "0")
    assert found["new"] == ""
    found = outputs(batch(**MIXED))
    assert {found[name] for name in module._SUMS} == {""}


def test_outputs__each_image_is_listed() -> None:
    assert json.loads(outputs(batch(**MIXED))["images"]) == [
        {"target": name, **of_image(outcome)} for name, outcome in MIXED.items()
    ]


# lines ------------------------------------------------------------------------------------------


def test_lines__each_image_then_the_verdict_over_all() -> None:
    found = [*lines(batch(**MIXED))]
    assert [
        line.partition(": ")[0] for line in found if line.startswith(("web", "api", "job"))
    ] == (["web"] * 4 + ["api"] * 6 + ["job"] * 4)
    assert found[-2:] == [
        f"Refused: {batch(**MIXED).reason}",
        "Time: plan 0.5 s, build 2.0 s; own time 0.5 s (all but build, push and scan)",
    ]


# summary ----------------------------------------------------------------------------------------


def test_summary__table_first_then_each_image_the_worst_first() -> None:
    text = summary(batch(**MIXED))
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert [head.partition(":")[0] for head in heads] == [
        "## ❌ Refused",
        "## ❌ <code>api</code>",
        "## ❌ <code>job</code>",
        "## ✅ <code>web</code>",
    ]
    digest = make_outcome().digest
    table = text.partition("| | Image |")[2].split("\n\n")[0].splitlines()[2:]
    assert table == [
        f"| ❌ | <code>api</code> | 0 | 1 | {THRESHOLD} | none | <code>{digest}</code> |",
        "| ❌ | <code>job</code> |  |  | docker buildx build exited with 1 | none |  |",
        f"| ✅ | <code>web</code> | 0 | 0 | no findings | {TAGS} | <code>{digest}</code> |",
    ]
    assert text.count("```mermaid") == 1
    assert "There is no room" not in text


def test_summary__too_many_for_github_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    images = {f"t{number}": passed(f"t{number}") for number in range(4)}
    images["bad"] = refused("bad")
    whole = len(summary(batch(**images)).encode())
    monkeypatch.setattr(module, "MOST_SUMMARY", whole - 100)
    text = summary(batch(**images))
    assert "## ❌ <code>bad</code>" in text
    assert "## ✅ <code>t2</code>" in text
    assert "## ✅ <code>t3</code>" not in text
    assert text.endswith("There is no room for 1 more: t3.")
    monkeypatch.setattr(module, "MOST_SUMMARY", whole + 100)
    assert "There is no room" not in summary(batch(**images))


def test_summary__of_a_thousand_images_fits() -> None:
    worst = refused("a" * 100, *make_findings(critical=120))
    text = summary(batch(**{f"t{number}-{'a' * 100}": worst for number in range(1000)}))
    assert len(text.encode()) < 1024 * 1024
    assert "There is no room for " in text


# annotations ------------------------------------------------------------------------------------


def test_annotated__the_verdict_then_one_of_each_then_the_rest() -> None:
    bad = refused("api", *make_findings(high=12))
    found = annotated(batch(web=passed("web"), api=bad, job=failed("job")))
    assert len(found) == MOST
    assert all(item.error for item in found)
    assert found[0].message.startswith("Refused: 2 of 3 images did not pass: ")
    assert [item.message.partition(":")[0] for item in found[1:4]] == ["api", "job", "api"]
    assert found[1].message == "api: Refused: 1 HIGH: at or above the threshold high"
    assert found[3].message.startswith("api: HIGH CVE-")


def test_annotated__nothing_where_all_passed() -> None:
    assert annotated(batch(web=passed("web"))) == ()


# comment ----------------------------------------------------------------------------------------


def said(found: Batch) -> str:
    return comment(found, repository=TEMPLATE, run_url=RUN_URL)


def test_comment__marker_table_and_a_section_for_each_that_failed() -> None:
    text = said(batch(**MIXED))
    assert text.startswith(f"{NOBODY}\n\n### ❌ <code>team/{{target}}</code>: Refused: 2 of 3 ")
    assert [line.partition(":")[0] for line in text.splitlines() if line.startswith("####")] == [
        "#### ❌ <code>api</code>",
        "#### ❌ <code>job</code>",
    ]
    assert text.count("| ✅ | <code>web</code> |") == 1
    assert text.endswith(f"[The whole report]({RUN_URL})\n")


def test_comment__of_many_hostile_images_fits() -> None:
    long = make_finding("@evil " * 100, "CRITICAL", description="x" * 3000)
    images = {f"t{number}": refused("x", *[long] * 50) for number in range(400)}
    hostile = make_refusal(long, reason="<&@" * 1000)
    images |= {f"u{number}": passed("x", verdict=hostile) for number in range(400)}
    text = said(batch(**images))
    assert "Showing " in text
    assert len(text.encode()) <= 65_536
    assert "There is no room for " in text
    assert "#### ❌ <code>t0</code>" in text


def test_comment__notifies_nobody() -> None:
    late = Outcome(error=BuildFailed(1, said="@team"))
    late.error = type("E", (BuildFailed,), {})(1)
    late.error.what = "ask @team"
    assert "@team" not in said(batch(web=late))


@pytest.mark.parametrize("name", ["team/{target}", "app"])
def test_comment__marker_is_the_steps_own(name: str) -> None:
    text = comment(batch(web=passed("web")), repository=Repository(name), run_url=RUN_URL)
    assert text.splitlines()[0] == f"<!-- ecr-publish: {name} -->"


def test_rows__long_names_and_many_tags() -> None:
    name = "x" * 300
    text = summary(batch(**{name: passed(name, digest=make_digest("other"))}))
    assert f"| ✅ | <code>{'x' * 100}</code> |" in text
