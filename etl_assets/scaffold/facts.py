"""What a database says of one of its tables, as data. How it is asked is `reflect.py`; what is
proposed because of it is decided in `propose.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from etl_assets.core.source_specs import DEFAULT_CONNECTION
from etl_assets.postgres.catalogue import SourceColumn

KINDS: Mapping[str, str] = {
    "r": "table",
    "p": "partitioned table",
    "v": "view",
    "m": "materialised view",
    "f": "foreign table",
}
"""PostgreSQL's letters for what rows can be read from."""

MOMENTS = ("timestamptz", "timestamp", "date")
"""The types that say a day."""


@dataclass(frozen=True)
class Relation:
    """Something in the database that has rows; `child_of` is the table that it is read with."""

    schema: str
    table: str
    kind: str = "r"
    child_of: str | None = None
    connection: str = DEFAULT_CONNECTION

    @property
    def shown(self) -> str:
        """Schema and name, for people."""
        return f"{self.schema}.{self.table}"


@dataclass(frozen=True)
class Measured:
    """What was found of a column's values: of all rows that were there, or of the sample's.

    `nulls` counts NULLs. `least` and `greatest` are texts of numbers, dates and moments, None where
    there was no value or none was asked for; `scale` is the greatest number of decimals.
    `has_unrepresentable` tells of infinity, BC, years after 9999, NaN in a numeric, 24:00.
    """

    nulls: int = 0
    least: str | None = None
    greatest: str | None = None
    scale: int | None = None
    has_unrepresentable: bool = False


@dataclass(frozen=True)
class ColumnFacts:
    """A column; `labels` are those of its enum, `references` the column that it is a key of.

    `null_share` and `distinct` are those of the statistics, None where there are none.
    """

    source: SourceColumn
    comment: str | None = None
    default: str | None = None
    labels: tuple[str, ...] = ()
    references: str | None = None
    null_share: float | None = None
    distinct: float | None = None
    measured: Measured = Measured()

    @property
    def name(self) -> str:
        """Its name in the source."""
        return self.source.name

    @property
    def type(self) -> str:
        """The name of its type, of a domain that of its base."""
        return "array" if self.source.element is not None else self.source.type


@dataclass(frozen=True)
class FoundKey:
    """Columns that tell the rows apart. `why` says how that is known; `is_proven` tells whether the
    database guarantees it, else it was true of the rows that were looked at."""

    columns: tuple[str, ...]
    why: str
    is_proven: bool


@dataclass(frozen=True)
class TableFacts:
    """A relation. `rows` is the planner's estimate, or exact where `is_counted`.

    `key` is None where nothing tells the rows apart; then `no_key` says what was tried. `checks`
    are the conditions of its validated CHECK constraints and of its domains, as PostgreSQL prints
    them, with the column in them for a domain's VALUE. `sample` has a text for each value, in
    columns that are called 0, 1, …, and all rows where `has_all_rows`. `zone` is the zone of clocks
    without one, by a convention or a default of the database (`zone_why`), None where nothing
    tells.
    """

    relation: Relation
    columns: Sequence[ColumnFacts]
    comment: str | None = None
    rows: int | None = None
    is_counted: bool = False
    key: FoundKey | None = None
    no_key: str = ""
    checks: Sequence[str] = ()
    sample: pl.DataFrame = field(default_factory=pl.DataFrame)
    has_all_rows: bool = False
    sets_on_update: bool = False
    zone: str | None = None
    zone_why: str = ""
    now: str = ""

    def texts(self, name: str) -> pl.Series:
        """The sampled texts of a column."""
        names = [column.name for column in self.columns]
        place = str(names.index(name)) if name in names else ""
        if place not in self.sample.columns:
            return pl.Series("", [], pl.String)
        return self.sample[place]

    def column(self, name: str) -> ColumnFacts:
        """The column of that name in the source; raises KeyError."""
        found = {column.name: column for column in self.columns}
        return found[name]
