import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.errors import CallFailed, Cancelled, PublishError
from ecr_publish.findings import Finding, Layer, Package
from ecr_publish.gate import Decision, Ground
from ecr_publish.inputs import OnFork, OnUnjudged
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.plan import LocalImage
from ecr_publish.policy import Rules, StaleIgnores
from ecr_publish.reference import Repository, Tag
from ecr_publish.report.comment import MOST_BYTES, MOST_ROWS, comment, marker, table
from ecr_publish.scan import Gap, Unjudged
from tests.factories import (
    ARN,
    CANDIDATE,
    NAME,
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
    make_state,
    make_unjudged,
    make_verdict,
    verdict_over,
)
from tests.golden import GOLDEN

RUN = "https://github.com/org/visit-counter-app/actions/runs/42"
COMMENT_LIMIT = 65_536  # characters, as GitHub counts them
FIXABLE = make_finding(
    "CVE-2024-0727",
    "CRITICAL",
    packages=(make_package(fixed_in="3.0.13-r0"), make_package(name="@scope/crypto")),
    platforms=("linux/amd64",),
)
OF_THE_LAYER = make_finding(
    "CVE-2024-5535",
    packages=(make_package(layer=Layer(number=3, created_by="RUN apk add openssl", line=7)),),
)


def written(outcome: Outcome) -> str:
    return comment(outcome, repository=Repository(NAME), run_url=RUN)


def judged(*found: Finding, promoted: bool = False, **policy: Any) -> Outcome:
    """The end of a run over these findings, its verdict from the gate itself."""
    results = (make_result(*found),)
    return make_outcome(
        results=results,
        verdict=verdict_over(results, make_policy(**policy)),
        **({} if promoted else {"promotion": Promotion(), "candidate": CANDIDATE}),
    )


def passed() -> Outcome:
    return judged(*make_findings(medium=1, low=2), promoted=True)


def refused() -> Outcome:
    return judged(FIXABLE, OF_THE_LAYER, *make_findings(untriaged=1, low=1))


def many() -> Outcome:
    return judged(*make_findings(critical=1, high=149, low=150))


def waived_by_report_only() -> Outcome:
    return judged(FIXABLE, promoted=True, report_only=True)


def timeout() -> Outcome:
    results = (make_unjudged(Unjudged.TIMEOUT),)
    return make_outcome(
        results=results,
        verdict=verdict_over(results, make_policy()),
        promotion=Promotion(),
        candidate=CANDIDATE,
    )


def waived_on_timeout() -> Outcome:
    results = (make_unjudged(Unjudged.TIMEOUT),)
    verdict = verdict_over(results, make_policy(timeout=OnUnjudged.WARN))
    return make_outcome(results=results, verdict=verdict)


def passed_without_a_baseline() -> Outcome:
    gap = Gap(kind=Unjudged.BASELINE, reason="the baseline latest is not there")
    outcome = passed()
    outcome.verdict = replace(outcome.verdict or make_verdict(), gaps=(gap,))
    outcome.warnings = ["The tag latest was on an image of a newer commit; it is moved."]
    return outcome


def stale_ignores() -> Outcome:
    ignores = (make_ignore("CVE-2020-0001"),)
    return judged(*make_findings(low=1), ignore=ignores, stale_ignores=StaleIgnores.FAIL)


def error_with_fix() -> Outcome:
    message = f"User is not authorized to perform: ecr:DescribeImageScanFindings on resource: {ARN}"
    error = CallFailed(
        "DescribeImageScanFindings",
        "AccessDeniedException",
        message,
        resource=ARN,
        transient=False,
    )
    return make_outcome(verdict=None, promotion=Promotion(), candidate=CANDIDATE, error=error)


def cancelled() -> Outcome:
    return Outcome(error=Cancelled())


HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "| a | b |\n|---|---|\n| c |",
    "[click](javascript:alert(1))",
    "```\n## Passed\n```",
    "--> <!-- ecr-publish: other -->",
    "@org/everybody #1 org/repo#2",
    "https://evil.example www.evil.example",
    "\x1b[2J\u202e\ud800 *bold* _it_ ~~del~~ `code` &lt;b&gt; \\| #1",
)


def hostile_findings() -> tuple[Finding, ...]:
    return tuple(
        make_finding(
            text,
            text,
            packages=(
                Package(
                    name=text,
                    version=text,
                    fixed_in=text,
                    layer=Layer(number=1, created_by=text, line=3),
                ),
            ),
            platforms=(text,),
            uri=f"{prefix}{text}",
            description=text,
        )
        for text in HOSTILE
        for prefix in ("", "https://evil.example/")
    )


