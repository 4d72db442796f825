"""CHECK constraints, as PostgreSQL prints them, become the checks of a contract, or nothing."""

from decimal import Decimal

import psycopg
import pytest

from etl_assets.scaffold.constraints import NOT_NULL, checks_of
from etl_assets_tests.source_tables import run

CASES = {
    "price >= 0": {"price": {"ge": 0}},
    "price > -1.50 AND price <= 99.5": {"price": {"gt": Decimal("-1.50"), "le": Decimal("99.5")}},
    "n BETWEEN 1 AND 10": {"n": {"ge": 1, "le": 10}},
    "5 < n": {"n": {"gt": 5}},
    "n > 3 AND (n >= 7 AND n < 100)": {"n": {"gt": 3, "ge": 7, "lt": 100}},
    "n >= 3 AND n >= 7": {"n": {"ge": 7}},
    "kind IN ('a', 'it''s', 'x, y', 'c]')": {"kind": {"isin": ["a", "it's", "x, y", "c]"]}},
    "label IN ('a', 'b')": {"label": {"isin": ["a", "b"]}},
    "kind = 'only'": {"kind": {"isin": ["only"]}},
    "n IN (1, 2, -3)": {"n": {"isin": [1, 2, -3]}},
    "kind IS NOT NULL": {"kind": {NOT_NULL: True}},
    '"Odd ""Name" > 0': {'Odd "Name': {"gt": 0}},
    "n > 0 AND length(kind) > 3": {"n": {"gt": 0}},
    "n > 0 OR kind = 'a'": {},
    "n > m": {},
    "NOT n > 5": {},
    "kind ~ '^a > 5$'": {},
    "kind <> 'a'": {},
    "kind IN ('a') OR kind IS NULL": {},
    "(n > 0) IS TRUE": {},
    "abs(n) < 5": {},
    "n + 1 > 5": {},
    "kind > 'm'": {},
    "n IS NULL OR n > 5": {},
    "made > '2020-01-01'": {},
}


@pytest.mark.parametrize("condition", CASES)
def test_what_a_constraint_says_of_one_column_is_taken_and_nothing_else(
    database_url: str, condition: str
) -> None:
    run(
        database_url,
        "CREATE TABLE t (n int, m int, price numeric, kind varchar, label text, made date, "
        f'"Odd ""Name" bigint, CHECK ({condition}))',
    )
    assert checks_of([condition_of(database_url)]) == CASES[condition]


@pytest.mark.parametrize("condition", [c for c in CASES if CASES[c]])
def test_a_rule_lets_every_row_pass_that_the_constraint_lets_pass(
    database_url: str, condition: str
) -> None:
    """Values around each bound, tried on PostgreSQL itself."""
    run(
        database_url,
        "CREATE TABLE t (n int, m int, price numeric, kind varchar, label text, made date, "
        f'"Odd ""Name" bigint, CHECK ({condition}))',
    )
    for name, rules in checks_of([condition_of(database_url)]).items():
        for value in values_around(rules):
            accepted = True
            try:
                quoted = '"' + name.replace('"', '""') + '"'
                with psycopg.connect(database_url) as connection:
                    connection.execute(f"INSERT INTO t ({quoted}) VALUES (%s)".encode(), [value])
                    connection.rollback()
            except psycopg.errors.CheckViolation:
                accepted = False
            if accepted:
                assert keeps(value, rules), (condition, name, value)


def condition_of(url: str) -> str:
    ((printed,),) = run(
        url,
        "SELECT pg_get_expr(conbin, conrelid) FROM pg_constraint "
        "WHERE contype = 'c' AND conrelid = 't'::regclass",
    )
    return str(printed)


def values_around(rules: dict[str, object]) -> list[object]:
    found: list[object] = []
    for check, bound in rules.items():
        if check == "isin" and isinstance(bound, list):
            found += [*bound, "other" if isinstance(bound[0], str) else 77]
        elif isinstance(bound, int | Decimal) and not isinstance(bound, bool):
            found += [bound, bound - 1, bound + 1]
    return found


def keeps(value: object, rules: dict[str, object]) -> bool:
    compare = {
        "ge": lambda a, b: a >= b,
        "gt": lambda a, b: a > b,
        "le": lambda a, b: a <= b,
        "lt": lambda a, b: a < b,
        "isin": lambda a, b: a in b,
        NOT_NULL: lambda a, b: a is not None,
    }
    return all(compare[check](value, bound) for check, bound in rules.items())
