"""`etl-assets sync`, `reconcile` and `state`, as a user types them."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl_assets.demo.billing import fill_billing
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.demo.shop import fill_shop
from etl_assets_tests.e2e.command import Commands, Outcome
from etl_assets_tests.source_tables import run


@dataclass(frozen=True)
class Team:
    """A team's database, and the commands that it is synced with."""

    url: str
    commands: Commands

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        return run(self.url, *statements)

    def done(self, *arguments: str) -> Outcome:
        outcome = self.commands.etl_assets(*arguments)
        assert outcome.code == 0, outcome.err
        return outcome


@pytest.fixture(scope="module")
def team(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Team:
    postgres.ensure_database("team")
    fill_shop(postgres.url("team"), days=4, orders_a_day=20)
    fill_billing(postgres.url("team"), days=4, orders_a_day=20)
    home = tmp_path_factory.mktemp("team")
    environment = {
        "ETL_HOME": str(home),
        "DATABASE_URL": postgres.url("team"),
        "DATABASE_URL_BILLING": postgres.url("team"),
        "ETL_LAST_DAY": "2024-01-04",
    }
    return Team(postgres.url("team"), Commands(environment))


def numbers(out: str, table: str) -> list[int]:
    """The numbers of the table's line."""
    (line,) = re.findall(rf"^ *{table} +(.*)$", out, re.MULTILINE)
    return [int(number.replace(",", "")) for number in re.findall(r"(?<!\S)[\d,]+(?!\S)", line)]


@pytest.mark.thorough
def test_a_table_is_synced_changed_synced_reconciled_and_set_back(team: Team) -> None:
    (count,) = team.sql("SELECT count(*) FROM orders")[0]
    first = numbers(team.done("sync", "raw/orders").out, "raw/orders")
    assert first[0] == count
    team.sql(
        "UPDATE orders SET note = 'x', updated_at = now() WHERE id IN (1, 2)",
        "DELETE FROM order_items WHERE order_id = 3",
        "DELETE FROM orders WHERE id = 3",
    )
    assert numbers(team.done("sync", "raw/orders").out, "raw/orders")[1] == 2
    looked = team.commands.etl_assets("reconcile", "raw/orders")
    assert looked.code == 1
    assert "differs from its source in 1 row of 1 day" in looked.message
    repaired = team.done("reconcile", "raw/orders", "--repair")
    assert "repaired" in repaired.out
    assert "etl-assets derive makes it again" in repaired.out.replace("\n", " ")
    shown = team.done("state", "show", "raw/orders").out
    assert re.search(r"verified_through +20", shown)
    moment = datetime.now(UTC) - timedelta(days=1)
    back = team.done("state", "rewind", "raw/orders", "--to", moment.isoformat())
    assert f"goes on from {moment.isoformat()}" in back.out
    forward = team.commands.etl_assets(
        "state", "rewind", "raw/orders", "--to", datetime.now(UTC).isoformat()
    )
    assert (forward.code, "not before it" in forward.message) == (1, True)
    history = team.done("state", "history", "raw/orders").out
    assert "set back by hand" in history
    assert history.count("sync") >= 2
    assert "raw/orders" in team.done("status").out


@pytest.mark.thorough
def test_m5_rows_without_a_day_are_said_by_backfill_sync_and_reconciliation(team: Team) -> None:
    team.sql(
        "ALTER TABLE customers ALTER created_at DROP NOT NULL",
        "UPDATE customers SET created_at = NULL, updated_at = now() WHERE id % 5 = 0",
    )
    ((without,),) = team.sql("SELECT count(*) FROM customers WHERE created_at IS NULL")
    loaded = team.done("backfill", "raw/customers")
    assert loaded.message.count(f"raw/customers: {without} rows of the source have no day") == 1
    synced = team.done("sync", "raw/customers", "--no-derive")
    assert f"raw/customers: {without} rows belong to no day" in synced.message
    compared = " ".join(team.done("reconcile", "raw/customers").out.split())
    assert f"but for {without} rows without a day" in compared


def test_a_table_without_a_cursor_or_of_no_name_is_refused_with_those_that_can(team: Team) -> None:
    refused = team.commands.etl_assets("sync", "staged/orders")
    assert refused.code == 2
    assert "staged/orders is derived from raw/orders" in refused.message
    assert "etl-assets sync raw/orders" in refused.message


@pytest.mark.thorough
def test_a_source_that_is_away_ends_in_one_message_and_a_non_zero_exit(
    team: Team, tmp_path: Path
) -> None:
    away = team.commands.etl_assets(
        "sync",
        "raw/orders",
        DATABASE_URL=f"postgresql://nobody@/nothing?host={tmp_path}",
        ETL_SYNC_PATIENCE_SECONDS="1",
    )
    assert away.code == 1
    assert away.message.count("error:") == 1
    assert "could not be reached" in away.message
