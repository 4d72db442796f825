"""Compares the source with the contracts, loading nothing: what `etl-assets doctor` shows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from etl_assets.core.errors import EtlError
from etl_assets.core.keeping import open_from
from etl_assets.core.table import LayerTable
from etl_assets.sources.abilities import Ability
from etl_assets.sources.base import Source
from etl_assets.sources.snapshot import SyncCost


@dataclass(frozen=True)
class Diagnosis:
    """One raw table.

    `error` says why it cannot be read, if so; then nothing else is known, and is None. `undeclared`
    names source columns that the contract does not have (they are not read, C11), and is None where
    only rows say which columns there are;
    `rows_without_day` counts rows that no partition will ever hold: their moment is missing,
    infinite or BC, or they have no parent. `hidden` says what keeps rows from us although the spec
    accepts that, `cannot` what the source cannot do besides reading days, each with the reason,
    `limits` what cannot be guaranteed for its kind of table, `keeping` what is true now of rows
    that stay although the source no longer has them, `day_costs` what makes a day of it dear to
    read. `not_there` are columns that its spec ignores and the source does not have.
    `sync_cost` is what each sync costs the source, None for a table that does not sync.
    `missing_rights` are the statements that give our role what it lacks.
    """

    table: str
    error: EtlError | None
    undeclared: tuple[str, ...] | None = None
    rows_without_day: int | None = None
    hidden: tuple[str, ...] = ()
    cannot: Mapping[Ability, str] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    keeping: tuple[str, ...] = ()
    day_costs: tuple[str, ...] = ()
    not_there: tuple[str, ...] = ()
    sync_cost: SyncCost | None = None
    missing_rights: tuple[str, ...] = ()


def diagnose(
    tables: Iterable[LayerTable], source_of: Callable[[LayerTable], Source]
) -> Iterator[Diagnosis]:
    """A diagnosis for each raw table; errors of the source are part of it, none is raised.

    `source_of` gives a table's source. A system that cannot be reached is asked once: its tables
    share the error.
    """
    answers: dict[tuple[str, str], EtlError | None] = {}
    for table in tables:
        if table.source is None:
            continue
        system = (table.source.KIND, table.source.connection)
        if system not in answers:
            answers[system] = _outage(table, source_of)
        outage = answers[system]
        yield Diagnosis(table.path, outage) if outage else _diagnosed(table, source_of(table))


def _outage(table: LayerTable, source_of: Callable[[LayerTable], Source]) -> EtlError | None:
    """Why the table's system cannot be asked, None if it can."""
    try:
        source_of(table).reach()
    except EtlError as error:
        return error
    return None


def _diagnosed(table: LayerTable, source: Source) -> Diagnosis:
    declared = {*table.source_columns.values(), *table.ignore}
    knows_columns = table.source is not None and table.source.HAS_COLUMNS
    try:
        with source.snapshot() as snapshot:
            names = [name for name, _ in snapshot.columns]
            undeclared = tuple(name for name in names if name not in declared)
            keeping = _keeping(table, names, snapshot.as_of)
            return Diagnosis(
                table.path,
                None,
                undeclared if knows_columns else None,
                snapshot.without_day(),
                tuple(snapshot.hidden()),
                source.cannot,
                tuple(snapshot.limits()),
                keeping,
                tuple(snapshot.day_costs()),
                tuple(sorted({*table.ignore} - {*names})) if knows_columns else (),
                snapshot.sync_cost(),
            )
    except EtlError as error:
        return Diagnosis(table.path, error, missing_rights=_missing_rights(source))


def _missing_rights(source: Source) -> tuple[str, ...]:
    try:
        return tuple(source.missing_rights())
    except EtlError:  # the table's own error says what is the matter
        return ()


def _keeping(table: LayerTable, names: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Which days are closed, and whether the source has a column with the name of our mark."""
    told = []
    first = open_from(table, now)
    if first is not None:
        told.append(
            f"Days before {first} are closed: they are neither compared nor loaded again, and "
            "their rows stay. In later days deleted rows leave."
        )
    if table.kept_column in names:
        told.append(
            f"The source has a column {table.kept_column!r} too, which is not read: the mark of "
            f"{table.declared_in} (kept_column) takes its place. Give the mark another name."
        )
    return tuple(told)
