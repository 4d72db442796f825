"""L1: a connection that breaks at COMMIT, before or after it is done, doubles and loses nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl_assets.core.errors import WarehouseUnavailable
from etl_assets.core.state import Happening
from etl_assets.demo.server import EmbeddedPostgres
from etl_assets.warehouse.publication import StagedDay
from etl_assets_tests.contract.days import (
    DAY,
    NEXT,
    ORDERS,
    at,
    bring,
    changes_of,
    entry,
    orders,
    own_row,
    publish,
    staged,
    token_of,
    values,
)
from etl_assets_tests.postgres_warehouse.boundaries import Way
from etl_assets_tests.postgres_warehouse.warehouses import (
    everything,
    staging_tables,
    warehouse_at,
)
from etl_assets_tests.wire.tcp_proxy import Break, TcpProxy, tcp_proxy

PUBLISHING = "etl_assets publishing raw/orders"
STAGING = "etl_assets staging raw/orders"


@pytest.fixture
def proxy(postgres: EmbeddedPostgres) -> Iterator[TcpProxy]:
    with tcp_proxy(f"{postgres.socket_dir}/.s.PGSQL.5432") as proxy:
        yield proxy


def name_of(url: str) -> str:
    return url.split("/")[3].split("?")[0]


def new_day(folder: Path, **state: Any) -> StagedDay:
    rows = orders(dict.fromkeys(range(2, 102), "new"), updated=at(NEXT))
    return staged(folder, rows, rejected=["{}"], run_id="run-2", **state)


@pytest.mark.thorough_but(
    "answer lost-etl_assets publishing", "four in a row-etl_assets staging raw/orders-changes"
)
@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("words", [PUBLISHING, STAGING])
@pytest.mark.parametrize(
    "breaks",
    [[Break.AFTER_COMMIT], [Break.BEFORE_COMMIT], [Break.AFTER_COMMIT, Break.BEFORE_COMMIT] * 2],
    ids=["answer lost", "reset", "four in a row"],
)
def test_l1_a_broken_commit_is_made_good_by_itself(
    proxy: TcpProxy, database_url: str, tmp_path: Path, way: Way, words: str, breaks: list[Break]
) -> None:
    with (
        warehouse_at(database_url) as direct,
        warehouse_at(proxy.url(name_of(database_url))) as far,
    ):
        publish(direct, staged(tmp_path, orders({1: "old", 2: "old"})))
        expected = dict.fromkeys(range(2, 102), "new")
        if way is Way.REPLACE:
            proxy.break_at(words, *breaks)
            publish(far, new_day(tmp_path))
        else:
            changed = changes_of(tmp_path, token_of(direct), history=[entry()])
            proxy.break_at(words, *breaks)
            bring(far, changed, new_day(tmp_path, row_count=101))
            expected[1] = "old"
        assert proxy.broken == breaks
        assert values(direct, tmp_path) == expected
        (state,) = direct.state()
        assert state.row_count == len(expected)
        assert len(everything(database_url)["quarantine"]) == 1
        assert len(direct.history(ORDERS, Happening.WATERMARK)) == (way is Way.CHANGES)
    assert staging_tables(database_url) == []


def test_l1_a_position_whose_move_was_not_answered_is_moved_once(
    proxy: TcpProxy, database_url: str
) -> None:
    with warehouse_at(proxy.url(name_of(database_url))) as far:
        first, second = own_row(), own_row()
        far.move(first, None, [entry()])
        proxy.break_at("etl_assets moving the position of raw/orders", Break.AFTER_COMMIT)
        far.move(second, first.load_id, [entry()])
        assert proxy.broken == [Break.AFTER_COMMIT]
        assert far.table_state(ORDERS) == second
        assert len(far.history(ORDERS, Happening.WATERMARK)) == 2


def test_l1_a_server_that_always_breaks_off_is_given_up_and_a_rerun_ends_the_same(
    proxy: TcpProxy, database_url: str, tmp_path: Path
) -> None:
    with warehouse_at(proxy.url(name_of(database_url))) as far:
        publish(far, staged(tmp_path, orders({1: "old"})))
        proxy.break_at(PUBLISHING, *[Break.BEFORE_COMMIT] * 5)
        with pytest.raises(WarehouseUnavailable) as caught:
            publish(far, new_day(tmp_path))
        assert caught.value.retryable
        assert values(far, tmp_path, DAY) == {1: "old"}
        publish(far, new_day(tmp_path))
        assert values(far, tmp_path, DAY) == dict.fromkeys(range(2, 102), "new")
