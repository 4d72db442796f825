"""What people decided holds, and can be taken back."""

from datetime import UTC, datetime

import pytest

from etl_assets.core.errors import StateError
from etl_assets.core.identity.decisions import decide, standing
from etl_assets_tests.identity.made import (
    PHONE,
    decisions,
    groups,
    record,
    refusals,
    resolved,
    together,
)

ANNA = [
    record("shop/1", "Anna Berg", email="a@x.de"),
    record("crm/1", "Anna Berg", email="a@x.de", phone=PHONE, day=1),
    record("billing/1", "Anna Berg", phone=PHONE, day=2),
]
OTHER = record("crm/9", "Ben Kurz", day=3)


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        (["merge"], "merge"),
        (["unmerge"], "unmerge"),
        (["merge", "unmerge"], None),
        (["merge", "merge", "unmerge"], None),
        (["merge", "unmerge", "unmerge"], "unmerge"),
        (["unmerge", "merge"], "merge"),
        (["unmerge", "merge", "unmerge"], "unmerge"),
        (["merge", "unmerge", "merge"], "merge"),
    ],
)
def test_the_last_decision_holds_and_an_unmerge_takes_a_merge_back(
    said: list[str], holds: str | None
) -> None:
    pairs = ["shop/1 crm/1", "crm/1 shop/1"]
    log = decisions(*(f"{what} {pairs[at % 2]}" for at, what in enumerate(said)))
    assert [one.decision for one in standing(log)] == ([holds] if holds else [])


def test_a_merge_joins_what_no_rule_joins() -> None:
    found = resolved(*ANNA, OTHER, said=["merge shop/1 crm/9"])
    assert together(found) == groups("shop/1 crm/1 billing/1 crm/9")
    (edge,) = found.edges.filter(rule="decision").rows(named=True)
    assert edge["evidence"] == "merge of crm/9 and shop/1 by ann, 2024-01-01"
    assert edge["weight"] == 1


def test_what_a_person_merged_is_not_reported_for_its_names() -> None:
    assert resolved(*ANNA, OTHER, said=["merge shop/1 crm/9"]).over_merged.is_empty()


def test_an_unmerge_cuts_the_cluster_at_its_weakest_edge() -> None:
    found = resolved(*ANNA, said=["unmerge shop/1 billing/1"])
    assert together(found) == groups("shop/1 crm/1", "billing/1")
    assert refusals(found) == {("phone", "unmerge of billing/1 and shop/1 by ann, 2024-01-01")}


def test_an_unmerge_leaves_the_other_members_of_a_group_where_they_were() -> None:
    rows = [record(f"shop/{n}", "Anna Berg", email="a@x.de", day=n) for n in range(4)]
    found = resolved(*rows, said=["unmerge shop/1 shop/2"])
    assert together(found) == groups("shop/0 shop/1 shop/3", "shop/2")
    found = resolved(*rows, said=["unmerge shop/0 shop/3"])
    assert together(found) == groups("shop/0 shop/1 shop/2", "shop/3")


def test_an_unmerge_is_stronger_than_merges_that_lead_around_it() -> None:
    said = ["unmerge shop/1 crm/9", "merge billing/1 crm/9"]
    found = resolved(*ANNA, OTHER, said=said)
    assert together(found) == together(resolved(*ANNA, OTHER, said=said[::-1]))
    parts = {next(part for part in together(found) if one in part) for one in ("shop/1", "crm/9")}
    assert len(parts) == 2


def test_an_edge_that_an_unmerge_stopped_is_tried_again_where_a_merge_moves_the_cut() -> None:
    """Anna's record c is with a, so b is held off; when a person takes c away from a, it is not."""
    rows = [
        record("shop/a", "Anna Berg", email="a@x.de"),
        record("crm/c", "Anna Berg", email="a@x.de", phone=PHONE, day=1),
        record("shop/b", "Anna Berg", phone=PHONE, day=2),
        record("shop/z", "Anna Kurz", day=3),
    ]
    said = ["unmerge shop/a shop/b"]
    assert together(resolved(*rows, said=said)) == groups("shop/a crm/c", "shop/b", "shop/z")
    said += ["unmerge shop/a shop/z", "merge crm/c shop/z"]
    assert together(resolved(*rows, said=said)) == groups("shop/a", "crm/c shop/b shop/z")


def test_a_decision_about_a_record_that_is_gone_waits_for_it() -> None:
    said = ["merge shop/1 crm/9"]
    assert together(resolved(*ANNA, said=said)) == groups("shop/1 crm/1 billing/1")
    assert together(resolved(*ANNA, OTHER, said=said)) == groups("shop/1 crm/1 billing/1 crm/9")


def test_a_decision_names_two_records() -> None:
    one = ("shop", "1")
    with pytest.raises(StateError, match="shop/1 is one record"):
        decide("merge", one, one, by="ann", at=datetime.now(UTC), reason="")
