"""Days and moments that keys hold, and the examples of docs/adding-a-table.md (C18)."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.computed import Sql
from etl_assets.core.key_moments import (
    day_of_digits,
    moment_of_snowflake,
    moment_of_ulid,
    moment_of_uuid7,
)
from etl_assets.core.source_specs import PostgresTable
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table, read_day, run, snapshot_of

NOON = datetime(2024, 5, 17, 12, 0, 0, 123000, tzinfo=UTC)
DOCS = Path(__file__).parents[2] / "docs" / "adding-a-table.md"


@pytest.mark.parametrize(
    ("type_", "computed", "good", "bad"),
    [
        (
            "text",
            day_of_digits("k"),
            {"'20240229-7'": date(2024, 2, 29), "'99991231'": date(9999, 12, 31)},
            ["''", "'abc'", "'20240230'", "'20230229'", "'20241301'", "'00000101'", "'2024-05-1'"],
        ),
        (
            "bigint",
            day_of_digits("k"),
            {"20240517": date(2024, 5, 17), "202405171230": date(2024, 5, 17)},
            ["0", "-20240517", "2024051", "20240431", "9223372036854775807"],
        ),
        (
            "bigint",
            moment_of_snowflake("k", 1288834974657),
            {"(1715947200123 - 1288834974657) << 22 | 4194303": NOON},
            ["-1", "-9223372036854775808"],
        ),
        (
            "text",
            moment_of_ulid("k"),
            # https://github.com/ulid/spec has the first one.
            {
                "'01ARYZ6S41TSV4RRFFQ69G5FAV'": datetime(
                    2016, 7, 30, 22, 36, 16, 385000, tzinfo=UTC
                ),
                "'01hy36rqkvABCDEFGHJKMNPQRS'": NOON,
            },
            ["''", "'01ARYZ6S41'", "'81ARYZ6S41TSV4RRFFQ69G5FAV'", "'01ARYZ6S4ITSV4RRFFQ69G5FAV'"],
        ),
        (
            "uuid",
            moment_of_uuid7("k"),
            # https://www.rfc-editor.org/rfc/rfc9562#section-a.6 has the first one.
            {
                "'017F22E2-79B0-7CC3-98C4-DC0C0C07398F'": datetime(
                    2022, 2, 22, 19, 22, 22, tzinfo=UTC
                ),
                "'018f866c-5e7b-7000-8000-000000000000'": NOON,
            },
            ["'919108f7-52d1-4320-9bac-f847db4148a8'", "'00000000-0000-0000-0000-000000000000'"],
        ),
        ("text", moment_of_uuid7("k"), {}, ["''", "'018f866c5e7b70008000000000000000'"]),
    ],
    ids=["text", "number", "snowflake", "ulid", "uuid", "text of a uuid"],
)
def test_c18_a_key_holds_its_day_and_what_is_no_such_key_has_none(
    database_url: str, type_: str, computed: Sql, good: dict[str, object], bad: list[str]
) -> None:
    values = [*good, *bad, "NULL"]
    rows = ", ".join(f"({n}, ({value})::{type_})" for n, value in enumerate(values))
    run(
        database_url,
        f"CREATE TABLE things (id bigint, k {type_})",
        f"INSERT INTO things VALUES {rows}",
        f"CREATE INDEX ON things (({computed.expression}))",  # it is immutable
    )
    dtype = pl.Date if "make_date" in computed.expression else UTC_MOMENT
    table = replace(
        layer_table({"id": pl.Int64, "held": dtype}, partition="held"),
        source=PostgresTable("things", computed={"held": computed}),
    )
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.without_day() == len(bad) + 1
        days = snapshot.digests(None, 1)
        assert days["rows"].sum() == len(good)
    for held in good.values():
        day = held.date() if isinstance(held, datetime) else held
        assert isinstance(day, date)
        assert held in read_day(database_url, table, day)[0]["held"].to_list()


TABLES = """
    CREATE TABLE orders (id bigint, created_at timestamptz, ref text, year int, month int);
    INSERT INTO orders VALUES (1, '2024-05-16 22:30Z', '20240517-1', 2024, 5), (2, NULL, 'x', 0, 0);
    CREATE TABLE items (id bigint, order_id bigint);
    INSERT INTO items VALUES (1, 1), (2, 2);
    CREATE TABLE posts (id bigint);
    INSERT INTO posts VALUES ((1715947200123 - 1288834974657) << 22), (-1);
    CREATE TABLE carts (id text);
    INSERT INTO carts VALUES ('01HY36RQKVABCDEFGHJKMNPQRS'), ('x');
    CREATE TABLE calls (id uuid);
    INSERT INTO calls VALUES ('018f866c-5e7b-7000-8000-000000000000'), (gen_random_uuid())
"""
DTYPES: dict[str, Any] = {
    "day": pl.Date,
    "at": UTC_MOMENT,
    "ref_length": pl.Int32,
    "order_created_at": UTC_MOMENT,
}


def test_c18_the_examples_of_the_docs_read_the_days_that_they_say(database_url: str) -> None:
    section = DOCS.read_text().partition("## Which day a row belongs to")[2].partition("\n## ")[0]
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    named: dict[str, Any] = {}
    exec(example, named)
    sources = {n: made for n, made in named.items() if isinstance(made, PostgresTable)}
    assert len(sources) == 7
    run(database_url, *TABLES.split(";"))
    for name, source in sources.items():
        key = pl.Int64 if source.table in ("orders", "items", "posts") else pl.String
        dtypes = {"id": key, **{column: DTYPES[column] for column in source.borrowed}}
        day = "day" if "day" in source.computed else "at"
        table = replace(layer_table(dtypes, partition=day), source=source)
        expected = date(2024, 5, 1) if name == "expressions" else date(2024, 5, 17)
        rows, _ = read_day(database_url, table, expected)
        assert rows.height == 1, name
        with snapshot_of(database_url, table) as snapshot:
            assert snapshot.without_day() == 1, name
