"""A proposed table, as data: what its module will say. How it is found is `propose.py`, how it is
written `module_text.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from etl_assets.scaffold.python_text import Expression


@dataclass(frozen=True)
class ProposedColumn:
    """A column of the raw contract, and of the staged one.

    `name` is that in the warehouse, `source_name` that in the source where it is another one.
    `options` are those of `column()`, `checks` the rules. `notes` become comments. `staged` is its
    dtype in staged and `how` makes it, where that differs; `example` is a value that it may have,
    as Python writes it.
    """

    name: str
    attribute: str
    dtype: pl.DataType
    nullable: bool
    description: str
    source_name: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    checks: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    staged: pl.DataType | None = None
    how: str = ""
    example: Expression = "None"


@dataclass(frozen=True)
class Reason:
    """What was decided of a table, and why: `what` is key, day, cursor, …"""

    what: str
    chosen: str
    why: str
    is_guess: bool = False

    @property
    def told(self) -> str:
        """In one sentence."""
        return f"{self.what.capitalize()} {self.chosen}: {self.why}".rstrip(".") + "."


@dataclass(frozen=True)
class ProposedTable:
    """A table: its name in the platform, its contract, and how its spec is written.

    `source` is the expression of its source, with the names to `imports` from which modules.
    `spec` are further arguments of TableSpec. `reasons` say why, `warnings` what a person should
    decide. `looked_at` says what was read for it, `days` the first and the last that rows have.
    """

    name: str
    place: str
    row: str
    description: str
    columns: Sequence[ProposedColumn]
    key: Sequence[str]
    source: Expression
    imports: Mapping[str, Sequence[str]]
    partition_column: str | None
    cursor: Expression
    spec: Mapping[str, Expression] = field(default_factory=dict)
    reasons: Sequence[Reason] = ()
    warnings: Sequence[str] = ()
    looked_at: str = ""
    domain: str = "public"
    syncs: bool = False
    days: Sequence[date] = ()
    rows: int | None = None

    @property
    def is_staged_apart(self) -> bool:
        """Whether the staged contract has other dtypes than the raw one."""
        return any(column.staged and column.staged != column.dtype for column in self.columns)
