"""The webhook service as its own process on a free port, and a sender that signs and calls it."""

import base64
import hashlib
import hmac
import http.client
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from etl_assets_tests.events.tables import landed

SECRET = "whsec_" + base64.b64encode(b"of the tests, 24 bytes..").decode()
OLD_SECRET = base64.b64encode(b"the one before, 24 bytes").decode()
PLAIN_SECRET = "words of any kind"
COMMAND = [sys.executable, "-m", "etl_assets.cli", "webhook", "serve", "--port", "0", "--as-root"]

_numbers = itertools.count(1)

Headers = Sequence[tuple[str, str]]


def new_id() -> str:
    """An id that no other call of this run has."""
    return f"msg_{os.getpid()}_{next(_numbers)}"


def signature(call_id: str, moment: int, body: bytes, secret: str = SECRET) -> str:
    """As the specification says it, written apart from the service's own code."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{call_id}.{moment}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def signed(body: bytes, call_id: str | None = None, *, secret: str = SECRET) -> Headers:
    """The headers of a good call."""
    call_id, moment = call_id or new_id(), int(time.time())
    return [
        ("content-type", "application/json"),
        ("webhook-id", call_id),
        ("webhook-timestamp", str(moment)),
        ("webhook-signature", signature(call_id, moment, body, secret)),
    ]


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Service:
    """A running service; `database_url` is where it lands."""

    process: "subprocess.Popen[str]"
    port: int
    database_url: str

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str) -> Answer:
        return self.call(path, b"", [], method="GET")

    def send(self, body: bytes, call_id: str | None = None, source: str = "shop") -> Answer:
        return self.call(f"/webhooks/{source}", body, signed(body, call_id))

    def call(self, path: str, body: bytes, headers: Headers, method: str = "POST") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.putrequest(method, path)
            for name, value in headers:
                connection.putheader(name, value)
            if body and not any(name.lower() == "content-length" for name, _ in headers):
                connection.putheader("content-length", str(len(body)))
            connection.endheaders()
            if body:
                connection.send(body)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read().decode())
        finally:
            connection.close()

    def landed(self) -> list[tuple[Any, ...]]:
        return landed(self.database_url)


@contextmanager
def running(home: Path, database_url: str, **settings: str) -> Iterator[Service]:
    """The service with `settings`, killed at the end if it still runs."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WEBHOOK_", "ETL_", "EVENTS_", "DATABASE_URL"))
    }
    environment |= {
        "EVENTS_DATABASE_URL": database_url,
        "ETL_HOME": str(home),
        "WEBHOOK_SECRETS_SHOP": f"{SECRET},{OLD_SECRET}",
        "WEBHOOK_SECRETS_CODE": PLAIN_SECRET,
        "WEBHOOK_SCHEME_CODE": "github",
        "WEBHOOK_SECRETS_PAYMENTS": PLAIN_SECRET,
        "WEBHOOK_SCHEME_PAYMENTS": "stripe",
        **settings,
    }
    with (home.parent / f"{home.name}.log").open("a") as log:
        process = subprocess.Popen(
            COMMAND, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said, (home.parent / f"{home.name}.log").read_text()
        yield Service(process, urlsplit(said.split()[2]).port or 0, database_url)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_until(what: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true answer of `what`; fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            found = what()
        except (psycopg.Error, OSError):
            found = None
        if found:
            return found
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.02)
