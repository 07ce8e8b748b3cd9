"""One registry: everything that both planes share, behind one lock."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local_ecr import errors, layers, scan_answers, scan_config
from local_ecr.blobs import BlobFiles
from local_ecr.downloads import Downloads
from local_ecr.finding_index import FindingIndex
from local_ecr.images import Image, ImageStore, Put, check_tag
from local_ecr.manifest import Manifest
from local_ecr.repositories import Repositories
from local_ecr.scan_answers import Frame
from local_ecr.scan_book import ScanBook, ScanRecord, check_quota
from local_ecr.scan_script import Answer, Script, Step
from local_ecr.scans import Scenario, Target
from local_ecr.signing import Signatures
from local_ecr.tokens import Tokens
from local_ecr.vulnerabilities import Scanned

_NOT_SCANNABLE = Answer(status="UNSUPPORTED")
_MAX_CONFIG_BYTES = 1 << 20
_INSPECTOR_PATHS = {
    "ListCoverage": "coverage/list",
    "BatchGetFindingDetails": "findings/details/batch/get",
    "ListFindings": "findings/list",
}


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

    def inspector_denied(self, action: str) -> errors.EcrError:
        """IAM's refusal of one of Inspector's actions, which know no resources."""
        resource = self.inspector_arn(action)
        return errors.not_authorized(self.caller, f"inspector2:{action}", resource)

    def inspector_arn(self, action: str) -> str:
        """What messages name as the resource of one of Inspector's actions."""
        path = _INSPECTOR_PATHS.get(action, "findings/list")
        return f"arn:aws:inspector2:{self.region}:{self.account}:/{path}"


