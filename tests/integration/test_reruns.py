"""What a later run may take for its own, and what it must leave: whole runs on a local ECR."""

from __future__ import annotations

from typing import Any

import pytest

from ecr_publish.manifest import Manifest
from ecr_publish.origin import COMMITTED, RECIPE, REVISION, Commit
from tests.factories import NAME, SHA
from tests.images import push_image, push_index
from tests.publication import HEAD, PULL_REQUEST, Prepare, Publication, failing, started

pytestmark = pytest.mark.usefixtures("no_waiting", "one_session")

ALWAYS = 99_999
DIRTY = Commit(sha=SHA, time=HEAD.time, clean=False)
NEWER, OLDER = Commit(sha="1" * 40, time=3_000), Commit(sha="2" * 40, time=1_000)
MERGE_GROUP = {
    "GITHUB_EVENT_NAME": "merge_group",
    "GITHUB_REF": "refs/heads/gh-readonly-queue/main/pr-7-0123456",
}
UNMERGED = [pytest.param(PULL_REQUEST, id="pull request"), pytest.param(MERGE_GROUP, id="queue")]
KINDS = [pytest.param((), id="image"), pytest.param(("linux/amd64", "linux/arm64"), id="index")]
UNREADABLE = ["AccessDeniedException", "ThrottlingException"]


def labels_of(one: Publication) -> dict[str, str]:
    """The labels of the last build."""
    return dict(item.split("=", 1) for item in one.built[-1].labels)


# --- what is taken for this build -------------------------------------------------------------


@pytest.mark.parametrize("mode", ["MUTABLE", "IMMUTABLE"])
@pytest.mark.parametrize("platforms", KINDS)
@pytest.mark.parametrize("created", [None, HEAD.time + 60], ids=["no time", "its own time"])
def test_s1__image_built_from_ours_is_not_taken_for_ours(
    prepare: Prepare, mode: str, platforms: tuple[str, ...], created: int | None
) -> None:
    one = started(prepare)
    one.publish(tags="ours")
    labels, content = labels_of(one), b"something else inside"
    other = (
        push_index(one.ecr, NAME, "1.0", platforms, labels=labels, created=created, content=content)
        if platforms
        else push_image(one.ecr, NAME, "1.0", content, labels=labels, created=created)
    )
    one.set_mutability(mode)
    one.ecr.reset()

    assert one.publish(tags="1.0") == (0 if mode == "MUTABLE" else 8)

    assert len(one.built) == (mode == "MUTABLE")
    assert (one.releases["1.0"] == str(other.digest)) is (mode == "IMMUTABLE")
    assert "Nothing was built" not in one.workflow.markdown


@pytest.mark.parametrize(
    ("first", "again", "event"),
    [
        pytest.param((HEAD, "WHO"), (HEAD, "WHO"), {}, id="argument from the environment"),
        pytest.param((HEAD, "A=1\nWHO"), (HEAD, "A=1\nWHO"), {}, id="one of several"),
        pytest.param((DIRTY, ""), (DIRTY, ""), {}, id="changed files"),
        pytest.param((HEAD, ""), (DIRTY, ""), {}, id="changed files now"),
        pytest.param((DIRTY, ""), (HEAD, ""), {}, id="changed files then"),
        pytest.param((HEAD, ""), (HEAD, ""), {"GITHUB_SHA": "f" * 40}, id="another run's commit"),
        pytest.param((None, ""), (None, ""), {}, id="no checkout"),
        pytest.param((HEAD, ""), (NEWER, ""), {}, id="another commit"),
    ],
)
def test_s1__what_may_be_another_build_is_built(
    prepare: Prepare,
    first: tuple[Commit | None, str],
    again: tuple[Commit | None, str],
    event: dict[str, str],
) -> None:
    one = started(prepare)
    one.head, args = first
    assert one.publish(tags="1.0", build_args=args) == 0
    before = one.releases
    one.head, args = again
    one.event, one.content = event, b"another"

    assert one.publish(tags="1.0", build_args=args) == 0

    assert len(one.built) == 1
    assert one.releases == {"1.0": one.workflow.outputs["digest"]} != before


