"""What is learnt beside the scans: the baseline, the layers, the exploits; on the fakes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from ecr_publish.errors import BaselineMissing, ExitCode, UnexpectedManifest
from ecr_publish.evidence import Scans, gathered, look_for_baseline, scanned
from ecr_publish.exploits import MOST_ARNS, Exploit
from ecr_publish.findings import Finding, Layer, Page
from ecr_publish.gate import Decision, judge
from ecr_publish.inputs import FailOn, OnUnjudged
from ecr_publish.manifest import Manifest, Target
from ecr_publish.origin import COMMITTED
from ecr_publish.outcome import Outcome
from ecr_publish.pace import Pace
from ecr_publish.plan import Existing, Plan, Source
from ecr_publish.policy import BaseImageFindings, Rules
from ecr_publish.reference import ImageName, Tag
from ecr_publish.run import Baseline, Site
from ecr_publish.scan import NO_SCAN, Answer, Evidence, Gap, NoScan, Result, Unjudged
from ecr_publish.scanning import Frequency, Scanning, ScanType
from ecr_publish.wait import Watch
from tests.factories import (
    DAY,
    make_build,
    make_child,
    make_digest,
    make_finding,
    make_index,
    make_manifest,
    make_package,
    make_page,
    make_plan,
    make_result,
    make_scanning,
    make_state,
    make_target,
    make_unjudged,
)
from tests.fakes import (
    TODAY,
    FakeCheckout,
    FakeClock,
    FakeCloud,
    FakeEngine,
    FakeRegistry,
    FakeWorkflow,
    ahead,
    denied,
    edges,
)
from tests.unit.strategies import policy_of

WARN = OnUnjudged.WARN
BASE_BLOB, OWN_BLOB = (str(make_digest(name)) for name in ("base layer", "own layer"))
IMAGE = make_manifest({"schemaVersion": 2, "layers": [{"digest": BASE_BLOB}, {"digest": OWN_BLOB}]})
EARLIER = make_manifest({"schemaVersion": 2, "earlier": True})
DOCKERFILE = b"FROM debian:12\nCOPY . .\n"
CONFIG = json.dumps(
    {
        "created": "2026-11-23T11:00:00Z",
        "config": {"Labels": {COMMITTED: "1795431600"}},
        "rootfs": {"diff_ids": [str(make_digest("base diff")), str(make_digest("own diff"))]},
        "history": [
            {"created": "2026-10-01T00:00:00Z", "created_by": "# debian.sh"},
            {
                "created": "2026-11-23T11:00:00Z",
                "created_by": "COPY . . # buildkit",
                "comment": "buildkit.dockerfile.v0",
            },
        ],
    }
)
BASE = Layer(number=1, created_by="# debian.sh", from_base=True)
OWN = Layer(number=2, created_by="COPY . .", line=2, from_base=False)


def registry(*answers: Answer, **over: Any) -> FakeRegistry:
    return FakeRegistry(
        state=make_state(),
        pushed=IMAGE,
        answers=answers,
        known={str(item.digest): item for item in (IMAGE, EARLIER)},
        configs={str(IMAGE.digest): CONFIG},
        **over,
    )


def plan_of(source: Source | None = None, **rules: Any) -> Plan:
    return make_plan(source=source or make_build(), policy=policy_of(Rules(**rules)))


def site_of(
    there: FakeRegistry,
    before: Baseline | Gap | None = None,
    source: Source | None = None,
    files: dict[str, bytes] | None = None,
    /,
    **rules: Any,
) -> Site:
    checkout = FakeCheckout(files={"./Dockerfile": DOCKERFILE} if files is None else files)
    world = edges(FakeCloud(there), FakeEngine(IMAGE.digest), FakeWorkflow(), FakeClock(), checkout)
    return Site(
        edges=world,
        outcome=Outcome(),
        plan=plan_of(source, **rules),
        registry=there,
        pace=Pace(world.clock),
        ahead=ahead(world, there),
        state=there.state,
        tags=(),
        standing={},
        baseline=before,
        workspace="/workspace",
        began=TODAY,
    )


def result(*findings: Finding, image: Manifest = IMAGE, **over: Any) -> Result:
    return make_result(*findings, target=Target(digest=image.digest), **over)


def only(evidence: Evidence) -> tuple[Finding, ...]:
    (item,) = evidence.results
    return item.findings


# Finding the baseline -------------------------------------------------------------------------

LATEST = ImageName.parse("latest")
ELSEWHERE = ImageName.parse("team/base:latest")


def looked(there: FakeRegistry, name: ImageName | None = LATEST, **rules: Any) -> object:
    return look_for_baseline(there, plan_of(baseline=name, **rules))


def test_baseline__none_is_not_looked_for() -> None:
    there = registry(refused={"find": AssertionError()})
    assert looked(there, None) is None


@pytest.mark.parametrize("fail_on", FailOn)
def test_baseline__found_before_the_build(fail_on: FailOn) -> None:
    there = registry(tags={"latest": str(EARLIER.digest)})
    assert looked(there, fail_on=fail_on) == Baseline(
        name="latest", registry=there, targets=(Target(digest=EARLIER.digest),)
    )


def test_baseline__by_digest() -> None:
    there = registry()
    found = looked(there, ImageName(EARLIER.digest))
    assert isinstance(found, Baseline)
    assert found.name == str(EARLIER.digest)


def test_baseline__of_an_index_are_all_its_images() -> None:
    index = make_index([make_child("amd", "linux/amd64"), make_child("arm", "linux/arm64")])
    there = registry(tags={"latest": str(index.digest)})
    there.known[str(index.digest)] = index
    found = looked(there)
    assert isinstance(found, Baseline)
    assert found.targets == (make_target("amd", "linux/amd64"), make_target("arm", "linux/arm64"))


def test_baseline__in_another_repository() -> None:
    other = registry(tags={"latest": str(EARLIER.digest)})
    there = registry(others={"team/base": other}, refused={"find": AssertionError()})
    found = looked(there, ELSEWHERE)
    assert isinstance(found, Baseline)
    assert (found.name, found.registry) == ("team/base:latest", other)


FAILURES: list[tuple[BaseException | None, str]] = [
    (None, "latest"),
    (denied("BatchGetImage"), "BatchGetImage"),
    (UnexpectedManifest("sha256:1", "it is odd"), "it is odd"),
]


@pytest.mark.parametrize(("failure", "said"), FAILURES)
@pytest.mark.parametrize("name", [LATEST, ELSEWHERE])
def test_s2_baseline__that_cannot_be_had_ends_the_run_before_the_build(
    name: ImageName, failure: BaseException | None, said: str
) -> None:
    refused = {"find": failure} if failure else {}
    there = registry(refused=refused, others={"team/base": registry(refused=refused)})
    with pytest.raises(BaselineMissing) as caught:
        looked(there, name)
    assert caught.value.exit_code is ExitCode.REPOSITORY
    assert caught.value.what.startswith(f"the baseline {name} cannot be used: ")
    assert said in caught.value.what


@pytest.mark.parametrize(("failure", "said"), FAILURES)
def test_s2_baseline__that_the_user_can_do_without_is_a_gap(
    failure: BaseException | None, said: str
) -> None:
    there = registry(refused={"find": failure} if failure else {})
    found = looked(there, on_baseline_error=WARN)
    assert isinstance(found, Gap)
    assert found.kind is Unjudged.BASELINE
    assert found.reason.startswith("the baseline latest: ")
    assert said in found.reason


def test_s2_baseline__index_that_cannot_be_read_to_its_end() -> None:
    inner = make_index([make_child()])
    index = make_index([make_child(digest=str(inner.digest), mediaType=inner.media_type)])
    there = registry(
        tags={"latest": str(index.digest)}, refused={"manifest": denied("BatchGetImage")}
    )
    there.known[str(index.digest)] = index
    with pytest.raises(BaselineMissing):
        looked(there)


# Waiting for its scan -------------------------------------------------------------------------


def watch_of(there: FakeRegistry, clock: FakeClock, **over: Any) -> Watch:
    plain = Watch(
        scans=there,
        clock=clock,
        scanning=make_scanning(),
        deadline=60.0,
        max_age=None,
        say=lambda _: None,
    )
    return replace(plain, **over)


def page(*findings: Finding) -> Page:
    return make_page(*findings, completed_at=TODAY - timedelta(days=40))


MINE, THEIRS = make_finding("CVE-MINE"), make_finding("CVE-THEIRS")


def test_scanned__without_a_baseline() -> None:
    there = registry(page(MINE))
    site = site_of(there)
    found = scanned(site, watch_of(there, FakeClock()), [Target(digest=IMAGE.digest)])
    assert [item.findings for item in found.own] == [(MINE,)]
    assert found.baseline == ()


@pytest.mark.parametrize("gap", [Gap(kind=Unjudged.BASELINE, reason="it is not there")])
def test_scanned__baseline_that_is_missing_is_not_waited_for(gap: Gap) -> None:
    there = registry(page(MINE))
    found = scanned(
        site_of(there, gap), watch_of(there, FakeClock()), [Target(digest=IMAGE.digest)]
    )
    assert found.baseline == ()


RUNNING = Page(status="IN_PROGRESS")


def test_scanned__baseline_is_waited_for_at_the_same_time_whatever_its_age() -> None:
    there, other = registry(NoScan(), page(MINE)), registry(RUNNING, page(THEIRS))
    clock = FakeClock()
    before = Baseline(name="latest", registry=other, targets=(Target(digest=EARLIER.digest),))
    # The image's own result would be too old as well, so a new one is asked for.
    watch = watch_of(there, clock, max_age=86_400.0)
    found = scanned(site_of(there, before), watch, [Target(digest=IMAGE.digest)])
    (own,), (earlier,) = found.own, found.baseline
    assert own.unjudged is Unjudged.ERROR
    assert "is more than max-scan-age" in own.reason
    assert there.started == [str(IMAGE.digest)]
    assert (earlier.unjudged, earlier.findings) == (None, (THEIRS,))
    assert other.started == []
    assert {digest for digest, _ in other.asked} == {str(EARLIER.digest)}


def test_s2_scanned__baseline_that_is_scanned_for_long_ends_at_the_same_deadline() -> None:
    there, other, clock = registry(page(MINE)), registry(RUNNING), FakeClock()
    before = Baseline(name="latest", registry=other, targets=(Target(digest=EARLIER.digest),))
    found = scanned(site_of(there, before), watch_of(there, clock), [Target(digest=IMAGE.digest)])
    assert found.own[0].unjudged is None
    assert found.baseline[0].unjudged is Unjudged.TIMEOUT
    assert clock.time == pytest.approx(60.0)


@pytest.mark.parametrize("frequency", Frequency)
@pytest.mark.parametrize("engine", ScanType)
def test_s2_scanned__baseline_without_a_scan_is_refused_at_once_and_not_scanned(
    engine: ScanType, frequency: Frequency
) -> None:
    there, other, clock = registry(page(MINE)), registry(NoScan()), FakeClock()
    before = Baseline(name="latest", registry=other, targets=(Target(digest=EARLIER.digest),))
    watch = watch_of(there, clock, scanning=Scanning(engine=engine, frequency=frequency))
    found = scanned(site_of(there, before), watch, [Target(digest=IMAGE.digest)])
    (earlier,) = found.baseline
    assert (earlier.unjudged, earlier.reason) == (Unjudged.ERROR, NO_SCAN)
    assert other.started == []
    assert len(other.asked) == 1


def test_scanned__results_are_told_apart_by_their_place() -> None:
    there = registry(page(MINE))
    targets = [make_target(name, name) for name in ("a", "b")]
    before = Baseline(
        name="latest", registry=there, targets=tuple(make_target(name) for name in ("b", "c", "d"))
    )
    found = scanned(site_of(there, before), watch_of(there, FakeClock()), targets)
    assert [item.target for item in found.own] == targets
    assert [item.target for item in found.baseline] == [*before.targets]


# Comparing ------------------------------------------------------------------------------------


def before_of(there: FakeRegistry, image: Manifest = EARLIER) -> Baseline:
    return Baseline(name="latest", registry=there, targets=(Target(digest=image.digest),))


def gathered_of(
    site: Site, *own: Result, earlier: Sequence[Result] = (), image: Manifest = IMAGE
) -> Evidence:
    return gathered(site, image, Scans(own=own, baseline=tuple(earlier)))


def test_gathered__without_rules_findings_stay_as_they_are() -> None:
    site = site_of(registry(refused={"exploits": AssertionError()}))
    assert gathered_of(site, result(MINE)) == Evidence(results=(result(MINE),))
    assert site.outcome.notes == []


def test_gathered__findings_of_the_baseline_are_known() -> None:
    there = registry()
    site = site_of(there, before_of(there), baseline=LATEST, fail_on=FailOn.NEW)
    evidence = gathered_of(site, result(MINE, THEIRS), earlier=[result(THEIRS, image=EARLIER)])
    assert [finding.known for finding in only(evidence)] == [False, True]
    assert evidence.gaps == ()
    assert site.outcome.notes == []


def test_gathered__baseline_of_several_platforms_counts_as_one() -> None:
    there = registry()
    site = site_of(there, before_of(there), baseline=LATEST)
    earlier = [result(MINE, image=EARLIER), make_result(THEIRS, target=make_target("arm"))]
    evidence = gathered_of(site, result(MINE, THEIRS), earlier=earlier)
    assert [finding.known for finding in only(evidence)] == [True, True]


def test_s2_gathered__baseline_without_a_complete_scan_is_a_gap_and_nothing_is_known() -> None:
    there = registry()
    site = site_of(there, before_of(there), baseline=LATEST, fail_on=FailOn.NEW)
    late = replace(make_unjudged(reason="late"), findings=(MINE,))
    evidence = gathered_of(site, result(MINE), earlier=[result(MINE, image=EARLIER), late])
    assert [finding.known for finding in only(evidence)] == [None]
    assert evidence.gaps == (Gap(kind=Unjudged.BASELINE, reason="the baseline latest: late"),)
    assert judge(evidence, site.plan.policy, DAY).decision is Decision.REFUSED


def test_s2_gathered__gap_of_the_beginning_is_told() -> None:
    gap = Gap(kind=Unjudged.BASELINE, reason="it is not there")
    site = site_of(registry(), gap, baseline=LATEST, on_baseline_error=WARN)
    evidence = gathered_of(site, result(MINE))
    assert evidence == Evidence(results=(result(MINE),), gaps=(gap,))


SAME = "The baseline latest is this very image, so none of its findings is new."


@pytest.mark.parametrize(
    ("own", "earlier", "said"),
    [
        ([IMAGE], [IMAGE], [SAME]),
        ([IMAGE], [IMAGE, EARLIER], [SAME]),
        ([IMAGE], [EARLIER], []),
        ([IMAGE, EARLIER], [IMAGE], []),
    ],
)
def test_gathered__baseline_that_is_the_image_itself_is_said(
    own: list[Manifest], earlier: list[Manifest], said: list[str]
) -> None:
    there = registry()
    site = site_of(there, before_of(there), baseline=LATEST)
    gathered_of(
        site,
        *(result(MINE, image=image) for image in own),
        earlier=[result(MINE, image=image) for image in earlier],
    )
    assert site.outcome.notes == said


def test_s2_gathered__what_was_not_judged_keeps_its_findings_and_stays_so() -> None:
    there = registry(details={"arn:1": Exploit(epss=0.5, in_kev=True)})
    site = site_of(there, before_of(there), baseline=LATEST, known_exploited=True)
    finding = make_finding("CVE-1", arn="arn:1", packages=(make_package(layer_hash=OWN_BLOB),))
    late = result(finding, unjudged=Unjudged.TIMEOUT, reason="late", counted={"HIGH": 3})
    evidence = gathered_of(site, late, earlier=[result(image=EARLIER)])
    (item,) = evidence.results
    assert replace(item, findings=()) == replace(late, findings=())
    assert item.findings == (
        replace(
            finding,
            packages=(make_package(layer=OWN),),
            known=False,
            epss=0.5,
            in_kev=True,
        ),
    )


# Layers ---------------------------------------------------------------------------------------

OF_BASE = make_finding("CVE-1", packages=(make_package(layer_hash=BASE_BLOB),))
OF_OWN = make_finding("CVE-2", packages=(make_package(layer_hash=OWN_BLOB),))
REPORT: dict[str, Any] = {"base_image_findings": BaseImageFindings.REPORT}


def layers(evidence: Evidence) -> list[Layer | None]:
    return [package.layer for finding in only(evidence) for package in finding.packages]


def test_layers__are_those_of_the_image_and_its_dockerfile() -> None:
    site = site_of(registry(), **REPORT)
    evidence = gathered_of(site, result(OF_BASE, OF_OWN))
    assert layers(evidence) == [BASE, OWN]
    assert judge(evidence, site.plan.policy, DAY).reason.startswith("1 HIGH")
    assert (
        judge(gathered_of(site, result(OF_BASE)), site.plan.policy, DAY).decision is Decision.PASSED
    )


def test_layers__are_not_asked_for_where_no_finding_names_one() -> None:
    refused = {"config": AssertionError(), "manifest": AssertionError()}
    site = site_of(registry(refused=refused), **REPORT)
    assert layers(gathered_of(site, result(MINE))) == [None]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (make_build(), "./Dockerfile"),
        (make_build(context="app"), "app/Dockerfile"),
        (make_build(context="app", file="docker/prod.Dockerfile"), "docker/prod.Dockerfile"),
    ],
)
def test_layers__dockerfile_is_the_one_of_the_build(source: Source, path: str) -> None:
    site = site_of(registry(), None, source, {path: DOCKERFILE})
    assert layers(gathered_of(site, result(OF_OWN))) == [OWN]


def test_layers__stage_and_arguments_are_those_of_the_build() -> None:
    text = b"ARG NEXT=one\nFROM debian AS one\nCOPY . .\nFROM ${NEXT} AS two\nRUN other\n"
    one = site_of(registry(), None, make_build(target="one"), {"./Dockerfile": text})
    assert layers(gathered_of(one, result(OF_OWN)))[0] == replace(OWN, line=3)
    two = site_of(registry(), None, make_build(), {"./Dockerfile": text})
    assert layers(gathered_of(two, result(OF_OWN))) == [Layer(number=2, created_by="COPY . .")]


UNKNOWN_LAYER = [Layer(number=1, created_by="# debian.sh"), Layer(number=2, created_by="COPY . .")]


@pytest.mark.parametrize(
    ("source", "files"),
    [
        (make_build(), {}),
        (make_build(), {"./Dockerfile": b""}),
        (make_build(), {"./Dockerfile": b"\xff\xfe"}),
        (make_build(), {"./Dockerfile": b"FROM debian\nRUN other\n"}),
        (Existing(reference=Tag("1.0")), {"./Dockerfile": DOCKERFILE}),
    ],
)
def test_s1_layers__without_the_dockerfile_nothing_is_the_bases(
    source: Source, files: dict[str, bytes]
) -> None:
    site = site_of(registry(), None, source, files, **REPORT)
    evidence = gathered_of(site, result(OF_BASE, OF_OWN))
    assert layers(evidence) == UNKNOWN_LAYER
    assert judge(evidence, site.plan.policy, DAY).decision is Decision.REFUSED


def test_s1_layers__dockerfile_that_cannot_be_read_is_one_that_is_not_known() -> None:
    site = site_of(registry(), None, make_build(), {}, **REPORT)
    checkout = site.edges.checkout
    assert isinstance(checkout, FakeCheckout)
    checkout.unreadable["./Dockerfile"] = PermissionError(13, "Permission denied")
    evidence = gathered_of(site, result(OF_BASE, OF_OWN))
    assert layers(evidence) == UNKNOWN_LAYER
    assert judge(evidence, site.plan.policy, DAY).decision is Decision.REFUSED


def test_layers__of_an_image_in_an_index_are_in_its_own_manifest() -> None:
    index = make_index([make_child("amd", "linux/amd64")])
    there = registry()
    site = site_of(there, **REPORT)
    evidence = gathered_of(site, result(OF_BASE, OF_OWN), image=index)
    assert layers(evidence) == [BASE, OWN]


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        ({"manifest": denied("BatchGetImage")}, "BatchGetImage"),
        ({"config": denied("GetDownloadUrlForLayer")}, "GetDownloadUrlForLayer"),
        ({"config": UnexpectedManifest("sha256:1", "it is odd")}, "it is odd"),
    ],
)
def test_s1_layers__that_cannot_be_read_are_a_note_and_excuse_nothing(
    refused: dict[str, BaseException], said: str
) -> None:
    site = site_of(registry(refused=refused), **REPORT)
    index = make_index([make_child("amd", "linux/amd64")])
    evidence = gathered_of(site, result(OF_BASE, OF_OWN), image=index)
    assert layers(evidence) == [None, None]
    # No gap: a finding whose layer is not known refuses like any other.
    assert evidence.gaps == ()
    (note,) = site.outcome.notes
    assert note.startswith("Which layer brought each package is not known: ")
    assert said in note
    assert judge(evidence, site.plan.policy, DAY).decision is Decision.REFUSED


def test_layers__note_of_several_images_appears_once() -> None:
    site = site_of(registry(refused={"config": denied("GetDownloadUrlForLayer")}))
    site.outcome.notes.extend(["first", "second"])
    gathered_of(site, result(OF_BASE), result(OF_OWN), result(OF_OWN))
    first, second, note = site.outcome.notes
    assert (first, second) == ("first", "second")
    assert note.startswith("Which layer brought each package is not known: ")


def test_layers__notes_that_differ_are_all_there() -> None:
    there = registry(refused={"manifest": denied("BatchGetImage")})
    del there.configs[str(IMAGE.digest)]
    there.refused["config"] = denied("GetDownloadUrlForLayer")
    site = site_of(there)
    gathered_of(site, result(OF_BASE), result(OF_OWN, image=EARLIER))
    assert len(site.outcome.notes) == 2


@pytest.mark.parametrize("config", ["", "null", "{", '{"rootfs": {}}', "[]"])
def test_s1_layers__configuration_that_is_none_excuses_nothing(config: str) -> None:
    there = registry()
    there.configs[str(IMAGE.digest)] = config
    site = site_of(there, **REPORT)
    assert layers(gathered_of(site, result(OF_BASE))) == [None]


# Exploits -------------------------------------------------------------------------------------

KEV = Exploit(epss=0.97, in_kev=True)
ONE, TWO = (make_finding(f"CVE-{n}", "LOW", arn=f"arn:{n}") for n in (1, 2))
ASKED: dict[str, Any] = {"known_exploited": True}


def test_exploits__are_asked_for_where_a_rule_needs_them() -> None:
    there = registry(details={"arn:1": KEV, "arn:2": Exploit(epss=None, in_kev=False)})
    site = site_of(there, **ASKED)
    evidence = gathered_of(site, result(ONE), result(TWO, image=EARLIER))
    first, second = evidence.results
    assert first.findings == (replace(ONE, epss=0.97, in_kev=True),)
    assert second.findings == (replace(TWO, in_kev=False),)
    assert evidence.gaps == ()
    assert judge(evidence, site.plan.policy, DAY).decision is Decision.REFUSED


def test_s2_exploits__that_are_told_in_part_are_a_gap_and_what_is_told_counts() -> None:
    site = site_of(registry(details={"arn:1": KEV}), **ASKED)
    evidence = gathered_of(site, result(ONE, TWO))
    assert [finding.in_kev for finding in only(evidence)] == [True, None]
    (gap,) = evidence.gaps
    assert gap == Gap(
        kind=Unjudged.EXPLOIT,
        reason="EPSS and CISA's list are not known for 1 finding: Inspector has no details of them",
    )
    verdict = judge(evidence, site.plan.policy, DAY)
    assert verdict.decision is Decision.REFUSED
    assert verdict.reason.endswith(gap.reason)


def test_s2_exploits__that_may_not_be_asked_for_are_a_gap() -> None:
    site = site_of(registry(refused={"exploits": denied("BatchGetFindingDetails")}), **ASKED)
    evidence = gathered_of(site, result(ONE, TWO))
    (gap,) = evidence.gaps
    assert gap.reason.startswith("EPSS and CISA's list are not known for 2 findings: ")
    assert "BatchGetFindingDetails" in gap.reason
    assert only(evidence) == (ONE, TWO)
    assert judge(evidence, site.plan.policy, DAY).decision is Decision.UNKNOWN


MANY = tuple(make_finding(f"CVE-{n}", "LOW", arn=f"arn:{n}") for n in range(23))


def test_exploits__are_asked_for_in_batches_and_the_log_says_of_how_many() -> None:
    there = registry(details={item.arn: Exploit(epss=None, in_kev=False) for item in MANY})
    site = site_of(there, **ASKED)
    evidence = gathered_of(site, result(*MANY))
    assert [len(batch) for batch in there.batches] == [10, 10, 3]
    assert [arn for batch in there.batches for arn in batch] == [item.arn for item in MANY]
    assert [item.in_kev for item in only(evidence)] == [False] * 23
    workflow = site.edges.workflow
    assert isinstance(workflow, FakeWorkflow)
    assert workflow.log == ["Asking Inspector about exploits; findings: 23"]


@pytest.mark.parametrize("answer", OnUnjudged)
@pytest.mark.parametrize("failing", [2, 3])
def test_s1_exploits__what_was_told_before_a_failure_counts(
    failing: int, answer: OnUnjudged
) -> None:
    there = registry(details={item.arn: Exploit(epss=0.1, in_kev=False) for item in MANY})
    there.details["arn:3"] = KEV
    there.refused[f"exploits {failing}"] = denied("BatchGetFindingDetails")
    site = site_of(there, **ASKED, on_exploit_error=answer)
    evidence = gathered_of(site, result(*MANY))
    told = (failing - 1) * MOST_ARNS
    assert [item.in_kev is None for item in only(evidence)] == [n >= told for n in range(23)]
    (gap,) = evidence.gaps
    assert gap.reason.startswith(f"EPSS and CISA's list are not known for {23 - told} findings: ")
    assert "BatchGetFindingDetails" in gap.reason
    verdict = judge(evidence, site.plan.policy, DAY)
    assert verdict.decision is Decision.REFUSED
    assert verdict.reason.startswith("1 LOW: listed by CISA as known exploited")
    # Nothing is asked for behind a failure.
    assert len(there.batches) == failing


def test_exploits__of_no_findings_are_no_gap() -> None:
    site = site_of(registry(refused={"exploits": denied("BatchGetFindingDetails")}), **ASKED)
    assert gathered_of(site, result()).gaps == ()


def test_s2_exploits__basic_scanning_does_not_tell() -> None:
    site = site_of(registry(), epss_threshold=0.5)
    (gap,) = gathered_of(site, result(MINE)).gaps
    assert gap.reason.endswith("only enhanced scanning (Amazon Inspector) tells them")


def test_gaps__of_both_kinds_are_told() -> None:
    gap = Gap(kind=Unjudged.BASELINE, reason="it is not there")
    site = site_of(registry(), gap, baseline=LATEST, **ASKED)
    kinds = [item.kind for item in gathered_of(site, result(ONE)).gaps]
    assert kinds == [Unjudged.EXPLOIT, Unjudged.BASELINE]


def test_calls__that_fail_otherwise_are_not_swallowed() -> None:
    site = site_of(registry(refused={"exploits": KeyError("bug")}), **ASKED)
    with pytest.raises(KeyError):
        gathered_of(site, result(ONE))
