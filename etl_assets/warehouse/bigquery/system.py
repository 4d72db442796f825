"""The platform's own tables in BigQuery: made, brought up to this release, and listed.

What they are is `warehouse/system_tables.py`; what is written to them is `states.py` and
`records.py`. Listing is by `tabledata.list`, which is no job and costs nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from google.api_core.exceptions import NotFound
from google.cloud.bigquery import SchemaField

from etl_assets.core.errors import WarehouseError
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.types import quote
from etl_assets.warehouse.system_tables import (
    HISTORY,
    OLD_TABLE_ROW,
    SCHEMA,
    SCHEMA_VERSION,
    STATE,
    SYSTEM_DATASET,
    SYSTEM_TABLES,
    TABLES,
    Kind,
    SystemTable,
)

_BEFORE_VERSIONS = 3
_TYPES = {
    Kind.TEXT: "STRING",
    Kind.DAY: "DATE",
    Kind.MOMENT: "TIMESTAMP",
    Kind.INTEGER: "INT64",
    Kind.FLOAT: "FLOAT64",
}


def system(datasets: Datasets, table: SystemTable) -> str:
    """One of the platform's own tables, quoted for SQL."""
    return datasets.name(SYSTEM_DATASET, table.name)


def types_of(table: SystemTable) -> Mapping[str, str]:
    """The types of its columns by name."""
    return {column.name: _TYPES[column.kind] for column in table.columns}


def fields_of(table: SystemTable) -> list[SchemaField]:
    """Its schema."""
    return [
        SchemaField(c.name, _TYPES[c.kind], "REQUIRED" if c.required else "NULLABLE")
        for c in table.columns
    ]