def test_s5__the_time_that_metadata_action_states_makes_no_other_build(prepare: Prepare) -> None:
    one = started(prepare)
    one.set_mutability("IMMUTABLE")
    name = "org.opencontainers.image"
    assert one.publish(labels=f"{name}.title=app\n{name}.created=2026-11-23T12:00:00.000Z") == 0
    assert f"{name}.created=2026-11-23T12:00:00.000Z" in one.built[-1].labels
    before = one.images

    assert one.publish(labels=f"{name}.title=app\n{name}.created=2026-11-24T09:30:00.000Z") == 0

    assert one.built == []
    assert one.images == before
    assert one.publish(labels=f"{name}.title=another") == 8


# --- native platforms -------------------------------------------------------------------------

NATIVE = ("linux/amd64", "linux/arm64")


def native(one: Publication, content: bytes, **inputs: str) -> list[Manifest]:
    """Publish each platform as a job of its own does; gives what the merge is told of."""
    images = []
    for platform in NATIVE:
        one.content, one.platform = content + platform.encode(), platform
        assert one.publish(platforms=platform, promote="never", **inputs) == 0
        assert len(one.built) == 1
        images.append(one.held(one.workflow.outputs["digest"]))
    one.ecr.reset()
    return images


@pytest.mark.parametrize("mode", ["IMMUTABLE", "MUTABLE"])
def test_s5_merge__of_the_same_builds_anew_is_the_first_index(prepare: Prepare, mode: str) -> None:
    one = started(prepare)
    one.set_mutability(mode)
    first = native(one, b"monday ")
    assert one.merge(*first, tags="{sha}") == 0
    before, index = one.releases, one.workflow.outputs["digest"]
    again = native(one, b"tuesday ")
    assert not {image.digest for image in first} & {image.digest for image in again}

    assert one.merge(*again, tags="{sha}") == 0

    assert one.releases == before == {SHA: index}
    assert one.workflow.outputs["digest"] == index
    assert one.workflow.outputs["tags"].endswith(f":{SHA}")
    assert not one.ecr.calls("PutImage") + one.ecr.calls("BatchDeleteImage")


def test_s1_merge__of_the_same_builds_anew_is_judged_afresh(prepare: Prepare) -> None:
    one = started(prepare)
    assert one.merge(*native(one, b"monday "), tags="{sha}") == 0
    before = one.images
    again = native(one, b"tuesday ")
    one.ecr.set_scenario("vulnerable")

    assert one.merge(*again, tags="{sha}\nlatest") == 9

    assert one.releases == {SHA: one.workflow.outputs["digest"]}
    assert [image for image in one.images if SHA in image.get("imageTags", ())] == [
        image for image in before if SHA in image.get("imageTags", ())
    ]


@pytest.mark.parametrize(
    ("other", "event"),
    [
        pytest.param({"build_args": "A=1"}, {}, id="other inputs"),
        pytest.param({}, {"GITHUB_SHA": "f" * 40}, id="another run's commit"),
    ],
)
@pytest.mark.parametrize("mode", ["IMMUTABLE", "MUTABLE"])
def test_s1_merge__of_other_builds_is_another_index(
    prepare: Prepare, mode: str, other: dict[str, str], event: dict[str, str]
) -> None:
    one = started(prepare)
    one.set_mutability(mode)
    assert one.merge(*native(one, b"monday "), tags="1.0") == 0
    before = one.releases
    one.event = event
    again = native(one, b"tuesday ", **other)

    assert one.merge(*again, tags="1.0") == (0 if mode == "MUTABLE" else 8)

    assert (one.releases == before) is (mode == "IMMUTABLE")


def test_s5_merge__rebuild_makes_the_index_anew(prepare: Prepare) -> None:
    one = started(prepare)
    assert one.merge(*native(one, b"monday "), tags="1.0") == 0
    before = one.releases
    one.event = {"GITHUB_EVENT_NAME": "schedule"}

    assert one.merge(*native(one, b"tuesday "), tags="1.0") == 0

    assert one.releases == {"1.0": one.workflow.outputs["digest"]} != before


