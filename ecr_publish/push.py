"""The engine's stream of push events -> progress, digest, or an error with its cause named.

docker-py raises nothing when a push fails: the error is an event among the others
(reference/ecr-behaviour.md section 2, "docker-py push", and section 2.1 for ECR's texts). With the
containerd store the engine keeps ECR's text to itself and names the HTTP status, and there is no
`aux`: the digest stands in the last status alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ecr_publish.errors import PUSHES, PushFailed
from ecr_publish.reference import Digest

_DIGEST_STATUS = re.compile(r"digest: (sha256:[0-9a-f]{64})")
_MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Layer:
    """How far one layer is; bytes. `there` means that ECR had it already."""

    current: int = 0
    total: int = 0
    there: bool = False
    done: bool = False


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the events up to now say. `error` is the engine's own text, empty while all is well."""

    layers: Mapping[str, Layer] = field(default_factory=dict)
    digest: Digest | None = None
    error: str = ""

    def __str__(self) -> str:
        layers = self.layers.values()
        finished = sum(layer.done for layer in layers)
        there = sum(layer.there for layer in layers)
        sent = sum(layer.current for layer in layers) / _MEGABYTE
        total = sum(layer.total for layer in layers) / _MEGABYTE
        known = f", {there} of them were there already" if there else ""
        return f"{finished} of {len(layers)} layers{known}, {sent:.1f} of {total:.1f} MB sent"


def follow(progress: Progress, event: Mapping[str, Any]) -> Progress:
    """The progress after one more event."""
    detail = event.get("errorDetail") or {}
    error = event.get("error") or detail.get("message") or detail
    if error:
        return replace(progress, error=str(error))
    found = (event.get("aux") or {}).get("Digest") or _stated_digest(event.get("status", ""))
    if found:
        return replace(progress, digest=Digest.parse(found))
    name, status = event.get("id"), event.get("status", "")
    if not name or status.startswith("The push refers"):
        return progress
    layer = _layer(progress.layers.get(name, Layer()), status, event.get("progressDetail") or {})
    return replace(progress, layers={**progress.layers, name: layer})


def failure(message: str, repository_arn: str) -> PushFailed:
    """The error for a failed push, its cause named from ECR's or the engine's text."""
    for pattern, why, fix in _CAUSES:
        if re.search(pattern, message, re.IGNORECASE):
            return PushFailed(
                f"the push failed: {message}", why=why, fix=fix.replace("<arn>", repository_arn)
            )
    return PushFailed(
        f"the push failed: {message}",
        why="The engine gave no cause that is known here.",
        fix="Run the job again if the network may have been at fault; otherwise see the log.",
    )


def _stated_digest(status: str) -> str:
    match = _DIGEST_STATUS.search(status)
    return match[1] if match else ""


def _layer(layer: Layer, status: str, detail: Mapping[str, Any]) -> Layer:
    total = detail.get("total") or layer.total
    if status.startswith(("Layer already exists", "Mounted from")):
        return replace(layer, there=True, done=True)
    if status.startswith("Pushed"):
        return replace(layer, current=layer.total, done=True)
    current = max(layer.current, detail.get("current") or 0)
    # The engine counts the tar's padding too, so a layer can seem to send more than it has.
    return replace(layer, current=min(current, total), total=total)


_ALLOW_PUSH = "Add to the role's policy:\n" + json.dumps(
    {"Effect": "Allow", "Action": list(PUSHES), "Resource": "<arn>"}, indent=2
)
_CAUSES = (
    (
        r"cannot be overwritten because the (tag|repository) is immutable|/manifests/\S+: 400 bad",
        (
            "The repository's tags are immutable, and this engine puts every image of an index "
            "under the candidate tag, one after the other."
        ),
        (
            "Let candidate tags move: add `candidate-*` to the exclusions of the repository's "
            "immutability (aws ecr put-image-tag-mutability, which replaces those that are there)."
        ),
    ),
    (
        r"authorization token has expired",
        "An ECR token is valid for 12 hours, and less if the role's session ended before.",
        "Raise role-duration-seconds above the time that the build takes.",
    ),
    (
        r"no basic auth credentials|401 unauthorized",
        "The token does not belong to this registry: wrong region, account or host.",
        "Check aws-region and registry.",
    ),
    (
        r"name unknown|does not exist in the registry|(repository .*|404 )not found",
        "The repository does not exist in this registry (it was removed during the run?).",
        "Create it, or set `create-repository: true`.",
    ),
    (
        r"toomanyrequests|rate exceeded|429 too many requests",
        "ECR throttled the push: many pushes run at the same time in this account and region.",
        "Run the job again; let fewer jobs push at once (`concurrency`).",
    ),
    (
        (
            r"connection (refused|reset)|closed network connection|no such host|i/o timeout"
            r"|TLS handshake|(?-i:\bEOF\b)"
        ),
        "The engine could not reach the registry, or the connection was cut.",
        "Check the runner's network, proxy and VPC endpoints; then run the job again.",
    ),
    (
        r": 403 forbidden",
        (
            "A permission is missing. Or the token has expired, where the build took longer than "
            "the role's session: BuildKit keeps ECR's own words to itself."
        ),
        f"{_ALLOW_PUSH}\nOr raise role-duration-seconds.",
    ),
    # The last, because a repository's name may hold these words.
    (r"not authorized to perform|denied|forbidden", "A permission is missing.", _ALLOW_PUSH),
)
