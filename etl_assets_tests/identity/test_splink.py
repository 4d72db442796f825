"""Splink beside the exact rules: what it adds and what it must not. Needs etl_assets[identity]."""

import sys

import polars as pl
import pytest

from etl_assets.core.errors import ConfigError
from etl_assets.core.identity.resolve import resolve
from etl_assets.core.identity.schemas import EDGES_SCHEMA
from etl_assets.identity_splink import SETTINGS, splink_edges
from etl_assets_tests.identity.golden_set import golden_set, score
from etl_assets_tests.identity.made import PHONE, decisions, frame, record


@pytest.mark.parametrize(
    "comparison", SETTINGS["comparisons"], ids=lambda c: c["output_column_name"]
)
@pytest.mark.parametrize("of", ["m_probability", "u_probability"])
def test_the_levels_of_a_comparison_are_all_that_can_be(comparison: dict, of: str) -> None:  # type: ignore[type-arg]
    levels = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
    assert sum(level[of] for level in levels) == pytest.approx(1)


def test_without_splink_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "splink", None)
    with pytest.raises(ConfigError, match=r"etl_assets\[identity\]"):
        splink_edges(frame([]).lazy())


def test_an_address_with_a_slip_is_found_and_a_family_is_not() -> None:
    pytest.importorskip("splink")
    rows = [
        record("shop/1", "Anna Berg", email="anna.berg@x.de", phone=PHONE, country="DE"),
        record("crm/1", "Anna Berg", email="ana.berg@x.de", country="DE"),
        record("crm/ben", "Ben Berg", email="anna.berg@x.de", phone=PHONE, country="DE"),
    ]
    edges = splink_edges(frame(rows).lazy()).collect()
    assert edges.schema == EDGES_SCHEMA
    assert edges.select("left_id", "right_id", "evidence").rows() == [
        ("1", "1", "same given name, same family name, e-mail with one slip, same country")
    ]


def test_with_splink_more_is_found_and_hardly_more_is_wrong() -> None:
    pytest.importorskip("splink")
    made = golden_set(2_000)
    rows, nobody = made.records.lazy(), decisions().lazy()
    edges = splink_edges(rows)
    assert edges.collect().equals(splink_edges(rows).collect())
    exact = score(resolve(rows, nobody).clusters, made.truth)
    more = score(resolve(rows, nobody, more_edges=edges).clusters, made.truth)
    assert more.recall > exact.recall + 0.004
    assert more.precision > exact.precision - 0.002
    assert isinstance(edges, pl.LazyFrame)
