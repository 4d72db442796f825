"""The peak memory of processes that load, sync and compare a day with one very large row."""

from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.part import Bench, Outcome, Part, Sheet
from benchmarks.runner import measure
from benchmarks.source import DAY, Source
from benchmarks.task import Task

TABLE = "documents"
WORK = ("load", "sync", "reconcile")
_CREATE = (
    "CREATE TABLE {} (id bigint PRIMARY KEY, body json, created_at timestamptz NOT NULL, "
    "updated_at timestamptz NOT NULL)"
)
# As little compressible as documents are: hex digits, and quotes that CSV doubles.
_ROWS = """
    INSERT INTO {} SELECT n, json_build_object('n', n, 'text', (
        SELECT string_agg(md5(n || ' ' || m), '"') FROM generate_series(1, {size}) m
    )), {day}::timestamptz, {day}::timestamptz FROM generate_series({first}, {last}) n
"""
_BYTES_A_DIGEST = 34  # 32 digits and a quote that is escaped


def measure_large_row(
    source: Source, folder: Path, size: int, tell: Callable[[str], None]
) -> dict[str, float]:
    """Peak resident MB and seconds with a JSON of `size` bytes among 10,000 small rows."""
    tell(f"making a row of {size:,} bytes")
    with psycopg.connect(source.url, autocommit=True) as connection:
        name = sql.Identifier(TABLE)
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(name))
        connection.execute(sql.SQL(_CREATE).format(name))
        for first, last, digests in ((1, 10_000, 3), (10_001, 10_001, size // _BYTES_A_DIGEST)):
            connection.execute(
                sql.SQL(_ROWS).format(
                    name,
                    size=sql.Literal(digests),
                    first=sql.Literal(first),
                    last=sql.Literal(last),
                    day=sql.Literal(f"{DAY} 12:00Z"),
                )
            )
    figures: dict[str, float] = {"large_row_bytes": size}
    for work in WORK:  # a process each, as commands are
        tell(f"{work} of a day with a row of {size:,} bytes")
        task = Task(source.url, str(folder / "large"), 10_001, work)
        measured = measure("large_row", task)
        figures[f"large_row_{work}_peak_rss_mb"] = measured.peak_rss_mb
        figures[f"large_row_{work}_cpu_seconds"] = measured.cpu_seconds
    figures["large_row_peak_rss_mb"] = max(figures[f"large_row_{w}_peak_rss_mb"] for w in WORK)
    return figures


def _part(bench: Bench) -> Outcome:
    size = bench.size("large-row-bytes")
    figures = measure_large_row(bench.source, bench.folder, size, bench.tell)
    rows = [
        (
            work,
            f"{figures[f'large_row_{work}_cpu_seconds']:.2f}",
            f"{figures[f'large_row_{work}_peak_rss_mb']:,.0f}",
        )
        for work in WORK
    ]
    title = f"A day with a JSON of {size:,} bytes among 10,000 small rows"
    return Outcome(figures, [Sheet(title, ("", "CPU s", "peak MB"), rows)])


PART = Part("large-row", "Memory of one very large row", _part)
