"""What a contract demands of rows: Pandera's checks, made from the contract when rows come.

Pandera is imported by the first call, not with this module. What the contract's columns are is
`core/contracts.py`; what becomes of rows that break a rule is `core/audit.py`.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import polars as pl

from etl_assets.core.check_names import custom_checks, is_about
from etl_assets.core.contracts import (
    Contract,
    columns_of,
    config_of,
    declared_columns,
    frame_checks_of,
    key_of,
    once,
)

if TYPE_CHECKING:
    import pandera.polars as pa
    from pandera.api.polars.types import PolarsData


@dataclass(frozen=True)
class Rule:
    """A Pandera check on one column, or on the whole frame where `column` is None.

    `row` is the check as an expression, true for a row that keeps it: several of them are asked
    together in one pass over a batch. It is None for a check that is a function of its own, which
    only Pandera can run.
    """

    column: str | None
    name: str
    check: "pa.Check"
    row: pl.Expr | None = None

    def kept(self, frame: pl.DataFrame) -> pl.Series:
        """True where a row keeps the rule; a check without a verdict by row fails all or none."""
        if self.row is not None:
            return frame.select(self.row.alias("kept")).to_series()
        result = self.check(frame.lazy(), self.column)
        kept: pl.Series = result.check_output.collect().to_series()
        return kept if kept.len() == frame.height else kept.new_from_index(0, frame.height)


@once
def rules_of(contract: type[Contract]) -> tuple[Rule, ...]:
    """What is demanded of the rows of a batch: Pandera's checks, and values where required.

    They run one by one on the data itself (P1): `DataFrameSchema.validate` does the same seven
    times slower on a small day. Its unique key is a matter of the whole day, not of a batch.
    NaN is told from null, and refused in floats unless the contract allows it (P3). A time of day
    has nanoseconds in Polars and microseconds in every warehouse: a finer one would be rounded.
    """
    import pandera.polars as pa

    there = pa.Check(_is_there, name="not_null", ignore_na=False)
    number = pa.Check(_is_a_number, name="not_nan")
    whole = pa.Check(_is_whole_microseconds, name="whole_microseconds")
    schema = schema_of(contract)
    rules: list[Rule] = []
    for declared in columns_of(contract):
        if not declared.nullable:
            rules.append(_rule(declared.name, there))
        if declared.dtype.is_float() and not declared.allow_nan:
            rules.append(_rule(declared.name, number))
        if declared.dtype == pl.Time:
            rules.append(_rule(declared.name, whole))
        rules += [_rule(declared.name, check) for check in schema.columns[declared.name].checks]
    return (*rules, *(_rule(None, check) for check in schema.checks))


@once
def schema_of(contract: type[Contract]) -> "pa.DataFrameSchema":
    """The contract as Pandera's own schema; `validate` of it is whole, also as to the key.

    Raises TypeError, or what Pandera raises for a check that it does not understand.
    """
    import pandera.polars as pa
    from pandera.backends.polars.register import register_polars_backends

    register_polars_backends()  # a schema keeps copies of the checks that are registered by then
    declared = {one.name: one for one in declared_columns(contract).values()}
    columns = {}
    own = custom_checks(contract, of_columns=True)
    for column in columns_of(contract):
        checks = [_made(check, contract) for check in own if is_about(check, column.name)]
        columns[column.name] = pa.Column(
            column.dtype,
            checks=[*pa.Field(**declared[column.name].checks).checks, *checks],
            nullable=column.nullable,
            name=column.name,
            description=column.description,
            metadata=dict(declared[column.name].metadata),
        )
    options = config_of(contract)
    others = frame_checks_of(contract)
    frame_checks = [_made(check, contract) for check in custom_checks(contract, of_columns=False)]
    return pa.DataFrameSchema(
        columns,
        checks=[*frame_checks, *(_registered(name, options[name]) for name in others)],
        unique=list(key_of(contract)) if options.get("unique") else None,
        strict=options["strict"],
        ordered=options["ordered"],
        name=contract.__name__,
    )


def _rule(column: str | None, check: "pa.Check") -> Rule:
    row = None if column is None else _as_expression(column, check)
    return Rule(column, str(check.error or check.name), check, row)


class _Selected:
    """What a check of Pandera's own is given instead of a frame: it hands the expression back."""

    def select(self, expression: pl.Expr) -> pl.Expr:
        return expression


def _as_expression(column: str, check: "pa.Check") -> pl.Expr | None:
    """The expression of a check that is Pandera's own or ours; None for any other.

    Those do nothing but select one from the frame. A function of a contract may do anything, and
    another thing tomorrow, so it is called with each batch.
    """
    from pandera.api.function_dispatch import Dispatcher
    from pandera.api.polars.types import PolarsData
    from pandera.backends.polars.checks import PolarsCheckBackend

    function = PolarsCheckBackend(check).check_fn
    if not (isinstance(function.func, Dispatcher) or function.func in _OURS):
        return None
    try:
        kept = function(PolarsData(cast("pl.LazyFrame", _Selected()), column))
    except AttributeError:  # it asks more of the frame
        return None
    # As Pandera has it: with `ignore_na` a row without a verdict keeps the rule, else it does not.
    return kept.fill_null(value=check.ignore_na) if isinstance(kept, pl.Expr) else None


def _made(check: Any, contract: type[Contract]) -> "pa.Check":
    """A method's check; Pandera takes the name out of what it makes it of, so of a copy."""
    of = copy.copy(check)
    of.check_kwargs = dict(check.check_kwargs)
    made: pa.Check = of.to_check(contract)
    return made


def _registered(name: str, argument: Any) -> "pa.Check":
    """A check of the whole frame that the Config names, with its arguments."""
    import pandera.polars as pa

    make: Callable[..., pa.Check] = getattr(pa.Check, name)
    if isinstance(argument, dict):
        return make(**argument)
    given: Sequence[Any] = argument if isinstance(argument, tuple) else (argument,)
    return make(*(() if argument is Ellipsis else given))


def _is_a_number(data: "PolarsData") -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_not_nan())


def _is_whole_microseconds(data: "PolarsData") -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).cast(pl.Int64) % 1_000 == 0)


def _is_there(data: "PolarsData") -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).is_not_null())


_OURS = (_is_there, _is_a_number, _is_whole_microseconds)
