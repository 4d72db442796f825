"""Explanations: the way to the oldest record, what did not join, decisions, and golden cells."""

import pytest

from etl_assets.core.errors import UnknownCustomer
from etl_assets.core.identity.explain import explain
from etl_assets.core.identity.keys import customer_key
from etl_assets_tests.identity.made import PHONE, decisions, record, resolved

ROWS = [
    record("shop/1", "Anna Berg", email="anna@x.de", shop_customer_id=1),
    record("crm/c", "Anna Berg", email="anna@x.de", phone=PHONE, day=1),
    record("billing/b", "A. Berg", phone=PHONE, day=2),
    record("shop/2", "Ben Berg", email="anna@x.de", shop_customer_id=2, day=3),
]
SAID = ["merge shop/1 crm/gone", "unmerge shop/2 crm/c"]
KEY = customer_key("shop", "1")


def lines(who: int | tuple[str, str]) -> list[str]:
    return list(explain(who, resolved(*ROWS, said=SAID), decisions(*SAID)).lines())


def test_a_record_is_explained_by_the_way_to_the_oldest_record() -> None:
    assert lines(("billing", "b")) == [
        f"customer {KEY}, after its oldest record shop/1",
        "records:",
        "  billing/b",
        "  crm/c",
        "  shop/1",
        "joined by:",
        "  crm/c — billing/b: phone +49***67 (phone, weight 0.7)",
        "  shop/1 — crm/c: email a***@x.de (email, weight 0.9)",
        "golden record:",
        "  email a***@x.de: from shop/1, precedence",
        "  full_name A***: from billing/b, precedence",
        "  phone +49***67: from crm/c, precedence",
        "  shop_customer_id 1: from shop/1, only value",
    ]


def test_a_customer_is_explained_with_all_that_did_not_join_and_all_decisions() -> None:
    found = lines(KEY)
    at = found.index("not joined:")
    assert found[at + 1 : at + 5] == [
        "  shop/1 — shop/2: email a***@x.de (email, weight 0.9); refused: given names differ",
        "decisions that hold:",
        "  unmerge of crm/c and shop/2 by ann, 2024-01-01",
        "  merge of crm/gone and shop/1 by ann, 2024-01-01",
    ]


def test_the_oldest_record_is_explained_by_the_ways_of_all_others() -> None:
    found = lines(("shop", "1"))
    joined = found[found.index("joined by:") + 1 : found.index("not joined:")]
    assert joined == [
        "  crm/c — billing/b: phone +49***67 (phone, weight 0.7)",
        "  shop/1 — crm/c: email a***@x.de (email, weight 0.9)",
    ]
    assert "joined by:" not in lines(("shop", "2"))


def test_no_personal_value_is_shown_whole() -> None:
    text = "\n".join(lines(KEY))
    assert not [value for value in ("Anna", "anna@", "Berg", PHONE) if value in text]


@pytest.mark.parametrize("who", [17, ("shop", "17")])
def test_whoever_is_not_there_is_named(who: int | tuple[str, str]) -> None:
    with pytest.raises(UnknownCustomer, match="17"):
        lines(who)
