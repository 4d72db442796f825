"""Which records are one customer: one story a test."""

import pytest

from etl_assets.core.errors import ContractMismatch, SpecError
from etl_assets.core.identity.names import Names
from etl_assets.core.identity.over_merges import Checks
from etl_assets.core.identity.resolve import Options
from etl_assets.core.identity.rules import RULES, Rule
from etl_assets_tests.identity.made import (
    PHONE,
    decisions,
    frame,
    groups,
    record,
    refusals,
    resolve,
    resolved,
    together,
)

UNKNOWN_HERE = "a name is missing, and several people have the value"


def test_the_same_address_phone_or_shop_number_joins_records_of_three_systems() -> None:
    found = resolved(
        record("shop/1", "Anna Berg", email="a@x.de", shop_customer_id=1),
        record("crm/c", "Berg, Anna", email="a@x.de", phone=PHONE),
        record("billing/b", "A Berg", phone=PHONE),
        record("billing/d", None, shop_customer_id=1),
        record("crm/other", "Anna Berg"),
    )
    assert together(found) == groups("shop/1 crm/c billing/b billing/d", "crm/other")


def test_an_edge_shows_its_rule_and_its_evidence_masked() -> None:
    found = resolved(
        record("shop/1", "Anna Berg", email="anna@x.de", phone=PHONE, shop_customer_id=7),
        record("crm/c", "Anna Berg", email="anna@x.de", phone=PHONE, shop_customer_id=7, day=1),
    )
    assert found.edges.select("left_id", "right_id", "rule", "evidence", "weight").rows() == [
        ("1", "c", "email", "email a***@x.de", 0.9),
        ("1", "c", "external_id", "shop_customer_id 7", 1.0),
        ("1", "c", "phone", "phone +49***67", 0.7),
    ]


def test_a_family_with_one_address_is_one_customer_a_person() -> None:
    found = resolved(
        record("shop/anna", "Anna Berg", email="family@x.de"),
        record("shop/ben", "Ben Berg", email="family@x.de", day=1),
        record("crm/ben", "Berg, Ben", email="family@x.de", day=2),
        record("crm/anna", "A. Berg", email="family@x.de", day=3),
        record("billing/nobody", None, email="family@x.de", day=4),
    )
    assert together(found) == groups("shop/anna crm/anna", "shop/ben crm/ben", "billing/nobody")
    assert refusals(found) == {("email", "given names differ"), ("email", UNKNOWN_HERE)}


def test_a_record_without_a_name_is_not_the_bridge_between_two_people() -> None:
    found = resolved(
        record("shop/nobody", None, email="family@x.de"),
        record("shop/anna", "Anna Berg", email="family@x.de", day=1),
        record("crm/ben", "Ben Berg", email="family@x.de", day=2),
    )
    assert together(found) == groups("shop/nobody", "shop/anna", "crm/ben")


def test_a_missing_name_does_not_speak_against_an_address_but_against_a_phone() -> None:
    found = resolved(
        record("shop/1", "Anna Berg", email="a@x.de"),
        record("crm/1", None, email="a@x.de", phone=PHONE),
        record("crm/2", "Anna Berg", phone=PHONE),
    )
    assert together(found) == groups("shop/1 crm/1", "crm/2")
    assert refusals(found) == {("phone", "a name is missing")}


def test_a_phone_number_with_a_new_owner_joins_nobody() -> None:
    found = resolved(
        record("shop/1", "Anna Berg", phone=PHONE), record("crm/2", "Anna Kurz", phone=PHONE)
    )
    assert together(found) == groups("shop/1", "crm/2")
    assert refusals(found) == {("phone", "family names differ")}


def test_whoever_married_keeps_the_address_and_stays_one() -> None:
    found = resolved(
        record("shop/1", "Anna Berg", email="a@x.de"), record("crm/2", "Anna Kurz", email="a@x.de")
    )
    assert together(found) == groups("shop/1 crm/2")


def test_a_nickname_does_not_speak_against_a_shop_number_but_another_name_does() -> None:
    rows = [
        record("shop/1", "Robert Berg", shop_customer_id=1),
        record("crm/bob", "Bob Berg", shop_customer_id=1),
        record("crm/typo", "Carla Kurz", shop_customer_id=1),
    ]
    found = resolved(*rows)
    assert together(found) == groups("shop/1 crm/bob", "crm/typo")
    assert refusals(found) == {("external_id", "names differ")}
    assert found.over_merged.is_empty()


