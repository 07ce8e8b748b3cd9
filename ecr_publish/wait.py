"""The wait for ECR's scans: asks, lets scan.py decide, sleeps. The clock is passed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecr_publish.edges.ports import Clock
from ecr_publish.findings import Finding, Page
from ecr_publish.manifest import Target
from ecr_publish.reference import Digest
from ecr_publish.scan import (
    SETTLE_SECONDS,
    Answer,
    Final,
    Quiet,
    Refused,
    Result,
    ScanType,
    Unjudged,
    Waiting,
    disagreement,
    interpret,
    poll_delay,
    same_scan,
    settle_seconds,
)

REMIND_SECONDS = 30.0

Ask = Callable[[Digest, "str | None"], Answer]


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What every wait of one run shares.

    Args:
        ask: Asks ECR for one page of an image's scan: digest, next token.
        clock: The time, and the sleep.
        engine: The registry's scanning engine, where known.
        deadline: The clock's time after which no image is waited for any longer.
        say: Writes a line to the log.
    """

    ask: Ask
    clock: Clock
    engine: ScanType
    deadline: float
    say: Callable[[str], None]


def for_scans(watch: Watch, targets: Sequence[Target]) -> tuple[Result, ...]:
    """Wait for the scan of every image, one after the other, all within the same deadline."""
    return tuple(_Wait(watch, target).run() for target in targets)


class _Wait:
    """The wait for one image: what was seen last, and since when it has been the same."""

    def __init__(self, watch: Watch, target: Target) -> None:
        self._watch = watch
        self._target = target
        self._started = watch.clock.now()
        self._status = ""
        self._seen: dict[Finding, None] = {}
        self._quiet: Quiet | None = None
        self._read: list[Page] = []
        self._problem = ""
        self._patience = 0.0
        self._said = ("", float("-inf"))

    def run(self) -> Result:
        while True:
            state = self._look(self._ask(None))
            if isinstance(state, Result):
                return state
            now = self._watch.clock.now()
            remaining = self._watch.deadline - now
            if remaining <= 0:
                return self._unjudged(state.kind, f"no verdict within scan-timeout: {state.why}")
            self._say(state.why, now)
            chance = self._watch.clock.chance()
            self._watch.clock.sleep(poll_delay(now - self._started, remaining, chance))

    def _ask(self, token: str | None) -> Answer:
        answer = self._watch.ask(self._target.digest, token)
        if isinstance(answer, Page):
            self._status = answer.status
            self._seen.update(dict.fromkeys(answer.findings))
        return answer

    def _look(self, answer: Answer) -> Waiting | Result:
        state = interpret(answer)
        if isinstance(state, Refused):
            return self._unjudged(state.kind, state.reason)
        if isinstance(state, Final):
            return self._settle(state.page)
        self._quiet = None
        return state

    def _settle(self, page: Page) -> Waiting | Result:
        now = self._watch.clock.now()
        self._quiet = self._quiet.after(page, now) if self._quiet else Quiet(page=page, since=now)
        settling = settle_seconds(self._watch.engine, page)
        if now - self._quiet.since < max(settling, self._patience):
            return self._unsettled(page)
        before, self._read = self._read, self._read_on(page)
        self._problem = disagreement(self._read) or _incomplete(self._read)
        # The quiet time watched the first page alone; further ones have to stay the same too.
        if not self._problem and (not settling or len(self._read) == 1 or self._read == before):
            return self._settled(self._read)
        # Every further full read costs as many calls as there are pages, so it has to be earned.
        self._patience = SETTLE_SECONDS
        self._quiet = Quiet(page=page, since=now)
        return self._unsettled(page)

    def _unsettled(self, page: Page) -> Waiting:
        if self._problem:
            return Waiting(why=self._problem, kind=Unjudged.ERROR)
        return Waiting(why=f"{page.status}; findings may still arrive, so it has to settle")

    def _read_on(self, first: Page) -> list[Page]:
        pages, watch = [first], self._watch
        while pages[-1].next_token and watch.clock.now() < watch.deadline:
            answer = self._ask(pages[-1].next_token)
            if not isinstance(answer, Page) or not same_scan(first, answer):
                break
            pages.append(answer)
        return pages

    def _settled(self, pages: Sequence[Page]) -> Result:
        enhanced = any(page.enhanced or page.status == "ACTIVE" for page in pages)
        return Result(
            target=self._target,
            status=pages[0].status,
            findings=tuple(finding for page in pages for finding in page.findings),
            engine=ScanType.ENHANCED if enhanced else self._watch.engine,
        )

    def _unjudged(self, kind: Unjudged, reason: str) -> Result:
        return Result(
            target=self._target,
            status=self._status,
            findings=tuple(self._seen),
            unjudged=kind,
            reason=reason,
            engine=self._watch.engine,
        )

    def _say(self, why: str, now: float) -> None:
        last, at = self._said
        if why != last or now - at >= REMIND_SECONDS:
            self._watch.say(f"{now - self._started:.0f} s: {why}")
            self._said = (why, now)


def _incomplete(pages: Sequence[Page]) -> str:
    return "a page of the findings could not be read" if pages[-1].next_token else ""
