"""Checks run without a load: they audit what is published, and publish nothing."""

import pytest

from etl_assets_tests.orchestration.shop import (
    CHECK_NAMES,
    DAYS,
    Shop,
    check_names,
    evaluations,
    failed_checks,
    materialised,
)

TABLE = "staged/orders"


def test_the_checks_of_one_day_are_green_after_a_load_and_publish_nothing(shop: Shop) -> None:
    assert shop.load("raw/orders", TABLE, days=DAYS[:2]).success
    before = shop.state(TABLE), [shop.published(TABLE, day) for day in DAYS]

    result = shop.audit(TABLE, DAYS[1])

    assert result.success
    assert [(one.check_name, one.partition, one.passed) for one in evaluations(result)] == [
        (name, str(DAYS[1]), True) for name in CHECK_NAMES
    ]
    assert materialised(result) == {}
    assert before == (shop.state(TABLE), [shop.published(TABLE, day) for day in DAYS])


def test_checks_without_a_day_audit_every_published_day_and_find_what_was_tampered_with(
    shop: Shop,
) -> None:
    assert shop.load("raw/orders", TABLE).success
    on = "(created_at AT TIME ZONE 'UTC')::DATE = "
    shop.warehouse(f"UPDATE staged.orders SET status = 'lost' WHERE {on}'{DAYS[0]}'", write=True)
    shop.warehouse(
        "DELETE FROM staged.orders WHERE order_id = "
        f"(SELECT min(order_id) FROM staged.orders WHERE {on}'{DAYS[1]}')",
        write=True,
    )
    shop.warehouse(
        f"INSERT INTO staged.orders FROM staged.orders WHERE {on}'{DAYS[2]}' LIMIT 1", write=True
    )
    before = shop.state(TABLE), [shop.published(TABLE, day) for day in DAYS]

    result = shop.audit(TABLE)

    first, second, third, last = map(str, DAYS)
    assert failed_checks(result) == {
        (TABLE, first, "value_rules"),
        (TABLE, first, "row_count_against_published"),
        (TABLE, second, "row_count_against_source"),
        (TABLE, third, "unique_key"),
        (TABLE, third, "row_count_against_source"),
    }
    assert shop.check_state(TABLE, "unique_key") == {
        "SUCCEEDED": {first, second, last},
        "FAILED": {third},
    }
    assert before == (shop.state(TABLE), [shop.published(TABLE, day) for day in DAYS])


@pytest.mark.thorough
def test_checks_of_a_day_that_nobody_published_say_nothing(shop: Shop) -> None:
    assert shop.load("raw/orders", TABLE, days=[DAYS[0]]).success
    assert evaluations(shop.audit(TABLE, DAYS[1])) == []


def test_in_a_run_that_loads_the_table_the_load_alone_records_the_checks(shop: Shop) -> None:
    result = shop.load("raw/orders", days=[DAYS[0]])
    assert [one.check_name for one in evaluations(result)] == check_names("raw/orders")
