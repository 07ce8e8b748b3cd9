"""check-policy: try a policy, also on the findings of an earlier run, without building anything."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, timezone
from functools import partial
from pathlib import Path

from ecr_publish.edges.git import GitCheckout
from ecr_publish.errors import ExitCode
from ecr_publish.gate import Judgement, judge
from ecr_publish.inputs import parse, variable
from ecr_publish.outcome import Outcome
from ecr_publish.plan import policy
from ecr_publish.policy import Rules
from ecr_publish.policy_file import effective
from ecr_publish.replay import read
from ecr_publish.report.escape import log_line
from ecr_publish.report.log import lines
from ecr_publish.report.wording import NAMELESS, installed, stated, title

INPUTS = (
    *("repository", "severity-threshold", "unknown-severity", "only-fixable", "policy-file"),
    *("baseline", "fail-on", "on-baseline-error"),
)
"""Those that say how to judge; the repository is that of OpenVEX documents' products."""
_STAND_INS = {"aws-region": "eu-west-1", "repository": "any/repository"}
"""For what the action cannot do without; no judgement depends on them."""


def add_options(command: argparse.ArgumentParser) -> None:
    """The options that are no inputs."""
    command.add_argument(
        "--findings",
        metavar="FILE",
        help="a JSON report of the action, or what `aws ecr describe-image-scan-findings` printed",
    )
    command.add_argument(
        "--today",
        type=date.fromisoformat,
        default=datetime.now(timezone.utc).date(),
        metavar="DATE",
        help="judge as on that day (2027-01-31), for example to see what ends soon",
    )


def check(given: argparse.Namespace, environ: Mapping[str, str]) -> int:  # noqa: ARG001 - as all commands
    """Check the policy; gives the exit code. Raises PublishError, NoReport, OSError."""
    named = {name: getattr(given, name.replace("-", "_")) for name in INPUTS}
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


def _print(line: str) -> None:
    with suppress(OSError):  # where nobody reads any more, the exit code counts all the same
        sys.stdout.write(f"{log_line(line)}\n")
