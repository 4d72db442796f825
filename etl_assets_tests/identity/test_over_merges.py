"""Clusters that may be several customers are reported, and cut where that is wanted."""

import polars as pl
import pytest

from etl_assets.core.identity.over_merges import Checks, Reason
from etl_assets.core.identity.resolve import Options
from etl_assets_tests.identity.made import PHONE, Row, groups, record, refusals, resolved, together

CHAIN = [
    record("shop/1", "Anna Berg", email="a@x.de", country="DE"),
    record("crm/bridge", None, email="a@x.de", shop_customer_id=2, day=1),
    record("billing/2", "Ben Kurz", shop_customer_id=2, country="AT", day=2),
]
"""Anna and Ben, whom a record without a name connects: no single edge is wrong."""


def held(*reasons: Reason, **limits: int) -> Options:
    return Options(checks=Checks(held_apart=frozenset(reasons), **limits))


def reports(rows: list[Row], options: Options | None = None) -> list[tuple[object, ...]]:
    found = resolved(*rows, options=options)
    return found.over_merged.select("reason", "detail", "records", "is_held_apart").rows()


def test_different_names_in_a_chain_are_reported_and_held_apart() -> None:
    detail = "shop/1 and billing/2: names differ"
    assert reports(CHAIN) == [("names differ", detail, 3, True)]
    found = resolved(*CHAIN)
    # The number of the shop is stronger evidence than the address.
    assert together(found) == groups("shop/1", "crm/bridge billing/2")
    assert refusals(found) == {("email", "it would join records whose names differ")}


def test_held_or_not_is_a_choice_and_the_report_is_the_same() -> None:
    found = resolved(*CHAIN, options=held())
    assert together(found) == groups("shop/1 crm/bridge billing/2")
    assert found.over_merged["is_held_apart"].to_list() == [False]
    assert found.over_merged["customer_key"].to_list() == [found.clusters["customer_key"][0]]


@pytest.mark.parametrize(("country", "reported"), [("AT", 1), ("DE", 0), (None, 0)])
def test_another_family_name_counts_with_another_country(
    country: str | None, reported: int
) -> None:
    rows = [
        *CHAIN[:2],
        record("billing/2", "Anna Kurz", shop_customer_id=2, country=country, day=2),
    ]
    assert len(reports(rows)) == reported


def test_several_shop_customers_are_reported_and_held_if_wanted() -> None:
    rows = [
        record("shop/1", "Anna Berg", phone=PHONE, shop_customer_id=1),
        record("shop/2", "Anna Berg", phone=PHONE, shop_customer_id=2, day=1),
        record("crm/c", "Anna Berg", shop_customer_id=2, day=2),
    ]
    report = ("several shop customers", "shop customers 1, 2", 3)
    assert reports(rows) == [(*report, False)]
    assert reports(rows, held(most_shop_customers=2)) == []
    assert reports(rows, held(Reason.SHOP_CUSTOMERS)) == [(*report, True)]
    found = resolved(*rows, options=held(Reason.SHOP_CUSTOMERS))
    assert together(found) == groups("shop/1", "shop/2 crm/c")
    by_hand = resolved(*rows, said=["merge shop/1 shop/2"])
    assert by_hand.over_merged.is_empty()


def test_a_cluster_that_is_too_large_is_reported_and_held_if_wanted() -> None:
    rows = [record(f"shop/{n}", "Anna Berg", email="a@x.de", day=n) for n in range(5)]
    report = ("too large", "5 records, more than 3", 5)
    assert reports(rows, held(most_records=3)) == [(*report, False)]
    options = held(Reason.TOO_LARGE, most_records=3)
    assert reports(rows, options) == [(*report, True)]
    found = together(resolved(*rows, options=options))
    assert found == groups("shop/0 shop/1 shop/2", "shop/3", "shop/4")


TWICE = [
    record("shop/1", "Anna Berg", phone=PHONE, shop_customer_id=1),
    record("shop/2", "Anna Berg", phone=PHONE, shop_customer_id=2, day=1),
]
"""Anna signed up twice."""


def test_a_cluster_is_cut_for_what_is_in_itself() -> None:
    """The merge accounts for the second number, although no number is on its two records."""
    other = [
        record("shop/8", "Eva Lang", email="e@x.de", shop_customer_id=8, day=6),
        record("crm/8", "Eva Lang", email="e@x.de", day=7),
        record("crm/9", "Eva Lang", email="l@x.de", day=8),
        record("shop/9", "Eva Lang", email="l@x.de", shop_customer_id=9, day=9),
    ]
    options = held(Reason.SHOP_CUSTOMERS)
    found = resolved(*TWICE, *other, said=["merge crm/8 crm/9"], options=options)
    assert together(found) == groups("shop/1", "shop/2", "shop/8 crm/8 crm/9 shop/9")


def test_what_a_person_merged_stays_whole_where_its_cluster_is_cut() -> None:
    rows = [
        *TWICE,
        record("shop/3", "Anna Berg", phone=PHONE, shop_customer_id=3, day=2),
        record("crm/2", "Anna Berg", shop_customer_id=2, day=3),
    ]
    options = held(Reason.SHOP_CUSTOMERS)
    found = resolved(*rows, said=["merge shop/1 shop/2"], options=options)
    assert together(found) == groups("shop/1 shop/2 crm/2", "shop/3")


def test_a_merge_joins_two_customers_whole() -> None:
    """Ben is merged with the record of Anna that hangs on the weakest edge."""
    rows = [
        record("shop/1", "Anna Berg", email="a@x.de"),
        record("crm/c", "Anna Berg", email="a@x.de", phone=PHONE, day=1),
        record("billing/b", "A. Berg", phone=PHONE, day=2),
        record("shop/2", "Ben Berg", email="a@x.de", day=3),
    ]
    found = resolved(*rows, said=["merge shop/2 billing/b"])
    assert together(found) == groups("shop/1 crm/c billing/b shop/2")
    assert found.over_merged.is_empty()


def test_a_merge_settles_a_report() -> None:
    """Anna and Ben have two spellings each, of which the person merged one pair."""
    rows = [
        *CHAIN,
        record("crm/spelt", "Anna Bergg", email="a@x.de", day=3),
        record("crm/bens", "B. Kurz", shop_customer_id=2, day=4),
    ]
    assert together(resolved(*rows)) == groups("shop/1 crm/spelt", "crm/bridge billing/2 crm/bens")
    found = resolved(*rows, said=["merge shop/1 billing/2"])
    assert len(together(found)) == 1
    assert found.over_merged.is_empty()


def test_a_merge_with_another_customer_settles_nothing() -> None:
    found = resolved(*TWICE, record("crm/7", "Eva Lang", day=5), said=["merge shop/1 crm/7"])
    assert found.over_merged["detail"].to_list() == ["shop customers 1, 2"]


def test_reports_show_no_personal_value() -> None:
    found = resolved(*CHAIN)
    shown = found.over_merged.select(pl.all().cast(pl.String)).rows()
    assert not [text for row in shown for text in row if "Anna" in text or "x.de" in text]
