"""Clients that die in the middle: while the local ECR holds their call, or before it has it all."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
import requests

from local_ecr import LocalEcr
from local_ecr.holds import Hold
from local_ecr.manifest import digest_of
from tests.integration.test_local_ecr_boto3 import Lab, opened, refused

RESET = struct.pack("ii", 1, 0)
PROMOTE = """
import boto3, sys
manifest = sys.stdin.read()
boto3.client("ecr").put_image(repositoryName="app", imageManifest=manifest, imageTag="v1")
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    with opened() as lab:
        yield lab


@pytest.fixture(autouse=True)
def _nothing_is_left(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No thread of a connection stays, and the server has nothing to complain about."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread
    assert capfd.readouterr().err == ""


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def tags(lab: Lab) -> list[str]:
    return sorted(
        entry["imageTag"]
        for entry in lab.client.list_images(repositoryName="app")["imageIds"]
        if "imageTag" in entry
    )


def putting(pool: ThreadPoolExecutor, lab: Lab, tag: str = "v1") -> Future[object]:
    def put() -> object:
        return lab.client.put_image(repositoryName="app", imageManifest=manifest, imageTag=tag)

    manifest = lab.manifest("app")
    return pool.submit(put)


def test_hold__before(lab: Lab, pool: ThreadPoolExecutor) -> None:
    with lab.ecr.hold("PutImage") as held:
        answer = putting(pool, lab)
        held.wait()
        assert (tags(lab), lab.ecr.calls("PutImage"), answer.done()) == ([], [], False)
        held.release()
        assert tags(lab) == ["v1"]
    answer.result(10)


def test_hold__after(lab: Lab, pool: ThreadPoolExecutor) -> None:
    with lab.ecr.hold("PutImage", when="after") as held:
        answer = putting(pool, lab)
        held.wait()
        assert (tags(lab), answer.done()) == (["v1"], False)
        assert [call.status for call in lab.ecr.calls("PutImage")] == [200]
    answer.result(10)


def test_hold__second_call_and_no_other(lab: Lab, pool: ThreadPoolExecutor) -> None:
    with lab.ecr.hold("PutImage", skip=1) as held:
        putting(pool, lab, "a").result(10)
        second = putting(pool, lab, "b")
        held.wait()
        putting(pool, lab, "c").result(10)
        assert tags(lab) == ["a", "c"]
    second.result(10)
    assert tags(lab) == ["a", "b", "c"]


@pytest.mark.parametrize(("when", "expected"), [("before", []), ("after", ["v1"])])
def test_hold__dropped_while_the_client_lives(
    lab: Lab, pool: ThreadPoolExecutor, when: str, expected: list[str]
) -> None:
    with lab.ecr.hold("PutImage", when=when) as held:  # type: ignore[arg-type]
        answer = putting(pool, lab)
        held.wait()
        held.drop()
    assert "ConnectionClosedError" in repr(answer.exception(10))
    assert tags(lab) == expected
    assert len(lab.ecr.calls("PutImage")) == len(expected)


def test_hold__fault_is_the_answer_that_is_held(lab: Lab, pool: ThreadPoolExecutor) -> None:
    lab.ecr.fail_next("PutImage", "ThrottlingException")
    with lab.ecr.hold("PutImage", when="after") as held:
        answer = putting(pool, lab)
        held.wait()
        assert tags(lab) == []
    with refused("ThrottlingException", "Rate exceeded"):
        answer.result(10)


def test_hold__connection_reset_is_not_waited_for(lab: Lab, pool: ThreadPoolExecutor) -> None:
    lab.ecr.fail_next("PutImage", "ConnectionReset")
    with lab.ecr.hold("PutImage", when="after"):
        assert "ConnectionClosedError" in repr(putting(pool, lab).exception(10))


def test_stop__hangs_up_on_what_is_held(pool: ThreadPoolExecutor) -> None:
    with LocalEcr() as ecr:
        held = ecr.hold("GetKeySet")
        answer = pool.submit(requests.get, f"{ecr.url}/oidc/jwks", timeout=10)
        held.wait()
    assert isinstance(answer.exception(10), requests.ConnectionError)
    assert ecr.calls() == []


def test_stop__sees_what_was_begun_through(pool: ThreadPoolExecutor) -> None:
    begun = threading.Event()

    def slow_clock() -> float:
        begun.set()
        time.sleep(0.05)
        return 0.0

    with LocalEcr(clock=slow_clock) as ecr:
        answer = pool.submit(requests.get, f"{ecr.url}/oidc/jwks", timeout=10)
        assert begun.wait(10)
    answer.exception(10)
    assert [call.operation for call in ecr.calls()] == ["GetKeySet"]


# --- dead clients --------------------------------------------------------------------------------


def killed(lab: Lab, held: Hold) -> None:
    """A publisher that is killed where its PutImage is held."""
    client = subprocess.Popen(
        [sys.executable, "-c", PROMOTE],
        env=os.environ | lab.ecr.environment(),
        stdin=subprocess.PIPE,
        text=True,
    )
    assert client.stdin is not None
    with client, client.stdin as stdin:
        stdin.write(lab.manifest("app"))
        stdin.close()
        held.wait()
        client.kill()
    assert client.returncode == -signal.SIGKILL


def hung_up(lab: Lab, held: Hold) -> None:
    with sent(lab, "PutImage", lab.manifest("app")):
        held.wait()


def reset(lab: Lab, held: Hold) -> None:
    with sent(lab, "PutImage", lab.manifest("app")) as connection:
        held.wait()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def sent(lab: Lab, operation: str, manifest: str) -> socket.socket:
    body = {"repositoryName": "app", "imageManifest": manifest, "imageTag": "v1"}
    target = f"X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.{operation}"
    return spoken(lab, f"POST / HTTP/1.1\r\n{target}", json.dumps(body))


def spoken(lab: Lab, head: str, body: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", lab.ecr.port), timeout=10)
    length = f"Content-Length: {len(body)}"
    connection.sendall(f"{head}\r\nHost: x\r\n{length}\r\n\r\n{body}".encode())
    return connection


DEATHS = pytest.mark.parametrize("die", [killed, hung_up, reset])


@DEATHS
def test_dead_client__held_before_takes_effect_none_the_less(
    lab: Lab, die: Callable[[Lab, Hold], None]
) -> None:
    with lab.ecr.hold("PutImage") as held:
        die(lab, held)
        assert tags(lab) == []
        held.release()
        assert tags(lab) == ["v1"]
    assert len(lab.ecr.calls("PutImage")) == 1


@DEATHS
def test_dead_client__held_before_and_dropped_was_never_there(
    lab: Lab, die: Callable[[Lab, Hold], None]
) -> None:
    with lab.ecr.hold("PutImage") as held:
        die(lab, held)
        held.drop()
    assert (tags(lab), lab.ecr.calls("PutImage")) == ([], [])


@DEATHS
def test_dead_client__held_after_has_taken_effect(
    lab: Lab, die: Callable[[Lab, Hold], None]
) -> None:
    with lab.ecr.hold("PutImage", when="after") as held:
        die(lab, held)
        assert tags(lab) == ["v1"]
    assert (tags(lab), len(lab.ecr.calls("PutImage"))) == (["v1"], 1)


@pytest.mark.parametrize("option", [None, RESET])
def test_dead_client__body_of_the_data_plane_has_arrived(lab: Lab, option: bytes | None) -> None:
    content = "layer " * 200_000
    digest = digest_of(content.encode())
    authorization = f"Authorization: {lab.http.headers['Authorization']!s}"
    head = f"POST /v2/app/blobs/uploads/?digest={digest} HTTP/1.1\r\n{authorization}"
    with lab.ecr.hold("v2.StartUpload") as held:
        with spoken(lab, head, content) as connection:
            held.wait()
            if option:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
        assert lab.v2("HEAD", f"app/blobs/{digest}").status_code == 404
        held.release()
        assert lab.v2("HEAD", f"app/blobs/{digest}").status_code == 200


@pytest.mark.parametrize(
    "body", ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n64\r\nhalf"]
)
def test_dead_client__half_a_request_is_no_bug(lab: Lab, body: str) -> None:
    upload = lab.v2("POST", "app/blobs/uploads/").headers["Location"]
    authorization = f"Authorization: {lab.http.headers['Authorization']!s}"
    target = "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.PutImage"
    for head in (f"PATCH {upload} HTTP/1.1\r\n{authorization}", f"POST / HTTP/1.1\r\n{target}"):
        address = ("127.0.0.1", lab.ecr.port)
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(f"{head}\r\nHost: x\r\n{body}".encode())
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
    assert [call.error for call in lab.ecr.calls("v2.UploadChunk")] == ["ConnectionReset"]
    assert lab.ecr.calls("PutImage") == []
