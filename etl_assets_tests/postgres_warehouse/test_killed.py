"""L2: whoever is killed, and when: the old day or the new one is there, and a re-run ends right."""

import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import tenacity

from etl_assets.core.errors import EtlError
from etl_assets.demo.postmaster import postmaster
from etl_assets.demo.server import EmbeddedPostgres, start_postgres
from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets_tests.contract.days import (
    DAY,
    NEXT,
    ORDERS,
    at,
    orders,
    publish,
    staged,
    values,
)
from etl_assets_tests.postgres_warehouse.boundaries import (
    BOUNDARIES,
    COMMITTED,
    NEW,
    OLD,
    Way,
    publish_until,
    put_new,
    put_old,
)
from etl_assets_tests.postgres_warehouse.warehouses import staging_tables, warehouse_at
from etl_assets_tests.processes import ended, start
from etl_assets_tests.source_tables import run

GAVE_UP = 3
SERVER_KILLS = [
    ("its process", "in mid-load", Way.REPLACE),
    ("its process", "after the rows are inserted", Way.CHANGES),
    ("its process", "before COMMIT", Way.REPLACE),
    ("the server", "in mid-load", Way.REPLACE),
    ("the server", "after the rows are inserted", Way.REPLACE),
    ("the server", "before COMMIT", Way.CHANGES),
    ("the server", "after COMMIT", Way.REPLACE),
    ("the server", "after staging", Way.CHANGES),
    ("the server", "after COMMIT", Way.CHANGES),
]


SHARE = {
    "in mid-load",
    "in the turn",
    "after the rows are deleted",
    "after the tombstones are put",
    "before COMMIT",
    "after COMMIT",
}
"""The boundaries of the default run; `make soak` has all of them."""


def kill_worker() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def whole(
    warehouse: PostgresWarehouse, url: str, folder: Path, rows: dict[int, str], run_id: str
) -> None:
    """Rows, state and quarantine are those of one run."""
    assert values(warehouse, folder) == rows
    (state,) = warehouse.state()
    assert (state.run_id, state.row_count, state.quarantined_count) == (run_id, len(rows), 1)
    assert run(url, "SELECT run_id FROM etl.etl_quarantine") == [(run_id,)]
    own = warehouse.table_state(ORDERS)
    assert own is not None
    assert (own.run_id, own.row_count) == (run_id, len(rows))
    if runs := brought(url):
        assert runs[-1] == run_id


def brought(url: str) -> list[str]:
    """The runs whose changes were published, each with all that belongs to them."""
    runs = run(url, "SELECT run_id FROM etl.etl_history ORDER BY id")
    assert run(url, "SELECT count(*) FROM etl.etl_tombstones") == [(len(runs),)]
    return [run_id for (run_id,) in runs]


@pytest.mark.thorough_but("mid-load-replace", "before COMMIT-changes", "after COMMIT-replace")
@pytest.mark.soak_for(*{boundary for boundary, _ in BOUNDARIES if boundary not in SHARE})
@pytest.mark.parametrize(("boundary", "way"), BOUNDARIES)
def test_l2_a_worker_killed_at_a_boundary(
    database_url: str, tmp_path: Path, boundary: str, way: Way
) -> None:
    with warehouse_at(database_url) as warehouse:
        put_old(warehouse, tmp_path)
        killed = start(publish_until, database_url, tmp_path, way, boundary, kill_worker)
        assert ended(killed) == -signal.SIGKILL
        is_new = boundary in COMMITTED
        rows, run_id = (NEW, "killed") if is_new else (OLD, "old")
        whole(warehouse, database_url, tmp_path, rows, run_id)
        put_new(warehouse, tmp_path, way, "again")
        if is_new and way is Way.REPLACE:  # the killed run published it all: it stays as it is
            assert values(warehouse, tmp_path) == NEW
            assert [state.run_id for state in warehouse.state()] == ["killed"]
        else:
            whole(warehouse, database_url, tmp_path, NEW, "again")
        changed = (["killed"] if is_new else []) + ["again"]
        assert brought(database_url) == (changed if way is Way.CHANGES else [])
    assert len(staging_tables(database_url)) <= 1, "the killed run's, for the sweep a day later"


@pytest.mark.parametrize("boundary", ["in mid-load", "after the rows are inserted"])
def test_l2_a_worker_killed_in_the_first_publication_of_all(
    database_url: str, tmp_path: Path, boundary: str
) -> None:
    killed = start(publish_until, database_url, tmp_path, Way.REPLACE, boundary, kill_worker)
    assert ended(killed) == -signal.SIGKILL
    with warehouse_at(database_url) as warehouse:
        assert values(warehouse, tmp_path) == {}
        assert warehouse.state() == []
        put_new(warehouse, tmp_path, Way.REPLACE, "again")
        whole(warehouse, database_url, tmp_path, NEW, "again")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fragile") / "postgres"


