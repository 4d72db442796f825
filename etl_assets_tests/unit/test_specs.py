"""M1: what is wrong with a spec is said when it is made: the field, and what to write."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar

import polars as pl
import pytest

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.checks import Severity
from etl_assets.core.computed import DayIn, Sql
from etl_assets.core.contracts import Contract, column
from etl_assets.core.cursor import Epoch, Version
from etl_assets.core.errors import SpecError
from etl_assets.core.policies import Deletes, Drift, Thresholds
from etl_assets.core.source_specs import Parent, PostgresTable
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.table import Input, Layer
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


def test_a_spec_that_fits_is_two_tables() -> None:
    assert [table.path for table in spec().layer_tables()] == ["raw/things", "staged/things"]


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


@pytest.mark.parametrize(
    ("changes", "says"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_m1_a_spec_that_cannot_be_says_its_field_and_what_to_write(
    changes: dict[str, Any], says: list[str]
) -> None:
    with pytest.raises(SpecError) as caught:
        spec(**changes)
    message = str(caught.value)
    assert message.startswith(f"TableSpec {changes.get('name', 'things')}: ")
    for words in says:
        assert words in message, message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"deletes": "keep"}, "deletes: 'keep' is no Deletes. Write one of Deletes.REMOVE, "),
        ({"deletes": "keep", "kept_column": "gone_at"}, "Deletes.KEEP (from etl_assets.core.polic"),
        ({"deletes": None, "keep_before": timedelta(days=9)}, "deletes: None is no Deletes. "),
        ({"deletes": "tombstone"}, "deletes: 'tombstone' is no Deletes. "),
        ({"drift": "freeze"}, "drift: 'freeze' is no Drift. Write one of Drift.REPORT, "),
        ({"drift": "evolve", "overflow_column": "more"}, "drift: 'evolve' is no Drift. "),
        ({"thresholds": Thresholds(severities={"value_rules": "error"})}, "'value_rules': 'error'"),  # type: ignore[dict-item]
        ({"thresholds": Thresholds(severities={"value_rules": "warn"})}, "and Severity.ERROR or"),  # type: ignore[dict-item]
        ({"thresholds": Thresholds(severities={"value_rules": None})}, "'value_rules': 'None'"),  # type: ignore[dict-item]
    ],
)
def test_b5_a_policy_that_is_written_as_text_is_refused_and_never_taken_for_another(
    changes: dict[str, Any], says: str
) -> None:
    with pytest.raises(SpecError) as caught:
        spec(**changes)
    assert says in str(caught.value)


def test_m1_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        spec(partition_column="created", cursor_column="updated")
    assert "partition_column: " in str(caught.value)
    assert "cursor_column: " in str(caught.value)


def test_m1_a_spec_that_is_changed_is_checked_again() -> None:
    with pytest.raises(SpecError, match="partition_column"):
        replace(spec(), partition_column="nowhere")


def test_a_table_without_days_and_cursor_is_a_table() -> None:
    # cases/lookup_table.sql: code text PRIMARY KEY, name text
    lookup = contract_of({"code": pl.String, "name": pl.String}, key=["code"])
    raw, staged = spec(
        raw=lookup, staged=lookup, partition_column=None, cursor_column=None
    ).layer_tables()
    assert not raw.has_days
    assert not staged.has_days
    assert (raw.syncs, raw.key) == (False, ("code",))
    with pytest.raises(TypeError, match="raw/things has no days"):
        assert raw.day_column


def test_staged_rows_need_not_say_when_they_changed() -> None:
    without = contract_of({"id": pl.Int64, "created_at": UTC_MOMENT}, {"id": {"nullable": False}})
    raw, staged = spec(staged=without).layer_tables()
    assert (raw.cursor_column, staged.cursor_column) == ("updated_at", None)


def enriched(**changes: Any) -> EnrichedSpec:
    given = {
        "name": "facts",
        "contract": Raw,
        "inputs": {"things": Input("staged/things")},
        "enrich": lambda things: things,
        "description": "Facts.",
    }
    return EnrichedSpec(**{**given, **changes})


def window(**options: Any) -> dict[str, Input]:
    return {"things": Input("staged/things", **options)}


def test_the_function_of_a_window_is_told_the_day_to_make() -> None:
    made = enriched(inputs=window(days_before=1, days_after=2), enrich=lambda things, day: things)
    (table,) = made.layer_tables()
    assert table.transform_takes_day


def test_an_enriched_spec_that_fits_is_one_table() -> None:
    assert [table.layer for table in enriched().layer_tables()] == [Layer.ENRICHED]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"inputs": {}, "enrich": lambda: None}, "inputs: a table with days is made of nothing."),
        ({"enrich": lambda orders: orders}, "exactly these parameters: things"),
        ({"enrich": lambda things, orders: things}, "exactly these parameters: things"),
        ({"partition_column": "day"}, "partition_column: Raw has no column 'day'."),
        ({"cursor_column": "at"}, "cursor_column: Raw has no column 'at'."),
        ({"inputs": window(days_before=-1)}, "inputs: days_before of 'things' counts days."),
        ({"inputs": window(days_after=1)}, "exactly these parameters: things, day"),
        ({"inputs": window(days_after=1), "partition_column": None}, "reads all of them"),
        ({"inputs": window(days_after=1, all_days_until=True)}, "all days until the own one"),
        ({"inputs": window(days_before=1, sets_grain=True)}, "Leave sets_grain out."),
    ],
)
def test_m1_an_enriched_spec_that_cannot_be_says_so(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SpecError) as caught:
        enriched(**changes)
    assert says in str(caught.value)


@pytest.mark.parametrize("name", AUDIT_COLUMNS)
def test_no_contract_has_a_column_of_the_platforms_own(name: str) -> None:
    raw = contract_of({"id": pl.Int64, name: pl.String, **MOMENTS})
    with pytest.raises(SpecError) as caught:
        spec(raw=raw)
    assert f"Made has a column {name!r}, which the platform itself adds." in str(caught.value)


def test_each_way_to_keep_rows_in_the_docs_is_a_spec() -> None:
    page = Path(__file__).parents[2] / "docs" / "adding-a-table.md"
    section = page.read_text().partition("\n## Sources that prune\n")[2].partition("\n## ")[0]
    written = re.findall(r"^\|[^|]*\| `(deletes=.*)` \|$", section, re.MULTILINE)
    assert len(written) == 3
    for fields in written:
        given = eval(f"dict({fields})", {"Deletes": Deletes, "timedelta": timedelta})
        (raw, staged) = spec(raw=MARKED, staged=MARKED, **given).layer_tables()
        assert raw.deletes is Deletes.KEEP
        assert (staged.kept_column, staged.keep_before) == (None, None)
