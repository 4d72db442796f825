"""The archive: every raw payload in the object store, so that all can be made again from it alone.

Objects are Parquet files, zstd, a source and a UTC day of receipt apart, each with a manifest. What
is landed is `landing.py`; reading the archive back is `replay.py`.
"""

import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from etl_assets.core.meter import METER
from etl_assets.events.database import EventsDatabase
from etl_assets.sources.files.writable import WritableStore

PREFIX = "events"
"""Keys are `events/<source>/<day>/<first id>-<last id>-<digest>.parquet`, and `.json` of it."""

MOST_ROWS, MOST_BYTES = 20_000, 64 << 20
"""Of one batch, which is in memory; a single payload may be longer than that."""

SCHEMA = pa.schema(
    {
        "source": pa.string(),
        "event_id": pa.string(),
        "payload": pa.binary(),
        "digest": pa.binary(),
        "ingested_at": pa.timestamp("us", "UTC"),
    }
)
"""The columns of an object; `digest` is the payload's SHA-256."""

_Row = tuple[int, str, str, bytes, bytes, datetime]


@dataclass(frozen=True)
class Archived:
    """How many payloads were written, in how many objects of how many bytes."""

    payloads: int = 0
    objects: int = 0
    bytes: int = 0

    def __add__(self, other: "Archived") -> "Archived":
        return Archived(
            self.payloads + other.payloads, self.objects + other.objects, self.bytes + other.bytes
        )


def archive(
    database: EventsDatabase,
    store: WritableStore,
    told: Callable[[Archived], None] = lambda _object: None,
) -> Archived:
    """Write all payloads that are landed and not archived.

    An object and its manifest are there before their payloads are marked as archived: after a crash
    between the two, and where two do it at once, they are written twice, and a replay lands each
    once. `told` is told of each object. No transaction is open while objects are written: it would
    hold back the sync of the table of events. Raises SourceUnavailable and SourceError.
    """
    done, last = Archived(), 0
    while rows := _waiting(database, last):  # each batch has greater ids than the one before
        for (source, day), part in _by_day(rows).items():
            written = _write(store, source, day, part)
            told(written)
            done += written
        last = rows[-1][0]
        with database.transaction("marking payloads as archived") as connection:
            # One that was received earlier meanwhile is written again with that moment.
            connection.execute(
                """
                UPDATE staging_events SET archived_at = clock_timestamp()
                FROM unnest(%s::bigint[], %s::timestamptz[]) AS written(id, ingested_at)
                WHERE staging_events.id = written.id
                  AND staging_events.ingested_at = written.ingested_at
                """,
                [[row[0] for row in rows], [row[5] for row in rows]],
            )
    return done


def _waiting(database: EventsDatabase, last: int) -> list[_Row]:
    """Rows behind `last` that are not archived, up to the bounds of a batch, but at least one."""
    with database.transaction("reading payloads to archive") as connection:
        return connection.execute(
            """
            SELECT id, source, event_id, payload, digest, ingested_at
            FROM (
                SELECT *, sum(length(payload)) OVER (ORDER BY id) - length(payload) AS before
                FROM (
                    SELECT * FROM staging_events
                    WHERE archived_at IS NULL AND id > %s ORDER BY id LIMIT %s
                ) few
            ) counted
            WHERE before < %s
            ORDER BY id
            """,
            [last, MOST_ROWS, MOST_BYTES],
        ).fetchall()


def _by_day(rows: Sequence[_Row]) -> Mapping[tuple[str, date], list[_Row]]:
    parts = defaultdict(list)
    for row in rows:
        parts[row[1], row[5].astimezone(UTC).date()].append(row)
    return parts


def _write(store: WritableStore, source: str, day: date, rows: Sequence[_Row]) -> Archived:
    """One object and its manifest; the same rows are written under the same key."""
    content = _parquet(rows)
    digest = hashlib.sha256(content).hexdigest()
    key = f"{PREFIX}/{source}/{day}/{rows[0][0]:019d}-{rows[-1][0]:019d}-{digest[:12]}"
    manifest = {
        "object": f"{key}.parquet",
        "sha256": digest,
        "bytes": len(content),
        "payloads": len(rows),
        "first_received": min(row[5] for row in rows).astimezone(UTC).isoformat(),
        "last_received": max(row[5] for row in rows).astimezone(UTC).isoformat(),
    }
    METER.count(len(rows), len(content))
    store.put(f"{key}.parquet", content)
    store.put(f"{key}.json", json.dumps(manifest, indent=1).encode())
    return Archived(len(rows), 1, len(content))


def _parquet(rows: Sequence[_Row]) -> bytes:
    columns = list(zip(*(row[1:] for row in rows), strict=True))
    table = pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)],
        schema=SCHEMA,
    )
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()
