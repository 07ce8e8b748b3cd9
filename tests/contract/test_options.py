"""The commands of a terminal have the inputs of the actions, and say of them what those say."""

from __future__ import annotations

import re

import pytest

from ecr_publish.inputs import Job
from ecr_publish.options import options
from tests.contract.test_action import ACTIONS, CHECKOUT, FILES, TEXTS, described

each = pytest.mark.parametrize("job", list(Job), ids=lambda job: job.value)
PYPROJECT = (CHECKOUT / "pyproject.toml").read_text("utf-8")


@each
def test_options__each_is_an_input_with_its_description(job: Job) -> None:
    found = [option for group in options(TEXTS[job]).values() for option in group]
    assert {option.name: option.meaning for option in found} == described(job, "inputs")
    assert [option.name for option in found] == list(ACTIONS[job]["inputs"])


def test_package__brings_the_description_of_each() -> None:
    brought = dict(re.findall(r'^"(.*action\.yml)" = "(.*)"$', PYPROJECT, re.MULTILINE))
    assert brought == {file: f"ecr_publish/actions/{job.value}.yml" for job, file in FILES.items()}


def test_local__has_what_the_developers_local_ecr_has() -> None:
    (extra,) = re.findall(r'^local = \["(.*)"\]', PYPROJECT, re.MULTILINE)
    assert f'  "{extra}",\n' in PYPROJECT
