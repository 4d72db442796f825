"""A1, A2: whatever arrives twice, late, out of order or broken, each event is one row."""

import threading
from dataclasses import replace
from datetime import date, timedelta

import psycopg
import pytest

from etl_assets.core.errors import SourceUnavailable
from etl_assets.events import load as loader
from etl_assets.events.counts import counts_of, retry
from etl_assets.events.landing import Arrival, land
from etl_assets.events.load import LoadedEvents, Rules, load
from etl_assets.events.vocabulary import Said
from etl_assets_tests.events.arrivals import ZERO, Meant, fold, spelt
from etl_assets_tests.events.store import RULES, Store

A_DAY = 24 * 3600


def test_an_event_of_each_source_is_one_row_of_its_day(store: Store) -> None:
    arrivals = [
        Meant("a", "shop_api", happened=10, received=20),
        Meant("b", "partner_files", happened=A_DAY + 10, received=3 * A_DAY),
        Meant("c", "partner_webhook", happened=2 * A_DAY + 10, received=2 * A_DAY + 11),
    ]
    store.land(arrivals)
    done = store.load()
    assert (done.taken, done.loaded) == (3, 3)
    assert store.rows() == fold(arrivals)
    assert [row[1] for row in store.rows()] == [date(2024, 3, number) for number in (1, 2, 3)]
    assert store.agrees_with_itself()
    assert store.load().taken == 0


def test_a2_exact_copies_across_sources_and_spellings_are_one_row_and_counted(
    store: Store,
) -> None:
    first = Meant("Abc", received=5)
    arrivals = [first, replace(first, received=9), *spelt([first])]
    store.land(arrivals)
    done = store.load()
    assert (done.taken, done.loaded, done.duplicates) == (2, 1, 1)
    assert store.rows() == fold(arrivals)
    with store.database.transaction("counting") as connection:
        counts = counts_of(connection)
    assert (counts.received, counts.unique, counts.duplicates, counts.pending) == (2, 1, 1, 0)


def test_a2_an_older_event_never_overwrites_a_newer_one(store: Store) -> None:
    newer = Meant("a", happened=100, product="new", received=50)
    older = Meant("a", happened=99, sequence=7, product="old", received=60)
    store.land([newer])
    store.load()
    store.land([older])
    assert store.load().superseded == 1
    assert store.rows() == fold([newer, older]) == fold([newer])
    assert store.statuses() == {"loaded": 1, "superseded": 1}


def test_a_newer_event_moves_the_row_to_its_day_and_the_old_one_is_superseded(
    store: Store,
) -> None:
    first = Meant("a", happened=100, received=101)
    store.land([first])
    store.load()
    moved = Meant("a", happened=A_DAY + 100, product="new", received=A_DAY + 101)
    store.land([moved])
    assert store.load().loaded == 1
    assert store.rows() == fold([first, moved])
    assert store.sql("SELECT event_date FROM events") == [(date(2024, 3, 2),)]
    assert store.statuses() == {"loaded": 1, "superseded": 1}
    assert store.agrees_with_itself()


def test_a_copy_that_turns_out_to_be_received_earlier_is_placed_again(store: Store) -> None:
    ahead = Meant("a", happened=2 * A_DAY, received=A_DAY + 5)
    store.land([ahead])
    store.load()
    assert store.sql("SELECT placed_by, event_date FROM events") == [("source", date(2024, 3, 3))]
    earlier = replace(ahead, received=5)  # now its clock is two days ahead
    store.land([earlier])
    store.load()
    assert store.rows() == fold([ahead, earlier])
    assert store.sql("SELECT placed_by, event_date FROM events") == [("receipt", date(2024, 3, 1))]
    assert store.agrees_with_itself()


def test_an_event_without_an_id_is_known_by_its_content_and_says_so(store: Store) -> None:
    one = Meant("unused")
    with store.database.transaction("landing events") as connection:
        land(connection, [Arrival(one.source, None, one.payload, one.received_at)] * 2)
    assert store.load().loaded == 1
    assert store.sql("SELECT event_id FROM events") == [(f"sha256:{one.digest.hex()}",)]


def test_late_events_are_counted(store: Store) -> None:
    store.land([Meant("a", happened=0, received=A_DAY - 1), Meant("b", happened=0, received=A_DAY)])
    store.load()
    with store.database.transaction("counting") as connection:
        assert counts_of(connection).late == 1


def test_a_row_that_cannot_be_read_is_quarantined_after_its_tries_and_stops_nobody(
    store: Store,
) -> None:
    store.land([Meant("bad", is_broken=True), Meant("good")])
    once = load(store.database, rules=replace(RULES, attempts=2))
    assert (once.loaded, once.refused, once.quarantined) == (1, 1, 0)
    again = load(store.database, rules=replace(RULES, attempts=2))
    assert (again.taken, again.refused, again.quarantined) == (1, 0, 1)
    ((attempts, error),) = store.sql(
        "SELECT attempts, error FROM staging_events WHERE status = 'quarantined'"
    )
    assert (attempts, error.startswith("The payload is no JSON in UTF-8.")) == (2, True)
    assert load(store.database, RULES).taken == 0


