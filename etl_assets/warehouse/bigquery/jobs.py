"""Jobs that run once, however often they are asked for: ids that follow from what is done.

An answer that was lost is not a job that was lost (hazard L1): asking again with the same id meets
409, and the job that is there is taken. A job that failed has spent its id; the next has another.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import Any, cast

import tenacity
from google.api_core.exceptions import (
    Conflict,
    GoogleAPICallError,
    GoogleAPIError,
    NotFound,
    ServiceUnavailable,
)
from google.cloud import bigquery

from etl_assets.core.errors import WarehouseError
from etl_assets.core.wording import count_of
from etl_assets.warehouse.bigquery.failures import (
    CONNECTION_ERRORS,
    may_pass,
    polling_retry,
    request_retry,
)
from etl_assets.warehouse.bigquery.options import BigQueryOptions
from etl_assets.warehouse.publication import JobCost

_MOST_ATTEMPTS = 30
_CANCEL_SECONDS = 5.0
_UPLOAD_RETRIES = 2  # of a chunk; then the whole job is asked for again, by the same id
Job = bigquery.QueryJob | bigquery.LoadJob


class Jobs:
    """Runs jobs to their end; `wait_seconds` bounds how long what failed is tried again."""

    def __init__(
        self, client: bigquery.Client, options: BigQueryOptions, wait_seconds: float
    ) -> None:
        self._client, self._options, self._wait_seconds = client, options, wait_seconds
        # A request is tried for a part of the time, so that a job can be tried again as a whole.
        self._retry = polling_retry(wait_seconds / 3)
        self._turns = Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn of this thread among those that run transactions.

        The service would abort all but one of those that write `etl_tables` at once. Who waited
        too long goes ahead, as other processes do: then it is the service that decides.
        """
        its_turn = self._turns.acquire(timeout=self._wait_seconds)
        try:
            yield
        finally:
            if its_turn:
                self._turns.release()

    def query(
        self,
        sql: str,
        job_id: str,
        *,
        labels: Mapping[str, str] | None = None,
        parameters: Sequence[Any] = (),
    ) -> bigquery.QueryJob:
        """Run a statement or script to its end; raises what Google's client raises."""
        config = bigquery.QueryJobConfig(query_parameters=list(parameters), use_query_cache=False)
        config.labels = dict(labels or {})
        config.job_timeout_ms = self._options.job_timeout_seconds * 1000
        if self._options.maximum_bytes_billed:
            config.maximum_bytes_billed = self._options.maximum_bytes_billed

        def start(name: str) -> Job:
            return self._client.query(
                sql, job_config=config, job_id=name, retry=self._retry, job_retry=None
            )

        job = cast("bigquery.QueryJob", self._run(start, job_id))
        if job.query != sql:
            raise _taken(job)
        return job

    def load(
        self,
        files: Path | Sequence[str],
        destination: str,
        schema: Sequence[bigquery.SchemaField],
        job_id: str,
        *,
        rows: int,
        labels: Mapping[str, str],
    ) -> bigquery.LoadJob:
        """Add a Parquet file, or files of a bucket (gs://…), to a table, in one job.

        Raises WarehouseError if it did not load `rows` rows.
        """
        config = bigquery.LoadJobConfig(
            source_format=bigquery.SourceFormat.PARQUET,
            write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
            create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        )
        config.schema = list(schema)
        config.parquet_options = bigquery.ParquetOptions()  # type: ignore[no-untyped-call]
        config.parquet_options.enable_list_inference = True
        config.column_name_character_map = "V2"  # names with spaces and the like stay as they are
        config.labels = dict(labels)
        config.job_timeout_ms = self._options.job_timeout_seconds * 1000

        def start(name: str) -> Job:
            if not isinstance(files, Path):
                return self._client.load_table_from_uri(
                    list(files), destination, job_id=name, job_config=config, retry=self._retry
                )
            with files.open("rb") as file:  # above 5 MB the library's upload is resumable
                return self._client.load_table_from_file(
                    file,
                    destination,
                    size=files.stat().st_size,
                    num_retries=_UPLOAD_RETRIES,
                    job_id=name,
                    job_config=config,
                    timeout=self._options.job_timeout_seconds,
                )

        job = cast("bigquery.LoadJob", self._run(start, job_id))
        if f"{job.destination.project}.{job.destination.dataset_id}.{job.destination.table_id}" != (
            destination
        ):
            raise _taken(job)
        if job.output_rows != rows:
            raise WarehouseError(
                f"Job {job.job_id} loaded {job.output_rows:,} of {count_of(rows, 'row')}; "
                "nothing was published.",
                "Run it again; if it happens again, look at the job in the Cloud console.",
            )
        return job

    def _run(self, start: Callable[[str], Job], job_id: str) -> Job:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(may_pass),
            stop=tenacity.stop_after_delay(self._wait_seconds)
            | tenacity.stop_after_attempt(_MOST_ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=10),
            reraise=True,
        )
        spent = 0
        for attempt in attempts:
            with attempt:
                name = f"{job_id}_{spent}"
                try:
                    job = self._start(start, name)
                    if job is None:
                        job = self._found(name)
                        if _has_failed(job):  # in an earlier attempt: its id is counted below
                            raise _passing(f"job {name} failed before")
                    self._await(job)
                except GoogleAPICallError as error:
                    error.etl_job_id = name  # type: ignore[attr-defined]
                    spent += may_pass(error) and self._is_spent(name)
                    raise
                except Exception:
                    raise
                except BaseException:  # an interrupt: what the job does is not wanted any more
                    self._cancel(name)
                    raise
                return job
        raise AssertionError("tenacity ends with a result or an error")

    def _start(self, start: Callable[[str], Job], name: str) -> Job | None:
        try:
            return start(name)
        except Conflict:  # it is there already: its answer was lost
            return None

    def _found(self, name: str) -> Job:
        try:
            location = self._options.location
            return cast("Job", self._client.get_job(name, location=location, retry=self._retry))
        except NotFound:  # "already exists" may come before the job can be seen
            raise _passing(f"job {name} cannot be seen yet") from None

    def _cancel(self, name: str) -> None:
        """Ask the service to stop a job; an open transaction of a script is rolled back then."""
        with suppress(GoogleAPIError, *CONNECTION_ERRORS):
            self._client.cancel_job(
                name,
                location=self._options.location,
                retry=request_retry(_CANCEL_SECONDS),
                timeout=_CANCEL_SECONDS,
            )

    def _await(self, job: Job) -> None:
        timeout = self._options.job_timeout_seconds
        if isinstance(job, bigquery.QueryJob):
            job.result(retry=self._retry, timeout=timeout, job_retry=None)
        else:
            job.result(retry=self._retry, timeout=timeout)

    def _is_spent(self, name: str) -> bool:
        """Whether the error was the job's own verdict; else the same id is right."""
        try:
            return _has_failed(self._client.get_job(name, location=self._options.location))
        except (GoogleAPICallError, *CONNECTION_ERRORS):
            return False  # not there, or not to be seen


def _passing(what: str) -> GoogleAPICallError:
    return ServiceUnavailable(what)  # type: ignore[no-untyped-call]


def _has_failed(job: Any) -> bool:
    return job.state == "DONE" and bool(job.error_result)


def cost_of(job: Job) -> JobCost:
    """What a finished job says that it has cost."""
    statistics = job._properties.get("statistics", {})
    query = statistics.get("query", {})
    return JobCost(
        job_id=str(job.job_id),
        kind="query" if isinstance(job, bigquery.QueryJob) else "load",
        bytes_processed=int(
            query.get("totalBytesProcessed")
            or statistics.get("load", {}).get("inputFileBytes")
            or 0
        ),
        bytes_billed=int(query.get("totalBytesBilled") or 0),
        slot_seconds=int(statistics.get("totalSlotMs") or 0) / 1000,
    )


def _taken(job: Job) -> WarehouseError:
    return WarehouseError(
        f"The id of job {job.job_id} belongs to a job that does something else.",
        "Nothing was published. Run it again; a run has ids of its own.",
    )
