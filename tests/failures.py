"""Every way to fail, each brought about where it comes from, and never by its constructor.

A scenario runs the corridor with real edges: against the local ECR, against a stand-in for GitHub,
and where the engine has to fail, with a `docker` command or an engine's API that do. Each writes a
golden file, `golden/errors/<anchor>.txt`, or `<anchor>.<case>.txt` where one error has several
texts. To add one, write a function below and decorate it; `tests/contract/test_errors.py` fails
for a class of errors, or a kind of one, that has none.
"""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from werkzeug import Request, Response
from werkzeug.serving import make_server

from dev.github import TOKEN, Fault, GitHub
from ecr_publish import terminal
from ecr_publish.build import Builder, Built
from ecr_publish.edges.credentials import Aws
from ecr_publish.edges.engine import DockerEngine
from ecr_publish.edges.github import GitHubApi
from ecr_publish.errors import (
    AccountNotAllowed,
    AccountUnknown,
    BakeInvalid,
    BaselineMissing,
    Bug,
    BuilderMissing,
    BuildFailed,
    CacheNotExported,
    CallFailed,
    Cancelled,
    CandidateCannotMove,
    CannotMerge,
    EngineMissing,
    GitHubCacheClosed,
    GitHubFailed,
    ImageMissing,
    ImageNotThere,
    InvalidInputs,
    InvalidPolicy,
    LocalEcrMissing,
    NoCredentials,
    NotScanned,
    NoWorkflowRun,
    OidcFailed,
    OidcUnavailable,
    PlatformsMissing,
    PromotionFailed,
    PublishError,
    PushFailed,
    RepositoryMissing,
    RoleRefused,
    SessionPolicyRefused,
    StoreLacks,
    StsFailed,
    TagTaken,
    UnexpectedManifest,
    Unready,
    WrongRegistry,
    anchor,
)
from ecr_publish.manifest import OCI_INDEX
from ecr_publish.origin import Commit
from tests.factories import ARN, NAME, ROLE
from tests.fakes import FakeClock, FakeWorkflow
from tests.images import push_image, push_manifest
from tests.publication import Prepare, Publication, Pusher, failing, started

ALWAYS = 99
"""More often than any retry."""
HEADLINE = re.compile("(Not published|Published in part): ")


@dataclass(frozen=True, kw_only=True)
class World:
    """What a scenario may use; the stand-ins that it starts end with the test."""

    prepare: Prepare
    patch: pytest.MonkeyPatch
    folder: Path
    ends: ExitStack

    def start(self, scenario: Any = "clean", **more: Any) -> Publication:
        """A repository that is scanned on push, and a checkout with a commit."""
        return started(self.prepare, scenario, **more)

    def docker(self, script: str) -> DockerEngine:
        """Docker by a `docker` command that does what the script says."""
        command = self.folder / "docker"
        command.write_text(f"#!/bin/sh\n{script}\n")
        command.chmod(0o755)
        path = f"{self.folder}:/usr/bin:/bin"
        return DockerEngine({"PATH": path, "HOME": str(self.folder)}, FakeClock())

    def engine(self, *, proxy: str = "", **answers: str) -> DockerEngine:
        """Docker by an engine's API that has the image app:ci, unless it answers otherwise."""
        host = self.ends.enter_context(_engine_api(answers))
        environ = {"DOCKER_HOST": host, "PATH": str(self.folder), "HTTPS_PROXY": proxy}
        return DockerEngine(environ, FakeClock())


_Run = Callable[[World], "Publication | str"]
"""Gives the run that failed, or what a terminal has shown of it."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One failure: whose text it is, and how it comes about."""

    error: type[PublishError | GitHubFailed]
    kind: str
    case: str
    run: _Run

    @property
    def anchor(self) -> str:
        """Where the troubleshooting explains it."""
        return anchor(self.error.__name__, self.kind)

    @property
    def name(self) -> str:
        """Of its golden file, without the end."""
        return f"{self.anchor}.{self.case}" if self.case else self.anchor


SCENARIOS: list[Scenario] = []


