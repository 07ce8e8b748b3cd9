"""Check runs and comments on GitHub, also on GitHub Enterprise Server, over its REST API.

GitHub's documentation: "REST API endpoints for check runs", "... for issue comments", "Rate limits
for the REST API", "Best practices for using the REST API" (redirects, pauses), "Using pagination".
REST does not tell a job's token who it is, GraphQL does: marocchino/sticky-pull-request-comment,
pull request 332.

The token goes to GitHub's own addresses only. No text of an exception of requests is shown, as it
may quote what was sent, and what a server said is shown without the token.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

from requests import RequestException, Response
from requests.exceptions import SSLError
from urllib3.util import Retry

from ecr_publish.edges.ports import Clock
from ecr_publish.edges.web import retrying
from ecr_publish.errors import GitHubFailed
from ecr_publish.report.check import Check, Remark
from ecr_publish.report.escape import printable

BATCH = 50
"""Annotations of one request: GitHub takes no more."""
PATIENCE = 60.0
"""Seconds within which one report may be tried again."""
UNREACHABLE_PATIENCE = 10.0
"""Where nobody answers: a runner may have no way to GitHub's API at all."""
PER_PAGE, MOST_PAGES = 100, 30
"""GitHub lets a pull request have 2,500 comments."""
MOST_REDIRECTS = 3

_TIMEOUT = (5, 10)
_SLOW_DOWN = 60.0
"""What GitHub asks for where it limits a rate and names no time."""
_LONGEST_MESSAGE = 300
_HEADERS = {
    "Accept": "application/vnd.github+json",
    "User-Agent": "ecr-publish",
    "X-GitHub-Api-Version": "2022-11-28",
}
_CHECKS, _COMMENTS = "checks: write", "pull-requests: write"
_BY_THE_JOB = (
    "Leave github-token away, so that the job's own token is used, or set it to that:\n"
    "    github-token: ${{ github.token }}"
)
_DO_WITHOUT = (
    "The verdict and the exit code stand without it. Run the job again; if it stays, leave "
    "`check-run` and `comment` away."
)
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 401, 403, 404, 429, 500

Kind = TypeVar("Kind")


class _Fault(GitHubFailed):
    """A failure that may pass.

    `pause` are the seconds that GitHub asks for; `taken` says that it may have done all the same
    what it was asked to do, `patience` for how many seconds such a fault is borne.
    """

    def __init__(
        self, what: str, *, pause: float = 0.0, taken: bool, patience: float = PATIENCE
    ) -> None:
        super().__init__(
            what,
            why="Most often a passing fault at GitHub, or a proxy between the runner and GitHub.",
            fix="Run the job again; see https://www.githubstatus.com if it stays.",
        )
        self.pause = pause
        self.taken = taken
        self.patience = patience


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What GitHub answered, where its next page is, and what to say if it makes no sense."""

    content: Any
    next_page: str | None
    odd: GitHubFailed

    def get(self, kind: type[Kind], *path: str) -> Kind:
        """What stands at a path of it; raises GitHubFailed where that is nothing of this kind."""
        value = _at(self.content, *path)
        if not isinstance(value, kind):
            raise self.odd
        return value


class GitHubApi:
    """One repository on GitHub, written to with a job's token."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, token: str) -> None:
        """Args: environ: Of the step, for GitHub's addresses and the repository's name."""
        self._clock = clock
        self._token = token.strip()
        api = environ.get("GITHUB_API_URL") or "https://api.github.com"
        self._graphql = environ.get("GITHUB_GRAPHQL_URL") or f"{api}/graphql"
        self._repository = f"{api}/repos/{environ.get('GITHUB_REPOSITORY', '')}"

    def start_check(self, name: str, sha: str, details_url: str) -> int:
        """Open a check run on a commit, and no second one, and give its id."""
        mark = secrets.token_hex(16)
        body = {
            "name": name,
            "head_sha": sha,
            "details_url": details_url,
            "external_id": mark,
            "status": "in_progress",
            "started_at": self._time(),
        }
        query = urlencode({"check_name": name, "per_page": PER_PAGE}, quote_via=quote)
        there = f"{self._repository}/commits/{sha}/check-runs?{query}"
        with self._talk("the check run could not be started", _CHECKS) as talk:
            return talk.make(
                lambda: talk.once("POST", f"{self._repository}/check-runs", body).get(int, "id"),
                lambda: _started(talk, there, mark),
            )

    def complete_check(self, number: int, check: Check) -> None:
        """End a check run; then add its annotations, which can no longer keep it from ending.

        Ending it twice is ending it once, so that is tried again. Annotations come on top of those
        that are there, so a request with some is never sent twice.
        """
        url = f"{self._repository}/check-runs/{number}"
        output = {"title": check.title, "summary": check.summary}
        if check.text:
            output["text"] = check.text
        over = {
            "status": "completed",
            "completed_at": self._time(),
            "conclusion": check.conclusion.value,
            "output": output,
        }
        with self._talk("the check run could not be completed", _CHECKS) as talk:
            talk.ask("PATCH", url, over)
        with self._talk("the check run may lack annotations", _CHECKS) as talk:
            for batch in _batches(check.remarks):
                talk.once("PATCH", url, {"output": {**output, "annotations": batch}})

    def upsert_comment(self, issue: int, body: str) -> None:
        """Write a comment on a pull request, in place of the earlier one where there is one.

        The earlier one begins with the same line and was written by this token's own user.
        """
        url = f"{self._repository}/issues/{issue}/comments"
        marker = body.partition("\n")[0]
        with self._talk("the comment could not be written", _COMMENTS) as talk:
            who = talk.ask("POST", self._graphql, {"query": "query { viewer { login } }"})
            look = partial(_earlier, talk, url, who.get(str, "data", "viewer", "login"), marker)
            earlier = look()
            if earlier is None:
                talk.make(lambda: talk.once("POST", url, {"body": body}).get(int, "id"), look)
            else:
                address = f"{self._repository}/issues/comments/{earlier}"
                talk.ask("PATCH", address, {"body": body})

    def _talk(self, task: str, permission: str) -> _Talk:
        return _Talk(
            clock=self._clock,
            token=self._token,
            task=task,
            permission=permission,
            trusted=(_origin(self._repository), _origin(self._graphql)),
        )

    def _time(self) -> str:
        return self._clock.today().astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _started(talk: _Talk, url: str, mark: str) -> int | None:
    """The check run that bears this mark; None where there is none."""
    runs = talk.ask("GET", url).get(list, "check_runs")
    ours = (_at(run, "id") for run in runs if _at(run, "external_id") == mark)
    return next((number for number in ours if isinstance(number, int)), None)


