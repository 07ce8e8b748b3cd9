"""publish.yml, run by act with each image store: what the people who use the action meet."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from dev import act
from dev.engine import Engine
from tests.e2e.conftest import Played
from tests.e2e.support import ACTION, Annotation, stage

SAME_DIGEST = (act.CHECKOUT / "examples/workflows/same-digest.yml").read_text("utf-8")
REFUSAL = "Refused: 2 CRITICAL, 5 HIGH: at or above the threshold high"


def test_passes__has_its_release_tags_and_no_other(published: Played) -> None:
    here, job = published.stage, published.job("passes")

    assert (job.ended, job.exit_codes, job.alerts) == ("success", (), ())
    digest = job.outputs()["digest"]
    assert here.tags("passes") == {here.commit[:7]: digest, "latest": digest}


def test_passes__docker_and_skopeo_see_the_same_digest(published: Played) -> None:
    here = published.stage
    digest = published.job("passes").outputs()["digest"]

    here.login()
    reference = f"{here.ecr.host}/passes:{here.commit[:7]}"
    try:
        assert f"Digest: {digest}" in here.docker("pull", reference)
    finally:
        here.docker("image", "rm", reference)
    assert here.skopeo_digest("passes", "latest") == digest


def test_passes__a_later_step_sees_every_output(published: Played) -> None:
    here, job = published.stage, published.job("passes")
    uri = f"{here.ecr.host}/passes"
    digest = here.tags("passes")["latest"]
    expected = {
        "image": f"{uri}@{digest}",
        "digest": digest,
        "image-digest": digest,
        "tags": f"{uri}:{here.commit[:7]}\n{uri}:latest",
        "candidate": "",
        "registry": here.ecr.host,
        "verdict": "passed",
        "reason": "no findings",
        "scan-type": "basic",
        "scan-status": "COMPLETE",
        **dict.fromkeys(("critical", "high", "medium", "low"), "0"),
        **dict.fromkeys(("informational", "undefined", "total", "ignored"), "0"),
        **dict.fromkeys(("new", "report-file", "sarif-file"), ""),
    }
    expected["images"] = json.dumps([{"target": "", **expected}])

    assert set(expected) == set(ACTION["outputs"])
    assert job.seen == {f"SEEN_{_shell(name)}": value for name, value in expected.items()}


def test_passes__summary_shows_verdict_image_and_tags(published: Played) -> None:
    here, job = published.stage, published.job("passes")

    (summary,) = job.summaries
    assert summary.startswith("## ✅ Passed: no findings\n")
    assert job.outputs()["image"] in summary
    assert f"<code>{here.commit[:7]}</code>, <code>latest</code>" in summary


def test_passes__log_is_folded_room_by_room(published: Played) -> None:
    lines = published.job("passes").lines
    groups = [line.argument for line in lines if line.command == "group"]

    rooms = ["Plan", "Preflight", "Build", "Push", "Scan", "Gate", "Promote"]
    assert groups == rooms
    assert sum(line.command == "endgroup" for line in lines) == len(rooms)


def test_refused__fails_and_says_why(published: Played) -> None:
    job = published.job("refused")

    assert (job.ended, job.exit_codes) == ("failure", (9,))
    assert job.alerts == (Annotation(kind="error", message=REFUSAL),)
    (summary,) = job.summaries
    assert summary.startswith("## ❌ Refused: 2 CRITICAL, 5 HIGH: at or above the threshold high\n")
    assert "### What to do next" in summary
    assert summary.count("| CRITICAL | [CVE") == 2
    assert summary.count("| HIGH | [CVE") == 5


def test_refused__has_no_release_tag_and_keeps_the_candidate(published: Played) -> None:
    here, job = published.stage, published.job("refused")
    (candidate,) = here.candidates("refused")

    assert here.tags("refused") == {candidate: job.outputs()["digest"]}
    assert job.outputs()["candidate"] == f"{here.ecr.host}/refused:{candidate}"
    assert job.outputs()["tags"] == ""


def test_refused__later_steps_can_tell_but_not_deploy(published: Played) -> None:
    job = published.job("refused")

    assert job.seen["SEEN_VERDICT"] == "refused"
    assert job.seen["SEEN_TOTAL"] == "51"
    assert "told the team of 5" in job.log.splitlines()
    assert "deployed what was refused" not in job.log.splitlines()


def test_report_only__tags_and_warns_loudly(published: Played) -> None:
    here, job = published.stage, published.job("report-only")
    waiver = (
        "The release tags were applied although the image did not pass, because of "
        "report-only: true."
    )

    assert (job.ended, job.exit_codes) == ("success", ())
    warning = Annotation(
        kind="warning", title="ECR scan did not pass", message=f"{REFUSAL}. {waiver}"
    )
    assert job.alerts == (warning,)
    (summary,) = job.summaries
    assert summary.startswith("## ❌ Refused")
    assert "> [!WARNING]\n" in summary
    assert job.outputs()["verdict"] == "refused"
    digest = job.outputs()["digest"]
    assert here.tags("report-only") == {here.commit[:7]: digest, "latest": digest}


def test_local_image__is_published_and_stays_in_the_engine(published: Played) -> None:
    here, job = published.stage, published.job("local-image")

    assert (job.ended, job.alerts) == ("success", ())
    assert here.tags("local-image")["latest"] == job.outputs()["digest"]
    assert "visit-counter-app:built" in here.images()
    # That its bytes are those of the local image is shown in test_by_hand.py.


def test_broken__ends_with_the_cause_in_the_log_and_no_push(published: Played) -> None:
    here, job = published.stage, published.job("broken")

    assert (job.ended, job.exit_codes) == ("failure", (5,))
    failed = "Not published: docker buildx build exited with 1"
    assert job.alerts == (Annotation(kind="error", message=failed),)
    assert "no-such-file" in job.log
    assert "no-such-file" in _group(job.lines, "Build")
    assert here.tags("broken") == {}
    assert not [name for name in here.operations("broken") if name.startswith("v2.")]
    assert job.outputs()["verdict"] == "unknown"


def test_s5__again_builds_nothing_uploads_nothing_and_judges_afresh(published: Played) -> None:
    here, job = published.stage, published.job("again")

    assert (job.ended, job.exit_codes, job.alerts) == ("success", (), ())
    first, second = job.outputs("first"), job.outputs("second")
    assert first["digest"] == second["digest"]
    assert first["tags"] == second["tags"] == f"{here.ecr.host}/again:{here.commit}"
    assert here.tags("again") == {here.commit: first["digest"]}
    operations = here.operations("again")
    after = operations[operations.index("BatchDeleteImage") + 1 :]
    assert not [name for name in after if name.startswith("v2.")]
    assert "DescribeImageScanFindings" in after
    assert "Nothing was built" in job.summaries[1]


def test_s5__immutable_same_commit_twice_passes_twice(published: Played) -> None:
    here, job = published.stage, published.job("immutable")

    assert (job.ended, job.exit_codes, job.alerts) == ("success", (), ())
    digest = job.outputs("second")["digest"]
    assert here.tags("immutable") == {here.commit: digest}
    assert here.skopeo_digest("immutable", here.commit) == digest
    assert "PutImage" in here.operations("immutable")


@pytest.mark.parametrize("immutable", [False, True])
def test_s5__same_commit_on_a_fresh_runner(engine: Engine, *, immutable: bool) -> None:
    with stage(engine) as here:
        here.create("again", immutable=immutable)
        with here.start(repository="again", tags="{sha}") as first:
            assert first.wait() == 0
        before = here.tags("again")
        here.forget_builds()
        here.ecr.reset()
        with here.start(repository="again", tags="{sha}") as second:
            assert second.wait() == 0
        assert "v2.StartUpload" not in here.operations("again")
        assert here.tags("again") == before


@pytest.mark.parametrize("fresh", [False, True])
def test_rebuild__unchanged_source_gives_an_unchanged_digest(
    engine: Engine, *, fresh: bool
) -> None:
    """BuildKit's cache does not look at the times of files; without it they have to be set."""
    with stage(engine) as here:
        here.create("rebuilt")
        (reset_times,) = re.findall(r"run: (git ls-files -z .*)", SAME_DIGEST)
        subprocess.run(["bash", "-c", reset_times], cwd=here.consumer, check=True)
        here.forget_builds()
        with here.start(repository="rebuilt", tags="{sha}") as first:
            assert first.wait() == 0
            digest = first.outputs["digest"]
        (here.consumer / "index.html").touch()
        if fresh:
            here.forget_builds()
            subprocess.run(["bash", "-c", reset_times], cwd=here.consumer, check=True)
        here.ecr.reset()
        with here.start(repository="rebuilt", tags="{sha}", rebuild="true") as second:
            assert second.wait() == 0
            assert second.outputs["digest"] == digest
        assert "v2.PutManifest" in here.operations("rebuilt")
        assert "v2.StartUpload" not in here.operations("rebuilt")


