"""What somebody is told who merges or unmerges."""

from datetime import timedelta
from typing import Literal

import pytest

from etl_assets.core.errors import UnknownCustomer
from etl_assets.core.identity.deciding import Outcome, outcome
from etl_assets.core.identity.decisions import decide
from etl_assets.core.identity.keys import customer_key
from etl_assets_tests.identity.made import START, decisions, frame, key, record

ROWS = [
    record("shop/1", "Anna Berg", email="a@x.de"),
    record("crm/1", "Anna Berg", email="a@x.de", day=1),
    record("crm/9", "Ben Kurz", day=2),
]
SHOP, BEN = customer_key("shop", "1"), customer_key("crm", "9")


def told(what: Literal["merge", "unmerge"], left: str, right: str, *said: str) -> list[str]:
    return list(found(what, left, right, *said).lines())


def found(what: Literal["merge", "unmerge"], left: str, right: str, *said: str) -> Outcome:
    at = START + timedelta(days=1)
    new = decide(what, key(left), key(right), by="ann", at=at, reason="a call")
    return outcome(frame(ROWS).lazy(), decisions(*said).lazy(), new)


def test_a_merge_tells_which_key_goes() -> None:
    assert told("merge", "crm/9", "shop/1") == [
        "crm/9 and shop/1 become one customer.",
        f"keys: crm/9 {SHOP} (was {BEN}), shop/1 {SHOP}",
    ]


def test_an_unmerge_of_a_merge_takes_it_back() -> None:
    assert told("unmerge", "crm/9", "shop/1", "merge shop/1 crm/9") == [
        "crm/9 and shop/1 become two customers.",
        f"keys: crm/9 {BEN} (was {SHOP}), shop/1 {SHOP}",
        "This takes the merge of the two back, as if it had not been said.",
    ]


def test_who_is_still_joined_after_a_merge_was_taken_back_is_told_by_what() -> None:
    said = "merge shop/1 crm/1"
    assert told("unmerge", "crm/1", "shop/1", said) == [
        "crm/1 and shop/1 are one customer, as before.",
        f"keys: crm/1 {SHOP}, shop/1 {SHOP}",
        "This takes the merge of the two back, as if it had not been said.",
        "They are still joined by:",
        "  shop/1 — crm/1: email a***@x.de (email, weight 0.9)",
        "Unmerge them once more to hold them apart.",
    ]
    again = found("unmerge", "crm/1", "shop/1", said, "unmerge shop/1 crm/1")
    assert again.after == (customer_key("crm", "1"), SHOP)


def test_a_merge_against_an_unmerge_of_others_is_told() -> None:
    lines = told("merge", "crm/9", "crm/1", "merge shop/1 crm/9", "unmerge shop/1 crm/1")
    assert lines[0] == "crm/1 and crm/9 are two customers, as before."
    assert lines[-1].startswith("A decision that holds records of the two apart")


def test_a_record_that_is_not_there_is_named() -> None:
    with pytest.raises(UnknownCustomer, match="shop/17"):
        told("merge", "crm/9", "shop/17")