def scenario(
    error: type[PublishError | GitHubFailed], kind: str = "", *, case: str = ""
) -> Callable[[_Run], _Run]:
    """Registers a scenario of an error, of a kind of it, or of one text of several."""

    def register(run: _Run) -> _Run:
        SCENARIOS.append(Scenario(error=error, kind=kind, case=case, run=run))
        return run

    return register


def told(scenario: Scenario, said: Publication | str) -> str:
    """What the user reads of the failure, from its first line to where to read on.

    One that ends no run is a note, or an annotation by itself.
    """
    if isinstance(said, str):
        return said
    lines = said.workflow.log
    first = next((at for at, line in enumerate(lines) if HEADLINE.match(line)), None)
    if first is None:
        texts = (*lines, *(text for *_, text in said.workflow.annotations))
        return next(text for text in texts if address_of(scenario) in text) + "\n"
    last = next(at for at in range(first, len(lines)) if lines[at].startswith("More: "))
    return "\n".join(lines[first : last + 1]) + "\n"


def address_of(scenario: Scenario) -> str:
    """How the address of its section ends."""
    return f"docs/troubleshooting.md#{scenario.anchor}"


def steady(text: str, folder: Path) -> str:
    """A text without what is another one in each run."""
    for pattern, word in (
        (re.escape(str(folder)), "/runner"),
        (r"127\.0\.0\.1:\d{4,5}", "<host>"),
        (r"sha256:[0-9a-f]{64}", "sha256:<digest>"),
        (r"candidate-42-1-[0-9a-f]{8}", "candidate-42-1-<random>"),
        (r"ASIA[0-9A-F]{16}", "<key>"),
        (r"\b1[0-9]{9}\b", "<time>"),
    ):
        text = re.sub(pattern, word, text)
    return text


# --- inputs, policy, environment


@scenario(InvalidInputs)
def _inputs(world: World) -> Publication:
    one = world.start()
    one.publish(severity_threshold="hihg", scan_timeout="15", create_repository="yes")
    return one


@scenario(InvalidInputs, case="one")
def _input(world: World) -> Publication:
    one = world.start()
    one.publish(repository="123456789012.dkr.ecr.eu-west-1.amazonaws.com/visit-counter-app")
    return one


@scenario(InvalidInputs, case="other-registry")
def _tag_of_another_registry(world: World) -> Publication:
    one = world.start()
    one.publish(tags="999999999999.dkr.ecr.eu-west-1.amazonaws.com/visit-counter-app:1.4.2")
    return one


@scenario(GitHubCacheClosed)
def _github_cache(world: World) -> Publication:
    one = world.start()
    one.publish(cache_from="type=gha")
    return one


@scenario(InvalidPolicy)
def _policy(world: World) -> Publication:
    one = world.start()
    one.files[".ecr-publish.yml"] = b"severity-treshold: low\nignore:\n  - CVE-2026-0001\n"
    one.publish()
    return one


@scenario(InvalidPolicy, case="loosened")
def _loosened_policy(world: World) -> Publication:
    one = world.start()
    one.files["organisation.yml"] = b"severity-threshold: high\n"
    one.files[".ecr-publish.yml"] = b"extends: organisation.yml\nseverity-threshold: critical\n"
    one.publish()
    return one


@scenario(InvalidPolicy, case="missing")
def _no_policy(world: World) -> Publication:
    one = world.start()
    one.publish(policy_file="policies/web.yml")
    return one


@scenario(BakeInvalid)
def _bake(world: World) -> Publication:
    one = world.start()
    # As buildx says it.
    said = "ERROR: failed to find target wbe"
    one.others["engine"] = world.docker(f"echo '{said}' >&2; exit 1")
    one.event["GITHUB_WORKSPACE"] = str(world.folder)
    one.publish(bake_file="docker-bake.hcl", targets="wbe", repository="team/{target}")
    return one


@scenario(NoWorkflowRun)
def _by_hand(world: World) -> Publication:
    one = world.start()
    one.event |= {"GITHUB_SHA": "", "GITHUB_RUN_ID": ""}
    one.publish()
    return one


# --- credentials


