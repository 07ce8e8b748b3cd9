"""Everything that the step asks goes through the job's proxy, which alone knows the names here."""

from __future__ import annotations

import datetime
import os
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dev.engine import Engine
from dev.github import TOKEN, GitHub
from ecr_publish.bake import Bake, Image, definition
from ecr_publish.build import Way
from ecr_publish.edges.credentials import Aws
from ecr_publish.edges.engine import DockerEngine
from ecr_publish.edges.github import GitHubApi
from ecr_publish.edges.ports import Delivery, Login
from ecr_publish.errors import PublishError, PushFailed, StsFailed
from local_ecr.server import LocalEcr
from tests.factories import CANDIDATE, NAME, SHA, make_build, make_plan, make_state
from tests.fakes import FakeClock
from tests.images import push_image

pytestmark = pytest.mark.usefixtures("ambient", "no_waiting")

USER, PASSWORD = "corporate", "hunter2"
NAMES = ("aws.test", "oidc.test", "github.test")


class Proxy(ThreadingHTTPServer):
    """A forward proxy that looks into TLS, as a company's may: http by name, https by CONNECT."""

    daemon_threads = True

    def __init__(self, certificate: Path, ports: Mapping[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ports = dict(ports)
        self.asked: list[str] = []
        self.strangers: list[str] = []
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)

    @property
    def address(self) -> str:
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy
    inside = ""

    def do_CONNECT(self) -> None:
        self._note("CONNECT", self.path.partition(":")[0])
        self.send_response(200)
        self.end_headers()
        self.inside = f"https://{self.path.partition(':')[0]}"
        self.connection = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        # Clients ask for a tunnel by HTTP/1.0.
        self.close_connection = False

    def do_GET(self) -> None:
        wanted = urlsplit(self.inside + self.path)
        name = str(wanted.hostname)
        if not self.inside:
            self._note(self.command, name)
        port = self.server.ports.get(name, wanted.port)
        answer = requests.request(
            self.command,
            f"http://127.0.0.1:{port}{wanted.path}?{wanted.query}".rstrip("?"),
            data=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            headers={n: v for n, v in self.headers.items() if n.lower() not in _HOP},
            proxies={"http": ""},
            timeout=10,
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.content)

    def do_POST(self) -> None:
        self.do_GET()

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _note(self, method: str, name: str) -> None:
        self.server.asked.append(f"{method} {name}")
        known = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Proxy-Authorization") != f"Basic {known}":
            self.server.strangers.append(name)


_HOP = ("proxy-authorization", "connection", "proxy-connection", "content-length", "host", "date")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the names, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy.test")])
    today = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(n) for n in NAMES]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("proxy") / "proxy.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub() as server:
        yield server


@pytest.fixture
def proxy(
    ecr: LocalEcr, github: GitHub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    """The proxy of this process, which can reach nothing without it."""
    ports = dict.fromkeys(NAMES, ecr.port) | {"github.test": urlsplit(github.url).port or 0}
    with Proxy(certificate, ports) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, server.address)
            monkeypatch.delenv(name.lower(), raising=False)
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, str(certificate))
        yield server
        server.shutdown()
        thread.join()


def mask(_: str) -> None:
    """The log of a test hides nothing, and shows nothing."""


def environment(ecr: LocalEcr, scheme: str) -> dict[str, str]:
    """GitHub's part of the environment, by a name that only the proxy knows."""
    url = ecr.environment()["ACTIONS_ID_TOKEN_REQUEST_URL"]
    return ecr.environment() | {
        "ACTIONS_ID_TOKEN_REQUEST_URL": url.replace(ecr.url, f"{scheme}://oidc.test")
    }


