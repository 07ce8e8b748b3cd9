from dataclasses import fields, replace
from typing import Any

import pytest

from ecr_publish.cache import Cache
from ecr_publish.errors import InvalidInputs, NotScanned
from ecr_publish.findings import Severity, Threshold
from ecr_publish.inputs import Job, Mutability, OnFork, OnRefusal, OnUnjudged, Promote
from ecr_publish.origin import Commit
from ecr_publish.plan import (
    Build,
    Existing,
    LocalImage,
    Merge,
    Plan,
    Reports,
    RepositoryState,
    Source,
    local_contexts,
    make,
    refuse_caches,
    refuse_unscanned,
    release_tags,
)
from ecr_publish.policy import Policy, Rules
from ecr_publish.reference import FullTag, RegistryId, Repository, Tag
from ecr_publish.scan import Unjudged
from ecr_publish.scanning import Frequency, Scanning, ScanType
from ecr_publish.secret import Secret, SecretFile
from tests.factories import (
    HOST,
    NAME,
    ROLE,
    RUN_URL,
    SHA,
    URI,
    make_build,
    make_context,
    make_digest,
    make_inputs,
    make_plan,
    make_policy,
    make_role,
    make_state,
)

LATEST = Tag("latest")
SHORT = Tag("0123456")
ONLY = (make_digest(),)


def planned(context: dict[str, Any] | None = None, /, **inputs: Any) -> Plan:
    asked, run = make_inputs(**inputs), make_context(**(context or {}))
    return make(asked, run, None, rules=Rules(), nonce="0badcafe")


def test_make__defaults() -> None:
    assert planned() == make_plan()


def test_make__passes_on_what_was_asked() -> None:
    registry = RegistryId("210987654321")
    plan = planned(
        aws_region="us-east-1",
        registry=registry,
        allowed_account_ids=("111111111111",),
        repository=Repository("a/b"),
        scan_timeout=10,
        max_scan_age=20,
    )
    assert plan.allowed_accounts == ("111111111111",)
    assert (plan.region, plan.registry, plan.repository) == (
        "us-east-1",
        registry,
        Repository("a/b"),
    )
    assert (plan.scan_timeout, plan.max_scan_age) == (10, 20)


def test_make__candidate_is_unique_to_run_attempt_and_job() -> None:
    run = make_context(run_id="7", run_attempt="3")
    plan = make(make_inputs(), run, None, rules=Rules(), nonce="abc")
    assert plan.candidate == Tag("candidate-7-3-abc")


def test_role__none() -> None:
    assert planned(role_to_assume=None).role is None


def test_role__defaults() -> None:
    assert planned({"run_id": "7", "run_attempt": "3"}).role == make_role(
        arn=ROLE, session_name="ecr-publish-7-3", seconds=3600, audience="sts.amazonaws.com"
    )


def test_role__as_asked() -> None:
    role = planned(role_session_name="me", role_duration_seconds=900, audience="mine").role
    assert role == make_role(session_name="me", seconds=900, audience="mine")


@pytest.mark.parametrize(
    ("region", "audience"),
    [
        ("cn-north-1", "sts.amazonaws.com.cn"),
        ("cn-northwest-1", "sts.amazonaws.com.cn"),
        ("ca-central-1", "sts.amazonaws.com"),
        ("us-gov-east-1", "sts.amazonaws.com"),
    ],
)
def test_role__audience_of_the_partition(region: str, audience: str) -> None:
    role = planned(aws_region=region).role
    assert role is not None
    assert role.audience == audience


def test_role__own_audience_in_china() -> None:
    assert planned(aws_region="cn-north-1", audience="mine").role == make_role(audience="mine")


@pytest.mark.parametrize(
    ("create", "mutability", "expected"),
    [
        (False, None, None),
        (False, Mutability.IMMUTABLE, None),
        (True, None, Mutability.MUTABLE),
        (True, Mutability.MUTABLE, Mutability.MUTABLE),
        (True, Mutability.IMMUTABLE, Mutability.IMMUTABLE),
    ],
)
def test_create__as_asked(
    create: bool,  # noqa: FBT001
    mutability: Mutability | None,
    expected: Mutability | None,
) -> None:
    plan = planned(create_repository=create, image_tag_mutability=mutability)
    assert plan.create is expected


