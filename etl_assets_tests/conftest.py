"""What all tests share: an embedded PostgreSQL, one with ICU, a BigQuery emulator, an S3 a session.

Each starts when the first test asks for it; a test makes a database, dataset or bucket of its own.
"""

import gc
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import psutil
import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from etl_assets.core.personal import hash_with
from etl_assets.demo.server import EmbeddedPostgres, start_postgres
from etl_assets_tests.bigquery_environment import NoInterpreter
from etl_assets_tests.bigquery_server import EmulatedBigQuery, start_bigquery
from etl_assets_tests.contract.backends import Backend
from etl_assets_tests.contract.every_backend import BACKENDS
from etl_assets_tests.debian_postgres import (
    INSTALL,
    NoDebianPostgres,
    start_debian_postgres,
    stop_debian_postgres,
)
from etl_assets_tests.missing import lacking
from etl_assets_tests.new_database import empty_database
from etl_assets_tests.run_summary import pytest_terminal_summary
from etl_assets_tests.s3_server import S3Server, start_s3
from etl_assets_tests.scheduling import long_ones_first, pytest_xdist_make_scheduler, sort_out

__all__ = ["pytest_terminal_summary", "pytest_xdist_make_scheduler"]  # pytest looks for them here

gc.disable()  # until all tests are collected

# On a busy machine the imports of a first example alone take seconds.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

IN_MEMORY, ROOM = Path("/dev/shm"), 8_000_000_000
if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM:
    # DuckDB waits for the disk with each commit: half of what a small test takes. A run needs 2 GB.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))

ON_DISK = "etl-tests-"
"""What the folders of the tests' own PostgreSQL begin with; the session's process follows."""

hash_with(lambda: b"of the tests")  # personal keys are hashed alike in every run

QUICKER_WITHOUT = ["fsync", "full_page_writes", "autovacuum"]
"""What the tests' server does without: it need not outlive the machine's own end, and a thousand
databases of a few rows each keep the autovacuum busy. Kills of its processes lose nothing."""


@pytest.hookimpl(tryfirst=True)  # before pytest deselects by markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    sort_out(items)
    long_ones_first(items)


def pytest_collection_finish() -> None:
    """Five thousand tests are there to stay: the collector need not look at them."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _no_instance_of_an_earlier_test() -> Iterator[None]:
    """Dagster keeps the storage of an open instance in a context variable, and may leave it there.

    Contexts that it makes for tests end when they are collected, in any order, and put back what
    stood there before: definitions that another test makes then ask an instance that is gone.
    """
    state = sys.modules.get("dagster._core.storage.defs_state.base")
    with state.set_defs_state_storage(None) if state else nullcontext():
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    # Not with the others: a thousand databases of a few rows have 10 GB, too much for the memory.
    _remove_what_killed_runs_left()
    with tempfile.TemporaryDirectory(prefix=f"{ON_DISK}{os.getpid()}-") as folder:
        yield from _running(Path(folder) / "postgres")


def _remove_what_killed_runs_left() -> None:
    """The folders of sessions that ended without their fixtures; a server without one ends."""
    for folder in Path(tempfile.gettempdir()).glob(f"{ON_DISK}*"):
        owner = folder.name.removeprefix(ON_DISK).partition("-")[0]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _running(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    server = start_postgres(data_dir)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        for name in QUICKER_WITHOUT:
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(name)))
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.stop(immediately=True)


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    return empty_database(postgres, "test")


@pytest.fixture(scope="session")
def bigquery_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatedBigQuery]:
    """Skips the test where no interpreter can run it, but in CI that is a failure."""
    try:
        server = start_bigquery(tmp_path_factory.mktemp("bigquery"))
    except NoInterpreter as missing:
        lacking(str(missing), "uv python install 3.13")
    yield server
    server.stop()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Each of the warehouses in turn, with one of its kind that belongs to the test's folder."""
    found = BACKENDS[request.param]
    found.prepare(request, tmp_path)
    yield found
    found.clean(tmp_path)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = start_s3(tmp_path_factory.mktemp("s3") / "server.log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def icu_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server whose text sorts by ICU's rules for English, not by its bytes.

    Skips the test where Debian's PostgreSQL is not installed, but in CI that is a failure.
    """
    folder = tmp_path_factory.mktemp("icu")
    try:
        url = start_debian_postgres(folder)
    except NoDebianPostgres as missing:
        lacking(str(missing), INSTALL)
    yield url
    stop_debian_postgres(folder)


@pytest.fixture
def icu_database_url(icu_postgres: str) -> str:
    """A database of the test's own on that server."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(icu_postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return icu_postgres.replace("/postgres?", f"/{name}?", 1)
