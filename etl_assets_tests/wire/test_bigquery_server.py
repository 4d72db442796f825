"""The emulator that the BigQuery tests stand on: it answers, and keeps its data over a SIGKILL."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core.exceptions import GoogleAPIError

from etl_assets_tests import bigquery_environment
from etl_assets_tests.bigquery_environment import NoInterpreter, emulator_python, find_interpreter
from etl_assets_tests.bigquery_server import EmulatedBigQuery, start_bigquery


@pytest.fixture
def server(bigquery_server: EmulatedBigQuery, tmp_path: Path) -> Iterator[EmulatedBigQuery]:
    """One of the test's own, to be killed; where the session's skips, so does this."""
    server = start_bigquery(tmp_path)
    yield server
    server.stop()


@pytest.mark.soak  # bigquery_warehouse/test_kills.py stands on it, and has a share of it
def test_it_answers_and_keeps_its_data_and_ports_over_a_kill(server: EmulatedBigQuery) -> None:
    with server.client() as client:
        client.create_dataset("kept")
        client.query_and_wait("CREATE TABLE kept.numbers (number INT64)")
        client.query_and_wait("INSERT INTO kept.numbers (number) VALUES (1), (2)")
    hosts = server.rest_host, server.grpc_host

    server.kill()
    with server.client() as client, pytest.raises((GoogleAPIError, OSError)):
        client.get_dataset("kept", retry=None)
    server.start()

    assert (server.rest_host, server.grpc_host) == hosts
    with server.client() as client:
        rows = client.query_and_wait("SELECT number FROM kept.numbers ORDER BY number")
        assert [tuple(row) for row in rows] == [(1,), (2,)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of a parent's death")
def test_it_does_not_outlive_a_killed_session(
    bigquery_server: EmulatedBigQuery, tmp_path: Path
) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from etl_assets_tests.bigquery_server import start_bigquery;"
        "print(start_bigquery(Path(sys.argv[1]))._process.pid, flush=True); sys.stdin.read()"
    )
    session = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with session:
        assert session.stdout is not None
        server = Path("/proc", session.stdout.readline().decode().strip())
        assert server.exists()
        session.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _runs(server) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _runs(server)


def _runs(process: Path) -> bool:
    try:
        return ") Z " not in (process / "stat").read_text()
    except OSError:
        return False


def test_its_environment_is_made_once(bigquery_server: EmulatedBigQuery) -> None:
    made = (bigquery_environment.FOLDER / "made-from").stat().st_mtime_ns
    emulator_python()
    assert (bigquery_environment.FOLDER / "made-from").stat().st_mtime_ns == made


def test_without_an_interpreter_the_reason_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bigquery_environment, "_candidates", lambda: iter([Path("/no/python")]))
    with pytest.raises(NoInterpreter, match=r"^no Python 3\.13 or 3\.14 .*$") as raised:
        find_interpreter()
    assert "\n" not in str(raised.value)
