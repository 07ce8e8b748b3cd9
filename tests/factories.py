"""Valid values of every type of the package; a test names only what it is about.

`make_plan(scan_timeout=10)` is a whole plan in which one thing was chosen by the test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any

from ecr_publish.context import Context
from ecr_publish.findings import Finding, Package, Page, Severity, Threshold
from ecr_publish.gate import Decision, Ground, Judgement, Verdict, judge
from ecr_publish.ignores import Ignore
from ecr_publish.inputs import Inputs, Job, OnFork, OnUnjudged, Promote
from ecr_publish.manifest import OCI_INDEX, OCI_MANIFEST, Manifest, Target
from ecr_publish.outcome import Outcome, Promotion
from ecr_publish.plan import Build, Plan, Reports, RepositoryState, Role
from ecr_publish.policy import Policy, Rules
from ecr_publish.reference import Digest, FullTag, Repository, Tag
from ecr_publish.scan import Evidence, Gap, Result, Unjudged
from ecr_publish.scanning import Frequency, Scanning, ScanType
from ecr_publish.trust import Refusal

ACCOUNT = "123456789012"
REGION = "eu-west-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
NAME = "visit-counter-app"
URI = f"{HOST}/{NAME}"
ARN = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{NAME}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/visit-counter-publisher"
COMPLETED_AT = datetime(2026, 8, 1, 12, 0, tzinfo=timezone.utc)
DAY = date(2026, 8, 1)
SHA = "0123456789abcdef0123456789abcdef01234567"
RUN_URL = "https://github.com/org/visit-counter-app/actions/runs/42"
CANDIDATE = Tag("candidate-42-1-0badcafe")


def make_digest(seed: str = "image") -> Digest:
    """A digest; equal seeds give equal digests."""
    return Digest.parse(f"sha256:{hashlib.sha256(seed.encode()).hexdigest()}")


def make_inputs(**over: Any) -> Inputs:
    """Inputs of a step that names a role, a region and a repository, and nothing else."""
    plain = Inputs(
        job=Job.PUBLISH,
        aws_region=REGION,
        role_to_assume=ROLE,
        role_session_name=None,
        role_duration_seconds=3600,
        audience=None,
        allowed_account_ids=(),
        session_policy=None,
        on_fork=OnFork.BUILD_ONLY,
        registry=None,
        repository=Repository(NAME),
        create_repository=False,
        image_tag_mutability=None,
        context=None,
        build_contexts=(),
        file=None,
        target=None,
        platforms=(),
        build_args=(),
        secrets=(),
        secret_envs=(),
        secret_files=(),
        ssh=(),
        labels=(),
        annotations=(),
        cache_from=(),
        cache_to=(),
        no_cache=False,
        no_cache_filters=(),
        pull=False,
        network=None,
        add_hosts=(),
        shm_size=None,
        ulimit=(),
        cgroup_parent=None,
        allow=(),
        provenance="false",
        sbom="false",
        builder=None,
        rebuild=None,
        image=None,
        bake_file=(),
        targets=(),
        reference=None,
        digests=(),
        tags=(),
        promote_to=(),
        promote=Promote.AUTO,
        promote_only_forward=False,
        on_refusal=None,
        severity_threshold=None,
        unknown_severity=None,
        only_fixable=None,
        policy_file=None,
        baseline=None,
        fail_on=None,
        on_baseline_error=None,
        scan_timeout=900,
        max_scan_age=None,
        on_timeout=OnUnjudged.FAIL,
        on_unsupported=OnUnjudged.FAIL,
        on_scan_error=OnUnjudged.FAIL,
        report_only=False,
        github_token=None,
        check_run=False,
        comment=False,
        sarif_file=None,
        report_file=(),
    )
    return replace(plain, **over)


def make_context(**over: Any) -> Context:
    """A run for a push to the default branch."""
    plain = Context(
        sha=SHA,
        branch="main",
        default_branch="main",
        run_id="42",
        run_attempt="1",
        workspace="/home/runner/work/app/app",
        architecture="X64",
        scheduled=False,
        from_pull_request=False,
        from_fork=False,
        restricted=False,
        head_sha=SHA,
        pull_request=None,
        run_url=RUN_URL,
    )
    return replace(plain, **over)


def make_role(**over: Any) -> Role:
    """The role that make_inputs names."""
    plain = Role(
        arn=ROLE, session_name="ecr-publish-42-1", seconds=3600, audience="sts.amazonaws.com"
    )
    return replace(plain, **over)


def make_refused(**over: Any) -> Refusal:
    """STS's refusal of a run on the default branch, whose role does not trust it."""
    plain = Refusal(
        role=ROLE,
        region=REGION,
        seconds=3600,
        code="AccessDenied",
        message="Not authorized to perform sts:AssumeRoleWithWebIdentity",
        claims={
            "iss": "https://token.actions.githubusercontent.com",
            "aud": "sts.amazonaws.com",
            "sub": "repo:org/visit-counter-app:ref:refs/heads/main",
            "repository": "org/visit-counter-app",
            "ref": "refs/heads/main",
        },
    )
    return replace(plain, **over)