def test_a_role_address_counts_only_with_the_same_name() -> None:
    found = resolved(
        record("shop/1", "Anna Berg", email="info@x.de"),
        record("crm/1", "Berg, Anna", email="info@x.de"),
        record("crm/2", "A. Berg", email="info@x.de"),
        record("crm/3", None, email="info@x.de"),
    )
    assert together(found) == groups("shop/1 crm/1", "crm/2", "crm/3")
    (edge,) = found.edges.select("evidence", "weight").rows()
    assert edge == ("email i***@x.de, which 4 records share, and the same name", 0.45)


@pytest.mark.parametrize(("most", "joined"), [(4, 1), (3, 4)])
def test_a_value_that_many_share_is_no_evidence_alone(most: int, joined: int) -> None:
    rules = [Rule("email", ("email",), 0.9, most_records=most)]
    rows = [record(f"shop/{n}", f"Anna{'abcd'[n] * 3} Berg", email="x@x.de") for n in range(4)]
    options = Options(rules, Checks(held_apart=frozenset()))
    assert len(together(resolved(*rows, options=options))) == joined


def test_a_placeholder_that_many_of_one_name_share_joins_nobody() -> None:
    rules = [Rule("email", ("email",), 0.9, most_records=3)]
    rows = [record(f"shop/{n}", "Anna Berg", email="none@none.de") for n in range(4)]
    assert resolved(*rows, options=Options(rules)).edges.is_empty()
    assert resolved(*rows[:3], options=Options(rules)).edges.height == 2


def test_a_user_declares_rules_of_their_own() -> None:
    rule = Rule("segment_and_country", ("segment", "country"), 0.2, frozenset({Names.DIFFER}))
    rows = [
        record("shop/1", "Anna Berg", segment="vip", country="DE"),
        record("crm/2", "Anna Kurz", segment="vip", country="DE"),
        record("crm/3", "Anna Kurz", segment="vip"),
    ]
    found = resolved(*rows, options=Options([*RULES, rule]))
    assert together(found) == groups("shop/1 crm/2", "crm/3")
    assert found.edges["evidence"].to_list() == ["segment and country v***"]


@pytest.mark.parametrize(
    "wrong", [{"weight": 0}, {"weight": 1.1}, {"columns": ()}, {"most_records": 1}]
)
def test_a_rule_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="identity rule"):
        Rule(**{"name": "r", "columns": ("email",), "weight": 0.5, **wrong})  # type: ignore[arg-type]


def test_a_system_of_one_record_a_person_is_never_joined_with_itself() -> None:
    rows = [
        record("billing/1", "Anna Berg", email="a@x.de"),
        record("crm/1", "Anna Berg", email="a@x.de", phone=PHONE, day=1),
        record("billing/2", "Anna Berg", phone=PHONE, day=2),
    ]
    assert together(resolved(*rows)) == groups("billing/1 crm/1 billing/2")
    found = resolved(*rows, options=Options(one_record_systems={"billing"}))
    assert together(found) == groups("billing/1 crm/1", "billing/2")
    assert refusals(found) == {("phone", "it would join two records of billing")}


def test_a_merge_holds_even_in_a_system_of_one_record_a_person() -> None:
    rows = [record("billing/1", "Anna Berg"), record("billing/2", "Anna Berg")]
    options = Options(one_record_systems={"billing"})
    found = resolved(*rows, said=["merge billing/1 billing/2"], options=options)
    assert together(found) == groups("billing/1 billing/2")


def test_a_merge_joins_customers_whole_there_too() -> None:
    rows = [
        record("billing/1", "Anna Berg", email="a@x.de"),
        record("crm/1", "Anna Berg", email="a@x.de", day=1),
        record("billing/2", "Anna Berg", day=2),
    ]
    options = Options(one_record_systems={"billing"})
    found = resolved(*rows, said=["merge crm/1 billing/2"], options=options)
    assert together(found) == groups("billing/1 crm/1 billing/2")


def test_records_that_break_the_contract_are_refused() -> None:
    twice = frame([record("shop/1"), record("shop/1")])
    with pytest.raises(ContractMismatch, match="1 customer records have the source_system"):
        resolve(twice.lazy(), decisions().lazy())
    with pytest.raises(ContractMismatch, match="another dtype: phone"):
        resolve(twice.drop("phone").lazy(), decisions().lazy())


def test_no_records_give_empty_frames() -> None:
    found = resolved()
    assert all(
        part.is_empty()
        for part in (found.edges, found.clusters, found.golden, found.provenance, found.over_merged)
    )
