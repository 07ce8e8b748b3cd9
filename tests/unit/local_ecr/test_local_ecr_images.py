from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_ecr.errors import EcrError
from local_ecr.images import ImageStore, Mutability, Put, Removed, check_tag, type_is_accepted
from local_ecr.manifest import (
    DOCKER_MANIFEST,
    OCI_INDEX,
    OCI_MANIFEST,
    Manifest,
    digest_of,
    parse,
)

ACCOUNT = "123456789012"
CONFIG = digest_of(b"config")
LAYER = digest_of(b"layer")
IMMUTABLE = Mutability(mode="IMMUTABLE")


def make_manifest(size: int = 7, layers: int = 1) -> Manifest:
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "c", "digest": CONFIG, "size": 3},
        "layers": [{"mediaType": "l", "digest": LAYER, "size": size}] * layers,
    }
    return parse(json.dumps(body).encode(), None)


def make_index(*children: Manifest, attestation: Manifest | None = None) -> Manifest:
    entries: list[dict[str, object]] = [
        {"mediaType": c.media_type, "digest": c.digest, "size": len(c.raw)} for c in children
    ]
    if attestation:
        mark = {"vnd.docker.reference.type": "attestation-manifest"}
        entries.append({"digest": attestation.digest, "annotations": mark})
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return parse(json.dumps(body).encode(), None)


def make_put(
    manifest: Manifest, tag: str | None = "v1", mutability: Mutability | None = None
) -> Put:
    return Put(repository="app", manifest=manifest, tag=tag, mutability=mutability or Mutability())


def make_store(*manifests: tuple[Manifest, str | None]) -> ImageStore:
    store = ImageStore(ACCOUNT)
    store.shelf("app").blobs |= {CONFIG, LAYER}
    for manifest, tag in manifests:
        store.store(make_put(manifest, tag), now=1000.0)
    return store


@pytest.mark.parametrize(
    ("mode", "filters", "tag", "expected"),
    [
        ("MUTABLE", (), "v1", False),
        ("IMMUTABLE", (), "v1", True),
        ("IMMUTABLE_WITH_EXCLUSION", ("latest", "dev-*"), "dev-1", False),
        ("IMMUTABLE_WITH_EXCLUSION", ("latest", "dev-*"), "v1", True),
        ("MUTABLE_WITH_EXCLUSION", ("v*",), "v1", True),
        ("MUTABLE_WITH_EXCLUSION", ("v*",), "latest", False),
    ],
)
def test_mutability__modes_and_filters(
    *, mode: str, filters: tuple[str, ...], tag: str, expected: bool
) -> None:
    assert Mutability(mode=mode, filters=filters).is_immutable(tag) is expected


def test_parse__digest_is_of_the_exact_bytes() -> None:
    raw = make_manifest().raw
    assert parse(raw + b"\n", None).digest != parse(raw, None).digest


def test_parse__no_json() -> None:
    with pytest.raises(EcrError, match=r"'ImageManifest' .* 'Invalid JSON syntax'") as caught:
        parse(b"", DOCKER_MANIFEST)
    assert caught.value.code == "InvalidParameterException"


def test_parse__type_from_the_request_when_the_manifest_has_none() -> None:
    assert parse(b'{"schemaVersion":2}', DOCKER_MANIFEST).media_type == DOCKER_MANIFEST
    with pytest.raises(EcrError, match="ImageManifestMediaType"):
        parse(b'{"schemaVersion":2}', None)


def test_check_parts__missing_child() -> None:
    child = make_manifest()
    with pytest.raises(EcrError, match=rf"'\[{child.digest}\]' required") as caught:
        make_store().check_parts(make_put(make_index(child)))
    assert caught.value.code == "ReferencedImagesNotFoundException"


def test_check_parts__missing_layer() -> None:
    store = make_store()
    store.shelf("app").blobs.discard(LAYER)
    with pytest.raises(EcrError) as caught:
        store.check_parts(make_put(make_manifest()))
    assert caught.value.code == "LayersNotFoundException"


