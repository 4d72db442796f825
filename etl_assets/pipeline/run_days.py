"""Whole parts of a table, loaded anew: what an asset does, and what a sync does with days that it
had to leave out.

Loading is `load.py`, publication `publish.py`; which of the loaded parts may be published now is
decided here.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import polars as pl
import tenacity

from etl_assets.core.errors import EtlError, LostTurn, StalePublication
from etl_assets.core.gained import Lacking
from etl_assets.core.partitions import Window
from etl_assets.core.reload_reasons import lacks_of, only_lacks, then
from etl_assets.core.rows import keys_of
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of, has_or_have
from etl_assets.pipeline.days import FailedDay, LoadedDay
from etl_assets.pipeline.equal_parts import equal_parts
from etl_assets.pipeline.gained import bring_columns
from etl_assets.pipeline.load import load_days
from etl_assets.pipeline.publish import Committed, publish_days, published_counts
from etl_assets.pipeline.reloads import change_reloads, forget_reloads
from etl_assets.sources.base import Source
from etl_assets.sources.reads import DaySource
from etl_assets.spool import SpoolFiles
from etl_assets.warehouse.base import Warehouse

_ROUNDS = 3
MOST_LACKING = 30
"""So many days that lack a column are loaded again at once."""
Told = Callable[[str], None]


@dataclass(frozen=True)
class Loaded:
    """Parts that were loaded, none of them published: those that may be, and those that may not.

    `without_day` counts rows of the source that are in none of the table's days, as a load of
    several days counts them.
    """

    good: Sequence[LoadedDay] = ()
    refused: Sequence[LoadedDay | FailedDay] = ()
    without_day: int = 0

    def notes(self, table: LayerTable) -> list[str]:
        """What a person should know of a table whose days are as they should be."""
        if not self.without_day:
            return []
        return [
            f"{table.path}: {count_of(self.without_day, 'row')} of the source "
            f"{has_or_have(self.without_day)} no day, because "
            f"{table.day_column} is missing, infinite, or not from the years 1 to 9999. Such rows "
            "are not loaded; mend them in the source."
        ]

    @property
    def audited(self) -> list[LoadedDay]:
        """The refused parts that were read to their end, so that they have a verdict."""
        return [day for day in self.refused if isinstance(day, LoadedDay)]


@dataclass(frozen=True)
class Reloaded(Loaded):
    """Days that had to be loaded whole: the good ones are published, the others still wait.

    `lacking` are days that lack a column that the contract gained, and wait for the next turn, with
    the columns of each.
    """

    committed: Committed = field(default_factory=Committed)
    lacking: Lacking = field(default_factory=dict)


def load(
    table: LayerTable,
    source: DaySource,
    warehouse: Warehouse,
    days: Iterable[date],
    folder: Path,
    run_id: str,
    tell: Told = lambda _message: None,
    *,
    even_closed: bool = False,
) -> Loaded:
    """Every part, read and checked; once more those that a sync published newer meanwhile.

    `tell` is told of that. Closed days are refused unless `even_closed` (`load_days`). Raises what
    keeps every part from being read.
    """
    bring_columns(warehouse, table, run_id)
    found: dict[date, LoadedDay | FailedDay] = {}
    remaining = list(days)
    for _ in range(_ROUNDS):
        published = published_counts(warehouse, table)
        loaded = list(
            load_days(table, source, remaining, published, folder, run_id, even_closed=even_closed)
        )
        found |= {day.day: day for day in loaded}
        if not table.syncs:
            break
        newest = {state.partition_key: state.as_of for state in warehouse.state(table)}
        remaining = [
            day.day
            for day in loaded
            if isinstance(day, LoadedDay) and newest.get(day.day, day.as_of) > day.as_of
        ]
        if not remaining:
            break
        were = "was" if len(remaining) == 1 else "were"
        number = count_of(len(remaining), "day")
        tell(f"{number} of {table.path} {were} synced meanwhile, and will be read again.")
    good = [day for day in found.values() if isinstance(day, LoadedDay) and day.is_good]
    refused = [day for day in found.values() if day not in good]
    return Loaded(good, refused, _without_day(source) if len(found) > 1 else 0)


def _without_day(source: DaySource) -> int:
    """How many rows of a source no day can hold; 0 where that cannot be told."""
    if isinstance(source, Source):
        with suppress(EtlError):  # what was loaded is good all the same
            return source.rows_without_day()
    return 0


def reload(
    table: LayerTable,
    source: DaySource,
    warehouse: Warehouse,
    folder: Path,
    run_id: str,
    most_lacking: int = MOST_LACKING,
) -> Reloaded:
    """Load the days that must be loaded whole, and publish the good ones; nothing where none must.

    Of those that only lack a column that the contract gained, the newest `most_lacking` are taken;
    what a comparison finds equal is not read. A day stays on the list, with its new reason, until
    it is published. Where another run is faster with one of them, they are loaded again (L5).
    Raises what keeps every day from being read or published.
    """
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((StalePublication, LostTurn)),
        stop=tenacity.stop_after_attempt(_ROUNDS),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2),
        reraise=True,
    )
    reloaded: Reloaded = attempts(_reload, table, source, warehouse, folder, run_id, most_lacking)
    return reloaded


def _reload(
    table: LayerTable,
    source: DaySource,
    warehouse: Warehouse,
    folder: Path,
    run_id: str,
    most_lacking: int,
) -> Reloaded:
    known = warehouse.table_state(table)
    known_reasons = known.reload_reasons if known else {}
    only_lacking = {day for day, why in known_reasons.items() if only_lacks(why)}
    lacking = sorted(only_lacking, reverse=True)[:most_lacking]
    left_lacking = {day: lacks_of(known_reasons[day]) for day in only_lacking - {*lacking}}
    equal = equal_parts(table, source, warehouse, lacking, known_reasons)
    if equal:
        forget_reloads(warehouse, table, equal, run_id)
    waiting = sorted({*known_reasons} - only_lacking | {*lacking} - equal)
    if not waiting:
        return Reloaded(lacking=left_lacking)
    # A day that waits is owed, also where it was closed meanwhile; what is gone of it stays.
    place = folder / uuid.uuid4().hex
    loaded = load(table, source, warehouse, waiting, place, run_id, even_closed=True)
    good = list(loaded.good)
    if good and loaded.refused:
        held = _held(table, warehouse, good, loaded.audited, folder / uuid.uuid4().hex)
        good = [day for day in good if day.day not in held]
    committed = publish_days(warehouse, table, good, run_id)
    left = set(waiting) - {day.day for day in good}
    reasons = dict.fromkeys(left, "a row moved between it and a day that was refused")
    reasons |= {day.day: _reason(day) for day in loaded.refused}
    if left:
        told = {day: then(known_reasons.get(day), why) for day, why in reasons.items()}
        change_reloads(warehouse, table, told, run_id)
    return Reloaded(good, loaded.refused, committed=committed, lacking=left_lacking)


def _reason(day: LoadedDay | FailedDay) -> str:
    if isinstance(day, FailedDay):
        return day.error.what
    return f"refused by {', '.join(day.blocking)}"


def _held(
    table: LayerTable,
    warehouse: Warehouse,
    good: Sequence[LoadedDay],
    refused: Sequence[LoadedDay],
    folder: Path,
) -> set[date]:
    """The good days that must wait as well, because a row has left them for a day that waits.

    If such a day were published now, the row would be on neither of the two. The refused days
    wait, and so does each day that is found here: the search goes on until it finds no more.
    """
    key, parts = list(table.key), [table.column(name) for name in table.key]
    there = warehouse.read(table, [Window.of(day.day) for day in good], folder).frames
    leaving = {}
    for day, frame in zip(good, there, strict=True):
        left = frame.select(key).collect()
        if day.files.rows:
            left = left.join(_read(day.files, key), on=key, how="anti", nulls_equal=True)
        leaving[day.day] = left, {f"{day.source} {shown}" for shown in keys_of(left, parts)}
    held: set[date] = set()
    staying = list(refused)
    while staying:
        keys = [found for day in staying if (found := _read(day.files, key)).width]
        aside = {
            position
            for day in staying
            for (position,) in _read(day.quarantine, ["source_position"]).iter_rows()
        }
        more = {
            day
            for day, (left, positions) in leaving.items()
            if day not in held
            and (
                positions & aside
                or any(left.join(k, on=key, how="semi", nulls_equal=True).height for k in keys)
            )
        }
        held |= more
        staying = [day for day in good if day.day in more]
    return held


def _read(files: SpoolFiles, columns: Sequence[str]) -> pl.DataFrame:
    """What is spooled of the columns; without any of them where nothing is."""
    if not files.files:
        return pl.DataFrame()
    return pl.read_parquet(files.files, columns=list(columns), glob=False)
