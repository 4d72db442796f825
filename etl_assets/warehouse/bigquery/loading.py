"""Load jobs: the spool's rows into staging tables.

One job for all files of a publication. With a bucket the file is put there first and loaded from
there; without one it is uploaded into the job.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from google.cloud.bigquery import LoadJob, SchemaField

from etl_assets.core.contracts import Column
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.bigquery.jobs import Jobs, cost_of
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.scripts import quarantine_name
from etl_assets.warehouse.bigquery.spooled import merge_parquet, write_parquet
from etl_assets.warehouse.bigquery.system import fields_of
from etl_assets.warehouse.bigquery.types import labels, staged_schema
from etl_assets.warehouse.publication import Staging
from etl_assets.warehouse.system_tables import QUARANTINE

if TYPE_CHECKING:
    from etl_assets.warehouse.bigquery.bucket import Bucket


class Loading:
    """Brings files to BigQuery; `bucket` None uploads them into the job."""

    def __init__(self, jobs: Jobs, datasets: Datasets, bucket: "Bucket | None") -> None:
        self._jobs, self._datasets, self._bucket = jobs, datasets, bucket

    def stage(self, staging: Staging) -> Staging:
        """Load rows and rejected rows into staging tables; those without rows need none."""
        table, found = staging.table, []
        run_id = staging.days[0].state.run_id if staging.days else ""
        rows = [staged.files for staged in staging.days if staged.files.rows]
        if rows:
            path = write_parquet(
                table, table.columns, rows, _beside(rows, f"{staging.name}.parquet")
            )
            schema = staged_schema(table.columns)
            found.append(self._load(table, run_id, staging.name, schema, path, _count(rows)))
        rejected = [staged.quarantine for staged in staging.days if staged.quarantine.rows]
        if rejected:
            name, schema = quarantine_name(staging.name), fields_of(QUARANTINE)
            path = merge_parquet(rejected, _beside(rejected, f"{name}.parquet"))
            found.append(self._load(table, run_id, name, schema, path, _count(rejected)))
        return replace(staging, jobs=[cost_of(job) for job in found])

    def load(
        self,
        table: LayerTable,
        columns: Sequence[Column],
        spooled: SpoolFiles,
        name: str,
        run_id: str,
        path: Path,
    ) -> LoadJob:
        """Load these columns of spooled rows into a staging table, by way of a file at `path`."""
        write_parquet(table, columns, [spooled], path)
        return self._load(table, run_id, name, staged_schema(columns), path, spooled.rows)

    def drop(self, staging: Staging) -> None:
        """Drop the staging tables."""
        if staging.rows:
            self._datasets.drop_staging(staging.name)
        if any(day.quarantine.rows for day in staging.days):
            self._datasets.drop_staging(quarantine_name(staging.name))

    def _load(
        self,
        table: LayerTable,
        run_id: str,
        name: str,
        schema: Sequence[SchemaField],
        path: Path,
        rows: int,
    ) -> LoadJob:
        marks = labels(layer=table.layer, table=table.name, run=run_id)
        destination = self._datasets.create_staging(name, schema, marks)
        with self._sent(path) as files:
            return self._jobs.load(
                files,
                destination,
                schema,
                f"etl_load_{name}",
                rows=rows,
                labels=marks,
            )

    @contextmanager
    def _sent(self, path: Path) -> Iterator[Path | list[str]]:
        """What a load job takes the file from; it is gone afterwards."""
        try:
            if self._bucket is None:
                yield path
            else:
                with self._bucket.holding(path) as uri:
                    yield [uri]
        finally:
            path.unlink(missing_ok=True)


def _count(spooled: Sequence[SpoolFiles]) -> int:
    return sum(files.rows for files in spooled)


def _beside(spooled: Sequence[SpoolFiles], name: str) -> Path:
    folder = spooled[0].folder.parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
