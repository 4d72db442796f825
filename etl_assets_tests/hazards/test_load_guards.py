"""What may not be published: stale, shrunk and refused days; and watermarks from the future."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from etl_assets.core.errors import StalePublication
from etl_assets.core.policies import Thresholds
from etl_assets.pipeline.days import Published
from etl_assets.pipeline.publish import publish_days, published_counts
from etl_assets_tests.hazards import load_road
from etl_assets_tests.hazards.load_road import (
    THINGS,
    fill,
    load_and_publish,
    quarantine,
    read_only,
    source_rows,
    warehouse_of,
    warehouse_rows,
)
from etl_assets_tests.source_tables import DAY, contract_of, load, run


def test_l2_a_full_day_replaced_twice_is_identical(database_url: str, tmp_path: Path) -> None:
    fill(database_url, version=1, rows=5000)
    load_and_publish(database_url, tmp_path, "first")
    once, (first,) = warehouse_rows(tmp_path), warehouse_of(tmp_path).state()
    load_and_publish(database_url, tmp_path, "second")
    assert warehouse_rows(tmp_path) == once == source_rows(database_url)
    (second,) = warehouse_of(tmp_path).state()
    passing = {"as_of", "load_id", "run_id", "seconds", "updated_at"}
    same = {name: value for name, value in vars(second).items() if name not in passing}
    assert same == {name: value for name, value in vars(first).items() if name not in passing}
    assert len(quarantine(tmp_path)) == 1


def test_l5_a_backfill_that_read_earlier_does_not_overwrite_the_schedule(
    database_url: str, tmp_path: Path
) -> None:
    warehouse = warehouse_of(tmp_path)
    fill(database_url, version=1)
    slow = read_only(database_url, tmp_path, "slow", Published())
    fill(database_url, version=2)
    load_and_publish(database_url, tmp_path, "fast")
    states = warehouse.state()
    with pytest.raises(StalePublication, match=r"raw/things 2024-05-17"):
        publish_days(warehouse, THINGS, [slow], "slow")
    assert warehouse_rows(tmp_path) == source_rows(database_url)
    assert warehouse.state() == states
    assert [run_id for *_, run_id in quarantine(tmp_path)] == ["fast"]


@pytest.mark.parametrize("stamp", ["2999-01-01 00:00Z", "9999-12-31 23:59:59.999999Z"])
def test_c5_a_stamp_from_the_future_does_not_move_the_watermark_past_the_sources_clock(
    database_url: str, tmp_path: Path, stamp: str
) -> None:
    fill(database_url, version=1)
    run(database_url, f"UPDATE things SET updated_at = '{stamp}' WHERE id = 42")
    before = datetime.now(UTC) - timedelta(seconds=5)
    load_and_publish(database_url, tmp_path, "run-1")
    assert warehouse_rows(tmp_path) == source_rows(database_url), "the row itself is loaded"
    (state,) = warehouse_of(tmp_path).state()
    assert state.high_watermark == state.as_of
    assert before < state.as_of < datetime.now(UTC) + timedelta(seconds=5)


def test_c5_rows_without_a_cursor_are_loaded_and_do_not_move_the_watermark(
    database_url: str, tmp_path: Path
) -> None:
    fill(database_url, version=1)
    run(database_url, "UPDATE things SET updated_at = NULL WHERE id > 300")
    load_and_publish(database_url, tmp_path, "run-1")
    assert warehouse_rows(tmp_path) == source_rows(database_url)
    (state,) = warehouse_of(tmp_path).state()
    assert state.high_watermark == datetime(2024, 6, 1, 0, 5, tzinfo=UTC)
    assert state.watermark_key == "id=300"


def test_a_day_without_a_single_cursor_has_no_watermark(database_url: str, tmp_path: Path) -> None:
    fill(database_url, version=1)
    run(database_url, "UPDATE things SET updated_at = NULL")
    load_and_publish(database_url, tmp_path, "run-1")
    (state,) = warehouse_of(tmp_path).state()
    assert (state.high_watermark, state.watermark_key) == (None, None)


@pytest.mark.parametrize("left", [0, 199])
def test_c9_a_day_that_lost_most_of_its_rows_is_refused_and_the_old_one_survives(
    database_url: str, tmp_path: Path, left: int
) -> None:
    fill(database_url, version=1)
    load_and_publish(database_url, tmp_path, "old")
    old, states = warehouse_rows(tmp_path), warehouse_of(tmp_path).state()
    assert len(old) == 400
    run(database_url, f"DELETE FROM things WHERE id NOT IN (SELECT id FROM things"
                      f" WHERE v LIKE 'v%' ORDER BY id LIMIT {left})")  # fmt: skip
    with pytest.raises(ValueError, match=r"raw/things 2024-05-17 failed a blocking check"):
        load_and_publish(database_url, tmp_path, "shrunk")
    assert warehouse_rows(tmp_path) == old
    assert warehouse_of(tmp_path).state() == states


def test_a_day_that_lost_no_more_than_it_may_is_published(
    database_url: str, tmp_path: Path
) -> None:
    fill(database_url, version=1)
    load_and_publish(database_url, tmp_path, "old")
    run(database_url, "DELETE FROM things WHERE id > 201")
    load_and_publish(database_url, tmp_path, "smaller")
    assert len(warehouse_rows(tmp_path)) == 200


def test_l7_a_day_that_a_blocking_check_refuses_is_not_published(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database_url, version=1)
    load_and_publish(database_url, tmp_path, "old")
    old, states, aside = (
        warehouse_rows(tmp_path),
        warehouse_of(tmp_path).state(),
        quarantine(tmp_path),
    )
    monkeypatch.setattr(
        load_road, "THINGS", replace(THINGS, thresholds=Thresholds(max_bad_share=0.01))
    )
    run(database_url, "UPDATE things SET v = 'bad' WHERE id <= 8")
    day = load_road.read_only(
        database_url, tmp_path, "new", published_counts(warehouse_of(tmp_path), THINGS)
    )
    assert not day.is_good
    assert [r.check.name for r in day.results if r.blocks] == ["value_rules"]
    with pytest.raises(ValueError, match="failed a blocking check"):
        publish_days(warehouse_of(tmp_path), THINGS, [day], "new")
    assert warehouse_rows(tmp_path) == old
    assert warehouse_of(tmp_path).state() == states
    assert quarantine(tmp_path) == aside


def test_l8_an_empty_day_is_published_with_the_sources_own_count(
    database_url: str, tmp_path: Path
) -> None:
    fill(database_url, version=1)
    load_and_publish(database_url, tmp_path, "run-1", [DAY + timedelta(days=1)])
    (state,) = warehouse_of(tmp_path).state()
    assert (state.partition_key, state.row_count, state.source_count) == (
        DAY + timedelta(days=1),
        0,
        0,
    )
    assert state.high_watermark is None


@pytest.mark.parametrize("personal", [False, True])
def test_m9_a_key_that_occurs_twice_in_a_day_is_set_aside_and_a_personal_one_is_not_shown(
    database_url: str, tmp_path: Path, personal: bool
) -> None:
    fill(database_url, version=1)
    run(
        database_url,
        "ALTER TABLE things DROP CONSTRAINT things_pkey",
        "INSERT INTO things SELECT * FROM things WHERE id = 77",
    )
    table = replace(THINGS, contract=contract_of(load_road.DTYPES, {"id": {"personal": personal}}))
    (day,) = load(database_url, table, [DAY], tmp_path / "spool", Published())
    aside = pl.read_parquet(day.quarantine.files).filter(pl.col("rule") == "unique_key")
    assert aside.height == 2
    (rules,) = [r.evidence["broken_rules"] for r in day.results if r.check.name == "value_rules"]
    (told,) = [rule for rule in rules if rule["rule"] == "unique_key"]  # type: ignore[union-attr, index]
    assert told["rows"] == 2  # type: ignore[index]
    for shown in (*told["sample_keys"].split("; "), *aside["source_position"]):  # type: ignore[index]
        assert ("id#" in shown and "77" not in shown) if personal else shown.endswith("id=77")
