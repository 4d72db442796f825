"""Components, against a closure that is written apart."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_assets.core.identity.joining import HeldApart, Joining

RECORDS = 12
EDGE = st.tuples(st.integers(0, RECORDS - 1), st.integers(0, RECORDS - 1))
PAIR = EDGE.filter(lambda pair: pair[0] < pair[1])


def closure(edges: list[tuple[int, int]]) -> list[int]:
    """The smallest record that each can reach: by looking again until nothing changes."""
    least = list(range(RECORDS))
    while True:
        before = list(least)
        for left, right in edges:
            least[left] = least[right] = min(least[left], least[right])
        if before == least:
            return least


@settings(max_examples=1_000)
@given(st.lists(EDGE, max_size=20), st.randoms())
def test_components_are_the_closure_in_any_order_of_edges(edges, random) -> None:  # type: ignore[no-untyped-def]
    joining = Joining(RECORDS)
    assert not any(joining.follow(edges))
    shuffled = Joining(RECORDS)
    shuffled.follow(random.sample(edges, len(edges)))
    assert joining.anchors() == shuffled.anchors() == closure(edges)


@pytest.mark.thorough
@settings(max_examples=1_000)
@given(st.lists(EDGE, max_size=20), st.sets(PAIR, max_size=4))
def test_pairs_held_apart_are_apart_and_only_what_would_join_them_is_refused(
    edges: list[tuple[int, int]], apart: set[tuple[int, int]]
) -> None:
    joining = Joining(RECORDS, [HeldApart({pair: f"apart {pair}" for pair in apart})])
    refused = joining.follow(edges)
    found = joining.anchors()
    assert all(found[left] != found[right] for left, right in apart)
    followed = [edge for edge, why in zip(edges, refused, strict=True) if why is None]
    assert found == closure(followed)
    for edge, why in zip(edges, refused, strict=True):
        if why:
            with_it = closure([*followed, edge])
            broken = [pair for pair in apart if with_it[pair[0]] == with_it[pair[1]]]
            assert f"{why}" in {f"apart {pair}" for pair in broken}