def test_immutable__another_commits_tag_is_refused_before_the_build(engine: Engine) -> None:
    with stage(engine) as here:
        here.create("taken", immutable=True)
        with here.start(repository="taken", tags="1.0") as first:
            assert first.wait() == 0
        before = here.tags("taken")
        (here.consumer / "index.html").write_text("<p>Visits: 2</p>\n", encoding="utf-8")
        act.commit(here.consumer, "Another version")
        here.ecr.reset()
        with here.start(repository="taken", tags="1.0") as second:
            assert second.wait() == 8
            assert "::group::Build" not in second.log.decode()
            assert f"the tag 1.0 is on {before['1.0']} already" in second.summary
            assert f"of the commit {here.commit}" in second.summary
        assert here.tags("taken") == before
        assert not [name for name in here.operations("taken") if name.startswith("v2.")]


def test_conflict__is_said_before_the_second_build(promotion: Played) -> None:
    here, job = promotion.stage, promotion.job("conflict")
    digest = job.outputs("first")["digest"]

    assert job.ended == "failure"
    assert here.tags("conflict") == {"1.0": digest}
    assert job.outputs("second")["reason"] == (
        f"the tag 1.0 is on {digest} already, and conflict does not let it move"
    )
    builds = [line for line in job.lines if (line.command, line.argument) == ("group", "Build")]
    assert len(builds) == 1


