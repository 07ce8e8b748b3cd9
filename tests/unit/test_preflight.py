"""What was seen before the build -> what is said of it, and the one error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ecr_publish.bake import definition
from ecr_publish.build import Builder
from ecr_publish.cache import Cache
from ecr_publish.errors import (
    BuilderMissing,
    CallFailed,
    ExitCode,
    NoCredentials,
    OidcFailed,
    OidcUnavailable,
    PublishError,
    RoleRefused,
    Unready,
)
from ecr_publish.inputs import Mutability, OnUnjudged
from ecr_publish.origin import Origin
from ecr_publish.plan import (
    Absent,
    Existing,
    LocalImage,
    Merge,
    Plan,
    RepositoryState,
    Source,
)
from ecr_publish.preflight import (
    Check,
    Facts,
    Found,
    Permission,
    State,
    access,
    asks_for_baseline,
    checks,
    closed,
    drift,
    failure,
    is_silent,
    merged,
    named,
    needed,
    of_bake,
    own,
    pushes,
    refuse,
)
from ecr_publish.reference import FullTag, ImageName, RegistryId, Repository, Tag
from ecr_publish.scan import Gap, Unjudged
from ecr_publish.scanning import Frequency, Scanning, ScanType
from ecr_publish.standing import Holder
from tests.factories import (
    ACCOUNT,
    ARN,
    HOST,
    NAME,
    SHA,
    URI,
    make_build,
    make_digest,
    make_plan,
    make_policy,
    make_refused,
    make_scanning,
    make_state,
)
from tests.fakes import denied

V1, LATEST = Tag("v1"), Tag("latest")
MINE, OTHER = make_digest("mine"), make_digest("other")
DOCKER = Builder(driver="docker", containerd=True)
CLASSIC = Builder(driver="docker")
OUTSIDE = Builder(driver="docker-container")
MADE = make_build(recipe="same")
ABSENT = Absent(scanning=make_scanning())
ENHANCED_OFF = Scanning(engine=ScanType.ENHANCED, frequency=Frequency.MANUAL)
BY_HAND = make_scanning(frequency=Frequency.MANUAL)
BUSY = CallFailed("DescribeImageScanFindings", "ThrottlingException", "Rate", transient=True)
NOT_THERE = CallFailed("BatchGetImage", "ImageNotFoundException", "no such", transient=False)
EXPIRED = CallFailed("DescribeRepositories", "ExpiredTokenException", "old", transient=False)
BASELINE = make_policy(baseline=ImageName(LATEST))
ELSEWHERE = make_policy(baseline=ImageName.parse("other/app:latest"))


def tagged(*names: str, **over: Any) -> Plan:
    """A run that applies these tags and no other."""
    tags = tuple(FullTag(Tag(name)) for name in names)
    return make_plan(release_tags=tags, latest_if_movable=False, **over)


def facts(found: Found | None = None, **over: Any) -> Facts:
    plain = Facts(
        repository=found or make_state(),
        standing={},
        builder=DOCKER,
        login=True,
        permissions={Permission.SCANS: NOT_THERE},
    )
    return replace(plain, **over)


def seen(found: Sequence[Check], name: str) -> list[tuple[State, str]]:
    return [(check.state, check.said) for check in found if check.name == name]


def only(found: Sequence[Check], name: str) -> tuple[State, str]:
    (one,) = seen(found, name)
    return one


def names(found: Sequence[Check], state: State) -> list[str]:
    return [check.name for check in found if check.state is state]


# All is well ------------------------------------------------------------------------------------


def test_checks__healthy() -> None:
    found = checks(make_plan(), facts())

    assert [(check.name, check.state.value) for check in found] == [
        ("OIDC token", "ok"),
        ("role", "ok"),
        ("repository", "ok"),
        ("account and region", "ok"),
        ("scanning", "ok"),
        ("tags", "ok"),
        ("builder", "ok"),
        ("ecr:DescribeImageScanFindings", "ok"),
        ("ecr:GetAuthorizationToken", "ok"),
        ("writing", "note"),
    ]
    assert failure(found) is None
    refuse(found)


# The error --------------------------------------------------------------------------------------


def problem(error: PublishError) -> Check:
    return Check(name="some", state=State.PROBLEM, said=error.what, error=error)


LEFT = Check(name="caches", state=State.NOT_CHECKED, said="why")


def test_refuse__one_problem_is_its_own_error() -> None:
    error = BuilderMissing("native", "gone")
    assert failure([LEFT, problem(error)]) is error

    with pytest.raises(BuilderMissing):
        refuse([problem(error)])


def test_refuse__several_are_one_message_with_all_there_is_to_do() -> None:
    first, second = BuilderMissing("native", "gone"), denied("PutImage")
    found = [problem(first), LEFT, problem(second)]

    with pytest.raises(Unready) as caught:
        refuse(found)

    assert caught.value.problems == (first, second)
    assert caught.value.exit_code is ExitCode.BUILD
    assert caught.value.what == f"2 problems: (1) {first.what}; (2) {second.what}"
    assert caught.value.why.endswith("Not checked because of them: caches.")
    for error in (first, second):
        for part in (error.what, error.why, error.fix):
            assert part in caught.value.fix
    assert second.link in caught.value.fix
    assert failure([problem(second), problem(first)]).exit_code is ExitCode.PROMOTE  # type: ignore[union-attr]


def test_refuse__says_nothing_of_what_is_not_left() -> None:
    error = failure([problem(NoCredentials()), problem(NoCredentials())])
    assert error
    assert error.why == "Nothing was built or pushed."


# Credentials ------------------------------------------------------------------------------------

REFUSED = RoleRefused(make_refused())


@pytest.mark.parametrize(
    ("error", "token", "role"),
    [
        (OidcUnavailable(from_fork=False), State.PROBLEM, State.NOT_CHECKED),
        (OidcFailed("503"), State.PROBLEM, State.NOT_CHECKED),
        (REFUSED, State.OK, State.PROBLEM),
        (NoCredentials(profile="x"), State.OK, State.PROBLEM),
    ],
)
def test_closed__says_how_far_it_came_and_still_looks_at_the_builder(
    error: PublishError, token: State, role: State
) -> None:
    plan = make_plan(source=make_build(platforms=("linux/amd64", "linux/arm64")))
    found = closed(plan, error, CLASSIC)

    assert only(found, "OIDC token")[0] is token
    assert only(found, "role")[0] is role
    assert names(found, State.NOT_CHECKED)[-4:] == [
        *("repository", "account and region", "scanning", "tags"),
    ]
    assert next(check.error for check in found if check.error) is error
    assert names(found, State.PROBLEM)[-1] == "builder"
    assert failure(found).exit_code is ExitCode.CREDENTIALS  # type: ignore[union-attr]


def test_closed__whether_a_candidate_can_move_is_not_known() -> None:
    found = closed(make_plan(source=make_build(provenance="true")), REFUSED, DOCKER)
    assert only(found, "builder")[0] is State.OK


@pytest.mark.parametrize("error", [NoCredentials(), EXPIRED])
def test_checks__credentials_that_no_call_can_use(error: PublishError) -> None:
    found = checks(make_plan(role=None), facts(error, standing=None))

    assert only(found, "credentials") == (State.PROBLEM, error.what)
    assert only(found, "repository")[0] is State.NOT_CHECKED
    assert failure(found) is error


def test_access__without_a_role_are_the_jobs_own() -> None:
    (check,) = access(make_plan(role=None))
    assert (check.name, check.state) == ("credentials", State.OK)


# The repository ---------------------------------------------------------------------------------


def test_repository__exists_or_was_created() -> None:
    assert only(own(make_plan(), facts()), "repository")[1] == f"{URI} exists"
    made = own(make_plan(), facts(make_state(created=True)))
    assert only(made, "repository")[1] == f"{URI} was created"


def test_repository__missing_leaves_what_hangs_on_it_and_nothing_else() -> None:
    plan = make_plan(source=make_build(cache_to=(Cache.parse(f"{URI}:cache"),)), policy=BASELINE)
    found = own(plan, facts(ABSENT, standing=None))

    assert names(found, State.PROBLEM) == ["repository"]
    assert names(found, State.NOT_CHECKED) == [
        *("account and region", "scanning", "tags", "caches", "baseline"),
    ]
    assert only(found, "builder")[0] is State.OK
    assert only(found, "ecr:DescribeImageScanFindings")[0] is State.OK
    assert "ecr:CreateRepository" not in only(found, "writing")[1]


def test_repository__that_could_not_be_described() -> None:
    error = denied("DescribeRepositories")
    found = own(make_plan(), facts(error, standing=None))

    assert names(found, State.PROBLEM) == ["repository"]
    assert names(found, State.NOT_CHECKED) == ["account and region", "scanning", "tags"]
    assert not seen(found, "writing")
    assert failure(found) is error


def test_repository__to_be_created_is_judged_by_what_it_is_going_to_be() -> None:
    build = make_build(provenance="true", cache_to=(Cache.parse(f"{URI}:cache"),))
    plan = make_plan(create=Mutability.IMMUTABLE, source=build)
    found = own(plan, facts(ABSENT, standing=None))

    assert only(found, "repository") == (State.OK, f"{NAME} is to be created, scanned on push")
    assert only(found, "scanning")[0] is State.OK
    assert names(found, State.NOT_CHECKED) == ["tags"]
    assert names(found, State.PROBLEM) == ["caches", "candidate tag"]
    assert only(found, "writing")[1].startswith("ecr:CreateRepository, ecr:InitiateLayerUpload")
    movable = own(replace(plan, create=Mutability.MUTABLE), facts(ABSENT, standing=None))
    assert failure(movable) is None
    assert names(movable, State.NOT_CHECKED) == ["tags", "caches"]


@pytest.mark.parametrize("cache", ["candidate-1", "latest", "v1"])
def test_s4_repository__is_not_created_for_a_cache_under_a_tag_of_images(cache: str) -> None:
    build = make_build(cache_to=(Cache.parse(f"{URI}:{cache}"),))
    plan = make_plan(
        create=Mutability.MUTABLE, source=build, reserved=(Tag("v1"),), registry=RegistryId(ACCOUNT)
    )
    assert names(own(plan, facts(ABSENT, standing=None)), State.PROBLEM) == ["caches"]
    elsewhere = replace(plan, repository=Repository("other"))
    assert names(own(elsewhere, facts(ABSENT, standing=None)), State.PROBLEM) == []
    on_docker_hub = replace(build, cache_to=(Cache.parse(f"{NAME}:{cache}"),))
    away = replace(plan, source=on_docker_hub)
    assert names(own(away, facts(ABSENT, standing=None)), State.PROBLEM) == []


OTHER_HOST = "999999999999.dkr.ecr.eu-west-1.amazonaws.com"


@pytest.mark.parametrize(
    ("host", "plan", "wrong"),
    [
        (HOST, {}, False),
        (HOST.replace(".ecr.", ".ecr-fips."), {}, False),
        (OTHER_HOST, {}, True),
        (HOST.replace("eu-west-1", "eu-west-2"), {}, True),
        (OTHER_HOST, {"registry": RegistryId("999999999999")}, False),
        (HOST, {"registry": RegistryId("999999999999")}, True),
        (OTHER_HOST, {"role": None}, False),
        (HOST.replace("eu-west-1", "eu-west-2"), {"role": None}, True),
        # Where ECR itself is redirected, it alone knows its host.
        ("127.0.0.1:5000", {}, False),
        (None, {}, False),
    ],
)
def test_s4_repository__is_not_created_for_a_tag_of_another_registry(
    host: str | None,
    plan: dict[str, Any],
    wrong: bool,  # noqa: FBT001
) -> None:
    tag = FullTag(Tag("v1"), host, NAME if host else None)
    made = make_plan(create=Mutability.MUTABLE, release_tags=(tag,), **plan)
    found = own(made, facts(ABSENT, standing=None))
    assert names(found, State.PROBLEM) == ["tags"] * wrong
    assert names(found, State.NOT_CHECKED) == ["tags"] * (not wrong)


def test_s4_repository__that_would_never_be_scanned_is_not_created() -> None:
    found = own(make_plan(create=Mutability.MUTABLE), facts(Absent(scanning=ENHANCED_OFF)))
    assert names(found, State.PROBLEM) == ["scanning"]


@pytest.mark.parametrize(
    ("plan", "state", "wrong"),
    [
        ({"role": None}, {"registry_id": "999999999999"}, False),
        ({}, {"registry_id": "999999999999"}, True),
        ({}, {}, False),
        ({"registry": RegistryId(ACCOUNT)}, {}, False),
        ({"registry": RegistryId("999999999999")}, {}, True),
        ({"region": "eu-west-2"}, {}, True),
        ({}, {"arn": ARN.replace("eu-west-1", "eu-west-2")}, True),
    ],
)
def test_place__is_the_one_that_was_asked_for(
    plan: dict[str, Any],
    state: dict[str, Any],
    wrong: bool,  # noqa: FBT001
) -> None:
    found = own(make_plan(**plan), facts(make_state(**state)))
    how, said = only(found, "account and region")
    assert (how is State.PROBLEM) is wrong
    assert state.get("registry_id", ACCOUNT) in said


@pytest.mark.parametrize(
    ("scanning", "policy", "state", "said"),
    [
        (make_scanning(), {}, State.OK, "on push (basic)"),
        (
            Scanning(engine=ScanType.ENHANCED, frequency=Frequency.CONTINUOUS_SCAN),
            {},
            State.OK,
            "again whenever something new is known (enhanced)",
        ),
        (BY_HAND, {}, State.OK, "only when it is asked for"),
        (Scanning(), {}, State.NOTE, "ecr:GetRegistryScanningConfiguration"),
        (ENHANCED_OFF, {}, State.PROBLEM, "is never scanned"),
        (ENHANCED_OFF, {"report_only": True}, State.NOTE, "off, so no verdict will come"),
        (ENHANCED_OFF, {"timeout": OnUnjudged.WARN}, State.NOTE, "off, so no verdict"),
    ],
)
def test_scanning__each_way(
    scanning: Scanning, policy: dict[str, Any], state: State, said: str
) -> None:
    plan = make_plan(policy=make_policy(**policy))
    how, told = only(own(plan, facts(make_state(scanning=scanning))), "scanning")
    assert how is state
    assert said in told


# Drift ------------------------------------------------------------------------------------------

WANTS_IMMUTABLE = {"create": Mutability.IMMUTABLE, "mutability": Mutability.IMMUTABLE}
CREATES = {"create": Mutability.MUTABLE}


@pytest.mark.parametrize(
    ("plan", "state", "said"),
    [
        ({}, {}, []),
        ({}, {"scanning": BY_HAND}, ["scanOnPush=true"]),
        (CREATES, {"scanning": Scanning(), "scans_on_push": False}, ["scanOnPush=true"]),
        ({}, {"scanning": Scanning(), "scans_on_push": False}, []),
        (CREATES, {"scanning": Scanning()}, []),
        (CREATES, {"scans_on_push": False}, []),
        (CREATES, {"scanning": ENHANCED_OFF, "scans_on_push": False}, []),
        (CREATES, {"mutability": "IMMUTABLE"}, []),
        (WANTS_IMMUTABLE, {}, ["--image-tag-mutability IMMUTABLE"]),
        (WANTS_IMMUTABLE, {"mutability": "IMMUTABLE"}, []),
        (WANTS_IMMUTABLE, {"mutability": "IMMUTABLE_WITH_EXCLUSION"}, []),
        (WANTS_IMMUTABLE, {"created": True}, []),
        (
            WANTS_IMMUTABLE,
            {"scanning": BY_HAND},
            ["scanOnPush=true", "--image-tag-mutability IMMUTABLE"],
        ),
    ],
)
def test_drift__is_said_with_the_command_and_stops_nothing(
    plan: dict[str, Any], state: dict[str, Any], said: list[str]
) -> None:
    run, there = make_plan(**plan), make_state(**state)
    found = drift(run, there)

    assert len(found) == len(said)
    for text, part in zip(found, said, strict=True):
        assert part in text
        assert f"--repository-name {NAME} --region eu-west-1" in text
    noted = [text for state, text in seen(own(run, facts(there)), "settings")]
    assert noted == [*found]


# Tags -------------------------------------------------------------------------------------------


def held(origin: Origin | None = None, digest: Any = OTHER) -> Holder:
    return Holder(digest=digest, origin=origin)


BY_US = held(Origin(recipes=frozenset({"same"})), MINE)
FIXED = make_state(mutability="IMMUTABLE")


def test_tags__free_and_movable() -> None:
    found = own(tagged("v1", "latest"), facts(standing={LATEST: held()}))
    assert only(found, "tags") == (State.OK, "v1: free; latest: there, and can move")


def test_tags__each_that_is_taken_is_a_problem_of_its_own() -> None:
    standing = {V1: held(), LATEST: held()}
    found = own(tagged("v1", "latest", "v2"), facts(FIXED, standing=standing))
    assert [state for state, _ in seen(found, "tags")] == [State.PROBLEM] * 2
    assert "the tag v1 is on" in seen(found, "tags")[0][1]


def test_s5_tags__that_are_on_this_very_image_need_no_builder() -> None:
    plan = tagged("v1", source=MADE)
    found = facts(FIXED, standing={V1: BY_US})

    assert only(own(plan, found), "tags") == (State.OK, "v1: on this very image already")
    assert not pushes(plan, found)
    unasked = own(plan, replace(found, builder=None, login=None))
    assert only(unasked, "builder")[1].startswith("not needed")
    assert not seen(unasked, "ecr:GetAuthorizationToken")
    assert only(unasked, "writing")[1].startswith("ecr:PutImage: ")


@pytest.mark.parametrize(
    "source", [LocalImage(name="a"), Merge(digests=(MINE,)), Existing(reference=V1)]
)
def test_tags__taken_is_a_note_where_the_image_may_be_the_same(source: Source) -> None:
    found = own(tagged("v1", source=source), facts(FIXED, standing={V1: held()}))
    state, said = only(found, "tags")
    assert state is State.NOTE
    assert said.endswith("only that very image fits")
    assert not seen(found, "builder")


def test_tags__of_another_registry() -> None:
    plan = make_plan(release_tags=(FullTag(V1, "999999999999.dkr.ecr.eu-west-1.amazonaws.com"),))
    assert only(own(plan, facts(standing=None)), "tags")[0] is State.PROBLEM


def test_tags__that_could_not_be_asked_for() -> None:
    error = denied("BatchGetImage")
    found = own(make_plan(), facts(standing=error))
    assert failure(found) is error
    assert only(found, "tags")[0] is State.PROBLEM


def test_tags__that_are_withheld() -> None:
    plan = tagged(withheld="promote: never")
    assert only(own(plan, facts()), "tags") == (
        State.OK,
        "none is to be applied (promote: never)",
    )


@pytest.mark.parametrize(
    ("source", "standing", "found", "wanted"),
    [
        (MADE, {}, None, True),
        (MADE, {V1: BY_US}, None, False),
        (MADE, {V1: held()}, None, True),
        (MADE, {V1: held()}, FIXED, True),
        (MADE, {V1: BY_US}, ABSENT, True),
        (MADE, denied("BatchGetImage"), None, True),
        (LocalImage(name="a"), {V1: BY_US}, None, True),
        (Existing(reference=V1), {}, None, False),
        (Merge(digests=(MINE,)), {}, None, False),
    ],
)
def test_pushes__what_is_not_there_already(
    source: Source,
    standing: Any,
    found: Found | None,
    wanted: bool,  # noqa: FBT001
) -> None:
    assert pushes(tagged("v1", source=source), facts(found, standing=standing)) is wanted


# Caches, baseline -------------------------------------------------------------------------------


@pytest.mark.parametrize(("tag", "state"), [("cache", State.OK), (SHA[:7], State.PROBLEM)])
def test_caches__under_a_tag_of_images(tag: str, state: State) -> None:
    plan = make_plan(source=make_build(cache_to=(Cache.parse(f"{URI}:{tag}"),)))
    assert only(own(plan, facts()), "caches")[0] is state


@pytest.mark.parametrize(
    ("fact", "state"),
    [
        (True, State.OK),
        (denied("BatchGetImage"), State.PROBLEM),
        (Gap(kind=Unjudged.BASELINE, reason="it is gone"), State.NOTE),
        (None, State.NOT_CHECKED),
    ],
)
def test_baseline__each_way(fact: Any, state: State) -> None:
    found = own(make_plan(policy=BASELINE), facts(baseline=fact))
    assert only(found, "baseline")[0] is state
    assert not seen(own(make_plan(), facts(baseline=fact)), "baseline")


@pytest.mark.parametrize(
    ("plan", "found", "asked"),
    [
        ({"policy": BASELINE}, make_state(), True),
        ({}, make_state(), False),
        ({"policy": BASELINE}, ABSENT, False),
        ({"policy": BASELINE, "create": Mutability.MUTABLE}, ABSENT, True),
        ({"policy": ELSEWHERE}, ABSENT, True),
        ({"policy": BASELINE}, denied("DescribeRepositories"), False),
        ({"policy": ELSEWHERE}, denied("DescribeRepositories"), True),
        ({"policy": ELSEWHERE}, NoCredentials(), False),
        ({"policy": ELSEWHERE}, BUSY, False),
    ],
)
def test_baseline__is_asked_for_where_it_can_be(
    plan: dict[str, Any],
    found: Found,
    asked: bool,  # noqa: FBT001
) -> None:
    assert asks_for_baseline(make_plan(**plan), found) is asked


# The builder ------------------------------------------------------------------------------------

TWO = ("linux/amd64", "linux/arm64")


@pytest.mark.parametrize(
    ("build", "builder", "state", "wrong"),
    [
        ({}, DOCKER, FIXED, []),
        ({}, CLASSIC, FIXED, []),
        ({"platforms": TWO}, DOCKER, make_state(), []),
        ({"platforms": TWO}, OUTSIDE, FIXED, []),
        ({"platforms": TWO}, DOCKER, FIXED, ["candidate tag"]),
        ({"platforms": TWO}, CLASSIC, make_state(), ["builder"]),
        ({"provenance": "mode=max"}, CLASSIC, FIXED, ["builder", "candidate tag"]),
        ({"annotations": ("a=b",)}, CLASSIC, make_state(), ["builder"]),
        (
            {"sbom": "true", "cache_to": (Cache.parse("type=local,dest=x"),)},
            CLASSIC,
            make_state(),
            ["builder", "builder"],
        ),
    ],
)
def test_builder__all_that_it_cannot_do(
    build: dict[str, Any], builder: Builder, state: RepositoryState, wrong: list[str]
) -> None:
    found = own(make_plan(source=make_build(**build)), facts(state, builder=builder))
    assert names(found, State.PROBLEM) == wrong
    assert bool(seen(found, "builder")) is (wrong != ["candidate tag"])


@pytest.mark.parametrize(
    ("builder", "said"),
    [
        (DOCKER, "the Docker Engine, with its containerd image store"),
        (CLASSIC, "the Docker Engine, with its classic image store"),
        (OUTSIDE, "of the driver docker-container; BuildKit pushes by itself"),
    ],
)
def test_builder__is_said(builder: Builder, said: str) -> None:
    assert only(own(make_plan(), facts(builder=builder)), "builder") == (State.OK, said)


def test_builder__that_is_missing() -> None:
    error = BuilderMissing("native", "gone")
    assert failure(own(make_plan(), facts(builder=error))) is error


def test_builder__platform_that_it_does_not_name_is_a_note() -> None:
    builder = replace(OUTSIDE, platforms=("linux/amd64", "linux/arm64/v8"))
    plan = make_plan(source=make_build(platforms=("linux/arm64", "linux/s390x")))
    found = own(plan, facts(builder=builder))

    (note, ok) = seen(found, "builder")
    assert (note[0], ok[0]) == (State.NOTE, State.OK)
    assert "does not name linux/s390x among" in note[1]
    assert failure(found) is None


# Permissions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, State.OK),
        (NOT_THERE, State.OK),
        (BUSY, State.NOTE),
        (denied("DescribeImageScanFindings"), State.PROBLEM),
        (EXPIRED, State.PROBLEM),
        (NoCredentials(), State.PROBLEM),
    ],
)
def test_permission__what_a_probe_says(error: PublishError | None, state: State) -> None:
    found = own(make_plan(), facts(permissions={Permission.SCANS: error}))
    assert only(found, "ecr:DescribeImageScanFindings")[0] is state
    assert failure(found) is (error if state is State.PROBLEM else None)


@pytest.mark.parametrize(
    ("source", "lost"),
    [(MADE, "a re-run is not recognized"), (Merge(digests=(MINE,)), "only indexes can be merged")],
)
def test_permission__to_read_images_is_not_what_every_run_needs(source: Source, lost: str) -> None:
    permissions = {Permission.BLOBS: denied("GetDownloadUrlForLayer")}
    found = own(make_plan(source=source), facts(permissions=permissions))
    state, said = only(found, "ecr:GetDownloadUrlForLayer")
    assert state is State.NOTE
    assert lost in said
    assert failure(found) is None


ENHANCED = make_state(scanning=make_scanning(engine=ScanType.ENHANCED))
S, I, L, B, C = Permission  # noqa: E741 - a table


@pytest.mark.parametrize(
    ("plan", "found", "wanted"),
    [
        (tagged("v1"), make_state(), (S, L)),
        (tagged(), make_state(), (S, I, L)),
        (tagged("v1"), FIXED, (S, L, B)),
        (tagged("v1", source=LocalImage(name="a")), FIXED, (S, L)),
        (tagged("v1", source=Existing(reference=V1)), FIXED, (S,)),
        (tagged("v1", source=Merge(digests=(MINE,))), make_state(), (S, B)),
        (tagged("v1", only_forward=True), make_state(), (S, L, B)),
        (tagged("v1"), ENHANCED, (S, L, C)),
        (tagged("v1"), ABSENT, (S, I, L)),
        (tagged("v1", create=Mutability.IMMUTABLE), ABSENT, (S, I, L, B)),
        (tagged("v1"), Absent(scanning=ENHANCED.scanning), (S, I, L, C)),
        (tagged("v1"), denied("DescribeRepositories"), (S, I, L)),
        (tagged("v1"), BUSY, ()),
        (tagged("v1"), NoCredentials(), ()),
        (tagged("v1"), EXPIRED, ()),
    ],
)
def test_needed__what_nothing_else_asks_for(
    plan: Plan, found: Found, wanted: tuple[Permission, ...]
) -> None:
    assert needed(plan, found) == wanted


@pytest.mark.parametrize(
    ("found", "silent"),
    [(BUSY, True), (NoCredentials(), True), (EXPIRED, True), (denied("X"), False), (ABSENT, False)],
)
def test_is_silent__where_no_call_would_do_better(
    found: Found,
    silent: bool,  # noqa: FBT001
) -> None:
    assert is_silent(found) is silent


def test_permission__names_are_those_of_a_policy() -> None:
    assert Permission.SCANS.action == "ecr:DescribeImageScanFindings"
    assert Permission.COVERAGE.action == "inspector2:ListCoverage"


def test_login__that_is_refused() -> None:
    error = denied("GetAuthorizationToken")
    assert failure(own(make_plan(), facts(login=error))) is error


@pytest.mark.parametrize(
    ("plan", "found", "wanted"),
    [
        (
            make_plan(),
            make_state(scanning=BY_HAND),
            (
                "ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload, "
                "ecr:PutImage, ecr:StartImageScan, ecr:BatchDeleteImage"
            ),
        ),
        (tagged(source=Merge(digests=(MINE,))), make_state(), "ecr:PutImage, ecr:BatchDeleteImage"),
        (tagged("v1", source=Existing(reference=V1)), make_state(), "ecr:PutImage"),
        # Enhanced scans cannot be started.
        (
            tagged("v1", source=Existing(reference=V1)),
            make_state(scanning=ENHANCED_OFF),
            "ecr:PutImage",
        ),
    ],
)
def test_s4_writing__is_never_tried(plan: Plan, found: Found, wanted: str) -> None:
    state, said = only(own(plan, facts(found)), "writing")
    assert state is State.NOTE
    assert said == f"{wanted}: not tried, because that would change something"


def test_s4_writing__a_gate_alone_does_not() -> None:
    assert not seen(own(tagged(source=Existing(reference=V1)), facts()), "writing")


# Many images ------------------------------------------------------------------------------------


def test_merged__what_is_common_is_said_once() -> None:
    found = merged([own(make_plan(), facts()), own(make_plan(), facts(FIXED))])
    assert len(seen(found, "repository")) == 1


def test_named__what_is_common_has_no_name() -> None:
    found = checks(make_plan(), facts())
    of_web = {check.name for check in named("web", found)}
    assert {"OIDC token", "role", "ecr:GetAuthorizationToken", "web: repository"} <= of_web
    assert "web: role" not in of_web
    assert named("", found) == found


def test_of_bake__cache_where_an_image_goes() -> None:
    printed = (
        '{"group": {"default": {"targets": ["web"]}}, "target": {"web": {"context": ".", '
        f'"cache-to": ["type=registry,ref={HOST}/{NAME}:cache"]}}}}}}'
    )
    plan, to_be = make_plan(), make_plan(create=Mutability.MUTABLE)

    def caches(*images: tuple[Plan, Found]) -> Check | None:
        plans, found = [it[0] for it in images], [it[1] for it in images]
        return of_bake(definition(printed), plans, found)

    for images in ([(plan, make_state()), (plan, ABSENT)], [(plan, ABSENT), (to_be, ABSENT)]):
        check = caches(*images)
        assert check is not None
        assert (check.name, check.state) == ("caches", State.PROBLEM)
    assert caches((plan, make_state(name="other"))) is None
    assert caches((plan, ABSENT)) is None
    assert caches((replace(to_be, repository=Repository("other")), ABSENT)) is None


def test_permissions__an_error_that_is_not_known_is_a_note_and_no_permission() -> None:
    odd = CallFailed("BatchGetImage", "InvalidParameterException", "odd", transient=False)
    seen = facts(permissions={Permission.IMAGES: odd})
    (found,) = [it for it in checks(make_plan(), seen) if it.name == Permission.IMAGES.action]
    assert (found.state, found.said) == (State.NOTE, f"not known: {odd.what}")
