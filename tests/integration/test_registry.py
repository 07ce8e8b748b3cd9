"""ECR by boto3, against the local ECR; odd answers that it never gives come from a stub."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from mypy_boto3_ecr import ECRClient

from ecr_publish.edges.registry import Clients, EcrRegistry, kind_of
from ecr_publish.errors import CallFailed, ExitCode, ImageNotThere, RepositoryMissing, TagTaken
from ecr_publish.exploits import MOST_ARNS, Exploit
from ecr_publish.findings import Page, Severity
from ecr_publish.hosts import Kind
from ecr_publish.inputs import Mutability
from ecr_publish.manifest import OCI_INDEX, config_digest
from ecr_publish.origin import COMMITTED, RECIPE, REVISION, Origin
from ecr_publish.plan import Absent, RepositoryState
from ecr_publish.preflight import Permission
from ecr_publish.probe import answered
from ecr_publish.reference import Digest, RegistryId, Tag
from ecr_publish.scan import NoScan, Start, Unreachable
from ecr_publish.scanning import Frequency, Scanning, ScanType
from local_ecr.server import LocalEcr
from tests.factories import ACCOUNT, ARN, NAME, make_digest, make_manifest, make_plan, make_scanning
from tests.images import child, looked, push_image, push_index, push_manifest

pytestmark = pytest.mark.usefixtures("ambient", "no_waiting")


@pytest.fixture
def client() -> ECRClient:
    return boto3.client("ecr")


@pytest.fixture
def repository(client: ECRClient) -> str:
    client.create_repository(repositoryName=NAME, imageScanningConfiguration={"scanOnPush": True})
    return NAME


def opened(client: ECRClient, masked: list[str] | None = None, **plan: Any) -> EcrRegistry:
    secrets: list[str] = [] if masked is None else masked
    clients = Clients(boto3.Session(), Config(retries={"mode": "standard"}))
    # The test's own client, which it may have stubbed, in place of the one made at first use.
    clients.__dict__["ecr"] = client
    return EcrRegistry(clients, make_plan(**plan), secrets.append)


def test_repository__that_exists(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    state = looked(opened(client))

    assert state.uri == f"{ecr.host}/{NAME}"
    assert state.arn == ARN
    assert state.registry_id == ACCOUNT
    assert (state.mutability, state.exclusions, state.created) == ("MUTABLE", (), False)
    assert state.scanning == make_scanning()


def test_look__says_how_a_new_repository_would_be_scanned(client: ECRClient) -> None:
    assert opened(client).look() == Absent(scanning=make_scanning())

    client.put_registry_scanning_configuration(scanType="ENHANCED", rules=[])

    enhanced = Scanning(engine=ScanType.ENHANCED, frequency=Frequency.MANUAL)
    assert opened(client).look() == Absent(scanning=enhanced)


def test_s4_create__only_where_the_plan_says_so(client: ECRClient, ecr: LocalEcr) -> None:
    with pytest.raises(RepositoryMissing):
        opened(client).create()

    assert ecr.calls("CreateRepository") == []


@pytest.mark.parametrize("permission", list(Permission))
@pytest.mark.parametrize("there", [True, False])
def test_s4_ask__what_cannot_exist_is_no_refusal_and_changes_nothing(
    client: ECRClient,
    ecr: LocalEcr,
    permission: Permission,
    there: bool,  # noqa: FBT001
) -> None:
    if there:
        client.create_repository(repositoryName=NAME)
    before = len(ecr.calls())
    error = answered(lambda: opened(client).ask(permission))

    if isinstance(error, CallFailed):
        assert error.code.endswith("NotFoundException")
        assert (error.denied, error.transient) == (False, False)
    (call,) = ecr.calls()[before:]
    assert call.operation == permission.value


@pytest.mark.parametrize("permission", list(Permission))
def test_ask__refusal_names_the_statement_and_is_not_asked_twice(
    client: ECRClient, repository: str, ecr: LocalEcr, permission: Permission
) -> None:
    one = opened(client)
    one.look()
    ecr.fail_next(permission.value, "AccessDeniedException", status=400)

    with pytest.raises(CallFailed) as caught:
        one.ask(permission)

    assert caught.value.denied
    assert permission.action in caught.value.fix
    resource = "*" if permission is Permission.COVERAGE else ARN
    assert f'"Resource": "{resource}"' in caught.value.fix


@pytest.mark.parametrize("permission", list(Permission))
def test_ask__fault_that_passes_is_not_asked_again(
    client: ECRClient, repository: str, ecr: LocalEcr, permission: Permission
) -> None:
    ecr.fail_next(permission.value, "ThrottlingException", times=9)

    with pytest.raises(CallFailed) as caught:
        opened(client).ask(permission)

    assert caught.value.transient
    assert len(ecr.calls(permission.value)) == 1


@pytest.mark.parametrize("mutability", list(Mutability))
def test_repository__is_created_with_scanning_on_push(
    client: ECRClient, mutability: Mutability
) -> None:
    one = opened(client, create=mutability)
    assert isinstance(one.look(), Absent)
    state = one.create()

    (made,) = client.describe_repositories(repositoryNames=[NAME])["repositories"]
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert made["imageTagMutability"] == mutability.value == state.mutability
    assert state.created


def test_s4__existing_repository_is_never_changed(client: ECRClient, ecr: LocalEcr) -> None:
    client.create_repository(repositoryName=NAME)

    one = opened(client, create=Mutability.IMMUTABLE)
    assert looked(one).mutability == "MUTABLE"
    assert (looked(one).created, looked(one).scans_on_push) == (False, False)
    assert one.create().mutability == "MUTABLE"
    writes = [
        call.operation for call in ecr.calls() if call.operation.startswith(("Put", "Create"))
    ]
    # The test's own, and the one that was refused because the repository is there.
    assert writes == ["CreateRepository"] * 2


def test_repository__created_by_somebody_else_meanwhile(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    state = opened(client, create=Mutability.MUTABLE).create()
    # What differs from what was asked is said of repositories that the run has not created.
    assert (state.arn, state.created) == (ARN, False)


def test_repository__that_comes_and_goes_is_an_error(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    ecr.fail_next("DescribeRepositories", "RepositoryNotFoundException", status=400)

    with pytest.raises(CallFailed, match="RepositoryAlreadyExistsException"):
        opened(client, create=Mutability.MUTABLE).create()


@pytest.mark.parametrize(
    ("operation", "create"),
    [("DescribeRepositories", None), ("CreateRepository", Mutability.MUTABLE)],
)
def test_repository__denied(
    client: ECRClient, ecr: LocalEcr, operation: str, create: Mutability | None
) -> None:
    ecr.fail_next(operation, "AccessDeniedException", status=400)

    one = opened(client, create=create)
    with pytest.raises(CallFailed) as caught:
        one.create() if create else one.look()

    assert caught.value.exit_code == ExitCode.REPOSITORY
    assert f'"ecr:{operation}"' in caught.value.fix
    assert f"arn:aws:ecr:eu-west-1:*:repository/{NAME}" in caught.value.fix
    assert not caught.value.transient


def test_repository__immutable_with_exclusions(client: ECRClient) -> None:
    client.create_repository(
        repositoryName=NAME,
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "latest*"}],
    )

    state = looked(opened(client))

    assert state.exclusions == ("latest*",)
    assert state.can_move(Tag("latest"))
    assert not state.can_move(Tag("1.0"))


@pytest.mark.parametrize(
    ("rules", "frequency"),
    [
        ([], Frequency.MANUAL),
        ([("SCAN_ON_PUSH", "visit")], Frequency.SCAN_ON_PUSH),
        ([("SCAN_ON_PUSH", "*"), ("CONTINUOUS_SCAN", "visit-*")], Frequency.CONTINUOUS_SCAN),
        ([("CONTINUOUS_SCAN", "other")], Frequency.MANUAL),
    ],
)
@pytest.mark.parametrize("stated", [True, False])
def test_scanning__enhanced_by_the_registrys_rules(
    client: ECRClient,
    repository: str,
    ecr: LocalEcr,
    rules: list[tuple[Any, str]],
    frequency: Frequency,
    stated: bool,  # noqa: FBT001
) -> None:
    client.put_registry_scanning_configuration(
        scanType="ENHANCED",
        rules=[
            {
                "scanFrequency": when,
                "repositoryFilters": [{"filter": name, "filterType": "WILDCARD"}],
            }
            for when, name in rules
        ],
    )
    if not stated:
        ecr.fail_next("BatchGetRepositoryScanningConfiguration", "AccessDeniedException")

    scanning = looked(opened(client)).scanning

    assert scanning == Scanning(engine=ScanType.ENHANCED, frequency=frequency)
    assert scanning.is_off == (frequency is Frequency.MANUAL)


@pytest.mark.parametrize("on_push", [True, False])
@pytest.mark.parametrize("stated", [True, False])
def test_scanning__basic_by_the_repositorys_own_setting(
    client: ECRClient,
    ecr: LocalEcr,
    on_push: bool,  # noqa: FBT001
    stated: bool,  # noqa: FBT001
) -> None:
    client.create_repository(
        repositoryName=NAME, imageScanningConfiguration={"scanOnPush": on_push}
    )
    if not stated:
        ecr.fail_next("BatchGetRepositoryScanningConfiguration", "AccessDeniedException")

    frequency = Frequency.SCAN_ON_PUSH if on_push else Frequency.MANUAL
    assert looked(opened(client)).scanning == make_scanning(frequency=frequency)


def test_scanning__that_may_not_be_asked_for_is_unknown(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    ecr.fail_next("GetRegistryScanningConfiguration", "AccessDeniedException")
    ecr.fail_next("BatchGetRepositoryScanningConfiguration", "AccessDeniedException")

    assert looked(opened(client)).scanning == Scanning()


DESCRIBED = {
    "repositories": [
        {
            "repositoryArn": ARN,
            "registryId": ACCOUNT,
            "repositoryName": NAME,
            "repositoryUri": f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com/{NAME}",
        }
    ]
}


def test_repository__empty_answer_is_a_missing_one(client: ECRClient) -> None:
    with Stubber(client) as stubber:
        stubber.add_response("describe_repositories", {"repositories": []})
        stubber.add_client_error("get_registry_scanning_configuration", "AccessDeniedException")

        assert opened(client).look() == Absent(scanning=Scanning())


@pytest.fixture
def stub(client: ECRClient) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("asked", "configuration"),
    [("999999999999", {"scanType": "BASIC"}), (ACCOUNT, {}), (ACCOUNT, {"scanType": "NEXT"})],
)
@pytest.mark.parametrize(
    "stated",
    [
        {},
        {
            "scanningConfigurations": [
                {"repositoryArn": f"{ARN}-of-another", "scanFrequency": "MANUAL"}
            ]
        },
        {"scanningConfigurations": [{"repositoryArn": ARN, "scanFrequency": "HOURLY"}]},
        {"scanningConfigurations": [{"repositoryArn": ARN}]},
    ],
)
def test_scanning__of_another_registry_or_a_new_kind_is_unknown(
    client: ECRClient,
    stub: Stubber,
    asked: str,
    configuration: dict[str, str],
    stated: dict[str, Any],
) -> None:
    stub.add_response("describe_repositories", DESCRIBED)
    stub.add_response(
        "get_registry_scanning_configuration",
        {"registryId": asked, "scanningConfiguration": configuration},
    )
    stub.add_response("batch_get_repository_scanning_configuration", stated)

    assert looked(opened(client)).scanning == Scanning()


@pytest.mark.parametrize(
    ("given", "host"),
    [
        (ACCOUNT, f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"),
        (f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws", f"{ACCOUNT}.dkr-ecr.eu-west-1.on.aws"),
    ],
)
def test_registry__is_named_in_the_call_and_its_host_is_used_as_written(
    client: ECRClient, stub: Stubber, given: str, host: str
) -> None:
    stub.add_response(
        "describe_repositories", DESCRIBED, {"repositoryNames": [NAME], "registryId": ACCOUNT}
    )
    stub.add_client_error("get_registry_scanning_configuration", "AccessDeniedException")
    stub.add_client_error("batch_get_repository_scanning_configuration", "AccessDeniedException")

    state = looked(opened(client, registry=RegistryId.parse(given)))

    assert state.uri == f"{host}/{NAME}"


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com"),
        ({"FIPS": "true"}, f"{ACCOUNT}.dkr.ecr-fips.us-east-1.amazonaws.com"),
        ({"DUALSTACK": "true"}, f"{ACCOUNT}.dkr-ecr.us-east-1.on.aws"),
        ({"DUALSTACK": "true", "FIPS": "true"}, f"{ACCOUNT}.dkr-ecr-fips.us-east-1.on.aws"),
    ],
)
@pytest.mark.parametrize("given", [None, RegistryId(ACCOUNT)], ids=["none", "account"])
def test_registry__host_follows_the_job_s_own_choice_of_endpoints(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], host: str, given: RegistryId | None
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"AWS_USE_{name}_ENDPOINT", value)
    client = boto3.client("ecr", region_name="us-east-1")
    described = DESCRIBED["repositories"][0] | {
        "repositoryUri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/{NAME}"
    }
    with Stubber(client) as stub:
        stub.add_response("describe_repositories", {"repositories": [described]})
        stub.add_client_error("get_registry_scanning_configuration", "AccessDeniedException")
        stub.add_client_error("batch_get_repository_scanning_configuration", "AccessDenied")

        found = opened(client, registry=given).look()
        assert isinstance(found, RepositoryState)
        assert found.host == host


def test_clients__inspector_is_asked_as_the_registry_s_host_says_but_for_dual_stack() -> None:
    both = Kind(fips=True, dual_stack=True)
    clients = Clients(boto3.Session(), Config(), both)

    assert kind_of(clients.ecr) == kind_of(clients.ecr_once) == both
    assert kind_of(clients.inspector) == kind_of(clients.inspector_once) == Kind(fips=True)


def test_s3__login_is_masked_before_it_is_given(client: ECRClient) -> None:
    masked: list[str] = []

    login = opened(client, masked).login()

    assert login.username == "AWS"
    assert login.password in masked
    assert login.password not in repr(login)


def test_manifest__is_the_bytes_that_were_pushed(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    pushed = push_image(ecr, NAME, "one")

    assert opened(client).manifest(pushed.digest) == pushed


def test_manifest__that_is_gone(client: ECRClient, repository: str) -> None:
    with pytest.raises(CallFailed, match=r"there is no image sha256:\w+ \(ImageNotFound\)"):
        opened(client).manifest(make_digest())


def test_scan__before_there_is_an_image(client: ECRClient, repository: str) -> None:
    assert isinstance(opened(client).scan(make_digest(), None), NoScan)


def test_scan__before_there_is_a_scan(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    ecr.set_scenario("never-found")
    pushed = push_image(ecr, NAME, "one")

    assert isinstance(opened(client).scan(pushed.digest, None), NoScan)


def test_scan__findings_in_pages(
    client: ECRClient, repository: str, ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch
) -> None:
    ecr.set_scenario("vulnerable")
    pushed = push_image(ecr, NAME, "one")
    registry = opened(client)
    monkeypatch.setattr("ecr_publish.edges.registry.PAGE_SIZE", 30)
    first = _finished(registry, pushed.digest)

    second = registry.scan(pushed.digest, first.next_token)

    assert isinstance(second, Page)
    assert second.next_token is None
    found = [*first.findings, *second.findings]
    assert len(first.findings) == 30
    assert len({finding.name for finding in found}) == len(found) == 51
    assert sum(finding.severity is Severity.CRITICAL for finding in found) == 2


def _finished(registry: EcrRegistry, digest: Any) -> Page:
    while True:
        answer = registry.scan(digest, None)
        if isinstance(answer, Page) and answer.completed_at:
            return answer


@pytest.mark.parametrize(
    ("code", "status"),
    [("ThrottlingException", 400), ("ServerException", 500), ("ConnectionReset", None)],
)
def test_scan__fault_that_may_pass_is_an_answer(
    client: ECRClient, repository: str, ecr: LocalEcr, code: str, status: int | None
) -> None:
    ecr.fail_next("DescribeImageScanFindings", code, times=99, status=status)

    assert isinstance(opened(client).scan(make_digest(), None), Unreachable)


def test_scan__denied_is_an_error(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    ecr.fail_next("DescribeImageScanFindings", "AccessDeniedException", status=400)

    with pytest.raises(CallFailed) as caught:
        opened(client).scan(make_digest(), None)

    assert caught.value.exit_code == ExitCode.SCAN
    assert len(ecr.calls("DescribeImageScanFindings")) == 1


def test_start_scan__of_a_repository_that_is_not_scanned_by_itself(
    client: ECRClient, ecr: LocalEcr
) -> None:
    client.create_repository(repositoryName=NAME)
    pushed = push_image(ecr, NAME, "one")
    registry = opened(client)
    assert isinstance(registry.scan(pushed.digest, None), NoScan)

    assert registry.start_scan(pushed.digest) is Start.STARTED

    assert _finished(registry, pushed.digest).findings == ()


def test_start_scan__the_daily_quota_is_one_call(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    pushed = push_image(ecr, NAME, "one")

    assert opened(client).start_scan(pushed.digest) is Start.QUOTA

    assert len(ecr.calls("StartImageScan")) == 1


def test_start_scan__of_an_enhanced_registry(client: ECRClient, ecr: LocalEcr) -> None:
    client.create_repository(repositoryName=NAME)
    client.put_registry_scanning_configuration(scanType="ENHANCED", rules=[])
    pushed = push_image(ecr, NAME, "one")

    assert opened(client).start_scan(pushed.digest) is Start.DISABLED


def test_start_scan__of_an_index(client: ECRClient, ecr: LocalEcr) -> None:
    client.create_repository(repositoryName=NAME)
    index = push_index(ecr, NAME, "several", ("linux/amd64", "linux/arm64"))

    assert opened(client).start_scan(index.digest) is Start.UNSUPPORTED


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("AccessDeniedException", Start.REFUSED),
        ("ThrottlingException", Start.FAILED),
        ("ImageNotFoundException", Start.FAILED),
    ],
)
def test_start_scan__that_fails_is_an_answer(
    client: ECRClient, repository: str, ecr: LocalEcr, code: str, answer: Start
) -> None:
    ecr.fail_next("StartImageScan", code)

    assert opened(client).start_scan(make_digest()) is answer


def test_put__same_bytes_same_digest(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    pushed = push_image(ecr, NAME, "candidate")

    assert opened(client).put(pushed, Tag("1.0")) is True

    (image,) = client.describe_images(repositoryName=NAME)["imageDetails"]
    assert image["imageDigest"] == str(pushed.digest)
    assert sorted(image["imageTags"]) == ["1.0", "candidate"]


@pytest.mark.parametrize("mutability", ["MUTABLE", "IMMUTABLE"])
@pytest.mark.parametrize("code", ["ImageAlreadyExistsException", "ImageTagAlreadyExistsException"])
def test_s5__same_tag_on_same_digest_is_success(
    client: ECRClient, ecr: LocalEcr, mutability: Any, code: str
) -> None:
    ecr.set_scenario({"switches": {"repush_api": code}})
    client.create_repository(repositoryName=NAME, imageTagMutability=mutability)
    pushed = push_image(ecr, NAME, "1.0")

    assert opened(client).put(pushed, Tag("1.0")) is False


def test_s1__immutable_tag_on_another_digest_is_never_moved(
    client: ECRClient, ecr: LocalEcr
) -> None:
    client.create_repository(repositoryName=NAME, imageTagMutability="IMMUTABLE")
    first, second = (push_image(ecr, NAME, tag, tag.encode()) for tag in ("1.0", "candidate"))

    with pytest.raises(TagTaken, match=str(first.digest)):
        opened(client).put(second, Tag("1.0"))

    tagged = client.describe_images(repositoryName=NAME, imageIds=[{"imageTag": "1.0"}])
    assert tagged["imageDetails"][0]["imageDigest"] == str(first.digest)


def test_s1__other_bytes_than_the_gated_ones_are_refused(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    pushed = push_image(ecr, NAME, "candidate")
    changed = make_manifest()

    with pytest.raises(CallFailed):
        opened(client).put(
            type(pushed)(digest=pushed.digest, media_type=pushed.media_type, text=changed.text),
            Tag("1.0"),
        )


def test_put__denied(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    pushed = push_image(ecr, NAME, "candidate")
    ecr.fail_next("PutImage", "AccessDeniedException", status=400)

    with pytest.raises(CallFailed) as caught:
        opened(client).put(pushed, Tag("1.0"))

    assert caught.value.exit_code == ExitCode.PROMOTE


def test_s4__untag_leaves_the_image_and_its_other_tags(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    pushed = push_image(ecr, NAME, "candidate")
    registry = opened(client)
    registry.put(pushed, Tag("1.0"))

    registry.untag(Tag("candidate"))

    (image,) = client.describe_images(repositoryName=NAME)["imageDetails"]
    assert image["imageTags"] == ["1.0"]


def test_untag__of_a_tag_that_is_gone(client: ECRClient, repository: str) -> None:
    with pytest.raises(CallFailed, match="ImageNotFound"):
        opened(client).untag(Tag("nobody"))


def test_find__by_tag_and_by_digest(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    image, index = push_image(ecr, NAME, "one"), push_index(ecr, NAME, "two", ("linux/amd64",))
    registry = opened(client)

    assert registry.find(Tag("one")) == registry.find(image.digest) == image
    assert registry.find(Tag("two")) == registry.find(index.digest) == index


@pytest.mark.parametrize("reference", [Tag("nobody"), make_digest()])
def test_find__what_is_not_there(
    client: ECRClient, repository: str, ecr: LocalEcr, reference: Tag | Digest
) -> None:
    push_image(ecr, NAME, "one")

    with pytest.raises(ImageNotThere, match=str(reference)) as caught:
        opened(client).find(reference)

    assert caught.value.exit_code == ExitCode.REPOSITORY


def test_find__that_may_not_be_asked_is_not_taken_for_missing(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    ecr.fail_next("BatchGetImage", "AccessDeniedException", status=400)

    with pytest.raises(CallFailed, match="AccessDenied"):
        opened(client).find(Tag("one"))


def test_holders__of_those_that_exist(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    image, index = push_image(ecr, NAME, "one"), push_index(ecr, NAME, "two", ("linux/amd64",))
    registry = opened(client)
    registry.put(image, Tag("again"))
    ecr.reset()

    held = registry.holders([Tag(name) for name in ("one", "nobody", "two", "again")])

    assert held == {Tag("one"): image, Tag("two"): index, Tag("again"): image}
    assert len(ecr.calls("BatchGetImage")) == 1


@pytest.mark.parametrize(("number", "calls"), [(1, 1), (100, 1), (101, 2), (250, 3)])
def test_holders__a_hundred_at_once(
    client: ECRClient, repository: str, ecr: LocalEcr, number: int, calls: int
) -> None:
    image = push_image(ecr, NAME, "v0")
    registry = opened(client)
    for name in ("v1", f"v{number - 1}"):
        registry.put(image, Tag(name))
    ecr.reset()

    held = registry.holders([Tag(f"v{n}") for n in range(number)])

    assert set(held) == {Tag(f"v{n}") for n in (0, 1, number - 1) if n < number}
    assert len(ecr.calls("BatchGetImage")) == calls


@pytest.mark.parametrize("code", ["KmsError", "ImageInaccessible", "UpstreamUnavailable"])
def test_images__that_exist_and_are_not_given_are_no_free_tags(
    client: ECRClient, repository: str, ecr: LocalEcr, code: str
) -> None:
    image = push_image(ecr, NAME, "one")
    ecr.set_scenario({"default": "clean", "switches": {"image_failure": code}})
    registry = opened(client)

    for ask in (
        lambda: registry.manifest(image.digest),
        lambda: registry.find(Tag("one")),
        lambda: registry.find(image.digest),
        lambda: registry.holders([Tag("nobody"), Tag("one")]),
    ):
        with pytest.raises(CallFailed, match=rf"BatchGetImage failed: .* \({code}\)"):
            ask()
    assert registry.holders([Tag("nobody")]) == {}


@pytest.mark.parametrize(("again", "first"), [("first", True), ("last", False)])
def test_pushed_at__in_whole_seconds(
    client: ECRClient,
    repository: str,
    ecr: LocalEcr,
    again: str,
    first: bool,  # noqa: FBT001
) -> None:
    ecr.set_scenario({"default": "clean", "switches": {"pushed_again": again}})
    now, registry = 1_700_000_000.75, opened(client)
    ecr.registry.clock = lambda: now
    image = push_image(ecr, NAME, "one")
    assert registry.pushed_at(image.digest).timestamp() == CREATED

    now += 60
    registry.put(image, Tag("two"))

    assert registry.pushed_at(image.digest).timestamp() == CREATED + (0 if first else 60)


def test_pushed_at__of_what_is_gone(client: ECRClient, repository: str) -> None:
    with pytest.raises(CallFailed, match="ImageNotFound"):
        opened(client).pushed_at(make_digest())


def inspecting(client: ECRClient, answer: Any, arns: list[str]) -> tuple[Stubber, EcrRegistry]:
    """A registry whose Inspector answers this about these findings, once."""
    inspector = boto3.client("inspector2")
    clients = Clients(boto3.Session(), Config())
    clients.__dict__ |= {"ecr": client, "inspector": inspector}
    stubber = Stubber(inspector)
    stubber.add_response("batch_get_finding_details", answer, {"findingArns": arns})
    return stubber, EcrRegistry(clients, make_plan(), lambda _: None)


def finding_arn(number: int) -> str:
    return f"arn:aws:inspector2:eu-west-1:{ACCOUNT}:finding/{number:032x}"


def test_exploits__of_one_batch(client: ECRClient) -> None:
    arns = [finding_arn(number) for number in range(MOST_ARNS)]
    answer = {
        "findingDetails": [
            {"findingArn": arns[0], "epssScore": 0.5, "cisaData": {"action": "Update."}},
            {"findingArn": arns[1], "epssScore": 0.0},
            {"findingArn": arns[2]},
        ]
    }
    stubber, registry = inspecting(client, answer, arns)
    with stubber:
        assert registry.exploits(arns) == {
            arns[0]: Exploit(epss=0.5, in_kev=True),
            arns[1]: Exploit(epss=0.0, in_kev=False),
            arns[2]: Exploit(epss=None, in_kev=False),
        }


@pytest.mark.parametrize("answer", [{}, {"findingDetails": [{"epssScore": 0.5}]}])
def test_s2_exploits__what_names_no_finding_tells_nothing_of_any(
    client: ECRClient, answer: dict[str, Any]
) -> None:
    stubber, registry = inspecting(client, answer, [finding_arn(1)])
    with stubber:
        assert registry.exploits([finding_arn(1)]) == {}


def test_config__is_the_images_own(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    image = push_image(ecr, NAME, "one", platform="linux/arm64", labels={"team": "web"})

    assert '"architecture": "arm64"' in opened(client).config(image)


def test_s3_config__the_address_is_in_no_error(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    image = push_image(ecr, NAME, "one")
    ecr.fail_next("GetObject", "AccessDenied", times=9)

    with pytest.raises(CallFailed) as caught:
        opened(client).config(image)

    shown = f"{caught.value} {caught.value.why} {caught.value.fix}"
    assert "could not be read: HTTPError" in shown
    assert not [secret for secret in ecr.secrets() if secret in shown]


LABELS = {RECIPE: "aaaa", REVISION: "cafe", COMMITTED: "1700000000"}
CREATED = 1_700_000_000
ORIGIN = Origin(recipes=frozenset({"aaaa"}), revision="cafe", committed=1_700_000_000)


def test_origin__of_an_image(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    image = push_image(ecr, NAME, "one", labels=LABELS, created=CREATED)
    ecr.reset()

    assert opened(client).origin(image) == ORIGIN
    assert [call.operation for call in ecr.calls()] == ["GetDownloadUrlForLayer", "GetObject"]


def test_origin__of_an_image_without_labels(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    assert opened(client).origin(push_image(ecr, NAME, "one")) == Origin(recipes=frozenset({""}))


@pytest.mark.parametrize("created", [None, CREATED + 1])
def test_s1_origin__of_what_was_built_from_an_image_is_not_that_of_the_image(
    client: ECRClient, repository: str, ecr: LocalEcr, created: int | None
) -> None:
    inherited = push_image(ecr, NAME, "one", labels=LABELS, created=created)

    assert opened(client).origin(inherited) == Origin(recipes=frozenset({""}))


def test_origin__of_an_index_is_that_of_all_its_images_but_the_attestation(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    platforms = ("linux/amd64", "linux/arm64")
    index = push_index(ecr, NAME, "several", platforms, labels=LABELS, created=CREATED)
    ecr.reset()

    assert opened(client).origin(index) == ORIGIN
    assert len(ecr.calls("GetDownloadUrlForLayer")) == 2


def test_origin__of_an_index_whose_images_differ(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    later = {RECIPE: "bbbb", COMMITTED: str(CREATED + 1)}
    children = [
        child(push_image(ecr, NAME, platform=platform, labels=labels, created=made), platform)
        for platform, labels, made in (
            ("linux/amd64", LABELS, CREATED),
            ("linux/arm64", later, CREATED + 1),
        )
    ]
    index = push_manifest(ecr, NAME, "one", {"mediaType": OCI_INDEX, "manifests": children})

    origin = opened(client).origin(index)

    assert origin == Origin(
        recipes=frozenset({"aaaa", "bbbb"}), revision="cafe", committed=CREATED + 1
    )


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        pytest.param("GetDownloadUrlForLayer", "AccessDeniedException", id="denied"),
        pytest.param("GetDownloadUrlForLayer", "LayerInaccessibleException", id="archived"),
        pytest.param("GetDownloadUrlForLayer", "LayersNotFoundException", id="gone"),
        pytest.param("GetDownloadUrlForLayer", "ThrottlingException", id="throttled"),
        pytest.param("GetDownloadUrlForLayer", "ConnectionReset", id="unreachable"),
        pytest.param("GetObject", "AccessDenied", id="bytes denied"),
        pytest.param("GetObject", "ConnectionReset", id="bytes unreachable"),
    ],
)
@pytest.mark.parametrize("platforms", [(), ("linux/amd64", "linux/arm64")])
def test_origin__that_cannot_be_read_is_unknown(
    client: ECRClient,
    repository: str,
    ecr: LocalEcr,
    operation: str,
    code: str,
    platforms: tuple[str, ...],
) -> None:
    image = (
        push_index(ecr, NAME, "one", platforms, labels=LABELS, created=CREATED)
        if platforms
        else push_image(ecr, NAME, "one", labels=LABELS, created=CREATED)
    )
    ecr.fail_next(operation, code, times=99)

    assert opened(client).origin(image) is None


@pytest.mark.parametrize("code", ["ThrottlingException", "ConnectionReset"])
def test_origin__a_fault_that_passes_is_waited_out(
    client: ECRClient, repository: str, ecr: LocalEcr, code: str
) -> None:
    image = push_image(ecr, NAME, "one", labels=LABELS, created=CREATED)
    ecr.fail_next("GetDownloadUrlForLayer", code, times=2)

    assert opened(client).origin(image) == ORIGIN


def test_origin__of_an_image_whose_configuration_is_another(
    client: ECRClient, repository: str, ecr: LocalEcr, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, other = (
        push_image(ecr, NAME, tag, labels={**LABELS, RECIPE: tag}) for tag in ("one", "two")
    )
    right = client.get_download_url_for_layer(
        repositoryName=NAME, layerDigest=str(config_digest(other))
    )
    with Stubber(client) as stubber:
        stubber.add_response("get_download_url_for_layer", {"downloadUrl": right["downloadUrl"]})

        assert opened(client).origin(image) is None


def test_origin__of_a_configuration_that_is_too_large(
    client: ECRClient, repository: str, ecr: LocalEcr
) -> None:
    image = push_image(ecr, NAME, "one", labels={**LABELS, "long": "x" * (8 << 20)})

    assert opened(client).origin(image) is None


def test_origin__of_what_is_no_image(client: ECRClient, repository: str, ecr: LocalEcr) -> None:
    index = push_manifest(ecr, NAME, "none", {"mediaType": OCI_INDEX, "manifests": []})

    assert opened(client).origin(index) is None
