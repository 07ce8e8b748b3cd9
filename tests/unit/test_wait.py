"""The wait against an ECR that answers by script: from which second on it says what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish import scan
from ecr_publish.errors import CallFailed
from ecr_publish.findings import Page
from ecr_publish.gate import Decision
from ecr_publish.inputs import OnUnjudged
from ecr_publish.reference import Digest
from ecr_publish.scan import (
    SETTLE_SECONDS,
    Answer,
    Coverage,
    NoScan,
    Result,
    Start,
    Unjudged,
    Unreachable,
)
from ecr_publish.scanning import START_GRACE_SECONDS, Frequency, Scanning, ScanType
from ecr_publish.wait import (
    LAST_LOOKS_SECONDS,
    MOST_READS,
    REMIND_SECONDS,
    START_AGAIN_SECONDS,
    Watch,
    for_scans,
)
from tests.factories import (
    COMPLETED_AT,
    make_findings,
    make_manifest,
    make_page,
    make_policy,
    make_scanning,
    make_state,
    make_target,
    verdict_over,
)
from tests.fakes import TODAY, FakeClock, FakeRegistry, denied

BASIC, ENHANCED, UNKNOWN = ScanType.BASIC, ScanType.ENHANCED, ScanType.UNKNOWN
TIMEOUT = 900.0
LONGEST_POLL, SELDOM_POLL = 1.2, 3.2
ENDLESS = 20_000

CRITICAL = make_findings(critical=1)
MEDIUM = make_findings(medium=2)
NO_SCAN = NoScan()
CUT = Unreachable(message="connection reset")
PENDING = Page(status="PENDING", findings=(), enhanced=True)
RUNNING = Page(status="IN_PROGRESS")
EMPTY = Page(status="COMPLETE")
ACTIVE_EMPTY = Page(status="ACTIVE", description="Continuous scan is selected for image.")

Script = Sequence[tuple[float, Answer]]


class Ecr:
    """ECR as a script. Every call takes `cost` seconds.

    `further` are the pages behind the first: by token, each a script too. `others` are the first
    pages of images with another script. `starts` are the answers to StartImageScan, the last for
    ever; once a scan was started, `rescan` is the image's script, in seconds since then.
    `coverages` is what Inspector says, a script too.
    """

    def __init__(
        self,
        script: Script,
        further: Mapping[str, Script] | None = None,
        *,
        others: Mapping[Digest, Script] | None = None,
        starts: Sequence[Start] = (Start.STARTED,),
        rescan: Script = (),
        coverages: Sequence[tuple[float, str]] = (),
        clock: FakeClock | None = None,
        cost: float = 0.0,
    ) -> None:
        self.script, self.further, self.others = script, further or {}, others or {}
        self.starts, self.rescan, self.coverages = starts, rescan, coverages
        self.clock, self.cost = clock or FakeClock(), cost
        self.asks: list[tuple[float, str | None]] = []
        self.calls: list[tuple[float, str]] = []
        self.given: list[Answer] = []
        self.started: list[Digest] = []
        self.restarted: dict[Digest, float] = {}
        self.log: list[str] = []

    def scan(self, digest: Digest, token: str | None) -> Answer:
        self._called("scan")
        self.asks.append((self.clock.time, token))
        assert len(self.asks) < ENDLESS, "asks without an end"
        self.given.append(self._answer(digest, token))
        return self.given[-1]

    def start_scan(self, digest: Digest) -> Start:
        self._called("start")
        self.started.append(digest)
        start = self.starts[min(self.started.count(digest), len(self.starts)) - 1]
        if start is Start.STARTED:
            self.restarted[digest] = self.clock.time
        return start

    def coverage(self, digest: Digest) -> Coverage | None:
        self._called("coverage")
        said = [reason for since, reason in self.coverages if since <= self.clock.time]
        return Coverage(reason=said[-1], scanned=True) if said else None

    def times(self, name: str) -> list[float]:
        """When the calls of this name were made."""
        return [at for at, called in self.calls if called == name]

    def watch(self, engine: ScanType | Scanning, timeout: float, **over: Any) -> Watch:
        scanning = engine if isinstance(engine, Scanning) else make_scanning(engine=engine)
        plain = Watch(
            scans=self,
            clock=self.clock,
            scanning=scanning,
            deadline=self.clock.time + timeout,
            max_age=None,
            say=self.log.append,
        )
        return replace(plain, **over)

    def wait(
        self, engine: ScanType | Scanning = ENHANCED, timeout: float = TIMEOUT, **over: Any
    ) -> Result:
        (result,) = for_scans(self.watch(engine, timeout, **over), [make_target()])
        return result

    def _called(self, name: str) -> None:
        self.clock.time += self.cost
        self.calls.append((self.clock.time, name))

    def _answer(self, digest: Digest, token: str | None) -> Answer:
        now, script = self.clock.time, self.others.get(digest, self.script)
        if token is not None:
            script = self.further[token]
        elif self.rescan and digest in self.restarted:
            now, script = now - self.restarted[digest], self.rescan
        return [answer for since, answer in script if since <= now][-1]


def enhanced(*args: object, **over: object) -> Page:
    return replace(make_page(*args, status="ACTIVE", enhanced=True), **over)  # type: ignore[arg-type]


def decide(result: Result, word: OnUnjudged = OnUnjudged.WARN) -> Decision:
    """What the gate makes of it, with the most indulgent policy that still has a threshold."""
    verdict = verdict_over([result], make_policy(timeout=word, unsupported=word, error=word))
    if result.findings and verdict.decision is Decision.REFUSED:
        assert not verdict.may_promote
    return verdict.decision


# The plain ways -------------------------------------------------------------------------------


def test_wait__basic_counts_at_once() -> None:
    ecr = Ecr([(0, NO_SCAN), (2, RUNNING), (6, make_page(*MEDIUM))])
    result = ecr.wait(BASIC)

    age = (ecr.clock.today() - COMPLETED_AT).total_seconds()
    assert result == Result(
        target=make_target(), status="COMPLETE", findings=MEDIUM, engine=BASIC, age=age
    )
    assert ecr.clock.time == pytest.approx(6, abs=LONGEST_POLL)


def test_wait__asks_at_once_and_by_the_digest() -> None:
    one, two = make_target("one"), make_target("two", "linux/arm64")
    ecr = Ecr([], others={one.digest: [(0, make_page())], two.digest: [(0, make_page())]})
    for_scans(ecr.watch(BASIC, 5), [one, two])

    assert ecr.asks == [(0, None), (0, None)]
    assert ecr.clock.time == 0


def test_wait__every_image_has_its_own_result() -> None:
    good, bad, fine = make_target("good"), make_target("bad"), make_target("fine")
    ecr = Ecr([(0, make_page())], others={bad.digest: [(0, make_page(*CRITICAL))]})
    results = for_scans(ecr.watch(BASIC, 5), [good, bad, fine])

    assert [result.findings for result in results] == [(), CRITICAL, ()]
    assert [result.target for result in results] == [good, bad, fine]


def test_s1_wait__findings_of_one_image_never_count_for_another() -> None:
    one, other = make_target("one"), make_target("other")
    ecr = Ecr([(0, RUNNING)], others={other.digest: [(0, make_page(*CRITICAL, status="PENDING"))]})
    first, second = for_scans(ecr.watch(BASIC, 5), [other, one])

    assert first.findings == CRITICAL
    assert second.findings == ()


def test_wait__no_image_has_no_result() -> None:
    assert for_scans(Ecr([]).watch(BASIC, 5), []) == ()


def test_wait__all_images_share_the_deadline() -> None:
    ecr = Ecr([(0, RUNNING)])
    watch = ecr.watch(BASIC, 60)
    results = for_scans(watch, [make_target("one"), make_target("two"), make_target("three")])

    assert [result.unjudged for result in results] == [Unjudged.TIMEOUT] * 3
    assert ecr.clock.time == pytest.approx(60)
    assert [at for at, _ in ecr.asks[-3:]] == pytest.approx([60, 60, 60])


@pytest.mark.parametrize(
    ("page", "known", "engine"),
    [
        (make_page(), UNKNOWN, UNKNOWN),
        (make_page(), BASIC, BASIC),
        (make_page(status="ACTIVE"), UNKNOWN, ENHANCED),
        (make_page(enhanced=True), UNKNOWN, ENHANCED),
        (make_page(enhanced=True), BASIC, ENHANCED),
        (make_page(), ENHANCED, ENHANCED),
    ],
)
def test_wait__names_the_engine_by_what_it_answered(
    page: Page, known: ScanType, engine: ScanType
) -> None:
    assert Ecr([(0, page)]).wait(known).engine is engine


# Empty traps (reference/ecr-behaviour.md, 1.2) ------------------------------------------------


@pytest.mark.parametrize("engine", ScanType)
@pytest.mark.parametrize("trap", [EMPTY, ACTIVE_EMPTY, PENDING, RUNNING, NO_SCAN, CUT])
def test_s2_wait__empty_answers_are_never_a_result(trap: Answer, engine: ScanType) -> None:
    result = Ecr([(0, trap)]).wait(engine)

    assert result.unjudged is (Unjudged.ERROR if trap is CUT else Unjudged.TIMEOUT)
    assert decide(result) is Decision.UNKNOWN


@pytest.mark.parametrize("engine", ScanType)
@pytest.mark.parametrize("trap", [EMPTY, ACTIVE_EMPTY, PENDING, RUNNING, NO_SCAN, CUT])
def test_s1_wait__findings_behind_an_empty_answer(trap: Answer, engine: ScanType) -> None:
    result = Ecr([(0, trap), (30, make_page(*CRITICAL))]).wait(engine)

    assert result.unjudged is None
    assert result.findings == CRITICAL


@pytest.mark.parametrize("engine", [ENHANCED, UNKNOWN])
@pytest.mark.parametrize(
    "empty",
    [
        make_page(),
        make_page(counts=None),
        make_page(status="ACTIVE"),
        make_page(enhanced=True),
    ],
)
def test_s1_wait__empty_result_of_an_engine_that_may_be_enhanced_settles(
    empty: Page, engine: ScanType
) -> None:
    ecr = Ecr([(0, empty)])
    result = ecr.wait(engine)

    assert result.unjudged is None
    assert SETTLE_SECONDS <= ecr.clock.time <= SETTLE_SECONDS + LONGEST_POLL


@pytest.mark.parametrize("engine", [ENHANCED, UNKNOWN])
def test_s1_wait__result_that_comes_while_an_empty_one_settles(engine: ScanType) -> None:
    ecr = Ecr([(0, make_page()), (SETTLE_SECONDS - LONGEST_POLL, make_page(*CRITICAL))])

    assert ecr.wait(engine).findings == CRITICAL


@pytest.mark.parametrize("page", [make_page(status="ACTIVE"), make_page(enhanced=True)])
def test_s1_wait__what_looks_enhanced_settles_though_the_registry_says_basic(page: Page) -> None:
    ecr = Ecr([(0, page), (5, replace(page, findings=CRITICAL, counts={"CRITICAL": 1}))])

    assert ecr.wait(BASIC).findings == CRITICAL


def test_s1_wait__waves_of_findings() -> None:
    waves = (make_findings(low=2), make_findings(low=250), make_findings(low=339, critical=1))
    ecr = Ecr(
        [
            (0, PENDING),
            (10, enhanced()),
            (18, enhanced(*waves[0])),
            (26, enhanced(*waves[1])),
            (34, enhanced(*waves[2])),
        ]
    )
    result = ecr.wait()

    assert len(result.findings) == 340
    assert decide(result) is Decision.REFUSED
    assert 34 + SETTLE_SECONDS <= ecr.clock.time <= 34 + SETTLE_SECONDS + 2 * LONGEST_POLL


@pytest.mark.parametrize(
    "change",
    [
        {"counts": {"MEDIUM": 2, "CRITICAL": 1}},
        {"counts": None},
        {"completed_at": COMPLETED_AT + timedelta(seconds=3)},
        {"status": "COMPLETE"},
        {"findings": make_findings(medium=1)},
    ],
)
def test_s1_wait__every_change_settles_anew(change: dict[str, object]) -> None:
    one, other = enhanced(*MEDIUM), replace(enhanced(*MEDIUM), **change)  # type: ignore[arg-type]
    ecr = Ecr([(0, one), (8, other), (16, one), (24, other), (32, enhanced())])
    result = ecr.wait()

    assert (result.findings, result.unjudged) == ((), None)
    assert ecr.clock.time >= 32 + SETTLE_SECONDS


@pytest.mark.parametrize("between", [PENDING, ACTIVE_EMPTY, NO_SCAN, CUT])
def test_s1_wait__what_is_not_final_in_between_settles_anew(between: Answer) -> None:
    ecr = Ecr([(0, enhanced()), (7, between), (9, enhanced())])

    assert ecr.wait().unjudged is None
    assert ecr.clock.time >= 9 + SETTLE_SECONDS


def test_wait__network_cut_and_back() -> None:
    ecr = Ecr([(0, RUNNING), (10, CUT), (40, RUNNING), (50, make_page(*MEDIUM))])
    result = ecr.wait(BASIC)

    assert (result.findings, result.unjudged) == (MEDIUM, None)


def test_wait__scan_that_is_found_late() -> None:
    ecr = Ecr([(0, NO_SCAN), (TIMEOUT - 1, make_page())])

    assert ecr.wait(BASIC).unjudged is None


def test_wait__what_cannot_pass_is_an_error() -> None:
    refused = denied("DescribeImageScanFindings")
    registry = FakeRegistry(make_state(), make_manifest(), answers=[refused])

    with pytest.raises(CallFailed) as caught:
        for_scans(Ecr([]).watch(BASIC, 5, scans=registry), [make_target()])
    assert caught.value is refused


# Refused by ECR -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("FAILED", Unjudged.ERROR),
        ("UNSUPPORTED_IMAGE", Unjudged.UNSUPPORTED),
        ("SCAN_ELIGIBILITY_EXPIRED", Unjudged.ERROR),
        ("A_NEW_ONE", Unjudged.ERROR),
    ],
)
def test_s2_wait__ends_at_once_where_there_will_be_no_verdict(status: str, kind: Unjudged) -> None:
    ecr = Ecr([(0, RUNNING), (5, make_page(status=status))])
    result = ecr.wait(BASIC)

    assert (result.status, result.unjudged, result.engine) == (status, kind, BASIC)
    assert status in result.reason.upper()
    assert ecr.clock.time <= 5 + LONGEST_POLL
    assert decide(result) is Decision.UNKNOWN


def test_s1_wait__findings_of_a_scan_that_ecr_gave_up_refuse() -> None:
    result = Ecr([(0, make_page(*CRITICAL, status="UNSUPPORTED_IMAGE"))]).wait(BASIC)

    assert result.unjudged is Unjudged.UNSUPPORTED
    assert decide(result) is Decision.REFUSED


# Scans that do not start by themselves --------------------------------------------------------

MANUAL = make_scanning(frequency=Frequency.MANUAL)
ON_PUSH = make_scanning()
NOTHING_KNOWN = Scanning()
OFF = Scanning(engine=ENHANCED, frequency=Frequency.MANUAL)
IN_VAIN = (Start.QUOTA, Start.DISABLED, Start.REFUSED)


def test_start__at_once_where_nothing_starts_by_itself() -> None:
    ecr = Ecr([(0, NO_SCAN)], rescan=[(0, NO_SCAN), (2, RUNNING), (9, make_page(*CRITICAL))])
    result = ecr.wait(MANUAL)

    assert ecr.times("start") == [0]
    assert (result.findings, result.unjudged) == (CRITICAL, None)


@pytest.mark.parametrize("scanning", [ON_PUSH, NOTHING_KNOWN])
def test_start__after_a_grace_where_it_should_start_by_itself(scanning: Scanning) -> None:
    ecr = Ecr([(0, NO_SCAN)], rescan=[(0, make_page())])
    result = ecr.wait(scanning)

    (at,) = ecr.times("start")
    assert START_GRACE_SECONDS <= at <= START_GRACE_SECONDS + LONGEST_POLL
    assert result.unjudged is None


@pytest.mark.parametrize("frequency", Frequency)
def test_start__never_where_the_registry_is_enhanced(frequency: Frequency) -> None:
    ecr = Ecr([(0, NO_SCAN)])
    ecr.wait(Scanning(engine=ENHANCED, frequency=frequency), 60)

    assert ecr.started == []


@pytest.mark.parametrize("scanning", [MANUAL, ON_PUSH, NOTHING_KNOWN])
@pytest.mark.parametrize("answer", [RUNNING, PENDING, EMPTY, ACTIVE_EMPTY, CUT, make_page()])
def test_start__only_where_there_is_no_scan(answer: Answer, scanning: Scanning) -> None:
    ecr = Ecr([(0, answer)])
    ecr.wait(scanning, 60)

    assert ecr.started == []


@pytest.mark.parametrize(
    "scanning", [MANUAL, ON_PUSH, NOTHING_KNOWN, make_scanning(engine=ENHANCED)]
)
def test_s2_start__without_asking_no_scan_is_refused_at_once(scanning: Scanning) -> None:
    ecr = Ecr([(0, NO_SCAN)], coverages=[(0, "UNSUPPORTED_OS")])
    result = ecr.wait(scanning, asks=False)

    assert (result.unjudged, result.reason) == (Unjudged.ERROR, scan.NO_SCAN)
    assert ecr.clock.time == 0
    assert [name for _, name in ecr.calls] == ["scan"]


def test_start__without_asking_a_scan_that_runs_is_waited_for() -> None:
    ecr = Ecr([(0, RUNNING), (9, make_page(*CRITICAL))])
    result = ecr.wait(ON_PUSH, asks=False)

    assert (result.unjudged, result.findings) == (None, CRITICAL)


@pytest.mark.parametrize("last", [Start.STARTED, Start.QUOTA])
def test_start__is_repeated_only_where_the_call_itself_failed(last: Start) -> None:
    """The quota after a failed call tells that the call had started one all the same."""
    ecr = Ecr([(0, NO_SCAN)], starts=[Start.FAILED, Start.FAILED, last])
    result = ecr.wait(MANUAL, 120)

    assert len(ecr.started) == 3
    assert result.unjudged is Unjudged.TIMEOUT
    assert result.reason == (
        f"no verdict within scan-timeout: ECR has no scan of this image yet; {Start.STARTED.value}"
    )
    assert f"ECR has no scan of this image yet; {Start.FAILED.value}" in ecr.log[0]


def test_start__that_fails_is_no_storm() -> None:
    ecr = Ecr([(0, NO_SCAN)], starts=[Start.FAILED])
    ecr.wait(MANUAL, 900)

    assert 25 <= len(ecr.started) <= 900 / START_AGAIN_SECONDS + 1


@pytest.mark.parametrize("start", [Start.DISABLED, Start.REFUSED])
def test_s2_start__no_scan_will_ever_come(start: Start) -> None:
    ecr = Ecr([(0, NO_SCAN)], starts=[start])
    result = ecr.wait(MANUAL)

    assert (ecr.clock.time, result.unjudged) == (0, Unjudged.ERROR)
    assert result.reason == f"the repository is not scanned by itself, and {start.value}"


@pytest.mark.parametrize("start", IN_VAIN)
def test_s1_start__in_vain_still_waits_for_a_scan_that_starts_by_itself(start: Start) -> None:
    ecr = Ecr([(0, NO_SCAN), (50, make_page(*CRITICAL))], starts=[start])
    result = ecr.wait(ON_PUSH)

    assert len(ecr.started) == 1
    assert (result.findings, result.unjudged) == (CRITICAL, None)


def test_start__each_image_once() -> None:
    images = [make_target(name) for name in ("one", "two", "three")]
    ecr = Ecr([(0, NO_SCAN)], rescan=[(0, NO_SCAN), (5, RUNNING), (9, make_page())])
    results = for_scans(ecr.watch(MANUAL, 60), images)

    assert ecr.started == [image.digest for image in images]
    assert [result.unjudged for result in results] == [None] * 3


# Inspector's coverage -------------------------------------------------------------------------


@pytest.mark.parametrize("scanning", [make_scanning(engine=ENHANCED), NOTHING_KNOWN])
def test_s1_coverage__is_waited_for_however_settled_an_answer_looks(scanning: Scanning) -> None:
    ecr = Ecr(
        [(0, enhanced()), (100, enhanced(*CRITICAL))],
        coverages=[(0, "PENDING_INITIAL_SCAN"), (50, "SCAN_IN_PROGRESS"), (99, "SUCCESSFUL")],
    )
    result = ecr.wait(scanning)

    assert (result.findings, result.unjudged) == (CRITICAL, None)
    assert any(line.endswith("(SCAN_IN_PROGRESS)") for line in ecr.log)


def test_s1_coverage__that_agrees_at_last_makes_the_answer_settle_anew() -> None:
    ecr = Ecr(
        [(0, enhanced()), (46, enhanced(*CRITICAL))],
        coverages=[(0, "SCAN_IN_PROGRESS"), (40, "SUCCESSFUL")],
    )
    result = ecr.wait(ENHANCED)

    assert (result.findings, result.unjudged) == (CRITICAL, None)


def test_s2_coverage__that_stays_pending() -> None:
    result = Ecr([(0, enhanced())], coverages=[(0, "PENDING_INITIAL_SCAN")]).wait(ENHANCED, 60)

    assert result.unjudged is Unjudged.TIMEOUT
    assert result.reason == (
        "no verdict within scan-timeout: Inspector has not scanned this image yet "
        "(PENDING_INITIAL_SCAN)"
    )


@pytest.mark.parametrize("answer", [enhanced(), NO_SCAN])
def test_s2_coverage__explains_that_there_will_be_no_verdict(answer: Answer) -> None:
    ecr = Ecr([(0, answer)], coverages=[(0, "UNSUPPORTED_OS")])
    result = ecr.wait(ENHANCED)

    assert result.unjudged is Unjudged.UNSUPPORTED
    assert result.reason.endswith("(UNSUPPORTED_OS)")
    assert ecr.clock.time <= START_GRACE_SECONDS + LONGEST_POLL


def test_s2_coverage__explains_where_the_engine_turned_out_to_be_enhanced() -> None:
    ecr = Ecr([(0, NO_SCAN)], starts=[Start.DISABLED], coverages=[(0, "UNSUPPORTED_OS")])
    result = ecr.wait(NOTHING_KNOWN)

    assert result.unjudged is Unjudged.UNSUPPORTED
    assert len(ecr.started) == 1


@pytest.mark.parametrize("start", [Start.STARTED, Start.QUOTA, Start.REFUSED, Start.FAILED])
def test_coverage__has_nothing_to_say_of_a_basic_scan(start: Start) -> None:
    ecr = Ecr([(0, NO_SCAN)], starts=[start], coverages=[(0, "UNSUPPORTED_OS")])

    assert ecr.wait(NOTHING_KNOWN, 60).unjudged is Unjudged.TIMEOUT
    assert ecr.times("coverage") == []


@pytest.mark.parametrize("answer", [NO_SCAN, enhanced()])
def test_coverage__is_not_asked_in_a_basic_registry(answer: Answer) -> None:
    ecr = Ecr([(0, answer)], coverages=[(0, "UNSUPPORTED_OS")])
    ecr.wait(BASIC, 60)

    assert ecr.times("coverage") == []


def test_coverage__is_asked_when_the_answer_has_settled_and_not_before() -> None:
    ecr = Ecr([(0, NO_SCAN), (3, RUNNING), (5, enhanced())])
    ecr.wait(ENHANCED)

    (at,) = ecr.times("coverage")
    assert 5 + SETTLE_SECONDS <= at <= 5 + SETTLE_SECONDS + LONGEST_POLL


def test_coverage__of_a_missing_scan_is_asked_after_the_grace() -> None:
    ecr = Ecr([(0, NO_SCAN)], coverages=[(0, "PENDING_INITIAL_SCAN")])
    ecr.wait(ENHANCED, 60)

    at = ecr.times("coverage")[0]
    assert START_GRACE_SECONDS <= at <= START_GRACE_SECONDS + LONGEST_POLL


def test_s2_coverage__pages_are_not_read_as_long_as_it_is_pending() -> None:
    ecr = Ecr([(0, FIRST)], {"2": [(0, LAST)]}, coverages=[(0, "PENDING_INITIAL_SCAN")])
    ecr.wait(ENHANCED, 60)

    assert [token for _, token in ecr.asks if token] == []


# Old results ----------------------------------------------------------------------------------

HOUR = 3600


def aged(seconds: float, *args: object, **over: object) -> Page:
    """A final answer whose scan was over so long before the test began."""
    return replace(make_page(*args), completed_at=TODAY - timedelta(seconds=seconds), **over)  # type: ignore[arg-type]


@pytest.mark.parametrize(("most", "judged"), [(HOUR, True), (HOUR - 1, False), (None, True)])
def test_s1_age__that_is_accepted(most: int | None, *, judged: bool) -> None:
    result = Ecr([(0, aged(HOUR))], starts=[Start.QUOTA]).wait(BASIC, max_age=most)

    assert result.unjudged is (None if judged else Unjudged.ERROR)
    assert result.age == (HOUR if judged else None)


def test_s1_age__new_scan_in_place_of_an_old_one() -> None:
    ecr = Ecr(
        [(0, aged(40 * 24 * HOUR))],
        rescan=[(0, aged(40 * 24 * HOUR)), (4, RUNNING), (9, aged(-8, *CRITICAL))],
    )
    result = ecr.wait(BASIC, max_age=HOUR)

    assert (ecr.times("start"), result.findings, result.unjudged) == ([0], CRITICAL, None)
    assert result.age == pytest.approx(1, abs=LONGEST_POLL)
    assert ecr.log[0] == (
        "0 s: ECR's result is 40 days old, which is more than max-scan-age; a new scan was asked "
        "for"
    )


@pytest.mark.parametrize("start", IN_VAIN)
def test_s1_age__no_new_scan_to_be_had(start: Start) -> None:
    ecr = Ecr([(0, aged(2 * HOUR))], starts=[start])
    result = ecr.wait(BASIC, max_age=HOUR)

    assert (ecr.clock.time, result.unjudged) == (0, Unjudged.ERROR)
    assert result.reason == (
        f"ECR's result is 2 hours old, which is more than max-scan-age, and {start.value}"
    )


@pytest.mark.parametrize(
    ("engine", "page"),
    [
        (ENHANCED, aged(2 * HOUR)),
        (UNKNOWN, aged(2 * HOUR, enhanced=True)),
        (UNKNOWN, aged(2 * HOUR, status="ACTIVE")),
    ],
)
def test_s1_age__nobody_can_ask_inspector_for_a_new_scan(engine: ScanType, page: Page) -> None:
    ecr = Ecr([(0, page)])
    result = ecr.wait(engine, max_age=HOUR)

    assert (ecr.started, ecr.clock.time, result.unjudged) == ([], 0, Unjudged.ERROR)
    assert result.reason.endswith("an enhanced scan cannot be asked for")


def test_s1_age__new_scan_that_never_comes() -> None:
    ecr = Ecr([(0, aged(2 * HOUR))], starts=[Start.FAILED, Start.STARTED])
    result = ecr.wait(BASIC, 60, max_age=HOUR)

    assert len(ecr.started) == 2
    assert result.unjudged is Unjudged.ERROR
    assert result.reason.endswith("more than max-scan-age; a new scan was asked for")


def test_s1_age__reached_while_it_settles() -> None:
    ecr = Ecr([(0, aged(HOUR - SETTLE_SECONDS / 2))])

    assert ecr.wait(ENHANCED, max_age=HOUR).unjudged is Unjudged.ERROR


def test_s1_age__new_scan_settles_from_its_own_beginning() -> None:
    # The same findings: only the time of the scan tells it from the old one.
    ecr = Ecr([(0, aged(HOUR)), (8, aged(-8)), (16, aged(-8, *CRITICAL))], starts=[Start.STARTED])

    assert ecr.wait(UNKNOWN, max_age=HOUR - 1).findings == CRITICAL


def test_s1_age__is_that_of_the_first_page() -> None:
    first = aged(HOUR - 10, *MEDIUM, next_token="2")
    ecr = Ecr([(0, first)], {"2": [(0, aged(HOUR - 10))]}, cost=8)
    result = ecr.wait(BASIC, max_age=HOUR)

    assert (result.age, result.unjudged) == (HOUR - 2, None)


def test_age__is_nothing_where_the_clock_of_the_runner_is_behind() -> None:
    result = Ecr([(0, aged(-30))]).wait(BASIC, max_age=HOUR)

    assert (result.age, result.unjudged) == (0, None)


# The deadline ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "why"),
    [
        (NO_SCAN, Unjudged.TIMEOUT, "ECR has no scan of this image yet; a new scan was asked for"),
        (RUNNING, Unjudged.TIMEOUT, "the scan is running"),
        (CUT, Unjudged.ERROR, "ECR did not answer (connection reset)"),
        (EMPTY, Unjudged.TIMEOUT, "COMPLETE, but no result is stated yet"),
        (
            make_page(counts={"CRITICAL": 1}),
            Unjudged.ERROR,
            "ECR counts 1 findings, but listed 0",
        ),
    ],
)
def test_s2_wait__deadline(answer: Answer, kind: Unjudged, why: str) -> None:
    ecr = Ecr([(0, answer)])
    result = ecr.wait(BASIC, 45)

    assert (result.unjudged, result.age) == (kind, None)
    assert result.reason == f"no verdict within scan-timeout: {why}"
    assert ecr.clock.time == pytest.approx(45)
    assert ecr.asks[-1][0] == pytest.approx(45)


def test_s2_wait__deadline_while_it_settles() -> None:
    result = Ecr([(0, enhanced())]).wait(ENHANCED, SETTLE_SECONDS - 1)

    assert result.unjudged is Unjudged.TIMEOUT
    assert "ACTIVE; findings may still arrive" in result.reason


def test_wait__paces_by_its_own_start_whatever_the_clock_says() -> None:
    ecr = Ecr([(0, RUNNING)], clock=FakeClock(chance=0.0))
    ecr.clock.time = 5000
    ecr.wait(BASIC, 60)

    assert ecr.clock.sleeps == pytest.approx([0.54] * 8 + [0.855] * 65 + [0.105])


def test_wait__last_ask_at_the_deadline_still_counts() -> None:
    ecr = Ecr([(0, RUNNING), (60, make_page(*MEDIUM))])
    result = ecr.wait(BASIC, 60)

    assert (result.findings, result.unjudged) == (MEDIUM, None)


def test_s2_wait__no_time_at_all_is_one_ask() -> None:
    ecr = Ecr([(0, RUNNING)])

    assert ecr.wait(BASIC, 0).unjudged is Unjudged.TIMEOUT
    assert len(ecr.asks) == 1


@given(
    cost=st.floats(min_value=0.01, max_value=40),
    timeout=st.integers(min_value=0, max_value=120),
    answer=st.sampled_from(
        [RUNNING, NO_SCAN, CUT, EMPTY, enhanced(next_token="more"), make_page(counts={"LOW": 1})]
    ),
    engine=st.sampled_from(ScanType),
)
def test_wait__deadline_is_never_overshot_by_more_than_one_look(
    cost: float, timeout: int, answer: Answer, engine: ScanType
) -> None:
    # "more" leads to itself: pages without an end.
    ecr = Ecr([(0, answer)], {"more": [(0, enhanced(next_token="more"))]}, cost=cost)
    result = ecr.wait(engine, timeout)

    assert result.unjudged is not None
    # Besides the scan, a look asks for one, or Inspector.
    assert ecr.clock.time <= timeout + 2 * cost + 1e-9
    if not result.reason.startswith("no verdict within scan-timeout"):
        assert len(ecr.asks) >= MOST_READS
    else:
        assert timeout <= ecr.clock.time


@pytest.mark.parametrize("kind", [RUNNING, NO_SCAN, CUT, EMPTY])
@pytest.mark.parametrize("timeout", [10, 60, 900])
def test_wait__at_most_one_call_a_second_after_the_first_ones(kind: Answer, timeout: int) -> None:
    ecr = Ecr([(0, kind)])
    ecr.wait(BASIC, timeout)

    times = [at for at, _ in ecr.asks]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps[:-1]) >= 0.54
    assert min(gaps[8:-1], default=1) >= 0.8
    assert max(gaps) <= SELDOM_POLL
    assert timeout / SELDOM_POLL <= len(times)


@pytest.mark.parametrize(
    "last", [RUNNING, NO_SCAN, CUT, EMPTY, PENDING, Page(status="FINDINGS_UNAVAILABLE")]
)
def test_s1_wait__findings_seen_before_the_deadline_refuse(last: Answer) -> None:
    result = Ecr([(0, enhanced(*CRITICAL)), (5, last)]).wait(ENHANCED, 60)

    assert result.unjudged is not None
    assert result.findings == CRITICAL
    assert decide(result) is Decision.REFUSED


def test_wait__findings_seen_again_and_again_count_once() -> None:
    result = Ecr([(0, make_page(*MEDIUM, status="IN_PROGRESS"))]).wait(BASIC, 30)

    assert (result.findings, result.status) == (MEDIUM, "IN_PROGRESS")


# Pages ----------------------------------------------------------------------------------------

FIRST = make_page(*MEDIUM, next_token="2")
LAST = make_page(*CRITICAL)


@pytest.mark.parametrize("engine", ScanType)
@pytest.mark.parametrize("counted", [True, False])
def test_s1_pages__only_critical_is_on_the_last(engine: ScanType, *, counted: bool) -> None:
    over = {} if counted else {"counts": None}
    ecr = Ecr(
        [(0, replace(FIRST, **over))],  # type: ignore[arg-type]
        {
            "2": [(0, make_page(next_token="3", **over))],
            "3": [(0, replace(LAST, **over))],  # type: ignore[arg-type]
        },
    )
    result = ecr.wait(engine)

    assert (result.findings, result.unjudged) == ((*MEDIUM, *CRITICAL), None)
    assert decide(result) is Decision.REFUSED


def test_pages__basic_is_read_once() -> None:
    ecr = Ecr([(0, FIRST)], {"2": [(0, LAST)]})
    ecr.wait(BASIC)

    assert ecr.asks == [(0, None), (0, "2")]


def test_pages__are_not_read_before_the_first_has_settled() -> None:
    ecr = Ecr([(0, RUNNING), (3, FIRST)], {"2": [(0, LAST)]})
    ecr.wait(ENHANCED)

    further = [at for at, token in ecr.asks if token]
    assert min(further) >= 3 + SETTLE_SECONDS
    assert len(further) == 2


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        pytest.param(CUT, "COMPLETE", id="cut"),
        pytest.param(NO_SCAN, "COMPLETE", id="no scan"),
        pytest.param(RUNNING, "IN_PROGRESS", id="running again"),
        pytest.param(make_page(status="ACTIVE"), "ACTIVE", id="final, but another status"),
        pytest.param(make_page(completed_at=None), "COMPLETE", id="no result is stated"),
        pytest.param(
            make_page(completed_at=COMPLETED_AT + timedelta(minutes=1)),
            "COMPLETE",
            id="of another scan",
        ),
        pytest.param(make_page(status="FAILED"), "FAILED", id="failed"),
    ],
)
def test_s2_pages__one_that_is_not_of_this_scan_never_passes(answer: Answer, status: str) -> None:
    ecr = Ecr([(0, FIRST)], {"2": [(0, answer)]})
    result = ecr.wait(BASIC, 60)

    assert result.unjudged is Unjudged.ERROR
    assert result.reason.endswith("a page of the findings could not be read") or (
        "ECR counts" in result.reason
    )
    assert result.findings == MEDIUM
    assert decide(result) is Decision.UNKNOWN


def test_s2_pages__last_one_is_missing_without_counts() -> None:
    ecr = Ecr([(0, replace(FIRST, counts=None))], {"2": [(0, CUT)]})
    result = ecr.wait(BASIC)

    assert result.unjudged is Unjudged.ERROR
    assert result.reason == "a page of the findings could not be read"
    assert len([token for _, token in ecr.asks if token]) == MOST_READS


def test_s1_pages__one_comes_back() -> None:
    ecr = Ecr([(0, FIRST)], {"2": [(0, CUT), (15, LAST)]})
    result = ecr.wait(BASIC)

    assert (result.findings, result.unjudged) == ((*MEDIUM, *CRITICAL), None)


def test_s1_pages__rejected_page_refuses_all_the_same() -> None:
    rejected = make_page(*CRITICAL, status="IN_PROGRESS")
    result = Ecr([(0, FIRST)], {"2": [(0, rejected)]}).wait(BASIC, 60)

    assert result.unjudged is Unjudged.ERROR
    assert decide(result) is Decision.REFUSED


def test_s1_pages__seen_once_and_then_out_of_reach_refuse() -> None:
    ecr = Ecr([(0, FIRST)], {"2": [(0, replace(LAST, next_token="3"))], "3": [(0, CUT)]})
    result = ecr.wait(BASIC, 60)

    assert result.unjudged is Unjudged.ERROR
    assert result.findings == (*MEDIUM, *CRITICAL)
    assert decide(result) is Decision.REFUSED


def test_s1_pages__findings_that_arrive_between_two_pages() -> None:
    # The whole scan's counts stand on each page; the second knows of a finding that came on to
    # the first page after that was read.
    first = replace(FIRST, findings=MEDIUM, counts={"MEDIUM": 3})
    third = make_findings(medium=3)[2:]
    last = make_page(*third, counts={"MEDIUM": 3, "CRITICAL": 1})
    ecr = Ecr(
        [(0, first), (1, replace(first, findings=(*CRITICAL, *MEDIUM), counts=last.counts))],
        {"2": [(0, last)]},
    )
    result = ecr.wait(BASIC)

    assert result.unjudged is None
    assert decide(result) is Decision.REFUSED


@pytest.mark.parametrize("engine", [ENHANCED, UNKNOWN])
@pytest.mark.parametrize("counted", [True, False])
def test_s1_pages__last_one_has_to_settle_too(engine: ScanType, *, counted: bool) -> None:
    # The first page is full and stays the same, and its counts speak for itself alone.
    over = {} if counted else {"counts": None}
    ecr = Ecr(
        [(0, replace(FIRST, **over))],  # type: ignore[arg-type]
        {"2": [(0, make_page(**over)), (15, replace(LAST, **over))]},  # type: ignore[arg-type]
    )
    result = ecr.wait(engine)

    assert result.findings == (*MEDIUM, *CRITICAL)
    assert decide(result) is Decision.REFUSED


def test_s2_pages__last_one_that_never_settles() -> None:
    waves: list[tuple[float, Answer]] = [
        (second, make_page(*make_findings(low=second))) for second in range(200)
    ]
    result = Ecr([(0, FIRST)], {"2": waves}).wait(ENHANCED, 105)

    assert result.unjudged is Unjudged.TIMEOUT
    assert "findings may still arrive" in result.reason


def test_s1_pages__wave_that_adds_a_page() -> None:
    alone = replace(FIRST, next_token=None)
    ecr = Ecr([(0, alone), (8, replace(FIRST, counts=None))], {"2": [(0, LAST)]})

    assert decide(ecr.wait(ENHANCED)) is Decision.REFUSED


def test_s1_pages__token_that_appears_while_the_first_page_stays_the_same() -> None:
    ecr = Ecr([(0, replace(FIRST, next_token=None)), (8, FIRST)], {"2": [(0, LAST)]})

    assert decide(ecr.wait(ENHANCED)) is Decision.REFUSED


def test_pages__tokens_that_change_with_every_answer_settle() -> None:
    script = [(float(second), replace(FIRST, next_token=str(second))) for second in range(100)]
    ecr = Ecr(script, {str(second): [(0, make_page())] for second in range(100)})

    assert ecr.wait(ENHANCED).unjudged is None


@pytest.mark.parametrize("engine", ScanType)
def test_s2_pages__none_is_read_after_the_deadline(engine: ScanType) -> None:
    late = Ecr([(0, RUNNING), (55, FIRST)], {"2": [(0, LAST)]}, cost=5)
    last = Ecr([(0, RUNNING), (60, FIRST)], {"2": [(0, LAST)]})

    for ecr, timeout in ((late, 57), (last, 60)):
        assert ecr.wait(engine, timeout).unjudged is not None
        assert [token for _, token in ecr.asks if token] == []


@pytest.mark.parametrize("circle", ["2", "3"])
def test_s2_pages__that_lead_in_a_circle_are_left(circle: str) -> None:
    second = make_page(counts=None, next_token=circle)
    third = make_page(counts=None, next_token="2")
    ecr = Ecr([(0, replace(FIRST, counts=None))], {"2": [(0, second)], "3": [(0, third)]})
    result = ecr.wait(BASIC)

    assert (result.unjudged, result.findings) == (Unjudged.ERROR, MEDIUM)
    assert result.reason == "a page of the findings could not be read"
    assert len([token for _, token in ecr.asks if token]) <= 2 * MOST_READS


# Counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ScanType)
def test_s1_counts__disagree_and_then_agree(engine: ScanType) -> None:
    early = make_page(counts={"CRITICAL": 1})
    ecr = Ecr([(0, early), (25, make_page(*CRITICAL))])
    result = ecr.wait(engine)

    assert (result.findings, result.unjudged) == (CRITICAL, None)


@pytest.mark.parametrize("engine", ScanType)
def test_s2_counts__that_never_agree(engine: ScanType) -> None:
    ecr = Ecr([(0, make_page(*MEDIUM, counts={"MEDIUM": 3}))])
    result = ecr.wait(engine)

    assert result.unjudged is Unjudged.ERROR
    assert result.reason == "ECR counts 3 findings, but listed 2"
    reads = MOST_READS if engine is not BASIC else MOST_READS - 1
    least, most = reads * SETTLE_SECONDS, reads * (SETTLE_SECONDS + LONGEST_POLL)
    assert least <= ecr.clock.time <= most


def test_s1_counts__agree_at_the_last_read() -> None:
    # Reads after 0, about 10, 20, 30 and 40 seconds are in vain; the sixth is the last.
    ecr = Ecr([(0, make_page(counts={"CRITICAL": 1})), (45, make_page(*CRITICAL))])

    assert decide(ecr.wait(BASIC)) is Decision.REFUSED


def test_s1_pages__that_change_for_longer_than_a_contradiction_may() -> None:
    waves: list[tuple[float, Answer]] = [
        (9.0 * number, make_page(*make_findings(low=number))) for number in range(20)
    ]
    last = make_page(*make_findings(low=20), *CRITICAL)
    result = Ecr([(0, FIRST)], {"2": [*waves, (180.0, last)]}).wait(ENHANCED)

    assert result.unjudged is None
    assert decide(result) is Decision.REFUSED


def test_counts__absent_are_no_disagreement() -> None:
    result = Ecr([(0, make_page(*CRITICAL, counts=None))]).wait(BASIC)

    assert (result.findings, result.unjudged) == (CRITICAL, None)


def test_counts__that_disagree_cost_one_full_read_in_ten_seconds() -> None:
    ecr = Ecr([(0, replace(FIRST, counts={"MEDIUM": 9}))], {"2": [(0, make_page(counts=None))]})
    ecr.wait(BASIC, 60)

    full = [at for at, token in ecr.asks if token]
    assert 4 <= len(full) <= MOST_READS
    assert all(later - earlier >= SETTLE_SECONDS for earlier, later in pairwise(full))


# Many images ----------------------------------------------------------------------------------

TWENTY = [make_target(str(number), f"linux/{number}") for number in range(20)]


@pytest.mark.parametrize("timeout", [10, 60, 900])
@pytest.mark.parametrize("scanning", [make_scanning(engine=ENHANCED), ON_PUSH, MANUAL])
@pytest.mark.parametrize("answer", [RUNNING, NO_SCAN, CUT, enhanced()])
def test_many__about_two_calls_a_second(answer: Answer, scanning: Scanning, timeout: int) -> None:
    coverages = [(0.0, "PENDING_INITIAL_SCAN")]
    ecr = Ecr([(0, answer)], coverages=coverages)
    for_scans(ecr.watch(scanning, timeout), TWENTY)

    # The first round asks at once, and so does the last one, which the deadline brings.
    assert len(ecr.calls) <= 2 * timeout + 2 * len(TWENTY)


def test_many__are_asked_in_turn_and_at_half_the_pace_while_inspector_is_asked_too() -> None:
    ecr = Ecr([(0, enhanced())], coverages=[(0, "PENDING_INITIAL_SCAN")])
    for_scans(ecr.watch(ENHANCED, 300), TWENTY)

    turns = ecr.times("scan")[: -len(TWENTY) : len(TWENTY)]
    gaps = [later - earlier for earlier, later in pairwise(turns)]
    assert gaps[0] == pytest.approx(12)
    assert gaps[1:] == pytest.approx([24] * len(gaps[1:]))


def test_many__one_that_lags_behind_keeps_nobody_but_is_waited_for() -> None:
    late = TWENTY[7]
    ecr = Ecr([(0, make_page())], others={late.digest: [(0, RUNNING), (60, make_page(*CRITICAL))]})
    results = for_scans(ecr.watch(BASIC, 900), TWENTY)

    assert len(ecr.asks) - len(TWENTY) <= 4 / 0.6 + 56 / 0.95 + 2
    assert [len(result.findings) for result in results] == [0] * 7 + [1] + [0] * 12


@pytest.mark.parametrize("cost", [3, 40])
def test_many__slow_answers_do_not_add_up_beyond_the_deadline(cost: float) -> None:
    ecr = Ecr([(0, RUNNING)], cost=cost)
    results = for_scans(ecr.watch(BASIC, 30), TWENTY)

    assert ecr.clock.time <= 30 + LAST_LOOKS_SECONDS + cost
    assert {result.unjudged for result in results} <= {Unjudged.TIMEOUT, Unjudged.ERROR}
    assert len(results) == len(TWENTY)


def test_s2_many__one_that_was_never_asked_about_is_no_timeout_of_ecr() -> None:
    ecr = Ecr([(0, make_page())], cost=40)
    *_, last = for_scans(ecr.watch(BASIC, 30), TWENTY)

    assert (last.unjudged, last.status) == (Unjudged.ERROR, "")
    assert last.reason == "no verdict within scan-timeout: ECR was not asked in time"


@pytest.mark.parametrize(
    ("engine", "answer", "low", "high"),
    [(BASIC, make_page(), 0, 0), (ENHANCED, enhanced(), SETTLE_SECONDS, SETTLE_SECONDS + 1.2)],
)
def test_wait__tells_how_long_an_answer_settled(
    engine: Scanning | ScanType, answer: Page, low: float, high: float
) -> None:
    result = Ecr([(0, RUNNING), (20, answer)]).wait(engine)

    assert low <= result.settling <= high


def test_many__are_named_in_the_log() -> None:
    ecr = Ecr([(0, RUNNING), (5, make_page())])
    for_scans(ecr.watch(BASIC, 60), [make_target("one", "linux/amd64"), make_target("two")])

    assert ecr.log == ["0 s: linux/amd64: the scan is running", "1 s: the scan is running"]


def test_many__that_end_together_have_their_results_together() -> None:
    ecr = Ecr([(0, RUNNING), (47, make_page())])
    for_scans(ecr.watch(BASIC, 900), TWENTY)

    assert 47 <= ecr.clock.time <= 48
    assert len(ecr.asks) <= 47 / 0.6 + len(TWENTY) + 1


def test_many__cost_the_last_of_them_no_more_than_a_turn() -> None:
    late = {
        target.digest: [(0.0, RUNNING), (place + 30.0, make_page())]
        for place, target in enumerate(TWENTY)
    }
    ecr = Ecr([], others=late)
    for_scans(ecr.watch(BASIC, 900), TWENTY)

    assert 49 <= ecr.clock.time <= 49 + 2


# The log --------------------------------------------------------------------------------------


def test_log__says_what_changed_and_reminds() -> None:
    ecr = Ecr([(0, NO_SCAN), (5, RUNNING), (80, make_page())])
    ecr.wait(BASIC)

    assert ecr.log[0] == "0 s: ECR has no scan of this image yet"
    running = [line for line in ecr.log if line.endswith("the scan is running")]
    assert len(ecr.log) == 1 + len(running)
    seconds = [int(line.split()[0]) for line in running]
    assert seconds[0] == pytest.approx(5, abs=LONGEST_POLL)
    assert len(seconds) == 3
    for earlier, later in pairwise(seconds):
        assert REMIND_SECONDS - 1 <= later - earlier <= REMIND_SECONDS + LONGEST_POLL + 1


def test_log__counts_from_each_image_s_own_start() -> None:
    ecr = Ecr([(0, RUNNING), (10, make_page()), (20, RUNNING), (40, make_page())])
    ecr.wait(BASIC)
    ecr.clock.time = 30
    ecr.wait(BASIC)

    assert [line for line in ecr.log if line.startswith("0 s")] == ["0 s: the scan is running"] * 2


# Any answers in any order ---------------------------------------------------------------------

PAGES = st.builds(
    make_page,
    status=st.sampled_from(
        ["COMPLETE", "ACTIVE", "PENDING", "IN_PROGRESS", "FINDINGS_UNAVAILABLE", "FAILED", "NEW"]
    ),
    completed_at=st.sampled_from([None, COMPLETED_AT, COMPLETED_AT + timedelta(seconds=9)]),
    counts=st.sampled_from([None, {}, {"MEDIUM": 2}, {"CRITICAL": 1}, {"MEDIUM": 4}]),
    findings=st.sampled_from([(), MEDIUM, CRITICAL]),
    enhanced=st.booleans(),
    next_token=st.sampled_from([None, "2"]),
)
ANSWERS = st.just(NO_SCAN) | st.just(CUT) | PAGES
SCRIPTS = st.lists(
    st.tuples(st.integers(min_value=1, max_value=40), ANSWERS), min_size=1, max_size=5
).map(lambda steps: [(0, steps[0][1]), *sorted(steps[1:], key=lambda step: step[0])])


@given(SCRIPTS, SCRIPTS, st.sampled_from(ScanType))
def test_s1_wait__whatever_ecr_answers(first: Script, second: Script, engine: ScanType) -> None:
    ecr = Ecr(first, {"2": second}, cost=0.1)
    result = ecr.wait(engine, 60)
    given_pages: list[Page] = []
    for at, token in ecr.asks:
        script = second if token else first
        answer = [answer for since, answer in script if since <= at][-1]
        if isinstance(answer, Page):
            given_pages.append(answer)

    if result.unjudged is not None:
        # What was ever named refuses, whatever the user waived.
        named = {finding for page in given_pages for finding in page.findings}
        assert set(result.findings) == named
        assert (decide(result) is Decision.REFUSED) == bool(named & set(CRITICAL))
        return
    # A verdict rests on the last page alone, or on the pages of the last full read.
    assert given_pages[-1].next_token is None
    assert given_pages[-1].status in ("COMPLETE", "ACTIVE")
    assert given_pages[-1].completed_at is not None
    assert "CRITICAL" not in (given_pages[-1].counts or {}) or set(CRITICAL) <= set(result.findings)
    if CRITICAL[0] in given_pages[-1].findings:
        assert decide(result) is Decision.REFUSED


# What is drawn --------------------------------------------------------------------------------


def test_show__how_much_of_the_time_is_over_before_each_pause() -> None:
    drawn: list[tuple[float, str]] = []

    def show(part: float, text: str) -> bool:
        drawn.append((part, text))
        return True

    ecr = Ecr([(0, NO_SCAN), (40, make_page())], clock=FakeClock())
    ecr.clock.time = 5.0
    ecr.wait(BASIC, timeout=100, show=show)

    assert drawn[0] == (0.0, "0 s of at most 100 s")
    assert len(drawn) == len(ecr.clock.sleeps)
    assert [part for part, _ in drawn] == sorted({part for part, _ in drawn})
    assert all(text == f"{100 * part:.0f} s of at most 100 s" for part, text in drawn)
    assert 0.3 < drawn[-1][0] < 0.4


def test_show__nothing_where_there_is_a_result_at_once() -> None:
    Ecr([(0, make_page())]).wait(BASIC, show=lambda *drawn: pytest.fail(str(drawn)))
