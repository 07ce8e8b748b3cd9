"""The commands for a terminal: publish, gate and merge are the three actions, by the same code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from ecr_publish import __version__, doctor, terminal_iam, terminal_policy
from ecr_publish.context import is_workflow
from ecr_publish.edges.clock import SystemClock
from ecr_publish.edges.console import Console, columns_of
from ecr_publish.edges.git import GitCheckout
from ecr_publish.errors import (
    Cancelled,
    ExitCode,
    InvalidInputs,
    InvalidPolicy,
    LocalEcrMissing,
    PublishError,
)
from ecr_publish.inputs import Job, inherited
from ecr_publish.main import DEBUG, connect
from ecr_publish.main import main as corridor
from ecr_publish.options import GROUPS, Option, options, refuse_what_github_has, variables
from ecr_publish.replay import NoReport
from ecr_publish.report.escape import log_line

Command = Callable[[argparse.Namespace, Mapping[str, str]], int]

_AS_THE_ACTION = (
    "The options are the inputs of the action. Each may be given by a variable too: --aws-region "
    "by ECR_PUBLISH_AWS_REGION. The credentials are those that the AWS CLI would use."
)
_COMMANDS = {
    "publish": (
        "build an image, push it, wait for its scan, and tag it if it passes",
        f"Does what the action does, from this folder. {_AS_THE_ACTION}",
    ),
    "gate": (
        "judge an image that is in the repository already",
        f"Waits for the scan of an image and judges it. {_AS_THE_ACTION}",
    ),
    "merge": (
        "make one image of those of several platforms, judge it, and tag it if it passes",
        f"Puts images of one platform each together and judges them. {_AS_THE_ACTION}",
    ),
    "doctor": (
        "check what a run would need, and change nothing",
        (
            "Checks credentials, repository, scanning, tags, builder and permissions, and says "
            f"what to paste. Exits as the run would end: 0 where all is well. {_AS_THE_ACTION}"
        ),
    ),
    "iam": (
        "print what makes a role with the permissions that a workflow needs",
        (
            "Prints the commands that make a role for a step with these inputs: who may assume it,"
            " and what it may do. Nothing is run or changed."
        ),
    ),
    "check-policy": (
        "check a policy, and judge the findings of a report by it",
        (
            "Checks a policy and prints what counts. With --findings it judges them too, and exits "
            "as the action would: 0 passed, 9 refused, 7 not judged."
        ),
    ),
}
"""What each is for, in a list of all of them and at length."""
_LOCAL = ("local_ecr", "moto")
"""The module that `local` starts, and what only its extra brings."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one command; gives the exit code (README, "Exit codes")."""
    try:
        if [*arguments[:1]] == ["local"]:
            _local(arguments[1:])
        given = _parser().parse_args(arguments)
        return int(given.command(given, environ))
    except (PublishError, NoReport, OSError) as error:
        with suppress(OSError):
            for line in _complaint(error):
                sys.stderr.write(f"{log_line(line)}\n")
        return int(error.exit_code if isinstance(error, PublishError) else ExitCode.INPUT)
    except KeyboardInterrupt:
        return int(Cancelled.exit_code)


def _complaint(error: Exception) -> list[str]:
    if isinstance(error, InvalidInputs | InvalidPolicy):
        return [f"{error.what.partition(':')[0]}:", *(f"- {it}" for it in error.problems)]
    if isinstance(error, PublishError):
        return [error.what, *filter(None, (error.why, error.fix)), error.more]
    return [str(error)]


