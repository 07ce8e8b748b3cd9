import json

import pytest

from ecr_publish.errors import BuildFailed, PublishError
from ecr_publish.gate import Decision, Ground
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.plan import Reports
from ecr_publish.policy import Rules
from ecr_publish.reference import ImageName, Tag
from ecr_publish.report.outputs import listed, of_image, outputs
from ecr_publish.scanning import ScanType
from tests.factories import (
    CANDIDATE,
    HOST,
    URI,
    make_finding,
    make_findings,
    make_judgement,
    make_outcome,
    make_plan,
    make_refusal,
    make_result,
    make_state,
    make_verdict,
)

COUNTS = ("critical", "high", "medium", "low", "informational", "undefined")
EMPTY = {
    "image": "",
    "digest": "",
    "image-digest": "",
    "tags": "",
    "candidate": "",
    "registry": "",
    "verdict": "unknown",
    "reason": "the run ended early",
    "scan-type": "",
    "scan-status": "",
    **dict.fromkeys(COUNTS, ""),
    "total": "",
    "ignored": "",
    "new": "",
    "report-file": "",
    "sarif-file": "",
}


def test_outputs__nothing_happened() -> None:
    assert outputs(Outcome()) == {**EMPTY, "images": listed({"": EMPTY})}


def test_outputs__passed() -> None:
    outcome = make_outcome()
    assert outcome.digest
    assert of_image(outcome) == {
        "image": f"{URI}@{outcome.digest}",
        "digest": str(outcome.digest),
        "image-digest": str(outcome.digest),
        "tags": f"{URI}:0123456\n{URI}:latest",
        "candidate": "",
        "registry": HOST,
        "verdict": "passed",
        "reason": "no findings",
        "scan-type": "basic",
        "scan-status": "COMPLETE",
        **dict.fromkeys(COUNTS, "0"),
        "total": "0",
        "ignored": "0",
        "new": "",
        "report-file": "",
        "sarif-file": "",
    }


def test_outputs__one_image_is_listed_as_one_of_many_would_be() -> None:
    outcome = make_outcome()
    (only,) = json.loads(outputs(outcome)["images"])
    assert only == {"target": "", **of_image(outcome)}
    assert {**of_image(outcome), "images": listed({"": of_image(outcome)})} == outputs(outcome)


def test_outputs__counts() -> None:
    found = make_findings(critical=1, high=2, medium=3, low=4, informational=5, untriaged=6)
    values = outputs(make_outcome(verdict=make_verdict(*found)))
    assert [values[name] for name in COUNTS] == ["1", "2", "3", "4", "5", "6"]
    assert values["total"] == "21"


def test_outputs__ignored_findings_count_and_are_told_apart() -> None:
    ignored = (make_judgement(item, ground=Ground.IGNORED) for item in make_findings(high=2))
    hushed = make_judgement(make_finding(suppressed=True), ground=Ground.SUPPRESSED)
    below = map(make_judgement, make_findings(low=1))
    verdict = make_verdict(judgements=(*ignored, hushed, *below))
    values = outputs(make_outcome(verdict=verdict))
    assert (values["total"], values["ignored"], values["high"]) == ("3", "2", "2")


def test_outputs__refused_keeps_its_candidate() -> None:
    outcome = make_outcome(
        verdict=make_refusal(*make_findings(high=1)), promotion=Promotion(), candidate=CANDIDATE
    )
    values = outputs(outcome)
    assert values["candidate"] == f"{URI}:{CANDIDATE}"
    assert (values["verdict"], values["tags"]) == ("refused", "")
    assert values["reason"] == "1 HIGH: at or above the threshold high"


def test_outputs__unknown() -> None:
    verdict = make_verdict(decision=Decision.UNKNOWN, reason="no answer", complete=False)
    results = (make_result(status="", engine=ScanType.UNKNOWN),)
    values = outputs(make_outcome(verdict=verdict, results=results))
    assert (values["verdict"], values["reason"]) == ("unknown", "no answer")
    assert (values["scan-type"], values["scan-status"]) == ("", "")
    # Nobody may take the counts of a scan that is not over for «none found».
    assert {values[name] for name in (*COUNTS, "total", "ignored")} == {""}


def test_outputs__failed_before_the_push() -> None:
    outcome = Outcome(plan=make_plan(), state=make_state(), error=BuildFailed(1))
    assert of_image(outcome) == EMPTY | {
        "registry": HOST,
        "reason": "docker buildx build exited with 1",
    }


def test_outputs__candidate_of_a_passed_image_that_is_to_be_merged() -> None:
    values = outputs(make_outcome(promotion=Promotion(), candidate=CANDIDATE))
    assert (values["candidate"], values["tags"]) == (f"{URI}:{CANDIDATE}", "")
    assert values["verdict"] == "passed"


def test_outputs__failed_between_two_tags() -> None:
    outcome = make_outcome(
        promotion=Promotion(tags=(Tag("1"),)),
        candidate=CANDIDATE,
        error=PublishError("the release tag 2 could not be applied"),
    )
    values = outputs(outcome)
    assert values["tags"] == f"{URI}:1"
    assert values["candidate"] == f"{URI}:{CANDIDATE}"
    assert values["reason"] == "the release tag 2 could not be applied"


def test_outputs__reason_is_one_line() -> None:
    verdict = make_verdict(reason="a\r\nimage=evil\n b")
    assert outputs(make_outcome(verdict=verdict))["reason"] == "a image=evil b"


COMPARED = Rules(baseline=ImageName.parse("latest"))


@pytest.mark.parametrize(
    ("known", "rules", "new"),
    [
        ((), COMPARED, "0"),
        ((True, True), COMPARED, "0"),
        ((True, False, False), COMPARED, "2"),
        # Of what was not compared nobody knows whether it is new.
        ((True, None), COMPARED, ""),
        ((None,), COMPARED, ""),
        ((True, False), Rules(), ""),
        ((), Rules(), ""),
    ],
)
def test_outputs__new_are_those_that_the_baseline_does_not_have(
    known: tuple[bool | None, ...], rules: Rules, new: str
) -> None:
    found = [make_finding(f"CVE-{number}", known=item) for number, item in enumerate(known)]
    hushed = make_judgement(
        make_finding("CVE-X", suppressed=True, known=False), ground=Ground.SUPPRESSED
    )
    judgements = (*map(make_judgement, found), hushed)
    values = outputs(make_outcome(verdict=make_verdict(judgements=judgements, rules=rules)))
    assert values["new"] == new
    unknown = make_verdict(judgements=judgements, rules=rules, complete=False)
    assert outputs(make_outcome(verdict=unknown))["new"] == ""


def test_outputs__files_are_those_that_were_written() -> None:
    plan = make_plan(reports=Reports(files=("a.json", "a.csv", "a.html"), sarif="a.sarif"))
    none = outputs(make_outcome(plan=plan))
    assert (none["report-file"], none["sarif-file"]) == ("", "")
    written = make_outcome(plan=plan, report_files=["a.json", "a.html"], sarif_file="a.sarif")
    values = outputs(written)
    assert (values["report-file"], values["sarif-file"]) == ("a.json\na.html", "a.sarif")


def test_s3_outputs__token_is_none_of_them() -> None:
    plan = make_plan(reports=Reports(token="hunter2", check_on="a", comment_on=7))
    assert "hunter2" not in repr(outputs(make_outcome(plan=plan, check=7)))
