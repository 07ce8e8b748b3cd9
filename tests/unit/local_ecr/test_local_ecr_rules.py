from __future__ import annotations

from base64 import b64decode

import pytest

from local_ecr import coverage_filters, data_plane, oidc, sts
from local_ecr.errors import EcrError
from local_ecr.faults import Call, Fault, FaultPlan, most_within, per_second
from local_ecr.scan_book import ScanBook, ScanRecord, check_quota
from local_ecr.scan_config import check, coverage, filter_matches
from local_ecr.scans import Switches, Trust
from local_ecr.tokens import Tokens

FORM = ("RoleArn", "DurationSeconds", "WebIdentityToken", "Policy", "RoleSessionName")
ROLE = "arn:aws:iam::123456789012:role/publisher"


def make_record(started_at: float = 0.0) -> ScanRecord:
    return ScanRecord(repository="app", digest="sha256:d", started_at=started_at, enhanced=False)


def make_config(kind: str, *rules: tuple[str, str]) -> dict[str, object]:
    listed = [
        {"scanFrequency": frequency, "repositoryFilters": [{"filter": pattern}]}
        for frequency, pattern in rules
    ]
    return {"scanType": kind, "rules": listed}


@pytest.mark.parametrize(
    ("pattern", "repository", "expected"),
    [
        ("prod", "team/prod-app", True),
        ("prod", "team/app", False),
        ("prod*", "team/prod-app", False),
        ("*prod*", "team/prod-app", True),
        ("*", "anything/at/all", True),
    ],
)
def test_filter__substring_or_wildcard(*, pattern: str, repository: str, expected: bool) -> None:
    assert filter_matches(pattern, repository) is expected


def test_coverage__basic_repository_setting_or_registry_rule() -> None:
    none = make_config("BASIC")
    assert coverage(none, "app", scan_on_push=False).frequency == "MANUAL"
    assert coverage(none, "app", scan_on_push=True).frequency == "SCAN_ON_PUSH"
    ruled = coverage(make_config("BASIC", ("SCAN_ON_PUSH", "*")), "app", scan_on_push=False)
    assert (ruled.frequency, ruled.on_push) == ("SCAN_ON_PUSH", True)
    assert ruled.filters == ({"filter": "*"},)


def test_coverage__enhanced_continuous_wins_and_the_own_setting_is_void() -> None:
    rules = (("SCAN_ON_PUSH", "*"), ("CONTINUOUS_SCAN", "prod"))
    config = make_config("ENHANCED", *rules)
    assert coverage(config, "prod", scan_on_push=False).frequency == "CONTINUOUS_SCAN"
    assert coverage(config, "dev", scan_on_push=False).frequency == "SCAN_ON_PUSH"
    unmatched = make_config("ENHANCED", ("CONTINUOUS_SCAN", "prod"))
    assert not coverage(unmatched, "dev", scan_on_push=True).on_push


ON_PUSH, CONTINUOUS = "SCAN_ON_PUSH", "CONTINUOUS_SCAN"


@pytest.mark.parametrize(
    ("kind", "rules", "own", "frequency", "filters"),
    [
        ("BASIC", [], False, "MANUAL", []),
        ("BASIC", [], True, ON_PUSH, []),
        ("BASIC", [(ON_PUSH, "*")], False, ON_PUSH, ["*"]),
        ("BASIC", [(ON_PUSH, "team")], False, ON_PUSH, ["team"]),
        ("BASIC", [(ON_PUSH, "team*")], False, "MANUAL", []),
        ("BASIC", [(ON_PUSH, "*/app")], False, ON_PUSH, ["*/app"]),
        ("ENHANCED", [], True, "MANUAL", []),
        ("ENHANCED", [(CONTINUOUS, "prod")], True, "MANUAL", []),
        ("ENHANCED", [(ON_PUSH, "my-team"), (CONTINUOUS, "prod")], False, ON_PUSH, ["my-team"]),
        ("ENHANCED", [(ON_PUSH, "*"), (CONTINUOUS, "/app")], False, CONTINUOUS, ["/app"]),
        ("ENHANCED", [(CONTINUOUS, "app"), (CONTINUOUS, "*")], False, CONTINUOUS, ["app", "*"]),
    ],
)
def test_coverage__of_my_team_app(
    *, kind: str, rules: list[tuple[str, str]], own: bool, frequency: str, filters: list[str]
) -> None:
    found = coverage(make_config(kind, *rules), "my-team/app", scan_on_push=own)
    assert (found.frequency, found.on_push) == (frequency, frequency != "MANUAL")
    assert [entry["filter"] for entry in found.filters] == filters


