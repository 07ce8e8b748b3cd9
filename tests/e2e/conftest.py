"""The runs that several files of this tier look at, each made once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from dev import act
from dev.engine import Engine
from local_ecr.faults import Call
from tests.e2e.support import Job, Onlooker, Stage, stage

HOSTILE_FINDING = {
    "name": "::set-output name=verdict::hostile",
    "severity": "HIGH",
    "description": "::error::hostile ##[error]hostile",
    "uri": "https://security.example/##[error]hostile",
    "attributes": [
        {"key": "package_name", "value": "##[add-mask]hostile"},
        {"key": "package_version", "value": "\n::add-mask::hostile"},
    ],
}
HOSTILE_RULE = {
    "repository": "hostile",
    "script": [{"after": 0, "status": "COMPLETE", "findings": [HOSTILE_FINDING]}],
}
HOSTILE_SCENARIO = {"rules": [HOSTILE_RULE]}


@dataclass(frozen=True, kw_only=True)
class Played:
    """A workflow file that was run to its end, and what was seen of it meanwhile."""

    stage: Stage
    result: act.Result
    command_lines: frozenset[bytes]
    """Of every process on the machine."""
    calls: tuple[Call, ...]
    """What the local ECR was asked."""
    secrets: tuple[str, ...]
    """What it handed out."""
    new_images: frozenset[str]
    """Names in the engine that were not there before."""

    def job(self, name: str) -> Job:
        """One of its jobs."""
        return Job(name=name, result=self.result)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """All of its jobs."""
        return tuple(map(self.job, self.result.job_results))


@contextmanager
def _played(here: Stage, workflow: str, **over: Any) -> Iterator[Played]:
    here.ecr.reset()
    before = here.images()
    with Onlooker() as onlooker:
        result = here.act(workflow, **over)
    # What act itself complains about, such as a wrong expression, leaves a step green.
    assert not result.complaints, result.complaints
    assert result.job_results, f"act ran no job:\n{result.stderr}"
    yield Played(
        stage=here,
        result=result,
        command_lines=frozenset(onlooker.seen),
        calls=tuple(here.ecr.calls()),
        secrets=(act.TOKEN, *here.ecr.secrets()),
        new_images=frozenset(here.images()) - frozenset(before),
    )


@pytest.fixture(scope="session")
def published(engine: Engine) -> Iterator[Played]:
    """publish.yml, once with each image store."""
    rules = [
        {"repository": "refused", "script": "vulnerable"},
        {"repository": "report-only", "script": "vulnerable"},
        HOSTILE_RULE,
    ]
    with stage(engine, scenario={"rules": rules}) as here:
        here.create("passes", "refused", "report-only", "local-image", "again")
        here.create("broken", "hostile", "hostile-failure")
        here.create("immutable", immutable=True)
        with _played(here, "publish.yml") as played:
            yield played


@pytest.fixture(scope="session")
def promotion(engine: Engine) -> Iterator[Played]:
    """promotion.yml, once with each image store."""
    rules = [{"repository": "refused-deleted", "script": "vulnerable"}]
    with stage(engine, scenario={"default": "clean", "rules": rules}) as here:
        here.create("conflict", immutable=True)
        here.create("two-platforms", "refused-deleted")
        with _played(here, "promotion.yml") as played:
            yield played


@pytest.fixture(scope="session")
def verdicts(engine: Engine) -> Iterator[Played]:
    """verdicts.yml: one scenario per repository."""
    presets = {
        "not-found-then-complete": "not-found-then-complete",
        "failed-unsupported*": "failed-unsupported",
        "never-finishes": "never-finishes",
    }
    rules = [{"repository": name, "script": script} for name, script in presets.items()]
    scenario = {"rules": rules, "trust": {"denied_roles": ["stranger"]}}
    with stage(engine, scenario=scenario) as here:
        here.create("not-found-then-complete", "failed-unsupported", "failed-unsupported-warn")
        here.create("never-finishes", "ambient-credentials", "odd-python", "tags")
        with _played(here, "verdicts.yml") as played:
            yield played


@pytest.fixture(scope="session")
def enhanced(engine: Engine) -> Iterator[Played]:
    """enhanced.yml, in a registry with enhanced scanning."""
    rules = [{"repository": "vulnerable-enhanced", "script": "vulnerable-enhanced"}]
    scenario = {"default": "pending-then-active", "rules": rules}
    with stage(engine, scenario=scenario) as here:
        here.create("pending-then-active", "vulnerable-enhanced")
        with _played(here, "enhanced.yml") as played:
            yield played


@pytest.fixture(scope="session")
def given(engine: Engine) -> Iterator[Played]:
    """inputs.yml: builds with secrets, further contexts and caches."""
    with stage(engine) as here:
        here.create("given", "cached")
        with _played(here, "inputs.yml") as played:
            yield played


@pytest.fixture(scope="session")
def no_token(engine: Engine) -> Iterator[Played]:
    """no-token.yml, without the variables that `id-token: write` gives."""
    with stage(engine) as here, _played(here, "no-token.yml", token=False) as played:
        yield played


def pull_request(head: str) -> dict[str, object]:
    """The payload of a pull request whose branch is in the repository `head`."""
    base = {"full_name": "org/visit-counter-app", "default_branch": "main"}
    return {
        "action": "opened",
        "number": 7,
        "repository": base,
        "pull_request": {
            "number": 7,
            "head": {"ref": "more-visits", "repo": {"full_name": head}},
            "base": {"ref": "main", "repo": base},
        },
    }


@pytest.fixture(scope="session")
def fork(engine: Engine) -> Iterator[Played]:
    """pull-request.yml, for a pull request from a fork."""
    payload = pull_request("stranger/visit-counter-app")
    with (
        stage(engine) as here,
        _played(
            here, "pull-request.yml", event="pull_request", payload=payload, token=False
        ) as played,
    ):
        yield played


@pytest.fixture(scope="session")
def branch(engine: Engine) -> Iterator[Played]:
    """branch.yml, for a pull request of the repository itself."""
    payload = pull_request("org/visit-counter-app")
    rules = [{"repository": "refused*", "script": "vulnerable"}]
    with stage(engine, scenario={"default": "clean", "rules": rules}) as here:
        here.create("auto", "always", "never", "refused", "refused-kept")
        with _played(here, "branch.yml", event="pull_request", payload=payload) as played:
            yield played
