"""Scenarios: which image's scan plays which script, and all switches. Pure.

A scenario is a default script and rules for single digests, repositories, tags or platforms; a
script is a list of steps (scan_script.py) or the name of a preset (presets.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from local_ecr.policies import Policy, identity_policy
from local_ecr.presets import DEFAULT_SECONDS, ENHANCED_PRESETS, PRESETS, preset_script
from local_ecr.scan_preset import VULNERABLE
from local_ecr.scan_script import (
    NOT_FOUND,
    RUNNING,
    SETTLED,
    UNSUPPORTED,
    Answer,
    Covered,
    Script,
    Step,
)
from local_ecr.script_keys import check_keys
from local_ecr.script_reader import steps

__all__ = [
    "DEFAULT_SECONDS",
    "ENHANCED_PRESETS",
    "NOT_FOUND",
    "PRESETS",
    "RUNNING",
    "SETTLED",
    "UNSUPPORTED",
    "VULNERABLE",
    "Answer",
    "Covered",
    "Rule",
    "Scenario",
    "Script",
    "Step",
    "Switches",
    "Target",
    "Trust",
    "load",
    "preset",
    "preset_script",
    "scenario_from",
]


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
        image_failure: Code of BatchGetImage's failure for images that exist, such as `KmsError`;
            empty: it gives them.
        pushed_again: imagePushedAt of an image that is pushed again, or gets another tag: that of
            the `first` push or of the `last`.
        last_tag_of_child: BatchDeleteImage by the last tag of what an index lists: `refuse`
            (failure ImageReferencedByManifestList) or `untag` (the tag goes, the image stays).
        untagged_scanned: Whether scan on push covers manifests pushed without a tag (children).
        inspector_denied: The role lacks inspector2 permissions: no enhanced findings for it. A
            string is the action that is named, such as `ListFindings`.
        coverage_denied: The role may not call Inspector's ListCoverage itself.
        finding_details_denied: The role may not call Inspector's BatchGetFindingDetails.
        coverage_on_push: Reason of a finished scan where scans are on push only:
            `SCAN_FREQUENCY_SCAN_ON_PUSH` (then INACTIVE) or `SUCCESSFUL`.
        counts: findingSeverityCounts are those of the whole scan, `per-scan`, or `per-page`.
        completed_on_later_pages: Whether imageScanCompletedAt is on pages but the first, too.
        suppressed_listed: Whether ECR lists findings that are suppressed or closed.
        suppressed_counted: Whether findingSeverityCounts count those that are listed.
        layer_hash: What sourceLayerHash is of: the layer's `blob`, which the manifest lists, or its
            unpacked files, `diff_id`, which the config lists.
        blob_mounting: The account setting BLOB_MOUNTING.
        oidc_provider: Whether the account has GitHub's OpenID Connect provider.
        signing_profile: ARN of the profile by which ECR signs all that is pushed; empty: none.
    """

    repush_api: str = "ImageAlreadyExistsException"
    repush_docker: str = "refuse"
    missing_repository: str = "not-found"
    enhanced_index: str = "not-found"
    type_not_accepted: str = "not-found"
    image_failure: str = ""
    pushed_again: str = "first"
    last_tag_of_child: str = "refuse"
    untagged_scanned: bool = True
    inspector_denied: bool | str = False
    coverage_denied: bool = False
    finding_details_denied: bool = False
    coverage_on_push: str = "SCAN_FREQUENCY_SCAN_ON_PUSH"
    counts: str = "per-scan"
    completed_on_later_pages: bool = True
    suppressed_listed: bool = True
    suppressed_counted: bool = True
    layer_hash: str = "blob"
    blob_mounting: bool = True
    oidc_provider: bool = True
    signing_profile: str = ""


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
    """All that is scripted: scans, switches, trust and permissions.

    `policy` is what all roles may do; None for everything.
    """

    default: Script
    rules: tuple[Rule, ...] = ()
    switches: Switches = field(default_factory=Switches)
    trust: Trust = field(default_factory=Trust)
    policy: Policy | None = None

    def script_for(self, target: Target) -> Script:
        """The script of the first rule that matches, else the default one."""
        matching = (rule.script for rule in self.rules if rule.matches(target))
        return next(matching, self.default).on(target.platform)


_CHOICES = {
    "repush_api": ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"),
    "repush_docker": ("refuse", "accept"),
    "missing_repository": ("not-found", "connection-closed"),
    "enhanced_index": ("not-found", "unsupported"),
    "type_not_accepted": ("not-found", "return"),
    "pushed_again": ("first", "last"),
    "last_tag_of_child": ("refuse", "untag"),
    "coverage_on_push": ("SCAN_FREQUENCY_SCAN_ON_PUSH", "SUCCESSFUL"),
    "counts": ("per-scan", "per-page"),
    "layer_hash": ("blob", "diff_id"),
}


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
    known = {"default", "by_hand", "rules", "switches", "trust", "policy"}
    check_keys(body, known, "scenario")
    trust: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in body.get("trust", {}).items()
    }
    check_keys(trust, {f.name for f in fields(Trust)}, "trust")
    return Scenario(
        default=_scripts(body, "default", scan_seconds),
        rules=tuple(_rule(rule, scan_seconds) for rule in body.get("rules", ())),
        switches=_switches(body.get("switches", {})),
        trust=Trust(**trust),
        policy=identity_policy(body["policy"]) if "policy" in body else None,
    )


def _switches(body: Mapping[str, Any]) -> Switches:
    check_keys(body, {f.name for f in fields(Switches)}, "switches")
    for name, choices in _CHOICES.items():
        if body.get(name, choices[0]) not in choices:
            raise ValueError(f"switches: {name} is {body[name]!r}; known: {', '.join(choices)}")
    return Switches(**body)


def _rule(body: Mapping[str, Any], scan_seconds: float) -> Rule:
    patterns = {"digest", "repository", "tag", "platform"}
    check_keys(body, patterns | {"script", "by_hand"}, "rule")
    script = _scripts(body, "script", scan_seconds)
    return Rule(script=script, **{k: str(v) for k, v in body.items() if k in patterns})


def _scripts(body: Mapping[str, Any], name: str, scan_seconds: float) -> Script:
    script = _script(body.get(name, "clean"), scan_seconds)
    if "by_hand" not in body:
        return script
    return replace(script, by_hand=_script(body["by_hand"], scan_seconds))


def _script(body: str | list[Mapping[str, Any]], scan_seconds: float) -> Script:
    if isinstance(body, str):
        return preset_script(body, scan_seconds)
    return Script(steps=steps(body))
