"""docs/policy.md explains the example in examples/policy, and what it shows is what happens."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dev.act import CHECKOUT

DOCS = (CHECKOUT / "docs/policy.md").read_text("utf-8")
EXAMPLE = CHECKOUT / "examples/policy"


def example() -> tuple[list[str], str]:
    """The command that the docs show, without the program, and what they say it prints."""
    shown = re.search(r"```console\n\$ python (.*?[^\\])\n(.*?)```", DOCS, re.DOTALL)
    assert shown
    return shown[1].replace("\\\n", " ").split(), shown[2]


def test_example__prints_what_the_docs_show() -> None:
    arguments, printed = example()
    done = subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.stdout == printed
    assert (done.returncode, done.stderr) == (9, "")


@pytest.mark.parametrize("name", ["organisation.yml", "ecr-publish.yml"])
def test_example__is_explained_line_by_line(name: str) -> None:
    lines = [line.strip() for line in (EXAMPLE / name).read_text("utf-8").splitlines()]
    explained = re.findall(r"^\| `(.*?)` \|", DOCS.partition(f"| `{name}` |")[2], re.MULTILINE)
    assert not [line for line in lines if not line.startswith("#") and line not in explained]


def test_example__shows_every_ground() -> None:
    arguments, printed = example()
    assert "--today" in arguments
    judged = [line for line in printed.splitlines() if line.startswith(("refused", "allowed"))]
    places = {re.sub(r".*\((.*)\)|.*", r"\1", line) for line in judged}
    assert len(judged) == 12
    assert len(places) >= 11, places


def test_example__is_found_from_the_docs() -> None:
    for target in re.findall(r"\]\((\.\./[^)#]+)", DOCS):
        assert (Path(CHECKOUT, "docs") / target).exists(), target
