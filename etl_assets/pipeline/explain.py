"""A published row explained, layer by layer up to its sources: what is known of how it came to be.

Rows of inputs are those with the values that the transform took over (`core/column_lineage.py`);
where no column tells, the parts are named that the row was made of. Nothing is written.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from etl_assets.core.as_of import UNKNOWN
from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.column_lineage import same_values
from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import Deletes
from etl_assets.core.rows import keys_of
from etl_assets.core.state import PartitionState
from etl_assets.core.table import Input, LayerTable
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.quarantine_keys import WantedKey
from etl_assets.pipeline.row_search import part_of, rows_with
from etl_assets.pipeline.row_sources import origin_lines
from etl_assets.warehouse.contract_tables import schema_version

Values = Mapping[str, Any]


@dataclass(frozen=True)
class SetAside:
    """A quarantined row: of which part, by which rule, where it stood; `is_own` if by the key.

    `is_line` is of a CSV line that has the key's values among its fields, whose names are unknown.
    """

    day: date
    rule: str
    position: str
    payload: str
    is_own: bool
    is_line: bool = False


@dataclass(frozen=True)
class RowTrace:
    """What is known of one row of a table, or of a key that no published row has (`row` is None).

    `row` is of the contract's columns, `audit` of those that the platform adds. `state` is of the
    row's part, `contract_is_current` whether the row was checked with the contract as it is now,
    `is_late` whether the inputs were published again since. `origin` says where a row of a source
    came from. `quarantine` are rows of the same key or part. `gone_at` are the moments when the row
    was found to be deleted at the source, as `etl_tombstones` has them.
    """

    table: LayerTable
    values: Values
    row: Values | None
    audit: Values
    day: date | None
    state: PartitionState | None
    contract_is_current: bool
    is_late: bool | None
    origin: Sequence[str]
    quarantine: Sequence[SetAside]
    gone_at: Sequence[datetime] = ()
    inputs: "Sequence[InputTrace]" = ()

    @property
    def key(self) -> str:
        """The key as it is shown: `order_id=7`, personal values under a digest."""
        known = [self.table.column(name) for name in self.values if name in self.table.key]
        frame = pl.DataFrame(
            {column.name: [self.values[column.name]] for column in known},
            schema={column.name: column.dtype for column in known},
        )
        return keys_of(frame, known)[0] if known else ""

    def walk(self) -> "Iterable[RowTrace]":
        """This row and all rows that it was made of."""
        yield self
        for given in self.inputs:
            for row in given.rows:
                yield from row.walk()


@dataclass(frozen=True)
class InputTrace:
    """What a row was made of in one input: rows with its values, or only the `parts`.

    `by` are the columns whose values were looked for, by the input's names, with the row's own.
    `total` counts the rows, of which the first are in `rows`. Where neither the input's nor the
    row's key is whole among these columns, not all of the rows need be what it was made of.
    """

    name: str
    table: LayerTable
    by: Mapping[str, str]
    parts: Sequence[date]
    total: int
    rows: Sequence[RowTrace] = ()
    is_exact: bool = True


class Explainer:
    """Explains rows of one warehouse as it is at one moment; at most so many rows of an input."""

    def __init__(self, platform: Platform, folder: Path, most: int = 3) -> None:
        self._platform, self._folder, self._most = platform, folder, most
        self._warehouse, self._catalog = platform.warehouse.seen, platform.catalog
        self._states: dict[str, dict[date, PartitionState]] = {}
        for state in self._warehouse.state():
            self._states.setdefault(state.table_name, {})[state.partition_key] = state
        states = [state for found in self._states.values() for state in found.values()]
        late = platform.late_of(states, platform.table_rows())
        self._late = {(one.table, one.day) for one in late}
        self._stones: dict[str, list[tuple[str, datetime]]] = {}
        self._quarantine: dict[tuple[str, date | None], list[tuple[date, str, str, str]]] = {}

    def explain(self, table: LayerTable, values: Values) -> RowTrace:
        """The row of this key, with what it was made of; without a row what is known of the key."""
        found = self._rows(table, values, self._states.get(table.path, {}).keys())
        rows = found.to_dicts()
        return self._trace(table, rows[0] if rows else None, values)

    def _trace(self, table: LayerTable, found: Values | None, values: Values) -> RowTrace:
        row = None if found is None else {c.name: found[c.name] for c in table.columns}
        audit = {} if found is None else {name: found[name] for name in AUDIT_COLUMNS}
        values = {name: row[name] for name in table.key} if row is not None else values
        day = None if row is None else part_of(table, row)
        state = None if day is None else self._states.get(table.path, {}).get(day)
        return RowTrace(
            table,
            values,
            row,
            audit,
            day,
            state,
            contract_is_current=audit.get("_schema_version") == schema_version(table),
            is_late=self._is_late(table, day, state),
            origin=self._origin(table, row, day),
            quarantine=self._kin(table, values, day),
            gone_at=self._gone_at(table, values),
            inputs=[
                self._input(table, name, given, row or values, day)
                for name, given in table.inputs.items()
                if not _is_unknown_member(table, row)
            ],
        )

    def _input(
        self, table: LayerTable, name: str, given: Input, values: Values, day: date | None
    ) -> InputTrace:
        above = self._catalog.inputs_of(table)[name]
        published = sorted(self._states.get(above.path, {}))
        parts = [p for p in published if day is None or given.reads(day, p)]
        by = self._by(table, above, values)
        if not by:
            return InputTrace(name, above, {}, parts, 0)
        wanted = {there: values[own] for there, own in by.items()}
        found = self._rows(above, wanted, parts)
        rows = found.sort(above.key, nulls_last=True).head(self._most).to_dicts()
        whole_key = set(above.key) <= wanted.keys()
        traces = [self._trace(above, one, wanted) for one in rows]
        if not traces and whole_key:  # the key is not published there: it may be in quarantine
            traces = [self._trace(above, None, {n: wanted[n] for n in above.key})]
        is_exact = whole_key or _own_key(table) <= set(by.values())
        return InputTrace(name, above, by, parts, found.height, traces, is_exact)

    def _by(self, table: LayerTable, above: LayerTable, values: Values) -> Mapping[str, str]:
        """By which columns of the input, and of the table, rows belong together; none if unknown.

        The whole key of the input where the row has it, else what is there of the row's own key.
        """
        same = same_values(self._catalog, table)[above.path]
        known = {there: own for there, own in same.items() if own in values}
        if set(above.key) <= known.keys():
            return {name: known[name] for name in above.key}
        return {there: own for there, own in known.items() if own in _own_key(table)}

    def _rows(self, table: LayerTable, values: Values, parts: Iterable[date]) -> pl.DataFrame:
        folder = self._folder / uuid.uuid4().hex
        return rows_with(self._warehouse, table, values, sorted(parts), folder)

    def _is_late(
        self, table: LayerTable, day: date | None, state: PartitionState | None
    ) -> bool | None:
        if day is None or state is None or not table.inputs:
            return None
        return (table.path, day) in self._late

    def _origin(self, table: LayerTable, row: Values | None, day: date | None) -> Sequence[str]:
        if _is_unknown_member(table, row):
            return ("the unknown member: rows that find no version point to it",)
        if table.source is None or row is None or day is None:
            return ()
        ledger = self._warehouse.ledger(table) if table.is_of_files else ()
        return origin_lines(table, row, [one for one in ledger if one.partition_key == day])

    def _kin(self, table: LayerTable, values: Values, day: date | None) -> list[SetAside]:
        """Quarantined rows of the same key on any part that is known, and of the same part.

        A key that is published is looked for on its own part only, any other in all of quarantine.
        """
        if (table.path, day) not in self._quarantine:
            rows = self._warehouse.quarantined(table, days=None if day is None else [day]).select(
                "partition_key", "rule", "source_position", "payload"
            )
            self._quarantine[table.path, day] = list(rows.iter_rows())
        key, kin = WantedKey.of(table, values), []
        for part, rule, position, payload in self._quarantine[table.path, day]:
            how = key.finds(table, part, position, payload) if key else None
            is_line = how == "line" and day is None  # a published row need not be such a line
            is_own = is_line or how == "key"
            kin.append(SetAside(part, rule, position, payload, is_own, is_line))
        return [one for one in kin if day is not None or one.is_own]

    def _gone_at(self, table: LayerTable, values: Values) -> list[datetime]:
        if table.deletes is not Deletes.TOMBSTONE:
            return []
        if table.path not in self._stones:
            self._stones[table.path] = list(self._warehouse.tombstones(table).iter_rows())
        key, stones = WantedKey.of(table, values), self._stones[table.path]
        return [at for payload, at in stones if key and key.finds(table, WHOLE, "", payload)]


def _is_unknown_member(table: LayerTable, row: Values | None) -> bool:
    """Whether it is the row of a dimension that is made of nothing."""
    return table.dimension is not None and row is not None and row[table.dimension.sk] == UNKNOWN


def _own_key(table: LayerTable) -> set[str]:
    """What a row is known by in the tables that it is made of: of a version the entity's key."""
    return set(table.dimension.entity if table.dimension else table.key)
