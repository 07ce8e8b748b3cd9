from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.errors import CannotMerge, ExitCode, UnexpectedManifest
from ecr_publish.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Target,
    targets,
)
from ecr_publish.merge import Part, merged
from ecr_publish.reference import Digest
from tests.factories import (
    make_attestation,
    make_child,
    make_digest,
    make_index,
    make_manifest,
)


def image(seed: str, platform: str = "linux/amd64", **over: Any) -> Part:
    """An image whose configuration states this platform."""
    names = ("os", "architecture", "variant")
    config = dict(zip(names, platform.split("/"), strict=False)) | over
    manifest = make_manifest({"schemaVersion": 2, "seed": seed})
    return Part(manifest=manifest, config=json.dumps({"created": "now", **config}))


def index(*children: dict[str, Any], media_type: str = OCI_INDEX) -> Part:
    return Part(manifest=make_index(children, media_type=media_type))


def children(*parts: Part) -> list[dict[str, Any]]:
    """What the index of the parts lists."""
    content = json.loads(merged(parts).text)
    assert content.pop("schemaVersion") == 2
    assert content.pop("mediaType") == OCI_INDEX
    (found,) = content.values()
    assert isinstance(found, list)
    return found


def refusal(*parts: Part) -> str:
    with pytest.raises(CannotMerge) as caught:
        merged(parts)
    assert caught.value.exit_code is ExitCode.INPUT
    return caught.value.what.removeprefix("the images cannot be merged: ")


def no_fetch(digest: Digest) -> Manifest:
    raise AssertionError(digest)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(["os", "architecture", "variant", "os.features"])
    return st.lists(inner) | st.dictionaries(names, inner | st.sampled_from(["linux", "arm64"]))


AMD, ARM = image("amd"), image("arm", "linux/arm64")
ARM_V7 = image("arm v7", "linux/arm/v7")


def test_merged__images_of_two_platforms() -> None:
    assert children(ARM, AMD) == [
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(AMD.manifest.digest),
            "size": len(AMD.manifest.text),
            "platform": {"os": "linux", "architecture": "amd64"},
        },
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(ARM.manifest.digest),
            "size": len(ARM.manifest.text),
            "platform": {"os": "linux", "architecture": "arm64"},
        },
    ]


def test_merged__is_an_index_with_the_digest_of_its_bytes() -> None:
    found = merged([AMD, ARM])
    assert found.media_type == OCI_INDEX
    assert str(found.digest) == f"sha256:{hashlib.sha256(found.text.encode()).hexdigest()}"


def test_s1_merged__each_image_is_scanned() -> None:
    attested = index(make_child("s390x", "linux/s390x"), make_attestation())
    assert targets(merged([ARM, attested, AMD]), no_fetch) == (
        Target(digest=AMD.manifest.digest, platform="linux/amd64"),
        Target(digest=ARM.manifest.digest, platform="linux/arm64"),
        Target(digest=make_digest("s390x"), platform="linux/s390x"),
    )


def test_merged__one_image_is_an_index_of_one() -> None:
    assert [child["digest"] for child in children(AMD)] == [str(AMD.manifest.digest)]


def test_merged__media_type_and_size_are_those_of_the_image() -> None:
    manifest = make_manifest({"title": "é"}, media_type=DOCKER_MANIFEST)
    text = json.dumps({"title": "é"}, ensure_ascii=False)
    part = Part(
        manifest=Manifest(digest=manifest.digest, media_type=DOCKER_MANIFEST, text=text),
        config=AMD.config,
    )
    (child,) = children(part)
    assert child["mediaType"] == DOCKER_MANIFEST
    assert child["size"] == len(text) + 1


def test_merged__whole_platform_is_stated_and_nothing_else_of_the_configuration() -> None:
    stated = {
        "os": "windows",
        "architecture": "amd64",
        "variant": "v1",
        "os.version": "10.0.20348",
        "os.features": ["win32k"],
    }
    (child,) = children(image("x", "windows/amd64/v1", **stated, config={"Env": ["A=hunter2"]}))
    assert child["platform"] == stated


def test_merged__empty_words_of_a_platform_are_left_away() -> None:
    (child,) = children(image("x", "linux/amd64", variant="", **{"os.version": None}))
    assert child["platform"] == {"os": "linux", "architecture": "amd64"}


# Indexes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_merged__index_is_flattened_with_its_attestations(media_type: str) -> None:
    amd, of_amd = make_child("amd"), make_attestation("of amd", annotations={"of": "amd"})
    arm, of_arm = make_child("arm", "linux/arm64"), make_attestation("of arm")
    found = children(
        index(of_arm, arm, media_type=media_type), index(amd, of_amd, media_type=media_type)
    )
    attestations = sorted((of_amd, of_arm), key=lambda item: item["digest"])
    assert found == [amd, arm, *attestations]


def test_s2_merged__index_in_an_index_is_refused() -> None:
    inner = make_index([make_child()])
    nested = make_child("x", mediaType=OCI_INDEX, digest=str(inner.digest))
    with pytest.raises(UnexpectedManifest, match="holds a child of media type"):
        merged([AMD, index(nested)])


def test_s2_merged__something_else_is_refused() -> None:
    part = Part(manifest=make_manifest(media_type="application/vnd.oci.artifact.manifest.v1+json"))
    with pytest.raises(UnexpectedManifest):
        merged([AMD, part])