def make_build(**over: Any) -> Build:
    """A build of the workspace with nothing else asked for."""
    plain = Build(
        context=".",
        file=None,
        target=None,
        platforms=(),
        build_args=(),
        labels=(),
        network=None,
    )
    return replace(plain, **over)


def make_policy(
    *,
    threshold: Threshold = Threshold.HIGH,
    unknown_severity: Severity = Severity.UNDEFINED,
    timeout: OnUnjudged = OnUnjudged.FAIL,
    unsupported: OnUnjudged = OnUnjudged.FAIL,
    error: OnUnjudged = OnUnjudged.FAIL,
    report_only: bool = False,
    on_gap: OnUnjudged = OnUnjudged.FAIL,
    **rules: Any,
) -> Policy:
    """The policy of a step that sets nothing: high refuses, what is not judged fails."""
    return Policy(
        rules=Rules(severity_threshold=threshold, unknown_severity=unknown_severity, **rules),
        on_unjudged={
            Unjudged.TIMEOUT: timeout,
            Unjudged.UNSUPPORTED: unsupported,
            Unjudged.ERROR: error,
            Unjudged.BASELINE: on_gap,
            Unjudged.EXPLOIT: on_gap,
        },
        report_only=report_only,
    )


def make_plan(**over: Any) -> Plan:
    """The plan for make_inputs in make_context."""
    plain = Plan(
        region=REGION,
        role=make_role(),
        allowed_accounts=(),
        on_fork=None,
        registry=None,
        repository=Repository(NAME),
        create=None,
        source=make_build(),
        rebuild=False,
        candidate=CANDIDATE,
        release_tags=(FullTag(Tag(SHA[:7])),),
        reserved=(Tag(SHA[:7]),),
        latest_if_movable=True,
        withheld="",
        only_forward=False,
        keeps_passed=False,
        keeps_refused=True,
        policy=make_policy(),
        scan_timeout=900,
        max_scan_age=None,
        reports=Reports(run_url=RUN_URL),
    )
    return replace(plain, **over)


def make_scanning(**over: Any) -> Scanning:
    """Basic scanning on push."""
    plain = Scanning(engine=ScanType.BASIC, frequency=Frequency.SCAN_ON_PUSH)
    return replace(plain, **over)


def make_state(**over: Any) -> RepositoryState:
    """A repository that exists, with tags that can move, scanned by the basic engine."""
    plain = RepositoryState(
        host=HOST,
        name=NAME,
        arn=ARN,
        registry_id=ACCOUNT,
        mutability="MUTABLE",
        exclusions=(),
        created=False,
        scanning=make_scanning(),
    )
    return replace(plain, **over)


def make_manifest(
    content: Mapping[str, Any] | None = None, *, media_type: str = OCI_MANIFEST
) -> Manifest:
    """A manifest whose digest is the one of its text."""
    text = json.dumps(content or {"schemaVersion": 2, "mediaType": media_type})
    return Manifest(digest=make_digest(text), media_type=media_type, text=text)


def make_index(children: Sequence[Mapping[str, Any]], *, media_type: str = OCI_INDEX) -> Manifest:
    """An index that holds these descriptors."""
    content = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(children)}
    return make_manifest(content, media_type=media_type)


def make_child(
    seed: str = "image", platform: str | Mapping[str, str] | None = "linux/amd64", **over: Any
) -> dict[str, Any]:
    """The descriptor of an image in an index; `platform` as docker writes it, or as it stands."""
    names = ("os", "architecture", "variant")
    plain = {
        "mediaType": OCI_MANIFEST,
        "digest": str(make_digest(seed)),
        "size": 1234,
        "platform": dict(zip(names, platform.split("/"), strict=False))
        if isinstance(platform, str)
        else platform,
    }
    return plain | over


