"""Cursors and keys that are no place to go on from: NULL, infinity, 2999 (C5), NULL keys (C12)."""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from etl_assets.core.errors import ContractMismatch
from etl_assets.core.position import Position
from etl_assets.core.rows import keys_of
from etl_assets.sources.postgres.changes import PostgresChangeRead
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

ODD = """VALUES (1, '2024-05-17'::timestamptz, '2024-05-17'::timestamptz),
    (2, '2024-05-17', NULL), (3, '2024-05-17', 'infinity'), (4, '2024-05-17', '-infinity'),
    (5, '2024-05-18', '2999-01-01'), (6, '2024-05-17', '0044-03-15 BC'),
    (7, '2024-05-17', '9999-12-31 23:59:59.999999'), (8, '2024-05-17', '0001-01-01'),
    (9, '2024-05-17', '10000-01-01'), (10, NULL, '2024-05-17'), (11, '2024-05-19', NULL)"""


def test_c5_rows_without_a_usable_cursor_are_in_one_slice_or_another(database_url: str) -> None:
    make_things(database_url, ODD)
    with snapshot_of(database_url, THINGS) as snapshot:
        usual = snapshot.changes(None, LATER, 100, MUCH)
        assert frame_of(usual)["id"].to_list() == [8, 1, 10]
        assert usual.last == Position(START, ("10",))

        late = snapshot.beyond(LATER, None, 1, MUCH)
        assert frame_of(late)["id"].to_list() == [5]
        assert not late.is_last
        later = snapshot.beyond(LATER, late.last, 1, MUCH)
        assert frame_of(later)["id"].to_list() == [7]
        assert later.is_last

        first = snapshot.without_cursor(None, 3, MUCH)
        assert (frame_of(first)["id"].to_list(), first.rows, first.is_last) == ([2], 3, False)
        assert first.last is not None
        rest = snapshot.without_cursor(first.last.key, 100, MUCH)
        assert (frame_of(rest)["id"].to_list(), rest.rows, rest.is_last) == ([11], 3, True)


def test_c5_an_infinite_cursor_is_set_aside_with_its_day_and_key(database_url: str) -> None:
    make_things(database_url, ODD)
    with snapshot_of(database_url, THINGS) as snapshot:
        rejected = snapshot.without_cursor(None, 100, MUCH).rejected()
        assert not snapshot.changes(None, LATER, 100, MUCH).rejected().days
    assert rejected.keys["id"].to_list() == [3, 4, 6, 9]
    assert set(rejected.rows.rules) == {"updated_at: representable"}
    assert rejected.days == [date(2024, 5, 17)] * 4
    assert json.loads(rejected.rows.payloads[0])["updated_at"] == "infinity"


def test_c5_an_infinite_cursor_loads_as_null_where_the_contract_says_so(database_url: str) -> None:
    make_things(database_url, ODD)
    table = changing_table(options={"updated_at": {"on_unrepresentable": "null"}})
    with snapshot_of(database_url, table) as snapshot:
        rows = frame_of(snapshot.without_cursor(None, 100, MUCH))
    assert rows["id"].to_list() == [2, 3, 4, 6, 9, 11]
    assert rows["updated_at"].null_count() == 6


def test_a_row_without_a_day_is_read_or_rejected_without_one(database_url: str) -> None:
    make_things(
        database_url,
        "VALUES (1, NULL, '2024-05-17'::timestamptz), (2, 'infinity', '2024-05-17'),"
        " (3, '2024-05-17 23:59Z', '2024-05-17')",
    )
    with snapshot_of(database_url, THINGS) as snapshot:
        read = snapshot.changes(None, LATER, 100, MUCH)
        assert frame_of(read)["day_at"].to_list() == [
            None,
            datetime(2024, 5, 17, 23, 59, tzinfo=UTC),
        ]
        rejected = read.rejected()
    assert (rejected.keys["id"].to_list(), rejected.days) == ([2], [None])
    assert rejected.rows.positions == ["postgres:public.things id=2"]


@pytest.mark.parametrize("most_rows", [1, 2, 7, 1000])
def test_c12_rows_with_a_null_in_their_key_are_read_once_for_the_contract_to_judge(
    database_url: str, most_rows: int
) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint, v int, day_at timestamptz, updated_at timestamptz)",
        "INSERT INTO things SELECT CASE WHEN n % 10 > 0 THEN n END, n, '2024-05-17',"
        " '2024-05-17'::timestamptz + (n - 1) / 7 * interval '1 second' "
        "FROM generate_series(1, 101) n",  # the last two moments are of NULL keys, one of them only
        "INSERT INTO things VALUES (NULL, 102, '2024-05-17', '2024-05-18'),"
        " (NULL, 103, '2024-05-17', NULL), (1, 104, '2024-05-17', NULL)",
    )
    table = changing_table({"v": pl.Int32})
    seen: list[int] = []
    after: Position | None = None
    with snapshot_of(database_url, table) as snapshot:
        while True:
            read = snapshot.changes(after, LATER, most_rows, MUCH)
            seen += frame_of(read)["v"].to_list()
            if read.is_last:
                break
            after = read.last
        key = None
        while True:
            read = snapshot.without_cursor(key, most_rows, MUCH)
            seen += frame_of(read)["v"].to_list()
            if read.is_last or read.last is None:
                break
            key = read.last.key
    assert sorted(seen) == list(range(1, 105))


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_a_naive_cursor_is_compared_as_the_instant_that_it_stands_for(
    database_url: str, zone: str | None
) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint PRIMARY KEY, day_at timestamptz, updated_at timestamp)",
        "INSERT INTO things SELECT n, '2024-05-17', '2024-05-17'::timestamp + n * interval '1 hour'"
        " FROM generate_series(1, 9) n",
        "INSERT INTO things VALUES (10, '2024-05-17', '0001-01-01'), (11, '2024-05-17', NULL),"
        " (12, '2024-05-17', 'infinity')",
    )
    dtype, options = (
        (NAIVE, {}) if zone is None else (pl.Datetime("us", "UTC"), {"source_zone": zone})
    )
    table = changing_table({"updated_at": dtype}, options={"updated_at": options})
    shift = timedelta(hours=2 if zone else 0)
    until = START + timedelta(hours=5) - shift
    with snapshot_of(database_url, table) as snapshot:
        first = pl.concat(pages(snapshot, Position(START - shift), until, 2))
        rest = pl.concat(pages(snapshot, Position(until), LATER, 2))
        others = [
            *frame_of(snapshot.changes(None, START - shift, 9, MUCH))["id"],
            *frame_of(snapshot.without_cursor(None, 9, MUCH))["id"],
            *snapshot.without_cursor(None, 9, MUCH).rejected().keys["id"],
        ]
        beyond = snapshot.beyond(LATER, None, 9, MUCH)
        assert beyond.rows == 0
    assert (first["id"].to_list(), rest["id"].to_list()) == ([1, 2, 3, 4, 5], [6, 7, 8, 9])
    assert sorted(others) == [10, 11, 12]


