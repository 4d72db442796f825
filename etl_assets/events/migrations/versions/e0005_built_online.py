"""What takes long in a large database, done while others land and load: indexes, `known_as`.

Each statement is committed by itself. Where one fails, what is there stays, and running it again
goes on from there. The indexes of `events` are made partition by partition, because PostgreSQL
cannot make one of a partitioned table without locking out who writes.

How fresh each source is, `events/freshness.py` asks an index with the status in it. It takes the
place of one of `ingested_at` alone, which nothing asked: a row costs no index more than before.

Copies that lost before `known_as` was there get it, and the status that they have today.
"""

import sqlalchemy as sa
from alembic import op

revision = "e0005"
down_revision = "e0004"

_LOSERS = "status IN ('duplicate', 'superseded')"
_OF_EVENTS = {
    "events_named_anonymous_id": "(anonymous_id) "
    "WHERE anonymous_id IS NOT NULL AND user_id IS NOT NULL",
    "events_linked_anonymous_id": "(anonymous_id) WHERE linked_user_id IS NOT NULL",
}
_BATCH = 5_000


def upgrade() -> None:
    """Build the indexes and fill `known_as`; commits what was done before it."""
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        _know_losers(connection)
        _build(
            connection,
            "staging_events_gave_way",
            f"public.staging_events (known_as, digest) WHERE {_LOSERS}",
        )
        _build(
            connection,
            "staging_events_freshness",
            "public.staging_events (source, status, ingested_at)",
        )
        connection.exec_driver_sql(
            "DROP INDEX CONCURRENTLY IF EXISTS public.staging_events_ingested_at"
        )
        for name, columns in _OF_EVENTS.items():
            _build_of_events(connection, name, columns)


def downgrade() -> None:
    """Drop the indexes, and make the one of before again."""
    op.execute(
        "CREATE INDEX staging_events_ingested_at ON staging_events (ingested_at); "
        "DROP INDEX staging_events_gave_way, staging_events_freshness, "
        f"{', '.join(_OF_EVENTS)}"
    )


def _know_losers(connection: sa.Connection) -> None:
    """In batches, as ids are canonical in Python only. Those of ids without an event stay NULL."""
    last = 0
    while rows := connection.execute(_LOST, {"last": last, "limit": _BATCH}).all():
        values = {
            "numbers": [number for number, _ in rows],
            "names": [event_id.strip().lower() for _, event_id in rows],  # as in ids.py
        }
        connection.execute(_KNOW, values)
        last = rows[-1][0]


_LOST = sa.text(f"""
    SELECT id, event_id FROM public.staging_events
    WHERE {_LOSERS} AND id > :last ORDER BY id LIMIT :limit
""")  # noqa: S608 - a constant

_KNOW = sa.text(f"""
    UPDATE public.staging_events landed
    SET known_as = known.event_id,
        status = CASE WHEN landed.digest = known.digest THEN 'duplicate' ELSE 'superseded' END
    FROM unnest(CAST(:numbers AS bigint[]), CAST(:names AS text[])) AS named(id, known_as)
    JOIN public.event_ids known ON known.event_id = named.known_as
    WHERE landed.id = named.id AND {_LOSERS} AND (
        landed.known_as IS DISTINCT FROM known.event_id
        OR (landed.status = 'duplicate') <> (landed.digest = known.digest)
    )
""")  # noqa: S608 - a constant


def _build_of_events(connection: sa.Connection, name: str, columns: str) -> None:
    """An index of the parent alone, one of each partition, attached: then the parent's is valid.

    A partition that is made meanwhile has its own from the beginning, as its parent has it.
    """
    connection.exec_driver_sql(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY public.events {columns}")
    for (partition,) in connection.execute(_PARTITIONS, {"index": f"public.{name}"}).all():
        part = f"{partition}_{name.removeprefix('events_')}"
        _build(connection, part, f"public.{partition} {columns}")
        connection.exec_driver_sql(f"ALTER INDEX public.{name} ATTACH PARTITION public.{part}")


# Those that have no part of the index.
_PARTITIONS = sa.text("""
    SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'public.events'::regclass AND NOT EXISTS (
        SELECT FROM pg_inherits parts JOIN pg_index ON pg_index.indexrelid = parts.inhrelid
        WHERE parts.inhparent = CAST(:index AS regclass) AND pg_index.indrelid = pg_class.oid
    )
    ORDER BY relname
""")


def _build(connection: sa.Connection, name: str, definition: str) -> None:
    """The index, unless it is there; one that was left half built is dropped first."""
    if connection.execute(_IS_BROKEN, {"name": name}).scalar():
        connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY public.{name}")
    connection.exec_driver_sql(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {definition}")


_IS_BROKEN = sa.text("""
    SELECT NOT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relname = :name AND relnamespace = 'public'::regnamespace
""")
