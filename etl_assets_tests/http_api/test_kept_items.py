"""Lists that forget old items (R4): what was published stays, and an item is on one day only."""

from pathlib import Path
from typing import Annotated, Any

import polars as pl
import pytest

from etl_assets.core.contracts import column
from etl_assets.core.errors import EtlError
from etl_assets.core.policies import Deletes
from etl_assets_tests.http_api.server import Reply, said, serve
from etl_assets_tests.http_api.test_items import ONE_PAGE
from etl_assets_tests.http_api.things import DAY, NEXT, Thing, Things, open_things, thing


class MarkedThing(Thing):
    gone_at: Annotated[pl.Datetime, "us", "UTC"] = column(description="Gone.", nullable=True)


KEPT: dict[str, Any] = {
    "raw": MarkedThing,
    "staged": MarkedThing,
    "deletes": Deletes.KEEP,
    "kept_column": "gone_at",
}


def marked(things: Things, day: Any) -> dict[int, bool]:
    """The day's rows by id, and whether each is marked."""
    frame = things._read(day).select("id", pl.col("gone_at").is_not_null())
    return dict(frame.iter_rows())


def test_r4_items_that_a_list_forgets_stay_and_say_so(tmp_path: Path) -> None:
    items = [thing(n) for n in (1, 2, 3)] + [thing(n, NEXT) for n in (4, 5)]
    with (
        serve(lambda _: said({"items": items})) as api,
        open_things(api, tmp_path, source=ONE_PAGE, **KEPT) as things,
    ):
        things.load(DAY, NEXT)
        assert marked(things, DAY) == dict.fromkeys((1, 2, 3), False)
        # 1 is forgotten, 2 is of the next day now, 5 is of the day before.
        items[:] = [thing(2, NEXT), thing(3, name="new"), thing(4, NEXT), thing(5)]
        loaded = things.load(DAY, NEXT)
        assert not loaded.refused
        assert marked(things, DAY) == {1: True, 3: False, 5: False}
        assert marked(things, NEXT) == {2: False, 4: False}
        assert [state.row_count for state in things.states()] == [3, 2]
        items[:] = []
        things.load(DAY, NEXT)
        assert marked(things, DAY) == dict.fromkeys((1, 3, 5), True)
        assert marked(things, NEXT) == dict.fromkeys((2, 4), True)
        items[:] = [thing(1)]
        things.load(DAY)
        assert marked(things, DAY) == {1: False, 3: True, 5: True}


def test_r4_an_item_that_moved_is_kept_where_it_was_until_its_new_day_is_loaded(
    tmp_path: Path,
) -> None:
    items = [thing(1), thing(2)]
    with (
        serve(lambda _: said({"items": items})) as api,
        open_things(api, tmp_path, source=ONE_PAGE, **KEPT) as things,
    ):
        things.load(DAY, NEXT)
        items[:] = [thing(1, NEXT), thing(2)]
        things.load(DAY)
        assert marked(things, DAY) == {1: True, 2: False}
        things.load(NEXT)
        assert marked(things, DAY) == {2: False}
        assert marked(things, NEXT) == {1: False}


def test_r4_a_list_that_breaks_off_keeps_and_marks_nothing(tmp_path: Path) -> None:
    items = [thing(1), thing(2)]
    answers = [said({"items": items}), Reply(b'{"items": [', status=200)]
    with (
        serve(lambda _: answers[0]) as api,
        open_things(api, tmp_path, source=ONE_PAGE, patience=0.2, **KEPT) as things,
    ):
        things.load(DAY)
        answers[0] = answers[1]
        with pytest.raises(EtlError):
            things.load(DAY)
        assert marked(things, DAY) == {1: False, 2: False}
