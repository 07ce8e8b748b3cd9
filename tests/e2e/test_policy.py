"""A policy file in the consumer's checkout, through the step as its users run it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from dev.act import CHECKOUT
from dev.engine import Engine
from tests.e2e.support import Stage, one_store, stage

ACCEPTING = """\
severity-threshold: critical
limits: {high: 5}
ignore:
  - id: CVE-2021-20000
    package: openssl
    reason: not reachable
    owner: team-web
    until: 2099-12-31
  - id: CVE-2022-20037
    reason: accepted
"""


@pytest.fixture(scope="module")
def here(engine: Engine) -> Iterator[Stage]:
    with stage(engine, scenario="vulnerable") as made:
        made.create("policy")
        yield made


def publish(here: Stage, policy: str, **inputs: str) -> tuple[int, dict[str, str], str]:
    """Publish with this policy file in its usual place; gives exit code, outputs and summary."""
    (here.consumer / ".ecr-publish.yml").write_text(policy, encoding="utf-8")
    with here.start(**{"repository": "policy", "tags": "{sha}", **inputs}) as step:
        return step.wait(), step.outputs, step.summary


@one_store
def test_policy__one_ignore_is_not_enough_for_two(here: Stage) -> None:
    code, outputs, summary = publish(here, ACCEPTING.partition("  - id: CVE-2022")[0])

    assert (code, outputs["verdict"], outputs["ignored"]) == (9, "refused", "1")
    assert outputs["reason"] == "1 CRITICAL: at or above the threshold critical"
    assert "not reachable" in summary
    assert ".ecr-publish.yml, line 4" in summary


@one_store
def test_policy__accepts_what_it_says_and_nothing_else(here: Stage) -> None:
    code, outputs, _ = publish(here, ACCEPTING)
    assert (code, outputs["total"], outputs["ignored"]) == (0, "51", "2")

    code, outputs, _ = publish(here, ACCEPTING.replace("high: 5", "high: 4"))
    assert (code, outputs["reason"]) == (9, "5 HIGH: more than the limit of 4 HIGH")


@one_store
def test_policy__mistake_is_named_with_its_line_before_anything_is_built(here: Stage) -> None:
    here.ecr.reset()
    code, outputs, _ = publish(here, "limits:\n  medum: 3\n")

    assert code == 2
    assert outputs["reason"].startswith(
        "the policy has 1 problem: .ecr-publish.yml: line 2: limits.medum: is not a key here"
    )
    assert here.operations() == []


@pytest.fixture(scope="module")
def inspected(engine: Engine) -> Iterator[Stage]:
    """Where Amazon Inspector scans."""
    with stage(engine, scenario="base-vulnerable") as made:
        made.create("layers")
        yield made


OF_THE_BASE = "base-image-findings: report\n"


@one_store
def test_s5_policy__base_image_is_told_from_what_the_dockerfile_adds(inspected: Stage) -> None:
    given = {"repository": "layers", "tags": "base", "file": "based.Dockerfile"}
    inspected.ecr.set_scenario("base-vulnerable")
    code, outputs, summary = publish(inspected, OF_THE_BASE, **given)
    assert (code, outputs["total"]) == (0, "2"), outputs
    assert "2 findings of the base image (base-image-findings: report)" in summary
    assert "| base image |" in summary

    code, _, summary = publish(inspected, OF_THE_BASE, **given)
    assert code == 0
    assert "Nothing was built" in summary


@one_store
def test_s1_policy__finding_of_an_own_layer_is_not_the_base_images(inspected: Stage) -> None:
    given = {"repository": "layers", "tags": "own", "file": "based.Dockerfile"}
    inspected.ecr.set_scenario("own-vulnerable")
    code, outputs, summary = publish(inspected, OF_THE_BASE, **given)
    assert (code, outputs["reason"]) == (9, "1 CRITICAL, 1 HIGH: at or above the threshold high")
    assert "| line 2: COPY index.html /srv/ |" in summary


@one_store
def test_policy__report_is_judged_again_alike_from_a_terminal(here: Stage) -> None:
    code, outputs, _ = publish(here, ACCEPTING, report_file="out/report.json")
    assert (code, outputs["report-file"]) == (0, "out/report.json")
    report = here.consumer / "out" / "report.json"
    judgements = json.loads(report.read_text("utf-8"))["judgements"]
    assert len(judgements) == int(outputs["total"])

    passed = check_policy(here, "--findings", str(report))
    assert passed.returncode == 0, passed.stderr
    assert outputs["reason"] in passed.stdout
    refused = check_policy(here, "--findings", str(report), "--severity-threshold", "high")
    assert refused.returncode == 9
    later = check_policy(here, "--findings", str(report), "--today", "2100-01-01")
    assert later.returncode == 9
    assert "The ignore of CVE-2021-20000 ended on 2099-12-31" in later.stdout


@one_store
def test_policy__judges_what_the_aws_cli_printed(here: Stage) -> None:
    code, outputs, _ = publish(here, ACCEPTING)
    findings = here.directory / "findings.json"
    image = f"imageDigest={outputs['digest']}"
    command = ("ecr", "describe-image-scan-findings", "--repository-name", "policy")
    findings.write_text(here.aws(*command, "--image-id", image), encoding="utf-8")

    judged = check_policy(here, "--findings", str(findings))

    assert judged.returncode == code == 0, judged.stderr
    assert outputs["reason"] in judged.stdout


def check_policy(here: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Try the consumer's policy as its owner would."""
    return subprocess.run(
        [sys.executable, "-m", "ecr_publish", "check-policy", *arguments],
        cwd=here.consumer,
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
