"""Landing made again from the archive alone: each payload once, with the moment of its receipt.

Writing the archive is `archive.py`. What follows landing, loading included, is not done here.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from etl_assets.core.errors import SourceError
from etl_assets.core.partitions import parse_day
from etl_assets.events.archive import PREFIX, SCHEMA
from etl_assets.events.database import EventsDatabase
from etl_assets.events.landing import Arrival, land
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.writable import WritableStore


@dataclass(frozen=True)
class Replayed:
    """How many objects were read, how many payloads they have, and how many were not there yet."""

    objects: int = 0
    payloads: int = 0
    landed: int = 0


def replay(
    database: EventsDatabase,
    store: WritableStore,
    first: date,
    last: date,
    source: str | None = None,
    told: Callable[[str], None] = lambda _key: None,
) -> Replayed:
    """Land what was received from `first` to `last` (UTC days), of one source or of all.

    `told` is told of each object. What is there already stays as it is, and cursors of sources stay
    where they are. Raises
    SourceError for an object that is not what its manifest says or is missing beside it, and what
    `land` raises; what was landed until then stays.
    """
    objects = payloads = landed = 0
    for stored, manifest in _objects(store, first, last, source):
        rows = _rows(store, stored, manifest)
        arrivals = [
            Arrival(
                source=row["source"],
                event_id=row["event_id"],
                payload=row["payload"],
                received_at=row["ingested_at"],
            )
            for row in rows
        ]
        with database.transaction("landing what was archived") as connection:
            landed += land(connection, arrivals).new
        told(stored.key)
        objects, payloads = objects + 1, payloads + len(rows)
    return Replayed(objects, payloads, landed)


def has_source(store: WritableStore, source: str) -> bool:
    """Whether the archive has anything of a source; raises what the store's listing does."""
    is_name = bool(source) and "/" not in source and source not in (".", "..")
    return is_name and next(store.objects(f"{PREFIX}/{source}/"), None) is not None


def _objects(
    store: WritableStore, first: date, last: date, source: str | None
) -> Iterator[tuple[StoredObject, StoredObject | None]]:
    """Each object with its manifest.

    An object is written before its manifest. A manifest without its object therefore means that
    the object was lost: SourceError. An object without a manifest (None) is read all the same: its
    archiver was killed between the two, and then its payloads are in a later object as well and
    land once, or else the manifest was lost, and then the object is the only one that has them.
    Each payload has its digest beside it.
    """
    below = f"{PREFIX}/{source}/" if source is not None else f"{PREFIX}/"
    manifest = None
    for stored in store.objects(below):  # keys ascend: `x.json` is just before `x.parquet`
        stem, _, suffix = stored.key.rpartition(".")
        parts = stem.split("/")
        if len(parts) != 4 or not first <= parse_day(parts[2]) <= last:
            continue
        if suffix not in ("json", "parquet"):
            continue
        has_manifest = (
            suffix == "parquet" and manifest is not None and manifest.key == f"{stem}.json"
        )
        if manifest is not None and not has_manifest:
            raise _missing(store, manifest)
        if suffix == "json":
            manifest = stored
        else:
            yield stored, manifest
            manifest = None
    if manifest is not None:
        raise _missing(store, manifest)


def _rows(
    store: WritableStore, stored: StoredObject, manifest: StoredObject | None
) -> Sequence[dict[str, Any]]:
    """The payloads of an object, held against its manifest and their own digests."""
    content = store.content(stored)
    if manifest and _promised(store.content(manifest)) != hashlib.sha256(content).hexdigest():
        raise _broken(store, stored, "it has not the content that its manifest names")
    try:
        rows: list[dict[str, Any]] | None = pq.read_table(
            io.BytesIO(content), schema=SCHEMA
        ).to_pylist()
    except (pa.ArrowInvalid, OSError):
        rows = None  # ours is raised outside, without what Arrow quotes
    if rows is None:
        raise _broken(store, stored, "it is no Parquet file of an archive")
    if any(hashlib.sha256(row["payload"]).digest() != row["digest"] for row in rows):
        raise _broken(store, stored, "a payload has not the digest that stands beside it")
    return rows


def _promised(manifest: bytes) -> object:
    """The digest that a manifest names, None for a manifest that is cut or damaged."""
    try:
        return json.loads(manifest)["sha256"]
    except (ValueError, LookupError, TypeError):
        return None


def _broken(store: WritableStore, stored: StoredObject, why: str) -> SourceError:
    return SourceError(
        f"The object {stored.key} of the archive {store} cannot be trusted: {why}.",
        "Bring it back from a version or a copy of the store; then run the replay again, which "
        "lands nothing twice.",
    )


def _missing(store: WritableStore, manifest: StoredObject) -> SourceError:
    key = f"{manifest.key.removesuffix('.json')}.parquet"
    return SourceError(
        f"The object {key} of the archive {store} is missing: its manifest {manifest.key} is "
        "there.",
        "Bring it back from a version or a copy of the store; then run the replay again, which "
        "lands nothing twice. If its payloads are lost for good, delete the manifest first.",
    )
