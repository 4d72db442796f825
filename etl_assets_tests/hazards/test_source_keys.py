"""Keys that are NULL (R1), keys of more than one row (R9), rows that no dtype holds (R5)."""

from dataclasses import replace
from datetime import date
from typing import Any

import polars as pl
import pytest

from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import Parent
from etl_assets.core.table import LayerTable
from etl_assets_tests.changing import LATER, MUCH, changing_table, frame_of, make_things
from etl_assets_tests.source_tables import (
    NAIVE,
    UTC_MOMENT,
    layer_table,
    read_day,
    run,
    snapshot_of,
)

PAIR = {"id": pl.Int64, "device": pl.String}
PAIRS = changing_table(PAIR, key=("id", "device"))
EVERY_DAY = Scope(date(2024, 1, 1))
BIRTH = "'2024-05-17'::timestamptz"


def make_pairs(url: str, *pairs: str, more: str = "") -> None:
    rows = ", ".join(f"({pair}, {BIRTH}, {BIRTH}, {n})" for n, pair in enumerate(pairs))
    run(
        url,
        "CREATE TABLE things (id bigint, device text, day_at timestamptz, updated_at timestamptz,"
        f" v int{more})",
        f"INSERT INTO things VALUES {rows}",
    )


def pairs_of(frame: pl.DataFrame) -> list[tuple[int | None, str | None]]:
    key = frame.select("id", "device").rows()
    return sorted(key, key=lambda pair: (pair[0] is None, pair[0], pair[1] is None, pair[1]))


def keys(*pairs: tuple[int | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(list(pairs), schema=PAIR, orient="row")


ALL = ["1, 'a'", "1, NULL", "NULL, 'a'", "NULL, NULL", "2, 'a'", "2, 'N'", "3, ''"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ([(1, None)], [(1, None)]),
        ([(None, None)], [(None, None)]),
        ([(None, "a"), (2, "a")], [(2, "a"), (None, "a")]),
        ([(1, "a"), (1, None), (None, None), (9, None)], [(1, "a"), (1, None), (None, None)]),
        ([(2, None), (3, None), (None, "N"), (None, "")], []),
        ([(3, ""), (3, "")], [(3, "")]),
    ],
)
def test_r1_rows_are_found_by_keys_with_null_in_them_and_no_others(
    database_url: str, wanted: list[tuple[int | None, str | None]], found: list[Any]
) -> None:
    make_pairs(database_url, *ALL)
    with snapshot_of(database_url, PAIRS) as snapshot:
        read = snapshot.by_keys(keys(*wanted))
        assert read.rows == len(found)
        assert pairs_of(frame_of(read)) == found


def test_r1_a_table_without_a_cursor_is_asked_for_keys_as_well(database_url: str) -> None:
    make_pairs(database_url, *ALL)
    table = replace(PAIRS, cursor_column=None)
    with snapshot_of(database_url, table) as snapshot:
        assert (
            pairs_of(frame_of(snapshot.by_keys(keys((1, None), (2, "N")))))
            == [
                (2, "N"),
                (1, None),
            ][::-1]
        )


def test_r1_a_key_that_no_dtype_holds_is_null_where_the_contract_says_so(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id numeric NOT NULL, day_at timestamptz, updated_at timestamptz)",
        f"INSERT INTO things SELECT n, {BIRTH}, {BIRTH}"
        " FROM unnest('{1,NaN,Infinity,2}'::numeric[]) n",
    )
    options = {"id": {"on_unrepresentable": "null"}}
    table = changing_table({"id": pl.Decimal(9, 2)}, options=options, key=("id",))
    wanted = pl.DataFrame({"id": [None, "2"]}).cast({"id": pl.Decimal(9, 2)})
    with snapshot_of(database_url, table) as snapshot:
        found = frame_of(snapshot.by_keys(wanted))
        assert found["id"].null_count() == 2
        assert found.height == 3
        repeated = snapshot.repeated_keys(EVERY_DAY)
    assert repeated["id"].to_list() == [None]


