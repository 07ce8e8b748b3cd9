"""The wait for ECR's scans: asks, lets scan.py decide, sleeps. The clock is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import inf

from ecr_publish.edges.ports import Clock, Scans, Show
from ecr_publish.findings import Finding, Page
from ecr_publish.manifest import Target
from ecr_publish.scan import (
    NO_SCAN,
    SETTLE_SECONDS,
    Answer,
    Coverage,
    Final,
    NoScan,
    Quiet,
    Refused,
    Result,
    Start,
    Unjudged,
    Unreachable,
    Waiting,
    confirm,
    disagreement,
    explain,
    interpret,
    outdated,
    poll_delay,
    same_scan,
    settle_seconds,
    speak_for_the_scan,
    without_scan,
)
from ecr_publish.scanning import START_GRACE_SECONDS, Scanning, ScanType, should_start

REMIND_SECONDS = 30.0
START_AGAIN_SECONDS = 30.0
MOST_READS = 6
"""How often all pages are read before an answer that contradicts itself is given up: a minute."""
LAST_LOOKS_SECONDS = 10.0
"""How long the last looks, one at each image from the deadline on, may take in all."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What every wait of one run shares.

    Args:
        scans: Is asked.
        clock: The time, and the sleep.
        scanning: How the repository is scanned, as far as it is known.
        deadline: The clock's time after which no image is waited for any longer.
        max_age: Seconds that a result may be old; None for any age.
        say: Writes a line to the log.
        asks: Whether an image without a scan is waited for, and a scan asked for.
        show: Draws how much of the time is over, where that can be drawn.
    """

    scans: Scans
    clock: Clock
    scanning: Scanning
    deadline: float
    max_age: float | None
    say: Callable[[str], None]
    asks: bool = True
    show: Show = lambda *_: False


def for_scans(
    watch: Watch, targets: Sequence[Target], also: Sequence[tuple[Watch, Target]] = ()
) -> tuple[Result, ...]:
    """Wait for the scans of all images at the same time; each has its result at the deadline.

    The images are asked about in turn, so that many never mean many calls at once; and without a
    pause after one that is through, because what was pushed together is often scanned together.

    Args:
        watch: How to wait.
        targets: The images.
        also: Further images, each with a watch of its own, which has the same clock and deadline.
            Their results follow those of the targets.
    """
    started, clock = watch.clock.now(), watch.clock
    waits = [_Wait(*watched) for watched in (*((watch, target) for target in targets), *also)]
    queue = deque(waits)
    while queue:
        wait = queue.popleft()
        wait.look()
        now = clock.now()
        if wait.result is None and now < watch.deadline:
            queue.append(wait)
            wait.say(now)
            _show(watch, now - started, watch.deadline - started)
            clock.sleep(wait.pause(now - started, images=len(queue)))
    return tuple(wait.result or wait.given_up() for wait in waits)


def _show(watch: Watch, waited: float, most: float) -> None:
    watch.show(waited / most, f"{waited:.0f} s of at most {most:.0f} s")


class _Wait:
    """The wait for one image: what was seen last, and since when it has been the same.

    The calls of a look are counted without those for further pages.
    """

    def __init__(self, watch: Watch, target: Target) -> None:
        self.result: Result | None = None
        self._calls = 0
        self._unanswered = False
        self._watch = watch
        self._target = target
        self._started = watch.clock.now()
        self._state = Waiting(why="ECR was not asked in time", kind=Unjudged.ERROR)
        self._status = ""
        self._seen: dict[Finding, Finding] = {}
        self._quiet: Quiet | None = None
        self._settles_at = 0.0
        self._settling_took = 0.0
        self._denied: Waiting | Refused | None = None
        self._read: list[Page] = []
        self._problem = ""
        self._failed_reads = 0
        self._counted: dict[str, int] = {}
        self._start: Start | None = None
        self._start_again = 0.0
        self._age = 0.0
        self._said = ("", float("-inf"))

    def look(self) -> None:
        """Ask once, if it is not too late; then there is a result, or a newer reason to wait."""
        if self._watch.clock.now() >= self._watch.deadline + LAST_LOOKS_SECONDS:
            return
        self._calls = 1
        answer = self._ask(None)
        self._unanswered = isinstance(answer, Unreachable)
        state = self._judge(answer)
        if isinstance(state, Refused):
            self.result = self._unjudged(state.kind, state.reason)
        elif isinstance(state, Result):
            self.result = state
        else:
            self._state = state

    def pause(self, waited: float, images: int) -> float:
        """Seconds until ECR is asked again, about this or another of so many images."""
        clock = self._watch.clock
        # An answer that has settled meanwhile is not kept waiting for its turn.
        alone = self._settles_at if images == 1 and self._settles_at > clock.now() else inf
        return poll_delay(
            waited,
            min(self._watch.deadline, alone) - clock.now(),
            clock.chance(),
            calls=self._calls,
            images=images,
            spare=self._unanswered,
        )

    def say(self, now: float) -> None:
        """Write to the log what is waited for, when that is new or has not been said for long."""
        last, at = self._said
        if self._state.why != last or now - at >= REMIND_SECONDS:
            name = f"{self._target.platform}: " if self._target.platform else ""
            self._watch.say(f"{now - self._started:.0f} s: {name}{self._state.why}")
            self._said = (self._state.why, now)

    def given_up(self) -> Result:
        """The result where the deadline came first."""
        why = f"no verdict within scan-timeout: {self._state.why}"
        return self._unjudged(self._state.kind, why)

    def _ask(self, token: str | None) -> Answer:
        answer = self._watch.scans.scan(self._target.digest, token)
        if isinstance(answer, Page):
            self._status = answer.status
            answer = replace(answer, findings=tuple(map(self._kept, answer.findings)))
            for severity, number in (answer.counts or {}).items():
                self._counted[severity] = max(number, self._counted.get(severity, 0))
        return answer

    def _kept(self, finding: Finding) -> Finding:
        """The same finding as it was read before: many pages are read more than once."""
        return self._seen.setdefault(finding, finding)

    def _judge(self, answer: Answer) -> Waiting | Refused | Result:
        state = interpret(answer)
        if isinstance(state, Final):
            return self._finish(state)
        self._quiet = None
        return self._missing() if isinstance(answer, NoScan) else state

    def _missing(self) -> Waiting | Refused:
        """There is no scan: ask for one where that helps, and Inspector where it knows why."""
        if not self._watch.asks:
            return Refused(kind=Unjudged.ERROR, reason=NO_SCAN)
        waited = self._watch.clock.now() - self._started
        if should_start(self._watch.scanning, waited):
            self._ask_for_a_scan()
        state = without_scan(self._watch.scanning, self._start)
        if waited < START_GRACE_SECONDS or self._start not in (None, Start.DISABLED):
            return state
        return explain(self._coverage()) or state

    def _ask_for_a_scan(self) -> Start:
        """Ask for a scan, once; where the call itself failed, again after a while."""
        now = self._watch.clock.now()
        if self._start is None or (self._start is Start.FAILED and now >= self._start_again):
            self._calls += 1
            answer = self._watch.scans.start_scan(self._target.digest)
            # A call that failed may have started one all the same, which the quota then tells.
            worked = self._start is Start.FAILED and answer is Start.QUOTA
            self._start = Start.STARTED if worked else answer
            self._start_again = now + START_AGAIN_SECONDS
        return self._start

    def _finish(self, final: Final) -> Waiting | Refused | Result:
        """A final answer: not too old, the same for long enough, confirmed, complete."""
        # A fresh scan looks younger than nothing where the runner's clock is behind AWS's.
        age = (self._watch.clock.today() - final.completed_at).total_seconds()
        self._age, page = max(0.0, age), final.page
        return self._too_old(page) or self._settling(page) or self._judged(page)

    def _too_old(self, page: Page) -> Waiting | Refused | None:
        most = self._watch.max_age
        if most is None or self._age <= most:
            return None
        self._quiet = None
        enhanced = self._engine_of([page]) is ScanType.ENHANCED
        return outdated(self._age, Start.DISABLED if enhanced else self._ask_for_a_scan())

    def _settling(self, page: Page) -> Waiting | Refused | None:
        now = self._watch.clock.now()
        self._quiet = self._quiet.after(page, now) if self._quiet else Quiet(page=page, since=now)
        settling = settle_seconds(self._watch.scanning.engine, page)
        # Every further full read costs as many calls as there are pages, so it has to be earned.
        self._settles_at = self._quiet.since + (SETTLE_SECONDS if self._failed_reads else settling)
        if now < self._settles_at:
            return self._unsettled(page)
        self._settling_took = now - self._quiet.since
        return self._confirmed(page) if settling else None

    def _confirmed(self, page: Page) -> Waiting | Refused | None:
        """Whether Inspector agrees; where it did not at first, the answer has to settle anew.

        Not where it says nothing of the image for as long as that may last: to settle anew would
        begin that time again, for ever.
        """
        coverage = self._coverage()
        before, self._denied = self._denied, confirm(coverage, page, self._settling_took)
        unlisted = coverage is not None and not coverage.reason
        if self._denied or not before or unlisted:
            return self._denied
        self._quiet = Quiet(page=page, since=self._watch.clock.now())
        return self._unsettled(page)

    def _judged(self, page: Page) -> Waiting | Refused | Result:
        before, self._read = self._read, self._read_on(page)
        self._problem = disagreement(self._read) or _incomplete(self._read)
        if not self._problem and (self._is_one_with_the_first(page) or self._read == before):
            return self._settled(self._read)
        self._quiet = Quiet(page=page, since=self._watch.clock.now())
        if self._problem:
            self._failed_reads += 1
            if self._failed_reads >= MOST_READS:
                return Refused(kind=Unjudged.ERROR, reason=self._problem)
        return self._unsettled(page)

    def _is_one_with_the_first(self, page: Page) -> bool:
        """Whether the quiet time, which watched the first page alone, speaks for all of them."""
        basic = not settle_seconds(self._watch.scanning.engine, page)
        return basic or len(self._read) == 1 or speak_for_the_scan(self._read)

    def _unsettled(self, page: Page) -> Waiting:
        if self._problem:
            return Waiting(why=self._problem, kind=Unjudged.ERROR)
        return Waiting(why=f"{page.status}; findings may still arrive, so it has to settle")

    def _coverage(self) -> Coverage | None:
        if self._watch.scanning.engine is ScanType.BASIC:
            return None
        self._calls += 1
        return self._watch.scans.coverage(self._target.digest)

    def _read_on(self, first: Page) -> list[Page]:
        pages, asked, watch = [first], set[str](), self._watch
        # A token that comes again leads in a circle.
        while (
            (token := pages[-1].next_token)
            and token not in asked
            and watch.clock.now() < watch.deadline
        ):
            asked.add(token)
            answer = self._ask(token)
            if not isinstance(answer, Page) or not same_scan(first, answer):
                break
            pages.append(answer)
        return pages

    def _settled(self, pages: Sequence[Page]) -> Result:
        return Result(
            target=self._target,
            status=pages[0].status,
            findings=tuple(finding for page in pages for finding in page.findings),
            engine=self._engine_of(pages),
            age=self._age,
            settling=self._settling_took,
        )

    def _engine_of(self, pages: Sequence[Page]) -> ScanType:
        enhanced = any(page.enhanced or page.status == "ACTIVE" for page in pages)
        return ScanType.ENHANCED if enhanced else self._watch.scanning.engine

    def _unjudged(self, kind: Unjudged, reason: str) -> Result:
        return Result(
            target=self._target,
            status=self._status,
            findings=tuple(self._seen),
            unjudged=kind,
            reason=reason,
            engine=self._watch.scanning.engine,
            counted=self._counted,
        )


def _incomplete(pages: Sequence[Page]) -> str:
    return "a page of the findings could not be read" if pages[-1].next_token else ""
