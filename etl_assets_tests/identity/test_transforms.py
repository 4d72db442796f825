"""The transforms as specs use them: on records, and on the empty frames that lineage is read on."""

from datetime import UTC, datetime

import polars as pl
import pytest

from etl_assets.core.identity import transforms
from etl_assets.core.identity.decisions import decide
from etl_assets.core.identity.resolve import Resolved, resolve
from etl_assets.core.identity.schemas import (
    CLUSTERS_SCHEMA,
    DECISIONS_SCHEMA,
    EDGES_SCHEMA,
    OVER_MERGED_SCHEMA,
    PROVENANCE_SCHEMA,
    RECORDS_SCHEMA,
)
from etl_assets_tests.identity.golden_set import golden_set

SHAPES = {
    transforms.edges: (EDGES_SCHEMA, "left_system left_id right_system right_id rule"),
    transforms.clusters: (CLUSTERS_SCHEMA, "source_system source_id"),
    transforms.provenance: (PROVENANCE_SCHEMA, "customer_key column"),
    transforms.over_merged: (OVER_MERGED_SCHEMA, "customer_key reason"),
}
NOBODY = pl.LazyFrame(schema=DECISIONS_SCHEMA)


@pytest.mark.parametrize("transform", SHAPES)
def test_a_frame_has_its_schema_and_its_key(transform) -> None:  # type: ignore[no-untyped-def]
    schema, key = SHAPES[transform]
    found = transform(records=golden_set(1_000).records.lazy(), decisions=NOBODY).collect()
    assert found.schema == schema
    assert found.height
    assert found.select(key.split()).is_unique().all()
    empty = transform(records=pl.LazyFrame(schema=RECORDS_SCHEMA), decisions=NOBODY).collect()
    assert empty.schema == schema


def test_a_golden_record_has_the_dtypes_of_the_records() -> None:
    records = golden_set(1_000).records
    found = transforms.golden(records=records.lazy(), decisions=NOBODY).collect()
    taken = [name for name in found.columns if name in RECORDS_SCHEMA]
    assert found.select(taken).schema == {name: RECORDS_SCHEMA[name] for name in taken}
    assert found["customer_key"].is_unique().all()
    assert found["records"].sum() == records.height


def test_the_tables_of_a_run_are_made_of_one_resolution_and_another_input_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def counting(*frames: pl.LazyFrame) -> Resolved:
        asked.append(frames)
        return resolve(*frames)

    monkeypatch.setattr(transforms, "resolve", counting)
    records = golden_set(300).records
    nobody = records.clear()
    for transform in (*SHAPES, transforms.golden):
        transform(records=records.lazy(), decisions=NOBODY).collect()
        transform(records=nobody.lazy(), decisions=NOBODY).collect()
    assert len([frames for frames in asked if frames[0].collect().height]) == 1
    asked.clear()
    first, second = records.select("source_system", "source_id").head(2).rows()
    merge = decide("merge", first, second, by="eva", at=datetime(2026, 1, 1, tzinfo=UTC), reason="")
    key = transforms.clusters(records.lazy(), merge.lazy()).collect()
    assert key.equals(resolve(records.lazy(), merge.lazy()).clusters)
    renamed = records.with_columns(pl.lit("x@y.de").alias("email"))
    found = transforms.golden(renamed.lazy(), NOBODY).collect()
    assert found.equals(resolve(renamed.lazy(), NOBODY).golden)
    assert len(asked) == 2
