"""Whose an anonymous id is: the same for any order of arrival, by hand as well, and undoable."""

import json
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_assets.cli.main import main
from etl_assets.core.errors import ConfigError
from etl_assets.events.landing import Arrival, land
from etl_assets.events.linking import link_events, lock_links
from etl_assets.events.links import link, relink, unlink
from etl_assets.events.load import load, load_all
from etl_assets_tests.amounts import cases
from etl_assets_tests.events.store import RULES, Store

ZERO = datetime(2024, 3, 1, tzinfo=UTC)
HOURS = 60  # over two midnights
RECEIVED = ZERO + timedelta(days=9)
Linked = dict[str, str | None]


@dataclass(frozen=True)
class Seen:
    """A copy of an event, `at` in hours from ZERO; the copy with the highest `sequence` stays."""

    event_id: str
    device: str | None
    user: str | None
    at: int
    sequence: int = 0
    is_invalid: bool = False

    @property
    def arrival(self) -> Arrival:
        said = {
            "type": "purchase",
            "occurred_at": moment(self.at).isoformat(),
            "sequence": self.sequence,
            "user_id": self.user,
            "anonymous_id": self.device,
            "order_id": "o",
            "price": "-1" if self.is_invalid else "1",
            "currency": "EUR",
        }
        return Arrival("shop_api", self.event_id, json.dumps(said).encode(), RECEIVED)


@dataclass(frozen=True)
class ByHand:
    """A link by hand, in hours; of those in a list the later one was made later."""

    device: str
    user: str
    since: int | None = None
    until: int | None = None


def moment(hours: int) -> datetime:
    return ZERO + timedelta(hours=hours)


def arrive(store: Store, seen: Sequence[Seen], limit: int = 5_000) -> None:
    with store.database.transaction("landing events") as connection:
        land(connection, [one.arrival for one in seen])
    load_all(store.database, RULES, limit)


def linked(store: Store) -> Linked:
    return dict(store.sql("SELECT event_id, linked_user_id FROM events"))


def make(store: Store, one: ByHand) -> int:
    since, until = (None if at is None else moment(at) for at in (one.since, one.until))
    return link(store.database, one.device, one.user, since, until)


def meant(seen: Sequence[Seen], by_hand: Sequence[ByHand] = ()) -> Linked:
    """Event by event: the links by hand, the next name, the last name. Written apart."""
    stays: dict[str, Seen] = {}
    for one in seen:
        before = stays.get(one.event_id)
        if before is None or (one.at, one.sequence) > (before.at, before.sequence):
            stays[one.event_id] = one
    found: Linked = {}
    for one in stays.values():
        found[one.event_id] = None
        if one.user is not None or one.device is None:
            continue
        hands = [
            hand.user
            for hand in by_hand
            if hand.device == one.device
            and (hand.since is None or hand.since <= one.at)
            and (hand.until is None or one.at < hand.until)
        ]
        names = [
            (other.at, other.user)
            for other in stays.values()
            if other.device == one.device and other.user is not None and not other.is_invalid
        ]
        after = [name for name in names if name[0] > one.at]
        if hands:
            found[one.event_id] = hands[-1]
        elif after:
            found[one.event_id] = min(after)[1]
        elif names:
            last = max(at for at, _ in names)
            found[one.event_id] = min(user for at, user in names if at == last)
    return found


def test_a_device_that_becomes_known_is_the_users_before_and_after(store: Store) -> None:
    arrive(store, [Seen("before", "x", None, 0), Seen("other", "y", None, 0)])
    assert linked(store) == {"before": None, "other": None}
    arrive(store, [Seen("login", "x", "7", 5), Seen("after", "x", None, 50)])
    assert linked(store) == {"before": "7", "other": None, "login": None, "after": "7"}


def test_a_shared_device_is_the_next_users_from_the_last_moment_of_the_one_before(
    store: Store,
) -> None:
    named = [Seen("a1", "x", "a", 10), Seen("a2", "x", "a", 20), Seen("b1", "x", "b", 30)]
    hours = (9, 10, 19, 20, 29, 30, 59)
    arrive(store, [*named, *(Seen(f"at{at}", "x", None, at) for at in hours)])
    found = linked(store)
    assert [found[f"at{at}"] for at in hours] == ["a", "a", "a", "b", "b", "b", "b"]


