"""What loads and derivations would leave behind, played through on states alone.

The rules are those of the loads themselves: `gained.py` says which parts lack columns,
`core/lateness.py` which derived parts are late. Here a part that would be loaded gets a load that
nobody published, and the rules are asked again, until nothing is late. Nothing is read but states.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from etl_assets.core.catalog import Catalog
from etl_assets.core.lateness import Late, Loads, loads_by_input, made_of
from etl_assets.core.partitions import WHOLE
from etl_assets.core.reload_reasons import lacks_of
from etl_assets.core.state import PartitionState, TableState, empty_part
from etl_assets.core.table import LayerTable
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.sync_log import blank

_RUN = "planned"


@dataclass
class Foreseen:
    """States and rows of tables as loads would leave them.

    `made` are the derived parts that are made on the way, each with the reason, by the path of
    their table; those of them that are published with something else are `anew`.
    """

    catalog: Catalog
    states: dict[tuple[str, date], PartitionState]
    rows: dict[str, TableState]
    made: dict[str, dict[date, str]] = field(default_factory=dict)
    anew: set[tuple[str, date]] = field(default_factory=set)

    @classmethod
    def of(
        cls, catalog: Catalog, states: Iterable[PartitionState], rows: Iterable[TableState]
    ) -> "Foreseen":
        """What is published now."""
        return cls(
            catalog,
            {(one.table_name, one.partition_key): one for one in states},
            {row.table_name: row for row in rows},
        )

    def copy(self) -> "Foreseen":
        """Another one that begins here."""
        return Foreseen(self.catalog, dict(self.states), dict(self.rows))

    def bring(self, table: LayerTable, reasons: Mapping[date, str]) -> None:
        """The columns of a contract are brought; these parts must be loaded whole from then on."""
        row = self.rows[table.path]
        self.rows[table.path] = row.with_days_to_reload(reasons).with_columns(
            table.required_columns
        )

    def load(self, table: LayerTable, parts: Iterable[date]) -> None:
        """These parts are loaded from their source, and publish something else."""
        for part in parts:
            self._publish(table, part, None, is_another=True)

    def derive(
        self,
        platform: Platform,
        *,
        blocked: Collection[str],
        also_unchanged: bool,
        tables: Collection[str],
    ) -> None:
        """Make the derived parts that are late, and those that this makes late, until none is.

        Tables that are `blocked` are not made, nor are others than `tables`. A part of a table
        without days that is made again counts as changed only if its contract has other columns,
        or with `also_unchanged`.
        """
        while late := [one for one in self._late(platform) if self._may_make(one, blocked, tables)]:
            for one in late:
                table = self.catalog[one.table]
                before = self.rows.get(one.table)
                lacked = before is not None and bool(
                    lacks_of(before.reload_reasons.get(one.day, ""))
                )
                is_first = (one.table, one.day) not in self.states
                is_another = one.day != WHOLE or is_first or lacked or also_unchanged
                self.made.setdefault(one.table, {})[one.day] = self._why(one, table)
                if is_another:
                    self.anew.add((one.table, one.day))
                target = made_of(table, loads_by_input(table, self._loads()), one.day)
                self._publish(table, one.day, target, is_another=is_another)

    def _why(self, one: Late, table: LayerTable) -> str:
        """The reason, in which a load that nobody has done yet has no run."""
        if f"(run {_RUN})" not in one.why:
            return one.why
        above = {
            given.asset
            for given in table.inputs.values()
            for (path, part), state in self.states.items()
            if path == given.asset and state.run_id == _RUN and given.reads(one.day, part)
        }
        return f"made of {', '.join(sorted(above))}, which is loaded or made again"

    def _late(self, platform: Platform) -> list[Late]:
        return platform.late_of(self.states.values(), self.rows.values())

    def _may_make(self, one: Late, blocked: Collection[str], tables: Collection[str]) -> bool:
        if one.table in blocked or one.table not in tables:
            return False
        return one.day not in self.made.get(one.table, {})

    def _loads(self) -> Mapping[str, Loads]:
        found: dict[str, dict[date, str]] = {}
        for (path, part), state in self.states.items():
            found.setdefault(path, {})[part] = state.load_id
        return {path: Loads(by_part) for path, by_part in found.items()}

    def _publish(
        self, table: LayerTable, part: date, target: str | None, *, is_another: bool
    ) -> None:
        place, now = (table.path, part), datetime.now(UTC)
        known = self.states.get(place) or empty_part(table.path, part, "", _RUN, now)
        if is_another:
            known = replace(known, load_id=f"{_RUN} {len(self.made)} {part}", run_id=_RUN)
            known = replace(known, as_of=now, updated_at=now)
        self.states[place] = replace(known, made_of=target)
        row = self.rows.get(table.path) or blank(table, _RUN, now)
        left = {day: why for day, why in row.reload_reasons.items() if day != part}
        self.rows[table.path] = row.with_days_to_reload(left).with_columns(table.required_columns)
