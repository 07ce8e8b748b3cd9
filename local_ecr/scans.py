"""Scenarios: what the scan of an image answers, at which time after it began. Pure.

A scenario is a default script and rules for single digests, repositories, tags or platforms; a
script is a list of steps; a step is an answer that holds from so many seconds on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any

from local_ecr.vulnerabilities import Vulnerability, made_up

NOT_FOUND = "NOT_FOUND"
"""Pseudo-status: ECR knows of no scan, which is an error on the wire (ScanNotFoundException)."""
SETTLED = "SETTLED"
"""Pseudo-status: findings are there. COMPLETE, or ACTIVE where enhanced scans are continuous."""
UNSUPPORTED = "UNSUPPORTED"
"""Pseudo-status: FAILED with a reason if basic, UNSUPPORTED_IMAGE if enhanced."""
RUNNING = "RUNNING"
"""Pseudo-status: IN_PROGRESS if basic, PENDING if enhanced."""

_OPEN = frozenset({NOT_FOUND, RUNNING, "IN_PROGRESS", "PENDING"})
_WITH_FINDINGS = frozenset({SETTLED, "COMPLETE", "ACTIVE"})
DEFAULT_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What DescribeImageScanFindings says.

    Attributes:
        status: One of ECR's, or a pseudo-status of this module.
        description: Instead of the usual one of the status.
        vulnerabilities: Findings, worded for the engine that is on.
        findings: Basic findings exactly as they shall be on the wire.
        enhanced_findings: The same for enhanced ones.
        completed: False leaves imageScanCompletedAt and the counts out: looks clean but is not.
    """

    status: str
    description: str | None = None
    vulnerabilities: tuple[Vulnerability, ...] = ()
    findings: tuple[Mapping[str, Any], ...] = ()
    enhanced_findings: tuple[Mapping[str, Any], ...] = ()
    completed: bool = True

    @property
    def has_result(self) -> bool:
        """Whether findings, also none, are the result of a finished scan."""
        return self.status in _WITH_FINDINGS and self.completed

    @property
    def is_final(self) -> bool:
        """Whether a client that waits has something to wait for no longer."""
        return self.has_result or self.status not in (_OPEN | _WITH_FINDINGS)


@dataclass(frozen=True, kw_only=True)
class Step:
    """An answer, from so many seconds after the begin of the scan on."""

    after: float
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Script:
    """The steps of one scan, in the order of their time."""

    steps: tuple[Step, ...]

    def at(self, elapsed: float) -> Step:
        """The step that holds so many seconds after the begin."""
        passed = [step for step in self.steps if step.after <= elapsed]
        return passed[-1] if passed else Step(after=0, answer=Answer(status=NOT_FOUND))

    @property
    def final(self) -> Step | None:
        """The first step of the last unbroken run of final answers; None if it never ends."""
        found = None
        for step in reversed(self.steps):
            if not step.answer.is_final:
                break
            found = step
        return found


