"""The sales of the demo: what its API serves becomes raw and staged rows, faults or none."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from etl_assets.config import HttpSettings, Settings
from etl_assets.core.http_connections import HttpConnection
from etl_assets.core.partitions import Window
from etl_assets.demo.api import demo_api
from etl_assets.demo.sales import STORES, sales_of
from etl_assets.pipeline.platform import Platform
from etl_assets.pipeline.publish import publish_days
from etl_assets.pipeline.run_days import load
from etl_assets.sources.factory import Sources
from etl_assets.tables.sales import stage
from etl_assets_tests.http_api.server import Asked, Reply, said, serve

FIRST, TWICE, BAD = date(2024, 1, 1), date(2024, 1, 4), date(2024, 1, 8)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The demo's raw sales of three days."""
    home = tmp_path_factory.mktemp("home")
    settings = Settings(home=home, demo=True, last_day=date(2024, 1, 30))
    with closing(Platform(settings)) as platform:
        table = platform.catalog["raw/sales"]
        with platform.spool("run", "load") as folder:
            days = [FIRST, TWICE, BAD]
            source = platform.source(table)
            loaded = load(table, source, platform.warehouse, days, folder, "run")
            assert not loaded.refused
            publish_days(platform.warehouse, table, loaded.good, "run")
        yield platform


def raw(platform: Platform, day: date) -> pl.DataFrame:
    table = platform.catalog["raw/sales"]
    folder = platform.settings.home / "reads" / day.isoformat()
    return platform.warehouse.read(table, [Window.of(day)], folder).frames[0].collect()


def good(day: date) -> list[dict[str, Any]]:
    """The sales that the API has of the day, each once, without the bad one."""
    once = {sale["sale_id"]: dict(sale) for sale in sales_of(day)}
    return [sale for sale in once.values() if isinstance(sale["quantity"], int)]


def test_raw_has_each_sale_once_and_counts_what_came_twice(platform: Platform) -> None:
    assert len(sales_of(TWICE)) == len(good(TWICE)) + 1
    for day in (FIRST, TWICE, BAD):
        rows = raw(platform, day).drop("^_.*$").sort("sale_id").to_dicts()
        wanted = [
            {
                **sale,
                "sold_at": pl.Series([sale["sold_at"]]).str.to_datetime(time_zone="UTC")[0],
                "unit_price": sale["unit_price"] and Decimal(str(sale["unit_price"])),
            }
            for sale in good(day)
        ]
        assert rows == [{name: sale[name] for name in rows[0]} for sale in wanted]
    states = {one.partition_key: one for one in platform.warehouse.state()}
    for day, aside in ((FIRST, 0), (TWICE, 0), (BAD, 1)):
        counts = (states[day].source_count, states[day].quarantined_count)
        assert counts == (len(good(day)) + aside, aside)


def test_the_bad_sale_is_in_quarantine_with_its_place(platform: Platform) -> None:
    found = platform.warehouse.quarantined(platform.catalog["raw/sales"])
    assert found.select("rule", "source_position").rows() == [
        (
            "quantity: has a JSON text, and the column is Int64",
            "http:http://demo/sales page 1 item 42",
        )
    ]


def test_a_missing_price_is_that_of_the_same_till_and_article_and_of_no_other(
    platform: Platform,
) -> None:
    found = stage(raw(platform, FIRST).lazy()).collect().sort("sold_at", "sale_id").to_dicts()
    last: dict[tuple[Any, ...], tuple[Any, int]] = {}
    sent = {sale["sale_id"]: sale for sale in good(FIRST)}
    carried = 0
    for row in found:
        sale = sent[row["sale_id"]]
        known = sale["store"], sale["till"], sale["sku"]
        price, over = (sale["unit_price"], 0) if sale["unit_price"] else last.get(known, (None, 9))
        if sale["unit_price"] is None:
            over += 1
            price = price if over <= 3 else None
            carried += price is not None
            assert row["is_price_carried"] == (price is not None)
        last[known] = last[known][0] if price is None and known in last else price, over
        assert row["unit_price"] == (None if price is None else Decimal(str(price)))
        assert row["sale_amount"] == (
            None if price is None else Decimal(str(price)) * sale["quantity"]
        )
        assert row["currency"] in (STORES[sale["store"]], None)
        assert row["sale_date"] == FIRST
    assert carried > 5
    assert found[0]["is_price_carried"] is False


def test_the_demos_api_fails_twice_and_then_serves_pages_to_anyone() -> None:
    asked = {"from": f"{TWICE}T00:00:00Z", "until": f"{BAD}T00:00:00Z", "limit": "100"}
    with httpx2.Client(base_url=demo_api(), trust_env=False) as client:
        answer = client.get("/sales", params={**asked, "cursor": "400"}).json()
        days = [date(2024, 1, number) for number in (4, 5, 6, 7)]
        assert len(answer["sales"]) == sum(len(sales_of(day)) for day in days) - 400
        assert answer["next_cursor"] is None
        assert client.get("/sales", params={"from": "x"}).status_code == 400
        assert client.get("/other").status_code == 404
    assert demo_api() == demo_api()


def test_an_api_of_ones_own_takes_the_place_of_the_demos(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        assert asked.params["from"] == "2024-01-01T00:00:00Z"
        return said({"sales": [dict(sale) for sale in sales_of(FIRST)[:2]], "next_cursor": None})

    with serve(answer) as api:
        http = HttpSettings(apis={"sales": HttpConnection(url=api.url)})
        with closing(Platform(Settings(home=tmp_path, demo=True, http=http))) as platform:
            table = platform.catalog["raw/sales"]
            assert table.source is not None
            assert not platform.sources.holds_demo_rows(table.source)
            assert platform.read_from([table]) == [f"{api.url}/sales"]
            with platform.unseen_source(table).open() as snapshot:
                (frame,) = snapshot.day(FIRST).batches()
    assert isinstance(frame, pl.DataFrame)
    assert frame["sale_id"].to_list() == [1, 2]


def test_the_demos_api_is_read_only_where_the_demo_was_asked_for(tmp_path: Path) -> None:
    for given in ({}, {"demo": True, "database_url": "postgresql://h/d"}):
        sources = Sources(Settings(home=tmp_path, **given))  # type: ignore[arg-type]
        with closing(Platform(Settings(home=tmp_path))) as platform:
            table = platform.catalog["raw/sales"]
        assert table.source is not None
        assert not sources.holds_demo_rows(table.source)
