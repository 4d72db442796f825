"""What the code at hand would do to a warehouse as it is: nothing is done, and nothing written.

Each answer is the function's that a load asks itself: `Rows.fit` for columns, `gained.py` for parts
that lack some, `core/lateness.py` for late days, `sync_log.py` for positions, `dimensions/` for
dimensions; `other_code.py` says which parts nothing makes again by itself. What follows from what
is `foreseen.py`. No source is asked: that is `doctor`.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from etl_assets.core.catalog import Catalog
from etl_assets.core.declared.changes import Change, changes_between
from etl_assets.core.declared.declaration import declaration_of
from etl_assets.core.dimension import HISTORY
from etl_assets.core.errors import EtlError
from etl_assets.core.keeping import first_open_days
from etl_assets.core.partitions import WHOLE
from etl_assets.core.readings import is_reading, reading
from etl_assets.core.reload_reasons import lacks_of, only_lacks
from etl_assets.core.state import PartitionState, TableState
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.dimensions.marks import readers_of
from etl_assets.pipeline.dimensions.reading import goal_of
from etl_assets.pipeline.gained import fit_of, gained, is_news
from etl_assets.pipeline.other_code import of_other_code
from etl_assets.pipeline.planned.foreseen import Foreseen
from etl_assets.pipeline.planned.table_plan import Reading, TablePlan, loading_reason
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.sync_log import mark_of
from etl_assets.warehouse.base import Warehouse
from etl_assets.warehouse.contract_tables import Fit


@dataclass(frozen=True)
class _Look:
    """How a published table fits: `fit` is None where it is not there, `refused` why not."""

    fit: Fit | None
    refused: str | None


def plan(platform: Platform, warehouse: Warehouse, tables: Sequence[LayerTable]) -> list[TablePlan]:
    """What would be done to each of the tables, and to what is published without a declaration.

    Raises what reading states of the warehouse raises.
    """
    return _Planning(platform, warehouse, tables).plans()


class _Planning:
    def __init__(
        self, platform: Platform, warehouse: Warehouse, tables: Sequence[LayerTable]
    ) -> None:
        self.platform, self.warehouse, self.tables = platform, warehouse, tables
        self.catalog: Catalog = platform.catalog
        states, rows = warehouse.seen.state(), warehouse.seen.table_states()
        self.own = {row.table_name for row in warehouse.table_states()}
        self.now = Foreseen.of(self.catalog, states, rows)
        self.looks = {path: self._look(table) for path, table in self.catalog.items()}
        self.loads = {path: self._loads(table) for path, table in self.catalog.items()}
        opened = first_open_days(self.catalog.values(), datetime.now(UTC))
        self.other_code = of_other_code(self.catalog, states, platform.scope, opened)
        self.blocked = {path for path, look in self.looks.items() if look.refused}
        self.sure = self._foreseen(also_unsure=False)
        self.all = self._foreseen(also_unsure=True)

    def plans(self) -> list[TablePlan]:
        told = [self._plan(table) for table in self.tables]
        if len(self.tables) == len(self.catalog):
            told += [TablePlan(name, is_declared=False) for name in self._undeclared()]
        return told

    def _look(self, table: LayerTable) -> _Look:
        try:
            row = self.warehouse.own_row(table)
            fit = fit_of(self.warehouse, table, row)
            kept = self.warehouse.fit(table.versions) if table.versions else None
        except EtlError as error:  # a table that could not even be made
            return _Look(None, str(error))
        errors = [one.error for one in (fit, kept) if one is not None and one.error is not None]
        return _Look(fit, str(errors[0]) if errors else None)

    def _loads(self, table: LayerTable) -> Mapping[date, str]:
        """The parts that must be loaded whole once the contract's columns are there."""
        row, look = self.now.rows.get(table.path), self.looks[table.path]
        if row is None or look.refused or not self._is_here(table):
            return {}
        if not is_news(table, row):
            return row.reload_reasons
        added = look.fit.added if look.fit else ()
        where = self.warehouse if table.source is not None else self.warehouse.seen
        return gained(where, table, row, added).reasons

    def _is_here(self, table: LayerTable) -> bool:
        """Whether loads work on what is published of the table: in an environment none touches raw
        tables that only production has."""
        is_environment = self.warehouse.production is not None
        return not is_environment or table.source is None or table.path in self.own

    def _foreseen(self, *, also_unsure: bool) -> Foreseen:
        then = self.now.copy()
        for path, reasons in self.loads.items():
            table = self.catalog[path]
            if path in then.rows and path not in self.blocked and self._is_here(table):
                then.bring(table, reasons)
        for path, reasons in self.loads.items():
            table = self.catalog[path]
            if table.source is not None and path not in self.blocked:
                parts = [d for d, why in reasons.items() if also_unsure or _is_sure(table, why)]
                then.load(table, parts)
        then.derive(
            self.platform,
            blocked=self.blocked,
            also_unchanged=also_unsure,
            tables=set(self.catalog),
        )
        return then

    def _undeclared(self) -> list[str]:
        kept = {table.versions.path for table in self.catalog.values() if table.versions}
        names = {name for name, _part in self.now.states if not is_reading(name)}
        return sorted(names - kept - set(self.catalog))

    def _plan(self, table: LayerTable) -> TablePlan:
        path, look = table.path, self.looks[table.path]
        row = self.now.rows.get(path)
        loads = self.loads[path] if table.source is not None else {}
        makes = self.all.made.get(path, {})
        unsure = {day for day, why in loads.items() if not _is_sure(table, why)}
        unsure |= {day for day in makes if (path, day) not in self.sure.anew}
        changes = _changed(table, row if _parts_of(self.now, path) else None)
        created = self._created(table, look, does=bool(loads or makes) or row is None)
        found = TablePlan(
            table=path,
            creates=created,
            creates_later=self._created_later(table, created),
            added=look.fit.added if look.fit and not look.refused else (),
            refused=look.refused,
            loads={day: loading_reason(why) for day, why in loads.items()},
            by=_loaded_by(table),
            makes={day: _because(why, changes) for day, why in makes.items()},
            unsure=frozenset(unsure),
            first=frozenset(unsure - set(_parts_of(self.now, path))),
            reads_all=self._reads_all(table, row),
            rebuilt=self._rebuilt(table),
            marks=[one.table.path for one in readers_of(self.catalog, table)]
            if table.dimension
            else (),
            of_other_code=self._of_other_code(table, {*loads, *makes}),
            changes=changes,
            is_published=row is not None,
        )
        return replace(found, reading=self._reading(table, found))

    def _created(self, table: LayerTable, look: _Look, *, does: bool) -> Sequence[str]:
        """The tables that its next publication makes."""
        if look.refused or (self.warehouse.production is not None and not does):
            return ()
        missing = [table] if look.fit is None else []
        kept = table.versions
        if kept is not None and does and self.warehouse.fit(kept) is None:
            missing.append(kept)
        return [one.path for one in missing]

    def _created_later(self, table: LayerTable, created: Sequence[str]) -> Sequence[str]:
        """The versions that its next publication begins to keep, whenever that is."""
        kept = table.versions
        if kept is None or kept.path in created or self.looks[table.path].refused:
            return ()
        return [kept.path] if self.warehouse.fit(kept) is None else []

    def _reads_all(self, table: LayerTable, row: TableState | None) -> str | None:
        if not table.syncs or row is None:
            return None
        if self.warehouse.production is not None:
            row = self.warehouse.own_row(table)
            if row is None:
                return None
        mark, why = mark_of(table, row, self.platform.scope)
        # That no sync has ever read it says nothing of the code.
        return why if mark is None and why != "sync" else None

    def _rebuilt(self, table: LayerTable) -> str | None:
        path = table.path
        if table.dimension is None or (path, WHOLE) not in self.now.states:
            return None
        if self.looks[path].refused:
            return None
        upstream = self.catalog.inputs_of(table)[HISTORY]
        parts = _parts_of(self.all, upstream.path)
        if not parts:
            return None
        notes = _parts_of(self.now, reading(path, upstream.path)).values()
        goal = goal_of(self.catalog, table, parts, notes, is_first=False)
        if not goal.whole:
            return None
        if path in self.all.made:
            return "All of its versions are made anew."
        return (
            "Its next run makes all of its versions anew, because its declaration changed; it is "
            f"not late by that: etl-assets backfill {path}."
        )

    def _of_other_code(self, table: LayerTable, brought: Collection[date]) -> Sequence[date]:
        """The parts that other code made, but for those that are `brought` up to it anyway.

        Of a dimension `_rebuilt` says it; of what is refused nothing can be made yet.
        """
        if table.dimension is not None or table.path in self.blocked:
            return ()
        return [day for day in self.other_code.get(table.path, ()) if day not in brought]

    def _reading(self, table: LayerTable, found: TablePlan) -> Reading:
        """What has to be read: parts of the source, or of the inputs, each once."""
        if table.source is not None:
            if found.reads_all:
                row = self.now.rows.get(table.path)
                return Reading(row.row_count if row else 0)
            return Reading(self._rows(table.path, found.loads))
        rows, size = 0, None
        for given in table.inputs.values():
            parts = [
                part
                for part in _parts_of(self.now, given.asset)
                if any(given.reads(day, part) for day in found.makes)
            ]
            number = self._rows(given.asset, parts)
            rows += number
            total = self._rows(given.asset, _parts_of(self.now, given.asset))
            whole = (
                self.warehouse.seen.size(self.catalog.published(given.asset)) if number else None
            )
            if whole is not None:
                size = (size or 0) + whole * number // total
        return Reading(rows, size)

    def _rows(self, path: str, parts: Iterable[date]) -> int:
        states = _parts_of(self.now, path)
        return sum(states[part].row_count for part in parts if part in states)


