"""Whether a day of files is all there, and what its manifest says of each file.

What a spec may declare is `core/completeness.py`; a day that waits is neither listed nor read
otherwise than any other.
"""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from etl_assets.core.completeness import Manifest
from etl_assets.core.source_specs import Files
from etl_assets.core.wording import count_of, is_or_are
from etl_assets.sources.files.failures import shown_key
from etl_assets.sources.files.objects import StoredObject, bare_etag
from etl_assets.sources.files.store import ObjectStore

_LONGEST = 16 << 20  # bytes of a manifest
_TYPES: Mapping[str, type] = {"size": int, "rows": int, "md5": str, "etag": str}


class NotComplete(Exception):
    """Something of a day is missing; the text says what, as the end of a sentence."""


@dataclass(frozen=True)
class Promise:
    """What a manifest says of a file: bytes, rows, MD5 (hex) and ETag, None for what it leaves
    out."""

    size: int | None = None
    rows: int | None = None
    md5: str | None = None
    etag: str | None = None


@dataclass(frozen=True)
class Promises:
    """What is known of the objects of a complete day: its markers, and what the manifests say.

    `by_key` is None for a day without a manifest.
    """

    marks: Collection[str] = ()
    by_key: Mapping[str, Promise] | None = None

    def of(self, stored: StoredObject) -> Promise:
        """What is promised of an object."""
        return (self.by_key or {}).get(stored.key, Promise())

    def broken_by(self, stored: StoredObject) -> str | None:
        """Why the object is not what was promised, as far as its listing tells; None if it is."""
        if self.by_key is None or stored.key in self.marks:
            return None
        if stored.key not in self.by_key:
            return "the manifest of the day does not list it"
        promise = self.of(stored)
        if promise.size not in {None, stored.size}:
            return f"it has {count_of(stored.size, 'byte')}, and the manifest says {promise.size:,}"
        if promise.etag is not None and bare_etag(promise.etag) != bare_etag(stored.etag):
            return f"its ETag is {bare_etag(stored.etag)}, and the manifest says {promise.etag}"
        return None

    def broken_in(self, stored: StoredObject, records: int, md5: str) -> str | None:
        """The same once it was read: how many records it has, and the MD5 of its bytes."""
        promise = self.of(stored)
        if promise.rows not in {None, records}:
            return f"it has {count_of(records, 'row')}, and the manifest says {promise.rows:,}"
        if promise.md5 is not None and promise.md5.lower() != md5:
            return f"its MD5 is {md5}, and the manifest says {promise.md5}"
        return None


@dataclass
class Digested:
    """The chunks of an object, and the MD5 of what has come of them."""

    chunks: Iterator[bytes]
    _md5: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self._md5.update(chunk)
            yield chunk

    def md5(self) -> str:
        """Of all bytes, read to the end if they were not yet."""
        for chunk in self.chunks:
            self._md5.update(chunk)
        return str(self._md5.hexdigest())


def promises_of(
    store: ObjectStore, source: Files, keys: Collection[str], listed: Sequence[StoredObject]
) -> Promises:
    """What is promised of a day with these keys, of which these objects were listed.

    A day without any object is complete: it has nothing that could be loaded half. A manifest that
    was not listed is not read. Raises NotComplete, and what reading a manifest raises.
    """
    marks = source.marks
    if marks is None or source.complete is None or not keys:
        return Promises()
    found = {key for key in keys if marks.matches(key)}
    if not found:
        raise NotComplete(f"{source.complete.key} is not there")
    manifests = [one for one in listed if one.key in found]
    if not manifests or not isinstance(source.complete, Manifest):
        return Promises(found)
    promised: dict[str, Promise] = {}
    for stored in manifests:
        promised |= read_manifest(store, stored)
    if missing := sorted(promised.keys() - set(keys)):
        raise NotComplete(
            f"{len(missing)} of {count_of(len(promised), 'file')} of its manifest "
            f"{is_or_are(len(missing))} not there, "
            f"{shown_key(missing[0])} for one"
        )
    return Promises(found, promised)


def read_manifest(store: ObjectStore, stored: StoredObject) -> dict[str, Promise]:
    """What the manifest says of each key; raises NotComplete where it is none, and as `read`."""
    if stored.size > _LONGEST:
        raise NotComplete(f"its manifest has more than {_LONGEST >> 20} MiB")
    content = b"".join(store.read(stored))
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise NotComplete(f"its manifest {shown_key(stored.key)} is not JSON") from None
    files = found.get("files") if isinstance(found, dict) else found
    folder = stored.key[: stored.key.rfind("/") + 1]
    promised = {}
    for number, entry in enumerate(files if isinstance(files, list) else [None], 1):
        key, promise = _promise(entry, folder)
        if key is None or key in promised:
            raise NotComplete(
                f"entry {number} of its manifest {shown_key(stored.key)} is not an object with "
                "one key or name of its own, and perhaps size, rows, md5, etag"
            )
        promised[key] = promise
    return promised


def _promise(entry: object, folder: str) -> tuple[str | None, Promise]:
    if not isinstance(entry, dict):
        return None, Promise()
    name, key = entry.get("name"), entry.get("key")
    said = {field: entry[field] for field in _TYPES if entry.get(field) is not None}
    is_typed = all(type(value) is _TYPES[field] for field, value in said.items())
    if not is_typed or (isinstance(name, str) == isinstance(key, str)):
        return None, Promise()
    return (key if isinstance(key, str) else f"{folder}{name}"), Promise(**said)
