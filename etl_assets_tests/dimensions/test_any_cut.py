"""Changes that arrive in any order and any cut into runs make what they make all at once."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_assets.core.contracts import columns_of, polars_schema
from etl_assets.core.dimension import DimensionSpec, Snapshots
from etl_assets.pipeline.dimensions.reading import Bucket
from etl_assets.pipeline.dimensions.versions import Maker
from etl_assets_tests.amounts import cases
from etl_assets_tests.dimensions import oracle
from etl_assets_tests.dimensions.oracle import Change, moment
from etl_assets_tests.dimensions.road import Prices, dimension
from etl_assets_tests.dimensions.test_history import CHANGES

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KNOWN = CHANGES.map(lambda changes: [change for change in changes if change.id is not None])


def _maker(
    spec: DimensionSpec, days: Sequence[date] = (), incomplete: Sequence[date] = ()
) -> Maker:
    (table,) = spec.layer_tables()
    assert table.dimension is not None
    return Maker(table, table.dimension, table, days, NOW, incomplete)


def _frame(changes: Sequence[Change]) -> pl.DataFrame:
    rows = [(c.id, c.a, c.b, c.gone, moment(c.at)) for c in changes]
    schema = {"id": pl.Int64, "a": pl.String, "b": pl.Int64, "gone": pl.Boolean}
    return pl.DataFrame(rows, schema={**schema, "at": pl.Datetime("us", "UTC")}, orient="row")


@pytest.mark.random
@settings(max_examples=cases(25, 80), deadline=None)
@given(KNOWN, st.lists(st.integers(0, 14), max_size=4), st.randoms(use_true_random=False))
def test_s1_any_cut_into_runs_makes_what_one_run_makes(
    changes: list[Change], cuts: list[int], random: object
) -> None:
    random.shuffle(changes)  # type: ignore[attr-defined]
    maker = _maker(dimension())
    nothing = maker.difference(
        Bucket(_frame([]), pl.DataFrame(schema=polars_schema(maker.table.columns)))
    )
    published = nothing.coming
    bounds = sorted({0, *(min(cut, len(changes)) for cut in cuts), len(changes)})
    for begin, end in pairwise(bounds):
        keys = {change.id for change in changes[begin:end]}
        known = [change for change in changes[:end] if change.id in keys]
        own = published.filter(pl.col("id").is_in(list(keys)))
        step = maker.difference(Bucket(_frame(known), own))
        published = pl.concat(
            [published.join(step.leaving, on=["thing_sk", "row_digest"], how="anti"), step.coming]
        )
        again = maker.difference(
            Bucket(_frame(known), published.filter(pl.col("id").is_in(list(keys))))
        )
        assert again.coming.height == again.leaving.height == 0
    whole = maker.difference(Bucket(_frame(changes), published.clear())).coming
    assert published["thing_sk"].n_unique() == published.height
    assert published.sort("thing_sk").equals(whole.sort("thing_sk"))
    found = {(v.id, v.a, v.b, v.since, v.until) for v in oracle.versions(changes)}
    told = {
        (r["id"], r["a"], r["b"], oracle.hours(r["valid_from"]), oracle.hours(r["valid_to"]))
        for r in published.to_dicts()
    }
    assert told == found


DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(5)]
SNAPSHOTS = st.dictionaries(
    st.sampled_from(DAYS),
    st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from([None, 1, 2, -1])),
    max_size=5,
)


@pytest.mark.random
@settings(max_examples=cases(75, 300), deadline=None)
@given(SNAPSHOTS, st.sets(st.sampled_from(DAYS)))
def test_s2_snapshots_make_what_is_seen_from_day_to_day(
    snapshots: dict[date, dict[str, int | None]], incomplete: set[date]
) -> None:
    spec = DimensionSpec(
        name="dim_prices",
        of="staged/prices",
        contract=Prices,
        history=Snapshots(day="on"),
        key=("sku",),
        tracked=("price",),
        description="Prices.",
    )
    maker = _maker(spec, list(snapshots), sorted(incomplete))
    rows = [(day, sku, price) for day, skus in snapshots.items() for sku, price in skus.items()]
    schema = polars_schema(columns_of(maker.dimension.contract))
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    none = pl.DataFrame(schema=polars_schema(maker.table.columns))
    made = maker.difference(Bucket(frame, none)).coming
    found = {
        (
            row["sku"],
            row["price"],
            row["valid_from"].date(),
            row["valid_to"] and row["valid_to"].date(),
        )
        for row in made.to_dicts()
    }
    assert found == _by_hand(snapshots, incomplete)


def _by_hand(
    snapshots: dict[date, dict[str, int | None]], incomplete: set[date]
) -> set[tuple[str, int | None, date, date | None]]:
    """Day by day and key by key; a price below zero breaks the contract, and tells nothing."""
    found = set()
    for sku in ("p", "q"):
        since: date | None = None
        price: int | None = None
        for day in sorted(snapshots):
            if sku not in snapshots[day]:
                if since is not None and day not in incomplete:
                    found.add((sku, price, since, day))
                    since = None
                continue
            told = snapshots[day][sku]
            if told == -1 or (since is not None and told == price):
                continue
            if since is not None:
                found.add((sku, price, since, day))
            since, price = day, told
        if since is not None:
            found.add((sku, price, since, None))
    return found
