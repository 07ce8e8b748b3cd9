import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecr_publish.errors import PublishError
from ecr_publish.findings import Finding, Layer, Package, Severity
from ecr_publish.gate import Decision, Ground, Judgement
from ecr_publish.inputs import OnUnjudged
from ecr_publish.outcome import Outcome
from ecr_publish.policy import Rules
from ecr_publish.reference import ImageName
from ecr_publish.report.page import page as pieces
from ecr_publish.report.summary import summary
from ecr_publish.scan import Evidence, Gap, Unjudged
from tests.factories import (
    CANDIDATE,
    make_finding,
    make_findings,
    make_ignore,
    make_judgement,
    make_outcome,
    make_package,
    make_plan,
    make_policy,
    make_refusal,
    make_result,
    make_target,
    make_unjudged,
    make_verdict,
)
from tests.golden import GOLDEN
from tests.unit.report.test_comment import fork
from tests.unit.report.test_escape import CONTROLS, TEXT
from tests.unit.report.test_summary import (
    bad_inputs,
    error_with_fix,
    every_ground,
    hostile,
    passed,
    several_platforms,
    timeout,
    waived_by_report_only,
)


def page(outcome: Outcome) -> str:
    """The whole page."""
    return "".join(pieces(outcome))


CASES: dict[str, Callable[[], Outcome]] = {
    "page-every-ground.html": every_ground,
    "page-error-with-fix.html": error_with_fix,
    "page-several-platforms.html": several_platforms,
    "page-hostile.html": hostile,
    "page-fork.html": fork,
}
VOID = ("meta", "input")


class Parsed(HTMLParser):
    """A page as a browser reads it: its tags with their attributes, its texts by their element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            self.raw[self._open[-1]] = self.raw.get(self._open[-1], "") + data
        else:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        pytest.fail(f"a comment: {data}")

    @property
    def structure(self) -> list[tuple[str, list[str]]]:
        """Every tag with the names of its attributes."""
        return [(tag, [*attributes]) for tag, attributes in self.tags]

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all tags of this name."""
        return [attributes for name, attributes in self.tags if name == tag]


def parsed(outcome: Outcome) -> Parsed:
    return Parsed(page(outcome))


def of(*judgements: Judgement) -> Outcome:
    return make_outcome(verdict=make_verdict(judgements=judgements))


def cells(judgement: Judgement) -> list[str]:
    """The cells of the only row, as they stand in the page."""
    body = page(of(judgement)).partition('id="findings"')[2].partition("<tbody>")[2]
    return re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", body.partition("</tbody>")[0])


@pytest.mark.parametrize("name", CASES)
def test_page__golden(name: str, golden: Callable[[str, str], None]) -> None:
    text = page(CASES[name]())
    # Style and script have files of their own to be read in.
    without = re.sub(r"(?s)<(style|script)>.*?</\1>", r"<\1></\1>", text)
    golden(name, re.sub(r"sha256-[\w+/=]+", "sha256-…", without))


@pytest.mark.parametrize("make", [Outcome, passed, timeout, bad_inputs, *CASES.values()])
def test_page__is_well_formed_and_has_one_of_each_id(make: Callable[[], Outcome]) -> None:
    found = parsed(make())
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    named = {value for _, a in found.tags for name, value in a.items() if name == "aria-labelledby"}
    assert named <= set(ids)
    assert all(attributes.get("scope") in ("col", "row") for attributes in found.all("th"))


# Nothing but the page itself ---------------------------------------------------------------------