def test_r1_an_index_serves_keys_with_and_without_null(database_url: str) -> None:
    make_pairs(database_url, "0, 'x'")
    run(
        database_url,
        "INSERT INTO things SELECT n, CASE WHEN n % 2 > 0 THEN 'd' || n END, '2024-05-17',"
        " '2024-05-17' FROM generate_series(1, 100000) n",
        "CREATE INDEX ON things (id, device)",
        "ANALYZE things",
    )
    with snapshot_of(database_url, PAIRS) as snapshot:
        found = frame_of(snapshot.by_keys(keys((1, "d1"), (2, None), (3, None), (4, "d4"))))
        scans = snapshot.connection.execute(
            "SELECT seq_scan, idx_scan > 0 FROM pg_stat_xact_user_tables WHERE relname = 'things'"
        ).fetchone()
    assert pairs_of(found) == [(1, "d1"), (2, None)]
    assert scans == (0, True)


def test_r9_repeated_keys_are_told_over_all_days_and_null_is_equal_to_null(
    database_url: str,
) -> None:
    make_pairs(database_url, *ALL, "1, NULL", "NULL, NULL", "2, 'a'")
    run(database_url, "UPDATE things SET day_at = day_at + v * interval '1 day'")
    with snapshot_of(database_url, PAIRS) as snapshot:
        assert not snapshot.key_is_unique
        repeated = snapshot.repeated_keys(EVERY_DAY)
        assert repeated.schema == pl.Schema(PAIR)
        assert pairs_of(repeated) == [(1, None), (2, "a"), (None, None)]
        some = snapshot.repeated_keys(EVERY_DAY, keys((1, None), (1, "a"), (9, None)))
        assert pairs_of(some) == [(1, None)]
        assert snapshot.repeated_keys(EVERY_DAY, keys()).is_empty()


def test_r9_only_rows_on_the_days_of_the_scope_count(database_url: str) -> None:
    # The case: key_in_two_days.sql, and one whose other row has no day or an earlier one.
    make_pairs(database_url, *["1, 'a'"] * 2, *["2, 'a'"] * 2, *["3, 'a'"] * 2)
    run(
        database_url,
        "UPDATE things SET day_at = CASE v WHEN 1 THEN '2024-05-18' WHEN 3 THEN '2023-12-31'"
        " WHEN 5 THEN NULL ELSE day_at END",
    )
    with snapshot_of(database_url, PAIRS) as snapshot:
        assert pairs_of(snapshot.repeated_keys(EVERY_DAY)) == [(1, "a")]
        assert pairs_of(snapshot.repeated_keys(None)) == [(1, "a"), (2, "a")]
        closed = Scope(date(2023, 12, 31), date(2024, 5, 17))
        assert pairs_of(snapshot.repeated_keys(closed)) == [(2, "a")]


def test_r9_a_row_that_no_dtype_holds_counts_but_a_key_that_none_holds_does_not(
    database_url: str,
) -> None:
    run(
        database_url,
        "CREATE TABLE things (id numeric, amount numeric, day_at timestamptz,"
        f" updated_at timestamptz DEFAULT {BIRTH})",
        "INSERT INTO things SELECT split_part(v, ' ', 1)::numeric, split_part(v, ' ', 2)::numeric,"
        f" {BIRTH} FROM unnest('{{1 1,1 NaN,NaN 1,NaN 2,1e30 1,1e30 1,2 NaN}}'::text[]) v",
    )
    dtypes = {"id": pl.Decimal(9, 2), "amount": pl.Decimal(9, 2)}
    with snapshot_of(database_url, changing_table(dtypes, key=("id",))) as snapshot:
        repeated = snapshot.repeated_keys(EVERY_DAY)
    assert repeated.cast(pl.String)["id"].to_list() == ["1.00"]


def test_r9_the_evidence_of_a_day_names_the_keys_that_stand_elsewhere_too(
    database_url: str,
) -> None:
    make_pairs(database_url, "1, 'a'", "1, 'a'", "2, 'a'")
    run(database_url, "UPDATE things SET day_at = day_at + interval '1 day' WHERE v = 1")
    _, evidence = read_day(database_url, PAIRS)
    assert evidence.repeated is not None
    assert pairs_of(evidence.repeated) == [(1, "a")]