def test_source__build() -> None:
    asked: dict[str, Any] = {
        "context": "app",
        "file": "app/Dockerfile",
        "target": "final",
        "platforms": ("linux/amd64", "linux/arm64"),
        "build_args": ("A=1",),
        "labels": ("a=1",),
        "network": "none",
        "provenance": "mode=max",
        "sbom": "true",
        "builder": "native",
        "build_contexts": ("a=b",),
        "secret_files": (SecretFile(id="rc", path="npmrc"),),
        "ssh": ("default",),
        "annotations": ("a=b",),
        "cache_from": (Cache.parse("type=gha"),),
        "cache_to": (Cache.parse("type=inline"),),
        "no_cache": True,
        "no_cache_filters": ("one",),
        "pull": True,
        "add_hosts": ("a:b",),
        "shm_size": "2g",
        "ulimit": ("nofile=1",),
        "cgroup_parent": "builds",
        "allow": ("network.host",),
    }
    plan = planned(**asked, secrets=(NPM,), secret_envs=(PIP,))
    assert plan.source == Build(**asked, secrets=(NPM, PIP), recipe="", epoch=None)
    assert {field.name for field in fields(Build)} == {*asked, "secrets", "recipe", "epoch"}


def test_source__context_by_default() -> None:
    assert planned().source == make_build(context=".")


def test_source__image() -> None:
    assert planned(image="app:test").source == LocalImage(name="app:test")


NPM = Secret(id="npm", variable="ECR_PUBLISH_SECRET_1", value="hunter2")
PIP = Secret(id="pip", variable="PIP_TOKEN", value="hunter3")
COMMIT = Commit(sha="f" * 40, time=1_763_900_000)


def built(commit: Commit | None = COMMIT, **inputs: Any) -> Build:
    plan = make(make_inputs(**inputs), make_context(), commit, rules=Rules(), nonce="0badcafe")
    source = plan.source
    assert isinstance(source, Build)
    return source


def test_source__build_of_a_commit_is_signed() -> None:
    build = built(labels=("a=1",))
    assert len(build.recipe) == 64
    assert build == make_build(
        labels=(
            f"org.opencontainers.image.revision={COMMIT.sha}",
            "a=1",
            f"ecr-publish.recipe={build.recipe}",
            "ecr-publish.committed=1763900000",
        ),
        recipe=build.recipe,
        epoch=1_763_900_000,
    )


@pytest.mark.parametrize(
    ("commit", "inputs"),
    [(replace(COMMIT, clean=False), {}), (COMMIT, {"build_args": ("TOKEN",)})],
    ids=["changed checkout", "argument from elsewhere"],
)
def test_s5_source__build_that_is_not_known_again_still_says_its_commit(
    commit: Commit, inputs: dict[str, Any]
) -> None:
    build = built(commit, labels=("a=1",), **inputs)
    assert (build.recipe, build.epoch) == ("", COMMIT.time)
    assert build.labels == (
        f"org.opencontainers.image.revision={COMMIT.sha}",
        "a=1",
        "ecr-publish.recipe=",
        "ecr-publish.committed=1763900000",
    )


def test_source__time_in_a_label_is_written_all_the_same() -> None:
    stated = "org.opencontainers.image.created=2026-11-23T12:00:00Z"
    assert stated in built(labels=(stated,)).labels


def test_source__build_of_no_commit_says_nothing() -> None:
    assert built(None, labels=("a=1",)) == make_build(labels=("a=1",), recipe="", epoch=None)


@pytest.mark.parametrize(
    ("inputs", "source"),
    [
        ({"job": Job.GATE, "reference": Tag("1.4.2")}, Existing(reference=Tag("1.4.2"))),
        ({"job": Job.GATE, "reference": make_digest()}, Existing(reference=make_digest())),
        ({"job": Job.GATE, "reference": SHORT, "image": "app:1"}, Existing(reference=SHORT)),
        (
            {"job": Job.MERGE, "digests": (make_digest("a"), make_digest("b"))},
            Merge(digests=(make_digest("a"), make_digest("b"))),
        ),
        (
            {"job": Job.MERGE, "digests": ONLY, "image": "app:1"},
            Merge(digests=ONLY),
        ),
        (
            {"reference": SHORT, "digests": ONLY, "image": "app:1"},
            LocalImage(name="app:1"),
        ),
    ],
)
def test_source__of_each_action(inputs: dict[str, Any], source: Source) -> None:
    plan = make(make_inputs(**inputs), make_context(), COMMIT, rules=Rules(), nonce="0badcafe")
    assert plan.source == source


def test_source__of_publish_is_a_build_whatever_else_is_named() -> None:
    source = planned(reference=SHORT, digests=ONLY).source
    assert source == make_build()


PINNED = f"base=docker-image://r.io/base@{make_digest()}"


