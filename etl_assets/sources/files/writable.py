"""A store that is written to as well: the demo drops its partners' files, events are archived.

What is read from a store, tables of files included, is `store.py`, which never writes.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import obstore
from obstore.store import LocalStore

from etl_assets.config import ObjectStoreSettings
from etl_assets.core.errors import SourceError
from etl_assets.sources.files.failures import ERRORS, classify, shown_key
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.remote import client_of
from etl_assets.sources.files.store import open_store
from etl_assets.sources.files.waiting import wait_for


class WritableStore:
    """The store of a URL. A folder that is not there is made; a bucket must be there.

    Raises ConfigError as `open_store`, and SourceUnavailable and SourceError as its listings do.
    """

    def __init__(self, settings: ObjectStoreSettings, url: str) -> None:
        self._store = open_store(settings, url)
        location = self._store.location
        self._writer: Any
        if location.scheme == "file":
            Path(location.prefix).mkdir(parents=True, exist_ok=True)
            # It writes beside the file and then renames, so that nobody reads half of one.
            self._writer = LocalStore(location.prefix)
        else:
            self._writer = client_of(location, settings)

    def __str__(self) -> str:
        return str(self._store.location)

    def is_empty(self) -> bool:
        """Whether there is no object at all."""
        return next(self._store.list(), None) is None

    def keys(self, below: str) -> Sequence[str]:
        """The keys that begin with `below`, which ends with a slash."""
        return [stored.key for stored in self.objects(below)]

    def objects(self, below: str) -> Iterator[StoredObject]:
        """The objects whose keys begin with `below`, which ends with a slash, in their order."""
        for page in self._store.list(below=below):
            yield from (stored for stored in page if stored.key.startswith(below))

    def content(self, stored: StoredObject) -> bytes:
        """The content of exactly the object that was listed; raises what the store's read does."""
        return b"".join(self._store.read(stored))

    def read(self, key: str) -> bytes:
        """The content of an object; raises KeyError for one that is not there."""
        listed = {stored.key: stored for stored in self.objects(key[: key.rfind("/") + 1])}
        return self.content(listed[key])

    def put(self, key: str, content: bytes) -> None:
        """Put an object, over another one if need be."""
        try:
            wait_for(partial(obstore.put, self._writer, key, content))
            return
        except ERRORS as error:
            ours = classify(error, self._store.location)
        raise SourceError(
            f"The object {shown_key(key)} could not be put into {self}. {ours.what}",
            "Give the role of these credentials the right to write there.",
        )
