"""Every other end that a run can have, run by act; the engine's image store plays no part in it."""

from __future__ import annotations

import re

import pytest

from tests.e2e.conftest import Played
from tests.e2e.support import Annotation, one_store

pytestmark = one_store

UNSUPPORTED = "UnsupportedImageError"


def test_not_found_then_complete__passes(verdicts: Played) -> None:
    job = verdicts.job("not-found-then-complete")

    assert (job.ended, job.alerts) == ("success", ())
    assert job.outputs()["scan-status"] == "COMPLETE"
    assert "0 s: ECR has no scan of this image yet" in job.log.splitlines()


def test_failed_unsupported__is_no_pass(verdicts: Played) -> None:
    here, job = verdicts.stage, verdicts.job("failed-unsupported")

    assert (job.ended, job.exit_codes) == ("failure", (7,))
    (error,) = job.alerts
    assert error.kind == "error"
    assert error.message.startswith(f"Not judged: the scan failed: {UNSUPPORTED}")
    assert job.outputs()["verdict"] == "unknown"
    assert list(here.tags("failed-unsupported")) == here.candidates("failed-unsupported")


def test_failed_unsupported__can_be_waived_loudly(verdicts: Played) -> None:
    here, job = verdicts.stage, verdicts.job("failed-unsupported-warn")

    assert (job.ended, job.exit_codes) == ("success", ())
    (warning,) = job.alerts
    assert (warning.kind, warning.title) == ("warning", "ECR scan did not pass")
    assert warning.message.endswith("because of on-unsupported: warn.")
    assert job.outputs()["verdict"] == "unknown"
    assert set(here.tags("failed-unsupported-warn")) == {here.commit[:7], "latest"}


def test_never_finishes__ends_at_scan_timeout(verdicts: Played) -> None:
    here, job = verdicts.stage, verdicts.job("never-finishes")

    assert (job.ended, job.exit_codes) == ("failure", (7,))
    why = "Not judged: no verdict within scan-timeout: the scan is running"
    assert job.alerts == (Annotation(kind="error", message=why),)
    assert job.outputs()["scan-status"] == "IN_PROGRESS"
    assert list(here.tags("never-finishes")) == here.candidates("never-finishes")
    asked = [
        call
        for call in verdicts.calls
        if (call.operation, call.repository) == ("DescribeImageScanFindings", "never-finishes")
        # The preflight asks for an image that cannot exist.
        and call.error != "ImageNotFoundException"
    ]
    assert 9 <= asked[-1].time - asked[0].time <= 11
    assert len(asked) <= 16, "faster than every 0.6 s for four seconds, and 0.95 s then"


def test_missing_repository__says_how_to_have_one(verdicts: Played) -> None:
    job = verdicts.job("missing-repository")

    assert (job.ended, job.exit_codes) == ("failure", (4,))
    what = "Not published: the repository missing-repository does not exist in eu-west-1"
    assert job.alerts == (Annotation(kind="error", message=what),)
    assert "create-repository: true" in job.summaries[0]
    assert "Build" not in [line.argument for line in job.lines if line.command == "group"]


def test_create_repository__makes_it_scanned_and_immutable(verdicts: Played) -> None:
    here, job = verdicts.stage, verdicts.job("create-repository")

    assert (job.ended, job.alerts) == ("success", ())
    (made,) = here.api.describe_repositories(repositoryNames=["create-repository"])["repositories"]
    assert made["imageScanningConfiguration"]["scanOnPush"]
    assert made["imageTagMutability"] == "IMMUTABLE"
    # `latest` could never move again.
    assert set(here.tags("create-repository")) == {here.commit[:7]}


def test_role_refused__shows_the_claims_and_not_the_token(verdicts: Played) -> None:
    job = verdicts.job("role-refused")

    assert (job.ended, job.exit_codes) == ("failure", (3,))
    (error,) = job.alerts
    assert "did not let this run assume arn:aws:iam::123456789012:role/stranger" in error.message
    for text in (job.log, job.summaries[0]):
        assert "sub: repo:org/repo:ref:refs/heads/main" in text
        assert "aud: sts.amazonaws.com" in text
        assert '"token.actions.githubusercontent.com:sub"' in text
        assert not re.search(r"eyJ[\w-]{20}", text), "a JWT"
    assert "Build" not in [line.argument for line in job.lines if line.command == "group"]


def test_tags__plain_templates_and_full_references(verdicts: Played) -> None:
    here, job = verdicts.stage, verdicts.job("tags")

    assert (job.ended, job.alerts) == ("success", ())
    commit = here.commit
    expected = ["1.4.2", commit, f"main-{commit[:7]}", "full-reference"]
    digest = job.outputs()["digest"]
    assert here.tags("tags") == dict.fromkeys(expected, digest)
    uri = f"{here.ecr.host}/tags"
    assert job.outputs()["tags"] == "\n".join(f"{uri}:{tag}" for tag in expected)


