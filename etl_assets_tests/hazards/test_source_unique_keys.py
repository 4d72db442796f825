"""Where a key is unique because the catalogue proves it (R9), and where it only seems so."""

from typing import Any

import polars as pl
import pytest

from etl_assets_tests.changing import changing_table, make_things
from etl_assets_tests.hazards.key_pairs import BIRTH, EVERY_DAY, PAIRS
from etl_assets_tests.source_tables import NAIVE, UTC_MOMENT, run, snapshot_of

# What the table is, with the key of the contract and whether it is guaranteed to be unique.
THINGS = (
    "CREATE TABLE things (id bigint, device text, day_at timestamptz, updated_at timestamptz{})"
)
PROOFS: dict[str, tuple[bool, list[str]]] = {
    "nothing": (False, [THINGS.format("")]),
    "primary key": (True, [THINGS.format(", PRIMARY KEY (id, device)")]),
    "a part of the key": (True, [THINGS.format(", PRIMARY KEY (id)")]),
    "more than the key": (False, [THINGS.format(", PRIMARY KEY (id, device, day_at)")]),
    "nullable": (False, [THINGS.format(", UNIQUE (id, device)")]),
    "one part nullable": (
        False,
        [THINGS.format(", UNIQUE (id, device)"), "ALTER TABLE things ALTER id SET NOT NULL"],
    ),
    "nulls not distinct": (True, [THINGS.format(", UNIQUE NULLS NOT DISTINCT (id, device)")]),
    "not null": (
        True,
        [THINGS.format(", UNIQUE (id)"), "ALTER TABLE things ALTER id SET NOT NULL"],
    ),
    "not null but not valid": (
        False,
        [THINGS.format(", UNIQUE (id)"), "ALTER TABLE things ADD NOT NULL id NOT VALID"],
    ),
    "partial": (False, [THINGS.format(""), "CREATE UNIQUE INDEX ON things (id) WHERE id > 5"]),
    "expression": (
        False,
        [
            THINGS.format(", CHECK (id IS NOT NULL)"),
            "ALTER TABLE things ALTER id SET NOT NULL, ALTER device SET NOT NULL",
            "CREATE UNIQUE INDEX ON things (id, lower(device))",
        ],
    ),
    "deferred": (
        False,
        [
            THINGS.format(""),
            "ALTER TABLE things ADD PRIMARY KEY (id) DEFERRABLE INITIALLY DEFERRED",
        ],
    ),
    "included": (
        False,
        [
            THINGS.format(""),
            "ALTER TABLE things ALTER id SET NOT NULL, ALTER device SET NOT NULL",
            "CREATE UNIQUE INDEX ON things (day_at) INCLUDE (id, device)",
        ],
    ),
    "included beside the key": (
        True,
        [
            THINGS.format(""),
            "ALTER TABLE things ALTER id SET NOT NULL",
            "CREATE UNIQUE INDEX ON things (id) INCLUDE (day_at)",
        ],
    ),
    "not unique": (False, [THINGS.format(""), "CREATE INDEX ON things (id)"]),
    "children": (
        False,
        [THINGS.format(", PRIMARY KEY (id)"), "CREATE TABLE child () INHERITS (things)"],
    ),
    "a view": (
        False,
        [
            THINGS.format(", PRIMARY KEY (id)").replace("things", "base"),
            "CREATE VIEW things AS SELECT * FROM base",
        ],
    ),
    "partitioned": (
        True,
        [
            THINGS.format(", PRIMARY KEY (id)") + " PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF things FOR VALUES FROM (0) TO (10)",
        ],
    ),
    "an index of a partition": (
        False,
        [
            THINGS.format("") + " PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF things FOR VALUES FROM (0) TO (10)",
            "ALTER TABLE low ADD PRIMARY KEY (id)",
        ],
    ),
    "only the parent's invalid index": (
        False,
        [
            THINGS.format("") + " PARTITION BY RANGE (id)",
            "CREATE TABLE low PARTITION OF things FOR VALUES FROM (0) TO (10)",
            "ALTER TABLE things ALTER id SET NOT NULL",
            "CREATE UNIQUE INDEX ON ONLY things (id)",
        ],
    ),
    "another operator class": (
        False,
        [
            THINGS.format(""),
            "ALTER TABLE things ALTER id SET NOT NULL, ALTER device SET NOT NULL",
            "CREATE TYPE pair AS (a int)",
            "ALTER TABLE things ADD p pair NOT NULL DEFAULT ROW(1)",
            "CREATE UNIQUE INDEX ON things (id, p record_image_ops)",
        ],
    ),
    "a pattern operator class": (
        True,
        [
            THINGS.format(""),
            "ALTER TABLE things ALTER id SET NOT NULL, ALTER device SET NOT NULL",
            "CREATE UNIQUE INDEX ON things (id, device text_pattern_ops)",
        ],
    ),
}


