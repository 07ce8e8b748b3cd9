"""Amazon ECR by boto3. Its exceptions end here and become ours.

Operations: the ECR API reference. What each error means: reference/ecr-behaviour.md section 2.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own name
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)

from ecr_publish.edges.blobs import BlobUnreadable, download
from ecr_publish.edges.ports import Login
from ecr_publish.errors import (
    CallFailed,
    ImageNotThere,
    NoCredentials,
    RepositoryMissing,
    TagTaken,
    UnexpectedManifest,
)
from ecr_publish.exploits import Exploit
from ecr_publish.findings import parse_page
from ecr_publish.hosts import PLAIN, Kind, alike
from ecr_publish.inputs import Mutability
from ecr_publish.manifest import MEDIA_TYPES, Manifest, config_digest, targets
from ecr_publish.origin import Origin, read
from ecr_publish.plan import Absent, Plan, RepositoryState
from ecr_publish.preflight import NOWHERE, Permission
from ecr_publish.reference import Digest, Repository, Tag
from ecr_publish.scan import Answer, Coverage, NoScan, Start, Unreachable
from ecr_publish.scanning import Frequency, Rule, Scanning, ScanType, effective

if TYPE_CHECKING:
    import boto3
    from botocore.client import BaseClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecr.type_defs import (
        ImageDetailTypeDef,
        ImageIdentifierTypeDef,
        ImageTypeDef,
        RepositoryTypeDef,
    )
    from mypy_boto3_inspector2 import Inspector2Client
    from mypy_boto3_inspector2.type_defs import ListCoverageResponseTypeDef

NO_CREDENTIALS = (
    *(NoCredentialsError, PartialCredentialsError, CredentialRetrievalError),
    *(SSOError, TokenRetrievalError),
)
"""What the SDK raises where it has none; the last two where a sign-in has expired."""
PAGE_SIZE = 1000
"""The most findings that DescribeImageScanFindings gives at once (ECR API reference)."""

TRANSIENT = frozenset(
    {
        "InternalFailure",
        "RequestLimitExceeded",
        "ServerException",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
MOST_IDS = 100
"""The most images that BatchGetImage gives at once (ECR API reference)."""

_MEANWHILE = (
    "Another run has put it there since this one looked. Where that was the same commit, running "
    "it again takes that image."
)
_HTTP_SERVER_ERROR = 500
_ONCE = Config(read_timeout=10, retries={"mode": "standard", "total_max_attempts": 1})
_ENGINES = {"BASIC": ScanType.BASIC, "ENHANCED": ScanType.ENHANCED}


def endpoints(kind: Kind) -> Config:
    """What makes the SDK use such endpoints; what is not asked for is up to the job's settings."""
    # For an address of the job's own (AWS_ENDPOINT_URL) the SDK leaves both out of account.
    return Config(
        use_fips_endpoint=kind.fips or None, use_dualstack_endpoint=kind.dual_stack or None
    )


def kind_of(client: BaseClient) -> Kind:
    """Which endpoints a client uses, by its configuration and the job's own AWS settings."""
    used: Any = client.meta.config
    return Kind(fips=bool(used.use_fips_endpoint), dual_stack=bool(used.use_dualstack_endpoint))


class Clients:
    """The SDK's clients with the run's credentials, each made when it is needed first."""

    def __init__(self, session: boto3.Session, config: Config, kind: Kind = PLAIN) -> None:
        """The clients of a session.

        Args:
            session: Region and credentials.
            config: Timeouts and retries.
            kind: What the registry's host asks for; the job's own AWS settings come on top.
        """
        self._session = session
        self._config = config.merge(endpoints(kind))
        # No dual-stack endpoints of Inspector are known.
        self._inspector_config = config.merge(endpoints(Kind(fips=kind.fips)))
        # Clients may be used by several threads, and be made by one at a time (boto3: "Threading").
        self._making = Lock()

    @cached_property
    def ecr(self) -> ECRClient:
        """Amazon ECR."""
        with self._making:
            return self._session.client("ecr", config=self._config)

    @cached_property
    def ecr_once(self) -> ECRClient:
        """Amazon ECR for what the wait repeats by itself: no retry, and a short patience."""
        with self._making:
            return self._session.client("ecr", config=self._config.merge(_ONCE))

    @cached_property
    def inspector_once(self) -> Inspector2Client:
        """Amazon Inspector for what the wait repeats by itself."""
        with self._making:
            return self._session.client("inspector2", config=self._inspector_config.merge(_ONCE))

    @cached_property
    def inspector(self) -> Inspector2Client:
        """Amazon Inspector for what is asked once, however often that takes."""
        with self._making:
            return self._session.client("inspector2", config=self._inspector_config)


