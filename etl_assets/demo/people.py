"""Customers of the demo shop, made up: names are Faker's, in the language of their country."""

import importlib
import re
import unicodedata
from datetime import datetime
from functools import cache
from random import Random
from typing import Final

from faker import Generator
from faker.providers.person import Provider as PersonProvider

from etl_assets.demo.chance import later
from etl_assets.demo.rows import Customer
from etl_assets.demo.vocabulary import (
    COUNTRIES,
    MAIL_HOSTS,
    ODD_NAMES,
    SEGMENT_SHARES,
    SEGMENTS,
    Country,
)

_SHARES: Final = tuple(country.share for country in COUNTRIES)
_NO_DECOMPOSITION: Final = str.maketrans({"ß": "ss", "Ł": "L", "ł": "l", "ı": "i"})  # noqa: RUF001


def new_customer(rng: Random, customer_id: int, created: datetime) -> Customer:
    """Return a good customer who signed up at `created` (UTC), without custom fields."""
    country = rng.choices(COUNTRIES, weights=_SHARES)[0]
    given, family = _name(rng, country)
    return Customer(
        customer_id,
        _email(rng, customer_id, given, family),
        f"{given} {family}",
        country.code,
        rng.choices(SEGMENTS, weights=SEGMENT_SHARES)[0] if rng.random() < 0.9 else None,
        _phone(rng, country) if rng.random() < 0.7 else None,
        rng.random() < 0.42,
        None,
        created,
        created if rng.random() < 0.65 else later(rng, created, (1, 500)),
    )


def _name(rng: Random, country: Country) -> tuple[str, str]:
    """Given and family name, the same for the same state of `rng` and release of Faker."""
    names = _names_of(country.locale)
    names.generator.seed_instance(rng.getrandbits(32))
    family = rng.choice(ODD_NAMES) if rng.random() < 0.03 else names.last_name()
    return names.first_name(), family


@cache
def _names_of(locale: str) -> PersonProvider:
    """Faker's names of one locale alone: all of Faker takes a second to load."""
    module = importlib.import_module(f"faker.providers.person.{locale}")
    provider: PersonProvider = module.Provider(Generator())
    return provider


def _email(rng: Random, customer_id: int, given: str, family: str) -> str | None:
    if rng.random() < 0.02:  # signed up in a store
        return None
    letters = unicodedata.normalize("NFKD", f"{given}.{family}".translate(_NO_DECOMPOSITION))
    name = re.sub(r"[^a-z.]+", "", letters.lower())
    # Some typed it with capitals, and the legacy application kept them.
    shown = name.title() if rng.random() < 0.1 else name
    return f"{shown}{customer_id}@{rng.choice(MAIL_HOSTS)}"


def _phone(rng: Random, country: Country) -> str:
    number = mobile_number(country, rng.randint(10_000_000, 999_999_999))
    shape = rng.choice(
        ("{code} {number}", "00{digits}{number}", "{trunk}{number}", "({code}) {number}")
    )
    code, trunk = country.dialling_code, country.trunk
    return shape.format(code=code, digits=code.lstrip("+"), trunk=trunk, number=number)


def mobile_number(country: Country, number: int) -> str:
    """A mobile number of the country, as it is without trunk and country code."""
    free = country.mobile.count("#")
    return country.mobile.replace("#", "") + f"{number:09}"[-free:]
