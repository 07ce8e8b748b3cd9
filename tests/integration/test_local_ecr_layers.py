"""GetDownloadUrlForLayer, and what its URLs give to whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
import requests

from local_ecr.manifest import digest_of
from tests.integration.test_local_ecr_boto3 import Lab, opened, refused


@pytest.fixture
def lab() -> Iterator[Lab]:
    with opened() as lab:
        yield lab


def layer_url(lab: Lab, digest: str, repository: str = "app") -> str:
    got = lab.client.get_download_url_for_layer(repositoryName=repository, layerDigest=digest)
    assert got["layerDigest"] == digest
    return got["downloadUrl"]


def s3_error(response: requests.Response) -> tuple[int, str]:
    root = ElementTree.fromstring(response.content)  # noqa: S314 - our own server's
    return response.status_code, str(root.findtext("Code"))


def test_layer_url__gives_the_bytes_of_layers_and_configs_without_credentials(lab: Lab) -> None:
    lab.client.create_repository(repositoryName="team/app")
    manifest = json.loads(lab.manifest("team/app", "arm64"))
    assert lab.put("team/app", "v1", json.dumps(manifest)).status_code == 201
    for entry in (manifest["config"], *manifest["layers"]):
        url = layer_url(lab, entry["digest"], "team/app")
        assert url.startswith(f"{lab.ecr.url}/_layers/team/app/{entry['digest']}?token=")
        response = requests.get(url, timeout=10)
        assert response.headers["Content-Length"] == str(entry["size"])
        assert digest_of(response.content) == entry["digest"]
    call = lab.ecr.calls("GetObject")[-1]
    assert (call.repository, call.status, call.error) == ("team/app", 200, None)
    assert len(lab.ecr.calls("GetDownloadUrlForLayer")) == 2


def test_layer_url__is_for_one_blob_and_cannot_be_guessed(lab: Lab) -> None:
    manifest = json.loads(lab.manifest("app"))
    lab.put("app", "v1", json.dumps(manifest))
    config, layer = manifest["config"]["digest"], manifest["layers"][0]["digest"]
    url = layer_url(lab, config)
    assert url != layer_url(lab, config)
    bare, token = url.split("?token=")
    assert token in lab.ecr.secrets()
    forged = [bare, f"{bare}?token=", f"{bare}?token={token[:-1]}", url.replace(config, layer)]
    for wrong in (*forged, f"{lab.ecr.url}/_layers/?token="):
        assert s3_error(requests.get(wrong, timeout=10)) == (403, "SignatureDoesNotMatch")
    assert s3_error(requests.put(url, b"x", timeout=10)) == (403, "SignatureDoesNotMatch")
    assert requests.head(url, timeout=10).status_code == 403
    assert requests.get(url, timeout=10).status_code == 200


def test_layer_url__takes_no_second_permission_and_expires(lab: Lab) -> None:
    manifest = json.loads(lab.manifest("app"))
    lab.put("app", "v1", json.dumps(manifest))
    url = layer_url(lab, manifest["config"]["digest"])
    assert s3_error(lab.http.get(url, timeout=10)) == (400, "InvalidArgument")
    lab.clock.now += 3599
    assert requests.get(url, timeout=10).status_code == 200
    lab.clock.now += 1
    assert s3_error(requests.get(url, timeout=10)) == (403, "AccessDenied")


def test_layer_url__refusals(lab: Lab) -> None:
    lab.client.create_repository(repositoryName="other")
    image = lab.push("app", "v1")
    config = json.loads(lab.v2("GET", "app/manifests/v1").text)["config"]["digest"]
    alone = lab.blob("app", b"nobody's")["digest"]
    place = "within the repository with name '{}' in the registry with id '123456789012'"
    for repository, missing in (("app", "sha256:" + "0" * 64), ("app", image), ("other", config)):
        text = f"The layer with digest '{missing}' does not exist {place.format(repository)}"
        with refused("LayersNotFoundException", text):
            layer_url(lab, missing, repository)
    with refused("LayerInaccessibleException", "is not associated with an image"):
        layer_url(lab, alone)
    with refused("InvalidParameterException", "'layerDigest'"):
        layer_url(lab, "nonsense")
    with refused("RepositoryNotFoundException", "The repository with name 'nope' does not exist"):
        layer_url(lab, config, "nope")
    lab.client.batch_delete_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])
    with refused("LayerInaccessibleException", "is not associated with an image"):
        layer_url(lab, config)


def test_layer_url__faults_of_both_calls(lab: Lab) -> None:
    lab.push("app", "v1")
    config = json.loads(lab.v2("GET", "app/manifests/v1").text)["config"]["digest"]
    lab.ecr.fail_next("GetDownloadUrlForLayer", "AccessDeniedException")
    text = (
        r"is not authorized to perform: ecr:GetDownloadUrlForLayer on resource: "
        r"arn:aws:ecr:eu-west-1:123456789012:repository/app"
    )
    with refused("AccessDeniedException", text):
        layer_url(lab, config)
    url = layer_url(lab, config)
    for code, status in (("AccessDenied", 403), ("SlowDown", 503), ("InternalError", 500)):
        lab.ecr.fail_next("GetObject", code)
        assert s3_error(requests.get(url, timeout=10)) == (status, code)
    assert requests.get(url, timeout=10).status_code == 200
    logged = [(call.operation, call.error) for call in lab.ecr.calls("Get*")[-6:]]
    assert logged == [
        ("GetDownloadUrlForLayer", "AccessDeniedException"),
        ("GetDownloadUrlForLayer", None),
        ("GetObject", "AccessDenied"),
        ("GetObject", "SlowDown"),
        ("GetObject", "InternalError"),
        ("GetObject", None),
    ]