def _parts_of(states: Foreseen, path: str) -> dict[date, PartitionState]:
    return {part: state for (name, part), state in states.states.items() if name == path}


def _is_sure(table: LayerTable, why: str) -> bool:
    """Whether a part with this reason is published anew, if its source has it at all.

    Of a part that only lacks a column that may be NULL, checksums may tell that it is equal; one
    that was refused may be refused again.
    """
    required = {name for name, is_required in table.required_columns.items() if is_required}
    return only_lacks(why) and bool(required & {*lacks_of(why)} or table.is_of_files)


def _changed(table: LayerTable, row: TableState | None) -> Sequence[Change] | None:
    if row is None:
        return ()
    if row.declaration is None:
        return None
    # By way of JSON, as the other one went.
    now = json.loads(json.dumps(declaration_of(table)))
    return changes_between(json.loads(row.declaration), now)


def _because(why: str, changes: Sequence[Change] | None) -> str:
    """Why a part is late: its inputs may be others by the code, and no load of theirs newer."""
    inputs = [one.what for one in changes or () if one.kind == "input"]
    return inputs[0].rstrip(".") if inputs and why.startswith("made before its inputs") else why


def _loaded_by(table: LayerTable) -> str:
    if table.source is None:
        return ""
    if table.syncs:
        return f"etl-assets sync {table.path}, the newest 30 of those that lack a column at a time"
    if table.is_of_files:
        return f"the sensor new_files__{table.name}"
    if table.source.COMPARABLE:
        return f"etl-assets reconcile --repair {table.path}"
    return f"etl-assets backfill {table.path}"


def what_changes(plans: Collection[TablePlan]) -> list[TablePlan]:
    """Those of the plans that say anything."""
    return [one for one in plans if one.does_something]
