"""W1, A1, A2: from an API with faults, files in an S3 and webhooks to sessions, by the real daemon.

What is published is held against an oracle; then the archive alone gives the same tables again.
Nobody asks for a run but schedules and sensors, only the sync is not waited a quarter of an hour
for. The commands alone are `events/test_whole_path.py`.
"""

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Page, expect

from etl_assets.config import read_settings
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.e2e.browser import expand_graph, open_page
from etl_assets_tests.e2e.dagster_ui import REPOSITORY, DagsterUI, running_dev, wait_for
from etl_assets_tests.events.road import (
    Feed,
    call,
    deliver,
    publications,
    received,
    refuses,
    warehouse,
    whole,
)
from etl_assets_tests.events.sent import Sent, midnight, shop_days
from etl_assets_tests.events.tables import query
from etl_assets_tests.events.tables_oracle import Row, expected, touched_by
from etl_assets_tests.http_api.server import serve
from etl_assets_tests.s3_server import S3Server
from etl_assets_tests.webhook.service import SECRET, Service, running

pytestmark = pytest.mark.soak

PATIENCE = 400
DAYS = 8
COMMAND = [sys.executable, "-m", "etl_assets.cli"]
SYNC = """mutation ($p: ExecutionParams!) { launchRun(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
GOING = """{ schedulesOrError(repositorySelector: {
    repositoryLocationName: "etl_assets", repositoryName: "__repository__" }) {
  ... on Schedules { results { name scheduleState { status } } } } }"""


@dataclass
class Shop:
    """The platform under test, what has been sent to it, and what its settings are."""

    ui: DagsterUI
    environment: Mapping[str, str]
    feed: Feed
    put: Callable[[str, bytes], None]
    service: Service
    today: datetime
    sent: list[Sent]

    @property
    def home(self) -> Path:
        return Path(self.environment["ETL_HOME"])

    @property
    def url(self) -> str:
        return self.environment["EVENTS_DATABASE_URL"]

    def send(self, sent: Sequence[Sent], name: str) -> None:
        deliver(sent, name, self.feed, self.put, self.service)
        self.sent += sent
        wait_for(self._has_landed, PATIENCE, f"all payloads to land, see {self.ui.log}")
        wait_for(self._is_loaded, PATIENCE, f"all payloads to be loaded, see {self.ui.log}")

    def sync(self) -> None:
        selector = {"repositoryLocationName": "etl_assets", "repositoryName": "__repository__"}
        given = {"selector": {**selector, "jobName": "sync"}, "runConfigData": {}}
        run = self.ui.ask(SYNC, p=given)["launchRun"]
        assert run["__typename"] == "LaunchRunSuccess", run

        def ended() -> str | None:
            status = self.ui.run(run["run"]["runId"])[0]
            return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

        assert wait_for(ended, PATIENCE, f"the sync, see {self.ui.log}") == "SUCCESS"

    def is_right(self) -> dict[str, list[Row]]:
        """Wait until the warehouse is what the oracle says, and return that."""
        tables = expected(self.sent, received(self.url, self.sent))
        try:
            wait_for(
                lambda: quietly(warehouse, self.home) == tables,
                PATIENCE,
                "the tables of the oracle",
            )
        except AssertionError:
            assert warehouse(self.home) == tables
        return tables

    def is_settled(self) -> None:
        """Wait until no derived day is behind its inputs."""
        with closing(Platform(read_settings(self.environment))) as platform:
            wait_for(lambda: not platform.late(), PATIENCE, f"late days, see {self.ui.log}")

    def _has_landed(self) -> bool:
        try:
            received(self.url, self.sent)
        except AssertionError:
            return False
        return True

    def _is_loaded(self) -> bool:
        return not query(self.url, "SELECT 1 FROM staging_events WHERE status = 'pending' LIMIT 1")


def quietly(read: Callable[[Path], Any], home: Path) -> Any:
    """What is read of the warehouse, None while it is not there or somebody writes."""
    try:
        return read(home)
    except duckdb.Error:
        return None


@contextmanager
def loading(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """`etl-assets events load` in a process of its own."""
    with (folder / "load.log").open("w") as log:
        process = subprocess.Popen(
            [*COMMAND, "events", "load"], env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.kill()
            process.wait()


def command(environment: Mapping[str, str], *words: str) -> None:
    done = subprocess.run(
        [*COMMAND, *words], env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr


def settings_of(
    folder: Path,
    postgres: EmbeddedPostgres,
    archive: Mapping[str, str],
    name: str,
    today: datetime,
) -> dict[str, str]:
    """The variables of a platform that has everything of its own but the archive."""
    own = f"{name}_{uuid.uuid4().hex[:12]}"
    for database in (own, f"{own}_dagster"):
        postgres.ensure_database(database)
    return {
        "PYTHONPATH": str(REPOSITORY),
        "ETL_TABLES": "etl_assets.tables.events",
        "ETL_HOME": str(folder / own),
        "ETL_FIRST_DAY": f"{today - timedelta(days=DAYS):%Y-%m-%d}",
        "EVENTS_DATABASE_URL": postgres.url(own),
        "DAGSTER_POSTGRES_URL": postgres.url(f"{own}_dagster"),
        **archive,
    }


@pytest.fixture
def shop(postgres: EmbeddedPostgres, s3: S3Server, tmp_path: Path) -> Iterator[Shop]:
    bucket, feed = s3.bucket(), Feed()
    store = s3.settings(bucket)
    archive = {
        "EVENTS_ARCHIVE_URL": f"s3://{bucket}/archive",
        "OBJECT_STORE_ENDPOINT": store.endpoint or "",
        **store.credentials,
    }
    today = midnight()
    environment = settings_of(tmp_path, postgres, archive, "shop", today)
    url = environment["EVENTS_DATABASE_URL"]
    with (
        serve(feed.answer) as api,
        running(tmp_path / "webhook", url, WEBHOOK_SECRETS_PARTNER_WEBHOOK=SECRET) as service,
    ):
        environment |= {
            "OBJECT_STORE_URL": f"s3://{bucket}/",
            "HTTP_API_URL_SHOP_EVENTS": api.url,
        }
        with loading(environment, tmp_path), running_dev(tmp_path, environment) as ui:

            def put(key: str, content: bytes) -> None:
                s3.put(bucket, key, content)

            yield Shop(ui, environment, feed, put, service, today, [])


def test_w1_a1_a2_events_become_sessions_by_themselves_and_the_archive_gives_the_same(
    shop: Shop, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    today = shop.today
    sent = shop_days(today, DAYS)
    half = len(sent) // 2
    assert _running(shop.ui) >= {"events_schedule", "sync_schedule"}
    shop.send(sent[:half], "first")
    shop.sync()
    shop.is_right()

    shop.feed.expire()
    refuses(shop.service, sent[0].payload)
    shop.send(sent[half:], "second")
    shop.sync()
    shop.is_right()
    assert shop.feed.expired
    assert not shop.feed.faults

    shop.is_settled()
    before = publications(shop.home)
    _send_late(
        shop, Sent("partner_webhook", "late", "cart_add", today - timedelta(days=4), "user:8")
    )
    tables = shop.is_right()
    shop.is_settled()
    now = publications(shop.home)
    assert {key for key, load in now.items() if before.get(key) != load} == touched_by(
        shop.sent[-1]
    )

    with open_page(shop.ui.url) as page:
        _is_shown(page, tmp_path)
    unarchived = "SELECT 1 FROM staging_events WHERE archived_at IS NULL LIMIT 1"
    wait_for(lambda: not query(shop.url, unarchived), PATIENCE, "the archive")
    archive = {
        name: text
        for name, text in shop.environment.items()
        if name.startswith(("EVENTS_ARCHIVE", "OBJECT_STORE_ENDPOINT", "AWS_"))
    }
    again = settings_of(tmp_path, postgres, archive, "again", today)
    days = ["--from", f"{today:%Y-%m-%d}", "--to", "2100-01-01"]
    command(again, "events", "replay", *days)
    command(again, "backfill", "--to", f"{midnight():%Y-%m-%d}")
    assert warehouse(Path(again["ETL_HOME"])) == tables
    assert whole(Path(again["ETL_HOME"])) == whole(shop.home)
    assert _events(again["EVENTS_DATABASE_URL"]) == _events(shop.url)


def _running(ui: DagsterUI) -> set[str]:
    found = ui.ask(GOING)["schedulesOrError"]["results"]
    return {one["name"] for one in found if one["scheduleState"]["status"] == "RUNNING"}


def _send_late(shop: Shop, late: Sent) -> None:
    """By webhook; it is in `events` within five seconds, and how long it takes is printed."""
    call(shop.service, late.payload)
    begin = time.monotonic()
    shop.sent.append(late)
    loaded = f"SELECT 1 FROM events WHERE event_id = '{late.event_id}'"
    while not query(shop.url, loaded):
        assert time.monotonic() - begin < 30
    in_events = time.monotonic() - begin
    shop.sync()
    staged = f"SELECT 1 FROM staged.events WHERE event_id = '{late.event_id}'"

    def is_staged(home: Path) -> bool:
        with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
            return bool(connection.execute(staged).fetchall())

    wait_for(lambda: quietly(is_staged, shop.home), PATIENCE, "the late event in staged/events")
    in_staged = time.monotonic() - begin
    print(f"from 2xx to events {in_events:.2f} s, after a sync to staged/events {in_staged:.1f} s")
    assert in_events < 5


def _events(url: str) -> list[Row]:
    """All that is said of each event, without when and from which row it was loaded."""
    return query(
        url,
        "SELECT to_jsonb(events) - '{staging_id,processed_at,updated_at}'::text[] "
        "FROM events ORDER BY event_id",
    )


def _is_shown(page: Page, folder: Path) -> None:
    """The graph from the sources of events to sessions."""
    expand_graph(page, width=1900, height=700)
    page.keyboard.press("Escape")
    for name in ("shop_api", "partner_files", "partner_webhook", "sessions", "funnel_daily"):
        expect(page.get_by_text(name, exact=True).last).to_be_visible()
    page.screenshot(path=str(folder / "graph.png"))
    page.goto("/assets/enriched/sessions?view=partitions")
    expect(page.get_by_text(f"Materialized ({DAYS + 1})")).to_be_visible()
    page.screenshot(path=str(folder / "sessions.png"))
    page.goto("/assets/source/events/shop_api")
    expect(page.get_by_text("shop_events").first).to_be_visible()
    page.screenshot(path=str(folder / "source.png"))