@dataclass(frozen=True, kw_only=True)
class Target:
    """The image of which a script is looked for."""

    repository: str
    digest: str
    tags: tuple[str, ...] = ()
    platform: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A script for the images that match all that is given; `*` and `?` stand for anything."""

    script: Script
    digest: str = "*"
    repository: str = "*"
    tag: str = "*"
    platform: str = "*"

    def matches(self, target: Target) -> bool:
        """Whether this rule is about this image."""
        tagged = self.tag == "*" or any(fnmatchcase(tag, self.tag) for tag in target.tags)
        return (
            tagged
            and fnmatchcase(target.digest, self.digest)
            and fnmatchcase(target.repository, self.repository)
            and fnmatchcase(target.platform or "", self.platform)
        )


@dataclass(frozen=True, kw_only=True)
class Switches:
    """What is not established about the real service, or has changed over the years.

    Attributes:
        repush_api: Code of PutImage for the same digest under the same, immutable tag.
        repush_docker: The same through docker: `refuse` (400 TAG_INVALID) or `accept` (201).
        missing_repository: Push to none: `not-found` (404) or `connection-closed` (until 2024).
        enhanced_index: Scan of an index, enhanced: `not-found` or `unsupported`.
        type_not_accepted: BatchGetImage by tag, type not accepted: `not-found` or `return`.
        untagged_scanned: Whether scan on push covers manifests pushed without a tag (children).
        inspector_denied: The role lacks inspector2 permissions: no enhanced findings for it.
        blob_mounting: The account setting BLOB_MOUNTING.
        oidc_provider: Whether the account has GitHub's OpenID Connect provider.
    """

    repush_api: str = "ImageAlreadyExistsException"
    repush_docker: str = "refuse"
    missing_repository: str = "not-found"
    enhanced_index: str = "not-found"
    type_not_accepted: str = "not-found"
    untagged_scanned: bool = True
    inspector_denied: bool = False
    blob_mounting: bool = True
    oidc_provider: bool = True


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Who may assume which role, and what GitHub's token says. Empty tuples allow all.

    Attributes:
        allowed_roles: Role names that exist.
        denied_roles: Role names whose trust policy says no.
        subjects: Patterns of the `sub` claim that the trust policies accept.
        claims: Claims of the token, over the usual ones.
        token_seconds: How long a token of GitHub's lives.
        max_session_seconds: MaxSessionDuration of all roles.
    """

    allowed_roles: tuple[str, ...] = ()
    denied_roles: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    claims: Mapping[str, Any] = field(default_factory=dict)
    token_seconds: int = 300
    max_session_seconds: int = 3600


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """All that is scripted: scans, switches and trust."""

    default: Script
    rules: tuple[Rule, ...] = ()
    switches: Switches = field(default_factory=Switches)
    trust: Trust = field(default_factory=Trust)

    def script_for(self, target: Target) -> Script:
        """The script of the first rule that matches, else the default one."""
        matching = (rule.script for rule in self.rules if rule.matches(target))
        return next(matching, self.default)


VULNERABLE = {"CRITICAL": 2, "HIGH": 5, "MEDIUM": 14, "LOW": 30}
_CLEAN = Answer(status=SETTLED)
_FOUND = Answer(status=SETTLED, vulnerabilities=made_up(VULNERABLE))
_RUNNING = Answer(status=RUNNING)
_NOT_FOUND = Answer(status=NOT_FOUND)
_PENDING = Answer(status="PENDING")
_EMPTY = Answer(status="ACTIVE", completed=False)
_PREMATURE = Answer(status="COMPLETE", completed=False)

# Times are parts of the seconds that a scan takes.
_PRESETS: dict[str, tuple[tuple[float, Answer], ...]] = {
    "clean": ((0, _RUNNING), (1, _CLEAN)),
    "vulnerable": ((0, _RUNNING), (1, _FOUND)),
    "clean-enhanced": ((0, _NOT_FOUND), (0.2, _PENDING), (1, _CLEAN)),
    "vulnerable-enhanced": ((0, _NOT_FOUND), (0.2, _PENDING), (1, _FOUND)),
    "slow": ((0, _RUNNING), (15, _CLEAN)),
    "not-found-then-complete": ((0, _NOT_FOUND), (0.5, _RUNNING), (1, _CLEAN)),
    "pending-then-active": ((0, _NOT_FOUND), (0.2, _PENDING), (0.6, _EMPTY), (1, _CLEAN)),
    "failed-unsupported": ((0, _RUNNING), (1, Answer(status=UNSUPPORTED))),
    "never-finishes": ((0, _RUNNING),),
    "never-found": ((0, _NOT_FOUND),),
    "active-empty": ((0, _PENDING), (0.5, _EMPTY)),
    "premature-complete": ((0, _PENDING), (0.5, _PREMATURE), (1, _FOUND)),
    "untriaged": (
        (0, _RUNNING),
        (1, Answer(status=SETTLED, vulnerabilities=made_up({"MEDIUM": 1, "UNTRIAGED": 1}))),
    ),
    "eligibility-expired": ((0, Answer(status="SCAN_ELIGIBILITY_EXPIRED")),),
    "findings-unavailable": ((0, _RUNNING), (1, Answer(status="FINDINGS_UNAVAILABLE"))),
    "limit-exceeded": ((0, Answer(status="LIMIT_EXCEEDED")),),
    "image-archived": ((0, Answer(status="IMAGE_ARCHIVED")),),
    "size-exceeded": ((0, Answer(status="IMAGE_SIZE_EXCEEDED")),),
    "failed": (
        (0, _RUNNING),
        (1, Answer(status="FAILED", description="The scan failed due to an internal error.")),
    ),
}
PRESETS = tuple(_PRESETS)
ENHANCED_PRESETS = frozenset(
    {
        "clean-enhanced",
        "vulnerable-enhanced",
        "pending-then-active",
        "active-empty",
        "premature-complete",
        "untriaged",
        "eligibility-expired",
    }
)


