import json
from typing import Any

import pytest

from ecr_publish.context import Context, Head, by_hand, is_workflow, read
from ecr_publish.errors import ExitCode, NoWorkflowRun
from ecr_publish.inputs import OIDC
from ecr_publish.origin import Commit
from tests.factories import SHA, make_context

ENVIRONMENT = {
    "GITHUB_SHA": SHA,
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_WORKSPACE": "/home/runner/work/app/app",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_EVENT_PATH": "/event.json",
    "RUNNER_ARCH": "X64",
    "GITHUB_REPOSITORY": "org/visit-counter-app",
}
COMMIT = Commit(sha=SHA, time=5)
PUSH = {"repository": {"default_branch": "main"}}


def run(event: Any = PUSH, **over: str) -> Context:
    def read_text(path: str) -> str:
        assert path == "/event.json"
        return json.dumps(event)

    return read(ENVIRONMENT | over, read_text)


def pull_request(head: Any, base: str = "org/app") -> dict[str, Any]:
    request = {"head": {"repo": head}, "base": {"repo": {"full_name": base}}}
    return PUSH | {"pull_request": request}


def test_read__push() -> None:
    assert run() == make_context()


MERGED = "f" * 40
"""On a pull request GITHUB_SHA is the commit that would come of merging it."""


def test_head_sha__of_a_pull_request_is_where_github_shows_checks() -> None:
    event = {"pull_request": {"number": 7, "head": {"sha": SHA}}}
    context = run(event, GITHUB_SHA=MERGED)
    assert (context.sha, context.head_sha, context.pull_request) == (MERGED, SHA, 7)


@pytest.mark.parametrize(
    "event", [{}, {"pull_request": None}, {"pull_request": {"head": None}}, {"number": 7}, []]
)
def test_head_sha__of_any_other_run_is_its_own(event: Any) -> None:
    context = run(event, GITHUB_SHA=MERGED)
    assert (context.head_sha, context.pull_request) == (MERGED, None)


def test_pull_request__a_comment_on_one_is_no_run_for_it() -> None:
    event = {"issue": {"number": 7, "pull_request": {"url": "https://api.github.com/x"}}}
    assert run(event, GITHUB_EVENT_NAME="issue_comment").pull_request is None


@pytest.mark.parametrize(
    ("server", "address"),
    [
        ("https://github.com", "https://github.com"),
        ("", "https://github.com"),
        ("https://ghes.example:8443", "https://ghes.example:8443"),
    ],
)
def test_run_url__also_on_github_enterprise_server(server: str, address: str) -> None:
    expected = f"{address}/org/visit-counter-app/actions/runs/42"
    assert run(GITHUB_SERVER_URL=server).run_url == expected


def test_read__attempt() -> None:
    assert run(GITHUB_RUN_ATTEMPT="3").run_attempt == "3"
    assert run(GITHUB_RUN_ATTEMPT="").run_attempt == "1"


def test_architecture__is_the_runner_s() -> None:
    assert run(RUNNER_ARCH="ARM64") == make_context(architecture="ARM64")
    assert run(RUNNER_ARCH="").architecture == ""


def test_architecture__runner_that_does_not_say() -> None:
    environ = {name: text for name, text in ENVIRONMENT.items() if name != "RUNNER_ARCH"}
    assert read(environ, lambda _: "{}").architecture == ""


@pytest.mark.parametrize(
    ("event", "scheduled"),
    [("schedule", True), ("push", False), ("workflow_dispatch", False), ("", False)],
)
def test_scheduled__by_the_event_s_name(event: str, scheduled: bool) -> None:  # noqa: FBT001
    assert run(GITHUB_EVENT_NAME=event) == make_context(scheduled=scheduled)


@pytest.mark.parametrize("name", ["GITHUB_SHA", "GITHUB_RUN_ID", "GITHUB_WORKSPACE"])
def test_read__variable_missing(name: str) -> None:
    with pytest.raises(NoWorkflowRun) as caught:
        run(**{name: ""})
    assert caught.value.what.endswith(f": {name} not set")
    assert caught.value.exit_code is ExitCode.INPUT


def test_read__no_run_at_all() -> None:
    with pytest.raises(NoWorkflowRun, match="GITHUB_SHA, GITHUB_RUN_ID, GITHUB_WORKSPACE not set"):
        read({}, pytest.fail)


@pytest.mark.parametrize(
    ("ref", "branch"),
    [
        ("refs/heads/main", "main"),
        ("refs/heads/feature/x", "feature/x"),
        ("refs/heads/refs/heads/x", "refs/heads/x"),
        ("refs/tags/v1", None),
        ("refs/tags/refs/heads/main", None),
        ("", None),
    ],
)
def test_branch__from_ref(ref: str, branch: str | None) -> None:
    context = run(GITHUB_REF=ref)
    assert context.branch == branch
    assert not context.from_pull_request


@pytest.mark.parametrize("event", ["pull_request_review", "pull_request_review_comment"])
def test_s1_from_pull_request__by_the_ref_of_its_reviews(event: str) -> None:
    context = run(GITHUB_EVENT_NAME=event, GITHUB_REF="refs/pull/7/merge")
    assert context == make_context(branch=None, from_pull_request=True)


def test_branch__of_a_pull_request_is_its_head() -> None:
    context = run(
        pull_request({"full_name": "org/app"}),
        GITHUB_HEAD_REF="feature/x",
        GITHUB_REF="refs/pull/7/merge",
    )
    assert context == make_context(branch="feature/x", from_pull_request=True)


