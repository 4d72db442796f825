"""What a PostgreSQL server says of itself and of our role, and what that means for whoever reads it
or writes to it. Nothing of tables stands here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from etl_assets.core.findings import Finding, Level, clock_finding
from etl_assets.core.wording import count_of

OLDEST_SUPPORTED = 13
"""The oldest major version that the project of PostgreSQL still mended when this was written."""
_SCANS_PAGES = 14
"""Since this version a server finds the rows of a range of pages (`sources/postgres/slices.py`)."""
_FEW_CONNECTIONS = 5
_LONG_ENOUGH = 600  # seconds that a read may wait for whatever it hands its rows to
# A hidden session has its database and role, and NULL for the rest.
_FACTS = """
    SELECT clock_timestamp() AS now, quote_ident(current_user) AS role, pg_backend_pid() AS pid,
        current_setting('server_version_num')::int AS version,
        current_setting('server_version') AS shown_version,
        pg_is_in_recovery() AS is_standby,
        pg_has_role('pg_read_all_stats', 'USAGE') AS sees_all,
        (SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND NOT pg_has_role(usesysid, 'USAGE')) AS others,
        (SELECT count(*) FROM pg_stat_activity
         WHERE coalesce(backend_type, 'client backend') = 'client backend') AS connected,
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int AS connections,
        (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user) AS role_connections,
        current_setting('max_locks_per_transaction')::int
            * (current_setting('max_connections')::int
               + current_setting('max_prepared_transactions')::int) AS locks,
        (SELECT setting::bigint / 1000 FROM pg_settings
         WHERE name = 'idle_in_transaction_session_timeout') AS idle_seconds,
        (SELECT setting::bigint / 1000 FROM pg_settings
         WHERE name = 'transaction_timeout') AS transaction_seconds,
        (SELECT setting::bigint / 1000 FROM pg_settings
         WHERE name = 'statement_timeout') AS statement_seconds,
        current_setting('hot_standby_feedback') = 'on' AS has_feedback,
        (SELECT setting::bigint / 1000 FROM pg_settings
         WHERE name = 'max_standby_streaming_delay') AS standby_seconds,
        current_setting('track_activities') = 'on' AS tracks
