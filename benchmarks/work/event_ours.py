"""Events landed as ours, each once; with the variant `load` they become rows of `events`."""

from contextlib import closing

from benchmarks.event_payloads import BEGIN, SOURCE, batches
from benchmarks.task import Task
from etl_assets.config import read_settings
from etl_assets.events.database import open_events
from etl_assets.events.landing import Arrival, land
from etl_assets.events.load import Rules, load_all
from etl_assets.events.shop import SOURCES
from etl_assets.events.sources import mappers_of

_BATCH = 10_000


def run(task: Task) -> int:
    landed = 0
    with closing(open_events(read_settings())) as database:
        database.make_ready()
        for batch in batches(task.rows, _BATCH):
            arrivals = [Arrival(SOURCE, event_id, event, BEGIN) for event_id, event in batch]
            with database.transaction("landing of a benchmark") as connection:
                landed += land(connection, arrivals).new
        return (
            load_all(database, Rules(mappers_of(SOURCES))).loaded
            if task.variant == "load"
            else landed
        )
