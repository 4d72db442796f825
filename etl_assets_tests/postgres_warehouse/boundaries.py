"""Moments of a publication at which something is killed: the worker, a server process, the server.

Armed in whatever process calls `arm`; that process should be a child.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import psycopg
import psycopg.copy

from etl_assets.warehouse.base import Changes, Mode
from etl_assets.warehouse.postgres import PostgresWarehouse
from etl_assets_tests.contract.days import (
    NEXT,
    ORDERS,
    at,
    changes_of,
    entry,
    orders,
    own_row,
    staged,
    token_of,
    tombstones,
)
from etl_assets_tests.postgres_warehouse.warehouses import warehouse_at

Kill = Callable[[], None]
OLD = dict.fromkeys(range(1, 101), "old")
NEW = dict.fromkeys(range(51, 151), "new")
GONE = dict.fromkeys(range(1, 51), "old")
EXPECTED = {Mode.REPLACE: NEW, Mode.MERGE: OLD | NEW, Mode.CHANGES: NEW}
_PUBLISHING = "etl_assets publishing"


def put_old(warehouse: PostgresWarehouse, folder: Path) -> None:
    day = staged(folder, orders(OLD), run_id="old", rejected=['{"old": 1}'])
    warehouse.publish(warehouse.stage(ORDERS, [day], "old"))


def put_new(warehouse: PostgresWarehouse, folder: Path, mode: Mode, run_id: str) -> None:
    rows = orders(NEW, updated=at(NEXT))
    day = staged(folder, rows, run_id=run_id, rejected=['{"new": 1}'])
    changes = new_changes(warehouse, folder, run_id) if mode is Mode.CHANGES else None
    warehouse.publish(warehouse.stage(ORDERS, [day], run_id, mode, changes))


def new_changes(warehouse: PostgresWarehouse, folder: Path, run_id: str) -> Changes:
    """What makes of the old day the new one, together with its rows."""
    return changes_of(
        folder,
        token_of(warehouse),
        position=own_row(run_id=run_id),
        gone=orders(GONE),
        tombstones=tombstones("id=1"),
        cleared=["id=0"],
        history=[replace(entry(), run_id=run_id)],
    )


def publish_until(url: str, folder: Path, mode: Mode, boundary: str, kill: Kill) -> None:
    """In a child: publish, and kill at the boundary."""
    arm(boundary, kill)
    with warehouse_at(url) as warehouse:
        put_new(warehouse, folder, mode, "killed")


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
    "after moved rows are deleted": _sql("WITH moved AS (DELETE"),
    "after the rows are inserted": _sql('INSERT INTO "raw"'),
    "after the quarantine is deleted": _sql("DELETE FROM etl.etl_quarantine"),
    "after the quarantine is inserted": _sql("INSERT INTO etl.etl_quarantine"),
    "after the tombstones are put": _sql("INSERT INTO etl.etl_tombstones"),
    "after the history is written": _sql("INSERT INTO etl.etl_history"),
    "after the state is put": _sql("INSERT INTO etl.etl_state"),
    "before COMMIT": _commit("before"),
    "after COMMIT": _commit("after"),
    "before the staging table is dropped": _sql("SET LOCAL lock_timeout = '100ms'", "before"),
}
_OF_ONE_MODE = {
    Mode.MERGE: ("after moved rows are deleted",),
    Mode.CHANGES: ("after the tombstones are put", "after the history is written"),
}
_COMMIT = ("before COMMIT", "after COMMIT")
BOUNDARIES = [  # what all modes do alike is shown with one of them
    *((b, Mode.REPLACE) for b in _ARMED if b not in sum(_OF_ONE_MODE.values(), ())),
    *((b, mode) for mode, own in _OF_ONE_MODE.items() for b in (*own, *_COMMIT)),
    ("after the rows are deleted", Mode.CHANGES),
]
COMMITTED = frozenset({"after COMMIT", "before the staging table is dropped"})
"""The boundaries after which the new day is there."""
