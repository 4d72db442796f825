"""From BigQuery to the spool: Storage Read where it is allowed, REST where it is not.

Only the contract's columns and the window's partitions are read; rows travel as Arrow and are never
all in memory.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import polars as pl
import pyarrow as pa
from google.api_core.exceptions import MethodNotImplemented, PermissionDenied
from google.api_core.retry import Retry
from google.cloud.bigquery import QueryJob

from etl_assets.core.contracts import polars_schema
from etl_assets.core.partitions import Window, windows_of
from etl_assets.core.table import LayerTable
from etl_assets.spool import CHUNK_ROWS, SpoolFiles
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.schema import Datasets
from etl_assets.warehouse.bigquery.types import quote, within

if TYPE_CHECKING:
    from google.cloud.bigquery_storage_v1 import BigQueryReadClient

Batches = Iterator[pa.RecordBatch]


class StorageReader:
    """Reads by sessions of the Storage Read API."""

    def __init__(self, client: "BigQueryReadClient", datasets: Datasets, retry: Retry) -> None:
        self._client, self._datasets, self._retry = client, datasets, retry

    def batches(self, table: LayerTable, window: Window, as_of: datetime) -> Batches:
        """The window's rows as they were at `as_of`."""
        from google.cloud.bigquery_storage_v1 import types

        project, dataset, name = self._datasets.path(str(table.layer), table.name).rsplit(".", 2)
        session = self._client.create_read_session(
            parent=f"projects/{project}",
            read_session=types.ReadSession(
                table=f"projects/{project}/datasets/{dataset}/tables/{name}",
                data_format=types.DataFormat.ARROW,
                read_options=types.ReadSession.TableReadOptions(
                    selected_fields=[column.name for column in table.columns],
                    row_restriction=within(table, window) if table.has_days else "",
                ),
                table_modifiers=types.ReadSession.TableModifiers(snapshot_time=as_of),
            ),
            max_stream_count=1,  # one after the other: the day's file is written by one hand
            retry=self._retry,
        )
        for stream in session.streams:
            rows = self._client.read_rows(stream.name)  # type: ignore[no-untyped-call]
            for page in rows.rows(session).pages:
                yield page.to_arrow()


class RestReader:
    """Reads the results of query jobs."""

    def __init__(self, jobs: Jobs, datasets: Datasets, new_id: Callable[[], str]) -> None:
        self._jobs, self._datasets, self._new_id = jobs, datasets, new_id

    def batches(self, table: LayerTable, window: Window, as_of: datetime) -> Batches:
        """The window's rows as they were at `as_of`."""
        names = ", ".join(quote(column.name) for column in table.columns)
        moment = f"TIMESTAMP '{as_of:%Y-%m-%d %H:%M:%S.%f}+00'"
        job = self._jobs.query(
            f"SELECT {names} FROM {self._datasets.published(table)} "  # noqa: S608 - quoted
            f"FOR SYSTEM_TIME AS OF {moment} WHERE {within(table, window)}",
            self._new_id(),
        )
        yield from job.result().to_arrow_iterable(bqstorage_client=None)


def typed(batch: pa.RecordBatch, schema: pl.Schema) -> pl.DataFrame:
    """Rows that BigQuery handed out, in the columns and dtypes of the schema."""
    empty = pl.DataFrame(schema=schema)
    wanted = empty.to_arrow().schema
    rows = pa.Table.from_batches([batch]).select(wanted.names).cast(wanted)
    return cast("pl.DataFrame", pl.from_arrow(rows, schema=empty.schema))


def frame_of(job: QueryJob, schema: pl.Schema) -> pl.DataFrame:
    """All rows of a finished query, in the columns and dtypes of the schema."""
    batches = job.result().to_arrow_iterable(bqstorage_client=None)
    return pl.concat([pl.DataFrame(schema=schema), *(typed(batch, schema) for batch in batches)])


class Reader:
    """Storage Read, and from the first refusal on REST."""

    def __init__(self, storage: StorageReader | None, rest: RestReader) -> None:
        self._storage, self._rest = storage, rest

    def spool(
        self, table: LayerTable, windows: Sequence[Window], as_of: datetime, folder: Path
    ) -> list[list[Path]]:
        """For each window the files of its rows, in the contract's dtypes; none if it is empty."""
        sinks = [SpoolFiles(folder / str(number)) for number in range(len(windows))]
        for span in windows_of({day for window in windows for day in window.days()}):
            inside = [
                (window, sink)
                for window, sink in zip(windows, sinks, strict=True)
                if span.first <= window.first <= span.last
            ]
            if self._storage is not None:
                try:
                    self._fill(inside, table, self._storage.batches(table, span, as_of))
                    continue
                except (PermissionDenied, MethodNotImplemented):
                    self._storage = None  # refused before the first row
            self._fill(inside, table, self._rest.batches(table, span, as_of))
        return [sink.files for sink in sinks]

    def _fill(
        self, sinks: Sequence[tuple[Window, SpoolFiles]], table: LayerTable, batches: Batches
    ) -> None:
        pending = 0
        for batch in batches:
            frame = typed(batch, polars_schema(table.columns))
            for window, sink in sinks:
                sink.write(_on_days(frame, table, window))
            pending += frame.height
            if pending >= CHUNK_ROWS:  # over all windows: memory is bounded for many as for one
                pending = 0
                for _, sink in sinks:
                    sink.close()
        for _, sink in sinks:
            sink.close()


def _on_days(frame: pl.DataFrame, table: LayerTable, window: Window) -> pl.DataFrame:
    """The rows of the window's days; all of a table without days, which has one part.

    Polars 2.1 fails to filter a large frame by a comparison of literals.
    """
    if not table.has_days:
        return frame
    day = pl.col(table.day_column).cast(pl.Date)
    return frame.filter(day.is_between(window.first, window.last))
