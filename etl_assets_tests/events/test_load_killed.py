"""L2: a loader that is killed, and when: all of its batch is there or nothing, and a re-run ends.

The default run has a share of the boundaries, `make soak` all.
"""

import os
import signal
from collections.abc import Callable
from functools import wraps
from typing import Any

import psycopg
import psycopg.copy
import pytest

from etl_assets.events.database import EventsDatabase
from etl_assets.events.load import load_all
from etl_assets_tests.events.arrivals import Meant, fold
from etl_assets_tests.events.store import RULES, Store
from etl_assets_tests.processes import ended, start

A_DAY = 24 * 3600
BEFORE = [Meant(f"e{number}", product="old", received=1) for number in range(6)]
ARRIVALS = [
    *(Meant(f"e{number}", happened=A_DAY, product="new", received=A_DAY) for number in range(3)),
    *(Meant(f"E{number}", "partner_files", happened=-60, received=A_DAY) for number in (3, 4)),
    *(Meant(f"e{number}", product="first", received=A_DAY) for number in (7, 8)),
    Meant("bad", is_broken=True),
]


def _around(owner: Any, name: str, when: str, hit: Callable[..., bool]) -> None:
    """Kill this process before or after the first call that is meant."""
    method = getattr(owner, name)

    @wraps(method)
    def armed(self: Any, *arguments: Any, **named: Any) -> Any:
        is_hit = hit(self, *arguments)
        if is_hit and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = method(self, *arguments, **named)
        if is_hit and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, armed)


def _sql(words: str, when: str = "after") -> Callable[[], None]:
    def hit(_: Any, statement: Any, *rest: Any) -> bool:
        text = statement.as_string() if hasattr(statement, "as_string") else str(statement)
        return " ".join(text.split()).startswith(words)

    return lambda: _around(psycopg.Cursor, "execute", when, hit)


def _commit(when: str) -> Callable[[], None]:
    def hit(connection: psycopg.Connection) -> bool:
        return connection.info.parameter_status("application_name") == "etl_assets loading events"

    return lambda: _around(psycopg.Connection, "commit", when, hit)


BOUNDARIES: dict[str, Callable[[], None]] = {
    "after the rows are taken": _sql("SELECT id, source, event_id, payload"),
    "after the partitions are made": _sql("CREATE TEMPORARY TABLE batch", "before"),
    "in mid-copy": lambda: _around(psycopg.copy.Copy, "write_row", "after", lambda *_: True),
    "after the new ids are there": _sql("INSERT INTO event_ids"),
    "after the known ids are locked": _sql("SELECT event_id, event_date, occurred_at"),
    "after rows left their day": _sql("DELETE FROM events"),
    "after the events are there": _sql("INSERT INTO events"),
    "after the ids are changed": _sql("UPDATE event_ids"),
    "before the statuses": _sql("UPDATE staging_events", "before"),
    "before COMMIT": _commit("before"),
    "after COMMIT": _commit("after"),
}
SHARE = ("in mid-copy", "after rows left their day", "before COMMIT", "after COMMIT")


def load_until(url: str, boundary: str) -> None:
    """In a child: load, and be killed at the boundary."""
    BOUNDARIES[boundary]()
    load_all(EventsDatabase(url), RULES)


@pytest.mark.parametrize(
    "boundary",
    [pytest.param(name, marks=[] if name in SHARE else [pytest.mark.soak]) for name in BOUNDARIES],
)
def test_l2_a_killed_loader_leaves_all_of_its_batch_or_nothing(store: Store, boundary: str) -> None:
    store.land(BEFORE)
    store.load()
    store.land(ARRIVALS)
    assert ended(start(load_until, store.url, boundary)) == -signal.SIGKILL
    arrived = [*BEFORE, *ARRIVALS]
    is_committed = boundary == "after COMMIT"
    assert store.rows() == fold(arrived if is_committed else BEFORE)
    assert store.agrees_with_itself()
    store.load()
    assert store.rows() == fold(arrived)
    assert store.agrees_with_itself()
    assert store.statuses()["quarantined"] == 1
    # A row is counted as tried only where the try is committed.
    ((attempts,),) = store.sql("SELECT DISTINCT attempts FROM staging_events WHERE error IS NULL")
    assert attempts == 1
