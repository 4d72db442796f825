"""M1: what is wrong with a spec is said when it is made: the field, and what to write."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl_assets.core.audit_columns import AUDIT_COLUMNS
from etl_assets.core.errors import SpecError
from etl_assets.core.policies import Deletes, Thresholds
from etl_assets.core.spec import EnrichedSpec
from etl_assets.core.table import Input, Layer
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of
from etl_assets_tests.unit.wrong_specs import (
    MARKED,
    MOMENTS,
    WRONG,
    Raw,
    spec,
)


def test_a_spec_that_fits_is_two_tables() -> None:
    assert [table.path for table in spec().layer_tables()] == ["raw/things", "staged/things"]


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
