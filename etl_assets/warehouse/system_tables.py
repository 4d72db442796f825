"""The platform's own tables, declared once: each backend renders its DDL from these declarations.

A release only adds tables and nullable columns; what else has to be brought over is a step of
`UPGRADES`. Published tables are made from their contracts (`contract_tables.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

SYSTEM_DATASET = "etl"
"""The dataset (BigQuery) or schema that holds these tables."""

SCHEMA_VERSION = 10
"""What this release writes into `etl_schema`. Releases before version 4 kept no such table; version
5 added `etl_files`, version 6 `etl_file_days`, version 7 `etl_fields`, version 8 `columns` of
`etl_tables`, version 9 its `declaration`, version 10 `made_by` of `etl_state`."""


class Kind(StrEnum):
    """The types of the platform's columns; `moment` is UTC with microseconds."""

    TEXT = "text"
    DAY = "day"
    MOMENT = "moment"
    INTEGER = "integer"
    FLOAT = "float"


@dataclass(frozen=True)
class SystemColumn:
    """One column; a column that a later release added is nullable."""

    name: str
    kind: Kind
    required: bool = False


@dataclass(frozen=True)
class SystemTable:
    """One of the platform's own tables; rows are looked for by the columns of `index`."""

    name: str
    columns: Sequence[SystemColumn]
    index: Sequence[str] = ("table_name",)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)


def _columns(*declared: str) -> tuple[SystemColumn, ...]:
    """`name kind` for a required column, `name kind?` for one that may be NULL."""
    columns = []
    for text in declared:
        name, kind = text.split()
        columns.append(SystemColumn(name, Kind(kind.rstrip("?")), not kind.endswith("?")))
    return tuple(columns)


TABLES = SystemTable(
    "etl_tables",
    _columns(
        "table_name text",
        "load_id text",
        "run_id text",
        "as_of moment",
        "updated_at moment",
        "row_count integer",
        "high_watermark moment?",
        "watermark_key text?",
        "content text?",
        "source_columns text?",
        "days_to_reload text?",
        "first_day day?",
        "last_day day?",
        "verified_through moment?",
        "columns text?",
        "declaration text?",
    ),
)
"""`core.state.TableState`: one row a table."""

TABLES_OF_VERSION_4 = TABLES.names[: TABLES.names.index("verified_through") + 1]
"""What the rows are made of that an upgrade from an earlier version makes."""

STATE = SystemTable(
    "etl_state",
    _columns(
        "table_name text",
        "partition_key day",
        "high_watermark moment?",
        "watermark_key text?",
        "row_count integer",
        "source_count integer?",
        "quarantined_count integer",
        "checks_passed integer",
        "checks_failed integer",
        "as_of moment",
        "load_id text",
        "run_id text",
        "seconds float",
        "verified_through moment?",
        "updated_at moment",
        "made_of text?",
        "failed_checks text?",
        "made_by text?",
    ),
    index=("table_name", "partition_key"),
)
"""`core.state.PartitionState`: one row a published part."""

QUARANTINE = SystemTable(
    "etl_quarantine",
    _columns(
        "table_name text",
        "partition_key day",
        "rule text",
        "source_position text",
        "payload text",
        "run_id text",
        "quarantined_at moment",
    ),
    index=("table_name", "partition_key"),
)
"""`core.rows.QUARANTINE_SCHEMA`: one row a row that was set aside."""

TOMBSTONES = SystemTable(
    "etl_tombstones",
    _columns(
        "table_name text",
        "partition_key day",
        "row_key text",
        "payload text",
        "run_id text",
        "found_at moment",
    ),
    index=("table_name", "partition_key"),
)
"""`core.rows.TOMBSTONE_SCHEMA`: one row a row that the source deleted."""

FILES = SystemTable(
    "etl_files",
    _columns(
        "table_name text",
        "partition_key day",
        "object_key text",
        "identity text",
        "size integer",
        "modified moment",
        "status text",
        "error text?",
        "rows_read integer",
        "rows_published integer",
        "rows_quarantined integer",
        "first_seen moment",
        "last_seen moment",
        "run_id text",
    ),
    index=("table_name", "partition_key"),
)
"""`core.ledger.LedgerEntry`: one row an object of a published part."""

FILE_DAYS = SystemTable(
    "etl_file_days",
    _columns(
        "table_name text",
        "object_key text",
        "identity text",
        "read_as text",
        "days text",
        "rows_without_day integer",
    ),
    index=("table_name", "object_key"),
)
"""`core.file_index.IndexedObject`: one row an object. A cache: what is lost of it is read again."""

FIELDS = SystemTable(
    "etl_fields",
    _columns(
        "table_name text",
        "column_name text",
        "field text?",
        "partition_key day",
        "load_id text",
        "rows_seen integer",
        "nulls integer",
        "types text",
        "first_seen moment?",
        "last_seen moment?",
    ),
    index=("table_name", "partition_key"),
)
"""`core.field_register.FieldPart`: one row a field of a part. It is counted from published rows."""

HISTORY = SystemTable(
    "etl_history",
    _columns("table_name text", "kind text", "at moment", "run_id text", "payload text"),
    index=("table_name", "kind", "at"),
)
"""`core.state.HistoryEntry`: a log, which only grows."""

SCHEMA = SystemTable("etl_schema", _columns("version integer"), index=())
"""One row: the SCHEMA_VERSION of the newest release that wrote here."""

SYSTEM_TABLES = (TABLES, STATE, QUARANTINE, TOMBSTONES, FILES, FILE_DAYS, FIELDS, HISTORY, SCHEMA)

OLD_TABLE_ROW = "0001-01-01"
"""The `partition_key` by which `etl_state` held a table's own row before version 4."""
