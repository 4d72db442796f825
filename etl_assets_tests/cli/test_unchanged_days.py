"""`backfill` of days of which nothing changed, and `status` on days that other code made."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl_assets_tests.cli.conftest import Shop

DAYS = ["2024-01-01", "2024-01-02"]
MADE = ("raw/orders", "staged/orders")


@pytest.fixture
def made(shop: Shop, tmp_path: Path) -> Shop:
    """The shop with a warehouse of its own, whose orders are published in both layers. The platform
    has eight days more than the shop."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copy(shop.folder / "warehouse.duckdb", copy)
    own = shop.with_environment(
        WAREHOUSE_URL=f"duckdb://{copy}", ETL_HOME=str(tmp_path / "home"), ETL_LAST_DAY="2024-01-10"
    )
    first = own.run("backfill", "staged/orders")
    assert first.exit_code == 0, first.output
    assert "2 of 2 days" in first.stderr, "of the days that the table can have, not of all ten"
    return own


def line_of(shop: Shop, *arguments: str) -> dict[str, Any]:
    done = shop.run("backfill", *arguments, "--json")
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    return dict(found)


def test_days_of_which_nothing_changed_are_not_made_again_unless_they_are_forced(
    made: Shop,
) -> None:
    again = line_of(made, "staged/orders")
    assert again["loaded"] == again["unchanged"] == DAYS
    told = made.run("backfill", "staged/orders").stderr
    assert "staged/orders: 2 days unchanged, and not made again; --force makes them." in told
    forced = line_of(made, "staged/orders", "--force")
    assert (forced["loaded"], forced["unchanged"]) == (DAYS, [])


@pytest.mark.thorough
def test_days_that_are_read_again_and_are_the_same_are_not_published(made: Shop) -> None:
    again = line_of(made, "raw/orders", "--from", DAYS[0], "--to", DAYS[1])
    assert again["unchanged"] == DAYS
    told = made.run("backfill", "raw/orders", "--from", DAYS[0], "--to", DAYS[1]).stderr
    assert "raw/orders: 2 days loaded again and found unchanged; nothing was published" in told
    assert json.loads(made.run("status", "--json").stdout)["late"] == [
        {"table": "enriched/dim_date", "day": None, "because": "was never made"}
    ]


@pytest.mark.thorough
def test_after_an_upgrade_days_of_files_that_come_out_the_same_are_found_unchanged(
    made: Shop,
) -> None:
    """Version 9 did not remember the code; what became of the objects is in the ledger."""
    first = made.run("backfill", "raw/shipments")
    assert first.exit_code == 0, first.output
    path = made.environment["WAREHOUSE_URL"].removeprefix("duckdb://")

    def made_by(code: str, *more: str) -> None:
        with duckdb.connect(path) as connection:
            connection.execute(
                f"UPDATE etl.etl_state SET made_by = {code} WHERE table_name = 'raw/shipments'"
            )
            for statement in more:
                connection.execute(statement)

    for code in ("NULL", "'before.before'"):
        made_by(code)
        again = line_of(made, "raw/shipments")
        assert again["unchanged"] == again["loaded"] != [], code
        assert "other code" not in made.run("status").stderr, "it is noted that this code made them"
    # Code that counted the rows of an object otherwise has something to say in the ledger.
    made_by("NULL", "UPDATE etl.etl_files SET rows_read = rows_read + 1")
    again = line_of(made, "raw/shipments")
    assert set(again["loaded"]) - {*again["unchanged"]} == {*DAYS}, "the others have no objects"


@pytest.mark.thorough
def test_status_and_plan_name_what_other_code_made_and_the_command_makes_it(made: Shop) -> None:
    assert "other code" not in made.run("status").stderr
    nothing = made.run("plan", *MADE, "--exit-code")
    assert (nothing.exit_code, nothing.stdout[:13]) == (0, "Nothing to do")
    path = made.environment["WAREHOUSE_URL"].removeprefix("duckdb://")
    with duckdb.connect(path) as connection:
        connection.execute(
            "UPDATE etl.etl_state SET made_by = 'before.before' WHERE table_name IN "
            f"{MADE} AND partition_key = '{DAYS[1]}'"
        )
    told = made.run("status").stderr
    assert (
        "Made by other code than that at hand (transform, contract or source): raw/orders (1 day), "
        f"staged/orders (1 day). Make them again: etl-assets backfill {' '.join(MADE)} --from "
        f"{DAYS[1]} --to {DAYS[1]}." in told
    )
    lines = json.loads(made.run("status", "--json").stdout)["published"]
    assert {one["table"]: one["days_of_other_code"] for one in lines} == {
        path: [DAYS[1]] for path in MADE
    }
    for environment in ([], ["--env", "dev"]):
        planned = made.run("plan", *MADE, "--exit-code", *environment)
        assert planned.exit_code == 2, planned.output
        for path in MADE:
            assert (
                f"1 day ({DAYS[1]}) was made by other code than that at hand, and nothing makes it "
                f"again by itself: etl-assets backfill {path} --from {DAYS[1]} --to {DAYS[1]}."
            ) in planned.stdout
        tables = json.loads(made.run("plan", *MADE, "--json", *environment).stdout)["tables"]
        assert {one["table"]: one["of_other_code"] for one in tables} == {
            path: [DAYS[1]] for path in MADE
        }
    command = re.search(r"etl-assets (backfill .*--to \S+)\.", told)
    assert command
    done = made.run(*command[1].split(), "--json")
    assert done.exit_code == 0, done.output
    raw, staged = json.loads(done.stdout)
    assert (raw["unchanged"], staged["unchanged"]) == ([DAYS[1]], []), "the same rows, made anew"
    assert "other code" not in made.run("status").stderr
    assert made.run("plan", *MADE, "--exit-code").exit_code == 0
