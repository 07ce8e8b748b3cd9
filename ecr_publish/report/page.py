"""Outcome -> one HTML page that needs no network and runs no script but its own.

`page.css` and `page.js` are written into it; the page's policy names them by their hashes, so that
a browser neither runs nor loads anything else, whatever the texts of an image or a scan contain.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from itertools import chain

from ecr_publish.errors import PublishError
from ecr_publish.findings import count
from ecr_publish.gate import Verdict
from ecr_publish.outcome import Outcome
from ecr_publish.plan import Plan
from ecr_publish.policy import RULES, Rules
from ecr_publish.report.page_findings import columns_of, findings
from ecr_publish.report.page_markup import (
    Html,
    element,
    lines,
    link,
    short,
    streamed,
    text,
    void,
)
from ecr_publish.report.remedies import remedies
from ecr_publish.report.wording import (
    advice,
    durations,
    headline,
    missing,
    notes,
    scan,
    stated,
    untagged,
    unused,
    waiver,
)
from ecr_publish.scan import Result, in_words

_HERE = files("ecr_publish.report")
_STYLE = _HERE.joinpath("page.css").read_text(encoding="utf-8")
_SCRIPT = _HERE.joinpath("page.js").read_text(encoding="utf-8")
_NOT_ALL = "What ECR has named so far, which is not known to be all:"


def page(outcome: Outcome) -> Iterator[str]:
    """The whole page: the verdict first, then what to do, then every finding, then the rules.

    It comes in pieces, a row of the findings each, as there may be many.
    """
    body = streamed("body", streamed("main", _sections(outcome)))
    yield "<!DOCTYPE html>\n"
    yield from streamed("html", chain([_head(outcome)], body), lang="en")
    yield "\n"


def _head(outcome: Outcome) -> Html:
    style = Html(_STYLE + _labels(outcome.verdict))
    verdict = headline(outcome).partition(":")[0]
    return element(
        "head",
        lines(
            void("meta", charset="utf-8"),
            void("meta", http_equiv="Content-Security-Policy", content=_allowed(style)),
            void("meta", name="viewport", content="width=device-width, initial-scale=1"),
            void("meta", name="color-scheme", content="light dark"),
            void("meta", name="referrer", content="no-referrer"),
            element("title", f"{verdict}: {outcome.image or 'no image'}"),
            element("style", style),
            element("script", Html(_SCRIPT)),
        ),
    )


def _allowed(style: str) -> str:
    """All that a browser may do on this page: its own style, its own script."""
    nothing = "default-src 'none'; base-uri 'none'; form-action 'none'"
    return f"{nothing}; style-src {_hash(style)}; script-src {_hash(_SCRIPT)}"


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def _labels(verdict: Verdict | None) -> str:
    """On a narrow screen each cell says itself of which column it is."""
    columns = list(columns_of(verdict))[2:] if verdict else []
    labels = (
        f'  #findings td:nth-child({place})::before {{ content: "{column}"; }}\n'
        for place, column in enumerate(columns, start=3)
    )
    return f"@media screen and (max-width: 56rem) {{\n{''.join(labels)}}}\n"


def _sections(outcome: Outcome) -> Iterator[str]:
    yield lines(*_before(outcome))
    if outcome.verdict:
        yield from _findings(outcome.verdict)
    yield from _below(_after(outcome))


def _below(parts: Iterable[str]) -> Iterator[Html]:
    """Each part on a line below what stands there already; empty ones are left out."""
    return (Html(f"\n{text(part)}") for part in parts if part)


def _before(outcome: Outcome) -> Iterator[Html]:
    """What stands above the findings."""
    yield _verdict(outcome)
    yield _list("Warnings", (*outcome.warnings, *missing(outcome), *unused(outcome)))
    yield _failure(outcome.error) if outcome.error else _next(outcome)
    if outcome.state:
        yield _facts(outcome)
    if outcome.verdict:
        yield _chart(outcome.verdict)


def _after(outcome: Outcome) -> Iterator[Html]:
    """What stands below the findings."""
    if outcome.verdict:
        yield _policy(outcome.verdict.rules, outcome.plan)
    if outcome.evidence.results:
        yield _scans(outcome.evidence.results)
    yield _list("Notes", notes(outcome))
    if durations(outcome):
        yield element("footer", f"Time: {durations(outcome)}")


def _verdict(outcome: Outcome) -> Html:
    word, _, reason = headline(outcome).partition(": ")
    unjudged = "neutral" if outcome.built_only else outcome.decision.value
    state = "failed" if outcome.error else unjudged
    return element(
        "header",
        element("h1", word),
        element("p", reason),
        _optional("p", waiver(outcome), class_="waiver"),
        class_=f"verdict {state}",
    )


def _optional(name: str, content: str, **attributes: str) -> Html:
    return element(name, content, **attributes) if content else Html()


def _section(title: str, *content: str) -> Html:
    return Html("".join(_streamed(title, _below(content))))


def _streamed(title: str, content: Iterable[str]) -> Iterator[Html]:
    """A section of which the content comes in pieces."""
    name = title.lower().replace(" ", "-")
    heading = element("h2", title, id=f"{name}-title")
    about = {"aria_labelledby": f"{name}-title", "class_": name}
    return streamed("section", chain([heading], content), **about)


def _list(title: str, said: Iterable[str]) -> Html:
    items = [element("li", one) for one in said]
    return _section(title, element("ul", *items)) if items else Html()


def _failure(error: PublishError) -> Html:
    also = (" and ", link(error.link, error.link)) if error.link else ()
    return _section(
        "What to do",
        _optional("pre", error.why),
        _optional("pre", error.fix),
        element("p", "More: ", link(error.docs, error.docs), *also),
    )


def _next(outcome: Outcome) -> Html:
    if not advice(outcome):
        return Html()
    # Backticks are the summary's; what is advised has no text in it but our own.
    said = Html(re.sub(r"`([^`]+)`", r"<code>\1</code>", text(advice(outcome))))
    updates = remedies(outcome.verdict.deciding if outcome.verdict else ())
    steps = Html("".join(element("li", short(update)) for update in updates))
    return _section("What to do next", _optional("ul", steps), element("p", said))


def _facts(outcome: Outcome) -> Html:
    tags = Html(" ".join(_tag(str(tag), outcome) for tag in outcome.promotion.tags))
    facts = {
        "Image": _optional("code", outcome.image, id="image") or "not pushed",
        "Release tags": tags or untagged(outcome),
        "Candidate": _optional("code", str(outcome.candidate or "")),
        "Scan": scan(outcome) or "none",
        "What changed": _changed(outcome.verdict) if outcome.verdict else "",
    }
    rows = (
        element("div", element("dt", name), element("dd", fact))
        for name, fact in facts.items()
        if fact
    )
    return _section("Image", element("dl", *rows))


def _tag(tag: str, outcome: Outcome) -> Html:
    was_there = tag in map(str, outcome.promotion.unchanged)
    return Html(element("code", tag) + (" (was on it before)" if was_there else ""))


def _changed(verdict: Verdict) -> str:
    """What the baseline does not have; empty without one, and where that is not known."""
    known = [finding.known for finding in verdict.findings]
    if verdict.rules.baseline is None or None in known:
        return ""
    new = known.count(False)
    return f"{new} new, {len(known) - new} known in the baseline {verdict.rules.baseline}"


def _chart(verdict: Verdict) -> Html:
    """How many findings of each severity ECR counts, and how many of them refuse."""
    refusing = count(item.finding for item in verdict.deciding)
    most = max(verdict.counts.values()) or 1
    rows = [
        _table_row(
            severity.value.capitalize(),
            str(found),
            str(refusing[severity]),
            _bar(found / most, refusing[severity] / most),
            data_severity=severity.value,
        )
        for severity, found in verdict.counts.items()
    ]
    total = _table_row("Total", str(len(verdict.findings)), str(len(verdict.deciding)), "")
    table = _table("Severities", ("Severity", "Findings", "Refuse", ""), [*rows, total])
    return _section("Severities", "" if verdict.complete else element("p", _NOT_ALL), table)


def _bar(found: float, refusing: float) -> Html:
    """A bar as long as the share found, its part that refuses darker."""
    parts = {"found": found, "refusing": refusing}
    bars = (
        # One of thousands is to be seen too.
        element("rect", width=f"{max(1, 100 * share):.1f}%", height="100%", class_=name)
        for name, share in parts.items()
        if share
    )
    return element("svg", *bars, class_="bar", aria_hidden="true")


def _findings(verdict: Verdict) -> Iterator[str]:
    content = findings(verdict) if verdict.judgements else [element("p", "None.")]
    return chain("\n", _streamed("Findings", chain("\n", content)))


def _policy(rules: Rules, plan: Plan | None) -> Html:
    """Every rule that counted, also those that nobody has stated."""
    everywhere = {name: rules.places.get(name, "default") for name in RULES}
    ruled = stated(replace(rules, places=everywhere))
    named = {name for name, *_ in ruled}
    others = [entry for entry in _settings(plan) if entry[0] not in named] if plan else []
    rows = [
        _table_row(name, "none" if value == "None" else value, place)
        for name, value, place in (*ruled, *others)
    ]
    return _section("Policy", _table("Policy", ("Rule", "Value", "Stated in"), rows))


def _settings(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """What lets an image pass that ECR has not judged, or refused: the inputs alone say that."""
    settings: Mapping[str, str] = {
        "report-only": str(plan.policy.report_only).lower(),
        **{kind.value: choice.value for kind, choice in plan.policy.on_unjudged.items()},
    }
    yield from ((name, value, f"the input {name}") for name, value in settings.items())


def _scans(results: Iterable[Result]) -> Html:
    columns = ("Image", "Digest", "Engine", "Status", "Age", "Findings", "No verdict because")
    return _section("Scans", _table("Scans", columns, [_scan(result) for result in results]))


def _scan(result: Result) -> Html:
    return _table_row(
        result.target.platform or "single platform",
        element("code", str(result.target.digest)),
        result.engine.value,
        result.status,
        "" if result.age is None else in_words(result.age),
        str(len(result.findings)),
        result.reason,
    )


def _table(name: str, columns: Iterable[str], rows: Iterable[Html]) -> Html:
    """A table that scrolls by itself where the screen is too narrow for it."""
    head = element("tr", *(element("th", name, scope="col") for name in columns))
    table = element("table", element("thead", head), element("tbody", lines(*rows)))
    return element("div", table, class_="wide", tabindex="0", role="group", aria_label=name)


def _table_row(first: str, *others: str, **attributes: str) -> Html:
    cells = (element("td", other) for other in others)
    return element("tr", element("th", first, scope="row"), *cells, **attributes)
