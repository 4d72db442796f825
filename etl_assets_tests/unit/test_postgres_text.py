"""Text: whatever a column of it holds, and whatever tables and columns are called."""

import polars as pl
import psycopg
import pytest
from psycopg import sql

from etl_assets.core.partitions import Window
from etl_assets.core.source_specs import Parent
from etl_assets.postgres.catalogue import SourceColumn
from etl_assets.postgres.columns import read_column
from etl_assets.postgres.copy import copy_frames
from etl_assets_tests.source_tables import (
    DAY,
    UTC_MOMENT,
    layer_table,
    make_v,
    plain_table,
    read_day,
    read_v,
    run,
    snapshot_of,
)

TEXTS = [
    "",
    "NULL",
    "null",
    "\\N",
    "\\.",
    "\n\\.\n",
    'say "hi"',
    '"',
    "a,b",
    "a\r\nb",
    "\r",
    "\n",
    "\n\n",
    " lead and trail ",
    "\u200b",
    "👩\u200d👩\u200d👧",
    "é",
    "e\u0301",
    "\ufeff",
    "\x01\x7f",
    "'",
    "%s %%",
    "{}",
    "=HYPERLINK()",
    "t",
    "0",
    "NaN",
    "x" * 300_000,
]


def test_any_text_comes_out_as_it_is_with_empty_and_null_apart(database_url: str) -> None:
    make_v(database_url, "text", ["NULL"])
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO things VALUES (%s, '2024-05-17', %s)", list(enumerate(TEXTS, 2))
        )

    read, _ = read_v(database_url, pl.String)

    assert read.to_list() == [None, *TEXTS]


def test_the_padding_of_char_is_cut_only_where_the_contract_says_so(database_url: str) -> None:
    make_v(database_url, "char(4)", ["'ab'", "''", "NULL"])

    assert read_v(database_url, pl.String, trim=True)[0].to_list() == ["ab", "", None]
    assert read_v(database_url, pl.String)[0].to_list() == ["ab  ", "    ", None]


def test_a_table_of_one_column_keeps_its_null_rows(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE owners (id bigint, day_at timestamptz)",
        "INSERT INTO owners VALUES (1, '2024-05-17 12:00Z'), (2, '2024-05-17 13:00Z')",
        "CREATE TABLE things (v text, owner_id bigint)",
        "INSERT INTO things VALUES (NULL, 1), ('', 1), ('NULL', 2), (NULL, 2), (NULL, 1)",
    )
    # The reader's own SELECT always holds the partition column, so the one column is cut out here.
    table = plain_table({"v": pl.String})
    with psycopg.connect(database_url) as connection:
        text = SourceColumn("v", "text", None, -1, "text")
        only = [read_column(table.column("v"), text, '"v"')]
        select = sql.SQL("SELECT v FROM things ORDER BY ctid").format()
        rows = pl.concat(copy_frames(connection, select, only, of="raw/things"))

    assert rows["v"].to_list() == [None, "", "NULL", None, None]


@pytest.mark.parametrize(
    "lengths",
    [
        [900_000],
        [900_000, 1],
        [1, 900_000],
        [1, 900_000, 1, 1, 900_000, 900_000, 1],
        [900_000, 900_000, 900_000, 900_000],
        [1] * 20 + [900_000] + [1] * 20,
    ],
)
def test_a_value_longer_than_a_block_never_comes_in_a_frame_of_one_row_if_others_follow_or_precede(
    database_url: str, lengths: list[int]
) -> None:
    """Polars copies the values of a frame of one row with whatever is done with it."""
    table = plain_table({"v": pl.String})
    with psycopg.connect(database_url) as connection:
        text = SourceColumn("v", "text", None, -1, "text")
        only = [read_column(table.column("v"), text, '"v"')]
        rows = sql.SQL("SELECT repeat('x', n) FROM unnest({}::integer[]) n").format(lengths)
        frames = list(copy_frames(connection, rows, only, of="raw/things", block_bytes=300_000))

    assert pl.concat(frames)["v"].str.len_bytes().to_list() == lengths
    large = [frame for frame in frames if frame["v"].str.len_bytes().max() == 900_000]
    assert sum(frame.height == 1 for frame in large) <= (1 if len(lengths) == 1 else 0)


