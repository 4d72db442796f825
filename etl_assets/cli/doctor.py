"""`etl-assets doctor`: whether the source fits the contracts, what source and warehouse cannot, and
how the systems around the platform are.

What is asked of a table is `pipeline/diagnose.py`, what is asked of a system `pipeline/health.py`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import (
    Cell,
    Column,
    Row,
    Table,
    end,
    json_option,
    print_json,
    print_tables,
    print_warning,
    tell,
    wants_json,
)
from etl_assets.cli.tables import sources
from etl_assets.config import SHOP_TABLES
from etl_assets.core.errors import ConfigError
from etl_assets.core.findings import Finding, Level

if TYPE_CHECKING:
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.diagnose import Diagnosis
    from etl_assets.pipeline.platform import Platform

_UNKNOWN = "?"
_COLOURS = {Level.OK: "green", Level.WARNING: "yellow", Level.ERROR: "red", Level.UNKNOWN: ""}


@click.command()
@click.argument("tables", nargs=-1)
@json_option
def doctor(tables: tuple[str, ...]) -> None:
    """Compare the source of TABLES (raw/orders …; default: all) with the contracts, and look how
    source, warehouse and this machine are; nothing is loaded.

    What should be mended is said with what it costs if it is left, and with the next command. The
    exit code is 1 where a table cannot be read, its spec is wrong, or a system cannot be used.
    """
    platform = open_platform()
    catalog = catalog_of(platform)
    chosen = sources(catalog, tables)
    from etl_assets.pipeline.diagnose import diagnose
    from etl_assets.pipeline.health import findings

    with closing(platform):
        found = list(diagnose(chosen, platform.unseen_source))
        around = list(findings(platform, chosen))
    limits = _of_warehouse(platform)
    shown = _tables(found, around, _databases(platform, chosen))
    if wants_json():
        rows = {table.name: table.rows for table in shown}
        print_json({**rows, "warehouse_cannot": limits})
    else:
        print_tables(shown)
        if limits:
            told = ", or ".join(limits)
            tell(f"The warehouse cannot {told} (docs/warehouses.md has the reasons).")
    for line in found:
        for sentence in _notes(line):
            print_warning(sentence)
        for one in line.keeping:
            tell(f"{line.table}: {one}")
    errors = [line.error for line in found if line.error]
    # An outage of a source is said once, by its tables' error.
    said = {error.what.rstrip(".") for error in errors}
    for finding in around:
        if finding.level is Level.WARNING:
            print_warning(finding.told())
    if platform.settings.tables == SHOP_TABLES and not all(error.retryable for error in errors):
        print_warning(
            "These tables are the demo shop's. If yours are in a package of your own, name it: "
            "ETL_TABLES=my_company.tables."
        )
    worst = [one for one in around if one.level is Level.ERROR and one.found not in said]
    end([*map(str, errors), *(one.told() for one in worst)], failed=bool(catalog.errors))


def _tables(found: "Sequence[Diagnosis]", around: Sequence[Finding], databases: str) -> list[Table]:
    dear = [{"table": line.table, "what": cost} for line in found for cost in line.day_costs]
    limited = [{"table": line.table, "what": limit} for line in found for limit in line.limits]
    two = (Column("table"), Column("what"))
    return [
        Table(
            "tables",
            f"Source tables in {databases}",
            (
                Column("table"),
                Column("can_be_read", text=_readable),
                Column("columns_not_in_contract", "columns not in the contract", _undeclared),
                Column("rows_without_day", "rows without a day", _without_day, right=True),
            ),
            [_row(line) for line in found],
            wraps="columns_not_in_contract",
        ),
        Table(
            "syncs",
            "How tables are synced",
            (
                Column("table"),
                Column("cursor"),
                Column("reads", "each sync reads", _reads),
                Column("rows_without_cursor", text=_without_cursor, right=True),
            ),
            list(_of_syncs(found)),
            wraps="reads",
        ),
        Table(
            "sources_cannot",
            "What the sources cannot do",
            (Column("table"), Column("cannot"), Column("because")),
            list(_of_sources(found)),
            wraps="because",
        ),
        Table("limits", "What cannot be guaranteed for a source", two, limited, wraps="what"),
        Table("day_costs", "What makes a day dear to read", two, dear, wraps="what"),
        Table(
            "systems",
            "Systems",
            (
                Column("where", text=_unless_repeated("where")),
                Column("check"),
                Column("level", "", lambda row: (row["level"].value, _COLOURS[row["level"]])),
                Column("found"),
            ),
            [vars(one) for one in around],
            wraps="found",
        ),
    ]


def _unless_repeated(name: str) -> Callable[[Row], str]:
    """The cell of a value that several rows below each other share: it stands in the first."""
    before = ""

    def cell(row: Row) -> str:
        nonlocal before
        is_same, before = row[name] == before, row[name]
        return "" if is_same else row[name]

    return cell


def _databases(platform: "Platform", tables: "Sequence[LayerTable]") -> str:
    """The databases that the settings name, with their hosts and without passwords."""
    named: dict[str, None] = {}
    for table in tables:
        with suppress(ConfigError):  # which is what the table's own line says
            named |= dict.fromkeys(platform.read_from([table]))
    return ", ".join(named) or "no database"


def _row(line: "Diagnosis") -> dict[str, Any]:
    return {
        "table": line.table,
        "can_be_read": line.error is None,
        "columns_not_in_contract": None if line.undeclared is None else list(line.undeclared),
        "rows_without_day": line.rows_without_day,
        "error": str(line.error) if line.error else None,
        "missing_rights": list(line.missing_rights),
    }


def _readable(row: Row) -> Cell:
    return ("yes", "green") if row["can_be_read"] else ("no", "red")


def _undeclared(row: Row) -> Cell:
    names = row["columns_not_in_contract"]
    return _UNKNOWN if names is None else ", ".join(names) or "none"


def _without_day(row: Row) -> Cell:
    number = row["rows_without_day"]
    return _UNKNOWN if number is None else (f"{number:,}", "yellow" if number else "")


def _of_syncs(found: "Iterable[Diagnosis]") -> Iterator[dict[str, Any]]:
    for line in found:
        cost = line.sync_cost
        if cost is not None:
            yield {
                "table": line.table,
                "cursor": cost.cursor,
                "reads": cost.reads,
                "rows_without_cursor": cost.without_cursor,
                "wants_index": cost.index,
            }


def _reads(row: Row) -> Cell:
    return (row["reads"], "yellow") if row["wants_index"] else row["reads"]


def _without_cursor(row: Row) -> Cell:
    number = row["rows_without_cursor"]
    return f"{number:,}", "yellow" if number else ""


def _notes(line: "Diagnosis") -> Iterator[str]:
    """What should be mended of a table, a sentence or two each."""
    cost = line.sync_cost
    if cost is not None and cost.index:
        yield (
            f"{line.table}: no index serves its sync. In its database run: {cost.index}; "
            "Until then each sync reads the whole table."
        )
    for note in cost.notes if cost is not None else ():
        yield f"{line.table}: {note}"
    for sentence in line.hidden:
        yield f"{line.table}: {sentence} Its spec accepts that."
    if line.not_there:
        yield (
            f"{line.table}: its spec ignores {', '.join(line.not_there)}, which the source does "
            "not have. Take it out of `ignore`, or correct the name."
        )
    if line.missing_rights:
        yield (
            f"{line.table}: the role may not read it, so none of its days is loaded. Let its "
            f"owner run: {' '.join(line.missing_rights)}"
        )


def _of_sources(found: "Iterable[Diagnosis]") -> Iterator[dict[str, Any]]:
    for line in found:
        for ability, reason in line.cannot.items():
            yield {"table": line.table, "cannot": ability.doing, "because": reason}


def _of_warehouse(platform: "Platform") -> list[str]:
    """What the warehouse cannot: it is the same at each run, whatever the tables are."""
    from etl_assets.warehouse.limits import limits

    return [limit.value for limit in limits(platform.settings)]
