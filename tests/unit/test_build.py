import json
from base64 import b64encode
from typing import Any

import pytest

from ecr_publish.build import (
    Builder,
    Remark,
    Way,
    command,
    environment,
    push_error,
    pushed_digest,
    refuse_unbuildable,
    remarks,
    stated_driver,
    stated_error,
    stated_platforms,
    stated_problem,
    trial,
    unemulated,
    way,
)
from ecr_publish.cache import Cache
from ecr_publish.errors import CacheNotExported, CandidateCannotMove, ExitCode, StoreLacks
from ecr_publish.secret import Secret, SecretFile
from tests.factories import CANDIDATE, NAME, URI, make_build, make_digest, make_state

NPM = Secret(id="npm", variable="ONE", value="hunter2")
PIP = Secret(id="pip", variable="PIP_TOKEN", value="hunter3")
GHA = Cache.parse("type=gha")
FROM_ECR = f"type=registry,ref={URI}:cache"
PLAIN_CACHE = Cache.parse(f"{URI}:cache")
TO_ECR = f"{FROM_ECR},image-manifest=true,oci-mediatypes=true"
BEFORE = ["docker", "buildx", "build", "--progress", "plain"]
AFTER = ["--load", "--tag", "r/app:candidate", "--", "."]
PLAIN = [*BEFORE, "--provenance=false", "--metadata-file", "/tmp/m"]


def words(way: Way = Way.ENGINE, **asked: Any) -> list[str]:
    return command(make_build(**asked), "r/app:candidate", way, "/tmp/m")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, []),
        ({"builder": "native"}, ["--builder", "native"]),
        ({"file": "app/Dockerfile"}, ["--file", "app/Dockerfile"]),
        ({"target": "final"}, ["--target", "final"]),
        ({"network": "none"}, ["--network", "none"]),
        ({"platforms": ("linux/arm64",)}, ["--platform", "linux/arm64"]),
        ({"platforms": ("linux/amd64", "linux/arm64")}, ["--platform", "linux/amd64,linux/arm64"]),
        (
            {"build_args": ("A=1", "B=x y; $(z)")},
            ["--build-arg", "A=1", "--build-arg", "B=x y; $(z)"],
        ),
        ({"labels": ("a=1", "b=2")}, ["--label", "a=1", "--label", "b=2"]),
        (
            {"build_contexts": ("a=.", "b=../b")},
            ["--build-context", "a=.", "--build-context", "b=../b"],
        ),
        (
            {"secrets": (NPM, PIP)},
            ["--secret", "id=npm,env=ONE", "--secret", "id=pip,env=PIP_TOKEN"],
        ),
        ({"secret_files": (SecretFile(id="a", path="b c"),)}, ["--secret", "id=a,src=b c"]),
        ({"secret_files": (SecretFile(id="a", path="b,c"),)}, ["--secret", 'id=a,"src=b,c"']),
        ({"ssh": ("default", "a=b")}, ["--ssh", "default", "--ssh", "a=b"]),
        (
            {"annotations": ("a=1", "index:b=2")},
            ["--annotation", "a=1", "--annotation", "index:b=2"],
        ),
        (
            {"cache_from": (GHA, PLAIN_CACHE)},
            ["--cache-from", "type=gha", "--cache-from", FROM_ECR],
        ),
        ({"cache_to": (GHA, PLAIN_CACHE)}, ["--cache-to", "type=gha", "--cache-to", TO_ECR]),
        ({"no_cache": True}, ["--no-cache"]),
        ({"no_cache_filters": ("a", "b")}, ["--no-cache-filter", "a", "--no-cache-filter", "b"]),
        ({"pull": True}, ["--pull"]),
        ({"add_hosts": ("a:1", "b:2")}, ["--add-host", "a:1", "--add-host", "b:2"]),
        ({"shm_size": "2g"}, ["--shm-size", "2g"]),
        ({"ulimit": ("a=1", "b=2")}, ["--ulimit", "a=1", "--ulimit", "b=2"]),
        ({"cgroup_parent": "builds"}, ["--cgroup-parent", "builds"]),
        ({"allow": ("a", "b")}, ["--allow", "a", "--allow", "b"]),
        ({"sbom": "false"}, []),
        ({"recipe": "word", "epoch": 5}, []),
    ],
)
def test_command__one_option(asked: dict[str, Any], expected: list[str]) -> None:
    assert words(**asked) == [*PLAIN, *expected, *AFTER]


