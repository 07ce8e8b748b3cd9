"""What a preset is made of. Times are parts of the seconds that a scan takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from local_ecr.scan_script import NOT_FOUND, RUNNING, SETTLED, Answer, Script, Step
from local_ecr.vulnerabilities import made_up

Entry = tuple[float, Answer]

VULNERABLE = {"CRITICAL": 2, "HIGH": 5, "MEDIUM": 14, "LOW": 30}
NOTHING_YET = Answer(status=RUNNING)
CLEAN = Answer(status=SETTLED)
FOUND = Answer(status=SETTLED, vulnerabilities=made_up(VULNERABLE))
EMPTY = Answer(status="ACTIVE", completed=False)
PREMATURE = Answer(status="COMPLETE", completed=False)
RUN: Entry = (0, NOTHING_YET)
MISSING: Entry = (0, Answer(status=NOT_FOUND))
PENDING: Entry = (0.2, Answer(status="PENDING"))


def completed(counts: Mapping[str, int]) -> Answer:
    """A finished scan with made-up findings."""
    return Answer(status=SETTLED, vulnerabilities=made_up(counts))


@dataclass(frozen=True)
class Preset:
    """A script with a name.

    Attributes:
        about: What it is, in a few words.
        entries: The steps.
        by_hand: The steps of a scan begun by StartImageScan, if they are others.
        platforms: Other presets for single platforms, by pattern.
        enhanced: Whether it is of an enhanced registry, if nothing else is said.
    """

    about: str
    entries: tuple[Entry, ...]
    by_hand: tuple[Entry, ...] | None = None
    platforms: tuple[tuple[str, str], ...] = ()
    enhanced: bool = False

    def script(self, scan_seconds: float, presets: Mapping[str, Preset]) -> Script:
        """The script, at the speed that is wanted."""
        platforms = ((name, presets[at].script(scan_seconds, {})) for name, at in self.platforms)
        return Script(
            steps=_steps(self.entries, scan_seconds),
            by_hand=Script(steps=_steps(self.by_hand, scan_seconds)) if self.by_hand else None,
            platforms=tuple(platforms),
        )


def _steps(entries: tuple[Entry, ...], scan_seconds: float) -> tuple[Step, ...]:
    return tuple(
        Step(after=part * scan_seconds, answer=_timed(answer, scan_seconds))
        for part, answer in entries
    )


def _timed(answer: Answer, scan_seconds: float) -> Answer:
    # An age is in seconds; what happens after the push is a part of the scan's time.
    if answer.completed_after is None or answer.is_old:
        return answer
    return replace(answer, completed_after=answer.completed_after * scan_seconds)
