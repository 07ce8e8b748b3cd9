from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.findings import Finding, Page
from ecr_publish.scan import (
    COVERAGE_AGREES,
    SETTLE_SECONDS,
    UNLISTED_SECONDS,
    Coverage,
    Final,
    NoScan,
    Quiet,
    Refused,
    Start,
    Unjudged,
    Unreachable,
    Waiting,
    confirm,
    disagreement,
    explain,
    in_words,
    interpret,
    outdated,
    poll_delay,
    same_scan,
    settle_seconds,
    speak_for_the_scan,
    without_scan,
)
from ecr_publish.scanning import Frequency, ScanType
from tests.factories import COMPLETED_AT, make_finding, make_findings, make_page, make_scanning

WAITING = {
    "PENDING": "the scan has not started yet",
    "IN_PROGRESS": "the scan is running",
    "FINDINGS_UNAVAILABLE": "the findings cannot be retrieved right now",
}
REFUSED = {
    "FAILED": (Unjudged.ERROR, "the scan failed"),
    "UNSUPPORTED_IMAGE": (Unjudged.UNSUPPORTED, "ECR cannot scan this image"),
    "IMAGE_SIZE_EXCEEDED": (Unjudged.UNSUPPORTED, "the image is too large for ECR to scan"),
    "SCAN_ELIGIBILITY_EXPIRED": (Unjudged.ERROR, "Inspector no longer scans this image"),
    "LIMIT_EXCEEDED": (Unjudged.ERROR, "a scanning quota is used up"),
    "IMAGE_ARCHIVED": (Unjudged.ERROR, "the image is in the archive storage class"),
}
UNKNOWN = ("", "complete", "COMPLETED", "ACTIVE ", "SUCCEEDED", "SCAN_SKIPPED")


def test_interpret__every_status_of_ecr_stands_in_the_tables_of_this_file() -> None:
    model = botocore.session.get_session().get_service_model("ecr")
    statuses = set(model.shape_for("ScanStatus").enum)  # type: ignore[attr-defined]

    assert statuses == {"COMPLETE", "ACTIVE", *WAITING, *REFUSED}


@pytest.mark.parametrize("status", ["COMPLETE", "ACTIVE"])
def test_interpret__final_with_a_result(status: str) -> None:
    page = make_page(status=status)

    assert interpret(page) == Final(page=page, completed_at=COMPLETED_AT)


@pytest.mark.parametrize("status", ["COMPLETE", "ACTIVE"])
@pytest.mark.parametrize("findings", [(), make_findings(low=1)])
@pytest.mark.parametrize("counts", [None, {}, {"LOW": 1}])
def test_s2_interpret__final_without_a_result_is_not_final(
    status: str, findings: tuple[()], counts: dict[str, int] | None
) -> None:
    page = make_page(status=status, completed_at=None, findings=findings, counts=counts)

    assert interpret(page) == Waiting(
        why=f"{status}, but no result is stated yet", kind=Unjudged.TIMEOUT
    )


@pytest.mark.parametrize("completed_at", [None, COMPLETED_AT])
@pytest.mark.parametrize("status", WAITING)
def test_s2_interpret__waits(status: str, completed_at: None) -> None:
    page = make_page(status=status, completed_at=completed_at)

    assert interpret(page) == Waiting(why=WAITING[status], kind=Unjudged.TIMEOUT)


@pytest.mark.parametrize("completed_at", [None, COMPLETED_AT])
@pytest.mark.parametrize("status", REFUSED)
def test_s2_interpret__refuses(status: str, completed_at: None) -> None:
    state = interpret(make_page(status=status, completed_at=completed_at))
    kind, reason = REFUSED[status]

    assert isinstance(state, Refused)
    assert state.kind is kind
    assert state.reason.startswith(reason)
    assert status in state.reason.upper()


@pytest.mark.parametrize("completed_at", [None, COMPLETED_AT])
@pytest.mark.parametrize("status", UNKNOWN)
def test_s2_interpret__refuses_a_status_that_is_not_known(status: str, completed_at: None) -> None:
    page = make_page(status=status, completed_at=completed_at, description="Whatever.")

    assert interpret(page) == Refused(
        kind=Unjudged.ERROR,
        reason=f"ECR answered with the unknown status {status!r}: Whatever.",
    )


