"""A dimension as a spec declares it: a table of versions, made of the changes of its keys.

How changes become versions is `core/history.py`, how a run makes them `pipeline/dimensions/`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Annotated, Any

import polars as pl

from etl_assets.core.as_of import UNKNOWN
from etl_assets.core.contracts import Column, Contract, column, columns_of, key_of, keyed_by
from etl_assets.core.dimension_checks import dimension_faults
from etl_assets.core.dimension_input import Changes as Changes
from etl_assets.core.dimension_input import Snapshots as Snapshots
from etl_assets.core.faults import refuse
from etl_assets.core.fingerprint import fingerprint
from etl_assets.core.history import (
    BEGINNING,
    CREATED_AT,
    IS_CURRENT,
    UPDATED_AT,
    VALID_FROM,
    VALID_TO,
    HistoryShape,
)
from etl_assets.core.policies import Thresholds
from etl_assets.core.promoted import promoting
from etl_assets.core.snapshots import IS_GONE, SNAPSHOT_AT
from etl_assets.core.spec_checks import table_faults
from etl_assets.core.spec_classes import refuse_types, spec_class
from etl_assets.core.table import Input, Layer, LayerTable

HISTORY, DELETIONS = "history", "deletions"
"""The names of a dimension's inputs."""

ROW_DIGEST, SYNCED_AT, SCHEMA_VERSION = "row_digest", "synced_at", "schema_version"
_Moment = Annotated[pl.Datetime, "us", "UTC"]


@dataclass(frozen=True)
class Dimension:
    """What a layer table has that is a dimension.

    `entity` maps columns of the dimension's key to columns of the input as it is read: all rows of
    the input with the same values in them are read together. `contract` is what `prepare` makes of
    the input, row by row. `unknown` are values of the unknown member. With `closes` the tombstones
    of the input DELETIONS close versions, too.
    """

    shape: HistoryShape
    history: Changes | Snapshots
    entity: Mapping[str, str]
    contract: type[Contract]
    prepare: Callable[[pl.LazyFrame], pl.LazyFrame]
    sk: str
    unknown: Mapping[str, object]
    closes: bool = False

    @property
    def digest(self) -> str:
        """Another text once the spec makes other versions of the same changes."""
        columns = [f"{c.name}:{c.dtype}:{c.rules}" for c in columns_of(self.contract)]
        told = [str(self.shape), str(self.history), str(dict(self.entity)), str(dict(self.unknown))]
        told += [str(self.closes)]
        return fingerprint([*told, *columns])


def _as_it_is(rows: pl.LazyFrame) -> pl.LazyFrame:
    return rows


@spec_class
@dataclass(frozen=True)
class DimensionSpec:
    """A dimension with the history of its keys; SpecError where it cannot be.

    `of` is the table whose rows are its changes or snapshots, `raw/customers_versions` for what a
    table with `keep_versions` has seen. `prepare` makes rows of `contract` of them, row by row; by
    default they are taken as they are. `history` says when a row holds. `key` identifies what
    has a history; `entity` maps columns of the key to the columns that they are called in `of`,
    where `prepare` gives them other names. A new version opens where a value of `tracked` changes.
    `untracked` values open none: with `overwrites` each version has the newest ones (type 1), else
    only the newest version has. With `since_ever` a key's first version holds for all earlier facts
    as well. `unknown` are values of the unknown member, which facts without a version point to; all
    others are null. `deletions` is a table with `Deletes.TOMBSTONE` whose deleted keys close their
    versions, at the moment when their absence was found: of rows that vanish nothing tells more.
    """

    name: str
    of: str
    contract: type[Contract]
    history: Changes | Snapshots
    tracked: Sequence[str]
    description: str
    key: Sequence[str] = ()
    untracked: Sequence[str] = ()
    entity: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[pl.LazyFrame], pl.LazyFrame] = _as_it_is
    overwrites: bool = True
    since_ever: bool = False
    sk: str = ""
    unknown: Mapping[str, object] = field(default_factory=dict)
    deletions: str = ""
    domain: str = "sales"
    owners: tuple[str, ...] = ("team:data",)
    thresholds: Thresholds = field(default_factory=Thresholds)

    def __post_init__(self) -> None:
        refuse("DimensionSpec", self.name, list(dimension_faults(self, _OWN)))
        refuse_types(self)
        (table,) = self.layer_tables()
        faults = table_faults(table, contract="contract", transform="")
        refuse("DimensionSpec", self.name, list(faults))

    def layer_tables(self) -> tuple[LayerTable, ...]:
        """`enriched/<name>`, which has no days."""
        dimension = self._dimension()
        return (
            LayerTable(
                layer=Layer.ENRICHED,
                name=self.name,
                contract=_contract(self.name, dimension),
                partition_column=None,
                cursor_column=None,
                description=self.description,
                domain=self.domain,
                owners=self.owners,
                thresholds=self.thresholds,
                inputs={
                    HISTORY: Input(self.of),
                    **({DELETIONS: Input(self.deletions)} if self.deletions else {}),
                },
                dimension=dimension,
            ),
        )

    def _dimension(self) -> Dimension:
        key = tuple(self.key) or key_of(self.contract)
        changes = self.history if isinstance(self.history, Changes) else None
        shape = HistoryShape(
            key=key,
            moment=changes.moment if changes else SNAPSHOT_AT,
            tracked=tuple(self.tracked),
            untracked=tuple(self.untracked),
            order=changes.order if changes else (),
            deleted=changes.deleted if changes and not self.deletions else IS_GONE,
            overwrites=self.overwrites,
            since_ever=self.since_ever,
        )
        return Dimension(
            shape=shape,
            history=self.history,
            entity=dict(self.entity) or {name: name for name in key},
            contract=self.contract,
            prepare=promoting(self.contract, self.prepare),
            sk=self.sk or f"{_entity_name(self.name)}_sk",
            unknown=dict(self.unknown),
            closes=bool(self.deletions),
        )


