"""Holds the source against the contracts, loading nothing: what `etl-assets doctor` shows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from etl_assets.core.errors import EtlError
from etl_assets.core.table import LayerTable
from etl_assets.sources.postgres.reader import PostgresReader


@dataclass(frozen=True)
class Diagnosis:
    """One raw table.

    `error` says why it cannot be read, if so; `undeclared` names source columns that the contract
    does not have (they are not read, C11); `rows_without_day` counts rows that no partition will
    ever hold: their moment is missing, infinite or BC, or they have no parent.
    """

    table: str
    error: EtlError | None
    undeclared: tuple[str, ...] = ()
    rows_without_day: int = 0


def diagnose(
    tables: Iterable[LayerTable], reader: Callable[[LayerTable], PostgresReader]
) -> Iterator[Diagnosis]:
    """A diagnosis for each raw table; errors of the source are part of it, none is raised.

    `reader` gives the reader of a table's database.
    """
    for table in tables:
        if table.source is None:
            continue
        declared = {column.name for column in table.columns}
        try:
            with reader(table).snapshot(table) as snapshot:
                undeclared = tuple(c for c in snapshot.source_columns if c not in declared)
                yield Diagnosis(table.path, None, undeclared, snapshot.without_day())
        except EtlError as error:
            yield Diagnosis(table.path, error)
