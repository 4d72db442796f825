"""Many keys, of which some change: as SQL for the peers' source, and as changes for our table."""

import duckdb
import polars as pl

KEYS, CHANGED = 100_000, 10_000

_FIRST = "TIMESTAMP '2026-01-01' + to_milliseconds(i)"
_ALL = f"""
SELECT i AS id, 'v' || (i % 97) AS a, i % 7 AS b, {_FIRST} AS moment, false AS gone
FROM range({KEYS}) AS t(i)
"""
_ONE_IN = KEYS // CHANGED
_SECOND = f"CASE WHEN i % {_ONE_IN} = 0 THEN {_FIRST} + INTERVAL 1 DAY ELSE {_FIRST} END"
_AFTER = f"""
SELECT i AS id, CASE WHEN i % {_ONE_IN} = 0 THEN 'w' ELSE 'v' END || (i % 97) AS a, i % 7 AS b,
    {_SECOND} AS moment, false AS gone
FROM range({KEYS}) AS t(i)
"""


def statements() -> list[str]:
    """The source as it is at each run: the newest row of each key."""
    return [_ALL, _AFTER]


def batches() -> list[pl.DataFrame]:
    """The changes that each run finds new: what a table of changes gets of the same source."""
    new = f"SELECT * FROM ({_AFTER}) WHERE moment >= TIMESTAMP '2026-01-02'"
    with duckdb.connect() as connection:
        return [
            pl.DataFrame(connection.sql(statement).to_arrow_table()).with_columns(
                pl.col("moment").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                pl.col("b").cast(pl.Int64),
                pl.lit(0, pl.Int64).alias("seq"),
            )
            for statement in (_ALL, new)
        ]
