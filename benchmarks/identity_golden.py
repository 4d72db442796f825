"""`python -m benchmarks.identity_golden`: how right and how fast identity resolution is.

The golden set is generated (`etl_assets_tests/identity/golden_set.py`), so the truth is known.
"""

import resource
import time
from collections.abc import Callable
from importlib.util import find_spec

import click
import polars as pl

from etl_assets.core.identity.resolve import Options, Resolved, resolve
from etl_assets.core.identity.schemas import DECISIONS_SCHEMA
from etl_assets.identity_splink import splink_edges
from etl_assets_tests.identity.golden_set import GoldenSet, golden_set, score


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--records", default=100_000, show_default=True, help="Records of the golden set.")
@click.option("--seed", default=11, show_default=True, help="What they are made of.")
def main(records: int, seed: int) -> None:
    """Print precision, recall, the share of over-merged clusters, seconds and memory."""
    made = golden_set(records, seed)
    people = made.truth["person"].n_unique()
    print(f"{made.records.height:,} records of {people:,} people")
    titles = ("precision", "recall", "over-merged", "seconds", "CPU", "MB more")
    print(" " * 12 + "".join(f"{title:>12}" for title in titles))
    rows = made.records.lazy()
    _measure("exact rules", made, lambda: resolve(rows, _NO_DECISIONS))
    if not find_spec("splink"):
        print("Splink is not measured: pip install 'etl_assets[identity]'")
        return

    def with_splink(options: Options) -> Resolved:
        return resolve(rows, _NO_DECISIONS, options, splink_edges(rows))

    _measure("with Splink", made, lambda: with_splink(Options()))
    _measure("Splink alone", made, lambda: with_splink(Options(rules=())))


_NO_DECISIONS = pl.LazyFrame(schema=DECISIONS_SCHEMA)


def _measure(name: str, made: GoldenSet, run: Callable[[], Resolved]) -> None:
    """One line: resolve once, and compare with the truth."""
    before, start, cpu = _peak_mb(), time.perf_counter(), time.process_time()
    found = run()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    memory = _peak_mb() - before
    precision, recall, over = score(found.clusters, made.truth)
    print(
        f"{name:12}{precision:12.4f}{recall:12.4f}{over:12.4f}"
        f"{seconds:12.2f}{cpu:12.2f}{memory:12.0f}"
    )
    reasons = dict(found.over_merged["reason"].value_counts().sort("reason").iter_rows())
    print(f"reported: {reasons}, edges: {found.edges.height:,}")


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
