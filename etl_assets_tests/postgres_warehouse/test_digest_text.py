"""Canonical texts of what only a source has: more types, and values that no dtype holds."""

import hashlib

import polars as pl
import pytest

from etl_assets.postgres.digest_text import (
    bucket_of,
    canonical_text,
    checksum,
    line,
    row_digest,
)
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, run


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        (pl.Int64(), "7::oid", "7"),
        (pl.Int64(), "NULL::bigint", None),
        (pl.Boolean(), "NULL::boolean", None),
        (pl.Decimal(12, 2), "1.5::numeric", "150"),
        (pl.Decimal(12, 2), "-7::smallint", "-700"),
        (pl.Decimal(38, 9), "1e28::numeric", "1" + "0" * 37),
        (pl.Decimal(12, 2), "'$12.34'::money", "1234"),
        (pl.Decimal(12, 2), "'NaN'::numeric", "NaN"),
        (pl.Decimal(12, 2), "'-Infinity'::numeric", "-Infinity"),
        (UTC_MOMENT, "timestamptz '1970-01-01 02:00:00.5+02'", "500000"),
        (UTC_MOMENT, "timestamptz 'infinity'", "Infinity"),
        (UTC_MOMENT, "timestamptz '0044-03-15 00:00+00 BC'", "-63517824000000000"),
        (NAIVE, "timestamp '-infinity'", "-Infinity"),
        (pl.Date(), "date '1969-12-31'", "-1"),
        (pl.Date(), "date 'infinity'", "Infinity"),
        (pl.Date(), "NULL::date", None),
        (pl.Time(), "time '24:00'", "86400000000"),
        (pl.Binary(), "'\\xAB00'::bytea", "ab00"),
        (pl.String(), "'ab'::char(4)", "ab  "),
        (pl.String(), "'ä'::varchar", "ä"),
        (pl.String(), "''", ""),
        (pl.String(), "NULL::char(4)", None),
    ],
)
def test_every_value_has_a_text(
    database_url: str, dtype: pl.DataType, value: str, text: str | None
) -> None:
    found = run(database_url, f"SELECT {canonical_text(dtype, value)}")
    assert found == [(text,)]


@pytest.mark.parametrize("dtype", [pl.Struct({"a": pl.Int64()}), pl.Object()])
def test_what_databases_do_not_agree_on_has_none(dtype: pl.DataType) -> None:
    with pytest.raises(TypeError, match="no canonical text"):
        canonical_text(dtype, "v")


def test_a_digest_is_of_any_number_of_columns_whatever_the_encoding_of_the_database(
    database_url: str,
) -> None:
    name = database_url.split("/")[3].split("?")[0]
    latin = database_url.replace(name, f"{name}_latin")
    run(
        database_url,
        f"CREATE DATABASE {name}_latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
    )
    texts = [canonical_text(pl.String(), "chr(233)"), canonical_text(pl.String(), "NULL")] * 60
    digest = row_digest(line(texts))
    wanted = hashlib.md5("\x1f".join(["Vé", "N"] * 60).encode(), usedforsecurity=False).hexdigest()
    for url in (database_url, latin):
        assert run(url, f"SELECT {digest}") == [(wanted,)]
    low, high = int(wanted[:8], 16), int(wanted[8:16], 16)
    rows = f"(SELECT {digest} AS d FROM generate_series(1, 3)) AS rows"
    sums = ", ".join(checksum("d"))
    assert run(database_url, f"SELECT {sums} FROM {rows}") == [(3 * low, 3 * high)]
    assert run(database_url, f"SELECT {bucket_of(line(texts), 7)}") == [(low % 7,)]