@given(st.text())
def test_s2_interpret__only_two_words_are_final(status: str) -> None:
    final = isinstance(interpret(make_page(status=status)), Final)

    assert final == (status in ("COMPLETE", "ACTIVE"))


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        (
            "UnsupportedImageError: The operating system and/or package manager are not supported.",
            Unjudged.UNSUPPORTED,
        ),
        ("Something went wrong: no UnsupportedImageError", Unjudged.ERROR),
        ("InternalError", Unjudged.ERROR),
    ],
)
def test_s2_interpret__failed_is_classified_by_its_description(
    description: str, kind: Unjudged
) -> None:
    state = interpret(Page(status="FAILED", description=description))

    assert state == Refused(kind=kind, reason=f"the scan failed: {description}")


def test_interpret__failed_without_description() -> None:
    assert interpret(Page(status="FAILED")) == Refused(
        kind=Unjudged.ERROR, reason="the scan failed"
    )


def test_s2_interpret__no_scan_is_what_ecr_left_open() -> None:
    assert interpret(NoScan()) == Waiting(
        why="ECR has no scan of this image yet", kind=Unjudged.TIMEOUT
    )


def test_s2_interpret__no_answer_is_no_timeout_of_ecr() -> None:
    assert interpret(Unreachable(message="connection reset")) == Waiting(
        why="ECR did not answer (connection reset)", kind=Unjudged.ERROR
    )


# Inspector's coverage -----------------------------------------------------------------------

COVERAGE = {
    "PENDING_INITIAL_SCAN": Waiting(
        why="Inspector has not scanned this image yet (PENDING_INITIAL_SCAN)"
    ),
    "PENDING_REVIVAL_SCAN": Waiting(
        why="Inspector is about to scan this image again (PENDING_REVIVAL_SCAN)"
    ),
    "SCAN_IN_PROGRESS": Waiting(why="Inspector is scanning this image (SCAN_IN_PROGRESS)"),
    "UNSUPPORTED_OS": Refused(
        kind=Unjudged.UNSUPPORTED,
        reason="Inspector does not support the image's operating system (UNSUPPORTED_OS)",
    ),
    "UNSUPPORTED_MEDIA_TYPE": Refused(
        kind=Unjudged.UNSUPPORTED,
        reason="Inspector does not support the image's media type (UNSUPPORTED_MEDIA_TYPE)",
    ),
    "IMAGE_SIZE_EXCEEDED": Refused(
        kind=Unjudged.UNSUPPORTED,
        reason="the image is too large for Inspector (IMAGE_SIZE_EXCEEDED)",
    ),
}


@pytest.mark.parametrize("reason", COVERAGE)
def test_s2_confirm__contradicts_a_final_answer(reason: str) -> None:
    assert confirm(Coverage(reason=reason), make_page(), 999) == COVERAGE[reason]
    assert explain(Coverage(reason=reason)) == COVERAGE[reason]


@pytest.mark.parametrize("reason", COVERAGE_AGREES)
def test_confirm__agrees(reason: str) -> None:
    assert confirm(Coverage(reason=reason, scanned=True), make_page(), 0) is None


@pytest.mark.parametrize("reason", COVERAGE_AGREES)
def test_s2_confirm__agrees_only_to_a_scan_that_was(reason: str) -> None:
    state = confirm(Coverage(reason=reason), make_page(), 999)

    assert isinstance(state, Waiting)
    assert state.why == (
        f"Inspector's coverage says {reason}, and not that it has scanned this image"
    )


@pytest.mark.parametrize("reason", ["INTERNAL_ERROR", "ACCESS_DENIED", "successful", "A_NEW_WORD"])
def test_s2_confirm__a_reason_that_does_not_agree_is_no_pass(reason: str) -> None:
    state = confirm(Coverage(reason=reason), make_page(make_finding()), 999)

    assert isinstance(state, Waiting)
    assert state.kind is Unjudged.ERROR
    assert reason in state.why
    assert explain(Coverage(reason=reason)) is None


def test_confirm__no_coverage_is_no_contradiction() -> None:
    assert confirm(None, make_page(), 0) is None
    assert explain(None) is None


