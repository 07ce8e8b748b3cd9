"""The printed policy is enough on a registry that enforces it, and no action of it is too much.

Each row of the table has its trial: what a run comes to with all permissions, and without the one.
A row that has none fails here.
"""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dev.builder import Builder
from dev.engine import Engine
from ecr_publish.iam import TABLE, On, Row, Task
from ecr_publish.main import main
from ecr_publish.origin import Commit
from ecr_publish.scan import SETTLE_SECONDS
from local_ecr import LocalEcr
from local_ecr.holds import Hold
from tests.factories import ACCOUNT, NAME, ROLE, SHA
from tests.images import push_image
from tests.permissions import EVERYTHING, Document, less, more, printed
from tests.publication import HEAD, Prepare, Publication, started

pytestmark = pytest.mark.usefixtures("no_waiting")

PROFILE = "releases"
PROFILE_ARN = f"arn:aws:signer:eu-west-1:{ACCOUNT}:/signing-profiles/{PROFILE}"
EPSS = {".ecr-publish.yml": b"epss-threshold: 0.5\n"}
Key = tuple[On, str, Task]
Limit = Callable[[Document], Document]
Play = Callable[[Prepare, Limit], object]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A run, what it comes to with all permissions, and what without the one."""

    play: Play
    whole: object
    less: object


def limited(one: Publication, policy: Document, **scenario: Any) -> None:
    """From now on roles may do this alone."""
    one.ecr.set_scenario({**scenario, "policy": policy})
    one.ecr.reset()


def publishes(prepare: Prepare, limit: Limit, **inputs: str) -> int:
    one = started(prepare)
    limited(one, limit(printed(inputs)))
    return one.publish(role_to_assume=ROLE, **inputs)


def creates(prepare: Prepare, limit: Limit) -> int:
    one = started(prepare)
    one.api.delete_repository(repositoryName=NAME)
    inputs = {"create_repository": "true"}
    limited(one, limit(printed(inputs)))
    return one.publish(role_to_assume=ROLE, **inputs)


def gates(prepare: Prepare, limit: Limit) -> int:
    one = started(prepare)
    push_image(one.ecr, NAME, "built")
    inputs = {"job": "gate", "reference": "built", "promote_to": "stable"}
    limited(one, limit(printed(inputs)))
    return one.publish(role_to_assume=ROLE, **inputs)


def only_gates(prepare: Prepare, limit: Limit) -> int:
    one = started(prepare)
    push_image(one.ecr, NAME, "built")
    inputs = {"job": "gate", "reference": "built"}
    limited(one, limit(printed(inputs)))
    return one.publish(role_to_assume=ROLE, **inputs)


def merges(prepare: Prepare, limit: Limit) -> int:
    one = started(prepare)
    parts = [
        push_image(one.ecr, NAME, name, name.encode(), f"linux/{name}")
        for name in ("amd64", "arm64")
    ]
    limited(one, limit(printed({"job": "merge"})))
    return one.merge(*parts, role_to_assume=ROLE)


def finds_a_repository_that_is_never_scanned(prepare: Prepare, limit: Limit) -> tuple[int, bool]:
    one = started(prepare)
    one.ecr.set_rules("ENHANCED", {})
    limited(one, limit(printed()))
    code = one.publish(role_to_assume=ROLE, scan_timeout="60s")
    return code, bool(one.ecr.calls("v2.PutManifest"))


def knows_its_own_commit_again(prepare: Prepare, limit: Limit) -> tuple[int, bool]:
    one = started(prepare)
    limited(one, limit(printed()))
    one.publish(role_to_assume=ROLE)
    code = one.publish(role_to_assume=ROLE)
    return code, bool(one.built)


def asks_for_a_scan(prepare: Prepare, limit: Limit) -> int:
    one = started(prepare, on_push=False)
    limited(one, limit(printed()))
    return one.publish(role_to_assume=ROLE)


def removes_a_refused_candidate(prepare: Prepare, limit: Limit) -> tuple[int, int]:
    one = started(prepare)
    inputs = {"on_refusal": "delete"}
    limited(one, limit(printed(inputs)), default="vulnerable")
    code = one.publish(role_to_assume=ROLE, **inputs)
    return code, len(one.candidates)


def removes_the_candidate(prepare: Prepare, limit: Limit) -> tuple[int, int]:
    one = started(prepare)
    limited(one, limit(printed()))
    return one.publish(role_to_assume=ROLE), len(one.candidates)


def compares(prepare: Prepare, limit: Limit) -> int:
    one = started(prepare)
    one.api.create_repository(
        repositoryName="other", imageScanningConfiguration={"scanOnPush": True}
    )
    push_image(one.ecr, "other", "stable")
    inputs = {"baseline": "other:stable", "fail_on": "new"}
    limited(one, limit(printed(inputs)))
    return one.publish(role_to_assume=ROLE, **inputs)


def reads_an_enhanced_scan(prepare: Prepare, limit: Limit) -> int:
    one = started(prepare, mode="enhanced")
    limited(one, limit(printed()))
    return one.publish(role_to_assume=ROLE)


def asks_about_exploits(prepare: Prepare, limit: Limit) -> int:
    one = started(prepare, mode="enhanced")
    one.files = EPSS
    low = [{"after": 1, "status": "SETTLED", "vulnerabilities": [{"severity": "LOW", "epss": 0.1}]}]
    limited(one, limit(printed(files=EPSS)), default=low)
    return one.publish(role_to_assume=ROLE)


def is_signed(prepare: Prepare, limit: Limit) -> tuple[int, str]:
    one = started(prepare)
    whole = printed(signing_profile=PROFILE)
    limited(one, limit(whole), switches={"signing_profile": PROFILE_ARN})
    code = one.publish(role_to_assume=ROLE)
    (status,) = one.api.describe_image_signing_status(
        repositoryName=NAME, imageId={"imageTag": SHA[:7]}
    )["signingStatuses"]
    return code, status["status"]


TRIALS: dict[Key, Trial] = {
    (On.REGISTRY, "ecr:GetAuthorizationToken", Task.PUSH): Trial(play=publishes, whole=0, less=3),
    (On.REGISTRY, "ecr:GetRegistryScanningConfiguration", Task.ANY): Trial(
        play=finds_a_repository_that_is_never_scanned, whole=(4, False), less=(7, True)
    ),
    (On.REPOSITORY, "ecr:BatchGetRepositoryScanningConfiguration", Task.ANY): Trial(
        play=finds_a_repository_that_is_never_scanned, whole=(4, False), less=(4, False)
    ),
    (On.REPOSITORY, "ecr:DescribeRepositories", Task.ANY): Trial(play=publishes, whole=0, less=4),
    (On.REPOSITORY, "ecr:CreateRepository", Task.CREATE): Trial(play=creates, whole=0, less=4),
    (On.REPOSITORY, "ecr:PutImage", Task.WRITE): Trial(play=gates, whole=0, less=8),
    (On.REPOSITORY, "ecr:BatchGetImage", Task.ANY): Trial(play=only_gates, whole=0, less=6),
    (On.REPOSITORY, "ecr:GetDownloadUrlForLayer", Task.RECALL): Trial(
        play=knows_its_own_commit_again, whole=(0, False), less=(0, True)
    ),
    (On.REPOSITORY, "ecr:GetDownloadUrlForLayer", Task.MERGE): Trial(play=merges, whole=0, less=6),
    (On.REPOSITORY, "ecr:DescribeImageScanFindings", Task.ANY): Trial(
        play=only_gates, whole=0, less=7
    ),
    (On.REPOSITORY, "ecr:StartImageScan", Task.START): Trial(play=asks_for_a_scan, whole=0, less=7),
    (On.REPOSITORY, "ecr:DescribeImages", Task.WRITE): Trial(
        play=removes_a_refused_candidate, whole=(9, 0), less=(9, 1)
    ),
    (On.REPOSITORY, "ecr:BatchDeleteImage", Task.REMOVE): Trial(
        play=removes_the_candidate, whole=(0, 0), less=(0, 1)
    ),
    (On.BASELINE, "ecr:BatchGetImage", Task.ANY): Trial(play=compares, whole=0, less=4),
    (On.BASELINE, "ecr:DescribeImageScanFindings", Task.ANY): Trial(play=compares, whole=0, less=7),
    (On.ENHANCED_SCANNING, "inspector2:ListCoverage", Task.ANY): Trial(
        play=reads_an_enhanced_scan, whole=0, less=7
    ),
    (On.ENHANCED_SCANNING, "inspector2:ListFindings", Task.ANY): Trial(
        play=reads_an_enhanced_scan, whole=0, less=7
    ),
    (On.ENHANCED_SCANNING, "inspector2:BatchGetFindingDetails", Task.EXPLOITS): Trial(
        play=asks_about_exploits, whole=0, less=7
    ),
    (On.SIGNING, "signer:SignPayload", Task.WRITE): Trial(
        play=is_signed, whole=(0, "COMPLETE"), less=(0, "FAILED")
    ),
}
"""Those that need no engine."""


def settles(prepare: Prepare, limit: Limit) -> tuple[int, bool]:
    one = started(prepare, scan_seconds=4)
    limited(one, limit(printed()))
    code = one.publish(role_to_assume=ROLE)
    return code, one.waited > SETTLE_SECONDS


def moves_a_tag_forward(prepare: Prepare, limit: Limit) -> tuple[int, bool]:
    one = started(prepare)
    inputs = {"tags": "stable", "promote_only_forward": "true"}
    one.publish(**inputs)
    before = one.releases["stable"]
    one.head, one.content = Commit(sha="f" * 40, time=HEAD.time + 1), b"newer"
    limited(one, limit(printed(inputs)))
    code = one.publish(role_to_assume=ROLE, **inputs)
    return code, one.releases["stable"] != before


def names_the_layer(prepare: Prepare, limit: Limit) -> tuple[int, bool]:
    one = started(prepare, mode="enhanced")
    limited(one, limit(printed()), default="vulnerable")
    code = one.publish(role_to_assume=ROLE)
    return code, not any("Which layer brought" in line for line in one.workflow.log)


def meets_another_run(prepare: Prepare, limit: Limit) -> int:
    """Another run puts the same tag on the same image just before this one does."""
    one = started(prepare)
    limited(one, limit(printed()))

    def meanwhile(held: Hold) -> None:
        held.wait()
        (image,) = one.images
        manifest = one.held(image["imageDigest"])
        one.api.put_image(
            repositoryName=NAME,
            imageManifest=manifest.text,
            imageManifestMediaType=manifest.media_type,
            imageTag=SHA[:7],
        )
        held.release()

    with one.ecr.hold("PutImage") as held:
        other = Thread(target=meanwhile, args=(held,))
        other.start()
        code = one.publish(role_to_assume=ROLE)
        other.join()
    return code


FURTHER = [
    (On.REGISTRY, "ecr:GetRegistryScanningConfiguration", settles, (0, False), (0, True)),
    (On.REPOSITORY, "ecr:GetDownloadUrlForLayer", moves_a_tag_forward, (0, True), (0, False)),
    (On.REPOSITORY, "ecr:GetDownloadUrlForLayer", names_the_layer, (9, True), (9, False)),
    (On.REPOSITORY, "ecr:DescribeImages", meets_another_run, 0, 8),
]
"""What else the table says is lost without an action that may be left out."""

_LAYERS = ("BatchCheckLayerAvailability", "CompleteLayerUpload", "InitiateLayerUpload")
PUSHES = [(On.REPOSITORY, f"ecr:{name}", Task.PUSH) for name in (*_LAYERS, "UploadLayerPart")]
"""Those that docker itself needs."""
BUILDS = [
    *(
        (On.BASE_IMAGES, f"ecr:{name}", Task.ANY)
        for name in ("BatchGetImage", "GetDownloadUrlForLayer")
    ),
    *(
        (On.CACHE_FROM, f"ecr:{name}", Task.ANY)
        for name in ("BatchGetImage", "GetDownloadUrlForLayer")
    ),
    *(
        (On.CACHE_TO, f"ecr:{name}", Task.ANY)
        for name in (*_LAYERS, "UploadLayerPart", "BatchGetImage", "PutImage")
    ),
]
"""Those that BuildKit needs, with the login of the run."""


def name_of(key: Key) -> str:
    return f"{key[1]} on {key[0].sid}, {key[2].name}"


def rows() -> dict[Key, Row]:
    return {(row.on, action, row.task): row for row in TABLE for action in row.actions}


def test_table__each_action_of_each_row_has_its_trial() -> None:
    assert sorted(map(name_of, [*TRIALS, *PUSHES, *BUILDS])) == sorted(map(name_of, rows()))


@pytest.mark.parametrize("key", TRIALS, ids=name_of)
def test_policy__is_enough_and_each_action_is_needed(key: Key, prepare: Prepare) -> None:
    trial, (on, action, _) = TRIALS[key], key

    assert trial.play(prepare, lambda whole: whole) == trial.whole
    assert trial.play(prepare, lambda whole: less(whole, on, action)) == trial.less


@pytest.mark.parametrize(("on", "action", "play", "whole", "rest"), FURTHER)
def test_policy__without_an_action_that_may_be_left_out_this_is_lost(
    on: On, action: str, play: Play, whole: object, rest: object, prepare: Prepare
) -> None:
    assert play(prepare, lambda policy: policy) == whole
    assert play(prepare, lambda policy: less(policy, on, action)) == rest


@pytest.mark.parametrize("key", TRIALS, ids=name_of)
def test_session_policy__is_enough_for_a_role_that_may_do_everything(
    key: Key, prepare: Prepare
) -> None:
    trial = TRIALS[key]

    assert trial.play(prepare, lambda _: EVERYTHING) == trial.whole


def test_session_policy__keeps_a_run_from_other_repositories_and_other_actions(
    prepare: Prepare,
) -> None:
    one = started(prepare)
    limited(one, EVERYTHING)
    one.api.create_repository(repositoryName="other")
    one.publish(role_to_assume=ROLE)
    (session,) = one.ecr.sessions()
    as_the_run = boto3.client(
        "ecr", aws_access_key_id=session.access_key, aws_secret_access_key=session.secret_key
    )

    as_the_run.describe_images(repositoryName=NAME)
    for refused in (
        lambda: as_the_run.describe_images(repositoryName="other"),
        lambda: as_the_run.delete_repository(repositoryName=NAME),
        lambda: as_the_run.put_image_tag_mutability(
            repositoryName=NAME, imageTagMutability="MUTABLE"
        ),
    ):
        with pytest.raises(ClientError, match="because no session policy allows the ecr:"):
            refused()


def test_session_policy__none_leaves_the_role_as_it_is(prepare: Prepare) -> None:
    one = started(prepare)
    assert one.publish(role_to_assume=ROLE, session_policy="none") == 0

    (session,) = one.ecr.sessions()
    assert session.policy is None


# With a real engine ------------------------------------------------------------------------------


@pytest.fixture
def environ(tmp_path: Path, ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A step that builds, with a role that is assumed by OIDC."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (tmp_path / "output").touch()
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "output"))
    for name in (NAME, "other"):
        boto3.client("ecr").create_repository(
            repositoryName=name, imageScanningConfiguration={"scanOnPush": True}
        )
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_SHA": SHA,
        "GITHUB_RUN_ID": "42",
        "GITHUB_REF": "refs/heads/main",
        "GITHUB_WORKSPACE": str(workspace),
        "ECR_PUBLISH_AWS_REGION": "eu-west-1",
        "ECR_PUBLISH_REPOSITORY": NAME,
        "ECR_PUBLISH_ROLE_TO_ASSUME": ROLE,
        **ecr.environment(),
    }


_contents = count()


def changed(environ: dict[str, str]) -> None:
    """Let the next build be of something that is nowhere yet."""
    Path(environ["GITHUB_WORKSPACE"], "content").write_text(f"{os.getpid()} {next(_contents)}")


@pytest.mark.usefixtures("ambient")
@pytest.mark.parametrize("engine", ["classic"], indirect=True)
def test_policy__is_enough_for_docker_and_each_action_is_needed(
    engine: Engine, environ: dict[str, str], ecr: LocalEcr
) -> None:
    def published(policy: Document) -> int:
        ecr.set_scenario({"policy": policy})
        changed(environ)
        return main({**environ, **engine.environment()})

    assert published(printed()) == 0
    for on, action, _ in PUSHES:
        assert published(less(printed(), on, action)) == 6


OTHER = f"arn:aws:ecr:eu-west-1:{ACCOUNT}:repository/other"


def built_outside(environ: dict[str, str], ecr: LocalEcr, on: On) -> tuple[int, bool]:
    """The exit code of a build that uses another repository, and whether any of that was denied."""
    other = f"{ecr.host}/other"
    given: dict[On, dict[str, str]] = {
        On.CACHE_FROM: {"ECR_PUBLISH_CACHE_FROM": f"{other}:cache"},
        On.CACHE_TO: {"ECR_PUBLISH_CACHE_TO": f"type=registry,ref={other}:new,mode=max"},
    }
    base = f"{other}:base" if on is On.BASE_IMAGES else "scratch"
    Path(environ["GITHUB_WORKSPACE"], "Dockerfile").write_text(f"FROM {base}\nCOPY . /\n")
    changed(environ)
    ecr.reset()
    code = main({**environ, "ECR_PUBLISH_BUILDER": "outside", **given.get(on, {})})
    return code, any(call.error == "DENIED" for call in ecr.calls("v2.*"))


def forgotten(engine: Engine) -> None:
    """Let the engine's BuildKit have nothing of an earlier build, for which it would not ask."""
    for words in ("image prune --all --force", "builder prune --all --force"):
        subprocess.run(
            ["docker", *words.split()],
            env={**os.environ, **engine.environment()},
            check=True,
            capture_output=True,
        )


