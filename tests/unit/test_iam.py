"""The table of permissions, and the policies that are made of it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ecr_publish.cache import Cache
from ecr_publish.iam import (
    MOST_CHARACTERS,
    TABLE,
    UNKNOWN_ACCOUNT,
    Home,
    Narrowing,
    Need,
    On,
    Task,
    need,
    policy,
    session_policy,
)
from ecr_publish.inputs import Mutability
from ecr_publish.plan import Existing, LocalImage, Merge, Plan
from ecr_publish.reference import ImageName, ImageReference, RegistryId, Repository, Tag
from ecr_publish.scanning import ScanType
from tests.factories import (
    ACCOUNT,
    ARN,
    HOST,
    NAME,
    make_build,
    make_digest,
    make_plan,
    make_policy,
    make_role,
)

GATE = make_plan(source=Existing(reference=Tag("1.4.2")), release_tags=())
MERGE = make_plan(source=Merge(digests=(make_digest("a"), make_digest("b"))))
PUSH = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
}
READ = {
    "ecr:BatchGetImage",
    "ecr:BatchGetRepositoryScanningConfiguration",
    "ecr:DescribeImageScanFindings",
    "ecr:DescribeRepositories",
    "ecr:StartImageScan",
}


def on(plan: Plan, place: On, **more: Any) -> set[str]:
    """The actions that a plan needs on a kind of place."""
    return granted(policy(need(plan, **more)), place)


def granted(document: dict[str, Any], place: On) -> set[str]:
    return {
        action
        for statement in document["Statement"]
        if statement["Sid"] == place.sid
        for action in statement["Action"]
    }


def resources(plan: Plan) -> dict[str, Any]:
    return {it["Sid"]: it["Resource"] for it in policy(need(plan))["Statement"]}


def narrowed(*plans: Plan, **more: Any) -> list[dict[str, Any]]:
    """The statements of the session's policy."""
    found: list[dict[str, Any]] = json.loads(session_policy(plans, **more).policy)["Statement"]
    return found


# The table ----------------------------------------------------------------------------------------


def test_table__no_action_is_needed_twice_on_the_same_for_the_same() -> None:
    keys = [(action, row.on, row.task) for row in TABLE for action in row.actions]
    assert len({*keys}) == len(keys)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.needed_for)
def test_table__names_actions_as_iam_writes_them(row: Any) -> None:
    assert row.actions
    assert all(re.fullmatch(r"(ecr|inspector2|signer):[A-Z][A-Za-z]+", it) for it in row.actions)
    assert row.needed_for
    assert not row.without.endswith(".")


def test_sid__is_of_letters_alone_and_of_one_kind() -> None:
    sids = [place.sid for place in On]
    assert all(sid.isalpha() for sid in sids)
    assert len({*sids}) == len(sids)
    assert On.ENHANCED_SCANNING.sid == "EnhancedScanning"


# What a plan needs --------------------------------------------------------------------------------


def test_need__of_a_build() -> None:
    assert resources(make_plan()) == {"Registry": "*", "Repository": ARN, "EnhancedScanning": "*"}
    assert on(make_plan(), On.REGISTRY) == {
        "ecr:GetAuthorizationToken",
        "ecr:GetRegistryScanningConfiguration",
    }
    assert on(make_plan(), On.REPOSITORY) == READ | PUSH | {
        "ecr:BatchDeleteImage",
        "ecr:DescribeImages",
        "ecr:GetDownloadUrlForLayer",
        "ecr:PutImage",
    }
    assert on(make_plan(), On.ENHANCED_SCANNING) == {
        "inspector2:ListCoverage",
        "inspector2:ListFindings",
    }


def test_need__of_an_image_that_is_built_already_is_that_of_a_build() -> None:
    local = make_plan(source=LocalImage(name="app:test"))
    assert policy(need(local)) == policy(need(make_plan()))