def hostile() -> Outcome:
    outcome = judged(*hostile_findings())
    outcome.warnings.extend(HOSTILE)
    return outcome


def hostile_error() -> Outcome:
    everything = "\n".join(HOSTILE)
    return Outcome(error=PublishError(everything, why=everything, fix=everything))


def fork() -> Outcome:
    plan = make_plan(on_fork=OnFork.BUILD_ONLY, withheld="this is a pull request from a fork")
    return Outcome(plan=plan, tried=True, seconds={"plan": 0.1, "credentials": 0.0, "build": 61.25})


def fork_of_an_image() -> Outcome:
    plan = make_plan(on_fork=OnFork.BUILD_ONLY, source=LocalImage(name="visit-counter-app:built"))
    return Outcome(plan=plan, tried=True)


OUTCOMES: dict[str, Callable[[], Outcome]] = {
    "passed": passed,
    "refused": refused,
    "300-findings": many,
    "waived-report-only": waived_by_report_only,
    "not-judged": timeout,
    "waived-on-timeout": waived_on_timeout,
    "passed-without-a-baseline": passed_without_a_baseline,
    "stale-ignores": stale_ignores,
    "error-with-fix": error_with_fix,
    "cancelled": cancelled,
    "hostile": hostile,
    "hostile-error": hostile_error,
    "nothing-happened": Outcome,
    "fork": fork,
    "fork-of-an-image": fork_of_an_image,
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_comment__golden(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"comment-{name}.md", written(OUTCOMES[name]()))


def test_golden__no_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.glob("comment-*")} == {
        f"comment-{name}.md" for name in OUTCOMES
    }


# --- the marker


NAMES = st.from_regex(
    r"[a-z0-9]+(?:[._-][a-z0-9]+){0,3}(?:/[a-z0-9]+(?:[._-][a-z0-9]+){0,3}){0,2}", fullmatch=True
).filter(lambda name: 2 <= len(name) <= 256)


@given(NAMES)
def test_marker__is_ended_by_itself_alone(name: str) -> None:
    assert re.fullmatch(r"<!-- ecr-publish: [a-z0-9._/-]+ -->", marker(Repository(name)))
    assert "--" not in name


@pytest.mark.parametrize("name", ["a-->b", "a--b", "a>b", "a b", "a\nb", "", "A", "a-", "-a"])
def test_marker__of_what_is_no_repository(name: str) -> None:
    with pytest.raises(ValueError, match="not a repository name"):
        marker(Repository(name))


@given(NAMES, NAMES)
def test_marker__of_one_repository_is_not_the_beginning_of_another_s(one: str, other: str) -> None:
    markers = (marker(Repository(one)), marker(Repository(other)))
    assert markers[0].startswith(markers[1]) is (one == other)


# --- what it says


def test_comment__is_short_where_the_image_is_clean() -> None:
    first, *rest = list(filter(None, written(passed()).splitlines()))
    assert first == "<!-- ecr-publish: visit-counter-app -->"
    assert len(rest) == 2
    assert rest[0].startswith("✅ ")
    assert rest[1].endswith(f"<code>latest</code>. [The whole report]({RUN})")


@pytest.mark.parametrize("make", [passed, refused, timeout, waived_by_report_only])
def test_comment__an_error_is_never_marked_as_passed(make: Callable[[], Outcome]) -> None:
    outcome = make()
    outcome.error = PublishError("it broke", fix="mend it")
    text = written(outcome)
    assert re.search("^### ❌ .*: (Not published|Published in part): it broke$", text, re.MULTILINE)
    assert "✅" not in text
    assert text.count("What to do") == 1


def test_s1__a_waiver_is_said_loudly() -> None:
    for make in (waived_by_report_only, waived_on_timeout):
        text = written(make())
        assert "> [!WARNING]\n> **The release tags were applied although" in text
        assert "✅" not in text


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| HIGH")]


@pytest.mark.parametrize(("number", "shown"), [(1, 1), (19, 19), (20, 20), (21, 20), (500, 20)])
def test_table__most_rows(number: int, shown: int) -> None:
    text = written(make_outcome(verdict=make_refusal(*make_findings(high=number))))
    assert len(rows(text)) == shown
    assert (f"Showing {MOST_ROWS} of {number}." in text) is (number > shown)
    assert ("Showing" in text) is (number > shown)


def test_table__has_what_refuses_and_nothing_else() -> None:
    judgements = tuple(
        make_judgement(make_finding(f"CVE-{ground.name}"), ground=ground) for ground in Ground
    )
    text = written(make_outcome(verdict=make_refusal(judgements=judgements)))
    assert len(rows(text)) == 5
    for ground in Ground:
        assert (f"[CVE-{ground.name}](".replace("_", r"\_") in text) is ground.refuses


