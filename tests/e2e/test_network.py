"""Whom the step talks to: nobody but those whom the README names.

The step runs in this process, with the addresses of the real AWS. Each request of the SDK is noted
by the host that it is meant for, and then sent to the local ECR; an audit hook sees every
connection and every child process of the step.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from dev import act
from dev.engine import Engine
from dev.github import TOKEN, GitHub
from ecr_publish.edges.credentials import Aws
from ecr_publish.errors import ExitCode
from ecr_publish.main import connect, run
from tests.e2e.support import PAYLOAD, Stage, one_store, stage

README = (act.CHECKOUT / "README.md").read_text("utf-8")
REGION = "eu-west-1"
ALWAYS = {f"sts.{REGION}.amazonaws.com", f"api.ecr.{REGION}.amazonaws.com"}
ENHANCED = {f"inspector2.{REGION}.amazonaws.com"}
EVERYTHING = {
    "aws-region": REGION,
    "role-to-assume": "arn:aws:iam::123456789012:role/visit-counter-publisher",
    "repository": "network",
    "tags": "{sha}",
    "github-token": TOKEN,
    "check-run": "true",
    "comment": "true",
}
PULL_REQUEST: Mapping[str, object] = {
    **PAYLOAD,
    "pull_request": {
        "number": 7,
        "head": {"sha": "c0ffee" * 6 + "c0ff", "repo": {"full_name": "org/visit-counter-app"}},
        "base": {"repo": {"full_name": "org/visit-counter-app"}},
    },
}


@dataclass
class Seen:
    """What a run has asked for."""

    hosts: set[str] = field(default_factory=set)
    """Of AWS, as the SDK's requests name them."""
    connections: set[str] = field(default_factory=set)
    """Where sockets were connected to, and names that were looked up."""
    programs: set[str] = field(default_factory=set)


_now: Seen | None = None


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if _now is None:
        return
    if event == "socket.connect":
        address = arguments[1]
        _now.connections.add(str(address[0] if isinstance(address, tuple) else address))
    elif event == "socket.getaddrinfo":
        _now.connections.add(str(arguments[0]))
    elif event == "subprocess.Popen":
        _now.programs.add(Path(str(arguments[0])).name)


# It cannot be taken away again, only switched off.
sys.addaudithook(_note)


@contextmanager
def watched() -> Iterator[Seen]:
    global _now  # noqa: PLW0603 - see above
    _now = Seen()
    try:
        yield _now
    finally:
        _now = None


def published(here: Stage, github: GitHub, seen: Seen, **more: str) -> int:
    """Run the step here, with everything that talks to somebody; gives its exit code."""

    def watch(session: boto3.Session) -> None:
        def detour(request: Any, **_: object) -> None:
            there = urlsplit(request.url)
            seen.hosts.add(str(there.hostname))
            request.url = here.ecr.url + there.path + (there.query and f"?{there.query}")

        session.events.register("before-send", detour)

    files = here.directory / "files"
    files.mkdir(exist_ok=True)
    (files / "event.json").write_text(json.dumps(dict(PULL_REQUEST)), encoding="utf-8")
    given = here.step_environment(files, {**EVERYTHING, **more})
    environ = {**given, **github.environment()}
    del environ["AWS_ENDPOINT_URL"]
    edges = connect(environ)
    return run(environ, replace(edges, cloud=Aws(environ, edges.clock, edges.workflow.mask, watch)))


def named_in_the_readme() -> set[str]:
    """The hosts of AWS in the README's table, for this region."""
    section = README.partition("\n## What leaves your account\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `([a-z0-9.<>-]+\.amazonaws\.com)`", section, re.MULTILINE)
    return {host.replace("<region>", REGION) for host in found}


@one_store
@pytest.mark.parametrize(
    ("scenario", "hosts"), [("clean", ALWAYS), ("pending-then-active", ALWAYS | ENHANCED)]
)
def test_s3_network__is_that_of_the_readme_and_no_other(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, scenario: str, hosts: set[str]
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with stage(engine, scenario=scenario) as here, GitHub() as github:
        here.create("network")
        with watched() as seen:
            assert published(here, github, seen) == ExitCode.PASSED
            # The same commit again: its image is recognized by what ECR gives for download.
            assert published(here, github, seen, promote="always") == ExitCode.PASSED
            assert published(here, github, seen) == ExitCode.PASSED

    assert github.checks
    assert github.comments
    assert seen.hosts == hosts
    assert hosts <= named_in_the_readme()
    socket = engine.host.removeprefix("unix://")
    assert seen.connections == {"127.0.0.1", socket}
    assert seen.programs == {"docker", "git"}
