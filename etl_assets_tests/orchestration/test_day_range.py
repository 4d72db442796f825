"""A run over several days: every day has its own materialisation, metadata and verdicts."""

import json
from itertools import product

import pytest

from etl_assets.core.table import Layer
from etl_assets.orchestration.metadata import MASK
from etl_assets.table_modules import tables_from
from etl_assets_tests.orchestration.shop import (
    CHECK_NAMES,
    DAYS,
    VERSIONS,
    Shop,
    check_names,
    evaluations,
    evidence,
    failed_checks,
    materialised,
    metadata_of,
)

CATALOG = tables_from()

KEYS = [day.isoformat() for day in DAYS]
BY_DAYS = [path for path, table in CATALOG.items() if table.has_days]
EMPTY = KEYS[3]
ORDER_TABLES = [
    path for path in CATALOG if path.endswith(("orders", "order_items", "revenue", "margin"))
]


def test_one_run_materialises_every_table_once_a_day(loaded_shop: Shop) -> None:
    assert loaded_shop.run.success
    found = materialised(loaded_shop.run)
    assert {path: found.pop(path) for path in VERSIONS}.keys() == set(VERSIONS)
    assert found == {path: KEYS if path in BY_DAYS else [None] for path in CATALOG}


def test_one_run_records_every_check_of_every_table_once_a_day(loaded_shop: Shop) -> None:
    recorded = [
        ("/".join(one.asset_key.path), one.partition, one.check_name)
        for one in evaluations(loaded_shop.run)
    ]
    assert sorted(recorded) == sorted(
        (path, key, name)
        for path in CATALOG
        for key, name in product(KEYS if path in BY_DAYS else [None], check_names(path))
    )


def test_only_the_warning_about_a_day_without_orders_may_be_red(loaded_shop: Shop) -> None:
    warnings = {(path, EMPTY, "row_count_against_earlier_days") for path in ORDER_TABLES}
    assert failed_checks(loaded_shop.run) - warnings == set()


@pytest.mark.parametrize("check", CHECK_NAMES)
def test_the_ui_shows_a_verdict_for_each_day_of_a_check(loaded_shop: Shop, check: str) -> None:
    # Dagster shows a day as missing unless its verdict names the day's newest materialisation.
    shown = loaded_shop.check_state("staged/orders", check)
    assert set.union(*shown.values()) == set(KEYS)
    assert shown["SUCCEEDED"] >= set(KEYS) - {EMPTY}


@pytest.mark.parametrize("path", BY_DAYS)
def test_the_metadata_of_a_day_are_of_that_day(loaded_shop: Shop, path: str) -> None:
    states, days = loaded_shop.state(path), metadata_of(loaded_shop.run, path)
    for day, key in zip(DAYS, KEYS, strict=True):
        metadata = days[key]
        assert metadata["dagster/partition_row_count"] == states[day].row_count
        assert metadata["quarantined_rows"] == states[day].quarantined_count
        assert metadata["bytes"] > 0 or not states[day].row_count
        assert metadata["rows_per_second"] > 0 or not states[day].row_count
        for step in ("read", "audit", "spool", "publish"):
            assert 0 <= metadata[f"seconds_{step}"] < 60
        assert metadata.get("source_rows") == states[day].source_count
        assert metadata["dagster/row_count"] == sum(state.row_count for state in states.values())
    assert len({metadata["dagster/partition_row_count"] for metadata in days.values()}) > 1


def test_the_null_ratios_of_a_day_are_those_of_its_published_rows(loaded_shop: Shop) -> None:
    days = metadata_of(loaded_shop.run, "raw/customers")
    counted = {
        (str(day), column): ratio
        for column in ("email", "segment", "phone")
        for day, ratio in loaded_shop.warehouse(
            f"SELECT (created_at AT TIME ZONE 'UTC')::DATE, avg(({column} IS NULL)::INT) "
            "FROM raw.customers GROUP BY 1"
        )
    }
    shown = {(key, column): days[key][f"null_ratio/{column}"] for key, column in counted}
    assert len(counted) == 12
    assert shown == pytest.approx(counted, abs=1e-6)
    assert len({shown[key, "phone"] for key in KEYS}) > 1, "the plot would be flat"