@pytest.mark.parametrize(
    "inputs",
    [
        {"build_contexts": ("lib=../lib",)},
        {"build_contexts": (PINNED,)},
        {"secrets": (NPM,)},
        {"secret_envs": (PIP,)},
        {"secret_files": (SecretFile(id="npm", path="a"),)},
        {"ssh": ("default",)},
        {"annotations": ("a=b",)},
        {"add_hosts": ("a:b",)},
        {"shm_size": "2g"},
        {"ulimit": ("nofile=1",)},
        {"cgroup_parent": "builds"},
        {"allow": ("network.host",)},
        {"sbom": "true"},
    ],
)
def test_s5_recipe__knows_what_decides_the_image(inputs: dict[str, Any]) -> None:
    assert built(**inputs).recipe not in ("", built().recipe)
    assert built(**inputs).recipe == built(**inputs).recipe


@pytest.mark.parametrize(
    "inputs",
    [
        {"cache_from": (Cache.parse("type=gha"),)},
        {"cache_to": (Cache.parse("type=gha"),)},
        {"no_cache": True},
        {"no_cache_filters": ("one",)},
        {"pull": True},
        {"builder": "native"},
    ],
)
def test_s5_recipe__is_the_same_whatever_is_cached(inputs: dict[str, Any]) -> None:
    assert built(**inputs).recipe == built().recipe


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"secrets": (NPM,)}, {"secrets": (replace(NPM, value="hunter4"),)}),
        ({"secrets": (NPM,)}, {"secret_envs": (replace(NPM, variable="NPM_TOKEN"),)}),
        (
            {"secret_files": (SecretFile(id="npm", path="a"),)},
            {"secret_files": (SecretFile(id="npm", path="b"),)},
        ),
        ({"ssh": ("a=one",)}, {"ssh": ("a=two",)}),
    ],
)
def test_s5_recipe__of_a_secret_the_name_counts_and_not_the_value(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert built(**one).recipe == built(**other).recipe != ""


def test_s5_recipe__secret_and_file_of_a_secret_are_two_things() -> None:
    file = SecretFile(id="npm", path="a")
    assert built(secrets=(NPM,)).recipe != built(secret_files=(file,)).recipe


@pytest.mark.parametrize(
    "context",
    [
        "https://github.com/org/lib.git#main",
        "git@github.com:org/lib.git",
        "docker-image://alpine:3",
        f"docker-image://{make_digest()}",
        f"docker-image://r.io/base@{make_digest()}x",
        "oci-layout://folder",
        "target:other",
    ],
)
def test_s5_recipe__none_where_a_further_context_is_not_pinned(context: str) -> None:
    assert built(build_contexts=("lib=.", f"a={context}")).recipe == ""


def test_local_contexts__are_paths() -> None:
    contexts = ("a=lib", "b=../lib", "c=/srv/lib", PINNED, "d=git@host:lib", "e=a=b")
    assert local_contexts(contexts) == ("lib", "../lib", "/srv/lib", "a=b")


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        (f"{URI}:buildcache", True),
        (f"type=registry,ref={HOST}/caches:app", True),
        ("ghcr.io/org/app:buildcache", False),
        (f"type=local,ref={URI}:buildcache", False),
        ("type=gha", False),
    ],
)
def test_needs_login__for_a_cache_in_the_registry(line: str, needed: bool) -> None:  # noqa: FBT001
    cache = (Cache.parse(line),)
    assert make_build(cache_from=cache).needs_login(HOST) is needed
    assert make_build(cache_to=cache).needs_login(HOST) is needed
    assert not make_build().needs_login(HOST)


def refused_cache(line: str, state: RepositoryState | None = None, **plan: Any) -> tuple[str, ...]:
    """What is said against a cache that is to be written."""
    build = make_build(cache_to=(Cache.parse("type=gha"), Cache.parse(line)))
    try:
        refuse_caches(make_plan(source=build, **plan), state or make_state())
    except InvalidInputs as error:
        return error.problems
    return ()


@pytest.mark.parametrize(
    "line",
    [
        f"{URI}:latest",
        URI,
        f"{URI}:{SHORT}",
        f"{URI}:candidate-1-1-0",
        f"type=registry,mode=max,ref={URI}:{SHORT}",
        f"123456789012.dkr-ecr.eu-west-1.on.aws/{NAME}:latest",
    ],
)
def test_s4_refuse_caches__never_under_a_tag_of_images(line: str) -> None:
    (problem,) = refused_cache(line)
    assert problem.startswith(f"cache-to: {NAME}:")
    assert "is a tag of images" in problem
    assert f"{NAME}:buildcache" in problem


@pytest.mark.parametrize(
    "line",
    [
        f"{URI}:buildcache",
        f"{HOST}/caches:latest",
        f"ghcr.io/{NAME}:latest",
        f"999999999999.dkr.ecr.eu-west-1.amazonaws.com/{NAME}:latest",
        f"123456789012.dkr.ecr.eu-west-2.amazonaws.com/{NAME}:latest",
        "type=inline",
    ],
)
def test_refuse_caches__not_elsewhere(line: str) -> None:
    assert refused_cache(line) == ()