def test_s1_merged__other_bytes_than_the_digest_s_are_refused() -> None:
    good, other = make_index([make_child("a")]), make_index([make_child("b")])
    part = Part(manifest=Manifest(digest=good.digest, media_type=OCI_INDEX, text=other.text))
    with pytest.raises(UnexpectedManifest, match="its bytes have the digest"):
        merged([part])


# The same thing gives the same bytes ------------------------------------------------------------


def texts(parts: Sequence[Part]) -> set[str]:
    return {merged(order).text for order in permutations(parts)}


def test_s5_merged__order_does_not_matter() -> None:
    attested = index(make_child("s390x", "linux/s390x"), make_attestation())
    assert len(texts([AMD, ARM, attested])) == 1


def test_s5_merged__digest_that_is_given_twice_is_there_once() -> None:
    assert merged([AMD, ARM, AMD]) == merged([AMD, ARM])


@pytest.mark.parametrize("platform", ["linux/arm64", "linux/arm64/v8"])
def test_s5_merged__image_and_the_index_that_holds_it(platform: str) -> None:
    inside = make_child("x", platform, digest=str(ARM.manifest.digest))
    assert len(texts([ARM, index(inside), AMD])) == 1
    assert len(children(ARM, index(inside))) == 1


def test_s1_merged__image_that_an_index_calls_an_attestation_is_scanned() -> None:
    claimed = make_attestation(digest=str(AMD.manifest.digest))
    for order in permutations([AMD, index(claimed)]):
        (target,) = targets(merged(order), no_fetch)
        assert target.digest == AMD.manifest.digest


@given(st.permutations([image(name, f"linux/{name}") for name in "abcde"]))
def test_s5_merged__any_order_of_many(parts: list[Part]) -> None:
    assert merged(parts) == merged([image(name, f"linux/{name}") for name in "edcba"])


# Platforms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two", "shown"),
    [
        ("linux/amd64", "linux/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm64/v8", "linux/arm64"),
        ("linux/arm64", "linux/aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm/v7", "linux/arm/v7"),
    ],
)
def test_merged__two_images_for_one_platform(one: str, two: str, shown: str) -> None:
    first, second = image("first", one), image("second", two)
    found = refusal(first, second, ARM if shown == "linux/amd64" else AMD)
    assert found.endswith(f" are both for {shown}")
    assert str(first.manifest.digest) in found
    assert str(second.manifest.digest) in found


def test_merged__two_for_one_platform_in_an_index() -> None:
    assert "are both for linux/amd64" in refusal(AMD, index(make_child("x"), make_attestation()))


def test_merged__variants_are_platforms_of_their_own() -> None:
    parts = [image(name, f"linux/{name}") for name in ("arm/v6", "arm/v7", "amd64", "amd64/v3")]
    assert len(children(*parts)) == 4


@pytest.mark.parametrize(
    "config",
    [
        "",
        "{",
        "[]",
        "null",
        '"linux/amd64"',
        "{}",
        '{"os": "linux"}',
        '{"architecture": "amd64"}',
        '{"os": "", "architecture": "amd64"}',
        '{"os": "linux", "architecture": null}',
        '{"os": "linux", "variant": "v8"}',
        '{"os": "linux", "architecture": "amd64", "variant": 8}',
        '{"os": ["linux"], "architecture": "amd64"}',
        '{"os": "linux", "architecture": {"a": 1}}',
        '{"os": true, "architecture": "amd64"}',
        "[" * 100_000,
        '{"os": "linux", "architecture": "amd64", "os.features": ' + "[" * 100_000,
    ],
    ids=range(17),
)
def test_merged__image_that_states_no_platform(config: str) -> None:
    part = Part(manifest=AMD.manifest, config=config)
    assert refusal(ARM, part) == f"{AMD.manifest.digest} does not say which platform it is for"


@pytest.mark.parametrize(
    "platform",
    ["unknown/unknown", "unknown/amd64", "linux/unknown", "linux/arm/unknown"],
)
def test_s1_merged__image_that_calls_itself_an_attestation_is_refused(platform: str) -> None:
    part = image("hidden", platform)
    expected = f"{part.manifest.digest} does not say which platform it is for"
    assert refusal(AMD, part) == refusal(part, ARM) == expected


@pytest.mark.parametrize(
    ("two", "kept"),
    [
        ("linux/arm64", ["linux/amd64", "linux/arm64"]),
        ("linux/amd64/v3", ["linux/amd64", "linux/amd64/v3"]),
        ("linux/amd64/v1", ["linux/amd64"]),
        ("linux/x86_64", ["linux/amd64"]),
    ],
)
def test_s1_merged__one_digest_for_two_platforms_keeps_both(two: str, kept: list[str]) -> None:
    listed = index(make_child("x", two), make_child("x", "linux/amd64"))
    for order in permutations([listed, index(make_child("x", "linux/amd64")), ARM_V7]):
        names = [target.platform for target in targets(merged(order), no_fetch)]
        assert names == sorted([*kept, "linux/arm/v7"])


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), _nested).map(json.dumps))
def test_merged__any_configuration_is_taken_or_refused(config: str) -> None:
    try:
        found = children(AMD, Part(manifest=ARM.manifest, config=config))
    except CannotMerge:
        return
    assert len(found) == 2


@pytest.mark.parametrize(
    "platform",
    [None, {}, {"os": "linux"}, {"architecture": "amd64"}, {"os": "linux", "variant": "v8"}],
)
def test_merged__image_of_an_index_that_states_no_platform(platform: dict[str, str] | None) -> None:
    found = refusal(ARM, index(make_child("x", platform)))
    assert found == f"{make_digest('x')} does not say which platform it is for"
