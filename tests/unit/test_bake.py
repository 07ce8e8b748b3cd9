"""What buildx prints of a bake file, and the one call that is made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ecr_publish.bake import (
    Bake,
    Definition,
    Image,
    Trial,
    afresh,
    blamed,
    caches,
    command,
    definition,
    digests,
    for_target,
    places,
    printing,
    problems,
    refuse_caches,
    source,
    trial,
)
from ecr_publish.build import Way
from ecr_publish.errors import BakeInvalid, BuildFailed, ExitCode
from ecr_publish.origin import COMMITTED, RECIPE, REVISION, Commit
from ecr_publish.reference import ImageReference, Repository, Tag
from tests.factories import (
    HOST,
    SHA,
    make_build,
    make_context,
    make_digest,
    make_inputs,
    make_state,
)

COMMIT = Commit(sha=SHA, time=5)
CLEAN: Mapping[str, Commit | None] = {".": COMMIT}
WEB = {"context": "web", "dockerfile": "Dockerfile"}


def printed(groups: Mapping[str, list[str]], *targets: str) -> str:
    return json.dumps(
        {
            "group": {name: {"targets": inside} for name, inside in groups.items()},
            "target": dict.fromkeys(targets, WEB),
        }
    )


def made(**targets: dict[str, Any]) -> Definition:
    return Definition(asked=tuple(targets), targets=targets)


# definition -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "targets", "expected"),
    [
        ({"default": ["web"]}, ["web"], ("web",)),
        ({"default": ["web", "api"]}, ["web", "api", "linked"], ("web", "api")),
        ({"default": ["api", "all"], "all": ["web", "api"]}, ["web", "api"], ("api", "web")),
        ({"default": ["web", "all"], "all": ["default", "api"]}, ["web", "api"], ("web", "api")),
        ({"default": ["default"]}, ["default"], ("default",)),
        ({"default": ["web"], "web": ["web", "api"]}, ["web", "api"], ("web", "api")),
        ({"default": ["a", "b"], "a": ["y"], "b": ["x", "y"]}, ["x", "y"], ("y", "x")),
    ],
)
def test_definition__groups_are_expanded_in_order(
    groups: Mapping[str, list[str]], targets: list[str], expected: tuple[str, ...]
) -> None:
    found = definition(printed(groups, *targets))
    assert found.asked == expected
    assert set(found.targets) == set(targets)


@pytest.mark.parametrize("text", ["{}", printed({"default": []}), printed({}, "web")])
def test_definition__without_a_target_that_is_asked_for(text: str) -> None:
    with pytest.raises(BakeInvalid) as caught:
        definition(text)
    assert caught.value.exit_code is ExitCode.INPUT
    assert caught.value.what == (
        "the bake file cannot be used: it defines no target that could be built"
    )


def test_definition__arguments_show_in_no_repr() -> None:
    assert "hunter2" not in repr(made(web={"args": {"TOKEN": "hunter2"}}))


def test_links__of_links_and_in_circles() -> None:
    found = made(
        web={"contexts": {"a": "target:lib", "b": "docker-image://alpine"}},
        lib={"contexts": {"c": "target:base"}},
        base={"contexts": {"d": "target:lib"}},
    )
    assert found.links("web") == ("lib", "base")
    assert found.links("base") == ("lib", "base")


# problems and for_target ------------------------------------------------------------------------


def test_problems__one_target_needs_no_placeholder() -> None:
    inputs = make_inputs(sarif_file="a.sarif", report_file=("a.json",))
    assert [*problems(inputs, ["web"])] == []


def test_problems__several_need_it_wherever_one_would_overwrite_the_other() -> None:
    inputs = make_inputs(sarif_file="a.sarif", report_file=("{target}.json", "a.csv"))
    assert [item.partition(":")[0] for item in problems(inputs, ["web", "api"])] == [
        "repository",
        "sarif-file",
        "report-file",
    ]
    (first, *_) = problems(inputs, ["web", "api"])
    assert first == (
        "repository: has to hold {target}, because there are 2 targets (web, api), and each has "
        "its own"
    )


def test_problems__none_where_all_hold_it() -> None:
    inputs = make_inputs(
        repository=Repository("team/{target}"),
        sarif_file="{target}.sarif",
        report_file=("out/{target}.json",),
    )
    assert [*problems(inputs, ["web", "api"])] == []
    assert [*problems(make_inputs(repository=Repository("{target}")), ["web", "api"])] == []


def test_problems__many_targets_are_not_all_named() -> None:
    (said,) = problems(make_inputs(), [f"t{number}" for number in range(11)])
    assert "(t0, t1, t2, t3, t4, t5, t6, t7, t8, t9, …)" in said


def test_problems__target_that_no_repository_can_be_named_after() -> None:
    inputs = make_inputs(repository=Repository("team/{target}"))
    (said,) = problems(inputs, ["web", "Api"])
    assert said.startswith("targets: 'Api' cannot be a part of the repository's name: 'team/Api'")


def test_for_target__fills_in_its_name() -> None:
    inputs = make_inputs(
        repository=Repository("team/{target}"),
        tags=("{target}-{sha}", "latest"),
        sarif_file="{target}.sarif",
        report_file=("out/{target}.json",),
    )
    assert for_target(inputs, "web") == make_inputs(
        repository=Repository("team/web"),
        tags=("web-{sha}", "latest"),
        sarif_file="web.sarif",
        report_file=("out/web.json",),
    )
    assert for_target(make_inputs(), "web").sarif_file is None


# source -----------------------------------------------------------------------------------------


def built(content: dict[str, Any], commits: Mapping[str, Commit | None] = CLEAN) -> Any:
    return source(made(web=content), "web", commits, make_context())


def test_source__is_what_a_build_with_these_inputs_would_be() -> None:
    content = {
        "context": "cwd://web",
        "dockerfile": "docker/Dockerfile",
        "target": "final",
        "platforms": ["linux/amd64", "linux/arm64"],
        "args": {"A": "1=2", "B": None},
        "labels": {"a": "b"},
        "network": "none",
        "attest": [{"type": "provenance", "mode": "max"}],
    }
    found = built(content, {"web": None})
    assert found == make_build(
        context="web",
        file="web/docker/Dockerfile",
        target="final",
        platforms=("linux/amd64", "linux/arm64"),
        build_args=("A=1=2",),
        network="none",
        provenance="true",
    )


@pytest.mark.parametrize(
    ("content", "file"),
    [
        ({}, "Dockerfile"),
        ({"context": "cwd://"}, "Dockerfile"),
        ({"context": "web"}, "web/Dockerfile"),
        ({"context": "web", "dockerfile": "../Dockerfile.web"}, "Dockerfile.web"),
        ({"context": "web", "dockerfile": "cwd://docker/web"}, "docker/web"),
        ({"context": "web", "dockerfile-inline": "FROM scratch"}, "-"),
    ],
)
def test_source__where_the_dockerfile_lies(content: dict[str, Any], file: str) -> None:
    found = built(content, dict.fromkeys((".", "web")))
    assert found.file == file


@pytest.mark.parametrize(
    ("attest", "expected"),
    [
        ([], "false"),
        (["type=provenance,disabled=true"], "false"),
        ([{"type": "sbom", "disabled": True}], "false"),
        (["type=provenance,disabled=true", "type=sbom"], "true"),
        (["type=provenance,mode=max"], "true"),
        ([{"type": "sbom"}], "true"),
    ],
)
def test_source__attestations(attest: list[Any], expected: str) -> None:
    assert built({"attest": attest}).provenance == expected


def test_source__labels_say_what_it_is_made_of() -> None:
    found = built({})
    assert found.epoch == COMMIT.time
    assert found.labels == (
        f"{REVISION}={SHA}",
        f"{RECIPE}={found.recipe}",
        f"{COMMITTED}=5",
    )
    own = built({"labels": {REVISION: "v1"}})
    assert [label.partition("=")[0] for label in own.labels] == [RECIPE, COMMITTED]


DIRTY = Commit(sha=SHA, time=5, clean=False)
OLDER = Commit(sha="1" * 40, time=4)
LINKED = {"contexts": {"lib": "target:lib"}}


def recipes(content: dict[str, Any], **over: Any) -> str:
    commits = over.pop("commits", CLEAN)
    found = made(web=content, **over.pop("targets", {}))
    return source(found, "web", commits, make_context(**over)).recipe


@pytest.mark.parametrize(
    "content",
    [
        {"tags": ["a:1"]},
        {"output": ["type=registry"]},
        {"cache-from": ["a:1"]},
        {"cache-to": ["a:1"]},
        {"labels": {"org.opencontainers.image.created": "now"}},
    ],
)
def test_s5_source__recipe_is_the_same_whatever_makes_no_other_image(
    content: dict[str, Any],
) -> None:
    assert recipes(content | {"labels": {}} | content) == recipes({"labels": {}}) != ""


@pytest.mark.parametrize(
    "content",
    [
        {"args": {"A": "1"}},
        {"labels": {"a": "1"}},
        {"target": "final"},
        {"dockerfile-inline": "FROM scratch"},
        {"secret": ["id=a"]},
        {"contexts": {"base": f"docker-image://alpine@sha256:{'0' * 64}"}},
        {"of-a-later-version": True},
    ],
)
def test_s1_source__recipe_tells_any_other_setting(content: dict[str, Any]) -> None:
    assert recipes(content) not in (recipes({}), "")


def test_s1_source__recipe_tells_what_it_builds_upon() -> None:
    plain = recipes(LINKED, targets={"lib": {}})
    assert plain not in (recipes(LINKED, targets={"lib": {"args": {"A": "1"}}}), "")
    everywhere = {".": COMMIT, "lib": COMMIT}
    other = recipes(LINKED, targets={"lib": {"context": "lib"}}, commits=everywhere)
    moved = recipes(
        LINKED, targets={"lib": {"context": "lib"}}, commits=everywhere | {"lib": OLDER}
    )
    assert len({plain, other, moved, ""}) == 4


def test_s1_source__recipe_tells_the_run_and_the_machine() -> None:
    assert recipes({}) != recipes({}, sha="f" * 40)
    assert recipes({}) != recipes({}, architecture="ARM64")
    assert recipes({}) != recipes({}, commits={".": OLDER})


@pytest.mark.parametrize(
    "commits",
    [{".": DIRTY, "lib": COMMIT}, {".": COMMIT, "lib": DIRTY}, {".": COMMIT, "lib": None}],
)
def test_s1_source__no_recipe_where_any_place_is_not_known(
    commits: dict[str, Commit | None],
) -> None:
    found = built({"contexts": {"lib": "lib"}}, commits)
    assert (found.recipe, found.epoch) == ("", 5)
    assert f"{RECIPE}=" in found.labels


def test_source__without_a_commit_of_its_own_there_are_no_labels() -> None:
    found = built({"contexts": {"lib": "lib"}}, {".": None, "lib": COMMIT})
    assert (found.recipe, found.epoch, found.labels) == ("", None, ())


def test_places__own_context_first_then_all_that_it_takes_files_from() -> None:
    found = made(
        web={
            "context": "cwd://web",
            "contexts": {
                "a": f"docker-image://alpine@sha256:{'0' * 64}",
                "f": "docker-image://alpine:3",
                "b": "target:lib",
                "c": "https://example.org/x.git",
                "d": "cwd://",
            },
        },
        lib={"contexts": {"e": "../shared"}},
    )
    assert places(found, "web") == (
        *("web", "docker-image://alpine:3", "https://example.org/x.git", ".", "../shared"),
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, False),
        ({"pull": False, "no-cache": False, "no-cache-filter": []}, False),
        ({"pull": True}, True),
        ({"no-cache": True}, True),
        ({"no-cache-filter": ["final"]}, True),
    ],
)
def test_afresh__as_the_inputs_of_one_image(content: dict[str, Any], *, expected: bool) -> None:
    assert afresh(made(web=content), "web") is expected


# command ----------------------------------------------------------------------------------------


def image(target: str = "web", **build: Any) -> Image:
    return Image(
        target=target,
        build=make_build(**build),
        state=make_state(name=f"team/{target}", arn=f"arn:{target}"),
        candidate=Tag(f"candidate-{target}"),
    )


def call(*images: Image, found: Definition | None = None, **over: Any) -> Bake:
    plain: dict[str, Any] = {"files": ("docker-bake.hcl",), "builder": None}
    found = found or made(**{item.target: {} for item in images})
    return Bake(images=images, definition=found, **(plain | over))


BEFORE = ["docker", "buildx", "bake", "--progress", "plain", "--metadata-file", "/tmp/m"]


def settings(bake: Bake, way: Way = Way.ENGINE) -> list[str]:
    words = command(bake, way, "/tmp/m")
    return [words[number + 1] for number, word in enumerate(words) if word == "--set"]


def test_command__one_image() -> None:
    assert command(call(image()), Way.ENGINE, "/tmp/m") == [
        *BEFORE,
        *("--file", "docker-bake.hcl"),
        *("--set", f"web.tags={HOST}/team/web:candidate-web"),
        *("--set", "web.output=type=docker"),
        *("--", "web"),
    ]


def test_command__everything() -> None:
    labelled = image(labels=("a.b=c d", "e="), epoch=7)
    found = made(web={}, api={"args": {"SOURCE_DATE_EPOCH": "1"}})
    bake = call(labelled, image("api", epoch=7), found=found, builder="B", files=("a", "b"))
    assert command(bake, Way.BUILDER, "/tmp/m") == [
        *BEFORE,
        *("--builder", "B", "--file", "a", "--file", "b"),
        *("--set", f"web.tags={HOST}/team/web:candidate-web"),
        *("--set", "web.output=type=registry"),
        *("--set", "web.labels.a.b=c d"),
        *("--set", "web.labels.e="),
        *("--set", "web.args.SOURCE_DATE_EPOCH=7"),
        *("--set", f"api.tags={HOST}/team/api:candidate-api"),
        *("--set", "api.output=type=registry"),
        *("--", "web", "api"),
    ]


def test_s4_command__what_is_only_built_upon_gets_neither_its_own_name_nor_an_output() -> None:
    found = made(
        web={"contexts": {"lib": "target:lib", "api": "target:api"}},
        api={"contexts": {"base": "target:base"}},
        lib={},
        base={"args": {"SOURCE_DATE_EPOCH": "1"}},
    )
    bake = call(image(epoch=7), image("api", epoch=8), found=found)
    assert settings(bake)[6:] == [
        "base.tags=ecr-publish/linked-0:candidate-web",
        "base.output=type=cacheonly",
        "lib.tags=ecr-publish/linked-1:candidate-web",
        "lib.output=type=cacheonly",
        "lib.args.SOURCE_DATE_EPOCH=7",
    ]
    assert bake.scaffold == {
        "base": "ecr-publish/linked-0:candidate-web",
        "lib": "ecr-publish/linked-1:candidate-web",
    }


def test_s1_s4_trial__every_target_is_built_and_none_is_named_kept_or_cached_as_the_file_says() -> (
    None
):
    found = made(
        web={"contexts": {"lib": "target:lib"}, "output": ["type=registry"]},
        api={"args": {"SOURCE_DATE_EPOCH": "1"}},
        lib={"cache-to": [f"type=registry,ref={HOST}/team/web:latest"]},
    )
    asked = Trial(
        files=("a.hcl", "b.json"),
        builder="native",
        definition=found,
        builds={"web": make_build(epoch=7), "api": make_build(epoch=8)},
        tag=Tag("candidate-42"),
    )
    name = "ecr-publish/linked-{}:candidate-42"
    quiet = ("output=type=cacheonly", "cache-to=type=inline")
    expected = [
        *(f"web.tags={name.format(0)}", *(f"web.{text}" for text in quiet)),
        "web.args.SOURCE_DATE_EPOCH=7",
        *(f"api.tags={name.format(1)}", *(f"api.{text}" for text in quiet)),
        *(f"lib.tags={name.format(2)}", *(f"lib.{text}" for text in quiet)),
        "lib.args.SOURCE_DATE_EPOCH=7",
    ]
    assert trial(asked) == [
        *("docker", "buildx", "bake", "--progress", "plain", "--builder", "native"),
        *("--file", "a.hcl", "--file", "b.json"),
        *(word for text in expected for word in ("--set", text)),
        *("--", "web", "api"),
    ]
    assert [*asked.scaffold.values()] == [name.format(number) for number in range(3)]


def test_trial__builder_is_the_current_one_by_default() -> None:
    asked = Trial(
        files=("a",),
        builder=None,
        definition=made(web={}),
        builds={"web": make_build()},
        tag=Tag("t"),
    )
    assert "--builder" not in trial(asked)


def test_printing__the_files_and_what_is_asked_for() -> None:
    assert printing(("a", "b"), ("web",)) == [
        *("docker", "buildx", "bake", "--print", "--file", "a", "--file", "b", "--", "web")
    ]


# digests, blamed, refuse_caches -----------------------------------------------------------------


def test_digests__of_the_images_alone() -> None:
    stated = {
        "web": {"containerimage.digest": str(make_digest("web")), "image.name": "x"},
        "lib": {"buildx.build.ref": "y"},
    }
    assert digests(json.dumps(stated), ["web"]) == {"web": make_digest("web")}


@pytest.mark.parametrize("stated", [{}, {"web": {"buildx.build.ref": "y"}}])
def test_s2_digests__missing_one_fails(stated: dict[str, Any]) -> None:
    with pytest.raises(BuildFailed, match="built nothing"):
        digests(json.dumps(stated), ["web"])


def test_blamed__the_image_that_is_named_or_the_first() -> None:
    bake = call(image(), image("api"))
    assert blamed(bake, f"failed to push {HOST}/team/api:c: denied").target == "api"
    assert blamed(bake, "failed to push").target == "web"


STATES = [make_state(name="team/web"), make_state(name="team/api")]


@pytest.mark.parametrize(
    "cache",
    [
        f"type=registry,ref={HOST}/team/web:latest,mode=max",
        f"{HOST}/team/api:cache",
        f"{HOST}/team/api",
        f"type=registry,ref={HOST.upper()}/team/web:1",
        f'type=registry,"ref={HOST}/team/web@sha256:0"',
        {"type": "registry", "ref": f"{HOST}/team/web:latest"},
        f"Type=registry, Ref={HOST}/team/web:latest",
        f"{HOST.replace('.ecr.', '.ecr-fips.')}/team/web:latest",
    ],
)
def test_s1_refuse_caches__in_a_repository_of_the_run(cache: Any) -> None:
    found = made(web={}, lib={"cache-to": ["type=inline", cache]})
    with pytest.raises(BakeInvalid, match="the target lib exports its cache to"):
        refuse_caches(found, STATES)


@pytest.mark.parametrize(
    "cache",
    [
        "type=inline",
        "type=gha,mode=max",
        f"type=registry,ref={HOST}/team/web-cache:web",
        f"type=registry,ref={HOST}/cache/team/web",
        "type=registry,ref=localhost:5000/team/web",
        {"type": "local", "dest": "cache"},
    ],
)
def test_refuse_caches__elsewhere_is_the_users(cache: Any) -> None:
    refuse_caches(made(web={"cache-to": [cache]}), STATES)


def test_caches__are_the_images_that_any_target_exports_to() -> None:
    exported = {"type": "registry", "ref": f"{HOST}/caches:web"}
    found = made(
        web={"cache-to": ["type=gha", exported], "cache-from": [f"{HOST}/caches:old"]},
        lib={"cache-to": ["type=registry,ref=ghcr.io/org/cache:lib"]},
    )
    assert caches(found) == (
        ImageReference(HOST, "caches", "web"),
        ImageReference("ghcr.io", "org/cache", "lib"),
    )
