"""Every exit of the corridor, on typed fakes of the edges."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

import pytest

from ecr_publish.build import Builder
from ecr_publish.errors import (
    BuildFailed,
    CallFailed,
    GitHubFailed,
    ImageMissing,
    NoCredentials,
    OidcUnavailable,
    PublishError,
    PushFailed,
    RepositoryMissing,
    TagTaken,
)
from ecr_publish.findings import Finding, Page, Severity
from ecr_publish.inputs import OIDC
from ecr_publish.main import run
from ecr_publish.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from ecr_publish.origin import Commit, Origin
from ecr_publish.plan import RepositoryState
from ecr_publish.reference import Digest, Tag
from ecr_publish.report.check import Check, Conclusion
from ecr_publish.scan import Answer, NoScan, Unreachable
from ecr_publish.scanning import Frequency, Scanning, ScanType
from tests.fakes import (
    TODAY,
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeGitHub,
    FakeRegistry,
    FakeWorkflow,
    denied,
    edges,
)

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
URI = f"{HOST}/team/app"
SHA = "0123456789abcdef0123456789abcdef01234567"
EVENT = json.dumps({"repository": {"default_branch": "main"}})
DONE = datetime(2026, 11, 23, tzinfo=timezone.utc)
BEFORE, MINE, LATER = 1_000, 2_000, 3_000
"""When the commits of other images, and of this run, were made."""
PULL_REQUEST = {"GITHUB_HEAD_REF": "feature", "GITHUB_REF": "refs/pull/7/merge"}
SCHEDULE = {"GITHUB_EVENT_NAME": "schedule"}


def finding(severity: str, name: str = "CVE-2026-0001") -> Finding:
    return Finding(name=name, severity=Severity.parse(severity), stated_severity=severity)


def page(*severities: str, status: str = "COMPLETE", done: bool = True) -> Page:
    findings = tuple(finding(severity, f"CVE-{n}") for n, severity in enumerate(severities))
    counts = {severity: severities.count(severity) for severity in severities}
    return Page(
        status=status, completed_at=DONE if done else None, findings=findings, counts=counts
    )


def manifest(text: str = '{"schemaVersion":2}', media_type: str = OCI_MANIFEST) -> Manifest:
    digest = Digest(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")
    return Manifest(digest=digest, media_type=media_type, text=text)


def state(
    engine: ScanType = ScanType.BASIC,
    frequency: Frequency = Frequency.SCAN_ON_PUSH,
    mutability: str = "MUTABLE",
) -> RepositoryState:
    return RepositoryState(
        host=HOST,
        name="team/app",
        arn="arn:aws:ecr:eu-west-1:123456789012:repository/team/app",
        registry_id="123456789012",
        mutability=mutability,
        exclusions=(),
        created=False,
        scanning=Scanning(engine=engine, frequency=frequency),
    )


@dataclass
class Run:
    """One walk of the corridor: what goes in, and what came out."""

    registry: FakeRegistry
    engine: FakeEngine
    cloud: FakeCloud
    workflow: FakeWorkflow
    clock: FakeClock
    checkout: FakeCheckout = field(default_factory=lambda: FakeCheckout(Commit(sha=SHA, time=MINE)))
    event: dict[str, str] = field(default_factory=dict)
    github: FakeGitHub = field(default_factory=FakeGitHub)

    def walk(self, **inputs: str) -> int:
        environ = {
            "GITHUB_SHA": SHA,
            "GITHUB_RUN_ID": "42",
            "GITHUB_RUN_ATTEMPT": "2",
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_WORKSPACE": "/workspace",
            "GITHUB_EVENT_PATH": "/event.json",
            "ECR_PUBLISH_AWS_REGION": "eu-west-1",
            "ECR_PUBLISH_REPOSITORY": "team/app",
            "ECR_PUBLISH_SCAN_TIMEOUT": "60s",
            **self.event,
        }
        environ |= {f"ECR_PUBLISH_{name.upper()}": value for name, value in inputs.items()}
        fakes = (self.cloud, self.engine, self.workflow, self.clock, self.checkout, self.github)
        return run(environ, edges(*fakes))

    def hold(self, tag: str, origin: Origin | None, text: str = "other") -> str:
        """Let a tag be on an image with this origin; gives its digest."""
        image = manifest(json.dumps({"note": text}))
        self.registry.known[str(image.digest)] = image
        self.registry.origins[str(image.digest)] = origin
        self.registry.tags[tag] = str(image.digest)
        return str(image.digest)

    @property
    def tagged(self) -> list[str]:
        """The tags that the step says it applied."""
        return [line.rpartition(":")[2] for line in self.workflow.outputs["tags"].splitlines()]

    @property
    def refusals(self) -> list[str]:
        return [text for kind, _, text in self.workflow.annotations if kind == "error"]

    @property
    def warnings(self) -> list[str]:
        return [text for kind, _, text in self.workflow.annotations if kind == "warning"]


def prepare(*answers: Answer | BaseException, pushed: Manifest | None = None) -> Run:
    pushed = pushed or manifest()
    registry = FakeRegistry(state=state(), pushed=pushed, answers=answers)
    return Run(
        registry=registry,
        engine=FakeEngine(digest=pushed.digest),
        cloud=FakeCloud(registry=registry),
        workflow=FakeWorkflow({"/event.json": EVENT}),
        clock=FakeClock(),
    )


def test_line__clean_image_gets_its_release_tags() -> None:
    one = prepare(NoScan(), page(status="IN_PROGRESS", done=False), page("LOW"))

    assert one.walk() == 0

    digest = str(one.engine.digest)
    assert one.registry.tags == {"0123456": digest, "latest": digest}
    assert one.workflow.outputs["verdict"] == "passed"
    assert one.workflow.outputs["image"] == f"{URI}@{digest}"
    assert one.workflow.outputs["tags"] == f"{URI}:0123456\n{URI}:latest"
    assert one.workflow.outputs["candidate"] == ""
    assert (one.workflow.outputs["low"], one.workflow.outputs["total"]) == ("1", "1")
    assert (one.workflow.outputs["scan-type"], one.workflow.outputs["scan-status"]) == (
        "basic",
        "COMPLETE",
    )
    assert one.workflow.annotations == []
    assert one.workflow.markdown.startswith("## ✅ Passed")


def test_line__builds_pushes_and_forgets_the_candidate() -> None:
    one = prepare(page())

    one.walk(context="app", tags="1.0", builder="default")

    build, push, forget = one.engine.calls
    reference = push.split()[1]
    assert reference.startswith(f"{URI}:candidate-42-2-")
    assert one.engine.asked == ["default"]
    assert build == f"build app {reference} /workspace"
    assert push == f"push {reference} AWS"
    assert forget == f"forget {reference}"
    assert one.workflow.raw == b"#1 building\n"


def test_line__rooms_are_walked_in_order_and_timed() -> None:
    one = prepare(page())
    one.clock = FakeClock(step=1.0)

    one.walk()

    rooms = [line for line in one.workflow.log if line.startswith("[")]
    assert rooms == [
        *("[Plan]", "[Preflight]", "[Build]", "[Push]", "[Scan]", "[Gate]", "[Promote]"),
    ]
    durations = next(line for line in one.workflow.log if line.startswith("Time: "))
    spent = {room: float(seconds) for room, seconds in re.findall(r"(\w+) ([0-9.]+) s", durations)}
    assert spent["plan"] == 1.0
    assert spent.pop("time") == sum(
        seconds for room, seconds in spent.items() if room not in ("build", "push", "scan")
    )


def test_line__start_of_the_step_counts_as_own_time() -> None:
    one = prepare(page())

    one.walk(started="1000")

    assert "start 1" in next(line for line in one.workflow.log if line.startswith("Time: "))


def test_line__two_runs_never_share_a_candidate() -> None:
    first, second = prepare(page()), prepare(page())

    first.walk()
    second.walk()

    assert first.engine.calls[1] != second.engine.calls[1]


def test_line__local_image_is_tagged_not_built() -> None:
    one = prepare(page())

    assert one.walk(image="app:ci") == 0

    assert [call.split()[0] for call in one.engine.calls] == ["tag", "push", "forget"]
    assert one.engine.calls[0].startswith(f"tag app:ci {URI}:candidate-")


def test_line__enhanced_scan_has_to_settle() -> None:
    one = prepare(
        page("LOW", status="ACTIVE"), page("LOW", status="ACTIVE"), page("HIGH", status="ACTIVE")
    )
    one.registry.state = state(ScanType.ENHANCED)

    assert one.walk() == 9

    assert one.workflow.outputs["scan-type"] == "enhanced"


def test_line__index_is_gated_by_its_image_and_promoted_whole() -> None:
    image, attestation = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    text = json.dumps(
        {
            "manifests": [
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": image,
                    "platform": {"os": "linux", "architecture": "amd64"},
                },
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": attestation,
                    "platform": {"os": "unknown", "architecture": "unknown"},
                    "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
                },
            ]
        }
    )
    one = prepare(page(), pushed=manifest(text, OCI_INDEX))

    assert one.walk() == 0

    assert {digest for digest, _ in one.registry.asked} == {image}
    assert set(one.registry.tags.values()) == {str(manifest(text).digest)}


def test_s1__refused_image_gets_no_release_tag() -> None:
    one = prepare(page("CRITICAL", "LOW"))

    assert one.walk() == 9

    assert one.registry.tags == {}
    assert one.workflow.outputs["verdict"] == "refused"
    assert one.workflow.outputs["tags"] == ""
    assert one.workflow.outputs["candidate"].startswith(f"{URI}:candidate-42-2-")
    assert one.workflow.outputs["critical"] == "1"
    finding, refusal = one.workflow.annotations
    assert {finding[0], refusal[0]} == {"error"}
    assert "1 CRITICAL" in refusal[2]
    assert finding[1] == "CVE-0"
    assert one.workflow.markdown.startswith("## ❌ Refused")


def test_s1__report_only_promotes_and_says_so() -> None:
    one = prepare(page("CRITICAL"))

    assert one.walk(report_only="true") == 0

    assert "0123456" in one.registry.tags
    assert one.workflow.outputs["verdict"] == "refused"
    finding, waiver = one.workflow.annotations
    assert {finding[0], waiver[0]} == {"warning"}
    assert "report-only: true" in waiver[2]
    assert "report-only: true" in one.workflow.markdown
    assert any("report-only: true" in line for line in one.workflow.log)


@pytest.mark.parametrize(
    ("answer", "setting"),
    [
        (NoScan(), "on_timeout"),
        (page(status="UNSUPPORTED_IMAGE"), "on_unsupported"),
        (page(status="LIMIT_EXCEEDED"), "on_scan_error"),
    ],
)
def test_s2__no_verdict_fails_unless_that_very_case_may_warn(answer: Answer, setting: str) -> None:
    settings = {"on_timeout": "warn", "on_unsupported": "warn", "on_scan_error": "warn"}
    failing, warned = prepare(answer), prepare(answer)

    assert failing.walk(**{**settings, setting: "fail"}) == 7
    assert warned.walk(**{setting: "warn"}) == 0

    assert failing.registry.tags == {}
    assert warned.registry.tags != {}
    assert warned.workflow.outputs["verdict"] == "unknown"
    assert setting.replace("_", "-") in warned.workflow.annotations[0][2]


def test_s2__unknown_status_is_not_a_pass() -> None:
    one = prepare(page(status="SOMETHING_NEW"))

    assert one.walk() == 7

    assert "SOMETHING_NEW" in one.workflow.outputs["reason"]


def test_s2__deadline_ends_the_wait() -> None:
    one = prepare(page(status="PENDING", done=False))

    assert one.walk() == 7

    assert one.clock.time == pytest.approx(60)
    assert one.registry.tags == {}


def test_s2__network_cut_is_waited_out_and_then_fails() -> None:
    back, gone = prepare(Unreachable(message="cut"), page()), prepare(Unreachable(message="cut"))

    assert back.walk() == 0
    assert gone.walk(on_timeout="warn") == 7


def test_s2__denied_scan_fails_at_once_with_the_statement() -> None:
    message = "not authorized to perform: inspector2:ListCoverage"
    refusal = CallFailed(
        "DescribeImageScanFindings", "AccessDeniedException", message, transient=False
    )
    one = prepare(refusal)

    assert one.walk(on_timeout="warn", on_scan_error="warn") == 7

    assert one.clock.sleeps == []
    assert "inspector2:ListFindings" in one.workflow.markdown


@pytest.mark.parametrize(
    ("fails", "failure", "code"),
    [
        ("build", BuildFailed(1), 5),
        ("push", PushFailed("the push failed: denied"), 6),
    ],
)
def test_failure__of_the_engine_stops_the_line(
    fails: str, failure: PublishError, code: int
) -> None:
    one = prepare(page())
    one.engine.fails, one.engine.failure = fails, failure

    assert one.walk() == code

    assert one.registry.asked == []
    assert one.registry.tags == {}
    assert one.engine.calls[-1].startswith("forget")
    assert one.workflow.outputs["verdict"] == "unknown"
    assert one.workflow.outputs["digest"] == ""


def test_failure__missing_local_image() -> None:
    one = prepare(page())
    one.engine.fails, one.engine.failure = "tag", ImageMissing("app:ci")

    assert one.walk(image="app:ci") == 5

    assert "app:ci" in one.workflow.annotations[0][2]


def test_failure__no_oidc_token() -> None:
    one = prepare(page())
    one.cloud.failure = OidcUnavailable(from_fork=False)

    assert one.walk(role_to_assume="arn:aws:iam::123456789012:role/publisher") == 3

    assert one.engine.calls == []
    assert "id-token: write" in one.workflow.markdown


def test_failure__missing_repository_before_the_build() -> None:
    one = prepare(page())
    one.registry.refused["look"] = RepositoryMissing("team/app", "eu-west-1")

    assert one.walk() == 4

    assert one.engine.calls == []


def test_failure__tag_of_another_registry_before_the_build() -> None:
    one = prepare(page())

    assert one.walk(tags="999999999999.dkr.ecr.eu-west-1.amazonaws.com/team/app:1") == 2

    assert one.engine.calls == []


def test_failure__bad_inputs_are_one_message_and_touch_nothing() -> None:
    one = prepare(page())

    assert one.walk(repository="Team/App", severity_threshold="severe", scan_timeout="1") == 2

    assert one.cloud.from_fork is None
    assert one.engine.calls == []
    (annotation,) = one.workflow.annotations
    for word in ("Team/App", "severe", "scan-timeout"):
        assert word in annotation[2]


def test_failure__promotion_names_the_tag_that_moved_before() -> None:
    one = prepare(page())
    one.registry.refused["put latest"] = TagTaken(
        "latest", "sha256:other", "team/app", "Meanwhile."
    )

    assert one.walk() == 8

    assert one.workflow.outputs["tags"] == f"{URI}:0123456"
    assert one.workflow.outputs["verdict"] == "passed"
    assert one.workflow.outputs["candidate"] != ""
    assert "0123456" in one.workflow.markdown


def test_candidate__that_may_not_be_removed_is_a_note() -> None:
    one = prepare(page())
    one.registry.refused["untag"] = denied("BatchDeleteImage")

    assert one.walk() == 0

    assert one.workflow.outputs["candidate"] != ""
    assert "ecr:BatchDeleteImage" in one.workflow.markdown


def test_s5__latest_is_left_away_where_tags_cannot_move() -> None:
    one = prepare(page())
    one.registry.state = replace(one.registry.state, mutability="IMMUTABLE")

    assert one.walk() == 0

    assert list(one.registry.tags) == ["0123456"]


@pytest.mark.parametrize(
    "asked", [{"provenance": "mode=max"}, {"platforms": "linux/amd64,linux/arm64"}]
)
@pytest.mark.parametrize(
    ("mutability", "exclusions"), [("IMMUTABLE", ()), ("MUTABLE_WITH_EXCLUSION", ("candidate-*",))]
)
def test_s5__an_index_needs_a_candidate_that_can_move(
    asked: dict[str, str], mutability: str, exclusions: tuple[str, ...]
) -> None:
    one = prepare(page())
    one.registry.state = replace(one.registry.state, mutability=mutability, exclusions=exclusions)

    assert one.walk(**asked) == 5

    assert one.engine.asked == ["the current one"]
    assert one.engine.built is None
    assert "candidate-*" in one.workflow.markdown


def test_builder__that_pushes_by_itself_puts_an_index_under_any_tag() -> None:
    one = prepare(page())
    one.engine.made_by = Builder(driver="docker-container")
    one.registry.state = replace(one.registry.state, mutability="IMMUTABLE")

    assert one.walk(builder="big", provenance="mode=max") == 0

    build, forget = one.engine.calls
    assert one.engine.asked == ["big"]
    assert build.endswith(" and push")
    assert forget.startswith("forget ")
    assert list(one.registry.tags) == ["0123456"]


def test_builder__engine_that_holds_no_index_is_told_before_the_build() -> None:
    one = prepare(page())
    one.engine.made_by = Builder(driver="docker", containerd=False)

    assert one.walk(provenance="true") == 5

    assert one.engine.built is None
    assert "containerd" in one.workflow.markdown


@pytest.mark.parametrize(
    ("driver", "fails", "pushing"),
    [
        ("docker", "build", False),
        ("docker", "push", True),
        ("docker-container", "build", True),
    ],
)
def test_s6__cancelled_run_reports_and_leaves_no_local_tag(
    driver: str,
    fails: str,
    pushing: bool,  # noqa: FBT001
) -> None:
    one = prepare(page())
    one.engine.made_by = Builder(driver=driver)
    one.engine.fails, one.engine.failure = fails, KeyboardInterrupt()

    assert one.walk() == 130

    assert one.workflow.outputs["verdict"] == "unknown"
    assert "cancelled" in one.workflow.annotations[0][2]
    assert one.engine.calls[-1].startswith("forget")
    # What ECR may have taken is named; what never left the engine is not.
    assert ("ECR may have taken the candidate" in one.workflow.markdown) is pushing


def test_s6_merge__cancelled_while_the_index_is_put_names_the_candidate() -> None:
    one = prepare(page())

    def cancelled(manifest: Manifest, tag: Tag) -> bool:
        raise KeyboardInterrupt

    one.registry.put = cancelled  # type: ignore[method-assign]

    assert merge(one, *(of_platform(one, name) for name in ("amd64", "arm64"))) == 130

    assert "ECR may have taken the candidate" in one.workflow.markdown


def test_s6__cancelled_between_two_tags_states_the_first() -> None:
    one = prepare(page())
    one.registry.refused["put latest"] = KeyboardInterrupt()

    assert one.walk() == 130

    assert one.workflow.outputs["tags"] == f"{URI}:0123456"


def test_s6__unforeseen_error_is_reported_with_its_traceback() -> None:
    one = prepare(page())
    one.engine.fails, one.engine.failure = "push", ZeroDivisionError("::error::boom")

    assert one.walk() == 70

    assert b"ZeroDivisionError" in one.workflow.raw
    assert one.workflow.outputs["verdict"] == "unknown"
    assert "bug" in one.workflow.markdown


def test_s6__nothing_interrupts_the_report() -> None:
    one = prepare(page())

    one.walk()

    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_s6__what_was_pushed_is_named_although_it_cannot_be_read_back() -> None:
    one = prepare(page())
    one.registry.refused["manifest"] = denied("BatchGetImage")

    assert one.walk() == 6

    assert one.workflow.outputs["digest"] == str(one.engine.digest)
    assert one.workflow.outputs["candidate"].startswith(f"{URI}:candidate-42-2-")


def test_s6__a_tag_that_was_put_during_a_cancel_is_stated() -> None:
    one = prepare(page())
    put = one.registry.put

    def cancelled(manifest: Manifest, tag: Tag) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        return put(manifest, tag)

    one.registry.put = cancelled  # type: ignore[method-assign]

    assert one.walk() == 130

    assert one.workflow.outputs["tags"] == f"{URI}:0123456"
    assert one.workflow.markdown.startswith("## ❌ Published in part")


def test_candidate__credentials_lost_while_it_is_removed_are_a_note() -> None:
    one = prepare(page())
    one.registry.refused["untag"] = NoCredentials()

    assert one.walk() == 0

    assert "stays" in one.workflow.markdown


def test_s2__counts_are_left_out_where_a_platform_was_not_judged() -> None:
    amd64, arm64 = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
    children = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": digest,
            "platform": {"os": "linux", "architecture": name},
        }
        for name, digest in (("amd64", amd64), ("arm64", arm64))
    ]
    one = prepare(
        page("HIGH"),
        page(status="UNSUPPORTED_IMAGE"),
        pushed=manifest(json.dumps({"manifests": children}), OCI_INDEX),
    )

    assert one.walk() == 9

    assert one.workflow.outputs["total"] == ""
    assert "linux/arm64" in one.workflow.outputs["reason"]


@pytest.mark.parametrize("fails", ["output", "summary"])
def test_s6__a_report_that_cannot_be_written_keeps_no_other_from_being_written(fails: str) -> None:
    def full(*_: str) -> None:
        raise OSError("no space left on device")

    one = prepare(page("HIGH"))
    setattr(one.workflow, fails, full)

    assert one.walk() == 9

    assert [kind for kind, _, _ in one.workflow.annotations] == ["warning", "error", "error"]
    assert "no space left" in one.workflow.annotations[0][2]
    assert one.workflow.annotations[-1][2].startswith("Refused: ")
    assert bool(one.workflow.markdown) == (fails == "output")
    assert bool(one.workflow.outputs) == (fails == "summary")


def test_context__fork_reaches_the_credentials() -> None:
    event = {
        "pull_request": {
            "head": {"repo": {"full_name": "stranger/app"}},
            "base": {"repo": {"full_name": "org/app"}},
        }
    }
    one = prepare(page())
    one.workflow = FakeWorkflow({"/event.json": json.dumps(event)})
    one.event = dict.fromkeys(OIDC, "offered")

    one.walk()

    assert one.cloud.from_fork is True


def published_before(one: Run, *tags: str, **inputs: str) -> str:
    """Let these tags be on the image that this very build makes; gives its digest."""
    first = prepare(page())
    first.walk(**inputs)
    assert first.engine.built
    recipes = frozenset({first.engine.built.recipe})
    origin = Origin(recipes=recipes, revision=SHA, committed=MINE)
    digests = [one.hold(tag, origin, text="mine") for tag in tags]
    return digests[0]


def test_s5__the_same_build_again_is_judged_and_not_built() -> None:
    one = prepare(page("LOW"))
    digest = published_before(one, "0123456", "latest")

    assert one.walk() == 0

    assert one.engine.calls == []
    assert one.registry.asked == [(digest, None)]
    assert one.registry.tags == {"0123456": digest, "latest": digest}
    assert one.tagged == ["0123456", "latest"]
    assert (one.workflow.outputs["digest"], one.workflow.outputs["candidate"]) == (digest, "")
    assert one.registry.untagged == []
    assert "Nothing was built" in one.workflow.markdown


def test_s5__the_same_build_gets_the_tags_that_it_lacks() -> None:
    one = prepare(page())
    digest = published_before(one, "0123456")
    one.hold("latest", Origin(committed=BEFORE))

    assert one.walk() == 0

    assert one.engine.calls == []
    assert one.registry.tags == {"0123456": digest, "latest": digest}
    assert one.warnings == []


def test_s1__the_same_build_refused_afresh_keeps_its_tags_and_gets_none() -> None:
    one = prepare(page("CRITICAL"))
    digest = published_before(one, "0123456")
    older = one.hold("latest", Origin(committed=BEFORE))

    assert one.walk() == 9

    assert one.engine.calls == []
    assert one.registry.tags == {"0123456": digest, "latest": older}
    assert one.tagged == []
    assert one.registry.untagged == []
    assert "built by an earlier run" in one.workflow.markdown


@pytest.mark.parametrize(
    ("event", "inputs", "mutability", "built"),
    [
        pytest.param({}, {}, "MUTABLE", False, id="push"),
        pytest.param({}, {"rebuild": "true"}, "MUTABLE", True, id="asked for"),
        pytest.param(SCHEDULE, {}, "MUTABLE", True, id="scheduled"),
        pytest.param(SCHEDULE, {"rebuild": "false"}, "MUTABLE", False, id="asked for otherwise"),
        pytest.param({}, {"rebuild": "true"}, "IMMUTABLE", False, id="could not be tagged"),
        pytest.param(SCHEDULE, {}, "IMMUTABLE", False, id="scheduled, could not be tagged"),
    ],
)
def test_rebuild__of_what_is_there(
    event: dict[str, str],
    inputs: dict[str, str],
    mutability: str,
    built: bool,  # noqa: FBT001
) -> None:
    one = prepare(page())
    one.event = event
    one.registry.state = state(mutability=mutability)
    digest = published_before(one, "0123456")

    assert one.walk(tags="{short-sha}", **inputs) == 0

    assert (one.engine.built is not None) is built
    assert one.registry.tags == {"0123456": str(one.engine.digest) if built else digest}


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"build_args": "A=1"}, id="build-args"),
        pytest.param({"labels": "a=1"}, id="labels"),
        pytest.param({"target": "last"}, id="target"),
        pytest.param({"platforms": "linux/arm64"}, id="platforms"),
        pytest.param({"provenance": "true"}, id="provenance"),
    ],
)
def test_rerun__with_other_inputs_is_another_build(other: dict[str, str]) -> None:
    one = prepare(page())
    published_before(one, "0123456")

    assert one.walk(**other) == 0

    assert one.engine.built is not None
    assert one.registry.tags["0123456"] == str(one.engine.digest)


@pytest.mark.parametrize("other", [{"severity_threshold": "none"}, {"scan_timeout": "2m"}])
def test_rerun__with_another_policy_is_the_same_build(other: dict[str, str]) -> None:
    one = prepare(page("CRITICAL"))
    published_before(one, "0123456", severity_threshold="none")

    one.walk(**other)

    assert one.engine.built is None


def test_rerun__of_no_known_commit_is_built() -> None:
    one = prepare(page())
    published_before(one, "0123456")
    one.checkout = FakeCheckout(None)

    assert one.walk() == 0

    assert one.engine.built is not None
    assert one.engine.built.recipe == ""


OTHERS = [
    pytest.param(Origin(recipes=frozenset({"another"}), committed=BEFORE), id="another build"),
    pytest.param(Origin(), id="without labels"),
    pytest.param(None, id="unreadable"),
]


@pytest.mark.parametrize("origin", OTHERS)
@pytest.mark.parametrize(
    ("mutability", "exclusions", "free"),
    [
        ("MUTABLE", (), True),
        ("IMMUTABLE", (), False),
        ("IMMUTABLE_WITH_EXCLUSION", ("0*",), True),
        ("IMMUTABLE_WITH_EXCLUSION", ("latest",), False),
        ("MUTABLE_WITH_EXCLUSION", ("0*",), False),
        ("MUTABLE_WITH_EXCLUSION", ("v*",), True),
        ("SOMETHING_NEW", (), False),
    ],
)
def test_taken__is_said_before_the_build(
    mutability: str,
    exclusions: tuple[str, ...],
    free: bool,  # noqa: FBT001
    origin: Origin | None,
) -> None:
    one = prepare(page())
    one.registry.state = replace(one.registry.state, mutability=mutability, exclusions=exclusions)
    other = one.hold("0123456", origin)

    assert one.walk() == (0 if free else 8)

    assert (one.engine.calls != []) is free
    assert (one.registry.tags["0123456"] != other) is free
    if not free:
        assert one.registry.tags == {"0123456": other}
        assert one.registry.asked == []
        assert "does not let it move" in one.refusals[0]


def test_taken__names_the_commit_of_the_other_image() -> None:
    one = prepare(page())
    one.registry.state = state(mutability="IMMUTABLE")
    one.hold("0123456", Origin(recipes=frozenset({"another"}), revision="cafe" * 10))

    assert one.walk() == 8

    assert "cafe" * 10 in one.workflow.markdown


def test_taken__one_tag_by_the_same_build_and_one_by_another() -> None:
    one = prepare(page())
    one.registry.state = state(mutability="IMMUTABLE")
    published_before(one, "0123456", tags="0123456\n1.0")
    one.hold("1.0", Origin())

    assert one.walk(tags="0123456\n1.0") == 8

    assert one.engine.calls == []
    assert "1.0" in one.refusals[0]


@pytest.mark.parametrize("same", [True, False])
def test_taken__by_a_local_image_is_known_after_the_push(same: bool) -> None:  # noqa: FBT001
    one = prepare(page())
    one.registry.state = state(mutability="IMMUTABLE")
    if same:
        one.registry.known[str(one.engine.digest)] = one.registry.pushed
        one.registry.tags["0123456"] = str(one.engine.digest)
    else:
        one.hold("0123456", None)

    assert one.walk(image="app:ci") == (0 if same else 8)

    assert bool(one.registry.asked) is same
    assert (one.workflow.outputs["candidate"] == "") is same


PASSED, REFUSED, UNJUDGED = page(), page("HIGH"), page(status="UNSUPPORTED_IMAGE")


@pytest.mark.parametrize(
    ("event", "promote", "tags"),
    [
        ({}, "auto", ["0123456", "latest"]),
        ({}, "always", ["0123456", "latest"]),
        ({}, "never", []),
        (PULL_REQUEST, "auto", []),
        (PULL_REQUEST, "always", ["0123456"]),
        (PULL_REQUEST, "never", []),
    ],
)
@pytest.mark.parametrize(
    "answer", [PASSED, REFUSED, UNJUDGED], ids=["passed", "refused", "unknown"]
)
@pytest.mark.parametrize("on_refusal", ["", "keep", "delete"])
def test_promote__release_tags_candidate_and_exit_code(
    event: dict[str, str], promote: str, tags: list[str], answer: Page, on_refusal: str
) -> None:
    one = prepare(answer)
    one.event = event

    code = one.walk(promote=promote, on_refusal=on_refusal)

    passed = answer is PASSED
    assert code == {id(PASSED): 0, id(REFUSED): 9, id(UNJUDGED): 7}[id(answer)]
    assert sorted(one.registry.tags) == (tags if passed else [])
    assert one.tagged == (tags if passed else [])
    of_a_pull_request = bool(event) and promote == "auto"
    kept = (
        promote == "never"
        if passed
        else on_refusal == "keep" or (not on_refusal and not of_a_pull_request)
    )
    assert bool(one.workflow.outputs["candidate"]) is kept
    assert bool(one.registry.untagged) is not kept
    assert all(tag.startswith("candidate-") for tag in one.registry.untagged)


WITHHELD = [
    pytest.param(PULL_REQUEST, id="pull request"),
    pytest.param(
        {"GITHUB_EVENT_NAME": "merge_group", "GITHUB_REF": "refs/heads/gh-readonly-queue/main/1"},
        id="merge queue",
    ),
]


@pytest.mark.parametrize("event", WITHHELD)
@pytest.mark.parametrize("answer", [PASSED, REFUSED], ids=["passed", "refused"])
@pytest.mark.parametrize("before", [True, False], ids=["from before", "of this run"])
def test_s4__image_from_before_the_run_keeps_its_last_tag(
    event: dict[str, str],
    answer: Page,
    before: bool,  # noqa: FBT001
) -> None:
    one = prepare(answer)
    one.event = event
    if before:
        one.registry.pushed_before[str(one.engine.digest)] = TODAY - timedelta(days=1)

    assert one.walk() == (0 if answer is PASSED else 9)

    assert (one.registry.untagged == []) is before
    assert (one.workflow.outputs["candidate"] != "") is before
    assert ("was there before this run" in one.workflow.markdown) is before


@pytest.mark.parametrize("event", WITHHELD)
def test_s4__image_of_an_unknown_age_keeps_its_last_tag(event: dict[str, str]) -> None:
    one = prepare(page())
    one.event = event
    one.registry.refused["pushed_at"] = denied("DescribeImages")

    assert one.walk() == 0

    assert one.registry.untagged == []
    assert one.workflow.outputs["candidate"] != ""
    assert "ecr:DescribeImages" in one.workflow.markdown


@pytest.mark.parametrize("event", WITHHELD)
def test_promote__always_gives_a_pull_request_its_tags_but_not_latest(
    event: dict[str, str],
) -> None:
    one = prepare(page())
    one.event = event

    assert one.walk(promote="always") == 0

    assert one.tagged == ["0123456"]
    assert len(one.registry.untagged) == 1


def test_promote__withheld_tags_are_not_even_looked_at() -> None:
    one = prepare(page())
    one.event = PULL_REQUEST
    one.registry.state = state(mutability="IMMUTABLE")
    one.hold("0123456", None)

    assert one.walk() == 0

    assert one.registry.looked == []
    assert "this is a pull request" in one.workflow.markdown


@pytest.mark.parametrize("only_forward", ["true", "false"])
@pytest.mark.parametrize(
    ("origin", "said"),
    [
        pytest.param(Origin(committed=LATER, revision="cafe"), "commit cafe", id="newer"),
        pytest.param(Origin(committed=MINE), "", id="as old"),
        pytest.param(Origin(committed=BEFORE), "", id="older"),
        pytest.param(Origin(), "", id="without labels"),
        pytest.param(None, "could not be told", id="unreadable"),
    ],
)
def test_forward__a_tag_on_another_image(
    origin: Origin | None, said: str, only_forward: str
) -> None:
    one = prepare(page())
    other = one.hold("latest", origin)

    assert one.walk(promote_only_forward=only_forward) == 0

    stays = said != "" and only_forward == "true"
    assert one.registry.tags["0123456"] == str(one.engine.digest)
    assert (one.registry.tags["latest"] == other) is stays
    assert one.tagged == (["0123456"] if stays else ["0123456", "latest"])
    assert len(one.warnings) == bool(said)
    if said:
        assert said in one.warnings[0]
        assert ("promote-only-forward" in one.warnings[0]) is stays


@pytest.mark.parametrize("event", [{}, PULL_REQUEST], ids=["push", "pull request"])
@pytest.mark.parametrize("origin", [Origin(committed=LATER), None], ids=["newer", "unreadable"])
def test_forward__every_tag_that_stays_leaves_the_candidate(
    origin: Origin | None, event: dict[str, str]
) -> None:
    one = prepare(page())
    one.event = event
    one.hold("latest", origin)

    assert one.walk(tags="latest", promote="always", promote_only_forward="true") == 0

    assert one.tagged == []
    assert one.registry.untagged == []
    assert one.workflow.outputs["candidate"].startswith(f"{URI}:candidate-42-2-")
    assert "would be deleted with its last tag" in one.workflow.markdown
    assert len(one.warnings) == 1


@pytest.mark.parametrize("only_forward", ["true", "false"])
def test_forward__without_a_known_commit_it_is_not_known(only_forward: str) -> None:
    one = prepare(page())
    one.checkout = FakeCheckout(None)
    one.hold("latest", Origin(committed=LATER))

    assert one.walk(promote_only_forward=only_forward) == 0

    assert one.tagged == (["0123456"] if only_forward == "true" else ["0123456", "latest"])
    assert "could not be told" in one.warnings[0]


def test_forward__what_another_run_has_tagged_meanwhile_counts() -> None:
    one = prepare(page())
    one.hold("latest", Origin(committed=BEFORE))

    def another_run() -> None:
        one.hold("latest", Origin(committed=LATER, revision="cafe"), text="newer")

    one.registry.meanwhile["scan"] = another_run

    assert one.walk(promote_only_forward="true") == 0

    assert one.tagged == ["0123456"]
    assert one.registry.tags["latest"] != str(one.engine.digest)
    assert "cafe" in one.warnings[0]
    assert one.registry.looked == [("0123456", "latest"), ("0123456", "latest")]


@pytest.mark.parametrize("only_forward", ["true", "false"])
@pytest.mark.parametrize("origin", [Origin(committed=LATER), None], ids=["newer", "unreadable"])
def test_s1__a_fixed_tag_that_another_run_takes_meanwhile_stays_there(
    origin: Origin | None, only_forward: str
) -> None:
    one = prepare(page())
    one.registry.state = state(mutability="IMMUTABLE")

    def another_run() -> None:
        one.hold("0123456", origin)

    one.registry.meanwhile["scan"] = another_run
    one.registry.refused["put 0123456"] = TagTaken(
        "0123456", "sha256:other", "team/app", "Meanwhile."
    )

    assert one.walk(tags="1.0\n0123456", promote_only_forward=only_forward) == 8

    assert one.tagged == ["1.0"]
    assert one.warnings == []
    assert "sha256:other" in one.refusals[0]


def test_s5__a_fixed_tag_that_another_run_of_this_build_puts_meanwhile_is_on() -> None:
    one = prepare(page())
    one.registry.state = state(mutability="IMMUTABLE")

    def another_run() -> None:
        one.registry.known[str(one.engine.digest)] = one.registry.pushed
        one.registry.tags["0123456"] = str(one.engine.digest)

    one.registry.meanwhile["scan"] = another_run
    one.registry.refused["put 0123456"] = AssertionError("it is on already")

    assert one.walk(tags="1.0\n0123456") == 0

    assert one.tagged == ["1.0", "0123456"]


def test_failure__promotion_that_ended_half_way_is_completed_by_the_next_run() -> None:
    one = prepare(page())
    one.registry.refused["put 1"] = denied("PutImage")
    tags = "1.4.2\n1.4\n1\nlatest"

    assert one.walk(tags=tags) == 8

    assert one.tagged == ["1.4.2", "1.4"]
    assert "Applied: 1.4.2, 1.4. Not applied: 1, latest." in one.workflow.markdown
    assert one.engine.built
    again = prepare(page())
    again.registry.known, again.registry.tags = one.registry.known, one.registry.tags
    again.registry.origins[str(one.engine.digest)] = Origin(
        recipes=frozenset({one.engine.built.recipe})
    )

    assert again.walk(tags=tags) == 0

    assert again.engine.calls == []
    assert again.tagged == tags.split()
    assert set(again.registry.tags.values()) == {str(one.engine.digest)}


def gate(one: Run, reference: str, **inputs: str) -> int:
    return one.walk(job="gate", reference=reference, **inputs)


@pytest.mark.parametrize("by", ["tag", "digest"])
@pytest.mark.parametrize(
    ("answer", "code"),
    [(PASSED, 0), (REFUSED, 9), (UNJUDGED, 7)],
    ids=["pass", "refuse", "unknown"],
)
@pytest.mark.parametrize("promote_to", ["", "prod\nstable"])
@pytest.mark.parametrize("event", [{}, PULL_REQUEST], ids=["push", "pull request"])
def test_gate__judges_what_is_there(
    by: str, answer: Page, code: int, promote_to: str, event: dict[str, str]
) -> None:
    one = prepare(answer)
    one.event = event
    digest = one.hold("candidate-1-1-aa", Origin())
    older = one.hold("prod", Origin(), text="older")
    before = dict(one.registry.tags)

    assert (
        gate(one, digest if by == "digest" else "candidate-1-1-aa", promote_to=promote_to) == code
    )

    moved = dict.fromkeys(promote_to.split(), digest) if code == 0 else {}
    assert one.registry.tags == {**before, **moved}
    assert one.tagged == list(moved)
    assert one.workflow.outputs["digest"] == digest
    assert one.workflow.outputs["candidate"] == ""
    assert one.engine.calls == []
    assert one.registry.untagged == []
    assert {asked for asked, _ in one.registry.asked} == {digest} != {older}


def test_gate__without_a_reference_touches_nothing() -> None:
    one = prepare(page())

    assert gate(one, "") == 2

    assert one.cloud.from_fork is None
    assert "reference" in one.refusals[0]


@pytest.mark.parametrize("reference", ["nobody", f"sha256:{'0' * 64}"])
def test_gate__image_that_is_not_there(reference: str) -> None:
    one = prepare(page())

    assert gate(one, reference, promote_to="prod") == 4

    assert one.registry.tags == {}
    assert reference in one.refusals[0]


@pytest.mark.parametrize("reference", [f"{URI}:1", "a b", "sha256:0", "team/app"])
def test_gate__reference_that_is_none(reference: str) -> None:
    one = prepare(page())

    assert gate(one, reference) == 2

    assert one.cloud.from_fork is None


def test_gate__tag_that_cannot_move_is_refused_before_the_wait() -> None:
    one = prepare(page())
    one.registry.state = state(mutability="IMMUTABLE")
    one.hold("candidate-1-1-aa", None)
    older = one.hold("prod", None, text="older")

    assert gate(one, "candidate-1-1-aa", promote_to="prod") == 8

    assert one.registry.tags["prod"] == older
    assert one.registry.asked == []


def test_gate__again_changes_nothing() -> None:
    one = prepare(page())
    one.registry.state = state(mutability="IMMUTABLE")
    digest = one.hold("candidate-1-1-aa", None)
    one.registry.tags["prod"] = digest

    assert gate(one, "candidate-1-1-aa", promote_to="prod") == 0

    assert one.tagged == ["prod"]


def test_gate__tag_of_a_newer_image_stays_where_only_forward_is_asked() -> None:
    one = prepare(page())
    one.hold("candidate-1-1-aa", Origin(committed=BEFORE))
    newer = one.hold("prod", Origin(committed=LATER), text="newer")

    assert gate(one, "candidate-1-1-aa", promote_to="prod", promote_only_forward="true") == 0

    assert one.registry.tags["prod"] == newer
    assert "promote-only-forward" in one.warnings[0]


def of_platform(one: Run, architecture: str, text: str = "") -> str:
    """Let the repository hold an image for a platform; gives its digest."""
    image = manifest(json.dumps({"image": architecture + text}))
    one.registry.known[str(image.digest)] = image
    config = {"os": "linux", "architecture": architecture}
    one.registry.configs[str(image.digest)] = json.dumps(config)
    return str(image.digest)


def merge(one: Run, *digests: str, **inputs: str) -> int:
    return one.walk(job="merge", digests="\n".join(digests), **inputs)


def test_merge__gates_every_image_and_promotes_the_index() -> None:
    one = prepare(page())
    children = [of_platform(one, name) for name in ("arm64", "amd64")]

    assert merge(one, *children) == 0

    assert sorted(digest for digest, _ in one.registry.asked) == sorted(children)
    index = one.workflow.outputs["digest"]
    assert one.registry.tags == {"0123456": index, "latest": index}
    held = json.loads(one.registry.known[index].text)["manifests"]
    assert [child["digest"] for child in held] == [children[1], children[0]]
    assert one.engine.calls == []
    assert [tag[:13] for tag in one.registry.untagged] == ["candidate-42-"]


def test_merge__order_of_the_digests_does_not_count() -> None:
    one, other = prepare(page()), prepare(page())
    for run_ in (one, other):
        for name in ("amd64", "arm64"):
            of_platform(run_, name)
    digests = list(one.registry.known)

    merge(one, *digests)
    merge(other, *reversed(digests))

    assert one.workflow.outputs["digest"] == other.workflow.outputs["digest"] != ""


@pytest.mark.parametrize("on_refusal", ["keep", "delete"])
def test_s1_merge__one_refused_image_refuses_the_index(on_refusal: str) -> None:
    one = prepare(page(), page("CRITICAL"))
    children = [of_platform(one, name) for name in ("amd64", "arm64")]

    assert merge(one, *children, on_refusal=on_refusal) == 9

    index = one.workflow.outputs["digest"]
    assert list(one.registry.tags.values()) == [index] * (on_refusal == "keep")
    assert bool(one.workflow.outputs["candidate"]) is (on_refusal == "keep")
    assert one.tagged == []


def test_merge__two_images_for_one_platform() -> None:
    one = prepare(page())
    children = [of_platform(one, "amd64", text) for text in ("", "again")]

    assert merge(one, *children) == 2

    assert one.registry.tags == {}
    assert all(digest in one.refusals[0] for digest in children)


def test_merge__image_that_is_not_there() -> None:
    one = prepare(page())
    missing = str(manifest("missing").digest)

    assert merge(one, of_platform(one, "amd64"), missing) == 4

    assert one.registry.tags == {}
    assert missing in one.refusals[0]


ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.mark.parametrize(
    "digests",
    [[], ["latest"], [f"sha256:{'0' * 63}"], [ONE], [ONE, ONE], [ONE, OTHER, ONE]],
    ids=["none", "a tag", "too short", "one", "one twice", "two, one twice"],
)
def test_merge__without_digests_touches_nothing(digests: list[str]) -> None:
    one = prepare(page())

    assert merge(one, *digests) == 2

    assert one.cloud.from_fork is None


def test_merge__taken_tag_is_refused_before_the_index_is_put() -> None:
    one = prepare(page())
    one.registry.state = state(mutability="IMMUTABLE")
    other = one.hold("0123456", None)

    assert merge(one, of_platform(one, "amd64"), of_platform(one, "arm64")) == 8

    assert one.registry.tags == {"0123456": other}
    assert one.workflow.outputs["candidate"] == ""


def test_s5_merge__again_on_fixed_tags_succeeds() -> None:
    one = prepare(page())
    one.registry.state = state(mutability="IMMUTABLE")
    children = [of_platform(one, name) for name in ("amd64", "arm64")]
    merge(one, *children)
    tags = dict(one.registry.tags)

    assert merge(one, *children) == 0

    assert one.registry.tags == tags == {"0123456": one.workflow.outputs["digest"]}


def test_merge__configuration_that_may_not_be_read() -> None:
    one = prepare(page())
    one.registry.refused["config"] = denied("GetDownloadUrlForLayer")

    assert merge(one, *(of_platform(one, name) for name in ("amd64", "arm64"))) == 6

    assert one.registry.tags == {}
    assert "ecr:GetDownloadUrlForLayer" in one.workflow.markdown


def test_s6_merge__index_that_was_not_put_is_no_candidate() -> None:
    one = prepare(page())

    def refuse(manifest: Manifest, tag: Tag) -> bool:
        raise denied("PutImage")

    one.registry.put = refuse  # type: ignore[method-assign]

    assert merge(one, *(of_platform(one, name) for name in ("amd64", "arm64"))) == 8

    assert one.workflow.outputs["candidate"] == ""


# The policy -------------------------------------------------------------------------------------


def under(policy: str, *severities: str) -> Run:
    """A run with this policy file, whose image has these findings: CVE-0, CVE-1 …"""
    one = prepare(page(*severities))
    one.checkout.files[".ecr-publish.yml"] = policy.encode()
    return one


def test_policy__ignored_finding_lets_the_image_pass_and_is_listed() -> None:
    one = under("ignore: [{id: CVE-0, reason: not reachable, until: 2026-11-23}]", "CRITICAL")

    assert one.walk() == 0

    assert (one.workflow.outputs["total"], one.workflow.outputs["ignored"]) == ("1", "1")
    assert "not reachable" in one.workflow.markdown
    assert ".ecr-publish.yml, line 1" in one.workflow.markdown
    assert "latest" in one.registry.tags


def test_s1_policy__ignore_that_has_ended_refuses_and_is_named() -> None:
    one = under("ignore: [{id: CVE-0, until: 2026-11-22}]", "CRITICAL")

    assert one.walk() == 9

    assert "latest" not in one.registry.tags
    assert "The ignore of CVE-0 ended on 2026-11-22" in one.workflow.markdown


def test_s1_policy__ignore_for_one_never_hides_another() -> None:
    assert under("ignore: [{id: CVE-0}]", "CRITICAL", "HIGH").walk() == 9
    assert under("ignore: [{id: CVE-}]", "CRITICAL").walk() == 9


@pytest.mark.parametrize(("most", "code"), [(2, 0), (1, 9)])
def test_policy__limit_of_a_severity_below_the_threshold(most: int, code: int) -> None:
    assert under(f"limits: {{medium: {most}}}", "MEDIUM", "MEDIUM").walk() == code


def test_policy__input_wins_over_a_file_without_a_base() -> None:
    assert under("severity-threshold: low", "LOW").walk() == 9
    assert under("severity-threshold: low", "LOW").walk(severity_threshold="critical") == 0


def test_s2_policy__base_binds_file_and_inputs() -> None:
    one = under("extends: org.yml", "HIGH")
    one.checkout.files["org.yml"] = b"severity-threshold: high"
    assert one.walk(severity_threshold="critical") == 2
    assert one.engine.calls == []
    assert "the input severity-threshold" in one.workflow.markdown

    one = under("extends: org.yml", "HIGH")
    one.checkout.files["org.yml"] = b"severity-threshold: high"
    assert one.walk(report_only="true") == 2


@pytest.mark.parametrize("policy", ["severity-treshold: low", "ignore: CVE-0", "a: [", "\tx: 1"])
def test_s2_policy__mistake_stops_everything_before_the_build(policy: str) -> None:
    one = under(policy)

    assert one.walk() == 2

    assert one.engine.calls == []
    assert ".ecr-publish.yml: line 1" in one.workflow.markdown


def test_s2_policy__named_file_that_is_missing_is_no_policy() -> None:
    assert prepare(page()).walk(policy_file="policies/web.yml") == 2


# --- reports on GitHub

TOKEN = "ghs_hunter2"
REPORTED = {"github_token": TOKEN, "check_run": "true", "comment": "true"}
HEAD = "e" * 40
OF_A_PULL_REQUEST = {"pull_request": {"number": 7, "head": {"sha": HEAD}}}
NOT_ALLOWED = GitHubFailed("the check run could not be started: GitHub answered 403", fix="Add it.")


def reported(*answers: Answer | BaseException, event: object = None) -> Run:
    """A run for a pull request, with a check run and a comment."""
    one = prepare(*answers)
    one.workflow = FakeWorkflow({"/event.json": json.dumps(event or OF_A_PULL_REQUEST)})
    return one


def ended(one: Run) -> Check:
    """The only check of the run, which is over."""
    assert one.github.started == [
        ("ECR scan / team/app", HEAD, "https://github.com/org/app/actions/runs/42")
    ]
    ((number, check),) = one.github.checks
    assert number == 1
    return check


def fails(room: str, failure: BaseException) -> Run:
    """A run in which this room raises."""
    one = reported(page())
    if room in ("build", "push"):
        one.engine.fails, one.engine.failure = room, failure
    elif room == "credentials":
        one.cloud.failure = failure
    else:
        one.registry.refused[room] = failure
    return one


TAKEN = TagTaken("latest", "sha256:other", "team/app", "Meanwhile.")
REPOSITORY_IS_KNOWN = {"GITHUB_REPOSITORY": "org/app"}


@pytest.mark.parametrize(
    ("answer", "inputs", "code", "conclusion"),
    [
        (page("LOW"), {}, 0, Conclusion.SUCCESS),
        (page("CRITICAL"), {}, 9, Conclusion.FAILURE),
        (NoScan(), {}, 7, Conclusion.FAILURE),
        (page("CRITICAL"), {"report_only": "true"}, 0, Conclusion.NEUTRAL),
        (NoScan(), {"on_timeout": "warn"}, 0, Conclusion.NEUTRAL),
    ],
)
def test_s6_check__says_what_the_step_says(
    answer: Answer, inputs: dict[str, str], code: int, conclusion: Conclusion
) -> None:
    one = reported(answer)
    one.event |= REPOSITORY_IS_KNOWN

    assert one.walk(**REPORTED, **inputs) == code

    assert ended(one).conclusion is conclusion
    assert one.workflow.outputs["reason"] in ended(one).title
    ((issue, body),) = one.github.comments
    assert issue == 7
    assert body.startswith("<!-- ecr-publish: team/app -->\n")


@pytest.mark.parametrize(
    "room",
    [
        *("credentials", "look", "holders", "login", "build", "push", "manifest", "scan"),
        "put 0123456",
    ],
)
@pytest.mark.parametrize(
    ("failure", "code", "conclusion"),
    [
        (NoCredentials(), 3, Conclusion.FAILURE),
        (KeyboardInterrupt(), 130, Conclusion.CANCELLED),
        (ZeroDivisionError("boom"), 70, Conclusion.FAILURE),
    ],
)
def test_s6_check__is_over_whichever_room_the_run_ends_in(
    room: str, failure: BaseException, code: int, conclusion: Conclusion
) -> None:
    one = fails(room, failure)
    one.event |= REPOSITORY_IS_KNOWN

    ending = one.walk(**REPORTED, promote="always")

    assert ending == (8 if (room, code) == ("put 0123456", 3) else code)
    assert ended(one).conclusion is conclusion
    assert len(one.github.comments) == 1
    assert one.workflow.outputs["verdict"] in ("unknown", "passed")
    assert one.workflow.markdown.startswith("## ❌")


def test_s6_check__of_a_promotion_that_ended_half_way() -> None:
    one = fails("put latest", TAKEN)
    one.event |= REPOSITORY_IS_KNOWN

    assert one.walk(**REPORTED, promote="always", tags="1.0\nlatest") == 8

    assert ended(one).conclusion is Conclusion.FAILURE
    assert ended(one).title.startswith("Published in part: ")
    assert one.workflow.outputs["verdict"] == "passed"


def test_check__is_begun_after_the_plan_and_before_anything_is_touched() -> None:
    one = fails("credentials", NoCredentials())

    one.walk(**REPORTED)

    assert len(one.github.started) == 1
    assert one.engine.calls == []


def test_check__of_a_run_without_a_plan_was_never_begun() -> None:
    one = reported(page())

    assert one.walk(**REPORTED, severity_threshold="severe") == 2

    assert (one.github.started, one.github.checks, one.github.comments) == ([], [], [])


@pytest.mark.parametrize(("answer", "code"), [(page(), 0), (page("HIGH"), 9), (NoScan(), 7)])
def test_check__that_may_not_be_begun_is_a_note_and_changes_no_exit_code(
    answer: Answer, code: int
) -> None:
    one = reported(answer)
    one.github.fails, one.github.failure = "start_check", NOT_ALLOWED

    assert one.walk(**REPORTED) == code

    assert one.github.checks == []
    assert len(one.github.comments) == 1
    assert "GitHub answered 403" in one.workflow.markdown
    assert not [text for *_, text in one.workflow.annotations if "403" in text]


@pytest.mark.parametrize("name", ["complete_check", "upsert_comment"])
@pytest.mark.parametrize(("answer", "code"), [(page(), 0), (page("HIGH"), 9), (NoScan(), 7)])
def test_github__that_fails_at_the_end_changes_no_exit_code(
    answer: Answer, code: int, name: str
) -> None:
    one = reported(answer)
    one.github.fails, one.github.failure = name, ConnectionError("reset by peer")

    assert one.walk(**REPORTED) == code

    assert one.warnings[-1] == "A report could not be written: reset by peer"
    assert one.workflow.outputs["verdict"]


@pytest.mark.parametrize("event", [{"ref": "refs/heads/main"}, {"issue": {"number": 7}}])
def test_comment__only_on_a_pull_request(event: object) -> None:
    one = reported(page("HIGH"), event=event)

    one.walk(**REPORTED)

    ((_, sha, _),) = one.github.started
    assert sha == SHA
    assert one.github.comments == []


def test_github__is_left_alone_where_nobody_asks_for_it() -> None:
    one = reported(page("HIGH"))

    one.walk(github_token=TOKEN, check_run="false", comment="false")

    assert one.github.token is None


def test_s3_token__is_masked_before_it_is_used_and_said_nowhere() -> None:
    one = fails("push", ZeroDivisionError("boom"))

    def masked(token: str) -> FakeGitHub:
        assert one.workflow.masked == [TOKEN]
        return one.github

    run_edges = edges(one.cloud, one.engine, one.workflow, one.clock, one.checkout, one.github)
    environ = {f"ECR_PUBLISH_{name.upper()}": text for name, text in REPORTED.items()}
    environ |= {
        "GITHUB_SHA": SHA,
        "GITHUB_RUN_ID": "42",
        "GITHUB_WORKSPACE": "/workspace",
        "GITHUB_EVENT_PATH": "/event.json",
        "ECR_PUBLISH_AWS_REGION": "eu-west-1",
        "ECR_PUBLISH_REPOSITORY": "team/app",
        "ECR_PUBLISH_REPORT_FILE": "a.json\na.csv\na.html",
        "ECR_PUBLISH_SARIF_FILE": "a.sarif",
    }

    assert run(environ, replace(run_edges, github=masked)) == 70

    told = (
        one.workflow.log,
        one.workflow.raw,
        one.workflow.markdown,
        one.workflow.outputs,
        one.workflow.annotations,
        one.workflow.written,
        one.github.checks,
        one.github.comments,
        one.engine.calls,
    )
    assert len(one.github.checks) == len(one.github.comments) == 1
    assert [*one.workflow.written] == ["a.json", "a.csv", "a.html", "a.sarif"]
    assert TOKEN not in repr(told)
