"""The exact rules on people who share, move, marry and mistype: bounds of what they get right."""

import polars as pl

from etl_assets.core.identity.resolve import resolve
from etl_assets.core.identity.schemas import DECISIONS_SCHEMA
from etl_assets_tests.identity.golden_set import golden_set, score


def test_the_exact_rules_are_nearly_always_right_and_find_nine_in_ten() -> None:
    made = golden_set(4_000)
    found = resolve(made.records.lazy(), pl.LazyFrame(schema=DECISIONS_SCHEMA))
    precision, recall, over_merged = score(found.clusters, made.truth)
    assert precision > 0.985
    assert recall > 0.89
    assert over_merged < 0.008


def test_the_score_of_a_known_mistake() -> None:
    """Four records of two people; one is with the wrong person."""
    ids = {"source_system": ["shop"] * 4, "source_id": ["1", "2", "3", "4"]}
    clusters = pl.DataFrame({**ids, "customer_key": [1, 1, 1, 2]})
    truth = pl.DataFrame({**ids, "person": [1, 1, 2, 2]})
    assert tuple(score(clusters, truth)) == (1 / 3, 1 / 2, 1)


def test_the_set_is_the_same_for_the_same_seed() -> None:
    assert golden_set(300).records.equals(golden_set(300).records)
    assert not golden_set(300).records.equals(golden_set(300, seed=12).records)
