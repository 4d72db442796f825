"""Tables without days in PostgreSQL: all rows are one part; no cursor and no date are needed."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.digests import BUCKETS_SCHEMA
from etl_assets.core.errors import SourceError
from etl_assets.core.frames import CURSOR
from etl_assets.core.partitions import WHOLE
from etl_assets.core.position import Position
from etl_assets.core.scope import Scope
from etl_assets.core.source_specs import Parent
from etl_assets.pipeline.days import Published
from etl_assets.sources.abilities import Ability
from etl_assets.sources.postgres.source import PostgresSource
from etl_assets_tests.changing import LATER, MUCH, START, changing_table, frame_of, make_things
from etl_assets_tests.source_tables import layer_table, load, read_day, reader_of, run, snapshot_of

SCOPE = Scope(date(2024, 5, 1))
COUNTRIES = replace(
    layer_table({"code": pl.String, "name": pl.String}, name="countries", key=("code",)),
    partition_column=None,
)


@pytest.fixture
def countries(database_url: str) -> str:
    run(
        database_url,
        "CREATE TABLE countries (code text PRIMARY KEY, name text)",
        "INSERT INTO countries VALUES ('DE', 'Germany'), ('FR', 'France'), ('XX', NULL)",
    )
    return database_url


def test_a_lookup_table_is_read_whole(countries: str) -> None:
    rows, evidence = read_day(countries, COUNTRIES, WHOLE)
    assert rows.rows() == [("DE", "Germany"), ("FR", "France"), ("XX", None)]
    assert evidence.row_count == 3
    assert evidence.repeated is not None
    assert evidence.repeated.is_empty()


def test_a_lookup_table_is_loaded_like_a_day(countries: str, tmp_path: Path) -> None:
    (loaded,) = load(countries, COUNTRIES, [WHOLE], tmp_path, Published())
    assert (loaded.day, loaded.rows, loaded.source_count) == (WHOLE, 3, 3)


def test_its_digests_are_of_the_one_part(countries: str) -> None:
    with snapshot_of(countries, COUNTRIES) as snapshot:
        everything = snapshot.digests(None, 1)
        assert everything.schema == BUCKETS_SCHEMA
        assert everything.select("day", "bucket", "rows").rows() == [(WHOLE, 0, 3)]
        assert snapshot.digests([WHOLE], 1).equals(everything)
        assert snapshot.digests([], 1).is_empty()
        rows = snapshot.row_digests(WHOLE, 4, range(4))
        assert sorted(rows["code"]) == ["DE", "FR", "XX"]
        assert rows[CURSOR].null_count() == 3
        assert snapshot.without_day() == 0


def test_its_keys_are_asked_for_whatever_the_scope_is(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE countries (code text, name text)",
        "INSERT INTO countries VALUES ('DE', 'Germany'), ('DE', 'Allemagne'), (NULL, 'a'),"
        " (NULL, 'b'), ('FR', 'France')",
    )
    with snapshot_of(database_url, COUNTRIES) as snapshot:
        assert set(snapshot.repeated_keys(SCOPE)["code"]) == {"DE", None}
        found = frame_of(snapshot.by_keys(pl.DataFrame({"code": ["FR", None]})))
        assert sorted(found["name"]) == ["France", "a", "b"]


def test_rows_that_no_dtype_holds_are_told_for_the_one_part(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE rates (code text PRIMARY KEY, rate numeric)",
        "INSERT INTO rates VALUES ('a', 1.5), ('b', 'NaN')",
    )
    dtypes = {"code": pl.String, "rate": pl.Decimal(9, 2)}
    table = replace(layer_table(dtypes, name="rates", key=("code",)), partition_column=None)
    rows, evidence = read_day(database_url, table, WHOLE)
    assert (rows["code"].to_list(), evidence.row_count) == (["a"], 2)
    assert evidence.rejected.keys == ["code=b"]
    with snapshot_of(database_url, table) as snapshot:
        found = snapshot.unreadable(SCOPE)
    assert (found.keys["code"].to_list(), found.days) == (["b"], [WHOLE])


def test_a_table_with_a_cursor_and_no_days_tells_its_changes(database_url: str) -> None:
    make_things(
        database_url,
        "SELECT n, NULL, '2024-05-17'::timestamptz + n * interval '1 hour' "
        "FROM generate_series(1, 9) n",
    )
    table = replace(changing_table(), partition_column=None)
    with snapshot_of(database_url, table) as snapshot:
        first = snapshot.changes(Position(START), LATER, 5, MUCH)
        assert frame_of(first)["id"].to_list() == [1, 2, 3, 4, 5]
        second = snapshot.changes(first.last, LATER, 5, MUCH)
        assert frame_of(second)["id"].to_list() == [6, 7, 8, 9]
        assert second.is_last


def test_a_child_without_days_has_its_parent_s_columns(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE owners (id bigint PRIMARY KEY, name text)",
        "CREATE TABLE things (id bigint PRIMARY KEY, owner_id bigint)",
        "INSERT INTO owners VALUES (1, 'one')",
        "INSERT INTO things VALUES (7, 1), (8, 2)",
    )
    parent = Parent("owners", on={"owner_id": "id"}, columns={"owner": "name"})
    made = layer_table({"id": pl.Int64, "owner": pl.String}, parent=parent)
    rows, _ = read_day(database_url, replace(made, partition_column=None), WHOLE)
    assert rows.rows() == [(7, "one"), (8, None)]


def test_a_source_without_a_cursor_says_that_it_cannot_be_synced(countries: str) -> None:
    with reader_of(countries) as reader:
        source = PostgresSource(reader, COUNTRIES)
        assert set(source.cannot) == {Ability.CHANGES}
        with pytest.raises(SourceError, match="names no cursor_column"):
            source.horizon(None)
        with source.open() as snapshot, pytest.raises(SourceError, match="names no cursor_column"):
            snapshot.changes(None, LATER, 1, 1)


def test_b5_a_key_without_a_canonical_text_cannot_be_compared_and_says_so(
    database_url: str,
) -> None:
    run(database_url, "CREATE TABLE things (k float8 PRIMARY KEY, v text)")
    made = layer_table({"k": pl.Float64, "v": pl.String}, key=("k",))
    table = replace(made, partition_column=None)
    with reader_of(database_url) as reader:
        source = PostgresSource(reader, table)
        assert "Float64" in source.cannot[Ability.DIGESTS]
        with source.open() as snapshot:
            for ask in (
                lambda: snapshot.digests(None, 1),
                lambda: snapshot.row_digests(WHOLE, 1, [0]),
            ):
                with pytest.raises(SourceError, match=r"cannot be compared .* key column k"):
                    ask()
