"""What each version of the platform's own tables brought, for `etl-assets migrate`.

The tables are declared in `system_tables.py`, and brought up by each backend's `system.py`.
"""

from collections.abc import Mapping
from typing import Final

from etl_assets.warehouse.system_tables import SCHEMA_VERSION

VERSIONS: Final[Mapping[int, str]] = {
    4: "etl_tables, with a row for each table, made of what etl_state and etl_history held of it",
    5: "etl_files, the ledger of the objects that tables of files are read from",
    6: "etl_file_days, an index of the days that objects have rows of",
    7: "etl_fields, a register of the fields of JSON columns",
    8: "the column columns of etl_tables, which remembers a contract's columns",
    9: "the column declaration of etl_tables, which remembers what a table declared, for plan",
    10: "the column made_by of etl_state, which remembers the code that made a part (it is not "
    "known of parts that were published before: a backfill that names such derived days makes them "
    "again once, and what is made of them follows)",
}
"""By version, what is new in it; a release that changes the tables adds a line."""


def migrated(before: int | None) -> str:
    """What a migration did, from the version that the tables had before; None for no tables."""
    if before == SCHEMA_VERSION:
        return f"Nothing to migrate: the platform's tables are of version {SCHEMA_VERSION}."
    if before is None:
        return f"Made the platform's tables, in version {SCHEMA_VERSION}."
    return (
        f"Migrated the platform's tables from version {before} to {SCHEMA_VERSION}. "
        f"New: {brought(before)}. Published tables and what is in them did not change."
    )


def brought(before: int) -> str:
    """What is new since a version, each with its number."""
    return "; ".join(f"{VERSIONS[n]} ({n})" for n in range(before + 1, SCHEMA_VERSION + 1))