def test_s1_refuse_caches__tags_that_are_withheld_are_not_for_caches_either() -> None:
    plan = planned({"from_pull_request": True}, tags=("1.4.2",))
    assert plan.release_tags == ()
    (problem,) = refused_cache(f"{URI}:1.4.2", reserved=plan.reserved)
    assert "1.4.2 is a tag of images" in problem


def test_refuse_caches__tag_that_cannot_move() -> None:
    fixed = make_state(mutability="IMMUTABLE")
    (problem,) = refused_cache(f"{URI}:buildcache", fixed)
    assert "buildcache cannot move, so only one run could ever write it; exclude" in problem
    excluded = make_state(mutability="IMMUTABLE_WITH_EXCLUSION", exclusions=("buildcache*",))
    assert refused_cache(f"{URI}:buildcache", excluded) == ()


def test_refuse_caches__all_at_once_and_only_what_is_written() -> None:
    caches = (Cache.parse(f"{URI}:latest"), Cache.parse(f"{URI}:{SHORT}"))
    refuse_caches(make_plan(source=make_build(cache_from=caches)), make_state())
    refuse_caches(make_plan(source=LocalImage(name="a")), make_state())
    with pytest.raises(InvalidInputs) as caught:
        refuse_caches(make_plan(source=make_build(cache_to=caches)), make_state())
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    "inputs", [{"pull": True}, {"no_cache": True}, {"no_cache_filters": ("one",)}]
)
def test_rebuild__where_no_cache_is_wanted(inputs: dict[str, Any]) -> None:
    assert planned(**inputs).rebuild is True
    assert planned(**inputs, rebuild=False).rebuild is False


@pytest.mark.parametrize(
    ("asked", "scheduled", "rebuild"),
    [
        (None, False, False),
        (None, True, True),
        (True, False, True),
        (True, True, True),
        (False, False, False),
        (False, True, False),
    ],
)
def test_rebuild__as_asked_or_on_schedule(
    asked: bool | None,  # noqa: FBT001
    scheduled: bool,  # noqa: FBT001
    rebuild: bool,  # noqa: FBT001
) -> None:
    assert planned({"scheduled": scheduled}, rebuild=asked).rebuild is rebuild


@pytest.mark.parametrize("asked", [False, True])
def test_only_forward__as_asked(asked: bool) -> None:  # noqa: FBT001
    assert planned(promote_only_forward=asked).only_forward is asked


def test_source__build_args_stay_out_of_the_repr() -> None:
    assert "hunter2" not in repr(planned(build_args=("TOKEN=hunter2",)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("on_timeout", Unjudged.TIMEOUT),
        ("on_unsupported", Unjudged.UNSUPPORTED),
        ("on_scan_error", Unjudged.ERROR),
    ],
)
def test_policy__each_case_has_its_own_input(name: str, kind: Unjudged) -> None:
    policy = planned(**{name: OnUnjudged.WARN}).policy
    warned = [case for case in Unjudged if policy.on_unjudged[case] is OnUnjudged.WARN]
    assert warned == [kind]


def test_policy__rules_as_they_are_and_report_only() -> None:
    rules = Rules(severity_threshold=Threshold.LOW, unknown_severity=Severity.MEDIUM)
    asked = make_inputs(severity_threshold=Threshold.NONE, report_only=True)
    assert make(asked, make_context(), None, rules=rules, nonce="0badcafe").policy == Policy(
        rules=rules,
        on_unjudged=dict.fromkeys(Unjudged, OnUnjudged.FAIL),
        report_only=True,
    )


PULL = {"from_pull_request": True, "branch": "feature"}
ON_PULL = "this is a pull request, and promote is not `always`"


@pytest.mark.parametrize(
    ("context", "inputs", "withheld"),
    [
        ({}, {}, ""),
        ({}, {"promote": Promote.ALWAYS}, ""),
        ({}, {"promote": Promote.NEVER}, "promote: never"),
        (PULL, {}, ON_PULL),
        (PULL, {"promote": Promote.ALWAYS}, ""),
        (PULL, {"promote": Promote.NEVER}, "promote: never"),
        ({}, {"job": Job.MERGE}, ""),
        (PULL, {"job": Job.MERGE}, ON_PULL),
        ({}, {"job": Job.MERGE, "promote": Promote.NEVER}, "promote: never"),
        ({}, {"job": Job.GATE}, "promote-to names none"),
        (PULL, {"job": Job.GATE}, "promote-to names none"),
        ({}, {"job": Job.GATE, "tags": ("a",)}, "promote-to names none"),
        ({}, {"job": Job.GATE, "promote_to": ("a",)}, ""),
        (PULL, {"job": Job.GATE, "promote_to": ("a",)}, ""),
    ],
)
def test_s1_withheld__when_no_release_tag_is_applied(
    context: dict[str, Any], inputs: dict[str, Any], withheld: str
) -> None:
    plan = planned(context, reference=SHORT, digests=ONLY, **inputs)
    assert plan.withheld == withheld
    assert bool(plan.release_tags) is not bool(withheld)
    if withheld:
        assert release_tags(plan, make_state()) == ()