@pytest.mark.parametrize(
    ("findings", "quiet", "waits"),
    [
        ((), UNLISTED_SECONDS - 1, True),
        ((), UNLISTED_SECONDS, False),
        ((make_finding(),), 0, False),
    ],
)
def test_s2_confirm__unlisted_and_empty_has_to_stay_so_for_longer(
    findings: tuple[Finding, ...], quiet: float, *, waits: bool
) -> None:
    state = confirm(Coverage(), make_page(*findings), quiet)

    assert isinstance(state, Waiting) is waits


def test_confirm__every_reason_is_one_of_inspector() -> None:
    model = botocore.session.get_session().get_service_model("inspector2")
    reasons = set(model.shape_for("ScanStatusReason").enum)  # type: ignore[attr-defined]

    # Every other reason keeps an image from passing, so a new one asks for a decision here.
    assert {*COVERAGE, *COVERAGE_AGREES} <= reasons


# Scans that are missing or old --------------------------------------------------------------

NO_SCAN = "ECR has no scan of this image yet"


@pytest.mark.parametrize("frequency", Frequency)
def test_without_scan__waits_as_long_as_none_was_asked_for(frequency: Frequency) -> None:
    scanning = make_scanning(frequency=frequency)

    assert without_scan(scanning, None) == Waiting(why=NO_SCAN, kind=Unjudged.TIMEOUT)


@pytest.mark.parametrize("frequency", Frequency)
@pytest.mark.parametrize("start", Start)
def test_s2_without_scan__is_refused_only_where_none_can_come(
    start: Start, frequency: Frequency
) -> None:
    state = without_scan(make_scanning(frequency=frequency), start)

    if start is Start.UNSUPPORTED:
        assert state == Refused(kind=Unjudged.UNSUPPORTED, reason=start.value)
    elif frequency is Frequency.MANUAL and start in (Start.DISABLED, Start.REFUSED):
        assert state == Refused(
            kind=Unjudged.ERROR,
            reason=f"the repository is not scanned by itself, and {start.value}",
        )
    else:
        assert state == Waiting(why=f"{NO_SCAN}; {start.value}", kind=Unjudged.TIMEOUT)


@pytest.mark.parametrize("start", Start)
def test_s1_outdated__never_counts(start: Start) -> None:
    state = outdated(90_000, start)
    old = "ECR's result is 1 day old, which is more than max-scan-age"

    if start in (Start.STARTED, Start.FAILED):
        assert state == Waiting(why=f"{old}; {start.value}", kind=Unjudged.ERROR)
    else:
        assert state == Refused(kind=Unjudged.ERROR, reason=f"{old}, and {start.value}")


