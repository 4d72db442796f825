"""What waits for what: parts of derived tables, and the parts of inputs that they wait for."""

from collections.abc import Mapping
from datetime import date

from etl_assets.core.table import LayerTable
from etl_assets.core.waiting import waiting
from etl_assets.table_modules import tables_from

DAYS = [date(2024, 1, day) for day in (1, 2, 3)]
TABLES: Mapping[str, LayerTable] = tables_from()


def test_a_refused_day_keeps_the_day_that_is_made_of_it_waiting_down_to_the_last_table() -> None:
    published = {"raw/orders": DAYS, "staged/orders": DAYS}
    found = waiting(TABLES, published, {"raw/orders": {DAYS[1]: "refused by value_rules"}}, {})
    first = next(one for one in found if one.table == "staged/orders")
    assert (first.input, list(first.days)) == ("raw/orders", [DAYS[1]])
    assert first.because == "refused by value_rules"
    further = [one for one in found if one.input == "staged/orders"]
    assert further
    assert all(one.because == "waits for raw/orders" for one in further)


def test_a_late_day_does_not_wait_itself_but_what_is_made_of_it_does() -> None:
    published = {"raw/orders": DAYS, "staged/orders": DAYS}
    late = {"staged/orders": {DAYS[0]: "it is late: made before raw/orders 2024-01-01"}}
    found = waiting(TABLES, published, {}, late)
    assert not [one for one in found if one.table == "staged/orders"]
    assert [one for one in found if one.input == "staged/orders" and DAYS[0] in one.waits_for]


def test_where_all_is_as_it_should_be_nothing_waits_for_a_day() -> None:
    published = dict.fromkeys(TABLES, DAYS)
    assert waiting(TABLES, published, {}, {}) == []


def test_a_table_of_nothing_that_is_there_waits_for_nothing() -> None:
    assert waiting(TABLES, {}, {}, {}) == []


def test_a_table_whose_other_input_was_never_loaded_says_which() -> None:
    found = waiting(TABLES, {"raw/orders": DAYS, "staged/orders": DAYS}, {}, {})
    never = [one for one in found if one.because == "it is not published"]
    assert never
    assert all(not one.days for one in never)
    assert all(one.input not in ("raw/orders", "staged/orders") for one in never)
