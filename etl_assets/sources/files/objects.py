"""What a listing says of an object: enough to know later whether it is still the same one.

Which objects have been loaded is the ledger's, what is in them the readers'.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class StoredObject:
    """An object as it was listed.

    `key` is relative to the store's URL and never begins with a slash. It is any text: only the
    store may make a path of it. `etag` and `version` are the store's own words, None where it has
    none. `size` is in bytes, `modified` the store's moment of the last change (UTC).
    """

    key: str
    etag: str | None
    version: str | None
    size: int
    modified: datetime

    @property
    def identity(self) -> str:
        """What tells two contents under one key apart: a ledger compares it, and nothing else.

        It is the ETag or else the version, and the size. `modified` counts only where the store has
        neither: stores round it to seconds, in which an object may be overwritten twice.
        """
        mark = bare_etag(self.etag) or self.version or f"{self.modified.isoformat()}"
        return f"{mark}:{self.size}"


def bare_etag(etag: str | None) -> str:
    """The ETag without quotes: Azure lists it without them and answers a read with them."""
    return (etag or "").removeprefix("W/").strip('"')