def test_command__sbom_stands_beside_the_provenance() -> None:
    asked = words(sbom="generator=r.io/scanner:1")
    assert asked[5:7] == ["--provenance=false", "--sbom=generator=r.io/scanner:1"]


def test_command__cache_in_the_run_s_own_registry_is_one_that_ecr_takes() -> None:
    build = make_build(cache_to=(Cache.parse("127.0.0.1:5/app:cache"), Cache.parse("r.io/a:b")))
    asked = command(build, "127.0.0.1:5/app:candidate", Way.BUILDER, "/tmp/m")
    assert [word for word in asked if "ref=" in word] == [
        "type=registry,ref=127.0.0.1:5/app:cache,image-manifest=true,oci-mediatypes=true",
        "type=registry,ref=r.io/a:b",
    ]


def test_s3_command__holds_no_secret() -> None:
    assert "hunter" not in "".join(words(secrets=(NPM, PIP)))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, {}),
        ({"epoch": 5}, {"SOURCE_DATE_EPOCH": "5"}),
        ({"epoch": 0}, {"SOURCE_DATE_EPOCH": "0"}),
        ({"secrets": (NPM, PIP)}, {"ONE": "hunter2", "PIP_TOKEN": "hunter3"}),
    ],
)
def test_environment__of_the_build_alone(asked: dict[str, Any], expected: dict[str, str]) -> None:
    assert environment(make_build(**asked)) == {"BUILDX_METADATA_WARNINGS": "1"} | expected


@pytest.mark.parametrize("provenance", ["false", "true", "mode=max"])
def test_command__provenance_is_always_said(provenance: str) -> None:
    said = [word for word in words(provenance=provenance) if "provenance" in word]
    assert said == [f"--provenance={provenance}"]


@pytest.mark.parametrize(
    ("way", "said", "not_said"),
    [(Way.ENGINE, "--load", "--push"), (Way.BUILDER, "--push", "--load")],
)
def test_command__where_the_image_goes(way: Way, said: str, not_said: str) -> None:
    found = words(way)
    assert said in found
    assert not_said not in found


def test_command__everything() -> None:
    build = make_build(
        context="app",
        file="F",
        target="T",
        network="N",
        platforms=("linux/amd64", "linux/arm64"),
        build_args=("A=1",),
        labels=("b=2",),
        provenance="mode=min",
        builder="B",
        secrets=(NPM,),
        pull=True,
    )
    assert command(build, "r/app:candidate", Way.BUILDER, "/tmp/x") == [
        *BEFORE,
        *("--provenance=mode=min", "--metadata-file", "/tmp/x", "--builder", "B"),
        *("--file", "F", "--target", "T", "--network", "N"),
        *("--platform", "linux/amd64,linux/arm64", "--pull", "--build-arg", "A=1"),
        *("--secret", "id=npm,env=ONE", "--label", "b=2", "--push"),
        *("--tag", "r/app:candidate", "--", "app"),
    ]


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, []),
        ({"build_args": ("A=1",), "pull": True}, ["--pull", "--build-arg", "A=1"]),
        ({"builder": "native", "file": "F"}, ["--builder", "native", "--file", "F"]),
        ({"platforms": ("linux/amd64", "linux/arm64")}, ["--platform", "linux/amd64,linux/arm64"]),
        ({"secrets": (NPM,), "labels": ("a=1",)}, ["--secret", "id=npm,env=ONE", "--label", "a=1"]),
        (
            {"cache_from": (GHA, PLAIN_CACHE)},
            ["--cache-from", "type=gha", "--cache-from", FROM_ECR],
        ),
        ({"cache_to": (GHA, PLAIN_CACHE)}, []),
    ],
)
def test_s1_trial__the_same_build_without_name_output_and_cache(
    asked: dict[str, Any], kept: list[str]
) -> None:
    assert trial(make_build(context="app", **asked), "/tmp/m") == [
        *("docker", "buildx", "build", "--progress", "plain", "--provenance=false"),
        *("--metadata-file", "/tmp/m", *kept, "--output", "type=cacheonly", "--", "app"),
    ]


