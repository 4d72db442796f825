"""What tests of object stores share: stores, listings and contents in few words."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from etl_assets.config import ObjectStoreSettings
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.store import CHUNK, ObjectStore, open_store
from etl_assets_tests.s3_server import MANY, S3Server
from etl_assets_tests.wire.http_proxy import HttpProxy

SECRET = "s3cr3t"
BIG = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(3 * CHUNK // 2 // 32))
"""A chunk and a half."""

MANY_KEYS = [f"{number:06}.csv" for number in range(MANY)]
LATER_PAGES = "continuation-token|start-after"

Put = Callable[[str, bytes], None]
Place = tuple[ObjectStore, Put, Callable[[str], None]]


def on(folder: Path) -> ObjectStoreSettings:
    return ObjectStoreSettings(url=folder.as_uri())


def behind(
    proxy: HttpProxy, s3: S3Server, bucket: str, prefix: str, **given: object
) -> ObjectStore:
    """The store by way of the proxy, which is given up after half a second."""
    settings = {"endpoint": f"http://{proxy.host}", "patience": 0.5, **given}
    return open_store(s3.settings(bucket, prefix, **settings))


def listed(store: ObjectStore, after: str | None = None) -> list[StoredObject]:
    return [stored for page in store.list(after) for stored in page]


def only(store: ObjectStore) -> StoredObject:
    (stored,) = listed(store)
    return stored


def keys(store: ObjectStore, after: str | None = None) -> list[str]:
    return [stored.key for stored in listed(store, after)]


def content(store: ObjectStore, stored: StoredObject) -> bytes:
    return b"".join(store.read(stored))
