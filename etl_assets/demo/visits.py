"""What visitors do in the demo's shop, made up from its plan. Pure; no source is known here.

How each source words it is `event_payloads.py`.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Final, Literal, NamedTuple

from etl_assets.demo.chance import midnight, pick, seeded, times_of
from etl_assets.demo.plan import ShopPlan

_SHARES: Final = {"web": 0.62, "mobile": 0.24, "marketplace": 0.14}
_VISITS: Final = 0.1  # for each order a day that the shop has
_DEVICES, _PRODUCTS = 900, 60
_SHARED_EVERY: Final = 25  # one device in so many is shared, and is used more than others
_OF_SHARED: Final = 0.15
_DAY: Final = timedelta(days=1)

Kind = Literal["page_view", "product_view", "cart_add", "cart_remove", "purchase"]
"""What a visitor may do."""


class Action(NamedTuple):
    """One thing that a visitor did; `at` is UTC. `user` is known from the cart on, if at all."""

    number: int
    at: datetime
    kind: Kind
    channel: str
    device: str
    user: str | None
    product: str | None = None
    order: str | None = None
    quantity: int | None = None
    price: Decimal | None = None
    currency: str | None = None


def actions_of(plan: ShopPlan, day: date, salt: str = "") -> Sequence[Action]:
    """The actions of the visits that begin on a day of the plan, in the order of their moments.

    They are numbered from 0, and the same for the same plan and `salt`. What would be done after
    the plan's last day is not done.
    """
    index = (day - plan.first_day).days
    if not 0 <= index < plan.days:
        return ()
    rng = seeded(plan.seed, "visits", index, salt)
    end = midnight(plan.day(plan.days - 1)) + _DAY
    visits = max(1, round(plan.orders_a_day * _VISITS))
    done = [
        action
        for began in times_of(rng, day, visits, timedelta(0))
        for action in _visit(rng, plan, index, began)
        if action.at < end
    ]
    done.sort(key=lambda action: action.at)
    return tuple(action._replace(number=number) for number, action in enumerate(done))


def _visit(rng: Random, plan: ShopPlan, index: int, began: datetime) -> Iterator[Action]:
    channel, device = pick(rng, _SHARES), rng.randint(1, _DEVICES)
    if rng.random() < _OF_SHARED:
        device -= device % _SHARED_EVERY
    user = _user_of(device, index) if rng.random() < 0.6 else None
    at = began

    def action(kind: Kind, **more: Any) -> Action:
        return Action(0, at, kind, channel, f"d-{device:04d}", None)._replace(**more)

    yield action("page_view")
    in_cart: list[str] = []
    for _ in range(rng.randint(0, 4)):
        at += timedelta(seconds=rng.randint(8, 400))
        product = str(rng.randint(1, _PRODUCTS))
        yield action("product_view", product=product)
        if rng.random() < 0.4:
            at += timedelta(seconds=rng.randint(3, 90))
            in_cart.append(product)
            yield action("cart_add", product=product, user=user, quantity=1)
    if len(in_cart) > 1 and rng.random() < 0.3:
        at += timedelta(seconds=rng.randint(5, 60))
        yield action("cart_remove", product=in_cart.pop(), user=user, quantity=1)
    if in_cart and rng.random() < 0.6:
        at += timedelta(seconds=rng.randint(20, 600))
        order = plan.first_order_id(index) + rng.randrange(plan.order_counts[index])
        price = Decimal(rng.randint(490, 24_900) * len(in_cart)) / 100
        yield action(
            "purchase",
            user=user,
            order=str(order),
            quantity=len(in_cart),
            price=price,
            currency="EUR",
        )


def _user_of(device: int, index: int) -> str:
    """The customer who uses a device; some devices have another one every other day."""
    is_shared = device % _SHARED_EVERY == 0
    return str(1 + device * 7 % 780 + (index % 2 if is_shared else 0))