def make_attestation(seed: str = "attestation", **over: Any) -> dict[str, Any]:
    """The descriptor of BuildKit's attestation in an index."""
    annotations = {"vnd.docker.reference.type": "attestation-manifest"}
    return make_child(seed, "unknown/unknown", annotations=annotations) | over


def make_target(seed: str = "image", platform: str = "") -> Target:
    """An image to scan."""
    return Target(digest=make_digest(seed), platform=platform)


def make_package(**over: Any) -> Package:
    """A package without a known fix."""
    return replace(Package(name="openssl", version="3.0.1-r0"), **over)


def make_finding(name: str = "CVE-2024-0001", severity: str = "HIGH", **over: Any) -> Finding:
    """A finding in one package; `severity` is ECR's own word."""
    plain = Finding(
        name=name,
        severity=Severity.parse(severity),
        stated_severity=severity,
        packages=(make_package(),),
        uri=f"https://security.example/{name}",
        description=f"{name} lets something happen.",
    )
    return replace(plain, **over)


def make_findings(**numbers: int) -> tuple[Finding, ...]:
    """So many findings of each severity: `make_findings(high=2, low=1)`."""
    return tuple(
        make_finding(f"CVE-2024-{severity.upper()}-{number}", severity.upper())
        for severity, most in numbers.items()
        for number in range(most)
    )


def make_page(*findings: Finding, **over: Any) -> Page:
    """A basic scan that is complete, with counts that agree with its findings."""
    stated = [finding.stated_severity for finding in findings]
    plain = Page(
        status="COMPLETE",
        completed_at=COMPLETED_AT,
        counts={word: stated.count(word) for word in dict.fromkeys(stated)},
        findings=findings,
    )
    return replace(plain, **over)


def make_result(*findings: Finding, **over: Any) -> Result:
    """The settled scan of one image by the basic engine."""
    plain = Result(
        target=make_target(), status="COMPLETE", findings=findings, engine=ScanType.BASIC
    )
    return replace(plain, **over)


def make_unjudged(
    kind: Unjudged = Unjudged.TIMEOUT, reason: str = "no verdict within scan-timeout", **over: Any
) -> Result:
    """The scan of one image that came to no verdict."""
    plain = make_result(status="IN_PROGRESS", unjudged=kind, reason=reason)
    return replace(plain, **over)


def make_ignore(name: str = "CVE-2024-0001", **over: Any) -> Ignore:
    """An ignore of a vulnerability, wherever it is and without an end."""
    return replace(Ignore(id=name, place=".ecr-publish.yml, line 3"), **over)


def make_judgement(finding: Finding, **over: Any) -> Judgement:
    """A finding that does not refuse."""
    return replace(Judgement(finding=finding, ground=Ground.BELOW_THRESHOLD), **over)


def make_verdict(*findings: Finding, **over: Any) -> Verdict:
    """A verdict over these findings that passed, because they are below the threshold."""
    plain = Verdict(
        decision=Decision.PASSED,
        reason="no findings",
        rules=Rules(),
        judgements=tuple(make_judgement(finding) for finding in findings),
    )
    return replace(plain, **over)


def make_refusal(*findings: Finding, **over: Any) -> Verdict:
    """A verdict that refused because of these findings, which are at the threshold."""
    plain = make_verdict(
        decision=Decision.REFUSED,
        reason="1 HIGH: at or above the threshold high",
        judgements=tuple(
            make_judgement(finding, ground=Ground.AT_THRESHOLD) for finding in findings
        ),
    )
    return replace(plain, **over)


def verdict_over(
    results: Sequence[Result], policy: Policy, today: date = DAY, gaps: Sequence[Gap] = ()
) -> Verdict:
    """What the gate itself decides."""
    return judge(Evidence(results=tuple(results), gaps=tuple(gaps)), policy, today)


def make_outcome(*, results: Sequence[Result] | None = None, **over: Any) -> Outcome:
    """The end of a run that passed and was promoted."""
    if results is not None:
        over["evidence"] = Evidence(results=tuple(results))
    plain = Outcome(
        plan=make_plan(),
        state=make_state(),
        digest=make_manifest().digest,
        evidence=Evidence(results=(make_result(),)),
        verdict=make_verdict(),
        promotion=Promotion(tags=(Tag(SHA[:7]), Tag("latest")), unchanged=(Tag("latest"),)),
        seconds={"plan": 0.1, "build": 61.25, "push": 9.0, "scan": 12.0, "promote": 0.4},
    )
    return replace(plain, **over)
