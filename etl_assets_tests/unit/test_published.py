"""Which days a day's row count is compared with."""

from datetime import date

from etl_assets.pipeline.days import Published

FIRST, SECOND, THIRD, FOURTH = (date(2024, 1, day) for day in (1, 2, 3, 4))


def test_earlier_days_are_the_newest_ones_before_and_empty_ones_say_nothing() -> None:
    published = Published({FIRST: 10, SECOND: 0, THIRD: 30, FOURTH: 40})
    assert published.earlier(FOURTH, 1) == [30]
    assert published.earlier(FOURTH, 7) == [30, 10]
    assert published.earlier(FIRST, 7) == []


def test_days_of_the_same_load_are_earlier_days_but_not_published_ones() -> None:
    loading = Published({FIRST: 10}).with_days({FIRST: 11, SECOND: 20})
    assert loading.earlier(THIRD, 7) == [20, 11]
    assert loading.rows == {FIRST: 10}
