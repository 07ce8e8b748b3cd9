"""A stand-in for GitHub's REST API on 127.0.0.1: check runs and comments of one repository.

Requests and answers are held to GitHub's own OpenAPI description, where that can be had, and to
limits that it does not state. What it refuses it also keeps in `violations`, so that a test fails
on a request that only got lucky. The description comes from npm (`@octokit/openapi`, 29 MB, by
npm's own client) and stays in .cache, cut down to what is used here; it is never committed.

What GitHub does otherwise, so that nobody trusts this too far: annotations may be counted some
time after the request, and other apps write check runs and comments as well.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from openapi_schema_validator import OAS30Validator
from werkzeug import Request, Response
from werkzeug.datastructures import Headers

from local_ecr.errors import ConnectionDropped
from local_ecr.keep_alive import KeepAliveServer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HOST = "127.0.0.1"
REPOSITORY = "org/visit-counter-app"
TOKEN = "local-github-token-of-dev-github"  # noqa: S105 - opens nothing
BOT = "github-actions[bot]"
BATCH, PER_PAGE = 50, 100
MOST_TEXT, MOST_COMMENT, MOST_TITLE, MOST_MESSAGE = 65_535, 65_536, 255, 64 << 10

_PACKAGE, _SHA256 = (
    "@octokit/openapi@23.0.2",
    "71a18407dd5e8464f4e0525daf03deabbe65abd9287d6adc7b5d98f516cd0d0c",
)
_MEMBER = "package/generated/api.github.com.json"
_CACHE = Path(__file__).resolve().parent.parent / ".cache" / "github-openapi-23.0.2.json"
_OF_REPOSITORY = "/repos/{owner}/{repo}"
_USED = (
    "/check-runs",
    "/check-runs/{check_run_id}",
    "/commits/{ref}/check-runs",
    "/issues/{issue_number}/comments",
    "/issues/comments/{comment_id}",
)
_API, _GRAPHQL = "/api/v3", "/api/graphql"
"""As GitHub Enterprise Server has them: who forgets the path of GITHUB_API_URL finds nothing."""
_ALIAS = "/repositories/1296269"
"""GitHub's links to further pages name a repository by its number."""
_TIME = "2026-11-23T12:00:00Z"


class Unreachable(Exception):
    """GitHub's description is neither in .cache nor to be had from npm."""


