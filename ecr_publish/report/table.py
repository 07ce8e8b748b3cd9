"""Outcome -> CSV (RFC 4180), one row for each package of each finding, for spreadsheets."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from ecr_publish.findings import Finding, Package
from ecr_publish.gate import Judgement
from ecr_publish.ignores import Ignore
from ecr_publish.outcome import Outcome
from ecr_publish.report.escape import printable
from ecr_publish.report.wording import brought_by, end

COLUMNS = (
    *("severity", "id", "package", "installed", "fixed_in", "path", "platforms"),
    *("refuses", "ground", "place", "reason", "owner", "until"),
    *("epss", "in_kev", "layer", "score", "uri"),
)

_FORMULA = re.compile(r"""((?:^|;)[\s"']*)(?=[=+\-@＝＋－＠])""")  # noqa: RUF001 - East Asian ones run too


class _Line:
    """A file of which each write is given back, as csv's writerow does too."""

    def write(self, line: str) -> str:
        return line


def table(outcome: Outcome) -> Iterator[str]:
    """The table, line by line with its head; only the head where nothing was found or judged."""
    judgements = outcome.verdict.judgements if outcome.verdict else ()
    writer = csv.writer(_Line(), lineterminator="\r\n")
    rows = (_row(*pair) for item in judgements for pair in _pairs(item))
    yield from map(writer.writerow, chain([COLUMNS], rows))


def _pairs(item: Judgement) -> Iterator[tuple[Judgement, Package]]:
    for package in item.finding.packages or (Package(),):
        yield item, package


def _row(item: Judgement, package: Package) -> list[str]:
    finding = item.finding
    cells = (
        *(finding.stated_severity, finding.name, package.name, package.version),
        *(package.fixed_in, package.path, ", ".join(finding.platforms)),
        *(_truth(item.ground.refuses), item.ground.value, item.place, *_accepted(item)),
        *(_number(finding.epss), _truth(finding.in_kev), _layer(finding, package)),
        *(_number(finding.score), finding.uri),
    )
    return [_cell(cell) for cell in cells]


def _accepted(item: Judgement) -> tuple[str, str, str]:
    """Why, by whom and until when a finding is let through."""
    until = [str(item.until)] if item.until else map(end, item.ignores)
    return _joined(item.ignores, "reason"), _joined(item.ignores, "owner"), _once(until)


def _joined(ignores: Iterable[Ignore], name: str) -> str:
    return _once(getattr(ignore, name) for ignore in ignores)


def _once(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(filter(None, texts)))


def _layer(finding: Finding, package: Package) -> str:
    return brought_by(replace(finding, packages=(package,))) if package.layer else ""


def _truth(value: bool | None) -> str:  # noqa: FBT001 - it is what is written
    return "" if value is None else str(value).lower()


def _number(value: float | None) -> str:
    return "" if value is None else str(value)


def _cell(text: str) -> str:
    """Text on one line, no part of which a spreadsheet runs.

    A spreadsheet runs what starts with = + - @, with a tab or with a line's end. Blanks are folded,
    so no cell has a tab or a line's end; what else would run gets an apostrophe before it, which
    says "text". That counts at a cell's start and after a semicolon, at which a spreadsheet of a
    country with decimal commas splits a line, whatever quotes there are.
    """
    flat = printable(" ".join(text.split()))
    # Most begin with a letter and have but one beginning, and there are very many of them.
    harmless = flat[:1].isalnum() and ";" not in flat
    return flat if harmless else _FORMULA.sub(r"\1'", flat)
