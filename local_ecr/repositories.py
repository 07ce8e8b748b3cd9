"""Repositories and registry settings: moto's backend, corrected where it is not like ECR.

moto does what it does faithfully (creation, policies, tags, scanning configuration); images are
not its business here, so it is asked about metadata only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moto.core.request import Request as MotoRequest
from moto.ecr.models import ECRBackend, Repository
from moto.ecr.responses import ECRResponse

from local_ecr import errors, scan_config
from local_ecr.images import Mutability

AMZ_JSON = "application/x-amz-json-1.1"


class Repositories(ECRBackend):
    """The metadata of one registry; nothing of it is shared with another one of the process.

    Attributes:
        host: Host and port that repository URIs begin with.
        has_images: Asks the image store whether a repository is empty.
        on_delete: Tells the image store that a repository is gone.
    """

    def __init__(self, region: str, account: str) -> None:
        super().__init__(region, account)
        self.host = "127.0.0.1"
        self.has_images: Callable[[str], bool] = lambda _: False
        self.on_delete: Callable[[str], None] = lambda _: None

    def scan_everything_continuously(self) -> None:
        """Switch the registry to enhanced scanning of all repositories."""
        self.set_rules("ENHANCED", {"CONTINUOUS_SCAN": ["*"]})

    def set_rules(self, kind: str, rules: Mapping[str, Sequence[str]]) -> None:
        """Switch the engine and its rules: filters of repositories by scan frequency."""
        listed = [
            {"scanFrequency": frequency, "repositoryFilters": [_wildcard(name) for name in names]}
            for frequency, names in rules.items()
        ]
        self.put_registry_scanning_configuration(kind, listed)

    def put_registry_scanning_configuration(
        self, scan_type: str, rules: list[dict[str, Any]] | None
    ) -> None:
        """The same as the API has it.

        Raises:
            EcrError: ValidationException.
        """
        scan_config.check(scan_type, rules or [])
        super().put_registry_scanning_configuration(scan_type, rules or [])

    def create_repository(  # type: ignore[override]
        self,
        repository_name: str,
        **settings: Any,  # noqa: ANN401 - passed on as they are
    ) -> Repository:
        """Create it with a URI that points to this server."""
        repository = super().create_repository(repository_name=repository_name, **settings)
        repository.uri = f"{self.host}/{repository_name}"
        return repository

    def delete_repository(
        self,
        repository_name: str,
        registry_id: str | None = None,
        force: bool = False,  # noqa: FBT001, FBT002 - as moto has it
    ) -> Repository:
        """Delete it, but only if it is empty or force is given."""
        self.get(repository_name)
        if self.has_images(repository_name) and not force:
            raise errors.repository_not_empty(repository_name, self.account_id)
        repository = super().delete_repository(repository_name, registry_id, force)
        self.on_delete(repository_name)
        return repository

    def get(self, name: str, registry_id: str | None = None) -> Repository:
        """The repository's record.

        Raises:
            EcrError: RepositoryNotFoundException.
        """
        registry = registry_id or self.account_id
        if name not in self.repositories or registry != self.account_id:
            raise errors.repository_not_found(name, registry)
        return self.repositories[name]

    def mutability(self, name: str) -> Mutability:
        """Which of the repository's tags can move."""
        record = self.get(name)
        filters = record.image_tag_mutability_exclusion_filters or ()
        mode = getattr(record.image_tag_mutability, "value", record.image_tag_mutability)
        return Mutability(mode=mode, filters=tuple(entry["filter"] for entry in filters))

    def scans_on_push(self, name: str) -> bool:
        """The repository's own scanOnPush setting."""
        setting = self.get(name).image_scanning_configuration
        return isinstance(setting, dict) and bool(setting.get("scanOnPush"))


class _Responses(ECRResponse):
    """moto's parser and serializer of the ECR API over the repositories given."""

    def __init__(self, repositories: Repositories) -> None:
        super().__init__()
        self._repositories = repositories

    @property
    def ecr_backend(self) -> Repositories:
        return self._repositories

    def answer(self, request: MotoRequest) -> tuple[int, bytes]:
        self.setup_class(request)
        status, _, body = self.call_action()
        return int(status), body if isinstance(body, bytes) else body.encode()


def answer(
    repositories: Repositories, url: str, headers: dict[str, str], body: bytes
) -> tuple[int, bytes]:
    """Let moto answer one call of the ECR API.

    Returns:
        The HTTP status and the JSON body.

    Raises:
        EcrError: Also for operations that moto does not have.
    """
    # moto would take the account from the access key, and the protocol from the content type.
    own = {"x-moto-account-id": repositories.account_id, "Content-Type": AMZ_JSON}
    request = MotoRequest.from_primitives("POST", url, headers | own, body)
    try:
        return _Responses(repositories).answer(request)
    except NotImplementedError as exc:
        raise errors.EcrError("UnknownOperationException", str(exc)) from exc


def _wildcard(name: str) -> dict[str, str]:
    return {"filter": name, "filterType": "WILDCARD"}
