"""Events of partners' files: a row each, every value a text or a number, moments as epoch seconds.

A row of a CSV file comes as an object of texts, a line of a JSON Lines file with numbers.
"""

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

from etl_assets.events.mapping.boundary import (
    Payload,
    Text,
    Whole,
    empty_is_none,
    lower,
    read,
    type_of,
)
from etl_assets.events.moments import from_epoch
from etl_assets.events.vocabulary import EventType, Said

_TYPES = {
    "view": EventType.PAGE_VIEW,
    "product": EventType.PRODUCT_VIEW,
    "cart+": EventType.CART_ADD,
    "cart-": EventType.CART_REMOVE,
    "order": EventType.PURCHASE,
}
_HUNDRED = Decimal(100)


_Number = Annotated[Annotated[Whole, Field(strict=False)] | None, BeforeValidator(empty_is_none)]
_Id = Annotated[Text, BeforeValidator(lambda v: str(v) if type(v) is int else v)]
_Cents = Annotated[
    Annotated[int, Field(strict=False, gt=-(10**16), lt=10**16)] | None,
    BeforeValidator(empty_is_none),
]


class PartnerRow(Payload):
    """A row as delivered; `ts` counts seconds since 1970, `price_cents` hundredths."""

    event: str
    ts: _Number = None
    version: _Number = None
    customer: _Id = None
    visitor: _Id = None
    channel: Text = None
    sku: _Id = None
    order_no: _Id = None
    qty: _Number = None
    price_cents: _Cents = None
    currency: Text = None


def said(fields: object) -> Said:
    """What the row says; raises EventRefused for one that does not fit."""
    row = read(PartnerRow, fields)
    return Said(
        event_type=type_of(row.event, _TYPES),
        source_at=None if row.ts is None else from_epoch(row.ts, "seconds"),
        sequence=row.version,
        user_id=row.customer,
        anonymous_id=row.visitor,
        channel=lower(row.channel),
        product_id=row.sku,
        order_id=row.order_no,
        quantity=row.qty,
        price=None if row.price_cents is None else row.price_cents / _HUNDRED,
        currency=row.currency and row.currency.upper(),
    )