def _with_role(one: Publication, **environ: str) -> Publication:
    """Publish with a role, by the OIDC endpoint of the local ECR."""
    one.others["cloud"] = Aws({**one.ecr.environment(), **environ}, FakeClock(), lambda _: None)
    one.publish(role_to_assume=ROLE)
    return one


@scenario(OidcUnavailable)
def _no_oidc(world: World) -> Publication:
    return _with_role(world.start(), ACTIONS_ID_TOKEN_REQUEST_URL="")


@scenario(OidcFailed)
def _oidc_down(world: World) -> Publication:
    one = world.start()
    one.ecr.fail_next("GetIdToken", "InternalFailure", times=ALWAYS, status=503)
    return _with_role(one)


@scenario(OidcUnavailable, case="fork")
def _fork(world: World) -> Publication:
    one = world.start()
    sides = {side: {"repo": {"full_name": f"{side}/app"}} for side in ("head", "base")}
    event = json.dumps({"pull_request": {"number": 7, **sides}})
    one.others["workflow"] = FakeWorkflow({"/event.json": event})
    one.event = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": "/event.json"}
    one.publish(role_to_assume=ROLE, on_fork="fail")
    one.workflow = one.others["workflow"]
    return one


@scenario(SessionPolicyRefused)
def _session_policy(world: World) -> Publication:
    one = world.start()
    said = "Packed size of session policy consumes 112% of allotted space."
    one.ecr.fail_next("AssumeRoleWithWebIdentity", "PackedPolicyTooLarge", message=said)
    return _with_role(one)


@scenario(RoleRefused)
def _role(world: World) -> Publication:
    return _with_role(world.start({"trust": {"denied_roles": [ROLE.rpartition("/")[2]]}}))


@scenario(RoleRefused, case="no-provider")
def _no_provider(world: World) -> Publication:
    return _with_role(world.start({"switches": {"oidc_provider": False}}))


@scenario(RoleRefused, case="audience")
def _audience(world: World) -> Publication:
    one = world.start()
    one.others["cloud"] = Aws(one.ecr.environment(), FakeClock(), lambda _: None)
    one.publish(role_to_assume=ROLE, audience="somebody-else")
    return one


@scenario(RoleRefused, case="duration")
def _duration(world: World) -> Publication:
    one = world.start({"trust": {"max_session_seconds": 3600}})
    one.others["cloud"] = Aws(one.ecr.environment(), FakeClock(), lambda _: None)
    one.publish(role_to_assume=ROLE, role_duration_seconds="7200")
    return one


@scenario(RoleRefused, case="expired")
def _old_token(world: World) -> Publication:
    return _with_role(world.start({"trust": {"token_seconds": 0}}))


@scenario(RoleRefused, case="passing")
def _provider_out_of_reach(world: World) -> Publication:
    one = world.start()
    one.ecr.fail_next("AssumeRoleWithWebIdentity", "IDPCommunicationError", times=ALWAYS)
    return _with_role(one)


@scenario(RoleRefused, case="region")
def _region(world: World) -> Publication:
    one = world.start()
    said = (
        "STS is not activated in this region for account:123456789012. Your account "
        "administrator can activate STS in this region using the IAM Console."
    )
    one.ecr.fail_next(
        "AssumeRoleWithWebIdentity", "RegionDisabledException", message=said, status=403
    )
    return _with_role(one)


@scenario(RoleRefused, case="keys")
def _keys_out_of_reach(world: World) -> Publication:
    one = world.start()
    said = (
        "Couldn't retrieve verification key from your identity provider, please reference "
        "AssumeRoleWithWebIdentity documentation for requirements"
    )
    one.ecr.fail_next(
        "AssumeRoleWithWebIdentity", "InvalidIdentityToken", times=ALWAYS, message=said
    )
    return _with_role(one)


@scenario(StsFailed)
def _sts(world: World) -> Publication:
    one = world.start()
    world.patch.setenv("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")
    return _with_role(one)


@scenario(StsFailed, case="throttled")
def _sts_throttled(world: World) -> Publication:
    one = world.start()
    one.ecr.fail_next("AssumeRoleWithWebIdentity", "Throttling", times=ALWAYS, status=400)
    return _with_role(one)