@pytest.mark.parametrize("code", UNREADABLE)
@pytest.mark.parametrize("mode", ["IMMUTABLE", "MUTABLE"])
def test_s5_merge__of_the_same_images_needs_no_labels(
    prepare: Prepare, mode: str, code: str
) -> None:
    """The index has the same bytes, also where nothing says what the images are made of."""
    one = started(prepare)
    one.set_mutability(mode)
    images = [push_index(one.ecr, NAME, f"part-{name[6:]}", (name,)) for name in NATIVE]
    assert one.merge(*images, tags="{sha}") == 0
    before = one.releases

    with failing("GetDownloadUrlForLayer", code, 1, ALWAYS):
        assert one.merge(*images, tags="{sha}") == 0

    assert one.releases == before


# --- tags that stay ---------------------------------------------------------------------------


@pytest.mark.parametrize("platforms", KINDS)
def test_s4_forward__image_that_gets_no_tag_keeps_its_candidate(
    prepare: Prepare, platforms: tuple[str, ...]
) -> None:
    one = started(prepare, platforms=platforms)
    one.publish(tags="latest\nstable")
    before = one.releases
    one.head, one.content = OLDER, b"older"

    assert one.publish(tags="latest\nstable", promote_only_forward="true") == 0

    digest = one.workflow.outputs["digest"]
    assert one.releases == before
    assert list(one.candidates.values()) == [digest]
    assert one.workflow.outputs["candidate"].endswith(f":{next(iter(one.candidates))}")
    assert one.workflow.outputs["tags"] == ""
    kinds = [kind for kind, _, _ in one.workflow.annotations]
    assert kinds == ["warning", "warning"]
    assert "would be deleted with its last tag" in one.workflow.markdown


@pytest.mark.parametrize("code", UNREADABLE)
@pytest.mark.parametrize("head", [NEWER, OLDER], ids=["newer", "older"])
@pytest.mark.parametrize("only_forward", ["true", "false"])
def test_forward__tag_whose_image_cannot_be_read(
    prepare: Prepare, code: str, head: Commit, only_forward: str
) -> None:
    one = started(prepare)
    one.publish(tags="latest")
    before = one.releases["latest"]
    one.head, one.content = head, b"another"

    with failing("GetDownloadUrlForLayer", code, 1, ALWAYS):
        assert one.publish(tags="latest\nfree", promote_only_forward=only_forward) == 0

    digest = one.workflow.outputs["digest"]
    stays = only_forward == "true"
    assert one.releases == {"latest": before if stays else digest, "free": digest}
    assert one.candidates == {}
    ((kind, _, said),) = one.workflow.annotations
    assert kind == "warning"
    assert "it could not be told whether that is of a newer commit" in said
    assert ("stays on" in said, "it is moved" in said) == (stays, not stays)


@pytest.mark.parametrize("only_forward", ["true", "false"])
def test_forward__tag_that_is_readable_a_moment_later(prepare: Prepare, only_forward: str) -> None:
    one = started(prepare)
    one.publish(tags="latest")
    one.head, one.content = NEWER, b"newer"

    with failing("GetDownloadUrlForLayer", "AccessDeniedException", 1, 1):
        assert one.publish(tags="latest", promote_only_forward=only_forward) == 0

    assert one.releases["latest"] == one.workflow.outputs["digest"]
    assert one.workflow.annotations == []


# --- what was there before the run ------------------------------------------------------------


def deployed(one: Publication) -> str:
    """An image of an earlier pull request that is in use by its digest, without a tag."""
    one.publish(promote="always", tags="pr")
    digest = one.workflow.outputs["digest"]
    one.take_tags_away()
    assert one.tags == {}
    assert digest in {image["imageDigest"] for image in one.images}
    one.clock.sleep(3600)
    return digest


