"""When the scan of which digest began. The caller holds the lock and says what time it is."""

from __future__ import annotations

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


class ScanBook:
    """The last scan of each digest in each repository."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], ScanRecord] = {}

    def begin(self, record: ScanRecord) -> None:
        """Note a scan; it takes the place of an earlier one of the same digest."""
        self._records[record.repository, record.digest] = record

    def begin_by_hand(self, record: ScanRecord) -> None:
        """The same for StartImageScan.

        Raises:
            EcrError: LimitExceededException, if there was a scan within 24 hours.
        """
        last = self._records.get((record.repository, record.digest))
        if last and record.started_at - last.started_at < QUOTA_SECONDS:
            raise errors.scan_quota_exceeded()
        self.begin(record)

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
