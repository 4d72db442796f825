"""Empty stores of S3 and of a folder, and a proxy in front of the S3."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_assets.sources.files.store import open_store
from etl_assets_tests.files.store.objects import Place, on
from etl_assets_tests.s3_server import S3Server
from etl_assets_tests.wire.http_proxy import HttpProxy


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[HttpProxy]:
    with HttpProxy(s3.host) as proxy:
        yield proxy


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.bucket()


@pytest.fixture(params=["s3", "file"])
def place(request: pytest.FixtureRequest) -> Place:
    """An empty store, and what puts an object into it and deletes one."""
    if request.param == "s3":
        server: S3Server = request.getfixturevalue("s3")
        name = server.bucket()
        store = open_store(server.settings(name, "in"))
        return (
            store,
            lambda key, content: server.put(name, f"in/{key}", content),
            lambda key: server.delete(name, f"in/{key}"),
        )
    folder: Path = request.getfixturevalue("tmp_path") / "in"
    folder.mkdir()

    def put(key: str, content: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return open_store(on(folder)), put, lambda key: (folder / key).unlink()