def test_a_correction_that_names_nobody_any_more_undoes_the_link(store: Store) -> None:
    arrive(store, [Seen("page", "x", None, 0), Seen("login", "x", "7", 5)])
    arrive(store, [Seen("login", "x", None, 5, sequence=1)])
    assert linked(store) == {"page": None, "login": None}


def test_a_correction_that_names_no_device_has_no_link(store: Store) -> None:
    seen = [Seen("page", "x", None, 0), Seen("login", "x", "a", 1)]
    arrive(store, seen)
    assert linked(store) == {"page": "a", "login": None}
    correction = Seen("page", None, None, 0, sequence=1)
    arrive(store, [correction])
    assert linked(store) == meant([*seen, correction]) == {"page": None, "login": None}


def test_a_correction_that_names_another_device_undoes_the_link_of_the_first(store: Store) -> None:
    arrive(store, [Seen("page", "x", None, 0), Seen("login", "x", "7", 5)])
    arrive(store, [Seen("login", "y", "7", 5, sequence=1)])
    assert linked(store) == {"page": None, "login": None}


def test_a_loader_waits_for_who_changes_the_links_of_its_devices(store: Store) -> None:
    with ThreadPoolExecutor(1) as pool:
        with store.database.transaction("linking") as connection:
            lock_links(connection, ["x"])
            connection.execute(
                "INSERT INTO user_links (anonymous_id, user_id, known_at, created_at, updated_at) "
                "VALUES ('x', '7', now(), now(), now())"
            )
            assert link_events(connection, ["x"]) == 0
            loading = pool.submit(arrive, store, [Seen("page", "x", None, 0)])
            store.await_waiting()
        loading.result()
    assert linked(store) == {"page": "7"}


DEVICES, USERS = st.sampled_from(["x", "y"]), st.sampled_from(["a", "b", "B"])
SEEN = st.builds(
    Seen,
    st.sampled_from([f"e{n}" for n in range(12)]),
    st.one_of(DEVICES, DEVICES, st.none()),
    st.one_of(USERS, st.none()),
    st.sampled_from([*range(0, 12, 2), 24, 25, 48]),
    st.integers(0, 3),
    st.sampled_from([False, False, True]),
)
UNIQUE = st.lists(SEEN, max_size=16, unique_by=lambda one: (one.event_id, one.at, one.sequence))
BOUND = st.one_of(st.none(), st.sampled_from([0, 2, 5, 24]))
HANDS = st.lists(
    st.builds(ByHand, DEVICES, USERS, BOUND, BOUND).filter(
        lambda one: one.since is None or one.until is None or one.since < one.until
    ),
    max_size=3,
)


@pytest.mark.random
@settings(
    max_examples=cases(30, 100),
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seen=UNIQUE, hands=HANDS, limit=st.integers(1, 6), seed=st.integers(0, 99))
def test_any_order_any_batches_and_any_moment_of_a_link_give_the_same(
    store: Store, seen: list[Seen], hands: list[ByHand], limit: int, seed: int
) -> None:
    store.clear()
    rng = random.Random(seed)
    shuffled = rng.sample(seen, len(seen))
    cuts = sorted(rng.randrange(len(seen) + 1) for _ in hands)
    for hand, begin, end in zip(hands, [0, *cuts], cuts, strict=False):
        arrive(store, shuffled[begin:end], limit)
        make(store, hand)
    arrive(store, shuffled[cuts[-1] if cuts else 0 :], limit)

    assert linked(store) == meant(seen, hands)
    assert relink(store.database) == 0  # nothing is left to do

    for device in ("x", "y"):
        unlink(store.database, device)
    assert linked(store) == meant(seen)


def test_loaders_that_run_at_once_leave_no_link_out(store: Store) -> None:
    rng = random.Random(10)
    seen = [
        Seen(f"e{n}", rng.choice("xyz"), rng.choice(["a", "b", None, None]), rng.randrange(HOURS))
        for n in range(200)
    ]
    with store.database.transaction("landing events") as connection:
        land(connection, [one.arrival for one in seen])
    together = Barrier(4)

    def work(_: int) -> int:
        together.wait()
        taken = 0
        while batch := load(store.database, RULES, 5).taken:
            taken += batch
        return taken

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == len(seen)
    assert linked(store) == meant(seen)


