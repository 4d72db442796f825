"""The rows of the demo shop, made up day by day from a plan. Pure: the same plan, the same rows."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Final

from etl_assets.demo.chance import Pool, later, maybe, midnight, nightly, pick, seeded, times_of
from etl_assets.demo.custom_fields import custom_of
from etl_assets.demo.people import new_customer
from etl_assets.demo.plan import BAD_ITEM_LINE, ITEM_ID_FACTOR, BadKind, ShopPlan, bad_rows
from etl_assets.demo.products import new_product
from etl_assets.demo.rows import Customer, Order, OrderItem, Product, ShopDay
from etl_assets.demo.vocabulary import CHANNELS, COUNTRIES, COUPONS, NOTES, STATUSES

_FIRST_PRODUCTS: Final = 180
# The import of the old shop takes the first minutes of the first day; then it opens.
_OPENING: Final = timedelta(minutes=10)
_LINES: Final = {"1": 0.46, "2": 0.27, "3": 0.15, "4": 0.08, "5": 0.04}
_CURRENCIES: Final = {country.code: country.currency for country in COUNTRIES}


def shop_days(plan: ShopPlan) -> Iterator[ShopDay]:
    """Yield what each day adds to the tables, ids and `created_at` ascending within each table.

    Every `created_at` lies in its day; `updated_at` may be weeks later, past the last day.
    """
    shop = _Shop(plan)
    for index in range(plan.days):
        yield shop.next_day(index)


def shop_customers(plan: ShopPlan) -> Iterator[Customer]:
    """Yield the customers of `shop_days` alone, without the work of making orders."""
    shop = _Shop(plan)
    for index in range(plan.days):
        yield from shop.next_customers(index)


class _Shop:
    """What a day needs to know of the days before it."""

    def __init__(self, plan: ShopPlan) -> None:
        self._plan = plan
        self._bad: dict[tuple[str, int], BadKind] = {
            (bad.table, bad.id): bad.kind for bad in bad_rows(plan)
        }
        self._customers: Pool[Customer] = Pool()
        self._products: Pool[Product] = Pool()
        self._next_customer_id = 1
        self._next_product_id = 1

    def next_day(self, index: int) -> ShopDay:
        rng = seeded(self._plan.seed, "rows", index)
        products = self._new_products(rng, index)
        customers = self._new_customers(rng, index)
        orders: list[Order] = []
        items: list[OrderItem] = []
        first_id = self._plan.first_order_id(index)
        opening = _OPENING if index == 0 else timedelta()
        count = self._plan.order_counts[index]
        moments = times_of(rng, self._plan.day(index), count, opening)
        for order_id, moment in enumerate(moments, start=first_id):
            customer = self._customers.draw(rng, moment)
            status = pick(rng, STATUSES)
            order = Order(
                order_id,
                customer.id,
                status,
                0,
                _CURRENCIES.get(customer.country, "EUR"),
                pick(rng, CHANNELS),
                None,
                maybe(rng, 0.15, tuple(COUPONS)),
                maybe(rng, 0.08, NOTES),
                moment,
                _updated_at(rng, status.lower(), moment),
            )
            lines = self._new_items(rng, order, customer.segment == "business")
            orders.append(self._finish(rng, order, lines))
            items.extend(lines)
        return ShopDay(customers, products, orders, items)

    def next_customers(self, index: int) -> list[Customer]:
        """The customers of the next day, for whom nobody asks what they order."""
        rng = seeded(self._plan.seed, "rows", index)
        self._new_products(rng, index)
        return self._new_customers(rng, index)

    def _new_customers(self, rng: Random, index: int) -> list[Customer]:
        day, count = self._plan.day(index), self._plan.new_customers(index)
        moments = times_of(rng, day, count, timedelta())
        if index == 0:  # imported in a hundred batches, hence with equal times
            start = midnight(day) + timedelta(seconds=30)
            moments = [start + timedelta(seconds=number * 100 // count) for number in range(count)]
        added = []
        for moment in moments:
            customer = new_customer(rng, self._next_customer_id, moment)
            customer = customer._replace(
                custom=custom_of(
                    self._plan.seed, customer.id, customer.updated_at, self._plan.first_day
                )
            )
            kind = self._bad.get(("customers", customer.id))
            if kind == "email_without_at":
                customer = customer._replace(email=f"customer{customer.id}.example.com")
            elif kind == "country_of_three_letters":
                customer = customer._replace(country="XX1")
            added.append(customer)
            # A few buy all the time, most once or twice; capped, so that none is the whole shop.
            self._customers.add(customer, min(rng.paretovariate(1.1), 80.0), moment)
            self._next_customer_id += 1
        return added

    def _new_products(self, rng: Random, index: int) -> list[Product]:
        start = midnight(self._plan.day(index))
        moments = [start] * _FIRST_PRODUCTS
        if index:
            offsets = sorted(rng.uniform(6, 9) for _ in range(rng.randint(1, 4)))
            moments = [later(rng, start, (hours, hours)) for hours in offsets]
        # Zipf: the product of rank r sells like 1/r; newcomers enter anywhere.
        ranks = rng.sample(range(1, _FIRST_PRODUCTS + 1), len(moments))
        added = []
        for rank, moment in zip(ranks, moments, strict=True):
            product = new_product(rng, self._next_product_id, moment)
            added.append(product)
            self._products.add(product, 1 / rank, moment)
            self._next_product_id += 1
        return added

    def _new_items(self, rng: Random, order: Order, is_business: bool) -> list[OrderItem]:
        bought: dict[int, Product] = {}
        for _ in range(int(pick(rng, _LINES))):
            product = self._products.draw(rng, order.created_at)
            bought[product.id] = product  # drawn twice, it stays one line
        items = []
        for line, product in enumerate(bought.values(), start=1):
            quantity = 1 if rng.random() < 0.78 else rng.randint(2, 12 if is_business else 4)
            price = product.price_cents
            if rng.random() < 0.08:  # ordered during a sale
                price = max(1, price * rng.randint(80, 95) // 100)
            discount = price * quantity * rng.randint(5, 15) // 100 if rng.random() < 0.12 else 0
            item_id = order.id * ITEM_ID_FACTOR + line
            changed = order.created_at
            if rng.random() < 0.12:
                changed = later(rng, changed, (0.5, 72))
            items.append(
                OrderItem(item_id, order.id, product.id, quantity, price, discount, changed)
            )
        bad_id = order.id * ITEM_ID_FACTOR + BAD_ITEM_LINE
        if ("order_items", bad_id) in self._bad:  # taken out of the basket, but left in the table
            items.append(items[0]._replace(id=bad_id, quantity=0, discount_cents=0))
        return items

    def _finish(self, rng: Random, order: Order, items: list[OrderItem]) -> Order:
        """Return `order` with its discount and total, spoilt if it is to be a bad row."""
        goods = sum(item.quantity * item.unit_price_cents - item.discount_cents for item in items)
        discount = None
        if order.coupon_code is not None:
            discount = int(goods * COUPONS[order.coupon_code])
        elif rng.random() < 0.06:  # goodwill
            discount = min(goods // 2, rng.choice((100, 250, 500, 1000)))
        order = order._replace(discount_cents=discount, total_cents=goods - (discount or 0))
        match self._bad.get(("orders", order.id)):
            case "negative_total":
                return order._replace(total_cents=-order.total_cents)
            case "unknown_status":
                return order._replace(status="???")
            case "infinite_updated_at":
                return order._replace(updated_at="infinity")
            case _:
                return order


def _updated_at(rng: Random, status: str, created: datetime) -> datetime:
    match status:
        case "pending":
            return created if rng.random() < 0.7 else later(rng, created, (0.1, 48))
        case "paid":
            return later(rng, created, (0.02, 5))
        case "shipped":
            return later(rng, created, (6, 72))
        case "delivered":  # half of them told by the carrier's nightly file
            if rng.random() < 0.5:
                return nightly(rng, created, (2, 8))
            return later(rng, created, (30, 190))
        case "cancelled":
            return later(rng, created, (1, 60))
        case _:
            return later(rng, created, (72, 480))
