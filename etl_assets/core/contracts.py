"""Contracts: a class says what a layer's table must hold; all else follows from it.

Read here: the columns with their dtypes, and the key. Nothing here imports Pandera, which costs
more than all the rest of a short command: `core/rules.py` makes Pandera's checks of a contract the
first time that rows are checked. What a warehouse makes of a column (its DDL) belongs in
`etl_assets/warehouse/`, what Dagster shows of it in `etl_assets/orchestration/`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    ParamSpec,
    TypeVar,
    cast,
    get_args,
    get_origin,
    get_type_hints,
)

import polars as pl

from etl_assets.core.check_names import (
    CHECK_OPTIONS,
    checks_shown,
    custom_checks,
    custom_shown,
    is_about,
    is_check,
)
from etl_assets.core.file_formats import Texts
from etl_assets.core.spec_classes import spec_function

P = ParamSpec("P")
T = TypeVar("T")
Unrepresentable = Literal["quarantine", "null"]
Ambiguous = Literal["raise", "earliest", "latest", "null"]

_OF_PYTHON = (int, float, bool, str, bytes, date, datetime, time, timedelta)
_CONFIG_OPTIONS = ("unique", "strict", "ordered", "name", "title", "description", "metadata")


def once(make: Callable[P, T]) -> Callable[P, T]:
    """`functools.cache` for functions of contracts: for mypy a plain class is not hashable."""
    return cast("Callable[P, T]", cache(make))


class Contract:
    """The base of every contract: columns that are not declared are refused (hazard P3).

    A column is `name: dtype = column(...)`. Methods may be Pandera's own checks (`@pa.check`,
    `@pa.dataframe_check`); `Config` names the key (`unique`) and takes Pandera's options.
    """

    class Config:
        strict = True
        ordered = False


@dataclass(eq=False)
class DeclaredColumn:
    """What `column` returns; as an attribute of a contract it is the column's name."""

    description: str
    nullable: bool
    alias: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    checks: Mapping[str, Any] = field(default_factory=dict)
    attribute: str = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.attribute = name

    def __get__(self, instance: object, owner: type | None = None) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The column's name in the table."""
        return self.alias or self.attribute


@spec_function
def column(
    *,
    description: str,
    nullable: bool = False,
    alias: str | None = None,
    source_name: str | None = None,
    max_null_ratio: float | None = None,
    unit: str | None = None,
    personal: bool = False,
    allow_nan: bool = False,
    logical: Literal["json"] | None = None,
    on_unrepresentable: Unrepresentable = "quarantine",
    source_zone: str | None = None,
    ambiguous: Ambiguous = "raise",
    trim: bool = False,
    text: Texts | None = None,
    fields: bool = False,
    from_field: tuple[str, str] | None = None,
    **checks: Any,
) -> Any:
    """A contract's column; `checks` are Pandera's own (`ge`, `isin`, `str_matches`, …).

    `alias` is the column's name where Python has no attribute of that name (`class`, `two words`).
    `source_name` is its name in the source, where the table here has another: `"ID"` beside `id`.
    `max_null_ratio` (0 to 1) bounds the share of nulls in a day of a nullable column.
    `unit` is of the value (`cents`, `kg`); `personal` masks it wherever it would be shown.
    `logical="json"` marks text that is JSON. `on_unrepresentable` is the policy for what no dtype
    holds (infinity, BC, NaN in a decimal). `source_zone` names the zone of the source's
    naive timestamps and `ambiguous` what to do in the hour that a clock change repeats (C17).
    `trim` cuts the padding of `char(n)`. `text` says how text in a file becomes values.
    `fields` marks a JSON column whose objects' keys are fields with a life of their own, which
    `etl-assets fields` lists. `from_field=("custom", "tier")` is a column of a derived table that
    is made of such a field (`core/promoted.py`).
    Raises TypeError for a check that Pandera does not have.
    """
    unknown = [name for name in checks if name not in CHECK_OPTIONS and not is_check(name)]
    if unknown:
        raise TypeError(
            f"column() has no option and Pandera no check {', '.join(unknown)}. The checks of a "
            "column are eq, ne, gt, ge, lt, le, in_range, isin, notin and those with str_; its key "
            "is the contract's Config.unique."
        )
    metadata = {
        "source_name": source_name,
        "max_null_ratio": max_null_ratio,
        "unit": unit,
        "personal": personal,
        "allow_nan": allow_nan,
        "logical": logical,
        "on_unrepresentable": on_unrepresentable,
        "source_zone": source_zone,
        "ambiguous": ambiguous,
        "trim": trim,
        "text": text,
        "fields": fields,
        "from_field": from_field,
    }
    given = {name: value for name, value in checks.items() if value is not None}
    return DeclaredColumn(description, nullable, alias, metadata, given)