# What the table is, with the key of the contract and whether it is guaranteed to be unique.
THINGS = (
    "CREATE TABLE things (id bigint, device text, day_at timestamptz, updated_at timestamptz{})"
)
PROOFS: dict[str, tuple[bool, list[str]]] = {
    "nothing": (False, [THINGS.format("")]),
    "primary key": (True, [THINGS.format(", PRIMARY KEY (id, device)")]),
    "a part of the key": (True, [THINGS.format(", PRIMARY KEY (id)")]),
    "more than the key": (False, [THINGS.format(", PRIMARY KEY (id, device, day_at)")]),
    "nullable": (False, [THINGS.format(", UNIQUE (id, device)")]),
    "one part nullable": (
        False,
        [THINGS.format(", UNIQUE (id, device)"), "ALTER TABLE things ALTER id SET NOT NULL"],
    ),
    "nulls not distinct": (True, [THINGS.format(", UNIQUE NULLS NOT DISTINCT (id, device)")]),
    "not null": (
        True,
        [THINGS.format(", UNIQUE (id)"), "ALTER TABLE things ALTER id SET NOT NULL"],
    ),
    "not null but not valid": (
        False,
        [THINGS.format(", UNIQUE (id)"), "ALTER TABLE things ADD NOT NULL id NOT VALID"],
    ),
    "partial": (False, [THINGS.format(""), "CREATE UNIQUE INDEX ON things (id) WHERE id > 5"]),
    "expression": (
        False,
        [
            THINGS.format(", CHECK (id IS NOT NULL)"),
            "ALTER TABLE things ALTER id SET NOT NULL, ALTER device SET NOT NULL",
            "CREATE UNIQUE INDEX ON things (id, lower(device))",
        ],
    ),
    "deferred": (
        False,
        [
            THINGS.format(""),
            "ALTER TABLE things ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED",
        ],
    ),
    "included": (
        False,
        [
            THINGS.format(""),
            "ALTER TABLE things ALTER id SET NOT NULL, ALTER device SET NOT NULL",
            "CREATE UNIQUE INDEX ON things (day_at) INCLUDE (id, device)",
        ],
    ),
    "included beside the key": (
        True,
        [
            THINGS.format(""),
            "ALTER TABLE things ALTER id SET NOT NULL",
            "CREATE UNIQUE INDEX ON things (id) INCLUDE (day_at)",
        ],
    ),
    "not unique": (False, [THINGS.format(""), "CREATE INDEX ON things (id)"]),
    "children": (
        False,
        [THINGS.format(", PRIMARY KEY (id)"), "CREATE TABLE child () INHERITS (things)"],
    ),
    "a view": (
        False,
        [
            THINGS.format(", PRIMARY KEY (id)").replace("things", "base"),
            "CREATE VIEW things AS SELECT * FROM base",
        ],
    ),
    "partitioned": (
        True,
        [
            THINGS.format(", PRIMARY KEY (id)") + " PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF things FOR VALUES FROM (0) TO (10)",
        ],
    ),
    "an index of a partition": (
        False,
        [
            THINGS.format("") + " PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF things FOR VALUES FROM (0) TO (10)",
            "ALTER TABLE low ADD PRIMARY KEY (id)",
        ],
    ),
    "only the parent's invalid index": (
        False,
        [
            THINGS.format("") + " PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF things FOR VALUES FROM (0) TO (10)",
            "ALTER TABLE things ALTER id SET NOT NULL",
            "CREATE UNIQUE INDEX ON ONLY things (id)",
        ],
    ),
    "another operator class": (
        False,
        [
            THINGS.format(""),
            "ALTER TABLE things ALTER id SET NOT NULL, ALTER device SET NOT NULL",
            "CREATE TYPE pair AS (a int)",
            "ALTER TABLE things ADD p pair NOT NULL DEFAULT ROW(1)",
            "CREATE UNIQUE INDEX ON things (id, p record_image_ops)",
        ],
    ),
    "a pattern operator class": (
        True,
        [
            THINGS.format(""),
            "ALTER TABLE things ALTER id SET NOT NULL, ALTER device SET NOT NULL",
            "CREATE UNIQUE INDEX ON things (id, device text_pattern_ops)",
        ],
    ),
}


