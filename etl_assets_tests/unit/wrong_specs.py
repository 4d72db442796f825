"""A spec that fits, and what is wrong with others: the change, and what is said of it."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar

import polars as pl

from etl_assets.core.checks import Severity
from etl_assets.core.computed import DayIn, Sql
from etl_assets.core.contracts import Contract, column
from etl_assets.core.cursor import Epoch, Version
from etl_assets.core.policies import Deletes, Drift, Thresholds
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.spec import TableSpec
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of

MOMENTS = {"created_at": UTC_MOMENT, "updated_at": UTC_MOMENT}


class Raw(Contract):
    id: pl.Int64 = column(description="A number.")
    name: pl.String = column(description="A name.", nullable=True)
    more: pl.String = column(description="What is new.", nullable=True, logical="json")
    created_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Made.")
    updated_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Changed.")

    class Config:
        unique: ClassVar = ["id"]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


def spec(**changes: Any) -> TableSpec:
    given = {
        "name": "things",
        "source": PostgresTable("things"),
        "raw": Raw,
        "staged": Raw,
        "stage": stage,
        "description": "Things.",
    }
    return TableSpec(**{**given, **changes})


DATED = contract_of({"id": pl.Int64, "day": pl.Date, "at": pl.Datetime("us"), **MOMENTS})


MARKED = contract_of({"id": pl.Int64, "gone_at": UTC_MOMENT, **MOMENTS})


def day_in(column: str, zone: str) -> PostgresTable:
    return PostgresTable("things", computed={"day": DayIn(column, zone)})


WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "a domain that is no tag",
        {"domain": "my shop"},
        ["domain: 'my shop' cannot be the tag of an asset.", "Write letters, digits"],
    ),
    (
        "a partition column that is not there",
        {"partition_column": "created"},
        ["partition_column: Raw has no column 'created'.", "created_at, updated_at", "None for"],
    ),
    (
        "a partition column without days",
        {"partition_column": "id"},
        ["partition_column: 'id' of Raw is Int64", "None for a table without days"],
    ),
    (
        "a partition column that the transform takes away",
        {"staged": contract_of({"id": pl.Int64, "updated_at": UTC_MOMENT})},
        ["partition_column: Made has no column 'created_at'."],
    ),
    (
        "a cursor that is not there",
        {"cursor_column": "updated"},
        ["cursor_column: Raw has no column 'updated'.", "created_at, updated_at", "Or None"],
    ),
    (
        "a cursor that is no moment",
        {"cursor_column": "id"},
        ["cursor_column: 'id' of Raw is Int64, and a number", 'Epoch("id", unit=', 'Version("id")'],
    ),
    (
        "B5: a cursor that orders nothing",
        {"cursor_column": "name"},
        ["cursor_column: 'name' of Raw is String, which does not tell", "cursor_column=None"],
    ),
    *(
        (
            f"B5: a cursor that is {dtype}",
            {
                "raw": contract_of({"id": pl.Int64, **MOMENTS, "at": dtype}),
                "cursor_column": "at",
            },
            [f"cursor_column: 'at' of Made is {dtype}, which does not", "cursor_column=None"],
        )
        for dtype in (pl.Float64, pl.Boolean, pl.Time, pl.Binary, pl.Decimal(38, 2))
    ),
    (
        "B5: several cursors of which one is not there",
        {"cursor_column": ("updated_at", "created")},
        ["cursor_column: Raw has no column 'created'.", "created_at, updated_at", "Or None"],
    ),
    ("B5: no column in the cursor", {"cursor_column": ()}, ["cursor_column: it names no column."]),
    (
        "B5: several cursors of different dtypes",
        {
            "raw": contract_of({"id": pl.Int64, **MOMENTS, "on": pl.Date}),
            "cursor_column": ("updated_at", "on"),
        },
        ["the greatest of several columns needs one dtype, and 'updated_at' is", "the same dtype"],
    ),
    (
        "B5: an epoch that is a moment",
        {"cursor_column": Epoch("updated_at", "seconds")},
        ["'updated_at' of Raw is Datetime", "and Epoch is for whole numbers", "pl.Int64"],
    ),
    (
        "B5: an epoch of an unknown unit",
        {"cursor_column": Epoch("id", "minutes")},  # type: ignore[arg-type]
        ["an Epoch has no unit 'minutes'.", "'seconds', 'milliseconds', 'microseconds'"],
    ),
    (
        "B5: a version with a look-back in time",
        {"cursor_column": Version("id", lookback=timedelta(1))},  # type: ignore[arg-type]
        ["lookback of a Version counts numbers.", "a whole number from 0 on"],
    ),
    (
        "B5: versions by a date",
        {
            "raw": contract_of({"id": pl.Int64, **MOMENTS, "on": pl.Date}),
            "cursor_column": "on",
            "keep_versions": True,
        },
        ["keep_versions: the cursor on is a date", "Version as cursor_column"],
    ),
    (
        "B2: a cursor without a zone",
        {
            "raw": contract_of({"id": pl.Int64, **MOMENTS, "at": pl.Datetime("us")}),
            "cursor_column": "at",
        },
        ["cursor_column: 'at' of Made", "source_zone"],
    ),
    (
        "a key that is not there",
        {"raw": contract_of({"id": pl.Int64, **MOMENTS}, key=["idd"])},
        ["raw: Made.Config.unique names 'idd', which is no column of it.", "id, created_at"],
    ),
    (
        "no key",
        {"staged": contract_of({"id": pl.Int64, **MOMENTS}, key=[])},
        ["staged: Made declares no key.", 'unique = ["id"]'],
    ),
    (
        "versions without a cursor",
        {"keep_versions": True, "cursor_column": None},
        ["keep_versions: versions are told apart by their cursor", "Name a cursor_column"],
    ),
    (
        "a key that may be NULL in one layer only",
        {
            "raw": contract_of({"id": pl.Int64, **MOMENTS}),
            "staged": contract_of({"id": pl.Int64, **MOMENTS}, {"id": {"nullable": False}}),
        },
        ["staged: the key column 'id' may be NULL", "nullable in both contracts, or in none"],
    ),
    (
        "a computed column that the contract lacks",
        {"source": PostgresTable("things", computed={"day": DayIn("created_at", "UTC")})},
        ["source: computed has 'day', which is no column of Raw.", "`day: pl.Date = column("],
    ),
    (
        "a day in a zone that is none",
        {"raw": DATED, "staged": DATED, "source": day_in("created_at", "Europe/Berlyn")},
        ["computed: the zone 'Europe/Berlyn' of 'day' is not known.", "Europe/Berlin"],
    ),
    (
        "a day in the zone of whatever machine",
        {"raw": DATED, "staged": DATED, "source": day_in("created_at", "localtime")},
        ["the zone 'localtime'", "IANA name"],
    ),
    (
        "a day of what is no moment",
        {"raw": DATED, "staged": DATED, "source": day_in("id", "Europe/Berlin")},
        ["'day' is the day of 'id', which is Int64 in Made.", "column of timestamps"],
    ),
    (
        "a day of a moment without a zone",
        {"raw": DATED, "staged": DATED, "source": day_in("at", "Europe/Berlin")},
        ["'at', which has no time zone in Made.", "source_zone"],
    ),
    (
        "a day in a zone that is no date in the contract",
        {"source": PostgresTable("things", computed={"name": DayIn("created_at", "UTC")})},
        ["computed: 'name' of Raw is String, and DayIn gives days.", "Declare it as pl.Date."],
    ),
    (
        "an expression that is empty",
        {"source": PostgresTable("things", computed={"name": Sql(" ")})},
        ["computed: 'name' has no expression."],
    ),
    (
        "a text for what is computed",
        {"source": PostgresTable("things", computed={"name": "upper(name)"})},
        ["computed has 'name' as str.", "DayIn(", "Sql("],
    ),
    (
        "a column that is computed and the parent's",
        {
            "source": PostgresTable(
                "things",
                parent=Parent("orders", {"id": "id"}, {"name": "title"}),
                computed={"name": Sql("upper(name)")},
            )
        },
        ["'name' of Raw is computed, and comes from elsewhere as well."],
    ),
    (
        "a source_zone that is none",
        {"raw": contract_of({"id": pl.Int64, **MOMENTS}, {"created_at": {"source_zone": "CEST"}})},
        ["raw: the source_zone 'CEST' of Made.created_at is not known.", "IANA name"],
    ),
    (
        "an overflow column that is not there",
        {"overflow_column": "rest", "drift": Drift.EVOLVE},
        ["overflow_column: Raw has no column 'rest'.", 'logical="json"'],
    ),
    (
        "an overflow column that holds no JSON",
        {"overflow_column": "name", "drift": Drift.EVOLVE},
        ["overflow_column: 'name' of Raw cannot take new columns."],
    ),
    (
        "columns that evolve and nowhere to keep them",
        {"drift": Drift.EVOLVE},
        ["drift: EVOLVE keeps new columns in an overflow column, and none is named."],
    ),
    (
        "a mark of rows that do not stay",
        {"kept_column": "gone_at", "raw": MARKED},
        ["kept_column: it marks rows that stay, and with Deletes.REMOVE none does.", "KEEP"],
    ),
    (
        "a mark beside tombstones",
        {"kept_column": "gone_at", "raw": MARKED, "deletes": Deletes.TOMBSTONE},
        ["kept_column: it marks rows that stay, and with Deletes.TOMBSTONE none does."],
    ),
    (
        "a mark that is no column",
        {"kept_column": "gone_at", "deletes": Deletes.KEEP},
        ["kept_column: Raw has no column 'gone_at'.", "Declare `gone_at: Annotated[pl.Datetime"],
    ),
    (
        "a mark that is no moment",
        {"kept_column": "name", "deletes": Deletes.KEEP},
        ["kept_column: 'name' of Raw cannot hold since when", "nullable=True"],
    ),
    (
        "a mark that the source sets",
        {"kept_column": "updated_at", "deletes": Deletes.KEEP},
        ["kept_column: 'updated_at' is the cursor_column as well", "the source does not have"],
    ),
    (
        "days that are closed and keep nothing",
        {"keep_before": timedelta(days=90)},
        ["keep_before: it says which rows stay, and with Deletes.REMOVE none does.", "KEEP"],
    ),
    (
        "closed days of a table without days",
        {"keep_before": timedelta(days=9), "deletes": Deletes.KEEP, "partition_column": None},
        ["keep_before: it closes days, and the table has none."],
    ),
    (
        "an age that is none",
        {"keep_before": timedelta(hours=3), "deletes": Deletes.KEEP},
        ["keep_before: datetime.timedelta(seconds=10800) is no age of days.", "timedelta(days=90)"],
    ),
    (
        "a threshold that is no number",
        {"thresholds": Thresholds(max_change=None)},  # type: ignore[arg-type]
        ["thresholds: max_change is a factor.", "a number from 1 on"],
    ),
    (
        "a share in percent",
        {"thresholds": Thresholds(max_bad_share=5)},
        ["thresholds: max_bad_share is a share.", "a number from 0 to 1"],
    ),
    (
        "a severity of no check",
        {"thresholds": Thresholds(severities={"unique_keys": Severity.WARN})},
        ["thresholds: severities has 'unique_keys'", "unique_key, "],
    ),
    (
        "a parent's column that nobody declares",
        {"source": PostgresTable("things", parent=Parent("heads", {"id": "id"}, {"born": "at"}))},
        ["source: Parent.columns maps 'born', which is no column of Raw."],
    ),
    (
        "a connection that is no variable's name",
        {"source": PostgresTable("things", connection="Billing DB")},
        ["source: connection 'Billing DB'", "DATABASE_URL_BILLING"],
    ),
    (
        "a transform with another parameter",
        {"stage": lambda rows: rows},
        ["stage: the function does not take its inputs by name.", "exactly these parameters: raw"],
    ),
    (
        "a transform that is none",
        {"stage": None},
        ["stage: the function does not take its inputs by name."],
    ),
    ("a name for no table", {"name": "my things"}, ["name: 'my things'", "letters, digits"]),
    ("a contract that is none", {"raw": dict}, ["raw: this is no contract."]),
    (
        "a column of the platform's own",
        {"raw": contract_of({"id": pl.Int64, "_source": pl.String, **MOMENTS})},
        ["raw: Made has a column '_source', which the platform itself adds."],
    ),
    (
        "names that differ by case alone",
        {"raw": contract_of({"id": pl.Int64, "ABC": pl.String, "abc": pl.String, **MOMENTS})},
        ["raw: the columns 'ABC' and 'abc' of Made differ by case alone"],
    ),
]
