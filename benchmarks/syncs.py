"""A sync of a large table: one that finds nothing, and one of 1,000 changed rows on three days.

Beside the sync stand a re-load of those days, of the whole table, and dlt's incremental with merge
on a change of the same kind; DuckDB files are the warehouses. The work is `work/sync.py` and
`work/dlt_sync.py`, both of which fill their warehouse first.
"""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks.part import Bench, Chart, Outcome, Part, Point, Sheet
from benchmarks.runner import measure
from benchmarks.source import CREATE, INSERT, Source
from benchmarks.task import Task

DATABASE = "sync"
FIRST = date(2024, 1, 1)
CHANGED = 1_000
UNCHANGED = 200_000
TOUCHED = 3
_ROWS = f"""{INSERT}
FROM generate_series(1::bigint, {{rows}}) AS i,
    LATERAL (SELECT timestamptz '2024-01-01 00:00:00+00'
        + (i - 1) * 86400000000 / {{a_day}} * interval '1 microsecond' AS placed_at) AS moment
"""
_INDEXES = (
    "CREATE INDEX orders_id ON orders (id)",
    "CREATE INDEX orders_created ON orders (created_at)",
    "CREATE INDEX orders_updated ON orders (updated_at, id)",
)
# Every so many rows of three days, far apart.
_CHANGE = """
UPDATE orders SET status = 'cancelled', updated_at = now() WHERE id IN (
    SELECT d * {a_day} + n * {a_day} / {share} + {offset} + 1
    FROM unnest({days}) AS d, generate_series(0, {share} - 1) AS n LIMIT {changed})
"""


def days_of(rows: int) -> int:
    """How many days the rows are spread over."""
    return 100 if rows >= 1_000_000 else 10


def touched_days(rows: int) -> list[date]:
    """The days that a change is on."""
    return [FIRST + timedelta(days=number) for number in _numbers(rows)]


def change(url: str, rows: int, offset: int) -> None:
    """Change 1,000 rows of the table on three days; another `offset`, other rows."""
    statement = sql.SQL(_CHANGE).format(
        a_day=sql.Literal(rows // days_of(rows)),
        share=sql.Literal(-(-CHANGED // TOUCHED)),
        days=sql.Literal(_numbers(rows)),
        changed=sql.Literal(CHANGED),
        offset=sql.Literal(offset),
    )
    with psycopg.connect(url) as connection:
        changed = connection.execute(statement).rowcount
    assert changed == CHANGED, changed


def measure_syncs(
    source: Source, folder: Path, rows: int, repeats: int, tell: Callable[[str], None]
) -> dict[str, float]:
    """Milliseconds of the source, seconds of each contender, and their ratios."""
    tell(f"making {rows:,} rows of {days_of(rows)} days")
    _fill(source, rows)
    told: dict[str, float] = {}
    for work, title in (("sync", "our sync"), ("dlt_sync", "dlt's incremental")):
        tell(f"{title} of {rows:,} rows, and all that it is held against")
        figures = folder / f"{work}.json"
        task = Task(source.server.url(DATABASE), str(folder / "work"), rows, str(repeats))
        measure(work, task, {"BENCH_FIGURES": str(figures)})
        told |= json.loads(figures.read_text(encoding="utf-8"))
    unchanged = min(rows, UNCHANGED)
    tell(f"our sync of {unchanged:,} rows of which few were ever updated")
    figures = folder / "sync_unchanged.json"
    task = Task(source.server.url(DATABASE), str(folder / "work"), unchanged)
    measure("sync_unchanged", task, {"BENCH_FIGURES": str(figures)})
    told |= json.loads(figures.read_text(encoding="utf-8"))
    with psycopg.connect(source.server.url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(DATABASE)))
    ours = told["sync_changes_seconds"]
    return {
        "sync_rows": rows,
        **told,
        "sync_over_days_reload": ours / told["sync_days_reload_seconds"],
        "sync_over_table_reload": ours / told["sync_table_reload_seconds"],
        "sync_over_dlt": ours / told["sync_dlt_seconds"],
    }


def _part(bench: Bench) -> Outcome:
    figures = measure_syncs(
        bench.source, bench.folder, bench.size("sync-rows"), bench.size("repeats"), bench.tell
    )
    rows = [
        (
            title,
            f"{figures[f'sync_{name}_seconds'] / figures['sync_changes_seconds']:.2f}",
            f"{figures[f'sync_{name}_seconds']:.2f}",
            f"{figures[f'sync_{name}_written']:,.0f}",
        )
        for name, title in (
            ("changes", "our sync"),
            ("days_reload", "our re-load of the three days"),
            ("table_reload", "our re-load of the table"),
            ("dlt", "dlt: incremental, merge"),
        )
    ]
    title = f"{CHANGED:,} changed rows on {TOUCHED} days of {figures['sync_rows']:,.0f} rows"
    note = (
        f"Source time by the server's own log: {figures['sync_idle_source_ms']:.1f} ms where "
        f"nothing changed ({figures['sync_idle_seconds']:.2f} s in all), "
        f"{figures['sync_changes_source_ms']:.1f} ms for the {CHANGED:,} rows; by the index. "
        "Where few rows were ever updated a sync reads "
        f"{figures['sync_unchanged_read_over_changed']:g} times those that changed."
    )
    points = [Point(name, float(ratio)) for name, ratio, *_ in rows]
    chart = Chart("bars", title, "", "seconds, in those of our sync", points)
    sheet = Sheet(title, ("", "x ours", "seconds", "rows written"), rows, note)
    return Outcome(figures, [sheet], [chart])


def _numbers(rows: int) -> list[int]:
    days = days_of(rows)
    return [days // 10, days // 2, days - days // 10]


def _fill(source: Source, rows: int) -> None:
    source.server.ensure_database(DATABASE)
    with psycopg.connect(source.server.url(DATABASE), autocommit=True) as connection:
        connection.execute(CREATE)
        connection.execute(
            sql.SQL(_ROWS).format(rows=sql.Literal(rows), a_day=sql.Literal(rows // days_of(rows)))
        )
        for index in _INDEXES:
            connection.execute(sql.SQL(index))
        connection.execute("VACUUM (ANALYZE) orders")


PART = Part("sync", "A sync of a large table", _part)
