"""Charts of the report as SVG: drawn by Altair, rendered by vl-convert without a browser."""

import altair as alt
import polars as pl
import vl_convert as vlc

from benchmarks.part import Chart

_WIDTH, _BAR_HEIGHT, _LINE_HEIGHT = 520, 22, 260
_NAME_WIDTH = 380


def svg_of(chart: Chart) -> str:
    """The chart as an SVG document."""
    drawn = _bars(chart) if chart.kind == "bars" else _lines(chart)
    titled = drawn.properties(title=alt.TitleParams(chart.title, anchor="start"), width=_WIDTH)
    svg: str = vlc.vegalite_to_svg(titled.to_dict())
    return svg


def _frame(chart: Chart) -> pl.DataFrame:
    rows = [{"x": point.x, "y": point.y, "series": point.series} for point in chart.points]
    return pl.DataFrame(rows)


def _bars(chart: Chart) -> alt.LayerChart:
    base = alt.Chart(_frame(chart)).encode(
        alt.Y("x:N", sort=None, title=None, axis=alt.Axis(labelLimit=_NAME_WIDTH)),
        alt.X("y:Q", title=chart.y),
    )
    numbers = base.mark_text(align="left", dx=4).encode(text=alt.Text("y:Q", format=".2f"))
    height = _BAR_HEIGHT * len(chart.points)
    drawn: alt.LayerChart = (base.mark_bar() + numbers).properties(height=height)
    return drawn


def _lines(chart: Chart) -> alt.Chart:
    scale = alt.Scale(type="log")
    drawn: alt.Chart = (
        alt.Chart(_frame(chart))
        .mark_line(point=True)
        .encode(
            alt.X("x:Q", scale=scale, title=chart.x, axis=alt.Axis(format="~s", tickCount=6)),
            alt.Y("y:Q", scale=scale, title=chart.y, axis=alt.Axis(tickCount=6)),
            alt.Color("series:N", title=None, sort=None),
        )
        .properties(height=_LINE_HEIGHT)
    )
    return drawn
