from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.errors import ExitCode, UnexpectedManifest
from ecr_publish.manifest import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    MEDIA_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    Target,
    config_digest,
    descriptors,
    missing_platforms,
)
from ecr_publish.manifest import targets as expanded
from ecr_publish.reference import Digest
from tests.factories import (
    make_attestation,
    make_child,
    make_digest,
    make_index,
    make_manifest,
    make_target,
)

ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
MARK = {"vnd.docker.reference.type": "attestation-manifest"}


def targets(manifest: Manifest, *stored: Manifest) -> tuple[Target, ...]:
    """The targets; only what is `stored` can be fetched."""
    return expanded(manifest, {item.digest: item for item in stored}.__getitem__)


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_targets__image_is_scanned_itself(media_type: str) -> None:
    manifest = make_manifest(media_type=media_type)

    assert targets(manifest) == (Target(digest=manifest.digest),)


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_s1_targets__every_platform_of_an_index(media_type: str) -> None:
    index = make_index(
        [
            make_child("amd64", "linux/amd64"),
            make_child("arm64", "linux/arm64/v8"),
            make_child("docker", "linux/s390x", mediaType=DOCKER_MANIFEST),
            make_child("nowhere", platform=None),
        ],
        media_type=media_type,
    )

    assert targets(index) == (
        make_target("amd64", "linux/amd64"),
        make_target("arm64", "linux/arm64/v8"),
        make_target("docker", "linux/s390x"),
        make_target("nowhere"),
    )


def test_targets__index_of_buildx_without_its_attestations() -> None:
    index = make_index(
        [
            make_child("amd64"),
            make_attestation("of amd64"),
            make_child("arm64", "linux/arm64"),
            make_attestation("of arm64"),
        ]
    )

    assert targets(index) == (
        make_target("amd64", "linux/amd64"),
        make_target("arm64", "linux/arm64"),
    )


@pytest.mark.parametrize(
    "attestation",
    [
        pytest.param(make_attestation(), id="both markers"),
        pytest.param(make_attestation(annotations=None), id="unknown platform"),
        pytest.param(make_attestation(mediaType=ARTIFACT), id="of another media type"),
    ],
)
def test_targets__attestation_is_no_image(attestation: dict[str, object]) -> None:
    index = make_index([attestation, make_child("app")])

    assert targets(index) == (make_target("app", "linux/amd64"),)


@pytest.mark.parametrize(
    "platform",
    [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "unknown"},
        {"os": "unknown", "architecture": "amd64"},
        {"os": "linux"},
        {"architecture": "unknown"},
        {},
        None,
    ],
)
def test_s1_targets__child_is_scanned_whatever_it_is_annotated_with(
    platform: dict[str, str] | None,
) -> None:
    child = make_child("hidden", annotations=MARK, platform=platform)
    found = targets(make_index([make_child("app"), child]))

    assert [target.digest for target in found] == [make_digest("app"), make_digest("hidden")]


@pytest.mark.parametrize("annotations", [{}, None, {"vnd.docker.reference.type": "sbom"}])
def test_s1_targets__child_of_no_platform_without_the_mark_is_scanned(
    annotations: dict[str, str] | None,
) -> None:
    child = make_child("plain", platform=None, annotations=annotations)

    assert targets(make_index([child])) == (make_target("plain"),)


@pytest.mark.parametrize(
    "media_type",
    [
        ARTIFACT,
        OCI_MANIFEST.upper(),
        "",
        None,
    ],
)
def test_s1_targets__child_that_ecr_does_not_scan_is_refused(media_type: str | None) -> None:
    index = make_index([make_child("app"), make_child("nested", mediaType=media_type)])

    with pytest.raises(UnexpectedManifest) as caught:
        targets(index)
    assert caught.value.what == (
        f"the manifest {index.digest} cannot be gated: its index holds a child of media type "
        f"{media_type!r}"
    )
    assert caught.value.exit_code is ExitCode.PUSH


