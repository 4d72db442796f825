"""A BigQuery for tests: the emulator as a process on free ports of 127.0.0.1.

By hand: `python -m etl_assets_tests.bigquery_server` (`make bigquery`) runs one in the foreground
and prints what to export; `--prepare` only makes its environment.

A green test proves nothing about partition decorators, STRING(n), the types of Parquet columns, dry
runs and cost caps, partition expiry, streaming buffers: such tests are marked `bigquery_real`.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from google.api_core.client_options import ClientOptions
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from etl_assets.config import read_settings
from etl_assets_tests.bigquery_environment import (
    NoInterpreter,
    emulator_python,
    emulator_variables,
)

PROJECT = "proj"
READY_SECONDS = 60
STOP_SECONDS = 5
RETRY_SECONDS = 5
_ATTEMPTS = 3

_PROGRAM = Path(__file__).with_name("emulator_program.py")


class QuickClient(bigquery.Client):
    """Gives up after seconds, not minutes: a server that answers 500 must not look like a hang."""

    def _call_api(self, retry: Retry | None, *arguments: Any, **named: Any) -> Any:
        if retry:
            retry = retry.with_timeout(RETRY_SECONDS).with_delay(0.05, 0.5, 2)
        return super()._call_api(retry, *arguments, **named)


@dataclass
class EmulatedBigQuery:
    """A server on the data in `folder`, which it keeps over a stop, a kill and a `start()`."""

    folder: Path
    rest_port: int
    grpc_port: int
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def rest_host(self) -> str:
        """For BIGQUERY_EMULATOR_HOST."""
        return f"127.0.0.1:{self.rest_port}"

    @property
    def grpc_host(self) -> str:
        """For BIGQUERY_STORAGE_EMULATOR_HOST."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def buckets(self) -> Path:
        """Where gs://bucket/file is for it: `buckets/bucket/file`."""
        return self.folder / "buckets"

    @property
    def log(self) -> Path:
        """What the server has printed."""
        return self.folder / "server.log"

    def client(self, host: str | None = None) -> bigquery.Client:
        """A client to close after use, of `host` if there is something in front of the server."""
        return QuickClient(
            project=PROJECT,
            credentials=AnonymousCredentials(),  # type: ignore[no-untyped-call]
            client_options=ClientOptions(api_endpoint=f"http://{host or self.rest_host}"),
        )

    def start(self) -> None:
        """Start on the same folder and ports, and wait until it answers; raises RuntimeError."""
        assert self._process is None, "it runs"
        data = self.folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        ports = ["--port", str(self.rest_port), "--grpc-port", str(self.grpc_port)]
        where = ["--host", "127.0.0.1", "--project", PROJECT, "--data-dir", str(data)]
        python = str(emulator_python())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [python, str(_PROGRAM), str(os.getpid()), "serve", *ports, *where],
                env={**emulator_variables(), "GCS_LOCAL_ROOT": str(self.buckets)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = self.log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the BigQuery emulator did not start:\n{tail}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it as a user would; kill it if that takes too long."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, connections break."""
        self._end(signal.SIGKILL)

    def wait(self) -> None:
        """Return when the process has ended by itself."""
        assert self._process is not None, "it does not run"
        self._process.wait()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _answers(self) -> bool:
        url = f"http://{self.rest_host}/bigquery/v2/projects/{PROJECT}/datasets"
        try:
            with urlopen(url, timeout=5), socket.create_connection(("127.0.0.1", self.grpc_port)):
                return self._process is not None and self._process.poll() is None
        except (URLError, OSError):
            return False


def start_bigquery(folder: Path) -> EmulatedBigQuery:
    """A running server on the data in `folder`; raises NoInterpreter or RuntimeError."""
    emulator_python()
    for attempt in range(_ATTEMPTS):
        server = EmulatedBigQuery(folder, *_free_ports())
        try:
            server.start()
        except RuntimeError:  # somebody may have been faster to take a port
            if attempt + 1 == _ATTEMPTS:
                raise
        else:
            return server
    raise AssertionError


def _free_ports() -> tuple[int, int]:
    with socket.socket() as rest, socket.socket() as grpc:
        rest.bind(("127.0.0.1", 0))
        grpc.bind(("127.0.0.1", 0))
        return rest.getsockname()[1], grpc.getsockname()[1]


def main() -> None:
    """Run one until Ctrl-C, on data that stays; with `--prepare`, only install what it needs."""
    try:
        if "--prepare" in sys.argv[1:]:
            emulator_python()
            return
        server = start_bigquery(read_settings().home / "bigquery")
    except NoInterpreter as missing:
        print(f"BigQuery tests will be skipped: {missing}", file=sys.stderr)
        sys.exit(0 if "--prepare" in sys.argv[1:] else 1)
    print(f"export BIGQUERY_EMULATOR_HOST={server.rest_host}")
    print(f"export BIGQUERY_STORAGE_EMULATOR_HOST={server.grpc_host}")
    print(f"export WAREHOUSE_URL='bigquery://{PROJECT}?dataset_prefix=demo_'", flush=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()


if __name__ == "__main__":
    main()