def prepared(environ: dict[str, str], ecr: LocalEcr) -> None:
    """A base image and a cache in the other repository, made by a role without limits."""
    ecr.set_scenario({"policy": EVERYTHING})
    here = {"ECR_PUBLISH_BUILDER": "outside", "ECR_PUBLISH_REPOSITORY": "other"}
    cache = f"type=registry,ref={ecr.host}/other:cache,mode=max"
    assert main({**environ, **here, "ECR_PUBLISH_TAGS": "base", "ECR_PUBLISH_CACHE_TO": cache}) == 0


@pytest.mark.usefixtures("ambient")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:Exception ignored in")
@pytest.mark.parametrize("engine", ["containerd"], indirect=True)
def test_policy__is_enough_for_buildkit_and_each_action_is_needed(
    engine: Engine, environ: dict[str, str], ecr: LocalEcr, tmp_path: Path
) -> None:
    environ["DOCKER_HOST"] = f"unix://{tmp_path}/nobody.sock"
    # A base image is needed, a cache to use is not, one to write is.
    ends = {On.BASE_IMAGES: 5, On.CACHE_FROM: 0, On.CACHE_TO: 5}
    found = {}
    with Builder(engine) as builder:
        builder.create("outside", environ)
        prepared(environ, ecr)
        for on in ends:
            actions = [action for place, action, _ in BUILDS if place is on]
            whole = more(printed(), on, *actions, resource=OTHER)
            ecr.set_scenario({"policy": EVERYTHING})
            assert built_outside(environ, ecr, on) == (0, False)
            ecr.set_scenario({"policy": whole})
            assert built_outside(environ, ecr, on) == (0, False)
            for action in actions:
                forgotten(engine)
                ecr.set_scenario({"policy": less(whole, on, action)})
                found[on, action, Task.ANY] = built_outside(environ, ecr, on)
    gc.collect()

    assert found == {key: (ends[key[0]], True) for key in BUILDS}