def _earlier(talk: _Talk, url: str, login: str, marker: str) -> int | None:
    """The oldest comment that this user wrote and that begins with the marker; None without one."""
    page: str | None = f"{url}?per_page={PER_PAGE}"
    for _ in range(MOST_PAGES):
        if page is None:
            return None
        answer = talk.ask("GET", page)
        ours = [item for item in answer.get(list) if _at(item, "user", "login") == login]
        for comment in ours:
            number = _at(comment, "id")
            if str(_at(comment, "body")).startswith(marker) and isinstance(number, int):
                return number
        page = answer.next_page
    raise talk.failure("lists more comments than it lets a pull request have")


def _batches(remarks: Sequence[Remark]) -> Iterator[list[dict[str, Any]]]:
    for first in range(0, len(remarks), BATCH):
        yield [
            {
                "path": item.path,
                "start_line": item.line,
                "end_line": item.line,
                "annotation_level": item.level.value,
                "title": item.title,
                "message": item.message,
            }
            for item in remarks[first : first + BATCH]
        ]


class _Talk:
    """The requests of one report: one patience, and one story where they fail."""

    def __init__(
        self, *, clock: Clock, token: str, task: str, permission: str, trusted: Sequence[str]
    ) -> None:
        self._clock = clock
        self._token = token
        self._task = task
        self._permission = permission
        self._trusted = trusted
        self._began = clock.now()
        self._pause = 1.0
        self._http = retrying(Retry(0))

    def __enter__(self) -> _Talk:
        if not self._token:
            raise self.failure(
                "cannot be asked without a token",
                why="The input github-token is set to nothing, perhaps by a secret that this run "
                "is not given.",
                fix=_BY_THE_JOB,
            )
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def ask(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> _Answer:
        """The answer to what may be asked twice; tried again while there is patience."""
        while True:
            try:
                return self.once(method, url, body)
            except _Fault as fault:
                self._wait(fault)

    def make(self, make: Callable[[], int], look: Callable[[], int | None]) -> int:
        """Make one thing and no second: where it may have been made, look before the next try."""
        while True:
            try:
                return make()
            except _Fault as fault:
                self._wait(fault)
                made = look() if fault.taken else None
            if made is not None:
                return made

    def once(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> _Answer:
        """The answer; raises _Fault where it may help to try again."""
        answer = self._followed(method, url, body)
        if not answer.ok:
            raise self._refused(answer)
        try:
            content = answer.json()
        except ValueError:
            raise self._fault("answered with something else than JSON", taken=True) from None
        next_page = answer.links.get("next", {}).get("url")
        odd = self.failure("gave an answer that makes no sense")
        return _Answer(content=content, next_page=next_page, odd=odd)

    def failure(self, did: str, *, why: str = "", fix: str = _DO_WITHOUT) -> GitHubFailed:
        """The failure of this report; `did` is what GitHub did, as a verb."""
        return GitHubFailed(self._told(did), why=why, fix=fix)

    def _fault(
        self, did: str, *, pause: float = 0.0, taken: bool, patience: float = PATIENCE
    ) -> _Fault:
        return _Fault(self._told(did), pause=pause, taken=taken, patience=patience)

    def _told(self, did: str) -> str:
        return f"{self._task}: GitHub {did}"

    def _wait(self, fault: _Fault) -> None:
        """Wait before another attempt; raises the fault where patience would end before."""
        pause = max(fault.pause, self._pause)
        self._pause *= 2
        if self._clock.now() + pause > self._began + fault.patience:
            raise fault
        self._clock.sleep(pause)

    def _followed(self, method: str, url: str, body: Mapping[str, Any] | None) -> Response:
        """The answer after redirects, which GitHub wants followed by the same request."""
        for _ in range(MOST_REDIRECTS + 1):
            answer = self._sent(method, url, body)
            if not answer.is_redirect:
                return answer
            url = urljoin(url, answer.headers["Location"])
        raise self.failure("redirects in a circle")

    def _sent(self, method: str, url: str, body: Mapping[str, Any] | None) -> Response:
        if _origin(url) not in self._trusted:
            raise self.failure(
                "names an address of another host, which must not see the token",
                why="GITHUB_API_URL is not GitHub's own address, or a proxy answers in its place.",
            )
        try:
            return self._http.request(
                method,
                url,
                json=body,
                headers=_HEADERS | {"Authorization": f"Bearer {self._token}"},
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        # A ValueError is a token or an address that cannot be sent.
        except (SSLError, ValueError) as error:
            raise self.failure(f"cannot be reached ({type(error).__name__})") from None
        except RequestException as error:
            did = f"cannot be reached ({type(error).__name__})"
            raise self._fault(did, taken=True, patience=UNREACHABLE_PATIENCE) from None

    def _refused(self, answer: Response) -> GitHubFailed:
        status, said = answer.status_code, self._said(answer)
        did = f"answered {status}{said and f': {said}'}"
        if _is_rate_limited(answer, said):
            return self._fault(did, pause=_pause(answer, self._clock.today()), taken=False)
        if status >= _SERVER_ERROR:
            return self._fault(did, taken=True)
        if status == _UNAUTHORIZED:
            why = "The token in github-token is wrong, or has expired."
            return self.failure(did, why=why, fix=_BY_THE_JOB)
        if status in (_FORBIDDEN, _NOT_FOUND):
            return self._not_allowed(did)
        return self.failure(did)

    def _not_allowed(self, did: str) -> GitHubFailed:
        return self.failure(
            did,
            why=f"The job lacks the permission `{self._permission}`. Or it runs for a pull request "
            "of a fork: GitHub gives it a token that can only read, whatever the workflow says.",
            fix="Add to the permissions that the job has (one that is not named is taken away):\n"
            f"    permissions:\n      {self._permission}\n      id-token: write\n"
            "      contents: read\n"
            "Do not use pull_request_target with a checkout of a fork's code.",
        )

    def _said(self, answer: Response) -> str:
        """GitHub's own words on one line, without the token, should it have been echoed."""
        try:
            message = _at(answer.json(), "message")
        except ValueError:
            return ""
        words = " ".join(str(message or "").replace(self._token, "***").split())
        return printable(words)[:_LONGEST_MESSAGE]


def _at(value: Any, *path: str) -> Any:  # noqa: ANN401 - JSON is of any type
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _origin(url: str) -> str:
    """Scheme, host and port as they were written: whatever differs counts as another host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _is_rate_limited(answer: Response, said: str) -> bool:
    if answer.status_code == _FORBIDDEN:
        spent = answer.headers.get("X-RateLimit-Remaining") == "0"
        return spent or "Retry-After" in answer.headers or "rate limit" in said.lower()
    return answer.status_code == _TOO_MANY


def _pause(answer: Response, now: datetime) -> float:
    """The seconds for which GitHub wants to hear nothing."""
    after, reset = (_number(answer, name) for name in ("Retry-After", "X-RateLimit-Reset"))
    if after is not None:
        return after
    if reset is not None and answer.headers.get("X-RateLimit-Remaining") == "0":
        return reset - now.timestamp()
    return _SLOW_DOWN


def _number(answer: Response, header: str) -> float | None:
    value = answer.headers.get(header, "")
    return float(value) if value.isdecimal() else None