@pytest.mark.parametrize("event", UNMERGED)
@pytest.mark.parametrize("scenario", ["clean", "vulnerable"])
@pytest.mark.parametrize("platforms", KINDS)
def test_s4__image_from_before_the_run_is_not_deleted_with_its_candidate(
    prepare: Prepare, event: dict[str, str], scenario: str, platforms: tuple[str, ...]
) -> None:
    one = started(prepare, platforms=platforms)
    digest = deployed(one)
    one.event = event
    one.ecr.set_scenario(scenario)

    assert one.publish() == (0 if scenario == "clean" else 9)

    assert one.workflow.outputs["digest"] == digest
    assert list(one.candidates.values()) == [digest]
    assert one.releases == {}
    assert "was there before this run" in one.workflow.markdown


@pytest.mark.parametrize("event", UNMERGED)
def test_s4__where_a_push_renews_the_age_the_candidate_goes(
    prepare: Prepare, event: dict[str, str]
) -> None:
    """Users report the other way (aws/containers-roadmap#2746); what this one costs, shows here."""
    one = started(prepare, {"default": "clean", "switches": {"pushed_again": "last"}})
    digest = deployed(one)
    one.event = event

    assert one.publish() == 0

    assert one.tags == {}
    assert digest not in {image["imageDigest"] for image in one.images}


@pytest.mark.parametrize("event", UNMERGED)
@pytest.mark.parametrize("again", ["first", "last"])
def test_s4__image_from_before_the_run_with_a_tag_loses_only_the_candidate(
    prepare: Prepare, event: dict[str, str], again: str
) -> None:
    one = started(prepare, {"default": "clean", "switches": {"pushed_again": again}})
    one.publish(tags="1.0")
    before = one.releases
    one.clock.sleep(3600)
    one.event = event

    assert one.publish() == 0

    assert one.releases == before
    assert str(one.workflow.outputs["digest"]) == before["1.0"]


@pytest.mark.parametrize("event", UNMERGED)
@pytest.mark.parametrize(
    ("promote", "released", "latest"), [("auto", False, False), ("always", True, False)]
)
def test_promote__of_what_is_not_merged(
    prepare: Prepare,
    event: dict[str, str],
    promote: str,
    released: bool,  # noqa: FBT001
    latest: bool,  # noqa: FBT001
) -> None:
    one = started(prepare)
    one.event = event

    assert one.publish(promote=promote) == 0

    assert one.candidates == {}
    assert one.released is released
    assert ("latest" in one.tags) is latest
    assert len(one.images) == released


# --- what ECR has and does not give -----------------------------------------------------------


@pytest.mark.parametrize("mode", ["MUTABLE", "IMMUTABLE"])
@pytest.mark.parametrize("code", ["KmsError", "ImageInaccessible"])
def test_s1__image_that_ecr_does_not_give_is_no_free_tag(
    prepare: Prepare, code: str, mode: str
) -> None:
    one = started(prepare)
    one.publish(tags="1.0")
    one.set_mutability(mode)
    before = one.images
    one.ecr.set_scenario({"default": "clean", "switches": {"image_failure": code}})
    one.ecr.reset()
    one.content = b"another"

    assert one.publish(tags="1.0") not in (0, 70)

    assert one.built == []
    assert one.images == before
    assert code in one.reason
    assert "BatchGetImage" in one.reason


@pytest.mark.parametrize("job", ["publish", "gate", "merge"])
def test_s1__image_that_ecr_does_not_give_ends_every_run(prepare: Prepare, job: str) -> None:
    one = started(prepare)
    images = [push_image(one.ecr, NAME, content=name.encode(), platform=name) for name in NATIVE]
    digests = [str(image.digest) for image in images]
    one.ecr.set_scenario({"default": "clean", "switches": {"image_failure": "KmsError"}})
    inputs = {"publish": {}, "gate": {"reference": digests[0], "promote_to": "prod"}}

    ended = one.publish(job=job, **inputs.get(job, {"digests": "\n".join(digests)}))

    assert ended not in (0, 70)
    assert one.releases == {}
    assert "KmsError" in one.reason
    # A candidate that was pushed is named.
    assert len(one.candidates) == (job == "publish")
    assert (
        list(one.candidates)
        == [one.workflow.outputs["candidate"].rpartition(":")[2]][: len(one.candidates)]
    )


