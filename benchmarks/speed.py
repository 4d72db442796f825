"""The contenders of the speed race over one table, and the figures that come of it."""

from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.part import Bench, Outcome, Part, race_outcome
from benchmarks.runner import Contender, interleaved
from benchmarks.source import Source
from benchmarks.task import Measured

COPY, READER, LOAD, OF_VIEW = "copy", "reader", "load", "load_of_view"
NAIVE_SHARE = 0.1


def contenders(naive_share: float) -> list[Contender]:
    """Everything that is measured, the limit first; the naive way takes a share of the rows."""
    scaled = f", scaled from {naive_share:.0%} of the rows" if naive_share < 1 else ""
    return [
        Contender(COPY, "binary COPY, thrown away", "binary_copy"),
        Contender(READER, "our reader, thrown away", "reader"),
        Contender(LOAD, "our raw load, checked and atomic, into DuckDB", "load"),
        Contender(OF_VIEW, "the same of a view, where no index makes keys unique", "load", "view"),
        Contender(
            "connectorx_stream",
            "connectorx stream into DuckDB, unchecked",
            "connectorx_duckdb",
            "arrow_stream",
        ),
        Contender("connectorx", "connectorx into DuckDB, unchecked", "connectorx_duckdb", "arrow"),
        Contender("dlt_connectorx", "dlt with connectorx into DuckDB", "dlt_duckdb", "connectorx"),
        Contender(
            "dlt_pyarrow", "dlt with pyarrow into DuckDB", "dlt_duckdb", "pyarrow", once=True
        ),
        Contender(
            "naive", f"the naive way into DuckDB{scaled}", "naive", share=naive_share, once=True
        ),
    ]


def measure_speed(
    source: Source, folder: Path, repeats: int, naive_share: float, tell: Callable[[str], None]
) -> tuple[dict[str, Measured], list[Contender]]:
    """The medians by contender, and the contenders."""
    race = contenders(naive_share)
    return interleaved(race, source.url, folder, source.rows, repeats, tell), race


def speed_figures(medians: Mapping[str, Measured]) -> dict[str, float]:
    """Ratios to the binary COPY and to the peers, and all seconds."""
    seconds = {name: measured.seconds for name, measured in medians.items()}
    peers = {name: s for name, s in seconds.items() if name not in {COPY, READER, LOAD, OF_VIEW}}
    dlt = min(s for name, s in peers.items() if name.startswith("dlt"))
    return {
        "reader_over_copy": seconds[READER] / seconds[COPY],
        "load_over_copy": seconds[LOAD] / seconds[COPY],
        "load_over_best_peer": seconds[LOAD] / min(peers.values()),
        "load_over_best_dlt": seconds[LOAD] / dlt,
        "load_over_naive": seconds[LOAD] / seconds["naive"],
        "rows": medians[COPY].rows,
        **{f"{name}_seconds": s for name, s in seconds.items()},
        **{f"{name}_cpu_seconds": measured.cpu_seconds for name, measured in medians.items()},
        **{f"{name}_peak_rss_mb": measured.peak_rss_mb for name, measured in medians.items()},
    }


def _part(bench: Bench) -> Outcome:
    rows = bench.size("rows")
    bench.tell(f"making {rows:,} rows")
    bench.source.fill(rows, indexed=True)
    share = 1.0 if bench.full or bench.quick else NAIVE_SHARE
    medians, race = measure_speed(
        bench.source, bench.folder, bench.size("repeats"), share, bench.tell
    )
    what = "rows of 11 columns, all of one day"
    return race_outcome(speed_figures(medians), medians, race, what, "COPY")


PART = Part("speed", "Reader and raw load, from PostgreSQL into DuckDB", _part)
