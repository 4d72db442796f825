"""Makes BigQuery's datasets and tables what contracts say, or says what a person has to do.

What a contract's column is in BigQuery is in `types.py`.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import tenacity
from google.api_core.exceptions import NotFound
from google.api_core.retry import Retry
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField, TimePartitioning

from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import SYSTEM_DATASET
from etl_assets.warehouse.bigquery.options import BigQueryOptions
from etl_assets.warehouse.bigquery.types import (
    check_names,
    clustering,
    column_types,
    labels,
    partition_type,
    published_schema,
    quote,
    type_of,
    wide,
)
from etl_assets.warehouse.contract_tables import (
    Statements,
    missing_columns,
    required_columns,
)

STAGING_DATASET = f"{SYSTEM_DATASET}_staging"
_STAGED_FOR = timedelta(days=1)

# A table that another run is creating at this moment may be seen before its columns are (the
# emulator does that). One that stays without columns is judged like any other.
_ONCE_MADE = tenacity.Retrying(
    retry=tenacity.retry_if_result(lambda found: found is not None and not found.schema),
    stop=tenacity.stop_after_delay(5),
    wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
    retry_error_callback=lambda state: state.outcome and state.outcome.result(),
)

SYSTEM_TABLES: dict[str, list[SchemaField]] = {
    "etl_state": [
        SchemaField("table_name", "STRING", "REQUIRED"),
        SchemaField("partition_key", "DATE", "REQUIRED"),
        SchemaField("high_watermark", "TIMESTAMP"),
        SchemaField("watermark_key", "STRING"),
        SchemaField("row_count", "INT64", "REQUIRED"),
        SchemaField("source_count", "INT64"),
        SchemaField("quarantined_count", "INT64", "REQUIRED"),
        SchemaField("checks_passed", "INT64", "REQUIRED"),
        SchemaField("checks_failed", "INT64", "REQUIRED"),
        SchemaField("as_of", "TIMESTAMP", "REQUIRED"),
        SchemaField("load_id", "STRING", "REQUIRED"),
        SchemaField("run_id", "STRING", "REQUIRED"),
        SchemaField("seconds", "FLOAT64", "REQUIRED"),
        SchemaField("verified_through", "TIMESTAMP"),
        SchemaField("updated_at", "TIMESTAMP", "REQUIRED"),
        SchemaField("made_of", "STRING"),
    ],
    "etl_quarantine": [
        SchemaField("table_name", "STRING", "REQUIRED"),
        SchemaField("partition_key", "DATE", "REQUIRED"),
        SchemaField("rule", "STRING", "REQUIRED"),
        SchemaField("source_position", "STRING", "REQUIRED"),
        SchemaField("payload", "STRING", "REQUIRED"),
        SchemaField("run_id", "STRING", "REQUIRED"),
        SchemaField("quarantined_at", "TIMESTAMP", "REQUIRED"),
    ],
    "etl_tombstones": [
        SchemaField("table_name", "STRING", "REQUIRED"),
        SchemaField("partition_key", "DATE", "REQUIRED"),
        SchemaField("row_key", "STRING", "REQUIRED"),
        SchemaField("payload", "STRING", "REQUIRED"),
        SchemaField("run_id", "STRING", "REQUIRED"),
        SchemaField("found_at", "TIMESTAMP", "REQUIRED"),
    ],
    "etl_history": [
        SchemaField("table_name", "STRING", "REQUIRED"),
        SchemaField("kind", "STRING", "REQUIRED"),
        SchemaField("at", "TIMESTAMP", "REQUIRED"),
        SchemaField("run_id", "STRING", "REQUIRED"),
        SchemaField("payload", "STRING", "REQUIRED"),
    ],
    "etl_appends": [
        SchemaField("table_name", "STRING", "REQUIRED"),
        SchemaField("partition_key", "DATE", "REQUIRED"),
        SchemaField("content", "STRING", "REQUIRED"),
        SchemaField("row_count", "INT64", "REQUIRED"),
        SchemaField("run_id", "STRING", "REQUIRED"),
        SchemaField("appended_at", "TIMESTAMP", "REQUIRED"),
    ],
    "etl_modifications": [
        SchemaField("table_name", "STRING", "REQUIRED"),
        SchemaField("day", "DATE", "REQUIRED"),
        SchemaField("load_jobs", "INT64", "REQUIRED"),
        SchemaField("dml_statements", "INT64", "REQUIRED"),
    ],
}
"""The platform's own tables; see `core/state.py`, `core/rows.py`, `ledger.py`."""