def test_table__says_what_brought_it_where_that_is_known() -> None:
    text = written(make_outcome(verdict=make_refusal(OF_THE_LAYER)))
    assert "| Fixed in | Brought by |\n|---|---|---|---|---|\n" in text
    assert "| <code>line 7: RUN apk add openssl</code> |" in text
    assert "Brought by" not in written(make_outcome(verdict=make_refusal(FIXABLE)))


def test_table__long_texts_are_cut() -> None:
    long = make_finding(
        "C" * 300, "S" * 300, packages=(make_package(name="p" * 300, fixed_in="9"),)
    )
    text = written(make_outcome(verdict=make_refusal(replace(long, uri=""))))
    shown = (f"{'S' * 199}…", f"<code>{'C' * 199}…</code>", f"<code>{'p' * 199}…</code>")
    assert f"\n| {' | '.join(shown)} | <code>9</code> |\n" in text


def test_table__of_a_finding_without_anything() -> None:
    bare = make_finding("", "", uri="", packages=())
    text = written(make_outcome(verdict=make_refusal(bare)))
    assert "\n|  | (no name) |  |  |\n" in text


def test_table__a_name_without_an_address_is_no_link() -> None:
    bare = make_finding("[@org/team](x)", uri="javascript:x")
    text = written(make_outcome(verdict=make_refusal(bare)))
    assert r"| <code>\[@org/team\](x)</code> |" in text


def test_image__with_many_tags() -> None:
    tags = tuple(Tag(f"v{number}") for number in range(25))
    text = written(make_outcome(promotion=Promotion(tags=tags)))
    assert "<code>v19</code>, 5 more. [" in text
    assert "v20" not in text
    few = written(make_outcome(promotion=Promotion(tags=tags[:20])))
    assert "<code>v19</code>. [" in few


def test_image__without_tags() -> None:
    outcome = make_outcome(promotion=Promotion(), worn=(Tag("1.4"),))
    assert "release tags: none by this run; 1.4 since an earlier one. [" in written(outcome)


def test_error__long_texts_are_cut() -> None:
    error = PublishError("w" * 2000, why="y" * 3001, fix="f" * 4001)
    text = written(Outcome(error=error))
    assert f"Not published: {'w' * 984}…\n" in text
    assert f"\n{'y' * 2999}…\n" in text
    assert f"\n{'f' * 3999}…\n" in text
    whole = PublishError("w", why="y" * 3000, fix="f" * 4000)
    assert "…" not in written(Outcome(error=whole))


def test_warnings__the_first_of_many() -> None:
    gaps = tuple(Gap(kind=Unjudged.EXPLOIT, reason=f"gap {number}") for number in range(5))
    verdict = make_verdict(gaps=gaps)
    outcome = make_outcome(verdict=verdict, warnings=[f"warning {number}" for number in range(5)])
    text = written(outcome)
    assert text.count("> [!WARNING]\n") == 6
    assert "Gap 2" in text
    assert "warning 2" in text
    assert "Gap 3" not in text
    assert "warning 3" not in text


# --- limits and hostile texts


WORST = ("&" * 5000, "😀" * 5000, "`" * 5000, "@" * 5000, "\x00" * 5000, "|" * 5000, "\\" * 5000)


def worst(text: str, number: int) -> Outcome:
    finding = make_finding(
        text,
        text,
        uri=f"https://e.example/{'a' * 460}",
        packages=(
            Package(
                name=text,
                version=text,
                fixed_in=text,
                layer=Layer(number=1, created_by=text),
            ),
        ),
    )
    gap = Gap(kind=Unjudged.EXPLOIT, reason=text)
    tags = tuple(Tag("_" * 128) for _ in range(100))
    return make_outcome(
        state=make_state(name="a_" * 127 + "aa"),
        verdict=make_refusal(*[finding] * number, gaps=(gap,) * 9, waived_by=("report-only",)),
        warnings=[text] * 9,
        promotion=Promotion(tags=tags),
        error=PublishError(text, why=text, fix=text),
    )


@pytest.mark.parametrize("text", WORST)
@pytest.mark.parametrize("number", [0, 1, 10_000])
@pytest.mark.parametrize("failed", [True, False])
def test_comment__the_most_hostile_one_stays_below_the_limit(
    text: str, number: int, *, failed: bool
) -> None:
    outcome = worst(text, number)
    outcome.error = outcome.error if failed else None
    body = comment(outcome, repository=Repository("a_" * 127 + "aa"), run_url=RUN)
    assert len(body.encode()) <= MOST_BYTES < COMMENT_LIMIT
    assert body.endswith(f"\n\n[The whole report]({RUN})\n")
    if number > 1:
        assert re.search(rf"\n\nShowing \d+ of {number}\.\n", body)


