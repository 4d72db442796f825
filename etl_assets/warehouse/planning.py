"""What a publication does, said once: which rows leave and come, and what the states are then.

All of it is decided here, before a backend is asked. What has to be known for that (`Facts`) the
backend tells beforehand; the guard makes sure that it still holds when the transaction runs. What
a publication is made of is `publication.py`; how it is carried out is in the backends.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

import polars as pl

from etl_assets.core.declared.declaration import declaration_text
from etl_assets.core.state import HistoryEntry, PartitionState, TableState, empty_part
from etl_assets.core.table import LayerTable
from etl_assets.spool import SpoolFiles, repeated_keys
from etl_assets.warehouse.publication import (
    CURSOR,
    STAGED_DAY,
    Facts,
    Publication,
    Recorded,
    StagedDay,
    Staging,
    kept_are_others,
    newer_is_published,
)

_GONE = "__gone"
KeySpool = Callable[[pl.DataFrame], SpoolFiles]
"""Writes a frame of keys to the spool."""


def replacement(
    staging: Staging, recorded: Recorded, facts: Facts, leaving: KeySpool, content: str | None
) -> Publication:
    """The staged parts take the place of what is published of them.

    In a table that is read from a source a key is on one part only (C8): its version on another
    part leaves if it is older or of the same cursor, and the staged one is left out if the other is
    newer. Without a cursor the moments at which the parts were read decide. A staged row that the
    source no longer has gives way to any other of its key. `leaving`
    spools keys. `content` is the digest of the rows of a table without days, None for others.
    Raises StalePublication where a newer snapshot of one of the parts is published (L5), or where
    a part from which rows are kept is not the one any more that they were taken from.
    """
    table, days = staging.table, {staged.day: staged for staged in staging.days}
    _refuse_stale(table, staging, recorded.states)
    left_out, taken = _conflicts(staging, recorded, facts.elsewhere)
    fewer = dict(left_out.group_by(STAGED_DAY).len().iter_rows())
    states = [
        replace(staged.state, row_count=staged.state.row_count - fewer.get(day, 0))
        for day, staged in days.items()
    ]
    any_state = staging.days[0].state
    for day, rows in sorted(taken.group_by(STAGED_DAY).len().iter_rows()):
        before = recorded.states[day]
        states.append(
            replace(
                before,
                row_count=before.row_count - rows,
                load_id=any_state.load_id,
                updated_at=any_state.updated_at,
            )
        )
    return Publication(
        staging=staging,
        token=recorded.token,
        table_state=table_state_after(table, recorded, states, staging.days, content=content),
        states=[*states, *version_states(staging, recorded, facts)],
        replaced=sorted(days),
        leaving=leaving(taken.select(table.key)) if taken.height else None,
        leaving_from=sorted(set(taken[STAGED_DAY])),
        left_out=left_out if left_out.height else None,
    )


def changes(
    staging: Staging,
    recorded: Recorded,
    facts: Facts,
    *,
    table_state: TableState,
    leaving: SpoolFiles,
    cleared: Collection[str] = (),
    tombstones: SpoolFiles | None = None,
    history: Sequence[HistoryEntry] = (),
) -> Publication:
    """The staged rows are new and changed rows; the states of their parts are given whole.

    `leaving` are the keys of published rows that leave, or that a staged row takes the place of;
    all of them are on the staged parts. `table_state` is the table's row as it will be, with its
    new token.
    """
    states = [staged.state for staged in staging.days]
    rows = {day: state.row_count for day, state in recorded.states.items()}
    rows |= {state.partition_key: state.row_count for state in states}
    return Publication(
        staging=staging,
        token=recorded.token,
        # The digest of the content was that of a whole load: it tells nothing of these rows.
        table_state=declared(
            staging.table, replace(table_state, row_count=sum(rows.values()), content=None)
        ),
        states=[*states, *version_states(staging, recorded, facts)],
        leaving=leaving if leaving.rows else None,
        leaving_from=sorted(staged.day for staged in staging.days),
        cleared=cleared,
        tombstones=tombstones,
        history=history,
    )


def table_state_after(
    table: LayerTable,
    recorded: Recorded,
    states: Sequence[PartitionState],
    days: Sequence[StagedDay],
    *,
    content: str | None = None,
) -> TableState:
    """The table's row after a publication: a new token; the position stays where it is.

    Days that were replaced need no reload any more.
    """
    rows = {day: state.row_count for day, state in recorded.states.items()}
    rows |= {state.partition_key: state.row_count for state in states}
    newest = states[0]
    as_of = max(state.as_of for state in states)
    before = recorded.table_state
    if before is None:
        before = TableState(table.path, "", "", as_of, newest.updated_at)
    reload = {d: why for d, why in before.reload_reasons.items() if d not in {s.day for s in days}}
    after = replace(
        before,
        load_id=newest.load_id,
        run_id=newest.run_id,
        as_of=max(as_of, before.as_of),
        updated_at=newest.updated_at,
        row_count=sum(rows.values()),
        content=content,
    )
    return declared(table, after.with_days_to_reload(reload))


def declared(table: LayerTable, state: TableState) -> TableState:
    """The table's row, published by the contract as it is now."""
    known = state.with_columns(table.required_columns)
    return replace(known, declaration=declaration_text(table))


