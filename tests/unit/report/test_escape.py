import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecr_publish.report.escape import block, cell, code, link, log_line

# Text of every kind, and text made of what escaping is about, lone surrogates among it.
PIECES = [*"\\`*_[]#|~<>&:-+=(){}!. \n\r\t\0", "\r\n", "::", "##[", "]", "https://", "www.", "</"]
PIECES += ["\u200b", "\u2028", "\x85", "\x0b", "\x1b[2J", "\u202e", "\ud800", "&lt;", "```", "a"]
TEXT = st.one_of(
    st.text(),
    st.text(st.characters(exclude_categories=())),
    st.lists(st.sampled_from(PIECES)).map("".join),
)
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

PUNCTUATION = r"[!-/:-@\[-`{-~]"  # what CommonMark lets a backslash escape
V2_PATTERN = re.compile(r"\s*::")


def runner_lines(text: str) -> list[str]:
    """The lines as .NET's StreamReader splits them, with which the runner reads a step's output."""
    return re.split(r"\r\n|\r|\n", text)


@given(TEXT)
def test_log_line__runner_sees_no_command(text: str) -> None:
    for line in runner_lines(log_line(text)):
        assert not V2_PATTERN.match(line)
        assert "##[" not in line


@given(TEXT)
def test_log_line__nothing_the_terminal_or_the_encoding_minds(text: str) -> None:
    safe = log_line(text)
    assert not CONTROLS.search(safe)
    assert "\r" not in safe
    safe.encode()


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf"))))
def test_log_line__what_is_seen_stays(text: str) -> None:
    assert log_line(text).replace(" ", "") == text.replace(" ", "")


@given(TEXT)
def test_log_line__keeps_the_number_of_lines(text: str) -> None:
    assert len(runner_lines(log_line(text))) == len(runner_lines(text))


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("", ""),
        ("plain: a::b # [c]", "plain: a::b # [c]"),
        ("::error::x", ": :error::x"),
        (" \t::error::x", " \t: :error::x"),
        ("\u3000::error::x", "\u3000: :error::x"),
        ("a\n::error::x", "a\n: :error::x"),
        ("a\r::error::x", "a\n: :error::x"),
        ("a\r\n::error::x\r\n", "a\n: :error::x\n"),
        ("a ##[error]x##[b", "a ## [error]x## [b"),
        ("\u200b\ufeff::error::x", "\u200b\ufeff: :error::x"),
        ("#\u200b#\u200d[error]x", "#\u200b#\u200d [error]x"),
        ("\x1b[2K\x00", "\ufffd[2K\ufffd"),
    ],
)
def test_log_line__examples(text: str, safe: str) -> None:
    assert log_line(text) == safe


def unescaped(markdown: str) -> str:
    """What a reader sees: GFM's backslash escapes and entities undone."""
    return html.unescape(re.sub(rf"\\({PUNCTUATION})", r"\1", markdown))


def bare(markdown: str) -> str:
    """What is left for Markdown to obey, where every escaped character is a letter like others."""
    return re.sub(rf"\\{PUNCTUATION}", "x", markdown)


@given(TEXT)
def test_cell__stays_in_its_cell(text: str) -> None:
    escaped = cell(text)
    assert not re.search(r"[\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]", escaped)
    assert not re.search(r"[|<>`*_\[\]~#\\]", bare(escaped))
    assert not escaped.startswith(("-", "+", "="))


@given(TEXT)
def test_cell__no_entity_of_the_text(text: str) -> None:
    assert set(re.findall(r"&[^;]*;?", cell(text))) <= {"&amp;", "&lt;", "&gt;"}


@given(TEXT)
@example("www..")
def test_cell__no_link_by_itself(text: str) -> None:
    assert "://" not in bare(cell(text))
    assert "www." not in bare(cell(text))


@given(TEXT, st.integers(min_value=1, max_value=300))
def test_cell__what_is_seen_stays(text: str, longest: int) -> None:
    flat = re.sub(r"[\ud800-\udfff]", "\ufffd", CONTROLS.sub("\ufffd", " ".join(text.split())))
    seen = unescaped(cell(text, longest))
    if len(flat) <= longest:
        assert seen == flat
    else:
        assert len(seen) == longest
        assert seen == flat[: longest - 1] + "…"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("", ""),
        ("openssl 3.0.1-r0", "openssl 3.0.1-r0"),
        ("  a\r\n b\tc ", "a b c"),
        ("a|b", r"a\|b"),
        ("a\\|b", r"a\\\|b"),
        ("<script>&amp;", "&lt;script&gt;&amp;amp;"),
        ("[x](javascript:alert(1))", r"\[x\](javascript:alert(1))"),
        ("![x](https://e.example/p.png)", r"!\[x\](https\://e.example/p.png)"),
        ("`*_~#", r"\`\*\_\~\#"),
        ("www.e.example", r"www\.e.example"),
        ("- item", r"\- item"),
        ("a - b", "a - b"),
    ],
)
def test_cell__examples(text: str, escaped: str) -> None:
    assert cell(text) == escaped