@pytest.mark.parametrize("proof", PROOFS)
def test_r9_a_key_is_unique_where_the_catalogue_proves_it(database_url: str, proof: str) -> None:
    is_unique, statements = PROOFS[proof]
    run(database_url, *statements)
    table = PAIRS
    if proof == "another operator class":  # the key is unique byte by byte only
        table = changing_table({"id": pl.Int64, "p": pl.String}, key=("id", "p"))
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.key_is_unique == is_unique
        assert snapshot.repeated_keys(EVERY_DAY).is_empty()


def test_r9_an_index_that_failed_to_be_built_proves_nothing(database_url: str) -> None:
    make_things(database_url, f"SELECT n, {BIRTH}, {BIRTH} FROM generate_series(1, 3) n")
    run(
        database_url,
        "ALTER TABLE things DROP CONSTRAINT things_pkey",
        "INSERT INTO things TABLE things",
    )
    with pytest.raises(Exception, match="could not create unique index"):
        run(database_url, "CREATE UNIQUE INDEX CONCURRENTLY broken ON things (id)")
    with snapshot_of(database_url, changing_table()) as snapshot:
        assert not snapshot.key_is_unique
        assert sorted(snapshot.repeated_keys(EVERY_DAY)["id"]) == [1, 2, 3]


APART: dict[str, tuple[str, Any, dict[str, Any], bool]] = {
    "padded": ("char(5)", pl.String, {}, True),
    "trimmed": ("char(5)", pl.String, {"trim": True}, True),
    "another type": ("uuid", pl.String, {}, True),
    "rescaled": ("numeric", pl.Decimal(18, 2), {}, True),
    "nulled": ("numeric", pl.Decimal(18, 2), {"on_unrepresentable": "null"}, False),
    "array": ("int[]", pl.List(pl.Int32), {}, False),
    "array as text": ("int[]", pl.String, {}, False),
    "zoned": ("timestamp", UTC_MOMENT, {"source_zone": "Europe/Berlin"}, True),
    "earliest": (
        "timestamp",
        UTC_MOMENT,
        {"source_zone": "Europe/Berlin", "ambiguous": "earliest"},
        True,
    ),
    "ambiguous as null": (
        "timestamp",
        UTC_MOMENT,
        {"source_zone": "Europe/Berlin", "ambiguous": "null"},
        False,
    ),
    "naive": ("timestamp", NAIVE, {}, True),
}


@pytest.mark.parametrize("kind", APART)
def test_r9_an_index_proves_nothing_where_different_values_become_equal(
    database_url: str, kind: str
) -> None:
    type_, dtype, options, is_unique = APART[kind]
    run(
        database_url,
        f"CREATE TABLE things (k {type_} PRIMARY KEY, day_at timestamptz, updated_at timestamptz)",
    )
    table = changing_table({"k": dtype}, options={"k": options}, key=("k",))
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.key_is_unique == is_unique
        assert snapshot.repeated_keys(EVERY_DAY).schema == pl.Schema({"k": dtype})


def test_r9_texts_are_told_apart_that_are_equal_as_numbers(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (k numeric, day_at timestamptz, updated_at timestamptz)",
        f"INSERT INTO things SELECT k, {BIRTH}, {BIRTH} FROM unnest("
        "'{1.0,1.00,1.000,2.0,2.0}'::numeric[]) k",
    )
    table = changing_table({"k": pl.String}, key=("k",))
    with snapshot_of(database_url, table) as snapshot:
        found = frame_of(snapshot.by_keys(pl.DataFrame({"k": ["1.00", "2.0", "1"]})))
        repeated = snapshot.repeated_keys(EVERY_DAY)
    assert sorted(found["k"]) == ["1.00", "2.0", "2.0"]
    assert repeated["k"].to_list() == ["2.0"]


