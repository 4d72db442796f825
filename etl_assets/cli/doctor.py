"""`etl-assets doctor`: whether the source fits the contracts, and what source and warehouse cannot.

What is asked of the source is `pipeline/diagnose.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import Cell, end, print_table, print_warning
from etl_assets.cli.tables import sources
from etl_assets.config import SHOP_TABLES
from etl_assets.core.errors import ConfigError

if TYPE_CHECKING:
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.diagnose import Diagnosis
    from etl_assets.pipeline.platform import Platform

_UNKNOWN = "?"


@click.command()
@click.argument("tables", nargs=-1)
def doctor(tables: tuple[str, ...]) -> None:
    """Compare the source of TABLES (raw/orders …; default: all) with the contracts; loads nothing.

    The exit code is 1 where a table cannot be read, or its spec is wrong.
    """
    platform = open_platform()
    catalog = catalog_of(platform)
    chosen = sources(catalog, tables)
    from etl_assets.pipeline.diagnose import diagnose

    with closing(platform):
        found = list(diagnose(chosen, platform.unseen_source))
    columns = {
        "table": "left",
        "can be read": "left",
        "columns not in the contract": "left",
        "rows without a day": "right",
    }
    title = f"Source tables in {_databases(platform, chosen)}"
    print_table(title, columns, map(_cells, found), wraps="columns not in the contract")
    if synced := list(_of_syncs(found)):
        shown = {
            "table": "left",
            "cursor": "left",
            "each sync reads": "left",
            "rows without a cursor": "right",
        }
        print_table("How tables are synced", shown, synced, wraps="each sync reads")
    for line in found:
        for sentence in _sync_notes(line):
            print_warning(sentence)
    if lacking := list(_of_sources(found)):
        shown = {"table": "left", "cannot": "left", "because": "left"}
        print_table("What the sources cannot do", shown, lacking, wraps="because")
    if limited := [[line.table, limit] for line in found for limit in line.limits]:
        shown = {"table": "left", "what": "left"}
        print_table("What cannot be guaranteed for a source", shown, limited, wraps="what")
    if dear := [[line.table, cost] for line in found for cost in line.day_costs]:
        shown = {"table": "left", "what": "left"}
        print_table("What makes a day dear to read", shown, dear, wraps="what")
    if limits := _of_warehouse(platform):
        click.echo(limits)
    for told in (f"{line.table}: {one}" for line in found for one in line.keeping):
        click.echo(told)
    for line in found:
        for sentence in line.hidden:
            print_warning(f"{line.table}: {sentence} Its spec accepts that.")
        if line.not_there:
            print_warning(
                f"{line.table}: its spec ignores {', '.join(line.not_there)}, which the source "
                "does not have. Take it out of `ignore`, or correct the name."
            )
    errors = [line.error for line in found if line.error]
    if platform.settings.tables == SHOP_TABLES and not all(error.retryable for error in errors):
        print_warning(
            "These tables are the demo shop's. If yours are in a package of your own, name it: "
            "ETL_TABLES=my_company.tables."
        )
    end(map(str, errors), failed=bool(catalog.errors))


def _databases(platform: "Platform", tables: "Sequence[LayerTable]") -> str:
    """The databases that the settings name, with their hosts and without passwords."""
    named: dict[str, None] = {}
    for table in tables:
        with suppress(ConfigError):  # which is what the table's own line says
            named |= dict.fromkeys(platform.read_from([table]))
    return ", ".join(named) or "no database"


def _of_syncs(found: "Iterable[Diagnosis]") -> Iterator[list[Cell]]:
    for line in found:
        cost = line.sync_cost
        if cost is not None:
            color = "yellow" if cost.without_cursor else ""
            reads: Cell = (cost.reads, "yellow") if cost.index else cost.reads
            yield [line.table, cost.cursor, reads, (f"{cost.without_cursor:,}", color)]


def _sync_notes(line: "Diagnosis") -> Iterator[str]:
    cost = line.sync_cost
    if cost is None:
        return
    if cost.index:
        yield f"{line.table}: no index serves its sync. In its database run: {cost.index};"
    yield from (f"{line.table}: {note}" for note in cost.notes)


def _of_sources(found: "Iterable[Diagnosis]") -> Iterator[list[Cell]]:
    for line in found:
        for ability, reason in line.cannot.items():
            yield [line.table, ability.doing, reason]


def _of_warehouse(platform: "Platform") -> str | None:
    """What the warehouse cannot, in a line: it is the same at each run, whatever the tables are."""
    from etl_assets.warehouse.limits import limits

    found = ", or ".join(limits(platform.settings))
    return f"The warehouse cannot {found} (docs/warehouses.md has the reasons)." if found else None


def _cells(line: "Diagnosis") -> list[Cell]:
    without = line.rows_without_day
    return [
        line.table,
        ("no", "red") if line.error else ("yes", "green"),
        _UNKNOWN if line.undeclared is None else ", ".join(line.undeclared) or "none",
        _UNKNOWN if without is None else (f"{without:,}", "yellow" if without else ""),
    ]