@pytest.mark.parametrize(
    ("scheme", "asked"),
    [
        ("http", ["GET oidc.test", "POST aws.test", "POST aws.test"]),
        ("https", ["CONNECT oidc.test", "CONNECT aws.test", "CONNECT aws.test"]),
    ],
)
def test_proxy__takes_oidc_sts_and_ecr_to_where_they_are(
    ecr: LocalEcr, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, scheme: str, asked: list[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{scheme}://aws.test")

    Aws(environment(ecr, scheme), FakeClock(), mask).connect(make_plan(), from_fork=False).login()

    assert [call.operation for call in ecr.calls()] == [
        "GetIdToken",
        "AssumeRoleWithWebIdentity",
        "GetAuthorizationToken",
    ]
    assert proxy.asked == asked
    assert proxy.strangers == []


def test_proxy__takes_a_blob_s_download_too(
    ecr: LocalEcr, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3.client("ecr").create_repository(repositoryName=NAME)
    image = push_image(ecr, NAME, "one")
    proxy.asked.clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://aws.test")
    registry = Aws(ecr.environment(), FakeClock(), mask).connect(
        make_plan(role=None), from_fork=False
    )

    assert registry.config(image)

    # The local ECR gives addresses by its own number.
    assert proxy.asked == ["CONNECT aws.test", "GET 127.0.0.1"]


def test_proxy__is_not_used_for_what_no_proxy_names(
    ecr: LocalEcr, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "169.254.169.254,127.0.0.1")

    Aws(ecr.environment(), FakeClock(), mask).connect(make_plan(), from_fork=False).login()

    assert len(ecr.calls()) == 3
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("scheme", "asked"), [("http", "POST github.test"), ("https", "CONNECT github.test")]
)
def test_proxy__takes_reports_to_github(
    github: GitHub, proxy: Proxy, scheme: str, asked: str
) -> None:
    urls = {
        name: value.replace(github.url, f"{scheme}://github.test")
        for name, value in github.environment().items()
    }

    GitHubApi(urls, FakeClock(), TOKEN).start_check("ECR scan", SHA, "https://github.com")

    assert len(github.checks) == 1
    assert proxy.asked[0] == asked


def everything(error: PublishError) -> str:
    return f"{error.what}{error.why}{error.fix}"


def test_s3_proxy__that_is_dead_is_named_without_its_password(
    ecr: LocalEcr, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://aws.test")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:{PASSWORD}@127.0.0.1:1")

    with pytest.raises(StsFailed, match="proxy") as caught:
        Aws(ecr.environment(), FakeClock(), mask).connect(make_plan(), from_fork=False)

    assert "HTTPS_PROXY" in caught.value.fix
    assert PASSWORD not in everything(caught.value)


def test_push__that_cannot_reach_the_registry_says_that_the_engine_knows_no_proxy(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    proxy = f"http://{USER}:{PASSWORD}@127.0.0.1:1"
    environ = {"PATH": os.environ["PATH"], "HTTPS_PROXY": proxy, **engine.environment()}
    pushing, state = DockerEngine(environ, FakeClock()), make_state(host="127.0.0.1:1")
    pushing.build(
        make_build(),
        state,
        CANDIDATE,
        by=Delivery(way=Way.ENGINE),
        workspace=str(tmp_path),
        write=lambda _: None,
    )

    with pytest.raises(PushFailed) as caught:
        pushing.push(state, CANDIDATE, Login(username="AWS", password="x"), lambda _: None)

    assert "This run has a proxy (HTTPS_PROXY), but the Docker Engine" in caught.value.why
    assert "/etc/docker/daemon.json" in caught.value.fix
    assert PASSWORD not in everything(caught.value)


def built(engine: DockerEngine, by: Delivery, workspace: str) -> None:
    engine.build(
        make_build(), make_state(), CANDIDATE, by=by, workspace=workspace, write=lambda _: None
    )


def baked(engine: DockerEngine, by: Delivery, workspace: str) -> None:
    image = Image(target="web", build=make_build(), state=make_state(), candidate=CANDIDATE)
    printed = definition('{"group": {"default": {"targets": ["web"]}}, "target": {"web": {}}}')
    bake = Bake(files=("b.hcl",), builder=None, images=(image,), definition=printed)
    engine.bake(bake, workspace=workspace, login=by.login, write=lambda _: None)


@pytest.mark.parametrize("publish", [built, baked])
@pytest.mark.parametrize("proxy", ["", f"http://{USER}:{PASSWORD}@127.0.0.1:1"])
def test_push__by_a_builder_that_cannot_reach_the_registry_says_so_too(
    tmp_path: Path, publish: Callable[[DockerEngine, Delivery, str], None], proxy: str
) -> None:
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'ERROR: failed to push: dial tcp: i/o timeout'; exit 1\n")
    docker.chmod(0o755)
    engine = DockerEngine({"PATH": f"{tmp_path}:/usr/bin:/bin", "HTTPS_PROXY": proxy}, FakeClock())
    by = Delivery(way=Way.BUILDER, login=Login(username="AWS", password="x"))

    with pytest.raises(PushFailed) as caught:
        publish(engine, by, str(tmp_path))

    assert ("HTTPS_PROXY" in caught.value.why) is bool(proxy)
    assert PASSWORD not in everything(caught.value)