def test_r9_a_line_whose_parent_is_there_twice_is_read_twice_and_told(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE owners (id bigint, day timestamptz)",
        "CREATE TABLE things (id bigint PRIMARY KEY, owner_id bigint, updated_at timestamptz)",
        f"INSERT INTO owners VALUES (1, {BIRTH}), (1, {BIRTH} + interval '1 day'), (2, {BIRTH})",
        f"INSERT INTO things VALUES (7, 1, {BIRTH}), (8, 2, {BIRTH})",
    )
    parent = Parent("owners", on={"owner_id": "id"}, columns={"day_at": "day"})
    table = changing_table(parent=parent)
    with snapshot_of(database_url, table) as snapshot:
        assert frame_of(snapshot.changes(None, LATER, 9, MUCH)).height == 3
        assert not snapshot.key_is_unique
        assert snapshot.repeated_keys(EVERY_DAY)["id"].to_list() == [7]
    run(
        database_url,
        "DELETE FROM owners WHERE day > '2024-05-17 12:00Z'",
        "CREATE UNIQUE INDEX ON owners (id)",
    )
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.key_is_unique


def test_r9_where_the_key_is_unique_nothing_is_asked(database_url: str) -> None:
    make_things(database_url, f"SELECT n, {BIRTH}, {BIRTH} FROM generate_series(1, 9) n")
    with snapshot_of(database_url, changing_table()) as snapshot:
        assert snapshot.repeated_keys(EVERY_DAY, pl.DataFrame({"id": [1]})).is_empty()
        scanned = snapshot.connection.execute(
            "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'things'"
        ).fetchone()
    assert scanned == (0,)


def test_r5_every_unreadable_row_is_told_whenever_it_was_written(database_url: str) -> None:
    # The case: unreadable_behind_cursor.sql; its cursor is older than any position.
    run(
        database_url,
        "CREATE TABLE things (id bigint, amount numeric, day_at timestamptz,"
        " updated_at timestamptz)",
        "INSERT INTO things SELECT n, 1.5, '2024-05-17', '2024-05-17' FROM generate_series(1, 9) n",
        "INSERT INTO things VALUES (901, 'NaN', '2024-05-17', '2024-01-01'),"
        " (902, 1e30, '2024-05-18', NULL), (903, 'NaN', '2023-12-31', '2024-05-17'),"
        " (904, 'NaN', NULL, '2024-05-17'), (NULL, 1, '2024-05-19', 'infinity')",
    )
    table = changing_table({"amount": pl.Decimal(18, 2)})
    with snapshot_of(database_url, table) as snapshot:
        found = snapshot.unreadable(EVERY_DAY)
        everything = snapshot.unreadable(None)
        one = snapshot.unreadable(Scope(date(2024, 5, 18), date(2024, 5, 18)))
    by_id = dict(zip(found.keys["id"], found.days, strict=True))
    assert by_id == {901: date(2024, 5, 17), 902: date(2024, 5, 18), None: date(2024, 5, 19)}
    assert sorted(found.rows.columns) == ["amount", "amount", "updated_at"]
    assert set(everything.keys["id"]) == {901, 902, 903, None}  # 904 is on no day
    assert one.keys["id"].to_list() == [902]


def test_r5_nothing_is_asked_where_every_value_can_be_held(database_url: str) -> None:
    run(database_url, "CREATE TABLE things (id bigint, v text)")
    table = without_days({"id": pl.Int64, "v": pl.String})
    with snapshot_of(database_url, table) as snapshot:
        assert not snapshot.unreadable(EVERY_DAY).days
        scanned = snapshot.connection.execute(
            "SELECT seq_scan FROM pg_stat_xact_user_tables WHERE relname = 'things'"
        ).fetchone()
    assert scanned == (0,)


def without_days(dtypes: dict[str, Any], **more: Any) -> LayerTable:
    return replace(layer_table(dtypes, **more), partition_column=None)
