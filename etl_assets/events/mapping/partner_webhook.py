"""Events that partners send to the webhook: `{"type", "timestamp", "data"}`, epoch milliseconds.

The envelope is that of Standard Webhooks. Its `timestamp` is the message's and is not used; when
the event happened is in `data`.
"""

from pydantic import Field

from etl_assets.events.mapping.boundary import Payload, Price, Text, Whole, lower, read, type_of
from etl_assets.events.moments import from_epoch
from etl_assets.events.vocabulary import EventType, Said

_TYPES = {
    "page.viewed": EventType.PAGE_VIEW,
    "product.viewed": EventType.PRODUCT_VIEW,
    "cart.item_added": EventType.CART_ADD,
    "cart.item_removed": EventType.CART_REMOVE,
    "order.placed": EventType.PURCHASE,
}


class WebhookData(Payload):
    """What happened; `occurred_ms` counts milliseconds since 1970."""

    occurred_ms: Whole | None = None
    revision: Whole | None = None
    customer_id: Text = None
    device_id: Text = None
    session: Text = None
    channel: Text = None
    product: Text = None
    order: Text = None
    quantity: Whole | None = None
    total: Price | None = None
    currency: Text = None


class WebhookMessage(Payload):
    """The envelope."""

    type: str
    data: WebhookData = Field(default_factory=WebhookData)


def said(fields: object) -> Said:
    """What the message says; raises EventRefused for one that does not fit."""
    message = read(WebhookMessage, fields)
    data = message.data
    return Said(
        event_type=type_of(message.type, _TYPES),
        source_at=None
        if data.occurred_ms is None
        else from_epoch(data.occurred_ms, "milliseconds"),
        sequence=data.revision,
        user_id=data.customer_id,
        anonymous_id=data.device_id,
        session_hint=data.session,
        channel=lower(data.channel),
        product_id=data.product,
        order_id=data.order,
        quantity=data.quantity,
        price=data.total,
        currency=data.currency and data.currency.upper(),
    )