def test_table__has_whole_rows_only() -> None:
    outcome = make_outcome(verdict=make_refusal(*make_findings(high=3)))
    [whole] = table(outcome, rows=9, room=60_000)
    row = len(rows(whole)[0].encode()) + 1
    for room, number in ((500 + 3 * row, 3), (500 + 3 * row - 1, 2), (500 + row, 1)):
        shown = "\n\n".join(table(outcome, rows=9, room=room))
        assert rows(shown) == rows(whole)[:number]
        assert ("Showing" in shown) is (number < 3)
    for room in (500 + row - 1, 0, -9999):
        assert list(table(outcome, rows=9, room=room)) == ["Showing 0 of 3."]


PIECES = [*"\\`*_[]#|~<>&:-+=(){}!. \n\r\t\0@", "\r\n", "-->", "<!-- ecr-publish: a -->", "```"]
PIECES += ["https://", "www.", "</code>", "<b>", "\u2028", "\x1b[2J", "\u202e", "\ud800", "a"]
TEXT = st.one_of(
    st.text(max_size=40),
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.lists(st.sampled_from(PIECES), max_size=20).map("".join),
)
FINDINGS = st.builds(
    lambda name, severity, package, version, fixed, uri, layer: make_finding(
        name,
        severity,
        uri=uri,
        packages=(
            Package(name=package, version=version, fixed_in=fixed, layer=layer and Layer(**layer)),
        ),
        description=name + uri,
        platforms=(version,),
    ),
    *(TEXT, TEXT, TEXT, TEXT, TEXT),
    st.one_of(TEXT, TEXT.map("https://e.example/{}".format)),
    st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {"number": st.just(2), "created_by": TEXT, "line": st.sampled_from([None, 1, 9])}
        ),
    ),
)
TEXTS = st.lists(TEXT, max_size=2)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    """The end of a run in which any text of others is anything at all."""
    found = draw(st.lists(FINDINGS, max_size=3))
    gaps = tuple(Gap(kind=Unjudged.BASELINE, reason=text) for text in draw(TEXTS))
    verdict = make_refusal(*found, reason=draw(TEXT), gaps=gaps)
    error = draw(st.one_of(st.none(), st.builds(PublishError, TEXT, why=TEXT, fix=TEXT)))
    return make_outcome(verdict=verdict, warnings=draw(TEXTS), error=error)


FENCED = re.compile(r"^(`{3,})text\n.*?\n\1$", re.DOTALL | re.MULTILINE)


def unfenced(markdown: str) -> str:
    return FENCED.sub("", markdown)


def assert_is_harmless(markdown: str) -> None:
    """No HTML but our own, tables that keep their shape, nobody notified, and text for a file."""
    prose = unfenced(markdown)
    assert set(re.findall(r"<[^ >]*", prose)) <= {"<code", "</code", "<!--"}
    assert "```" not in prose.replace("\\`", "")
    bars = [
        line.replace("\\\\", "").replace("\\|", "").count("|")
        for line in prose.split("\n")
        if line.startswith("|")
    ]
    assert len(set(bars)) <= 1
    said = re.sub(r"<code>.*?</code>|\]\([^)]*\)|^\| .* \|$", "", prose, flags=re.MULTILINE)
    assert not re.search("@(?!\u200b)", said)
    markdown.encode()


@given(outcomes())
def test_comment__any_text_is_harmless(outcome: Outcome) -> None:
    text = written(outcome)
    assert text.startswith("<!-- ecr-publish: visit-counter-app -->\n")
    assert unfenced(text).count("<!--") == unfenced(text).count("-->") == 1
    assert_is_harmless(text)
    shown = [line for line in unfenced(text).split("\n") if line.startswith("| ")]
    deciding = outcome.verdict.deciding if outcome.verdict else ()
    assert len(shown) == (len(deciding) + 1 if deciding else 0)


def test_decision__each_has_its_mark() -> None:
    marks = {Decision.PASSED: "✅", Decision.REFUSED: "❌", Decision.UNKNOWN: "⚠️"}
    for decision, mark in marks.items():
        verdict = make_verdict(decision=decision, rules=Rules())
        assert f"{mark} <code>{NAME}</code>: " in written(make_outcome(verdict=verdict))
