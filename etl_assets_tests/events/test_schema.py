"""The tables of events: migrations, partitions made by several at once, rights of roles."""

import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from psycopg import sql

from etl_assets.cli.main import main
from etl_assets.config import Settings, read_settings
from etl_assets.core.errors import ConfigError, SourceError, SourceUnavailable
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.events.database import EventsDatabase, open_events
from etl_assets.events.grants import grant
from etl_assets.events.landing import Arrival, Cursor, land
from etl_assets.events.partitions import ensure_partitions, partition_of
from etl_assets.events.schema import newest
from etl_assets_tests.events.tables import query

DAYS = [date(2024, 2, 28) + timedelta(days=n) for n in range(4)]
NOW = datetime(2024, 1, 1, tzinfo=UTC)


def test_the_tables_are_made_from_nothing_and_a_second_time_changes_nothing(
    database_url: str,
) -> None:
    database = EventsDatabase(database_url)
    assert database.migrate() == (None, newest())
    assert database.migrate() == (newest(), newest())
    database.close()
    names = {name for (name,) in query(database_url, "SELECT tablename FROM pg_tables")}
    assert {"staging_events", "event_cursors", "events", "event_ids"} <= names
    assert query(database_url, "SELECT * FROM events_schema_version") == [(newest(),)]


def test_the_first_use_makes_the_tables_also_where_several_begin_at_once(
    database_url: str,
) -> None:
    together = Barrier(3)

    def begin(_: int) -> None:
        database = EventsDatabase(database_url)
        together.wait()
        database.make_ready()
        database.close()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(begin, range(3)))
    assert query(database_url, "SELECT count(*) FROM staging_events") == [(0,)]


