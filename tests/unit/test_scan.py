from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecr_publish.findings import Finding, Page
from ecr_publish.scan import (
    SETTLE_SECONDS,
    Final,
    NoScan,
    Quiet,
    Refused,
    Unjudged,
    Unreachable,
    Waiting,
    disagreement,
    interpret,
    poll_delay,
    same_scan,
    settle_seconds,
)
from ecr_publish.scanning import ScanType
from tests.factories import COMPLETED_AT, make_finding, make_findings, make_page

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
    assert interpret(NoScan(message="ScanNotFoundException")) == Waiting(
        why="ECR has no scan of this image yet", kind=Unjudged.TIMEOUT
    )


def test_s2_interpret__no_answer_is_no_timeout_of_ecr() -> None:
    assert interpret(Unreachable(message="connection reset")) == Waiting(
        why="ECR did not answer (connection reset)", kind=Unjudged.ERROR
    )


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

HIGH, LOW, CRITICAL = make_findings(high=1, low=1, critical=1)


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


# Pace ---------------------------------------------------------------------------------------

CHANCES = st.floats(min_value=0, max_value=1)
SECONDS = st.floats(min_value=0, max_value=1e6)


@given(SECONDS, SECONDS, CHANCES)
def test_poll_delay__is_short_and_never_past_the_deadline(
    waited: float, remaining: float, chance: float
) -> None:
    delay = poll_delay(waited, remaining, chance)

    assert 0 <= delay <= min(2.0, remaining)


@given(SECONDS, CHANCES)
def test_poll_delay__far_from_the_deadline_is_above_one_second(
    waited: float, chance: float
) -> None:
    assert poll_delay(waited, 1e6, chance) > 1.0


@given(st.integers(min_value=10, max_value=300), st.lists(CHANCES, min_size=1, max_size=20))
def test_poll_delay__at_most_one_call_a_second_over_ten_seconds(
    timeout: int, chances: list[float]
) -> None:
    waited, calls = 0.0, 1
    while waited < timeout - 1e-6:
        waited += poll_delay(waited, timeout - waited, chances[calls % len(chances)])
        calls += 1

    assert calls <= waited


@pytest.mark.parametrize(
    ("waited", "chance", "delay"),
    [
        (0, 0.5, 1.5),
        (30, 0.5, 1.65),
        (60, 0.5, 1.8),
        (3600, 0.5, 1.8),
        (0, 0.0, 1.35),
        (0, 1.0, 1.65),
        (60, 1.0, 1.98),
    ],
)
def test_poll_delay__slows_down_and_spreads(waited: float, chance: float, delay: float) -> None:
    assert poll_delay(waited, 1000, chance) == pytest.approx(delay)


@pytest.mark.parametrize("remaining", [0.0, -1.0])
def test_poll_delay__after_the_deadline_is_nothing(remaining: float) -> None:
    assert poll_delay(5, remaining, 0.5) == 0
