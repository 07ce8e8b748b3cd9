"""The preflight and the doctor on a local ECR: what they say, what they ask, what they leave be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from ecr_publish import doctor
from ecr_publish.build import Builder
from ecr_publish.edges.credentials import Aws
from ecr_publish.edges.ports import Edges
from ecr_publish.inputs import OIDC
from ecr_publish.main import run
from local_ecr.server import LocalEcr
from tests.factories import ARN, NAME, SHA, make_digest
from tests.fakes import FakeCheckout, FakeClock, FakeEngine, FakeGitHub, FakeWorkflow
from tests.images import push_image
from tests.publication import Prepare, Publication

pytestmark = pytest.mark.usefixtures("no_waiting")

Golden = Callable[[str, str], None]
CLASSIC = Builder(driver="docker")
TWO = {"platforms": "linux/amd64,linux/arm64"}
ROLE = "arn:aws:iam::123456789012:role/visit-counter-publisher"
READS = ("Describe", "Get", "BatchGet", "BatchCheck", "List", "Assume")
DENIED = "AccessDeniedException"


@dataclass
class Room:
    """An engine that is only looked at, and a local ECR."""

    ecr: LocalEcr
    workflow: FakeWorkflow = field(default_factory=FakeWorkflow)
    engine: FakeEngine = field(default_factory=lambda: FakeEngine(make_digest(), made_by=CLASSIC))
    lines: list[str] = field(default_factory=list)

    def environ(self, **inputs: str) -> dict[str, str]:
        return {
            "GITHUB_SHA": SHA,
            "GITHUB_RUN_ID": "42",
            "GITHUB_WORKSPACE": "/workspace",
            "ECR_PUBLISH_AWS_REGION": "eu-west-1",
            "ECR_PUBLISH_REPOSITORY": NAME,
            "ECR_PUBLISH_ROLE_TO_ASSUME": ROLE,
            "ECR_PUBLISH_TAGS": "v1",
            **{f"ECR_PUBLISH_{name.upper()}": value for name, value in inputs.items()},
        }

    @property
    def edges(self) -> Edges:
        told = self.ecr.environment()
        return Edges(
            clock=FakeClock(),
            workflow=self.workflow,
            checkout=FakeCheckout(),
            engine=self.engine,
            cloud=Aws({name: told[name] for name in OIDC}, FakeClock(), self.workflow.mask),
            github=FakeGitHub(),
        )

    def run(self, **inputs: str) -> int:
        return run(self.environ(**inputs), self.edges)

    def ask(self, **inputs: str) -> int:
        self.lines.clear()
        return doctor.run(self.environ(**inputs), self.edges, self.lines.append)

    @property
    def told(self) -> str:
        """The doctor's words, with a host that is always the same."""
        return "\n".join(self.lines).replace(self.ecr.host, "registry.example") + "\n"

    @property
    def changes(self) -> list[str]:
        """The calls that were no question, docker's among them."""
        return [call.operation for call in self.ecr.calls() if not call.operation.startswith(READS)]


def prepared(prepare: Prepare) -> tuple[Publication, Room]:
    one = prepare("clean")
    return one, Room(one.ecr)


def break_five(one: Publication) -> None:
    """The tag is taken, scans are off, one permission lacks; the inputs do the rest."""
    push_image(one.ecr, NAME, "v1")
    one.set_mutability("MUTABLE_WITH_EXCLUSION", "v*")
    one.ecr.set_rules("ENHANCED", {"SCAN_ON_PUSH": ["another-*"]})
    one.ecr.reset()
    one.ecr.fail_next(
        "DescribeImageScanFindings",
        DENIED,
        times=99,
        message="User: arn:aws:sts::123456789012:assumed-role/visit-counter-publisher/ecr-publish "
        "is not authorized to perform: ecr:DescribeImageScanFindings on resource: " + ARN,
    )


