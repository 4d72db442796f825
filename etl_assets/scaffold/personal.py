"""Which columns hold what is personal: by their names, and by what sampled values look like. Pure.

The values themselves are never written down.
"""

import re

import polars as pl

_NAMES = (
    (r"e?_?mail(_?address)?|email", "an e-mail address"),
    (r"phone|tele?phone|tel|mobile|cell(_?phone)?|fax|msisdn|whatsapp", "a phone number"),
    (r"(first|last|full|given|family|middle|maiden|nick|display|sur|fore|legal)_?name", "a name"),
    (r"surname|firstname|lastname|fullname|username|user_name|login|nickname", "a name"),
    (r"(contact|customer|client|person|patient|employee|user|owner|author|member)_?name", "a name"),
    (r"birth(_?(date|day|place))?|dob|date_of_birth|born_(on|at)", "a date of birth"),
    (r"ssn|social_security\w*|tax_?(id|number)|national_id|passport\w*|iban|bic", "an identity"),
    (r"(credit_?)?card_?number|cvv|cvc|account_?number|bank_account\w*", "an account"),
    (r"(street|home|postal|billing|shipping|mailing)?_?address(_?(line)?_?[0-9])?", "an address"),
    (r"street|postcode|post_code|zip(_?code)?|house_?number", "an address"),
    (r"ip|ip_?addr(ess)?|\w+_ip|remote_addr|user_agent|mac_?addr(ess)?|device_id", "a device"),
    (r"\w*(password|passwd|secret|api_?key|token)\w*|otp|salt", "a secret"),
    (r"gender|sex|religion|ethnicity|nationality|marital_status|salary", "a personal quality"),
)
_PATTERNS = [(re.compile(rf"(?i)(?:.*_)?(?:{names})"), why) for names, why in _NAMES]
_OF_PEOPLE = re.compile(
    r"(?i)(.*_)?(user|customer|client|person|people|contact|employee|patient|member|account|"
    r"author|subscriber|student|teacher|driver|passenger|guest|lead|staff|supplier)s?"
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_MAIL = r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"
_PHONE = r"^(\+|00)[0-9][0-9 ()/.-]{6,18}$"
_TYPES = {"inet": "a device", "macaddr": "a device", "macaddr8": "a device"}
_TEXTS = {"text", "varchar", "bpchar", "citext", "name"}
_OTHERS = {"date", "int8", "numeric", "bytea", "array", "json", "jsonb"}


def why_personal(name: str, kind: str, table: str, texts: pl.Series) -> str:
    """Why the column is personal, "" where nothing says so; `kind` is the type's name."""
    if kind in _TYPES:
        return f"its type is that of {_TYPES[kind]}"
    by_name = why_personal_by_name(name, table) if kind in _TEXTS | _OTHERS else ""
    if by_name or kind not in _TEXTS:
        return by_name
    there = texts.drop_nulls().str.strip_chars()
    there = there.filter(there != "")
    for pattern, what in ((_MAIL, "e-mail addresses"), (_PHONE, "phone numbers")):
        if there.str.contains(pattern).sum() * 2 > there.len():
            return f"most sampled values look like {what}"
    return ""


def why_personal_by_name(name: str, table: str = "") -> str:
    """The same by the name alone; a `name` is personal in a table of people."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", _CAMEL.sub("_", name)).strip("_")
    if plain.lower() == "name" and _OF_PEOPLE.fullmatch(table):
        return "by its name it is the name of a person"
    for pattern, what in _PATTERNS:
        if pattern.fullmatch(plain):
            return f"by its name it is {what}"
    return ""
