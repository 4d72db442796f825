"""What a table is read from, as a module in `etl_assets/tables/` declares it. Data only.

How a source is read is decided in `sources/`, where it is reached in `config.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

DEFAULT_CONNECTION = "default"
"""The connection of DATABASE_URL; any other name `<name>` is DATABASE_URL_<NAME>."""


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

    `KIND` is its short name (`postgres`). `connection` names the outside system, by the settings
    that say where it is.
    """

    KIND: ClassVar[str]
    connection: str

    @property
    @abstractmethod
    def place(self) -> str:
        """What the outside system calls it: `public.orders`."""

    @property
    def borrowed(self) -> Collection[str]:
        """The columns of the contract that do not come from this source itself."""
        return ()


@dataclass(frozen=True)
class PostgresTable(SourceSpec):
    """A table of a source database, read by explicit columns (those of the raw contract).

    `connection` names the database: `default` is DATABASE_URL, `billing` is DATABASE_URL_BILLING.
    `row_security` accepts that policies of the table hide rows from our role; without it such a
    table is refused, because a row that is hidden cannot be told from one that was deleted.
    """

    KIND: ClassVar[str] = "postgres"
    table: str
    schema: str = "public"
    parent: Parent | None = None
    connection: str = DEFAULT_CONNECTION
    row_security: bool = False

    @property
    def place(self) -> str:
        """Schema and table."""
        return f"{self.schema}.{self.table}"

    @property
    def borrowed(self) -> Collection[str]:
        """The parent's columns."""
        return self.parent.columns if self.parent else ()
