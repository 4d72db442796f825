"""Sheets of the report in a terminal."""

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.part import Sheet

_COLOURS = {"holds": "green", "does not hold": "red"}


def print_sheet(console: Console, sheet: Sheet) -> None:
    """The sheet as a table, its note below it."""
    table = Table(title=sheet.title, title_justify="left", box=box.SIMPLE_HEAD)
    for number, name in enumerate(sheet.head):
        table.add_column(name, justify="right" if number else "left", no_wrap=number > 0)
    for row in sheet.rows:
        cells = [f"[{_COLOURS[cell]}]{cell}[/]" if cell in _COLOURS else cell for cell in row]
        table.add_row(*cells)
    console.print(table)
    if sheet.note:
        console.print(sheet.note, highlight=False)
