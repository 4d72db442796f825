"""The report as Markdown: `docs/performance.md`, and what `make bench` leaves in its folder."""

from collections.abc import Callable, Iterator

from benchmarks.part import Chart, Sheet
from benchmarks.report import Report

_QUICK = (
    "A quick run: everything once and small. It proves that the bench runs, and measures nothing."
)
_READ = (
    "Ratios are of seconds, measured side by side, round after round, each in a process of its "
    "own, so that they hold\non other machines, too, where seconds do not. CPU seconds are those "
    "of all threads of the measuring process and of its\nchildren, without the database server's."
)


def markdown_of(
    report: Report, title: str, picture: Callable[[Chart], str], again: str = ""
) -> str:
    """The whole report; `picture` keeps a chart somewhere and returns its path from the page.

    `again` says how the page is made anew.
    """
    return "\n".join(_lines(report, title, picture, again)).rstrip() + "\n"


def _lines(
    report: Report, title: str, picture: Callable[[Chart], str], again: str
) -> Iterator[str]:
    yield from (f"# {title}", "")
    if report.quick:
        yield from (f"**{_QUICK}**", "")
    yield from (_READ, "")
    if again:
        yield from (again, "")
    for sheet in (report.machine(), report.bounds()):
        yield from _section(sheet)
    for part, outcome in report.outcomes.items():
        yield from (f"## {part.title}", "")
        for chart in outcome.charts:
            yield from (f"![{chart.title}]({picture(chart)})", "")
        for sheet in outcome.sheets:
            yield from _sheet(sheet)
    yield from _section(report.parts())


def _section(sheet: Sheet) -> Iterator[str]:
    yield from (f"## {sheet.title}", "")
    yield from _table(sheet)


def _sheet(sheet: Sheet) -> Iterator[str]:
    yield from (f"{sheet.title}:", "")
    yield from _table(sheet)


def _table(sheet: Sheet) -> Iterator[str]:
    yield _row(sheet.head)
    yield _row(["---", *["---:"] * (len(sheet.head) - 1)])
    yield from (_row(row) for row in sheet.rows)
    yield ""
    if sheet.note:
        yield from (sheet.note, "")


def _row(cells: object) -> str:
    assert isinstance(cells, list | tuple)
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"