def preset_script(name: str, scan_seconds: float = DEFAULT_SECONDS) -> Script:
    """The script of a preset.

    Args:
        name: One of `PRESETS`.
        scan_seconds: How long a usual scan takes from the push to its result.
    """
    if name not in _PRESETS:
        raise ValueError(f"no preset '{name}'; there are: {', '.join(PRESETS)}")
    steps = (Step(after=part * scan_seconds, answer=answer) for part, answer in _PRESETS[name])
    return Script(steps=tuple(steps))


def preset(name: str, scan_seconds: float = DEFAULT_SECONDS) -> Scenario:
    """The scenario in which every image has this preset's script."""
    return Scenario(default=preset_script(name, scan_seconds))


def load(text: str, scan_seconds: float = DEFAULT_SECONDS) -> Scenario:
    """Read a scenario from JSON text; the format is in the docstring of the package.

    Raises:
        ValueError: It is no scenario; the message says what is wrong with it.
    """
    return scenario_from(json.loads(text), scan_seconds)


def scenario_from(body: Mapping[str, Any] | str, scan_seconds: float = DEFAULT_SECONDS) -> Scenario:
    """A scenario from decoded JSON, or from the name of a preset."""
    if isinstance(body, str):
        return preset(body, scan_seconds)
    _check_keys(body, {"default", "rules", "switches", "trust"}, "scenario")
    trust: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in body.get("trust", {}).items()
    }
    _check_keys(trust, {f.name for f in fields(Trust)}, "trust")
    switches = body.get("switches", {})
    _check_keys(switches, {f.name for f in fields(Switches)}, "switches")
    return Scenario(
        default=_script(body.get("default", "clean"), scan_seconds),
        rules=tuple(_rule(rule, scan_seconds) for rule in body.get("rules", ())),
        switches=Switches(**switches),
        trust=Trust(**trust),
    )


def _rule(body: Mapping[str, Any], scan_seconds: float) -> Rule:
    patterns = {"digest", "repository", "tag", "platform"}
    _check_keys(body, patterns | {"script"}, "rule")
    script = _script(body.get("script", "clean"), scan_seconds)
    return Rule(script=script, **{k: str(v) for k, v in body.items() if k in patterns})


def _script(body: str | list[Mapping[str, Any]], scan_seconds: float) -> Script:
    if isinstance(body, str):
        return preset_script(body, scan_seconds)
    steps = sorted((_step(step) for step in body), key=lambda step: step.after)
    return Script(steps=tuple(steps))


def _step(body: Mapping[str, Any]) -> Step:
    allowed = {"after", "status", "description", "completed"}
    _check_keys(body, allowed | {"counts", "findings", "enhancedFindings"}, "step")
    answer = Answer(
        status=body["status"],
        description=body.get("description"),
        vulnerabilities=made_up(body.get("counts", {})),
        findings=tuple(body.get("findings", ())),
        enhanced_findings=tuple(body.get("enhancedFindings", ())),
        completed=body.get("completed", True),
    )
    return Step(after=float(body.get("after", 0)), answer=answer)


def _check_keys(body: Mapping[str, Any], allowed: set[str], what: str) -> None:
    unknown = sorted(set(body) - allowed)
    if unknown:
        known = ", ".join(sorted(allowed))
        raise ValueError(f"{what}: unknown key {', '.join(unknown)}; known: {known}")