@pytest.mark.parametrize(
    "children", [[], [make_attestation("one")], [make_attestation("one"), make_attestation("two")]]
)
def test_s2_targets__index_without_an_image_is_refused(children: list[dict[str, object]]) -> None:
    with pytest.raises(UnexpectedManifest, match="its index holds no image to scan"):
        targets(make_index(children))


@pytest.mark.parametrize(
    "text",
    [
        '{"schemaVersion": 2}',
        '{"manifests": null}',
        '{"manifests": {}}',
        '{"manifests": "none"}',
        '{"manifests": ["sha256:0"]}',
        '{"manifests": [{}, null]}',
        "[]",
        "null",
        "7",
        "",
        "{",
        "[" * 100_000,
        '{"manifests": [' + '{"platform": ' * 100_000,
    ],
    ids=range(13),
)
def test_s2_targets__index_that_cannot_be_read_is_refused(text: str) -> None:
    digest = Digest.parse(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")

    with pytest.raises(UnexpectedManifest, match="its index cannot be read") as caught:
        targets(Manifest(digest=digest, media_type=OCI_INDEX, text=text))
    assert str(digest) in caught.value.what


@pytest.mark.parametrize(
    "media_type", ["", "application/vnd.docker.distribution.manifest.v1+prettyjws", "text/plain"]
)
def test_s2_targets__media_type_that_is_not_known_is_refused(media_type: str) -> None:
    manifest = make_manifest({"manifests": [make_child()]}, media_type=media_type)

    with pytest.raises(UnexpectedManifest) as caught:
        targets(manifest)
    assert f"its media type {media_type!r} is not one of an image" in caught.value.what


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_s1_targets__other_bytes_than_the_digest_s_are_refused(media_type: str) -> None:
    good = make_index([make_child()], media_type=media_type)
    other = replace(good, text=f"{good.text}\n")
    actual = hashlib.sha256(other.text.encode()).hexdigest()

    with pytest.raises(UnexpectedManifest) as caught:
        targets(other)
    assert caught.value.what == (
        f"the manifest {good.digest} cannot be gated: its bytes have the digest sha256:{actual}"
    )


@pytest.mark.parametrize("digest", ["", "sha256:short", f"sha512:{'0' * 128}", None, 7])
@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX])
def test_s2_targets__child_without_a_digest_is_refused(media_type: str, digest: object) -> None:
    index = make_index([make_child(), make_child(digest=digest, mediaType=media_type)])

    with pytest.raises(UnexpectedManifest) as caught:
        targets(index)
    assert caught.value.what.startswith(
        f"the manifest {index.digest} cannot be gated: its index holds a child: {str(digest)!r}"
    )


