"""Backfills from a terminal: a bad day costs its own descendants and nothing else."""

from datetime import date

import pytest

from etl_assets.core.partitions import WHOLE
from etl_assets_tests.orchestration.shop import DAYS, Shop

ORDERS = ["raw/orders", "staged/orders", "raw/order_items", "staged/order_items"]
CUSTOMERS = "enriched/dim_customers"
FACTS = [*ORDERS, "raw/customers", CUSTOMERS, "enriched/fact_orders"]


def _without(*days: date) -> set[date]:
    return set(DAYS) - set(days)


def test_a_bad_raw_day_is_missing_downstream_and_every_other_day_is_built(shop: Shop) -> None:
    shop.sql(f"UPDATE orders SET currency = '€' WHERE created_at::date = '{DAYS[1]}'")

    result = shop.backfill(*FACTS)

    bad = {DAYS[1]}
    assert not result.succeeded
    assert result.done == {
        **{path: set(DAYS) for path in FACTS},
        CUSTOMERS: {WHOLE},
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


@pytest.mark.thorough
def test_orders_wait_for_their_dimension(shop: Shop) -> None:
    shop.sql("UPDATE customers SET country = 'EUR' WHERE id % 3 = 0")

    result = shop.backfill(*FACTS)

    # Too many customers break their contract: the dimension is refused, and facts wait for it.
    assert result.failed[CUSTOMERS] == {WHOLE}
    assert result.done["staged/orders"] == set(DAYS)
    assert result.skipped["enriched/fact_orders"] == set(DAYS)
    (message,) = result.messages
    assert "enriched/dim_customers is not published (value_rules (country: str_matches" in message
    assert "etl-assets backfill enriched/dim_customers" in message


@pytest.mark.thorough
def test_a_fact_knows_its_customer_as_of_its_own_time(shop: Shop) -> None:
    ((who, before),) = shop.sql(
        f"SELECT customer_id, country FROM orders JOIN customers c ON c.id = customer_id "
        f"WHERE orders.created_at::date = '{DAYS[1]}' ORDER BY orders.id LIMIT 1"
    )
    shop.sql(f"UPDATE customers SET updated_at = '{DAYS[0]} 01:00+00' WHERE id = {who}")
    assert shop.backfill(*FACTS).succeeded
    after = "FR" if before != "FR" else "DE"
    moved = f"{DAYS[2]} 12:00+00"
    shop.sql(
        f"UPDATE customers SET country = '{after}', updated_at = '{moved}' WHERE id = {who}",
        f"UPDATE orders SET customer_id = {who} WHERE created_at::date = '{DAYS[2]}'",
    )
    assert shop.backfill(*FACTS).succeeded
    facts = shop.warehouse(
        "SELECT created_at >= ? , customer_country, count(*) FROM enriched.fact_orders "
        "WHERE customer_id = ? GROUP BY ALL".replace("?", "'{}'").format(moved, who)
    )
    assert {(late, country) for late, country, _ in facts} == {(False, before), (True, after)}
    assert sum(count for *_, count in facts) >= 120


@pytest.mark.thorough
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


@pytest.mark.thorough
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


@pytest.mark.thorough
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