@scenario(AccountNotAllowed)
def _account(world: World) -> Publication:
    one = world.start()
    one.publish(allowed_account_ids="210987654321")
    return one


@scenario(AccountUnknown)
def _no_account(world: World) -> Publication:
    one = world.start()
    said = "The security token included in the request is expired"
    one.ecr.fail_next("GetCallerIdentity", "ExpiredToken", times=ALWAYS, message=said, status=403)
    one.publish(allowed_account_ids="123456789012")
    return one


@scenario(NoCredentials)
def _no_credentials(world: World) -> Publication:
    one = world.start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        world.patch.delenv(name)
    one.publish()
    return one


@scenario(NoCredentials, case="profile")
def _no_profile(world: World) -> Publication:
    one = world.start()
    world.patch.setenv("AWS_PROFILE", "nobody")
    one.publish()
    return one


# --- calls of AWS


def _refused(world: World, operation: str, code: str, **fault: Any) -> Publication:
    one = world.start()
    one.ecr.fail_next(operation, code, times=ALWAYS, **fault)
    one.publish()
    return one


@scenario(CallFailed, "denied")
def _denied(world: World) -> Publication:
    return _refused(world, "DescribeRepositories", "AccessDeniedException")


@scenario(CallFailed, "denied", case="token")
def _denied_token(world: World) -> Publication:
    return _refused(world, "GetAuthorizationToken", "AccessDeniedException")


@scenario(CallFailed, "denied", case="scan")
def _denied_scan(world: World) -> Publication:
    return _refused(world, "DescribeImageScanFindings", "AccessDeniedException")


@scenario(CallFailed, "denied", case="inspector")
def _denied_inspector(world: World) -> Publication:
    one = world.start({"default": "clean-enhanced", "switches": {"inspector_denied": True}})
    one.publish()
    return one


@scenario(CallFailed, "forbidden")
def _forbidden(world: World) -> Publication:
    said = (
        "User: arn:aws:sts::123456789012:assumed-role/visit-counter-publisher/ecr-publish-42-1 is "
        f"not authorized to perform: ecr:DescribeRepositories on resource: {ARN} with an explicit "
        "deny in a service control policy"
    )
    return _refused(world, "DescribeRepositories", "AccessDeniedException", message=said)


@scenario(CallFailed, "session-policy")
def _not_in_session(world: World) -> Publication:
    said = (
        "User: arn:aws:sts::123456789012:assumed-role/visit-counter-publisher/ecr-publish-42-1 is "
        f"not authorized to perform: ecr:DescribeRepositories on resource: {ARN} because no "
        "session policy allows the ecr:DescribeRepositories action"
    )
    return _refused(world, "DescribeRepositories", "AccessDeniedException", message=said)


@scenario(CallFailed, "expired")
def _expired(world: World) -> Publication:
    said = "The security token included in the request is expired"
    return _refused(world, "DescribeImageScanFindings", "ExpiredTokenException", message=said)


@scenario(CallFailed, "unknown-key")
def _unknown_key(world: World) -> Publication:
    said = "The security token included in the request is invalid."
    return _refused(world, "DescribeRepositories", "UnrecognizedClientException", message=said)


@scenario(CallFailed, "passing")
def _passing(world: World) -> Publication:
    return _refused(world, "DescribeRepositories", "ServerException")


@scenario(CallFailed, "unreachable")
def _ecr_out_of_reach(world: World) -> Publication:
    one = world.start()
    world.patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    one.publish()
    return one


@scenario(CallFailed, "unknown")
def _unknown(world: World) -> Publication:
    one = world.start()
    said = (
        "The repository with name 'team/web' cannot be created in registry with id '123456789012' "
        "because the limit of 100000 repositories was reached"
    )
    one.ecr.fail_next("CreateRepository", "LimitExceededException", times=ALWAYS, message=said)
    one.publish(repository="team/web", create_repository="true")
    return one


# --- repository and images


@scenario(RepositoryMissing)
def _no_repository(world: World) -> Publication:
    one = world.start()
    one.publish(repository="visit-counter")
    return one


