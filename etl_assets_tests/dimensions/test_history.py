"""Versions of any changes: without gap and overlap, in any order what plain SQL makes of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby, pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_assets.core.as_of import UNKNOWN, AsOf
from etl_assets.core.history import BEGINNING, MOMENT, HistoryShape, versions_of
from etl_assets_tests.amounts import cases
from etl_assets_tests.dimensions import oracle
from etl_assets_tests.dimensions.oracle import Change, Version, moment, told

SHAPE = HistoryShape(("id",), "at", ("a",), ("b",), deleted="gone")
SCHEMA = {"id": pl.Int64, "at": MOMENT, "a": pl.String, "b": pl.Int64, "gone": pl.Boolean}
CHANGES = st.lists(
    st.builds(
        Change,
        st.sampled_from([1, 2, None]),
        st.integers(0, 8),
        st.sampled_from([None, "", "x", "y"]),
        st.sampled_from([None, 1, 2]),
        st.booleans() | st.just(value=False),
    ),
    max_size=14,
)


def frame(changes: Sequence[Change]) -> pl.DataFrame:
    rows = [(c.id, moment(c.at), c.a, c.b, c.gone) for c in changes]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def made(changes: Sequence[Change], shape: HistoryShape = SHAPE) -> list[Version]:
    return told(versions_of(frame(changes), shape))


@pytest.mark.random
@settings(max_examples=cases(75, 300), deadline=None)
@given(CHANGES, st.booleans(), st.randoms(use_true_random=False))
def test_s1_any_changes_in_any_order_make_the_versions_of_plain_sql(
    changes: list[Change], overwrites: bool, random: object
) -> None:
    shape = HistoryShape(("id",), "at", ("a",), ("b",), deleted="gone", overwrites=overwrites)
    versions = made(changes, shape)
    assert len(versions) == len(set(versions))
    assert set(versions) == oracle.versions(changes, overwrites=overwrites)
    random.shuffle(changes)  # type: ignore[attr-defined]
    assert made(changes * 2, shape) == versions


@pytest.mark.random
@settings(max_examples=cases(50, 200), deadline=None)
@given(CHANGES)
def test_s1_versions_of_a_key_neither_overlap_nor_have_zero_length(changes: list[Change]) -> None:
    versions = made(changes)
    for _, group in groupby(versions, key=lambda version: version.id):
        own = list(group)
        assert sum(version.is_current for version in own) <= 1
        assert all(v.until is None or v.since < v.until for v in own)
        assert all(v.until is not None and v.until <= after.since for v, after in pairwise(own))
        assert all(v.since <= v.updated and (v.until or 99) > v.updated for v in own)
        # A gap is there only where the key was deleted.
        for before, after in pairwise(own):
            if before.until != after.since:
                assert any(c.gone and c.at == before.until for c in changes if c.id == before.id)


@pytest.mark.random
@settings(max_examples=cases(50, 200), deadline=None)
@given(CHANGES, st.lists(st.tuples(st.sampled_from([1, 2, 3, None]), st.integers(-1, 10))))
def test_a_look_up_as_of_a_time_finds_what_a_search_by_hand_finds(
    changes: list[Change], asked: list[tuple[int | None, int]]
) -> None:
    known = [change for change in changes if change.id is not None]
    versions = versions_of(frame(known), SHAPE).with_row_index("thing_sk", 1)
    versions = versions.with_columns(pl.col("thing_sk").cast(pl.Int64))
    unknown = {"thing_sk": UNKNOWN, "id": None, "a": "unknown", "valid_from": BEGINNING}
    dimension = pl.concat(
        [versions, pl.DataFrame([unknown], schema_overrides=versions.schema)], how="diagonal"
    )
    facts = pl.DataFrame(
        [(key, moment(at)) for key, at in asked],
        schema={"who": pl.Int64, "at": MOMENT},
        orient="row",
    )
    look = AsOf("thing_sk", {"id": "who"}, "at", {"a": "a_then"})
    found = look.look_up(facts.lazy(), dimension.lazy()).collect()
    assert found.columns == ["who", "at", "thing_sk", "a_then"]
    assert found.select("who", "at").equals(facts)
    rows = versions.to_dicts()
    for fact in found.to_dicts():
        right = [
            (row["thing_sk"], row["a"])
            for row in rows
            if row["id"] == fact["who"]
            and row["valid_from"] <= fact["at"]
            and (row["valid_to"] is None or fact["at"] < row["valid_to"])
        ]
        assert len(right) <= 1
        assert (fact["thing_sk"], fact["a_then"]) == (right[0] if right else (UNKNOWN, "unknown"))


def test_s1_of_changes_at_one_moment_the_last_by_the_source_s_order_stays() -> None:
    ordered = HistoryShape(("id",), "at", ("a",), ("b",), order=("b",))
    changes = [Change(1, 0, "z", 1), Change(1, 0, "a", 2)]
    assert [version.a for version in made(changes, ordered)] == ["a"]
    # Without an order the values decide, so that a re-run does not.
    assert [version.a for version in made(changes)] == ["z"]


def test_s1_a_late_change_splits_a_version_and_the_pieces_merge_if_it_changes_nothing() -> None:
    early = [Change(1, 0, "x", 1), Change(1, 8, "y", 1)]
    assert [(v.a, v.since, v.until) for v in made([*early, Change(1, 4, "z", 1)])] == [
        ("x", 0, 4),
        ("z", 4, 8),
        ("y", 8, None),
    ]
    assert [(v.a, v.since, v.until) for v in made([*early, Change(1, 4, "x", 1)])] == [
        ("x", 0, 8),
        ("y", 8, None),
    ]


def test_s2_a_deletion_closes_and_a_return_with_the_same_values_opens_again() -> None:
    changes = [Change(1, 0, "x", 1), Change(1, 3, None, None, gone=True), Change(1, 5, "x", 2)]
    assert [(v.a, v.since, v.until, v.created) for v in made(changes)] == [
        ("x", 0, 3, 0),
        ("x", 5, None, 0),
    ]


def test_s2_a_deletion_of_what_was_never_there_makes_nothing() -> None:
    assert made([Change(1, 3, None, None, gone=True)]) == []


def test_null_differs_from_an_empty_text() -> None:
    changes = [Change(1, 0, None, 1), Change(1, 1, "", 1), Change(1, 2, None, 1)]
    assert [version.a for version in made(changes)] == [None, "", None]


@pytest.mark.parametrize(
    ("overwrites", "expected"), [(True, [9, 9]), (False, [5, 9])], ids=["type 1", "newest alone"]
)
def test_untracked_values_open_no_version(overwrites: bool, expected: list[int]) -> None:
    changes = [Change(1, 0, "x", 1), Change(1, 1, "x", 5), Change(1, 2, "y", 9)]
    shape = HistoryShape(("id",), "at", ("a",), ("b",), overwrites=overwrites)
    assert [version.b for version in made(changes, shape)] == expected


def test_since_ever_the_first_version_of_a_key_holds_for_older_facts_as_well() -> None:
    shape = HistoryShape(("id",), "at", ("a",), since_ever=True)
    changes = frame([Change(1, 0, "x", 1), Change(1, 1, "y", 1), Change(2, 5, "x", 1)])
    versions = versions_of(changes, shape)
    assert versions["valid_from"].to_list() == [BEGINNING, moment(1), BEGINNING]
    assert versions["created_at"].to_list() == [moment(0), moment(0), moment(5)]


@pytest.mark.parametrize("second", [950, 1000, 1001])
def test_since_ever_a_key_that_is_older_than_all_times_begins_when_it_does(second: int) -> None:
    shape = HistoryShape(("id",), "at", ("a",), since_ever=True)
    moments = [datetime(year, 1, 1, tzinfo=UTC) for year in (900, second)]
    rows = pl.DataFrame(
        {"id": [1, 1], "at": moments, "a": ["x", "y"]}, schema_overrides={"at": MOMENT}
    )
    versions = versions_of(rows, shape)
    assert versions["valid_from"].to_list() == moments
    assert versions["valid_to"].to_list() == [moments[1], None]
    assert versions["created_at"].to_list() == [moments[0]] * 2


def test_as_of_a_version_s_boundaries_the_later_version_holds() -> None:
    versions = versions_of(frame([Change(1, 0, "x", 1), Change(1, 4, "y", 1)]), SHAPE)
    dimension = versions.with_columns(pl.Series("thing_sk", [10, 20]))
    edge, tick = moment(4), timedelta(microseconds=1)
    facts = pl.DataFrame(
        {"who": [1, 1, 1, 1], "at": [edge - tick, edge, edge + tick, moment(0) - tick]},
        schema_overrides={"at": MOMENT},
    )
    found = AsOf("thing_sk", {"id": "who"}, "at").look_up(facts.lazy(), dimension.lazy()).collect()
    assert found["thing_sk"].to_list() == [10, 20, 20, UNKNOWN]
