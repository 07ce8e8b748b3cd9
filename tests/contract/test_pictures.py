"""The pictures in the docs show what the reports look like now."""

from __future__ import annotations

import json

from dev.pictures import CHECKOUT, DIGESTS, PICTURES, digests, reports


def test_pictures__are_current() -> None:
    current = json.loads(DIGESTS.read_text("utf-8"))
    assert digests(reports()) == current, "draw them anew: make pictures"


def test_pictures__are_shown() -> None:
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    docs = (CHECKOUT / "docs/reports.md").read_text("utf-8")
    drawn = [path.name for path in PICTURES.glob("*.png")]
    assert len(drawn) == 2 * len(reports())
    assert not [name for name in drawn if f"pictures/{name}" not in readme + docs]
