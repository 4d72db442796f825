"""What Dagster's bookkeeping costs a table partition: a backfill of the demo shop with and without.

Both load the same days of every table and layer into a DuckDB file of their own; with Dagster the
runs are in process and on PostgreSQL storage, as in the demo. The work is `work/backfill.py`.
"""

from collections.abc import Callable
from pathlib import Path

from benchmarks.backfill_sheet import backfill_sheet
from benchmarks.part import Bench, Outcome, Part
from benchmarks.runner import measure, median_of
from benchmarks.source import Source
from benchmarks.task import Measured, Task
from etl_assets.demo.api import demo_api
from etl_assets.demo.billing import fill_billing
from etl_assets.demo.shop import fill_shop
from etl_assets_tests.partner_files import partner_files

SHOP, DAGSTER = "shop", "dagster"


def measure_partitions(
    source: Source, folder: Path, days: int, repeats: int, tell: Callable[[str], None]
) -> dict[str, float]:
    """Milliseconds a table partition, and the seconds that it was worked out from."""
    tell("filling the demo shop")
    for database in (SHOP, DAGSTER):
        source.server.ensure_database(database)
    fill_shop(source.server.url(SHOP), days=days)
    fill_billing(source.server.url(SHOP), days=days)
    files = partner_files(folder / "partners", days=days)
    runs: dict[str, list[Measured]] = {"plain": [], "dagster": []}
    for turn in range(repeats):
        for variant, measured in runs.items():
            tell(f"{days} days of the demo shop, {variant}, {turn + 1} of {repeats}")
            measured.append(_measure(source, folder, files, days, variant))
    plain, dagster = (median_of(measured) for measured in runs.values())
    partitions = _partitions(days)
    return {
        "partition_overhead_ms": 1000 * (dagster.seconds - plain.seconds) / partitions,
        "table_partitions": partitions,
        "backfill_seconds": dagster.seconds,
        "backfill_cpu_seconds": dagster.cpu_seconds,
        "backfill_peak_rss_mb": dagster.peak_rss_mb,
        "backfill_without_dagster_seconds": plain.seconds,
        "backfill_without_dagster_cpu_seconds": plain.cpu_seconds,
        "backfill_without_dagster_peak_rss_mb": plain.peak_rss_mb,
    }


def _measure(source: Source, folder: Path, files: str, days: int, variant: str) -> Measured:
    task = Task(source.server.url(SHOP), str(folder / "home"), days, variant)
    environment = {
        "DATABASE_URL": task.url,
        "DATABASE_URL_BILLING": task.url,
        "OBJECT_STORE_URL": files,
        "HTTP_API_URL_SALES": demo_api(),
        "HTTP_API_URL_CRM": demo_api(),
        # As the demo has it: see orchestration/instance_storage.py.
        "DAGSTER_POSTGRES_URL": source.server.url(DAGSTER)
        + "&options=-c%20synchronous_commit%3Doff",
    }
    return measure("backfill", task, environment)


def _partitions(days: int) -> int:
    from etl_assets.table_modules import tables_from

    return sum(days if table.has_days else 1 for table in tables_from().values())


def _part(bench: Bench) -> Outcome:
    days = bench.size("days")
    figures = measure_partitions(
        bench.source, bench.folder, days, bench.size("repeats"), bench.tell
    )
    partitions = figures["table_partitions"]
    what = f"{days} days of the demo, {partitions:,.0f} days and tables of every layer"
    names = {"ours": "backfill", "plain": "backfill_without_dagster"}
    sheet = backfill_sheet(what, figures, partitions, **names)
    return Outcome(figures, [sheet])


PART = Part("partitions", "The whole graph: a backfill of the demo", _part)
