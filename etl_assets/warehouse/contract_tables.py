"""What a published table must be, and how it may differ: the part that no SQL dialect changes.

Each backend says what its types are called and how its statements are written.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.contracts import Column
from etl_assets.core.errors import WarehouseError
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.table import LayerTable


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


@dataclass(frozen=True)
class Fit:
    """How a published table differs from its contract; nothing has been done about it.

    `added` are the columns that the contract gained; `gone` are in the table only. `retyped` has
    the published type and the contract's by column. `relaxed` are no longer required, and
    `identity` are columns of the key or the day that the table does not have as it must. `error`
    says what keeps the table from being published, with the statements to run; None where nothing
    does. `aside` is the statement that puts the table aside, for one that is made anew.
    """

    added: Sequence[str] = ()
    gone: Sequence[str] = ()
    retyped: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    relaxed: Sequence[str] = ()
    identity: Sequence[str] = ()
    error: WarehouseError | None = None
    aside: str = ""

    def accepted(self) -> Sequence[str]:
        """The columns to add; raises the error."""
        if self.error is not None:
            raise self.error
        return self.added


def compared(
    table: LayerTable,
    wanted: Mapping[str, str],
    found: Mapping[str, str],
    not_null: Collection[str],
    statements: Statements,
) -> Fit:
    """How the published table fits; `wanted` and `found` are types by name.

    Columns that the contract gained are added without NOT NULL, as the rows that are there have no
    value yet: what the contract requires is checked before rows are published
    (`pipeline/gained.py` has the older ones loaded again). Any other difference is an error.
    """
    required = required_columns(table)
    added = [name for name in wanted if name not in found]
    kept = [name for name in found if name in wanted]
    key = {*table.key, *filter(None, [table.partition_column])}
    identity = [n for n in key if n in added or (n in required and n not in not_null)]
    gone = [name for name in found if name not in wanted]
    retyped = {n: (found[n], wanted[n]) for n in kept if found[n] != wanted[n]}
    relaxed = [name for name in kept if name in not_null and name not in required]
    changes = {
        "new in the key or the day": (identity, statements.aside),
        "gone": (gone, statements.drop),
        "retyped": (list(retyped), statements.retype),
        "no longer required": (relaxed, statements.relax),
    }
    error = _refusal(table, wanted, added, changes, statements)
    return Fit(added, gone, retyped, relaxed, identity, error, statements.aside("", ""))


def _refusal(
    table: LayerTable,
    wanted: Mapping[str, str],
    added: Sequence[str],
    changes: Mapping[str, tuple[Sequence[str], Callable[[str, str], str]]],
    statements: Statements,
) -> WarehouseError | None:
    told = "; ".join(f"{what}: {', '.join(names)}" for what, (names, _) in changes.items() if names)
    if not told:
        return None
    mends = [statements.add(name, wanted[name]) for name in added] + [
        write(name, wanted.get(name, "")) for names, write in changes.values() for name in names
    ]
    if changes["new in the key or the day"][0]:
        mends = [statements.aside("", ""), "-- then load its days again"]
    return WarehouseError(
        f"The contract of {table.path} no longer fits the published table ({told}).",
        f"Change the contract back, or migrate the table: {' '.join(mends)}",
    )
