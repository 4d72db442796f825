"""Events of the shop's own HTTP API: an item each, moments as ISO 8601 with an offset."""

from etl_assets.events.mapping.boundary import Payload, Price, Text, Whole, lower, read, type_of
from etl_assets.events.moments import from_iso
from etl_assets.events.vocabulary import EventType, Said

_TYPES = {
    "page_view": EventType.PAGE_VIEW,
    "product_view": EventType.PRODUCT_VIEW,
    "add_to_cart": EventType.CART_ADD,
    "remove_from_cart": EventType.CART_REMOVE,
    "purchase": EventType.PURCHASE,
}


class ShopApiEvent(Payload):
    """An item as the API gives it."""

    type: str
    occurred_at: str | None = None
    sequence: Whole | None = None
    user_id: Text = None
    anonymous_id: Text = None
    session_id: Text = None
    channel: Text = None
    product_id: Text = None
    order_id: Text = None
    quantity: Whole | None = None
    price: Price | None = None
    currency: Text = None


def said(fields: object) -> Said:
    """What the item says; raises EventRefused for one that does not fit."""
    item = read(ShopApiEvent, fields)
    return Said(
        event_type=type_of(item.type, _TYPES),
        source_at=None if item.occurred_at is None else from_iso(item.occurred_at),
        sequence=item.sequence,
        user_id=item.user_id,
        anonymous_id=item.anonymous_id,
        session_hint=item.session_id,
        channel=lower(item.channel),
        product_id=item.product_id,
        order_id=item.order_id,
        quantity=item.quantity,
        price=item.price,
        currency=item.currency and item.currency.upper(),
    )
