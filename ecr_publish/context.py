"""GITHUB_*, RUNNER_* and the event's payload -> Context. The only reader of them.

In a terminal there are none, and what git knows of the checkout takes their place.

Variables: GitHub's "Default environment variables"; payload: GitHub's "Webhook events".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ecr_publish.errors import NoWorkflowRun
from ecr_publish.inputs import OIDC
from ecr_publish.origin import Commit

_ARCHITECTURES = {"x86_64": "X64", "amd64": "X64", "aarch64": "ARM64", "arm64": "ARM64"}
"""A machine's name for its architecture -> GitHub's, so that a build is the same in both places."""


_OF_FORKS = ("pull_request", "pull_request_review", "pull_request_review_comment")
"""Events that run a fork's code without credentials (GitHub: "Events that trigger workflows")."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """The run that this step belongs to.

    `branch` is the head's branch on a pull request and None where the run has none (a tag push).
    On a pull request GitHub builds the merge commit, so `sha` names that one. `architecture` is the
    runner's. `restricted` says that this is a fork's pull request, for which GitHub offers no OIDC
    token. `head_sha` is the commit that GitHub shows checks on, which on a pull request is its
    head, `pull_request` its number, and `run_url` the address of the run's page.

    In a terminal `run_url` is empty, and so is `sha` where there is no commit.
    """

    sha: str
    branch: str | None
    default_branch: str | None
    run_id: str
    run_attempt: str
    workspace: str
    architecture: str
    scheduled: bool
    from_pull_request: bool
    from_fork: bool
    restricted: bool
    head_sha: str
    pull_request: int | None
    run_url: str

    @property
    def by_hand(self) -> bool:
        """Whether somebody in a terminal publishes, and no workflow."""
        return not self.run_url


@dataclass(frozen=True, kw_only=True)
class Head:
    """The branch that is checked out, None for a bare commit, and the remote's default branch.

    Which that is a clone knows, and a checkout that was made by `git init` does not.
    """

    branch: str | None = None
    default_branch: str | None = None


def is_workflow(environ: Mapping[str, str]) -> bool:
    """Whether this is a step of a GitHub Actions workflow, whatever was started in it."""
    return environ.get("GITHUB_ACTIONS") == "true"


def by_hand(commit: Commit | None, head: Head, *, folder: str, machine: str, now: float) -> Context:
    """The context of a run in a terminal.

    Args:
        commit: What is checked out in the folder; None for nothing.
        head: Its branches.
        folder: Where the command was started.
        machine: The architecture, by its own name.
        now: Seconds since 1970, which tell one run from another.
    """
    sha = commit.sha if commit else ""
    return Context(
        sha=sha,
        branch=head.branch,
        default_branch=head.default_branch,
        run_id=f"terminal-{now:.0f}",
        run_attempt="1",
        workspace=folder,
        architecture=_ARCHITECTURES.get(machine.lower(), machine),
        scheduled=False,
        from_pull_request=False,
        from_fork=False,
        restricted=False,
        head_sha=sha,
        pull_request=None,
        run_url="",
    )


def read(environ: Mapping[str, str], read_text: Callable[[str], str]) -> Context:
    """Read the run's context; raises NoWorkflowRun where this is no GitHub Actions run.

    Args:
        environ: The environment of the step.
        read_text: Reads the file of a path, used once for GITHUB_EVENT_PATH.
    """
    needed = ("GITHUB_SHA", "GITHUB_RUN_ID", "GITHUB_WORKSPACE")
    missing = [name for name in needed if not environ.get(name)]
    if missing:
        raise NoWorkflowRun(missing)
    event = _event(environ, read_text)
    return Context(
        sha=environ["GITHUB_SHA"],
        branch=_branch(environ),
        default_branch=_inside(event, "repository", "default_branch"),
        run_id=environ["GITHUB_RUN_ID"],
        run_attempt=environ.get("GITHUB_RUN_ATTEMPT") or "1",
        workspace=environ["GITHUB_WORKSPACE"],
        architecture=environ.get("RUNNER_ARCH", ""),
        scheduled=environ.get("GITHUB_EVENT_NAME") == "schedule",
        from_pull_request=_unmerged(environ),
        from_fork=_from_fork(event),
        restricted=_from_fork(event) and _is_restricted(environ),
        head_sha=_inside(event, "pull_request", "head", "sha") or environ["GITHUB_SHA"],
        pull_request=_inside(event, "pull_request", "number"),
        run_url=_run_url(environ),
    )


def _run_url(environ: Mapping[str, str]) -> str:
    server = environ.get("GITHUB_SERVER_URL") or "https://github.com"
    slug = environ.get("GITHUB_REPOSITORY", "")
    return f"{server}/{slug}/actions/runs/{environ['GITHUB_RUN_ID']}"


def _unmerged(environ: Mapping[str, str]) -> bool:
    """Whether the run is for a pull request, in review or in a merge queue.

    Of its reviews there is the ref alone (GitHub: "Events that trigger workflows").
    """
    queued = environ.get("GITHUB_EVENT_NAME") == "merge_group"
    of_its_ref = environ.get("GITHUB_REF", "").startswith("refs/pull/")
    return queued or of_its_ref or bool(environ.get("GITHUB_HEAD_REF"))


def _event(environ: Mapping[str, str], read_text: Callable[[str], str]) -> Mapping[str, Any]:
    path = environ.get("GITHUB_EVENT_PATH")
    event = json.loads(read_text(path)) if path else {}
    return event if isinstance(event, dict) else {}


def _branch(environ: Mapping[str, str]) -> str | None:
    head = environ.get("GITHUB_HEAD_REF")
    if head:
        return head
    ref = environ.get("GITHUB_REF", "")
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None


def _from_fork(event: Mapping[str, Any]) -> bool:
    head = _inside(event, "pull_request", "head", "repo", "full_name")
    # The head's repository is null where the fork was deleted, so unequal means fork; both are
    # None where this is no pull request.
    return bool(head != _inside(event, "pull_request", "base", "repo", "full_name"))


def _is_restricted(environ: Mapping[str, str]) -> bool:
    """Whether GitHub offers no OIDC token, although the workflow may have asked for one.

    By pull_request_target and all others it would offer one: there the job lacks the permission.
    And half of an offer is a fault, not a run that is to get none.
    """
    known = environ.get("GITHUB_EVENT_NAME") in _OF_FORKS
    return known and not any(environ.get(name) for name in OIDC)


def _inside(value: Any, *path: str) -> Any:  # noqa: ANN401 - JSON is of any type
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
