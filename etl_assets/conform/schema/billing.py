"""An account as the billing system's database has it, and what it is as a conformed record.

The same for all rows at once is `tables/billing_accounts.py`; a test holds the two together.
"""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, NaiveDatetime

from etl_assets.conform.rules.countries import country
from etl_assets.conform.rules.phones import e164
from etl_assets.conform.rules.texts import (
    address,
    as_text,
    boolean,
    of_one,
    segment_of_flag,
    turned_name,
)
from etl_assets.conform.schema.record import CustomerRecord

ZONE: Final = "Europe/Berlin"
"""The clock on the wall of the billing department, which its timestamps are of."""


class BillingAccount(BaseModel):
    """One row of `accounts`, as it was typed; its moments are of ZONE, without saying so."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    acct_no: int
    acct_name: str | None = None
    mail: str | None = None
    tel: str | None = None
    ctry: str | None = None
    vip_flag: bool | str | None = None
    newsletter: bool | str | None = None
    shop_ref: int | None = None
    created_at: NaiveDatetime
    updated_at: NaiveDatetime


def record_of_account(account: BillingAccount) -> CustomerRecord:
    """The account as a conformed record."""
    home = of_one(country, account.ctry)
    return CustomerRecord(
        source_system="billing",
        source_id=str(account.acct_no),
        full_name=of_one(turned_name, account.acct_name),
        email=of_one(address, account.mail),
        phone=e164([account.tel], home),
        country=home,
        segment=of_one(segment_of_flag, as_text(account.vip_flag)),
        is_subscribed=of_one(boolean, as_text(account.newsletter)),
        shop_customer_id=account.shop_ref,
        created_at=_moment(account.created_at),
        updated_at=_moment(account.updated_at),
    )


def _moment(local: datetime) -> datetime:
    """In UTC; an hour that the clocks had twice is the later one, as PostgreSQL reads it."""
    return local.replace(tzinfo=ZoneInfo(ZONE), fold=1).astimezone(UTC)
