"""Golden files: what a renderer is expected to write, to be read and reviewed like code."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.golden import GOLDEN

RENEW = "RENEW_GOLDEN"


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares a text with a golden file, or writes that file where RENEW_GOLDEN=1 asks for it."""

    def check(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get(RENEW) == "1":
            path.write_bytes(text.encode())
            pytest.skip(f"{path.name} was renewed; read its difference before you commit it")
        assert text == path.read_bytes().decode(), f"if this is wanted: {RENEW}=1"

    return check
