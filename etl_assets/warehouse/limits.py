"""What each warehouse cannot hold or do, and why: declared, so that `doctor` and the suite tell it.

A limit is of the service, not of our code, and each is refused with a message or has a documented
effect. What a source cannot do is declared by the source (`sources/base.py`).
"""

from collections.abc import Mapping
from enum import StrEnum

from etl_assets.config import Settings


class Limit(StrEnum):
    """What some warehouse cannot do; the texts follow the word "cannot" in a sentence."""

    NAMES = "take any name"
    LONG_NAMES = "take long names"
    MANY_COLUMNS = "hold any number of columns"
    CASE = "tell names apart by case"
    NULLABLE_KEYS = "have keys that may be NULL"
    NOW_REQUIRED = "make a published column required"
    INTEGER_WIDTHS = "tell integers of several widths apart"
    NESTED_LISTS = "hold lists of lists"
    NULL_LISTS = "hold NULL in place of a list, or inside one"
    JSON_NUMBERS = "hold numbers of any length in JSON"
    NESTED_SPECIALS = "hold NaN in structs and nested lists"
    ZERO_BYTES = "hold zero bytes in text"
    CALENDAR = "hold days of any year"
    PROCESSES = "be open in several processes"


_CANNOT: Mapping[str, Mapping[Limit, str]] = {
    "duckdb": {
        Limit.CASE: 'it takes "ABC" and "abc" for one name; the second is refused',
        Limit.PROCESSES: "one process at a time has its file open; the others wait for their turn",
    },
    "postgresql": {
        Limit.LONG_NAMES: "it cuts names after 63 bytes; a longer one is refused",
        Limit.MANY_COLUMNS: "a table has 1,600 at most, fewer of wide types, and four of them are "
        "the platform's; a contract of more is refused",
        Limit.NULLABLE_KEYS: "a unique index with NULL equal to NULL needs PostgreSQL 15; on an "
        "older server such a key is refused",
        Limit.ZERO_BYTES: "its text holds none; such a value is refused before it is sent",
        Limit.NESTED_SPECIALS: "it keeps structs and nested lists as JSON, which has no form for "
        "NaN and infinity; such a value is refused before it is sent",
    },
    "bigquery": {
        Limit.NAMES: "its names have no quotes, semicolons and percent signs; such a name "
        "is refused",
        Limit.NOW_REQUIRED: "it makes no existing column REQUIRED: the table is set aside and its "
        "days loaded again",
        Limit.INTEGER_WIDTHS: "it has one integer type: a narrower contract fits the same column",
        Limit.NESTED_LISTS: "it has no array of arrays; such a contract is refused",
        Limit.NULL_LISTS: "its arrays hold no NULL and are none; such a value is refused before it "
        "is sent",
        Limit.JSON_NUMBERS: "a number in its JSON has 64 bits; what they do not hold is refused "
        "before it is sent",
        Limit.CALENDAR: "its day partitions go from 1960 to 2159; other days are refused",
    },
}


def limits(settings: Settings) -> Mapping[Limit, str]:
    """What the warehouse of the settings cannot, each with the reason.

    Empty for a URL that names no warehouse; nothing is connected and no backend is imported.
    """
    return _CANNOT.get((settings.warehouse_url or "duckdb:").split(":", 1)[0], {})
