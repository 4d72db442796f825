"""The accounts of the demo's billing system, made up from the people of the shop. Pure.

More than half of the shop's customers have one, and some whom the shop does not know.
"""

from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from etl_assets.demo.chance import later, seeded
from etl_assets.demo.elsewhere import (
    Person,
    changed,
    end_of,
    people,
    spelt_address,
    spelt_phone,
)
from etl_assets.demo.plan import ShopPlan
from etl_assets.demo.rows import Account

_ZONE: Final = ZoneInfo("Europe/Berlin")
_SHARE: Final = 0.63
_ALPHA3: Final = {
    "DE": "DEU",
    "US": "USA",
    "GB": "GBR",
    "FR": "FRA",
    "NL": "NLD",
    "AT": "AUT",
    "CH": "CHE",
    "ES": "ESP",
    "IT": "ITA",
    "PL": "POL",
    "SE": "SWE",
    "NA": "NAM",
}
_YES: Final = ("Y", "Y", "Y", "y", " Y ", "yes")
_NO: Final = ("N", "N", "N", "n", " N ", "no")


def accounts(plan: ShopPlan) -> Iterator[Account]:
    """Yield the accounts in the order in which they were opened, numbers ascending.

    An account is opened up to three days after a person is known. What would be opened after the
    plan's last day is not there yet.
    """
    opened = []
    for person in people(plan):
        rng = seeded(plan.seed, "account", person.known.id)
        if rng.random() < _SHARE:
            moment = later(rng, person.known.created_at, (0.1, 72))
            if moment < end_of(plan):
                opened.append((moment, person, rng))
    opened.sort(key=lambda one: (one[0], one[1].known.id))
    for number, (moment, person, rng) in enumerate(opened, start=1):
        yield _account(number, moment, person, rng)


def _account(number: int, moment: datetime, person: Person, rng: Random) -> Account:
    known = person.known
    is_known = person.is_of_shop and rng.random() < 0.55
    return Account(
        number,
        _name(rng, person),
        spelt_address(rng, person),
        spelt_phone(rng, person),
        _ALPHA3[known.country] if rng.random() < 0.9 else _ALPHA3[known.country].lower(),
        _flag(rng, is_yes=known.segment == "vip"),
        _flag(rng, is_yes=known.is_subscribed),
        known.id if is_known else None,
        _local(moment),
        _local(changed(rng, moment)),
    )


def _name(rng: Random, person: Person) -> str:
    name = f"{person.family}, {person.given}"
    if rng.random() < 0.03:
        name = f"{name}, {rng.choice(('Jr.', 'Dr.', ''))}"
    return name.upper() if rng.random() < 0.08 else name


def _flag(rng: Random, *, is_yes: bool) -> str | None:
    if rng.random() < 0.05:
        return rng.choice((None, ""))
    return rng.choice(_YES if is_yes else _NO)


def _local(moment: datetime) -> datetime:
    return moment.astimezone(_ZONE).replace(tzinfo=None)