@scenario(NotScanned)
def _not_scanned(world: World) -> Publication:
    one = world.start(mode="enhanced")
    one.ecr.set_rules("ENHANCED", {"CONTINUOUS_SCAN": ["prod/*"]})
    one.publish()
    return one


@scenario(ImageNotThere)
def _not_there(world: World) -> Publication:
    one = world.start()
    one.gate("1.4.2")
    return one


@scenario(BaselineMissing)
def _no_baseline(world: World) -> Publication:
    one = world.start()
    one.publish(baseline="latest", fail_on="new")
    return one


@scenario(CannotMerge)
def _merge(world: World) -> Publication:
    one = world.start()
    one.merge(*(push_image(one.ecr, NAME, content=content) for content in (b"one", b"other")))
    return one


@scenario(UnexpectedManifest)
def _odd_manifest(world: World) -> Publication:
    one = world.start()
    index = {"mediaType": OCI_INDEX, "manifests": []}
    one.gate(push_manifest(one.ecr, NAME, "", index).digest)
    return one


# --- Docker


def _taken_over(world: World, **answers: str) -> Publication:
    """Publish the image that an earlier step has built."""
    one = world.start()
    one.others["engine"] = world.engine(**answers)
    one.publish(image="app:ci")
    return one


@scenario(EngineMissing)
def _no_docker(world: World) -> Publication:
    one = world.start()
    one.others["engine"] = DockerEngine({"PATH": str(world.folder)}, FakeClock())
    one.publish()
    return one


@scenario(EngineMissing, case="socket")
def _no_engine(world: World) -> Publication:
    one = world.start()
    # As buildx says it: it succeeds all the same.
    said = (
        "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon "
        "running?"
    )
    one.others["engine"] = world.docker(f"echo 'Driver: '; echo 'Error:  {said}'")
    one.publish()
    return one


@scenario(BuilderMissing)
def _no_builder(world: World) -> Publication:
    one = world.start()
    said = 'ERROR: no builder "native" found'
    one.others["engine"] = world.docker(f"echo '{said}' >&2; exit 1")
    one.publish(builder="native")
    return one


def _with_builder(world: World, said: str) -> DockerEngine:
    """A builder outside of the engine, whose build ends with this error."""
    return world.docker(
        'if [ "$2" = inspect ]; then echo "Driver: docker-container"; exit; fi\n'
        f"echo '{said}'; exit 1"
    )


@scenario(BuildFailed)
def _build(world: World) -> Publication:
    one = world.start()
    said = (
        "ERROR: failed to build: failed to solve: failed to compute cache key: failed to calculate "
        'checksum of ref: "/requirements.txt": not found'
    )
    one.others["engine"] = _with_builder(world, said)
    one.event["GITHUB_WORKSPACE"] = str(world.folder)
    one.publish()
    return one


def _in(world: World, builder: Builder) -> Publication:
    """A repository, and a builder in the engine."""
    one = world.start()
    one.others["engine"] = replace(Pusher(one.ecr), made_by=builder)
    return one


@scenario(Unready)
def _unready(world: World) -> Publication:
    one = _in(world, Builder(driver="docker"))
    push_image(one.ecr, NAME, "1.4.2")
    one.set_mutability("IMMUTABLE")
    one.publish(platforms="linux/amd64,linux/arm64", tags="1.4.2")
    return one


@scenario(WrongRegistry)
def _wrong_registry(world: World) -> Publication:
    one = world.start()
    one.publish(aws_region="eu-central-1")
    return one


@scenario(LocalEcrMissing)
def _no_local_ecr(world: World) -> str:
    world.patch.setattr("ecr_publish.terminal.find_spec", lambda _: None)
    with redirect_stderr(StringIO()) as said:
        terminal.main(["local"], {})
    return said.getvalue()


@scenario(StoreLacks)
def _store(world: World) -> Publication:
    one = _in(world, Builder(driver="docker"))
    one.publish(platforms="linux/amd64,linux/arm64")
    return one


@scenario(CacheNotExported)
def _cache(world: World) -> Publication:
    one = _in(world, Builder(driver="docker"))
    one.publish(cache_to="type=registry,ref=ghcr.io/org/cache:web")
    return one