def test_need__of_a_gate_that_gives_no_tag_is_to_read() -> None:
    assert on(GATE, On.REGISTRY) == {"ecr:GetRegistryScanningConfiguration"}
    assert on(GATE, On.REPOSITORY) == READ | {"ecr:GetDownloadUrlForLayer"}


def test_need__of_a_gate_that_gives_tags() -> None:
    plan = make_plan(source=GATE.source)
    added = on(plan, On.REPOSITORY) - on(GATE, On.REPOSITORY)
    assert added == {"ecr:PutImage", "ecr:DescribeImages"}


def test_need__of_a_merge_has_no_layer_to_push() -> None:
    assert on(MERGE, On.REGISTRY) == {"ecr:GetRegistryScanningConfiguration"}
    assert on(MERGE, On.REPOSITORY) == on(make_plan(), On.REPOSITORY) - PUSH


@pytest.mark.parametrize(
    ("source", "task"),
    [(GATE.source, Task.RECALL), (MERGE.source, Task.MERGE), (make_build(), Task.RECALL)],
)
def test_need__a_merge_cannot_do_without_reading_configurations(source: Any, task: Task) -> None:
    rows = [
        row
        for row in need(make_plan(source=source)).rows
        if row.actions == ("ecr:GetDownloadUrlForLayer",)
    ]
    assert [row.task for row in rows] == [task]
    assert bool(rows[0].without) is (task is Task.RECALL)


@pytest.mark.parametrize("create", [None, Mutability.IMMUTABLE])
def test_need__creation_only_where_it_is_asked_for(create: Mutability | None) -> None:
    found = on(make_plan(create=create), On.REPOSITORY)
    assert ("ecr:CreateRepository" in found) is (create is not None)


@pytest.mark.parametrize(
    ("passed", "refused", "removes"),
    [(True, True, False), (True, False, True), (False, True, True), (False, False, True)],
)
def test_need__removal_unless_every_candidate_stays(
    *, passed: bool, refused: bool, removes: bool
) -> None:
    found = on(make_plan(keeps_passed=passed, keeps_refused=refused), On.REPOSITORY)
    assert ("ecr:BatchDeleteImage" in found) is removes


@pytest.mark.parametrize("engine", list(ScanType))
def test_need__what_only_one_engine_is_asked(engine: ScanType) -> None:
    plan = make_plan(policy=make_policy(known_exploited=True))
    starts = "ecr:StartImageScan" in on(plan, On.REPOSITORY, scanning=engine)
    asks = on(plan, On.ENHANCED_SCANNING, scanning=engine)
    assert starts is (engine is not ScanType.ENHANCED)
    assert len(asks) == (0 if engine is ScanType.BASIC else 3)


@pytest.mark.parametrize(
    ("rules", "asks"),
    [({}, False), ({"known_exploited": True}, True), ({"epss_threshold": 0.1}, True)],
)
def test_need__exploits_only_with_a_rule_for_them(rules: dict[str, Any], asks: bool) -> None:  # noqa: FBT001
    found = on(make_plan(policy=make_policy(**rules)), On.ENHANCED_SCANNING)
    assert ("inspector2:BatchGetFindingDetails" in found) is asks


@pytest.mark.parametrize("name", ["stable", f"{NAME}:stable"])
def test_need__baseline_of_the_own_repository_needs_nothing_more(name: str) -> None:
    plan = make_plan(policy=make_policy(baseline=ImageName.parse(name)))
    assert resources(plan) == resources(make_plan())


def test_need__baseline_of_another_repository() -> None:
    plan = make_plan(policy=make_policy(baseline=ImageName.parse("team/base:stable")))
    assert resources(plan)["Baseline"] == ARN.replace(NAME, "team/base")
    assert on(plan, On.BASELINE) == {"ecr:BatchGetImage", "ecr:DescribeImageScanFindings"}


