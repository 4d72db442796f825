"""How commands print: tables, JSON, sentences, errors and warnings. What they print is the
commands' matter.

A table is data (`Table`): a terminal gets it drawn, `--json` gets its rows. With `--json` stdout
has one JSON document and nothing else; sentences go to stderr. Square brackets in a name are no
markup, and control characters of data are made visible (`visible.py`).
"""

import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from etl_assets.cli.terminal import has_color
from etl_assets.cli.visible import echo, echo_json, styled, visible

if TYPE_CHECKING:
    from rich.console import Console

    from etl_assets.core.table import LayerTable
    from etl_assets.pipeline.platform import Platform

Cell = str | tuple[str, str]
"""A text, or a text and its colour."""
Row = Mapping[str, Any]
_F = TypeVar("_F", bound=Callable[..., Any])

_WIDE, _WIDEST = 144, 1_000
_JSON = "etl_assets.cli.json"


@dataclass(frozen=True)
class Column:
    """A column of a table: its name in JSON, and how a terminal shows it.

    `heading` is the name with spaces unless it is given. `text` makes the cell of a row; without it
    the row's value is shown: numbers with thousands separators and on the right, moments to the
    minute in UTC, nothing as a dash.
    """

    name: str
    heading: str | None = None
    text: Callable[[Row], Cell] | None = None
    right: bool = False

    @property
    def shown(self) -> str:
        """The heading in a terminal."""
        return self.name.replace("_", " ") if self.heading is None else self.heading

    def cell(self, row: Row) -> Cell:
        """What a terminal shows of the row."""
        return self.text(row) if self.text else shown(row[self.name])


@dataclass(frozen=True)
class Table:
    """Rows as data. `name` is the table's in JSON, where a command prints several.

    `rows` may hold more than `columns` shows: JSON has all of it. Only the column `wraps` is broken
    into several lines. `empty` is the sentence that a terminal gets where there are no rows;
    without it such a table is left out.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    wraps: str = ""
    empty: str = ""


def json_option(command: _F) -> _F:
    """`--json` for a command: what it prints to stdout is JSON. Ask `wants_json`."""

    def keep(context: click.Context, _option: click.Parameter, value: bool) -> None:
        if value:
            context.meta[_JSON] = True

    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=keep,
        help="Print JSON to stdout, and messages to stderr.",
    )(command)


def wants_json() -> bool:
    """Whether the command that runs was called with `--json`."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_JSON))


def print_error(message: str) -> None:
    """An error, on stderr."""
    echo(f"{styled('error:', fg='red', bold=True)} {message}", err=True)


def print_warning(message: str) -> None:
    """What a person should know, on stderr."""
    echo(f"{styled('warning:', fg='yellow')} {message}", err=True)


def tell(sentence: str = "") -> None:
    """What a command says beside its tables: on stdout, with `--json` on stderr."""
    echo(sentence, err=wants_json())


def print_sources(platform: "Platform", tables: "Iterable[LayerTable]") -> None:
    """Say which databases these tables are read from; raises ConfigError where there is none."""
    databases = platform.read_from(tables)
    if databases:
        tell(f"Read from {', '.join(databases)}.")


def print_rows(table: Table) -> None:
    """The one table of a command: drawn, or with `--json` a list of objects."""
    if wants_json():
        print_json(table.rows)
    else:
        _draw(table)


def print_tables(tables: Iterable[Table]) -> None:
    """Several tables: drawn one below the other, or with `--json` an object with a list each."""
    if wants_json():
        print_json({table.name: table.rows for table in tables})
        return
    for table in tables:
        _draw(table)


def print_done(record: Row, sentence: str) -> None:
    """What a command did: a sentence, or with `--json` an object, and the sentence on stderr."""
    if wants_json():
        print_json(record)
    tell(sentence)


def print_json(value: Any) -> None:
    """A JSON document on stdout: days and moments are ISO 8601 (moments in UTC), spans seconds."""
    echo_json(json.dumps(as_json(value), indent=2, ensure_ascii=False, allow_nan=False))


def as_json(value: Any) -> Any:
    """The value in what JSON has.

    A decimal is a text, as no digit may be lost, and so is a float that is no number.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, Enum):
        return as_json(value.value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {_key(name): as_json(one) for name, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(asdict(value))
    if isinstance(value, set | frozenset):
        return [as_json(one) for one in sorted(value)]
    if isinstance(value, list | tuple) or hasattr(value, "__next__"):
        return [as_json(one) for one in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.hex()
    return str(value)


def _key(name: Any) -> str:
    return name if isinstance(name, str) else str(as_json(name))


def shown(value: Any) -> str:
    """A value as a cell of a table shows it."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}"
    if isinstance(value, datetime):
        moment = value if value.tzinfo is None else value.astimezone(UTC)
        return f"{moment:%Y-%m-%d %H:%M}"
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(map(shown, sorted(value) if isinstance(value, set) else value)) or "—"
    return str(value)


def colored(name: str, color: str) -> Callable[[Row], Cell]:
    """The cell of a number that has this colour unless it is 0."""
    return lambda row: (shown(row[name]), color if row[name] else "")


def number(name: str, color: str = "", heading: str | None = None) -> Column:
    """A column of numbers, on the right, with a colour where they are not 0."""
    return Column(name, heading, colored(name, color) if color else None, right=True)


def _draw(table: Table) -> None:
    """The table with a heading. The heading is one line, however long: the addresses and paths in
    it are there to be copied."""
    if not table.rows:
        if table.empty:
            tell(table.empty)
        return
    from rich import box
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(box=box.SIMPLE_HEAD)
    for column in table.columns:
        drawn.add_column(
            Text(column.shown),
            justify="right" if column.right else "left",
            no_wrap=column.name != table.wraps,
        )
    for row in table.rows:
        cells = [column.cell(row) for column in table.columns]
        texts = [(cell, "") if isinstance(cell, str) else cell for cell in cells]
        drawn.add_row(*(Text(visible(text), style) for text, style in texts))
    # A row that wraps cannot be read: as wide as the table, whatever a pipe's width is.
    needed = console(_WIDEST).measure(drawn).maximum
    out = console(min(needed, _WIDE) if table.wraps else needed)
    out.print(Text(visible(table.title), style="table.title"), soft_wrap=True)
    out.print(drawn)


def console(least: int = 0, file: IO[str] | None = None) -> "Console":
    """A console of the terminal's width, or of `least` columns where that is more."""
    from rich.console import Console

    stream = file or sys.stdout
    has = has_color(stream)
    given: dict[str, Any] = {"file": stream, "force_terminal": True} if has else {"file": stream}
    if not has:  # not even bold: a dumb terminal would print its codes
        given["color_system"] = None
    return Console(width=max(Console(**given).width, least), **given)


def end(failures: Iterable[str], *, failed: bool = False) -> NoReturn:
    """Print each error once, and leave: with exit code 1 if there is one, or `failed` before."""
    messages = list(dict.fromkeys(failures))
    for message in messages:
        print_error(message)
    sys.exit(1 if messages or failed else 0)
