"""Names of a table, of its module and of the attributes of its contract, whatever a source calls
its things. Pure.

A name that every warehouse can hold stays the column's name, also where Python has no such one.
"""

import keyword
import re
import unicodedata
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.contracts import Contract
from etl_assets.core.frames import OWN
from etl_assets.warehouse.names import (
    BIGQUERY_COLUMN,
    BIGQUERY_PREFIXES,
    POSTGRES_LONGEST,
    POSTGRES_OWN,
)

_IN_USE = {
    *("pl", "column", "Contract", "Annotated", "Config", "TABLE", "TableSpec", "PostgresTable"),
    *("Files", "HttpApi", "Texts", "Drift", "Severity", "Thresholds", "Decimal", "stage", "raw"),
}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST_ATTRIBUTE, _LONGEST_TABLE = 40, 50
_MODULES = {"conftest", "test", "tests"}


@dataclass(frozen=True)
class Named:
    """A column: its name in the warehouse, that of its attribute, and why it is not the source's.

    `why` is "" where the name is the source's own.
    """

    name: str
    attribute: str
    why: str = ""


def named_columns(names: Iterable[str]) -> dict[str, Named]:
    """The names of a contract by the source's, each once however case is read."""
    sources = list(names)
    first: dict[str, str] = {}
    for name in sources:
        if not _why_not(name):
            first.setdefault(name.lower(), name)
    kept = set(first.values())
    taken = set(first)
    attributes = {name for name in kept if _is_attribute(name)}
    found: dict[str, Named] = {}
    for place, source in enumerate(sources, 1):
        why = _why_not(source)
        if not why and source not in kept:
            why = f"{first[source.lower()]!r} differs from it by case alone"
        name = source
        if why:
            near = _near(source) or f"column_{place}"
            name = _free(f"{near}_column" if _why_not(near) else near, taken)
        if _is_attribute(name) and (name == source or name not in attributes):
            attribute = name
        else:
            attribute = _free(_near(name) or f"column_{place}", attributes)
        attributes.add(attribute)
        found[source] = Named(name, attribute, why)
    return found


def table_name(text: str, taken: Collection[str] = (), schema: str = "") -> str:
    """A name for a table and for its module: letters, digits and underscores, none of `taken`.

    `schema` comes before it where the name alone is taken. A name without Latin letters becomes a
    short digest of it.
    """
    begin = _near(text) or f"table_{zlib.crc32(text.encode()):08x}"
    begin = begin[:_LONGEST_TABLE].rstrip("_")
    if not _is_module(begin):
        begin = f"{begin}_table"
    lower = {one.lower() for one in taken}
    with_schema = [f"{_near(schema)}_{begin}"[:_LONGEST_TABLE]] if _near(schema) else []
    candidates = [begin, *with_schema, *(f"{begin}_{n}" for n in range(2, 10_000))]
    return next(one for one in candidates if one not in lower)


def is_table_name(text: str) -> bool:
    """Whether it can be the name of a table and of a module."""
    return bool(_IDENTIFIER.fullmatch(text)) and _is_module(text) and text == text.lower()


def class_name(table: str) -> str:
    """The table's name as part of a class's."""
    return "".join(part.capitalize() for part in table.split("_"))


def shown(names: Collection[str], most: int = 5) -> str:
    """Names in a sentence; of many the first."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _is_module(name: str) -> bool:
    return not keyword.iskeyword(name) and name not in _MODULES and not name.startswith("_")


def _why_not(name: str) -> str:
    """Why no column may have the name in every warehouse, "" where it may."""
    if name.lower() in AUDIT_COLUMNS or OWN.fullmatch(name.lower()):
        return "the platform itself has a column of that name"
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        return "it is a pattern of several names to Polars"
    if not BIGQUERY_COLUMN.fullmatch(name) or name.lower().startswith(BIGQUERY_PREFIXES):
        return "BigQuery has no column of that name"
    if name in POSTGRES_OWN or len(name.encode()) > POSTGRES_LONGEST:
        return "PostgreSQL has no column of that name"
    return ""


def _is_attribute(name: str) -> bool:
    return (
        bool(_IDENTIFIER.fullmatch(name))
        and name == name.lower()
        and not name.startswith("__")
        and not name.endswith("__")
        and len(name) <= _LONGEST_ATTRIBUTE
        and name not in _IN_USE
        and not keyword.iskeyword(name)
        and not hasattr(Contract, name)
    )


def _near(name: str) -> str:
    """Latin letters, digits and underscores like the name, in lower case; "" where none is."""
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss")).encode("ascii", "ignore")
    near = re.sub(r"[^A-Za-z0-9]+", "_", _CAMEL.sub("_", plain.decode())).strip("_").lower()
    near = near[:_LONGEST_ATTRIBUTE].rstrip("_")
    if not near:
        return ""
    near = f"n_{near}" if near[0].isdigit() else near
    return near if _is_attribute(near) else f"{near}_"[: _LONGEST_ATTRIBUTE + 1]


def _free(name: str, taken: set[str]) -> str:
    """The name, or one with a number behind it, that none of `taken` is; it is taken then."""
    candidates = (name, *(f"{name.rstrip('_')}_{n}" for n in range(2, 10_000)))
    lower = {one.lower() for one in taken}
    free = next(one for one in candidates if one.lower() not in lower)
    taken.add(free)
    return free
