"""What YAML may say of a table that is read from a source and needs no code: the attributes of the
component `etl_assets.SourceTable`, and the spec that they make, the same that Python would make.

Files are read and errors are told in `documents.py`.
"""

import keyword
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast

import polars as pl
from pydantic import Field, field_validator, model_validator

from etl_assets.core.contracts import Ambiguous, Contract, Unrepresentable, column
from etl_assets.core.cursor import CursorColumn, Epoch, Version
from etl_assets.core.file_formats import Texts
from etl_assets.core.http_specs import HttpApi
from etl_assets.core.policies import LOOKBACK, Arrival, Deletes, Drift, Thresholds
from etl_assets.core.source_specs import Files, PostgresTable, SourceSpec
from etl_assets.core.spec import TableSpec
from etl_assets.yaml_tables.models import Part, SpecPart, model_of
from etl_assets.yaml_tables.types import JSON, TYPE_PATTERN, dtype_of, value_of

if TYPE_CHECKING:
    PostgresYaml: TypeAlias = SpecPart
    FilesYaml: TypeAlias = SpecPart
    HttpYaml: TypeAlias = SpecPart
    TextsYaml: TypeAlias = SpecPart
    EpochYaml: TypeAlias = SpecPart
    VersionYaml: TypeAlias = SpecPart
    ArrivalYaml: TypeAlias = SpecPart
    ThresholdsYaml: TypeAlias = SpecPart
else:
    PostgresYaml = model_of(PostgresTable)
    FilesYaml = model_of(Files)
    HttpYaml = model_of(HttpApi, without=["item"])  # a model of pydantic is code
    TextsYaml = model_of(Texts)
    EpochYaml, VersionYaml = model_of(Epoch), model_of(Version)
    ArrivalYaml, ThresholdsYaml = model_of(Arrival), model_of(Thresholds)

SOURCES = ("postgres", "files", "http")
"""The fields that say what a table is read from."""

_LIMITS = ("eq", "ne", "gt", "ge", "lt", "le")
_SETS = ("isin", "notin")
_OF_TEXTS = ("str_matches", "str_contains", "str_startswith", "str_endswith")
_OPTIONS = (
    "nullable",
    "description",
    "source_name",
    "max_null_ratio",
    "unit",
    "personal",
    "allow_nan",
    "on_unrepresentable",
    "source_zone",
    "ambiguous",
    "trim",
    "fields",
)

Scalar = bool | int | float | str


class Length(Part):
    """How many characters a text has."""

    min_value: int | None = None
    max_value: int | None = None


class YamlColumn(Part):
    """A column of the contract, with the options that `column(...)` has in Python."""

    name: str = Field(min_length=1)
    type: str = Field(
        description="int16, int32, int64, float32, float64, decimal(18, 2), string, json, boolean, "
        "binary, date, time, timestamp (UTC), naive_timestamp, or list(…) of one of them.",
        json_schema_extra={"pattern": TYPE_PATTERN},
    )
    description: str = ""
    nullable: bool = False
    max_null_ratio: float | None = Field(
        None, ge=0, le=1, description="The share of nulls that a day may have, from 0 to 1."
    )
    personal: bool = Field(False, description="Masked wherever values would be shown.")
    unit: str | None = None
    source_name: str | None = Field(None, description="Its name in the source, if that is another.")
    ge: Scalar | None = Field(None, description="At least this.")
    gt: Scalar | None = Field(None, description="Greater than this.")
    le: Scalar | None = Field(None, description="At most this.")
    lt: Scalar | None = Field(None, description="Less than this.")
    eq: Scalar | None = None
    ne: Scalar | None = None
    isin: list[Scalar] | None = Field(None, min_length=1, description="The values it may have.")
    notin: list[Scalar] | None = Field(None, min_length=1, description="Values it may not have.")
    str_matches: str | None = Field(None, description="A regular expression of the whole text.")
    str_contains: str | None = None
    str_startswith: str | None = None
    str_endswith: str | None = None
    str_length: Length | None = None
    allow_nan: bool = False
    on_unrepresentable: Unrepresentable = "quarantine"
    source_zone: str | None = Field(None, description="The zone of naive timestamps in the source.")
    ambiguous: Ambiguous = "raise"
    trim: bool = False
    fields_: bool = Field(False, alias="fields", description="Its JSON has fields that are listed.")
    text: TextsYaml | None = None

    @field_validator("type")
    @classmethod
    def _type(cls, name: str) -> str:
        dtype_of(name)
        return name

    @field_validator(*_LIMITS, *_SETS)
    @classmethod
    def _values(cls, written: Any, info: Any) -> Any:
        if written is not None and "type" in info.data:
            _values_of(dtype_of(info.data["type"]), written)
        return written

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.max_null_ratio is not None and not self.nullable:
            raise ValueError("max_null_ratio is for a column that may be null: nullable: true.")
        return self

    def declared(self) -> Any:
        """What `column(...)` returns in Python."""
        dtype = dtype_of(self.type)
        checks = {
            name: _values_of(dtype, getattr(self, name))
            for name in (*_LIMITS, *_SETS)
            if getattr(self, name) is not None
        }
        checks |= {name: getattr(self, name) for name in _OF_TEXTS}
        if self.str_length is not None:
            checks["str_length"] = self.str_length.model_dump()
        options = {name: getattr(self, _ATTRIBUTES.get(name, name)) for name in _OPTIONS}
        return column(
            alias=self.name,
            logical="json" if self.type == JSON else None,
            text=self.text.made() if self.text else None,
            **options,
            **checks,
        )