@dataclass(frozen=True)
class Column:
    """One column as its contract declares it; `dtype` is a Polars dtype instance.

    `rules` are its checks, as Pandera words them.
    """

    name: str
    dtype: pl.DataType
    nullable: bool
    description: str
    rules: tuple[str, ...] = ()
    source_name: str | None = None
    max_null_ratio: float | None = None
    unit: str | None = None
    personal: bool = False
    allow_nan: bool = False
    logical: str | None = None
    on_unrepresentable: Unrepresentable = "quarantine"
    source_zone: str | None = None
    ambiguous: Ambiguous = "raise"
    trim: bool = False
    text: Texts | None = None
    fields: bool = False
    from_field: tuple[str, str] | None = None

    @property
    def in_source(self) -> str:
        """Its name in the source that a raw table is read from."""
        return self.name if self.source_name is None else self.source_name


@once
def columns_of(contract: type[Contract]) -> tuple[Column, ...]:
    """The contract's columns, in its order; those that it inherits come first.

    Raises TypeError, in one sentence that names contract and column, for what declares no column.
    """
    hints, methods = _hints(contract), custom_checks(contract, of_columns=True)
    columns: dict[str, Column] = {}
    for attribute, declared in declared_columns(contract).items():
        name = declared.name
        if attribute not in hints:
            raise TypeError(
                f"{contract.__name__}.{attribute} has no type: write "
                f"`{attribute}: <Polars dtype> = column(...)`."
            )
        if name in columns:
            raise TypeError(f"{contract.__name__} declares two columns with the name {name!r}.")
        own = [custom_shown(check) for check in methods if is_about(check, name)]
        columns[name] = Column(
            name=name,
            dtype=_dtype(f"{contract.__name__}.{attribute}", hints[attribute]),
            nullable=declared.nullable,
            description=declared.description,
            rules=(*checks_shown(declared.checks), *own),
            **declared.metadata,
        )
    return tuple(columns.values())


def column_names(contract: type[Contract]) -> list[str]:
    """The names of the contract's columns, in its order."""
    return [declared.name for declared in columns_of(contract)]


def declared_columns(contract: type[Contract]) -> dict[str, DeclaredColumn]:
    """What the contract and its bases declare, by attribute; a later class replaces an earlier one.

    A leading underscore means nothing: `_id: pl.Int64 = column(...)` is the column `_id` (B7).
    Raises TypeError for an attribute with a type that is no column.
    """
    found: dict[str, DeclaredColumn] = {}
    for owner in reversed(contract.__mro__[: contract.__mro__.index(Contract)]):
        own = vars(owner)
        annotated = own.get("__annotations__", {})
        for attribute in [*annotated, *(name for name in own if name not in annotated)]:
            value = own.get(attribute)
            if isinstance(value, DeclaredColumn):
                found[attribute] = value
            elif attribute in annotated and not _is_class_variable(annotated[attribute]):
                if attribute in own:
                    raise TypeError(
                        f"{contract.__name__}.{attribute} is a {type(value).__name__}, which "
                        f"declares no column: write `{attribute}: ... = column(...)`."
                    )
                found[attribute] = DeclaredColumn("", nullable=False, attribute=attribute)
    return found