class EcrRegistry:
    """One repository of ECR, with the credentials of this run."""

    def __init__(self, clients: Clients, plan: Plan, mask: Callable[[str], None]) -> None:
        """Args: clients: Of the plan's region. plan: Names the repository. mask: Hides a secret."""
        self._clients = clients
        self._ecr = clients.ecr
        self._coverage_denied = False
        self._plan = plan
        self._mask = mask
        self._name = plan.repository.name
        # An absent registryId means the caller's own registry; boto3 does not take None for it.
        self._registry: dict[str, Any] = (
            {"registryId": plan.registry.account} if plan.registry else {}
        )
        self._arn = "*"

    def elsewhere(self, repository: Repository) -> EcrRegistry:
        """Another repository of the same registry."""
        other = EcrRegistry(self._clients, replace(self._plan, repository=repository), self._mask)
        before, separator, _ = self._arn.partition(":repository/")
        other._arn = f"{before}{separator}{repository}" if separator else "*"
        return other

    def look(self) -> RepositoryState | Absent:
        """The repository as it is; nothing is created."""
        self._arn = self._guessed_arn()
        found = self._describe()
        if found is None:
            return Absent(scanning=self._scanning_of_a_new_one())
        return self._state(found, created=False)

    def create(self) -> RepositoryState:
        """Create the repository, where the plan says so; raises RepositoryMissing."""
        if self._plan.create is None:
            raise RepositoryMissing(self._name, self._plan.region)
        try:
            return self._state(self._create(self._plan.create), created=True)
        except CallFailed as error:
            raced = self._describe() if error.code == "RepositoryAlreadyExistsException" else None
            if raced is None:
                raise
            return self._state(raced, created=False)

    def ask(self, permission: Permission) -> None:
        """Ask for what cannot exist, once and read-only; raises CallFailed also for «not found»."""
        digest: ImageIdentifierTypeDef = {"imageDigest": str(NOWHERE)}
        image: dict[str, Any] = {"repositoryName": self._name, **self._registry}
        ecr = self._clients.ecr_once
        calls: dict[Permission, Callable[[], object]] = {
            Permission.SCANS: lambda: ecr.describe_image_scan_findings(imageId=digest, **image),
            Permission.IMAGES: lambda: ecr.batch_get_image(imageIds=[digest], **image),
            Permission.LAYERS: lambda: ecr.batch_check_layer_availability(
                layerDigests=[str(NOWHERE)], **image
            ),
            Permission.BLOBS: lambda: ecr.get_download_url_for_layer(
                layerDigest=str(NOWHERE), **image
            ),
            Permission.COVERAGE: lambda: self._list_coverage(NOWHERE),
        }
        with _translated(permission.value, self._arn):
            calls[permission]()

    def _state(self, found: RepositoryTypeDef, *, created: bool) -> RepositoryState:
        self._arn = found["repositoryArn"]
        host, _, name = found["repositoryUri"].partition("/")
        asked = self._plan.registry.host if self._plan.registry else None
        return RepositoryState(
            # ECR itself tells only the plain one (reference/ecr-behaviour.md section 2).
            host=asked or alike(host, kind_of(self._ecr)),
            name=name,
            arn=found["repositoryArn"],
            registry_id=found["registryId"],
            mutability=found.get("imageTagMutability", "MUTABLE"),
            exclusions=tuple(
                item["filter"] for item in found.get("imageTagMutabilityExclusionFilters", [])
            ),
            created=created,
            scanning=self._scanning(found),
            scans_on_push=_scans_on_push(found),
        )

    def login(self) -> Login:
        """A token for pushing, masked before it is returned."""
        with _translated("GetAuthorizationToken"):
            answer = self._ecr.get_authorization_token()
        token = answer["authorizationData"][0]["authorizationToken"]
        username, _, password = base64.b64decode(token).decode().partition(":")
        self._mask(token)
        self._mask(password)
        return Login(username=username, password=password)

    def manifest(self, digest: Digest) -> Manifest:
        """A manifest's exact bytes: asked for by digest, ECR never converts it."""
        found = self._images([{"imageDigest": str(digest)}])
        if not found:
            said = f"there is no image {digest}"
            raise CallFailed("BatchGetImage", "ImageNotFound", said, transient=True)
        return _manifest(found[0])

    def find(self, reference: Tag | Digest) -> Manifest:
        """The manifest that a tag or a digest names; raises ImageNotThere."""
        by_tag: ImageIdentifierTypeDef = {"imageTag": str(reference)}
        by_digest: ImageIdentifierTypeDef = {"imageDigest": str(reference)}
        found = self._images([by_tag if isinstance(reference, Tag) else by_digest])
        if not found:
            raise ImageNotThere(str(reference), self._name)
        return _manifest(found[0])

    def holders(self, tags: Sequence[Tag]) -> dict[Tag, Manifest]:
        """The manifests that these tags name, of those that exist."""
        found: list[ImageTypeDef] = []
        for first in range(0, len(tags), MOST_IDS):
            part = tags[first : first + MOST_IDS]
            found += self._images([{"imageTag": str(tag)} for tag in part])
        return {Tag(image["imageId"]["imageTag"]): _manifest(image) for image in found}

    def config(self, image: Manifest) -> str:
        """An image's configuration (JSON); raises CallFailed where it cannot be read."""
        digest = config_digest(image)
        with _translated("GetDownloadUrlForLayer", self._arn):
            answer = self._ecr.get_download_url_for_layer(
                repositoryName=self._name, layerDigest=str(digest), **self._registry
            )
        # Whoever has the address may read the blob, for some minutes.
        self._mask(answer["downloadUrl"])
        try:
            return download(answer["downloadUrl"], digest)
        except BlobUnreadable as error:
            said = f"the configuration {digest} could not be read: {error}"
            raise CallFailed(
                "GetDownloadUrlForLayer", "Unreadable", said, transient=True
            ) from error

    def origin(self, manifest: Manifest) -> Origin | None:
        """What the images behind a manifest say of how they were made; None if unreadable."""
        try:
            images = [
                manifest if target.digest == manifest.digest else self.manifest(target.digest)
                for target in targets(manifest, self.manifest)
            ]
            return read([self.config(image) for image in images])
        except (CallFailed, UnexpectedManifest):
            return None

    def scan(self, digest: Digest, token: str | None) -> Answer:
        """One page of an image's scan; a fault that may pass is an answer, not an error."""
        try:
            with _translated("DescribeImageScanFindings", self._arn):
                # The wait repeats the first page by itself; a further one has to be read through.
                client = self._ecr if token else self._clients.ecr_once
                return parse_page(
                    client.describe_image_scan_findings(
                        repositoryName=self._name,
                        imageId={"imageDigest": str(digest)},
                        maxResults=PAGE_SIZE,
                        **({"nextToken": token} if token else {}),
                        **self._registry,
                    )
                )
        except CallFailed as error:
            if error.code in ("ScanNotFoundException", "ImageNotFoundException"):
                return NoScan()
            if error.transient:
                return Unreachable(message=error.what)
            raise

    def start_scan(self, digest: Digest) -> Start:
        """Ask for a scan, with one call: the SDK would take the daily quota for throttling."""
        try:
            with _translated("StartImageScan", self._arn):
                self._clients.ecr_once.start_image_scan(
                    repositoryName=self._name,
                    imageId={"imageDigest": str(digest)},
                    **self._registry,
                )
        except CallFailed as error:
            return _start_answer(error)
        return Start.STARTED

    def coverage(self, digest: Digest) -> Coverage | None:
        """What Inspector says of an image; None where it may not be asked."""
        if self._coverage_denied:
            return None
        try:
            with _translated("ListCoverage"):
                answer = self._list_coverage(digest)
        except CallFailed as error:
            self._coverage_denied = not error.transient
            return Coverage(reason=f"nothing now ({error.code})") if error.transient else None
        for item in answer["coveredResources"]:
            reason = item.get("scanStatus", {}).get("reason", "an unknown word")
            return Coverage(reason=reason, scanned="lastScannedAt" in item)
        return Coverage()

    def exploits(self, arns: Sequence[str]) -> Mapping[str, Exploit]:
        """What Inspector knows of at most ten findings; raises CallFailed."""
        with _translated("BatchGetFindingDetails"):
            answer = self._clients.inspector.batch_get_finding_details(findingArns=arns)
        return {
            item["findingArn"]: Exploit(epss=item.get("epssScore"), in_kev="cisaData" in item)
            for item in answer.get("findingDetails", [])
            if "findingArn" in item
        }

    def put(self, manifest: Manifest, tag: Tag) -> bool:
        """Put a tag on a manifest; False where it was there already; raises TagTaken.

        For "the same tag on the same image" reports name two different exceptions, so both mean
        that the tag's digest has to be looked at (reference/ecr-behaviour.md section 2).
        """
        try:
            with _translated("PutImage", self._arn):
                self._ecr.put_image(
                    repositoryName=self._name,
                    imageManifest=manifest.text,
                    imageManifestMediaType=manifest.media_type,
                    imageDigest=str(manifest.digest),
                    imageTag=str(tag),
                    **self._registry,
                )
        except CallFailed as error:
            if error.code not in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
                raise
            return self._unchanged(manifest, tag)
        return True

    def pushed_at(self, digest: Digest) -> datetime:
        """When an image came to the repository; raises CallFailed."""
        return self._detail({"imageDigest": str(digest)})["imagePushedAt"]

    def untag(self, tag: Tag) -> None:
        """Remove a tag, never by digest, which would take every tag of the image along."""
        with _translated("BatchDeleteImage", self._arn):
            answer = self._ecr.batch_delete_image(
                repositoryName=self._name, imageIds=[{"imageTag": str(tag)}], **self._registry
            )
        for failure in answer["failures"]:
            raise CallFailed(
                "BatchDeleteImage",
                failure.get("failureCode", ""),
                failure.get("failureReason", ""),
                transient=False,
            )

    def _list_coverage(self, digest: Digest) -> ListCoverageResponseTypeDef:
        resource = f"{self._arn}/{digest}"
        return self._clients.inspector_once.list_coverage(
            filterCriteria={"resourceId": [{"comparison": "EQUALS", "value": resource}]}
        )

    def _images(self, ids: Sequence[ImageIdentifierTypeDef]) -> list[ImageTypeDef]:
        """The images of these ids, of those that exist."""
        with _translated("BatchGetImage", self._arn):
            answer = self._ecr.batch_get_image(
                repositoryName=self._name,
                imageIds=ids,
                acceptedMediaTypes=list(MEDIA_TYPES),
                **self._registry,
            )
        for failure in answer["failures"]:
            code, reason = failure.get("failureCode", ""), failure.get("failureReason", "")
            if code != "ImageNotFound":
                raise CallFailed("BatchGetImage", code, reason, transient=False)
        return answer["images"]

    def _describe(self) -> RepositoryTypeDef | None:
        try:
            with _translated("DescribeRepositories", self._guessed_arn()):
                answer = self._ecr.describe_repositories(
                    repositoryNames=[self._name], **self._registry
                )
                return next(iter(answer["repositories"]), None)
        except CallFailed as error:
            if error.code == "RepositoryNotFoundException":
                return None
            raise

    def _create(self, mutability: Mutability) -> RepositoryTypeDef:
        with _translated("CreateRepository", self._guessed_arn()):
            return self._ecr.create_repository(
                repositoryName=self._name,
                imageScanningConfiguration={"scanOnPush": True},
                imageTagMutability=mutability.value,
                **self._registry,
            )["repository"]

    def _scanning(self, repository: RepositoryTypeDef) -> Scanning:
        """How the repository is scanned, as far as the role may ask; neither call is needed."""
        engine, rules = self._rules(repository["registryId"])
        stated = self._stated_frequency(repository["repositoryArn"])
        own = _scans_on_push(repository)
        worked_out = effective(engine, rules, self._name, scan_on_push=own)
        return Scanning(
            engine=engine, frequency=worked_out if stated is Frequency.UNKNOWN else stated
        )

    def _scanning_of_a_new_one(self) -> Scanning:
        engine, rules = self._rules(self._registry.get("registryId"))
        frequency = effective(engine, rules, self._name, scan_on_push=True)
        return Scanning(engine=engine, frequency=frequency)

    def _rules(self, registry_id: str | None) -> tuple[ScanType, list[Rule]]:
        """The registry's engine and rules; UNKNOWN where it is another account's.

        None is the caller's own registry.
        """
        try:
            with _translated("GetRegistryScanningConfiguration"):
                answer = self._ecr.get_registry_scanning_configuration()
        except CallFailed:
            return ScanType.UNKNOWN, []
        if registry_id not in (None, answer["registryId"]):
            return ScanType.UNKNOWN, []
        configuration = answer["scanningConfiguration"]
        engine = _ENGINES.get(configuration.get("scanType", ""), ScanType.UNKNOWN)
        return engine, [
            Rule(
                frequency=Frequency.parse(rule["scanFrequency"]),
                filters=tuple(item["filter"] for item in rule["repositoryFilters"]),
            )
            for rule in configuration.get("rules", [])
        ]

    def _stated_frequency(self, arn: str) -> Frequency:
        """What ECR itself says of the repository, where it is one of the caller's registry."""
        try:
            with _translated("BatchGetRepositoryScanningConfiguration"):
                answer = self._ecr.batch_get_repository_scanning_configuration(
                    repositoryNames=[self._name]
                )
        except CallFailed:
            return Frequency.UNKNOWN
        for item in answer.get("scanningConfigurations", []):
            if item.get("repositoryArn") == arn:
                return Frequency.parse(item.get("scanFrequency", ""))
        return Frequency.UNKNOWN

    def _unchanged(self, manifest: Manifest, tag: Tag) -> bool:
        digest = self._detail({"imageTag": str(tag)})["imageDigest"]
        if digest != str(manifest.digest):
            raise TagTaken(str(tag), digest, self._name, _MEANWHILE)
        return False

    def _detail(self, image: ImageIdentifierTypeDef) -> ImageDetailTypeDef:
        with _translated("DescribeImages", self._arn):
            return self._ecr.describe_images(
                repositoryName=self._name, imageIds=[image], **self._registry
            )["imageDetails"][0]

    def _guessed_arn(self) -> str:
        account = self._plan.registry.account if self._plan.registry else "*"
        partition = self._ecr.meta.partition
        return f"arn:{partition}:ecr:{self._plan.region}:{account}:repository/{self._name}"


