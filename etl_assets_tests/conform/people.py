"""The demo's people in a small plan, as their systems would have them, for tests."""

from collections.abc import Mapping
from typing import Any

from etl_assets.demo.contacts import contacts
from etl_assets.demo.plan import ShopPlan

PLAN = ShopPlan(days=3, orders_a_day=40)


def good_contacts(plan: ShopPlan = PLAN) -> list[Mapping[str, Any]]:
    """The contacts that are not bad, as the API gives them."""
    return [one for one in contacts(plan) if one["created"] != "last spring"]
