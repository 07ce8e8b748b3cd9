"""Time and chance, the real ones."""

from __future__ import annotations

import random
import time
from datetime import datetime, timezone


class SystemClock:
    """The machine's monotonic clock."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def today(self) -> datetime:
        """The date and time, with its time zone."""
        return datetime.now(timezone.utc)

    def chance(self) -> float:
        """A random number from 0 to 1; spreads the polls of many runs, guards nothing."""
        return random.random()  # noqa: S311
