"""From the demo's three systems to published records in PostgreSQL, and look-ups of them there."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from etl_assets.config import HttpSettings
from etl_assets.conform.application.landing import ContactLanding
from etl_assets.conform.application.lookups import CustomerLookups
from etl_assets.conform.clients.billing import BillingClient
from etl_assets.conform.clients.crm import CrmClient
from etl_assets.conform.schema.billing import record_of_account
from etl_assets.conform.schema.crm import CrmContact, record_of_contact
from etl_assets.core.errors import SourceError
from etl_assets.core.http_connections import HttpConnection
from etl_assets.core.http_specs import HttpApi
from etl_assets.demo.api import demo_api
from etl_assets.demo.contacts import contacts
from etl_assets.demo.plan import ShopPlan
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.postgres.connection import PoolSettings, make_engine
from etl_assets.sources.http.client import HttpClient
from etl_assets.tables.crm_contacts import TABLE
from etl_assets_tests.http_api.server import Asked, Reply, said, serve
from etl_assets_tests.orchestration.shop import Shop, open_shop
from etl_assets_tests.source_tables import run

NAMES = ("customers", "crm_contacts", "billing_accounts")
RECORDS = "enriched/customer_records"


@contextmanager
def engine_of(url: str) -> Iterator[sa.Engine]:
    engine = make_engine(url, PoolSettings())
    yield engine
    engine.dispose()


@contextmanager
def crm(url: str) -> Iterator[CrmClient]:
    assert isinstance(TABLE.source, HttpApi)
    http = HttpSettings(apis={"crm": HttpConnection(url=url)}, patience=0)
    with closing(HttpClient(http, "crm")) as client:
        yield CrmClient(client, TABLE.source)


@pytest.fixture(scope="module")
def shop(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Four days of a small shop, and records of its customers in a PostgreSQL warehouse."""
    for name in ("conform_shop", "conform_warehouse"):
        postgres.ensure_database(name)
    home = tmp_path_factory.mktemp("home")
    target = postgres.url("conform_warehouse")
    with open_shop(postgres.url("conform_shop"), home, warehouse_url=target) as shop:
        layers = [f"{layer}/{name}" for layer in ("raw", "staged") for name in NAMES]
        done = shop.backfill(*layers, RECORDS)
        assert done.succeeded, done.messages
        yield shop


@pytest.fixture(scope="module")
def warehouse_url(postgres: EmbeddedPostgres) -> str:
    return postgres.url("conform_warehouse")


@pytest.fixture(scope="module")
def lookups(shop: Shop, warehouse_url: str) -> Iterator[CustomerLookups]:
    with engine_of(warehouse_url) as engine:
        yield CustomerLookups(engine)


def test_every_customer_of_every_system_is_a_record(shop: Shop, warehouse_url: str) -> None:
    counted = "SELECT source_system, count(*) FROM enriched.customer_records GROUP BY 1"
    (accounts,) = shop.sql("SELECT count(*) FROM accounts")[0]
    ((customers,),) = run(warehouse_url, "SELECT count(*) FROM staged.customers")
    good = sum(one["created"] != "last spring" for one in contacts(ShopPlan()))
    found = dict(run(warehouse_url, counted))
    assert found == {"shop": customers, "crm": good, "billing": accounts}
    assert accounts > 20


def test_a_contact_is_published_as_its_mapper_says(lookups: CustomerLookups) -> None:
    for item in contacts(ShopPlan())[:40]:
        record = record_of_contact(CrmContact.model_validate(item))
        assert lookups.by_external_id("crm", item["id"]) == record
    assert lookups.by_external_id("crm", "C-999999") is None
    assert lookups.by_external_id("billing", "C-000001") is None


def test_an_account_is_published_as_its_mapper_says(lookups: CustomerLookups, shop: Shop) -> None:
    numbers = [number for (number,) in shop.sql("SELECT acct_no FROM accounts ORDER BY 1")]
    with engine_of(shop.url) as engine:
        for number in numbers[:40]:
            account = BillingClient(engine).account(number)
            assert account is not None
            assert lookups.by_external_id("billing", str(number)) == record_of_account(account)


def test_a_person_is_found_by_address_phone_and_number_in_any_spelling(
    lookups: CustomerLookups, shop: Shop
) -> None:
    ((number, email, phone, country),) = shop.sql(
        "SELECT id, email, phone, country FROM customers JOIN accounts ON shop_ref = id "
        "WHERE email IS NOT NULL AND phone IS NOT NULL ORDER BY id LIMIT 1"
    )
    by_number = lookups.by_shop_customer(number)
    assert {"shop", "billing"} <= {record.source_system for record in by_number}
    itself = lookups.by_external_id("shop", str(number))
    assert itself in by_number
    assert itself in lookups.by_email(f"  {email.upper()} ")
    assert itself in lookups.by_phone(phone, country)
    for nothing in (lookups.by_email(""), lookups.by_phone("n/a"), lookups.by_shop_customer(0)):
        assert nothing == []


@pytest.mark.thorough
def test_records_are_late_when_an_account_changes_and_made_again(
    shop: Shop, lookups: CustomerLookups, warehouse_url: str
) -> None:
    run(warehouse_url, "CREATE INDEX by_email ON enriched.customer_records (email)")
    shop.sql(
        "UPDATE accounts SET mail = ' MOVED@example.com', updated_at = updated_at + interval '1 s'"
        " WHERE acct_no = 1"
    )
    done = shop.backfill("raw/billing_accounts", "staged/billing_accounts", RECORDS)
    assert done.succeeded, done.messages
    (found,) = lookups.by_email("moved@example.com")
    assert (found.source_system, found.source_id) == ("billing", "1")
    kept = "SELECT count(*) FROM pg_indexes WHERE indexname = 'by_email'"
    assert run(warehouse_url, kept) == [(1,)], "a publication leaves indexes of one's own"


def test_one_contact_is_fetched_from_the_demo_s_api_and_kept(database_url: str) -> None:
    with engine_of(database_url) as engine, crm(demo_api()) as client:
        landing = ContactLanding(engine)
        landing.make_table()
        kept = landing.refresh(client, "C-000003")
        assert kept is not None
        assert (
            kept.created
            == record_of_contact(CrmContact.model_validate(contacts(ShopPlan())[2])).created_at
        )
        assert landing.refresh(client, "C-999999") is None
        assert landing.refresh(client, "../sales") is None
    assert run(database_url, "SELECT contact_id FROM landed_contacts") == [("C-000003",)]


def test_the_client_gives_all_contacts_and_names_one_that_is_none_without_its_values() -> None:
    items = [dict(one) for one in contacts(ShopPlan())[:3]]

    def answer(asked: Asked) -> Reply:
        start = int(asked.params.get("after", 0))
        following = str(start + 1) if start + 1 < len(items) else None
        paging = {"next": following, "total": len(items)}
        return said({"contacts": items[start : start + 1], "paging": paging})

    with serve(answer) as api, crm(api.url) as client:
        assert [one.id for one in client.contacts()] == [item["id"] for item in items]
        items[1]["emails"] = ["a@b.c", 4711]
        with pytest.raises(SourceError, match=r"page 2 .* emails\.1 \(string_type\)") as told:
            list(client.contacts())
    assert "4711" not in str(told.value)


def test_an_answer_that_is_no_contact_is_an_error(tmp_path: Path) -> None:
    with (
        serve(lambda _: said({"id": "C-1"})) as api,
        crm(api.url) as client,
        pytest.raises(SourceError, match="created"),
    ):
        client.contact("C-1")
