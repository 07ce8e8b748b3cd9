"""When the scan of which digest began. The caller holds the lock and says what time it is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from local_ecr import errors

QUOTA_SECONDS = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class ScanRecord:
    """One scan of one digest; findings of one engine are hidden from the other."""

    repository: str
    digest: str
    started_at: float
    enhanced: bool
    by_hand: bool = False


def check_quota(last_at: float | None, now: float) -> None:
    """There is one basic scan per image in 24 hours, the one on push included.

    Raises:
        EcrError: LimitExceededException.
    """
    if last_at is not None and now - last_at < QUOTA_SECONDS:
        raise errors.scan_quota_exceeded()


class ScanBook:
    """The last scan of each digest in each repository, and how often its findings were read."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], ScanRecord] = {}
        self._reads: Counter[tuple[ScanRecord, float]] = Counter()

    def begin(self, record: ScanRecord) -> None:
        """Note a scan; it takes the place of an earlier one of the same digest."""
        self._records[record.repository, record.digest] = record

    def find(self, repository: str, digest: str) -> ScanRecord | None:
        """The scan of this digest, if there was one."""
        return self._records.get((repository, digest))

    def forget(self, repository: str, digest: str | None = None) -> None:
        """Drop one digest's scan, or all of a repository."""
        gone = [k for k in self._records if k[0] == repository and digest in (None, k[1])]
        for key in gone:
            del self._records[key]

    def all(self) -> list[ScanRecord]:
        """All scans, oldest first."""
        return sorted(self._records.values(), key=lambda record: record.started_at)

    def reads(self, record: ScanRecord, after: float) -> int:
        """How often the step that begins then was read to its last page."""
        return self._reads[record, after]

    def note_read(self, record: ScanRecord, after: float) -> None:
        """The last page was fetched."""
        self._reads[record, after] += 1

    def forget_reads(self) -> None:
        """Begin to count anew, as after a change of the scenario."""
        self._reads.clear()
