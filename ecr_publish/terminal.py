"""The commands for a terminal. check-policy tries a policy without building anything."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path

from ecr_publish.edges.git import GitCheckout
from ecr_publish.errors import ExitCode, PublishError
from ecr_publish.gate import Judgement, judge
from ecr_publish.inputs import parse, variable
from ecr_publish.outcome import Outcome
from ecr_publish.plan import policy
from ecr_publish.policy import Rules
from ecr_publish.policy_file import effective
from ecr_publish.replay import NoReport, read
from ecr_publish.report.escape import log_line
from ecr_publish.report.log import lines
from ecr_publish.report.wording import NAMELESS, installed, stated, title

_INPUTS = {
    "policy-file": "path of the policy file; default .ecr-publish.yml, if it is there",
    "severity-threshold": "the lowest severity that refuses",
    "unknown-severity": "what a severity without a rank counts as",
    "only-fixable": "true: a finding without a fix does not refuse",
    "baseline": "a tag or digest, or repository:tag, whose findings are known already",
    "fail-on": "all, or new: what the baseline has too does not refuse",
    "on-baseline-error": "fail, or warn: without a baseline every finding is new",
    "repository": "the ECR repository, for OpenVEX documents that name their product",
}
"""The action's inputs that say how to judge, with the same names and values."""

_STAND_INS = {"aws-region": "eu-west-1", "repository": "any/repository"}
"""For what the action cannot do without; no judgement depends on them."""


def main(arguments: Sequence[str]) -> int:
    """Run one command; gives the exit code (README, "Exit codes")."""
    given = _parser().parse_args(arguments)
    try:
        return _check_policy(given)
    except (PublishError, NoReport, OSError) as error:
        _print(str(error), to_errors=True)
        return int(error.exit_code if isinstance(error, PublishError) else ExitCode.INPUT)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ecr_publish")
    commands = parser.add_subparsers(required=True, metavar="command")
    check = commands.add_parser(
        "check-policy",
        help="check a policy, and judge the findings of a report by it",
        description="Checks a policy and prints what counts. With --findings it judges them too, "
        "and exits as the action would: 0 passed, 9 refused, 7 not judged.",
    )
    check.add_argument(
        "--findings",
        metavar="FILE",
        help="a JSON report of the action, or what `aws ecr describe-image-scan-findings` printed",
    )
    check.add_argument(
        "--today",
        type=date.fromisoformat,
        default=datetime.now(timezone.utc).date(),
        metavar="DATE",
        help="judge as on that day (2027-01-31), for example to see what ends soon",
    )
    for name, meaning in _INPUTS.items():
        check.add_argument(f"--{name}", metavar="VALUE", help=meaning)
    return parser


def _check_policy(given: argparse.Namespace) -> int:
    named = {name: getattr(given, name.replace("-", "_")) for name in _INPUTS}
    words = _STAND_INS | {name: value for name, value in named.items() if value is not None}
    inputs = parse({variable(name): value for name, value in words.items()})
    rules = effective(inputs, partial(GitCheckout({}).read, "."), given.today)
    for line in _policy(rules):
        _print(line)
    if given.findings is None:
        return int(ExitCode.PASSED)
    evidence = read(Path(given.findings).read_bytes(), rules)
    verdict = judge(evidence, policy(inputs, rules), given.today)
    outcome = Outcome(evidence=evidence, verdict=verdict)
    judgements = (_judgement(item, rules) for item in verdict.judgements)
    for line in (*judgements, *lines(outcome)):
        _print(line)
    return int(outcome.exit_code)


def _policy(rules: Rules) -> Iterator[str]:
    rows = stated(rules)
    yield "The policy:" if rows else "No rule is stated, so only the threshold counts:"
    if not rows:
        yield f"  severity-threshold: {rules.severity_threshold.value}"
    yield from (f"  {name}: {value} ({place})" for name, value, place in rows)
    yield from (f"  not taken over: {rule}" for rule in rules.skipped)
    yield ""


def _judgement(item: Judgement, rules: Rules) -> str:
    finding = item.finding
    named = f"{finding.stated_severity:<13} {finding.name or NAMELESS} {installed(finding)}"
    until = f", refuses from {item.until}" if item.until else ""
    place = f" ({item.place})" if item.place else ""
    word = "refused" if item.ground.refuses else "allowed"
    return f"{word}  {named.rstrip()}: {title(item.ground, rules)}{until}{place}"


def _print(line: str, *, to_errors: bool = False) -> None:
    print(log_line(line), file=sys.stderr if to_errors else sys.stdout)
