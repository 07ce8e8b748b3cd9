"""Whatever text others write into a finding or an error, a report is what it was without it."""

import csv
import json
import re
from collections.abc import Callable
from io import StringIO

import pytest
from hypothesis import given

from ecr_publish.outcome import Outcome
from ecr_publish.report.check import check
from ecr_publish.report.comment import comment
from ecr_publish.report.document import document
from ecr_publish.report.escape import log_line
from ecr_publish.report.log import lines
from ecr_publish.report.sarif import sarif
from ecr_publish.report.summary import summary
from ecr_publish.report.table import table
from tests.factories import RUN_URL, make_plan
from tests.unit.report import test_page
from tests.unit.report.test_comment import assert_is_harmless
from tests.unit.report.test_escape import TEXT, V2_PATTERN, runner_lines
from tests.unit.report.test_page import everywhere


def broken(text: str) -> Outcome:
    """A run that failed with this text; the address of the documentation is always our own."""
    outcome = test_page.broken(text)
    assert outcome.error
    outcome.error.link = "https://docs.aws.amazon.com/"
    return outcome


NEVER_EMPTY = TEXT.map(lambda text: f"x{text}")
"""What is empty is left out."""

OURS = {"<details", "</details", "<summary", "</summary", "<code", "</code"}
FENCED = re.compile(r"^(`{3,})(text|mermaid)\n(.*?)\n\1$", re.DOTALL | re.MULTILINE)


def tables(prose: str) -> list[list[str]]:
    """The lines of each table."""
    return [part.split("\n") for part in re.findall(r"^\|.*(?:\n\|.*)*", prose, flags=re.MULTILINE)]


def bars_of(line: str) -> int:
    return line.replace("\\\\", "").replace("\\|", "").count("|")


def shape(text: str) -> list[tuple[int, int]]:
    """Rows and columns of each table."""
    found = tables(FENCED.sub("", text))
    assert all(len({bars_of(line) for line in lines}) == 1 for lines in found)
    return [(len(lines), bars_of(lines[0])) for lines in found]


def anything(make: Callable[[str], Outcome]) -> tuple[Callable[[str], Outcome], str]:
    return make, summary(make("harmless"))


@pytest.mark.parametrize(("make", "plain"), [anything(everywhere), anything(broken)])
@given(text=NEVER_EMPTY)
def test_summary__any_text_leaves_its_shape(
    make: Callable[[str], Outcome], plain: str, text: str
) -> None:
    found = summary(make(text))
    prose, ordinary = FENCED.sub("", found), FENCED.sub("", plain)
    assert shape(found) == shape(plain)
    assert set(re.findall(r"<[^ >]*", prose)) <= OURS
    for tag in OURS:
        assert prose.count(f"{tag}>") == ordinary.count(f"{tag}>")
    heads = re.compile(r"^#+ ", re.MULTILINE)
    assert len(heads.findall(prose)) == len(heads.findall(ordinary))
    # Of Mermaid nothing but our own words.
    charts = [content for _, kind, content in FENCED.findall(found) if kind == "mermaid"]
    assert charts == [content for _, kind, content in FENCED.findall(plain) if kind == "mermaid"]
    assert len(charts) == 1
    found.encode()


@pytest.mark.parametrize("make", [everywhere, broken])
@given(text=TEXT)
def test_log__no_line_is_a_command(make: Callable[[str], Outcome], text: str) -> None:
    for said in lines(make(text)):
        for line in runner_lines(log_line(said)):
            assert not V2_PATTERN.match(line)
            assert "##[" not in line


@pytest.mark.parametrize("make", [everywhere, broken])
@given(text=TEXT)
def test_github__any_text_is_harmless(make: Callable[[str], Outcome], text: str) -> None:
    outcome = make(text)
    done = check(outcome)
    for markdown in (done.summary, done.text):
        assert_is_harmless(markdown)
    assert_is_harmless(comment(outcome, repository=make_plan().repository, run_url=RUN_URL))
    assert "\n" not in done.title


@pytest.mark.parametrize("make", [everywhere, broken])
@given(text=TEXT)
def test_files__any_text_can_be_read_again(make: Callable[[str], Outcome], text: str) -> None:
    outcome = make(text)
    report, alerts, cells = ("".join(write(outcome)) for write in (document, sarif, table))
    assert json.loads(report)["version"]
    assert json.loads(alerts)["version"] == "2.1.0"
    rows = [*csv.reader(StringIO(cells, newline=""), strict=True)]
    assert len({len(row) for row in rows}) == 1
    for written in (report, alerts, cells):
        written.encode()
