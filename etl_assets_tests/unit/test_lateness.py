"""Which derived days are late, also where an input or the table itself has no days. Pure."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

import polars as pl
import pytest

from etl_assets.core.catalog import Catalog
from etl_assets.core.lateness import Loads, late_days, made_of
from etl_assets.core.partitions import WHOLE
from etl_assets.core.source_specs import PostgresTable
from etl_assets.core.spec import EnrichedSpec, TableSpec
from etl_assets.core.state import PartitionState
from etl_assets.core.table import Input
from etl_assets_tests.source_tables import UTC_MOMENT, contract_of

ONE, TWO, THREE, FOUR, _ = DAYS = [date(2024, 1, number) for number in (1, 2, 3, 4, 5)]
PLAIN = contract_of({"id": pl.Int64, "created_at": UTC_MOMENT, "updated_at": UTC_MOMENT})
LOOKUP = contract_of({"code": pl.String}, key=["code"])
Published = Mapping[str, Mapping[date, str]]


def stage(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw


def catalog_of(*, makes_late: bool = True, has_days: bool = True) -> Catalog:
    """`staged/things` by day and `staged/kinds` without days, joined in `enriched/facts`."""

    def enrich(things: pl.LazyFrame, kinds: pl.LazyFrame) -> pl.LazyFrame:
        return things.join(kinds, left_on="id", right_on="code")

    inputs = {
        "things": Input("staged/things"),
        "kinds": Input("staged/kinds", makes_late=makes_late),
    }
    days = {} if has_days else {"partition_column": None}
    return Catalog.of(
        [
            TableSpec("things", PostgresTable("things"), PLAIN, PLAIN, stage, ""),
            TableSpec(
                "kinds",
                PostgresTable("kinds"),
                LOOKUP,
                LOOKUP,
                stage,
                "",
                partition_column=None,
                cursor_column=None,
            ),
            EnrichedSpec("facts", PLAIN, inputs, enrich, "", **days),
        ]
    )


def states(catalog: Catalog, published: Published) -> list[PartitionState]:
    """What is published by load id; a derived day's is made of what stands before it here."""
    found: list[PartitionState] = []
    for path, loads in published.items():
        for day, load_id in loads.items():
            table = catalog[path]
            inputs = {
                name: Loads({s.partition_key: s.load_id for s in found if s.table_name == g.asset})
                for name, g in table.inputs.items()
            }
            found.append(
                PartitionState(
                    table_name=path,
                    partition_key=day,
                    high_watermark=None,
                    watermark_key=None,
                    row_count=1,
                    source_count=1,
                    quarantined_count=0,
                    checks_passed=1,
                    checks_failed=0,
                    as_of=datetime(2024, 1, 5, tzinfo=UTC),
                    load_id=load_id,
                    run_id="run",
                    seconds=0,
                    verified_through=None,
                    updated_at=datetime(2024, 1, 5, tzinfo=UTC),
                    made_of=made_of(table, inputs, day) if inputs else None,
                )
            )
    return found


def late(catalog: Catalog, found: list[PartitionState]) -> list[tuple[str, date]]:
    return [(one.table, one.day) for one in late_days(catalog, found)]


WHAT_THERE_IS: Published = {
    "raw/things": {ONE: "a", TWO: "b"},
    "raw/kinds": {WHOLE: "k"},
    "staged/things": {ONE: "c", TWO: "d"},
    "staged/kinds": {WHOLE: "l"},
}


def test_nothing_is_late_after_everything_was_made() -> None:
    catalog = catalog_of()
    assert (
        late(catalog, states(catalog, {**WHAT_THERE_IS, "enriched/facts": {ONE: "e", TWO: "f"}}))
        == []
    )


def test_an_input_without_days_that_changed_makes_every_day_late() -> None:
    catalog = catalog_of()
    made = states(catalog, {**WHAT_THERE_IS, "enriched/facts": {ONE: "e", TWO: "f"}})
    changed = states(catalog, {**WHAT_THERE_IS, "staged/kinds": {WHOLE: "new"}})
    facts = [state for state in made if state.table_name == "enriched/facts"]
    assert late(catalog, changed + facts) == [("enriched/facts", ONE), ("enriched/facts", TWO)]


def test_an_input_that_makes_nothing_late_may_change() -> None:
    catalog = catalog_of(makes_late=False)
    made = states(catalog, {**WHAT_THERE_IS, "enriched/facts": {ONE: "e", TWO: "f"}})
    facts = [state for state in made if state.table_name == "enriched/facts"]
    kinds = states(catalog, {**WHAT_THERE_IS, "staged/kinds": {WHOLE: "new"}})
    assert late(catalog, kinds + facts) == []
    things = states(catalog, {**WHAT_THERE_IS, "staged/things": {ONE: "c", TWO: "new"}})
    assert late(catalog, things + facts) == [("enriched/facts", TWO)]


def test_days_wait_until_an_input_without_days_is_there_and_until_it_is_late_no_more() -> None:
    catalog = catalog_of()
    without = {path: days for path, days in WHAT_THERE_IS.items() if "kinds" not in path}
    assert late(catalog, states(catalog, without)) == []
    unstaged = {path: days for path, days in WHAT_THERE_IS.items() if path != "staged/kinds"}
    assert late(catalog, states(catalog, unstaged)) == [("staged/kinds", WHOLE)]


