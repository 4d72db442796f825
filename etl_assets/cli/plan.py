"""`etl-assets plan`: what the code at hand would do to the warehouse. It is `pipeline/planned/`."""

import sys
from typing import TYPE_CHECKING

import click

from etl_assets.cli.environment import against as of_production
from etl_assets.cli.environment import env_option, settings_of
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import json_option, print_json, tell, wants_json
from etl_assets.cli.tables import chosen
from etl_assets.cli.visible import styled
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl_assets.pipeline.planned.table_plan import TablePlan

_COLOURS = {"breaking": "red", "may refuse": "yellow", "may change values": "yellow"}


@click.command()
@click.argument("tables", nargs=-1)
@env_option
@click.option(
    "--against",
    type=click.Choice(["prod"]),
    help="In an environment: what the code would do to production.",
)
@click.option(
    "--exit-code",
    is_flag=True,
    help="End with 2 where anything would be done or changed, or is of other code, 3 where that "
    "breaks readers or is refused.",
)
@json_option
def plan(tables: tuple[str, ...], env: str | None, against: str | None, exit_code: bool) -> None:
    """Show what the code at hand would do to the warehouse; nothing is done.

    For TABLES (default: all): tables that are made, columns that are added or refused, days that
    are loaded or made again with the reason, days that other code made, dimensions that are
    rebuilt, rows and bytes that are read for it, and what each change of a contract means. No
    source is asked: etl-assets doctor compares it with the contracts.
    """
    from etl_assets.pipeline.planned.migration import migration_of
    from etl_assets.pipeline.planned.plan import plan as planned
    from etl_assets.pipeline.planned.plan import what_changes

    platform = open_platform(settings_of(env))
    catalog = catalog_of(platform)
    warehouse = of_production(platform, against) or platform.warehouse
    migration = migration_of(warehouse, of_production=against is not None)
    found = what_changes(planned(platform, warehouse, chosen(catalog, tables)))
    if wants_json():
        print_json(
            {
                "environment": None if against else platform.settings.environment,
                "migration": migration,
                "tables": [one.as_dict() for one in found],
                "left_out": list(catalog.errors),
            }
        )
    else:
        _print(found, migration)
    if exit_code and (found or migration):
        sys.exit(3 if any(one.breaks for one in found) else 2)


def _print(plans: "Sequence[TablePlan]", migration: str | None) -> None:
    if migration:
        tell(migration)
    if migration and not plans:
        tell("Nothing else to do: the warehouse is what the code says. Nothing was done.")
        return
    if not plans:
        tell("Nothing to do: the warehouse is what the code says.")
        return
    for one in plans:
        tell(styled(one.table, bold=True))
        for sentence in one.sentences():
            colour = "red" if sentence.startswith("REFUSED") else None
            tell(f"  {styled(sentence, fg=colour)}")
        for change in one.changes or ():
            told = styled(str(change.impact), fg=_COLOURS.get(str(change.impact)))
            tell(f"  {told}: {change.what}")
    rows = sum(one.reading.rows for one in plans)
    broken = sum(one.breaks for one in plans)
    verdict = f", {broken:,} of them breaking or refused" if broken else ""
    tell(
        f"{count_of(len(plans), 'table')}{verdict}; {count_of(rows, 'row')} to read again. "
        "Nothing was done."
    )
