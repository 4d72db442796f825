"""What a table is read from, as a module in `etl_assets/tables/` declares it. Data only.

How a source is read is decided in `sources/`, where it is reached in `config/`.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import ClassVar, Literal

from etl_assets.core.completeness import Marker
from etl_assets.core.computed import Computed
from etl_assets.core.file_formats import Compression, Csv, FileFormat
from etl_assets.core.key_patterns import KeyPattern
from etl_assets.core.spec_classes import spec_class

DEFAULT_CONNECTION = "default"
"""The connection of DATABASE_URL; any other name `<name>` is DATABASE_URL_<NAME>."""

EVENTS_CONNECTION = "events"
"""The connection of EVENTS_DATABASE_URL, the database that events land in."""


@spec_class
@dataclass(frozen=True)
class Parent:
    """The row that a source row belongs to, for columns that the row itself does not have.

    `table` is in the same schema; `on` maps our column to the parent's; `columns` maps the name in
    the contract to the parent's column.
    """

    table: str
    on: Mapping[str, str]
    columns: Mapping[str, str]


class SourceSpec(ABC):
    """What each kind of source says of itself; a kind is a subclass, and its reader is found in
    `sources/factory.py`.

    `KIND` is its short name (`postgres`). `COMPARABLE` says whether its rows can be told apart by
    their keys, so that a reconciliation may compare them with the warehouse, `HAS_CURSOR` whether
    rows can say when they changed, so that a table of it may sync, `OF_OBJECTS` whether a day is
    made of objects that the ledger follows, `POLLED` whether the last days are loaded by the clock
    because nothing tells what is new, `HAS_COLUMNS` whether it says which columns a table has
    before rows are read: where each row or file may have others, a reading says which it met.
    `connection` names the outside system, by the settings that say where it is.
    """

    KIND: ClassVar[str]
    COMPARABLE: ClassVar[bool] = True
    HAS_CURSOR: ClassVar[bool] = True
    OF_OBJECTS: ClassVar[bool] = False
    POLLED: ClassVar[bool] = False
    HAS_COLUMNS: ClassVar[bool] = True
    connection: str

    @property
    @abstractmethod
    def place(self) -> str:
        """What the outside system calls it: `public.orders`."""

    @property
    def system(self) -> str:
        """The outside system as messages name it: `the billing database`."""
        name = "source" if self.connection == DEFAULT_CONNECTION else self.connection
        return f"the {name} database"

    @property
    def borrowed(self) -> Collection[str]:
        """The columns of the contract that do not come from this source itself."""
        return ()


@spec_class
@dataclass(frozen=True)
class PostgresTable(SourceSpec):
    """A table of a source database, read by explicit columns (those of the raw contract).

    `connection` names the database: `default` is DATABASE_URL, `billing` is DATABASE_URL_BILLING.
    `row_security` accepts that policies of the table hide rows from our role; without it such a
    table is refused, because a row that is hidden cannot be told from one that was deleted.
    It may be a view, a materialised view, a foreign table or partitioned as well. Of a table that
    others inherit from the rows of the whole tree are read; with `only` its own rows alone.
    `computed` are columns of the contract that the source computes (`core/computed.py`), by name.
    """

    KIND: ClassVar[str] = "postgres"
    table: str
    schema: str = "public"
    parent: Parent | None = None
    connection: str = DEFAULT_CONNECTION
    row_security: bool = False
    only: bool = False
    computed: Mapping[str, Computed] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Schema and table."""
        return f"{self.schema}.{self.table}"

    @property
    def borrowed(self) -> Collection[str]:
        """The parent's columns, and those that are computed."""
        return [*(self.parent.columns if self.parent else ()), *self.computed]


DayFrom = Literal["key", "arrival", "rows"]
"""Where the day of a row of a file comes from.

`key`: the part of its object's key that the pattern says. `arrival`: the UTC day on which the store
says that its object was last written. `rows`: a column of the file, so that an object has rows of
several days and a day rows of several objects.
"""


@spec_class
@dataclass(frozen=True)
class Files(SourceSpec):
    """The objects of a bucket or a folder whose keys a pattern describes, read by their format.

    `pattern` is a `KeyPattern`: `shipments/{day:%Y/%m/%d}/*.csv.gz`. `location` is where its keys
    begin: a URL (`s3://bucket/prefix`, `gs://`, `az://`, `file:///folder`), or nothing for the
    store of OBJECT_STORE_URL. `compression` is what the key's suffix says (`.gz`, `.zst`) unless it
    is given. `day_from` is a `DayFrom`; the rows' own day is the table's partition column.
    Columns of the contract that no file has are filled from elsewhere: `day_column` with the day of
    the key or of arrival (pl.Date), `file_column` with the key (pl.String) and `line_column` with
    the number of the line on which the record begins, in Parquet of the row (pl.Int64).
    A file that lacks another column of the contract is refused, or with `missing="null"` has nulls
    there if the contract allows them.
    With `complete`, a `Marker` or a `Manifest`, a day is loaded when that is there. An object that
    was modified less than `settle` ago may be written to still: the sensor waits for it. None is
    ten seconds in a folder, and nothing in a bucket, where an object appears whole.
    Raises ValueError for a pattern or a marker that cannot be.
    """

    KIND: ClassVar[str] = "files"
    COMPARABLE: ClassVar[bool] = False
    HAS_CURSOR: ClassVar[bool] = False
    OF_OBJECTS: ClassVar[bool] = True
    HAS_COLUMNS: ClassVar[bool] = False
    pattern: str
    format: FileFormat = field(default_factory=Csv)
    location: str = ""
    compression: Compression | None = None
    day_from: DayFrom = "key"
    day_column: str | None = None
    file_column: str | None = None
    line_column: str | None = None
    missing: Literal["refuse", "null"] = "refuse"
    complete: Marker | None = None
    settle: timedelta | None = None
    connection: str = "files"

    def __post_init__(self) -> None:
        keys = KeyPattern(self.pattern)
        if self.complete is not None:
            self.complete.keys(keys)

    @property
    def keys(self) -> KeyPattern:
        """The pattern of the keys."""
        return KeyPattern(self.pattern)

    @property
    def marks(self) -> KeyPattern | None:
        """The pattern of the keys of markers or manifests, None where days have none."""
        return self.complete.keys(self.keys) if self.complete is not None else None

    def folders_of(self, day: date) -> Sequence[str]:
        """The folders below one of which all that belongs to a day is; none if it has no such."""
        keys, marks = self.keys, self.marks
        if marks is not None and marks.day_folder != keys.day_folder:
            return ()
        return keys.folders_of(day)

    @property
    def system(self) -> str:
        """The object store."""
        return "the object store"

    @property
    def place(self) -> str:
        """Location and pattern."""
        return f"{self.location.rstrip('/')}/{self.pattern}" if self.location else self.pattern

    @property
    def borrowed(self) -> Collection[str]:
        """The columns that no file has."""
        return [
            name
            for name in (self.day_column, self.file_column, self.line_column)
            if name is not None
        ]
