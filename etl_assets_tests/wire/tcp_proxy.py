"""A TCP proxy before a PostgreSQL server that breaks off at a COMMIT, before or after it is done.

It reads along in what the client sends, which must not be encrypted. The server is a unix socket.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

_CHUNK = 1 << 16


class Break(StrEnum):
    """Where the connection ends: COMMIT is done and its answer lost, or it never arrives."""

    AFTER_COMMIT = "after COMMIT"
    BEFORE_COMMIT = "before COMMIT"


@dataclass
class TcpProxy:
    """Passes everything on, until it is told to break at the COMMIT of some transactions."""

    server: str
    port: int = 0
    broken: list[Break] = field(default_factory=list)
    _words: bytes = b""
    _breaks: list[Break] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}?sslmode=disable"

    def break_at(self, words: str, *breaks: Break) -> None:
        """Break the next transactions in which the client says these words, each as given."""
        self._words, self._breaks = words.encode(), list(breaks)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.server)
            talk = _Talk(self, client, server)
            for pump in (talk.upwards, talk.downwards):
                threading.Thread(target=pump, daemon=True).start()

    def next_break(self) -> Break | None:
        with self._lock:
            if not self._breaks:
                return None
            self.broken.append(self._breaks[0])
            return self._breaks.pop(0)


@dataclass
class _Talk:
    proxy: TcpProxy
    client: socket.socket
    server: socket.socket
    marked: bool = False
    is_lost: bool = False

    def upwards(self) -> None:
        with suppress(OSError):
            while data := self.client.recv(_CHUNK):
                if self.proxy._words and self.proxy._words in data:
                    self.marked = True
                if self.marked and b"COMMIT\0" in data:
                    self.marked = False
                    found = self.proxy.next_break()
                    if found is Break.BEFORE_COMMIT:
                        break
                    self.is_lost = found is Break.AFTER_COMMIT
                self.server.sendall(data)
        self.end()

    def downwards(self) -> None:
        with suppress(OSError):
            while data := self.server.recv(_CHUNK):
                if self.is_lost:  # the server has answered: what it was told is done
                    break
                self.client.sendall(data)
        self.end()

    def end(self) -> None:
        """A reset, not an orderly end."""
        for end in (self.client, self.server):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def tcp_proxy(server: str) -> Iterator[TcpProxy]:
    """A proxy on a free port of 127.0.0.1 before the unix socket `server`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = TcpProxy(server, listener.getsockname()[1])
        threading.Thread(target=proxy.serve, args=[listener], daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
