"""A2: which copy stays is a rule: the same for any order and any batches. Pure."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from etl_assets.events.choose import chosen, rank_of
from etl_assets.events.vocabulary import Copy, Event, EventType, Quality, Said

ZERO = datetime(2024, 3, 1, tzinfo=UTC)


def event(
    event_id: str = "a",
    happened: int | None = 0,
    sequence: int | None = None,
    received: int = 0,
    digest: bytes = b"d",
    source: str = "shop_api",
    spelling: str = "",
) -> Event:
    at = None if happened is None else ZERO + timedelta(seconds=happened)
    copy = Copy(1, source, spelling or event_id, b"", digest, ZERO + timedelta(seconds=received))
    said = Said(EventType.PAGE_VIEW, at, sequence)
    return Event(event_id, said, date(2024, 3, 1), False, copy, Quality.VALID, ())


def test_the_order_is_moment_sequence_receipt_digest_source_and_spelling() -> None:
    best_first = [
        event(happened=2),
        event(happened=1, sequence=2, received=9),
        event(happened=1, sequence=-5),
        event(happened=1, received=1, digest=b"z"),
        event(happened=1, received=2, digest=b"a", source="partner_files"),
        event(happened=1, received=2, digest=b"a", source="shop_api", spelling="A"),
        event(happened=1, received=2, digest=b"a", source="shop_api", spelling="a"),
        event(happened=1, received=2, digest=b"b"),
        event(happened=None, sequence=9),
        event(happened=None),
    ]
    ranks = [rank_of(one) for one in best_first]
    assert all(worse < better for better, worse in pairwise(ranks))
    assert not any(better < worse for better, worse in pairwise(ranks))


def test_of_exact_copies_the_earliest_received_stays() -> None:
    early, late = event(received=1), event(received=2)
    assert chosen([late, early]) == chosen([early, late]) == {"a": early}


EVENTS = st.builds(
    event,
    event_id=st.sampled_from("ab"),
    happened=st.sampled_from([None, 0]),
    sequence=st.sampled_from([None, 0]),
    received=st.integers(0, 1),
    digest=st.just(b"d") | st.just(b"e"),
    source=st.sampled_from(["shop_api", "partner_files"]),
)


@given(
    events=st.lists(EVENTS, min_size=4, max_size=8),
    order=st.randoms(use_true_random=False),
    cut=st.integers(0, 8),
)
def test_what_stays_depends_on_neither_order_nor_batches(
    events: list[Event], order: object, cut: int
) -> None:
    at_once = {key: rank_of(one) for key, one in chosen(events).items()}
    shuffled = list(events)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    first = chosen(shuffled[:cut]).values()
    in_batches = chosen([*chosen(shuffled[cut:]).values(), *first])
    assert {key: rank_of(one) for key, one in in_batches.items()} == at_once
