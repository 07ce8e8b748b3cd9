from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given

from ecr_publish.build import Remark
from ecr_publish.errors import BuildFailed, PublishError
from ecr_publish.findings import Layer
from ecr_publish.gate import Decision, Ground
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.plan import Existing
from ecr_publish.reference import Tag
from ecr_publish.report.annotations import MOST, Annotation, annotated
from ecr_publish.report.wording import unused, waiver
from ecr_publish.scan import Gap, Unjudged
from tests.factories import (
    make_build,
    make_finding,
    make_findings,
    make_ignore,
    make_judgement,
    make_outcome,
    make_package,
    make_plan,
    make_refusal,
    make_verdict,
)
from tests.unit.report.test_escape import TEXT
from tests.unit.report.test_page import broken, everywhere

REFUSAL = "Refused: 1 HIGH: at or above the threshold high"
GAP = Gap(kind=Unjudged.EXPLOIT, reason="it was not told")
ENDED = make_ignore("CVE-1", until=date(2026, 7, 31))


def refused(number: int = 1, **over: Any) -> Outcome:
    verdict = make_refusal(*make_findings(high=number))
    return make_outcome(verdict=verdict, promotion=Promotion(), **over)


def waived() -> Outcome:
    verdict = make_refusal(*make_findings(high=1), waived_by=("report-only: true",))
    return make_outcome(verdict=verdict)


@pytest.mark.parametrize(
    "outcome", [make_outcome(), make_outcome(verdict=make_verdict(*make_findings(low=3)))]
)
def test_annotated__a_pass_is_quiet(outcome: Outcome) -> None:
    assert annotated(outcome) == ()


def test_annotated__refusal_and_its_finding() -> None:
    assert annotated(refused()) == (
        Annotation(message=REFUSAL, error=True),
        Annotation(
            message="HIGH CVE-2024-HIGH-0 in openssl 3.0.1-r0: at or above the threshold high",
            title="CVE-2024-HIGH-0",
            error=True,
            file="Dockerfile",
        ),
    )


REMARK = Remark(text="Mixed case (https://docs.example/rule)", file="Dockerfile", line=3)


@pytest.mark.parametrize(
    ("build", "file", "line"),
    [
        ({}, "Dockerfile", 3),
        ({"context": "app"}, "app/Dockerfile", 3),
        ({"file": "docker/Dockerfile"}, "docker/Dockerfile", 3),
        ({"file": "other.Dockerfile"}, "", 1),
        ({"context": "https://r.io/org/app.git"}, "", 1),
    ],
)
def test_annotated__remark_on_the_dockerfile(build: dict[str, Any], file: str, line: int) -> None:
    outcome = make_outcome(remarks=(REMARK,), plan=make_plan(source=make_build(**build)))
    expected = Annotation(message=REMARK.text, title="Dockerfile", file=file, line=line)
    assert annotated(outcome) == (expected,)


def test_annotated__remarks_come_after_what_the_verdict_says() -> None:
    outcome = refused(2, remarks=(REMARK,) * MOST)
    titles = [item.title for item in annotated(outcome)]
    assert titles[3:] == ["Dockerfile"] * (MOST - 3)
    assert [item.error for item in annotated(outcome)[3:]] == [False] * (MOST - 3)


def test_annotated__no_verdict() -> None:
    verdict = make_verdict(decision=Decision.UNKNOWN, reason="no answer", complete=False)
    (only,) = annotated(make_outcome(verdict=verdict))
    assert only == Annotation(message="Not judged: no answer", error=True)


def test_annotated__failure_is_one_line() -> None:
    error = PublishError("it\nbroke", why="Because.", fix="Do\nthis.")
    (only,) = annotated(Outcome(error=error))
    assert only == Annotation(message="Not published: it broke", error=True)


def test_annotated__nothing_happened() -> None:
    (only,) = annotated(Outcome())
    assert only == Annotation(message="Not judged: the run ended early", error=True)


def test_s1_annotated__waiver_is_loud_and_no_error() -> None:
    first, finding = annotated(waived())
    assert (first.error, first.title) == (False, "ECR scan did not pass")
    assert first.message == f"{REFUSAL}. {waiver(waived())}"
    assert (finding.error, finding.title) == (False, "CVE-2024-HIGH-0")


