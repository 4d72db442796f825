"""Changes: what a sync or a repair looked up before, published in one transaction."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.contracts import polars_schema
from etl_assets.core.errors import EtlError, LostTurn
from etl_assets.core.state import Happening
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.state_store import QUARANTINED_SCHEMA
from etl_assets_tests.contract.backends import Backend, Rows
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    bring,
    by_contract,
    changes_of,
    entry,
    orders,
    own_row,
    publish,
    published,
    staged,
    token_of,
    tombstones,
    values,
)
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table

AFTER = at(NEXT, 20)


def everything(backend: Backend, folder: Path) -> dict[str, Rows]:
    """All that a warehouse holds, seen past its interface."""
    audit = ["_ingested_at", "_source", "_run_id"]
    state = ["table_name", "partition_key", "row_count", "high_watermark", "load_id", "run_id"]
    columns = {
        "etl_tables": ["table_name", "load_id", "row_count", "high_watermark", "run_id"],
        "etl_state": state,
        "etl_quarantine": ["partition_key", "source_position", "payload"],
        "etl_tombstones": ["partition_key", "row_key", "payload"],
        "etl_history": ["table_name", "kind", "at", "run_id"],
    }
    held = {name: backend.rows(folder, "etl", name, names) for name, names in columns.items()}
    names = [*(column.name for column in ORDERS.columns), *audit]
    return {"rows": backend.rows(folder, "raw", "orders", names), **held}


@pytest.mark.thorough_but("duckdb", "postgres")
def test_new_changed_and_gone_rows_are_published_with_the_states_as_given(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    untouched = staged(tmp_path, orders({9: "far"}, NEXT), NEXT)
    publish(warehouse, staged(tmp_path, orders({1: "one", 2: "two", 3: "three"})), untouched)
    day = staged(
        tmp_path,
        orders({2: "changed", 4: "new"}, updated=AFTER),
        run_id="run-2",
        source="postgres:elsewhere",
        row_count=3,
        source_count=7,
        quarantined_count=4,
        made_of="a digest",
    )
    position = own_row(high_watermark=AFTER, watermark_key='["4"]', verified_through=AS_OF)
    gone = orders({3: "three"})
    bring(warehouse, changes_of(tmp_path, token_of(warehouse), position=position, gone=gone), day)
    assert values(warehouse, tmp_path, DAY, NEXT) == {
        1: "one",
        2: "changed",
        4: "new",
        9: "far",
    }
    assert warehouse.state(ORDERS) == [day.state, untouched.state]
    assert warehouse.table_state(ORDERS) == by_contract(replace(position, row_count=4))
    assert backend.rows(tmp_path, "raw", "orders", ["id", "_source", "_run_id"]) == [
        (1, "postgres:public.orders", "run-1"),
        (2, "postgres:elsewhere", "run-2"),
        (4, "postgres:elsewhere", "run-2"),
        (9, "postgres:public.orders", "run-1"),
    ]


@pytest.mark.thorough_for("bigquery")
def test_c8_a_row_whose_day_changed_is_on_its_new_day_only(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "here", 2: "stays"})))
    left = staged(tmp_path, orders({}), row_count=1)
    moved = staged(tmp_path, orders({1: "moved"}, NEXT, updated=AFTER), NEXT)
    bring(warehouse, changes_of(tmp_path, token_of(warehouse)), left, moved)
    assert values(warehouse, tmp_path, DAY) == {2: "stays"}
    assert values(warehouse, tmp_path, NEXT) == {1: "moved"}
    assert warehouse.state(ORDERS) == [left.state, moved.state]


@pytest.mark.soak_for("bigquery")
def test_a_version_with_an_older_cursor_takes_the_place_as_well(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    """A repair puts back what the source says, whatever the cursors are."""
    publish(warehouse, staged(tmp_path, orders({1: "wrong"}, updated=AFTER)))
    repair = staged(tmp_path, orders({1: "right"}, updated=at(DAY, 1)))
    bring(warehouse, changes_of(tmp_path, token_of(warehouse)), repair)
    assert values(warehouse, tmp_path) == {1: "right"}


@pytest.mark.soak_for("bigquery")
def test_keys_of_two_columns_are_replaced_and_removed_as_a_whole(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    dtypes = {"id": pl.Int64, "line": pl.String, "day_at": UTC_MOMENT, "v": pl.String}
    lines = layer_table(dtypes, name="lines", key=("id", "line"))

    def rows(found: dict[tuple[int, str], str]) -> pl.DataFrame:
        return pl.DataFrame(
            [(*key, at(DAY), value) for key, value in found.items()],
            schema=polars_schema(lines.columns),
            orient="row",
        )

    before = {(1, "ä"): "a", (1, "b"): "b", (2, "ä"): "c", (2, "it's"): "d"}
    publish(warehouse, staged(tmp_path, rows(before), table=lines), table=lines)
    changes = changes_of(
        tmp_path, token_of(warehouse, lines), gone=rows({(1, "ä"): "a"}), table=lines
    )
    day = staged(tmp_path, rows({(2, "it's"): "changed"}), table=lines, row_count=3)
    bring(warehouse, changes, day, table=lines)
    found = published(warehouse, tmp_path, table=lines).select("id", "line", "v").rows()
    assert found == [(1, "b", "b"), (2, "it's", "changed"), (2, "ä", "c")]


@pytest.mark.soak_for("bigquery")
def test_without_days_the_position_moves_and_what_is_published_stays(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    day = staged(tmp_path, orders({1: "one"}), rejected=["{}"], position="id=8")
    publish(warehouse, day)
    position = own_row(high_watermark=AFTER)
    happened = entry('{"why": "nothing changed"}')
    changes = changes_of(
        tmp_path,
        token_of(warehouse),
        position=position,
        tombstones=tombstones("id=7"),
        history=[happened],
    )
    bring(warehouse, changes)
    assert warehouse.state(ORDERS) == [day.state]
    assert warehouse.table_state(ORDERS) == by_contract(replace(position, row_count=1))
    assert warehouse.history(ORDERS, Happening.WATERMARK) == [happened]
    held = everything(backend, tmp_path)
    assert [row[0] for row in held["rows"]] == [1]
    assert held["etl_quarantine"] == [(DAY, "id=8", "{}")]
    columns = ["table_name", "partition_key", "row_key", "payload", "run_id", "found_at"]
    assert backend.rows(tmp_path, "etl", "etl_tombstones", columns) == tombstones("id=7").rows()


@pytest.mark.soak_for("bigquery")
def test_a_table_that_nobody_published_yet_is_synced_from_nothing(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    assert warehouse.table_state(ORDERS) is None
    day = staged(tmp_path, orders({1: "one"}))
    position = own_row()
    bring(warehouse, changes_of(tmp_path, None, position=position), day)
    assert values(warehouse, tmp_path) == {1: "one"}
    assert warehouse.state(ORDERS) == [day.state]
    assert warehouse.table_state(ORDERS) == by_contract(replace(position, row_count=1))


@pytest.mark.thorough_for("bigquery")
def test_of_the_quarantine_only_cleared_positions_leave(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    other = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT}, name="other")
    empty = pl.DataFrame(schema=polars_schema(other.columns))
    theirs = staged(tmp_path, empty, table=other, rejected=["theirs"], position="id=8")
    publish(warehouse, theirs, table=other)
    publish(
        warehouse,
        staged(tmp_path, orders({}), rejected=["old"], position="id=8"),
        staged(tmp_path, orders({}, NEXT), NEXT, rejected=["kept"], position="it's 7"),
    )
    again = staged(tmp_path, orders({}), rejected=["again"], position="id=8")
    late = staged(tmp_path, orders({}, NEXT), NEXT, rejected=["late"], position="id=9")
    changes = changes_of(tmp_path, token_of(warehouse), cleared=["id=8", "it's 6"])
    bring(warehouse, changes, again, late)
    columns = ["payload", "source_position", "partition_key", "table_name"]
    assert backend.rows(tmp_path, "etl", "etl_quarantine", columns) == [
        ("again", "id=8", DAY, "raw/orders"),
        ("kept", "it's 7", NEXT, "raw/orders"),
        ("late", "id=9", NEXT, "raw/orders"),
        ("theirs", "id=8", DAY, "raw/other"),
    ]
    found = warehouse.quarantined(ORDERS)
    assert found.schema == QUARANTINED_SCHEMA
    assert found.sort("source_position").rows() == [
        (DAY, "v: isin", "id=8", "again"),
        (NEXT, "v: isin", "id=9", "late"),
        (NEXT, "v: isin", "it's 7", "kept"),
    ]
    some = warehouse.quarantined(ORDERS, positions=["id=8", "it's 7", "id=1"])
    assert sorted(some["payload"]) == ["again", "kept"]
    assert sorted(warehouse.quarantined(ORDERS, days=[NEXT])["payload"]) == ["kept", "late"]
    both = warehouse.quarantined(ORDERS, positions=["id=8", "id=9"], days=[NEXT])
    assert both["payload"].to_list() == ["late"]
    assert warehouse.quarantined(ORDERS, positions=[]).schema == QUARANTINED_SCHEMA
    assert warehouse.quarantine_counts(ORDERS) == {DAY: 1, NEXT: 2}


@pytest.mark.soak_for("bigquery")
def test_l3_changes_that_were_looked_up_before_another_publication_change_nothing(
    warehouse: Warehouse, backend: Backend, tmp_path: Path
) -> None:
    def attempt(token: str | None) -> None:
        changes = changes_of(
            tmp_path,
            token,
            gone=orders({1: "one"}),
            tombstones=tombstones("id=1"),
            cleared=["id=0"],
            history=[entry()],
        )
        bring(warehouse, changes, staged(tmp_path, orders({2: "new"}), rejected=["[]"]))

    with pytest.raises(LostTurn, match="raw/orders") as never_there:
        attempt("a token")
    assert never_there.value.retryable
    assert warehouse.state() == []
    publish(warehouse, staged(tmp_path, orders({1: "one"}), rejected=["{}"]))
    looked_up = token_of(warehouse)
    publish(warehouse, staged(tmp_path, orders({3: "other"}, NEXT), NEXT))
    before = everything(backend, tmp_path)
    for token in (looked_up, None):
        with pytest.raises(LostTurn, match="raw/orders"):
            attempt(token)
    assert everything(backend, tmp_path) == before
    attempt(token_of(warehouse))
    assert values(warehouse, tmp_path, DAY, NEXT) == {2: "new", 3: "other"}


@pytest.mark.thorough_for("bigquery")
def test_l3_of_changes_that_race_with_one_token_one_is_published(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    publish(warehouse, staged(tmp_path, orders({0: "old"})))
    token = token_of(warehouse)

    def attempt(number: int) -> int:
        day = staged(tmp_path, orders({number: "new"}), row_count=2)
        try:
            bring(warehouse, changes_of(tmp_path, token, history=[entry()]), day)
        except LostTurn:
            return 0
        return number

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(attempt, range(1, 5)))
    assert values(warehouse, tmp_path) == {0: "old", max(won): "new"}
    assert sorted(won)[:3] == [0, 0, 0]
    assert len(warehouse.history(ORDERS, Happening.WATERMARK)) == 1


@pytest.mark.thorough_but("duckdb", "postgres-leaving")
@pytest.mark.soak_for("bigquery-tombstones")
@pytest.mark.parametrize("part", ["leaving", "tombstones"])
def test_l2_changes_that_break_in_the_middle_change_nothing(
    warehouse: Warehouse, backend: Backend, tmp_path: Path, part: str
) -> None:
    publish(warehouse, staged(tmp_path, orders({1: "old"}), rejected=["{}"]))
    before = everything(backend, tmp_path)
    changes = changes_of(
        tmp_path,
        token_of(warehouse),
        gone=orders({1: "old"}),
        tombstones=tombstones("id=1"),
        cleared=["id=0"],
        history=[entry()],
    )
    if part == "tombstones":
        changes.tombstones.files[0].write_bytes(b"text")
    day = staged(tmp_path, orders({2: "new"}), rejected=["[]"])
    with pytest.raises(EtlError) as caught:
        bring(warehouse, changes, day, harm=part == "leaving")
    assert everything(backend, tmp_path) == before
    assert "old" not in str(caught.value), "the message must not quote rows"
