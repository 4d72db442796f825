"""Write, audit, publish: what a refused day leaves behind, and what it does not touch (L7, P1)."""

import json
from collections.abc import Callable

import pytest

from etl_assets_tests.orchestration.shop import (
    DAYS,
    Shop,
    evidence,
    failed_checks,
    failure_message,
    materialised,
)

BAD = DAYS[1]
GOOD = [DAYS[0], DAYS[2], DAYS[3]]


def spoil_orders(shop: Shop, assignment: str) -> None:
    """A tenth of the second day's orders, which is more than is tolerated."""
    shop.sql(f"UPDATE orders SET {assignment} WHERE created_at::date = '{BAD}' AND id % 10 = 0")


def on_record(shop: Shop, path: str) -> dict[str, str]:
    """The days of the table that `status` counts as refused, with the reason of each."""
    ((found,),) = shop.warehouse(
        f"SELECT days_to_reload FROM etl.etl_tables WHERE table_name = '{path}'"
    )
    return json.loads(found) if found else {}


@pytest.fixture(params=["raw/orders", "staged/orders"])
def refused(request: pytest.FixtureRequest, shop: Shop) -> tuple[Shop, str, Callable[[], None]]:
    """A shop whose day is bad in that table after a good load, and whose other days changed; the
    table, and how to mend the day."""
    before, bad, good = {
        "raw/orders": ([], "currency = '€'", "currency = 'EUR'"),
        "staged/orders": (["raw/orders"], "status = 'lost'", "status = 'paid'"),
    }[request.param]
    assert shop.load("raw/orders", "staged/orders").success
    spoil_orders(shop, bad)
    shop.sql(f"UPDATE orders SET note = 'x' WHERE created_at::date <> '{BAD}'")
    if before:
        assert shop.load(*before).success
    return shop, request.param, lambda: spoil_orders(shop, good)


@pytest.mark.thorough_for("raw/orders")
def test_a_refused_day_keeps_what_was_published_and_costs_no_other_day(
    refused: tuple[Shop, str, Callable[[], None]],
) -> None:
    shop, path, _ = refused
    old_rows, old_states = shop.published(path, BAD), shop.state(path)
    aside = f"FROM etl.etl_quarantine WHERE partition_key = '{BAD}' ORDER BY ALL"
    old_aside = shop.warehouse(aside)
    assert old_rows

    result = shop.load(path)

    assert not result.success
    assert shop.published(path, BAD) == old_rows
    assert shop.state(path)[BAD] == old_states[BAD]
    assert materialised(result) == {path: [str(day) for day in GOOD]}
    assert {shop.state(path)[day].run_id for day in GOOD} == {result.run_id}
    assert failed_checks(result) == {(path, str(BAD), "value_rules")}
    assert shop.check_state(path, "value_rules") == {
        "SUCCEEDED": {str(day) for day in GOOD},
        "FAILED": {str(BAD)},
    }
    message = failure_message(result)
    assert f"{path}: 1 of 4 days is not published" in message
    assert f"{BAD}: value_rules (" in message
    assert " rows, " in message, "the rule that was broken most, and some keys"
    assert "rows are bad, and max_bad_share allows 0.01" in message
    assert "thresholds of etl_assets/tables/" in message
    assert shop.warehouse(aside) == old_aside, "what is not published is not set aside either"
    assert list(on_record(shop, path)) == [str(BAD)]
    assert on_record(shop, path)[str(BAD)].startswith("refused by value_rules (")


@pytest.mark.thorough_for("raw/orders")
def test_only_the_refused_day_has_to_be_run_again(
    refused: tuple[Shop, str, Callable[[], None]],
) -> None:
    shop, path, mend = refused
    first = shop.load(path)
    mend()
    if path == "staged/orders":
        shop.load("raw/orders", days=[BAD])
    old = {day: shop.published(path, day) for day in GOOD}

    again = shop.load(path, days=[BAD])

    assert again.success
    assert on_record(shop, path) == {}
    assert materialised(again) == {path: [str(BAD)]}
    assert {day: shop.published(path, day) for day in GOOD} == old
    assert shop.check_state(path, "value_rules") == {"SUCCEEDED": {str(day) for day in DAYS}}
    runs = {day: state.run_id for day, state in shop.state(path).items()}
    assert runs == {**dict.fromkeys(GOOD, first.run_id), BAD: again.run_id}