def test_tag_state__all_four() -> None:
    old, new = make_manifest(1), make_manifest(2)
    store = make_store((old, "v1"))
    assert store.tag_state(make_put(new, "v2")) == "free"
    assert store.tag_state(make_put(old, "v1")) == "same"
    assert store.tag_state(make_put(new, "v1")) == "movable"
    assert store.tag_state(make_put(new, "v1", IMMUTABLE)) == "fixed"


def test_tag_state__without_a_tag() -> None:
    store = make_store((make_manifest(1), None))
    assert store.tag_state(make_put(make_manifest(1), None)) == "same"
    assert store.tag_state(make_put(make_manifest(2), None)) == "free"


def test_store__tag_moves_and_the_old_image_stays_untagged() -> None:
    old, new = make_manifest(1), make_manifest(2)
    store = make_store((old, "v1"), (new, "v1"))
    assert store.find("app", None, "v1").digest == new.digest
    assert store.shelf("app").tags_of(old.digest) == []
    assert store.find("app", old.digest, None).pushed_at == 1000.0


def test_store__index_is_as_big_as_its_biggest_child() -> None:
    small, big = make_manifest(10), make_manifest(500)
    store = make_store((small, None), (big, None))
    image, is_new = store.store(make_put(make_index(small, big)), now=1.0)
    assert (image.size, is_new) == (503, True)


def test_known_tags__child_has_those_of_its_index() -> None:
    child = make_manifest()
    store = make_store((child, None), (make_index(child), "v1"))
    assert store.shelf("app").known_tags(child.digest) == ["v1"]


def test_is_attestation__by_the_annotation_of_the_index() -> None:
    image, provenance = make_manifest(1), make_manifest(2)
    index = make_index(image, attestation=provenance)
    shelf = make_store((image, None), (provenance, None), (index, "v1")).shelf("app")
    assert [shelf.is_attestation(m.digest) for m in (image, provenance)] == [False, True]


def test_find__digest_and_tag_must_agree() -> None:
    store = make_store((make_manifest(1), "a"), (make_manifest(2), "b"))
    with pytest.raises(EcrError, match="does not exist within the repository") as caught:
        store.find("app", make_manifest(1).digest, "b")
    assert caught.value.code == "ImageNotFoundException"


def test_remove__by_tag_keeps_the_image_until_the_last_tag() -> None:
    manifest = make_manifest()
    store = make_store((manifest, "a"), (manifest, "b"))
    store.remove("app", [(None, "a")])
    assert store.find("app", None, "b").digest == manifest.digest
    store.remove("app", [(None, "b")])
    assert store.shelf("app").images == {}


def test_remove__by_digest_takes_all_tags() -> None:
    manifest = make_manifest()
    store = make_store((manifest, "a"), (manifest, "b"))
    removed = store.remove("app", [(manifest.digest, None)])
    assert [line.tag for line in removed] == ["a", "b"]
    assert store.shelf("app").tags == {}


def test_remove__child_of_an_index_in_the_same_call_is_refused() -> None:
    child = make_manifest()
    index = make_index(child)
    store = make_store((child, None), (index, "v1"))
    removed = store.remove("app", [(index.digest, None), (child.digest, None)])
    assert [line.failure for line in removed] == [None, "ImageReferencedByManifestList"]
    assert store.remove("app", [(child.digest, None)])[0].failure is None


def test_remove__last_tag_of_an_index_leaves_its_children_without_a_tag() -> None:
    child, tagged = make_manifest(1), make_manifest(2)
    index = make_index(child, tagged)
    store = make_store((child, None), (tagged, "arm64"), (index, "v1"), (index, "v1.2"))
    shelf = store.shelf("app")
    store.remove("app", [(None, "v1")])
    assert index.digest in shelf.images
    store.remove("app", [(None, "v1.2")])
    assert set(shelf.images) == {child.digest, tagged.digest}
    assert shelf.tags == {"arm64": tagged.digest}
    assert store.remove("app", [(None, "arm64")])[0].failure is None