def test_withheld__tags_of_the_user_are_withheld_too() -> None:
    assert planned(PULL, tags=("1.4.2", "latest")).release_tags == ()


RESTRICTED = PULL | {"from_fork": True, "restricted": True}


@pytest.mark.parametrize("on_fork", OnFork)
@pytest.mark.parametrize(
    ("context", "inputs", "decided"),
    [
        (RESTRICTED, {}, True),
        (RESTRICTED, {"role_to_assume": None}, True),
        (RESTRICTED, {"image": "app:built"}, True),
        (RESTRICTED | {"restricted": False}, {}, False),
        (RESTRICTED | {"restricted": False}, {"job": Job.GATE, "reference": SHORT}, False),
        (RESTRICTED | {"restricted": False}, {"job": Job.MERGE, "digests": ONLY}, False),
        (PULL, {}, False),
        ({}, {}, False),
    ],
)
def test_s2_on_fork__for_a_build_of_a_restricted_run_alone(
    context: dict[str, Any],
    inputs: dict[str, Any],
    decided: bool,  # noqa: FBT001
    on_fork: OnFork,
) -> None:
    assert planned(context, on_fork=on_fork, **inputs).on_fork is (on_fork if decided else None)


@pytest.mark.parametrize("on_fork", OnFork)
@pytest.mark.parametrize("role", [{}, {"role_to_assume": None}], ids=["role", "ambient"])
@pytest.mark.parametrize(
    "job",
    [
        {"job": Job.GATE, "reference": SHORT, "promote_to": ("stable",)},
        {"job": Job.MERGE, "digests": ONLY, "promote": Promote.ALWAYS},
    ],
)
def test_s1_on_fork__fails_what_can_do_nothing_without_credentials(
    job: dict[str, Any], role: dict[str, Any], on_fork: OnFork
) -> None:
    plan = planned(RESTRICTED, on_fork=on_fork, **job, **role)
    assert plan.on_fork is OnFork.FAIL
    assert (plan.release_tags, plan.withheld) == ((), "this is a pull request from a fork")


@pytest.mark.parametrize("promote", Promote)
@pytest.mark.parametrize("on_fork", OnFork)
def test_s1_on_fork__has_no_release_tags_whatever_is_asked(
    promote: Promote, on_fork: OnFork
) -> None:
    plan = planned(RESTRICTED, on_fork=on_fork, promote=promote, tags=("1.4.2", "{branch}"))
    assert (plan.release_tags, plan.latest_if_movable) == ((), False)
    assert release_tags(plan, make_state()) == ()


WITHHELD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (PULL, {}),
    (PULL | {"from_fork": True}, {}),
    (PULL, {"job": Job.MERGE, "digests": ONLY}),
    ({}, {"promote": Promote.NEVER}),
]


@pytest.mark.parametrize(("context", "inputs"), WITHHELD, ids=["pull", "fork", "merge", "never"])
@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{sha", "'{sha' is not a tag"),
        ("not fine", "'not fine' is not a tag"),
        ("candidate-1", "'candidate-1' looks like a candidate tag"),
        (f"{HOST}/other:1", f"for the repository other, but this run publishes to {NAME}"),
        (f"{HOST}/{NAME}", "is a reference without a tag"),
        ("x" * 125 + "{branch}", "is not a tag"),
    ],
)
def test_withheld__mistake_in_a_tag_shows_before_the_merge(
    context: dict[str, Any], inputs: dict[str, Any], template: str, expected: str
) -> None:
    with pytest.raises(InvalidInputs) as caught:
        planned(context, tags=("fine", template), **inputs)
    (only,) = caught.value.problems
    assert only.startswith("tags: ")
    assert expected in only


@pytest.mark.parametrize(("context", "inputs"), WITHHELD, ids=["pull", "fork", "merge", "never"])
@pytest.mark.parametrize("branch", ["é", "candidate-1", "b" * 129, None])
def test_withheld__branch_s_own_name_is_no_mistake(
    context: dict[str, Any], inputs: dict[str, Any], branch: str | None
) -> None:
    plan = planned(context | {"branch": branch}, tags=("{branch}", "v-{branch}"), **inputs)
    assert plan.release_tags == ()


@pytest.mark.parametrize("default_branch", ["main", "x/y", None, "b" * 128])
def test_withheld__default_branch_that_fits(default_branch: str | None) -> None:
    context = PULL | {"default_branch": default_branch}
    assert planned(context, tags=("{branch}",)).release_tags == ()


