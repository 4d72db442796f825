"""Layer tables: a spec's tables in their layers, which everything else reads, checks and publishes.

What a module declares is `core/spec.py`. How a source is read is `sources/`, how a layer table is
published is `warehouse/`, what Dagster makes of it is `orchestration/`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import polars as pl

from etl_assets.core.checks import ONE_VERSION, PROMOTED_FIELDS, CheckSpec, source_checks
from etl_assets.core.computed import DayIn
from etl_assets.core.contracts import Column, Contract, columns_of, key_of, keyed_by
from etl_assets.core.cursor import Cursor, CursorColumn, cursor_of
from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import (
    FRESH_WITHIN,
    LOOKBACK,
    Arrival,
    Deletes,
    Drift,
    Thresholds,
)
from etl_assets.core.source_specs import Files, PostgresTable, SourceSpec
from etl_assets.core.spec_classes import spec_class

if TYPE_CHECKING:
    from etl_assets.core.as_of import AsOf
    from etl_assets.core.dimension import Dimension


class Layer(StrEnum):
    """A layer is a dataset (BigQuery) or schema (DuckDB, PostgreSQL) of the warehouse."""

    RAW = "raw"
    STAGED = "staged"
    ENRICHED = "enriched"


@spec_class
@dataclass(frozen=True)
class Input:
    """An upstream layer table.

    `all_days_until` reads every day up to the partition's own, not only that day; an upstream table
    without days, and every input of a table without days, is read whole. `sets_grain` says
    that the result has exactly one row for each of this input's, which is then checked.
    `makes_late` says whether a derived day must be made again when this input changes.
    `days_before` and `days_after` make the input a window: a day reads so many days of it before
    and after its own as well, those that are published. A day is made although days after it are
    not there yet, and is late once they are. `as_of` says that the input is a
    dimension and how the rows look it up: a day is late when versions changed that its rows look
    up, and only then.
    """

    asset: str
    all_days_until: bool = False
    sets_grain: bool = False
    makes_late: bool = True
    days_before: int = 0
    days_after: int = 0
    as_of: "AsOf | None" = None

    @property
    def is_window(self) -> bool:
        """Whether a day reads neighbouring days of the input as well."""
        return self.days_before > 0 or self.days_after > 0

    def window_of(self, day: date) -> list[date]:
        """The days of the input that a day is made of, in order; not for `all_days_until`."""
        offsets = range(-self.days_before, self.days_after + 1)
        return [day + timedelta(days=offset) for offset in offsets]

    def reads(self, day: date, known: date) -> bool:
        """Whether the derived part `day` is made of the input's part `known`, among others.

        Either may be `WHOLE`: a table without days reads all, and is read by all.
        """
        if WHOLE in (day, known) or known == day:
            return True
        if self.all_days_until:
            return known < day
        return -self.days_before <= (known - day).days <= self.days_after

    def reads_any(self, day: date, known: Collection[date]) -> bool:
        """Whether the derived part `day` is made of any of these parts of the input."""
        if not known or WHOLE in known or day == WHOLE:
            return bool(known)
        if self.all_days_until:
            return min(known) <= day
        return any(one in known for one in self.window_of(day))


@dataclass(frozen=True, eq=False)
class LayerTable:
    """One table in one layer: what one asset reads, checks and publishes; equal only to itself.

    `partition_column` is None for a table without days: it is replaced as a whole.
    What `drift`, `overflow_column`, `ignore`, `deletes`, `kept_column`, `keep_before`, `lookback`,
    `expects` and `fresh_within` say is `TableSpec`'s.
    `versions` is the table that keeps every version of a row of this one that was seen, by key and
    cursor. `dimension` is how its versions are made, None for what is no dimension. `module` is the
    Python module that declares it, None for a spec that was made in code; of a table that YAML
    declares it is the package, and `file` the path of the YAML file in it.
    """

    layer: Layer
    name: str
    contract: type[Contract]
    partition_column: str | None
    cursor_column: CursorColumn | None
    description: str
    domain: str
    owners: tuple[str, ...]
    thresholds: Thresholds
    source: SourceSpec | None = None
    inputs: Mapping[str, Input] = field(default_factory=dict)
    transform: Callable[..., pl.LazyFrame] | None = None
    drift: Drift = Drift.REPORT
    overflow_column: str | None = None
    ignore: tuple[str, ...] = ()
    deletes: Deletes = Deletes.REMOVE
    kept_column: str | None = None
    keep_before: timedelta | None = None
    lookback: timedelta = LOOKBACK
    expects: Arrival | None = None
    fresh_within: timedelta = FRESH_WITHIN
    versions: "LayerTable | None" = None
    dimension: "Dimension | None" = None
    module: str | None = None
    file: str | None = None

    @property
    def declared_in(self) -> str:
        """The file to change, for messages: `etl_assets/tables/orders.py`."""
        return file_of(self.module, self.file) if self.module else f"the spec of {self.path}"

    @property
    def has_days(self) -> bool:
        """Whether its rows are partitioned by UTC day; else its only partition is `WHOLE`."""
        return self.partition_column is not None

    @property
    def day_column(self) -> str:
        """The column whose UTC day a row belongs to; ask `has_days` first.

        Raises TypeError for a table without days.
        """
        if self.partition_column is None:
            raise TypeError(f"{self.path} has no days.")
        return self.partition_column

    @property
    def cursor(self) -> Cursor | None:
        """What says that a row changed, None where nothing does."""
        return cursor_of(self.cursor_column, self.columns)

    @property
    def is_derived(self) -> bool:
        """Whether it is made here, of other tables or of nothing, and not read from a source."""
        return self.transform is not None or self.dimension is not None

    @property
    def syncs(self) -> bool:
        """Whether its changes can be read by a cursor, so that it need not be loaded by days."""
        return self.source is not None and self.cursor_column is not None

    @property
    def is_of_files(self) -> bool:
        """Whether it is read from the objects of a store."""
        return self.source is not None and self.source.OF_OBJECTS

    @property
    def has_row_days(self) -> bool:
        """Whether it is of files whose rows say their day, so that an object is of several days."""
        return isinstance(self.source, Files) and self.has_days and self.source.day_from == "rows"

    @property
    def has_zone_days(self) -> bool:
        """Whether its days are those of a zone, which may begin before the UTC day of that date."""
        computed = self.source.computed if isinstance(self.source, PostgresTable) else {}
        return isinstance(computed.get(self.partition_column or ""), DayIn)

    @property
    def not_at_source(self) -> frozenset[str]:
        """The contract's columns that the platform fills and the source does not have."""
        return frozenset(name for name in (self.overflow_column, self.kept_column) if name)

    @property
    def looks_up(self) -> bool:
        """Whether its rows look up versions of a dimension."""
        return any(given.as_of is not None for given in self.inputs.values())

    @property
    def own_checks(self) -> tuple[CheckSpec, ...]:
        """The checks that it has beside those of every table."""
        promoted = (PROMOTED_FIELDS,) if any(one.from_field for one in self.columns) else ()
        one_version = (ONE_VERSION,) if self.looks_up else ()
        return (*source_checks(self.source), *promoted, *one_version)

    @property
    def transform_takes_day(self) -> bool:
        """Whether the transform is told the day to make: an input that is a window has several."""
        return any(given.is_window for given in self.inputs.values())

    @property
    def path(self) -> str:
        """`raw/orders`: the table's name in state, quarantine, messages and commands."""
        return f"{self.layer}/{self.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The contract's columns."""
        return columns_of(self.contract)

    @property
    def source_columns(self) -> Mapping[str, str]:
        """The names in the source of the columns that are read from the table there, by their own.

        What comes from elsewhere is not among them: a parent's columns, what is computed.
        """
        elsewhere = {*self.not_at_source, *(self.source.borrowed if self.source else ())}
        return {c.name: c.in_source for c in self.columns if c.name not in elsewhere}

    @property
    def required_columns(self) -> Mapping[str, bool]:
        """The names of the contract's columns, and whether it refuses NULL in each."""
        return {column.name: not column.nullable for column in self.columns}

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that identify a row."""
        return key_of(self.contract)

    def column(self, name: str) -> Column:
        """The declared column of that name."""
        return next(declared for declared in self.columns if declared.name == name)


def file_of(module: str, file: str | None = None) -> str:
    """The file of a table module as messages name it, or a file of a package; the same on every
    machine."""
    place = module.replace(".", "/")
    return f"{place}/{file}" if file else f"{place}.py"


def versions_of(table: LayerTable) -> LayerTable:
    """A raw table's versions: the same columns, a row a (key, cursor).

    They stand on the day of the cursor where that is one moment, else on the day of the row.
    """
    cursor = table.cursor
    if cursor is None:
        raise TypeError(f"{table.path} keeps versions, which needs a cursor column.")
    day = cursor.columns[0] if cursor.is_plain else table.partition_column
    # A row may move to another day without a change of its cursor: that is another version.
    key = dict.fromkeys([*table.key, *cursor.columns, *([day] if day else [])])
    return replace(
        table,
        name=f"{table.name}_versions",
        contract=keyed_by(table.contract, tuple(key)),
        partition_column=day,
        description=f"{table.description} Every version that was seen, by key and {cursor.shown}.",
        source=None,
        expects=None,
        deletes=Deletes.REMOVE,
        kept_column=None,
        keep_before=None,
    )
