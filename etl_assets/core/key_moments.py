"""Expressions for the day or the moment that a key holds: what `computed` of a spec takes.

Each is IMMUTABLE for PostgreSQL, so an index can be built on it, and NULL for a key that is of no
such kind: it fails for none. They are plain `Sql`, in functions only to be written once.
"""

from etl_assets.core.computed import Sql

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DATE = "^(?!0000)[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])"


def day_of_digits(column: str) -> Sql:
    """The date (pl.Date) of a text or a number that begins with it as `yyyymmdd`."""
    text = f"({_quoted(column)})::text"
    year, month, day = (f"substr({text}, {n})::int" for n in ("1, 4", "5, 2", "7, 2"))
    # The last day of a month is not known to a pattern: 20240231 is 2 March here, and left out.
    date = f"(make_date({year}, {month}, 1) + ({day} - 1))"
    return Sql(
        f"CASE WHEN {text} ~ '{_DATE}' THEN "
        f"CASE WHEN extract(month FROM {date}) = {month} THEN {date} END END"
    )


def moment_of_snowflake(column: str, epoch_ms: int, shift: int = 22) -> Sql:
    """The moment (Datetime us UTC, in milliseconds) of an int8 whose bits from `shift` on count
    milliseconds since `epoch_ms`, which counts from 1970: 1288834974657 for X, 1420070400000 for
    Discord. NULL for numbers below 0.
    """
    key = _quoted(column)
    return Sql(
        f"CASE WHEN {key} >= 0 THEN to_timestamp((({key} >> {shift}) + {epoch_ms}) / 1000.0) END"
    )


def moment_of_ulid(column: str) -> Sql:
    """The moment (Datetime us UTC, in milliseconds) of a ULID in a text."""
    text = f"upper(({_quoted(column)})::text)"
    digits = " + ".join(
        f"(strpos('{_BASE32}', substr({text}, {n}, 1)) - 1) * {32 ** (10 - n)}::bigint"
        for n in range(1, 11)
    )
    pattern = f"^[0-7][{_BASE32}]{{25}}$"
    return Sql(f"CASE WHEN {text} ~ '{pattern}' THEN to_timestamp(({digits}) / 1000.0) END")


def moment_of_uuid7(column: str) -> Sql:
    """The moment (Datetime us UTC, in milliseconds) of a UUID of version 7, in a uuid or a text."""
    text = f"lower(({_quoted(column)})::text)"
    digits = f"('x' || substr({text}, 1, 8) || substr({text}, 10, 4))::bit(48)::bigint"
    pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7"
    return Sql(f"CASE WHEN {text} ~ '{pattern}' THEN to_timestamp({digits} / 1000.0) END")


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
