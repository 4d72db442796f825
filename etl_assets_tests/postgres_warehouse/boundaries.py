"""Moments of a publication at which something is killed: the worker, a server process, the server.

Armed in whatever process calls `arm`; that process should be a child.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any

import psycopg
import psycopg.copy

from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets_tests.contract.days import (
    NEXT,
    at,
    bring,
    changes_of,
    entry,
    orders,
    own_row,
    publish,
    staged,
    token_of,
    tombstones,
)
from etl_assets_tests.postgres_warehouse.warehouses import warehouse_at

Kill = Callable[[], None]


class Way(StrEnum):
    """How the new day comes: whole, as a load brings it, or as the changes that a sync found."""

    REPLACE = "replace"
    CHANGES = "changes"


OLD = dict.fromkeys(range(1, 101), "old")
NEW = dict.fromkeys(range(51, 151), "new")
GONE = dict.fromkeys(range(1, 51), "old")
_PUBLISHING = "etl_assets publishing"


def put_old(warehouse: PostgresWarehouse, folder: Path) -> None:
    publish(warehouse, staged(folder, orders(OLD), run_id="old", rejected=['{"old": 1}']))


def put_new(warehouse: PostgresWarehouse, folder: Path, way: Way, run_id: str) -> None:
    """Make of the old day the new one."""
    rows = orders(NEW, updated=at(NEXT))
    day = staged(folder, rows, run_id=run_id, rejected=['{"new": 1}'])
    if way is Way.REPLACE:
        publish(warehouse, day)
        return
    changed = changes_of(
        folder,
        token_of(warehouse),
        position=own_row(run_id=run_id),
        gone=orders(GONE),
        tombstones=tombstones("id=1"),
        cleared=["id=0"],
        history=[replace(entry(), run_id=run_id)],
    )
    bring(warehouse, changed, day)


def publish_until(url: str, folder: Path, way: Way, boundary: str, kill: Kill) -> None:
    """In a child: publish, and kill at the boundary."""
    arm(boundary, kill)
    with warehouse_at(url) as warehouse:
        put_new(warehouse, folder, way, "killed")


def arm(boundary: str, kill: Kill) -> None:
    """Call `kill` once, at the boundary."""
    _ARMED[boundary](_once(kill))


def _once(kill: Kill) -> Kill:
    done: list[bool] = []

    def once() -> None:
        if not done:
            done.append(True)
            kill()

    return once


def _around(owner: Any, name: str, when: str, hit: Callable[..., bool]) -> Callable[[Kill], None]:
    def armed_with(kill: Kill) -> None:
        method = getattr(owner, name)

        @wraps(method)
        def armed(self: Any, *arguments: Any, **named: Any) -> Any:
            is_hit = hit(self, *arguments)
            if is_hit and when == "before":
                kill()
            result = method(self, *arguments, **named)
            if is_hit and when == "after":
                kill()
            return result

        setattr(owner, name, armed)

    return armed_with


def _sql(words: str, when: str = "after") -> Callable[[Kill], None]:
    """Around a statement that begins with some words."""

    def hit(_: Any, statement: Any, *rest: Any) -> bool:
        text = statement.as_string() if hasattr(statement, "as_string") else statement
        text = text.decode() if isinstance(text, bytes) else text
        return " ".join(text.split()).startswith(words)

    return _around(psycopg.Cursor, "execute", when, hit)


def _commit(when: str) -> Callable[[Kill], None]:
    """Around the COMMIT of the publication itself."""

    def hit(connection: psycopg.Connection) -> bool:
        name = connection.info.parameter_status("application_name") or ""
        return name.startswith(_PUBLISHING)

    return _around(psycopg.Connection, "commit", when, hit)


def _always(*_: Any) -> bool:
    return True


_ARMED: dict[str, Callable[[Kill], None]] = {
    "before staging": _sql("CREATE UNLOGGED TABLE", "before"),
    "before the rows are copied": _around(psycopg.copy.Copy, "write", "before", _always),
    "in mid-load": _around(psycopg.copy.Copy, "write", "after", _always),
    "after the rows are copied": _sql("ANALYZE"),
    "after staging": _around(PostgresWarehouse, "stage", "after", _always),
    "before the turn": _sql("SELECT pg_advisory_xact_lock", "before"),
    "in the turn": _sql("SELECT pg_advisory_xact_lock"),
    "after the rows are deleted": _sql('DELETE FROM "raw"'),
    "after the keys that leave are copied": _sql('ANALYZE "etl_staging"."keys_'),
    "after the rows are inserted": _sql('INSERT INTO "raw"'),
    "after the quarantine is deleted": _sql('DELETE FROM "etl"."etl_quarantine"'),
    "after the quarantine is inserted": _sql("INSERT INTO etl.etl_quarantine"),
    "after the tombstones are put": _sql("INSERT INTO etl.etl_tombstones"),
    "after the history is written": _sql("INSERT INTO etl.etl_history"),
    "after the state is put": _sql("INSERT INTO etl.etl_state"),
    "after the table's row is put": _sql("INSERT INTO etl.etl_tables"),
    "before COMMIT": _commit("before"),
    "after COMMIT": _commit("after"),
    "before the staging table is dropped": _sql("SET LOCAL lock_timeout = '100ms'", "before"),
}
_OF_CHANGES = (
    "after the keys that leave are copied",
    "after the tombstones are put",
    "after the history is written",
)
BOUNDARIES = [  # what both ways do alike is shown with one of them
    *((boundary, Way.REPLACE) for boundary in _ARMED if boundary not in _OF_CHANGES),
    *((boundary, Way.CHANGES) for boundary in (*_OF_CHANGES, "before COMMIT", "after COMMIT")),
    ("after the rows are deleted", Way.CHANGES),
]
COMMITTED = frozenset({"after COMMIT", "before the staging table is dropped"})
"""The boundaries after which the new day is there."""