def test_the_preview_shows_rows_and_masks_what_is_personal(loaded_shop: Shop) -> None:
    preview = metadata_of(loaded_shop.run, "raw/customers")[KEYS[0]]["preview"]
    header, _, first, *_ = preview.splitlines()
    names, cells = ([cell.strip() for cell in line.split(" | ")] for line in (header, first))
    row = dict(zip(names, cells, strict=True))
    assert (row["full_name"], row["country"]) == (MASK, row["country"].upper())


def test_no_personal_value_is_anywhere_in_the_event_log(loaded_shop: Shop) -> None:
    personal = {
        value
        for row in loaded_shop.sql("SELECT email, full_name, phone FROM customers")
        for value in row
        if value
    } | {note for (note,) in loaded_shop.sql("SELECT note FROM orders WHERE length(note) > 9")}
    assert len(personal) > 500
    records = loaded_shop.instance.all_logs(loaded_shop.run.run_id)
    log = json.dumps(
        [json.loads(record.to_json()) for record in records], ensure_ascii=False, default=str
    )
    assert "row_count_against_source" in log
    assert MASK in log
    assert [value for value in personal if value in log] == []


def test_a_tolerated_bad_row_is_in_quarantine_with_rule_position_and_payload(
    loaded_shop: Shop,
) -> None:
    ((order,),) = loaded_shop.sql("SELECT id FROM orders WHERE status = 'lost'")
    ((rule, position, payload, run_id),) = loaded_shop.warehouse(
        "SELECT rule, source_position, payload, run_id FROM etl.etl_quarantine "
        f"WHERE table_name = 'staged/orders' AND partition_key = '{DAYS[1]}'"
    )
    assert rule.startswith("status: isin")
    assert position == f"raw/orders order_id={order}"
    assert (json.loads(payload)["order_id"], json.loads(payload)["status"]) == (order, "lost")
    assert run_id == loaded_shop.run.run_id


def test_rows_read_are_rows_published_and_rows_in_quarantine(loaded_shop: Shop) -> None:
    counts = evidence(loaded_shop.run, "staged/orders", DAYS[1], "row_count_against_source")
    published = len(loaded_shop.published("staged/orders", DAYS[1]))
    assert counts == {
        "source_rows": published + 1,
        "read_rows": published + 1,
        "to_publish": published,
        "quarantined": 1,
    }
    broken = evidence(loaded_shop.run, "staged/orders", DAYS[1], "value_rules")
    assert (broken["bad_rows"], broken["rows"]) == (1, published + 1)


def test_an_empty_day_is_published_with_the_sources_own_count_as_evidence(
    loaded_shop: Shop,
) -> None:
    """L8."""
    for path in ("raw/orders", "staged/orders", "enriched/fact_orders"):
        state = loaded_shop.state(path)[DAYS[3]]
        assert (state.row_count, state.source_count) == (0, 0)
        counts = evidence(loaded_shop.run, path, DAYS[3], "row_count_against_source")
        assert (counts["source_rows"], counts["read_rows"]) == (0, 0)
    assert evidence(loaded_shop.run, "raw/orders", DAYS[3], "null_ratios")["is_empty"] is True


def test_a_raw_table_says_which_source_query_made_it(loaded_shop: Shop) -> None:
    for path, table in CATALOG.items():
        key = KEYS[1] if table.has_days else None
        metadata = metadata_of(loaded_shop.run, path)[key]
        query = metadata.get("source_query", "")
        wanted = KEYS[1] if table.has_days else table.name.removeprefix("crm_")
        if table.is_of_files:  # which objects those are is in the ledger
            has_objects = path != "raw/identity_decisions"  # nobody has decided anything
            assert (query, metadata["source_rows"] > 0) == ("", has_objects)
            continue
        assert (wanted in query) == (table.layer is Layer.RAW)
