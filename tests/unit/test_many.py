"""The corridor for many images, on typed fakes: what one image's end means for the others."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ecr_publish.build import Builder
from ecr_publish.edges.ports import Login
from ecr_publish.errors import (
    BuilderMissing,
    BuildFailed,
    ExitCode,
    NoCredentials,
    PublishError,
    PushFailed,
    RepositoryMissing,
)
from ecr_publish.findings import Page
from ecr_publish.main import run
from ecr_publish.origin import COMMITTED, Commit, Origin
from ecr_publish.plan import Absent, RepositoryState
from ecr_publish.reference import Digest, Tag
from ecr_publish.report.check import Conclusion
from ecr_publish.scan import Coverage, NoScan
from ecr_publish.scanning import ScanType
from tests.factories import (
    ARN,
    COMPLETED_AT,
    HOST,
    NAME,
    SHA,
    make_finding,
    make_manifest,
    make_page,
    make_scanning,
    make_state,
)
from tests.fakes import (
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeGitHub,
    FakeRegistry,
    FakeWorkflow,
    denied,
    edges,
)

NAMES = ("web", "api", "job")
CLEAN = make_page(completed_at=COMPLETED_AT)
BAD = make_page(make_finding("CVE-1"), completed_at=COMPLETED_AT)
HEAD = Commit(sha=SHA, time=5)
ENVIRON = {
    "GITHUB_SHA": SHA,
    "GITHUB_RUN_ID": "42",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_WORKSPACE": "/workspace",
    "GITHUB_EVENT_PATH": "/event.json",
    "ECR_PUBLISH_AWS_REGION": "eu-west-1",
    "ECR_PUBLISH_REPOSITORY": "team/{target}",
    "ECR_PUBLISH_BAKE_FILE": "docker-bake.hcl",
    "ECR_PUBLISH_TAGS": "v1",
    "ECR_PUBLISH_SCAN_TIMEOUT": "60s",
}
EVENT = json.dumps({"repository": {"default_branch": "main"}, "pull_request": {"number": 7}})
OUTSIDE = Builder(driver="docker-container")


@pytest.fixture(autouse=True)
def _keep_signals() -> Iterator[None]:
    kept = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    yield
    for name, handler in kept.items():
        signal.signal(name, handler)


@dataclass
class Engine(FakeEngine):
    """Pushes to each repository what `refuses` does not name."""

    refuses: dict[str, BaseException] = field(default_factory=dict)

    def push(
        self, state: RepositoryState, tag: Tag, login: Login, say: Callable[[str], None]
    ) -> Digest:
        say("pushing")
        if state.name in self.refuses:
            raise self.refuses[state.name]
        return super().push(state, tag, login, say)


class World:
    """A run for three targets, and the fakes around it; `pages` are the answers of their scans."""

    def __init__(
        self, pages: Mapping[str, Any] | None = None, targets: Mapping[str, Any] | None = None
    ) -> None:
        made = {name: make_manifest({"schemaVersion": 2, "is": name}) for name in NAMES}
        self.digests = {name: made[name].digest for name in NAMES}
        given = dict.fromkeys(NAMES, CLEAN) | dict(pages or {})
        self.registries = {
            name: FakeRegistry(
                state=make_state(name=f"team/{name}", arn=ARN.replace(NAME, f"team/{name}")),
                pushed=made[name],
                answers=(given[name],),
                known={str(made[name].digest): made[name]},
            )
            for name in NAMES
        }
        own = FakeRegistry(state=make_state(), pushed=make_manifest())
        own.others = {f"team/{name}": self.registries[name] for name in NAMES}
        self.cloud = FakeCloud(own)
        content = {name: {"context": name} for name in NAMES} | dict(targets or {})
        group = {"default": {"targets": [*NAMES]}}
        self.engine = Engine(
            make_manifest().digest,
            printed=json.dumps({"group": group, "target": content}),
            digests=self.digests | {f"team/{name}": it for name, it in self.digests.items()},
        )
        self.workflow, self.github, self.clock = (
            FakeWorkflow({"/event.json": EVENT}),
            FakeGitHub(),
            FakeClock(),
        )
        self.checkout = FakeCheckout(HEAD)
        self.edges = edges(
            self.cloud, self.engine, self.workflow, self.clock, self.checkout, self.github
        )

    def run(self, **inputs: str) -> int:
        given = {f"ECR_PUBLISH_{name.upper()}": value for name, value in inputs.items()}
        return run(ENVIRON | given, self.edges)

    @property
    def outputs(self) -> dict[str, str]:
        return self.workflow.outputs

    @property
    def images(self) -> dict[str, dict[str, str]]:
        return {item["target"]: item for item in json.loads(self.outputs["images"])}

    @property
    def verdicts(self) -> dict[str, str]:
        return {name: item["verdict"] for name, item in self.images.items()}

    @property
    def released(self) -> list[str]:
        """The images whose release tag is in the repository, and nothing but that."""
        return [name for name in NAMES if [*self.registries[name].tags] == ["v1"]]

    def log(self, beginning: str) -> list[str]:
        return [line for line in self.workflow.log if line.startswith(beginning)]


# All of them ------------------------------------------------------------------------------------


def test_line__one_build_then_all_pushes_then_all_scans() -> None:
    world = World()
    assert world.run() == ExitCode.PASSED
    assert world.released == [*NAMES]
    calls = [call.partition(" ")[0] for call in world.engine.calls]
    assert calls[:2] == ["definition", "bake"]
    assert calls.count("push") == 3
    # Each right after its push, while others are pushed, and in the end whatever is left.
    assert calls.count("forget") == 6
    assert calls[-3:] == ["forget"] * 3
    assert world.engine.calls[1] == "bake web api job /workspace"
    assert world.log("[") == [
        *("[Plan]", "[Preflight]", "[Build]", "[Push]", "[Find]", "[Scan]", "[Gate]"),
        "[Promote]",
    ]
    assert world.outputs["verdict"] == "passed"
    assert world.outputs["reason"] == "all 3 images passed"
    assert world.outputs["tags"].splitlines() == [f"{HOST}/team/{name}:v1" for name in NAMES]


def test_line__each_line_says_which_image_it_is_about() -> None:
    world = World()
    world.run()
    assert set(NAMES) <= {line.partition(": ")[0] for line in world.log("")}
    assert len(world.log("web: pushing")) == 1
    assert world.log("Passed: all 3 images passed")


def test_line__baked_with_the_labels_and_the_candidates_of_each() -> None:
    world = World()
    world.run(builder="native")
    baked = world.engine.baked
    assert baked
    assert (baked.builder, baked.files) == ("native", ("docker-bake.hcl",))
    assert [item.reference.partition(":candidate-42-1-")[0] for item in baked.images] == [
        f"{HOST}/team/{name}" for name in NAMES
    ]
    assert len({item.candidate for item in baked.images}) == 3
    assert all(f"{COMMITTED}=5" in item.build.labels for item in baked.images)
    assert world.engine.asked == ["native"]


def test_line__buildkit_pushes_by_itself_with_one_login() -> None:
    world = World()
    world.engine.made_by = OUTSIDE
    assert world.run() == ExitCode.PASSED
    assert world.released == [*NAMES]
    assert "bake web api job /workspace and push" in world.engine.calls
    assert not [call for call in world.engine.calls if call.startswith("push")]


@pytest.mark.parametrize(
    ("pages", "code", "verdict"),
    [
        ({"api": BAD}, ExitCode.REFUSED, "refused"),
        ({"web": NoScan(), "api": BAD}, ExitCode.REFUSED, "refused"),
        ({"api": NoScan()}, ExitCode.SCAN, "unknown"),
    ],
)
def test_s1_line__one_that_does_not_pass_keeps_no_other_from_its_tags(
    pages: Mapping[str, Any], code: ExitCode, verdict: str
) -> None:
    world = World(pages)
    assert world.run() == code
    assert world.released == [name for name in NAMES if name not in pages]
    assert world.outputs["verdict"] == verdict
    assert world.verdicts["job"] == "passed"


def test_line__waived_image_is_no_failure_and_no_pass() -> None:
    world = World({"api": BAD})
    assert world.run(report_only="true") == ExitCode.PASSED
    assert world.released == [*NAMES]
    assert world.outputs["verdict"] == "refused"
    assert world.outputs["reason"].startswith("1 of 3 images did not pass: api: ")


# One that fails ---------------------------------------------------------------------------------

MISSING = RepositoryMissing("team/api", "eu-west-1")


@pytest.mark.parametrize(
    ("call", "error", "code"),
    [
        ("look", MISSING, ExitCode.REPOSITORY),
        ("holders", denied("BatchGetImage"), ExitCode.PUSH),
        ("manifest", denied("BatchGetImage"), ExitCode.PUSH),
        ("scan", denied("DescribeImageScanFindings"), ExitCode.SCAN),
        ("put v1", denied("PutImage"), ExitCode.PROMOTE),
    ],
)
def test_line__failed_image_takes_no_further_part_and_the_others_go_on(
    call: str, error: PublishError, code: ExitCode
) -> None:
    world = World()
    world.registries["api"].refused[call] = error
    assert world.run() == code
    assert world.released == ["web", "job"]
    assert error.what in world.images["api"]["reason"]
    assert world.outputs["reason"].startswith("1 of 3 images did not pass: api: ")
    assert world.workflow.annotations[-1][:2] == ("error", "ecr-publish")


def test_s2_line__scan_that_may_not_be_asked_for_is_no_scan_that_failed() -> None:
    world = World()
    world.registries["api"].refused["scan"] = denied("DescribeImageScanFindings")
    assert world.run(on_scan_error="warn") == ExitCode.SCAN
    assert world.released == ["web", "job"]
    assert "ecr:DescribeImageScanFindings failed" in world.images["api"]["reason"]


def test_line__failed_push_of_one() -> None:
    world = World()
    world.engine.refuses["team/api"] = PushFailed("the push failed: denied")
    assert world.run() == ExitCode.PUSH
    assert world.released == ["web", "job"]
    assert world.images["api"]["reason"] == "the push failed: denied"


def test_line__all_that_fail_before_the_build_build_nothing() -> None:
    world = World()
    for registry in world.registries.values():
        registry.refused["look"] = MISSING
    assert world.run() == ExitCode.REPOSITORY
    assert [call.partition(" ")[0] for call in world.engine.calls] == ["definition"]
    assert world.outputs["reason"].startswith("3 of 3 images did not pass: ")


def test_line__what_this_engine_cannot_build_is_left_out_of_the_build() -> None:
    world = World(targets={"api": {"context": "api", "attest": ["type=sbom"]}})
    world.engine.made_by = Builder(driver="docker")
    assert world.run() == ExitCode.BUILD
    assert "bake web job /workspace" in world.engine.calls
    assert world.released == ["web", "job"]


def test_line__nothing_that_this_engine_can_build() -> None:
    attested = {name: {"context": name, "attest": ["type=sbom"]} for name in NAMES}
    world = World(targets=attested)
    world.engine.made_by = Builder(driver="docker")
    assert world.run() == ExitCode.BUILD
    assert not [call for call in world.engine.calls if call.startswith(("bake", "push"))]


def test_line__failed_build_leaves_what_failed_before_its_own_error() -> None:
    world = World(targets={"api": {"context": "api", "attest": ["type=sbom"]}})
    world.engine.made_by = Builder(driver="docker")
    world.engine.fails, world.engine.failure = "bake", BuildFailed(1)
    assert world.run() == ExitCode.BUILD
    reasons = [world.images[name]["reason"] for name in NAMES]
    assert reasons[0] == reasons[2] == "docker buildx build exited with 1"
    assert reasons[1].endswith("cannot be built in this Docker Engine")


@pytest.mark.parametrize(
    ("fails", "error"), [("bake", BuildFailed(1)), ("builder", BuilderMissing("native", "gone"))]
)
def test_line__failed_build_fails_all_that_were_to_be_built(
    fails: str, error: PublishError
) -> None:
    world = World()
    world.engine.fails, world.engine.failure = fails, error
    assert world.run() == ExitCode.BUILD
    assert world.released == []
    assert {item["reason"] for item in world.images.values()} == {error.what}
    # What they have in common is said once.
    assert world.outputs["reason"] == f"3 of 3 images did not pass: web, api, job: {error.what}"
    assert "may have pushed" not in world.workflow.markdown


@pytest.mark.parametrize("name", ["bake", "builder"])
def test_line__failed_build_leaves_no_name_in_the_engine(name: str) -> None:
    world = World()
    world.engine.fails, world.engine.failure = name, BuildFailed(1)
    world.run()
    calls = [call.partition(" ")[0] for call in world.engine.calls]
    # Without a builder nothing has got one.
    assert calls == ["definition", *(["bake", *["forget"] * 3] if name == "bake" else [])]


def test_line__builder_that_is_missing_does_not_matter_for_what_is_there_already() -> None:
    world = World()
    world.run()
    republished(world, "web", "job")
    world.engine.fails, world.engine.failure = "builder", BuilderMissing("native", "gone")
    assert world.run() == ExitCode.BUILD
    assert world.verdicts == {"web": "passed", "api": "unknown", "job": "passed"}


def test_line__what_is_wrong_with_credentials_and_builder_is_one_message() -> None:
    attested = {name: {"context": name, "attest": ["type=sbom"]} for name in NAMES}
    world = World(targets=attested)
    world.engine.made_by = Builder(driver="docker")
    world.cloud.failure = NoCredentials()
    assert world.run() == ExitCode.CREDENTIALS
    assert world.outputs["reason"].startswith("2 problems: (1) there are no AWS credentials; (2) ")
    assert world.outputs["reason"].count("an image with provenance: true") == 1


def test_s4_line__nothing_is_created_before_all_that_is_known_is_well() -> None:
    world = World(targets={"job": {"context": "job", "attest": ["type=sbom"]}})
    for registry in world.registries.values():
        registry.absent = Absent(scanning=make_scanning())
    world.engine.made_by = Builder(driver="docker")
    assert world.run(create_repository="true") == ExitCode.BUILD
    # One image's problem is no other's.
    assert [world.registries[name].created for name in NAMES] == [1, 1, 0]
    assert world.released == ["web", "api"]


@pytest.mark.parametrize("known", [True, False])
def test_s1_line__cache_in_a_repository_that_is_created_is_refused_too(
    known: bool,  # noqa: FBT001
) -> None:
    target = {"context": "api", "cache-to": [f"type=registry,ref={HOST}/team/web:v1"]}
    world = World(targets={"api": target})
    world.registries["web"].absent = Absent(scanning=make_scanning())
    assert world.run(create_repository="true", **(PUBLISHER if known else {})) == ExitCode.INPUT
    # Whose registry it is, only the new repository tells where the credentials are ambient.
    assert world.registries["web"].created == (not known)
    assert "the target api exports its cache to" in world.outputs["reason"]
    assert [call.partition(" ")[0] for call in world.engine.calls] == ["definition"]


def test_line__log_says_once_what_is_common_and_for_each_image_what_is_its_own() -> None:
    world = World()
    world.run()
    lines = [" ".join(line.split()) for line in world.workflow.log]
    assert (
        lines.count("ok credentials of the environment, a profile or the instance; AWS takes them")
        == 1
    )
    for name in NAMES:
        assert lines.count(f"{name}: ok repository {HOST}/team/{name} exists") == 1


def test_s6_line__failed_push_of_buildkit_says_what_may_be_there() -> None:
    world = World()
    world.engine.made_by = OUTSIDE
    world.engine.fails, world.engine.failure = "bake", PushFailed("the push failed: denied")
    assert world.run() == ExitCode.PUSH
    notes = world.log("web: Note: BuildKit may have pushed the candidate candidate-42-1-")
    assert len(notes) == 1
    assert {item["verdict"] for item in world.images.values()} == {"unknown"}


# What was published before ----------------------------------------------------------------------


def republished(world: World, *names: str) -> None:
    """Let these images stand in their repositories as the last run has made them."""
    baked = world.engine.baked
    assert baked
    for name in names:
        (build,) = (item.build for item in baked.images if item.target == name)
        registry, digest = world.registries[name], str(world.digests[name])
        registry.origins[digest] = Origin(recipes=frozenset({build.recipe}), committed=5)
    world.engine.calls.clear()


def test_s5_line__nothing_is_built_again() -> None:
    world = World()
    world.run()
    republished(world, *NAMES)
    assert world.run() == ExitCode.PASSED
    assert [call.partition(" ")[0] for call in world.engine.calls] == ["definition"]
    assert "[Build]" not in world.workflow.log[world.workflow.log.index("[Promote]") :]
    assert world.released == [*NAMES]


def test_s5_line__only_the_one_that_is_not_known_is_built() -> None:
    world = World()
    world.run()
    republished(world, "web", "job")
    world.engine.fails, world.engine.failure = "bake", BuildFailed(1)
    assert world.run() == ExitCode.BUILD
    assert "bake api /workspace" in world.engine.calls
    assert world.verdicts == {"web": "passed", "api": "unknown", "job": "passed"}


@pytest.mark.parametrize(
    ("inputs", "calls"),
    [({}, ["bake web /workspace"]), ({"rebuild": "false"}, [])],
)
def test_line__what_its_file_wants_built_afresh_is_built(
    inputs: dict[str, str], calls: list[str]
) -> None:
    world = World(targets={"web": {"context": "web", "no-cache": True}})
    world.run()
    republished(world, *NAMES)
    world.run(**inputs)
    assert [call for call in world.engine.calls if call.startswith("bake")] == calls


# Cancelled, and bugs ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["definition", "builder", "bake"])
@pytest.mark.parametrize("builder", [OUTSIDE, Builder(driver="docker")])
def test_s6_line__cancel_ends_all(name: str, builder: Builder) -> None:
    world = World()
    world.engine.made_by = builder
    world.engine.fails, world.engine.failure = name, KeyboardInterrupt()
    assert world.run() == ExitCode.CANCELLED
    assert world.outputs["reason"] == "the run was cancelled"
    assert world.outputs["verdict"] == "unknown"
    assert world.released == []
    noted = world.log("web: Note: The push was under way; ECR may have taken the candidate")
    assert bool(noted) is (name == "bake" and builder is OUTSIDE)


def test_s6_line__cancel_in_the_pushes_tells_those_that_are_there_from_those_that_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()

    def cancelled(tasks: Mapping[str, Callable[[], object]], most: int) -> Mapping[str, object]:
        done = {}
        for name, task in tasks.items():
            try:
                done[name] = task()
            except PublishError as error:
                done[name] = error
        return done

    class Cancelled(KeyboardInterrupt):
        pass

    world.engine.refuses["team/api"] = Cancelled()
    monkeypatch.setattr("ecr_publish.together.together", cancelled)
    assert world.run() == ExitCode.CANCELLED
    assert world.images["web"]["candidate"].startswith(f"{HOST}/team/web:candidate-")
    assert not world.log("web: Note: The push was under way")
    assert world.log("api: Note: The push was under way; ECR may have taken the candidate")
    assert not world.log("job: Note: The push was under way")
    assert {item["reason"] for item in world.images.values()} == {"the run was cancelled"}


def test_s6_line__cancel_in_the_wait_leaves_every_candidate_named() -> None:
    world = World({"api": KeyboardInterrupt()})
    assert world.run() == ExitCode.CANCELLED
    assert all("candidate-" in item["candidate"] for item in world.images.values())
    assert world.outputs["candidate"].count("\n") == 2


def test_s6_line__cancel_between_two_promotions_leaves_the_first_as_it_is() -> None:
    world = World()
    world.registries["api"].refused["holders"] = KeyboardInterrupt()

    def later() -> None:
        world.registries["api"].refused["holders"] = KeyboardInterrupt()

    world.registries["api"].refused.clear()
    world.registries["web"].meanwhile["untag"] = later
    assert world.run() == ExitCode.CANCELLED
    assert world.released == ["web"]
    assert world.images["web"]["reason"] == "no findings"
    assert world.log("web: Passed: no findings")
    assert world.log("api: Not published: the run was cancelled")
    assert world.images["job"]["reason"] == "the run was cancelled"


def test_s2_line__bug_ends_all() -> None:
    world = World({"api": KeyError("bug")})
    assert world.run() == ExitCode.BUG
    assert world.released == []
    assert b"Traceback" in world.workflow.raw
    assert all("KeyError" in item["reason"] for item in world.images.values())


def test_s2_line__bug_of_a_thread_ends_all() -> None:
    world = World()
    world.registries["api"].refused["look"] = KeyError("bug")
    assert world.run() == ExitCode.BUG
    assert world.released == []
    assert [call.partition(" ")[0] for call in world.engine.calls] == ["definition"]


# Inputs -----------------------------------------------------------------------------------------


def test_line__inputs_that_do_not_fit_the_targets() -> None:
    world = World()
    assert world.run(repository="app", sarif_file="a.sarif") == ExitCode.INPUT
    assert "repository: has to hold {target}" in world.outputs["reason"]
    assert "sarif-file: has to hold {target}" in world.outputs["reason"]
    assert world.outputs["verdict"] == "unknown"
    assert json.loads(world.outputs["images"])[0]["target"] == ""


def test_line__tag_that_cannot_be_is_an_input_error_of_the_run() -> None:
    world = World()
    assert world.run(tags="candidate-{target}") == ExitCode.INPUT
    assert world.cloud.from_fork is None


def test_s1_line__cache_that_would_take_a_tag_of_the_run_is_refused_before_the_build() -> None:
    target = {"context": "api", "cache-to": [f"type=registry,ref={HOST}/team/web:v1"]}
    world = World(targets={"api": target})
    assert world.run() == ExitCode.INPUT
    assert "the target api exports its cache to" in world.outputs["reason"]
    assert [call.partition(" ")[0] for call in world.engine.calls] == ["definition"]


def test_line__targets_reach_buildx() -> None:
    world = World()
    world.run(targets="web,api")
    assert world.engine.calls[0] == "definition docker-bake.hcl web api /workspace"


# Reports ----------------------------------------------------------------------------------------


def test_s6_line__check_of_each_and_one_comment() -> None:
    world = World({"api": BAD})
    world.registries["job"].refused["look"] = MISSING
    world.run(check_run="true", comment="true", github_token="ghs_hunter2")
    assert {name for name, _, _ in world.github.started} == {
        f"ECR scan / team/{name}" for name in NAMES
    }
    numbers = {name: number for number, (name, _, _) in enumerate(world.github.started, 1)}
    found = {number: check.conclusion for number, check in world.github.checks}
    assert [found[numbers[f"ECR scan / team/{name}"]] for name in NAMES] == [
        Conclusion.SUCCESS,
        Conclusion.FAILURE,
        Conclusion.FAILURE,
    ]
    ((issue, body),) = world.github.comments
    assert issue == 7
    assert body.startswith("<!-- ecr-publish: team/{target} -->\n")


def test_line__files_of_each() -> None:
    world = World({"api": BAD})
    world.run(report_file="out/{target}.json", sarif_file="{target}.sarif")
    assert {*world.workflow.written} == {
        path for name in NAMES for path in (f"out/{name}.json", f"{name}.sarif")
    }
    assert json.loads(world.workflow.written["out/api.json"])["verdict"] == "refused"
    assert world.outputs["report-file"].splitlines() == [f"out/{name}.json" for name in NAMES]


def test_line__report_that_cannot_be_written_keeps_no_other_from_being_written() -> None:
    world = World()

    def broken(path: str, pieces: Iterable[str]) -> None:
        raise PermissionError(13, "Permission denied", path)

    world.workflow.write_file = broken  # type: ignore[method-assign]
    assert world.run(report_file="out/{target}.json") == ExitCode.PASSED
    assert world.outputs["report-file"] == ""
    assert "all 3 images passed" in world.workflow.markdown


# Pace -------------------------------------------------------------------------------------------


def test_line__all_images_together_put_no_more_tags_than_ecr_takes() -> None:
    world = World()
    world.run(tags="v1\nv2\nv3\nv4")
    # Twelve tags on three images: ten, and after a second the rest.
    assert [seconds for seconds in world.clock.sleeps if seconds > 0.95] == pytest.approx([1.0])


def test_line__all_scans_are_waited_for_at_the_same_time() -> None:
    running = Page(status="IN_PROGRESS")
    world = World()
    for registry in world.registries.values():
        registry.answers = (running, running, CLEAN)
    assert world.run() == ExitCode.PASSED
    assert [len(registry.asked) for registry in world.registries.values()] == [3, 3, 3]
    assert world.clock.time < 6


def test_s1_line__enhanced_scans_settle_and_inspector_has_to_agree() -> None:
    world = World()
    for registry in world.registries.values():
        enhanced = make_scanning(engine=ScanType.ENHANCED)
        registry.state = replace(registry.state, scanning=enhanced)
        registry.answers = (make_page(status="ACTIVE", completed_at=COMPLETED_AT, enhanced=True),)
        registry.covered = Coverage(reason="SUCCESSFUL", scanned=True)
    world.registries["api"].covered = Coverage(reason="PENDING_INITIAL_SCAN")
    assert world.run() == ExitCode.SCAN
    assert world.released == ["web", "job"]
    assert world.clock.time >= 60


# session-policy -----------------------------------------------------------------------------------

PUBLISHER = {"role_to_assume": "arn:aws:iam::123456789012:role/publisher"}


def test_session_policy__one_session_for_all_images_and_for_the_caches_of_the_file() -> None:
    cache = {"type": "registry", "ref": f"{HOST}/caches:web"}
    world = World(targets={"web": {"context": "web", "cache-to": [cache]}})
    assert world.run(**PUBLISHER) == ExitCode.PASSED
    (role,) = (plan.role for plan in world.cloud.plans)
    assert role
    for name in ("team/web", "team/api", "team/job", "caches"):
        assert f':repository/{name}"' in role.session_policy


def test_session_policy__what_it_does_not_hold_is_said_of_each_image() -> None:
    world = World()
    world.cloud.narrows = False
    assert world.run(**PUBLISHER) == ExitCode.PASSED
    assert world.workflow.markdown.count("session is not narrowed") == len(NAMES)
    assert any("session is not narrowed" in line for line in world.workflow.log)