BROKEN = {**TWO, "baseline": "stable", "fail_on": "new"}
FIVE = (
    "the repository visit-counter-app is never scanned",
    "the tag v1 is on sha256:",
    "the baseline stable cannot be used",
    "an image for 2 platforms cannot be built in this Docker Engine",
    "ecr:DescribeImageScanFindings failed",
)


# The doctor -------------------------------------------------------------------------------------


def test_doctor__healthy(prepare: Prepare, golden: Golden) -> None:
    one, room = prepared(prepare)
    one.ecr.reset()

    assert room.ask() == 0

    golden("doctor-healthy.txt", room.told)


def test_doctor__five_fold_broken(prepare: Prepare, golden: Golden) -> None:
    one, room = prepared(prepare)
    break_five(one)

    assert room.ask(**BROKEN) == 4

    assert "5 problems. Nothing was changed." in room.lines
    for part in FIVE:
        assert part in room.told
    golden("doctor-broken.txt", room.told)


@pytest.mark.parametrize("broken", [False, True])
def test_s4_doctor__changes_nothing(prepare: Prepare, broken: bool) -> None:  # noqa: FBT001
    one, room = prepared(prepare)
    break_five(one) if broken else one.ecr.reset()
    before = one.images

    room.ask(**(BROKEN if broken else {}))

    assert room.changes == []
    assert one.images == before
    assert room.engine.calls == []
    assert room.workflow.outputs == {}


def test_s4_doctor__creates_no_repository(prepare: Prepare) -> None:
    one, room = prepared(prepare)
    one.api.delete_repository(repositoryName=NAME)
    one.ecr.reset()

    assert room.ask(create_repository="true") == 0

    assert room.changes == []
    assert f"{NAME} is to be created, scanned on push" in room.told
    assert "not checked  tags" in room.told


# The room of the line ---------------------------------------------------------------------------


def test_preflight__five_problems_are_one_message(prepare: Prepare, golden: Golden) -> None:
    one, room = prepared(prepare)
    break_five(one)

    assert room.run(**BROKEN) == 4

    reason = room.workflow.outputs["reason"]
    assert reason.startswith("5 problems: (1) ")
    for part in FIVE:
        assert part in reason
    assert room.engine.calls == []
    assert room.changes == []
    summary = room.workflow.markdown.split("<details>", maxsplit=1)[0]
    golden("preflight-broken.md", summary.replace(one.ecr.host, "registry.example"))


def test_preflight__log_has_a_line_for_each_thing_that_was_looked_at(prepare: Prepare) -> None:
    one = prepare("clean")
    one.publish(tags="v1")
    begin = one.workflow.log.index("[Preflight]")
    lines = one.workflow.log[begin + 1 : one.workflow.log.index("[Build]")]
    words = [line.split()[:2] for line in lines]
    assert words[:3] == [["ok", "credentials"], ["ok", "repository"], ["ok", "account"]]
    assert f"{one.ecr.host}/{NAME} exists" in lines[1]


def test_preflight__what_is_missing_hides_nothing_of_the_builder(prepare: Prepare) -> None:
    one, room = prepared(prepare)
    one.ecr.fail_next("AssumeRoleWithWebIdentity", "AccessDenied", times=9)

    assert room.run(**TWO) == 3

    reason = room.workflow.outputs["reason"]
    assert "AWS did not let this run assume" in reason
    assert "an image for 2 platforms cannot be built" in reason
    assert "Not checked because of them: repository, account" in room.workflow.markdown


def test_preflight__permissions_that_are_missing_are_told_together(prepare: Prepare) -> None:
    one, room = prepared(prepare)
    lacking = {
        "DescribeRepositories": "ecr:DescribeRepositories",
        "DescribeImageScanFindings": "ecr:DescribeImageScanFindings",
        "BatchGetImage": "ecr:BatchGetImage",
        "BatchCheckLayerAvailability": "ecr:InitiateLayerUpload",
        "GetAuthorizationToken": "ecr:GetAuthorizationToken",
    }
    for operation in lacking:
        one.ecr.fail_next(operation, DENIED, times=9)

    assert room.run() == 4

    assert room.workflow.outputs["reason"].startswith("5 problems: ")
    for action in lacking.values():
        assert f'"{action}"' in room.workflow.markdown