def test_a_day_that_was_never_published_stays_unpublished_when_it_is_refused(shop: Shop) -> None:
    spoil_orders(shop, "currency = '€'")
    result = shop.load("raw/orders", "staged/orders")
    assert not result.success
    assert sorted(shop.state("raw/orders")) == GOOD
    assert shop.published("raw/orders", BAD) == []
    assert "staged/orders" not in materialised(result), "built on a run that failed"
    assert shop.check_state("raw/orders", "value_rules")["FAILED"] == {str(BAD)}


@pytest.mark.thorough
def test_a_day_is_not_made_of_an_upstream_day_that_was_never_published(shop: Shop) -> None:
    spoil_orders(shop, "currency = '€'")
    assert not shop.load("raw/orders").success
    result = shop.load("staged/orders")
    assert materialised(result) == {"staged/orders": [str(day) for day in GOOD]}
    assert sorted(shop.state("staged/orders")) == GOOD
    assert list(on_record(shop, "raw/orders")) == [str(BAD)]
    assert on_record(shop, "staged/orders") == {}, "it waits for its upstream day"
    message = failure_message(result)
    assert f"raw/orders {BAD} is not published, and staged/orders is made of it" in message
    assert f"etl-assets backfill raw/orders --from {BAD} --to {BAD}" in message


def test_a_run_of_one_refused_day_publishes_nothing_and_shows_every_verdict(shop: Shop) -> None:
    spoil_orders(shop, "currency = '€'")
    result = shop.load("raw/orders", days=[BAD])
    assert not result.success
    assert materialised(result) == {}
    assert shop.state("raw/orders") == {}
    shown = evidence(result, "raw/orders", BAD, "value_rules")
    assert shown["bad_share"] > shown["tolerated_share"]
    assert "staged" not in failure_message(result)


@pytest.mark.thorough
def test_one_bad_row_among_fifty_thousand_is_found(shop: Shop) -> None:
    """P1: the data is checked, all of it, and not only its schema."""
    shop.sql(
        "INSERT INTO orders (id, customer_id, status, total_cents, currency, channel, coupon_code, "
        "created_at, updated_at) SELECT 1000000 + n, 1, CASE n WHEN 43210 THEN 'lost' "
        f"ELSE 'paid' END, 100, 'EUR', 'web', 'SPRING', '{BAD} 12:00+00', '{BAD} 12:00+00' "
        "FROM generate_series(1, 50000) AS n"
    )
    result = shop.load("raw/orders", "staged/orders", days=[BAD])
    assert result.success
    assert shop.warehouse("SELECT source_position FROM etl.etl_quarantine") == [
        ("raw/orders order_id=1043210",)
    ]
    assert shop.warehouse("SELECT count(*) FROM staged.orders WHERE order_id = 1043210") == [(0,)]
    counts = evidence(result, "staged/orders", BAD, "row_count_against_source")
    assert counts["source_rows"] == counts["to_publish"] + counts["quarantined"]
    assert counts["quarantined"] == 1


@pytest.mark.thorough
def test_a_warning_is_red_and_keeps_nothing_from_being_published(shop: Shop) -> None:
    assert shop.load("raw/customers", days=[DAYS[0]]).success
    shop.sql(
        "INSERT INTO customers SELECT 9000 + n, NULL, 'X', 'DE', NULL, NULL, false, NULL, "
        f"'{BAD} 12:00+00', '{BAD} 12:00+00' FROM generate_series(1, 6000) AS n"
    )
    result = shop.load("raw/customers", days=[BAD])
    assert result.success
    assert failed_checks(result) == {("raw/customers", str(BAD), "row_count_against_earlier_days")}
    assert shop.state("raw/customers")[BAD].row_count > 6000
