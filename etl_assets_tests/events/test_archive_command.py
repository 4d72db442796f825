"""`etl-assets events pull`, `archive` and `replay`, from partners' files and an API to events."""

import json
import os
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from etl_assets.cli.main import main
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.events.database import EventsDatabase
from etl_assets_tests.http_api.server import by_cursor, serve
from etl_assets_tests.source_tables import run

DAYS = ("--from", "2024-01-01", "--to", "2100-01-01")
LONG_AGO = 1_700_000_000
ROW = {"event_id": "A-1", "event": "view", "ts": 1_715_940_000, "customer": "7"}
BUY = {"event_id": "A-2", "event": "order", "ts": 1_715_940_100, "customer": "7", "order": "O-1"}


class Terminal:
    """Commands in this process, on a database of events, a store and an archive of their own."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        (folder / "store" / "partner_events").mkdir(parents=True)
        self.environment: dict[str, Any] = {
            "ETL_HOME": str(folder / "home"),
            "EVENTS_DATABASE_URL": url,
            "OBJECT_STORE_URL": (folder / "store").as_uri(),
            "EVENTS_ARCHIVE_URL": (folder / "archive").as_uri(),
        }

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["events", *arguments], env=self.environment)

    def done(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    def drop(self, name: str, *lines: object) -> None:
        path = self.folder / "store" / "partner_events" / name
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        os.utime(path, (LONG_AGO, LONG_AGO))

    def events(self) -> list[tuple[Any, ...]]:
        """All that is said of each event, without when and by what row it was loaded."""
        with (
            closing(EventsDatabase(self.url)) as database,
            database.transaction("reading of a test") as connection,
        ):
            rows = connection.execute(
                "SELECT to_jsonb(events) - '{staging_id,processed_at,updated_at}'::text[] "
                "FROM events ORDER BY event_id"
            )
            return rows.fetchall()


@pytest.fixture
def terminal(database_url: str, tmp_path: Path) -> Terminal:
    return Terminal(database_url, tmp_path)


def test_the_archive_alone_gives_the_same_events(
    terminal: Terminal, postgres: EmbeddedPostgres
) -> None:
    terminal.drop("a.jsonl", ROW, {**ROW, "event_id": "a-1"}, BUY, {**BUY, "ts": 1_715_940_200})
    assert "partner_files: 1 file read, 4 new, 0 known." in terminal.done("pull")
    terminal.done("load", "--once")
    assert "4 payloads archived in 1 object" in terminal.done("archive")
    assert "0 payloads archived" in terminal.done("archive")

    name = f"empty_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(name)
    other = Terminal(postgres.url(name), terminal.folder / "other")
    other.environment["EVENTS_ARCHIVE_URL"] = terminal.environment["EVENTS_ARCHIVE_URL"]
    told = other.done("replay", *DAYS)

    assert "4 payloads of 1 object read, 4 of them landed; 4 rows loaded." in told
    assert other.events() == terminal.events()
    assert len(other.events()) == 2
    assert "0 of them landed" in other.done("replay", *DAYS, "--source", "partner_files")


def test_links_by_hand_are_not_in_the_archive_and_come_back_with_their_table(
    terminal: Terminal, postgres: EmbeddedPostgres
) -> None:
    moment = "2024-05-17T10:00:00Z"
    view = {"id": 1, "type": "page_view", "occurred_at": moment, "anonymous_id": "x"}
    with serve(lambda asked: _as_events(by_cursor([view], 2)(asked))) as api:
        terminal.environment["HTTP_API_URL_SHOP_EVENTS"] = api.url
        terminal.done("pull")
    terminal.done("load", "--once")
    terminal.done("archive")
    assert "1 event changed" in terminal.done("link", "x", "7")
    linked = terminal.events()
    links = run(terminal.url, "SELECT to_jsonb(user_links)::text FROM user_links")

    name = f"empty_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(name)
    terminal.url = terminal.environment["EVENTS_DATABASE_URL"] = postgres.url(name)
    terminal.done("replay", *DAYS)
    assert terminal.events() != linked

    with psycopg.connect(terminal.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO user_links OVERRIDING SYSTEM VALUE "
            "SELECT * FROM jsonb_populate_record(NULL::user_links, %s)",
            links[0],
        )
    assert terminal.done("relink") == "1 event changed.\n"
    assert terminal.events() == linked


def test_a_replay_counts_each_row_once_and_tells_what_is_quarantined(
    terminal: Terminal, postgres: EmbeddedPostgres
) -> None:
    terminal.drop("a.jsonl", ROW, {**ROW, "event_id": "a-1"}, "no event", "nor this")
    terminal.done("pull")
    terminal.done("archive")
    name = f"empty_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(name)
    terminal.environment["EVENTS_DATABASE_URL"] = postgres.url(name)

    told = terminal.run("replay", *DAYS)

    assert "4 of them landed; 2 rows loaded." in told.stdout
    assert "2 rows cannot be read and are quarantined. Column error of" in told.stderr


@pytest.mark.parametrize("source", ["nosuch", "", "partner_files/2024-05-17", ".."])
def test_a_source_that_is_neither_known_nor_archived_is_not_replayed(
    source: str, terminal: Terminal
) -> None:
    terminal.drop("a.jsonl", ROW)
    terminal.done("pull")
    terminal.done("archive")

    refused = terminal.run("replay", *DAYS, "--source", source)

    assert refused.exit_code == 1
    assert f"There is no source of events {source!r}, and the archive file:" in refused.stderr
    assert "Sources are partner_files, partner_webhook, shop_api." in refused.stderr


def test_a_source_that_is_known_no_more_is_replayed_from_the_archive(terminal: Terminal) -> None:
    terminal.drop("a.jsonl", ROW)
    terminal.done("pull")
    terminal.done("archive")
    archived = terminal.folder / "archive" / "events" / "partner_files"
    archived.rename(archived.with_name("once_ours"))

    told = terminal.done("replay", *DAYS, "--source", "once_ours")

    assert "1 payload of 1 object read" in told


def test_a_source_that_is_away_costs_no_other_one(terminal: Terminal) -> None:
    terminal.environment |= {
        "HTTP_API_URL_SHOP_EVENTS": "http://127.0.0.1:9",
        "HTTP_API_PATIENCE_SECONDS": "0",
    }
    terminal.drop("a.jsonl", ROW)

    result = terminal.run("pull")

    assert result.exit_code == 1
    assert "partner_files: 1 file read, 1 new" in result.stdout
    assert "shop_api:" in result.stderr
    assert "Traceback" not in result.output


def test_an_api_is_pulled_page_by_page(terminal: Terminal) -> None:
    events = [{"id": number} for number in range(5)]

    with serve(lambda asked: _as_events(by_cursor(events, 2)(asked))) as api:
        terminal.environment["HTTP_API_URL_SHOP_EVENTS"] = api.url
        assert "shop_api: 3 pages read, 5 new, 0 known." in terminal.done("pull", "shop_api")


def test_what_is_missing_is_named(terminal: Terminal) -> None:
    assert "HTTP_API_URL_SHOP_EVENTS is not set" in terminal.done("pull", "shop_api")
    nobody = terminal.run("pull", "nobody")
    assert (nobody.exit_code, "no source of events 'nobody'" in nobody.stderr) == (1, True)
    assert "calls to the webhook service land by themselves" in terminal.done(
        "pull", "partner_webhook"
    )
    nothing = terminal.run("replay", *DAYS)
    assert (nothing.exit_code, "no object of any source" in nothing.stderr) == (1, True)
    nothing = terminal.run("replay", *DAYS, "--source", "shop_api")
    assert (nothing.exit_code, "no object of shop_api" in nothing.stderr) == (1, True)

    terminal.environment |= {"EVENTS_ARCHIVE_URL": None, "OBJECT_STORE_URL": None}
    nowhere = terminal.run("archive")
    assert (nowhere.exit_code, "Set EVENTS_ARCHIVE_URL" in nowhere.stderr) == (1, True)

    terminal.environment["ETL_EVENT_SOURCES"] = "etl_assets.nothing"
    unknown = terminal.run("pull")
    assert (unknown.exit_code, "ETL_EVENT_SOURCES names" in unknown.stderr) == (1, True)


def test_a_file_that_is_refused_is_named_until_it_changes(terminal: Terminal) -> None:
    path = terminal.folder / "store" / "partner_events" / "cut.jsonl"
    path.write_text(json.dumps(ROW))
    os.utime(path, (LONG_AGO, LONG_AGO))
    pulled = terminal.run("pull", "partner_files")
    assert "0 files read, 0 new, 0 known, 1 refused." in pulled.stdout
    why = 'nothing of "partner_events/cut.jsonl" has landed: its last line has no line end'
    assert why in pulled.stderr
    assert "1 refused" not in terminal.done("pull", "partner_files"), "it is as it was"
    assert why in terminal.run("status").stderr
    (told,) = json.loads(terminal.done("status", "--json"))["refused_files"]
    assert (told["source"], told["key"]) == ("partner_files", "partner_events/cut.jsonl")

    terminal.drop("cut.jsonl", ROW)
    os.utime(path, (LONG_AGO + 60, LONG_AGO + 60))
    assert "1 file read, 1 new" in terminal.done("pull", "partner_files")
    assert "has landed" not in terminal.run("status").stderr


def _as_events(reply: Any) -> Any:
    return type(reply)(reply.body.replace(b'"items"', b'"events"'))
