"""Items as rows: exact values, bad ones aside with their position, by days, each once (A2)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from pydantic import BaseModel, Field

from etl_assets.core.contracts import column
from etl_assets.core.errors import ContractMismatch, SourceError
from etl_assets.core.http_specs import CursorPages, DayWindow, NoPages
from etl_assets.core.partitions import WHOLE
from etl_assets.core.policies import Drift
from etl_assets.pipeline.days import LoadedDay
from etl_assets.pipeline.quarantine import Wanted, rows_of
from etl_assets.pipeline.quarantine_keys import WantedKey
from etl_assets.pipeline.refusals import broken, remember
from etl_assets.sources.files.reading.results import Limits
from etl_assets_tests.http_api.server import Asked, Reply, by_cursor, said, serve
from etl_assets_tests.http_api.things import (
    DAY,
    NEXT,
    SOURCE,
    SPEC,
    Thing,
    open_things,
    row,
    thing,
)

ONE_PAGE = replace(SOURCE, pagination=NoPages())


def raw(*items: str) -> Reply:
    return Reply(f'{{"items": [{", ".join(items)}]}}'.encode())


def test_numbers_are_what_was_sent_to_the_last_digit(tmp_path: Path) -> None:
    big = "123456789012345678901234567890123456.78"
    items = [
        f'{{"id": {2**63 - 1}, "at": "2024-05-17T00:00:00.000001Z", "amount": {big}}}',
        '{"id": 1, "at": "2024-05-17T02:00:00+02:00", "amount": 0.10, "name": "\\u00e9\\n\\"",\n'
        '"version": null}',
        '{"id": 2, "at": "2024-05-17T23:59:59.999999Z", "amount": null}',
    ]
    with (
        serve(lambda _: raw(*items)) as api,
        open_things(api, tmp_path, source=ONE_PAGE) as things,
    ):
        things.one()
        assert things.amounts() == {1: Decimal("0.10"), 2: None, 2**63 - 1: Decimal(big)}
        first, *_ = things.published()
        assert first["name"] == 'é\n"'
        assert first["at"].isoformat() == "2024-05-17T00:00:00+00:00"


class Checked(BaseModel):
    id: int
    name: str = Field(max_length=5)


def test_a_bad_item_is_set_aside_with_page_and_number_and_the_others_stay(tmp_path: Path) -> None:
    items = [
        *(thing(number) for number in (1, 2)),
        thing(3, amount="many"),
        thing(4),
        thing(5, name="c4n4ry-of-a-name"),
        "no object",
        thing(7, at="yesterday"),
        thing(8, amount=1.005),
        thing(9),
    ]
    source = replace(SOURCE, item=Checked)
    with (
        serve(by_cursor(items, 2)) as api,
        open_things(api, tmp_path, source=source) as things,
    ):
        loaded = things.one()
        assert (loaded.rows, loaded.quarantined, loaded.source_count) == (4, 5, 9)
        assert [found["id"] for found in things.published()] == [1, 2, 4, 9]
        at = f"http:{api.url}/things"
        assert [(rule, position) for rule, position, _ in things.quarantined()] == [
            (
                "amount: has a JSON text, and the column is Decimal(precision=38, scale=2)",
                f"{at} page 2 item 1",
            ),
            ("amount: is no Decimal(precision=38, scale=2) exactly", f"{at} page 4 item 2"),
            (
                "at: is no Datetime(time_unit='us', time_zone='UTC') by ISO 8601",
                f"{at} page 4 item 1",
            ),
            ("item: is refused by Checked (model_type)", f"{at} page 3 item 2"),
            ("name: is refused by Checked (string_too_long)", f"{at} page 3 item 1"),
        ]
        payloads = {position: payload for _, position, payload in things.quarantined()}
        assert payloads[f"{at} page 3 item 2"] == '"no object"'
        assert '"many"' in payloads[f"{at} page 2 item 1"]
        assert "c4n4ry" not in loaded.query
        # The place does not say the key, the item does.
        wanted = Wanted(key=WantedKey.typed("id=3"))
        ((found,), number) = rows_of(things.platform.warehouse.seen, things.table, wanted, 9)
        assert (found.position, number) == (f"{at} page 2 item 1", 1)


def test_the_whole_list_is_read_once_and_divided_into_days(tmp_path: Path) -> None:
    items = [thing(number, DAY if number % 3 else NEXT) for number in range(1, 10)]
    items += [thing(20, NEXT, amount="many"), thing(21, at=None)]
    with serve(by_cursor(items, 4)) as api, open_things(api, tmp_path) as things:
        days = {n: DAY if n % 3 else NEXT for n in range(1, 10)}
        assert things.read(DAY, NEXT) == [row(thing(n, day)) for n, day in days.items()]
        assert len(api.asked) == 3
        # A bad item is of the day that it says, and else of the day that most rows are of.
        assert (things.aside, things.counts) == ({DAY: 1, NEXT: 1}, {DAY: 7, NEXT: 4})


def test_a_list_none_of_whose_items_has_a_day_is_no_empty_day(tmp_path: Path) -> None:
    with (
        serve(by_cursor([thing(1, at=None), thing(2, at="x")], 4)) as api,
        open_things(api, tmp_path) as things,
        pytest.raises(SourceError, match="None of the 2 items of raw/things has a day"),
    ):
        things.read()


def test_a_day_is_asked_for_by_itself_where_the_api_has_a_window(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        begin, end = asked.params["since"], asked.params["until"]
        items = [thing(n, day) for n, day in ((1, DAY), (2, DAY), (3, NEXT))]
        return said({"items": [one for one in items if begin <= one["at"] < end]})

    source = replace(ONE_PAGE, window=DayWindow())
    with serve(answer) as api, open_things(api, tmp_path, source=source) as things:
        assert things.read(NEXT) == [row(thing(3, NEXT))]
        assert things.read(DAY) == [row(thing(1)), row(thing(2))]
        assert things.evidence is not None
        assert things.evidence.query == (
            f"GET {api.url}/things?since=2024-05-17T00%3A00%3A00Z&until=2024-05-18T00%3A00%3A00Z: "
            "1 page, 2 items"
        )
    assert [dict(asked.params) for asked in api.asked] == [
        {"since": "2024-05-18T00:00:00Z", "until": "2024-05-19T00:00:00Z"},
        {"since": "2024-05-17T00:00:00Z", "until": "2024-05-18T00:00:00Z"},
    ]


def test_an_item_of_another_day_than_was_asked_for_is_set_aside_not_lost(tmp_path: Path) -> None:
    source = replace(ONE_PAGE, window=DayWindow("on", "to", "%Y-%m-%d", inclusive=True))
    items = [thing(1), thing(2, NEXT)]
    with (
        serve(lambda _: said({"items": items})) as api,
        open_things(api, tmp_path, source=source) as things,
    ):
        assert things.one().quarantined == 1
        assert things.published() == [row(thing(1))]
        ((rule, _, payload),) = things.quarantined()
        assert rule == "at: in_partition"
        assert '"id":2' in payload.replace(" ", "")
    assert dict(api.asked[0].params) == {"on": "2024-05-17", "to": "2024-05-17"}


def test_an_overlap_leaves_out_what_other_days_have(tmp_path: Path) -> None:
    source = replace(ONE_PAGE, window=DayWindow(overlap=timedelta(hours=2)))
    items = [thing(1), thing(2, NEXT), thing(3, NEXT, amount="x"), thing(4, amount="x")]
    with (
        serve(lambda _: said({"items": items})) as api,
        open_things(api, tmp_path, source=source) as things,
    ):
        assert things.read() == [row(thing(1))]
        assert things.evidence is not None
        assert things.evidence.row_count == 2
        assert things.evidence.query.endswith("4 items, 2 of other days left out")
    assert api.asked[0].params["since"] == "2024-05-16T22:00:00Z"
    assert api.asked[0].params["until"] == "2024-05-18T02:00:00Z"


def test_a_table_without_days_is_read_whole(tmp_path: Path) -> None:
    items = [thing(1), thing(2, NEXT), thing(3, name=7)]
    with (
        serve(by_cursor(items, 2)) as api,
        open_things(api, tmp_path, partition_column=None) as things,
    ):
        assert [found["id"] for found in things.read(WHOLE)] == [1, 2]
        assert (things.aside, things.counts) == ({WHOLE: 1}, {WHOLE: 3})


def test_a2_exact_copies_across_shifting_pages_count_once(tmp_path: Path) -> None:
    """Each page begins with the last item of the one before, as when one was put in front."""
    items = [thing(number) for number in range(1, 9)]
    shifted = [*items[:3], items[2], *items[3:5], items[4], *items[5:]]
    with serve(by_cursor(shifted, 3)) as api, open_things(api, tmp_path) as things:
        assert things.read() == [row(item) for item in items]
        assert (things.aside, things.counts) == ({DAY: 0}, {DAY: 8})
        assert things.evidence is not None
        assert things.evidence.query.endswith("4 pages, 10 items, 2 exact copies left out")


def test_a2_of_the_versions_of_a_key_the_newest_stays_in_any_order(tmp_path: Path) -> None:
    old, new = thing(1, name="old"), thing(1, name="new", version=2)
    without = thing(1, name="none", version=None)
    source = replace(SOURCE, newest="version")
    for order in ([old, new, without], [new, without, old], [without, old, new, new]):
        with (
            serve(by_cursor([*order, thing(2)], 1)) as api,
            open_things(api, tmp_path, source=replace(source, pagination=CursorPages())) as things,
        ):
            if len(order) == 4:  # a page that comes twice is no list: see test_answers
                api.answers = by_cursor([*order, thing(2)], 2)
            assert things.read() == [row(new), row(thing(2))]
            assert things.evidence is not None
            assert things.evidence.row_count == 2
            assert "2 older versions of a key left out" in things.evidence.query


@pytest.mark.parametrize("newest", [None, "version"])
def test_a2_versions_that_cannot_be_told_apart_are_all_set_aside(
    tmp_path: Path, newest: str | None
) -> None:
    items = [thing(1, name="a"), thing(2), thing(1, name="b"), thing(1, name="a")]
    with (
        serve(by_cursor(items, 3)) as api,
        open_things(api, tmp_path, source=replace(SOURCE, newest=newest)) as things,
    ):
        loaded = things.one()
        assert things.published() == [row(thing(2))]
        assert (loaded.source_count, loaded.quarantined) == (3, 2)
        assert {rule for rule, _, _ in things.quarantined()} == {"unique_key"}


@pytest.mark.parametrize(
    ("newest", "hint"),
    [
        (None, "several versions of an item: newest= of the spec's HttpApi names"),
        ("version", "several versions of an item have the same version, which newest="),
    ],
)
def test_a2_a_day_that_is_refused_for_versions_names_newest_and_is_on_record(
    tmp_path: Path, newest: str | None, hint: str
) -> None:
    items = [thing(1, name="a"), thing(2), thing(1, name="b")]
    strict = replace(SPEC.thresholds, max_bad_share=0.0)
    source = replace(SOURCE, newest=newest)
    with (
        serve(by_cursor(items, 3)) as api,
        open_things(api, tmp_path, source=source, thresholds=strict) as things,
    ):
        (refused,) = things.load(DAY).refused
        assert isinstance(refused, LoadedDay)
        assert hint in broken(refused)
        warehouse = things.platform.warehouse
        remember(warehouse, things.table, [refused], "run-1")
        state = warehouse.table_state(things.table)
        assert state is not None
        assert state.reload_reasons[DAY].startswith("refused by value_rules (unique_key: 2 rows")
        assert warehouse.state(things.table) == []
        api.answers = by_cursor([thing(1), thing(2)], 3)
        things.one()
        state = warehouse.table_state(things.table)
        assert (state and state.reload_reasons) == {}
        remember(warehouse, things.table, [refused], "run-1")
        state = warehouse.table_state(things.table)
        assert (state and state.reload_reasons) == {}, "a newer snapshot of it is published"


def test_a2_a_list_that_began_again_has_each_item_once(tmp_path: Path) -> None:
    items = [thing(1), thing(2, amount="x"), thing(3), thing(4)]
    state = {"is_gone": True}

    def answer(asked: Asked) -> Reply:
        if asked.params.get("cursor") == "c2" and state.pop("is_gone", False):
            return said({}, 410)
        return by_cursor(items, 2)(asked)

    with serve(answer) as api, open_things(api, tmp_path) as things:
        assert [found["id"] for found in things.read()] == [1, 3, 4]
        assert (things.aside, things.counts) == ({DAY: 1}, {DAY: 4})
        assert things.evidence is not None
        assert things.evidence.query.endswith("begun again because a cursor had expired")


def test_names_that_the_contract_does_not_have_are_told_or_refused(tmp_path: Path) -> None:
    items = [thing(1, colour="red")]
    with serve(by_cursor(items, 2)) as api:
        with open_things(api, tmp_path) as things:
            assert len(things.read()) == 1
            assert things.drift is not None
            assert things.drift.added == [("colour", "of items")]
        with (
            open_things(api, tmp_path, drift=Drift.FREEZE) as things,
            pytest.raises(ContractMismatch, match=r"Items of raw/things .*\(colour\)"),
        ):
            things.read()


class Roomy(Thing):
    more: pl.String = column(description="The rest.", nullable=True, logical="json")

    class Config:
        unique = ("id",)


def test_names_that_the_contract_does_not_have_are_kept_where_it_has_room(tmp_path: Path) -> None:
    items = [thing(1, colour="red", size={"x": 1.10}), thing(2)]
    changes = {"raw": Roomy, "staged": Roomy, "drift": Drift.EVOLVE, "overflow_column": "more"}
    with (
        serve(by_cursor(items, 2)) as api,
        open_things(api, tmp_path, **changes) as things,
        things.platform.unseen_source(things.table).open() as snapshot,
    ):
        (frame,) = snapshot.day(DAY).batches()
    assert isinstance(frame, pl.DataFrame)
    assert frame["more"].to_list() == ['{"colour":"red","size":{"x": 1.1}}', None]


def test_more_rows_than_a_block_and_a_file_hold_are_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks and files are small here, so that a list takes several of both."""
    monkeypatch.setattr("etl_assets.sources.http.source.LIMITS", Limits(block_bytes=300))
    monkeypatch.setattr("etl_assets.sources.files.row_reads.CHUNK_ROWS", 3)
    items = [thing(n % 20, DAY if n % 2 else NEXT, version=n) for n in range(30)]
    source = replace(SOURCE, newest="version")
    with (
        serve(by_cursor(items, 7)) as api,
        open_things(api, tmp_path, source=source) as things,
    ):
        newest = [items[n + 20 if n < 10 else n] for n in range(20)]
        assert things.read(DAY, NEXT) == [row(one) for one in newest]
        assert things.counts == {DAY: 10, NEXT: 10}
