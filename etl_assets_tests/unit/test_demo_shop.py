"""The demo shop, in a real PostgreSQL."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from etl_assets.demo.filling import FillConflictError
from etl_assets.demo.plan import BAD_ROWS, BadRow, ShopPlan, bad_rows
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.demo.shop import ShopCounts, fill_shop

TABLES = ("customers", "products", "orders", "order_items", "countries")


@pytest.fixture(scope="session")
def server(postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    return postgres


@pytest.fixture(scope="session")
def shop(server: EmbeddedPostgres) -> str:
    """The URL of a database with the shop of the default parameters."""
    server.ensure_database("shop")
    fill_shop(server.url())
    return server.url()


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(statement.encode()).fetchall()


def checksums(url: str) -> dict[str, str]:
    """The SHA-256 of each table's COPY text, in the order in which the rows lie."""
    found = {}
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        for table in TABLES:
            digest = hashlib.sha256()
            with cursor.copy(f"COPY {table} TO STDOUT".encode()) as copy:
                for block in copy:
                    digest.update(block)
            found[table] = digest.hexdigest()
    return found


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(
    server: EmbeddedPostgres, shop: str
) -> None:
    for name in ("again", "other"):
        server.ensure_database(name)
    fill_shop(server.url("again"))
    fill_shop(server.url("other"), seed=7)
    assert checksums(server.url("again")) == checksums(shop)
    same = set(checksums(server.url("other")).items()) & set(checksums(shop).items())
    assert {table for table, _ in same} == {"countries"}, "the countries are no matter of chance"
    marks = [
        query(server.url(name), "SELECT fingerprint FROM demo.shop_fill")
        for name in ("shop", "again", "other")
    ]
    assert marks[0] == marks[1] != marks[2]


