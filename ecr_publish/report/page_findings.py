"""Verdict -> the page's table of all findings, with what was decided of each, and its filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

from ecr_publish.findings import Finding, Severity
from ecr_publish.gate import Ground, Judgement, Verdict
from ecr_publish.ignores import Ignore
from ecr_publish.report.page_markup import Html, element, link, short, streamed, text, void
from ecr_publish.report.wording import NAMELESS, brought_by, end, epss, fixes, installed, title

Write = Callable[[Judgement], str]
Known = Callable[[Finding], bool]


def findings(verdict: Verdict) -> Iterator[Html]:
    """The table row by row, with its filters, which stay hidden where no script runs them."""
    columns, found = columns_of(verdict), len(verdict.judgements)
    number = "1 finding" if found == 1 else f"{found} findings"
    shown = element("p", number, id="shown", role="status")
    yield Html(f"{_filters(verdict)}\n{shown}\n")
    head = element("thead", element("tr", *map(_head, columns)))
    rows = (_row(item, columns.values()) for item in verdict.judgements)
    body = streamed("tbody", chain("\n", rows))
    about = {"id": "findings", "aria_labelledby": "findings-title"}
    yield from streamed("table", chain([head], body), **about)


def columns_of(verdict: Verdict) -> dict[str, Write]:
    """The columns, without those of which no finding has anything to say."""
    titles = {ground: title(ground, verdict.rules) for ground in Ground}
    found = [item.finding for item in verdict.judgements]
    there = {name: write for name, (write, known) in _WHERE_KNOWN.items() if any(map(known, found))}
    return {**_COLUMNS, "Decision": lambda item: _decision(item, titles[item.ground]), **there}


def _head(column: str) -> Html:
    sort = {"aria_sort": "descending"} if column == "Severity" else {}
    first = {"data_first": "descending"} if column in _WORST_IS_HIGHEST else {}
    return element(
        "th", column, scope="col", class_=column.lower().replace(" ", "-"), **sort, **first
    )


def _row(item: Judgement, columns: Iterable[Write]) -> Html:
    severity, name, *others = (short(write(item)) for write in columns)
    cells = (
        element("td", severity),
        element("th", name, scope="row"),
        *(element("td", other) for other in others),
    )
    return Html(
        element(
            "tr",
            *cells,
            data_severity=item.finding.severity.value,
            data_ground=item.ground.name,
            class_="refuses" if item.ground.refuses else "allowed",
        )
        + "\n"
    )


def _severity(item: Judgement) -> Html:
    word = item.finding.stated_severity or item.finding.severity.value
    return element("span", short(word), class_="badge")


def _name(item: Judgement) -> Html:
    name = link(short(item.finding.name or NAMELESS), item.finding.uri)
    return Html(name + element("small", "new")) if item.finding.known is False else name


def _package(item: Judgement) -> Html:
    paths = dict.fromkeys(package.path for package in item.finding.packages)
    return _with_details(short(installed(item.finding)), [", ".join(filter(None, paths))])


def _decision(item: Judgement, why: str) -> Html:
    word = element("b", "refuses" if item.ground.refuses else "allowed")
    details = _accepted(item.ignores) if item.ignores else _ruled(item)
    return _with_details(Html(f"{word}: {text(why)}"), details)


def _ruled(item: Judgement) -> Iterator[str]:
    yield f"refuses from {item.until}" if item.until else ""
    yield item.place


def _accepted(by: tuple[Ignore, ...]) -> Iterator[str]:
    """Reason, owner, end and place of what accepts a finding."""
    for ignore in by:
        yield ignore.reason and f"reason: {ignore.reason}"
        yield ignore.owner and f"owner: {ignore.owner}"
        yield f"until {end(ignore)}" if end(ignore) else "without an end"
        yield ignore.place


def _with_details(said: str, details: Iterable[str]) -> Html:
    small = (element("small", short(detail)) for detail in details if detail)
    return Html(text(said) + "".join(small))


def _score(finding: Finding) -> str:
    return "" if finding.score is None else f"{finding.score:.1f}"


_COLUMNS: Mapping[str, Write] = {
    "Severity": _severity,
    "Finding": _name,
    "Package": _package,
    "Fixed in": lambda item: fixes(item.finding),
}
_WHERE_KNOWN: Mapping[str, tuple[Write, Known]] = {
    "Platforms": (
        lambda item: ", ".join(item.finding.platforms),
        lambda finding: bool(finding.platforms),
    ),
    "Brought by": (
        lambda item: brought_by(item.finding),
        lambda finding: any(package.layer for package in finding.packages),
    ),
    "CVSS": (lambda item: _score(item.finding), lambda finding: finding.score is not None),
    "EPSS": (lambda item: epss(item.finding), lambda finding: finding.in_kev is not None),
}
_WORST_IS_HIGHEST = ("Severity", "CVSS", "EPSS")
"""Columns that are sorted downwards first."""


def _filters(verdict: Verdict) -> Html:
    return element(
        "form",
        _severities(verdict),
        element("label", "Decision ", _grounds(verdict)),
        element("label", "Finding or package ", void("input", type="search", name="text")),
        element("button", "Clear", type="reset"),
        id="filters",
        hidden="",
        autocomplete="off",
    )


def _severities(verdict: Verdict) -> Html:
    there = {item.finding.severity for item in verdict.judgements}
    boxes = (
        element(
            "label",
            void("input", type="checkbox", name="severity", value=severity.value, checked=""),
            f" {severity.value.capitalize()}",
        )
        for severity in Severity
        if severity in there
    )
    return element("fieldset", element("legend", "Severity"), *boxes)


def _grounds(verdict: Verdict) -> Html:
    """The choices; the value of each is the grounds that it shows."""
    there = [ground for ground in Ground if verdict.with_ground(ground)]
    refusing = [ground for ground in there if ground.refuses]
    letting = [ground for ground in there if not ground.refuses]
    kinds = {"all": there, "all that refuses": refusing, "all that is allowed": letting}
    ways = {say: kind for say, kind in kinds.items() if kind}
    ways |= {title(ground, verdict.rules): [ground] for ground in there}
    return element("select", *(_choice(say, kind) for say, kind in ways.items()), name="ground")


def _choice(said: str, grounds: list[Ground]) -> Html:
    return element("option", short(said), value=" ".join(ground.name for ground in grounds))
