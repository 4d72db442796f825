"""Backfills from a terminal: a bad day costs its own descendants and nothing else."""

from datetime import date

import pytest

from etl_assets_tests.orchestration.shop import DAYS, Shop

ORDERS = ["raw/orders", "staged/orders", "raw/order_items", "staged/order_items"]
FACTS = [*ORDERS, "raw/customers", "staged/customers", "enriched/fact_orders"]


def _without(*days: date) -> set[date]:
    return set(DAYS) - set(days)


def test_a_bad_raw_day_is_missing_downstream_and_every_other_day_is_built(shop: Shop) -> None:
    shop.sql(f"UPDATE orders SET currency = '€' WHERE created_at::date = '{DAYS[1]}'")

    result = shop.backfill(*FACTS)

    bad = {DAYS[1]}
    assert not result.succeeded
    assert result.done == {
        **{path: set(DAYS) for path in FACTS},
        "raw/orders": _without(*bad),
        "staged/orders": _without(*bad),
        "enriched/fact_orders": _without(*bad),
    }
    assert {path for path, days in result.failed.items() if days} == {"raw/orders"}
    assert {path for path, days in result.skipped.items() if days} == {
        "staged/orders",
        "enriched/fact_orders",
    }
    assert len(result.messages) == 1
    assert f"{DAYS[1]}: value_rules" in result.messages[0]
    assert {path: set(shop.state(path)) for path in FACTS} == result.done


def test_orders_wait_for_the_customers_of_every_day_before_them(shop: Shop) -> None:
    # Facts see all customers up to their day: without the third day's they would lack some.
    shop.sql(f"UPDATE customers SET country = 'EUR' WHERE created_at::date = '{DAYS[2]}'")

    result = shop.backfill(*FACTS)

    assert result.failed["staged/customers"] == {DAYS[2]}
    assert result.done["staged/customers"] == _without(DAYS[2])
    assert result.done["staged/orders"] == set(DAYS)
    assert result.done["enriched/fact_orders"] == {DAYS[0], DAYS[1]}
    assert result.skipped["enriched/fact_orders"] == {DAYS[2], DAYS[3]}


def test_a_fact_knows_customers_up_to_its_day_and_none_of_later_days(shop: Shop) -> None:
    ((later, country),) = shop.sql(
        f"SELECT id, country FROM customers WHERE created_at::date = '{DAYS[2]}' LIMIT 1"
    )
    ((early,),) = shop.sql(f"SELECT min(id) FROM orders WHERE created_at::date = '{DAYS[1]}'")
    ((same_day,),) = shop.sql(f"SELECT min(id) FROM orders WHERE created_at::date = '{DAYS[2]}'")
    shop.sql(f"UPDATE orders SET customer_id = {later} WHERE id IN ({early}, {same_day})")

    assert shop.backfill(*FACTS).succeeded

    facts = shop.warehouse(
        "SELECT order_id, customer_country FROM enriched.fact_orders "
        f"WHERE order_id IN ({early}, {same_day}) ORDER BY order_id"
    )
    assert facts == [(early, None), (same_day, country)]


def test_loading_the_same_days_again_gives_the_same_rows(shop: Shop) -> None:
    assert shop.backfill("raw/orders", "staged/orders").succeeded
    rows = [_data(shop, day) for day in DAYS]
    for _ in range(2):
        assert shop.backfill("raw/orders", "staged/orders").succeeded
    assert [_data(shop, day) for day in DAYS] == rows
    assert all(rows)


def test_m9_a_refused_day_names_rule_keys_and_the_command_to_run_then(shop: Shop) -> None:
    """Keys that stand more than once, on days that are no neighbours."""
    twice = [
        key
        for day in (DAYS[0], DAYS[2], DAYS[3])
        for (key,) in shop.sql(f"SELECT id FROM orders WHERE created_at::date = '{day}' LIMIT 2")
    ]
    shop.sql(
        "ALTER TABLE orders DROP CONSTRAINT orders_pkey CASCADE",
        f"INSERT INTO orders SELECT * FROM orders WHERE id IN ({', '.join(map(str, twice))})",
    )
    result = shop.backfill("raw/orders")
    assert result.failed["raw/orders"] == _without(DAYS[1])
    messages = " ".join(result.messages)
    assert "unique_key: 4 rows, " in messages
    for key in twice:
        assert f"id={key}" in messages
    first, last, only = DAYS[2], DAYS[3], DAYS[0]
    assert f"etl-assets backfill raw/orders --from {only} --to {only}; " in messages
    assert f"etl-assets backfill raw/orders --from {first} --to {last}." in messages


@pytest.mark.parametrize("moment", ["NULL", "'infinity'", "'-infinity'", "'0044-03-15 BC'"])
def test_m5_rows_without_a_day_are_counted_and_said(shop: Shop, moment: str) -> None:
    shop.sql(
        "ALTER TABLE orders ALTER created_at DROP NOT NULL",
        f"UPDATE orders SET created_at = {moment} WHERE id % 40 = 0",
    )
    ((without,),) = shop.sql("SELECT count(*) FROM orders WHERE id % 40 = 0")
    notes: list[str] = []
    shop.platform.on_note = notes.append
    assert shop.backfill("raw/orders").succeeded
    (note,) = notes
    assert f"raw/orders: {without} rows of the source have no day" in note
    assert "created_at is missing, infinite" in note


def test_m5_items_without_their_order_have_no_day_and_whole_tables_say_nothing(shop: Shop) -> None:
    shop.sql(
        "ALTER TABLE order_items DROP CONSTRAINT IF EXISTS order_items_order_id_fkey",
        "UPDATE order_items SET order_id = 1000000 + order_id WHERE order_id < 4",
    )
    ((without,),) = shop.sql("SELECT count(*) FROM order_items WHERE order_id > 1000000")
    notes: list[str] = []
    shop.platform.on_note = notes.append
    assert shop.backfill("raw/order_items", "raw/orders", "raw/countries").succeeded
    assert [note.split(" rows")[0] for note in notes] == [f"raw/order_items: {without}"]


def _data(shop: Shop, day: date) -> list[tuple[object, ...]]:
    """The day's rows without the four audit columns."""
    return [row[:-4] for row in shop.published("staged/orders", day)]
