"""An HTTP API for tests, over real sockets, that answers as it is told, and half if need be."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer: `cut` sends so many bytes of the body and closes, `hangs` sends nothing at all
    until the API is closed, `drops` closes at once, `drips` sends a byte at a time."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    chunked: bool = False
    hangs: bool = False
    drops: bool = False
    drips: bool = False


Answers = Callable[[Asked], Reply]


def said(value: Any, status: int = 200, **headers: str) -> Reply:
    """An answer of JSON; `_` in the name of a header stands for `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(json.dumps(value).encode(), status, named)


@dataclass
class Api:
    """The running server; `answers` may be another function at any time."""

    url: str
    answers: Answers
    asked: list[Asked] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve(answers: Answers) -> Iterator[Api]:
    """Serve on a free port of this machine until the context is left."""
    api = Api("", answers)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._do("")

        def do_POST(self) -> None:
            self._do(self.rfile.read(int(self.headers["Content-Length"])).decode())

        def _do(self, body: str) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): text for name, text in self.headers.items()}
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), headers, body)
            api.asked.append(asked)
            reply = api.answers(asked)
            if reply.hangs:
                api.closed.wait(30)
            if reply.hangs or reply.drops:
                self.close_connection = True
                return
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, text in reply.headers.items():
                self.send_header(name, text)
            if reply.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            else:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            sent = reply.body if reply.cut is None else reply.body[: reply.cut]
            while reply.drips and sent and not api.closed.wait(0.02):
                self.wfile.write(sent[:1])
                sent = sent[1:]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent) if reply.chunked else sent)
            if reply.chunked and reply.cut is None:
                self.wfile.write(b"0\r\n\r\n")
            self.close_connection = reply.cut is not None

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        api.closed.set()
        server.shutdown()
        server.server_close()
        thread.join()


def by_cursor(items: Sequence[Any], size: int) -> Answers:
    """The items in pages, each of which names the next one by a cursor."""

    def answer(asked: Asked) -> Reply:
        start = int(asked.params.get("cursor", "c0").removeprefix("c"))
        more = f"c{start + size}" if start + size < len(items) else None
        return said({"items": items[start : start + size], "next_cursor": more})

    return answer


def first(replies: Sequence[Reply], then: Answers, when: Callable[[Asked], bool]) -> Answers:
    """The replies to the first requests of which `when` is true, and `then` to all others."""
    left = list(replies)

    def answer(asked: Asked) -> Reply:
        return left.pop(0) if left and when(asked) else then(asked)

    return answer