class Datasets:
    """Datasets and tables of one warehouse; `retry` bounds every request."""

    def __init__(self, client: bigquery.Client, options: BigQueryOptions, retry: Retry) -> None:
        self._client, self._options, self._retry = client, options, retry
        self._has_system = False

    def path(self, dataset: str, table: str) -> str:
        """`project.dataset.table`, for the API."""
        return f"{self._dataset(dataset)}.{table}"

    def name(self, dataset: str, table: str) -> str:
        """The same, quoted for SQL."""
        return quote(f"{self._options.dataset_prefix}{dataset}", table)

    def published(self, table: LayerTable) -> str:
        """The published table, quoted for SQL."""
        return self.name(str(table.layer), table.name)

    def find(self, table: LayerTable) -> bigquery.Table | None:
        """The published table, if it is there."""
        return self._find(self.path(str(table.layer), table.name))

    def ensure_system(self) -> list[str]:
        """Create the platform's own tables, or return what adds a column that a release gained.

        Two requests where all are there, and none the next time.
        """
        if self._has_system:
            return []
        dataset = self._dataset(SYSTEM_DATASET)
        try:
            found = {item.table_id for item in self._client.list_tables(dataset, retry=self._retry)}
        except NotFound:
            found = set()
        for name, schema in SYSTEM_TABLES.items():
            if name not in found:
                made = bigquery.Table(self.path(SYSTEM_DATASET, name), schema)
                made.clustering_fields = ["table_name"]
                self._create(made)
        gained = self._gained(found)
        self._has_system = not gained  # else it is looked at again, after they were added
        return gained

    def ensure(self, table: LayerTable) -> list[str]:
        """Create the table, or return the statements that add the columns its contract gained.

        Raises WarehouseError, with the statements to run, where it differs otherwise.
        """
        check_names(table)
        wanted = column_types(table)
        found = _ONCE_MADE(self.find, table)
        if found is None:
            self._create(self._published(table))
            return []
        types = {field.name: type_of(field) for field in found.schema}
        # NUMERIC without its numbers holds all that NUMERIC(18, 2) does.
        types = {n: wanted[n] if t == wide(wanted.get(n, "")) else t for n, t in types.items()}
        required = required_columns(table)
        # A REPEATED column has no other mode, whatever the contract demands of it.
        not_null = {f.name for f in found.schema if f.mode == "REQUIRED"} | {
            f.name for f in found.schema if f.mode == "REPEATED" and f.name in required
        }
        statements = self._statements(table)
        added = missing_columns(table, wanted, types, not_null, statements)
        return [statements.add(name, wanted[name]) for name in added]

    def create_staging(
        self, name: str, schema: Sequence[SchemaField], marks: Mapping[str, str]
    ) -> str:
        """An empty staging table that expires by itself; its path."""
        made = bigquery.Table(self.path(STAGING_DATASET, name), schema)
        made.expires = datetime.now(UTC) + _STAGED_FOR
        made.labels = dict(marks)
        self._create(made)
        return self.path(STAGING_DATASET, name)

    def drop_staging(self, name: str) -> None:
        """Drop a staging table, if it is there."""
        path = self.path(STAGING_DATASET, name)
        self._client.delete_table(path, not_found_ok=True, retry=self._retry)

    def _find(self, path: str) -> bigquery.Table | None:
        try:
            return self._client.get_table(path, retry=self._retry)
        except NotFound:
            return None

    def _gained(self, found: Collection[str]) -> list[str]:
        """What an `etl_state` that an earlier release made lacks."""
        state = "etl_state"
        made = _ONCE_MADE(self._find, self.path(SYSTEM_DATASET, state)) if state in found else None
        if made is None:
            return []
        there = {field.name for field in made.schema}
        return [
            f"ALTER TABLE {self.name(SYSTEM_DATASET, state)} "
            f"ADD COLUMN IF NOT EXISTS {quote(field.name)} {type_of(field)}"
            for field in SYSTEM_TABLES[state]
            if field.name not in there and field.mode == "NULLABLE"
        ]

    def _published(self, table: LayerTable) -> bigquery.Table:
        made = bigquery.Table(self.path(str(table.layer), table.name), published_schema(table))
        made.description = table.description
        made.labels = dict(labels(layer=table.layer, table=table.name))
        made.time_partitioning = TimePartitioning(field=table.day_column)
        made.require_partition_filter = self._options.require_partition_filter
        made.clustering_fields = clustering(table) or None
        return made

    def _create(self, table: bigquery.Table) -> None:
        try:
            self._client.create_table(table, exists_ok=True, retry=self._retry)
        except NotFound:  # its dataset is not there: only the first table of a layer finds that
            dataset = bigquery.Dataset(f"{table.project}.{table.dataset_id}")
            dataset.location = self._options.location
            self._client.create_dataset(dataset, exists_ok=True, retry=self._retry)
            self._client.create_table(table, exists_ok=True, retry=self._retry)

    def _dataset(self, name: str) -> str:
        return f"{self._client.project}.{self._options.dataset_prefix}{name}"

    def _statements(self, table: LayerTable) -> Statements:
        relation = self.published(table)
        alter = f"ALTER TABLE {relation}"
        everything = f"{quote(table.day_column)} >= {_earliest(table)}"
        described = {field.name: field.description for field in published_schema(table)}

        def add(name: str, type_: str) -> str:
            options = f"OPTIONS (description = {literal(described[name] or '')})"
            return (
                f"{alter} ADD COLUMN IF NOT EXISTS {quote(name)} {type_}; "
                f"{alter} ALTER COLUMN {quote(name)} SET {options};"
            )

        def retype(name: str, type_: str) -> str:
            new = quote(f"{name}__new")
            cast = f"SET {new} = CAST({quote(name)} AS {type_}) WHERE {everything}"
            return (
                f"{alter} ADD COLUMN {new} {type_}; UPDATE {relation} {cast}; "
                f"{alter} DROP COLUMN {quote(name)}; {alter} RENAME COLUMN {new} TO {quote(name)};"
            )

        def rename_away(*_: str) -> str:
            # No statement makes an existing column REQUIRED: the days must be loaded anew.
            return (
                f"{alter} RENAME TO {quote(f'{table.name}__before')}; -- then load its days again"
            )

        return Statements(
            add=add,
            drop=lambda name, _: f"{alter} DROP COLUMN {quote(name)};",
            retype=retype,
            require=rename_away,
            relax=lambda name, _: f"{alter} ALTER COLUMN {quote(name)} DROP NOT NULL;",
        )


def literal(text: str) -> str:
    """A string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped.replace(chr(13), chr(92) + 'r')}'"


def _earliest(table: LayerTable) -> str:
    return f"{partition_type(table)} '0001-01-01'"
