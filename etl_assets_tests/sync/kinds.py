"""Tables whose cursor is of another kind than one column of moments, for tests of their syncs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import polars as pl

from etl_assets.core.cursor import CursorColumn, Epoch, Version
from etl_assets.core.policies import Thresholds
from etl_assets.core.table import LayerTable, versions_of
from etl_assets_tests.source_tables import UTC_MOMENT, layer_table
from etl_assets_tests.sync.shelf import Shelf, nulls_first

LENIENT = Thresholds(max_bad_share=1.0, min_share_of_last=0.0, max_deleted_share=1.0)


@dataclass(frozen=True)
class Kind:
    """A cursor: what the spec says, its columns in SQL and in the contract, their values in SQL.

    `now` is what a writer sets on a change, at `{ago}` before the transaction began; `expression`
    is the column list of the index that serves it, without the key.
    """

    cursor: CursorColumn
    columns: Mapping[str, str]
    dtypes: Mapping[str, Any]
    now: Mapping[str, str]
    expression: str
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def table(self, name: str = "shelf", **changes: Any) -> LayerTable:
        """id, created_at (the day), v and the cursor's columns; no look-back."""
        made = layer_table(
            {"id": pl.Int64, "created_at": UTC_MOMENT, "v": pl.String, **self.dtypes},
            {"id": {"nullable": False}, "created_at": {"nullable": False}, **self.options},
            name=name,
            partition="created_at",
        )
        given: dict[str, Any] = {"thresholds": LENIENT, "lookback": timedelta(0), **changes}
        made = replace(made, cursor_column=self.cursor, **given)
        is_day = "date" in self.columns.values()
        return made if is_day else replace(made, versions=versions_of(made))

    def create(self, name: str = "shelf") -> list[str]:
        """The table, empty, with its sequence and the index that serves it."""
        own = "".join(f", {column} {type_}" for column, type_ in self.columns.items())
        return [
            f"DROP TABLE IF EXISTS {name}",
            f"DROP SEQUENCE IF EXISTS {name}_version",
            f"CREATE SEQUENCE {name}_version",
            f"CREATE TABLE {name} (id bigint PRIMARY KEY, created_at timestamptz, v text{own})",
            f"CREATE INDEX {name}_cursor ON {name} ({self.expression}, id)",
        ]

    def put(self, first: int, last: int, v: str = "v", ago: str = "0", name: str = "shelf") -> str:
        """New rows, or a change of rows that are there, all in one statement."""
        names = ", ".join(self.columns)
        values = ", ".join(self.now[column].format(ago=ago) for column in self.columns)
        given = ", ".join(f"excluded.{column}" for column in self.columns)
        return (
            f"INSERT INTO {name} (id, created_at, v, {names}) "
            f"SELECT n, '2024-05-01Z'::timestamptz + n % 3 * interval '1 day', '{v}', {values} "
            f"FROM generate_series({first}, {last}) AS n ON CONFLICT (id) DO UPDATE "
            f"SET (v, {names}) = (excluded.v, {given})"
        )

    def wanted(self, shelf: Shelf) -> list[tuple[Any, ...]]:
        """The source's rows, in the contract's columns, by key."""
        names = ", ".join(
            f"{c.name} AT TIME ZONE '{c.source_zone}'" if c.source_zone else c.name
            for c in shelf.table.columns
        )
        rows = shelf.sql("SET timezone = 'UTC'", f"SELECT {names} FROM {shelf.table.name}")
        return sorted(rows, key=nulls_first)


def shelf_of(kind: Kind, shelf: Shelf, **changes: Any) -> Shelf:
    """The shelf with a table of this kind in it, empty."""
    shelf.sql(*kind.create())
    return replace(shelf, table=kind.table(**changes))


_AGO = "(now() - interval '{ago}')"
_EPOCH = "extract(epoch FROM " + _AGO + ")"
_BOTH = {"updated_at": "timestamptz", "inserted_at": "timestamptz"}
KINDS: dict[str, Kind] = {
    "the greatest of two": Kind(
        cursor=("updated_at", "inserted_at"),
        columns=_BOTH,
        dtypes={"updated_at": UTC_MOMENT, "inserted_at": UTC_MOMENT},
        # NULL until the first update, and by turns one or the other is greater
        now={
            "updated_at": f"CASE WHEN n % 3 > 0 THEN {_AGO} END",
            "inserted_at": f"CASE WHEN n % 3 = 0 THEN {_AGO} ELSE '2024-05-01Z'::timestamptz END",
        },
        expression="GREATEST(updated_at, inserted_at)",
    ),
    "a local time": Kind(
        cursor="local_at",
        columns={"local_at": "timestamp"},
        dtypes={"local_at": pl.Datetime("us", "UTC")},
        now={"local_at": f"{_AGO} AT TIME ZONE 'Asia/Kolkata'"},
        expression="local_at",
        options={"local_at": {"source_zone": "Asia/Kolkata"}},
    ),
    "a date": Kind(
        cursor="changed_on",
        columns={"changed_on": "date"},
        dtypes={"changed_on": pl.Date},
        now={"changed_on": f"{_AGO}::date"},
        expression="changed_on",
    ),
    "seconds": Kind(
        cursor=Epoch("changed", "seconds"),
        columns={"changed": "int4"},
        dtypes={"changed": pl.Int32},
        now={"changed": f"floor({_EPOCH})"},
        expression="changed",
    ),
    "seconds rounded up": Kind(
        cursor=Epoch("changed", "seconds"),
        columns={"changed": "bigint"},
        dtypes={"changed": pl.Int64},
        now={"changed": f"ceil({_EPOCH})"},
        expression="changed",
    ),
    "milliseconds": Kind(
        cursor=Epoch("changed", "milliseconds"),
        columns={"changed": "bigint"},
        dtypes={"changed": pl.Int64},
        now={"changed": f"({_EPOCH} * 1000)::bigint"},
        expression="changed",
    ),
    "microseconds": Kind(
        cursor=Epoch(("changed", "made"), "microseconds"),
        columns={"changed": "bigint", "made": "bigint"},
        dtypes={"changed": pl.Int64, "made": pl.Int64},
        now={"changed": f"({_EPOCH} * 1e6)::bigint", "made": "NULL"},
        expression="GREATEST(changed, made)",
    ),
    "a version": Kind(
        cursor=Version("version"),
        columns={"version": "bigint"},
        dtypes={"version": pl.Int64},
        now={"version": "nextval('shelf_version')"},
        expression="version",
    ),
}
