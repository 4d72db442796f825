"""Names of any kind, from a source table through load, sync and reconciliation (B7).

The names are PostgreSQL's: whatever it takes for a schema, a table and their columns.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import polars as pl
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from psycopg import sql

from etl_assets.config import Settings
from etl_assets.core.catalog import Catalog
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec_checks import table_faults
from etl_assets.core.table import LayerTable, versions_of
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.names import fitting
from etl_assets_tests.contract.backends import Backend, settings_of
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table, reader_of
from etl_assets_tests.sync.shelf import FIRST_DAY, Shelf

pytestmark = pytest.mark.thorough_for("bigquery")

WORDS = ["select", "group", "order", "class", "null", "true", "table", "end", "user", "lambda"]
SIGNS = [
    *('say "hi"', "it's", "a.b", "100%", "%s", "%(x)s", ":x", "a::text", "?", "back\\slash", "\\n"),
    *("{}", "{x}", "{0!r}", "$1", "$$", "$files", "; --", "/* x */", "`tick`", "[b]", "<b>", "@x"),
    *(" ", " a", "a ", "two words", "line\nbreak", "tab\t", "~", "#", "&", "|", "a|b", ",", "(x)"),
    *("^a", "a$", "*a", "a*", "1st", "0", "-1", "_", "_x", "_id", "=x", "+", "\x7f", "‮", "😀"),
    *(
        "é",
        "naïve_日本",
        "ä" * 31,
        "x" * 63,
        "ß",
        "\u017f",
        "ǅ",
        "İ",
        "\u00a0",
        "UPPER",
        "Mixed Case",
    ),
]
OURS = [
    # what our own statements and frames call something
    *("t", "s", "o", "k", "x", "n", "parent", "things", "page", "base", "item", "items", "keys"),
    *("day", "digest", "bucket", "cursor", "column", "position", "payload", "rows", "len", "count"),
    *("total", "key", "part", "part_", "rule", "rule_", "newest", "low", "high", "following"),
    *("number", "name", "size", "bytes", "o0", "k0", "r", "v", "wanted", "found", "file", "line"),
    *(
        "filename",
        "rowid",
        "file_row_number",
        "etl_left_out",
        "_day",
        "_cursor",
        "_rows",
        "_staged",
    ),
    *("partition_key", "source_position", "table_name", "run_id", "__v", "__old", "v__old", "at"),
    *("literal", "values", "offset", "x__new", "staged", "left_out", "index", "row_nr", "alias"),
]
NO_COLUMN = {"tableoid", "ctid", "xmin", "xmax", "cmin", "cmax"}
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
NAMES = st.one_of(
    st.sampled_from([*WORDS, *SIGNS, *OURS]),
    st.text(LETTERS, min_size=1, max_size=63).filter(lambda text: len(text.encode()) <= 63),
)
FOUR = st.lists(NAMES, min_size=4, max_size=12, unique_by=str.lower).filter(
    lambda names: not NO_COLUMN & set(names)
)


def table_of(
    names: Sequence[str],
    *,
    schema: str,
    table: str,
    named: bool = False,
    wide_key: bool = False,
) -> LayerTable:
    """Two columns of the key, the day, the cursor, and numbers; a raw table with versions.

    With `named` its columns are called c0, c1, …, and the names are those in the source; with
    `wide_key` the numbers are of the key as well.
    """
    own = [f"c{n}" for n in range(len(names))] if named else list(names)
    dtypes = dict(zip(own, [pl.Int64, pl.String, UTC_MOMENT, UTC_MOMENT], strict=False))
    dtypes |= {name: pl.Decimal(12, 2) for name in own[4:]}
    options = {own[0]: {"nullable": False}, own[2]: {"nullable": False}}
    if named:
        for name, source in zip(own, names, strict=True):
            options[name] = {**options.get(name, {}), "source_name": source}
    for name in own[5:]:
        options[name] = {**options.get(name, {}), "on_unrepresentable": "null"}
    key = [*own[:2], *(own[4:] if wide_key else [])]
    made = layer_table(dtypes, options, name=f"t{uuid4().hex[:12]}", partition=own[2], key=key)
    made = replace(
        made,
        source=PostgresTable(table, schema),
        cursor_column=own[3],
        lookback=timedelta(0),
        thresholds=replace(made.thresholds, min_share_of_last=0.0, max_deleted_share=1.0),
    )
    return replace(made, versions=versions_of(made))


def is_taken(table: LayerTable, warehouse: Settings) -> bool:
    """Whether the table can be declared and the warehouse holds it; else it says why not."""
    faults = list(table_faults(table, contract="raw", transform=""))
    assert all(fault.what and fault.write for fault in faults)
    if faults:
        return False
    held = fitting(Catalog({table.path: table}), warehouse)
    return table.path in held


@contextmanager
def source_of(url: str, table: LayerTable) -> Iterator["Source"]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield Source(connection, table)


class Source:
    """The table in its database, by the names that it has there."""

    def __init__(self, connection: psycopg.Connection, table: LayerTable) -> None:
        source = table.source
        assert isinstance(source, PostgresTable)
        self.connection, self.table = connection, table
        self.relation = sql.Identifier(source.schema, source.table)
        self.columns = [sql.Identifier(name) for name in table.source_columns.values()]
        if source.schema != "public":
            connection.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(source.schema))
            )
        types = ["bigint", "text", "timestamptz", "timestamptz"]
        types += ["numeric"] * (len(self.columns) - 4)
        listed = sql.SQL(", ").join(
            sql.SQL("{} {}").format(name, sql.SQL(type_))
            for name, type_ in zip(self.columns, types, strict=True)
        )
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self.relation))
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(self.relation, listed))

    def run(self, text: str) -> list[tuple[object, ...]]:
        """`{t}` is the table, `{c0}` its first column."""
        named = {f"c{number}": name for number, name in enumerate(self.columns)}
        cursor = self.connection.execute(sql.SQL(text).format(t=self.relation, **named))
        return cursor.fetchall() if cursor.description else []

    def insert(self, key: int, day: int = 0, more: str = "1.5", text: str = "'k'") -> None:
        rest = [sql.SQL(more)] * (len(self.columns) - 4)
        first = sql.SQL(f"{key}, {text}, '{FIRST_DAY + timedelta(days=day)}Z', clock_timestamp()")
        self.connection.execute(
            sql.SQL("INSERT INTO {} VALUES ({})").format(
                self.relation, sql.SQL(", ").join([first, *rest])
            )
        )

    def wanted(self) -> list[tuple[object, ...]]:
        return self.run("SELECT * FROM {t} WHERE {c0} > 0 AND {c0} <> 4 ORDER BY {c0}")


def through_everything(url: str, table: LayerTable, warehouse: Warehouse, folder: Path) -> None:
    """Loads, syncs and reconciles; what is published is what the source has, each time."""
    days = [FIRST_DAY + timedelta(days=n) for n in range(2)]
    with reader_of(url) as reader, source_of(url, table) as source:
        shelf = Shelf(url, table, warehouse, folder, reader)
        for number in (1, 2, 3, 5):
            source.insert(number, number % 2)
        source.insert(4)  # twice: all of it is set aside
        source.insert(4, 1)
        source.insert(-1, more="'NaN'") if len(source.columns) > 4 else None
        shelf.sync()
        assert shelf.published() == source.wanted()
        aside = warehouse.quarantined(table)["rule"].to_list()
        assert aside.count("unique_key") == 2
        source.run("UPDATE {t} SET {c3} = clock_timestamp(), {c1} = NULL WHERE {c0} = 1")
        source.run("UPDATE {t} SET {c3} = clock_timestamp() WHERE {c0} = 2")
        source.insert(6, text="NULL")
        shelf.sync()
        source.run("DELETE FROM {t} WHERE {c0} = 3")
        source.run("UPDATE {t} SET {c2} = {c2} + interval '1 day' WHERE {c0} = 2")
        found = shelf.reconcile()
        assert found.is_equal, found.remaining
        assert shelf.published() == source.wanted()
        shelf.reload(*days)
        assert shelf.published() == source.wanted()
        found = shelf.reconcile(repair=False)
        assert found.is_equal
        assert warehouse.profile(table, days).height == 2
        assert table.versions
        assert len(shelf.published(table.versions)) >= 6


EVERYTHING = settings(
    max_examples=2,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # each step to a smaller one takes long
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)


@pytest.mark.thorough_for("bigquery", "postgres")
@pytest.mark.soak_for("bigquery")
@EVERYTHING
@given(names=FOUR, schema=NAMES, table=NAMES, named=st.booleans())
def test_b7_any_names_go_through_everything(
    database_url: str,
    backend: Backend,
    warehouse: Warehouse,
    tmp_path: Path,
    names: list[str],
    schema: str,
    table: str,
    named: bool,
) -> None:
    assume(not schema.startswith("pg_"))
    made = table_of(names, schema=schema, table=table, named=named)
    assume(is_taken(made, settings_of(tmp_path)))
    through_everything(database_url, made, warehouse, tmp_path)


ALL_NAMES = [*WORDS, *SIGNS, *OURS]
"""Every one of the list, some at a time, as parts of the key as well."""


@pytest.mark.thorough_for("bigquery", "-1", "-2")
@pytest.mark.soak_for("bigquery")
@pytest.mark.parametrize("part", range(3))
def test_b7_every_name_of_the_list_goes_through_everything(
    database_url: str, backend: Backend, warehouse: Warehouse, tmp_path: Path, part: int
) -> None:
    names = ALL_NAMES[part::3]
    settings_ = settings_of(tmp_path)
    fits = [name for name in names if is_taken(some(name), settings_)]
    through_everything(
        database_url, table_of(fits, schema=names[3], table=names[4]), warehouse, tmp_path
    )


KEYS = [
    *(
        "c0",
        "position",
        "c2",
        "c3",
        "payload",
        "column",
        "day",
        "digest",
        "cursor",
        "bucket",
        "rows",
    ),
    *(
        "len",
        "n",
        "total",
        "count",
        "key",
        "part",
        "rule",
        "_day",
        "_cursor",
        "v",
        "v__old",
        "select",
    ),
]


@pytest.mark.thorough_but("duckdb-True")
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.soak_for("bigquery")
def test_b7_columns_of_the_key_may_be_called_what_our_own_are(
    database_url: str, backend: Backend, warehouse: Warehouse, tmp_path: Path, named: bool
) -> None:
    made = table_of(KEYS, schema="public", table="t", wide_key=True, named=named)
    assert is_taken(made, settings_of(tmp_path))
    through_everything(database_url, made, warehouse, tmp_path)


def some(name: str) -> LayerTable:
    """A table with this column among others."""
    return table_of(["c0", name, "c2", "c3"], schema="public", table="t")
