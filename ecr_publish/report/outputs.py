"""Outcome -> the step's outputs. Always all of them, so that none is left from a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ecr_publish.findings import Severity
from ecr_publish.gate import Ground, Verdict
from ecr_publish.outcome import Outcome


def outputs(outcome: Outcome) -> dict[str, str]:
    """Every output by name; empty where the run did not get that far."""
    found = of_image(outcome)
    return {**found, "images": listed({"": found})}


def listed(images: Mapping[str, Mapping[str, str]]) -> str:
    """The outputs of each image, with its target, as JSON."""
    return json.dumps([{"target": target, **found} for target, found in images.items()])


def of_image(outcome: Outcome) -> dict[str, str]:
    """The outputs of one image."""
    verdict, state = outcome.verdict, outcome.state
    uri = state.uri if state else ""
    digest = str(outcome.digest) if outcome.digest else ""
    # Counts of a scan that is not over would read as «none found».
    known = verdict if verdict and verdict.complete else None
    counts = {
        severity.value.lower(): str(known.counts[severity]) if known else ""
        for severity in Severity
    }
    return {
        "image": outcome.image,
        "digest": digest,
        "image-digest": digest,
        "tags": "\n".join(f"{uri}:{tag}" for tag in outcome.promotion.tags),
        "candidate": f"{uri}:{outcome.candidate}" if outcome.candidate else "",
        "registry": state.host if state else "",
        "verdict": outcome.decision.value,
        "reason": " ".join(outcome.reason.split()),
        "scan-type": outcome.scan_type,
        "scan-status": outcome.scan_status,
        **counts,
        "total": str(len(known.findings)) if known else "",
        "ignored": str(len(known.with_ground(Ground.IGNORED))) if known else "",
        "new": _new(known),
        "report-file": "\n".join(outcome.report_files),
        "sarif-file": outcome.sarif_file,
    }


def _new(verdict: Verdict | None) -> str:
    """How many findings the baseline does not have; empty without a baseline."""
    if verdict is None or verdict.rules.baseline is None:
        return ""
    known = [finding.known for finding in verdict.findings]
    return "" if None in known else str(known.count(False))
