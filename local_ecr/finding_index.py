"""The findings that scans list, by their ARN: what Inspector can be asked about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local_ecr.scan_script import Answer
from local_ecr.vulnerabilities import Scanned, Vulnerability, finding_arn

Listed = Vulnerability | Mapping[str, Any]


class FindingIndex:
    """Findings of each scan by ARN, kept as long as the scan answers the same.

    10,000 findings are asked about in 1,000 calls.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[Answer, dict[str, Listed]]] = {}

    def of(self, answer: Answer, scanned: Scanned) -> Mapping[str, Listed]:
        """All that this answer lists in any of its reads, and on any of its pages."""
        key = (scanned.repository, scanned.digest)
        kept = self._kept.get(key)
        if kept is None or kept[0] is not answer:
            kept = (answer, dict(_by_arn(answer, scanned)))
            self._kept[key] = kept
        return kept[1]


def _by_arn(answer: Answer, scanned: Scanned) -> Iterator[tuple[str, Listed]]:
    for variant in _variants(answer):
        if variant.has_result or variant.completed is False:
            yield from _own(variant, scanned)


def _own(answer: Answer, scanned: Scanned) -> Iterator[tuple[str, Listed]]:
    for raw in answer.enhanced_findings:
        if "findingArn" in raw:
            yield str(raw["findingArn"]), raw
    for found in answer.vulnerabilities:
        if not found.bare:
            yield finding_arn(found, scanned), found


def _variants(answer: Answer) -> Iterator[Answer]:
    yield answer
    for read in answer.reads:
        yield from _variants(read)
    if answer.later_pages:
        yield from _variants(answer.later_pages)