# --- calls ------------------------------------------------------------------------------------

MANY = [f"1.{number}" for number in range(25)]


def after_the_gate(one: Publication) -> list[str]:
    """The calls that a promotion has made."""
    calls = one.calls
    last = len(calls) - 1 - calls[::-1].index("DescribeImageScanFindings")
    return calls[last + 1 :]


@pytest.mark.parametrize("rebuild", [True, False])
def test_s5_calls__tags_in_place_cost_none(
    prepare: Prepare,
    rebuild: bool,  # noqa: FBT001
) -> None:
    one = started(prepare)
    one.publish(tags="\n".join(MANY))
    before = one.images
    one.ecr.reset()

    assert one.publish(tags="\n".join(MANY), rebuild=str(rebuild).lower()) == 0

    assert one.ecr.calls("PutImage") == []
    assert after_the_gate(one) == ["BatchGetImage", *["BatchDeleteImage"] * rebuild]
    assert len(one.workflow.outputs["tags"].splitlines()) == len(MANY)
    assert one.images == before


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(0, id="first run"),
        pytest.param(9, id="half done"),
        pytest.param(len(MANY), id="re-run"),
    ],
)
@pytest.mark.parametrize("platforms", KINDS)
@pytest.mark.parametrize("only_forward", ["true", "false"])
def test_calls__of_a_promotion(
    prepare: Prepare, state: int, platforms: tuple[str, ...], only_forward: str
) -> None:
    one = started(prepare, platforms=platforms)
    if state:
        with failing("PutImage", "AccessDeniedException", state + 1, ALWAYS):
            one.publish(tags="\n".join(MANY))
        assert len(one.releases) == state
    one.ecr.reset()

    assert one.publish(tags="\n".join(MANY), promote_only_forward=only_forward) == 0

    assert len(one.ecr.calls("PutImage")) == len(MANY) - state
    assert len(after_the_gate(one)) <= len(MANY) - state + 2
    assert set(one.releases) == set(MANY)
    assert len(set(one.releases.values())) == 1


# --- hostile labels ---------------------------------------------------------------------------

HOSTILE: list[Any] = [
    pytest.param("\ud800::error::no", id="lone surrogate"),
    pytest.param("x" * 300_000, id="long"),
    pytest.param("a\n::error title=no::no\n##[error]no", id="commands"),
    pytest.param("\u202ecafe\x1b[31m", id="unprintable"),
    pytest.param(["no", "word"], id="no text"),
]


@pytest.mark.parametrize("revision", HOSTILE)
@pytest.mark.parametrize("ours", [True, False], ids=["dated", "undated"])
@pytest.mark.parametrize("mode", ["MUTABLE", "IMMUTABLE"])
def test_s3__hostile_revision_of_the_image_under_the_tag(
    prepare: Prepare,
    revision: Any,
    ours: bool,  # noqa: FBT001
    mode: str,
) -> None:
    one = started(prepare)
    labels: dict[str, Any] = {REVISION: revision, RECIPE: revision, COMMITTED: str(NEWER.time)}
    other = push_image(
        one.ecr, NAME, "1.0", b"other", labels=labels, created=NEWER.time if ours else None
    )
    one.set_mutability(mode)

    assert one.publish(tags="1.0") == (0 if mode == "MUTABLE" else 8)

    assert (one.releases["1.0"] == str(other.digest)) is (mode == "IMMUTABLE")
    said = [text for _, _, text in one.workflow.annotations]
    assert len(said) == (ours or mode == "IMMUTABLE")
    for text in (*said, *one.workflow.log, *one.workflow.outputs.values(), one.workflow.markdown):
        assert len(text) < 20_000
        text.encode()
        for bad in ("xxxx", "title=no", "##[", "\u202e", "\x1b", "::error::no"):
            assert bad not in text