@pytest.mark.parametrize(
    ("kind", "frequencies"),
    [("BASIC", [CONTINUOUS]), ("BASIC", ["MANUAL"]), ("ENHANCED", [ON_PUSH] * 3)],
)
def test_rules__that_a_registry_cannot_have(kind: str, frequencies: list[str]) -> None:
    with pytest.raises(EcrError, match=f"Scan type {kind} takes 2 rules at most"):
        check(kind, [{"scanFrequency": name} for name in frequencies])


def make_resource(**over: object) -> dict[str, object]:
    metadata = {
        "ecrRepository": {"name": "team/app"},
        "ecrImage": {"tags": ["v1", "v2"], "inUseCount": 0},
    }
    status = {"statusCode": "ACTIVE", "reason": "SUCCESSFUL"}
    return {
        "resourceType": "AWS_ECR_CONTAINER_IMAGE",
        "resourceId": "arn:image",
        "accountId": "123456789012",
        "scanType": "PACKAGE",
        "scanStatus": status,
        "lastScannedAt": 100.0,
        "resourceMetadata": metadata,
    } | over


def equal(*values: str) -> list[dict[str, str]]:
    return [{"comparison": "EQUALS", "value": value} for value in values]


def unequal(*values: str) -> list[dict[str, str]]:
    return [{"comparison": "NOT_EQUALS", "value": value} for value in values]


@pytest.mark.parametrize(
    ("name", "filters", "expected"),
    [
        ("resourceId", equal("arn:image"), True),
        ("resourceId", equal("arn:other", "arn:image"), True),
        ("resourceId", equal("arn:other"), False),
        ("resourceId", unequal("arn:other"), True),
        ("resourceId", unequal("arn:other", "arn:image"), False),
        ("ecrRepositoryName", equal("team/app"), True),
        ("ecrRepositoryName", equal("app"), False),
        ("ecrImageTags", equal("v2"), True),
        ("ecrImageTags", unequal("v2"), False),
        ("scanStatusReason", equal("SUCCESSFUL"), True),
        ("scanStatusCode", equal("INACTIVE"), False),
        ("scanType", equal("PACKAGE"), True),
        ("accountId", equal("210987654321"), False),
        ("resourceType", equal("AWS_ECR_REPOSITORY"), False),
        ("lambdaFunctionName", equal("x"), False),
        ("lambdaFunctionName", unequal("x"), True),
        ("lastScannedAt", [{"startInclusive": 100, "endInclusive": 200}], True),
        ("lastScannedAt", [{"startInclusive": 101}, {"endInclusive": 100}], True),
        ("lastScannedAt", [{"startInclusive": 101}], False),
        ("ecrImageInUseCount", [{"lowerInclusive": 1}], False),
    ],
)
def test_coverage_filter__lets_through(
    *, name: str, filters: list[dict[str, object]], expected: bool
) -> None:
    assert coverage_filters.matches(make_resource(), {name: filters}) is expected


def test_coverage_filter__all_of_them_and_of_what_is_missing() -> None:
    both = {"ecrImageTags": equal("v1"), "resourceId": equal("arn:other")}
    assert not coverage_filters.matches(make_resource(), both)
    never_scanned = make_resource(lastScannedAt=None)
    assert not coverage_filters.matches(never_scanned, {"lastScannedAt": [{}]})


@pytest.mark.parametrize(
    "filters", [[], equal(*"abcdefghijk"), equal(""), [{"comparison": "PREFIX", "value": "x"}]]
)
def test_coverage_filter__that_inspector_refuses(filters: list[dict[str, str]]) -> None:
    with pytest.raises(EcrError, match="'resourceId'") as caught:
        coverage_filters.matches(make_resource(), {"resourceId": filters})
    assert caught.value.code == "ValidationException"


