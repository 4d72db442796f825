"""Compares the source with the contracts, loading nothing: what `etl-assets doctor` shows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from etl_assets.core.errors import EtlError
from etl_assets.core.table import LayerTable
from etl_assets.sources.postgres.reader import PostgresReader


@dataclass(frozen=True)
class Diagnosis:
    """One raw table.

    `error` says why it cannot be read, if so; then nothing else is known, and is None. `undeclared`
    names source columns that the contract does not have (they are not read, C11);
    `rows_without_day` counts rows that no partition will ever hold: their moment is missing,
    infinite or BC, or they have no parent.
    """

    table: str
    error: EtlError | None
    undeclared: tuple[str, ...] | None = None
    rows_without_day: int | None = None


def diagnose(
    tables: Iterable[LayerTable], reader: Callable[[LayerTable], PostgresReader]
) -> Iterator[Diagnosis]:
    """A diagnosis for each raw table; errors of the source are part of it, none is raised.

    `reader` gives the reader of a table's database. A database that cannot be reached is asked
    once: its tables share the error.
    """
    answers: dict[str, EtlError | None] = {}
    for table in tables:
        if table.source is None:
            continue
        connection = table.source.connection
        if connection not in answers:
            answers[connection] = _outage(table, reader)
        outage = answers[connection]
        yield Diagnosis(table.path, outage) if outage else _diagnosed(table, reader(table))


def _outage(table: LayerTable, reader: Callable[[LayerTable], PostgresReader]) -> EtlError | None:
    """Why the table's database cannot be asked, None if it can."""
    try:
        reader(table).connect()
    except EtlError as error:
        return error
    return None


def _diagnosed(table: LayerTable, reader: PostgresReader) -> Diagnosis:
    declared = {column.name for column in table.columns}
    try:
        with reader.snapshot(table) as snapshot:
            undeclared = tuple(c for c in snapshot.source_columns if c not in declared)
            return Diagnosis(table.path, None, undeclared, snapshot.without_day())
    except EtlError as error:
        return Diagnosis(table.path, error)
