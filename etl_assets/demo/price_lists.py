"""The daily price lists of the demo's suppliers, made up from the shop's plan. Pure.

A supplier sells for one currency, and lists every article that the shop has on that day.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from random import Random
from typing import Final

from etl_assets.demo.chance import seeded
from etl_assets.demo.generate import shop_days
from etl_assets.demo.plan import ShopPlan, bad_prices
from etl_assets.demo.rows import Product
from etl_assets.demo.vocabulary import SUPPLIERS, Supplier

_CENT: Final = Decimal("0.01")


def price_lists(plan: ShopPlan) -> Mapping[str, bytes]:
    """A JSON Lines file for each day and supplier, by key; a few prices are words."""
    bad = set(bad_prices(plan))
    products: list[Product] = []
    shares: dict[tuple[str, int], float] = {}
    objects = {}
    for index, shop_day in enumerate(shop_days(plan)):
        products += shop_day.products
        day = plan.day(index)
        for supplier in SUPPLIERS:
            rng = seeded(plan.seed, "prices", supplier.name, index)
            for product in shop_day.products:
                shares[supplier.name, product.id] = rng.uniform(*supplier.price_shares)
            lines = [
                _line(rng, supplier, product, shares[supplier.name, product.id])
                for product in products
            ]
            if (day, supplier.name) in bad:
                lines[len(lines) // 2]["price"] = "on request"
            objects[_key(day, supplier)] = _packed(lines)
    return objects


def _line(rng: Random, supplier: Supplier, product: Product, share: float) -> dict[str, str]:
    # What it takes for an article stays, but for a few per cent a day.
    thousandths = round(share * rng.uniform(0.98, 1.02) * 1000)
    price = (Decimal(product.price_cents * thousandths) / 100_000).quantize(_CENT, ROUND_HALF_UP)
    return {
        "sku": product.sku,
        "price": str(max(_CENT, price)).replace(".", ","),
        "currency": supplier.currency,
        "in_stock": "yes" if rng.random() < 0.94 else "no",
    }


def _packed(lines: Sequence[Mapping[str, str]]) -> bytes:
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def _key(day: date, supplier: Supplier) -> str:
    return f"supplier_prices/{day:%Y-%m-%d}/{supplier.name}.jsonl"
