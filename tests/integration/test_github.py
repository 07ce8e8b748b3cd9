"""Check runs and comments, against a stand-in that holds requests to GitHub's own description."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from dev.github import REPOSITORY, TOKEN, Description, Fault, GitHub, Unreachable
from ecr_publish.edges.github import MOST_PAGES, PATIENCE, GitHubApi
from ecr_publish.errors import GitHubFailed
from ecr_publish.report.check import Check, Conclusion, Level, Remark, check
from ecr_publish.report.comment import comment
from tests.factories import SHA, make_finding, make_outcome, make_plan, make_refusal
from tests.fakes import TODAY, FakeClock

NAME = "ECR scan / visit-counter-app"
RUN = "https://github.com/org/visit-counter-app/actions/runs/42"
MARKER = "<!-- ecr-publish: visit-counter-app -->"
BODY = f"{MARKER}\n\nRefused\n"
COMMENTS = "/issues/7/comments"
REMARK = Remark(path="Dockerfile", line=3, level=Level.FAILURE, title="HIGH", message="openssl")
DONE = Check(
    conclusion=Conclusion.FAILURE, title="Refused", summary="**Refused**", text="", remarks=()
)


def remarks(number: int) -> tuple[Remark, ...]:
    return tuple(replace(REMARK, title=f"CVE-{index}") for index in range(number))


@pytest.fixture(scope="session")
def described() -> Description | None:
    try:
        return Description.load()
    except Unreachable:
        return None


@pytest.fixture
def github(described: Description | None) -> Iterator[GitHub]:
    with GitHub(description=described) as server:
        yield server
        assert server.violations == []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def api(github: GitHub, clock: FakeClock) -> GitHubApi:
    return GitHubApi(github.environment(), clock, TOKEN)


def completed(github: GitHub, number: int) -> dict[str, Any]:
    run = github.checks[number]
    assert run["status"] == "completed"
    return run


def titles(run: dict[str, Any]) -> list[str]:
    return [item["title"] for item in run["annotations"]]


def sent(github: GitHub, method: str, path: str) -> list[Any]:
    calls = [call for call in github.calls if call.method == method and call.path.endswith(path)]
    return [call.body for call in calls]


def test_requests__are_held_to_github_s_own_description(described: Description | None) -> None:
    if described is None:
        pytest.skip("GitHub's OpenAPI description is neither in .cache nor to be had from npm")
    with GitHub(description=described) as server:
        api = GitHubApi(server.environment(), FakeClock(), TOKEN)
        number = api.start_check(NAME, SHA, RUN)
        api.complete_check(number, replace(DONE, text="| table |", remarks=(REMARK,)))
        server.fail(Fault(method="POST", path="/check-runs", taken=True))
        api.start_check(NAME, SHA, RUN)
        api.upsert_comment(7, BODY)
        api.upsert_comment(7, f"{BODY}again")
    assert server.violations == []
    assert len(server.calls) == 11


def test_description__is_not_satisfied_by_anything(described: Description | None) -> None:
    if described is None:
        pytest.skip("GitHub's OpenAPI description is neither in .cache nor to be had from npm")
    runs = f"/repos/{REPOSITORY}/check-runs"
    assert described.of_request("POST", runs, {}, {"name": NAME, "head_sha": SHA}) == []
    assert described.of_request("POST", runs, {}, {"name": NAME}) != []
    assert described.of_request("POST", runs, {"page": "1"}, {"name": NAME, "head_sha": SHA}) != []
    assert described.of_request("PATCH", f"{runs}/1", {}, {"conclusion": "passed"}) != []
    assert described.of_request("POST", f"/repos/{REPOSITORY}/checks", {}, {}) != []
    assert described.of_answer("POST", runs, 201, {"id": 1}) != []


# --- check runs


def test_check__is_started(github: GitHub, api: GitHubApi) -> None:
    number = api.start_check(NAME, SHA, RUN)

    run = github.checks[number]
    assert (run["name"], run["head_sha"], run["details_url"]) == (NAME, SHA, RUN)
    assert (run["status"], run["conclusion"]) == ("in_progress", None)
    assert run["started_at"] == f"{TODAY:%Y-%m-%dT%H:%M:%S}Z"


def test_check__is_completed(github: GitHub, api: GitHubApi, clock: FakeClock) -> None:
    number = api.start_check(NAME, SHA, RUN)
    clock.time = 61.0
    api.complete_check(number, replace(DONE, text="| table |", remarks=(REMARK,)))

    run = completed(github, number)
    assert run["conclusion"] == "failure"
    assert run["completed_at"] == "2026-11-23T12:01:01Z"
    assert run["output"] == {"title": "Refused", "summary": "**Refused**", "text": "| table |"}
    assert run["annotations"] == [
        {
            "path": "Dockerfile",
            "start_line": 3,
            "end_line": 3,
            "annotation_level": "failure",
            "title": "HIGH",
            "message": "openssl",
        }
    ]


@pytest.mark.parametrize("conclusion", Conclusion)
def test_check__every_conclusion(github: GitHub, api: GitHubApi, conclusion: Conclusion) -> None:
    number = api.start_check(NAME, SHA, RUN)
    api.complete_check(number, replace(DONE, conclusion=conclusion))
    assert completed(github, number)["conclusion"] == conclusion.value
    assert "text" not in github.checks[number]["output"]


@pytest.mark.parametrize("level", Level)
def test_check__every_level(github: GitHub, api: GitHubApi, level: Level) -> None:
    number = api.start_check(NAME, SHA, RUN)
    api.complete_check(number, replace(DONE, remarks=(replace(REMARK, level=level),)))
    [annotation] = github.checks[number]["annotations"]
    assert annotation["annotation_level"] == level.value


@pytest.mark.parametrize(
    ("number", "batches"),
    [(0, []), (1, [1]), (50, [50]), (51, [50, 1]), (100, [50, 50]), (120, [50, 50, 20])],
)
def test_check__annotations_come_in_batches_after_the_end(
    github: GitHub, api: GitHubApi, number: int, batches: list[int]
) -> None:
    run = api.start_check(NAME, SHA, RUN)
    api.complete_check(run, replace(DONE, remarks=remarks(number)))

    first, *rest = sent(github, "PATCH", f"/check-runs/{run}")
    assert "annotations" not in first["output"]
    assert [len(body["output"].pop("annotations")) for body in rest] == batches
    # Nothing is lost where GitHub takes each request's output for the whole of it.
    assert all(body == {"output": first["output"]} for body in rest)
    assert titles(completed(github, run)) == [f"CVE-{index}" for index in range(number)]


FAULTS = [
    {"status": 500},
    {"status": 502, "body": "<html>Bad Gateway</html>"},
    {"status": 503, "taken": True},
    {"status": 0},
    {"status": 0, "taken": True},
    {"status": 200, "body": "<html>Sign in</html>"},
    {"status": 200, "body": "<html>Sign in</html>", "taken": True},
]


@pytest.mark.parametrize("fault", FAULTS)
def test_s6__a_check_is_completed_through_a_passing_fault(
    github: GitHub, api: GitHubApi, clock: FakeClock, fault: dict[str, Any]
) -> None:
    number = api.start_check(NAME, SHA, RUN)
    github.fail(Fault(method="PATCH", path=f"/check-runs/{number}", **fault), times=2)

    api.complete_check(number, replace(DONE, remarks=remarks(60)))

    assert titles(completed(github, number)) == [f"CVE-{index}" for index in range(60)]
    assert clock.sleeps == [1.0, 2.0]


@pytest.mark.parametrize("fault", FAULTS)
def test_s6__no_second_check_is_left_open_where_the_first_was_started(
    github: GitHub, api: GitHubApi, fault: dict[str, Any]
) -> None:
    api.start_check(NAME, SHA, RUN)
    github.fail(Fault(method="POST", path="/check-runs", **fault))

    number = api.start_check(NAME, SHA, RUN)

    assert list(github.checks) == [100, number]
    assert number == 101
    marks = {run["external_id"] for run in github.checks.values()}
    assert len(marks) == 2
    assert all(len(mark) == 32 for mark in marks)


class Appending:
    """A check whose first batch of annotations was taken, and whose second meets a fault."""

    def __init__(self, github: GitHub, api: GitHubApi, **fault: Any) -> None:
        self.number = api.start_check(NAME, SHA, RUN)
        path = f"/check-runs/{self.number}"
        sound = Fault(method="PATCH", path=path, status=200, body="{}", taken=True)
        github.fail(sound, times=2)
        github.fail(Fault(method="PATCH", path=path, **fault))
        with pytest.raises(GitHubFailed, match="the check run may lack annotations") as caught:
            api.complete_check(self.number, replace(DONE, remarks=remarks(150)))
        self.error = caught.value
        self.requests = len(sent(github, "PATCH", path))


@pytest.mark.parametrize(
    "fault", [*FAULTS, {"status": 429, "headers": {"Retry-After": "1"}}, {"status": 422}]
)
def test_s6__an_append_is_never_sent_twice_and_the_check_is_over_all_the_same(
    github: GitHub, api: GitHubApi, clock: FakeClock, fault: dict[str, Any]
) -> None:
    appending = Appending(github, api, **fault)

    run = completed(github, appending.number)
    assert run["conclusion"] == "failure"
    assert titles(run) == [f"CVE-{index}" for index in range(100 if fault.get("taken") else 50)]
    assert appending.requests == 3
    assert clock.sleeps == []


def test_check__a_lasting_fault_ends_the_patience(
    github: GitHub, api: GitHubApi, clock: FakeClock
) -> None:
    github.fail(Fault(method="POST", path="/check-runs", status=503), times=99)

    with pytest.raises(GitHubFailed) as caught:
        api.start_check(NAME, SHA, RUN)

    assert caught.value.what == (
        "the check run could not be started: GitHub answered 503: Server Error"
    )
    assert clock.sleeps == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert "githubstatus.com" in str(caught.value)


def test_check__the_patience_counts_what_the_requests_take(github: GitHub) -> None:
    clock = FakeClock(step=PATIENCE - 2)
    github.fail(Fault(method="POST", path="/check-runs", status=503), times=99)

    with pytest.raises(GitHubFailed):
        GitHubApi(github.environment(), clock, TOKEN).start_check(NAME, SHA, RUN)

    assert clock.sleeps == [1.0]


# --- limits of the rate

SECONDARY = '{"message": "You have exceeded a secondary rate limit. Please wait."}'
RESET = str(int(TODAY.timestamp()) + 30)


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        ({"status": 429, "headers": {"Retry-After": "7"}}, 7.0),
        ({"status": 403, "headers": {"Retry-After": "7"}}, 7.0),
        ({"status": 403, "headers": {"Retry-After": "0"}}, 1.0),
        ({"status": 403, "body": SECONDARY}, 60.0),
        ({"status": 429, "headers": {"Retry-After": "soon"}}, 60.0),
        ({"status": 429, "headers": {"Retry-After": "-5"}}, 60.0),
        ({"status": 429, "headers": {"Retry-After": "nan"}}, 60.0),
        (
            {
                "status": 403,
                "headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": RESET},
            },
            30.0,
        ),
        (
            {
                "status": 429,
                "headers": {"X-RateLimit-Remaining": "5", "X-RateLimit-Reset": RESET},
            },
            60.0,
        ),
    ],
)
def test_rate__is_respected_and_a_check_is_started_once(
    github: GitHub, api: GitHubApi, clock: FakeClock, fault: dict[str, Any], pause: float
) -> None:
    github.fail(Fault(method="POST", path="/check-runs", **fault))

    api.start_check(NAME, SHA, RUN)

    assert clock.sleeps == [pause]
    assert [call.method for call in github.calls] == ["POST", "POST"]


def test_rate__that_stays_is_asked_for_less_and_less(
    github: GitHub, api: GitHubApi, clock: FakeClock
) -> None:
    soon = {"Retry-After": "3"}
    github.fail(Fault(method="POST", path="/check-runs", status=429, headers=soon), times=4)

    api.start_check(NAME, SHA, RUN)

    assert clock.sleeps == [3.0, 3.0, 4.0, 8.0]


@pytest.mark.parametrize("seconds", ["61", "3600", "9" * 400])
def test_rate__that_lasts_longer_than_the_patience_is_not_waited_for(
    github: GitHub, api: GitHubApi, clock: FakeClock, seconds: str
) -> None:
    limited = Fault(
        method="POST",
        path="/check-runs",
        status=403,
        headers={"Retry-After": seconds},
        body=SECONDARY,
    )
    github.fail(limited)

    with pytest.raises(GitHubFailed, match="answered 403: You have exceeded a secondary rate"):
        api.start_check(NAME, SHA, RUN)

    assert clock.sleeps == []


# --- what is not allowed


def test_permission__checks_are_not_writable(github: GitHub, api: GitHubApi) -> None:
    github.permissions = ("pull-requests",)

    with pytest.raises(GitHubFailed) as caught:
        api.start_check(NAME, SHA, RUN)

    assert caught.value.what == (
        "the check run could not be started: GitHub answered 403: Resource not accessible by "
        "integration"
    )
    assert "fork" in caught.value.why
    assert "permissions:\n      checks: write\n" in caught.value.fix
    told = f"{caught.value.what}\n{caught.value.why}\n{caught.value.fix}\n"
    assert str(caught.value).startswith(f"{told}More: https://github.com/")
    assert len(github.calls) == 1


def test_permission__comments_are_not_writable(github: GitHub, api: GitHubApi) -> None:
    github.permissions = ("checks",)

    with pytest.raises(GitHubFailed, match="the comment could not be written") as caught:
        api.upsert_comment(7, BODY)

    assert "permissions:\n      pull-requests: write\n" in caught.value.fix
    assert github.comments == []


def test_permission__a_repository_that_the_token_does_not_see(github: GitHub) -> None:
    environ = {**github.environment(), "GITHUB_REPOSITORY": "org/other"}

    with pytest.raises(GitHubFailed, match="answered 404: Not Found") as caught:
        GitHubApi(environ, FakeClock(), TOKEN).start_check(NAME, SHA, RUN)

    assert "checks: write" in caught.value.why


def test_token__is_wrong(github: GitHub) -> None:
    with pytest.raises(GitHubFailed, match="answered 401: Bad credentials") as caught:
        GitHubApi(github.environment(), FakeClock(), "wrong").start_check(NAME, SHA, RUN)

    assert "expired" in caught.value.why
    assert "github-token: ${{ github.token }}" in caught.value.fix


@pytest.mark.parametrize("token", ["", " \n"])
def test_token__is_empty(github: GitHub, token: str) -> None:
    with pytest.raises(GitHubFailed, match="cannot be asked without a token"):
        GitHubApi(github.environment(), FakeClock(), token).start_check(NAME, SHA, RUN)

    assert github.calls == []


def test_token__may_end_with_a_newline(github: GitHub) -> None:
    GitHubApi(github.environment(), FakeClock(), f"{TOKEN}\n").start_check(NAME, SHA, RUN)
    assert len(github.checks) == 1


def test_answer__that_refuses_for_another_reason(github: GitHub, api: GitHubApi) -> None:
    fault = Fault(method="POST", path="/check-runs", status=422, body='{"message": "No commit"}')
    github.fail(fault)

    with pytest.raises(GitHubFailed) as caught:
        api.start_check(NAME, SHA, RUN)

    assert caught.value.what == (
        "the check run could not be started: GitHub answered 422: No commit"
    )
    assert "The verdict and the exit code stand without it." in caught.value.fix


@pytest.mark.parametrize("body", ["", "[]", '{"message": null}', "<html>"])
def test_answer__that_refuses_without_words(github: GitHub, api: GitHubApi, body: str) -> None:
    github.fail(Fault(method="POST", path="/check-runs", status=422, body=body))

    with pytest.raises(GitHubFailed, match=r"answered 422\n"):
        api.start_check(NAME, SHA, RUN)


@pytest.mark.parametrize("body", ["{}", "[]", "null", '{"id": "1"}', '{"id": null}'])
def test_answer__that_makes_no_sense(github: GitHub, api: GitHubApi, body: str) -> None:
    github.fail(Fault(method="POST", path="/check-runs", status=201, body=body))

    with pytest.raises(GitHubFailed, match="an answer that makes no sense"):
        api.start_check(NAME, SHA, RUN)

    assert len(github.calls) == 1


def test_answer__that_is_hostile_is_shown_on_one_short_line(github: GitHub, api: GitHubApi) -> None:
    hostile = json.dumps({"message": f"a\r\n::error::b\x1b[2J{'x' * 9999}"})
    github.fail(Fault(method="POST", path="/check-runs", status=422, body=hostile))

    with pytest.raises(GitHubFailed) as caught:
        api.start_check(NAME, SHA, RUN)

    assert "422: a ::error::b\ufffd[2Jxxx" in caught.value.what
    assert len(caught.value.what) < 400


def test_answer__of_odd_runs_is_not_taken_for_ours(github: GitHub, api: GitHubApi) -> None:
    github.fail(Fault(method="POST", path="/check-runs", status=500))
    odd = json.dumps({"check_runs": [None, 1, {"id": 5}, {"id": 6, "external_id": None}]})
    github.fail(Fault(method="GET", path="/check-runs", status=200, body=odd))

    assert api.start_check(NAME, SHA, RUN) == 100


# --- the token


def shown(error: BaseException) -> str:
    """All that a log could show of an error, if somebody printed everything there is."""
    return f"{error!r} {error} {vars(error)}"


ECHO = json.dumps({"message": f"Bad header: Authorization: Bearer {TOKEN}"})
ECHOES: list[dict[str, Any]] = [
    {"status": status, "body": ECHO} for status in (400, 401, 403, 407, 422, 429, 500, 502)
]
ECHOES += [{"status": 302, "headers": {"Location": f"https://evil.example/?{TOKEN}"}}]
ECHOES += [{"status": 302, "headers": {"Location": f"https://{TOKEN}.example/"}}]


@pytest.mark.parametrize("fault", ECHOES)
def test_s3__a_token_that_is_echoed_is_not_shown(
    github: GitHub, api: GitHubApi, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    github.fail(Fault(method="POST", path="/check-runs", **fault), times=99)

    with pytest.raises(GitHubFailed) as caught:
        api.start_check(NAME, SHA, RUN)

    assert TOKEN not in shown(caught.value)
    assert TOKEN not in repr(api)
    assert TOKEN not in caplog.text


@pytest.mark.parametrize("token", ["secret\nX: y", "secret\r", "sécret\u2028", "\u2603secret"])
def test_s3__a_token_that_is_no_header_is_not_shown(github: GitHub, token: str) -> None:
    with pytest.raises(GitHubFailed) as caught:
        GitHubApi(github.environment(), FakeClock(), f"a{token}z").start_check(NAME, SHA, RUN)

    assert "cret" not in shown(caught.value)
    assert caught.value.__suppress_context__
    assert github.calls == []


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/",
        "//evil.example/",
        "http://127.0.0.1:1/api/v3/repos",
        "http://user@127.0.0.1/",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_s3__a_token_does_not_follow_a_redirect_to_another_host(
    github: GitHub, api: GitHubApi, location: str, status: int
) -> None:
    there = {"Location": location}
    github.fail(Fault(method="POST", path="/check-runs", status=status, headers=there))

    with pytest.raises(GitHubFailed, match="an address of another host"):
        api.start_check(NAME, SHA, RUN)

    assert len(github.calls) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_s3__a_token_does_not_follow_a_redirect_to_another_port(
    github: GitHub, api: GitHubApi, status: int
) -> None:
    with GitHub() as evil:
        there = {"Location": f"{evil.url}/api/v3/repos/{REPOSITORY}/check-runs"}
        github.fail(Fault(method="POST", path="/check-runs", status=status, headers=there))

        with pytest.raises(GitHubFailed, match="an address of another host"):
            api.start_check(NAME, SHA, RUN)

    assert evil.calls == []


def test_s3__a_token_does_not_follow_a_redirect_to_nowhere(
    github: GitHub, api: GitHubApi, clock: FakeClock
) -> None:
    there = {"Location": "http://["}
    github.fail(Fault(method="POST", path="/check-runs", status=307, headers=there))

    with pytest.raises(GitHubFailed, match=r"cannot be reached \(ValueError\)"):
        api.start_check(NAME, SHA, RUN)

    assert clock.sleeps == []


def test_s3__a_token_does_not_follow_a_page_to_nowhere(github: GitHub, api: GitHubApi) -> None:
    link = {"Link": '<http://[>; rel="next"'}
    github.fail(Fault(method="GET", path=COMMENTS, status=200, headers=link, body="[]"))

    with pytest.raises(GitHubFailed, match="an address of another host"):
        api.upsert_comment(7, BODY)


def test_s3__a_token_does_not_follow_a_page_to_another_host(github: GitHub, api: GitHubApi) -> None:
    with GitHub() as evil:
        link = {"Link": f'<{evil.url}/api/v3/next>; rel="next"'}
        github.fail(Fault(method="GET", path=COMMENTS, status=200, headers=link, body="[]"))

        with pytest.raises(GitHubFailed, match="an address of another host"):
            api.upsert_comment(7, BODY)

    assert evil.calls == []
    assert github.comments == []


def test_s3__a_token_is_not_replaced_by_netrc(
    github: GitHub, api: GitHubApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    api.start_check(NAME, SHA, RUN)


def test_s3__a_token_is_not_shown_by_a_proxy_s_failure(
    github: GitHub, api: GitHubApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://user:password@127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    with pytest.raises(GitHubFailed, match=r"cannot be reached \(ProxyError\)") as caught:
        api.start_check(NAME, SHA, RUN)

    assert TOKEN not in shown(caught.value)
    assert "password" not in shown(caught.value)
    assert github.calls == []


def test_redirect__of_a_renamed_repository_is_followed_with_the_same_request(
    github: GitHub,
) -> None:
    github.renamed_from = "org/old-name"
    api = GitHubApi(github.environment(), FakeClock(), TOKEN)

    number = api.start_check(NAME, SHA, RUN)
    api.complete_check(number, replace(DONE, remarks=remarks(60)))
    api.upsert_comment(7, BODY)
    api.upsert_comment(7, f"{BODY}again")

    assert len(completed(github, number)["annotations"]) == 60
    assert [item["body"] for item in github.comments] == [f"{BODY}again"]


def test_redirect__in_a_circle(github: GitHub, api: GitHubApi) -> None:
    there = {"Location": "check-runs"}
    github.fail(Fault(method="POST", path="/check-runs", status=307, headers=there), times=99)

    with pytest.raises(GitHubFailed, match="redirects in a circle"):
        api.start_check(NAME, SHA, RUN)

    assert len(github.calls) == 4


def test_address__that_is_none(clock: FakeClock) -> None:
    with pytest.raises(GitHubFailed, match=r"cannot be reached \(InvalidURL\)"):
        GitHubApi({"GITHUB_API_URL": "http://["}, clock, TOKEN).start_check(NAME, SHA, RUN)
    assert clock.sleeps == []


def test_address__that_nobody_answers_at_is_tried_again(clock: FakeClock) -> None:
    environ = {"GITHUB_API_URL": "http://127.0.0.1:1"}
    with pytest.raises(GitHubFailed, match=r"cannot be reached \(ConnectionError\)"):
        GitHubApi(environ, clock, TOKEN).start_check(NAME, SHA, RUN)
    assert clock.sleeps == [1.0, 2.0, 4.0]


def test_address__that_speaks_no_tls_is_not_tried_again(github: GitHub, clock: FakeClock) -> None:
    environ = {"GITHUB_API_URL": github.url.replace("http:", "https:")}
    with pytest.raises(GitHubFailed, match=r"cannot be reached \(SSLError\)"):
        GitHubApi(environ, clock, TOKEN).start_check(NAME, SHA, RUN)
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("environ", "url", "graphql"),
    [
        ({}, "https://api.github.com/repos/o/r", "https://api.github.com/graphql"),
        (
            {
                "GITHUB_API_URL": "https://g.example/api/v3",
                "GITHUB_GRAPHQL_URL": "https://g.example/api/graphql",
            },
            "https://g.example/api/v3/repos/o/r",
            "https://g.example/api/graphql",
        ),
    ],
)
def test_address__is_github_s_or_the_enterprise_s(
    environ: dict[str, str], url: str, graphql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []

    def request(self: object, method: str, url: str, **given: Any) -> Any:
        asked.append((url, given["timeout"]))
        raise ValueError

    monkeypatch.setattr("requests.Session.request", request)
    api = GitHubApi({**environ, "GITHUB_REPOSITORY": "o/r"}, FakeClock(), TOKEN)
    for write in (lambda: api.start_check(NAME, SHA, RUN), lambda: api.upsert_comment(7, BODY)):
        with pytest.raises(GitHubFailed):
            write()

    assert asked == [(f"{url}/check-runs", (5, 10)), (graphql, (5, 10))]


# --- comments


def bodies(github: GitHub) -> list[str]:
    return [item["body"] for item in github.comments]


def test_comment__is_written_and_then_updated_in_place(github: GitHub, api: GitHubApi) -> None:
    github.comment("LGTM", "somebody")
    api.upsert_comment(7, BODY)
    github.comment("Thanks", "somebody")

    api.upsert_comment(7, f"{MARKER}\n\nPassed\n")

    assert bodies(github) == ["LGTM", f"{MARKER}\n\nPassed\n", "Thanks"]


@pytest.mark.parametrize(
    ("body", "login"),
    [
        (BODY, "somebody"),
        (BODY, "github-actions"),
        (BODY, "other-app[bot]"),
        (BODY, None),
        (f"> {BODY}", "github-actions[bot]"),
        (f" {BODY}", "github-actions[bot]"),
        (BODY.replace("-app", "-app-2"), "github-actions[bot]"),
        (BODY.replace("visit-", ""), "github-actions[bot]"),
        ("", "github-actions[bot]"),
    ],
)
def test_comment__of_somebody_else_or_of_something_else_is_never_touched(
    github: GitHub, api: GitHubApi, body: str, login: str | None
) -> None:
    github.comment(body, login)

    api.upsert_comment(7, BODY)
    api.upsert_comment(7, f"{BODY}again")

    assert bodies(github) == [body, f"{BODY}again"]


@pytest.mark.parametrize("login", ["release-bot", "our-app[bot]"])
def test_comment__of_whosever_the_token_is(github: GitHub, api: GitHubApi, login: str) -> None:
    github.login = login
    github.comment(BODY, "github-actions[bot]")

    api.upsert_comment(7, BODY)
    api.upsert_comment(7, f"{BODY}again")

    assert bodies(github) == [BODY, f"{BODY}again"]


@pytest.mark.parametrize(
    "body",
    ["{}", '{"data": null}', '{"data": {"viewer": {"login": null}}}', "[]", '{"errors": []}'],
)
def test_comment__where_it_is_not_known_whose_the_token_is(
    github: GitHub, api: GitHubApi, body: str
) -> None:
    github.comment(BODY, None)
    github.fail(Fault(method="POST", path="/graphql", status=200, body=body))

    with pytest.raises(GitHubFailed, match="an answer that makes no sense"):
        api.upsert_comment(7, f"{BODY}again")

    assert bodies(github) == [BODY]


@pytest.mark.parametrize("before", [0, 99, 100, 250])
def test_comment__is_found_on_any_page(github: GitHub, api: GitHubApi, before: int) -> None:
    for _ in range(before):
        github.comment("LGTM", "somebody")
    github.comment(BODY)
    for _ in range(120):
        github.comment("LGTM", "somebody")

    api.upsert_comment(7, f"{BODY}again")

    assert len(github.comments) == before + 121
    assert github.comments[before]["body"] == f"{BODY}again"
    assert len(sent(github, "GET", COMMENTS)) == before // 100 + 1


def test_comment__the_oldest_of_several_is_updated(github: GitHub, api: GitHubApi) -> None:
    github.comment(BODY)
    github.comment(BODY)

    api.upsert_comment(7, f"{BODY}again")

    assert bodies(github) == [f"{BODY}again", BODY]


def test_comment__pages_without_an_end(github: GitHub, api: GitHubApi) -> None:
    page = f"{github.environment()['GITHUB_API_URL']}/repos/{REPOSITORY}{COMMENTS}"
    link = {"Link": f'<{page}>; rel="next"'}
    endless = Fault(method="GET", path=COMMENTS, status=200, headers=link, body="[]")
    github.fail(endless, times=99)

    with pytest.raises(GitHubFailed, match="more comments than"):
        api.upsert_comment(7, BODY)

    assert len(sent(github, "GET", COMMENTS)) == MOST_PAGES
    assert github.comments == []


ODD = [None, 1, {}, {"user": None, "body": BODY}, {"user": "x"}]
OURS = {"user": {"login": "github-actions[bot]"}}


@pytest.mark.parametrize(
    "odd", [[*ODD, {**OURS, "body": None, "id": 5}], [{**OURS, "body": BODY, "id": "5"}]]
)
def test_comment__odd_ones_are_nobody_s(github: GitHub, api: GitHubApi, odd: list[Any]) -> None:
    fault = Fault(method="GET", path=COMMENTS, status=200, body=json.dumps(odd))
    github.fail(fault)

    api.upsert_comment(7, BODY)

    assert bodies(github) == [BODY]


def test_comment__a_list_that_is_none(github: GitHub, api: GitHubApi) -> None:
    github.fail(Fault(method="GET", path=COMMENTS, status=200, body="{}"))

    with pytest.raises(GitHubFailed, match="makes no sense"):
        api.upsert_comment(7, BODY)

    assert github.comments == []


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/graphql"), ("GET", COMMENTS), ("POST", COMMENTS), ("PATCH", "/comments/900")],
)
def test_comment__is_one_through_a_passing_fault(
    github: GitHub, api: GitHubApi, method: str, path: str, fault: dict[str, Any]
) -> None:
    if method == "PATCH":
        github.comment(BODY)
    github.fail(Fault(method=method, path=path, **fault))

    api.upsert_comment(7, f"{BODY}again")

    assert bodies(github) == [f"{BODY}again"]


def test_comment__that_is_too_long_is_refused_by_the_stand_in(
    described: Description | None,
) -> None:
    with GitHub(description=described) as server:
        api = GitHubApi(server.environment(), FakeClock(), TOKEN)
        with pytest.raises(GitHubFailed, match="Body is too long"):
            api.upsert_comment(7, BODY + "x" * 65_536)
    assert len(server.violations) == 1


BROKEN: list[Callable[[], Check]] = [
    lambda: replace(DONE, summary="x" * 65_536),
    lambda: replace(DONE, text="x" * 65_536),
    lambda: replace(DONE, title="x" * 256),
    lambda: replace(DONE, remarks=(replace(REMARK, path="/Dockerfile"),)),
    lambda: replace(DONE, remarks=(replace(REMARK, line=0),)),
    lambda: replace(DONE, remarks=(replace(REMARK, message=""),)),
    lambda: replace(DONE, remarks=(replace(REMARK, message="é" * 33_000),)),
    lambda: replace(DONE, remarks=(replace(REMARK, title="x" * 256),)),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_check__that_breaks_a_limit_is_refused_by_the_stand_in(
    described: Description | None, broken: Callable[[], Check]
) -> None:
    with GitHub(description=described) as server:
        api = GitHubApi(server.environment(), FakeClock(), TOKEN)
        number = api.start_check(NAME, SHA, RUN)
        with pytest.raises(GitHubFailed, match="Invalid request"):
            api.complete_check(number, broken())
    assert server.violations


def test_check__more_than_a_batch_is_refused_by_the_stand_in(
    described: Description | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecr_publish.edges.github.BATCH", 51)
    with GitHub(description=described) as server:
        api = GitHubApi(server.environment(), FakeClock(), TOKEN)
        number = api.start_check(NAME, SHA, RUN)
        with pytest.raises(GitHubFailed, match="may lack annotations"):
            api.complete_check(number, replace(DONE, remarks=remarks(51)))
    assert server.violations


# --- the real reports


def test_reports__of_a_refusal_are_taken(github: GitHub, api: GitHubApi) -> None:
    found = [make_finding(f"CVE-2024-{index}", "CRITICAL") for index in range(300)]
    outcome = make_outcome(verdict=make_refusal(*found))
    number = api.start_check(NAME, SHA, RUN)
    api.complete_check(number, check(outcome))
    api.upsert_comment(7, comment(outcome, repository=make_plan().repository, run_url=RUN))

    assert len(completed(github, number)["annotations"]) == 100
    assert len(github.comments) == 1
