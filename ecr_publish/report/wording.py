"""The sentences that log and summary share, so that they never tell two stories."""

from __future__ import annotations

from ecr_publish.findings import Finding
from ecr_publish.gate import Decision
from ecr_publish.outcome import Outcome
from ecr_publish.scan import in_words

NAMELESS = "(no name)"
"""For a finding that ECR gave no name."""

_FIX_IT = "Update the base image and the packages named here, then run the job again."
_NOTHING_BUILT = (
    "Nothing was built: a release tag is already on the image that was made of this very commit "
    "and these inputs. It was judged again."
)
_BUILD_IT_AGAIN = (
    " This image was built by an earlier run: `rebuild: true` builds it anew where its tags can "
    "move; otherwise it takes a new commit."
)
_OR_ACCEPT_IT = (
    "To accept more, raise `severity-threshold`; `report-only: true` releases the image whatever "
    "is found, and says so."
)


def headline(outcome: Outcome) -> str:
    """The end of the run in one line."""
    if outcome.error:
        done = "Published in part" if outcome.promotion.tags else "Not published"
        return f"{done}: {outcome.error.what}"
    words = {
        Decision.PASSED: "Passed",
        Decision.REFUSED: "Refused",
        Decision.UNKNOWN: "Not judged",
    }
    return f"{words[outcome.decision]}: {outcome.reason}"


def waiver(outcome: Outcome) -> str:
    """The loud sentence for release tags on an image that did not pass; empty otherwise."""
    waived = outcome.verdict.waived_by if outcome.verdict else ()
    if not waived:
        return ""
    done = "The release tags were applied" if outcome.promotion.tags else "The image may be tagged"
    return f"{done} although the image did not pass, because of {' and '.join(waived)}."


def notes(outcome: Outcome) -> tuple[str, ...]:
    """What is worth knowing beside the verdict."""
    return (_NOTHING_BUILT, *outcome.notes) if outcome.reused else tuple(outcome.notes)


def untagged(outcome: Outcome) -> str:
    """What there is instead of release tags: why not, or those of an earlier run."""
    withheld = outcome.plan.withheld if outcome.plan else ""
    if outcome.worn:
        return f"none by this run; {', '.join(map(str, outcome.worn))} since an earlier one"
    return f"none ({withheld})" if withheld else "none"


def advice(outcome: Outcome) -> str:
    """What to do next after a run that reached a verdict."""
    if outcome.decision is Decision.PASSED:
        return ""
    if outcome.decision is Decision.UNKNOWN:
        return (
            "ECR gave no complete verdict, so the image does not count as passed. Look at the "
            "image in the ECR console. If the scan only needs longer, raise `scan-timeout`; see "
            "`on-timeout`, `on-unsupported` and `on-scan-error` for letting such images through."
        )
    # Whoever has waived the verdict need not be told how to.
    accept = "" if waiver(outcome) else f" {_OR_ACCEPT_IT}"
    again = _BUILD_IT_AGAIN if outcome.reused else ""
    return f"{_FIX_IT}{_known_fixes(outcome)}{again}{accept}"


def _known_fixes(outcome: Outcome) -> str:
    deciding = outcome.verdict.deciding if outcome.verdict else ()
    fixable = sum(bool(fixes(finding)) for finding in deciding)
    return f" A fixed version is known for {fixable} of {len(deciding)}." if fixable else ""


def fixes(finding: Finding) -> str:
    """The versions that fix a finding, one per package that has one."""
    return ", ".join(dict.fromkeys(item.fixed_in for item in finding.packages if item.fixed_in))


def installed(finding: Finding) -> str:
    """The packages that a finding is in, with their versions."""
    return ", ".join(
        dict.fromkeys(
            filter(None, (f"{item.name} {item.version}".strip() for item in finding.packages))
        )
    )


def scan(outcome: Outcome) -> str:
    """Engine, last status and age of the scan; empty where none was waited for."""
    age = outcome.scan_age
    old = f"{in_words(age)} old" if age is not None else ""
    return ", ".join(filter(None, (outcome.scan_type, outcome.scan_status, old)))


def durations(outcome: Outcome) -> str:
    """How long each room took, and how much of it all was this action's own time."""
    rooms = ", ".join(f"{room} {spent:.1f} s" for room, spent in outcome.seconds.items())
    own = f"; own time {outcome.own_seconds:.1f} s (all but build, push and scan)"
    return rooms + own if rooms else ""
