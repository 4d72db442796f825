"""What holds for any records and any decisions.

An example takes a twentieth of a second, because a resolution is a hundred small steps of Polars;
what decides where a cluster is cut has a thousand examples in `test_joining.py`.
"""

from datetime import timedelta
from itertools import combinations
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl_assets.core.identity.decisions import standing
from etl_assets.core.identity.golden import PRECEDENCE
from etl_assets.core.identity.keys import customer_key
from etl_assets.core.identity.resolve import Resolved, resolve
from etl_assets.core.identity.rules import RULES
from etl_assets.core.identity.schemas import DECISIONS_SCHEMA
from etl_assets_tests.amounts import cases
from etl_assets_tests.identity.made import PHONE, START, Row, decisions, frame, record, together

KEYS = [f"{system}/{n}" for system in ("shop", "crm", "billing") for n in range(6)]

RECORD: dict[str, st.SearchStrategy[Any]] = {
    "full_name": st.sampled_from(
        ["Anna Berg", "Berg, Anna", "A. Berg", "Ben Berg", "Anna Kurz", "Berg", None]
    ),
    "email": st.sampled_from(["a@x.de", "b@x.de", "info@x.de", None]),
    "phone": st.sampled_from([PHONE, "+491700000000", None]),
    "country": st.sampled_from(["DE", "AT", None]),
    "segment": st.sampled_from(["vip", "consumer", None]),
    "is_subscribed": st.sampled_from([True, False, None]),
    "shop_customer_id": st.sampled_from([1, 2, None, None]),
    "day": st.integers(0, 2),
    "updated_at": st.integers(3, 5).map(lambda day: START + timedelta(days=day)),
}


@st.composite
def records(draw: st.DrawFn) -> list[Row]:
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=2, max_size=16, unique=True))
    return [record(key, **draw(st.fixed_dictionaries(RECORD))) for key in keys]


PAIRS = st.sampled_from([f"{left} {right}" for left, right in combinations(KEYS, 2)])
SAID = st.lists(st.tuples(st.sampled_from(["merge", "unmerge"]), PAIRS).map(" ".join), max_size=6)

pytestmark = pytest.mark.random
examples = settings(max_examples=cases(25, 80), deadline=None)


def of(rows: list[Row], log: pl.DataFrame) -> Resolved:
    return resolve(frame(rows).lazy(), log.lazy())


def same(one: Resolved, other: Resolved, *, but: tuple[str, ...] = ()) -> None:
    for name in ("edges", "clusters", "golden", "provenance", "over_merged"):
        if name not in but:
            assert_frame_equal(getattr(one, name), getattr(other, name))


