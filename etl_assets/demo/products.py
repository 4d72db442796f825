"""Products of the demo shop, made up."""

import json
import math
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any

from etl_assets.demo.chance import later
from etl_assets.demo.rows import Product
from etl_assets.demo.vocabulary import CATEGORIES, COLOURS, ORIGINS, Category


def new_product(rng: Random, product_id: int, created: datetime) -> Product:
    """Return a product that is in the catalogue from `created` (UTC)."""
    category = rng.choice(CATEGORIES)
    name = f"{rng.choice(category.makes)} {rng.choice(category.articles)}"
    colour = rng.choice(COLOURS)
    if rng.random() < 0.35:
        name = f"{name}, {colour}"
    return Product(
        product_id,
        f"{category.code}-{product_id:05d}",
        name,
        category.name,
        _price_cents(rng, category),
        _weight(rng, category) if rng.random() < 0.95 else None,
        sorted(rng.sample(category.tags, rng.randint(0, min(4, len(category.tags))))),
        json.dumps(_attributes(rng, colour), ensure_ascii=False) if rng.random() < 0.85 else None,
        created,
        created if rng.random() < 0.7 else later(rng, created, (4, 600)),
    )


def _spread(rng: Random, low: float, high: float) -> float:
    """Return a number of the range, each order of magnitude as likely as the next."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def _price_cents(rng: Random, category: Category) -> int:
    euros = max(2, round(_spread(rng, *category.cents) / 100))
    return euros * 100 - rng.choice((1, 5, 10))


def _weight(rng: Random, category: Category) -> Decimal:
    return Decimal(round(_spread(rng, *category.kilograms) * 1000)).scaleb(-3)


def _attributes(rng: Random, colour: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {"colour": colour, "origin": rng.choice(ORIGINS)}
    if rng.random() < 0.5:
        attributes["warranty_months"] = rng.choice((12, 24, 36, 60))
    if rng.random() < 0.4:
        attributes["dimensions_cm"] = [rng.randint(5, 120) for _ in range(3)]
    if rng.random() < 0.2:
        attributes["rating"] = {"mean": round(rng.uniform(2.5, 5), 2), "count": rng.randint(1, 900)}
    if rng.random() < 0.05:  # above 2^53: floats would change it
        attributes["supplier_ref"] = 9_007_199_254_740_993 + rng.randint(0, 10**6)
    return attributes
