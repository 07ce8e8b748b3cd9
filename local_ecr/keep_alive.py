"""werkzeug's server with connections that stay open.

werkzeug's own closes each connection after one answer, because it cannot know what is left of a
request's body. This one reads every body to its end first, so docker can push over one connection.
"""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from werkzeug.exceptions import ClientDisconnected
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wsgi import LimitedStream

from local_ecr.errors import ConnectionDropped

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_PIECE = 1 << 20
_TLS_HANDSHAKE = b"\x16"
_NO_BODY = (204, 304)
_LAST_WORDS_SECONDS = 5.0


class _Body(io.RawIOBase):
    """The body of a request; who goes away before its end has dropped the connection."""

    def __init__(self, stream: io.RawIOBase) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int | None:
        try:
            return self._stream.readinto(buffer)
        except (ClientDisconnected, OSError) as exc:
            raise ConnectionDropped from exc


class KeepAliveHandler(WSGIRequestHandler):
    """HTTP/1.1 with many requests per connection; every answer has a known length."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        """Answer one request, or send a client away that begins with TLS.

        Docker and others try https first and turn to http when they are answered in it; a TLS
        greeting need not hold an end of line, so it must not be read as a request.
        """
        if cast(io.BufferedReader, self.rfile).peek(1)[:1] != _TLS_HANDSHAKE:
            super().handle_one_request()
            return
        self.wfile.write(b"HTTP/1.0 400 Bad Request\r\n\r\nThis server speaks http, not https.\n")
        self.close_connection = True

    def run_wsgi(self) -> None:
        """Answer one request."""
        environ = self.make_environ()
        body = self._bounded(environ)
        environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        try:
            self._answer(environ, body)
        except (ConnectionDropped, ConnectionError, OSError):
            self.close_connection = True

    def _bounded(self, environ: WSGIEnvironment) -> io.RawIOBase:
        if environ.get("wsgi.input_terminated"):
            return _Body(environ["wsgi.input"])
        length = int(environ.get("CONTENT_LENGTH") or 0)
        return _Body(LimitedStream(environ["wsgi.input"], length))

    def _answer(self, environ: WSGIEnvironment, body: io.RawIOBase) -> None:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:  # noqa: ANN401 - as WSGI has it
            started[:] = [status, headers]
            return started.append

        pieces = self.server.app(environ, start_response)
        try:
            while body.read(_PIECE):
                pass
            self._send_head(*started)
            self._send_body(pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close:
                close()

    def _send_head(self, status: str, headers: list[tuple[str, str]]) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        names = {name.lower() for name, _ in headers}
        if "content-length" not in names and int(code) not in _NO_BODY:
            self.send_header("Connection", "close")
        self.end_headers()

    def _send_body(self, pieces: Iterable[bytes]) -> None:
        if self.command == "HEAD":
            return
        for piece in pieces:
            self.wfile.write(piece)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the application logs each request by the name of its operation."""

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as the parent
        """Say nothing: clients knock with TLS first, which is no error."""

    def version_string(self) -> str:
        """The name that the registry gives itself."""
        return "local-ecr"


class KeepAliveServer(ThreadedWSGIServer):
    """One thread per connection; ending it ends the idle connections too."""

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        super().__init__(host, port, app, KeepAliveHandler)
        self._open: set[socket.socket] = set()
        self._answering: set[threading.Thread] = set()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the parent
        """Note the connection and answer it in a thread."""
        self._open.add(request)
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._answering.add(thread)
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the parent
        """Answer all requests of a connection."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._answering.discard(threading.current_thread())

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the parent
        """Close a connection that has ended."""
        self._open.discard(request)
        super().shutdown_request(request)

    def end(self) -> None:
        """Stop accepting, hang up on who is still connected, and see what was begun through."""
        self.shutdown()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self.server_close()
        deadline = time.monotonic() + _LAST_WORDS_SECONDS
        for thread in list(self._answering):
            thread.join(max(0.0, deadline - time.monotonic()))
