"""A contact as the CRM's API gives it, and what it is as a conformed record.

The same for all rows at once is `tables/crm_contacts.py`; a test holds the two together.
"""

from datetime import UTC
from typing import Annotated

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    StringConstraints,
)

from etl_assets.conform.rules.countries import country
from etl_assets.conform.rules.phones import e164
from etl_assets.conform.rules.texts import address, as_text, boolean, joined_name, of_one, segment
from etl_assets.conform.schema.record import CustomerRecord

_Number = Annotated[str, StringConstraints(pattern=r"^C-[0-9]+$")]


class _Part(BaseModel):
    """Fields that the API adds later are no error: the raw table tells of them."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ContactName(_Part):
    """Given and family name."""

    first: str | None = None
    last: str | None = None


class Consents(_Part):
    """What a contact agreed to: a boolean, or a word where somebody typed it."""

    newsletter: StrictBool | StrictStr | None = None


class ExternalIds(_Part):
    """The contact's numbers in other systems."""

    shop: Annotated[int, Field(strict=True, ge=1, lt=1 << 63)] | None = None


class CrmContact(_Part):
    """One object of `GET /contacts`; ValidationError for one that cannot be used."""

    id: _Number
    name: ContactName = ContactName()
    emails: tuple[str | None, ...] | None = ()
    phones: tuple[str | None, ...] | None = ()
    country_name: str | None = None
    tier: str | None = None
    consents: Consents | None = None
    external_ids: ExternalIds | None = None
    created: AwareDatetime
    modified: AwareDatetime


def record_of_contact(contact: CrmContact) -> CustomerRecord:
    """The contact as a conformed record."""
    home = of_one(country, contact.country_name)
    addresses = (of_one(address, text) for text in contact.emails or ())
    return CustomerRecord(
        source_system="crm",
        source_id=contact.id,
        full_name=of_one(joined_name, contact.name.first, contact.name.last),
        email=next(filter(None, addresses), None),
        phone=e164(contact.phones or (), home),
        country=home,
        segment=of_one(segment, contact.tier),
        is_subscribed=of_one(
            boolean, as_text(contact.consents.newsletter if contact.consents else None)
        ),
        shop_customer_id=contact.external_ids.shop if contact.external_ids else None,
        created_at=contact.created.astimezone(UTC),
        updated_at=contact.modified.astimezone(UTC),
    )