@pytest.mark.parametrize(
    ("event", "head", "unmerged"),
    [
        ("push", "", False),
        ("merge_group", "", True),
        ("pull_request", "feature/x", True),
        ("pull_request_target", "feature/x", True),
        ("merge_group", "feature/x", True),
        ("merge_groups", "", False),
        ("", "", False),
    ],
)
def test_s1_from_pull_request__in_review_or_in_a_merge_queue(
    event: str,
    head: str,
    unmerged: bool,  # noqa: FBT001
) -> None:
    context = run(GITHUB_EVENT_NAME=event, GITHUB_HEAD_REF=head)
    assert context.from_pull_request is unmerged


def test_branch__of_a_merge_queue_is_the_queue_s_own() -> None:
    ref = "refs/heads/gh-readonly-queue/main/pr-7-0123456"
    context = run(GITHUB_EVENT_NAME="merge_group", GITHUB_REF=ref)
    branch = "gh-readonly-queue/main/pr-7-0123456"
    assert context == make_context(branch=branch, from_pull_request=True)


def test_branch__of_pull_request_target_is_the_head_too() -> None:
    context = run(
        pull_request({"full_name": "evil/app"}),
        GITHUB_HEAD_REF="main",
        GITHUB_EVENT_NAME="pull_request_target",
    )
    assert context == make_context(branch="main", from_pull_request=True, from_fork=True)


@pytest.mark.parametrize(
    ("head", "fork"),
    [
        ({"full_name": "org/app"}, False),
        ({"full_name": "somebody/app"}, True),
        (None, True),
        ({}, True),
    ],
)
def test_from_fork__by_the_repositories(head: Any, fork: bool) -> None:  # noqa: FBT001
    assert run(pull_request(head)).from_fork is fork


FORK, OWN = ({"full_name": name} for name in ("somebody/app", "org/app"))
OFFERED = dict(zip(OIDC, ("https://oidc.example/", "bearer"), strict=True))


@pytest.mark.parametrize(
    ("head", "event", "offered", "restricted"),
    [
        (FORK, "pull_request", {}, True),
        (None, "pull_request", {}, True),
        (FORK, "pull_request_review", {}, True),
        (FORK, "pull_request", dict.fromkeys(OIDC, ""), True),
        (FORK, "pull_request", OFFERED, False),
        *((FORK, "pull_request", {name: OFFERED[name]}, False) for name in OIDC),
        (FORK, "pull_request_target", {}, False),
        (FORK, "issue_comment", {}, False),
        (FORK, "", {}, False),
        (FORK, "pull_request_target", OFFERED, False),
        (OWN, "pull_request", {}, False),
        (OWN, "pull_request", OFFERED, False),
    ],
)
def test_s2_restricted__a_fork_s_run_without_any_part_of_a_token(
    head: Any,
    event: str,
    offered: dict[str, str],
    restricted: bool,  # noqa: FBT001
) -> None:
    context = run(pull_request(head), GITHUB_EVENT_NAME=event, **offered)
    assert context.restricted is restricted


@pytest.mark.parametrize("event", [{}, {"pull_request": None}, {"pull_request": {}}, [], None])
def test_s2_restricted__no_run_without_a_pull_request(event: Any) -> None:
    assert run(event).restricted is False


@pytest.mark.parametrize("event", [{}, [], None, "text", {"repository": None}, {"repository": []}])
def test_event__without_what_is_looked_for(event: Any) -> None:
    assert run(event) == make_context(default_branch=None)


def test_event__no_file() -> None:
    context = read(ENVIRONMENT | {"GITHUB_EVENT_PATH": ""}, pytest.fail)
    assert context == make_context(default_branch=None)


# In a terminal --------------------------------------------------------------------------------


def terminal(commit: Commit | None = COMMIT, machine: str = "x86_64", **head: str) -> Context:
    return by_hand(commit, Head(**head), folder="/home/me/app", machine=machine, now=1234.5)


def test_by_hand__is_what_git_knows() -> None:
    assert terminal(branch="main", default_branch="trunk") == Context(
        sha=SHA,
        branch="main",
        default_branch="trunk",
        run_id="terminal-1234",
        run_attempt="1",
        workspace="/home/me/app",
        architecture="X64",
        scheduled=False,
        from_pull_request=False,
        from_fork=False,
        restricted=False,
        head_sha=SHA,
        pull_request=None,
        run_url="",
    )


def test_by_hand__without_a_checkout() -> None:
    context = terminal(None)
    assert (context.sha, context.head_sha, context.branch) == ("", "", None)


@pytest.mark.parametrize(
    ("machine", "architecture"),
    [
        ("x86_64", "X64"),
        ("AMD64", "X64"),
        ("aarch64", "ARM64"),
        ("arm64", "ARM64"),
        ("riscv64", "riscv64"),
        ("", ""),
    ],
)
def test_s5_by_hand__architecture_is_called_as_github_calls_it(
    machine: str, architecture: str
) -> None:
    assert terminal(machine=machine).architecture == architecture


def test_by_hand__is_known_from_a_workflow_s_run() -> None:
    assert terminal().by_hand
    assert not run().by_hand


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"GITHUB_ACTIONS": "true"}, True),
        ({"GITHUB_ACTIONS": "false"}, False),
        ({"GITHUB_ACTIONS": ""}, False),
        ({"CI": "true", "GITHUB_SHA": SHA}, False),
        ({}, False),
    ],
)
def test_is_workflow__by_what_the_runner_says(
    environ: dict[str, str],
    found: bool,  # noqa: FBT001
) -> None:
    assert is_workflow(environ) is found
