"""action.yml, inputs.py, the outputs and the README say the same."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from ecr_publish.errors import ExitCode
from ecr_publish.inputs import PREFIX, names, variable
from ecr_publish.report.outputs import outputs
from tests.factories import make_outcome

CHECKOUT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((CHECKOUT / "action.yml").read_text())
README = (CHECKOUT / "README.md").read_text()
(STEP,) = ACTION["runs"]["steps"]


def table(heading: str) -> dict[str, str]:
    """The first table below a heading of the README, as first column -> second."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", section, re.MULTILINE)
    return {name.strip("`"): meaning for name, meaning in rows[1:]}


def described(part: str) -> dict[str, str]:
    return {name: item["description"] for name, item in ACTION[part].items()}


def test_inputs__action_and_code_have_the_same() -> None:
    assert tuple(ACTION["inputs"]) == names()


def test_inputs__each_reaches_python_under_its_own_name() -> None:
    assert STEP["env"] == {variable(name): f"${{{{ inputs.{name} }}}}" for name in names()}


def test_inputs__have_no_default_in_the_action() -> None:
    # An empty input is one that was not given, so that the code alone knows the defaults.
    assert [name for name, item in ACTION["inputs"].items() if "default" in item] == []


def test_inputs__only_the_repository_is_required() -> None:
    required = [name for name, item in ACTION["inputs"].items() if item["required"]]
    assert required == ["repository"]


def test_inputs__none_that_is_undeclared_is_used() -> None:
    text = (CHECKOUT / "action.yml").read_text()
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])


def test_inputs__readme_describes_each() -> None:
    assert table("Inputs") == described("inputs")


def test_outputs__action_and_code_have_the_same() -> None:
    assert list(ACTION["outputs"]) == list(outputs(make_outcome()))


def test_outputs__each_comes_from_the_step() -> None:
    expected = {name: f"${{{{ steps.{STEP['id']}.outputs.{name} }}}}" for name in ACTION["outputs"]}
    assert {name: item["value"] for name, item in ACTION["outputs"].items()} == expected


def test_outputs__readme_describes_each() -> None:
    assert table("Outputs") == described("outputs")


def test_exit_codes__readme_names_each() -> None:
    assert {int(code) for code in table("Exit codes")} == {int(code) for code in ExitCode}


def test_s3__no_expression_stands_inside_a_script() -> None:
    assert "${{" not in STEP["run"]


def test_prefix__is_used_by_nothing_but_inputs_and_the_start() -> None:
    start = (CHECKOUT / "start.sh").read_text()
    assert set(re.findall(rf"{PREFIX}\w+", start)) == {f"{PREFIX}STARTED"}


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