"""


@dataclass(frozen=True)
class ServerFacts:
    """What one server said, in one answer. `skew` is how far its clock is ahead of this machine's;
    `is_pooled` whether a pooler stands between."""

    told: Any
    skew: timedelta
    is_pooled: bool


def read_facts(connection: psycopg.Connection[Any]) -> ServerFacts:
    """Ask the server; raises psycopg.Error."""
    before = datetime.now(UTC)
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        told: Any = cursor.execute(_FACTS).fetchone()
    after = datetime.now(UTC)
    assert told is not None  # noqa: S101 - a query without FROM has one row
    skew = told.now.astimezone(UTC) - (before + (after - before) / 2)
    if abs(skew) <= after - before:  # no more is known than how long the answer took
        skew = timedelta()
    # A pooler answers with a number of its own where the server would say its process.
    return ServerFacts(told, skew, connection.info.backend_pid != told.pid)


def findings_of_server(where: str, facts: ServerFacts) -> Iterator[Finding]:
    """What is the matter with any server of ours, as a source or as a warehouse."""
    yield _version(where, facts)
    yield clock_finding(where, facts.skew)
    yield _connections(where, facts)
    if facts.is_pooled:
        yield Finding(
            where,
            "pooler",
            "a connection pooler stands between",
            Level.WARNING,
            "If it pools by statement nothing works; by transaction all works, but its own time "
            "limits end long reads.",
            "Set idle_transaction_timeout and query_timeout of PgBouncer to 0 for this database.",
        )
    told = facts.told
    yield _limit(where, "idle_in_transaction_session_timeout", told.idle_seconds, told.role)
    if told.transaction_seconds is not None:  # servers before 17 have no such limit
        yield _limit(where, "transaction_timeout", told.transaction_seconds, told.role)


def findings_of_source(where: str, facts: ServerFacts, statement_seconds: int) -> Iterator[Finding]:
    """What matters only for a server that is read; `statement_seconds` bounds our statements."""
    told = facts.told
    yield _statistics(where, facts)
    if not told.tracks:
        yield Finding(
            where,
            "statistics",
            "track_activities is off",
            Level.WARNING,
            "Syncs cannot see since when others are in a transaction, and stay "
            "ETL_SYNC_LAG_SECONDS behind.",
            "Run there: ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf();",
        )
    if told.statement_seconds and told.statement_seconds != statement_seconds:
        yield Finding(
            where,
            "statement_timeout",
            f"{told.statement_seconds:,} s for this role, and {statement_seconds:,} s for ours "
            "(ETL_STATEMENT_TIMEOUT_SECONDS counts)",
        )
    if told.version // 10_000 < _SCANS_PAGES:
        yield Finding(
            where,
            "large tables",
            f"before PostgreSQL {_SCANS_PAGES} a large table is read by one connection, whatever "
            "ETL_READ_WORKERS says, unless an index finds its day",
        )
    if told.is_standby:
        yield _standby(where, facts)


def _version(where: str, facts: ServerFacts) -> Finding:
    told = facts.told
    major, shown = told.version // 10_000, f"PostgreSQL {told.shown_version}"
    if major >= OLDEST_SUPPORTED:
        return Finding(where, "version", shown)
    return Finding(
        where,
        "version",
        shown,
        Level.WARNING,
        "This version is not mended any more, and the platform is not tried with it.",
        f"Upgrade the server to PostgreSQL {OLDEST_SUPPORTED} or newer.",
    )


def _connections(where: str, facts: ServerFacts) -> Finding:
    told = facts.told
    limit = told.connections
    if told.role_connections is not None and 0 <= told.role_connections < limit:
        limit = told.role_connections
    free = limit - told.connected
    found = f"{told.connected:,} of {count_of(limit, 'connection')} in use"
    if free >= _FEW_CONNECTIONS:
        return Finding(where, "connections", found)
    return Finding(
        where,
        "connections",
        found,
        Level.WARNING,
        "A load that finds none free is refused (53300) and tried again later.",
        "End idle sessions, put PgBouncer before the server, or run there: ALTER SYSTEM SET "
        f"max_connections = {2 * max(told.connections, 50)}; and restart it.",
    )


def _limit(where: str, name: str, seconds: int, role: str) -> Finding:
    if not seconds or seconds >= _LONG_ENOUGH:
        shown = f"{count_of(seconds, 'second')}" if seconds else "no limit"
        return Finding(where, name, shown)
    return Finding(
        where,
        name,
        f"{name} is {seconds:,} s",
        Level.WARNING,
        "A read that waits longer for what it hands its rows to is broken off, and its day is "
        "loaded again from the start.",
        f"Run there: ALTER ROLE {role} SET {name} = 0;",
    )


def _statistics(where: str, facts: ServerFacts) -> Finding:
    told = facts.told
    if told.sees_all or told.is_standby:
        return Finding(where, "statistics", "all open transactions can be seen")
    others = count_of(told.others, "session")
    return Finding(
        where,
        "statistics",
        f"the role {told.role} is no member of pg_read_all_stats, so transactions of other roles "
        f"cannot be seen ({others} now)",
        Level.WARNING,
        "Syncs stay ETL_SYNC_LAG_SECONDS behind, and what takes longer to commit is missed until "
        "a reconciliation.",
        f"Run there: GRANT pg_read_all_stats TO {told.role};",
    )


def _standby(where: str, facts: ServerFacts) -> Finding:
    told = facts.told
    if told.has_feedback or told.standby_seconds == -1:
        return Finding(where, "standby", "a standby, which does not cancel long reads")
    return Finding(
        where,
        "standby",
        f"a standby that cancels reads after {told.standby_seconds:,} s "
        "(max_standby_streaming_delay), with hot_standby_feedback off",
        Level.WARNING,
        "A read that takes longer is cancelled when the primary vacuums what it reads (40001), "
        "and its day is loaded again from the start.",
        "Run there: ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf();",
    )