_OWN: Mapping[str, tuple[Any, Any]] = {
    VALID_FROM: (
        _Moment,
        column(description="The moment from which on the version holds, in the source's time."),
    ),
    VALID_TO: (
        _Moment,
        column(description="The moment from which on it does not; null for no end.", nullable=True),
    ),
    IS_CURRENT: (pl.Boolean, column(description="Whether it holds without an end.")),
    ROW_DIGEST: (
        pl.String,
        column(description="A digest of key, values and times of the version."),
    ),
    CREATED_AT: (_Moment, column(description="The first moment that is known of the key.")),
    UPDATED_AT: (
        _Moment,
        column(description="The moment of the newest change that the version has taken in."),
    ),
    SYNCED_AT: (
        _Moment,
        column(description="When the platform wrote the version as it is, on its own clock."),
    ),
    SCHEMA_VERSION: (
        pl.String,
        column(description="A digest of the declaration that the version was made by."),
    ),
}


def _contract(name: str, dimension: Dimension) -> type[Contract]:
    """The contract of the versions: surrogate key, key, values, and what each dimension has."""
    shape = dimension.shape
    given = {declared.name: declared for declared in columns_of(dimension.contract)}
    columns: dict[str, tuple[Any, Any]] = {
        dimension.sk: (
            pl.Int64,
            column(
                description=f"The version: a digest of key and {VALID_FROM}; "
                f"{UNKNOWN} for the unknown member."
            ),
        )
    }
    for one in (*shape.key, *shape.values):
        # Null of the unknown member: the rules of the contract were held against the changes.
        told = replace(given[one], nullable=True)
        columns[one] = (told.dtype, _declared(told))
    columns |= _OWN
    body: dict[str, Any] = {attribute: how for attribute, (_, how) in columns.items()}
    body["__annotations__"] = {attribute: dtype for attribute, (dtype, _) in columns.items()}
    body["Config"] = type("Config", (Contract.Config,), {"unique": [dimension.sk]})
    body["__module__"] = dimension.contract.__module__
    return type("".join(part.title() for part in name.split("_")), (Contract,), body)


def _declared(given: Column) -> Any:
    return column(
        description=given.description,
        nullable=True,
        unit=given.unit,
        personal=given.personal,
        allow_nan=given.allow_nan,
        logical=given.logical,  # type: ignore[arg-type]
    )


def _entity_name(name: str) -> str:
    """`customer` for `dim_customers`, `country` for `dim_countries`."""
    plain = name.removeprefix("dim_").removeprefix("bridge_")
    for plural, singular in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ss", "ss"), ("s", "")):
        if plain.endswith(plural):
            return plain.removesuffix(plural) + singular
    return plain


def unknown_member(table: LayerTable, now: datetime) -> dict[str, object]:
    """The row that facts without a version point to, without its digest."""
    dimension = table.dimension
    assert dimension is not None  # noqa: S101 - asked of dimensions only
    nothing = dict.fromkeys((*dimension.shape.key, *dimension.shape.values))
    return {
        dimension.sk: UNKNOWN,
        **nothing,
        **dimension.unknown,
        VALID_FROM: BEGINNING,
        VALID_TO: None,
        IS_CURRENT: True,
        CREATED_AT: BEGINNING,
        UPDATED_AT: BEGINNING,
        SYNCED_AT: now,
        SCHEMA_VERSION: dimension.digest,
    }


def keyed(table: LayerTable, columns: Sequence[str]) -> LayerTable:
    """The same published table, its rows looked up by other columns than its key."""
    return replace(table, contract=keyed_by(table.contract, tuple(columns)))