def as_index(text: str) -> Manifest:
    """An index of exactly these bytes."""
    digest = Digest.parse(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")
    return Manifest(digest=digest, media_type=OCI_INDEX, text=text)


UNKNOWN = '{"os": "unknown", "architecture": "unknown"}'
REAL = '{"os": "linux", "architecture": "arm64"}'


@pytest.mark.parametrize(
    "platform",
    [
        pytest.param(f'"platform": {UNKNOWN}, "Platform": {REAL}', id="another case after it"),
        pytest.param(f'"PLATFORM": {REAL}, "platform": {UNKNOWN}', id="another case before it"),
        pytest.param(f'"platform": {REAL}, "platform": {UNKNOWN}', id="twice"),
        pytest.param(f'"Platform": {REAL}', id="another case alone"),
        pytest.param(f'"platform": {UNKNOWN}, "o\u017f": "linux"', id="a key of another level"),
        pytest.param(f'"platform": {UNKNOWN.replace("os", "OS")}', id="in the platform"),
        pytest.param(f'"platform": {REAL}, "Digest": "{make_digest("other")}"', id="digest"),
        pytest.param(f'"platform": {REAL}, "mediatype": "{OCI_INDEX}"', id="media type"),
        pytest.param(f'"platform": {REAL}, "x": {{"a": 1, "A": 2}}', id="a key that is not read"),
    ],
)
def test_s1_targets__child_that_go_reads_in_another_way_is_refused(platform: str) -> None:
    child = f'{{"mediaType": "{OCI_MANIFEST}", "digest": "{make_digest("hidden")}", {platform}}}'

    with pytest.raises(UnexpectedManifest, match="its index cannot be read"):
        targets(as_index(f'{{"manifests": [{json.dumps(make_child("app"))}, {child}]}}'))


@pytest.mark.parametrize(
    "keys", [("manifests", "Manifests"), ("manifests", "manife\u017fts"), ("Manifests",)]
)
def test_s1_targets__list_that_go_reads_in_another_way_is_refused(keys: tuple[str, ...]) -> None:
    lists = [f'"{key}": [{json.dumps(make_child(key))}]' for key in keys]

    with pytest.raises(UnexpectedManifest, match="its index cannot be read"):
        targets(as_index(f"{{{', '.join(lists)}}}"))


# Indexes in indexes -----------------------------------------------------------------------------


def nested(index: Manifest, **over: object) -> dict[str, object]:
    """The descriptor of an index in an index."""
    descriptor = {"mediaType": index.media_type, "digest": str(index.digest), "size": 7}
    return descriptor | over


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_s1_nested__every_image_is_found_in_order(media_type: str) -> None:
    inner = make_index(
        [make_child("arm64", "linux/arm64"), make_attestation()], media_type=media_type
    )
    index = make_index([make_child("amd64"), nested(inner), make_child("s390x", "linux/s390x")])

    assert targets(index, inner) == (
        make_target("amd64", "linux/amd64"),
        make_target("arm64", "linux/arm64"),
        make_target("s390x", "linux/s390x"),
    )


def test_s1_nested__index_is_opened_whatever_platform_it_claims() -> None:
    inner = make_index([make_child("hidden")])
    claims = {"os": "unknown", "architecture": "unknown"}
    index = make_index([make_child("app"), nested(inner, platform=claims, annotations=MARK)])

    assert [target.digest for target in targets(index, inner)] == [
        make_digest("app"),
        make_digest("hidden"),
    ]


def test_nested__each_image_once() -> None:
    inner = make_index([make_child("amd64"), make_child("arm64", "linux/arm64")])
    index = make_index([make_child("amd64"), nested(inner), nested(inner), make_child("amd64")])

    assert targets(index, inner) == (
        make_target("amd64", "linux/amd64"),
        make_target("arm64", "linux/arm64"),
    )


def chain(length: int) -> tuple[Manifest, ...]:
    """So many indexes, each in the one before it, and an image in the last; outermost first."""
    indexes = [make_index([make_child("deep")])]
    for _ in range(length - 1):
        indexes.insert(0, make_index([nested(indexes[0])]))
    return tuple(indexes)


def test_nested__four_indexes_are_opened() -> None:
    outermost, *others = chain(4)

    assert targets(outermost, *others) == (make_target("deep", "linux/amd64"),)


def test_s2_nested__more_are_refused() -> None:
    outermost, *others = chain(5)

    with pytest.raises(UnexpectedManifest, match="it is an index inside 4 others"):
        targets(outermost, *others)


def test_s1_nested__other_bytes_than_the_child_s_are_refused() -> None:
    inner = make_index([make_child("good")])
    other = replace(inner, text=make_index([make_child("other")]).text)

    with pytest.raises(UnexpectedManifest, match="its bytes have the digest"):
        targets(make_index([nested(inner)]), other)


def test_s1_nested__another_manifest_than_the_child_is_refused() -> None:
    inner, other = make_index([make_child("good")]), make_index([make_child("other")])

    with pytest.raises(UnexpectedManifest, match="its bytes have the digest"):
        expanded(make_index([nested(inner)]), lambda _: other)


def test_nested__without_an_image_adds_none() -> None:
    inner = make_index([make_attestation()])

    assert targets(make_index([nested(inner), make_child()]), inner) == (
        make_target("image", "linux/amd64"),
    )
    with pytest.raises(UnexpectedManifest, match="its index holds no image to scan"):
        targets(make_index([nested(inner)]), inner)


def test_nested__is_fetched_once_for_each_place_and_nothing_else_is() -> None:
    inner, fetched = make_index([make_child("deep")]), []

    def fetch(digest: Digest) -> Manifest:
        fetched.append(digest)
        return inner

    expanded(make_index([make_child("app"), make_attestation(), nested(inner)]), fetch)
    assert fetched == [inner.digest]


# All that an index lists, and an image's configuration -------------------------------------------


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_descriptors__as_they_stand_and_attestations_too(media_type: str) -> None:
    children = [
        make_child("arm64", "linux/arm64"),
        make_attestation(),
        make_child("nowhere", platform=None),
        make_child("docker", mediaType=DOCKER_MANIFEST, annotations={"a": "b"}),
    ]
    assert descriptors(make_index(children, media_type=media_type)) == children
    assert descriptors(make_index([], media_type=media_type)) == []


@pytest.mark.parametrize(
    "child",
    [
        pytest.param(make_child(mediaType=OCI_INDEX), id="an index in it"),
        pytest.param(make_child(mediaType=DOCKER_LIST), id="a list in it"),
        pytest.param(make_child(mediaType=ARTIFACT), id="an artifact in it"),
        pytest.param(make_attestation(mediaType=ARTIFACT), id="an odd attestation"),
        pytest.param(make_child(mediaType=None), id="no media type"),
        pytest.param(make_child(digest="sha256:1"), id="no digest"),
        pytest.param(make_child(digest=None), id="no digest at all"),
    ],
)
def test_s2_descriptors__child_that_is_no_image_is_refused(child: dict[str, object]) -> None:
    with pytest.raises(UnexpectedManifest, match="its index holds a child"):
        descriptors(make_index([make_child("good"), child]))


def test_s2_descriptors__of_an_image_there_are_none() -> None:
    with pytest.raises(UnexpectedManifest, match="its index cannot be read"):
        descriptors(make_manifest())


def test_s1_descriptors__other_bytes_than_the_digest_s_are_refused() -> None:
    index = replace(make_index([make_child("a")]), text=make_index([make_child("b")]).text)
    with pytest.raises(UnexpectedManifest, match="its bytes have the digest"):
        descriptors(index)


def of_config(**stated: object) -> Manifest:
    return make_manifest({"schemaVersion": 2, "layers": [], **stated})


def test_config_digest__is_the_one_that_the_image_names() -> None:
    config = {"mediaType": "x", "digest": str(make_digest("config")), "size": 7}
    assert config_digest(of_config(config=config)) == make_digest("config")


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(of_config(), id="no configuration"),
        pytest.param(of_config(config=None), id="none"),
        pytest.param(of_config(config=[]), id="a list"),
        pytest.param(of_config(config={}), id="no digest"),
        pytest.param(of_config(config={"digest": None}), id="a digest of none"),
        pytest.param(of_config(config={"digest": "sha256:1"}), id="half a digest"),
        pytest.param(of_config(config={"digest": "a", "Digest": "b"}), id="two digests"),
        pytest.param(as_index("[]"), id="no object"),
        pytest.param(as_index("{"), id="no JSON"),
        pytest.param(as_index('{"config": ' * 100_000), id="a deep one"),
    ],
)
def test_config_digest__image_that_names_none(manifest: Manifest) -> None:
    with pytest.raises(UnexpectedManifest, match="it names no configuration") as caught:
        config_digest(manifest)
    assert str(manifest.digest) in caught.value.what


