"""HTML in which text stays text: whatever `element` has not made itself is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

from ecr_publish.report.escape import printable

_LONGEST_ADDRESS = 2000
_LONGEST_TEXT = 300
"""Of one cell; only hostile names and the commands of layers are longer. The CSV has all of it."""


class Html(str):
    """Markup of our own. A str that is not Html is somebody's text."""

    __slots__ = ()


def text(raw: str) -> Html:
    """Text for the inside of an element; Html stays what it is."""
    return raw if isinstance(raw, Html) else Html(_escaped(raw))


def element(name: str, /, *content: str, **attributes: str) -> Html:
    """An element with its end. An attribute `class_` is written class, `aria_label` aria-label."""
    return Html(f"{void(name, **attributes)}{''.join(map(text, content))}</{name}>")


def streamed(name: str, content: Iterable[str], /, **attributes: str) -> Iterator[Html]:
    """The same element in pieces, each as it is taken."""
    yield void(name, **attributes)
    yield from map(text, content)
    yield Html(f"</{name}>")


def void(name: str, /, **attributes: str) -> Html:
    """An element that has no content and no end."""
    written = (
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{''.join(written)}>")


def lines(*parts: str) -> Html:
    """Parts below one another, for whoever reads the source; empty ones are left out."""
    return Html("\n".join(map(text, filter(None, parts))))


def link(said: str, uri: str) -> Html:
    """A link; only the text where the address is not a plain web address of a sane length."""
    address = quote(uri, safe=":/?#@!$&+,;=%~-._", errors="replace")
    if not re.match(r"https?://", address) or len(address) > _LONGEST_ADDRESS:
        return text(said)
    return element("a", said, href=address, rel="noreferrer")


def short(raw: str) -> str:
    """Text of bounded length; markup is never cut."""
    fits = isinstance(raw, Html) or len(raw) <= _LONGEST_TEXT
    return raw if fits else f"{raw[: _LONGEST_TEXT - 1]}…"


def _escaped(raw: str) -> str:
    """The one place where HTML is escaped."""
    return html.escape(printable(raw))
