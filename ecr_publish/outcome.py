"""What each room produced, where the run stopped, and the exit code that follows from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ecr_publish.build import Remark
from ecr_publish.errors import ExitCode, PublishError
from ecr_publish.gate import Decision, Verdict
from ecr_publish.inputs import OnFork
from ecr_publish.plan import Plan, RepositoryState
from ecr_publish.reference import Digest, Repository, Tag
from ecr_publish.scan import Evidence
from ecr_publish.scanning import ScanType

BUILT_ONLY = (
    "nothing was pushed, scanned or judged, because this pull request comes from a fork and GitHub "
    "offers its run no OIDC token (on-fork: build-only)"
)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """The release tags that are on the image now, and those of them that were before."""

    tags: tuple[Tag, ...] = ()
    unchanged: tuple[Tag, ...] = ()


@dataclass(kw_only=True)
class Outcome:
    """What is known of the run so far; the corridor fills it in, the reports read it.

    `reused` says that nothing was built, because an earlier run has made this image already, and
    `worn` which of the release tags were on it before. `remarks` are BuildKit's on the Dockerfile.
    `candidate` is the candidate tag while the image has it. `seconds` are the rooms' durations;
    where a room raised `error`, it is the last of them. `tried` says that the image could be built,
    in a run that has no credentials to publish it with. `check` is the check run's number while it
    is open; `report_files` and `sarif_file` are paths, once the files are written.
    """

    plan: Plan | None = None
    state: RepositoryState | None = None
    digest: Digest | None = None
    reused: bool = False
    worn: tuple[Tag, ...] = ()
    remarks: tuple[Remark, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
    verdict: Verdict | None = None
    promotion: Promotion = field(default_factory=Promotion)
    tried: bool = False
    candidate: Tag | None = None
    check: int | None = None
    report_files: list[str] = field(default_factory=list)
    sarif_file: str = ""
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    error: PublishError | None = None

    def stop(self, error: PublishError) -> None:
        """End the run here."""
        self.error = error

    def note(self, text: str) -> None:
        """Let the reports say what is worth knowing beside the verdict."""
        self.notes.append(text)

    @property
    def decision(self) -> Decision:
        """The verdict's decision; unknown where no verdict was reached."""
        return self.verdict.decision if self.verdict else Decision.UNKNOWN

    @property
    def built_only(self) -> bool:
        """Whether the run did all that a fork's may, without an error or a verdict (S2)."""
        allowed = self.plan is not None and self.plan.on_fork is OnFork.BUILD_ONLY
        return allowed and self.tried and self.error is None and self.verdict is None

    @property
    def reason(self) -> str:
        """Why the run ended as it did, in one line."""
        if self.error:
            return self.error.what
        if self.built_only:
            return BUILT_ONLY
        return self.verdict.reason if self.verdict else "the run ended early"

    @property
    def exit_code(self) -> ExitCode:
        """Zero only for an image that may have its tags and has them, or is a fork's (S2)."""
        if self.error:
            return self.error.exit_code
        if self.built_only:
            return ExitCode.PASSED
        if self.verdict is None:
            return ExitCode.BUG
        if self.verdict.may_promote:
            return ExitCode.PASSED
        refused = self.verdict.decision is Decision.REFUSED
        return ExitCode.REFUSED if refused else ExitCode.SCAN

    @property
    def image(self) -> str:
        """The pushed image as repository@digest; empty before the push."""
        return f"{self.state.uri}@{self.digest}" if self.state and self.digest else ""

    @property
    def scan_status(self) -> str:
        """ECR's last status of each image, each named once."""
        return ", ".join(
            dict.fromkeys(result.status for result in self.evidence.results if result.status)
        )

    @property
    def scan_type(self) -> str:
        """The engine that scanned: basic or enhanced; empty where that is not known."""
        known = {result.engine for result in self.evidence.results} - {ScanType.UNKNOWN}
        return ", ".join(sorted(engine.value for engine in known))

    @property
    def scan_age(self) -> float | None:
        """Seconds since the oldest of the images' scans was over; None where ECR says of none."""
        return max(
            (result.age for result in self.evidence.results if result.age is not None), default=None
        )

    @property
    def own_seconds(self) -> float:
        """The run's time less what engine and ECR needed: the build, the push and the scan."""
        theirs = ("build", "push", "scan")
        return sum(spent for room, spent in self.seconds.items() if room not in theirs)


@dataclass(kw_only=True)
class Batch(Outcome):
    """What is known of a run with many images; `images` has the outcome of each, by its target.

    `template` is their repositories' name, before the target is filled in. What the run shares,
    such as its durations, is its own; `error` is what ended it for all images that were not `over`.
    """

    template: Repository | None = None
    images: dict[str, Outcome] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)

    def stop(self, error: PublishError) -> None:
        """End all images that are still under way, and nothing that is over."""
        self.error = error
        for name, outcome in self.images.items():
            if name not in self.over and outcome.error is None:
                outcome.error = error

    def note(self, text: str) -> None:
        """Let the reports of each image say it."""
        for outcome in self.images.values():
            outcome.note(text)

    @property
    def built_only(self) -> bool:
        """Whether that is so of all images."""
        found = [outcome.built_only for outcome in self.images.values()]
        return self.error is None and bool(found) and all(found)

    @property
    def decision(self) -> Decision:
        """Refused if any image is, passed only if all are."""
        found = {outcome.decision for outcome in self.images.values()}
        if Decision.REFUSED in found:
            return Decision.REFUSED
        return Decision.PASSED if found == {Decision.PASSED} else Decision.UNKNOWN

    @property
    def reason(self) -> str:
        """How each image ended that has not passed, in one line."""
        if self.error:
            return self.error.what
        if self.built_only:
            return BUILT_ONLY
        ends = {
            name: it.reason
            for name, it in self.images.items()
            if it.exit_code or it.decision is not Decision.PASSED
        }
        told = "; ".join(
            f"{', '.join(name for name, its in ends.items() if its == reason)}: {reason}"
            for reason in dict.fromkeys(ends.values())
        )
        number = len(self.images)
        if not ends:
            return f"all {number} images passed"
        return f"{len(ends)} of {number} images did not pass: {told}"

    @property
    def exit_code(self) -> ExitCode:
        """What ended the run; else refused, if an image was; else the first image's that failed."""
        if self.error:
            return self.error.exit_code
        codes = [outcome.exit_code for outcome in self.images.values()]
        if ExitCode.REFUSED in codes:
            return ExitCode.REFUSED
        failed = [code for code in codes if code]
        return next(iter(failed), ExitCode.PASSED if codes else ExitCode.BUG)
