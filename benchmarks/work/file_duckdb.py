"""DuckDB's own readers into a table, with declared types: nothing is checked but the types."""

from pathlib import Path

import duckdb

from benchmarks.file_content import CSV, JSON_LINES, file_at
from benchmarks.task import Task

TYPES = {
    "id": "BIGINT",
    "customer_id": "BIGINT",
    "status": "VARCHAR",
    "total_cents": "BIGINT",
    "currency": "VARCHAR",
    "channel": "VARCHAR",
    "discount_cents": "INTEGER",
    "coupon_code": "VARCHAR",
    "note": "VARCHAR",
    "created_at": "TIMESTAMPTZ",
    "updated_at": "TIMESTAMPTZ",
}
_READERS = {
    CSV: "read_csv($path, columns = $types, header = true, auto_detect = false, "
    """delim = ',', quote = '"', escape = '"')""",
    JSON_LINES: "read_json($path, columns = $types, format = 'newline_delimited')",
}


def run(task: Task) -> int:
    path, reader = file_at(Path(task.url), task.variant), _READERS.get(task.variant)
    given: dict[str, object] = {"path": str(path)}
    if reader is not None:
        columns = ", ".join(f"{name}: '{kind}'" for name, kind in TYPES.items())
        reader = reader.replace("$types", f"{{{columns}}}")
    with duckdb.connect(task.path / "orders.duckdb") as warehouse:
        warehouse.execute(
            f"CREATE TABLE orders AS SELECT * FROM {reader or 'read_parquet($path)'}", given
        )
        counted = warehouse.execute("SELECT count(*) FROM orders").fetchone()
    return int(counted[0]) if counted else 0
