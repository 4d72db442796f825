"""The races of a day of files into DuckDB, one a format, and the figures that come of them.

Ours is the whole road from the listing to the published day; all others read the one file into a
new table and check nothing but types.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.file_content import CSV, JSON_LINES, PARQUET, file_at, write_parquet, write_text
from benchmarks.orders import order_frames, write_orders
from benchmarks.part import Bench, Chart, Outcome, Part, Sheet, race_outcome
from benchmarks.runner import Contender, interleaved
from benchmarks.task import Measured

FORMATS = {CSV: "CSV", JSON_LINES: "JSON Lines", PARQUET: "Parquet"}
_DUCKDB = {CSV: "read_csv", JSON_LINES: "read_json", PARQUET: "read_parquet"}
_POLARS = {CSV: "scan_csv", JSON_LINES: "scan_ndjson", PARQUET: "scan_parquet"}
_DLT = {CSV: "read_csv_duckdb", JSON_LINES: "read_jsonl", PARQUET: "read_parquet"}
_SHARES = {CSV: 1.0, JSON_LINES: 0.1, PARQUET: 1.0}
"""Of the rows: dlt takes minutes and gigabytes for a file of JSON Lines."""
_PANDAS = {CSV: "read_csv", JSON_LINES: "read_json", PARQUET: "read_parquet"}


def contenders(suffix: str) -> list[Contender]:
    """All of a format, the limit first; what takes minutes runs once."""
    is_slow = suffix == JSON_LINES
    return [
        Contender("duckdb", f"DuckDB's {_DUCKDB[suffix]}, declared types", "file_duckdb", suffix),
        Contender("load", "our load of the day, checked and atomic", "file_load", suffix),
        Contender("polars", f"Polars' {_POLARS[suffix]}, collected", "file_polars", suffix),
        Contender(
            "dlt",
            f"dlt's filesystem source, {_DLT[suffix]}",
            "file_dlt",
            f"{_DLT[suffix]}{suffix}",
            once=is_slow,
        ),
        Contender("pandas", f"pandas' {_PANDAS[suffix]}", "file_pandas", suffix, once=is_slow),
    ]


def measure_files(
    folder: Path, rows: int, repeats: int, tell: Callable[[str], None]
) -> Iterator[tuple[str, dict[str, Measured], list[Contender]]]:
    """The suffix of each format, the medians by contender, and the contenders.

    JSON Lines take a tenth of the rows.
    """
    drop = folder / "drop"
    for suffix in FORMATS:
        path, race, wanted = (
            file_at(drop, suffix),
            contenders(suffix),
            round(rows * _SHARES[suffix]),
        )
        tell(f"writing a file of {wanted:,} rows, {suffix}")
        if suffix == PARQUET:
            write_parquet(write_orders(folder / "file orders", wanted), path)
        else:
            write_text(order_frames(wanted), path)
        yield suffix, interleaved(race, str(drop), folder, wanted, repeats, tell), race
        path.unlink()


def file_figures(suffix: str, medians: Mapping[str, Measured]) -> dict[str, float]:
    """Our seconds and CPU seconds as ratios to each of the others, and all of them."""
    kind, ours = suffix.removeprefix("."), medians["load"]
    figures: dict[str, float] = {f"file_{kind}_rows": ours.rows}
    for name, measured in medians.items():
        figures[f"file_{kind}_{name}_seconds"] = measured.seconds
        figures[f"file_{kind}_{name}_cpu_seconds"] = measured.cpu_seconds
        figures[f"file_{kind}_{name}_peak_rss_mb"] = measured.peak_rss_mb
        if name != "load":
            figures[f"file_{kind}_load_over_{name}"] = ours.seconds / measured.seconds
            figures[f"file_{kind}_load_cpu_over_{name}"] = ours.cpu_seconds / measured.cpu_seconds
    return figures


def _part(bench: Bench) -> Outcome:
    figures: dict[str, float] = {}
    sheets, charts = list[Sheet](), list[Chart]()
    rows, repeats = bench.size("file-rows"), bench.size("repeats")
    for suffix, medians, race in measure_files(bench.folder, rows, repeats, bench.tell):
        what = f"rows of 11 columns, {FORMATS[suffix]} into DuckDB"
        found = race_outcome(file_figures(suffix, medians), medians, race, what, "DuckDB")
        figures |= found.figures
        sheets += found.sheets
        charts += found.charts
    return Outcome(figures, sheets, charts)


PART = Part("files", "A day of files into DuckDB", _part)