def test_a_downgrade_takes_the_tables_away_and_an_upgrade_makes_them_again(
    events: EventsDatabase, database_url: str
) -> None:
    from alembic import command

    from etl_assets.events import schema

    with events.engine.begin() as connection:
        command.downgrade(schema._config(connection), "base")
    left = query(database_url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert left == [("events_schema_version",)]
    assert events.migrate() == (None, newest())


def test_tables_of_a_newer_release_are_refused(events: EventsDatabase, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE events_schema_version SET version_num = 'e9999'")
    with pytest.raises(SourceError, match=r"newer release \(revision e9999\)\. Install"):
        events.make_ready()


def test_a_database_that_is_away_is_named_with_its_setting_and_without_secrets() -> None:
    database = EventsDatabase("postgresql://me:c4n4ry@127.0.0.1:1/events")
    with pytest.raises(SourceUnavailable, match="EVENTS_DATABASE_URL") as caught:
        database.make_ready()
    assert str(caught.value).startswith("The database of events at 127.0.0.1:1")
    assert "c4n4ry" not in str(caught.value)


def test_partitions_are_made_once_by_any_number_of_makers(
    events: EventsDatabase, database_url: str
) -> None:
    together = Barrier(4)

    def make(_: int) -> list[date]:
        together.wait()
        with events.transaction("making partitions") as connection:
            return ensure_partitions(connection, DAYS)

    with ThreadPoolExecutor(4) as pool:
        made = [day for days in pool.map(make, range(4)) for day in days]
    assert sorted(made) == DAYS
    attached = query(
        database_url,
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'events'::regclass",
    )
    assert sorted(attached) == sorted((partition_of(day),) for day in DAYS)


INSERT = (
    "INSERT INTO events (event_id, event_date, source, received_at, quality, placed_by, "
    "staging_id, payload_digest, processed_at, updated_at) "
    "VALUES (%s, %s, 'shop', now(), 'valid', 'source', 1, '', now(), now())"
)


def test_a_partition_is_made_while_others_write_to_events(events: EventsDatabase) -> None:
    with events.transaction("making partitions") as connection:
        ensure_partitions(connection, DAYS[:1])
    with events.transaction("writing") as writing:
        writing.execute(INSERT, ["a", DAYS[0]])
        with events.transaction("making partitions") as connection:
            connection.execute("SET LOCAL lock_timeout = '2s'")
            assert ensure_partitions(connection, DAYS[1:2]) == DAYS[1:2]
        writing.execute(INSERT, ["b", DAYS[1]])


@pytest.fixture
def role(database_url: str) -> Iterator[str]:
    name = f"role_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_the_ingest_role_may_land_and_nothing_else(
    events: EventsDatabase, database_url: str, role: str
) -> None:
    with events.transaction("granting") as connection:
        grant(connection, role, "ingest")
    ingest = EventsDatabase(database_url.replace("postgres:", f"{role}:", 1))
    ingest.make_ready()
    arrivals = [Arrival("shop", f"e{n}", b"{}", NOW) for n in range(600)]
    for some in (arrivals, arrivals[:3]):
        with ingest.transaction("landing") as connection:
            land(connection, some, Cursor("shop", "1"))
    earlier = [Arrival("shop", "e1", b"{}", NOW - timedelta(days=1))]
    with ingest.transaction("landing") as connection:
        land(connection, earlier)
    for refused in (
        "SELECT payload FROM staging_events",
        "DELETE FROM staging_events",
        "SELECT * FROM events",
        "UPDATE staging_events SET payload = ''",
        "CREATE TABLE mine (id int)",
    ):
        with (
            pytest.raises(SourceError, match="42501"),
            ingest.transaction("landing") as connection,
        ):
            connection.execute(refused)
    ingest.close()


def test_a_role_that_lands_pulls_files_and_is_told_who_may_do_the_rest(
    events: EventsDatabase, database_url: str, role: str, tmp_path: Path
) -> None:
    folder = tmp_path / "store" / "partner_events"
    folder.mkdir(parents=True)
    for name in ("a.jsonl", "b.jsonl"):
        (folder / name).write_text('{"event_id": "A-1"}\n')
        os.utime(folder / name, (1_700_000_000, 1_700_000_000))
    environment = {
        "ETL_HOME": str(tmp_path / "home"),
        "EVENTS_DATABASE_URL": database_url.replace("postgres:", f"{role}:", 1),
        "OBJECT_STORE_URL": (tmp_path / "store").as_uri(),
        "EVENTS_ARCHIVE_URL": (tmp_path / "archive").as_uri(),
    }

    def run(*words: str) -> Result:
        return CliRunner().invoke(main, ["events", *words], env=environment)

    assert "events grants ROLE, where ROLE is" in run("pull", "partner_files").stderr
    with events.transaction("granting") as connection:
        grant(connection, role, "ingest")
    done = run("pull", "partner_files")
    assert done.exit_code == 0
    assert done.stderr.startswith("Pulled after ")
    assert "2 files read, 1 new, 1 known" in done.stdout
    os.utime(folder / "a.jsonl", (1_700_000_001, 1_700_000_001))  # it is read once more
    assert "1 file read, 0 new, 1 known" in run("pull", "partner_files").stdout

    for command in (("load", "--once"), ("archive",), ("link", "x", "7")):
        refused = run(*command)
        assert refused.exit_code == 1
        assert "name the role that owns the tables" in refused.stderr
        assert "grants gives no other role these rights" in refused.stderr
    assert "events grants ROLE --for read" in run("status").stderr
    with events.transaction("granting") as connection:
        grant(connection, role, "read")
    assert (run("status").exit_code, run("links").exit_code) == (0, 0)


def test_rights_for_a_role_that_is_not_there_are_refused(events: EventsDatabase) -> None:
    with (
        pytest.raises(ConfigError, match="no role nobody"),
        events.transaction("granting") as connection,
    ):
        grant(connection, "nobody", "read")


def test_the_commands_migrate_and_grant(
    database_url: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTS_DATABASE_URL", database_url)
    first = CliRunner().invoke(main, ["events", "migrate"])
    again = CliRunner().invoke(main, ["events", "migrate"])
    assert f"now at revision {newest()} (before: none)" in first.output
    assert f"up to date (revision {newest()})" in again.output
    granted = CliRunner().invoke(main, ["events", "grants", role, "--for", "read"])
    tables = "events, event_ids, user_links, events_schema_version"
    assert f'GRANT SELECT ON {tables} TO "{role}";' in granted.output


def test_without_a_setting_and_without_the_demo_there_is_no_database_of_events(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match="EVENTS_DATABASE_URL is not set, so there is no"):
        open_events(Settings(home=tmp_path))


def test_the_demos_server_has_a_database_of_events(
    postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("etl_assets.demo.shared_use.shared_postgres", lambda _folder: postgres)
    database = open_events(Settings(home=tmp_path, demo=True))
    with database.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT current_database()")).scalar() == "events"
    database.close()


def test_the_database_of_events_is_a_connection_of_tables_by_its_own_variable() -> None:
    settings = read_settings({"EVENTS_DATABASE_URL": "postgresql://h/e"})
    assert dict(settings.databases) == {"events": "postgresql://h/e"}
    assert settings.events_database_url == "postgresql://h/e"
    with pytest.raises(ConfigError, match="DATABASE_URL_EVENTS is not read"):
        read_settings({"DATABASE_URL_EVENTS": "postgresql://h/e"})