def test_need__caches_in_other_repositories_of_ecr() -> None:
    build = make_build(
        cache_from=(
            Cache.parse(f"{HOST}/caches:x"),
            Cache.parse("ghcr.io/org/cache:x"),
            Cache.parse("type=gha"),
        ),
        cache_to=(
            Cache.parse(f"type=registry,ref={HOST}/{NAME}:buildcache"),
            Cache.parse("type=registry,ref=210987654321.dkr.ecr.us-east-1.amazonaws.com/far:x"),
            Cache.parse("type=inline"),
        ),
    )
    plan = make_plan(source=build)
    assert resources(plan)["CacheFrom"] == ARN.replace(NAME, "caches")
    assert resources(plan)["CacheTo"] == "arn:aws:ecr:us-east-1:210987654321:repository/far"
    assert on(plan, On.CACHE_FROM) == {"ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"}
    assert on(plan, On.CACHE_TO) == PUSH | {"ecr:BatchGetImage", "ecr:PutImage"}


def test_need__neither_signing_nor_base_images_unless_somebody_says_so() -> None:
    assert {"Signing", "BaseImages"}.isdisjoint(resources(make_plan()))
    signing = need(make_plan()).at(On.SIGNING, [Home.of(make_plan()).signing_profile("releases")])
    assert policy(signing)["Statement"][-1] == {
        "Sid": "Signing",
        "Effect": "Allow",
        "Action": ["signer:SignPayload"],
        "Resource": f"arn:aws:signer:eu-west-1:{ACCOUNT}:/signing-profiles/releases",
    }


# Where --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({}, ARN),
        ({"registry": RegistryId("210987654321")}, ARN.replace(ACCOUNT, "210987654321")),
        (
            {"role": make_role(arn="arn:aws-cn:iam::210987654321:role/x"), "region": "cn-north-1"},
            f"arn:aws-cn:ecr:cn-north-1:210987654321:repository/{NAME}",
        ),
        ({"role": None}, f"arn:aws:ecr:eu-west-1:{UNKNOWN_ACCOUNT}:repository/{NAME}"),
        (
            {"role": None, "region": "us-gov-west-1", "registry": RegistryId(ACCOUNT)},
            f"arn:aws-us-gov:ecr:us-gov-west-1:{ACCOUNT}:repository/{NAME}",
        ),
        (
            {"role": None, "region": "cn-north-1"},
            f"arn:aws-cn:ecr:cn-north-1:{UNKNOWN_ACCOUNT}:repository/{NAME}",
        ),
        (
            {"role": None, "region": "eusc-de-east-1"},
            f"arn:aws-eusc:ecr:eusc-de-east-1:{UNKNOWN_ACCOUNT}:repository/{NAME}",
        ),
    ],
)
def test_arn__is_of_the_partition_the_region_and_the_account(
    over: dict[str, Any], expected: str
) -> None:
    assert resources(make_plan(**over))["Repository"] == expected


# The session's own policy -------------------------------------------------------------------------


def test_session_policy__of_a_build() -> None:
    registry, repository, base, inspector, signing = narrowed(make_plan())

    assert repository["Resource"] == ARN
    assert registry["Resource"] == base["Resource"] == inspector["Resource"] == "*"
    assert base["Action"] == ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    assert signing["Action"] == ["signer:SignPayload"]


def test_session_policy__holds_all_that_the_run_needs() -> None:
    for plan in (make_plan(), GATE, MERGE, make_plan(create=Mutability.MUTABLE)):
        allowed = {
            (action, place)
            for it in narrowed(plan)
            for place in ([it["Resource"]] if isinstance(it["Resource"], str) else it["Resource"])
            for action in it["Action"]
        }
        for statement in policy(need(plan))["Statement"]:
            assert {(it, statement["Resource"]) for it in statement["Action"]} <= allowed


