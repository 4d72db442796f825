"""A table whose key has two parts that may be NULL, and rows of it."""

from datetime import date

import polars as pl

from etl_assets.core.scope import Scope
from etl_assets_tests.changing import changing_table
from etl_assets_tests.source_tables import run

PAIR = {"id": pl.Int64, "device": pl.String}
PAIRS = changing_table(PAIR, key=("id", "device"))
EVERY_DAY = Scope(date(2024, 1, 1))
BIRTH = "'2024-05-17'::timestamptz"


def make_pairs(url: str, *pairs: str, more: str = "") -> None:
    rows = ", ".join(f"({pair}, {BIRTH}, {BIRTH}, {n})" for n, pair in enumerate(pairs))
    run(
        url,
        "CREATE TABLE things (id bigint, device text, day_at timestamptz, updated_at timestamptz,"
        f" v int{more})",
        f"INSERT INTO things VALUES {rows}",
    )


def pairs_of(frame: pl.DataFrame) -> list[tuple[int | None, str | None]]:
    key = frame.select("id", "device").rows()
    return sorted(key, key=lambda pair: (pair[0] is None, pair[0], pair[1] is None, pair[1]))


def keys(*pairs: tuple[int | None, str | None]) -> pl.DataFrame:
    return pl.DataFrame(list(pairs), schema=PAIR, orient="row")


ALL = ["1, 'a'", "1, NULL", "NULL, 'a'", "NULL, NULL", "2, 'a'", "2, 'N'", "3, ''"]
