"""Reading a table by its changes: ties (C1), pages (C4), keys, indexes."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import psycopg
import pytest

from etl_assets.core.position import Position
from etl_assets.core.source_specs import Parent
from etl_assets_tests.changing import (
    LATER,
    MUCH,
    START,
    THINGS,
    changing_table,
    frame_of,
    make_things,
    pages,
)
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, run, snapshot_of

HUNDRED = (
    "SELECT n, '2024-05-17', '2024-05-17'::timestamptz + (n - 1) / 7 * interval '1 second' "
    "FROM generate_series(1, 100) n"
)


@pytest.mark.parametrize("most_rows", [1, 3, 7, 10, 99, 100, 1000])
def test_c1_ties_at_the_limit_are_all_read_once_and_in_order(
    database_url: str, most_rows: int
) -> None:
    make_things(database_url, HUNDRED)
    with snapshot_of(database_url, THINGS) as snapshot:
        found = pages(snapshot, None, LATER, most_rows)
    assert pl.concat(found)["id"].to_list() == list(range(1, 101))


def test_c1_the_naive_query_loses_rows_where_the_limit_cuts_a_tie(database_url: str) -> None:
    make_things(database_url, HUNDRED)
    seen: list[int] = []
    after = "-infinity"
    with psycopg.connect(database_url) as connection:
        while rows := connection.execute(
            "SELECT id, updated_at::text FROM things WHERE updated_at > %s "
            "ORDER BY updated_at LIMIT 10",
            [after],
        ).fetchall():
            seen += [row[0] for row in rows]
            after = rows[-1][1]
    assert len(seen) < 80


def test_c1_the_limit_in_bytes_is_kept_but_for_a_row_that_is_larger(database_url: str) -> None:
    table = changing_table({"v": pl.String})
    make_things(
        database_url,
        "SELECT n, '2024-05-17', '2024-05-17', repeat('x', CASE n WHEN 4 THEN 90000 ELSE 100 END)"
        " FROM generate_series(1, 6) n",
        ", v text",
    )
    sizes, after = [], None
    with snapshot_of(database_url, table) as snapshot:
        while True:
            read = snapshot.changes(after, LATER, 1000, 350)
            sizes.append(frame_of(read).height)
            after = read.last
            if read.is_last:
                break
    assert sizes == [2, 1, 1, 2]


def test_what_is_after_a_position_and_until_a_moment_is_read_and_no_more(database_url: str) -> None:
    make_things(database_url, HUNDRED)
    after = Position(START + timedelta(seconds=1), ("9",))
    until = START + timedelta(seconds=3)
    with snapshot_of(database_url, THINGS) as snapshot:
        read = snapshot.changes(after, until, 1000, MUCH)
        assert frame_of(read)["id"].to_list() == list(range(10, 29))
        assert (read.rows, read.is_last) == (19, True)
        assert read.last == Position(until, ("28",))
        nothing = snapshot.changes(read.last, until, 1000, MUCH)
        assert (nothing.rows, nothing.last, nothing.is_last) == (0, None, True)
        assert frame_of(nothing).is_empty()
        # Without a key a position is after all rows of its moment.
        rest = snapshot.changes(Position(until), LATER, 1000, MUCH)
        assert frame_of(rest)["id"].to_list() == list(range(29, 101))


def test_a_position_survives_its_text(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (name text, n numeric(9, 2), at bytea, day_at timestamptz,"
        " updated_at timestamptz, PRIMARY KEY (name, n, at))",
        "INSERT INTO things SELECT E'o''\\\\\"ü,' || k, k / 3.0, decode('00ff', 'hex'),"
        " '2024-05-17', '2024-05-17 00:00:00.123456Z' FROM generate_series(1, 9) k",
    )
    key = ("name", "n", "at")
    dtypes = {"name": pl.String, "n": pl.Decimal(18, 4), "at": pl.Binary}
    table = changing_table(dtypes, key=key)
    seen, after = [], None
    with snapshot_of(database_url, table) as snapshot:
        while True:
            read = snapshot.changes(after, LATER, 2, MUCH)
            seen.append(frame_of(read))
            if read.is_last or read.last is None:
                break
            after = Position.from_text(read.last.moment, read.last.as_text())
            assert after == read.last
        rows = pl.concat(seen)
        again = frame_of(snapshot.by_keys(rows.select(key)))
    assert rows.height == 9
    assert rows["name"].is_unique().all()
    assert again.sort("name").equals(rows.sort("name"))


def test_c4_pages_of_one_snapshot_hold_each_row_once_while_rows_change(database_url: str) -> None:
    make_things(database_url, HUNDRED)
    seen, after = [], None
    with snapshot_of(database_url, THINGS) as snapshot:
        while True:
            read = snapshot.changes(after, LATER, 10, MUCH)
            seen += frame_of(read)["id"].to_list()
            run(
                database_url,
                "UPDATE things SET updated_at = updated_at + interval '1 hour' "
                f"WHERE id = {seen[-1]}",
                f"DELETE FROM things WHERE id = {seen[-1] - 1}",
                f"INSERT INTO things VALUES ({1000 + len(seen)}, '2024-05-17', '2024-05-17')",
            )
            if read.is_last:
                break
            after = read.last
    assert seen == list(range(1, 101))


@pytest.mark.parametrize("analysed", [True, False])
@pytest.mark.parametrize("index", ["(updated_at, id)", "(updated_at)"])
def test_finding_nothing_or_a_thousand_changes_uses_the_index(
    database_url: str, index: str, analysed: bool
) -> None:
    make_things(
        database_url,
        "SELECT n, '2024-05-17', '2024-05-17'::timestamptz + n / 7 * interval '1 second' "
        "FROM generate_series(1, 200000) n",
    )
    run(database_url, f"CREATE INDEX ON things {index}", *(["ANALYZE things"] if analysed else []))
    top = START + timedelta(seconds=200_000 // 7)
    with snapshot_of(database_url, THINGS) as snapshot:
        snapshot.connection.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        nothing = snapshot.changes(Position(top, ("200000",)), LATER, 5000, MUCH)
        some = snapshot.changes(
            Position(top - timedelta(seconds=143), ("199000",)), LATER, 5000, MUCH
        )
        assert (nothing.rows, frame_of(some).height) == (0, 1_000)
        snapshot.beyond(LATER, None, 5000, MUCH)
        snapshot.without_cursor(None, 5000, MUCH)
        frame_of(snapshot.by_keys(pl.DataFrame({"id": [1, 2, 3]})))
        scans = snapshot.connection.execute(
            "SELECT seq_scan, idx_scan > 0 FROM pg_stat_xact_user_tables WHERE relname = 'things'"
        ).fetchone()
    assert scans == (0, True)


def test_rows_are_found_by_their_keys_in_chunks_and_rejected_among_them(database_url: str) -> None:
    make_things(
        database_url,
        "SELECT n, '2024-05-17', CASE WHEN n = 7 THEN 'infinity'::timestamptz END "
        "FROM generate_series(1, 30000) n",
    )
    keys = pl.DataFrame({"id": [*range(5, 25_000), 7, 90_000, None]})
    with snapshot_of(database_url, THINGS) as snapshot:
        read = snapshot.by_keys(keys)
        rows, rejected = frame_of(read), read.rejected()
    assert rows["id"].sort().to_list() == [5, 6, *range(8, 25_000)]
    assert read.rows == rows.height + 1
    assert rejected.keys["id"].to_list() == [7]


KEYS: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "timestamptz": (UTC_MOMENT, "'0001-01-01 00:00:00.000001Z'", {}),
    "timestamp": (NAIVE, "'2024-03-31 02:30'", {}),
    "timestamp(6)": (UTC_MOMENT, "'2024-07-01 12:00'", {"source_zone": "Europe/Berlin"}),
    "date": (pl.Date, "'9999-12-31'", {}),
    "time": (pl.Time, "'23:59:59.999999'", {}),
    "boolean": (pl.Boolean, "false", {}),
    "bytea": (pl.Binary, "'\\x005c'", {}),
    "numeric": (pl.Decimal(20, 4), "1.5", {}),
    "uuid": (pl.String, "'1b4e28ba-2fa1-11d2-883f-0016d3cca427'", {}),
    "double precision": (pl.Float64, "0.1", {}),
    "char(4)": (pl.String, "'a'", {}),
    "text": (pl.String, "E'{\"\\\\''},'", {}),
    "colour": (pl.String, "'light \"blue\"'", {}),
    "email": (pl.String, "'a@b'", {}),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_row_is_found_again_by_its_key_and_its_position_whatever_their_type(
    database_url: str, kind: str
) -> None:
    dtype, value, options = KEYS[kind]
    run(
        database_url,
        "CREATE TYPE colour AS ENUM ('light \"blue\"')",
        "CREATE SCHEMA far",
        "CREATE DOMAIN far.email AS varchar(9)",
        f"CREATE TABLE things (k {kind.replace('email', 'far.email')}, id bigint,"
        " day_at timestamptz, updated_at timestamptz, PRIMARY KEY (k, id))",
        f"INSERT INTO things SELECT {value}, n, '2024-05-17', '2024-05-17' "
        "FROM generate_series(1, 3) n",
        f"INSERT INTO things VALUES ({value}, 4, 'infinity', '2024-05-17')",
    )
    table = changing_table({"k": dtype, "id": pl.Int64}, options={"k": options}, key=("k", "id"))
    with snapshot_of(database_url, table) as snapshot:
        first = snapshot.changes(None, LATER, 1, MUCH)
        second = snapshot.changes(first.last, LATER, 9, MUCH)
        rows = pl.concat([frame_of(first), frame_of(second)])
        assert rows["id"].to_list() == [1, 2, 3]
        found = snapshot.by_keys(rows.select("k", "id"))
        assert frame_of(found).sort("id").equals(rows)
        rejected = second.rejected().keys
    assert rejected["id"].to_list() == [4]
    if not options:  # a naive key's text does not say which instant it is
        assert rejected["k"].to_list() == rows["k"][:1].to_list()


def test_a_cut_or_padded_key_is_found_and_no_other(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (code char(5), price numeric(9, 2), day_at timestamptz,"
        " updated_at timestamptz)",
        "INSERT INTO things VALUES ('ab', 1.01, NULL, NULL), ('ab', 1.00, NULL, NULL),"
        " ('abcde', 1.00, NULL, NULL)",
    )
    dtypes = {"code": pl.String, "price": pl.Decimal(18, 4)}
    table = changing_table(dtypes, options={"code": {"trim": True}}, key=("code", "price"))
    keys = pl.DataFrame({"code": ["ab", "abcdef"], "price": ["1.0050", "1.0000"]})
    with snapshot_of(database_url, table) as snapshot:
        found = snapshot.by_keys(keys.cast({"price": pl.Decimal(18, 4)}))
        exact = snapshot.by_keys(
            pl.DataFrame({"code": ["ab"], "price": ["1.0100"]}).cast({"price": pl.Decimal(18, 4)})
        )
        assert (found.rows, exact.rows) == (0, 1)


def test_lines_are_read_by_their_own_cursor_and_have_their_parent_s_day(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE owners (id bigint PRIMARY KEY, day timestamptz, updated_at timestamptz)",
        "CREATE TABLE things (id bigint PRIMARY KEY, owner_id bigint, updated_at timestamptz)",
        "INSERT INTO owners VALUES (1, '2024-05-17', '2030-01-01'),"
        " (2, '2024-05-18', '2030-01-01')",
        "INSERT INTO things SELECT n, n % 3, '2024-05-17'::timestamptz + n * interval '1 hour' "
        "FROM generate_series(1, 30) n",
    )
    parent = Parent("owners", on={"owner_id": "id"}, columns={"day_at": "day"})
    table = changing_table(parent=parent)
    with snapshot_of(database_url, table) as snapshot:
        rows = pl.concat(pages(snapshot, None, LATER, 4))
        digests = snapshot.digests(None, 4)
    assert rows["id"].to_list() == list(range(1, 31))
    assert rows["day_at"].null_count() == 10  # no owner 0
    assert digests["rows"].sum() == 20
    assert set(digests["day"]) == {date(2024, 5, 17), date(2024, 5, 18)}
