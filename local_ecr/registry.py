"""One registry: everything that both planes share, behind one lock."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_ecr import errors, scan_answers, scan_config
from local_ecr.blobs import BlobFiles
from local_ecr.images import Image, ImageStore, Put, check_tag
from local_ecr.manifest import Manifest
from local_ecr.repositories import Repositories
from local_ecr.scan_answers import Frame
from local_ecr.scan_book import ScanBook, ScanRecord
from local_ecr.scans import Answer, Scenario, Script, Step, Target
from local_ecr.tokens import Tokens
from local_ecr.vulnerabilities import Scanned

_NOT_SCANNABLE = Answer(status="UNSUPPORTED")
_MAX_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Place:
    """Whose registry this is and where."""

    account: str = "123456789012"
    region: str = "eu-west-1"

    def arn(self, repository: str) -> str:
        """The ARN of a repository."""
        return f"arn:aws:ecr:{self.region}:{self.account}:repository/{repository}"

    @property
    def caller(self) -> str:
        """Who all callers are in messages."""
        return f"arn:aws:sts::{self.account}:assumed-role/local-ecr/session"


class Registry:
    """State and the rules that need more than one part of it. `lock` guards all parts."""

    def __init__(
        self,
        place: Place,
        scenario: Scenario,
        *,
        enhanced: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.place = place
        self.scenario = scenario
        self.clock = clock
        self.lock = threading.RLock()
        self.images = ImageStore(place.account)
        self.blobs = BlobFiles()
        self.scans = ScanBook()
        self.tokens = Tokens()
        self.repositories = Repositories(place.region, place.account)
        self.repositories.has_images = lambda name: bool(self.images.shelf(name).images)
        self.repositories.on_delete = self._forget
        if enhanced:
            self.repositories.scan_everything_continuously()

    def coverage(self, repository: str) -> scan_config.Coverage:
        """How the repository is scanned, after all rules and settings."""
        return scan_config.coverage(
            self.repositories.registry_scanning_configuration,
            repository,
            scan_on_push=self.repositories.scans_on_push(repository),
        )

    def put_request(self, repository: str, manifest: Manifest, tag: str | None) -> Put:
        """A manifest on its way into a repository that exists, with all of its parts there."""
        mutability = self.repositories.mutability(repository)
        if tag is not None:
            check_tag(tag)
        put = Put(repository=repository, manifest=manifest, tag=tag, mutability=mutability)
        self.images.check_parts(put)
        return put

    def store(self, put: Put) -> Image:
        """Keep the manifest; a digest that is new is scanned if the repository scans on push."""
        placed = Put(
            repository=put.repository,
            manifest=put.manifest,
            tag=put.tag,
            mutability=put.mutability,
            platform=self._platform(put),
        )
        image, is_new = self.images.store(placed, self.clock())
        if is_new and (put.tag is not None or self.scenario.switches.untagged_scanned):
            self._scan_on_push(put.repository, image)
        return image

    def scan_step(self, repository: str, image: Image) -> tuple[Step, Frame]:
        """What a scan of this image says now, and what it depends on.

        Raises:
            EcrError: ScanNotFoundException.
        """
        covered = self.coverage(repository)
        record = self._record_of(repository, image, enhanced=covered.enhanced)
        if record is None:
            raise errors.scan_not_found(image.digest, None, repository, self.place.account)
        script = self.script(record)
        step = script.at(self.clock() - record.started_at)
        return step, self._frame(record, step, image)

    def script(self, record: ScanRecord) -> Script:
        """The script of a scan as the scenario is now."""
        shelf = self.images.shelf(record.repository)
        image = shelf.images[record.digest]
        if image.manifest.is_index or shelf.is_attestation(record.digest):
            return Script(steps=(Step(after=0, answer=_NOT_SCANNABLE),))
        target = Target(
            repository=record.repository,
            digest=record.digest,
            tags=tuple(shelf.known_tags(record.digest)),
            platform=image.platform,
        )
        return self.scenario.script_for(target)

    def _record_of(self, repository: str, image: Image, *, enhanced: bool) -> ScanRecord | None:
        record = self.scans.find(repository, image.digest)
        if image.manifest.is_index:
            shown = enhanced and self.scenario.switches.enhanced_index == "unsupported"
            return record if shown else None
        return record if record and record.enhanced == enhanced else None

    def _frame(self, record: ScanRecord, step: Step, image: Image) -> Frame:
        platform = (image.platform or "linux/amd64").split("/")
        scanned = Scanned(
            account=self.place.account,
            region=self.place.region,
            repository=record.repository,
            digest=record.digest,
            tags=tuple(self.images.shelf(record.repository).tags_of(record.digest)),
            pushed_at=image.pushed_at,
            completed_at=record.started_at + step.after,
            architecture=platform[1],
        )
        continuous = self.coverage(record.repository).frequency == "CONTINUOUS_SCAN"
        return Frame(enhanced=record.enhanced, continuous=continuous, scanned=scanned)

    def _scan_on_push(self, repository: str, image: Image) -> None:
        covered = self.coverage(repository)
        if not covered.on_push:
            return
        self.scans.begin(
            ScanRecord(
                repository=repository,
                digest=image.digest,
                started_at=image.pushed_at,
                enhanced=covered.enhanced,
            )
        )

    def _platform(self, put: Put) -> str | None:
        found = put.manifest.config
        # The path is made of the digest, so only that of a blob which came in as such is good.
        if found is None or found.digest not in self.images.shelf(put.repository).blobs:
            return None
        path = self.blobs.path(found.digest)
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            return None
        try:
            config = json.loads(path.read_bytes())
            parts = [config["os"], config["architecture"], config.get("variant")]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return "/".join(str(part) for part in parts if part)

    def _forget(self, repository: str) -> None:
        self.images.drop(repository)
        self.scans.forget(repository)

    def scan_log(self) -> list[dict[str, Any]]:
        """Each scan with the time at which its answer was final; null if it never will be."""
        return [self._scan_line(record) for record in self.scans.all() if self._is_scanned(record)]

    def _is_scanned(self, record: ScanRecord) -> bool:
        return not self.images.shelf(record.repository).images[record.digest].manifest.is_index

    def _scan_line(self, record: ScanRecord) -> dict[str, Any]:
        image = self.images.shelf(record.repository).images[record.digest]
        final = self.script(record).final
        frame = self._frame(record, final, image) if final else None
        return {
            "repository": record.repository,
            "digest": record.digest,
            "platform": image.platform,
            "tags": self.images.shelf(record.repository).known_tags(record.digest),
            "startedAt": record.started_at,
            "finalAt": record.started_at + final.after if final else None,
            "status": scan_answers.wire_status(final.answer, frame) if final and frame else None,
        }
