"""The custom fields of the demo's customers: a JSON column whose keys come and go.

Which keys a row has depends on the day of its last change, as an application that was changed every
other week would write them.
"""

import json
from datetime import date, datetime
from typing import Any, Final

from etl_assets.demo.chance import maybe, pick, seeded

_TIERS: Final = {"bronze": 0.55, "silver": 0.3, "gold": 0.15}
_LIMITS: Final = (250, 500, 1_000, 2_500, 10_000)
_REFERRERS: Final = ("newsletter", "a friend", "search", "https://example.org/?ref=ü&n=1")
_ODD_KEYS: Final = ("shoe size (EU)", "a.b", "Größe", 'the "other" address')


def custom_of(seed: int, customer_id: int, changed: datetime, first_day: date) -> str | None:
    """The JSON text of a customer who was changed last at `changed` (UTC); None for no fields.

    `referrer` is gone from the tenth to the twentieth day, `loyalty_tier` comes with the third, and
    from the fifteenth on `credit_limit` is a text ("500.00") and no number any more.
    """
    day, rng = (changed.date() - first_day).days, seeded(seed, "custom", customer_id)
    fields: dict[str, Any] = {}
    if day >= 3 and rng.random() < 0.8:
        fields["loyalty_tier"] = pick(rng, _TIERS) if rng.random() < 0.95 else None
    limit = maybe(rng, 0.6, _LIMITS)
    if limit is not None:
        fields["credit_limit"] = limit if day < 15 else f"{limit}.00"
    if rng.random() < 0.02:
        fields["credit_limit"] = "ask the boss"
    referrer = maybe(rng, 0.5, _REFERRERS)
    if referrer is not None and not 10 <= day < 20:
        fields["referrer"] = referrer
    if day >= 7 and rng.random() < 0.25:
        fields["preferences"] = {"language": pick(rng, {"en": 0.6, "de": 0.4}), "mails": []}
    odd = maybe(rng, 0.05, _ODD_KEYS)
    if odd is not None:
        fields[odd] = rng.randint(36, 47) if rng.random() < 0.5 else 42.5
    return json.dumps(fields, ensure_ascii=False) if fields or rng.random() < 0.5 else None