def test_start__each_answer_has_words_of_its_own() -> None:
    assert len({start.value for start in Start}) == len(Start) == 6
    assert "24 hours" in Start.QUOTA.value
    assert "enhanced" in Start.DISABLED.value
    assert "ecr:StartImageScan" in Start.REFUSED.value


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (59.9, "less than a minute"),
        (60, "1 minute"),
        (119, "1 minute"),
        (120, "2 minutes"),
        (3599, "59 minutes"),
        (3600, "1 hour"),
        (7200, "2 hours"),
        (86_399, "23 hours"),
        (86_400, "1 day"),
        (172_800, "2 days"),
        (40 * 86_400, "40 days"),
    ],
)
def test_in_words__largest_whole_unit(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


# Settling -----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ScanType)
@pytest.mark.parametrize("enhanced", [True, False])
@pytest.mark.parametrize("status", ["COMPLETE", "ACTIVE"])
def test_s1_settle__only_what_is_surely_basic_counts_at_once(
    engine: ScanType, status: str, *, enhanced: bool
) -> None:
    basic = engine is ScanType.BASIC and status == "COMPLETE" and not enhanced
    page = make_page(status=status, enhanced=enhanced)

    assert settle_seconds(engine, page) == (0.0 if basic else SETTLE_SECONDS)


def test_s1_settle__waves_of_inspector_are_seconds_apart() -> None:
    assert SETTLE_SECONDS >= 10


def test_quiet__goes_on_while_nothing_changes() -> None:
    quiet = Quiet(page=make_page(next_token="a"), since=3.0)

    assert quiet.after(make_page(next_token="b"), 8.0) == Quiet(page=make_page(), since=3.0)


@pytest.mark.parametrize(
    "changed",
    [
        make_page(*make_findings(low=1)),
        make_page(*make_findings(low=1), counts={}),
        make_page(counts={"LOW": 1}),
        make_page(counts=None),
        make_page(status="ACTIVE"),
        make_page(completed_at=COMPLETED_AT + timedelta(seconds=1)),
    ],
)
def test_s1_quiet__begins_anew_with_every_change(changed: Page) -> None:
    assert Quiet(page=make_page(), since=3.0).after(changed, 8.0) == Quiet(page=changed, since=8.0)


@pytest.mark.parametrize(
    ("further", "same"),
    [
        (make_page(*make_findings(low=1)), True),
        (make_page(status="ACTIVE"), False),
        (make_page(completed_at=None), False),
        (make_page(completed_at=COMPLETED_AT + timedelta(seconds=1)), False),
    ],
)
def test_s1_same_scan__by_status_and_completion(further: Page, *, same: bool) -> None:
    assert same_scan(make_page(), further) is same


# Counts -------------------------------------------------------------------------------------

HIGH, LOW, CRITICAL, UNDEFINED = make_findings(high=1, low=1, critical=1, undefined=1)
HUSHED = make_finding("CVE-2024-9999", "CRITICAL", suppressed=True)
UNRANKED = {"UNTRIAGED": 1, "UNDEFINED": 1}


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([make_page()], id="empty"),
        pytest.param([make_page(counts=None)], id="empty without counts"),
        pytest.param([make_page(HIGH, LOW)], id="one page"),
        pytest.param([make_page(HIGH, LOW, counts=None)], id="one page without counts"),
        pytest.param([make_page(LOW, counts={"LOW": 1, "HIGH": 0})], id="a zero is no count"),
        pytest.param([make_page(HIGH), make_page(LOW)], id="counts of each page"),
        pytest.param(
            [
                make_page(HIGH, counts={"HIGH": 1, "LOW": 1}),
                make_page(LOW, counts={"HIGH": 1, "LOW": 1}),
            ],
            id="counts of the scan",
        ),
        pytest.param(
            [make_page(HIGH, counts={"HIGH": 1, "LOW": 1}), make_page(LOW, counts=None)],
            id="counts of the scan on the first page only",
        ),
        pytest.param(
            [make_page(make_finding(severity="UNTRIAGED"), counts={"UNTRIAGED": 1})],
            id="a word outside the model",
        ),
        pytest.param(
            [make_page(make_finding(severity="UNTRIAGED"), counts={"UNDEFINED": 1})],
            id="a word of Inspector counted as one of ECR",
        ),
        pytest.param(
            [make_page(make_finding(severity="UNTRIAGED"), UNDEFINED, counts=UNRANKED)],
            id="two words without a rank, counted apart",
        ),
        pytest.param([make_page(HIGH, HUSHED, counts={"HIGH": 1})], id="suppressed not counted"),
        pytest.param(
            [make_page(HIGH, HUSHED, counts={"HIGH": 1, "CRITICAL": 1})], id="suppressed counted"
        ),
        pytest.param([make_page(HUSHED, counts={})], id="all are suppressed"),
        pytest.param(
            [make_page(HIGH, HUSHED, counts={"HIGH": 1}), make_page(LOW)],
            id="suppressed not counted, counts of each page",
        ),
        pytest.param(
            [
                make_page(HIGH, HUSHED, counts={"HIGH": 1, "LOW": 1}),
                make_page(LOW, counts={"HIGH": 1, "LOW": 1}),
            ],
            id="suppressed not counted, counts of the scan",
        ),
    ],
)
def test_disagreement__none(pages: Sequence[Page]) -> None:
    assert disagreement(pages) == ""


