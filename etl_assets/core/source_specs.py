"""What a table is read from, as a module in `etl_assets/tables/` declares it. Data only.

How a source is read is decided in `sources/`, where it is reached in `config.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class PostgresTable:
    """A table of a source database, read by explicit columns (those of the raw contract).

    `connection` names the database: `default` is DATABASE_URL, `billing` is DATABASE_URL_BILLING.
    `row_security` accepts that policies of the table hide rows from our role; without it such a
    table is refused, because a row that is hidden cannot be told from one that was deleted.
    """

    table: str
    schema: str = "public"
    parent: Parent | None = None
    connection: str = DEFAULT_CONNECTION
    row_security: bool = False
