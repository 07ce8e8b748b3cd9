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
    targets,
)
from ecr_publish.reference import Digest
from tests.factories import (
    make_attestation,
    make_child,
    make_digest,
    make_index,
    make_manifest,
    make_target,
)

MARK = {"vnd.docker.reference.type": "attestation-manifest"}


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
        pytest.param(make_attestation(platform=None), id="annotated, without a platform"),
        pytest.param(make_attestation(platform={}), id="annotated, with an empty platform"),
        pytest.param(make_attestation(mediaType=OCI_INDEX), id="of another media type"),
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
    ],
)
def test_s1_targets__child_with_a_real_platform_is_scanned_whatever_it_is_annotated_with(
    platform: dict[str, str],
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
        OCI_INDEX,
        DOCKER_LIST,
        "application/vnd.oci.artifact.manifest.v1+json",
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


@pytest.mark.parametrize("content", [{"schemaVersion": 2}, {"manifests": None}])
def test_s2_targets__index_without_a_list_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(UnexpectedManifest, match="its index holds no image to scan"):
        targets(make_manifest(content, media_type=OCI_INDEX))


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


@pytest.mark.parametrize("digest", ["", "sha256:short", f"sha512:{'0' * 128}", None])
def test_s2_targets__child_without_a_digest_gives_nothing_to_gate(digest: str | None) -> None:
    with pytest.raises((ValueError, TypeError)):
        targets(make_index([make_child(digest=digest)]))


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
        assert [str(target.digest) for target in targets(make_index(children))] == real
    else:
        with pytest.raises(UnexpectedManifest):
            targets(make_index(children))
