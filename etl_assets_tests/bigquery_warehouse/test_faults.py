"""Faults on the wire: what was sent once, or was done and never heard of, is published once.

Every kind of request of a publication meets the fault; the rows are compared with what was staged.
"""

import random
from collections.abc import Callable
from datetime import timedelta

import pytest
from polars.testing import assert_frame_equal

from etl_assets.core.errors import WarehouseUnavailable
from etl_assets.warehouse.base import Mode
from etl_assets_tests.bigquery_warehouse.conftest import Place
from etl_assets_tests.contract.days import (
    AS_OF,
    NEXT,
    at,
    orders,
    publish,
    published,
    staged,
    values,
)
from etl_assets_tests.wire.http_faults import Answer, DropAnswer, Fault, Reset, Rule
from etl_assets_tests.wire.http_proxy import HttpProxy

FAULTS: dict[str, Callable[[], Fault]] = {
    "500": lambda: Answer(500),
    "503": lambda: Answer(503),
    "429": lambda: Answer(429),
    "reset": Reset,
    "lost answer": DropAnswer,
}
KINDS = {
    "making a dataset": ("POST", r"/datasets\?"),
    "making a table": ("POST", r"/tables\?"),
    "looking at a table": ("GET", r"/tables/orders\?"),
    "uploading a load job": ("POST", r"/upload/"),
    "starting a query": ("POST", r"(?<!upload)/bigquery/v2/projects/[^/]+/jobs\?"),
    "asking for a result": ("GET", r"/queries/"),
    "dropping a table": ("DELETE", r"/tables/"),
}


def expected(mode: Mode) -> dict[int, str]:
    return {
        Mode.REPLACE: {2: "new", 3: "new"},
        Mode.MERGE: {1: "old", 2: "new", 3: "new"},
        Mode.APPEND: {1: "old", 3: "new", 4: "new"},
        Mode.CHANGES: {1: "old", 2: "new", 3: "new"},
    }[mode]


def change(place: Place, mode: Mode) -> object:
    keys = (3, 4) if mode is Mode.APPEND else (2, 3)
    rows = orders(dict.fromkeys(keys, "new"), updated=at(NEXT))
    whole = {"row_count": 3} if mode is Mode.CHANGES else {}  # its states are given
    return staged(place.folder, rows, run_id="run-2", as_of=AS_OF + timedelta(days=1), **whole)


def old(place: Place, mode: Mode) -> object:
    return staged(place.folder, orders({1: "old"} if mode is Mode.APPEND else {1: "old", 2: "old"}))


@pytest.mark.parametrize(
    ("fault", "mode"),
    [(f, m) for f in FAULTS for m in Mode if m is not Mode.CHANGES or f == "lost answer"],
)
def test_l1_every_request_may_meet_the_fault_once(place: Place, fault: str, mode: Mode) -> None:
    rules = [Rule(FAULTS[fault](), method, path) for method, path in KINDS.values()]
    with HttpProxy(place.server.rest_host, *rules) as proxy:
        warehouse = place.warehouse(through=proxy)
        publish(warehouse, old(place, mode))  # type: ignore[arg-type]
        publish(warehouse, change(place, mode), mode=mode)  # type: ignore[arg-type]
        met = {seen.rule for seen in proxy.faulted()}
    assert met == set(rules), "a kind of request that was never made"
    assert values(place.warehouse(), place.folder) == expected(mode)


@pytest.mark.parametrize("mode", [Mode.REPLACE, Mode.MERGE, Mode.APPEND])
@pytest.mark.parametrize(
    "kind", ["uploading a load job", "starting a query", "asking for a result"]
)
def test_l2_a_service_that_loses_every_answer_ends_in_one_message_and_a_rerun_is_right(
    place: Place, kind: str, mode: Mode
) -> None:
    publish(place.warehouse(), old(place, mode))  # type: ignore[arg-type]
    method, path = KINDS[kind]
    with HttpProxy(place.server.rest_host, Rule(DropAnswer(), method, path, times=None)) as proxy:
        warehouse = place.warehouse(through=proxy, wait_seconds=2)
        with pytest.raises(WarehouseUnavailable, match="Run it again") as caught:
            publish(warehouse, change(place, mode), mode=mode)  # type: ignore[arg-type]
    assert "new" not in str(caught.value)
    whole = [{1: "old"}, {1: "old", 2: "old"}, expected(mode)]
    if mode is not Mode.APPEND:  # rows that are appended may be seen before their state
        assert values(place.warehouse(), place.folder) in whole
    publish(place.warehouse(), change(place, mode), mode=mode)  # type: ignore[arg-type]
    assert values(place.warehouse(), place.folder) == expected(mode)
    (state,) = place.warehouse().state()
    assert state.row_count == len(expected(mode))


def test_l1_a_resumable_upload_goes_on_where_it_was_cut(place: Place) -> None:
    chance = random.Random(1)
    rows = orders({n: chance.randbytes(40).hex() for n in range(120_000)})  # over 5 MB
    rules = [
        Rule(Answer(503), "PUT", r"/upload/"),
        Rule(DropAnswer(), "PUT", r"/upload/"),
        Rule(Reset(), "POST", r"/upload/.*uploadType=resumable"),
    ]
    with HttpProxy(place.server.rest_host, *rules) as proxy:
        publish(place.warehouse(through=proxy), staged(place.folder, rows))
        assert {seen.rule for seen in proxy.faulted()} == set(rules)
    assert_frame_equal(published(place.warehouse(), place.folder), rows.sort("id"))


def test_reading_goes_on_after_a_fault(place: Place) -> None:
    publish(place.warehouse(), staged(place.folder, orders({1: "one"})))
    rules = [Rule(DropAnswer(), "POST"), Rule(Answer(503), "GET"), Rule(Reset(), "GET")]
    with HttpProxy(place.server.rest_host, *rules) as proxy:
        warehouse = place.warehouse(through=proxy, more="&read=rest")
        assert values(warehouse, place.folder) == {1: "one"}
        assert {seen.rule for seen in proxy.faulted()} == set(rules)