ODD_NAMES = [
    'say "hi"',
    "Upper Case",
    "100%",
    "%s",
    "{0}",
    "größe 😀",
    "select",
    "a.b",
    "it's",
    "x" * 63,
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_of_a_table_and_of_columns_works(database_url: str, name: str) -> None:
    named = '"' + name.replace('"', '""') + '"'
    run(
        database_url,
        f"CREATE SCHEMA {named}",
        f"CREATE TABLE {named}.{named} (id bigint, day_at timestamptz, {named} numeric)",
        f"INSERT INTO {named}.{named} VALUES (1, '2024-05-17 12:00Z', 1.5), "
        "(2, '2024-05-17 12:00Z', 'NaN')",
    )
    table = plain_table({name: pl.Decimal(10, 2)}, name=name, schema=name)

    rows, evidence = read_day(database_url, table)

    assert rows[name].cast(pl.String).to_list() == ["1.50"]
    assert evidence.rejected.rules == [f"{name}: representable"]
    assert evidence.rejected.keys == ["id=2"]


def test_odd_names_work_as_key_partition_and_parent(database_url: str) -> None:
    run(
        database_url,
        'CREATE TABLE "the %" ("K%" bigint, "at %s" timestamptz)',
        """INSERT INTO "the %" VALUES (7, '2024-05-17 12:00Z')""",
        'CREATE TABLE "line {}" (id bigint, "of %" bigint)',
        'INSERT INTO "line {}" VALUES (1, 7), (2, 8), (3, NULL)',
    )
    parent = Parent("the %", on={"of %": "K%"}, columns={"order at": "at %s"})
    dtypes = {"id": pl.Int64, "of %": pl.Int64, "order at": UTC_MOMENT}
    table = layer_table(dtypes, name="line {}", partition="order at", parent=parent)

    rows, evidence = read_day(database_url, table)

    assert rows["of %"].to_list() == [7]
    assert evidence.row_count == 1
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.without_day() == 2


def test_a_table_of_more_columns_than_a_function_takes_arguments(database_url: str) -> None:
    names = [f"n{number}" for number in range(120)]
    run(
        database_url,
        f"CREATE TABLE things (id bigint, day_at timestamptz, {' numeric, '.join(names)} numeric)",
        "INSERT INTO things (id, day_at, n119) "
        "VALUES (1, '2024-05-17', 'NaN'), (2, '2024-05-17', 3)",
    )

    rows, evidence = read_day(database_url, plain_table(dict.fromkeys(names, pl.Decimal(9, 2))))

    assert (rows["id"].to_list(), evidence.rejected.keys) == ([2], ["id=1"])


def test_a_compound_key_is_told_in_its_own_order_and_a_personal_one_hashed(
    database_url: str,
) -> None:
    run(
        database_url,
        "CREATE TABLE things (a text, b bigint, day_at timestamptz, v numeric)",
        "INSERT INTO things VALUES ('ada@example.com', 7, '2024-05-17', 'NaN')",
    )
    dtypes = {"a": pl.String, "b": pl.Int64, "day_at": UTC_MOMENT, "v": pl.Decimal(9, 2)}
    table = layer_table(dtypes, {"a": {"personal": True}}, key=["b", "a"])

    _, evidence = read_day(database_url, table)

    assert evidence.rejected.keys[0].startswith("b=7, a#")
    assert "ada" not in evidence.rejected.keys[0] + evidence.rejected.positions[0]


@pytest.mark.parametrize("before", [0, 100_000, 8_000_000])
def test_b1_a_value_longer_than_a_block_arrives_wherever_it_stands(
    database_url: str, before: int
) -> None:
    long = ["repeat('\"', 5000000)", "repeat('x', 8388609)", "repeat('ä\n', 7000000)"]
    make_v(database_url, "text", [f"repeat('b', {before})", *long, "''", "NULL"])

    read, _ = read_v(database_url, pl.String)

    wanted = ["b" * before, '"' * 5_000_000, "x" * 8_388_609, "ä\n" * 7_000_000, "", None]
    assert [one == other for one, other in zip(read, wanted, strict=True)] == [True] * 6


def test_the_query_on_record_reads_the_same_rows(database_url: str) -> None:
    make_v(database_url, "numeric", ["1", "'NaN'", "NULL"])
    with snapshot_of(database_url, plain_table({"v": pl.Decimal(9, 2)})) as snapshot:
        query = snapshot.day(DAY).evidence().query

    assert [row[0] for row in run(database_url, query)] == [1, 3]
    assert Window.of(DAY).start.isoformat() in query