def test_a_table_without_days_is_late_when_any_day_of_its_inputs_changed() -> None:
    catalog = catalog_of(has_days=False)
    assert late(catalog, states(catalog, WHAT_THERE_IS)) == [("enriched/facts", WHOLE)]
    made = states(catalog, {**WHAT_THERE_IS, "enriched/facts": {WHOLE: "e"}})
    assert late(catalog, made) == []
    facts = made[-1:]
    for things in ({ONE: "new", TWO: "d"}, {ONE: "c"}, {ONE: "c", TWO: "d", THREE: "x"}):
        raw = {day: f"raw of {load}" for day, load in things.items()}
        changed = {**WHAT_THERE_IS, "raw/things": raw, "staged/things": things}
        assert late(catalog, states(catalog, changed) + facts) == [("enriched/facts", WHOLE)]


def window_catalog(*, before: int, after: int) -> Catalog:
    """`enriched/facts` of a window of `staged/things`."""

    def enrich(things: pl.LazyFrame, day: date) -> pl.LazyFrame:
        return things.filter(pl.col("created_at").dt.date() == day)

    window = {"things": Input("staged/things", days_before=before, days_after=after)}
    return Catalog.of(
        [
            TableSpec("things", PostgresTable("things"), PLAIN, PLAIN, stage, ""),
            EnrichedSpec("facts", PLAIN, window, enrich, ""),
        ]
    )


def window_states(
    catalog: Catalog, things: Mapping[date, str], facts: Mapping[date, str]
) -> list[PartitionState]:
    """Raw things, staged things and facts, all made of what is published here."""
    raw = {day: f"raw of {load}" for day, load in things.items()}
    return states(catalog, {"raw/things": raw, "staged/things": things, "enriched/facts": facts})


@pytest.mark.parametrize(
    ("before", "after", "late_offsets"),
    [(1, 1, (-1, 0, 1)), (0, 1, (-1, 0)), (1, 0, (0, 1)), (2, 0, (0, 1, 2)), (0, 2, (-2, -1, 0))],
)
def test_a_changed_day_makes_exactly_the_days_late_whose_window_has_it(
    before: int, after: int, late_offsets: tuple[int, ...]
) -> None:
    catalog = window_catalog(before=before, after=after)
    things = {day: f"load of {day}" for day in DAYS}
    made = window_states(catalog, things, {day: f"fact of {day}" for day in DAYS})
    assert late(catalog, made) == []
    facts = [state for state in made if state.table_name == "enriched/facts"]
    for changed in DAYS:
        found = window_states(catalog, {**things, changed: "new"}, {}) + facts
        expected = [day for day in DAYS if (day - changed).days in late_offsets]
        assert late(catalog, found) == [("enriched/facts", day) for day in expected]


def test_a_day_is_made_before_the_day_after_is_there_and_is_late_once_that_is() -> None:
    catalog = window_catalog(before=1, after=1)
    things = {ONE: "a", TWO: "b"}
    assert late(catalog, window_states(catalog, things, {})) == [
        ("enriched/facts", ONE),
        ("enriched/facts", TWO),
    ]
    made = window_states(catalog, things, {ONE: "e", TWO: "f"})
    assert late(catalog, made) == []
    facts = [state for state in made if state.table_name == "enriched/facts"]
    more = window_states(catalog, {**things, THREE: "c"}, {}) + facts
    assert late(catalog, more) == [("enriched/facts", TWO), ("enriched/facts", THREE)]


def test_a_day_waits_while_a_day_of_its_window_is_late_itself() -> None:
    catalog = window_catalog(before=1, after=1)
    things = {day: f"load of {day}" for day in DAYS}
    made = window_states(catalog, things, {})
    raw = [s for s in made if s.table_name != "raw/things" or s.partition_key != FOUR]
    changed = [s for s in window_states(catalog, {FOUR: "new"}, {}) if s.table_name == "raw/things"]
    assert late(catalog, raw + changed) == [
        ("staged/things", FOUR),
        ("enriched/facts", ONE),
        ("enriched/facts", TWO),
    ]


def test_no_day_waits_for_one_that_is_not_made_yet() -> None:
    """A source with a row of tomorrow: staged tomorrow is not late today, and today is made."""

    def enrich(things: pl.LazyFrame, day: date) -> pl.LazyFrame:
        return things.filter(pl.col("created_at").dt.date() == day)

    window = {"things": Input("staged/things", days_before=1, days_after=1)}
    catalog = Catalog.of(
        [
            TableSpec("things", PostgresTable("things"), PLAIN, PLAIN, stage, ""),
            EnrichedSpec("visits", PLAIN, window, enrich, ""),
        ]
    )
    found = states(
        catalog,
        {
            "raw/things": {ONE: "a", TWO: "b", THREE: "c", FOUR: "d"},
            "staged/things": {TWO: "e", THREE: "f"},
        },
    )
    all_days = [(one.table, one.day) for one in late_days(catalog, found)]
    assert all_days == [("staged/things", ONE), ("staged/things", FOUR)], "the others wait"
    ours = late_days(catalog, found, lambda day: day in (TWO, THREE))
    assert [(one.table, one.day) for one in ours] == [
        ("enriched/visits", TWO),
        ("enriched/visits", THREE),
    ]
