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
from etl_assets.cli.output import (
    Cell,
    Column,
    Row,
    Table,
    json_option,
    number,
    print_done,
    print_rows,
)
from etl_assets.cli.tables import with_fields
from etl_assets.core.wording import count_of

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
@json_option
def list_(table: str) -> None:
    """The fields that rows of TABLE ever had: since when, how often, of which types.

    What was published since the last time is counted first.
    """
    from etl_assets.pipeline.fields import fields_of

    platform, found = _opened(table)
    with closing(platform):
        _count(platform, found)
        every = fields_of(platform, found)
    empty = f"{found.path}: no row has a field yet."
    rows = [_told(one) for one in every]
    title = f"Fields of {found.path}"
    print_rows(Table("fields", title, _COLUMNS, rows, wraps="notes", empty=empty))


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
@json_option
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
    fits = fit.rows - fit.unfit
    told = [f"Written to {place}:\n" if write else f"Put this into {place}:\n", made.lines]
    if fit.rows:
        told.append(
            f"{count_of(fits, 'published value')} of {fit.rows:,} "
            f"{'fits' if fits == 1 else 'fit'} {type_}; "
            f"the others are NULL in {name}, and stay whole in {one.column}."
            if fit.unfit
            else f"All {count_of(fit.rows, 'published value')} fit {type_}."
        )
    told.append(
        f"Then fill it for the past: etl-assets backfill {target.path}, and etl-assets derive."
    )
    record = {
        "table": target.path,
        "contract": target.contract.__name__,
        "module": target.declared_in,
        "lines": made.lines,
        "is_written": write,
        "values": fit.rows,
        "values_that_fit": fits,
    }
    print_done(record, "\n".join(told))


@fields.command()
@click.argument("table")
@click.argument("field")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--by", help="Who says so; default: the account that runs the command.")
@_COLUMN
@json_option
def deprecate(table: str, field: str, reason: str, by: str | None, column: str | None) -> None:
    """Mark FIELD of TABLE as deprecated: it is kept and counted as before, and listed as such."""
    _mark(table, field, column, deprecated=True, by=by or _user(), reason=reason)


@fields.command()
@click.argument("table")
@click.argument("field")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--by", help="Who says so; default: the account that runs the command.")
@_COLUMN
@json_option
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
        is_new = deprecated or one.deprecated is not None
        if is_new:
            mark(platform, found, one, deprecated=deprecated, by=by, reason=reason)
    record = {"table": found.path, "field": field, "is_deprecated": deprecated}
    if not is_new:
        print_done(record, f"{field} of {found.path} is not deprecated.")
    elif not deprecated:
        print_done(record, f"{field} of {found.path} is no longer deprecated.")
    else:
        uses = f" It is still promoted as {', '.join(one.promoted)}." if one.promoted else ""
        print_done(record, f"{field} of {found.path} is deprecated; it is kept as before.{uses}")


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


def _field(row: Row) -> str:
    field: str = row["field"]
    return f'"{field}"' if field != field.strip() or not field else field


def _types(row: Row) -> str:
    types = row["types"].items()
    return ", ".join(f"{name} {rows:,}" for name, rows in types if name != "null") or "—"


def _share(row: Row) -> str:
    return f"{row['rows'] / row['of_rows']:.0%}" if row["of_rows"] else "—"


def _null(row: Row) -> str:
    ratio = row["null_ratio"]
    return "—" if ratio is None else f"{ratio:.0%}"


def _day(name: str) -> Callable[[Row], str]:
    return lambda row: f"{row[name]:%Y-%m-%d}" if row[name] else "—"


def _notes(row: Row) -> Cell:
    notes = [f"promoted as {', '.join(row['promoted_as'])}"] if row["promoted_as"] else []
    since = row["deprecated_since"]
    if since:
        why = f": {row['deprecation_reason']}" if row["deprecation_reason"] else ""
        notes.append(f"deprecated since {since:%Y-%m-%d} by {row['deprecated_by']}{why}")
    return "; ".join(notes), "yellow" if since else ""


_COLUMNS = (
    Column("field", text=_field),
    Column("types", text=_types),
    number("rows"),
    Column("share", text=_share, right=True),
    Column("null", text=_null, right=True),
    Column("first_seen", text=_day("first_seen")),
    Column("last_seen", text=_day("last_seen")),
    Column("notes", "", _notes),
)
