"""The one form that customers of all systems get: a row of `enriched/customer_records`."""

from datetime import datetime
from typing import Literal, NamedTuple

SourceSystem = Literal["shop", "crm", "billing"]
"""Which system says so."""


class CustomerRecord(NamedTuple):
    """What one system says of one of its customers; moments are UTC.

    `source_id` is the system's own number as text, `phone` in E.164, `country` an ISO 3166-1
    alpha-2 code, `shop_customer_id` the shop's number where the system knows it.
    """

    source_system: SourceSystem
    source_id: str
    full_name: str | None
    email: str | None
    phone: str | None
    country: str | None
    segment: str | None
    is_subscribed: bool | None
    shop_customer_id: int | None
    created_at: datetime
    updated_at: datetime
