"""Makes BigQuery's datasets and tables what contracts say, or says what a person has to do.

What a contract's column is in BigQuery is in `types.py`; the platform's own tables are `system.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import tenacity
from google.api_core.exceptions import NotFound
from google.api_core.retry import Retry
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField, TimePartitioning

from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import Layer, LayerTable
from etl_assets.warehouse.bigquery.options import BigQueryOptions
from etl_assets.warehouse.bigquery.types import (
    check_names,
    clustering,
    column_types,
    labels,
    on_any_day,
    published_schema,
    quote,
    type_of,
    wide,
)
from etl_assets.warehouse.contract_tables import (
    Fit,
    Statements,
    compared,
    required_columns,
)
from etl_assets.warehouse.system_tables import SYSTEM_DATASET

STAGING_DATASET = f"{SYSTEM_DATASET}_staging"
_MARK = "etl_environment"
"""The table, without rows, by which an environment is known."""

_STAGED_FOR = timedelta(days=1)

# A table that another run is creating at this moment may be seen before its columns are (the
# emulator does that). One that stays without columns is judged like any other.
_ONCE_MADE = tenacity.Retrying(
    retry=tenacity.retry_if_result(lambda found: found is not None and not found.schema),
    stop=tenacity.stop_after_delay(5),
    wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
    retry_error_callback=lambda state: state.outcome and state.outcome.result(),
)


class Datasets:
    """Datasets and tables of one warehouse; `retry` bounds every request."""

    def __init__(self, client: bigquery.Client, options: BigQueryOptions, retry: Retry) -> None:
        self._client, self._options, self._retry = client, options, retry

    def path(self, dataset: str, table: str) -> str:
        """`project.dataset.table`, for the API."""
        return f"{self._dataset(dataset)}.{table}"

    def name(self, dataset: str, table: str) -> str:
        """The same, quoted for SQL."""
        return quote(self._named(dataset), table)

    def published(self, table: LayerTable) -> str:
        """The published table, quoted for SQL."""
        return self.name(str(table.layer), table.name)

    def find(self, table: LayerTable) -> bigquery.Table | None:
        """The published table, if it is there."""
        return self._find(self.path(str(table.layer), table.name))

    def find_in(self, dataset: str, table: str) -> bigquery.Table | None:
        """A table of a dataset, if it is there; one that is being made is waited for."""
        return _ONCE_MADE(self._find, self.path(dataset, table))

    def names_in(self, dataset: str) -> set[str]:
        """The names of the tables of a dataset; none where it is not there."""
        path = self._dataset(dataset)
        try:
            return {item.table_id for item in self._client.list_tables(path, retry=self._retry)}
        except NotFound:
            return set()

    def create_in(self, dataset: str, table: str, schema: Sequence[SchemaField]) -> None:
        """Create a table of a dataset, clustered by its first column."""
        made = bigquery.Table(self.path(dataset, table), schema)
        made.clustering_fields = [schema[0].name]
        self._create(made)

    def rows_in(
        self, dataset: str, table: str, fields: Sequence[SchemaField]
    ) -> Iterator[dict[str, Any]]:
        """All rows of a table, of these fields, which are in the table's order; it takes no job.

        Raises NotFound. Pages are of one moment.
        """
        path = self.path(dataset, table)
        for row in self._client.list_rows(path, selected_fields=fields, retry=self._retry):
            yield dict(row.items())

    def ensure(self, table: LayerTable) -> dict[str, str]:
        """Create the table, or return the columns its contract gained, with what adds each.

        Raises WarehouseError, with the statements to run, where it differs otherwise.
        """
        found = self.fit(table)
        if found is None:
            self._create(self._published(table))
            return {}
        wanted, statements = column_types(table), self._statements(table)
        return {name: statements.add(name, wanted[name]) for name in found.accepted()}

    def fit(self, table: LayerTable) -> Fit | None:
        """See `Rows.fit`."""
        check_names(table)
        wanted = column_types(table)
        found = _ONCE_MADE(self.find, table)
        if found is None:
            return None
        types = {field.name: type_of(field) for field in found.schema}
        # NUMERIC without its numbers holds all that NUMERIC(18, 2) does.
        types = {n: wanted[n] if t == wide(wanted.get(n, "")) else t for n, t in types.items()}
        required = required_columns(table)
        # A REPEATED column has no other mode, whatever the contract demands of it.
        not_null = {f.name for f in found.schema if f.mode == "REQUIRED"} | {
            f.name for f in found.schema if f.mode == "REPEATED" and f.name in required
        }
        there = compared(table, wanted, types, not_null, self._statements(table))
        return replace(there, error=self._other_partitioning(table, found) or there.error)

    def _other_partitioning(
        self, table: LayerTable, found: bigquery.Table
    ) -> WarehouseError | None:
        by = found.time_partitioning.field if found.time_partitioning else None
        if by == table.partition_column:
            return None
        wanted = table.partition_column
        difference = f"not partitioned by {wanted}" if wanted else f"partitioned by {by}"
        return WarehouseError(
            f"The contract of {table.path} no longer fits the published table (it is "
            f"{difference}).",
            "Change the contract back, or migrate the table: "
            f"{self._statements(table).aside('', '')} Then load "
            f"{'its days' if wanted else 'it'} again.",
        )

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

    def environments(self) -> list[str]:
        """The environments that were made here; a dataset of somebody else is none by its name."""
        prefix, suffix = self._options.dataset_prefix, f"_{SYSTEM_DATASET}"
        names = [one.dataset_id for one in self._client.list_datasets(retry=self._retry)]
        return sorted(
            name.removeprefix(prefix).removesuffix(suffix)
            for name in names
            if name.startswith(prefix) and name.endswith(suffix)
            if len(name) > len(prefix) + len(suffix)
            if self._find(f"{self._client.project}.{name}.{_MARK}") is not None
        )

    def mark_environment(self) -> None:
        """Let it be known that these datasets are an environment's, if they are."""
        if self._options.environment is not None:
            self.create_in(SYSTEM_DATASET, _MARK, [SchemaField("name", "STRING")])

    def drop_all(self, prefix: str) -> list[str]:
        """Delete the datasets that a warehouse with this prefix has; which were there."""
        wanted = {f"{prefix}{name}" for name in (*Layer, SYSTEM_DATASET, STAGING_DATASET)}
        names = {one.dataset_id for one in self._client.list_datasets(retry=self._retry)} & wanted
        for name in names:
            path = f"{self._client.project}.{name}"
            self._client.delete_dataset(
                path, delete_contents=True, not_found_ok=True, retry=self._retry
            )
        return sorted(names)

    def _find(self, path: str) -> bigquery.Table | None:
        try:
            return self._client.get_table(path, retry=self._retry)
        except NotFound:
            return None

    def _published(self, table: LayerTable) -> bigquery.Table:
        made = bigquery.Table(self.path(str(table.layer), table.name), published_schema(table))
        made.description = table.description
        made.labels = dict(labels(layer=table.layer, table=table.name))
        if table.has_days:
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
        return f"{self._client.project}.{self._named(name)}"

    def _named(self, dataset: str) -> str:
        options = self._options
        is_staging = dataset == STAGING_DATASET
        return f"{options.prefix_of_staging if is_staging else options.dataset_prefix}{dataset}"

    def _statements(self, table: LayerTable) -> Statements:
        relation = self.published(table)
        alter = f"ALTER TABLE {relation}"
        everything = on_any_day(table)
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

        return Statements(
            aside=lambda *_: f"{alter} RENAME TO {quote(f'{table.name}_aside')};",
            add=add,
            drop=lambda name, _: f"{alter} DROP COLUMN {quote(name)};",
            retype=retype,
            relax=lambda name, _: f"{alter} ALTER COLUMN {quote(name)} DROP NOT NULL;",
        )


def literal(text: str) -> str:
    """A string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped.replace(chr(13), chr(92) + 'r')}'"
