"""Microsoft's own validator of SARIF, with its rules for GitHub, over what is written.

It is an npm package and no part of the locked tools, so these tests run only where it is there:
`npm install --prefix D @microsoft/sarif-multitool` and SARIF_MULTITOOL naming the program
`Sarif.Multitool` below D/node_modules, made executable.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.report.test_sarif import CASES, mixed, sarif

PROGRAM = "SARIF_MULTITOOL"
pytestmark = pytest.mark.skipif(
    PROGRAM not in os.environ, reason=f"{PROGRAM} names no Sarif.Multitool"
)
_NO_ADDRESS = "SARIF2005"
"""Asks for an address of the project, and it has none yet."""


def complaints(folder: Path, text: str) -> set[str]:
    """The rules that an error or a warning of the validator names; its exit code says nothing."""
    given, found = folder / "given.sarif", folder / "found.sarif"
    given.write_text(text)
    options = ("--rule-kind", "Sarif;Ghas", "--level", "Error;Warning", "--output", str(found))
    subprocess.run(
        [os.environ[PROGRAM], "validate", str(given), *options],
        check=True,
        capture_output=True,
        timeout=120,
    )
    (run,) = json.loads(found.read_text("utf-8-sig"))["runs"]
    assert run["invocations"][0]["executionSuccessful"]
    return {result["ruleId"].partition("/")[0] for result in run["results"]} - {_NO_ADDRESS}


@pytest.mark.parametrize("name", CASES)
def test_sarif__satisfies_the_validator(name: str, tmp_path: Path) -> None:
    assert complaints(tmp_path, sarif(CASES[name]())) == set()


def test_sarif__satisfies_the_validator_with_many_findings(tmp_path: Path) -> None:
    assert complaints(tmp_path, sarif(mixed(500))) == set()


def test_validator__finds_what_is_wrong(tmp_path: Path) -> None:
    text = sarif(mixed(1)).replace('"uri":"Dockerfile"', '"uri":"a b"')
    assert complaints(tmp_path, text) == {"SARIF1002"}