def test_trial__attestations_are_made_too() -> None:
    said = trial(make_build(provenance="mode=max", sbom="true"), "/tmp/m")
    assert said[5:7] == ["--provenance=mode=max", "--sbom=true"]


def test_command__context_is_never_an_option() -> None:
    assert words(context="--push")[-2:] == ["--", "--push"]


# refuse_unbuildable, way --------------------------------------------------------------------------

CLASSIC = Builder(driver="docker")
CONTAINERD = Builder(driver="docker", containerd=True)
OUTSIDE = [
    Builder(driver=driver, containerd=containerd)
    for driver in ("docker-container", "kubernetes", "remote", "cloud", "")
    for containerd in (False, True)
]
TWO = ("linux/amd64", "linux/arm64")
INDEXES = [
    {"platforms": TWO},
    {"provenance": "true"},
    {"sbom": "true"},
    {"platforms": TWO, "provenance": "mode=min"},
]
IMAGES: list[dict[str, Any]] = [{}, {"platforms": ("linux/arm64",)}, {"provenance": "false"}]
IMMUTABLE = make_state(mutability="IMMUTABLE")


@pytest.mark.parametrize("asked", [*IMAGES, *INDEXES])
@pytest.mark.parametrize("builder", [CONTAINERD, *OUTSIDE])
def test_refuse_unbuildable__wherever_an_index_can_be_made(
    builder: Builder, asked: dict[str, Any]
) -> None:
    refuse_unbuildable(make_build(**asked), builder)


@pytest.mark.parametrize("asked", INDEXES)
def test_refuse_unbuildable__index_in_the_classic_store(asked: dict[str, Any]) -> None:
    with pytest.raises(StoreLacks):
        refuse_unbuildable(make_build(**asked), CLASSIC)


@pytest.mark.parametrize("builder", OUTSIDE)
@pytest.mark.parametrize("asked", [*IMAGES, *INDEXES])
def test_way__builder_outside_of_the_engine_pushes_everything(
    builder: Builder, asked: dict[str, Any]
) -> None:
    for state in (make_state(), IMMUTABLE):
        assert way(make_build(**asked), builder, state, CANDIDATE) is Way.BUILDER


@pytest.mark.parametrize("builder", [CLASSIC, CONTAINERD])
@pytest.mark.parametrize("asked", IMAGES)
def test_way__engine_pushes_an_image_anywhere(builder: Builder, asked: dict[str, Any]) -> None:
    for state in (make_state(), IMMUTABLE):
        assert way(make_build(**asked), builder, state, CANDIDATE) is Way.ENGINE


@pytest.mark.parametrize("asked", INDEXES)
def test_way__containerd_store_holds_an_index(asked: dict[str, Any]) -> None:
    candidates_move = make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("candidate-*",))
    for state in (make_state(), candidates_move):
        assert way(make_build(**asked), CONTAINERD, state, CANDIDATE) is Way.ENGINE


WORDS = [
    ({"platforms": TWO}, "an image for 2 platforms"),
    ({"provenance": "mode=max"}, "an image with provenance: mode=max"),
    ({"sbom": "generator=a"}, "an image with sbom: generator=a"),
    (
        {"provenance": "true", "sbom": "true"},
        "an image with provenance: true, an image with sbom: true",
    ),
    (
        {"platforms": TWO, "provenance": "true"},
        "an image for 2 platforms, an image with provenance: true",
    ),
]


@pytest.mark.parametrize(("asked", "named"), WORDS)
def test_way__classic_store_holds_no_index(asked: dict[str, Any], named: str) -> None:
    for state in (make_state(), IMMUTABLE):
        with pytest.raises(StoreLacks) as caught:
            way(make_build(**asked), CLASSIC, state, CANDIDATE)
        assert caught.value.what == f"{named} cannot be built in this Docker Engine"
        assert caught.value.exit_code is ExitCode.BUILD


def test_way__classic_store_would_lose_annotations() -> None:
    annotated = make_build(annotations=("a=b",))
    with pytest.raises(StoreLacks, match=r"^an image with annotations cannot be built"):
        way(annotated, CLASSIC, make_state(), CANDIDATE)
    for state in (make_state(), IMMUTABLE):
        assert way(annotated, CONTAINERD, state, CANDIDATE) is Way.ENGINE