_ATTRIBUTES = {"fields": "fields_"}


class EpochCursor(Part):
    """A cursor of numbers that count from 1970-01-01 UTC."""

    epoch: EpochYaml


class VersionCursor(Part):
    """A cursor of numbers that one sequence gives to every change."""

    version: VersionYaml


class SourceTableYaml(Part):
    """A table of a database, of files or of an HTTP API, landed in raw and published in staged as
    it is, without code. What is not written here is not there: without `partition_column` the
    table has no days, without `cursor_column` it does not sync."""

    name: str = Field(min_length=1, description="The table in all layers: raw/<name>.")
    description: str = Field("", description="What one row is.")
    postgres: PostgresYaml | None = None
    files: FilesYaml | None = None
    http: HttpYaml | None = None
    columns: list[YamlColumn] = Field(min_length=1)
    key: list[str] = Field(min_length=1, description="The columns that identify a row.")
    partition_column: str | None = Field(
        None, description="The column whose UTC day a row belongs to; none: a table without days."
    )
    cursor_column: str | list[str] | EpochCursor | VersionCursor | None = Field(
        None, description="What the source sets on every change; none: the table does not sync."
    )
    deletes: Deletes = Deletes.REMOVE
    keep_versions: bool = False
    kept_column: str | None = None
    keep_before: timedelta | None = None
    drift: Drift = Drift.REPORT
    overflow_column: str | None = None
    ignore: list[str] = Field(default_factory=list)
    lookback: timedelta = LOOKBACK
    expects: ArrivalYaml | None = None
    thresholds: ThresholdsYaml | None = None
    domain: str | None = None
    owners: list[str] | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            told = " and ".join(given) if given else "no source"
            raise ValueError(f"a table has one of {', '.join(SOURCES)}, and this one has {told}.")
        return self

    @field_validator("key")
    @classmethod
    def _key_is_there(cls, key: list[str], info: Any) -> list[str]:
        names = [one.name for one in info.data.get("columns", [])]
        if names and (missing := [name for name in key if name not in names]):
            raise ValueError(
                f"it has {', '.join(map(repr, missing))}, which is no column. Write some of "
                f"{', '.join(names)}."
            )
        return key

    @property
    def source(self) -> SourceSpec:
        """The spec of its source."""
        made = next(part for name in SOURCES if (part := getattr(self, name)) is not None)
        found: SourceSpec = made.made()
        return found

    def spec(self) -> TableSpec:
        """The table's spec; raises SpecError where it cannot be."""
        contract = self.contract()
        more: dict[str, Any] = {}
        if self.domain is not None:
            more["domain"] = self.domain
        if self.owners is not None:
            more["owners"] = tuple(self.owners)
        if self.thresholds is not None:
            more["thresholds"] = self.thresholds.made()
        return TableSpec(
            name=self.name,
            source=self.source,
            raw=contract,
            staged=contract,
            stage=as_it_is,
            description=self.description or f"Rows of {self.source.place}.",
            partition_column=self.partition_column,
            cursor_column=self._cursor(),
            keep_versions=self.keep_versions,
            drift=self.drift,
            overflow_column=self.overflow_column,
            ignore=self.ignore,
            deletes=self.deletes,
            kept_column=self.kept_column,
            keep_before=self.keep_before,
            lookback=self.lookback,
            expects=self.expects.made() if self.expects else None,
            **more,
        )

    def contract(self) -> type[Contract]:
        """The contract of raw and of staged, which are the same; it has the table's name."""
        attributes: dict[str, Any] = {}
        hints: dict[str, Any] = {}
        for number, one in enumerate(self.columns):
            attribute = one.name if _is_plain(one.name) else f"column_{number}"
            while attribute in hints:
                attribute += "_"
            attributes[attribute] = one.declared()
            hints[attribute] = dtype_of(one.type)
        config = type("Config", (), {"unique": list(self.key)})
        return type(
            self.name, (Contract,), {**attributes, "__annotations__": hints, "Config": config}
        )

    def _cursor(self) -> CursorColumn | None:
        given = self.cursor_column
        if isinstance(given, EpochCursor):
            return cast(CursorColumn, given.epoch.made())
        if isinstance(given, VersionCursor):
            return cast(CursorColumn, given.version.made())
        return tuple(given) if isinstance(given, list) else given


def as_it_is(raw: pl.LazyFrame) -> pl.LazyFrame:
    """The stage of every table that YAML declares."""
    return raw


def _values_of(dtype: pl.DataType, written: Any) -> Any:
    if isinstance(written, list):
        return [value_of(dtype, one) for one in written]
    return value_of(dtype, written)


def _is_plain(name: str) -> bool:
    return (
        name.isidentifier()
        and not keyword.iskeyword(name)
        and not name.startswith("_")
        and name != "Config"
        and not hasattr(Contract, name)
    )