def test_s1_config_digest__other_bytes_than_the_digest_s_are_refused() -> None:
    config = {"digest": str(make_digest("config"))}
    image = replace(of_config(config=config), digest=make_digest("other"))
    with pytest.raises(UnexpectedManifest, match="its bytes have the digest"):
        config_digest(image)


# Platforms that were asked for ------------------------------------------------------------------

AMD, ARM = make_target("amd64", "linux/amd64"), make_target("arm64", "linux/arm64")


@pytest.mark.parametrize(
    ("wanted", "found", "missing"),
    [
        ([], [AMD], []),
        ([], [make_target()], []),
        (["linux/amd64"], [AMD], []),
        (["linux/amd64"], [AMD, ARM], []),
        (["linux/amd64", "linux/arm64"], [ARM, AMD], []),
        (["linux/amd64"], [ARM], ["linux/amd64"]),
        (["linux/amd64", "linux/arm64"], [AMD], ["linux/arm64"]),
        (["linux/s390x", "linux/amd64", "linux/arm64"], [AMD], ["linux/s390x", "linux/arm64"]),
        (["linux/amd64"], [make_target()], []),
        (["linux/arm64"], [make_target()], []),
        (["linux/amd64", "linux/arm64"], [make_target()], ["linux/amd64", "linux/arm64"]),
        (["linux/amd64"], [make_target("a"), make_target("b")], ["linux/amd64"]),
        (["linux/arm64"], [make_target(platform="linux/arm64/v8")], []),
        (["linux/arm64/v8"], [ARM], []),
        (["linux/arm"], [make_target(platform="linux/arm/v7")], []),
        (["linux/arm/v7"], [make_target(platform="linux/arm")], []),
        (["linux/arm/v6"], [make_target(platform="linux/arm/v7")], ["linux/arm/v6"]),
        (["linux/arm64"], [make_target(platform="linux/arm/v7")], ["linux/arm64"]),
        (["linux/amd64"], [make_target(platform="linux/amd64/v3")], ["linux/amd64"]),
        (["linux/amd64/v1"], [AMD], []),
        (["linux/x86_64"], [AMD], []),
        (["linux/x86_64/v1"], [AMD], []),
        (["linux/aarch64"], [ARM], []),
        (["linux/aarch64/v8"], [ARM], []),
        (["linux/armhf"], [make_target(platform="linux/arm/v7")], []),
        (["linux/aarch64", "linux/x86_64"], [AMD], ["linux/aarch64"]),
    ],
)
def test_s1_missing_platforms__are_named_as_they_were_asked_for(
    wanted: list[str], found: list[Target], missing: list[str]
) -> None:
    assert missing_platforms(wanted, found) == tuple(missing)


