"""The report as one HTML file that needs nothing else: its pictures are in it, and no script."""

from collections.abc import Iterator
from html import escape

from benchmarks.charts import svg_of
from benchmarks.part import Sheet
from benchmarks.report import Report

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.does-not-hold { color: #b00020; font-weight: bold; } .holds { color: #1b7f3b; }
caption { text-align: left; font-weight: bold; } svg { max-width: 100%; height: auto; }
"""


def html_of(report: Report, title: str) -> str:
    """The whole report."""
    body = "\n".join(_body(report))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}'
        f"</title><style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n{body}\n"
        "</body></html>\n"
    )


def _body(report: Report) -> Iterator[str]:
    for sheet in (report.machine(), report.bounds()):
        yield _table(sheet)
    for part, outcome in report.outcomes.items():
        yield f"<h2>{escape(part.title)}</h2>"
        yield from (svg_of(chart) for chart in outcome.charts)
        yield from (_table(sheet) for sheet in outcome.sheets)
    yield _table(report.parts())


def _table(sheet: Sheet) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in sheet.head)
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in sheet.rows)
    note = f"<p>{escape(sheet.note)}</p>" if sheet.note else ""
    return (
        f"<table><caption>{escape(sheet.title)}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table>{note}"
    )


def _cell(text: str) -> str:
    kind = f' class="{text.replace(" ", "-")}"' if text in ("holds", "does not hold") else ""
    return f"<td{kind}>{escape(text)}</td>"
