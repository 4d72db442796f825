"""How far changes may be read: never past a transaction that could still write older ones (C2, C3).

A row's cursor is the start of the transaction that wrote it, and it shows when that commits. So
nothing after the start of the oldest open transaction is read, be it one that has written nothing
yet. Where some of them cannot be seen, that is said, and the horizon stays a set time behind.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from etl_assets.core.position import Horizon
from etl_assets.postgres.copy import EXACT_TEXT

_CLOCK = "SELECT clock_timestamp() AS now, pg_is_in_recovery() AS standby, " + (
    "CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() END AS replayed"
)
# A hidden row has its database, role and name, and NULL for the rest, as for "nothing open".
# `active` without a start is a transaction that begins at this moment, with its statement. Those
# of our own name read, in transactions that are READ ONLY.
_SESSIONS = """
    SELECT pid, application_name AS name, state, began, began IS NULL AS is_blind, hidden
    FROM (
        SELECT pid, application_name, state, hidden, CASE
            WHEN hidden OR state = 'disabled' THEN NULL
            WHEN state = 'active' THEN coalesce(xact_start, query_start)
            WHEN state LIKE 'idle in transaction%' OR state = 'fastpath function call'
            THEN xact_start
            ELSE coalesce(xact_start, 'infinity') END AS began
        FROM (
            SELECT *, NOT (pg_has_role('pg_read_all_stats', 'USAGE')
                           OR pg_has_role(usesysid, 'USAGE')) AS hidden
            FROM pg_stat_activity
        ) AS seen
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL
        AND coalesce(backend_type NOT IN ('walsender', 'autovacuum worker'), TRUE)
        AND (application_name = nullif(current_setting('application_name'), '')
             AND usename = session_user AND backend_xid IS NULL) IS NOT TRUE
    ) AS others
    WHERE began < 'infinity' OR began IS NULL ORDER BY began, pid
"""
_PREPARED = """
    SELECT gid, transaction::text AS xid, prepared FROM pg_prepared_xacts
    WHERE database = current_database() ORDER BY prepared
