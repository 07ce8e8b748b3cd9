"""iam: what makes a role for a workflow's step, as a script to read and then to run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime, timezone
from functools import partial

from ecr_publish import iam_script
from ecr_publish.edges.git import GitCheckout
from ecr_publish.inputs import AMBIENT_REGIONS, Inputs, Job, inherited, variable
from ecr_publish.options import variables
from ecr_publish.policy_file import effective
from ecr_publish.report.escape import log_line
from ecr_publish.scanning import ScanType

_ENGINES = (ScanType.BASIC.value, ScanType.ENHANCED.value)


def add_options(command: argparse.ArgumentParser) -> None:
    """The options that are no inputs: which runs may assume the role, and what is not asked."""
    runs = command.add_argument_group("the runs that may assume the role (default: branch main)")
    runs.add_argument(
        "--github-repository", required=True, metavar="OWNER/NAME", help="their repository"
    )
    for name, what in (
        ("branch", "pushes to a branch, such as main or release/*"),
        ("environment", "jobs with an environment"),
        ("tag", "pushes of a tag, such as v*"),
    ):
        runs.add_argument(
            f"--for-{name}",
            action="append",
            default=[],
            metavar="NAME",
            help=f"{what}. May be given several times.",
        )
    runs.add_argument(
        "--for-pull-requests", action="store_true", help="pull requests that are not of a fork"
    )
    more = command.add_argument_group("the registry")
    more.add_argument(
        "--scanning", choices=_ENGINES, help="its engine. Default: the role suits both."
    )
    more.add_argument(
        "--signing-profile", default="", metavar="NAME", help="where it signs images itself"
    )


def print_script(given: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the script and run nothing; gives the exit code. Raises PublishError, OSError."""
    inputs = iam_script.asked(dict(_inputs(given, environ)))
    fetch = partial(GitCheckout(inherited(environ)).read, ".")
    lines = iam_script.document(
        inputs,
        effective(inputs, fetch, datetime.now(timezone.utc).date()),
        subjects=[*_subjects(given)],
        scanning=ScanType(given.scanning) if given.scanning else ScanType.UNKNOWN,
        signing_profile=given.signing_profile,
    )
    # Of a script that cannot be made to its end, nothing is printed.
    sys.stdout.write("".join(f"{log_line(line)}\n" for line in [*lines]))
    sys.stdout.flush()
    return 0


def _inputs(given: argparse.Namespace, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The inputs by their own names, and the region of the environment where none is given."""
    known = {**environ, **variables(Job(given.job), vars(given))}
    yield from (("aws-region", environ[it]) for it in AMBIENT_REGIONS[::-1] if environ.get(it))
    for field in fields(Inputs):
        if text := known.get(variable(field.name)):
            yield field.name.replace("_", "-"), text


def _subjects(given: argparse.Namespace) -> Iterator[str]:
    """The runs that may assume the role; those of the branch main, if none are named."""
    subject = partial(iam_script.subject, given.github_repository)
    named = (given.for_branch, given.for_environment, given.for_tag, given.for_pull_requests)
    yield from (subject(branch=name) for name in given.for_branch)
    yield from (subject(environment=name) for name in given.for_environment)
    yield from (subject(tag=name) for name in given.for_tag)
    if given.for_pull_requests:
        yield subject(pull_request=True)
    if not any(named):
        yield subject(branch="main")