def test_filling_again_changes_nothing_and_reports_the_same_counts(shop: str) -> None:
    before = query(shop, "SELECT filled_at FROM demo.shop_fill"), checksums(shop)
    counts = fill_shop(shop)
    assert (query(shop, "SELECT filled_at FROM demo.shop_fill"), checksums(shop)) == before
    stored = [query(shop, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES]
    assert counts == ShopCounts(*stored)
    assert counts.orders == pytest.approx(30 * 400, rel=0.03)


def test_a_shop_of_an_earlier_release_gets_its_countries_and_nothing_else(
    server: EmbeddedPostgres,
) -> None:
    server.ensure_database("earlier")
    url = server.url("earlier")
    now = fill_shop(url, days=2, orders_a_day=20)
    before = checksums(url)
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE countries")
        connection.execute("UPDATE demo.shop_fill SET rows = rows - 'countries'")
    assert fill_shop(url, days=2, orders_a_day=20) == now
    assert checksums(url) == before


def test_every_customer_lives_in_a_country_but_for_the_documented_ones(shop: str) -> None:
    homeless = query(
        shop,
        "SELECT id FROM customers WHERE NOT EXISTS (SELECT FROM countries WHERE code = country)",
    )
    documented = {row.id for row in BAD_ROWS if row.kind == "country_of_three_letters"}
    assert {row[0] for row in homeless} == documented


def test_other_parameters_are_refused_and_the_old_shop_survives(shop: str) -> None:
    before = checksums(shop)
    with pytest.raises(FillConflictError, match=r'"days": 30.*"days": 31'):
        fill_shop(shop, days=31)
    assert checksums(shop) == before


def test_tables_of_somebody_else_are_refused_and_nothing_is_left_behind(
    server: EmbeddedPostgres,
) -> None:
    server.ensure_database("theirs")
    url = server.url("theirs")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE orders (id int)")
    with pytest.raises(FillConflictError, match='"orders" already exists'):
        fill_shop(url)
    assert query(url, "SELECT to_regclass('customers'), to_regnamespace('demo')") == [(None, None)]


def test_two_at_once_fill_one_shop(server: EmbeddedPostgres) -> None:
    server.ensure_database("both")
    with ThreadPoolExecutor() as pool:
        asked = [
            pool.submit(fill_shop, server.url("both"), days=2, orders_a_day=20) for _ in range(2)
        ]
    assert asked[0].result() == asked[1].result()


@pytest.mark.parametrize("size", [{"days": 0}, {"orders_a_day": 0}])
def test_a_shop_without_days_or_orders_is_refused(shop: str, size: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="needs a day"):
        fill_shop(shop, **size)  # type: ignore[arg-type]  # a date is not an int


def test_every_row_is_created_within_the_days_of_the_shop(shop: str) -> None:
    for table in ("customers", "products", "orders"):
        days = query(
            shop,
            f"SELECT min(created_at) >= '2024-01-01 00:00Z', max(created_at) < '2024-01-31 00:00Z',"
            f" count(DISTINCT date_trunc('day', created_at, 'UTC')) FROM {table}",
        )
        assert days == [(True, True, 30)], table


def test_no_order_precedes_its_customer_or_its_products(shop: str) -> None:
    early = """
        SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id
         WHERE o.created_at < c.created_at
        UNION ALL
        SELECT o.id FROM orders o JOIN order_items i ON i.order_id = o.id
          JOIN products p ON p.id = i.product_id WHERE o.created_at < p.created_at
    """
    assert query(shop, early) == []


def test_no_row_is_updated_before_it_was_created_and_some_long_after(shop: str) -> None:
    for table in ("customers", "products", "orders"):
        assert query(shop, f"SELECT id FROM {table} WHERE updated_at < created_at") == []
    items = "SELECT i.id FROM order_items i JOIN orders o ON o.id = order_id"
    assert query(shop, f"{items} WHERE i.updated_at < o.created_at") == []
    late = "SELECT count(*) FROM orders WHERE updated_at > created_at + interval '3 days'"
    past = "SELECT count(*) FROM orders WHERE updated_at BETWEEN '2024-01-31' AND '2025-01-01'"
    ties = "SELECT max(n) FROM (SELECT count(*) n FROM orders GROUP BY updated_at) t"
    for statement in (late, past, ties):
        assert query(shop, statement)[0][0] > 20, statement


def test_totals_add_up_but_for_the_documented_rows(shop: str) -> None:
    wrong = query(
        shop,
        """
        SELECT o.id FROM orders o JOIN order_items i ON i.order_id = o.id GROUP BY o.id
        HAVING o.total_cents <> sum(i.quantity * i.unit_price_cents - i.discount_cents)
                                - coalesce(o.discount_cents, 0)
        """,
    )
    assert {row[0] for row in wrong} == {row.id for row in BAD_ROWS if row.kind == "negative_total"}


def test_the_bad_rows_are_exactly_the_documented_ones(shop: str) -> None:
    found = query(
        shop,
        """
        SELECT 'customers', id, 'email_without_at' FROM customers WHERE email NOT LIKE '%@%'
        UNION ALL SELECT 'customers', id, 'country_of_three_letters' FROM customers
                   WHERE country !~ '^[A-Z]{2}$'
        UNION ALL SELECT 'orders', id, 'negative_total' FROM orders WHERE total_cents < 0
        UNION ALL SELECT 'orders', id, 'unknown_status' FROM orders
                   WHERE lower(status) NOT IN
                         ('pending', 'paid', 'shipped', 'delivered', 'cancelled', 'refunded')
        UNION ALL SELECT 'orders', id, 'infinite_updated_at' FROM orders
                   WHERE updated_at = 'infinity'
        UNION ALL SELECT 'order_items', id, 'zero_quantity' FROM order_items WHERE quantity <= 0
        """,
    )
    assert sorted(BadRow(*row) for row in found) == list(BAD_ROWS)
    assert len(BAD_ROWS) == 15


@pytest.mark.parametrize("orders_a_day", [5, 110, 400, 5000])
def test_bad_orders_stay_below_one_per_cent_of_a_day(orders_a_day: int) -> None:
    plan = ShopPlan(orders_a_day=orders_a_day)
    ids = [row.id for row in bad_rows(plan) if row.table == "orders"]
    for day, count in enumerate(plan.order_counts):
        first = plan.first_order_id(day)
        bad = sum(first <= order_id < first + count for order_id in ids)
        assert bad == 0 or bad <= min(2, 0.01 * count)
    assert bool(ids) == (orders_a_day > 100)


def test_statuses_come_in_mixed_case_and_nulls_where_they_belong(shop: str) -> None:
    spellings = {row[0] for row in query(shop, "SELECT DISTINCT status FROM orders")}
    assert {"Paid", "SHIPPED", "delivered", "Cancelled", "refunded", "pending"} < spellings
    expected = {
        "orders": {"coupon_code": 0.85, "note": 0.92, "discount_cents": 0.80},
        "customers": {"phone": 0.30, "segment": 0.10},
        "products": {"weight_kg": 0.05, "attributes": 0.15},
    }
    for table, shares in expected.items():
        for column, share in shares.items():
            asked = f"SELECT avg(({column} IS NULL)::int)::float8 FROM {table}"
            assert query(shop, asked)[0][0] == pytest.approx(share, abs=0.04), column


def test_notes_hold_what_trips_a_reader_of_csv(shop: str) -> None:
    notes = {row[0] for row in query(shop, "SELECT DISTINCT note FROM orders")}
    assert {"", "NULL", "\\N", '"', None} < notes
    for part in (",", "\n", "\r\n", "\t", "🎁", '"Müller"'):
        assert any(part in note for note in notes if note), part


def test_demand_is_skewed_and_customers_come_back(shop: str) -> None:
    top = """
        SELECT sum(n) FILTER (WHERE place <= 0.1 * places) / sum(n) FROM (
            SELECT count(*) n, row_number() OVER (ORDER BY count(*) DESC) place,
                   count(*) OVER () places FROM {} GROUP BY {}) t
    """
    assert query(shop, top.format("order_items", "product_id"))[0][0] > 0.4
    assert query(shop, top.format("orders", "customer_id"))[0][0] > 0.3
