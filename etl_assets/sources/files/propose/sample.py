"""A bounded sample of what is in a store: some keys, and the begin of some objects.

What the sample means is in the modules beside this one.
"""

import re
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from etl_assets.core.errors import SourceError
from etl_assets.core.file_formats import Compression, compression_of
from etl_assets.core.key_patterns import KeyPattern
from etl_assets.core.wording import count_of
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.reading.results import MIB, FileRefused, Limits

if TYPE_CHECKING:
    from etl_assets.sources.files.store import ObjectStore

_HIDDEN = re.compile(r"(?:^|/)[._]")
_SEEN_FOR_ONE = 20  # objects that are listed for each of a sample by a pattern, which may be rare


class Kind(StrEnum):
    """A format of files, as `--format` names it."""

    CSV = "csv"
    JSON_LINES = "jsonl"
    PARQUET = "parquet"


_SUFFIXES = {
    **dict.fromkeys(("csv", "tsv", "tab", "txt", "psv", "dat"), Kind.CSV),
    **dict.fromkeys(("jsonl", "ndjson", "json"), Kind.JSON_LINES),
    **dict.fromkeys(("parquet", "pq"), Kind.PARQUET),
}


@dataclass(frozen=True)
class Bounds:
    """How much is looked at: keys of a listing, objects that are read, expanded bytes of each.

    A Parquet file has its schema at its end: it is read whole, if it is not larger than
    `parquet_bytes`.
    """

    keys: int = 5_000
    objects: int = 5
    bytes: int = 4 * MIB
    parquet_bytes: int = 64 * MIB


@dataclass(frozen=True)
class Listed:
    """The objects that a listing began with; `is_complete` says whether these are all.

    `pattern` is the one that was typed, or a wider one where it describes none of them.
    """

    objects: Sequence[StoredObject]
    is_complete: bool
    pattern: KeyPattern | None = None


@dataclass(frozen=True)
class Begin:
    """The first plain bytes of an object; all of them if it `is_whole`."""

    key: str
    content: bytes
    is_whole: bool


def listed(store: "ObjectStore", bounds: Bounds, only: KeyPattern | None = None) -> Listed:
    """The first objects that hold something and are not hidden (no part begins with . or _).

    With `only`, those that it describes; where it describes none, as those of `orders/*.csv` are in
    folders of days, its * go through folders. Raises SourceError where there are none, and what
    `ObjectStore.list` raises.
    """
    room = bounds.keys if only is None else bounds.keys * _SEEN_FOR_ONE
    seen = list(islice((stored for page in store.list() for stored in page), room + 1))
    full = [s for s in seen[:room] if s.size and not _HIDDEN.search(s.key)]
    if not full:
        told = {0: "no object", 1: "one object, which is empty or hidden"}.get(
            len(seen), f"{count_of(len(seen), 'object')}, all of them empty or hidden"
        )
        raise SourceError(
            f"{store.location} has {told}.",
            "Name a bucket's prefix or a folder that holds files: s3://bucket/prefix.",
        )
    if only is None:
        return Listed(full, is_complete=len(seen) <= room)
    wider = KeyPattern(re.sub(r"\*+", "**", only.text))
    found = {one: [s for s in full if one.matches(s.key)] for one in (only, wider)}
    pattern = only if found[only] else wider
    chosen = found[pattern]
    if not chosen:
        raise SourceError(
            f"{store.location} has {count_of(len(full), 'object')} and none that {only.text!r} "
            f"describes; one is {full[0].key!r}.",
            "Write * for any characters.",
        )
    is_complete = len(seen) <= room and len(chosen) <= bounds.keys
    return Listed(chosen[: bounds.keys], is_complete, pattern)


def kind_of(key: str) -> Kind | None:
    """The format that a key's suffix tells, without that of its compression."""
    name = key.rpartition("/")[2].lower()
    packed = compression_of(name)
    if packed is not Compression.NONE:
        name = name.rpartition(".")[0]
    return _SUFFIXES.get(name.rpartition(".")[2]) if "." in name else None


def sniffed(begin: Begin) -> Kind:
    """The format that the content of an object tells; raises SourceError for what is none."""
    content = begin.content
    if content.startswith(b"PAR1"):
        return Kind.PARQUET
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return Kind.JSON_LINES
    is_utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if content.startswith(b"PK\x03\x04") or (b"\0" in content and not is_utf16):
        raise SourceError(
            f"The format of {begin.key!r} is not known: it is neither CSV, nor JSON Lines, nor "
            "Parquet.",
            "Have it delivered as one of these; say --format if it is one.",
        )
    return Kind.CSV


def begin_of(
    store: "ObjectStore", stored: StoredObject, kind: Kind | None, bounds: Bounds
) -> Begin:
    """The begin of an object, expanded; raises SourceError for what cannot be expanded.

    Raises what `ObjectStore.read` raises.
    """
    most = bounds.parquet_bytes if kind is Kind.PARQUET else bounds.bytes
    if kind is Kind.PARQUET and stored.size > most:
        raise SourceError(
            f"The Parquet file {stored.key!r} has {count_of(stored.size, 'byte')}, and a sample "
            "reads files "
            f"of {count_of(most, 'byte')} at the most.",
            "Name a folder that holds a smaller one of the same table.",
        )
    content, is_whole = bytearray(), True
    packed = Compression.NONE if kind is Kind.PARQUET else compression_of(stored.key)
    try:
        with closing(_plain(store, stored, packed)) as chunks:
            for chunk in chunks:
                content += chunk
                if len(content) > most:
                    is_whole = False
                    break
    except FileRefused as refused:
        raise SourceError(
            f"The object {stored.key!r} of {store.location} cannot be expanded: {refused.reason}.",
            "Have it delivered again, or name a folder without it.",
        ) from None
    return Begin(stored.key, bytes(content[:most]), is_whole)


def _plain(
    store: "ObjectStore", stored: StoredObject, packed: Compression
) -> Generator[bytes, None, None]:
    # What expands is of the extra `files`, and this module is imported for other sources as well.
    from etl_assets.sources.files.reading.expand import expanded

    yield from expanded(store.read(stored), packed, Limits())