@scenario(CandidateCannotMove)
def _candidate(world: World) -> Publication:
    one = _in(world, Builder(driver="docker", containerd=True))
    one.set_mutability("IMMUTABLE")
    one.publish(platforms="linux/amd64,linux/arm64")
    return one


@scenario(CandidateCannotMove, case="excluded")
def _candidate_of_an_exclusion(world: World) -> Publication:
    one = _in(world, Builder(driver="docker", containerd=True))
    one.set_mutability("MUTABLE_WITH_EXCLUSION", "v*", "cand*")
    one.publish(provenance="mode=max")
    return one


@scenario(PlatformsMissing)
def _platforms(world: World) -> Publication:
    one = world.start(platforms=("linux/amd64",))
    one.publish(platforms="linux/amd64,linux/arm64")
    return one


@scenario(ImageMissing)
def _image(world: World) -> Publication:
    return _taken_over(world, json="")


# Of reference/ecr-behaviour.md 2.1, and of engines with the containerd image store.
_PUSHES = {
    "immutable": (
        "tag invalid: The image tag 'candidate-42-1-0badcafe' already exists in the "
        "'visit-counter-app' repository and cannot be overwritten because the tag is immutable."
    ),
    "expired": "denied: Your authorization token has expired. Reauthenticate and try again.",
    "login": "no basic auth credentials",
    "missing": (
        "name unknown: The repository with name 'visit-counter-app' does not exist in the registry "
        "with id '123456789012'"
    ),
    "throttled": "toomanyrequests: Rate exceeded",
    "network": (
        'Get "https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/v2/": dial tcp: lookup '
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com: no such host"
    ),
    "forbidden": (
        "unexpected status from POST request to https://123456789012.dkr.ecr.eu-west-1"
        ".amazonaws.com/v2/visit-counter-app/blobs/uploads/: 403 Forbidden"
    ),
    "denied": (
        "denied: User: arn:aws:sts::123456789012:assumed-role/visit-counter-publisher/"
        "ecr-publish-42-1 is not authorized to perform: ecr:InitiateLayerUpload on resource: "
        f"{ARN} because no identity-based policy allows the ecr:InitiateLayerUpload action"
    ),
    "session-policy": (
        "denied: User: arn:aws:sts::123456789012:assumed-role/visit-counter-publisher/"
        "ecr-publish-42-1 is not authorized to perform: ecr:InitiateLayerUpload on resource: "
        f"{ARN} because no session policy allows the ecr:InitiateLayerUpload action"
    ),
    "unknown": "received unexpected HTTP status: 500 Internal Server Error",
}


def _failed_push(message: str) -> Callable[[World], Publication]:
    return lambda world: _taken_over(world, push=json.dumps({"errorDetail": {"message": message}}))


for _kind, _message in _PUSHES.items():
    scenario(PushFailed, _kind)(_failed_push(_message))


@scenario(PushFailed, "network", case="proxy")
def _push_behind_a_proxy(world: World) -> Publication:
    event = {"errorDetail": {"message": _PUSHES["network"]}}
    return _taken_over(world, push=json.dumps(event), proxy="http://proxy.example.com:3128")


# --- tags


@scenario(TagTaken)
def _taken(world: World) -> Publication:
    one = world.start()
    one.publish(tags="1.4.2")
    one.set_mutability("IMMUTABLE")
    one.head, one.content = Commit(sha="f" * 40, time=3_000), b"newer"
    one.publish(tags="1.4.2")
    return one


@scenario(TagTaken, case="by-another-tool")
def _taken_by_another_tool(world: World) -> Publication:
    one = world.start()
    push_image(one.ecr, NAME, "1.4.2")
    one.set_mutability("IMMUTABLE")
    one.publish(tags="1.4.2")
    return one


@scenario(TagTaken, case="unreadable")
def _taken_by_what_cannot_be_read(world: World) -> Publication:
    one = world.start()
    push_image(one.ecr, NAME, "1.4.2")
    one.set_mutability("IMMUTABLE")
    one.ecr.fail_next("GetDownloadUrlForLayer", "AccessDeniedException", times=ALWAYS)
    one.publish(tags="1.4.2")
    return one


