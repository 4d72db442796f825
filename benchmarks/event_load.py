"""Events into PostgreSQL: landed by COPY and loaded, beside row inserts, executemany and dlt."""

import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.part import Bench, Outcome, Part, race_outcome
from benchmarks.runner import Contender, interleaved
from benchmarks.source import Source
from benchmarks.task import Measured
from etl_assets.events.database import EventsDatabase

ROWS_SHARE = 0.1


def contenders(rows_share: float) -> list[Contender]:
    """All of them, ours first; what goes row by row is so slow that it takes a share."""
    scaled = f", scaled from {rows_share:.0%} of the rows" if rows_share < 1 else ""
    return [
        Contender("events_land", "our landing: COPY, each copy once", "event_ours"),
        Contender("events_load", "our landing and loading into `events`", "event_ours", "load"),
        Contender(
            "events_many", f"executemany{scaled}", "event_rows", "many", share=rows_share, once=True
        ),
        Contender(
            "events_rows", f"an INSERT a row{scaled}", "event_rows", share=rows_share, once=True
        ),
        Contender("events_dlt", f"dlt, merge{scaled}", "event_dlt", share=rows_share, once=True),
    ]


def measure_events(
    source: Source,
    folder: Path,
    rows: int,
    repeats: int,
    share: float,
    tell: Callable[[str], None],
) -> tuple[dict[str, Measured], list[Contender]]:
    """The medians by contender, and the contenders; each run has a database of its own."""

    def new_database() -> dict[str, str]:
        name = f"events_{uuid.uuid4().hex[:8]}"
        source.server.ensure_database(name)
        url = source.server.url(name)
        with closing(EventsDatabase(url)) as database:
            database.make_ready()
        return {"EVENTS_DATABASE_URL": url}

    race = contenders(share)
    return interleaved(race, "", folder, rows, repeats, tell, new_database), race


def event_figures(medians: dict[str, Measured]) -> dict[str, float]:
    """Our landing as ratios to the others; all rows a second and memory."""
    ours = medians["events_land"].seconds
    others = ("events_many", "events_rows", "events_dlt")
    return {
        **{
            f"events_land_over_{n.removeprefix('events_')}": ours / medians[n].seconds
            for n in others
        },
        **{f"{name}_rows_a_second": one.rows / one.seconds for name, one in medians.items()},
        **{f"{name}_cpu_seconds": one.cpu_seconds for name, one in medians.items()},
        **{f"{name}_peak_rss_mb": one.peak_rss_mb for name, one in medians.items()},
    }


def _part(bench: Bench) -> Outcome:
    medians, race = measure_events(
        bench.source,
        bench.folder,
        bench.size("event-rows"),
        bench.size("repeats"),
        1.0 if bench.quick else ROWS_SHARE,
        bench.tell,
    )
    what = "events into PostgreSQL"
    return race_outcome(event_figures(medians), medians, race, what, "our landing")


PART = Part("events", "Events into PostgreSQL", _part)
