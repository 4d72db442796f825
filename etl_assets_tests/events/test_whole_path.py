"""W1, A2: from an API, files and webhooks to sessions, and the same tables from the archive alone.

Commands and the pipeline without Dagster, which costs seconds a run; with the real daemon, an S3
and a browser it is `e2e/test_events_dev.py`.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

from click.testing import CliRunner

from etl_assets.cli.main import main
from etl_assets.config import read_settings
from etl_assets.core.partitions import Window
from etl_assets.core.table import LayerTable
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.pipeline.derive import DerivedSource, read_upstream
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.run_days import load
from etl_assets.sources.reads import DaySource
from etl_assets_tests.events.road import Feed, deliver, received, refuses, warehouse, whole
from etl_assets_tests.events.sent import midnight, shop_days
from etl_assets_tests.events.tables_oracle import expected
from etl_assets_tests.http_api.server import serve
from etl_assets_tests.webhook.service import SECRET, running

LONG_AGO = 1_700_000_000
DAYS = 3


class Place:
    """An events database and a warehouse of their own; commands run in this process."""

    def __init__(self, folder: Path, url: str, home: str, today: datetime, **more: str) -> None:
        self.home, self._folder = folder / home, folder
        self.environment = {
            "ETL_HOME": str(self.home),
            "ETL_TABLES": "etl_assets.tables.events",
            "ETL_FIRST_DAY": f"{today - timedelta(days=DAYS):%Y-%m-%d}",
            "EVENTS_DATABASE_URL": url,
            "EVENTS_ARCHIVE_URL": (folder / "archive").as_uri(),
            **more,
        }

    def __call__(self, *words: str) -> str:
        done = CliRunner().invoke(main, ["events", *words], env=self.environment)
        assert done.exit_code == 0, done.output
        return done.output

    def sync(self) -> None:
        """Read what changed, and make all days again that are late then."""
        with self._platform() as platform, platform.spool("run", "sync") as folder:
            for _ in platform.sync(platform.catalog["raw/events"], folder, "run").run():
                pass
            self._make(platform)

    def backfill(self) -> None:
        """Read all days up to today whole, and make everything of them."""
        with self._platform() as platform:
            days = Window(platform.settings.first_day, platform.settings.newest_partition())
            raw = platform.catalog["raw/events"]
            _load(platform, raw, platform.source(raw), list(days.days()))
            self._make(platform)

    @staticmethod
    def _make(platform: Platform) -> None:
        while late := platform.late():
            table = platform.catalog[late[0].table]
            days = [one.day for one in late if one.table == table.path]
            ((name, given),) = table.inputs.items()
            around = sorted({near for day in days for near in given.window_of(day)})
            with platform.spool("run", f"in_{table.name}") as folder:
                upstream = read_upstream(
                    platform.warehouse,
                    platform.catalog[given.asset],
                    given,
                    around,
                    folder,
                    reader=table,
                )
                _load(platform, table, DerivedSource(table, {name: upstream}), days)

    def put(self, key: str, content: bytes) -> None:
        path = self._folder / "store" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (LONG_AGO, LONG_AGO))

    @contextmanager
    def _platform(self) -> Iterator[Platform]:
        with closing(Platform(read_settings(self.environment))) as platform:
            yield platform


def _load(platform: Platform, table: LayerTable, source: DaySource, days: list[date]) -> None:
    with platform.spool("run", table.name) as folder:
        loaded = load(table, source, platform.warehouse, days, folder, "run")
        assert not loaded.refused
        publish_days(platform.warehouse, table, loaded.good, "run")


def test_w1_a2_what_three_sources_send_becomes_sessions_and_the_archive_gives_the_same(
    postgres: EmbeddedPostgres, database_url: str, tmp_path: Path
) -> None:
    today, feed, secret = midnight(), Feed(), {"WEBHOOK_SECRETS_PARTNER_WEBHOOK": SECRET}
    sent = shop_days(today, DAYS)
    half = len(sent) // 2
    with (
        serve(feed.answer) as api,
        running(tmp_path / "webhook", database_url, **secret) as service,
    ):
        more = {"OBJECT_STORE_URL": (tmp_path / "store").as_uri()}
        place = Place(
            tmp_path, database_url, "home", today, HTTP_API_URL_SHOP_EVENTS=api.url, **more
        )
        deliver(sent[:half], "first", feed, place.put, service)
        assert "partner_files: 2 files read" in place("pull")
        place("load", "--once")
        place.sync()
        feed.expire()
        deliver(sent[half:], "second", feed, place.put, service)
        refuses(service, sent[0].payload)
        assert "begun again" in place("pull")
    place("load", "--once")
    place.sync()
    tables = expected(sent, received(database_url, sent))
    assert warehouse(place.home) == tables

    place("archive")
    empty = f"empty_{uuid.uuid4().hex[:12]}"
    postgres.ensure_database(empty)
    again = Place(tmp_path, postgres.url(empty), "other home", today)
    again("replay", "--from", f"{today:%Y-%m-%d}", "--to", "2100-01-01")
    again.backfill()
    assert warehouse(again.home) == tables
    assert whole(again.home) == whole(place.home)