class Description:
    """The part of GitHub's OpenAPI description that is about check runs and comments."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    @classmethod
    def load(cls) -> Description:
        """The description from .cache, or from npm; raises Unreachable."""
        if not _CACHE.exists():
            document = _cut(_fetched())
            _CACHE.parent.mkdir(exist_ok=True)
            # Whoever else reads it at this moment sees all of it or nothing.
            with tempfile.NamedTemporaryFile("w", dir=_CACHE.parent, delete=False) as file:
                json.dump(document, file)
            Path(file.name).replace(_CACHE)
        return cls(json.loads(_CACHE.read_text()))

    def of_request(self, method: str, path: str, query: Mapping[str, str], body: Any) -> list[str]:  # noqa: ANN401 - JSON is of any type
        """What is wrong with a request; empty if nothing is."""
        operation = self._operation(method, path)
        if operation is None:
            return [f"there is no {method} {path}"]
        known = {self._resolved(item)["name"] for item in operation.get("parameters", ())}
        problems = [f"{name} is no parameter" for name in query if name not in known]
        if "requestBody" in operation:
            problems += self._problems(operation["requestBody"], body)
        return problems

    def of_answer(self, method: str, path: str, status: int, content: Any) -> list[str]:  # noqa: ANN401 - JSON is of any type
        """What is wrong with an answer of the stand-in itself."""
        operation = self._operation(method, path) or {}
        answer = operation.get("responses", {}).get(str(status))
        if answer is None:
            return [] if status >= 300 else [f"{method} {path} never answers {status}"]  # noqa: PLR2004
        return self._problems(self._resolved(answer), content)

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        for template, operations in self._document["paths"].items():
            pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
            # `/issues/comments/{comment_id}` is no comment of an issue that is called "comments".
            if re.fullmatch(pattern, path) and method.lower() in operations:
                found: dict[str, Any] = operations[method.lower()]
                return found
        return None

    def _resolved(self, item: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in item:
            return item
        found = self._document
        for part in item["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return found

    def _problems(self, described: Mapping[str, Any], content: Any) -> list[str]:  # noqa: ANN401 - JSON is of any type
        schema = described.get("content", {}).get("application/json", {}).get("schema", {})
        root = {"allOf": [schema], "components": self._document["components"]}
        errors = OAS30Validator(root).iter_errors(content)
        return [f"{error.json_path}: {error.message[:200]}" for error in errors]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is to happen to a request instead, or, where it is `taken`, after it has had its effect.

    `status` 0 closes the connection without an answer.
    """

    method: str
    path: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = '{"message": "Server Error"}'
    taken: bool = False


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request as it came."""

    method: str
    path: str
    body: Any
    headers: Mapping[str, str]


class Refused(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class GitHub:
    """A GitHub on a port of 127.0.0.1.

    Args:
        description: GitHub's own; without it, only the limits that are known here are held.
        permissions: What the token may write; the token of a fork's run may write nothing.
        login: Whose the token is.
    """

    def __init__(
        self,
        *,
        description: Description | None = None,
        permissions: Sequence[str] = ("checks", "pull-requests"),
        login: str = BOT,
    ) -> None:
        self.permissions = permissions
        self.login = login
        self.token = TOKEN
        self.renamed_from = ""
        self.checks: dict[int, dict[str, Any]] = {}
        self.comments: list[dict[str, Any]] = []
        self.calls: list[Call] = []
        self.violations: list[str] = []
        self._description = description
        self._faults: list[Fault] = []
        self._server = KeepAliveServer(HOST, 0, Request.application(self._answer))
        self.url = f"http://{HOST}:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def __enter__(self) -> GitHub:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.end()
        self._thread.join()

    def environment(self) -> dict[str, str]:
        """What GitHub's runner tells a step of it."""
        return {
            "GITHUB_API_URL": f"{self.url}{_API}",
            "GITHUB_GRAPHQL_URL": f"{self.url}{_GRAPHQL}",
            "GITHUB_REPOSITORY": self.renamed_from or REPOSITORY,
        }

    def fail(self, fault: Fault, times: int = 1) -> None:
        """Let the next requests of this method, whose path ends so, meet a fault."""
        self._faults += [fault] * times

    def comment(self, body: str, login: str | None = BOT) -> int:
        """Write a comment, as anybody; gives its number."""
        number = 900 + len(self.comments)
        user = _user(login) if login else None
        self.comments.append({"id": number, "user": user, "body": body})
        return number

    def _answer(self, request: Request) -> Response:
        body = request.get_json() if request.get_data() else None
        path = request.path.replace(_ALIAS, f"/repos/{REPOSITORY}")
        call = Call(
            method=request.method,
            path=path,
            body=body,
            headers=MappingProxyType({**request.headers}),
        )
        self.calls.append(call)
        fault = self._next_fault(call)
        if fault and not fault.taken:
            return _failed(fault)
        answer = self._handled(request, call)
        return _failed(fault) if fault else answer

    def _next_fault(self, call: Call) -> Fault | None:
        for fault in self._faults:
            if fault.method == call.method and call.path.endswith(fault.path):
                self._faults.remove(fault)
                return fault
        return None

    def _handled(self, request: Request, call: Call) -> Response:
        path = call.path.removeprefix(_API)
        query = dict(parse_qsl(request.query_string.decode()))
        headers: Mapping[str, str] = {}
        try:
            self._let_in(call)
            if call.path == _GRAPHQL:
                return _json(200, self._graphql(call.body))
            self._check(call, path, query)
            status, content, headers = self._done(call, path, query)
        except Refused as refused:
            status, headers = refused.status, refused.headers
            content = {"message": str(refused), "documentation_url": "https://docs.github.com/rest"}
        if self._description:
            problems = self._description.of_answer(call.method, path, status, content)
            self.violations += [f"the stand-in's own answer: {problem}" for problem in problems]
        return _json(status, content, headers)

    def _let_in(self, call: Call) -> None:
        if call.headers.get("Authorization") != f"Bearer {self.token}":
            raise Refused(401, "Bad credentials")
        if self.renamed_from and f"/repos/{self.renamed_from}/" in call.path:
            status = 301 if call.method == "GET" else 307
            there = call.path.replace(self.renamed_from, REPOSITORY)
            raise Refused(status, "Moved Permanently", Location=f"{self.url}{there}")

    def _graphql(self, body: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON is of any type
        if body != {"query": "query { viewer { login } }"}:
            self.violations.append(f"a query that nobody expects: {body}")
        return {"data": {"viewer": {"login": self.login}}}

    def _check(self, call: Call, path: str, query: Mapping[str, str]) -> None:
        if not path.startswith(f"/repos/{REPOSITORY}/"):
            raise Refused(404, "Not Found")
        problems = [*_broken_limits(call.body or {}), *_broken_query(query)]
        if self._description:
            problems += self._description.of_request(call.method, path, query, call.body)
        self.violations += [f"{call.method} {path}: {problem}" for problem in problems]
        if problems:
            raise Refused(422, f"Invalid request.\n\n{'; '.join(problems)}")
        permission = "pull-requests" if "/issues/" in path else "checks"
        if call.method != "GET" and permission not in self.permissions:
            raise Refused(403, "Resource not accessible by integration")

    def _done(
        self, call: Call, path: str, query: Mapping[str, str]
    ) -> tuple[int, Any, Mapping[str, str]]:
        words = path.removeprefix(f"/repos/{REPOSITORY}/").split("/")
        number = int(words[-1]) if words[-1].isdecimal() else 0
        if call.method == "GET" and words[-1] == "check-runs":
            return 200, self._runs(words[1], query), {}
        if call.method == "GET":
            return self._page(call, query)
        if words[-1] == "check-runs":
            return 201, self._started(call.body), {}
        if words[0] == "check-runs":
            return 200, self._updated(number, call.body), {}
        if words[-1] == "comments":
            number = self.comment(call.body["body"], self.login)
            return 201, self._comment(number), {}
        return 200, self._edited(number, call.body), {}

    def _runs(self, sha: str, query: Mapping[str, str]) -> dict[str, Any]:
        runs = [
            _run(number, check)
            for number, check in self.checks.items()
            if check["head_sha"] == sha and check["name"] == query.get("check_name", check["name"])
        ]
        return {"total_count": len(runs), "check_runs": runs}

    def _started(self, body: dict[str, Any]) -> dict[str, Any]:
        number = 100 + len(self.checks)
        self.checks[number] = {"conclusion": None, "annotations": [], "output": {}, **body}
        return _run(number, self.checks[number])

    def _updated(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        if number not in self.checks:
            raise Refused(404, "Not Found")
        check, output = self.checks[number], dict(body.get("output", {}))
        check["annotations"] += output.pop("annotations", [])
        check.update(body, output={**check["output"], **output})
        return _run(number, check)

    def _page(self, call: Call, query: Mapping[str, str]) -> tuple[int, Any, Mapping[str, str]]:
        size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
        content = [self._comment(item["id"]) for item in self.comments]
        here = content[(page - 1) * size : page * size]
        if page * size >= len(content):
            return 200, here, {}
        there = call.path.replace(f"/repos/{REPOSITORY}", _ALIAS)
        address = f"{self.url}{there}?per_page={size}&page={page + 1}"
        return 200, here, {"Link": f'<{address}>; rel="next", <{address}>; rel="last"'}

    def _comment(self, number: int) -> dict[str, Any]:
        comment = next((item for item in self.comments if item["id"] == number), None)
        if comment is None:
            raise Refused(404, "Not Found")
        address = f"{self.url}{_API}/comments/{number}"
        addresses = dict.fromkeys(("url", "html_url", "issue_url"), address)
        times = {"created_at": _TIME, "updated_at": _TIME}
        return {"node_id": "x", "author_association": "NONE", **addresses, **times, **comment}

    def _edited(self, number: int, body: dict[str, Any]) -> dict[str, Any]:
        self._comment(number)
        self.comments[number - 900].update(body)
        return self._comment(number)


def _broken_limits(body: Mapping[str, Any]) -> Iterator[str]:
    """What GitHub refuses, and its description says nothing of, or only in words."""
    output = body.get("output") or {}
    if len(body.get("body", "")) > MOST_COMMENT:
        yield f"Body is too long (maximum is {MOST_COMMENT} characters)"
    if body.get("status") == "completed" and "conclusion" not in body:
        yield "a check run that is completed needs a conclusion"
    for name in ("summary", "text"):
        if len(output.get(name, "")) > MOST_TEXT:
            yield f"Only {MOST_TEXT} characters are allowed; {name} has {len(output[name])}"
    if len(output.get("title", "")) > MOST_TITLE:
        yield "the title is too long"
    annotations = output.get("annotations", ())
    if len(annotations) > BATCH:
        yield f"No more than {BATCH} items are allowed; {len(annotations)} were supplied."
    for item in annotations:
        yield from _broken_annotation(item)


def _broken_annotation(item: Mapping[str, Any]) -> Iterator[str]:
    if item["path"].startswith(("/", "../", "./")) or not item["path"]:
        yield f"the path {item['path']} is not one of the repository"
    if not 1 <= item["start_line"] <= item["end_line"]:
        yield f"lines {item['start_line']} to {item['end_line']}"
    if len(item["message"].encode()) > MOST_MESSAGE or not item["message"]:
        yield "the message is empty or longer than 64 KB"
    if len(item.get("title", "")) > MOST_TITLE:
        yield "the annotation's title is too long"


def _broken_query(query: Mapping[str, str]) -> Iterator[str]:
    if not 1 <= int(query.get("per_page", 1)) <= PER_PAGE:
        yield f"a page has at most {PER_PAGE}"


def _run(number: int, check: Mapping[str, Any]) -> dict[str, Any]:
    address = f"http://{HOST}/check-runs/{number}"
    nothing = ("app", "check_suite", "completed_at", "details_url", "external_id", "started_at")
    output = {"title": None, "summary": None, "text": None, **check["output"]}
    count = {"annotations_count": len(check["annotations"]), "annotations_url": address}
    return {
        **dict.fromkeys(nothing),
        **{name: value for name, value in check.items() if name != "annotations"},
        "id": number,
        "node_id": "x",
        "url": address,
        "html_url": address,
        "pull_requests": [],
        "output": {**output, **count},
    }


def _user(login: str) -> dict[str, Any]:
    address = f"http://{HOST}/users/{login}"
    things = "avatar events followers following gists html organizations received_events repos"
    more = f"{things} starred subscriptions"
    return {
        **{f"{thing}_url": address for thing in more.split()},
        "login": login,
        "id": 41898282,
        "node_id": "x",
        "gravatar_id": "",
        "url": address,
        "type": "Bot" if login.endswith("[bot]") else "User",
        "site_admin": False,
    }


class _Raw(Response):
    """An answer whose headers may be nonsense; werkzeug's own refuses to send such a Location."""

    def get_wsgi_headers(self, _: WSGIEnvironment) -> Headers:
        """As they are."""
        return self.headers


def _failed(fault: Fault) -> Response:
    if not fault.status:
        raise ConnectionDropped
    return _Raw(fault.body, fault.status, fault.headers, mimetype="application/json")


def _json(status: int, content: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(content), status, headers, mimetype="application/json")


def _fetched() -> dict[str, Any]:
    """The whole description, by npm's own client and from the registry that it is set up for."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["npm", "pack", "--silent", "--pack-destination", directory, _PACKAGE]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=120, cwd=directory)
        except (OSError, subprocess.SubprocessError) as error:
            raise Unreachable(f"npm does not give {_PACKAGE}: {error}") from error
        [archive] = Path(directory).glob("*.tgz")
        if hashlib.sha256(archive.read_bytes()).hexdigest() != _SHA256:
            raise Unreachable(f"{_PACKAGE} is not the one that is known here")
        with tarfile.open(archive) as files:
            member = files.extractfile(_MEMBER)
            document: dict[str, Any] = json.load(member) if member else {}
            return document


def _cut(document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON is of any type
    """The used paths, and of the components those that they need."""
    paths = {f"{_OF_REPOSITORY}{end}": document["paths"][f"{_OF_REPOSITORY}{end}"] for end in _USED}
    components: dict[str, dict[str, Any]] = {}
    waiting = [*_references(paths)]
    while waiting:
        _, kind, name = waiting.pop().removeprefix("#/").split("/")
        if name not in components.setdefault(kind, {}):
            components[kind][name] = document["components"][kind][name]
            waiting += _references(components[kind][name])
    return _with_null({"paths": paths, "components": components})


def _with_null(value: Any) -> Any:  # noqa: ANN401 - JSON is of any type
    """The same with null among the values of each `enum` that is `nullable`: GitHub means that."""
    if isinstance(value, list):
        return [_with_null(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _with_null(item) for name, item in value.items()}
    if found.get("nullable") is True and isinstance(found.get("enum"), list):
        found["enum"] = [*found["enum"], None]
    return found


def _references(value: object) -> Iterator[str]:
    """All `$ref` in it. An example is no schema, whatever it is called."""
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
