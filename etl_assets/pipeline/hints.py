"""Hints that objects were put: keys, kept in a folder of the data folder until a tick lists them.

A hint only makes a look come sooner. It may repeat, come late or name what is not there: what is
loaded is decided by the listing (F5). S3's events are read here, too.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from etl_assets.core.errors import EtlError
from etl_assets.core.source_specs import Files
from etl_assets.core.table import LayerTable
from etl_assets.sources.files.location import Location

_FOLDER = "hints"
_MOST = 1000  # files a tick
_SUFFIX = ".json"


class NoEvent(EtlError):
    """What was given is no event of S3."""


@dataclass(frozen=True)
class Hints:
    """The days that hints name, and the files that say so."""

    days: Sequence[date] = ()
    files: Sequence[Path] = ()

    def forget(self) -> None:
        """Remove them, once their days were listed."""
        for file in self.files:
            with suppress(OSError):
                file.unlink(missing_ok=True)


def leave_hint(home: Path, table: LayerTable, keys: Iterable[str]) -> None:
    """Keep the keys, which are below the table's location, for the next tick of its sensor."""
    folder = _folder(home, table)
    folder.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    (folder / name).write_text(json.dumps(list(keys)), encoding="utf-8")
    (folder / name).rename(folder / f"{name}{_SUFFIX}")


def read_hints(home: Path, table: LayerTable, source: Files) -> Hints:
    """The hints of a table; keys that are none of its objects, or say no day, do nothing."""
    folder = _folder(home, table)
    files = sorted(folder.glob(f"*{_SUFFIX}"))[:_MOST] if folder.is_dir() else []
    days = set()
    for file in files:
        with suppress(OSError, ValueError):
            for key in json.loads(file.read_text(encoding="utf-8")):
                for pattern in filter(None, (source.keys, source.marks)):
                    days.add(pattern.day_of(str(key)))
    return Hints(sorted(day for day in days if day is not None), files)


def keys_of_event(text: str, location: Location) -> list[str]:
    """The keys below a location that an event of S3 names, also one that came by way of SNS or SQS.

    S3 encodes keys as in a query: `+` is a space. Objects of other buckets, and others than those
    below the location's prefix, are left out. Raises NoEvent.
    """
    try:
        found = list(_objects(json.loads(text)))
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError):
        raise NoEvent(
            "This is no event of S3: it has no Records with s3.bucket.name and s3.object.key.",
            "Pipe in the JSON of a notification, or name the keys as arguments.",
        ) from None
    prefix = f"{location.prefix}/" if location.prefix else ""
    return [
        key.removeprefix(prefix)
        for bucket, key in found
        if bucket == location.bucket and key.startswith(prefix)
    ]


def _objects(event: Any) -> Iterable[tuple[str, str]]:
    if "Message" in event:  # SNS
        event = json.loads(event["Message"])
    if event.get("Event") == "s3:TestEvent":
        return
    for record in event["Records"]:
        if "body" in record:  # SQS, as Lambda has it
            yield from _objects(json.loads(record["body"]))
        else:
            yield record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])


def _folder(home: Path, table: LayerTable) -> Path:
    return home / _FOLDER / table.path.replace("/", ".")
