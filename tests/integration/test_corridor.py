"""Every exit of the corridor, on typed fakes of the edges."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from dataclasses import dataclass, replace
from datetime import datetime, timezone

import pytest

from ecr_publish.errors import (
    BuildFailed,
    CallFailed,
    ImageMissing,
    NoCredentials,
    OidcUnavailable,
    PublishError,
    PushFailed,
    RepositoryMissing,
    TagTaken,
)
from ecr_publish.findings import Finding, Page, Severity
from ecr_publish.main import run
from ecr_publish.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from ecr_publish.plan import RepositoryState
from ecr_publish.reference import Digest, Tag
from ecr_publish.scan import Answer, NoScan, Unreachable
from ecr_publish.scanning import Frequency, Scanning, ScanType
from tests.fakes import FakeClock, FakeCloud, FakeEngine, FakeRegistry, FakeWorkflow, denied, edges

HOST = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
URI = f"{HOST}/team/app"
SHA = "0123456789abcdef0123456789abcdef01234567"
EVENT = json.dumps({"repository": {"default_branch": "main"}})
DONE = datetime(2026, 11, 23, tzinfo=timezone.utc)


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
        }
        environ |= {f"ECR_PUBLISH_{name.upper()}": value for name, value in inputs.items()}
        return run(environ, edges(self.cloud, self.engine, self.workflow, self.clock))

    @property
    def candidate(self) -> str:
        return next(tag for tag in self.registry.tags if tag.startswith("candidate-"))


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

    one.walk(context="app", tags="1.0")

    build, push, forget = one.engine.calls
    reference = push.split()[1]
    assert reference.startswith(f"{URI}:candidate-42-2-")
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
        *("[Plan]", "[Credentials]", "[Repository]", "[Build]", "[Push]", "[Scan]"),
        *("[Gate]", "[Promote]"),
    ]
    durations = next(line for line in one.workflow.log if line.startswith("Time: "))
    assert "plan 1.0 s" in durations
    assert "own time 5.0 s" in durations


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
    (annotation,) = one.workflow.annotations
    assert annotation[0] == "error"
    assert "1 CRITICAL" in annotation[2]
    assert one.workflow.markdown.startswith("## ❌ Refused")


def test_s1__report_only_promotes_and_says_so() -> None:
    one = prepare(page("CRITICAL"))

    assert one.walk(report_only="true") == 0

    assert "0123456" in one.registry.tags
    assert one.workflow.outputs["verdict"] == "refused"
    (annotation,) = one.workflow.annotations
    assert annotation[0] == "warning"
    assert "report-only: true" in annotation[2]
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
    one.registry.refused["repository"] = RepositoryMissing("team/app", "eu-west-1")

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
    one.registry.refused["put latest"] = TagTaken("latest", "sha256:other")

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


def test_s5__the_same_commit_again_succeeds() -> None:
    one = prepare(page())
    one.walk()
    again = prepare(page())
    again.registry.tags = dict(one.registry.tags)

    assert again.walk() == 0

    assert again.workflow.outputs["tags"] == one.workflow.outputs["tags"]


def test_s5__latest_is_left_away_where_tags_cannot_move() -> None:
    one = prepare(page())
    one.registry.state = replace(one.registry.state, mutability="IMMUTABLE")

    assert one.walk() == 0

    assert list(one.registry.tags) == ["0123456"]


@pytest.mark.parametrize(
    ("mutability", "exclusions", "provenance"),
    [
        ("MUTABLE", (), True),
        ("IMMUTABLE", (), False),
        ("IMMUTABLE_WITH_EXCLUSION", ("candidate-*",), True),
    ],
)
def test_s5__an_image_stays_one_where_its_candidate_tag_cannot_move(
    mutability: str,
    exclusions: tuple[str, ...],
    provenance: bool,  # noqa: FBT001
) -> None:
    one = prepare(page())
    one.registry.state = replace(one.registry.state, mutability=mutability, exclusions=exclusions)

    assert one.walk() == 0

    assert one.engine.built is not None
    assert one.engine.built.provenance is provenance
    assert any("Without provenance" in line for line in one.workflow.log) is not provenance


@pytest.mark.parametrize("fails", ["build", "push"])
def test_s6__cancelled_run_reports_and_leaves_no_local_tag(fails: str) -> None:
    one = prepare(page())
    one.engine.fails, one.engine.failure = fails, KeyboardInterrupt()

    assert one.walk() == 130

    assert one.workflow.outputs["verdict"] == "unknown"
    assert "cancelled" in one.workflow.annotations[0][2]
    assert one.engine.calls[-1].startswith("forget")


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

    assert [kind for kind, _, _ in one.workflow.annotations] == ["warning", "error"]
    assert "no space left" in one.workflow.annotations[0][2]
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

    one.walk()

    assert one.cloud.from_fork is True
