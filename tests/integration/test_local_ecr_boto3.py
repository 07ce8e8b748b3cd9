"""The local ECR as boto3 and a client of the distribution spec see it."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_ecr import LocalEcr, Place
from local_ecr.manifest import OCI_INDEX, OCI_MANIFEST, digest_of

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecr.type_defs import ImageIdentifierTypeDef
    from mypy_boto3_sts import STSClient

ROLE = "arn:aws:iam::123456789012:role/publisher"
DAY = 24 * 3600.0


@dataclass(kw_only=True)
class FakeClock:
    now: float = 1_786_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(kw_only=True)
class Lab:
    ecr: LocalEcr
    clock: FakeClock
    client: ECRClient
    http: requests.Session = field(default_factory=requests.Session)

    def login(self) -> None:
        data = self.client.get_authorization_token()["authorizationData"][0]
        self.http.headers["Authorization"] = f"Basic {data['authorizationToken']}"

    def v2(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.http.request(method, f"{self.ecr.url}/v2/{path}", timeout=10, **options)

    def blob(self, repository: str, content: bytes) -> dict[str, Any]:
        digest = digest_of(content)
        uploads = f"{repository}/blobs/uploads/?digest={digest}"
        assert self.v2("POST", uploads, data=content).status_code == 201
        return {"mediaType": "x/blob", "digest": digest, "size": len(content)}

    def manifest(self, repository: str, architecture: str = "amd64", **over: object) -> str:
        config = json.dumps({"os": "linux", "architecture": architecture}).encode()
        body = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(repository, config),
            "layers": [self.blob(repository, b"layer of " + architecture.encode())],
        }
        return json.dumps(body | over)

    def put(self, repository: str, reference: str, manifest: str) -> requests.Response:
        kind = {"Content-Type": json.loads(manifest)["mediaType"]}
        path = f"{repository}/manifests/{reference}"
        return self.v2("PUT", path, data=manifest.encode(), headers=kind)

    def push(self, repository: str, tag: str, **over: object) -> str:
        manifest = self.manifest(repository, **over)  # type: ignore[arg-type]
        assert self.put(repository, tag, manifest).status_code == 201
        return digest_of(manifest.encode())

    def push_index(self, repository: str, tag: str, *architectures: str) -> tuple[str, list[str]]:
        children = [self.manifest(repository, name) for name in architectures]
        digests = [digest_of(child.encode()) for child in children]
        for digest, child in zip(digests, children, strict=True):
            assert self.put(repository, digest, child).status_code == 201
        listed = [{"mediaType": OCI_MANIFEST, "digest": d, "size": 1} for d in digests]
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed})
        assert self.put(repository, tag, index).status_code == 201
        return digest_of(index.encode()), digests

    def findings(self, digest: str) -> Mapping[str, Any]:
        return self.client.describe_image_scan_findings(
            repositoryName="app", imageId={"imageDigest": digest}
        )


@contextlib.contextmanager
def opened(**options: Any) -> Iterator[Lab]:
    clock = FakeClock()
    with LocalEcr(clock=clock, **options) as ecr, contextlib.closing(ecr_client(ecr)) as client:
        lab = Lab(ecr=ecr, clock=clock, client=client)
        with lab.http:
            lab.login()
            client.create_repository(
                repositoryName="app", imageScanningConfiguration={"scanOnPush": True}
            )
            yield lab


def settings(ecr: LocalEcr) -> dict[str, Any]:
    return {
        "endpoint_url": ecr.url,
        "region_name": "eu-west-1",
        "aws_access_key_id": "AKIALOCALECR",
        "aws_secret_access_key": "local-ecr",
        "config": Config(retries={"mode": "standard", "total_max_attempts": 1}),
    }


def ecr_client(ecr: LocalEcr) -> ECRClient:
    return boto3.client("ecr", **settings(ecr))


@pytest.fixture
def lab() -> Iterator[Lab]:
    with opened(scenario="vulnerable", scan_seconds=10) as lab:
        yield lab


@contextlib.contextmanager
def refused(code: str, message: str) -> Iterator[None]:
    with pytest.raises(ClientError, match=message) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code


def distribution_error(response: requests.Response) -> tuple[int, str, str]:
    error = response.json()["errors"][0]
    return response.status_code, error["code"], error["message"]


# --- repositories and tokens ---------------------------------------------------------------------


def test_repository__uri_is_this_server(lab: Lab) -> None:
    repository = lab.client.describe_repositories()["repositories"][0]
    assert repository["repositoryUri"] == f"{lab.ecr.host}/app"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}


def test_repository__created_twice(lab: Lab) -> None:
    text = "The repository with name 'app' already exists in the registry with id '123456789012'"
    with refused("RepositoryAlreadyExistsException", text):
        lab.client.create_repository(repositoryName="app")


def test_repository__missing(lab: Lab) -> None:
    text = "The repository with name 'nope' does not exist in the registry with id '123456789012'"
    with refused("RepositoryNotFoundException", text):
        lab.client.describe_images(repositoryName="nope")
    with refused("RepositoryNotFoundException", text):
        lab.client.describe_repositories(repositoryNames=["nope"])
    with refused("RepositoryNotFoundException", text):
        lab.client.delete_repository(repositoryName="nope")


def test_repository__deleted_with_its_images_only_by_force(lab: Lab) -> None:
    lab.push("app", "v1")
    with refused("RepositoryNotEmptyException", "still contains images"):
        lab.client.delete_repository(repositoryName="app")
    lab.client.delete_repository(repositoryName="app", force=True)
    assert lab.ecr.scans() == []


def test_token__is_for_this_registry(lab: Lab) -> None:
    data = lab.client.get_authorization_token()["authorizationData"][0]
    assert data["proxyEndpoint"] == lab.ecr.url
    assert data["expiresAt"].timestamp() == lab.clock.now + 12 * 3600


def test_lifecycle_and_tags__are_moto_s(lab: Lab) -> None:
    text = (
        '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":'
        '"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}'
    )
    lab.client.put_lifecycle_policy(repositoryName="app", lifecyclePolicyText=text)
    got = lab.client.get_lifecycle_policy(repositoryName="app")
    assert json.loads(got["lifecyclePolicyText"]) == json.loads(text)
    arn = lab.client.describe_repositories()["repositories"][0]["repositoryArn"]
    lab.client.tag_resource(resourceArn=arn, tags=[{"Key": "team", "Value": "a"}])
    tags = lab.client.list_tags_for_resource(resourceArn=arn)["tags"]
    assert tags == [{"Key": "team", "Value": "a"}]


def test_lifecycle__of_the_docs_protects_releases_before_it_expires_candidates(lab: Lab) -> None:
    docs = (Path(__file__).parents[2] / "docs/how-it-works.md").read_text("utf-8")
    blocks = re.findall(r"```json\n(.*?)```", docs, re.DOTALL)
    (text,) = (block for block in blocks if "rulePriority" in block)
    lab.client.put_lifecycle_policy(repositoryName="app", lifecyclePolicyText=text)

    rules = sorted(json.loads(text)["rules"], key=lambda rule: rule["rulePriority"])
    patterns = [rule["selection"]["tagPatternList"] for rule in rules]
    # Several patterns in one rule would be an image that has all of these tags.
    assert [len(pattern) for pattern in patterns] == [1] * len(rules)
    assert patterns[-1] == ["candidate-*"]
    assert {rule["selection"]["countType"] for rule in rules[:-1]} == {"imageCountMoreThan"}


def test_lifecycle__from_none_to_one_and_back(lab: Lab) -> None:
    selection = {
        "tagStatus": "tagged",
        "tagPatternList": ["candidate-*"],
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 3,
    }
    rule = {"rulePriority": 1, "selection": selection, "action": {"type": "expire"}}
    text = json.dumps({"rules": [rule]})
    missing = (
        "Lifecycle policy does not exist for the repository with name 'app' "
        "in the registry with id '123456789012'"
    )
    with refused("LifecyclePolicyNotFoundException", missing):
        lab.client.get_lifecycle_policy(repositoryName="app")
    put = lab.client.put_lifecycle_policy(repositoryName="app", lifecyclePolicyText=text)
    got = lab.client.get_lifecycle_policy(repositoryName="app")
    assert put["lifecyclePolicyText"] == got["lifecyclePolicyText"] == text
    assert (got["repositoryName"], got["registryId"]) == ("app", "123456789012")
    unmodelled("GetLifecyclePolicy", call_raw(lab, "GetLifecyclePolicy", {}))
    lab.client.delete_lifecycle_policy(repositoryName="app")
    with refused("LifecyclePolicyNotFoundException", missing):
        lab.client.get_lifecycle_policy(repositoryName="app")


def test_lifecycle__refusals(lab: Lab) -> None:
    padding = " " * 100  # botocore itself refuses what is shorter
    with refused("InvalidParameterException", "'LifecyclePolicyText' failed to satisfy"):
        lab.client.put_lifecycle_policy(
            repositoryName="app", lifecyclePolicyText='{"rules": 1}' + padding
        )
    no_repository = "The repository with name 'nope' does not exist in the registry"
    with refused("RepositoryNotFoundException", no_repository):
        lab.client.get_lifecycle_policy(repositoryName="nope")
    with refused("RepositoryNotFoundException", no_repository):
        lab.client.put_lifecycle_policy(repositoryName="nope", lifecyclePolicyText="{}" + padding)
    lab.ecr.fail_next("PutLifecyclePolicy", "AccessDeniedException")
    with refused("AccessDeniedException", "ecr:PutLifecyclePolicy on resource: arn:aws:ecr:"):
        lab.client.put_lifecycle_policy(repositoryName="app", lifecyclePolicyText="{}" + padding)
    calls = [(call.operation, call.error) for call in lab.ecr.calls("*LifecyclePolicy")]
    assert calls == [
        ("PutLifecyclePolicy", "InvalidParameterException"),
        ("GetLifecyclePolicy", "RepositoryNotFoundException"),
        ("PutLifecyclePolicy", "RepositoryNotFoundException"),
        ("PutLifecyclePolicy", "AccessDeniedException"),
    ]


def test_servers__share_nothing(lab: Lab) -> None:
    with LocalEcr() as other, contextlib.closing(ecr_client(other)) as client:
        assert client.describe_repositories()["repositories"] == []


def test_unknown_operation__is_refused(lab: Lab) -> None:
    with refused("UnknownOperationException", "/v2/ only"):
        lab.client.initiate_layer_upload(repositoryName="app")


# --- images: one truth for both planes -----------------------------------------------------------


def test_push__is_seen_by_the_api(lab: Lab) -> None:
    digest = lab.push("app", "v1")
    detail = lab.client.describe_images(repositoryName="app")["imageDetails"][0]
    assert (detail["imageDigest"], detail["imageTags"]) == (digest, ["v1"])
    assert detail["imageManifestMediaType"] == OCI_MANIFEST
    assert detail["imagePushedAt"].timestamp() == lab.clock.now
    assert not {"imageScanStatus", "imageScanFindingsSummary"} & set(detail)


def test_promotion__is_seen_by_the_data_plane(lab: Lab) -> None:
    digest = lab.push("app", "candidate")
    got = lab.client.batch_get_image(repositoryName="app", imageIds=[{"imageDigest": digest}])
    image = got["images"][0]
    lab.client.put_image(
        repositoryName="app",
        imageManifest=image["imageManifest"],
        imageManifestMediaType=image["imageManifestMediaType"],
        imageDigest=digest,
        imageTag="v1",
    )
    response = lab.v2("GET", "app/manifests/v1")
    assert response.headers["Docker-Content-Digest"] == digest
    assert response.text == image["imageManifest"]
    assert lab.v2("GET", "app/tags/list").json()["tags"] == ["candidate", "v1"]


def test_put_image__guard_and_syntax(lab: Lab) -> None:
    manifest = lab.manifest("app")
    with refused("ImageDigestDoesNotMatchException", "does not match"):
        lab.client.put_image(
            repositoryName="app",
            imageManifest=manifest + "\n",
            imageDigest=digest_of(manifest.encode()),
            imageTag="v1",
        )
    with refused("InvalidParameterException", "'Invalid JSON syntax'"):
        lab.client.put_image(repositoryName="app", imageManifest="None", imageTag="v1")


def test_put_image__same_digest_and_tag(lab: Lab) -> None:
    manifest = lab.manifest("app")
    lab.client.put_image(repositoryName="app", imageManifest=manifest, imageTag="v1")
    text = r"Image with digest 'sha256:[0-9a-f]{64}' and tag 'v1' already exists in the repository"
    with refused("ImageAlreadyExistsException", text):
        lab.client.put_image(repositoryName="app", imageManifest=manifest, imageTag="v1")


def test_put_image__immutable_tag(lab: Lab) -> None:
    lab.push("app", "v1")
    lab.client.put_image_tag_mutability(repositoryName="app", imageTagMutability="IMMUTABLE")
    text = (
        "The image tag 'v1' already exists in the 'app' repository and cannot be overwritten "
        "because the tag is immutable."
    )
    with refused("ImageTagAlreadyExistsException", text):
        lab.client.put_image(
            repositoryName="app", imageManifest=lab.manifest("app", "arm64"), imageTag="v1"
        )


def test_put_image__immutable_and_the_same_is_a_switch(lab: Lab) -> None:
    manifest = lab.manifest("app")
    lab.put("app", "v1", manifest)
    lab.client.put_image_tag_mutability(repositoryName="app", imageTagMutability="IMMUTABLE")
    for code in ("ImageAlreadyExistsException", "ImageTagAlreadyExistsException"):
        lab.ecr.set_scenario({"switches": {"repush_api": code}})
        with refused(code, "already exists in the"):
            lab.client.put_image(repositoryName="app", imageManifest=manifest, imageTag="v1")


def test_put_image__tag_excluded_from_immutability(lab: Lab) -> None:
    lab.push("app", "latest")
    lab.client.put_image_tag_mutability(
        repositoryName="app",
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "lat*"}],
    )
    assert lab.put("app", "latest", lab.manifest("app", "arm64")).status_code == 201


def test_put_image__parts_must_be_there(lab: Lab) -> None:
    digest = "sha256:" + "1" * 64
    entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
    with refused("ReferencedImagesNotFoundException", rf"Images with digests '\[{digest}\]'"):
        lab.client.put_image(repositoryName="app", imageManifest=index, imageTag="v1")
    layered = lab.manifest("app", layers=[entry])
    with refused("LayersNotFoundException", rf"'\[{digest}\]'"):
        lab.client.put_image(repositoryName="app", imageManifest=layered, imageTag="v1")


def test_batch_get_image__failures_come_with_200(lab: Lab) -> None:
    got = lab.client.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "nope"}])
    assert got["images"] == []
    assert got["failures"][0] == {
        "imageId": {"imageTag": "nope"},
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    }


def test_batch_get_image__by_tag_only_accepted_types(lab: Lab) -> None:
    lab.push("app", "v1")
    ids: list[ImageIdentifierTypeDef] = [{"imageTag": "v1"}]
    assert lab.client.batch_get_image(repositoryName="app", imageIds=ids)["images"] == []
    got = lab.client.batch_get_image(
        repositoryName="app", imageIds=ids, acceptedMediaTypes=[OCI_MANIFEST]
    )
    assert got["images"][0]["imageId"]["imageTag"] == "v1"


def test_batch_get_image__several_tags_and_some_are_missing(lab: Lab) -> None:
    first, manifest = lab.push("app", "v1"), lab.manifest("app", "arm64")
    second = digest_of(manifest.encode())
    for tag in ("v2", "latest"):
        lab.put("app", tag, manifest)
    asked = ("latest", "nope", "v1", "v3", "v2")
    got = lab.client.batch_get_image(
        repositoryName="app",
        imageIds=[{"imageTag": tag} for tag in asked],
        acceptedMediaTypes=[OCI_INDEX, OCI_MANIFEST],
    )
    assert [image["imageId"] for image in got["images"]] == [
        {"imageDigest": second, "imageTag": "latest"},
        {"imageDigest": first, "imageTag": "v1"},
        {"imageDigest": second, "imageTag": "v2"},
    ]
    assert got["images"][0]["imageManifest"] == got["images"][2]["imageManifest"] == manifest
    assert [(f["imageId"], f["failureCode"]) for f in got["failures"]] == [
        ({"imageTag": "nope"}, "ImageNotFound"),
        ({"imageTag": "v3"}, "ImageNotFound"),
    ]


def test_batch_delete_image__index_first_then_its_children(lab: Lab) -> None:
    index, (child,) = lab.push_index("app", "v1", "amd64")
    both: list[ImageIdentifierTypeDef] = [{"imageDigest": index}, {"imageDigest": child}]
    first = lab.client.batch_delete_image(repositoryName="app", imageIds=both)
    assert first["imageIds"] == [{"imageDigest": index, "imageTag": "v1"}]
    assert first["failures"][0]["failureCode"] == "ImageReferencedByManifestList"
    assert first["failures"][0]["failureReason"] == "Requested image referenced by manifest list"
    second = lab.client.batch_delete_image(repositoryName="app", imageIds=both[1:])
    assert second["imageIds"] == [{"imageDigest": child}]


def test_batch_delete_image__by_tag_spares_the_release(lab: Lab) -> None:
    manifest = lab.manifest("app")
    for tag in ("candidate", "v1"):
        lab.put("app", tag, manifest)
    lab.client.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "candidate"}])
    details = lab.client.describe_images(repositoryName="app")["imageDetails"]
    assert [detail["imageTags"] for detail in details] == [["v1"]]


def test_batch_delete_image__last_tag_of_an_index_leaves_its_children(lab: Lab) -> None:
    index, children = lab.push_index("app", "v1", "amd64", "arm64")
    gone = lab.client.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
    assert gone["imageIds"] == [{"imageDigest": index, "imageTag": "v1"}]
    left = lab.client.list_images(repositoryName="app")["imageIds"]
    assert left == [{"imageDigest": child} for child in children]
    with refused("ImageNotFoundException", "does not exist within the repository"):
        lab.client.describe_images(repositoryName="app", imageIds=[{"imageDigest": index}])
    lab.clock.now += 10
    assert {lab.findings(child)["imageScanStatus"]["status"] for child in children} == {"COMPLETE"}
    rest: list[ImageIdentifierTypeDef] = [{"imageDigest": child} for child in children]
    last = lab.client.batch_delete_image(repositoryName="app", imageIds=rest)
    assert (last["imageIds"], last["failures"]) == (rest, [])


def test_batch_delete_image__last_tag_of_a_child_is_a_switch(lab: Lab) -> None:
    _, (child,) = lab.push_index("app", "v1", "amd64")
    assert lab.push("app", "amd64") == child
    tag: list[ImageIdentifierTypeDef] = [{"imageTag": "amd64"}]
    kept = lab.client.batch_delete_image(repositoryName="app", imageIds=tag)
    assert kept["imageIds"] == []
    assert kept["failures"] == [
        {
            "imageId": {"imageTag": "amd64"},
            "failureCode": "ImageReferencedByManifestList",
            "failureReason": "Requested image referenced by manifest list",
        }
    ]
    lab.ecr.set_scenario({"switches": {"last_tag_of_child": "untag"}})
    gone = lab.client.batch_delete_image(repositoryName="app", imageIds=tag)
    assert gone["imageIds"] == [{"imageDigest": child, "imageTag": "amd64"}]
    details = lab.client.describe_images(repositoryName="app", imageIds=[{"imageDigest": child}])[
        "imageDetails"
    ]
    assert "imageTags" not in details[0]
    assert lab.findings(child)["imageScanStatus"]["status"] == "IN_PROGRESS"


def test_describe_images__by_id_and_missing(lab: Lab) -> None:
    digest = lab.push("app", "v1")
    ids: list[ImageIdentifierTypeDef] = [{"imageTag": "v1"}]
    got = lab.client.describe_images(repositoryName="app", imageIds=ids)
    assert [detail["imageDigest"] for detail in got["imageDetails"]] == [digest]
    text = "The image with imageId {imageDigest:'null', imageTag:'nope'} does not exist within"
    with refused("ImageNotFoundException", text):
        lab.client.describe_images(repositoryName="app", imageIds=[{"imageTag": "nope"}])


def test_describe_images__index_and_untagged_children(lab: Lab) -> None:
    index, children = lab.push_index("app", "v1", "amd64", "arm64")
    pages = lab.client.get_paginator("describe_images").paginate(
        repositoryName="app", PaginationConfig={"PageSize": 2}
    )
    details = {d["imageDigest"]: d for page in pages for d in page["imageDetails"]}
    assert set(details) == {index, *children}
    sizes = [details[child]["imageSizeInBytes"] for child in children]
    assert details[index]["imageSizeInBytes"] == max(sizes)
    assert "artifactMediaType" not in details[index]
    assert all("imageTags" not in details[child] for child in children)
    untagged = lab.client.list_images(repositoryName="app", filter={"tagStatus": "UNTAGGED"})
    assert [entry["imageDigest"] for entry in untagged["imageIds"]] == children


# --- the data plane ------------------------------------------------------------------------------


def test_v2__challenge_without_and_with_a_wrong_password(lab: Lab) -> None:
    for auth in (None, ("AWS", "wrong")):
        response = requests.get(f"{lab.ecr.url}/v2/", auth=auth, timeout=10)
        assert distribution_error(response)[:2] == (401, "UNAUTHORIZED")
        assert response.headers["Www-Authenticate"].startswith("Basic realm=")
    assert lab.v2("GET", "").status_code == 200


def test_v2__expired_token(lab: Lab) -> None:
    lab.ecr.expire_tokens()
    assert distribution_error(lab.v2("GET", "")) == (
        403,
        "DENIED",
        "Your authorization token has expired. Reauthenticate and try again.",
    )
    lab.login()
    assert lab.v2("GET", "").status_code == 200


def test_v2__missing_repository(lab: Lab) -> None:
    text = "The repository with name 'x/y' does not exist in the registry with id '123456789012'"
    response = lab.v2("POST", "x/y/blobs/uploads/")
    assert distribution_error(response) == (404, "NAME_UNKNOWN", text)


def test_v2__missing_repository_in_the_old_days(lab: Lab) -> None:
    lab.ecr.set_scenario({"switches": {"missing_repository": "connection-closed"}})
    with pytest.raises(requests.ConnectionError):
        lab.v2("POST", "nope/blobs/uploads/")


def test_v2__immutable_tag(lab: Lab) -> None:
    manifest = lab.manifest("app")
    assert lab.put("app", "v1", manifest).status_code == 201
    assert lab.put("app", "v1", manifest).status_code == 201
    lab.client.put_image_tag_mutability(repositoryName="app", imageTagMutability="IMMUTABLE")
    text = (
        "The image tag 'v1' already exists in the 'app' repository and cannot be overwritten "
        "because the tag is immutable."
    )
    assert distribution_error(lab.put("app", "v1", manifest)) == (400, "TAG_INVALID", text)
    lab.ecr.set_scenario({"switches": {"repush_docker": "accept"}})
    assert lab.put("app", "v1", manifest).status_code == 201
    other = lab.manifest("app", "arm64")
    assert distribution_error(lab.put("app", "v1", other))[:2] == (400, "TAG_INVALID")


def test_v2__missing_child(lab: Lab) -> None:
    digest = "sha256:" + "1" * 64
    entry = {"mediaType": OCI_MANIFEST, "digest": digest, "size": 1}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]})
    status, code, message = distribution_error(lab.put("app", "v1", index))
    assert (status, code) == (404, "MANIFEST_BLOB_UNKNOWN")
    assert message.startswith(f"Images with digests '[{digest}]' required for pushing image into")


def test_v2__chunked_upload_over_one_connection(lab: Lab) -> None:
    pieces = [b"a" * 70_000, b"b" * 5, b"c" * 131_072]
    digest = digest_of(b"".join(pieces))
    location = lab.v2("POST", "app/blobs/uploads/").headers["Location"].removeprefix("/v2/")
    response = lab.v2("PATCH", location, data=iter(pieces[:2]))
    assert (response.status_code, response.headers["Range"]) == (202, "0-70004")
    assert lab.v2("GET", location).headers["Range"] == "0-70004"
    response = lab.v2("PUT", f"{location}?digest={digest}", data=iter(pieces[2:]))
    assert response.status_code == 201
    head = lab.v2("HEAD", f"app/blobs/{digest}")
    assert head.headers["Content-Length"] == str(sum(map(len, pieces)))
    assert lab.v2("GET", f"app/blobs/{digest}").content == b"".join(pieces)


def test_v2__wrong_digest_and_cancelled_upload(lab: Lab) -> None:
    wrong = lab.v2("POST", "app/blobs/uploads/?digest=sha256:" + "0" * 64, data=b"x")
    assert distribution_error(wrong)[:2] == (400, "DIGEST_INVALID")
    location = lab.v2("POST", "app/blobs/uploads/").headers["Location"].removeprefix("/v2/")
    assert lab.v2("DELETE", location).status_code == 204
    assert distribution_error(lab.v2("PATCH", location))[1] == "BLOB_UPLOAD_UNKNOWN"


def test_v2__mount_from_another_repository(lab: Lab) -> None:
    digest = lab.blob("app", b"shared")["digest"]
    lab.client.create_repository(repositoryName="other")
    assert lab.v2("HEAD", f"other/blobs/{digest}").status_code == 404
    mount = f"other/blobs/uploads/?mount={digest}&from=app"
    lab.ecr.set_scenario({"switches": {"blob_mounting": False}})
    assert lab.v2("POST", mount).status_code == 202
    lab.ecr.set_scenario("clean")
    assert lab.v2("POST", mount).status_code == 201
    assert lab.v2("HEAD", f"other/blobs/{digest}").status_code == 200


def test_v2__referrers_and_deletes_are_not_offered(lab: Lab) -> None:
    assert lab.v2("GET", "app/referrers/sha256:" + "0" * 64).status_code == 404
    assert lab.v2("DELETE", "app/manifests/v1").status_code == 405


def test_connection__stays_open_for_many_requests(lab: Lab) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", lab.ecr.port, timeout=10)
    with contextlib.closing(connection):
        connection.connect()
        first = connection.sock
        for body in (b"x" * 100_000, b""):
            connection.request("POST", "/v2/app/blobs/uploads/", body=body)
            assert connection.getresponse().read()
            assert connection.sock is first


def test_connection__tls_greeting_is_answered_in_http(lab: Lab) -> None:
    with socket.create_connection(("127.0.0.1", lab.ecr.port), timeout=10) as connection:
        connection.sendall(b"\x16\x03\x01\x00\x05hello")
        assert connection.recv(5) == b"HTTP/"


# --- scans ---------------------------------------------------------------------------------------


def test_scan__vulnerable_over_time_and_in_pages(lab: Lab) -> None:
    digest = lab.push("app", "v1")
    assert lab.findings(digest)["imageScanStatus"] == {"status": "IN_PROGRESS"}
    lab.clock.now += 10
    pages = list(
        lab.client.get_paginator("describe_image_scan_findings").paginate(
            repositoryName="app", imageId={"imageTag": "v1"}, PaginationConfig={"PageSize": 20}
        )
    )
    assert [len(page["imageScanFindings"]["findings"]) for page in pages] == [20, 20, 11]
    first = pages[0]
    assert first["imageScanFindings"]["findingSeverityCounts"] == {
        "CRITICAL": 2,
        "HIGH": 5,
        "MEDIUM": 14,
        "LOW": 30,
    }
    assert first["imageScanFindings"]["imageScanCompletedAt"].timestamp() == lab.clock.now
    assert first["imageId"] == {"imageDigest": digest, "imageTag": "v1"}
    assert first["imageScanStatus"]["description"] == "The scan was completed successfully."


def test_scan__unknown_image(lab: Lab) -> None:
    with refused("ImageNotFoundException", "does not exist within the repository"):
        lab.findings("sha256:" + "0" * 64)


def test_scan__not_on_push_then_by_hand_once_a_day(lab: Lab) -> None:
    lab.client.create_repository(repositoryName="manual")
    digest = lab.push("manual", "v1")
    image: ImageIdentifierTypeDef = {"imageDigest": digest}
    text = rf"Image scan does not exist for the image with '{{imageDigest:'{digest}', imageTag:"
    with refused("ScanNotFoundException", text):
        lab.client.describe_image_scan_findings(repositoryName="manual", imageId=image)
    started = lab.client.start_image_scan(repositoryName="manual", imageId=image)
    assert started["imageScanStatus"] == {"status": "IN_PROGRESS"}
    with refused("LimitExceededException", "The scan quota per image has been exceeded."):
        lab.client.start_image_scan(repositoryName="manual", imageId=image)
    lab.clock.now += DAY
    lab.client.start_image_scan(repositoryName="manual", imageId=image)


def test_scan__retag_starts_no_new_one(lab: Lab) -> None:
    manifest = lab.manifest("app")
    lab.put("app", "v1", manifest)
    lab.clock.now += 10
    lab.put("app", "v2", manifest)
    assert len(lab.ecr.scans()) == 1
    assert lab.findings(digest_of(manifest.encode()))["imageScanStatus"]["status"] == "COMPLETE"


def test_scan__index_never_but_its_children(lab: Lab) -> None:
    index, children = lab.push_index("app", "v1", "amd64", "arm64")
    lab.clock.now += DAY
    with refused("ScanNotFoundException", "Image scan does not exist"):
        lab.findings(index)
    assert {lab.findings(child)["imageScanStatus"]["status"] for child in children} == {"COMPLETE"}
    text = f"An artifact with media type '{OCI_INDEX}' cannot be scanned."
    with refused("UnsupportedImageTypeException", text.replace("+", r"\+")):
        lab.client.start_image_scan(repositoryName="app", imageId={"imageTag": "v1"})
    platforms = {scan["platform"] for scan in lab.ecr.scans()}
    assert platforms == {"linux/amd64", "linux/arm64"}


def test_scan__per_platform_script(lab: Lab) -> None:
    rule = {"platform": "linux/arm64", "tag": "v1", "script": "vulnerable"}
    lab.ecr.set_scenario({"default": "clean", "rules": [rule]})
    _, children = lab.push_index("app", "v1", "amd64", "arm64")
    lab.clock.now += 10
    found = [lab.findings(child)["imageScanFindings"]["findings"] for child in children]
    assert [len(findings) for findings in found] == [0, 51]


def test_scan__attestation_is_unsupported(lab: Lab) -> None:
    layer = lab.blob("app", b"provenance") | {"mediaType": "application/vnd.in-toto+json"}
    digest = lab.push("app", "v1", layers=[layer])
    status = lab.findings(digest)["imageScanStatus"]
    assert status["status"] == "FAILED"
    assert status["description"].startswith("UnsupportedImageError: The operating system")


def test_scan__registry_rule_covers_a_repository_that_says_no(lab: Lab) -> None:
    lab.client.create_repository(repositoryName="team-prod")
    rule = {
        "scanFrequency": "SCAN_ON_PUSH",
        "repositoryFilters": [{"filter": "prod", "filterType": "WILDCARD"}],
    }
    lab.client.put_registry_scanning_configuration(scanType="BASIC", rules=[rule])  # type: ignore[list-item]
    got = lab.client.batch_get_repository_scanning_configuration(
        repositoryNames=["team-prod", "app", "nope"]
    )
    frequencies = {c["repositoryName"]: c["scanFrequency"] for c in got["scanningConfigurations"]}
    assert frequencies == {"team-prod": "SCAN_ON_PUSH", "app": "SCAN_ON_PUSH"}
    assert got["failures"][0]["failureCode"] == "REPOSITORY_NOT_FOUND"
    assert lab.push("team-prod", "v1") in {scan["digest"] for scan in lab.ecr.scans()}


def test_scan__enhanced_from_pending_to_active() -> None:
    with opened(scenario="pending-then-active", scan_seconds=10) as lab:
        digest = lab.push("app", "v1")
        with refused("ScanNotFoundException", "Image scan does not exist"):
            lab.findings(digest)
        lab.clock.now += 2
        assert lab.findings(digest)["imageScanStatus"] == {
            "status": "PENDING",
            "description": "Pending start of the image scan.",
        }
        lab.clock.now += 4
        empty = lab.findings(digest)
        assert empty["imageScanStatus"]["status"] == "ACTIVE"
        assert empty["imageScanFindings"] == {"findings": []}
        lab.clock.now += 4
        assert "imageScanCompletedAt" in lab.findings(digest)["imageScanFindings"]


def test_scan__enhanced_on_push_is_complete_and_not_by_hand() -> None:
    with opened(scenario="vulnerable-enhanced", scan_seconds=1) as lab:
        rule = {
            "scanFrequency": "SCAN_ON_PUSH",
            "repositoryFilters": [{"filter": "*", "filterType": "WILDCARD"}],
        }
        lab.client.put_registry_scanning_configuration(scanType="ENHANCED", rules=[rule])  # type: ignore[list-item]
        digest = lab.push("app", "v1")
        lab.clock.now += 1
        found = lab.findings(digest)
        assert found["imageScanStatus"]["status"] == "COMPLETE"
        assert len(found["imageScanFindings"]["enhancedFindings"]) == 51
        with refused("ValidationException", "This feature is disabled"):
            lab.client.start_image_scan(repositoryName="app", imageId={"imageDigest": digest})


def test_scan__enhanced_needs_inspector_permissions() -> None:
    scenario = {"default": "clean-enhanced", "switches": {"inspector_denied": True}}
    with opened(scenario=scenario) as lab:
        digest = lab.push("app", "v1")
        with refused("AccessDeniedException", "not authorized to perform: inspector2:ListCoverage"):
            lab.findings(digest)


def test_scan__findings_of_the_other_engine_are_hidden(lab: Lab) -> None:
    digest = lab.push("app", "v1")
    lab.client.put_registry_scanning_configuration(scanType="ENHANCED", rules=[])
    with refused("ScanNotFoundException", "Image scan does not exist"):
        lab.findings(digest)


@pytest.mark.parametrize("mode", ["basic", "enhanced"])
def test_scan__wire_body_is_of_the_service_model(mode: str) -> None:
    with opened(scenario="vulnerable", mode=mode, scan_seconds=0) as lab:
        digest = lab.push("app", "v1")
        body = call_raw(lab, "DescribeImageScanFindings", {"imageId": {"imageDigest": digest}})
        unmodelled("DescribeImageScanFindings", body)
        unmodelled("DescribeImages", call_raw(lab, "DescribeImages", {}))


def test_scan__failed_has_null_findings_on_the_wire() -> None:
    with opened(scenario="failed-unsupported", scan_seconds=0) as lab:
        digest = lab.push("app", "v1")
        body = call_raw(lab, "DescribeImageScanFindings", {"imageId": {"imageDigest": digest}})
        assert body["imageScanFindings"] is None
        assert "imageScanFindings" not in lab.findings(digest)


def call_raw(lab: Lab, operation: str, body: dict[str, Any]) -> dict[str, Any]:
    target = f"AmazonEC2ContainerRegistry_V20150921.{operation}"
    answer = requests.post(
        lab.ecr.url,
        json={"repositoryName": "app"} | body,
        headers={"X-Amz-Target": target},
        timeout=10,
    )
    assert answer.headers["Content-Type"] == "application/x-amz-json-1.1"
    decoded: dict[str, Any] = answer.json()
    return decoded


def unmodelled(operation: str, body: dict[str, Any]) -> None:
    model = botocore.session.get_session().get_service_model("ecr")
    shape = model.operation_model(operation).output_shape
    assert shape is not None
    assert list(unknown_members(shape, body, "")) == []


def unknown_members(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape):
        for name, inner in value.items():
            if name not in shape.members:
                yield f"{path}.{name}"
            else:
                yield from unknown_members(shape.members[name], inner, f"{path}.{name}")
    elif isinstance(shape, ListShape):
        for inner in value:
            yield from unknown_members(shape.member, inner, path + "[]")
    elif isinstance(shape, MapShape):
        for inner in value.values():
            yield from unknown_members(shape.value, inner, path + "{}")


# --- faults, logs, GitHub and STS ----------------------------------------------------------------


def test_faults__of_the_api(lab: Lab) -> None:
    lab.ecr.fail_next("DescribeRepositories", "ThrottlingException")
    with refused("ThrottlingException", "Rate exceeded"):
        lab.client.describe_repositories()
    lab.ecr.fail_next("PutImage", "AccessDeniedException")
    text = (
        r"is not authorized to perform: ecr:PutImage on resource: "
        r"arn:aws:ecr:eu-west-1:123456789012:repository/app"
    )
    with refused("AccessDeniedException", text):
        lab.client.put_image(repositoryName="app", imageManifest="{}")
    lab.ecr.fail_next("ListImages", "ServerException")
    with refused("ServerException", "internal error"):
        lab.client.list_images(repositoryName="app")


def test_faults__of_the_data_plane(lab: Lab) -> None:
    lab.ecr.fail_next("v2.StartUpload", "TOOMANYREQUESTS")
    throttled = lab.v2("POST", "app/blobs/uploads/")
    assert distribution_error(throttled) == (429, "TOOMANYREQUESTS", "Rate exceeded")
    lab.ecr.fail_next("v2.StartUpload", "DENIED")
    denied = distribution_error(lab.v2("POST", "app/blobs/uploads/"))
    assert denied[:2] == (403, "DENIED")
    assert "is not authorized to perform: ecr:InitiateLayerUpload on resource" in denied[2]
    lab.ecr.fail_next("v2.*", "ConnectionReset")
    with pytest.raises(requests.ConnectionError):
        lab.v2("GET", "")
    assert lab.v2("GET", "").status_code == 200


def test_local__scripts_can_do_it_all(lab: Lab) -> None:
    digest = lab.push("app", "v1")
    fault = {"operation": "ListImages", "code": "ThrottlingException", "times": 2}
    assert local(lab, "POST", "fail", fault) == {"status": "ok"}
    for _ in range(2):
        with refused("ThrottlingException", "Rate exceeded"):
            lab.client.list_images(repositoryName="app")
    calls = local(lab, "GET", "calls")["calls"]
    assert [(c["operation"], c["error"]) for c in calls[-2:]] == [
        ("ListImages", "ThrottlingException")
    ] * 2
    assert local(lab, "GET", "scans")["scans"] == [
        {
            "repository": "app",
            "digest": digest,
            "platform": "linux/amd64",
            "tags": ["v1"],
            "byHand": False,
            "startedAt": lab.clock.now,
            "finalAt": lab.clock.now + 10,
            "status": "COMPLETE",
        }
    ]
    local(lab, "POST", "scenario", "never-finishes")
    assert local(lab, "GET", "scans")["scans"][0]["finalAt"] is None
    local(lab, "POST", "expire-tokens", {})
    assert lab.v2("GET", "").status_code == 403
    local(lab, "POST", "reset", {})
    assert lab.ecr.calls() == []
    assert "TypeError" in local(lab, "POST", "fail", {"nonsense": 1})["message"]
    assert local(lab, "GET", "nonsense")["message"] == "no GET /_local/nonsense"


def local(lab: Lab, method: str, name: str, body: object = None) -> dict[str, Any]:
    url = f"{lab.ecr.url}/_local/{name}"
    answer: dict[str, Any] = requests.request(method, url, json=body, timeout=10).json()
    return answer


def id_token(ecr: LocalEcr, audience: str = "sts.amazonaws.com") -> str:
    environment = ecr.environment()
    response = requests.get(
        f"{environment['ACTIONS_ID_TOKEN_REQUEST_URL']}&audience={audience}",
        headers={"Authorization": f"bearer {environment['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
        timeout=10,
    )
    return str(response.json()["value"])


def sts_client(ecr: LocalEcr, **credentials: str) -> STSClient:
    return boto3.client("sts", **(settings(ecr) | credentials))


def test_oidc__wrong_request_token(lab: Lab) -> None:
    url = lab.ecr.environment()["ACTIONS_ID_TOKEN_REQUEST_URL"]
    response = requests.get(url, headers={"Authorization": "bearer x"}, timeout=10)
    assert response.status_code == 401
    assert requests.get(f"{lab.ecr.url}/oidc/jwks", timeout=10).json()["keys"][0]["alg"] == "RS256"


def test_sts__role_for_a_github_token(lab: Lab) -> None:
    with contextlib.closing(sts_client(lab.ecr)) as sts:
        assert sts.get_caller_identity()["Account"] == "123456789012"
        assumed = sts.assume_role_with_web_identity(
            RoleArn=ROLE, RoleSessionName="run", WebIdentityToken=id_token(lab.ecr)
        )
    given = assumed["Credentials"]
    assert given["Expiration"].timestamp() == lab.clock.now + 3600
    credentials = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }
    with contextlib.closing(sts_client(lab.ecr, **credentials)) as sts:
        arn = sts.get_caller_identity()["Arn"]
    assert arn == "arn:aws:sts::123456789012:assumed-role/publisher/run"


def test_sts__refusals(lab: Lab) -> None:
    with contextlib.closing(sts_client(lab.ecr)) as sts:
        good, wrong = id_token(lab.ecr), id_token(lab.ecr, "other")
        with refused("InvalidIdentityToken", "Incorrect token audience"):
            sts.assume_role_with_web_identity(
                RoleArn=ROLE, RoleSessionName="run", WebIdentityToken=wrong
            )
        lab.ecr.set_scenario({"trust": {"denied_roles": ["publisher"]}})
        text = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
        with refused("AccessDenied", text):
            sts.assume_role_with_web_identity(
                RoleArn=ROLE, RoleSessionName="run", WebIdentityToken=good
            )
        lab.clock.now += 300
        with refused("ExpiredTokenException", "Token expired"):
            sts.assume_role_with_web_identity(
                RoleArn=ROLE, RoleSessionName="run", WebIdentityToken=good
            )


def test_registry__other_account_in_every_answer() -> None:
    with opened(place=Place(account="210987654321", region="us-east-2")) as lab:
        assert lab.client.get_registry_scanning_configuration()["registryId"] == "210987654321"
        assert lab.client.describe_repositories()["repositories"][0]["registryId"] == "210987654321"


def test_bug__is_an_internal_error_and_is_said(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab.ecr.registry, "coverage", None)
    response = lab.put("app", "v1", lab.manifest("app"))
    assert (response.status_code, "bug in local_ecr" in response.text) == (500, True)
    assert "TypeError" in capfd.readouterr().err


def test_scan__enhanced_index_is_a_switch() -> None:
    scenario = {"default": "clean-enhanced", "switches": {"enhanced_index": "unsupported"}}
    with opened(scenario=scenario) as lab:
        index, _ = lab.push_index("app", "v1", "amd64")
        assert lab.findings(index)["imageScanStatus"]["status"] == "UNSUPPORTED_IMAGE"
        lab.ecr.set_scenario("clean-enhanced")
        with refused("ScanNotFoundException", "Image scan does not exist"):
            lab.findings(index)


def test_scan__untagged_children_only_by_hand_is_a_switch(lab: Lab) -> None:
    lab.ecr.set_scenario({"switches": {"untagged_scanned": False}})
    _, (child,) = lab.push_index("app", "v1", "amd64")
    with refused("ScanNotFoundException", "Image scan does not exist"):
        lab.findings(child)
    lab.client.start_image_scan(repositoryName="app", imageId={"imageDigest": child})
    assert lab.findings(child)["imageScanStatus"]["status"] == "IN_PROGRESS"


def test_layers_and_settings__of_the_api(lab: Lab) -> None:
    there, missing = lab.blob("app", b"x")["digest"], "sha256:" + "0" * 64
    got = lab.client.batch_check_layer_availability(
        repositoryName="app", layerDigests=[there, missing]
    )
    availability = [layer["layerAvailability"] for layer in got["layers"]]
    assert availability == ["AVAILABLE", "UNAVAILABLE"]
    settings = [
        lab.client.get_account_setting(name=name)["value"]
        for name in ("BASIC_SCAN_TYPE_VERSION", "BLOB_MOUNTING")
    ]
    assert settings == ["AWS_NATIVE", "ENABLED"]


def test_requests__that_make_no_sense(lab: Lab) -> None:
    with refused("InvalidParameterException", "'nextToken'"):
        lab.client.describe_images(repositoryName="app", nextToken="nonsense")
    missing = call_raw(lab, "DescribeImageScanFindings", {})
    assert missing == {
        "__type": "InvalidParameterException",
        "message": "Missing required parameter 'imageId'",
    }


def test_latency__every_call_waits(lab: Lab) -> None:
    lab.ecr.delay("ListImages", 0.05)
    began = time.monotonic()
    lab.client.list_images(repositoryName="app")
    assert time.monotonic() - began >= 0.05
    assert len(lab.ecr.calls("ListImages")) == 1