@pytest.mark.parametrize(
    ("pages", "counted", "listed"),
    [
        pytest.param([make_page(counts={"HIGH": 1})], 1, 0, id="not listed yet"),
        pytest.param([make_page(HIGH, counts={})], 0, 1, id="not counted yet"),
        pytest.param([make_page(LOW, counts={"HIGH": 1})], 1, 1, id="another severity"),
        pytest.param([make_page(LOW, counts={"LOW": 1, "CRITICAL": 1})], 2, 1, id="one more"),
        pytest.param(
            [make_page(HIGH, counts={"HIGH": 1, "LOW": 2}), make_page(LOW, counts={"LOW": 2})],
            3,
            2,
            id="neither reading",
        ),
        pytest.param(
            [make_page(LOW), make_page(counts={"LOW": 1, "CRITICAL": 1})],
            2,
            1,
            id="arrived between two pages",
        ),
        pytest.param(
            [make_page(LOW, counts=None), make_page(counts={"CRITICAL": 1})],
            1,
            1,
            id="counted on the last page only",
        ),
        pytest.param(
            [make_page(HUSHED, HUSHED, counts={"CRITICAL": 1})],
            1,
            2,
            id="some of the suppressed",
        ),
        pytest.param(
            [make_page(HUSHED, HIGH, counts={"CRITICAL": 1})], 1, 2, id="suppressed alone counted"
        ),
        pytest.param(
            [make_page(UNDEFINED, counts={"LOW": 1})], 1, 1, id="without a rank is no low one"
        ),
        pytest.param(
            [
                make_page(HUSHED, counts={"CRITICAL": 1}),
                make_page(HUSHED, HIGH, counts={"HIGH": 1}),
            ],
            1,
            3,
            id="suppressed counted on one page and not on the other",
        ),
    ],
)
def test_s1_disagreement__is_named(pages: Sequence[Page], counted: int, listed: int) -> None:
    assert disagreement(pages) == f"ECR counts {counted} findings, but listed {listed}"


ITEMS = st.lists(st.sampled_from([HIGH, LOW, CRITICAL]), max_size=3)
WORDS = st.sampled_from(["CRITICAL", "HIGH", "LOW", "UNDEFINED"])
COUNTS = st.none() | st.dictionaries(WORDS, st.integers(min_value=0, max_value=3))


@given(st.lists(st.tuples(ITEMS, COUNTS), min_size=1, max_size=3))
def test_s1_disagreement__no_severity_is_counted_anywhere_and_listed_nowhere(
    drawn: list[tuple[list[Finding], dict[str, int] | None]],
) -> None:
    pages = [make_page(*items, counts=counts) for items, counts in drawn]
    listed = {item.stated_severity for page in pages for item in page.findings}
    counted = {word for page in pages for word, number in (page.counts or {}).items() if number}

    assert disagreement(pages) or counted <= listed


@pytest.mark.parametrize(
    ("pages", "speak"),
    [
        pytest.param(
            [make_page(HIGH, counts={"HIGH": 1, "LOW": 1}), make_page(LOW, counts=None)],
            True,
            id="of the scan, on the first page",
        ),
        pytest.param(
            [
                make_page(HIGH, counts={"HIGH": 1, "LOW": 1}),
                make_page(LOW, counts={"HIGH": 1, "LOW": 1}),
            ],
            True,
            id="of the scan, on each page",
        ),
        pytest.param(
            [make_page(HIGH, counts={"HIGH": 1, "LOW": 1}), make_page(LOW, HUSHED, counts=None)],
            True,
            id="of the scan without the suppressed",
        ),
        pytest.param(
            [
                make_page(HIGH, HUSHED, counts={"HIGH": 1, "LOW": 1, "CRITICAL": 1}),
                make_page(LOW, counts=None),
            ],
            True,
            id="of the scan with the suppressed",
        ),
        pytest.param([make_page(HIGH), make_page(LOW)], False, id="of each page"),
        pytest.param(
            [make_page(HIGH, counts=None), make_page(LOW, counts={"HIGH": 1, "LOW": 1})],
            False,
            id="not on the first page",
        ),
        pytest.param(
            [make_page(HIGH, counts=None), make_page(LOW, counts=None)], False, id="none at all"
        ),
        pytest.param([make_page(HIGH), make_page()], False, id="the other page is empty"),
        pytest.param(
            [make_page(HIGH), make_page(counts=None)],
            False,
            id="the other page is empty, uncounted",
        ),
        pytest.param(
            [make_page(HIGH), make_page(HUSHED, counts={})],
            False,
            id="the other page holds nothing that counts",
        ),
        pytest.param(
            [make_page(HIGH, HUSHED, counts={"HIGH": 1}), make_page(counts={"HIGH": 1})],
            False,
            id="the first page's own without the suppressed",
        ),
        pytest.param(
            [
                make_page(HIGH, counts={"HIGH": 1, "LOW": 1}),
                make_page(LOW, counts={"LOW": 1}),
            ],
            False,
            id="of the scan on one page and of the page on the other",
        ),
    ],
)
def test_s1_speak_for_the_scan__only_what_cannot_be_the_first_page_s_own(
    pages: Sequence[Page],
    speak: bool,  # noqa: FBT001
) -> None:
    assert speak_for_the_scan(pages) is speak


