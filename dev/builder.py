"""A builder outside of the user's Docker Engine, for which no image of BuildKit is needed.

With buildx's drivers `docker-container`, `kubernetes` and `remote` there is no engine beside
BuildKit to load an image into: it pushes by itself. Such a BuildKit comes in an image, which tests
cannot pull; but dockerd has one inside and serves its API on its own socket, behind an upgrade of
`POST /grpc`. `Builder` asks for that upgrade on behalf of clients that know nothing of it, such as
the driver `remote`, and so turns a private engine into a builder and nothing else:

    with Engine(store="containerd") as engine, Builder(engine) as builder:
        builder.create("outside", environment)
        subprocess.run(["docker", "buildx", "build", "--builder=outside", …], env=environment)

A registry on 127.0.0.1 that speaks no TLS is reached over plain http, with nothing to configure.
"""

from __future__ import annotations

import itertools
import socket
import socketserver
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from dev.engine import Engine

UPGRADE_SECONDS = 10.0
UPGRADE = (
    b"POST /grpc HTTP/1.1\r\nHost: localhost\r\n"
    b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n"
)
CHUNK = 65536
_numbers = itertools.count(1)


class BuilderError(Exception):
    """The engine gives no access to its BuildKit, or buildx does not accept the builder."""


class Builder:
    """The BuildKit of a private engine, reachable as long as the `with` block.

    Args:
        engine: Running, and with the containerd store.

    Raises:
        BuilderError: The engine has the classic store.
    """

    def __init__(self, engine: Engine) -> None:
        if engine.store != "containerd":
            raise BuilderError("with the classic store BuildKit has no exporter that pushes")
        self._engine = engine.directory / "docker.sock"
        # A socket in the engine's own directory: a port would be open to all users of the machine.
        # Numbered, because fixtures of several tests may each want one of a shared engine.
        self._path = engine.directory / f"builder-{next(_numbers)}.sock"

    @property
    def address(self) -> str:
        """The endpoint for `docker buildx create --driver remote`."""
        return f"unix://{self._path}"

    def create(self, name: str, environment: Mapping[str, str]) -> None:
        """Make it known by a name to buildx, which notes that below DOCKER_CONFIG or HOME.

        Raises:
            BuilderError: With what buildx says.
        """
        done = subprocess.run(
            ["docker", "buildx", "create", "--name", name, "--driver", "remote", self.address],
            env=dict(environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BuilderError(done.stderr.strip())

    def __enter__(self) -> Builder:
        # Here a refusal can be told; a client of the bridge would see a closed connection only.
        _upgraded(self._engine).close()
        self._bridge = _Bridge(self._path, self._engine)
        self._thread = threading.Thread(target=self._bridge.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bridge.shutdown()
        self._thread.join()
        self._bridge.server_close()
        self._path.unlink(missing_ok=True)


class _Bridge(socketserver.ThreadingUnixStreamServer):
    """Listens, and joins each connection to one of its own to the engine."""

    request_queue_size = 64  # buildx opens several at once, and a full queue turns clients away

    def __init__(self, path: Path, engine: Path) -> None:
        self.engine = engine
        self._open: set[socket.socket] = set()
        self._ending = False
        self._lock = threading.Lock()
        super().__init__(str(path), _Connection)

    def opened(self, connection: socket.socket) -> None:
        """Note a connection that has to end with the bridge, which may be now."""
        with self._lock:
            self._open.add(connection)
            if self._ending:
                _end(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection, before its number can be another's."""
        with self._lock:
            self._open.discard(connection)

    def server_close(self) -> None:
        """Stop listening, end every connection and wait for their threads."""
        with self._lock:
            self._ending = True
            for connection in self._open:
                _end(connection)
        super().server_close()


class _Connection(socketserver.BaseRequestHandler):
    """One connection of a client; bytes flow in two threads until both sides are silent."""

    server: _Bridge
    request: socket.socket

    def setup(self) -> None:
        self.server.opened(self.request)

    def handle(self) -> None:
        # An engine that refuses, or is gone, shows by the end of the connection.
        with suppress(OSError, BuilderError), _upgraded(self.server.engine) as engine:
            self.server.opened(engine)
            back = threading.Thread(target=_pipe, args=(engine, self.request))
            back.start()
            _pipe(self.request, engine)
            back.join()
            self.server.closed(engine)

    def finish(self) -> None:
        self.server.closed(self.request)


def _pipe(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(CHUNK):
            sink.sendall(data)
        # The other direction may have more to say.
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone altogether, so nobody reads what the other direction carries.
        _end(source)
        _end(sink)


def _end(connection: socket.socket) -> None:
    # Unlike close, this wakes the thread that reads from it.
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _upgraded(engine: Path) -> socket.socket:
    """Connect to the engine, up to where gRPC begins.

    Raises:
        BuilderError: The engine answers otherwise.
        OSError: It does not answer.
    """
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(UPGRADE_SECONDS)
        connection.connect(str(engine))
        _upgrade(connection)
        connection.settimeout(None)
    except BaseException:
        connection.close()
        raise
    return connection


def _upgrade(connection: socket.socket) -> None:
    connection.sendall(UPGRADE)
    head = b""
    # Byte by byte, because what follows the head is the client's.
    while not head.endswith(b"\r\n\r\n") and (byte := connection.recv(1)):
        head += byte
    status = head.partition(b"\r\n")[0].decode("ascii", errors="replace")
    if status.split()[1:2] != ["101"]:
        raise BuilderError(f"the engine gives no access to its BuildKit: {status!r}")