@pytest.mark.parametrize("by_digest_too", [False, True])
def test_remove__last_tag_of_a_child_is_refused_or_goes_alone(*, by_digest_too: bool) -> None:
    child = make_manifest()
    store = make_store((child, "a"), (child, "b"), (make_index(child), "v1"))
    shelf = store.shelf("app")
    digest = child.digest if by_digest_too else None
    assert store.remove("app", [(digest, "a")])[0].failure is None
    refused = store.remove("app", [(digest, "b")])
    assert refused[0].failure == "ImageReferencedByManifestList"
    assert shelf.tags_of(child.digest) == ["b"]
    untagged = store.remove("app", [(digest, "b")], untag_children=True)
    assert untagged == [Removed(digest=child.digest, tag="b")]
    assert shelf.tags_of(child.digest) == []
    assert child.digest in shelf.images


def test_remove__untagged_or_not_a_child_stays_as_long_as_its_index() -> None:
    child, alone = make_manifest(1), make_manifest(2)
    index = make_index(child)
    store = make_store((child, "a"), (alone, "b"), (index, "v1"))
    removed = store.remove("app", [(child.digest, None), (None, "b")], untag_children=True)
    assert [line.failure for line in removed] == ["ImageReferencedByManifestList", None]
    assert set(store.shelf("app").images) == {child.digest, index.digest}


@pytest.mark.parametrize(
    ("digest", "tag", "failure"),
    [
        (None, None, "MissingDigestAndTag"),
        ("sha256:short", None, "InvalidImageDigest"),
        (None, "nope", "ImageNotFound"),
        (digest_of(b"nope"), None, "ImageNotFound"),
    ],
)
def test_remove__failures(digest: str | None, tag: str | None, failure: str) -> None:
    removed = make_store((make_manifest(), "v1")).remove("app", [(digest, tag)])
    assert [line.failure for line in removed] == [failure]


def test_remove__tag_of_another_digest() -> None:
    store = make_store((make_manifest(1), "a"), (make_manifest(2), "b"))
    removed = store.remove("app", [(make_manifest(1).digest, "b")])
    assert removed[0].failure == "ImageTagDoesNotMatchDigest"


def test_type_is_accepted__oci_needs_to_be_asked_for() -> None:
    assert not type_is_accepted(OCI_MANIFEST, None)
    assert type_is_accepted(DOCKER_MANIFEST, None)
    assert type_is_accepted(OCI_INDEX, [OCI_INDEX])
    assert not type_is_accepted(OCI_INDEX, [OCI_MANIFEST])


def test_check_tag__refuses_what_is_none() -> None:
    check_tag("v1.2_3-x")
    with pytest.raises(EcrError, match="imageTag"):
        check_tag("-v1")


IMAGES = [make_manifest(size) for size in range(3)]
INDEXES = [make_index(IMAGES[0], IMAGES[1]), make_index(IMAGES[2])]
EVERYTHING = [*IMAGES, *INDEXES]
TAGS = st.sampled_from(["a", "b", None])
PUTS = st.tuples(st.just("put"), st.sampled_from(EVERYTHING), TAGS)
REMOVALS = st.tuples(st.just("remove"), st.sampled_from([*EVERYTHING, None]), TAGS)


@given(st.lists(st.one_of(PUTS, REMOVALS), max_size=25), st.booleans())
def test_store__never_points_to_what_is_not_there(
    operations: list[tuple[str, Manifest | None, str | None]],
    untag: bool,  # noqa: FBT001 - as hypothesis gives it
) -> None:
    store = make_store()
    shelf = store.shelf("app")
    for kind, manifest, tag in operations:
        if kind == "put" and manifest and put_if_possible(store, make_put(manifest, tag)):
            assert manifest.digest in shelf.images
        elif kind == "remove":
            digest = manifest.digest if manifest else None
            store.remove("app", [(digest, tag)], untag_children=untag)
        assert set(shelf.tags.values()) <= set(shelf.images)
        children = {c.digest for image in shelf.images.values() for c in image.manifest.children}
        assert children <= set(shelf.images)


def put_if_possible(store: ImageStore, put: Put) -> bool:
    try:
        store.check_parts(put)
    except EcrError:
        return False
    store.store(put, now=1.0)
    return True