def test_ambient_credentials__need_neither_role_nor_token(verdicts: Played) -> None:
    here, job = verdicts.stage, verdicts.job("ambient-credentials")

    assert (job.ended, job.alerts) == ("success", ())
    assert here.tags("ambient-credentials")["latest"] == job.outputs()["digest"]
    assert re.search(
        "^ok +credentials +of the environment, .*; AWS takes them$", job.log, re.MULTILINE
    )


def test_odd_python__the_consumers_modules_are_not_ours(verdicts: Played) -> None:
    here, job = verdicts.stage, verdicts.job("odd-python")

    assert (job.ended, job.alerts) == ("success", ())
    assert here.tags("odd-python")["latest"] == job.outputs()["digest"]
    assert "a module of the consumer" not in job.log


def test_enhanced__pending_then_active_passes_when_settled(enhanced: Played) -> None:
    job = enhanced.job("pending-then-active")

    assert (job.ended, job.alerts) == ("success", ())
    outputs = job.outputs()
    assert (outputs["scan-type"], outputs["scan-status"]) == ("enhanced", "ACTIVE")


def test_enhanced__vulnerable_is_refused(enhanced: Played) -> None:
    here, job = enhanced.stage, enhanced.job("vulnerable-enhanced")

    assert (job.ended, job.exit_codes) == ("failure", (9,))
    why = "Refused: 2 CRITICAL: at or above the threshold critical"
    assert job.alerts == (Annotation(kind="error", message=why),)
    assert job.outputs()["total"] == "51"
    assert list(here.tags("vulnerable-enhanced")) == here.candidates("vulnerable-enhanced")


def test_missing_id_token__gives_the_yaml_to_paste(no_token: Played) -> None:
    job = no_token.job("missing-id-token")

    assert (job.ended, job.exit_codes) == ("failure", (3,))
    what = "GitHub offers this job no OIDC token, so role-to-assume cannot be used"
    assert job.alerts == (Annotation(kind="error", message=f"Not published: {what}"),)
    paste = "    permissions:\n      id-token: write\n      contents: read"
    assert paste in job.log
    assert paste in job.summaries[0]


def test_bad_inputs__are_all_told_in_one_message(no_token: Played) -> None:
    job = no_token.job("bad-inputs")

    assert (job.ended, job.exit_codes) == ("failure", (2,))
    (error,) = job.alerts
    assert (error.kind, error.title) == ("error", "ecr-publish")
    bad = ["aws-region", "role-to-assume", "repository", "image-tag-mutability", "image", "tags"]
    bad += ["severity-threshold", "scan-timeout", "report-only"]
    assert error.message.startswith(f"Not published: {len(bad)} inputs cannot be used: ")
    for name in bad:
        assert f"{name}: " in error.message
        assert f"\n- {name}: " in job.summaries[0]


def test_bad_inputs__nothing_is_asked_built_or_pushed(no_token: Played) -> None:
    """The same for the job without a token."""
    assert no_token.calls == ()
    assert no_token.new_images == frozenset()
    groups = {line.argument for line in no_token.result.lines if line.command == "group"}
    assert groups == {"Plan", "Preflight"}


@pytest.mark.parametrize("name", ["publish", "ambient"])
def test_s2_fork__is_built_and_told_that_nobody_has_judged_it(fork: Played, name: str) -> None:
    job = fork.job(name)

    assert (job.ended, job.exit_codes) == ("success", ())
    (loud,) = job.alerts
    assert loud.kind == "warning"
    assert loud.message.startswith("Built only: nothing was pushed, scanned or judged, because ")
    assert job.summaries[0].startswith("## ⚪ Built only: nothing was pushed, scanned or judged")
    outputs = job.outputs()
    assert (outputs["verdict"], outputs["image"], outputs["tags"]) == ("unknown", "", "")
    assert "COPY index.html" in job.log


def test_s2_fork__that_cannot_be_built_fails(fork: Played) -> None:
    job = fork.job("broken")

    assert (job.ended, job.exit_codes) == ("failure", (5,))
    assert "no-such-file" in job.log
    assert job.outputs()["verdict"] == "unknown"


def test_fork__is_told_to_build_only_or_to_publish_from_branches(fork: Played) -> None:
    job = fork.job("told-to-fail")

    assert (job.ended, job.exit_codes) == ("failure", (3,))
    (error,) = job.alerts
    assert "this pull request comes from a fork" in error.message
    assert "on-fork: build-only" in job.summaries[0]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in job.log
    assert "id-token: write" not in job.log


def test_s1_fork__nothing_is_asked_pushed_or_left_in_the_engine(fork: Played) -> None:
    assert fork.calls == ()
    assert fork.new_images == frozenset()
