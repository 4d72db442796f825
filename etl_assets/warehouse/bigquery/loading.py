"""Load jobs: the spool's rows into staging tables, or straight into a table.

One job for all files of a publication. With a bucket the file is put there first and loaded from
there; without one it is uploaded into the job.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from google.cloud.bigquery import LoadJob, SchemaField

from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import StagedDay, Staging
from etl_assets.warehouse.bigquery.jobs import Jobs, cost_of
from etl_assets.warehouse.bigquery.schema import SYSTEM_TABLES, Datasets
from etl_assets.warehouse.bigquery.scripts import (
    gone_name,
    has_staged_rows,
    quarantine_name,
    tombstones_name,
)
from etl_assets.warehouse.bigquery.spooled import merge_parquet, write_parquet
from etl_assets.warehouse.bigquery.types import labels, staged_schema

if TYPE_CHECKING:
    from etl_assets.warehouse.bigquery.bucket import Bucket


class Loading:
    """Brings files to BigQuery; `bucket` None uploads them into the job."""

    def __init__(self, jobs: Jobs, datasets: Datasets, bucket: "Bucket | None") -> None:
        self._jobs, self._datasets, self._bucket = jobs, datasets, bucket

    def stage(self, staging: Staging) -> Staging:
        """Load rows and rejected rows into staging tables; those without rows need none."""
        table, found = staging.table, []
        if has_staged_rows(staging):
            rows = [staged.files for staged in staging.days if staged.files.rows]
            path = write_parquet(table, rows, _beside(rows, f"{staging.name}.parquet"))
            schema = staged_schema(table.columns)
            found.append(self._stage(staging, staging.name, schema, path, rows))
        aside = [staged.quarantine for staged in staging.days if staged.quarantine.rows]
        if aside:
            name, schema = quarantine_name(staging.name), SYSTEM_TABLES["etl_quarantine"]
            path = merge_parquet(aside, _beside(aside, f"{name}.parquet"))
            found.append(self._stage(staging, name, schema, path, aside))
        if staging.changes is not None and staging.changes.gone.rows:
            name, gone = gone_name(staging.name), staging.changes.gone
            found.append(self.load_keys(table, gone, name, run_of(staging), gone.folder.parent))
        if staging.changes is not None and staging.changes.tombstones.rows:
            name, stones = tombstones_name(staging.name), [staging.changes.tombstones]
            path = merge_parquet(stones, _beside(stones, f"{name}.parquet"))
            schema = SYSTEM_TABLES["etl_tombstones"]
            found.append(self._stage(staging, name, schema, path, stones))
        return replace(staging, jobs=[cost_of(job) for job in found])

    def load_keys(
        self, table: LayerTable, spooled: SpoolFiles, name: str, run_id: str, folder: Path
    ) -> LoadJob:
        """Load the key's columns of spooled rows into a staging table of that name."""
        key = [table.column(column) for column in table.key]
        folder.mkdir(parents=True, exist_ok=True)
        path = write_parquet(table, [spooled], folder / f"{name}.parquet", columns=key)
        return self._load(table, run_id, name, staged_schema(key), path, spooled.rows)

    def prepare(self, table: LayerTable, staged: StagedDay, constants: Sequence[pl.Expr]) -> Path:
        """The file of a day's rows and `constants`, validated, for `append`."""
        path = _beside([staged.files], f"append_{staged.day}.parquet")
        return write_parquet(table, [staged.files], path, constants)

    def append(self, table: LayerTable, staged: StagedDay, path: Path, job_id: str) -> LoadJob:
        """Load a prepared file straight into the published table."""
        target = self._datasets.path(str(table.layer), table.name)
        with self._sent(path) as files:
            return self._jobs.load(
                files,
                target,
                (),
                job_id,
                rows=staged.files.rows,
                labels=labels(layer=table.layer, table=table.name, run=staged.state.run_id),
            )

    def drop(self, staging: Staging) -> None:
        """Drop the staging tables."""
        changes = staging.changes
        made = {
            staging.name: has_staged_rows(staging),
            quarantine_name(staging.name): any(day.quarantine.rows for day in staging.days),
            gone_name(staging.name): changes is not None and changes.gone.rows > 0,
            tombstones_name(staging.name): changes is not None and changes.tombstones.rows > 0,
        }
        for name in (name for name, is_there in made.items() if is_there):
            self._datasets.drop_staging(name)

    def _stage(
        self,
        staging: Staging,
        name: str,
        schema: Sequence[SchemaField],
        path: Path,
        spooled: Sequence[SpoolFiles],
    ) -> LoadJob:
        rows = sum(files.rows for files in spooled)
        return self._load(staging.table, run_of(staging), name, schema, path, rows)

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


def run_of(staging: Staging) -> str:
    """The run that staged, whether it has days or only changes."""
    changes = staging.changes
    return changes.position.run_id if changes is not None else staging.days[0].state.run_id


def _beside(spooled: Sequence[SpoolFiles], name: str) -> Path:
    folder = spooled[0].folder.parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name
