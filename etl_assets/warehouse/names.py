"""Names, and numbers of columns, that the configured warehouse cannot hold: told before anything is
loaded, as what is wrong with a spec is. Pure; no backend is imported.

What no warehouse can hold is refused when the spec is made (`core/spec_checks.py`). A backend
refuses once more what it is asked to create.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from etl_assets.config import Settings
from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.catalog import Catalog
from etl_assets.core.placing import Broken
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.table import LayerTable
from etl_assets.core.wording import count_of

POSTGRES_LONGEST, POSTGRES_COLUMNS = 63, 1600
"""Bytes of a name, and columns of a table: https://www.postgresql.org/docs/current/limits.html."""

BIGQUERY_COLUMNS = 10_000
"""https://cloud.google.com/bigquery/quotas#table_limits"""

# https://cloud.google.com/bigquery/docs/tables#table_naming, …/schemas#column_names
BIGQUERY_TABLE = re.compile(r"[\w\- ]{1,1024}")
BIGQUERY_COLUMN = re.compile(r"[^!\"$()*,./;?@\[\\\]^`{}~\x00-\x1f]{1,300}")
BIGQUERY_PREFIXES = (
    *("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier"),
    *("_change_sequence_number", "_change_type", "_change_timestamp"),
)
POSTGRES_OWN = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
_SHOWN = 5


def fitting(catalog: Catalog, settings: Settings) -> Catalog:
    """The catalog without the tables that the warehouse of the settings cannot hold.

    Its errors say of each why, and what to write; what is made of it is left out as well.
    """
    kind = (settings.warehouse_url or "duckdb:").split(":", 1)[0]
    faults = _OF_KIND.get(kind)
    if faults is None:
        return catalog
    broken: list[Broken] = []
    for path, table in catalog.items():
        left_out = {one for other in broken for one in other.paths}
        if any(given.asset in left_out for given in table.inputs.values()):
            continue  # mended first, it may be the same fault
        told = [fault for one in (table, table.versions) if one for fault in faults(one)]
        if told:
            found = f"{table.declared_in}: {path}: {' '.join(dict.fromkeys(told))}"
            broken.append(Broken(found, frozenset([path])))
    return catalog.without(broken) if broken else catalog


def _postgres(table: LayerTable) -> Iterator[str]:
    if len(table.name.encode()) > POSTGRES_LONGEST:
        yield (
            f"name: PostgreSQL would cut {table.name!r} off after "
            f"{count_of(POSTGRES_LONGEST, 'byte')}. "
            "Give the table a shorter name."
        )
    names = [column.name for column in table.columns]
    if long := [name for name in names if len(name.encode()) > POSTGRES_LONGEST]:
        yield _names(
            table,
            long,
            f"PostgreSQL would cut off after {count_of(POSTGRES_LONGEST, 'byte')}",
            "a shorter name",
        )
    if own := [name for name in names if name in POSTGRES_OWN]:
        yield _names(table, own, "every table of PostgreSQL has of its own", "another name")
    yield from _too_many(table, "PostgreSQL", POSTGRES_COLUMNS)


def _bigquery(table: LayerTable) -> Iterator[str]:
    if not BIGQUERY_TABLE.fullmatch(table.name):
        yield (
            f"name: BigQuery has no table {table.name!r}. "
            "Write letters, digits, spaces, _ and -, 1,024 at most."
        )
    names = [column.name for column in table.columns]
    if odd := [name for name in names if not BIGQUERY_COLUMN.fullmatch(name)]:
        why = "BigQuery takes for no name (300 characters at most, and not all signs)"
        yield _names(table, odd, why, "a name of letters, digits and _")
    if own := [name for name in names if name.lower().startswith(BIGQUERY_PREFIXES)]:
        yield _names(table, own, "begin as BigQuery's own names do", "another name")
    yield from _too_many(table, "BigQuery", BIGQUERY_COLUMNS)


def _names(table: LayerTable, names: list[str], why: str, better: str) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    write = f"Declare {'it' if len(names) == 1 else 'them'} under {better}"
    if isinstance(table.source, PostgresTable):
        write += f", with column(source_name={names[0]!r}, ...)"
    return f"{table.contract.__name__} has {shown}{more}, which {why}. {write}."


def _too_many(table: LayerTable, warehouse: str, most: int) -> Iterator[str]:
    left = most - len(AUDIT_COLUMNS)
    over = len(table.columns) - left
    if over > 0:
        yield (
            f"{table.contract.__name__} has {count_of(len(table.columns), 'column')}, and "
            f"{warehouse} holds "
            f"{left:,} beside the {len(AUDIT_COLUMNS)} that the platform adds. Leave at least "
            f"{over:,} of them out of the contract."
        )


_OF_KIND: Mapping[str, Callable[[LayerTable], Iterator[str]]] = {
    "postgresql": _postgres,
    "bigquery": _bigquery,
}
"""By WAREHOUSE_URL. DuckDB holds every name that a contract may have, and any number of columns."""