@pytest.mark.parametrize("default_branch", ["b" * 129, "candidate-1", "é"])
def test_withheld__default_branch_that_does_not_fit(default_branch: str) -> None:
    with pytest.raises(InvalidInputs):
        planned(PULL | {"default_branch": default_branch}, tags=("{branch}",))


def test_s1_withheld__release_tag_of_a_merge_queue() -> None:
    queued = {"from_pull_request": True, "branch": "gh-readonly-queue/main/pr-7-0123456"}
    plan = planned(queued, tags=("{branch}",))
    assert plan.withheld == ON_PULL
    assert plan.release_tags == ()


def test_tags__branch_of_a_fork_is_refused_where_they_are_applied() -> None:
    fork = PULL | {"from_fork": True}
    with pytest.raises(InvalidInputs, match="would take the branch of a fork"):
        planned(fork, tags=("{branch}",), promote=Promote.ALWAYS)


@pytest.mark.parametrize(
    ("promote", "keeps"),
    [(Promote.AUTO, False), (Promote.ALWAYS, False), (Promote.NEVER, True)],
)
@pytest.mark.parametrize("context", [{}, PULL])
def test_keeps_passed__only_for_gate_and_merge(
    context: dict[str, Any],
    promote: Promote,
    keeps: bool,  # noqa: FBT001
) -> None:
    for on_refusal in (None, *OnRefusal):
        assert planned(context, promote=promote, on_refusal=on_refusal).keeps_passed is keeps


@pytest.mark.parametrize(
    ("context", "promote", "keeps"),
    [
        ({}, Promote.AUTO, True),
        ({}, Promote.ALWAYS, True),
        ({}, Promote.NEVER, True),
        (PULL, Promote.AUTO, False),
        (PULL, Promote.ALWAYS, True),
        (PULL, Promote.NEVER, True),
    ],
)
def test_keeps_refused__as_asked_or_not_on_a_pull_request(
    context: dict[str, Any],
    promote: Promote,
    keeps: bool,  # noqa: FBT001
) -> None:
    def kept(on_refusal: OnRefusal | None) -> bool:
        return planned(context, promote=promote, on_refusal=on_refusal).keeps_refused

    assert [kept(None), kept(OnRefusal.KEEP), kept(OnRefusal.DELETE)] == [keeps, True, False]


def test_gate__tags_are_those_of_promote_to() -> None:
    plan = planned(job=Job.GATE, reference=SHORT, promote_to=("v-{sha}",), tags=("other",))
    assert plan.release_tags == (FullTag(Tag(f"v-{SHA}")),)
    assert not plan.latest_if_movable


def test_gate__problem_names_its_own_input() -> None:
    with pytest.raises(InvalidInputs) as caught:
        planned({"branch": None}, job=Job.GATE, reference=SHORT, promote_to=("{branch}",))
    (only,) = caught.value.problems
    assert only.startswith("promote-to: '{branch}' needs a branch")


def tags(*templates: str, **context: Any) -> tuple[FullTag, ...]:
    return planned(context, tags=templates).release_tags


@pytest.mark.parametrize(
    ("template", "branch", "tag"),
    [
        ("1.4.2", "main", "1.4.2"),
        ("{sha}", "main", SHA),
        ("{short-sha}", "main", "0123456"),
        ("{branch}", "main", "main"),
        ("v1-{branch}-{short-sha}", "main", "v1-main-0123456"),
        ("{branch}", "feature/a b#c", "feature-a-b-c"),
        ("{branch}", "-.x/é/y.-", "x-y"),
        ("{branch}", "a{sha}", "a-sha"),
        ("{branch}", "UPPER_case.1", "UPPER_case.1"),
        ("{branch}", "b" * 128, "b" * 128),
        ("{sha}", None, SHA),
    ],
)
def test_tags__rendered(template: str, branch: str | None, tag: str) -> None:
    assert tags(template, branch=branch) == (FullTag(Tag(tag)),)


def test_tags__fork_without_its_branch() -> None:
    assert tags("{short-sha}", from_fork=True) == (FullTag(SHORT),)


def test_tags__full_reference() -> None:
    assert tags(f"{HOST}/{NAME}:{{short-sha}}") == (FullTag(SHORT, HOST, NAME),)


def test_tags__order_is_kept() -> None:
    assert tags("b", "a") == (FullTag(Tag("b")), FullTag(Tag("a")))