def test_annotated__order_is_that_of_importance() -> None:
    outcome = refused(warnings=["The tag latest stays."])
    assert outcome.verdict
    outcome.verdict = replace(outcome.verdict, gaps=(GAP,), expired=(ENDED,))
    said = [(item.error, item.message.partition(" ")[0]) for item in annotated(outcome)]
    assert said == [
        (True, "Refused:"),
        (False, "The"),
        (False, "It"),
        (False, "The"),
        (True, "HIGH"),
    ]
    assert annotated(outcome)[3].message == unused(outcome)[0]


@pytest.mark.parametrize(("number", "shown"), [(8, 8), (9, 9), (10, 9), (10_000, 9)])
def test_annotated__most(number: int, shown: int) -> None:
    found = annotated(refused(number))
    assert len(found) == 1 + shown <= MOST
    assert found[0].message.startswith("Refused:")
    # The findings in their own order, each once.
    assert [item.title for item in found[1:]] == [f"CVE-2024-HIGH-{it}" for it in range(shown)]


def test_annotated__many_warnings_do_not_push_the_refusal_out() -> None:
    found = annotated(refused(warnings=[f"Warning {number}" for number in range(50)]))
    assert [item.message for item in found][:2] == [REFUSAL, "Warning 0"]
    assert len(found) == MOST


def test_annotated__only_findings_that_decided() -> None:
    judgements = tuple(
        make_judgement(make_finding(ground.value), ground=ground) for ground in Ground
    )
    outcome = make_outcome(verdict=make_refusal(judgements=judgements))
    titles = {item.title for item in annotated(outcome)[1:]}
    assert titles == {ground.value for ground in Ground if ground.refuses}


def test_annotated__finding_in_several_packages_is_one() -> None:
    packages = make_package(fixed_in="2"), make_package(name="zlib", fixed_in="3")
    finding = make_finding(packages=packages, platforms=("linux/amd64", "linux/arm64"))
    (_, only) = annotated(make_outcome(verdict=make_refusal(finding)))
    assert only.message == (
        "HIGH CVE-2024-0001 in openssl 3.0.1-r0, zlib 3.0.1-r0, fixed in 2, 3: "
        "at or above the threshold high"
    )


def test_annotated__finding_without_anything() -> None:
    bare = make_finding("", "", uri="", packages=())
    (_, only) = annotated(make_outcome(verdict=make_refusal(bare)))
    assert (only.title, only.message) == ("(no name)", " (no name): at or above the threshold high")


LAYER = Layer(number=2, created_by="RUN apk add curl", line=7, from_base=False)


def test_place__line_of_the_dockerfile() -> None:
    plan = make_plan(source=make_build(context="app", file="app/prod.Dockerfile"))
    finding = make_finding(packages=(make_package(layer=LAYER),))
    (_, only) = annotated(make_outcome(plan=plan, verdict=make_refusal(finding)))
    assert (only.file, only.line) == ("app/prod.Dockerfile", 7)


@pytest.mark.parametrize(
    "source",
    [
        make_build(context="https://github.com/org/app.git"),
        make_build(file="/etc/Dockerfile"),
        Existing(reference=Tag("1.4.2")),
    ],
)
def test_place__only_where_the_dockerfile_is_known(source: object) -> None:
    finding = make_finding(packages=(make_package(layer=LAYER),))
    outcome = make_outcome(plan=make_plan(source=source), verdict=make_refusal(finding))
    assert annotated(outcome)[1].file == ""


def test_place__step_as_a_whole_has_none() -> None:
    assert [item.file for item in annotated(refused(error=BuildFailed(1)))] == ["", "Dockerfile"]


def test_annotated__is_cut() -> None:
    long = "x" * 10_000
    finding = make_finding(long, packages=(make_package(name=long),))
    outcome = make_outcome(verdict=make_refusal(finding), warnings=[long])
    for item in annotated(outcome):
        assert len(item.message) <= 4000
        assert len(item.title) <= 255
    assert annotated(outcome)[1].message == "x" * 4000
    assert annotated(outcome)[2].title == "x" * 255


@given(TEXT)
def test_annotated__any_text(text: str) -> None:
    for make in (everywhere, broken):
        found = annotated(make(text))
        assert 0 < len(found) <= MOST
        assert all(len(item.message) <= 4000 for item in found)
        # Somebody else's text decides no place.
        assert {(item.file, item.line) for item in found} <= {("", 1), ("Dockerfile", 1)}
