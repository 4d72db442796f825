"""R8: a run that is terminated, and a command that Ctrl-C stops, while a table is locked."""

import os
import re
import signal
import subprocess
import uuid
from datetime import date
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from etl_assets.config import Settings
from etl_assets.demo.billing import fill_billing
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.demo.shop import fill_shop
from etl_assets.orchestration.backfill import QUIET
from etl_assets.orchestration.build import build_definitions
from etl_assets.orchestration.platform import Platform
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets_tests.e2e.command import PROGRAMS, REPOSITORY
from etl_assets_tests.interrupted.test_signals import ACTIVE, WORKING, until
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import run

FIRST, LAST = date(2024, 1, 1), date(2024, 1, 2)
SECONDS = 60  # of a busy machine; who waits for the lock waits for ever


def _run_sync(url: str, home: Path, run_id: str) -> None:
    """In the child: what the code server does with a run of the sync job."""
    settings = Settings(home=home, database_url=url, first_day=FIRST, last_day=LAST)
    definitions = build_definitions(settings, overrides={"platform": Platform(settings)})
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        definitions.resolve_job_def("sync").execute_in_process(
            instance=instance,
            op_selection=["sync__orders", "sync__customers"],
            raise_on_error=False,
            run_config=QUIET,
            run_id=run_id,
        )


@pytest.mark.thorough_but("15")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_r8_a_terminated_run_ends_as_canceled(
    database_url: str, tmp_path: Path, number: int
) -> None:
    fill_shop(database_url, days=2, orders_a_day=5)
    fill_billing(database_url, days=2, orders_a_day=5)
    (tmp_path / "dagster").mkdir()
    run_id = str(uuid.uuid4())
    with (
        psycopg.connect(database_url) as holder,
        dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance,
    ):
        holder.execute("LOCK TABLE orders, customers")
        child = start(_run_sync, database_url, tmp_path, run_id)
        assert child.pid is not None
        until(lambda: run(database_url, WORKING["lock"])[0][0], "the run's wait", 120)
        started = instance.get_run_by_id(run_id)
        assert started is not None
        instance.report_run_canceling(started)  # as "Terminate" does before it sends the signal
        os.kill(child.pid, number)
        assert ended(child, SECONDS) == 0
        until(lambda: run(database_url, ACTIVE) == [(0,)], "the end of the statement")
        finished = instance.get_run_by_id(run_id)
        assert finished is not None
        assert finished.status is dg.DagsterRunStatus.CANCELED
        attempts = instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.STEP_UP_FOR_RETRY
        )
        assert attempts.records == []
    assert DuckDBWarehouse(tmp_path / "warehouse.duckdb").state() == []


PROGRESS = r"\d+:\d\d:\d\d "
"""How far it is, which is told where a busy machine keeps it waiting for more than five seconds."""


@pytest.mark.thorough_but("sync-SIGINT")
@pytest.mark.soak_for("backfill-SIGINT", "reconcile-SIGTERM")
@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (["sync", "raw/orders"], signal.SIGINT),
        (["reconcile", "raw/orders", "--repair"], signal.SIGTERM),
        (["backfill", "raw/orders"], signal.SIGTERM),
        (["backfill", "raw/orders"], signal.SIGINT),
        (["doctor"], signal.SIGINT),
    ],
    ids=lambda value: " ".join(value[:1]) if isinstance(value, list) else value.name,
)
def test_r8_ctrl_c_ends_a_command_with_130_and_says_so(
    postgres: EmbeddedPostgres,
    database_url: str,
    tmp_path: Path,
    arguments: list[str],
    number: signal.Signals,
) -> None:
    fill_shop(database_url, days=2, orders_a_day=5)
    fill_billing(database_url, days=2, orders_a_day=5)
    postgres.ensure_database("interrupted_dagster")
    dagster_url = postgres.url("interrupted_dagster")
    environment = {
        "PATH": f"{PROGRAMS}:{os.defpath}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "ETL_HOME": str(tmp_path),
        "ETL_LAST_DAY": LAST.isoformat(),
        "DATABASE_URL": database_url,
        "DATABASE_URL_BILLING": database_url,
        "DAGSTER_POSTGRES_URL": dagster_url,
    }
    with psycopg.connect(database_url) as holder:
        holder.execute("LOCK TABLE orders")
        process = subprocess.Popen(
            [str(PROGRAMS / "etl-assets"), *arguments],
            env=environment,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            until(lambda: run(database_url, WORKING["lock"])[0][0], "the command's wait", 120)
            if number == signal.SIGINT:
                os.killpg(process.pid, number)  # as a terminal does, to all of its processes
            else:
                process.send_signal(number)
            out, err = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
        until(lambda: run(database_url, ACTIVE) == [(0,)], "the end of the statement")
    assert process.returncode == 130, out + err
    *before, last = err.strip().splitlines()
    assert last == "Interrupted. Nothing unfinished was published."
    told = [line for line in before if not re.match(PROGRESS, line)]
    assert all(line.startswith("Stopped after ") for line in told), err
    assert "Traceback" not in out
    assert DuckDBWarehouse(tmp_path / "warehouse.duckdb").state() == []
    if arguments[0] != "doctor":
        newest = run(dagster_url, "SELECT status FROM runs ORDER BY id DESC LIMIT 1")
        assert newest == [("CANCELED",)]
