"""Any history of objects: each published day is what the bucket holds, and the ledger says so.

Objects are put, overwritten, broken and deleted, listings and publications fail, objects change
while they are read, programs are started anew, days are loaded out of turn, cursors are lost; so
for tables whose day is a part of the key, the day of arrival, or a column of the rows. What is late
is found by ticks that list one key at a time. What a day should hold is known from how its objects
were made, not by reading them.
`HISTORIES=5000 SEED=7 make simulate` runs as many histories as one likes, the soak 201, the default
run a few.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from etl_assets.core.errors import SourceUnavailable
from etl_assets.pipeline.day_check import DayCheck
from etl_assets.pipeline.objects import DayObjects
from etl_assets.sources.files import listing, row_days
from etl_assets.sources.files.objects import StoredObject
from etl_assets.sources.files.reading.results import Limits
from etl_assets.sources.files.row_reads import RowReads
from etl_assets_tests.amounts import cases
from etl_assets_tests.files.bucket_world import (
    BAD_LINES,
    DAYS,
    KINDS,
    NAMES,
    Content,
    Faulty,
    Kind,
    World,
)
from etl_assets_tests.files.shipments import in_folder, key

GIVEN = os.environ.get("HISTORIES")
HISTORIES, FEW = int(GIVEN or "67"), cases(7, 20)
"""Of each of the three kinds, in the soak and in the others."""
SEED = int(os.environ.get("SEED", "9"))
PHASES = [Phase.generate, Phase.shrink] if "SHRINK" in os.environ else [Phase.generate]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is several blocks, so that rows of one that is refused at its end have come before."""
    monkeypatch.setattr("etl_assets.sources.files.source.LIMITS", Limits(block_bytes=16))
    monkeypatch.setattr("etl_assets.sources.files.local.PAGE", 1)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What broke off is tried again at once: nobody else is there who would need the time."""
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=lambda _seconds: None))


objects = st.builds(key, st.sampled_from(DAYS), st.sampled_from(NAMES))
contents = st.builds(
    Content,
    st.lists(st.one_of(st.integers(1, 99), st.sampled_from(BAD_LINES)), max_size=7),
    st.sampled_from([False, False, False, True]),
)
faults = st.sampled_from(
    [
        "listing",
        "read",
        "change",
        "index",
        "cursor",
        "before the publication",
        "after the publication",
    ]
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), objects, contents),
        st.tuples(st.just("put"), objects, contents),
        st.tuples(st.just("delete"), objects, st.none()),
        st.tuples(st.just("turn"), objects, st.none()),
        st.tuples(st.just("lose"), objects, st.none()),
        st.tuples(st.just("arm"), faults, st.none()),
        st.tuples(st.just("load"), st.lists(st.sampled_from(DAYS), unique=True), st.none()),
        st.tuples(st.just("load"), st.just([]), st.none()),
    ),
    min_size=4,
    max_size=14,
)


Step = tuple[str, Any, Any]
KNOWN: Sequence[Sequence[Step]] = [
    [  # a cut file's rows must leave the verdict with it: of random histories the 50th has that
        ("put", key(DAYS[0], NAMES[0]), Content([1, 1, 1], is_cut=True)),
        ("load", [], None),
        ("put", key(DAYS[0], NAMES[1]), Content([], is_cut=False)),
    ],
]
"""Histories that found a mutant which few others find; they come first."""


@pytest.mark.thorough_but("arrival")
@pytest.mark.random
@pytest.mark.parametrize("kind", KINDS)
def test_after_any_history_each_day_is_what_the_bucket_holds(tmp_path: Path, kind: str) -> None:
    run_histories(tmp_path, KINDS[kind], FEW)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
def test_after_any_of_many_histories_it_is_so_too(tmp_path: Path, kind: str) -> None:
    run_histories(tmp_path, KINDS[kind], HISTORIES)


def keep_what_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DayCheck, "back_to", lambda _check, _mark: None)


def forget_the_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DayObjects, "ledger", property(lambda _: []))


def publish_a_broken_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Faulty.list

    def short(store: Faulty, *given: Any, **more: Any) -> Iterator[Sequence[StoredObject]]:
        with suppress(SourceUnavailable):
            yield from listed(store, *given, **more)

    monkeypatch.setattr(Faulty, "list", short)
    # A day that is late again at once would hide it: it must show in what a load leaves behind.
    monkeypatch.setattr("etl_assets.sources.files.listing.made_of", lambda _objects: "same")


def see_the_first_day_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = row_days.parts_of
    monkeypatch.setattr(row_days, "parts_of", lambda stored, days: {min(parts(stored, days))})


def drop_bad_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    read = RowReads._from_object

    def without(reads: RowReads, *given: Any, **more: Any) -> Any:
        return read(reads, *given, **{**more, "is_home": False})

    monkeypatch.setattr(RowReads, "_from_object", without)


def leave_the_day_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "arrival_of", lambda _stored: DAYS[0])


@pytest.mark.soak
@pytest.mark.parametrize(
    ("mutate", "kind"),
    [
        (keep_what_was_refused, "key"),
        (forget_the_objects, "key"),
        (publish_a_broken_listing, "key"),
        (leave_the_day_of_before, "arrival"),
        (publish_a_broken_listing, "rows"),
        (see_the_first_day_alone, "rows"),
        (drop_bad_lines, "rows"),
    ],
)
def test_histories_find_what_is_taken_out(
    mutate: Callable[[pytest.MonkeyPatch], None],
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    mutate(monkeypatch)
    with pytest.raises(AssertionError):
        run_histories(tmp_path, KINDS[kind], max(100, 5 * HISTORIES))


def run_histories(tmp_path: Path, kind: Kind, most: int) -> None:
    @seed(SEED)
    @settings(
        max_examples=most,
        deadline=None,
        database=None,
        phases=PHASES,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(steps)
    def history(chosen: Sequence[Step]) -> None:
        live_through(tmp_path, kind, chosen)

    for chosen in KNOWN:
        live_through(tmp_path, kind, chosen)
    history()


def live_through(tmp_path: Path, kind: Kind, history: Sequence[Step]) -> None:
    """Do all of it in a folder of its own; raises AssertionError where a day is another."""
    folder = tmp_path / uuid.uuid4().hex
    folder.mkdir()
    world = World(in_folder(folder / "drop"), folder, kind)
    for what, which, more in history:
        if what == "put":
            world.put(which, more)
        elif what == "delete":
            world.delete(which)
        elif what == "turn":
            world.turn(which)
        elif what == "lose":
            world.lose(which)
        elif what == "arm":
            world.faults.add(which)
        else:
            world.load(which)
    world.faults.clear()
    world.is_held()
    shutil.rmtree(folder)
