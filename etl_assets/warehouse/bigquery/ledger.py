"""How often a table was modified today: BigQuery bounds the load jobs into one table a day.

Data manipulation is counted too, but neither we nor the service refuse it for its number. The
table's row for the day is also what two publications at once collide on (`publication.py`).
"""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

from google.cloud.bigquery import ScalarQueryParameter

from etl_assets.core.errors import WarehouseError
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import SYSTEM_DATASET
from etl_assets.warehouse.bigquery.jobs import Jobs
from etl_assets.warehouse.bigquery.schema import Datasets


class Ledger:
    """`etl_modifications`: (table_name, day) → load_jobs, dml_statements; days are UTC.

    Two first publications at once may both add the day's row; both are counted up from then on.
    """

    def __init__(self, jobs: Jobs, datasets: Datasets, most: int) -> None:
        self._jobs, self._most = jobs, most
        self._name = datasets.name(SYSTEM_DATASET, "etl_modifications")
        self._opened: set[tuple[str, date]] = set()

    def open_day(self, path: str) -> date:
        """Today, with a row for the table of the path (`raw/orders`) in the ledger."""
        day = datetime.now(UTC).date()
        if (path, day) not in self._opened:
            self._run(
                f"INSERT INTO {self._name} (table_name, day, load_jobs, dml_statements) "  # noqa: S608
                f"SELECT @table, @day, 0, 0 FROM (SELECT 1) WHERE NOT EXISTS "
                f"(SELECT 1 FROM {self._name} WHERE table_name = @table AND day = @day)",
                path,
                day,
            )
            self._opened.add((path, day))
        return day

    def take_load_jobs(self, table: LayerTable, number: int) -> None:
        """Count load jobs that are about to run; raises WarehouseError if the day has no more."""
        day = self.open_day(table.path)
        rows = self._run(
            f"SELECT MAX(load_jobs) FROM {self._name} "  # noqa: S608 - quoted
            "WHERE table_name = @table AND day = @day",
            table.path,
            day,
        )
        taken = rows[0][0] or 0
        if taken + number > self._most:
            raise WarehouseError(
                f"{table.path} had {taken} load jobs today (UTC); {number} more would pass the "
                f"{self._most} that BigQuery takes for one table in a day. Nothing was published.",
                "Append larger batches, publish by merge or replace, which have no such limit, or "
                "wait until tomorrow. load_jobs_a_day in WAREHOUSE_URL sets the number.",
            )
        self._run(
            f"UPDATE {self._name} SET load_jobs = load_jobs + {number} "  # noqa: S608 - a number
            "WHERE table_name = @table AND day = @day",
            table.path,
            day,
        )

    def _run(self, sql: str, path: str, day: date) -> list[tuple[Any, ...]]:
        job = self._jobs.query(
            sql,
            f"etl_ledger_{uuid4().hex}",
            parameters=[
                ScalarQueryParameter("table", "STRING", path),
                ScalarQueryParameter("day", "DATE", day),
            ],
        )
        return [tuple(row.values()) for row in job.result()]