@pytest.fixture
def fragile(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server of these tests' own, started again if it was killed."""
    server = start_postgres(folder)
    yield server
    server.stop(immediately=True)


class KillServer:
    """Kills the server of a folder: all of it, or the process that serves our publication."""

    def __init__(self, folder: Path, what: str) -> None:
        self.folder, self.what = folder, what

    def __call__(self) -> None:
        pid = postmaster(self.folder)
        assert pid is not None
        children = psutil.Process(pid).children()
        if self.what == "its process":
            # Whatever it does, it is ours that works; PostgreSQL restarts all processes then.
            ours = [c for c in children if "idle in" in _title(c) or "COPY" in _title(c)]
            assert ours, [_title(child) for child in children]
            for child in ours:
                child.kill()
            psutil.wait_procs(ours, 20)
        else:
            server = [psutil.Process(pid), *children]
            # Stopped first: one that saw another one go would undo what it did, in an orderly way.
            for signal_ in (signal.SIGSTOP, signal.SIGKILL):
                for process in server:
                    with suppress(psutil.NoSuchProcess):
                        process.send_signal(signal_)
            psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], 1)


def until_it_answers(url: str) -> None:
    """Wait for the end of a server's recovery; fails after a minute."""
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(psycopg.OperationalError),
        stop=tenacity.stop_after_delay(60),
        wait=tenacity.wait_fixed(0.05),
        reraise=True,
    )
    attempts(lambda: run(url, "SELECT 1"))


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _publish_and_survive(url: str, folder: Path, way: Way, boundary: str, kill: KillServer) -> None:
    """In a child: a worker whose server is killed under it; exits with GAVE_UP if it did."""
    try:
        publish_until(url, folder, way, boundary, kill)
    except EtlError as error:
        os._exit(GAVE_UP if error.retryable else 1)


@pytest.mark.thorough_but("after COMMIT-changes")
@pytest.mark.soak_for("its process", "in mid-load", "after COMMIT-replace", "after staging")
@pytest.mark.parametrize(("what", "boundary", "way"), SERVER_KILLS)
def test_l2_the_server_killed_under_a_worker(
    fragile: EmbeddedPostgres, folder: Path, tmp_path: Path, what: str, boundary: str, way: Way
) -> None:
    name = f"killed_{uuid.uuid4().hex[:12]}"
    fragile.ensure_database(name)
    url = fragile.url(name)
    with warehouse_at(url) as warehouse:
        put_old(warehouse, tmp_path)
    worker = start(_publish_and_survive, url, tmp_path, way, boundary, KillServer(folder, what))
    code = ended(worker)
    assert code in {0, GAVE_UP}
    start_postgres(folder)  # unless it restarts by itself
    until_it_answers(url)
    with warehouse_at(url) as warehouse:
        if code == 0 or boundary in COMMITTED:
            whole(warehouse, url, tmp_path, NEW, "killed")
        else:
            whole(warehouse, url, tmp_path, OLD, "old")
        put_new(warehouse, tmp_path, way, "again")
        whole(warehouse, url, tmp_path, NEW, "again")


@pytest.mark.thorough_but("changes-stage")
@pytest.mark.soak_for("replace")
@pytest.mark.parametrize("after", ["stage", "facts"])
@pytest.mark.parametrize("way", Way)
def test_l2_what_a_crash_emptied_is_staged_again(
    fragile: EmbeddedPostgres,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: Way,
    after: str,
) -> None:
    """What was asked of the staged rows is asked again, or it would be the answer of none."""
    name = f"emptied_{way}_{after}"
    fragile.ensure_database(name)
    url = fragile.url(name)
    crashes: list[str] = []
    method = getattr(PostgresWarehouse, after)

    def crashing(*arguments: Any, **named: Any) -> Any:
        found = method(*arguments, **named)
        if not crashes:
            crashes.extend(staging_tables(url))
            KillServer(folder, "the server")()
            start_postgres(folder)
            counted = run(url, f'SELECT count(*) FROM etl_staging."{crashes[0]}"')
            assert counted == [(0,)]
        return found

    with warehouse_at(url) as warehouse:
        put_old(warehouse, tmp_path)
        publish(warehouse, staged(tmp_path, orders({7: "new"}, NEXT, updated=at(NEXT)), NEXT))
        monkeypatch.setattr(PostgresWarehouse, after, crashing)
        if way is Way.CHANGES:
            put_new(warehouse, tmp_path, way, "again")
        else:  # the key 60 is on the first day as well, in an older version
            moved = orders({7: "new", 60: "new"}, NEXT, updated=at(NEXT))
            publish(warehouse, staged(tmp_path, moved, NEXT))
        assert len(crashes) == 1
        rows = values(warehouse, tmp_path, DAY, NEXT)
        rest = {key: value for key, value in OLD.items() if key not in {7, 60}}
        assert rows == (NEW | {7: "new"} if way is Way.CHANGES else rest | {7: "new", 60: "new"})
        assert sum(state.row_count for state in warehouse.state()) == len(rows)
    assert staging_tables(url) == []