def test_way__classic_store_names_all_that_it_lacks() -> None:
    asked = make_build(sbom="true", annotations=("a=b",), cache_to=(GHA,))
    with pytest.raises(StoreLacks, match="sbom: true, an image with annotations cannot"):
        way(asked, CLASSIC, make_state(), CANDIDATE)


@pytest.mark.parametrize("kind", ["gha", "registry", "local", "s3", "azblob"])
def test_way__classic_store_writes_no_cache(kind: str) -> None:
    asked = make_build(cache_to=(Cache.parse("type=inline"), Cache.parse(f"type={kind}")))
    with pytest.raises(CacheNotExported, match=f"^cache-to says type={kind}, which this Docker"):
        way(asked, CLASSIC, make_state(), CANDIDATE)
    assert way(asked, CONTAINERD, make_state(), CANDIDATE) is Way.ENGINE
    assert way(asked, OUTSIDE[0], make_state(), CANDIDATE) is Way.BUILDER


def test_way__classic_store_uses_caches_and_writes_inline_ones() -> None:
    asked = make_build(cache_from=(GHA, PLAIN_CACHE), cache_to=(Cache.parse("type=inline"),))
    assert way(asked, CLASSIC, make_state(), CANDIDATE) is Way.ENGINE


@pytest.mark.parametrize(("asked", "named"), WORDS)
@pytest.mark.parametrize(
    "state",
    [
        IMMUTABLE,
        make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("latest",)),
        make_state(mutability="MUTABLE_WITH_EXCLUSION", exclusions=("candidate-*",)),
    ],
)
def test_way__candidate_that_cannot_move_takes_no_index(
    asked: dict[str, Any], named: str, state: Any
) -> None:
    with pytest.raises(CandidateCannotMove) as caught:
        way(make_build(**asked), CONTAINERD, state, CANDIDATE)
    assert caught.value.what.startswith(f"{named} cannot be pushed by this Docker Engine to {NAME}")


def test_way__advice_knows_the_repository_s_mode_and_exclusions() -> None:
    attested = make_build(provenance="true")
    fixed = make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("latest", "v*"))
    with pytest.raises(CandidateCannotMove) as caught:
        way(attested, CONTAINERD, fixed, CANDIDATE)
    assert "filter='latest' filterType=WILDCARD,filter='v*' filterType" in caught.value.fix

    excluded = make_state(mutability="MUTABLE_WITH_EXCLUSION", exclusions=("c*",))
    with pytest.raises(CandidateCannotMove) as caught:
        way(attested, CONTAINERD, excluded, CANDIDATE)
    assert "exclusions (c*), change the one" in caught.value.fix


# What buildx says -------------------------------------------------------------------------------


def test_stated_platforms__of_all_nodes_each_once() -> None:
    said = (
        "Name: native\nDriver: docker-container\n\nNodes:\nName: a\n"
        "Platforms: linux/amd64*, linux/amd64/v2, linux/386\nName: b\n"
        "Platforms:             linux/arm64, linux/386\nPlatforms: \n"
    )
    assert stated_platforms(said) == ("linux/amd64", "linux/amd64/v2", "linux/386", "linux/arm64")
    assert stated_platforms("Driver: docker\n") == ()


@pytest.mark.parametrize(
    ("asked", "known", "foreign"),
    [
        (("linux/arm64",), (), ()),
        (("linux/arm64",), ("linux/amd64",), ("linux/arm64",)),
        (("linux/arm64", "linux/amd64"), ("linux/amd64", "linux/arm64/v8"), ()),
        ((), ("linux/amd64",), ()),
    ],
)
def test_unemulated__what_the_builder_does_not_name(
    asked: tuple[str, ...], known: tuple[str, ...], foreign: tuple[str, ...]
) -> None:
    builder = Builder(driver="docker-container", platforms=known)
    assert unemulated(make_build(platforms=asked), builder) == foreign


@pytest.mark.parametrize(
    ("inspection", "driver"),
    [
        ("Name:          default\nDriver:        docker\n\nNodes:\nName: default\n", "docker"),
        ("Name: b\r\nDriver:        docker-container\r\n", "docker-container"),
        ("Name: b\nDriver: remote\nDriver: docker\n", "remote"),
        ("Name: b\nDriver Options: image=docker\n", ""),
        ("Nodes:\n  Driver: docker\n", ""),
        ("Driver:\n", ""),
        ("", ""),
    ],
)
def test_stated_driver__of_the_builder(inspection: str, driver: str) -> None:
    assert stated_driver(inspection) == driver