class System:
    """The dataset `etl`; all methods raise what Google's client raises."""

    def __init__(self, jobs: Jobs, datasets: Datasets) -> None:
        self._jobs, self._datasets = jobs, datasets
        self._complete: dict[str, list[SchemaField]] = {}
        self._was_current = False

    def rows(self, table: SystemTable, *names: str) -> list[dict[str, Any]]:
        """All rows, of these columns if given; none where the table is not there.

        A column that this release added may be missing until it publishes.
        """
        fields = [f for f in self._fields(table) if not names or f.name in names]
        if not fields:
            return []
        try:
            return list(self._datasets.rows_in(SYSTEM_DATASET, table.name, fields))
        except NotFound:
            self._complete.pop(table.name, None)
            return []

    def asked(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query, which is a job; none where a table of it is not there."""
        try:
            job = self._jobs.query(sql, f"etl_state_{uuid4().hex}", parameters=parameters)
        except NotFound:
            return []  # nothing was ever published
        return [tuple(row.values()) for row in job.result()]

    def size(self, table: SystemTable) -> int:
        """About how many rows the table has."""
        found = self._datasets.find_in(SYSTEM_DATASET, table.name)
        return int(found.num_rows or 0) if found else 0

    def fingerprint(self) -> str:
        """A text that is another one after anything was published or recorded.

        The rows of `etl_tables` say what was published; what is recorded elsewhere shows in the
        metadata of its table.
        """
        said: list[Any] = sorted(str(sorted(row.items())) for row in self.rows(TABLES))
        for table in (STATE, HISTORY):
            found = self._datasets.find_in(SYSTEM_DATASET, table.name)
            said.append(found and (found.etag, found.modified, found.num_rows, found.num_bytes))
        return hashlib.sha256(str(said).encode()).hexdigest()

    def found_version(self) -> int | None:
        """The SCHEMA_VERSION that wrote here last: 3 for any release before version 4, None if
        nobody ever wrote here."""
        versions = [row["version"] for row in self.rows(SCHEMA)]
        if versions:
            return int(max(versions))
        is_there = self._datasets.find_in(SYSTEM_DATASET, STATE.name) is not None
        return _BEFORE_VERSIONS if is_there else None

    def version(self) -> int | None:
        """The same; raises WarehouseError for one of a newer release."""
        version = self.found_version()
        if version is not None and version > SCHEMA_VERSION:
            raise WarehouseError(
                f"A newer release of etl_assets has written to this warehouse (its tables are of "
                f"version {version}; this release knows {SCHEMA_VERSION}).",
                "Install that release here as well, or set another dataset_prefix in "
                "WAREHOUSE_URL.",
            )
        return version

    def is_current(self) -> bool:
        """Whether the tables are of this release, or of a newer one: that stays so."""
        self._was_current = self._was_current or (self.found_version() or 0) >= SCHEMA_VERSION
        return self._was_current

    def upgrade(self, *, from_nothing: bool = True) -> int | None:
        """Make the tables what this release needs; the version before.

        One request where they are. Two processes may do this at once. Where nobody ever wrote
        nothing is made unless `from_nothing`.
        """
        before = self.version()
        if before == SCHEMA_VERSION or (before is None and not from_nothing):
            return before
        there = self._datasets.names_in(SYSTEM_DATASET)
        for table in SYSTEM_TABLES:
            if table.name in there:
                self._add_columns(table)
            else:
                self._datasets.create_in(SYSTEM_DATASET, table.name, fields_of(table))
        self._datasets.mark_environment()
        schema = system(self._datasets, SCHEMA)
        first = SCHEMA_VERSION if before is None else before
        self._run(
            f"INSERT INTO {schema} (version) SELECT {first} FROM (SELECT 1) "  # noqa: S608 - ours
            f"WHERE NOT EXISTS (SELECT 1 FROM {schema})"
        )
        if before is not None:
            # Two upgrades at once collide on the row of etl_schema; the later one does nothing.
            self._run(_upgrade(self._datasets))
        return before

    def _add_columns(self, table: SystemTable) -> None:
        found = self._datasets.find_in(SYSTEM_DATASET, table.name)
        there = {field.name for field in found.schema} if found else set()
        for field in fields_of(table):
            if field.name not in there:
                self._run(
                    f"ALTER TABLE {system(self._datasets, table)} "
                    f"ADD COLUMN IF NOT EXISTS {quote(field.name)} {field.field_type}"
                )

    def _fields(self, table: SystemTable) -> list[SchemaField]:
        """Those of its columns that the table has, in its order; none where it is not there."""
        if table.name not in self._complete:
            found = self._datasets.find_in(SYSTEM_DATASET, table.name)
            fields = [f for f in found.schema if f.name in table.names] if found else []
            if len(fields) < len(table.names):
                return fields
            self._complete[table.name] = fields
        return self._complete[table.name]

    def _run(self, sql: str) -> None:
        self._jobs.query(sql, f"etl_system_{uuid4().hex}")


def _upgrade(datasets: Datasets) -> str:
    """Version 4: a table's own row, and the newest entries of the log, become its row of
    `etl_tables`; tables without such a row get theirs from their days.

    Before, the row stood in `etl_state` with the day 0001-01-01, and what was remembered of the
    source's columns, the days and the days to be loaded again was the newest entry of
    `etl_history`.
    """
    schema, tables = system(datasets, SCHEMA), system(datasets, TABLES)
    state, history = system(datasets, STATE), system(datasets, HISTORY)
    known = "table_name, load_id, run_id, as_of, updated_at, row_count"
    more = (
        "high_watermark, watermark_key, source_columns, days_to_reload, first_day, last_day, "
        "verified_through"
    )
    is_own = f"partition_key = DATE '{OLD_TABLE_ROW}'"
    new = f"NOT IN (SELECT table_name FROM {tables})"  # noqa: S608 - ours

    def newest(kind: str) -> str:
        return (
            f"LEFT JOIN (SELECT table_name, payload FROM {history} WHERE kind = '{kind}' "  # noqa: S608
            "QUALIFY ROW_NUMBER() OVER (PARTITION BY table_name ORDER BY `at` DESC) = 1) "
            f"AS {kind} ON {kind}.table_name = n.table_name"
        )

    days_to_reload = (
        "(SELECT CONCAT('{', STRING_AGG(CONCAT('\"', d, '\": \"refused before\"'), ', ' "
        "ORDER BY d), '}') FROM UNNEST(JSON_VALUE_ARRAY(owed.payload, '$.days')) AS d)"
    )
    first_day, last_day = (
        f"CAST(JSON_VALUE(scope.payload, '$.{end}') AS DATE)" for end in ("first", "last")
    )
    own = (
        "SELECT n.table_name, n.load_id, n.run_id, n.as_of, n.updated_at, "  # noqa: S608
        "IFNULL(d.row_count, 0), n.high_watermark, n.watermark_key, columns.payload, "
        f"{days_to_reload}, {first_day}, {last_day}, n.verified_through FROM {state} AS n "
        f"LEFT JOIN (SELECT table_name, SUM(row_count) AS row_count FROM {state} "
        f"WHERE NOT {is_own} GROUP BY table_name) AS d ON d.table_name = n.table_name "
        f"{newest('columns')} {newest('owed')} {newest('scope')} "
        f"WHERE n.{is_own} AND n.table_name {new}"
    )
    others = (
        "SELECT n.table_name, "  # noqa: S608
        "ARRAY_AGG(n.load_id ORDER BY n.updated_at DESC LIMIT 1)[OFFSET(0)], "
        "ARRAY_AGG(n.run_id ORDER BY n.updated_at DESC LIMIT 1)[OFFSET(0)], MAX(n.as_of), "
        f"MAX(n.updated_at), SUM(n.row_count) FROM {state} AS n WHERE n.table_name {new} "
        f"GROUP BY n.table_name HAVING LOGICAL_AND(NOT n.{is_own})"
    )
    steps = [
        f"UPDATE {schema} SET version = {SCHEMA_VERSION} WHERE TRUE",  # noqa: S608 - ours
        f"INSERT INTO {tables} ({known}, {more}) {own}",
        f"INSERT INTO {tables} ({known}) {others}",
        f"DELETE FROM {state} WHERE {is_own}",  # noqa: S608
        f"UPDATE {history} SET kind = 'reload' WHERE kind = 'owed'",  # noqa: S608
    ]
    return (
        f"BEGIN TRANSACTION;\nIF (SELECT MAX(version) FROM {schema}) < {SCHEMA_VERSION} THEN\n"  # noqa: S608
        + ";\n".join(steps)
        + ";\nEND IF;\nCOMMIT TRANSACTION;"
    )