@pytest.mark.parametrize(("length", "kept"), [(199, 199), (200, 200), (201, 199)])
def test_cell__longest(length: int, kept: int) -> None:
    assert cell("a" * length) == "a" * kept + ("…" if length > 200 else "")


def test_cell__is_cut_before_it_is_escaped() -> None:
    assert cell("<" * 201) == "&lt;" * 199 + "…"


@given(TEXT)
def test_code__stays_in_its_element(text: str) -> None:
    escaped = code(text)
    if not text.split():
        assert escaped == ""
        return
    inside = escaped.removeprefix("<code>").removesuffix("</code>")
    assert escaped == f"<code>{inside}</code>"
    assert "\n" not in inside
    assert not re.search(r"[|<>`*_\[\]~#\\]", bare(inside))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("", ""),
        (" \n", ""),
        ("registry/team/app:1.4.2-rc.1", "<code>registry/team/app:1.4.2-rc.1</code>"),
        ("_x_|*y*", r"<code>\_x\_\|\*y\*</code>"),
        ("</code><b>", "<code>&lt;/code&gt;&lt;b&gt;</code>"),
        ("a" * 300, f"<code>{'a' * 300}</code>"),
    ],
)
def test_code__examples(text: str, escaped: str) -> None:
    assert code(text) == escaped


@given(TEXT)
def test_block__only_its_last_line_ends_it(text: str) -> None:
    first, *lines = runner_lines(block(text))
    fence = first.removesuffix("text")
    assert set(fence) == {"`"}
    assert len(fence) >= 3
    assert lines[-1] == fence
    # CommonMark: the fence is ended by at least as many backticks as it has, blanks around.
    assert not any(line.strip().startswith(fence) for line in lines[:-1])


@pytest.mark.parametrize(
    ("text", "fenced"),
    [
        ("a\nb", "```text\na\nb\n```"),
        ("a\r\nb\rc", "```text\na\nb\nc\n```"),
        ("``", "```text\n``\n```"),
        ("```\nx", "````text\n```\nx\n````"),
        ("a ````` b", "``````text\na ````` b\n``````"),
        ("\x1b\ud800\t", "```text\n\ufffd\ufffd\t\n```"),
    ],
)
def test_block__examples(text: str, fenced: str) -> None:
    assert block(text) == fenced


@given(TEXT, TEXT)
def test_link__plain_web_address_or_none(text: str, uri: str) -> None:
    made = link(text, uri)
    if made == cell(text):
        return
    match = re.fullmatch(r"\[(.*)\]\((https?://[A-Za-z0-9:/?#@!$&+,;=%~._-]*)\)", made)
    assert match
    assert match[1] == cell(text)
    assert len(match[2]) <= 500


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("https://nvd.nist.gov/vuln/x-1?a=b&c=%20#d", "https://nvd.nist.gov/vuln/x-1?a=b&c=%20#d"),
        ("http://e.example", "http://e.example"),
        ("https://e.example/)[x](y", "https://e.example/%29%5Bx%5D%28y"),
        ("https://e.example/a b\nc", "https://e.example/a%20b%0Ac"),
        ("https://e.example/é\\|<>\"'", "https://e.example/%C3%A9%5C%7C%3C%3E%22%27"),
        ("https://e.example/\ud800", "https://e.example/?"),
        ("https://" + "a" * 492, "https://" + "a" * 492),
    ],
)
def test_link__address(uri: str, address: str) -> None:
    assert link("CVE", uri) == f"[CVE]({address})"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "javascript:alert(1)",
        "JavaScript:alert('https://x')",
        "data:text/html,https://x",
        " https://e.example",
        "\x01javascript:alert(1)//https://",
        "//e.example",
        "ftp://e.example",
        "https:e.example",
        "https://" + "a" * 493,
        "https://" + "é" * 100,
    ],
)
def test_link__text_alone(uri: str) -> None:
    assert link("C_V_E", uri) == r"C\_V\_E"