@pytest.mark.parametrize(
    ("template", "context", "expected"),
    [
        ("{branch}", {"branch": None}, "'{branch}' needs a branch, and this run has none"),
        ("v-{branch}", {"from_fork": True}, "'v-{branch}' would take the branch of a fork"),
        ("{branch}", {"branch": "b" * 129}, "is not a tag"),
        ("{branch}", {"branch": "é"}, "'' is not a tag"),
        ("{sha", {}, "'{sha' is not a tag"),
        ("candidate-1", {}, "'candidate-1' looks like a candidate tag"),
        ("{branch}", {"branch": "candidate-1"}, "looks like a candidate tag"),
        (
            f"{HOST}/other:1",
            {},
            f"is written for the repository other, but this run publishes to {NAME}",
        ),
        (f"{HOST}/{NAME}", {}, "is a reference without a tag"),
    ],
)
def test_tags__refused(template: str, context: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        tags(template, **context)
    (only,) = caught.value.problems
    assert only.startswith("tags: ")
    assert expected in only


def test_tags__all_problems_at_once() -> None:
    with pytest.raises(InvalidInputs) as caught:
        tags("fine", "not fine", "{branch}", branch=None)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ({"branch": "main", "default_branch": "main"}, True),
        ({"branch": "trunk", "default_branch": "trunk"}, True),
        ({"branch": "feature", "default_branch": "main"}, False),
        ({"branch": None, "default_branch": "main"}, False),
        ({"branch": "main", "default_branch": None}, False),
        ({"branch": None, "default_branch": None}, False),
        ({"branch": "main", "default_branch": "main", "from_pull_request": True}, False),
    ],
)
@pytest.mark.parametrize("promote", [Promote.AUTO, Promote.ALWAYS])
@pytest.mark.parametrize("job", [Job.PUBLISH, Job.MERGE])
def test_latest__on_the_default_branch_only(
    context: dict[str, Any],
    expected: bool,  # noqa: FBT001
    promote: Promote,
    job: Job,
) -> None:
    assert planned(context, promote=promote, job=job).latest_if_movable is expected


@pytest.mark.parametrize("inputs", [{"promote": Promote.NEVER}, {"job": Job.GATE}])
def test_s1_latest__not_where_tags_are_withheld(inputs: dict[str, Any]) -> None:
    plan = planned(reference=SHORT, **inputs)
    assert plan.withheld
    assert not plan.latest_if_movable


def test_latest__not_beside_tags_of_the_user() -> None:
    assert not planned(tags=("1",)).latest_if_movable


@pytest.mark.parametrize(
    ("plan", "mutability", "expected"),
    [
        ({}, "MUTABLE", (SHORT, LATEST)),
        ({}, "IMMUTABLE", (SHORT,)),
        ({"latest_if_movable": False}, "MUTABLE", (SHORT,)),
    ],
)
def test_release_tags__latest_where_it_can_move(
    plan: dict[str, Any], mutability: str, expected: tuple[Tag, ...]
) -> None:
    assert release_tags(make_plan(**plan), make_state(mutability=mutability)) == expected


def test_release_tags__each_once_in_order() -> None:
    named = tuple(FullTag(Tag(text)) for text in ("b", "latest", "a", "b"))
    assert release_tags(make_plan(release_tags=named), make_state()) == (
        Tag("b"),
        LATEST,
        Tag("a"),
    )


def test_release_tags__own_registry() -> None:
    plan = make_plan(release_tags=(FullTag(SHORT, HOST, NAME),), latest_if_movable=False)
    assert release_tags(plan, make_state(host=HOST)) == (SHORT,)


def test_release_tags__other_registries() -> None:
    foreign = (FullTag(Tag("a"), "x.io", NAME), FullTag(SHORT), FullTag(Tag("b"), "y.io", NAME))
    with pytest.raises(InvalidInputs) as caught:
        release_tags(make_plan(release_tags=foreign), make_state())
    assert caught.value.problems == (
        f"tags: a is written for the registry x.io, but this run publishes to {HOST}",
        f"tags: b is written for the registry y.io, but this run publishes to {HOST}",
    )


@pytest.mark.parametrize(
    ("mutability", "exclusions", "movable"),
    [
        ("MUTABLE", (), True),
        ("MUTABLE", ("latest",), True),
        ("IMMUTABLE", (), False),
        ("IMMUTABLE", ("latest",), False),
        ("IMMUTABLE_WITH_EXCLUSION", ("latest",), True),
        ("IMMUTABLE_WITH_EXCLUSION", ("v1", "lat*"), True),
        ("IMMUTABLE_WITH_EXCLUSION", ("*",), True),
        ("IMMUTABLE_WITH_EXCLUSION", ("l*t*t",), True),
        ("IMMUTABLE_WITH_EXCLUSION", ("v*",), False),
        ("IMMUTABLE_WITH_EXCLUSION", ("late",), False),
        ("IMMUTABLE_WITH_EXCLUSION", ("test",), False),
        ("IMMUTABLE_WITH_EXCLUSION", ("l.test",), False),
        ("IMMUTABLE_WITH_EXCLUSION", (), False),
        ("MUTABLE_WITH_EXCLUSION", ("latest",), False),
        ("MUTABLE_WITH_EXCLUSION", ("v*",), True),
        ("MUTABLE_WITH_EXCLUSION", (), True),
        ("SOMETHING_NEW", (), False),
        ("", ("latest",), False),
    ],
)
def test_can_move__by_mode_and_exclusions(
    mutability: str,
    exclusions: tuple[str, ...],
    movable: bool,  # noqa: FBT001
) -> None:
    assert make_state(mutability=mutability, exclusions=exclusions).can_move(LATEST) is movable


