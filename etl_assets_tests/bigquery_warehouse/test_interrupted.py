"""R8: a signal during a job of BigQuery ends the wait, and asks the service to stop the job."""

import os
import signal
import time
from pathlib import Path

import pytest

from etl_assets_tests.bigquery_warehouse.conftest import Place
from etl_assets_tests.bigquery_warehouse.test_kills import LOAD, PUBLISH, is_publication
from etl_assets_tests.contract.backends import settings_of
from etl_assets_tests.contract.days import orders, publish, staged
from etl_assets_tests.interrupted.children import Terminated, terminate_by_signals
from etl_assets_tests.processes import ended, start
from etl_assets_tests.wire.http_faults import Hold, Rule
from etl_assets_tests.wire.http_proxy import HttpProxy

SECONDS = 25  # less than a request is held


def _publish_until_signal(folder: Path, host: str) -> None:
    from etl_assets.warehouse.factory import open_warehouse

    outcome = "done"
    try:
        terminate_by_signals()
        settings = settings_of(folder).changed(bigquery_emulator_host=host)
        day = staged(folder, orders({1: "new"}), run_id="run-2")
        publish(open_warehouse(settings), day)
    except BaseException as error:
        outcome = type(error).__name__
    (folder / "outcome").write_text(outcome)


@pytest.mark.thorough_but("loading-2")
@pytest.mark.soak_for("loading-15", "publishing-2")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("request_", [LOAD, PUBLISH], ids=["loading", "publishing"])
def test_r8_a_job_is_cancelled(place: Place, request_: tuple[str, str], number: int) -> None:
    method, path = request_
    hold = Hold(done=True)  # the job is there, and its answer is not
    body = is_publication if request_ is PUBLISH else None
    with HttpProxy(place.server.rest_host, Rule(hold, method, path, body)) as proxy:
        child = start(_publish_until_signal, place.folder, proxy.host)
        assert hold.reached.wait(120)
        assert child.pid is not None
        began = time.monotonic()
        os.kill(child.pid, number)
        assert ended(child, SECONDS) == 0
        assert time.monotonic() - began < SECONDS
        cancelled = [seen for seen in proxy.requests if "/cancel" in seen.path]
    assert (place.folder / "outcome").read_text() == Terminated.__name__
    assert [seen.method for seen in cancelled] == ["POST"]
    if request_ is LOAD:
        assert place.warehouse().state() == []
