"""The S3 of the tests: it ends with the session, and the proxy in front of it cuts and refuses."""

import http.client
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from etl_assets_tests.s3_server import HEADERS, S3Server
from etl_assets_tests.wire.http_faults import CutAnswer, Rule, S3Answer
from etl_assets_tests.wire.http_proxy import HttpProxy


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of a parent's death")
def test_it_does_not_outlive_a_killed_session(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path;"
        "from etl_assets_tests.s3_server import start_s3;"
        "print(start_s3(Path(sys.argv[1]), 0).process.pid, flush=True); sys.stdin.read()"
    )
    session = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, str(tmp_path / "log")],
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


def test_of_a_cut_answer_so_many_bytes_arrive(s3: S3Server) -> None:
    with (
        HttpProxy(s3.host, Rule(CutAnswer(1))) as proxy,
        closing(http.client.HTTPConnection(proxy.host, timeout=30)) as connection,
    ):
        connection.request("GET", "/many/orders/000042.csv", headers=HEADERS)
        response = connection.getresponse()
        assert response.getheader("Content-Length") == "2"
        with pytest.raises(http.client.IncompleteRead) as caught:
            response.read()
    assert caught.value.partial == b"4"


def test_an_error_is_s3s(s3: S3Server) -> None:
    with (
        HttpProxy(s3.host, Rule(S3Answer(503, "SlowDown"))) as proxy,
        closing(http.client.HTTPConnection(proxy.host, timeout=30)) as connection,
    ):
        connection.request("GET", "/many/orders/000042.csv", headers=HEADERS)
        response = connection.getresponse()
        assert response.status == 503
        assert b"<Code>SlowDown</Code>" in response.read()


def _runs(process: Path) -> bool:
    try:
        return ") Z " not in (process / "stat").read_text()
    except OSError:
        return False
