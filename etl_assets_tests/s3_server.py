"""An S3 for tests: moto over real HTTP, a process on a free port of 127.0.0.1.

It checks no signatures, and its names of objects cannot have a line feed; what it answers to bad
credentials and under load comes from the proxy in front of it (`wire/http_proxy.py`).
"""

import http.client
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from etl_assets.config import ObjectStoreSettings

READY_SECONDS = 60
STOP_SECONDS = 5
MANY = 2500
"""The objects of the bucket `many`, which tests only read: three pages."""

_ATTEMPTS = 3
_PROGRAM = Path(__file__).with_name("s3_program.py")
HEADERS = {
    "Content-Type": "application/octet-stream",
    # Whoever is nobody may not put one object over another.
    "Authorization": "AWS4-HMAC-SHA256 Credential=writer/20240101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=unchecked",
}
_VERSIONED = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


@dataclass
class S3Server:
    """A running server; what is put there is gone when it stops."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def host(self) -> str:
        """For a proxy in front of it."""
        return f"127.0.0.1:{self.port}"

    def settings(self, bucket: str, prefix: str = "", **given: object) -> ObjectStoreSettings:
        """Settings of the bucket's prefix, with credentials that it takes."""
        credentials = {"AWS_ACCESS_KEY_ID": "reader", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}
        settings = {
            "url": f"s3://{bucket}/{prefix}",
            "endpoint": f"http://{self.host}",
            "credentials": {**credentials, "AWS_REGION": "us-east-1"},
        }
        return ObjectStoreSettings(**{**settings, **given})  # type: ignore[arg-type]

    def bucket(self, *, versions: bool = False) -> str:
        """The name of a new bucket."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self._ask("PUT", f"/{name}")
        if versions:
            self._ask("PUT", f"/{name}?versioning", _VERSIONED)
        return name

    def put(self, bucket: str, key: str, content: bytes) -> None:
        """Put an object, over another one if need be."""
        self.put_many(bucket, [(key, content)])

    def put_many(self, bucket: str, objects: Iterable[tuple[str, bytes]]) -> None:
        """Put objects, on one connection."""
        with closing(self._connection()) as connection:
            for key, content in objects:
                self._answer(connection, "PUT", _path(bucket, key), content)

    def delete(self, bucket: str, key: str) -> None:
        """Delete an object."""
        self._ask("DELETE", _path(bucket, key))

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def answers(self) -> bool:
        """Whether it takes requests."""
        try:
            self._ask("GET", "/")
        except (OSError, http.client.HTTPException):
            return False
        return self.process.poll() is None

    def _ask(self, method: str, path: str, body: bytes = b"") -> None:
        with closing(self._connection()) as connection:
            self._answer(connection, method, path, body)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)

    @staticmethod
    def _answer(
        connection: http.client.HTTPConnection, method: str, path: str, body: bytes
    ) -> None:
        connection.request(method, path, body, HEADERS)
        with connection.getresponse() as response:
            told = response.read()
            assert response.status < 300, f"{method} {path}: {response.status} {told[:300]!r}"


def start_s3(
    log: Path, many: int = MANY, days: int = 0, ready_seconds: float = READY_SECONDS
) -> S3Server:
    """A running server that prints to `log`; its bucket `many` has so many objects below `orders/`.

    With `days` they are in a folder for each day, from 2024-01-15 on. Raises RuntimeError.
    """
    ours = [str(_PROGRAM), str(os.getpid()), str(many), str(days)]
    for _ in range(_ATTEMPTS):  # somebody may be faster to take a port
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *ours, "-H", "127.0.0.1", f"-p{port}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        server = S3Server(port, process)
        deadline = time.monotonic() + ready_seconds
        while process.poll() is None and time.monotonic() < deadline:
            if server.answers():
                return server
            time.sleep(0.05)
        server.stop()
    raise RuntimeError(f"moto did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _path(bucket: str, key: str) -> str:
    return f"/{bucket}/{quote(key, safe='/')}"