def test_uri__host_and_name() -> None:
    assert make_state(host="h.io", name="a/b").uri == "h.io/a/b"


OFF = Scanning(engine=ScanType.ENHANCED, frequency=Frequency.MANUAL)
CERTAIN_ONLY = [
    Scanning(engine=engine, frequency=frequency) for engine in ScanType for frequency in Frequency
]


@pytest.mark.parametrize("scanning", CERTAIN_ONLY)
def test_refuse_unscanned__only_where_that_is_certain(scanning: Scanning) -> None:
    plan, state = make_plan(), make_state(scanning=scanning)

    if scanning != OFF:
        refuse_unscanned(plan, state)
        return
    with pytest.raises(NotScanned) as caught:
        refuse_unscanned(plan, state)
    assert NAME in caught.value.what
    assert plan.region in caught.value.fix


@pytest.mark.parametrize(
    ("policy", "refused"),
    [
        ({}, True),
        ({"timeout": OnUnjudged.WARN}, False),
        ({"report_only": True}, False),
        ({"error": OnUnjudged.WARN, "unsupported": OnUnjudged.WARN}, True),
        ({"threshold": Threshold.NONE}, True),
    ],
)
def test_refuse_unscanned__not_where_the_user_can_do_without_a_verdict(
    policy: dict[str, Any],
    refused: bool,  # noqa: FBT001
) -> None:
    plan, state = make_plan(policy=make_policy(**policy)), make_state(scanning=OFF)

    if refused:
        with pytest.raises(NotScanned):
            refuse_unscanned(plan, state)
    else:
        refuse_unscanned(plan, state)


HEAD = "e" * 40


def test_reports__all() -> None:
    plan = planned(
        {"head_sha": HEAD, "pull_request": 7, "run_url": "https://ghes.example/run"},
        github_token="hunter2",
        check_run=True,
        comment=True,
        sarif_file="a.sarif",
        report_file=("a.json", "a.csv"),
    )

    assert plan.reports == Reports(
        files=("a.json", "a.csv"),
        sarif="a.sarif",
        check_on=HEAD,
        comment_on=7,
        run_url="https://ghes.example/run",
        token="hunter2",
    )


@pytest.mark.parametrize("pull_request", [None, 7])
def test_reports__only_what_is_asked_for(pull_request: int | None) -> None:
    plan = planned({"head_sha": HEAD, "pull_request": pull_request}, github_token="x")

    assert plan.reports == Reports(run_url=RUN_URL)


def test_reports__comment_needs_a_pull_request() -> None:
    assert planned(comment=True).reports.comment_on is None
    assert planned({"pull_request": 7}, comment=True).reports.comment_on == 7


def test_s3_reports__token_is_in_no_repr() -> None:
    plan = planned(github_token="hunter2", check_run=True)

    assert plan.reports.token == "hunter2"
    assert "hunter2" not in repr(plan)


def test_reports__each_file_is_written_once() -> None:
    plan = planned(report_file=("b.json", "a.html", "b.json"))

    assert plan.reports.files == ("b.json", "a.html")


# In a terminal --------------------------------------------------------------------------------


@pytest.mark.parametrize("template", ["{sha}", "v-{short-sha}", ""])
def test_tags__of_a_commit_need_one(template: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        planned({"sha": ""}, tags=(template,) if template else ())
    (only,) = caught.value.problems
    assert only.startswith(f"tags: {template or '{short-sha}'!r} needs a commit, and there is none")


def test_tags__without_a_commit_are_those_that_need_none() -> None:
    assert planned({"sha": ""}, tags=("1.4.2", "{branch}")).reserved == (Tag("1.4.2"), Tag("main"))


@pytest.mark.parametrize(
    "inputs",
    [{"job": Job.GATE, "reference": SHORT}, {"promote": Promote.NEVER, "tags": ("{sha}",)}],
)
def test_withheld__tags_need_no_commit(inputs: dict[str, Any]) -> None:
    assert planned({"sha": ""}, **inputs).release_tags == ()
