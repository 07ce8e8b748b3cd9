"""Untrusted text made harmless for where it goes: names of packages, build output, AWS messages."""

from __future__ import annotations

import html
import re
from urllib.parse import quote

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~-])")
_LONGEST_CELL = 200


def log_line(text: str) -> str:
    """Text that the runner prints but never obeys.

    The runner obeys `::name::` at a line's start, after blanks, and `##[name]` anywhere in a line
    (reference/ecr-behaviour.md section 5). A zero-width space breaks both and changes nothing that
    is seen; every line break of the runner becomes a plain one.
    """
    lines = re.split(r"\r\n|\r|\n", text.replace("##[", "##\u200b["))
    return "\n".join(re.sub(r"^(\s*)::", "\\1\u200b::", line) for line in lines)


def cell(text: str) -> str:
    """Text for a Markdown table's cell: no markup, no HTML, no line break, of bounded length."""
    flat = " ".join(text.split())
    short = flat if len(flat) <= _LONGEST_CELL else flat[: _LONGEST_CELL - 1] + "…"
    return _MARKDOWN.sub(r"\\\1", html.escape(short, quote=False))


def code(text: str) -> str:
    """Text as inline code: monospaced, easy to copy, and safe also inside a table."""
    flat = html.escape(" ".join(text.split()), quote=False).replace("|", "&#124;")
    return f"<code>{flat}</code>" if flat else ""


def block(text: str) -> str:
    """Text as a fenced block that it cannot end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def link(text: str, uri: str) -> str:
    """A link in Markdown; only the text where the address is not a plain web address."""
    if not re.match(r"https?://", uri):
        return cell(text)
    return f"[{cell(text)}]({quote(uri, safe=':/?#@!$&+,;=%~-._')})"
