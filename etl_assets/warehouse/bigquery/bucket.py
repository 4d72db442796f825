"""A folder of a bucket that load jobs read from: files are put there for one job."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from etl_assets.core.errors import WarehouseError


class Bucket:
    """`store` is the folder, `uri` the same as BigQuery names it (gs://bucket/folder)."""

    def __init__(self, store: ObjectStore, uri: str) -> None:
        self._store, self._uri = store, uri.rstrip("/")

    @contextmanager
    def holding(self, path: Path) -> Iterator[str]:
        """The file's URI in the bucket while the block runs; raises WarehouseError."""
        try:
            obstore.put(self._store, path.name, path)
        except BaseError:
            raise WarehouseError(
                f"The bucket of WAREHOUSE_URL ({self._uri}) takes no file.",
                "Grant the account roles/storage.objectUser on it, or leave `bucket` out.",
            ) from None
        try:
            yield f"{self._uri}/{path.name}"
        finally:
            with suppress(BaseError):  # a lifecycle rule takes what is left behind
                obstore.delete(self._store, path.name)
