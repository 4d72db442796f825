"""The audit of a day: every check is seen to pass and to fail, on data."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from etl_assets.core import checks
from etl_assets.core.audit import SAMPLES, DayAudit
from etl_assets.core.checks import CHECKS, SOURCE_CHECKS, CheckResult, Severity
from etl_assets.core.contracts import polars_schema
from etl_assets.core.policies import Thresholds
from etl_assets.core.table import LayerTable
from etl_assets.core.verdict import Expectation, Verdict
from etl_assets_tests.source_tables import DAY, NAIVE, UTC_MOMENT, layer_table

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
DTYPES = {"id": pl.Int64, "day_at": UTC_MOMENT, "v": pl.Float64, "code": pl.String}
RULES = {
    "id": {"nullable": False, "ge": 1},
    "v": {"allow_nan": False, "ge": 0, "max_null_ratio": 0.5},
    "code": {"isin": ["a", "b"], "personal": True},
}
TABLE = replace(layer_table(DTYPES, RULES), thresholds=Thresholds(max_bad_share=0.0))


def rows(*given: tuple[Any, ...], table: LayerTable = TABLE) -> pl.DataFrame:
    return pl.DataFrame(given, schema=polars_schema(table.columns), orient="row")


def good(number: int, first: int = 1) -> pl.DataFrame:
    return rows(*((n, NOON, 1.0, "a") for n in range(first, first + number)))


def audited(*batches: pl.DataFrame, table: LayerTable = TABLE) -> DayAudit:
    audit = DayAudit(table, DAY)
    for batch in batches:
        audit.split(batch)
    return audit


def failed(audit: DayAudit, expected: Expectation | None = None) -> dict[str, CheckResult]:
    given = expected or Expectation(audit.good_rows + audit.bad_rows)
    results = Verdict(audit, given).results()
    assert [result.check for result in results] == [*CHECKS, *SOURCE_CHECKS]
    return {result.check.name: result for result in results if not result.passed}


def test_a_good_day_passes_every_check() -> None:
    audit = DayAudit(TABLE, DAY)
    kept, bad = audit.split(good(10))
    assert (kept.height, bad) == (10, None)
    assert failed(audit) == {}


BAD = {
    "id: not_null": (None, NOON, 1.0, "a"),
    "id: greater_than_or_equal_to(1)": (0, NOON, 1.0, "a"),
    "v: not_nan": (7, NOON, float("nan"), "a"),
    "v: greater_than_or_equal_to(0)": (7, NOON, -0.01, "a"),
    "code: isin(['a', 'b'])": (7, NOON, 1.0, "A"),
    "day_at: in_partition": (7, NOON + timedelta(days=1), 1.0, "a"),
}


@pytest.mark.parametrize("rule", BAD)
def test_p1_one_bad_row_in_a_large_frame_is_found_and_set_aside(rule: str) -> None:
    size = 50_000
    frame = pl.concat([good(size), rows(BAD[rule]), good(size, first=size + 1)])
    audit = DayAudit(TABLE, DAY)
    kept, bad = audit.split(frame)
    assert bad is not None
    assert bad.rules == [rule]
    assert (kept.height, bad.rows.height) == (2 * size, 1)
    result = failed(audit)["value_rules"]
    assert result.blocks
    assert result.evidence["bad_rows"] == 1


def test_p3_nulls_are_no_excuse_where_they_are_allowed() -> None:
    audit = audited(rows((1, NOON, None, None), (2, NOON, 1.0, "a")))
    assert (audit.good_rows, audit.bad_rows) == (2, 0)
    assert audit.null_ratios() == {"id": 0.0, "day_at": 0.0, "v": 0.5, "code": 0.5}


def test_p3_nan_is_refused_although_it_passes_a_lower_bound() -> None:
    _, bad = DayAudit(TABLE, DAY).split(rows((1, NOON, float("nan"), "a")))
    assert bad is not None
    assert bad.rules == ["v: not_nan"]


def test_a_time_of_day_that_every_warehouse_would_round_is_set_aside() -> None:
    table = layer_table({"id": pl.Int64, "day_at": UTC_MOMENT, "at": pl.Time}, {"at": {}})
    given = [(1, NOON, 1_000), (2, NOON, 1_500), (3, NOON, None)]
    times = pl.DataFrame(
        given, schema={"id": pl.Int64, "day_at": UTC_MOMENT, "at": pl.Int64}, orient="row"
    )
    kept, bad = DayAudit(table, DAY).split(times.with_columns(pl.col("at").cast(pl.Time)))
    assert kept["id"].to_list() == [1, 3]
    assert bad is not None
    assert (bad.rules, bad.rows["id"].to_list()) == (["at: whole_microseconds"], [2])


def test_p3_nan_is_a_value_where_the_contract_allows_it() -> None:
    lenient = layer_table(DTYPES)
    assert audited(rows((1, NOON, float("nan"), "a")), table=lenient).bad_rows == 0


def test_p3_infinity_is_a_number_unless_a_rule_says_otherwise() -> None:
    assert audited(rows((1, NOON, float("inf"), "a"))).bad_rows == 0


def test_p2_an_empty_day_has_no_null_ratios_and_says_that_it_is_empty() -> None:
    for audit in (audited(), audited(good(0))):
        assert audit.null_ratios() == {}
        assert failed(audit) == {}
        (result,) = [
            r for r in Verdict(audit, Expectation(0)).results() if r.check is checks.NULL_RATIOS
        ]
        assert result.evidence["is_empty"] is True


@pytest.mark.parametrize(("nulls", "fails"), [(5, False), (6, True)])
def test_a_column_may_have_its_share_of_nulls_and_no_more(nulls: int, fails: bool) -> None:
    batches = [rows((n, NOON, None if n <= nulls else 1.0, "a")) for n in range(1, 11)]
    found = failed(audited(*batches))
    assert ("null_ratios" in found) is fails
    if fails:
        assert found["null_ratios"].blocks
        assert found["null_ratios"].evidence["over"] == [
            {"column": "v", "null_ratio": 0.6, "max_null_ratio": 0.5}
        ]


@pytest.mark.parametrize(
    ("change", "check", "evidence"),
    [
        (pl.DataFrame.clear, None, {}),
        (lambda f: f.drop("code"), "required_columns", {"missing": ["code"]}),
        (lambda f: f.with_columns(x=1), "required_columns", {"not_in_contract": ["x"]}),
        (
            lambda f: f.with_columns(pl.col("id").cast(pl.Int32)),
            "dtypes",
            {"wrong": {"id": "Int32, declared Int64"}},
        ),
        (
            lambda f: f.with_columns(pl.col("day_at").dt.replace_time_zone(None)),
            "dtypes",
            {"wrong": {"day_at": "Datetime(time_unit='us', time_zone=None), declared "
                                 "Datetime(time_unit='us', time_zone='UTC')"}},
        ),
    ],
    ids=["empty", "missing", "extra", "dtype", "zone"],
)  # fmt: skip
def test_columns_and_dtypes_must_be_the_contracts(
    change: Any, check: str | None, evidence: dict[str, Any]
) -> None:
    audit = DayAudit(TABLE, DAY)
    kept, bad = audit.split(change(good(3)))
    found = failed(audit)
    assert bad is None
    assert kept.height == 0
    if check is None:
        assert found == {}
    else:
        assert found[check].blocks
        assert dict(found[check].evidence).items() >= evidence.items()
        assert audit.bad_rows == 3


def test_columns_in_another_order_are_the_same_columns() -> None:
    frame = good(3).select("code", "v", "day_at", "id")
    audit = audited(frame)
    assert (audit.good_rows, failed(audit)) == (3, {})


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_a_tolerated_share_of_bad_rows_is_set_aside(share: float) -> None:
    table = replace(TABLE, thresholds=Thresholds(max_bad_share=share))
    bad_row = (0, NOON, 1.0, "a")
    audit = audited(good(9), rows(bad_row), table=table)
    assert ("value_rules" in failed(audit)) is (share == 0.0)
    assert "value_rules" in failed(audited(good(8), rows(bad_row, bad_row), table=table))


def test_a_row_is_set_aside_once_with_the_first_rule_that_it_broke() -> None:
    audit = DayAudit(TABLE, DAY)
    _, bad = audit.split(rows((0, NOON, -1.0, "zzz")))
    assert bad is not None
    assert bad.rules == ["id: greater_than_or_equal_to(1)"]
    assert sum(audit.broken.values()) == audit.bad_rows == 1


def test_evidence_holds_keys_and_counts_and_no_values() -> None:
    audit = audited(rows(*((n, NOON, 1.0, "secret") for n in range(1, 21))))
    evidence = failed(audit)["value_rules"].evidence
    assert "secret" not in str(evidence)
    (broken,) = evidence["broken_rules"]  # type: ignore[misc]
    assert broken["rows"] == 20
    assert broken["sample_keys"] == "; ".join(f"id={n}" for n in range(1, SAMPLES + 1))


def test_personal_keys_are_hashed_in_evidence() -> None:
    table = replace(TABLE, contract=layer_table(DTYPES, RULES, key=("code",)).contract)
    audit = audited(rows((0, NOON, 1.0, "a")), table=table)
    (sample,) = audit.samples["id: greater_than_or_equal_to(1)"]
    assert sample.startswith("code#")
    assert sample != "code#a"


def test_rows_that_the_source_could_not_hand_over_count_as_bad() -> None:
    audit = audited(good(1))
    audit.set_aside("v: representable", [f"id={n}" for n in range(7)])
    assert audit.bad_rows == 7
    assert len(audit.samples["v: representable"]) == SAMPLES
    assert "value_rules" in failed(audit)


@pytest.mark.parametrize("rule", ["v: too_large", "v: local_time"])
def test_b1_b3_a_single_value_that_is_set_aside_keeps_no_day_back(rule: str) -> None:
    audit = audited(good(1))
    audit.set_aside(rule, ["id=2"])
    assert audit.bad_rows == 1
    assert "value_rules" not in failed(audit)
    audit.set_aside("v: representable", ["id=3"])
    assert "value_rules" in failed(audit)


@pytest.mark.parametrize(
    ("dtype", "zoned"), [(UTC_MOMENT, True), (NAIVE, False)], ids=["UTC", "naive"]
)
def test_the_day_is_half_open_to_the_microsecond(dtype: Any, zoned: bool) -> None:
    table = layer_table({"id": pl.Int64, "day_at": dtype})
    start, tick = datetime(2024, 5, 17, tzinfo=UTC if zoned else None), timedelta(microseconds=1)
    moments = [start - tick, start, start + timedelta(days=1) - tick, start + timedelta(days=1)]
    kept, _ = DayAudit(table, DAY).split(rows(*enumerate(moments), table=table))
    assert kept["id"].to_list() == [1, 2]


def test_the_day_of_a_date_is_itself() -> None:
    table = layer_table({"id": pl.Int64, "day_at": pl.Date})
    frame = rows((1, DAY), (2, DAY + timedelta(days=1)), (3, DAY - timedelta(days=1)), table=table)
    kept, _ = DayAudit(table, DAY).split(frame)
    assert kept["id"].to_list() == [1]


def compared(number: int, **expected: Any) -> set[str]:
    return set(failed(audited(good(number)), Expectation(**{"source_count": number, **expected})))


@pytest.mark.parametrize(
    ("expected", "check"),
    [
        ({"duplicate_keys": 0}, None),
        ({"duplicate_keys": 1, "duplicates": ["id=1"]}, "unique_key"),
        ({"source_count": None}, None),
        ({"source_count": 99}, "row_count_against_source"),
        ({"source_count": 101}, "row_count_against_source"),
        ({"published_count": 200}, None),
        ({"published_count": 201}, "row_count_against_published"),
        ({"published_count": 1}, None),
        ({"published_count": 0}, None),
        ({"earlier_counts": [300, 1, 300]}, None),
        ({"earlier_counts": [301, 1, 301]}, "row_count_against_earlier_days"),
        ({"earlier_counts": [34, 34, 5000]}, None),
        ({"earlier_counts": [33, 33, 5000]}, "row_count_against_earlier_days"),
    ],
)
def test_counts_are_held_against_what_is_expected(
    expected: dict[str, Any], check: str | None
) -> None:
    assert compared(100, **expected) == ({check} if check else set())


def test_c9_a_drop_to_nothing_is_refused() -> None:
    assert "row_count_against_published" in compared(0, published_count=1)


def test_bad_rows_are_part_of_what_was_read_from_the_source() -> None:
    audit = audited(good(9), rows((0, NOON, 1.0, "a")))
    assert "row_count_against_source" not in failed(audit, Expectation(10))
    assert "row_count_against_source" in failed(audit, Expectation(9))


def blocking(results: Sequence[CheckResult]) -> list[str]:
    return [result.check.name for result in results if result.blocks]


def test_a_warning_shows_and_does_not_block_unless_the_table_says_so() -> None:
    expected = Expectation(100, earlier_counts=[1])
    assert blocking(Verdict(audited(good(100)), expected).results()) == []
    severities = {"row_count_against_earlier_days": Severity.ERROR, "unique_key": Severity.WARN}
    strict = replace(TABLE, thresholds=Thresholds(severities=severities))
    results = Verdict(
        audited(good(100), table=strict), replace(expected, duplicate_keys=1)
    ).results()
    assert blocking(results) == ["row_count_against_earlier_days"]