@pytest.mark.parametrize("proof", PROOFS)
def test_r9_a_key_is_unique_where_the_catalogue_proves_it(database_url: str, proof: str) -> None:
    is_unique, statements = PROOFS[proof]
    run(database_url, *statements)
    table = PAIRS
    if proof == "another operator class":  # the key is unique byte by byte only
        table = changing_table({"id": pl.Int64, "p": pl.String}, key=("id", "p"))
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.key_is_unique == is_unique
        assert snapshot.repeated_keys(EVERY_DAY).is_empty()


def test_r9_an_index_that_failed_to_be_built_proves_nothing(database_url: str) -> None:
    make_things(database_url, f"SELECT n, {BIRTH}, {BIRTH} FROM generate_series(1, 3) n")
    run(
        database_url,
        "ALTER TABLE things DROP CONSTRAINT things_pkey",
        "INSERT INTO things TABLE things",
    )
    with pytest.raises(Exception, match="could not create unique index"):
        run(database_url, "CREATE UNIQUE INDEX CONCURRENTLY broken ON things (id)")
    with snapshot_of(database_url, changing_table()) as snapshot:
        assert not snapshot.key_is_unique
        assert sorted(snapshot.repeated_keys(EVERY_DAY)["id"]) == [1, 2, 3]


APART: dict[str, tuple[str, Any, dict[str, Any], bool]] = {
    "padded": ("char(5)", pl.String, {}, True),
    "trimmed": ("char(5)", pl.String, {"trim": True}, True),
    "another type": ("uuid", pl.String, {}, True),
    "rescaled": ("numeric", pl.Decimal(18, 2), {}, True),
    "nulled": ("numeric", pl.Decimal(18, 2), {"on_unrepresentable": "null"}, False),
    "array": ("int[]", pl.List(pl.Int32), {}, True),
    "array as text": ("int[]", pl.String, {}, True),
    "zoned": ("timestamp", UTC_MOMENT, {"source_zone": "Europe/Berlin"}, True),
    "earliest": (
        "timestamp",
        UTC_MOMENT,
        {"source_zone": "Europe/Berlin", "ambiguous": "earliest"},
        True,
    ),
    "ambiguous as null": (
        "timestamp",
        UTC_MOMENT,
        {"source_zone": "Europe/Berlin", "ambiguous": "null"},
        False,
    ),
    "naive": ("timestamp", NAIVE, {}, True),
}


@pytest.mark.parametrize("kind", APART)
def test_r9_an_index_proves_nothing_where_different_values_become_equal(
    database_url: str, kind: str
) -> None:
    type_, dtype, options, is_unique = APART[kind]
    run(
        database_url,
        f"CREATE TABLE things (k {type_} PRIMARY KEY, day_at timestamptz, updated_at timestamptz)",
    )
    table = changing_table({"k": dtype}, options={"k": options}, key=("k",))
    with snapshot_of(database_url, table) as snapshot:
        assert snapshot.key_is_unique == is_unique
        assert snapshot.repeated_keys(EVERY_DAY).schema == pl.Schema({"k": dtype})
