"""`etl_quarantine`, `etl_tombstones`, `etl_files`, `etl_file_days` and `etl_fields`: read, and
written where no publication does it.

What is small is listed, which is no job and costs nothing; what may be large is asked for.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple
from datetime import date
from typing import Any
from uuid import uuid4

import polars as pl
from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

from etl_assets.core.field_register import FieldPart
from etl_assets.core.file_index import IndexedObject
from etl_assets.core.ledger import LedgerEntry
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import struct_rows
from etl_assets.warehouse.bigquery.system import System, system, types_of
from etl_assets.warehouse.state_store import QUARANTINED_SCHEMA, TOMBSTONED_SCHEMA
from etl_assets.warehouse.system_tables import (
    FIELDS,
    FILE_DAYS,
    FILES,
    QUARANTINE,
    TOMBSTONES,
    SystemTable,
)

_MOST_LISTED = 100_000
_MOST_GIVEN, _MOST_CHARACTERS = 1_000, 1_000_000


class Records:
    """What the warehouse keeps of tables beside their states.

    All methods raise what Google's client raises. Reading finds nothing where nothing was
    ever published, and makes no table.
    """

    def __init__(self, jobs: Jobs, datasets: Datasets, platform: System) -> None:
        self._jobs, self._datasets, self._system = jobs, datasets, platform

    def quarantine_counts(self, table: LayerTable) -> dict[date, int]:
        """See `StateStore.quarantine_counts`."""
        if self._system.size(QUARANTINE) > _MOST_LISTED:
            rows = self._system.asked(
                f"SELECT partition_key, COUNT(*) FROM {system(self._datasets, QUARANTINE)} "  # noqa: S608
                "WHERE table_name = @table GROUP BY partition_key",
                [ScalarQueryParameter("table", "STRING", table.path)],
            )
            return dict(rows)
        listed = self._system.rows(QUARANTINE, "table_name", "partition_key")
        return dict(Counter(r["partition_key"] for r in listed if r["table_name"] == table.path))

    def quarantined(
        self,
        table: LayerTable,
        positions: Collection[str] | None,
        days: Collection[date] | None,
    ) -> pl.DataFrame:
        """See `StateStore.quarantined`."""
        empty = pl.DataFrame(schema=QUARANTINED_SCHEMA)
        given: list[Any] = [ScalarQueryParameter("table", "STRING", table.path)]
        where = "table_name = @table"
        for name, column, type_, among in (
            ("positions", "source_position", "STRING", positions),
            ("days", "partition_key", "DATE", days),
        ):
            if among is not None:
                where += f" AND {column} IN UNNEST(@{name})"
                given.append(ArrayQueryParameter(name, type_, list(among)))
                if not among:
                    return empty
        names = ", ".join(QUARANTINED_SCHEMA)
        rows = self._system.asked(
            f"SELECT {names} FROM {system(self._datasets, QUARANTINE)} "  # noqa: S608 - quoted
            f"WHERE {where} ORDER BY {names}",
            given,
        )
        return pl.DataFrame(rows, schema=QUARANTINED_SCHEMA, orient="row")

    def tombstones(self, table: LayerTable) -> pl.DataFrame:
        """See `StateStore.tombstones`."""
        rows = self._system.asked(
            f"SELECT {', '.join(TOMBSTONED_SCHEMA)} "  # noqa: S608 - quoted
            f"FROM {system(self._datasets, TOMBSTONES)} "
            "WHERE table_name = @table ORDER BY found_at, payload",
            [ScalarQueryParameter("table", "STRING", table.path)],
        )
        return pl.DataFrame(rows, schema=TOMBSTONED_SCHEMA, orient="row")

    def ledger(self, table: LayerTable) -> list[LedgerEntry]:
        """See `StateStore.ledger`."""
        rows = self._system.asked(
            f"SELECT {', '.join(FILES.names)} FROM {system(self._datasets, FILES)} "  # noqa: S608
            "WHERE table_name = @table ORDER BY partition_key, object_key",
            [ScalarQueryParameter("table", "STRING", table.path)],
        )
        return [LedgerEntry(*row) for row in rows]

    def file_days(self, table: LayerTable) -> list[IndexedObject]:
        """See `StateStore.file_days`: listed, as every look at a table of files needs it."""
        found = [
            IndexedObject(**row)
            for row in self._system.rows(FILE_DAYS)
            if row["table_name"] == table.path
        ]
        return sorted(found, key=lambda one: one.object_key)

    def put_file_days(
        self, table: LayerTable, keys: Collection[str], found: Sequence[IndexedObject]
    ) -> None:
        """See `StateStore.put_file_days`; a statement for as much as one takes."""
        self._system.upgrade()
        target = system(self._datasets, FILE_DAYS)
        gone = sorted(keys)
        for at in range(0, len(gone), _MOST_GIVEN):
            self._jobs.query(
                f"DELETE FROM {target} WHERE table_name = @table "  # noqa: S608 - quoted
                "AND object_key IN UNNEST(@keys)",
                f"etl_file_days_{uuid4().hex}",
                parameters=[
                    ScalarQueryParameter("table", "STRING", table.path),
                    ArrayQueryParameter("keys", "STRING", gone[at : at + _MOST_GIVEN]),
                ],
            )
        self._insert(FILE_DAYS, [astuple(one) for one in found])

    def fields(self, table: LayerTable) -> list[FieldPart]:
        """See `StateStore.fields`."""
        rows = self._system.asked(
            f"SELECT {', '.join(FIELDS.names)} FROM {system(self._datasets, FIELDS)} "  # noqa: S608
            "WHERE table_name = @table ORDER BY column_name, partition_key, field",
            [ScalarQueryParameter("table", "STRING", table.path)],
        )
        return [FieldPart(*row) for row in rows]

    def put_fields(
        self, table: LayerTable, parts: Collection[date], found: Sequence[FieldPart]
    ) -> None:
        """See `StateStore.put_fields`; a statement for as much as one takes."""
        self._system.upgrade()
        self._jobs.query(
            f"DELETE FROM {system(self._datasets, FIELDS)} WHERE table_name = @table "  # noqa: S608
            "AND partition_key IN UNNEST(@parts)",
            f"etl_fields_{uuid4().hex}",
            parameters=[
                ScalarQueryParameter("table", "STRING", table.path),
                ArrayQueryParameter("parts", "DATE", list(parts)),
            ],
        )
        self._insert(FIELDS, [astuple(one) for one in found])

    def _insert(self, table: SystemTable, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, in the order of the table's columns."""
        types = types_of(table)
        names, values = ", ".join(types), ", ".join(f"f.{name}" for name in types)
        for given in _portions(rows):
            self._jobs.query(
                f"INSERT INTO {system(self._datasets, table)} ({names}) "  # noqa: S608 - quoted
                f"SELECT {values} FROM UNNEST(@found) AS f",
                f"{table.name}_{uuid4().hex}",
                parameters=[struct_rows("found", types, given)],
            )


def _portions(rows: Sequence[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    """What the parameters of one statement can hold."""
    portion: list[tuple[Any, ...]] = []
    characters = 0
    for one in rows:
        if portion and (len(portion) == _MOST_GIVEN or characters > _MOST_CHARACTERS):
            yield portion
            portion, characters = [], 0
        portion.append(one)
        characters += sum(len(value) for value in one if isinstance(value, str))
    if portion:
        yield portion