@given(st.lists(st.tuples(ITEMS, COUNTS), min_size=1, max_size=3))
def test_s1_speak_for_the_scan__then_they_agree_and_count_more_than_the_first_page(
    drawn: list[tuple[list[Finding], dict[str, int] | None]],
) -> None:
    pages = [make_page(*items, counts=counts) for items, counts in drawn]

    if speak_for_the_scan(pages):
        assert disagreement(pages) == ""
        assert sum((pages[0].counts or {}).values()) > len(pages[0].findings)


# Pace ---------------------------------------------------------------------------------------

CHANCES = st.floats(min_value=0, max_value=1)
SECONDS = st.floats(min_value=0, max_value=1e6)


@given(SECONDS, SECONDS, CHANCES)
def test_poll_delay__is_short_and_never_past_the_deadline(
    waited: float, remaining: float, chance: float
) -> None:
    delay = poll_delay(waited, remaining, chance)

    assert 0 <= delay <= min(3.2, remaining)


@given(SECONDS, CHANCES)
def test_poll_delay__far_from_the_deadline_is_never_hasty(waited: float, chance: float) -> None:
    assert poll_delay(waited, 1e6, chance) >= 0.5


@given(st.integers(min_value=300, max_value=900), st.lists(CHANCES, min_size=1, max_size=20))
def test_poll_delay__at_most_half_a_call_a_second_over_five_minutes(
    timeout: int, chances: list[float]
) -> None:
    waited, calls = 0.0, 1
    while waited < timeout - 1e-6:
        # The extremes alone would tell of the chance and not of the pace.
        chance = 0.25 + chances[calls % len(chances)] / 2
        waited += poll_delay(waited, timeout - waited, chance)
        calls += 1

    assert calls <= 0.55 * waited


@pytest.mark.parametrize(
    ("waited", "chance", "delay"),
    [
        (0, 0.5, 0.6),
        (3.9, 0.5, 0.6),
        (4, 0.5, 0.95),
        (59.9, 0.5, 0.95),
        (60, 0.5, 2.9),
        (3600, 0.5, 2.9),
        (0, 0.0, 0.54),
        (4, 0.0, 0.855),
        (4, 1.0, 1.045),
        (60, 1.0, 3.19),
    ],
)
def test_poll_delay__slows_down_and_spreads(waited: float, chance: float, delay: float) -> None:
    assert poll_delay(waited, 1000, chance) == pytest.approx(delay)


@pytest.mark.parametrize(
    ("waited", "calls", "images", "delay"),
    [
        (5, 1, 1, 0.95),
        (5, 2, 1, 1.2),
        (0, 1, 2, 0.6),
        (5, 1, 2, 0.6),
        (0, 1, 20, 0.6),
        (0, 2, 20, 1.2),
        (60, 1, 2, 1.45),
        (60, 1, 4, 0.725),
        (60, 1, 5, 0.6),
    ],
)
def test_poll_delay__is_shared_by_many_images_up_to_a_limit(
    waited: float, calls: int, images: int, delay: float
) -> None:
    found = poll_delay(waited, 1000, 0.5, calls=calls, images=images)

    assert found == pytest.approx(delay)


@pytest.mark.parametrize("images", [1, 20])
@pytest.mark.parametrize("waited", [0, 60])
def test_poll_delay__spares_ecr_where_it_could_not_answer(waited: float, images: int) -> None:
    assert poll_delay(waited, 1000, 0.5, images=images, spare=True) == pytest.approx(2.9)


@given(SECONDS, SECONDS, CHANCES, st.integers(1, 3), st.integers(1, 100))
def test_poll_delay__is_never_above_two_calls_a_second(
    waited: float, remaining: float, chance: float, calls: int, images: int
) -> None:
    delay = poll_delay(waited, remaining, chance, calls=calls, images=images)

    assert delay <= remaining
    assert delay in (remaining, pytest.approx(0)) or calls / delay < 2


@pytest.mark.parametrize("remaining", [0.0, -1.0])
def test_poll_delay__after_the_deadline_is_nothing(remaining: float) -> None:
    assert poll_delay(5, remaining, 0.5) == 0
