"""Why a part must be loaded again: what each text says, alone and after another one."""

import pytest

from etl_assets.core.reload_reasons import (
    asked_again,
    forgotten,
    forgotten_of,
    lacks,
    lacks_of,
    only_lacks,
    refused,
    refused_of,
    then,
    with_lacks,
)

FORGOTTEN = forgotten("2024-05-17", "one")
LACKS = lacks(["channel"], "two")


@pytest.mark.parametrize("name", ["channel", "a; then b", 'say "hi"', "ö (x)", "]"])
def test_a_part_says_which_columns_it_lacks_whatever_they_are_called(name: str) -> None:
    text = then(lacks([name, "note"], "mark"), "refused by value_rules")
    assert lacks_of(text) == [name, "note"]
    assert refused_of(text) == "refused by value_rules"
    assert not only_lacks(text)
    assert only_lacks(lacks([name], "mark"))


@pytest.mark.parametrize("before", [None, FORGOTTEN, LACKS, lacks(["note"], "older")])
def test_a_part_that_lacks_columns_says_so_whatever_it_said_before(before: str | None) -> None:
    """What is made of it must not take its missing values for facts, forgotten or not."""
    assert with_lacks(before, LACKS) == LACKS
    if before is not None:
        refusal = refused("by value_rules", before=before)
        assert with_lacks(refusal, LACKS) == f"{LACKS}; then refused by value_rules"


def test_a_refusal_outlives_that_columns_are_lacking() -> None:
    text = with_lacks("refused by value_rules", LACKS)
    assert (lacks_of(text), refused_of(text)) == (["channel"], "refused by value_rules")
    assert asked_again(text) == LACKS


def test_what_is_forgotten_is_told_as_before() -> None:
    text = refused("by value_rules", "ab12", before=FORGOTTEN)
    assert (forgotten_of(text), refused_of(text)) == (FORGOTTEN, "refused by value_rules")
    assert asked_again("refused by value_rules") is None
    assert lacks_of(FORGOTTEN) == []
