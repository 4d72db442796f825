"""What the fixtures of an earlier release hold, and what must be there after they are brought over.

`fixtures/old_warehouse.sql` is the dump of a PostgreSQL, `fixtures/old_warehouse.duckdb.gz` a
DuckDB file, both as the last release before version 4 left them: two days published, changes
synced, a row in quarantine, one deleted, days to be loaded again, a table without a cursor.
"""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from etl_assets.core.state import Happening, TableState
from etl_assets.core.table import versions_of
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.days import AS_OF, DAY, NEXT, ORDERS, at, values

FIXTURES = Path(__file__).parent / "fixtures"
LATER = AS_OF + timedelta(days=1)
VERSIONED = replace(ORDERS, versions=versions_of(ORDERS))
DAILY = replace(ORDERS, name="daily", cursor_column=None, source=None)
OF_ORDERS = TableState(
    table_name="raw/orders",
    load_id=f"{3:032x}",
    run_id="run-2",
    as_of=LATER,
    updated_at=LATER,
    row_count=2,
    high_watermark=at(NEXT, 15),
    watermark_key='["3"]',
    source_columns='{"id": "bigint", "v": "text"}',
    first_day=date(2023, 1, 1),
    last_day=date(2024, 12, 31),
    verified_through=AS_OF,
).with_days_to_reload(dict.fromkeys([NEXT, date(2024, 5, 19)], "refused before"))
OF_DAILY = TableState("raw/daily", f"{6:032x}", "run-2", LATER, LATER, row_count=3)
ROWS = {
    "raw.orders": [(1, "changed"), (3, "three")],
    "raw.daily": [(1, "a"), (2, "b"), (3, "c")],
    "raw.orders_versions": [(1, "changed"), (1, "one"), (2, "two"), (3, "three")],
}
"""What an earlier release published, by table."""


def assert_nothing_is_lost(warehouse: Warehouse, folder: Path) -> None:
    """Fail unless the warehouse remembers of its tables what the earlier release did."""
    assert warehouse.table_state(ORDERS) == OF_ORDERS
    assert warehouse.table_state(DAILY) == OF_DAILY
    counts = [(s.table_name, s.partition_key, s.row_count) for s in warehouse.state()]
    assert counts == [
        ("raw/daily", DAY, 1),
        ("raw/daily", NEXT, 2),
        ("raw/orders", DAY, 1),
        ("raw/orders", NEXT, 1),
        ("raw/orders_versions", DAY, 3),
        ("raw/orders_versions", NEXT, 1),
    ]
    first = warehouse.state(DAILY)[0]
    assert (first.made_of, first.checks_passed, first.seconds) == ("upstream", 8, 0.25)
    assert warehouse.state(ORDERS)[0].verified_through == LATER
    assert warehouse.quarantined(ORDERS).rows() == [(DAY, "v: isin", "id=9", '{"id": "9"}')]
    kinds = {kind: len(warehouse.history(ORDERS, kind)) for kind in [*Happening, "owed"]}
    assert kinds == {"columns": 2, "reload": 2, "scope": 2, "watermark": 1} | {
        "reconciliation": 0,
        "field": 0,
        "gained": 0,
        "owed": 0,
    }
    assert values(warehouse, folder, DAY, NEXT) == dict(ROWS["raw.orders"])
