"""An HTTP/1.1 proxy in front of a test server, which loses, breaks and delays what a test names.

A request is read whole, judged, forwarded on a connection of its own and answered whole. What can
go wrong is in `http_faults.py`.
"""

import http.client
import os
import socket
import struct
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from etl_assets_tests.wire.http_faults import WITHIN_SECONDS, Rule

_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade"}
_OURS = _HOP_BY_HOP | {"transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Seen:
    """A request that came, and the rule that dealt with it (None: it went through)."""

    method: str
    path: str
    body: bytes
    rule: Rule | None


class HttpProxy:
    """In front of `upstream` ("host:port") while its block runs; rules may be added at any time."""

    def __init__(self, upstream: str, *rules: Rule) -> None:
        self.upstream = upstream
        self.requests: list[Seen] = []
        self._rules = list(rules)
        self._fitted: Counter[Rule] = Counter()
        self._lock = threading.Lock()
        self._failures: list[BaseException] = []
        self._connections: set[socket.socket] = set()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def host(self) -> str:
        """Where it listens, "127.0.0.1:port"."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def add(self, rule: Rule) -> Rule:
        """Put a rule behind the others."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def faulted(self) -> list[Seen]:
        """The requests that a fault has befallen."""
        return [seen for seen in self.requests if seen.rule]

    def __enter__(self) -> "HttpProxy":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        for rule in self._rules:
            rule.fault.let_go()
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # the other side may have closed it
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()  # waits for the threads, which have nothing to wait for now
        if self._failures and error is None:
            raise self._failures[0]

    def judge(self, method: str, path: str, body: bytes) -> Rule | None:
        """Note the request; the rule whose fault befalls it."""
        with self._lock:
            rule = next((r for r in self._rules if self._has_turn(r, method, path, body)), None)
            self.requests.append(Seen(method, path, body, rule))
        return rule

    def _has_turn(self, rule: Rule, method: str, path: str, body: bytes) -> bool:
        if not rule.fits(method, path, body):
            return False
        self._fitted[rule] += 1
        return rule.has_turn(self._fitted[rule] - 1)

    @contextmanager
    def open_while(self, connection: socket.socket) -> Iterator[None]:
        """What is shut down if the proxy closes meanwhile."""
        with self._lock:
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connections.discard(connection)

    def failed(self, error: BaseException | None) -> None:
        """A thread ended so: connections break in these tests, anything else is a bug of ours."""
        if error is not None and not isinstance(error, OSError):
            self._failures.append(error)


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64

    def __init__(self, proxy: HttpProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        self.proxy.failed(sys.exception())


class _Handler(BaseHTTPRequestHandler):
    """One client connection; for a fault, the `Exchange` of its current request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle(self) -> None:
        with self.server.proxy.open_while(self.connection):
            super().handle()

    def do_POST(self) -> None:
        self._body = self._read_body()
        self._answer: tuple[http.client.HTTPResponse, bytes] | None = None
        rule = self.server.proxy.judge(self.command, self.path, self._body)
        try:
            if rule is None:
                self.answer()
            else:
                rule.fault.befall(self)
        except (OSError, http.client.HTTPException):
            self.reset()  # the server is gone, or the client

    do_GET = do_HEAD = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # noqa: N815

    def forward(self) -> None:
        proxy = self.server.proxy
        upstream = http.client.HTTPConnection(proxy.upstream, timeout=WITHIN_SECONDS)
        try:
            upstream.connect()
            with proxy.open_while(upstream.sock):
                upstream.putrequest(
                    self.command, self.path, skip_host=True, skip_accept_encoding=True
                )
                for name, value in self.headers.items():
                    if name.lower() not in _OURS | {"host"}:
                        upstream.putheader(name, value)
                upstream.putheader("Host", proxy.upstream)
                upstream.putheader("Connection", "close")
                if self._body or self.command in {"POST", "PUT", "PATCH"}:
                    upstream.putheader("Content-Length", str(len(self._body)))
                upstream.endheaders(self._body)
                with upstream.getresponse() as response:
                    self._answer = response, response.read()
        finally:
            upstream.close()

    def answer(self, most: int | None = None) -> None:
        if self._answer is None:
            self.forward()
        assert self._answer is not None
        response, body = self._answer
        proxy = self.server.proxy
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() == "location":  # an upload's session: its chunks come by here as well
                value = value.replace(f"//{proxy.upstream}/", f"//{proxy.host}/")
            if name.lower() not in _OURS:
                self.send_header(name, value)
        bodiless = response.status in {204, 304}
        length = response.getheader("Content-Length") if self.command == "HEAD" else len(body)
        if length is not None and not bodiless:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body[:most])
        if most is not None:
            self.close_connection = True

    def answer_with(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self) -> None:
        self.close_connection = True

    def reset(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())  # at once: the base class would say goodbye first

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the base class's
        """Nothing: `requests` has it."""

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(chunks)
