"""How commands print: tables, JSON, errors and warnings. What they print is the commands' matter.

Texts are printed as they are: square brackets in a name are no markup.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from rich.console import Console

    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.platform import Platform

Cell = str | tuple[str, str]
"""A text, or a text and its colour."""

_WIDE, _WIDEST = 144, 1_000


def print_error(message: str) -> None:
    """An error, on stderr."""
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)


def print_warning(message: str) -> None:
    """What a person should know, on stderr."""
    click.echo(f"{click.style('warning:', fg='yellow')} {message}", err=True)


def print_sources(platform: "Platform", tables: "Iterable[LayerTable]") -> None:
    """Say which databases these tables are read from; raises ConfigError where there is none."""
    databases = platform.read_from(tables)
    if databases:
        click.echo(f"Read from {', '.join(databases)}.")


def print_json(value: Any) -> None:
    """A JSON document on stdout; days and moments are ISO 8601."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_as_text))


def print_table(
    title: str, columns: Mapping[str, str], rows: Iterable[Sequence[Cell]], *, wraps: str = ""
) -> None:
    """A table with a heading; `columns` maps each name to `left` or `right`.

    Only the column `wraps` is broken into several lines. The heading is one line, however long:
    the addresses and paths in it are there to be copied.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for name, side in columns.items():
        table.add_column(
            Text(name), justify="right" if side == "right" else "left", no_wrap=name != wraps
        )
    for row in rows:
        cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
        table.add_row(*(Text(text, style) for text, style in cells))
    # A row that wraps cannot be read: as wide as the table, whatever a pipe's width is.
    needed = console(_WIDEST).measure(table).maximum
    out = console(min(needed, _WIDE) if wraps else needed)
    out.print(Text(title, style="table.title"), soft_wrap=True)
    out.print(table)


def console(least: int = 0) -> "Console":
    """A console of the terminal's width, or of `least` columns where that is more."""
    from rich.console import Console

    return Console(width=max(Console().width, least))


def end(failures: Iterable[str], *, failed: bool = False) -> NoReturn:
    """Print each error once, and leave: with exit code 1 if there is one, or `failed` before."""
    messages = list(dict.fromkeys(failures))
    for message in messages:
        print_error(message)
    sys.exit(1 if messages or failed else 0)


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 day`, `2,000 days`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _as_text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
