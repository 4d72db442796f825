"""A day that is forgotten is to be loaded again; nothing that is published changes by that."""

import json
from pathlib import Path

import pytest

from etl_assets.core.state import Happening
from etl_assets.pipeline.forget import forget
from etl_assets.warehouse.base import Warehouse
from etl_assets_tests.contract.days import (
    DAY,
    NEXT,
    ORDERS,
    orders,
    publish,
    staged,
    token_of,
    values,
)
from etl_assets_tests.contract.test_ledger import entry, made_of

pytestmark = pytest.mark.thorough_for("bigquery")


@pytest.mark.soak_for("bigquery")
def test_a_day_that_is_forgotten_stays_published_until_it_is_loaded_again(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    forget(warehouse, ORDERS, [DAY])
    assert warehouse.table_state(ORDERS) is None, "what was never published is not remembered"
    publish(
        warehouse,
        made_of(tmp_path, staged(tmp_path, orders({1: "one"})), entry("a.csv")),
        made_of(tmp_path, staged(tmp_path, orders({2: "two"}, NEXT), NEXT), entry("b.csv", NEXT)),
    )
    token, version = token_of(warehouse), warehouse.version()
    before = warehouse.state(), warehouse.ledger(ORDERS), values(warehouse, tmp_path, DAY, NEXT)
    forget(warehouse, ORDERS, [DAY, NEXT])
    own = warehouse.table_state(ORDERS)
    assert own is not None
    assert sorted(own.reload_reasons) == [DAY, NEXT]
    assert all("forgotten by hand" in why for why in own.reload_reasons.values())
    assert (own.row_count, token_of(warehouse) != token) == (2, True)
    assert warehouse.version() != version or version is None
    after = warehouse.state(), warehouse.ledger(ORDERS), values(warehouse, tmp_path, DAY, NEXT)
    assert after == before
    (happened,) = warehouse.history(ORDERS, Happening.RELOAD)
    assert sorted(json.loads(happened.payload)) == [str(DAY), str(NEXT)]

    forget(warehouse, ORDERS, [DAY])
    again = warehouse.table_state(ORDERS)
    assert again is not None
    assert again.reload_reasons[DAY] != own.reload_reasons[DAY], "it is asked for once more"
    assert again.reload_reasons[NEXT] == own.reload_reasons[NEXT]

    day = staged(tmp_path, orders({1: "one"}), run_id="run-2")
    publish(warehouse, made_of(tmp_path, day, entry("a.csv", run_id="run-2")))
    left = warehouse.table_state(ORDERS)
    assert left is not None
    assert list(left.reload_reasons) == [NEXT]
