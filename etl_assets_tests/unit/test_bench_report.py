"""The report of `make bench`: its forms, and the arithmetic of how things grow."""

import re
from dataclasses import replace
from pathlib import Path

import click
import pytest

from benchmarks.__main__ import main
from benchmarks.bounds import BOUNDS, Bound, bounds_sheet
from benchmarks.kept import conditions, keep, kept
from benchmarks.part import Bench, Chart, Outcome, Part, Point, race_outcome
from benchmarks.parts import PARTS
from benchmarks.published import publish
from benchmarks.report import Report, Taken
from benchmarks.report_markdown import markdown_of
from benchmarks.runner import Contender
from benchmarks.scaling import exponent, sizes_up_to
from benchmarks.sizes import SIZES
from benchmarks.task import Measured

RACE = (Contender("copy", "COPY", "copy"), Contender("ours", "ours | checked", "load", once=True))
MEDIANS = {
    "copy": Measured(seconds=2.0, rows=1000, peak_rss_mb=50, cpu_seconds=1.5),
    "ours": Measured(seconds=5.0, rows=1000, peak_rss_mb=300, cpu_seconds=4.25),
}


def unmeasured(_bench: Bench) -> Outcome:
    raise AssertionError("It was measured before.")


SPEED = Part("speed", "Speed", unmeasured)


def report() -> Report:
    race = race_outcome({"load_over_copy": 2.5}, MEDIANS, RACE, "rows of one day", "COPY")
    lines = [Point(10.0, 1.0, "ours"), Point(100.0, 12.0, "ours")]
    growth = Outcome({"scaling": 1.08}, [], [Chart("lines", "Growth", "rows", "seconds", lines)])
    taken = {
        SPEED: Taken(race, 12.4, 0.5, "2026-11-30 04:00 UTC", "abc"),
        Part("scaling", "Scaling", unmeasured): Taken(growth, 3.0, 0.75, "2026-11-29", "abb"),
    }
    return Report(
        {"date": "2026-11-30 04:00 UTC", "commit": "abc"}, {"rows": 1000}, quick=False, taken=taken
    )


def test_a_race_is_told_in_the_seconds_of_its_first() -> None:
    outcome = race_outcome({}, MEDIANS, RACE, "rows", "COPY")
    sheet = outcome.sheets[0]
    assert sheet.rows[0] == ("COPY", "1.00", "2.00", "1.50", "500", "50")
    assert sheet.rows[1] == ("ours | checked (once)", "2.50", "5.00", "4.25", "200", "300")
    assert [point.y for point in outcome.charts[0].points] == [1.0, 2.5]


def test_the_markdown_has_every_part_its_tables_and_its_pictures() -> None:
    kept: list[Chart] = []

    def keep(chart: Chart) -> str:
        kept.append(chart)
        return f"pictures/{len(kept)}.svg"

    text = markdown_of(report(), "Performance", keep, "How to make it anew.")
    assert text.startswith("# Performance\n")
    assert re.findall(r"^## (.*)$", text, re.M) == [
        *("Where and how", "Bounds", "Speed", "Scaling", "How long the parts took"),
    ]
    assert "| date | 2026-11-30 04:00 UTC |" in text
    assert "| ours \\| checked (once) | 2.50 | 5.00 | 4.25 | 200 | 300 |" in text
    assert "| our raw load / binary COPY | 2.5 | 2.7 | holds |" in text
    assert "| Speed | 12 | 0.50 | 2026-11-30 04:00 UTC | abc |" in text
    assert "| Scaling | 3 | 0.75 | 2026-11-29 | abb |" in text
    assert "How to make it anew." in text
    assert [chart.kind for chart in kept] == ["bars", "lines"]
    assert "![Growth](pictures/2.svg)" in text


