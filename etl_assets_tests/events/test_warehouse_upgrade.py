"""A warehouse that was filled before `events.linked_user_id` was there, and this release on it."""

import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
from alembic import command

import etl_assets.tables.events as todays
from etl_assets.config import Settings
from etl_assets.events import schema
from etl_assets.events.links import link
from etl_assets.orchestration.commands import sync_tables
from etl_assets.pipeline.platform import Platform
from etl_assets_tests.events.arrivals import ZERO, Meant, fold
from etl_assets_tests.events.store import Store

TODAYS, OLDER = "etl_assets.tables.events", "older_tables_of_events"
A_DAY = 24 * 3600
DAYS = [date(2024, 3, number) for number in range(1, 3)]
ARRIVALS = [Meant(f"d{n}", happened=n * A_DAY + 600, received=5 * A_DAY) for n in range(2)]
LINKED = {
    "d0": (None, "anonymous:someone"),
    "d1": ("7", "user:7"),
}
ADDED = (
    """    linked_user_id: pl.String = _optional(
        description="The user whom the device is linked to at that moment.", personal=True
    )
""",
    """            pl.concat_str(pl.lit("user:"), "linked_user_id"),
""",
)
"""What this release added to the module of the table."""


@dataclass(frozen=True)
class Upgraded:
    """A home with a warehouse, which releases sync one after the other."""

    store: Store
    home: Path

    def sync(self, tables: str) -> None:
        """Sync `raw/events` and make what is late, as the release with these tables does."""
        settings = Settings(
            home=self.home,
            databases={"events": self.store.url},
            tables=(tables,),
            first_day=DAYS[0],
            last_day=DAYS[-1],
        )
        with closing(Platform(settings)) as platform, dg.DagsterInstance.ephemeral() as instance:
            raw = [platform.catalog["raw/events"]]
            done = sync_tables(platform, raw, instance, derive=None)
            assert done.failures == {}
            assert done.derived.succeeded, done.derived.messages
            assert platform.late() == []

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.home / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(query).fetchall()

    def columns(self) -> set[str]:
        return {name for name, *_ in self.ask("DESCRIBE raw.events")}

    def rows(self) -> list[tuple[Any, ...]]:
        return self.ask("SELECT event_id, event_date, product_id FROM raw.events ORDER BY 1")

    def linked(self) -> dict[str, tuple[str | None, str]]:
        """By event the user whom it is linked to, and the visitor."""
        rows = self.ask(
            "SELECT event_id, linked_user_id, visitor_id "
            "FROM raw.events JOIN staged.events USING (event_id)"
        )
        return {event_id: (user, visitor) for event_id, user, visitor in rows}

    def migrate(self, revision: str) -> None:
        with self.store.database.engine.begin() as connection:
            command.downgrade(schema._config(connection), revision)


@pytest.fixture
def upgraded(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upgraded]:
    package = tmp_path / "site" / OLDER
    shutil.copytree(Path(todays.__file__).parent, package)
    module = package / "events.py"
    text = module.read_text()
    for part in ADDED:
        assert text.count(part) == 1
        text = text.replace(part, "")
    assert "linked_user_id" not in text
    module.write_text(text)
    monkeypatch.syspath_prepend(tmp_path / "site")
    yield Upgraded(store, tmp_path / "home")
    for name in [name for name in sys.modules if name.partition(".")[0] == OLDER]:
        del sys.modules[name]


def expected(arrivals: Sequence[Meant]) -> list[tuple[Any, ...]]:
    return [(row[0], row[1], row[7]) for row in fold(arrivals)]


def test_a_warehouse_from_before_links_gains_the_column_and_keeps_its_rows(
    upgraded: Upgraded,
) -> None:
    upgraded.store.land(ARRIVALS)
    upgraded.store.load()
    upgraded.migrate("e0002")
    upgraded.sync(OLDER)
    assert "linked_user_id" not in upgraded.columns()
    assert upgraded.rows() == expected(ARRIVALS)

    upgraded.store.database.migrate()
    upgraded.sync(TODAYS)

    assert "linked_user_id" in upgraded.columns()
    assert upgraded.rows() == expected(ARRIVALS)
    assert set(upgraded.linked().values()) == {(None, "anonymous:someone")}
    _link(upgraded)
    upgraded.sync(TODAYS)
    assert upgraded.rows() == expected(ARRIVALS)
    assert upgraded.linked() == LINKED


@pytest.mark.thorough
def test_links_that_the_release_before_did_not_read_come_with_the_column(
    upgraded: Upgraded,
) -> None:
    upgraded.store.land(ARRIVALS)
    upgraded.store.load()
    _link(upgraded)
    upgraded.sync(OLDER)
    assert "linked_user_id" not in upgraded.columns()

    upgraded.sync(TODAYS)

    assert upgraded.rows() == expected(ARRIVALS)
    assert upgraded.linked() == LINKED


def _link(upgraded: Upgraded) -> None:
    assert link(upgraded.store.database, "someone", "7", ZERO + timedelta(days=1)) == 1
