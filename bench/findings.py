"""What 10,000 findings on 100 pages cost: read, waited for, gated and summarised; and a policy.

Only the way to ECR is left out; the answers are the SDK's dictionaries, made page by page as the
SDK makes them. CPU seconds and peak memory are those of this process, imports included.
"""

from __future__ import annotations

import random
import resource
import time
from datetime import datetime, timezone
from typing import Any

from bench.verdict import JumpingClock, ScriptedScans
from ecr_publish.findings import Finding, Package, Severity, Threshold, parse_page
from ecr_publish.gate import Ground, Verdict, judge
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import OnUnjudged
from ecr_publish.manifest import Target
from ecr_publish.outcome import Outcome
from ecr_publish.policy import Policy, Rules
from ecr_publish.policy_file import read
from ecr_publish.reference import Digest
from ecr_publish.report.summary import summary
from ecr_publish.scan import Answer, Evidence, Result, Unjudged
from ecr_publish.scanning import Scanning, ScanType
from ecr_publish.wait import Watch, for_scans

PAGES, PER_PAGE, IGNORES = 100, 100, 500
COMPLETED = datetime(2026, 11, 23, tzinfo=timezone.utc)
KILOBYTES_A_MEGABYTE = 1000
TARGET = Target(digest=Digest(f"sha256:{0:064x}"))
PATH = "app/lib/web/node_modules/package-{}/package.json"
FAIL = dict.fromkeys(Unjudged, OnUnjudged.FAIL)


class ManyFindings(ScriptedScans):
    """An enhanced scan that is over and lists many findings."""

    def scan(self, digest: Digest, token: str | None) -> Answer:  # noqa: ARG002
        """One page, made anew for every question."""
        self.calls += 1
        return parse_page(answer(int(token or 0)))

    def coverage(self, digest: Digest) -> None:
        """The role may not ask for it."""


def answer(page: int) -> dict[str, Any]:
    """DescribeImageScanFindings for one page."""
    said: dict[str, Any] = {
        "imageScanStatus": {"status": "ACTIVE"},
        "imageScanFindings": {
            "imageScanCompletedAt": COMPLETED,
            "findingSeverityCounts": {"MEDIUM": PAGES * PER_PAGE},
            "enhancedFindings": [finding(page, item) for item in range(PER_PAGE)],
        },
    }
    return said | ({"nextToken": str(page + 1)} if page + 1 < PAGES else {})


def finding(page: int, item: int) -> dict[str, Any]:
    """A finding of Inspector's, of the usual size."""
    name = f"CVE-2026-{page * PER_PAGE + item:05d}"
    return {
        "title": f"{name} - package",
        "description": f"{name} lets an attacker do something in a long sentence. " * 5,
        "severity": "MEDIUM",
        "status": "ACTIVE",
        "packageVulnerabilityDetails": {
            "vulnerabilityId": name,
            "sourceUrl": f"https://security.example/{name}",
            "vulnerablePackages": [
                {"name": f"package-{item}", "version": "1.2.3", "fixedInVersion": "1.2.4"}
            ],
        },
    }


def published(rules: Rules) -> tuple[Verdict, str, int]:
    """Wait, gate, summarise; gives the verdict, the summary and the number of calls."""
    clock = JumpingClock(random.Random(1))  # noqa: S311 - repeatable, guards nothing
    scans = ManyFindings(clock, 0)
    watch = Watch(
        scans=scans,
        clock=clock,
        scanning=Scanning(engine=ScanType.ENHANCED),
        deadline=900,
        max_age=None,
        say=lambda _: None,
    )
    results = for_scans(watch, [TARGET])
    given = Policy(rules=rules, on_unjudged=FAIL, report_only=False)
    evidence = Evidence(results=results)
    verdict = judge(evidence, given, COMPLETED.date())
    return verdict, summary(Outcome(evidence=evidence, verdict=verdict)), scans.calls


def policy() -> bytes:
    """A policy file with many ignores of the usual size, each for one of the findings."""
    entries = (
        f"  - id: CVE-2026-{number * PAGES * PER_PAGE // IGNORES:05d}\n"
        f"    package: package-{number * PAGES * PER_PAGE // IGNORES % PER_PAGE}\n"
        "    reason: not reachable, the parser is disabled\n"
        "    owner: team-web\n"
        "    until: 2027-01-31\n"
        for number in range(IGNORES)
    )
    return f"severity-threshold: medium\nignore:\n{''.join(entries)}".encode()


def judged(findings: tuple[Finding, ...], rules: Rules) -> tuple[float, int]:
    """The CPU seconds of a decision, and how many findings it ignores."""
    result = Result(target=TARGET, status="ACTIVE", findings=findings, engine=ScanType.ENHANCED)
    given = Policy(rules=rules, on_unjudged=FAIL, report_only=False)
    began = time.process_time()
    verdict = judge(Evidence(results=(result,)), given, COMPLETED.date())
    return time.process_time() - began, len(verdict.with_ground(Ground.IGNORED))


def decided() -> None:
    """Print what the policy file alone and the decision with it cost."""
    began = time.process_time()
    rules = read(policy(), ".ecr-publish.yml").layer.rules
    known = time.process_time()
    findings = tuple(
        finding for page in range(PAGES) for finding in parse_page(answer(page)).findings
    )
    spent, ignored = judged(findings, rules)
    print(  # noqa: T201
        f"a policy of {len(rules.ignore)} ignores: {known - began:.2f} s CPU to read; to decide "
        f"over {len(findings)} findings, of which it ignores {ignored}: {spent:.2f} s CPU"
    )


def one_of_many(ids: int, number: int, pattern: str) -> None:
    """Print what the decision costs where many findings and ignores are of one vulnerability.

    Args:
        ids: How many vulnerabilities there are.
        number: How many findings, each in a package of its own.
        pattern: What an ignore names, with the number of the package; of the package where it has
            no `/`.
    """
    findings = tuple(
        Finding(
            name=f"CVE-2026-{place % ids:05d}",
            severity=Severity.MEDIUM,
            stated_severity="MEDIUM",
            packages=(Package(name=f"package-{place}", path=PATH.format(place)),),
        )
        for place in range(number)
    )
    scope = "path" if "/" in pattern else "package"
    names = (f"CVE-2026-{place % ids:05d}" for place in range(IGNORES))
    ignores = tuple(
        Ignore(id=name, path=pattern.format(place))
        if scope == "path"
        else Ignore(id=name, package=pattern.format(place))
        for place, name in enumerate(names)
    )
    rules = Rules(severity_threshold=Threshold.MEDIUM, ignore=ignores)
    spent, ignored = judged(findings, rules)
    print(  # noqa: T201
        f"{number} findings of {ids} vulnerabilities, {IGNORES} ignores by {scope} "
        f"({pattern.format(7)}), of which it ignores {ignored}: {spent:.2f} s CPU to decide"
    )


def main() -> None:
    """Print the figures."""
    began = time.process_time()
    verdict, markdown, calls = published(Rules(severity_threshold=Threshold.MEDIUM))
    spent = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES_A_MEGABYTE
    print(  # noqa: T201
        f"{len(verdict.findings)} findings on {PAGES} pages: {spent:.2f} s CPU, {peak:.0f} MB peak,"
        f" {calls} calls, a summary of {len(markdown) / 1000:.0f} kB"
    )
    decided()
    one_of_many(1, 10_000, "package-{}")
    for pattern in ("**/package-{}/package.json", "app/**/package-{}/**", "**/package-{}/**"):
        one_of_many(100, 10_000, pattern)
        one_of_many(1, 1000, pattern)


if __name__ == "__main__":
    main()
