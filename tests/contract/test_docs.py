"""What README and docs show is there: code is of files that CI checks, links lead somewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sysconfig
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

CHECKOUT = Path(__file__).parents[2]
README = CHECKOUT / "README.md"
DOCS = sorted((CHECKOUT / "docs").rglob("*.md"))
PAGES = [
    README,
    *DOCS,
    *sorted((CHECKOUT / "examples").rglob("*.md")),
    CHECKOUT / "tests/README.md",
]
TROUBLESHOOTING = CHECKOUT / "docs/troubleshooting.md"
SHOWN = ("yaml", "hcl")
SOURCES = [
    path
    for folder in ("examples", "docs/setup")
    for ending in ("yml", "yaml", "hcl", "tf")
    for path in sorted((CHECKOUT / folder).rglob(f"*.{ending}"))
]
JOB = "on: push\njobs:\n  publish:\n"
RUNS_ON = "    runs-on: ubuntu-latest\n"
STEPS = "    steps:\n      - run: make\n"
STEP = "      - uses: org/ecr-publish@v1\n        with:\n"
NOT_RUN = {"github-cache.yml": "only GitHub has its cache"}
"""Workflows that act cannot run, each with the reason."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A piece of code on a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{_name(self.page)}:{self.line}"


def _name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@cache
def tokens(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text("utf-8"))


def blocks(*pages: Path) -> list[Block]:
    return [
        Block(page=page, line=token.map[0] + 1, language=token.info.strip(), text=token.content)
        for page in pages
        for token in tokens(page)
        if token.type == "fence" and token.map
    ]


def of(*languages: str) -> list[Block]:
    return [block for block in blocks(README, *DOCS) if block.language in languages]


def excerpted() -> list[Block]:
    """The code that is of a file; an error's own YAML is a piece for a workflow of the reader's."""
    return [block for block in of(*SHOWN) if block.page != TROUBLESHOOTING]


def pieces() -> list[Block]:
    return [block for block in of("yaml") if block.page == TROUBLESHOOTING]


def completed(block: Block) -> str:
    """A workflow with this piece where its indentation says, and no more than it needs."""
    depth = len(block.text) - len(block.text.lstrip(" "))
    job = "".join(line for line in (RUNS_ON, STEPS) if line.split(":")[0] not in block.text)
    return {
        0: f"{block.text}{JOB}{RUNS_ON}{STEPS}",
        4: f"{JOB}{block.text}{job}",
        6: f"{JOB}{RUNS_ON}{STEPS}{block.text}",
        10: f"{JOB}{RUNS_ON}{STEPS}{STEP}{block.text}",
    }[depth]


def unknown_inputs(steps: list[dict[str, Any]]) -> set[str]:
    known = yaml.safe_load((CHECKOUT / "action.yml").read_text("utf-8"))["inputs"]
    ours = (step for step in steps if step.get("uses", "").startswith("org/ecr-publish@"))
    return {name for step in ours for name in step.get("with", {}) if name not in known}


def excerpts(text: str, length: int) -> Iterator[str]:
    """All pieces of so many lines, as they look without their common indentation."""
    lines = text.splitlines()
    for first in range(len(lines) - length + 1):
        yield textwrap.dedent("\n".join(lines[first : first + length]))


def is_of_a_file(block: Block) -> bool:
    wanted = textwrap.dedent(block.text).rstrip("\n")
    length = len(wanted.splitlines())
    return any(wanted in excerpts(path.read_text("utf-8"), length) for path in SOURCES)


@pytest.mark.parametrize("block", excerpted(), ids=str)
def test_code__is_an_excerpt_of_a_real_file(block: Block) -> None:
    assert is_of_a_file(block), f"{block} is in no file of examples/ or docs/setup/"