def _local(arguments: Sequence[str]) -> None:
    """Become the local ECR, which reads its own options; raises LocalEcrMissing."""
    if not all(map(find_spec, _LOCAL)):
        raise LocalEcrMissing
    words = [sys.executable, "-m", _LOCAL[0], *arguments]
    os.execv(sys.executable, words)  # noqa: S606 - no shell is wanted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ecr-publish", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"ecr-publish {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")

    def add(name: str, run: Command) -> argparse.ArgumentParser:
        short, long = _COMMANDS[name]
        command = commands.add_parser(
            name,
            help=short,
            usage=f"ecr-publish {name} [options]",
            description=long,
            allow_abbrev=False,
        )
        command.set_defaults(command=run)
        return command

    for job in Job:
        command = add(job.value, partial(_run, job))
        _add_inputs(command, job)
        _add_switches(command)
    look = add("doctor", _doctor)
    _add_inputs(look, *Job)
    _add_job(look)
    iam = add("iam", terminal_iam.print_script)
    _add_inputs(iam, *Job)
    _add_job(iam)
    terminal_iam.add_options(iam)
    check = add("check-policy", terminal_policy.check)
    _add_inputs(check, Job.PUBLISH, only=terminal_policy.INPUTS)
    terminal_policy.add_options(check)
    # Its options are its own, and it reads them by itself.
    commands.add_parser("local", help="start an ECR on this machine, to try all this without AWS")
    return parser


def _add_inputs(
    command: argparse.ArgumentParser, *jobs: Job, only: Sequence[str] | None = None
) -> None:
    """The inputs of these jobs, or some of them, as their actions describe them."""
    declared = [options(_action(job)) for job in jobs]
    for title in GROUPS:
        group = command.add_argument_group(title)
        for option in dict.fromkeys(option for found in declared for option in found[title]):
            if only is None or option.name in only:
                _add(group, option)


def _add(group: argparse._ArgumentGroup, option: Option) -> None:
    again = " May be given several times." if option.many else ""
    group.add_argument(
        f"--{option.name}",
        action="append" if option.many else "store",
        nargs="?" if option.switch else None,
        const="true" if option.switch else None,
        metavar="VALUE",
        help=f"{option.meaning}{again}".replace("%", "%%"),
    )


def _add_job(command: argparse.ArgumentParser) -> None:
    """Which of the actions is meant, for what speaks of all of them."""
    command.add_argument(
        "--job",
        choices=[job.value for job in Job],
        default=Job.PUBLISH.value,
        help="the action that is meant. Default: publish.",
    )


def _add_switches(command: argparse.ArgumentParser) -> None:
    group = command.add_argument_group("the terminal")
    group.add_argument("--output", metavar="FILE", help="write the outputs to a file (JSON)")
    group.add_argument(
        "--debug",
        action="store_true",
        help="end with every call of docker, git and AWS, and how long it took",
    )


def _action(job: Job) -> str:
    """The text of its action.yml, which an installed package has among its own files."""
    package = Path(__file__).parent
    brought = package / "actions" / f"{job.value}.yml"
    folder = package.parent if job is Job.PUBLISH else package.parent / job.value
    return (brought if brought.exists() else folder / "action.yml").read_text("utf-8")


def _run(job: Job, given: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Run the corridor, in a job of a workflow as its action would."""
    known = {**environ, **variables(job, vars(given)), **({DEBUG: "1"} if given.debug else {})}
    if is_workflow(environ):
        if given.output:
            raise InvalidInputs(["output: in a workflow the outputs are those of the step"])
        return corridor(known)
    refuse_what_github_has(known)
    console = _console(known)
    if given.output:
        # Nobody may read there what an earlier run has left.
        console.write_file(given.output, ["{}\n"])
    code = corridor(known, console)
    console.end(given.output)
    return code


def _doctor(given: argparse.Namespace, environ: Mapping[str, str]) -> int:
    known = {**environ, **variables(Job(given.job), vars(given))}
    workflow = None
    if not is_workflow(environ):
        refuse_what_github_has(known)
        workflow = _console(known)
    edges = connect(known, workflow)
    return doctor.run(known, edges, edges.workflow.say)


def _console(environ: Mapping[str, str]) -> Console:
    git = GitCheckout(inherited(environ))
    return Console(sys.stdout, SystemClock(), git, columns_of(sys.stdout))
