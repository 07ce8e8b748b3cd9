"""Every error has a scenario, a golden file and a section in docs/troubleshooting.md."""

from __future__ import annotations

import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dev.act import CHECKOUT
from ecr_publish import errors, push
from ecr_publish.errors import CallFailed, GitHubFailed, PublishError, PushFailed, anchor
from tests.failures import SCENARIOS, Scenario
from tests.golden import GOLDEN

DOCS = (CHECKOUT / errors.TROUBLESHOOTING).read_text("utf-8")
TEXTS = {path.stem: path.read_text("utf-8") for path in sorted(GOLDEN.glob("errors/*.txt"))}
KINDS: dict[type[Exception], tuple[str, ...]] = {
    CallFailed: errors.CALL_KINDS,
    PushFailed: tuple(cause.kind for cause in push.CAUSES),
}
"""Of the errors of which each kind is explained by itself."""

SECTION = re.compile(
    r'^<a id="(?P<anchor>[^"]+)"></a>\n\n(?P<heads>(?:### [^\n]*\n\n)+)'
    r"(?P<body>.*?)(?=^<a |^## |\Z)",
    re.DOTALL | re.MULTILINE,
)
SECTIONS = {found["anchor"]: found for found in SECTION.finditer(DOCS)}
JSON = re.compile(r"^( *)\{(?:.*\}|\n(?:\1 .*\n)+\1\})$", re.MULTILINE)
INDENTED = re.compile(r"(?:^ {4}.*\n)+", re.MULTILINE)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = ("aws", "docker", "ecr-publish", "export", "gh", "journalctl", "pipx", "python", "uv")
OF_A_JOB = {"concurrency", "env", "if", "permissions", "runs-on", "steps", "strategy"}
OF_A_JOB |= {"timeout-minutes"}
OF_A_TOKEN = {"sub", "aud", "repository", "ref", "environment", "job_workflow_ref", "role"}
OF_A_BUILDER = {"driver-opts"}


def classes(root: type[Exception] = PublishError) -> Iterator[type[Exception]]:
    """Every error of the product."""
    for one in root.__subclasses__():
        if one.__module__.startswith("ecr_publish."):
            yield one
        yield from classes(one)


ANCHORS = [
    anchor(one.__name__, kind)
    for one in (*dict.fromkeys(classes()), GitHubFailed)
    for kind in KINDS.get(one, ("",))
]


@pytest.mark.parametrize("place", ANCHORS)
def test_error__is_brought_about_and_explained(place: str) -> None:
    assert place in {scenario.anchor for scenario in SCENARIOS}, "write one in tests/failures.py"
    assert place in SECTIONS, f"explain it in {errors.TROUBLESHOOTING}"


def test_troubleshooting__explains_errors_only_and_each_once() -> None:
    places = re.findall(r'<a id="([^"]+)"></a>', DOCS)
    assert sorted(places) == sorted(ANCHORS)
    assert [*SECTIONS] == places
    assert len({*places}) == len(places)


def test_golden__one_of_each_scenario_and_no_other() -> None:
    names = [scenario.name for scenario in SCENARIOS]
    assert sorted(names) == sorted(TEXTS)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_error__is_found_in_the_docs_by_its_text(scenario: Scenario) -> None:
    first, *advice, last = TEXTS[scenario.name].splitlines()
    assert advice
    assert f"{errors.address(scenario.error.__name__, scenario.kind)}" in last.split()
    what = re.sub(r"^(Not published|Published in part|Note|A report could .*?): ", "", first)
    heads = re.findall("^### (.*)$", SECTIONS[scenario.anchor]["heads"], re.MULTILINE)
    patterns = [re.escape(head).replace("…", ".+") for head in heads]
    assert [pattern for pattern in patterns if re.fullmatch(pattern, what)]


@pytest.mark.parametrize("place", SECTIONS)
def test_section__has_causes_something_to_paste_and_a_page(place: str) -> None:
    body = SECTIONS[place]["body"]
    assert re.search(r"^1\. ", body, re.MULTILINE)
    assert FENCED.search(body)
    assert re.search(r"^\[[^\]]+\]\(", body, re.MULTILINE)


@pytest.mark.parametrize("name", TEXTS)
def test_golden__what_is_to_be_pasted_can_be(name: str) -> None:
    for found in JSON.finditer(TEXTS[name]):
        assert json.loads(found[0])
    others = JSON.sub("", TEXTS[name])
    for block in INDENTED.findall(others):
        check(textwrap.dedent(block))
    rest = INDENTED.sub("", others)
    assert not re.search(r"^ *[{}\[\]]", rest, re.MULTILINE), "JSON that is not whole"


@pytest.mark.parametrize("place", SECTIONS)
def test_section__what_is_to_be_pasted_can_be(place: str) -> None:
    for language, text in FENCED.findall(SECTIONS[place]["body"]):
        if language == "json":
            assert json.loads(text)
        else:
            assert (language == "sh") is is_command(text)
            check(textwrap.dedent(text))


def is_command(text: str) -> bool:
    return text.split(maxsplit=1)[0] in COMMANDS


def check(text: str) -> None:
    """Commands that a shell can read, or YAML of words that a workflow knows."""
    if is_command(text):
        for line in text.replace("\\\n", "").splitlines():
            assert shlex.split(line)[0] in COMMANDS
        return
    content = yaml.safe_load(text)
    assert isinstance(content, (dict, list))
    if isinstance(content, dict):
        assert {*content} <= inputs() | OF_A_JOB | OF_A_TOKEN | OF_A_BUILDER
    else:
        assert all({*step} <= {"uses", "run", "id", "with"} for step in content)


def inputs() -> set[str]:
    """Of the three actions."""
    found = [yaml.safe_load(path.read_text("utf-8")) for path in actions()]
    return {name for action in found for name in action["inputs"]}


def actions() -> list[Path]:
    return [CHECKOUT / folder / "action.yml" for folder in ("", "gate", "merge")]


def test_troubleshooting__leads_to_what_is_there() -> None:
    for target, place in re.findall(r"\]\((?!https://)([^)#]*)(#[^)]+)?\)", DOCS):
        path = CHECKOUT / "docs" / target if target else CHECKOUT / errors.TROUBLESHOOTING
        assert path.exists(), target
        if place:
            heads = re.findall("^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
            known = {*SECTIONS, *(head.lower().replace(" ", "-") for head in heads)}
            assert place[1:] in known, (target, place)


def test_address__leads_to_the_docs() -> None:
    file, _, place = errors.address("RoleRefused").partition("#")
    path = file.removeprefix(f"{errors.HOME}/blob/main/")
    assert (CHECKOUT / path).read_text("utf-8") == DOCS
    assert place in SECTIONS
