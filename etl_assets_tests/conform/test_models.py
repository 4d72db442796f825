"""The types, the factory, the hybrid and the audit columns, on a real PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from etl_assets.conform.application.landing import ContactLanding
from etl_assets.conform.clients.billing import BillingClient
from etl_assets.conform.schema.billing import record_of_account
from etl_assets.conform.schema.crm import CrmContact
from etl_assets.conform.schema.models import AccountRow, LandedContact
from etl_assets.conform.schema.types import BooleanString, NormalizedEmail
from etl_assets.postgres.connection import PoolSettings, make_engine
from etl_assets_tests.source_tables import run

NOON = "2024-01-01T12:00:00+01:00"
CONTACT = {
    "id": "C-000007",
    "name": {"first": "Anna", "last": " Meier"},
    "emails": ["n/a", " Anna.MEIER@Example.com"],
    "phones": ["0151 23456789"],
    "country_name": "Germany",
    "tier": "VIP",
    "consents": {"newsletter": "No "},
    "external_ids": {"shop": 12},
    "created": NOON,
    "modified": NOON,
}


def contact(**changes: Any) -> CrmContact:
    return CrmContact.model_validate({**CONTACT, **changes})


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = make_engine(database_url, PoolSettings())
    yield engine
    engine.dispose()


@pytest.fixture
def landing(engine: sa.Engine) -> ContactLanding:
    landing = ContactLanding(engine)
    landing.make_table()
    landing.make_table()
    return landing


FLAGS = sa.table(
    "flags",
    sa.column("id", sa.Integer),
    sa.column("email", NormalizedEmail()),
    sa.column("flag", BooleanString()),
    sa.column("word", BooleanString("ja", "nein")),
)


def test_the_types_write_one_spelling_and_read_any(engine: sa.Engine, database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE flags (id int, email text, flag text, word text)",
        "INSERT INTO flags VALUES (1, ' Old@Mail.DE', ' y ', '?'), (2, '', '', NULL)",
    )
    written = {"id": 3, "email": "\tNew@Mail.de ", "flag": True, "word": False}
    with engine.begin() as connection:
        connection.execute(sa.insert(FLAGS).values(written))
        connection.execute(sa.insert(FLAGS).values(id=4, email=None, flag=None, word=None))
        found = connection.execute(sa.select(FLAGS).order_by(FLAGS.c.id)).all()
        same = sa.select(FLAGS.c.id).where(FLAGS.c.email == "NEW@mail.DE")
        assert connection.scalars(same).all() == [3]
    assert [tuple(row) for row in found] == [
        (1, "old@mail.de", True, None),
        (2, None, None, None),
        (3, "new@mail.de", True, False),
        (4, None, None, None),
    ]
    stored = run(database_url, "SELECT email, flag, word FROM flags WHERE id >= 3 ORDER BY id")
    assert stored == [("new@mail.de", "Y", "nein"), (None, None, None)]


def test_the_types_may_be_kept_in_the_cache_of_statements() -> None:
    statements = [
        sa.select(sa.column("a", BooleanString(*words))) for words in ((), (), ("ja", "nein"))
    ]
    keys = [statement._generate_cache_key() for statement in statements]
    assert None not in keys
    assert keys[0] == keys[1] != keys[2]


def test_a_contact_is_landed_as_it_is_conformed(landing: ContactLanding, database_url: str) -> None:
    kept = landing.keep(contact())
    assert (kept.full_name, kept.email, kept.phone) == (
        "Anna Meier",
        "anna.meier@example.com",
        "+4915123456789",
    )
    assert (kept.country, kept.segment, kept.is_subscribed) == ("DE", "vip", False)
    assert kept.created == datetime(2024, 1, 1, 11, tzinfo=UTC)
    assert kept.created_at == kept.updated_at == kept.synced_at
    stored = run(database_url, "SELECT contact_id, email, created FROM landed_contacts")
    assert stored == [("C-000007", "anna.meier@example.com", kept.created)]


def test_the_audit_columns_say_what_was_new_what_changed_and_what_was_confirmed(
    landing: ContactLanding,
) -> None:
    first = landing.keep(contact())
    again = landing.keep(contact())
    assert (again.created_at, again.updated_at) == (first.created_at, first.updated_at)
    assert again.synced_at > first.synced_at
    later = landing.keep(contact(tier="Business", modified="2024-01-02T12:00:00Z"))
    assert later.created_at == first.created_at
    assert later.updated_at == later.synced_at > again.synced_at
    assert later.segment == "business"


def test_an_older_version_changes_nothing(landing: ContactLanding, database_url: str) -> None:
    landing.keep(contact(modified="2024-02-01T00:00:00Z"))
    before = run(database_url, "SELECT * FROM landed_contacts")
    assert landing.keep(contact(tier="Business")).segment == "vip"
    assert run(database_url, "SELECT * FROM landed_contacts") == before


def test_whether_the_shop_knows_them_is_one_question_in_python_and_in_sql(
    landing: ContactLanding, engine: sa.Engine
) -> None:
    landing.keep(contact())
    landing.keep(contact(id="C-000008", external_ids={}))
    with Session(engine) as session:
        everybody = session.scalars(sa.select(LandedContact)).all()
        asked = session.scalars(sa.select(LandedContact).where(LandedContact.is_of_shop)).all()
    assert {one.contact_id: one.is_of_shop for one in everybody} == {
        "C-000007": True,
        "C-000008": False,
    }
    assert [one.contact_id for one in asked] == ["C-000007"]


def test_an_account_is_looked_up_in_the_billing_system_itself(
    engine: sa.Engine, database_url: str
) -> None:
    run(
        database_url,
        "CREATE TABLE accounts (acct_no bigint PRIMARY KEY, acct_name text, mail text, tel text, "
        "ctry text, vip_flag text, newsletter text, shop_ref bigint, created_at timestamp, "
        "updated_at timestamp)",
        "INSERT INTO accounts VALUES (5, 'Meier, Anna', ' ANNA@x.de ', '0151/23456789', 'deu', "
        "' y', 'n', NULL, '2024-07-01 12:00', '2024-10-27 02:30')",
    )
    found = BillingClient(engine).account(5)
    assert found is not None
    record = record_of_account(found)
    assert record[2:9] == (
        "Anna Meier",
        "anna@x.de",
        "+4915123456789",
        "DE",
        "vip",
        False,
        None,
    )
    assert (record.created_at.hour, record.updated_at.hour) == (10, 1)
    assert BillingClient(engine).account(6) is None
    with Session(engine) as session:
        assert session.scalars(sa.select(AccountRow.vip_flag)).all() == [True]
