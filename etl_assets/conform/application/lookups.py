"""Look-ups of published customer records: a few rows, by what is known of a person."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from etl_assets.conform.rules.phones import e164
from etl_assets.conform.schema.models import PublishedRecord
from etl_assets.conform.schema.record import CustomerRecord, SourceSystem


class CustomerLookups:
    """`enriched/customer_records` of a warehouse that is a PostgreSQL.

    `schema` is where it is published. Records come in the order of system and number.
    """

    def __init__(self, engine: sa.Engine, schema: str = "enriched") -> None:
        self._engine = engine.execution_options(schema_translate_map={"enriched": schema})

    def by_external_id(self, system: SourceSystem, source_id: str) -> CustomerRecord | None:
        """The record of a system's own number."""
        with Session(self._engine) as session:
            row = session.get(PublishedRecord, (system, source_id))
            return None if row is None else row.record()

    def by_email(self, email: str) -> list[CustomerRecord]:
        """The records with that address, in whatever spelling it is given."""
        return self._where(PublishedRecord.email == email)

    def by_phone(self, phone: str, country: str | None = None) -> list[CustomerRecord]:
        """The records with that number; `country` is where one without a country's code is of."""
        number = e164([phone], country)
        return self._where(PublishedRecord.phone == number) if number else []

    def by_shop_customer(self, customer_id: int) -> list[CustomerRecord]:
        """The shop's record of that number, and those of systems that name it."""
        return self._where(PublishedRecord.shop_customer_id == customer_id)

    def _where(self, condition: sa.ColumnElement[bool]) -> list[CustomerRecord]:
        order = PublishedRecord.source_system, PublishedRecord.source_id
        found = sa.select(PublishedRecord).where(condition).order_by(*order)
        with Session(self._engine) as session:
            return [row.record() for row in session.scalars(found)]