def test_b5_a_cursor_of_a_type_that_orders_nothing_is_refused(database_url: str) -> None:
    run(database_url, "CREATE TABLE things (id bigint, day_at timestamptz, updated_at text)")
    table = changing_table({"updated_at": pl.String})
    with (
        snapshot_of(database_url, table) as snapshot,
        pytest.raises(ContractMismatch, match=r"cursor of raw/things has a type .* cursor_column"),
    ):
        snapshot.changes(None, LATER, 10, MUCH)


def test_a_rejected_row_has_the_position_that_it_has_once_it_is_good(database_url: str) -> None:
    # Else its quarantine would stay when the source has mended it.
    table = changing_table({"at": UTC_MOMENT, "n": pl.Decimal(10, 2)}, key=("at",))
    run(
        database_url,
        "CREATE TABLE things "
        "(at timestamptz, n numeric, day_at timestamptz, updated_at timestamptz)",
        "INSERT INTO things VALUES ('2024-05-17 08:30:00.5+02', 'NaN', '2024-05-17', '2024-05-17')",
    )

    def look() -> PostgresChangeRead:
        return snapshot.changes(None, LATER, 100, MUCH)

    with snapshot_of(database_url, table) as snapshot:
        (position,) = look().rejected().rows.positions
    run(database_url, "UPDATE things SET n = 1")
    with snapshot_of(database_url, table) as snapshot:
        (key,) = keys_of(frame_of(look()), [table.column("at")])
    assert position == f"postgres:public.things {key}"


@pytest.mark.thorough_but("1-1-n % 3 = 0", "4-4-n % 3 > 0", "4-60-TRUE", "1000-60-n % 3 > 0")
@pytest.mark.parametrize("share", ["n % 3 = 0", "n % 3 > 0", "TRUE"])
@pytest.mark.parametrize("moments", [1, 4, 60])
@pytest.mark.parametrize("most_rows", [1, 4, 1000])
def test_r1_pages_are_bounded_however_many_keys_have_a_null(
    database_url: str, share: str, moments: int, most_rows: int
) -> None:
    # They used to come in one piece, of any length.
    run(
        database_url,
        "CREATE TABLE things (id bigint, device text, v int, day_at timestamptz,"
        " updated_at timestamptz)",
        f"INSERT INTO things SELECT CASE WHEN n % 7 > 0 OR NOT ({share}) THEN n END,"
        f" CASE WHEN {share} THEN NULL ELSE 'd' || n END, n, '2024-05-17',"
        f" '2024-05-17'::timestamptz + n % {moments} * interval '1 second'"
        " FROM generate_series(1, 60) n",
        "INSERT INTO things SELECT id, device, v + 100, day_at, NULL FROM things",
    )
    table = changing_table(
        {"id": pl.Int64, "device": pl.String, "v": pl.Int32}, key=("id", "device")
    )
    whole_moment = 60 // 7 + 1  # all that have no key at all, at one moment: they are never parted
    seen: list[int] = []
    after: Position | None = None
    key = None
    with snapshot_of(database_url, table) as snapshot:
        while True:
            read = snapshot.changes(after, LATER, most_rows, MUCH)
            assert read.rows <= 2 * most_rows + whole_moment
            seen += frame_of(read)["v"].to_list()
            if read.last is not None:
                after = Position.from_text(read.last.moment, read.last.as_text())
            if read.is_last:
                break
        assert sorted(seen) == list(range(1, 61))
        assert not snapshot.changes(after, LATER, most_rows, MUCH).rows
        while True:
            read = snapshot.without_cursor(key, most_rows, MUCH)
            assert read.rows <= 2 * most_rows + whole_moment
            seen += frame_of(read)["v"].to_list()
            key = read.last.key if read.last else key
            if read.is_last:
                break
    assert sorted(seen) == [*range(1, 61), *range(101, 161)]


def test_b2_a_naive_cursor_without_a_zone_is_refused_with_what_to_write(database_url: str) -> None:
    run(database_url, "CREATE TABLE things (id bigint, day_at timestamptz, updated_at timestamp)")
    with (
        pytest.raises(ContractMismatch, match=r"'updated_at' is timestamp.* column\(source_zone="),
        snapshot_of(database_url, THINGS),
    ):
        pass
