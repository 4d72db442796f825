"""Partners' files of events: each line of a dropped object is landed, once, as its own bytes.

An object that cannot be trusted as a whole (cut, damaged, beyond a bound) lands nothing, and is
tried again when it changes. What a line means is `mapping/`; tables of files, which go to the
warehouse without a detour, are `sources/files/`.
"""

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from etl_assets.core.errors import ObjectChanged, ObjectGone
from etl_assets.core.file_formats import compression_of
from etl_assets.core.key_patterns import KeyPattern
from etl_assets.events.database import EventsDatabase
from etl_assets.events.landing import Arrival, Landed, land
from etl_assets.events.sent_ids import sent_id_of_any
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.reading.expand import expanded
from etl_assets.sources.files.reading.results import FileRefused, Limits, too_long
from etl_assets.sources.files.store import ObjectStore

LIMITS = Limits()
_BATCH_LINES, _BATCH_BYTES = 5_000, 8 << 20


@dataclass(frozen=True)
class Taken:
    """What became of the objects that are new or changed, and of their lines.

    `objects` were landed, `refused` cannot be trusted, `waiting` may be written to still, or were
    written while they were read. `new` and `again` are lines. `refusals` are the key of each object
    that was refused, and why.
    """

    objects: int = 0
    refused: int = 0
    waiting: int = 0
    new: int = 0
    again: int = 0
    refusals: Sequence[tuple[str, str]] = field(default=(), compare=False)

    def __add__(self, other: "Taken") -> "Taken":
        return Taken(
            self.objects + other.objects,
            self.refused + other.refused,
            self.waiting + other.waiting,
            self.new + other.new,
            self.again + other.again,
            (*self.refusals, *other.refusals),
        )


@dataclass(frozen=True)
class RefusedObject:
    """An object of which nothing has landed, and why; it is read again when it changes."""

    source: str
    key: str
    error: str


def refused_objects(connection: psycopg.Connection[Any]) -> list[RefusedObject]:
    """Those that cannot be trusted as they are now, by source and key; raises psycopg.Error."""
    rows = connection.execute(
        "SELECT source, key, error FROM event_objects WHERE error IS NOT NULL ORDER BY 1, 2"
    )
    return [RefusedObject(*row) for row in rows.fetchall()]


def take_files(
    database: EventsDatabase,
    store: ObjectStore,
    source: str,
    pattern: KeyPattern,
    folder: Path,
    settle: timedelta | None = None,
) -> Taken:
    """Land the lines of each object of the pattern that has not been read as it is now.

    One that is younger than `settle` waits; None is what the store needs. `folder` takes one object
    at a time, unpacked. After a crash an object is read again, and its lines are landed once all
    the same. Raises SourceUnavailable and SourceError of the store and of the database; what was
    landed until then stays.
    """
    with database.transaction("reading which objects were landed", "ingest") as connection:
        rows = connection.execute(
            "SELECT key, identity FROM event_objects WHERE source = %s", [source]
        )
        known = dict(rows.fetchall())
    settle = store.SETTLE if settle is None else settle
    return sum(
        (
            Taken(waiting=1)
            if datetime.now(UTC) - stored.modified < settle
            else _take(database, store, source, stored, folder)
            for page in store.list(below=pattern.prefix)
            for stored in page
            if pattern.matches(stored.key) and known.get(stored.key) != stored.identity
        ),
        start=Taken(),
    )


def _take(
    database: EventsDatabase,
    store: ObjectStore,
    source: str,
    stored: StoredObject,
    folder: Path,
) -> Taken:
    now = datetime.now(UTC)
    path = folder / "object"
    try:
        _fetch(store, stored, path)
        lines = Landed(0, 0)
        for batch in _batches(path):
            arrivals = [Arrival(source, sent_id_of_any(line), line, now) for line in batch]
            with database.transaction(f"landing lines of {source}", "ingest") as connection:
                landed = land(connection, arrivals)
            lines = Landed(lines.new + landed.new, lines.again + landed.again)
    except (ObjectChanged, ObjectGone):
        return Taken(waiting=1)  # the next listing says what it is now
    except FileRefused as refused:
        _remember(database, source, stored, Landed(0, 0), refused.reason)
        return Taken(refused=1, refusals=[(stored.key, refused.reason)])
    finally:
        path.unlink(missing_ok=True)
    _remember(database, source, stored, lines, None)
    return Taken(objects=1, new=lines.new, again=lines.again)


def _fetch(store: ObjectStore, stored: StoredObject, path: Path) -> None:
    """The object's plain bytes in a file, read to the end before any line of it is landed.

    Raises FileRefused for one that cannot be trusted, which a reader of lines would learn too late.
    """
    last, length = b"\n", 0
    with path.open("wb") as file:
        for chunk in expanded(store.read(stored), compression_of(stored.key), LIMITS):
            file.write(chunk)
            last = chunk
            parts = chunk.split(b"\n")
            longest = max([length + len(parts[0]), *map(len, parts[1:])])
            length = len(parts[-1]) + (length if len(parts) == 1 else 0)
            if longest > LIMITS.record_bytes:
                raise FileRefused(f"a line of it {too_long(LIMITS)}")
    if not last.endswith(b"\n"):
        raise FileRefused("its last line has no line end, so it may be cut")


def _batches(path: Path) -> Iterator[list[bytes]]:
    """The lines that are not blank, without their ends, a bounded number at a time.

    One byte order mark at the begin is no part of the first line, which would lose its id by it.
    """
    batch: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        if file.read(len(BOM_UTF8)) != BOM_UTF8:
            file.seek(0)
        for line in file:
            if line.strip(b" \t\r\n"):
                batch.append(line.rstrip(b"\r\n"))
                size += len(line)
            if len(batch) == _BATCH_LINES or size > _BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _remember(
    database: EventsDatabase,
    source: str,
    stored: StoredObject,
    lines: Landed,
    error: str | None,
) -> None:
    with database.transaction("noting what became of an object", "ingest") as connection:
        connection.execute(
            """
            INSERT INTO event_objects
                (source, key, identity, bytes, modified_at, new_lines, known_lines, error, read_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp())
            ON CONFLICT (source, key) DO UPDATE SET
                identity = EXCLUDED.identity, bytes = EXCLUDED.bytes,
                modified_at = EXCLUDED.modified_at, new_lines = EXCLUDED.new_lines,
                known_lines = EXCLUDED.known_lines, error = EXCLUDED.error,
                read_at = EXCLUDED.read_at
            """,
            [
                *(source, stored.key, stored.identity, stored.size, stored.modified),
                *(lines.new, lines.again, error),
            ],
        )