def test_events_of_a_release_without_links_are_linked_afterwards(store: Store) -> None:
    seen = [Seen("page", "x", None, 0), Seen("login", "x", "7", 5)]
    arrive(store, seen)
    store.sql("UPDATE events SET linked_user_id = NULL")
    assert relink(store.database) == 1
    assert linked(store) == meant(seen)


def test_a_link_that_an_older_release_left_on_an_event_without_a_device_is_taken_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = [Seen(f"page{n}", None, None, n) for n in range(5)]
    arrive(store, [*seen, Seen("other", "x", None, 0), Seen("login", "x", "7", 5)])
    store.sql(
        "UPDATE events SET linked_user_id = '7', updated_at = '2024-01-01' WHERE user_id IS NULL"
    )
    monkeypatch.setattr("etl_assets.events.links._EVENTS", 2)
    assert relink(store.database) == 5
    assert linked(store) == {one.event_id: None for one in seen} | {"other": "7", "login": None}
    changed = store.sql("SELECT event_id FROM events WHERE updated_at > '2024-01-01' ORDER BY 1")
    assert changed == [("login",), *((one.event_id,) for one in seen)]
    assert relink(store.database) == 0


def test_only_events_whose_link_changes_are_changed(store: Store) -> None:
    arrive(store, [Seen(f"at{at}", "x", None, at) for at in (0, 10, 20)])
    before = dict(store.sql("SELECT event_id, updated_at FROM events"))
    assert make(store, ByHand("x", "7", since=5, until=20)) == 1
    after = dict(store.sql("SELECT event_id, updated_at FROM events"))
    assert {one for one in before if before[one] != after[one]} == {"at10"}


def test_an_interval_without_a_moment_is_refused(store: Store) -> None:
    with pytest.raises(ConfigError, match="must begin before it ends"):
        make(store, ByHand("x", "7", since=5, until=5))


def test_the_commands_link_show_and_undo(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENTS_DATABASE_URL", store.url)
    arrive(store, [Seen("page", "x", None, 0), Seen("later", "x", None, 30)])

    def run(*words: str) -> str:
        done = CliRunner().invoke(main, ["events", *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "no links by hand" in run("links")
    assert run("link", "x", "7", "--until", "2024-03-02", "--reason", "a call") == (
        "The link is made. 1 event changed. Next: etl-assets sync raw/events.\n"
    )
    assert linked(store) == {"page": "7", "later": None}
    (shown,) = json.loads(run("links", "--json"))
    assert (shown["anonymous_id"], shown["user_id"], shown["since"]) == ("x", "7", None)
    assert (shown["until"], shown["reason"]) == ("2024-03-02T00:00:00+00:00", "a call")
    assert "a call" in run("links")
    assert "no such link" in run("unlink", "x", "8")
    assert run("unlink", "x", "7").startswith("1 link undone. 1 event changed. Next: ")
    assert linked(store) == {"page": None, "later": None}
    assert json.loads(run("links", "--json"))[0]["undone_at"] is not None
    assert run("relink").startswith("0 events changed.")


def test_a_link_that_changes_nothing_names_no_sync(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTS_DATABASE_URL", store.url)
    arrive(store, [Seen("page", "x", None, 0)])

    def run(*words: str) -> str:
        return CliRunner().invoke(main, ["events", *words]).output

    assert "Next: etl-assets sync raw/events." in run("link", " x ", "7")
    assert run("link", "x", " 7") == "The link is made. 0 events changed.\n"
    assert "No event has this anonymous id yet" in run("link", "y", "7")
    assert run("unlink", "y") == "1 link undone. 0 events changed.\n"
    arrive(store, [Seen("later", "x", None, 30)])
    assert linked(store) == {"page": "7", "later": "7"}


@pytest.mark.parametrize(("ids", "name"), [((" ", "y"), "anonymous"), (("x", ""), "user")])
def test_a_blank_id_is_not_linked(
    ids: tuple[str, str], name: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTS_DATABASE_URL", store.url)
    refused = CliRunner().invoke(main, ["events", "link", *ids])
    assert refused.exit_code == 1
    assert f"The {name} id is blank" in refused.stderr
    assert store.sql("SELECT * FROM user_links") == []