def test_session_policy__of_what_is_not_built_reads_no_other_repository() -> None:
    for plan in (GATE, MERGE, make_plan(source=LocalImage(name="app"))):
        on_all = [it["Action"] for it in narrowed(plan) if it["Resource"] == "*"]
        assert not [action for actions in on_all for action in actions if "Image" in action]


def test_session_policy__is_compact_and_names_nothing_twice() -> None:
    text = session_policy([make_plan()]).policy
    assert " " not in text
    assert "Sid" not in text
    assert text.count(ARN) == 1
    assert session_policy([make_plan()]).note == ""


def test_session_policy__caches_that_are_written_on_any_host() -> None:
    build = make_build(
        cache_to=(Cache.parse("type=registry,ref=127.0.0.1:5000/mine:x"), Cache.parse("type=gha"))
    )
    baked = ImageReference.parse(f"{HOST}/baked:x")
    found = [
        it["Resource"]
        for it in narrowed(make_plan(source=build), caches=[baked])
        if "ecr:UploadLayerPart" in it["Action"] and it["Resource"] != ARN
    ]
    assert found == [[ARN.replace(NAME, "mine"), ARN.replace(NAME, "baked")]]


@pytest.mark.parametrize(
    "reference",
    [
        f"{HOST}/*:x",
        "ghcr.io/org/prod:cache",
        "org/prod:cache",
        f"{HOST}.example.com/prod:x",
        "127.0.0.1.example.com/prod:x",
    ],
)
def test_s4_session_policy__is_not_widened_by_a_cache_elsewhere(reference: str) -> None:
    caches = [ImageReference.parse(reference)]
    assert narrowed(make_plan(source=make_build()), caches=caches) == narrowed(
        make_plan(source=make_build())
    )


def test_session_policy__a_cache_by_a_host_that_ecr_has_not_is_no_crash() -> None:
    host = f"{ACCOUNT}.dkr.ecr-fips.eu-west-1.amazonaws.com"
    caches = [ImageReference.parse(f"{host}/baked:x")]
    (found,) = (
        it["Resource"]
        for it in narrowed(make_plan(source=make_build()), caches=caches)
        if it["Resource"] == ARN.replace(NAME, "baked")
    )
    assert found


def images(number: int, template: str = "team/{target}") -> list[Plan]:
    names = (template.replace("{target}", f"image-{item}") for item in range(number))
    return [make_plan(repository=Repository(name)) for name in names]


def test_session_policy__names_each_repository_of_many() -> None:
    found = session_policy(images(8), template="team/{target}")
    assert found.note == ""
    assert json.loads(found.policy)["Statement"][1]["Resource"] == [
        ARN.replace(NAME, f"team/image-{item}") for item in range(8)
    ]


def test_session_policy__takes_a_pattern_where_the_names_are_too_long() -> None:
    number = next(
        n for n in range(1, 99) if session_policy(images(n), template="team/{target}").note
    )
    most, found = (
        session_policy(images(n), template="team/{target}") for n in (number - 1, number)
    )
    pattern = ARN.replace(NAME, "team/*")

    assert MOST_CHARACTERS - 80 < len(most.policy) <= MOST_CHARACTERS
    assert json.loads(found.policy)["Statement"][1]["Resource"] == pattern
    assert pattern in found.note
    assert f"the {number} repositories" in found.note


def test_session_policy__none_where_even_that_is_too_long() -> None:
    many = [ImageReference.parse(f"{HOST}/cache-{item}:x") for item in range(40)]
    for template, plans in (("", [make_plan()]), ("team/{target}", images(3))):
        found = session_policy(plans, many, template)
        assert found == Narrowing(policy="", note=found.note)
        assert "session-policy: none" in found.note


def test_need__rows_are_those_of_its_tasks_and_places() -> None:
    some = Need(tasks=frozenset([Task.ANY]), places={On.REGISTRY: ("*",), On.BASELINE: ()})
    assert [row.actions for row in some.rows] == [("ecr:GetRegistryScanningConfiguration",)]
