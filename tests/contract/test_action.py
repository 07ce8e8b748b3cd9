"""The three actions, inputs.py, the outputs, the README and the recipes say the same."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecr_publish.errors import ExitCode
from ecr_publish.inputs import PREFIX, Inputs, Job, ReportInputs, parse, variable
from ecr_publish.report.outputs import outputs
from tests.factories import make_digest, make_outcome

CHECKOUT = Path(__file__).parents[2]
FILES = {
    Job.PUBLISH: "action.yml",
    Job.GATE: "gate/action.yml",
    Job.MERGE: "merge/action.yml",
}
TEXTS = {job: (CHECKOUT / path).read_text() for job, path in FILES.items()}
ACTIONS: dict[Job, dict[str, Any]] = {job: yaml.safe_load(text) for job, text in TEXTS.items()}
README = (CHECKOUT / "README.md").read_text()
RECIPES = (CHECKOUT / "docs/recipes.md").read_text()
FIELDS = [field.name.replace("_", "-") for field in fields(Inputs)]

each = pytest.mark.parametrize("job", list(Job), ids=lambda job: job.value)


def step(job: Job) -> dict[str, Any]:
    (only,) = ACTIONS[job]["runs"]["steps"]
    assert isinstance(only, dict)
    return only


def table(heading: str, document: str = README) -> dict[str, str]:
    """The table below a heading of the README, as first column -> second."""
    section = document.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)
    return {name.strip("`"): meaning for name, meaning in rows[1:]}


def described(job: Job, part: str) -> dict[str, str]:
    return {name: item["description"] for name, item in ACTIONS[job][part].items()}


def test_actions__there_is_one_for_each_job() -> None:
    assert set(FILES) == set(Job)
    assert {str(path.relative_to(CHECKOUT)) for path in CHECKOUT.glob("*/action.yml")} | {
        "action.yml"
    } == set(FILES.values())


@each
def test_inputs__each_is_one_of_the_code_in_its_order(job: Job) -> None:
    declared = ACTIONS[job]["inputs"]
    assert list(declared) == [name for name in FIELDS if name in declared]
    assert "job" not in declared


def test_inputs__each_of_the_code_is_one_of_an_action() -> None:
    declared = {name for action in ACTIONS.values() for name in action["inputs"]}
    assert {*declared, "job"} == set(FIELDS)


@each
def test_inputs__each_reaches_python_under_its_own_name(job: Job) -> None:
    own = {} if job is Job.PUBLISH else {variable("job"): job.value}
    declared = ACTIONS[job]["inputs"]
    handed = {variable(name): f"${{{{ inputs.{name} }}}}" for name in declared}
    assert step(job)["env"] == own | handed


@each
def test_s1_inputs__code_takes_the_action_for_what_it_is(job: Job) -> None:
    # The constants of the action alone decide it, with what is required and nothing else given.
    given = {
        "repository": "app",
        "reference": "1.4.2",
        "digests": f"{make_digest('amd')}\n{make_digest('arm')}",
    }
    constants = {name: text for name, text in step(job)["env"].items() if "${{" not in text}
    handed = {
        variable(name): given[name]
        for name, item in ACTIONS[job]["inputs"].items()
        if item["required"]
    }
    assert parse({"AWS_REGION": "eu-west-1"} | constants | handed).job is job


@each
def test_inputs__have_no_default_in_the_action(job: Job) -> None:
    # An empty input is one that was not given, so that the code alone knows the defaults. But the
    # job's token reaches a step by an expression only, and never without being asked for.
    declared = ACTIONS[job]["inputs"]
    defaults = {name: item["default"] for name, item in declared.items() if "default" in item}
    assert defaults == {"github-token": "${{ github.token }}"}


@each
def test_reports__each_action_has_all_of_them(job: Job) -> None:
    ours = {field.name.replace("_", "-") for field in fields(ReportInputs)}
    assert ours <= set(ACTIONS[job]["inputs"])
    assert {"report-file", "sarif-file"} <= set(ACTIONS[job]["outputs"])


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (Job.PUBLISH, ["repository"]),
        (Job.GATE, ["repository", "reference"]),
        (Job.MERGE, ["repository", "digests"]),
    ],
)
def test_inputs__required_are_the_repository_and_the_image(job: Job, expected: list[str]) -> None:
    declared = ACTIONS[job]["inputs"]
    assert [name for name, item in declared.items() if item["required"]] == expected


@each
def test_inputs__none_that_is_undeclared_is_used(job: Job) -> None:
    used = set(re.findall(r"inputs\.([\w-]+)", TEXTS[job]))
    assert used == set(ACTIONS[job]["inputs"])


@pytest.mark.parametrize("part", ["inputs", "outputs"])
def test_descriptions__of_one_name_are_one(part: str) -> None:
    said: dict[str, set[str]] = {}
    for job in Job:
        for name, description in described(job, part).items():
            said.setdefault(name, set()).add(description)
    assert {name: texts for name, texts in said.items() if len(texts) > 1} == {}


def test_inputs__readme_describes_each() -> None:
    assert table("Inputs") == described(Job.PUBLISH, "inputs")


@pytest.mark.parametrize(
    ("job", "heading"),
    [
        (Job.GATE, "The gate alone"),
        (Job.MERGE, "Several platforms from native runners"),
    ],
)
def test_inputs__recipe_describes_what_the_main_action_lacks(job: Job, heading: str) -> None:
    lacking = {
        name: description
        for name, description in described(job, "inputs").items()
        if name not in ACTIONS[Job.PUBLISH]["inputs"]
    }
    assert lacking
    assert table(heading, RECIPES) == lacking


@each
def test_outputs__action_and_code_have_the_same(job: Job) -> None:
    assert list(ACTIONS[job]["outputs"]) == list(outputs(make_outcome()))


@each
def test_outputs__each_comes_from_the_step(job: Job) -> None:
    declared = ACTIONS[job]["outputs"]
    expected = {name: f"${{{{ steps.{step(job)['id']}.outputs.{name} }}}}" for name in declared}
    assert {name: item["value"] for name, item in declared.items()} == expected


def test_outputs__readme_describes_each() -> None:
    assert table("Outputs") == described(Job.PUBLISH, "outputs")


def test_exit_codes__readme_names_each() -> None:
    assert {int(code) for code in table("Exit codes")} == {int(code) for code in ExitCode}


@each
def test_s3__no_expression_stands_inside_a_script(job: Job) -> None:
    assert "${{" not in step(job)["run"]


@pytest.mark.parametrize(
    ("job", "start"),
    [
        (Job.PUBLISH, "$GITHUB_ACTION_PATH/start.sh"),
        (Job.GATE, "$GITHUB_ACTION_PATH/../start.sh"),
        (Job.MERGE, "$GITHUB_ACTION_PATH/../start.sh"),
    ],
)
def test_start__is_the_one_script_of_all(job: Job, start: str) -> None:
    assert step(job)["run"] == f'exec "{start}"'
    path = start.replace("$GITHUB_ACTION_PATH", str((CHECKOUT / FILES[job]).parent))
    assert Path(path).resolve() == CHECKOUT / "start.sh"


def test_start__has_one_variable_of_its_own_that_is_no_input() -> None:
    script = (CHECKOUT / "start.sh").read_text()
    assert set(re.findall(rf"{PREFIX}\w+", script)) == {f"{PREFIX}STARTED"}
    assert f"{PREFIX}STARTED" not in map(variable, FIELDS)


def test_start__on_a_bash_without_a_clock_goes_on_to_the_next_line() -> None:
    script = f"unset EPOCHREALTIME; source {CHECKOUT / 'start.sh'}"
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "RUNNER_TEMP: is set by the runner" in done.stderr
