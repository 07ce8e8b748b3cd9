"""An image's configuration by the address that ECR gives for it."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import boto3
import pytest

from ecr_publish.edges.blobs import BlobUnreadable, download
from ecr_publish.manifest import config_digest
from ecr_publish.reference import Digest
from local_ecr.server import LocalEcr
from tests.factories import NAME, make_digest
from tests.images import push_image

pytestmark = pytest.mark.usefixtures("ambient", "no_waiting")


@pytest.fixture
def blob(ecr: LocalEcr) -> Digest:
    """The configuration of an image that is in the repository."""
    boto3.client("ecr").create_repository(repositoryName=NAME)
    return config_digest(push_image(ecr, NAME, "one", labels={"team": "web"}))


def address(digest: Digest) -> str:
    answer = boto3.client("ecr").get_download_url_for_layer(
        repositoryName=NAME, layerDigest=str(digest)
    )
    return answer["downloadUrl"]


def test_download__gives_the_text(blob: Digest) -> None:
    assert json.loads(download(address(blob), blob))["config"] == {"Labels": {"team": "web"}}


def test_s3__a_netrc_entry_is_not_sent_along(
    blob: Digest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # S3 refuses a request with two permissions; the local ECR does so as well.
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    assert download(address(blob), blob)


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "ConnectionReset"])
def test_download__a_fault_that_passes_is_tried_again(
    blob: Digest, ecr: LocalEcr, code: str
) -> None:
    ecr.fail_next("GetObject", code, times=2)

    assert download(address(blob), blob)

    assert len(ecr.calls("GetObject")) == 3


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("AccessDenied", "HTTPError"),
        ("SlowDown", "RetryError"),
        ("ConnectionReset", "ConnectionError"),
    ],
)
def test_s3__a_fault_that_stays_does_not_show_the_address(
    blob: Digest, ecr: LocalEcr, code: str, shown: str
) -> None:
    ecr.fail_next("GetObject", code, times=99)

    with pytest.raises(BlobUnreadable) as caught:
        download(address(blob), blob)

    assert str(caught.value) == shown
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_download__nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(BlobUnreadable, match="ConnectionError"):
        download(f"http://127.0.0.1:{port}/secret", make_digest())


def test_s1__other_bytes_than_those_of_the_digest(blob: Digest) -> None:
    with pytest.raises(BlobUnreadable, match="another digest"):
        download(address(blob), make_digest())


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Answers every request with the test's bytes; gives its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(request.param)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/blob"
    # Unlike close, this wakes the thread.
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)
    listener.close()


def answer(body: bytes, stated: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (stated, body)


LARGE = b" " * ((8 << 20) + 1)


@pytest.mark.parametrize(
    ("server", "why"),
    [
        pytest.param(answer(LARGE, len(LARGE)), "too large", id="too large"),
        pytest.param(answer(b"{}", 1000), "ConnectionError|ChunkedEncoding", id="broken off"),
        pytest.param(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTPError", id="404"),
        pytest.param(b"no http\r\n\r\n", "ConnectionError", id="no http"),
    ],
    indirect=["server"],
)
def test_download__of_a_server_that_misbehaves(server: str, why: str) -> None:
    with pytest.raises(BlobUnreadable, match=why):
        download(server, make_digest())


@pytest.mark.parametrize("server", [answer(LARGE[1:], len(LARGE) - 1)], indirect=True)
def test_download__of_just_the_largest_size(server: str) -> None:
    digest = Digest(f"sha256:{hashlib.sha256(LARGE[1:]).hexdigest()}")

    assert len(download(server, digest)) == 8 << 20


@pytest.mark.parametrize("server", [answer(b"\xff{}", 3)], indirect=True)
def test_download__of_what_is_no_text(server: str) -> None:
    digest = Digest("sha256:" + hashlib.sha256(b"\xff{}").hexdigest())

    assert download(server, digest) == "\ufffd{}"
