"""A1, A2: whatever pages, faults, copies and versions an API gives, the rows are those of a fold.

The fold is written apart: a dictionary by key, in plain Python.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_assets.core.http_specs import CursorPages, LinkHeader, NextUrl, Offsets, PageNumbers
from etl_assets_tests.http_api.server import Answers, Asked, Reply, said, serve
from etl_assets_tests.http_api.things import DAY, NEXT, SOURCE, open_things, row, thing

EXAMPLES = int(os.environ.get("HTTP_EXAMPLES", "10"))
FAULTS = [
    said({}, 503),
    said({}, 429, Retry_After="0"),
    Reply(b'{"items": [', cut=3),
    Reply(drops=True),
    said({"error": "busy"}),
    Reply(b"<html>"),
]
PAGINATIONS = {
    "cursor": CursorPages(),
    "page": PageNumbers(),
    "offset": Offsets(),
    "link": LinkHeader(),
    "next": NextUrl(),
}


@dataclass
class Shifting:
    """An API of a list that is served in pages, with faults and, by cursor, one that expires.

    Each request may fail once or twice before it is answered.
    """

    items: Sequence[Mapping[str, Any]]
    size: int
    kind: str
    chance: Random
    expires: bool
    failing: dict[str, int] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Reply:
        known = str(sorted(asked.params.items()))
        left = self.failing.setdefault(known, self.chance.choice([0, 0, 0, 1, 2]))
        if left:
            self.failing[known] -= 1
            return self.chance.choice(FAULTS)
        name = {"page": "page", "offset": "offset", "cursor": "cursor"}.get(self.kind, "after")
        told = int(asked.params.get(name, 1 if self.kind == "page" else 0))
        start = (told - 1) * self.size if self.kind == "page" else told
        if self.expires and self.kind == "cursor" and start >= len(self.items) // 2 and start:
            self.expires = False
            return said({}, 410)
        more = start + self.size if start + self.size < len(self.items) else None
        body: dict[str, Any] = {"items": list(self.items[start : start + self.size])}
        if self.kind == "cursor":
            body["next_cursor"] = more
        if self.kind == "next" and more is not None:
            body["next"] = f"/things?after={more}"
        link = {"Link": f'</things?after={more}>; rel="next"'} if more is not None else {}
        return said(body, **(link if self.kind == "link" else {}))


def fold(items: Sequence[Mapping[str, Any]]) -> tuple[dict[Any, list[Any]], int]:
    """The rows of each day, and how many items are set aside: bad ones, and equal newest ones."""
    bad: list[Any] = []
    by_key: dict[int, list[Mapping[str, Any]]] = {}
    for item in items:
        if isinstance(item["amount"], str):
            bad += [item] if item not in bad else []
            continue
        versions = by_key.setdefault(item["id"], [])
        if item not in versions:
            versions.append(item)
    days: dict[Any, list[Any]] = {DAY: [], NEXT: []}
    aside = len(bad)
    for versions in by_key.values():
        top = max(one["version"] for one in versions)
        newest = [one for one in versions if one["version"] == top]
        if len(newest) > 1:
            aside += len(newest)
            continue
        days[DAY if newest[0]["at"].startswith(str(DAY)) else NEXT].append(row(newest[0]))
    return {day: sorted(rows, key=lambda one: one["id"]) for day, rows in days.items()}, aside


ITEM = st.builds(
    thing,
    st.integers(1, 12),
    st.sampled_from([DAY, NEXT]),
    version=st.integers(1, 3),
    name=st.sampled_from(["a", "b"]),
    amount=st.sampled_from([1.5, 1.5, 1.5, "many"]),
)


def answers_of(
    items: Sequence[Mapping[str, Any]], size: int, kind: str, seed: int, *, expires: bool
) -> Answers:
    return Shifting(items, size, kind, Random(seed), expires)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=EXAMPLES == 10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    items=st.lists(ITEM, min_size=1, max_size=24),
    shifts=st.lists(st.integers(0, 23), max_size=3),
    size=st.integers(4, 9),
    kind=st.sampled_from(sorted(PAGINATIONS)),
    seed=st.integers(0, 2**32),
    expires=st.booleans(),
)
def test_a1_a2_any_list_becomes_what_a_fold_of_it_is(
    items: list[dict[str, Any]],
    shifts: list[int],
    size: int,
    kind: str,
    seed: int,
    expires: bool,
) -> None:
    # A number in front of each page keeps two pages from being the same, which is refused.
    unique = [thing(1000 + number, amount=number) for number in range(40)]
    listed = list(items)
    for place in shifts:
        listed.insert(place % (len(listed) + 1), listed[place % len(listed)])
    served: list[dict[str, Any]] = []
    for start in range(0, len(listed), size - 1):
        served += [unique[start // (size - 1)], *listed[start : start + size - 1]]
    source = replace(SOURCE, newest="version", pagination=PAGINATIONS[kind])
    expected, aside = fold(served)
    with (
        tempfile.TemporaryDirectory() as home,
        serve(answers_of(served, size, kind, seed, expires=expires)) as api,
        open_things(api, Path(home), source=source) as things,
    ):
        with things.platform.unseen_source(things.table).open() as snapshot:
            reads = {day: snapshot.day(day) for day in (DAY, NEXT)}
            counts = {day: read.evidence().row_count or 0 for day, read in reads.items()}
            repeated = snapshot.day(DAY).evidence().repeated
        assert repeated is not None
        tied = set(repeated["id"])
        rows = {day: [r for r in things.read(day) if r["id"] not in tied] for day in (DAY, NEXT)}
    assert rows == expected
    assert sum(counts.values()) == aside + sum(map(len, expected.values()))


@pytest.mark.parametrize("kind", sorted(PAGINATIONS))
def test_each_pagination_is_read_through_all_faults(tmp_path: Path, kind: str) -> None:
    items = [thing(number) for number in range(1, 9)]
    source = replace(SOURCE, pagination=PAGINATIONS[kind])
    with (
        serve(answers_of(items, 3, kind, 7, expires=True)) as api,
        open_things(api, tmp_path, source=source) as things,
    ):
        assert things.read() == [row(item) for item in items]