def test_targets__bytes_are_taken_as_they_are() -> None:
    # Other blanks, another order and a name outside ASCII give another digest, and that one counts.
    text = json.dumps({"manifests": [make_child()], "ä": "ü"}, indent=7, ensure_ascii=False)
    digest = Digest.parse(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}")

    assert targets(Manifest(digest=digest, media_type=OCI_INDEX, text=text)) == (
        make_target("image", "linux/amd64"),
    )


CHILDREN = st.builds(
    lambda seed, platform, marked: make_child(seed, platform, annotations=MARK if marked else None),
    st.text(min_size=1, max_size=3),
    st.sampled_from(["linux/amd64", "linux/arm64/v8", "unknown/unknown", "windows/amd64"]),
    st.booleans(),
)


@given(st.lists(CHILDREN, max_size=6))
def test_s1_targets__what_docker_can_pull_is_scanned(children: list[dict[str, object]]) -> None:
    real = [
        child["digest"]
        for child in children
        if child["platform"] != {"os": "unknown", "architecture": "unknown"}
    ]
    if real:
        found = [str(target.digest) for target in targets(make_index(children))]
        assert list(dict.fromkeys(found)) == list(dict.fromkeys(real))
    else:
        with pytest.raises(UnexpectedManifest):
            targets(make_index(children))


@pytest.mark.parametrize("platform", ["linux/amd64", ["linux"], {"os": 1}, {"os": ["linux"]}, 7])
def test_s1_platform__one_that_cannot_be_read_is_no_image_to_pass(platform: object) -> None:
    index = make_index([make_child("app", None) | {"platform": platform}])
    with pytest.raises(UnexpectedManifest, match="a platform in it cannot be read"):
        targets(index)
