"""What people type, and what is made of it: addresses, names, flags, countries, phones."""

from collections.abc import Callable
from typing import Any

import phonenumbers
import polars as pl
import pytest

from etl_assets.conform.rules.countries import country
from etl_assets.conform.rules.phones import e164, first_phone, phone
from etl_assets.conform.rules.texts import (
    address,
    as_text,
    boolean,
    email,
    first_address,
    joined_name,
    of_one,
    segment,
    segment_of_flag,
    turned_name,
)

Rule = Callable[[pl.Expr], pl.Expr]


def made(rule: Rule, texts: list[str | None]) -> list[Any]:
    """What the rule makes of a column, and of each text by itself."""
    frame = pl.LazyFrame({"text": pl.Series(texts, dtype=pl.String)})
    found = frame.select(rule(pl.col("text")).alias("found")).collect()["found"].to_list()
    assert found == [of_one(rule, text) for text in texts]
    return found


def test_an_address_is_trimmed_and_in_lower_case() -> None:
    typed = ["  Anna.MEIER@Example.COM\t", "ÄRGER@example.de", "", "   ", None, "no address "]
    assert made(email, typed) == [
        "anna.meier@example.com",
        "ärger@example.de",
        None,
        None,
        None,
        "no address",
    ]


def test_what_is_no_address_is_none_where_a_system_types_words_for_it() -> None:
    typed = [" A@B.C ", "n/a", "-", "@", "a@", "a b@c.d", "a@b@c", "", None]
    assert made(address, typed) == ["a@b.c", *[None] * 8]


def test_of_several_addresses_the_first_that_is_one_counts() -> None:
    lists = [["n/a", None, " B@c.d", "x@y.z"], [], [None], None]
    frame = pl.DataFrame({"emails": pl.Series(lists, dtype=pl.List(pl.String))})
    found = frame.select(first_address(pl.col("emails")))["emails"].to_list()
    assert found == ["b@c.d", None, None, None]


@pytest.mark.parametrize(
    ("meant", "typed"),
    [
        (True, ["Y", "y", " Y ", "yes", "YES", "true", "True", "1", "j", "ja", "on"]),
        (False, ["N", "n", " N ", "no", "false", "0", "nein", "off"]),
        (None, ["", " ", "maybe", "?", "2", "yn", "null", None]),
    ],
)
def test_yes_and_no_in_any_spelling(meant: bool | None, typed: list[str | None]) -> None:
    assert made(boolean, typed) == [meant] * len(typed)


def test_a_flag_may_be_a_boolean_or_a_word() -> None:
    given = [True, False, "Y", " no", None, "?"]
    assert [of_one(boolean, as_text(one)) for one in given] == [
        True,
        False,
        True,
        False,
        None,
        None,
    ]


def test_a_segment_is_one_of_the_known_or_none() -> None:
    assert made(segment, [" VIP", "Business", "gold", "", None]) == ["vip", "business", *[None] * 3]
    assert made(segment_of_flag, ["y", "N", "", None, "?"]) == ["vip", None, None, None, None]


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Meier, Anna", "Anna Meier"),
        ("  von der Heide ,   Karl  Otto ", "Karl Otto von der Heide"),
        ("O'Connor, Sean, Jr.", "Sean O'Connor Jr."),
        ("A, B, C, D", "B A C D"),
        ("Meier,, Anna", "Anna Meier"),
        ("Meier,", "Meier"),
        (", Anna", "Anna"),
        ("Anna Meier", "Anna Meier"),
        (" , ,", None),
        ("", None),
        (None, None),
    ],
)
def test_a_name_that_begins_with_the_family_is_turned(typed: str | None, name: str | None) -> None:
    assert made(turned_name, [typed]) == [name]


def test_given_and_family_name_are_joined_and_one_may_be_missing() -> None:
    pairs = [("Anna", " Meier"), (None, "Meier"), ("Anna ", None), (" ", " "), (None, None)]
    found = [of_one(joined_name, *pair) for pair in pairs]
    assert found == ["Anna Meier", "Meier", "Anna", None, None]