def test_what_is_quarantined_is_loaded_after_a_correction(store: Store) -> None:
    def stumbles(_fields: object) -> Said:
        raise KeyError("a secret value")

    arrivals = [Meant("a"), Meant("b", "partner_files")]
    store.land(arrivals)
    broken = Rules(mappers={**RULES.mappers, "shop_api": stumbles}, attempts=1)
    assert load(store.database, rules=broken).quarantined == 1
    ((error,),) = store.sql("SELECT error FROM staging_events WHERE status = 'quarantined'")
    assert error == (
        "The mapper of shop_api failed (KeyError). Correct it, then run etl-assets events retry."
    )
    with store.database.transaction("putting back") as connection:
        assert retry(connection, "partner_files") == 0
        assert retry(connection) == 1
    assert store.load().loaded == 1
    assert store.rows() == fold(arrivals)
    assert store.sql("SELECT error FROM staging_events WHERE error IS NOT NULL") == []


def test_a_copy_that_is_loaded_again_is_written_as_its_mapper_says_now(store: Store) -> None:
    def corrected(fields: object) -> Said:
        return replace(RULES.mappers["shop_api"](fields), product_id="corrected")

    store.land([Meant("a"), Meant("a", happened=-5, product="old")])
    store.load()
    store.sql("UPDATE staging_events SET status = 'pending'")
    done = load(store.database, rules=Rules(mappers={"shop_api": corrected}))
    assert (done.loaded, done.superseded) == (1, 1)
    assert store.sql("SELECT product_id FROM events") == [("corrected",)]
    assert store.agrees_with_itself()


def test_what_the_database_refuses_is_found_among_the_others(store: Store) -> None:
    arrivals = [Meant(f"e{number}", product=f"p{number}") for number in range(9)]
    store.land(arrivals)
    store.sql("ALTER TABLE events ADD CHECK (product_id <> 'p4')")
    done = load(store.database, rules=replace(RULES, attempts=1))
    assert (done.loaded, done.quarantined) == (8, 1)
    assert store.rows() == fold(one for one in arrivals if one.product != "p4")
    ((error,),) = store.sql("SELECT error FROM staging_events WHERE status = 'quarantined'")
    assert "SQLSTATE 23514" in error


WINNER = Meant("x", happened=A_DAY, product="new", received=A_DAY)
LOSER = Meant("x", happened=5, product="old", received=9)


@pytest.mark.parametrize("before", [[], [Meant("x", happened=1, product="oldest", received=2)]])
@pytest.mark.parametrize(("first", "second"), [(WINNER, LOSER), (LOSER, WINNER)])
def test_two_loaders_with_the_same_id_wait_for_each_other_and_the_right_copy_stays(
    store: Store, first: Meant, second: Meant, before: list[Meant]
) -> None:
    store.land(before)
    store.load()
    store.land([first])
    results: list[LoadedEvents] = []
    other = threading.Thread(target=lambda: results.append(store.load()))
    with store.database.transaction("loading first") as connection:
        events, _ = loader._transformed(loader._take(connection, 10), RULES)
        with store.database.transaction("making partitions") as apart:
            loader.ensure_partitions(apart, {event.event_date for event in events})
        merged = loader._merged(connection, events)
        store.land([second])
        other.start()
        store.await_waiting()
        loader.settle(connection, merged, merged.verdicts.keys())
    other.join(30)
    assert [one.taken for one in results] == [1]
    assert store.rows() == fold([*before, first, second])
    assert store.agrees_with_itself()
    assert store.statuses() == {"loaded": 1, "superseded": 1 + len(before)}


def test_loaders_share_the_queue_and_skip_what_another_one_has(store: Store) -> None:
    store.land([Meant(f"e{number}", product=f"{number}") for number in range(4)])
    with store.database.transaction("taking") as connection:
        assert len(loader._take(connection, 3)) == 3
        assert store.load().taken == 1
    assert store.load().taken == 3


def test_a_loader_whose_connection_is_ended_changes_nothing_and_can_go_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrivals = [Meant(f"e{number}", product=f"{number}") for number in range(5)]
    store.land(arrivals)
    settle = loader.settle

    def ended(connection: psycopg.Connection, *rest: object) -> None:
        store.sql(f"SELECT pg_terminate_backend({connection.info.backend_pid})")
        settle(connection, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loader, "settle", ended)
    with pytest.raises(SourceUnavailable):
        store.load()
    assert (store.rows(), store.statuses()) == ([], {"pending": 5})
    monkeypatch.undo()
    assert store.load().loaded == 5
    assert store.rows() == fold(arrivals)


def test_the_rows_that_changed_can_be_read_by_their_moment(store: Store) -> None:
    store.land([Meant("a", received=1), Meant("b", received=1)])
    store.load()
    ((before,),) = store.sql("SELECT max(updated_at) FROM events")
    store.land([Meant("a", happened=60, product="new", received=61)])
    store.load()
    changed = store.sql(f"SELECT event_id FROM events WHERE updated_at > '{before}'")
    assert changed == [("a",)]
    assert before > ZERO + timedelta(days=1)
