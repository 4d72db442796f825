"""Days and zones: naive local timestamps (C17), days of 23 and 25 hours (C18)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import psycopg
import pytest

from etl_assets.core.errors import ContractMismatch
from etl_assets.core.table import LayerTable
from etl_assets_tests.source_tables import (
    UTC_MOMENT,
    layer_table,
    make_v,
    plain_table,
    read_day,
    read_v,
    run,
    snapshot_of,
)

BERLIN = "Europe/Berlin"
TWICE, MISSING = "'2024-10-27 02:30'", "'2024-03-31 02:30'"


@pytest.mark.parametrize("moment", [TWICE, MISSING])
def test_b3_c17_a_row_of_the_hour_that_comes_twice_or_never_is_set_aside(
    database_url: str, moment: str
) -> None:
    make_v(database_url, "timestamp", ["'2024-05-17 12:00'", moment, "NULL"])

    read, evidence = read_v(database_url, UTC_MOMENT, source_zone=BERLIN)

    assert read.to_list() == [datetime(2024, 5, 17, 10, tzinfo=UTC), None]
    assert evidence.row_count == 3
    assert list(evidence.rejected.rules) == ["v: local_time"]
    assert list(evidence.rejected.keys) == ["id=2"]
    assert "02:30" in evidence.rejected.payloads[0]


@pytest.mark.parametrize("policy", ["earliest", "latest"])
def test_b3_an_hour_that_never_was_is_set_aside_whichever_of_two_is_wanted(
    database_url: str, policy: str
) -> None:
    make_v(database_url, "timestamp", [TWICE, MISSING, "'infinity'"])
    read, evidence = read_v(database_url, UTC_MOMENT, source_zone=BERLIN, ambiguous=policy)
    assert read.len() == 1
    assert sorted(evidence.rejected.rules) == ["v: local_time", "v: representable"]


@pytest.mark.thorough_but("Lord_Howe")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo"])
def test_b3_every_half_hour_of_a_year_is_what_its_zone_says(database_url: str, zone: str) -> None:
    run(
        database_url,
        "CREATE TABLE things AS SELECT n AS id, timestamptz '2024-05-17' AS day_at, "
        "timestamp '2017-01-01' + n * interval '30 minutes' AS v FROM generate_series(1, 17520) n",
    )
    start = datetime(2017, 1, 1)
    instants = [
        sorted(instants_of(start + timedelta(minutes=30 * n), ZoneInfo(zone)))
        for n in range(1, 17521)
    ]
    wanted: dict[str, list[datetime | None]] = {
        "raise": [found[0] for found in instants if len(found) == 1],
        "earliest": [found[0] for found in instants if found],
        "latest": [found[-1] for found in instants if found],
        "null": [found[0] if len(found) == 1 else None for found in instants],
    }
    assert {len(found) for found in instants} == {0, 1, 2}
    for policy, moments in wanted.items():
        read, evidence = read_v(database_url, UTC_MOMENT, source_zone=zone, ambiguous=policy)
        assert read.to_list() == moments
        assert len(evidence.rejected.rules) == len(instants) - len(moments)


def instants_of(local: datetime, zone: ZoneInfo) -> set[datetime]:
    """The instants at which a clock of the zone shows the time."""
    both = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return {one for one in both if one.astimezone(zone).replace(tzinfo=None) == local}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("earliest", datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),
        ("latest", datetime(2024, 10, 27, 1, 30, tzinfo=UTC)),
        ("null", None),
    ],
)
def test_c17_the_contract_decides_what_an_ambiguous_hour_is(
    database_url: str, policy: str, expected: datetime | None
) -> None:
    make_v(database_url, "timestamp", ["'2024-07-01 12:00'", TWICE, "'2024-12-01 12:00'"])

    read, _ = read_v(database_url, UTC_MOMENT, source_zone=BERLIN, ambiguous=policy)

    summer, winter = (datetime(2024, m, 1, h, tzinfo=UTC) for m, h in ((7, 10), (12, 11)))
    assert read.to_list() == [summer, expected, winter]


def test_c17_a_missing_hour_is_null_where_the_contract_says_null(database_url: str) -> None:
    make_v(database_url, "timestamp", [MISSING])
    read, _ = read_v(database_url, UTC_MOMENT, source_zone=BERLIN, ambiguous="null")
    assert read.to_list() == [None]


def test_c17_a_naive_column_without_a_zone_in_the_contract_is_refused(database_url: str) -> None:
    make_v(database_url, "timestamp", [TWICE])
    with pytest.raises(ContractMismatch, match="timestamp without time zone"):
        read_v(database_url, UTC_MOMENT)


def local_table() -> LayerTable:
    dtypes = {"id": pl.Int64, "day_at": UTC_MOMENT}
    options: dict[str, dict[str, Any]] = {
        "day_at": {"source_zone": BERLIN, "ambiguous": "latest"},
    }
    return layer_table(dtypes, options)


@pytest.mark.parametrize(
    ("first", "hours"), [(date(2024, 3, 30), 23), (date(2024, 10, 26), 25)], ids=["23h", "25h"]
)
def test_c18_the_days_of_a_zone_add_up_to_the_table_and_are_cut_at_utc_midnight(
    database_url: str, first: date, hours: int
) -> None:
    run(database_url, "CREATE TABLE things (id bigint, day_at timestamp)")
    zone = ZoneInfo(BERLIN)
    start = datetime.combine(first, datetime.min.time(), UTC)
    moments = [start + timedelta(minutes=15 * n) for n in range(3 * 96)]
    # fold=0 of the repeated hour cannot be told from fold=1 in a naive column.
    known = [m for m in moments if m.astimezone(zone).fold or not repeated(m.astimezone(zone))]
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO things VALUES (%s, %s)",
            [(n, m.astimezone(zone).replace(tzinfo=None)) for n, m in enumerate(known)],
        )

    days = {
        day: read_day(database_url, local_table(), day)
        for day in (first + timedelta(days=n) for n in range(-1, 4))
    }

    read = pl.concat(rows for rows, _ in days.values()).sort("id")
    assert read["day_at"].to_list() == known
    for day, (rows, evidence) in days.items():
        expected = [m for m in known if m.date() == day]
        assert rows["day_at"].to_list() == expected
        assert evidence.row_count == len(expected)
    local_day = first + timedelta(days=1)
    wall = [m for m in moments if m.astimezone(zone).date() == local_day]
    assert len(wall) == hours * 4


def repeated(moment: datetime) -> bool:
    return moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset()


def test_c18_bounds_are_half_open_to_the_microsecond(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint, day_at timestamptz)",
        "INSERT INTO things VALUES (1, '2024-03-30 23:59:59.999999Z'), (2, '2024-03-31 00:00Z'), "
        "(3, '2024-03-31 23:59:59.999999Z'), (4, '2024-04-01 00:00Z')",
    )
    rows, _ = read_day(database_url, plain_table(), date(2024, 3, 31))
    assert rows["id"].to_list() == [2, 3]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York"])
def test_c18_the_session_s_own_zone_changes_nothing(database_url: str, zone: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint, day_at timestamptz)",
        "INSERT INTO things VALUES (1, '2024-03-30 23:30Z'), (2, '2024-03-31 00:30Z')",
    )
    url = f"{database_url}&options=-c%20timezone%3D{zone}"
    rows, _ = read_day(url, plain_table(), date(2024, 3, 31))
    assert rows["id"].to_list() == [2]


def test_c18_days_of_a_date_and_of_a_naive_column_are_whole(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint, day_at date, at timestamp)",
        "INSERT INTO things SELECT n, date '2024-03-29' + n, date '2024-03-29' + n + time '23:59'"
        " FROM generate_series(1, 3) n",
    )
    by_date = layer_table({"id": pl.Int64, "day_at": pl.Date})
    by_naive = layer_table({"id": pl.Int64, "at": pl.Datetime("us")}, partition="at")
    for table in (by_date, by_naive):
        assert read_day(database_url, table, date(2024, 3, 31))[0]["id"].to_list() == [2]


def test_c12_rows_that_no_day_can_hold_are_counted_not_forgotten(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint, day_at timestamptz)",
        "INSERT INTO things VALUES (1, NULL), (2, 'infinity'), (3, '-infinity'), "
        "(4, '0044-03-15 BC'), (5, '2024-03-31')",
    )
    with snapshot_of(database_url, plain_table()) as snapshot:
        assert snapshot.without_day() == 4
