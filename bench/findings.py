"""What 10,000 findings on 100 pages cost: read, waited for, gated and summarised.

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
from ecr_publish.findings import Threshold, parse_page
from ecr_publish.gate import Verdict, judge
from ecr_publish.inputs import OnUnjudged
from ecr_publish.manifest import Target
from ecr_publish.outcome import Outcome
from ecr_publish.policy import Policy, Rules
from ecr_publish.reference import Digest
from ecr_publish.report.summary import summary
from ecr_publish.scan import Answer, Unjudged
from ecr_publish.scanning import Scanning, ScanType
from ecr_publish.wait import Watch, for_scans

PAGES, PER_PAGE = 100, 100
COMPLETED = datetime(2026, 11, 23, tzinfo=timezone.utc)
KILOBYTES_A_MEGABYTE = 1000


class ManyFindings(ScriptedScans):
    """An enhanced scan that is over and lists many findings."""

    def scan(self, digest: Digest, token: str | None) -> Answer:  # noqa: ARG002
        """One page, made anew for every question."""
        self.calls += 1
        number = int(token or 0)
        answer: dict[str, Any] = {
            "imageScanStatus": {"status": "ACTIVE"},
            "imageScanFindings": {
                "imageScanCompletedAt": COMPLETED,
                "findingSeverityCounts": {"MEDIUM": PAGES * PER_PAGE},
                "enhancedFindings": [finding(number, item) for item in range(PER_PAGE)],
            },
        }
        if number + 1 < PAGES:
            answer["nextToken"] = str(number + 1)
        return parse_page(answer)

    def coverage(self, digest: Digest) -> None:
        """The role may not ask for it."""


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


def published() -> tuple[Verdict, str, int]:
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
    results = for_scans(watch, [Target(digest=Digest(f"sha256:{0:064x}"))])
    policy = Policy(
        rules=Rules(severity_threshold=Threshold.MEDIUM),
        on_unjudged=dict.fromkeys(Unjudged, OnUnjudged.FAIL),
        report_only=False,
    )
    verdict = judge(results, policy, COMPLETED.date())
    return verdict, summary(Outcome(results=results, verdict=verdict)), scans.calls


def main() -> None:
    """Print the figures."""
    began = time.process_time()
    verdict, markdown, calls = published()
    spent = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KILOBYTES_A_MEGABYTE
    print(  # noqa: T201
        f"{len(verdict.findings)} findings on {PAGES} pages: {spent:.2f} s CPU, {peak:.0f} MB peak,"
        f" {calls} calls, a summary of {len(markdown) / 1000:.0f} kB"
    )


if __name__ == "__main__":
    main()
