"""How often ECR is asked to put a tag, over all images of a run."""

from __future__ import annotations

from collections import deque

from ecr_publish.edges.ports import Clock

PUTS_A_SECOND = 10
"""As many PutImage calls ECR takes (ECR user guide, "Service quotas")."""


class Pace:
    """Never more than ten in any second; the first ten wait for nothing."""

    def __init__(self, clock: Clock) -> None:
        """Args: clock: Tells when there is room again, and waits until then."""
        self._clock = clock
        self._begun: deque[float] = deque(maxlen=PUTS_A_SECOND)

    def wait(self) -> None:
        """Wait for the turn of one call more, which begins now."""
        if len(self._begun) == PUTS_A_SECOND:
            self._clock.sleep(max(0.0, self._begun[0] + 1.0 - self._clock.now()))
        self._begun.append(self._clock.now())