def test_two_platforms__have_one_digest_or_the_ways_out(promotion: Played) -> None:
    here, job = promotion.stage, promotion.job("two-platforms")

    if here.engine.store == "containerd":
        digest = job.outputs()["digest"]
        assert job.ended == "success"
        assert here.tags("two-platforms") == {here.commit[:7]: digest, "latest": digest}
        assert here.skopeo_digest("two-platforms", "latest") == digest
        return
    assert (job.ended, job.exit_codes) == ("failure", (5,))
    assert "docker/setup-buildx-action" in job.summaries[0]
    assert here.operations("two-platforms").count("v2.PutManifest") == 0


def test_refusal__deletes_the_candidate_where_asked(promotion: Played) -> None:
    here, job = promotion.stage, promotion.job("refused-deleted")

    assert (job.ended, job.exit_codes) == ("failure", (9,))
    assert here.tags("refused-deleted") == {}
    assert here.api.describe_images(repositoryName="refused-deleted")["imageDetails"] == []


def test_refusal__on_refusal_delete_leaves_the_repository_as_it_was(engine: Engine) -> None:
    with stage(engine, scenario="vulnerable") as here:
        here.create("deleted")
        with here.start(repository="deleted", on_refusal="delete") as step:
            assert step.wait() == 9
            assert step.outputs["candidate"] == ""
        assert here.tags("deleted") == {}
        assert here.api.describe_images(repositoryName="deleted")["imageDetails"] == []


def test_provenance__what_the_store_cannot_hold_is_said_before_the_build(engine: Engine) -> None:
    with stage(engine) as here:
        here.create("attested")
        with here.start(repository="attested", provenance="mode=max") as step:
            if engine.store == "containerd":
                assert step.wait() == 0
                assert here.skopeo_digest("attested", "latest") == step.outputs["digest"]
                return
            assert step.wait() == 5
            assert "containerd image store" in step.summary
            assert "docker/setup-buildx-action" in step.summary
            assert b"building with" not in step.log


def test_pull_request__is_judged_and_leaves_nothing(branch: Played) -> None:
    here, job = branch.stage, branch.job("auto")

    assert (job.ended, job.outputs()["verdict"], job.outputs()["tags"]) == ("success", "passed", "")
    assert here.tags("auto") == {}
    assert "none (this is a pull request" in job.summaries[0]


def test_pull_request__gets_release_tags_where_asked(branch: Played) -> None:
    here, job = branch.stage, branch.job("always")

    assert job.ended == "success"
    assert here.tags("always") == {here.commit[:7]: job.outputs()["digest"]}


def test_promote_never__keeps_the_candidate_for_later(branch: Played) -> None:
    here, job = branch.stage, branch.job("never")
    (candidate,) = here.candidates("never")

    assert job.ended == "success"
    assert here.tags("never") == {candidate: job.outputs()["digest"]}
    assert job.outputs()["candidate"] == f"{here.ecr.host}/never:{candidate}"


def test_pull_request__refused_leaves_nothing_unless_it_is_to_be_kept(branch: Played) -> None:
    here = branch.stage

    assert branch.job("refused").ended == branch.job("refused-kept").ended == "failure"
    assert here.tags("refused") == {}
    assert list(here.tags("refused-kept")) == here.candidates("refused-kept") != []


def _shell(name: str) -> str:
    return name.upper().replace("-", "_")


def _group(lines: tuple[act.Line, ...], title: str) -> str:
    commands = [(line.command, line.argument) for line in lines]
    begin = commands.index(("group", title))
    end = next(i for i in range(begin, len(lines)) if commands[i][0] == "endgroup")
    return "\n".join(line.text for line in lines[begin:end])
