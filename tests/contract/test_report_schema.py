"""report.schema.json describes the JSON report that the action writes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from dev.act import CHECKOUT
from ecr_publish.findings import Layer
from ecr_publish.outcome import Outcome
from ecr_publish.report.document import document as pieces
from ecr_publish.report.document_schema import schema
from tests.factories import (
    COMPLETED_AT,
    DAY,
    make_finding,
    make_ignore,
    make_outcome,
    make_package,
    make_policy,
    make_result,
    make_unjudged,
    verdict_over,
)

FILE = CHECKOUT / "report.schema.json"
RENEW = "RENEW_SCHEMA"
EVERYTHING = make_finding(
    "CVE-1",
    packages=(make_package(layer=Layer(number=2, created_by="RUN x", line=3, from_base=False)),),
    known_since=COMPLETED_AT,
    epss=0.5,
    in_kev=True,
    known=False,
    score=9.8,
    fixable=True,
)


def document(outcome: Outcome) -> str:
    """The whole report."""
    return "".join(pieces(outcome))


def judged(**policy: Any) -> Outcome:
    results = (make_result(EVERYTHING), make_unjudged())
    return make_outcome(results=results, verdict=verdict_over(results, make_policy(**policy)))


ENDED = make_ignore("CVE-1", until=DAY - timedelta(days=1))
OUTCOMES = {
    "example": (CHECKOUT / "examples/policy/report.json").read_text("utf-8"),
    "nothing happened": document(Outcome()),
    "everything": document(judged()),
    "ignored": document(judged(ignore=(make_ignore("CVE-1"), make_ignore("CVE-2")))),
    "ended": document(judged(ignore=(replace(ENDED, until_fixed=False),))),
}


def test_schema__file_is_what_the_code_gives() -> None:
    text = json.dumps(schema(), indent=2) + "\n"
    if os.environ.get(RENEW) == "1":
        FILE.write_text(text, encoding="utf-8")
        pytest.skip(f"{FILE.name} was renewed; read its difference before you commit it")
    assert FILE.read_text("utf-8") == text, f"if this is wanted: {RENEW}=1"


def test_schema__is_one() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", OUTCOMES)
def test_schema__takes_the_reports(name: str) -> None:
    Draft202012Validator(schema()).validate(json.loads(OUTCOMES[name]))


def _without(text: str, *path: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(text)
    place = content
    for key in path[:-1]:
        place = place[key][0]
    del place[path[-1]]
    return content


@pytest.mark.parametrize(
    "path", [("version",), ("scans", "digest"), ("scans", "findings", "suppressed")]
)
def test_schema__refuses_what_lacks_a_part(path: tuple[str, ...]) -> None:
    broken = _without(OUTCOMES["everything"], *path)
    assert not Draft202012Validator(schema()).is_valid(broken)