@pytest.mark.parametrize(
    ("code", "typed"),
    [
        ("DE", ["Germany", "GERMANY ", "Deutschland", "de", "DEU", "deu"]),
        ("US", ["U.S.A.", "USA", "united states", "United  States of America"]),
        ("GB", ["UK", "Great Britain", "England", "GBR"]),
        ("CI", ["Côte d'Ivoire", "COTE D\u2019IVOIRE", "Ivory Coast"]),
        ("NA", ["NA", "Namibia", "nam"]),
        ("BQ", ["Bonaire, Sint Eustatius and Saba"]),
        (None, ["", " ", "XX1", "XX", "Atlantis", "...", None]),
    ],
)
def test_a_country_is_known_by_name_and_by_code(code: str | None, typed: list[str | None]) -> None:
    assert made(country, typed) == [code] * len(typed)


def test_every_country_that_has_phones_is_known_by_its_code() -> None:
    # Ascension, Tristan da Cunha and Kosovo have plans of their own, and no code of ISO 3166-1.
    regions = sorted(set(phonenumbers.SUPPORTED_REGIONS) - {"AC", "TA", "XK"})
    assert made(country, [*regions]) == regions


@pytest.mark.parametrize(
    ("typed", "home", "number"),
    [
        ("0151 2345 6789", "DE", "+4915123456789"),
        ("0151/23456789", "DE", "+4915123456789"),
        ("+49 (0) 151 23456789", "DE", "+4915123456789"),
        ("+49 (0)151-234-56789", "US", "+4915123456789"),
        ("(+49) 15123456789", None, "+4915123456789"),
        ("0049 151 23456789", "US", "+4915123456789"),
        ("00 49 151 23456789", None, "+4915123456789"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("212.555.0123 ext. 4", "US", "+12125550123"),
        ("07400 123456", "GB", "+447400123456"),
        ("+44 7400 123456", "DE", "+447400123456"),
        ("347 1234567", "IT", "+393471234567"),
        ("06 1234 5678", "FR", "+33612345678"),
        # The same digits are a number of one country and none of another.
        ("07400 123456", "US", None),
        ("0151 23456789", None, None),
        ("0151 23456789", "XX", None),
        ("000000", "DE", None),
        ("+49", "DE", None),
        ("n/a", "DE", None),
        ("call the office", "DE", None),
        ("+49 151 23456789" * 10, "DE", None),
        ("", "DE", None),
        (None, "DE", None),
    ],
)
def test_a_phone_is_the_number_that_is_dialled_from_anywhere(
    typed: str | None, home: str | None, number: str | None
) -> None:
    frame = pl.LazyFrame({"p": [typed], "c": [home]}, schema={"p": pl.String, "c": pl.String})
    found = frame.select(phone(pl.col("p"), pl.col("c")).alias("n")).collect()["n"].to_list()
    assert found == [number] == [e164([typed], home)]


def test_of_several_phones_the_first_that_is_one_counts_for_each_row() -> None:
    lists = [["n/a", "0151 23456789"], [None, "+44 7400 123456", "0151 23456789"], [], None]
    frame = pl.LazyFrame(
        {"p": lists, "c": ["DE"] * 4}, schema={"p": pl.List(pl.String), "c": pl.String}
    )
    found = frame.select(first_phone(pl.col("p"), pl.col("c")).alias("n")).collect()["n"]
    assert found.to_list() == ["+4915123456789", "+447400123456", None, None]


def test_no_rows_have_no_phones() -> None:
    nothing = pl.LazyFrame(schema={"p": pl.String, "c": pl.String})
    found = nothing.select(phone(pl.col("p"), pl.col("c")).alias("n")).collect()
    assert (found.height, found.schema["n"]) == (0, pl.String)
