"""From parts that can be read to parts that can be published: read, checked, spooled, one by one.

The same road for every layer: a raw day comes from a source, a staged or enriched day from its
transform (`derive.py`). How rows are checked is `day_check.py`, publication is `publish.py`.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import tenacity

from etl_assets.core.drift import once
from etl_assets.core.errors import ContractMismatch, DayIncomplete, UpstreamMissing, may_pass
from etl_assets.core.keeping import closed_days, is_closed
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.day_check import Clock, DayCheck, Origin
from etl_assets.pipeline.days import FailedDay, LoadedDay, Published
from etl_assets.pipeline.match import whole_keys
from etl_assets.pipeline.objects import DayObjects
from etl_assets.sources.reads import DayRead, Days, DaySource
from etl_assets.sources.snapshot import Snapshot

_ATTEMPTS = 4


def load_days(
    table: LayerTable,
    source: DaySource,
    days: Iterable[date],
    published: Published,
    folder: Path,
    run_id: str,
    *,
    even_closed: bool = False,
) -> Iterator[LoadedDay | FailedDay]:
    """Each part in order, as soon as it is loaded.

    A published day that is closed fails without being read, unless `even_closed`.

    A source that breaks off is opened again, and the part that it broke is read from its start,
    four attempts in all; a part with a permanent error of its own fails alone. Raises what keeps
    every part from being read (no such table, no access, no room)."""
    remaining, so_far = list(days), dict(published.rows)
    told: set[str] = set()
    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        stop=tenacity.stop_after_attempt(_ATTEMPTS),
        wait=tenacity.wait_exponential_jitter(initial=0.5, max=15),
        reraise=True,
    )
    while remaining:  # each round takes at least one part off the list, or raises
        for attempt in attempts:
            with attempt, source.open() as snapshot:
                while remaining:
                    day = remaining[0]
                    if (
                        not even_closed
                        and day in published.rows
                        and _is_closed(table, day, snapshot)
                    ):
                        remaining.pop(0)
                        yield FailedDay(day, closed_days(table, [day]))
                        continue
                    shutil.rmtree(folder / day.isoformat(), ignore_errors=True)
                    known = published.with_days(so_far)
                    try:
                        loaded = load_day(table, snapshot.day(day), known, folder, run_id, told)
                    except (ContractMismatch, DayIncomplete, UpstreamMissing) as error:
                        remaining.pop(0)
                        yield FailedDay(day, error)
                        break  # the source's transaction is spoiled: go on in a new one
                    remaining.pop(0)
                    if loaded.is_good:
                        so_far[day] = loaded.rows
                    yield loaded


def _is_closed(table: LayerTable, day: date, moment: Days) -> bool:
    return isinstance(moment, Snapshot) and is_closed(table, day, moment.as_of)


def load_day(
    table: LayerTable,
    read: DayRead,
    published: Published,
    folder: Path,
    run_id: str,
    told: set[str],
) -> LoadedDay:
    """Read and check one part into `folder`; raises the source's errors, ContractMismatch,
    DiskFull.

    `told` is what the same load has said of the source's columns, which is said once. Nothing is
    published: a part that a blocking check refuses comes back like any other, with
    `is_good` false.
    """
    clock = Clock()
    with clock.step("read"):
        evidence = read.evidence()
    origin = Origin(
        read.source,
        evidence.as_of,
        evidence.query,
        evidence.drift,
        evidence.made_of,
        evidence.limits,
    )
    check = DayCheck(table, read.day, origin, folder / read.day.isoformat(), run_id)
    check.clock = clock
    check.reject(evidence.rejected)
    repeated = None if evidence.repeated is None else whole_keys(table, evidence.repeated)
    objects = DayObjects(check, published.first_seen)
    with closing(read.batches()) as batches:
        while True:
            with clock.step("read"):
                piece = next(batches, None)
            if piece is None:
                break
            if not isinstance(piece, pl.DataFrame):
                objects.take(piece)
                continue
            if repeated is not None and repeated.height:
                check.repeat(piece.join(repeated, on=table.key, how="semi", nulls_equal=True))
                piece = piece.join(repeated, on=table.key, how="anti", nulls_equal=True)
            check.add(piece)
    afterwards = read.afterwards()
    if afterwards.drift is not None:
        check.origin = replace(origin, drift=afterwards.drift)
    check.origin = replace(check.origin, drift=once(check.origin.drift, told))
    if published.keeps is not None:
        with clock.step("keep"):
            published.keeps.keep(check, read)
    count = evidence.row_count if afterwards.row_count is None else afterwards.row_count
    published = published.without(read.day, evidence.moved)
    return check.finish(
        published, source_count=count, ledger=objects.ledger, look_ups=afterwards.look_ups
    )
