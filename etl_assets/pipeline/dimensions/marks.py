"""Which days of facts see another version since a dimension changed: those that must be made again.

The facts of the keys whose versions came or left are looked up in both; the days on which a fact
finds something else are marked (`core/readings.py`), and no other day is late.

Why no change can be missed: a day of facts reads the facts first, then the marks, then the
dimension. The marks are made after the dimension is published. So a day that read the dimension
before that had read its facts before that as well, and these are among those that are looked at
here, unless they were published anew since, which makes the day late by itself. Until the marks are
published the dimension counts as late; where a run was killed in between, the next one marks
every day.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from etl_assets.core.as_of import AsOf
from etl_assets.core.catalog import Catalog
from etl_assets.core.dimension import keyed
from etl_assets.core.frames import DAY
from etl_assets.core.table import Input, LayerTable
from etl_assets.pipeline.publish import spooled
from etl_assets.warehouse.base import Warehouse

_OLD, _NEW = "__old_", "__new_"


@dataclass(frozen=True)
class Reader:
    """A table of facts with days that looks the dimension up, and the input of the facts."""

    table: LayerTable
    looks_up: AsOf
    facts: LayerTable
    given: Input

    def days_of(self, days: set[date]) -> set[date]:
        """The reader's days that read these days of the facts."""
        offsets = range(-self.given.days_before, self.given.days_after + 1)
        return {day - timedelta(days=offset) for day in days for offset in offsets}


def readers_of(catalog: Catalog, dimension: LayerTable) -> list[Reader]:
    """The tables whose days depend on versions of the dimension, not on all of it."""
    found = []
    for table in catalog.readers_of(dimension.path).values():
        for given in table.inputs.values():
            if given.asset == dimension.path and given.as_of is not None and table.has_days:
                name = given.as_of.facts or next(
                    name for name, one in table.inputs.items() if one.sets_grain
                )
                facts = catalog.published(table.inputs[name].asset)
                found.append(Reader(table, given.as_of, facts, table.inputs[name]))
    return found


def every_day(warehouse: Warehouse, reader: Reader) -> set[date]:
    """Every day of the reader that can be made."""
    return reader.days_of({state.partition_key for state in warehouse.seen.state(reader.facts)})


def days_that_differ(
    warehouse: Warehouse,
    reader: Reader,
    leaving: pl.LazyFrame,
    coming: pl.LazyFrame,
    folder: Path,
) -> set[date]:
    """The reader's days on which a fact finds another version, or other values in it.

    `leaving` and `coming` are versions of the dimension that were published, and that are now; what
    is in neither is as it was.
    """
    look = reader.looks_up
    keys = (
        pl.concat([frame.select(list(look.key)) for frame in (leaving, coming)])
        .rename(dict(look.key))
        .with_columns(pl.col(own).cast(reader.facts.column(own).dtype) for own in look.fact_key)
        .unique()
        .drop_nulls()
        .collect(engine="streaming")
    )
    if not keys.height:
        return set()
    found = warehouse.seen.lookup(
        keyed(reader.facts, look.fact_key), spooled(folder / "keys", keys), folder / "facts"
    )
    day = pl.col(reader.facts.day_column).cast(pl.Date).alias(DAY)
    facts = found.select(*look.fact_key, look.at, day).unique()
    before = _looked_up(look, facts, leaving, _OLD)
    after = _looked_up(look, facts, coming, _NEW)
    taken = [look.sk, *look.columns.values()]
    differs = pl.any_horizontal(
        pl.col(f"{_OLD}{name}").ne_missing(pl.col(f"{_NEW}{name}")) for name in taken
    )
    both = pl.concat([before.collect(), after.collect().drop(DAY)], how="horizontal")
    return reader.days_of(set(both.filter(differs)[DAY].drop_nulls()))


def _looked_up(
    look: AsOf, facts: pl.LazyFrame, versions: pl.LazyFrame, prefix: str
) -> pl.LazyFrame:
    taken = [look.sk, *look.columns.values()]
    found = look.look_up(facts.sort(pl.all()), versions)
    return found.select(DAY, *(pl.col(name).alias(f"{prefix}{name}") for name in taken))


Marks = Mapping[str, set[date]]
"""The days to be made again, by the path of the table of facts."""