@once
def key_of(contract: type[Contract]) -> tuple[str, ...]:
    """The columns that identify a row: the contract's `Config.unique`."""
    frame_checks_of(contract)  # so that a misspelt option is refused as early as the key is read
    unique = config_of(contract).get("unique")
    if not unique:
        raise TypeError(f"{contract.__name__} declares no key: give its Config `unique = [...]`.")
    return (unique,) if isinstance(unique, str) else tuple(unique)


def config_of(contract: type[Contract]) -> dict[str, Any]:
    """What the Config of the contract and those of its bases say; the contract's own comes last."""
    options: dict[str, Any] = {}
    for owner in reversed(contract.__mro__[:-1]):
        for config in reversed(getattr(vars(owner).get("Config"), "__mro__", (object,))[:-1]):
            options |= {n: v for n, v in vars(config).items() if not n.startswith("_")}
    return options


def frame_checks_of(contract: type[Contract]) -> list[str]:
    """The checks of the whole frame that its Config names, beside Pandera's options.

    Raises TypeError for what is no check of Pandera either.
    """
    others = [name for name in config_of(contract) if name not in _CONFIG_OPTIONS]
    for name in others:
        if not is_check(name):
            raise TypeError(
                f"{contract.__name__}.Config has {name!r}, which is no option and no check of "
                "Pandera: a contract's Config has `unique = [...]`."
            )
    return others


@once
def keyed_by(contract: type[Contract], key: tuple[str, ...]) -> type[Contract]:
    """The same contract with another key."""
    config = type("Config", (contract.Config,), {"unique": list(key)})
    name = f"{contract.__name__}By{'And'.join(key)}"
    return type(name, (contract,), {"Config": config, "__module__": contract.__module__})


def polars_schema(columns: Sequence[Column]) -> pl.Schema:
    """Names and dtypes, as Polars wants them."""
    return pl.Schema({declared.name: declared.dtype for declared in columns})


def struct_fields(dtype: pl.Struct) -> dict[str, pl.DataType]:
    """A struct's fields by name."""
    return {f.name: pl.Series(dtype=f.dtype).dtype for f in dtype.fields}


def _hints(contract: type[Contract]) -> dict[str, Any]:
    try:
        return get_type_hints(contract, include_extras=True)
    except Exception as error:  # a type is any expression, where annotations are text
        raise TypeError(
            f"A type of {contract.__name__} cannot be read ({type(error).__name__}: {error}): "
            "import what it names in the contract's module."
        ) from None


def _is_class_variable(hint: object) -> bool:
    if isinstance(hint, str):
        return hint.partition("[")[0].rpartition(".")[2] == "ClassVar"
    return hint is ClassVar or get_origin(hint) is ClassVar


def _dtype(place: str, hint: Any) -> pl.DataType:
    """The dtype instance of an annotation: a dtype, or Annotated[dtype, its arguments]."""
    try:
        if get_origin(hint) is Annotated:
            dtype, *arguments = get_args(hint)
            hint = dtype(*arguments)
        elif hint in _OF_PYTHON:
            hint = pl.DataType.from_python(hint)
        elif not (isinstance(hint, pl.DataType) or _is_dtype_class(hint)):
            raise TypeError(hint)  # Optional[...] among them: that is nullable=True
        # A series of it has the dtype as an instance, also where a class was declared.
        return pl.Series(dtype=hint).dtype
    except Exception:  # Polars raises what it likes for what is no dtype
        raise TypeError(
            f"{place} has no Polars dtype as its type: write one like pl.Int64, "
            'pl.List(pl.String) or Annotated[pl.Datetime, "us", "UTC"].'
        ) from None


def _is_dtype_class(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, pl.DataType)