@pytest.mark.parametrize("block", pieces(), ids=str)
def test_pieces__make_a_workflow_that_lint_takes(block: Block) -> None:
    """What the troubleshooting says to paste fits where its indentation says."""
    text = completed(block)
    done = subprocess.run(
        [Path(sysconfig.get_path("scripts"), "actionlint"), "-no-color", "-"],
        input=text,
        text=True,
        capture_output=True,
        check=False,
        cwd=CHECKOUT,
    )
    assert done.returncode == 0, done.stdout + text
    for job in yaml.safe_load(text)["jobs"].values():
        assert unknown_inputs(job["steps"]) == set()


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json__can_be_parsed(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_shell__can_be_parsed(block: Block) -> None:
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(
        [bash, "-n"], input=block.text, text=True, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_code__has_a_language_that_somebody_checks() -> None:
    known = {*SHOWN, "json", "sh", "console", "mermaid", "text"}
    assert [str(it) for it in blocks(README, *DOCS) if it.language not in known] == []


def test_examples__each_workflow_is_one_that_lint_reads() -> None:
    lint = re.search(
        r"^WORKFLOWS = \$\(wildcard (.*)\)$", (CHECKOUT / "Makefile").read_text(), re.M
    )
    assert lint
    patterns = lint[1].replace("$(EXAMPLE)", "examples/visit-counter-app").split()
    read = {path for pattern in patterns for path in CHECKOUT.glob(pattern)}
    policies = set((CHECKOUT / "examples/policy").iterdir())
    rest = {path for path in SOURCES if path.suffix == ".yml" and "examples" in path.parts}
    assert rest - read - policies == set()


def workflows() -> list[Path]:
    return sorted((CHECKOUT / "examples/workflows").glob("*.yml"))


@pytest.mark.parametrize("path", workflows(), ids=lambda path: path.name)
def test_examples__each_workflow_is_run_by_act(path: Path) -> None:
    tests = "".join(it.read_text("utf-8") for it in (CHECKOUT / "tests/e2e").glob("test_*.py"))
    assert (f'"{path.name}"' in tests) is (path.name not in NOT_RUN)


@pytest.mark.parametrize("path", workflows(), ids=lambda path: path.name)
def test_examples__each_workflow_is_found_from_the_docs(path: Path) -> None:
    assert any(path.name in page.read_text("utf-8") for page in (README, *DOCS))


def targets(page: Path) -> Iterator[str]:
    """Where a page's links and pictures lead."""
    html = ("html_block", "html_inline")
    for token in tokens(page):
        for part in (token, *(token.children or ())):
            yield from (str(part.attrs[name]) for name in ("href", "src") if name in part.attrs)
            if part.type in html:
                yield from re.findall(r'(?:href|src|srcset)="([^"]*)"', part.content)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings, and those that it has by itself."""
    found: set[str] = set()
    given: dict[str, int] = {}
    everything = tokens(page)
    for opened, inline in pairwise(everything):
        if opened.type == "heading_open":
            slug = _slug("".join(part.content for part in inline.children or ()))
            number = given[slug] = given.get(slug, -1) + 1
            found.add(f"{slug}-{number}" if number else slug)
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', page.read_text("utf-8")))


def _slug(heading: str) -> str:
    """GitHub's own way: small letters, no punctuation but these two, a dash for each blank."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def links() -> list[tuple[Path, str]]:
    return [
        (page, target)
        for page in PAGES
        for target in dict.fromkeys(targets(page))
        if not re.match(r"[a-z]+:", target)
    ]


@pytest.mark.parametrize(
    ("page", "target"), links(), ids=lambda it: it if isinstance(it, str) else _name(it)
)
def test_links__lead_to_a_file_and_an_anchor_that_are_there(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    assert there.exists(), f"{_name(page)} links to {target}"
    if anchor:
        assert anchor in anchors(there), f"{_name(page)} links to {target}"


def said() -> list[str]:
    """The words by which the README's troubleshooting finds an error."""
    section = README.read_text("utf-8").partition("\n## Troubleshooting\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| .+ \|$", section, re.MULTILINE)
    return rows[1:]


@pytest.mark.parametrize("words", said())
def test_troubleshooting__quotes_what_an_error_says(words: str) -> None:
    pattern = re.compile(".*".join(map(re.escape, words.split(" … "))))
    golden = (path for path in (CHECKOUT / "tests/golden").rglob("*") if path.is_file())
    assert any(pattern.search(path.read_text("utf-8")) for path in golden)


def test_troubleshooting__names_ten() -> None:
    assert len(said()) == 10
