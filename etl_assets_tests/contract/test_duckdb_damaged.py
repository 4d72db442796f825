"""M2, M11: a DuckDB file that is damaged, or a path that cannot be: one message with the cause."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from etl_assets.core.errors import ConfigError, WarehouseError
from etl_assets.warehouse.duckdb import DuckDBWarehouse
from etl_assets.warehouse.duckdb.failures import statement_failed
from etl_assets_tests.contract.days import ORDERS, orders, publish, staged, values
from etl_assets_tests.source_tables import plain_table

ROWS = 20_000


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("sound")
    rows = orders({number: f"{'x' * 50}{number}" for number in range(ROWS)})
    publish(DuckDBWarehouse(folder / "w.duckdb"), staged(folder, rows))
    return (folder / "w.duckdb").read_bytes()


def use(path: Path, folder: Path) -> None:
    """All that a command may do with it."""
    warehouse = DuckDBWarehouse(path, wait_seconds=1)
    warehouse.state()
    values(warehouse, folder)
    warehouse.quarantined(ORDERS)
    publish(warehouse, staged(folder, orders({1: "new"}), run_id="next"))


def _flip(data: bytes, *places: int) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 0xFF
    return bytes(changed)


def _many(data: bytes) -> bytes:
    return _flip(data, *random.Random(11).sample(range(len(data)), 5000))


def _block(data: bytes, start: int, fill: bytes) -> bytes:
    return data[:start] + fill * 4096 + data[start + 4096 * len(fill) :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "its first byte": lambda data: _flip(data, 0),
    "its checksum": lambda data: _flip(data, 1),
    "its magic word": lambda data: _flip(data, 9),
    "its version": lambda data: _flip(data, 12),
    "both headers": lambda data: _flip(data, 4096 + 16, 8192 + 16),
    "both headers, many bytes": lambda data: _block(data, 4096, b"\xff") if data else data,
    "all blocks": lambda data: data[:12288] + b"\0" * (len(data) - 12288),
    "many bytes": _many,
    "a row group": lambda data: _flip(data, *range(12288 + 262144 * 2 + 9, len(data), 262144)),
    "cut off in its header": lambda data: data[:5000],
    "cut off after its header": lambda data: data[:12288],
    "cut off in the middle": lambda data: data[: len(data) // 2],
    "a text": lambda _: b"id,name\n1,Anna\n" * 1000,
    "no bytes of DuckDB": lambda data: random.Random(1).randbytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_m11_a_damaged_file_is_told_as_such(tmp_path: Path, sound: bytes, damage: str) -> None:
    path = tmp_path / "w.duckdb"
    path.write_bytes(DAMAGES[damage](sound))
    with pytest.raises(WarehouseError) as raised:
        use(path, tmp_path)
    assert str(path) in raised.value.what
    assert "is damaged" in raised.value.what
    assert "backup" in raised.value.next_step
    assert "xxxx" not in str(raised.value)


@pytest.mark.parametrize(
    "error",
    [
        duckdb.InternalException("INTERNAL Error: secret"),
        duckdb.FatalException("FATAL Error: secret"),
        duckdb.SerializationException("Serialization Error: secret"),
        duckdb.IOException("IO Error: Corrupt database file: secret"),
        duckdb.Error("Corrupt database file: computed checksum secret"),
        RuntimeError("secret"),
        MemoryError("secret"),
        UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"),
    ],
)
def test_m11_whatever_a_statement_raises_names_the_file(error: Exception, tmp_path: Path) -> None:
    ours = statement_failed(error, tmp_path / "w.duckdb", "reading raw/orders")
    assert "w.duckdb is damaged" in ours.what
    assert "reading raw/orders" in ours.what
    assert "secret" not in str(ours)


def _a_file(folder: Path) -> Path:
    (folder / "file").write_text("x")
    return folder / "file"


IMPOSSIBLE: dict[str, Callable[[Path], Path]] = {
    "its parent is a file": lambda folder: _a_file(folder) / "w.duckdb",
    "a parent's parent is a file": lambda folder: _a_file(folder) / "deep" / "w.duckdb",
    "it is a folder": lambda folder: folder,
    "its parent is a device": lambda _: Path("/dev/null/w.duckdb"),
    "a folder that nobody can write": lambda _: Path("/proc/w.duckdb"),
    "a folder that nobody can make": lambda _: Path("/proc/deep/w.duckdb"),
    "its name is too long": lambda folder: folder / ("w" * 300),
}


def _a_loop(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop" / "w.duckdb"


IMPOSSIBLE["its parent is a loop of links"] = _a_loop


@pytest.mark.parametrize("kind", IMPOSSIBLE)
def test_m2_a_path_that_cannot_be_is_told_at_once(tmp_path: Path, kind: str) -> None:
    path = IMPOSSIBLE[kind](tmp_path)
    warehouse = DuckDBWarehouse(path, wait_seconds=600)
    began = time.monotonic()
    with pytest.raises(ConfigError) as raised:
        publish(warehouse, staged(tmp_path / "spool", orders({1: "one"})))
    assert time.monotonic() - began < 120
    assert "WAREHOUSE_URL" in raised.value.next_step
    assert str(path.parent) in raised.value.what


@pytest.mark.parametrize("kind", ["it is a folder", "its name is too long"])
def test_m2_status_says_it_as_well(tmp_path: Path, kind: str) -> None:
    warehouse = DuckDBWarehouse(IMPOSSIBLE[kind](tmp_path), wait_seconds=60)
    with pytest.raises(ConfigError) as raised:
        warehouse.state()
    assert "WAREHOUSE_URL" in raised.value.next_step


def test_m2_a_lock_that_cannot_be_opened_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    Path(f"{path}.lock").mkdir()
    with pytest.raises(ConfigError, match=r"w\.duckdb\.lock") as raised:
        publish(DuckDBWarehouse(path, wait_seconds=60), staged(tmp_path, orders({1: "one"})))
    assert "right to write" in raised.value.next_step


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"ABC": pl.String, "abc": pl.String}, "'ABC' and 'abc'"),
        ({"Straße A": pl.Int64, "straße a": pl.Int64}, "'Straße A' and 'straße a'"),
        ({"Day_At": pl.Date}, "'Day_At' and 'day_at'"),
    ],
)
def test_m11_columns_that_differ_by_case_only(
    tmp_path: Path, names: dict[str, type], told: str
) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    with pytest.raises(WarehouseError) as raised:
        warehouse.ensure(plain_table(names))
    assert told in raised.value.what
    assert "upper and lower case" in raised.value.what


def test_names_that_duckdb_keeps_apart_are_taken(tmp_path: Path) -> None:
    DuckDBWarehouse(tmp_path / "w.duckdb").ensure(plain_table({"Ärger": pl.Date, "ärger": pl.Date}))


def test_m11_tables_that_differ_by_case_only(tmp_path: Path) -> None:
    warehouse = DuckDBWarehouse(tmp_path / "w.duckdb")
    warehouse.ensure(plain_table(name="ABC"))
    warehouse.ensure(plain_table(name="ABC"))
    with pytest.raises(WarehouseError, match=r"raw\.ABC.*raw\.abc.*upper and lower case") as raised:
        warehouse.ensure(plain_table(name="abc"))
    assert "another name" in raised.value.next_step
