"""What a source table's columns did: against the contract, and since they were looked at last.

What the contract needs and the source lacks is refused where the table is read (ContractMismatch).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from etl_assets.core.policies import Drift
from etl_assets.core.table import LayerTable

SourceColumns = Sequence[tuple[str, str]]
"""Name and type, as the source shows it, of each column in the source's order."""


@dataclass(frozen=True)
class DriftReport:
    """How the source's columns differ.

    `added`: name and type of what the contract does not have. `since_last`: a line for each column
    that was added, dropped or retyped since they were looked at last. `refuses`: why the table must
    stop, None where the policy lets it go on. `is_told`: the same load has said it of another day.
    Of columns that the spec ignores nothing is said.
    """

    added: SourceColumns
    since_last: Sequence[str]
    refuses: str | None = None
    is_told: bool = False

    @property
    def found(self) -> bool:
        """Whether there is anything to report that was not said before."""
        return bool(self.added or self.since_last) and not self.is_told

    def evidence(self) -> dict[str, object]:
        """For the check `schema_drift`: names and types, no values."""
        if self.is_told:
            return {"told": "of another day of the same load"}
        return {
            "not_in_contract": [f"{name} ({shown})" for name, shown in self.added],
            "since_last_time": list(self.since_last),
        }


def compare(table: LayerTable, now: SourceColumns, before: SourceColumns | None) -> DriftReport:
    """The source's columns against the contract and against `before`, None if never seen.

    The order of the columns means nothing: all are read by name.
    """
    known = {*table.source_columns.values(), *table.ignore}
    added = [(name, shown) for name, shown in now if name not in known]
    then, here = (
        {name: shown for name, shown in columns if name not in table.ignore}
        for columns in (before or (), now)
    )
    since_last = [] if before is None else list(_changes(then, here))
    refuses = None
    if table.drift is Drift.FREEZE and since_last:
        refuses = (
            f"The source columns of {table.path} changed, and its policy is to freeze them: "
            f"{'; '.join(since_last)}."
        )
    return DriftReport(added, since_last, refuses)


def once(report: DriftReport | None, told: set[str]) -> DriftReport | None:
    """The report, known as told if this load has said just that before; `told` keeps what it said.

    Drift is of a table, not of a day: else a load of years would warn for each of their days.
    """
    if report is None or not report.found:
        return report
    says = json.dumps(report.evidence())
    if says in told:
        return replace(report, is_told=True)
    told.add(says)
    return report


def thaw(table: LayerTable) -> str:
    """What to do about a report that refuses."""
    return (
        f"Nothing was published. Bring the contract in {table.declared_in} up to the source if "
        f"need be, then freeze what is there now: etl-assets state accept {table.path}."
    )


def to_json(columns: SourceColumns) -> str:
    """The columns for `etl_history`: a JSON object of name and type."""
    return json.dumps({"columns": [list(column) for column in columns]}, ensure_ascii=False)


def from_json(text: str) -> SourceColumns:
    """What `to_json` wrote."""
    return [(name, shown) for name, shown in json.loads(text)["columns"]]


def _changes(before: dict[str, str], now: dict[str, str]) -> Sequence[str]:
    added = [f"{name} ({now[name]}) was added" for name in now if name not in before]
    dropped = [f"{name} ({before[name]}) was dropped" for name in before if name not in now]
    retyped = [
        f"{name} was {before[name]} and is {now[name]}"
        for name in now
        if before.get(name, now[name]) != now[name]
    ]
    return [*added, *dropped, *retyped]