def version_states(staging: Staging, recorded: Recorded, facts: Facts) -> list[PartitionState]:
    """The states of the days of the versions table that gain rows: counts add up, moments grow."""
    versions = staging.table.versions
    if versions is None or not staging.days:
        return []
    by = staging.days[0].state
    as_of = max(staged.state.as_of for staged in staging.days)
    gained = []
    for day, rows, newest in facts.versions.select(STAGED_DAY, "rows", "newest").iter_rows():
        before = recorded.versions.get(day)
        gained.append(
            replace(
                empty_part(versions.path, day, by.load_id, by.run_id, by.updated_at),
                high_watermark=_latest(before.high_watermark if before else None, newest),
                row_count=rows + (before.row_count if before else 0),
                as_of=max(as_of, before.as_of) if before else as_of,
            )
        )
    return gained


def needs_elsewhere(staging: Staging, recorded: Recorded) -> bool:
    """Whether the warehouse must be asked for published rows of staged keys on other parts.

    The key of a table of files says the day (`core/spec_checks.py`), so that it is on no other.
    """
    staged = {day.day for day in staging.days}
    return bool(
        staging.table.source is not None
        and not staging.table.is_of_files
        and staging.rows
        and any(s.row_count for day, s in recorded.states.items() if day not in staged)
    )


def _refuse_stale(
    table: LayerTable, staging: Staging, published: Mapping[date, PartitionState]
) -> None:
    stale = [
        staged.day
        for staged in staging.days
        if staged.day in published and published[staged.day].as_of > staged.state.as_of
    ]
    if stale:
        raise newer_is_published(table, stale)
    changed = [staged.day for staged in staging.days if _keeps_of_another(staged, published)]
    if changed:
        raise kept_are_others(table, changed)


def _keeps_of_another(staged: StagedDay, published: Mapping[date, PartitionState]) -> bool:
    state = published.get(staged.day)
    return staged.gone is not None and staged.gone.of != (state.load_id if state else None)


def _conflicts(
    staging: Staging, recorded: Recorded, elsewhere: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(STAGED_DAY, key) of staged rows that are left out, and of published rows that leave."""
    table, key = staging.table, list(staging.table.key)
    columns = [STAGED_DAY, *key]
    several = len({staged.state.as_of for staged in staging.days}) > 1
    several |= any(staged.gone and staged.gone.keys.rows for staged in staging.days)
    keys = elsewhere.select(key).unique()
    staged = _staged_rows(staging, keys, all_repeated=table.source is not None and several)
    if table.cursor is None:
        read_at = {day: state.as_of for day, state in recorded.states.items()}
        elsewhere = _with_moments(elsewhere, read_at)
        staged = _with_moments(staged, {one.day: one.state.as_of for one in staging.days})
    if not staged.height:
        return elsewhere.clear().select(columns), elsewhere.clear().select(columns)
    staged = _with_gone(staging, staged)
    # Of a key that two snapshots saw on two parts, the newest version that is there stays.
    newest = staged.sort(
        [_GONE, CURSOR, STAGED_DAY],
        descending=[False, True, True],
        nulls_last=[False, True, False],
    ).unique(key, keep="first", maintain_order=True)
    older = staged.join(newest, on=columns, how="anti", nulls_equal=True)
    both = elsewhere.join(
        newest.select(*key, _GONE, pl.col(CURSOR).alias("__staged")), on=key, nulls_equal=True
    )
    is_newer = (pl.col("__staged") >= pl.col(CURSOR)).fill_null(value=False)
    gives_way = ~pl.col(_GONE) & (pl.col(CURSOR).is_null() | is_newer)
    taken = both.filter(gives_way).select(columns)
    kept = both.filter(~gives_way)
    losing = newest.join(kept, on=key, how="semi", nulls_equal=True)
    return pl.concat([older.select(columns), losing.select(columns)]), taken


def _with_gone(staging: Staging, rows: pl.DataFrame) -> pl.DataFrame:
    """The staged rows with _GONE: whether the source no longer has the row."""
    table = staging.table
    gone = repeated_keys(
        {staged.day: staged.gone.keys for staged in staging.days if staged.gone},
        table.key,
        schema={name: table.column(name).dtype for name in table.key},
        among=rows.select(table.key).unique(),
        repeated=False,
    )
    on = [STAGED_DAY, *table.key]
    told = rows.join(
        gone.with_columns(pl.lit(value=True).alias(_GONE)), on=on, how="left", nulls_equal=True
    )
    return told.with_columns(pl.col(_GONE).fill_null(value=False))


def _with_moments(rows: pl.DataFrame, moments: Mapping[date, datetime]) -> pl.DataFrame:
    """The rows with the moment of their part in CURSOR."""
    moment = pl.col(STAGED_DAY).replace_strict(
        dict(moments), default=None, return_dtype=pl.Datetime("us", "UTC")
    )
    return rows.with_columns(moment.alias(CURSOR))


def _staged_rows(staging: Staging, keys: pl.DataFrame, *, all_repeated: bool) -> pl.DataFrame:
    """STAGED_DAY, key and CURSOR of the staged rows with these keys, or whose key is repeated."""
    table, cursor = staging.table, staging.table.cursor
    names = list(dict.fromkeys([*table.key, *(cursor.columns if cursor else ())]))
    rows = repeated_keys(
        {staged.day: staged.files for staged in staging.days},
        table.key,
        schema={name: table.column(name).dtype for name in names},
        among=keys,
        repeated=all_repeated,
    )
    value = cursor.value if cursor else pl.lit(None)
    return rows.select(STAGED_DAY, *table.key, value.alias(CURSOR))


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((m for m in (one, other) if m is not None), default=None)
