"""Faults on the wire: what was sent once, or was done and never heard of, is published once.

Every kind of request of a publication meets the fault; the rows are compared with what was staged.
"""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from polars.testing import assert_frame_equal

from etl_assets.core.errors import LostTurn, WarehouseUnavailable
from etl_assets.warehouse.publication import Publication, StagedDay
from etl_assets_tests.bigquery_warehouse.conftest import WAYS, Place, publish_by
from etl_assets_tests.contract.days import (
    AS_OF,
    DAY,
    NEXT,
    ORDERS,
    at,
    orders,
    own_row,
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
    "listing rows": ("GET", r"/tables/etl_tables/data"),
    "dropping a table": ("DELETE", r"/tables/"),
}


EXPECTED = {"replace": {2: "new", 3: "new"}, "changes": {1: "old", 2: "new", 3: "new"}}


def change(place: Place, way: str) -> StagedDay:
    rows = orders(dict.fromkeys((2, 3), "new"), updated=at(NEXT))
    whole = {"row_count": 3} if way == "changes" else {}  # its states are given
    return staged(place.folder, rows, run_id="run-2", as_of=AS_OF + timedelta(days=1), **whole)


def old(place: Place) -> StagedDay:
    return staged(place.folder, orders({1: "old", 2: "old"}))


@pytest.mark.thorough_for("-changes")
@pytest.mark.soak_for("500", "503", "429", "reset", "changes")
@pytest.mark.parametrize(
    ("fault", "way"),
    [(f, w) for f in FAULTS for w in WAYS if w == "replace" or f == "lost answer"],
)
def test_l1_every_request_may_meet_the_fault_once(place: Place, fault: str, way: str) -> None:
    rules = [Rule(FAULTS[fault](), method, path) for method, path in KINDS.values()]
    with HttpProxy(place.server.rest_host, *rules) as proxy:
        warehouse = place.warehouse(through=proxy)
        publish(warehouse, old(place))
        publish_by(way, warehouse, change(place, way))
        met = {seen.rule for seen in proxy.faulted()}
    assert met == set(rules), "a kind of request that was never made"
    assert values(place.warehouse(), place.folder) == EXPECTED[way]


@pytest.mark.thorough
@pytest.mark.soak_for("changes", "uploading", "asking")
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "kind", ["uploading a load job", "starting a query", "asking for a result"]
)
def test_l2_a_service_that_loses_every_answer_ends_in_one_message_and_a_rerun_is_right(
    place: Place, kind: str, way: str
) -> None:
    publish(place.warehouse(), old(place))
    method, path = KINDS[kind]
    with HttpProxy(place.server.rest_host, Rule(DropAnswer(), method, path, times=None)) as proxy:
        warehouse = place.warehouse(through=proxy, wait_seconds=2)
        with pytest.raises(WarehouseUnavailable, match="Run it again") as caught:
            publish_by(way, warehouse, change(place, way))
    assert "new" not in str(caught.value)
    whole = [{1: "old", 2: "old"}, EXPECTED[way]]
    assert values(place.warehouse(), place.folder) in whole
    publish_by(way, place.warehouse(), change(place, way))
    assert values(place.warehouse(), place.folder) == EXPECTED[way]
    (state,) = place.warehouse().state()
    assert state.row_count == len(EXPECTED[way])


def test_l1_a_publication_whose_answer_was_lost_is_found_and_not_done_again(place: Place) -> None:
    publish(place.warehouse(), old(place))
    lost = Rule(DropAnswer(), "POST", KINDS["starting a query"][1], is_publication)
    with HttpProxy(place.server.rest_host, lost) as proxy:
        publish(place.warehouse(through=proxy), change(place, "replace"))
        assert [seen.rule for seen in proxy.faulted()] == [lost]
        bodies = [json.loads(s.body) for s in proxy.requests if is_publication(s.body)]
    first, again = (body["jobReference"]["jobId"] for body in bodies)
    assert first == again
    assert values(place.warehouse(), place.folder) == EXPECTED["replace"]


@pytest.mark.thorough
@pytest.mark.parametrize("seen", ["before it is sent", "inside the transaction"])
def test_l1_a_table_that_says_the_publications_own_load_is_published(
    place: Place, monkeypatch: pytest.MonkeyPatch, seen: str
) -> None:
    """An attempt that was taken for failed may have been done: the next one meets its own token."""
    warehouse = place.warehouse()
    publish(warehouse, old(place))
    day = change(place, "replace")
    publish(warehouse, day)
    if seen == "inside the transaction":
        monkeypatch.setattr(warehouse._states, "take_turn", lambda *_: True)
    plan = Publication(
        warehouse.stage(ORDERS, [day], "run-2"),
        token="the one before",
        table_state=warehouse.table_state(ORDERS) or own_row(),
        states=[day.state],
        replaced=[DAY],
    )
    assert [job.kind for job in warehouse.publish(plan)] == ["load"]
    assert values(warehouse, place.folder) == EXPECTED["replace"]
    for token in ("the one before", None):
        with pytest.raises(LostTurn):
            warehouse.publish(replace(plan, token=token, table_state=own_row()))
        with pytest.raises(LostTurn):
            warehouse.move(own_row(), token, [])
    assert values(warehouse, place.folder) == EXPECTED["replace"]
    warehouse.discard(plan.staging)


def is_publication(body: bytes) -> bool:
    return b"COMMIT TRANSACTION" in body


@pytest.mark.thorough
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


@pytest.mark.thorough
def test_reading_goes_on_after_a_fault(place: Place) -> None:
    publish(place.warehouse(), staged(place.folder, orders({1: "one"})))
    rules = [Rule(DropAnswer(), "POST"), Rule(Answer(503), "GET"), Rule(Reset(), "GET")]
    with HttpProxy(place.server.rest_host, *rules) as proxy:
        warehouse = place.warehouse(through=proxy, more="&read=rest")
        assert values(warehouse, place.folder) == {1: "one"}
        assert {seen.rule for seen in proxy.faulted()} == set(rules)
