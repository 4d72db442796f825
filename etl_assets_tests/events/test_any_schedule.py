"""A2, W1: whatever schedule arrivals and loaders follow, events and statuses are the oracle's.

`HISTORIES=5000 pytest -k any_schedule` tries as many as one likes; the suite a few.
"""

import threading
from dataclasses import dataclass
from enum import StrEnum

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_assets_tests.amounts import cases
from etl_assets_tests.events.arrivals import Meant, fold, statuses_of
from etl_assets_tests.events.store import Store

HISTORIES = cases(60, 200)
A_DAY = 24 * 3600


class Do(StrEnum):
    """What follows a part of the arrivals."""

    NOTHING = "nothing"
    LOAD = "load"
    LOAD_SINGLY = "load a row at a time"
    TWO_LOADERS = "two loaders at once"
    TWO_SINGLY = "two loaders at once, a row at a time"


@dataclass(frozen=True)
class Step:
    """Arrivals that land together, and what is done then."""

    arrivals: list[Meant]
    then: Do


ARRIVALS = st.builds(
    Meant,
    event_id=st.sampled_from(["a", "A", " a ", "b", "B\t", "c", "sha256:c"]),
    source=st.sampled_from(["shop_api", "partner_files", "partner_webhook"]),
    happened=st.sampled_from([None, 0, 100, A_DAY, A_DAY + 1, 4 * A_DAY]),
    sequence=st.sampled_from([None, None, 0, 1, 2]),
    received=st.sampled_from([0, 50, A_DAY, 3 * A_DAY]),
    product=st.sampled_from(["p", "q"]),
    cents=st.just(150),
    is_broken=st.sampled_from([False] * 9 + [True]),
)


@st.composite
def schedules(draw: st.DrawFn) -> list[Step]:
    """Arrivals in several parts, some of which arrive again, shuffled, and loads in between."""
    arrivals = draw(st.lists(ARRIVALS, min_size=1, max_size=14))
    again = draw(st.lists(st.sampled_from(arrivals), max_size=6))
    shuffled = draw(st.permutations(arrivals + again))
    steps = []
    while shuffled:
        size = draw(st.integers(1, len(shuffled)))
        steps.append(Step(list(shuffled[:size]), draw(st.sampled_from(Do))))
        shuffled = shuffled[size:]
    return steps


def follow(store: Store, steps: list[Step]) -> None:
    for step in steps:
        store.land(step.arrivals)
        match step.then:
            case Do.LOAD:
                store.load()
            case Do.LOAD_SINGLY:
                store.load(limit=1)
            case Do.TWO_LOADERS:
                two_at_once(store, limit=5_000)
            case Do.TWO_SINGLY:
                two_at_once(store, limit=1)
            case Do.NOTHING:
                pass
    store.load()


def two_at_once(store: Store, limit: int) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            store.load(limit)
        except BaseException as error:
            failed.append(error)

    loaders = [threading.Thread(target=work) for _ in range(2)]
    for one in loaders:
        one.start()
    for one in loaders:
        one.join(60)
    assert not failed, failed
    assert not any(one.is_alive() for one in loaders)


@pytest.mark.random
@settings(
    max_examples=HISTORIES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=schedules())
def test_after_any_schedule_each_event_is_the_row_that_the_oracle_folds(
    store: Store, steps: list[Step]
) -> None:
    store.clear()
    follow(store, steps)
    arrived = [one for step in steps for one in step.arrivals]
    assert store.rows() == fold(arrived)
    assert store.agrees_with_itself()
    assert store.landed() == statuses_of(arrived)
