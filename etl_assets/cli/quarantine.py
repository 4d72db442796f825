"""`etl-assets quarantine`: the rows that were set aside, by rule or one by one, and their days
loaded again.

What is read is `pipeline/quarantine.py`; loading is `cli/backfill.py`.
"""

import json
import sys
from datetime import date
from typing import TYPE_CHECKING

import click

from etl_assets.cli.days import Day
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import Cell, counted, print_json, print_table
from etl_assets.cli.tables import chosen

if TYPE_CHECKING:
    from etl_assets.pipeline.quarantine import RuleCount, SetAside

_RULE = click.option("--rule", help="Only rules with this text in them, like `amount:`.")
_DAY = click.option("--day", type=Day(), help="Only of this day (UTC).")
_KEY = click.option("--key", help="Only rows with this key, like `id=7`.")
_JSON = click.option("--json", "as_json", is_flag=True, help="A JSON list.")


@click.group()
def quarantine() -> None:
    """Show the rows that were set aside, and load their days again."""


@quarantine.command(name="list")
@click.argument("tables", nargs=-1)
@_JSON
def list_(tables: tuple[str, ...], as_json: bool) -> None:
    """How many rows each rule set aside, of TABLES (default: all)."""
    from etl_assets.pipeline.quarantine import counts

    platform = open_platform()
    found = counts(platform.warehouse.seen, chosen(catalog_of(platform), tables))
    if as_json:
        print_json([vars(one) for one in found])
    elif not found:
        click.echo("Nothing is in quarantine.")
    else:
        columns = {"table": "left", "rule": "left", "rows": "right", "days": "right"}
        columns |= {"first": "left", "last": "left"}
        print_table("Rows in quarantine", columns, map(_counted, found), wraps="rule")


@quarantine.command()
@click.argument("table")
@_RULE
@_DAY
@_KEY
@click.option("--most", default=20, show_default=True, help="So many rows at most.")
@click.option("--personal", is_flag=True, help="Show personal values, too.")
@_JSON
def show(
    table: str,
    rule: str | None,
    day: date | None,
    key: str | None,
    most: int,
    personal: bool,
    as_json: bool,
) -> None:
    """The rows of TABLE that were set aside: day, rule, place in the source, and values."""
    from etl_assets.pipeline.quarantine import Wanted, rows_of

    platform = open_platform()
    (found,) = chosen(catalog_of(platform), [table])
    wanted = Wanted(rule, day, key)
    rows, number = rows_of(platform.warehouse.seen, found, wanted, most, personal=personal)
    if as_json:
        print_json([vars(one) for one in rows])
        return
    if not rows:
        click.echo(f"{found.path}: no such row is in quarantine.")
        return
    for row in rows:  # in blocks: places and values are too long for a table
        click.echo(f"{f'{row.day}  ' if row.day else ''}{click.style(row.rule, bold=True)}")
        click.echo(f"  at {row.position}")
        click.echo(f"  {_shown(row)}")
    if number > len(rows):
        click.echo(f"{number - len(rows):,} more; --most {number} shows all.")


@quarantine.command()
@click.argument("table")
@_RULE
@_DAY
@_KEY
def replay(table: str, rule: str | None, day: date | None, key: str | None) -> None:
    """Load the days of TABLE again that have such rows, by the contract as it is now.

    Each of these days is replaced as a whole: rows that keep the rules now are published, and the
    others are set aside again.
    """
    from etl_assets.cli.backfill import load
    from etl_assets.core.partitions import WHOLE, Window, windows_of
    from etl_assets.pipeline.quarantine import Wanted, days_of, rows_of

    platform = open_platform()
    (found,) = chosen(catalog_of(platform), [table])
    wanted = Wanted(rule, day, key)
    _, before = rows_of(platform.warehouse.seen, found, wanted, 0)
    days = days_of(platform.warehouse.seen, found, wanted)
    if not days:
        click.echo(f"{found.path}: no such row is in quarantine.")
        return
    newest = platform.settings.newest_partition()
    windows = [Window.of(newest)] if days == [WHOLE] else windows_of(days)
    loaded = [load(platform.settings, [found.path], window) for window in windows]
    _, after = rows_of(platform.warehouse.seen, found, wanted, 0)
    told = f"{counted(before, 'row')} in quarantine before, {after:,} now"
    click.echo(f"{found.path}: {told}. etl-assets derive makes what is made of the days again.")
    sys.exit(0 if all(loaded) else 1)


def _counted(one: "RuleCount") -> list[Cell]:
    days = [str(day) if day else "—" for day in (one.first, one.last)]
    return [one.table, one.rule, f"{one.rows:,}", f"{one.days:,}" if one.first else "—", *days]


def _shown(one: "SetAside") -> str:
    return ", ".join(f"{name}={_text(value)}" for name, value in one.values.items())


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:199]}…"
