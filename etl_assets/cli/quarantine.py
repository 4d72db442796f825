"""`etl-assets quarantine`: the rows that were set aside, by rule or one by one, and their days
loaded again.

What is read is `pipeline/quarantine.py`; loading is `cli/backfill.py`.
"""

import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.days import Day
from etl_assets.cli.environment import tell_environment
from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import (
    Column,
    Table,
    json_option,
    number,
    print_done,
    print_json,
    print_rows,
    tell,
    wants_json,
)
from etl_assets.cli.tables import chosen
from etl_assets.cli.visible import echo, styled, visible_value
from etl_assets.core.wording import count_of

if TYPE_CHECKING:
    from etl_assets.pipeline.quarantine import SetAside
    from etl_assets.pipeline.quarantine_keys import WantedKey


class _Key(click.ParamType["WantedKey"]):
    """Columns of a key with their values: `id=7`, or `day=2024-01-01, id=7`."""

    name = "key"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> "WantedKey":
        """The key; click's usage error for what is no name and value."""
        from etl_assets.pipeline.quarantine_keys import WantedKey

        try:
            return value if isinstance(value, WantedKey) else WantedKey.typed(value)
        except ValueError as error:
            told = "Write the column and its value, like id=7; of several: 'day=2024-01-01, id=7'."
            self.fail(f"{error}. {told}", param, ctx)


_RULE = click.option("--rule", help="Only rules with this text in them, like `amount:`.")
_DAY = click.option("--day", type=Day(), help="Only of this day (UTC).")
_KEY = click.option(
    "--key",
    type=_Key(),
    help="Only rows with this key, like `id=7` or `day=2024-01-01, id=7`: by their place, or by "
    "their values.",
)
_COLUMNS = (
    Column("table"),
    Column("rule"),
    number("rows"),
    Column("days", text=lambda row: f"{row['days']:,}" if row["first"] else "—", right=True),
    Column("first"),
    Column("last"),
)


@click.group()
def quarantine() -> None:
    """Show the rows that were set aside, and load their days again."""


@quarantine.command(name="list")
@click.argument("tables", nargs=-1)
@json_option
def list_(tables: tuple[str, ...]) -> None:
    """How many rows each rule set aside, of TABLES (default: all).

    A day that a check refuses is not published, and none of its rows are set aside: these days are
    only named.
    """
    from etl_assets.core.reload_reasons import refused_of
    from etl_assets.pipeline.quarantine import counts
    from etl_assets.pipeline.status_notes import some_named

    platform = open_platform()
    tell_environment(platform)
    wanted = chosen(catalog_of(platform), tables)
    rows = [vars(one) for one in counts(platform.warehouse.seen, wanted)]
    empty = "Nothing is in quarantine."
    print_rows(Table("quarantine", "Rows in quarantine", _COLUMNS, rows, wraps="rule", empty=empty))
    refused = {
        table.path: sum(map(bool, map(refused_of, platform.reload_reasons(table).values())))
        for table in wanted
    }
    named = [f"{path} ({count_of(days, 'day')})" for path, days in refused.items() if days]
    if named:
        tell(
            f"Refused as a whole, so that none of their rows are here: {some_named(named)}. "
            "etl-assets status says why."
        )


@quarantine.command()
@click.argument("table")
@_RULE
@_DAY
@_KEY
@click.option("--most", default=20, show_default=True, help="So many rows at most.")
@click.option("--personal", is_flag=True, help="Show personal values, too.")
@json_option
def show(
    table: str,
    rule: str | None,
    day: date | None,
    key: "WantedKey | None",
    most: int,
    personal: bool,
) -> None:
    """The rows of TABLE that were set aside: day, rule, place in the source, and values."""
    from etl_assets.core.json_objects import plain
    from etl_assets.pipeline.quarantine import Wanted, rows_of

    platform = open_platform()
    tell_environment(platform)
    (found,) = chosen(catalog_of(platform), [table])
    wanted = Wanted(rule, day, key)
    rows, number = rows_of(platform.warehouse.seen, found, wanted, most, personal=personal)
    if wants_json():
        print_json([{**vars(one), "values": plain(one.values)} for one in rows])
        return
    if not rows:
        tell(f"{found.path}: no such row is in quarantine.")
        return
    for row in rows:  # in blocks: places and values are too long for a table
        echo(f"{f'{row.day}  ' if row.day else ''}{styled(row.rule, bold=True)}")
        echo(f"  at {visible_value(row.position)}")
        echo(f"  {_shown(row)}")
    if number > len(rows):
        echo(f"{number - len(rows):,} more; --most {number} shows all.")


@quarantine.command()
@click.argument("table")
@_RULE
@_DAY
@_KEY
@json_option
def replay(table: str, rule: str | None, day: date | None, key: "WantedKey | None") -> None:
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
        told = f"{found.path}: no such row is in quarantine."
        print_done({"table": found.path, "days": [], "before": 0, "now": 0}, told)
        return
    newest = platform.settings.newest_partition()
    windows = [Window.of(newest)] if days == [WHOLE] else windows_of(days)
    result = load(platform.settings, [found.path], windows)
    _, after = rows_of(platform.warehouse.seen, found, wanted, 0)
    record = {
        "table": found.path,
        "days": [] if days == [WHOLE] else days,
        "before": before,
        "now": after,
    }
    told = f"{count_of(before, 'row')} in quarantine before, {after:,} now"
    same = result.unchanged.get(found.path, set())
    is_news = bool(result.done.get(found.path, set()) - same)
    next_step = " etl-assets derive makes what is made of the days again." if is_news else ""
    print_done(record, f"{found.path}: {told}.{next_step}")
    sys.exit(0 if result.succeeded else 1)


def _shown(one: "SetAside") -> str:
    return ", ".join(f"{visible_value(name)}={_text(value)}" for name, value in one.values)


def _text(value: object) -> str:
    from etl_assets.core.json_objects import written

    text = value if isinstance(value, str) else written(value)
    return visible_value(text if len(text) <= 200 else f"{text[:199]}…")
