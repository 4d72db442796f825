"""Where a report goes: two files in the data folder, and `docs/performance.md` if that is asked."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.charts import svg_of
from benchmarks.part import Chart
from benchmarks.report import Report
from benchmarks.report_html import html_of
from benchmarks.report_markdown import markdown_of

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
TITLE = "Performance"
AGAIN = (
    "This page is written by `make bench ARGS=--publish`, which takes half an hour of an idle "
    "machine; do not edit it.\n`make bench` alone writes the same report, and an HTML file that "
    "needs nothing else, into the data folder\n(`.etl/bench`); `make bench ARGS='--only speed'` "
    "measures one part again, and reports the others as they were\nmeasured last on this machine, "
    "with the same versions and sizes."
)


def publish(report: Report, folder: Path, *, page: bool) -> list[Path]:
    """Write `report.md` with its pictures and `report.html`; with `page` the docs' page as well."""
    html = folder / "report.html"
    folder.mkdir(parents=True, exist_ok=True)
    html.write_text(html_of(report, TITLE), encoding="utf-8")
    written = [_write_markdown(report, folder / "report.md"), html]
    return [*written, _write_markdown(report, PAGE, AGAIN)] if page else written


def _write_markdown(report: Report, path: Path, again: str = "") -> Path:
    pictures = path.with_suffix("")  # report/ beside report.md
    pictures.mkdir(exist_ok=True)
    for old in pictures.glob("*.svg"):
        old.unlink()
    path.write_text(markdown_of(report, TITLE, _keeper(pictures), again), encoding="utf-8")
    return path


def _keeper(folder: Path) -> Callable[[Chart], str]:
    """Keeps pictures by their number."""
    kept: list[Path] = []

    def keep(chart: Chart) -> str:
        path = folder / f"{len(kept) + 1:02}.svg"
        path.write_text(svg_of(chart), encoding="utf-8")
        kept.append(path)
        return f"{folder.name}/{path.name}"

    return keep
