"""Columns that the source computes: their types, what is wrong with them, and what a day costs."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import psycopg
import pytest
from psycopg import sql

from etl_assets.core.computed import DayIn, Sql
from etl_assets.core.errors import ContractMismatch, SourceError
from etl_assets.core.partitions import Window
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.diagnose import Diagnosis, diagnose
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets_tests.source_tables import (
    DAY,
    UTC_MOMENT,
    layer_table,
    read_day,
    reader_of,
    run,
    snapshot_of,
)

MAKE_DATE = "make_date(left(ref, 4)::int, substr(ref, 5, 2)::int, substr(ref, 7, 2)::int)"


def computing(
    dtypes: dict[str, Any], computed: dict[str, Any], partition: str = "day_at", **more: Any
) -> LayerTable:
    """`things` with an id and these columns."""
    made = layer_table({"id": pl.Int64, **dtypes}, partition=partition)
    return replace(made, source=PostgresTable("things", computed=computed, **more))


@pytest.mark.parametrize(
    ("expression", "dtype", "expected"),
    [
        ("upper(v)", pl.String, "ABC"),
        ("length(v)", pl.Int32, 3),
        ("1.5::numeric(6,2)", pl.Decimal(6, 2), 1.5),
        ("day_at + interval '1 s'", UTC_MOMENT, datetime(2024, 5, 17, 12, 0, 1, tzinfo=UTC)),
        ("string_to_array(v, 'b')", pl.List(pl.String), ["a", "c"]),
        ("v = 'abc' -- or so", pl.Boolean, True),
        ("format('%s {} %%', v)", pl.String, "abc {} %"),
        ("CASE WHEN v ~ '^[a-z]{3}$' THEN v::varchar(2) END", pl.String, "ab"),
        ("v::small", pl.String, "abc"),
        ("NULL::date", pl.Date, None),
    ],
)
def test_c16_a_computed_column_is_read_by_the_type_of_its_expression(
    database_url: str, expression: str, dtype: Any, expected: object
) -> None:
    run(
        database_url,
        "CREATE DOMAIN small AS varchar(5)",
        "CREATE TABLE things (id bigint, day_at timestamptz, v text)",
        f"INSERT INTO things VALUES (1, '{DAY} 12:00Z', 'abc')",
    )
    table = computing({"day_at": UTC_MOMENT, "made": dtype}, {"made": Sql(expression)})
    rows, evidence = read_day(database_url, table)
    assert rows["made"].to_list() == [expected]
    assert evidence.drift is None or not evidence.drift.added


@pytest.mark.parametrize(
    ("expression", "dtype", "told"),
    [
        ("upper(reff)", pl.String, '42703: column "reff" does not exist'),
        ("upper(v", pl.String, "42601: syntax error"),
        ("v) FROM things; DROP TABLE things; --", pl.String, "42601"),
        ("unnest(ARRAY[1, 2])", pl.Int32, "0A000: set-returning functions"),
        ("count(*)", pl.Int64, "42803"),
        ("1 / 0", pl.Int32, "22012"),
        ("length(v)", pl.Int16, "'made' is integer in the source"),
    ],
)
def test_c10_an_expression_that_is_none_is_named_with_the_file(
    database_url: str, expression: str, dtype: Any, told: str
) -> None:
    run(database_url, "CREATE TABLE things (id bigint, day_at timestamptz, v text)")
    table = computing({"day_at": UTC_MOMENT, "made": dtype}, {"made": Sql(expression)})
    with pytest.raises(ContractMismatch, match="'made'") as error, snapshot_of(database_url, table):
        pass
    assert told in str(error.value)
    assert run(database_url, "SELECT count(*) FROM things") == [(0,)]


def test_c10_a_computed_column_that_the_table_has_itself_is_refused(database_url: str) -> None:
    run(database_url, "CREATE TABLE things (id bigint, day_at timestamptz, made text)")
    table = computing({"day_at": UTC_MOMENT, "made": pl.String}, {"made": Sql("'x'")})
    with (
        pytest.raises(ContractMismatch, match="has a column 'made' itself"),
        snapshot_of(database_url, table),
    ):
        pass


@pytest.mark.parametrize(
    ("type_", "column", "told"),
    [
        ("timestamp", "day_at", "has no time zone in the source"),
        ("date", "day_at", "holds no moments"),
        ("timestamptz", "gone_at", "has no column gone_at"),
    ],
)
def test_c18_a_day_in_a_zone_of_what_has_no_moments_is_refused(
    database_url: str, type_: str, column: str, told: str
) -> None:
    run(database_url, f"CREATE TABLE things (id bigint, day_at {type_})")
    table = computing({"day": pl.Date}, {"day": DayIn(column, "Europe/Berlin")}, "day")
    with pytest.raises(ContractMismatch, match=told), snapshot_of(database_url, table):
        pass


def test_c18_an_infinite_moment_has_no_day_and_is_not_a_null(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint, day_at timestamptz, seen_at timestamptz)",
        f"INSERT INTO things VALUES (1, '{DAY} 12:00Z', 'infinity'), (2, '{DAY} 12:00Z', NULL)",
    )
    table = computing(
        {"day_at": UTC_MOMENT, "seen": pl.Date}, {"seen": DayIn("seen_at", "Asia/Tokyo")}
    )
    rows, evidence = read_day(database_url, table)
    assert rows.rows() == [(2, datetime(2024, 5, 17, 12, tzinfo=UTC), None)]
    assert list(evidence.rejected.keys) == ["id=1"]


def test_c18_the_day_of_a_moment_that_is_computed_itself(database_url: str) -> None:
    """A snowflake id: 41 bits of milliseconds since its epoch, then 22 of worker and sequence."""
    run(
        database_url,
        "CREATE TABLE things (id bigint)",
        "INSERT INTO things SELECT (1700000000000 - 1288834974657 + n * 3600000::bigint) << 22 "
        "FROM generate_series(0, 99) AS n",
    )
    table = computing(
        {"made_at": UTC_MOMENT, "day": pl.Date},
        {
            "made_at": Sql("to_timestamp(((id >> 22) + 1288834974657) / 1000.0)"),
            "day": DayIn("made_at", "Europe/Berlin"),
        },
        "day",
    )
    rows, evidence = read_day(database_url, table, date(2023, 11, 15))
    assert evidence.row_count == 24
    assert rows["made_at"].dt.convert_time_zone("Europe/Berlin").dt.date().unique().to_list() == [
        date(2023, 11, 15)
    ]


# An expression that fails for a row


def failing(database_url: str, rows: int, bad: int) -> LayerTable:
    run(
        database_url,
        "CREATE TABLE things (id bigint PRIMARY KEY, ref text)",
        f"INSERT INTO things SELECT n, '20240517' || repeat('x', 200) "
        f"FROM generate_series(1, {rows}) AS n",
        f"UPDATE things SET ref = '20241399secret' WHERE id = {bad}",
    )
    return computing({"ref": pl.String, "day": pl.Date}, {"day": Sql(MAKE_DATE)}, "day")


@pytest.mark.parametrize(("rows", "bad"), [(1, 1), (3000, 1), (3000, 1500), (3000, 3000)])
def test_c18_an_expression_that_fails_names_the_row_and_what_to_write(
    database_url: str, rows: int, bad: int
) -> None:
    table = failing(database_url, rows, bad)
    with pytest.raises(SourceError) as error:
        read_day(database_url, table)
    assert f"computed column 'day' fails for the row id={bad} (SQLSTATE 22008" in error.value.what
    assert "Sql(" in error.value.next_step
    assert "no day" in error.value.next_step
    assert "secret" not in str(error.value)
    assert error.value.__cause__ is None

    run(database_url, f"UPDATE things SET ref = NULL WHERE id = {bad}")
    assert read_day(database_url, table)[0].height == rows - 1


def test_c18_an_expression_that_is_null_for_such_a_row_reads_the_others(database_url: str) -> None:
    table = failing(database_url, 10, 3)
    guarded = Sql(f"CASE WHEN pg_input_is_valid(left(ref, 8), 'date') THEN {MAKE_DATE} END")
    table = computing({"ref": pl.String, "day": pl.Date}, {"day": guarded}, "day")
    assert read_day(database_url, table)[0]["id"].to_list() == [1, 2, 4, 5, 6, 7, 8, 9, 10]
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.without_day() == 1


def test_c18_columns_with_another_name_in_the_source_have_days_and_are_named(
    database_url: str,
) -> None:
    large(database_url)
    run(
        database_url,
        'ALTER TABLE things RENAME id TO "ID"',
        "ALTER TABLE things RENAME day_at TO class",
    )
    options = {"id": {"source_name": "ID"}, "day_at": {"source_name": "class"}}
    made = layer_table(
        {"id": pl.Int64, "day_at": UTC_MOMENT, "day": pl.Date, "n": pl.Int64},
        options,
        partition="day",
    )
    computed = {"day": DayIn("day_at", "Europe/Berlin"), "n": Sql('1 / ("ID" - 41000) + "ID"')}
    table = replace(made, source=PostgresTable("things", computed=computed))
    (told,) = doctor(database_url, table).day_costs
    assert told.endswith('CREATE INDEX ON "public"."things" ("class");')
    assert read_day(database_url, table, date(2024, 3, 31))[0].height == 23 * 12
    with pytest.raises(SourceError, match=r"'n' fails for the row id=41000 .*22012"):
        read_day(database_url, table, date(2024, 5, 22))


@pytest.mark.parametrize("kind", ["view", "partitioned", "parent"])
def test_c18_where_rows_have_no_place_the_column_is_named_all_the_same(
    database_url: str, kind: str
) -> None:
    failing(database_url, 10, 3)
    run(
        database_url,
        "CREATE TABLE one (id bigint, parent_id bigint)",
        "INSERT INTO one VALUES (7, 3), (8, 1), (9, NULL)",
        "CREATE VIEW two AS SELECT * FROM things",
        "CREATE TABLE three (id bigint, ref text) PARTITION BY RANGE (id)",
        "CREATE TABLE three_1 PARTITION OF three FOR VALUES FROM (0) TO (1000)",
        "INSERT INTO three SELECT * FROM things",
    )
    source = {
        "view": PostgresTable("two", computed={"day": Sql(MAKE_DATE)}),
        "partitioned": PostgresTable("three", computed={"day": Sql(MAKE_DATE)}),
        "parent": PostgresTable(
            "one",
            parent=Parent("things", {"parent_id": "id"}, {"ref": "ref"}),
            computed={"day": Sql(MAKE_DATE)},
        ),
    }[kind]
    table = replace(computing({"ref": pl.String, "day": pl.Date}, {}, "day"), source=source)
    with pytest.raises(SourceError, match="expression of its computed column 'day' fails") as error:
        read_day(database_url, table)
    assert ("id=7" in error.value.what) is (kind == "parent")


# What a day costs


def doctor(url: str, table: LayerTable) -> Diagnosis:
    with reader_of(url) as reader:
        (found,) = diagnose([table], lambda asked: PostgresSource(reader, asked))
    assert found.error is None, found.error
    return found


def large(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE things (id bigint PRIMARY KEY, day_at timestamptz, ref text, "
        "parent_id bigint, filler text DEFAULT repeat('x', 50))",
        "INSERT INTO things SELECT n, '2024-01-01Z'::timestamptz + n * interval '5 min', "
        "to_char('2024-01-01Z'::timestamptz + n * interval '5 min', 'YYYYMMDD') || '-' || n, n "
        "FROM generate_series(1, 60000) AS n",
        "CREATE TABLE parents (id bigint PRIMARY KEY, day_at timestamptz, ref text)",
        "INSERT INTO parents SELECT id, day_at, repeat(ref, 6) FROM things",
        "ANALYZE things",
        "ANALYZE parents",
    )


PARENT = Parent("parents", {"parent_id": "id"}, {"begun": "day_at"})
WANTS: list[tuple[str, LayerTable, list[str]]] = [
    (
        "a moment",
        computing({"day_at": UTC_MOMENT}, {}),
        ['CREATE INDEX ON "public"."things" ("day_at");'],
    ),
    (
        "a business day",
        computing({"day": pl.Date}, {"day": DayIn("day_at", "Europe/Berlin")}, "day"),
        ['CREATE INDEX ON "public"."things" ("day_at");'],
    ),
    (
        "an expression",
        computing({"day": pl.Date}, {"day": Sql(MAKE_DATE)}, "day"),
        [f'CREATE INDEX ON "public"."things" (({MAKE_DATE}));'],
    ),
    (
        "the business day of an expression",
        computing(
            {"at": UTC_MOMENT, "day": pl.Date},
            {"at": Sql("to_timestamp(t.id / 1000.0)"), "day": DayIn("at", "Asia/Tokyo")},
            "day",
        ),
        ['CREATE INDEX ON "public"."things" ((to_timestamp(id / 1000.0)));'],
    ),
    (
        "a parent's moment",
        computing({"begun": UTC_MOMENT}, {}, "begun", parent=PARENT),
        [
            'CREATE INDEX ON "public"."things" ("parent_id");',
            'CREATE INDEX ON "public"."parents" ("day_at");',
        ],
    ),
]


@pytest.mark.thorough_but("the business day")
@pytest.mark.parametrize(
    ("table", "statements"), [case[1:] for case in WANTS], ids=[case[0] for case in WANTS]
)
def test_c18_doctor_gives_the_index_that_serves_the_days_and_with_it_has_nothing_to_say(
    database_url: str, table: LayerTable, statements: list[str]
) -> None:
    large(database_url)
    for left in range(len(statements), 0, -1):
        told = doctor(database_url, table).day_costs
        assert len(told) == left, told
        (sentence,) = [one for one in told if one.endswith(statements[left - 1])]
        assert "about 60,000 rows; the plan of a day costs" in sentence
        run(database_url, statements[left - 1], "ANALYZE")
    assert doctor(database_url, table).day_costs == ()


def test_c18_an_index_on_the_moment_serves_a_business_day_and_nothing_is_filtered(
    database_url: str,
) -> None:
    large(database_url)
    run(database_url, "CREATE INDEX ON things (day_at)", "ANALYZE things")
    table = computing({"day": pl.Date}, {"day": DayIn("day_at", "Europe/Berlin")}, "day")
    with snapshot_of(database_url, table) as snapshot:
        selects = snapshot.selects

        def plan(first: date, last: date) -> str:
            query = selects.rows(selects.within(Window(first, last)))
            explained = sql.SQL("EXPLAIN {}").format(query)
            return "\n".join(line for (line,) in snapshot.connection.execute(explained))

        usual, long = (plan(date(2024, 3, day), date(2024, 4, 10)) for day in (20, 1))
        changed = plan(date(2024, 3, 31), date(2024, 3, 31))
    assert "day_at >= '2024-03-19 23:00:00+00'" in usual
    assert "day_at < '2024-04-10 22:00:00+00'" in usual
    for shown in (usual, long, changed):
        assert "Index Cond" in shown
    # Only beside a change of the clock the day itself is computed of each row.
    assert "2024-03-20 00:00:00" not in usual
    assert "2024-03-31 00:00:00" in changed


def test_c18_doctor_says_that_no_index_can_serve_what_is_not_immutable(database_url: str) -> None:
    large(database_url)
    for expression in ("to_date(left(ref, 8), 'YYYYMMDD')", "left(ref, 8)::date"):
        table = computing({"day": pl.Date}, {"day": Sql(expression)}, "day")
        (told,) = doctor(database_url, table).day_costs
        assert "CREATE INDEX" not in told
        assert "make_date(...)" in told
        assert "2024" not in told
        with pytest.raises(psycopg.Error, match="IMMUTABLE"):
            run(database_url, f"CREATE INDEX ON things (({expression}))")


def test_c18_doctor_says_nothing_of_a_small_table(database_url: str) -> None:
    run(database_url, "CREATE TABLE things (id bigint, day_at timestamptz)")
    assert doctor(database_url, computing({"day_at": UTC_MOMENT}, {})).day_costs == ()
