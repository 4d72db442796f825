"""An object store as a source of files: what can be asked of it, whichever it is.

Opening one by its URL is here. How each kind answers is in `remote.py` and `local.py`; what is in
an object, which objects are new and what a key means is not the store's.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import ClassVar

from etl_assets.config import ObjectStoreSettings
from etl_assets.core.errors import ConfigError
from etl_assets.sources.files.location import Location, parse_location
from etl_assets.sources.files.objects import StoredObject

PAGE = 1000
"""The most objects of a page, which is also the most that S3 lists at once."""

CHUNK = 8 << 20
"""The most bytes of a chunk of a read."""


class ObjectStore(ABC):
    """What is below a bucket's prefix, or a folder. Nothing is ever written to it.

    `SETTLE` is for how long an object may be written to after it was modified, `SWEEP` how many
    seconds are between two listings of all of it where no setting says so.
    """

    SETTLE: ClassVar[timedelta] = timedelta(0)
    SWEEP: ClassVar[float] = 3600.0

    def __init__(self, location: Location) -> None:
        self.location = location

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.location})"

    @abstractmethod
    def list(self, after: str | None = None, below: str = "") -> Iterator[Sequence[StoredObject]]:
        """Every object, in pages of at most `PAGE` objects; pages are never empty.

        With `below`, which ends with a slash, at least the objects whose keys begin with it, and no
        more than the store finds by itself. A folder that is not there holds none; but the store's
        own folder or bucket must be there, so that one that is away is never taken for empty.
        With `after`, the objects whose keys come after it. Keys ascend by their UTF-8 bytes, so
        that a listing that has used up its time is continued with the last key it gave.
        The iterator ends when everything was listed, and only then. It raises SourceUnavailable
        where the store breaks off and stays away, SourceError where it refuses: what was given
        until then is not all there is.
        """

    @abstractmethod
    def read(self, stored: StoredObject) -> Iterator[bytes]:
        """The content of exactly the object that was listed, in chunks of at most `CHUNK` bytes.

        Raises ObjectChanged if another content stands under the key by now, also in mid-read,
        ObjectGone if none does, SourceUnavailable and SourceError as `list`. Whatever it raises,
        the chunks until then are a beginning of the content and no more; where it ends, they are
        all `stored.size` bytes.
        """


def open_store(settings: ObjectStoreSettings, url: str | None = None) -> ObjectStore:
    """The store of `url`, by default that of OBJECT_STORE_URL; nothing is connected yet.

    Raises ConfigError where there is no URL, or where it or the credentials cannot be used.
    """
    given = url or settings.url
    if given is None:
        raise ConfigError(
            "No object store is named.", "Set OBJECT_STORE_URL, s3://bucket/prefix for example."
        )
    location = parse_location(given, "The URL of the object store" if url else "OBJECT_STORE_URL")
    if location.scheme == "file":
        from etl_assets.sources.files.local import LocalFolder

        return LocalFolder(location)
    from etl_assets.sources.files.remote import RemoteStore

    return RemoteStore(location, settings)