@pytest.mark.parametrize("code", ["ThrottlingException", "ServerException", "ConnectionReset"])
@pytest.mark.parametrize("operation", ["DescribeImageScanFindings", "BatchCheckLayerAvailability"])
def test_preflight__fault_of_a_probe_that_passes_is_no_problem(
    prepare: Prepare, operation: str, code: str
) -> None:
    one = prepare("clean")
    one.ecr.fail_next(operation, code)

    assert one.publish(tags="v1") == 0

    said = [line for line in one.workflow.log if "could not be asked now" in line]
    assert len(said) == 1
    assert f"ecr:{operation}" in said[0]


def test_preflight__inspector_that_may_not_be_read(prepare: Prepare) -> None:
    one = prepare("clean-enhanced")
    one.ecr.fail_next("ListCoverage", DENIED, times=9)

    assert one.publish(tags="v1") == 7

    assert one.reason.startswith("inspector2:ListCoverage failed")
    assert '"inspector2:ListFindings"' in one.workflow.markdown
    assert one.built == []


# Creating ---------------------------------------------------------------------------------------


def test_s4_create__only_after_all_else_is_well(prepare: Prepare) -> None:
    one, room = prepared(prepare)
    one.api.delete_repository(repositoryName=NAME)
    one.ecr.reset()

    assert room.run(create_repository="true", **TWO) == 5
    assert room.changes == []

    assert one.publish(tags="v1", create_repository="true") == 0
    (repository,) = one.api.describe_repositories(repositoryNames=[NAME])["repositories"]
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    assert any(f"{NAME} is to be created" in line for line in one.workflow.log)
    assert any(f"{NAME} was created" in line for line in one.workflow.log)


def test_s4_create__not_where_it_would_never_be_scanned(prepare: Prepare) -> None:
    one, room = prepared(prepare)
    one.api.delete_repository(repositoryName=NAME)
    one.ecr.set_rules("ENHANCED")
    one.ecr.reset()

    assert room.run(create_repository="true") == 4

    assert room.changes == []
    assert "is never scanned" in room.workflow.outputs["reason"]


def test_s1_create__what_shows_only_afterwards_is_still_refused(prepare: Prepare) -> None:
    one, room = prepared(prepare)
    one.api.delete_repository(repositoryName=NAME)
    room.engine.made_by = Builder(driver="docker-container")

    cache = f"type=registry,ref={one.ecr.host}/{NAME}:v1"
    assert room.run(create_repository="true", cache_to=cache) == 2

    assert "is a tag of images" in room.workflow.outputs["reason"]
    assert room.engine.calls == []


# Drift ------------------------------------------------------------------------------------------


def test_s4_drift__is_said_in_log_and_summary_and_left_as_it_is(prepare: Prepare) -> None:
    one = prepare("clean", on_push=False)
    inputs = {"create_repository": "true", "image_tag_mutability": "IMMUTABLE"}

    assert one.publish(tags="v1", **inputs) == 0

    for command in ("put-image-scanning-configuration", "put-image-tag-mutability"):
        assert any(line.startswith("Note: ") and command in line for line in one.workflow.log)
        assert command in one.workflow.markdown
    (repository,) = one.api.describe_repositories(repositoryNames=[NAME])["repositories"]
    assert repository["imageScanningConfiguration"] == {"scanOnPush": False}
    assert repository["imageTagMutability"] == "MUTABLE"


def test_drift__none_where_the_repository_is_as_it_was_asked_for(prepare: Prepare) -> None:
    one = prepare("clean")
    assert one.publish(tags="v1", create_repository="true") == 0
    assert not [line for line in one.workflow.log if line.startswith("Note: ")]
