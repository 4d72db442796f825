"""The engine that DuckDB files are attached to: it holds no file between two operations."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from etl_assets.core.errors import WarehouseError
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets.warehouse.duckdb.engine import Engine

_OPEN = "import duckdb, sys; duckdb.connect(sys.argv[1]).sql('FROM t').fetchall()"
_FORK = """
import os, sys
from pathlib import Path
from etl_assets.warehouse.duckdb import DuckDBWarehouse
warehouse = DuckDBWarehouse(Path(sys.argv[1]))
warehouse.migrate()
child = os.fork()
warehouse.state()
if not child:
    sys.exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture
def engine() -> Engine:
    return Engine({"memory_limit": "100MB"})


def other_process(program: str, path: Path) -> int:
    return subprocess.run([sys.executable, "-c", program, str(path)], timeout=60).returncode


def test_the_file_is_held_for_an_operation_and_not_after_it(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "it's a file.duckdb"
    for statement in ("CREATE TABLE t AS SELECT 1 AS a", "INSERT INTO t VALUES (2)"):
        connection = engine.attach(path)
        with engine.released(connection):
            connection.execute(statement)
            assert other_process(_OPEN, path) != 0
        assert other_process(_OPEN, path) == 0
    with duckdb.connect(str(path)) as found:
        assert found.execute("SELECT a FROM t ORDER BY a").fetchall() == [(1,), (2,)]


def test_an_error_rolls_back_and_lets_go_of_the_file(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    connection = engine.attach(path)
    with engine.released(connection):
        connection.execute("CREATE TABLE t (a INT)")
    connection = engine.attach(path)
    with pytest.raises(duckdb.Error), engine.released(connection):
        connection.execute("BEGIN; INSERT INTO t VALUES (1); SELECT nothing")
    assert other_process(_OPEN, path) == 0
    connection = engine.attach(path)
    with engine.released(connection):
        assert connection.execute("FROM t").fetchall() == []


def test_an_interrupt_before_the_block_keeps_nobody_out(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    engine.attach(path).execute("CREATE TABLE t (a INT)")
    connection = engine.attach(path)
    with engine.released(connection):
        assert connection.execute("FROM t").fetchall() == []


def test_closing_leaves_an_operation_that_is_under_way_alone(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    with warehouse._open("working") as connection:
        warehouse.close()
        assert connection.execute("SELECT 1").fetchone() == (1,)
    warehouse.close()
    assert warehouse.state() == []


def test_a_look_before_the_file_is_there_does_not_see_it_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two threads one makes the file when the other has just found none."""
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    warehouse.migrate()
    with warehouse._open("making the file"):
        monkeypatch.setattr(warehouse, "_is_there", lambda: False)
        assert warehouse.state() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")
def test_a_process_that_forks_and_its_child_both_go_on(tmp_path: Path) -> None:
    assert other_process(_FORK, tmp_path / "w.duckdb") == 0


def test_a_file_that_is_none_is_said_and_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.write_bytes(b"no database" * 1000)
    warehouse = DuckDBWarehouse(path)
    with pytest.raises(WarehouseError, match="is damaged, or is no DuckDB file"):
        warehouse.state()
    path.unlink()
    assert warehouse.state() == []
    warehouse.migrate()
