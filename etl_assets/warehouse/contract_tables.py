"""What a published table must be, and how it may differ: the part that no SQL dialect changes.

Each backend says what its types are called and how its statements are written.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from etl_assets.core.contracts import Column
from etl_assets.core.errors import WarehouseError
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.table import LayerTable
from etl_assets.warehouse.base import AUDIT_COLUMNS


def schema_version(table: LayerTable) -> str:
    """A digest of the contract's columns, for `_schema_version`."""
    return fingerprint([f"{c.name}:{c.dtype}:{c.nullable}" for c in table.columns])


def required_columns(table: LayerTable) -> set[str]:
    """The names of the columns that are NOT NULL."""
    return {c.name for c in table.columns if not c.nullable} | set(AUDIT_COLUMNS)


def description(table: LayerTable, name: str) -> str:
    """A published column's description."""
    return AUDIT_COLUMNS[name] if name in AUDIT_COLUMNS else described(table.column(name))


def described(column: Column) -> str:
    """A column's description with its unit and its personal-data mark."""
    unit = f" [{column.unit}]" if column.unit else ""
    return f"{column.description}{unit}{' (personal data)' if column.personal else ''}"


@dataclass(frozen=True)
class Statements:
    """How a dialect changes a column: each from (column, wanted type) to a statement.

    `aside` puts the whole table aside, for one that is made anew.
    """

    add: Callable[[str, str], str]
    drop: Callable[[str, str], str]
    retype: Callable[[str, str], str]
    relax: Callable[[str, str], str]
    aside: Callable[[str, str], str]


def missing_columns(
    table: LayerTable,
    wanted: Mapping[str, str],
    found: Mapping[str, str],
    not_null: Collection[str],
    statements: Statements,
) -> list[str]:
    """The columns that the contract gained; `wanted` and `found` are types by name.

    They are added without NOT NULL, as the rows that are there have no value yet: what the contract
    requires is checked before rows are published (`pipeline/gained.py` has the older ones loaded
    again). Raises WarehouseError, with the statements to run, where the published table differs
    otherwise.
    """
    required = required_columns(table)
    added = [name for name in wanted if name not in found]
    kept = [name for name in found if name in wanted]
    identity = {*table.key, *filter(None, [table.partition_column])}
    changes = {
        "new in the key or the day": (
            [n for n in identity if n in added or (n in required and n not in not_null)],
            statements.aside,
        ),
        "gone": ([name for name in found if name not in wanted], statements.drop),
        "retyped": ([name for name in kept if found[name] != wanted[name]], statements.retype),
        "no longer required": (
            [name for name in kept if name in not_null and name not in required],
            statements.relax,
        ),
    }
    if not any(names for names, _ in changes.values()):
        return added
    told = "; ".join(f"{what}: {', '.join(names)}" for what, (names, _) in changes.items() if names)
    mends = [statements.add(name, wanted[name]) for name in added] + [
        write(name, wanted.get(name, "")) for names, write in changes.values() for name in names
    ]
    if changes["new in the key or the day"][0]:
        mends = [statements.aside("", ""), "-- then load its days again"]
    raise WarehouseError(
        f"The contract of {table.path} no longer fits the published table ({told}).",
        f"Change the contract back, or migrate the table: {' '.join(mends)}",
    )
