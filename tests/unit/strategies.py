"""Random findings, scans and rules, for the properties of the gate and of what it reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from ecr_publish.findings import Finding, Layer, Severity, Threshold
from ecr_publish.inputs import FailOn, OnUnjudged
from ecr_publish.plan import policy
from ecr_publish.policy import ALLOWABLE, BaseImageFindings, Policy, Rules, StaleIgnores
from ecr_publish.reference import ImageName
from ecr_publish.scan import Gap, Result, Unjudged
from tests.factories import (
    DAY,
    make_finding,
    make_ignore,
    make_inputs,
    make_package,
    make_result,
    make_target,
)

NEW = datetime(2026, 7, 25, 12, 0, tzinfo=timezone.utc)
"""Seven days before the day on which these tests judge."""

OF_BASE = Layer(number=1, created_by="ADD rootfs", from_base=True)
OWN = Layer(number=2, created_by="RUN apt-get install", line=3, from_base=False)
UNTOLD = Layer(number=3)

LAYERS = st.sampled_from([None, OF_BASE, OF_BASE, OWN, UNTOLD])
PACKAGES = st.builds(
    make_package,
    name=st.sampled_from(["openssl", "zlib"]),
    path=st.sampled_from(["", "usr/lib/a.jar"]),
    layer=LAYERS,
)
FINDINGS = st.builds(
    make_finding,
    st.sampled_from(["CVE-1", "CVE-2", "CVE-3"]),
    st.sampled_from([*(severity.value for severity in Severity), "UNTRIAGED", "SOMETHING"]),
    suppressed=st.sampled_from([False, False, True]),
    fixable=st.sampled_from([True, False, None]),
    exploited=st.sampled_from([False, False, True]),
    known_since=st.sampled_from([None, NEW, NEW - timedelta(days=30)]),
    packages=st.lists(PACKAGES, max_size=2).map(tuple),
    epss=st.sampled_from([None, 0.0, 0.25, 0.5, 1.0]),
    in_kev=st.sampled_from([None, False, False, True]),
    known=st.sampled_from([None, False, True]),
)
SCAN_KINDS = st.sampled_from([Unjudged.TIMEOUT, Unjudged.UNSUPPORTED, Unjudged.ERROR])
PLATFORMS = st.sampled_from(["", "linux/amd64", "linux/arm64"])


def scan(findings: list[Finding], kind: Unjudged | None, platform: str) -> Result:
    return replace(
        make_result(*findings),
        unjudged=kind,
        reason=str(kind),
        target=make_target(platform, platform),
    )


RESULTS = st.builds(
    scan, st.lists(FINDINGS, max_size=4), st.none() | st.none() | SCAN_KINDS, PLATFORMS
)
GAPS = st.lists(
    st.builds(
        Gap,
        kind=st.sampled_from([Unjudged.BASELINE, Unjudged.EXPLOIT]),
        reason=st.sampled_from(["it is not there", "it was not told"]),
    ),
    max_size=2,
)
NUMBERS = st.dictionaries(st.sampled_from([*Severity][:-1]), st.integers(0, 3), max_size=3)
IGNORES = st.lists(
    st.builds(
        make_ignore,
        st.sampled_from(["CVE-1", "CVE-2", "CVE-4"]),
        package=st.sampled_from(["", "openssl"]),
        platform=st.sampled_from(["", "", "linux/amd64"]),
        until=st.sampled_from([None, DAY, DAY - timedelta(days=1)]),
        until_fixed=st.booleans(),
    ),
    max_size=3,
).map(tuple)
ANSWERS = st.sampled_from(OnUnjudged)
BASELINES = st.sampled_from(["latest", "base:1.0"]).map(ImageName.parse)
EACH_RULE: dict[str, st.SearchStrategy[Any]] = {
    "severity_threshold": st.sampled_from(Threshold),
    "unknown_severity": st.sampled_from(Severity),
    "limits": NUMBERS,
    "only_fixable": st.booleans(),
    "grace": NUMBERS.map(lambda days: {key: 5 * number for key, number in days.items()}),
    "exploited": st.booleans(),
    "known_exploited": st.booleans(),
    "epss_threshold": st.sampled_from([None, 0.0, 0.3, 0.5, 1.0]),
    "on_exploit_error": ANSWERS,
    "baseline": st.none() | BASELINES,
    "fail_on": st.sampled_from(FailOn),
    "on_baseline_error": ANSWERS,
    "base_image_findings": st.sampled_from(BaseImageFindings),
    "stale_ignores": st.sampled_from(StaleIgnores),
    "ignore": IGNORES,
}
RULES = st.builds(Rules, **EACH_RULE)
RULE_NAMES = [name for name in ALLOWABLE if name not in ("report_only", "warn")]
"""What a policy file can state; whatever else the rules carry comes along with them."""


def policy_of(rules: Rules, **inputs: Any) -> Policy:
    """These rules as a step has them."""
    return policy(make_inputs(**inputs), rules)
