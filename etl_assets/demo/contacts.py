"""The contacts that the demo's HTTP API serves for a CRM, from the people of the shop. Pure.

Half of the shop's customers are contacts, and some whom the shop does not know. One of them is bad.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from random import Random
from typing import Any, Final
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

_SHARE: Final = 0.5
_BAD: Final = 77
BAD_CONTACTS: Final = 1
"""How many contacts are bad."""

_ZONES: Final = tuple(map(ZoneInfo, ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")))
"""Where those sit who enter contacts."""

_TYPED_COUNTRIES: Final = {
    "DE": ("Germany", "GERMANY", "Deutschland"),
    "US": ("United States", "U.S.A.", "United States of America"),
    "GB": ("United Kingdom", "UK", "Great Britain", "England"),
    "NL": ("Netherlands", "The Netherlands", "Holland"),
    "CH": ("Switzerland", "Schweiz"),
}


@cache
def contacts(plan: ShopPlan) -> Sequence[Mapping[str, Any]]:
    """The contacts as the API gives them, in the order in which they were entered."""
    entered = []
    for person in people(plan):
        rng = seeded(plan.seed, "contact", person.known.id)
        if rng.random() < _SHARE:
            moment = later(rng, person.known.created_at, (0.1, 48))
            if moment < end_of(plan):
                entered.append((moment, person, rng))
    entered.sort(key=lambda one: (one[0], one[1].known.id))
    found = [
        _contact(number, moment, person, rng)
        for number, (moment, person, rng) in enumerate(entered, start=1)
    ]
    if len(found) > _BAD:
        found[_BAD]["created"] = "last spring"
    return tuple(found)


def _contact(number: int, moment: datetime, person: Person, rng: Random) -> dict[str, Any]:
    known = person.known
    modified, zone = changed(rng, moment), rng.choice(_ZONES)
    names = _TYPED_COUNTRIES.get(known.country, (person.country.name,))
    return {
        "id": f"C-{number:06d}",
        "name": {"first": person.given, "last": f" {person.family}"},
        "emails": _several(rng, spelt_address, person),
        "phones": _several(rng, spelt_phone, person),
        "country_name": rng.choice(names) if rng.random() < 0.97 else None,
        "tier": known.segment.title() if known.segment and rng.random() < 0.8 else None,
        "consents": {"newsletter": _consent(rng, known.is_subscribed), "phone": False},
        "external_ids": {"shop": known.id} if person.is_of_shop and rng.random() < 0.4 else {},
        "created": moment.astimezone(zone).isoformat(),
        "modified": modified.astimezone(zone).isoformat(),
    }


def _several(rng: Random, spelt: Any, person: Person) -> list[str | None]:
    return [spelt(rng, person) for _ in range(rng.choice((0, 1, 1, 1, 2)))]


def _consent(rng: Random, is_given: bool) -> bool | str | None:
    """Most are ticked; where somebody typed them they are words."""
    if rng.random() < 0.05:
        return None
    return rng.choice((is_given, is_given, "yes" if is_given else "No "))
