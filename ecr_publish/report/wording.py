"""The sentences that log and summary share, so that they never tell two stories."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ecr_publish.findings import Finding, Layer, Severity
from ecr_publish.gate import Decision, Ground
from ecr_publish.ignores import Ignore
from ecr_publish.outcome import Outcome
from ecr_publish.plan import LocalImage
from ecr_publish.policy import Require, Rules, StaleIgnores
from ecr_publish.scan import in_words

NAMELESS = "(no name)"
"""For a finding that ECR gave no name."""

MOST_IGNORES = 10
"""Of those that have ended, and of those that nothing was found for."""

_MARKS = {Decision.PASSED: "✅", Decision.REFUSED: "❌", Decision.UNKNOWN: "⚠️"}
_NO_VERDICT = (
    "Nobody knows yet whether the image is safe. Its verdict is unknown until a run that has "
    "credentials publishes it, such as the one after the merge."
)
_FIX_IT = "Update the base image and the packages named here, then run the job again."
_NOTHING_BUILT = (
    "Nothing was built: a release tag is already on the image that was made of this very commit "
    "and these inputs. It was judged again."
)
_BUILD_IT_AGAIN = (
    " This image was built by an earlier run: `rebuild: true` builds it anew where its tags can "
    "move; otherwise it takes a new commit."
)
_FILL_THE_GAP = (
    "A rule of the policy has nothing to go by, so the image does not count as passed. Give the "
    "role the permission, or the baseline the scan, that is missing; `on-baseline-error: warn` "
    "takes every finding for new, and `on-exploit-error: warn` judges by the other rules."
)
_REMOVE_THEM = (
    "Remove the ignores that nothing was found for from the policy, or let it say "
    "`stale-ignores: warn`."
)
_OR_ACCEPT_IT = (
    "To accept one of them, `ignore` it in the policy file, with a reason and an end. To accept "
    "more, raise `severity-threshold`; `report-only: true` releases the image whatever is found, "
    "and says so."
)


def headline(outcome: Outcome) -> str:
    """The end of the run in one line."""
    if outcome.error:
        done = "Published in part" if outcome.promotion.tags else "Not published"
        return f"{done}: {outcome.error.what}"
    if outcome.built_only:
        there = outcome.plan is not None and isinstance(outcome.plan.source, LocalImage)
        return f"{'Not published' if there else 'Built only'}: {outcome.reason}"
    words = {
        Decision.PASSED: "Passed",
        Decision.REFUSED: "Refused",
        Decision.UNKNOWN: "Not judged",
    }
    return f"{words[outcome.decision]}: {outcome.reason}"


def mark(outcome: Outcome) -> str:
    """The end of the run as a sign."""
    if outcome.error:
        return "❌"
    return "⚪" if outcome.built_only else _MARKS[outcome.decision]


def waiver(outcome: Outcome) -> str:
    """The loud sentence for a run that ends well though the image did not pass; else empty."""
    if outcome.built_only:
        return _NO_VERDICT
    waived = outcome.verdict.waived_by if outcome.verdict else ()
    if not waived:
        return ""
    done = "The release tags were applied" if outcome.promotion.tags else "The image may be tagged"
    return f"{done} although the image did not pass, because of {' and '.join(waived)}."


def notes(outcome: Outcome) -> tuple[str, ...]:
    """What is worth knowing beside the verdict."""
    skipped = outcome.verdict.rules.skipped if outcome.verdict else ()
    untaken = [f"Not taken over: {rule}" for rule in skipped]
    return (
        *((_NOTHING_BUILT,) if outcome.reused else ()),
        *outcome.notes,
        *_first(untaken, "rules of ignore files that are not taken over"),
    )


def untagged(outcome: Outcome) -> str:
    """What there is instead of release tags: why not, or those of an earlier run."""
    withheld = outcome.plan.withheld if outcome.plan else ""
    if outcome.worn:
        return f"none by this run; {', '.join(map(str, outcome.worn))} since an earlier one"
    return f"none ({withheld})" if withheld else "none"


def advice(outcome: Outcome) -> str:
    """What to do next after a run that reached a verdict."""
    if outcome.decision is Decision.PASSED or outcome.built_only:
        return ""
    if outcome.decision is Decision.UNKNOWN and outcome.verdict and outcome.verdict.complete:
        return _FILL_THE_GAP
    if outcome.decision is Decision.UNKNOWN:
        return (
            "ECR gave no complete verdict, so the image does not count as passed. Look at the "
            "image in the ECR console. If the scan only needs longer, raise `scan-timeout`; see "
            "`on-timeout`, `on-unsupported` and `on-scan-error` for letting such images through."
        )
    if outcome.verdict and not outcome.verdict.deciding:
        return _REMOVE_THEM
    # Whoever has waived the verdict need not be told how to.
    accept = "" if waiver(outcome) else f" {_OR_ACCEPT_IT}"
    again = _BUILD_IT_AGAIN if outcome.reused else ""
    return f"{_FIX_IT}{_known_fixes(outcome)}{again}{accept}"


def _known_fixes(outcome: Outcome) -> str:
    deciding = outcome.verdict.deciding if outcome.verdict else ()
    fixable = sum(bool(fixes(item.finding)) for item in deciding)
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


def epss(finding: Finding) -> str:
    """Its EPSS score, and whether CISA lists it as known exploited."""
    score = "" if finding.epss is None else f"{finding.epss:.2f}"
    return ", ".join(filter(None, (score, "known exploited" if finding.in_kev else "")))


def brought_by(finding: Finding) -> str:
    """The layers that brought its packages, as far as they are known."""
    layers = [package.layer for package in finding.packages]
    return ", ".join(dict.fromkeys(_layer(layer) for layer in layers))


def _layer(layer: Layer | None) -> str:
    if layer is None:
        return "unknown layer"
    if layer.line is not None:
        return f"line {layer.line}: {layer.created_by}"
    name = "base image" if layer.from_base else f"layer {layer.number}"
    return f"{name}: {layer.created_by}" if layer.created_by else name


def scan(outcome: Outcome) -> str:
    """Engine, last status and age of the scan; empty where none was waited for."""
    age = outcome.scan_age
    old = f"{in_words(age)} old" if age is not None else ""
    return ", ".join(filter(None, (outcome.scan_type, outcome.scan_status, old)))


def durations(outcome: Outcome) -> str:
    """How long each room took, and how much of it all was this action's own time."""
    rooms = ", ".join(
        f"{room} {spent:.1f} s{_settling(outcome) if room == 'scan' else ''}"
        for room, spent in outcome.seconds.items()
    )
    own = f"; own time {outcome.own_seconds:.1f} s (all but build, push and scan)"
    return rooms + own if rooms else ""