def hashed(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


@pytest.mark.parametrize("make", [Outcome, every_ground, hostile])
def test_policy__allows_the_pages_own_style_and_script_alone(make: Callable[[], Outcome]) -> None:
    found = parsed(make())
    assert found.all("meta")[1] == {
        "http-equiv": "Content-Security-Policy",
        "content": "default-src 'none'; base-uri 'none'; form-action 'none'; "
        f"style-src {hashed(found.raw['style'])}; script-src {hashed(found.raw['script'])}",
    }


def test_page__loads_nothing() -> None:
    found = parsed(every_ground())
    assert not {tag for tag, _ in found.tags} & {"img", "link", "iframe", "object", "base", "use"}
    assert not any(name in a for _, a in found.tags for name in ("src", "style", "srcset"))
    assert not any(name.startswith("on") for _, a in found.tags for name in a)
    assert not re.search(r"url\(|@import", found.raw["style"])
    assert not re.search(r"innerHTML|insertAdjacentHTML|eval|fetch|<!--|</", found.raw["script"])


# Text stays text ---------------------------------------------------------------------------------


def everywhere(text: str) -> Outcome:
    """An outcome with this text wherever somebody else's text can be."""
    layer = Layer(number=1, created_by=text)
    package = Package(name=text, version=text, fixed_in=text, path=text, layer=layer)
    finding = Finding(
        name=text,
        severity=Severity.UNDEFINED,
        stated_severity=text,
        packages=(package,),
        uri=f"https://e.example/{text}",
        description=text,
        platforms=(text,),
        epss=0.5,
        in_kev=True,
        score=9.8,
        known=False,
    )
    ignore = make_ignore(text, reason=text, owner=text, place=text)
    found = [
        make_judgement(finding, ground=Ground.AT_THRESHOLD, place=text),
        make_judgement(finding, ground=Ground.IGNORED, place=text, ignores=(ignore,)),
    ]
    verdict = make_verdict(
        decision=Decision.REFUSED,
        reason=text,
        judgements=tuple(found),
        expired=(ignore,),
        stale=(ignore,),
        gaps=(Gap(kind=Unjudged.BASELINE, reason=text),),
        waived_by=(text,),
        rules=Rules(skipped=(text,), places={"grace": text}),
    )
    result = make_unjudged(reason=text, status=text, target=make_target(platform=text))
    return make_outcome(
        plan=make_plan(withheld=text),
        evidence=Evidence(results=(result,)),
        verdict=verdict,
        warnings=[text],
        notes=[text],
    )


def broken(text: str) -> Outcome:
    """A run that failed with this text."""
    error = PublishError(text, why=text, fix=text, link=f"https://e.example/{text}")
    return make_outcome(error=error, verdict=None)


HARMLESS = [(make, parsed(make("harmless"))) for make in (everywhere, broken)]
SHORT = TEXT.map(lambda text: f"x{text[:150]}")
"""Never empty, as what is empty is left out; and no longer than an address may be."""


@given(SHORT)
@example("x' autofocus onfocus=alert(1) \" onclick=alert(1) </script></style><!--<svg/onload=x>")
@example("x</title></option></table><plaintext><h1>Passed</h1>&lt;b&gt;]]><![CDATA[")
def test_page__no_tag_and_no_attribute_comes_of_a_text(text: str) -> None:
    for make, plain in HARMLESS:
        found = parsed(make(text))
        assert found.structure == plain.structure
        assert found.raw == plain.raw
        for (_, mine), (_, theirs) in zip(found.tags, plain.tags, strict=True):
            assert {k: v for k, v in mine.items() if k != "href"} == {
                k: v for k, v in theirs.items() if k != "href"
            }


@given(SHORT)
def test_page__what_is_seen_stays(text: str) -> None:
    seen = re.sub(r"[\ud800-\udfff]", "\ufffd", CONTROLS.sub("\ufffd", text))
    found = parsed(make_outcome(notes=[text]))
    assert seen in found.texts
    page(everywhere(text)).encode()


@given(st.one_of(TEXT, TEXT.map(lambda text: f"https://{text}")))
def test_link__only_to_the_web(uri: str) -> None:
    for link in parsed(of(make_judgement(make_finding(uri=uri)))).all("a"):
        assert re.fullmatch(r"https?://[A-Za-z0-9:/?#@!$&+,;=%~._-]*", link["href"] or "")
        assert link["rel"] == "noreferrer"


@pytest.mark.parametrize(
    ("uri", "linked"),
    [
        ("https://e.example", True),
        ("http://e.example/a?b=c&d#e", True),
        ("https://" + "a" * 1992, True),
        ("https://" + "a" * 1993, False),
        ("", False),
        ("javascript:alert(1)", False),
        (" https://e.example", False),
        ("data:text/html,https://e.example", False),
        ("//e.example", False),
    ],
)
def test_link__plain_web_addresses(uri: str, linked: bool) -> None:  # noqa: FBT001
    found = parsed(of(make_judgement(make_finding(uri=uri)))).all("a")
    assert found == ([{"href": uri, "rel": "noreferrer"}] if linked else [])


@pytest.mark.parametrize(("length", "seen"), [(300, "a" * 300), (301, "a" * 299 + "…")])
def test_cell__is_cut(length: int, seen: str) -> None:
    finding = make_finding(uri="", packages=(make_package(name="a" * length, version=""),))
    assert cells(make_judgement(finding))[2] == seen


def test_page__is_cut_of_whatever_hostile_findings_have() -> None:
    long = "<" * 100_000
    package = make_package(name=long, version=long, fixed_in=long, path=long)
    hostile = make_finding(long, long, packages=(package,), uri=f"https://{long}")
    ignore = make_ignore(reason=long, owner=long, place=long)
    ignored = make_judgement(hostile, ground=Ground.IGNORED, ignores=(ignore,) * 2)
    refusing = make_judgement(hostile, ground=Ground.AT_THRESHOLD, place=long)
    verdict = make_refusal(judgements=(ignored, refusing))
    assert len(page(make_outcome(verdict=verdict))) < 60_000


# What it says ------------------------------------------------------------------------------------


def test_page__nothing_happened() -> None:
    text = page(Outcome())
    assert '<header class="verdict unknown"><h1>Not judged</h1><p>the run ended early</p>' in text
    assert "<title>Not judged: no image</title>" in text
    assert "<h2" in text  # what to do next
    assert "findings" not in text.partition("<body>")[2]


@pytest.mark.parametrize(
    ("make", "state"),
    [
        (passed, "passed"),
        (every_ground, "refused"),
        (timeout, "unknown"),
        (error_with_fix, "failed"),
    ],
)
def test_verdict__comes_first_with_its_colour(make: Callable[[], Outcome], state: str) -> None:
    body = page(make()).partition("<body>")[2]
    assert body.startswith(f'<main><header class="verdict {state}"><h1>')


@pytest.mark.parametrize("make", [passed, every_ground, timeout, several_platforms])
def test_verdict__an_error_is_never_shown_as_passed(make: Callable[[], Outcome]) -> None:
    outcome = make()
    outcome.error = PublishError("it broke")
    text = page(outcome)
    assert '<header class="verdict failed"><h1>' in text
    assert "Passed" not in text


def test_verdict__waiver_is_part_of_it() -> None:
    header = page(waived_by_report_only()).partition("</header>")[0]
    assert '<p class="waiver">The release tags were applied although' in header
    assert 'class="waiver"' not in page(passed())


def test_advice__code_is_code_and_only_where_there_is_something_to_do() -> None:
    text = page(make_outcome(verdict=make_refusal(make_finding())))
    assert "<code>severity-threshold</code>; <code>report-only: true</code>" in text
    assert "What to do" not in page(passed())


def test_advice__says_which_update_fixes_how_many() -> None:
    fixable = make_finding(packages=(make_package(fixed_in="3.0.2"),))
    text = page(make_outcome(verdict=make_refusal(fixable)))
    assert "<ul><li>Update openssl 3.0.1-r0 (fixed in 3.0.2): fixes 1 of 1</li></ul>\n<p>" in text


def test_failure__why_fix_and_link() -> None:
    error = PublishError("a", why="b", fix="c\nd", link="https://e.example")
    text = page(Outcome(error=error))
    assert "<pre>b</pre>\n<pre>c\nd</pre>\n" in text
    ours, theirs = (
        f'<a href="{address}" rel="noreferrer">{address}</a>'
        for address in (error.docs, "https://e.example")
    )
    assert f"<p>More: {ours} and {theirs}</p>" in text
    assert f"<p>More: {ours}</p>" in page(Outcome(error=PublishError("a")))
    assert "<pre>" not in page(Outcome(error=PublishError("a")))
    assert "What to do next" not in text


def test_facts__image_tags_candidate_scan() -> None:
    outcome = make_outcome(candidate=CANDIDATE)
    text = page(outcome)
    assert f'<dd><code id="image">{outcome.image}</code></dd>' in text
    assert "<code>0123456</code> <code>latest</code> (was on it before)</dd>" in text
    assert f"<dt>Candidate</dt><dd><code>{CANDIDATE}</code></dd>" in text
    assert "<dt>Scan</dt><dd>basic, COMPLETE</dd>" in text


def test_facts__before_the_push() -> None:
    text = page(Outcome(state=make_outcome().state))
    assert "<dd>not pushed</dd>" in text
    assert "<dt>Release tags</dt><dd>none</dd>" in text
    assert "<dt>Scan</dt><dd>none</dd>" in text
    assert "Candidate" not in text


BASELINE = Rules(baseline=ImageName.parse("app:latest"))


@pytest.mark.parametrize(
    ("rules", "known", "said"),
    [
        (BASELINE, [False, True, True], "1 new, 2 known in the baseline app:latest"),
        (BASELINE, [], "0 new, 0 known in the baseline app:latest"),
        (BASELINE, [False, None], ""),
        (Rules(), [None], ""),
    ],
)
def test_changes__against_the_baseline(rules: Rules, known: list[bool | None], said: str) -> None:
    found = tuple(make_finding(known=each) for each in known)
    text = page(make_outcome(verdict=make_verdict(*found, rules=rules)))
    assert f"<dt>What changed</dt><dd>{said}</dd>" in text or not said
    assert ("What changed" in text) is bool(said)
    assert text.count("<small>new</small>") == known.count(False)


def test_chart__counts_and_bars() -> None:
    high, low = make_findings(high=4), make_findings(low=1)
    hushed = make_finding(suppressed=True)
    outcome = of(
        *(make_judgement(item, ground=Ground.AT_THRESHOLD) for item in high[:1]),
        *map(make_judgement, (*high[1:], *low)),
        make_judgement(hushed, ground=Ground.SUPPRESSED),
    )
    text = page(outcome)
    assert (
        '<tr data-severity="HIGH"><th scope="row">High</th><td>4</td><td>1</td>'
        '<td><svg class="bar" aria-hidden="true">'
        '<rect width="100.0%" height="100%" class="found"></rect>'
        '<rect width="25.0%" height="100%" class="refusing"></rect></svg></td></tr>'
    ) in text
    assert '<td>1</td><td>0</td><td><svg class="bar" aria-hidden="true"><rect width="25.0%"' in text
    assert '<th scope="row">Total</th><td>5</td><td>1</td><td></td>' in text


def test_chart__one_of_thousands_is_seen() -> None:
    text = page(of(*map(make_judgement, make_findings(high=1, low=1000))))
    assert '<rect width="1.0%" height="100%" class="found">' in text


def test_chart__says_of_counts_that_may_not_be_all_what_the_summary_says() -> None:
    said = "What ECR has named so far, which is not known to be all:"
    assert said in summary(timeout())
    assert f"<p>{said}</p>" in page(timeout())
    assert said not in page(passed())


def test_findings__none() -> None:
    found = parsed(make_outcome())
    assert "None." in found.texts
    assert not found.all("form")


def test_findings__number() -> None:
    assert ">1 finding</p>" in page(of(make_judgement(make_finding())))
    assert ">2 findings</p>" in page(of(*[make_judgement(make_finding())] * 2))


def test_row__finding_package_fix_and_decision() -> None:
    finding = make_finding(packages=(make_package(fixed_in="3.0.2", path="app/a.jar"),))
    item = make_judgement(finding, ground=Ground.AT_THRESHOLD, place="policy.yml, line 2")
    assert cells(item) == [
        '<span class="badge">HIGH</span>',
        '<a href="https://security.example/CVE-2024-0001" rel="noreferrer">CVE-2024-0001</a>',
        "openssl 3.0.1-r0<small>app/a.jar</small>",
        "3.0.2",
        "<b>refuses</b>: at or above the threshold high<small>policy.yml, line 2</small>",
    ]


def test_row__nothing_known() -> None:
    item = make_judgement(make_finding("", "", packages=(), uri=""))
    said = "<b>allowed</b>: below the threshold high"
    assert cells(item) == ['<span class="badge">UNDEFINED</span>', "(no name)", "", "", said]


def test_row__what_is_known_of_some_has_a_column() -> None:
    layer = Layer(number=2, created_by="RUN apk add", from_base=True)
    finding = make_finding(
        packages=(make_package(layer=layer),),
        platforms=("linux/amd64", "linux/arm64"),
        epss=0.913,
        in_kev=True,
        score=10.0,
    )
    text = page(of(make_judgement(finding), make_judgement(make_finding("b"))))
    heads = re.findall(r'<th scope="col"[^>]*>([^<]*)', text.partition('id="findings"')[2])
    assert heads[5:9] == ["Platforms", "Brought by", "CVSS", "EPSS"]
    known = "<td>linux/amd64, linux/arm64</td><td>base image: RUN apk add</td>"
    assert f"{known}<td>10.0</td><td>0.91, known exploited</td></tr>" in text
    assert "<td></td><td>unknown layer</td><td></td><td></td></tr>" in text


def test_row__ignored_says_who_and_why_and_until_when() -> None:
    first = make_ignore(reason="not reachable", owner="team-web", until=date(2027, 1, 31))
    other = replace(first, reason="", owner="", until=None, place="base.yml, line 9")
    item = make_judgement(make_finding(), ground=Ground.IGNORED, ignores=(first, other))
    assert cells(item)[4] == (
        "<b>allowed</b>: ignored by the policy"
        "<small>reason: not reachable</small><small>owner: team-web</small>"
        "<small>until 2027-01-31</small><small>.ecr-publish.yml, line 3</small>"
        "<small>without an end</small><small>base.yml, line 9</small>"
    )


def test_row__in_grace_says_from_when_it_refuses() -> None:
    item = make_judgement(make_finding(), ground=Ground.IN_GRACE, until=date(2026, 8, 15))
    assert "<small>refuses from 2026-08-15</small>" in cells(item)[4]


@pytest.mark.parametrize("ground", Ground)
def test_row__tells_the_script_what_it_filters_by(ground: Ground) -> None:
    text = page(of(make_judgement(make_finding(), ground=ground)))
    kind = "refuses" if ground.refuses else "allowed"
    assert f'<tr data-severity="HIGH" data-ground="{ground.name}" class="{kind}">' in text


def test_filters__have_what_there_is() -> None:
    found = parsed(every_ground())
    (form,) = found.all("form")
    assert form["hidden"] == ""
    boxes = [box["value"] for box in found.all("input") if box["name"] == "severity"]
    assert boxes == ["CRITICAL", "HIGH", "MEDIUM", "LOW"]
    values = [option["value"] or "" for option in found.all("option")]
    everything, refusing, letting, *single = (set(value.split()) for value in values)
    assert everything == refusing | letting == set().union(*single)
    assert not refusing & letting
    assert all(len(one) == 1 for one in single)


def test_filters__have_no_choice_that_shows_nothing() -> None:
    found = parsed(of(make_judgement(make_finding())))
    assert [option["value"] for option in found.all("option")] == ["BELOW_THRESHOLD"] * 3


def test_warnings_and_notes() -> None:
    gap = Gap(kind=Unjudged.BASELINE, reason="there is no baseline")
    verdict = make_verdict(gaps=(gap,), stale=(make_ignore(),))
    text = page(make_outcome(verdict=verdict, warnings=["a"], notes=["b"]))
    assert (
        "<ul><li>a</li><li>There is no baseline (on-baseline-error: warn)</li>"
        "<li>Nothing was found for the ignore of CVE-2024-0001"
    ) in text
    assert "<ul><li>b</li></ul>" in text
    assert "<ul>" not in page(make_outcome())


def test_policy__every_rule_with_its_place() -> None:
    rules = Rules(epss_threshold=0.5, places={"epss_threshold": "policy.yml, line 3"})
    plan = make_plan(policy=make_policy(timeout=OnUnjudged.WARN, report_only=True))
    text = page(make_outcome(verdict=make_verdict(rules=rules), plan=plan))
    for row in (
        '<th scope="row">epss-threshold</th><td>0.5</td><td>policy.yml, line 3</td>',
        '<th scope="row">severity-threshold</th><td>high</td><td>default</td>',
        '<th scope="row">baseline</th><td>none</td><td>default</td>',
        '<th scope="row">on-baseline-error</th><td>fail</td><td>default</td>',
        '<th scope="row">on-timeout</th><td>warn</td><td>the input on-timeout</td>',
        '<th scope="row">report-only</th><td>true</td><td>the input report-only</td>',
    ):
        assert text.count(row) == 1
    assert text.count(">on-baseline-error<") == 1


def test_policy__without_a_plan_has_the_rules_alone() -> None:
    text = page(make_outcome(plan=None))
    assert ">severity-threshold<" in text
    assert ">report-only<" not in text


def test_scans__each_image() -> None:
    done = make_result(make_finding(), target=make_target("a", "linux/amd64"), age=90.0)
    late = make_unjudged(reason="too late")
    text = page(make_outcome(results=(done, late)))
    assert (
        f'<th scope="row">linux/amd64</th><td><code>{done.target.digest}</code></td>'
        "<td>basic</td><td>COMPLETE</td><td>1 minute</td><td>1</td><td></td>"
    ) in text
    assert '<th scope="row">single platform</th>' in text
    assert "<td>IN_PROGRESS</td><td></td><td>0</td><td>too late</td>" in text


def test_durations() -> None:
    assert "<footer>Time: plan 0.1 s, build 61.2 s" in page(make_outcome())
    assert "<footer>" not in page(make_outcome(seconds={}))


def test_page__many_findings_are_all_there() -> None:
    outcome = of(*map(make_judgement, make_findings(high=5000, low=5000)))
    assert page(outcome).count("<tr data-severity=") == 10_000 + len(Severity)


def test_golden__no_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.glob("page-*")} == set(CASES)


def test_page__comes_row_by_row() -> None:
    outcome = of(*map(make_judgement, make_findings(high=9)))
    rows = [piece.count('<tr data-severity="HIGH" data-ground=') for piece in pieces(outcome)]
    assert (max(rows), sum(rows)) == (1, 9)
