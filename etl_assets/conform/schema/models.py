"""Rows that are looked up or written one by one, as SQLAlchemy models.

No table is loaded by way of them: a row takes twenty times as long as in Polars.
"""

from datetime import UTC, datetime
from typing import Self, cast

import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from etl_assets.conform.schema.audit import Audited
from etl_assets.conform.schema.crm import CrmContact, record_of_contact
from etl_assets.conform.schema.record import CustomerRecord, SourceSystem
from etl_assets.conform.schema.types import BooleanString, NormalizedEmail

_MOMENT = sa.DateTime(timezone=True)


class Base(DeclarativeBase):
    """The models of conformed customers."""


class PublishedRecord(Base):
    """A row of `enriched/customer_records` in a warehouse that is a PostgreSQL; only read."""

    __tablename__ = "customer_records"
    __table_args__ = {"schema": "enriched"}  # noqa: RUF012 - SQLAlchemy's name for it

    source_system: Mapped[str] = mapped_column(primary_key=True)
    source_id: Mapped[str] = mapped_column(primary_key=True)
    full_name: Mapped[str | None]
    email: Mapped[str | None] = mapped_column(NormalizedEmail)
    phone: Mapped[str | None]
    country: Mapped[str | None]
    segment: Mapped[str | None]
    is_subscribed: Mapped[bool | None]
    shop_customer_id: Mapped[int | None] = mapped_column(sa.BigInteger)
    created_at: Mapped[datetime] = mapped_column(_MOMENT)
    updated_at: Mapped[datetime] = mapped_column(_MOMENT)

    def record(self) -> CustomerRecord:
        """The same without a session."""
        return CustomerRecord(
            cast("SourceSystem", self.source_system),
            self.source_id,
            self.full_name,
            self.email,
            self.phone,
            self.country,
            self.segment,
            self.is_subscribed,
            self.shop_customer_id,
            self.created_at.astimezone(UTC),
            self.updated_at.astimezone(UTC),
        )


class AccountRow(Base):
    """A row of the billing system's own table; only read. Its moments are of the billing's zone."""

    __tablename__ = "accounts"

    acct_no: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    acct_name: Mapped[str | None]
    mail: Mapped[str | None] = mapped_column(NormalizedEmail)
    tel: Mapped[str | None]
    ctry: Mapped[str | None]
    vip_flag: Mapped[bool | None] = mapped_column(BooleanString)
    newsletter: Mapped[bool | None] = mapped_column(BooleanString)
    shop_ref: Mapped[int | None] = mapped_column(sa.BigInteger)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class LandedContact(Audited, Base):
    """A contact of the CRM that was asked for by itself, since the whole list was read last.

    `created` and `modified` are the CRM's moments, the audit columns our own.
    """

    __tablename__ = "landed_contacts"

    contact_id: Mapped[str] = mapped_column(primary_key=True)
    full_name: Mapped[str | None]
    email: Mapped[str | None] = mapped_column(NormalizedEmail, index=True)
    phone: Mapped[str | None]
    country: Mapped[str | None]
    segment: Mapped[str | None]
    is_subscribed: Mapped[bool | None]
    shop_customer_id: Mapped[int | None] = mapped_column(sa.BigInteger)
    created: Mapped[datetime] = mapped_column(_MOMENT)
    modified: Mapped[datetime] = mapped_column(_MOMENT)

    @classmethod
    def from_api(cls, contact: CrmContact) -> Self:
        """The row of an object of the API."""
        landed = cls(contact_id=contact.id)
        landed.take(contact)
        return landed

    def take(self, contact: CrmContact) -> None:
        """Become a later version of the same contact."""
        found = record_of_contact(contact)
        self.full_name, self.email, self.phone = found.full_name, found.email, found.phone
        self.country, self.segment = found.country, found.segment
        self.is_subscribed, self.shop_customer_id = found.is_subscribed, found.shop_customer_id
        self.created, self.modified = found.created_at, found.updated_at

    @hybrid_property
    def is_of_shop(self) -> bool:
        """Whether the CRM knows them as a customer of the shop; in a query as well."""
        return self.shop_customer_id is not None

    @is_of_shop.inplace.expression
    @classmethod
    def _is_of_shop(cls) -> sa.ColumnElement[bool]:
        return cls.shop_customer_id.is_not(None)
