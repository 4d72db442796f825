"""`etl-assets fields`: the fields of JSON columns, those that nobody shall use any more, and typed
columns that are made of them.

What is counted is `pipeline/fields.py`, how a field becomes a column `pipeline/promotion.py`.
"""

import os
import pwd
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from etl_assets.cli.opened import catalog_of, open_platform
from etl_assets.cli.output import Cell, counted, print_json, print_table
from etl_assets.cli.tables import with_fields

if TYPE_CHECKING:
    from etl_assets.core.field_register import FieldSummary
    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.platform import Platform

_COLUMN = click.option("--column", help="The JSON column, where the table has several.")


@click.group()
def fields() -> None:
    """Show the fields of JSON columns, deprecate them, and make typed columns of them."""


@fields.command(name="list")
@click.argument("table")
@click.option("--json", "as_json", is_flag=True, help="A JSON list.")
def list_(table: str, as_json: bool) -> None:
    """The fields that rows of TABLE ever had: since when, how often, of which types.

    What was published since the last time is counted first.
    """
    from etl_assets.pipeline.fields import fields_of

    platform, found = _opened(table)
    with closing(platform):
        _count(platform, found)
        every = fields_of(platform, found)
    if as_json:
        print_json([_told(one) for one in every])
        return
    if not every:
        click.echo(f"{found.path}: no row has a field yet.")
        return
    columns = {
        "field": "left",
        "types": "left",
        "rows": "right",
        "share": "right",
        "null": "right",
        "first seen": "left",
        "last seen": "left",
        "": "left",
    }
    print_table(f"Fields of {found.path}", columns, map(_cells, every), wraps="")


@fields.command()
@click.argument("table")
@click.argument("field")
@click.option("--as", "name", required=True, help="The column's name.")
@click.option(
    "--type",
    "type_",
    required=True,
    help="text, integer, decimal(18,2), boolean, date or timestamp.",
)
@click.option("--description", default="", help="What the column is.")
@click.option("--write", is_flag=True, help="Put the lines into the module.")
@_COLUMN
def promote(
    table: str, field: str, name: str, type_: str, description: str, write: bool, column: str | None
) -> None:
    """Make a typed column of FIELD of TABLE: print its lines, or with --write put them in place.

    Values that do not fit the type are NULL in the column, and stay in the JSON column.
    """
    from etl_assets.pipeline import promotion as making
    from etl_assets.pipeline.fields import field_of, mark

    platform, found = _opened(table)
    with closing(platform):
        _count(platform, found)
        one = field_of(platform, found, field, column)
        target = making.target_of(platform.catalog, found, one.column)
        json_column = target.column(one.column)
        made = making.promotion(target, json_column, field, name, type_, description)
        fit = making.fit_of(platform, made)
        if write:
            making.write(made)
        if one.deprecated:
            mark(platform, found, one, deprecated=False, by=_user(), reason=f"promoted as {name}")
    place = f"{target.contract.__name__} in {target.declared_in}"
    click.echo(f"Written to {place}:\n" if write else f"Put this into {place}:\n")
    click.echo(made.lines)
    if fit.rows:
        click.echo(
            f"{counted(fit.rows - fit.unfit, 'published value')} of {fit.rows:,} "
            f"{'fits' if fit.rows - fit.unfit == 1 else 'fit'} {type_}; "
            f"the others are NULL in {name}, and stay whole in {one.column}."
            if fit.unfit
            else f"All {counted(fit.rows, 'published value')} fit {type_}."
        )
    click.echo(
        f"Then fill it for the past: etl-assets backfill {target.path}, and etl-assets derive."
    )


@fields.command()
@click.argument("table")
@click.argument("field")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--by", help="Who says so; default: the account that runs the command.")
@_COLUMN
def deprecate(table: str, field: str, reason: str, by: str | None, column: str | None) -> None:
    """Mark FIELD of TABLE as deprecated: it is kept and counted as before, and listed as such."""
    _mark(table, field, column, deprecated=True, by=by or _user(), reason=reason)


@fields.command()
@click.argument("table")
@click.argument("field")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--by", help="Who says so; default: the account that runs the command.")
@_COLUMN
def undeprecate(table: str, field: str, reason: str, by: str | None, column: str | None) -> None:
    """Undo the mark of FIELD of TABLE."""
    _mark(table, field, column, deprecated=False, by=by or _user(), reason=reason)


def _mark(
    table: str, field: str, column: str | None, *, deprecated: bool, by: str, reason: str
) -> None:
    from etl_assets.pipeline.fields import field_of, mark

    platform, found = _opened(table)
    with closing(platform):
        _count(platform, found)
        one = field_of(platform, found, field, column)
        if not deprecated and one.deprecated is None:
            click.echo(f"{field} of {found.path} is not deprecated.")
            return
        mark(platform, found, one, deprecated=deprecated, by=by, reason=reason)
    if not deprecated:
        click.echo(f"{field} of {found.path} is no longer deprecated.")
        return
    uses = f" It is still promoted as {', '.join(one.promoted)}." if one.promoted else ""
    click.echo(f"{field} of {found.path} is deprecated; it is kept as before.{uses}")


def _opened(name: str) -> "tuple[Platform, LayerTable]":
    platform = open_platform()
    (found,) = with_fields(catalog_of(platform), (name,))
    return platform, found


def _count(platform: "Platform", table: "LayerTable") -> None:
    """Count what was published since the last time, of every table that the fields come from."""
    from etl_assets.core.field_register import field_columns
    from etl_assets.pipeline.fields import bring_up_to_date, origin_of

    names = [column.name for column in field_columns(table)]
    origins = {one.path: one for n in names for one in [origin_of(platform.catalog, table, n)]}
    for origin in origins.values():
        bring_up_to_date(platform, origin)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account without a name, as in containers
        return f"uid {os.getuid()}"


def _told(one: "FieldSummary") -> dict[str, Any]:
    mark = one.deprecated
    return {
        "column": one.column,
        "field": one.field,
        "types": dict(one.counts.types.most_common()),
        "rows": one.counts.rows,
        "of_rows": one.of_rows,
        "null_ratio": one.null_ratio,
        "first_seen": one.counts.first_seen,
        "last_seen": one.counts.last_seen,
        "deprecated_since": mark.since if mark else None,
        "deprecated_by": mark.by if mark else None,
        "deprecation_reason": mark.reason if mark else None,
        "promoted_as": list(one.promoted),
    }


def _cells(one: "FieldSummary") -> list[Cell]:
    shown: Callable[[Any], str] = lambda moment: f"{moment:%Y-%m-%d}" if moment else "—"  # noqa: E731
    ratio, mark, types = one.null_ratio, one.deprecated, one.counts.types
    notes = [f"promoted as {', '.join(one.promoted)}"] if one.promoted else []
    if mark:
        why = f": {mark.reason}" if mark.reason else ""
        notes.append(f"deprecated since {shown(mark.since)} by {mark.by}{why}")
    return [
        f'"{one.field}"' if one.field != one.field.strip() or not one.field else one.field,
        ", ".join(f"{name} {rows:,}" for name, rows in types.most_common() if name != "null")
        or "—",
        f"{one.counts.rows:,}",
        f"{one.counts.rows / one.of_rows:.0%}" if one.of_rows else "—",
        "—" if ratio is None else f"{ratio:.0%}",
        shown(one.counts.first_seen),
        shown(one.counts.last_seen),
        ("; ".join(notes), "yellow" if mark else ""),
    ]
