"""What becomes of tags, on a local ECR: builds, re-runs, gate and merge, whole and under faults."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from ecr_publish.edges.registry import EcrRegistry
from ecr_publish.manifest import OCI_INDEX, Manifest
from ecr_publish.origin import COMMITTED, RECIPE, REVISION, Commit
from ecr_publish.reference import Tag
from local_ecr.faults import Call
from tests.factories import NAME, SHA
from tests.images import child, push_image, push_index, push_manifest
from tests.publication import (
    PULL_REQUEST,
    Prepare,
    Publication,
    failing,
    started,
)

pytestmark = pytest.mark.usefixtures("no_waiting", "one_session")

SHORT = SHA[:7]


def test_publish__moves_the_tags_and_leaves_no_candidate(prepare: Prepare) -> None:
    one = started(prepare)

    assert one.publish(tags="{sha}\n1.4.2") == 0

    assert one.tags == dict.fromkeys((SHA, "1.4.2"), one.workflow.outputs["digest"])
    assert one.workflow.outputs["candidate"] == ""


def test_s5__same_commit_again_builds_and_uploads_nothing(prepare: Prepare) -> None:
    one = started(prepare)
    one.publish()
    before = one.tags
    one.ecr.reset()

    assert one.publish() == 0

    assert one.built == []
    assert one.tags == before == {SHORT: one.workflow.outputs["digest"]}
    assert one.ecr.calls("v2.*") == []
    assert "Nothing was built" in one.workflow.markdown


@pytest.mark.parametrize("mode", ["MUTABLE", "IMMUTABLE"])
@pytest.mark.parametrize("code", ["ImageAlreadyExistsException", "ImageTagAlreadyExistsException"])
@pytest.mark.parametrize("platforms", [(), ("linux/amd64", "linux/arm64")], ids=["image", "index"])
def test_s5__on_every_repository_and_however_ecr_says_it(
    prepare: Prepare, mode: str, code: str, platforms: tuple[str, ...]
) -> None:
    scenario = {"default": "clean", "switches": {"repush_api": code}}
    one = started(prepare, scenario, platforms=platforms)
    one.set_mutability(mode)
    assert one.publish() == 0

    assert one.publish() == 0

    assert one.built == []
    assert one.workflow.outputs["tags"].endswith(f":{SHORT}")


def test_s1__re_run_is_judged_by_the_scan_of_today(prepare: Prepare) -> None:
    one = started(prepare)
    one.publish(tags="1.0")
    before = one.images
    one.ecr.set_scenario("vulnerable")

    assert one.publish(tags="1.0\nlatest") == 9

    assert one.built == []
    assert one.images == before
    assert one.workflow.outputs["tags"] == ""
    assert "built by an earlier run" in one.workflow.markdown


@pytest.mark.parametrize(
    ("event", "inputs"),
    [({}, {"rebuild": "true"}), ({"GITHUB_EVENT_NAME": "schedule"}, {})],
    ids=["asked for", "scheduled"],
)
def test_rebuild__moves_the_tag_to_the_new_image(
    prepare: Prepare, event: dict[str, str], inputs: dict[str, str]
) -> None:
    one = started(prepare)
    one.publish()
    before = one.tags
    one.event, one.content = event, b"packages of today"

    assert one.publish(**inputs) == 0

    assert len(one.built) == 1
    assert one.tags == {SHORT: one.workflow.outputs["digest"]} != before


MODES = [
    pytest.param("MUTABLE", (), True, id="mutable"),
    pytest.param("IMMUTABLE", (), False, id="immutable"),
    pytest.param("IMMUTABLE_WITH_EXCLUSION", (f"{SHORT}*",), True, id="excluded"),
    pytest.param("IMMUTABLE_WITH_EXCLUSION", ("dev-*",), False, id="another excluded"),
    pytest.param("MUTABLE_WITH_EXCLUSION", (f"{SHORT}*",), False, id="fixed"),
    pytest.param("MUTABLE_WITH_EXCLUSION", ("v*",), True, id="another fixed"),
]


@pytest.mark.parametrize(("mode", "exclusions", "free"), MODES)
@pytest.mark.parametrize("other", ["another build", "another tool", "unreadable", "url"])
def test_taken__is_said_before_the_build(
    prepare: Prepare,
    mode: str,
    exclusions: tuple[str, ...],
    free: bool,  # noqa: FBT001
    other: str,
) -> None:
    one = started(prepare)
    labels = {RECIPE: "another", REVISION: SHA, COMMITTED: "1000"}
    by_us: dict[str, Any] = {"labels": labels, "created": 1_000} if other == "another build" else {}
    taken = push_image(one.ecr, NAME, SHORT, b"taken", **by_us)
    one.set_mutability(mode, *exclusions)
    before = one.images
    if other == "unreadable":
        one.ecr.fail_next("GetDownloadUrlForLayer", "AccessDeniedException", times=9)
    if other == "url":
        one.head = None

    assert one.publish() == (0 if free else 8)

    assert (one.built != []) is free
    assert (one.tags[SHORT] != str(taken.digest)) is free
    if not free:
        assert one.images == before
        # The preflight's question for an image that cannot exist, and no other.
        (asked,) = one.ecr.calls("DescribeImageScanFindings")
        assert asked.error == "ImageNotFoundException"
        why = {
            "another build": "of other inputs",
            "unreadable": "ecr:GetDownloadUrlForLayer",
        }
        expected = why.get(other, "does not say which commit it is made of")
        assert expected in one.workflow.markdown


@pytest.mark.parametrize(("mode", "exclusions", "free"), MODES)
def test_s5__re_run_of_every_mode(
    prepare: Prepare,
    mode: str,
    exclusions: tuple[str, ...],
    free: bool,  # noqa: FBT001
) -> None:
    one = started(prepare)
    one.set_mutability(mode, *exclusions)
    assert one.publish() == 0
    before = one.images

    assert one.publish(rebuild="" if free else "true") == 0

    assert one.built == []
    assert one.images == before


@pytest.mark.parametrize(
    ("event", "promote", "on_refusal", "scenario", "code", "released", "kept"),
    [
        ({}, "auto", "", "clean", 0, True, False),
        ({}, "never", "", "clean", 0, False, True),
        (PULL_REQUEST, "auto", "", "clean", 0, False, False),
        (PULL_REQUEST, "always", "", "clean", 0, True, False),
        (PULL_REQUEST, "never", "delete", "clean", 0, False, True),
        ({}, "auto", "", "vulnerable", 9, False, True),
        ({}, "auto", "delete", "vulnerable", 9, False, False),
        (PULL_REQUEST, "auto", "", "vulnerable", 9, False, False),
        (PULL_REQUEST, "auto", "keep", "vulnerable", 9, False, True),
        (PULL_REQUEST, "auto", "", "failed", 7, False, False),
    ],
)
@pytest.mark.parametrize("platforms", [(), ("linux/amd64", "linux/arm64")], ids=["image", "index"])
def test_promote__what_is_there_afterwards(
    prepare: Prepare,
    event: dict[str, str],
    promote: str,
    on_refusal: str,
    scenario: str,
    code: int,
    released: bool,  # noqa: FBT001
    kept: bool,  # noqa: FBT001
    platforms: tuple[str, ...],
) -> None:
    one = started(prepare, scenario, platforms=platforms)
    one.event = event

    assert one.publish(promote=promote, on_refusal=on_refusal) == code

    assert one.released is released
    assert len(one.candidates) == kept
    shown = one.workflow.outputs["candidate"].rpartition(":")[2]
    assert list(one.candidates) == [shown][:kept]
    assert (shown != "") is kept


@pytest.mark.parametrize("on_refusal", ["keep", "delete"])
@pytest.mark.parametrize("platforms", [(), ("linux/amd64", "linux/arm64")], ids=["image", "index"])
def test_s4__refused_image_leaves_the_repository_as_it_was(
    prepare: Prepare, on_refusal: str, platforms: tuple[str, ...]
) -> None:
    one = started(prepare, platforms=platforms)
    one.publish(tags="1.0\nlatest")
    before = one.images
    one.head, one.content = Commit(sha="1" * 40, time=3_000), b"worse"
    one.ecr.set_scenario("vulnerable")

    assert one.publish(tags="1.0\nlatest", on_refusal=on_refusal) == 9

    known = {image["imageDigest"] for image in before}
    assert [image for image in one.images if image["imageDigest"] in known] == before
    new = [image for image in one.images if image["imageDigest"] not in known]
    if on_refusal == "keep":
        (tags,) = (image["imageTags"] for image in new if "imageTags" in image)
        assert tags == list(one.candidates)
    else:
        # An index's images have no tag of their own; ECR keeps them until the lifecycle ends them.
        assert not [image for image in new if "imageTags" in image]
        assert bool(new) is bool(platforms)


def test_forward__warns_or_leaves_the_tag(prepare: Prepare) -> None:
    one = started(prepare)
    one.publish(tags="latest")
    newest = one.tags["latest"]
    one.head, one.content = Commit(sha="0" * 40, time=1_000), b"older"

    assert one.publish(tags="latest\nold", promote_only_forward="true") == 0
    assert (one.tags["latest"], one.tags["old"]) == (newest, one.workflow.outputs["digest"])
    assert "stays" in one.workflow.annotations[0][2]

    assert one.publish(tags="latest\nold") == 0
    assert one.tags["latest"] == one.tags["old"] == one.workflow.outputs["digest"]
    assert "it is moved" in one.workflow.annotations[0][2]
    assert SHA in one.workflow.annotations[0][2]


def test_candidate__that_may_not_be_removed_is_a_note_with_the_statement(prepare: Prepare) -> None:
    one = started(prepare)
    one.ecr.fail_next("BatchDeleteImage", "AccessDeniedException", times=9)

    assert one.publish() == 0

    assert one.released
    assert one.workflow.outputs["candidate"].endswith(next(iter(one.candidates)))
    assert '"ecr:BatchDeleteImage"' in one.workflow.markdown
    assert one.ecr.registry.place.arn(NAME) in one.workflow.markdown


def test_promotion__that_ended_half_way_is_completed_by_the_next_run(prepare: Prepare) -> None:
    one = started(prepare)
    with failing("PutImage", "AccessDeniedException", 3, ALWAYS):
        assert one.publish(tags="1.4.2\n1.4\n1\nlatest") == 8

    assert list(one.releases) == ["1.4.2", "1.4"]
    assert [line.rpartition(":")[2] for line in one.workflow.outputs["tags"].split()] == [
        *("1.4.2", "1.4")
    ]
    assert "Applied: 1.4.2, 1.4. Not applied: 1, latest." in one.workflow.markdown

    assert one.publish(tags="1.4.2\n1.4\n1\nlatest") == 0

    assert one.built == []
    assert set(one.releases) == {"1.4.2", "1.4", "1", "latest"}
    assert len(set(one.releases.values())) == 1


@pytest.mark.parametrize("by_digest", [True, False])
@pytest.mark.parametrize("platforms", [(), ("linux/amd64", "linux/arm64")], ids=["image", "index"])
def test_gate__takes_a_candidate_to_production(
    prepare: Prepare,
    by_digest: bool,  # noqa: FBT001
    platforms: tuple[str, ...],
) -> None:
    one = started(prepare, platforms=platforms)
    one.publish(promote="never")
    (tag,), digest = one.candidates, one.workflow.outputs["digest"]

    assert one.gate(digest if by_digest else tag, promote_to="prod\nstable") == 0

    assert one.tags == dict.fromkeys((tag, "prod", "stable"), digest)
    assert one.workflow.outputs["candidate"] == ""
    assert one.built == []


@pytest.mark.parametrize("scenario", ["vulnerable", "failed", "never-finishes"])
@pytest.mark.parametrize("promote_to", ["", "prod"])
def test_s1_gate__that_does_not_pass_moves_and_removes_nothing(
    prepare: Prepare, scenario: str, promote_to: str
) -> None:
    one = started(prepare, scenario)
    push_image(one.ecr, NAME, "prod", b"older")
    push_image(one.ecr, NAME, "next", b"newer")
    before = one.images
    one.ecr.reset()

    assert one.gate("next", promote_to=promote_to) in (7, 9)

    assert one.images == before
    assert not one.ecr.calls("PutImage") + one.ecr.calls("BatchDeleteImage")


def test_gate__without_promote_to_only_reads(prepare: Prepare) -> None:
    one = started(prepare)
    push_image(one.ecr, NAME, "next")
    before = one.images
    one.ecr.reset()

    assert one.gate("next") == 0

    assert one.images == before
    assert all(call.startswith(("Describe", "BatchGet", "Get")) for call in one.calls)
    assert not {"GetAuthorizationToken", "GetDownloadUrlForLayer"} & set(one.calls)


@pytest.mark.parametrize("reference", ["nobody", f"sha256:{'0' * 64}"])
def test_gate__image_that_is_not_there(prepare: Prepare, reference: str) -> None:
    one = started(prepare)
    push_image(one.ecr, NAME, "next")
    before = one.images

    assert one.gate(reference, promote_to="prod") == 4

    assert one.images == before
    assert reference in one.reason


TWO = ("linux/amd64", "linux/arm64")


def parts(one: Publication, *, attested: bool = False) -> list[Manifest]:
    """What two native runners have pushed, by digest alone."""
    if attested:
        return [push_index(one.ecr, NAME, f"part-{name[6:]}", (name,)) for name in TWO]
    return [push_image(one.ecr, NAME, content=name.encode(), platform=name) for name in TWO]


@pytest.mark.parametrize("attested", [False, True])
def test_merge__makes_one_index_of_what_was_pushed(
    prepare: Prepare,
    attested: bool,  # noqa: FBT001
) -> None:
    one = started(prepare)
    images = parts(one, attested=attested)

    assert one.merge(*images, tags="1.0\nlatest") == 0

    digest = one.workflow.outputs["digest"]
    assert one.releases.items() >= dict.fromkeys(("1.0", "latest"), digest).items()
    assert one.candidates == {}
    index = one.held(digest)
    assert index.media_type == OCI_INDEX
    listed = json.loads(index.text)["manifests"]
    runnable = [item for item in listed if item["platform"]["os"] != "unknown"]
    assert [item["platform"]["architecture"] for item in runnable] == ["amd64", "arm64"]
    assert len(listed) - len(runnable) == attested
    assert {call.status for call in one.ecr.calls("PutImage")} == {200}
    for image in images:
        assert one.held(str(image.digest)) == image


@pytest.mark.parametrize("attested", [False, True])
def test_s5_merge__in_any_order_and_again_is_the_same_index(
    prepare: Prepare,
    attested: bool,  # noqa: FBT001
) -> None:
    one = started(prepare)
    images = parts(one, attested=attested)
    one.set_mutability("IMMUTABLE")
    assert one.merge(*images) == 0
    before = one.images

    assert one.merge(*reversed(images)) == 0

    assert one.images == before


@pytest.mark.parametrize("bad", TWO)
@pytest.mark.parametrize("attested", [False, True])
def test_s1_merge__one_vulnerable_image_refuses_the_index(
    prepare: Prepare,
    bad: str,
    attested: bool,  # noqa: FBT001
) -> None:
    scenario = {"default": "clean", "rules": [{"platform": bad, "script": "vulnerable"}]}
    one = started(prepare, scenario)
    images = parts(one, attested=attested)
    before = one.tags

    assert one.merge(*images, tags="1.0", on_refusal="delete") == 9

    assert one.tags == before
    assert bad in one.workflow.markdown


def test_merge__two_images_for_one_platform(prepare: Prepare) -> None:
    one = started(prepare)
    images = [push_image(one.ecr, NAME, content=content) for content in (b"1", b"2")]
    one.ecr.reset()

    assert one.merge(*images) == 2

    assert one.ecr.calls("PutImage") == []


def test_merge__part_that_is_not_there(prepare: Prepare) -> None:
    one = started(prepare)
    amd64, arm64 = parts(one)
    one.api.batch_delete_image(repositoryName=NAME, imageIds=[{"imageDigest": str(arm64.digest)}])
    one.ecr.reset()

    assert one.merge(amd64, arm64) == 4

    assert one.ecr.calls("PutImage") == []
    assert str(arm64.digest) in one.reason


def test_merge__fixed_tag_on_another_image_is_refused_before_the_index_is_put(
    prepare: Prepare,
) -> None:
    one = started(prepare)
    images = parts(one)
    push_image(one.ecr, NAME, SHORT, b"taken")
    one.set_mutability("IMMUTABLE")
    before = one.images
    one.ecr.reset()

    assert one.merge(*images) == 8

    assert one.images == before
    assert one.ecr.calls("PutImage") == []


def test_gate__judges_every_image_of_an_index_of_others(prepare: Prepare) -> None:
    rules = [{"platform": "linux/arm64", "script": "vulnerable"}]
    one = started(prepare, {"default": "clean", "rules": rules})
    listed = [child(image, name) for image, name in zip(parts(one), TWO, strict=True)]
    push_manifest(one.ecr, NAME, "by-hand", {"mediaType": OCI_INDEX, "manifests": listed})

    assert one.gate("by-hand", promote_to="prod") == 9

    assert "prod" not in one.tags


TAGS = "1.0\n1"
"""The release tags of every run below. Before it, `1` is on an image that nobody has judged."""
ALWAYS = 99_999


def first_publish(one: Publication) -> Callable[[], int]:
    return lambda: one.publish(tags=TAGS, scan_timeout="20s")


def re_run(one: Publication) -> Callable[[], int]:
    one.publish(tags="1.0")
    return lambda: one.publish(tags=TAGS, scan_timeout="20s")


def gate(one: Publication) -> Callable[[], int]:
    push_image(one.ecr, NAME, "next", b"next")
    return lambda: one.gate("next", promote_to=TAGS, scan_timeout="20s")


def gate_alone(one: Publication) -> Callable[[], int]:
    push_image(one.ecr, NAME, "next", b"next")
    return lambda: one.gate("next")


def merge(one: Publication) -> Callable[[], int]:
    images = parts(one)
    return lambda: one.merge(*images, tags=TAGS, scan_timeout="20s")


def pull_request(one: Publication) -> Callable[[], int]:
    one.event = PULL_REQUEST
    return one.publish


LINES = [first_publish, re_run, gate, merge]
Line = Callable[[Publication], Callable[[], int]]
POLL, REMOVAL = "DescribeImageScanFindings", "BatchDeleteImage"


def each(one: Publication, *, most: int = ALWAYS) -> list[tuple[str, int]]:
    """Every call of a run, by its operation and number; of the wait's, which repeats, two.

    Or, of each operation, so many calls at most.
    """
    calls = Counter(call.operation for call in one.ecr.calls())
    calls[POLL] = min(2, calls[POLL])
    return [(name, number + 1) for name, all_ in calls.items() for number in range(min(most, all_))]


def ready(one: Publication, line: Line) -> Callable[[], int]:
    one.empty()
    push_image(one.ecr, NAME, "1", b"nobody has judged this")
    walk = line(one)
    one.ecr.reset()
    return walk


def check(one: Publication, before: dict[str, str], code: int) -> None:
    """What holds after every run, however it ended."""
    outputs, after = one.workflow.outputs, one.releases
    stated = [tag.rpartition(":")[2] for tag in outputs["tags"].splitlines()]
    moved = [tag for tag in after if after[tag] != before.get(tag)]
    # S1: what has moved is on the image that passed, and every tag is still there.
    assert not moved or outputs["verdict"] == "passed"
    assert {after[tag] for tag in (*moved, *stated)} <= {outputs["digest"]}
    assert set(before) <= set(after)
    # S2: a good end is a verdict and all its tags.
    assert code or (outputs["verdict"] == "passed" and stated == TAGS.split())
    # S6: the outputs tell the truth of tags and candidate.
    assert set(moved) <= set(stated)
    assert list(one.candidates) == list(filter(None, [outputs["candidate"].rpartition(":")[2]]))
    assert bool(code) is ("error" in [kind for kind, _, _ in one.workflow.annotations])


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize(
    ("code", "for_ever", "most"),
    [
        pytest.param("ThrottlingException", True, ALWAYS, id="throttled"),
        # What is missing from the start; that it is lost later, the next line shows.
        pytest.param("AccessDeniedException", True, 1, id="denied"),
        pytest.param("AccessDeniedException", False, ALWAYS, id="denied once"),
        pytest.param("ConnectionReset", True, 1, id="unreachable"),
        pytest.param("ConnectionReset", False, ALWAYS, id="reset once"),
    ],
)
def test_s1__under_a_fault_at_every_call(
    prepare: Prepare,
    line: Line,
    code: str,
    for_ever: bool,  # noqa: FBT001
    most: int,
) -> None:
    one = started(prepare, scan_seconds=1)
    assert ready(one, line)() == 0

    for operation, number in each(one, most=most):
        walk = ready(one, line)
        before = one.releases
        with failing(operation, code, number, ALWAYS if for_ever else number):
            ended = walk()
        assert [call for call in one.ecr.calls() if call.error], (operation, number)
        try:
            check(one, before, ended)
            if code == "ConnectionReset" and not for_ever and not operation.startswith("v2."):
                assert not ended
        except AssertionError as error:
            raise AssertionError(f"call {number} of {operation}: {error}") from error


@pytest.mark.parametrize("line", LINES)
def test_s1__vulnerable_image_under_a_fault_at_every_call(prepare: Prepare, line: Line) -> None:
    one = started(prepare, scan_seconds=1)
    walk = ready(one, line)
    one.ecr.set_scenario("vulnerable")
    assert walk() == 9

    for operation, number in each(one):
        one.ecr.set_scenario("clean")
        walk = ready(one, line)
        one.ecr.set_scenario("vulnerable")
        before = one.releases
        with failing(operation, "AccessDeniedException", number, number):
            ended = walk()
        assert ended
        assert one.releases == before, f"call {number} of {operation}"


LOOK = [
    *("DescribeRepositories", "GetRegistryScanningConfiguration"),
    "BatchGetRepositoryScanningConfiguration",
]
TOKEN = "GetAuthorizationToken"
PREFLIGHT = [*LOOK, "BatchGetImage"]
PROMOTION = ["BatchGetImage", "PutImage", "PutImage"]
PART = ["BatchGetImage", "GetDownloadUrlForLayer"]


def in_order(calls: list[str]) -> list[str]:
    return [name for name, _ in groupby(name for name in calls if name != TOKEN)]


def is_probe(call: Call) -> bool:
    """Whether it asks for what cannot exist; it comes whenever its thread does."""
    not_found = ("ImageNotFoundException", "LayersNotFoundException")
    return call.error in not_found or call.operation == "BatchCheckLayerAvailability"


@pytest.mark.parametrize(
    ("line", "scenario", "calls"),
    [
        pytest.param(
            first_publish,
            "clean",
            [TOKEN, *PREFLIGHT, "BatchGetImage", POLL, *PROMOTION, REMOVAL],
            id="first publish",
        ),
        pytest.param(
            re_run,
            "clean",
            # The tag that is in place costs no call.
            [TOKEN, *PREFLIGHT, "GetDownloadUrlForLayer", "BatchGetImage", POLL, *PROMOTION[:2]],
            id="re-run",
        ),
        pytest.param(
            first_publish,
            "vulnerable",
            [TOKEN, *PREFLIGHT, "BatchGetImage", POLL],
            id="refused",
        ),
        pytest.param(
            pull_request,
            "clean",
            # Without release tags the preflight asks for an image that cannot exist.
            [TOKEN, *LOOK, "BatchGetImage", "BatchGetImage", POLL, "DescribeImages", REMOVAL],
            id="pull request",
        ),
        pytest.param(
            gate_alone, "clean", [*LOOK, "BatchGetImage", "BatchGetImage", POLL], id="gate"
        ),
        pytest.param(
            gate,
            "clean",
            [*PREFLIGHT, "BatchGetImage", POLL, *PROMOTION],
            id="gate, promote-to",
        ),
        pytest.param(
            merge,
            "clean",
            [*PREFLIGHT, *PART, *PART, "PutImage", POLL, *PROMOTION, REMOVAL],
            id="merge of two",
        ),
    ],
)
def test_calls__of_every_line(
    prepare: Prepare, line: Line, scenario: str, calls: list[str]
) -> None:
    one = started(prepare)
    walk = line(one)
    one.ecr.reset()
    one.ecr.set_scenario(scenario)

    walk()

    probes = [call.operation for call in one.ecr.calls() if is_probe(call)]
    found = [
        call.operation
        for call in one.ecr.calls()
        if call.operation in one.calls and not is_probe(call)
    ]
    # Whatever comes first of those, each is asked once.
    assert len(probes) == len({*probes})
    assert POLL in probes
    # However long the wait was, it counts as one; the token comes whenever its thread does.
    assert in_order(found) == in_order(calls)
    assert Counter(found) - Counter({POLL: ALWAYS}) == Counter(calls) - Counter({POLL: 1})


def test_calls__a_promotion_sends_no_layer_and_asks_twice_at_most(prepare: Prepare) -> None:
    one = started(prepare)
    tags = [f"1.{number}" for number in range(25)]

    assert one.publish(tags="\n".join(tags)) == 0

    assert one.calls[-27:] == ["BatchGetImage", *["PutImage"] * 25, REMOVAL]
    assert len(one.ecr.calls("v2.StartUpload")) == 2
    assert one.ecr.calls("GetObject") == []
    assert set(one.releases) == set(tags)


@pytest.mark.parametrize("slow", [None, 0, 7, 20], ids=["steady", "first", "middle", "late"])
def test_calls__ten_tags_a_second(
    prepare: Prepare, slow: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that took long gives no right to hurry afterwards."""
    one = started(prepare)
    push_image(one.ecr, NAME, "next")
    one.ecr.reset()
    put = EcrRegistry.put

    def late(registry: EcrRegistry, manifest: Manifest, tag: Tag) -> bool:
        moved = put(registry, manifest, tag)
        if str(tag) == f"1.{slow}":
            one.clock.sleep(5)
        return moved

    monkeypatch.setattr(EcrRegistry, "put", late)

    assert one.gate("next", promote_to="\n".join(f"1.{n}" for n in range(25))) == 0

    assert len(one.ecr.calls("PutImage")) == 25
    assert one.ecr.most_calls_within(0.99, "PutImage") <= 10