def make_calls(*times: float) -> list[Call]:
    return [Call(operation="X", repository=None, time=time, status=200) for time in times]


@pytest.mark.parametrize(
    ("times", "average", "most"),
    [
        ((), 0, 0),
        ((7,), 1, 1),
        ((0, 0.1, 0.2), 3, 3),
        ((0, 1, 2, 3, 4), 1.25, 1),
        ((0, 9, 9.5), 3 / 9.5, 2),
    ],
)
def test_calls__rates(times: tuple[float, ...], average: float, most: int) -> None:
    calls = make_calls(*times)
    assert per_second(calls) == pytest.approx(average)
    assert most_within(calls, 1.0) == most


def test_quota__a_day_after_the_last_scan() -> None:
    check_quota(None, 0)
    with pytest.raises(EcrError, match="The scan quota per image has been exceeded"):
        check_quota(0, 86_399)
    check_quota(0, 86_400)


def test_scan_book__a_new_scan_takes_the_place_of_the_last_one() -> None:
    book = ScanBook()
    for started_at in (0, 86_400):
        book.begin(make_record(started_at))
    assert [record.started_at for record in book.all()] == [86_400]


def test_scan_book__counts_reads_of_each_step_until_the_scenario_changes() -> None:
    book, record = ScanBook(), make_record()
    book.note_read(record, 1.0)
    assert (book.reads(record, 1.0), book.reads(record, 2.0)) == (1, 0)
    assert book.reads(make_record(5), 1.0) == 0
    book.forget_reads()
    assert book.reads(record, 1.0) == 0


def test_scan_book__forget() -> None:
    book = ScanBook()
    book.begin(make_record())
    book.forget("other")
    assert book.find("app", "sha256:d")
    book.forget("app", "sha256:d")
    assert book.find("app", "sha256:d") is None


def test_tokens__life_of_a_password() -> None:
    tokens = Tokens()
    token, expires = tokens.issue(now=0)
    header = f"Basic {token}"
    assert len(b64decode(token)) == 1504
    assert tokens.check(header, now=expires - 1) == "valid"
    assert tokens.check(header, now=expires) == "expired"
    tokens.expire_all()
    assert tokens.check(header, now=1) == "expired"
    assert tokens.check(f"Basic {tokens.issue(now=0)[0]}", now=1) == "valid"


@pytest.mark.parametrize("header", [None, "Bearer x", "Basic ???", "Basic QVdTOng="])
def test_tokens__strangers(header: str | None) -> None:
    assert Tokens().check(header, now=0) == "missing"


def test_faults__used_up_in_order_and_by_pattern() -> None:
    plan = FaultPlan()
    plan.add(Fault(operation="PutImage", code="ThrottlingException"), times=2)
    plan.add(Fault(operation="v2.*", code="ConnectionReset"))
    assert plan.take("DescribeImages") is None
    taken = [plan.take(name) for name in ("PutImage", "v2.GetBlob", "PutImage", "PutImage")]
    assert [fault and fault.code for fault in taken] == [
        "ThrottlingException",
        "ConnectionReset",
        "ThrottlingException",
        None,
    ]


def test_faults__latency() -> None:
    plan = FaultPlan()
    plan.delay("Put*", 0.5)
    assert (plan.latency("PutImage"), plan.latency("ListImages")) == (0.5, 0.0)
    plan.clear()
    assert plan.latency("PutImage") == 0.0


@pytest.mark.parametrize(
    ("method", "path", "operation", "name", "reference"),
    [
        ("GET", "/v2/", "v2.Ping", "", ""),
        ("PUT", "/v2/team/app/manifests/v1", "v2.PutManifest", "team/app", "v1"),
        ("POST", "/v2/app/blobs/uploads/", "v2.StartUpload", "app", ""),
        ("PATCH", "/v2/app/blobs/uploads/u-1", "v2.UploadChunk", "app", "u-1"),
        ("HEAD", "/v2/app/blobs/sha256:nonsense", "v2.Unknown", "", ""),
        ("DELETE", "/v2/app/manifests/v1", "v2.Unknown", "", ""),
    ],
)
def test_route__operations(
    *, method: str, path: str, operation: str, name: str, reference: str
) -> None:
    found = data_plane.route(method, path, "")
    assert (found.operation, found.name, found.reference) == (operation, name, reference)


