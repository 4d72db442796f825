"""From the names that were typed to tables: one resolver for all commands.

A name that is none is answered with the few that may be meant, and a table that the command cannot
work with is answered with the table or the command that can. All raise SpecError for a table that
was left out because its spec is wrong.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from etl_assets.core.errors import UnknownTable
from etl_assets.core.near_names import near

if TYPE_CHECKING:
    from etl_assets.core.catalog import Catalog
    from etl_assets.core.table import LayerTable


def chosen(catalog: "Catalog", names: Sequence[str]) -> "list[LayerTable]":
    """The named tables, each once, or all. Raises click's usage error for a name of none.

    All of these raise SpecError for a table that was left out because its spec is wrong.
    """
    return _resolved(catalog, names, lambda _table: True, lambda table: table.path)


def syncing(catalog: "Catalog", names: Sequence[str]) -> "list[LayerTable]":
    """The named tables, or all, that have a cursor. Raises click's usage error for others."""

    def refusal(table: "LayerTable") -> str:
        if table.source is not None:
            return (
                f"{table.path} has no cursor, so its changes cannot be read alone. Load its days: "
                f"etl-assets backfill {table.path}."
            )
        read = ", ".join(path for path in _sources_of(catalog, table) if catalog[path].syncs)
        instead = f"etl-assets sync {read.replace(',', '')}" if read else "etl-assets backfill"
        return (
            f"{table.path} is derived from {read or 'tables without a cursor'}, and is not read "
            f"from a source itself. Run {instead}, then etl-assets derive {table.path}."
        )

    return _resolved(catalog, names, lambda table: table.syncs, refusal)


def sources(catalog: "Catalog", names: Sequence[str]) -> "list[LayerTable]":
    """The named tables, or all, that are read from a source. Raises click's usage error."""

    def refusal(table: "LayerTable") -> str:
        read = ", ".join(_sources_of(catalog, table))
        return f"{table.path} is derived and has no source of its own: name {read}."

    return _resolved(catalog, names, lambda table: table.source is not None, refusal)


def of_files(catalog: "Catalog", names: Sequence[str]) -> "list[LayerTable]":
    """The named tables, or all, that are read from files. Raises click's usage error."""

    def refusal(table: "LayerTable") -> str:
        return f"{table.path} is not read from files, so it has no objects."

    return _resolved(catalog, names, lambda table: table.is_of_files, refusal)


def with_fields(catalog: "Catalog", names: Sequence[str]) -> "list[LayerTable]":
    """The named tables, or all, with a JSON column of fields. Raises click's usage error."""

    def refusal(table: "LayerTable") -> str:
        return f"{table.path} has no JSON column with fields=True in its contract."

    return _resolved(
        catalog, names, lambda table: any(one.fields for one in table.columns), refusal
    )


def comparable(catalog: "Catalog", names: Sequence[str]) -> "list[LayerTable]":
    """The named tables, or all, that can be compared with a source. Raises click's usage error."""
    from etl_assets.core.digests import can_be_reconciled

    def refusal(table: "LayerTable") -> str:
        if table.source is None:
            read = ", ".join(_sources_of(catalog, table))
            return f"{table.path} is derived and has no source of its own: name {read}."
        if table.is_of_files:
            return (
                f"{table.path} is read from files, and is compared by its objects: "
                f"etl-assets files list {table.path}."
            )
        if not table.source.COMPARABLE:
            return (
                f"{table.path} is read from {table.source.system}, whose rows are not compared one "
                f"by one. Load its days again: etl-assets backfill {table.path}."
            )
        return (
            f"{table.path} cannot be compared: no checksum covers its key. Load its days again: "
            f"etl-assets backfill {table.path}."
        )

    return _resolved(catalog, names, can_be_reconciled, refusal)


def without_comparable_key(catalog: "Catalog") -> list[str]:
    """The paths of the tables whose sources are compared, but for these: their keys cannot be."""
    from etl_assets.core.digests import can_be_reconciled

    return [
        path
        for path, table in catalog.items()
        if table.source is not None and table.source.COMPARABLE and not can_be_reconciled(table)
    ]


def _resolved(
    catalog: "Catalog",
    names: Sequence[str],
    fits: "Callable[[LayerTable], bool]",
    refusal: "Callable[[LayerTable], str]",
) -> "list[LayerTable]":
    possible = [path for path, table in catalog.items() if fits(table)]
    for name in names:
        try:
            catalog.table(name)
        except UnknownTable:
            close = near(name, list(catalog) if "/" in name else possible)
            told = _unknown(name, possible, close)
            # A name that is near to a table that does not fit: say that at once.
            only = [catalog[path] for path in close if len(close) == 1 and path not in possible]
            raise click.UsageError(" ".join([told, *map(refusal, only)])) from None
        if not fits(catalog[name]):
            raise click.UsageError(refusal(catalog[name]))
    return [catalog[path] for path in dict.fromkeys(names or possible)]


def _unknown(name: str, paths: Sequence[str], close: Sequence[str]) -> str:
    same = [path for path in paths if path.rpartition("/")[2] == name]
    if same:
        return f"{name} has no layer: write {_either(same)}."
    if close:
        return f"There is no table {name}. Did you mean {_either(close)}?"
    return (
        f"There is no table {name}. Write a layer and a table, like {next(iter(paths), 'raw/x')}; "
        "etl-assets dictionary describes all of them."
    )


def _sources_of(catalog: "Catalog", table: "LayerTable") -> list[str]:
    """The raw tables that it is derived from, in the end."""
    if table.source is not None:
        return [table.path]
    given = [catalog[catalog.publisher_of(one.asset)] for one in table.inputs.values()]
    return list(dict.fromkeys(path for one in given for path in _sources_of(catalog, one)))


def _either(paths: Sequence[str]) -> str:
    *earlier, last = paths
    return f"{', '.join(earlier)} or {last}" if earlier else last