@pytest.mark.thorough
@examples
@given(records(), SAID, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_says_nothing(rows: list[Row], said: list[str], by: Random) -> None:
    log = decisions(*said)
    shuffled = log[by.sample(range(log.height), log.height)]
    twice = pl.concat([shuffled, log])  # a decision that was delivered twice counts once
    same(of(rows, log), of(by.sample(rows, len(rows)), twice))


@examples
@given(records(), SAID, PAIRS)
def test_a_merge_and_then_an_unmerge_is_as_if_neither_had_been_said(
    rows: list[Row], said: list[str], pair: str
) -> None:
    before, after = decisions(*said), decisions(*said, f"merge {pair}", f"unmerge {pair}")
    merged = [
        {"/".join(one.left), "/".join(one.right)}
        for one in standing(before)
        if one.decision == "merge"
    ]
    if set(pair.split()) not in merged:  # else the unmerge takes back the merge that held before
        same(of(rows, before), of(rows, after))


@pytest.mark.thorough
@examples
@given(records(), SAID, st.randoms(use_true_random=False))
def test_decisions_of_different_pairs_hold_in_any_order(
    rows: list[Row], said: list[str], by: Random
) -> None:
    of_pair: dict[frozenset[str], list[str]] = {}
    for text in said:
        of_pair.setdefault(frozenset(text.split()[1:]), []).append(text)
    turns = by.sample([pair for pair, texts in of_pair.items() for _ in texts], len(said))
    in_turns = [of_pair[pair].pop(0) for pair in turns]
    same(of(rows, decisions(*said)), of(rows, decisions(*in_turns)))


@examples
@given(records(), SAID)
def test_what_people_say_holds(rows: list[Row], said: list[str]) -> None:
    found = of(rows, decisions(*said))
    cluster = {one: part for part in together(found) for one in part}
    holds = standing(decisions(*said))
    is_unmerged = any(one.decision == "unmerge" for one in holds)
    for one in holds:
        left, right = "/".join(one.left), "/".join(one.right)
        if left in cluster and right in cluster:
            if one.decision == "unmerge":
                assert cluster[left] != cluster[right]
            elif not is_unmerged:
                assert cluster[left] == cluster[right]


@examples
@given(records(), SAID)
def test_clusters_are_what_the_edges_connect_and_refused_edges_are_between_them(
    rows: list[Row], said: list[str]
) -> None:
    found = of(rows, decisions(*said))
    parts = [{f"{row['source_system']}/{row['source_id']}"} for row in rows]
    cluster = {one: part for part in together(found) for one in part}
    is_merged = any(one.decision == "merge" for one in standing(decisions(*said)))
    for edge in found.edges.rows(named=True):
        left, right = (
            f"{edge[f'{side}_system']}/{edge[f'{side}_id']}" for side in ("left", "right")
        )
        if edge["refused_because"] is None:
            joined = [part for part in parts if {left, right} & part]
            parts = [part for part in parts if part not in joined] + [set().union(*joined)]
        elif edge["refused_because"].startswith(
            "unmerge" if is_merged else ("unmerge", "it would")
        ):
            assert cluster[left] != cluster[right]
    assert together(found) == {frozenset(part) for part in parts}


@examples
@given(records(), SAID)
def test_the_key_is_made_of_the_oldest_record_and_of_nothing_else(
    rows: list[Row], said: list[str]
) -> None:
    found = of(rows, decisions(*said))
    by_key = {f"{row['source_system']}/{row['source_id']}": row for row in rows}
    keys = {tuple(row[:2]): row[2] for row in found.clusters.iter_rows()}
    for part in together(found):
        oldest = min(
            (by_key[one]["created_at"], by_key[one]["source_system"], by_key[one]["source_id"])
            for one in part
        )
        system, source_id = oldest[1:]
        assert keys[system, source_id] == customer_key(system, source_id)
    assert found.clusters["customer_key"].n_unique() == len(together(found))


@pytest.mark.thorough
@examples
@given(records(), SAID)
def test_a_merge_joins_whole_customers(rows: list[Row], said: list[str]) -> None:
    """Without any unmerge, clusters are those of the rules, joined where people merged."""
    merges = [text for text in said if text.startswith("merge")]
    parts = [set(part) for part in together(of(rows, decisions()))]
    for text in merges:
        joined = [part for part in parts if set(text.split()[1:]) & part]
        if len(joined) == 2 and all(any(one in part for part in parts) for one in text.split()[1:]):
            parts = [part for part in parts if part not in joined] + [joined[0] | joined[1]]
    found = together(of(rows, decisions(*merges)))
    assert found == {frozenset(part) for part in parts}


@pytest.mark.thorough
@examples
@given(records())
def test_edges_grow_with_records(rows: list[Row]) -> None:
    edges = of(rows, pl.DataFrame(schema=DECISIONS_SCHEMA)).edges
    assert edges.height <= 2 * len(rows) * len(RULES)
    assert (
        edges.select("left_system", "left_id", "right_system", "right_id", "rule").is_unique().all()
    )


@examples
@given(records())
def test_a_golden_cell_is_what_a_search_through_all_values_gives(rows: list[Row]) -> None:
    found = of(rows, pl.DataFrame(schema=DECISIONS_SCHEMA))
    members: dict[int, list[Row]] = {}
    keys = {tuple(row[:2]): row[2] for row in found.clusters.iter_rows()}
    for row in rows:
        members.setdefault(keys[row["source_system"], row["source_id"]], []).append(row)
    why = {(key, column): tuple(rest) for key, column, *rest in found.provenance.iter_rows()}
    for golden in found.golden.rows(named=True):
        for column, systems in PRECEDENCE.items():
            here = [row for row in members[golden["customer_key"]] if row[column] is not None]
            expected = _search(here, [*systems])
            assert golden[column] == (expected[0][column] if expected else None)
            assert why.get((golden["customer_key"], column)) == (
                (expected[0]["source_system"], expected[0]["source_id"], expected[1])
                if expected
                else None
            )


def _search(rows: list[Row], systems: list[str]) -> tuple[Row, str] | None:
    for group in [[system] for system in systems] or [["shop", "crm", "billing"]]:
        of_group = [row for row in rows if row["source_system"] in group]
        if of_group:
            newest = max(row["updated_at"] for row in of_group)
            won = min(
                (row for row in of_group if row["updated_at"] == newest),
                key=lambda row: (row["source_system"], row["source_id"]),
            )
            if len(rows) == 1:
                return won, "only value"
            return won, "precedence" if len(of_group) == 1 else "newest"
    return None
