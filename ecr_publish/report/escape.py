"""Untrusted text made harmless for where it goes: names of packages, build output, AWS messages."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

# What means something anywhere, what does so at the start only, and what GitHub makes links of.
_MARKDOWN = re.compile(r"[\\`*_\[\]#|~]|^[-+=]|:(?=//)|(?<=www)\.")
# Control characters (a terminal obeys them), lone surrogates (no file takes them) and what turns
# the direction of writing (it shows a text that is not there). Not tab, \n, \r.
_UNPRINTABLE = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
)
_AT_THE_START = re.compile(r"^([^!-~]*)::")
_ANYWHERE = re.compile(r"#([^!-~]*)#([^!-~]*)\[")
_BREAK = re.compile(r"\r\n|\r|\n")
_LONGEST_CELL = 200
_LONGEST_ADDRESS = 500


def log_line(text: str) -> str:
    """Text that the runner prints but never obeys.

    The runner obeys `::name::` at a line's start, after blanks, and `##[name]` anywhere in a line
    (reference/ecr-behaviour.md section 5). A blank breaks both. It compares as the culture does,
    which overlooks zero-width characters, so whatever is not plain ASCII counts as nothing here.
    """
    lines = _BREAK.split(_ANYWHERE.sub(r"#\1#\2 [", printable(text)))
    return "\n".join(_AT_THE_START.sub(r"\1: :", line) for line in lines)


def cell(text: str, longest: int = _LONGEST_CELL) -> str:
    """Text on one line of Markdown, also in a table: no markup, no HTML, of bounded length."""
    flat = _flat(text)
    return _escaped(flat if len(flat) <= longest else flat[: longest - 1] + "…")


def code(text: str) -> str:
    """Text as inline code: monospaced, easy to copy, and safe also inside a table."""
    # Markdown is obeyed between HTML tags too, so that <code> alone would protect nothing.
    flat = _escaped(_flat(text))
    return f"<code>{flat}</code>" if flat else ""


def block(text: str) -> str:
    """Text as a fenced block that it cannot end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "\n".join(_BREAK.split(printable(text)))
    return f"{fence}text\n{lines}\n{fence}"


def link(text: str, uri: str) -> str:
    """A link in Markdown; only the text where the address is not a plain and short web address."""
    address = quote(uri, safe=":/?#@!$&+,;=%~-._", errors="replace")
    if not re.match(r"https?://", address) or len(address) > _LONGEST_ADDRESS:
        return cell(text)
    return f"[{cell(text)}]({address})"


def _escaped(flat: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", html.escape(flat, quote=False))


def _flat(text: str) -> str:
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Text without what a terminal obeys, no file takes, or shows another text than there is."""
    # Python calls none of it printable, and says that of almost any text at once.
    return text if text.isprintable() else _UNPRINTABLE.sub("\ufffd", text)