@pytest.mark.parametrize(
    ("inspection", "problem"),
    [
        ("Name: b\nDriver: docker\nError: no daemon: it is off\n", "no daemon: it is off"),
        ("Name: b\nDriver: docker\n\nNodes:\nStatus: Error\n", ""),
        ("Name: Error\nError Count: 1\n", ""),
        ("", ""),
    ],
)
def test_stated_problem__of_the_builder(inspection: str, problem: str) -> None:
    assert stated_problem(inspection) == problem


def test_pushed_digest__is_that_of_the_image_and_not_of_its_configuration() -> None:
    metadata = {
        "buildx.build.ref": "x",
        "containerimage.config.digest": str(make_digest("config")),
        "containerimage.digest": str(make_digest("pushed")),
    }
    assert pushed_digest(json.dumps(metadata)) == make_digest("pushed")


@pytest.mark.parametrize("metadata", ["", "{}", '{"containerimage.digest": "sha256:1"}'])
def test_s2_pushed_digest__is_never_guessed(metadata: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        pushed_digest(metadata)


WARNING = "Empty continuation line found (https://docs.example/rule)"


def warned(**over: Any) -> str:
    """Metadata with one remark, as buildx 0.29 writes it."""
    short = b64encode(b"Empty continuation line found").decode()
    range_of_lines = [{"start": {"line": 8}, "end": {"line": 9}}]
    plain = {
        "vertex": "sha256:433b",
        "level": 1,
        "short": short,
        "detail": [short],
        "url": "https://docs.example/rule",
        "sourceInfo": {"filename": "Dockerfile", "data": "RlJPTQ==", "language": "Dockerfile"},
        "range": range_of_lines,
    }
    return json.dumps({"buildx.build.warnings": [plain | over]})


@pytest.mark.parametrize(
    ("over", "text", "file", "line"),
    [
        ({}, WARNING, "Dockerfile", 8),
        ({"url": ""}, "Empty continuation line found", "Dockerfile", 8),
        ({"sourceInfo": None}, WARNING, "", 8),
        (
            {"range": None},
            WARNING,
            "Dockerfile",
            1,
        ),
        ({"short": "/w==", "url": None}, "\ufffd", "Dockerfile", 8),
    ],
)
def test_remarks__as_buildx_notes_them(
    over: dict[str, Any], text: str, file: str, line: int
) -> None:
    assert remarks(warned(**over)) == (Remark(text=text, file=file, line=line),)


@pytest.mark.parametrize(
    "metadata",
    [
        *("", "{}", "[]", "null", '{"buildx.build.warnings": {}}', '{"buildx.build.warnings": 1}'),
        *('{"buildx.build.warnings": ["x"]}', '{"buildx.build.warnings": [{}]}'),
        *(warned(short=1), warned(short="x"), warned(range=[{}]), warned(range=1)),
        warned(range=[{"start": {"line": "x"}}]),
    ],
)
def test_s2_remarks__never_fail(metadata: str) -> None:
    assert remarks(metadata) == ()


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (b"", ""),
        (b"#5 DONE 0.1s\n", ""),
        (
            b"#5 ERROR: not this\nERROR: failed to solve: no such file\n",
            "failed to solve: no such file",
        ),
        (b"ERROR: first\nERROR: last\xff", "last\ufffd"),
    ],
)
def test_stated_error__last_line_of_buildx(output: bytes, said: str) -> None:
    assert stated_error(output) == said


SOURCE = "r.io/base:1: failed to resolve source metadata for r.io/base:1"


@pytest.mark.parametrize(
    ("said", "pushing"),
    [
        ("failed to solve: failed to push r/app:x: unexpected status: 403 Forbidden", True),
        ("failed to solve: failed to authorize: failed to fetch oauth token", True),
        (f"failed to solve: {SOURCE}: failed to authorize: failed to fetch oauth token", False),
        ('failed to solve: process "/bin/sh -c false" did not complete: exit code: 1', False),
        ("failed to solve: failed to read dockerfile: open Dockerfile: no such file", False),
        ("", False),
    ],
)
def test_push_error__build_or_push(said: str, pushing: bool) -> None:  # noqa: FBT001
    assert push_error(said) is pushing