def test_the_files_need_nothing_else(tmp_path: Path) -> None:
    markdown, html = publish(report(), tmp_path, page=False)
    pictures = sorted((tmp_path / "report").glob("*.svg"))
    assert len(pictures) == 2
    assert "COPY" in pictures[0].read_text(encoding="utf-8")
    assert all(f"report/{picture.name}" in markdown.read_text() for picture in pictures)
    text = html.read_text(encoding="utf-8")
    assert text.count("<svg") == 2
    assert "ours | checked" in text
    assert not re.findall(r"<script|<link|src=|@import|url\(http", text)
    publish(report(), tmp_path, page=False)
    assert sorted((tmp_path / "report").glob("*.svg")) == pictures, "old pictures are replaced"


def test_a_part_that_was_kept_is_reported_as_it_was(tmp_path: Path) -> None:
    under = conditions({"CPU": "two", "commit": "abc", "date": "today"}, {"rows": 1000})
    for part, taken in report().taken.items():
        keep(tmp_path, part, taken, under)
    again = kept(tmp_path, report().taken, under)
    same = replace(report(), taken=again)
    assert markdown_of(same, "", lambda _: "") == markdown_of(report(), "", lambda _: "")


@pytest.mark.parametrize(
    ("environment", "sizes", "is_kept"),
    [
        ({"CPU": "two", "commit": "abd", "date": "tomorrow"}, {"rows": 1000}, True),
        ({"CPU": "four", "commit": "abc", "date": "today"}, {"rows": 1000}, False),
        ({"CPU": "two", "commit": "abc", "date": "today"}, {"rows": 2000}, False),
    ],
)
def test_a_part_is_not_put_beside_others_that_were_measured_otherwise(
    tmp_path: Path, environment: dict[str, str], sizes: dict[str, int], is_kept: bool
) -> None:
    under = conditions({"CPU": "two", "commit": "abc", "date": "today"}, {"rows": 1000})
    keep(tmp_path, SPEED, report().taken[SPEED], under)
    assert bool(kept(tmp_path, [SPEED], conditions(environment, sizes))) is is_kept


def test_a_file_of_a_part_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "speed.json").write_text('{"conditions": {}}')
    assert kept(tmp_path, [SPEED], {}) == {}


def test_bounds_that_were_not_measured_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    bounds = (Bound("a", 1.0, "A"), Bound("b", 2.0, "B"), Bound("c", 3.0, "C"))
    monkeypatch.setattr("benchmarks.bounds.BOUNDS", bounds)
    sheet = bounds_sheet({"a": 1.0, "b": 2.01})
    assert sheet.rows == [("A", "1", "1", "holds"), ("B", "2.01", "2", "does not hold")]


@pytest.mark.parametrize("power", [0.5, 1.0, 1.3])
def test_the_exponent_of_a_power_law_is_found(power: float) -> None:
    points = [(float(n), 3.0 * n**power) for n in (100, 1_000, 5_000, 20_000)]
    assert exponent(points) == pytest.approx(power)


def test_a_fixed_cost_makes_the_exponent_smaller() -> None:
    assert 0.3 < exponent([(float(n), 1000.0 + n) for n in (100, 1_000, 10_000)]) < 0.7


def test_sizes_grow_by_half_powers_of_ten_up_to_the_most() -> None:
    assert sizes_up_to(20_000_000) == [
        *(100_000, 300_000, 1_000_000, 3_000_000, 10_000_000, 20_000_000),
    ]
    assert sizes_up_to(40_000) == [1_000, 3_000, 10_000, 30_000, 40_000]


def test_every_size_is_an_option_and_every_part_a_choice() -> None:
    options = {name for param in main.params for name in param.opts}
    assert {f"--{size.name}" for size in SIZES} <= options
    only = next(param for param in main.params if "--only" in param.opts)
    assert isinstance(only.type, click.Choice)
    assert list(only.type.choices) == [part.name for part in PARTS]
    assert len({part.name for part in PARTS}) == len(PARTS)
    assert len({bound.figure for bound in BOUNDS}) == len(BOUNDS)
    assert all(size.quick < size.whole for size in SIZES)
