"""People whom other systems than the shop know, and how they spell what the shop knows too. Pure.

What a system makes of a person is `accounts.py` (billing) and `contacts.py` (the CRM).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Final, NamedTuple

from etl_assets.demo.chance import later, midnight, seeded, times_of
from etl_assets.demo.generate import shop_customers
from etl_assets.demo.people import mobile_number, new_customer
from etl_assets.demo.plan import ShopPlan
from etl_assets.demo.rows import Customer
from etl_assets.demo.vocabulary import COUNTRIES, Country

# Above every number that the shop gives, as these are none of its customers.
_FIRST_STRANGER: Final = 10_000_000
_CUSTOMERS_A_STRANGER: Final = 12
_BY_CODE: Final = {country.code: country for country in COUNTRIES}
_NOTHING: Final = ("n/a", "-", "unknown", "")


class Person(NamedTuple):
    """Somebody: what the shop knows or would know of them, and whether it does."""

    known: Customer
    country: Country
    is_of_shop: bool

    @property
    def given(self) -> str:
        """The first of the names."""
        return self.known.full_name.partition(" ")[0]

    @property
    def family(self) -> str:
        """The names after it."""
        return self.known.full_name.partition(" ")[2]


@cache
def people(plan: ShopPlan) -> Sequence[Person]:
    """The shop's customers, and some whom it does not know, in the order of their numbers."""
    found = [
        Person(customer, _BY_CODE[customer.country], is_of_shop=True)
        for customer in shop_customers(plan)
        if customer.country in _BY_CODE
    ]
    return (*found, *_strangers(plan, max(1, len(found) // _CUSTOMERS_A_STRANGER)))


def end_of(plan: ShopPlan) -> datetime:
    """What is later has not happened yet."""
    return midnight(plan.day(plan.days - 1)) + timedelta(days=1)


def changed(rng: Random, created: datetime) -> datetime:
    """When it was changed last, as in the shop: some weeks later, or never."""
    return later(rng, created, (1, 500)) if rng.random() < 0.6 else created


def spelt_address(rng: Random, person: Person) -> str | None:
    """The person's address in any spelling; another one, none, or what is no address for some."""
    chance, email = rng.random(), person.known.email
    if chance < 0.05:
        return None
    if chance < 0.08:
        return rng.choice(_NOTHING)
    if email is None or chance < 0.18:
        email = f"{person.known.id}@work.example.com"
    style = rng.choice((str, str, str.upper, str.title))
    before, after = rng.choice((("", ""), ("", ""), (" ", ""), ("", "  "), ("\t", " ")))
    return f"{before}{style(email)}{after}"


def spelt_phone(rng: Random, person: Person) -> str | None:
    """The person's number as it is dialled at home or abroad; another one, or none, for some."""
    chance, known = rng.random(), person.known.phone
    if chance < 0.15:
        return None
    if chance < 0.18:
        return rng.choice((*_NOTHING, "000000", "call the office"))
    length = len(person.country.mobile)
    digits = "".join(letter for letter in known or "" if letter.isdigit())[-length:]
    if not digits or chance < 0.26:
        digits = mobile_number(person.country, rng.randint(10_000_000, 999_999_999))
    head, tail = digits[:3], digits[3:]
    trunk, code = person.country.trunk, person.country.dialling_code
    shapes = (
        f"{trunk}{head} {tail}",
        f"{trunk}{head}/{tail}",
        f"{trunk}{head}-{tail[:3]}-{tail[3:]}",
        f"{code} {head} {tail[:3]} {tail[3:]}",
        f"00{code[1:]} {head}{tail}",
        f"{code} ({trunk}){head} {tail}" if trunk else f"{code}.{head}.{tail}",
    )
    return rng.choice(shapes)


def _strangers(plan: ShopPlan, count: int) -> Sequence[Person]:
    rng = seeded(plan.seed, "strangers")
    days = [plan.day(rng.randrange(plan.days)) for _ in range(count)]
    found = []
    for number, day in enumerate(sorted(days), start=_FIRST_STRANGER):
        (moment,) = times_of(rng, day, 1, timedelta())
        known = new_customer(rng, number, moment)
        found.append(Person(known, _BY_CODE[known.country], is_of_shop=False))
    return found
