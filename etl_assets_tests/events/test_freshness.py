"""How fresh each source of events is, as `etl-assets status` shows it."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from etl_assets.cli.main import main
from etl_assets.events.database import EventsDatabase
from etl_assets.events.freshness import MOST, freshness_of
from etl_assets.events.grants import grant
from etl_assets_tests.events.arrivals import Meant
from etl_assets_tests.events.store import Store

_FILL = """
    INSERT INTO staging_events (source, event_id, payload, digest, ingested_at, status)
    SELECT 'shop_api', 'e' || n, '{{}}', sha256(n::text::bytea),
        timestamptz '2024-05-17 00:00Z' + n * interval '1 s', '{status}'
    FROM generate_series({first}, {last}) AS n
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty warehouse, and no database of events."""
    monkeypatch.setenv("ETL_HOME", str(tmp_path))
    monkeypatch.delenv("EVENTS_DATABASE_URL", raising=False)
    monkeypatch.delenv("WAREHOUSE_URL", raising=False)
    return tmp_path


def status(*words: str) -> Result:
    return CliRunner().invoke(main, ["status", *words], catch_exceptions=False)


@pytest.mark.usefixtures("home")
def test_each_source_has_its_newest_arrival_and_what_waits(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "source" not in status().output, "no database of events is configured"
    monkeypatch.setenv("EVENTS_DATABASE_URL", store.url)
    assert "Events by source" not in status().output, "nothing has arrived yet"
    store.land([Meant("c", is_broken=True)])
    store.load()
    store.land([Meant("a", "partner_files", received=60), Meant("b", "partner_files")])
    oldest, newest = store.sql(
        "SELECT ingested_at FROM staging_events WHERE source = 'partner_files' ORDER BY 1"
    )
    shown = status()
    assert shown.exit_code == 0
    lines = [line.split() for line in shown.stdout.splitlines()]
    (files,) = [line for line in lines if line[:1] == ["partner_files"]]
    assert files[1:3] == f"{newest[0]:%Y-%m-%d %H:%M:%S}".split()
    assert files[5:6] == ["2"], "two are pending"
    (api,) = [line for line in lines if line[:1] == ["shop_api"]]
    assert api[-3:] == ["0", "—", "1"]
    assert "Events of shop_api are quarantined" in shown.stderr
    assert "etl-assets events retry" in shown.stderr
    told = CliRunner().invoke(main, ["events", "status", "--json"], catch_exceptions=False)
    first, second = json.loads(told.stdout)["sources"]
    assert (first["source"], first["pending"], first["quarantined"]) == ("partner_files", 2, 0)
    assert first["oldest_pending_at"] == oldest[0].isoformat()
    assert (second["source"], second["oldest_pending_at"]) == ("shop_api", None)


def test_a_long_queue_is_counted_in_part_and_from_the_index(store: Store) -> None:
    store.sql(
        _FILL.format(status="pending", first=1, last=MOST + 5),
        _FILL.format(status="loaded", first=MOST + 6, last=MOST + 2_000),
        "ANALYZE staging_events",
    )
    with psycopg.connect(store.url) as connection:
        (found,) = freshness_of(connection)
        (scans,) = connection.execute(
            "SELECT coalesce(seq_scan, 0) FROM pg_stat_xact_user_tables "
            "WHERE relname = 'staging_events'"
        ).fetchone() or (None,)
    assert (found.pending, found.quarantined, scans) == (MOST + 1, 0, 0)
    assert found.oldest_pending_at is not None
    assert (found.newest_at - found.oldest_pending_at).total_seconds() == MOST + 1_999


@contextmanager
def silent() -> Iterator[int]:
    """A port that takes a connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("is_there", [False, True], ids=["nobody listens", "nobody answers"])
def test_a_database_that_is_away_is_one_line_and_soon(
    is_there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    status()  # the imports
    with silent() as port:
        at = port if is_there else 1
        monkeypatch.setenv("EVENTS_DATABASE_URL", f"postgresql://u:pw@127.0.0.1:{at}/events")
        began = time.monotonic()
        shown = status()
    assert time.monotonic() - began < 15, "three seconds, on a busy machine"
    assert shown.exit_code == 0
    assert "Nothing is published yet" in shown.stdout
    (warning,) = shown.stderr.splitlines()
    assert warning.startswith("warning: Events: The database of events at 127.0.0.1")
    assert "pw" not in warning


@pytest.mark.usefixtures("home")
def test_tables_that_are_missing_are_told_and_not_made(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTS_DATABASE_URL", database_url)
    shown = status()
    assert shown.exit_code == 0
    (warning,) = shown.stderr.splitlines()
    assert "Run etl-assets events migrate" in warning
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT to_regclass('public.staging_events')").fetchone()
    assert found == (None,)


def test_who_may_only_read_events_sees_how_fresh_they_are(
    store: Store, events: EventsDatabase
) -> None:
    store.land([Meant("a")])
    role = "only_reads_freshness"
    store.sql(f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role}")
    with events.transaction("granting") as connection:
        grant(connection, role, "read")
    with psycopg.connect(store.url) as connection:
        connection.execute(f"SET ROLE {role}")
        (found,) = freshness_of(connection)
        assert found.pending == 1
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT payload FROM staging_events")
    store.sql(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