def _scans_on_push(repository: RepositoryTypeDef) -> bool:
    return repository.get("imageScanningConfiguration", {}).get("scanOnPush", False)


def _manifest(image: ImageTypeDef) -> Manifest:
    return Manifest(
        digest=Digest.parse(image["imageId"]["imageDigest"]),
        media_type=image.get("imageManifestMediaType", ""),
        text=image["imageManifest"],
    )


def _start_answer(error: CallFailed) -> Start:
    if error.code == "LimitExceededException":
        return Start.QUOTA
    if "This feature is disabled" in error.what:
        return Start.DISABLED
    if error.code == "UnsupportedImageTypeException":
        return Start.UNSUPPORTED
    return Start.REFUSED if "AccessDenied" in error.code else Start.FAILED


@contextmanager
def _translated(operation: str, resource: str = "*") -> Iterator[None]:
    try:
        yield
    except NO_CREDENTIALS as error:
        raise NoCredentials from error
    except ClientError as error:
        said, status = error.response["Error"], error.response["ResponseMetadata"]
        code = said.get("Code", "")
        raise CallFailed(
            operation,
            code,
            said.get("Message", ""),
            resource=resource,
            transient=code in TRANSIENT or status["HTTPStatusCode"] >= _HTTP_SERVER_ERROR,
        ) from error
    except BotoCoreError as error:
        raise CallFailed(
            operation,
            type(error).__name__,
            str(error),
            transient=isinstance(error, (ConnectionError, HTTPClientError)),
        ) from error
