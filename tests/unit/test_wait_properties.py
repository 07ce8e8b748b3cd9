"""Properties of wait and gate together: any images, any answers, in any order.

Each image has a story: what ECR says of it from which second on. The last chapter holds for ever,
and what it lists is the image's final, complete set of findings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.findings import Finding, Page, Threshold, rank
from ecr_publish.gate import Decision, Verdict
from ecr_publish.inputs import OnUnjudged
from ecr_publish.manifest import Target
from ecr_publish.policy import Policy
from ecr_publish.reference import Digest
from ecr_publish.scan import Answer, Coverage, NoScan, Result, Start, Unreachable
from ecr_publish.scanning import Frequency, Scanning, ScanType
from ecr_publish.wait import LAST_LOOKS_SECONDS, Watch, for_scans
from tests.factories import make_finding, make_policy, make_target, verdict_over
from tests.fakes import TODAY, FakeClock

BASIC, ENHANCED = ScanType.BASIC, ScanType.ENHANCED
LONG = 900


@dataclass(frozen=True)
class Listing:
    """A final status with its findings, split into pages.

    `counting`: "scan" (each page counts all), "first" (the first page counts all), "page" (each
    counts its own) or "none". `missing` counts are of findings that are not listed.
    """

    findings: tuple[Finding, ...] = ()
    size: int = 100
    counting: str = "page"
    with_suppressed: bool = True
    status: str = "COMPLETE"
    enhanced: bool = False
    completed_at: datetime = TODAY
    missing: tuple[Finding, ...] = ()

    def page(self, token: str | None) -> Page:
        first = int(token or 0)
        own = self.findings[first : first + self.size]
        more = first + self.size < len(self.findings)
        return Page(
            status=self.status,
            completed_at=self.completed_at,
            counts=self._counts(first, own),
            findings=own,
            enhanced=self.enhanced,
            next_token=str(first + self.size) if more else None,
        )

    def _counts(self, first: int, own: Sequence[Finding]) -> dict[str, int] | None:
        if self.counting == "none" or (self.counting == "first" and first):
            return None
        counted = own if self.counting == "page" else (*self.findings, *self.missing)
        words = [
            item.stated_severity for item in counted if self.with_suppressed or not item.suppressed
        ]
        return {word: words.count(word) for word in words}


Chapter = tuple[float, Answer | Listing]


@dataclass
class Ecr:
    """ECR and Inspector as stories; every call takes `cost` seconds."""

    stories: dict[Digest, list[Chapter]]
    starts: list[Start] = field(default_factory=lambda: [Start.QUOTA])
    covered: str = ""
    cost: float = 0.0
    clock: FakeClock = field(default_factory=FakeClock)
    calls: list[tuple[float, str, Digest, str | None]] = field(default_factory=list)
    started: list[tuple[Digest, Start]] = field(default_factory=list)

    def scan(self, digest: Digest, token: str | None) -> Answer:
        self._called("scan", digest, token)
        assert len(self.calls) < 20_000, "asks without an end"
        said = [what for since, what in self.stories[digest] if since <= self.clock.time][-1]
        return said.page(token) if isinstance(said, Listing) else said

    def start_scan(self, digest: Digest) -> Start:
        self._called("start", digest)
        start = self.starts[min(len(self.started), len(self.starts) - 1)]
        self.started.append((digest, start))
        return start

    def coverage(self, digest: Digest) -> Coverage | None:
        self._called("coverage", digest)
        return Coverage(reason=self.covered, scanned=True) if self.covered else None

    def wait(
        self,
        scanning: Scanning,
        targets: Sequence[Target],
        timeout: float = LONG,
        max_age: float | None = None,
    ) -> tuple[Result, ...]:
        watch = Watch(
            scans=self,
            clock=self.clock,
            scanning=scanning,
            deadline=self.clock.time + timeout,
            max_age=max_age,
            say=lambda _: None,
        )
        return for_scans(watch, targets)

    def _called(self, name: str, digest: Digest, token: str | None = None) -> None:
        self.clock.time += self.cost
        self.calls.append((self.clock.time, name, digest, token))


def images(number: int) -> list[Target]:
    return [make_target(f"image {place}", f"linux/p{place}") for place in range(number)]


def judged(
    stories: Sequence[list[Chapter]], scanning: Scanning, policy: Policy, **over: float
) -> Verdict:
    """The verdict over these images."""
    found = images(len(stories))
    ecr = Ecr({target.digest: story for target, story in zip(found, stories, strict=True)})
    return verdict_over(ecr.wait(scanning, found, **over), policy)


def reached(findings: Sequence[Finding], policy: Policy) -> list[Finding]:
    rules = policy.rules
    return [
        item
        for item in findings
        if not item.suppressed
        and rules.severity_threshold.refuses(rank(item.stated_severity, rules.unknown_severity))
    ]


# Stories --------------------------------------------------------------------------------------

SEVERITIES = st.sampled_from(
    ["CRITICAL", "HIGH", "MEDIUM", "LOW", "LOW", "LOW", "INFORMATIONAL", "UNTRIAGED"]
)
NOT_FINAL: st.SearchStrategy[Answer] = st.sampled_from(
    [
        NoScan(),
        Unreachable(message="connection reset"),
        Page(status="PENDING", enhanced=True),
        Page(status="IN_PROGRESS"),
        Page(status="FINDINGS_UNAVAILABLE"),
        Page(status="COMPLETE"),
        Page(status="ACTIVE"),
        Page(status="ACTIVE", counts={}, enhanced=True),
    ]
)
NEVER_FINAL: st.SearchStrategy[Answer] = st.sampled_from(
    [
        NoScan(),
        Unreachable(message="connection reset"),
        Page(status="IN_PROGRESS"),
        Page(status="COMPLETE"),
        Page(status="FAILED", completed_at=TODAY),
        Page(status="UNSUPPORTED_IMAGE", completed_at=TODAY),
        Page(status="SCAN_ELIGIBILITY_EXPIRED", completed_at=TODAY),
        Page(status="A_NEW_ONE", completed_at=TODAY),
        Page(status="", completed_at=TODAY),
        Page(status="COMPLETE", completed_at=TODAY, counts={"CRITICAL": 1}),
        Page(status="COMPLETE", completed_at=TODAY, next_token="9999"),
    ]
)
POLICIES = st.builds(
    make_policy,
    threshold=st.sampled_from([item for item in Threshold if item is not Threshold.NONE]),
    timeout=st.sampled_from(OnUnjudged),
    error=st.sampled_from(OnUnjudged),
)
SECONDS = st.integers(min_value=1, max_value=60)


def finding_sets(most: int, *, suppressed: bool) -> st.SearchStrategy[tuple[Finding, ...]]:
    hushed = st.sampled_from([False, False, True] if suppressed else [False])
    return st.lists(st.tuples(SEVERITIES, hushed), max_size=most).map(
        lambda drawn: tuple(
            make_finding(f"CVE-{number}", severity, suppressed=quiet)
            for number, (severity, quiet) in enumerate(drawn)
        )
    )


@st.composite
def basic_stories(draw: st.DrawFn) -> tuple[list[Chapter], Listing]:
    """Not final for any time, then final; findings may be counted before they are listed."""
    final = Listing(
        findings=draw(finding_sets(8, suppressed=False)),
        size=draw(st.integers(min_value=1, max_value=9)),
        counting=draw(st.sampled_from(["scan", "first", "page", "none"])),
    )
    story: list[Chapter] = []
    at = 0.0
    for answer in draw(st.lists(NOT_FINAL, max_size=3)):
        story.append((at, answer))
        at += draw(SECONDS)
    lags = draw(st.booleans())
    if lags and final.findings:
        some = draw(st.integers(min_value=0, max_value=len(final.findings) - 1))
        behind = final.findings[some:]
        lagging = replace(final, findings=final.findings[:some], missing=behind, counting="scan")
        story.append((at, lagging))
        at += draw(st.integers(min_value=1, max_value=25))
    return [*story, (at, final)], final


@st.composite
def enhanced_stories(draw: st.DrawFn) -> tuple[list[Chapter], Listing]:
    """Findings arrive in waves, less than ten seconds apart, wherever they are listed."""
    everything = draw(finding_sets(8, suppressed=True))
    shape = Listing(
        size=draw(st.integers(min_value=1, max_value=9)),
        counting=draw(st.sampled_from(["scan", "first", "page", "none"])),
        with_suppressed=draw(st.booleans()),
        status=draw(st.sampled_from(["ACTIVE", "COMPLETE"])),
        enhanced=draw(st.booleans()),
    )
    sizes = sorted(draw(st.sets(st.integers(min_value=0, max_value=len(everything)), max_size=3)))
    order = draw(st.permutations(everything))
    story: list[Chapter] = []
    at = 0.0
    for size in (*[item for item in sizes if item < len(everything)], len(everything)):
        for answer in draw(st.lists(NOT_FINAL, max_size=1)):
            story.append((at, answer))
            at += draw(SECONDS)
        there = set(order[:size])
        wave = replace(shape, findings=tuple(item for item in everything if item in there))
        story.append((at, wave))
        at += draw(st.integers(min_value=1, max_value=9))
    assert isinstance(story[-1][1], Listing)
    return story, story[-1][1]


SCANNINGS = {
    "basic": st.sampled_from(
        [Scanning(engine=BASIC, frequency=frequency) for frequency in Frequency]
    ),
    "enhanced": st.sampled_from(
        [Scanning(engine=ENHANCED, frequency=frequency) for frequency in Frequency]
        + [Scanning(), Scanning(frequency=Frequency.SCAN_ON_PUSH)]
    ),
}


@st.composite
def registries(
    draw: st.DrawFn, most: int = 4
) -> tuple[Scanning, list[tuple[list[Chapter], Listing]]]:
    kind = draw(st.sampled_from(["basic", "enhanced"]))
    story = basic_stories() if kind == "basic" else enhanced_stories()
    return draw(SCANNINGS[kind]), draw(st.lists(story, min_size=1, max_size=most))


REGISTRIES = registries()

# S1: never passed unless everything is known and below the threshold ----------------------------


@given(REGISTRIES, POLICIES)
def test_s1_s2_verdict__is_that_of_the_final_findings(
    registry: tuple[Scanning, list[tuple[list[Chapter], Listing]]], policy: Policy
) -> None:
    scanning, stories = registry
    verdict = judged([story for story, _ in stories], scanning, policy)
    final = [item for _, listing in stories for item in listing.findings]

    if verdict.decision is Decision.UNKNOWN:
        # Two images may keep each other waiting for no longer than a contradiction lasts.
        assert "ECR counts" in verdict.reason
        return
    assert (verdict.decision is Decision.REFUSED) == bool(reached(final, policy))
    if verdict.decision is Decision.PASSED:
        assert {replace(item, platforms=()) for item in verdict.findings} == {
            item for item in final if not item.suppressed
        }


@given(REGISTRIES, st.lists(NEVER_FINAL, min_size=1, max_size=2), POLICIES, st.data())
def test_s1_s2_verdict__never_passes_where_one_image_ends_without_findings(
    registry: tuple[Scanning, list[tuple[list[Chapter], Listing]]],
    ends: list[Answer],
    policy: Policy,
    data: st.DataObject,
) -> None:
    scanning, stories = registry
    told = [story for story, _ in stories]
    for end in ends:
        place = data.draw(st.integers(min_value=0, max_value=len(told)))
        # From the beginning, or while findings are still arriving: a basic scan that is final is
        # never asked about again.
        before = data.draw(enhanced_stories())[0][:1] if scanning.engine is not BASIC else []
        told.insert(place, [*before, (5.0 if before else 0.0, end)])

    assert judged(told, scanning, policy).decision is not Decision.PASSED


CHAPTERS = (
    NOT_FINAL
    | NEVER_FINAL
    | st.builds(
        Listing,
        findings=finding_sets(4, suppressed=True),
        size=st.integers(min_value=1, max_value=3),
        counting=st.sampled_from(["scan", "first", "page", "none"]),
        with_suppressed=st.booleans(),
        status=st.sampled_from(["COMPLETE", "ACTIVE", "IN_PROGRESS", "FAILED", "NEW"]),
        enhanced=st.booleans(),
        completed_at=st.integers(min_value=-90, max_value=90).map(
            lambda seconds: TODAY + timedelta(seconds=seconds)
        ),
        missing=finding_sets(1, suppressed=True),
    )
)
BROKEN = st.lists(st.tuples(SECONDS, CHAPTERS), min_size=1, max_size=5).map(
    lambda steps: [
        (float(sum(seconds for seconds, _ in steps[:place])), what)
        for place, (_, what) in enumerate(steps)
    ]
)
ALL_SCANNINGS = st.builds(
    Scanning, engine=st.sampled_from(ScanType), frequency=st.sampled_from(Frequency)
)
STARTS = st.lists(st.sampled_from(Start), min_size=1, max_size=6)
REASONS = st.sampled_from(
    ["", "SUCCESSFUL", "PENDING_INITIAL_SCAN", "UNSUPPORTED_OS", "SCAN_IN_PROGRESS"]
)


@st.composite
def broken(draw: st.DrawFn, most: int = 4) -> tuple[Ecr, list[Target], Scanning]:
    """Anything in any order, at any pace."""
    found = images(draw(st.integers(min_value=1, max_value=most)))
    ecr = Ecr(
        {target.digest: draw(BROKEN) for target in found},
        starts=draw(STARTS),
        covered=draw(REASONS),
        cost=draw(st.sampled_from([0.0, 0.1, 3.0, 40.0])),
        clock=FakeClock(chance=draw(st.sampled_from([0.0, 0.5, 1.0]))),
    )
    return ecr, found, draw(ALL_SCANNINGS)


@given(broken(), POLICIES)
def test_s1_verdict__passes_on_the_last_findings_that_ecr_gave_alone(
    world: tuple[Ecr, list[Target], Scanning], policy: Policy
) -> None:
    ecr, found, scanning = world
    given: dict[Digest, list[Answer]] = {target.digest: [] for target in found}
    plain = ecr.scan

    def scan(digest: Digest, token: str | None) -> Answer:
        answer = plain(digest, token)
        # A first page begins the findings anew.
        given[digest] = [answer] if token is None else [*given[digest], answer]
        return answer

    ecr.scan = scan  # type: ignore[method-assign]
    verdict = verdict_over(ecr.wait(scanning, found, 120), policy)
    if verdict.decision is not Decision.PASSED:
        return
    for answers in given.values():
        pages = [answer for answer in answers if isinstance(answer, Page)]
        assert len(pages) == len(answers)
        assert {(page.status, page.completed_at) for page in pages} == {
            (pages[0].status, pages[0].completed_at)
        }
        assert pages[0].status in ("COMPLETE", "ACTIVE")
        assert pages[-1].next_token is None
        assert reached([item for page in pages for item in page.findings], policy) == []
        # No severity that refuses is counted anywhere and listed nowhere.
        listed = {item.stated_severity for page in pages for item in page.findings}
        assert {word for page in pages for word in page.counts or {}} <= listed


# Order and additions ----------------------------------------------------------------------------


@given(REGISTRIES, POLICIES, st.data())
def test_verdict__order_of_findings_pages_and_platforms_decides_nothing(
    registry: tuple[Scanning, list[tuple[list[Chapter], Listing]]],
    policy: Policy,
    data: st.DataObject,
) -> None:
    scanning, stories = registry
    settled: list[list[Chapter]] = [[(0.0, listing)] for _, listing in stories]
    shuffled: list[list[Chapter]] = [
        [
            (
                0.0,
                replace(
                    listing,
                    findings=tuple(data.draw(st.permutations(listing.findings))),
                    size=data.draw(st.integers(min_value=1, max_value=9)),
                    counting=data.draw(st.sampled_from(["scan", "first", "page", "none"])),
                ),
            )
        ]
        for _, listing in data.draw(st.permutations(stories))
    ]
    one = judged(settled, scanning, policy)
    other = judged(shuffled, scanning, policy)

    assert (one.decision, one.may_promote) == (other.decision, other.may_promote)
    assert (one.counts, one.reason) == (other.counts, other.reason)


@given(REGISTRIES, POLICIES, SEVERITIES, st.data())
def test_s1_verdict__one_more_finding_never_makes_it_better(
    registry: tuple[Scanning, list[tuple[list[Chapter], Listing]]],
    policy: Policy,
    severity: str,
    data: st.DataObject,
) -> None:
    scanning, stories = registry
    place = data.draw(st.integers(min_value=0, max_value=len(stories) - 1))
    added = make_finding("CVE-ADDED", severity)

    def more(what: Answer | Listing) -> Answer | Listing:
        if not isinstance(what, Listing):
            return what
        return replace(what, findings=(*what.findings, added))

    told = [story for story, _ in stories]
    longer = list(told)
    longer[place] = [(at, more(what)) for at, what in told[place]]
    before, after = judged(told, scanning, policy), judged(longer, scanning, policy)

    if before.decision is Decision.REFUSED:
        assert after.decision is Decision.REFUSED
    if before.decision is Decision.UNKNOWN:
        assert after.decision is not Decision.PASSED
    assert before.may_promote or not after.may_promote


# Old results ------------------------------------------------------------------------------------


@given(broken(), st.integers(min_value=1, max_value=100))
def test_s1_age__older_result_never_passes(
    world: tuple[Ecr, list[Target], Scanning], most: int
) -> None:
    ecr, found, scanning = world
    results = ecr.wait(scanning, found, 120, most)

    for result in results:
        if result.unjudged is None:
            assert result.age is not None
            assert 0 <= result.age <= most
        else:
            assert result.age is None


@given(registries(2), POLICIES, st.integers(min_value=1, max_value=10_000))
def test_s1_age__old_set_of_findings_never_passes(
    registry: tuple[Scanning, list[tuple[list[Chapter], Listing]]], policy: Policy, older: int
) -> None:
    scanning, stories = registry
    told: list[list[Chapter]] = [
        [
            (at, replace(what, completed_at=TODAY - timedelta(seconds=older)))
            if isinstance(what, Listing)
            else (at, what)
            for at, what in story
        ]
        for story, _ in stories
    ]

    verdict = judged(told, scanning, policy, max_age=older - 1)
    assert verdict.decision is not Decision.PASSED


# Calls ------------------------------------------------------------------------------------------


@given(broken(), st.sampled_from([None, 30]))
def test_start__at_most_once_for_each_image_and_never_in_an_enhanced_registry(
    world: tuple[Ecr, list[Target], Scanning], most: int | None
) -> None:
    ecr, found, scanning = world
    ecr.wait(scanning, found, 120, most)

    for target in found:
        starts = [start for digest, start in ecr.started if digest == target.digest]
        assert all(start is Start.FAILED for start in starts[:-1])
    assert not ecr.started or scanning.engine is not ENHANCED
    if most is None:
        # Only for an image that ECR had just said to have no scan.
        for place, (_, name, digest, _) in enumerate(ecr.calls):
            if name == "start":
                at, before, asked, _ = ecr.calls[place - 1]
                said = [what for since, what in ecr.stories[digest] if since <= at][-1]
                assert (before, asked) == ("scan", digest)
                assert isinstance(said, NoScan)


@given(broken(), st.integers(min_value=0, max_value=300))
def test_wait__deadline_holds_whatever_ecr_answers(
    world: tuple[Ecr, list[Target], Scanning], timeout: int
) -> None:
    ecr, found, scanning = world
    results = ecr.wait(scanning, found, timeout)

    # The last look, with the three calls that it may make, begins in the last round.
    assert ecr.clock.time <= timeout + LAST_LOOKS_SECONDS + 3 * ecr.cost
    assert [result.target for result in results] == found
    if len(found) == 1:
        assert ecr.clock.time <= timeout + 3 * ecr.cost + 1e-6


POLLED = NOT_FINAL | st.just(Listing(status="ACTIVE")) | st.just(Listing(status="IN_PROGRESS"))


@given(
    st.lists(st.lists(POLLED, min_size=1, max_size=3), min_size=20, max_size=20),
    ALL_SCANNINGS,
    REASONS,
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(min_value=10, max_value=900),
)
def test_wait__twenty_images_are_about_two_calls_a_second(
    answers: list[list[Answer | Listing]],
    scanning: Scanning,
    covered: str,
    chance: float,
    timeout: int,
) -> None:
    found = images(20)
    stories: dict[Digest, list[Chapter]] = {
        target.digest: [(40.0 * place, what) for place, what in enumerate(said)]
        for target, said in zip(found, answers, strict=True)
    }
    clock = FakeClock(chance=chance)
    ecr = Ecr(stories, starts=[Start.STARTED], covered=covered, clock=clock)
    ecr.wait(scanning, found, timeout)

    # Two calls for each image are not waited for: those of the look that brought its result, and
    # those of the last two rounds, which the deadline cuts.
    assert len(ecr.calls) <= ecr.clock.time / 0.6 + 3 * 2 * len(found)


@given(REGISTRIES)
def test_pages__are_read_once_where_the_counts_speak_for_the_scan(
    registry: tuple[Scanning, list[tuple[list[Chapter], Listing]]],
) -> None:
    scanning, stories = registry
    found = images(len(stories))
    whole = [
        [
            (at, replace(what, counting="first") if isinstance(what, Listing) else what)
            for at, what in story
            if not (isinstance(what, Listing) and what.missing)
        ]
        for story, _ in stories
    ]
    for story in whole:
        story[0] = (0.0, story[0][1])
    ecr = Ecr({target.digest: story for target, story in zip(found, whole, strict=True)})
    results = ecr.wait(scanning, found)

    for target, (_, final), result in zip(found, stories, results, strict=True):
        tokens = [token for _, _, digest, token in ecr.calls if digest == target.digest and token]
        assert result.unjudged is None
        # Where the first page's counts could be its own alone, the pages are read twice.
        own = final.findings[: final.size]
        counts = replace(final, counting="first").page(None).counts
        alone = [
            replace(final, findings=own, counting="page", with_suppressed=each).page(None).counts
            for each in (True, False)
        ]
        assert len(tokens) <= len(set(tokens)) * (2 if counts in alone else 1)
