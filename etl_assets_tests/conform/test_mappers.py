"""One record by its mapper and a whole table by its transform: they agree, whatever was typed."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from etl_assets.conform.schema.billing import ZONE, BillingAccount, record_of_account
from etl_assets.conform.schema.crm import CrmContact, record_of_contact
from etl_assets.core.contracts import columns_of, polars_schema
from etl_assets.demo.accounts import accounts
from etl_assets.tables import billing_accounts, crm_contacts
from etl_assets.tables.customer_records import CustomerRecords, enrich
from etl_assets.tables.customers import StagedCustomers
from etl_assets_tests.amounts import cases
from etl_assets_tests.conform.people import PLAN, good_contacts

MOMENT = datetime(2024, 1, 1, 12)

NOTHING = st.sampled_from(["", " ", "n/a", "-", ",", ", ,", None])
LETTERS = st.text(alphabet='ab AÄéß,.\t"\\/@0{}[]$\u00a0\u2028', max_size=12)
NAMES = NOTHING | LETTERS | st.sampled_from(["Meier, Anna", "O'Connor, Sean, Jr.", "Null"])
MAILS = NOTHING | LETTERS | st.sampled_from([" A@B.C ", "x@y.z", "ÄÖ@É.de\t", "a@b@c", "a b@c.d"])
PHONES = NOTHING | st.sampled_from(
    ["0151 23456789", "+44 7400 123456", "(212) 555-0123", "0049151 23456789", "000000", "+"]
)
COUNTRY_WORDS = NOTHING | st.sampled_from(["Germany", "deu", "USA", "U.K.", "Atlantis", "de"])
FLAGS = NOTHING | st.sampled_from(["Y", "y", " N ", "yes", "no", "true", "0", "?"])
SHOP_IDS = st.none() | st.integers(1, 2**63 - 1)
# Among them the hours that clocks have twice and not at all, as far as they are moments.
MOMENTS = st.datetimes(datetime(2023, 1, 1), datetime(2024, 2, 1)) | st.datetimes(
    datetime(2023, 10, 29, 1), datetime(2023, 10, 29, 4)
)


def is_local(moment: datetime) -> bool:
    return not datetime(2023, 3, 26, 2) <= moment < datetime(2023, 3, 26, 3)


def zoned(moment: datetime, minutes: int) -> datetime:
    return moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))


ACCOUNTS = st.builds(
    dict,
    acct_name=NAMES,
    mail=MAILS,
    tel=PHONES,
    ctry=COUNTRY_WORDS,
    vip_flag=FLAGS,
    newsletter=FLAGS,
    shop_ref=SHOP_IDS,
    created_at=MOMENTS.filter(is_local),
    updated_at=MOMENTS.filter(is_local),
)
CONTACTS = st.builds(
    dict,
    name=st.builds(dict, first=NAMES, last=NAMES) | st.just({}),
    emails=st.none() | st.lists(MAILS, max_size=3),
    phones=st.none() | st.lists(PHONES, max_size=3),
    country_name=COUNTRY_WORDS,
    tier=NOTHING | st.sampled_from(["VIP", " business", "gold"]),
    consents=st.none() | st.builds(dict, newsletter=FLAGS | st.booleans()) | st.just({}),
    external_ids=st.none() | st.builds(dict, shop=SHOP_IDS) | st.just({}),
    created=st.builds(zoned, MOMENTS, st.integers(-720, 840)),
    modified=st.builds(zoned, MOMENTS, st.integers(-720, 840)),
)


def staged_accounts(rows: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    """The rows as the database's reader and the transform make them."""
    columns = columns_of(billing_accounts.RawBillingAccounts)
    local = [column.name for column in columns if column.source_zone]
    schema = polars_schema(columns) | dict.fromkeys(local, pl.Datetime("us"))
    raw = pl.LazyFrame(rows, schema=schema).with_columns(
        pl.col(name).dt.replace_time_zone(ZONE, ambiguous="latest").dt.convert_time_zone("UTC")
        for name in local
    )
    return billing_accounts.stage(raw)


