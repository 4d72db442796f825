"""Publication into BigQuery against the naive way's appends, both into the tests' emulator.

What the emulator needs for a load is in both; how fast the service is cannot be measured here.
"""

import uuid
from collections.abc import Callable
from pathlib import Path

from benchmarks.orders import write_orders
from benchmarks.part import Bench, Outcome, Part, Sheet, race_outcome
from benchmarks.runner import Contender, interleaved
from benchmarks.task import Measured
from etl_assets_tests.bigquery_environment import NoInterpreter
from etl_assets_tests.bigquery_server import PROJECT, start_bigquery

RACE = (
    Contender("bigquery_load", "our staging and transaction", "bigquery_load"),
    Contender("bigquery_naive", "pandas, an append for each 50,000", "bigquery_naive", "batches"),
    Contender("bigquery_naive_whole", "pandas, one append", "bigquery_naive", "whole"),
)


def measure_bigquery(
    folder: Path, rows: int, repeats: int, tell: Callable[[str], None]
) -> dict[str, Measured]:
    """The medians by contender; raises NoInterpreter where the emulator cannot run."""
    tell("starting a BigQuery emulator")
    server = start_bigquery(folder / "bigquery")

    def new_datasets() -> dict[str, str]:
        prefix = f"bench_{uuid.uuid4().hex[:8]}_"
        return {
            "WAREHOUSE_URL": f"bigquery://{PROJECT}?dataset_prefix={prefix}",
            "BIGQUERY_EMULATOR_HOST": server.rest_host,
            "BIGQUERY_STORAGE_EMULATOR_HOST": server.grpc_host,
        }

    try:
        orders = write_orders(folder / "orders", rows)
        return interleaved(RACE, str(orders), folder, rows, repeats, tell, new_datasets)
    finally:
        server.stop()


def bigquery_figures(medians: dict[str, Measured]) -> dict[str, float]:
    """Our seconds and memory as ratios to the naive way's, and all of them."""
    ours, naive = medians["bigquery_load"], medians["bigquery_naive"]
    whole = medians["bigquery_naive_whole"]
    return {
        "bigquery_rows": ours.rows,
        "bigquery_load_over_naive": ours.seconds / naive.seconds,
        "bigquery_load_over_naive_whole": ours.seconds / whole.seconds,
        "bigquery_rss_over_naive": ours.peak_rss_mb / naive.peak_rss_mb,
        "bigquery_rss_over_naive_whole": ours.peak_rss_mb / whole.peak_rss_mb,
        **{f"{name}_seconds": measured.seconds for name, measured in medians.items()},
        **{f"{name}_peak_rss_mb": measured.peak_rss_mb for name, measured in medians.items()},
    }


def _part(bench: Bench) -> Outcome:
    rows, repeats = bench.size("bigquery-rows"), bench.size("repeats")
    try:
        medians = measure_bigquery(bench.folder, rows, repeats, bench.tell)
    except NoInterpreter as missing:
        return Outcome({}, [Sheet("BigQuery is not measured", ("why",), [(str(missing),)])])
    what = "rows of 11 columns into the BigQuery emulator"
    return race_outcome(bigquery_figures(medians), medians, RACE, what, "ours")


PART = Part("bigquery", "A load into BigQuery", _part)