@dataclass(frozen=True, kw_only=True)
class ScanNow:
    """What the scan of an image answers at this moment."""

    record: ScanRecord
    step: Step
    answer: Answer
    frame: Frame


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
        self.findings = FindingIndex()
        self.tokens = Tokens()
        self.downloads = Downloads()
        self.signatures = Signatures()
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
        renew = self.scenario.switches.pushed_again == "last"
        image, is_new = self.images.store(placed, self.clock(), renew=renew)
        if is_new and (put.tag is not None or self.scenario.switches.untagged_scanned):
            self._scan_on_push(put.repository, image)
        return image

    def set_scenario(self, scenario: Scenario) -> None:
        """Change what is scripted, also for scans that have begun."""
        self.scenario = scenario
        self.scans.forget_reads()

    def start_scan(self, repository: str, image: Image) -> None:
        """A basic scan by hand.

        Raises:
            EcrError: The registry is enhanced, the image an index, or the day's scan was already.
        """
        if self.coverage(repository).enhanced:
            raise errors.manual_scan_disabled()
        if image.manifest.is_index:
            raise errors.cannot_be_scanned(image.manifest.media_type)
        last = self._record_of(repository, image, enhanced=False)
        check_quota(self._last_scan_at(last) if last else None, self.clock())
        self.scans.begin(
            ScanRecord(
                repository=repository,
                digest=image.digest,
                started_at=self.clock(),
                enhanced=False,
                by_hand=True,
            )
        )

    def scan_now(self, repository: str, image: Image, start: int = 0) -> ScanNow | None:
        """What a scan of this image says now, on the page that begins with this finding.

        Returns:
            None if there is no scan of the engine that is on.
        """
        covered = self.coverage(repository)
        record = self._record_of(repository, image, enhanced=covered.enhanced)
        if record is None:
            return None
        step = self.script(record).at(self.clock() - record.started_at)
        answer = step.answer.of_read(self.scans.reads(record, step.after)).of_page(start)
        frame = self._frame(record, step.after, answer, image)
        return ScanNow(record=record, step=step, answer=answer, frame=frame)

    def script(self, record: ScanRecord) -> Script:
        """The script of a scan as the scenario is now."""
        script = self._script_of(record.repository, record.digest)
        return script.by_hand if record.by_hand and script.by_hand else script

    def _script_of(self, repository: str, digest: str) -> Script:
        shelf = self.images.shelf(repository)
        image = shelf.images[digest]
        if image.manifest.is_index or shelf.is_attestation(digest):
            return Script(steps=(Step(after=0, answer=_NOT_SCANNABLE),))
        target = Target(
            repository=repository,
            digest=digest,
            tags=tuple(shelf.known_tags(digest)),
            platform=image.platform,
        )
        return self.scenario.script_for(target)

    def _last_scan_at(self, record: ScanRecord) -> float | None:
        script = self.script(record)
        if script.never_begins and not record.by_hand:
            return None
        answer = script.at(self.clock() - record.started_at).answer
        return record.started_at + min(0.0, _completed_after(record, answer) or 0.0)

    def _record_of(self, repository: str, image: Image, *, enhanced: bool) -> ScanRecord | None:
        record = self.scans.find(repository, image.digest)
        if image.manifest.is_index:
            shown = enhanced and self.scenario.switches.enhanced_index == "unsupported"
            return record if shown else None
        if record and record.enhanced == enhanced:
            return record
        return None if enhanced else self._old_record(repository, image)

    def _old_record(self, repository: str, image: Image) -> ScanRecord | None:
        # A result that was there before the push needs no scan on push to be there.
        if not self._script_of(repository, image.digest).at(0).answer.is_old:
            return None
        started = image.pushed_at
        return ScanRecord(
            repository=repository, digest=image.digest, started_at=started, enhanced=False
        )

    def _frame(self, record: ScanRecord, after: float, answer: Answer, image: Image) -> Frame:
        platform = (image.platform or "linux/amd64").split("/")
        completed = _completed_after(record, answer)
        scanned = Scanned(
            account=self.place.account,
            region=self.place.region,
            repository=record.repository,
            digest=record.digest,
            tags=tuple(self.images.shelf(record.repository).tags_of(record.digest)),
            pushed_at=image.pushed_at,
            completed_at=record.started_at + (after if completed is None else completed),
            architecture=platform[1],
            layers=self._layers(record.repository, image) if record.enhanced else (),
        )
        return Frame(
            enhanced=record.enhanced,
            continuous=self.coverage(record.repository).frequency == "CONTINUOUS_SCAN",
            scanned=scanned,
            switches=self.scenario.switches,
        )

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
        config = self._config(put.repository, put.manifest)
        try:
            parts = [config["os"], config["architecture"], config.get("variant")]
        except KeyError:
            return None
        return "/".join(str(part) for part in parts if part)

    def _layers(self, repository: str, image: Image) -> tuple[str, ...]:
        if self.scenario.switches.layer_hash == "diff_id":
            return layers.diff_ids(self._config(repository, image.manifest))
        return tuple(layer.digest for layer in image.manifest.layers)

    def _config(self, repository: str, manifest: Manifest) -> dict[str, Any]:
        """The image's config; empty if it has none that can be read."""
        found = manifest.config
        # The path is made of the digest, so only that of a blob which came in as such is good.
        if found is None or found.digest not in self.images.shelf(repository).blobs:
            return {}
        path = self.blobs.path(found.digest)
        if path.stat().st_size > _MAX_CONFIG_BYTES:
            return {}
        try:
            config = json.loads(path.read_bytes())
        except (OSError, ValueError):
            return {}
        return config if isinstance(config, dict) else {}

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
        frame = self._frame(record, final.after, final.answer, image) if final else None
        return {
            "repository": record.repository,
            "digest": record.digest,
            "platform": image.platform,
            "tags": self.images.shelf(record.repository).known_tags(record.digest),
            "byHand": record.by_hand,
            "startedAt": record.started_at,
            "finalAt": record.started_at + final.after if final else None,
            "status": scan_answers.wire_status(final.answer, frame) if final and frame else None,
        }


def _completed_after(record: ScanRecord, answer: Answer) -> float | None:
    # What was begun by hand is new, whatever the script says about the age of its result.
    return None if record.by_hand and answer.is_old else answer.completed_after