def staged_contacts(items: Sequence[dict[str, Any]]) -> pl.LazyFrame:
    """The objects as the API's reader and the transform make them: what is nested is text."""
    columns = columns_of(crm_contacts.RawCrmContacts)
    nested = [column.name for column in columns if column.logical == "json"]
    rows = [
        {**item, **{n: None if item[n] is None else json.dumps(item[n]) for n in nested}}
        | {n: item[n].astimezone(UTC) for n in ("created", "modified")}
        for item in items
    ]
    return crm_contacts.stage(pl.LazyFrame(rows, schema=polars_schema(columns)))


def records(accounts: pl.LazyFrame, contacts: pl.LazyFrame) -> list[tuple[Any, ...]]:
    """The rows of `enriched/customer_records`, of these two systems alone."""
    nobody = pl.LazyFrame(schema=polars_schema(columns_of(StagedCustomers)))
    return enrich(nobody, contacts, accounts).collect().rows()


NO_ACCOUNTS, NO_CONTACTS = staged_accounts([]), staged_contacts([])


@pytest.mark.random
@settings(max_examples=cases(40, 150), deadline=None)
@given(st.lists(ACCOUNTS, min_size=1, max_size=4))
def test_accounts_become_the_same_records_one_by_one_and_all_at_once(
    typed: list[dict[str, Any]],
) -> None:
    rows = [{"acct_no": number, **row} for number, row in enumerate(typed, 1)]
    one_by_one = [tuple(record_of_account(BillingAccount(**row))) for row in rows]
    assert records(staged_accounts(rows), NO_CONTACTS) == one_by_one


@pytest.mark.random
@settings(max_examples=cases(40, 150), deadline=None)
@given(st.lists(CONTACTS, min_size=1, max_size=4))
def test_contacts_become_the_same_records_one_by_one_and_all_at_once(
    typed: list[dict[str, Any]],
) -> None:
    items = [{"id": f"C-{number:06d}", **item} for number, item in enumerate(typed, 1)]
    one_by_one = [
        tuple(record_of_contact(CrmContact.model_validate_json(json.dumps(item, default=str))))
        for item in items
    ]
    assert records(NO_ACCOUNTS, staged_contacts(items)) == one_by_one


def test_the_demo_s_accounts_and_contacts_do_as_well() -> None:
    rows = [account._asdict() for account in accounts(PLAN)]
    items = [
        {**item, **{n: datetime.fromisoformat(item[n]) for n in ("created", "modified")}}
        for item in good_contacts()
    ]
    assert min(len(rows), len(items)) > 40
    one_by_one = [tuple(record_of_contact(CrmContact(**item))) for item in items]
    one_by_one += [tuple(record_of_account(BillingAccount(**row))) for row in rows]
    assert records(staged_accounts(rows), staged_contacts(items)) == one_by_one


def test_the_columns_of_a_record_are_those_of_the_table() -> None:
    (record,) = [record_of_account(BillingAccount(acct_no=1, created_at=MOMENT, updated_at=MOMENT))]
    assert list(record._fields) == [column.name for column in columns_of(CustomerRecords)]
    assert record.created_at == datetime(2024, 1, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "123"),
        ("created", "last spring"),
        ("created", "2024-01-01T12:00:00"),
        ("modified", None),
        ("emails", "a@b.c"),
        ("emails", [1]),
        ("external_ids", {"shop": 1.5}),
        ("external_ids", {"shop": 0}),
        ("external_ids", {"shop": "7"}),
        ("consents", {"newsletter": 1}),
        ("name", "Anna Meier"),
    ],
)
def test_what_is_no_contact_is_refused_by_its_field(field: str, value: Any) -> None:
    item = {"id": "C-1", "created": "2024-01-01T12:00:00Z", "modified": "2024-01-01T12:00:00Z"}
    assert CrmContact.model_validate_json(json.dumps({**item, "other": [1]})).id == "C-1"
    with pytest.raises(ValidationError) as told:
        CrmContact.model_validate_json(json.dumps({**item, field: value}))
    assert {error["loc"][0] for error in told.value.errors()} == {field}