def test_route__a_repository_may_have_any_depth() -> None:
    assert data_plane.route("GET", "/v2/a/b-c/d.e/tags/list", "n=1").name == "a/b-c/d.e"


@pytest.fixture(scope="module")
def issuer() -> oidc.Issuer:
    return oidc.Issuer()


def assume(issuer: oidc.Issuer, *, now: float = 1000.0, **over: object) -> dict[str, object]:
    trust = over.pop("trust", Trust())
    switches = over.pop("switches", Switches())
    form = {"RoleArn": ROLE, "RoleSessionName": "run-1"}
    form |= {k: str(over.pop(k)) for k in FORM if k in over}
    claims = oidc.claims("sts.amazonaws.com", 1000.0, 300, over)
    form.setdefault("WebIdentityToken", issuer.sign(claims))
    service = sts.Sts("123456789012", issuer)
    return service.assume_with_web_identity(form, now, trust, switches)  # type: ignore[arg-type]


def test_web_identity__good(issuer: oidc.Issuer) -> None:
    result = assume(issuer)
    assert result["SubjectFromWebIdentityToken"] == "repo:org/repo:ref:refs/heads/main"
    assert result["Audience"] == "sts.amazonaws.com"


def test_web_identity__in_china_has_an_audience_of_its_own(issuer: oidc.Issuer) -> None:
    role = "arn:aws-cn:iam::123456789012:role/publisher"
    result = assume(issuer, RoleArn=role, aud="sts.amazonaws.com.cn")
    assert result["AssumedRoleUser"]["Arn"] == (  # type: ignore[index]
        "arn:aws-cn:sts::123456789012:assumed-role/publisher/run-1"
    )
    with pytest.raises(EcrError, match="Incorrect token audience"):
        assume(issuer, RoleArn=role)


@pytest.mark.parametrize(
    ("over", "code", "message"),
    [
        ({"aud": "other"}, "InvalidIdentityToken", "Incorrect token audience"),
        ({"iss": "https://x"}, "InvalidIdentityToken", "No OpenIDConnect provider .* https://x"),
        ({"now": 1300.0}, "ExpiredTokenException", "Token expired: current date/time 1300"),
        ({"WebIdentityToken": "a.b.c"}, "InvalidIdentityToken", "Couldn't retrieve verification"),
        (
            {"switches": Switches(oidc_provider=False)},
            "InvalidIdentityToken",
            "No OpenIDConnect provider found in your account for https://token.actions",
        ),
        ({"trust": Trust(denied_roles=("publisher",))}, "AccessDenied", "Not authorized"),
        ({"trust": Trust(allowed_roles=("other",))}, "AccessDenied", "Not authorized"),
        ({"trust": Trust(subjects=("repo:org/*:environment:*",))}, "AccessDenied", "Not auth"),
        ({"DurationSeconds": 7200}, "ValidationError", "exceeds the MaxSessionDuration"),
        ({"RoleSessionName": "a b"}, "ValidationError", "roleSessionName"),
        ({"Policy": "x" * 2049}, "ValidationError", "'policy' .* 2048"),
        ({"Policy": "{"}, "MalformedPolicyDocument", "Syntax errors in policy."),
        ({"DurationSeconds": 60}, "ValidationError", "between 900 and 43200"),
    ],
)
def test_web_identity__refused(
    issuer: oidc.Issuer, over: dict[str, object], code: str, message: str
) -> None:
    with pytest.raises(EcrError, match=message) as caught:
        assume(issuer, **over)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_issuer__a_changed_token_is_refused(issuer: oidc.Issuer) -> None:
    head, payload, signature = issuer.sign({"sub": "a"}).split(".")
    with pytest.raises(oidc.BadToken):
        issuer.verify(f"{head}.{payload[:-2]}AA.{signature}")
    with pytest.raises(oidc.BadToken):
        oidc.Issuer().verify(f"{head}.{payload}.{signature}")
