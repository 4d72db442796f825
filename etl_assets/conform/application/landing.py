"""One contact of the CRM, fetched and kept when somebody asks, between two readings of the list."""

import sqlalchemy as sa

from etl_assets.conform.clients.crm import CrmClient
from etl_assets.conform.schema.audit import audited_sessions
from etl_assets.conform.schema.crm import CrmContact
from etl_assets.conform.schema.models import LandedContact


class ContactLanding:
    """Keeps contacts in `landed_contacts` of a PostgreSQL; `make_table` once, before the first."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine, self._sessions = engine, audited_sessions(engine)

    def make_table(self) -> None:
        """Make the table, unless it is there."""
        LandedContact.metadata.create_all(
            self._engine, tables=[LandedContact.metadata.tables[LandedContact.__tablename__]]
        )

    def refresh(self, crm: CrmClient, contact_id: str) -> LandedContact | None:
        """Fetch a contact and keep it; None where the CRM has none of that number."""
        contact = crm.contact(contact_id)
        return None if contact is None else self.keep(contact)

    def keep(self, contact: CrmContact) -> LandedContact:
        """The contact as it is kept now; a version older than the one there changes nothing.

        Landing the same version again is noted in `synced_at` alone.
        """
        with self._sessions(expire_on_commit=False) as session, session.begin():
            # Two that land one contact at once take turns, also where there is no row to lock yet.
            turn = sa.func.hashtext(f"landed_contacts/{contact.id}")
            session.execute(sa.select(sa.func.pg_advisory_xact_lock(turn)))
            kept = session.get(LandedContact, contact.id)
            if kept is None:
                kept = LandedContact.from_api(contact)
                session.add(kept)
            elif contact.modified >= kept.modified:
                kept.take(contact)
            return kept
