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

from ecr_publish.errors import BY_SESSION_POLICY, NOT_IN_SESSION, PUSHES, PushFailed
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

    @property
    def sent(self) -> int:
        """Bytes that ECR has got."""
        return sum(layer.current for layer in self.layers.values())

    @property
    def total(self) -> int:
        """Bytes that it is to get, as far as the engine has said."""
        return sum(layer.total for layer in self.layers.values())

    @property
    def part(self) -> float:
        """How much of it is sent, from 0 to 1."""
        return self.sent / self.total if self.total else 0.0

    def __str__(self) -> str:
        layers = self.layers.values()
        finished = sum(layer.done for layer in layers)
        there = sum(layer.there for layer in layers)
        sent, total = self.sent / _MEGABYTE, self.total / _MEGABYTE
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


def behind_proxy(environ: Mapping[str, str]) -> bool:
    """Whether the job reaches AWS through a proxy, of which those who push know nothing."""
    return any(environ.get(name) for name in ("HTTPS_PROXY", "https_proxy"))


def failure(message: str, repository_arn: str, *, proxied: bool = False) -> PushFailed:
    """The error for a failed push, its cause named from ECR's or the engine's text.

    Args:
        message: ECR's or the engine's text.
        repository_arn: The repository's.
        proxied: Whether the job is behind a proxy.
    """
    found = (cause for cause in CAUSES if re.search(cause.pattern, message, re.IGNORECASE))
    cause = next(found)
    if proxied and cause.pattern == PROXIED.pattern:
        cause = PROXIED
    return PushFailed(
        f"the push failed: {message}",
        why=cause.why,
        fix=cause.fix.replace("<arn>", repository_arn),
        kind=cause.kind,
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


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a push fails whose error matches the pattern, and what to do then; `kind` names it."""

    kind: str
    pattern: str
    why: str
    fix: str


_ALLOW_PUSH = "Add this to the list `Statement` of the role's permissions policy:\n" + json.dumps(
    {"Effect": "Allow", "Action": list(PUSHES), "Resource": "<arn>"}, indent=2
)
_NO_NETWORK = (
    r"connection (refused|reset)|closed network connection|no such host|i/o timeout|TLS handshake"
    r"|network is unreachable|proxyconnect|waiting for connection|deadline exceeded"
    r"|(?-i:\bEOF\b)"
)
CAUSES = (
    Cause(
        kind=NOT_IN_SESSION.kind,
        pattern=BY_SESSION_POLICY,
        why=NOT_IN_SESSION.why,
        fix=NOT_IN_SESSION.fix,
    ),
    Cause(
        kind="immutable",
        pattern=(
            r"cannot be overwritten because the (tag|repository) is immutable"
            r"|/manifests/\S+: 400 bad"
        ),
        why="The repository's tags are immutable, and this engine puts every image of an index "
        "under the candidate tag, one after the other.",
        fix="Let candidate tags move: add `candidate-*` to the exclusions of the repository's "
        "immutability (aws ecr put-image-tag-mutability, which replaces those that are there).",
    ),
    Cause(
        kind="expired",
        pattern=r"authorization token has expired",
        why="An ECR token is valid for 12 hours, and less if the role's session ended before.",
        fix="In a workflow, let the session last longer than the build, as far as the role "
        "allows:\n    role-duration-seconds: 7200\n"
        "In a terminal, sign in again:\n    aws sso login --profile my-profile",
    ),
    Cause(
        kind="login",
        pattern=r"no basic auth credentials|401 unauthorized",
        why="The token does not belong to this registry: wrong region, account or host.",
        fix="Check the inputs aws-region and registry.",
    ),
    Cause(
        kind="missing",
        pattern=r"name unknown|does not exist in the registry|(repository .*|404 )not found",
        why="The repository does not exist in this registry (it was removed during the run?).",
        fix="Create it, or let this action create it:\n    create-repository: true",
    ),
    Cause(
        kind="throttled",
        pattern=r"toomanyrequests|rate exceeded|429 too many requests",
        why="ECR throttled the push: many pushes run at the same time in this account and region.",
        fix="Run it again; let fewer runs push at once (`concurrency`).",
    ),
    Cause(
        kind="network",
        pattern=_NO_NETWORK,
        why="The engine could not reach the registry, or the connection was cut.",
        fix="Check the network, its proxy and VPC endpoints; then run it again.",
    ),
    Cause(
        kind="forbidden",
        pattern=r": 403 forbidden",
        why="A permission is missing. Or the token has expired, where the build took longer than "
        "the role's session: BuildKit keeps ECR's own words to itself.",
        fix=f"{_ALLOW_PUSH}\nOr let the session last longer:\n    role-duration-seconds: 7200\n"
        "Or, if the role allows all of that already, let its own policies count alone, and please "
        "report that it has helped:\n    session-policy: none",
    ),
    # After the others, because a repository's name may hold these words.
    Cause(
        kind="denied",
        pattern=r"not authorized to perform|denied|forbidden",
        why="A permission is missing.",
        fix=_ALLOW_PUSH,
    ),
    Cause(
        kind="unknown",
        pattern="",
        why="The engine gave no cause that is known here.",
        fix="Run it again if the network may have been at fault; otherwise see the log.",
    ),
)
"""From the surest to the one that is true of everything."""

PROXIED = Cause(
    kind="network",
    pattern=_NO_NETWORK,
    why="The registry could not be reached. This run has a proxy (HTTPS_PROXY), but the Docker "
    "Engine pushes by itself, by the proxy settings of its daemon, and so does a builder "
    "outside of it.",
    fix="Give the engine the same proxy, in a step before this one:\n"
    "    - run: |\n"
    '        settings="$({ sudo cat /etc/docker/daemon.json || true; } |\n'
    '          jq --slurp \'add // {} | .proxies = {"http-proxy": env.HTTPS_PROXY,\n'
    '            "https-proxy": env.HTTPS_PROXY, "no-proxy": (env.NO_PROXY // "")}\')"\n'
    '        echo "$settings" | sudo tee /etc/docker/daemon.json >/dev/null\n'
    "        sudo systemctl restart docker\n"
    "Or name it where docker/setup-buildx-action makes the builder:\n"
    "    driver-opts: env.HTTPS_PROXY=http://proxy.example:3128\n"
    "If the registry is not to be reached through the proxy, name its host in NO_PROXY.",
)
"""Behind a proxy, of a push that could not reach the registry. Docker's documentation: "Daemon
proxy configuration", "Docker container build driver"."""
