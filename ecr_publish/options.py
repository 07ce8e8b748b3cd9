"""An action.yml -> the options of its command; what was given -> the inputs' variables.

The action's file is where each input is described. Its names are those of `Inputs`, and so is what
can be given several times (tests/contract/test_options.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from ecr_publish.errors import InvalidInputs
from ecr_publish.inputs import (
    OIDC,
    AwsInputs,
    GateInputs,
    ImageInputs,
    Inputs,
    Job,
    ReportInputs,
    TagInputs,
    variable,
)

GROUPS = {
    "AWS and the repository": AwsInputs,
    "the image": ImageInputs,
    "tags": TagInputs,
    "the gate": GateInputs,
    "reports": ReportInputs,
}
_INPUT = re.compile(r'^  ([a-z-]+):\n    description: (".*")$', re.MULTILINE)
_KINDS = {field.name: str(field.type) for field in fields(Inputs)}
_SECRET = {
    "secrets": "or use --secret-envs or --secret-files",
    "github-token": "which only --check-run and --comment need",
}
"""What stands in no command line, as every user of the machine can read those."""
_ON_GITHUB = ("check-run", "comment")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option. `many` may be given several times; a `switch` needs no value to be true."""

    name: str
    meaning: str
    many: bool
    switch: bool


def options(action: str) -> dict[str, tuple[Option, ...]]:
    """The options of an action, by the titles of their groups.

    Args:
        action: The text of its action.yml.
    """
    declared = action.partition("\ninputs:\n")[2].partition("\noutputs:\n")[0]
    meanings = {name: json.loads(meaning) for name, meaning in _INPUT.findall(declared)}
    return {
        title: tuple(
            _option(name, meanings[name])
            for field in fields(group)
            if (name := field.name.replace("_", "-")) in meanings
        )
        for title, group in GROUPS.items()
    }


def _option(name: str, meaning: str) -> Option:
    kind = _KINDS[name.replace("-", "_")]
    return Option(
        name=name,
        meaning=meaning,
        many=kind.startswith("tuple["),
        switch=kind.startswith("bool"),
    )


def variables(job: Job, given: Mapping[str, str | Sequence[str] | None]) -> dict[str, str]:
    """The variables that hand the inputs over; what was given several times has a line for each.

    Raises InvalidInputs for a secret.

    Args:
        job: The action.
        given: What was given of the inputs, by the names of their fields; others count for nothing.
    """
    named = {
        name.replace("_", "-"): value
        for name, value in given.items()
        if name in _KINDS and value is not None
    }
    problems = [
        f"{name}: is a secret, and every user of this machine can read a command line; set the "
        f"variable {variable(name)}, {instead}"
        for name, instead in _SECRET.items()
        if name in named
    ]
    if problems:
        raise InvalidInputs(problems)
    return {
        variable("job"): job.value,
        **{
            variable(name): value if isinstance(value, str) else "\n".join(value)
            for name, value in named.items()
        },
    }


def refuse_what_github_has(environ: Mapping[str, str]) -> None:
    """Raise InvalidInputs for what there is in a workflow, and not in this terminal."""
    problems = [
        f"{name}: is shown on GitHub, and this is no run of a workflow; leave it out"
        for name in _ON_GITHUB
        if environ.get(variable(name)) == "true"
    ]
    role = environ.get(variable("role-to-assume"))
    if role and not all(environ.get(name) for name in OIDC):
        problems.append(
            "role-to-assume: is assumed by a token that GitHub gives to the jobs of a workflow, "
            "and there is none here; leave it out and use credentials of your own, such as those of"
            " `aws sso login --profile NAME` with AWS_PROFILE=NAME. To act as this role, let such "
            f"a profile name it: `aws configure set profile.NAME.role_arn {role}` (and its "
            "source_profile); the role has to trust you"
        )
    if problems:
        raise InvalidInputs(problems)