@scenario(PromotionFailed)
def _promotion(world: World) -> Publication:
    one = world.start()
    with failing("PutImage", "AccessDeniedException", 2, 2):
        one.publish(tags="1.4.2\nlatest")
    return one


@scenario(PromotionFailed, case="taken-meanwhile")
def _promotion_that_came_too_late(world: World) -> Publication:
    one = world.start()
    one.set_mutability("IMMUTABLE")
    one.others["engine"] = _Racing(one.ecr)
    one.publish(tags="1.4.2")
    return one


class _Racing(Pusher):
    """An engine that takes its time for the push: another run releases its image meanwhile."""

    def push(self, *about: Any) -> Any:
        push_image(self.ecr, NAME, "1.4.2", content=b"of another run")
        return super().push(*about)


# --- reports


def _reported(world: World, fails: Callable[[GitHub], None], token: str = TOKEN) -> Publication:
    one = world.start()
    github = world.ends.enter_context(GitHub(description=None))
    fails(github)
    one.others["github"] = lambda token: GitHubApi(github.environment(), FakeClock(), token)
    one.publish(check_run="true", github_token=token)
    return one


@scenario(GitHubFailed)
def _github(world: World) -> Publication:
    def fails(github: GitHub) -> None:
        github.permissions = ()

    return _reported(world, fails)


@scenario(GitHubFailed, case="token")
def _github_token(world: World) -> Publication:
    return _reported(world, lambda _: None, token="expired")


@scenario(GitHubFailed, case="no-token")
def _no_github_token(world: World) -> Publication:
    return _reported(world, lambda _: None, token=" ")


@scenario(GitHubFailed, case="passing")
def _github_down(world: World) -> Publication:
    down = Fault(method="POST", path="/check-runs", status=503)
    return _reported(world, lambda github: github.fail(down, times=ALWAYS))


@scenario(GitHubFailed, case="unknown")
def _github_refuses(world: World) -> Publication:
    said = json.dumps({"message": "No commit found for SHA: 0123456"})
    odd = Fault(method="POST", path="/check-runs", status=422, body=said)
    return _reported(world, lambda github: github.fail(odd))


@scenario(GitHubFailed, case="at-the-end")
def _github_fails_at_the_end(world: World) -> Publication:
    down = Fault(method="PATCH", path="", status=500)
    return _reported(world, lambda github: github.fail(down, times=ALWAYS))


# --- the end


class _Interrupted(Pusher):
    """An engine whose build is cancelled."""

    def build(self, *about: Any, **more: Any) -> Built:
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the signal interrupts")


class _Broken(Pusher):
    """An engine with an error that nobody has thought of."""

    def build(self, *about: Any, **more: Any) -> Built:
        raise ZeroDivisionError("division by zero")


@scenario(Cancelled)
def _cancelled(world: World) -> Publication:
    one = world.start()
    one.others["engine"] = _Interrupted(one.ecr)
    one.publish()
    return one


@scenario(Bug)
def _bug(world: World) -> Publication:
    one = world.start()
    one.others["engine"] = _Broken(one.ecr)
    one.publish()
    return one


@contextmanager
def _engine_api(answers: dict[str, str]) -> Iterator[str]:
    """An engine's API on 127.0.0.1 with one image; gives DOCKER_HOST.

    `answers` are bodies by the end of the path: `push` is a stream of events (JSON), an empty
    `json` says that there is no such image.
    """

    @Request.application
    def answer(request: Request) -> Response:
        what = request.path.rpartition("/")[2]
        if what == "version":
            return _json({"ApiVersion": "1.44"})
        if what == "json" and answers.get("json") == "":
            return _json({"message": "No such image: app:ci"}, 404)
        if what == "push":
            return Response(answers["push"], content_type="application/json")
        return _json({"RepoTags": ["app:ci"]}, 201 if what == "tag" else 200)

    server = make_server("127.0.0.1", 0, answer, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"tcp://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, content_type="application/json")
