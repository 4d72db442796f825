"""The real `etl-assets dev`, away from the repository: what it says, and how it ends.

M7: its processes end with it. R8: a run that is terminated in the UI is canceled in seconds. M8: a
run whose process was killed is started again.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from etl_assets.demo.billing import fill_billing
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.demo.shop import fill_shop
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.e2e.command import PROGRAMS
from etl_assets_tests.e2e.dagster_ui import DagsterUI, _free_port, wait_for
from etl_assets_tests.source_tables import run

# Starts whole platforms and waits for their daemons: minutes on a busy machine.
pytestmark = pytest.mark.soak

LAUNCH = """mutation ($ops: [String!]!) { launchRun(executionParams: { selector: {
  repositoryLocationName: "etl_assets", repositoryName: "__repository__", jobName: "sync",
  solidSelection: $ops }, runConfigData: {} }) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
TERMINATE = """mutation ($id: String!) { terminateRun(runId: $id) { __typename } }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
RUNS = """{ runsOrError(limit: 20) { ... on Runs { results { runId parentRunId status } } } }"""
LOCKED = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
    "AND application_name LIKE 'etl_assets%' AND datname = current_database()"
)


@dataclass
class Dev:
    """A running `dev`, what it has printed, and every process that it has started."""

    process: "subprocess.Popen[bytes]"
    log: Path
    ui: DagsterUI
    source: str
    home: Path

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def launch(self, *ops: str) -> str:
        launched = self.ui.ask(LAUNCH, ops=list(ops))["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def status(self, run_id: str) -> str:
        return str(self.ui.ask(STATUS, id=run_id)["runOrError"]["status"])


@contextmanager
def running(postgres: EmbeddedPostgres, folder: Path, name: str) -> Iterator[Dev]:
    for database in (name, f"{name}_dagster"):
        postgres.ensure_database(database)
    source = postgres.url(name)
    fill_shop(source, days=2, orders_a_day=60)
    fill_billing(source, days=2, orders_a_day=60)
    home, away, port = folder / "home", folder / "away", _free_port()
    away.mkdir(parents=True)
    environment = {
        "PATH": f"{PROGRAMS}:{os.defpath}",
        "HOME": str(folder),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "ETL_HOME": str(home),
        "ETL_LAST_DAY": "2024-01-02",
        "DATABASE_URL": source,
        "DATABASE_URL_BILLING": source,
        "DAGSTER_POSTGRES_URL": postgres.url(f"{name}_dagster"),
    }
    log = folder / "dev.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(PROGRAMS / "etl-assets"), "dev", "--port", str(port)],
            cwd=away,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    ui = DagsterUI(f"http://127.0.0.1:{port}", log)
    family: list[psutil.Process] = []
    try:
        wait_for(lambda: "Dagster UI: " in log.read_text() or process.poll(), 240, f"see {log}")
        assert process.poll() is None, log.read_text()
        dev = Dev(process, log, ui, source, home)
        family = dev.family()
        yield dev
    finally:
        if process.poll() is None:
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()
        for one in family:
            if one.is_running():
                one.kill()
        process.wait()


def gone(family: list[psutil.Process]) -> bool:
    return not [one for one in family if one.is_running() and one.status() != "zombie"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_m7_a_signal_to_dev_alone_ends_all_that_it_started(
    postgres: EmbeddedPostgres, tmp_path: Path, number: signal.Signals
) -> None:
    with running(postgres, tmp_path, f"dev_{number.name.lower()}") as dev:
        assert dev.ui.ask("{ version }")["version"]  # it is announced when it answers
        family = dev.family()
        assert len(family) >= 3, "dagster dev, the webserver and the daemon"
        dev.process.send_signal(number)
        wait_for(lambda: dev.process.poll() is not None, 100, "the end of dev")
        wait_for(lambda: gone(family), 100, f"the end of {family}")
        said = dev.log.read_text()
        assert "dagster.yaml" not in said
        assert " DEBUG " not in said
        assert "WARNING" not in said
        assert "Traceback" not in said
        if number != signal.SIGKILL:
            with psycopg.connect(postgres.url(f"dev_{number.name.lower()}_dagster")) as connection:
                beats = connection.execute("SELECT count(*) FROM daemon_heartbeats").fetchone()
            assert beats == (0,), "a sync that follows would leave late days to its sensors"


def test_m7_a_port_that_is_in_use_is_named(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    import socket

    from etl_assets_tests.e2e.command import Commands

    postgres.ensure_database("dev_port")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        environment = {
            "ETL_HOME": str(tmp_path),
            "DAGSTER_POSTGRES_URL": postgres.url("dev_port"),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }
        done = Commands(environment).etl_assets("dev", "--port", str(port))
    assert done.code == 1
    assert f"Port {port}" in done.message
    assert f"--port {port + 1}" in done.message
    assert "Traceback" not in done.message


def _workers(dev: Dev) -> list[psutil.Process]:
    """The processes of runs: children that the code server has spawned."""

    def is_worker(one: psutil.Process) -> bool:
        try:
            return "spawn_main" in " ".join(one.cmdline())
        except psutil.Error:
            return False

    return [one for one in dev.family() if is_worker(one)]


def test_r8_m8_a_run_is_terminated_in_the_ui_and_a_killed_one_is_started_again(
    postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    with running(postgres, tmp_path, "dev_runs") as dev:
        with psycopg.connect(dev.source) as holder:
            holder.execute("LOCK TABLE orders")
            run_id = dev.launch("sync__orders")
            wait_for(lambda: run(dev.source, LOCKED)[0][0], 120, f"the lock, see {dev.log}")
            dev.ui.ask(TERMINATE, id=run_id)
            began = time.monotonic()
            wait_for(lambda: dev.status(run_id) != "CANCELING", 60, "the end of the run")
            assert dev.status(run_id) == "CANCELED"
            assert time.monotonic() - began < 60
            wait_for(lambda: run(dev.source, LOCKED) == [(0,)], 5, "the end of the statement")
            assert DuckDBWarehouse(dev.home / "warehouse.duckdb").state() == []

            killed = dev.launch("sync__orders")
            wait_for(lambda: run(dev.source, LOCKED)[0][0], 120, f"the lock, see {dev.log}")
            for worker in _workers(dev):
                if worker.is_running():
                    worker.kill()
            wait_for(lambda: dev.status(killed) == "FAILURE", 120, "the failure")

        def again() -> Any:
            runs = dev.ui.ask(RUNS)["runsOrError"]["results"]
            return [one for one in runs if one["parentRunId"] == killed]

        wait_for(again, 120, f"another run, see {dev.log}")
        wait_for(lambda: again()[0]["status"] == "SUCCESS", 120, f"its success, see {dev.log}")
        assert DuckDBWarehouse(dev.home / "warehouse.duckdb").state()
        assert " DEBUG " not in dev.log.read_text()
