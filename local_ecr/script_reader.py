"""The steps of a script from decoded JSON; the format is in the docstring of the package. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from local_ecr import layers
from local_ecr.scan_script import RUNNING, TRUTH, Answer, Covered, Step
from local_ecr.script_keys import check_keys
from local_ecr.spelled import spelled
from local_ecr.vulnerabilities import Vulnerability, in_layer, made_up

_MADE_UP = frozenset(
    {"counts", "vulnerabilities", "suppressed", "closed", "bare", "worst_last", "layer"}
)
_AS_THEY_ARE = frozenset(
    {"status", "description", "completed", "completed_after", "page_size", "error", "cycle"}
)
_TRANSLATED = frozenset(
    {"findings", "enhancedFindings", "findingSeverityCounts", "age_seconds", "coverage"}
)
_NESTED = frozenset({"reads", "later_pages"})
_KEYS = _MADE_UP | _AS_THEY_ARE | _TRANSLATED | _NESTED | {"after"}


def steps(body: Sequence[Mapping[str, Any]]) -> tuple[Step, ...]:
    """The steps, in the order of their time.

    Raises:
        ValueError: There is a key that no step has; the message names it.
    """
    return tuple(sorted(map(_step, body), key=lambda step: step.after))


def _step(body: Mapping[str, Any]) -> Step:
    after = float(body.get("after", 0))
    return Step(after=after, answer=_answer(body, after))


def _answer(body: Mapping[str, Any], after: float) -> Answer:
    check_keys(body, _KEYS, "step")
    # What is read first or last is like the step itself but for what it says otherwise.
    shared = {key: value for key, value in body.items() if key not in _NESTED | {"cycle"}}
    reads = tuple(_answer(shared | read, after) for read in body.get("reads", ()))
    later = body.get("later_pages")
    own = {key: body[key] for key in _AS_THEY_ARE if key in body}
    own.setdefault("status", RUNNING if "error" in body else body.get("status"))
    if own["status"] is None:
        raise ValueError(f"step: no status: {dict(body)}")
    return Answer(
        **own | _ages(body, after),
        vulnerabilities=_vulnerabilities(body),
        findings=tuple(body.get("findings", ())),
        enhanced_findings=tuple(body.get("enhancedFindings", ())),
        severity_counts=body.get("findingSeverityCounts", TRUTH),
        covered=_covered(body["coverage"]) if "coverage" in body else None,
        reads=reads,
        later_pages=None if later is None else _answer(shared | later, after),
    )


def _ages(body: Mapping[str, Any], after: float) -> dict[str, float]:
    return {"completed_after": after - body["age_seconds"]} if "age_seconds" in body else {}


def _vulnerabilities(body: Mapping[str, Any]) -> tuple[Vulnerability, ...]:
    bare, counts = body.get("bare", False), body.get("counts", {})
    found = (
        *made_up(counts, bare=bare),
        *spelled(body.get("vulnerabilities", ()), counts),
        *made_up(body.get("suppressed", {}), state="SUPPRESSED", bare=bare),
        *made_up(body.get("closed", {}), state="CLOSED", bare=bare),
    )
    placed = in_layer(found, layers.checked(body.get("layer", layers.SPREAD)))
    return placed[::-1] if body.get("worst_last") else placed


def _covered(body: Mapping[str, Any] | str) -> Covered:
    if isinstance(body, str):
        return Covered(reason=body)
    check_keys(body, {"reason", "statusCode", "lastScannedAfter", "listed"}, "coverage")
    return Covered(
        reason=body.get("reason"),
        status_code=body.get("statusCode"),
        scanned_after=body.get("lastScannedAfter", TRUTH),
        listed=body.get("listed", True),
    )