"""
_POLL_SECONDS = 0.1
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class HorizonPolicy:
    """How careful a sync is.

    `lag`: how far it stays behind the source's clock where it cannot see all open transactions.
    `max_hold`: how long one of them may hold it back; what an older one writes may be lost until a
    reconciliation finds it. `prepared_wait`: how long it waits for prepared transactions, which do
    not say when they began. `margin`: how far it stays behind in any case (C6).
    """

    lag: timedelta = timedelta(minutes=10)
    max_hold: timedelta = timedelta(days=1)
    prepared_wait: timedelta = timedelta(seconds=10)
    margin: timedelta = timedelta(milliseconds=10)


def read_horizon(
    connection: psycopg.Connection, policy: HorizonPolicy, watermark: datetime | None
) -> Horizon:
    """The horizon of the connection's database; changes are read in a snapshot taken after it.

    `connection` is in autocommit mode: each look is a transaction of its own, since the sessions
    that one has seen are not looked at again within it. `watermark` (UTC) is what the horizon is
    while a prepared transaction stays open, `0001-01-01` where there is none. Raises psycopg.Error.
    """
    clock = _look(connection, _CLOCK)[0]
    now = clock.now.astimezone(UTC)
    # In this order: one that is prepared between the two looks is found by the first.
    sessions = [] if clock.standby else _look(connection, _SESSIONS)  # they cannot write there
    prepared = _look(connection, _PREPARED)

    moment, held_by, warnings = _oldest(sessions, now, policy)
    # Never the start itself, at which rows can be stamped.
    moment -= max(policy.margin, timedelta(microseconds=1))
    blind = [*_blindness(sessions, policy), *_standby(clock, policy)]
    if blind:
        moment = min(moment, now - policy.lag)
    if clock.standby and clock.replayed:
        moment = min(moment, clock.replayed.astimezone(UTC) - policy.lag)
    elif clock.standby:
        moment = watermark or _NEVER  # nothing was replayed yet that says how old it is
    old = [one for one in prepared if now - one.prepared > policy.max_hold]
    warnings += [
        f"The prepared transaction {one.gid!r}, waiting since {_shown(one.prepared)}, is passed "
        f"over: it is older than {policy.max_hold}. What it writes may be missed until a "
        "reconciliation: commit it or roll it back."
        for one in old
    ]
    stays = _wait(connection, [one for one in prepared if one not in old], policy)
    if stays:
        moment = watermark or _NEVER
        held_by = f"prepared transaction {stays[0].gid!r} since {_shown(stays[0].prepared)}"
    return Horizon(moment, now, held_by, (*blind, *warnings))


def _oldest(
    sessions: Sequence[Any], now: datetime, policy: HorizonPolicy
) -> tuple[datetime, str | None, list[str]]:
    """Start of the oldest transaction that is not passed over, whose it is, and the warnings."""
    seen = [one for one in sessions if one.began is not None and one.began <= now]
    passed = [one for one in seen if now - one.began > policy.max_hold]
    warnings = [
        f"The open transaction of {_session(one)} is passed over: it is older than "
        f"{policy.max_hold}. What it writes may be missed until a reconciliation: end it."
        for one in passed
    ]
    holding = seen[len(passed) :]
    if not holding:
        return now, None, warnings
    return holding[0].began.astimezone(UTC), _session(holding[0]), warnings


def _blindness(sessions: Sequence[Any], policy: HorizonPolicy) -> list[str]:
    hidden = sum(one.hidden for one in sessions)
    silent = [one.pid for one in sessions if one.is_blind and not one.hidden]
    warnings = []
    if hidden:
        warnings.append(
            f"The open transactions of {hidden} other sessions cannot be seen, so the sync stays "
            f"{policy.lag} behind; what takes longer to commit may be missed until a "
            "reconciliation. GRANT pg_read_all_stats (or pg_monitor) to the role that reads it."
        )
    if silent:
        warnings.append(
            f"Sessions have track_activities off (pid {', '.join(map(str, silent))}), so the sync "
            f"stays {policy.lag} behind; what takes longer to commit may be missed until a "
            "reconciliation. Turn track_activities on for them."
        )
    return warnings


def _standby(clock: Any, policy: HorizonPolicy) -> list[str]:
    if not clock.standby:
        return []
    return [
        "The source is a standby, where the primary's open transactions cannot be seen, so the "
        f"sync stays {policy.lag} behind what was replayed; what takes longer to commit may be "
        "missed until a reconciliation. Sync from the primary if that can happen."
    ]


def _wait(
    connection: psycopg.Connection, prepared: Sequence[Any], policy: HorizonPolicy
) -> Sequence[Any]:
    """Those of the prepared transactions that have not ended in time.

    Others that come meanwhile were seen as sessions, or began after the clock was read.
    """
    if not prepared:
        return []
    import tenacity  # its import is a twentieth of a short command, and hardly ever needed

    again = tenacity.Retrying(
        retry=tenacity.retry_if_result(bool),
        stop=tenacity.stop_after_delay(policy.prepared_wait),
        wait=tenacity.wait_fixed(_POLL_SECONDS),
        retry_error_callback=lambda state: state.outcome and state.outcome.result(),
    )

    def remaining() -> list[Any]:
        still = {(one.gid, one.xid) for one in _look(connection, _PREPARED)}
        return [one for one in prepared if (one.gid, one.xid) in still]

    left: list[Any] = again(remaining)
    return left


def _look(connection: psycopg.Connection, query: str) -> list[Any]:
    with connection.transaction(), connection.cursor(row_factory=namedtuple_row) as cursor:
        cursor.execute(EXACT_TEXT)
        return cursor.execute(query.encode()).fetchall()


def _session(session: Any) -> str:
    return f"pid {session.pid} ({session.name}, {session.state}) since {_shown(session.began)}"


def _shown(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
