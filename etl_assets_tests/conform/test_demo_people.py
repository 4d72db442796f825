"""The demo's people: who is known to which system, the same each time."""

from collections import Counter
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from etl_assets.conform.rules.phones import e164
from etl_assets.demo.accounts import accounts
from etl_assets.demo.contacts import BAD_CONTACTS, contacts
from etl_assets.demo.elsewhere import end_of, people
from etl_assets.demo.generate import shop_customers, shop_days
from etl_assets.demo.plan import ShopPlan
from etl_assets_tests.conform.people import PLAN, good_contacts

WHOLE_SHOP = ShopPlan()


def test_customers_alone_are_those_of_the_shop() -> None:
    assert list(shop_customers(PLAN)) == [one for day in shop_days(PLAN) for one in day.customers]


def test_the_same_plan_gives_the_same_people_and_another_one_others() -> None:
    first = list(accounts(PLAN)), list(contacts(PLAN))
    people.cache_clear()
    contacts.cache_clear()
    assert (list(accounts(PLAN)), list(contacts(PLAN))) == first
    assert list(accounts(ShopPlan(days=3, orders_a_day=40, seed=1))) != first[0]


def test_more_than_half_of_the_shop_s_customers_have_an_account_and_strangers_have_one_too() -> (
    None
):
    known = {one.known.id for one in people(WHOLE_SHOP) if one.is_of_shop}
    found = list(accounts(WHOLE_SHOP))
    assert 0.55 < len(found) / len(known) < 0.7
    named = [one.shop_ref for one in found if one.shop_ref is not None]
    assert set(named) <= known
    assert max(Counter(named).values()) == 1
    assert 0.4 < len(named) / len(found) < 0.6
    strangers = [one for one in people(WHOLE_SHOP) if not one.is_of_shop]
    assert 100 < len(strangers) < 300


def test_one_person_is_in_several_systems_by_address_phone_or_number() -> None:
    by_address = Counter(
        one.email.lower() for one in shop_customers(WHOLE_SHOP) if one.email is not None
    )
    mails = {one.mail.strip().lower() for one in accounts(WHOLE_SHOP) if one.mail}
    emails = {e.strip().lower() for one in contacts(WHOLE_SHOP) for e in one["emails"] if e}
    assert min(len(mails & set(by_address)), len(emails & set(by_address))) > 700
    assert len(mails & emails & set(by_address)) > 300


def test_spellings_differ_and_mean_the_same_number() -> None:
    typed = [one.tel for one in accounts(WHOLE_SHOP) if one.tel and one.ctry == "DEU"]
    numbers = {e164([one], "DE") for one in typed} - {None}
    assert len({one[:2] for one in typed}) > 3
    shop = {e164([one.phone], "DE") for one in shop_customers(WHOLE_SHOP) if one.country == "DE"}
    assert len(numbers & shop) > len(numbers) / 2


def test_accounts_are_numbered_as_they_were_opened_in_the_time_of_the_wall() -> None:
    found = list(accounts(PLAN))
    moments = [
        one.created_at.replace(tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC) for one in found
    ]
    assert [one.acct_no for one in found] == list(range(1, len(found) + 1))
    assert moments == sorted(moments)
    assert moments[-1] < end_of(PLAN)
    assert all(timedelta(0) <= one.updated_at - one.created_at for one in found)


def test_only_a_large_crm_has_contacts_that_are_bad() -> None:
    assert len(good_contacts(WHOLE_SHOP)) + BAD_CONTACTS == len(contacts(WHOLE_SHOP))
    assert len({one["id"] for one in contacts(WHOLE_SHOP)}) == len(contacts(WHOLE_SHOP))
