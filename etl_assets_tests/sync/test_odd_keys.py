"""B5: keys that are floats or intervals: a clear refusal, or a reconciliation that works."""

from dataclasses import replace

import polars as pl
import pytest

from etl_assets.core.errors import SourceError
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table
from etl_assets_tests.sync.kinds import LENIENT
from etl_assets_tests.sync.shelf import Shelf


def keyed(shelf: Shelf, type_: str, dtype: object, *values: str) -> Shelf:
    """A table whose key has this type, with these keys, and its shelf."""
    table = layer_table(
        {"k": dtype, "created_at": UTC_MOMENT, "updated_at": UTC_MOMENT, "v": pl.String},
        {"k": {"nullable": False}, "created_at": {"nullable": False}},
        name="odd",
        partition="created_at",
        key=("k",),
    )
    shelf.sql(
        f"CREATE TABLE odd (k {type_} PRIMARY KEY, created_at timestamptz, "
        "updated_at timestamptz, v text)",
        *(
            f"INSERT INTO odd VALUES ({value}, '2024-05-01Z', now() - interval '1 hour', 'v')"
            for value in values
        ),
    )
    return replace(shelf, table=replace(table, cursor_column="updated_at", thresholds=LENIENT))


@pytest.mark.parametrize("type_", ["double precision", "real"])
def test_b5_a_float_as_key_syncs_and_is_refused_by_a_reconciliation_in_a_sentence(
    shelf: Shelf, type_: str
) -> None:
    dtype = pl.Float64 if type_ == "double precision" else pl.Float32
    shelf = keyed(shelf, type_, dtype, "0.5", "1.25", "1e20")
    shelf.sync()
    shelf.sql("UPDATE odd SET v = 'changed', updated_at = now() WHERE k = 1.25")
    shelf.sync()
    assert [row[3] for row in shelf.published()] == ["v", "changed", "v"]
    with pytest.raises(SourceError, match=r"cannot be compared .* key column k is Float"):
        shelf.reconcile()


def test_b5_an_interval_as_key_is_synced_and_reconciled(shelf: Shelf) -> None:
    values = ("interval '1 day'", "interval '2 months 3.5 s'", "interval '-1 h'")
    shelf = keyed(shelf, "interval", pl.String, *values)
    shelf.sync()
    shelf.sql(
        "UPDATE odd SET v = 'changed', updated_at = now() WHERE k = interval '1 day'",
        "DELETE FROM odd WHERE k = interval '-1 h'",
        "UPDATE odd SET v = 'silent' WHERE k = interval '2 months 3.5 s'",
    )
    shelf.sync()
    assert shelf.reconcile().differences.count == 2
    assert sorted(row[3] for row in shelf.published()) == ["changed", "silent"]
    assert shelf.reconcile(repair=False).is_equal