def _settling(outcome: Outcome) -> str:
    """How much of the scan's time a final answer was watched: findings may still arrive."""
    spent = max((result.settling for result in outcome.evidence.results), default=0.0)
    return f" (settling {spent:.1f} s)" if spent else ""


def title(ground: Ground, rules: Rules) -> str:
    """What all findings with one ground have in common."""
    threshold = rules.severity_threshold.value
    return {
        Ground.AT_THRESHOLD: f"at or above the threshold {threshold}",
        Ground.OVER_LIMIT: "of a severity that is over its limit",
        Ground.EXPLOITED: "with a known exploit",
        Ground.KNOWN_EXPLOITED: "listed by CISA as known exploited",
        Ground.LIKELY_EXPLOITED: f"with an EPSS score of {rules.epss_threshold} or more",
        Ground.BELOW_THRESHOLD: f"below the threshold {threshold}",
        Ground.KNOWN: f"known in the baseline {rules.baseline} (fail-on: new)",
        Ground.OF_BASE_IMAGE: "of the base image (base-image-findings: report)",
        Ground.NOT_FIXABLE: "without a fix (only-fixable)",
        Ground.IN_GRACE: "in grace, not known for long yet",
        Ground.IGNORED: "ignored by the policy",
        Ground.SUPPRESSED: "suppressed in Inspector, not counted",
    }[ground]


def missing(outcome: Outcome) -> tuple[str, ...]:
    """What the rules had to do without, as the user chose."""
    gaps = outcome.verdict.gaps if outcome.verdict else ()
    return tuple(
        f"{gap.reason[:1].upper()}{gap.reason[1:]} ({gap.kind.value}: warn)" for gap in gaps
    )


def unused(outcome: Outcome) -> tuple[str, ...]:
    """What is to be said of ignores that have ended, or that nothing was found for."""
    if outcome.verdict is None:
        return ()
    off = outcome.verdict.rules.stale_ignores is StaleIgnores.OFF
    stale = () if off else outcome.verdict.stale
    ended = _first([_ended(item) for item in outcome.verdict.expired], "ignores that have ended")
    unmet = [
        f"Nothing was found for the ignore of {item.id}; remove it ({item.place})."
        for item in stale
    ]
    return (*ended, *_first(unmet, "ignores that nothing was found for"))


def _ended(ignore: Ignore) -> str:
    if ignore.until_fixed:
        return (
            f"The ignore of {ignore.id} counts only until there is a fix, and ECR does not say "
            f"that there is none ({ignore.place})."
        )
    return (
        f"The ignore of {ignore.id} ended on {ignore.until} and no longer counts ({ignore.place})."
    )


def _first(texts: Sequence[str], what: str) -> Iterator[str]:
    yield from texts[:MOST_IGNORES]
    if len(texts) > MOST_IGNORES:
        yield f"There are {len(texts) - MOST_IGNORES} more {what}."


def end(ignore: Ignore) -> str:
    """Until when an ignore counts; empty where it has no end."""
    if ignore.until_fixed:
        return "there is a fix"
    return str(ignore.until) if ignore.until else ""


def stated(rules: Rules) -> list[tuple[str, str, str]]:
    """The rules that somebody has stated: name, value, place."""
    values = {
        "severity_threshold": rules.severity_threshold.value,
        "unknown_severity": "fail"
        if rules.unknown_severity is Severity.UNDEFINED
        else rules.unknown_severity.value.lower(),
        "limits": _by_severity(rules.limits, ""),
        "only_fixable": str(rules.only_fixable).lower(),
        "grace": _by_severity(rules.grace, "d"),
        "exploited": "fail" if rules.exploited else "off",
        "known_exploited": "fail" if rules.known_exploited else "off",
        "epss_threshold": str(rules.epss_threshold),
        "on_exploit_error": rules.on_exploit_error.value,
        "baseline": str(rules.baseline),
        "fail_on": rules.fail_on.value,
        "on_baseline_error": rules.on_baseline_error.value,
        "base_image_findings": rules.base_image_findings.value,
        "stale_ignores": rules.stale_ignores.value,
        "require": _required(rules.require),
        "ignore": "1 entry" if len(rules.ignore) == 1 else f"{len(rules.ignore)} entries",
    }
    return [(name.replace("_", "-"), values[name], place) for name, place in rules.places.items()]


def _by_severity(numbers: Mapping[Severity, int], unit: str) -> str:
    stated = (f"{key.value.lower()}: {number}{unit}" for key, number in numbers.items())
    return ", ".join(stated) or "none"


def _required(require: Require) -> str:
    names = [name for name in ("reason", "until", "owner") if getattr(require, name)]
    days = [f"max-days: {require.max_days}"] if require.max_days is not None else []
    return ", ".join([*names, *days]) or "nothing"
