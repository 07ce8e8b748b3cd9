import csv
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.findings import Finding, Layer, Package
from ecr_publish.gate import Ground, Judgement
from ecr_publish.outcome import Outcome
from ecr_publish.report.table import COLUMNS
from ecr_publish.report.table import table as pieces
from tests.factories import (
    make_finding,
    make_ignore,
    make_judgement,
    make_outcome,
    make_package,
    make_verdict,
)
from tests.golden import GOLDEN
from tests.unit.report.test_escape import TEXT
from tests.unit.report.test_summary import every_ground, hostile, several_platforms


def table(outcome: Outcome) -> str:
    """The whole table."""
    return "".join(pieces(outcome))


CASES: dict[str, Callable[[], Outcome]] = {
    "table-every-ground.csv": every_ground,
    "table-several-platforms.csv": several_platforms,
    "table-hostile.csv": hostile,
}


@pytest.mark.parametrize("name", CASES)
def test_table__golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(name, table(CASES[name]()))


def test_golden__no_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.glob("table-*")} == set(CASES)


def read(text: str) -> list[list[str]]:
    return list(csv.reader(StringIO(text, newline=""), strict=True))


def rows(*judgements: Judgement) -> list[dict[str, str]]:
    """The rows of these judgements, each cell by its column."""
    text = table(make_outcome(verdict=make_verdict(judgements=judgements)))
    head, *others = read(text)
    assert head == [*COLUMNS]
    return [dict(zip(COLUMNS, row, strict=True)) for row in others]


def row(finding: Finding, **over: object) -> dict[str, str]:
    """The only row of a finding."""
    (only,) = rows(make_judgement(finding, **over))
    return only


@pytest.mark.parametrize("outcome", [Outcome(), make_outcome()])
def test_table__without_findings_is_the_head_alone(outcome: Outcome) -> None:
    assert table(outcome) == ",".join(COLUMNS) + "\r\n"


def test_table__comes_line_by_line() -> None:
    outcome = make_outcome(verdict=make_verdict(make_finding("a"), make_finding("b")))
    assert [line.count("\r\n") for line in pieces(outcome)] == [1, 1, 1]


def test_table__one_row_for_each_package() -> None:
    layer = Layer(number=2, created_by="RUN apk add curl", line=7, from_base=False)
    curl = Package(name="curl", version="8.0", fixed_in="8.1", path="usr/bin/curl", layer=layer)
    zlib = Package(name="zlib", version="1.2")
    finding = make_finding(
        packages=(curl, zlib),
        platforms=("linux/amd64", "linux/arm64"),
        epss=0.00043,
        in_kev=True,
        score=9.8,
    )
    judgement = make_judgement(finding, ground=Ground.AT_THRESHOLD, place="policy.yml, line 2")
    first, second = rows(judgement)
    assert first == {
        "severity": "HIGH",
        "id": "CVE-2024-0001",
        "package": "curl",
        "installed": "8.0",
        "fixed_in": "8.1",
        "path": "usr/bin/curl",
        "platforms": "linux/amd64, linux/arm64",
        "refuses": "true",
        "ground": "severity-threshold",
        "place": "policy.yml, line 2",
        "reason": "",
        "owner": "",
        "until": "",
        "epss": "0.00043",
        "in_kev": "true",
        "layer": "line 7: RUN apk add curl",
        "score": "9.8",
        "uri": "https://security.example/CVE-2024-0001",
    }
    other = {"package": "zlib", "installed": "1.2", "fixed_in": "", "path": "", "layer": ""}
    assert second == first | other


def test_table__finding_without_a_package_has_a_row_too() -> None:
    only = row(make_finding(packages=()))
    assert (only["id"], only["package"]) == ("CVE-2024-0001", "")


def test_table__what_is_not_known_stays_empty() -> None:
    only = row(make_finding())
    assert [only[name] for name in ("epss", "in_kev", "score", "until")] == [""] * 4
    assert row(make_finding(in_kev=False, epss=0.0))["in_kev"] == "false"
    assert row(make_finding(in_kev=False, epss=0.0))["epss"] == "0.0"


def test_table__ignored_says_who_and_why_and_until_when() -> None:
    first = make_ignore(reason="not reachable", owner="team-web", until=date(2027, 1, 31))
    other = replace(first, reason="no fix", until=None, until_fixed=True)
    only = row(make_finding(), ground=Ground.IGNORED, ignores=(first, other), place="x")
    assert (only["refuses"], only["ground"], only["place"]) == ("false", "ignore", "x")
    assert only["reason"] == "not reachable; no fix"
    assert only["owner"] == "team-web"
    assert only["until"] == "2027-01-31; there is a fix"


def test_table__in_grace_says_until_when() -> None:
    only = row(make_finding(), ground=Ground.IN_GRACE, until=date(2026, 8, 15))
    assert only["until"] == "2026-08-15"


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1+1", "'=1+1"),
        ("\r=1+1", "'=1+1"),
        ("a\r\n=1+1", "a =1+1"),
        ("\n-", "'-"),
        ("a;=1+1", "a;'=1+1"),
        ('a; "=1+1', "a; \"'=1+1"),
        ("\uff1d1", "'\uff1d1"),
        ("\x00=1", "\ufffd=1"),
        ("1.2.3-r0", "1.2.3-r0"),
        ("a=b, -c", "a=b, -c"),
        ('say "no", please', 'say "no", please'),
        ("org.apache:log4j", "org.apache:log4j"),
    ],
)
def test_cell__is_not_run(text: str, cell: str) -> None:
    assert row(make_finding(packages=(make_package(name=text),)))["package"] == cell


def everything(text: str) -> Judgement:
    """A judgement with this text wherever text can be."""
    layer = Layer(number=1, created_by=text)
    package = Package(name=text, version=text, fixed_in=text, path=text, layer=layer)
    finding = Finding(
        name=text,
        severity=make_finding().severity,
        stated_severity=text,
        packages=(package, package),
        uri=text,
        platforms=(text, text),
    )
    ignore = make_ignore(text, reason=text, owner=text, place=text)
    return make_judgement(finding, ground=Ground.IGNORED, place=text, ignores=(ignore,))


@given(st.lists(TEXT, max_size=5))
def test_table__any_text_leaves_rows_and_columns_as_they_are(texts: list[str]) -> None:
    verdict = make_verdict(judgements=tuple(map(everything, texts)))
    text = table(make_outcome(verdict=verdict))
    found = read(text)
    assert len(found) == 1 + 2 * len(texts)
    assert {len(cells) for cells in found} == {len(COLUMNS)}
    assert text.count("\r\n") == len(found) == len(text.splitlines())
    text.encode()


@given(TEXT)
def test_cell__any_text_is_not_run(text: str) -> None:
    for cell in rows(everything(text))[0].values():
        for part in cell.split(";"):
            said = part.lstrip(" \"'")
            assert not said.startswith(("=", "+", "-", "@")) or part[: -len(said)].endswith("'")
        assert not re.search(r"[\t\r\n]", cell)
