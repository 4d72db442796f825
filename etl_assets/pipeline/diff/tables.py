"""A table made by the code at hand, compared with what is published of it; nothing is published.

Derived tables are made of published inputs by the transform, dimensions of all their changes; of a
raw table the published rows are held against the contract. Two sides that are both published, an
environment's and production's, are compared by `published_sides`.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from etl_assets.core.contracts import polars_schema
from etl_assets.core.dimension import ROW_DIGEST, SCHEMA_VERSION, SYNCED_AT
from etl_assets.core.partitions import WHOLE, Window
from etl_assets.core.table import Input, LayerTable
from etl_assets.pipeline.days import FailedDay, LoadedDay, Published
from etl_assets.pipeline.derive import DerivedSource, PublishedSource, Upstream, read_upstream
from etl_assets.pipeline.diff.found import Difference
from etl_assets.pipeline.diff.rows import compare
from etl_assets.pipeline.dimensions.build import compare_dimension
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.platform import Platform
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse import as_published
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.seen import Seen

DAYS_AT_ONCE = 10
"""So many days of inputs are on the disk at once."""

_OF_THE_RUN = (ROW_DIGEST, SYNCED_AT, SCHEMA_VERSION)


def by_code(
    platform: Platform, table: LayerTable, days: Sequence[date], folder: Path, most: int
) -> Difference:
    """What the code at hand would make of the days of a table, beside what is published.

    `days` are published parts (WHOLE without days). Raises what reading raises; a day that cannot
    be made is in the result.
    """
    own = platform.warehouse
    seen = Seen(own, own.production)
    found = Difference(table.path, [day for day in days if day != WHOLE])
    fit = seen.fit(table)
    found.new_columns = list(fit.added) if fit else []
    found.gone_columns = list(fit.gone) if fit else []
    if table.dimension is not None:
        _dimension(platform, seen, table, folder, found, most)
    elif table.is_derived:
        _derived(platform, seen, table, days, folder, found, most)
    else:
        _rules(seen, table, days, folder, found)
    return found


def published_sides(
    table: LayerTable,
    before: Warehouse,
    after: Warehouse,
    days: Sequence[date],
    folder: Path,
    most: int,
) -> Difference:
    """What an environment has published of these days (`after`), beside production (`before`)."""
    found = Difference(table.path, [day for day in days if day != WHOLE])
    for day in days:
        window = [Window.of(day)]
        first, second = (
            as_published.read(one, table, window, folder / name).frames[0]
            for name, one in (("before", before), ("after", after))
        )
        without = _OF_THE_RUN if table.dimension is not None else ()
        compare(table, day, first, second, found, most=most, without=without)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def _derived(
    platform: Platform,
    seen: Seen,
    table: LayerTable,
    days: Sequence[date],
    folder: Path,
    found: Difference,
    most: int,
) -> None:
    counts = {state.partition_key: state.row_count for state in seen.state(table)}
    for some in _portions(table, days):
        inputs = _inputs(platform, seen, table, some, folder / "in")
        loaded = load_days(
            table, DerivedSource(table, inputs), some, Published(counts), folder / "made", "diff"
        )
        for one in loaded:
            _beside(seen, table, one, folder, found, most)
        shutil.rmtree(folder, ignore_errors=True)


def _inputs(
    platform: Platform, seen: Seen, table: LayerTable, days: Sequence[date], folder: Path
) -> Mapping[str, Upstream]:
    found = {}
    for name, given in table.inputs.items():
        above = platform.catalog.published(given.asset)
        wanted = [WHOLE]
        if above.has_days:
            wanted = sorted({one for day in days for one in _days_read(given, day)})
        found[name] = read_upstream(seen, above, given, wanted, folder / name, reader=table)
    return found


def _days_read(given: Input, day: date) -> list[date]:
    return given.window_of(day) if given.is_window and day != WHOLE else [day]


def _portions(table: LayerTable, days: Sequence[date]) -> Iterator[Sequence[date]]:
    """Some days at a time; all at once where each would read all days before it again."""
    reads_all = any(given.all_days_until for given in table.inputs.values())
    size = len(days) if reads_all else DAYS_AT_ONCE
    for at in range(0, len(days), max(size, 1)):
        yield days[at : at + size]


def _beside(
    seen: Seen,
    table: LayerTable,
    one: LoadedDay | FailedDay,
    folder: Path,
    found: Difference,
    most: int,
) -> None:
    day = None if one.day == WHOLE else one.day
    if isinstance(one, FailedDay):
        found.failed[day] = str(one.error)
        return
    if one.blocking:
        found.blocked[day] = one.blocking
    _count_refused(one, found)
    (before,) = seen.read(table, [Window.of(one.day)], folder / "published").frames
    compare(table, one.day, before, _scanned(table, one.files), found, most=most)
    shutil.rmtree(folder / "made" / one.day.isoformat(), ignore_errors=True)
    shutil.rmtree(folder / "published", ignore_errors=True)


def _rules(
    seen: Seen, table: LayerTable, days: Sequence[date], folder: Path, found: Difference
) -> None:
    """Which published rows the contract at hand would refuse.

    What columns that it gained must hold says nothing of rows that have no value of them yet.
    """
    narrow = as_published.there(seen, table)
    counts = {state.partition_key: state.row_count for state in seen.state(table)}
    for day in days:
        extract = seen.read(narrow, [Window.of(day)], folder / "in")
        published = Upstream(narrow, Input(narrow.path), extract.as_of, {day: extract.frames[0]})
        source = PublishedSource(narrow, published, counts)
        for one in load_days(narrow, source, [day], Published(counts), folder / "made", "diff"):
            if isinstance(one, LoadedDay):
                found.rows_before += counts[day]
                found.rows_after += one.rows
                _count_refused(one, found)
                if one.blocking:
                    found.blocked[None if day == WHOLE else day] = one.blocking
            else:
                found.failed[None if day == WHOLE else day] = str(one.error)
        shutil.rmtree(folder, ignore_errors=True)


def _dimension(
    platform: Platform, seen: Seen, table: LayerTable, folder: Path, found: Difference, most: int
) -> None:
    made = compare_dimension(seen, platform.catalog, table, folder, "diff")
    leaving, coming = made.frames()
    compare(table, WHOLE, leaving, coming, found, most=most, without=_OF_THE_RUN)
    known = seen.own_row(table)
    found.rows_before = known.row_count if known else 0
    found.rows_after = found.rows_before - made.leaving.rows + made.coming.rows
    found.nulls_before.clear()  # of all versions, not only of those that differ
    found.nulls_after.clear()
    _count_refused(made.loaded, found)
    if made.loaded.blocking:
        found.blocked[None] = made.loaded.blocking


def _count_refused(one: LoadedDay, found: Difference) -> None:
    for path in one.quarantine.files:
        found.refused.update(pl.read_parquet(path, columns=["rule"], glob=False)["rule"].to_list())


def _scanned(table: LayerTable, files: SpoolFiles) -> pl.LazyFrame:
    schema = polars_schema(table.columns)
    if not files.files:
        return pl.LazyFrame(schema=schema)
    return pl.scan_parquet(files.files, schema=schema, glob=False)
